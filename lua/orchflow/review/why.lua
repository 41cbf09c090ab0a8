--- `K`: why a hunk is as it is: its agent's words, how it stands, its rivals, and what it came from.

local buffer_view = require("orchflow.review.buffer")
local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")
local view = require("orchflow.view.hunk")

local M = {}

--- Wraps words to a width.
---@param words string
---@param width integer
---@return string[]
local function wrapped(words, width)
  local lines, line = {}, ""
  for word in text.clean(words):gmatch("%S+") do
    if line ~= "" and text.width(line) + 1 + text.width(word) > width then
      lines[#lines + 1] = line
      line = word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line ~= "" and line or nil
  return lines
end

--- Draws what is known of a hunk, with what the host says of its causes. Pure.
---@param hunk orchflow.Hunk
---@param why? table the host's answer
---@param width integer cells
---@return orchflow.Page
function M.page(hunk, why, width)
  local page = text.page()
  local function add(label, words, group)
    for index, line in ipairs(wrapped(words, width - 10)) do
      page:add({
        { ("%-10s"):format(index == 1 and label or ""), "OrchflowMuted" },
        { line, group },
      })
    end
  end
  page:add({
    { text.clean(hunk.agent), "OrchflowAgent" },
    {
      ("  %s  +%d -%d"):format(view.where(hunk), hunk.insertions or 0, hunk.deletions or 0),
    },
    { "  " .. text.clean(hunk.id), "OrchflowMuted" },
  })
  add("says", hunk.words or "nothing about this file", not hunk.words and "OrchflowMuted" or nil)
  add("stands", hunk.state .. (hunk.partly and ", partly taken" or ""))
  if (hunk.comments or 0) > 0 then
    add("comments", tostring(hunk.comments))
  end
  if hunk.changed then
    add("changed", "since you saw it", "OrchflowWaiting")
  end
  local forecast = {
    conflict = ("conflicts with your %s as it is"):format(hunk.conflict_with or "file"),
    applied = "is in your file already",
    clean = "fits your file",
  }
  add("forecast", forecast[hunk.forecast] or "")
  for _, rival in ipairs(hunk.rivals or {}) do
    local same = rival.same and "the same text" or "another text"
    add(
      "rival",
      ("%s:%s  %s"):format(text.clean(rival.agent), text.clean(view.rival_line(rival)), same)
    )
  end
  if hunk.rival_accepted then
    local rival = hunk.rival_accepted
    local line = text.clean(view.rival_line(rival))
    add("accepted", ("rival %s:%s"):format(text.clean(rival.agent), line), "OrchflowDone")
  end
  if why then
    local label = "because"
    for _, line in ipairs(why.lines or {}) do
      -- What its agent said stands above already.
      if not (hunk.words and vim.startswith(line, hunk.agent .. " says: ")) then
        add(label, line)
        label = ""
      end
    end
  end
  return page
end

--- Opens the float for the hunk under the cursor.
function M.open()
  local hunk = buffer_view.hunk_under(vim.api.nvim_get_current_win())
  if not hunk then
    message.info("orchflow: no hunk is on this line")
    return
  end
  local width = math.min(90, vim.o.columns - 8)
  local float = require("orchflow.ui.float").open({ name = "why", title = "Why" })
  float:show(M.page(hunk, nil, width))
  float:fit()
  client.request("why", { about = hunk.id }, function(failure, why)
    if float:is_open() and not failure then
      float:show(M.page(hunk, why, width))
      float:fit()
    end
  end)
end

return M
