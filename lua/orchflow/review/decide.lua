--- Accept, reject, comment, undo: asks the host, says in one line what came of it, and goes on to the next hunk.

local buffer_view = require("orchflow.review.buffer")
local client = require("orchflow.client")
local list = require("orchflow.review.list")
local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")

local M = {}

--- Hunks whose decision the host has not answered yet, by id.
---@type table<string, true>
M.pending = {}

--- Names hunks as the host takes them: the hash of what was shown goes along, so that nothing else is decided.
---@param hunks orchflow.Hunk[]
---@return table[]
function M.references(hunks)
  return vim.tbl_map(function(hunk)
    return { id = hunk.id, hash = hunk.hash, lines = hunk.lines }
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

--- Says how what was just done is undone from where the human is.
---@return string
local function undo_hint()
  local key = require("orchflow.config").get().keys.undo
  local window = vim.api.nvim_get_current_win()
  local has_keys = buffer_view.page(vim.api.nvim_win_get_buf(window)) or list.is_shown_in(window)
  return key and has_keys and key .. " undoes" or "undo: :Orchflow undo"
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
    local progress = all > 1 and not results[1].part and (" %d/%d"):format(decided, all) or ""
    local already = results[1].already and " already" or ""
    local unsaved = results[1].applied_to == "buffer" and ", not saved" or ""
    local part = results[1].part and " in part" or ""
    return ("%s%s %s%s%s%s%s%s (%s)"):format(
      agent,
      progress,
      state,
      part,
      already,
      arrow,
      path,
      unsaved,
      undo_hint()
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
  return ("%s %s%s%s (%s, one by one)"):format(
    text.count(#results, "hunk"),
    state,
    arrow,
    where,
    undo_hint()
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
    if result.state ~= "refused" then
      done[#done + 1] = result
      -- A part that was decided leaves the hunk open.
      if result.state == state and not result.part then
        decided[result.id] = state
      end
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

--- Goes on to the next undecided hunk in the current window, where it still shows one that was just decided.
---@param decided table[] results
local function go_on(decided)
  local window = vim.api.nvim_get_current_win()
  local here = buffer_view.hunk_under(window)
  for _, result in ipairs(here and decided or {}) do
    if result.id == here.id and here.state ~= "undecided" then
      buffer_view.move(window, 1, function(hunk)
        return hunk.state == "undecided" and not M.pending[hunk.id]
      end)
      return
    end
  end
end

--- Accepts or rejects hunks.
---@param method "accept"|"reject"
---@param hunks orchflow.Hunk[]
---@param extra { reason?: string, dry_run?: boolean }
---@param respond fun(failure?: orchflow.Failure, result?: table, raw?: table)
function M.decide(method, hunks, extra, respond)
  local params = vim.tbl_extend("force", { hunks = M.references(hunks) }, extra)
  local parts = {}
  for _, hunk in ipairs(hunks) do
    M.pending[hunk.id] = not extra.dry_run or nil
    parts[hunk.id] = hunk.lines ~= nil
  end
  client.request(method, params, function(failure, result, raw)
    for _, hunk in ipairs(hunks) do
      M.pending[hunk.id] = nil
    end
    if not failure and not extra.dry_run then
      for _, each in ipairs(result.results or {}) do
        each.part = parts[each.id] and each.state ~= "refused" or nil
      end
      local done = M.take(result.results or {}, method == "accept" and "accepted" or "rejected")
      go_on(done)
    end
    respond(failure, result, raw)
  end)
end

--- Shows the outcome of a decision.
---@param method "accept"|"reject"
---@param results table[]
---@param dry_run? boolean
---@param finish? fun(said: string): string adds what else is to be said
function M.show(method, results, dry_run, finish)
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
    local said = M.summary(done, state, list.hunks())
    message.info(finish and finish(said) or said)
  end
end

--- Takes an undone decision, or one that was made again, into what is shown.
---@param method "undo"|"redo"
---@param result { id: string, redone?: string }
function M.take_back(method, result)
  local state = "undecided"
  if method == "redo" then
    state = tostring(result.redone):find("reject") and "rejected" or "accepted"
  end
  buffer_view.decide({ [result.id] = state })
  list.note({ [result.id] = state })
  list.refresh_soon()
end

--- Says what was undone or made again.
---@param method "undo"|"redo"
---@param result table
---@return string
function M.undone(method, result)
  local said = text.clean(result.message)
  if said ~= "" then
    return said
  end
  return ("%s: %s of %s %s"):format(
    method == "undo" and "undone" or "made again",
    text.clean(result.undone or result.redone),
    text.clean(result.agent),
    text.clean(result.path)
  )
end

return M
