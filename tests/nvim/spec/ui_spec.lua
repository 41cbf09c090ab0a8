return function(it, tests)
  local STATUS = [[
    package.path = ... .. "/tests/nvim/?.lua;" .. package.path
    stub = require("stub")
    status = {
      agents = {
        { agent = "claude", run = 7, key = "7/claude", kind = "claude", status = "working", source = "osc7501",
          confidence = "stated", since = 0, turn = 2, undecided = 5, insertions = 1, deletions = 0, living = true },
        { agent = "codex", run = 7, key = "7/codex", kind = "codex", status = "done", source = "hook",
          confidence = "reported", since = 0, turn = 1, undecided = 0, insertions = 0, deletions = 0, living = true },
      },
      runs = { { run = 7, objective = "Do it", base = "main@abc", state = "running", agents = { "claude", "codex" } } },
      host = { memory_bytes = 14000000 },
      seq = 1,
    }
    stub.answers.status = function()
      return vim.deepcopy(status)
    end
    client = require("orchflow.client")
    function event(seq, fields)
      return vim.tbl_extend("force", { seq = seq, timestamp = seq * 1000000, type = "turn_started", agent = "claude",
        run = 7, summary = "turn " .. seq, data = {}, paths = {} }, fields or {})
    end
  ]]

  local function prepare(child)
    child:lua(STATUS, tests.root)
  end

  it("opens the dashboard as an ordinary buffer that q closes", function(child)
    prepare(child)
    local before = child:api("nvim_get_current_win")
    child:cmd("Orchflow")
    child:wait("it is drawn", [[return vim.fn.search("claude", "n") > 0]])
    tests.equal(
      child:lua("return { vim.bo.buftype, vim.bo.filetype, vim.bo.modifiable }"),
      { "nofile", "orchflow", false }
    )
    tests.equal(
      child:lua([[return vim.api.nvim_win_get_config(0).title[1][1] ]]),
      " orchflow  not connected "
    )
    local copy = vim.fn.tempname()
    child:cmd("write " .. copy)
    tests.contains(table.concat(vim.fn.readfile(copy), "\n"), "claude")
    child:keys("/codex<CR>")
    child:wait("the search found it", [[return vim.fn.getline("."):find("codex") ~= nil]])
    child:keys("q")
    child:wait("it is closed", "return vim.api.nvim_get_current_win() == ...", before)
  end)

  it("follows what the host pushes, and keeps the cursor on its agent", function(child)
    prepare(child)
    child:cmd("Orchflow status")
    child:wait("it is drawn", [[return vim.fn.search("codex", "w") > 0]])
    child:lua([[
      status.agents[2].status, status.agents[2].waiting_for, status.host = "waiting", "approval", nil
      client.receive({ { kind = "status", status = status } })
    ]])
    child:wait("codex stands first", [[return vim.fn.getline(3):find("! codex", 1, true)]])
    tests.contains(child:lua("return vim.fn.getline('.')"), "codex")
    tests.equal(child:lua("return client.store().status.host.memory_bytes"), 14000000)
  end)

  it("opens once, and fits the screen again when that changes", { tui = true }, function(child)
    prepare(child)
    child:cmd("Orchflow status")
    child:wait("it is drawn", [[return vim.fn.search("claude", "n") > 0]])
    child:cmd("wincmd p")
    child:cmd("Orchflow status")
    tests.equal(child:lua("return #vim.api.nvim_list_wins()"), 2)
    child:cmd("set columns=50 lines=12")
    child:wait("it fits", "return vim.api.nvim_win_get_width(0) <= 50")
    tests.equal(child:api("nvim_get_mode").blocking, false)
  end)

  it("leaves nothing behind when it closes", function(child)
    prepare(child)
    child:cmd("Orchflow status")
    child:wait("it is drawn", [[return vim.fn.search("claude", "n") > 0]])
    child:cmd("close")
    child:lua([[client.receive({ { kind = "status", status = status } })]])
    child:lua([[vim.wait(50, function() return false end)]])
    tests.equal(child:messages(), "")
    tests.equal(
      child:lua([[
      return #vim.tbl_filter(function(buffer)
        return vim.api.nvim_buf_get_name(buffer):find("orchflow://", 1, true) ~= nil
      end, vim.api.nvim_list_bufs())
    ]]),
      0
    )
  end)

  it("goes from an agent's line to what belongs to it", function(child)
    prepare(child)
    child:lua([[
      executed = {}
      require("orchflow.command").execute = function(line) executed[#executed + 1] = line end
    ]])
    for _, key in ipairs({ "<CR>", "p", "v", "t", "S" }) do
      child:cmd("Orchflow status")
      child:wait("it is drawn", [[return vim.fn.search("> claude", "w") > 0]])
      child:keys(key)
    end
    child:wait("all was done", "return #executed == 5")
    tests.equal(child:lua("return executed"), {
      "attach 7/claude",
      "send 7/claude",
      "review --agent 7/claude",
      "timeline agent:7/claude",
      "stop 7/claude",
    })
  end)

  it("opens the timeline at its end and follows it there", function(child)
    prepare(child)
    child:lua([[
      stub.answers.log = function()
        return { events = { event(3), event(2), event(1) }, seq = 3 }
      end
      client.receive({ { kind = "events", events = {}, cursor = 3 } })
    ]])
    child:cmd("Orchflow timeline")
    child:wait("it is filled", [[return vim.fn.line("$") == 3]])
    tests.contains(child:lines()[1], "turn 1")
    tests.equal(child:lua([[return vim.fn.line(".")]]), 3)
    child:lua(
      [[client.receive({ { kind = "events", events = { event(4), event(5) }, cursor = 5 } })]]
    )
    child:wait("it follows", [[return vim.fn.line(".") == 5]])
    child:cmd("1")
    child:lua([[client.receive({ { kind = "events", events = { event(6) }, cursor = 6 } })]])
    child:wait("it grows", [[return vim.fn.line("$") == 6]])
    tests.equal(child:lua([[return vim.fn.line(".")]]), 1)
  end)

  it("filters the timeline, and takes only what passes from the pushes", function(child)
    prepare(child)
    child:lua([[
      stub.answers.log = function(params)
        asked = params
        return { events = { event(1) }, seq = 1 }
      end
      vim.ui.input = function(options, done) default = options.default; done("agent:codex type:turn_started") end
    ]])
    child:cmd("Orchflow timeline agent:claude")
    child:wait("it is filled", [[return vim.fn.getline(1):find("turn 1") ~= nil]])
    tests.equal(child:lua("return asked.filter"), "agent:claude")
    child:keys("f")
    child:wait("it is asked again", [[return asked.filter == "agent:codex type:turn_started"]])
    tests.equal(child:lua("return default"), "agent:claude")
    child:lua([[
      client.receive({ { kind = "events", cursor = 9, events = { event(7), event(8, { agent = "codex" }),
        event(9, { agent = "codex", type = "turn_ended" }) } } })
    ]])
    child:wait("what passes is there", [[return vim.fn.line("$") == 2]])
    tests.contains(child:lines()[2], "codex")
    child:lua([[vim.ui.input = function(_, done) done("agnt:codex") end]])
    child:keys("f")
    child:wait_message("no filter agnt:; did you mean agent:?")
    child:keys("F")
    child:wait("the filter is gone", "return asked.filter == nil")
  end)

  it("loads older events at the top", function(child)
    prepare(child)
    child:lua([[
      require("orchflow").setup({ timeline = { page = 10 } })
      stub.answers.log = function(params)
        local events = {}
        for seq = (params.before or 31) - 1, math.max(1, (params.before or 31) - 10), -1 do
          events[#events + 1] = event(seq)
        end
        return { events = events, seq = 30 }
      end
    ]])
    child:cmd("Orchflow timeline")
    child:wait("it is filled", [[return vim.fn.line("$") == 10]])
    child:keys("gg")
    child:wait("older ones are there", [[return vim.fn.line("$") == 20]])
    tests.contains(child:lua([[return vim.fn.getline(".")]]), "turn 21")
  end)

  it("opens the file of an event, also one that was written in a worktree", function(child)
    prepare(child)
    local root = vim.fn.tempname()
    vim.fn.mkdir(root .. "/.git", "p")
    vim.fn.writefile({ "a", "b", "c" }, root .. "/one.txt")
    child:cmd("cd " .. root)
    child:lua([[
      status.agents[1].worktree = "/worktrees/7-claude"
      require("orchflow.state").take_status(client.store(), status)
      stub.answers.log = function()
        return { seq = 3, events = {
          event(3, { type = "tool_finished", summary = "did Edit: /worktrees/7-claude/one.txt",
            data = { input = { file_path = "/worktrees/7-claude/one.txt" } } }),
          event(2, { data = { hunk = { path = "one.txt", line = 2 } } }),
          event(1),
        } }
      end
    ]])
    child:cmd("Orchflow timeline")
    child:wait("it is filled", [[return vim.fn.line("$") == 3]])
    tests.contains(child:lines()[3], "did Edit: one.txt")
    child:cmd("1")
    child:keys("<CR>")
    child:wait_message("this event is about no file")
    child:cmd("2")
    child:keys("<CR>")
    child:wait("the file is open", [[return vim.fn.expand("%:t") == "one.txt"]])
    tests.equal(child:lua([[return vim.fn.line(".")]]), 2)
    child:cmd("Orchflow timeline")
    child:wait("it is filled", [[return vim.fn.line("$") == 3 and vim.bo.filetype == "orchflow"]])
    child:keys("<CR>")
    child:wait("the file is open", [[return vim.fn.expand("%:t") == "one.txt"]])
  end)

  it("answers approvals", function(child)
    prepare(child)
    child:lua([[
      approvals = { { id = "a_4", agent = "codex", run = 7, tool = "Bash", summary = "Bash: npm i", input = {},
        requested_at = 0, state = "pending" } }
      stub.answers.approvals = function() return { approvals = vim.deepcopy(approvals) } end
      stub.answers.approve = function(params) approvals = {}; return { id = params.id, state = "allowed" } end
      stub.answers.deny = function(params) denied = params; return { id = params.id, state = "denied" } end
      vim.ui.input = function(_, done) done("no") end
    ]])
    child:cmd("Orchflow approvals")
    child:wait("it is drawn", [[return vim.fn.getline(1):find("a_4") ~= nil]])
    child:keys("n")
    child:wait_message("orchflow: a_4 denied")
    tests.equal(child:lua("return denied"), { id = "a_4", reason = "no" })
    child:keys("y")
    child:wait_message("orchflow: a_4 allowed")
    child:wait("it is gone", [[return vim.fn.getline(1):find("nobody asks") ~= nil]])
  end)

  it("lists kinds of agents, the log, and what was cleaned", function(child)
    prepare(child)
    child:lua([[
      stub.answers.agents = function()
        return { agents = { { name = "claude", title = "Claude Code", installed = true, version = "2.1", path = "/bin/claude",
          source = "built in" } }, warnings = { "x.toml: unknown key" } }
      end
      stub.answers.log = function() return { events = { event(1) }, seq = 1 } end
      stub.answers.clean = function()
        return { cleaned = { { agent = "a", run = 7, kept = "refs/orchflow/a" } }, skipped = { { agent = "b", run = 7, why = "it lives" } } }
      end
    ]])
    child:cmd("Orchflow agents")
    child:wait("it is drawn", [[return vim.fn.getline(1):find("Claude Code") ~= nil]])
    child:wait_message("x.toml: unknown key")
    child:keys("q")
    child:cmd("Orchflow log --limit 5")
    child:wait("it is drawn", [[return vim.fn.getline(1):find("turn 1") ~= nil]])
    child:keys("q")
    child:cmd("Orchflow clean")
    child:wait("it is drawn", [[return vim.fn.getline(1):find("kept as refs/orchflow/a") ~= nil]])
  end)

  it(
    "never brings up a hit-enter prompt, however long a message is",
    { tui = true, columns = 60 },
    function(child)
      local long = ("the host says a lot "):rep(20) .. "end"
      child:lua([[require("orchflow.ui.message").warn(...)]], long)
      child:wait("a window shows it", [[return #vim.api.nvim_list_wins() == 2]])
      tests.equal(child:api("nvim_get_mode"), { mode = "n", blocking = false })
      tests.contains(child:messages(), long)
      tests.contains(
        child:lua([[
      local window = vim.api.nvim_list_wins()[2]
      return table.concat(vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(window), 0, -1, false), " ")
    ]]),
        long
      )
      child:lua(
        [[
      local message = require("orchflow.ui.message")
      message.info("one")
      message.warn(...)
      message.info("two")
      message.error(...)
    ]],
        long
      )
      tests.equal(child:api("nvim_get_mode"), { mode = "n", blocking = false })
      child:lua([[require("orchflow.ui.message").info("short")]])
      tests.equal(child:lua("return #vim.api.nvim_list_wins()"), 1)
      tests.equal(child:api("nvim_get_mode"), { mode = "n", blocking = false })
    end
  )

  it("survives messages that make no sense", function(child)
    prepare(child)
    child:lua([[
      client.receive(nil)
      client.receive("x")
      client.receive({ 1, "x", {}, { kind = "answer" }, { kind = "answer", id = 99, ok = true }, { kind = "later" } })
      client.receive({ { kind = "status", status = status } })
    ]])
    child:wait("what makes sense is taken", "return client.store().status ~= nil")
    tests.equal(child:messages(), "")
  end)

  it("follows the log in the timeline", function(child)
    prepare(child)
    child:lua([[
      stub.answers.log = function(params)
        asked = params
        return { events = { event(1, { type = "tool_failed" }) }, seq = 1 }
      end
    ]])
    child:cmd("Orchflow log -f --type tool_failed,turn_ended --agent claude")
    child:wait("it is filled", [[return vim.fn.getline(1):find("turn 1") ~= nil]])
    tests.equal(child:lua("return asked.filter"), "agent:claude type:tool_failed,turn_ended")
    child:lua([[
      client.receive({ { kind = "events", cursor = 9, events = { event(8), event(9, { type = "turn_ended" }) } } })
    ]])
    child:wait("what passes is there", [[return vim.fn.line("$") == 2]])
  end)

  it("writes a defect of its own to a log, and one line to the human", function(child)
    prepare(child)
    child:lua([[
      client.on("status", function() error("boom") end)
      client.receive({ { kind = "status", status = status } })
    ]])
    local said = child:wait_message("a defect in a listener to status: ")
    tests.lacks(said, "stack traceback")
    tests.contains(said, "boom")
    local log = child:lua([[return require("orchflow.client.log").path()]])
    tests.contains(table.concat(vim.fn.readfile(log), "\n"), "stack traceback")
  end)
end
