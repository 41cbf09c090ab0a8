-- Reference screens: what a view looks like, in text and colours, held in tests/nvim/screens.
--
-- ORCHFLOW_SCREENS=update writes them anew; look at the difference before you commit it. With ORCHFLOW_SCREENS_ANSI
-- each is also written into that folder with escape sequences, for scripts/picture.py.

local Screen = require("screen")

local M = {}

--- The ways in which each view is drawn: wide and narrow, dark and light, plain signs and icons.
M.ways = {
  { columns = 80, lines = 24, background = "dark", icons = false },
  { columns = 80, lines = 24, background = "light", icons = true },
  { columns = 200, lines = 40, background = "dark", icons = true },
  { columns = 200, lines = 40, background = "light", icons = false },
}

M.ICONS = {
  waiting = "󰂞",
  unknown = "",
  working = "",
  starting = "󰔟",
  idle = "󰒲",
  done = "",
  failed = "",
  stopped = "",
  exited = "󰈆",
}

--- Gives the name under which a view is kept.
function M.name(view, version, way)
  return ("%s-%s-%d-%s-%s"):format(
    view,
    version,
    way.columns,
    way.background,
    way.icons and "icons" or "plain"
  )
end

--- Prepares a child: a clock that stands, colours, a file under the view.
---@param child orchflow.Child
---@param root string of the plugin
---@param way table
---@param clock integer seconds since 1970
function M.prepare(child, root, way, clock)
  child:lua(
    [[
    local root, way, clock, icons = ...
    package.path = root .. "/tests/nvim/?.lua;" .. package.path
    vim.uv.gettimeofday = function() return clock, 0 end
    vim.uv.clock_gettime = nil
    os.time = (function(time) return function(given) return given and time(given) or clock end end)(os.time)
    local date = os.date
    os.date = function(format, at) return date(format, at or clock) end
    vim.o.background = way.background
    vim.o.termguicolors = true
    vim.o.ruler, vim.o.showcmd, vim.o.showmode, vim.o.guicursor = false, false, false, ""
    vim.o.statusline = " main.rs"
    require("orchflow").setup({ icons = way.icons and icons or nil })
    vim.api.nvim_buf_set_lines(0, 0, -1, false, {
      "use std::env;", "", "fn main() {", '    let greeting = "hello";', '    println!("{greeting}");', "}" })
    vim.bo.modified = false
    stub = require("stub")
    client = require("orchflow.client")
  ]],
    root,
    way,
    clock,
    M.ICONS
  )
end

local function diff(expected, actual)
  local made = (vim.text and vim.text.diff or vim.diff)(expected, actual, { ctxlen = 0 })
  return (tostring(made):gsub("\n", "\n    "))
end

--- Compares a child's screen with what is kept under a name.
---@param screen orchflow.Screen
---@param folder string
---@param name string
function M.compare(screen, folder, name)
  local path = ("%s/%s.txt"):format(folder, name)
  local actual = screen:describe()
  local ansi = vim.env.ORCHFLOW_SCREENS_ANSI
  if ansi then
    vim.fn.mkdir(ansi, "p")
    local file = assert(io.open(("%s/%s.ansi"):format(ansi, name), "w"))
    file:write(screen:ansi())
    file:close()
  end
  local file = io.open(path)
  local expected = file and file:read("*a")
  if file then
    file:close()
  end
  if vim.env.ORCHFLOW_SCREENS == "update" then
    if expected ~= actual then
      local written = assert(io.open(path, "w"))
      written:write(actual)
      written:close()
    end
    return
  end
  assert(expected, ("there is no screen %s; ORCHFLOW_SCREENS=update makes it"):format(path))
  if expected ~= actual then
    error(
      ("the screen %s is not what it was (ORCHFLOW_SCREENS=update takes it as it is):\n    %s"):format(
        name,
        diff(expected, actual)
      ),
      0
    )
  end
end

--- Draws a view in one way and compares it.
---@param child orchflow.Child
---@param tests orchflow.Tests
---@param view string
---@param way table
---@param clock integer
---@param show fun(child: orchflow.Child, way: table) opens the view, and waits until it is there
function M.check(child, tests, view, way, clock, show)
  local screen = Screen.attach(child.socket, way.columns, way.lines)
  local ok, problem = pcall(function()
    M.prepare(child, tests.root, way, clock)
    show(child, way)
    screen:sync()
    local version = vim.version()
    local name = M.name(view, ("%d.%d"):format(version.major, version.minor), way)
    M.compare(screen, tests.root .. "/tests/nvim/screens", name)
  end)
  screen:close()
  if not ok then
    error(problem, 0)
  end
end

return M
