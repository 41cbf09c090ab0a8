--- Pickers for agents, events and hunks: `vim.ui.select` shows them, so that telescope, snacks or fzf-lua serve.

local client = require("orchflow.client")
local filters = require("orchflow.filter")
local message = require("orchflow.ui.message")
local steady = require("orchflow.ui.steady")
local text = require("orchflow.view.text")

local M = {}

--- Events and hunks that a picker is given at most; a filter narrows what is more.
local MOST = 1000

---@class orchflow.Picker
---@field prompt string
---@field kind string for pickers that are told apart by it
---@field load fun(filter: orchflow.Filter, done: fun(failure?: orchflow.Failure, items?: table[]))
---@field format fun(item: table): string
---@field act fun(item: table, items: table[], filter: orchflow.Filter)
---@field none string said where there is nothing to pick

---@param filter orchflow.Filter
---@param agent orchflow.Agent
---@return boolean
local function agent_passes(filter, agent)
  local context = filters.context()
  for _, term in ipairs(filter.terms) do
    local fits = false
    for _, value in ipairs(term.values) do
      if term.name == "agent" then
        fits = fits or require("orchflow.filter.match").agent_fits(value, agent.run, agent.agent)
      elseif term.name == "run" then
        local number = tonumber(value)
        number = number < 0 and (context.newest_run or 0) + 1 + number or number
        fits = fits or agent.run == number
      elseif term.name == "is" then
        local state = value == "living" and agent.living or value == "paused" and agent.paused
        fits = fits or state == true or agent.status == value
      end
    end
    if fits == (term.excluded == true) then
      return false
    end
  end
  local said = ("%s %s"):format(agent.key, agent.status):lower()
  for _, word in ipairs(filter.words) do
    if not said:find(word:lower(), 1, true) then
      return false
    end
  end
  return true
end

---@param line string
local function run(line)
  require("orchflow.command").execute(line)
end

---@type table<string, orchflow.Picker>
M.pickers = {
  agents = {
    prompt = "Agent",
    kind = "orchflow_agent",
    none = "no agents; :Orchflow swarm starts some",
    load = function(filter, done)
      client.request("status", { all = true }, function(failure, status)
        done(failure, status and vim.tbl_filter(function(agent)
          return agent_passes(filter, agent)
        end, status.agents or {}))
      end)
    end,
    format = function(agent)
      local words = require("orchflow.view.status")
      return ("%s  %s  turn %d  %s  +%d -%d"):format(
        text.pad(text.clean(agent.key), 14),
        text.pad(words.state_words(agent), 14),
        agent.turn or 0,
        text.count(agent.undecided or 0, "hunk"),
        agent.insertions or 0,
        agent.deletions or 0
      )
    end,
    act = function(agent)
      if agent.living == false then
        run("review agent:" .. agent.key)
      else
        run("attach " .. agent.key)
      end
    end,
  },
  events = {
    prompt = "Event",
    kind = "orchflow_event",
    none = "no event passes the filter",
    load = function(filter, done)
      local params = vim.tbl_extend("force", filters.params(filter), { limit = MOST })
      client.request("log", params, function(failure, result)
        local events = result and result.events or {}
        table.sort(events, function(left, right)
          return left.seq > right.seq
        end)
        done(failure, result and events)
      end)
    end,
    format = function(event)
      local words = require("orchflow.event")
      return ("%s  %s  %s"):format(
        text.clock(event.timestamp),
        text.pad(text.cut(text.clean(words.who(event)), 12), 12),
        words.words(event, require("orchflow.state").worktrees(client.store()))
      )
    end,
    act = function(event)
      run("event " .. event.seq)
    end,
  },
  hunks = {
    prompt = "Hunk",
    kind = "orchflow_hunk",
    none = "no undecided hunks pass the filter; :Orchflow status says who still works",
    load = function(filter, done)
      local params = vim.tbl_extend("force", filters.params(filter), { limit = MOST })
      client.request("review", params, function(failure, result)
        done(failure, result and result.hunks or nil)
      end)
    end,
    format = function(hunk)
      return ("%s:%d  %s  +%d -%d  %s"):format(
        text.clean(hunk.path),
        hunk.line or 1,
        text.clean(hunk.agent),
        hunk.insertions or 0,
        hunk.deletions or 0,
        text.clean(hunk.heading)
      )
    end,
    act = function(hunk, hunks, filter)
      -- What was picked from becomes the list, so that `:cnext` goes on from there.
      local list = require("orchflow.review.list")
      list.take(filters.params(filter), nil, hunks)
      local place = list.place(hunk)
      if place then
        list.go(place)
      end
    end,
  },
}

--- Opens a picker.
---@param what "agents"|"events"|"hunks"
---@param filter orchflow.Filter
---@param respond fun(failure?: orchflow.Failure, picked?: table) called with nothing where nothing is picked
function M.open(what, filter, respond)
  local picker = M.pickers[what]
  picker.load(filter, function(failure, items)
    if failure then
      respond(failure)
      return
    elseif #(items or {}) == 0 then
      message.info("orchflow: " .. picker.none)
      respond()
      return
    end
    local options = { prompt = picker.prompt, kind = picker.kind, format_item = picker.format }
    steady.when_safe("pick", function()
      vim.ui.select(items, options, function(item)
        if item then
          steady.by_hand(picker.act, item, items, filter)
        end
        respond(nil, item)
      end)
    end)
  end)
end

return M
