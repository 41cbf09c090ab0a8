--- Our quickfix list: one entry a hunk. It is updated by its id and keeps its place; no other list is ever touched.

local client = require("orchflow.client")
local entries = require("orchflow.review.entries")
local feed = require("orchflow.review.feed")
local forecast = require("orchflow.review.forecast")
local fresh = require("orchflow.review.fresh")
local message = require("orchflow.ui.message")
local name_of = require("orchflow.review.name")
local view = require("orchflow.view.hunk")

local M = {}

--- Events after which what is listed may have changed.
local STALE_AFTER = {
  checkpoint_taken = true,
  hunk_accepted = true,
  hunk_rejected = true,
  human_reverted_change = true,
  worktree_cleaned = true,
}
--- A longer list is not written anew when hunks come and go: it would hold the editor up. What is gone says so in its
--- place, and what is new joins the end.
local MOST_REWRITTEN = 200

---@class orchflow.HunkList
local list = {
  id = nil, ---@type integer? of the quickfix list
  hunks = {}, ---@type orchflow.Hunk[] those whose entries stand in the list
  places = {}, ---@type table<string, integer> by id
  lines = {}, ---@type table<integer, string> as shown, made when asked for
  layout = nil, ---@type orchflow.QuickfixLayout?
  buffers = {}, ---@type table<string, integer> by agent and path
  query = {}, ---@type table what the host is asked for
  run = nil, ---@type integer? the run it is of, where it is of one: a newer one does not come into it
}
local stop_listening
local refresh_timer
local after_decision ---@type fun()?

--- Calls a function whenever another entry has become the current one by a decision.
---@param callback fun()
function M.on_decided(callback)
  after_decision = callback
end

--- Milliseconds for which keys that decide are ignored after something else has come under the cursor.
M.still_ms = 300
local moved_at ---@type integer?

--- Notes that something else has come under the cursor, not by the human's hand.
function M.moved()
  moved_at = vim.uv.now()
end

--- Says whether what is under the cursor has stood there long enough for a key to mean it.
---@return boolean
function M.is_still()
  return not moved_at or vim.uv.now() - moved_at >= M.still_ms
end

--- Gives the buffer's name under which an agent's version of a file is shown.
---@param hunk orchflow.Hunk
---@return string
function M.review_name(hunk)
  return name_of.of(hunk)
end

--- Says whether our list still stands in the quickfix stack.
---@return boolean
function M.stands()
  return list.id ~= nil and vim.fn.getqflist({ id = list.id }).id == list.id
end

--- Says whether our list is the one that `:cnext` walks.
---@return boolean
function M.is_current()
  return list.id ~= nil and vim.fn.getqflist({ id = 0 }).id == list.id
end

--- Says whether a window shows our list.
---@param window integer
---@return boolean
function M.is_shown_in(window)
  local info = vim.fn.getwininfo(window)[1]
  return info ~= nil and info.quickfix == 1 and info.loclist == 0 and M.is_current()
end

--- Gives the hunks listed, in the list's order.
---@return orchflow.Hunk[]
function M.hunks()
  return M.stands() and list.hunks or {}
end

--- Gives the place of the current entry, 1-based; 0 in an empty list.
---@return integer
function M.index()
  return M.stands() and vim.fn.getqflist({ id = list.id, idx = 0 }).idx or 0
end

