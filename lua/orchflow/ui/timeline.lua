--- The timeline as a float: the newest events, live while the cursor stands at the end, older ones on the way up.

local client = require("orchflow.client")
local event_words = require("orchflow.event")
local filters = require("orchflow.filter")
local float = require("orchflow.ui.float")
local message = require("orchflow.ui.message")
local view = require("orchflow.view.timeline")

local M = {}

---@class orchflow.Timeline
---@field filter orchflow.Filter
---@field events orchflow.Event[] oldest first
---@field float? orchflow.Float
---@field loading boolean
---@field complete boolean whether the oldest event is among them
---@field generation integer grows with each change of the filter

---@return string[]
local function worktrees()
  return require("orchflow.state").worktrees(client.store())
end

---@param timeline orchflow.Timeline
---@return boolean
local function follows(timeline)
  local opened = timeline.float
  return opened:is_open()
    and vim.api.nvim_win_get_cursor(opened.window)[1]
      >= vim.api.nvim_buf_line_count(opened.buffer)
end

---@param timeline orchflow.Timeline
---@param to_the_end boolean
local function draw(timeline, to_the_end)
  local opened = timeline.float
  if not opened:is_open() then
    return
  end
  opened:show(
    view.page(timeline.events, worktrees()),
    view.title(timeline.filter, #timeline.events, to_the_end)
  )
  if to_the_end then
    local last = vim.api.nvim_buf_line_count(opened.buffer)
    vim.api.nvim_win_set_cursor(opened.window, { last, 0 })
  end
end

--- Asks for a page: the newest, or the one before the oldest event shown.
---@param timeline orchflow.Timeline
---@param before? integer
local function load(timeline, before)
  if timeline.loading then
    return
  end
  timeline.loading = true
  local generation = timeline.generation
  local params = filters.params(timeline.filter)
  params.before = before
  params.limit = require("orchflow.config").get().timeline.page
  client.request("log", params, function(failure, result)
    if timeline.generation ~= generation then
      return
    end
    timeline.loading = false
    if failure then
      message.failure(failure, "orchflow")
      return
    end
    local page = result.events or {}
    table.sort(page, function(left, right)
      return left.seq < right.seq
    end)
    timeline.complete = #page < params.limit
    if before then
      timeline.events = vim.list_extend(page, timeline.events)
      draw(timeline, false)
    else
      -- What was pushed while the page was on its way stands at the end of both.
      local last = #page > 0 and page[#page].seq or 0
      for _, event in ipairs(timeline.events) do
        if event.seq > last then
          page[#page + 1] = event
        end
      end
      timeline.events = page
      draw(timeline, true)
    end
  end)
end

---@param timeline orchflow.Timeline
---@param fresh orchflow.Event[]
local function push(timeline, fresh)
  local context = filters.context()
  local passing = vim.tbl_filter(function(event)
    return filters.passes(timeline.filter, event, context)
  end, fresh)
  if #passing == 0 or not timeline.float:is_open() then
    return
  end
  local live = follows(timeline)
  local was_empty = #timeline.events == 0
  vim.list_extend(timeline.events, passing)
  local keep = require("orchflow.config").get().timeline.keep
  if was_empty or #timeline.events > keep + keep / 4 then
    timeline.events = vim.list_slice(timeline.events, math.max(1, #timeline.events - keep + 1))
    timeline.complete = timeline.complete and was_empty
    draw(timeline, live)
    return
  end
  timeline.float:append(view.page(passing, worktrees()))
  timeline.float.title = view.title(timeline.filter, #timeline.events, live)
  timeline.float:fit()
  if live then
    local last = vim.api.nvim_buf_line_count(timeline.float.buffer)
    vim.api.nvim_win_set_cursor(timeline.float.window, { last, 0 })
  end
end

---@param timeline orchflow.Timeline
---@param filter orchflow.Filter
local function refilter(timeline, filter)
  timeline.filter = filter
  timeline.events = {}
  timeline.generation = timeline.generation + 1
  timeline.loading = false
  load(timeline)
end

--- Goes to the file of an event: the human's own file, where there is one.
---@param event? orchflow.Event
---@param opened orchflow.Float
local function open_file(event, opened)
  local path, line
  if event then
    path, line = event_words.place(event, worktrees())
  end
  if not path then
    message.info("orchflow: this event is about no file")
    return
  end
  local full = path:sub(1, 1) == "/" and path or vim.fs.joinpath(client.root(), path)
  if not vim.uv.fs_stat(full) then
    message.warn(("orchflow: %s is not in your working tree"):format(path))
    return
  end
  opened:close()
  vim.cmd.edit(vim.fn.fnameescape(vim.fn.fnamemodify(full, ":.")))
  if line then
    pcall(vim.api.nvim_win_set_cursor, 0, { line, 0 })
  end
end

---@param timeline orchflow.Timeline
---@return orchflow.FloatKey[]
local function keys(timeline)
  return {
    { key = "<CR>", description = "open", action = open_file },
    {
      key = "f",
      description = "filter",
      action = function()
        local prompt = "Filter (agent: file: type: is: turn: run: since: text): "
        vim.ui.input({ prompt = prompt, default = filters.show(timeline.filter) }, function(typed)
          if not typed then
            return
          end
          local filter, problem = filters.parse(typed, "events")
          if filter then
            refilter(timeline, filter)
          else
            message.error("orchflow: " .. problem)
          end
        end)
      end,
    },
    {
      key = "F",
      description = "clear",
      action = function()
        refilter(timeline, { terms = {}, words = {}, absent = {} })
      end,
    },
    {
      key = "R",
      description = "reload",
      action = function()
        refilter(timeline, timeline.filter)
      end,
    },
  }
end

local current ---@type orchflow.Timeline?

--- Opens the timeline, or gives the open one another filter.
---@param filter orchflow.Filter
function M.open(filter)
  if current and current.float:is_open() then
    vim.api.nvim_set_current_win(current.float.window)
    refilter(current, filter)
    return
  end
  local timeline =
    { filter = filter, events = {}, loading = false, complete = false, generation = 1 }
  local stop
  timeline.float = float.open({
    name = "timeline",
    title = "Timeline",
    full = true,
    keys = keys(timeline),
    closed = function()
      if stop then
        stop()
      end
    end,
  })
  current = timeline
  stop = client.on("events", function(fresh)
    push(timeline, fresh)
  end)
  vim.api.nvim_create_autocmd("CursorMoved", {
    buffer = timeline.float.buffer,
    desc = "Load older events at the top",
    callback = function()
      local at_top = vim.api.nvim_win_get_cursor(timeline.float.window)[1] == 1
      if at_top and not timeline.complete and #timeline.events > 1 then
        load(timeline, timeline.events[1].seq)
      end
    end,
  })
  load(timeline)
end

return M
