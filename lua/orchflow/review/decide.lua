--- Accept, reject, comment, undo: asks the host, says in one line what came of it, and goes on to the next hunk.

local buffer_view = require("orchflow.review.buffer")
local client = require("orchflow.client")
local list = require("orchflow.review.list")
local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")

local M = {}

---@param hunks orchflow.Hunk[]
---@return table[] references as the host takes them
function M.references(hunks)
  return vim.tbl_map(function(hunk)
    return { id = hunk.id, hash = hunk.hash }
  end, hunks)
end

--- Counts the listed hunks of an agent, and those of them that are decided in a way.
---@param hunks orchflow.Hunk[]
---@param agent string
---@param state string
---@return integer decided
---@return integer all
function M.progress(hunks, agent, state)
  local decided, all = 0, 0
  for _, hunk in ipairs(hunks) do
    if hunk.agent == agent then
      all = all + 1
      decided = decided + (hunk.state == state and 1 or 0)
    end
  end
  return decided, all
end

---@param hunks orchflow.Hunk[]
---@return table<string, orchflow.Hunk>
local function by_id(hunks)
  local known = {}
  for _, hunk in ipairs(hunks) do
    known[hunk.id] = hunk
  end
  return known
end

---@param result table one of the host's results
---@param known table<string, orchflow.Hunk> by id
---@return string path
---@return string agent
local function place_of(result, known)
  local hunk = known[result.id] or {}
  return text.clean(result.path or hunk.path or result.id),
    text.clean(result.agent or hunk.agent or "")
end

--- Says in one line what came of a decision that was carried out.
---@param results table[]
---@param state "accepted"|"rejected"
---@param hunks orchflow.Hunk[] as listed, decided already
---@return string
function M.summary(results, state, hunks)
  local known = by_id(hunks)
  local path, agent = place_of(results[1], known)
  local arrow = state == "accepted" and " → " or ": "
  if #results == 1 then
    local decided, all = M.progress(hunks, agent, state)
    local progress = all > 1 and (" %d/%d"):format(decided, all) or ""
    local already = results[1].already and " already" or ""
    local unsaved = results[1].applied_to == "buffer" and ", not saved" or ""
    return ("%s%s %s%s%s%s%s (undo: :Orchflow undo)"):format(
      agent,
      progress,
      state,
      already,
      arrow,
      path,
      unsaved
    )
  end
  local paths, seen = {}, {}
  for _, result in ipairs(results) do
    local each = place_of(result, known)
    if not seen[each] then
      seen[each] = true
      paths[#paths + 1] = each
    end
  end
  local where = #paths == 1 and paths[1] or text.count(#paths, "file")
  return ("%s %s%s%s (undo: :Orchflow undo, one by one)"):format(
    text.count(#results, "hunk"),
    state,
    arrow,
    where
  )
end

--- Says what was refused, and why.
---@param refused table[]
---@param verb string
---@param hunks orchflow.Hunk[] as listed
---@return string
function M.refusal(refused, verb, hunks)
  local first = refused[1]
  local path, agent = place_of(first, by_id(hunks))
  local why = text.clean(first.message or first.code or "refused")
  local sentence = ("%s %s not %s: %s"):format(agent, path, verb, why)
  if first.hint and first.hint ~= "" then
    sentence = ("%s (%s)"):format(sentence, text.clean(first.hint))
  end
  if #refused > 1 then
    sentence = ("%s; and %d more"):format(sentence, #refused - 1)
  end
  return vim.trim(sentence)
end

--- Takes the host's results into what is shown.
---@param results table[]
---@param state "accepted"|"rejected"
---@return table[] done
---@return table[] refused
function M.take(results, state)
  local done, refused, decided = {}, {}, {}
  for _, result in ipairs(results) do
    if result.state == state then
      done[#done + 1] = result
      decided[result.id] = state
    else
      refused[#refused + 1] = result
    end
  end
  if #done > 0 then
    list.decide(decided)
    buffer_view.decide(decided)
    list.refresh_soon()
  end
  return done, refused
end

--- Accepts or rejects hunks.
---@param method "accept"|"reject"
---@param hunks orchflow.Hunk[]
---@param extra { reason?: string, dry_run?: boolean }
---@param respond fun(failure?: orchflow.Failure, result?: table, raw?: table)
function M.decide(method, hunks, extra, respond)
  local params = vim.tbl_extend("force", { hunks = M.references(hunks) }, extra)
  client.request(method, params, function(failure, result, raw)
    if not failure and not extra.dry_run then
      M.take(result.results or {}, method == "accept" and "accepted" or "rejected")
    end
    respond(failure, result, raw)
  end)
end

--- Shows the outcome of a decision.
---@param method "accept"|"reject"
---@param results table[]
---@param dry_run? boolean
function M.show(method, results, dry_run)
  local state = method == "accept" and "accepted" or "rejected"
  local done, refused = {}, {}
  for _, result in ipairs(results) do
    table.insert(result.state == "refused" and refused or done, result)
  end
  if #refused > 0 then
    message.warn(M.refusal(refused, state, list.hunks()))
  elseif dry_run then
    message.info(("%s would be %s"):format(text.count(#done, "hunk"), state))
  elseif #done > 0 then
    message.info(M.summary(done, state, list.hunks()))
  end
end

--- Takes an undone decision into what is shown.
---@param result { id: string }
function M.take_undo(result)
  buffer_view.decide({ [result.id] = "undecided" })
  for _, hunk in ipairs(list.hunks()) do
    if hunk.id == result.id then
      hunk.state = "undecided"
    end
  end
  list.refresh_soon()
end

return M
