--- Completion of `:Orchflow`: verbs and flags from the catalogue, names from what is known of the host.

local parse = require("orchflow.command.parse")

local M = {}

--- Kinds of agents, until the host has told which there are.
local kinds = { "claude", "rehearsal" }

--- Keeps the kinds of agents that the host told of.
---@param agents table[]
function M.remember_kinds(agents)
  kinds = vim.tbl_map(function(agent)
    return agent.name
  end, agents)
end

---@return string[]
local function agents()
  local known = require("orchflow.state").agents(require("orchflow.client").store())
  local names = vim.tbl_map(function(agent)
    return agent.agent
  end, known)
  return vim.list_extend(names, { "all" })
end

---@return string[]
local function event_types()
  local seen, types = {}, {}
  for _, event in ipairs(require("orchflow.client").store().events) do
    if not seen[event.type] then
      seen[event.type] = true
      types[#types + 1] = event.type
    end
  end
  table.sort(types)
  return types
end

local FILE_FLAGS = { file = true, path = true, script = true }
local CLOSED_KINDS = { swarm = { agents = true }, spawn = { agent = true } }

--- Gives what may stand for a flag's value.
---@param verb string
---@param flag orchflow.CatalogueFlag
---@param lead string
---@return string[]
local function values(verb, flag, lead)
  if (CLOSED_KINDS[verb] or {})[flag.name] then
    return kinds
  elseif flag.name == "agent" or flag.name == "agents" then
    return agents()
  elseif flag.name == "type" then
    return event_types()
  elseif FILE_FLAGS[flag.name] then
    return vim.fn.getcompletion(lead, "file")
  elseif (flag.value or ""):find("|", 1, true) then
    return vim.split(flag.value, "|", { plain = true })
  end
  return {}
end

---@return string[]
local function hunks()
  local ids = {}
  for _, hunk in ipairs(require("orchflow.review.list").hunks()) do
    if hunk.state == "undecided" then
      ids[#ids + 1] = hunk.id
    end
  end
  return ids
end

---@param lead string
---@return string[]
local function filters(lead)
  local name = lead:match("^(%a+):")
  local by_name = { agent = agents, type = event_types }
  if by_name[name or ""] then
    return vim.tbl_map(function(value)
      return name .. ":" .. value
    end, by_name[name]())
  elseif name == "file" then
    return vim.tbl_map(function(path)
      return "file:" .. path
    end, vim.fn.getcompletion(lead:sub(6), "file"))
  end
  return { "agent:", "type:", "file:", "run:" }
end

local POSITIONAL = {
  spawn = function()
    return kinds
  end,
  send = agents,
  attach = agents,
  stop = agents,
  clean = agents,
  accept = hunks,
  reject = hunks,
  comment = hunks,
  timeline = filters,
  log = function()
    return { "verify" }
  end,
}

--- Completes the last word of a list with commas between.
---@param lead string
---@param candidates string[]
---@return string[]
local function within_list(lead, candidates)
  local before = lead:match("^(.*,)") or ""
  return vim.tbl_map(function(candidate)
    return before .. candidate
  end, candidates)
end

---@param lead string
---@param candidates string[]
---@return string[]
local function beginning_with(lead, candidates)
  return vim.tbl_filter(function(candidate)
    return vim.startswith(candidate, lead)
  end, candidates)
end

--- Gives the candidates for the word at the cursor.
---@param lead string
---@param line string
---@param position integer bytes before the cursor
---@return string[]
function M.complete(lead, line, position)
  local command = require("orchflow.command")
  local before = line:sub(1, position - #lead)
  local typed = before:match("O%a*!?%s+(.*)$") or ""
  local verb, rest = typed:match("^(%S+)%s+(.*)$")
  if not verb then
    return beginning_with(lead, command.names())
  end
  verb = verb:gsub("!$", "")
  local entry = command.entry(verb)
  if not entry then
    return {}
  end
  local name, started = lead:match("^%-%-([^=]+)=(.*)$")
  if name then
    local flag = parse.flag(entry, name)
    local found = flag and within_list(started, values(verb, flag, started)) or {}
    return vim.tbl_map(function(value)
      return ("--%s=%s"):format(name, value)
    end, beginning_with(started, found))
  elseif lead:sub(1, 1) == "-" then
    return beginning_with(lead, parse.flag_names(entry))
  end
  local last = rest:match("(%S+)%s+$")
  local flag = last and last:match("^%-%-[^=]+$") and parse.flag(entry, last:sub(3))
  if flag and flag.kind ~= "switch" and flag.kind ~= "onoff" then
    return beginning_with(lead, within_list(lead, values(verb, flag, lead)))
  end
  local positional = POSITIONAL[verb]
  return positional and beginning_with(lead, within_list(lead, positional(lead))) or {}
end

return M
