--- What the keys of a review buffer do: decide, go on to the next undecided hunk, and do it again.
---
--- Going on does not wait for the host. What it refuses is said, and the cursor goes back to it where nobody has moved
--- it since.

local buffer_view = require("orchflow.review.buffer")
local client = require("orchflow.client")
local decide = require("orchflow.review.decide")
local inline = require("orchflow.view.inline")
local list = require("orchflow.review.list")
local message = require("orchflow.ui.message")
local seen = require("orchflow.review.seen")
local text = require("orchflow.view.text")
local walk = require("orchflow.review.walk")

local M = {}

--- Milliseconds for which a key may be pressed again to mean it.
local MEANT_MS = 10000

---@class orchflow.Action
---@field verb "accept"|"reject"|"comment"
---@field reason? string
---@field comment? string
---@field count? integer
---@field whole_file? boolean
---@field lines? { first: integer, last: integer }

---@type orchflow.Action?
local last_action
---@type { signature: string, at: integer }?
local asked

---@param count integer?
---@return orchflow.Hunk[]? hunks
---@return string? problem
local function targets(count)
  local window = vim.api.nvim_get_current_win()
  local page = buffer_view.page(vim.api.nvim_get_current_buf())
  if page and page.state == "loading" then
    return nil, "orchflow: the file is still being loaded"
  end
  local hunk, index = buffer_view.hunk_under(window)
  if not list.is_still() then
    return nil, "orchflow: it moved under the key; press again"
  elseif not page or not hunk then
    return nil, "orchflow: no hunk is on this line; ]h goes to the next undecided one"
  elseif decide.pending[hunk.id] then
    return nil, "orchflow: the host is still deciding this hunk"
  elseif hunk.state ~= "undecided" then
    return nil, ("orchflow: this hunk is %s already; u undoes the last decision"):format(hunk.state)
  end
  local hunks = {}
  for number = index, #page.hunks do
    if #hunks < (count or 1) and walk.is_open(page.hunks[number]) then
      hunks[#hunks + 1] = page.hunks[number]
    end
  end
  return hunks, nil
end

--- Says whether hunks may be accepted: what was not on the screen is accepted only by pressing the key again.
---@param hunks orchflow.Hunk[]
---@return boolean
local function may_accept(hunks)
  local hidden, signature, none_drawn = 0, {}, false
  for _, hunk in ipairs(hunks) do
    signature[#signature + 1] = hunk.id .. tostring(hunk.hash)
    if not seen.is_shown(hunk) then
      hidden = hidden + 1
      none_drawn = none_drawn or #hunks == 1 and not seen.is_partly_shown(hunk)
    end
  end
  if hidden == 0 then
    return true
  end
  local key = table.concat(signature, " ")
  local now = vim.uv.now()
  if asked and asked.signature == key and now - asked.at < MEANT_MS and not none_drawn then
    asked = nil
    return true
  end
  asked = { signature = key, at = now }
  if #hunks == 1 then
    message.warn("orchflow: not all of this hunk was on the screen yet; again accepts it unseen")
  else
    message.warn(
      ("orchflow: %d of %s %s not on the screen yet; again accepts them unseen"):format(
        hidden,
        text.count(#hunks, "hunk"),
        hidden == 1 and "was" or "were"
      )
    )
  end
  return false
end

---@param said string
---@return string
local function with_end(said)
  local finished = walk.finished
  walk.finished = nil
  return finished and ("%s; %s"):format(said, finished) or said
end

--- Goes back to a hunk that was refused, where the human has not moved since.
---@param window integer
---@param from { buffer: integer, cursor: integer[] } where the advance went
---@param hunk orchflow.Hunk
local function go_back(window, from, hunk)
  if
    not vim.api.nvim_win_is_valid(window)
    or vim.api.nvim_get_mode().mode ~= "n"
    or vim.fn.reg_recording() ~= ""
  then
    return
  end
  local stayed = vim.api.nvim_win_get_buf(window) == from.buffer
    and vim.deep_equal(vim.api.nvim_win_get_cursor(window), from.cursor)
  if stayed then
    list.moved()
    buffer_view.open(window, hunk)
    list.set_current(hunk)
  end
end

---@param window integer
---@param place { buffer: integer, cursor: integer[] }
---@param results table[]
---@param verb string
---@param hunks orchflow.Hunk[]
local function refused(window, place, results, verb, hunks)
  message.warn(decide.refusal(results, verb, hunks))
  for _, hunk in ipairs(hunks) do
    if hunk.id == results[1].id then
      local buffer = buffer_view.buffer_of(hunk)
      local page = buffer_view.page(buffer)
      local stale = results[1].code == "hash_mismatch" or results[1].code == "unknown_hunk"
      if stale and page then
        -- What is shown is not what the agent has: a decision on it would be one on bytes nobody saw.
        buffer_view.load(buffer, function()
          go_back(window, place, hunk)
        end)
      else
        go_back(window, place, hunk)
      end
      return
    end
  end
end

---@param method "accept"|"reject"
---@param hunks orchflow.Hunk[]
---@param reason? string
local function send_decision(method, hunks, reason)
  local window = vim.api.nvim_get_current_win()
  local state = method == "accept" and "accepted" or "rejected"
  local place
  decide.decide(method, hunks, { reason = reason }, function(failure, result)
    if failure then
      message.failure(failure, "orchflow: " .. method)
      return
    end
    local bad = vim.tbl_filter(function(each)
      return each.state == "refused"
    end, result.results or {})
    if #bad > 0 then
      refused(window, place, bad, state, hunks)
    else
      decide.show(method, result.results or {}, false, with_end)
    end
  end)
  local has_whole = #vim.tbl_filter(function(hunk)
    return hunk.lines == nil
  end, hunks) > 0
  -- What is left of a hunk in parts is decided next, so the cursor stays.
  if has_whole then
    walk.advance(window)
  end
  place = {
    buffer = vim.api.nvim_win_get_buf(window),
    cursor = vim.api.nvim_win_get_cursor(window),
  }
end

--- Counts a comment in what is shown. The host may have told of the hunks anew while the comment was typed.
---@param hunks orchflow.Hunk[]
---@param step 1|-1
local function count_comment(hunks, step)
  for _, hunk in ipairs(hunks) do
    local page = buffer_view.page(vim.api.nvim_get_current_buf())
    local shown = page and buffer_view.find(page, hunk.id) or hunk
    local count = math.max(0, (shown.comments or 0) + step)
    hunk.comments = count
    buffer_view.note_comments(hunk.id, count)
    list.note_comments(hunk.id, count)
  end
end

---@param hunks orchflow.Hunk[]
---@param comment string
local function send_comment(hunks, comment)
  local window = vim.api.nvim_get_current_win()
  hunks = vim.tbl_map(function(hunk)
    -- A comment on some lines is one on their hunk.
    return hunk.lines and getmetatable(hunk).__index or hunk
  end, hunks)
  count_comment(hunks, 1)
  local about = vim.tbl_map(function(hunk)
    return { id = hunk.id, hash = hunk.hash }
  end, hunks)
  local params = { hunks = about, text = comment }
  client.request("comment", params, function(failure, result)
    if failure then
      message.failure(failure, "orchflow: comment")
      count_comment(hunks, -1)
      list.refresh_soon()
      buffer_view.refresh_soon()
      return
    end
    local names = vim.tbl_map(function(prompt)
      return text.clean(prompt.agent)
    end, result.prompts or {})
    message.info(with_end("comment sent to " .. table.concat(names, ", ")))
    list.refresh_soon()
    buffer_view.refresh_soon()
  end)
  walk.advance(window)
end

--- Asks for a text; nothing happens without an answer.
---@param options { verb: string, hunks: orchflow.Hunk[], prompt: string }
---@param answered fun(typed: string)
local function ask_text(options, answered)
  local window = vim.api.nvim_get_current_win()
  require("orchflow.review.ask").text(options, function(typed)
    if vim.api.nvim_win_is_valid(window) then
      vim.api.nvim_set_current_win(window)
    end
    answered(typed)
  end)
end

--- Carries out an action on hunks, asking for the text that it still wants.
---@param action orchflow.Action
---@param hunks orchflow.Hunk[]
local function carry_out(action, hunks)
  local what = #hunks == 1 and text.clean(hunks[1].agent) or text.count(#hunks, "hunk")
  if action.verb == "accept" then
    if may_accept(hunks) then
      last_action = action
      send_decision("accept", hunks, nil)
    end
  elseif action.verb == "reject" then
    if action.reason then
      last_action = action
      send_decision("reject", hunks, action.reason ~= "" and action.reason or nil)
      return
    end
    local prompt = ("Reject %s because (empty: no reason): "):format(what)
    ask_text({ verb = "reject", hunks = hunks, prompt = prompt }, function(typed)
      action.reason = vim.trim(typed)
      last_action = action
      send_decision("reject", hunks, action.reason ~= "" and action.reason or nil)
    end)
  elseif action.comment then
    last_action = action
    send_comment(hunks, action.comment)
  else
    local prompt = ("Comment for %s: "):format(what)
    ask_text({ verb = "comment", hunks = hunks, prompt = prompt }, function(typed)
      if vim.trim(typed) ~= "" then
        action.comment = typed
        last_action = action
        send_comment(hunks, typed)
      end
    end)
  end
end

--- Decides the hunk under the cursor, and as many undecided ones after it as a count says.
---@param verb "accept"|"reject"|"comment"
---@param extra? { reason?: string, comment?: string }
function M.here(verb, extra)
  local count = vim.v.count1
  local hunks, problem = targets(count)
  if not hunks then
    message.info(problem --[[@as string]])
    return
  end
  carry_out(vim.tbl_extend("force", { verb = verb, count = count }, extra or {}), hunks)
end

--- Decides all undecided hunks of the file.
---@param verb "accept"|"reject"
---@param extra? { reason?: string }
function M.file(verb, extra)
  local page = buffer_view.page(vim.api.nvim_get_current_buf())
  local hunks = page and page.state == "ready" and vim.tbl_filter(walk.is_open, page.hunks) or {}
  if #hunks == 0 then
    message.info("orchflow: no undecided hunk is in this file")
    return
  end
  carry_out(vim.tbl_extend("force", { verb = verb, whole_file = true }, extra or {}), hunks)
end

--- Decides lines: of each hunk in the range only those lines that stand in it.
---@param verb "accept"|"reject"|"comment"
---@param first integer
---@param last integer
---@param extra? { reason?: string, comment?: string }
function M.lines(verb, first, last, extra)
  local buffer = vim.api.nvim_get_current_buf()
  local page = buffer_view.page(buffer)
  local hunks = {}
  for _, hunk in ipairs(buffer_view.hunks_at(buffer, first, last) or {}) do
    if page and walk.is_open(hunk) then
      local part = not page.deleted and inline.part(hunk, first, last, #page.lines) or nil
      hunks[#hunks + 1] = part and setmetatable({ lines = part }, { __index = hunk }) or hunk
    end
  end
  if #hunks == 0 then
    message.info("orchflow: no undecided hunk is in these lines")
    return
  end
  local action = { verb = verb, lines = { first = first, last = last } }
  carry_out(vim.tbl_extend("force", action, extra or {}), hunks)
end

--- Does the last action again, at the cursor, with the same words.
function M.again()
  local action = last_action
  if not action then
    message.info("orchflow: nothing was decided yet")
    return
  end
  local extra = { reason = action.reason, comment = action.comment }
  if action.whole_file then
    M.file(action.verb --[[@as "accept"|"reject"]], extra)
  elseif action.lines then
    local first = vim.api.nvim_win_get_cursor(0)[1]
    M.lines(action.verb, first, first + action.lines.last - action.lines.first, extra)
  else
    local count = vim.v.count > 0 and vim.v.count or action.count
    local hunks, problem = targets(count)
    if hunks then
      carry_out(vim.tbl_extend("force", { verb = action.verb, count = count }, extra), hunks)
    else
      message.info(problem --[[@as string]])
    end
  end
end

---@param method "undo"|"redo"
---@param left integer how often still
local function turn_back(method, left)
  local window = vim.api.nvim_get_current_win()
  client.request(method, {}, function(failure, result)
    if failure then
      message.failure(failure, "orchflow: " .. method)
      return
    end
    decide.take_back(method, result)
    message.info(decide.undone(method, result))
    local hunk = list.find_exact(result.id)
    local page = buffer_view.page(vim.api.nvim_win_get_buf(window))
    hunk = page and buffer_view.find(page, result.id) or hunk
    if hunk and page and vim.api.nvim_get_current_win() == window then
      list.set_current(hunk)
      buffer_view.open(window, hunk)
    end
    if left > 1 then
      turn_back(method, left - 1)
    end
  end)
end

--- Undoes the last decision, or as many as a count says, and goes to what was decided.
function M.undo()
  turn_back("undo", vim.v.count1)
end

--- Makes again what was undone last.
function M.redo()
  turn_back("redo", vim.v.count1)
end

return M
