--- The verb that looks for what was left behind, and mends it: doctor.

local client = require("orchflow.client")
local text = require("orchflow.view.text")

---@type table<string, orchflow.Verb>
local M = {}

local MINUTE_MS = 60000

--- Says what is wrong in one sentence, where something is.
---@param findings table[]
---@return orchflow.Failure?
local function problems_of(findings)
  local open, safe = 0, 0
  for _, finding in ipairs(findings) do
    if finding.level == "problem" and finding.mended ~= true then
      open = open + 1
      safe = safe + ((finding.safe and finding.mended == nil) and 1 or 0)
    end
  end
  if open == 0 then
    return nil
  end
  return {
    code = "problems",
    message = ("%d problem%s to be mended"):format(open, open == 1 and " is" or "s are"),
    hint = safe > 0 and (":Orchflow doctor --fix mends %d of them"):format(safe) or nil,
  }
end

M.doctor = {
  patience_ms = 2 * MINUTE_MS,
  request = function(invocation, respond)
    client.request("doctor", { fix = invocation.flags.fix }, function(failure, result, raw)
      respond(failure or result and problems_of(result.findings or {}), result and {
        data = (raw or result).findings,
        result = result,
      })
    end)
  end,
  lines = function(outcome)
    return require("orchflow.view.list").findings(outcome.result.findings or {}).lines
  end,
  open = function(invocation)
    client.request("doctor", { fix = invocation.flags.fix }, function(failure, result)
      if failure then
        require("orchflow.ui.message").failure(failure, "orchflow: doctor")
        return
      end
      local page = require("orchflow.view.list").findings(result.findings or {})
      local left = problems_of(result.findings or {})
      page:add({
        {
          left and left.message or "nothing is wrong",
          left and "OrchflowWaiting" or "OrchflowDone",
        },
      })
      if left and left.hint then
        page:add({ { text.clean(left.hint), "OrchflowMuted" } })
      end
      require("orchflow.ui.steady").when_safe("doctor", function()
        require("orchflow.ui.float").open({ name = "doctor", title = "Doctor" }):show(page)
      end)
    end)
  end,
}

return M
