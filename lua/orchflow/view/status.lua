--- The dashboard: one line an agent. Pure: a status in, a page out.

local text = require("orchflow.view.text")

local M = {}

local GROUPS = {
  waiting = "OrchflowWaiting",
  unknown = "OrchflowWaiting",
  working = "OrchflowWorking",
  starting = "OrchflowMuted",
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
  working = 4,
  starting = 5,
  done = 6,
  idle = 7,
  stopped = 8,
  exited = 9,
}

local SOURCES =
  { osc7501 = "stated", hook = "hook", process = "process", output = "output", screen = "screen" }

--- Says an agent's state in words: `needs approval`, `waiting: trust`, `working`.
---@param agent orchflow.Agent
---@return string
function M.state_words(agent)
  if agent.status == "waiting" then
    local what = text.clean(agent.waiting_for or agent.detail)
    if what == "approval" then
      return "needs approval"
    end
    return what == "" and "waiting" or "waiting: " .. what
  end
  return text.clean(agent.status)
end

--- Says where a state is known from; a guess is marked.
---@param agent orchflow.Agent
---@return string
function M.source_words(agent)
  local source = SOURCES[agent.source] or text.clean(agent.source)
  return agent.confidence == "guess" and source .. "?" or source
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
    local first, second = URGENCY[left.status] or 2, URGENCY[right.status] or 2
    if first ~= second then
      return first < second
    end
    return places[left] < places[right]
  end)
  return agents
end

---@param agent orchflow.Agent
---@param now integer
---@return string[]
local function cells(agent, now)
  local since = agent.since and text.duration((now - agent.since) / 1e6) or "?"
  local name = text.clean(agent.agent)
  return {
    agent.rehearsal and not name:find("rehearsal", 1, true) and name .. " (rehearsal)" or name,
    M.state_words(agent),
    since,
    M.source_words(agent),
    tostring(agent.turn or 0),
    tostring(agent.undecided or 0),
    ("+%d -%d"):format(agent.insertions or 0, agent.deletions or 0),
  }
end

local HEADS = { "agent", "status", "for", "source", "turn", "undecided", "diff" }
local TO_THE_RIGHT = { [3] = true, [5] = true, [6] = true }

---@param agent orchflow.Agent
---@return string[] notes what the human should know of this agent besides its state
local function notes_of(agent)
  local notes = {}
  if (agent.queued or 0) > 0 then
    notes[#notes + 1] = ("%s queued, not yet written"):format(text.count(agent.queued, "prompt"))
  end
  if (agent.undelivered or 0) > 0 then
    notes[#notes + 1] = ("%s did not arrive"):format(text.count(agent.undelivered, "prompt"))
  end
  if agent.status == "waiting" and agent.waiting_for ~= "approval" then
    notes[#notes + 1] = ":Orchflow attach " .. text.clean(agent.agent)
  elseif (agent.approvals or 0) > 0 then
    notes[#notes + 1] = (":Orchflow approvals (%d)"):format(agent.approvals)
  end
  local detached = text.clean(agent.view_note)
  if detached ~= "" then
    notes[#notes + 1] = ("detached: %s; :Orchflow attach %s"):format(
      detached,
      text.clean(agent.agent)
    )
  end
  local said = text.clean(agent.detail)
  if said ~= "" and agent.status ~= "waiting" then
    notes[#notes + 1] = said
  end
  return notes
end

---@param run orchflow.Run
---@param page orchflow.Page
local function add_run(run, page)
  page:add({
    { ("run %d  "):format(run.run), "OrchflowTitle" },
    ('"%s"'):format(text.clean(run.objective)),
    { "  base " .. text.clean(run.base), "OrchflowMuted" },
    { run.state ~= "running" and "  " .. text.clean(run.state) or "", "OrchflowMuted" },
  })
end

--- Draws the dashboard.
---@param status? orchflow.Status
---@param now integer microseconds since 1970
---@param icons table<string, string>
---@return orchflow.Page page its rows are agents
function M.page(status, now, icons)
  local page = text.page()
  if not status then
    page:add({ { "asking the host…", "OrchflowMuted" } })
    return page
  end
  if status.read_only and status.read_only ~= "" then
    page:add({ { "read-only: " .. text.clean(status.read_only), "OrchflowFailed" } })
  end
  local agents = by_urgency(status)
  if #agents == 0 then
    page:add({
      {
        "no agents; start some: :Orchflow swarm --agents rehearsal,rehearsal OBJECTIVE",
        "OrchflowMuted",
      },
    })
    return page
  end
  local rows, widths = {}, {}
  for index, head in ipairs(HEADS) do
    widths[index] = text.width(head)
  end
  for _, agent in ipairs(agents) do
    local row = cells(agent, now)
    for index, cell in ipairs(row) do
      widths[index] = math.max(widths[index], text.width(cell))
    end
    rows[#rows + 1] = row
  end
  local head = { { "  ", nil } }
  for index, name in ipairs(HEADS) do
    head[#head + 1] =
      { text.pad(name, widths[index], TO_THE_RIGHT[index]) .. "  ", "OrchflowMuted" }
  end
  local runs = {}
  for _, run in ipairs(status.runs or {}) do
    runs[run.run] = run
  end
  local last_run
  for index, agent in ipairs(agents) do
    if agent.run ~= last_run then
      if last_run then
        page:add({ "" })
      end
      if runs[agent.run] then
        add_run(runs[agent.run], page)
      end
      page:add(head)
      last_run = agent.run
    end
    local group = GROUPS[agent.status] or "OrchflowMuted"
    local pieces = { { (icons[agent.status] or "?") .. " ", group } }
    for column, cell in ipairs(rows[index]) do
      local padded = text.pad(cell, widths[column], TO_THE_RIGHT[column]) .. "  "
      local guess = column == 4 and agent.confidence == "guess"
      pieces[#pieces + 1] = { padded, column == 2 and group or guess and "OrchflowGuess" or nil }
    end
    page:add(pieces, agent)
    for _, note in ipairs(notes_of(agent)) do
      page:add({ { "    " .. note, "OrchflowMuted" } }, agent)
    end
  end
  return page
end

--- Gives the dashboard's title: the host, its memory, and whether what is shown is live.
---@param status? orchflow.Status
---@param phase string of the connection
---@return string
function M.title(status, phase)
  local host = status and status.host or {}
  local memory = host.memory_bytes and (" %d MB"):format(math.floor(host.memory_bytes / 1e6 + 0.5))
    or ""
  local words = {
    connected = "host ok" .. memory,
    connecting = "connecting",
    retrying = "host lost, connecting again",
  }
  return ("orchflow  %s"):format(words[phase] or "not connected")
end

return M
