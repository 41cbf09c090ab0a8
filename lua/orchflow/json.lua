--- JSON for scripts: one line, keys in a stated order, whole numbers exact.
---
--- Neovim 0.10's own encoder writes microseconds since 1970 with 14 digits, which loses the last ones.

local M = {}

local ESCAPES = {
  ['"'] = '\\"',
  ["\\"] = "\\\\",
  ["\b"] = "\\b",
  ["\f"] = "\\f",
  ["\n"] = "\\n",
  ["\r"] = "\\r",
  ["\t"] = "\\t",
}

--- Gives the length of the UTF-8 sequence that starts at a byte, or nil where the bytes are not UTF-8.
---@param text string
---@param index integer
---@return integer?
local function sequence_length(text, index)
  local first, second = text:byte(index, index + 1)
  local length, low, high = nil, 0x80, 0xBF
  if first < 0x80 then
    return 1
  elseif first >= 0xC2 and first <= 0xDF then
    length = 2
  elseif first >= 0xE0 and first <= 0xEF then
    length = 3
    low = first == 0xE0 and 0xA0 or 0x80
    high = first == 0xED and 0x9F or 0xBF
  elseif first >= 0xF0 and first <= 0xF4 then
    length = 4
    low = first == 0xF0 and 0x90 or 0x80
    high = first == 0xF4 and 0x8F or 0xBF
  end
  if not length or not second or second < low or second > high then
    return nil
  end
  for offset = 2, length - 1 do
    local byte = text:byte(index + offset)
    if not byte or byte < 0x80 or byte > 0xBF then
      return nil
    end
  end
  return length
end

--- Replaces what is not UTF-8 by U+FFFD, so that the line can be read by any JSON reader.
---@param text string
---@return string
local function to_utf8(text)
  if not text:find("[\128-\255]") then
    return text
  end
  local parts, index = {}, 1
  while index <= #text do
    local length = sequence_length(text, index)
    parts[#parts + 1] = length and text:sub(index, index + length - 1) or "\239\191\189"
    index = index + (length or 1)
  end
  return table.concat(parts)
end

---@param text string
---@return string
local function encode_string(text)
  local escaped = to_utf8(text):gsub('[%z\1-\31"\\\127]', function(char)
    return ESCAPES[char] or ("\\u%04x"):format(char:byte())
  end)
  return '"' .. escaped .. '"'
end

---@param number number
---@return string
local function encode_number(number)
  if number ~= number or number == math.huge or number == -math.huge then
    return "null"
  elseif number == math.floor(number) and math.abs(number) < 2 ^ 63 then
    return ("%d"):format(number)
  end
  return ("%.17g"):format(number)
end

local encode

---@param object table
---@param order? string[] keys that come first, as listed; the rest follow by name
---@return string
local function encode_object(object, order)
  local keys, seen = {}, {}
  for _, key in ipairs(order or {}) do
    if object[key] ~= nil then
      keys[#keys + 1] = key
      seen[key] = true
    end
  end
  local rest = {}
  for key in pairs(object) do
    if not seen[key] then
      rest[#rest + 1] = key
    end
  end
  table.sort(rest, function(left, right)
    return tostring(left) < tostring(right)
  end)
  vim.list_extend(keys, rest)
  local parts = {}
  for _, key in ipairs(keys) do
    parts[#parts + 1] = encode_string(tostring(key)) .. ":" .. encode(object[key])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

---@param value any
---@return string
encode = function(value)
  local kind = type(value)
  if value == nil or value == vim.NIL then
    return "null"
  elseif kind == "string" then
    return encode_string(value)
  elseif kind == "number" then
    return encode_number(value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif kind ~= "table" then
    return "null"
  elseif vim.islist(value) and getmetatable(value) ~= getmetatable(vim.empty_dict()) then
    return "[" .. table.concat(vim.tbl_map(encode, value), ",") .. "]"
  end
  return encode_object(value)
end

--- Writes a value as one line of JSON. An empty table is a list unless it is `vim.empty_dict()`.
---@param value any
---@param order? string[] keys of the outermost object that come first, as listed
---@return string
function M.encode(value, order)
  if order then
    return encode_object(value, order)
  end
  return encode(value)
end

return M
