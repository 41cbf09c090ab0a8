--- Whether somebody looks: commands of a script wait for their result, those of a human never do.

local M = {}

--- Says whether this Neovim runs a script: no screen is attached and standard output is free for results.
--- With `--embed` standard output carries the protocol of another program, so nothing may be printed there.
---@return boolean
function M.is_script()
  return #vim.api.nvim_list_uis() == 0 and not vim.list_contains(vim.v.argv, "--embed")
end

return M
