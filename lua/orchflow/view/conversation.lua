--- The conversation with an agent: what was asked of it, what it said, planned and did, with the diffs of its tools.
--- Pure: events in, lines with folds out.

local event_words = require("orchflow.event")
local text = require("orchflow.view.text")

local M = {}

--- Most lines shown of one text or one change.
local MOST_LINES = 200

---@class orchflow.TalkLine
---@field pieces (orchflow.Piece|string)[]
---@field fold string as a foldexpr gives it
---@field row? table what stands there: `approval`, `path`, `seq`

---@class orchflow.TalkBlock
---@field kind "turn"|"words"|"tool"|"note"|"approval"
---@field seq integer
---@field event orchflow.Event
---@field texts? string[] pieces of what was said
---@field outcome? string "done", "failed" or "denied"
---@field answer? string what became of an approval
---@field result? orchflow.Event the end of a tool

---@class orchflow.Talk
---@field blocks orchflow.TalkBlock[]
---@field plan? { text: string, status: string }[]
---@field prompts table<integer, string> texts of prompts that were queued
---@field waiting integer[] prompts that are not accepted
---@field tools table<string, integer> blocks of tools by the agent's id of the call
---@field approvals table<integer, integer> blocks of approvals by their number
---@field said boolean whether it said something in this turn
---@field seq integer the newest event taken

--- Begins an empty conversation.
---@return orchflow.Talk
function M.new()
  return {
    blocks = {},
    plan = nil,
    prompts = {},
    waiting = {},
    tools = {},
    approvals = {},
    said = false,
    seq = 0,
  }
end

