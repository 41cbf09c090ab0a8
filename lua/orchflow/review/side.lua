--- `dv`: the agent's version beside the human's own file, in diff mode, in a tab of its own.
---
--- When either window goes, the tab goes, and diff mode is off again in every buffer that was in it.

local buffer_view = require("orchflow.review.buffer")
local message = require("orchflow.ui.message")
local page_of = require("orchflow.review.page")
local paint = require("orchflow.review.paint")
local text = require("orchflow.view.text")

local M = {}

--- Makes a buffer of lines that is gone with its window.
---@param whose string whose version the lines are
---@param lines string[]
---@param path string
---@return integer
local function scratch(whose, lines, path)
  local buffer = vim.api.nvim_create_buf(false, true)
  paint.dress(buffer)
  -- What lists buffers and windows says what it is; a comparison of the same file in another tab has the name already.
  local before = vim.o.eventignore
  vim.o.eventignore = "all"
  pcall(
    vim.api.nvim_buf_set_name,
    buffer,
    ("orchflow-diff://%s/%s"):format(whose, text.clean(path))
  )
  vim.o.eventignore = before
  vim.bo[buffer].bufhidden = "wipe"
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].modified = false
  paint.colour(buffer, path, lines)
  return buffer
end

---@param window integer
---@param title string
---@param hint? string
local function name_window(window, title, hint)
  -- What one has to know first stays whole: whose version it is.
  local room = vim.api.nvim_win_get_width(window) - vim.fn.strdisplaywidth(title) - 2
  hint = hint and vim.fn.strdisplaywidth(hint) <= room and hint or ""
  vim.wo[window][0].winbar = title:gsub("%%", "%%%%") .. "%<%=" .. hint
end

---@param windows integer[]
local function end_diff(windows)
  for _, window in ipairs(windows) do
    if vim.api.nvim_win_is_valid(window) then
      vim.api.nvim_win_call(window, function()
        vim.cmd("diffoff")
        vim.wo[0][0].winbar = nil
      end)
    end
  end
end

---@param windows integer[]
local function close_together(windows)
  local group = vim.api.nvim_create_augroup("orchflow_side_" .. windows[1], { clear = true })
  local done = false
  vim.api.nvim_create_autocmd("WinClosed", {
    group = group,
    pattern = { tostring(windows[1]), tostring(windows[2]) },
    callback = function()
      if done then
        return
      end
      done = true
      pcall(vim.api.nvim_del_augroup_by_id, group)
      end_diff(windows)
      vim.schedule(function()
        for _, window in ipairs(windows) do
          if vim.api.nvim_win_is_valid(window) then
            pcall(vim.api.nvim_win_close, window, false)
          end
        end
      end)
    end,
  })
end

--- Gives what stands beside the agent's version.
---@param page orchflow.ReviewPage
---@param against "mine"|"base"
---@return integer buffer
---@return string title
local function other_side(page, against)
  local path = page.hunks[1] and page.hunks[1].user_path
  if against == "mine" and path and vim.uv.fs_stat(path) then
    return vim.fn.bufadd(path), "yours: " .. page.path
  elseif against == "mine" and #page.base_lines == 0 then
    return scratch("yours", {}, page.path), "yours: no such file"
  end
  return scratch("base", page_of.base_of(page), page.path), "base: " .. page.path
end

--- Opens the two versions side by side; in one of them it closes both.
---@param against "mine"|"base"
function M.toggle(against)
  local page = buffer_view.page(vim.api.nvim_get_current_buf())
  if not page or page.state ~= "ready" or page.note then
    message.info("orchflow: there are no lines to compare")
    return
  end
  local line = vim.api.nvim_win_get_cursor(0)[1]
  local theirs = scratch(page.agent, page.deleted and {} or page.lines, page.path)
  local other, title = other_side(page, against)
  vim.cmd("tab split")
  local right = vim.api.nvim_get_current_win()
  vim.cmd(("silent keepalt keepjumps buffer %d"):format(theirs))
  vim.cmd("leftabove vsplit")
  local left = vim.api.nvim_get_current_win()
  vim.cmd(("silent keepalt keepjumps buffer %d"):format(other))
  vim.bo[other].buflisted = vim.bo[other].buftype == ""
  for _, window in ipairs({ left, right }) do
    vim.api.nvim_win_call(window, function()
      vim.cmd("diffthis")
    end)
  end
  name_window(left, title)
  local keys = require("orchflow.config").get().keys
  local closing = against == "base" and keys.side_by_side_base or keys.side_by_side
  name_window(right, ("%s: %s"):format(page.agent, page.path), closing and closing .. " closes")
  close_together({ left, right })
  for _, key in ipairs({ "side_by_side", "side_by_side_base" }) do
    local lhs = require("orchflow.config").get().keys[key]
    if lhs then
      vim.keymap.set("n", lhs, "<Cmd>close<CR>", {
        buffer = theirs,
        nowait = true,
        desc = "orchflow: close the comparison",
      })
    end
  end
  vim.api.nvim_set_current_win(right)
  vim.api.nvim_win_set_cursor(right, { math.min(line, vim.api.nvim_buf_line_count(theirs)), 0 })
  vim.cmd("normal! zz")
end

return M
