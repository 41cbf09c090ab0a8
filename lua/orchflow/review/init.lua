--- Review: the list of hunks in quickfix, and moving through it.

local buffer_view = require("orchflow.review.buffer")
local list = require("orchflow.review.list")
local message = require("orchflow.ui.message")
local next_turn = require("orchflow.slice").next_turn
local seen = require("orchflow.review.seen")
local text = require("orchflow.view.text")

local M = {}

local KEYS = {
  { name = "accept", command = "accept", description = "accept the hunk" },
  { name = "reject", command = "reject", description = "reject the hunk, with a reason" },
  { name = "comment", command = "comment", description = "comment on the hunk" },
  { name = "undo", command = "undo", description = "undo the last decision" },
}

--- Runs a key's command where the list is ours, else the key as it was.
---@param key string
---@param action fun()
---@return fun()
local function only_ours(key, action)
  return function()
    if list.is_shown_in(vim.api.nvim_get_current_win()) then
      action()
    else
      vim.api.nvim_feedkeys(vim.api.nvim_replace_termcodes(key, true, false, true), "n", false)
    end
  end
end

--- Says whether a review buffer is shown in this tab.
---@return boolean
local function is_previewed()
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if buffer_view.page(vim.api.nvim_win_get_buf(window)) then
      return true
    end
  end
  return false
end

--- Runs the command of a key on the entry under the cursor. What was not on the screen is shown first.
---@param command string
local function run_key(command)
  if command ~= "undo" and not list.is_still() then
    message.info("orchflow: it moved under the key; press again")
    return
  end
  local hunk = list.hunks()[vim.api.nvim_win_get_cursor(0)[1]]
  if command == "accept" and hunk and hunk.state == "undecided" and not seen.is_shown(hunk) then
    local had_part = seen.is_partly_shown(hunk)
    buffer_view.preview(hunk)
    if not had_part then
      message.info("orchflow: here it is; the key again accepts it")
      return
    end
  end
  require("orchflow.command").execute(command)
end

--- Shows the entry that has become the current one where its forerunner was shown.
local function follow()
  if vim.bo.buftype == "quickfix" and list.is_current() and is_previewed() then
    local hunk = list.hunks()[list.index()]
    if hunk then
      buffer_view.preview(hunk)
    end
  end
end

---@param buffer integer
local function map_keys(buffer)
  local keys = require("orchflow.config").get().keys
  local function map(mode, key, action, description)
    vim.keymap.set(mode, key, action, {
      buffer = buffer,
      nowait = true,
      silent = true,
      desc = "orchflow: " .. description,
    })
  end
  for _, entry in ipairs(KEYS) do
    local key = keys[entry.name]
    if key then
      local run = only_ours(key, function()
        run_key(entry.command)
      end)
      map("n", key, run, entry.description)
    end
  end
  if keys.show then
    local show = only_ours(keys.show, function()
      local hunk = list.hunks()[vim.fn.line(".")]
      if hunk then
        buffer_view.preview(hunk)
      end
    end)
    map("n", keys.show, show, "show the hunk")
  end
end

---@param buffer integer
local function unmap_keys(buffer)
  local keys = require("orchflow.config").get().keys
  for _, mapping in ipairs(vim.api.nvim_buf_get_keymap(buffer, "n")) do
    if (mapping.desc or ""):find("^orchflow: ") then
      pcall(vim.keymap.del, "n", mapping.lhs, { buffer = buffer })
    end
  end
  return keys
end

--- Gives a quickfix window our keys while the list in it is ours, and takes them back when it is not.
local function dress_windows()
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    local info = vim.fn.getwininfo(window)[1]
    if info and info.quickfix == 1 and info.loclist == 0 then
      local buffer = vim.api.nvim_win_get_buf(window)
      if list.is_shown_in(window) then
        map_keys(buffer)
      else
        unmap_keys(buffer)
      end
    end
  end
end

