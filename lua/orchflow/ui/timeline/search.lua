--- `g/` in the timeline: the whole log is searched by the host, from the cursor towards older events; `n` goes on, `N`
--- turns round. After a `/` of Neovim's own both keys are Neovim's again.

local client = require("orchflow.client")
local grammar = require("orchflow.ui.timeline.filter")
local message = require("orchflow.ui.message")
local pages = require("orchflow.ui.timeline.pages")
local text = require("orchflow.view.text")

local M = {}

---@param timeline orchflow.Timeline
---@param older boolean
local function find(timeline, older)
  local words = timeline.sought
  local typed = vim.trim(grammar.show(timeline.filter) .. " " .. words)
  local filter, problem = grammar.parse(typed)
  if not filter then
    message.error("orchflow: timeline: " .. problem)
    return
  end
  local row = timeline.row()
  local from = row and row.event.seq or timeline.total + 1
  local params = grammar.params(filter)
  params.limit = 1
  params[older and "before" or "after"] = from
  local generation = timeline.generation
  client.request("log", params, function(failure, result)
    if timeline.generation ~= generation or not timeline.float:is_open() then
      return
    end
    if failure then
      message.failure(failure, "orchflow: timeline")
      return
    end
    local event = (result.events or {})[1]
    if not event then
      message.info(
        ("orchflow: no %s event has %s; %s"):format(
          older and "older" or "newer",
          text.clean(words),
          older and "N looks at newer ones" or "n looks at older ones"
        )
      )
    elseif pages.may_shift(timeline) then
      timeline.live = false
      if not pages.go_to(timeline, event.seq) then
        pages.show(timeline, { around = event.seq })
      end
    end
  end)
end

--- Asks for words and looks for them in the whole log.
---@param timeline orchflow.Timeline
function M.ask(timeline)
  vim.ui.input({ prompt = "Search the whole log: ", default = timeline.sought }, function(typed)
    if not typed or vim.trim(typed) == "" then
      return
    end
    timeline.sought, timeline.searches_log = vim.trim(typed), true
    timeline.stretch.sought = vim.tbl_filter(function(word)
      return not word:find("^-?%a+:")
    end, vim.split(timeline.sought:lower(), "%s+"))
    find(timeline, true)
  end)
end

--- Goes to the next match of whatever was searched for last.
---@param timeline orchflow.Timeline
---@param key "n"|"N"
function M.next(timeline, key)
  if timeline.searches_log then
    find(timeline, key == "n")
    return
  end
  local ok, problem = pcall(vim.cmd.normal, { vim.v.count1 .. key, bang = true })
  if not ok then
    message.error((tostring(problem):gsub("^.-(E%d+)", "%1")))
  end
end

--- Gives `n` back to Neovim's own search.
---@param timeline orchflow.Timeline
function M.native(timeline)
  timeline.searches_log = false
  timeline.stretch.sought = {}
end

return M
