--- orchflow: see, steer, review and undo the work of several coding agents from inside Neovim.
---
--- Nothing here needs `setup()`: `:Orchflow` works with the defaults, and `vim.g.orchflow` may hold options.
--- What stands behind the plugin is the host, one process per repository; see `:help orchflow`.

local M = {}

--- Names the plugin's version; the host's is compared with it when the two meet.
M.version = "0.1.0"

--- Takes the user's options. Problems are named with their dotted path and shown; the rest still counts.
---@param options? table see `:help orchflow-config`
---@return boolean ok whether every option was understood
---@return string[] problems
function M.setup(options)
  local problems = require("orchflow.config").set(options)
  require("orchflow.config").tell(problems)
  require("orchflow.keys").apply()
  return #problems == 0, problems
end

--- Gives what a statusline shows: `orchflow 3> 1! 2+`; empty until orchflow is used. It only reads what is known.
---@param options? orchflow.StatuslineOptions
---@return string
function M.statusline(options)
  return require("orchflow.statusline").get(options)
end

--- Gives the winbar of a window that shows an agent, for `'winbar'` as `%{%v:lua.require'orchflow'.winbar()%}`.
---@return string
function M.winbar()
  return require("orchflow.statusline").winbar()
end

--- Every verb is a function as well: `require("orchflow").send({ to = "claude", text = "…" }, callback)`.
return setmetatable(M, {
  __index = function(_, name)
    return require("orchflow.api").verb(name)
  end,
}) --[[@as orchflow.Module]]
