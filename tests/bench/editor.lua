-- Runs inside the Neovim that is measured: plays one scenario and writes what it found, as JSON.
--
-- BENCH_SCENARIO names it, BENCH_OUT is the file; BENCH_OUT.ready appears when the load may begin. A stall is the time
-- between two turns of the main loop, seen by a timer that wants to run every millisecond; drawing is a part of it.

local out = assert(vim.env.BENCH_OUT)
local seconds = tonumber(vim.env.BENCH_SECONDS or "5")
local count = tonumber(vim.env.BENCH_COUNT or "0")

local function write(path, value)
  local file = assert(io.open(path .. ".part", "w"))
  file:write(vim.json.encode(value))
  file:close()
  assert(os.rename(path .. ".part", path))
end

--- Begins to look for stalls; the function that it gives ends that, and gives milliseconds for each turn of the loop:
--- by the clock, and of the processor, which a machine that is busy with others does not lengthen.
local function probe()
  local timer, last, last_work = assert(vim.uv.new_timer()), vim.uv.hrtime(), os.clock()
  local gaps, work = {}, {}
  timer:start(1, 1, function()
    local now, now_work = vim.uv.hrtime(), os.clock()
    gaps[#gaps + 1] = math.max(0, (now - last) / 1e6 - 1)
    work[#work + 1] = (now_work - last_work) * 1e3
    last, last_work = now, now_work
  end)
  return function()
    timer:stop()
    timer:close()
    return gaps, work
  end
end

--- Gives the milliseconds that a function takes, by the clock and of the processor.
local function milliseconds(fn)
  local begin, begin_work = vim.uv.hrtime(), os.clock()
  fn()
  return (vim.uv.hrtime() - begin) / 1e6, (os.clock() - begin_work) * 1e3
end

--- Waits as a human does: keys and the screen are served meanwhile.
local function until_true(what, condition)
  assert(vim.wait(60000, condition, 1), "waited in vain until " .. what)
end

local function settle(ms)
  vim.wait(ms, function()
    return false
  end, 50)
end

local function memory_kib()
  collectgarbage("collect")
  collectgarbage("collect")
  return collectgarbage("count")
end

local function timeline_shows()
  return vim.fn.getline(vim.fn.line("$")):find("^%d%d:%d%d:%d%d") ~= nil
end

--- The newest event that the host has told of.
local function client_seq()
  return require("orchflow.client").store().cursor or 0
end

local scenarios = {}

--- Nothing of ours: the floor under the same load.
function scenarios.empty()
  write(out .. ".ready", {})
  local stop = probe()
  settle(seconds * 1000)
  local gaps, work = stop()
  return { gaps = gaps, work = work }
end

--- The timeline is open while agents work.
function scenarios.timeline()
  vim.cmd("Orchflow timeline")
  until_true("the timeline is filled", timeline_shows)
  write(out .. ".ready", {})
  local before = client_seq()
  local stop = probe()
  settle(seconds * 1000)
  local gaps, work = stop()
  return { gaps = gaps, work = work, lines = client_seq() - before, kib = memory_kib() }
end

--- The same, with nothing of ours on the screen: what the host pushes is taken all the same.
function scenarios.closed()
  local is_there = false
  require("orchflow.client").request("status", {}, function()
    is_there = true
  end)
  until_true("the host has answered", function()
    return is_there
  end)
  write(out .. ".ready", {})
  local before = client_seq()
  local stop = probe()
  settle(seconds * 1000)
  local gaps, work = stop()
  return { gaps = gaps, work = work, lines = client_seq() - before }
end

--- Eight windows of Neovim show a terminal each: agents, or the same program without orchflow.
local function terminals(commands)
  vim.cmd("only")
  for index, command in ipairs(commands) do
    if index > 1 then
      vim.cmd(index % 2 == 0 and "vsplit" or "wincmd t | split")
    end
    vim.cmd("enew")
    vim.fn.termopen(command)
  end
  vim.cmd("wincmd =")
  return #commands
end

function scenarios.terminals()
  local commands = vim.json.decode(vim.env.BENCH_COMMANDS)
  terminals(commands)
  if vim.env.BENCH_TIMELINE then
    vim.cmd("Orchflow timeline")
    until_true("the timeline is filled", timeline_shows)
  end
  settle(1500)
  write(out .. ".ready", {})
  local stop = probe()
  settle(seconds * 1000)
  local gaps, work = stop()
  return { gaps = gaps, work = work }
end

--- Opens the timeline, closes it, and so on; then turns pages.
function scenarios.open()
  local opens, firsts, plain, scrolls, plain_scrolls = {}, {}, {}, {}, {}
  local lines
  vim.cmd("Orchflow timeline")
  until_true("the timeline is filled", timeline_shows)
  lines = vim.api.nvim_buf_get_lines(0, 0, -1, false)
  vim.cmd("close")
  for _ = 1, count do
    opens[#opens + 1] = milliseconds(function()
      firsts[#firsts + 1] = milliseconds(function()
        vim.cmd("Orchflow timeline")
      end)
      until_true("the timeline is filled", timeline_shows)
      vim.cmd("redraw")
    end)
    settle(30)
    vim.cmd("close")
    -- The floor: a float with lines that are there already.
    plain[#plain + 1] = milliseconds(function()
      local buffer = vim.api.nvim_create_buf(false, true)
      vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
      vim.api.nvim_open_win(
        buffer,
        true,
        {
          relative = "editor",
          row = 1,
          col = 1,
          width = vim.o.columns - 10,
          height = vim.o.lines - 10,
          border = "single",
          title = "plain",
        }
      )
      vim.cmd("redraw")
    end)
    vim.cmd("bwipeout!")
  end

  vim.cmd("Orchflow timeline")
  until_true("the timeline is filled", timeline_shows)
  settle(200)
  local stop = probe()
  local seen, waits = {}, 0
  local back = vim.api.nvim_replace_termcodes("<C-b>", true, false, true)
  for _ = 1, 10 * count do
    local before = vim.fn.getline(".")
    scrolls[#scrolls + 1] = milliseconds(function()
      vim.api.nvim_feedkeys(back, "nx", false)
      vim.api.nvim_exec_autocmds("CursorMoved", { buffer = 0 })
      vim.cmd("redraw")
    end)
    -- A key repeats every 30 ms or so.
    settle(12)
    waits = waits + (vim.fn.getline(".") == before and 1 or 0)
    seen[#seen + 1] = vim.fn.line("$")
  end
  local gaps, work = stop()
  local held = memory_kib()
  vim.cmd("close")

  vim.cmd("enew!")
  local many = {}
  for _ = 1, 20 do
    vim.list_extend(many, lines)
  end
  vim.api.nvim_buf_set_lines(0, 0, -1, false, many)
  vim.cmd("normal! G")
  for _ = 1, 10 * count do
    plain_scrolls[#plain_scrolls + 1] = milliseconds(function()
      vim.api.nvim_feedkeys(back, "nx", false)
      vim.cmd("redraw")
    end)
    if vim.fn.line("w0") == 1 then
      vim.cmd("normal! G")
    end
  end
  return {
    opens = opens,
    firsts = firsts,
    plain = plain,
    scrolls = scrolls,
    plain_scrolls = plain_scrolls,
    gaps = gaps,
    work = work,
    waits = waits,
    most_lines = vim.fn.max(seen),
    kib = held,
    events = count,
  }
end

--- Fills the list of hunks.
function scenarios.review()
  local wanted = count
  local firsts, wholes, gaps, work, plain, plain_gaps = {}, {}, {}, {}, {}, {}
  local function listed()
    return vim.fn.getqflist({ size = 0 }).size
  end
  local before = memory_kib()
  for round = 1, 5 do
    vim.fn.setqflist({}, "f")
    local stop = probe()
    local begin = vim.uv.hrtime()
    vim.cmd("Orchflow review")
    until_true("the first hunk is listed", function()
      return listed() > 0
    end)
    local first = (vim.uv.hrtime() - begin) / 1e6
    until_true("all hunks are listed", function()
      return listed() >= wanted
    end)
    local whole = (vim.uv.hrtime() - begin) / 1e6
    settle(300)
    local seen, worked = stop()
    -- The first round starts the connection and computes the hunks.
    if round > 1 then
      firsts[#firsts + 1], wholes[#wholes + 1] = first, whole
      vim.list_extend(gaps, seen)
      vim.list_extend(work, worked)
    end
  end
  local kib = memory_kib() - before
  local items = vim.fn.getqflist()
  for _ = 1, 5 do
    vim.fn.setqflist({}, "f")
    local stop = probe()
    plain[#plain + 1] = milliseconds(function()
      vim.fn.setqflist({}, " ", { items = items })
      vim.cmd("redraw")
    end)
    settle(50)
    vim.list_extend(plain_gaps, (stop()))
  end
  -- The window alone, with a list that is whole; a plain one beside it has lines that Neovim writes by itself.
  local copens, plain_copens = {}, {}
  local function open_window(times)
    vim.cmd("cclose")
    times[#times + 1] = milliseconds(function()
      vim.cmd("botright copen 12")
      vim.cmd("redraw")
    end)
    settle(50)
  end
  for _ = 1, 5 do
    open_window(plain_copens)
  end
  vim.fn.setqflist({}, "f")
  vim.cmd("Orchflow review")
  until_true("all hunks are listed", function()
    return listed() >= wanted
  end)
  settle(300)
  for _ = 1, 5 do
    open_window(copens)
  end
  return {
    copens = copens,
    plain_copens = plain_copens,
    firsts = firsts,
    wholes = wholes,
    gaps = gaps,
    work = work,
    plain = plain,
    plain_gaps = plain_gaps,
    kib = kib,
    listed = #items,
  }
end

--- Opens a file with very many hunks, and the same file as it is.
function scenarios.marks()
  local path = assert(vim.env.BENCH_PATH)
  local name = "orchflow://1/fake/" .. path
  local drawn, gaps, work, plain_gaps = {}, {}, {}, {}
  local function page()
    return require("orchflow.review.buffer").page(vim.api.nvim_get_current_buf())
  end
  for round = 1, 5 do
    local stop, begin = probe(), vim.uv.hrtime()
    vim.cmd.edit(name)
    until_true("the file is shown", function()
      return page() and page().state == "ready" and not next(page().stale or {})
    end)
    local whole = (vim.uv.hrtime() - begin) / 1e6
    settle(300)
    local seen, worked = stop()
    local hunks = #page().hunks
    assert(hunks >= count, "only " .. hunks .. " hunks")
    vim.cmd("enew | bwipeout! #")
    if round > 1 then
      drawn[#drawn + 1] = whole
      vim.list_extend(gaps, seen)
      vim.list_extend(work, worked)
    end
    stop = probe()
    vim.cmd.edit(path)
    settle(100)
    vim.list_extend(plain_gaps, (stop()))
    vim.cmd("enew | bwipeout! #")
  end
  return { drawn = drawn, gaps = gaps, work = work, plain_gaps = plain_gaps }
end

vim.api.nvim_create_autocmd("VimEnter", {
  once = true,
  callback = function()
    vim.defer_fn(function()
      local ok, result = xpcall(scenarios[assert(vim.env.BENCH_SCENARIO)], debug.traceback)
      write(out, ok and result or { error = tostring(result) })
      vim.cmd("qa!")
    end, 50)
  end,
})
