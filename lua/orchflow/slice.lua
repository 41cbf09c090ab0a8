--- Long work in slices: never more than a few milliseconds of one turn of the main loop, so that keys and the screen
--- come in between.

local M = {}

--- How long a slice goes on: with its last step, and what is drawn of it, a turn stays below four milliseconds.
M.BUDGET_MS = 2

--- Calls a function in a turn of its own, before which keys and the screen are served. A scheduled function would run
--- before the next key.
---@param fn fun()
function M.next_turn(fn)
  vim.defer_fn(fn, 0)
end

--- Runs steps until there are none left, a slice of them at a time. The first slice runs at once, or in a turn of its
--- own, where what calls has been at work in this one already.
---@param step fun(): boolean? does a small part of the work, and says whether there is more
---@param done? fun() called when there is nothing left
---@param later? boolean whether the first slice waits for the next turn
---@return fun() stop gives up what is left
function M.run(step, done, later)
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
  if later then
    vim.defer_fn(slice, 1)
  else
    slice()
  end
  return function()
    stopped = true
  end
end

return M
