--- A float that is an ordinary scratch buffer: `/`, `y` and `:w file` work in it, `q` closes it.

local steady = require("orchflow.ui.steady")
local text = require("orchflow.view.text")

local M = {}

local namespace = vim.api.nvim_create_namespace("orchflow_float")

---@class orchflow.FloatKey
---@field key string
---@field description string
---@field action fun(row: any, float: orchflow.Float)
---@field long? string said where there is more room than in the footer
---@field hidden? boolean left out of the footer
---@field decides? boolean ignored for a moment after its row has moved, see `ui/steady.lua`

---@class orchflow.FloatOptions
---@field name string names the buffer and keeps the float single
---@field ticker? orchflow.Ticker of a float that tells ages
---@field title string|fun(width: integer): string[][] words, or chunks made for a width
---@field keys? orchflow.FloatKey[]
---@field closed? fun() called once when the float is gone
---@field full? boolean whether it takes all the room a float may have
---@field place? "float"|"split"|"tab" where it opens; a float where nothing is said
---@field window? integer a window to fill in place of any of them
---@field width? integer cells it takes at least, where the editor has them
---@field wrap? boolean whether long lines are wrapped, so that nothing of them is hidden

---@class orchflow.Float
---@field buffer integer
---@field window integer
---@field options orchflow.FloatOptions
---@field ticker? orchflow.Ticker of a float that tells ages
---@field title string|fun(width: integer): string[][]
---@field page? orchflow.Page
---@field searched? boolean whether the human searched in it, so that `n` goes on with that
---@field guard orchflow.Guard of what stands on the cursor's line
local Float = {}
Float.__index = Float

--- Cells that a float may always take, where the editor has them.
local LEAST_ROOM = 78

---@type table<string, orchflow.Float>
local open_floats = {}

--- Gives how many cells the lines of a float may have.
---@return integer
function M.room()
  local share = require("orchflow.config").get().float.width
  local wanted = math.max(math.floor(vim.o.columns * share) - 2, LEAST_ROOM)
  return math.max(1, math.min(wanted, vim.o.columns - 2))
end

--- Gives the window's place for a content of some size.
---@param width integer cells the content wants
---@param height integer lines the content wants
---@return table config for nvim_open_win and nvim_win_set_config
local function geometry(width, height)
  local limits = require("orchflow.config").get().float
  local most_height = math.max(3, math.floor(vim.o.lines * limits.height) - 2)
  local real_width = math.min(math.max(width, 60), M.room())
  local real_height = math.min(math.max(height, 3), most_height)
  return {
    relative = "editor",
    width = real_width,
    height = real_height,
    row = math.max(0, math.floor((vim.o.lines - vim.o.cmdheight - real_height) / 2) - 1),
    col = math.max(0, math.floor((vim.o.columns - real_width) / 2) - 1),
  }
end

--- Names the keys; where not all of them fit, the last ones are left to `g?`.
---@param keys orchflow.FloatKey[]
---@param width? integer
---@return string
local function footer(keys, width)
  local line, close = "", "q close "
  -- How a float is left is the last that may be missing.
  local room = (width or math.huge) - text.width(close) - 1
  for _, key in ipairs(keys) do
    local word = (" %s %s "):format(key.key, key.description)
    if not key.hidden and text.width(line .. word) <= room then
      line = line .. word
    end
  end
  return line .. " " .. close
end

---@param title string|fun(width: integer): string[][]
---@param width integer cells
---@return string[][] chunks
local function title_chunks(title, width)
  if type(title) == "function" then
    return title(width)
  end
  return { { " " .. text.cut(text.clean(title), width - 2) .. " ", "OrchflowFloatTitle" } }
end

--- Gives what fills a frame's upper border between two parts of a title.
---@return string
function M.rule()
  local rules = { single = "─", rounded = "─", double = "═" }
  return rules[require("orchflow.config").get().float.border] or " "
end

--- Makes a title of two parts, one at either end of the frame.
---@param left string
---@param right string
---@return fun(width: integer): string[][]
function M.title(left, right)
  return function(width)
    local tail = (" %s "):format(text.clean(right))
    local head = (" %s "):format(
      text.cut(text.clean(left), math.max(1, width - text.width(tail) - 3))
    )
    local gap = math.max(0, width - text.width(head) - text.width(tail))
    return {
      { head, "OrchflowFloatTitle" },
      { M.rule():rep(gap), "FloatBorder" },
      { tail, "OrchflowFloatFooter" },
    }
  end
end

---@param config table
---@param title string|fun(width: integer): string[][]
---@param keys orchflow.FloatKey[]
---@return table
local function with_frame(config, title, keys)
  config.border = require("orchflow.config").get().float.border
  -- A title or a footer needs a border to stand in.
  if config.border ~= "none" and config.border ~= "shadow" then
    config.title = title_chunks(title, config.width)
    config.footer =
      { { text.cut(footer(keys, config.width), config.width), "OrchflowFloatFooter" } }
  end
  return config
end

