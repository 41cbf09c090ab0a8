--- Verbs that add agents, speak to them and end them: spawn, send, stop, clean.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local place = require("orchflow.command.place")
local text = require("orchflow.view.text")

---@type table<string, orchflow.Verb>
local M = {}

local MINUTE_MS = 60000

M.spawn = {
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
    local names = place.names(prompts)
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
      require("orchflow.ui.float").open({ name = "clean", title = "Cleaned" }):show(page)
    end
  end,
}

return M
