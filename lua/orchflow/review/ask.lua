--- Asks for a reason or a comment: in the plugin's prompt buffer where it is there, else in one line.

local M = {}

---@param options { verb: string, hunks: orchflow.Hunk[], prompt: string }
---@param answered fun(typed: string) not called where the human gave no answer
function M.text(options, answered)
  vim.ui.input({ prompt = options.prompt }, function(typed)
    if typed then
      answered(typed)
    end
  end)
end

return M
