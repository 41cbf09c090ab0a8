-- A git repository of its own for a test against the real host, which is ended with everything it started.

---@class orchflow.Repository
---@field root string
---@field binary string path of orchflow
local Repository = {}
Repository.__index = Repository

local SECOND_MS = 1000

--- Runs a program to its end.
---@return { code: integer, stdout: string, stderr: string }
local function run(argv, options)
  options = vim.tbl_extend("force", { text = true, timeout = 60 * SECOND_MS }, options or {})
  return vim.system(argv, options):wait()
end

--- Makes a repository with one commit.
---@param binary string path of orchflow
---@return orchflow.Repository
function Repository.new(binary)
  local root = vim.fn.tempname() .. " with space"
  vim.fn.mkdir(root .. "/src", "p")
  ---@type orchflow.Repository
  local self = setmetatable({ root = vim.uv.fs_realpath(root), binary = binary }, Repository)
  self:write(
    "src/main.rs",
    { "fn main() {", '    let greeting = "hello";', '    println!("{greeting}");', "}" }
  )
  self:write("README.md", { "# Sample" })
  self:git("init", "--quiet", "--initial-branch=main")
  self:git("config", "user.name", "Test")
  self:git("config", "user.email", "test@example.org")
  self:git("add", "--all")
  self:git("commit", "--quiet", "--message=first")
  return self
end

function Repository:write(path, lines)
  vim.fn.writefile(lines, self.root .. "/" .. path)
end

function Repository:git(...)
  local result = run({ "git", ... }, { cwd = self.root })
  assert(result.code == 0, result.stderr)
  return result.stdout
end

--- Runs orchflow in the repository.
function Repository:orchflow(...)
  return run({ self.binary, ... }, { cwd = self.root })
end

--- Runs orchflow with --json and gives its data.
---@return any data
---@return table envelope
function Repository:data(...)
  local words = { ... }
  -- Behind the verb: what follows text is text.
  table.insert(words, 2, "--json")
  local result = self:orchflow(unpack(words))
  local ok, envelope = pcall(vim.json.decode, result.stdout, { luanil = { object = true } })
  assert(ok, result.stdout .. result.stderr)
  return envelope.data, envelope
end

--- Runs Neovim without a screen on commands.
---@param options? { stdin?: string }
function Repository:script(nvim, plugin, commands, options)
  local argv = { nvim, "--clean", "-u", "NONE", "-n", "-i", "NONE", "--headless" }
  vim.list_extend(argv, { "--cmd", "set runtimepath^=" .. vim.fn.fnameescape(plugin) })
  vim.list_extend(argv, { "-c", "runtime plugin/orchflow.lua" })
  vim.list_extend(
    argv,
    { "--cmd", ("let g:orchflow = { 'binary': %s }"):format(vim.fn.string(self.binary)) }
  )
  for _, command in ipairs(commands) do
    vim.list_extend(argv, { "-c", command })
  end
  vim.list_extend(argv, { "-c", "qa!" })
  return run(argv, { cwd = self.root, stdin = (options or {}).stdin })
end

--- Gives the process of the host.
function Repository:host_pid()
  return self:data("connect").host_pid
end

--- Ends all agents and the host.
function Repository:stop()
  local ok, data = pcall(self.data, self, "connect")
  if ok and data and data.host_pid then
    -- A host that a test has halted has to run in order to stop.
    vim.uv.kill(data.host_pid, "sigcont")
  end
  self:orchflow("stop", "all")
  self:orchflow("host", "stop")
  vim.fn.delete(self.root, "rf")
end

return Repository
