--- The timeline: what happens, live at its end; what happened, as far back as the log goes.
---
--- Only a stretch of the log is held (`timeline/stretch`), and asked for in pages ahead of the cursor
--- (`timeline/pages`), so that a million events open as fast as ten.

local client = require("orchflow.client")
local event_words = require("orchflow.event")
local float = require("orchflow.ui.float")
local grammar = require("orchflow.ui.timeline.filter")
local message = require("orchflow.ui.message")
local pages = require("orchflow.ui.timeline.pages")
local search = require("orchflow.ui.timeline.search")
local text = require("orchflow.view.text")
local view = require("orchflow.view.timeline")

local M = {}

local TITLE_MS = 40

---@class orchflow.Timeline
---@field filter orchflow.Filter
---@field stretch orchflow.Stretch
---@field float orchflow.Float
---@field generation integer grows when another place or filter is shown
---@field loading { above?: boolean, below?: boolean, all?: boolean }
---@field waiting? fun() a page that waits until lines above the cursor may move
---@field at_start boolean whether the oldest event that passes is held
---@field at_end boolean whether the newest one is
---@field live boolean whether the cursor follows the end
---@field behind? boolean whether it could not follow, under a selection or while a macro is recorded
---@field total integer events in the log
---@field examined integer the newest event that the filter was applied to
---@field news boolean whether something happened while a page was on its way
---@field asking boolean
---@field sought? string words searched for in the whole log
---@field searches_log? boolean whether `n` goes on in the log
---@field retitle fun()
---@field row fun(): orchflow.TimelineRow?

local current ---@type orchflow.Timeline?

