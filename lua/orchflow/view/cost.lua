--- What agents used and what it cost, in words. Pure.
---
--- `0.12` is known; `~0.12` has parts that a table of prices says; `0.12+?` is not all of it; `?` is not known at all.

local text = require("orchflow.view.text")

local M = {}

---@param row { usd?: number, priced_usd?: number, complete?: boolean }
---@return string
function M.sum(row)
  local is_complete = row.complete ~= false
  if type(row.usd) ~= "number" then
    return is_complete and "-" or "?"
  end
  local about = (row.priced_usd or 0) > 0 and "~" or ""
  -- Small sums would otherwise look like none.
  local digits = row.usd > 0 and row.usd < 0.1 and "%.4f" or "%.2f"
  return about .. digits:format(row.usd) .. (is_complete and "" or "+?")
end

--- Gives an agent's cost.
---@param agent orchflow.Agent
---@return string
function M.of_agent(agent)
  if type(agent.usage) == "table" then
    return M.sum(agent.usage)
  end
  if type(agent.cost) == "number" then
    return ("%.2f"):format(agent.cost)
  end
  -- Who worked and told nothing cost something nobody knows.
  return (agent.turn or 0) > 0 and "?" or "-"
end

--- Gives a run's cost and its budget, empty where there is neither.
---@param run orchflow.Run
---@return string
function M.of_run(run)
  local cost = type(run.cost) == "number"
  if not cost and not run.budget then
    return ""
  end
  local sum = M.sum({ usd = run.cost, complete = run.cost_complete })
  return run.budget and ("$%s of %.2f"):format(sum, run.budget) or "$" .. sum
end

--- Gives the cost of the newest run of a status, empty where nothing is known.
---@param status orchflow.Status
---@return string
function M.newest(status)
  local newest
  for _, run in ipairs(status.runs or {}) do
    newest = (not newest or run.run > newest.run) and run or newest
  end
  return newest and type(newest.cost) == "number" and M.of_run(newest) or ""
end

--- Writes a count of tokens: `950`, `12.3k`, `4.5M`.
---@param count? integer
---@return string
function M.tokens(count)
  count = count or 0
  if count < 1000 then
    return tostring(count)
  elseif count < 999950 then
    return ("%.1fk"):format(count / 1e3)
  end
  return ("%.1fM"):format(count / 1e6)
end

---@param row table
---@return string
local function name_of(row)
  if row.day then
    return text.clean(row.day)
  elseif row.key then
    local turn = row.turn and (" turn %s"):format(text.clean(row.turn)) or ""
    return text.clean(row.key) .. turn
  elseif row.model then
    return text.clean(row.model)
  elseif row.run then
    return "run " .. text.clean(row.run)
  end
  return "(no model told)"
end

---@param name string
---@param row table
---@return string[]
local function cells(name, row)
  return {
    name,
    M.sum(row),
    M.tokens(row.input_tokens),
    M.tokens(row.cached_tokens),
    M.tokens(row.output_tokens),
  }
end

---@param page orchflow.Page
---@param rows string[][]
local function add_table(page, rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for place, cell in ipairs(row) do
      widths[place] = math.max(widths[place] or 0, text.width(cell))
    end
  end
  for index, row in ipairs(rows) do
    local pieces = { " " }
    for place, cell in ipairs(row) do
      pieces[#pieces + 1] =
        { text.pad(cell, widths[place], place > 1) .. "  ", index == 1 and "OrchflowMuted" or nil }
    end
    page:add(pieces)
  end
end

---@param page orchflow.Page
---@param budgets? table[]
function M.add_budgets(page, budgets)
  for _, budget in ipairs(budgets or {}) do
    local held = vim.tbl_map(text.clean, budget.paused or {})
    local line = (" budget of %s: %s of %.2f%s"):format(
      text.clean(budget.scope),
      M.sum(budget),
      budget.limit_usd or 0,
      #held > 0 and ("; %s paused"):format(table.concat(held, ", ")) or ""
    )
    page:add({ { line, budget.passed and "OrchflowWaiting" or "OrchflowMuted" } })
  end
end

--- Draws the answer of `cost`.
---@param result table
---@return orchflow.Page
function M.page(result)
  local page = text.page()
  local rows, total = result.cost or {}, result.total or {}
  if #rows == 0 then
    page:add({ { " no agent told what it used", "OrchflowMuted" } })
  else
    local shown = { { "", "usd", "input", "cached", "output" } }
    for _, row in ipairs(rows) do
      shown[#shown + 1] = cells(name_of(row), row)
    end
    if #rows > 1 then
      shown[#shown + 1] = cells("total", total)
    end
    add_table(page, shown)
    if (total.priced_usd or 0) > 0 then
      local table_of = (" ~ by the table of prices of %s"):format(text.clean(result.prices))
      page:add({ { table_of, "OrchflowMuted" } })
    end
    if (total.unknown_tokens or 0) > 0 then
      local unknown = (" +? nobody knows what %s of these tokens cost"):format(
        M.tokens(total.unknown_tokens)
      )
      page:add({ { unknown, "OrchflowMuted" } })
    end
  end
  M.add_budgets(page, result.budgets)
  return page
end

return M
