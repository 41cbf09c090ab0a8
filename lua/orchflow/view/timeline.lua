--- The timeline: one line an event, oldest first, and what an event expands to. Pure: events in, lines out.

local event_words = require("orchflow.event")
local text = require("orchflow.view.text")

local M = {}

local WHO_WIDTH = 12

--- Most lines of a diff that are shown in place.
M.DIFF_LINES = 200

--- Gives the pieces of an event's line.
---@param event orchflow.Event
---@param worktrees? string[] whose paths are left out
---@return orchflow.Piece[]
function M.pieces(event, worktrees)
  local group = event_words.group(event.type)
  return {
    { event.timestamp and text.clock(event.timestamp) or "--:--:--", "OrchflowMuted" },
    "  ",
    { text.pad(text.cut(event_words.who(event), WHO_WIDTH), WHO_WIDTH), "OrchflowAgent" },
    " ",
    { text.pad(event_words.sign(event.type), 2), group },
    { event_words.words(event, worktrees), group },
  }
end

--- Draws events as a page of their own.
---@param events orchflow.Event[] oldest first
---@param worktrees? string[] whose paths are left out
---@return orchflow.Page page its rows are events
function M.page(events, worktrees)
  local page = text.page()
  for _, event in ipairs(events) do
    page:add(M.pieces(event, worktrees), event)
  end
  if #events == 0 then
    page:add({ { "nothing has happened yet that passes the filter", "OrchflowMuted" } })
  end
  return page
end

---@class orchflow.RowSpan
---@field [1] integer first byte column
---@field [2] integer byte column behind the last
---@field [3] string highlight group

