--- The filter of a timeline, as the grammar of the whole editor has it.

local M = {}

---@return { parse: function, show: function, params: function, with?: function, values?: function }
local function grammar()
  local ok, found = pcall(require, "orchflow.filter")
  if ok then
    return found
  end
  local event_words = require("orchflow.event")
  return {
    parse = event_words.parse_filter,
    show = event_words.show_filter,
    params = event_words.filter_params,
  }
end

--- Reads a filter as it is typed.
---@param typed string
---@return orchflow.Filter? filter
---@return string? problem
function M.parse(typed)
  return grammar().parse(typed, "events")
end

--- Writes a filter as it is typed.
---@param filter orchflow.Filter
---@return string
function M.show(filter)
  return grammar().show(filter)
end

--- Gives the parameters by which the host applies a filter.
---@param filter orchflow.Filter
---@return table
function M.params(filter)
  return grammar().params(filter)
end

--- Gives a filter that lets one agent through, or every agent where it did that already.
---@param filter orchflow.Filter
---@param key string `RUN/NAME`
---@return orchflow.Filter
function M.follow(filter, key)
  local shared = grammar()
  if shared.with then
    local was = shared.values(filter, "agent") or {}
    local same = #was == 1 and was[1] == key
    return shared.with(filter, "agent", not same and { key } or nil)
  end
  local words, was = {}, nil
  for word in M.show(filter):gmatch("%S+") do
    local value = word:match("^agent:(.*)$") or word:match("^ai:(.*)$")
    if value then
      was = value
    else
      words[#words + 1] = word
    end
  end
  if was ~= key then
    table.insert(words, 1, "agent:" .. key)
  end
  return M.parse(table.concat(words, " ")) or filter
end

return M
