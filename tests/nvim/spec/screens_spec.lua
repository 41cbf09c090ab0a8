local reference = require("reference")

-- 2026-11-25 14:03:00 UTC.
local CLOCK = 1795615380

--- What happens in the log of these screens, up to the newest.
local LOG = [[
  local at = (... - 120) * 1000000
  local function say(seconds, type, agent, summary, fields)
    return vim.tbl_extend("force", { timestamp = at + seconds * 1000000, type = type, agent = agent, run = 7, summary = summary,
      data = {}, paths = {} }, fields or {})
  end
  local human = { actor = "human", user = "me" }
  local told = {
    say(0, "host_started", nil, "host 0.1.0 started"),
    say(1, "run_started", nil, 'run started from main@a1b2c3d: "Make the greeting configurable"', { actor = "human", data = { objective = "Make the greeting configurable" } }),
    say(1, "agent_requested", "claude", "asked for Claude Code from main@a1b2c3d", human),
    say(1, "agent_requested", "codex", "asked for Codex from main@a1b2c3d", human),
    say(2, "worktree_created", "claude", "worktree 7-claude"),
    say(3, "agent_spawned", "claude", "process 4711 started"),
    say(4, "prompt_written", "claude", 'prompt written: "Make the greeting configurable"'),
    say(5, "turn_started", "claude", "turn 1 started", { data = { turn = 1 } }),
    say(9, "tool_requested", "claude", "Edit: src/config.rs", { paths = { "src/config.rs" } }),
    say(10, "tool_finished", "claude", "Edit: src/config.rs, 0.4 s", { paths = { "src/config.rs" } }),
    say(12, "agent_failed_to_start", "codex", "did not start: codex: command not found"),
    say(30, "text_displayed", "claude", '"env wins, so that tests can override it"'),
    say(41, "approval_requested", "claude", "asks: Bash: npm install left-pad"),
    say(52, "turn_ended", "claude", "turn 1 ended, 47 s", { data = { turn = 1 } }),
    say(52, "checkpoint_taken", "claude", "checkpoint of turn 1: 2 files, 3 hunks"),
    say(53, "ai_generated_code", "claude", "wrote src/config.rs, +12 -3", { paths = { "src/config.rs" } }),
    say(53, "ai_requested_review", "claude", "asks for a review of 3 hunks"),
    say(70, "hunk_accepted", "claude", "accepted src/config.rs:41", { actor = "human", data = { hunk = { id = "h_1", path = "src/config.rs", line = 41 } } }),
    say(75, "hunk_rejected", "claude", 'rejected tests/greet.rs:1: "test the error as well"', human),
    say(80, "prompt_queued", "claude", 'prompt queued: "cover it with a test"', human),
    say(81, "turn_started", "claude", "turn 2 started", { data = { turn = 2 } }),
    say(99, "tool_failed", "claude", "Bash failed: cargo test: 1 test failed"),
  }
  function told_event(seq, fields)
    local last = #told
    local each = vim.deepcopy(told[math.max(1, seq - 1200000 + last)] or told[1])
    each.seq = seq
    return vim.tbl_extend("force", each, fields or {})
  end
  -- The newest of a million: what came before is not asked for on these screens.
  stub.last = 1200000
  stub.answers.log = function(params)
    local events = {}
    for seq = 1200000, 1200000 - #told + 1, -1 do
      local each = told_event(seq)
      if seq < (params.before or math.huge) and (not params.filter or params.filter == "agent:" .. tostring(each.agent)) then
        events[#events + 1] = each
      end
    end
    return { events = events, seq = 1200000 }
  end
]]

return function(it, tests)
  local version = vim.version()
  local known = version.minor == 10 or version.minor == 12

  --- Holds one view in all its ways.
  ---@param view string
  ---@param show fun(child: orchflow.Child, way: table)
  ---@param needs? string the module that draws it
  local function screen(view, show, needs)
    for _, way in ipairs(reference.ways) do
      local name = ("%s, %d columns, %s, %s"):format(
        view,
        way.columns,
        way.background,
        way.icons and "icons" or "plain"
      )
      -- A state of its own: a draft that another test left would be told.
      local options =
        { screen = true, child = known and nil, env = { XDG_STATE_HOME = vim.fn.tempname() } }
      if view == "health" then
        options.env.PATH = tests.root .. "/tests/nvim/programs"
      end
      it(name, options, function(child)
        if not known then
          tests.skip("there are reference screens for Neovim 0.10 and 0.12")
        elseif needs and not child:lua("return pcall(require, ...)", needs) then
          tests.skip("there is no " .. needs)
        end
        reference.check(child, tests, view, way, CLOCK, show)
      end)
    end
  end

  local function title_says(child, part)
    child:wait(
      ("the title says %q"):format(part),
      [[
      local parts = vim.tbl_map(function(chunk) return chunk[1] end, vim.api.nvim_win_get_config(0).title or {})
      return table.concat(parts):find(..., 1, true)
    ]],
      part
    )
  end

  screen("timeline", function(child)
    child:lua(LOG, CLOCK)
    child:cmd("Orchflow timeline")
    child:wait("it is filled", [[return vim.fn.getline("."):find("Bash failed") ~= nil]])
    title_says(child, "LIVE")
  end)

  screen("timeline-expanded", function(child)
    child:lua(LOG, CLOCK)
    child:lua([[
      stub.serve_telling(function(seq, fields)
        return told_event(1200000 - 22 + (seq > 1200000 - 22 and seq - 1200000 + 22 or seq), fields)
      end)
    ]])
    child:cmd("Orchflow timeline agent:claude")
    child:wait("it is filled", [[return vim.fn.getline("."):find("Bash failed") ~= nil]])
    child:cmd([[call search("wrote src/config.rs", "bw")]])
    child:keys("<Tab>")
    child:wait("it is expanded", [[return vim.fn.search("GREETING", "n") > 0]])
    title_says(child, " of 1.2M")
  end)

  screen("talk", function(child)
    child:lua([[talk = require("talk"); talk.serve(stub, ... - 100)]], CLOCK)
    child:cmd("Orchflow talk claude")
    child:wait("it is filled", [[return vim.fn.search("^  waits: and then", "nw") > 0]])
    child:cmd("only")
    child:keys("gg")
    child:cmd([[call search("Edit: src/config.rs")]])
    child:keys("zo")
    child:cmd("echo ''")
  end, "orchflow.ui.conversation")

  screen("why", function(child)
    child:lua(LOG, CLOCK)
    child:lua(
      [[
      local clock = ...
      stub.answers.why = function()
        return {
          about = { kind = "agent", id = "7/claude", title = "7/claude" },
          lines = { "claude works on turn 2 since 0:39.", 'It was asked: "cover it with a test".' },
          chain = { told_event(1199999), told_event(1199998), told_event(1199980) },
          evidence = {
            { at = (clock - 21) * 1000000, channel = "osc7501", says = "working: cargo test", seq = 1200000, confidence = "stated" },
            { at = (clock - 39) * 1000000, channel = "hook", says = "UserPromptSubmit", seq = 1199999, confidence = "reported" },
            { at = (clock - 44) * 1000000, channel = "screen", says = "a spinner in the last line", confidence = "guess" },
          },
        }
      end
    ]],
      CLOCK
    )
    child:cmd("Orchflow why claude")
    child:wait("it says why", [[return vim.fn.search("It follows from", "n") > 0]])
  end)

  screen("dashboard", function(child)
    child:lua(
      [[
      local clock = ... * 1000000
      local status = stub.status()
      for index, agent in ipairs(status.agents) do
        agent.since = clock - index * 41000000
        for _, prompt in ipairs(agent.prompts) do
          prompt.at = clock - 13000000
        end
      end
      stub.answers.status = function() return vim.deepcopy(status) end
    ]],
      CLOCK
    )
    child:cmd("Orchflow dashboard")
    child:wait("it is drawn", [[return vim.fn.search("claude", "nw") > 0]])
  end, "orchflow.ui.dashboard")

  screen("approvals", function(child)
    child:lua(
      [[
      local clock = ... * 1000000
      local asked = {
        { id = "a_9", agent = "codex", run = 7, key = "7/codex", turn = 1, tool = "Bash", summary = "Bash: npm install left-pad",
          reason = "need padding for the banner", input = { command = "npm install left-pad" },
          requested_at = clock - 41000000, state = "pending", answerable = true },
        { id = "a_11", agent = "claude", run = 7, key = "7/claude", turn = 2, tool = "Edit", summary = "Edit: src/config.rs",
          input = { file_path = "src/config.rs", old_string = "hello", new_string = "world" },
          requested_at = clock - 5000000, state = "pending", answerable = true },
      }
      stub.answers.approvals = function() return { approvals = vim.deepcopy(asked) } end
    ]],
      CLOCK
    )
    child:cmd("Orchflow approvals")
    child:wait("it is drawn", [[return vim.fn.search("left-pad", "nw") > 0]])
  end, "orchflow.view.approval")

  --- Three files of two agents, rivals and a conflict among them.
  local HUNKS = [[
    local base = { "use std::env;", "", "/// Reads the configuration.", "pub fn load_config(path: &Path) -> Result<Config> {",
      '    let greeting = "hello";', "    let text = fs::read_to_string(path)?;", "    parse(&text, greeting)", "}" }
    local one, two = vim.deepcopy(base), vim.deepcopy(base)
    one[5] = '    let greeting = env::var("GREETING")?;'
    table.insert(one, 7, '    log::debug!("read {path:?}");')
    two[5] = '    let greeting = option("greeting")?;'
    local function changes(agent, lines, more)
      local fields = { agent = agent, path = "src/config.rs", heading = "fn load_config" }
      return stub.changes(vim.tbl_extend("force", fields, more or {}), base, lines)
    end
    local all = changes("claude", one, { words = "env wins, so that tests can override it" })
    local other = changes("codex", two)
    all[1].rivals = { stub.rival(other[1].id, "codex", "src/config.rs", 5) }
    other[1].rivals = { stub.rival(all[1].id, "claude", "src/config.rs", 5) }
    all[1].forecast = "conflict"
    vim.list_extend(all, other)
    local test = { agent = "claude", path = "tests/greet.rs", change = "added", changed = true }
    vim.list_extend(all, stub.changes(test, {}, { "#[test]", "fn greets() {", "}" }))
    stub.serve(all)
  ]]

  ---@param child orchflow.Child
  local function open_review(child)
    child:lua(HUNKS)
    child:cmd("Orchflow review")
    child:wait("it is filled", [[return vim.fn.getqflist({ size = 0 }).size == 4]])
    child:cmd("cfirst")
    child:wait("the file is there", [[return vim.fn.search("GREETING", "nw") > 0]])
    child:wait(
      "its winbar says where it stands",
      [[return vim.wo.winbar:find("hunk", 1, true) ~= nil
      or vim.api.nvim_eval_statusline(vim.wo.winbar, { use_winbar = true }).str:find("hunk 1", 1, true) ~= nil]]
    )
  end

  screen("review", open_review, "orchflow.view.inline")

  screen("diff", function(child)
    open_review(child)
    child:cmd("cclose")
    child:keys("dV")
    child:wait("both stand side by side", [[return vim.wo.diff]])
    child:cmd("echo ''")
  end, "orchflow.view.inline")

  screen("prompt", function(child)
    -- A draft of another test is not part of the picture.
    vim.fn.delete(vim.fn.stdpath("state") .. "/orchflow/drafts", "rf")
    child:cmd("file src/main.rs")
    child:cmd("setlocal filetype=rust")
    child:cmd("3,5Orchflow send claude")
    child:wait("the prompt is open", [[return vim.b.orchflow_prompt ~= nil]])
  end, "orchflow.prompt")

  screen("health", function(child)
    -- Nor are the traces of another test's defects.
    vim.fn.delete(vim.fn.stdpath("log") .. "/orchflow.log")
    child:cmd("checkhealth orchflow")
    child:wait("it is there", [[return vim.bo.filetype == "checkhealth"]])
    -- Where this machine has its programs, and which patch of Neovim runs, is no part of the picture.
    child:lua(
      [[
      local root = ...
      local lines = vim.api.nvim_buf_get_lines(0, 0, -1, false)
      for index, line in ipairs(lines) do
        -- Neovim first: the tests' own stands below the root.
        line = line:gsub(vim.pesc(vim.v.progpath), "/usr/bin/nvim"):gsub("(Neovim 0%.%d+)%.%d+", "%1.x")
        line = line:gsub(vim.pesc(root .. "/tests/nvim/programs"), "/usr/bin"):gsub(vim.pesc(root), "/plugin")
        lines[index] = line
      end
      vim.bo.modifiable = true
      vim.api.nvim_buf_set_lines(0, 0, -1, false, lines)
      vim.bo.modifiable = false
      vim.bo.modified = false
      vim.cmd("normal! gg")
    ]],
      tests.root
    )
    child:cmd("echo ''")
  end, "orchflow.ui.dashboard")
end