--- Gives what stands on the cursor's line.
---@return any
function Float:row()
  local line = vim.api.nvim_win_get_cursor(self.window)[1]
  return self.page and self.page.rows[line]
end

--- Gives how many cells its lines may have.
---@return integer
function Float:room()
  local is_float = vim.api.nvim_win_get_config(self.window).relative ~= ""
  return is_float and M.room() or vim.api.nvim_win_get_width(self.window)
end

--- Says whether the float is still there.
---@return boolean
function Float:is_open()
  return vim.api.nvim_win_is_valid(self.window) and vim.api.nvim_buf_is_valid(self.buffer)
end

--- Closes the float.
function Float:close()
  if not vim.api.nvim_win_is_valid(self.window) then
    return
  end
  -- The last window of all cannot be closed; what it shows is left instead.
  if not pcall(vim.api.nvim_win_close, self.window, true) then
    pcall(vim.api.nvim_buf_delete, self.buffer, { force = true })
  end
end

--- Makes room for what is opened from here: a float closes, a split or a tab page is left for the window before it.
function Float:leave()
  if not self:is_open() or vim.api.nvim_win_get_config(self.window).relative ~= "" then
    self:close()
    return
  end
  vim.cmd.wincmd("p")
  if vim.api.nvim_get_current_win() == self.window then
    vim.cmd("aboveleft split")
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
  local function put(first, last, replacement)
    -- Whoever listens to changes of the buffer may draw it as well, and close it again behind our back.
    vim.bo[buffer].modifiable = true
    vim.api.nvim_buf_set_lines(buffer, first, last, false, replacement)
  end
  if #before == #lines and #lines == vim.api.nvim_buf_line_count(buffer) then
    for index, line in ipairs(lines) do
      if line ~= before[index] then
        put(index - 1, index, { line })
      end
    end
  else
    put(0, -1, lines)
  end
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].modified = false
end

--- Gives the lines of a page that stand for the same thing as a row.
---@param page orchflow.Page
---@param wanted any
---@return integer? first
---@return integer? last
local function lines_of(page, wanted)
  local first, last
  for line = 1, #page.lines do
    if identity(page.rows[line]) == wanted then
      first, last = first or line, line
    end
  end
  return first, last
end

