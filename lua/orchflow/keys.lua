--- The opt-in prefix: `keys = "<leader>o"` maps it to the `<Plug>` mappings, and names the group for which-key.

local M = {}

---@class orchflow.PrefixKey
---@field key string behind the prefix
---@field plug string name of the `<Plug>` mapping
---@field description string
---@field visual? boolean

---@type orchflow.PrefixKey[]
M.keys = {
  { key = "o", plug = "dashboard", description = "dashboard" },
  { key = "s", plug = "swarm", description = "swarm: start agents", visual = true },
  { key = "p", plug = "send", description = "prompt an agent", visual = true },
  { key = "r", plug = "review", description = "review hunks" },
  { key = "t", plug = "timeline", description = "timeline" },
  { key = "a", plug = "approvals", description = "approvals" },
  { key = "n", plug = "attention", description = "next that needs you" },
  { key = "u", plug = "undo", description = "undo the last decision" },
}

---@type { mode: string, left: string }[]
local mapped = {}

--- Names the group, where which-key is loaded.
---@param prefix string
---@return boolean named
local function name_group(prefix)
  local which_key = package.loaded["which-key"]
  if type(which_key) ~= "table" then
    return false
  elseif which_key.add then
    pcall(which_key.add, { { prefix, group = "orchflow", mode = { "n", "x" } } })
  elseif which_key.register then
    pcall(which_key.register, { [prefix] = { name = "+orchflow" } })
  end
  return true
end

--- Names the group now, or when which-key has been loaded; it is never loaded for this.
---@param prefix string
local function tell_which_key(prefix)
  local group = vim.api.nvim_create_augroup("orchflow_which_key", { clear = true })
  if name_group(prefix) then
    return
  end
  local function look()
    if name_group(prefix) then
      pcall(vim.api.nvim_del_augroup_by_id, group)
    end
  end
  vim.api.nvim_create_autocmd("VimEnter", { group = group, callback = vim.schedule_wrap(look) })
  vim.api.nvim_create_autocmd("User", {
    group = group,
    pattern = { "VeryLazy", "LazyLoad" },
    callback = vim.schedule_wrap(look),
  })
end

--- Maps the prefix that the options ask for; mappings of a prefix asked for before are taken back.
function M.apply()
  for _, each in ipairs(mapped) do
    local found = vim.fn.maparg(each.left, each.mode, false, true)
    if (found.rhs or ""):find("<Plug>(orchflow-", 1, true) then
      pcall(vim.keymap.del, each.mode, each.left)
    end
  end
  mapped = {}
  local prefix = require("orchflow.config").get().keys.prefix
  if not prefix then
    return
  end
  for _, each in ipairs(M.keys) do
    for _, mode in ipairs(each.visual and { "n", "x" } or { "n" }) do
      local left = prefix .. each.key
      vim.keymap.set(mode, left, ("<Plug>(orchflow-%s)"):format(each.plug), {
        desc = "orchflow: " .. each.description,
      })
      mapped[#mapped + 1] = { mode = mode, left = left }
    end
  end
  tell_which_key(prefix)
end

return M