--- Finds listed hunks by the beginning of their id.
---@param prefix string
---@return orchflow.Hunk[]
function M.find(prefix)
  local found = {}
  for _, hunk in ipairs(list.hunks) do
    if vim.startswith(hunk.id, prefix) then
      found[#found + 1] = hunk
    end
  end
  return found
end

--- Finds a listed hunk by its whole id.
---@param id string
---@return orchflow.Hunk?
function M.find_exact(id)
  return list.hunks[list.places[id] or 0]
end

--- Writes the lines Neovim shows for a part of our list; it is the list's 'quickfixtextfunc'.
---@param info { id: integer, quickfix: integer, start_idx: integer, end_idx: integer }
---@return string[]
function M.textfunc(info)
  if info.quickfix ~= 1 or info.id ~= (list.id or info.id) then
    return {}
  end
  local lines = {}
  for index = info.start_idx, math.min(info.end_idx, #list.hunks) do
    lines[#lines + 1] = entries.line(list, index)
  end
  return lines
end

--- Gives the place of a hunk in the list.
---@param wanted? orchflow.Hunk
---@return integer?
function M.place(wanted)
  local place = wanted and list.places[wanted.id]
  return place and list.hunks[place].key == wanted.key and place or nil
end

---@param hunks orchflow.Hunk[]
local function set_hunks(hunks)
  list.hunks, list.lines, list.places = hunks, {}, {}
  for place, hunk in ipairs(hunks) do
    list.places[hunk.id] = place
  end
end

--- Writes entries of our list that are shown already anew, where their lines have changed.
---@param changed integer[] places
local function repaint(changed)
  for _, place in ipairs(changed) do
    list.lines[place] = nil
  end
  if not M.is_current() then
    return
  end
  local buffer = vim.fn.getqflist({ qfbufnr = 0 }).qfbufnr
  if buffer == 0 or not vim.api.nvim_buf_is_loaded(buffer) then
    return
  end
  local count = vim.api.nvim_buf_line_count(buffer)
  vim.bo[buffer].modifiable = true
  for _, place in ipairs(changed) do
    if place <= count then
      vim.api.nvim_buf_set_lines(buffer, place - 1, place, false, { entries.line(list, place) })
    end
  end
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].modified = false
end

--- Appends hunks to our list.
---@param hunks orchflow.Hunk[]
---@param modified table<string, string>
local function append(hunks, modified)
  local first = #list.hunks + 1
  for number, hunk in ipairs(hunks) do
    forecast.mark(hunk, modified)
    list.hunks[first + number - 1] = hunk
    list.places[hunk.id] = first + number - 1
  end
  vim.fn.setqflist({}, "a", { id = list.id, items = entries.items(list, first) })
end

--- Shows other hunks in our list: the current entry and every window keep what they stood on.
---@param hunks orchflow.Hunk[]
local function replace(hunks)
  local current = list.hunks[M.index()]
  local former_place = M.index()
  local views = {}
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    if M.is_shown_in(window) then
      local line = vim.api.nvim_win_get_cursor(window)[1]
      views[#views + 1] = { window = window, line = line, hunk = list.hunks[line] }
    end
  end
  local modified = forecast.modified()
  for _, hunk in ipairs(hunks) do
    forecast.mark(hunk, modified)
  end
  set_hunks(hunks)
  list.layout = nil
  local index = M.place(current) or math.min(math.max(former_place, 1), math.max(#hunks, 1))
  vim.fn.setqflist({}, "r", {
    id = list.id,
    items = entries.items(list, 1),
    idx = index,
    title = entries.title(list),
  })
  for _, kept in ipairs(views) do
    if kept.hunk and not M.place(kept.hunk) then
      M.moved()
    end
    local last = vim.api.nvim_buf_line_count(vim.api.nvim_win_get_buf(kept.window))
    vim.api.nvim_win_set_cursor(kept.window, { math.min(M.place(kept.hunk) or kept.line, last), 0 })
  end
end

---@param hunks orchflow.Hunk[]
local function take_in_place(hunks)
  fresh.take_in_place(list, hunks, { stands = M.stands, repaint = repaint, append = append })
end

---@param fetched orchflow.Hunk[]
local function update(fetched)
  if #fetched > MOST_REWRITTEN or #list.hunks > MOST_REWRITTEN then
    take_in_place(fetched)
    return
  end
  local merged = view.merge(list.hunks, view.in_order(fetched))
  if fresh.same_entries(list.hunks, merged) then
    take_in_place(merged)
  else
    replace(merged)
  end
end

--- Fetches the hunks again and puts them into the list that is shown.
function M.refresh()
  if not M.stands() then
    return
  elseif feed.is_filling() then
    M.refresh_soon()
    return
  end
  local all = {}
  local query = vim.tbl_extend("keep", list.query, { run = list.run })
  feed.fetch(query, function(hunks, is_last)
    vim.list_extend(all, hunks)
    if is_last and M.stands() then
      update(all)
    end
  end, function() end)
end

--- Milliseconds until the list is fetched again; a long one costs the host more.
local SOON_MS, SOON_LONG_MS = 120, 1000

--- Fetches again soon, once for many reasons.
function M.refresh_soon()
  refresh_timer = refresh_timer or assert(vim.uv.new_timer())
  if not refresh_timer:is_active() then
    local delay = #list.hunks > MOST_REWRITTEN and SOON_LONG_MS or SOON_MS
    refresh_timer:start(delay, 0, vim.schedule_wrap(M.refresh))
  end
end

--- Begins to heed what happens, for the list and for review buffers.
function M.listen()
  stop_listening = stop_listening
    or client.on("events", function(events)
      for _, event in ipairs(events) do
        if STALE_AFTER[event.type] then
          if list.id then
            M.refresh_soon()
          end
          require("orchflow.review.buffer").refresh_soon()
          return
        end
      end
    end)
end

--- Begins our list with some hunks: in its place where it is the current one, else as a new one.
---@param query table
---@param run? integer
---@param hunks orchflow.Hunk[]
local function begin(query, run, hunks)
  M.listen()
  list.query, list.run = query, run
  if M.is_current() then
    replace(hunks)
    return
  end
  local modified = forecast.modified()
  for _, hunk in ipairs(hunks) do
    forecast.mark(hunk, modified)
  end
  list.id, list.layout, list.buffers = nil, nil, {}
  set_hunks(hunks)
  vim.fn.setqflist({}, " ", {
    title = entries.title(list),
    context = { orchflow = true },
    quickfixtextfunc = "v:lua.require'orchflow.review.list'.textfunc",
    items = entries.items(list, 1),
  })
  list.id = vim.fn.getqflist({ id = 0 }).id
end

--- Takes hunks into the quickfix list, all at once.
---@param query table parameters of `review` that gave them
---@param hunks orchflow.Hunk[]
---@param run? integer the run they are of, where they are of one
function M.take(query, hunks, run)
  begin(query, run, view.in_order(hunks))
end

---@alias orchflow.Filled fun(failure?: orchflow.Failure, hunks?: orchflow.Hunk[], news?: orchflow.ListingNews)

--- Fills the quickfix list from the host: the first entries at once, the others in parts between which keys are served.
---@param query table parameters of `review`
---@param done orchflow.Filled called when the first entries are there
function M.fill(query, done)
  local is_first, modified = true, forecast.modified()
  feed.fill(query, function(hunks, news)
    if is_first then
      is_first = false
      begin(query, news.run, hunks)
      done(nil, hunks, news)
      return true
    elseif not M.stands() then
      return false
    end
    append(hunks, modified)
    return true
  end, done)
end

--- Notes how listed hunks are decided now.
---@param decided table<string, string> state by id
---@return integer? last place of the last of them
function M.note(decided)
  local changed, last = {}, nil
  for id, state in pairs(M.stands() and decided or {}) do
    local place = list.places[id]
    if place then
      list.hunks[place].state = state
      changed[#changed + 1] = place
      last = math.max(last or place, place)
    end
  end
  repaint(changed)
  return last
end

--- Notes how many comments a listed hunk has.
---@param id string
---@param count integer
function M.note_comments(id, count)
  local place = list.places[id]
  if place and M.stands() then
    list.hunks[place].comments = count
    repaint({ place })
  end
end

--- Makes an entry the current one, without going there.
---@param index integer
local function set_index(index)
  vim.fn.setqflist({}, "r", { id = list.id, idx = index })
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    if M.is_shown_in(window) then
      vim.api.nvim_win_set_cursor(window, { index, 0 })
    end
  end
end

--- Makes a hunk the current entry, without going there.
---@param hunk? orchflow.Hunk
function M.set_current(hunk)
  local place = hunk and M.stands() and list.places[hunk.id]
  if place and place ~= M.index() then
    set_index(place)
  end
end

--- Notes a decision on listed hunks; where the current entry is decided, the next undecided one becomes it.
---@param decided table<string, string> state by id
function M.decide(decided)
  local last = M.note(decided)
  if not last then
    return
  end
  local current = list.hunks[M.index()]
  if current and current.state == "undecided" and not decided[current.id] then
    return
  end
  local following = M.next_undecided(last, 1)
  if following then
    set_index(following)
    if after_decision then
      after_decision()
    end
  end
end

--- Gives the place of the next undecided hunk, around the end of the list.
---@param from integer
---@param step 1|-1
---@return integer?
function M.next_undecided(from, step)
  local hunk = M.next_that(function(each)
    return each.state == "undecided"
  end, step, from)
  return hunk and list.places[hunk.id]
end

--- Gives the next listed hunk that fits, around the end of the list.
---@param fits fun(hunk: orchflow.Hunk): boolean
---@param step? 1|-1
---@param from? integer a place; that of the current entry where absent
---@return orchflow.Hunk?
function M.next_that(fits, step, from)
  local count = M.stands() and #list.hunks or 0
  from = from or M.index()
  for offset = 1, count do
    local hunk = list.hunks[(from - 1 + (step or 1) * offset) % count + 1]
    if not hunk.gone and fits(hunk) then
      return hunk
    end
  end
  return nil
end

--- Goes to an entry of our list, as `:cc` does.
---@param index integer
function M.go(index)
  if not M.is_current() then
    message.warn(
      "orchflow: another quickfix list is current; :Orchflow review or :colder brings ours back"
    )
    return
  end
  local ok, problem = pcall(vim.cmd, ("silent cc %d"):format(index))
  if not ok then
    message.error("orchflow: " .. tostring(problem):gsub("^Vim%(cc%):", ""):match("[^\n]+"))
  end
end

return M
