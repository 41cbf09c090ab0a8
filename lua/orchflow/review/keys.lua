--- The keys of a review buffer, as data: what is mapped, and what `g?` shows.

local act = require("orchflow.review.act")
local buffer_view = require("orchflow.review.buffer")
local inline = require("orchflow.view.inline")
local message = require("orchflow.ui.message")
local marks = require("orchflow.review.marks")
local walk = require("orchflow.review.walk")

local M = {}

--- Opens a file in this window at a line.
---@param path string
---@param line integer
local function edit(path, line)
  vim.cmd.edit(vim.fn.fnameescape(path))
  local last = vim.api.nvim_buf_line_count(0)
  vim.api.nvim_win_set_cursor(0, { math.min(math.max(line, 1), last), 0 })
end

--- Gives the hunk that the cursor stands on or behind, and how many lines behind its beginning the cursor is.
---@param page orchflow.ReviewPage
---@return orchflow.Hunk?
---@return integer
local function nearest(page)
  local hunk, index = buffer_view.hunk_under(0)
  hunk = hunk or page.hunks[math.max(index, 1)]
  local line = vim.api.nvim_win_get_cursor(0)[1]
  return hunk, hunk and line - buffer_view.place(page, hunk) or 0
end

--- Goes to the human's own file, at the place that the cursor is at.
local function open_mine()
  local page = buffer_view.page(vim.api.nvim_get_current_buf())
  local hunk, offset = nil, 0
  if page then
    hunk, offset = nearest(page)
  end
  if not hunk then
    message.info("orchflow: no hunk of this file is left to go to")
  elseif not vim.uv.fs_stat(hunk.user_path) then
    message.info(
      ("orchflow: %s is not in your tree; accepting the hunk makes it"):format(hunk.path)
    )
  else
    local inside = math.min(offset, math.max((hunk.old_lines or 1) - 1, 0))
    -- Behind a hunk the lines run on as in the agent's version.
    local behind = math.max(offset - math.max(hunk.new_lines or 1, 1) + 1, 0)
    edit(hunk.user_path, (hunk.line or 1) + inside + behind)
  end
end

--- Goes to the agent's own file in its worktree.
local function open_agents()
  local page = buffer_view.page(vim.api.nvim_get_current_buf())
  local path = page and page.hunks[1] and page.hunks[1].agent_path
  if not path or not vim.uv.fs_stat(path) then
    message.info("orchflow: the agent has no such file in its worktree now")
    return
  end
  edit(path, vim.api.nvim_win_get_cursor(0)[1])
end

