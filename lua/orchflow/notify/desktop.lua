--- Notifications of the desktop, by the sequence OSC 9 into the terminal in which the human works. Terminals that know
--- it show one; the others ignore it. Off unless `notify.desktop` asks for it.
---
--- Only an editor that has not the focus sends one, and of several editors of one repository only the first.

local M = {}

local has_focus = true
local listening = false

--- Begins to heed whether the human looks at this editor.
function M.start()
  if listening then
    return
  end
  listening = true
  vim.api.nvim_create_autocmd({ "FocusGained", "FocusLost" }, {
    group = vim.api.nvim_create_augroup("orchflow_notify_desktop", { clear = true }),
    desc = "Remember whether the human looks at this editor",
    callback = function(event)
      has_focus = event.event == "FocusGained"
    end,
  })
end

--- Writes the sequence for a line. Pure.
---@param line string
---@param in_tmux boolean whether tmux has to hand it through
---@return string
function M.sequence(line, in_tmux)
  -- A number and a semicolon in front would be read as another request.
  local words = require("orchflow.view.text").clean(line)
  local sequence = ("\27]9;%s%s\7"):format(words:find("^%d+;") and " " or "", words)
  if in_tmux then
    return "\27Ptmux;" .. sequence:gsub("\27", "\27\27") .. "\27\\"
  end
  return sequence
end

--- Says whether a terminal shows this editor, so that a sequence reaches one.
---@return boolean
local function has_terminal()
  for _, ui in ipairs(vim.api.nvim_list_uis()) do
    if ui.stdout_tty or ui.term_name then
      return true
    end
  end
  return false
end

---@param sequence string
local function write(sequence)
  if vim.api.nvim_ui_send then
    vim.api.nvim_ui_send(sequence)
  else
    vim.fn.chansend(vim.v.stderr, sequence)
  end
end

--- Claims a change, so that no other editor of the user's tells of it again.
---@param claim string what makes the change that change
---@return boolean
function M.claim(claim)
  local folder = vim.fs.joinpath(vim.fs.dirname(vim.fn.stdpath("run")), "orchflow-told")
  vim.fn.mkdir(folder, "p", "0o700")
  local path = vim.fs.joinpath(folder, vim.fn.sha256(claim):sub(1, 32))
  local file, _, code = vim.uv.fs_open(path, "wx", 384)
  if file then
    vim.uv.fs_close(file)
    return true
  end
  -- Where nothing can be kept, telling twice is better than not at all.
  return code ~= "EEXIST"
end

--- Shows a notification of the desktop.
---@param line string
---@param claim string what makes the change that change
function M.show(line, claim)
  if has_focus or not has_terminal() or not M.claim(claim) then
    return
  end
  if not vim.env.TMUX then
    write(M.sequence(line, false))
    return
  end
  -- tmux hands it through only where its user allowed that.
  local command =
    { "tmux", "show-options", "-Apqv", "-t", vim.env.TMUX_PANE or "", "allow-passthrough" }
  pcall(vim.system, command, { text = true, timeout = 2000 }, function(result)
    local answer = vim.trim(result.stdout or "")
    if result.code == 0 and (answer == "on" or answer == "all") then
      vim.schedule(function()
        write(M.sequence(line, true))
      end)
    end
  end)
end

return M
