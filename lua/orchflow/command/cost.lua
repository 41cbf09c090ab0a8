--- Verbs about money: what agents cost, and how much they may.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")

---@type table<string, orchflow.Verb>
local M = {}

M.cost = {
  request = function(invocation, respond)
    local flags = invocation.flags
    client.request("cost", {
      by = invocation.arguments.by,
      run = flags.run,
      agent = flags.agent,
      all = flags.all,
    }, function(failure, result, raw)
      local data = result and vim.list_slice((raw or result).cost or {}) or {}
      if result and result.total then
        data[#data + 1] = vim.tbl_extend("force", (raw or result).total, { total = true })
      end
      respond(failure, result and { data = data, result = result, run = result.run })
    end)
  end,
  lines = function(outcome)
    return require("orchflow.view.cost").page(outcome.result).lines
  end,
  show = function(outcome)
    local page = require("orchflow.view.cost").page(outcome.result)
    require("orchflow.ui.steady").when_safe("cost", function()
      require("orchflow.ui.float").open({ name = "cost", title = "Cost" }):show(page)
    end)
  end,
}

M.budget = {
  request = function(invocation, respond)
    local flags = invocation.flags
    client.request("budget", {
      usd = invocation.arguments.usd,
      run = flags.run,
      day = flags.day,
    }, function(failure, result, raw)
      respond(failure, result and { data = (raw or result).budgets, result = result })
    end)
  end,
  lines = function(outcome)
    local page = text.page()
    require("orchflow.view.cost").add_budgets(page, outcome.result.budgets)
    local lines = vim.tbl_map(vim.trim, page.lines)
    local resumed = vim.tbl_map(text.clean, outcome.result.resumed or {})
    if #resumed > 0 then
      lines[#lines + 1] = table.concat(resumed, ", ") .. " go on"
    end
    return lines
  end,
  show = function(outcome, invocation)
    local lines = M.budget.lines(outcome, invocation)
    message.info(
      "orchflow: "
        .. (#lines > 0 and table.concat(lines, "; ") or "no budget; :Orchflow budget 5 sets one")
    )
  end,
}

return M
