return function(it, tests)
  local PREPARE = [[
    package.path = ... .. "/tests/nvim/?.lua;" .. package.path
    stub = require("stub")
    client = require("orchflow.client")
    status = stub.status()
    stub.answers.status = function() return vim.deepcopy(status) end
    stub.answers.attach = function(params)
      local name = params.agent:gsub("^%d+/", "")
      return { argv = { "sleep", "600" }, agent = name, run = 7 }
    end
    stub.answers.log = function() return { events = {}, seq = 1 } end
    function terminals()
      return #vim.tbl_filter(function(window)
        return vim.bo[vim.api.nvim_win_get_buf(window)].buftype == "terminal"
      end, vim.api.nvim_tabpage_list_wins(0))
    end
    --- What the human's tab page looks like, exactly.
    function layout()
      local found = { vim.fn.winlayout(), vim.fn.winrestcmd(), vim.api.nvim_get_current_win(), vim.fn.getcwd() }
      for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
        found[#found + 1] = vim.api.nvim_win_call(window, vim.fn.winsaveview)
      end
      return found
    end
    vim.o.hidden = true
  ]]

  local function prepare(child)
    child:lua(PREPARE, tests.root)
  end

  local function plan(child, room)
    return child:lua(
      [[
      local plan, problem = require("orchflow.ui.terminal").plan(...)
      return plan or problem
    ]],
      vim.tbl_extend("keep", room, { lines = 50, split = "right", size = 0.45, asked = false })
    )
  end

  it("leaves the editor its 100 columns, and says so where there is no room", function(child)
    tests.equal(plan(child, { columns = 200 }), { split = "right", width = 90 })
    tests.equal(plan(child, { columns = 160 }), { split = "right", width = 59 })
    tests.equal(
      plan(child, { columns = 120 }),
      "no room beside the editor: it has 120 columns and keeps 100"
    )
    tests.equal(plan(child, { columns = 120, asked = true }), { split = "below", height = 22 })
    tests.equal(plan(child, { columns = 80, split = "below" }), { split = "below", height = 22 })
    tests.equal(
      plan(child, { columns = 200, beside = { columns = 90, lines = 40 } }),
      { split = "below", beside = true }
    )
    tests.equal(
      plan(child, { columns = 200, beside = { columns = 90, lines = 8 } }),
      "no room for another window beside the other agents"
    )
    tests.equal(
      plan(child, { columns = 200, split = "above", beside = { columns = 90, lines = 20 } }),
      { split = "right", beside = true }
    )
  end)

  it(
    "opens what nobody asked for without the focus, or not at all",
    { tui = true, columns = 120 },
    function(child)
      prepare(child)
      local function open()
        return child:lua([[
        local result, problem = require("orchflow.client.editor").serve("open_view",
          { argv = { "sleep", "600" }, name = "7/claude" })
        return { result ~= nil, problem }
      ]])
      end
      local answer = open()
      tests.equal(answer[1], false)
      tests.contains(answer[2], "no room beside the editor")
      tests.equal(child:lua("return #vim.api.nvim_list_wins()"), 1)
      child:cmd("set columns=200")
      local window = child:api("nvim_get_current_win")
      tests.equal(open()[1], true)
      tests.equal(child:lua("return terminals()"), 1)
      tests.equal(child:api("nvim_get_current_win"), window)
      tests.equal(child:lua("return vim.api.nvim_win_get_width(0) >= 100"), true)
      tests.equal(child:api("nvim_get_mode").mode, "n")
    end
  )

  it(
    "attaches in a split, a tab page and a float, and finds what is open",
    { tui = true, columns = 200 },
    function(child)
      prepare(child)
      local function attach(arguments)
        child:cmd("stopinsert")
        child:cmd("Orchflow attach " .. arguments)
        child:wait("it is shown", [[return vim.bo.buftype == "terminal"]])
      end
      attach("claude")
      tests.equal(child:lua("return #vim.api.nvim_list_wins()"), 2)
      tests.contains(child:lua("return vim.wo.winbar"), "winbar()")
      local buffer = child:api("nvim_get_current_buf")
      tests.equal(
        child:lua([[
        return vim.tbl_filter(function(name) return name ~= "" end,
          vim.tbl_map(vim.api.nvim_buf_get_name, vim.api.nvim_list_bufs()))
      ]]),
        { "orchflow-agent://7/claude" },
        "the buffer says whose it is, and no other is left"
      )
      child:cmd("stopinsert | wincmd p")
      attach("7/claude")
      tests.equal(child:lua("return #vim.api.nvim_list_wins()"), 2)
      child:cmd("stopinsert | close")
      attach("--in tab claude")
      tests.equal(
        child:lua("return { #vim.api.nvim_list_tabpages(), vim.api.nvim_get_current_buf() }"),
        { 2, buffer }
      )
      child:cmd("stopinsert | tabclose")
      attach("--in float claude")
      tests.equal(child:lua([[return vim.api.nvim_win_get_config(0).relative]]), "editor")
      tests.equal(child:api("nvim_get_current_buf"), buffer)
      child:cmd("stopinsert | close")
      child:lua([[require("orchflow").setup({ attach = { where = "float", winbar = false } })]])
      attach("codex")
      tests.equal(child:lua([[return vim.api.nvim_win_get_config(0).relative]]), "editor")
      child:cmd("stopinsert | close")
      child:cmd("Orchflow attach --in cellar claude")
      child:wait_message("--in wants one of split, tab, float, pane, got cellar")
    end
  )

  it(
    "shows an agent in its tmux pane where that is asked for",
    { env = { TMUX = "/tmp/x,1,0", TMUX_PANE = "%1" } },
    function(child)
      prepare(child)
      child:lua([[
      stub.answers.show = function(params)
        shown = params
        return { agents = { { agent = "claude", pane = pane, note = not pane and "no room" or nil } } }
      end
      stub.answers.focus = function(params) focused = params.agent; return { focused = "tmux:%5" } end
    ]])
      child:cmd("Orchflow attach --in pane claude")
      child:wait_message("claude has no pane: no room (:Orchflow attach --in split, tab or float)")
      child:lua([[pane = "%5"]])
      child:cmd("Orchflow attach --in pane claude")
      child:wait("it is in front", [[return focused == "claude"]])
      tests.equal(
        child:lua("return shown"),
        { agents = { "claude" }, view = "tmux", front = { tmux = "/tmp/x,1,0", tmux_pane = "%1" } }
      )
    end
  )

  it(
    "shows an agent in its wezterm pane inside wezterm, and in tmux where that runs in it",
    { env = { WEZTERM_UNIX_SOCKET = "/run/gui-sock-7", WEZTERM_PANE = "3" } },
    function(child)
      prepare(child)
      child:lua([[
      stub.answers.show = function(params) shown = params; return { agents = { { agent = "claude", pane = "5" } } } end
      stub.answers.focus = function(params) focused = (focused or 0) + 1; return { focused = "wezterm:5" } end
    ]])
      child:cmd("Orchflow attach --in pane claude")
      child:wait("it is in front", [[return focused == 1]])
      tests.equal(child:lua("return shown"), {
        agents = { "claude" },
        view = "wezterm",
        front = { wezterm_socket = "/run/gui-sock-7", wezterm_pane = "3" },
      })
      local function innermost(program)
        return child:lua(
          [[
          vim.env.TMUX, vim.env.TMUX_PANE, vim.env.TERM_PROGRAM = "/tmp/x,1,0", "%1", ...
          return require("orchflow.command.place").multiplexer()
        ]],
          program
        )
      end
      tests.equal(innermost("tmux"), "tmux")
      tests.equal(innermost("WezTerm"), "wezterm")
    end
  )

  it("says that there is no pane outside tmux and wezterm", function(child)
    prepare(child)
    child:lua([[vim.env.TMUX = nil]])
    child:cmd("Orchflow attach --in pane claude")
    child:wait_message("does not run inside tmux or wezterm")
  end)

  it("brings a pane to the front, shows agents, pauses and resumes", function(child)
    prepare(child)
    child:lua([[
      stub.answers.focus = function() return { note = "it runs detached" } end
      stub.answers.show = function() return { agents = { { agent = "claude", pane = "%5" }, { agent = "codex", note = "no room" } } } end
      stub.answers.pause = function(params) return { agents = { { agent = params.agents[1], state = "paused" } } } end
      stub.answers.resume = function(params) return { agents = { { agent = params.agents[1], state = "working" } } } end
    ]])
    child:cmd("Orchflow focus claude")
    child:wait_message("orchflow: it runs detached; :Orchflow attach claude shows it here")
    child:cmd("Orchflow show all")
    child:wait_message("orchflow: claude: in %5, codex: no room")
    child:cmd("Orchflow pause claude")
    child:wait_message("orchflow: claude: paused")
    child:cmd("Orchflow resume claude")
    child:wait_message("orchflow: claude: working")
  end)

  it("plans a grid that every agent fits in, or leaves those that do not", function(child)
    local grids = child:lua([[
      local grid = require("orchflow.ui.layout").grid
      return { grid(1, 80, 22), grid(3, 80, 22), grid(4, 200, 50), grid(8, 200, 50), grid(40, 130, 24), grid(2, 80, 22) }
    ]])
    tests.equal(grids, { { 1 }, { 2 }, { 2, 2 }, { 3, 3, 2 }, { 3, 3 }, { 2 } })
  end)

  local LAYOUT = [[
    vim.cmd("edit " .. ... .. " | vsplit | split | 3wincmd _")
    vim.api.nvim_win_set_height(0, 7)
    vim.api.nvim_win_set_width(0, 37)
    vim.cmd("normal! 40Gzt")
    before = layout()
  ]]

  for _, name in ipairs({ "terminal", "split", "dashboard" }) do
    it(
      "switches to the layout " .. name .. " and back, exactly",
      { tui = true, columns = 200 },
      function(child)
        prepare(child)
        child:lua(LAYOUT, tests.root .. "/doc/orchflow.txt")
        child:cmd("Orchflow view " .. name)
        child:wait(
          "it stands",
          ({
            terminal = "return terminals() >= 5 and #vim.api.nvim_list_tabpages() == 2",
            split = "return terminals() >= 2",
            dashboard = [[return #vim.api.nvim_tabpage_list_wins(0) == 2 and vim.fn.search("> claude", "nw") > 0]],
          })[name]
        )
        assert(child:api("nvim_get_mode").mode:find("^n"))
        child:wait("it is whole", [[return require("orchflow.ui.layout").current() == ...]], name)
        child:cmd("Orchflow view " .. name)
        child:wait("it is gone", [[return require("orchflow.ui.layout").current() == nil]])
        tests.equal(
          child:lua("return vim.deep_equal(layout(), before)"),
          true,
          vim.inspect(child:lua("return { before, layout() }"))
        )
        tests.equal(child:lua("return #vim.api.nvim_list_tabpages()"), 1)
      end
    )
  end

  it(
    "goes from one layout to another, and survives one that was closed",
    { tui = true, columns = 200 },
    function(child)
      prepare(child)
      child:cmd("Orchflow view dashboard")
      child:wait("it stands", [[return vim.fn.search("> claude", "nw") > 0]])
      child:cmd("Orchflow view terminal")
      child:wait("it stands", "return terminals() >= 5")
      tests.equal(child:lua("return #vim.api.nvim_list_tabpages()"), 2)
      child:cmd("tabclose")
      tests.equal(child:lua([[return require("orchflow.ui.layout").current()]]), vim.NIL)
      child:cmd("Orchflow view terminal")
      child:wait("it stands again", "return terminals() >= 5")
      child:cmd("Orchflow view termnal")
      child:wait_message("there is no layout termnal (did you mean :Orchflow view terminal?)")
    end
  )

  --- Gives the human a repository, and an agent a worktree of it.
  local function worktree(child)
    prepare(child)
    local base = vim.uv.fs_realpath(vim.fn.fnamemodify(vim.fn.tempname(), ":h"))
      .. "/enter"
      .. vim.uv.hrtime()
    local root, tree = base .. "/mine", base .. "/7 claude"
    for _, folder in ipairs({ root, tree }) do
      vim.fn.mkdir(folder .. "/src", "p")
      vim.fn.writefile({ "a", "b", "c", folder }, folder .. "/src/a.txt")
      vim.fn.writefile({ "z" }, folder .. "/src/z.txt")
    end
    vim.fn.mkdir(root .. "/.git")
    vim.fn.writefile({ "gitdir: elsewhere" }, tree .. "/.git")
    child:lua([[status.agents[1].worktree = ...]], tree)
    child:cmd("cd " .. vim.fn.fnameescape(root))
    child:cmd("edit src/a.txt")
    child:api("nvim_win_set_cursor", 0, { 3, 0 })
    return root, tree
  end

  it("enters a worktree in a tab page of its own, at the same place", function(child)
    local root, tree = worktree(child)
    child:cmd("Orchflow enter claude")
    child:wait("the tab page is there", "return #vim.api.nvim_list_tabpages() == 2")
    tests.equal(
      child:lua(
        [[return { vim.api.nvim_buf_get_name(0), vim.fn.getcwd(), vim.fn.line("."), vim.fn.getcwd(-1, 1) }]]
      ),
      { tree .. "/src/a.txt", tree, 3, root }
    )
    tests.contains(child:lua("return vim.wo.winbar"), "7/claude")
    child:cmd("split src/z.txt")
    tests.contains(child:lua("return vim.wo.winbar"), "7/claude")
    tests.equal(child:lua([[return client.root()]]), root, "the host is the human's")
    child:cmd("tabprevious")
    child:cmd("Orchflow enter claude")
    child:wait("the same tab page is entered", [[return vim.fn.getcwd() == ...]], tree)
    tests.equal(child:lua("return #vim.api.nvim_list_tabpages()"), 2)
  end)

  it("closes without a trace", function(child)
    local root = worktree(child)
    child:lua([[
      vim.cmd("tabnew | tabprevious")
      vim.cmd("normal! gg")
      vim.cmd("normal! G")
      function trace()
        return {
          vim.tbl_map(vim.api.nvim_buf_get_name, vim.api.nvim_list_bufs()),
          vim.fn.getjumplist(), layout(), vim.fn.getcwd(-1, 1), vim.fn.getcwd(-1, 2), vim.fn.tabpagenr("$"),
          vim.fn.getcwd(-1, -1),
        }
      end
      before = trace()
    ]])
    child:cmd("Orchflow enter claude")
    child:wait("the tab page is there", "return #vim.api.nvim_list_tabpages() == 3")
    child:lua(
      [[
      servers = {}
      vim.cmd("split src/z.txt")
      local function server(dispatchers)
        local closing = false
        return {
          request = function(method, _, callback)
            vim.schedule(function() callback(nil, method == "initialize" and { capabilities = {} } or vim.NIL) end)
            return true, 1
          end,
          notify = function(method)
            if method == "exit" then closing = true; dispatchers.on_exit(0, 0) end
            return true
          end,
          is_closing = function() return closing end,
          terminate = function() closing = true end,
        }
      end
      servers.inside = vim.lsp.start({ name = "inside", cmd = server, root_dir = vim.fn.getcwd() })
      servers.outside = vim.lsp.start({ name = "outside", cmd = server, root_dir = ... }, { reuse_client = function() return false end })
    ]],
      root
    )
    child:wait("the servers run", "return #vim.lsp.get_clients() == 2")
    child:cmd("tabclose")
    child:wait("its buffers are gone", [[return vim.deep_equal(trace(), before)]])
    child:wait(
      "its server is gone",
      [[
      local clients = vim.lsp.get_clients()
      return #clients == 1 and clients[1].name == "outside" and next(clients[1].attached_buffers) == nil
    ]]
    )
    tests.equal(child:lua("return vim.fn.tabpagenr()"), 1, "back where one came from")
  end)

  it("keeps what is not saved, and what was there before, and says so", function(child)
    local _, tree = worktree(child)
    child:cmd("badd " .. vim.fn.fnameescape(tree .. "/src/z.txt"))
    child:cmd("Orchflow enter claude")
    child:wait("the tab page is there", "return #vim.api.nvim_list_tabpages() == 2")
    child:cmd("normal! Onot saved")
    child:cmd("edit src/z.txt")
    child:cmd("tabclose")
    child:wait_message(
      "orchflow: kept of 7/claude, for it is not saved or still runs: a.txt; :ls shows it"
    )
    tests.equal(
      child:lua([[
      return vim.tbl_map(function(buffer) return { vim.fn.bufname(buffer):match("[^/]*$"), vim.bo[buffer].modified } end,
        vim.tbl_filter(function(buffer) return vim.api.nvim_buf_get_name(buffer):find("7 claude", 1, true) end,
          vim.api.nvim_list_bufs()))
    ]]),
      { { "z.txt", false }, { "a.txt", true } }
    )
  end)

  it("refuses to enter what is not there", function(child)
    worktree(child)
    child:cmd("Orchflow enter nobody")
    child:wait_message("orchflow: enter: there is no agent nobody")
    child:cmd("Orchflow enter codex")
    child:wait_message("orchflow: enter: 7/codex has no worktree")
    child:lua([[status.agents[1].worktree = "/nowhere/7-claude"]])
    child:cmd("Orchflow enter claude")
    child:wait_message("the worktree of 7/claude is gone: /nowhere/7-claude")
    tests.equal(child:lua("return #vim.api.nvim_list_tabpages()"), 1)
  end)
end
