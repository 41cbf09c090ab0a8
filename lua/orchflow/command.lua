--- `:Orchflow VERB …`: finds the verb, reads its line by the catalogue, and runs it.
---
--- Before a screen nothing waits. In a script a verb waits for its result, so that `nvim --headless -c` works.

local mode = require("orchflow.mode")
local output = require("orchflow.command.output")
local parse = require("orchflow.command.parse")

local M = {}

--- How long a script waits for an answer, unless the command waits by nature.
local SCRIPT_PATIENCE_MS = 60000

---@class orchflow.Invocation
---@field verb string
---@field flags table<string, any>
---@field arguments table<string, any>
---@field ids string[]
---@field bang boolean
---@field range? { first: integer, last: integer }
---@field is_script boolean
---@field quoted? string[] lines that a prompt is to begin with

---@alias orchflow.Respond fun(failure?: orchflow.Failure, outcome?: orchflow.Outcome)

--- Takes a failure over, and answers in the end.
---@alias orchflow.TakeFailure fun(f: orchflow.Failure, of: orchflow.Invocation, respond: orchflow.Respond): boolean

---@class orchflow.Verb
---@field request fun(invocation: orchflow.Invocation, respond: orchflow.Respond)
---@field show? fun(outcome: orchflow.Outcome, invocation: orchflow.Invocation) shows the outcome to a human
---@field open? fun(invocation: orchflow.Invocation) what a human gets in place of request and show
---@field lines? fun(outcome: orchflow.Outcome, invocation: orchflow.Invocation): string[] text for a script
---@field fail? orchflow.TakeFailure
---@field prompt? fun(invocation: orchflow.Invocation): orchflow.TextWanted? what is to be written first, where it lacks
---@field range? boolean whether a range of lines means something
---@field bang? string what the bang means
---@field takes_ids? boolean
---@field optional? table<string, boolean>
---@field complete? table<string, fun(lead: string): string[]> by argument
---@field patience_ms? integer how long a script waits

---@class orchflow.TextWanted
---@field key string what makes it the same prompt again
---@field title string what is written and to whom
---@field argument string that the text is for
---@field lines? string[] what the prompt begins with
---@field empty? string what to do instead of writing something

--- Gives the catalogue's entry of a verb.
---@param name string
---@return orchflow.CatalogueEntry?
function M.entry(name)
  for _, entry in ipairs(require("orchflow.catalogue")) do
    if entry.name == name then
      return entry
    end
  end
  return nil
end

--- Gives the names of all verbs, in the catalogue's order.
---@return string[]
function M.names()
  return vim.tbl_map(function(entry)
    return entry.name
  end, require("orchflow.catalogue"))
end

---@param invocation orchflow.Invocation
---@param verb orchflow.Verb
local function run_as_script(invocation, verb)
  local answered, failure, outcome = false, nil, nil
  verb.request(invocation, function(problem, given)
    answered, failure, outcome = true, problem, given
  end)
  local patience = verb.patience_ms or SCRIPT_PATIENCE_MS
  local _, why = vim.wait(patience, function()
    return answered
  end, 20)
  if not answered and why == -2 then
    failure = { code = "interrupted", message = "interrupted; agents go on" }
  elseif not answered then
    failure = {
      code = "timed_out",
      message = ("the host did not answer within %d s; agents go on"):format(patience / 1000),
      hint = "see :checkhealth orchflow",
    }
  end
  local lines = outcome and verb.lines and verb.lines(outcome, invocation) or {}
  output.finish(invocation, failure, outcome, lines)
end

--- Asks the host, shows what it gave, and hands a failure on.
---@param invocation orchflow.Invocation
---@param verb orchflow.Verb
---@param failed fun(failure?: orchflow.Failure) called once, with nil where all went well
local function ask(invocation, verb, failed)
  local function finish(failure, outcome)
    if outcome and verb.show then
      verb.show(outcome, invocation)
    end
    failed(not outcome and failure or nil)
  end
  verb.request(invocation, function(failure, outcome)
    local taken = failure and not outcome and verb.fail and verb.fail(failure, invocation, finish)
    if not taken then
      finish(failure, outcome)
    end
  end)
end

--- Opens a prompt for the text that a command lacks; the command is run when the text is written.
---@param invocation orchflow.Invocation
---@param verb orchflow.Verb
---@param wanted orchflow.TextWanted
local function ask_text(invocation, verb, wanted)
  require("orchflow.prompt").open({
    key = wanted.key,
    title = wanted.title,
    lines = wanted.lines,
    empty = wanted.empty,
    send = function(text, done)
      local whole = vim.deepcopy(invocation)
      whole.arguments[wanted.argument] = text
      ask(whole, verb, done)
    end,
  })
