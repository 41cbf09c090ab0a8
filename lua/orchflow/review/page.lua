--- One file of an agent as a review buffer shows it: what the host says of it, brought together.

local client = require("orchflow.client")
local forecast = require("orchflow.review.forecast")
local name_of = require("orchflow.review.name")

local M = {}

--- Hunks asked for at a time: an answer is read in one go.
local PAGE = 250

---@class orchflow.ReviewPage
---@field named orchflow.ReviewName
---@field run? integer
---@field agent string
---@field path string as shown
---@field state "loading"|"ready"|"failed"
---@field lines string[]
---@field hunks orchflow.Hunk[] ordered by line
---@field deleted boolean
---@field checkpoint? string
---@field turn? integer
---@field at? integer microseconds since 1970
---@field base_lines any[] as the host gives them; see `base_of()`
---@field is_behind boolean whether the agent wrote since
---@field was_shown boolean
---@field is_unsure? boolean whether something may have happened since it was last asked for
---@field note? string why there are no lines
---@field marks? table<string, integer[]> marks of the inline view, by hunk
---@field stale? table<integer, true> places of hunks whose marks are not drawn as they stand now
---@field width? integer cells that they were drawn for
---@field gutter? integer cells before those

--- Asks the host for all hunks of a file.
---@param params table
---@param done fun(failure?: orchflow.Failure, hunks?: orchflow.Hunk[])
---@param so_far? orchflow.Hunk[]
function M.fetch_hunks(params, done, so_far)
  local query = vim.tbl_extend("force", params, { state = "all", limit = PAGE })
  client.request("review", query, function(failure, result)
    if failure then
      done(failure)
      return
    end
    local hunks = vim.list_extend(so_far or {}, result.hunks or {})
    if result.next then
      M.fetch_hunks(vim.tbl_extend("force", params, { after = result.next }), done, hunks)
    else
      done(nil, hunks)
    end
  end)
end

--- Gives the hunks of one agent in one file, in the order of their lines.
---@param named orchflow.ReviewName
---@param run? integer
---@param hunks orchflow.Hunk[]
---@return orchflow.Hunk[]
function M.own(named, run, hunks)
  local path, agent = named.path, named.agent
  local found = vim.tbl_filter(function(hunk)
    local same_run = not run or hunk.run == run
    return name_of.bytes(hunk) == path and hunk.agent == agent and same_run
  end, hunks)
  local modified = forecast.modified()
  for _, hunk in ipairs(found) do
    forecast.mark(hunk, modified)
  end
  table.sort(found, function(left, right)
    if left.new_start ~= right.new_start then
      return left.new_start < right.new_start
    end
    return left.old_start < right.old_start
  end)
  return found
end

--- What a brief answer leaves out of a hunk whose content is the same.
local LEFT_OUT = {
  "removed",
  "added",
  "before",
  "after",
  "agent_path",
  "truncated",
  "turn",
  "changed_turn",
  "checkpoint",
}

--- Keeps of a hunk that is shown what does not change while its content is the same.
---@param shown orchflow.Hunk
---@param now orchflow.Hunk as the host says it now
local function keep(shown, now)
  for _, name in ipairs(LEFT_OUT) do
    now[name] = now[name] == nil and shown[name] or now[name]
  end
  -- Its place is that in the checkpoint which is shown.
  now.new_start, now.old_start = shown.new_start, shown.old_start
  -- The host may have answered before it heard of the last comment.
  now.comments = math.max(now.comments or 0, shown.comments or 0)
end

--- What is said of a hunk beside its lines, and shown with them.
local SHOWN = {
  "state",
  "comments",
  "changed",
  "forecast",
  "conflict_with",
  "words",
  "partly",
  "rivals",
  "rival_accepted",
}

---@param before orchflow.Hunk
---@param now orchflow.Hunk
---@return boolean
local function looks_the_same(before, now)
  for _, name in ipairs(SHOWN) do
    local was, is = before[name] or false, now[name] or false
    -- An empty list is as good as none.
    was, is = was ~= 0 and was, is ~= 0 and is
    if was ~= is and not vim.deep_equal(was or {}, is or {}) then
      return false
    end
  end
  return true
end

--- Notes what the host says of a page's hunks now; the page is behind where the agent has changed the file since.
---@param page orchflow.ReviewPage
---@param fresh orchflow.Hunk[]
---@return integer[] changed places of the hunks that look different
function M.update(page, fresh)
  local by_id, behind, changed, retold = {}, false, {}, false
  for _, hunk in ipairs(fresh) do
    by_id[hunk.id] = hunk
  end
  for index, hunk in ipairs(page.hunks) do
    local now = by_id[hunk.id]
    by_id[hunk.id] = nil
    if now and now.hash == hunk.hash then
      keep(hunk, now)
      -- Words are not said twice in a row, so those of a hunk bear on the next one.
      if retold or not looks_the_same(hunk, now) then
        changed[#changed + 1] = index
      end
      retold = hunk.words ~= now.words
      page.hunks[index] = now
    elseif hunk.state == "undecided" then
      behind = true
    end
  end
  page.is_behind = behind or next(by_id) ~= nil
  return changed
end

---@param lines any[]?
---@return string[]
local function shown_lines(lines)
  local shown = {}
  for index, line in ipairs(lines or {}) do
    line = tostring(line)
    -- Only line ends and NUL would break a buffer's line; everything else is shown as Neovim shows it. Most lines have
    -- none of them.
    shown[index] = line:find("[\r\n%z]") and line:gsub("\r?\n?$", ""):gsub("[\n%z]", " ") or line
  end
  return shown
end

---@param page orchflow.ReviewPage
---@param file table
---@return string? note
local function note_of(page, file)
  if file.too_big then
    return "The file is too big to be shown; i opens it in its worktree."
  elseif file.binary then
    return "The file is binary; i opens it in its worktree."
  elseif file.missing and #page.hunks == 0 then
    return "The agent has no such file."
  end
  return nil
end

--- Makes the page of a buffer that is still to be filled.
---@param named orchflow.ReviewName
---@return orchflow.ReviewPage
function M.loading(named)
  return {
    named = named,
    run = named.run,
    agent = named.agent,
    path = named.path,
    state = "loading",
    lines = {},
    base_lines = {},
    hunks = {},
    deleted = false,
    is_behind = false,
    was_shown = false,
    note = "asking the host…",
  }
end

--- Gives the lines that stood in a page's file before its agent changed it.
---@param page orchflow.ReviewPage
---@return string[]
function M.base_of(page)
  return shown_lines(page.base_lines)
end

--- Makes the page of a file.
---@param named orchflow.ReviewName
---@param file table the host's answer to `file`
---@param hunks orchflow.Hunk[] those of this file
---@return orchflow.ReviewPage
function M.make(named, file, hunks)
  local page = M.loading(named)
  page.state = "ready"
  page.run = file.run or named.run or (hunks[1] and hunks[1].run)
  page.path = file.path or named.path
  page.hunks = hunks
  page.base_lines = file.base_lines or {}
  page.deleted = file.missing == true and not file.base_missing
  page.checkpoint, page.turn, page.at = file.checkpoint, file.turn, file.at
  page.note = note_of(page, file)
  page.lines = page.note and {} or shown_lines(page.deleted and page.base_lines or file.lines)
  return page
end

return M
