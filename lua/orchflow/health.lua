--- `:checkhealth orchflow`: what is there, what is too old, and what to do about it.

local M = {}

---@class orchflow.Dependency
---@field name string
---@field argv string[] prints its version
---@field least string
---@field optional? boolean
---@field purpose string
---@field how string how to get it

---@type orchflow.Dependency[]
M.dependencies = {
  {
    name = "git",
    argv = { "git", "--version" },
    least = "2.38",
    purpose = "worktrees, checkpoints, hunks",
    how = "install git 2.38 or newer (https://git-scm.com)",
  },
  {
    name = "tmux",
    argv = { "tmux", "-V" },
    least = "3.2",
    optional = true,
    purpose = "panes of agents beside the editor; without it they are shown in windows of Neovim",
    how = "install tmux 3.2 or newer",
  },
}

--- Reads a version out of what a program prints.
---@param printed string
---@return vim.Version?
function M.version_in(printed)
  local found = printed:match("(%d+%.%d+%.?%d*)")
  return found and vim.version.parse(found, { strict = false }) or nil
end

--- Runs a program and waits a little: a health check is asked for, and looked at while it runs.
---@param argv string[]
---@return vim.SystemCompleted?
local function run(argv)
  local ok, process =
    pcall(vim.system, argv, { text = true, cwd = require("orchflow.client").root() })
  return ok and process:wait(5000) or nil
end

---@param dependency orchflow.Dependency
local function check_dependency(dependency)
  local health = vim.health
  local complain = dependency.optional and health.warn or health.error
  local result = vim.fn.executable(dependency.argv[1]) == 1 and run(dependency.argv) or nil
  if not result or result.code ~= 0 then
    complain(
      ("%s is not found (for %s)"):format(dependency.name, dependency.purpose),
      dependency.how
    )
    return
  end
  local version = M.version_in(result.stdout or "")
  if not version then
    health.warn(
      ("%s does not say its version: %s"):format(dependency.name, vim.trim(result.stdout or ""))
    )
  elseif vim.version.lt(version, dependency.least) then
    local problem = "%s %s is older than %s (for %s)"
    complain(
      problem:format(dependency.name, tostring(version), dependency.least, dependency.purpose),
      dependency.how
    )
  else
    -- As the program writes it: a letter may follow the number.
    local words = vim.trim(result.stdout):match("%d[%w%.%-]*")
    health.ok(("%s %s (for %s)"):format(dependency.name, words, dependency.purpose))
  end
end

---@return string? binary
local function check_binary()
  local health = vim.health
  local path, failure = require("orchflow.client.binary").find()
  if not path then
    health.error(failure.message, failure.hint)
    return nil
  end
  local result = run({ path, "--version" })
  local printed = result and vim.trim(result.stdout or "") or ""
  local version = M.version_in(printed)
  local own = require("orchflow").version
  if not result or result.code ~= 0 or not version then
    health.error(
      ("%s does not run: %s"):format(path, result and vim.trim(result.stderr or "") or "no answer")
    )
    return nil
  elseif tostring(version) ~= own then
    local how =
      "build it again (cargo build --release in the plugin's folder), or update the plugin"
    health.warn(("%s is version %s, the plugin is %s"):format(path, tostring(version), own), how)
  else
    health.ok(("%s, version %s"):format(path, own))
  end
  return path
end

--- Looks for the small program by which agents report what they do; it is looked for beside the binary itself.
---@param path string of the binary
local function check_hook(path)
  local hook = vim.fs.dirname(vim.uv.fs_realpath(path) or path) .. "/orchflow-hook"
  if vim.fn.executable(hook) == 1 then
    vim.health.ok(hook .. " (by which agents report what they do)")
  else
    vim.health.error(
      ("%s is missing: agents could not report what they do"):format(hook),
      "build both programs (make build in the plugin's folder), or install them again (make install)"
    )
  end
end

---@param path string
local function check_host(path)
  local health = vim.health
  local result = run({ path, "connect", "--json" })
  if not result then
    health.error(
      "the host does not answer within 5 s",
      "look at its log: $XDG_DATA_HOME/orchflow/repos/*/host.log (~/.local/share where that is not set)"
    )
    return
  end
  local data, failure = require("orchflow.client.link").parse(result)
  if not data then
    health.error(failure.message, failure.hint)
    return
  end
  health.ok(
    ("the host of %s runs (process %s)"):format(tostring(data.repository), tostring(data.host_pid))
  )
  health.info("its socket: " .. data.socket)
  local own = require("orchflow").version
  if data.version and data.version ~= own then
    health.warn(
      ("the host is version %s, the plugin is %s"):format(tostring(data.version), own),
      "end it with `orchflow host stop`: agents work on, and the next command starts the new one"
    )
  end
end

---@param path string
local function check_agents(path)
  local health = vim.health
  local result = run({ path, "agents", "--json" })
  local ok, envelope =
    pcall(vim.json.decode, result and result.stdout or "", { luanil = { object = true } })
  if not ok or type(envelope) ~= "table" or type(envelope.data) ~= "table" then
    health.warn("the host does not say which agents there are")
    return
  end
  for _, agent in ipairs(envelope.data.agents or envelope.data) do
    local name = ("%s (%s)"):format(tostring(agent.title), tostring(agent.name))
    if agent.installed then
      health.ok(("%s %s"):format(name, agent.version or ""))
    else
      health.info(("%s is not installed: %s"):format(name, agent.hint or ""))
    end
  end
end

--- Runs the checks; `:checkhealth orchflow` calls it.
function M.check()
  local health = vim.health
  health.start("orchflow: Neovim")
  local version = vim.version()
  if vim.fn.has("nvim-0.10") == 1 then
    health.ok(("Neovim %d.%d.%d"):format(version.major, version.minor, version.patch))
  else
    health.error("Neovim is older than 0.10", "see https://neovim.io for a newer one")
  end
  for _, problem in ipairs(require("orchflow.config").problems()) do
    health.error(problem, "see :help orchflow-config")
  end
  health.start("orchflow: programs")
  for _, dependency in ipairs(M.dependencies) do
    check_dependency(dependency)
  end
  health.start("orchflow: host")
  local path = check_binary()
  if not path then
    return
  end
  check_hook(path)
  if vim.fs.root(vim.fn.getcwd(), ".git") == nil then
    health.info("not in a git repository, so no host was looked for")
    return
  end
  check_host(path)
  health.start("orchflow: agents")
  check_agents(path)
  local log = require("orchflow.client.log").path()
  if vim.uv.fs_stat(log) then
    health.info("traces of defects of the plugin: " .. log)
  end
end

return M
