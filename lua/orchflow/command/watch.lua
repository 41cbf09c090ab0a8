--- Verbs that look: status, timeline, log, agents.

local client = require("orchflow.client")
local filters = require("orchflow.filter")
local message = require("orchflow.ui.message")
local output = require("orchflow.command.output")
local text = require("orchflow.view.text")

---@type table<string, orchflow.Verb>
local M = {}

--- Cells of a line that a script gets.
local SCRIPT_ROOM = 160

--- Gives events oldest first, as a log is read.
---@param events? orchflow.Event[]
---@return orchflow.Event[]
local function in_order(events)
  local ordered = vim.list_slice(events or {}, 1)
  table.sort(ordered, function(left, right)
    return left.seq < right.seq
  end)
  return ordered
end

M.status = {
  request = function(invocation, respond)
    local params = { run = invocation.flags.run, all = invocation.flags.all }
    client.request("status", params, function(failure, status, raw)
      local runs = status and status.runs or {}
      respond(failure, status and {
        data = (raw or status).agents,
        result = status,
        run = runs[#runs] and runs[#runs].run,
        seq = status.seq,
      })
    end)
  end,
  lines = function(outcome)
    return require("orchflow.view.status").page(outcome.result, {
      now = require("orchflow.clock").now(),
      icons = require("orchflow.config").get().icons,
      room = SCRIPT_ROOM,
    }).lines
  end,
  open = function(invocation)
    require("orchflow.ui.dashboard").open({ run = invocation.flags.run, all = invocation.flags.all })
  end,
}

---@param invocation orchflow.Invocation
---@return boolean whether the log is to be verified
local function is_verify(invocation)
  return vim.deep_equal(invocation.arguments.filter, { "verify" })
end

M.timeline = {
  request = function(invocation, respond)
    local filter, problem = filters.parse(invocation.arguments.filter or {}, "events")
    if not filter then
      respond({
        code = "usage",
        message = problem --[[@as string]],
        hint = ":Orchflow timeline agent:claude",
      })
      return
    end
    client.request("log", filters.params(filter), function(failure, result, raw)
      respond(failure, result and {
        data = in_order((raw or result).events),
        result = result,
        seq = result.seq,
        next = result.next,
      })
    end)
  end,
  lines = function(outcome, invocation)
    return M.log.lines(outcome, invocation)
  end,
  open = function(invocation)
    local filter, problem = filters.parse(invocation.arguments.filter or {}, "events")
    if filter then
      require("orchflow.ui.timeline").open(filter)
    else
      message.error("orchflow: timeline: " .. problem)
    end
  end,
}

--- Gives the filter of a log: that of its flags and that of its words are one.
---@param invocation orchflow.Invocation
---@return orchflow.Filter? filter
---@return orchflow.Failure? failure
local function log_filter(invocation)
  local words = is_verify(invocation) and {} or invocation.arguments.filter or {}
  local filter, problem = filters.parse(words, "events")
  if not filter then
    return nil,
      {
        code = "usage",
        message = problem --[[@as string]],
        hint = ":Orchflow log agent:claude type:edit since:10m",
      }
  end
  return filter, nil
end

---@param invocation orchflow.Invocation
---@param filter orchflow.Filter
---@return table
local function log_params(invocation, filter)
  local flags = invocation.flags
  return vim.tbl_extend("force", filters.params(filter), {
    action = is_verify(invocation) and "verify" or nil,
    agent = flags.agent,
    run = flags.run,
    type = flags.type,
    file = flags.file,
    text = flags.text,
    since = flags.since,
    limit = flags.limit,
    before = flags.before,
    after = flags.after,
  })
end

--- Gives the filter that the flags and the words of a log make together, for what is pushed.
---@param invocation orchflow.Invocation
---@param filter orchflow.Filter
---@return orchflow.Filter
local function with_flags(invocation, filter)
  local flags = invocation.flags
  local since = flags.since and { ("%ds"):format(flags.since) }
  for _, name in ipairs({ "agent", "run", "type", "file", "since" }) do
    local value = name == "since" and since or flags[name]
    if value then
      local values = type(value) == "table" and value or { tostring(value) }
      filter = filters.with(filter, name --[[@as orchflow.FilterName]], values)
    end
  end
  vim.list_extend(filter.words, flags.text and filters.split(flags.text) or {})
  return filter
end

---@param result table of `log verify`
---@return string
local function verdict(result)
  if result.intact then
    return ("%s checked, the chain is whole"):format(text.count(result.checked or 0, "event"))
  end
  local broken = result.broken or {}
  return ("event %s does not fit the chain: %s"):format(
    text.clean(broken.seq),
    text.clean(broken.why)
  )
end

---@param events orchflow.Event[]
---@param jsonl boolean?
local function print_events(events, jsonl)
  local lines = {}
  if jsonl then
    lines = vim.tbl_map(require("orchflow.json").encode, events)
  elseif #events > 0 then
    lines = require("orchflow.view.timeline").page(events).lines
  end
  output.print(lines)
end

M.log = {
  patience_ms = 2 ^ 31 - 1,
  request = function(invocation, respond)
    local filter, problem = log_filter(invocation)
    if not filter then
      respond(problem)
      return
    end
    local params = log_params(invocation, filter)
    client.request("log", params, function(failure, result, raw)
      if failure then
        respond(failure)
        return
      end
      if invocation.is_script and invocation.flags.follow then
        print_events(in_order(result.events), invocation.flags.jsonl)
        local wanted = with_flags(invocation, filter)
        client.on("events", function(events)
          local context = filters.context()
          local passing = vim.tbl_filter(function(event)
            return filters.passes(wanted, event, context)
          end, events)
          print_events(passing, invocation.flags.jsonl)
        end)
        return
      end
      local whole = raw or result
      if params.action then
        local broken = not result.intact and { code = "chain_broken", message = verdict(result) }
          or nil
        respond(broken, { data = { whole }, result = result })
        return
      end
      respond(nil, {
        data = in_order(whole.events),
        result = result,
        seq = result.seq,
        next = result.next,
      })
    end)
  end,
  lines = function(outcome, invocation)
    if is_verify(invocation) then
      return { verdict(outcome.result) }
    end
    local events = in_order(outcome.result.events)
    if invocation.flags.jsonl then
      return vim.tbl_map(require("orchflow.json").encode, events)
    end
    return #events > 0 and require("orchflow.view.timeline").page(events).lines or {}
  end,
  open = function(invocation)
    local filter, problem = log_filter(invocation)
    if not filter then
      message.failure(problem --[[@as orchflow.Failure]], "orchflow: log")
      return
    elseif invocation.flags.follow then
      require("orchflow.ui.timeline").open(with_flags(invocation, filter))
      return
    end
    M.log.request(invocation, function(failure, outcome)
      if outcome then
        M.log.show(outcome, invocation)
      else
        message.failure(failure, "orchflow: log")
      end
    end)
  end,
  show = function(outcome, invocation)
    if is_verify(invocation) then
      message.info("orchflow: log: " .. verdict(outcome.result))
      return
    end
    local page = require("orchflow.view.timeline").page(in_order(outcome.result.events))
    require("orchflow.ui.steady").when_safe("log", function()
      local buffer = require("orchflow.ui.scratch").open("log", page)
      local window = vim.fn.win_findbuf(buffer)[1]
      vim.api.nvim_win_set_cursor(window, { math.max(1, #page.lines), 0 })
    end)
  end,
}

M.agents = {
  request = function(_, respond)
    client.request("agents", {}, function(failure, result, raw)
      if not failure then
        require("orchflow.command.complete").remember_kinds(result.agents or {})
      end
      respond(failure, result and {
        data = (raw or result).agents,
        result = result,
        warnings = result.warnings,
      })
    end)
  end,
  lines = function(outcome)
    return require("orchflow.view.list").agents(outcome.result.agents or {}).lines
  end,
  show = function(outcome)
    local page = require("orchflow.view.list").agents(outcome.result.agents or {})
    require("orchflow.ui.steady").when_safe("agents", function()
      require("orchflow.ui.float").open({ name = "agents", title = "Agents" }):show(page)
    end)
    for _, warning in ipairs(outcome.warnings or {}) do
      message.warn("orchflow: " .. text.clean(warning))
    end
  end,
}

return M
