--- The dashboard: one line an agent, and under it what the human should know of it besides. Pure: a status in, a page
--- out.

local needs = require("orchflow.needs")
local text = require("orchflow.view.text")

local M = {}

---@type table<string, string>
M.groups = {
  waiting = "OrchflowWaiting",
  unknown = "OrchflowWaiting",
  working = "OrchflowWorking",
  starting = "OrchflowMuted",
  paused = "OrchflowMuted",
  idle = "OrchflowMuted",
  done = "OrchflowDone",
  failed = "OrchflowFailed",
  stopped = "OrchflowMuted",
  exited = "OrchflowMuted",
}

--- How much each state needs the human: what needs more stands higher.
local URGENCY = {
  waiting = 1,
  unknown = 2,
  failed = 3,
  paused = 4,
  working = 5,
  starting = 6,
  done = 7,
  idle = 8,
  stopped = 9,
  exited = 10,
}

local SOURCES = {
  osc7501 = "stated",
  hook = "hook",
  title = "title",
  process = "process",
  output = "output",
  screen = "screen",
}

--- Gives the state that is shown: a paused agent is paused, whatever it did before.
---@param agent orchflow.Agent
---@return string
function M.state(agent)
  return agent.paused and agent.living ~= false and "paused" or text.clean(agent.status)
end

--- Says an agent's state in words: `needs approval`, `waiting: trust`, `working`.
---@param agent orchflow.Agent
---@return string
function M.state_words(agent)
  local state = M.state(agent)
  if state == "waiting" then
    local what = text.clean(agent.waiting_for or agent.detail)
    if what == "approval" then
      return "needs approval"
    end
    return what == "" and "waiting" or "waiting: " .. what
  end
  return state
end

--- Says where a state is known from; a guess is marked.
---@param agent orchflow.Agent
---@return string
function M.source_words(agent)
  local source = SOURCES[agent.source] or text.clean(agent.source)
  return agent.confidence == "guess" and source .. "?" or source
end

--- Gives an agent's name; one that plays a script says so.
---@param agent orchflow.Agent
---@return string
function M.name(agent)
  local name = text.clean(agent.agent)
  return agent.rehearsal and not name:find("rehearsal", 1, true) and name .. " (rehearsal)" or name
end

---@param status orchflow.Status
---@return orchflow.Agent[]
local function by_urgency(status)
  local agents, places = vim.list_slice(status.agents or {}, 1), {}
  for place, agent in ipairs(agents) do
    places[agent] = place
  end
  table.sort(agents, function(left, right)
    if left.run ~= right.run then
      return left.run > right.run
    end
    local first, second = URGENCY[M.state(left)] or 2, URGENCY[M.state(right)] or 2
    if first ~= second then
      return first < second
    end
    return places[left] < places[right]
  end)
  return agents
end

---@class orchflow.StatusColumn
---@field head string
---@field cell fun(agent: orchflow.Agent, now: integer): string
---@field to_the_right? boolean
---@field least? integer cells below which it is not cut
---@field wide? boolean whether it is there only where there is room

---@type orchflow.StatusColumn[]
local COLUMNS = {
  { head = "agent", cell = M.name, least = 10 },
  { head = "status", cell = M.state_words, least = 14 },
  {
    head = "for",
    to_the_right = true,
    cell = function(agent, now)
      return agent.since and text.duration((now - agent.since) / 1e6) or "?"
    end,
  },
  { head = "source", cell = M.source_words },
  {
    head = "turn",
    to_the_right = true,
    cell = function(agent)
      return tostring(agent.turn or 0)
    end,
  },
  {
    head = "unread",
    to_the_right = true,
    cell = function(agent)
      return tostring(needs.unread(agent))
    end,
  },
  {
    head = "undecided",
    to_the_right = true,
    wide = true,
    cell = function(agent)
      return tostring(agent.undecided or 0)
    end,
  },
  {
    head = "diff",
    cell = function(agent)
      return ("+%d -%d"):format(agent.insertions or 0, agent.deletions or 0)
    end,
  },
  {
    head = "cost",
    to_the_right = true,
    cell = function(agent)
      return type(agent.cost) == "number" and ("%.2f"):format(agent.cost) or "?"
    end,
  },
  {
    head = "pane",
    wide = true,
    cell = function(agent)
      local pane = agent.pane and text.clean(agent.pane) or "-"
      -- Numbers of Neovim's windows say nothing to anybody.
      return pane:find("^%d+$") and "window" or pane
    end,
  },
}
--- Cells of its last words below which they are not shown beside an agent.
local LEAST_WORDS = 24

---@param agent orchflow.Agent
---@return string
local function last_words(agent)
  local said = text.clean(agent.last_text)
  return said ~= "" and ('"%s"'):format(said) or ""
end

