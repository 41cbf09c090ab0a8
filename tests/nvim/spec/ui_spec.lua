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
      -- Said while a command runs that was typed.
      child:lua([[vim.cmd("messages clear")]])
      child:keys(":Orchflow review agnt:claude file:src/**<CR>")
      local blocked
      vim.wait(5000, function()
        -- One that is asked for Enter answers nothing else.
        blocked = child:api("nvim_get_mode").blocking
        return blocked or child:messages():find("(:Orchflow review agent:claude", 1, true) ~= nil
      end, 5)
      if blocked then
        child:keys("<CR>")
      end
      tests.equal(blocked, false, "it asks for Enter")
      tests.contains(child:messages(), "(:Orchflow review agent:claude")
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
