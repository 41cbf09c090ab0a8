-- Answers the plugin's requests inside the child, so that what stands on top of the client is tested without a host.

local client = require("orchflow.client")

local M = { asked = {}, answers = {}, files = {}, checkpoint = "c1" }

local function hunk(fields)
  return vim.tbl_extend("force", {
    hash = ("0"):rep(64),
    run = 7,
    key = "7/" .. fields.agent,
    turn = 2,
    user_path = vim.fs.joinpath(client.root(), fields.path),
    agent_path = "/worktrees/" .. fields.agent .. "/" .. fields.path,
    line = 1,
    old_start = 1,
    old_lines = 1,
    new_start = 1,
    new_lines = 1,
    insertions = 1,
    deletions = 1,
    change = "lines",
    heading = "",
    removed = { "old" },
    added = { "new" },
    before = {},
    after = {},
    state = "undecided",
    comments = 0,
    checkpoint = M.checkpoint,
    seen = false,
    changed = false,
    rivals = {},
    forecast = "clean",
  }, fields)
end

M.hunk = hunk

--- Makes what the host says of a rival.
function M.rival(id, agent, path, line, same)
  return {
    id = id,
    agent = agent,
    key = "7/" .. agent,
    path = path,
    line = line,
    same = same or false,
  }
end

--- Makes the hunks between two versions of a file, and the file that `file` answers with.
---@param fields table of every hunk: agent, path
---@param base string[]
---@param lines string[] the agent's version
function M.changes(fields, base, lines)
  local diff = vim.text and vim.text.diff or vim.diff
  local hunks = {}
  local function joined(all)
    return #all > 0 and table.concat(all, "\n") .. "\n" or ""
  end
  for number, each in ipairs(diff(joined(base), joined(lines), { result_type = "indices" })) do
    local old_start, old_lines, new_start, new_lines = unpack(each)
    hunks[number] = hunk(vim.tbl_extend("force", {
      id = ("h_%s%02d"):format(vim.fn.sha256(fields.agent .. fields.path):sub(1, 6), number),
      line = old_lines == 0 and old_start + 1 or old_start,
      old_start = old_start,
      old_lines = old_lines,
      new_start = new_start,
      new_lines = new_lines,
      insertions = new_lines,
      deletions = old_lines,
      removed = vim.list_slice(base, old_start, old_start + old_lines - 1),
      added = vim.list_slice(lines, new_start, new_start + new_lines - 1),
      before = { base[(old_lines == 0 and old_start + 1 or old_start) - 1] },
      after = { base[(old_lines == 0 and old_start + 1 or old_start) + old_lines] },
    }, fields))
  end
  M.files[fields.agent .. "\0" .. fields.path] = { lines = lines, base_lines = base }
  return hunks
end

