--- The conversation with the host: asynchronous requests, pushes, and connecting again after a loss.
---
--- Nothing here waits. A request is a notification with a number, and its answer comes back through `receive`;
--- a host that hangs or dies costs the editor nothing but stale numbers and a message.

local plain = require("orchflow.client.plain").value
local state = require("orchflow.state")

local M = {}

--- Milliseconds without an answer after which the human is told; requests that wait by nature are exempt.
M.patience_ms = 10000
local WAITS_BY_NATURE = { wait = true, swarm = true, spawn = true, clean = true }
local RETRY_DELAYS_MS = { 200, 500, 1000, 2000, 5000, 10000 }

---@class orchflow.Request
---@field id integer
---@field method string
---@field params table
---@field callback fun(failure?: orchflow.Failure, result?: table, raw?: table)
---@field asked_at number milliseconds
---@field as_it_came? boolean whether the result is given on as it came, with `vim.NIL` for what is absent

local link = {
  phase = "idle", ---@type "idle"|"connecting"|"connected"|"retrying"
  generation = 0, -- grows with each attempt, so that what a former one left behind is known
  channel = nil, ---@type integer?
  root = nil, ---@type string?
  attempts = 0,
  was_lost = false,
  told_silent = false,
  told_version = false,
  host_pid = nil,
  pending = {}, ---@type table<integer, orchflow.Request>
  queue = {}, ---@type orchflow.Request[]
}
local next_id = 1
local store = state.new()
local listeners = {} ---@type table<string, table<fun(payload: any), true>>
local pulse_timer

local function message()
  return require("orchflow.ui.message")
end

--- Runs a function so that its failure reaches the human as one line, and the log as a trace.
---@param what string
---@param fn function
local function guarded(what, fn, ...)
  local arguments = vim.F.pack_len(...)
  local ok, trace = xpcall(function()
    return fn(vim.F.unpack_len(arguments))
  end, debug.traceback)
  if not ok then
    require("orchflow.client.log").trouble(what, trace)
  end
end

--- Gives the root of the repository that the current directory is in, or the directory itself. A tab page in an
--- agent's worktree belongs to the repository it was entered from.
---@return string
function M.root()
  local entered = vim.t.orchflow_root
  if type(entered) == "string" then
    return entered
  end
  local directory = vim.fn.getcwd()
  return vim.fs.root(directory, ".git") or directory
end

--- Gives what is known of the host: the last status and the newest events.
---@return orchflow.Store
function M.store()
  return store
end

--- Says how the connection stands.
---@return "idle"|"connecting"|"connected"|"retrying" phase
---@return integer? host_pid
function M.phase()
  return link.phase, link.host_pid
end

--- Says whether the host has left a request without an answer for so long that what is known may be old.
---@return boolean
function M.is_silent()
  return link.told_silent
end

--- Calls a function at each push of a kind: `status`, `events`, or `link` when the connection changes.
---@param kind "status"|"events"|"link"
---@param listener fun(payload: any)
---@return fun() stop ends it
function M.on(kind, listener)
  listeners[kind] = listeners[kind] or {}
  listeners[kind][listener] = true
  return function()
    listeners[kind][listener] = nil
  end
end

---@param kind string
---@param payload any
local function tell(kind, payload)
  for _, listener in ipairs(vim.tbl_keys(listeners[kind] or {})) do
    guarded("a listener to " .. kind, listener, payload)
  end
end

local open, lost, pulse, look

---@param phase "idle"|"connecting"|"connected"|"retrying"
local function enter(phase)
  link.phase = phase
  tell("link", phase)
end

---@param request orchflow.Request
---@param failure? orchflow.Failure
---@param result? table
local function finish(request, failure, result)
  link.pending[request.id] = nil
  -- A script prints results as they came, so it gets them with their nils as well.
  local raw = require("orchflow.mode").is_script() and vim.deepcopy(result) or nil
  local answer = request.as_it_came and result or plain(result)
  guarded("the answer to " .. request.method, request.callback, plain(failure), answer, raw)
end

