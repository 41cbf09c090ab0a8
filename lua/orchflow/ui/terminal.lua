--- Terminal windows that show an agent: `orchflow attach` in a split, a tab page or a float of Neovim.
---
--- A view that nobody asked for leaves the editor its columns and takes no focus; where there is no room it says so.

local text = require("orchflow.view.text")

local M = {}

--- Columns that views leave to the editor.
M.editor_columns = 100
--- What a view needs to be of use.
local LEAST_COLUMNS, LEAST_LINES = 40, 5

---@class orchflow.TerminalOptions
---@field argv string[]
---@field name string the agent, `RUN/NAME`
---@field focus boolean whether the window is entered, because the human asked for it
---@field where? "split"|"tab"|"float"
---@field window? integer a window to fill

---@type table<string, integer> buffer by agent
local buffers = {}

--- Gives the buffer that shows an agent, while its view lives.
---@param name string
---@return integer?
function M.buffer_of(name)
  local buffer = buffers[name]
  return buffer and vim.api.nvim_buf_is_valid(buffer) and buffer or nil
end

--- Gives a window that shows an agent, of this tab page first.
---@param name string
---@param any_tab? boolean whether other tab pages count
---@return integer?
function M.window_of(name, any_tab)
  local buffer = M.buffer_of(name)
  local tab, found = vim.api.nvim_get_current_tabpage(), nil
  for _, window in ipairs(buffer and vim.fn.win_findbuf(buffer) or {}) do
    if vim.api.nvim_win_get_tabpage(window) == tab then
      return window
    end
    found = any_tab and window or found
  end
  return found
end

--- Gives the window of this tab page that shows any agent beside the editor, the last one.
---@return integer?
local function last_view()
  local found
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    local is_float = vim.api.nvim_win_get_config(window).relative ~= ""
    if
      not is_float and vim.list_contains(vim.tbl_values(buffers), vim.api.nvim_win_get_buf(window))
    then
      found = window
    end
  end
  return found
end

---@class orchflow.ViewRoom
---@field columns integer of the editor
---@field lines integer of the editor
---@field beside? { columns: integer, lines: integer } of the view it would stand beside
---@field split "right"|"left"|"below"|"above"
---@field size number
---@field asked boolean

---@class orchflow.ViewPlan
---@field split string as nvim_open_win() takes it
---@field beside? boolean whether the view beside is split, not the editor
---@field width? integer
---@field height? integer

--- Plans where a view goes, so that the editor keeps its columns. Pure.
---@param room orchflow.ViewRoom
---@return orchflow.ViewPlan? plan
---@return string? problem
function M.plan(room)
  local sideways = room.split == "right" or room.split == "left"
  if room.beside then
    -- Agents stand together: one column at a side, or one row above or below.
    local fits = sideways and room.beside.lines >= 2 * LEAST_LINES + 1
      or not sideways and room.beside.columns >= 2 * LEAST_COLUMNS + 1
    if fits or room.asked then
      return { split = sideways and "below" or "right", beside = true }
    end
    return nil, "no room for another window beside the other agents"
  end
  local height = math.max(LEAST_LINES, math.floor(room.lines * room.size))
  if not sideways then
    return { split = room.split, height = height }
  end
  local free = room.columns - M.editor_columns - 1
  if free >= LEAST_COLUMNS then
    return { split = room.split, width = math.min(math.floor(room.columns * room.size), free) }
  elseif room.asked then
    return { split = "below", height = height }
  end
  return nil,
    ("no room beside the editor: it has %d columns and keeps %d"):format(
      room.columns,
      M.editor_columns
    )
end

---@param buffer integer
---@param asked boolean
---@return integer? window
---@return string? problem
local function split(buffer, asked)
  local options = require("orchflow.config").get().attach
  local beside = last_view()
  local plan, problem = M.plan({
    columns = vim.o.columns,
    lines = vim.o.lines,
    beside = beside and {
      columns = vim.api.nvim_win_get_width(beside),
      lines = vim.api.nvim_win_get_height(beside),
    } or nil,
    split = options.split,
    size = options.size,
    asked = asked,
  })
  if not plan then
    return nil, problem
  end
  local config = { split = plan.split, win = plan.beside and beside or -1 }
  config.width, config.height = plan.width, plan.height
  local ok, window = pcall(vim.api.nvim_open_win, buffer, false, config)
  if not ok then
    return nil, "no room for another window"
  end
  return window
end

---@return table config
local function float_config()
  local limits = require("orchflow.config").get().float
  local width = math.max(20, math.floor(vim.o.columns * limits.width) - 2)
  local height = math.max(LEAST_LINES, math.floor(vim.o.lines * limits.height) - 2)
  return {
    relative = "editor",
    width = math.min(width, vim.o.columns - 2),
    height = math.min(height, math.max(1, vim.o.lines - 4)),
    row = math.max(0, math.floor((vim.o.lines - vim.o.cmdheight - height) / 2) - 1),
    col = math.max(0, math.floor((vim.o.columns - width) / 2) - 1),
    border = limits.border,
  }
end

---@param buffer integer
---@param name string
---@return integer window
local function open_float(buffer, name)
  local config = float_config()
  config.style = "minimal"
  if config.border ~= "none" and config.border ~= "shadow" then
    config.title = { { (" %s "):format(text.clean(name)), "OrchflowTitle" } }
  end
  local window = vim.api.nvim_open_win(buffer, false, config)
  local group = vim.api.nvim_create_augroup("orchflow_terminal_" .. window, { clear = true })
  vim.api.nvim_create_autocmd("VimResized", {
    group = group,
    desc = "Fit the agent's float to the screen",
    callback = function()
      if not vim.api.nvim_win_is_valid(window) then
        return true
      end
      vim.api.nvim_win_set_config(window, float_config())
    end,
  })
  return window
