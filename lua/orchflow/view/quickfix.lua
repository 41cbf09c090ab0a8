--- Hunks as lines of the quickfix list, in columns that are read in the width there is. Pure.

local text = require("orchflow.view.text")
local view = require("orchflow.view.hunk")

local M = {}

--- Shortens a path from the left, where it says least.
---@param path string
---@param width integer
---@return string
local function short_path(path, width)
  local cleaned = text.clean(path):gsub("|", "¦")
  local excess = text.width(cleaned) - width
  if excess <= 0 then
    return cleaned
  end
  return "…" .. vim.fn.strcharpart(cleaned, excess + 1)
end

---@class orchflow.QuickfixLayout
---@field path integer most cells of a path
---@field widths integer[] of place, agent, insertions, deletions, heading
---@field several_runs boolean
---@field paths table<integer, table<string, orchflow.QuickfixPath>> by digits of the line's number
---@field tails table<any, any> `orchflow.QuickfixTail` by all that they say, a table in another for each of it

--- What a note mostly wants, as `changed since you saw it`, and the most that is kept free for one.
local NOTE_WIDTH, MAX_NOTE_WIDTH = 24, 33
--- Of a name that is longer than most, the line it stands at is given up.
local MAX_RIVAL_WIDTH = 28

--- Gives the cells that the longest note about a rival wants, if it is not too long.
---@param hunk orchflow.Hunk
---@return integer
local function rival_width(hunk)
  if hunk.state ~= "undecided" then
    return 0
  elseif hunk.rival_accepted then
    return math.min(#view.rival_note(hunk), MAX_RIVAL_WIDTH)
  end
  local longest = 0
  for _, rival in ipairs(hunk.rivals or {}) do
    local width = #"rival 2/3 of :" + #rival.agent + #tostring(view.rival_line(rival) or "")
    longest = math.max(longest, math.min(width, MAX_RIVAL_WIDTH))
  end
  local conflict = longest > 0 and hunk.forecast == "conflict"
  return conflict and #"conflicts: your buffer, rival 1/3" or longest
end

--- Measures the columns of the quickfix list, so that a line is read in the width there is.
---@param hunks orchflow.Hunk[]
---@param width? integer cells of the window; 80 where absent
---@return orchflow.QuickfixLayout
function M.layout(hunks, width)
  local widest, longest, several_runs, headings = { 0, 0, 0, 0, 0 }, 0, false, 0
  local notes = NOTE_WIDTH
  for _, hunk in ipairs(hunks) do
    several_runs = several_runs or hunk.run ~= hunks[1].run
  end
  for _, hunk in ipairs(hunks) do
    local agent = several_runs and hunk.key or hunk.agent
    local insertions, deletions = view.counts(hunk)
    longest = math.max(longest, #hunk.path + #tostring(view.line(hunk)))
    widest[2] = math.max(widest[2], #agent)
    widest[3] = math.max(widest[3], #insertions)
    widest[4] = math.max(widest[4], #deletions)
    headings = math.max(headings, #view.heading(hunk))
    notes = math.max(notes, rival_width(hunk))
  end
  widest[2] = math.min(widest[2], 16)
  -- `|`, ` I|`, the mark and the spaces between the columns, two before the note.
  local fixed = 1 + 3 + 3 + widest[2] + 1 + widest[3] + 1 + widest[4] + 1 + 2
  local room = math.max((width or 80) - fixed - math.min(notes, MAX_NOTE_WIDTH), 20)
  widest[5] = math.min(headings, math.max(room - longest, math.floor(room / 3), 6))
  local place = math.min(longest, room - widest[5])
  widest[1] = place + 4
  return {
    path = place,
    widths = widest,
    several_runs = several_runs,
    paths = {},
    tails = {},
  }
end

--- Gives a value as it stands in a column: cut, and filled with spaces.
---@param layout orchflow.QuickfixLayout
---@param column integer
---@param value string
---@return string
local function cell(layout, column, value)
  local width = layout.widths[column]
  return text.pad(text.cut(text.clean(value), width), width)
end

---@class orchflow.QuickfixPath
---@field text string
---@field cells integer

--- Gives a path as it stands before a line's number.
---@param layout orchflow.QuickfixLayout
---@param path string
---@param digits integer of the line's number
---@return orchflow.QuickfixPath
local function path_cell(layout, path, digits)
  local known = layout.paths[digits]
  if not known then
    known = {}
    layout.paths[digits] = known
  end
  local shown = known[path]
  if not shown then
    local short = short_path(path, layout.path - digits)
    shown = { text = short, cells = text.width(short) }
    known[path] = shown
  end
  return shown
end

---@class orchflow.QuickfixTail
---@field columns string what stands behind an entry's place
---@field entry string what other programs show of it

--- Writes all of an entry but its place.
---@param hunk orchflow.Hunk
---@param layout orchflow.QuickfixLayout
---@param mark string
---@param note string
---@return orchflow.QuickfixTail
local function write_tail(hunk, layout, mark, note)
  local insertions, deletions = view.counts(hunk)
  local agent = layout.several_runs and hunk.key or hunk.agent
  local heading = view.heading(hunk)
  local columns = {
    mark,
    cell(layout, 2, agent),
    cell(layout, 3, insertions),
    cell(layout, 4, deletions),
    cell(layout, 5, heading),
  }
  local shown = " " .. table.concat(columns, " ")
  local words =
    { mark ~= " " and mark or "", text.clean(agent), insertions, deletions, heading, note }
  return {
    columns = note ~= "" and shown .. "  " .. note or (shown:gsub("%s+$", "")),
    entry = table.concat(
      vim.tbl_filter(function(word)
        return word ~= ""
      end, words),
      " "
    ),
  }
end

--- Gives what stands in a table, a new table where there is nothing.
---@param tree table
---@param name any
---@return table
local function branch(tree, name)
  local found = tree[name]
  if not found then
    found = {}
    tree[name] = found
  end
  return found
end

local known_spaces = {} ---@type table<integer, string>

---@param count integer
---@return string
local function spaces(count)
  local known = known_spaces[count]
  if not known then
    known = (" "):rep(count)
    known_spaces[count] = known
  end
  return known
end

--- Writes a line of the quickfix list, and what other programs show of the entry: all but its place.
---@param hunk orchflow.Hunk
---@param layout orchflow.QuickfixLayout
---@param rivalry? orchflow.Rivalry
---@return string line
---@return string entry
function M.line(hunk, layout, rivalry)
  local line = tostring(view.line(hunk))
  local path = path_cell(layout, hunk.path, #line)
  local mark, note = view.mark(hunk), view.note(hunk, rivalry)
  local insertions, deletions = hunk.insertions or 0, hunk.deletions or 0
  local agent = layout.several_runs and hunk.key or hunk.agent
  -- Most of a long list's lines differ in their places alone; to look that up costs less than a name made of it all.
  local alike = branch(branch(branch(layout.tails, agent), hunk.heading), hunk.change)
  alike = branch(branch(branch(alike, insertions), deletions), mark)
  local tail = alike[note]
  if not tail then
    tail = write_tail(hunk, layout, mark, note)
    alike[note] = tail
  end
  local missing = layout.widths[1] - path.cells - #line - 4
  local kind = view.type(hunk) == "W" and " W|" or " I|"
  return path.text .. "|" .. line .. kind .. spaces(missing) .. tail.columns, tail.entry
end

--- Writes the lines of the quickfix list, in aligned columns.
---@param hunks orchflow.Hunk[]
---@param width? integer cells
---@return string[]
function M.lines(hunks, width)
  local layout, places, lines = M.layout(hunks, width), {}, {}
  for place, hunk in ipairs(hunks) do
    places[hunk.id] = place
  end
  for index, hunk in ipairs(hunks) do
    lines[index] = (M.line(hunk, layout, view.rivalry(hunk, places, hunks)))
  end
  return lines
end

return M
