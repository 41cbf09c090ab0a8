--- Hunks as lines: the aligned columns of the quickfix list, and the diff of a review buffer. Pure.

local text = require("orchflow.view.text")

local M = {}

local MAX_PATH = 44
local MAX_HEADING = 40

---@class orchflow.Hunk
---@field id string
---@field hash string
---@field agent string
---@field run integer
---@field key string `RUN/NAME`
---@field turn integer
---@field path string repository-relative
---@field path_b64? string where the path is not UTF-8
---@field user_path string absolute, in the human's tree
---@field agent_path? string absolute, in the agent's worktree
---@field line integer 1-based, in the human's file as it is
---@field old_start integer
---@field old_lines integer
---@field new_start integer
---@field new_lines integer
---@field insertions integer
---@field deletions integer
---@field change string
---@field heading string
---@field removed string[]
---@field added string[]
---@field before string[]
---@field after string[]
---@field state "undecided"|"accepted"|"rejected"
---@field comments? integer
---@field truncated? boolean whether lines of it were left out
---@field changed_since? boolean

--- What a change is called where it is not a plain edit of lines.
local CHANGES = {
  added = "new file",
  deleted = "deletes the file",
  replaced = "replaces the file",
  binary = "binary",
  mode = "mode",
  commit = "submodule",
  too_large = "too large to show",
}

local MARKS = { accepted = "+", rejected = "x" }

--- Gives the sign that stands before a hunk: decided, or changed since it was listed.
---@param hunk orchflow.Hunk
---@return string
function M.mark(hunk)
  return MARKS[hunk.state] or (hunk.changed_since and "~") or " "
end

--- Says what kind of change a hunk is where that is not a plain edit, else where in the file it is.
---@param hunk orchflow.Hunk
---@return string
function M.heading(hunk)
  return CHANGES[hunk.change] or text.cut(vim.trim(text.clean(hunk.heading)), MAX_HEADING)
end

--- Gives the lines of the base that a hunk stands on.
---@param hunk orchflow.Hunk
---@return integer first
---@return integer last
local function base_range(hunk)
  local first = tonumber(hunk.old_start) or 0
  return first, first + math.max(tonumber(hunk.old_lines) or 0, 1) - 1
end

---@class orchflow.Rivalry
---@field place integer 1-based place among the rivals
---@field count integer rivals in all, this one included
---@field first orchflow.Hunk the one the others are measured against: an accepted one, else the first listed

