--- Pages of the log for an open timeline: asked for ahead of the cursor, in both directions, and let go of again on the
--- side that is farther from it. What is under the cursor stays where it is on the screen.

local client = require("orchflow.client")
local event_words = require("orchflow.event")
local grammar = require("orchflow.ui.timeline.filter")
local message = require("orchflow.ui.message")
local slice = require("orchflow.slice")
local view = require("orchflow.view.timeline")

local M = {}

local NEWS_MS = 50

---@alias orchflow.TimelinePlace { newest?: boolean, oldest?: boolean, around?: integer }

---@return integer
local function page_size()
  return require("orchflow.config").get().timeline.page
end

--- Makes the row of an event; its data, which may be large, is let go.
---@param event orchflow.Event
---@param worktrees string[]
---@return orchflow.TimelineRow
local function row_of(event, worktrees)
  local line, spans = view.join(view.pieces(event, worktrees))
  local path, at = event_words.place(event, worktrees)
  return {
    text = line,
    spans = spans,
    event = {
      seq = event.seq,
      timestamp = event.timestamp,
      type = event.type,
      agent = event.agent,
      run = event.run,
      actor = event.actor,
      summary = event.summary,
      path = path,
      line = at,
      hunk = event_words.hunk(event),
    },
  }
end

--- Makes rows of events in slices, and gives them when all are made.
---@param timeline orchflow.Timeline
---@param events orchflow.Event[]
---@param done fun(rows: orchflow.TimelineRow[])
local function make_rows(timeline, events, done)
  local worktrees = require("orchflow.state").worktrees(client.store())
  local generation, rows = timeline.generation, {}
  slice.run(function()
    if timeline.generation ~= generation then
      return false
    end
    local event = events[#rows + 1]
    if event then
      rows[#rows + 1] = row_of(event, worktrees)
    end
    return #rows < #events
  end, function()
    if timeline.generation == generation and timeline.float:is_open() then
      done(rows)
    end
    -- The answer was decoded in this turn.
  end, true)
end

--- Asks for a page; the answer of a filter that was left meanwhile is dropped.
---@param timeline orchflow.Timeline
---@param place { before?: integer, after?: integer }
---@param done fun(events: orchflow.Event[], result: table)
local function fetch(timeline, place, done)
  local generation = timeline.generation
  local params = vim.tbl_extend("force", grammar.params(timeline.filter), place)
  params.limit = page_size()
  client.request("log", params, function(failure, result)
    if timeline.generation ~= generation or not timeline.float:is_open() then
      return
    end
    if failure then
      timeline.loading = {}
      message.failure(failure, "orchflow: timeline")
      return
    end
    local events = result.events or {}
    table.sort(events, function(left, right)
      return left.seq < right.seq
    end)
    timeline.total = math.max(timeline.total, result.seq or 0)
    done(events, result)
  end)
end

--- Says whether lines above the cursor may come and go: not under a selection, nor while a command is typed.
---@param timeline orchflow.Timeline
---@return boolean
function M.may_shift(timeline)
  if vim.api.nvim_get_current_win() ~= timeline.float.window then
    return true
  end
  local mode = vim.api.nvim_get_mode()
  return mode.mode == "n" and not mode.blocking
end

--- Changes lines above the view; the view stays on what it shows.
---@param timeline orchflow.Timeline
---@param shift integer lines that come, or go where negative
---@param change fun()
local function shifted(timeline, shift, change)
  local window = timeline.float.window
  vim.api.nvim_win_call(window, function()
    local before = vim.fn.winsaveview()
    change()
    before.lnum = math.max(1, before.lnum + shift)
    before.topline = math.max(1, before.topline + shift)
    vim.fn.winrestview(before)
  end)
end

--- Goes to the last line, where that is not under the finger.
---@param timeline orchflow.Timeline
function M.to_the_end(timeline)
  if not M.may_shift(timeline) then
    return
  end
  local last = vim.api.nvim_buf_line_count(timeline.float.buffer)
  vim.api.nvim_win_set_cursor(timeline.float.window, { last, 0 })
end

--- Lets go of rows where there are too many, on the side that the cursor is farther from.
---@param timeline orchflow.Timeline
local function trim(timeline)
  local stretch, size = timeline.stretch, page_size()
  local keep = math.max(require("orchflow.config").get().timeline.keep, 4 * size)
  local extra = #stretch.rows - keep
  if extra < size then
    return
  end
  local window = timeline.float.window
  local top, bottom = vim.fn.line("w0", window), vim.fn.line("w$", window)
  if timeline.live or top > #stretch.rows - bottom then
    if not M.may_shift(timeline) then
      return
    end
    local count = extra
    while stretch.rows[count + 1] and stretch.rows[count + 1].of do
      count = count + 1
    end
    timeline.at_start = false
    shifted(timeline, -count, function()
      stretch:splice(0, count, {})
    end)
  else
    local from = #stretch.rows - extra
    while from > 0 and stretch.rows[from + 1].of do
      from = from - 1
    end
    timeline.at_end = false
    stretch:splice(from, #stretch.rows - from, {})
  end
end

---@param timeline orchflow.Timeline
local function settle(timeline)
  if timeline.stretch.empty and timeline.at_start and timeline.at_end then
    timeline.stretch:clear("nothing has happened yet that passes the filter")
  end
  trim(timeline)
  if timeline.live then
    M.to_the_end(timeline)
  end
  timeline.retitle()
  M.ahead(timeline)
end

---@param timeline orchflow.Timeline
local function load_above(timeline)
  local oldest = timeline.stretch:oldest()
  if timeline.loading.above or timeline.at_start or not oldest then
    return
  end
  timeline.loading.above = true
  fetch(timeline, { before = oldest }, function(events)
    make_rows(timeline, events, function(rows)
      local function take()
        timeline.at_start = #events < page_size()
        shifted(timeline, #rows, function()
          timeline.stretch:splice(0, 0, rows)
        end)
        timeline.loading.above = nil
        settle(timeline)
      end
      if M.may_shift(timeline) then
        take()
      else
        timeline.waiting = take
      end
    end)
  end)
end

---@param timeline orchflow.Timeline
---@return integer seq of the newest event that was looked at
local function looked_at(timeline)
  return math.max(timeline.stretch:newest() or 0, timeline.at_end and timeline.examined or 0)
end

---@param timeline orchflow.Timeline
---@param events orchflow.Event[]
---@param more boolean whether there are more behind them
local function take_below(timeline, events, more)
  make_rows(timeline, events, function(rows)
    if #rows > 0 then
      timeline.stretch:splice(#timeline.stretch.rows, 0, rows)
    end
    timeline.at_end = not more
    timeline.loading.below = nil
    settle(timeline)
    if timeline.at_end and timeline.news then
      M.ask_for_news(timeline)
    end
  end)
end

---@param timeline orchflow.Timeline
local function load_below(timeline)
  if timeline.loading.below or timeline.loading.all then
    return
  end
  timeline.loading.below = true
  timeline.news = false
  fetch(timeline, { after = looked_at(timeline) }, function(events, result)
    local more = #events >= page_size()
    if more and timeline.live then
      -- Far behind: the end is what is followed.
      timeline.loading.below = nil
      M.show(timeline, { newest = true })
      return
    end
    timeline.examined = more and events[#events].seq or result.seq or timeline.examined
    take_below(timeline, events, more)
  end)
end

--- Asks for what happened since, in a moment: the host decides what passes the filter.
---@param timeline orchflow.Timeline
function M.ask_for_news(timeline)
  if timeline.asking then
    return
  end
  timeline.asking = true
  vim.defer_fn(function()
    timeline.asking = false
    if timeline.float:is_open() and timeline.at_end then
      load_below(timeline)
    end
  end, NEWS_MS)
end

--- Takes events that were pushed.
---@param timeline orchflow.Timeline
---@param fresh orchflow.Event[]
function M.push(timeline, fresh)
  local first, last = fresh[1].seq, fresh[#fresh].seq
  timeline.total = math.max(timeline.total, last)
  if timeline.loading.all or timeline.loading.below then
    timeline.news = true
  elseif timeline.at_end then
    local dense = first == looked_at(timeline) + 1 and last - first + 1 == #fresh
    if dense and grammar.show(timeline.filter) == "" then
      timeline.loading.below = true
      timeline.examined = last
      take_below(timeline, fresh, false)
    else
      M.ask_for_news(timeline)
    end
  end
  timeline.retitle()
end

--- Asks for pages on the sides where the view comes near the end of what is there.
---@param timeline orchflow.Timeline
function M.ahead(timeline)
  if not timeline.float:is_open() or timeline.loading.all or timeline.stretch.empty then
    return
  end
  local window = timeline.float.window
  local ahead = math.max(page_size() / 2, 3 * vim.api.nvim_win_get_height(window))
  if vim.fn.line("w0", window) <= ahead then
    load_above(timeline)
  end
  if not timeline.at_end and #timeline.stretch.rows - vim.fn.line("w$", window) <= ahead then
    load_below(timeline)
  end
end

--- Puts what waited for a selection or a command line to end in its place.
---@param timeline orchflow.Timeline
function M.resume(timeline)
  if timeline.waiting and M.may_shift(timeline) then
    local take = timeline.waiting
    timeline.waiting = nil
    take()
  end
end

--- Puts the cursor on an event, in the middle of the window.
---@param timeline orchflow.Timeline
---@param seq integer
---@return boolean found
function M.go_to(timeline, seq)
  local line = timeline.stretch:line_of(seq)
  if line then
    vim.api.nvim_win_call(timeline.float.window, function()
      vim.cmd("normal! m'")
      vim.api.nvim_win_set_cursor(timeline.float.window, { line, 0 })
      vim.cmd("normal! zz")
    end)
  end
  return line ~= nil
end

---@param timeline orchflow.Timeline
---@param events orchflow.Event[]
---@param place orchflow.TimelinePlace
local function replace(timeline, events, place)
  make_rows(timeline, events, function(rows)
    local stretch = timeline.stretch
    stretch:clear("")
    if #rows > 0 then
      stretch:splice(0, 0, rows)
    end
    timeline.loading = {}
    local window = timeline.float.window
    if place.newest then
      vim.api.nvim_win_set_cursor(window, { math.max(1, #rows), 0 })
    elseif place.oldest then
      vim.api.nvim_win_set_cursor(window, { 1, 0 })
    else
      local nearest = 1
      for line, row in ipairs(rows) do
        nearest = row.event.seq <= place.around and line or nearest
      end
      if rows[nearest] then
        M.go_to(timeline, rows[nearest].event.seq)
      end
    end
    settle(timeline)
    if timeline.at_end and (timeline.news or timeline.total > timeline.examined) then
      M.ask_for_news(timeline)
    end
  end)
end

--- Shows another place of the log: its end, its beginning, or the surroundings of an event. What is shown stays until
--- the answer is there.
---@param timeline orchflow.Timeline
---@param place orchflow.TimelinePlace
function M.show(timeline, place)
  timeline.generation = timeline.generation + 1
  timeline.loading, timeline.waiting, timeline.news = { all = true }, nil, false
  timeline.live = place.newest == true
  local size = page_size()
  if place.newest then
    fetch(timeline, {}, function(events, result)
      timeline.at_start, timeline.at_end = #events < size, true
      timeline.examined = result.seq or 0
      replace(timeline, events, place)
    end)
  elseif place.oldest then
    fetch(timeline, { after = 0 }, function(events, result)
      timeline.at_start, timeline.at_end = true, #events < size
      timeline.examined = result.seq or 0
      replace(timeline, events, place)
    end)
  else
    fetch(timeline, { before = place.around + 1 }, function(older)
      fetch(timeline, { after = place.around }, function(newer, result)
        timeline.at_start, timeline.at_end = #older < size, #newer < size
        timeline.examined = result.seq or 0
        replace(timeline, vim.list_extend(older, newer), place)
      end)
    end)
  end
end

return M
