--- The permissions agents wait for, one at a time, in a float in which they are answered.
---
--- What is shown stays shown until the human goes on: an answer is about the id that was on the screen, or about those
--- that were marked. A key that comes right after the float showed something else is ignored. How answers are given
--- stands in `ui/approvals/answer.lua`.

local answer = require("orchflow.ui.approvals.answer")
local client = require("orchflow.client")
local clock = require("orchflow.clock")
local float = require("orchflow.ui.float")
local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")
local view = require("orchflow.view.approval")

local M = {}

--- Files larger than this are not read for the lines around a change.
local MOST_BYTES = 1024 * 1024

---@class orchflow.Approvals
---@field float orchflow.Float
---@field waiting orchflow.Approval[]
---@field shown? orchflow.Approval
---@field answered table<string, string> what became of an approval, by id
---@field asking boolean whether an answer is on its way
---@field seen table<string, boolean> ids of which the last line has been on the screen
---@field marked table<string, true> ids that are answered together
---@field index fun(): integer? which of those that wait is shown
---@field go fun(step: integer) shows another of them
---@field reload fun() asks the host anew
---@field draw fun()
---@field show fun(approval?: orchflow.Approval)

---@type orchflow.Approvals?
local current

---@param path string
---@return string[]?
local function read_lines(path)
  local stat = vim.uv.fs_stat(path)
  if not stat or stat.type ~= "file" or stat.size > MOST_BYTES then
    return nil
  end
  local ok, lines = pcall(vim.fn.readfile, path)
  return ok and lines or nil
end

--- Gives a path as the agent means it: what is relative stands in its worktree, not in the human's tree.
---@param path string
---@param agent? orchflow.Agent
---@return string
local function as_the_agent_has_it(path, agent)
  local is_relative = path:sub(1, 1) ~= "/"
  return is_relative and agent and agent.worktree and vim.fs.joinpath(agent.worktree, path) or path
end

---@param approval orchflow.Approval
---@return orchflow.Agent?
local function agent_of(approval)
  local key = ("%s/%s"):format(approval.run, approval.agent)
  return require("orchflow.state").agent(client.store(), key)
end

---@param state orchflow.Approvals
---@return integer?
local function index_of_shown(state)
  for index, approval in ipairs(state.waiting) do
    if state.shown and approval.id == state.shown.id then
      return index
    end
  end
  return nil
end

--- Draws an approval.
---@param approval orchflow.Approval
---@param answered? string what became of it
---@param marked? table<string, true> ids that are answered together
---@return orchflow.Page
function M.page(approval, answered, marked)
  local agent = agent_of(approval)
  return view.page(approval, {
    agent = agent,
    marked = marked and marked[approval.id],
    marks = marked and vim.tbl_count(marked),
    answered = answered,
    read = function(path)
      return read_lines(as_the_agent_has_it(path, agent))
    end,
  })
end

