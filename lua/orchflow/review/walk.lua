--- Going on in a review: to the next hunk that wants a decision, to undecided ones, to rivals.

local buffer_view = require("orchflow.review.buffer")
local decide = require("orchflow.review.decide")
local list = require("orchflow.review.list")
local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")

local M = {}

--- What to say when the last decision of the list is carried out.
---@type string?
M.finished = nil

--- Says whether a hunk can be decided.
---@param hunk orchflow.Hunk
---@return boolean
function M.is_open(hunk)
  return hunk.state == "undecided" and not decide.pending[hunk.id]
end

--- Says whether the next stop of a review may be at a hunk: one that was commented on waits for its agent.
---@param hunk orchflow.Hunk
---@return boolean
local function wants_decision(hunk)
  return M.is_open(hunk) and (hunk.comments or 0) == 0
end

--- Goes on to the next hunk that wants a decision: in this file first, else where the list goes on.
---@param window integer
function M.advance(window)
  if not vim.api.nvim_win_is_valid(window) then
    return
  end
  local buffer = vim.api.nvim_win_get_buf(window)
  local page = buffer_view.page(buffer)
  if not page or buffer_view.move(window, 1, wants_decision) then
    if page then
      list.set_current(buffer_view.hunk_under(window))
      M.prefetch(page)
    end
    return
  end
  for _, hunk in ipairs(page.hunks) do
    if wants_decision(hunk) then
      buffer_view.go(window, hunk)
      list.set_current(hunk)
      return
    end
  end
  local following = list.next_that(wants_decision)
  if following then
    list.set_current(following)
    buffer_view.open(window, following)
    return
  end
  local waiting = #vim.tbl_filter(M.is_open, list.hunks())
  if #list.hunks() > 0 then
    M.finished = waiting > 0
        and ("nothing else is undecided; %s after a comment"):format(
          text.count(waiting, "hunk waits", "hunks wait")
        )
      or "everything listed is decided"
  end
end

--- Loads the file that will be wanted after this one.
---@param page orchflow.ReviewPage
function M.prefetch(page)
  local left = #vim.tbl_filter(wants_decision, page.hunks)
  local following = left <= 2
    and list.next_that(function(hunk)
      return wants_decision(hunk) and not buffer_view.find(page, hunk.id)
    end)
  if following then
    vim.schedule(function()
      buffer_view.prefetch(following)
    end)
  end
end

--- Goes to undecided hunks: in this file first, then through the list.
---@param step 1|-1
function M.next(step)
  local window = vim.api.nvim_get_current_win()
  local left = vim.v.count1
  while left > 0 and buffer_view.move(window, step, M.is_open) do
    left = left - 1
  end
  local here = buffer_view.hunk_under(window)
  list.set_current(here)
  if left > 0 then
    local following = list.next_that(M.is_open, step)
    if following and (not here or following.id ~= here.id) then
      list.set_current(following)
      buffer_view.open(window, following)
    else
      message.info("orchflow: no other undecided hunk is listed")
    end
  end
end

--- Goes through the hunks of other agents that change the same lines.
---@param step 1|-1
function M.rival(step)
  local window = vim.api.nvim_get_current_win()
  local hunk = buffer_view.hunk_under(window)
  if not hunk or #(hunk.rivals or {}) == 0 then
    message.info("orchflow: no other agent changes these lines")
    return
  end
  local ring = { { id = hunk.id, key = hunk.key, path = hunk.path, path_b64 = hunk.path_b64 } }
  vim.list_extend(ring, hunk.rivals)
  table.sort(ring, function(left, right)
    return left.key .. left.id < right.key .. right.id
  end)
  for index, each in ipairs(ring) do
    if each.id == hunk.id and each.key == hunk.key then
      local other = ring[(index - 1 + step * vim.v.count1) % #ring + 1]
      local target = list.find_exact(other.id) or other
      list.set_current(target)
      buffer_view.open(window, target)
      return
    end
  end
end

return M
