--- The prompt buffer: a text for agents, written as any other text.
---
--- `:w` sends and closes (`:wq`, `:x`, `ZZ` as well), `:q!` and `ZQ` throw it away; where sending fails the text stays.
--- The text is kept as a draft on disk while it is written. Neovim never counts the buffer as modified, so `:wa`,
--- `:wqa`, `:qa`, `:bufdo` and plugins that save by themselves pass it by: only a write that was asked for in it sends.

local asked = require("orchflow.prompt.asked")
local draft = require("orchflow.prompt.draft")
local message = require("orchflow.ui.message")
local steady = require("orchflow.ui.steady")

local M = {}

local SAVE_AFTER_MS = 200

--- Commands that need the buffer to count as modified, to do what they are meant to.
local NEEDS_MODIFIED = { xit = true, exit = true, update = true, quit = true }
--- Commands that throw the text away where they have a `!`.
local THROWS_AWAY = { quit = true, close = true, bdelete = true, bwipeout = true, bunload = true }

---@class orchflow.PromptSpec
---@field key string what makes it the same prompt again, such as `send 7/claude`
---@field title string what it is and to whom
---@field lines? string[] what it begins with
---@field empty? string what to do instead, said where nothing was written
---@field height? integer lines of its window, where it begins with no more (8)
---@field send fun(text: string, done: fun(failure?: orchflow.Failure))

---@class orchflow.Prompt
---@field spec orchflow.PromptSpec
---@field key string with the repository
---@field buffer integer
---@field origin integer window the human came from
---@field windows integer[] that were there before
---@field layout string command that restores their sizes
---@field text? string[] what is being sent
---@field about? string place of the lines it quotes
---@field told? boolean whether it was said that the draft cannot be kept
---@field sending boolean
---@field thrown_away boolean
---@field finished boolean
---@field timer uv.uv_timer_t

---@type table<integer, orchflow.Prompt>
local prompts = {}
--- Prompts on their way, by key; their windows may be closed already.
local flying = {} ---@type table<string, boolean>
---@param prompt orchflow.Prompt
---@return string[]
local function lines_of(prompt)
  return vim.api.nvim_buf_get_lines(prompt.buffer, 0, -1, false)
end

---@param lines string[]
---@return boolean
local function is_empty(lines)
  return vim.trim(table.concat(lines, "\n")) == ""
end

---@param prompt orchflow.Prompt
local function save(prompt)
  prompt.timer:stop()
  if prompt.finished or prompt.thrown_away or not vim.api.nvim_buf_is_loaded(prompt.buffer) then
    return
  end
  local lines = lines_of(prompt)
  if is_empty(lines) then
    draft.remove(prompt.key)
    return
  end
  local problem = draft.save(prompt.key, lines, prompt.sending)
  if problem and not prompt.told then
    prompt.told = true
    message.warn("orchflow: " .. problem)
  end
end

---@param prompt orchflow.Prompt
local function save_soon(prompt)
  prompt.timer:stop()
  prompt.timer:start(SAVE_AFTER_MS, 0, function()
    vim.schedule(function()
      save(prompt)
    end)
  end)
end

---@param prompt orchflow.Prompt
local function show_title(prompt)
  local keys = require("orchflow.config").get().keys
  local title = prompt.spec.title:gsub("%%", "%%%%")
  local how = prompt.sending and "sending…" or ":w sends  :q! drops it"
  if not prompt.sending and keys.send then
    how = tostring(keys.send):gsub("%%", "%%%%") .. ", " .. how
  end
  for _, window in ipairs(vim.fn.win_findbuf(prompt.buffer)) do
    local about = prompt.about and "  about " .. prompt.about:gsub("%%", "%%%%") or ""
    local bar = ("%%#OrchflowTitle# %s%%*%s %%=%%#OrchflowMuted#%%<%s %%*"):format(
      title,
      about,
      how
    )
    vim.api.nvim_set_option_value("winbar", bar, { win = window, scope = "local" })
  end
end

--- Closes a prompt's windows, and gives the others their sizes and the human the window they came from.
---@param prompt orchflow.Prompt
local function close(prompt)
  if not vim.api.nvim_buf_is_valid(prompt.buffer) then
    return
  end
  local was_here = vim.api.nvim_get_current_buf() == prompt.buffer
  for _, window in ipairs(vim.fn.win_findbuf(prompt.buffer)) do
    if #vim.api.nvim_list_wins() > 1 then
      pcall(vim.api.nvim_win_close, window, true)
    end
  end
  if vim.api.nvim_buf_is_valid(prompt.buffer) then
    pcall(vim.api.nvim_buf_delete, prompt.buffer, { force = true })
  end
  if was_here and vim.api.nvim_win_is_valid(prompt.origin) then
    vim.api.nvim_set_current_win(prompt.origin)
  end
end

