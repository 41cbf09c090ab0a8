--- Tells the human, wherever they are in the editor, when an agent begins to need them: once for each change.
---
--- What is told goes through `vim.notify` where a plugin has taken that over, else it is one line that never asks for
--- Enter. While a command line is open, keys are recorded or an operator waits, it is kept back.

local needs = require("orchflow.needs")
local text = require("orchflow.view.text")

local M = {}

---@type table<string, fun(need: orchflow.Need, name: string): string>
local WORDS = {
  approval = function()
    return "asks for a permission; :Orchflow approvals"
  end,
  question = function(need, name)
    local what = text.clean(need.about)
    local how = ":Orchflow attach " .. name
    return what == "" and "waits for you; " .. how or ("needs you: %s; %s"):format(what, how)
  end,
  budget = function(need)
    return ("is paused, %s; :Orchflow cost"):format(text.clean(need.about))
  end,
  limit = function(need, name)
    return ("its model does not answer: %s; :Orchflow send %s continue"):format(
      text.clean(need.about),
      name
    )
  end,
  failed = function(_, name)
    return "failed; :Orchflow why " .. name
  end,
  undelivered = function(_, name)
    return "a prompt did not arrive; :Orchflow attach " .. name
  end,
  finished = function()
    return "is done; :Orchflow review"
  end,
}

--- Gives what is new between what was needed before and a status. Pure.
---@param before table<string, true> identities of what was needed
---@param status orchflow.Status
---@param wanted table<string, boolean> kinds that are told
---@return { kind: string, line: string, claim: string }[] told
---@return table<string, true> after
function M.compare(before, status, wanted)
  local told, after = {}, {}
  for _, need in ipairs(needs.of(status)) do
    local identity = needs.identity(need)
    if not before[identity] and not after[identity] and wanted[need.kind] and WORDS[need.kind] then
      local name = text.clean(need.agent)
      local line = ("%s: %s"):format(name, WORDS[need.kind](need, name))
      local claim = ("%s %s"):format(identity, tostring(need.since))
      told[#told + 1] = { kind = need.kind, line = line, claim = claim }
    end
    after[identity] = true
  end
  return told, after
end

---@type { kind: string, line: string }[]
local kept_back = {}
local known ---@type table<string, true>?
local listening = false

--- Says whether a line on the screen would come between the human's keys.
---@return boolean
local function is_busy()
  local mode = vim.api.nvim_get_mode().mode
  return mode:find("^[cr!]") ~= nil
    or mode:find("^no") ~= nil
    or vim.fn.reg_recording() ~= ""
    or vim.fn.reg_executing() ~= ""
end

--- Says whether `vim.notify` is Neovim's own, which may ask for Enter.
---@return boolean
local function is_plain()
  -- What is built into the program says its module (0.10), or nothing at all.
  local source = debug.getinfo(vim.notify, "S").source:gsub("^[@=]", "")
  local runtime = vim.env.VIMRUNTIME or ""
  return source == "?"
    or source:find("^vim/_") ~= nil
    or (runtime ~= "" and vim.startswith(source, runtime))
end

---@param told { kind: string, line: string }[]
local function say(told)
  local urgent, lines = false, {}
  for _, entry in ipairs(told) do
    urgent = urgent or entry.kind ~= "finished"
    lines[#lines + 1] = entry.line
  end
  if not is_plain() then
    local level = urgent and vim.log.levels.WARN or vim.log.levels.INFO
    vim.notify(table.concat(lines, "\n"), level, { title = "orchflow" })
    return
  end
  local line = #lines == 1 and lines[1]
    or ("%d agents need you: %s; :Orchflow next"):format(
      #lines,
      table.concat(
        vim.tbl_map(function(each)
          return each:match("^[^;]+")
        end, lines),
        ", "
      )
    )
  local message = require("orchflow.ui.message")
  local tell = urgent and message.warn or message.info
  -- A window that comes up by itself is more than a notification may be.
  tell(text.cut(line, vim.v.echospace))
end

local function flush()
  if #kept_back == 0 or is_busy() then
    return
  end
  local told = kept_back
  kept_back = {}
  say(told)
end

--- Milliseconds in which a permission that an agent states it waits for comes in itself.
local SETTLE_MS = 400

---@type boolean whether a look at the newest status is due
local looks_again = false

--- Leaves out what will be told in other words at once: that an agent waits for a permission, before it is known for
--- which. Pure.
---@param status orchflow.Status
---@param now integer microseconds since 1970
---@return orchflow.Status settled
---@return boolean whether something was left out
function M.settled(status, now)
  local left_out = false
  local list = vim.tbl_filter(function(need)
    local is_early = need.kind == "question"
      and need.about == "approval"
      and now - (need.since or 0) < SETTLE_MS * 1000
    left_out = left_out or is_early
    return not is_early
  end, needs.of(status))
  return vim.tbl_extend("force", status, { needs = list }), left_out
end

local take

---@param status orchflow.Status
function take(status)
  local early
  status, early = M.settled(status, require("orchflow.clock").now())
  if early and not looks_again then
    looks_again = true
    vim.defer_fn(function()
      looks_again = false
      local newest = require("orchflow.client").store().status
      if newest then
        take(newest)
      end
    end, SETTLE_MS + 50)
  end
  local told
  local wanted = require("orchflow.config").get().notify
  told, known = M.compare(known or {}, status, wanted)
  if wanted.desktop then
    local repository = text.clean((status.host or {}).repository or vim.uv.cwd())
    for _, entry in ipairs(told) do
      require("orchflow.notify.desktop").show("orchflow: " .. entry.line, repository .. entry.claim)
    end
  end
  if wanted.tmux then
    require("orchflow.notify.tmux").show(status)
  end
  vim.list_extend(kept_back, told)
  flush()
end

--- Begins to tell; a script is told by its exit code instead.
function M.start()
  if listening or require("orchflow.mode").is_script() then
    return
  end
  listening = true
  if require("orchflow.config").get().notify.desktop then
    require("orchflow.notify.desktop").start()
  end
  require("orchflow.client").on("status", take)
  vim.api.nvim_create_autocmd({ "ModeChanged", "RecordingLeave", "CmdlineLeave" }, {
    group = vim.api.nvim_create_augroup("orchflow_notify", { clear = true }),
    desc = "Tell what was kept back while the human typed",
    callback = function()
      if #kept_back > 0 then
        vim.schedule(flush)
      end
    end,
  })
end

return M
