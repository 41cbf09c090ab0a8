-- A Neovim of its own for one test: without a screen, or in a terminal of its own.

---@class orchflow.Child
---@field root string
---@field job integer
---@field channel integer
---@field socket? string where it listens, for a terminal or a screen of the test's own
---@field exited boolean
---@field exit_code? integer
local Child = {}
Child.__index = Child

local DEADLINE_MS = 10000
local count = 0

local function wait_for(what, condition, deadline_ms)
  local met = vim.wait(deadline_ms or DEADLINE_MS, condition, 5)
  if not met then
    error("waited in vain until " .. what, 0)
  end
end

--- Starts a Neovim with the plugin in its runtime path.
---@param nvim string
---@param root string of the plugin
---@param options { tui?: boolean, screen?: boolean, cwd?: string, env?: table<string, string>, columns?: integer }
function Child.new(nvim, root, options)
  ---@type orchflow.Child
  local child = setmetatable({ root = root, exited = false }, Child)
  local argv =
    { nvim, "--clean", "-u", "NONE", "-n", "-i", "NONE", "--cmd", "set noswapfile shortmess+=I" }
  vim.list_extend(
    argv,
    { "--cmd", "set runtimepath^=" .. vim.fn.fnameescape(root):gsub(",", "\\\\,") }
  )
  local environment = vim.tbl_extend("force", { TERM = "xterm-256color" }, options.env or {})
  local job = { cwd = options.cwd or vim.fn.getcwd(), env = environment }
  job.on_exit = function(_, code)
    child.exited = true
    child.exit_code = code
  end
  if options.tui or options.screen then
    count = count + 1
    child.socket = ("%s/n%d.%d"):format(
      vim.env.XDG_RUNTIME_DIR or "/tmp",
      vim.uv.os_getpid(),
      count
    )
    vim.list_extend(argv, { "--listen", child.socket })
  end
  if options.tui then
    local socket = child.socket
    job.pty, job.width, job.height = true, options.columns or 100, 30
    child.job = vim.fn.jobstart(argv, job)
    wait_for("the editor listens", function()
      local ok, channel = pcall(vim.fn.sockconnect, "pipe", socket, { rpc = true })
      child.channel = ok and channel or 0
      return child.channel ~= 0
    end)
    wait_for("the editor has started before a screen", function()
      return child:lua("return vim.v.vim_did_enter == 1 and #vim.api.nvim_list_uis() > 0")
    end)
  else
    vim.list_extend(argv, { "--embed", "--headless" })
    job.rpc = true
    child.job = vim.fn.jobstart(argv, job)
    child.channel = child.job
  end
  child:lua([[vim.o.lines = 30; vim.cmd.source(... .. "/plugin/orchflow.lua")]], root)
  return child
end

--- Calls a function of the child's API.
function Child:api(name, ...)
  return vim.rpcrequest(self.channel, name, ...)
end

--- Runs Lua in the child; its arguments are `...`.
function Child:lua(code, ...)
  return vim.rpcrequest(self.channel, "nvim_exec_lua", code, { ... })
end

--- Runs a command.
function Child:cmd(command)
  self:api("nvim_command", command)
end

--- Types keys; what they set off may be still under way.
function Child:keys(keys)
  self:api("nvim_input", keys)
end

--- Types keys that end it, waits until it is gone, and gives its exit code. No answer is waited for: it
--- may be gone before it gives one.
---@param keys string
---@return integer?
function Child:leave(keys)
  vim.rpcnotify(self.channel, "nvim_input", keys)
  vim.wait(5000, function()
    return self.exited
  end, 5)
  return self.exit_code
end

--- Waits until Lua code in the child gives something true.
function Child:wait(what, code, ...)
  local arguments = { ... }
  local value
  wait_for(what, function()
    value = self:lua(code, unpack(arguments))
    return value ~= nil and value ~= vim.NIL and value ~= false
  end)
  return value
end

--- Gives the lines of the current buffer.
function Child:lines()
  return self:api("nvim_buf_get_lines", 0, 0, -1, false)
end

--- Gives the history of messages.
function Child:messages()
  return self:api("nvim_exec2", "messages", { output = true }).output
end

--- Waits until a text is among the messages.
function Child:wait_message(part)
  return self:wait(
    ("a message says %q"):format(part),
    [[
    local said = vim.api.nvim_exec2("messages", { output = true }).output
    return said:find(..., 1, true) and said
  ]],
    part
  )
end

--- Gives the child's end, for a test that failed.
function Child:last_words()
  local ok, said = pcall(function()
    return self:messages()
  end)
  return ok and said ~= "" and ("\n  messages:\n  " .. said:gsub("\n", "\n  ")) or ""
end

--- Ends the child.
function Child:stop()
  if not self.exited then
    vim.fn.jobstop(self.job)
    vim.wait(2000, function()
      return self.exited
    end, 5)
  end
end

return Child