--- Gives the line where the cursor belongs in the next page: with the thing it stood on, as far below its head.
---@param before? orchflow.Page
---@param page orchflow.Page
---@param line integer
---@return integer line
---@return boolean is_same whether it is still the same thing
local function follow(before, page, line)
  local wanted = before and identity(before.rows[line])
  local old_first = wanted and lines_of(before --[[@as orchflow.Page]], wanted)
  local first, last = nil, nil
  if wanted then
    first, last = lines_of(page, wanted)
  end
  if first then
    return math.min(first + line - old_first, last --[[@as integer]]), true
  end
  if (not before or next(before.rows) == nil) and not page.rows[line] then
    -- What there is to choose from begins below the heads.
    for number = 1, #page.lines do
      if page.rows[number] then
        return number, false
      end
    end
  end
  line = math.max(1, math.min(line, #page.lines))
  return line, wanted == identity(page.rows[line])
end

--- Shows a page; the cursor stays on what it stood on, where that is still there.
---@param page orchflow.Page
---@param title? string|fun(width: integer): string[][]
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
  local cursor = vim.api.nvim_win_get_cursor(self.window)
  local line, is_same = follow(self.page, page, cursor[1])
  set_lines(self.buffer, self.page and self.page.lines or {}, page.lines)
  vim.api.nvim_buf_clear_namespace(self.buffer, namespace, 0, -1)
  place_highlights(self.buffer, page, 0)
  if self.page and not (is_same and line == cursor[1]) then
    self.guard:moved()
  end
  self.page = page
  if line ~= cursor[1] then
    vim.api.nvim_win_set_cursor(self.window, { line, cursor[2] })
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
  if not self:is_open() or not (self.page or self.options.full) then
    return
  end
  if vim.api.nvim_win_get_config(self.window).relative == "" then
    self:say_title()
    return
  end
  if not self.page then
    local config = geometry(vim.o.columns, vim.o.lines)
    vim.api.nvim_win_set_config(
      self.window,
      with_frame(config, self.title, self.options.keys or {})
    )
    return
  end
  -- A frame keeps its width while it is open, so that a clock that ticks does not move it.
  self.width = math.max(
    self.width or self.options.width or 0,
    widest(self.page),
    text.width(footer(self.options.keys or {}))
  )
  local height = #self.page.lines
  if self.options.wrap then
    height = 0
    for _, line in ipairs(self.page.lines) do
      height = height + math.max(1, math.ceil(text.width(line) / math.min(self.width, M.room())))
    end
  end
  local full = self.options.full
  local config = geometry(full and vim.o.columns or self.width, full and vim.o.lines or height)
  vim.api.nvim_win_set_config(self.window, with_frame(config, self.title, self.options.keys or {}))
end

--- Writes the title of a window that is no float into its winbar.
function Float:say_title()
  local parts = {}
  for _, chunk in ipairs(title_chunks(self.title, vim.api.nvim_win_get_width(self.window))) do
    parts[#parts + 1] = ("%%#%s#%s"):format(chunk[2] or "WinBar", (chunk[1]:gsub("%%", "%%%%")))
  end
  local bar = table.concat(parts) .. "%#WinBar#"
  if vim.wo[self.window].winbar ~= bar then
    vim.api.nvim_set_option_value("winbar", bar, { scope = "local", win = self.window })
  end
end

--- Shows a buffer in a window as a float would show it: without the numbers and columns of a file.
---@param window integer
---@param buffer integer
local function fill_window(window, buffer)
  vim.api.nvim_win_set_buf(window, buffer)
  local plain = {
    number = false,
    relativenumber = false,
    list = false,
    spell = false,
    signcolumn = "no",
    foldcolumn = "0",
  }
  for option, value in pairs(plain) do
    vim.api.nvim_set_option_value(option, value, { scope = "local", win = window })
  end
end

--- Opens a split or a tab page for a buffer.
---@param buffer integer
---@param place "split"|"tab"
---@return integer window
local function open_window(buffer, place)
  if place == "tab" then
    vim.cmd("tab split")
  else
    vim.cmd("botright split")
    vim.api.nvim_win_set_height(0, math.max(5, math.floor(vim.o.lines * 0.4)))
  end
  local window = vim.api.nvim_get_current_win()
  fill_window(window, buffer)
  return window
end

--- Shows what the keys do.
function Float:help()
  local page, widest_key = text.page(), #"g?"
  local keys = vim.list_slice(self.options.keys or {}, 1)
  keys[#keys + 1] = { key = "g?", description = "these keys" }
  keys[#keys + 1] = { key = "q", description = "close" }
  for _, key in ipairs(keys) do
    widest_key = math.max(widest_key, #key.key)
  end
  for _, key in ipairs(keys) do
    page:add({
      { text.pad(key.key, widest_key) .. "  ", "OrchflowAgent" },
      key.long or key.description,
    })
  end
  M.open({ name = self.options.name .. "-keys", title = "Keys" }):show(page)
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
  map("g?", "show the keys", function()
    float:help()
  end)
  for _, key in ipairs(float.options.keys or {}) do
    local function act()
      steady.by_hand(key.action, float:row(), float)
    end
    map(key.key, key.description, key.decides and float.guard:wrap(act) or act)
  end
end

--- Sees to it that the keys of a float are its own: an Insert mode that was to go on after a command (<C-o>, or
--- `:startinsert` for a terminal that is left again) would otherwise begin in it.
---@param window integer
local function take_keys(window)
  if vim.api.nvim_get_current_win() == window then
    vim.cmd.stopinsert()
  end
end

--- Opens a float, or goes to the one of that name which is open.
---@param options orchflow.FloatOptions
---@return orchflow.Float
function M.open(options)
  require("orchflow.ui.highlight").setup()
  local standing = open_floats[options.name]
  if standing and standing:is_open() and not options.window then
    vim.api.nvim_set_current_win(standing.window)
    take_keys(standing.window)
    return standing
  elseif standing then
    standing:close()
  end
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.bo[buffer].bufhidden = "wipe"
  vim.bo[buffer].undolevels = -1
  vim.bo[buffer].modifiable = false
  pcall(vim.api.nvim_buf_set_name, buffer, "orchflow://" .. options.name)
  local window = options.window
  if window then
    fill_window(window, buffer)
  elseif options.place == "split" or options.place == "tab" then
    window = open_window(buffer, options.place)
  else
    local size = options.full and { vim.o.columns, vim.o.lines } or { 60, 3 }
    local config = with_frame(geometry(size[1], size[2]), options.title, options.keys or {})
    config.style = "minimal"
    window = vim.api.nvim_open_win(buffer, true, config)
  end
  for name, value in pairs({ wrap = options.wrap == true, linebreak = false, cursorline = true }) do
    vim.api.nvim_set_option_value(name, value, { win = window, scope = "local" })
  end
  local float = setmetatable({
    buffer = buffer,
    window = window,
    options = options,
    title = options.title,
    guard = steady.guard(),
  }, Float)
  open_floats[options.name] = float
  if window == options.window or options.place == "split" or options.place == "tab" then
    float:say_title()
  end
  take_keys(window)
  map_keys(float)
  vim.bo[buffer].filetype = "orchflow"
  local group = vim.api.nvim_create_augroup("orchflow_float_" .. buffer, { clear = true })
  vim.api.nvim_create_autocmd("VimResized", {
    group = group,
    callback = function()
      float:fit()
    end,
  })
  vim.api.nvim_create_autocmd("CmdlineLeave", {
    group = group,
    pattern = "[/\\?]",
    callback = function()
      float.searched = float.searched
        or (vim.api.nvim_get_current_buf() == buffer and not vim.v.event.abort)
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
