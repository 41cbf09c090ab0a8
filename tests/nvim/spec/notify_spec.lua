return function(it, tests)
  local PREPARE = [[
    package.path = ... .. "/tests/nvim/?.lua;" .. package.path
    stub = require("stub")
    client = require("orchflow.client")
    status = stub.status()
    stub.answers.status = function() return vim.deepcopy(status) end
    function push()
      client.receive({ { kind = "status", status = vim.deepcopy(status) } })
    end
    function agent_named(name)
      for _, agent in ipairs(status.agents) do
        if agent.agent == name then return agent end
      end
    end
    phase = "connected"
    client.phase = function() return phase, 1 end
  ]]

  local function prepare(child)
    child:lua(PREPARE, tests.root)
  end

  it("works out what needs the human where the host does not say it", function(child)
    prepare(child)
    local needs = child:lua([[
      agent_named("actor").unseen, agent_named("gemini").since = 3, 5
      table.insert(status.agents, stub.agent({ agent = "early", status = "waiting", waiting_for = "login", since = 1 }))
      return vim.tbl_map(function(need)
        return ("%s %s %s"):format(need.kind, need.key, tostring(need.about))
      end, require("orchflow.needs").of(status))
    ]])
    tests.equal(needs, {
      "approval 7/codex nil",
      "question 7/early login",
      "question 7/gemini trust",
      "failed 7/broken nil",
      "undelivered 7/broken nil",
      "finished 7/actor nil",
    })
    tests.equal(
      child:lua(
        [[return require("orchflow.needs").of({ needs = { { kind = "failed" } }, agents = {} })]]
      ),
      { { kind = "failed" } }
    )
    tests.equal(
      child:lua([[
      local done = stub.agent({ agent = "a", status = "done", unseen = 2, queued = 1 })
      return require("orchflow.needs").of({ agents = { done } })
    ]]),
      {},
      "a prompt is queued, so it is not finished"
    )
  end)

  it("writes the status line", function(child)
    prepare(child)
    local function write(code)
      return child:lua(([[
        local icons = require("orchflow.config").get().icons
        agent_named("actor").unseen = 3
        return require("orchflow.statusline").write(%s)
      ]]):format(code))
    end
    tests.equal(write("status, 'connected', icons, {}"), "orchflow 1> 3! 1x 1+")
    tests.equal(
      write(
        "status, 'connected', { working = '%', waiting = '!', failed = 'x', done = '+' }, { highlight = true }"
      ),
      "orchflow %#OrchflowWorking#1%%%* %#OrchflowWaiting#3!%* %#OrchflowFailed#1x%* %#OrchflowDone#1+%*"
    )
    tests.equal(write("status, 'retrying', icons, {}"), "orchflow no host")
    tests.equal(write("{ agents = {} }, 'connected', icons, {}"), "")
    tests.equal(write("nil, 'idle', icons, {}"), "")
  end)

  it("loads and asks nothing for the status line until orchflow is used", function(child)
    tests.equal(
      child:lua([[return { require("orchflow").statusline(), require("orchflow").winbar() }]]),
      { "", "" }
    )
    tests.equal(child:lua([[return package.loaded["orchflow.client"] ~= nil]]), false)
  end)

  it("makes the string once for each change, and has it drawn", { tui = true }, function(child)
    prepare(child)
    child:lua([[
      writes = 0
      local statusline = require("orchflow.statusline")
      local write = statusline.write
      statusline.write = function(...) writes = writes + 1; return write(...) end
      vim.o.statusline = "%{%v:lua.require'orchflow'.statusline()%} END"
      vim.o.laststatus = 2
      push()
    ]])
    local function on_screen(part)
      return child:wait(
        part .. " is on the screen",
        [[
        local line = ""
        for column = 1, vim.o.columns do
          line = line .. vim.fn.screenstring(vim.o.lines - 1, column)
        end
        return line:find(..., 1, true)
      ]],
        part
      )
    end
    on_screen("orchflow 1> 3! 1x")
    local made = child:lua("return writes")
    child:lua([[for _ = 1, 50 do vim.cmd("redrawstatus!") vim.cmd.redraw() end]])
    tests.equal(child:lua("return writes"), made)
    child:lua([[agent_named("claude").status = "idle"; push()]])
    on_screen("orchflow 3! 1x END")
    tests.equal(child:lua("return #stub.asked"), 0)
  end)

  it("gives lualine a component", function(child)
    prepare(child)
    child:lua([[
      package.preload["lualine.component"] = function()
        local base = { init = function(self, options) self.options = options end, get_default_hl = function() return "%#lualine_c#" end }
        base.__index = base
        function base:extend()
          local class = setmetatable({}, { __index = self, __call = function(class, options)
            local object = setmetatable({}, { __index = class })
            object:init(options)
            return object
          end })
          class.super = self
          return class
        end
        return base
      end
      push()
      vim.wait(1000, function() return client.store().status ~= nil end, 1)
    ]])
    tests.equal(
      child:lua([[
      local component = require("lualine.components.orchflow")
      return { component({}):update_status(), component({ colored = false }):update_status() }
    ]]),
      {
        "orchflow %#OrchflowWorking#1>%#lualine_c# %#OrchflowWaiting#3!%#lualine_c# %#OrchflowFailed#1x%#lualine_c#",
        "orchflow 1> 3! 1x",
      }
    )
  end)

  it("writes the winbar of an agent's window", function(child)
    prepare(child)
    child:lua([[
      push()
      vim.wait(1000, function() return client.store().status ~= nil end, 1)
      vim.b.orchflow_agent = "7/claude"
    ]])
    local bar = child:lua([[return require("orchflow").winbar()]])
    tests.contains(bar, "claude ")
    tests.contains(bar, "> working%* since 00:00:01%<%=")
    tests.contains(bar, "turn 2  2 unread hunks  run 7")
    tests.contains(
      child:lua([[return require("orchflow.statusline").write_winbar(nil, "8/x%y", {})]]),
      "8/x%%y"
    )
  end)

  it("keeps the name in the winbar of a narrow window, and leaves out the rest", function(child)
    prepare(child)
    local function bar(width)
      return child:lua(
        [[
        local agent = vim.deepcopy(agent_named("claude"))
        agent.undelivered = 1
        local line = require("orchflow.statusline").write_winbar(agent, "7/claude", { working = ">" }, ...)
        return vim.api.nvim_eval_statusline(line, { use_winbar = true, maxwidth = ... }).str
      ]],
        width
      )
    end
    local left, right =
      " claude > working since 00:00:01", "turn 2  2 unread hunks  1 prompt waiting  run 7 "
    tests.equal(bar(100), left .. (" "):rep(100 - #left - #right) .. right)
    tests.equal(bar(#left + #right + 3), left .. "   " .. right)
    tests.equal(
      bar(#left + #right + 2),
      left .. (" "):rep(9) .. "turn 2  2 unread hunks  1 prompt waiting "
    )
    tests.equal(bar(70), left .. "     2 unread hunks  1 prompt waiting ")
    tests.equal(bar(60), " claude > working          2 unread hunks  1 prompt waiting ")
    tests.equal(bar(40), " claude > working      1 prompt waiting ")
    tests.equal(bar(20), " claude > working   ")
    assert(vim.startswith(bar(10), " claude >"), bar(10))
  end)

  it("takes finished work that is being read for the same need", function(child)
    tests.equal(
      child:lua([[
      local identity = require("orchflow.needs").identity
      local function finished(about)
        return identity({ kind = "finished", key = "7/claude", agent = "claude", run = 7, about = about })
      end
      local function asks(about)
        return identity({ kind = "approval", key = "7/claude", agent = "claude", run = 7, about = about })
      end
      return { finished("4 unread hunks") == finished("3 unread hunks"), asks("a_1") == asks("a_2") }
    ]]),
      { true, false }
    )
  end)

  it("tells once what an agent begins to need", function(child)
    local lines = child:lua([[
      local notify = require("orchflow.notify")
      local wanted = require("orchflow.config").get().notify
      local needs, all = {}, {}
      local function agent(fields)
        return vim.tbl_extend("force", { agent = "claude", key = "7/claude", run = 7, status = "working" }, fields)
      end
      for _, fields in ipairs({
        {},
        { status = "waiting", waiting_for = "trust" },
        { status = "waiting", waiting_for = "trust", since = 3 },
        { status = "waiting", waiting_for = "approval" },
        {},
        { status = "waiting" },
        { undelivered = 1 },
        { status = "failed" },
        { status = "done", unseen = 2 },
        { status = "done", unseen = 1 },
        {},
        { status = "done", unseen = 1 },
      }) do
        local told
        told, needs = notify.compare(needs, { agents = { agent(fields) } }, wanted)
        for _, entry in ipairs(told) do all[#all + 1] = entry.line end
      end
      local off = notify.compare({}, { agents = { agent({ status = "failed" }) } }, { failed = false })
      return { all, off }
    ]])
    tests.equal(lines, {
      {
        "claude: needs you: trust; :Orchflow attach claude",
        "claude: asks for a permission; :Orchflow approvals",
        "claude: waits for you; :Orchflow attach claude",
        "claude: a prompt did not arrive; :Orchflow attach claude",
        "claude: failed; :Orchflow why claude",
        "claude: is done; :Orchflow review",
        "claude: is done; :Orchflow review",
      },
      {},
    })
  end)

  it("keeps a notification back while keys belong together", { tui = true }, function(child)
    prepare(child)
    child:lua([[
      require("orchflow.notify").start()
      status.agents = { agent_named("gemini") }
    ]])
    local function is_quiet()
      child:lua([[push()]])
      child:wait("the push is taken", "return client.store().status ~= nil")
      tests.lacks(child:messages(), "gemini")
    end
    child:keys(":echo 'x")
    child:wait("the command line is open", [[return vim.api.nvim_get_mode().mode == "c"]])
    is_quiet()
    child:keys("<C-u><Esc>")
    child:wait_message("gemini: needs you: trust")
    child:cmd("messages clear")
    child:lua([[status.agents[1].waiting_for = "login"]])
    child:keys("qa")
    child:wait("it records", [[return vim.fn.reg_recording() == "a"]])
    is_quiet()
    child:keys("q")
    child:wait_message("gemini: needs you: login")
  end)

  it(
    "is one line for many, opens no window, and goes through vim.notify where that is a plugin's",
    {
      tui = true,
      columns = 120,
    },
    function(child)
      prepare(child)
      child:lua([[require("orchflow.notify").start(); push()]])
      child:wait_message("agents need you: ")
      tests.equal(child:lua("return #vim.api.nvim_list_wins()"), 1)
      tests.equal(child:api("nvim_get_mode").blocking, false)
      child:lua([[
      vim.notify = function(text, level, options) told = { text, level, options.title } end
      status.agents = { stub.agent({ agent = "new", status = "done", unseen = 2 }) }
      push()
    ]])
      child:wait("it is told", "return told")
      tests.equal(
        child:lua("return told"),
        { "new: is done; :Orchflow review", vim.log.levels.INFO, "orchflow" }
      )
    end
  )

  it("chooses what is next", function(child)
    local chosen = child:lua([[
      local choose = require("orchflow.next").choose
      local list = {
        { kind = "approval", key = "7/a" }, { kind = "question", key = "7/b" }, { kind = "finished", key = "7/c" },
      }
      local identity = require("orchflow.needs").identity
      local one = { [identity(list[1])] = true }
      local all = { [identity(list[1])] = true, [identity(list[2])] = true, [identity(list[3])] = true }
      return {
        { choose(list, {}, 0) }, { choose(list, {}, 2) }, { choose(list, {}, 3) }, { choose(list, one, 0) },
        { choose(list, one, 1) }, { choose(list, all, 0) }, (choose({}, {}, 0)) == nil,
      }
    ]])
    tests.equal(chosen, {
      { 1, false },
      { 3, false },
      { 1, false },
      { 2, false },
      { 3, false },
      { 1, true },
      true,
    })
  end)

  it("walks what needs the human, and says when nothing does", function(child)
    prepare(child)
    child:lua([[
      executed, gone = {}, {}
      local command = require("orchflow.command")
      local execute = command.execute
      command.execute = function(line) executed[#executed + 1] = line end
      require("orchflow.ui.approvals").open = function(id, key) executed[#executed + 1] = "approvals " .. id .. " " .. key end
      require("orchflow.ui.agent").go = function(agent) executed[#executed + 1] = "go " .. agent.key end
      status.needs = {
        { kind = "approval", agent = "codex", key = "7/codex", run = 7, about = "a_4" },
        { kind = "question", agent = "gemini", key = "7/gemini", run = 7, about = "trust" },
        { kind = "failed", agent = "broken", key = "7/broken", run = 7 },
        { kind = "finished", agent = "actor", key = "7/actor", run = 7 },
      }
      agent_named("broken").living = false
    ]])
    for count = 1, 5 do
      child:cmd("Orchflow next")
      child:wait("it went somewhere", "return #executed == ...", count)
    end
    child:wait_message("7/codex asks for a permission (1 of 4)")
    child:cmd("Orchflow next 2")
    child:wait("it went somewhere", "return #executed == 6")
    tests.equal(child:lua("return executed"), {
      "approvals a_4 7/codex",
      "go 7/gemini",
      "why 7/broken",
      "review agent:7/actor",
      "approvals a_4 7/codex",
      "review agent:7/actor",
    })
    child:lua("status.needs = {}")
    child:cmd("Orchflow next")
    child:wait_message("orchflow: nothing needs you")
    child:cmd("Orchflow next soon")
    child:wait_message("COUNT is a whole number, got soon")
  end)

  it("tells of budgets and limits, and counts them as what waits", function(child)
    prepare(child)
    tests.equal(
      child:lua([[
      local status = { agents = {}, needs = {
        { kind = "budget", key = "7/claude", agent = "claude", run = 7, about = "run 7 used $5.02 of $5.00" },
        { kind = "limit", key = "7/codex", agent = "codex", run = 7, about = "usage limit reached" },
      } }
      local told = require("orchflow.notify").compare({}, status, require("orchflow.config").get().notify)
      local lines = vim.tbl_map(function(entry) return entry.line end, told)
      return { lines, require("orchflow.statusline").count(status).waiting }
    ]]),
      {
        {
          "claude: is paused, run 7 used $5.02 of $5.00; :Orchflow cost",
          "codex: its model does not answer: usage limit reached; :Orchflow send codex continue",
        },
        2,
      }
    )
  end)

  it("writes a notification of the desktop that cannot be anything else", function(child)
    prepare(child)
    local function sequence(line, in_tmux)
      return child:lua([[return require("orchflow.notify.desktop").sequence(...)]], line, in_tmux)
    end
    tests.equal(sequence("claude: is done", false), "\27]9;claude: is done\7")
    tests.equal(sequence("4;1;\7x\27]0;y", false), "\27]9; 4;1; x ]0;y\7")
    tests.equal(sequence("x", true), "\27Ptmux;\27\27]9;x\7\27\\")
  end)

  it("shows it once, and only while the human looks elsewhere", function(child)
    prepare(child)
    child:lua([[
      desktop = require("orchflow.notify.desktop")
      desktop.start()
      vim.env.TMUX = nil
      written = {}
      vim.api.nvim_list_uis = function() return { { stdout_tty = true } } end
      vim.api.nvim_ui_send = function(sequence) written[#written + 1] = sequence end
      desktop.show("one", "claim 1")
      vim.api.nvim_exec_autocmds("FocusLost", {})
      desktop.show("two", "claim 2")
      desktop.show("two", "claim 2")
      desktop.show("three", "claim 3")
      vim.api.nvim_exec_autocmds("FocusGained", {})
      desktop.show("four", "claim 4")
    ]])
    tests.equal(child:lua("return written"), { "\27]9;two\7", "\27]9;three\7" })
    child:lua([[
      vim.env.TMUX, vim.env.TMUX_PANE = "/tmp/x,1,0", "%3"
      vim.api.nvim_exec_autocmds("FocusLost", {})
      vim.system = function(command, _, done)
        asked = command
        done({ code = 0, stdout = allowed .. "\n" })
      end
      allowed = "off"
      desktop.show("five", "claim 5")
      allowed = "on"
      desktop.show("six", "claim 6")
    ]])
    child:wait("it is handed through", [[return #written == 3]])
    tests.equal(child:lua("return written[3]"), "\27Ptmux;\27\27]9;six\7\27\\")
    tests.equal(child:lua("return asked[#asked]"), "allow-passthrough")
  end)

  it("keeps the counts in tmux's option, and takes them back", function(child)
    prepare(child)
    child:lua([[
      commands = {}
      vim.env.TMUX, vim.env.TMUX_PANE = "/tmp/x,1,0", "%3"
      vim.system = function(command)
        commands[#commands + 1] = table.concat(command, " ")
        return { wait = function() end }
      end
      require("orchflow").setup({ notify = { tmux = true } })
      local tmux = require("orchflow.notify.tmux")
      tmux.show(status)
      tmux.show(status)
      icons = tmux.words({ agents = { stub.agent({ agent = "a", status = "working" }) } }, { working = "#(id)%" })
      vim.api.nvim_exec_autocmds("VimLeavePre", { group = "orchflow_notify_tmux" })
    ]])
    tests.equal(child:lua("return icons"), "orchflow 1##(id)%")
    tests.equal(child:lua("return commands"), {
      "tmux set-option -q -t %3 @orchflow orchflow 1> 3! 1x",
      "tmux set-option -q -u -t %3 @orchflow",
    })
  end)

  it("asks neither the terminal nor tmux unless that is wanted", function(child)
    tests.equal(
      child:lua([[
      local notify = require("orchflow.config").get().notify
      return { notify.desktop, notify.tmux }
    ]]),
      { false, false }
    )
  end)

  it("tells once of a permission that is stated before it is asked for", function(child)
    prepare(child)
    tests.equal(
      child:lua([[
      local function settled(need, now)
        local status, left_out = require("orchflow.notify").settled({ agents = {}, needs = { need } }, now)
        return { #status.needs, left_out }
      end
      local early = { kind = "question", key = "7/claude", about = "approval", since = 1000000 }
      local trust = { kind = "question", key = "7/claude", about = "trust", since = 1000000 }
      return { settled(early, 1100000), settled(early, 1500000), settled(trust, 1100000) }
    ]]),
      { { 0, true }, { 1, false }, { 1, false } }
    )
  end)
end
