--- `:checkhealth orchflow`: what is there, which version, what it is for, and how to get what is not.

local M = {}

---@class orchflow.Dependency
---@field name string
---@field find fun(): string[]? gives what prints its version, nil where the program is not there
---@field range string versions that will do, as `vim.version.range()` reads it
---@field place? fun(): string? the one place where it is looked for
---@field need "needed"|"useful"|"unused" how bad it is to be without
---@field purpose string what it is for
---@field how string how to get it

--- Gives the command that prints a program's version, where the program is in PATH.
---@param program string
---@param ... string
---@return fun(): string[]?
local function on_path(program, ...)
  local arguments = { ... }
  return function()
    local path = vim.fn.exepath(program)
    return path ~= "" and vim.list_extend({ path }, arguments) or nil
  end
end

--- Gives the place where the host looks for the hook: beside the binary itself, and nowhere else.
---@return string?
local function hook_place()
  local binary = require("orchflow.client.binary").find()
  local folder = binary and vim.fs.dirname(vim.uv.fs_realpath(binary) or binary)
  return folder and vim.fs.joinpath(folder, "orchflow-hook")
end

---@return string[]?
local function find_hook()
  local place = hook_place()
  return place and vim.fn.executable(place) == 1 and { place, "--version" } or nil
end

---@return string[]?
local function find_binary()
  local path = require("orchflow.client.binary").find()
  return path and { path, "--version" } or nil
end

---@return string
local function build_command()
  local root = require("orchflow.client.binary").plugin_root()
  return "build it, or update the plugin: cargo build --release --manifest-path "
    .. vim.fn.shellescape(root .. "/Cargo.toml")
end

--- Gives what orchflow stands on, in the order in which it is reported.
---@return orchflow.Dependency[]
function M.dependencies()
  -- Plugin, host and hook speak to each other: all three are of one version.
  local own = require("orchflow").version
  -- Whoever runs inside no wezterm misses nothing without one.
  local in_wezterm = require("orchflow.command.place").multiplexer() == "wezterm"
  return {
    {
      name = "Neovim",
      find = function()
        return { vim.v.progpath, "--version" }
      end,
      range = ">=0.10.0",
      need = "needed",
      purpose = "the editor's side",
      how = "see https://neovim.io",
    },
    {
      name = "orchflow",
      find = find_binary,
      range = own,
      need = "needed",
      purpose = "host, runners of agents, command line",
      how = build_command(),
    },
    {
      name = "orchflow-hook",
      find = find_hook,
      place = hook_place,
      range = own,
      need = "needed",
      purpose = "what agents call to say what they do and to ask permission",
      how = build_command() .. "; it stands beside orchflow",
    },
    {
      name = "git",
      find = on_path("git", "--version"),
      range = ">=2.38.0",
      need = "needed",
      purpose = "worktrees, checkpoints, hunks",
      how = "install git 2.38 or newer (https://git-scm.com)",
    },
    {
      name = "tmux",
      find = on_path("tmux", "-V"),
      range = ">=3.2.0",
      need = "useful",
      purpose = "panes of agents beside the editor; without it (or wezterm) they are shown in windows of Neovim",
      how = "install tmux 3.2 or newer, and start Neovim inside it",
    },
    {
      name = "wezterm",
      find = on_path("wezterm", "--version"),
      range = ">=20230000.0.0",
      need = in_wezterm and "useful" or "unused",
      purpose = "panes of agents beside the editor, where it runs inside wezterm and not in a tmux there",
      how = "needed only inside wezterm: put the program of your terminal on the PATH",
    },
    {
      name = "cargo",
      find = on_path("cargo", "--version"),
      range = ">=1.75.0",
      need = "unused",
      purpose = "only to build the binaries from source",
      how = "see https://rustup.rs; not needed where the binaries are installed",
    },
  }
end

--- Reads a version out of what a program prints.
---@param printed string
---@return vim.Version?
function M.version_in(printed)
  local found = printed:match("(%d+%.%d+%.?%d*)") or printed:match("(%d%d%d%d%d%d%d%d)")
  return found and vim.version.parse(found, { strict = false }) or nil
end

--- Runs a program and waits a little: a health check is asked for, and looked at while it runs.
---@param argv string[]
---@return vim.SystemCompleted?
local function run(argv)
  local options = { text = true, cwd = require("orchflow.client").root(), timeout = 5000 }
  local ok, process = pcall(vim.system, argv, options)
  return ok and process:wait() or nil
end

---@class orchflow.Finding
---@field level "ok"|"info"|"warn"|"error"
---@field line string
---@field advice? string

