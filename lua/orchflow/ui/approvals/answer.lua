--- How permissions are answered from the float: once, by a rule, with other arguments, several at once, or denied.
---
--- Only what the human had whole on the screen is allowed; several are listed once more before they are.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")

local M = {}

--- Says whether all of what is asked has been on the screen.
---@param state orchflow.Approvals
---@return boolean
function M.is_seen(state)
  local id = state.shown and state.shown.id or ""
  local opened = state.float
  local last = vim.api.nvim_buf_line_count(opened.buffer)
  state.seen[id] = state.seen[id] or vim.fn.line("w$", opened.window) >= last
  return state.seen[id]
end

---@param result table what the host answers
---@return string
local function words(result)
  local rows = result.answers or { result }
  local refused = vim.tbl_filter(function(row)
    return row.state == "refused"
  end, rows)
  if #rows > 1 and #refused == 0 then
    return ("%d %s"):format(#rows, text.clean(rows[1].state))
  elseif #refused > 0 then
    local first = ("%s: %s"):format(text.clean(refused[1].id), text.clean(refused[1].message))
    return ("%d of %d answered; %s"):format(#rows - #refused, #rows, first)
  end
  local rule = text.clean(rows[1].rule)
  local made = rule ~= "" and ("; rule: %s (%s)"):format(rule, text.clean(rows[1].scope)) or ""
  return ("%s %s%s"):format(text.clean(rows[1].id), text.clean(rows[1].state), made)
end

--- Gives an answer about some approvals and shows what waits then.
---@param state orchflow.Approvals
---@param method "approve"|"deny"
---@param ids string[]
---@param more? table parameters beside the ids
---@param done? fun() called once it is answered
function M.give(state, method, ids, more, done)
  if state.asking then
    return
  end
  state.asking = true
  local params = vim.tbl_extend("error", { id = #ids == 1 and ids[1] or ids }, more or {})
  client.request(method, params, function(failure, result)
    state.asking = false
    if failure then
      message.failure(failure, "orchflow: " .. method)
      state.reload()
      return
    end
    if done then
      done()
    end
    message.info("orchflow: " .. words(result))
    local answered = {}
    for _, row in ipairs(result.answers or { result }) do
      if row.state ~= "refused" then
        answered[row.id] = true
        state.answered[row.id] = "you answered: " .. text.clean(row.state)
      end
    end
    state.marked = {}
    state.waiting = vim.tbl_filter(function(each)
      return not answered[each.id]
    end, state.waiting)
    if state.shown and answered[state.shown.id] then
      state.show(state.waiting[1])
    end
    state.reload()
  end)
end

--- Gives the approval that may be answered now, or says why none may.
---@param state orchflow.Approvals
---@return orchflow.Approval?
local function answerable(state)
  local approval = state.shown
  if not approval then
    message.info("orchflow: nobody asks for anything")
  elseif not state.index() then
    message.info(
      ("orchflow: %s is answered already; <C-n> goes on"):format(text.clean(approval.id))
    )
  elseif approval.answerable == false then
    message.info("orchflow: it can only be answered in the agent's own terminal; p goes there")
  else
    return approval
  end
  return nil
end

--- Gives the approval that may be allowed now, or says why none may.
---@param state orchflow.Approvals
---@return orchflow.Approval?
local function allowable(state)
  local approval = answerable(state)
  if approval and not M.is_seen(state) then
    message.info("orchflow: there is more below; look at the end (G) before you allow it")
    return nil
  end
  return approval
end

---@param state orchflow.Approvals
---@return orchflow.Approval[]
local function marked(state)
  return vim.tbl_filter(function(approval)
    return state.marked[approval.id]
  end, state.waiting)
end

---@param approvals orchflow.Approval[]
---@return string[]
local function ids_of(approvals)
  return vim.tbl_map(function(approval)
    return approval.id
  end, approvals)
end

--- Asks whether all that are marked are meant, each in a line.
---@param state orchflow.Approvals
---@param verb string
---@param go fun(ids: string[])
local function confirm(state, verb, go)
  local approvals = marked(state)
  local choices = { "no", ("%s all %d"):format(verb, #approvals) }
  local lines = vim.tbl_map(function(approval)
    return ("%s: %s"):format(
      text.clean(approval.agent),
      text.clean(approval.summary or approval.tool)
    )
  end, approvals)
  local prompt = ("%s %s?"):format(verb, table.concat(lines, "; "))
  vim.ui.select(choices, { prompt = prompt }, function(_, choice)
    if choice == 2 then
      go(ids_of(approvals))
    end
  end)
end

--- Allows what is shown, this once; where some are marked, those.
---@param state orchflow.Approvals
function M.allow(state)
  if next(state.marked) then
    confirm(state, "allow", function(ids)
      M.give(state, "approve", ids)
    end)
    return
  end
  local approval = allowable(state)
  if approval then
    M.give(state, "approve", { approval.id })
  end
end

--- Denies what is shown; where some are marked, those.
---@param state orchflow.Approvals
function M.deny(state)
  local ids = ids_of(marked(state))
  if #ids == 0 then
    local approval = answerable(state)
    if not approval then
      return
    end
    ids = { approval.id }
  end
  local what = #ids == 1 and text.clean(ids[1]) or ("all %d"):format(#ids)
  local prompt = ("Deny %s, because (empty: no reason): "):format(what)
  vim.ui.input({ prompt = prompt }, function(typed)
    if typed then
      local reason = vim.trim(typed) ~= "" and typed or nil
      M.give(state, "deny", ids, { reason = reason })
    end
  end)
end

--- Allows what is shown by a rule: asks for whom, then shows the rule, to be changed or taken.
---@param state orchflow.Approvals
function M.by_rule(state)
  local approval = allowable(state)
  if not approval then
    return
  end
  local offered = text.clean(approval.rule)
  if offered == "" then
    message.info("orchflow: the host is too old for rules; :checkhealth orchflow says more")
    return
  end
  local agent = ("%s/%s"):format(text.clean(approval.run), text.clean(approval.agent))
  local scopes = {
    { "agent", ("for %s, as long as it stands"):format(agent) },
    { "run", ("for every agent of run %s"):format(text.clean(approval.run)) },
    { "always", "always, for every agent in every repository of yours" },
  }
  vim.ui.select(scopes, {
    prompt = ("Allow %s"):format(offered),
    format_item = function(scope)
      return scope[2]
    end,
  }, function(scope)
    if not scope then
      return
    end
    local prompt = "Rule (* is anything): allow "
    vim.ui.input({ prompt = prompt, default = offered }, function(rule)
      if rule and vim.trim(rule) ~= "" then
        M.give(state, "approve", { approval.id }, { ["for"] = scope[1], rule = rule })
      end
    end)
  end)
end

--- Marks what is shown, or takes its mark back, and goes on.
---@param state orchflow.Approvals
function M.mark(state)
  local approval = state.shown
  if approval and state.marked[approval.id] then
    state.marked[approval.id] = nil
    state.draw()
    return
  end
  approval = allowable(state)
  if approval then
    state.marked[approval.id] = true
    state.go(1)
    state.draw()
  end
end

--- Marks all that use the tool of what is shown and can be answered from here.
---@param state orchflow.Approvals
function M.mark_alike(state)
  local approval = allowable(state)
  if not approval then
    return
  end
  for _, each in ipairs(state.waiting) do
    if each.tool == approval.tool and each.answerable ~= false then
      state.marked[each.id] = true
    end
  end
  state.draw()
end

--- Opens the arguments of what is shown; writing them allows it with those.
---@param state orchflow.Approvals
function M.edit(state)
  local approval = answerable(state)
  if not approval then
    return
  elseif approval.editable ~= true then
    local name = text.clean(approval.agent)
    message.info(("orchflow: %s takes no other arguments; n denies it with a reason"):format(name))
    return
  end
  require("orchflow.ui.approvals.edit").open(approval, function(arguments, done)
    M.give(state, "approve", { approval.id }, { edit = arguments }, done)
  end)
end

return M
