--- Verbs of review: review, accept, reject, comment, undo, redo.

local client = require("orchflow.client")
local decide = require("orchflow.review.decide")
local filters = require("orchflow.filter")
local list = require("orchflow.review.list")
local message = require("orchflow.ui.message")
local output = require("orchflow.command.output")
local target = require("orchflow.review.target")
local text = require("orchflow.view.text")
local view = require("orchflow.view.hunk")

---@type table<string, orchflow.Verb>
local M = {}

---@param invocation orchflow.Invocation
---@return table? query parameters of the host's `review`
---@return orchflow.Failure? failure
local function query_of(invocation)
  local flags = invocation.flags
  local filter, problem = filters.parse(invocation.arguments.filter or {}, "hunks")
  if not filter then
    return nil,
      {
        code = "usage",
        message = problem --[[@as string]],
        hint = ":Orchflow review agent:claude file:src/** is:unseen",
      }
  end
  return vim.tbl_extend("force", filters.params(filter), {
    run = flags.run,
    agent = flags.agent,
    path = flags.file,
    state = flags.all and "all" or nil,
  }),
    nil
end

M.review = {
  request = function(invocation, respond)
    local query, problem = query_of(invocation)
    if not query then
      respond(problem)
      return
    end
    local params = vim.tbl_extend(
      "force",
      query,
      { limit = invocation.flags.limit, after = invocation.flags.after }
    )
    client.request("review", params, function(failure, result, raw)
      if failure then
        respond(failure)
        return
      end
      -- The list is filled as well, so that a script can go on with :Orchflow accept.
      list.take(query, result.hunks or {}, result.run)
      respond(nil, {
        data = (raw or result).hunks or {},
        result = result,
        run = result.run,
        seq = result.seq,
        next = result.next,
        warnings = result.warnings,
      })
    end)
  end,
  lines = function(outcome)
    return vim.tbl_map(view.plain, outcome.result.hunks or {})
  end,
  open = function(invocation)
    local query, problem = query_of(invocation)
    if query then
      require("orchflow.review").open(query)
    else
      message.failure(problem --[[@as orchflow.Failure]], "orchflow: review")
    end
  end,
}

---@param invocation orchflow.Invocation
---@return orchflow.Hunk[]?
---@return orchflow.Failure?
local function targets(invocation)
  return target.resolve({
    ids = invocation.ids,
    hash = invocation.flags.hash,
    range = invocation.range,
  })
end

---@param results table[]
---@return string[]
local function result_lines(results)
  return vim.tbl_map(function(result)
    local where = ("%s  %s %s"):format(
      text.clean(result.id),
      text.clean(result.agent),
      text.clean(result.path)
    )
    if result.state ~= "refused" then
      return ("%s  %s%s"):format(
        where,
        text.clean(result.state),
        result.already and " already" or ""
      )
    end
    return ("%s  refused: %s"):format(where, text.clean(result.message or result.code))
  end, results)
end

