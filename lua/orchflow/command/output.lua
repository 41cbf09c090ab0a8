--- What a command gives to a script: data on standard output, progress on standard error, an exit code.

local json = require("orchflow.json")
local message = require("orchflow.ui.message")

local M = {}

--- Exit codes, the same as the command line's.
M.codes = { done = 0, negative = 1, usage = 2, human = 3, timeout = 4, host = 5, interrupted = 130 }

--- Codes of failures, as the command line sorts them; any other is a negative result.
local CODE_OF = {}
for exit, codes in pairs({
  [M.codes.usage] = "usage unknown_agent unknown_kind unknown_run unknown_approval agent_missing config repository",
  [M.codes.human] = "dirty_tree needs_human",
  [M.codes.timeout] = "timed_out",
  [M.codes.host] = "internal stopping read_only protocol running unknown no_binary connect host_lost closed plugin",
  [M.codes.interrupted] = "interrupted",
}) do
  for code in codes:gmatch("%S+") do
    CODE_OF[code] = exit
  end
end

--- Gives what stands before a message of a verb.
---@param verb string
---@return string
function M.prefix(verb)
  return verb == "orchflow" and verb or "orchflow: " .. verb
end

--- Gives the exit code of a failure.
---@param failure orchflow.Failure
---@return integer
function M.code_of(failure)
  return failure.exit or CODE_OF[failure.code] or M.codes.negative
end

local ORDER = { "schema", "ok", "code", "run", "seq", "data", "next", "warnings", "error" }

---@class orchflow.Outcome
---@field data any[] rows, as the host gave them
---@field run? integer
---@field seq? integer
---@field next? any
---@field warnings? string[]
---@field result table the host's whole answer without nils, for the screen

---@param value any
---@return any
local function or_null(value)
  if value == nil then
    return vim.NIL
  end
  return value
end

--- Writes the one object that a command prints with `--json`.
---@param verb string
---@param failure? orchflow.Failure
---@param outcome? orchflow.Outcome
---@return string
function M.envelope(verb, failure, outcome)
  outcome = outcome or { data = {}, result = {} }
  local code = failure and M.code_of(failure) or M.codes.done
  local problem = vim.NIL
  if failure then
    problem = { code = failure.code, message = failure.message, hint = or_null(failure.hint) }
  end
  return json.encode({
    schema = ("orchflow.%s/1"):format(verb),
    ok = code == 0,
    code = code,
    run = or_null(outcome.run),
    seq = or_null(outcome.seq),
    data = outcome.data or {},
    next = or_null(outcome.next),
    warnings = outcome.warnings or {},
    error = problem,
  }, ORDER)
end

--- Prints lines of data.
---@param lines string[]
function M.print(lines)
  for _, line in ipairs(lines) do
    io.stdout:write(line, "\n")
  end
  io.stdout:flush()
end

--- Says how it goes, for whoever reads standard error.
---@param line string
function M.progress(line)
  io.stderr:write(line, "\n")
  io.stderr:flush()
end

--- Prints a command's end and leaves Neovim when it was not a good one: a failing `-c` alone would exit with 0.
--- A negative result has both, a failure and its data.
---@param invocation orchflow.Invocation
---@param failure? orchflow.Failure
---@param outcome? orchflow.Outcome
---@param lines string[]
function M.finish(invocation, failure, outcome, lines)
  local code = failure and M.code_of(failure) or M.codes.done
  if invocation.flags.json then
    M.print({ M.envelope(invocation.verb, failure, outcome) })
  else
    M.print(lines)
  end
  if failure then
    message.failure(failure, M.prefix(invocation.verb))
  end
  if code ~= 0 and not invocation.flags.keep_going then
    io.stdout:flush()
    -- `vim.cmd.cquit(code)` takes no count on Neovim 0.10.
    vim.cmd(("cquit %d"):format(code))
  end
end

return M
