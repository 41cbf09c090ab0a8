--- What needs the human, most urgent first. Pure; the host says it, and where an older one does not, it is worked out.

local M = {}

---@class orchflow.Need
---@field kind "approval"|"question"|"budget"|"limit"|"failed"|"undelivered"|"finished"
---@field agent string name within its run
---@field key string `RUN/NAME`
---@field run integer
---@field since? integer microseconds since 1970
---@field about? any an approval's id, a prompt's id, or what is waited for

---@type table<string, integer>
local URGENCY =
  { approval = 1, question = 2, budget = 3, limit = 4, failed = 5, undelivered = 6, finished = 7 }

--- Gives how many hunks of an agent the human has not seen, or not decided where nobody knows what was seen.
---@param agent orchflow.Agent
---@return integer
function M.unread(agent)
  return agent.unseen or agent.undecided or 0
end

---@param agent orchflow.Agent
---@return string[] kinds
local function kinds_of(agent)
  local kinds = {}
  if agent.status == "waiting" then
    kinds[1] = (agent.waiting_for or agent.detail) == "approval" and "approval" or "question"
  elseif agent.status == "failed" then
    kinds[1] = "failed"
  elseif agent.status == "done" and M.unread(agent) > 0 and (agent.queued or 0) == 0 then
    kinds[1] = "finished"
  end
  if (agent.undelivered or 0) > 0 then
    kinds[#kinds + 1] = "undelivered"
  end
  return kinds
end

--- Gives what needs the human, most urgent first and oldest first within a kind.
---@param status? orchflow.Status
---@return orchflow.Need[]
function M.of(status)
  if not status then
    return {}
  elseif status.needs then
    return status.needs
  end
  local needs, places = {}, {}
  for _, agent in ipairs(status.agents or {}) do
    for _, kind in ipairs(kinds_of(agent)) do
      local need = { kind = kind, agent = agent.agent, key = agent.key, run = agent.run }
      need.since = agent.since
      need.about = kind == "question" and (agent.waiting_for or agent.detail) or nil
      needs[#needs + 1] = need
      places[need] = #needs
    end
  end
  table.sort(needs, function(left, right)
    local first, second = URGENCY[left.kind], URGENCY[right.kind]
    if first ~= second then
      return first < second
    elseif (left.since or 0) ~= (right.since or 0) then
      return (left.since or 0) < (right.since or 0)
    end
    return places[left] < places[right]
  end)
  return needs
end

--- Gives what makes a need the same need in the next status.
---@param need orchflow.Need
---@return string
function M.identity(need)
  if need.kind == "finished" then
    -- How much of it was not seen yet changes while it is read.
    return ("%s %s"):format(need.kind, need.key)
  end
  return ("%s %s %s"):format(need.kind, need.key, tostring(need.about))
end

return M
