--- Verbs that open windows and lead to agents: dashboard, attach, focus, show, enter, view, next; and pause, resume.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local place = require("orchflow.command.place")
local text = require("orchflow.view.text")

---@type table<string, orchflow.Verb>
local M = {}

--- Answers a script that asks for what only a screen has.
---@param message_ string
---@param hint string
---@return fun(invocation: orchflow.Invocation, respond: orchflow.Respond)
local function only_on_a_screen(message_, hint)
  return function(_, respond)
    respond({ code = "usage", message = message_, hint = hint })
  end
end

---@return string[]
local function no_lines()
  return {}
end

M.dashboard = {
  request = function(invocation, respond)
    require("orchflow.command.watch").status.request(invocation, respond)
  end,
  lines = function(outcome, invocation)
    return require("orchflow.command.watch").status.lines(outcome, invocation)
  end,
  open = function(invocation)
    require("orchflow.ui.dashboard").open({ run = invocation.flags.run })
  end,
}

M.attach = {
  request = only_on_a_screen(
    "a script has no window to show an agent in",
    "run `orchflow attach NAME` in a terminal"
  ),
  lines = no_lines,
  open = function(invocation)
    require("orchflow.ui.agent").attach(invocation.arguments.agent, {
      where = invocation.flags["in"],
      follow = invocation.flags.follow,
    })
  end,
}

M.talk = {
  request = only_on_a_screen(
    "a script has no window to talk in",
    "run `orchflow log agent:NAME` to read, `orchflow send NAME TEXT` to speak"
  ),
  lines = no_lines,
  open = function(invocation)
    require("orchflow.ui.conversation").open(invocation.arguments.agent)
  end,
}

---@param result table of focus
---@return string
local function focus_words(result)
  local note = text.clean(result.note)
  if result.focused then
    return "in front: " .. text.clean(result.focused)
  end
  return note ~= "" and note or "no pane shows it"
end

M.focus = {
  request = function(invocation, respond)
    client.request("focus", { agent = invocation.arguments.agent }, function(failure, result, raw)
      respond(failure, result and { data = { raw or result }, result = result })
    end)
  end,
  lines = function(outcome)
    return { focus_words(outcome.result) }
  end,
  show = function(outcome, invocation)
    if not outcome.result.focused then
      message.info(
        ("orchflow: %s; :Orchflow attach %s shows it here"):format(
          focus_words(outcome.result),
          text.clean(invocation.arguments.agent)
        )
      )
    end
  end,
}

---@param agents table[]
---@return string[]
local function shown_lines(agents)
  return vim.tbl_map(function(agent)
    local pane, note = text.clean(agent.pane), text.clean(agent.note)
    return ("%s: %s"):format(
      text.clean(agent.agent),
      pane ~= "" and "in " .. pane or note ~= "" and note or "not shown"
    )
  end, agents or {})
end

M.show = {
  request = function(invocation, respond)
    client.request("show", {
      agents = invocation.arguments.agents,
      run = invocation.flags.run,
      view = place.view(invocation),
      front = place.front(),
    }, function(failure, result, raw)
      respond(failure, result and { data = (raw or result).agents, result = result })
    end)
  end,
  lines = function(outcome)
    return shown_lines(outcome.result.agents)
  end,
  show = function(outcome)
    message.info("orchflow: " .. table.concat(shown_lines(outcome.result.agents), ", "))
  end,
}

M.enter = {
  request = only_on_a_screen(
    "a script has no tab page to enter a worktree in",
    "`orchflow status --json` says where an agent's worktree is"
  ),
  lines = no_lines,
  open = function(invocation)
    require("orchflow.ui.enter").open(invocation.arguments.agent)
  end,
}

M.view = {
  request = only_on_a_screen("a script has no windows to lay out", ":Orchflow status prints it"),
  lines = no_lines,
  complete = {
    layout = function()
      return require("orchflow.ui.layout").names
    end,
  },
  open = function(invocation)
    local problem = require("orchflow.ui.layout").toggle(invocation.arguments.layout)
    if problem then
      message.failure(problem, "orchflow: view")
    end
  end,
}

---@param invocation orchflow.Invocation
---@return integer? count
---@return orchflow.Failure? failure
local function count_of(invocation)
  local typed = invocation.arguments.count
  if typed == nil then
    return 0
  end
  local count = typed:match("^%d+$") and tonumber(typed)
  if not count then
    return nil,
      {
        code = "usage",
        message = ("COUNT is a whole number, got %s"):format(typed),
        hint = ":Orchflow next 2 passes over two",
      }
  end
  return count
end

M.next = {
  request = function(invocation, respond)
    local skip, problem = count_of(invocation)
    if problem then
      respond(problem)
      return
    end
    client.request("status", {}, function(failure, status)
      local needs = status and require("orchflow.needs").of(status) or {}
      respond(failure, status and { data = vim.list_slice(needs, skip + 1), result = status })
    end)
  end,
  lines = function(outcome)
    local lines = vim.tbl_map(require("orchflow.next").words, outcome.data)
    return #lines > 0 and lines or { "nothing needs you" }
  end,
  open = function(invocation)
    local skip, problem = count_of(invocation)
    if problem then
      message.failure(problem, "orchflow: next")
    else
      require("orchflow.next").go(skip)
    end
  end,
}

---@param method "pause"|"resume"
---@return orchflow.Verb
local function steering(method)
  local verb
  verb = {
    patience_ms = method == "resume" and 10 * 60000 or nil,
    request = function(invocation, respond)
      local params = { agents = invocation.arguments.agents, run = invocation.flags.run }
      if method == "resume" then
        params.fresh = invocation.flags.fresh
        params.view = place.view(invocation)
        params.front = place.front()
      end
      client.request(method, params, function(failure, result, raw)
        respond(failure, result and { data = (raw or result).agents, result = result })
      end)
    end,
    lines = function(outcome)
      return vim.tbl_map(function(agent)
        local state = ("%s: %s"):format(text.clean(agent.agent), text.clean(agent.state))
        if agent.message then
          return ("%s (%s)"):format(state, text.clean(agent.message))
        elseif agent.started_again then
          return ("%s with %s session"):format(state, agent.session and "its" or "a new")
        end
        return state
      end, outcome.result.agents or {})
    end,
    show = function(outcome, invocation)
      local lines = verb.lines(outcome, invocation)
      local nobody = method == "resume" and "none of them is paused or was cut off"
        or "none of them runs"
      message.info("orchflow: " .. (#lines > 0 and table.concat(lines, ", ") or nobody))
    end,
  }
  return verb
end

M.pause = steering("pause")
M.resume = steering("resume")

return M
