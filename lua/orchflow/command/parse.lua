--- Reads the line after `:Orchflow` by the command catalogue. What is text stays as it was typed.

local validate = require("orchflow.config.validate")

local M = {}

--- Flags that every command takes in the editor besides its own.
local EVERYWHERE = {
  json = { name = "json", kind = "switch", value = "", summary = "print one JSON object (scripts)" },
  ["keep-going"] = {
    name = "keep-going",
    kind = "switch",
    value = "",
    summary = "do not end a script's Neovim on failure",
  },
}

---@class orchflow.CatalogueFlag
---@field name string
---@field kind? "switch"|"onoff"|"text"|"number"|"list"|"duration"
---@field value? string
---@field summary string

---@class orchflow.CatalogueArgument
---@field name string
---@field arity "one"|"optional"|"many"|"text"
---@field required boolean
---@field summary string

---@class orchflow.CatalogueEntry
---@field name string
---@field summary string
---@field usage string
---@field example? string
---@field arguments? orchflow.CatalogueArgument[]
---@field flags orchflow.CatalogueFlag[]

---@class orchflow.Parsed
---@field flags table<string, any> by name with `_` for `-`
---@field arguments table<string, any> by name; a list for many
---@field ids string[] hunk ids that stood before the text

--- Gives the flag of a command by its name.
---@param entry orchflow.CatalogueEntry
---@param name string
---@return orchflow.CatalogueFlag?
function M.flag(entry, name)
  for _, flag in ipairs(entry.flags) do
    if flag.name == name then
      return flag
    end
  end
  return EVERYWHERE[name]
end

