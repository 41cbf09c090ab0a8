-- Walks through the tutorial of :help orchflow, step by step as it is printed, against the real host.

return function(it, tests)
  local binary = vim.env.ORCHFLOW_BIN

  --- Reads the steps of the tutorial: what is indented within its blocks, without the words behind a key.
  ---@return string[]
  local function steps()
    local found, inside, in_block = {}, false, false
    for line in io.lines(tests.root .. "/doc/orchflow.txt") do
      if line:find("*orchflow-tutorial*", 1, true) then
        inside = true
      elseif inside and line:find("^=====") then
        break
      elseif inside and in_block and line:find("^%S") then
        in_block = false
      elseif inside and in_block then
        local command, key = line:match("^    (:.+)$"), line:match("^    (%S+)  +%S")
        found[#found + 1] = command or key
      end
      in_block = inside and (in_block or line:find(">$") ~= nil)
    end
    return found
  end

  local function dashboard_has(words)
    return ([[
      local lines = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
      return vim.api.nvim_buf_get_name(0) == "orchflow://dashboard" and lines:find(%q) ~= nil
    ]]):format(words)
  end
  local HOME = [[return vim.fn.expand("%:t") == "main.rs" and #vim.api.nvim_list_wins() == 1]]
  local IN_REVIEW =
    [[return vim.api.nvim_buf_get_name(0):find("^orchflow://1/rehearsal") ~= nil and not vim.wo.diff]]
  local DONE = [[
    local status = require("orchflow.client").store().status or { agents = {} }
    local done = 0
    for _, agent in ipairs(status.agents) do
      done = done + (agent.status == "done" and (agent.queued or 0) == 0 and (agent.undecided or 0) > 0 and 1 or 0)
    end
    return done == 2
  ]]

  --- Says that the newest of some messages was shown.
  local function told(words)
    return ([[
      return vim.api.nvim_exec2("messages", { output = true }).output:find(%q, 1, true) ~= nil
    ]]):format(words)
  end

  --- What has come true after each step, in the order of the help.
  ---@type { [1]: string, [2]: string, [3]?: fun(child: orchflow.Child) }[]
  local walk = {
    {
      ":Orchflow swarm --agents rehearsal,rehearsal Make the greeting configurable",
      told("run 1 started: rehearsal, rehearsal-2"),
      function(child)
        child:wait("both are done", DONE)
      end,
    },
    { ":Orchflow", dashboard_has("rehearsal%-2") },
    { "q", HOME },
    {
      ":Orchflow timeline type:edit",
      [[return vim.fn.search("changed src/main.rs", "nw") > 0]],
      function(child)
        child:lua([[vim.fn.search("changed src/main.rs", "bw")]])
      end,
    },
    {
      "<Tab>",
      [[return vim.fn.search("because", "nw") > 0 and vim.fn.search("^ *[+]", "nw") > 0]],
    },
    { "q", HOME },
    { ":Orchflow review", [[return vim.bo.buftype == "quickfix" and vim.fn.line("$") > 1]] },
    {
      "<CR>",
      IN_REVIEW,
      function(child)
        child:wait(
          "the hunk is on the screen",
          [[
          local hunk = require("orchflow.review.buffer").hunk_under(vim.api.nvim_get_current_win())
          return hunk and require("orchflow.review.seen").is_shown(hunk)
        ]]
        )
      end,
    },
    { "K", [[return vim.fn.search("undecided", "nw") > 0 and vim.fn.search("says", "nw") > 0]] },
    { "q", IN_REVIEW },
    { "a", told("rehearsal 1/") },
    { "u", told("undone") },
    {
      "x",
      [[return vim.b.orchflow_prompt ~= nil and vim.api.nvim_get_mode().mode == "i"]],
      function(child)
        child:keys("keep it shorter")
      end,
    },
    { "<C-s>", told("rejected") },
    {
      ":Orchflow send rehearsal Also handle an empty name",
      told("prompt"),
      function(child)
        child:wait(
          "what was asked for is done",
          [[
          for _, agent in ipairs(require("orchflow.client").store().status.agents) do
            if agent.agent == "rehearsal" then
              return agent.status == "done" and agent.queued == 0 and agent.turn >= 2
            end
          end
        ]]
        )
      end,
    },
    { ":Orchflow next", told("is done (1 of") },
    { ":Orchflow stop all", told("stopped") },
    {
      ":Orchflow clean",
      [[return vim.fn.search("refs/orchflow", "nw") > 0]],
    },
  }

  it("walks through the tutorial of the help", { child = false }, function()
    tests.equal(
      steps(),
      vim.tbl_map(function(step)
        return step[1]
      end, walk),
      "the steps that the help prints"
    )
    if not binary or binary == "" then
      tests.skip("ORCHFLOW_BIN is not set")
    end
    --- What nobody asked orchflow to touch: branches, HEAD, stash, the index to the byte, and what was fetched.
    local function git_of(repository)
      local index = assert(io.open(repository.root .. "/.git/index", "rb"))
      local bytes = index:read("*a")
      index:close()
      local refs = vim.tbl_filter(function(line)
        return not line:find(" refs/orchflow/", 1, true)
      end, vim.split(
        repository:git("for-each-ref", "--format=%(objectname) %(refname)"),
        "\n"
      ))
      return {
        head = repository:git("rev-parse", "HEAD") .. repository:git("symbolic-ref", "HEAD"),
        refs = refs,
        reflog = repository:git("reflog", "show", "--format=%H %gs", "main")
          .. repository:git("stash", "list"),
        index = vim.base64.encode(bytes),
        fetched = vim.uv.fs_stat(repository.root .. "/.git/FETCH_HEAD") ~= nil,
        hooks = vim.fn.readdir(repository.root .. "/.git/hooks"),
        config = vim.fn.readfile(repository.root .. "/.git/config"),
      }
    end
    local Repository, Child = require("repository"), require("child")
    local repository = Repository.new(vim.uv.fs_realpath(binary) or binary)
    local child
    local ok, problem = xpcall(function()
      child =
        Child.new(tests.nvim, tests.root, { cwd = repository.root, tui = true, columns = 100 })
      child:lua([[require("orchflow").setup({ binary = ... })]], repository.binary)
      child:cmd("edit src/main.rs")
      local untouched = git_of(repository)
      for number, step in ipairs(walk) do
        local command = step[1]:find("^:")
        child:keys(command and step[1]:gsub("<", "<lt>") .. "<CR>" or step[1])
        child:wait(("step %d, %s, has done what it says"):format(number, step[1]), step[2])
        if step[3] then
          step[3](child)
        end
        tests.equal(git_of(repository), untouched, "git is as it was after " .. step[1])
      end
    end, function(trouble)
      return debug.traceback(tostring(trouble) .. (child and child:last_words() or ""), 2)
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
