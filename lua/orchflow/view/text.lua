--- Text for the screen: cleaned of what could steer it, cut and padded by display width.

local M = {}

--- Makes one harmless line of any value: control characters become spaces, nil becomes empty.
---@param value any
---@return string
function M.clean(value)
  if value == nil or value == vim.NIL then
    return ""
  end
  local text = tostring(value)
  if not text:find("[%c\128-\255]") then
    return text
  end
  -- C0 and DEL, then C1 and the characters that turn the direction of text, in their UTF-8 form.
  text = text:gsub("[%z\1-\31\127]+", " ")
  text = text:gsub("\194[\128-\159]", " ")
  text = text:gsub("\226\128[\142\143\170-\174]", ""):gsub("\226\129[\166-\169]", "")
  return text
end

--- Gives how many cells a text takes.
---@param text string
---@return integer
function M.width(text)
  -- Thousands of cells are measured for a long list; a byte a cell is the rule.
  if not text:find("[%c\128-\255]") then
    return #text
  end
  return vim.fn.strdisplaywidth(text)
end

--- Cuts a text to a number of cells; `…` marks the cut.
---@param text string
---@param width integer cells
---@return string
function M.cut(text, width)
  if width <= 0 then
    return ""
  elseif #text <= width or M.width(text) <= width then
    return text
  end
  local characters = vim.fn.strcharlen(text)
  local low, high = 0, math.min(characters, width)
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if M.width(vim.fn.strcharpart(text, 0, middle, 1)) <= width - 1 then
      low = middle
    else
      high = middle - 1
    end
  end
  return vim.fn.strcharpart(text, 0, low, 1) .. "…"
end

--- Fills a text with spaces to a number of cells, on the right or, for numbers, on the left.
---@param text string
---@param width integer cells
---@param to_the_right? boolean whether the text stands at the right
---@return string
function M.pad(text, width, to_the_right)
  local missing = width - M.width(text)
  if missing <= 0 then
    return text
  end
  local spaces = (" "):rep(missing)
  return to_the_right and spaces .. text or text .. spaces
end

--- Says a duration as people read a clock: `0:41`, `12:03`, `1:02:33`.
---@param seconds number
---@return string
function M.duration(seconds)
  local whole = math.max(0, math.floor(seconds))
  local hours, minutes = math.floor(whole / 3600), math.floor(whole / 60) % 60
  if hours > 0 then
    return ("%d:%02d:%02d"):format(hours, minutes, whole % 60)
  end
  return ("%d:%02d"):format(minutes, whole % 60)
end

--- Says a time of day in the user's zone.
---@param microseconds integer since 1970, UTC
---@return string
function M.clock(microseconds)
  return os.date("%H:%M:%S", math.floor(microseconds / 1e6)) --[[@as string]]
end

--- Says a count with its noun: `1 hunk`, `3 hunks`.
---@param count integer
---@param noun string
---@param plural? string
---@return string
function M.count(count, noun, plural)
  return ("%d %s"):format(count, count == 1 and noun or plural or noun .. "s")
end

---@class orchflow.Piece
---@field [1] string text
---@field [2]? string highlight group

---@class orchflow.Highlight
---@field line integer 0-based
---@field first integer byte column
---@field last integer byte column, exclusive
---@field group string

---@class orchflow.Page
---@field lines string[]
---@field highlights orchflow.Highlight[]
---@field rows table<integer, any> what stands on a line, by its 1-based number
local Page = {}
Page.__index = Page

--- Begins an empty page: lines, their highlights, and what each line stands for.
---@return orchflow.Page
function M.page()
  return setmetatable({ lines = {}, highlights = {}, rows = {} }, Page)
end

--- Adds a line made of pieces.
---@param pieces (orchflow.Piece|string)[]
---@param row? any what the line stands for
function Page:add(pieces, row)
  local column, parts = 0, {}
  for _, piece in ipairs(pieces) do
    local text, group = piece, nil
    if type(piece) == "table" then
      text, group = piece[1], piece[2]
    end
    if group and #text > 0 then
      self.highlights[#self.highlights + 1] =
        { line = #self.lines, first = column, last = column + #text, group = group }
    end
    column = column + #text
    parts[#parts + 1] = text
  end
  self.lines[#self.lines + 1] = (table.concat(parts):gsub("%s+$", ""))
  if row ~= nil then
    self.rows[#self.lines] = row
  end
end

return M
