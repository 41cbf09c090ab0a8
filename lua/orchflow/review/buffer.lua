--- The review buffer `orchflow://RUN/AGENT/PATH`: one file as it stood in a checkpoint of its agent, read-only.
---
--- What is shown never changes by itself. The agent may write on; the buffer says so, and `R` loads the newer one.

local client = require("orchflow.client")
local forecast = require("orchflow.review.forecast")
local inline = require("orchflow.view.inline")
local marks = require("orchflow.review.marks")
local message = require("orchflow.ui.message")
local name_of = require("orchflow.review.name")
local page_of = require("orchflow.review.page")
local paint = require("orchflow.review.paint")

local M = {}

---@type table<integer, orchflow.ReviewPage>
local pages = {}
--- The hunk a buffer that is still to be filled is opened for.
---@type table<integer, string>
local wanted = {}
--- Called once when a buffer is filled.
---@type table<integer, fun()[]>
local waiting = {}

M.parse = name_of.parse

--- Gives what a buffer shows.
---@param buffer integer
---@return orchflow.ReviewPage?
function M.page(buffer)
  return pages[buffer]
end

--- Gives the place of a hunk in its buffer.
---@param page orchflow.ReviewPage
---@param hunk orchflow.Hunk
---@return integer first 1-based
---@return integer last
function M.place(page, hunk)
  return inline.place(hunk, #page.lines, page.deleted)
end

--- Gives the hunks that stand on lines of a review buffer, in order.
---@param buffer integer
---@param first integer 1-based
---@param last integer
---@return orchflow.Hunk[]? hunks nil where the buffer is no review buffer
function M.hunks_at(buffer, first, last)
  local page = pages[buffer]
  if not page then
    return nil
  end
  return vim.tbl_filter(function(hunk)
    local from, to = M.place(page, hunk)
    return from <= last and to >= first
  end, page.hunks)
end

--- Gives the hunk under the cursor of a window that shows a review buffer, and its place among the file's.
---@param window integer
---@return orchflow.Hunk? hunk
---@return integer index of it, else of the one before; 0 above the first
function M.hunk_under(window)
  local page = pages[vim.api.nvim_win_get_buf(window)]
  local line = vim.api.nvim_win_get_cursor(window)[1]
  local index = 0
  for number, hunk in ipairs(page and page.hunks or {}) do
    local first, last = M.place(page, hunk)
    if first > line then
      break
    end
    index = number
    if last >= line then
      return hunk, number
    end
  end
  return nil, index
end

--- Finds a hunk of a page.
---@param page orchflow.ReviewPage
---@param id string
---@return orchflow.Hunk?
function M.find(page, id)
  for _, hunk in ipairs(page.hunks) do
    if hunk.id == id then
      return hunk
    end
  end
  return nil
end

--- Puts a window's cursor on a hunk and, where there is room, the whole of it on the screen.
---@param window integer
---@param hunk orchflow.Hunk
function M.go(window, hunk)
  local page = pages[vim.api.nvim_win_get_buf(window)]
  if page then
    local first, last = M.place(page, hunk)
    paint.reveal(window, first, last, hunk, page.deleted)
  end
end

--- Goes to the next hunk of the buffer that fits, or the one before.
---@param window integer
---@param step 1|-1
---@param fits fun(hunk: orchflow.Hunk): boolean
---@return boolean moved
function M.move(window, step, fits)
  local page = pages[vim.api.nvim_win_get_buf(window)]
  if not page then
    return false
  end
  local here = vim.api.nvim_win_get_cursor(window)[1]
  local first, last = 1, #page.hunks
  if step < 0 then
    first, last = last, first
  end
  for index = first, last, step do
    local line = M.place(page, page.hunks[index])
    if (line - here) * step > 0 and fits(page.hunks[index]) then
      M.go(window, page.hunks[index])
      return true
    end
  end
  return false
end

--- Draws the marks of a buffer anew: of all its hunks, or of some.
---@param buffer integer
---@param changed? integer[] places of the hunks that have changed
function M.redraw(buffer, changed)
  if pages[buffer] and vim.api.nvim_buf_is_loaded(buffer) then
    marks.draw(buffer, pages[buffer], changed)
  end
end

--- Draws all review buffers anew, after the mode of the inline view has changed.
function M.redraw_all()
  for buffer in pairs(pages) do
    M.redraw(buffer)
  end
end

---@param buffer integer
---@param page orchflow.ReviewPage
local function show(buffer, page)
  local keep = {}
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    local hunk = M.hunk_under(window)
    keep[window] = { hunk = hunk and hunk.id, cursor = vim.api.nvim_win_get_cursor(window) }
  end
  local is_first = pages[buffer].state ~= "ready"
  page.state = "ready"
  pages[buffer] = page
  paint.fill(buffer, page)
  local id = wanted[buffer]
  wanted[buffer] = nil
  for window, before in pairs(keep) do
    local hunk = M.find(page, is_first and id or before.hunk or id or "")
    if is_first and not hunk then
      hunk = id == nil and page.hunks[1] or nil
    end
    if hunk then
      M.go(window, hunk)
    else
      local last = vim.api.nvim_buf_line_count(buffer)
      vim.api.nvim_win_set_cursor(window, { math.min(before.cursor[1], last), 0 })
    end
    page.was_shown = true
  end
  local callbacks = waiting[buffer] or {}
  waiting[buffer] = nil
  for _, callback in ipairs(callbacks) do
    callback()
  end
  require("orchflow.review.seen").look_soon()
end

---@param buffer integer
---@param failure orchflow.Failure
local function fail(buffer, failure)
  local page = pages[buffer]
  message.failure(failure, "orchflow: review")
  if page and page.state ~= "ready" then
    page.state = "failed"
    page.note = message.sentence(failure)
    paint.fill(buffer, page)
  end
end

--- Loads the newest checkpoint of the file into a buffer.
---@param buffer integer
---@param done? fun()
function M.load(buffer, done)
  local named = name_of.parse(vim.api.nvim_buf_get_name(buffer))
  if not named then
    return
  end
  waiting[buffer] = waiting[buffer] or {}
  table.insert(waiting[buffer], done)
  local params = name_of.params(named)
  page_of.fetch_hunks(params, function(failure, hunks)
    if not pages[buffer] then
      return
    elseif failure then
      fail(buffer, failure)
      return
    end
    local own_hunks = page_of.own(named, named.run, hunks --[[@as orchflow.Hunk[] ]])
    local first = own_hunks[1]
    -- The lines are those the hunks were measured in, whatever the agent writes meanwhile.
    local query = vim.tbl_extend("force", params, {
      run = named.run or (first and first.run),
      checkpoint = first and first.checkpoint,
    })
    client.request("file", query, function(problem, file)
      if not pages[buffer] or not vim.api.nvim_buf_is_valid(buffer) then
        return
      elseif problem then
        fail(buffer, problem)
        return
      end
      show(buffer, page_of.make(named, file, own_hunks))
    end)
  end)
end

--- Asks the host how the hunks of a buffer stand now.
---@param buffer integer
function M.refresh(buffer)
  local page = pages[buffer]
  if not page or page.state ~= "ready" then
    return
  end
  local params = name_of.params(page.named)
  params.brief = forecast.brief()
  page_of.fetch_hunks(params, function(failure, hunks)
    if not failure and pages[buffer] == page then
      local own = page_of.own(page.named, page.run, hunks --[[@as orchflow.Hunk[] ]])
      M.redraw(buffer, page_of.update(page, own))
    end
  end)
end

local refresh_timer

--- Refreshes the review buffers that are shown soon, once for many reasons.
function M.refresh_soon()
  refresh_timer = refresh_timer or assert(vim.uv.new_timer())
  if refresh_timer:is_active() then
    return
  end
  refresh_timer:start(
    150,
    0,
    vim.schedule_wrap(function()
      for buffer, page in pairs(pages) do
        if #vim.fn.win_findbuf(buffer) > 0 then
          M.refresh(buffer)
        else
          -- Nobody looks at it; it is asked for when it comes into a window.
          page.is_unsure = true
        end
      end
    end)
  )
end

--- Notes decisions in every review buffer that is open.
---@param decided table<string, string> state by id
function M.decide(decided)
  for buffer, page in pairs(pages) do
    local changed = {}
    for index, hunk in ipairs(page.hunks) do
      if decided[hunk.id] then
        hunk.state = decided[hunk.id]
        changed[#changed + 1] = index
      end
    end
    if #changed > 0 then
      M.redraw(buffer, changed)
    end
  end
  M.refresh_soon()
end

--- Notes how many comments a hunk has, in every review buffer that is open.
---@param id string
---@param count integer
function M.note_comments(id, count)
  for buffer, page in pairs(pages) do
    for index, hunk in ipairs(page.hunks) do
      if hunk.id == id then
        hunk.comments = count
        M.redraw(buffer, { index })
      end
    end
  end
end

--- Dresses and fills a buffer named `orchflow://…`; the plugin's `BufReadCmd` calls it.
---@param buffer integer
function M.read(buffer)
  require("orchflow.ui.highlight").setup()
  local named = name_of.parse(vim.api.nvim_buf_get_name(buffer))
  paint.dress(buffer)
  if not named then
    return
  end
  pages[buffer] = page_of.loading(named)
  vim.api.nvim_create_autocmd({ "BufUnload", "BufWipeout" }, {
    buffer = buffer,
    once = true,
    callback = function()
      pages[buffer], wanted[buffer], waiting[buffer] = nil, nil, nil
    end,
  })
  require("orchflow.review.keys").map(buffer)
  require("orchflow.review.seen").watch(buffer)
  paint.fill(buffer, pages[buffer])
  local list = require("orchflow.review.list")
  list.listen()
  local current = list.hunks()[list.index()]
  -- The current entry of our list is the hunk that brought the human here.
  if
    not wanted[buffer]
    and current
    and name_of.of(current) == vim.api.nvim_buf_get_name(buffer)
  then
    wanted[buffer] = current.id
  end
  M.load(buffer)
end

--- Gives the buffer of a hunk, and tells it which of its hunks is wanted.
---@param hunk orchflow.Hunk
---@return integer
function M.buffer_of(hunk)
  local buffer = vim.fn.bufadd(name_of.of(hunk))
  if not pages[buffer] or pages[buffer].state == "loading" then
    wanted[buffer] = hunk.id
  end
  return buffer
end

--- Shows a hunk in a window; the jumplist and the alternate file stay as they are.
---@param window integer
---@param hunk orchflow.Hunk
function M.open(window, hunk)
  local buffer = M.buffer_of(hunk)
  if vim.api.nvim_win_get_buf(window) ~= buffer then
    vim.api.nvim_win_call(window, function()
      vim.cmd(("silent keepalt keepjumps buffer %d"):format(buffer))
    end)
  end
  if not pages[buffer] then
    -- Somebody loaded it without autocommands.
    M.read(buffer)
  end
  local page = pages[buffer]
  if not page or page.state ~= "ready" then
    return
  end
  local line = math.min(math.max(hunk.new_start or 1, 1), math.max(#page.lines, 1))
  -- A hunk that its agent has changed may have another name now; its place is still the place to look at.
  local here = M.find(page, hunk.id) or (M.hunks_at(buffer, line, line) or {})[1]
  if here then
    M.go(window, here)
  else
    vim.api.nvim_win_set_cursor(window, { math.min(line, vim.api.nvim_buf_line_count(buffer)), 0 })
  end
end

--- Shows a hunk in a review buffer beside the list; the focus stays.
---@param hunk orchflow.Hunk
---@return integer window
function M.preview(hunk)
  local window = vim.fn.win_findbuf(M.buffer_of(hunk))[1]
  for _, each in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    window = window or (pages[vim.api.nvim_win_get_buf(each)] and each) or nil
  end
  if not window then
    local came_from = vim.api.nvim_get_current_win()
    vim.cmd("aboveleft split")
    window = vim.api.nvim_get_current_win()
    vim.wo[window].winfixheight = false
    vim.api.nvim_set_current_win(came_from)
  end
  M.open(window, hunk)
  return window
end

--- Loads a hunk's buffer in the background, so that going there takes no time.
---@param hunk orchflow.Hunk
function M.prefetch(hunk)
  local buffer = vim.fn.bufadd(name_of.of(hunk))
  if not vim.api.nvim_buf_is_loaded(buffer) then
    vim.fn.bufload(buffer)
  end
end

--- Notes that a buffer has come into a window.
---@param buffer integer
function M.entered(buffer)
  local page = pages[buffer]
  if not page or page.state ~= "ready" then
    return
  end
  local is_new = not page.was_shown
  page.was_shown = true
  if page.is_unsure then
    page.is_unsure = nil
    -- What nobody has seen yet is not told to be old but loaded anew.
    local renew = is_new and M.load or M.refresh
    renew(buffer)
  end
end

return M
