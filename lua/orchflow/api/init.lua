--- The verbs as functions, from the command catalogue: `require("orchflow").send({ to = "claude", text = "…" }, done)`.
---
--- Arguments and flags are fields of one table, with `_` for `-`; a string alone is the first argument. Nothing waits:
--- with a callback it is called once with `(failure, result)`; within a coroutine and without one the call yields and
--- returns `(result, failure)`; otherwise a failure is shown as that of a command is. Verbs that only open something
--- open it. Types are in `api/types.lua`.

local M = {}

--- Verbs that open something in the editor, where the same verb as a request would say nothing.
local OPENS = {
  attach = true,
  build = true,
  dashboard = true,
  enter = true,
  next = true,
  pick = true,
  talk = true,
  timeline = true,
  view = true,
}
--- Flags that are about a terminal.
local LEFT_OUT = { json = true, jsonl = true, wait = true, timeout = true, follow = true }
--- Arguments by which hunks are named; the ids stand apart from the rest.
local IDS = { hunks = true, hunk = true }

---@class orchflow.ApiField
---@field name string
---@field kind "text"|"number"|"list"|"boolean"|"seconds"
---@field required boolean
---@field summary string

local KINDS = {
  switch = "boolean",
  onoff = "boolean",
  number = "number",
  list = "list",
  duration = "seconds",
  text = "text",
}

--- Gives the fields of a verb's table: its arguments, then its flags.
---@param entry orchflow.CatalogueEntry
---@return orchflow.ApiField[]
function M.fields(entry)
  local fields = {}
  for _, argument in ipairs(entry.arguments or {}) do
    fields[#fields + 1] = {
      name = argument.name,
      kind = argument.arity == "many" and "list" or "text",
      -- Hunks that are not named are those at the cursor.
      required = argument.required and not IDS[argument.name],
      summary = argument.summary,
    }
  end
  for _, flag in ipairs(entry.flags) do
    local keep = flag.name == "follow" and entry.name == "attach" or not LEFT_OUT[flag.name]
    if keep then
      fields[#fields + 1] = {
        name = flag.name:gsub("-", "_"),
        kind = KINDS[flag.kind] or "text",
        required = false,
        summary = flag.summary,
      }
    end
  end
  return fields
end

---@type table<string, { wanted: string, fits: fun(value: any): boolean }>
local CHECKS = {
  text = {
    wanted = "a string",
    fits = function(value)
      return type(value) == "string" or type(value) == "number"
    end,
  },
  number = {
    wanted = "a whole number",
    fits = function(value)
      return type(value) == "number" and value == math.floor(value)
    end,
  },
  boolean = {
    wanted = "true or false",
    fits = function(value)
      return type(value) == "boolean"
    end,
  },
  list = {
    wanted = "a string or a list of strings",
    fits = function(value)
      if type(value) ~= "table" then
        return type(value) == "string"
      end
      for _, each in ipairs(value) do
        if type(each) ~= "string" then
          return false
        end
      end
      return vim.islist(value)
    end,
  },
  seconds = {
    wanted = "a time such as 90, 10m, 2h",
    fits = function(value)
      return type(value) == "number"
        or type(value) == "string" and require("orchflow.command.parse").duration(value) ~= nil
    end,
  },
}

---@param kind string
---@param value any
---@return any
local function read(kind, value)
  if kind == "list" and type(value) == "string" then
    return { value }
  elseif kind == "seconds" and type(value) == "string" then
    return require("orchflow.command.parse").duration(value)
  elseif kind == "text" then
    return tostring(value)
  end
  return value
end

---@param message string
---@param name string
---@return orchflow.Failure
local function usage(message, name)
  local entry = require("orchflow.command").entry(name) --[[@as orchflow.CatalogueEntry]]
  return { code = "usage", message = message, hint = "require('orchflow')." .. entry.usage }
end

