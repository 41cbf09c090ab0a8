--- What the host says anew of hunks that are listed: taken into the entries that stand there, in slices.

local entries = require("orchflow.review.entries")
local feed = require("orchflow.review.feed")
local forecast = require("orchflow.review.forecast")
local view = require("orchflow.view.hunk")

local M = {}

--- Says whether the entries of a list can stay as they are but for what their lines say.
---@param before orchflow.Hunk[]
---@param after orchflow.Hunk[]
---@return boolean
function M.same_entries(before, after)
  if #before ~= #after then
    return false
  end
  for index, hunk in ipairs(before) do
    local other = after[index]
    if
      hunk.id ~= other.id
      or hunk.key ~= other.key
      or hunk.hash ~= other.hash
      or view.line(hunk) ~= view.line(other)
    then
      return false
    end
  end
  return true
end

---@class orchflow.ListHands
---@field stands fun(): boolean whether the list is still in the quickfix stack
---@field repaint fun(places: integer[])
---@field append fun(hunks: orchflow.Hunk[], modified: table<string, string>)

--- Takes what the host says now into a list whose entries stay, a part at a time.
---@param list orchflow.HunkList
---@param hunks orchflow.Hunk[]
---@param hands orchflow.ListHands
function M.take_in_place(list, hunks, hands)
  local modified, changed, joining, here = forecast.modified(), {}, {}, {}
  feed.in_slices(hunks, function(hunk)
    local place = list.places[hunk.id]
    here[hunk.id] = true
    forecast.mark(hunk, modified)
    if not place then
      joining[#joining + 1] = hunk
    else
      local before = list.hunks[place]
      hunk.comments = math.max(hunk.comments or 0, before.comments or 0)
      hunk.changed_since = hunk.changed_since
        or before.changed_since
        or (hunk.hash ~= before.hash)
        or nil
      list.hunks[place] = hunk
      changed[#changed + 1] = place
    end
  end, function(is_last)
    if not hands.stands() then
      return false
    end
    if is_last then
      for place, hunk in ipairs(list.hunks) do
        if not here[hunk.id] and hunk.state == "undecided" and not hunk.gone then
          hunk.gone = true
          changed[#changed + 1] = place
        end
      end
    end
    local shown = {}
    for _, place in ipairs(changed) do
      local before = list.lines[place]
      list.lines[place] = nil
      if entries.line(list, place) ~= before then
        shown[#shown + 1] = place
      end
    end
    hands.repaint(shown)
    changed = {}
    if is_last and #joining > 0 then
      hands.append(view.in_order(joining), modified)
    end
    return true
  end)
end

return M
