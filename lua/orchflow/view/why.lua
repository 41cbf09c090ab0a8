--- Why something is as it is: the words of the host, the chain of causes, the signals a status rests on. Pure.

local event_words = require("orchflow.event")
local text = require("orchflow.view.text")
local timeline = require("orchflow.view.timeline")

local M = {}

---@class orchflow.Evidence
---@field at? integer microseconds since 1970
---@field channel string where the signal came from: a hook, OSC 7501, output, the screen
---@field says string
---@field seq? integer
---@field confidence? string

---@class orchflow.WhyAnswer
---@field about { kind: string, id: any, title?: string }
---@field lines? string[]
---@field chain? orchflow.Event[] from it back to what began it
---@field evidence? orchflow.Evidence[] newest first

--- Gives the title of an answer.
---@param answer orchflow.WhyAnswer
---@return string
function M.title(answer)
  local about = answer.about or {}
  local said = text.clean(about.title)
  if said == "" then
    said = vim.trim(text.clean(about.kind) .. " " .. text.clean(about.id))
  end
  return "Why  " .. said
end

---@param page orchflow.Page
---@param words string
local function heading(page, words)
  if #page.lines > 0 then
    page:add({ "" })
  end
  page:add({ { words, "OrchflowTitle" } })
end

---@param page orchflow.Page
---@param event orchflow.Event
---@param depth integer
local function link(page, event, depth)
  local pieces = { "  ", { depth > 0 and "< " or "  ", "OrchflowMuted" } }
  vim.list_extend(pieces, timeline.pieces(event))
  page:add(pieces, event)
end

---@param page orchflow.Page
---@param evidence orchflow.Evidence[]
---@param now integer microseconds since 1970
local function signals(page, evidence, now)
  for _, signal in ipairs(evidence) do
    local age = signal.at and text.duration((now - signal.at) / 1e6) or "?"
    -- What is read off a screen or guessed from output is never shown as a fact.
    local is_guess = signal.confidence == "guess" or signal.confidence == "guessed"
    page:add({
      "  ",
      { text.pad(age, 8, true), "OrchflowMuted" },
      " ago  ",
      {
        text.pad(text.clean(signal.channel) .. (is_guess and "?" or ""), 10),
        is_guess and "OrchflowGuess" or "OrchflowAgent",
      },
      "  ",
      text.clean(signal.says),
    }, signal.seq and { seq = signal.seq } or nil)
  end
end

--- Draws an answer.
---@param answer orchflow.WhyAnswer
---@param now integer microseconds since 1970
---@return orchflow.Page page its rows are events, or at least have their `seq`
function M.page(answer, now)
  local page = text.page()
  for _, line in ipairs(answer.lines or {}) do
    page:add({ text.clean(line) })
  end
  if #(answer.evidence or {}) > 0 then
    heading(page, "It rests on")
    signals(page, answer.evidence, now)
  end
  if #(answer.chain or {}) > 0 then
    heading(page, "It follows from")
    for depth, event in ipairs(answer.chain) do
      link(page, event, depth - 1)
    end
  end
  if #page.lines == 0 then
    page:add({ { "nothing is known of it", "OrchflowMuted" } })
  end
  return page
end

--- Draws one event whole.
---@param answer orchflow.EventAnswer
---@param width integer cells of a line
---@return orchflow.Page page its rows are events
function M.event(answer, width)
  local page = text.page()
  page:add(timeline.pieces(answer.event), answer.event)
  page:add({ "" })
  for _, detail in ipairs(timeline.detail(answer, { width = width, most = 100000 })) do
    page:add(detail.pieces, detail.event)
  end
  for _, path in ipairs(answer.event.paths or {}) do
    page:add({ { text.pad("file", 11), "OrchflowMuted" }, text.clean(path) })
  end
  return page
end

--- Gives the title of one event.
---@param event orchflow.Event
---@return string
function M.event_title(event)
  return ("Event %s  %s"):format(
    timeline.digits(event.seq),
    text.clean(event_words.key(event) or event_words.who(event))
  )
end

return M
