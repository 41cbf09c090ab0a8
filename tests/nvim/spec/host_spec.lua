-- Against the real host, with rehearsals for agents. Skipped aloud without ORCHFLOW_BIN.

return function(it, tests)
  local binary = vim.env.ORCHFLOW_BIN
  local OBJECTIVE = "Make the greeting configurable"

  --- Runs a test in a repository of its own, with a child Neovim in it.
  local function with_repository(name, options, body)
    if body == nil then
      options, body = {}, options
    end
    it(name, { child = false }, function()
      if not binary or binary == "" then
        tests.skip("ORCHFLOW_BIN is not set")
      end
      local Repository, Child = require("repository"), require("child")
      local repository = Repository.new(vim.uv.fs_realpath(binary) or binary)
      local child
      local ok, problem = xpcall(function()
        if options.child ~= false then
          local place = { cwd = repository.root, tui = options.tui, columns = options.columns }
          child = Child.new(tests.nvim, tests.root, place)
          child:lua(
            [[require("orchflow").setup({ binary = ..., view = "none" })]],
            repository.binary
          )
        end
        body(repository, child)
      end, function(trouble)
        local said = child and child:last_words() or ""
        return type(trouble) == "table" and trouble or debug.traceback(tostring(trouble) .. said, 2)
      end)
      if child then
        child:stop()
      end
      repository:stop()
      if not ok then
        error(problem, 0)
      end
    end)
  end

  --- Runs rehearsals until they are done.
  local function rehearse(repository, agents)
    local data, envelope =
      repository:data("swarm", "--agents", agents, "--wait", "--timeout", "60s", OBJECTIVE)
    assert(envelope.ok, vim.inspect(envelope))
    return data
  end

  local function review(child, arguments)
    child:cmd("Orchflow review " .. (arguments or ""))
    child:wait("the quickfix window is open", [[return vim.bo.buftype == "quickfix"]])
  end

  --- Shows the entry under the cursor: what was not on the screen is not accepted by a key.
  local function look(child)
    child:keys("=")
    child:wait(
      "the entry is on the screen",
      [[
      local list = require("orchflow.review.list")
      return require("orchflow.review.seen").is_shown(list.hunks()[vim.fn.line(".")])
    ]]
    )
  end

  local function entry(child, pattern)
    child:wait("an entry fits " .. pattern, [[return vim.fn.search(..., "w") > 0]], pattern)
  end

  it("has the generated parts as the binary prints them", { child = false }, function()
    if not binary or binary == "" then
      tests.skip("ORCHFLOW_BIN is not set")
    end
    local function printed(format)
      return vim.system({ binary, "catalogue", format }, { text = true }):wait().stdout
    end
    local function read(path)
      local file = assert(io.open(tests.root .. "/" .. path))
      local text = file:read("*a")
      file:close()
      return text
    end
    tests.equal(read("lua/orchflow/catalogue.lua"), printed("lua"))
    tests.contains(read("doc/orchflow.txt"), printed("help"))
  end)

  with_repository(
    "runs a swarm from a script and prints its hunks",
    { child = false },
    function(repository)
      local result = repository:script(tests.nvim, tests.root, {
        "Orchflow swarm --agents rehearsal,rehearsal --wait --timeout 60s "
          .. OBJECTIVE
          .. ", 100% | #1",
        "Orchflow status",
        "Orchflow review --json",
        "Orchflow timeline agent:rehearsal-2",
      })
      tests.equal(result.code, 0, result.stderr)
      local lines = vim.split(vim.trim(result.stdout), "\n")
      tests.equal(lines[1], "run 1 done")
      tests.contains(result.stdout, OBJECTIVE .. ", 100% | #1")
      tests.contains(result.stderr, "rehearsal")
      local envelope
      for _, line in ipairs(lines) do
        envelope = vim.startswith(line, "{")
            and vim.json.decode(line, { luanil = { object = true } })
          or envelope
      end
      tests.equal({ envelope.schema, envelope.ok, envelope.code }, { "orchflow.review/1", true, 0 })
      assert(#envelope.data >= 2, "too few hunks")
      tests.equal(envelope.data, repository:data("review"))
    end
  )

  with_repository(
    "ends a script with the exit code of its failure, at once",
    { child = false },
    function(repository)
      local function script(commands, options)
        return repository:script(tests.nvim, tests.root, commands, options)
      end
      local result =
        script({ "Orchflow accept h_ffffffff --json", "lua io.stdout:write('went on')" })
      tests.equal(result.code, 1, result.stderr)
      local envelope = vim.json.decode(result.stdout)
      tests.equal({ envelope.ok, envelope.code, envelope.error.code }, { false, 1, "unknown_hunk" })
      tests.lacks(result.stdout, "went on")
      tests.contains(result.stderr, "there is no hunk h_ffffffff")
      tests.equal(script({ "Orchflow swarm --agents nonsense x" }).code, 2)
      tests.equal(script({ "Orchflow nonsense --json" }).code, 2)
      tests.equal(script({ "Orchflow attach rehearsal" }).code, 2)
      local going =
        script({ "Orchflow accept h_ffffffff --keep-going", "lua io.stdout:write('went on')" })
      tests.equal({ going.code, going.stdout:find("went on", 1, true) ~= nil }, { 0, true })
      repository:write("src/main.rs", { "changed" })
      local dirty = script({ "Orchflow swarm --agents rehearsal --json x" })
      tests.equal({ dirty.code, vim.json.decode(dirty.stdout).error.code }, { 3, "dirty_tree" })
      local late =
        script({ "Orchflow swarm --agents rehearsal --no-include-changes --wait --timeout 1s x" })
      tests.equal(late.code, 4, late.stderr)
      tests.contains(late.stderr, "its agents go on")
    end
  )

  with_repository("decides hunks from a script", { child = false }, function(repository)
    rehearse(repository, "rehearsal")
    local function script(commands, options)
      return repository:script(tests.nvim, tests.root, commands, options)
    end
    local hunks = repository:data("review")
    local dry = script({ "Orchflow accept --dry-run " .. hunks[1].id })
    tests.equal(dry.code, 0, dry.stderr)
    tests.contains(dry.stdout, "would be accepted")
    local wrong = script({ ("Orchflow accept --hash %s %s"):format(("0"):rep(64), hunks[1].id) })
    tests.equal(wrong.code, 1)
    local done = script(
      { "Orchflow accept -", "Orchflow undo", "Orchflow review", "Orchflow accept" },
      {
        stdin = ("%s %s\n"):format(hunks[1].id, hunks[1].hash),
      }
    )
    tests.equal(done.code, 0, done.stderr)
    tests.contains(done.stdout, "accepted")
    tests.contains(done.stdout, "undone")
    tests.contains(repository:git("status", "--short"), "")
    tests.equal(#repository:data("review"), #hunks - 1)
  end)

  with_repository("leaves the lines of hunks out of a brief list", function(repository, child)
    rehearse(repository, "rehearsal")
    child:lua([[
      local client = require("orchflow.client")
      client.request("review", {}, function(_, result) whole = result end)
      client.request("review", { brief = true }, function(_, result) brief = result end)
    ]])
    child:wait("both are there", "return whole ~= nil and brief ~= nil")
    local found = child:lua([[
      local hunk, short = whole.hunks[1], brief.hunks[1]
      local left_out = vim.tbl_filter(function(name) return short[name] == nil end, vim.tbl_keys(hunk))
      table.sort(left_out)
      return { hunk.id == short.id and hunk.hash == short.hash and #whole.hunks == #brief.hunks, left_out }
    ]])
    local names = found[2]
    tests.equal(found[1], true)
    for _, name in ipairs({ "added", "after", "before", "removed" }) do
      tests.equal(vim.tbl_contains(names, name), true)
    end
    for _, name in ipairs({ "path", "line", "new_start", "state", "comments", "user_path" }) do
      tests.equal(vim.tbl_contains(names, name), false)
    end
  end)

  it("says that a folder is no git repository", { child = false }, function()
    if not binary or binary == "" then
      tests.skip("ORCHFLOW_BIN is not set")
    end
    local folder = vim.fn.tempname()
    vim.fn.mkdir(folder)
    local Repository = require("repository")
    local nowhere = setmetatable({ root = folder, binary = vim.uv.fs_realpath(binary) }, Repository)
    local result = nowhere:script(tests.nvim, tests.root, { "Orchflow status --json" })
    tests.equal(result.code, 2, result.stderr)
    tests.equal(vim.json.decode(result.stdout).error.code, "repository")
  end)

  with_repository("shows a swarm live, from start to review", function(_, child)
    child:cmd("Orchflow swarm --agents rehearsal,rehearsal --wait " .. OBJECTIVE)
    child:wait_message("run 1 started: rehearsal, rehearsal-2  base: main@")
    child:cmd("Orchflow status")
    child:wait("both are shown", [[return vim.fn.search("rehearsal-2", "n") > 0]])
    child:wait(
      "both are done",
      [[
      local done = 0
      for _, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do
        done = done + (line:find("^%+ rehearsal") and 1 or 0)
      end
      return done == 2
    ]]
    )
    child:wait_message("run 1 is done")
    child:keys("q")
    review(child)
    entry(child, "main.rs.*rival 1/2")
    tests.lacks(child:messages(), "defect")
  end)

  with_repository("accepts into a buffer without saving it, and undoes", function(repository, child)
    rehearse(repository, "rehearsal")
    child:cmd("edit src/main.rs")
    child:cmd("normal! Go// mine")
    local before = child:lines()
    review(child)
    entry(child, "main.rs")
    look(child)
    child:keys("a")
    child:wait_message("accepted → src/main.rs, not saved (u undoes)")
    child:wait("the list says so", [[return vim.fn.search("accepted", "nw") > 0]])
    local after = child:lua([[return vim.fn.getbufline("src/main.rs", 1, "$")]])
    assert(not vim.deep_equal(after, before), "the buffer was not changed")
    tests.equal(after[#after], "// mine")
    tests.equal(repository:git("status", "--short"), "")
    child:keys("u")
    child:wait_message("undone")
    tests.equal(child:lua([[return vim.fn.getbufline("src/main.rs", 1, "$")]]), before)
  end)

  with_repository(
    "reviews an agent's checkpoint with keys: seen, accepted, undone, made again, in parts",
    { tui = true },
    function(repository, child)
      rehearse(repository, "rehearsal,rehearsal")
      review(child, "agent:rehearsal-2 file:src/**")
      tests.equal(child:lua("return #vim.fn.getqflist()"), 1)
      child:keys("<CR>")
      child:lua(
        [[function page() return require("orchflow.review.buffer").page(vim.api.nvim_get_current_buf()) end]]
      )
      child:wait("the checkpoint is shown", "return page() ~= nil and page().state == 'ready'")
      tests.equal(child:lines(), vim.fn.readfile(child:lua("return page().hunks[1].agent_path")))
      child:wait(
        "the host knows what was seen",
        [[
        require("orchflow.client").request("review", { filter = "is:unseen" }, function(_, result)
          unseen = result and vim.tbl_map(function(hunk) return hunk.key .. hunk.path end, result.hunks)
        end)
        return unseen and not vim.list_contains(unseen, "1/rehearsal-2src/main.rs")
      ]]
      )
      child:keys("a")
      child:wait_message("rehearsal-2 accepted → src/main.rs")
      child:keys("u")
      child:wait_message("undone")
      child:wait("it is undecided", "return page().hunks[1].state == 'undecided'")
      child:keys("<C-r>")
      child:wait_message("redone")
      child:wait("it is accepted", "return page().hunks[1].state == 'accepted'")
      child:keys("u")
      child:wait("it is undecided", "return page().hunks[1].state == 'undecided'")
      child:keys("VA")
      child:wait_message("accepted in part → src/main.rs")
      child:wait("the host says so", "return page().hunks[1].partly ~= nil")
    end
  )

  with_repository(
    "accepts into a file that is not loaded, and a new file",
    function(repository, child)
      rehearse(repository, "rehearsal")
      review(child)
      child:cmd("%Orchflow accept")
      child:wait_message("2 hunks accepted → 2 files")
      local status = repository:git("status", "--short", "--untracked-files=all")
      tests.contains(status, " M src/main.rs")
      tests.contains(status, "?? tests/")
      tests.equal(repository:data("review"), {})
    end
  )

  with_repository(
    "refuses what conflicts with unsaved lines, and changes nothing",
    function(repository, child)
      rehearse(repository, "rehearsal")
      child:cmd("edit src/main.rs")
      child:lua(
        [[vim.api.nvim_buf_set_lines(0, 0, -1, false, { "fn main() {", "    entirely(\"other\");", "}" })]]
      )
      review(child)
      entry(child, "main.rs")
      tests.contains(child:lua([[return vim.fn.getline(".")]]), "! rehearsal")
      tests.contains(child:lua([[return vim.fn.getline(".")]]), "conflicts: your buffer")
      look(child)
      child:keys("a")
      child:wait_message("rehearsal src/main.rs not accepted: ")
      tests.equal(
        child:lua([[return vim.fn.getbufline("src/main.rs", 2)[1] ]]),
        '    entirely("other");'
      )
    end
  )

  with_repository(
    "rejects with a reason and comments; the agent is told",
    function(repository, child)
      rehearse(repository, "rehearsal")
      review(child)
      entry(child, "main.rs")
      for _, key in ipairs({ "c", "x" }) do
        child:keys(key)
        child:wait("it is asked", "return vim.b.orchflow_prompt ~= nil")
        child:keys("keep it plain<C-s>")
        child:wait("the list is back", [[return vim.bo.buftype == "quickfix"]])
      end
      child:wait_message("comment sent to rehearsal")
      child:wait_message("rejected: src/main.rs")
      child:wait(
        "the agent was told",
        [[
      told = told or {}
      require("orchflow.client").request("log", { type = { "prompt_queued", "prompt_extended" } }, function(_, result)
        told = result and result.events or {}
      end)
      return vim.iter(told):any(function(event) return (event.data.text or ""):find("keep it plain") ~= nil end)
    ]]
      )
    end
  )

  with_repository("sees what another front decided", function(repository, child)
    rehearse(repository, "rehearsal")
    review(child)
    local count = child:lua("return #vim.fn.getqflist()")
    local hunks = repository:data("review")
    tests.equal(repository:orchflow("accept", hunks[1].id).code, 0)
    child:wait("the list is shorter", "return #vim.fn.getqflist() == ...", count - 1)
  end)

  with_repository("follows the timeline and sends prompts", function(repository, child)
    rehearse(repository, "rehearsal")
    child:cmd("Orchflow timeline")
    child:wait("it is filled", [[return vim.fn.search("run started", "nw") > 0]])
    child:cmd("Orchflow send rehearsal Say it again, 100% | #1")
    child:wait_message("prompt queued for rehearsal")
    child:wait(
      "the prompt is in the timeline",
      [[return vim.fn.search("Say it again, 100% | #1", "nw") > 0]]
    )
    child:wait("the cursor is at the end", [[return vim.fn.line(".") == vim.fn.line("$")]])
  end)

  with_repository("attaches an agent in a window", { tui = true }, function(repository, child)
    rehearse(repository, "rehearsal")
    child:cmd("Orchflow attach rehearsal")
    child:wait(
      "its screen is shown",
      [[
      return vim.bo.buftype == "terminal" and vim.fn.search("rehearsal", "nw") > 0
    ]]
    )
    tests.equal(child:api("nvim_get_mode").mode, "t")
    child:cmd("stopinsert")
    child:cmd("wincmd p")
    child:cmd("Orchflow attach nobody")
    child:wait_message("orchflow: attach: there is no agent nobody")
  end)

  with_repository(
    "opens agents in windows without taking the focus",
    { tui = true, columns = 200 },
    function(_, child)
      local window = child:api("nvim_get_current_win")
      child:cmd("Orchflow swarm --view nvim --agents rehearsal,rehearsal " .. OBJECTIVE)
      child:wait(
        "two windows are there",
        [[return #vim.tbl_filter(function(window)
      return vim.bo[vim.api.nvim_win_get_buf(window)].buftype == "terminal"
    end, vim.api.nvim_list_wins()) == 2]]
      )
      tests.equal(child:api("nvim_get_current_win"), window)
      tests.equal(child:api("nvim_get_mode").mode, "n")
      child:cmd("Orchflow attach rehearsal-2")
      child:wait("its window is entered", [[return vim.bo.buftype == "terminal"]])
      tests.equal(
        child:lua([[return { vim.api.nvim_buf_get_name(0), #vim.api.nvim_list_wins() }]]),
        { "orchflow-agent://1/rehearsal-2", 3 },
        "the window that is there, not another one"
      )
    end
  )

  with_repository(
    "enters the worktree of an agent, and leaves the host where it is",
    { tui = true },
    function(repository, child)
      rehearse(repository, "rehearsal")
      local pid = repository:host_pid()
      child:cmd("edit src/main.rs")
      child:cmd("Orchflow enter rehearsal")
      child:wait("it is entered", [[return vim.fn.getcwd():find("1-rehearsal", 1, true) ~= nil]])
      tests.contains(child:api("nvim_buf_get_name", 0), "1-rehearsal/src/main.rs")
      tests.contains(table.concat(child:lines(), "\n"), "GREETING")
      child:cmd("Orchflow dashboard")
      child:wait("it is drawn", [[return vim.fn.search("+ rehearsal", "nw") > 0]])
      tests.equal(repository:host_pid(), pid)
      child:cmd("close")
      child:cmd("tabclose")
      child:wait(
        "nothing of it is left",
        [[
        return #vim.tbl_filter(function(buffer)
          return vim.api.nvim_buf_get_name(buffer):find("1-rehearsal", 1, true) ~= nil
        end, vim.api.nvim_list_bufs()) == 0
      ]]
      )
      tests.equal(child:lua("return vim.fn.getcwd()"), repository.root)
    end
  )

  with_repository(
    "says so when the host is killed, connects again, and finds the agents",
    function(repository, child)
      rehearse(repository, "rehearsal")
      child:cmd("Orchflow status")
      child:wait("it is drawn", [[return vim.fn.search("+ rehearsal", "nw") > 0]])
      local pid = repository:host_pid()
      assert(vim.uv.kill(pid, "sigkill") == 0)
      child:wait_message("the host ended; agents work on; connecting again")
      child:wait_message("connected again")
      tests.equal(child:lua([[return (require("orchflow.client").phase())]]), "connected")
      child:wait("the agent is found", [[return vim.fn.search("rehearsal", "nw") > 0]])
      assert(repository:host_pid() ~= pid)
    end
  )

  with_repository("waits for nothing while the host hangs", function(repository, child)
    child:cmd("Orchflow status")
    child:wait("it is connected", [[return (require("orchflow.client").phase()) == "connected"]])
    local pid = repository:host_pid()
    assert(vim.uv.kill(pid, "sigstop") == 0)
    local ok, problem = pcall(function()
      child:lua([[require("orchflow.client").patience_ms = 300]])
      local began = vim.uv.hrtime()
      child:cmd("Orchflow undo")
      child:cmd("Orchflow review")
      child:cmd("Orchflow timeline")
      tests.equal(child:lua("return 1"), 1)
      local took_ms = (vim.uv.hrtime() - began) / 1e6
      assert(took_ms < 500, ("the editor was held for %d ms"):format(took_ms))
      child:wait_message("the host does not answer; agents work on")
    end)
    vim.uv.kill(pid, "sigcont")
    if not ok then
      error(problem, 0)
    end
    child:wait_message("there is no decision to undo")
  end)

  with_repository("checks its health", function(_, child)
    child:cmd("checkhealth orchflow")
    child:wait("the report is there", [[return vim.fn.search("the host of", "nw") > 0]])
    local said = table.concat(child:lines(), "\n")
    tests.contains(said, "version 0.1.0")
    tests.contains(said, "(rehearsal)")
    tests.contains(said, "orchflow-hook 0.1.0 (for what agents call")
    tests.lacks(said, "and the plugin is")
  end)

  with_repository(
    "says what an installation lacks, and which versions differ",
    function(repository, child)
      local alone = repository.root .. "/bin alone"
      vim.fn.mkdir(alone)
      assert(vim.uv.fs_copyfile(repository.binary, alone .. "/orchflow"))
      child:lua(
        [[
        require("orchflow").setup({ binary = ..., view = "none" })
        require("orchflow").version = "9.9.9"
      ]],
        alone .. "/orchflow"
      )
      child:cmd("checkhealth orchflow")
      child:wait("the report is there", [[return vim.fn.search("the host of", "nw") > 0]])
      local said = table.concat(child:lines(), "\n")
      tests.contains(said, "bin alone/orchflow-hook is missing")
      tests.contains(said, "orchflow 0.1.0 is not the plugin's version 9.9.9")
      tests.contains(said, ", and the plugin is 9.9.9")
      child:cmd("Orchflow status")
      child:wait_message("the host is orchflow 0.1.0, this front 9.9.9")
    end
  )

  with_repository("shows, expands, filters and explains what happened", function(repository, child)
    rehearse(repository, "rehearsal")
    child:cmd("Orchflow timeline type:edit file:src/**")
    child:wait("the change is there", [[return vim.fn.search("changed src/main.rs", "w") > 0]])
    tests.equal(child:lua([[return vim.fn.search("turn 1", "nw")]]), 0)
    child:keys("<Tab>")
    child:wait(
      "it is expanded",
      [[return vim.fn.search("^    because .*Make the greeting", "nw") > 0
      and vim.fn.search("^    +.*", "nw") > 0]]
    )
    child:keys("F")
    child:wait("the filter is gone", [[return vim.fn.search("turn 1", "nw") > 0]])
    child:keys("q")
    child:cmd("Orchflow why rehearsal")
    child:wait("it says why", [[return vim.fn.search("It rests on", "nw") > 0]])
    child:cmd("Orchflow event 1")
    child:wait(
      "the event is shown",
      [[return vim.fn.getline(1):find("host 0.1", 1, true) ~= nil
      or vim.fn.getline(1):find("started", 1, true) ~= nil]]
    )
  end)
end