--- Makes a version of a file out of its hunks alone.
---@param hunks table[] of one agent in one file
---@param side "new"|"old"
local function version(hunks, side)
  local lines = {}
  for _, each in ipairs(hunks) do
    local start, count = each[side .. "_start"], each[side .. "_lines"]
    while #lines < start - (count > 0 and 1 or 0) do
      lines[#lines + 1] = "line " .. #lines + 1
    end
    vim.list_extend(lines, side == "new" and each.added or each.removed)
  end
  return lines
end

--- Hunks of two agents in two files, one of which the human does not have.
function M.hunks()
  return {
    hunk({
      id = "h_aa01",
      agent = "claude",
      path = "one.txt",
      line = 2,
      old_start = 2,
      new_start = 2,
      heading = "fn load",
      rivals = { M.rival("h_bb02", "codex", "one.txt", 2) },
    }),
    hunk({
      id = "h_bb02",
      agent = "codex",
      path = "one.txt",
      line = 2,
      old_start = 2,
      new_start = 2,
      heading = "fn load",
      rivals = { M.rival("h_aa01", "claude", "one.txt", 2) },
    }),
    hunk({
      id = "h_aa03",
      agent = "claude",
      path = "one.txt",
      line = 5,
      old_start = 5,
      new_start = 5,
    }),
    hunk({
      id = "h_aa04",
      agent = "claude",
      path = "zzz.txt",
      change = "added",
      old_start = 0,
      old_lines = 0,
      removed = {},
      added = { "a", "b" },
      insertions = 2,
      deletions = 0,
    }),
  }
end

local function agent(fields)
  return vim.tbl_extend("force", {
    run = 7,
    key = "7/" .. fields.agent,
    kind = fields.agent,
    rehearsal = false,
    source = "hook",
    confidence = "reported",
    since = 0,
    turn = 1,
    undecided = 0,
    unseen = 0,
    insertions = 0,
    deletions = 0,
    queued = 0,
    undelivered = 0,
    approvals = 0,
    living = true,
    paused = false,
    prompts = {},
  }, fields)
end

M.agent = agent

--- A status with an agent in each state.
function M.status()
  return {
    agents = {
      agent({
        agent = "claude",
        status = "working",
        source = "osc7501",
        confidence = "stated",
        undecided = 5,
        unseen = 2,
        insertions = 64,
        deletions = 9,
        turn = 2,
        since = 1000000,
        cost = 0.31,
        pane = "%3",
        last_text = "I will read it first",
      }),
      agent({
        agent = "codex",
        status = "waiting",
        waiting_for = "approval",
        approvals = 2,
        queued = 1,
        prompts = { { id = 3, state = "queued", text = "and the\ndocs", at = 60000000 } },
      }),
      agent({ agent = "aider", status = "unknown", source = "screen", confidence = "guess" }),
      agent({
        agent = "gemini",
        status = "waiting",
        waiting_for = "trust",
        view_note = "no room beside the editor",
      }),
      agent({ agent = "actor", kind = "script", rehearsal = true, status = "done" }),
      agent({ agent = "slow", status = "working", paused = true }),
      agent({
        agent = "broken",
        status = "failed",
        detail = "API error: overloaded",
        undelivered = 1,
        prompts = { { id = 9, state = "undelivered", text = "again", at = 70000000 } },
      }),
    },
    runs = {
      {
        run = 7,
        objective = "Make it\nwork",
        base = "main@a1b2c3",
        state = "running",
        agents = {},
      },
    },
    host = { memory_bytes = 14000000 },
    seq = 1,
  }
end

--- Makes all hunks answers to `review`, and decisions on them answers to `accept`, `reject`, `undo`.
function M.serve(hunks)
  M.all = hunks
  local last, undone ---@type any, any
  M.answers.review = function(params)
    local found = vim.tbl_filter(function(each)
      local state_fits = params.state == "all" or each.state == "undecided"
      return state_fits and (not params.path or params.path == each.path)
    end, M.all)
    return { hunks = vim.deepcopy(found), seq = 1 }
  end
  M.answers.file = function(params)
    local of_file = vim.tbl_filter(function(each)
      return each.agent == params.agent and each.path == params.path
    end, M.all)
    local known = M.files[params.agent .. "\0" .. params.path]
    local first = of_file[1] or {}
    local answer = {
      checkpoint = params.checkpoint or M.checkpoint,
      newest = M.checkpoint,
      turn = 2,
      at = 50531000000,
      path = params.path,
      mode = "100644",
      binary = first.change == "binary",
      lines = version(of_file, "new"),
      base_lines = version(of_file, "old"),
      missing = first.change == "deleted" or #of_file == 0 and not known,
      base_missing = first.change == "added",
      too_big = false,
    }
    return vim.deepcopy(vim.tbl_extend("force", answer, known or {}))
  end
  M.answers.seen = function(params)
    for _, named in ipairs(params.hunks) do
      for _, each in ipairs(M.all) do
        each.seen = each.seen or (each.id == named.id and each.hash == named.hash)
      end
    end
    return {}
  end
  M.answers.why = function(params)
    return {
      about = { kind = "hunk", id = params.about, title = params.about },
      lines = { "turn 2: make it configurable" },
      chain = {},
      evidence = {},
    }
  end
  local function decide(state)
    return function(params)
      local results = {}
      for _, named in ipairs(params.hunks) do
        local result = {
          id = named.id,
          state = "refused",
          code = "unknown_hunk",
          message = "there is no hunk " .. named.id,
        }
        for _, each in ipairs(M.all) do
          if vim.startswith(each.id, named.id) and named.hash and named.hash ~= each.hash then
            result = {
              id = each.id,
              agent = each.agent,
              path = each.path,
              state = "refused",
              code = "hash_mismatch",
              message = "its agent has changed it since you saw it",
              hint = "look at the newer version",
            }
          elseif vim.startswith(each.id, named.id) then
            if named.lines then
              each.partly = named.lines
            else
              each.state = state
            end
            last, undone = { hunk = each, state = state }, nil
            result = {
              id = each.id,
              agent = each.agent,
              path = each.path,
              state = state,
              applied_to = "file",
            }
          end
        end
        results[#results + 1] = result
      end
      return { results = results }
    end
  end
  M.answers.accept = decide("accepted")
  M.answers.reject = decide("rejected")
  M.answers.comment = function(params)
    for _, named in ipairs(params.hunks) do
      for _, each in ipairs(M.all) do
        each.comments = each.comments + (each.id == named.id and 1 or 0)
      end
    end
    return { prompts = { { id = 1, agent = "claude" } } }
  end
  M.answers.undo = function()
    if not last then
      return nil, { code = "nothing_to_undo", message = "there is nothing to undo" }
    end
    last.hunk.state, last.hunk.partly = "undecided", nil
    undone, last = last, nil
    local each = undone.hunk
    return {
      undone = "accept",
      id = each.id,
      path = each.path,
      agent = each.agent,
      message = "accept undone",
    }
  end
  M.answers.redo = function()
    if not undone then
      return nil, { code = "nothing_to_redo", message = "there is nothing to make again" }
    end
    undone.hunk.state = undone.state
    last, undone = undone, nil
    return {
      redone = last.state == "accepted" and "accept" or "reject",
      id = last.hunk.id,
      path = last.hunk.path,
      agent = last.hunk.agent,
      message = "accept made again",
    }
  end
end

--- Gives the last request of a method.
function M.last(method)
  for index = #M.asked, 1, -1 do
    if M.asked[index].method == method then
      return M.asked[index]
    end
  end
  return nil
end

--- Makes a log of any length the answer to `log`, read as the host reads it: a page before a place, or after it.
---@param last integer the newest event
---@param event fun(seq: integer): table
function M.serve_log(last, event)
  M.last = last
  M.answers.log = function(params)
    local limit = params.limit or 100
    local said = params.filter or ""
    local wanted = said:match("agent:(%S+)")
    local words = vim.trim((said:gsub("%a+:%S+", ""):gsub('"', "")))
    local function passes(each)
      local key = ("%d/%s"):format(each.run, each.agent)
      if wanted and wanted ~= each.agent and wanted ~= key then
        return false
      end
      return words == "" or each.summary:find(words, 1, true) ~= nil
    end
    local events = {}
    local step, from, to = -1, math.min(M.last, (params.before or math.huge) - 1), 1
    if params.after then
      step, from, to = 1, params.after + 1, M.last
    end
    for seq = from, to, step do
      local each = event(seq)
      if passes(each) then
        events[#events + 1] = each
      end
      if #events > limit then
        break
      end
    end
    local more = #events > limit
    events[limit + 1] = nil
    return { events = events, seq = M.last, next = more and events[#events].seq or nil }
  end
end

--- Answers to `event` and `why`, as the host gives them.
function M.serve_telling(event)
  M.answers.event = function(params)
    if params.seq > (M.last or 100) then
      return nil, { code = "usage", message = ("there is no event %d"):format(params.seq) }
    end
    return {
      event = event(params.seq, { type = "ai_generated_code", summary = "wrote src/config.rs" }),
      chain = {
        event(params.seq),
        event(5, { type = "turn_started", summary = "turn 2 started", data = { turn = 2 } }),
        event(2, {
          type = "run_started",
          summary = "run started",
          data = { objective = "Make the greeting configurable" },
        }),
      },
      effects = {
        event(
          params.seq + 1,
          { type = "hunk_accepted", actor = "human", summary = "accepted src/config.rs:41" }
        ),
      },
      diff = {
        "@@ -1,3 +1,3 @@",
        " fn load() {",
        '-    let greeting = "hello";',
        '+    let greeting = env::var("GREETING")?;',
      },
      prompt = "cover it with a test",
      reasoning = "env wins, so tests can override",
      confidence = 0.85,
      hunks = { "h_aa01" },
    }
  end
  M.answers.why = function(params)
    return {
      about = { kind = "agent", id = "7/claude", title = params.about or "claude" },
      lines = { "claude works on turn 2 since 0:41" },
      chain = { event(6), event(5, { summary = "turn 2 started" }) },
      evidence = {
        { at = 9000000, channel = "osc7501", says = "working", seq = 6, confidence = "stated" },
        { at = 4000000, channel = "screen", says = "a spinner", confidence = "guess" },
      },
    }
  end
end

function client.request(method, params, callback)
  M.asked[#M.asked + 1] = { method = method, params = params }
  vim.schedule(function()
    local answer = M.answers[method]
    if not answer then
      callback({ code = "usage", message = "the stub has no " .. method })
      return
    end
    local result, failure = answer(params or {})
    callback(failure, result, result)
  end)
end

return M
