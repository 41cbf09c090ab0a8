return function(it, tests)
  local STUB = [[
    package.path = ... .. "/tests/nvim/?.lua;" .. package.path
    stub = require("stub")
    client = require("orchflow.client")
    orchflow = require("orchflow")
  ]]

  --- Gives the global mappings that lead to orchflow, without the `<Plug>` ones.
  local MAPPED = [[
    local found = {}
    for _, mode in ipairs({ "n", "x" }) do
      for _, mapping in ipairs(vim.api.nvim_get_keymap(mode)) do
        if (mapping.rhs or ""):find("<Plug>(orchflow-", 1, true) then
          found[#found + 1] = mode .. " " .. mapping.lhs .. " " .. mapping.rhs .. " " .. (mapping.desc or "")
        end
      end
    end
    table.sort(found)
    return found
  ]]

  it("maps a prefix for who asks for one, in either form, and takes it back", function(child)
    child:cmd("let mapleader = ' '")
    for _, keys in ipairs({ "<leader>o", { prefix = "<leader>o" } }) do
      child:lua([[require("orchflow").setup({ keys = ... })]], keys)
      local mapped = child:lua(MAPPED)
      tests.equal(#mapped, 10)
      tests.equal(mapped[1], "n  oa <Plug>(orchflow-approvals) orchflow: approvals")
      for _, line in ipairs(mapped) do
        local plug = line:match("<Plug>%b()")
        tests.lacks(
          child:lua("return vim.fn.maparg(..., 'n', false, true).desc or 'none'", plug),
          "none"
        )
      end
    end
    child:lua([[require("orchflow").setup({ keys = { prefix = "gO" } })]])
    tests.equal(child:lua(MAPPED)[1], "n gOa <Plug>(orchflow-approvals) orchflow: approvals")
    tests.equal(#child:lua(MAPPED), 10)
    child:lua([[require("orchflow").setup({})]])
    tests.equal(child:lua(MAPPED), {})
  end)

  it("maps the prefix of vim.g.orchflow without setup", function(child)
    child:lua(
      [[
      vim.g.loaded_orchflow = nil
      vim.g.orchflow = { keys = "<F9>" }
      vim.cmd.source(... .. "/plugin/orchflow.lua")
    ]],
      tests.root
    )
    tests.equal(#child:lua(MAPPED), 10)
  end)

  it("names the group for which-key, whenever that is loaded", function(child)
    child:lua([[
      package.loaded["which-key"] = { add = function(spec) named = spec end }
      require("orchflow").setup({ keys = "<F9>" })
    ]])
    tests.equal(child:lua("return { named[1][1], named[1].group }"), { "<F9>", "orchflow" })
    child:lua([[
      package.loaded["which-key"] = nil
      named = nil
      require("orchflow").setup({ keys = "<F8>" })
      package.loaded["which-key"] = { add = function(spec) named = spec end }
      vim.api.nvim_exec_autocmds("User", { pattern = "VeryLazy" })
    ]])
    child:wait("the group is named", "return named and named[1][1] == '<F8>'")
  end)

  it("has each verb as a function: callback, coroutine, or neither", function(child)
    child:lua(STUB, tests.root)
    child:lua([[
      stub.answers.send = function(params)
        if params.to[1] == "gone" then
          return nil, { code = "unknown_agent", message = "there is no agent gone" }
        end
        return { prompts = { { id = 1, agent = params.to[1], state = "queued" } } }
      end
      orchflow.send({ to = "claude", text = "hello", run = 7 }, function(failure, result)
        called = { failure or "none", result.prompts[1].agent }
      end)
      coroutine.wrap(function()
        local result, failure = orchflow.send({ to = "codex", text = "hello" })
        local _, refused = orchflow.send({ to = "gone", text = "hello" })
        yielded = { result.prompts[1].agent, failure or "none", refused.message }
      end)()
      orchflow.send({ to = "gone", text = "hello" })
    ]])
    child:wait("all is answered", "return called and yielded")
    tests.equal(child:lua("return called"), { "none", "claude" })
    tests.equal(child:lua("return yielded"), { "codex", "none", "there is no agent gone" })
    child:wait_message("orchflow: send: there is no agent gone")
    tests.equal(
      child:lua("return stub.asked[1].params"),
      { to = { "claude" }, text = "hello", run = 7 }
    )
  end)

  it("gives review, status and log as data, and takes decisions", function(child)
    child:lua(STUB, tests.root)
    child:lua([[
      stub.serve(stub.hunks())
      stub.answers.status = function() return { agents = { { agent = "claude" } }, runs = {} } end
      stub.answers.log = function(params) return { events = {}, seq = 1, asked = params } end
      coroutine.wrap(function()
        local review = orchflow.review({ filter = "agent:claude file:src/**", all = true })
        local status = orchflow.status()
        local log = orchflow.log({ filter = { "type:edit", "is:failed" }, limit = 5 })
        local accepted = orchflow.accept({ hunks = { "h_aa01" } })
        local rejected = orchflow.reject({ hunks = "h_bb02", reason = "no" })
        local commented = orchflow.comment({ hunk = "h_aa03", text = "why" })
        local undone = orchflow.undo()
        results = { #review.hunks, status.agents[1].agent, log.asked, accepted.results[1].state,
          rejected.results[1].state, #commented.prompts, undone.message }
      end)()
    ]])
    child:wait("all is done", "return results ~= nil")
    tests.equal(child:lua("return results"), {
      4,
      "claude",
      { filter = "type:edit is:failed", limit = 5 },
      "accepted",
      "rejected",
      1,
      "accept undone",
    })
    tests.equal(child:lua("return stub.asked[1].params.filter"), "agent:claude file:src/**")
    tests.equal(child:lua("return stub.asked[5].params.reason"), "no")
  end)

  it("says what is wrong with a call", function(child)
    child:lua(STUB, tests.root)
    for _, case in ipairs({
      {
        "send",
        { text = "x" },
        "to is missing: agents with commas, all, or a filter of agents such as is:idle",
      },
      { "send", { to = "claude", txt = "x" }, "send has no txt; did you mean text?" },
      { "send", { to = "claude", run = "seven" }, 'run wants a whole number, got "seven"' },
      { "review", { filter = "agnt:x" }, "no filter agnt:; did you mean agent:?" },
      { "stop", { agents = { 1 } }, "agents wants a string or a list of strings" },
    }) do
      child:lua(
        [[
        local name, given = ...
        problem = nil
        orchflow[name](given, function(failure) problem = failure.message end)
      ]],
        case[1],
        case[2]
      )
      tests.contains(child:wait("it is refused", "return problem"), case[3])
    end
    tests.equal(
      child:lua("return { orchflow.nonsense == nil, orchflow[1] == nil }"),
      { true, true }
    )
    tests.equal(child:lua("return #stub.asked"), 0)
  end)

  it("has types that fit the catalogue", function()
    vim.opt.runtimepath:prepend(tests.root)
    local written = vim.fn.readfile(tests.root .. "/lua/orchflow/api/types.lua")
    tests.equal(
      written,
      require("orchflow.api.doc").lines(),
      "run: nvim -l lua/orchflow/api/doc.lua"
    )
  end)

  it("tells autocommands what happens, and computes nothing for nobody", function(child)
    child:lua(STUB, tests.root)
    child:lua([[
      require("orchflow.autocmd").start()
      executed = 0
      local real = vim.api.nvim_exec_autocmds
      vim.api.nvim_exec_autocmds = function(...)
        executed = executed + 1
        return real(...)
      end
      function push(status, undecided)
        client.receive({
          { kind = "events", cursor = (seq or 0) + 3, events = {
            { seq = (seq or 0) + 1, timestamp = 0, type = "approval_requested", agent = "codex", run = 7, summary = "",
              data = { id = "a_1" } },
            { seq = (seq or 0) + 2, timestamp = 0, type = "turn_ended", agent = "7/claude", run = 7, summary = "",
              data = { turn = 3 } },
            { seq = (seq or 0) + 3, timestamp = 0, type = "tool_finished", agent = "claude", run = 7, summary = "" },
          } },
          { kind = "status", status = { runs = {}, agents = { { agent = "claude", run = 7, key = "7/claude",
            status = status, source = "hook", confidence = "stated", undecided = undecided } } } },
        })
        seq = (seq or 0) + 3
      end
      push("working", 0)
    ]])
    child:wait("it is taken", "return client.store().status ~= nil")
    tests.equal(child:lua("return executed"), 0)
    child:lua([[
      heard = {}
      for _, name in ipairs({ "Event", "AgentStatus", "Approval", "TurnEnded", "Hunks", "Host" }) do
        vim.api.nvim_create_autocmd("User", { pattern = "Orchflow" .. name, callback = function(event)
          heard[name] = heard[name] or {}
          table.insert(heard[name], event.data)
        end })
      end
      push("done", 5)
    ]])
    child:wait("the hunks are told", "return heard.Hunks ~= nil")
    tests.equal(child:lua("return #heard.Event"), 3)
    tests.equal(child:lua("return heard.AgentStatus"), {
      {
        agent = "claude",
        run = 7,
        key = "7/claude",
        status = "done",
        before = "working",
        source = "hook",
        confidence = "stated",
      },
    })
    tests.equal(
      child:lua("return { heard.Approval[1].id, heard.Approval[1].state, heard.Approval[1].agent }"),
      { "a_1", "requested", "codex" }
    )
    tests.equal(
      child:lua("return { heard.TurnEnded[1].agent, heard.TurnEnded[1].turn }"),
      { "claude", 3 }
    )
    tests.equal(
      child:lua("return heard.Hunks"),
      { { agents = { ["7/claude"] = 5 }, undecided = 5 } }
    )
  end)

  it("picks agents, events and hunks with vim.ui.select, and goes there", function(child)
    child:lua(STUB, tests.root)
    local directory = vim.fn.tempname()
    vim.fn.mkdir(directory, "p")
    vim.fn.writefile({ "1", "2", "3", "4", "5", "6" }, directory .. "/one.txt")
    child:cmd("cd " .. directory)
    child:lua([[
      stub.serve(stub.hunks())
      stub.answers.status = function()
        return { runs = {}, agents = {
          { agent = "claude", run = 7, key = "7/claude", status = "working", living = true, turn = 2, undecided = 1 },
          { agent = "codex", run = 7, key = "7/codex", status = "exited", living = false, turn = 1, undecided = 2 },
        } }
      end
      stub.answers.log = function(params)
        asked = params
        return { events = { { seq = 3, timestamp = 0, type = "turn_ended", agent = "claude", summary = "turn ended" },
          { seq = 4, timestamp = 0, type = "turn_ended", agent = "codex", summary = "turn ended" } } }
      end
      picks = {}
      vim.ui.select = function(items, options, done)
        picks[#picks + 1] = { options.kind, vim.tbl_map(options.format_item, items) }
        done(items[choice], choice)
      end
      executed = {}
      local command = require("orchflow.command")
      command.execute = function(line) executed[#executed + 1] = line end
      choice = 1
    ]])
    child:cmd("Orchflow pick agents is:working")
    child:wait("an agent is picked", "return #executed == 1")
    child:lua("choice = 2")
    child:cmd("Orchflow pick agents")
    child:wait("an agent is picked", "return #executed == 2")
    child:cmd("Orchflow pick events agent:claude,codex")
    child:wait("an event is picked", "return #executed == 3")
    tests.equal(
      child:lua("return executed"),
      { "attach 7/claude", "review agent:7/codex", "event 3" }
    )
    tests.equal(child:lua("return asked.filter"), "agent:claude,codex")
    child:lua("choice = 3")
    child:cmd("Orchflow pick hunks")
    child:wait(
      "the hunk is there",
      [[return vim.fn.expand("%:t") == "one.txt" and vim.fn.line(".") == 5]]
    )
    tests.equal(child:lua("return vim.fn.getqflist({ size = 0 }).size"), 4)
    local picks = child:lua("return picks")
    tests.equal(picks[1][2], { "7/claude        working         turn 2  1 hunk  +0 -0" })
    tests.equal({ picks[2][1], picks[3][1], picks[4][1] }, {
      "orchflow_agent",
      "orchflow_event",
      "orchflow_hunk",
    })
    tests.contains(picks[4][2][1], "one.txt:2  claude  +1 -1  fn load")
    child:cmd("Orchflow pick agents agent:nobody")
    child:wait_message("no agents; :Orchflow swarm starts some")
    vim.fn.delete(directory, "rf")
  end)

  it("builds in the plugin's folder, and says what a build lacks", function(child)
    child:lua(STUB, tests.root)
    local directory = vim.fn.tempname()
    vim.fn.mkdir(directory, "p")
    vim.fn.writefile(
      { "build:", "\t@echo compiling; echo '\27[31mwarning' >&2; exit $(CODE)" },
      directory .. "/Makefile"
    )
    child:lua(
      [[
      local root = ...
      require("orchflow.client.binary").plugin_root = function() return root end
      build = require("orchflow.build")
      build.needs = { { program = "make", how = "" } }
    ]],
      directory
    )
    child:lua("vim.env.CODE = '0'")
    child:cmd("Orchflow build")
    child:wait_message("orchflow: built")
    local said = table.concat(child:lines(), "\n")
    tests.contains(said, "make build, in " .. directory)
    tests.contains(said, "compiling")
    tests.lacks(said, "\27")
    child:lua("vim.env.CODE = '3'")
    child:cmd("Orchflow build")
    child:wait_message("the build ended with code 2 (the buffer orchflow://build has its output)")
    child:lua(
      [[build.needs = { { program = "no-such-cargo", how = "install Rust: https://rustup.rs" } }]]
    )
    child:cmd("Orchflow build")
    child:wait_message(
      "no-such-cargo is not found, and the build needs it (install Rust: https://rustup.rs)"
    )
    vim.fn.delete(directory, "rf")
  end)

  it("takes what is typed after : as it is, without expansion", { tui = true }, function(child)
    child:lua(STUB, tests.root)
    child:cmd("edit some-file")
    child:keys([[:Orchflow send claude fix % and # in <lt>cword> | "quoted" \| `ls` $HOME ~ !<CR>]])
    child:wait("it is asked", "return #stub.asked > 0")
    tests.equal(
      child:lua("return stub.asked[1].params.text"),
      [[fix % and # in <cword> | "quoted" \| `ls` $HOME ~ !]]
    )
  end)

  it("restores a session without errors, and reads its own windows again", function(child)
    child:lua(STUB, tests.root)
    child:lua([[
      stub.serve(stub.hunks())
      stub.answers.log = function() return { events = {} } end
    ]])
    local session, file = vim.fn.tempname(), vim.fn.tempname()
    vim.fn.writefile({ "mine" }, file)
    child:cmd("edit " .. file)
    child:cmd("split orchflow://7/claude/one.txt")
    child:wait("it is filled", [[return #stub.asked > 0]])
    child:cmd("wincmd p")
    child:cmd("Orchflow send claude")
    child:cmd("stopinsert")
    child:cmd("wincmd p")
    child:cmd("Orchflow log")
    child:wait("the log is open", [[return vim.fn.bufname() == "orchflow://log"]])
    -- A view of an agent: in a session its name is that of the program alone, which shows nothing.
    local program = vim.fn.tempname() .. "/orchflow"
    vim.fn.mkdir(vim.fs.dirname(program), "p")
    vim.fn.writefile({ "#!/bin/sh", "exec sleep 60" }, program)
    vim.uv.fs_chmod(program, 448)
    child:cmd("set columns=200")
    child:lua(
      [[
      require("orchflow.ui.terminal").open({ argv = { ..., "attach", "claude" }, name = "7/claude", focus = false })
    ]],
      program
    )
    tests.equal(child:lua("return #vim.api.nvim_list_wins()"), 5)
    child:cmd("mksession! " .. session)
    local Child = require("child")
    local second = Child.new(tests.nvim, tests.root, {})
    local ok, problem = pcall(function()
      second:lua(STUB, tests.root)
      second:lua("stub.serve(stub.hunks())")
      second:cmd("source " .. session)
      local said = second:messages() --[[@as string]]
      tests.equal(said:match("E%d+:.*"), nil)
      second:wait("the review buffer is read", "return #stub.asked > 0")
      tests.equal(
        second:lua([[
          local names = {}
          for _, window in ipairs(vim.api.nvim_list_wins()) do
            local buffer = vim.api.nvim_win_get_buf(window)
            names[#names + 1] = vim.fs.basename(vim.api.nvim_buf_get_name(buffer)) .. " " .. vim.bo[buffer].buftype
          end
          table.sort(names)
          return names
        ]]),
        { vim.fs.basename(file) .. " ", "one.txt nofile" }
      )
    end)
    second:stop()
    vim.fn.delete(session)
    vim.fn.delete(file)
    assert(ok, problem)
  end)

  it("is neither written through nor in the way of :wqa and :bufdo", { tui = true }, function(child)
    child:lua(STUB, tests.root)
    child:lua([[
      stub.serve(stub.hunks())
      stub.answers.status = function() return { agents = {}, runs = {} } end
    ]])
    local file = vim.fn.tempname()
    child:cmd("edit " .. file)
    child:lua([[vim.fn.setline(1, "mine")]])
    child:cmd("split orchflow://7/claude/one.txt")
    child:wait("it is filled", [[return #stub.asked > 0]])
    child:cmd("Orchflow status")
    tests.equal(child:leave(":silent! bufdo silent! %s/mine/yours/<CR>:wqa<CR>"), 0)
    tests.equal(vim.fn.readfile(file), { "yours" })
    vim.fn.delete(file)
  end)

  for _, case in ipairs({
    { "dark", true },
    { "dark", false },
    { "light", true },
    { "light", false },
  }) do
    it(
      ("colours each group with background=%s, termguicolors=%s"):format(case[1], tostring(case[2])),
      { tui = true },
      function(child)
        child:lua("vim.o.background, vim.o.termguicolors = ...", case[1], case[2])
        for _, scheme in ipairs({ "default", "habamax", "quiet" }) do
          child:cmd("colorscheme " .. scheme)
          child:lua([[require("orchflow.ui.highlight").setup()]])
          local without = child:lua([[
            local without = {}
            for _, group in ipairs(require("orchflow.ui.highlight").groups) do
              local found = vim.api.nvim_get_hl(0, { name = group.name })
              local last = vim.api.nvim_get_hl(0, { name = group.link, link = false })
              local is_ground = group.ground_only and found.bg ~= nil and found.bg == last.bg
              if found.link ~= group.link and not is_ground or next(last) == nil and vim.g.colors_name ~= "quiet" then
                without[#without + 1] = group.name
              end
            end
            return without
          ]])
          tests.equal(without, {}, scheme)
        end
      end
    )
  end
end
