--- Values as Lua has them, from values as they come over the wire.

local M = {}

local NIL = vim.NIL

--- Makes a value plain, in place: what is absent is nil, and bytes that are not UTF-8 are a string again.
---@param value any
---@return any
function M.value(value)
  if value == NIL then
    return nil
  elseif type(value) == "table" then
    if type(value.b64) == "string" and next(value, next(value)) == nil then
      local ok, bytes = pcall(vim.base64.decode, value.b64)
      return ok and bytes or value
    end
    for key, item in pairs(value) do
      if type(item) == "table" or item == NIL then
        value[key] = M.value(item)
      end
    end
  end
  return value
end

return M
