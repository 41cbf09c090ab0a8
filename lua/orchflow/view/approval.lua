--- One permission that an agent asks for, with everything that is needed to answer it. Pure: an approval in, a page
--- out.

local text = require("orchflow.view.text")

local M = {}

---@class orchflow.Approval
---@field id string
---@field agent string
---@field run integer
---@field tool string
---@field summary? string
---@field input? table<string, any>
---@field reason? string
---@field requested_at? integer microseconds since 1970
---@field answerable? boolean
---@field rule? string what a rule about it would be, `TOOL: PATTERN`
---@field editable? boolean whether the agent takes other arguments
---@field proposed? { path?: string, lines: string[], left?: integer, note?: string } what it would change

---@class orchflow.ApprovalContext
---@field agent? orchflow.Agent who asks
---@field read? fun(path: string): string[]? gives the lines of a file as the agent has it
---@field answered? string what became of it, once it does not wait any more
---@field marked? boolean whether it is marked
---@field marks? integer how many are marked

--- Lines of the file shown around a change.
local CONTEXT = 2

---@param value any
---@return string[]
local function lines_of(value)
  local lines = {}
  for _, line in ipairs(vim.split(tostring(value), "\n", { plain = true })) do
    lines[#lines + 1] = text.clean(line)
  end
  if #lines > 1 and lines[#lines] == "" then
    lines[#lines] = nil
  end
  return lines
end

---@param page orchflow.Page
---@param name string
---@param value any
---@param group? string
local function add(page, name, value, group)
  for index, line in ipairs(lines_of(value)) do
    local head = index == 1 and name or ""
    page:add({ { (" %-8s "):format(head), "OrchflowMuted" }, { line, group } })
  end
end

---@param lines string
---@return string[]
local function split(lines)
  return lines ~= "" and vim.split(lines, "\n", { plain = true }) or {}
end

---@class orchflow.PlacedEdit
---@field removed string[]
---@field added string[]
---@field first? integer the line at which it begins, 1-based; nil where the file is not known
---@field before string[] the lines above it
---@field after string[] the lines below it

--- Places a replacement in a file: as whole lines, with some lines around them.
---@param file? string[]
---@param old string
---@param new string
---@return orchflow.PlacedEdit
local function placed(file, old, new)
  local whole = file and table.concat(file, "\n") or ""
  local from, to = nil, nil
  if old ~= "" then
    from, to = whole:find(old, 1, true)
  end
  if not from then
    return { removed = split(old), added = split(new), before = {}, after = {} }
  end
  -- What is replaced may begin and end within a line.
  local head = whole:sub(1, from - 1):match("[^\n]*$")
  local tail = whole:sub(to + 1):match("^[^\n]*")
  local _, above = whole:sub(1, from - #head - 1):gsub("\n", "")
  local removed = split(head .. old .. tail)
  return {
    removed = removed,
    added = split(head .. new .. tail),
    first = above + 1,
    before = vim.list_slice(file --[[@as string[] ]], math.max(1, above + 1 - CONTEXT), above),
    after = vim.list_slice(
      file --[[@as string[] ]],
      above + #removed + 1,
      above + #removed + CONTEXT
    ),
  }
end

---@param page orchflow.Page
---@param number integer?
---@param sign string
---@param line string
---@param group? string
local function add_code(page, number, sign, line, group)
  local shown = number and ("%6d "):format(number) or (" "):rep(7)
  page:add({ { shown, "OrchflowMuted" }, { sign .. " " .. text.clean(line), group } })
end

--- Shows a replacement as a diff, between the lines around it where the file is known.
---@param page orchflow.Page
---@param file? string[]
---@param old any
---@param new any
local function add_edit(page, file, old, new)
  local edit = placed(file, tostring(old or ""), tostring(new or ""))
  local number = edit.first and edit.first - #edit.before
  local function add_all(lines, sign, group, counts)
    for _, line in ipairs(lines) do
      add_code(page, counts and number or nil, sign, line, group)
      number = counts and number and number + 1 or number
    end
  end
  add_all(edit.before, " ", nil, true)
  add_all(edit.removed, "-", "OrchflowRemoved", true)
  add_all(edit.added, "+", "OrchflowAdded", false)
  add_all(edit.after, " ", nil, true)
end

--- Gives the path an approval is about.
---@param approval orchflow.Approval
---@return string?
function M.path(approval)
  local input = type(approval.input) == "table" and approval.input or {}
  local path = input.file_path or input.notebook_path or input.path
  return type(path) == "string" and path ~= "" and path or nil
end

---@param value any
---@return string
local function written(value)
  if type(value) == "table" then
    return require("orchflow.json").encode(value)
  end
  return tostring(value)
end

--- Fields that are shown as what they are, not as a name and a value.
local SHOWN = {
  command = true,
  file_path = true,
  notebook_path = true,
  old_string = true,
  new_string = true,
  content = true,
  new_source = true,
  edits = true,
}

--- What it would change is the agent's word; what it did change comes from git.
local PROPOSED = "proposed"

---@type table<string, string>
local SIGNS = {
  ["+"] = "OrchflowAdded",
  ["-"] = "OrchflowRemoved",
  ["@"] = "OrchflowMuted",
  ["\\"] = "OrchflowMuted",
}

--- Shows what the host worked out: a diff against the file in the worktree.
---@param page orchflow.Page
---@param proposed table
local function add_proposed(page, proposed)
  local note = text.clean(proposed.note)
  add(page, PROPOSED, note ~= "" and note or "not done yet", "OrchflowMuted")
  for _, line in ipairs(proposed.lines) do
    page:add({ { "  " .. text.clean(line), SIGNS[line:sub(1, 1)] } })
  end
  if (proposed.left or 0) > 0 then
    page:add({ { ("  … %s more"):format(text.count(proposed.left, "line")), "OrchflowMuted" } })
  end
end

---@param page orchflow.Page
---@param approval orchflow.Approval
---@param context orchflow.ApprovalContext
local function add_input(page, approval, context)
  local input = type(approval.input) == "table" and approval.input or {}
  local path = M.path(approval)
  if input.command ~= nil then
    add(page, "command", written(input.command), "OrchflowTitle")
  end
  local file = path and context.read and context.read(path) or nil
  local proposed = type(approval.proposed) == "table" and approval.proposed or nil
  if proposed and #(proposed.lines or {}) > 0 then
    add_proposed(page, proposed)
    input = vim.tbl_extend("force", input, {})
    for _, shown in ipairs({ "old_string", "new_string", "edits", "content", "new_source" }) do
      input[shown] = nil
    end
  end
  if input.old_string ~= nil or input.new_string ~= nil then
    add_edit(page, file, input.old_string, input.new_string)
  end
  for _, edit in ipairs(type(input.edits) == "table" and input.edits or {}) do
    if type(edit) == "table" then
      add_edit(page, file, edit.old_string, edit.new_string)
    end
  end
  local content = input.content or input.new_source
  if content ~= nil then
    add_edit(page, nil, nil, written(content))
  end
  local names = vim.tbl_map(tostring, vim.tbl_keys(input))
  table.sort(names)
  for _, name in ipairs(names) do
    if not SHOWN[name] then
      add(page, text.clean(name), written(input[name]))
    end
  end
end

--- Draws an approval.
---@param approval orchflow.Approval
---@param context orchflow.ApprovalContext
---@return orchflow.Page
function M.page(approval, context)
  local page, agent = text.page(), context.agent
  if context.answered then
    page:add({ { " " .. context.answered, "OrchflowDone" } })
    page:add({ "" })
  end
  local worktree = agent and text.clean(agent.worktree) or ""
  local function short(path)
    local inside = worktree ~= "" and vim.startswith(path, worktree .. "/")
    return inside and path:sub(#worktree + 2) or path
  end
  local path = M.path(approval)
  local input = type(approval.input) == "table" and approval.input or {}
  local what = input.command ~= nil and "run a command"
    or path and ("%s %s"):format(text.clean(approval.tool), short(text.clean(path)))
    or text.clean(approval.summary) ~= "" and text.clean(approval.summary)
    or text.clean(approval.tool)
  add(page, "wants", what)
  if worktree ~= "" then
    add(page, "in", "its worktree " .. vim.fn.fnamemodify(worktree, ":~"))
  end
  if text.clean(approval.reason) ~= "" then
    add(page, "why", approval.reason)
  end
  if path then
    local outside = worktree ~= "" and path:sub(1, 1) == "/" and short(path) == path
    add(
      page,
      "touches",
      short(text.clean(path)) .. (outside and "   outside its worktree" or ""),
      outside and "OrchflowFailed" or nil
    )
  end
  local rule = text.clean(approval.rule)
  if rule ~= "" and approval.answerable ~= false and not context.answered then
    add(page, "rule", rule .. "   (A allows it from now on)", "OrchflowMuted")
  end
  if (context.marks or 0) > 0 then
    local which = context.marked and "marked; " or ""
    local how = ("%s%s; y and n answer them"):format(which, text.count(context.marks, "mark"))
    add(page, "marks", how, "OrchflowWaiting")
  end
  if approval.answerable == false then
    page:add({
      {
        " it can only be answered in the agent's own terminal: p goes there",
        "OrchflowWaiting",
      },
    })
  end
  page:add({ "" })
  add_input(page, approval, context)
  while #page.lines > 0 and page.lines[#page.lines] == "" do
    page.lines[#page.lines] = nil
  end
  return page
end

---@class orchflow.ApprovalPlace
---@field index? integer which of those that wait; nil where it does not wait any more
---@field count integer how many wait
---@field now integer microseconds since 1970
---@field turn? integer

--- Gives the title of an approval.
---@param approval orchflow.Approval
---@param place orchflow.ApprovalPlace
---@return string left
---@return string right
function M.title(approval, place)
  local which = place.index and ("%d/%d"):format(place.index, place.count)
    or ("answered, %d wait"):format(place.count)
  local parts =
    { "Approval " .. which, text.clean(approval.agent), "run " .. text.clean(approval.run) }
  if place.turn then
    parts[#parts + 1] = "turn " .. place.turn
  end
  if place.index and approval.requested_at then
    parts[#parts + 1] = "waiting " .. text.duration((place.now - approval.requested_at) / 1e6)
  end
  return table.concat(parts, "  "), text.clean(approval.id) .. "  g?"
end

return M
