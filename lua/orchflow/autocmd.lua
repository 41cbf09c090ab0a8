--- `User` autocommands about what happens; nothing is computed for those that nobody listens to.
---
---   OrchflowEvent        each event as it is committed; `data` is the event
---   OrchflowAgentStatus  an agent's status changed: agent, run, key, status, before, waiting_for, source, confidence
---   OrchflowApproval     a permission was asked for, answered or withdrawn: id, agent, run, state, event
---   OrchflowTurnEnded    an agent's turn ended: agent, run, turn, event
---   OrchflowHunks        what is there to review changed: agents, undecided hunks by `RUN/NAME`, and all of them
---   OrchflowHost         the connection changed: phase, host_pid

local client = require("orchflow.client")

local M = {}

---@param pattern string
---@return boolean
local function is_heard(pattern)
  return vim.fn.exists("#User#" .. pattern) == 1
end

--- Runs the autocommands of a pattern. What fails in one is its author's; Neovim says it, and the others are run.
---@param pattern string
---@param data table
local function tell(pattern, data)
  pcall(vim.api.nvim_exec_autocmds, "User", { pattern = pattern, modeline = false, data = data })
end

---@param event orchflow.Event
---@return table
local function about(event)
  local name = tostring(event.agent or ""):gsub("^%d+/", "")
  return { agent = name ~= "" and name or nil, run = event.run, event = event }
end

local APPROVAL_STATES = {
  approval_requested = "requested",
  approval_answered = "answered",
  approval_withdrawn = "withdrawn",
  approval_rejoined = "requested",
  approval_superseded = "superseded",
}

---@param events orchflow.Event[]
local function on_events(events)
  local all = is_heard("OrchflowEvent")
  local approvals, turns = is_heard("OrchflowApproval"), is_heard("OrchflowTurnEnded")
  if not (all or approvals or turns) then
    return
  end
  for _, event in ipairs(events) do
    local data = event.data or {}
    if all then
      tell("OrchflowEvent", event --[[@as table]])
    end
    if approvals and APPROVAL_STATES[event.type] then
      local approval = about(event)
      approval.id = data.approval or data.id
      approval.state = APPROVAL_STATES[event.type]
      tell("OrchflowApproval", approval)
    elseif turns and event.type == "turn_ended" then
      local turn = about(event)
      turn.turn = data.turn
      tell("OrchflowTurnEnded", turn)
    end
  end
end

---@type table<string, string>
local statuses = {}
---@type table<string, integer>
local undecided = {}

---@param status orchflow.Status
local function on_status(status)
  local heard = is_heard("OrchflowAgentStatus")
  local now, waiting, count = {}, {}, 0
  for _, agent in ipairs(status.agents or {}) do
    local before = statuses[agent.key]
    now[agent.key] = agent.status
    waiting[agent.key] = agent.undecided or 0
    count = count + (agent.undecided or 0)
    if heard and before ~= agent.status then
      tell("OrchflowAgentStatus", {
        agent = agent.agent,
        run = agent.run,
        key = agent.key,
        status = agent.status,
        before = before,
        waiting_for = agent.waiting_for,
        source = agent.source,
        confidence = agent.confidence,
      })
    end
  end
  local changed = not vim.deep_equal(waiting, undecided)
  statuses, undecided = now, waiting
  if changed and is_heard("OrchflowHunks") then
    tell("OrchflowHunks", { agents = waiting, undecided = count })
  end
end

local started = false

--- Begins to listen to the host.
function M.start()
  if started then
    return
  end
  started = true
  client.on("events", on_events)
  client.on("status", on_status)
  client.on("link", function(phase)
    if is_heard("OrchflowHost") then
      local _, host_pid = client.phase()
      tell("OrchflowHost", { phase = phase, host_pid = phase == "connected" and host_pid or nil })
    end
  end)
end

return M
