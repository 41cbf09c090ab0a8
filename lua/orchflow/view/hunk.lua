--- Hunks in words: what stands for each, their order, and lines for a terminal. Pure.

local text = require("orchflow.view.text")

local M = {}

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
---@field checkpoint? string
---@field changed_turn? integer turn in which its content last changed
---@field seen? boolean whether this content was shown to the human
---@field changed? boolean whether another content of it was seen before
---@field changed_since? boolean whether its content is another one than was listed
---@field rivals? orchflow.Rival[]
---@field rival_accepted? { id: string, agent: string, line: integer, agent_line?: integer }
---@field forecast? "clean"|"conflict"|"applied"
---@field conflict_with? string what it conflicts with where that is not the file on disk
---@field words? string the agent's last explanation
---@field partly? { added: integer[], removed: integer[] } lines that were taken already
---@field lines? { added: integer[], removed: integer[] } the lines that a decision means
---@field gone? boolean whether the agent took it back

--- A hunk of another agent of the run that changes the same lines of the base.
---@class orchflow.Rival
---@field id string
---@field agent string
---@field key string
---@field path string
---@field line integer that of the human's file
---@field agent_line? integer that of its agent's version
---@field same boolean whether its result is the same text

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

--- What stands before a bracket without being a name.
local STATEMENTS = {
  ["if"] = true,
  ["for"] = true,
  ["while"] = true,
  ["switch"] = true,
  ["catch"] = true,
  ["return"] = true,
  ["function"] = true,
  ["fn"] = true,
  ["func"] = true,
}

local MARKS = { accepted = "+", rejected = "x" }

--- Gives the sign that stands before a hunk: decided, in conflict, or changed since it was seen.
---@param hunk orchflow.Hunk
---@return string
function M.mark(hunk)
  if MARKS[hunk.state] then
    return MARKS[hunk.state]
  elseif hunk.forecast == "conflict" then
    return "!"
  end
  return (hunk.changed or hunk.changed_since) and "~" or " "
end

--- Gives the line of a hunk in its agent's version, where its review buffer shows it.
---@param hunk orchflow.Hunk
---@return integer
function M.line(hunk)
  local start = hunk.change == "deleted" and hunk.old_start or hunk.new_start
  return math.max(1, tonumber(start) or 1)
end

--- Names where a hunk stands: in its agent's version, and in the human's file where that is another line.
---@param hunk orchflow.Hunk
---@return string
function M.where(hunk)
  local line, yours = M.line(hunk), tonumber(hunk.line)
  local said = ("%s:%d"):format(text.clean(hunk.path), line)
  -- What only removes lines stands on the one before.
  local is_same = yours == line or (hunk.new_lines == 0 and yours == line + 1)
  return (yours and not is_same) and ("%s (yours: %d)"):format(said, yours) or said
end

--- Gives the line by which a rival is named: that of its agent's version, as in every list.
---@param rival { line?: integer, agent_line?: integer }
---@return integer?
function M.rival_line(rival)
  return rival.agent_line or rival.line
end

--- Gives the letter that tells the quickfix list how serious an entry is.
---@param hunk orchflow.Hunk
---@return "W"|"I"
function M.type(hunk)
  return hunk.state == "undecided" and hunk.forecast == "conflict" and "W" or "I"
end

--- Says what kind of change a hunk is where that is not a plain edit, else where in the file it is.
---@param hunk orchflow.Hunk
---@return string
function M.heading(hunk)
  if CHANGES[hunk.change] then
    return CHANGES[hunk.change]
  end
  -- Of `pub fn load_config(path: &Path) -> Result<Config> {` the name is what people look for.
  local heading = text.clean(hunk.heading):match("^%s*(.-)%s*$")
  local name = heading:match("([%w_][%w_.:]*)%s*%(")
  return name and not STATEMENTS[name] and name or heading
end

---@class orchflow.Rivalry
---@field place integer 1-based place among the rivals
---@field count integer rivals in all, this one included
---@field first { agent: string, line: integer } the one the others are measured against
---@field is_first boolean
---@field same boolean whether the first has the same text

--- Says how a hunk stands among its rivals; the first listed is the one the others are measured against.
---@param hunk orchflow.Hunk
---@param places table<string, integer> place in the list by id
---@param listed? orchflow.Hunk[]
---@return orchflow.Rivalry?
function M.rivalry(hunk, places, listed)
  if not hunk.rivals or #hunk.rivals == 0 then
    return nil
  end
  local function place_of(each)
    return places[each.id] or math.huge
  end
  local first, place = hunk.rivals[1], 1
  for _, rival in ipairs(hunk.rivals) do
    local before_first = place_of(rival) < place_of(first)
    first = before_first and rival or first
    local before_hunk = place_of(rival) < place_of(hunk)
      or (place_of(rival) == place_of(hunk) and rival.key < hunk.key)
    place = place + (before_hunk and 1 or 0)
  end
  local standing = listed and listed[place_of(first)]
  return {
    place = place,
    count = #hunk.rivals + 1,
    first = { agent = first.agent, line = standing and M.line(standing) or M.rival_line(first) },
    is_first = place == 1,
    same = first.same == true,
  }
