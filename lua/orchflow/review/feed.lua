--- Brings hunks from the host to the list: a page at a time, and in slices between which Neovim serves keys.

local client = require("orchflow.client")
local compact = require("orchflow.review.compact")
local forecast = require("orchflow.review.forecast")
local next_turn = require("orchflow.slice").next_turn
local view = require("orchflow.view.hunk")

local M = {}

--- Milliseconds that a slice may take.
local SLICE_MS = 2.5
--- Entries that the list begins with, and the most that are added at once: Neovim draws the list's window anew for each
--- portion, so that many small ones take longer.
local FIRST, MOST = 40, 250
--- Hunks asked for first: few enough to be there at once.
local FIRST_PAGE = 100

local generation = 0 -- grows with each fetch, so that the answer to a former one is known
local filling = false

--- Says whether the list is being filled just now.
---@return boolean
function M.is_filling()
  return filling
end

--- What is known of a listing beside its hunks.
---@class orchflow.ListingNews
---@field run? integer the run it is of, where it is of one
---@field elsewhere { run: integer, hunks: integer }[] other runs in which hunks wait
---@field warnings string[]

--- Fetches all hunks, a page at a time. All pages are of the run that the first one is of.
---@param query table
---@param on_page fun(hunks: orchflow.Hunk[], is_last: boolean, news: orchflow.ListingNews)
---@param on_failure fun(failure: orchflow.Failure)
function M.fetch(query, on_page, on_failure)
  generation = generation + 1
  local own = generation
  local brief, is_old = forecast.brief(), false
  -- A script is told of what is absent by name, which is nil only once the answer was gone through.
  local is_plain = not require("orchflow.mode").is_script()
  local function ask(after)
    local page = require("orchflow.config").get().review.page
    local params = vim.tbl_extend("force", query, {
      limit = after and page or math.min(page, FIRST_PAGE),
      after = after,
      brief = brief,
      compact = not is_old and brief or nil,
    })
    client.request("review", params, function(failure, result)
      if own ~= generation then
        return
      elseif failure and params.compact and failure.code == "usage" and not after then
        -- A host that was started by an older version goes on for days; it knows only lists that are not compact.
        is_old = true
        ask(nil)
        return
      elseif failure then
        on_failure(failure)
        return
      end
      -- The next page is on its way while this one is shown.
      if result.next then
        ask(result.next)
      end
      local news = {
        run = result.run,
        elsewhere = result.elsewhere or {},
        warnings = result.warnings or {},
      }
      on_page(compact.hunks(result), result.next == nil, news)
    end, params.compact and is_plain)
  end
  ask(nil)
end

--- Goes through hunks in slices.
---@param hunks orchflow.Hunk[]
---@param visit fun(hunk: orchflow.Hunk)
---@param slice_done fun(is_last: boolean): boolean whether to go on
function M.in_slices(hunks, visit, slice_done)
  local at = 1
  local function slice()
    local began = vim.uv.hrtime()
    while at <= #hunks and (vim.uv.hrtime() - began) / 1e6 < SLICE_MS / 2 do
      visit(hunks[at])
      at = at + 1
    end
    local is_last = at > #hunks
    if slice_done(is_last) and not is_last then
      next_turn(slice)
    end
  end
  slice()
end

--- Fetches all hunks and gives them on in portions that take a moment each.
---@param query table
---@param take fun(hunks: orchflow.Hunk[], news: orchflow.ListingNews): boolean takes a portion; says whether to go on
---@param on_failure fun(failure: orchflow.Failure)
function M.fill(query, take, on_failure)
  local queue, at, is_whole, is_running, portion = {}, 1, false, false, FIRST
  local own
  local first_news ---@type orchflow.ListingNews
  filling = true
  local function pump()
    if own ~= generation then
      return
    end
    local last = math.min(at + portion - 1, #queue)
    local began = vim.uv.hrtime()
    local goes_on = take(vim.list_slice(queue, at, last), first_news)
    local spent = (vim.uv.hrtime() - began) / 1e6
    at = last + 1
    -- As many the next time as fit a slice, by what these took; the first portion also made the window.
    if at > FIRST + 1 and spent > 0 then
      portion = math.max(20, math.min(MOST, math.floor(portion * SLICE_MS / spent)))
    end
    is_running = goes_on and at <= #queue
    if is_running then
      next_turn(pump)
    elseif is_whole or not goes_on then
      filling = false
    end
  end
  local is_first = true
  M.fetch(query, function(hunks, is_last, news)
    first_news = first_news or news
    vim.list_extend(queue, view.in_order(hunks))
    is_whole = is_last
    if is_first then
      is_first, is_running = false, true
      pump()
    elseif not is_running and at <= #queue then
      is_running = true
      -- A page was decoded in this turn already.
      next_turn(pump)
    elseif is_last and at > #queue then
      filling = false
    end
  end, function(failure)
    filling = false
    on_failure(failure)
  end)
  own = generation
end

return M
