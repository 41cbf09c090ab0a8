--- Where a defect of the plugin leaves its trace, while the human gets one line.

local M = {}

--- Gives the path of the log.
---@return string
function M.path()
  return vim.fn.stdpath("log") .. "/orchflow.log"
end

--- Keeps a trace and tells the human in one line.
---@param what string what was being done
---@param trace string
function M.trouble(what, trace)
  local first = tostring(trace):match("[^\n]+") or "?"
  local stamp = os.date("!%Y-%m-%dT%H:%M:%SZ")
  local lines = vim.split(("%s %s\n%s"):format(stamp, what, trace), "\n", { plain = true })
  pcall(vim.fn.mkdir, vim.fn.stdpath("log"), "p")
  pcall(vim.fn.writefile, lines, M.path(), "a")
  local short = first:gsub("^.-([^/]+%.lua:%d+:)", "%1")
  require("orchflow.ui.message").failure({
    code = "plugin",
    message = ("orchflow: a defect in %s: %s"):format(what, short),
    hint = "the trace is in " .. M.path(),
  })
end

return M
