--- Tables of things that are looked at now and then: kinds of agents, what was cleaned, what the doctor found. Pure.

local text = require("orchflow.view.text")

local M = {}

---@param rows orchflow.Piece[][] cells
---@param page orchflow.Page
---@param values? any[] what each row stands for
local function add_rows(rows, page, values)
  local widths = {}
  for _, row in ipairs(rows) do
    for column, cell in ipairs(row) do
      widths[column] = math.max(widths[column] or 0, text.width(cell[1]))
    end
  end
  for index, row in ipairs(rows) do
    local pieces = {}
    for column, cell in ipairs(row) do
      pieces[#pieces + 1] = { text.pad(cell[1], widths[column]), cell[2] }
      pieces[#pieces + 1] = "  "
    end
    page:add(pieces, values and values[index])
  end
end

--- Draws the kinds of agents: what is installed, and how to get the rest.
---@param agents table[]
---@return orchflow.Page page its rows are kinds
function M.agents(agents)
  local page, rows = text.page(), {}
  for _, agent in ipairs(agents) do
    local found = agent.installed and text.clean(agent.version) or "not installed"
    local where = agent.installed and text.clean(agent.path) or text.clean(agent.hint)
    rows[#rows + 1] = {
      { agent.installed and "+" or "-", agent.installed and "OrchflowDone" or "OrchflowMuted" },
      { text.clean(agent.name), "OrchflowAgent" },
      { text.clean(agent.title) },
      { found, not agent.installed and "OrchflowMuted" or nil },
      { where, "OrchflowMuted" },
      { agent.source ~= "built in" and text.clean(agent.source) or "", "OrchflowMuted" },
    }
  end
  add_rows(rows, page, agents)
  if #rows == 0 then
    page:add({ { "the host knows no agents", "OrchflowMuted" } })
  end
  return page
end

--- Draws what was cleaned, and what was left and why.
---@param result { cleaned: table[], skipped: table[], dry_run?: boolean }
---@return orchflow.Page
function M.cleaned(result)
  local page, rows = text.page(), {}
  for _, item in ipairs(result.cleaned or {}) do
    rows[#rows + 1] = {
      { result.dry_run and "would be cleaned" or "cleaned", "OrchflowDone" },
      { ("%s/%s"):format(text.clean(item.run), text.clean(item.agent)), "OrchflowAgent" },
      { item.kept and "kept as " .. text.clean(item.kept) or "" },
      { text.clean(item.commit):sub(1, 10), "OrchflowMuted" },
    }
  end
  for _, item in ipairs(result.skipped or {}) do
    rows[#rows + 1] = {
      { "skipped", "OrchflowWaiting" },
      { text.clean(item.agent), "OrchflowAgent" },
      { text.clean(item.why) },
    }
  end
  add_rows(rows, page)
  if #rows == 0 then
    page:add({ { "there was nothing to clean", "OrchflowMuted" } })
  end
  return page
end

local LEVELS = {
  ok = { "+", "OrchflowDone" },
  note = { "-", "OrchflowMuted" },
  problem = { "!", "OrchflowWaiting" },
}

--- Draws what the doctor found, each with what to do about it below.
---@param findings table[]
---@return orchflow.Page page its rows are findings
function M.findings(findings)
  local page = text.page()
  for _, finding in ipairs(findings) do
    local mark = LEVELS[finding.level] or LEVELS.note
    local mended = finding.mended == true
    page:add({
      { mended and "mended" or mark[1], mended and "OrchflowDone" or mark[2] },
      "  ",
      { text.pad(text.clean(finding.kind), 10), "OrchflowMuted" },
      "  ",
      { text.clean(finding.what) },
    }, finding)
    local advice = text.clean(finding.advice)
    if finding.level ~= "ok" and not mended and advice ~= "" then
      page:add({ "               ", { advice, "OrchflowMuted" } }, finding)
    end
  end
  return page
end

return M
