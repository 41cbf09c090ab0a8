--- Asks for a reason or a comment: in one line, through `vim.ui.input`, or in a markdown prompt buffer.

local text = require("orchflow.view.text")
local view = require("orchflow.view.hunk")

local M = {}

---@param options { verb: string, hunks: orchflow.Hunk[], prompt: string }
---@return string
local function title_of(options)
  local first = options.hunks[1]
  local whose = #options.hunks > 1 and text.count(#options.hunks, "hunk")
    or ("%s %s"):format(text.clean(first.agent), view.where(first))
  return ("%s: for %s"):format(options.verb, whose)
end

---@param options { verb: string, hunks: orchflow.Hunk[], prompt: string }
---@param answered fun(typed: string)
---@return boolean opened
local function in_a_buffer(options, answered)
  local has_prompt, prompt = pcall(require, "orchflow.prompt")
  if not has_prompt then
    return false
  end
  local ids = vim.tbl_map(function(hunk)
    return hunk.id
  end, options.hunks)
  prompt.open({
    key = options.verb .. " " .. table.concat(ids, ","),
    title = title_of(options),
    send = function(typed, done)
      done(nil)
      -- The prompt's window is closed first, so that what comes of the answer happens where the human came from.
      vim.schedule(function()
        answered(typed)
      end)
    end,
  })
  return true
end

---@param options { verb: string, hunks: orchflow.Hunk[], prompt: string }
---@param answered fun(typed: string) not called where the human gave no answer
function M.text(options, answered)
  local wanted = require("orchflow.config").get().review.words
  if wanted == "prompt" and in_a_buffer(options, answered) then
    return
  end
  vim.ui.input({ prompt = options.prompt }, function(typed)
    if typed then
      answered(typed)
    end
  end)
end

return M
