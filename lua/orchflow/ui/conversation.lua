--- The conversation with an agent, in a buffer that follows it: `:Orchflow talk NAME`.
---
--- It is read like any text: turns and what tools did fold, `i` opens the prompt for what the human says next, `<CR>`
--- answers a permission or goes to a file. Only what changed is drawn again, and the cursor stays where it is unless it
--- stands at the end.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")
local view = require("orchflow.view.conversation")

local M = {}

local namespace = vim.api.nvim_create_namespace("orchflow_conversation")

--- Events asked for at once.
local PAGE = 1000
local NEWS_MS = 50
--- Events taken between two looks at the clock.
local STEP = 10

---@class orchflow.TalkPlace
---@field fold string
---@field row? table

---@class orchflow.Conversation
---@field key string `RUN/NAME`
---@field buffer integer
---@field talk orchflow.Talk
---@field head orchflow.TalkPlace[] by line
---@field head_said string what it was drawn from
---@field body orchflow.TalkPlace[] by line, below the head
---@field starts integer[] first line of each block in the body, 0-based; one more behind the last
---@field has_earlier boolean
---@field asking boolean
---@field again boolean whether something came while it was asked
---@field stops fun()[]

---@type table<integer, orchflow.Conversation>
local open = {}

---@param conversation orchflow.Conversation
---@return boolean
local function is_open(conversation)
  return open[conversation.buffer] == conversation
    and vim.api.nvim_buf_is_loaded(conversation.buffer)
end

---@param conversation orchflow.Conversation
---@return orchflow.Agent?
local function agent_of(conversation)
  for _, agent in ipairs(require("orchflow.state").agents(client.store())) do
    if agent.key == conversation.key then
      return agent
    end
  end
  return nil
end

--- Says in the window's bar who it is and how it is.
---@param conversation orchflow.Conversation
local function retitle(conversation)
  local agent = agent_of(conversation)
  local status = agent and text.clean(agent.status) or ""
  if agent and agent.waiting_for then
    status = ("%s: %s"):format(status, text.clean(agent.waiting_for))
  end
  local function bare(words)
    return (words:gsub("%%", "%%%%"))
  end
  local bar = ("%%#OrchflowTitle# %s%%* %s %%=%%#OrchflowMuted#%%<i prompt  <CR> open  g? keys %%*"):format(
    bare(text.clean(conversation.key)),
    bare(status)
  )
  for _, window in ipairs(vim.fn.win_findbuf(conversation.buffer)) do
    vim.api.nvim_set_option_value("winbar", bar, { win = window, scope = "local" })
  end
end

--- Puts lines in place of all from one to another.
---@param buffer integer
---@param first integer 0-based
---@param last integer exclusive
---@param lines orchflow.TalkLine[]
local function replace(buffer, first, last, lines)
  local texts, spans = {}, {}
  for index, line in ipairs(lines) do
    texts[index], spans[index] = require("orchflow.view.timeline").join(line.pieces)
  end
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_clear_namespace(buffer, namespace, first, last)
  vim.api.nvim_buf_set_lines(buffer, first, last, false, texts)
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].modified = false
  for index, line_spans in ipairs(spans) do
    for _, span in ipairs(line_spans) do
      local length = #texts[index]
      local mark = { end_col = math.min(span[2], length), hl_group = span[3] }
      local from = math.min(span[1], length)
      vim.api.nvim_buf_set_extmark(buffer, namespace, first + index - 1, from, mark)
    end
  end
end

--- Gives what a line has in its head or its body.
---@param conversation orchflow.Conversation
---@param number integer
---@return orchflow.TalkPlace?
local function place_of(conversation, number)
  local head = #conversation.head
  return number <= head and conversation.head[number] or conversation.body[number - head]
end

--- Draws the head, where it is another than before.
---@param conversation orchflow.Conversation
local function draw_head(conversation)
  local lines = view.head(conversation.talk, conversation.has_earlier)
  local said = vim.inspect(lines)
  if said == conversation.head_said then
    return
  end
  local before = #conversation.head
  conversation.head, conversation.head_said = {}, said
  for index, line in ipairs(lines) do
    conversation.head[index] = { fold = line.fold, row = line.row }
  end
  replace(conversation.buffer, 0, before, lines)
