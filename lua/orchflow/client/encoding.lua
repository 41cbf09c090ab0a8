--- Lines of a buffer as their file has them, and back: a buffer's own text is always UTF-8.

local M = {}

local BYTE_ORDER_MARK = "\239\187\191"

---@param buffer integer
---@return string? encoding nil where file and buffer have the same bytes
local function encoding_of(buffer)
  local encoding = vim.bo[buffer].fileencoding
  return encoding ~= "" and encoding ~= "utf-8" and encoding or nil
end

---@param lines string[]
---@param from string
---@param to string
---@return string[]? lines
---@return string? problem
local function convert(lines, from, to)
  local converted = {}
  for index, line in ipairs(lines) do
    local result = vim.iconv(line, from, to)
    if not result then
      return nil, ("line %d cannot be written as %s"):format(index, to)
    end
    converted[index] = result
  end
  return converted, nil
end

--- Gives lines of a buffer in the bytes of its file.
---@param buffer integer
---@param lines string[]
---@return string[]? lines
---@return string? problem
function M.to_file(buffer, lines)
  local encoding = encoding_of(buffer)
  if not encoding then
    if vim.bo[buffer].bomb then
      lines[1] = BYTE_ORDER_MARK .. (lines[1] or "")
    end
    return lines, nil
  elseif encoding:find("^ucs") or encoding:find("^utf%-[13]") then
    -- Their line ends are no single bytes, so the file has no lines that git would know.
    return nil, ("its encoding is %s"):format(encoding)
  end
  return convert(lines, "utf-8", encoding)
end

--- Gives lines of a file, as its buffer is to have them.
---@param buffer integer
---@param lines string[]
---@param is_first boolean whether the file begins with them
---@return string[]? lines
---@return string? problem
function M.from_file(buffer, lines, is_first)
  local encoding = encoding_of(buffer)
  if encoding then
    return convert(lines, encoding, "utf-8")
  end
  if is_first and vim.bo[buffer].bomb and lines[1] then
    lines[1] = lines[1]:gsub("^" .. BYTE_ORDER_MARK, "")
  end
  return lines, nil
end

return M
