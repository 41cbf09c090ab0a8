--- What changed within lines: which removed line became which added one, and which words of them differ. Pure.

local M = {}

--- Neovim 0.12 has moved the function.
local diff = vim.text and vim.text.diff or vim.diff

--- Longer lines, and larger blocks, are compared as wholes: nobody reads word changes in them, and it would take time.
local MAX_LENGTH = 2000
local MAX_PAIRS = 1600
--- Lines that share less than this are two lines, not one that was changed.
local LEAST_SHARED = 0.4
--- Bytes; fewer are a bracket or two, which stand in many lines.
local LEAST_COMMON = 6

---@class orchflow.Span
---@field first integer 0-based byte
---@field last integer exclusive

--- Cuts a line into words, runs of spaces, and single other characters.
---@param line string
---@return string[]
local function tokens(line)
  local found, index = {}, 1
  while index <= #line do
    local token = line:match("^[%w_\128-\255]+", index)
      or line:match("^%s+", index)
      or line:sub(index, index)
    found[#found + 1] = token
    index = index + #token
  end
  return found
end

---@param words string[]
---@return integer[] offsets 0-based byte at which each token starts; one more for the end
local function offsets_of(words)
  local offsets, at = {}, 0
  for index, word in ipairs(words) do
    offsets[index] = at
    at = at + #word
  end
  offsets[#words + 1] = at
  return offsets
end

---@param spans orchflow.Span[]
---@param offsets integer[]
---@param start integer
---@param count integer
local function add_span(spans, offsets, start, count)
  if count > 0 then
    spans[#spans + 1] = { first = offsets[start], last = offsets[start + count] }
  end
end

--- Joins spans between which only a character or two stayed the same: they read as one change.
---@param spans orchflow.Span[]
---@return orchflow.Span[]
local function joined(spans)
  local result = {}
  for _, span in ipairs(spans) do
    local last = result[#result]
    if last and span.first - last.last <= 1 then
      last.last = span.last
    else
      result[#result + 1] = span
    end
  end
  return result
end

--- Compares two lines word by word.
---@param old string
---@param new string
---@return orchflow.Span[] old_spans what of the old line is gone
---@return orchflow.Span[] new_spans what of the new line is new
---@return number shared between 0 and 1: how much of them is the same
function M.compare(old, new)
  if #old > MAX_LENGTH or #new > MAX_LENGTH then
    return {}, {}, old == new and 1 or 0
  end
  local old_words, new_words = tokens(old), tokens(new)
  if #old_words == 0 or #new_words == 0 then
    return {}, {}, 0
  end
  local hunks = diff(
    table.concat(old_words, "\n") .. "\n",
    table.concat(new_words, "\n") .. "\n",
    { result_type = "indices" }
  ) --[[@as integer[][] ]]
  local old_offsets, new_offsets = offsets_of(old_words), offsets_of(new_words)
  local old_spans, new_spans, gone, come = {}, {}, 0, 0
  for _, hunk in ipairs(hunks) do
    add_span(old_spans, old_offsets, hunk[1], hunk[2])
    add_span(new_spans, new_offsets, hunk[3], hunk[4])
  end
  for _, span in ipairs(old_spans) do
    gone = gone + span.last - span.first
  end
  for _, span in ipairs(new_spans) do
    come = come + span.last - span.first
  end
  -- Spaces at the beginning say nothing of whether two lines are the same one.
  local indent = math.min(#old:match("^%s*"), #new:match("^%s*"))
  local common = math.max(#old - gone, #new - come) - indent
  local longer, shorter = math.max(#old, #new) - indent, math.min(#old, #new) - indent
  local shared = longer > 0 and common / longer or 1
  -- A line that stands whole in a much longer one was added to.
  if common >= LEAST_COMMON then
    shared = math.max(shared, common / shorter / 2)
  end
  return joined(old_spans), joined(new_spans), shared
end

---@class orchflow.Pair
---@field removed integer 1-based
---@field added integer 1-based
---@field old_spans orchflow.Span[]
---@field new_spans orchflow.Span[]

--- Finds which removed lines were changed into which added ones, in order.
---@param removed string[]
---@param added string[]
---@return orchflow.Pair[]
function M.pairs(removed, added)
  local found = {}
  if #removed * #added > MAX_PAIRS then
    return found
  end
  local from = 1
  for index, old in ipairs(removed) do
    local best
    local function try(other)
      local old_spans, new_spans, shared = M.compare(old, added[other])
      if shared >= LEAST_SHARED and (not best or shared > best.shared) then
        best = {
          removed = index,
          added = other,
          old_spans = old_spans,
          new_spans = new_spans,
          shared = shared,
        }
      end
    end
    -- Where as many lines came as went, each is mostly the successor of its own place.
    if #removed == #added and index >= from then
      try(index)
    end
    for other = best and #added + 1 or from, #added do
      try(other)
    end
    if best then
      found[#found + 1] = best
      from = best.added + 1
    end
  end
  return found
end

return M
