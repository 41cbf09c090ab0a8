--- Completion of filters: names, and for each what is known to the editor.

local filters = require("orchflow.filter")

local M = {}

---@param lead string
---@return string[]
local function files(lead)
  local found = {}
  for _, path in ipairs(vim.fn.getcompletion(lead, "file")) do
    found[#found + 1] = path
    if path:sub(-1) == "/" then
      found[#found + 1] = path .. "**"
    end
  end
  return found
end

---@return string[]
local function agents()
  return vim.tbl_map(function(agent)
    return agent.agent
  end, require("orchflow.state").agents(require("orchflow.client").store()))
end

---@param kind? orchflow.FilterScope
---@return string[]
local function types(kind)
  local all, seen = vim.list_slice(filters.type_groups(kind), 1), {}
  if kind == "hunks" then
    return all
  end
  for _, event in ipairs(require("orchflow.client").store().events) do
    if not seen[event.type] then
      seen[event.type] = true
      all[#all + 1] = event.type
    end
  end
  return all
end

---@return string[]
local function runs()
  local numbers = { "-1" }
  for _, run in ipairs((require("orchflow.client").store().status or {}).runs or {}) do
    numbers[#numbers + 1] = tostring(run.run)
  end
  return numbers
end

--- Gives the candidates for the word of a filter at the cursor; nothing is asked of the host.
---@param lead string
---@param kind? "events"|"hunks"|"agents" what is filtered
---@return string[]
function M.complete(lead, kind)
  local minus, name, value = lead:match("^(%-?)(%a+):(.*)$")
  if not name then
    minus = lead:match("^%-?")
    local candidates = vim.tbl_map(function(each)
      return minus .. each .. ":"
    end, filters.names)
    return vim.tbl_filter(function(each)
      return vim.startswith(each, lead)
    end, candidates)
  end
  name = filters.aliases[name] or name
  local before, last = value:match("^(.*,)([^,]*)$")
  before, last = before or "", last or value
  local candidates = ({
    agent = agents,
    file = function()
      return files(last)
    end,
    type = function()
      return types(kind)
    end,
    is = function()
      return kind and filters.states[kind] or filters.all_states()
    end,
    turn = function()
      return { "-1" }
    end,
    run = runs,
    since = function()
      return { "10m", "1h", "1d" }
    end,
    ["until"] = function()
      return { "10m", "1h", "1d" }
    end,
  })[name]
  local found = {}
  for _, each in ipairs(candidates and candidates() or {}) do
    if vim.startswith(each, last) then
      found[#found + 1] = ("%s%s:%s%s"):format(minus, name, before, each)
    end
  end
  return found
end

return M
