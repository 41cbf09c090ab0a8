--- The time, as the host counts it, and a timer that runs only while somebody looks.

local M = {}

--- Gives the time as the host counts it.
---@return integer microseconds since 1970
function M.now()
  local seconds, microseconds = vim.uv.gettimeofday()
  return seconds * 1000000 + microseconds
end

---@class orchflow.Ticker
---@field stop fun() ends it for good
---@field runs fun(): boolean whether it ticks at present

--- Calls a function once a second while a window is to be seen: not while another tab page is.
---@param window integer
---@param tick fun()
---@return orchflow.Ticker
function M.while_visible(window, tick)
  local timer = assert(vim.uv.new_timer())
  local group = vim.api.nvim_create_augroup("orchflow_ticker_" .. window, { clear = true })
  local function is_seen()
    return vim.api.nvim_win_is_valid(window)
      and vim.api.nvim_win_get_tabpage(window) == vim.api.nvim_get_current_tabpage()
  end
  local function beat()
    if is_seen() then
      tick()
    else
      timer:stop()
    end
  end
  local function start()
    timer:start(1000, 1000, vim.schedule_wrap(beat))
  end
  vim.api.nvim_create_autocmd("TabEnter", {
    group = group,
    desc = "Count on where somebody looks again",
    callback = function()
      if is_seen() and not timer:is_active() then
        tick()
        start()
      end
    end,
  })
  start()
  return {
    runs = function()
      return timer:is_active() == true
    end,
    stop = function()
      pcall(vim.api.nvim_del_augroup_by_id, group)
      if not timer:is_closing() then
        timer:stop()
        timer:close()
      end
    end,
  }
end

return M