--- Loads the files of the entry under the cursor and of the next one, so that going there, or a plugin that previews
--- entries, finds them.
local function prefetch()
  local line = vim.api.nvim_win_get_cursor(0)[1]
  local hunks = vim.list_slice(list.hunks(), line, line + 1)
  -- A buffer that is loaded within an autocommand would stay empty: no other one is called for it.
  vim.schedule(function()
    for _, hunk in ipairs(hunks) do
      buffer_view.prefetch(hunk)
    end
  end)
end

local watching = false

local function watch()
  if watching then
    return
  end
  watching = true
  local group = vim.api.nvim_create_augroup("orchflow_quickfix", { clear = true })
  -- Neovim fills the quickfix buffer anew, with this event, whenever another list comes into it.
  vim.api.nvim_create_autocmd({ "FileType" }, {
    group = group,
    pattern = "qf",
    desc = "Keys of orchflow while the list is its own",
    callback = function()
      vim.schedule(dress_windows)
    end,
  })
  vim.api.nvim_create_autocmd("CursorMoved", {
    group = group,
    desc = "Load what the cursor of orchflow's list stands on",
    callback = function()
      if vim.bo.buftype == "quickfix" and list.is_shown_in(vim.api.nvim_get_current_win()) then
        prefetch()
      end
    end,
  })
  vim.api.nvim_create_autocmd({ "WinEnter", "QuickFixCmdPost" }, {
    group = group,
    desc = "Keys of orchflow while the list is its own",
    callback = function()
      if vim.bo.buftype == "quickfix" then
        dress_windows()
      end
    end,
  })
end

--- Opens the window of our list, where that is still the current one.
local function show_window()
  if not list.is_current() then
    return
  end
  local most = require("orchflow.config").get().review.height
  vim.cmd(("botright copen %d"):format(math.min(#list.hunks(), most)))
  vim.wo.wrap = false
  dress_windows()
  local window = vim.api.nvim_get_current_win()
  next_turn(function()
    if vim.api.nvim_get_current_win() == window and list.is_shown_in(window) then
      prefetch()
    end
  end)
end

--- Says what a list leaves out, in one line.
---@param news orchflow.ListingNews
---@return string?
function M.left_out(news)
  local count, runs = 0, news.elsewhere
  for _, each in ipairs(runs) do
    count = count + each.hunks
  end
  if count == 0 then
    return nil
  end
  local where = #runs == 1 and "run " .. runs[1].run or #runs .. " other runs"
  local how = #runs == 1 and "run:" .. runs[1].run or "-run:" .. news.run
  return ("orchflow: this is run %d; %s of %s %s too: :Orchflow review %s"):format(
    news.run,
    text.count(count, "hunk"),
    where,
    count == 1 and "waits" or "wait",
    how
  )
end

--- Fills the quickfix list with hunks and opens its window.
---@param query table parameters of `review`
function M.open(query)
  watch()
  list.fill(query, function(failure, hunks, news)
    if failure then
      message.failure(failure, "orchflow: review")
      return
    end
    ---@cast news orchflow.ListingNews
    for _, warning in ipairs(news.warnings) do
      message.warn("orchflow: " .. text.clean(warning))
    end
    if #hunks == 0 then
      message.info("orchflow: no undecided hunks; :Orchflow status says who still works")
      return
    end
    local left_out = news.run and M.left_out(news)
    if left_out then
      message.info(left_out)
    end
    -- Neovim fills the window's buffer as soon as there is one: the list and the window take a turn each.
    next_turn(show_window)
  end)
end

--- Goes to the next undecided hunk, or the one before: within a review buffer first, else through the list.
---@param step 1|-1
function M.move(step)
  local window = vim.api.nvim_get_current_win()
  if buffer_view.page(vim.api.nvim_win_get_buf(window)) then
    require("orchflow.review.walk").next(step)
    return
  end
  local following = list.next_undecided(math.max(list.index(), 1), step)
  if following then
    list.go(following)
  else
    message.info("orchflow: no undecided hunk is listed; :Orchflow review lists them anew")
  end
end

list.on_decided(follow)

return M