---@param prompt orchflow.Prompt
---@param failure? orchflow.Failure
local function sent(prompt, failure)
  prompt.sending = false
  flying[prompt.key] = nil
  if not failure then
    prompt.finished = true
    draft.remove(prompt.key)
    steady.when_safe("close " .. prompt.key, function()
      close(prompt)
    end)
    return
  end
  message.failure(failure, "orchflow: not sent")
  if vim.api.nvim_buf_is_loaded(prompt.buffer) then
    vim.bo[prompt.buffer].modifiable = true
    save(prompt)
    show_title(prompt)
    return
  end
  -- `:wq` has closed the window already; the text comes back from its draft.
  draft.save(prompt.key, prompt.text)
  steady.when_safe("open " .. prompt.key, function()
    M.open(prompt.spec)
  end)
end

---@param prompt orchflow.Prompt
local function send(prompt)
  local lines = lines_of(prompt)
  if prompt.sending then
    return
  elseif is_empty(lines) then
    local instead = prompt.spec.empty and "; " .. prompt.spec.empty or ""
    message.warn(("orchflow: nothing is written yet, so nothing is sent%s"):format(instead))
    return
  end
  prompt.sending = true
  flying[prompt.key] = true
  prompt.text = lines
  save(prompt)
  vim.bo[prompt.buffer].modifiable = false
  show_title(prompt)
  prompt.spec.send(vim.trim(table.concat(lines, "\n")), function(failure)
    sent(prompt, failure)
  end)
end

--- Writes a prompt to a file, as `:w NAME` asks for.
---@param prompt orchflow.Prompt
---@param path string
local function write_to(prompt, path)
  local ok, result = pcall(vim.fn.writefile, lines_of(prompt), path)
  if ok and result == 0 then
    message.info(("orchflow: written to %s, not sent"):format(vim.fn.fnamemodify(path, ":~:.")))
  else
    message.error(("orchflow: %s cannot be written"):format(path))
  end
end

--- Prepares a prompt for a command line that is about to run in it.
---@param name string
---@param bang boolean
local function before_command(name, bang)
  local prompt = prompts[vim.api.nvim_get_current_buf()]
  if not prompt or prompt.sending then
    return
  elseif bang and THROWS_AWAY[name] then
    prompt.thrown_away = true
  elseif NEEDS_MODIFIED[name] and not is_empty(lines_of(prompt)) then
    vim.bo[prompt.buffer].modified = true
  end
end

--- Takes back what a command line that has run was prepared for.
---@param buffer integer
local function after_command(buffer)
  local prompt = prompts[buffer]
  if prompt then
    prompt.thrown_away = false
    if vim.bo[buffer].modified then
      vim.bo[buffer].modified = false
    end
  end
end

local function save_all()
  for _, prompt in pairs(prompts) do
    save(prompt)
  end
end

---@param prompt orchflow.Prompt
local function gone(prompt)
  if not prompt.timer:is_closing() then
    local text = vim.api.nvim_buf_is_loaded(prompt.buffer) and lines_of(prompt) or {}
    if prompt.thrown_away then
      draft.remove(prompt.key)
    elseif not prompt.finished then
      save(prompt)
      local kept = not prompt.sending and not is_empty(text) and vim.v.exiting == vim.NIL
      if kept then
        message.info("orchflow: kept as a draft; the same command opens it again")
      end
    end
    prompt.timer:stop()
    prompt.timer:close()
  end
  prompts[prompt.buffer] = nil
  -- Closing a window makes the others equal; the layout is the user's.
  local was_here = vim.api.nvim_get_current_buf() == prompt.buffer
  vim.schedule(function()
    if vim.deep_equal(vim.api.nvim_tabpage_list_wins(0), prompt.windows) then
      pcall(vim.cmd, prompt.layout)
      if was_here and vim.api.nvim_win_is_valid(prompt.origin) then
        vim.api.nvim_set_current_win(prompt.origin)
      end
    end
  end)
  if next(prompts) == nil then
    asked.forget()
  end
end

---@param prompt orchflow.Prompt
local function hook(prompt)
  local buffer = prompt.buffer
  local function on(events, callback)
    vim.api.nvim_create_autocmd(events, { buffer = buffer, callback = callback })
  end
  on("BufWriteCmd", function(event)
    local path = event.match
    if path ~= vim.api.nvim_buf_get_name(buffer) then
      write_to(prompt, path)
      return
    end
    vim.bo[buffer].modified = false
    if not asked.is_asked(buffer) then
      save(prompt)
      return
    end
    send(prompt)
  end)
  on({ "TextChanged", "TextChangedI", "TextChangedP", "BufModifiedSet" }, function()
    if vim.bo[buffer].modified then
      vim.bo[buffer].modified = false
    end
    save_soon(prompt)
  end)
  on({ "InsertLeave", "BufLeave", "WinLeave" }, function(event)
    if event.event ~= "InsertLeave" then
      asked.leave()
    end
    save(prompt)
  end)
  on("BufUnload", function()
    gone(prompt)
  end)
end

