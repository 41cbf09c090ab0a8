-- Runs every spec file, each test in a Neovim of its own; the last line is `N passed, N failed`.

local here = vim.fs.dirname(vim.fs.normalize(debug.getinfo(1, "S").source:sub(2)))
package.path = here .. "/?.lua;" .. package.path

local Child = require("child")
local nvim = _G.arg[1]
local wanted = { unpack(_G.arg, 2) }

local root = vim.fs.dirname(vim.fs.dirname(here))
local counts = { passed = 0, failed = 0, skipped = 0 }

local function say(line)
  io.stdout:write(line, "\n")
  io.stdout:flush()
end

--- Thrown by a test that cannot run here.
local Skip = {}

local function run_one(file, name, options, body)
  local child
  local ok, problem = xpcall(function()
    if options.child ~= false then
      child = Child.new(nvim, root, options)
    end
    body(child)
  end, function(trouble)
    if type(trouble) == "table" then
      return trouble
    end
    return debug.traceback(tostring(trouble), 2)
  end)
  local last_words = child and not ok and child:last_words() or ""
  if child then
    child:stop()
  end
  if ok then
    counts.passed = counts.passed + 1
  elseif type(problem) == "table" and problem.kind == Skip then
    counts.skipped = counts.skipped + 1
    say(("SKIP %s: %s: %s"):format(file, name, problem.why))
  else
    counts.failed = counts.failed + 1
    say(
      ("FAIL %s: %s\n  %s%s"):format(file, name, tostring(problem):gsub("\n", "\n  "), last_words)
    )
  end
end

---@class orchflow.Tests
local tests = { nvim = nvim, root = root }

--- Says that a test cannot run here, and why.
function tests.skip(why)
  error({ kind = Skip, why = why }, 0)
end

--- Compares two values as they would be printed.
function tests.equal(actual, expected, what)
  if not vim.deep_equal(actual, expected) then
    error(
      ("%s\n  expected %s\n  got      %s"):format(
        what or "not equal",
        vim.inspect(expected),
        vim.inspect(actual)
      ),
      2
    )
  end
end

--- Looks for a plain text within another.
function tests.contains(text, part)
  if not tostring(text):find(part, 1, true) then
    error(("%s\n  is not in\n  %s"):format(vim.inspect(part), vim.inspect(text)), 2)
  end
end

--- Looks that a plain text is not within another.
function tests.lacks(text, part)
  if tostring(text):find(part, 1, true) then
    error(("%s\n  is in\n  %s"):format(vim.inspect(part), vim.inspect(text)), 2)
  end
end

local files = vim.fn.sort(vim.fn.glob(here .. "/spec/*_spec.lua", true, true))
local began = vim.uv.hrtime()
for _, path in ipairs(files) do
  local file = vim.fs.basename(path):gsub("_spec%.lua$", "")
  if #wanted == 0 or vim.list_contains(wanted, file) then
    local before = counts.passed
    local function it(name, options, body)
      if body == nil then
        options, body = {}, options
      end
      run_one(file, name, options, body)
    end
    local ok, problem = pcall(function()
      dofile(path)(it, tests)
    end)
    if not ok then
      counts.failed = counts.failed + 1
      say(("FAIL %s: %s"):format(file, tostring(problem)))
    end
    say(("%-10s %d passed"):format(file, counts.passed - before))
  end
end
local version = vim.version()
local seconds = (vim.uv.hrtime() - began) / 1e9
say(
  ("Neovim %d.%d.%d, %.1f s, %d skipped"):format(
    version.major,
    version.minor,
    version.patch,
    seconds,
    counts.skipped
  )
)
say(("%d passed, %d failed"):format(counts.passed, counts.failed))
os.exit((counts.failed == 0 and counts.passed > 0) and 0 or 1)
