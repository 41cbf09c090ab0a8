--- A read-only scratch buffer in a split, for text that is looked through.

local M = {}

--- Opens a split with lines; a buffer of that name which is shown already is filled anew.
---@param name string
---@param page orchflow.Page
---@param filetype? string
---@return integer buffer
function M.open(name, page, filetype)
  require("orchflow.ui.highlight").setup()
  local full = "orchflow://" .. name
  local buffer = vim.fn.bufnr("^" .. vim.fn.escape(full, "[]*?\\{}") .. "$")
  if buffer == -1 then
    buffer = vim.api.nvim_create_buf(false, true)
    vim.api.nvim_buf_set_name(buffer, full)
    vim.bo[buffer].bufhidden = "wipe"
    vim.bo[buffer].undolevels = -1
  end
  M.fill(buffer, page)
  if #vim.fn.win_findbuf(buffer) == 0 then
    vim.cmd("botright split")
    vim.api.nvim_win_set_buf(0, buffer)
    vim.api.nvim_win_set_height(0, math.min(math.max(#page.lines, 3), math.floor(vim.o.lines / 2)))
  end
  vim.bo[buffer].filetype = filetype or "orchflow"
  vim.keymap.set(
    "n",
    "q",
    "<Cmd>close<CR>",
    { buffer = buffer, nowait = true, desc = "orchflow: close" }
  )
  return buffer
end

--- Fills a buffer with a page.
---@param buffer integer
---@param page orchflow.Page
function M.fill(buffer, page)
  local namespace = vim.api.nvim_create_namespace("orchflow_scratch")
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, page.lines)
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].modified = false
  vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
  for _, highlight in ipairs(page.highlights) do
    local length = #page.lines[highlight.line + 1]
    vim.api.nvim_buf_set_extmark(
      buffer,
      namespace,
      highlight.line,
      math.min(highlight.first, length),
      {
        end_col = math.min(highlight.last, length),
        hl_group = highlight.group,
      }
    )
  end
end

return M
