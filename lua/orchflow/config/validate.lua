--- Compares what the user wrote with the schema; every problem is one sentence with the option's dotted path.

local M = {}

--- Gives the known name nearest to a wrong one, if one is near enough to be meant.
---@param wrong string
---@param known string[]
---@return string?
function M.nearest(wrong, known)
  local best, best_distance = nil, math.max(1, math.floor(#wrong / 3)) + 1
  for _, name in ipairs(known) do
    local distance = M.distance(wrong, name)
    if distance < best_distance then
      best, best_distance = name, distance
    end
  end
  return best
end

--- Counts the edits between two words (Damerau's, with neighbours swapped as one edit).
---@param left string
---@param right string
---@return integer
function M.distance(left, right)
  local rows = { [0] = {} }
  for column = 0, #right do
    rows[0][column] = column
  end
  for row = 1, #left do
    rows[row] = { [0] = row }
    for column = 1, #right do
      local same = left:byte(row) == right:byte(column)
      local cost = math.min(
        rows[row - 1][column] + 1,
        rows[row][column - 1] + 1,
        rows[row - 1][column - 1] + (same and 0 or 1)
      )
      local swapped = row > 1
        and column > 1
        and left:byte(row) == right:byte(column - 1)
        and left:byte(row - 1) == right:byte(column)
      if swapped then
        cost = math.min(cost, rows[row - 2][column - 2] + 1)
      end
      rows[row][column] = cost
    end
  end
  return rows[#left][#right]
end

---@param value any
---@return string
local function shown(value)
  return type(value) == "string" and ("%q"):format(value)
    or vim.inspect(value, { newline = " ", indent = "" })
end

---@type table<string, fun(option: orchflow.Option, value: any): string?>
local CHECKS = {
  string = function(_, value)
    return type(value) ~= "string" and "a string" or nil
  end,
  boolean = function(_, value)
    return type(value) ~= "boolean" and "true or false" or nil
  end,
  key = function(_, value)
    local fits = value == false or (type(value) == "string" and value ~= "")
    return not fits and 'a key such as "a", or false' or nil
  end,
  strings = function(_, value)
    local fits = type(value) == "table" and vim.islist(value)
    for _, item in ipairs(fits and value or {}) do
      fits = fits and type(item) == "string"
    end
    return not fits and "a list of strings" or nil
  end,
  choice = function(option, value)
    local fits = vim.list_contains(option.values, value)
    return not fits and "one of " .. table.concat(option.values, ", ") or nil
  end,
  number = function(option, value)
    local fits = type(value) == "number" and value >= option.least and value <= option.most
    return not fits and ("a number from %g to %g"):format(option.least, option.most) or nil
  end,
  integer = function(option, value)
    local fits = type(value) == "number"
      and value == math.floor(value)
      and value >= option.least
      and value <= option.most
    return not fits and ("a whole number from %d to %d"):format(option.least, option.most) or nil
  end,
}

---@param option orchflow.Option a group
---@param options any
---@param path string
---@param problems string[]
---@return table valid what of it counts
local function check_group(option, options, path, problems)
  if option.bare and type(options) == "string" then
    options = { [option.bare] = options }
  elseif type(options) ~= "table" then
    local wanted = option.bare and "a string or a table" or "a table"
    problems[#problems + 1] = ("option %s wants %s, got %s"):format(path, wanted, shown(options))
    return {}
  end
  local valid = {}
  local names = vim.tbl_keys(options)
  table.sort(names, function(left, right)
    return tostring(left) < tostring(right)
  end)
  for _, name in ipairs(names) do
    local value = options[name]
    local dotted = path == "" and tostring(name) or path .. "." .. tostring(name)
    local known = type(name) == "string" and option.fields[name] or nil
    if not known then
      local nearest = M.nearest(tostring(name), option.order)
      local prefix = path == "" and "" or path .. "."
      problems[#problems + 1] = nearest
          and ("unknown option %s; did you mean %s?"):format(dotted, prefix .. nearest)
        or ("unknown option %s; see :help orchflow-config"):format(dotted)
    elseif known.kind == "group" then
      valid[name] = check_group(known, value, dotted, problems)
    else
      local wanted = CHECKS[known.kind](known, value)
      if wanted then
        problems[#problems + 1] = ("option %s wants %s, got %s"):format(
          dotted,
          wanted,
          shown(value)
        )
      else
        valid[name] = value
      end
    end
  end
  return valid
end

--- Checks options against the schema.
---@param schema orchflow.Option
---@param options any
---@return table valid the part that counts
---@return string[] problems
function M.check(schema, options)
  local problems = {}
  if type(options) ~= "table" then
    return {}, { ("setup() wants a table of options, got %s"):format(shown(options)) }
  end
  return check_group(schema, options, "", problems), problems
end

return M
