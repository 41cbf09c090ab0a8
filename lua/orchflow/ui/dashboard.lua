--- The dashboard: every agent on a line, live while it is open, with keys to steer it. A float, or a window of a
--- layout.

local client = require("orchflow.client")
local clock = require("orchflow.clock")
local float = require("orchflow.ui.float")
local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")
local view = require("orchflow.view.status")

local M = {}

--- Seconds after which the host is asked again for what is not pushed: its memory.
local ASK_AGAIN_S = 10

--- Runs an action on the agent of the cursor's line.
---@param action fun(agent: orchflow.Agent, float: orchflow.Float)
---@return fun(row: any, float: orchflow.Float)
local function on_agent(action)
  return function(row, opened)
    if row and row.key then
      action(row, opened)
    else
      message.info("orchflow: no agent on this line")
    end
  end
end

---@param line string
local function command(line)
  require("orchflow.command").execute(line)
end

--- Runs a command about the agent of the line, with the float gone.
---@param before string
---@param after? string
---@return fun(row: any, float: orchflow.Float)
local function leave_for(before, after)
  return on_agent(function(agent, opened)
    opened:leave()
    command(before .. agent.key .. (after or ""))
  end)
end

--- Sends an answerless request about an agent and tells how it went.
---@param method "pause"|"resume"|"stop"
---@param agent orchflow.Agent
---@param done string
local function steer(method, agent, done)
  local params = { agents = { agent.agent }, run = agent.run }
  if method == "resume" then
    -- One that has ended is started again, and shown where this editor is.
    params.view, params.front =
      require("orchflow.config").get().view, require("orchflow.command.place").front()
  end
  client.request(method, params, function(failure, result)
    local row = result and (result.agents or {})[1] or {}
    if failure then
      message.failure(failure, "orchflow: " .. method)
    elseif row.message then
      message.error(("orchflow: %s: %s"):format(text.clean(agent.agent), text.clean(row.message)))
    else
      message.info(("%s: %s"):format(text.clean(agent.agent), done))
    end
  end)
end

---@param agent orchflow.Agent
local function pause_or_resume(agent)
  if view.state(agent) == "paused" then
    steer("resume", agent, "goes on")
  else
    steer("pause", agent, "paused; its prompts wait")
  end
end

---@param agent orchflow.Agent
local function stop(agent)
  local name = text.clean(agent.key)
  if not agent.living then
    message.info(("orchflow: %s does not run"):format(name))
    return
  end
  local choices = { "let it run", "stop it; its work stays for review" }
  vim.ui.select(choices, { prompt = ("Stop %s?"):format(name) }, function(_, choice)
    if choice == 2 then
      steer("stop", agent, "stopped; its work stays for review")
    end
  end)
end

---@return orchflow.FloatKey[]
local function keys()
  return {
    {
      key = "<CR>",
      description = "pane",
      long = "go to the agent's pane, or open one here",
      action = on_agent(function(agent, opened)
        opened:leave()
        require("orchflow.ui.agent").go(agent)
      end),
    },
    {
      key = "p",
      description = "prompt",
      long = "write a prompt for the agent",
      action = leave_for("send "),
    },
    {
      key = "v",
      description = "review",
      long = "review the agent's hunks",
      action = leave_for("review agent:"),
    },
    {
      key = "a",
      description = "approvals",
      long = "answer what agents ask permission for",
      action = function(_, opened)
        opened:leave()
        command("approvals")
      end,
    },
    {
      key = "t",
      description = "timeline",
      long = "what the agent did",
      action = leave_for("timeline agent:"),
    },
    {
      key = "w",
      description = "why",
      long = "why the agent's status is what it is",
      action = leave_for("why "),
    },
    {
      key = "S",
      description = "stop",
      long = "stop the agent, after a question",
      decides = true,
      action = on_agent(stop),
    },
    {
      key = "P",
      description = "pause",
      long = "pause the agent, or let a paused one go on",
      decides = true,
      action = on_agent(pause_or_resume),
    },
    {
      key = "R",
      description = "resume",
      long = "let a paused agent go on, or start one that has ended again",
      decides = true,
      hidden = true,
      action = on_agent(function(agent)
        steer("resume", agent, "goes on")
      end),
    },
    {
      key = "n",
      description = "next",
      long = "go to what needs you most (after a search: the next match)",
      action = function(_, opened)
        if opened.searched then
          pcall(vim.cmd, "normal! n")
          return
        end
        opened:leave()
        command("next")
      end,
    },
  }
end

--- Opens the dashboard.
---@param query? { run?: integer, all?: boolean } parameters of `status`; what is pushed is about all that lives
---@param window? integer a window to fill in place of a float
---@return orchflow.Float
function M.open(query, window)
  query = query or {}
  local stops = {}
  local opened
  opened = float.open({
    name = "dashboard",
    title = "orchflow",
    keys = keys(),
    window = window,
    closed = function()
      for _, stop_one in ipairs(stops) do
        stop_one()
      end
    end,
  })
  if opened.page then
    return opened
  end
  local asked ---@type orchflow.Status?
  local function draw()
    if opened:is_open() then
      local status = asked or client.store().status
      local room = opened:room()
      local page = view.page(status, {
        now = clock.now(),
        icons = require("orchflow.config").get().icons,
        room = room,
        runs_above = true,
      })
      opened:show(
        page,
        float.title(view.title(status, client.is_silent() and "silent" or client.phase(), room))
      )
    end
  end
  local function ask()
    client.request("status", query, function(failure, status)
      if failure then
        if not asked and not client.store().status then
          opened:close()
        end
        message.failure(failure, "orchflow: dashboard")
        return
      end
      -- What is pushed shows the newest run; another query is asked again at each change.
      if next(query) then
        asked = status
      else
        require("orchflow.state").take_status(client.store(), status)
      end
      draw()
    end)
  end
  local ticks = 0
  local ticker = clock.while_visible(opened.window, function()
    ticks = ticks + 1
    draw()
    if ticks % ASK_AGAIN_S == 0 and client.phase() == "connected" then
      ask()
    end
  end)
  opened.ticker = ticker
  stops = {
    client.on("status", next(query) and ask or draw),
    client.on("link", draw),
    ticker.stop,
  }
  draw()
  ask()
  return opened
end

return M
