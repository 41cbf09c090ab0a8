--- The timeline: one line an event, oldest first. Pure: events in, lines out.

local event_words = require("orchflow.event")
local text = require("orchflow.view.text")

local M = {}

local WHO_WIDTH = 12

--- Gives the pieces of an event's line.
---@param event orchflow.Event
---@param worktrees? string[] whose paths are left out
---@return orchflow.Piece[]
function M.pieces(event, worktrees)
  return {
    { event.timestamp and text.clock(event.timestamp) or "--:--:--", "OrchflowMuted" },
    "  ",
    { text.pad(text.cut(event_words.who(event), WHO_WIDTH), WHO_WIDTH), "OrchflowAgent" },
    "  ",
    { event_words.words(event, worktrees), event_words.group(event.type) },
  }
end

--- Draws events.
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

--- Gives the timeline's title.
---@param filter orchflow.Filter
---@param count integer events shown
---@param live boolean whether new events are followed
---@return string
function M.title(filter, count, live)
  local shown = require("orchflow.filter").show(filter)
  local parts = { "Timeline" }
  if shown ~= "" then
    parts[#parts + 1] = text.clean(shown)
  end
  parts[#parts + 1] = text.count(count, "event")
  if live then
    parts[#parts + 1] = "LIVE"
  end
  return table.concat(parts, "  ")
end

return M
