return function(it, tests)
  local PREPARE = [[
    package.path = ... .. "/tests/nvim/?.lua;" .. package.path
    stub = require("stub")
    client = require("orchflow.client")
    status = stub.status()
    require("orchflow.state").take_status(client.store(), status)
    approvals = {
      { id = "a_4", agent = "codex", run = 7, tool = "Bash", summary = "Bash: npm i", reason = "for the banner",
        input = { command = "npm i" }, requested_at = 0, answerable = true },
      { id = "a_5", agent = "claude", run = 7, tool = "Edit", input = { file_path = "one.txt", old_string = "a",
        new_string = "b" }, requested_at = 0, answerable = true },
    }
    stub.answers.approvals = function() return { approvals = vim.deepcopy(approvals) } end
    answers = {}
    local function answered(state)
      return function(params)
        answers[#answers + 1] = { params.id, state, params.reason }
        approvals = vim.tbl_filter(function(each) return each.id ~= params.id end, approvals)
        return { id = params.id, state = state }
      end
    end
    stub.answers.approve, stub.answers.deny = answered("allowed"), answered("denied")
    function pushed(kind)
      client.receive({ { kind = "events", cursor = (client.store().cursor or 0) + 1,
        events = { { seq = (client.store().cursor or 0) + 1, type = kind, summary = "", timestamp = 0 } } } })
    end
    function title()
      return table.concat(vim.tbl_map(function(chunk) return chunk[1] end, vim.api.nvim_win_get_config(0).title))
    end
    steady = require("orchflow.ui.steady")
  ]]

  local function open(child, steady_ms)
    child:lua(PREPARE, tests.root)
    child:lua("steady.still_ms = ...", steady_ms or 0)
    child:cmd("Orchflow approvals")
    child:wait("it is drawn", [[return vim.fn.search("npm i", "nw") > 0]])
  end

  local function page(child, approval, context)
    return child:lua(
      [[
      local approval, context = ...
      if context.file then
        local file = context.file
        context.read = function() return file end
      end
      return require("orchflow.view.approval").page(approval, context).lines
    ]],
      approval,
      context or {}
    )
  end

  it("draws a command whole, with who wants it, where and why", function(child)
    tests.equal(
      page(child, {
        id = "a_4",
        agent = "codex",
        run = 7,
        tool = "Bash",
        reason = "it is old",
        answerable = false,
        input = { command = "rm -rf\n  /\27[2J", timeout = 5, nested = { 1 } },
      }, { agent = { worktree = "/w/7-codex" } }),
      {
        " wants    run a command",
        " in       its worktree /w/7-codex",
        " why      it is old",
        " it can only be answered in the agent's own terminal: p goes there",
        "",
        " command  rm -rf",
        "            / [2J",
        " nested   [1]",
        " timeout  5",
      }
    )
  end)

  it("draws an edit as a diff in its place, and warns of a path outside", function(child)
    local edit = {
      id = "a_5",
      agent = "claude",
      run = 7,
      tool = "Edit",
      input = { file_path = "/w/7-claude/src/a.rs", old_string = "two", new_string = "zwei\ndrei" },
    }
    local file = { "zero", "one", "  two;", "three", "four", "five" }
    local lines = page(child, edit, { agent = { worktree = "/w/7-claude" }, file = file })
    tests.equal(lines, {
      " wants    Edit src/a.rs",
      " in       its worktree /w/7-claude",
      " touches  src/a.rs",
      "",
      "     1   zero",
      "     2   one",
      "     3 -   two;",
      "       +   zwei",
      "       + drei;",
      "     4   three",
      "     5   four",
    })
    edit.input.file_path = "/etc/passwd"
    lines = page(child, edit, { agent = { worktree = "/w/7-claude" } })
    tests.contains(lines[3], "/etc/passwd   outside its worktree")
    tests.equal(vim.list_slice(lines, 5), { "       - two", "       + zwei", "       + drei" })
    local written = page(child, {
      tool = "Write",
      input = { file_path = "new.txt", content = "a\nb" },
    })
    tests.equal(vim.list_slice(written, 4), { "       + a", "       + b" })
  end)

  it("answers what is shown, and goes on to the next", function(child)
    open(child)
    tests.contains(child:lua("return title()"), "Approval 1/2  codex  run 7  turn 1  waiting ")
    tests.contains(child:lua("return title()"), "─ a_4  g? ")
    child:lua([[vim.ui.input = function(options, done) prompt = options.prompt; done("no") end]])
    child:keys("n")
    child:wait_message("orchflow: a_4 denied")
    tests.contains(child:lua("return prompt"), "Deny a_4, because")
    child:wait("the next is shown", [[return title():find("1/1  claude", 1, true)]])
    child:keys("y")
    child:wait_message("orchflow: a_5 allowed")
    child:wait("none is left", [[return vim.fn.getline(1):find("nobody asks") ~= nil]])
    child:keys("y")
    child:wait_message("orchflow: nobody asks for anything")
    tests.equal(child:lua("return answers"), { { "a_4", "denied", "no" }, { "a_5", "allowed" } })
  end)

  it("lets nothing but y and n decide", { tui = true }, function(child)
    open(child)
    child:lua([[vim.ui.input = function(_, done) done(nil) end]])
    for _, key in ipairs({ "<CR>", "<Esc>", "<Space>", "n", "dd", "x" }) do
      child:keys(key)
    end
    child:keys("<C-n>")
    child:wait("the next is shown", [[return title():find("claude", 1, true)]])
    tests.equal(child:lua("return answers"), {})
    tests.equal(child:api("nvim_get_mode").blocking, false)
    child:keys("q")
    child:wait("it is closed", [[return vim.bo.filetype ~= "orchflow"]])
    tests.equal(child:lua("return answers"), {})
  end)

  it("does not change under the finger", function(child)
    open(child)
    child:lua([[
      table.insert(approvals, 1, { id = "a_3", agent = "aider", run = 7, tool = "Bash", input = { command = "ls" } })
      pushed("approval_requested")
    ]])
    child:wait("the count grows", [[return title():find("2/3  codex", 1, true)]])
    child:lua([[
      approvals = vim.tbl_filter(function(each) return each.id ~= "a_4" end, approvals)
      pushed("approval_answered")
    ]])
    child:wait("it says so", [[return vim.fn.getline(1):find("answered elsewhere") ~= nil]])
    tests.contains(child:lua("return title()"), "answered, 2 wait  codex")
    child:keys("y")
    child:wait_message("a_4 is answered already; <C-n> goes on")
    tests.equal(child:lua("return answers"), {})
    child:keys("<C-n>")
    child:wait("another is shown", [[return title():find("1/2  aider", 1, true)]])
  end)

  it("ignores the key that comes right after it went on", function(child)
    open(child, 300)
    child:lua([[
      vim.api.nvim_feedkeys("y", "xt", false)
      vim.wait(1000, function() return #answers == 1 and title():find("claude", 1, true) end, 1)
      vim.api.nvim_feedkeys("y", "xt", false)
      vim.wait(20, function() return #answers > 1 end, 1)
    ]])
    tests.equal(child:lua("return answers"), { { "a_4", "allowed" } })
    child:wait(
      "it stands still",
      [[
      vim.api.nvim_feedkeys("y", "xt", false)
      return #answers == 2
    ]]
    )
  end)

  it("allows nothing of which the end was not on the screen", { tui = true }, function(child)
    child:lua(PREPARE, tests.root)
    child:lua([[
      steady.still_ms = 0
      local lines = {}
      for number = 1, 200 do lines[number] = "echo " .. number end
      approvals[1].input.command = table.concat(lines, "\n")
    ]])
    child:cmd("Orchflow approvals")
    child:wait("it is drawn", [[return vim.fn.search("echo 200", "nw") > 0]])
    child:keys("y")
    child:wait_message("there is more below")
    tests.equal(child:lua("return answers"), {})
    child:keys("Gggy")
    child:wait_message("orchflow: a_4 allowed")
  end)

  it(
    "wraps a long command, so that its end is not hidden",
    { tui = true, columns = 80 },
    function(child)
      child:lua(PREPARE, tests.root)
      child:lua([[
      approvals[1].input.command = "echo " .. ("a"):rep(300) .. " && rm -rf /"
    ]])
      child:cmd("Orchflow approvals")
      child:wait("it is drawn", [[return vim.fn.search("rm -rf", "nw") > 0]])
      tests.equal(
        child:lua([[return { vim.wo.wrap, vim.fn.line("w$") == vim.fn.line("$") }]]),
        { true, true }
      )
      tests.equal(
        child:lua([[
      local last = vim.fn.screenpos(0, vim.fn.line("$"), vim.fn.col({ vim.fn.line("$"), "$" }) - 1)
      return last.row > 0
    ]]),
        true
      )
    end
  )

  it("opens the file, and the pane", function(child)
    open(child)
    local folder = vim.fn.tempname()
    vim.fn.mkdir(folder, "p")
    vim.fn.writefile({ "a" }, folder .. "/one.txt")
    child:lua(
      [[
      client.store().status.agents[1].worktree = ...
      stub.answers.focus = function(params) focused = params.agent; return { focused = "tmux:%3" } end
    ]],
      folder
    )
    child:keys("o")
    child:wait_message("this is about no file")
    child:keys("<C-n>")
    child:wait("the next is shown", [[return title():find("claude", 1, true)]])
    child:keys("o")
    child:wait(
      "the file is open",
      [[return vim.api.nvim_buf_get_name(0) == ... .. "/one.txt"]],
      folder
    )
    child:cmd("Orchflow approvals")
    child:wait("it is drawn", [[return vim.fn.search("npm i", "nw") > 0]])
    child:keys("p")
    child:wait("the pane is in front", [[return focused == "7/codex"]])
  end)

  it("reads a relative path in the agent's worktree, not in the human's tree", function(child)
    child:lua(PREPARE, tests.root)
    local folder = vim.fn.tempname()
    vim.fn.mkdir(folder, "p")
    vim.fn.writefile({ "before", "x a y" }, folder .. "/one.txt")
    child:lua(
      [[client.store().status.agents[1].worktree = ...; table.remove(approvals, 1)]],
      folder
    )
    child:cmd("Orchflow approvals")
    child:wait("it is drawn", [[return vim.fn.search("2 - x a y", "nw") > 0]])
    tests.contains(table.concat(child:lines(), "\n"), "+ x b y")
  end)

  it("says when an answer is refused, and stays", function(child)
    open(child)
    child:lua([[
      stub.answers.approve = function()
        return nil, { code = "unknown_approval", message = "a_4 does not wait any more" }
      end
    ]])
    child:keys("y")
    child:wait_message("orchflow: approve: a_4 does not wait any more")
    tests.contains(child:lua("return title()"), "codex")
  end)
end