end

--- Draws from a block to the end, and the head.
---@param conversation orchflow.Conversation
---@param from integer
local function draw(conversation, from)
  local talk, body, starts = conversation.talk, conversation.body, conversation.starts
  local windows, at_end = vim.fn.win_findbuf(conversation.buffer), {}
  local was_last = vim.api.nvim_buf_line_count(conversation.buffer)
  for _, window in ipairs(windows) do
    at_end[window] = vim.api.nvim_win_get_cursor(window)[1] >= was_last
  end
  draw_head(conversation)
  local worktrees = require("orchflow.state").worktrees(client.store())
  from = math.max(1, math.min(from, #talk.blocks + 1))
  local first = starts[from] or 0
  local lines = {}
  for index = from, #talk.blocks do
    starts[index] = first + #lines
    vim.list_extend(lines, view.block(talk, index, worktrees))
  end
  starts[#talk.blocks + 1] = first + #lines
  vim.list_extend(lines, view.foot(talk))
  for index = #body, first + 1, -1 do
    body[index] = nil
  end
  for _, line in ipairs(lines) do
    body[#body + 1] = { fold = line.fold, row = line.row }
  end
  replace(conversation.buffer, #conversation.head + first, -1, lines)
  local last = vim.api.nvim_buf_line_count(conversation.buffer)
  for _, window in ipairs(windows) do
    -- A selection stays as it is, and a cursor that was moved away is not taken back.
    local is_current = vim.api.nvim_get_current_win() == window
    if at_end[window] and not (is_current and vim.api.nvim_get_mode().mode ~= "n") then
      vim.api.nvim_win_set_cursor(window, { last, 0 })
    end
  end
end

--- Has the folds found anew, where Neovim does not do that right by itself: 0.10 loses a fold's end when lines come
--- behind it.
---@param conversation orchflow.Conversation
local function mend_folds(conversation)
  if vim.fn.has("nvim-0.11") == 1 then
    return
  end
  for _, window in ipairs(vim.fn.win_findbuf(conversation.buffer)) do
    vim.api.nvim_set_option_value("foldmethod", "expr", { win = window, scope = "local" })
  end
end

--- Takes events and draws what they change, in slices.
---@param conversation orchflow.Conversation
---@param events orchflow.Event[]
---@param done fun()
local function take(conversation, events, done)
  table.sort(events, function(left, right)
    return left.seq < right.seq
  end)
  local index = 0
  require("orchflow.slice").run(function()
    if not is_open(conversation) then
      return false
    end
    local had_plan, from = conversation.talk.plan, nil
    for _ = 1, STEP do
      index = index + 1
      local changed = events[index] and view.take(conversation.talk, events[index])
      from = changed and math.min(from or changed, changed) or from
    end
    local is_new = #conversation.body == 0
    if from or is_new or conversation.talk.plan ~= had_plan then
      draw(conversation, from or #conversation.talk.blocks + 1)
    end
    return index < #events
  end, function()
    if is_open(conversation) then
      mend_folds(conversation)
      retitle(conversation)
      done()
    end
  end)
end

--- Asks for what came after the newest event that was taken; for the newest page at first.
---@param conversation orchflow.Conversation
local function ask(conversation)
  if conversation.asking then
    conversation.again = true
    return
  end
  conversation.asking, conversation.again = true, false
  local is_first = conversation.talk.seq == 0
  local params = { filter = "agent:" .. conversation.key, limit = PAGE }
  params.after = not is_first and conversation.talk.seq or nil
  client.request("log", params, function(failure, result)
    if not is_open(conversation) then
      return
    elseif failure then
      conversation.asking = false
      message.failure(failure, "orchflow: talk")
      return
    end
    conversation.has_earlier = conversation.has_earlier or is_first and result.next ~= nil
    take(conversation, result.events or {}, function()
      conversation.asking = false
      for _, window in ipairs(is_first and vim.fn.win_findbuf(conversation.buffer) or {}) do
        -- Neovim 0.10 leaves folds open that grew while they were drawn; nobody has opened one yet.
        vim.api.nvim_set_option_value("foldlevel", 1, { win = window, scope = "local" })
      end
      if conversation.again or not is_first and result.next then
        ask(conversation)
      end
    end)
  end)
end

---@param conversation orchflow.Conversation
---@return table? row
local function row_here(conversation)
  local place = place_of(conversation, vim.api.nvim_win_get_cursor(0)[1])
  return place and place.row
end

---@param conversation orchflow.Conversation
---@param words string[]
local function run(conversation, words)
  vim.cmd({ cmd = "Orchflow", args = vim.list_extend(words, { conversation.key }) })
end

---@param conversation orchflow.Conversation
local function go(conversation)
  local row = row_here(conversation)
  local agent = agent_of(conversation)
  if row and row.approval then
    require("orchflow.ui.approvals").open(nil, conversation.key)
  elseif row and row.path and agent and agent.worktree then
    local path = vim.fs.joinpath(agent.worktree, row.path)
    if vim.uv.fs_stat(path) then
      vim.cmd("botright split " .. vim.fn.fnameescape(path))
    else
      message.info(("orchflow: %s is not there"):format(text.clean(row.path)))
    end
  elseif row and row.seq then
    require("orchflow.ui.why").open_event(row.seq)
  end
end

--- Goes to the head of another turn.
---@param conversation orchflow.Conversation
---@param step integer
local function turn(conversation, step)
  local line = vim.api.nvim_win_get_cursor(0)[1] + step
  while line >= 1 and line <= #conversation.head + #conversation.body do
    local place = place_of(conversation, line)
    if place and place.row and place.row.turn then
      vim.api.nvim_win_set_cursor(0, { line, 0 })
      return
    end
    line = line + step
  end
end

---@param conversation orchflow.Conversation
---@return { key: string, description: string, action: fun() }[]
local function keys(conversation)
  local function prompt()
    run(conversation, { "send" })
  end
  return {
    { key = "i", description = "say something", action = prompt },
    { key = "a", description = "say something", action = prompt },
    {
      key = "<CR>",
      description = "answer, or open the file or the event",
      action = function()
        go(conversation)
      end,
    },
    {
      key = "]]",
      description = "the next turn",
      action = function()
        turn(conversation, 1)
      end,
    },
    {
      key = "[[",
      description = "the turn before",
      action = function()
        turn(conversation, -1)
      end,
    },
    {
      key = "t",
      description = "its timeline",
      action = function()
        vim.cmd({ cmd = "Orchflow", args = { "timeline", "agent:" .. conversation.key } })
      end,
    },
    {
      key = "v",
      description = "review its hunks",
      action = function()
        vim.cmd({ cmd = "Orchflow", args = { "review", "agent:" .. conversation.key } })
      end,
    },
    {
      key = "T",
      description = "its terminal",
      action = function()
        run(conversation, { "attach" })
      end,
    },
    {
      key = "w",
      description = "why it is as it is",
      action = function()
        run(conversation, { "why" })
      end,
    },
    {
      key = "g?",
      description = "these keys",
      action = function()
        local page = text.page()
        for _, each in ipairs(keys(conversation)) do
          page:add({ { text.pad(each.key, 6), "OrchflowTitle" }, each.description })
        end
        page:add({ { text.pad("za", 6), "OrchflowTitle" }, "fold and unfold a turn or a tool" })
        require("orchflow.ui.float").open({ name = "conversation-keys", title = "Keys" }):show(page)
      end,
    },
    {
      key = "q",
      description = "close",
      action = function()
        if #vim.api.nvim_list_wins() > 1 then
          vim.cmd.close()
        else
          vim.cmd.bwipeout()
        end
      end,
    },
  }
end

--- Gives the fold of a line, for 'foldexpr'.
---@return string
function M.fold()
  local conversation = open[vim.api.nvim_get_current_buf()]
  local place = conversation and place_of(conversation, vim.v.lnum)
  return place and place.fold or "0"
end

--- Gives the line of a closed fold, for 'foldtext'.
---@return string
function M.fold_text()
  local first = vim.fn.getline(vim.v.foldstart)
  local count = vim.v.foldend - vim.v.foldstart
  return ("%s  (%s)"):format(first, text.count(count, "line"))
end

---@param window integer
local function prepare_window(window)
  local options = {
    wrap = true,
    linebreak = true,
    breakindent = true,
    number = false,
    relativenumber = false,
    signcolumn = "no",
    foldmethod = "expr",
    foldexpr = "v:lua.require'orchflow.ui.conversation'.fold()",
    foldtext = "v:lua.require'orchflow.ui.conversation'.fold_text()",
    foldlevel = 1,
    foldenable = true,
    foldminlines = 0,
    fillchars = "fold: ",
  }
  for option, value in pairs(options) do
    vim.api.nvim_set_option_value(option, value, { win = window, scope = "local" })
  end
end

---@param conversation orchflow.Conversation
local function follow(conversation)
  local pending = false
  local function news()
    if pending then
      return
    end
    pending = true
    vim.defer_fn(function()
      pending = false
      if is_open(conversation) then
        ask(conversation)
      end
    end, NEWS_MS)
  end
  local name = conversation.key:match("/(.*)$")
  conversation.stops = {
    client.on("events", function(events)
      for _, event in ipairs(events) do
        if event.agent == name or event.agent == conversation.key then
          news()
          return
        end
      end
    end),
    client.on("status", function()
      if is_open(conversation) then
        retitle(conversation)
      end
    end),
    client.on("link", function(phase)
      if phase == "connected" then
        news()
      end
    end),
  }
  vim.api.nvim_create_autocmd({ "BufUnload", "BufWipeout" }, {
    buffer = conversation.buffer,
    callback = function()
      for _, stop in ipairs(conversation.stops) do
        stop()
      end
      open[conversation.buffer] = nil
    end,
  })
  vim.api.nvim_create_autocmd("BufWinEnter", {
    buffer = conversation.buffer,
    callback = function()
      prepare_window(vim.api.nvim_get_current_win())
      retitle(conversation)
    end,
  })
end

---@param key string `RUN/NAME`
local function show(key)
  for buffer, conversation in pairs(open) do
    local window = conversation.key == key and vim.fn.win_findbuf(buffer)[1]
    if window then
      vim.api.nvim_set_current_win(window)
      return
    end
  end
  require("orchflow.ui.highlight").setup()
  local buffer = vim.api.nvim_create_buf(false, true)
  pcall(vim.api.nvim_buf_set_name, buffer, "orchflow://talk/" .. key)
  vim.bo[buffer].bufhidden = "wipe"
  vim.bo[buffer].undolevels = -1
  vim.bo[buffer].modifiable = false
  local conversation = {
    key = key,
    buffer = buffer,
    talk = view.new(),
    head = {},
    head_said = "",
    body = {},
    starts = {},
    has_earlier = false,
    asking = false,
    again = false,
    stops = {},
  }
  open[buffer] = conversation
  follow(conversation)
  local beside = vim.o.columns >= 160
  local window =
    vim.api.nvim_open_win(buffer, true, { split = beside and "right" or "below", win = -1 })
  prepare_window(window)
  vim.bo[buffer].filetype = "orchflow"
  for _, each in ipairs(keys(conversation)) do
    vim.keymap.set("n", each.key, each.action, {
      buffer = buffer,
      nowait = true,
      silent = true,
      desc = "orchflow: " .. each.description,
    })
  end
  retitle(conversation)
  ask(conversation)
end

--- Opens the conversation with an agent.
---@param agent string `NAME` or `RUN/NAME`
function M.open(agent)
  client.request("status", { all = true }, function(failure, status)
    if failure then
      message.failure(failure, "orchflow: talk")
      return
    end
    local found
    for _, each in ipairs(status.agents or {}) do
      -- The newest run has the last word about a name.
      if each.key == agent or each.agent == agent and (not found or each.run > found.run) then
        found = each
      end
    end
    if not found then
      message.failure({
        code = "unknown_agent",
        message = ("there is no agent %s"):format(text.clean(agent)),
        hint = ":Orchflow status --all lists them",
      }, "orchflow: talk")
      return
    end
    show(found.key)
  end)
end

return M
