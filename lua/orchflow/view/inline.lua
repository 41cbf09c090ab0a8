--- The inline view: an agent's version of a file with what it changed marked inside it. Pure: hunks and lines in,
--- marks out, each as `nvim_buf_set_extmark()` takes it.

local text = require("orchflow.view.text")
local view = require("orchflow.view.hunk")
local words = require("orchflow.view.words")

local M = {}

---@alias orchflow.InlineMode "inline"|"added"|"off"

---@type orchflow.InlineMode[]
M.modes = { "inline", "added", "off" }

---@class orchflow.InlineOptions
---@field mode orchflow.InlineMode
---@field width integer cells of the text
---@field gutter integer cells before the text
---@field deleted? boolean whether the lines are those of a file that the agent deleted
---@field opaque? boolean whether the ground goes with a colour of the text: few colours are read on another's ground

---@class orchflow.Mark
---@field line integer 0-based
---@field column integer 0-based byte
---@field options table for nvim_buf_set_extmark()

local TAB = 8
--- Below the colours of the text, above them, and above the words: what is dimmed is dimmed altogether.
local GROUND, OPAQUE, WORD, DIM = 50, 150, 160, 200

--- Gives the lines on which a hunk stands in its agent's version. One that only removes stands on the line before.
---@param hunk orchflow.Hunk
---@param line_count integer
---@param deleted? boolean
---@return integer first 1-based
---@return integer last
function M.place(hunk, line_count, deleted)
  local start = tonumber(deleted and hunk.old_start or hunk.new_start) or 1
  local count = tonumber(deleted and hunk.old_lines or hunk.new_lines) or 1
  local most = math.max(line_count, 1)
  local first = math.min(math.max(start, 1), most)
  return first, math.min(first + math.max(count, 1) - 1, most)
end

--- Says whether a hunk's removed lines stand above its place, not below it.
---@param hunk orchflow.Hunk
---@return boolean
function M.is_above(hunk)
  return (hunk.new_lines or 0) > 0 or (hunk.new_start or 0) == 0
end

