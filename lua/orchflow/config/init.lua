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

--- Gives the options in force. On first use without `setup()`, `vim.g.orchflow` is read.
---@return table
function M.get()
  if not current then
    for _, problem in ipairs(M.set(vim.g.orchflow)) do
      vim.notify("orchflow: " .. problem, vim.log.levels.ERROR)
    end
  end
  return current
end

--- Gives the defaults alone.
---@return table
function M.defaults()
  return default_of(schema)
end

return M
