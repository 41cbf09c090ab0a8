--- Verbs that add agents, speak to them and end them: spawn, send, stop, clean.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local place = require("orchflow.command.place")
local steady = require("orchflow.ui.steady")
local text = require("orchflow.view.text")

---@type table<string, orchflow.Verb>
local M = {}

local MINUTE_MS = 60000

---@param number integer?
---@return string? objective of the run, or of the newest
local function objective_of(number)
  local runs = (client.store().status or {}).runs or {}
  local found
  for _, run in ipairs(runs) do
    if number == run.run or not number and (not found or run.run > found.run) then
      found = run
    end
  end
  return found and found.objective
end

M.spawn = {
  range = true,
  bang = "with the run's objective, without asking for a prompt",
  prompt = function(invocation)
    local quoted = place.quoted(invocation)
    if invocation.arguments.prompt then
      place.add_quote(invocation, "prompt", quoted)
      return nil
    elseif invocation.bang then
      return nil
    end
    local objective = objective_of(invocation.flags.run)
    local known = objective and vim.split(objective, "\n", { plain = true }) or nil
    return {
      key = "spawn " .. invocation.arguments.agent,
      title = ("spawn: first prompt for %s"):format(invocation.arguments.agent),
      argument = "prompt",
      lines = quoted or known,
      empty = ":Orchflow! spawn takes the run's objective",
    }
  end,
  patience_ms = 10 * MINUTE_MS,
  request = function(invocation, respond)
    client.request("spawn", {
      agent = invocation.arguments.agent,
      prompt = invocation.arguments.prompt,
      run = invocation.flags.run,
      name = invocation.flags.name,
      include_changes = invocation.flags.include_changes,
      view = place.view(invocation),
      front = place.front(),
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

--- Asks which agent is meant; never are all of them meant unless that is chosen.
---@param invocation orchflow.Invocation
---@param go fun(to: string)
local function ask_whom(invocation, go)
  client.request("status", { run = invocation.flags.run }, function(failure, status)
    local living = vim.tbl_filter(function(agent)
      return agent.living
    end, not failure and status.agents or {})
    if failure or #living == 0 then
      message.failure(
        failure or { message = "no agent lives; :Orchflow swarm starts some" },
        "orchflow: send"
      )
      return
    end
    local names = vim.tbl_map(function(agent)
      return agent.key
    end, living)
    if #names > 1 then
      names[#names + 1] = "all"
    end
    local words = require("orchflow.view.status")
    local options = {
      prompt = "Prompt for",
      kind = "orchflow_agent",
      format_item = function(name)
        for _, agent in ipairs(living) do
          if agent.key == name then
            return ("%s  %s"):format(text.clean(name), words.state_words(agent))
          end
        end
        return ("all %d agents"):format(#living)
      end,
    }
    steady.when_safe("send", function()
      vim.ui.select(names, options, function(name)
        if name then
          go(name)
        end
      end)
    end)
  end)
end

M.send = {
  range = true,
  optional = { to = true },
  prompt = function(invocation)
    local to, quoted = invocation.arguments.to, place.quoted(invocation)
    if not to then
      return nil
    elseif invocation.arguments.text then
      place.add_quote(invocation, "text", quoted)
      return nil
    end
    return {
      key = "send " .. to,
      title = to == "all" and "send: prompt for all agents" or "send: prompt for " .. to,
      argument = "text",
      lines = quoted or invocation.quoted,
    }
  end,
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
    local names = place.names(prompts)
    local state = prompts[1] and text.clean(prompts[1].state) or "sent"
    message.info(("prompt %s for %s"):format(state, names))
  end,
  open = function(invocation)
    if invocation.arguments.to then
      M.send.request(invocation, function(failure, outcome)
        if failure then
          message.failure(failure, "orchflow: send")
        else
          M.send.show(outcome, invocation)
        end
      end)
      return
    end
    -- The lines are read now: by the time the agent is chosen, the human may be elsewhere.
    invocation.quoted = place.quoted(invocation)
    invocation.range = nil
    ask_whom(invocation, function(to)
      invocation.arguments.to = to
      require("orchflow.command").go_on(invocation)
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
    local names = place.names(outcome.result.stopped)
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
      require("orchflow.ui.steady").when_safe("clean", function()
        require("orchflow.ui.float").open({ name = "clean", title = "Cleaned" }):show(page)
      end)
    end
  end,
}

return M
