--- What a review buffer looks like: its lines, their colours, the marks of the inline view, and the winbar.
---
--- Nothing here fires an event that a user or plugin could start something from: no FileType, no Syntax, no BufRead.

local inline = require("orchflow.view.inline")
local marks = require("orchflow.review.marks")
local text = require("orchflow.view.text")

local M = {}

--- Longer files are shown without colours: parsing them would hold the editor up.
local MOST_COLOURED_LINES = 20000
local WINBAR = "%{%v:lua.require'orchflow.review.winbar'.line()%}"

--- Sets the options of a buffer that shows what an agent wrote. It has no filetype: whatever looks at one would start
--- there what belongs to real files.
---@param buffer integer
function M.dress(buffer)
  local before = vim.o.eventignore
  vim.o.eventignore = "all"
  pcall(function()
    vim.bo[buffer].buftype = "nofile"
    vim.bo[buffer].bufhidden = "hide"
    vim.bo[buffer].swapfile = false
    vim.bo[buffer].undolevels = -1
    vim.bo[buffer].modeline = false
    vim.bo[buffer].modifiable = false
  end)
  vim.o.eventignore = before
end

--- Gives the filetype that a buffer would have if its file had a path, and sets the variables that the syntax of such
--- files looks at.
---@param buffer integer
---@param path string
---@return string?
local function filetype_of(buffer, path)
  local ok, filetype, on_detect = pcall(vim.filetype.match, { filename = path, buf = buffer })
  if ok and on_detect then
    pcall(on_detect, buffer)
  end
  return ok and filetype or nil
end

--- Colours a buffer as a file of a path: by tree-sitter where a parser is there, else by a syntax file.
---@param buffer integer
---@param path string
---@param lines string[]
function M.colour(buffer, path, lines)
  local before = vim.o.eventignore
  vim.o.eventignore = "all"
  pcall(vim.treesitter.stop, buffer)
  local filetype = #lines <= MOST_COLOURED_LINES and filetype_of(buffer, path)
  if filetype then
    local language = vim.treesitter.language.get_lang(filetype) or filetype
    local started = pcall(vim.treesitter.start, buffer, language)
    if not started then
      pcall(vim.api.nvim_buf_call, buffer, function()
        vim.cmd("syntax clear")
        vim.api.nvim_buf_set_var(0, "current_syntax", "")
        vim.api.nvim_buf_del_var(0, "current_syntax")
        vim.cmd(
          ("silent! runtime! syntax/%s.vim syntax/%s.lua syntax/%s/*.vim"):format(
            filetype,
            filetype,
            filetype
          )
        )
      end)
    end
    vim.api.nvim_buf_set_var(buffer, "orchflow_filetype", filetype)
  end
  vim.o.eventignore = before
end

local to_set ---@type { buffer: integer, lines: string[] }

--- Puts the lines of a call to `set_lines` into its buffer.
function M.set_lines_now()
  vim.api.nvim_buf_set_lines(to_set.buffer, 0, -1, false, to_set.lines)
end

--- Replaces lines. Neovim would move the lines of quickfix entries along with the text; they are right already.
---@param buffer integer
---@param lines string[]
local function set_lines(buffer, lines)
  to_set = { buffer = buffer, lines = lines }
  vim.bo[buffer].modifiable = true
  vim.cmd([[lockmarks lua require("orchflow.review.paint").set_lines_now()]])
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].modified = false
end

--- Fills a buffer with a page, its colours and its marks.
---@param buffer integer
---@param page orchflow.ReviewPage
function M.fill(buffer, page)
  local lines = page.note and { page.note } or page.lines
  marks.clear(buffer)
  set_lines(buffer, lines)
  if page.note then
    marks.note(buffer, page.note, page.state == "failed" and "OrchflowFailed" or "OrchflowMuted")
    return
  end
  M.colour(buffer, page.path, page.lines)
  marks.draw(buffer, page)
end

--- Dresses a window that shows a review buffer. The options are that buffer's alone: another one in the window has
--- its own.
---@param window integer
function M.dress_window(window)
  vim.wo[window][0].signcolumn = "yes:1"
  vim.wo[window][0].foldenable = false
  vim.wo[window][0].spell = false
  if require("orchflow.config").get().review.winbar then
    vim.wo[window][0].winbar = WINBAR
  end
