return function(it, tests)
  local PREPARE = [[
    package.path = ... .. "/tests/nvim/?.lua;" .. package.path
    stub = require("stub")
    client = require("orchflow.client")
    status = stub.status()
    require("orchflow.state").take_status(client.store(), status)
    approvals = {
      { id = "a_4", agent = "codex", run = 7, tool = "Bash", summary = "Bash: npm i", reason = "for the banner",
        input = { command = "npm i" }, requested_at = 0, answerable = true, rule = "Bash: npm i*", editable = true },
      { id = "a_5", agent = "claude", run = 7, tool = "Edit", input = { file_path = "one.txt", old_string = "a",
        new_string = "b" }, requested_at = 0, answerable = true, rule = "Edit: *", editable = false },
    }
    stub.answers.approvals = function() return { approvals = vim.deepcopy(approvals) } end
    answers = {}
    local function answered(state)
      return function(params)
        local ids = type(params.id) == "table" and params.id or { params.id }
        answers[#answers + 1] = { params.id, state, params.reason }
        last = params
        approvals = vim.tbl_filter(function(each) return not vim.tbl_contains(ids, each.id) end, approvals)
        if #ids == 1 then
          return { id = ids[1], state = state, rule = params.rule, scope = params["for"] }
        end
        return { answers = vim.tbl_map(function(id) return { id = id, state = state } end, ids) }
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

  it(
    "shows what a tool would change as a proposal, and the rule that would allow it",
    function(child)
      local lines = page(child, {
        id = "a_5",
        agent = "claude",
        run = 7,
        tool = "Edit",
        rule = "Edit: *",
        input = { file_path = "a.rs", old_string = "x", new_string = "y", replace_all = true },
        proposed = {
          path = "a.rs",
          lines = { "@@ -1,2 +1,2 @@", " one\27", "-x", "+y" },
          left = 3,
          note = "the file is too large to compare",
        },
      }, { marks = 2, marked = true })
      tests.equal(lines, {
        " wants    Edit a.rs",
        " touches  a.rs",
        " rule     Edit: *   (A allows it from now on)",
        " marks    marked; 2 marks; y and n answer them",
        "",
        " proposed the file is too large to compare",
        "  @@ -1,2 +1,2 @@",
        "   one",
        "  -x",
        "  +y",
        "  … 3 lines more",
        " replace_all true",
      })
    end
  )

  it("allows by a rule that is shown and may be changed before it is made", function(child)
    open(child)
    child:lua([[
      vim.ui.select = function(items, options, done)
        chosen = { options.prompt, vim.tbl_map(options.format_item, items) }
        done(items[2])
      end
      vim.ui.input = function(options, done) asked = options; done("Bash: npm ci*") end
    ]])
    child:keys("A")
    child:wait_message("a_4 allowed; rule: Bash: npm ci* (run)")
    tests.equal(child:lua("return chosen[1]"), "Allow Bash: npm i*")
    tests.equal(child:lua("return chosen[2]"), {
      "for 7/codex, as long as it stands",
      "for every agent of run 7",
      "always, for every agent in every repository of yours",
    })
    tests.equal(child:lua("return asked.default"), "Bash: npm i*")
    tests.equal(child:lua([[return { last.id, last["for"], last.rule }]]), {
      "a_4",
      "run",
      "Bash: npm ci*",
    })
  end)

  it("makes no rule where the human turns back", function(child)
    open(child)
    child:lua([[
      vim.ui.select = function(items, _, done) done(items[1]) end
      vim.ui.input = function(_, done) done(nil) end
    ]])
    child:keys("A")
    child:lua([[vim.ui.select = function(_, _, done) done(nil) end]])
    child:keys("A")
    tests.equal(child:lua("return answers"), {})
  end)

  it("answers all that are marked, after one question", function(child)
    child:lua(PREPARE, tests.root)
    child:lua([[
      steady.still_ms = 0
      approvals[3] = { id = "a_6", agent = "aider", run = 7, tool = "Bash", summary = "Bash: ls",
        input = { command = "ls" }, requested_at = 0, answerable = true }
      approvals[4] = { id = "a_7", agent = "qwen", run = 7, tool = "Bash", input = { command = "id" },
        requested_at = 0, answerable = false }
    ]])
    child:cmd("Orchflow approvals")
    child:wait("it is drawn", [[return vim.fn.search("npm i", "nw") > 0]])
    child:keys("M")
    child:wait("two are marked", [[return vim.fn.search("marked; 2 marks", "nw") > 0]])
    child:lua([[
      vim.ui.select = function(items, options, done) prompt = options.prompt; done(items[2], 2) end
    ]])
    child:keys("y")
    child:wait_message("orchflow: 2 allowed")
    tests.equal(child:lua("return prompt"), "allow codex: Bash: npm i; aider: Bash: ls?")
    tests.equal(child:lua("return answers[1][1]"), { "a_4", "a_6" })
    child:wait("the next is shown", [[return title():find("1/2  claude", 1, true)]])
    child:keys("m")
    child:wait("the one after is shown", [[return title():find("2/2  qwen", 1, true)]])
    child:lua([[vim.ui.input = function(options, done) prompt = options.prompt; done("no") end]])
    child:keys("n")
    child:wait_message("orchflow: a_5 denied")
    tests.contains(child:lua("return prompt"), "Deny a_5")
  end)

  it("allows with other arguments, written as JSON", function(child)
    open(child)
    child:lua(
      [[approvals[1].input = { command = "npm i", nested = { 1, { deep = true } }, empty = {} }]]
    )
    child:lua([[pushed("approval_requested")]])
    child:keys("q")
    child:cmd("Orchflow approvals")
    child:wait("it is drawn", [[return vim.fn.search("nested", "nw") > 0]])
    child:keys("e")
    child:wait("the arguments are open", [[return vim.bo.buftype == "acwrite"]])
    tests.equal(child:lines(), {
      "{",
      '  "command": "npm i",',
      '  "empty": {},',
      '  "nested": [',
      "    1,",
      "    {",
      '      "deep": true',
      "    }",
      "  ]",
      "}",
    })
    child:lua([[vim.api.nvim_buf_set_lines(0, 0, -1, false, { "[1" }); pcall(vim.cmd, "write")]])
    child:wait_message("arguments are a JSON object")
    tests.equal(child:lua("return answers"), {})
    child:lua([[
      vim.api.nvim_buf_set_lines(0, 0, -1, false, { '{ "command": "npm ci" }' })
      vim.cmd("write")
    ]])
    child:wait_message("a_4 allowed")
    tests.equal(child:lua("return last.edit"), '{ "command": "npm ci" }')
    child:wait("the buffer is gone", [[return vim.bo.buftype ~= "acwrite"]])
  end)

  it("says where no other arguments are taken", function(child)
    open(child)
    child:keys("<C-n>")
    child:wait("the next is shown", [[return title():find("claude", 1, true)]])
    child:keys("e")
    child:wait_message("claude takes no other arguments; n denies it with a reason")
  end)
end