---@param state orchflow.Approvals
local function draw(state)
  local opened = state.float
  if not opened:is_open() then
    return
  end
  local approval = state.shown
  if not approval then
    local page = text.page()
    page:add({ { " nobody asks for anything", "OrchflowMuted" } })
    opened:show(page, float.title("Approvals", "g?"))
    return
  end
  local agent, index = agent_of(approval), index_of_shown(state)
  local answered = not index and (state.answered[approval.id] or "answered elsewhere") or nil
  local page = M.page(approval, answered, state.marked)
  for line = 1, #page.lines do
    page.rows[line] = approval
  end
  local place =
    { index = index, count = #state.waiting, now = clock.now(), turn = agent and agent.turn }
  opened:show(page, float.title(view.title(approval, place)))
end

--- Shows another approval; what was meant for the one before is not taken for this one.
---@param state orchflow.Approvals
---@param approval? orchflow.Approval
local function show(state, approval)
  local is_other = (state.shown and state.shown.id) ~= (approval and approval.id)
  local was_shown = state.shown ~= nil
  state.shown = approval
  draw(state)
  if is_other and state.float:is_open() then
    vim.api.nvim_win_set_cursor(state.float.window, { 1, 0 })
    if was_shown then
      state.float.guard:moved()
    end
  end
end

--- Goes to another of those that wait.
---@param state orchflow.Approvals
---@param step integer
local function go(state, step)
  local index = index_of_shown(state)
  local count = #state.waiting
  if count == 0 then
    show(state, nil)
    return
  end
  local following = index and (index - 1 + step) % count + 1 or 1
  show(state, state.waiting[following])
end

---@param state orchflow.Approvals
---@param wanted? string an id to begin with
---@param key? string an agent to begin with, `RUN/NAME`
local function load(state, wanted, key)
  client.request("approvals", {}, function(failure, result)
    if not state.float:is_open() then
      return
    elseif failure then
      state.float:close()
      message.failure(failure, "orchflow: approvals")
      return
    end
    state.waiting = result.approvals or {}
    local marked = {}
    for _, approval in ipairs(state.waiting) do
      marked[approval.id] = state.marked[approval.id]
    end
    state.marked = marked
    local first = state.waiting[1]
    for _, approval in ipairs(state.waiting) do
      if
        approval.id == wanted
        or (not wanted and key == ("%s/%s"):format(approval.run, approval.agent))
      then
        first = approval
        break
      end
    end
    if not state.shown or wanted or key then
      show(state, first)
    else
      draw(state)
    end
  end)
end

---@param state orchflow.Approvals
local function open_file(state)
  local approval = state.shown
  local path = approval and view.path(approval)
  if not approval or not path then
    message.info("orchflow: this is about no file")
    return
  end
  local agent = agent_of(approval)
  path = as_the_agent_has_it(path, agent)
  if not vim.uv.fs_stat(path) then
    message.info(("orchflow: %s is not there yet"):format(text.clean(path)))
    return
  end
  state.float:close()
  vim.cmd.edit(vim.fn.fnameescape(path))
end

---@param state orchflow.Approvals
local function go_to_pane(state)
  local approval = state.shown
  if approval then
    state.float:close()
    local key = ("%s/%s"):format(approval.run, approval.agent)
    require("orchflow.ui.agent").go(agent_of(approval) or { key = key, agent = approval.agent })
  end
end

---@param state orchflow.Approvals
---@return orchflow.FloatKey[]
local function keys(state)
  local function key(lhs, description, long, action, decides)
    return {
      key = lhs,
      description = description,
      long = long,
      decides = decides,
      action = function()
        action(state)
      end,
    }
  end
  return {
    key("y", "once", "allow it, this once; what is marked, all of it", answer.allow, true),
    key("A", "always..", "allow it from now on, by a rule", answer.by_rule, true),
    key("n", "deny+reason", "deny it; the agent is told the reason", answer.deny, true),
    key("e", "edit", "change its arguments, where the agent takes that", answer.edit),
    vim.tbl_extend("force", key("m", "mark", "mark it, or take the mark back", answer.mark), {
      hidden = true,
    }),
    vim.tbl_extend(
      "force",
      key("M", "mark alike", "mark all that use the same tool", answer.mark_alike),
      { hidden = true }
    ),
    key("o", "open", "open the file it is about", open_file),
    key("p", "pane", "go to the agent's pane", go_to_pane),
    key("<C-n>", "next", "show the next one that waits", function()
      go(state, 1)
    end),
    vim.tbl_extend(
      "force",
      key("<C-p>", "previous", "show the one before", function()
        go(state, -1)
      end),
      { hidden = true }
    ),
  }
end

--- Opens the approvals.
---@param wanted? string an id to show first
---@param agent_key? string an agent whose approval is shown first, `RUN/NAME`
function M.open(wanted, agent_key)
  if current and current.float:is_open() then
    vim.api.nvim_set_current_win(current.float.window)
    if wanted or agent_key then
      load(current, wanted, agent_key)
    end
    return
  end
  ---@type orchflow.Approvals
  ---@diagnostic disable-next-line: missing-fields
  local state = {}
  state.waiting, state.answered, state.seen, state.marked = {}, {}, {}, {}
  state.asking = false
  state.index = function()
    return index_of_shown(state)
  end
  state.go = function(step)
    go(state, step)
  end
  state.reload = function()
    load(state)
  end
  state.draw = function()
    draw(state)
  end
  state.show = function(approval)
    show(state, approval)
  end
  local stops = {}
  state.float = float.open({
    name = "approvals",
    title = "Approvals",
    keys = keys(state),
    width = 78,
    wrap = true,
    closed = function()
      for _, stop in ipairs(stops) do
        stop()
      end
      if current == state then
        current = nil
      end
    end,
  })
  current = state
  stops = {
    client.on("events", function(events)
      for _, event in ipairs(events) do
        if event.type:find("^approval_") then
          load(state)
          return
        end
      end
    end),
    clock.while_visible(state.float.window, function()
      draw(state)
    end).stop,
  }
  vim.api.nvim_create_autocmd("WinScrolled", {
    pattern = tostring(state.float.window),
    desc = "Remember that the end of what is asked was on the screen",
    callback = function()
      if not state.float:is_open() then
        return true
      end
      answer.is_seen(state)
    end,
  })
  load(state, wanted, agent_key)
end

return M
