--- The stretch of the log that an open timeline holds: rows, and the buffer that mirrors them line by line.
---
--- Colours are put on when a line is drawn, so that adding thousands of lines costs no marks.

local M = {}

local namespace = vim.api.nvim_create_namespace("orchflow_timeline")

--- What is kept of an event: no data, but where it leads to.
---@class orchflow.KeptEvent: orchflow.Event
---@field path? string
---@field line? integer
---@field hunk? string

---@class orchflow.TimelineRow
---@field event orchflow.KeptEvent what the line is about
---@field text string
---@field spans orchflow.RowSpan[]
---@field of? integer the event that this line belongs to, where it is a part of what one expands to

---@class orchflow.Stretch
---@field buffer integer
---@field rows orchflow.TimelineRow[] oldest first
---@field events integer rows that are events
---@field empty boolean whether the buffer says that there are none
---@field sought string[] words to be marked, lower case
local Stretch = {}
Stretch.__index = Stretch

---@type table<integer, orchflow.Stretch>
local drawn = {}

---@param buffer integer
---@param line integer 0-based
---@param row orchflow.TimelineRow
---@param sought string[]
local function paint(buffer, line, row, sought)
  for _, span in ipairs(row.spans) do
    vim.api.nvim_buf_set_extmark(buffer, namespace, line, math.min(span[1], #row.text), {
      end_col = math.min(span[2], #row.text),
      hl_group = span[3],
      ephemeral = true,
    })
  end
  local lowered = #sought > 0 and row.text:lower() or ""
  for _, word in ipairs(sought) do
    local first, last = lowered:find(word, 1, true)
    while first do
      vim.api.nvim_buf_set_extmark(buffer, namespace, line, first - 1, {
        end_col = last,
        hl_group = "Search",
        ephemeral = true,
      })
      first, last = lowered:find(word, last + 1, true)
    end
  end
end

vim.api.nvim_set_decoration_provider(namespace, {
  on_win = function(_, _, buffer)
    return drawn[buffer] ~= nil
  end,
  on_line = function(_, _, buffer, line)
    local stretch = drawn[buffer]
    local row = stretch and stretch.rows[line + 1]
    if row then
      paint(buffer, line, row, stretch.sought)
    end
  end,
})

--- Makes an empty stretch that fills a buffer.
---@param buffer integer
---@return orchflow.Stretch
function M.new(buffer)
  local stretch =
    setmetatable({ buffer = buffer, rows = {}, events = 0, empty = true, sought = {} }, Stretch)
  drawn[buffer] = stretch
  return stretch
end

--- Lets go of the buffer.
function Stretch:close()
  drawn[self.buffer] = nil
end

---@param first integer 0-based
---@param last integer 0-based, exclusive; -1 is the end
---@param lines string[]
function Stretch:write(first, last, lines)
  vim.bo[self.buffer].modifiable = true
  vim.api.nvim_buf_set_lines(self.buffer, first, last, false, lines)
  vim.bo[self.buffer].modifiable = false
  vim.bo[self.buffer].modified = false
end

---@param rows orchflow.TimelineRow[]
---@return integer
local function count_events(rows)
  local count = 0
  for _, row in ipairs(rows) do
    count = count + (row.of and 0 or 1)
  end
  return count
end

--- Empties the stretch and says why there is nothing.
---@param words string
function Stretch:clear(words)
  self.rows, self.events, self.empty = {}, 0, true
  self:write(0, -1, { words })
end

--- Puts rows in the place of others.
---@param first integer 0-based
---@param removed integer how many rows leave
---@param rows orchflow.TimelineRow[] what comes
function Stretch:splice(first, removed, rows)
  local lines = {}
  for index, row in ipairs(rows) do
    lines[index] = row.text
  end
  if self.empty then
    self.empty = false
    self.rows, self.events = rows, count_events(rows)
    self:write(0, -1, lines)
    return
  end
  local before = self.rows
  local gone = vim.list_slice(before, first + 1, first + removed)
  self.events = self.events - count_events(gone) + count_events(rows)
  if first == #before and removed == 0 then
    vim.list_extend(before, rows)
  else
    local after = vim.list_slice(before, 1, first)
    vim.list_extend(after, rows)
    vim.list_extend(after, before, first + removed + 1)
    self.rows = after
  end
  self:write(first, first + removed, lines)
end

--- Gives the seq of the oldest event.
---@return integer?
function Stretch:oldest()
  local row = self.rows[1]
  return row and row.event.seq
end

--- Gives the seq of the newest event.
---@return integer?
function Stretch:newest()
  for index = #self.rows, 1, -1 do
    if not self.rows[index].of then
      return self.rows[index].event.seq
    end
  end
  return nil
end

--- Finds the line of an event.
---@param seq integer
---@return integer? line 1-based
function Stretch:line_of(seq)
  for line, row in ipairs(self.rows) do
    if not row.of and row.event.seq == seq then
      return line
    end
  end
  return nil
end

--- Gives the lines of what an event is expanded to.
---@param line integer 1-based, of the event
---@return integer count
function Stretch:expanded(line)
  local row, count = self.rows[line], 0
  while row and self.rows[line + count + 1] and self.rows[line + count + 1].of == row.event.seq do
    count = count + 1
  end
  return count
end

return M
