--- The one filter grammar of timeline, review, log and pickers: `agent:claude file:src/** type:edit -is:seen words`.
---
--- Words stand with blanks between. `name:value` narrows, `-name:value` leaves out, a value may be a list with commas
--- (any of them) and may be quoted; all that is left is text, and every word of it must occur. The host applies a
--- filter; here it is read, shown, completed, and applied to what is pushed while a view is open.

local M = {}

---@alias orchflow.FilterName "agent"|"file"|"type"|"is"|"turn"|"run"|"since"|"until"

---@class orchflow.Term
---@field name orchflow.FilterName
---@field values string[] any of them
---@field excluded? boolean

---@class orchflow.Filter
---@field terms orchflow.Term[]
---@field words string[] text; all of them must occur

---@class orchflow.FilterContext what relative values count from
---@field newest_run? integer
---@field turns? table<string, integer> newest turn by `RUN/NAME`
---@field now? integer microseconds since 1970

local ALIASES = { ai = "agent", path = "file" }
local NAMES = { "agent", "file", "type", "is", "turn", "run", "since", "until" }
local EXAMPLES = {
  agent = "agent:claude",
  file = "file:src/**",
  type = "type:edit",
  is = "is:unseen",
  turn = "turn:-1",
  run = "run:7",
  since = "since:10m",
  ["until"] = "until:14:02",
}

--- What `is:` may ask of each kind of thing.
M.states = {
  hunks = {
    "undecided",
    "accepted",
    "rejected",
    "commented",
    "unseen",
    "changed",
    "conflict",
    "rival",
    "binary",
  },
  events = { "human", "host", "agent", "failed" },
  agents = { "working", "waiting", "idle", "done", "failed", "unknown", "living", "paused" },
}

--- Groups of event types: the beginnings of the types in it.
M.groups = {
  tool = { "tool_" },
  prompt = { "prompt_" },
  turn = { "turn_" },
  approval = { "approval_" },
  decision = {
    "hunk_accepted",
    "hunk_rejected",
    "hunk_commented",
    "accept_",
    "reject_",
    "human_reverted_change",
    "decision_refused",
    "undo_",
  },
  checkpoint = { "checkpoint_" },
  status = { "agent_status_" },
  agent = { "agent_", "worktree_" },
  run = { "run_" },
  usage = { "usage_" },
  constraint = { "human_set_constraint", "constraint_" },
  guidance = { "human_provided_guidance" },
  edit = { "ai_generated_code" },
}

--- Kinds of hunks, which `type:` may name as well.
local HUNK_TYPES = { "add", "delete", "change", "binary" }
local EDITING_TOOLS = { Edit = true, Write = true, MultiEdit = true, NotebookEdit = true }

local SECONDS = { s = 1, m = 60, h = 3600, d = 86400 }

---@param wrong string
---@param known string[]
---@return string? nearest
local function nearest(wrong, known)
  return require("orchflow.config.validate").nearest(wrong, known)
end