---@param chunk string
---@param column integer cells before it
---@return string
---@return integer column behind it
local function expanded(chunk, column)
  local parts = {}
  for piece, tab in (chunk .. "\0"):gmatch("([^\t%z]*)([\t%z])") do
    piece = text.clean(piece)
    parts[#parts + 1] = piece
    column = column + text.width(piece)
    if tab == "\t" then
      local spaces = TAB - column % TAB
      parts[#parts + 1] = (" "):rep(spaces)
      column = column + spaces
    end
  end
  return table.concat(parts), column
end

---@param line string
---@param spans orchflow.Span[]
---@param groups { sign: string, line: string, word: string }
---@param options orchflow.InlineOptions
---@return table[] chunks
local function removed_line(line, spans, groups, options)
  local sign = options.gutter >= 2 and (" "):rep(options.gutter - 2) .. "- " or ""
  local chunks, column, at = { { sign, groups.sign } }, 0, 0
  local function add(last, group)
    if last > at then
      local shown
      shown, column = expanded(line:sub(at + 1, last), column)
      chunks[#chunks + 1] = { shown, group }
      at = last
    end
  end
  for _, span in ipairs(spans) do
    add(span.first, groups.line)
    add(span.last, groups.word)
  end
  add(#line, groups.line)
  -- The colour goes on to the window's edge, as that of a real line does.
  if column < options.width then
    chunks[#chunks + 1] = { (" "):rep(options.width - column), groups.line }
  end
  return chunks
end

local UNDECIDED = {
  sign = "OrchflowRemoved",
  line = "OrchflowRemovedLine",
  word = "OrchflowRemovedWord",
}
local DECIDED = { sign = "OrchflowMuted", line = "OrchflowMuted", word = "OrchflowMuted" }

---@param list integer[]?
---@return table<integer, true>
local function set_of(list)
  local set = {}
  for _, number in ipairs(list or {}) do
    set[number] = true
  end
  return set
end

--- Says what is to be known of a hunk beside its lines: what would go wrong, its rivals, the agent's words. These
--- come last, for they are what is long, and cut where there is no room.
---@param hunk orchflow.Hunk
---@param said_before? string words that stand above already
---@return orchflow.Piece[]
function M.remarks(hunk, said_before)
  local pieces = {}
  local function add(piece, group)
    pieces[#pieces + 1] = { piece, group or "OrchflowMuted" }
  end
  local is_open = hunk.state == "undecided"
  if is_open and hunk.forecast == "conflict" then
    add("conflicts with your " .. (hunk.conflict_with or "file"), "OrchflowWaiting")
  elseif is_open and hunk.forecast == "applied" then
    add("is in your file already")
  end
  if is_open and hunk.rival_accepted then
    add(view.rival_note(hunk), "OrchflowWaiting")
  elseif is_open and #(hunk.rivals or {}) > 0 then
    local names = vim.tbl_map(function(rival)
      return text.clean(rival.agent) .. (rival.same and " (the same)" or "")
    end, hunk.rivals)
    add("rivals: " .. table.concat(names, ", "), "OrchflowGuess")
  end
  local said = vim.trim(text.clean(hunk.words))
  if said ~= "" and hunk.words ~= said_before then
    add(('%s: "%s"'):format(text.clean(hunk.agent), said))
  end
  return pieces
end

--- Says how a hunk stands, for the end of its first line.
---@param hunk orchflow.Hunk
---@return orchflow.Piece[]
function M.standing(hunk)
  local pieces = {}
  if hunk.state == "accepted" then
    pieces[1] = { "accepted", "OrchflowDone" }
  elseif hunk.state == "rejected" then
    pieces[1] = { "rejected", "OrchflowFailed" }
  elseif hunk.partly then
    pieces[1] = { "partly accepted", "OrchflowDone" }
  elseif hunk.changed then
    pieces[1] = { "changed since you saw it", "OrchflowWaiting" }
  end
  if (hunk.comments or 0) > 0 then
    pieces[#pieces + 1] = { text.count(hunk.comments, "comment"), "OrchflowMuted" }
  end
  return pieces
end

---@param pieces orchflow.Piece[]
---@param gap string stands before each but the first
---@param first_gap string
---@return orchflow.Piece[]
local function spaced(pieces, gap, first_gap)
  local result = {}
  for index, piece in ipairs(pieces) do
    result[index] = { (index == 1 and first_gap or gap) .. piece[1], piece[2] }
  end
  return result
end

---@param pieces orchflow.Piece[]
---@return integer cells
local function width_of(pieces)
  local width = 0
  for _, piece in ipairs(pieces) do
    width = width + text.width(piece[1])
  end
  return width
end

---@param pieces orchflow.Piece[]
---@param options orchflow.InlineOptions
---@return table[] chunks of one virtual line
local function remark_line(pieces, options)
  local chunks = { { (" "):rep(math.max(options.gutter - 2, 0)) .. "| ", "OrchflowMuted" } }
  local room = options.width
  for _, piece in ipairs(pieces) do
    local shown = text.cut(piece[1], room)
    room = room - text.width(shown)
    chunks[#chunks + 1] = { shown, piece[2] }
  end
  return chunks
end

---@param marks orchflow.Mark[]
---@param hunk orchflow.Hunk
---@param lines string[]
---@param options orchflow.InlineOptions
---@param said_before? string
local function add_hunk(marks, hunk, lines, options, said_before)
  local first, last = M.place(hunk, #lines, options.deleted)
  local undecided = hunk.state == "undecided"
  local function mark(line, column, fields)
    marks[#marks + 1] = { line = line, column = column, options = fields }
  end
  local removed, added = hunk.removed or {}, hunk.added or {}
  local taken_removed = set_of(hunk.partly and hunk.partly.removed)
  local taken_added = set_of(hunk.partly and hunk.partly.added)
  local old_spans = {}
  if undecided and not options.deleted then
    for _, pair in ipairs(words.pairs(removed, added)) do
      old_spans[pair.removed] = pair.old_spans
      for _, span in ipairs(taken_added[pair.added] and {} or pair.new_spans) do
        local line = first + pair.added - 2
        -- What is shown may be cut; a mark behind a line's end would be an error.
        local length = #(lines[line + 1] or "")
        if span.first < length then
          mark(line, span.first, {
            end_col = math.min(span.last, length),
            hl_group = "OrchflowAddedWord",
            priority = WORD,
          })
        end
      end
    end
  end
  local is_added = options.deleted or (hunk.new_lines or 0) > 0
  local kind = options.deleted and "Removed" or "Added"
  -- A run of lines that look the same is one mark: a new file may have thousands.
  local run_first, run_muted
  local function close_run(next_line)
    if run_first then
      mark(run_first - 1, 0, {
        end_row = run_muted and next_line - 2 or next_line - 1,
        end_col = run_muted and #(lines[next_line - 1] or "") or nil,
        hl_group = run_muted and "OrchflowMuted" or "Orchflow" .. kind .. "Line",
        hl_eol = not run_muted or nil,
        priority = run_muted and DIM or options.opaque and OPAQUE or GROUND,
      })
      mark(run_first - 1, 0, {
        end_row = next_line - 2,
        sign_text = options.deleted and "-" or "+",
        sign_hl_group = run_muted and "OrchflowMuted" or "Orchflow" .. kind,
      })
      run_first = nil
    end
  end
  for line = first, is_added and last or first - 1 do
    local muted = not undecided or taken_added[line - first + 1] == true
    if run_first and run_muted ~= muted then
      close_run(line)
    end
    run_first, run_muted = run_first or line, muted
  end
  close_run(last + 1)
  local standing = M.standing(hunk)
  local at_the_end = spaced(standing, "  ", "  ")
  -- What stands behind a line's end is lost where the line is as wide as the window.
  local fits = text.width(lines[first] or "") + width_of(at_the_end) <= options.width
  if #standing > 0 and (fits or options.mode ~= "inline") then
    mark(first - 1, 0, { virt_text = at_the_end, virt_text_pos = "eol" })
  end
  if options.mode ~= "inline" then
    return
  end
  local remarks = M.remarks(hunk, said_before)
  if not fits then
    remarks = vim.list_extend(standing, remarks)
  end
  local gone = {}
  for index, line in ipairs(options.deleted and {} or removed) do
    local groups = (undecided and not taken_removed[index]) and UNDECIDED or DECIDED
    gone[#gone + 1] = removed_line(line, old_spans[index] or {}, groups, options)
  end
  local below = #remarks > 0 and { remark_line(spaced(remarks, "   ", ""), options) } or {}
  if #gone > 0 and not M.is_above(hunk) then
    below = vim.list_extend(gone, below)
    gone = {}
  end
  if #gone > 0 then
    mark(first - 1, 0, { virt_lines = gone, virt_lines_above = true, virt_lines_leftcol = true })
  end
  if #below > 0 then
    mark(last - 1, 0, { virt_lines = below, virt_lines_leftcol = true })
  end
end

--- Gives the marks for one of a file's hunks.
---@param hunks orchflow.Hunk[]
---@param index integer
---@param lines string[] the agent's version, or what stood in a file that it deleted
---@param options orchflow.InlineOptions
---@return orchflow.Mark[]
function M.marks_of(hunks, index, lines, options)
  local marks = {}
  if options.mode ~= "off" then
    local before = index - 1
    while before > 0 and not hunks[before].words do
      before = before - 1
    end
    add_hunk(marks, hunks[index], lines, options, hunks[before] and hunks[before].words)
  end
  return marks
end

--- Gives the marks for the hunks of a file.
---@param hunks orchflow.Hunk[]
---@param lines string[] the agent's version, or what stood in a file that it deleted
---@param options orchflow.InlineOptions
---@return orchflow.Mark[]
function M.marks(hunks, lines, options)
  local marks = {}
  for index in ipairs(hunks) do
    vim.list_extend(marks, M.marks_of(hunks, index, lines, options))
  end
  return marks
end

--- Gives what of a hunk stands on a range of lines of its agent's version.
---@param hunk orchflow.Hunk
---@param from integer 1-based
---@param to integer
---@param line_count integer
---@return { added: integer[], removed: integer[] }? part nil where that is all of it
function M.part(hunk, from, to, line_count)
  local first, last = M.place(hunk, line_count)
  local added, removed = hunk.added or {}, hunk.removed or {}
  if #added == 0 or (from <= first and to >= last) then
    return nil
  end
  local part, mates = { added = {}, removed = {} }, {}
  for _, pair in ipairs(words.pairs(removed, added)) do
    mates[pair.removed] = pair.added
  end
  for index = math.max(from, first) - first + 1, math.min(to, last) - first + 1 do
    part.added[#part.added + 1] = index
  end
  -- A removed line goes with the line it became; one that became nothing goes with the one at its place.
  for index = 1, #removed do
    local line = first - 1 + (mates[index] or math.min(index, #added))
    if line >= from and line <= to then
      part.removed[#part.removed + 1] = index
    end
  end
  return part
end

return M
