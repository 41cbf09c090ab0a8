--- Sessions: `:mksession` keeps our windows by name alone; those that can be read again are, the others are left out.

local M = {}

---@param name string
---@return boolean whether a buffer of that name is filled by its name
local function is_readable(name)
  return require("orchflow.review.buffer").parse(name) ~= nil
end

---@param buffer integer
local function leave_out(buffer)
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    -- The last window stays, with an empty buffer.
    if #vim.api.nvim_tabpage_list_wins(vim.api.nvim_win_get_tabpage(window)) > 1 then
      pcall(vim.api.nvim_win_close, window, true)
    end
  end
  pcall(vim.api.nvim_buf_delete, buffer, { force = true })
end

--- Mends what a session has brought back.
function M.mend()
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    local name = vim.api.nvim_buf_get_name(buffer)
    if name:find("^orchflow://") then
      local loaded = vim.api.nvim_buf_is_loaded(buffer)
      if not is_readable(name) then
        leave_out(buffer)
      elseif loaded and vim.bo[buffer].buftype == "" then
        require("orchflow.review.buffer").read(buffer)
      end
    elseif name:find("^orchflow%-agent://") and not vim.b[buffer].orchflow_agent then
      -- The name of an agent's window, without the agent in it.
      leave_out(buffer)
    end
  end
end

return M
