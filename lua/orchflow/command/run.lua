--- Verbs that start agents, speak to them and end them: swarm, spawn, send, attach, stop, clean.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local output = require("orchflow.command.output")
local text = require("orchflow.view.text")

---@type table<string, orchflow.Verb>
local M = {}

local MINUTE_MS = 60000

--- Says where this editor stands, so that panes open beside it.
---@return table
local function front()
  return { tmux = vim.env.TMUX, tmux_pane = vim.env.TMUX_PANE }
end

---@param flag boolean? of the command
---@return boolean?
local function include_changes(flag)
  if flag ~= nil then
    return flag
  end
  local by_option = { yes = true, no = false }
  return by_option[require("orchflow.config").get().include_changes]
end

---@param invocation orchflow.Invocation
---@return string
local function view_of(invocation)
  -- A script has no window to show an agent in, but it may run in tmux.
  local windowless = invocation.is_script and not vim.env.TMUX
  return invocation.flags.view or windowless and "none" or require("orchflow.config").get().view
end

---@param agents any[]
---@return string
local function names_of(agents)
  return table.concat(
    vim.tbl_map(function(agent)
      return text.clean(type(agent) == "table" and agent.agent or agent)
    end, agents or {}),
    ", "
  )
end

---@param result table of swarm
---@return string
local function started_words(result)
  local words = ("run %s started: %s"):format(text.clean(result.run), names_of(result.agents))
  return result.base and ("%s  base: %s"):format(words, text.clean(result.base)) or words
end

--- What the outcome of a run means for whoever waited for it.
---@type table<string, orchflow.Failure>
local FAILURES = {
  needs_human = {
    code = "needs_human",
    message = "an agent waits for you; the agents go on",
    hint = ":Orchflow approvals lists permissions; :Orchflow attach NAME shows an agent",
  },
  failed = {
    code = "agent_failed",
    message = "an agent failed",
    hint = ":Orchflow status says which",
  },
}

--- Says on standard error what happens while a script waits.
---@return fun() stop
local function tell_progress()
  local told = {
    agent_status_changed = true,
    turn_ended = true,
    approval_requested = true,
    prompt_undelivered = true,
  }
  return client.on("events", function(events)
    for _, event in ipairs(events) do
      if told[event.type] then
        local who = require("orchflow.event").who(event)
        output.progress(
          ("%s  %s: %s"):format(text.clock(event.timestamp), who, text.clean(event.summary))
        )
      end
    end
  end)
end

--- Waits until a run has nothing left to do, and completes an outcome with how it ended.
---@param invocation orchflow.Invocation
---@param outcome orchflow.Outcome
---@param respond fun(failure?: orchflow.Failure, outcome?: orchflow.Outcome)
local function wait_for_run(invocation, outcome, respond)
  local finished = false
  local stop = invocation.is_script and tell_progress() or function() end
  local function finish(failure)
    if not finished then
      finished = true
      stop()
      respond(failure, outcome)
    end
  end
  local params = { run = outcome.run, on_approval = invocation.flags.on_approval }
  client.request("wait", params, function(failure, result, raw)
    if failure then
      finish(failure)
      return
    end
    outcome.result = vim.tbl_extend("force", outcome.result, result)
    outcome.data = (raw or result).agents
    finish(result.outcome ~= "done" and (FAILURES[result.outcome] or FAILURES.failed) or nil)
  end)
  if invocation.flags.timeout then
    vim.defer_fn(function()
      outcome.data = {}
      finish({
        code = "timed_out",
        message = ("run %d is not done after %d s; its agents go on"):format(
          outcome.run,
          invocation.flags.timeout
        ),
        hint = ":Orchflow status says how they are",
      })
    end, invocation.flags.timeout * 1000)
  end
end

