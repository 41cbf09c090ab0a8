--- The approvals that wait, as a float in which they are answered.

local client = require("orchflow.client")
local float = require("orchflow.ui.float")
local message = require("orchflow.ui.message")
local view = require("orchflow.view.list")

local M = {}

---@param method "approve"|"deny"
---@param approval? table
---@param reason? string
---@param after fun()
local function answer(method, approval, reason, after)
  if not approval then
    message.info("orchflow: no approval on this line")
    return
  end
  client.request(method, { id = approval.id, reason = reason }, function(failure, result)
    if failure then
      message.failure(failure, "orchflow: " .. method)
    else
      message.info(("orchflow: %s %s"):format(result.id, result.state))
    end
    after()
  end)
end

--- Opens the list of approvals.
function M.open()
  local opened, stop
  local function draw(approvals)
    opened:show(
      view.approvals(approvals, require("orchflow.ui.status").now()),
      ("Approvals (%d)"):format(#approvals)
    )
  end
  local function load()
    client.request("approvals", {}, function(failure, result)
      if not opened:is_open() then
        return
      elseif failure then
        opened:close()
        message.failure(failure, "orchflow: approvals")
      else
        draw(result.approvals or {})
      end
    end)
  end
  opened = float.open({
    name = "approvals",
    title = "Approvals",
    keys = {
      {
        key = "y",
        description = "once",
        action = function(approval)
          answer("approve", approval, nil, load)
        end,
      },
      {
        key = "n",
        description = "deny with a reason",
        action = function(approval)
          if not approval then
            message.info("orchflow: no approval on this line")
            return
          end
          vim.ui.input({ prompt = "Deny because (empty: no reason): " }, function(typed)
            if typed then
              answer("deny", approval, vim.trim(typed) ~= "" and typed or nil, load)
            end
          end)
        end,
      },
      {
        key = "<CR>",
        description = "pane",
        action = function(approval, opened_float)
          if approval then
            opened_float:close()
            require("orchflow.command").execute(
              ("attach %s/%s"):format(approval.run, approval.agent)
            )
          end
        end,
      },
    },
    closed = function()
      if stop then
        stop()
      end
    end,
  })
  stop = client.on("events", function(events)
    for _, event in ipairs(events) do
      if event.type:find("^approval_") then
        load()
        return
      end
    end
  end)
  load()
end

return M
