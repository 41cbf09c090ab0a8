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
---@field absent? string[] text; none of them may occur

---@alias orchflow.FilterScope "events"|"hunks"|"agents"

---@class orchflow.FilterContext what relative values count from
---@field newest_run? integer
---@field turns? table<string, integer> newest turn by `RUN/NAME`
---@field now? integer microseconds since 1970

M.aliases = { ai = "agent", path = "file" }
M.names = { "agent", "file", "type", "is", "turn", "run", "since", "until" }
--- Names that mean nothing for a kind of things.
local MEANINGLESS = {
  events = {},
  hunks = { since = true, ["until"] = true },
  agents = { file = true, type = true, turn = true, since = true, ["until"] = true },
}
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

--- Kinds of hunks, which `type:` may name as well.
local HUNK_TYPES = { "add", "delete", "change", "binary" }

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

M.time = require("orchflow.filter.time").read

---@type table<string, fun(value: string): string?>
local CHECKS = {
  run = function(value)
    local number = value:match("^%-?%d+$") and tonumber(value)
    return (not number or number == 0) and "a run's number, or -1 for the newest" or nil
  end,
  turn = function(value)
    local number = value:match("^%-?%d+$") and tonumber(value)
    return (not number or number == 0) and "a turn's number, or -1 for the newest" or nil
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

--- Gives every word `is:` takes.
---@return string[]
function M.all_states()
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

--- Gives the words `type:` takes besides the types themselves: groups of event types, and kinds of hunks.
---@param scope? orchflow.FilterScope
---@return string[]
function M.type_groups(scope)
  if scope == "hunks" then
    return HUNK_TYPES
  end
  local groups = vim.tbl_keys(require("orchflow.filter.match").groups)
  table.sort(groups)
  return scope == "events" and groups or vim.list_extend(groups, HUNK_TYPES)
end

---@param name orchflow.FilterName
---@param value string
---@param scope? orchflow.FilterScope
---@return string? problem
local function problem_of(name, value, scope)
  if CHECKS[name] then
    local wanted = CHECKS[name](value)
    return wanted and ("%s: wants %s, got %s"):format(name, wanted, value) or nil
  elseif name == "is" then
    return unknown_word("is", value, scope and M.states[scope] or M.all_states())
  elseif name == "type" and (scope == "hunks" or not value:find("_", 1, true)) then
    return unknown_word("type", value, M.type_groups(scope))
  end
  return nil
end

--- Reads a filter as it is typed.
---@param typed string|string[] a line, or its words
---@param scope? orchflow.FilterScope what it is for; without it, what means something anywhere is taken
---@return orchflow.Filter? filter
---@return string? problem what is wrong, with the nearest name where one is meant
function M.parse(typed, scope)
  local filter = { terms = {}, words = {}, absent = {} } ---@type orchflow.Filter
  local line = type(typed) == "table" and table.concat(typed, " ") or typed --[[@as string]]
  for _, word in ipairs(M.split(line or "")) do
    local minus, name, value = word:match("^(%-?)(%a+):(.*)$")
    -- `std::env` and `https://…` are what people look for, not filters.
    name = name and name:lower()
    name = name and M.aliases[name] or name
    local is_text = not name or value:find("^:") or value:find("^//")
    -- `error: no such file` is text too, unless what stands before the colon is a name of ours.
    is_text = is_text or value == "" and not vim.list_contains(M.names, name)
    if not is_text then
      if not vim.list_contains(M.names, name) then
        local known = vim.list_extend(vim.tbl_keys(M.aliases), M.names)
        table.sort(known)
        local near = nearest(name, known)
        return nil,
          near and ("no filter %s:; did you mean %s:?"):format(name, near)
            or ('no filter %s:; to look for the text, quote it: "%s"'):format(name, word)
      end
      if scope and MEANINGLESS[scope][name] then
        return nil, ("%s: means nothing for %s"):format(name, scope)
      end
      local values = list_of(value)
      if #values == 0 then
        return nil, ("%s: wants a value, as in %s"):format(name, EXAMPLES[name])
      elseif (name == "since" or name == "until") and (minus ~= "" or #values > 1) then
        return nil, ("%s: wants one time, as in %s"):format(name, EXAMPLES[name])
      end
      for _, each in ipairs(values) do
        local problem = problem_of(name, each, scope)
        if problem then
          return nil, problem
        end
      end
      filter.terms[#filter.terms + 1] =
        { name = name, values = values, excluded = minus ~= "" or nil }
    else
      local excluded, said = word:match("^(%-?)(.*)$")
      said = said:gsub('"', "")
      -- A lone dash between words asks for nothing.
      if said:find("[%w\128-\255]") then
        table.insert(excluded ~= "" and filter.absent or filter.words, said)
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
  local function text(word)
    return (word:find("^%-?%a+:") or word:find("^%-")) and ('"%s"'):format(word) or quoted(word)
  end
  for _, word in ipairs(filter.words or {}) do
    words[#words + 1] = text(word)
  end
  for _, word in ipairs(filter.absent or {}) do
    words[#words + 1] = "-" .. text(word)
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
  return #(filter.terms or {}) == 0 and #(filter.words or {}) == 0 and #(filter.absent or {}) == 0
end

--- Gives the time as the host counts it.
---@return integer microseconds since 1970
function M.clock()
  local seconds, microseconds = vim.uv.gettimeofday()
  return seconds * 1000000 + microseconds
end

--- Gives the parameters by which the host applies a filter: times are the editor's, so they go as microseconds.
---@param filter orchflow.Filter
---@param now? integer microseconds since 1970
---@return { filter?: string, since_at?: integer, until_at?: integer }
function M.params(filter, now)
  now = now or M.clock()
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
  return {
    terms = terms,
    words = vim.list_slice(filter.words, 1),
    absent = vim.list_slice(filter.absent or {}, 1),
  }
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

--- Says whether an event that was pushed passes a filter.
---@param filter orchflow.Filter
---@param event orchflow.Event
---@param context? orchflow.FilterContext
---@return boolean
function M.passes(filter, event, context)
  return require("orchflow.filter.match").passes(filter, event, context or M.context())
end

--- Gives what relative values count from, as far as the editor knows.
---@return orchflow.FilterContext
function M.context()
  local context = { turns = {}, newest_run = nil, now = M.clock() }
  for _, agent in ipairs(require("orchflow.state").agents(require("orchflow.client").store())) do
    context.turns[agent.key] = agent.turn
    context.newest_run = math.max(context.newest_run or 0, agent.run or 0)
  end
  return context
end

--- Gives the candidates for the word of a filter at the cursor; nothing is asked of the host.
---@param lead string
---@param kind? "events"|"hunks"|"agents" what is filtered
---@return string[]
function M.complete(lead, kind)
  return require("orchflow.filter.complete").complete(lead, kind)
end

return M
