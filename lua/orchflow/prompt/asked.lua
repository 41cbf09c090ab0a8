--- Whether a write of a prompt was asked for in it: by a key, in its own window, for it alone.
---
--- `:wall`, `:bufdo`, `:windo` and the like write many buffers; a timer, an autocommand's deferred work or another
--- program writes without a key. None of these sends anything.

local M = {}

--- Commands that write or walk through many buffers.
local MANY = {}
for name in ("wall wqall xall quitall bufdo windo tabdo argdo cdo cfdo ldo lfdo"):gmatch("%a+") do
  MANY[name] = true
end

--- The buffer the human has been in since the editor last waited for a key; a walk through windows leaves it.
local settled ---@type integer?
local many = false
--- Whether no key was typed since the editor last waited for one.
local unasked = false
local group ---@type integer?
local namespace = vim.api.nvim_create_namespace("orchflow_prompt_keys")

---@class orchflow.AskedHooks
---@field command fun(name: string, bang: boolean) a command line is about to run
---@field settled fun(buffer: integer) the editor waits for a key again
---@field leaving fun() Neovim ends

---@param hooks orchflow.AskedHooks
local function look_at_command(hooks)
  if vim.v.event.abort or vim.fn.getcmdtype() ~= ":" then
    return
  end
  local ok, parsed = pcall(vim.api.nvim_parse_cmd, vim.fn.getcmdline(), {})
  local name = ok and parsed.cmd or ""
  many = MANY[name] == true
  if not many then
    settled = vim.api.nvim_get_current_buf()
  end
  hooks.command(name, ok and parsed.bang == true)
end

--- Begins to watch the editor; done while there is a prompt, and no longer.
---@param hooks orchflow.AskedHooks
function M.watch(hooks)
  if group then
    return
  end
  group = vim.api.nvim_create_augroup("orchflow_prompt", { clear = true })
  local function on(event, description, callback)
    vim.api.nvim_create_autocmd(event, { group = group, desc = description, callback = callback })
  end
  on("CmdlineLeave", "See what is asked for in a prompt", function()
    look_at_command(hooks)
  end)
  on("SafeState", "See where the human is", function()
    local buffer = vim.api.nvim_get_current_buf()
    settled, many, unasked = buffer, false, true
    hooks.settled(buffer)
  end)
  on("VimLeavePre", "Keep what is being written", hooks.leaving)
  vim.on_key(function()
    unasked = false
  end, namespace)
end

--- Ends the watch.
function M.forget()
  if group then
    vim.api.nvim_del_augroup_by_id(group)
    vim.on_key(nil, namespace)
    group, settled, many, unasked = nil, nil, false, false
  end
end

--- Notes that the human has just been brought into a buffer.
---@param buffer integer
function M.enter(buffer)
  settled = buffer
end

--- Notes that a prompt was left, for however short a time.
function M.leave()
  settled = nil
end

--- Says whether the write of a buffer that runs was asked for in it.
---@param buffer integer
---@return boolean
function M.is_asked(buffer)
  return settled == buffer and not many and not unasked
end

return M
