--- The line above a review buffer: agent, file, hunk, turn, time, and whether the agent wrote since.

local M = {}

--- Gives the line for the window that Neovim draws, as 'winbar' takes it.
---@return string
function M.line()
  -- While Neovim draws it, the window it stands in is the current one.
  local window = vim.api.nvim_get_current_win()
  local buffer_view = require("orchflow.review.buffer")
  local page = buffer_view.page(vim.api.nvim_win_get_buf(window))
  if not page then
    return ""
  end
  local hunk, index = buffer_view.hunk_under(window)
  local parts = {}
  for _, piece in ipairs(require("orchflow.review.paint").bar(page, hunk, index)) do
    local shown = piece[1]:gsub("%%", "%%%%")
    parts[#parts + 1] = piece[2] and ("%%#%s#%s%%*"):format(piece[2], shown) or shown
  end
  local help = require("orchflow.config").get().keys.help
  return table.concat(parts) .. "%<%=" .. (help and (" " .. help .. " ") or "")
end

return M
