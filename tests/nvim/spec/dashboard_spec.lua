return function(it, tests)
  local PREPARE = [[
    package.path = ... .. "/tests/nvim/?.lua;" .. package.path
    stub = require("stub")
    client = require("orchflow.client")
    status = stub.status()
    stub.answers.status = function() return vim.deepcopy(status) end
    function push() client.receive({ { kind = "status", status = vim.deepcopy(status) } }) end
    function agent_named(name)
      for _, agent in ipairs(status.agents) do
        if agent.agent == name then return agent end
      end
    end
    executed = {}
    function note_commands()
      require("orchflow.command").execute = function(line) executed[#executed + 1] = line end
    end
    function title()
      local chunks = vim.api.nvim_win_get_config(0).title or {}
      return table.concat(vim.tbl_map(function(chunk) return chunk[1] end, chunks))
    end
  ]]

  local function open(child)
    child:lua(PREPARE, tests.root)
    child:cmd("Orchflow dashboard")
    child:wait("it is drawn", [[return vim.fn.search("> claude", "w") > 0]])
  end

  --- Draws a page of the stub's status.
  local function page(child, code, room)
    return child:lua([[
      package.path = select(1, ...) .. "/tests/nvim/?.lua;" .. package.path
      local status, view = require("stub").status(), require("orchflow.view.status")
      local options = { now = 73e6, icons = require("orchflow.config").get().icons, room = select(2, ...) }
    ]] .. code, tests.root, room or 78)
  end

  it("draws what needs the human first, in 78 cells", function(child)
    tests.equal(page(child, "return view.page(status, options).lines"), {
      'run 7  "Make it work"  base main@a1b2c3',
      "  agent              status           for  source   turn  unread  diff    cost",
      "! codex              needs approval  1:13  hook        1       0  +0 -0      ?",
      "    it asks for 2 permissions; a answers",
      '    prompt queued  0:13  "and the docs"',
      "! gemini             waiting: trust  1:13  hook        1       0  +0 -0      ?",
      "    it waits for trust; <CR> shows it",
      "    detached: no room beside the editor",
      "? aider              unknown         1:13  screen?     1       0  +0 -0      ?",
      "x broken             failed          1:13  hook        1       0  +0 -0      ?",
      "    API error: overloaded",
      '    prompt did not arrive  0:03  "again"',
      "= slow               paused          1:13  hook        1       0  +0 -0      ?",
      "> claude             working         1:12  stated      2       2  +64 -9  0.31",
      "+ actor (rehearsal)  done            1:13  hook        1       0  +0 -0      ?",
    })
  end)

  it("fits any width, and shows more where there is more room", function(child)
    for _, room in ipairs({ 40, 60, 70, 78, 100, 140, 196 }) do
      local wide = page(
        child,
        [[
        for _, agent in ipairs(status.agents) do agent.agent = agent.agent .. "-with-a-long-name" end
        local lines = view.page(status, options).lines
        table.remove(lines, 1)
        return vim.tbl_filter(function(line) return vim.fn.strdisplaywidth(line) > math.max(options.room, 66) end, lines)
      ]],
        room
      )
      tests.equal(wide, {}, "too wide for " .. room)
    end
    local lines = page(child, "return view.page(status, options).lines", 196)
    tests.contains(lines[2], "undecided")
    tests.contains(lines[2], "pane")
    tests.contains(table.concat(lines, "\n"), '%3    "I will read it first"')
  end)

  it("keeps the highlights within the lines, and marks a guess", function(child)
    local found = page(
      child,
      [[
      local page = view.page(status, options)
      local wrong, guess = {}, nil
      for _, highlight in ipairs(page.highlights) do
        local line = page.lines[highlight.line + 1]
        if highlight.first > #line then wrong[#wrong + 1] = highlight end
        if highlight.group == "OrchflowGuess" then guess = vim.trim(line:sub(highlight.first + 1, highlight.last)) end
      end
      return { wrong, guess, page.rows[4].agent, page.rows[1] == nil }
    ]]
    )
    tests.equal(found, { {}, "screen?", "codex", true })
  end)

  it("draws a status of nobody, of nothing, and of a full disk", function(child)
    tests.contains(page(child, "return view.page(nil, options).lines[1]"), "asking the host")
    tests.contains(
      page(child, "return view.page({ agents = {}, runs = {} }, options).lines[1]"),
      "no agents"
    )
    tests.contains(
      page(child, [[return view.page({ agents = {}, read_only = "disk full" }, options).lines[1] ]]),
      "read-only: disk full"
    )
  end)

  it("says in its title what all is about, and how the host is", function(child)
    local function title(code, room)
      return page(child, "return { view.title(" .. code .. ", options.room) }", room)
    end
    tests.equal(title("nil, 'retrying'"), { "orchflow", "host lost, connecting again  g?" })
    tests.equal(title("nil, 'silent'")[2], "host does not answer, this may be old  g?")
    tests.equal(
      title("status, 'connected'"),
      { 'orchflow  run 7 "Make it work"  base main@a1b2c3', "host ok 14 MB  g?" }
    )
    tests.equal(title("status, 'idle'", 50)[1], 'orchflow  run 7 "Make it…"')
    local two = page(
      child,
      [[
      status.agents[1].run = 6
      local page = view.page(status, { now = 0, icons = options.icons, room = 78, runs_above = true })
      return { select(1, view.title(status, "connected", 78)), page.lines[1] }
    ]]
    )
    tests.equal(two, { "orchflow", 'run 7  "Make it work"  base main@a1b2c3' })
  end)

  it("opens as an ordinary buffer that q closes", function(child)
    local before = child:api("nvim_get_current_win")
    open(child)
    tests.equal(
      child:lua("return { vim.bo.buftype, vim.bo.filetype, vim.bo.modifiable }"),
      { "nofile", "orchflow", false }
    )
    tests.contains(child:lua("return title()"), ' orchflow  run 7 "Make it work"')
    tests.contains(child:lua("return title()"), "─ not connected  g? ")

    local copy = vim.fn.tempname()
    child:cmd("write " .. copy)
    tests.contains(table.concat(vim.fn.readfile(copy), "\n"), "claude")
    child:keys("gg/claude<CR>")
    child:wait("the search found it", [[return vim.fn.getline("."):find("claude") ~= nil]])
    child:keys("q")
    child:wait("it is closed", "return vim.api.nvim_get_current_win() == ...", before)
  end)

  it(
    "searches on with n after a search, and goes to what needs the human without one",
    function(child)
      open(child)
      child:lua([[note_commands()]])
      child:keys("gg/orchflow_nothing\\|hook<CR>")
      child:wait(
        "the search is done",
        [[return vim.v.hlsearch == 1 and vim.fn.getline("."):find("hook")]]
      )
      local line = child:lua([[return vim.fn.line(".")]])
      child:keys("n")
      child:wait("it is at the next match", [[return vim.fn.line(".") > ...]], line)
      tests.equal(child:lua("return executed"), {})
      child:keys("q")
      child:cmd("Orchflow dashboard")
      child:wait("it is drawn", [[return vim.fn.search("> claude", "w") > 0]])
      child:keys("n")
      child:wait("it goes to what is next", [[return executed[1] == "next"]])
    end
  )

  it("begins at the first agent", function(child)
    child:lua(PREPARE, tests.root)
    child:cmd("Orchflow dashboard")
    child:wait("it is drawn", [[return vim.fn.search("> claude", "nw") > 0]])
    tests.contains(child:lua("return vim.fn.getline('.')"), "! codex")
  end)

  it("follows what the host pushes, with the cursor on its agent", function(child)
    open(child)
    child:lua([[
      agent_named("claude").status, agent_named("claude").waiting_for, status.host = "waiting", "approval", nil
      push()
    ]])
    child:wait("claude stands first", [[return vim.fn.getline(2):find("! claude", 1, true)]])
    tests.contains(child:lua("return vim.fn.getline('.')"), "claude")
    tests.equal(child:lua("return client.store().status.host.memory_bytes"), 14000000)
  end)

  it("keeps the cursor on the line of an agent's notes that it stood on", function(child)
    open(child)
    child:lua([[vim.fn.search("prompt queued", "w")]])
    child:lua([[table.remove(status.agents, 1); push()]])
    child:wait("claude is gone", [[return vim.fn.search("> claude", "nw") == 0]])
    tests.contains(child:lua("return vim.fn.getline('.')"), "prompt queued")
  end)

  it("ignores a key that ends something right after its line changed by itself", function(child)
    open(child)
    child:lua([[
      asked = 0
      vim.ui.select = function(_, options) asked, prompt = asked + 1, options.prompt end
      status.agents = vim.tbl_filter(function(agent) return agent.agent ~= "claude" end, status.agents)
      push()
      vim.wait(1000, function() return vim.fn.search("> claude", "nw") == 0 end, 1)
      vim.api.nvim_feedkeys("S", "xt", false)
    ]])
    tests.equal(child:lua("return asked"), 0)
    child:wait(
      "it stands still",
      [[
      vim.api.nvim_feedkeys("S", "xt", false)
      return asked > 0
    ]]
    )
    tests.contains(child:lua("return prompt"), "Stop 7/")
  end)

  it("opens once, and fits the screen again when that changes", { tui = true }, function(child)
    open(child)
    child:cmd("wincmd p")
    child:cmd("Orchflow status")
    tests.equal(child:lua("return #vim.api.nvim_list_wins()"), 2)
    child:cmd("set columns=50 lines=12")
    child:wait("it fits", "return vim.api.nvim_win_get_width(0) <= 50")
    tests.equal(child:api("nvim_get_mode").blocking, false)
  end)

  it("leaves nothing behind when it closes", function(child)
    open(child)
    child:cmd("close")
    child:lua([[push()]])
    child:wait("the push is taken", "return client.store().status ~= nil")
    tests.equal(
      child:lua([[
      return #vim.tbl_filter(function(buffer)
        return vim.api.nvim_buf_get_name(buffer):find("orchflow://", 1, true) ~= nil
      end, vim.api.nvim_list_bufs())
    ]]),
      0
    )
    tests.equal(
      child:lua([[
      return #vim.tbl_filter(function(autocmd)
        return (autocmd.group_name or ""):find("orchflow_ticker", 1, true) ~= nil
      end, vim.api.nvim_get_autocmds({}))
    ]]),
      0
    )
  end)

  it("counts the seconds only while it is to be seen", function(child)
    child:lua(PREPARE, tests.root)
    child:lua([[
      ticks, window = 0, vim.api.nvim_get_current_win()
      ticker = require("orchflow.clock").while_visible(window, function() ticks = ticks + 1 end)
    ]])
    child:wait("it ticks", "return ticks > 0")
    child:cmd("tabnew")
    child:wait("it rests", "return not ticker.runs()")
    local before = child:lua("return ticks")
    child:cmd("tabprevious")
    tests.equal(child:lua("return { ticker.runs(), ticks }"), { true, before + 1 })
    child:lua("ticker.stop()")
    tests.equal(child:lua("return ticker.runs()"), false)
  end)

  it("leads from an agent's line to what belongs to it", function(child)
    child:lua(PREPARE, tests.root)
    child:lua("note_commands()")
    for _, key in ipairs({ "p", "v", "t", "w", "a" }) do
      child:cmd("lua require('orchflow.ui.dashboard').open()")
      child:wait("it is drawn", [[return vim.fn.search("> claude", "w") > 0]])
      child:keys(key)
      child:wait("the float is gone", [[return vim.bo.filetype ~= "orchflow"]])
    end
    tests.equal(child:lua("return executed"), {
      "send 7/claude",
      "review agent:7/claude",
      "timeline agent:7/claude",
      "why 7/claude",
      "approvals",
    })
  end)

  it("pauses, resumes and, asked again, stops", function(child)
    open(child)
    child:lua([[
      for _, method in ipairs({ "pause", "resume", "stop" }) do
        stub.answers[method] = function(params)
          executed[#executed + 1] = { method, params.agents[1], params.run }
          return { agents = {}, stopped = {} }
        end
      end
      vim.ui.select = function(choices, options, done) done(choices[choice], choice) end
      choice = 1
      require("orchflow.ui.steady").still_ms = 0
    ]])
    child:keys("P")
    child:wait_message("claude: paused; its prompts wait")
    child:lua([[vim.fn.search("= slow", "w")]])
    child:keys("P")
    child:wait_message("slow: goes on")
    child:keys("S")
    child:wait("it was asked", "return #executed == 2")
    child:lua("choice = 2")
    child:keys("S")
    child:wait_message("slow: stopped; its work stays for review")
    tests.equal(
      child:lua("return executed"),
      { { "pause", "claude", 7 }, { "resume", "slow", 7 }, { "stop", "slow", 7 } }
    )
  end)

  it("goes to an agent's pane, and opens a window where it has none", function(child)
    open(child)
    child:lua([[
      stub.answers.focus = function(params) focused = params.agent; return { focused = pane } end
      stub.answers.attach = function(params) return { argv = { "sleep", "60" }, agent = "claude", run = 7 } end
      pane = "tmux:%3"
    ]])
    child:keys("<CR>")
    child:wait("its pane is in front", [[return focused == "7/claude"]])
    tests.equal(child:lua("return #vim.api.nvim_list_wins()"), 1)
    child:lua("pane = nil")
    child:cmd("Orchflow dashboard")
    child:wait("it is drawn", [[return vim.fn.search("> claude", "w") > 0]])
    child:keys("<CR>")
    child:wait("a window shows it", [[return vim.bo.buftype == "terminal"]])
    child:cmd("wincmd p")
    child:cmd("Orchflow dashboard")
    child:wait("it is drawn", [[return vim.fn.search("> claude", "w") > 0]])
    child:lua([[focused = nil]])
    child:keys("<CR>")
    child:wait("the same window is entered", [[return vim.bo.buftype == "terminal"]])
    tests.equal(child:lua("return { #vim.api.nvim_list_wins(), focused }"), { 2 })
    child:lua([[agent_named("claude").living = false]])
    child:cmd("stopinsert | close")
  end)

  it("begins in Normal mode, whatever mode was to follow the command", function(child)
    child:lua(PREPARE, tests.root)
    child:lua([[vim.cmd.startinsert() vim.cmd("Orchflow dashboard")]])
    child:wait("it is drawn", [[return vim.fn.search("> claude", "w") > 0]])
    child:keys("g?")
    child:wait("its keys are keys", [[return vim.fn.search("let a paused one go on", "nw") > 0]])
    child:keys("q")
    child:cmd("close")
    child:keys("i<C-o>:Orchflow dashboard<CR>")
    child:wait("it is there again", [[return vim.bo.filetype == "orchflow"]])
    tests.equal(child:api("nvim_get_mode").mode, "n")
  end)

  it("shows its keys", function(child)
    open(child)
    child:keys("g?")
    child:wait("they are shown", [[return vim.fn.search("let a paused one go on", "nw") > 0]])
    child:keys("q")
    child:wait("the dashboard is back", [[return vim.fn.search("> claude", "nw") > 0]])
  end)
end
