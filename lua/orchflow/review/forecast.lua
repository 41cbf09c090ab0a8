--- What only the editor knows of an accept: the host foretells it for files, unsaved changes are in buffers.

local M = {}

--- Gives the text of the human's modified buffers.
---@return table<string, string> text by path
function M.modified()
  local modified = {}
  for _, info in ipairs(vim.fn.getbufinfo({ bufmodified = 1 })) do
    if vim.bo[info.bufnr].buftype == "" and info.name ~= "" then
      local lines = vim.api.nvim_buf_get_lines(info.bufnr, 0, -1, false)
      local whole = "\n" .. table.concat(lines, "\n") .. "\n"
      modified[info.name] = whole
      modified[vim.uv.fs_realpath(info.name) or info.name] = whole
    end
  end
  return modified
end

--- Says whether hunks are asked for without their lines, which are most of what is sent: only unsaved changes are
--- compared with them.
---@return true?
function M.brief()
  return next(vim.fn.getbufinfo({ bufmodified = 1 })) == nil or next(M.modified()) == nil or nil
end

--- Marks a hunk whose lines do not stand in a modified buffer as they were.
---@param hunk orchflow.Hunk
---@param modified table<string, string>
function M.mark(hunk, modified)
  local whole = modified[hunk.user_path]
  local is_open = hunk.state == "undecided" and hunk.forecast ~= "applied"
  -- Of a hunk taken in part some lines stand there already; of one from a brief list there are none to compare.
  if not whole or not is_open or hunk.partly or not hunk.removed then
    return
  end
  local before = hunk.before or {}
  local wanted = vim.list_extend({ before[#before] }, hunk.removed)
  vim.list_extend(wanted, { (hunk.after or {})[1] })
  if not whole:find("\n" .. table.concat(wanted, "\n") .. "\n", 1, true) then
    hunk.forecast, hunk.conflict_with = "conflict", "buffer"
  end
end

return M
