--- Floats that explain: why something is as it is, and one event whole.

local client = require("orchflow.client")
local event_words = require("orchflow.event")
local float = require("orchflow.ui.float")
local message = require("orchflow.ui.message")
local view = require("orchflow.view.why")

local M = {}

---@param row any
---@param opened orchflow.Float
local function jump(row, opened)
  if not (row and row.type) then
    message.info("orchflow: no event on this line")
    return
  end
  local path, line = event_words.place(row, require("orchflow.state").worktrees(client.store()))
  local target =
    vim.tbl_extend("force", row, { path = path, line = line, hunk = event_words.hunk(row) })
  require("orchflow.ui.timeline.jump").jump(target, opened)
end

---@return orchflow.FloatKey[]
local function keys()
  return {
    { key = "<CR>", description = "open", action = jump },
    {
      key = "<Tab>",
      description = "the event",
      action = function(row)
        if row and row.seq then
          M.open_event(row.seq)
        else
          message.info("orchflow: no event on this line")
        end
      end,
    },
    {
      key = "K",
      description = "why",
      action = function(row)
        if row and row.seq then
          M.open(tostring(row.seq))
        end
      end,
    },
  }
end

---@param name string
---@param title string
---@param page orchflow.Page
local function show(name, title, page)
  local opened = float.open({ name = name, title = title, keys = keys() })
  -- The same float shows another answer: the cursor begins at its top.
  vim.api.nvim_win_set_cursor(opened.window, { 1, 0 })
  opened.page = nil
  opened:show(page, title)
  vim.api.nvim_win_set_cursor(opened.window, { 1, 0 })
end

--- Shows an answer of the host's `why`.
---@param answer orchflow.WhyAnswer
function M.show(answer)
  show("why", view.title(answer), view.page(answer, require("orchflow.clock").now()))
end

--- Shows an answer of the host's `event`.
---@param answer orchflow.EventAnswer
function M.show_event(answer)
  show("event", view.event_title(answer.event), view.event(answer, vim.o.columns))
end

--- Asks why something is as it is, and shows it.
---@param about? string an agent, an event's number, a hunk, an approval; the newest that needs the human where absent
function M.open(about)
  client.request("why", { about = about }, function(failure, answer)
    if failure then
      message.failure(failure, "orchflow: why")
    else
      M.show(answer)
    end
  end)
end

--- Asks for one event, and shows it.
---@param seq integer
function M.open_event(seq)
  client.request("event", { seq = seq }, function(failure, answer)
    if failure then
      message.failure(failure, "orchflow: event")
    else
      M.show_event(answer)
    end
  end)
end

return M