---@param timeline orchflow.Timeline
---@param width integer cells of the frame's upper border
---@return string[][]
local function title(timeline, width)
  local row = timeline.row()
  local words = view.title({
    filter = grammar.show(timeline.filter),
    count = timeline.stretch.events,
    whole = timeline.at_start and timeline.at_end,
    total = timeline.total,
    live = timeline.live,
    place = row and row.event,
    today = os.date("%Y-%m-%d", (require("orchflow.clock").now() / 1e6)) --[[@as string]],
  })
  local rule = float.rule()
  local right = timeline.live and 6 or 0
  local left = text.cut(words, math.max(1, width - right - 12))
  local chunks = { { " " .. left .. " ", "OrchflowFloatTitle" } }
  local fill = width - text.width(left) - 2 - right - 6
  chunks[#chunks + 1] = { rule:rep(math.max(1, fill)), "FloatBorder" }
  if timeline.live then
    chunks[#chunks + 1] = { " LIVE ", "OrchflowFloatLive" }
  end
  chunks[#chunks + 1] = { rule .. " g? " .. rule, "FloatBorder" }
  return chunks
end

---@param timeline orchflow.Timeline
---@param filter orchflow.Filter
local function refilter(timeline, filter)
  local row = timeline.row()
  timeline.filter = filter
  if timeline.live or not row then
    pages.show(timeline, { newest = true })
  else
    pages.show(timeline, { around = row.event.seq })
  end
end

---@param timeline orchflow.Timeline
local function ask_filter(timeline)
  local prompt = "Filter (agent: file: type: is: turn: run: since: words): "
  vim.ui.input({ prompt = prompt, default = grammar.show(timeline.filter) }, function(typed)
    if not typed then
      return
    end
    local filter, problem = grammar.parse(typed)
    if filter then
      refilter(timeline, filter)
    else
      message.error("orchflow: timeline: " .. problem)
    end
  end)
end

--- Scrolls just so far that lines are seen, the first of them in any case; the cursor stays on its line.
---@param window integer
---@param first integer
---@param last integer
local function reveal(window, first, last)
  vim.api.nvim_win_call(window, function()
    local saved = vim.fn.winsaveview()
    local top = math.min(first, last - vim.api.nvim_win_get_height(window) + 1)
    if top > saved.topline then
      vim.fn.winrestview({ topline = top })
    end
  end)
end

--- Shows what the cursor's event expands to below it, or takes it away.
---@param timeline orchflow.Timeline
local function expand(timeline)
  local row = timeline.row()
  if not row then
    return
  end
  local seq = row.of or row.event.seq
  local line = timeline.stretch:line_of(seq)
  if not line then
    return
  end
  timeline.live = false
  local count = timeline.stretch:expanded(line)
  if count > 0 then
    vim.api.nvim_win_set_cursor(timeline.float.window, { line, 0 })
    timeline.stretch:splice(line, count, {})
    timeline.retitle()
    return
  end
  local generation = timeline.generation
  client.request("event", { seq = seq }, function(failure, answer)
    local at = timeline.float:is_open() and timeline.stretch:line_of(seq)
    if failure then
      message.failure(failure, "orchflow: event")
      return
    elseif timeline.generation ~= generation or not at or timeline.stretch:expanded(at) > 0 then
      return
    end
    local width = vim.api.nvim_win_get_width(timeline.float.window)
    local rows = {}
    for _, detail in ipairs(view.detail(answer, { indent = "    ", width = width })) do
      local said, spans = view.join(detail.pieces)
      rows[#rows + 1] = {
        text = said,
        spans = spans,
        of = seq,
        event = detail.event or timeline.stretch.rows[at].event,
      }
    end
    timeline.stretch:splice(at, 0, rows)
    reveal(timeline.float.window, at, at + #rows)
    timeline.retitle()
  end)
end

--- Copies the cursor's event, with what it is expanded to, into the register named before the key.
---@param timeline orchflow.Timeline
local function copy(timeline)
  local row = timeline.row()
  local line = row and timeline.stretch:line_of(row.of or row.event.seq)
  if not line then
    return
  end
  local lines = {}
  for at = line, line + timeline.stretch:expanded(line) do
    lines[#lines + 1] = timeline.stretch.rows[at].text
  end
  vim.fn.setreg(vim.v.register, lines, "l")
  message.info(("orchflow: event %d copied"):format(timeline.stretch.rows[line].event.seq))
end

---@param timeline orchflow.Timeline
---@param key "G"|"gg"
local function go(timeline, key)
  local count = vim.v.count
  if count > 0 then
    timeline.live = false
    if not pages.go_to(timeline, count) then
      pages.show(timeline, { around = count })
    end
  elseif key == "G" then
    if timeline.at_end then
      timeline.live = true
      pages.to_the_end(timeline)
    else
      pages.show(timeline, { newest = true })
    end
  elseif timeline.at_start then
    timeline.live = false
    vim.cmd("normal! gg")
  else
    pages.show(timeline, { oldest = true })
  end
  timeline.retitle()
end

---@param list orchflow.FloatKey[]
local function help(list)
  local page = text.page()
  for _, key in ipairs(list) do
    page:add({ "  ", { text.pad(key.key, 8), "OrchflowTitle" }, key.long or key.description })
  end
  page:add({ "  ", { text.pad("/ ? n N", 8), "OrchflowTitle" }, "search in what is loaded, go on" })
  page:add({ "  ", { text.pad("yy", 8), "OrchflowTitle" }, "copy the line; y is Neovim's own" })
  page:add({ "  ", { text.pad("q", 8), "OrchflowTitle" }, "close" })
  float.open({ name = "timeline-keys", title = "Keys of the timeline" }):show(page)
end

---@param timeline orchflow.Timeline
---@return orchflow.FloatKey[]
local function keys(timeline)
  local list
  local function key(lhs, description, long, action)
    return { key = lhs, description = description, long = long, action = action }
  end
  local function hidden(lhs, long, action)
    return { key = lhs, description = long, action = action, hidden = true }
  end
  list = {
    key("<CR>", "open", "open the hunk, the file, or the agent's pane", function()
      local row = timeline.row()
      require("orchflow.ui.timeline.jump").jump(row and row.event, timeline.float)
    end),
    key("<Tab>", "expand", "show or hide diff, causes, prompt, reasoning", function()
      expand(timeline)
    end),
    key("f", "filter", "change the filter", function()
      ask_filter(timeline)
    end),
    key("F", "clear", "clear the filter", function()
      refilter(timeline, grammar.parse("") --[[@as orchflow.Filter]])
    end),
    key("A", "follow", "only the agent of this line; again: all of them", function()
      local row = timeline.row()
      local agent = row and event_words.key(row.event)
      if agent then
        refilter(timeline, grammar.follow(timeline.filter, agent))
      else
        message.info("orchflow: no agent on this line")
      end
    end),
    key("g/", "find", "search the whole log; n older, N newer", function()
      search.ask(timeline)
    end),
    key("G", "live", "go to the end and follow it; with a count: to that event", function()
      go(timeline, "G")
    end),
    hidden("gg", "go to the first event; with a count: to that event", function()
      go(timeline, "gg")
    end),
    hidden("n", "next match", function()
      search.next(timeline, "n")
    end),
    hidden("N", "match before", function()
      search.next(timeline, "N")
    end),
    hidden("K", "why: what this event follows from", function()
      local row = timeline.row()
      if row then
        require("orchflow.ui.why").open(tostring(row.event.seq))
      end
    end),
    hidden("Y", "copy the event with what it is expanded to", function()
      copy(timeline)
    end),
    hidden("R", "load anew", function()
      refilter(timeline, timeline.filter)
    end),
    hidden("g?", "show the keys", function()
      help(list)
    end),
  }
  return list
end

---@param timeline orchflow.Timeline
local function watch(timeline)
  local opened = timeline.float
  local group = vim.api.nvim_create_augroup("orchflow_timeline", { clear = true })
  local function on(event, options, callback)
    options = vim.tbl_extend("force", { group = group, callback = callback }, options)
    vim.api.nvim_create_autocmd(event, options)
  end
  on("CursorMoved", { buffer = opened.buffer, desc = "Follow the end, or let it go" }, function()
    -- While another place is on its way the cursor stands on what is left.
    if not timeline.loading.all then
      timeline.live = timeline.at_end and pages.is_at_end(timeline)
    end
    pages.resume(timeline)
    pages.ahead(timeline)
    timeline.retitle()
  end)
  on("WinScrolled", { pattern = tostring(opened.window), desc = "Load what comes near" }, function()
    pages.ahead(timeline)
  end)
  on("ModeChanged", { desc = "Take what waited for a selection to end" }, function()
    if timeline.waiting or timeline.behind then
      vim.schedule(function()
        if opened:is_open() then
          pages.resume(timeline)
        end
      end)
    end
  end)
  on("CmdlineLeave", { pattern = { "/", "?" }, desc = "n is Neovim's own again" }, function()
    if vim.api.nvim_get_current_buf() == opened.buffer and not vim.v.event.abort then
      search.native(timeline)
    end
  end)
end

---@param filter orchflow.Filter
---@return orchflow.Timeline
local function new(filter)
  local timeline = {
    filter = filter,
    generation = 0,
    loading = {},
    at_start = false,
    at_end = false,
    live = true,
    total = client.store().cursor or 0,
    examined = 0,
    news = false,
    asking = false,
  }
  function timeline.row()
    local opened = timeline.float
    if not (opened and opened:is_open()) then
      return nil
    end
    return timeline.stretch.rows[vim.api.nvim_win_get_cursor(opened.window)[1]]
  end
  local pending, shown = false, nil
  -- The title is written at most once in a while: it draws the whole float again.
  function timeline.retitle()
    if pending then
      return
    end
    pending = true
    vim.defer_fn(function()
      pending = false
      if timeline.float:is_open() then
        local chunks = title(timeline, vim.api.nvim_win_get_width(timeline.float.window))
        if not vim.deep_equal(chunks, shown) then
          shown = chunks
          timeline.float:fit()
        end
      end
    end, TITLE_MS)
  end
  return timeline
end

--- Opens the timeline, or gives the open one another filter.
---@param filter orchflow.Filter
---@param window? integer a window to fill in place of a float
function M.open(filter, window)
  if not window and current and current.float:is_open() then
    vim.api.nvim_set_current_win(current.float.window)
    current.live = true
    refilter(current, filter)
    return
  end
  local timeline = new(filter)
  local stop
  timeline.float = float.open({
    name = "timeline",
    title = function(width)
      if not timeline.float then
        return { { " Timeline ", "OrchflowFloatTitle" } }
      end
      return title(timeline, width)
    end,
    full = true,
    window = window,
    place = require("orchflow.config").get().timeline.place,
    keys = keys(timeline),
    closed = function()
      timeline.generation = timeline.generation + 1
      timeline.stretch:close()
      pcall(vim.api.nvim_del_augroup_by_name, "orchflow_timeline")
      if stop then
        stop()
      end
    end,
  })
  timeline.stretch = require("orchflow.ui.timeline.stretch").new(timeline.float.buffer)
  timeline.stretch:clear("reading the log")
  current = timeline
  stop = client.on("events", function(fresh)
    pages.push(timeline, fresh)
  end)
  watch(timeline)
  pages.show(timeline, { newest = true })
end

return M
