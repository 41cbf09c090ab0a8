return function(it, tests)
  --- Runs Lua with the view modules at hand.
  local function view(child, code, ...)
    return child:lua([[
      package.path = select(1, ...) .. "/tests/nvim/?.lua;" .. package.path
      local stub = require("stub")
      local text, hunk_view = require("orchflow.view.text"), require("orchflow.view.hunk")
      local timeline = require("orchflow.view.timeline")
    ]] .. code, tests.root, ...)
  end

  it("cleans what could steer the screen", function(child)
    tests.equal(
      view(child, [[return text.clean("a\27[31m\nb\tc\194\155d\226\128\174e")]]),
      "a [31m b c d" .. "e"
    )
    tests.equal(
      view(child, [[return text.clean(vim.NIL) .. text.clean(nil) .. text.clean(7)]]),
      "7"
    )
  end)

  it("cuts and pads by cells, not bytes", function(child)
    tests.equal(view(child, [[return text.cut("日本語日本語", 5)]]), "日本…")
    tests.equal(view(child, [[return text.cut("abc", 3)]]), "abc")
    tests.equal(view(child, [[return text.cut("abcd", 3)]]), "ab…")
    tests.equal(view(child, [[return text.cut("abcd", 0)]]), "")
    tests.equal(
      view(child, [[return text.pad("日本", 6) .. "|" .. text.pad("7", 3, true)]]),
      "日本  |  7"
    )
  end)

  it("says durations as a clock does", function(child)
    tests.equal(
      view(
        child,
        [[return { text.duration(-4), text.duration(41.9), text.duration(723), text.duration(3753) }]]
      ),
      {
        "0:00",
        "0:41",
        "12:03",
        "1:02:33",
      }
    )
  end)

  it("draws events, whatever is in them", function(child)
    local lines = view(
      child,
      [[
      return timeline.page({
        { seq = 1, timestamp = 50400e6, type = "turn_started", agent = "7/claude", summary = "turn 1\nstarted" },
        { seq = 2, timestamp = 50401e6, type = "hunk_accepted", user = "ann", summary = "accepted one.txt:2", actor = "human", agent = "claude" },
        { seq = 3, type = "host_started", summary = "" },
      }).lines
    ]]
    )
    tests.equal(lines, {
      "14:00:00  claude       > turn 1 started",
      "14:00:01  you          + claude: accepted one.txt:2",
      "--:--:--  host           host_started",
    })
  end)

  it("aligns the quickfix lines and names rivals", function(child)
    local lines = view(
      child,
      [[
      local hunks = stub.hunks()
      hunks[1].insertions, hunks[3].changed_since, hunks[4].comments = 12, true, 2
      return require("orchflow.view.quickfix").lines(hunks)
    ]]
    )
    tests.equal(lines, {
      "one.txt|2 I|   claude +12 -1 fn load   rival 1/2",
      "one.txt|2 I|   codex  +1  -1 fn load   rival 2/2 of claude:2",
      "one.txt|5 I| ~ claude +1  -1           changed since you saw it",
      "zzz.txt|1 I|   claude +2     new file  2 comments",
    })
  end)

  it("says which rival was accepted", function(child)
    local lines = view(
      child,
      [[
      local hunks = stub.hunks()
      hunks[2].state = "accepted"
      hunks[1].rival_accepted = { id = "h_bb02", agent = "codex", line = 2 }
      hunks[1].forecast = "conflict"
      return require("orchflow.view.quickfix").lines(hunks)
    ]]
    )
    tests.contains(lines[1], "rival of accepted codex:2")
    tests.lacks(lines[1], "conflicts")
    tests.contains(lines[2], "+ codex")
    tests.contains(lines[2], "accepted")
  end)

  it("says what is in the way of a hunk, and where it stands among its rivals", function(child)
    local lines = view(
      child,
      [[
      local function each(id, agent, line, fields)
        local rivals = {}
        for _, other in ipairs({ "claude", "codex", "aider" }) do
          if other ~= agent then
            table.insert(rivals, stub.rival("h_" .. other, other, "src/config.rs", 9, other == "claude" and agent == "aider"))
          end
        end
        return stub.hunk(vim.tbl_extend("force", { id = id, agent = agent, path = "src/config.rs", new_start = line,
          heading = "load_config", rivals = rivals }, fields or {}))
      end
      return require("orchflow.view.quickfix").lines({
        each("h_claude", "claude", 41, { forecast = "conflict", conflict_with = "buffer", insertions = 12, deletions = 3 }),
        each("h_codex", "codex", 38),
        each("h_aider", "aider", 40, { state = "undecided" }),
        stub.hunk({ id = "h_x", agent = "claude", path = "src/x.rs", partly = { added = { 1 }, removed = {} }, forecast = "applied" }),
      }, 80)
    ]]
    )
    tests.equal(lines, {
      "src/config.rs|41 W| ! claude +12 -3 load_con…  conflicts: your buffer, rival 1/3",
      "src/config.rs|38 I|   codex  +1  -1 load_con…  rival 2/3 of claude:41",
      "src/config.rs|40 I|   aider  +1  -1 load_con…  the same as claude:41",
      "src/x.rs|1 I|         claude +1  -1            partly accepted",
    })
  end)

  it("says of which rival also where names are long, in 80 columns", function(child)
    local lines = view(
      child,
      [[
      local function each(id, agent, rivals, fields)
        local list = {}
        for _, name in ipairs(rivals) do
          list[#list + 1] = stub.rival("h_" .. name, name, "greet/__init__.py", 118)
        end
        return stub.hunk(vim.tbl_extend("force", { id = id, agent = agent, path = "greet/__init__.py", new_start = 118,
          heading = "greeting", rivals = list }, fields or {}))
      end
      return require("orchflow.view.quickfix").lines({
        each("h_rehearsal-2", "rehearsal-2", { "rehearsal-3" }),
        each("h_rehearsal-3", "rehearsal-3", { "rehearsal-2" }),
        each("h_3", "rehearsal-3", {}, { rival_accepted = { id = "h_4", agent = "rehearsal-2", line = 118 } }),
        stub.hunk({ id = "h_5", agent = "rehearsal", path = "tests/greeting_thorough.sh", insertions = 9, deletions = 0,
          change = "added" }),
      }, 80)
    ]]
    )
    tests.contains(lines[2], "rival 2/2 of rehearsal-2:118")
    tests.contains(lines[3], "rival of accepted rehearsal-2")
    for index, line in ipairs(lines) do
      assert(vim.fn.strdisplaywidth(line) <= (index == 3 and 85 or 80), line)
      tests.contains(line, index < 4 and "init__.py|118" or "thorough.sh|")
    end
  end)

  it("keeps long paths and headings within the window", function(child)
    local widths = view(
      child,
      [[
      local hunk = stub.hunk({ id = "h_1", agent = "rehearsal-12", path = ("deep/"):rep(20) .. "config.rs", new_start = 1234,
        heading = ("pub fn load_the_configuration"):rep(3), insertions = 1200, deletions = 300,
        rival_accepted = { id = "h_2", agent = "codex", line = 41 } })
      return vim.tbl_map(function(width)
        local line = require("orchflow.view.quickfix").lines({ hunk }, width)[1]
        return { vim.fn.strdisplaywidth(line), line:find("config.rs|1234", 1, true) ~= nil }
      end, { 80, 200 })
    ]]
    )
    assert(widths[1][1] <= 82 and widths[1][2], vim.inspect(widths))
    assert(widths[2][1] > 150 and widths[2][1] <= 202 and widths[2][2], vim.inspect(widths))
  end)

  it("shows a hostile path as one harmless line", function(child)
    local lines = view(
      child,
      [[
      return require("orchflow.view.quickfix").lines({ stub.hunk({ id = "h_1", agent = "x\27]0;y\7", path = "a|b\n" .. ("d/"):rep(60) .. "c" }) })
    ]]
    )
    tests.equal(#lines, 1)
    tests.lacks(lines[1], "\27")
    assert(#lines[1] < 120, lines[1])
  end)

  it("merges a fresh list into the one that is shown", function(child)
    local ids = view(
      child,
      [[
      local function each(id, path, state, hash)
        return stub.hunk({ id = id, agent = "a", path = path, state = state, hash = hash or "0" })
      end
      local old = {
        each("1", "x", "undecided"), each("2", "x", "accepted"), each("3", "x", "undecided"), each("4", "y", "undecided"),
      }
      local fetched = {
        each("9", "z", "undecided"), each("4", "y", "undecided", "1"), each("1", "x", "undecided"), each("8", "x", "undecided"),
      }
      return vim.tbl_map(function(hunk)
        return hunk.id .. hunk_view.mark(hunk)
      end, hunk_view.merge(old, fetched))
    ]]
    )
    tests.equal(ids, { "1 ", "2+", "8 ", "4~", "9 " })
  end)

  it("takes status and events into the store once", function(child)
    local seen = child:lua([[
      local state = require("orchflow.state")
      local store = state.new()
      local first = state.take_events(store, { { seq = 4 }, { seq = 5 } }, 5)
      local second = state.take_events(store, { { seq = 5 }, { seq = 6 } }, 6)
      state.take_status(store, { agents = {
        { agent = "claude", run = 1, key = "1/claude" }, { agent = "claude", run = 2, key = "2/claude", living = true } } })
      return { #first, #second, store.cursor, state.agent(store, "claude").run, state.agent(store, "1/claude").run,
        state.agent(store, "x") == nil, state.any_living(store) }
    ]])
    tests.equal(seen, { 2, 1, 6, 2, 1, true, true })
  end)

  it("draws kinds of agents, and what was cleaned", function(child)
    local lines = child:lua([[
      local list = require("orchflow.view.list")
      return {
        list.agents({ { name = "claude", title = "Claude Code", installed = false, hint = "npm i", source = "built in" },
          { name = "x", title = "X", installed = true, version = "1.2", path = "/bin/x", source = "/home/a.toml" } }).lines,
        list.cleaned({ cleaned = { { agent = "a", run = 7, kept = "refs/orchflow/x" } }, skipped = { { agent = "b", why = "lives" } } }).lines,
        list.cleaned({ cleaned = { { agent = "a", run = 7 } }, skipped = {}, dry_run = true }).lines,
      }
    ]])
    tests.equal(lines[1], {
      "-  claude  Claude Code  not installed  npm i",
      "+  x       X            1.2            /bin/x  /home/a.toml",
    })
    tests.equal(lines[2], { "cleaned  7/a  kept as refs/orchflow/x", "skipped  b    lives" })
    tests.equal(lines[3], { "would be cleaned  7/a" })
  end)
end
