--- Tells the human, wherever they are in the editor, when an agent begins to need them.

local text = require("orchflow.view.text")

local M = {}

---@param agent orchflow.Agent
---@return string? need nil where the agent needs nothing
local function need_of(agent)
  if agent.status == "waiting" then
    local what = text.clean(agent.waiting_for or agent.detail)
    if what == "approval" then
      return "asks for a permission; :Orchflow approvals"
    end
    local how = ":Orchflow attach " .. text.clean(agent.agent)
    return what == "" and "waits for you; " .. how or ("needs you: %s; %s"):format(what, how)
  elseif (agent.undelivered or 0) > 0 then
    return ("%s did not arrive; :Orchflow timeline agent:%s"):format(
      text.count(agent.undelivered, "prompt"),
      text.clean(agent.agent)
    )
  end
  return nil
end

--- Gives what is new between what agents needed before and a status. Pure.
---@param before table<string, string> need by agent
---@param status orchflow.Status
---@return string[] lines
---@return table<string, string> needs by agent
function M.compare(before, status)
  local lines, needs = {}, {}
  for _, agent in ipairs(status.agents or {}) do
    local need = need_of(agent)
    needs[agent.key] = need
    if need and before[agent.key] ~= need then
      lines[#lines + 1] = ("%s: %s"):format(text.clean(agent.agent), need)
    end
  end
  return lines, needs
end

local needs = {} ---@type table<string, string>
local listening = false

--- Begins to tell; a script is told by its exit code instead.
function M.start()
  if listening or require("orchflow.mode").is_script() then
    return
  end
  listening = true
  require("orchflow.client").on("status", function(status)
    local lines
    lines, needs = M.compare(needs, status)
    if #lines > 0 then
      require("orchflow.ui.message").warn(table.concat(lines, "  "))
    end
  end)
end

return M