M.swarm = {
  -- Waiting is what --wait asks for; its end is --timeout's, not a guess of ours.
  patience_ms = 2 ^ 31 - 1,
  request = function(invocation, respond)
    local configured = require("orchflow.config").get().agents
    client.request("swarm", {
      agents = invocation.flags.agents or (#configured > 0 and configured or nil),
      objective = invocation.arguments.objective,
      include_changes = include_changes(invocation.flags.include_changes),
      view = view_of(invocation),
      front = front(),
    }, function(failure, result, raw)
      if failure then
        respond(failure)
        return
      end
      local outcome = {
        data = (raw or result).agents,
        result = result,
        run = result.run,
        warnings = result.warnings or {},
      }
      if not invocation.flags.wait then
        respond(nil, outcome)
        return
      end
      local say = invocation.is_script and output.progress or message.info
      say(started_words(result))
      for _, warning in ipairs(invocation.is_script and outcome.warnings or {}) do
        output.progress(text.clean(warning))
      end
      wait_for_run(invocation, outcome, respond)
    end)
  end,
  show = function(outcome)
    local result = outcome.result
    if result.outcome then
      local words = { done = "is done", failed = "failed", needs_human = "needs you" }
      message.info(("run %d %s"):format(outcome.run, words[result.outcome] or result.outcome))
      return
    end
    local warnings = table.concat(vim.tbl_map(text.clean, outcome.warnings), "; ")
    message.info(started_words(result) .. (warnings ~= "" and "  " .. warnings or ""))
  end,
  lines = function(outcome)
    local result = outcome.result
    local lines =
      { started_words({ run = outcome.run, agents = result.agents, base = result.base }) }
    if result.outcome then
      lines[1] = ("run %d %s"):format(outcome.run, text.clean(result.outcome))
      for _, agent in ipairs(result.agents or {}) do
        local what = text.clean(agent.waiting_for or agent.detail)
        local tail = what ~= "" and (" (%s)"):format(what) or ""
        lines[#lines + 1] = ("  %s  %s%s"):format(
          text.clean(agent.agent),
          text.clean(agent.status),
          tail
        )
      end
    end
    return lines
  end,
  fail = function(failure, invocation)
    if failure.code ~= "dirty_tree" then
      return false
    end
    local choices = { "take them along", "start from the last commit", "do not start" }
    vim.ui.select(choices, { prompt = text.clean(failure.message) }, function(_, choice)
      if choice == 1 or choice == 2 then
        invocation.flags.include_changes = choice == 1
        M.swarm.request(invocation, function(again, outcome)
          if again then
            message.failure(again, "orchflow: swarm")
          else
            M.swarm.show(outcome, invocation)
          end
        end)
      end
    end)
    return true
  end,
}

M.spawn = {
  patience_ms = 10 * MINUTE_MS,
  request = function(invocation, respond)
    client.request("spawn", {
      agent = invocation.arguments.agent,
      prompt = invocation.arguments.prompt,
      run = invocation.flags.run,
      name = invocation.flags.name,
      include_changes = invocation.flags.include_changes,
      view = view_of(invocation),
      front = front(),
    }, function(failure, result)
      respond(failure, result and {
        data = { { agent = result.agent, run = result.run } },
        result = result,
        run = result.run,
        warnings = result.warnings,
      })
    end)
  end,
  lines = function(outcome)
    return { ("%s joined run %s"):format(text.clean(outcome.result.agent), text.clean(outcome.run)) }
  end,
  show = function(outcome, invocation)
    message.info(M.spawn.lines(outcome, invocation)[1])
  end,
}

--- Sends a prompt, as soon as its text is known.
---@param invocation orchflow.Invocation
---@param respond fun(failure?: orchflow.Failure, outcome?: orchflow.Outcome)
local function send(invocation, respond)
  local to = vim.split(invocation.arguments.to, ",", { plain = true, trimempty = true })
  local params = { to = to, text = invocation.arguments.text, run = invocation.flags.run }
  client.request("send", params, function(failure, result, raw)
    respond(failure, result and { data = (raw or result).prompts, result = result })
  end)
end

M.send = {
  optional = { to = true },
  request = function(invocation, respond)
    if invocation.is_script and not invocation.arguments.text then
      invocation.arguments.text = io.stdin:read("*a")
    end
    if not invocation.arguments.to or vim.trim(invocation.arguments.text or "") == "" then
      respond({
        code = "usage",
        message = "a prompt wants an agent and a text",
        hint = ":Orchflow send claude TEXT",
      })
      return
    end
    send(invocation, respond)
  end,
  lines = function(outcome)
    return vim.tbl_map(function(prompt)
      return ("prompt %s for %s: %s"):format(
        text.clean(prompt.id),
        text.clean(prompt.agent),
        text.clean(prompt.state)
      )
    end, outcome.result.prompts or {})
  end,
  show = function(outcome)
    local prompts = outcome.result.prompts or {}
    local names = names_of(prompts)
    local state = prompts[1] and text.clean(prompts[1].state) or "sent"
    message.info(("prompt %s for %s"):format(state, names))
  end,
  open = function(invocation)
    local function respond(failure, outcome)
      if failure then
        message.failure(failure, "orchflow: send")
      else
        M.send.show(outcome, invocation)
      end
    end
    local function ask_text()
      if invocation.arguments.text then
        send(invocation, respond)
        return
      end
      vim.ui.input({ prompt = ("Prompt for %s: "):format(invocation.arguments.to) }, function(typed)
        if typed and vim.trim(typed) ~= "" then
          invocation.arguments.text = typed
          send(invocation, respond)
        end
      end)
    end
    if invocation.arguments.to then
      ask_text()
      return
    end
    client.request("status", {}, function(failure, status)
      local names = {}
      for _, agent in ipairs(failure and {} or status.agents) do
        if agent.living then
          names[#names + 1] = agent.key
        end
      end
      if failure or #names == 0 then
        message.failure(
          failure or { message = "no agent lives; :Orchflow swarm starts some" },
          "orchflow: send"
        )
        return
      end
      names[#names + 1] = "all"
      vim.ui.select(names, { prompt = "Prompt for" }, function(name)
        invocation.arguments.to = name
        if name then
          ask_text()
        end
      end)
    end)
  end,
}

M.attach = {
  request = function(_, respond)
    respond({
      code = "usage",
      message = "a script has no window to show an agent in",
      hint = "run `orchflow attach NAME` in a terminal",
    })
  end,
  open = function(invocation)
    client.request("attach", { agent = invocation.arguments.agent }, function(failure, result)
      if failure then
        message.failure(failure, "orchflow: attach")
        return
      end
      local argv = vim.list_slice(result.argv, 1)
      if invocation.flags.follow then
        argv[#argv + 1] = "--follow"
      end
      local name = result.run and ("%s/%s"):format(result.run, result.agent)
        or invocation.arguments.agent
      local _, problem = require("orchflow.ui.terminal").open({
        argv = argv,
        name = name,
        focus = not invocation.flags.follow,
      })
      if problem then
        message.error("orchflow: attach: " .. problem)
      end
    end)
  end,
}

M.stop = {
  patience_ms = 2 * MINUTE_MS,
  request = function(invocation, respond)
    local params = { agents = invocation.arguments.agents, run = invocation.flags.run }
    client.request("stop", params, function(failure, result)
      respond(failure, result and { data = result.stopped, result = result })
    end)
  end,
  lines = function(outcome)
    local names = names_of(outcome.result.stopped)
    return { names ~= "" and "stopped: " .. names or "nothing was running" }
  end,
  show = function(outcome, invocation)
    message.info("orchflow: " .. M.stop.lines(outcome, invocation)[1])
  end,
}

M.clean = {
  patience_ms = 10 * MINUTE_MS,
  request = function(invocation, respond)
    client.request("clean", {
      agents = invocation.arguments.agents,
      run = invocation.flags.run,
      dry_run = invocation.flags.dry_run,
    }, function(failure, result, raw)
      local skipped = not failure and (result.skipped or {})[1] or nil
      if skipped then
        failure = {
          code = "skipped",
          message = ("%s: %s"):format(text.clean(skipped.agent), text.clean(skipped.why)),
          hint = skipped.hint,
        }
      end
      respond(failure, result and { data = (raw or result).cleaned, result = result })
    end)
  end,
  lines = function(outcome)
    return require("orchflow.view.list").cleaned(outcome.result).lines
  end,
  show = function(outcome)
    local page = require("orchflow.view.list").cleaned(outcome.result)
    if #page.lines == 1 then
      message.info("orchflow: " .. page.lines[1])
    else
      require("orchflow.ui.float").open({ name = "clean", title = "Cleaned" }):show(page)
    end
  end,
}

return M
