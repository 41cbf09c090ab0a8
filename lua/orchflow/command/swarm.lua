--- The verb that starts a run: swarm, and waiting for its end.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local output = require("orchflow.command.output")
local place = require("orchflow.command.place")
local steady = require("orchflow.ui.steady")
local text = require("orchflow.view.text")

---@type table<string, orchflow.Verb>
local M = {}

---@param result table of swarm
---@return string
local function started_words(result)
  local words = ("run %s started: %s"):format(text.clean(result.run), place.names(result.agents))
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
  local function wait()
    client.request("wait", params, function(failure, result, raw)
      if finished then
        return
      elseif failure and failure.code == "host_lost" then
        -- Agents outlive a host, so the wait goes on with the next one.
        wait()
      elseif failure and failure.code == "stopping" then
        -- It answers until it is gone.
        vim.defer_fn(wait, 200)
      elseif failure then
        finish(failure)
      else
        outcome.result = vim.tbl_extend("force", outcome.result, result)
        outcome.data = (raw or result).agents
        finish(result.outcome ~= "done" and (FAILURES[result.outcome] or FAILURES.failed) or nil)
      end
    end)
  end
  wait()
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

---@param invocation orchflow.Invocation
---@return string[]? kinds of agents, nil for what the host takes where none is named
local function kinds(invocation)
  local configured = require("orchflow.config").get().agents
  return invocation.flags.agents or (#configured > 0 and configured or nil)
end

M.swarm = {
  range = true,
  optional = { objective = true },
  prompt = function(invocation)
    local quoted = place.quoted(invocation)
    if invocation.arguments.objective then
      place.add_quote(invocation, "objective", quoted)
      return nil
    end
    local named = kinds(invocation)
    return {
      key = "swarm",
      title = ("swarm: objective for %s"):format(
        named and table.concat(named, ", ") or "the agents installed"
      ),
      argument = "objective",
      lines = quoted,
    }
  end,
  -- Waiting is what --wait asks for; its end is --timeout's, not a guess of ours.
  patience_ms = 2 ^ 31 - 1,
  request = function(invocation, respond)
    client.request("swarm", {
      agents = kinds(invocation),
      objective = invocation.arguments.objective,
      include_changes = place.include_changes(invocation.flags.include_changes),
      view = place.view(invocation),
      budget = invocation.flags.budget,
      front = place.front(),
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
  fail = function(failure, invocation, respond)
    if failure.code ~= "dirty_tree" then
      return false
    end
    local choices = { "take them along", "start from the last commit", "do not start" }
    local function choose(_, choice)
      if choice == 1 or choice == 2 then
        invocation.flags.include_changes = choice == 1
        M.swarm.request(invocation, respond)
      else
        respond({ code = "cancelled", message = "nothing was started" })
      end
    end
    steady.when_safe("swarm", function()
      vim.ui.select(choices, { prompt = text.clean(failure.message) }, choose)
    end)
    return true
  end,
}

return M
