--- The options in force: the schema's defaults under what the user gave to `setup()` or in `vim.g.orchflow`.

local schema = require("orchflow.config.schema")
local validate = require("orchflow.config.validate")

local M = {}

---@param option orchflow.Option
---@return any
local function default_of(option)
  if option.kind ~= "group" then
    return vim.deepcopy(option.default)
  end
  local defaults = {}
  for name, field in pairs(option.fields) do
    defaults[name] = default_of(field)
  end
  return defaults
end

---@type table?
local current
---@type string[]
local found = {}

--- Takes options in place of any given before; what is wrong in them is left at its default.
---@param options? table
---@return string[] problems one sentence each, with the option's dotted path
function M.set(options)
  local valid, problems = validate.check(schema, options == nil and {} or options)
  local style = (valid.icons or {}).style
  current = vim.tbl_deep_extend(
    "force",
    default_of(schema),
    style == "nerd" and { icons = require("orchflow.config.nerd") } or {},
    valid
  )
  found = problems
  return problems
end

--- Gives the problems of the options in force.
---@return string[]
function M.problems()
  M.get()
  return found
end

--- Tells the human what is wrong with options, in one line once the editor stands: while it starts, and from within
--- a drawing, a message would end in a prompt for Enter.
---@param problems string[]
function M.tell(problems)
  if #problems == 0 then
    return
  end
  local function say()
    require("orchflow.ui.message").error("orchflow: " .. table.concat(problems, " | "))
  end
  if require("orchflow.mode").is_script() then
    say()
  elseif vim.v.vim_did_enter == 1 then
    vim.schedule(say)
  else
    vim.api.nvim_create_autocmd("VimEnter", { once = true, callback = vim.schedule_wrap(say) })
  end
end

--- Gives the options in force. On first use without `setup()`, `vim.g.orchflow` is read.
---@return table
function M.get()
  if not current then
    M.tell(M.set(vim.g.orchflow))
  end
  return current
end

--- Gives the defaults alone.
---@return table
function M.defaults()
  return default_of(schema)
end

return M
