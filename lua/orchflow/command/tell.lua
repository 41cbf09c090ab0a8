--- Verbs that explain: why, event.

local client = require("orchflow.client")

---@type table<string, orchflow.Verb>
local M = {}

---@return integer microseconds since 1970
local function now()
  return require("orchflow.clock").now()
end

M.why = {
  request = function(invocation, respond)
    client.request("why", { about = invocation.arguments.about }, function(failure, answer, raw)
      respond(failure, answer and { data = { raw or answer }, result = answer })
    end)
  end,
  lines = function(outcome)
    return require("orchflow.view.why").page(outcome.result, now()).lines
  end,
  show = function(outcome)
    require("orchflow.ui.why").show(outcome.result)
  end,
}

M.event = {
  request = function(invocation, respond)
    local given = invocation.arguments.seq
    local seq = tonumber((tostring(given):gsub("^#", "")))
    if not seq then
      respond({
        code = "usage",
        message = ("%s is not the number of an event"):format(given),
        hint = ":Orchflow event 214",
      })
      return
    end
    client.request("event", { seq = seq }, function(failure, answer, raw)
      respond(failure, answer and { data = { raw or answer }, result = answer })
    end)
  end,
  lines = function(outcome)
    return require("orchflow.view.why").event(outcome.result, 120).lines
  end,
  show = function(outcome)
    require("orchflow.ui.why").show_event(outcome.result)
  end,
}

return M
