--- `:Orchflow next`: to what needs the human most, and on from there.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local needs = require("orchflow.needs")
local text = require("orchflow.view.text")

local M = {}

---@type table<string, string>
local WORDS = {
  approval = "asks for a permission",
  question = "waits for you",
  budget = "is paused by a budget",
  limit = "got no answer from its model",
  failed = "failed",
  undelivered = "did not get a prompt",
  finished = "is done",
}

--- Says what a need is about.
---@param need orchflow.Need
---@return string
function M.words(need)
  return ("%s %s"):format(text.clean(need.key), WORDS[need.kind] or text.clean(need.kind))
end

--- Chooses the need to go to: the most urgent that was not shown yet; where all were, the first again. Pure.
---@param list orchflow.Need[]
---@param shown table<string, true>
---@param skip integer how many to pass over
---@return integer? index
---@return boolean again whether it begins anew
function M.choose(list, shown, skip)
  local fresh = {}
  for index, need in ipairs(list) do
    if not shown[needs.identity(need)] then
      fresh[#fresh + 1] = index
    end
  end
  if #list == 0 then
    return nil, false
  elseif #fresh == 0 then
    return skip % #list + 1, true
  end
  return fresh[skip % #fresh + 1], false
end

---@param need orchflow.Need
local function open(need)
  local command = require("orchflow.command")
  if need.kind == "approval" then
    local id = type(need.about) == "string" and need.about or nil
    require("orchflow.ui.approvals").open(id, need.key)
  elseif need.kind == "budget" then
    command.execute("cost")
  elseif need.kind == "finished" then
    command.execute("review agent:" .. need.key)
  else
    local agent = require("orchflow.state").agent(client.store(), need.key)
    if need.kind == "failed" and not (agent and agent.living) then
      command.execute("why " .. need.key)
    else
      require("orchflow.ui.agent").go(agent or need)
    end
  end
end

---@type table<string, true>
local shown = {}

--- Goes to what needs the human.
---@param skip? integer how many to pass over
function M.go(skip)
  client.request("status", {}, function(failure, status)
    if failure then
      message.failure(failure, "orchflow: next")
      return
    end
    require("orchflow.state").take_status(client.store(), status)
    local list = needs.of(status)
    local index, again = M.choose(list, shown, skip or 0)
    if not index then
      shown = {}
      message.info("orchflow: nothing needs you")
      return
    end
    local standing = {}
    for place, need in ipairs(list) do
      local identity = needs.identity(need)
      if (shown[identity] and not again) or place == index then
        standing[identity] = true
      end
    end
    shown = standing
    message.info(("%s (%d of %d)"):format(M.words(list[index]), index, #list))
    require("orchflow.ui.steady").when_safe("next", function()
      open(list[index])
    end)
  end)
end

return M
