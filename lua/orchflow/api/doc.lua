--- Writes the types of the Lua API from the command catalogue; a test holds the two together.
---
--- Run `nvim -l lua/orchflow/api/doc.lua` in the repository's root after a change of the catalogue.

local M = {}

local TYPES = {
  text = "string",
  number = "integer",
  list = "string|string[]",
  boolean = "boolean",
  seconds = "number|string",
}

---@param name string
---@return string
local function class_of(name)
  return "orchflow.api." .. name:gsub("^%l", string.upper)
end

--- Gives the lines of `api/types.lua`.
---@return string[]
function M.lines()
  local api = require("orchflow.api")
  local lines = {
    "---@meta",
    "-- Generated from the command catalogue by `nvim -l lua/orchflow/api/doc.lua`. Do not edit.",
    "",
    "---@alias orchflow.Callback fun(failure?: orchflow.Failure, result?: table)",
    "",
  }
  local functions = {}
  for _, entry in ipairs(require("orchflow.catalogue")) do
    lines[#lines + 1] = "---@class " .. class_of(entry.name)
    for _, field in ipairs(api.fields(entry)) do
      local mark = field.required and "" or "?"
      lines[#lines + 1] = ("---@field %s%s %s %s"):format(
        field.name,
        mark,
        TYPES[field.kind],
        field.summary
      )
    end
    lines[#lines + 1] = ""
    functions[#functions + 1] = "--- " .. entry.summary:gsub("^%l", string.upper) .. "."
    local call =
      "---@field %s fun(given?: %s|string, callback?: orchflow.Callback): table?, orchflow.Failure?"
    functions[#functions + 1] = call:format(entry.name, class_of(entry.name))
  end
  lines[#lines + 1] = "---@class orchflow.Module"
  lines[#lines + 1] = "---@field version string"
  lines[#lines + 1] = "---@field setup fun(options?: table): boolean, string[]"
  for index = 1, #functions, 2 do
    lines[#lines + 1] = functions[index + 1] .. " " .. functions[index]:gsub("^%-%-%- ", "")
  end
  return lines
end

local is_script = ((_G.arg or {})[0] or ""):match("api/doc%.lua$") ~= nil
if is_script then
  vim.opt.runtimepath:prepend(vim.fn.getcwd())
  local file = assert(io.open("lua/orchflow/api/types.lua", "w"))
  file:write(table.concat(M.lines(), "\n") .. "\n")
  file:close()
end

return M
