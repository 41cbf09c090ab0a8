--- Which hunks a decision means: those named, those of a range, else the one under the cursor or the current entry.

local buffer_view = require("orchflow.review.buffer")
local list = require("orchflow.review.list")

local M = {}

--- Says whether a word looks like a hunk's id.
---@param word string
---@return boolean
function M.is_id(word)
  return word:match("^h_%x+$") ~= nil
end

---@param hunk orchflow.Hunk
---@return string
local function shown(hunk)
  return ("%s %s"):format(hunk.agent, hunk.id)
end

---@param words string[]
---@param hash? string
---@return table[]? hunks
---@return orchflow.Failure? failure
local function named(words, hash)
  if hash and #words ~= 1 then
    return nil, { code = "usage", message = "--hash wants exactly one hunk" }
  end
  local hunks = {}
  for _, word in ipairs(words) do
    if not M.is_id(word) then
      return nil,
        {
          code = "usage",
          message = ("%s is not the id of a hunk"):format(word),
          hint = "ids look like h_9f2c41d0; :Orchflow review lists them",
        }
    end
    local found = list.find(word)
    if #found > 1 then
      local names = table.concat(vim.tbl_map(shown, found), ", ")
      return nil,
        { code = "ambiguous_hunk", message = ("%s fits several hunks: %s"):format(word, names) }
    end
    -- The hash of what was listed goes along, so that nothing is decided that was not seen.
    hunks[#hunks + 1] = found[1] or { id = word }
    if hash then
      hunks[#hunks] = vim.tbl_extend("force", hunks[#hunks], { hash = hash })
    end
  end
  return hunks, nil
end

--- Gives the last line of the human's file that a hunk touches.
---@param hunk orchflow.Hunk
---@return integer
local function last_line(hunk)
  return (hunk.line or 1) + math.max(hunk.old_lines or 0, 1) - 1
end

---@param hunks orchflow.Hunk[]
---@param buffer integer
---@param first integer
---@param last integer
---@return orchflow.Hunk[]
local function in_file(hunks, buffer, first, last)
  local name = vim.api.nvim_buf_get_name(buffer)
  local real = name ~= "" and vim.uv.fs_realpath(name) or nil
  local found = {}
  for _, hunk in ipairs(hunks) do
    local same = hunk.user_path == name or (real ~= nil and hunk.user_path == real)
    if
      same
      and hunk.state == "undecided"
      and (hunk.line or 1) <= last
      and last_line(hunk) >= first
    then
      found[#found + 1] = hunk
    end
  end
  return found
end

---@param hunks orchflow.Hunk[]
---@return orchflow.Hunk[]
local function undecided(hunks)
  return vim.tbl_filter(function(hunk)
    return hunk.state == "undecided"
  end, hunks)
end

local NOTHING_LISTED = {
  code = "usage",
  message = "no hunks are listed",
  hint = ":Orchflow review lists them; or name one, as in :Orchflow accept h_9f2c41d0",
}
local NOTHING_HERE = {
  code = "usage",
  message = "no undecided hunk is here",
  hint = ":cnext goes to the next one; or name one, as in :Orchflow accept h_9f2c41d0",
}

local LOADING = {
  code = "usage",
  message = "the file is still being loaded",
  hint = "ask again in a moment",
}

---@param range { first: integer, last: integer }
---@return orchflow.Hunk[] hunks of the range, wherever the human is
local function of_range(range)
  local buffer = vim.api.nvim_get_current_buf()
  if list.is_shown_in(vim.api.nvim_get_current_win()) then
    return undecided(vim.list_slice(list.hunks(), range.first, range.last))
  end
  local in_review = buffer_view.hunks_at(buffer, range.first, range.last)
  return in_review and undecided(in_review)
    or in_file(list.hunks(), buffer, range.first, range.last)
end

---@param found orchflow.Hunk[]
---@param current? orchflow.Hunk
---@return orchflow.Hunk[]?
---@return orchflow.Failure?
local function only_one(found, current)
  if #found == 1 then
    return found, nil
  end
  for _, hunk in ipairs(found) do
    if current and hunk.id == current.id then
      return { hunk }, nil
    end
  end
  return nil,
    {
      code = "ambiguous_hunk",
      message = ("%d hunks are here: %s"):format(
        #found,
        table.concat(vim.tbl_map(shown, found), ", ")
      ),
      hint = "name one, or choose it in the quickfix list",
    }
end

---@return orchflow.Hunk[]?
---@return orchflow.Failure?
local function under_cursor()
  local buffer, line = vim.api.nvim_get_current_buf(), vim.fn.line(".")
  local current = list.hunks()[list.index()]
  if list.is_shown_in(vim.api.nvim_get_current_win()) then
    local hunk = list.hunks()[line]
    return hunk and { hunk }, not hunk and NOTHING_HERE or nil
  end
  local in_review = buffer_view.hunks_at(buffer, line, line)
  if in_review and (buffer_view.page(buffer) or {}).state == "loading" then
    return nil, LOADING
  elseif in_review then
    return #in_review > 0 and in_review or nil, #in_review == 0 and NOTHING_HERE or nil
  elseif #list.hunks() == 0 then
    return nil, NOTHING_LISTED
  end
  local found = in_file(list.hunks(), buffer, line, line)
  if #found > 0 then
    return only_one(found, current)
  end
  -- A script has no cursor to look at, and whoever is in the entry's file has just been led there.
  local name = vim.api.nvim_buf_get_name(buffer)
  local led_here = current
    and (current.user_path == name or vim.uv.fs_realpath(name) == current.user_path)
  if current and list.is_current() and (led_here or require("orchflow.mode").is_script()) then
    return { current }, nil
  end
  return nil, NOTHING_HERE
end

---@class orchflow.TargetQuery
---@field ids string[]
---@field hash? string
---@field range? { first: integer, last: integer }

--- Gives the hunks that are meant.
---@param query orchflow.TargetQuery
---@return orchflow.Hunk[]? hunks at least one
---@return orchflow.Failure? failure
function M.resolve(query)
  if #query.ids > 0 then
    return named(query.ids, query.hash)
  elseif query.range then
    local hunks = of_range(query.range)
    if #hunks == 0 then
      return nil, #list.hunks() == 0 and NOTHING_LISTED or NOTHING_HERE
    end
    return hunks, nil
  end
  local hunks, failure = under_cursor()
  if hunks and query.hash then
    hunks = { vim.tbl_extend("force", hunks[1], { hash = query.hash }) }
  end
  return hunks, failure
end

return M