--- Joins pieces to a line and its spans.
---@param pieces (orchflow.Piece|string)[]
---@return string line
---@return orchflow.RowSpan[]
function M.join(pieces)
  local parts, spans, column = {}, {}, 0
  for _, piece in ipairs(pieces) do
    local said, group = piece, nil
    if type(piece) == "table" then
      said, group = piece[1], piece[2]
    end
    if group and #said > 0 then
      spans[#spans + 1] = { column, column + #said, group }
    end
    parts[#parts + 1] = said
    column = column + #said
  end
  return (table.concat(parts):gsub("%s+$", "")), spans
end

--- Cuts a text into harmless lines that fit a width, at its words.
---@param said any
---@param width integer cells
---@return string[]
local function lines_of(said, width)
  local lines = {}
  for line in (tostring(said) .. "\n"):gmatch("(.-)\n") do
    local current = ""
    for space, word in text.clean(line):gmatch("(%s*)(%S+)") do
      if current ~= "" and text.width(current .. space .. word) > width then
        lines[#lines + 1] = current
        current = word
      else
        -- What stands indented, as code does, stays so.
        current = current .. space .. word
      end
    end
    lines[#lines + 1] = current
  end
  while #lines > 0 and lines[#lines] == "" do
    lines[#lines] = nil
  end
  return lines
end

---@param line string of a unified diff
---@return string? group
local function diff_group(line)
  local first = line:sub(1, 1)
  if line:sub(1, 2) == "@@" then
    return "OrchflowMuted"
  elseif line:sub(1, 4) == "+++ " or line:sub(1, 4) == "--- " or line:sub(1, 5) == "diff " then
    return "OrchflowMuted"
  elseif first == "+" then
    return "OrchflowAdded"
  elseif first == "-" then
    return "OrchflowRemoved"
  elseif first == "\\" then
    return "OrchflowMuted"
  end
  return nil
end

--- What links of a chain of causes are called, by type.
local LINKS = {
  ai_requested_review = "review",
  ai_started_task = "task",
  checkpoint_taken = "checkpoint",
  agent_spawned = "start",
  agent_requested = "agent",
  worktree_created = "worktree",
}

--- Says in a few words what a link of a chain of causes is.
---@param event orchflow.Event
---@return string
function M.link(event)
  local data = event.data or {}
  if event.type == "run_started" and type(data.objective) == "string" then
    return ('"%s"'):format(text.clean(data.objective))
  elseif type(data.turn) == "number" and event.type:find("^turn_") then
    return ("turn %d"):format(data.turn)
  elseif LINKS[event.type] then
    return LINKS[event.type]
  elseif event.type:find("^prompt_") then
    return "prompt"
  end
  local said = text.clean(event.summary)
  return text.cut(said ~= "" and said or text.clean(event.type), 30)
end

--- Writes a chain of causes in one line, the nearest first. Where there is no room for all of it, links in its middle
--- are left out: its root is what the human asked for, and says most.
---@param chain orchflow.Event[] nearest first
---@param width integer cells it may take
---@return string
function M.because(chain, width)
  local links = {}
  for _, event in ipairs(chain) do
    local said = M.link(event)
    -- A prompt queued, written and accepted is one link.
    if links[#links] ~= said then
      links[#links + 1] = said
    end
  end
  local line = table.concat(links, " < ")
  while text.width(line) > width and #links > 2 do
    local middle = links[#links - 1] == "…" and #links - 2 or #links - 1
    if middle == 1 then
      break
    end
    links[middle] = "…"
    if links[middle + 1] == "…" then
      table.remove(links, middle)
    end
    line = table.concat(links, " < ")
  end
  return text.cut(line, width)
end

--- Leaves the event itself out of its chain, and puts the nearest cause first.
---@param chain orchflow.Event[]?
---@param seq integer
---@return orchflow.Event[]
function M.causes(chain, seq)
  local causes = vim.tbl_filter(function(event)
    return event.seq ~= seq
  end, chain or {})
  table.sort(causes, function(left, right)
    return left.seq > right.seq
  end)
  return causes
end

---@class orchflow.EventAnswer what the host's `event` gives
---@field event orchflow.Event
---@field chain? orchflow.Event[]
---@field effects? orchflow.Event[]
---@field diff? string[]
---@field prompt? string
---@field reasoning? string
---@field confidence? number
---@field hunks? string[]

---@class orchflow.DetailLine
---@field pieces (orchflow.Piece|string)[]
---@field event? orchflow.Event what the line is about, where it is another event

local LABEL_WIDTH = 11

--- Draws what an event expands to.
---@param answer orchflow.EventAnswer
---@param options { width?: integer, most?: integer, indent?: string } cells of a line; lines of the diff
---@return orchflow.DetailLine[]
function M.detail(answer, options)
  local indent = options.indent or ""
  local room = math.max(20, (options.width or 80) - #indent - LABEL_WIDTH)
  local lines = {} ---@type orchflow.DetailLine[]
  local function add(pieces, event)
    lines[#lines + 1] = { pieces = pieces, event = event }
  end
  local function labelled(label, said, group)
    for index, line in ipairs(said) do
      local head = index == 1 and label or ""
      add({ indent, { text.pad(head, LABEL_WIDTH), "OrchflowMuted" }, { line, group } })
    end
  end
  local causes = M.causes(answer.chain, answer.event.seq)
  if #causes > 0 then
    labelled("because", { M.because(causes, room) }, "OrchflowTitle")
  end
  for label, said in vim.spairs({ prompt = answer.prompt, reasoning = answer.reasoning }) do
    if said and said ~= "" then
      local all = lines_of(said, room)
      local shown = vim.list_slice(all, 1, math.min(#all, 12))
      if #all > #shown then
        shown[#shown + 1] = ("… %s more"):format(text.count(#all - #shown, "line"))
      end
      labelled(label, shown)
    end
  end
  if answer.confidence then
    labelled("confidence", { ("%d %%"):format(math.floor(answer.confidence * 100 + 0.5)) })
  end
  for index, effect in ipairs(answer.effects or {}) do
    if index > 5 then
      labelled(
        "",
        { ("… %s more"):format(text.count(#answer.effects - 5, "event")) },
        "OrchflowMuted"
      )
      break
    end
    local head = text.pad(index == 1 and "led to" or "", LABEL_WIDTH)
    local said = text.cut(event_words.words(effect), room)
    add({ indent, { head, "OrchflowMuted" }, { said, event_words.group(effect.type) } }, effect)
  end
  local most = options.most or M.DIFF_LINES
  for index, line in ipairs(answer.diff or {}) do
    if index > most then
      local left = text.count(#answer.diff - most, "line")
      add({
        indent,
        { ("… %s more; :Orchflow event %d"):format(left, answer.event.seq), "OrchflowMuted" },
      })
      break
    end
    local clean = text.clean(line)
    add({ indent, { clean, diff_group(clean) } })
  end
  if #lines == 0 then
    add({ indent, { "nothing more is known of it", "OrchflowMuted" } })
  end
  return lines
end

--- Writes a count as people say it: `214`, `12.3k`, `1.2M`.
---@param count integer
---@return string
function M.number(count)
  if count >= 999950 then
    return ("%.1fM"):format(count / 1e6)
  elseif count >= 10000 then
    return ("%.1fk"):format(count / 1e3)
  end
  return tostring(count)
end

--- Writes a number with its digits in groups.
---@param number integer
---@return string
function M.digits(number)
  local said = tostring(number):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (said:gsub("^,", ""))
end

---@class orchflow.TimelineState what the title tells
---@field filter string as it is typed
---@field count integer events that are loaded
---@field whole boolean whether the loaded ones are all that pass
---@field total integer events in the log
---@field live boolean
---@field place? orchflow.Event the event under the cursor
---@field today? string `2026-11-25`

--- Gives the words of the title.
---@param state orchflow.TimelineState
---@return string
function M.title(state)
  local parts = { "Timeline" }
  if state.filter ~= "" then
    parts[#parts + 1] = text.clean(state.filter)
    local more = state.whole and "" or "+"
    parts[#parts + 1] = ("%s%s of %s"):format(M.number(state.count), more, M.number(state.total))
  elseif state.place and not state.live then
    parts[#parts + 1] = ("%s of %s"):format(M.digits(state.place.seq), M.number(state.total))
  else
    local noun = state.total == 1 and "event" or "events"
    parts[#parts + 1] = ("%s %s"):format(M.number(state.total), noun)
  end
  if state.place and state.place.timestamp and state.today then
    local day = os.date("%Y-%m-%d", math.floor(state.place.timestamp / 1e6))
    if day ~= state.today then
      parts[#parts + 1] = day --[[@as string]]
    end
  end
  return table.concat(parts, "  ")
end

return M