---@param group orchflow.Hunk[] hunks whose lines overlap
---@param rivalries table<orchflow.Hunk, orchflow.Rivalry>
---@param places table<orchflow.Hunk, integer>
local function close_group(group, rivalries, places)
  local agents, count = {}, 0
  for _, hunk in ipairs(group) do
    if not agents[hunk.key] then
      agents[hunk.key] = true
      count = count + 1
    end
  end
  if count < 2 then
    return
  end
  table.sort(group, function(left, right)
    return places[left] < places[right]
  end)
  local first = group[1]
  for _, hunk in ipairs(group) do
    if hunk.state == "accepted" and first.state ~= "accepted" then
      first = hunk
    end
  end
  for place, hunk in ipairs(group) do
    rivalries[hunk] = { place = place, count = #group, first = first }
  end
end

--- Finds rivals: hunks of several agents of one run that change the same lines of the same file.
---@param hunks orchflow.Hunk[]
---@return table<orchflow.Hunk, orchflow.Rivalry>
function M.rivalries(hunks)
  local by_file, places = {}, {}
  for place, hunk in ipairs(hunks) do
    places[hunk] = place
    local file = ("%s\0%s"):format(hunk.run, hunk.path)
    by_file[file] = by_file[file] or {}
    table.insert(by_file[file], hunk)
  end
  local rivalries = {}
  for _, of_file in pairs(by_file) do
    table.sort(of_file, function(left, right)
      local left_first, right_first = base_range(left), base_range(right)
      if left_first ~= right_first then
        return left_first < right_first
      end
      return places[left] < places[right]
    end)
    local group, reach = {}, -1
    for _, hunk in ipairs(of_file) do
      local first, last = base_range(hunk)
      if #group > 0 and first > reach then
        close_group(group, rivalries, places)
        group, reach = {}, -1
      end
      group[#group + 1] = hunk
      reach = math.max(reach, last)
    end
    close_group(group, rivalries, places)
  end
  return rivalries
end

--- Says what else the human should know of a hunk.
---@param hunk orchflow.Hunk
---@param rivalry? orchflow.Rivalry
---@return string
function M.note(hunk, rivalry)
  local notes = {}
  if hunk.state ~= "undecided" then
    notes[#notes + 1] = hunk.state
  elseif hunk.changed_since then
    notes[#notes + 1] = "changed since you saw it"
  end
  if rivalry and hunk.state == "undecided" then
    local first = ("%s:%s"):format(text.clean(rivalry.first.agent), text.clean(rivalry.first.line))
    if rivalry.first == hunk then
      notes[#notes + 1] = ("rival %d/%d"):format(rivalry.place, rivalry.count)
    elseif rivalry.first.state == "accepted" then
      notes[#notes + 1] = "rival of accepted " .. first
    else
      notes[#notes + 1] = ("rival %d/%d of %s"):format(rivalry.place, rivalry.count, first)
    end
  end
  if (hunk.comments or 0) > 0 then
    notes[#notes + 1] = text.count(hunk.comments, "comment")
  end
  return table.concat(notes, ", ")
end

---@param hunk orchflow.Hunk
---@return string insertions
---@return string deletions
local function counts(hunk)
  local insertions, deletions = hunk.insertions or 0, hunk.deletions or 0
  return insertions > 0 and "+" .. insertions or "", deletions > 0 and "-" .. deletions or ""
end

--- Shortens a path from the left, where it says least.
---@param path string
---@return string
local function short_path(path)
  local cleaned = text.clean(path):gsub("|", "¦")
  local excess = vim.fn.strcharlen(cleaned) - MAX_PATH
  return excess > 0 and "…" .. vim.fn.strcharpart(cleaned, excess + 1) or cleaned
end

---@class orchflow.QuickfixText
---@field lines string[] one for each hunk

--- Writes the lines of the quickfix list, in aligned columns.
---@param hunks orchflow.Hunk[]
---@return string[]
function M.quickfix_lines(hunks)
  local rivalries = M.rivalries(hunks)
  local several_runs = false
  for _, hunk in ipairs(hunks) do
    several_runs = several_runs or hunk.run ~= hunks[1].run
  end
  local rows, widths, paths = {}, { 0, 0, 0, 0, 0 }, {}
  for _, hunk in ipairs(hunks) do
    paths[hunk.path] = paths[hunk.path] or short_path(hunk.path)
    local insertions, deletions = counts(hunk)
    local row = {
      ("%s|%d I|"):format(paths[hunk.path], hunk.line or 1),
      text.clean(several_runs and hunk.key or hunk.agent),
      insertions,
      deletions,
      M.heading(hunk),
      M.mark(hunk),
      M.note(hunk, rivalries[hunk]),
    }
    for column = 1, 5 do
      widths[column] = math.max(widths[column], text.width(row[column]))
    end
    rows[#rows + 1] = row
  end
  local lines = {}
  for index, row in ipairs(rows) do
    local line = table.concat({
      text.pad(row[1], widths[1]),
      row[6],
      text.pad(row[2], widths[2]),
      text.pad(row[3], widths[3]),
      text.pad(row[4], widths[4]),
      text.pad(row[5], widths[5]),
    }, " ") .. "  " .. row[7]
    lines[index] = (line:gsub("%s+$", ""))
  end
  return lines
end

--- Orders hunks by file and line, so that rivals stand together.
---@param hunks orchflow.Hunk[]
---@return orchflow.Hunk[]
function M.in_order(hunks)
  local places = {}
  for place, hunk in ipairs(hunks) do
    places[hunk] = place
  end
  local ordered = vim.list_slice(hunks, 1)
  table.sort(ordered, function(left, right)
    if left.path ~= right.path then
      return left.path < right.path
    elseif left.line ~= right.line then
      return (left.line or 0) < (right.line or 0)
    end
    return places[left] < places[right]
  end)
  return ordered
end

--- Puts freshly fetched undecided hunks into the list that is shown: what is there keeps its place, what was decided
--- here stays to be seen, what is gone leaves, and what is new joins the hunks of its file.
---@param old orchflow.Hunk[]
---@param fetched orchflow.Hunk[]
---@return orchflow.Hunk[]
function M.merge(old, fetched)
  local fresh, taken = {}, {}
  for _, hunk in ipairs(fetched) do
    fresh[hunk.id .. hunk.key] = hunk
  end
  local merged = {}
  for _, hunk in ipairs(old) do
    local name = hunk.id .. hunk.key
    if fresh[name] then
      local hunk_now = fresh[name]
      hunk_now.changed_since = hunk_now.changed_since or (hunk.hash ~= hunk_now.hash) or nil
      merged[#merged + 1] = hunk_now
      taken[name] = true
    elseif hunk.state ~= "undecided" then
      merged[#merged + 1] = hunk
    end
  end
  local last_of_file = {}
  for index, hunk in ipairs(merged) do
    last_of_file[hunk.path] = index
  end
  local joining, at_the_end = {}, {}
  for _, hunk in ipairs(fetched) do
    if not taken[hunk.id .. hunk.key] then
      local after = last_of_file[hunk.path]
      if after then
        joining[after] = joining[after] or {}
        table.insert(joining[after], hunk)
      else
        at_the_end[#at_the_end + 1] = hunk
      end
    end
  end
  local whole = {}
  for index, hunk in ipairs(merged) do
    whole[#whole + 1] = hunk
    vim.list_extend(whole, joining[index] or {})
  end
  return vim.list_extend(whole, at_the_end)
end

---@param page orchflow.Page
---@param sign string
---@param lines string[]
---@param hunk orchflow.Hunk
local function add_lines(page, sign, lines, hunk)
  for _, line in ipairs(lines or {}) do
    -- Only line ends and NUL would break a buffer's line; everything else is shown as Neovim shows it.
    page.lines[#page.lines + 1] = sign .. tostring(line):gsub("[\r\n%z]+$", ""):gsub("[\n%z]", " ")
    page.rows[#page.lines] = hunk
  end
end

--- Draws the hunks of one agent in one file as a diff.
---@param hunks orchflow.Hunk[]
---@param title string
---@return orchflow.Page page its rows are hunks
function M.diff(hunks, title)
  local page = text.page()
  page:add({ { text.clean(title), "OrchflowTitle" } })
  if #hunks == 0 then
    page:add({ { "no change is left here", "OrchflowMuted" } })
  end
  for index, hunk in ipairs(hunks) do
    page:add({ "" })
    local insertions, deletions = counts(hunk)
    local state = hunk.state ~= "undecided" and hunk.state
      or hunk.changed_since and "changed since you saw it"
      or ""
    local head = ("@@ -%d,%d +%d,%d @@ %s"):format(
      hunk.old_start or 0,
      hunk.old_lines or 0,
      hunk.new_start or 0,
      hunk.new_lines or 0,
      M.heading(hunk)
    )
    local words = { ("hunk %d/%d"):format(index, #hunks), "turn " .. tostring(hunk.turn or 0) }
    vim.list_extend(words, { insertions, deletions, state })
    words = vim.tbl_filter(function(word)
      return word ~= ""
    end, words)
    page:add(
      { { head, "OrchflowHunk" }, { "  " .. table.concat(words, "  "), "OrchflowMuted" } },
      hunk
    )
    add_lines(page, " ", hunk.before, hunk)
    add_lines(page, "-", hunk.removed, hunk)
    add_lines(page, "+", hunk.added, hunk)
    add_lines(page, " ", hunk.after, hunk)
    if hunk.truncated then
      add_lines(page, "\\ ", { "the rest of this hunk is not shown here" }, hunk)
    end
  end
  return page
end

--- Writes one line a hunk, for a terminal.
---@param hunk orchflow.Hunk
---@return string
function M.plain(hunk)
  local insertions, deletions = counts(hunk)
  return (
    ("%s  %s:%d  %s %s %s %s")
      :format(
        text.clean(hunk.id),
        text.clean(hunk.path),
        hunk.line or 1,
        text.clean(hunk.agent),
        insertions,
        deletions,
        M.heading(hunk)
      )
      :gsub(" +$", "")
  )
end

return M