---@param requests table<any, orchflow.Request>
---@param failure orchflow.Failure
local function fail_all(requests, failure)
  for _, request in pairs(requests) do
    finish(request, vim.deepcopy(failure), nil)
  end
end

---@param request orchflow.Request
local function write(request)
  local params = next(request.params) == nil and vim.empty_dict() or request.params
  link.pending[request.id] = request
  request.asked_at = vim.uv.now()
  local call = { id = request.id, method = request.method, params = params }
  if not pcall(vim.rpcnotify, link.channel, "call", call) then
    lost()
    return
  end
  pulse()
end

---@param method string
---@param params table
---@param callback fun(failure?: orchflow.Failure, result?: table, raw?: table)
---@return orchflow.Request
local function new_request(method, params, callback)
  local request =
    { id = next_id, method = method, params = params, callback = callback, asked_at = vim.uv.now() }
  next_id = next_id + 1
  return request
end

--- Asks the host for something; connects first where needed, and starts the host where none runs.
--- The callback runs on the main loop, once: with a failure, or with nil and the result.
---@param method string
---@param params? table
---@param callback? fun(failure?: orchflow.Failure, result?: table, raw?: table)
---@param as_it_came? boolean whether the result is known to be plain: going through a long one takes its time
function M.request(method, params, callback, as_it_came)
  local request = new_request(method, params or {}, callback or function() end)
  request.as_it_came = as_it_came
  if link.phase == "connected" and link.root ~= M.root() then
    M.close()
  elseif link.phase == "connected" then
    -- What is written into a channel whose other side has just gone is lost without a word.
    look()
  end
  if link.phase == "connected" then
    write(request)
    return
  end
  link.queue[#link.queue + 1] = request
  if link.phase ~= "connecting" then
    -- The human asks again, so a series of failed attempts begins anew.
    link.attempts = 0
    open()
  end
end

---@param greeting table
local function welcomed(greeting)
  link.attempts = 0
  link.host_pid = greeting.host_pid
  if greeting.warning and not link.told_version then
    link.told_version = true
    message().warn(greeting.warning)
  end
  if link.was_lost then
    link.was_lost = false
    message().info("orchflow: connected again")
  end
  link.phase = "connected"
  require("orchflow.notify").start()
  require("orchflow.autocmd").start()
  write(new_request("subscribe", { cursor = store.cursor }, function(failure, result)
    if not failure and result and result.cursor and not store.cursor then
      store.cursor = result.cursor
    end
  end))
  write(new_request("status", {}, function(failure, status)
    if not failure and status then
      state.take_status(store, status)
      tell("status", status)
    end
  end))
  local queue = link.queue
  link.queue = {}
  for _, request in ipairs(queue) do
    if link.phase == "connected" then
      write(request)
    else
      link.queue[#link.queue + 1] = request
    end
  end
  tell("link", link.phase)
end

--- Ends an attempt that failed: what waits is told, and a connection that was lost is tried again later.
---@param failure orchflow.Failure
local function failed(failure)
  local queue = link.queue
  link.queue = {}
  if link.channel then
    pcall(vim.fn.chanclose, link.channel)
    link.channel = nil
  end
  link.attempts = link.attempts + 1
  local delay = link.was_lost and RETRY_DELAYS_MS[link.attempts + 1] or nil
  enter(delay and "retrying" or "idle")
  fail_all(queue, failure)
  if delay then
    local generation = link.generation
    vim.defer_fn(function()
      if link.phase == "retrying" and link.generation == generation then
        guarded("connecting again", open)
      end
    end, delay)
  elseif link.was_lost then
    link.was_lost = false
    message().warn(
      ("orchflow: no host: %s; the next :Orchflow tries again"):format(failure.message)
    )
  end
end

open = function()
  link.generation = link.generation + 1
  local generation = link.generation
  local root = M.root()
  if link.root ~= root then
    store = state.new()
    link.root = root
  end
  enter("connecting")
  require("orchflow.client.link").open(root, {
    is_current = function()
      return link.generation == generation
    end,
    failed = function(failure)
      guarded("connecting", failed, failure)
    end,
    opened = function(channel, greet)
      link.channel = channel
      write(new_request("hello", greet, function(failure, greeting)
        if failure then
          failed(failure)
        else
          welcomed(greeting)
        end
      end))
    end,
  })
end

lost = function()
  if not link.channel then
    return
  end
  local greeted = link.phase == "connected"
  pcall(vim.fn.chanclose, link.channel)
  link.channel = nil
  link.generation = link.generation + 1
  local pending = link.pending
  link.pending = {}
  local failure = {
    code = "host_lost",
    message = "the host ended before it answered",
    hint = "agents work on; look at :Orchflow timeline for what was done, then repeat the rest",
  }
  local wanted = state.any_living(store)
    or next(listeners.status or {})
    or next(listeners.events or {})
  local retries = greeted and wanted or #link.queue > 0
  enter(retries and "retrying" or "idle")
  if retries and not link.was_lost then
    link.was_lost = true
    message().warn("orchflow: the host ended; agents work on; connecting again")
  end
  fail_all(pending, failure)
  -- Whoever was failed may have asked again, and connects already.
  if link.phase ~= "retrying" then
    return
  end
  local generation = link.generation
  vim.defer_fn(function()
    if link.phase == "retrying" and link.generation == generation then
      guarded("connecting again", open)
    end
  end, RETRY_DELAYS_MS[1])
end

-- Looks whether the channel still stands: Neovim tells nobody when the other side of one is gone.
look = function()
  if not link.channel then
    return
  end
  local info = vim.api.nvim_get_chan_info(link.channel)
  if not info.id then
    lost()
    return
  end
  local oldest
  for _, request in pairs(link.pending) do
    if not WAITS_BY_NATURE[request.method] then
      oldest = math.min(oldest or request.asked_at, request.asked_at)
    end
  end
  if oldest and vim.uv.now() - oldest > M.patience_ms and not link.told_silent then
    link.told_silent = true
    message().warn("orchflow: the host does not answer; agents work on, what is shown may be old")
  end
  pulse()
end

pulse = function()
  pulse_timer = pulse_timer or assert(vim.uv.new_timer())
  local delay = next(link.pending) and 250 or 2000
  pulse_timer:start(delay, 0, vim.schedule_wrap(look))
end

---@param call { id: integer, method: string, params: table }
local function serve(call)
  local channel = link.channel
  local result, problem =
    require("orchflow.client.editor").serve(call.method, plain(call.params or {}))
  local answer = { id = call.id, ok = problem == nil }
  if problem then
    answer.error = problem
  else
    answer.result = result or vim.empty_dict()
  end
  if channel and not pcall(vim.rpcnotify, channel, "answer", answer) then
    lost()
  end
end

---@param item table
local function take(item)
  if item.kind == "answer" then
    local request = link.pending[item.id]
    link.told_silent = false
    if request then
      finish(request, not item.ok and item.error or nil, item.ok and item.result or nil)
    end
  elseif item.kind == "events" then
    local fresh = state.take_events(store, plain(item.events), item.cursor)
    if #fresh > 0 then
      tell("events", fresh)
    end
  elseif item.kind == "status" then
    local status = plain(item.status)
    state.take_status(store, status)
    tell("status", status)
  elseif item.kind == "call" then
    serve(item)
  end
end

--- Takes what the host pushes: answers, events, status, and what it asks of the editor.
---@param messages table[]
function M.receive(messages)
  vim.schedule(function()
    for _, item in ipairs(type(messages) == "table" and messages or {}) do
      if type(item) == "table" then
        guarded("a message of the host", take, item)
      end
    end
  end)
end

--- Closes the connection; the next request opens it again.
function M.close()
  link.generation = link.generation + 1
  local pending, channel = link.pending, link.channel
  link.pending, link.channel, link.was_lost = {}, nil, false
  if channel then
    pcall(vim.fn.chanclose, channel)
  end
  enter("idle")
  fail_all(pending, { code = "closed", message = "the connection was closed" })
end

return M