---@param talk orchflow.Talk
---@param kind "turn"|"words"|"tool"|"note"|"approval"
---@param event orchflow.Event
---@param more? table
---@return integer index
local function add(talk, kind, event, more)
  talk.blocks[#talk.blocks + 1] =
    vim.tbl_extend("force", { kind = kind, seq = event.seq, event = event }, more or {})
  return #talk.blocks
end

---@param talk orchflow.Talk
---@param prompt any
local function no_longer_waits(talk, prompt)
  talk.waiting = vim.tbl_filter(function(each)
    return each ~= prompt
  end, talk.waiting)
end

---@param talk orchflow.Talk
---@param event orchflow.Event
---@param outcome string
---@return integer? changed
local function tool_ended(talk, event, outcome)
  local id = event.data.tool_use_id
  local index = type(id) == "string" and talk.tools[id] or nil
  if not index then
    index = add(talk, "tool", event)
  end
  local block = talk.blocks[index]
  block.outcome, block.result = outcome, event
  return index
end

---@param talk orchflow.Talk
---@param event orchflow.Event
---@param said string
---@return integer? changed
local function approval_ended(talk, event, said)
  local index = talk.approvals[event.data.approval]
  if not index then
    return nil
  end
  local why = event.data.reason or event.data.why
  talk.blocks[index].answer = type(why) == "string" and why ~= "" and ("%s: %s"):format(said, why)
    or said
  return index
end

--- What each type of event does: gives the first block that it changed, if it changed one.
---@type table<string, fun(talk: orchflow.Talk, event: orchflow.Event): integer?>
local TAKE = {
  prompt_queued = function(talk, event)
    talk.prompts[event.data.prompt] = event.data.text
    talk.waiting[#talk.waiting + 1] = event.data.prompt
    return #talk.blocks + 1
  end,
  prompt_extended = function(talk, event)
    local known = talk.prompts[event.data.prompt]
    talk.prompts[event.data.prompt] = (known and known .. "\n\n" or "") .. tostring(event.data.text)
    return #talk.blocks + 1
  end,
  prompt_accepted = function(talk, event)
    no_longer_waits(talk, event.data.prompt)
    return #talk.blocks + 1
  end,
  prompt_undelivered = function(talk, event)
    no_longer_waits(talk, event.data.prompt)
    return add(talk, "note", event)
  end,
  turn_started = function(talk, event)
    no_longer_waits(talk, event.data.prompt)
    talk.said, talk.plan = false, nil
    return add(talk, "turn", event)
  end,
  text_displayed = function(talk, event)
    local last, said = talk.blocks[#talk.blocks], tostring(event.data.text or "")
    talk.said = true
    if last and last.kind == "words" and not last.outcome then
      last.texts[#last.texts + 1] = said
      last.outcome = event.data.last == true and "done" or nil
      return #talk.blocks
    end
    return add(talk, "words", event, {
      texts = { said },
      outcome = event.data.last == true and "done" or nil,
    })
  end,
  tool_requested = function(talk, event)
    local index = add(talk, "tool", event)
    if type(event.data.tool_use_id) == "string" then
      talk.tools[event.data.tool_use_id] = index
    end
    return index
  end,
  tool_finished = function(talk, event)
    return tool_ended(talk, event, "done")
  end,
  tool_failed = function(talk, event)
    return tool_ended(talk, event, "failed")
  end,
  tool_denied = function(talk, event)
    return tool_ended(talk, event, "denied")
  end,
  approval_requested = function(talk, event)
    local index = add(talk, "approval", event)
    talk.approvals[event.seq] = index
    return index
  end,
  approval_answered = function(talk, event)
    return approval_ended(talk, event, event.data.allow == true and "allowed" or "denied")
  end,
  approval_superseded = function(talk, event)
    return approval_ended(talk, event, "settled elsewhere")
  end,
  approval_withdrawn = function(talk, event)
    return approval_ended(talk, event, "answer it in the agent's own terminal")
  end,
  approval_rejoined = function(talk, event)
    local index = talk.approvals[event.data.approval]
    if index then
      talk.blocks[index].answer = nil
    end
    return index
  end,
  plan_updated = function(talk, event)
    talk.plan = type(event.data.steps) == "table" and event.data.steps or nil
    return nil
  end,
  turn_ended = function(talk, event)
    local from
    -- An agent that tells its words only at the end of a turn is heard then.
    if not talk.said and type(event.data.message) == "string" and event.data.message ~= "" then
      from = add(talk, "words", event, { texts = { event.data.message }, outcome = "done" })
    end
    local index = add(talk, "note", event)
    return from or index
  end,
}

--- Types that are told in one line, as the timeline tells them.
local TOLD = {
  agent_exited = true,
  agent_failed_to_start = true,
  agent_paused = true,
  agent_resumed = true,
  checkpoint_taken = true,
  hunk_accepted = true,
  hunk_rejected = true,
  hunk_commented = true,
  limit_reached = true,
  notification_shown = true,
  usage_reported = true,
}

--- The types that a conversation is made of.
---@return table<string, boolean>
function M.types()
  local types = {}
  for name in pairs(TAKE) do
    types[name] = true
  end
  return vim.tbl_extend("force", types, TOLD)
end

--- Takes an event, each once and in order. Gives the first block that changed; nil where none did.
---@param talk orchflow.Talk
---@param event orchflow.Event
---@return integer? changed
function M.take(talk, event)
  if event.seq <= talk.seq then
    return nil
  end
  talk.seq = event.seq
  event.data = type(event.data) == "table" and event.data or {}
  local take = TAKE[event.type]
  if take then
    return take(talk, event)
  elseif TOLD[event.type] then
    return add(talk, "note", event)
  end
  return nil
end

---@param said any
---@return string[]
local function lines_of(said)
  local lines = {}
  for _, line in ipairs(vim.split(tostring(said or ""), "\n", { plain = true })) do
    if #lines == MOST_LINES then
      lines[#lines + 1] = "…"
      break
    end
    lines[#lines + 1] = text.clean(line)
  end
  while #lines > 0 and lines[#lines] == "" do
    lines[#lines] = nil
  end
  return lines
end

---@param lines orchflow.TalkLine[]
---@param pieces (orchflow.Piece|string)[]
---@param fold? string
---@param row? table
local function put(lines, pieces, fold, row)
  lines[#lines + 1] = { pieces = pieces, fold = fold or "1", row = row }
end

---@param talk orchflow.Talk
---@param block orchflow.TalkBlock
---@param lines orchflow.TalkLine[]
local function draw_turn(talk, block, lines)
  local data = block.event.data
  local said = data.text or talk.prompts[data.prompt]
  local shown = lines_of(said)
  local number = type(data.turn) == "number" and ("%d"):format(data.turn) or "?"
  local clock = block.event.timestamp and text.clock(block.event.timestamp) or ""
  put(lines, { "" }, "0")
  put(lines, {
    { ("> turn %s  %s"):format(number, clock), "OrchflowTitle" },
    "  ",
    { shown[1] or "", "OrchflowTitle" },
  }, ">1", { seq = block.seq, turn = true })
  for index = 2, #shown do
    put(lines, { "  ", { shown[index], "OrchflowTitle" } })
  end
  put(lines, { "" })
end

---@param block orchflow.TalkBlock
---@param lines orchflow.TalkLine[]
local function draw_words(block, lines)
  for _, line in ipairs(lines_of(table.concat(block.texts))) do
    put(lines, { line })
  end
end

--- Gives the changes that a tool makes: of its arguments, else of what it told at its end.
---@param block orchflow.TalkBlock
---@return { path?: string, old: string, new: string }[]
local function changes(block)
  local input = block.event.data.input
  input = type(input) == "table" and input or {}
  local response = block.result and block.result.data.response
  local diffs = type(response) == "table" and response.diffs
  local found = {}
  for _, diff in ipairs(type(diffs) == "table" and diffs or {}) do
    if type(diff) == "table" and type(diff.new) == "string" then
      local old = type(diff.old) == "string" and diff.old or ""
      found[#found + 1] = { path = diff.path, old = old, new = diff.new }
    end
  end
  local new = input.new_string or input.newString or input.content
  local old = input.old_string or input.oldString
  if #found == 0 and type(new) == "string" then
    found[1] = { path = input.file_path, old = type(old) == "string" and old or "", new = new }
  end
  return found
end

local SIGNS = { ["+"] = "OrchflowAdded", ["-"] = "OrchflowRemoved", ["@"] = "OrchflowMuted" }

---@param change { old: string, new: string }
---@return string[] lines of a unified diff, without its head
local function diff_lines(change)
  local diff = vim.text and vim.text.diff or vim.diff
  local function whole(side)
    return side == "" and "" or (side:gsub("\n?$", "\n"))
  end
  local ok, unified = pcall(diff, whole(change.old), whole(change.new), { ctxlen = 2 })
  return lines_of(ok and unified or change.new)
end

---@param block orchflow.TalkBlock
---@return string
local function tool_output(block)
  local data = block.result and block.result.data or {}
  local response = data.response
  if type(data.error) == "string" or type(data.reason) == "string" then
    return data.error or data.reason
  elseif type(response) == "table" then
    for _, name in ipairs({ "output", "stdout", "text" }) do
      if type(response[name]) == "string" then
        return response[name]
      end
    end
  end
  return type(response) == "string" and response or ""
end

local OUTCOMES = { done = "OrchflowMuted", failed = "OrchflowFailed", denied = "OrchflowFailed" }

---@param block orchflow.TalkBlock
---@param lines orchflow.TalkLine[]
---@param worktrees? string[]
local function draw_tool(block, lines, worktrees)
  local said = event_words.words(block.event, worktrees):gsub("^wants ", "")
  local inserted, removed, details = 0, 0, {}
  for _, change in ipairs(changes(block)) do
    for _, line in ipairs(diff_lines(change)) do
      local sign = line:sub(1, 1)
      inserted = inserted + (sign == "+" and 1 or 0)
      removed = removed + (sign == "-" and 1 or 0)
      details[#details + 1] = { "    ", { line, SIGNS[sign] } }
    end
  end
  if #details == 0 or block.outcome ~= "done" then
    for _, line in ipairs(lines_of(tool_output(block))) do
      details[#details + 1] = { "    ", { line, "OrchflowMuted" } }
    end
  end
  local pieces = {
    { block.outcome and "  * " or "  … ", OUTCOMES[block.outcome] or "OrchflowWorking" },
    { said, block.outcome and "OrchflowAgent" or "OrchflowWorking" },
  }
  if inserted + removed > 0 then
    pieces[#pieces + 1] = "  "
    pieces[#pieces + 1] = { ("+%d"):format(inserted), "OrchflowAdded" }
    pieces[#pieces + 1] = " "
    pieces[#pieces + 1] = { ("-%d"):format(removed), "OrchflowRemoved" }
  end
  if block.outcome and block.outcome ~= "done" then
    pieces[#pieces + 1] = "  "
    pieces[#pieces + 1] = { block.outcome, "OrchflowFailed" }
  end
  local row = { seq = block.seq, path = (event_words.place(block.event, worktrees)) }
  put(lines, pieces, #details > 0 and ">2" or "1", row)
  for _, detail in ipairs(details) do
    put(lines, detail, "2", row)
  end
end

---@param block orchflow.TalkBlock
---@param lines orchflow.TalkLine[]
---@param worktrees? string[]
local function draw_approval(block, lines, worktrees)
  local row = { seq = block.seq, approval = not block.answer and block.seq or nil }
  local said = event_words.words(block.event, worktrees)
  local group = block.answer and "OrchflowMuted" or "OrchflowWaiting"
  put(lines, {
    { block.answer and "  ? " or "  ! ", group },
    { said, group },
    "  ",
    { block.answer and text.clean(block.answer) or "<CR> answers", group },
  }, "1", row)
end

---@param block orchflow.TalkBlock
---@param lines orchflow.TalkLine[]
---@param worktrees? string[]
local function draw_note(block, lines, worktrees)
  local group = event_words.group(block.event.type) or "OrchflowMuted"
  local said = event_words.words(block.event, worktrees)
  local data = block.event.data
  if
    block.event.type == "turn_ended"
    and data.outcome ~= "failed"
    and type(data.turn) == "number"
  then
    -- Its last words stand above.
    said = ("turn %d %s"):format(data.turn, text.clean(data.outcome))
  end
  put(lines, {
    { "  " .. text.pad(event_words.sign(block.event.type), 2), group },
    { said, group },
  }, "1", { seq = block.seq })
end

--- Draws one block.
---@param talk orchflow.Talk
---@param index integer
---@param worktrees? string[] whose paths are left out
---@return orchflow.TalkLine[]
function M.block(talk, index, worktrees)
  local block, lines = talk.blocks[index], {}
  local before = talk.blocks[index - 1]
  local is_speech = block.kind == "words"
  if before and block.kind ~= "turn" and before.kind ~= "turn" then
    if is_speech ~= (before.kind == "words") then
      put(lines, { "" })
    end
  end
  if block.kind == "turn" then
    draw_turn(talk, block, lines)
  elseif block.kind == "words" then
    draw_words(block, lines)
  elseif block.kind == "tool" then
    draw_tool(block, lines, worktrees)
  elseif block.kind == "approval" then
    draw_approval(block, lines, worktrees)
  else
    draw_note(block, lines, worktrees)
  end
  return lines
end

local STEPS = { completed = "[x] ", in_progress = "[>] ", pending = "[ ] " }
local STEP_GROUPS = { completed = "OrchflowMuted", in_progress = "OrchflowWorking" }

--- Draws what stands above: the plan, where there is one, and what is not shown.
---@param talk orchflow.Talk
---@param has_earlier boolean whether there are events before the first that was taken
---@return orchflow.TalkLine[]
function M.head(talk, has_earlier)
  local lines = {}
  if has_earlier then
    local said = "what was before stands in the timeline: t"
    put(lines, { { said, "OrchflowMuted" } }, "0")
  end
  local steps = talk.plan or {}
  local done = #vim.tbl_filter(function(step)
    return step.status == "completed"
  end, steps)
  if #steps > 0 then
    put(lines, { { ("plan  %d/%d"):format(done, #steps), "OrchflowTitle" } }, ">1")
  end
  for _, step in ipairs(steps) do
    put(lines, {
      { "  " .. (STEPS[step.status] or STEPS.pending), STEP_GROUPS[step.status] },
      { text.clean(step.text), STEP_GROUPS[step.status] },
    })
  end
  return lines
end

--- Draws what stands below: prompts that wait, and how to go on.
---@param talk orchflow.Talk
---@return orchflow.TalkLine[]
function M.foot(talk)
  local lines = {}
  for _, prompt in ipairs(talk.waiting) do
    local shown = lines_of(talk.prompts[prompt])
    local more = #shown > 1 and ("  (%s more)"):format(text.count(#shown - 1, "line")) or ""
    put(lines, { { "  waits: " .. (shown[1] or "") .. more, "OrchflowWaiting" } }, "0")
  end
  if #talk.blocks == 0 and #lines == 0 then
    put(lines, { { "nothing was said yet", "OrchflowMuted" } }, "0")
  end
  return lines
end

return M
