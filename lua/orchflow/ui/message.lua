--- One line for the human, never a hit-enter prompt.
---
--- What does not fit above the command line is shown in a small window that nobody can enter, and leaves by itself.
--- Without an editor screen (a script) everything goes to standard error.

local steady = require("orchflow.ui.steady")
local text = require("orchflow.view.text")

local M = {}

local SHOWN_MS = 8000
local shown ---@type integer?
local said = 0

local function close()
  if shown and vim.api.nvim_win_is_valid(shown) then
    vim.api.nvim_win_close(shown, true)
  end
  shown = nil
end

---@param line string
---@param width integer
---@return string[]
local function wrap(line, width)
  local lines, current = {}, ""
  for word in line:gmatch("%S+") do
    word = text.cut(word, width)
    if current ~= "" and text.width(current) + 1 + text.width(word) > width then
      lines[#lines + 1] = current
      current = word
    else
      current = current == "" and word or current .. " " .. word
    end
  end
  lines[#lines + 1] = current
  return lines
end

---@param line string
---@param group string
local function in_a_window(line, group)
  close()
  local lines = wrap(line, math.max(20, vim.o.columns - 4))
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.bo[buffer].bufhidden = "wipe"
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  local width = 1
  for _, each in ipairs(lines) do
    width = math.max(width, text.width(each))
  end
  shown = vim.api.nvim_open_win(buffer, false, {
    relative = "editor",
    anchor = "SW",
    row = vim.o.lines - vim.o.cmdheight - 1,
    col = 0,
    width = width,
    height = math.min(#lines, math.max(1, vim.o.lines - 4)),
    style = "minimal",
    border = "single",
    focusable = false,
    noautocmd = true,
    zindex = 200,
  })
  vim.wo[shown].winhighlight = "NormalFloat:" .. group
  local window = shown
  vim.defer_fn(function()
    if shown == window then
      close()
    end
  end, SHOWN_MS)
end

--- Puts a line that is too long into the history as it is, and its beginning and end above the command line.
---@param line string
---@param group? string
local function echo_shortened(line, group)
  if vim.o.cmdheight == 0 then
    -- Without a line of its own, Neovim asks for Enter after any message that it has to shorten by itself.
    vim.api.nvim_echo({ { text.cut(line, math.max(1, vim.v.echospace)), group } }, true, {})
    return
  end
  local before = vim.o.shortmess
  vim.opt.shortmess:append("T")
  vim.cmd(("echohl %s | echomsg %s | echohl None"):format(group or "None", vim.fn.string(line)))
  vim.o.shortmess = before
end

--- Shows a line that is too long: its beginning and end above the command line, all of it in a window.
---@param line string
---@param group? string
---@param number integer
local function show_long(line, group, number)
  -- While a typed command runs, Neovim puts messages below each other and shortens none: it would ask for Enter.
  vim.schedule(function()
    steady.when_speakable("long message " .. number, function()
      vim.cmd.redraw()
      echo_shortened(line, group)
      steady.when_safe("message", function()
        pcall(in_a_window, line, group or "Normal")
      end)
    end)
  end)
end

---@param line string
---@param group? string
local function show(line, group)
  line = text.clean(line)
  if require("orchflow.mode").is_script() then
    io.stderr:write(line, "\n")
    io.stderr:flush()
    return
  end
  said = said + 1
  local number = said
  -- Each line that has to wait is said; none of them takes the place of another.
  steady.when_speakable("message " .. number, function()
    close()
    -- A second message in the same moment would otherwise scroll the first one up, and end in a prompt.
    vim.cmd.redraw()
    if text.width(line) <= vim.v.echospace then
      vim.api.nvim_echo({ { line, group } }, true, {})
      return
    end
    show_long(line, group, number)
  end)
end

--- Says something.
---@param line string
function M.info(line)
  show(line)
end

--- Says something the human should heed.
---@param line string
function M.warn(line)
  show(line, "WarningMsg")
end

--- Says what went wrong.
---@param line string
function M.error(line)
  show(line, "ErrorMsg")
end

--- Gives a failure as one sentence: what happened, and what to do next.
---@param failure orchflow.Failure
---@param prefix? string
---@return string
function M.sentence(failure, prefix)
  local sentence = tostring(failure.message or failure.code or "it failed")
  if prefix then
    sentence = prefix .. ": " .. sentence
  end
  if failure.hint and failure.hint ~= "" then
    sentence = ("%s (%s)"):format(sentence, failure.hint)
  end
  return sentence
end

--- Says a failure of the host or of a command.
---@param failure orchflow.Failure
---@param prefix? string
function M.failure(failure, prefix)
  M.error(M.sentence(failure, prefix))
end

return M
