--- Opens a connection: starts the host where none runs, then joins its socket.

local M = {}

--- Variables that Neovim sets for its own children; an agent must not believe that it runs inside this editor.
local OWN_VARIABLES =
  { "NVIM", "NVIM_LISTEN_ADDRESS", "NVIM_LOG_FILE", "VIM", "VIMRUNTIME", "MYVIMRC" }

--- Gives the environment that agents started from here are to have.
---@return table<string, string>
function M.environment()
  local environment = vim.fn.environ()
  for _, name in ipairs(OWN_VARIABLES) do
    environment[name] = nil
  end
  return environment
end

--- Gives what the editor says of itself as its first word.
---@param root string
---@return table
function M.greeting(root)
  local version = vim.version()
  return {
    protocol = 1,
    client = "nvim",
    version = require("orchflow").version,
    pid = vim.uv.os_getpid(),
    cwd = root,
    interactive = not require("orchflow.mode").is_script(),
    env = M.environment(),
    nvim = {
      listen = vim.v.servername,
      version = ("%d.%d.%d"):format(version.major, version.minor, version.patch),
    },
  }
end

--- Reads what `orchflow connect --json` printed.
---@param result vim.SystemCompleted
---@return table? data
---@return orchflow.Failure? failure
function M.parse(result)
  local line = vim.trim(result.stdout or "")
  local ok, envelope = pcall(vim.json.decode, line, { luanil = { object = true } })
  if ok and type(envelope) == "table" then
    if
      envelope.ok
      and type(envelope.data) == "table"
      and type(envelope.data.socket) == "string"
    then
      return envelope.data
    elseif type(envelope.error) == "table" and envelope.error.message then
      return nil, envelope.error
    end
  end
  local said = vim.trim(result.stderr or ""):match("[^\n]+")
  local how = result.signal ~= 0 and ("signal %d"):format(result.signal)
    or ("code %d"):format(result.code)
  return nil,
    {
      code = "connect",
      message = ("orchflow connect ended with %s: %s"):format(
        how,
        said or "it said nothing that can be read"
      ),
      hint = "see :checkhealth orchflow",
    }
end

---@class orchflow.LinkHandlers
---@field is_current fun(): boolean whether this attempt still counts
---@field failed fun(failure: orchflow.Failure)
---@field opened fun(channel: integer, greeting: table)

---@param socket string
---@param root string
---@param handlers orchflow.LinkHandlers
local function join(socket, root, handlers)
  local ok, channel = pcall(vim.fn.sockconnect, "pipe", socket, { rpc = true })
  if not ok or channel == 0 then
    handlers.failed({
      code = "connect",
      message = ("the host's socket %s cannot be joined"):format(socket),
      hint = "repeat the command; see :checkhealth orchflow if it stays so",
    })
    return
  end
  handlers.opened(channel, M.greeting(root))
end

--- Opens a connection to the host of a repository, without waiting.
---@param root string
---@param handlers orchflow.LinkHandlers
function M.open(root, handlers)
  local path, failure = require("orchflow.client.binary").find()
  if not path then
    -- Later, so that a request is never answered before it returned.
    vim.schedule(function()
      handlers.failed(failure --[[@as orchflow.Failure]])
    end)
    return
  end
  local function completed(result)
    if not handlers.is_current() then
      return
    end
    local data, problem = M.parse(result)
    if data then
      join(data.socket, root, handlers)
    else
      handlers.failed(problem --[[@as orchflow.Failure]])
    end
  end
  local options = { cwd = root, text = true, timeout = 15000 }
  local ok, trouble =
    pcall(vim.system, { path, "connect", "--json" }, options, vim.schedule_wrap(completed))
  if not ok then
    vim.schedule(function()
      handlers.failed({
        code = "connect",
        message = ("%s cannot be run: %s"):format(path, tostring(trouble):match("[^\n]+")),
        hint = "see :checkhealth orchflow",
      })
    end)
  end
end

return M
