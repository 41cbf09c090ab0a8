return function(it, tests)
  local TUI = { tui = true }

  local function prepare(child)
    child:lua(
      [[
      package.path = ... .. "/tests/nvim/?.lua;" .. package.path
      stub = require("stub")
      vim.fn.delete(require("orchflow.prompt.draft").folder(), "rf")
      stub.answers.send = function(params)
        if refusal then
          return nil, { code = "agent_gone", message = refusal }
        end
        return { prompts = { { id = 1, agent = params.to[1], state = "queued" } } }
      end
      function drafts()
        return vim.fn.glob(require("orchflow.prompt.draft").folder() .. "/*.json", true, true)
      end
      function sent()
        return vim.tbl_map(function(each) return each.params end, vim.tbl_filter(function(each)
          return each.method ~= "status"
        end, stub.asked))
      end
    ]],
      tests.root
    )
  end

  --- Types a command as the human does, and waits for the prompt it opens.
  local function open(child, command)
    child:keys(":" .. command .. "<CR>")
    child:wait("the prompt is open", [[return vim.b.orchflow_prompt ~= nil]])
  end

  local function wait_closed(child)
    child:wait(
      "the prompt is closed",
      [[return #vim.api.nvim_list_wins() == 1 and vim.bo.buftype == ""]]
    )
  end

  for _, how in ipairs({
    "<Esc>:w<CR>",
    "<Esc>:wq<CR>",
    "<Esc>:x<CR>",
    "<Esc>:up<CR>",
    "<Esc>ZZ",
    "<C-s>",
  }) do
    it("sends and closes with " .. how, TUI, function(child)
      prepare(child)
      open(child, "Orchflow send claude")
      tests.equal(
        child:lua("return { vim.bo.filetype, vim.bo.buftype, vim.bo.buflisted, vim.fn.winnr('$') }"),
        { "markdown", "acwrite", false, 2 }
      )
      tests.contains(child:lua("return vim.wo.winbar"), "send: prompt for claude")
      child:keys("100% of #1 | done<CR>second line" .. how)
      wait_closed(child)
      child:wait_message("prompt queued for claude")
      tests.equal(
        child:lua("return sent()"),
        { { to = { "claude" }, text = "100% of #1 | done\nsecond line" } }
      )
      tests.equal(child:lua("return drafts()"), {})
      tests.equal(child:api("nvim_get_mode").mode, "n")
    end)
  end

  for _, how in ipairs({ ":q!<CR>", "ZQ" }) do
    it("throws the text away with " .. how, TUI, function(child)
      prepare(child)
      open(child, "Orchflow send claude")
      child:keys("never mind<Esc>")
      child:wait("it is kept", "return #drafts() == 1")
      child:keys(how)
      wait_closed(child)
      tests.equal(child:lua("return { sent(), drafts() }"), { {}, {} })
      open(child, "Orchflow send claude")
      tests.equal(child:lines(), { "" })
    end)
  end

  it("asks before :q throws a text away, as for any text", TUI, function(child)
    prepare(child)
    open(child, "Orchflow send claude")
    child:keys("hello<Esc>:q<CR>")
    child:wait_message("E37: No write since last change")
    tests.equal(child:lua("return vim.fn.winnr('$')"), 2)
    child:wait("it is settled", "return not vim.bo.modified")
    child:keys("dd:q<CR>")
    wait_closed(child)
    tests.equal(child:lua("return { sent(), drafts() }"), { {}, {} })
  end)

  it("keeps the text where it cannot be sent", TUI, function(child)
    prepare(child)
    child:lua([[refusal = "claude has ended"]])
    open(child, "Orchflow send claude")
    child:keys("hello<Esc>:w<CR>")
    child:wait_message("orchflow: not sent: claude has ended")
    tests.equal(child:lines(), { "hello" })
    tests.equal(child:lua("return { vim.bo.modifiable, #drafts() }"), { true, 1 })
    child:cmd("messages clear")
    child:keys(":wq<CR>")
    child:wait_message("orchflow: not sent: claude has ended")
    child:wait("the text is back", [[return vim.fn.getline(1) == "hello" and vim.bo.modifiable]])
    child:lua("refusal = nil")
    child:keys(":w<CR>")
    wait_closed(child)
    tests.equal(child:lua("return #sent()"), 3)
    tests.equal(child:lua("return drafts()"), {})
  end)

  it("never sends an empty prompt", TUI, function(child)
    prepare(child)
    open(child, "Orchflow send claude")
    child:keys("<Esc>:w<CR>")
    child:wait_message("nothing is written yet, so nothing is sent")
    child:keys(":wq<CR>")
    wait_closed(child)
    tests.equal(child:lua("return sent()"), {})
  end)

  for _, command in ipairs({ "wa", "bufdo w", "windo w", "wall!", "tabdo w", "silent! wa" }) do
    it("is not sent by :" .. command, TUI, function(child)
      prepare(child)
      local file = vim.fn.tempname()
      child:cmd("edit " .. file)
      child:lua([[vim.fn.setline(1, "mine")]])
      open(child, "Orchflow send claude")
      child:keys("hello<Esc>:" .. command .. "<CR>")
      if command ~= "tabdo w" then
        child:wait("the other file is written", [[return vim.fn.filereadable(...) == 1]], file)
      end
      child:wait("the draft is kept", "return #drafts() == 1")
      -- From another window as well, and by a mapping that no command line shows.
      child:lua([[vim.keymap.set("n", "<F2>", "<Cmd>" .. ... .. "<CR>")]], command)
      child:keys("<C-w>p<F2>:echo 'reached'<CR>")
      child:wait("the keys were taken", [[return vim.fn.histget("cmd", -1) == "echo 'reached'"]])
      tests.equal(child:lua("return sent()"), {})
      tests.equal(child:api("nvim_get_mode").blocking, false)
      vim.fn.delete(file)
    end)
  end

  it("neither holds :wqa up nor is sent by it, and is there again", TUI, function(child)
    prepare(child)
    open(child, "Orchflow send claude")
    tests.equal(child:leave("hello<Esc>:wqa<CR>"), 0)
    local state = vim.env.XDG_STATE_HOME
    local kept = vim.fn.glob(state .. "/nvim/orchflow/drafts/*.json", true, true)
    tests.equal(#kept, 1)
    tests.contains(table.concat(vim.fn.readfile(kept[1])), "hello")
    tests.lacks(table.concat(vim.fn.readfile(kept[1])), "sending")
    vim.fn.delete(kept[1])
  end)

  it("is not written by a timer or by another window's write", TUI, function(child)
    prepare(child)
    open(child, "Orchflow send claude")
    child:keys("hello<Esc><C-w>p")
    child:wait("the human is elsewhere", "return vim.b.orchflow_prompt == nil")
    child:lua([[
      for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
        if vim.bo[buffer].buftype == "acwrite" then
          vim.api.nvim_buf_call(buffer, function() vim.cmd("silent! write") end)
        end
      end
    ]])
    tests.equal(child:lua("return sent()"), {})
  end)

  it("is not sent by a plugin that saves by itself while it is written", TUI, function(child)
    prepare(child)
    child:lua([[
      vim.api.nvim_create_autocmd({ "TextChangedI", "InsertLeave", "FocusLost" }, { callback = function()
        vim.cmd("silent! write")
        vim.cmd("silent! update")
        vim.defer_fn(function()
          vim.cmd("silent! write")
          vim.cmd("silent! wall")
          saved = (saved or 0) + 1
        end, 1)
      end })
    ]])
    open(child, "Orchflow send claude")
    child:keys("hello")
    child:wait("it was saved while it was typed", "return (saved or 0) >= 1")
    child:keys("<Esc>")
    child:lua("saved = 0")
    child:cmd("doautocmd FocusLost")
    child:wait("it was saved afterwards", "return saved >= 1")
    tests.equal(child:lua("return { sent(), vim.fn.getline(1) }"), { {}, "hello" })
    child:keys(":w<CR>")
    child:wait("it is sent when that is asked for", "return #sent() == 1")
  end)

  it("comes back after Neovim was killed", TUI, function(child)
    prepare(child)
    open(child, "Orchflow send claude")
    child:keys("a long thought")
    child:wait(
      "it is kept while it is typed",
      [[
      local found = drafts()[1]
      return found and table.concat(vim.fn.readfile(found)):find("a long thought") ~= nil
    ]]
    )
    local draft = child:lua("return drafts()[1]")
    tests.equal(vim.uv.fs_stat(draft).mode % 512, tonumber("600", 8), "readable by nobody else")
    local kept = vim.fn.readfile(draft)
    vim.uv.kill(child:lua("return vim.uv.os_getpid()"), "sigkill")
    vim.wait(5000, function()
      return child.exited
    end, 5)
    local Child = require("child")
    local second = Child.new(tests.nvim, tests.root, { tui = true })
    local ok, problem = pcall(function()
      prepare(second)
      vim.fn.mkdir(vim.fs.dirname(draft), "p")
      vim.fn.writefile(kept, draft)
      open(second, "Orchflow send claude")
      tests.equal(second:lines(), { "a long thought" })
      second:wait_message("is back; :q! throws it away")
      second:keys(":q!<CR>")
      wait_closed(second)
      open(second, "Orchflow send codex")
      tests.equal(second:lines(), { "" })
    end)
    second:stop()
    assert(ok, problem)
  end)

  it("quotes a selection with its place", TUI, function(child)
    prepare(child)
    local root = vim.fn.tempname()
    vim.fn.mkdir(root .. "/.git", "p")
    vim.fn.writefile({ "one", "```", "three", "four" }, root .. "/notes.md")
    child:cmd("cd " .. root)
    child:cmd("edit notes.md")
    child:cmd("setfiletype markdown")
    child:keys("ggVjj:Orchflow send claude<CR>")
    child:wait("the prompt is open", [[return vim.b.orchflow_prompt ~= nil]])
    tests.equal(
      child:lines(),
      { "notes.md:1-3", "````markdown", "one", "```", "three", "````", "", "" }
    )
    tests.contains(child:lua("return vim.wo.winbar"), "about notes.md:1-3")
    child:keys("explain this<C-s>")
    child:wait("it is sent", "return #sent() == 1")
    tests.contains(child:lua("return sent()[1].text"), "````\n\nexplain this")
    child:wait("the file is back", [[return vim.fn.expand("%:t") == "notes.md"]])
    child:keys(":2Orchflow send claude look<CR>")
    child:wait("it is sent", "return #sent() == 2")
    tests.equal(child:lua("return sent()[2].text"), "look\n\nnotes.md:2\n````markdown\n```\n````")
    vim.fn.delete(root, "rf")
  end)

  it("asks whom, and never means all by itself", TUI, function(child)
    prepare(child)
    child:lua([[
      stub.answers.status = function()
        return { runs = {}, agents = {
          { agent = "claude", run = 7, key = "7/claude", status = "working", living = true },
          { agent = "codex", run = 7, key = "7/codex", status = "waiting", waiting_for = "approval", living = true },
          { agent = "gone", run = 7, key = "7/gone", status = "exited", living = false },
        } }
      end
      vim.ui.select = function(items, options, done)
        shown = vim.tbl_map(options.format_item, items)
        kind = options.kind
        done(choice and items[choice] or nil, choice)
      end
    ]])
    child:keys(":Orchflow send<CR>")
    child:wait("it is asked", "return shown ~= nil")
    tests.equal(
      child:lua("return { shown, kind }"),
      { { "7/claude  working", "7/codex  needs approval", "all 2 agents" }, "orchflow_agent" }
    )
    tests.equal(child:lua("return #vim.api.nvim_list_wins()"), 1)
    child:lua("choice = 2")
    open(child, "Orchflow send")
    child:keys("yes<C-s>")
    child:wait("it is sent", "return #sent() == 1")
    tests.equal(child:lua("return sent()[1].to"), { "7/codex" })
  end)

  it("opens for each verb that lacks its text", TUI, function(child)
    prepare(child)
    child:lua([[
      stub.serve(stub.hunks())
      stub.answers.swarm = function() return { run = 8, base = "main@abc", agents = { "claude" } } end
      stub.answers.spawn = function() return { run = 8, agent = "claude" } end
      require("orchflow.review.list").take({}, stub.hunks())
      require("orchflow.state").take_status(require("orchflow.client").store(), {
        runs = { { run = 7, objective = "Do it" } }, agents = {},
      })
    ]])
    for _, case in ipairs({
      { "swarm --agents claude,codex", "swarm: objective for claude, codex", "swarm", "objective" },
      { "spawn codex", "spawn: first prompt for codex", "spawn", "prompt", "Do it" },
      { "reject h_aa01", "reject: why, for claude one.txt:2", "reject", "reason" },
      { "comment h_aa01", "comment: for claude one.txt:2", "comment", "text" },
    }) do
      open(child, "Orchflow " .. case[1])
      tests.contains(child:lua("return vim.wo.winbar"), case[2])
      child:keys("<Esc>A more<C-s>")
      wait_closed(child)
      local asked = child:lua(
        [[
        local verb, argument = ...
        for index = #stub.asked, 1, -1 do
          if stub.asked[index].method == verb then
            return stub.asked[index].params[argument]
          end
        end
      ]],
        case[3],
        case[4]
      )
      tests.equal(asked, case[5] and case[5] .. " more" or "more", case[1])
    end
  end)

  it("keeps the text when uncommitted changes stop a swarm", TUI, function(child)
    prepare(child)
    child:lua([[
      stub.answers.swarm = function()
        return nil, { code = "dirty_tree", message = "there are 3 uncommitted changes" }
      end
      vim.ui.select = function(_, _, done) done("do not start", 3) end
    ]])
    open(child, "Orchflow swarm")
    child:keys("hello<Esc>:w<CR>")
    child:wait_message("orchflow: not sent: nothing was started")
    tests.equal(child:lines(), { "hello" })
  end)

  it("completes agents, files and lines", TUI, function(child)
    prepare(child)
    child:lua([[
      require("orchflow.state").take_status(require("orchflow.client").store(), {
        agents = { { agent = "claude", run = 7, key = "7/claude" }, { agent = "codex", run = 7, key = "7/codex" } },
      })
    ]])
    local root = vim.fn.tempname()
    vim.fn.mkdir(root .. "/src", "p")
    vim.fn.writefile({ "a", "b", "c" }, root .. "/src/main.rs")
    vim.fn.writefile({ "a" }, root .. "/README.md")
    vim.system({ "git", "init", "-q", root }):wait()
    child:cmd("cd " .. root)
    child:cmd("edit src/main.rs")
    child:keys("jVj<Esc>gg")
    open(child, "Orchflow send claude")
    local function words(base)
      return child:lua(
        [[return vim.tbl_map(function(item) return item.word end, require("orchflow.prompt.mention").candidates(...))]],
        base
      )
    end
    child:wait(
      "files are listed",
      [[return #require("orchflow.prompt.mention").candidates("@c") == 3]]
    )
    tests.equal(words("@c"), { "@claude", "@codex", "@src/main.rs" })
    tests.equal(words("@src/"), { "@src/main.rs" })
    tests.equal(words("@m"), { "@src/main.rs", "@README.md" })
    tests.equal(words("@src/main.rs:"), { "@src/main.rs:2-3", "@src/main.rs:1" })
    child:keys("ask @cod<C-x><C-u>")
    child:wait("it is completed", [[return vim.fn.getline(1) == "ask @codex"]])
    child:keys(" and @src/ma<C-x><C-o>")
    child:wait("it is completed", [[return vim.fn.getline(1) == "ask @codex and @src/main.rs"]])
    vim.fn.delete(root, "rf")
  end)

  it(
    "leaves layout, registers, marks, jumps and the alternate file as they were",
    TUI,
    function(child)
      prepare(child)
      local file = vim.fn.tempname()
      vim.fn.writefile({ "one", "two", "three" }, file)
      child:cmd("edit " .. file)
      child:cmd("split | vsplit")
      child:cmd("resize 5 | vertical resize 30")
      child:lua([[
      vim.fn.setreg('"', "mine")
      vim.fn.setreg("/", "pattern")
      vim.cmd("normal! Gma")
      function everything()
        return {
          layout = vim.fn.winlayout(),
          sizes = vim.fn.winrestcmd(),
          cursor = vim.api.nvim_win_get_cursor(0),
          registers = { vim.fn.getreg('"'), vim.fn.getreg("/"), vim.fn.getreg("0"), vim.fn.getreg("#") },
          marks = vim.fn.getmarklist(vim.api.nvim_get_current_buf()),
          jumps = vim.fn.getjumplist(),
          undo = vim.fn.undotree().seq_last,
        }
      end
    ]])
      local before = child:lua("return everything()")
      for _, how in ipairs({ "hello<C-s>", "hello<Esc>ZQ", "<Esc>:q<CR>", "hello<Esc>:wq<CR>" }) do
        open(child, "Orchflow send claude")
        child:keys(how)
        child:wait("it is closed", "return #vim.api.nvim_list_wins() == 3")
        local same = vim.wait(3000, function()
          return vim.deep_equal(child:lua("return everything()"), before)
        end, 20)
        if not same then
          tests.equal(child:lua("return everything()"), before, how)
        end
      end
      vim.fn.delete(file)
    end
  )

  it("writes a copy elsewhere without sending", TUI, function(child)
    prepare(child)
    local file = vim.fn.tempname()
    open(child, "Orchflow send claude")
    child:keys("hello<Esc>:w " .. file .. "<CR>")
    child:wait_message("not sent")
    tests.equal(vim.fn.readfile(file), { "hello" })
    tests.equal(child:lua("return sent()"), {})
    vim.fn.delete(file)
  end)
end