---@param prompt orchflow.Prompt
local function map_keys(prompt)
  local keys = require("orchflow.config").get().keys
  local function map(mode, key, right, description)
    vim.keymap.set(mode, key, right, {
      buffer = prompt.buffer,
      nowait = true,
      silent = true,
      desc = "orchflow: " .. description,
    })
  end
  local function throw_away()
    prompt.thrown_away = true
    close(prompt)
  end
  map("n", "ZZ", "<Cmd>write<CR>", "send the prompt")
  map("n", "ZQ", throw_away, "throw the prompt away")
  if keys.send then
    map("n", keys.send, "<Cmd>write<CR>", "send the prompt")
    map("i", keys.send, "<Esc><Cmd>write<CR>", "send the prompt")
  end
end

---@param prompt orchflow.Prompt
---@param lines string[]
local function fill(prompt, lines)
  vim.api.nvim_buf_set_lines(prompt.buffer, 0, -1, false, lines)
  vim.bo[prompt.buffer].modified = false
end

---@param prompt orchflow.Prompt
---@param lines string[]
local function add(prompt, lines)
  local text = table.concat(lines_of(prompt), "\n")
  local part = vim.trim(table.concat(lines, "\n"))
  if part ~= "" and not text:find(part, 1, true) and not prompt.sending then
    local before = is_empty(lines_of(prompt)) and {} or vim.list_extend(lines_of(prompt), { "" })
    fill(prompt, vim.list_extend(before, lines))
    save(prompt)
  end
end

--- Opens a prompt, or goes to the one of that key which is open.
---@param spec orchflow.PromptSpec
---@return integer buffer
function M.open(spec)
  require("orchflow.ui.highlight").setup()
  local key = ("%s\n%s"):format(require("orchflow.client").root(), spec.key)
  for buffer, prompt in pairs(prompts) do
    local window = vim.fn.win_findbuf(buffer)[1]
    if prompt.key == key and window and not prompt.finished then
      prompt.spec = prompt.sending and prompt.spec or spec
      vim.api.nvim_set_current_win(window)
      add(prompt, spec.lines or {})
      prompt.about = prompt.about or require("orchflow.prompt.quote").place_in(spec.lines or {})
      show_title(prompt)
      vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(buffer), 0 })
      return buffer
    end
  end
  local origin, layout = vim.api.nvim_get_current_win(), vim.fn.winrestcmd()
  local windows = vim.api.nvim_tabpage_list_wins(0)
  local buffer = vim.api.nvim_create_buf(false, true)
  local prompt = {
    spec = spec,
    key = key,
    buffer = buffer,
    origin = origin,
    layout = layout,
    windows = windows,
    sending = false,
    thrown_away = false,
    finished = false,
    timer = assert(vim.uv.new_timer()),
  }
  prompts[buffer] = prompt
  vim.bo[buffer].buftype = "acwrite"
  vim.bo[buffer].bufhidden = "wipe"
  vim.bo[buffer].swapfile = false
  local name = spec.key:gsub("[^%w%-_.,/]+", "-")
  if not pcall(vim.api.nvim_buf_set_name, buffer, "orchflow://prompt/" .. name) then
    pcall(vim.api.nvim_buf_set_name, buffer, ("orchflow://prompt/%s-%d"):format(name, buffer))
  end
  local lines, kept = spec.lines or {}, nil
  if not flying[key] then
    lines, kept = draft.beginning(key, lines)
  end
  local wanted = math.max(#lines + 2, spec.height or 8)
  local height = math.min(wanted, math.max(4, math.floor(vim.o.lines / 3)))
  local window = vim.api.nvim_open_win(buffer, true, { split = "below", win = -1, height = height })
  fill(prompt, lines)
  prompt.about = require("orchflow.prompt.quote").place_in(lines)
  hook(prompt)
  vim.bo[buffer].filetype = "markdown"
  local complete = "v:lua.require'orchflow.prompt.mention'.complete"
  vim.bo[buffer].omnifunc = complete
  vim.bo[buffer].completefunc = complete
  vim.api.nvim_buf_set_var(buffer, "orchflow_prompt", spec.key)
  for option, value in pairs({ wrap = true, linebreak = true, winfixheight = true, number = false }) do
    vim.api.nvim_set_option_value(option, value, { win = window, scope = "local" })
  end
  map_keys(prompt)
  show_title(prompt)
  asked.watch({ command = before_command, settled = after_command, leaving = save_all })
  asked.enter(buffer)
  require("orchflow.prompt.mention").prepare()
  vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(buffer), 0 })
  if kept then
    draft.tell(kept)
  end
  if is_empty({ lines[#lines] or "" }) then
    vim.cmd.startinsert()
  end
  return buffer
end

--- Fills a prompt's buffer again from its draft, as `:edit` asks for; one that no prompt stands behind is emptied.
---@param buffer integer
function M.read(buffer)
  local prompt = prompts[buffer]
  local kept = prompt and draft.load(prompt.key)
  vim.bo[buffer].buftype = prompt and "acwrite" or "nofile"
  if prompt then
    fill(prompt, kept and kept.lines or {})
  end
end

return M