local function cycle()
  local current = marks.mode()
  for index, mode in ipairs(inline.modes) do
    if mode == current then
      marks.set_mode(inline.modes[index % #inline.modes + 1])
      break
    end
  end
  buffer_view.redraw_all()
  local said = {
    inline = "added and removed lines",
    added = "added lines only",
    off = "the file as it is",
  }
  message.info("orchflow: shown: " .. said[marks.mode()])
end

local function reload()
  local buffer = vim.api.nvim_get_current_buf()
  local before = (buffer_view.page(buffer) or {}).checkpoint
  buffer_view.load(buffer, function()
    local after = (buffer_view.page(buffer) or {}).checkpoint
    message.info(
      before == after and "orchflow: this is the newest version" or "orchflow: newer version loaded"
    )
  end)
end

---@param verb "accept"|"reject"|"comment"
---@param extra? table
---@return fun()
local function lines(verb, extra)
  return function()
    local first, last = vim.fn.line("v"), vim.fn.line(".")
    vim.cmd.normal({ vim.keycode and vim.keycode("<Esc>") or "\27", bang = true })
    act.lines(verb, math.min(first, last), math.max(first, last), extra)
  end
end

---@param command "cnext"|"cprevious"
---@return fun()
local function quickfix(command)
  return function()
    local ok, problem = pcall(vim.cmd, vim.v.count1 .. command)
    if not ok then
      message.error((tostring(problem):gsub("^.-:(E%d+)", "%1")))
    end
  end
end

---@class orchflow.ReviewKey
---@field name string of the option
---@field mode "n"|"x"
---@field description string
---@field action fun()

---@type orchflow.ReviewKey[]
M.keys = {
  {
    name = "accept",
    mode = "n",
    description = "accept (3a: three hunks)",
    action = function()
      act.here("accept")
    end,
  },
  {
    name = "reject",
    mode = "n",
    description = "reject with a reason",
    action = function()
      act.here("reject")
    end,
  },
  {
    name = "reject_silently",
    mode = "n",
    description = "reject without one",
    action = function()
      act.here("reject", { reason = "" })
    end,
  },
  {
    name = "comment",
    mode = "n",
    description = "comment",
    action = function()
      act.here("comment")
    end,
  },
  {
    name = "accept_file",
    mode = "n",
    description = "accept the whole file",
    action = function()
      act.file("accept")
    end,
  },
  {
    name = "reject_file",
    mode = "n",
    description = "reject the whole file",
    action = function()
      act.file("reject")
    end,
  },
  {
    name = "accept_lines",
    mode = "x",
    description = "accept the selected lines",
    action = lines("accept"),
  },
  {
    name = "reject_lines",
    mode = "x",
    description = "reject the selected lines",
    action = lines("reject"),
  },
  {
    name = "comment_lines",
    mode = "x",
    description = "comment on the selected lines",
    action = lines("comment"),
  },
  { name = "undo", mode = "n", description = "undo a decision", action = act.undo },
  { name = "redo", mode = "n", description = "make it again", action = act.redo },
  {
    name = "again",
    mode = "n",
    description = "decide like the last time",
    action = act.again,
  },
  {
    name = "next",
    mode = "n",
    description = "next undecided hunk",
    action = function()
      walk.next(1)
    end,
  },
  {
    name = "previous",
    mode = "n",
    description = "undecided hunk before",
    action = function()
      walk.next(-1)
    end,
  },
  {
    name = "next_rival",
    mode = "n",
    description = "next rival",
    action = function()
      walk.rival(1)
    end,
  },
  {
    name = "previous_rival",
    mode = "n",
    description = "rival before",
    action = function()
      walk.rival(-1)
    end,
  },
  {
    name = "why",
    mode = "n",
    description = "why",
    action = function()
      require("orchflow.review.why").open()
    end,
  },
  { name = "inline", mode = "n", description = "show more or less", action = cycle },
  {
    name = "side_by_side",
    mode = "n",
    description = "side by side with your file",
    action = function()
      require("orchflow.review.side").toggle("mine")
    end,
  },
  {
    name = "side_by_side_base",
    mode = "n",
    description = "side by side with the base",
    action = function()
      require("orchflow.review.side").toggle("base")
    end,
  },
  { name = "agents_file", mode = "n", description = "the agent's own file", action = open_agents },
  { name = "my_file", mode = "n", description = "your own file", action = open_mine },
  { name = "reload", mode = "n", description = "newer version", action = reload },
}

--- Maps the keys of a review buffer.
---@param buffer integer
function M.map(buffer)
  local keys = require("orchflow.config").get().keys
  local function map(mode, key, action, description)
    vim.keymap.set(mode, key, action, {
      buffer = buffer,
      nowait = true,
      silent = true,
      desc = "orchflow: " .. description,
    })
  end
  for _, each in ipairs(M.keys) do
    if keys[each.name] then
      map(each.mode, keys[each.name], each.action, each.description)
    end
  end
  if keys.help then
    map("n", keys.help, M.help, "these keys")
  end
  -- From 0.11 on Neovim has these everywhere.
  if vim.fn.has("nvim-0.11") == 0 then
    map("n", "]q", quickfix("cnext"), "next entry of the quickfix list")
    map("n", "[q", quickfix("cprevious"), "entry before of the quickfix list")
  end
end

--- Shows the keys in a float.
function M.help()
  local page = require("orchflow.view.text").page()
  local keys = require("orchflow.config").get().keys
  for _, each in ipairs(M.keys) do
    if keys[each.name] then
      page:add({
        { ("%-7s"):format(keys[each.name]), "OrchflowTitle" },
        { each.mode == "x" and "visual  " or "        ", "OrchflowMuted" },
        each.description,
      })
    end
  end
  page:add({ { "]q [q  ", "OrchflowTitle" }, "        entries of the quickfix list" })
  local float = require("orchflow.ui.float").open({ name = "review-keys", title = "Review: keys" })
  float:show(page)
  float:fit()
end

return M
