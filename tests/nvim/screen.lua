-- What a Neovim shows, cell by cell: this is attached to it as its screen, and keeps text and colours.

---@class orchflow.ScreenCell
---@field [1] string text; empty behind a wide character
---@field [2] integer highlight id

---@class orchflow.Screen
---@field pipe table
---@field grid orchflow.ScreenCell[][]
---@field attributes table<integer, table>
---@field colours { foreground: integer, background: integer }
---@field answers table<integer, any>
local Screen = {}
Screen.__index = Screen

local DEADLINE_MS = 10000

local handlers = {}

function handlers.default_colors_set(screen, foreground, background)
  screen.colours = { foreground = foreground, background = background }
end

function handlers.hl_attr_define(screen, id, rgb)
  screen.attributes[id] = rgb
end

function handlers.grid_resize(screen, _, columns, lines)
  screen.columns, screen.lines = columns, lines
  handlers.grid_clear(screen)
end

function handlers.grid_clear(screen)
  for row = 1, screen.lines do
    screen.grid[row] = {}
    for column = 1, screen.columns do
      screen.grid[row][column] = { " ", 0 }
    end
  end
end

function handlers.grid_line(screen, _, row, column, cells)
  local id = 0
  for _, cell in ipairs(cells) do
    id = cell[2] or id
    for _ = 1, cell[3] or 1 do
      column = column + 1
      screen.grid[row + 1][column] = { cell[1], id }
    end
  end
end

function handlers.grid_scroll(screen, _, top, bottom, left, right, rows)
  local first, last, step = top + 1, bottom, 1
  if rows < 0 then
    first, last, step = bottom, top + 1, -1
  end
  for row = first, last, step do
    local from = row + rows
    if from > top and from <= bottom then
      for column = left + 1, right do
        screen.grid[row][column] = screen.grid[from][column]
      end
    end
  end
end

function Screen:take(message)
  if message[1] == 1 then
    self.answers[message[2]] = message[3] == vim.NIL and { ok = true } or { problem = message[3] }
  elseif message[1] == 2 and message[2] == "redraw" then
    for _, batch in ipairs(message[3]) do
      local handler = handlers[batch[1]]
      for index = 2, handler and #batch or 0 do
        handler(self, unpack(batch[index]))
      end
    end
  end
end

--- Asks over the screen's own channel, and waits for the answer: what was drawn before has arrived then.
function Screen:ask(method, ...)
  self.last_id = (self.last_id or 0) + 1
  local id = self.last_id
  self.pipe:write(vim.mpack.encode({ 0, id, method, { ... } }))
  assert(
    vim.wait(DEADLINE_MS, function()
      return self.answers[id] ~= nil
    end, 2),
    "no answer to " .. method
  )
  assert(not self.answers[id].problem, vim.inspect(self.answers[id].problem))
end

--- Attaches a screen to the Neovim that listens on a socket.
---@param socket string
---@param columns integer
---@param lines integer
---@return orchflow.Screen
function Screen.attach(socket, columns, lines)
  local screen = setmetatable({ grid = {}, attributes = {}, answers = {} }, Screen)
  screen.pipe = assert(vim.uv.new_pipe())
  local connected
  screen.pipe:connect(socket, function(problem)
    connected = problem or true
  end)
  assert(vim.wait(DEADLINE_MS, function()
    return connected
  end, 2) and connected == true, "the screen cannot join " .. socket)
  local function handle(bytes)
    return bytes
  end
  local unpacker = vim.mpack.Unpacker({ ext = { [0] = handle, [1] = handle, [2] = handle } })
  local rest = ""
  screen.pipe:read_start(function(_, chunk)
    if not chunk then
      return
    end
    rest = rest .. chunk
    local at = 1
    while at <= #rest do
      local message, next_at = unpacker(rest, at)
      at = next_at
      if message == nil then
        break
      end
      screen:take(message)
    end
    rest = rest:sub(at)
  end)
  screen:ask("nvim_ui_attach", columns, lines, { rgb = true, ext_linegrid = true })
  return screen
