--- From an event to what it is about: the hunk, the file, or the agent's pane.

local client = require("orchflow.client")
local event_words = require("orchflow.event")
local message = require("orchflow.ui.message")

local M = {}

--- Types of events that are about an agent's version of a file, not the human's.
local AGENTS_VERSION =
  { ai_generated_code = true, hunk_accepted = true, hunk_rejected = true, hunk_commented = true }

---@param path string
---@param line? integer
local function edit(path, line)
  vim.cmd.edit(vim.fn.fnameescape(path))
  if line then
    pcall(vim.api.nvim_win_set_cursor, 0, { line, 0 })
  end
end

---@param key string `RUN/NAME`
---@param path string
---@return string name of the buffer with the agent's version
local function review_name(key, path)
  -- The same letters are escaped as where review buffers are opened from the list.
  return ("orchflow://%s/%s"):format(key, (path:gsub("[%%%z\1-\31]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end)))
end

--- Goes to what an event is about.
---@param event? orchflow.KeptEvent
---@param opened orchflow.Float left before something else is shown
function M.jump(event, opened)
  if not event then
    return
  end
  local key, path = event_words.key(event), event.path
  if path then
    local full = path:sub(1, 1) == "/" and path or vim.fs.joinpath(client.root(), path)
    local is_mine = vim.uv.fs_stat(full) ~= nil
    if
      key
      and (event.hunk or AGENTS_VERSION[event.type] or not is_mine)
      and path:sub(1, 1) ~= "/"
    then
      opened:leave()
      edit(review_name(key, path), event.line)
    elseif is_mine then
      opened:leave()
      edit(vim.fn.fnamemodify(full, ":."), event.line)
    else
      message.warn(("orchflow: %s is not in your working tree"):format(path))
    end
    return
  end
  local agent = key and require("orchflow.state").agent(client.store(), key)
  if agent and agent.living then
    opened:leave()
    require("orchflow.command").execute("attach " .. key)
  elseif key then
    message.info("orchflow: this event is about no file, and its agent has ended; <Tab> shows more")
  else
    message.info("orchflow: this event is about no file and no agent; <Tab> shows more")
  end
end

return M
