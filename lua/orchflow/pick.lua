--- Pickers for agents, events, hunks and approvals. telescope or fzf-lua show them where the human has them, with what
--- each can do; else `vim.ui.select` does, whatever stands behind it.

local client = require("orchflow.client")
local filters = require("orchflow.filter")
local message = require("orchflow.ui.message")
local steady = require("orchflow.ui.steady")
local text = require("orchflow.view.text")
local view = require("orchflow.view.hunk")

local M = {}

--- Events and hunks that a picker is given at most; a filter narrows what is more.
local MOST = 1000

---@alias orchflow.Picked "agents"|"events"|"hunks"|"approvals"

---@class orchflow.Picker
---@field prompt string
---@field kind string for pickers that are told apart by it
---@field load fun(filter: orchflow.Filter, done: fun(failure?: orchflow.Failure, items?: table[]))
---@field format fun(item: table): string
---@field act fun(item: table, items: table[], filter: orchflow.Filter)
---@field none string said where there is nothing to pick

---@param filter orchflow.Filter
---@param agent { key: string, run: integer, agent: string, status: string, living?: boolean, paused?: boolean }
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

---@param filter orchflow.Filter
---@param approval orchflow.Approval
---@return boolean
local function approval_passes(filter, approval)
  local key = ("%s/%s"):format(approval.run, approval.agent)
  return agent_passes(
    filter,
    { key = key, run = approval.run, agent = approval.agent, status = "" }
  )
end

---@param line string
local function run(line)
  require("orchflow.command").execute(line)
end

---@type table<orchflow.Picked, orchflow.Picker>
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
        done(failure, result and view.in_order(result.hunks or {}))
      end)
    end,
    format = function(hunk)
      local note = view.note(hunk)
      return ("%s %s:%d  %s  +%d -%d  %s%s"):format(
        view.mark(hunk),
        text.clean(hunk.path),
        view.line(hunk),
        text.clean(hunk.agent),
        hunk.insertions or 0,
        hunk.deletions or 0,
        view.heading(hunk),
        note ~= "" and "  " .. note or ""
      )
    end,
    act = function(hunk, hunks, filter)
      -- What was picked from becomes the list, so that `:cnext` goes on from there.
      local list = require("orchflow.review.list")
      list.take(filters.params(filter), hunks, hunk.run)
      local place = list.place(hunk)
      if place then
        list.go(place)
      end
    end,
  },
  approvals = {
    prompt = "Approval",
    kind = "orchflow_approval",
    none = "nobody asks for permission",
    load = function(filter, done)
      client.request("approvals", {}, function(failure, result)
        done(failure, result and vim.tbl_filter(function(approval)
          return approval_passes(filter, approval)
        end, result.approvals or {}))
      end)
    end,
    format = function(approval)
      return ("%s  %s  %s"):format(
        text.pad(text.clean(("%s/%s"):format(approval.run, approval.agent)), 14),
        text.clean(approval.tool),
        text.clean(approval.summary)
      )
    end,
    act = function(approval)
      require("orchflow.ui.approvals").open(approval.id)
    end,
  },
}

--- Shows items by `vim.ui.select`. What shows previews (fzf-lua, snacks) is given one.
---@param what orchflow.Picked
---@param items table[]
---@param filter orchflow.Filter
---@param respond fun(failure?: orchflow.Failure, picked?: table)
local function select(what, items, filter, respond)
  local picker = M.pickers[what]
  local options = {
    prompt = picker.prompt,
    kind = picker.kind,
    format_item = picker.format,
    preview_item = function(item)
      return { buf = require("orchflow.pick.preview").buffer(what, item) }
    end,
  }
  vim.ui.select(items, options, function(item)
    if item then
      steady.by_hand(picker.act, item, items, filter)
    end
    respond(nil, item)
  end)
end

--- Says whether `vim.ui.select` is still the one Neovim comes with, which is a list of numbers to type.
---@return boolean
local function is_plain_select()
  local source = debug.getinfo(vim.ui.select, "S").source or ""
  return source:find("vim/ui%.lua$") ~= nil
end

---@alias orchflow.Chosen fun(failure?: orchflow.Failure, picked?: table)
---@alias orchflow.ShowItems fun(items: table[], filter: orchflow.Filter, respond: orchflow.Chosen, how?: table)
---@alias orchflow.ShowPicked fun(what: orchflow.Picked, ...: any)

--- Gives what shows a picker: what the options name; else, where nobody has made `vim.ui.select` their own, telescope
--- or fzf-lua, if one of them is there.
---@return orchflow.ShowPicked
local function shower()
  local wanted = require("orchflow.config").get().picker
  if wanted == "select" or (wanted == "auto" and not is_plain_select()) then
    return select
  end
  for _, name in ipairs(wanted == "auto" and { "telescope", "fzf-lua" } or { wanted }) do
    if pcall(require, name) then
      return require(name == "telescope" and "orchflow.pick.telescope" or "orchflow.pick.fzf").show
    end
  end
  if wanted ~= "auto" then
    message.warn(
      ("orchflow: %s is not there; see 'picker' in :help orchflow-config"):format(wanted)
    )
  end
  return select
end

--- Loads what a picker shows, and gives it on once something may open.
---@param what orchflow.Picked
---@param filter orchflow.Filter
---@param show orchflow.ShowItems
---@param respond fun(failure?: orchflow.Failure, picked?: table)
---@param options? table of what shows it
local function load(what, filter, show, respond, options)
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
    ---@cast items table[]
    steady.when_safe("pick", function()
      show(items, filter, respond, options)
    end)
  end)
end

--- Opens a picker.
---@param what orchflow.Picked
---@param filter orchflow.Filter
---@param respond fun(failure?: orchflow.Failure, picked?: table) called with nothing where nothing is picked
function M.open(what, filter, respond)
  load(what, filter, function(...)
    local show = shower()
    local ok, problem = pcall(show, what, ...)
    if not ok and show == select then
      error(problem, 0)
    elseif not ok then
      -- A picker of another age than this Neovim, for instance.
      local why = tostring(problem):match("[^\n]+") or "it failed"
      message.warn(
        ("orchflow: the picker failed (%s); see 'picker' in :help orchflow-config"):format(why)
      )
      select(what, ...)
    end
  end, respond)
end

--- Gives what the filter of a picker is read for.
---@param what orchflow.Picked
---@return orchflow.FilterScope
function M.scope(what)
  return what == "approvals" and "agents" or what
end

--- Opens a picker for another program's command, which gives the filter as text.
---@param what orchflow.Picked
---@param words? string
---@param show orchflow.ShowItems
---@param options? table
function M.open_words(what, words, show, options)
  local filter, problem =
    filters.parse(vim.split(words or "", "%s+", { trimempty = true }), M.scope(what))
  if not filter then
    message.error(("orchflow: pick %s: %s"):format(what, problem))
    return
  end
  load(what, filter, show, function(failure)
    if failure then
      message.failure(failure, "orchflow: pick")
    end
  end, options)
end

return M