---@type table<string, string>
local LEVELS = { needed = "error", useful = "warn", unused = "info" }

--- Judges a dependency by what its program printed. Pure.
---@param dependency orchflow.Dependency
---@param argv? string[] how it was run; nil where it is not there
---@param result? { code: integer, stdout?: string, stderr?: string }
---@return orchflow.Finding
function M.judge(dependency, argv, result)
  local level = LEVELS[dependency.need]
  local purpose = ("(%s%s)"):format(level == "info" and "" or "for ", dependency.purpose)
  local or_newer = vim.startswith(dependency.range, ">=") and " or newer" or ""
  local wanted = dependency.range:gsub("^>=", ""):gsub("^(%d%d%d%d%d%d%d%d).*", "%1")
  if not argv then
    local missing = level == "info"
        and ("%s is not found, and not needed %s"):format(dependency.name, purpose)
      or ("%s %s%s is not found %s"):format(dependency.name, wanted, or_newer, purpose)
    local place = dependency.place and dependency.place()
    if place then
      missing = ("%s is missing %s"):format(place, purpose)
    end
    return { level = level, line = missing, advice = level ~= "info" and dependency.how or nil }
  elseif not result or result.code ~= 0 then
    local said = result and vim.trim(result.stderr or ""):match("[^\n]+") or "no answer within 5 s"
    local line = ("%s does not run: %s %s"):format(argv[1], said or "it said nothing", purpose)
    return { level = level, line = line, advice = dependency.how }
  end
  local version = M.version_in(result.stdout or "")
  if not version then
    local said = vim.trim(result.stdout or ""):match("[^\n]*")
    return { level = "warn", line = ("%s does not say its version: %s"):format(argv[1], said) }
  end
  local number = tostring(version):gsub("^(%d%d%d%d%d%d%d%d).*", "%1")
  if not vim.version.range(dependency.range):has(version) then
    local differs = or_newer == "" and "%s %s is not the plugin's version %s %s: %s"
      or "%s %s is older than %s %s: %s"
    local old = differs:format(dependency.name, number, wanted, purpose, argv[1])
    return { level = level, line = old, advice = dependency.how }
  end
  -- As the program writes it: a letter may follow the number.
  local words = vim.trim(result.stdout or ""):match("%d[%w%.%-]*")
  return { level = "ok", line = ("%s %s %s: %s"):format(dependency.name, words, purpose, argv[1]) }
end

---@param finding orchflow.Finding
local function report(finding)
  vim.health[finding.level](finding.line, finding.advice)
end

---@param path string
---@return boolean
local function check_host(path)
  local health = vim.health
  local result = run({ path, "connect", "--json" })
  if not result or result.signal == 15 or result.code == 124 then
    health.error(
      "the host does not answer within 5 s",
      "look at its log: $XDG_DATA_HOME/orchflow/repos/*/host.log (~/.local/share where that is not set)"
    )
    return false
  end
  local data, failure = require("orchflow.client.link").parse(result)
  if not data then
    health.error(failure.message, failure.hint)
    return false
  end
  local own = require("orchflow").version
  local line = ("the host of %s runs, version %s (process %s)"):format(
    tostring(data.repository),
    tostring(data.version or "unknown"),
    tostring(data.host_pid)
  )
  if data.version and data.version ~= own then
    health.warn(
      line .. (", and the plugin is %s"):format(own),
      "end it with `orchflow host stop`; agents work on, and the next command starts the new one"
    )
  else
    health.ok(line)
  end
  health.info("its socket: " .. tostring(data.socket))
  health.info(
    "runners are the same program; an agent keeps the one it was started with until it ends"
  )
  local phase = require("orchflow.client").phase()
  health.info(
    "this Neovim: " .. (phase == "idle" and "not connected, nothing was asked yet" or phase)
  )
  return true
end

---@param path string
local function check_agents(path)
  local health = vim.health
  local result = run({ path, "agents", "--json" })
  local ok, envelope =
    pcall(vim.json.decode, result and result.stdout or "", { luanil = { object = true } })
  if not ok or type(envelope) ~= "table" or type(envelope.data) ~= "table" then
    health.warn(
      "the host does not say which agents there are",
      "run `orchflow agents` in a terminal; it says why"
    )
    return
  end
  for _, agent in ipairs(envelope.data.agents or envelope.data) do
    local name = ("%s (%s)"):format(tostring(agent.title), tostring(agent.name))
    if agent.installed then
      health.ok(vim.trim(("%s %s"):format(name, agent.version or "")))
    else
      health.info(("%s is not installed: %s"):format(name, agent.hint or ""))
    end
  end
  for _, warning in ipairs(envelope.warnings or {}) do
    health.warn(tostring(warning))
  end
