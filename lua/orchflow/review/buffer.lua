--- The review buffer `orchflow://RUN/AGENT/PATH`: what an agent changed in a file, read-only, with keys to decide.

local client = require("orchflow.client")
local list = require("orchflow.review.list")
local message = require("orchflow.ui.message")
local scratch = require("orchflow.ui.scratch")
local view = require("orchflow.view.hunk")

local M = {}

---@type table<integer, orchflow.Page>
local pages = {}
--- The id of the hunk that a buffer which is still to be filled is opened for.
---@type table<integer, string>
local wanted = {}

---@class orchflow.ReviewName
---@field run integer
---@field agent string
---@field path string

--- Reads a review buffer's name.
---@param name string
---@return orchflow.ReviewName?
function M.parse(name)
  local run, agent, path = name:match("^orchflow://(%d+)/([^/]+)/(.+)$")
  if not run then
    return nil
  end
  local decoded = path:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end)
  return {
    run = tonumber(run) --[[@as integer]],
    agent = agent,
    path = decoded,
  }
end

--- Gives the hunks that stand on lines of a review buffer, each once, in order.
---@param buffer integer
---@param first integer 1-based
---@param last integer
---@return orchflow.Hunk[]? hunks nil where the buffer is no review buffer
function M.hunks_at(buffer, first, last)
  local page = pages[buffer]
  if not page then
    return nil
  end
  local hunks, seen = {}, {}
  for line = first, last do
    local hunk = page.rows[line]
    if hunk and not seen[hunk.id] then
      seen[hunk.id] = true
      hunks[#hunks + 1] = hunk
    end
  end
  return hunks
end

--- Gives the lines at which hunks begin.
---@param page orchflow.Page
---@return { line: integer, hunk: orchflow.Hunk }[]
local function heads(page)
  local found, last = {}, nil
  for line = 1, #page.lines do
    local hunk = page.rows[line]
    if hunk and hunk ~= last then
      found[#found + 1] = { line = line, hunk = hunk }
    end
    last = hunk
  end
  return found
end

--- Goes to the next undecided hunk of the buffer, or the one before.
---@param buffer integer
---@param step 1|-1
---@return boolean moved
function M.move(buffer, step)
  local page = pages[buffer]
  if not page then
    return false
  end
  local here = vim.api.nvim_win_get_cursor(0)[1]
  local target
  for _, head in ipairs(heads(page)) do
    if head.hunk.state == "undecided" then
      if step > 0 and head.line > here and not target then
        target = head.line
      elseif step < 0 and head.line < here then
        target = head.line
      end
    end
  end
  if target then
    vim.api.nvim_win_set_cursor(0, { target, 0 })
  end
  return target ~= nil
end

---@param buffer integer
local function map_keys(buffer)
  local keys = require("orchflow.config").get().keys
  local shown = {}
  local function map(name, command, description)
    if keys[name] then
      shown[#shown + 1] = keys[name] .. " " .. description
      vim.keymap.set("n", keys[name], command, {
        buffer = buffer,
        nowait = true,
        silent = true,
        desc = "orchflow: " .. description,
      })
    end
  end
  map("accept", "<Cmd>Orchflow accept<CR>", "accept")
  map("reject", "<Cmd>Orchflow reject<CR>", "reject with a reason")
  map("reject_silently", "<Cmd>Orchflow! reject<CR>", "reject silently")
  map("comment", "<Cmd>Orchflow comment<CR>", "comment")
  map("undo", "<Cmd>Orchflow undo<CR>", "undo")
  map("next", "<Plug>(orchflow-next)", "next undecided")
  map("previous", "<Plug>(orchflow-previous)", "undecided before")
  map("help", function()
    message.info(table.concat(shown, "  "))
  end, "help")
  vim.keymap.set("n", "<CR>", function()
    M.open_mine(buffer)
  end, { buffer = buffer, nowait = true, desc = "orchflow: go to my file" })
end

--- Goes from a hunk to the human's own file.
---@param buffer integer
function M.open_mine(buffer)
  local hunk = (M.hunks_at(buffer, vim.fn.line("."), vim.fn.line(".")) or {})[1]
  if not hunk then
    message.info("orchflow: no hunk on this line")
  elseif not vim.uv.fs_stat(hunk.user_path) then
    message.info(
      ("orchflow: %s is not in your tree; accepting the hunk makes it"):format(hunk.path)
    )
  else
    vim.cmd.edit(vim.fn.fnameescape(hunk.user_path))
    local last = vim.api.nvim_buf_line_count(0)
    vim.api.nvim_win_set_cursor(0, { math.min(math.max(hunk.line or 1, 1), last), 0 })
  end
end

---@param buffer integer
---@param page orchflow.Page
local function show(buffer, page)
  local before = pages[buffer]
  pages[buffer] = page
  scratch.fill(buffer, page)
  if before then
    return
  end
  -- The current entry of our list is the hunk that brought the human here.
  local current = list.hunks()[list.index()]
  local id = wanted[buffer] or current and current.id
  wanted[buffer] = nil
  for _, head in ipairs(heads(page)) do
    if head.hunk.id == id then
      for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
        vim.api.nvim_win_set_cursor(window, { head.line, 0 })
      end
    end
  end
end

--- Fills a review buffer from the host.
---@param buffer integer
function M.refresh(buffer)
  local named = M.parse(vim.api.nvim_buf_get_name(buffer))
  if not named then
    return
  end
  local params = { run = named.run, agent = named.agent, path = named.path, state = "all" }
  client.request("review", params, function(failure, result)
    if not vim.api.nvim_buf_is_valid(buffer) then
      return
    elseif failure then
      message.failure(failure, "orchflow")
      return
    end
    local hunks = vim.tbl_filter(function(hunk)
      return hunk.path == named.path and hunk.agent == named.agent
    end, result.hunks or {})
    show(buffer, view.diff(hunks, ("%s  %s  run %d"):format(named.agent, named.path, named.run)))
  end)
end

--- Notes decisions in every review buffer that is open.
---@param decided table<string, string> state by id
function M.decide(decided)
  for buffer, page in pairs(pages) do
    local touched = false
    for _, head in ipairs(heads(page)) do
      touched = touched or decided[head.hunk.id] ~= nil
      head.hunk.state = decided[head.hunk.id] or head.hunk.state
    end
    if touched and vim.api.nvim_buf_is_valid(buffer) then
      if vim.api.nvim_get_current_buf() == buffer then
        M.move(buffer, 1)
      end
      M.refresh(buffer)
    end
  end
end

--- Dresses and fills a buffer named `orchflow://…`; the plugin's `BufReadCmd` calls it.
---@param buffer integer
function M.read(buffer)
  require("orchflow.ui.highlight").setup()
  vim.bo[buffer].buftype = "nofile"
  vim.bo[buffer].bufhidden = "hide"
  vim.bo[buffer].swapfile = false
  vim.bo[buffer].undolevels = -1
  if not M.parse(vim.api.nvim_buf_get_name(buffer)) then
    vim.bo[buffer].modifiable = false
    return
  end
  vim.bo[buffer].filetype = "diff"
  pages[buffer] = nil
  vim.api.nvim_create_autocmd({ "BufUnload", "BufWipeout" }, {
    buffer = buffer,
    once = true,
    callback = function()
      pages[buffer] = nil
    end,
  })
  map_keys(buffer)
  scratch.fill(buffer, view.diff({}, "asking the host…"))
  M.refresh(buffer)
end

--- Shows a hunk in a review buffer beside the list.
---@param hunk orchflow.Hunk
function M.preview(hunk)
  local buffer = vim.fn.bufadd(list.review_name(hunk))
  local came_from = vim.api.nvim_get_current_win()
  local window = vim.fn.win_findbuf(buffer)[1]
  wanted[buffer] = not pages[buffer] and hunk.id or nil
  if not window then
    vim.cmd("aboveleft split")
    window = vim.api.nvim_get_current_win()
    vim.api.nvim_win_set_buf(window, buffer)
    vim.wo[window].winfixheight = false
  end
  local page = pages[buffer]
  for _, head in ipairs(page and heads(page) or {}) do
    if head.hunk.id == hunk.id then
      vim.api.nvim_win_set_cursor(window, { head.line, 0 })
    end
  end
  vim.api.nvim_set_current_win(came_from)
end

return M