end

--- Says which rival of a hunk was accepted.
---@param hunk orchflow.Hunk
---@return string
function M.rival_note(hunk)
  local rival = hunk.rival_accepted or {}
  return ("rival of accepted %s:%s"):format(
    text.clean(rival.agent),
    text.clean(M.rival_line(rival))
  )
end

--- Says what else the human should know of a hunk.
---@param hunk orchflow.Hunk
---@param rivalry? orchflow.Rivalry
---@return string
function M.note(hunk, rivalry)
  local plain = hunk.state == "undecided" and not rivalry and hunk.forecast ~= "conflict"
  local known = hunk.changed or hunk.changed_since or hunk.partly or hunk.gone
  -- Most hunks of a long list have nothing to say.
  if plain and not known and hunk.forecast ~= "applied" and (hunk.comments or 0) == 0 then
    return hunk.rival_accepted and M.rival_note(hunk) or ""
  end
  local notes = {}
  local undecided = hunk.state == "undecided"
  if not undecided then
    notes[#notes + 1] = hunk.state
  elseif hunk.gone then
    notes[#notes + 1] = "taken back by its agent"
  elseif hunk.forecast == "conflict" and not hunk.rival_accepted then
    -- That a rival was taken says why it does not fit any more; the sign before it says that it does not.
    notes[#notes + 1] = "conflicts: your " .. (hunk.conflict_with or "file")
  elseif hunk.changed or hunk.changed_since then
    notes[#notes + 1] = "changed since you saw it"
  elseif hunk.partly then
    notes[#notes + 1] = "partly accepted"
  elseif hunk.forecast == "applied" then
    notes[#notes + 1] = "in your file already"
  end
  if undecided and hunk.rival_accepted then
    notes[#notes + 1] = M.rival_note(hunk)
  elseif undecided and rivalry then
    local first = ("%s:%s"):format(text.clean(rivalry.first.agent), text.clean(rivalry.first.line))
    local place = ("rival %d/%d"):format(rivalry.place, rivalry.count)
    if not rivalry.is_first then
      place = rivalry.same and "the same as " .. first or ("%s of %s"):format(place, first)
    end
    notes[#notes + 1] = place
  end
  if (hunk.comments or 0) > 0 then
    notes[#notes + 1] = text.count(hunk.comments, "comment")
  end
  return table.concat(notes, ", ")
end

--- Gives how many lines a hunk adds and removes, as they are shown.
---@param hunk orchflow.Hunk
---@return string insertions
---@return string deletions
function M.counts(hunk)
  local insertions, deletions = hunk.insertions or 0, hunk.deletions or 0
  return insertions > 0 and "+" .. insertions or "", deletions > 0 and "-" .. deletions or ""
end

---@param left orchflow.Hunk
---@param right orchflow.Hunk
---@return boolean
local function precedes(left, right)
  local left_sinks, right_sinks = left.rival_accepted ~= nil, right.rival_accepted ~= nil
  if left_sinks ~= right_sinks then
    return right_sinks
  elseif left.path ~= right.path then
    return left.path < right.path
  end
  return (left.line or 0) < (right.line or 0)
end

--- Orders hunks by file and line, so that rivals stand together; those of an accepted hunk come last.
---@param hunks orchflow.Hunk[]
---@return orchflow.Hunk[]
function M.in_order(hunks)
  local ordered = vim.list_slice(hunks, 1)
  local stands = true
  for place = 2, #ordered do
    stands = stands and not precedes(ordered[place], ordered[place - 1])
  end
  -- One agent's hunks come in order.
  if stands then
    return ordered
  end
  local places = {}
  for place, hunk in ipairs(hunks) do
    places[hunk] = place
  end
  table.sort(ordered, function(left, right)
    if precedes(left, right) then
      return true
    elseif precedes(right, left) then
      return false
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
      -- The host may have answered before it heard of the last comment.
      hunk_now.comments = math.max(hunk_now.comments or 0, hunk.comments or 0)
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

--- Writes one line a hunk, for a terminal.
---@param hunk orchflow.Hunk
---@return string
function M.plain(hunk)
  local insertions, deletions = M.counts(hunk)
  return (
    ("%s  %s  %s %s %s %s")
      :format(
        text.clean(hunk.id),
        M.where(hunk),
        text.clean(hunk.agent),
        insertions,
        deletions,
        text.cut(M.heading(hunk), MAX_HEADING)
      )
      :gsub(" +$", "")
  )
end

return M
