--- Names of review buffers: `orchflow://RUN/AGENT/PATH`, or `orchflow://AGENT/PATH` for the newest run. Pure.

local M = {}

---@class orchflow.ReviewName
---@field run? integer
---@field agent string
---@field path string the path's bytes

--- Says whether bytes are UTF-8, as the host wants text.
---@param bytes string
---@return boolean
local function is_utf8(bytes)
  return not bytes:find("[\128-\255]") or vim.iconv(bytes, "utf-8", "utf-8") == bytes
end

--- Gives the bytes of a hunk's path.
---@param hunk { path: string, path_b64?: string }
---@return string
function M.bytes(hunk)
  if hunk.path_b64 then
    local ok, bytes = pcall(vim.base64.decode, hunk.path_b64)
    return ok and bytes or hunk.path
  end
  return hunk.path
end

--- Gives the name of the buffer that shows a hunk.
---@param hunk { key: string, path: string, path_b64?: string }
---@return string
function M.of(hunk)
  local pattern = hunk.path_b64 and "[%c%%\128-\255]" or "[%c%%]"
  local path = M.bytes(hunk):gsub(pattern, function(char)
    return ("%%%02X"):format(char:byte())
  end)
  return ("orchflow://%s/%s"):format(hunk.key, path)
end

--- Reads a review buffer's name.
---@param name string
---@return orchflow.ReviewName?
function M.parse(name)
  local run, agent, path = name:match("^orchflow://(%d+)/([^/]+)/(.+)$")
  if not run then
    agent, path = name:match("^orchflow://([^/]+)/(.+)$")
  end
  -- Prompts have names of the same form.
  if not agent or (not run and agent == "prompt") then
    return nil
  end
  local decoded = path:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end)
  return { run = tonumber(run), agent = agent, path = decoded }
end

--- Gives the parameters by which the host knows what a name stands for.
---@param named orchflow.ReviewName
---@return table
function M.params(named)
  local params = { run = named.run, agent = named.agent }
  if is_utf8(named.path) then
    params.path = named.path
  else
    params.path_b64 = vim.base64.encode(named.path)
  end
  return params
end

return M
