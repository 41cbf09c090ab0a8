return function(it, tests)
  --- Makes the child answer by tests/nvim/stub.lua.
  local function stub(child)
    child:lua(
      [[
      package.path = ... .. "/tests/nvim/?.lua;" .. package.path
      stub = require("stub")
    ]],
      tests.root
    )
  end

  it("has an implementation for each entry of the catalogue, and the reverse", function(child)
    local listed, written = unpack(child:lua([[
      local written = vim.tbl_keys(require("orchflow.command.verbs"))
      local listed = require("orchflow.command").names()
      table.sort(written)
      table.sort(listed)
      return { listed, written }
    ]]))
    tests.equal(written, listed)
  end)

  it("has a text for scripts wherever it has an answer", function(child)
    local lacking = child:lua([[
      local lacking = {}
      for name, verb in pairs(require("orchflow.command.verbs")) do
        if not verb.request or not (verb.open or verb.show) or (name ~= "attach" and not verb.lines) then
          lacking[#lacking + 1] = name
        end
      end
      return lacking
    ]])
    tests.equal(lacking, {})
  end)

  it("documents every verb", function(child)
    local help = table.concat(vim.fn.readfile(tests.root .. "/doc/orchflow.txt"), "\n")
    for _, name in ipairs(child:lua([[return require("orchflow.command").names()]])) do
      tests.contains(help, ("*:Orchflow-%s*"):format(name))
    end
  end)

  local WRONG = {
    { "event x", "x is not the number of an event" },
    { "event", ":Orchflow event" },
    { "why a b", "one word too many" },
    { "swam", "orchflow: there is no command swam (did you mean :Orchflow swarm?)" },
    { "xyzzyxyzzy", "orchflow: there is no command xyzzyxyzzy (see :help orchflow-commands)" },
    {
      "swarm --view tmx do it",
      "orchflow: swarm: --view wants one of auto, tmux, wezterm, nvim, none, got tmx",
    },
    { "swarm --agent x y", "orchflow: swarm: unknown flag --agent; did you mean --agents?" },
    { "spawn", "orchflow: spawn: AGENT is missing" },
    { "send --to claude hello", "orchflow: send: unknown flag --to" },
    { "attach", "orchflow: attach: AGENT is missing" },
    { "attach a b", "orchflow: attach: b is one word too many" },
    { "talk", "orchflow: talk: AGENT is missing" },
    { "talk a b", "orchflow: talk: b is one word too many" },
    {
      "attach --in cellar a",
      "orchflow: attach: --in wants one of split, tab, float, pane, got cellar",
    },
    { "dashboard now", "orchflow: dashboard: now is one word too many" },
    { "focus", "orchflow: focus: AGENT is missing" },
    { "show", "orchflow: show: AGENTS is missing" },
    { "enter", "orchflow: enter: AGENT is missing" },
    { "view", "orchflow: view: LAYOUT is missing" },
    { "view splt", "orchflow: view: there is no layout splt (did you mean :Orchflow view split?)" },
    { "next soon", "orchflow: next: COUNT is a whole number, got soon" },
    { "pause", "orchflow: pause: AGENTS is missing" },
    { "resume --run x", "orchflow: resume: --run wants a whole number, got x" },
    { "doctor now", "orchflow: doctor: now is one word too many" },
    { "adopt 1 2", "orchflow: adopt: 2 is one word too many" },
    { "status now", "orchflow: status: now is one word too many" },
    { "status --run x", "orchflow: status: --run wants a whole number, got x" },
    { "timeline agnt:claude", "orchflow: timeline: no filter agnt:; did you mean agent:?" },
    {
      "timeline run:x",
      "orchflow: timeline: run: wants a run's number, or -1 for the newest, got x",
    },
    { "timeline is:humn", "orchflow: timeline: no is:humn; did you mean is:human?" },
    { "timeline agent:", "orchflow: timeline: agent: wants a value" },
    { "review fil:src", "orchflow: review: no filter fil:; did you mean file:?" },
    { "log typ:edit", "orchflow: log: no filter typ:; did you mean type:?" },
    { "accept", "orchflow: accept: no hunks are listed" },
    { "accept nonsense", "orchflow: accept: nonsense is not the id of a hunk" },
    { "accept h_zz", "orchflow: accept: h_zz is not the id of a hunk" },
    { "accept --hash ab h_01 h_02", "orchflow: accept: --hash wants exactly one hunk" },
    { "reject", "orchflow: reject: no hunks are listed" },
    { "comment", "orchflow: comment: no hunks are listed" },
    { "undo it", "orchflow: undo: it is one word too many" },
    { "redo it", "orchflow: redo: it is one word too many" },
    { "stop", "orchflow: stop: AGENTS is missing" },
    { "log --since soon", "orchflow: log: --since wants a time such as 90s, 10m, 2h, got soon" },
    { "agents claude", "orchflow: agents: claude is one word too many" },
    { "clean --run", "orchflow: clean: --run wants a value: N" },
    { "approvals all", "orchflow: approvals: all is one word too many" },
    { "approve", "orchflow: approve: ID is missing" },
    { "deny", "orchflow: deny: ID is missing" },
    { "pick", "orchflow: pick: WHAT is missing" },
    { "pick agnts", "orchflow: pick: there is no picker for agnts; did you mean agents?" },
    { "pick agents fil:x", "orchflow: pick: no filter fil:; did you mean file:?" },
    { "build it", "orchflow: build: it is one word too many" },
  }

  it("answers wrong input of every command with a message", function(child)
    stub(child)
    local seen = {}
    for _, case in ipairs(WRONG) do
      child:cmd("messages clear")
      child:cmd("Orchflow " .. case[1])
      local said = child:wait_message(case[2])
      tests.lacks(said, "stack traceback")
      tests.lacks(said, "Error executing")
      seen[case[1]:match("^%S+")] = true
    end
    for _, name in ipairs(child:lua([[return require("orchflow.command").names()]])) do
      assert(seen[name], name .. " has no case of wrong input")
    end
  end)

  it("shows what the host refuses, for every command that asks it", function(child)
    stub(child)
    child:lua([[
      vim.ui.input = function(_, done) done("because") end
      vim.ui.select = function(_, _, done) done(nil, nil) end
    ]])
    local lines = {
      swarm = "swarm do it",
      spawn = "spawn claude hello",
      pick = "pick hunks",
      send = "send claude hello",
      attach = "attach claude",
      talk = "talk claude",
      dashboard = "dashboard",
      focus = "focus claude",
      show = "show all",
      enter = "enter claude",
      view = "view terminal",
      next = "next",
      pause = "pause all",
      resume = "resume all",
      status = "status",
      timeline = "timeline",
      review = "review",
      accept = "accept h_01",
      reject = "reject h_01 because",
      comment = "comment h_01 why",
      undo = "undo",
      redo = "redo",
      stop = "stop all",
      log = "log",
      agents = "agents",
      doctor = "doctor",
      adopt = "adopt",
      clean = "clean",
      approvals = "approvals",
      approve = "approve a_1",
      deny = "deny a_1 no",
      why = "why claude",
      event = "event 1",
      build = false, -- asks nobody
    }
    -- What is asked of the host, where it is named otherwise.
    local asks = {
      timeline = "log",
      dashboard = "status",
      enter = "status",
      talk = "status",
      view = "status",
      next = "status",
      pick = "review",
    }
    for _, name in ipairs(child:lua([[return require("orchflow.command").names()]])) do
      child:cmd("messages clear")
      assert(lines[name] ~= nil, name .. " has no line")
      if lines[name] then
        child:cmd("Orchflow " .. lines[name])
        tests.lacks(child:wait_message("the stub has no " .. (asks[name] or name)), "traceback")
      end
    end
  end)

  it("sends text to the host as it was typed", function(child)
    stub(child)
    child:cmd([[Orchflow send claude fix 100% of #1 | "now" \o/]])
    child:wait("it is asked", [[return #stub.asked > 0]])
    tests.equal(
      child:lua([[return stub.asked[1].params]]),
      { to = { "claude" }, text = [[fix 100% of #1 | "now" \o/]] }
    )
  end)

  it("takes no range where a range means nothing", function(child)
    child:cmd("1Orchflow status")
    tests.contains(child:messages(), "orchflow: status: it takes no range of lines")
  end)

  it("asks what to do with uncommitted changes", function(child)
    stub(child)
    child:lua([[
      stub.answers.swarm = function(params)
        if params.include_changes == nil then
          return nil, { code = "dirty_tree", message = "there are 3 uncommitted changes; shall the agents see them?" }
        end
        return { run = 8, base = "main@abc", agents = { { agent = "claude", run = 8 } } }
      end
      vim.ui.select = function(_, options, done)
        asked = options.prompt
        done("start from the last commit", 2)
      end
    ]])
    child:cmd("Orchflow swarm Do it")
    child:wait_message("run 8 started: claude  base: main@abc")
    tests.contains(child:lua("return asked"), "3 uncommitted changes")
    tests.equal(child:lua([[return stub.asked[2].params.include_changes]]), false)
  end)

  it("takes the answer about uncommitted changes from the options", function(child)
    stub(child)
    child:lua(
      [[require("orchflow").setup({ include_changes = "yes", agents = { "rehearsal" }, view = "none" })]]
    )
    child:cmd("Orchflow swarm Do it")
    child:wait("it is asked", [[return #stub.asked > 0]])
    local params = child:lua([[return stub.asked[1].params]])
    tests.equal(params.include_changes, true)
    tests.equal(params.agents, { "rehearsal" })
    tests.equal(params.view, "none")
  end)

  it("completes verbs, flags, values and names, and asks the host for none of it", function(child)
    stub(child)
    child:lua([[
      require("orchflow.state").take_status(require("orchflow.client").store(), {
        agents = { { agent = "claude", run = 7, key = "7/claude" }, { agent = "codex", run = 7, key = "7/codex" } },
      })
    ]])
    local function complete(line)
      return child:api("nvim_call_function", "getcompletion", { line, "cmdline" })
    end
    tests.equal(complete("Orchflow sw"), { "swarm" })
    tests.equal(complete("Orchflow! rej"), { "reject" })
    tests.equal(complete("Orchflow swarm --inc"), { "--include-changes" })
    tests.equal(complete("Orchflow swarm --no"), { "--no-include-changes" })
    tests.equal(complete("Orchflow swarm --view t"), { "tmux" })
    tests.equal(complete("Orchflow swarm --view=n"), { "--view=nvim", "--view=none" })
    tests.equal(complete("Orchflow swarm --agents claude,re"), { "claude,rehearsal" })
    tests.equal(complete("Orchflow attach c"), { "claude", "codex" })
    tests.equal(complete("Orchflow send claude,co"), { "claude,codex" })
    tests.equal(complete("Orchflow timeline agent:co"), { "agent:codex" })
    tests.equal(complete("Orchflow nonsense x"), {})
    tests.equal(child:lua("return #stub.asked"), 0)
  end)

  it(
    "says how to build the binary where there is none",
    { env = { PATH = "/usr/bin:/bin" } },
    function(child)
      child:lua([[
      require("orchflow.client.binary").places = function() return {} end
    ]])
      child:cmd("Orchflow undo")
      local said = child:wait_message("the orchflow binary is not built")
      tests.contains(said, "cargo build --release --manifest-path")
    end
  )

  it("says what a binary that does not work said", function(child)
    local path = vim.fn.tempname()
    vim.fn.writefile({ "#!/bin/sh", "echo 'no such luck' >&2", "exit 9" }, path)
    vim.uv.fs_chmod(path, 448)
    child:lua([[require("orchflow").setup({ binary = ... })]], path)
    child:cmd("Orchflow undo")
    child:wait_message("orchflow connect ended with code 9: no such luck")
    vim.fn.writefile({
      "#!/bin/sh",
      [[echo '{"ok":false,"error":{"code":"repository","message":"not a git repository","hint":"git init"}}']],
      "exit 2",
    }, path)
    child:cmd("Orchflow undo")
    child:wait_message("orchflow: undo: not a git repository (git init)")
    vim.fn.writefile(
      { "#!/bin/sh", [[echo '{"ok":true,"data":{"socket":"/nowhere.sock"}}']] },
      path
    )
    child:cmd("Orchflow undo")
    child:wait_message("the host's socket /nowhere.sock cannot be joined")
    vim.fn.delete(path)
  end)
end