end

--- Ends the connection.
function Screen:close()
  self.pipe:read_stop()
  self.pipe:close()
end

--- Waits until everything that there is to be drawn has been.
function Screen:sync()
  self:ask("nvim_command", "redraw")
  self:ask("nvim_get_mode")
end

local FLAGS = { "bold", "italic", "underline", "undercurl", "strikethrough" }

--- Gives how a cell looks, in words; nil where it has nothing but the default colours.
function Screen:look(cell)
  local attributes = self.attributes[cell[2]] or {}
  local foreground = attributes.foreground or self.colours.foreground
  local background = attributes.background or self.colours.background
  if attributes.reverse then
    foreground, background = background, foreground
  end
  local words = {}
  if foreground ~= self.colours.foreground then
    words[#words + 1] = ("fg #%06x"):format(foreground)
  end
  if background ~= self.colours.background then
    words[#words + 1] = ("bg #%06x"):format(background)
  end
  for _, flag in ipairs(FLAGS) do
    if attributes[flag] then
      words[#words + 1] = flag
    end
  end
  return #words > 0 and table.concat(words, " ") or nil
end

---@param row orchflow.ScreenCell[]
local function text_of(row)
  local parts = {}
  for column, cell in ipairs(row) do
    parts[column] = cell[1]
  end
  return table.concat(parts)
end

--- Describes the screen: its text, then for each line which columns look how, then what the letters mean.
---@return string
function Screen:describe()
  local out, looks, names, legend = {}, {}, {}, {}
  for number, row in ipairs(self.grid) do
    out[#out + 1] = ("%02d|%s|"):format(number, text_of(row))
    local runs, current, from = {}, nil, 1
    for column = 1, #row + 1 do
      local look = row[column] and self:look(row[column])
      if look ~= current or column > #row then
        if current then
          if not names[current] then
            names[current] = string.char(97 + #legend % 26)
              .. (#legend >= 26 and math.floor(#legend / 26) or "")
            legend[#legend + 1] = ("%s  %s"):format(names[current], current)
          end
          runs[#runs + 1] = ("%d-%d%s"):format(from, column - 1, names[current])
        end
        current, from = look, column
      end
    end
    if #runs > 0 then
      looks[#looks + 1] = ("%02d %s"):format(number, table.concat(runs, " "))
    end
  end
  out[#out + 1] = ""
  vim.list_extend(out, looks)
  out[#out + 1] = ""
  vim.list_extend(out, legend)
  local default = ("default  fg #%06x bg #%06x"):format(
    self.colours.foreground,
    self.colours.background
  )
  out[#out + 1] = default
  return table.concat(out, "\n") .. "\n"
end

--- Writes the screen with escape sequences, as scripts/picture.py reads it.
---@return string
function Screen:ansi()
  local lines = {}
  for number, row in ipairs(self.grid) do
    local parts = {}
    for column, cell in ipairs(row) do
      local attributes = self.attributes[cell[2]] or {}
      local foreground = attributes.foreground or self.colours.foreground
      local background = attributes.background or self.colours.background
      if attributes.reverse then
        foreground, background = background, foreground
      end
      local function rgb(colour)
        return ("%d;%d;%d"):format(
          math.floor(colour / 65536),
          math.floor(colour / 256) % 256,
          colour % 256
        )
      end
      local codes = ("0;38;2;%s;48;2;%s"):format(rgb(foreground), rgb(background))
      for flag, code in pairs({ bold = 1, italic = 3, underline = 4, strikethrough = 9 }) do
        codes = codes .. (attributes[flag] and ";" .. code or "")
      end
      parts[column] = ("\27[%sm%s"):format(codes, cell[1])
    end
    lines[number] = table.concat(parts) .. "\27[0m"
  end
  return table.concat(lines, "\n") .. "\n"
end

return Screen
