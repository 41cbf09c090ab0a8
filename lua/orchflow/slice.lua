--- Long work in slices: never more than a few milliseconds of one turn of the main loop, so that keys and the screen
--- come in between.

local M = {}

--- The most that one slice takes.
M.BUDGET_MS = 4

--- Runs steps until there are none left, a slice of them at a time; the first slice runs at once.
---@param step fun(): boolean? does a small part of the work, and says whether there is more
---@param done? fun() called when there is nothing left
---@return fun() stop gives up what is left
function M.run(step, done)
  local stopped = false
  local function slice()
    if stopped then
      return
    end
    local deadline = vim.uv.hrtime() + M.BUDGET_MS * 1e6
    local more
    repeat
      more = step()
    until not more or vim.uv.hrtime() >= deadline
    if more and not stopped then
      -- A scheduled function would run before the next key; a timer lets keys and the screen go first.
      vim.defer_fn(slice, 1)
    elseif not stopped and done then
      done()
    end
  end
  slice()
  return function()
    stopped = true
  end
end

return M
