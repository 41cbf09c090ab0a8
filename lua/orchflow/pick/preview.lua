--- What stands beside the entries of a picker: a hunk as a diff, an event whole, why an agent is as it is, an approval.

local client = require("orchflow.client")
local inline = require("orchflow.view.inline")
local text = require("orchflow.view.text")
local view = require("orchflow.view.hunk")

local M = {}

local namespace = vim.api.nvim_create_namespace("orchflow_preview")
--- What a line stands for that the hunk changes.
local CHANGED = "changed"

--- Hunks whose lines are drawn in previews, by buffer, with those that were not yet.
---@type table<integer, { hunk: orchflow.Hunk, left: table<integer, true> }>
local watched = {}
local watching = false

--- Notes a hunk as shown once each line that it changes was drawn in its preview, however that is scrolled.
---@param buffer integer
---@param hunk orchflow.Hunk
---@param page orchflow.Page
local function watch(buffer, hunk, page)
  local left = {}
  for line, row in pairs(page.rows) do
    left[line] = row == CHANGED or nil
  end
  watched[buffer] = next(left) and not hunk.truncated and { hunk = hunk, left = left } or nil
  if watching then
    return
  end
  watching = true
  vim.api.nvim_set_decoration_provider(namespace, {
    on_win = function(_, window, drawn)
      local each = watched[drawn]
      if not each then
        return false
      end
      local top, bottom = vim.fn.line("w0", window), vim.fn.line("w$", window)
      for line in pairs(each.left) do
        if line >= top and line <= bottom then
          each.left[line] = nil
        end
      end
      if not next(each.left) then
        watched[drawn] = nil
        require("orchflow.review.seen").note(each.hunk)
      end
      return false
    end,
  })
end

--- Draws a hunk as a diff, under what is to be known of it. Pure.
---@param hunk orchflow.Hunk
---@return orchflow.Page
function M.hunk(hunk)
  local page = text.page()
  local insertions, deletions = view.counts(hunk)
  page:add({
    { text.clean(hunk.agent), "OrchflowAgent" },
    "  " .. view.where(hunk),
    { "  " .. insertions, "OrchflowAdded" },
    { (insertions ~= "" and " " or "") .. deletions, "OrchflowRemoved" },
  })
  page:add({ { view.heading(hunk), "OrchflowMuted" } })
  local function add(lines, sign, group)
    for _, line in ipairs(lines or {}) do
      local shown = sign .. tostring(line):gsub("[%z\1-\8\10-\31\127]", " ")
      page:add({ { shown, group } }, group and CHANGED)
    end
  end
  add(hunk.before, " ")
  add(hunk.removed, "-", "OrchflowRemovedLine")
  add(hunk.added, "+", "OrchflowAddedLine")
  add(hunk.after, " ")
  if hunk.truncated then
    page:add({ { "the rest is too long to be shown here", "OrchflowMuted" } })
  end
  local remarks = vim.list_extend(inline.standing(hunk), inline.remarks(hunk))
  if #remarks > 0 then
    page:add({ "" })
  end
  for _, piece in ipairs(remarks) do
    page:add({ piece })
  end
  return page
end

--- Asks the host for something, and draws the answer.
---@param method string
---@param params table
---@param draw fun(answer: table): orchflow.Page
---@param done fun(page: orchflow.Page)
local function ask(method, params, draw, done)
  client.request(method, params, function(failure, answer)
    local page = text.page()
    if failure then
      page:add({ { require("orchflow.ui.message").sentence(failure), "OrchflowFailed" } })
    else
      page = draw(answer --[[@as table]])
    end
    done(page)
  end)
end

---@type table<string, fun(item: table, done: fun(page: orchflow.Page))>
local draw = {
  hunks = function(hunk, done)
    done(M.hunk(hunk))
  end,
  agents = function(agent, done)
    ask("why", { about = agent.key }, function(answer)
      return require("orchflow.view.why").page(answer, require("orchflow.clock").now())
    end, done)
  end,
  events = function(event, done)
    ask("event", { seq = event.seq }, function(answer)
      return require("orchflow.view.why").event(answer, vim.o.columns)
    end, done)
  end,
  approvals = function(approval, done)
    done(require("orchflow.ui.approvals").page(approval))
  end,
}

--- Fills a buffer with an item of a picker: at once where what is to be said is known, else when the host has said it.
---@param buffer integer
---@param what orchflow.Picked
---@param item table
function M.fill(buffer, what, item)
  require("orchflow.ui.highlight").setup()
  draw[what](item, function(page)
    if not vim.api.nvim_buf_is_valid(buffer) then
      return
    end
    vim.bo[buffer].modifiable = true
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, page.lines)
    vim.bo[buffer].modifiable = false
    vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
    for _, highlight in ipairs(page.highlights) do
      local length = #page.lines[highlight.line + 1]
      local is_ground = highlight.group:find("Line$") ~= nil
      vim.api.nvim_buf_set_extmark(buffer, namespace, highlight.line, highlight.first, {
        end_row = is_ground and highlight.line + 1 or nil,
        end_col = not is_ground and math.min(highlight.last, length) or nil,
        hl_group = highlight.group,
        hl_eol = is_ground or nil,
        strict = false,
      })
    end
    if what == "hunks" then
      watch(buffer, item --[[@as orchflow.Hunk]], page)
    end
  end)
end

--- Makes a buffer of an item; it is gone with its window.
---@param what orchflow.Picked
---@param item table
---@return integer
function M.buffer(what, item)
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.bo[buffer].bufhidden = "wipe"
  M.fill(buffer, what, item)
  return buffer
end

return M
