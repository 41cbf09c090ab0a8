--- Verbs about permissions: those that wait and those of the past, their answers, and the rules that answer them.

local client = require("orchflow.client")
local filters = require("orchflow.filter")
local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")

---@type table<string, orchflow.Verb>
local M = {}

--- Says whether permissions of the past are meant.
---@param invocation orchflow.Invocation
---@return boolean
local function is_past(invocation)
  return invocation.flags.all or #(invocation.arguments.filter or {}) > 0
end

---@param approval table
---@return string
local function past_line(approval)
  local state = text.clean(approval.state)
  local by = text.clean(approval.by)
  local answer = text.clean(approval.answer)
  return ("%s  %s  %s  %s%s%s"):format(
    text.clean(approval.id),
    text.clean(approval.agent),
    text.clean(approval.summary or approval.tool),
    state,
    by ~= "" and " by " .. by or "",
    answer ~= "" and ": " .. answer or ""
  )
end

---@param invocation orchflow.Invocation
---@return table? params
---@return orchflow.Failure? failure
local function past_params(invocation)
  local filter, problem = filters.parse(invocation.arguments.filter or {}, "events")
  if not filter then
    return nil,
      {
        code = "usage",
        message = problem --[[@as string]],
        hint = ":Orchflow approvals agent:claude since:1d",
      }
  end
  return vim.tbl_extend("force", filters.params(filter), {
    all = true,
    limit = invocation.flags.limit,
    before = invocation.flags.before,
  })
end

M.approvals = {
  request = function(invocation, respond)
    local params, problem = {}, nil
    if is_past(invocation) then
      params, problem = past_params(invocation)
    end
    if problem then
      respond(problem)
      return
    end
    client.request("approvals", params, function(failure, result, raw)
      respond(failure, result and {
        data = (raw or result).approvals,
        result = result,
        next = result.next,
      })
    end)
  end,
  lines = function(outcome, invocation)
    return vim.tbl_map(function(approval)
      if is_past(invocation) then
        return past_line(approval)
      end
      return ("%s  %s  %s"):format(
        text.clean(approval.id),
        text.clean(approval.agent),
        text.clean(approval.summary or approval.tool)
      )
    end, outcome.result.approvals or {})
  end,
  show = function(outcome, invocation)
    local page = text.page()
    for _, line in ipairs(M.approvals.lines(outcome, invocation)) do
      page:add({ " " .. line })
    end
    if #page.lines == 0 then
      message.info("orchflow: no permission was asked for that fits")
      return
    end
    require("orchflow.ui.steady").when_safe("approvals", function()
      require("orchflow.ui.scratch").open("approvals/past", page)
    end)
  end,
  open = function(invocation)
    if not is_past(invocation) then
      require("orchflow.ui.approvals").open()
      return
    end
    M.approvals.request(invocation, function(failure, outcome)
      if failure then
        message.failure(failure, "orchflow: approvals")
      else
        M.approvals.show(outcome, invocation)
      end
    end)
  end,
}

---@param row table
---@return string
local function answer_line(row)
  local rule, why = text.clean(row.rule), text.clean(row.message)
  return ("%s %s%s%s"):format(
    text.clean(row.id),
    text.clean(row.state),
    why ~= "" and ": " .. why or "",
    rule ~= "" and ("; rule: %s (%s)"):format(rule, text.clean(row.scope)) or ""
  )
end

---@param method "approve"|"deny"
---@return orchflow.Verb
local function answer(method)
  local verb
  verb = {
    request = function(invocation, respond)
      local flags = invocation.flags
      local params = {
        id = invocation.arguments.id,
        reason = flags.reason,
        why = invocation.arguments.why,
        ["for"] = flags["for"],
        rule = flags.rule,
        edit = flags.edit,
      }
      client.request(method, params, function(failure, result, raw)
        local rows = result and ((raw or result).answers or { raw or result })
        for _, row in ipairs(result and result.answers or {}) do
          if row.state == "refused" and not failure then
            local said = ("%s: %s"):format(text.clean(row.id), text.clean(row.message))
            failure = { code = "refused", message = said, hint = row.hint }
          end
        end
        respond(failure, result and { data = rows, result = result })
      end)
    end,
    lines = function(outcome)
      return vim.tbl_map(answer_line, outcome.result.answers or { outcome.result })
    end,
    show = function(outcome, invocation)
      message.info("orchflow: " .. table.concat(verb.lines(outcome, invocation), ", "))
    end,
  }
  return verb
end

M.approve = answer("approve")
M.deny = answer("deny")

---@param rule table
---@return string
local function rule_line(rule)
  if rule.state == "removed" then
    return text.clean(rule.id) .. " removed"
  end
  local reason = text.clean(rule.reason)
  return ("%-6s %-5s %s   %s%s"):format(
    text.clean(rule.id),
    text.clean(rule.verdict),
    text.clean(rule.rule),
    text.clean(rule.scope),
    reason ~= "" and "   " .. reason or ""
  )
end

M.rules = {
  request = function(invocation, respond)
    local flags = invocation.flags
    client.request("rules", {
      action = invocation.arguments.action,
      rule = invocation.arguments.rule,
      agent = flags.agent,
      run = flags.run,
      always = flags.always,
      reason = flags.reason,
    }, function(failure, result, raw)
      respond(failure, result and {
        data = (raw or result).rules,
        result = result,
        warnings = result.warnings,
      })
    end)
  end,
  lines = function(outcome)
    return vim.tbl_map(rule_line, outcome.result.rules or {})
  end,
  show = function(outcome, invocation)
    local lines = M.rules.lines(outcome, invocation)
    for _, warning in ipairs(outcome.warnings or {}) do
      message.warn("orchflow: " .. text.clean(warning))
    end
    if #lines == 0 then
      message.info("orchflow: no rules; A in :Orchflow approvals makes one")
      return
    elseif invocation.arguments.action then
      message.info("orchflow: " .. lines[1])
      return
    end
    local page = text.page()
    for _, line in ipairs(lines) do
      page:add({ " " .. line })
    end
    require("orchflow.ui.steady").when_safe("rules", function()
      require("orchflow.ui.scratch").open("rules", page)
    end)
  end,
}

return M