--- Takes a typed filter apart at its blanks; quotes stay, so that what they hold together stays together.
---@param typed string
---@return string[] words
function M.split(typed)
  local words, current, quote = {}, {}, nil
  for char in typed:gmatch(".") do
    if quote then
      quote = char ~= quote and quote or nil
      current[#current + 1] = char
    elseif char:find("%s") then
      if #current > 0 then
        words[#words + 1] = table.concat(current)
        current = {}
      end
    else
      quote = char == '"' and char or nil
      current[#current + 1] = char
    end
  end
  if #current > 0 then
    words[#words + 1] = table.concat(current)
  end
  return words
end

--- Takes a list apart at its commas, and the quotes off its items.
---@param value string
---@return string[]
local function list_of(value)
  local items, current, quoted = {}, {}, false
  for char in (value .. ","):gmatch(".") do
    if char == '"' then
      quoted = not quoted
    elseif char == "," and not quoted then
      if #current > 0 then
        items[#items + 1] = table.concat(current)
        current = {}
      end
    else
      current[#current + 1] = char
    end
  end
  if #current > 0 then
    -- A quote that was not closed holds what follows, but not the comma put there above.
    items[#items + 1] = (table.concat(current):gsub(",$", ""))
  end
  return items
end

--- Reads a time: a span back from now, a time of today (of yesterday, where today's is still to come), or a date
--- with a time, in the editor's zone.
---@param typed string
---@param now integer microseconds since 1970
---@return integer? microseconds
function M.time(typed, now)
  local number, unit = typed:match("^(%d+)([smhd])$")
  if number then
    return now - tonumber(number) * SECONDS[unit] * 1000000
  end
  local seconds = math.floor(now / 1000000)
  local hour, minute = typed:match("^(%d%d?):(%d%d)$")
  if hour then
    if tonumber(hour) > 23 or tonumber(minute) > 59 then
      return nil
    end
    local today = os.date("*t", seconds) --[[@as osdateparam]]
    today.hour, today.min, today.sec, today.isdst = tonumber(hour), tonumber(minute), 0, nil
    local at = os.time(today)
    if at > seconds then
      today.day, today.isdst = today.day - 1, nil
      at = os.time(today)
    end
    return at * 1000000
  end
  local year, month, day, rest = typed:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$")
  if not year then
    return nil
  end
  hour, minute = rest:match("^T(%d%d):(%d%d)$")
  if rest ~= "" and not hour then
    return nil
  end
  local at = os.time({
    year = tonumber(year) --[[@as integer]],
    month = tonumber(month) --[[@as integer]],
    day = tonumber(day) --[[@as integer]],
    hour = tonumber(hour or 0),
    min = tonumber(minute or 0),
    sec = 0,
  })
  return at and at * 1000000
end

---@type table<string, fun(value: string): string?>
local CHECKS = {
  run = function(value)
    local number = value:match("^%-?%d+$") and tonumber(value)
    return (not number or number == 0) and "a run's number, or -1 for the newest" or nil
  end,
  turn = function(value)
    return not value:match("^%-?%d+$") and "a turn's number, or -1 for the newest" or nil
  end,
  since = function(value)
    local known = M.time(value, 1000000000000000)
    return not known and "a time such as 90s, 10m, 2h, 3d, 14:02 or 2026-11-25T14:02" or nil
  end,
}
CHECKS["until"] = CHECKS.since

--- Says what is wrong with a value that has to be one of some words.
---@param name string
---@param value string
---@param known string[]
---@return string?
local function unknown_word(name, value, known)
  if vim.list_contains(known, value) then
    return nil
  end
  local near = nearest(value, known)
  return near and ("no %s:%s; did you mean %s:%s?"):format(name, value, name, near)
    or ("no %s:%s; there are %s"):format(name, value, table.concat(known, " "))
end

---@return string[]
local function all_states()
  local all, seen = {}, {}
  for _, kind in ipairs({ "hunks", "events", "agents" }) do
    for _, state in ipairs(M.states[kind]) do
      if not seen[state] then
        seen[state] = true
        all[#all + 1] = state
      end
    end
  end
  return all
end

---@return string[]
local function type_groups()
  local groups = vim.tbl_keys(M.groups)
  table.sort(groups)
  return vim.list_extend(groups, HUNK_TYPES)
end

---@param name orchflow.FilterName
---@param value string
---@return string? problem
local function problem_of(name, value)
  if CHECKS[name] then
    local wanted = CHECKS[name](value)
    return wanted and ("%s: wants %s, got %s"):format(name, wanted, value) or nil
  elseif name == "is" then
    return unknown_word("is", value, all_states())
  elseif name == "type" and not value:find("_", 1, true) then
    return unknown_word("type", value, type_groups())
  end
  return nil
end

--- Reads a filter as it is typed.
---@param typed string|string[] a line, or its words
---@return orchflow.Filter? filter
---@return string? problem what is wrong, with the nearest name where one is meant
function M.parse(typed)
  local filter = { terms = {}, words = {} } ---@type orchflow.Filter
  local line = type(typed) == "table" and table.concat(typed, " ") or typed --[[@as string]]
  for _, word in ipairs(M.split(line or "")) do
    local minus, name, value = word:match("^(%-?)(%a+):(.*)$")
    -- `std::env` and `https://…` are what people look for, not filters.
    name = name and ALIASES[name] or name
    local is_text = not name or value:find("^:") or value:find("^//")
    -- `error: no such file` is text too, unless what stands before the colon is a name of ours.
    is_text = is_text or value == "" and not vim.list_contains(NAMES, name)
    if not is_text then
      if not vim.list_contains(NAMES, name) then
        local known = vim.list_extend(vim.tbl_keys(ALIASES), NAMES)
        table.sort(known)
        local near = nearest(name, known)
        return nil,
          near and ("no filter %s:; did you mean %s:?"):format(name, near)
            or ('no filter %s:; to look for the text, quote it: "%s"'):format(name, word)
      end
      local values = list_of(value)
      if #values == 0 then
        return nil, ("%s: wants a value, as in %s"):format(name, EXAMPLES[name])
      elseif (name == "since" or name == "until") and (minus ~= "" or #values > 1) then
        return nil, ("%s: wants one time, as in %s"):format(name, EXAMPLES[name])
      end
      for _, each in ipairs(values) do
        local problem = problem_of(name, each)
        if problem then
          return nil, problem
        end
      end
      filter.terms[#filter.terms + 1] =
        { name = name, values = values, excluded = minus ~= "" or nil }
    else
      local said = word:gsub('"', "")
      if said ~= "" then
        filter.words[#filter.words + 1] = said
      end
    end
  end
  return filter
end

---@param value string
---@param list? boolean whether a comma would divide it
---@return string
local function quoted(value, list)
  return (value:find("%s") or list and value:find(",", 1, true)) and ('"%s"'):format(value) or value
end

---@param filter orchflow.Filter
---@param leave_out? table<string, boolean> names
---@return string
local function write(filter, leave_out)
  local words = {}
  for _, term in ipairs(filter.terms or {}) do
    if not (leave_out or {})[term.name] then
      local values = vim.tbl_map(function(value)
        return quoted(value, true)
      end, term.values)
      local minus = term.excluded and "-" or ""
      words[#words + 1] = ("%s%s:%s"):format(minus, term.name, table.concat(values, ","))
    end
  end
  for _, word in ipairs(filter.words or {}) do
    words[#words + 1] = word:find("^%-?%a+:") and ('"%s"'):format(word) or quoted(word)
  end
  return table.concat(words, " ")
end

--- Writes a filter as it is typed; what comes out reads as the same filter.
---@param filter orchflow.Filter
---@return string
function M.show(filter)
  return write(filter)
end

--- Says whether a filter lets everything through.
---@param filter orchflow.Filter
---@return boolean
function M.is_empty(filter)
  return #(filter.terms or {}) == 0 and #(filter.words or {}) == 0
end

---@return integer microseconds since 1970
local function clock()
  local seconds, microseconds = vim.uv.gettimeofday()
  return seconds * 1000000 + microseconds
end

--- Gives the parameters by which the host applies a filter: times are the editor's, so they go as microseconds.
---@param filter orchflow.Filter
---@param now? integer microseconds since 1970
---@return { filter?: string, since_at?: integer, until_at?: integer }
function M.params(filter, now)
  now = now or clock()
  local said = write(filter, { since = true, ["until"] = true })
  local params = { filter = said ~= "" and said or nil }
  for _, term in ipairs(filter.terms or {}) do
    if term.name == "since" then
      params.since_at = M.time(term.values[1], now)
    elseif term.name == "until" then
      params.until_at = M.time(term.values[1], now)
    end
  end
  return params
end

--- Gives a filter with one name's values replaced; nil takes the name out. The filter given stays as it is.
---@param filter orchflow.Filter
---@param name orchflow.FilterName
---@param values? string[]
---@return orchflow.Filter
function M.with(filter, name, values)
  local terms = vim.tbl_filter(function(term)
    return term.name ~= name
  end, filter.terms)
  if values then
    terms[#terms + 1] = { name = name, values = values }
  end
  return { terms = terms, words = vim.list_slice(filter.words, 1) }
end

--- Gives the values a filter names, of a name that is not excluded.
---@param filter orchflow.Filter
---@param name orchflow.FilterName
---@return string[]? values nil where the filter says nothing of it
function M.values(filter, name)
  for _, term in ipairs(filter.terms) do
    if term.name == name and not term.excluded then
      return term.values
    end
  end
  return nil
end

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
    return event.timestamp >= (M.time(value, context.now or clock()) or 0)
  end,
  ["until"] = function(value, event, context)
    return event.timestamp <= (M.time(value, context.now or clock()) or math.huge)
  end,
}

---@param words string[]
---@param event orchflow.Event
---@return boolean
local function words_fit(words, event)
  if #words == 0 then
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
  return true
end

--- Says whether an event that was pushed passes a filter.
---@param filter orchflow.Filter
---@param event orchflow.Event
---@param context? orchflow.FilterContext
---@return boolean
function M.passes(filter, event, context)
  context = context or M.context()
  for _, term in ipairs(filter.terms or {}) do
    local fits = false
    for _, value in ipairs(term.values) do
      fits = fits or FITS[term.name](value, event, context)
    end
    if fits == (term.excluded == true) then
      return false
    end
  end
  return words_fit(filter.words or {}, event)
end

--- Gives what relative values count from, as far as the editor knows.
---@return orchflow.FilterContext
function M.context()
  local context = { turns = {}, newest_run = nil, now = clock() }
  for _, agent in ipairs(require("orchflow.state").agents(require("orchflow.client").store())) do
    context.turns[agent.key] = agent.turn
    context.newest_run = math.max(context.newest_run or 0, agent.run or 0)
  end
  return context
end

---@param lead string
---@return string[]
local function files(lead)
  local found = {}
  for _, path in ipairs(vim.fn.getcompletion(lead, "file")) do
    found[#found + 1] = path
    if path:sub(-1) == "/" then
      found[#found + 1] = path .. "**"
    end
  end
  return found
end

---@return string[]
local function agents()
  return vim.tbl_map(function(agent)
    return agent.agent
  end, require("orchflow.state").agents(require("orchflow.client").store()))
end

---@return string[]
local function types()
  local all, seen = type_groups(), {}
  for _, event in ipairs(require("orchflow.client").store().events) do
    if not seen[event.type] then
      seen[event.type] = true
      all[#all + 1] = event.type
    end
  end
  return all
end

---@return string[]
local function runs()
  local numbers = { "-1" }
  for _, run in ipairs((require("orchflow.client").store().status or {}).runs or {}) do
    numbers[#numbers + 1] = tostring(run.run)
  end
  return numbers
end

--- Gives the candidates for the word of a filter at the cursor; nothing is asked of the host.
---@param lead string
---@param kind? "events"|"hunks"|"agents" what is filtered
---@return string[]
function M.complete(lead, kind)
  local minus, name, value = lead:match("^(%-?)(%a+):(.*)$")
  if not name then
    minus = lead:match("^%-?")
    local candidates = vim.tbl_map(function(each)
      return minus .. each .. ":"
    end, NAMES)
    return vim.tbl_filter(function(each)
      return vim.startswith(each, lead)
    end, candidates)
  end
  name = ALIASES[name] or name
  local before, last = value:match("^(.*,)([^,]*)$")
  before, last = before or "", last or value
  local candidates = ({
    agent = agents,
    file = function()
      return files(last)
    end,
    type = types,
    is = function()
      return kind and M.states[kind] or all_states()
    end,
    turn = function()
      return { "-1" }
    end,
    run = runs,
    since = function()
      return { "10m", "1h", "1d" }
    end,
    ["until"] = function()
      return { "10m", "1h", "1d" }
    end,
  })[name]
  local found = {}
  for _, each in ipairs(candidates and candidates() or {}) do
    if vim.startswith(each, last) then
      found[#found + 1] = ("%s%s:%s%s"):format(minus, name, before, each)
    end
  end
  return found
end

return M