end

--- Says whether the wezterm around the editor answers and has what panes of agents need.
local function check_wezterm()
  local health = vim.health
  local result = run({ "wezterm", "-n", "cli", "--no-auto-start", "list", "--format", "json" })
  if not result then
    health.warn(
      "inside wezterm, whose program is not on the PATH: its panes may not be found",
      "put the folder of wezterm on the PATH, or set view to nvim"
    )
    return
  end
  local ok, panes = pcall(vim.json.decode, result.stdout or "")
  if result.code ~= 0 or not ok or type(panes) ~= "table" then
    local said = require("orchflow.view.text").clean(vim.trim(result.stderr or ""))
    health.warn(
      "inside wezterm, which does not answer: " .. (said ~= "" and said or "it said nothing"),
      "start Neovim in a new window of wezterm, or set view to nvim"
    )
    return
  end
  local first = panes[1]
  if type(first) == "table" and first.tty_name == nil then
    health.warn(
      "inside a wezterm that does not name the terminals of its panes: agents cannot be shown there",
      "upgrade wezterm, or set view to nvim"
    )
    return
  end
  health.ok(
    ("inside wezterm, which answers: agents are shown in its panes (%d now)"):format(#panes)
  )
end

--- Says what the terminal can do; nothing of it is needed.
local function check_terminal()
  local health = vim.health
  local uis = vim.api.nvim_list_uis()
  local screen = uis[1]
  if not screen then
    health.info("no screen is attached")
    return
  end
  health.info(
    ("%d columns, %d lines, TERM=%s"):format(vim.o.columns, vim.o.lines, vim.env.TERM or "not set")
  )
  if vim.o.columns < 80 then
    health.warn("narrower than 80 columns: lines are cut", "make the window wider")
  end
  if vim.o.termguicolors or screen.rgb then
    health.ok("true colour")
  else
    health.info(
      "256 colours or fewer ('termguicolors' is off): highlight groups use their cterm colours"
    )
  end
  local multiplexer = require("orchflow.command.place").multiplexer()
  if multiplexer == "tmux" then
    local result = run({ "tmux", "display-message", "-p", "#{client_termfeatures}" })
    local features = result and result.code == 0 and vim.trim(result.stdout or "") or ""
    health.info(
      "inside tmux; features of its terminal: " .. (features ~= "" and features or "unknown")
    )
    if vim.o.termguicolors and features ~= "" and not features:find("RGB", 1, true) then
      health.warn(
        "tmux does not know that its terminal has true colour, so colours are rounded",
        "in tmux.conf: set -as terminal-features ',xterm*:RGB'"
      )
    end
    if features ~= "" and not features:find("usstyle", 1, true) then
      health.info("no undercurl through tmux; nothing of orchflow needs it")
    end
  elseif multiplexer == "wezterm" then
    check_wezterm()
  else
    health.info(
      "not inside tmux or wezterm: agents are shown in windows of Neovim (:help orchflow-attach)"
    )
  end
  if vim.o.ambiwidth == "double" then
    health.warn("'ambiwidth' is double: borders may not close", ":set ambiwidth=single")
  end
  health.info("no icon font and no clipboard are needed")
end

--- Runs the checks; `:checkhealth orchflow` calls it.
function M.check()
  local health = vim.health
  health.start("orchflow: programs")
  for _, dependency in ipairs(M.dependencies()) do
    local argv = dependency.find()
    report(M.judge(dependency, argv, argv and run(argv) or nil))
  end
  health.start("orchflow: options")
  local problems = require("orchflow.config").problems()
  for _, problem in ipairs(problems) do
    health.error(problem, "see :help orchflow-config")
  end
  if #problems == 0 then
    health.ok("every option is understood")
  end
  health.start("orchflow: terminal")
  check_terminal()
  health.start("orchflow: host")
  local path, failure = require("orchflow.client.binary").find()
  if not path then
    health.error(failure.message, failure.hint)
  elseif vim.fs.root(vim.fn.getcwd(), ".git") == nil then
    health.info("not in a git repository, so no host was looked for")
  elseif check_host(path) then
    health.info("what was left behind is looked for by :Orchflow doctor (:help orchflow-doctor)")
    health.start("orchflow: agents")
    check_agents(path)
  end
  local log = require("orchflow.client.log").path()
  if vim.uv.fs_stat(log) then
    health.info("traces of defects of the plugin: " .. log)
  end
end

return M
