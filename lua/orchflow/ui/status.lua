--- The dashboard as a float that lives: it follows every push of the host while it is open.

local client = require("orchflow.client")
local float = require("orchflow.ui.float")
local message = require("orchflow.ui.message")
local view = require("orchflow.view.status")

local M = {}

--- Gives the time as the host counts it.
---@return integer microseconds since 1970
function M.now()
  local seconds, microseconds = vim.uv.gettimeofday()
  return seconds * 1000000 + microseconds
end

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

---@return orchflow.FloatKey[]
local function keys()
  local command = function(...)
    require("orchflow.command").execute(table.concat({ ... }, " "))
  end
  return {
    {
      key = "<CR>",
      description = "pane",
      action = on_agent(function(agent, opened)
        opened:close()
        command("attach", agent.key)
      end),
    },
    {
      key = "p",
      description = "prompt",
      action = on_agent(function(agent)
        command("send", agent.key)
      end),
    },
    {
      key = "v",
      description = "review",
      action = on_agent(function(agent, opened)
        opened:close()
        command("review", "--agent", agent.key)
      end),
    },
    {
      key = "a",
      description = "approvals",
      action = function(_, opened)
        opened:close()
        command("approvals")
      end,
    },
    {
      key = "t",
      description = "timeline",
      action = on_agent(function(agent, opened)
        opened:close()
        command("timeline", "agent:" .. agent.key)
      end),
    },
    {
      key = "S",
      description = "stop",
      action = on_agent(function(agent)
        command("stop", agent.key)
      end),
    },
  }
end

--- Opens the dashboard.
---@param query? { run?: integer, all?: boolean } parameters of `status`; what is pushed is about all that lives
function M.open(query)
  query = query or {}
  local stops = {}
  local clock = assert(vim.uv.new_timer())
  local opened
  opened = float.open({
    name = "status",
    title = view.title(nil, client.phase()),
    keys = keys(),
    closed = function()
      clock:stop()
      clock:close()
      for _, stop in ipairs(stops) do
        stop()
      end
    end,
  })
  if opened.page then
    clock:close()
    return
  end
  local asked ---@type orchflow.Status?
  local function draw()
    if opened:is_open() then
      local status = asked or client.store().status
      local icons = require("orchflow.config").get().icons
      opened:show(view.page(status, M.now(), icons), view.title(status, client.phase()))
    end
  end
  local function ask()
    client.request("status", query, function(failure, status)
      if failure then
        opened:close()
        message.failure(failure, "orchflow: status")
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
  stops = { client.on("status", next(query) and ask or draw), client.on("link", draw) }
  draw()
  clock:start(1000, 1000, vim.schedule_wrap(draw))
  ask()
end

return M
