--- The marks of the inline view in a buffer. What is on the screen is drawn at once, the rest from the cursor outwards,
--- some hunks a turn: a file of a thousand hunks does not hold the editor up.

local inline = require("orchflow.view.inline")
local next_turn = require("orchflow.slice").next_turn

local M = {}

local namespace = vim.api.nvim_create_namespace("orchflow_inline")
--- Hunks that are drawn in one turn beside those on the screen, and the milliseconds after which it ends earlier.
M.MOST = 80
local SLICE_MS = 2

---@type orchflow.InlineMode
local mode = "inline"

--- The page whose marks a buffer has.
---@type table<integer, orchflow.ReviewPage>
local current = {}
--- Buffers for which a turn is booked.
---@type table<integer, true>
local booked = {}

--- Gives the mode of the inline view.
---@return orchflow.InlineMode
function M.mode()
  return mode
end

--- Sets the mode of the inline view, for all review buffers.
---@param new orchflow.InlineMode
function M.set_mode(new)
  mode = new
end

--- Takes all marks out of a buffer.
---@param buffer integer
function M.clear(buffer)
  vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
  current[buffer] = nil
end

--- Colours the one line of a buffer that says why there are no others.
---@param buffer integer
---@param note string
---@param group string
function M.note(buffer, note, group)
  local options = { end_col = #note, hl_group = group }
  vim.api.nvim_buf_set_extmark(buffer, namespace, 0, 0, options)
end

--- Says whether a hunk's marks are there as it stands.
---@param page orchflow.ReviewPage
---@param hunk orchflow.Hunk
---@return boolean
function M.is_drawn(page, hunk)
  return page.marks ~= nil and page.marks[hunk.id] ~= nil
end

--- Gives how wide the text and the columns before it are where a buffer is shown.
---@param buffer integer
---@return integer width
---@return integer gutter
local function room_of(buffer)
  local width, gutter = vim.o.columns, nil
  for index, window in ipairs(vim.fn.win_findbuf(buffer)) do
    local info = vim.fn.getwininfo(window)[1]
    local own = info.width - info.textoff
    width = index == 1 and own or math.max(width, own)
    gutter = math.max(gutter or 0, info.textoff)
  end
  return width, gutter or 2
end

--- Draws hunks' marks in the place of those they had.
---@param buffer integer
---@param page orchflow.ReviewPage
---@param places integer[]
---@param deadline? number nanoseconds
local function draw(buffer, page, places, deadline)
  local options = {
    mode = mode,
    width = page.width,
    gutter = page.gutter,
    deleted = page.deleted,
    opaque = not vim.o.termguicolors,
  }
  local last = vim.api.nvim_buf_line_count(buffer) - 1
  for _, index in ipairs(places) do
    local id = page.hunks[index].id
    local before, now = page.marks[id] or {}, {}
    for _, mark in ipairs(inline.marks_of(page.hunks, index, page.lines, options)) do
      if mark.line <= last then
        -- A mark that keeps its number keeps its place among those of the same line.
        mark.options.id = before[#now + 1]
        now[#now + 1] =
          vim.api.nvim_buf_set_extmark(buffer, namespace, mark.line, mark.column, mark.options)
      end
    end
    for number = #now + 1, #before do
      vim.api.nvim_buf_del_extmark(buffer, namespace, before[number])
    end
    page.marks[id] = now
    page.stale[index] = nil
    if deadline and vim.uv.hrtime() >= deadline then
      return
    end
  end
end

--- Gives the line at which a hunk begins.
---@param page orchflow.ReviewPage
---@param index integer
---@return integer
local function line_of(page, index)
  return (inline.place(page.hunks[index], #page.lines, page.deleted))
end

--- Gives the places of hunks that want to be drawn, the nearest to a line first.
---@param page orchflow.ReviewPage
---@param line integer
---@return integer[]
local function nearest(page, line)
  local count, after, found = #page.hunks, 1, {}
  while after <= count and line_of(page, after) < line do
    after = after + 1
  end
  local before = after - 1
  while #found < M.MOST and (before >= 1 or after <= count) do
    local index
    if
      before < 1
      or (after <= count and line_of(page, after) - line < line - line_of(page, before))
    then
      index, after = after, after + 1
    else
      index, before = before, before - 1
    end
    if page.stale[index] then
      found[#found + 1] = index
    end
  end
  return found
end

--- Draws what is left, in turns of its own.
---@param buffer integer
local function go_on(buffer)
  if booked[buffer] then
    return
  end
  booked[buffer] = true
  next_turn(function()
    booked[buffer] = nil
    local page = current[buffer]
    if not page or not vim.api.nvim_buf_is_loaded(buffer) or not next(page.stale) then
      return
    end
    local window = vim.fn.win_findbuf(buffer)[1]
    local line = window and vim.api.nvim_win_get_cursor(window)[1] or 1
    draw(buffer, page, nearest(page, line), vim.uv.hrtime() + SLICE_MS * 1e6)
    go_on(buffer)
  end)
end

--- Draws at once what stands on lines, where it is not there yet.
---@param buffer integer
---@param first integer 1-based
---@param last integer
function M.show_lines(buffer, first, last)
  local page = current[buffer]
  if not page or not next(page.stale) then
    return
  end
  local wanted = {}
  for index, hunk in ipairs(page.hunks) do
    local from, to = inline.place(hunk, #page.lines, page.deleted)
    if from > last then
      break
    elseif to >= first and page.stale[index] then
      wanted[#wanted + 1] = index
    end
  end
  draw(buffer, page, wanted)
end

--- Draws at once what is on the screen, where it is not there yet.
---@param buffer integer
function M.show_screen(buffer)
  for _, window in ipairs(current[buffer] and vim.fn.win_findbuf(buffer) or {}) do
    local top = vim.fn.line("w0", window)
    M.show_lines(buffer, top, top + vim.api.nvim_win_get_height(window))
  end
end

--- Draws the marks of the inline view anew: of all hunks, or of those alone that have changed.
---@param buffer integer
---@param page orchflow.ReviewPage
---@param changed? integer[] places of hunks
function M.draw(buffer, page, changed)
  local width, gutter = room_of(buffer)
  local is_other = current[buffer] ~= page or page.width ~= width or page.gutter ~= gutter
  if not changed or is_other then
    M.clear(buffer)
    page.marks, page.stale, page.width, page.gutter = {}, {}, width, gutter
    changed = nil
  end
  if page.note then
    return
  end
  current[buffer] = page
  for index in ipairs(changed and {} or page.hunks) do
    page.stale[index] = true
  end
  for _, index in ipairs(changed or {}) do
    page.stale[index] = true
  end
  M.show_screen(buffer)
  if next(page.stale) then
    go_on(buffer)
  end
end

return M
