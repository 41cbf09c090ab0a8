--- What the editor knows of the host: its last status and the newest events. Pure; the client feeds it.

local M = {}

local KEPT_EVENTS = 2000

---@class orchflow.Agent
---@field agent string name within its run, such as `rehearsal-2`
---@field run integer
---@field key string `RUN/NAME`
---@field kind string
---@field rehearsal boolean
---@field status string
---@field detail? string
---@field waiting_for? string
---@field source string
---@field confidence string
---@field since integer microseconds since 1970
---@field turn integer
---@field undecided integer
---@field insertions integer
---@field deletions integer
---@field queued integer
---@field undelivered integer
---@field living boolean
---@field worktree? string
---@field approvals? integer
---@field view_note? string why a view that was wanted is not there
---@field unseen? integer undecided hunks whose content was not shown to the human
---@field paused? boolean
---@field pane? string where it is shown
---@field last_text? string its last words
---@field prompts? { id: integer, state: string, text: string, at: integer }[] prompts on their way to it
---@field cost? number US dollars, as far as known
---@field usage? orchflow.Usage
---@field limit? { kind: string, message: string, resets_at?: integer, resumes: boolean } why its model does not answer
---@field budget_holds? string the budget that halted it
---@field cpu_percent? number of one processor; only where it was asked for
---@field rss_bytes? integer
---@field pss_bytes? integer

---@class orchflow.Usage
---@field usd? number what is known of its cost
---@field priced_usd number what of that a table of prices says
---@field complete boolean whether that is all
---@field unknown_tokens integer
---@field input_tokens integer
---@field cached_tokens integer
---@field cache_write_tokens integer
---@field output_tokens integer
---@field reasoning_tokens integer
---@field context? { used: integer, size: integer }

---@class orchflow.Run
---@field run integer
---@field objective string
---@field base string
---@field state string
---@field agents string[]
---@field cost? number US dollars, as far as known
---@field cost_complete? boolean
---@field budget? number

---@class orchflow.Status
---@field agents orchflow.Agent[]
---@field runs orchflow.Run[]
---@field host table
---@field seq integer
---@field read_only? string why the store takes no writes
---@field warnings? string[] what else the human should know of the store
---@field needs? orchflow.Need[] what needs the human, most urgent first

---@class orchflow.Event
---@field seq integer
---@field timestamp integer microseconds since 1970
---@field type string
---@field agent? string
---@field run? integer
---@field user? string
---@field actor? string
---@field summary string
---@field data table
---@field turn? integer
---@field cause? integer
---@field paths? any[]

---@class orchflow.Store
---@field status? orchflow.Status
---@field events orchflow.Event[] oldest first
---@field cursor? integer the newest event seen

--- Makes an empty store.
---@return orchflow.Store
function M.new()
  return { status = nil, events = {}, cursor = nil }
end

--- Takes a status as it came from the host.
---@param store orchflow.Store
---@param status orchflow.Status
function M.take_status(store, status)
  -- A pushed status is about agents and runs; what it does not say of the host is as it was.
  status.host = status.host or store.status and store.status.host or nil
  -- Nor of what is measured only for who asks.
  local measured = {}
  for _, agent in ipairs(store.status and store.status.agents or {}) do
    measured[agent.key or ""] = agent
  end
  for _, agent in ipairs(status.agents or {}) do
    local before = measured[agent.key or ""]
    if before and agent.living and agent.cpu_percent == nil then
      agent.cpu_percent, agent.rss_bytes, agent.pss_bytes =
        before.cpu_percent, before.rss_bytes, before.pss_bytes
    end
  end
  store.status = status
end

--- Gives the worktrees of the agents known.
---@param store orchflow.Store
---@return string[]
function M.worktrees(store)
  local paths = {}
  for _, agent in ipairs(M.agents(store)) do
    paths[#paths + 1] = agent.worktree
  end
  -- A longer path first, so that one which begins another does not hide it.
  table.sort(paths, function(left, right)
    return #left > #right
  end)
  return paths
end

--- Takes pushed events; those already seen are left out.
---@param store orchflow.Store
---@param events orchflow.Event[]
---@param cursor? integer
---@return orchflow.Event[] fresh
function M.take_events(store, events, cursor)
  local fresh = {}
  for _, event in ipairs(events) do
    if not store.cursor or event.seq > store.cursor then
      fresh[#fresh + 1] = event
      store.cursor = event.seq
    end
  end
  store.cursor = math.max(store.cursor or 0, cursor or 0)
  vim.list_extend(store.events, fresh)
  if #store.events > 2 * KEPT_EVENTS then
    store.events = vim.list_slice(store.events, #store.events - KEPT_EVENTS + 1)
  end
  return fresh
end

--- Gives the agents known, none before the first status.
---@param store orchflow.Store
---@return orchflow.Agent[]
function M.agents(store)
  return store.status and store.status.agents or {}
end

--- Finds an agent by `NAME` (in the newest run that has it) or `RUN/NAME`.
---@param store orchflow.Store
---@param name string
---@return orchflow.Agent?
function M.agent(store, name)
  local found
  for _, agent in ipairs(M.agents(store)) do
    if agent.key == name then
      return agent
    elseif agent.agent == name and (not found or agent.run > found.run) then
      found = agent
    end
  end
  return found
end

--- Says whether any agent lives, as far as is known.
---@param store orchflow.Store
---@return boolean
function M.any_living(store)
  for _, agent in ipairs(M.agents(store)) do
    if agent.living then
      return true
    end
  end
  return false
end

return M
