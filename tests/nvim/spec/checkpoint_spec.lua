-- The review buffer: what it shows, what it starts, what it leaves alone. Its keys are in decisions_spec.lua.
return function(it, tests)
  local root

  --- Starts a child in a repository, with agents whose files the stub knows.
  local function prepare(child)
    root = vim.fn.tempname()
    vim.fn.mkdir(root .. "/.git", "p")
    vim.fn.mkdir(root .. "/src", "p")
    root = vim.uv.fs_realpath(root)
    vim.fn.writefile(
      { "local M = {}", "function M.load()", '  return "hello"', "end", "", "return M" },
      root .. "/src/config.lua"
    )
    child:lua(
      [[
      local plugin, root = ...
      vim.cmd.cd(root)
      vim.o.swapfile = false
      package.path = plugin .. "/tests/nvim/?.lua;" .. package.path
      stub = require("stub")
      base = vim.fn.readfile(root .. "/src/config.lua")
      lines = { "local M = {}", "function M.load()", "  local name = \"GREETING\"", "  return vim.env[name]", "end", "",
        "-- vim: set shiftwidth=7 filetype=perl :", "return M" }
      local hunks = stub.changes({ agent = "claude", path = "src/config.lua", words = "env wins" }, base, lines)
      hunks[1].rivals = { stub.rival("h_codex", "codex", "src/config.lua", 3) }
      vim.list_extend(hunks, { stub.hunk({ id = "h_codex", agent = "codex", path = "src/config.lua", old_start = 3,
        new_start = 3, line = 3, removed = { base[3] }, added = { "  return 'codex'" },
        rivals = { stub.rival(hunks[1].id, "claude", "src/config.lua", 3) } }) })
      stub.serve(hunks)
    ]],
      tests.root,
      root
    )
  end

  local function open(child, name)
    child:cmd("edit " .. (name or "orchflow://7/claude/src/config.lua"))
    child:wait(
      "the checkpoint is shown",
      [[
      local page = require("orchflow.review.buffer").page(0) or
        require("orchflow.review.buffer").page(vim.api.nvim_get_current_buf())
      return page ~= nil and page.state == "ready"
    ]]
    )
  end

  --- Lua that gives what the current buffer shows.
  local PAGE = "require('orchflow.review.buffer').page(vim.api.nvim_get_current_buf())"

  it("shows the agent's checkpoint, read-only, on the first hunk", function(child)
    prepare(child)
    open(child)
    tests.equal(
      child:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"),
      child:lua("return lines")
    )
    tests.equal(
      child:lua(
        "return { vim.bo.modifiable, vim.bo.buftype, vim.bo.swapfile, vim.bo.modified, vim.fn.line('.') }"
      ),
      { false, "nofile", false, false, 3 }
    )
    local asked = child:lua("return stub.last('file').params")
    tests.equal(
      { asked.run, asked.agent, asked.path, asked.checkpoint },
      { 7, "claude", "src/config.lua", "c1" }
    )
  end)

  it("takes the newest run where the name has none", function(child)
    prepare(child)
    open(child, "orchflow://claude/src/config.lua")
    tests.equal(child:lines()[1], "local M = {}")
    tests.equal(child:lua("return stub.last('file').params.run"), 7)
  end)

  it(
    "starts nothing: no FileType, no BufRead, no modeline, no editorconfig, no language server",
    function(child)
      prepare(child)
      vim.fn.writefile(
        { "root = true", "[*]", "indent_size = 3", "indent_style = space" },
        root .. "/.editorconfig"
      )
      child:lua([[
      vim.o.modeline = true
      vim.cmd("filetype plugin indent on | syntax on")
      vim.cmd("runtime plugin/editorconfig.lua")
      fired = {}
      for _, event in ipairs({ "FileType", "BufReadPost", "BufReadPre", "BufNewFile", "LspAttach", "Syntax", "BufWritePre" }) do
        vim.api.nvim_create_autocmd(event, { callback = function(info)
          if info.match:find("orchflow", 1, true) or vim.bo[info.buf].buftype == "nofile" then
            fired[#fired + 1] = event
          end
        end })
      end
      if vim.lsp.config then
        vim.lsp.config("any", { cmd = { "cat" }, root_dir = vim.fn.getcwd() })
        vim.lsp.enable("any")
      end
    ]])
      open(child)
      tests.equal(child:lua("return fired"), {})
      tests.equal(
        child:lua(
          "return { vim.bo.filetype, vim.bo.shiftwidth, #vim.lsp.get_clients({ bufnr = 0 }) }"
        ),
        { "", 8, 0 }
      )
      tests.equal(
        child:lua("return vim.b.editorconfig == nil or vim.tbl_isempty(vim.b.editorconfig)"),
        true
      )
    end
  )

  it("colours by tree-sitter where a parser is there", function(child)
    prepare(child)
    open(child)
    tests.equal(
      child:lua([[
      local parser = vim.treesitter.highlighter.active[vim.api.nvim_get_current_buf()]
      return parser ~= nil and vim.b.orchflow_filetype
    ]]),
      "lua"
    )
  end)

  it("colours by a syntax file where none is", function(child)
    prepare(child)
    child:lua([[
      local hunks = stub.changes({ agent = "claude", path = "run.sh" }, { "echo one" }, { "if true; then echo 'two'; fi" })
      stub.serve(hunks)
    ]])
    open(child, "orchflow://7/claude/run.sh")
    local found = child:lua([[
      local names = {}
      for column = 1, 27 do
        names[vim.fn.synIDattr(vim.fn.synID(1, column, 1), "name")] = true
      end
      return vim.tbl_count(names) > 2
    ]])
    tests.equal(found, true)
  end)

  it(
    "says in its winbar what is looked at, and leaves other buffers theirs",
    { tui = true },
    function(child)
      prepare(child)
      open(child)
      local bar = child:lua([[
      return vim.api.nvim_eval_statusline(vim.wo.winbar, { use_winbar = true, winid = 0 }).str
    ]])
      tests.contains(bar, "claude > src/config.lua  hunk 1/2  turn 2  14:02:11")
      tests.contains(bar, "g?")
      child:cmd("edit src/config.lua")
      tests.equal(
        child:lua("return { vim.wo.winbar, vim.wo.signcolumn, vim.wo.foldenable }"),
        { "", "auto", true }
      )
      child:cmd("buffer #")
      tests.contains(child:lua("return vim.wo.winbar"), "orchflow")
    end
  )

  it("stays as it is while the agent writes, says so, and loads it on R", function(child)
    prepare(child)
    open(child)
    child:lua([[
      stub.checkpoint = "c2"
      newer = vim.list_extend({ "-- newer" }, lines)
      newer[4] = "  local name = \"OTHER\""
      stub.serve(stub.changes({ agent = "claude", path = "src/config.lua", hash = ("1"):rep(64) }, base, newer))
      vim.api.nvim_win_set_cursor(0, { 4, 0 })
      require("orchflow.client").receive({ { kind = "events", cursor = 9, events = {
        { seq = 9, type = "checkpoint_taken", agent = "claude", run = 7, summary = "", data = {} } } } })
    ]])
    child:wait(
      "it is known",
      "return require('orchflow.review.buffer').page(vim.api.nvim_get_current_buf()).is_behind"
    )
    tests.equal(child:lines(), child:lua("return lines"))
    tests.equal(child:lua("return vim.fn.line('.')"), 4)
    local bar = child:lua("return require('orchflow.review.paint').bar(" .. PAGE .. ", nil, 1)")
    tests.equal(bar[4], { "  agent wrote since: R", "OrchflowWaiting" })
    child:keys("R")
    child:wait_message("newer version loaded")
    tests.equal(child:lines(), child:lua("return newer"))
    tests.equal(
      child:lua(
        "return require('orchflow.review.buffer').page(vim.api.nvim_get_current_buf()).is_behind"
      ),
      false
    )
  end)

  it("asks for what is looked at, and for the rest when it is looked at again", function(child)
    prepare(child)
    open(child)
    child:cmd("set hidden | enew")
    child:lua([[
      stub.asked = {}
      stub.all[1].state = "accepted"
      require("orchflow.review.buffer").refresh_soon()
      vim.wait(400, function() return #stub.asked > 0 end, 10)
    ]])
    tests.equal(child:lua("return #stub.asked"), 0)
    child:cmd("buffer #")
    child:wait("it is known", "return " .. PAGE .. ".hunks[1].state == 'accepted'")
  end)

  it("does not speak of the agent's writing after a decision of the human's", function(child)
    prepare(child)
    open(child)
    child:keys("X")
    child:wait_message("rejected")
    child:lua([[
      stub.all = vim.tbl_filter(function(hunk) return hunk.state == "undecided" end, stub.all)
      stub.checkpoint = "c2"
      answered = #stub.asked
      require("orchflow.review.buffer").refresh_soon()
    ]])
    child:wait("it was asked again", "return #stub.asked > answered")
    child:lua("vim.wait(20)")
    tests.equal(
      child:lua(
        "return require('orchflow.review.buffer').page(vim.api.nvim_get_current_buf()).is_behind"
      ),
      false
    )
  end)

  it("shows what a deleted file was, and says what cannot be shown", function(child)
    prepare(child)
    child:lua([[
      local gone = stub.changes({ agent = "claude", path = "gone.txt", change = "deleted" }, { "a", "b" }, {})
      local odd = { stub.hunk({ id = "h_odd", agent = "claude", path = "odd.bin", change = "binary", removed = {}, added = {} }) }
      stub.serve(vim.list_extend(gone, odd))
    ]])
    open(child, "orchflow://7/claude/gone.txt")
    tests.equal(child:lines(), { "a", "b" })
    open(child, "orchflow://7/claude/odd.bin")
    tests.contains(child:lines()[1], "The file is binary")
    open(child, "orchflow://7/claude/nowhere.txt")
    tests.contains(child:lines()[1], "The agent has no such file")
  end)

  it("says why a file cannot be shown", function(child)
    prepare(child)
    child:lua([[stub.answers.file = function()
      return nil, { code = "repository", message = "the repository cannot be read", hint = "look at its disk" }
    end]])
    child:cmd("edit orchflow://7/claude/src/config.lua")
    child:wait_message("the repository cannot be read (look at its disk)")
    tests.contains(child:lines()[1], "the repository cannot be read")
  end)

  it("survives odd names", function(child)
    prepare(child)
    child:lua([[
      local hunk = stub.hunk({ id = "h_1", agent = "claude", path = "a b%\n#[x].txt", change = "added", added = { "new\r" } })
      local bytes = stub.hunk({ id = "h_2", agent = "claude", path = "caf?.txt", path_b64 = vim.base64.encode("caf\233.txt"), change = "added" })
      stub.serve({ hunk, bytes })
      name = require("orchflow.review.name")
      vim.cmd.buffer(vim.fn.bufadd(name.of(hunk)))
    ]])
    child:wait("it is filled", [[return vim.fn.getline(1) == "new"]])
    tests.equal(
      child:lua([[
      local named = name.parse(name.of(stub.all[2]))
      return { named.path == "caf\233.txt", name.params(named).path_b64 == vim.base64.encode("caf\233.txt"), name.of(stub.all[2]) }
    ]]),
      { true, true, "orchflow://7/claude/caf%E9.txt" }
    )
    child:cmd("edit orchflow://nonsense")
    tests.equal(child:lua("return vim.bo.modifiable"), false)
  end)

  it("cycles how much is shown", function(child)
    prepare(child)
    open(child)
    local function marks()
      return child:lua([[
        local namespace = vim.api.nvim_get_namespaces().orchflow_inline
        local all = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
        return { #all > 0, #vim.tbl_filter(function(mark) return mark[4].virt_lines ~= nil end, all) }
      ]])
    end
    tests.equal(marks(), { true, 2 })
    child:keys("=")
    child:wait_message("added lines only")
    tests.equal(marks(), { true, 0 })
    child:keys("=")
    child:wait_message("the file as it is")
    tests.equal(marks(), { false, 0 })
    child:keys("=")
    child:wait_message("added and removed lines")
    tests.equal(marks(), { true, 2 })
  end)

  it("compares side by side in diff mode, and leaves no trace", { tui = true }, function(child)
    prepare(child)
    child:cmd("edit src/config.lua")
    local mine = child:api("nvim_get_current_buf")
    open(child)
    child:keys("dv")
    child:wait(
      "a tab with two windows is open",
      "return #vim.api.nvim_tabpage_list_wins(0) == 2 and vim.fn.tabpagenr('$') == 2"
    )
    tests.equal(
      child:lua([[
      return vim.tbl_map(function(window) return vim.wo[window].diff end, vim.api.nvim_tabpage_list_wins(0))
    ]]),
      { true, true }
    )
    tests.equal(child:lua("return vim.fn.winbufnr(1)"), mine)
    tests.equal(child:lines(), child:lua("return lines"))
    tests.contains(child:lua("return vim.wo.winbar"), "dv closes")
    child:keys("dv")
    child:wait("the tab is closed", "return vim.fn.tabpagenr('$') == 1")
    child:cmd("buffer " .. mine)
    tests.equal(
      child:lua(
        "return { vim.wo.diff, vim.wo.foldmethod, vim.wo.scrollbind, vim.wo.cursorbind, vim.wo.winbar }"
      ),
      { false, "manual", false, false, "" }
    )
    child:cmd("buffer #")
    child:keys("dV")
    child:wait("the tab is open", "return vim.fn.tabpagenr('$') == 2")
    tests.equal(
      child:lua("return vim.fn.getbufline(vim.fn.winbufnr(1), 1, '$')"),
      child:lua("return base")
    )
    child:wait("it says by which key", [[return vim.wo.winbar:find("dV closes", 1, true) ~= nil]])
    -- What lists buffers names both.
    tests.equal(
      child:lua("return { vim.fn.bufname(vim.fn.winbufnr(1)), vim.fn.bufname(vim.fn.winbufnr(2)) }"),
      { "orchflow-diff://base/src/config.lua", "orchflow-diff://claude/src/config.lua" }
    )
    child:cmd("tabclose")
    child:wait("the tab is closed", "return vim.fn.tabpagenr('$') == 1")
  end)

  it("opens the agent's own file and the human's, at the place", function(child)
    prepare(child)
    open(child)
    vim.fn.mkdir(root .. "/tree/src", "p")
    vim.fn.writefile(child:lua("return lines"), root .. "/tree/src/config.lua")
    child:lua([[
      for _, hunk in ipairs(require("orchflow.review.buffer").page(vim.api.nvim_get_current_buf()).hunks) do
        hunk.agent_path = vim.fn.getcwd() .. "/tree/src/config.lua"
      end
      vim.api.nvim_win_set_cursor(0, { 8, 0 })
    ]])
    child:keys("o")
    child:wait(
      "the own file is open at the same line",
      [[return vim.fn.expand("%:.") == "src/config.lua" and vim.fn.getline(".") == "return M"]]
    )
    child:cmd("buffer #")
    child:keys("i")
    child:wait(
      "the agent's file is open at the same line",
      [[return vim.fn.expand("%:.") == "tree/src/config.lua" and vim.fn.getline(".") == "return M"]]
    )
  end)

  it("enters the agent's worktree at the file and line it shows", function(child)
    prepare(child)
    open(child)
    local tree = root .. "/tree"
    vim.fn.mkdir(tree .. "/src", "p")
    vim.fn.writefile({ "gitdir: elsewhere" }, tree .. "/.git")
    vim.fn.writefile(child:lua("return lines"), tree .. "/src/config.lua")
    child:lua(
      [[
      local status = stub.status()
      status.agents[1].worktree = ...
      stub.answers.status = function() return status end
      vim.api.nvim_win_set_cursor(0, { 4, 0 })
    ]],
      tree
    )
    local agent = child:lua("return stub.status().agents[1].key")
    child:cmd("Orchflow enter " .. agent)
    child:wait("the tab page is there", "return #vim.api.nvim_list_tabpages() == 2")
    tests.equal(
      child:lua([[return { vim.api.nvim_buf_get_name(0), vim.fn.line("."), vim.fn.getcwd() }]]),
      { tree .. "/src/config.lua", 4, tree }
    )
  end)

  it("says why in a float", function(child)
    prepare(child)
    open(child)
    child:keys("K")
    child:wait(
      "the host's answer is shown",
      "return vim.fn.search('turn 2: make it configurable', 'n') > 0"
    )
    local said = table.concat(child:lines(), "\n")
    tests.contains(said, "says      env wins")
    tests.contains(said, "rival     codex:3 another text")
    tests.contains(said, "stands    undecided")
    child:keys("q")
    child:wait("it is closed", "return vim.fn.bufname():find('config.lua', 1, true)")
  end)

  it("shows lines that are gone from the top of a file", { tui = true }, function(child)
    prepare(child)
    child:lua([[
      stub.serve(stub.changes({ agent = "claude", path = "top.txt" }, { "gone 1", "gone 2", "kept" }, { "kept" }))
    ]])
    open(child, "orchflow://7/claude/top.txt")
    child:wait("they are on the screen", "return vim.fn.winsaveview().topfill == 2")
  end)

  it(
    "tells the host what was on the screen for a moment, together, and once",
    { tui = true },
    function(child)
      prepare(child)
      open(child)
      child:wait("the host is told", "return stub.last('seen') ~= nil")
      local told = child:lua("return stub.last('seen').params.hunks")
      tests.equal(#told, 2)
      tests.equal(told[1].hash, ("0"):rep(64))
      child:cmd("normal! G")
      child:cmd("normal! gg")
      child:lua("vim.wait(900, function() return false end)")
      tests.equal(
        child:lua(
          [[return #vim.tbl_filter(function(asked) return asked.method == "seen" end, stub.asked)]]
        ),
        1
      )
    end
  )

  it("does not take for seen what is below the screen", { tui = true }, function(child)
    prepare(child)
    child:lua([[
      local new = {}
      for number = 1, 90 do new[number] = "line " .. number end
      stub.serve(stub.changes({ agent = "claude", path = "long.txt", change = "added" }, {}, new))
    ]])
    open(child, "orchflow://7/claude/long.txt")
    child:cmd("redraw")
    tests.equal(
      child:lua([[
      local hunk = require("orchflow.review.buffer").page(vim.api.nvim_get_current_buf()).hunks[1]
      local seen = require("orchflow.review.seen")
      return { seen.is_shown(hunk), seen.is_partly_shown(hunk) }
    ]]),
      { false, true }
    )
    for _ = 1, 4 do
      child:keys("<C-f>")
    end
    child:wait(
      "all of it was on the screen",
      "return require('orchflow.review.seen').is_shown(" .. PAGE .. ".hunks[1])"
    )
  end)
end
