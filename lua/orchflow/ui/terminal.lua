--- Terminal windows that show an agent: `orchflow attach` in a window of Neovim.

local M = {}

---@class orchflow.TerminalOptions
---@field argv string[]
---@field name string the agent, for the buffer's name
---@field focus boolean whether the window is entered

---@type table<string, integer> buffer by agent
local buffers = {}

--- Gives the window of this tab page that shows an agent, if one does.
---@param name string
---@return integer?
local function window_of(name)
  local buffer = buffers[name]
  if buffer and vim.api.nvim_buf_is_valid(buffer) then
    for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
      if vim.api.nvim_win_get_buf(window) == buffer then
        return window
      end
    end
  end
  return nil
end

--- Gives the window of this tab page that shows any agent, the lowest first.
---@return integer?
local function last_view()
  local found
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.tbl_contains(vim.tbl_values(buffers), vim.api.nvim_win_get_buf(window)) then
      found = window
    end
  end
  return found
end

---@param buffer integer
---@return integer window
local function split(buffer)
  local options = require("orchflow.config").get().attach
  local beside = last_view()
  local sideways = options.split == "right" or options.split == "left"
  if beside then
    -- Agents stand together: one column at a side, or one row above or below.
    return vim.api.nvim_open_win(
      buffer,
      false,
      { split = sideways and "below" or "right", win = beside }
    )
  end
  local config = { split = options.split, win = -1 }
  if sideways then
    config.width = math.max(20, math.floor(vim.o.columns * options.size))
  else
    config.height = math.max(5, math.floor(vim.o.lines * options.size))
  end
  return vim.api.nvim_open_win(buffer, false, config)
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
local function dress(window)
  for name, value in pairs({
    number = false,
    relativenumber = false,
    signcolumn = "no",
    foldcolumn = "0",
    winfixwidth = true,
  }) do
    vim.api.nvim_set_option_value(name, value, { win = window, scope = "local" })
  end
end

--- Opens a window on an agent, or goes to the one that shows it.
---@param options orchflow.TerminalOptions
---@return integer? window nil as well where the window has to wait for busy hands
---@return string? problem
function M.open(options)
  local steady = require("orchflow.ui.steady")
  if not steady.is_by_hand() and not steady.is_safe() then
    steady.when_safe("terminal " .. options.name, function()
      local _, problem = M.open(options)
      if problem then
        require("orchflow.ui.message").error("orchflow: " .. problem)
      end
    end)
    return nil, nil
  end
  local window = window_of(options.name)
  if not window then
    local buffer = vim.api.nvim_create_buf(false, true)
    local opened, made = pcall(split, buffer)
    if not opened then
      vim.api.nvim_buf_delete(buffer, { force = true })
      return nil, "there is no room for another window"
    end
    window = made
    dress(window)
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
      vim.api.nvim_win_close(window, true)
      return nil, ("%s cannot be run"):format(tostring(options.argv[1]))
    end
    buffers[options.name] = buffer
    vim.bo[buffer].bufhidden = "hide"
    vim.api.nvim_buf_set_var(buffer, "orchflow_agent", options.name)
  end
  if options.focus then
    vim.api.nvim_set_current_win(window)
    vim.cmd.startinsert()
  end
  return window, nil
end

return M