end

---@param buffer integer
---@return integer window
local function open_tab(buffer)
  local origin = vim.api.nvim_get_current_tabpage()
  vim.cmd("tab sbuffer " .. buffer)
  local window = vim.api.nvim_get_current_win()
  vim.api.nvim_set_current_tabpage(origin)
  return window
end

---@param argv string[]
---@return string[]
local function with_our_binary(argv)
  if argv[1] ~= "orchflow" then
    return argv
  end
  local path = require("orchflow.client.binary").find()
  return vim.list_extend({ path or argv[1] }, vim.list_slice(argv, 2))
end

---@param argv string[]
---@param on_exit fun(code: integer)
---@return integer job
local function start(argv, on_exit)
  local options = {
    cwd = require("orchflow.client").root(),
    on_exit = function(_, code)
      on_exit(code)
    end,
  }
  if vim.fn.has("nvim-0.11") == 1 then
    options.term = true
    return vim.fn.jobstart(argv, options)
  end
  return vim.fn.termopen(argv, options)
end

---@param window integer
---@param is_float boolean
local function dress(window, is_float)
  local options = {
    number = false,
    relativenumber = false,
    signcolumn = "no",
    foldcolumn = "0",
    winfixwidth = not is_float,
  }
  if require("orchflow.config").get().attach.winbar and not is_float then
    options.winbar = "%{%v:lua.require'orchflow.statusline'.winbar()%}"
  end
  for name, value in pairs(options) do
    vim.api.nvim_set_option_value(name, value, { win = window, scope = "local" })
  end
end

---@param buffer integer
---@param options orchflow.TerminalOptions
---@return integer? window
---@return string? problem
local function place(buffer, options)
  if options.window then
    vim.api.nvim_win_set_buf(options.window, buffer)
    return options.window
  elseif options.where == "float" then
    return open_float(buffer, options.name)
  elseif options.where == "tab" then
    return open_tab(buffer)
  end
  return split(buffer, options.focus)
end

--- Names a buffer after the agent it shows, where Neovim would say which program runs in it.
---@param buffer integer
---@param agent string
local function name_buffer(buffer, agent)
  local before = vim.api.nvim_buf_get_name(buffer)
  local name = "orchflow-agent://" .. text.clean(agent)
  -- What an ended view left to be read keeps its name.
  if not pcall(vim.api.nvim_buf_set_name, buffer, name) then
    pcall(vim.api.nvim_buf_set_name, buffer, ("%s-%d"):format(name, buffer))
  end
  -- Neovim keeps the old name as a buffer of its own.
  for _, other in ipairs(vim.api.nvim_list_bufs()) do
    if other ~= buffer and before ~= "" and vim.api.nvim_buf_get_name(other) == before then
      pcall(vim.api.nvim_buf_delete, other, { force = true })
    end
  end
end

--- Starts the view of an agent in a window that shows its buffer.
---@param buffer integer
---@param window integer
---@param options orchflow.TerminalOptions
---@return boolean
local function begin(buffer, window, options)
  local function ended(code)
    -- The view is over, not the agent; what an error said stays to be read.
    if code == 0 and vim.api.nvim_buf_is_valid(buffer) then
      vim.api.nvim_buf_delete(buffer, { force = true })
    end
    if buffers[options.name] == buffer then
      buffers[options.name] = nil
    end
  end
  local started, job = pcall(vim.api.nvim_win_call, window, function()
    return start(with_our_binary(options.argv), ended)
  end)
  if not started or job <= 0 then
    return false
  end
  buffers[options.name] = buffer
  name_buffer(buffer, options.name)
  vim.bo[buffer].bufhidden = "hide"
  vim.bo[buffer].buflisted = false
  vim.api.nvim_buf_set_var(buffer, "orchflow_agent", options.name)
  return true
end

--- Opens a window on an agent, or goes to the one that shows it.
---@param options orchflow.TerminalOptions
---@return integer? window nil as well where the window has to wait for busy hands
---@return string? problem
function M.open(options)
  local steady = require("orchflow.ui.steady")
  -- A window that is there already takes nothing from the hands.
  if not options.window and not steady.is_by_hand() and not steady.is_safe() then
    steady.when_safe("terminal " .. options.name, function()
      local _, problem = M.open(options)
      if problem then
        require("orchflow.ui.message").error("orchflow: " .. problem)
      end
    end)
    return nil, nil
  end
  require("orchflow.ui.highlight").setup()
  local standing = M.buffer_of(options.name)
  local window = not options.window and M.window_of(options.name, options.focus) or nil
  if window and options.focus and options.where == "tab" then
    -- A tab page was asked for: a split elsewhere does not answer that.
    local alone = #vim.api.nvim_tabpage_list_wins(vim.api.nvim_win_get_tabpage(window)) == 1
    window = alone and window or nil
  end
  if not window then
    local buffer = standing or vim.api.nvim_create_buf(false, true)
    local made, problem = place(buffer, options)
    if not made then
      if not standing then
        vim.api.nvim_buf_delete(buffer, { force = true })
      end
      return nil, problem
    end
    window = made
    dress(window, options.where == "float" and not options.window)
    if not standing and not begin(buffer, window, options) then
      vim.api.nvim_buf_delete(buffer, { force = true })
      return nil, ("%s cannot be run"):format(tostring(options.argv[1]))
    end
  end
  if options.focus then
    vim.api.nvim_set_current_win(window)
    vim.cmd.startinsert()
  end
  return window, nil
end

return M
