--- Writes the options' part of `:help orchflow` from the schema; a test holds the two together.
---
--- Run `nvim -l lua/orchflow/config/doc.lua` in the repository's root after a change of the schema.

local M = {}

M.first_marker = "*orchflow-config-begin*"
M.last_marker = "*orchflow-config-end*"

local WIDTH = 78

---@param text string
---@param indent integer
---@return string[]
local function wrapped(text, indent)
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    if line ~= "" and indent + #line + 1 + #word > WIDTH then
      lines[#lines + 1] = (" "):rep(indent) .. line
      line = word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = (" "):rep(indent) .. line
  return lines
end

---@param option orchflow.Option
---@return string
local function kind_of(option)
  if option.kind == "choice" then
    return table.concat(option.values, " | ")
  elseif option.kind == "number" or option.kind == "integer" then
    return ("%s, %g to %g"):format(option.kind, option.least, option.most)
  elseif option.kind == "strings" then
    return "list of strings"
  elseif option.kind == "key" then
    return "key or false"
  end
  return option.kind
end

---@param group orchflow.Option
---@param path string
---@param lines string[]
local function write_group(group, path, lines)
  for _, name in ipairs(group.order) do
    local option = group.fields[name]
    local dotted = path == "" and name or path .. "." .. name
    local tag = ("*orchflow-config-%s*"):format(dotted)
    local gap = (" "):rep(math.max(2, WIDTH - #dotted - #tag))
    lines[#lines + 1] = dotted .. gap .. tag
    if option.kind == "group" then
      vim.list_extend(lines, wrapped(option.description, 4))
      lines[#lines + 1] = ""
      write_group(option, dotted, lines)
    else
      local default = vim.inspect(option.default)
      lines[#lines + 1] = ("    %s, default `%s`"):format(kind_of(option), default)
      vim.list_extend(lines, wrapped(option.description, 4))
      lines[#lines + 1] = ""
    end
  end
end

--- Gives the lines that stand between the markers.
---@return string[]
function M.lines()
  local lines = { "" }
  write_group(require("orchflow.config.schema"), "", lines)
  return lines
end

--- Gives a help text with the part between the markers renewed.
---@param text string
---@return string
function M.renew(text)
  local before, after =
    text:match("^(.-" .. vim.pesc(M.first_marker) .. "\n).-(" .. vim.pesc(M.last_marker) .. ".*)$")
  assert(before, "the markers are missing")
  return before .. table.concat(M.lines(), "\n") .. "\n" .. after
end

local is_script = ((_G.arg or {})[0] or ""):match("config/doc%.lua$") ~= nil
if is_script then
  vim.opt.runtimepath:prepend(vim.fn.getcwd())
  local file = assert(io.open("doc/orchflow.txt", "r"))
  local text = file:read("*a")
  file:close()
  file = assert(io.open("doc/orchflow.txt", "w"))
  file:write(M.renew(text))
  file:close()
end

return M
