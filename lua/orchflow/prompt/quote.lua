--- Lines of a buffer as a prompt quotes them: fenced, with their place `path:10-14` above.

local M = {}

--- Names the place of lines for whoever reads the prompt.
---@param buffer integer
---@param first integer 1-based
---@param last integer
---@return string
function M.place(buffer, first, last)
  local name = vim.api.nvim_buf_get_name(buffer)
  local path = name
  if name == "" then
    path = "unnamed buffer"
  elseif name:find("^orchflow://") then
    -- What an agent wrote is named by the agent, as in `7/claude/src/main.rs`.
    path = name:gsub("^orchflow://", "")
  else
    local root = vim.uv.fs_realpath(require("orchflow.client").root())
    local real = vim.uv.fs_realpath(name) or name
    if root and vim.startswith(real, root .. "/") then
      path = real:sub(#root + 2)
    end
  end
  return first == last and ("%s:%d"):format(path, first) or ("%s:%d-%d"):format(path, first, last)
end

--- Gives lines of a buffer as a fenced block under their place.
---@param buffer integer
---@param first integer 1-based
---@param last integer
---@return string[]
function M.lines(buffer, first, last)
  local lines = vim.api.nvim_buf_get_lines(buffer, first - 1, last, false)
  -- A fence has to be longer than any within.
  local longest = 2
  for _, line in ipairs(lines) do
    longest = math.max(longest, #(line:match("^%s*(`+)") or ""))
  end
  local fence = ("`"):rep(longest + 1)
  local quoted = { M.place(buffer, first, last), fence .. vim.bo[buffer].filetype }
  vim.list_extend(quoted, lines)
  quoted[#quoted + 1] = fence
  return quoted
end

--- Gives the place of the first lines that a prompt quotes.
---@param lines string[]
---@return string?
function M.place_in(lines)
  for index = 2, #lines do
    local place = lines[index]:find("^```") and lines[index - 1]:match("^%S.*:%d+%-?%d*$")
    if place then
      return place
    end
  end
  return nil
end

return M
