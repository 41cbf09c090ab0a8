--- `:Orchflow view`: three layouts to switch to, and back by the same command.
---
--- `terminal` and `dashboard` have a tab page of their own, so that the human's is not touched; `split` adds agents
--- beside the editor and takes them away again, with every window's size and place as it was.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")

local M = {}

M.names = { "terminal", "split", "dashboard" }

---@class orchflow.Layout
---@field name string
---@field tab? integer the tab page it has to itself
---@field origin integer the tab page it was opened from
---@field windows? integer[] that it added
---@field saved? orchflow.SavedWindows

---@class orchflow.SavedWindows
---@field windows integer[]
---@field sizes string what winrestcmd() said
---@field views table<integer, table>

---@type orchflow.Layout?
local current

---@return orchflow.SavedWindows
local function save()
  local saved = { windows = {}, views = {}, sizes = vim.fn.winrestcmd() }
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.api.nvim_win_get_config(window).relative == "" then
      saved.windows[#saved.windows + 1] = window
      saved.views[window] = vim.api.nvim_win_call(window, vim.fn.winsaveview)
    end
  end
  return saved
end

--- Gives the windows back their sizes and places, unless the human has changed which there are.
---@param saved orchflow.SavedWindows
local function restore(saved)
  local now = save()
  if not vim.deep_equal(now.windows, saved.windows) then
    return
  end
  -- A size depends on those before it, so the command is worth running twice.
  vim.cmd(saved.sizes)
  vim.cmd(saved.sizes)
  for window, view in pairs(saved.views) do
    local cursor = vim.api.nvim_win_get_cursor(window)
    vim.api.nvim_win_call(window, function()
      -- Where the human went meanwhile stays; what is given back is where the window was scrolled to.
      if cursor[1] == view.lnum then
        vim.fn.winrestview(view)
      end
    end)
  end
end

--- Runs a function without windows that are made equal behind its back.
---@param action fun()
local function with_sizes_kept(action)
  local before = vim.o.equalalways
  vim.o.equalalways = false
  local ok, problem = pcall(action)
  -- To set it makes all windows equal at once.
  local sizes = vim.fn.winrestcmd()
  vim.o.equalalways = before
  vim.cmd(sizes)
  vim.cmd(sizes)
  if not ok then
    error(problem, 0)
  end
end

--- Says whether a layout is still there, for the human may have closed it.
---@param layout orchflow.Layout
---@return boolean
local function stands(layout)
  if layout.tab then
    return vim.api.nvim_tabpage_is_valid(layout.tab)
  end
  for _, window in ipairs(layout.windows or {}) do
    if vim.api.nvim_win_is_valid(window) then
      return true
    end
  end
  return false
end

--- Goes back to what was there before the layout.
local function go_back()
  local layout = current
  current = nil
  if not layout or not stands(layout) then
    return
  end
  if layout.tab then
    if vim.api.nvim_tabpage_is_valid(layout.origin) then
      vim.api.nvim_set_current_tabpage(layout.origin)
    end
    if #vim.api.nvim_list_tabpages() > 1 then
      vim.cmd("tabclose " .. vim.api.nvim_tabpage_get_number(layout.tab))
    end
    return
  end
  with_sizes_kept(function()
    for _, window in ipairs(layout.windows or {}) do
      if vim.api.nvim_win_is_valid(window) then
        pcall(vim.api.nvim_win_close, window, true)
      end
    end
  end)
  if vim.api.nvim_tabpage_is_valid(layout.origin) and layout.saved then
    local here = vim.api.nvim_get_current_tabpage()
    if here == layout.origin then
      restore(layout.saved)
    end
  end
end

--- Opens a tab page with one empty window that leaves nothing behind.
---@return integer window
local function new_tab()
  vim.cmd("tab split")
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.bo[buffer].bufhidden = "wipe"
  vim.api.nvim_win_set_buf(0, buffer)
  return vim.api.nvim_get_current_win()
end

---@param names string[] agents that found no room
local function say_who_is_left(names)
  if #names > 0 then
    local left = table.concat(vim.tbl_map(text.clean, names), ", ")
    message.info(("orchflow: no room for %s; :Orchflow attach shows one"):format(left))
  end
end

--- What an agent's window needs to be of use.
local LEAST_COLUMNS, LEAST_LINES = 60, 8

--- Plans a grid of windows: how many agents stand in each column. Pure.
---@param count integer of agents
---@param columns integer of the editor
---@param lines integer of the editor
---@return integer[] heights agents in each column, those without room left out
function M.grid(count, columns, lines)
  local most_across = math.max(1, math.floor(columns / LEAST_COLUMNS))
  local most_down = math.max(1, math.floor(lines / LEAST_LINES))
  local across = math.min(most_across, math.max(1, math.ceil(math.sqrt(count))))
  while across < most_across and across * most_down < count do
    across = across + 1
  end
  local shown, heights = math.min(count, across * most_down), {}
  for column = 1, across do
    heights[column] = math.floor(shown / across) + (column <= shown % across and 1 or 0)
  end
  return vim.tbl_filter(function(height)
    return height > 0
  end, heights)
end

---@param agents orchflow.Agent[]
local function open_terminals(agents)
  local heights = M.grid(#agents, vim.o.columns, vim.o.lines - 2)
  local first = new_tab()
  local windows, index = {}, 0
  local tops = { first }
  for column = 2, #heights do
    tops[column] = vim.api.nvim_open_win(0, false, { split = "right", win = tops[column - 1] })
  end
  for column, height in ipairs(heights) do
    local last = tops[column]
    windows[#windows + 1] = last
    for _ = 2, height do
      last = vim.api.nvim_open_win(vim.api.nvim_win_get_buf(first), false, {
        split = "below",
        win = last,
      })
      windows[#windows + 1] = last
    end
  end
  vim.cmd("wincmd =")
  local left = {}
  for _, agent in ipairs(agents) do
    index = index + 1
    local window = windows[index]
    if not window then
      left[#left + 1] = agent.key
    else
      require("orchflow.ui.agent").attach(agent.key, {
        window = window,
        done = function(_, problem)
          if problem then
            message.error("orchflow: view: " .. problem)
          end
        end,
      })
    end
  end
  say_who_is_left(left)
end

---@param layout orchflow.Layout
---@param agents orchflow.Agent[]
local function open_split(layout, agents)
  local terminal = require("orchflow.ui.terminal")
  layout.saved, layout.windows = save(), {}
  local left = {}
  local function add(index)
    local agent = agents[index]
    if not agent then
      say_who_is_left(left)
      return
    elseif terminal.window_of(agent.key) then
      add(index + 1)
      return
    end
    require("orchflow.ui.agent").attach(agent.key, {
      where = "split",
      quiet = true,
      done = function(window)
        if window and current == layout then
          layout.windows[#layout.windows + 1] = window
        elseif window then
          vim.api.nvim_win_close(window, true)
          restore(layout.saved)
          return
        else
          left[#left + 1] = agent.key
        end
        add(index + 1)
      end,
    })
  end
  add(1)
end

local function open_activity()
  local window = new_tab()
  require("orchflow.ui.dashboard").open({}, window)
  local below = vim.api.nvim_open_win(0, false, { split = "below", win = window })
  vim.api.nvim_win_set_height(window, math.max(6, math.floor(vim.o.lines * 0.4)))
  require("orchflow.ui.timeline").open(
    assert(require("orchflow.filter").parse({}, "events")),
    below
  )
  if vim.api.nvim_win_is_valid(window) then
    vim.api.nvim_set_current_win(window)
  end
end

---@param name string
local function open(name)
  local layout = { name = name, origin = vim.api.nvim_get_current_tabpage() }
  if name == "dashboard" then
    current = layout
    open_activity()
    layout.tab = vim.api.nvim_get_current_tabpage()
    return
  end
  client.request("status", {}, function(failure, status)
    if failure then
      message.failure(failure, "orchflow: view")
      return
    end
    require("orchflow.state").take_status(client.store(), status)
    local living = vim.tbl_filter(function(agent)
      return agent.living
    end, status.agents or {})
    if #living == 0 then
      message.info("orchflow: no agent lives; :Orchflow swarm starts some")
      return
    end
    require("orchflow.ui.steady").when_safe("layout", function()
      current = layout
      layout.origin = vim.api.nvim_get_current_tabpage()
      if name == "terminal" then
        open_terminals(living)
        layout.tab = vim.api.nvim_get_current_tabpage()
      else
        open_split(layout, living)
      end
    end)
  end)
end

--- Switches to a layout, or back where it is the one that stands.
---@param name string
---@return orchflow.Failure? problem
function M.toggle(name)
  if not vim.list_contains(M.names, name) then
    local nearest = require("orchflow.config.validate").nearest(name, M.names)
    return {
      code = "usage",
      message = ("there is no layout %s"):format(text.clean(name)),
      hint = nearest and ("did you mean :Orchflow view %s?"):format(nearest)
        or "terminal, split or dashboard",
    }
  end
  local standing = current and stands(current) and current.name or nil
  go_back()
  if standing ~= name then
    open(name)
  end
  return nil
end

--- Gives the name of the layout that stands.
---@return string?
function M.current()
  return current and stands(current) and current.name or nil
end

return M