---@class orchflow.StatusTable
---@field columns orchflow.StatusColumn[]
---@field widths integer[]
---@field gap string
---@field words integer cells for the agents' last words, 0 where there is no room

---@param columns orchflow.StatusColumn[]
---@param agents orchflow.Agent[]
---@param now integer
---@return integer[] widths
---@return integer total without gaps
local function measure(columns, agents, now)
  local widths, total = {}, 0
  for index, column in ipairs(columns) do
    widths[index] = text.width(column.head)
    for _, agent in ipairs(agents) do
      widths[index] = math.max(widths[index], text.width(column.cell(agent, now)))
    end
    total = total + widths[index]
  end
  return widths, total
end

--- Chooses columns and their widths so that a line fits.
---@param agents orchflow.Agent[]
---@param now integer
---@param room integer cells
---@return orchflow.StatusTable
local function lay_out(agents, now, room)
  local columns = COLUMNS
  local widths, total = measure(columns, agents, now)
  if total + 2 + 2 * #columns > room or room < 100 then
    columns = vim.tbl_filter(function(column)
      return not column.wide
    end, COLUMNS)
    widths, total = measure(columns, agents, now)
  end
  local gap = total + 2 * #columns > room and 1 or 2
  local excess = total + 2 + gap * (#columns - 1) - room
  for index, column in ipairs(columns) do
    if excess > 0 and column.least then
      local taken = math.min(excess, math.max(0, widths[index] - column.least))
      widths[index] = widths[index] - taken
      excess = excess - taken
    end
  end
  local words = math.max(0, -excess - gap)
  return {
    columns = columns,
    widths = widths,
    gap = (" "):rep(gap),
    words = words >= LEAST_WORDS and words or 0,
  }
end

---@type table<string, string>
local PROMPT_WORDS = {
  queued = "queued",
  writing = "being written",
  written = "written, not yet accepted",
  undelivered = "did not arrive",
}

---@param agent orchflow.Agent
---@param now integer
---@return orchflow.Piece[] pieces
local function prompt_notes(agent, now)
  local notes = {}
  if not agent.prompts then
    if (agent.queued or 0) > 0 then
      local waits = text.count(agent.queued, "prompt") .. " queued, not yet written"
      notes[#notes + 1] = { waits, "OrchflowMuted" }
    end
    if (agent.undelivered or 0) > 0 then
      local lost = text.count(agent.undelivered, "prompt") .. " did not arrive"
      notes[#notes + 1] = { lost, "OrchflowFailed" }
    end
  end
  for _, prompt in ipairs(agent.prompts or {}) do
    local state = text.clean(prompt.state)
    local age = prompt.at and ("  %s"):format(text.duration((now - prompt.at) / 1e6)) or ""
    local words = ('prompt %s%s  "%s"'):format(
      PROMPT_WORDS[state] or state,
      age,
      text.clean(prompt.text)
    )
    notes[#notes + 1] = { words, state == "undelivered" and "OrchflowFailed" or "OrchflowMuted" }
  end
  return notes
end

--- Gives what the human should know of an agent besides its state.
---@param agent orchflow.Agent
---@param now integer
---@return orchflow.Piece[]
local function notes_of(agent, now)
  local notes = {}
  local state, detail = M.state(agent), text.clean(agent.detail)
  if state == "waiting" and (agent.waiting_for or agent.detail) ~= "approval" then
    local what = text.clean(agent.waiting_for)
    local more = detail ~= "" and detail ~= what and ": " .. detail or ""
    local asks = what == "" and "it waits for you" .. more or "it waits for " .. what .. more
    notes[1] = { asks .. "; <CR> shows it", "OrchflowWaiting" }
  elseif (agent.approvals or 0) > 0 then
    local asks = text.count(agent.approvals, "permission")
    notes[1] = { ("it asks for %s; a answers"):format(asks), "OrchflowWaiting" }
  elseif detail ~= "" and state ~= "waiting" then
    notes[1] = { detail, state == "failed" and "OrchflowFailed" or "OrchflowMuted" }
  end
  vim.list_extend(notes, prompt_notes(agent, now))
  local no_view = text.clean(agent.view_note)
  if no_view ~= "" and agent.living then
    notes[#notes + 1] = { "detached: " .. no_view, "OrchflowMuted" }
  end
  return notes
end

---@param run orchflow.Run
---@return string
local function run_words(run)
  local state = run.state ~= "running" and "  " .. text.clean(run.state) or ""
  local base = text.clean(run.base) ~= "" and "  base " .. text.clean(run.base) or ""
  return base .. state
end

---@param run orchflow.Run
---@param page orchflow.Page
---@param room integer
local function add_run(run, page, room)
  local head, tail = ("run %d  "):format(run.run), run_words(run)
  local most = math.max(20, room - #head - text.width(tail) - 2)
  page:add({
    { head, "OrchflowTitle" },
    ('"%s"'):format(text.cut(text.clean(run.objective), most)),
    { tail, "OrchflowMuted" },
  })
end

---@param agent orchflow.Agent
---@param layout orchflow.StatusTable
---@param options orchflow.StatusOptions
---@param page orchflow.Page
local function add_agent(agent, layout, options, page)
  local state = M.state(agent)
  local group = M.groups[state] or "OrchflowMuted"
  local pieces = { { (options.icons[state] or "?") .. " ", group } }
  for index, column in ipairs(layout.columns) do
    local width = layout.widths[index]
    local cell = text.cut(column.cell(agent, options.now), width)
    local own = column.head == "status" and group
      or column.head == "source" and agent.confidence == "guess" and "OrchflowGuess"
      or column.head == "unread" and needs.unread(agent) > 0 and "OrchflowTitle"
      or nil
    pieces[#pieces + 1] = { text.pad(cell, width, column.to_the_right), own }
    pieces[#pieces + 1] = layout.gap
  end
  if layout.words > 0 then
    pieces[#pieces + 1] = { text.cut(last_words(agent), layout.words), "OrchflowMuted" }
  end
  page:add(pieces, agent)
  for _, note in ipairs(notes_of(agent, options.now)) do
    page:add({ { "    " .. text.cut(note[1], options.room - 4), note[2] } }, agent)
  end
end

---@class orchflow.StatusOptions
---@field now integer microseconds since 1970
---@field icons table<string, string>
---@field room integer cells a line may have
---@field runs_above? boolean whether the title names the run, so that a single one is not named again

--- Draws the dashboard.
---@param status? orchflow.Status
---@param options orchflow.StatusOptions
---@return orchflow.Page page its rows are agents
function M.page(status, options)
  local page = text.page()
  if not status then
    page:add({ { "asking the host…", "OrchflowMuted" } })
    return page
  end
  if status.read_only and status.read_only ~= "" then
    page:add({ { "read-only: " .. text.clean(status.read_only), "OrchflowFailed" } })
  end
  for _, warning in ipairs(status.warnings or {}) do
    page:add({ { "warning: " .. text.clean(warning), "OrchflowWaiting" } })
  end
  local agents = by_urgency(status)
  if #agents == 0 then
    page:add({ { "no agents; start some: :Orchflow swarm OBJECTIVE", "OrchflowMuted" } })
    return page
  end
  local layout = lay_out(agents, options.now, options.room)
  local head = { { "  ", nil } }
  for index, column in ipairs(layout.columns) do
    local name = text.pad(column.head, layout.widths[index], column.to_the_right)
    head[#head + 1] = { name .. layout.gap, "OrchflowMuted" }
  end
  if layout.words > 0 then
    head[#head + 1] = { "last words", "OrchflowMuted" }
  end
  local runs, only = {}, M.only_run(status)
  for _, run in ipairs(status.runs or {}) do
    runs[run.run] = run
  end
  local last_run
  for _, agent in ipairs(agents) do
    if agent.run ~= last_run then
      if last_run then
        page:add({ "" })
      end
      if runs[agent.run] and not (options.runs_above and only) then
        add_run(runs[agent.run], page, options.room)
      end
      page:add(head)
      last_run = agent.run
    end
    add_agent(agent, layout, options, page)
  end
  return page
end

--- Gives the run that all agents shown belong to, if there is one.
---@param status? orchflow.Status
---@return orchflow.Run?
function M.only_run(status)
  local first = status and (status.agents or {})[1]
  for _, agent in ipairs(status and status.agents or {}) do
    if agent.run ~= first.run then
      return nil
    end
  end
  for _, run in ipairs(first and status.runs or {}) do
    if run.run == first.run then
      return run
    end
  end
  return nil
end

---@type table<string, string>
local PHASES = {
  connecting = "connecting",
  retrying = "host lost, connecting again",
  silent = "host does not answer, this may be old",
}

--- Gives the dashboard's title: what all of it is about at the left, the host and its memory at the right.
---@param status? orchflow.Status
---@param phase string of the connection
---@param room integer cells
---@return string left
---@return string right
function M.title(status, phase, room)
  local host = status and status.host or {}
  local memory = host.memory_bytes and (" %d MB"):format(math.floor(host.memory_bytes / 1e6 + 0.5))
    or ""
  local right = (phase == "connected" and "host ok" .. memory or PHASES[phase] or "not connected")
    .. "  g?"
  local run = M.only_run(status)
  if not run then
    return "orchflow", right
  end
  local head, tail = ("orchflow  run %d "):format(run.run), run_words(run)
  local free = room - #head - text.width(right) - 10
  local objective = text.clean(run.objective)
  if text.width(objective) + text.width(tail) > free then
    tail = ""
  end
  return ('%s"%s"%s'):format(head, text.cut(objective, math.max(free, 8)), tail), right
end

return M
