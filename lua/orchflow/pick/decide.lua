--- Deciding on hunks from within a picker. What was not on the screen as a whole is not accepted from there.

local message = require("orchflow.ui.message")
local seen = require("orchflow.review.seen")
local text = require("orchflow.view.text")

local M = {}

---@param hunks orchflow.Hunk[]
---@return orchflow.Hunk[]
local function undecided(hunks)
  return vim.tbl_filter(function(hunk)
    return hunk.state == "undecided"
  end, hunks)
end

---@param method "accept"|"reject"
---@param hunks orchflow.Hunk[]
---@param reason? string
local function decide(method, hunks, reason)
  local decisions = require("orchflow.review.decide")
  decisions.decide(method, hunks, { reason = reason }, function(failure, result)
    if failure then
      message.failure(failure, "orchflow: " .. method)
    else
      decisions.show(method, result.results or {})
    end
  end)
end

--- Accepts hunks.
---@param hunks orchflow.Hunk[]
---@return orchflow.Hunk[] taken those that the host was asked to accept
function M.accept(hunks)
  hunks = undecided(hunks)
  local taken = vim.tbl_filter(seen.is_shown, hunks)
  local hidden = #hunks - #taken
  if hidden > 0 then
    message.warn(
      ("orchflow: %s not wholly on the screen; <CR> opens it to be decided there"):format(
        hidden == 1 and "1 hunk was" or hidden .. " hunks were"
      )
    )
  end
  if #taken > 0 then
    decide("accept", taken)
  end
  return taken
end

--- Rejects hunks: a prompt asks for the reason.
---@param hunks orchflow.Hunk[]
function M.reject(hunks)
  hunks = undecided(hunks)
  if #hunks == 0 then
    message.info("orchflow: it is decided already")
    return
  end
  local whose = #hunks == 1 and text.clean(hunks[1].agent) or text.count(#hunks, "hunk")
  local asked = {
    verb = "reject",
    hunks = hunks,
    prompt = ("Reject %s because (empty: no reason): "):format(whose),
  }
  require("orchflow.review.ask").text(asked, function(typed)
    local reason = vim.trim(typed)
    decide("reject", hunks, reason ~= "" and reason or nil)
  end)
end

return M
