--- What a statusline, a tabline or a winbar shows of orchflow: a string that is made when something changes, and only
--- read while the editor draws.
---
--- Nothing is loaded and nothing is asked for it: until orchflow is used in this Neovim, the string is empty.

local M = {}

---@class orchflow.StatuslineOptions
---@field highlight? boolean whether the parts are coloured
---@field after? string what goes back to the colours around it (`%*`)
---@field cost? boolean whether the cost of the newest run is shown, as far as known

---@class orchflow.StatuslineCounts
---@field working integer
---@field waiting integer agents that need the human now
---@field failed integer
---@field done integer with hunks that were not seen

--- Counts what the status line shows. Pure.
---@param status orchflow.Status
---@return orchflow.StatuslineCounts
function M.count(status)
  local counts = { working = 0, waiting = 0, failed = 0, done = 0 }
  for _, agent in ipairs(status.agents or {}) do
    if (agent.status == "working" or agent.status == "starting") and not agent.paused then
      counts.working = counts.working + 1
    end
  end
  local counted = {}
  local parts = {
    approval = "waiting",
    question = "waiting",
    budget = "waiting",
    limit = "waiting",
    undelivered = "waiting",
    failed = "failed",
    finished = "done",
  }
  for _, need in ipairs(require("orchflow.needs").of(status)) do
    local part = parts[need.kind]
    -- An agent with three permissions to ask for is one that waits.
    if part and not counted[part .. need.key] then
      counted[part .. need.key] = true
      counts[part] = counts[part] + 1
    end
  end
  return counts
end

---@type { part: string, group: string }[]
local PARTS = {
  { part = "working", group = "OrchflowWorking" },
  { part = "waiting", group = "OrchflowWaiting" },
  { part = "failed", group = "OrchflowFailed" },
  { part = "done", group = "OrchflowDone" },
}

---@param word string
---@return string
local function escaped(word)
  return (word:gsub("%%", "%%%%"))
end

--- Writes the string: `orchflow 3> 1! 2+`, empty where there is nothing to say. Pure.
---@param status? orchflow.Status
---@param phase string of the connection
---@param icons table<string, string>
---@param options orchflow.StatuslineOptions
---@return string
function M.write(status, phase, icons, options)
  if not status then
    return ""
  end
  local words = {}
  if phase == "retrying" then
    words[1] = options.highlight and "%#OrchflowFailed#no host" .. (options.after or "%*")
      or "no host"
  else
    local counts = M.count(status)
    for _, entry in ipairs(PARTS) do
      if counts[entry.part] > 0 then
        local word = ("%d%s"):format(counts[entry.part], escaped(icons[entry.part]))
        words[#words + 1] = options.highlight
            and ("%%#%s#%s%s"):format(entry.group, word, options.after or "%*")
          or word
      end
    end
    local cost = options.cost and require("orchflow.view.cost").newest(status) or ""
    words[#words + 1] = cost ~= "" and escaped(cost) or nil
  end
  return #words > 0 and "orchflow " .. table.concat(words, " ") or ""
end

---@type table<string, string> by the options it was made for
local cached = {}
---@type table<string, string> winbar by width and agent
local winbars = {}
local listening = false

--- Throws what was made away and has it drawn again, once for all that changed in this moment.
local function renew()
  local before = cached
  cached, winbars = {}, {}
  if next(before) then
    vim.schedule(function()
      vim.cmd("redrawstatus!")
    end)
  end
end

--- Gives the client, if orchflow is used at all.
---@return table?
local function client()
  local loaded = package.loaded["orchflow.client"]
  if loaded and not listening then
    listening = true
    loaded.on("status", renew)
    loaded.on("link", renew)
    require("orchflow.ui.highlight").setup()
  end
  return loaded
end

--- Gives the string for a statusline.
---@param options? orchflow.StatuslineOptions
---@return string
function M.get(options)
  local host = client()
  if not host then
    return ""
  end
  options = options or {}
  local key = ("%s %s %s"):format(
    tostring(options.highlight),
    options.after or "",
    tostring(options.cost)
  )
  if not cached[key] then
    local icons = require("orchflow.config").get().icons
    cached[key] = M.write(host.store().status, host.phase(), icons, options)
  end
  return cached[key]
end

---@class orchflow.WinbarPart
---@field words string
---@field leaves integer the higher, the earlier it is left out where there is no room

--- Leaves out what is needed least, until the rest fits with two cells between its parts. Pure.
---@param parts orchflow.WinbarPart[]
---@param room integer cells
---@return orchflow.WinbarPart[]
local function fitting(parts, room)
  local text = require("orchflow.view.text")
  parts = vim.list_slice(parts, 1)
  while #parts > 0 do
    local width, first = 0, 1
    for index, part in ipairs(parts) do
      width = width + text.width(part.words) + 2
      first = part.leaves > parts[first].leaves and index or first
    end
    if width <= room then
      break
    end
    table.remove(parts, first)
  end
  return parts
end

--- Writes the winbar of a window that shows an agent; in a narrow one its name and state stay. Pure.
---@param agent? orchflow.Agent
---@param name string
---@param icons table<string, string>
---@param width? integer cells of the window
---@return string
function M.write_winbar(agent, name, icons, width)
  local text = require("orchflow.view.text")
  if not agent then
    return ("%%#OrchflowAgent# %s %%*%%<"):format(escaped(text.clean(name)))
  end
  local view = require("orchflow.view.status")
  local state = view.state(agent)
  local who, icon, how = view.name(agent), icons[state] or "?", view.state_words(agent)
  local parts = { { words = ("turn %d"):format(agent.turn or 0), leaves = 3 } }
  local unread = require("orchflow.needs").unread(agent)
  if unread > 0 then
    parts[#parts + 1] = { words = text.count(unread, "unread hunk"), leaves = 1 }
  end
  local waiting = (agent.queued or 0) + (agent.undelivered or 0)
  if waiting > 0 then
    parts[#parts + 1] = { words = text.count(waiting, "prompt") .. " waiting", leaves = 0 }
  end
  parts[#parts + 1] = { words = ("run %d"):format(agent.run), leaves = 4 }
  if agent.since then
    parts[#parts + 1] = { words = "since " .. text.clock(agent.since), leaves = 2 }
  end
  local head = text.width(("%s %s %s"):format(who, icon, how)) + 2
  local words, since = {}, ""
  for _, part in ipairs(fitting(parts, width and width - head or math.huge)) do
    if part.leaves == 2 then
      since = " " .. part.words
    else
      words[#words + 1] = part.words
    end
  end
  return ("%%#OrchflowAgent# %s %%#%s#%s %s%%*%s%%<%%=%%#OrchflowMuted#%s %%*"):format(
    escaped(who),
    view.groups[state] or "OrchflowMuted",
    escaped(icon),
    escaped(how),
    since,
    table.concat(words, "  ")
  )
end

--- Gives the winbar of the window that is being drawn; empty where it shows no agent.
---@return string
function M.winbar()
  local window = vim.g.statusline_winid or vim.api.nvim_get_current_win()
  local ok, name =
    pcall(vim.api.nvim_buf_get_var, vim.api.nvim_win_get_buf(window), "orchflow_agent")
  if not ok then
    return ""
  end
  local host = client()
  local width = vim.api.nvim_win_get_width(window)
  local key = width .. " " .. name
  if not winbars[key] then
    local agent = host and require("orchflow.state").agent(host.store(), name) or nil
    winbars[key] = M.write_winbar(agent, name, require("orchflow.config").get().icons, width)
    -- So that a change has it drawn again, also where no statusline asks.
    cached.winbar = ""
  end
  return winbars[key]
end

return M