--- Reads hunks from lines with an id, or an id and its hash.
---@param lines string
---@return table[]
local function hunks_from(lines)
  local hunks = {}
  for line in lines:gmatch("[^\n]+") do
    local id, hash = line:match("^%s*(%S+)%s*(%S*)")
    if id then
      hunks[#hunks + 1] = { id = id, hash = hash ~= "" and hash or nil }
    end
  end
  return hunks
end

--- Names what a text about hunks is about.
---@param hunks orchflow.Hunk[]
---@return string
local function whose(hunks)
  local first = hunks[1]
  if #hunks > 1 then
    return text.count(#hunks, "hunk")
  elseif not first.path then
    return text.clean(first.id)
  end
  return ("%s %s"):format(text.clean(first.agent), view.where(first))
end

---@param verb string
---@param hunks orchflow.Hunk[]
---@return string
local function prompt_key(verb, hunks)
  local ids = vim.tbl_map(function(hunk)
    return hunk.id
  end, hunks)
  return verb .. " " .. table.concat(ids, ",")
end

---@param method "accept"|"reject"
---@return orchflow.Verb
local function decision(method)
  ---@param invocation orchflow.Invocation
  ---@param hunks orchflow.Hunk[]
  ---@param reason? string
  ---@param respond fun(failure?: orchflow.Failure, outcome?: orchflow.Outcome)
  local function ask(invocation, hunks, reason, respond)
    local extra = { reason = reason, dry_run = invocation.flags.dry_run }
    decide.decide(method, hunks, extra, function(failure, result, raw)
      if failure then
        respond(failure)
        return
      end
      local refused = vim.tbl_filter(function(each)
        return each.state == "refused"
      end, result.results or {})
      local first = refused[1]
      if first then
        local why = text.clean(first.message or first.code)
        failure = {
          code = first.code or "refused",
          message = why,
          hint = first.hint,
          exit = output.codes.negative,
        }
      end
      respond(failure, {
        data = (raw or result).results or {},
        result = result,
      })
    end)
  end

  --- Gives the reason that stands in the command, if any does.
  ---@param invocation orchflow.Invocation
  ---@return string?
  ---@return orchflow.Failure?
  local function reason_of(invocation)
    local typed = invocation.arguments.text
    if
      typed and (method == "accept" or #invocation.ids == 0 and target.is_id(typed:match("^%S+")))
    then
      return nil,
        {
          code = "usage",
          message = ("%s is not the id of a hunk"):format(typed:match("^%S+")),
          hint = "ids look like h_9f2c41d0; :Orchflow review lists them",
        }
    end
    return invocation.flags.reason or typed, nil
  end

  ---@param outcome orchflow.Outcome
  ---@param invocation orchflow.Invocation
  local function show(outcome, invocation)
    decide.show(method, outcome.result.results or {}, invocation.flags.dry_run)
  end

  return {
    takes_ids = true,
    range = true,
    bang = method == "reject" and "without asking for a reason" or nil,
    request = function(invocation, respond)
      local reason, problem = reason_of(invocation)
      if invocation.is_script and invocation.arguments.text == "-" then
        ask(invocation, hunks_from(io.stdin:read("*a")), invocation.flags.reason, respond)
        return
      end
      local hunks, failure = targets(invocation)
      failure = problem or failure
      if failure then
        respond(failure)
      else
        ask(invocation, hunks --[[@as orchflow.Hunk[] ]], reason, respond)
      end
    end,
    lines = function(outcome)
      return result_lines(outcome.result.results or {})
    end,
    open = function(invocation)
      local reason, problem = reason_of(invocation)
      local hunks, failure = targets(invocation)
      failure = problem or failure
      if failure then
        message.failure(failure, "orchflow: " .. method)
        return
      end
      local function go(why)
        ask(invocation, hunks --[[@as orchflow.Hunk[] ]], why, function(trouble, outcome)
          if outcome then
            show(outcome, invocation)
          else
            message.failure(trouble --[[@as orchflow.Failure]], "orchflow: " .. method)
          end
        end)
      end
      if method == "accept" or reason or invocation.bang or invocation.flags.dry_run then
        go(reason)
        return
      end
      require("orchflow.prompt").open({
        key = prompt_key("reject", hunks --[[@as orchflow.Hunk[] ]]),
        height = 4,
        title = "reject: why, for " .. whose(hunks --[[@as orchflow.Hunk[] ]]),
        empty = ":Orchflow! reject gives no reason",
        send = function(typed, done)
          ask(invocation, hunks --[[@as orchflow.Hunk[] ]], typed, function(trouble, outcome)
            if outcome then
              show(outcome, invocation)
            end
            done(not outcome and trouble or nil)
          end)
        end,
      })
    end,
  }
end

M.accept = decision("accept")
M.reject = decision("reject")

--- Sends a comment about hunks.
---@param hunks orchflow.Hunk[]
---@param comment string
---@param respond fun(failure?: orchflow.Failure, outcome?: orchflow.Outcome)
local function send_comment(hunks, comment, respond)
  local params = { hunks = decide.references(hunks), text = comment }
  client.request("comment", params, function(failure, result, raw)
    if not failure then
      list.refresh_soon()
    end
    respond(failure, result and { data = (raw or result).prompts, result = result })
  end)
end

M.comment = {
  takes_ids = true,
  range = true,
  request = function(invocation, respond)
    local hunks, failure = targets(invocation)
    if not failure and not invocation.arguments.text then
      failure = {
        code = "usage",
        message = "a comment wants a text",
        hint = ":Orchflow comment h_9f2c41d0 TEXT",
      }
    end
    if failure then
      respond(failure)
    else
      send_comment(hunks --[[@as orchflow.Hunk[] ]], invocation.arguments.text, respond)
    end
  end,
  lines = function(outcome)
    return vim.tbl_map(function(prompt)
      return ("comment sent to %s"):format(text.clean(prompt.agent))
    end, outcome.result.prompts or {})
  end,
  open = function(invocation)
    local hunks, failure = targets(invocation)
    if failure then
      message.failure(failure, "orchflow: comment")
      return
    end
    local function go(comment, done)
      send_comment(hunks --[[@as orchflow.Hunk[] ]], comment, function(trouble, outcome)
        if outcome then
          message.info(table.concat(M.comment.lines(outcome, invocation), ", "))
        end
        done(trouble)
      end)
    end
    if invocation.arguments.text then
      go(invocation.arguments.text, function(trouble)
        if trouble then
          message.failure(trouble, "orchflow: comment")
        end
      end)
      return
    end
    require("orchflow.prompt").open({
      key = prompt_key("comment", hunks --[[@as orchflow.Hunk[] ]]),
      height = 4,
      title = "comment: for " .. whose(hunks --[[@as orchflow.Hunk[] ]]),
      send = go,
    })
  end,
}

---@param method "undo"|"redo"
---@return orchflow.Verb
local function turning_back(method)
  local verb = {}
  verb.request = function(_, respond)
    client.request(method, {}, function(failure, result, raw)
      if not failure then
        decide.take_back(method, result)
      end
      respond(failure, result and { data = { raw or result }, result = result })
    end)
  end
  verb.lines = function(outcome)
    return { decide.undone(method, outcome.result) }
  end
  verb.show = function(outcome)
    message.info(decide.undone(method, outcome.result))
  end
  return verb
end

M.undo = turning_back("undo")
M.redo = turning_back("redo")

return M