--- Makes the invocation of a verb out of a table.
---@param entry orchflow.CatalogueEntry
---@param given table
---@return orchflow.Invocation? invocation
---@return orchflow.Failure? failure
function M.invocation(entry, given)
  local fields, names = {}, { "bang" }
  for _, field in ipairs(M.fields(entry)) do
    fields[field.name] = field
    names[#names + 1] = field.name
  end
  ---@type orchflow.Invocation
  local invocation = {
    verb = entry.name,
    flags = {},
    arguments = {},
    ids = {},
    bang = given.bang == true,
    is_script = false,
  }
  for name, value in pairs(given) do
    local field = fields[name]
    if not field and name ~= "bang" then
      local nearest = require("orchflow.config.validate").nearest(tostring(name), names)
      local hint = nearest and ("; did you mean %s?"):format(nearest) or ""
      return nil, usage(("%s has no %s%s"):format(entry.name, tostring(name), hint), entry.name)
    elseif field and not CHECKS[field.kind].fits(value) then
      local wanted = CHECKS[field.kind].wanted
      return nil,
        usage(("%s wants %s, got %s"):format(name, wanted, vim.inspect(value)), entry.name)
    end
  end
  for _, argument in ipairs(entry.arguments or {}) do
    local field, value = fields[argument.name], given[argument.name]
    if value == nil and field.required then
      return nil, usage(("%s is missing: %s"):format(field.name, field.summary), entry.name)
    elseif value ~= nil and IDS[argument.name] then
      local ids = read("list", value)
      invocation.ids = ids
    elseif value ~= nil then
      invocation.arguments[argument.name] = read(field.kind, value)
    end
  end
  for _, flag in ipairs(entry.flags) do
    local name = flag.name:gsub("-", "_")
    if fields[name] and given[name] ~= nil then
      invocation.flags[name] = read(fields[name].kind, given[name])
    end
  end
  return invocation, nil
end

---@param entry orchflow.CatalogueEntry
---@param given table
---@param callback fun(failure?: orchflow.Failure, result?: table)
local function call(entry, given, callback)
  local verb = require("orchflow.command.verbs")[entry.name]
  local invocation, failure = M.invocation(entry, given)
  if not invocation then
    -- Later, so that no callback is run before the call has returned.
    vim.schedule(function()
      callback(failure)
    end)
  elseif OPENS[entry.name] then
    require("orchflow.ui.steady").by_hand(verb.open, invocation)
    vim.schedule(function()
      callback(nil, {})
    end)
  else
    verb.request(invocation, function(problem, outcome)
      callback(problem, outcome and outcome.result)
    end)
  end
end

--- Gives the function of a verb.
---@param name string
---@return function? nil where there is no such verb
function M.verb(name)
  local entry = type(name) == "string" and require("orchflow.command").entry(name) or nil
  if not entry or not require("orchflow.command.verbs")[name] then
    return nil
  end
  return function(given, callback)
    if type(given) == "function" then
      given, callback = {}, given
    elseif type(given) == "string" and entry.arguments and entry.arguments[1] then
      given = { [entry.arguments[1].name] = given }
    end
    if type(given or {}) ~= "table" then
      error(("orchflow.%s() wants a table, got %s"):format(name, vim.inspect(given)), 2)
    end
    given = given or {}
    if callback then
      call(entry, given, callback)
      return
    end
    local thread, is_main = coroutine.running()
    if not thread or is_main then
      call(entry, given, function(failure)
        if failure then
          require("orchflow.ui.message").failure(failure, "orchflow: " .. name)
        end
      end)
      return
    end
    local answered, failure, result, waits
    call(entry, given, function(problem, value)
      answered, failure, result = true, problem, value
      if waits then
        local ok, trouble = coroutine.resume(thread)
        if not ok then
          error(debug.traceback(thread, tostring(trouble)), 0)
        end
      end
    end)
    if not answered then
      waits = true
      ---@diagnostic disable-next-line: await-in-sync
      coroutine.yield()
    end
    return result, failure
  end
end

return M