end

---@param invocation orchflow.Invocation
---@param verb orchflow.Verb
local function run_for_human(invocation, verb)
  local wanted = verb.prompt and verb.prompt(invocation)
  if wanted then
    ask_text(invocation, verb, wanted)
    return
  elseif verb.open then
    verb.open(invocation)
    return
  end
  ask(invocation, verb, function(failure)
    if failure then
      require("orchflow.ui.message").failure(failure, output.prefix(invocation.verb))
    end
  end)
end

--- Runs a verb with all of its text, as the prompt or a picker that gave the rest of it does.
---@param invocation orchflow.Invocation
function M.go_on(invocation)
  run_for_human(invocation, require("orchflow.command.verbs")[invocation.verb])
end

--- Tells of a wrong call, to whoever made it.
---@param invocation { verb: string, flags: table<string, any> }
---@param failure orchflow.Failure
local function refuse(invocation, failure)
  if mode.is_script() then
    output.finish(invocation --[[@as orchflow.Invocation]], failure, nil, {})
  else
    require("orchflow.ui.message").failure(failure, output.prefix(invocation.verb))
  end
end

---@param name string
---@return orchflow.Failure
local function unknown_verb(name)
  local nearest = require("orchflow.config.validate").nearest(name, M.names())
  return {
    code = "usage",
    message = ("there is no command %s"):format(name),
    hint = nearest and ("did you mean :Orchflow %s?"):format(nearest)
      or "see :help orchflow-commands",
  }
end

---@param line string what stands after `:Orchflow`
---@param bang boolean
---@param range? { first: integer, last: integer }
local function dispatch(line, bang, range)
  local name, rest = line:match("^%s*(%S+)%s?(.*)$")
  if not name then
    -- A script has no screen for the dashboard, and is told the same in lines.
    name = not mode.is_script() and require("orchflow.command.verbs").dashboard and "dashboard"
      or "status"
  end
  if name:sub(-1) == "!" then
    name, bang = name:sub(1, -2), true
  end
  -- Flags that could not be read are taken for granted where they tell how to report that.
  local as_given = {
    json = (" " .. line .. " "):find(" --json ", 1, true) ~= nil,
    keep_going = (" " .. line .. " "):find(" --keep-going ", 1, true) ~= nil,
  }
  local entry, verb = M.entry(name), require("orchflow.command.verbs")[name]
  if not entry or not verb then
    refuse({ verb = "orchflow", flags = as_given }, unknown_verb(name))
    return
  end
  -- What a human is asked for, a script has to give.
  local optional = not mode.is_script() and verb.optional or nil
  local parsed, problem =
    parse.parse(entry, rest or "", { takes_ids = verb.takes_ids, optional = optional })
  if parsed and range and not verb.range then
    parsed, problem = nil, "it takes no range of lines"
  end
  if not parsed then
    refuse({ verb = name, flags = as_given }, {
      code = "usage",
      message = problem or "it cannot be read",
      hint = ":Orchflow " .. entry.usage,
    })
    return
  end
  ---@type orchflow.Invocation
  local invocation = {
    verb = name,
    flags = parsed.flags,
    arguments = parsed.arguments,
    ids = parsed.ids,
    bang = bang,
    range = range,
    is_script = mode.is_script(),
  }
  if invocation.is_script then
    run_as_script(invocation, verb)
  else
    run_for_human(invocation, verb)
  end
end

--- Runs `:Orchflow` as Neovim calls it.
---@param options table of nvim_create_user_command()
function M.run(options)
  require("orchflow.ui.highlight").setup()
  local range = options.range > 0 and { first = options.line1, last = options.line2 } or nil
  require("orchflow.ui.steady").by_hand(dispatch, options.args, options.bang, range)
end

--- Runs a line as `:Orchflow` would.
---@param line string
---@param bang? boolean
function M.execute(line, bang)
  require("orchflow.ui.highlight").setup()
  require("orchflow.ui.steady").by_hand(dispatch, line, bang == true, nil)
end

--- Completes `:Orchflow`; nothing is asked of the host for it.
---@param lead string
---@param line string
---@param position integer
---@return string[]
function M.complete(lead, line, position)
  return require("orchflow.command.complete").complete(lead, line, position)
end

return M
