--- The verb that goes on with agents that were started elsewhere: adopt.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local place = require("orchflow.command.place")
local text = require("orchflow.view.text")

---@type table<string, orchflow.Verb>
local M = {}

local MINUTE_MS = 60000

--- Describes a process in one line.
---@param candidate table
---@return string
local function described(candidate)
  local pane, tty = text.clean(candidate.pane), text.clean(candidate.tty)
  local where = pane ~= "" and pane or tty ~= "" and tty or "no terminal"
  local guessed = candidate.stated == false and "  (its session by its folder)" or ""
  local line = ("%s  process %s  %s%s"):format(
    text.clean(candidate.agent),
    text.clean(candidate.process),
    where,
    guessed
  )
  local why = text.clean(candidate.why_not)
  return why ~= "" and ("%s  can only be looked at: %s"):format(line, why) or line
end

---@param result table
---@return string[]
local function adopted(result)
  local what = result.copy and "a copy of session" or "session"
  return {
    ("%s goes on in %s %s, as run %s"):format(
      text.clean(result.agent),
      what,
      text.clean(result.session),
      text.clean(result.run)
    ),
  }
end

M.adopt = {
  patience_ms = 10 * MINUTE_MS,
  request = function(invocation, respond)
    client.request("adopt", {
      process = invocation.arguments.process,
      session = invocation.flags.session,
      agent = invocation.flags.agent,
      name = invocation.flags.name,
      include_changes = place.include_changes(invocation.flags.include_changes),
      view = place.view(invocation),
      front = place.front(),
    }, function(failure, result, raw)
      local whole = raw or result
      respond(failure, result and {
        data = result.candidates and whole.candidates or { whole },
        result = result,
        run = result.run,
        warnings = result.warnings,
      })
    end)
  end,
  lines = function(outcome)
    local candidates = outcome.result.candidates
    if not candidates then
      return adopted(outcome.result)
    end
    return vim.tbl_map(described, candidates)
  end,
  open = function(invocation)
    M.adopt.request(invocation, function(failure, outcome)
      if failure then
        message.failure(failure, "orchflow: adopt")
        return
      end
      for _, warning in ipairs(outcome.warnings or {}) do
        message.warn("orchflow: " .. text.clean(warning))
      end
      local candidates = outcome.result.candidates
      if not candidates then
        message.info("orchflow: " .. adopted(outcome.result)[1])
        return
      elseif #candidates == 0 then
        message.info("orchflow: no agent that was started elsewhere works in this repository")
        return
      end
      -- Choosing one is the human's word that it may be gone on with.
      local options =
        { prompt = "Go on with", kind = "orchflow_candidate", format_item = described }
      require("orchflow.ui.steady").when_safe("adopt", function()
        vim.ui.select(candidates, options, function(candidate)
          if candidate then
            invocation.arguments.process = tostring(candidate.process)
            M.adopt.open(invocation)
          end
        end)
      end)
    end)
  end,
}

return M
