--- Keeps the screen still under busy hands.
---
--- What the human asks for by hand happens at once. What comes by itself (an answer, a push, a window the host asks
--- for) waits while they type, record or run a macro, select, or have an operator pending: nothing opens, takes the
--- focus or moves the cursor then. And what has just moved under the cursor takes no decision for a moment, since the
--- key that comes was meant for what stood there before.
---
---   steady.by_hand(fn)         runs what a key or a command of the human asks for
---   steady.when_safe(key, fn)  runs now, or as soon as nothing is in the way; of one key only the last counts
---   steady.guard()             `:moved()`, `:is_still()`, `:wrap(action)` for keys that decide

local M = {}

--- Milliseconds for which keys that decide are ignored after what is under the cursor moved.
M.still_ms = 300

local hands = 0
---@type { key: string, action: fun(), condition: fun(): boolean }[]
local waiting = {}
local group ---@type integer?

--- Says whether a function runs that the human asked for by a key or a command.
---@return boolean
function M.is_by_hand()
  return hands > 0
end

--- Runs what the human asked for, now; only until it returns, since an answer that comes later is none of theirs.
---@generic T
---@param fn fun(...): T
---@return T
function M.by_hand(fn, ...)
  hands = hands + 1
  local results = vim.F.pack_len(pcall(fn, ...))
  hands = hands - 1
  if not results[1] then
    error(results[2], 0)
  end
  return unpack(results, 2, results.n)
end

--- Says whether nothing is in the way: Normal mode, nothing pending, no macro recorded or run.
---@return boolean
function M.is_safe()
  local mode = vim.api.nvim_get_mode()
  return mode.mode == "n"
    and not mode.blocking
    and vim.fn.reg_recording() == ""
    and vim.fn.reg_executing() == ""
    and vim.fn.getcmdwintype() == ""
end

--- Says whether a line may be shown: not over a command line that is being typed, nor over a question.
---@return boolean
function M.may_speak()
  local mode = vim.api.nvim_get_mode().mode
  return mode:sub(1, 1) ~= "c" and mode:sub(1, 1) ~= "r"
end

local function flush()
  if #waiting == 0 then
    return
  end
  local still = {}
  local due = waiting
  waiting = {}
  for _, each in ipairs(due) do
    -- What one action does may be in the way of the next, as a window that goes into Insert mode.
    if each.condition() then
      local ok, trace = xpcall(each.action, debug.traceback)
      if not ok then
        require("orchflow.client.log").trouble("what had to wait for the hands", trace)
      end
    else
      still[#still + 1] = each
    end
  end
  waiting = vim.list_extend(still, waiting)
  if #waiting == 0 and group then
    vim.api.nvim_del_augroup_by_id(group)
    group = nil
  end
end

---@param key string
---@param action fun()
---@param condition fun(): boolean
local function wait(key, action, condition)
  waiting = vim.tbl_filter(function(each)
    return each.key ~= key
  end, waiting)
  waiting[#waiting + 1] = { key = key, action = action, condition = condition }
  if not group then
    group = vim.api.nvim_create_augroup("orchflow_steady", { clear = true })
    vim.api.nvim_create_autocmd(
      { "ModeChanged", "RecordingLeave", "CmdlineLeave", "CmdwinLeave", "SafeState" },
      { group = group, desc = "Show what had to wait", callback = vim.schedule_wrap(flush) }
    )
  end
end

--- Runs an action as soon as it disturbs nobody: now where the human asked for it or nothing is in the way.
---@param key string of several actions with one key that have to wait, only the last is run
---@param action fun()
---@return boolean ran whether it ran at once
function M.when_safe(key, action)
  if M.is_by_hand() or M.is_safe() then
    action()
    return true
  end
  wait(key, action, M.is_safe)
  return false
end

--- Runs an action that says something as soon as that disturbs no command line.
---@param key string
---@param action fun()
---@return boolean ran
function M.when_speakable(key, action)
  if M.may_speak() then
    action()
    return true
  end
  wait(key, action, M.may_speak)
  return false
end

---@class orchflow.Guard
---@field moved_at? integer nanoseconds
local Guard = {}
Guard.__index = Guard

--- Makes the guard of one list or request.
---@return orchflow.Guard
function M.guard()
  return setmetatable({}, Guard)
end

--- Notes that what is under the cursor has just changed by itself.
function Guard:moved()
  self.moved_at = vim.uv.hrtime()
end

--- Says whether it has stood still long enough for a key to mean it.
---@return boolean
function Guard:is_still()
  return self.moved_at == nil or (vim.uv.hrtime() - self.moved_at) / 1e6 >= M.still_ms
end

--- Makes a key's action one that is left out, and said to be, right after a move.
---@param action fun(...)
---@return fun(...)
function Guard:wrap(action)
  return function(...)
    if self:is_still() then
      return action(...)
    end
    require("orchflow.ui.message").info("orchflow: it moved under the key; press again")
  end
end

return M
