--- What the human was shown. A hunk counts as drawn once each of its lines has been on the screen, and as seen,
--- which the host is told, once they stayed there for a moment.

local client = require("orchflow.client")
local inline = require("orchflow.view.inline")
local marks = require("orchflow.review.marks")
local paint = require("orchflow.review.paint")

local M = {}

--- Milliseconds that lines stay on the screen before they count as seen.
M.moment_ms = 250
--- Milliseconds in which what was seen is gathered into one message.
local GATHER_MS = 400

---@class orchflow.Coverage
---@field lines table<integer, true> of the hunk's place, those that were on the screen
---@field count integer
---@field whole boolean

---@type table<string, orchflow.Coverage> by id and hash
local drawn = {}
---@type table<string, orchflow.Coverage>
local settled = {}
--- What the host knows to be seen, or is being told.
---@type table<string, true>
local told = {}
---@type table[]
local untold = {}
local look_timer, tell_timer

---@param hunk orchflow.Hunk
---@return string
local function key_of(hunk)
  return hunk.id .. tostring(hunk.hash)
end

---@param coverages table<string, orchflow.Coverage>
---@param hunk orchflow.Hunk
---@param page orchflow.ReviewPage
---@param top integer first line on the screen
---@param bottom integer last line on the screen
---@param topfill integer virtual lines above the first line
local function cover(coverages, hunk, page, top, bottom, topfill)
  local first, last = inline.place(hunk, #page.lines, page.deleted)
  if last < top or first > bottom then
    return
  end
  local key = key_of(hunk)
  local coverage = coverages[key] or { lines = {}, count = 0, whole = false }
  if coverage.whole then
    return
  end
  coverages[key] = coverage
  local function add(line)
    if not coverage.lines[line] then
      coverage.lines[line] = true
      coverage.count = coverage.count + 1
    end
  end
  for line = math.max(first, top), math.min(last, bottom) do
    add(line)
  end
  local needed = last - first + 1
  local removed = marks.mode() == "inline" and not page.deleted and #(hunk.removed or {}) or 0
  if removed > 0 and not marks.is_drawn(page, hunk) then
    return
  elseif removed > 0 then
    needed = needed + 1
    local above_shows = top < first or (top == first and topfill >= removed)
    local below_shows = bottom > last or (bottom == last and last == #page.lines)
    if inline.is_above(hunk) and above_shows or not inline.is_above(hunk) and below_shows then
      add(0)
    end
  end
  if coverage.count >= needed then
    coverage.whole = true
    coverage.lines = {}
  end
end

---@param coverages table<string, orchflow.Coverage>
---@param window integer
---@param page orchflow.ReviewPage
---@param top integer
---@param bottom integer
local function cover_window(coverages, window, page, top, bottom)
  if page.state ~= "ready" then
    return
  end
  local topfill = vim.api.nvim_win_call(window, vim.fn.winsaveview).topfill or 0
  for _, hunk in ipairs(page.hunks) do
    cover(coverages, hunk, page, top, bottom, topfill)
  end
end

local function tell()
  local batch = untold
  untold = {}
  if #batch == 0 then
    return
  end
  client.request("seen", { hunks = batch }, function(failure)
    -- A host that could not take it is told again when the hunk is on the screen the next time.
    for _, each in ipairs(failure and batch or {}) do
      told[each.id .. each.hash] = nil
    end
  end)
end

--- Looks which hunks are on the screen now, after they have been there for a moment.
local function look()
  local buffer_view = require("orchflow.review.buffer")
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    local page = buffer_view.page(vim.api.nvim_win_get_buf(window))
    if page then
      local top, bottom = vim.fn.line("w0", window), vim.fn.line("w$", window)
      cover_window(settled, window, page, top, bottom)
      for _, hunk in ipairs(page.hunks) do
        local key = key_of(hunk)
        if settled[key] and settled[key].whole and not told[key] and not hunk.seen then
          told[key] = true
          untold[#untold + 1] = { id = hunk.id, hash = hunk.hash }
        end
      end
    end
  end
  if #untold > 0 then
    tell_timer = tell_timer or assert(vim.uv.new_timer())
    tell_timer:start(GATHER_MS, 0, vim.schedule_wrap(tell))
  end
end

--- Looks again when what is on the screen has stayed for a moment.
function M.look_soon()
  look_timer = look_timer or assert(vim.uv.new_timer())
  look_timer:start(M.moment_ms, 0, vim.schedule_wrap(look))
end

--- Says whether the whole of a hunk was on the screen.
---@param hunk orchflow.Hunk
---@return boolean
function M.is_shown(hunk)
  local key = key_of(hunk)
  if hunk.seen or told[key] or (drawn[key] and drawn[key].whole) then
    return true
  end
  if #vim.api.nvim_list_uis() == 0 then
    -- Nothing is ever drawn; what a window would show counts.
    local buffer_view = require("orchflow.review.buffer")
    for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
      local page = buffer_view.page(vim.api.nvim_win_get_buf(window))
      if page then
        cover_window(drawn, window, page, vim.fn.line("w0", window), vim.fn.line("w$", window))
      end
    end
  end
  return drawn[key] ~= nil and drawn[key].whole
end

--- Notes that the whole of a hunk was shown elsewhere than in a review buffer.
---@param hunk orchflow.Hunk
function M.note(hunk)
  drawn[key_of(hunk)] = { lines = {}, count = 0, whole = true }
end

--- Says whether anything of a hunk was on the screen.
---@param hunk orchflow.Hunk
---@return boolean
function M.is_partly_shown(hunk)
  return M.is_shown(hunk) or drawn[key_of(hunk)] ~= nil
end

--- Dresses the windows that show a review buffer, and draws its marks anew where their room is another one.
---@param buffer integer
local function dress(buffer)
  local buffer_view = require("orchflow.review.buffer")
  local windows = vim.fn.win_findbuf(buffer)
  for _, window in ipairs(windows) do
    paint.dress_window(window)
  end
  local page = buffer_view.page(buffer)
  local info = windows[1] and vim.fn.getwininfo(windows[1])[1]
  if page and info and (page.gutter ~= info.textoff or page.width ~= info.width - info.textoff) then
    buffer_view.redraw(buffer)
  end
  M.look_soon()
end

---@return integer[] review buffers that are shown in this tab
local function shown_buffers()
  local buffer_view = require("orchflow.review.buffer")
  local buffers = {}
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    local buffer = vim.api.nvim_win_get_buf(window)
    if buffer_view.page(buffer) then
      buffers[#buffers + 1] = buffer
    end
  end
  return buffers
end

local watching = false

local function start()
  if watching then
    return
  end
  watching = true
  local buffer_view = require("orchflow.review.buffer")
  local group = vim.api.nvim_create_augroup("orchflow_seen", { clear = true })
  vim.api.nvim_create_autocmd({ "WinScrolled", "TabEnter" }, {
    group = group,
    desc = "Note what of orchflow's hunks is on the screen",
    callback = function()
      local buffers = shown_buffers()
      for _, buffer in ipairs(buffers) do
        marks.show_screen(buffer)
      end
      if #buffers > 0 then
        M.look_soon()
      end
    end,
  })
  vim.api.nvim_create_autocmd({ "WinResized", "VimResized" }, {
    group = group,
    desc = "Fit orchflow's review buffers to their windows",
    callback = function()
      for _, buffer in ipairs(shown_buffers()) do
        dress(buffer)
      end
    end,
  })
  -- Neovim calls this whenever it draws a window, so nothing counts that was scrolled past before it could be drawn.
  vim.api.nvim_set_decoration_provider(vim.api.nvim_create_namespace("orchflow_seen"), {
    on_win = function(_, window, buffer, top, bottom)
      local page = buffer_view.page(buffer)
      if page then
        local last = math.min(bottom + 1, vim.fn.line("w$", window))
        local ok = pcall(cover_window, drawn, window, page, top + 1, last)
        return ok and false
      end
      return false
    end,
  })
end

--- Begins to watch a review buffer.
---@param buffer integer
function M.watch(buffer)
  start()
  local buffer_view = require("orchflow.review.buffer")
  local group = vim.api.nvim_create_augroup("orchflow_review_" .. buffer, { clear = true })
  local function on(event, callback)
    vim.api.nvim_create_autocmd(event, { group = group, buffer = buffer, callback = callback })
  end
  on("BufWinEnter", function()
    dress(buffer)
    buffer_view.entered(buffer)
  end)
  on("CursorMoved", function()
    local page = buffer_view.page(buffer)
    if page and page.state == "ready" and vim.api.nvim_win_get_buf(0) == buffer then
      paint.show_top(0, page)
    end
  end)
  on("BufWipeout", function()
    pcall(vim.api.nvim_del_augroup_by_id, group)
  end)
  dress(buffer)
end

return M
