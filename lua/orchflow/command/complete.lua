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
    return vim.tbl_map(function(candidate)
      return (candidate:gsub("^type:", ""))
    end, require("orchflow.filter").complete("type:", "events"))
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

---@return string[] names of the agents that run and are not paused
local function running()
  local names = {}
  for _, agent in ipairs(require("orchflow.state").agents(require("orchflow.client").store())) do
    if agent.status ~= "paused" and agent.paused ~= true then
      names[#names + 1] = agent.living ~= false and agent.agent or nil
    end
  end
  return vim.list_extend(names, { "all" })
end

---@return string[] names of the agents that can go on: those that are paused, and those that have ended
local function resumable()
  local names = {}
  for _, agent in ipairs(require("orchflow.state").agents(require("orchflow.client").store())) do
    if agent.status == "paused" or agent.paused == true or agent.living == false then
      names[#names + 1] = agent.agent
    end
  end
  return vim.list_extend(names, { "all" })
end

---@return string[]
local function approvals()
  local ids, answered = {}, {}
  local events = require("orchflow.client").store().events
  for index = #events, 1, -1 do
    local event = events[index]
    local id = (event.data or {}).approval or (event.data or {}).id
    if event.type == "approval_requested" and id and not answered[id] then
      ids[#ids + 1] = tostring(id)
    elseif event.type:find("^approval_") and id then
      answered[id] = true
    end
  end
  return ids
end

---@return string[]
local function newest_events()
  local numbers, events = {}, require("orchflow.client").store().events
  for index = #events, math.max(1, #events - 19), -1 do
    numbers[#numbers + 1] = tostring(events[index].seq)
  end
  return numbers
end

---@return string[] what `why` can be asked about
local function abouts()
  local found = agents()
  found[#found] = nil
  vim.list_extend(found, hunks())
  vim.list_extend(found, approvals())
  return vim.list_extend(found, newest_events())
end

--- Makes the completion of a filter.
---@param kind "agents"|"events"|"hunks"
---@return fun(lead: string): string[]
local function filter_of(kind)
  return function(lead)
    return require("orchflow.filter").complete(lead, kind)
  end
end

---@param words string[]
---@return fun(): string[]
local function one_of(words)
  return function()
    return words
  end
end

local PICKS = { "agents", "approvals", "events", "hunks" }

--- Candidates by verb, from the word begun and the words before it.
---@type table<string, fun(lead: string, words: string[]): string[]>
local POSITIONAL = {
  spawn = function(_, words)
    return #words == 0 and kinds or {}
  end,
  send = function(_, words)
    return #words == 0 and agents() or {}
  end,
  attach = agents,
  talk = agents,
  enter = agents,
  focus = agents,
  show = agents,
  stop = agents,
  pause = running,
  resume = resumable,
  clean = agents,
  accept = hunks,
  reject = hunks,
  comment = hunks,
  approve = approvals,
  deny = approvals,
  why = abouts,
  event = newest_events,
  view = one_of({ "terminal", "split", "dashboard" }),
  timeline = filter_of("events"),
  review = filter_of("hunks"),
  log = function(lead)
    return vim.list_extend({ "verify" }, filter_of("events")(lead))
  end,
  pick = function(lead, words)
    if #words == 0 then
      return PICKS
    end
    return filter_of(
      words[1] == "approvals" and "agents" or words[1] --[[@as orchflow.FilterScope]]
    )(lead)
  end,
}

--- Filters complete their own lists.
local FILTERED = { timeline = true, review = true, log = true, pick = true }

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

--- Gives the words of a line that are neither flags nor their values.
---@param entry orchflow.CatalogueEntry
---@param line string
---@return string[]
local function arguments_of(entry, line)
  local words, is_value = {}, false
  for word in line:gmatch("%S+") do
    local flag = word:match("^%-%-(.+)$")
    if flag then
      local known = parse.flag(entry, flag)
      is_value = known ~= nil and known.kind ~= "switch" and known.kind ~= "onoff"
    else
      words[#words + 1] = not is_value and word or nil
      is_value = false
    end
  end
  return words
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
  elseif lead:sub(1, 1) == "-" and not (FILTERED[verb] and lead:find("^%-%a")) then
    return beginning_with(lead, parse.flag_names(entry))
  end
  local last = rest:match("(%S+)%s+$")
  local flag = last and last:match("^%-%-[^=]+$") and parse.flag(entry, last:sub(3))
  if flag and flag.kind ~= "switch" and flag.kind ~= "onoff" then
    return beginning_with(lead, within_list(lead, values(verb, flag, lead)))
  end
  local positional = POSITIONAL[verb]
  if not positional then
    return {}
  end
  local candidates = positional(lead, arguments_of(entry, rest))
  return beginning_with(lead, FILTERED[verb] and candidates or within_list(lead, candidates))
end

return M
