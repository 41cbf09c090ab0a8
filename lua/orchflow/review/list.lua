--- Our quickfix list: one entry a hunk. It is updated by its id and keeps its place; no other list is ever touched.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
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

local list = {
  id = nil, ---@type integer? of the quickfix list
  hunks = {}, ---@type orchflow.Hunk[]
  lines = nil, ---@type string[]? as shown, made when asked for
  query = {}, ---@type table what the host is asked for
  generation = 0, -- grows with each fetch, so that the answer to a former one is known
}
local stop_listening
local refresh_timer

--- Gives the buffer's name under which an agent's version of a file is shown.
---@param hunk orchflow.Hunk
---@return string
function M.review_name(hunk)
  local path = hunk.path:gsub("[%c%%]", function(char)
    return ("%%%02X"):format(char:byte())
  end)
  return ("orchflow://%s/%s"):format(hunk.key, path)
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

--- Writes the lines Neovim shows for a part of our list; it is the list's 'quickfixtextfunc'.
---@param info { id: integer, quickfix: integer, start_idx: integer, end_idx: integer }
---@return string[]
function M.textfunc(info)
  if info.quickfix ~= 1 or info.id ~= (list.id or info.id) then
    return {}
  end
  list.lines = list.lines or view.quickfix_lines(list.hunks)
  return vim.list_slice(list.lines, info.start_idx, info.end_idx)
end

---@param hunks orchflow.Hunk[]
---@return table[] items
local function items_of(hunks)
  local buffers, items = {}, {}
  for _, hunk in ipairs(hunks) do
    local name = hunk.key .. "\0" .. hunk.path
    local exists = buffers[hunk.user_path]
    if exists == nil then
      exists = vim.uv.fs_stat(hunk.user_path) ~= nil
      buffers[hunk.user_path] = exists
    end
    -- A file the human does not have is shown as the agent's, in a buffer that starts no language server.
    local buffer_name = exists and hunk.user_path or M.review_name(hunk)
    buffers[name] = buffers[name] or vim.fn.bufadd(buffer_name)
    items[#items + 1] = {
      bufnr = buffers[name],
      lnum = math.max(1, hunk.line or 1),
      type = "I",
      text = hunk.heading or "",
      valid = 1,
      user_data = { id = hunk.id, hash = hunk.hash, agent = hunk.key },
    }
  end
  return items
end

---@return string
local function title()
  local words = { "orchflow review" }
  for _, name in ipairs({ "run", "agent", "path" }) do
    if list.query[name] then
      words[#words + 1] = ("%s:%s"):format(name, list.query[name])
    end
  end
  words[#words + 1] = list.query.filter
  return table.concat(words, "  ")
end

--- Gives the place of a hunk in the list.
---@param wanted? orchflow.Hunk
---@return integer?
function M.place(wanted)
  for index, hunk in ipairs(list.hunks) do
    if wanted and hunk.id == wanted.id and hunk.key == wanted.key then
      return index
    end
  end
  return nil
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
  list.hunks, list.lines = hunks, nil
  local index = M.place(current) or math.min(math.max(former_place, 1), math.max(#hunks, 1))
  vim.fn.setqflist({}, "r", {
    id = list.id,
    items = items_of(hunks),
    idx = index,
    title = title(),
  })
  for _, kept in ipairs(views) do
    local last = vim.api.nvim_buf_line_count(vim.api.nvim_win_get_buf(kept.window))
    vim.api.nvim_win_set_cursor(kept.window, { math.min(M.place(kept.hunk) or kept.line, last), 0 })
  end
end

--- Fetches all hunks, a page at a time.
---@param query table
---@param on_page fun(hunks: orchflow.Hunk[], is_first: boolean, is_last: boolean)
---@param on_failure fun(failure: orchflow.Failure)
local function fetch(query, on_page, on_failure)
  list.generation = list.generation + 1
  local generation = list.generation
  local function ask(after)
    local params = vim.tbl_extend("force", query, {
      limit = require("orchflow.config").get().review.page,
      after = after,
    })
    client.request("review", params, function(failure, result)
      if generation ~= list.generation then
        return
      elseif failure then
        on_failure(failure)
        return
      end
      on_page(result.hunks or {}, after == nil, result.next == nil)
      if result.next then
        ask(result.next)
      end
    end)
  end
  ask(nil)
end

--- Fetches the hunks again and puts them into the list that is shown.
function M.refresh()
  if not M.stands() then
    return
  end
  local all = {}
  fetch(list.query, function(hunks, _, is_last)
    vim.list_extend(all, hunks)
    if is_last and M.stands() then
      replace(view.merge(list.hunks, view.in_order(all)))
    end
  end, function() end)
end

--- Fetches again soon, once for many reasons.
function M.refresh_soon()
  refresh_timer = refresh_timer or assert(vim.uv.new_timer())
  refresh_timer:start(120, 0, vim.schedule_wrap(M.refresh))
end

local function listen()
  stop_listening = stop_listening
    or client.on("events", function(events)
      for _, event in ipairs(events) do
        if STALE_AFTER[event.type] and M.stands() then
          M.refresh_soon()
          return
        end
      end
    end)
end

--- Takes hunks into the quickfix list: ours where it is the current one, else a new one.
---@param query table parameters of `review` that gave them
---@param hunks orchflow.Hunk[]
function M.take(query, hunks)
  listen()
  hunks = view.in_order(hunks)
  list.query = query
  if M.is_current() then
    list.hunks, list.lines = {}, nil
    replace(hunks)
    return
  end
  list.id, list.hunks, list.lines = nil, hunks, nil
  vim.fn.setqflist({}, " ", {
    title = title(),
    context = { orchflow = true },
    quickfixtextfunc = "v:lua.require'orchflow.review.list'.textfunc",
    items = items_of(hunks),
  })
  list.id = vim.fn.getqflist({ id = 0 }).id
end

--- Fills the quickfix list from the host.
---@param query table parameters of `review`
---@param done fun(failure?: orchflow.Failure, hunks?: orchflow.Hunk[]) called when the first page is there
function M.fill(query, done)
  fetch(query, function(hunks, is_first, _)
    if is_first then
      M.take(query, hunks)
    elseif M.stands() then
      replace(vim.list_extend(vim.list_slice(list.hunks, 1), view.in_order(hunks)))
    end
    if is_first then
      done(nil, hunks)
    end
  end, done)
end

--- Notes a decision on listed hunks and makes the next undecided one the current entry.
---@param decided table<string, string> state by id
function M.decide(decided)
  if not M.stands() then
    return
  end
  local last
  for index, hunk in ipairs(list.hunks) do
    if decided[hunk.id] then
      hunk.state = decided[hunk.id]
      last = index
    end
  end
  if not last then
    return
  end
  list.lines = nil
  replace(list.hunks)
  local following = M.next_undecided(last, 1)
  if following then
    vim.fn.setqflist({}, "r", { id = list.id, idx = following })
    for _, window in ipairs(vim.api.nvim_list_wins()) do
      if M.is_shown_in(window) then
        vim.api.nvim_win_set_cursor(window, { following, 0 })
      end
    end
  end
end

--- Gives the place of the next undecided hunk, around the end of the list.
---@param from integer
---@param step 1|-1
---@return integer?
function M.next_undecided(from, step)
  local count = #list.hunks
  for offset = 1, count do
    local index = (from - 1 + step * offset) % count + 1
    if list.hunks[index].state == "undecided" then
      return index
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
