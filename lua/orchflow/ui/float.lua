--- A float that is an ordinary scratch buffer: `/`, `y` and `:w file` work in it, `q` closes it.

local steady = require("orchflow.ui.steady")
local text = require("orchflow.view.text")

local M = {}

local namespace = vim.api.nvim_create_namespace("orchflow_float")

---@class orchflow.FloatKey
---@field key string
---@field description string
---@field action fun(row: any, float: orchflow.Float)
---@field hidden? boolean left out of the footer
---@field decides? boolean ignored for a moment after its row has moved, see `ui/steady.lua`

---@class orchflow.FloatOptions
---@field name string names the buffer and keeps the float single
---@field title string
---@field keys? orchflow.FloatKey[]
---@field closed? fun() called once when the float is gone
---@field full? boolean whether it takes all the room a float may have

---@class orchflow.Float
---@field buffer integer
---@field window integer
---@field options orchflow.FloatOptions
---@field title string
---@field page? orchflow.Page
---@field guard orchflow.Guard of what stands on the cursor's line
local Float = {}
Float.__index = Float

---@type table<string, orchflow.Float>
local open_floats = {}

--- Gives the window's place for a content of some size.
---@param width integer cells the content wants
---@param height integer lines the content wants
---@return table config for nvim_open_win and nvim_win_set_config
local function geometry(width, height)
  local limits = require("orchflow.config").get().float
  local most_width = math.max(20, math.floor(vim.o.columns * limits.width) - 2)
  local most_height = math.max(3, math.floor(vim.o.lines * limits.height) - 2)
  local real_width = math.min(math.max(width, 60), most_width, math.max(1, vim.o.columns - 2))
  local real_height = math.min(math.max(height, 3), most_height)
  return {
    relative = "editor",
    width = real_width,
    height = real_height,
    row = math.max(0, math.floor((vim.o.lines - vim.o.cmdheight - real_height) / 2) - 1),
    col = math.max(0, math.floor((vim.o.columns - real_width) / 2) - 1),
  }
end

