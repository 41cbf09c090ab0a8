--- Verbs by which the plugin fits into an editor: pick, build.

local filters = require("orchflow.filter")
local message = require("orchflow.ui.message")

---@type table<string, orchflow.Verb>
local M = {}

---@param verb string
---@param instead string
---@return fun(_: any, respond: orchflow.Respond)
local function not_for_scripts(verb, instead)
  return function(_, respond)
    respond({ code = "usage", message = verb .. " is for people", hint = instead })
  end
end

---@return string[]
local function no_lines()
  return {}
end

M.pick = {
  request = not_for_scripts("a picker", ":Orchflow status, log and review give lists"),
  lines = no_lines,
  open = function(invocation)
    local what = invocation.arguments.what
    local pick = require("orchflow.pick")
    local pickers = pick.pickers
    local filter, problem =
      filters.parse(invocation.arguments.filter or {}, pickers[what] and pick.scope(what))
    if not pickers[what] then
      local known = vim.tbl_keys(pickers)
      table.sort(known)
      local nearest = require("orchflow.config.validate").nearest(what, known)
      problem = ("there is no picker for %s"):format(what)
      problem = problem
        .. (
          nearest and ("; did you mean %s?"):format(nearest)
          or ", but for " .. table.concat(known, ", ")
        )
    end
    if problem then
      message.error("orchflow: pick: " .. problem)
      return
    end
    pick.open(what, filter --[[@as orchflow.Filter]], function(failure)
      if failure then
        message.failure(failure, "orchflow: pick")
      end
    end)
  end,
}

M.build = {
  request = not_for_scripts("build", "run `make build` in the plugin's folder"),
  lines = no_lines,
  open = function()
    require("orchflow.build").start()
  end,
}

return M
