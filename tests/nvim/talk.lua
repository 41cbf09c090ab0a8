-- A conversation with an agent, as events of its log.

local M = {}

---@return table<string, any>
local function say(type, summary, data, fields)
  return vim.tbl_extend("force", {
    type = type,
    agent = "claude",
    run = 7,
    summary = summary,
    data = data or {},
    paths = {},
  }, fields or {})
end

--- Makes the events.
---@param clock integer seconds since 1970 of the first
---@return table<string, any>[]
function M.events(clock)
  ---@type table<string, any>[]
  local events = {
    say("prompt_queued", "prompt queued", {
      prompt = 1,
      text = "Make the greeting configurable\nand cover it with a test",
      origin = "objective",
    }, { actor = "human" }),
    say("prompt_accepted", "prompt accepted", { prompt = 1 }),
    say("turn_started", "turn 1 started", { turn = 1, prompt = 1 }),
    say("plan_updated", "plan of 3 steps", {
      steps = {
        { text = "read the code", status = "completed" },
        { text = "make it configurable", status = "in_progress" },
        { text = "cover it with a test" },
      },
    }),
    say(
      "text_displayed",
      '"I will read it first, ',
      { text = "I will read it first, ", last = false }
    ),
    say(
      "text_displayed",
      '"then change it."',
      { text = "then change it.\nIt is one file.", last = true }
    ),
    say("tool_requested", "wants Read: src/config.rs", {
      tool = "Read",
      tool_use_id = "t1",
      input = { file_path = "/worktrees/claude/src/config.rs" },
    }, { paths = { "src/config.rs" } }),
    say("tool_finished", "did Read: src/config.rs", {
      tool = "Read",
      tool_use_id = "t1",
      response = { output = "fn load() {\n}\n" },
    }, { paths = { "src/config.rs" } }),
    say("tool_requested", "wants Edit: src/config.rs", {
      tool = "Edit",
      tool_use_id = "t2",
      input = {
        file_path = "/worktrees/claude/src/config.rs",
        old_string = 'let greeting = "hello";\nprint(greeting);',
        new_string = 'let greeting = env::var("GREETING")?;\nprint(greeting);',
      },
    }, { paths = { "src/config.rs" } }),
    say("approval_requested", "asks: Edit: src/config.rs", { tool = "Edit", tool_use_id = "t2" }),
    say(
      "approval_answered",
      "allowed",
      { approval = 10, allow = true, reason = "fine" },
      { actor = "human" }
    ),
    say(
      "tool_finished",
      "Edit: src/config.rs",
      { tool = "Edit", tool_use_id = "t2", response = {} },
      {
        paths = { "src/config.rs" },
      }
    ),
    say("tool_requested", "wants Bash: cargo test", {
      tool = "Bash",
      tool_use_id = "t3",
      input = { command = "cargo test" },
    }),
    say("tool_failed", "Bash failed: exit code 1", {
      tool = "Bash",
      tool_use_id = "t3",
      error = "exit code 1\n1 test failed",
    }),
    say("turn_ended", "turn 1 done: Done.", { turn = 1, outcome = "done", message = "Done." }),
    say(
      "prompt_queued",
      "prompt queued",
      { prompt = 16, text = "run it again" },
      { actor = "human" }
    ),
    say("turn_started", "turn 2 started", { turn = 2, prompt = 16 }),
    say("tool_requested", "wants Bash: cargo test", {
      tool = "Bash",
      tool_use_id = "t4",
      input = { command = "cargo test" },
    }),
    say("approval_requested", "asks: Bash: cargo test", { tool = "Bash", tool_use_id = "t4" }),
    say(
      "prompt_queued",
      "prompt queued",
      { prompt = 20, text = "and then\nthe docs" },
      { actor = "human" }
    ),
  }
  for seq, event in ipairs(events) do
    event.seq = seq
    event.timestamp = (clock + seq) * 1000000
  end
  return events
end

--- Makes the events the answer to `log`, and the agent known.
---@param stub table
---@param clock integer
function M.serve(stub, clock)
  M.told = M.events(clock)
  stub.answers.log = function(params)
    local events = {}
    for index = #M.told, 1, -1 do
      if M.told[index].seq > (params.after or 0) then
        events[#events + 1] = vim.deepcopy(M.told[index])
      end
    end
    return { events = events, seq = #M.told }
  end
  local status = stub.status()
  stub.answers.status = function()
    return vim.deepcopy(status)
  end
end

--- Adds an event, and tells of it as the host does.
---@param type string
---@param summary string
---@param data table
function M.push(type, summary, data)
  local event = say(type, summary, data)
  event.seq = #M.told + 1
  event.timestamp = M.told[#M.told].timestamp + 1000000
  M.told[#M.told + 1] = event
  require("orchflow.client").receive({
    { kind = "events", events = { vim.deepcopy(event) }, cursor = event.seq },
  })
end

return M
