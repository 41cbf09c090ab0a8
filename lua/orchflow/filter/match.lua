--- Applies a filter to what is at hand: the host does so for what it is asked, this for what it pushes.

local filters = require("orchflow.filter")

local M = {}

--- Groups of event types: the beginnings of the types in it.
M.groups = {
  tool = { "tool_", "subagent_" },
  prompt = { "prompt_" },
  turn = { "turn_", "plan_", "ai_started_task", "ai_requested_review" },
  approval = { "approval_" },
  decision = {
    "hunk_",
    "accept_",
    "reject_",
    "human_reverted_change",
    "decision_refused",
    "undo_",
    "redo_",
  },
  checkpoint = { "checkpoint_" },
  status = { "agent_status_changed", "input_mode_changed", "notification_shown" },
  agent = { "agent_", "worktree_", "stop_requested", "clean_", "pause_", "resume_" },
  run = { "run_" },
  usage = { "usage_", "limit_" },
  constraint = { "human_set_constraint", "constraint_" },
  guidance = { "human_provided_guidance", "hunk_commented" },
  edit = { "ai_generated_code" },
}

local EDITING_TOOLS = { Edit = true, Write = true, MultiEdit = true, NotebookEdit = true }

--- Turns a glob into a Lua pattern: `*` within a folder, `**` across folders, `?` one character.
---@param glob string
---@return string
function M.glob(glob)
  local pattern, index = { "^" }, 1
  while index <= #glob do
    local char = glob:sub(index, index)
    if glob:sub(index, index + 2) == "**/" then
      -- A folder of any depth, or none: frontier keeps `a/**/b` from matching `ab`.
      pattern[#pattern + 1] = "%f[^/%z].-"
      index = index + 3
      if glob:sub(index, index) == "" then
        break
      end
      pattern[#pattern + 1] = "%f[^/%z]"
    elseif glob:sub(index, index + 1) == "**" then
      pattern[#pattern + 1] = ".*"
      index = index + 2
    else
      pattern[#pattern + 1] = char == "*" and "[^/]*" or char == "?" and "[^/]" or vim.pesc(char)
      index = index + 1
    end
  end
  pattern[#pattern + 1] = "$"
  return table.concat(pattern)
end

--- Says whether a path is meant by a filter's value: a glob, a file, or a folder and all below it.
---@param value string
---@param path string relative to the repository's root
---@return boolean
function M.path_fits(value, path)
  if value:find("[*?]") then
    return path:find(M.glob(value)) ~= nil
  end
  local folder = value:gsub("/+$", "")
  return path == folder or vim.startswith(path, folder .. "/")
end

--- Says whether an agent is meant by a filter's value: `claude`, `7/claude`, `claude*`.
---@param value string
---@param run? integer
---@param name string
---@return boolean
function M.agent_fits(value, run, name)
  local key = ("%s/%s"):format(run or "", name)
  if value:find("[*?]") then
    local pattern = M.glob(value)
    return name:find(pattern) ~= nil or key:find(pattern) ~= nil
  end
  return value == name or value == key
end

--- Says whether an event is of a type or a group of types.
---@param value string
---@param event orchflow.Event
---@return boolean
function M.type_fits(value, event)
  for _, beginning in ipairs(M.groups[value] or {}) do
    if vim.startswith(event.type, beginning) then
      return true
    end
  end
  if value == "edit" and vim.startswith(event.type, "tool_") then
    return EDITING_TOOLS[(event.data or {}).tool or ""] == true
  end
  return event.type == value
end

---@param value string
---@param event orchflow.Event
---@return boolean
local function state_fits(value, event)
  if value == "human" then
    return event.actor == "human" or event.actor == "script"
  elseif value == "failed" then
    return event.type:find("fail") ~= nil
      or event.type:find("refused") ~= nil
      or event.type:find("undelivered") ~= nil
      or event.type:find("denied") ~= nil
      or event.type == "effect_lost"
  end
  return event.actor == value
end

---@param number string
---@param newest? integer
---@return integer? number counted from the newest where it is negative
local function counted(number, newest)
  local value = tonumber(number) --[[@as integer]]
  if value >= 0 then
    return value
  end
  return newest and newest + 1 + value
end

---@type table<string, fun(value: string, event: orchflow.Event, context: orchflow.FilterContext): boolean>
local FITS = {
  agent = function(value, event)
    local name = tostring(event.agent or ""):gsub("^%d+/", "")
    return M.agent_fits(value, event.run, name)
  end,
  file = function(value, event)
    for _, path in ipairs(event.paths or {}) do
      if type(path) == "string" and M.path_fits(value, path) then
        return true
      end
    end
    local place = require("orchflow.event").place(event)
    return place ~= nil and M.path_fits(value, place)
  end,
  type = M.type_fits,
  is = state_fits,
  run = function(value, event, context)
    return event.run ~= nil and event.run == counted(value, context.newest_run)
  end,
  turn = function(value, event, context)
    local turn = event.turn or (event.data or {}).turn
    local name = tostring(event.agent or ""):gsub("^%d+/", "")
    local newest = (context.turns or {})[("%s/%s"):format(event.run or "", name)]
    return turn ~= nil and turn == counted(value, newest)
  end,
  since = function(value, event, context)
    return event.timestamp >= (filters.time(value, context.now or filters.clock()) or 0)
  end,
  ["until"] = function(value, event, context)
    return event.timestamp <= (filters.time(value, context.now or filters.clock()) or math.huge)
  end,
}

---@param filter orchflow.Filter
---@param event orchflow.Event
---@return boolean
local function words_fit(filter, event)
  local words, absent = filter.words or {}, filter.absent or {}
  if #words == 0 and #absent == 0 then
    return true
  end
  local parts = { event.summary or "", event.type, event.agent or "" }
  for _, path in ipairs(event.paths or {}) do
    parts[#parts + 1] = tostring(path)
  end
  local ok, data = pcall(vim.json.encode, event.data or {})
  parts[#parts + 1] = ok and data or ""
  local said = table.concat(parts, "\n"):lower()
  for _, word in ipairs(words) do
    if not said:find(word:lower(), 1, true) then
      return false
    end
  end
  for _, word in ipairs(absent) do
    if said:find(word:lower(), 1, true) then
      return false
    end
  end
  return true
end

--- Says whether an event that was pushed passes a filter.
---@param filter orchflow.Filter
---@param event orchflow.Event
---@param context orchflow.FilterContext
---@return boolean
function M.passes(filter, event, context)
  -- The same name again widens, except `is:`, which narrows.
  local wanted, found = {}, {}
  for index, term in ipairs(filter.terms or {}) do
    local fits = false
    for _, value in ipairs(term.values) do
      fits = fits or FITS[term.name](value, event, context)
    end
    if term.excluded and fits then
      return false
    elseif not term.excluded then
      local part = term.name == "is" and term.name .. index or term.name
      wanted[part] = true
      found[part] = found[part] or fits
    end
  end
  for part in pairs(wanted) do
    if not found[part] then
      return false
    end
  end
  return words_fit(filter, event)
end

return M
