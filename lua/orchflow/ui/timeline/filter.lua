--- The filter of a timeline: the grammar of the whole editor, for events.

local filters = require("orchflow.filter")

local M = {}

--- Reads a filter as it is typed.
---@param typed string
---@return orchflow.Filter? filter
---@return string? problem
function M.parse(typed)
  return filters.parse(typed, "events")
end

--- Writes a filter as it is typed.
---@param filter orchflow.Filter
---@return string
function M.show(filter)
  return filters.show(filter)
end

--- Gives the parameters by which the host applies a filter.
---@param filter orchflow.Filter
---@return table
function M.params(filter)
  return filters.params(filter)
end

--- Gives a filter that lets one agent through, or every agent where it did that already.
---@param filter orchflow.Filter
---@param key string `RUN/NAME`
---@return orchflow.Filter
function M.follow(filter, key)
  local was = filters.values(filter, "agent") or {}
  local is_same = #was == 1 and was[1] == key
  return filters.with(filter, "agent", not is_same and { key } or nil)
end

return M
