--- What tmux's status line can show of orchflow: the option `@orchflow` of the session this editor is in, as
--- `#{@orchflow}` in `status-right`. Off unless `notify.tmux` asks for it.

local M = {}

local shown ---@type string?
local leaving = false

---@param arguments string[]
---@param wait? boolean
local function tmux(arguments, wait)
  local command = vim.list_extend({ "tmux", "set-option", "-q" }, arguments)
  local ok, process = pcall(vim.system, command, { timeout = 2000 })
  if ok and wait then
    process:wait(500)
  end
end

--- Writes what the status line shows, safe for tmux's own formats. Pure.
---@param status orchflow.Status
---@param icons table<string, string>
---@return string
function M.words(status, icons)
  local line = require("orchflow.statusline").write(status, "connected", icons, {})
  -- The statusline's own escapes are not tmux's.
  return (line:gsub("%%%%", "%%"):gsub("#", "##"))
end

--- Shows a status, where it changed what is shown.
---@param status orchflow.Status
function M.show(status)
  local pane = vim.env.TMUX_PANE
  if not vim.env.TMUX or not pane then
    return
  end
  local words = M.words(status, require("orchflow.config").get().icons)
  if words == shown then
    return
  end
  shown = words
  tmux({ "-t", pane, "@orchflow", words })
  if not leaving then
    leaving = true
    vim.api.nvim_create_autocmd("VimLeavePre", {
      group = vim.api.nvim_create_augroup("orchflow_notify_tmux", { clear = true }),
      desc = "Take back what tmux's status line shows",
      callback = function()
        tmux({ "-u", "-t", pane, "@orchflow" }, true)
      end,
    })
  end
end

return M