--- Gives the names of the flags of a command, as they are typed.
---@param entry orchflow.CatalogueEntry
---@return string[]
function M.flag_names(entry)
  local names = {}
  for _, flag in ipairs(entry.flags) do
    names[#names + 1] = "--" .. flag.name
    if flag.kind == "onoff" then
      names[#names + 1] = "--no-" .. flag.name
    end
  end
  return names
end

--- Takes the next word off a line; quotes and backslashes hold spaces together.
---@param line string
---@return string? word
---@return string rest
function M.word(line)
  line = line:gsub("^%s+", "")
  if line == "" then
    return nil, ""
  end
  local parts, index, quote = {}, 1, nil
  while index <= #line do
    local char = line:sub(index, index)
    if quote then
      if char == quote then
        quote = nil
      elseif char == "\\" and quote == '"' and line:sub(index + 1, index + 1):find('["\\]') then
        index = index + 1
        parts[#parts + 1] = line:sub(index, index)
      else
        parts[#parts + 1] = char
      end
    elseif char == '"' or char == "'" then
      quote = char
    elseif char == "\\" and index < #line then
      index = index + 1
      parts[#parts + 1] = line:sub(index, index)
    elseif char:find("%s") then
      break
    else
      parts[#parts + 1] = char
    end
    index = index + 1
  end
  return table.concat(parts), line:sub(index)
end

--- Takes the next word off a line as it stands: double quotes hold spaces together, and stay.
---@param line string
---@return string? word
---@return string rest
function M.raw_word(line)
  line = line:gsub("^%s+", "")
  local index, quoted = 1, false
  while index <= #line do
    local char = line:sub(index, index)
    if char == '"' then
      quoted = not quoted
    elseif char:find("%s") and not quoted then
      break
    end
    index = index + 1
  end
  if index == 1 then
    return nil, ""
  end
  return line:sub(1, index - 1), line:sub(index)
end

local UNITS = { s = 1, m = 60, h = 3600, d = 86400 }

--- Reads a time span such as `90s`, `10m`, `2h`, `3d`, or a bare number of seconds.
---@param typed string
---@return number? seconds
function M.duration(typed)
  local number, unit = typed:match("^(%d+)(%a?)$")
  local factor = unit == "" and 1 or UNITS[unit]
  return number and factor and tonumber(number) * factor or nil
end

---@type table<string, fun(typed: string): any, string?>
local READERS = {
  text = function(typed)
    return typed
  end,
  number = function(typed)
    local number = typed:match("^%d+$") and tonumber(typed)
    return number, not number and "a whole number" or nil
  end,
  list = function(typed)
    local items = vim.tbl_filter(function(item)
      return item ~= ""
    end, vim.split(typed, ",", { plain = true, trimempty = true }))
    return items, #items == 0 and "words with commas between" or nil
  end,
  duration = function(typed)
    local seconds = M.duration(typed)
    return seconds, not seconds and "a time such as 90s, 10m, 2h" or nil
  end,
}

---@param flag orchflow.CatalogueFlag
---@return string
local function kind_of(flag)
  if flag.kind then
    return flag.kind
  end
  return (flag.value or "") == "" and "switch" or "text"
end

---@param value string
---@param flag orchflow.CatalogueFlag
---@return any
---@return string? problem
local function read_value(value, flag)
  local read, wanted = READERS[kind_of(flag)](value)
  -- A value written as a|b|c in the catalogue is a choice.
  local choices = (flag.value or ""):find("^%l[%l|]*|")
      and vim.split(flag.value, "|", { plain = true })
    or nil
  if choices and not vim.list_contains(choices, value) then
    wanted = "one of " .. table.concat(choices, ", ")
  end
  if wanted then
    return nil, ("--%s wants %s, got %s"):format(flag.name, wanted, value)
  end
  return read, nil
end

---@param entry orchflow.CatalogueEntry
---@param word string begins with `--` or is `-f`
---@param rest string
---@param flags table<string, any>
---@return string rest
---@return string? problem
local function read_flag(entry, word, rest, flags)
  local name, value = word:match("^%-%-([^=]+)=(.*)$")
  name = name or word:gsub("^%-+", "")
  if word == "-f" then
    name = "follow"
  end
  local flag = M.flag(entry, name)
  local positive = name:match("^no%-(.+)$")
  if not flag and positive and (M.flag(entry, positive) or {}).kind == "onoff" then
    flags[positive:gsub("-", "_")] = false
    return rest, nil
  end
  if not flag then
    local nearest = validate.nearest("--" .. name, M.flag_names(entry))
    local hint = nearest and ("; did you mean %s?"):format(nearest) or ""
    return rest, ("unknown flag --%s%s"):format(name, hint)
  end
  local key = flag.name:gsub("-", "_")
  local kind = kind_of(flag)
  if kind == "switch" or kind == "onoff" then
    if value then
      return rest, ("--%s takes no value"):format(name)
    end
    flags[key] = true
    return rest, nil
  end
  if not value then
    value, rest = M.word(rest)
    if not value or value:find("^%-%-") then
      return rest, ("--%s wants a value: %s"):format(name, flag.value)
    end
  end
  local read, problem = read_value(value, flag)
  flags[key] = read
  return rest, problem
end

---@class orchflow.ParseOptions
---@field takes_ids? boolean whether hunk ids may stand first, in place of the catalogue's own arguments
---@field optional? table<string, boolean> arguments that the editor can do without

--- Takes all that is left as text. A flag of the command within it is no part of what somebody says.
---@param entry orchflow.CatalogueEntry
---@param line string
---@param ended boolean whether `--` ended the flags
---@return string? text nil where nothing is left
---@return string? problem
local function rest_of(entry, line, ended)
  local text = vim.trim(line)
  for word in text:gmatch(ended and "" or "%S+") do
    local name = word:match("^%-%-([^=]+)")
    local positive = name and name:match("^no%-(.+)$")
    local is_off = positive and (M.flag(entry, positive) or {}).kind == "onoff"
    if name and (is_off or M.flag(entry, name)) then
      local problem = ("--%s stands behind the text; write flags before it, or -- before a text that has it"):format(
        name
      )
      return nil, problem
    end
  end
  return text ~= "" and text or nil, nil
end

--- Takes flags that stand next on the line.
---@param entry orchflow.CatalogueEntry
---@param line string
---@param flags table<string, any>
---@return string rest
---@return boolean ended whether `--` ended the flags
---@return string? problem
local function take_flags(entry, line, flags)
  while true do
    local word, rest = M.word(line)
    if word == "--" then
      return rest, true, nil
    elseif not word or not (word:find("^%-%-.") or word == "-f") then
      return line, false, nil
    end
    local problem
    line, problem = read_flag(entry, word, rest, flags)
    if problem then
      return line, false, problem
    end
  end
end

---@param entry orchflow.CatalogueEntry
---@param line string
---@param parsed orchflow.Parsed
---@return string rest
---@return boolean ended whether `--` ended the flags
---@return string? problem
local function take_ids(entry, line, parsed)
  while true do
    local ended, problem
    line, ended, problem = take_flags(entry, line, parsed.flags)
    local word, rest = M.word(line)
    if problem or ended or not word or not word:find("^h_%x+$") then
      return line, ended, problem
    end
    parsed.ids[#parsed.ids + 1] = word
    line = rest
  end
end

--- Takes all words that are left, with flags between them.
---@param entry orchflow.CatalogueEntry
---@param line string
---@param ended boolean whether flags have ended
---@param flags table<string, any>
---@param take fun(line: string): string?, string
---@return string[]? words nil where there are none
---@return string rest
---@return string? problem
local function take_words(entry, line, ended, flags, take)
  local words, problem = {}, nil
  while true do
    if not ended then
      line, ended, problem = take_flags(entry, line, flags)
    end
    local word, rest = take(line)
    if problem or not word then
      return #words > 0 and words or nil, line, problem
    end
    words[#words + 1] = word
    line = rest
  end
end

--- Reads what stands after a command's name.
---@param entry orchflow.CatalogueEntry
---@param line string
---@param options? orchflow.ParseOptions
---@return orchflow.Parsed? parsed
---@return string? problem
function M.parse(entry, line, options)
  options = options or {}
  local parsed = { flags = {}, arguments = {}, ids = {} }
  local ended, problem, _ = false, nil, nil
  if options.takes_ids then
    line, ended, problem = take_ids(entry, line, parsed)
    if not problem then
      parsed.arguments.text, problem = rest_of(entry, line, ended)
    end
    return not problem and parsed or nil, problem
  end
  for _, argument in ipairs(entry.arguments or {}) do
    if not ended then
      line, ended, problem = take_flags(entry, line, parsed.flags)
    end
    if problem then
      return nil, problem
    end
    local value
    if argument.arity == "text" then
      value, problem = rest_of(entry, line, ended)
      line = ""
      if problem then
        return nil, problem
      end
    elseif argument.arity == "many" then
      -- The filter grammar has quotes of its own.
      local take = argument.name == "filter" and M.raw_word or M.word
      value, line, problem = take_words(entry, line, ended, parsed.flags, take)
      if problem then
        return nil, problem
      end
    else
      value, line = M.word(line)
    end
    if value == nil and argument.required and not (options.optional or {})[argument.name] then
      return nil, ("%s is missing: %s"):format(argument.name:upper(), argument.summary)
    end
    parsed.arguments[argument.name] = value
  end
  if not ended then
    line, _, problem = take_flags(entry, line, parsed.flags)
  end
  local word = M.word(line)
  if not problem and word then
    problem = ("%s is one word too many"):format(word)
  end
  return not problem and parsed or nil, problem
end

return M
