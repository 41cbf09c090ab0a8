return function(it, tests)
  --- Reads a filter in the child: the problem, or how it is written again.
  local function shown(child, typed)
    return child:lua(
      [[
      local filters = require("orchflow.filter")
      local filter, problem = filters.parse(...)
      return problem or filters.show(filter)
    ]],
      typed
    )
  end

  it("reads and shows filters", function(child)
    for typed, expected in pairs({
      [""] = "",
      ["agent:claude type:tool_failed file:a.rs two  words"] = "agent:claude type:tool_failed file:a.rs two words",
      ["ai:claude path:src"] = "agent:claude file:src",
      ["agent:claude,codex -is:unsen"] = "no is:unsen; did you mean is:unseen?",
      ["agent:claude,codex -is:unseen turn:-1"] = "agent:claude,codex -is:unseen turn:-1",
      [ [[file:"a b/**" x]] ] = [[file:"a b/**" x]],
      [ [["two words" "run:7"]] ] = [["two words" "run:7"]],
      ["std::env http://example.org error: no"] = [["std::env" "http://example.org" "error:" no]],
      ["-word two - three"] = "two three -word",
      ["since:10m until:14:02"] = "since:10m until:14:02",
    }) do
      tests.equal(shown(child, typed), expected, typed)
      if not expected:find("did you mean") then
        tests.equal(shown(child, expected), expected, "read again: " .. expected)
      end
    end
  end)

  it("says what is wrong with a filter, with the nearest name", function(child)
    for typed, expected in pairs({
      ["agnt:claude"] = "no filter agnt:; did you mean agent:?",
      ["xyzzy:1"] = 'no filter xyzzy:; to look for the text, quote it: "xyzzy:1"',
      ["agent:"] = "agent: wants a value, as in agent:claude",
      ["run:x"] = "run: wants a run's number, or -1 for the newest, got x",
      ["turn:one"] = "turn: wants a turn's number, or -1 for the newest, got one",
      ["since:soon"] = "since: wants a time such as 90s, 10m, 2h, 3d, 14:02 or 2026-11-25T14:02, got soon",
      ["-since:10m"] = "since: wants one time, as in since:10m",
      ["type:edti"] = "no type:edti; did you mean type:edit?",
      ["is:unsen"] = "no is:unsen; did you mean is:unseen?",
    }) do
      tests.equal(shown(child, typed), expected, typed)
    end
  end)

  it("refuses what means nothing for what is filtered", function(child)
    local function problem(typed, scope)
      return child:lua(
        [[return select(2, require("orchflow.filter").parse(...)) or "none"]],
        typed,
        scope
      )
    end
    tests.equal(problem("since:10m", "hunks"), "since: means nothing for hunks")
    tests.equal(problem("file:src", "agents"), "file: means nothing for agents")
    tests.equal(problem("is:unsen", "hunks"), "no is:unsen; did you mean is:unseen?")
    tests.contains(
      problem("is:unseen", "events"),
      "no is:unseen; there are human host agent failed"
    )
    tests.equal(problem("type:ad", "hunks"), "no type:ad; did you mean type:add?")
    tests.contains(
      problem("type:tool", "hunks"),
      "no type:tool; there are add delete change binary"
    )
    tests.equal(problem("type:tool is:failed since:10m", "events"), "none")
  end)

  it("turns times into those of the host", { env = { TZ = "UTC" } }, function(child)
    -- 2026-11-25 14:30:00 UTC
    local params = child:lua([[
      local filters = require("orchflow.filter")
      local now = 1795617000 * 1000000
      local function of(typed)
        return filters.params(filters.parse(typed), now)
      end
      return {
        of("agent:claude since:10m until:14:02 word"),
        of("since:23:00").since_at,
        of("since:2026-11-25T14:00").since_at,
        of("since:2026-11-24").since_at,
      }
    ]])
    tests.equal(params[1], {
      filter = "agent:claude word",
      since_at = (1795617000 - 600) * 1000000,
      until_at = (1795617000 - 28 * 60) * 1000000,
    })
    tests.equal(params[2], (1795617000 - 15 * 3600 - 30 * 60) * 1000000, "23:00 is yesterday's")
    tests.equal(params[3], (1795617000 - 1800) * 1000000)
    tests.equal(params[4], (1795617000 - 14 * 3600 - 30 * 60 - 24 * 3600) * 1000000)
  end)

  it("lets pushed events through a filter as the host would", function(child)
    local passed = child:lua([[
      local filters = require("orchflow.filter")
      local event = { agent = "claude", run = 7, type = "tool_failed", summary = "Bash failed: No", actor = "agent",
        timestamp = 1000000, paths = { "src/deep/a.rs" }, data = { tool = "Edit", turn = 3, said = "inside" } }
      local context = { newest_run = 8, turns = { ["7/claude"] = 3 }, now = 61000000 }
      local passed = {}
      for _, typed in ipairs({ "", "agent:claude", "agent:7/claude", "agent:8/claude", "agent:codex", "agent:cl*",
        "agent:codex,claude", "-agent:claude", "-agent:codex", "run:7", "run:8", "run:-2", "run:-1", "turn:-1", "turn:2",
        "turn:2,3", "type:tool_failed", "type:tool", "type:edit", "type:turn", "type:tool_fail", "file:src",
        "file:src/deep/a.rs", "file:src/*.rs", "file:src/**/*.rs", "file:**/a.rs", "file:s", "is:failed", "is:agent",
        "is:human", "failed: no", "bash inside", "worked", "-worked", "-bash",
        "bash -worked", "agent:codex agent:claude", "is:failed is:agent", "is:failed is:human", "since:2m", "since:10s", "until:10s" }) do
        passed[#passed + 1] = filters.passes(assert(filters.parse(typed)), event, context) and typed or nil
      end
      return table.concat(passed, " | ")
    ]])
    tests.equal(
      passed,
      " | agent:claude | agent:7/claude | agent:cl* | agent:codex,claude | -agent:codex | run:7 | run:-2 | turn:-1"
        .. " | turn:2,3 | type:tool_failed | type:tool | type:edit | file:src | file:src/deep/a.rs | file:src/**/*.rs"
        .. " | file:**/a.rs | is:failed | is:agent | failed: no | bash inside | -worked"
        .. " | bash -worked | agent:codex agent:claude | is:failed is:agent | since:2m | until:10s"
    )
  end)

  it("completes names, agents, files, types, states and lists", function(child)
    local directory = vim.fn.tempname()
    vim.fn.mkdir(directory .. "/src/deep", "p")
    vim.fn.writefile({ "" }, directory .. "/src/main.rs")
    child:cmd("cd " .. directory)
    child:lua([[
      local client = require("orchflow.client")
      require("orchflow.state").take_status(client.store(), {
        agents = { { agent = "claude", run = 7, key = "7/claude" }, { agent = "codex", run = 7, key = "7/codex" } },
        runs = { { run = 7 } },
      })
    ]])
    local function complete(line)
      return child:api("nvim_call_function", "getcompletion", { line, "cmdline" })
    end
    tests.equal(complete("Orchflow timeline t"), { "type:", "turn:" })
    tests.equal(complete("Orchflow timeline -a"), { "-agent:" })
    tests.equal(complete("Orchflow review agent:claude,co"), { "agent:claude,codex" })
    tests.equal(complete("Orchflow review is:un"), { "is:undecided", "is:unseen" })
    tests.equal(complete("Orchflow timeline is:h"), { "is:human", "is:host" })
    tests.equal(complete("Orchflow timeline type:ed"), { "type:edit" })
    tests.equal(
      complete("Orchflow review file:src/"),
      { "file:src/deep/", "file:src/deep/**", "file:src/main.rs" }
    )
    tests.equal(complete("Orchflow review run:"), { "run:-1", "run:7" })
    tests.equal(complete("Orchflow log ver"), { "verify" })
    tests.equal(complete("Orchflow pick h"), { "hunks" })
    tests.equal(complete("Orchflow pick hunks agent:co"), { "agent:codex" })
    vim.fn.delete(directory, "rf")
  end)

  it("goes to the host as it was typed, whatever stands around it", function(child)
    child:lua(
      [[
      package.path = ... .. "/tests/nvim/?.lua;" .. package.path
      stub = require("stub")
    ]],
      tests.root
    )
    child:keys([[:Orchflow review --run 7 file:"a b/**" -agent:codex load 100% #1 a|b config<CR>]])
    child:wait("it is asked", [[return #stub.asked > 0]])
    tests.equal(
      child:lua([[return stub.asked[1].params.filter]]),
      [[file:"a b/**" -agent:codex load 100% #1 a|b config]]
    )
    tests.equal(child:lua([[return stub.asked[1].params.run]]), 7)
  end)
end