---@param keys orchflow.FloatKey[]
---@return string
local function footer(keys)
  local words = {}
  for _, key in ipairs(keys) do
    if not key.hidden then
      words[#words + 1] = key.key .. " " .. key.description
    end
  end
  words[#words + 1] = "q close"
  return " " .. table.concat(words, "  ") .. " "
end

---@param config table
---@param title string
---@param keys orchflow.FloatKey[]
---@return table
local function with_frame(config, title, keys)
  config.border = require("orchflow.config").get().float.border
  -- A title or a footer needs a border to stand in.
  if config.border ~= "none" and config.border ~= "shadow" then
    config.title =
      { { " " .. text.cut(text.clean(title), config.width - 2) .. " ", "OrchflowTitle" } }
    config.footer = { { text.cut(footer(keys), config.width), "OrchflowMuted" } }
  end
  return config
end

--- Gives what stands on the cursor's line.
---@return any
function Float:row()
  local line = vim.api.nvim_win_get_cursor(self.window)[1]
  return self.page and self.page.rows[line]
end

--- Says whether the float is still there.
---@return boolean
function Float:is_open()
  return vim.api.nvim_win_is_valid(self.window) and vim.api.nvim_buf_is_valid(self.buffer)
end

--- Closes the float.
function Float:close()
  if vim.api.nvim_win_is_valid(self.window) then
    vim.api.nvim_win_close(self.window, true)
  end
end

---@param page orchflow.Page
---@return integer
local function widest(page)
  local width = 0
  for _, line in ipairs(page.lines) do
    width = math.max(width, text.width(line))
  end
  return width
end

--- Gives what makes a row the same row in the next page.
---@param row any
---@return any
local function identity(row)
  return type(row) == "table" and (row.key or row.id or row.seq or row.name) or nil
end

---@param buffer integer
---@param page orchflow.Page
---@param first_line integer 0-based
local function place_highlights(buffer, page, first_line)
  for _, highlight in ipairs(page.highlights) do
    if highlight.line >= first_line then
      local length = #page.lines[highlight.line + 1]
      vim.api.nvim_buf_set_extmark(
        buffer,
        namespace,
        highlight.line,
        math.min(highlight.first, length),
        {
          end_col = math.min(highlight.last, length),
          hl_group = highlight.group,
        }
      )
    end
  end
end

--- Puts lines into a buffer; where as many stood there before, only those that differ, so that a clock that ticks
--- disturbs no selection.
---@param buffer integer
---@param before string[]
---@param lines string[]
local function set_lines(buffer, before, lines)
  vim.bo[buffer].modifiable = true
  if #before == #lines then
    for index, line in ipairs(lines) do
      if line ~= before[index] then
        vim.api.nvim_buf_set_lines(buffer, index - 1, index, false, { line })
      end
    end
  else
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  end
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].modified = false
end

--- Shows a page; the cursor stays on what it stood on, where that is still there.
---@param page orchflow.Page
---@param title? string
function Float:show(page, title)
  if not self:is_open() then
    return
  end
  -- A line typed in the float, or text selected in it, is not to be disturbed by a clock that ticks.
  local busy = vim.api.nvim_get_current_win() == self.window
    and self.page ~= nil
    and not steady.is_by_hand()
    and not steady.is_safe()
  if busy then
    steady.when_safe("float " .. self.options.name, function()
      self:show(page, title)
    end)
    return
  end
  self.title = title or self.title
  local before = self:row()
  local cursor = vim.api.nvim_win_get_cursor(self.window)
  set_lines(self.buffer, self.page and self.page.lines or {}, page.lines)
  vim.api.nvim_buf_clear_namespace(self.buffer, namespace, 0, -1)
  place_highlights(self.buffer, page, 0)
  self.page = page
  local line = math.min(cursor[1], #page.lines)
  local wanted = identity(before)
  if wanted and identity(page.rows[line]) ~= wanted then
    for number, row in pairs(page.rows) do
      line = identity(row) == wanted and number or line
    end
  end
  line = math.max(1, line)
  vim.api.nvim_win_set_cursor(self.window, { line, cursor[2] })
  if before ~= nil and (line ~= cursor[1] or identity(page.rows[line]) ~= wanted) then
    self.guard:moved()
  end
  self:fit()
end

--- Adds the lines of a page below; what is there stays as it is.
---@param page orchflow.Page
function Float:append(page)
  if not self:is_open() or not self.page then
    return
  end
  local count = #self.page.lines
  vim.bo[self.buffer].modifiable = true
  vim.api.nvim_buf_set_lines(self.buffer, count, -1, false, page.lines)
  vim.bo[self.buffer].modifiable = false
  vim.bo[self.buffer].modified = false
  for _, highlight in ipairs(page.highlights) do
    highlight.line = highlight.line + count
    table.insert(self.page.highlights, highlight)
  end
  vim.list_extend(self.page.lines, page.lines)
  for line, row in pairs(page.rows) do
    self.page.rows[line + count] = row
  end
  place_highlights(self.buffer, self.page, count)
end

--- Fits the window to its content and the screen.
function Float:fit()
  if not self:is_open() or not self.page then
    return
  end
  -- A frame keeps its width while it is open, so that a clock that ticks does not move it.
  self.width =
    math.max(self.width or 0, widest(self.page), text.width(footer(self.options.keys or {})))
  local full = self.options.full
  local config =
    geometry(full and vim.o.columns or self.width, full and vim.o.lines or #self.page.lines)
  vim.api.nvim_win_set_config(self.window, with_frame(config, self.title, self.options.keys or {}))
end

---@param float orchflow.Float
local function map_keys(float)
  local function map(key, description, action)
    vim.keymap.set("n", key, action, {
      buffer = float.buffer,
      nowait = true,
      silent = true,
      desc = "orchflow: " .. description,
    })
  end
  map("q", "close", function()
    float:close()
  end)
  for _, key in ipairs(float.options.keys or {}) do
    local function act()
      steady.by_hand(key.action, float:row(), float)
    end
    map(key.key, key.description, key.decides and float.guard:wrap(act) or act)
  end
end

--- Opens a float, or goes to the one of that name which is open.
---@param options orchflow.FloatOptions
---@return orchflow.Float
function M.open(options)
  require("orchflow.ui.highlight").setup()
  local standing = open_floats[options.name]
  if standing and standing:is_open() then
    vim.api.nvim_set_current_win(standing.window)
    return standing
  end
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.bo[buffer].bufhidden = "wipe"
  vim.bo[buffer].undolevels = -1
  vim.bo[buffer].modifiable = false
  pcall(vim.api.nvim_buf_set_name, buffer, "orchflow://" .. options.name)
  local size = options.full and { vim.o.columns, vim.o.lines } or { 60, 3 }
  local config = with_frame(geometry(size[1], size[2]), options.title, options.keys or {})
  config.style = "minimal"
  local window = vim.api.nvim_open_win(buffer, true, config)
  vim.wo[window].wrap = false
  vim.wo[window].cursorline = true
  local float = setmetatable({
    buffer = buffer,
    window = window,
    options = options,
    title = options.title,
    guard = steady.guard(),
  }, Float)
  open_floats[options.name] = float
  map_keys(float)
  vim.bo[buffer].filetype = "orchflow"
  local group = vim.api.nvim_create_augroup("orchflow_float_" .. buffer, { clear = true })
  vim.api.nvim_create_autocmd("VimResized", {
    group = group,
    callback = function()
      float:fit()
    end,
  })
  vim.api.nvim_create_autocmd("BufWipeout", {
    group = group,
    buffer = buffer,
    callback = function()
      pcall(vim.api.nvim_del_augroup_by_id, group)
      if open_floats[options.name] == float then
        open_floats[options.name] = nil
      end
      if options.closed then
        options.closed()
      end
    end,
  })
  return float
end

return M
