return function(it, tests)
  --- Parses a line of a verb; gives what was parsed, or the problem.
  local function parse(child, verb, line, options)
    return child:lua(
      [[
      local parse = require("orchflow.command.parse")
      local entry = require("orchflow.command").entry((...))
      local parsed, problem = parse.parse(entry, select(2, ...), select(3, ...))
      return problem or parsed
    ]],
      verb,
      line,
      options or vim.empty_dict()
    )
  end

  it("leaves text as it is typed", function(child)
    local parsed = parse(
      child,
      "swarm",
      [[--agents claude,rehearsal --wait Make 50% of #x | "that" it's \n  so ]]
    )
    tests.equal(parsed.flags, { agents = { "claude", "rehearsal" }, wait = true })
    tests.equal(parsed.arguments.objective, [[Make 50% of #x | "that" it's \n  so]])
  end)

  it("reads flags in each of their forms", function(child)
    local flags =
      parse(child, "swarm", "--agents=a,b --no-include-changes --timeout 10m --view=tmux x").flags
    tests.equal(
      flags,
      { agents = { "a", "b" }, include_changes = false, timeout = 600, view = "tmux" }
    )
    tests.equal(parse(child, "swarm", "--include-changes x").flags, { include_changes = true })
    tests.equal(parse(child, "log", "-f --type a,b").flags, { follow = true, type = { "a", "b" } })
    tests.equal(parse(child, "review", [[--file "a b/c d.rs"]]).flags, { file = "a b/c d.rs" })
    tests.equal(parse(child, "review", [[--file a\ b]]).flags, { file = "a b" })
  end)

  it("ends flags at --", function(child)
    tests.equal(
      parse(child, "swarm", "-- --agents is a flag").arguments.objective,
      "--agents is a flag"
    )
    tests.equal(
      parse(child, "send", "claude -- --quiet please").arguments,
      { to = "claude", text = "--quiet please" }
    )
  end)

  it("takes no flag for text", function(child)
    local behind =
      "%s stands behind the text; write flags before it, or -- before a text that has it"
    for line, flag in pairs({
      ["fix it --agents claude"] = "--agents",
      ["fix it --agents=claude"] = "--agents",
      ["fix it --no-include-changes"] = "--no-include-changes",
      ["fix it --json"] = "--json",
    }) do
      tests.equal(parse(child, "swarm", line), behind:format(flag))
    end
    tests.equal(
      parse(child, "reject", "h_9f2c too long --json", { takes_ids = true }),
      behind:format("--json")
    )
    for _, text in ipairs({ "explain --fast and -x", "a--json b", "why -- agents?" }) do
      tests.equal(parse(child, "swarm", text).arguments.objective, text)
    end
    tests.equal(
      parse(child, "swarm", "-- what does --agents do?").arguments.objective,
      "what does --agents do?"
    )
  end)

  it("takes flags between words", function(child)
    local parsed = parse(child, "stop", "claude --run 7 codex")
    tests.equal(parsed.arguments.agents, { "claude", "codex" })
    tests.equal(parsed.flags.run, 7)
  end)

  it("takes hunk ids before text", function(child)
    local parsed =
      parse(child, "reject", "h_9f2c h_00 --hash ab keep the old name", { takes_ids = true })
    tests.equal(parsed.ids, { "h_9f2c", "h_00" })
    tests.equal(parsed.flags, { hash = "ab" })
    tests.equal(parsed.arguments.text, "keep the old name")
    tests.equal(
      parse(child, "reject", "h_9f2c --reason 'too long' ", { takes_ids = true }).flags.reason,
      "too long"
    )
  end)

  it("says what is wrong", function(child)
    local function problem(verb, line)
      return parse(child, verb, line)
    end
    tests.equal(
      problem("swarm", "--agent claude x"),
      "unknown flag --agent; did you mean --agents?"
    )
    tests.equal(problem("swarm", "--zzzzz x"), "unknown flag --zzzzz")
    tests.equal(problem("swarm", "--agents"), "--agents wants a value: LIST")
    tests.equal(problem("swarm", "--agents --wait x"), "--agents wants a value: LIST")
    tests.equal(problem("swarm", "--agents , x"), "--agents wants words with commas between, got ,")
    tests.equal(problem("swarm", "--wait=yes x"), "--wait takes no value")
    tests.equal(problem("swarm", "--no-wait x"), "unknown flag --no-wait; did you mean --wait?")
    tests.equal(
      problem("swarm", "--view screen x"),
      "--view wants one of auto, tmux, wezterm, nvim, none, got screen"
    )
    tests.equal(
      problem("swarm", "--timeout soon x"),
      "--timeout wants a time such as 90s, 10m, 2h, got soon"
    )
    tests.equal(problem("swarm", ""), "OBJECTIVE is missing: what should be done, in your words")
    tests.equal(problem("review", "--run seven"), "--run wants a whole number, got seven")
    tests.equal(problem("undo", "twice"), "twice is one word too many")
    tests.equal(problem("attach", "a b"), "b is one word too many")
  end)

  it("survives every kind of quote left open", function(child)
    tests.equal(parse(child, "review", [[--file "a b]]).flags.file, "a b")
    tests.equal(parse(child, "review", [[--file \]]).flags.file, "\\")
  end)
end
