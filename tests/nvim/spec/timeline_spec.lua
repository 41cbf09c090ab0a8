return function(it, tests)
  --- Prepares the child, with a log of some length and a clock that stands.
  local function prepare(child, last, options)
    child:lua(
      [[
      local root, last, options = ...
      package.path = root .. "/tests/nvim/?.lua;" .. package.path
      stub = require("stub")
      client = require("orchflow.client")
      require("orchflow").setup({ timeline = options })
      require("orchflow.clock").now = function() return 50e6 end
      function event(seq, fields)
        return vim.tbl_extend("force", { seq = seq, timestamp = seq * 1000000, type = "turn_started",
          agent = seq % 2 == 0 and "claude" or "codex", run = 7, summary = "turn " .. seq, data = {}, paths = {} }, fields or {})
      end
      function push(first, last)
        local events = {}
        for seq = first, last do
          events[#events + 1] = event(seq)
        end
        stub.last = last
        client.receive({ { kind = "events", events = events, cursor = last } })
      end
      function asked(method)
        return #vim.tbl_filter(function(each) return each.method == method end, stub.asked)
      end
      --- The title as it stands in the frame.
      function title()
        local parts = vim.tbl_map(function(chunk) return chunk[1] end, vim.api.nvim_win_get_config(0).title or {})
        return (table.concat(parts):gsub("─", "-"):gsub("%-+", "-"))
      end
      function idle()
        return asked("log") == answered
      end
      stub.serve_log(last, event)
      stub.serve_telling(event)
      local serve = stub.answers.log
      answered = 0
      stub.answers.log = function(params)
        answered = answered + 1
        return serve(params)
      end
    ]],
      tests.root,
      last,
      vim.tbl_extend("force", { page = 10, keep = 500 }, options or {})
    )
  end

  local function open(child, filter)
    child:cmd("Orchflow timeline " .. (filter or ""))
    child:wait("it is filled", [[return vim.fn.getline("."):find("turn") ~= nil]])
  end

  local function wait_line(child, part)
    return child:wait(
      ("the cursor stands on %q"):format(part),
      [[local line = vim.fn.getline("."); return (line .. "$"):find(..., 1, true) and line]],
      part
    )
  end

  local function wait_title(child, part)
    return child:wait(
      ("the title says %q"):format(part),
      [[local said = title(); return said:find(..., 1, true) and said]],
      part
    )
  end

  it("opens at its end and follows it there", function(child)
    prepare(child, 30)
    open(child)
    wait_line(child, "turn 30")
    wait_title(child, "30 events - LIVE - g? -")
    child:lua([[push(31, 32)]])
    wait_line(child, "turn 32")
    wait_title(child, "32 events - LIVE")
  end)

  it("lets the end go when the cursor goes up, and takes it back with G", function(child)
    prepare(child, 30)
    open(child)
    child:keys("k")
    wait_line(child, "turn 29")
    wait_title(child, "29 of 30 - g? -")
    child:lua([[push(31, 33)]])
    child:wait("it grows", [[return vim.fn.getline("$"):find("turn 33") ~= nil]])
    wait_line(child, "turn 29")
    child:keys("G")
    wait_line(child, "turn 33")
    wait_title(child, "LIVE")
    child:lua([[push(34, 34)]])
    wait_line(child, "turn 34")
  end)

  it("asks ahead on the way up, and what is on the screen stays where it is", function(child)
    prepare(child, 3000)
    open(child)
    child:wait("pages are there ahead", [[return vim.fn.line("$") > 40 and idle()]])
    for _ = 1, 12 do
      local before = child:lua([[
        vim.cmd("normal! 5k")
        return { vim.fn.getline("."), vim.fn.winline() }
      ]])
      child:lua([[vim.api.nvim_exec_autocmds("CursorMoved", { buffer = 0 })]])
      child:wait("pages are there ahead", [[return idle() and vim.fn.line("w0") > 20]])
      tests.equal(child:lua([[return { vim.fn.getline("."), vim.fn.winline() }]]), before)
    end
  end)

  it("holds a stretch only, and asks again for what it let go", function(child)
    prepare(child, 100000, { keep = 500, page = 100 })
    open(child)
    child:lua([[
      for _ = 1, 25 do
        vim.cmd("normal! 40k")
        vim.api.nvim_exec_autocmds("CursorMoved", { buffer = 0 })
        vim.wait(1000, idle, 2)
        vim.wait(20)
      end
    ]])
    local held = child:lua([[return { vim.fn.line("$"), vim.fn.getline("$") }]])
    assert(held[1] <= 700, held[1] .. " lines are held")
    tests.lacks(held[2], "turn 100000")
    tests.contains(child:lua([[return vim.fn.getline(".")]]), "turn 99000")
    -- Nothing is missing between two neighbours, and colours follow their lines.
    tests.equal(
      child:lua([[
        for line = 2, vim.fn.line("$") do
          local one, two = vim.fn.getline(line - 1):match("%d+$"), vim.fn.getline(line):match("%d+$")
          if tonumber(two) ~= tonumber(one) + 1 then
            return { one, two }
          end
        end
      ]]),
      vim.NIL
    )
    child:lua([[
      for _ = 1, 30 do
        vim.cmd("normal! 40j")
        vim.api.nvim_exec_autocmds("CursorMoved", { buffer = 0 })
        vim.wait(1000, idle, 2)
        vim.wait(20)
      end
    ]])
    wait_line(child, "turn 100000")
    wait_title(child, "LIVE")
    child:keys("gg")
    wait_line(child, "turn 1$")
    wait_title(child, "1 of 100.0k")
    child:keys("G")
    wait_line(child, "turn 100000")
    wait_title(child, "LIVE")
    child:keys("4711G")
    wait_line(child, "turn 4711")
    wait_title(child, "4,711 of 100.0k")
  end)

  it("moves nothing under a selection", { tui = true }, function(child)
    prepare(child, 3000)
    open(child)
    child:wait("pages are there ahead", [[return vim.fn.line("w0") > 66 and idle()]])
    child:keys("V")
    child:wait("a selection stands", [[return vim.fn.mode() == "V"]])
    child:keys(("k"):rep(25))
    child:wait("pages are asked for", [[return vim.fn.line(".") < vim.fn.line("$") - 20]])
    local lines = child:lua([[return vim.fn.line("$")]])
    child:wait("the page is here", [[return idle()]])
    tests.equal(child:lua([[return vim.fn.line("$")]]), lines)
    child:keys("<Esc>")
    child:wait("it is taken", [[return vim.fn.line("$") > ...]], lines)
  end)

  it(
    "follows the end again once a selection or a recording is over",
    { tui = true },
    function(child)
      prepare(child, 30)
      open(child)
      child:wait("all of them are there", [[return vim.fn.line("$") == 30]])
      child:keys("V")
      child:wait("a selection stands", [[return vim.fn.mode() == "V"]])
      child:lua([[push(31, 32)]])
      child:wait("it grows", [[return vim.fn.line("$") == 32]])
      tests.equal(child:lua([[return { vim.fn.line("."), vim.fn.line("v") }]]), { 30, 30 })
      child:keys("<Esc>")
      wait_line(child, "turn 32")
      -- The key `q` closes the timeline, so a recording is one that was begun elsewhere.
      child:lua([[vim.fn.reg_recording = function() return "q" end]])
      child:lua([[push(33, 34)]])
      child:wait("it grows", [[return vim.fn.line("$") == 34]])
      tests.equal(child:lua([[return vim.fn.line(".")]]), 32)
      wait_title(child, "LIVE")
    end
  )

  it("takes from the pushes what the host says passes the filter", function(child)
    prepare(child, 30)
    child:lua(
      [[vim.ui.input = function(options, done) default = options.default; done("agent:codex") end]]
    )
    open(child, "agent:claude")
    wait_line(child, "turn 30")
    wait_title(child, "agent:claude  15 of 30 - LIVE")
    child:lua([[push(31, 34)]])
    wait_line(child, "turn 34")
    tests.equal(
      child:lua([[return vim.tbl_filter(function(line) return line:find("codex") ~= nil end,
        vim.api.nvim_buf_get_lines(0, 0, -1, false))]]),
      {}
    )
    child:keys("f")
    wait_line(child, "turn 33")
    tests.equal(child:lua("return default"), "agent:claude")
    child:lua([[vim.ui.input = function(_, done) done("agnt:codex") end]])
    child:keys("f")
    child:wait_message("agnt:")
    child:keys("F")
    wait_line(child, "turn 34")
    wait_title(child, "34 events")
  end)

  it("says that nothing passes, and takes what comes to pass", function(child)
    prepare(child, 0)
    child:cmd("Orchflow timeline")
    child:wait("it says so", [[return vim.fn.getline(1):find("nothing has happened yet") ~= nil]])
    child:lua([[push(1, 2)]])
    wait_line(child, "turn 2")
    tests.equal(child:lua([[return vim.fn.line("$")]]), 2)
  end)

  it("follows the agent under the cursor, and stays on its event", function(child)
    prepare(child, 300)
    open(child)
    child:keys("5k")
    wait_line(child, "turn 295")
    child:keys("A")
    wait_title(child, "agent:7/codex")
    wait_line(child, "turn 295")
    child:wait(
      "only its events are there",
      [[return vim.fn.getline(vim.fn.line(".") - 1):find("turn 293") ~= nil]]
    )
    wait_line(child, "turn 295")
    child:keys("A")
    wait_title(child, "295 of 300")
    wait_line(child, "turn 295")
  end)

  it("expands an event in place, and takes that away again", function(child)
    prepare(child, 30)
    open(child)
    child:keys("2k")
    wait_line(child, "turn 28")
    child:keys("<Tab>")
    child:wait("it is expanded", [[return vim.fn.search("GREETING", "n") > 0]])
    local lines = child:lua([[
      local at = vim.fn.line(".")
      return vim.api.nvim_buf_get_lines(0, at - 1, at + 10, false)
    ]])
    tests.equal(lines, {
      "00:00:28  claude       > turn 28",
      '    because    turn 2 < "Make the greeting configurable"',
      "    prompt     cover it with a test",
      "    reasoning  env wins, so tests can override",
      "    confidence 85 %",
      "    led to     codex: accepted src/config.rs:41",
      "    @@ -1,3 +1,3 @@",
      "     fn load() {",
      '    -    let greeting = "hello";',
      '    +    let greeting = env::var("GREETING")?;',
      "00:00:29  codex        > turn 29",
    })
    child:keys("3j<Tab>")
    child:wait("it is away", [[return vim.fn.search("GREETING", "nw") == 0]])
    wait_line(child, "turn 28")
    -- Older events are read behind those that fit the window.
    child:wait("each event has its line", [[return vim.fn.line("$") == 30]])
    child:keys("<Tab>")
    child:wait("it is expanded", [[return vim.fn.search("GREETING", "n") > 0]])
    child:keys("Y")
    child:wait_message("event 28 copied")
    tests.equal(child:lua([[return #vim.fn.getreg('"', 1, true)]]), 10)
  end)

  it(
    "searches the whole log through the host, and gives n back to a search of Neovim's own",
    function(child)
      prepare(child, 5000, { page = 20 })
      child:lua([[
      vim.ui.input = function(_, done) done('"turn 12"') end
    ]])
      open(child)
      wait_line(child, "turn 5000")
      child:keys("g/")
      wait_line(child, "turn 1299")
      tests.lacks(wait_title(child, "1,299 of 5000"), "LIVE")
      child:keys("n")
      wait_line(child, "turn 1298")
      child:keys("N")
      wait_line(child, "turn 1299")
      child:keys("N")
      child:wait_message([[no newer event has "turn 12"]])
      child:keys("/turn 130[0-2]<CR>")
      wait_line(child, "turn 1300")
      child:keys("n")
      wait_line(child, "turn 1301")
    end
  )

  it("opens what an event is about", function(child)
    prepare(child, 4)
    local root = vim.fn.tempname()
    vim.fn.mkdir(root .. "/.git", "p")
    vim.fn.writefile({ "a", "b", "c" }, root .. "/one.txt")
    child:cmd("cd " .. root)
    child:lua([[
      local agent = { agent = "claude", run = 7, key = "7/claude", status = "working", living = true, source = "hook",
        worktree = "/worktrees/7-claude" }
      require("orchflow.state").take_status(client.store(), { agents = { agent }, runs = {}, seq = 1 })
      stub.serve_log(4, function(seq)
        return ({
          event(1, { agent = "claude", summary = "turn 1 one" }),
          event(2, { type = "hunk_accepted", actor = "human", agent = "claude",
            data = { hunk = { id = "h_1", path = "one.txt", line = 2 } } }),
          event(3, { agent = "claude", type = "tool_finished", summary = "did Edit: /worktrees/7-claude/one.txt turn",
            data = { input = { file_path = "/worktrees/7-claude/one.txt" } } }),
          event(4, { agent = "gone" }),
        })[seq]
      end)
      executed = {}
      require("orchflow.command").execute = function(line) executed[#executed + 1] = line end
    ]])
    open(child)
    tests.contains(child:lines()[3], "did Edit: one.txt")
    child:keys("<CR>")
    child:wait_message("its agent has ended")
    child:keys("k<CR>")
    child:wait("the file is open", [[return vim.fn.expand("%:t") == "one.txt"]])
    tests.equal(child:lua([[return vim.bo.buftype]]), "")
    open(child)
    child:keys("2k<CR>")
    child:wait(
      "the agent's version is open",
      [[return vim.api.nvim_buf_get_name(0) == "orchflow://7/claude/one.txt"]]
    )
    open(child)
    child:keys("3k<CR>")
    child:wait("the pane is asked for", [[return executed[1] == "attach 7/claude"]])
  end)

  it("opens in a split or a tab page as well, titled in its winbar", function(child)
    prepare(child, 30, { place = "split" })
    open(child)
    tests.equal(child:lua([[return vim.api.nvim_win_get_config(0).relative]]), "")
    child:wait("the winbar says it", [[return vim.wo.winbar:find("30 events", 1, true) ~= nil]])
    tests.contains(child:lua([[return vim.wo.winbar]]), "LIVE")
    child:keys("q")
    child:wait("it is closed", [[return #vim.api.nvim_list_wins() == 1]])
  end)

  it("leaves the cursor and mode of another window alone", { tui = true }, function(child)
    prepare(child, 30, { place = "split" })
    open(child)
    child:cmd("wincmd p")
    child:keys("ihello<Esc>3i")
    child:wait("text is typed", [[return vim.fn.mode() == "i"]])
    child:lua([[push(31, 80)]])
    child:wait(
      "it grows",
      [[
      local buffer = vim.fn.bufnr("orchflow://timeline")
      return vim.api.nvim_buf_get_lines(buffer, -2, -1, false)[1]:find("turn 80") ~= nil
    ]]
    )
    tests.equal(
      child:lua([[return { vim.fn.mode(), vim.fn.getline("."), vim.fn.col(".") }]]),
      { "i", "hello", 5 }
    )
    local window = child:lua([[return vim.fn.bufwinid("orchflow://timeline")]])
    tests.equal(child:api("nvim_win_get_cursor", window)[1], 80)
  end)

  it("leaves nothing behind when it closes", function(child)
    prepare(child, 30)
    open(child)
    child:cmd("close")
    child:lua([[push(31, 33)]])
    child:lua([[vim.wait(100, function() return false end)]])
    tests.equal(child:messages(), "")
    tests.equal(child:lua([[return vim.fn.bufnr("orchflow://timeline")]]), -1)
    tests.equal(
      child:lua([[return pcall(vim.api.nvim_get_autocmds, { group = "orchflow_timeline" })]]),
      false
    )
  end)

  it("shows its keys", function(child)
    prepare(child, 30)
    open(child)
    child:keys("g?")
    child:wait("they are shown", [[return vim.fn.search("search the whole log", "n") > 0]])
  end)

  it("follows the log", function(child)
    prepare(child, 30)
    child:cmd("Orchflow log -f --agent claude")
    child:wait("it is filled", [[return vim.fn.getline("."):find("turn 30") ~= nil]])
    wait_title(child, "agent:claude")
  end)

  it("says why, and shows one event whole", function(child)
    prepare(child, 30)
    child:cmd("Orchflow why claude")
    child:wait("it says why", [[return vim.fn.getline(1):find("works on turn 2") ~= nil]])
    tests.equal(child:lines(), {
      "claude works on turn 2 since 0:41",
      "",
      "It rests on",
      "      0:41 ago  osc7501     working",
      "      0:46 ago  screen?     a spinner",
      "",
      "It follows from",
      "    00:00:06  claude       > turn 6",
      "  < 00:00:05  codex        > turn 2 started",
    })
    tests.equal(child:lua("return title()"), " Why  claude ")
    child:keys("8G<Tab>")
    child:wait("the event is shown", [[return vim.fn.search("env::var", "n") > 0]])
    tests.contains(child:lua("return title()"), "Event 6")
    child:cmd("Orchflow event 99")
    child:wait_message("orchflow: event: there is no event 99")
    child:cmd("Orchflow event x")
    child:wait_message("x is not the number of an event")
    child:keys("q")
    open(child)
    child:keys("K")
    child:wait("why is asked", [[return title():find("Why  30", 1, true) ~= nil]])
  end)

  it("shows a failure of the host in one line, and works on", function(child)
    prepare(child, 30)
    child:lua([[
      good = stub.answers.log
      stub.answers.log = function() return nil, { code = "usage", message = "no such type", hint = "did you mean x?" } end
    ]])
    child:cmd("Orchflow timeline")
    child:wait_message("orchflow: timeline: no such type (did you mean x?)")
    child:lua([[stub.answers.log = good]])
    child:keys("R")
    wait_line(child, "turn 30")
  end)

  it("writes a chain of causes in the room there is, the root in any case", function(child)
    local said = child:lua([[
      local view = require("orchflow.view.timeline")
      local chain = {
        { type = "checkpoint_taken", summary = "checkpoint +18 -1 in 3 files" },
        { type = "turn_started", data = { turn = 2 } },
        { type = "prompt_accepted" }, { type = "prompt_written" }, { type = "prompt_queued" },
        { type = "agent_spawned" }, { type = "worktree_created" },
        { type = "run_started", data = { objective = "Make it\nconfigurable" } },
      }
      return { view.because(chain, 200), view.because(chain, 50), view.because(chain, 30), view.because({ chain[8] }, 12) }
    ]])
    tests.equal(said, {
      'checkpoint < turn 2 < prompt < start < worktree < "Make it configurable"',
      'checkpoint < turn 2 < … < "Make it configurable"',
      'checkpoint < … < "Make it con…',
      '"Make it co…',
    })
  end)

  it("breaks long prompts at their words, and cuts a long diff", function(child)
    local lines = child:lua([[
      local view = require("orchflow.view.timeline")
      local diff = {}
      for number = 1, 300 do diff[number] = "+line " .. number end
      local detail = view.detail({ event = { seq = 9 }, prompt = ("many words "):rep(30) .. "\n  indented", diff = diff }, { width = 60 })
      local lines = vim.tbl_map(function(each) return (view.join(each.pieces)) end, detail)
      local widest = 0
      for _, line in ipairs(lines) do widest = math.max(widest, vim.fn.strdisplaywidth(line)) end
      return { widest <= 60, lines[1], lines[2]:match("^%s+%w+ %w+ ") ~= nil, lines[#lines], #lines }
    ]])
    tests.equal(lines[1], true)
    tests.equal(lines[3], true)
    tests.equal(lines[4], "… 100 lines more; :Orchflow event 9")
    assert(lines[5] < 215, lines[5] .. " lines")
  end)
end