end

--- Gives how many virtual lines stand above a hunk's place.
---@param hunk orchflow.Hunk
---@param deleted? boolean
---@return integer
local function lines_above(hunk, deleted)
  if marks.mode() ~= "inline" or deleted or not inline.is_above(hunk) then
    return 0
  end
  return #(hunk.removed or {})
end

--- Puts a window's cursor on a hunk and scrolls so that as much of it as fits is on the screen, with its removed lines.
---@param window integer
---@param first integer
---@param last integer
---@param hunk orchflow.Hunk
---@param deleted? boolean
function M.reveal(window, first, last, hunk, deleted)
  -- How much fits is known once the virtual lines are there.
  local around = vim.api.nvim_win_get_height(window)
  marks.show_lines(vim.api.nvim_win_get_buf(window), first - around, last + around)
  vim.api.nvim_win_set_cursor(window, { first, 0 })
  vim.api.nvim_win_call(window, function()
    local above = lines_above(hunk, deleted)
    local view = vim.fn.winsaveview()
    local height = vim.api.nvim_win_get_height(window)
    local below = lines_above(hunk, deleted) == 0 and #(hunk.removed or {}) or 0
    local top_shows = view.topline < first or (view.topline == first and view.topfill >= above)
    local bottom_shows = vim.fn.line("w$") > last
      or (vim.fn.line("w$") == last and last == vim.fn.line("$") and below == 0)
    if top_shows and bottom_shows and view.topline + height - 1 - above - below > last then
      return
    end
    -- As much context above as fits with the whole hunk, three lines at most; else the hunk from its beginning.
    local needed = above + below + last - first + 2
    local context = math.max(0, math.min(3, height - needed, first - 1))
    local topfill = context == 0 and math.min(above, height - 1) or 0
    vim.fn.winrestview({ topline = first - context, topfill = topfill, lnum = first, col = 0 })
  end)
end

--- Shows the virtual lines above the first line, which Neovim leaves above the screen's edge.
---@param window integer
---@param page orchflow.ReviewPage
function M.show_top(window, page)
  local hunk = page.hunks[1]
  if not hunk or vim.fn.line("w0", window) ~= 1 or page.note then
    return
  end
  local above = inline.place(hunk, #page.lines, page.deleted) == 1
      and lines_above(hunk, page.deleted)
    or 0
  if above > 0 and vim.api.nvim_win_get_cursor(window)[1] == 1 then
    vim.api.nvim_win_call(window, function()
      if vim.fn.winsaveview().topfill == 0 then
        vim.fn.winrestview({
          topline = 1,
          topfill = math.min(above, vim.api.nvim_win_get_height(window) - 1),
        })
      end
    end)
  end
end

--- Gives the text of the winbar.
---@param page orchflow.ReviewPage
---@param hunk? orchflow.Hunk under the cursor
---@param index integer
---@return orchflow.Piece[]
function M.bar(page, hunk, index)
  local pieces = { { text.clean(page.agent), "OrchflowAgent" }, { " > " .. text.clean(page.path) } }
  local function add(piece, group)
    pieces[#pieces + 1] = { "  " .. piece, group or "OrchflowMuted" }
  end
  if page.state == "loading" then
    add("loading…")
    return pieces
  end
  if #page.hunks == 0 then
    add("no change is left here")
  else
    add(("hunk %d/%d"):format(index, #page.hunks), "OrchflowTitle")
  end
  if hunk and hunk.state ~= "undecided" then
    add(hunk.state, hunk.state == "accepted" and "OrchflowDone" or "OrchflowFailed")
  end
  if page.is_behind then
    local key = require("orchflow.config").get().keys.reload
    add("agent wrote since" .. (key and ": " .. key or ""), "OrchflowWaiting")
  end
  if page.deleted then
    add("deletes the file", "OrchflowWaiting")
  end
  local turn = hunk and (hunk.changed_turn or hunk.turn) or page.turn
  if turn then
    add("turn " .. tostring(turn))
  end
  if page.at then
    add(text.clock(page.at))
  end
  local mode = marks.mode()
  if mode ~= "inline" then
    add(mode == "added" and "only added" or "marks off")
  end
  return pieces
end

return M
