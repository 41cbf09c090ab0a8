-- The keys of a review buffer: decisions, what they go on to, and what they never do.
return function(it, tests)
  local root

  --- Starts a child with three agents' changes, in files of several hunks each.
  local function prepare(child, setup)
    root = vim.fn.tempname()
    vim.fn.mkdir(root .. "/.git", "p")
    root = vim.uv.fs_realpath(root)
    child:lua(
      [[
      local plugin, root, setup = ...
      vim.cmd.cd(root)
      package.path = plugin .. "/tests/nvim/?.lua;" .. package.path
      stub = require("stub")
      require("orchflow").setup({ review = { words = "line" } })
      --- Makes hunks of an agent, each a line changed, six lines apart.
      function change(agent, path, count)
        local base, lines = {}, {}
        for number = 1, count * 6 do
          base[number] = "line " .. number
          lines[number] = number % 6 == 3 and "line of " .. agent .. " " .. number or base[number]
        end
        return stub.changes({ agent = agent, path = path }, base, lines)
      end
      function serve(...)
        local all = {}
        for _, hunks in ipairs({ ... }) do vim.list_extend(all, hunks) end
        stub.serve(all)
      end
      function page() return require("orchflow.review.buffer").page(vim.api.nvim_get_current_buf()) end
      function states()
        local found = {}
        for _, hunk in ipairs(stub.all) do found[hunk.state] = (found[hunk.state] or 0) + 1 end
        return found
      end
      function calls(method)
        return vim.tbl_filter(function(asked) return asked.method == method end, stub.asked)
      end
      vim.ui.input = function(options, done) prompts = prompts or {}; table.insert(prompts, options.prompt); done("too clever") end
      if setup then assert(loadstring(setup))() else serve(change("claude", "a.txt", 3), change("codex", "b.txt", 2)) end
    ]],
      tests.root,
      root,
      setup
    )
  end

  local function ready(child)
    child:wait(
      "the checkpoint is shown",
      "local shown = page(); return shown ~= nil and shown.state == 'ready'"
    )
  end

  --- Opens the list and goes to its first entry.
  local function open(child)
    child:cmd("Orchflow review")
    child:wait("the quickfix window is open", [[return vim.bo.buftype == "quickfix"]])
    child:keys("<CR>")
    ready(child)
  end

  local function place(child)
    return child:lua("return { vim.fn.bufname():match('[^/]+$'), vim.fn.line('.') }")
  end

  it("draws only the hunk that was decided, and it looks as if all were drawn", function(child)
    prepare(child, "serve(change('claude', 'a.txt', 60))")
    open(child)
    child:wait("all is drawn", "return next(page().stale) == nil")
    child:lua([[
      drawn = 0
      local set = vim.api.nvim_buf_set_extmark
      vim.api.nvim_buf_set_extmark = function(...)
        drawn = drawn + 1
        return set(...)
      end
    ]])
    child:keys("a")
    child:wait("it is accepted", "return states().accepted == 1")
    child:wait("the buffer was asked for anew", "return #calls('review') >= 3")
    child:keys("c")
    child:wait("it is commented on", "return #calls('comment') == 1")
    local found = child:lua([[
      local function marks()
        local namespace = vim.api.nvim_get_namespaces().orchflow_inline
        local found = {}
        for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
          found[#found + 1] = vim.inspect({ mark[2], mark[3], mark[4] })
        end
        table.sort(found)
        return found
      end
      local before, count = marks(), drawn
      require("orchflow.review.buffer").redraw_all()
      vim.wait(5000, function() return next(page().stale) == nil end, 1)
      return { count, drawn - count, #before, vim.deep_equal(before, marks()) }
    ]])
    assert(found[1] < 40, ("%d marks were drawn for two hunks"):format(found[1]))
    assert(found[2] >= 240, ("%d marks were drawn for all of them"):format(found[2]))
    tests.equal(found[4], true)
  end)

  it("accepts and goes on, at once, to the next hunk and the next file", function(child)
    prepare(child)
    open(child)
    tests.equal(place(child), { "a.txt", 3 })
    child:keys("a")
    child:wait("the cursor is on the next hunk", "return vim.fn.line('.') == 9")
    child:wait_message("claude 1/3 accepted → a.txt (u undoes)")
    child:keys("a")
    child:wait("the cursor is on the third", "return vim.fn.line('.') == 15")
    child:keys("a")
    child:wait("the next file is open", "return vim.fn.bufname():find('b.txt', 1, true) ~= nil")
    ready(child)
    tests.equal(place(child), { "b.txt", 3 })
    tests.equal(child:lua("return vim.fn.getqflist({ idx = 0 }).idx"), 4)
    child:keys("a")
    child:wait("the cursor is on the last", "return vim.fn.line('.') == 9")
    child:keys("a")
    child:wait_message("everything listed is decided")
    tests.equal(child:lua("return states()"), { accepted = 5 })
    for _, call in ipairs(child:lua("return calls('accept')")) do
      tests.equal(call.params.hunks[1].hash, ("0"):rep(64))
    end
  end)

  it("takes a count", function(child)
    prepare(child)
    open(child)
    child:keys("2a")
    child:wait_message("2 hunks accepted → a.txt")
    tests.equal(place(child), { "a.txt", 15 })
    tests.equal(child:lua("return states()"), { accepted = 2, undecided = 3 })
  end)

  it("goes on before the host has answered, and never decides a hunk twice", function(child)
    prepare(child)
    child:lua([[
      local accept = stub.answers.accept
      local request = require("orchflow.client").request
      held = {}
      require("orchflow.client").request = function(method, params, callback)
        if method == "accept" then
          held[#held + 1] = function() request(method, params, callback) end
        else
          request(method, params, callback)
        end
      end
    ]])
    open(child)
    child:keys("aa")
    child:wait("both were asked for", "return #held == 2")
    tests.equal(place(child), { "a.txt", 15 })
    child:keys("gg3Ga")
    child:wait_message("the host is still deciding this hunk")
    child:lua("for _, each in ipairs(held) do each() end")
    child:wait_message("claude 2/3 accepted")
    tests.equal(child:lua("return states()"), { accepted = 2, undecided = 3 })
  end)

  it("rejects with a reason, silently, comments, and repeats with the same words", function(child)
    prepare(child, [[serve(change("claude", "a.txt", 6))]])
    open(child)
    child:keys("x")
    child:wait_message("claude 1/6 rejected: a.txt")
    tests.equal(child:lua("return { prompts[1], stub.last('reject').params.reason }"), {
      "Reject claude because (empty: no reason): ",
      "too clever",
    })
    child:keys(".")
    child:wait("the second is rejected for the same reason", "return #calls('reject') == 2")
    tests.equal(
      child:lua("return { #prompts, stub.last('reject').params.reason }"),
      { 1, "too clever" }
    )
    child:wait("the cursor went on", "return vim.fn.line('.') == 15")
    child:keys("X")
    child:wait("the third is rejected", "return #calls('reject') == 3")
    tests.equal(child:lua("return stub.last('reject').params.reason"), vim.NIL)
    child:keys("c")
    child:wait_message("comment sent to claude")
    tests.equal(
      child:lua("return { stub.last('comment').params.text, vim.fn.line('.') }"),
      { "too clever", 27 }
    )
    child:keys(".")
    child:wait("another comment is sent", "return #calls('comment') == 2")
    tests.equal(child:lua("return states()"), { rejected = 3, undecided = 3 })
  end)

  it("asks in a prompt buffer where that is wanted", function(child)
    prepare(child)
    child:lua([[
      require("orchflow").setup({ review = { words = "prompt" } })
      package.loaded["orchflow.prompt"] = { open = function(spec) asked_for = spec end }
    ]])
    open(child)
    child:keys("x")
    child:wait("it was asked", "return asked_for ~= nil")
    tests.equal(child:lua("return asked_for.title"), "reject: for claude a.txt:3")
    tests.equal(child:lua("return #calls('reject')"), 0)
    child:lua("asked_for.send(..., function(failure) sent = failure == nil end)", "two\nlines")
    child:wait("it is rejected", "return sent and #calls('reject') == 1")
    tests.equal(child:lua("return stub.last('reject').params.reason"), "two\nlines")
  end)

  it("decides nothing without an answer to its question", function(child)
    prepare(child)
    open(child)
    child:lua([[vim.ui.input = function(_, done) answered = (answered or 0) + 1; done(nil) end]])
    child:keys("xc")
    child:wait("it was asked twice", "return answered == 2")
    tests.equal(child:lua("return { #calls('reject'), #calls('comment') }"), { 0, 0 })
    tests.equal(place(child), { "a.txt", 3 })
    child:keys(".")
    child:wait_message("nothing was decided yet")
  end)

  it("undoes and makes again, and goes to what it was", function(child)
    prepare(child)
    open(child)
    child:keys("3a")
    child:wait("the next file is open", "return vim.fn.bufname():find('b.txt', 1, true) ~= nil")
    ready(child)
    child:keys("u")
    child:wait_message("accept undone")
    child:wait(
      "the cursor is on it",
      "return vim.fn.bufname():find('a.txt', 1, true) and vim.fn.line('.') == 15"
    )
    tests.equal(child:lua("return states()"), { accepted = 2, undecided = 3 })
    child:keys("<C-r>")
    child:wait_message("accept made again")
    child:wait("it is shown", "return page().hunks[3].state == 'accepted'")
    child:keys("<C-r>")
    child:wait_message("there is nothing to make again")
  end)

  it(
    "decides a whole file, and asks again where parts were not on the screen",
    { tui = true },
    function(child)
      prepare(child, [[serve(change("claude", "a.txt", 9), change("codex", "b.txt", 2))]])
      open(child)
      child:keys("ga")
      child:wait_message("were not on the screen yet; again accepts them unseen")
      tests.equal(child:lua("return #calls('accept')"), 0)
      child:keys("ga")
      child:wait_message("9 hunks accepted → a.txt")
      child:wait("the next file is open", "return vim.fn.bufname():find('b.txt', 1, true) ~= nil")
      ready(child)
      child:keys("gx")
      child:wait_message("2 hunks rejected: b.txt")
      tests.equal(child:lua("return states()"), { accepted = 9, rejected = 2 })
    end
  )

  it("does not accept what no screen has shown", { tui = true }, function(child)
    prepare(
      child,
      [[
      local new = {}
      for number = 1, 90 do new[number] = "line " .. number end
      serve(stub.changes({ agent = "claude", path = "long.txt", change = "added" }, {}, new))
    ]]
    )
    open(child)
    child:keys("a")
    child:wait_message("not all of this hunk was on the screen yet; again accepts it unseen")
    child:keys("<C-f><C-f><C-f><C-f><C-f>")
    child:wait(
      "all of it was shown",
      "return require('orchflow.review.seen').is_shown(page().hunks[1])"
    )
    child:keys("a")
    child:wait_message("claude accepted → long.txt")
  end)

  it("decides selected lines of a hunk, and stays for the others", function(child)
    prepare(
      child,
      [[
      serve(stub.changes({ agent = "claude", path = "a.txt" }, { "k", "alpha one", "beta two", "z" },
        { "k", "alpha 1", "extra", "beta 2", "z" }))
    ]]
    )
    open(child)
    child:keys("2GVA")
    child:wait_message("claude accepted in part → a.txt")
    tests.equal(
      child:lua("return stub.last('accept').params.hunks[1].lines"),
      { added = { 1 }, removed = { 1 } }
    )
    tests.equal(
      child:lua("return { vim.fn.mode(), vim.fn.line('.'), page().hunks[1].state }"),
      { "n", 2, "undecided" }
    )
    child:keys("3GVjX")
    child:wait("the reason was asked for", "return #calls('reject') == 1")
    tests.equal(
      child:lua("return stub.last('reject').params.hunks[1].lines"),
      { added = { 2, 3 }, removed = { 2 } }
    )
    child:keys("ggVGC")
    child:wait_message("comment sent")
    tests.equal(child:lua("return stub.last('comment').params.hunks[1].lines"), vim.NIL)
  end)

  it("says what was refused, loads what it is now, and goes back", function(child)
    prepare(child)
    open(child)
    child:lua([[
      stub.all[1].hash = ("1"):rep(64)
      stub.files["claude\0a.txt"].lines[3] = "another line 3"
      stub.all[1].added = { "another line 3" }
    ]])
    child:keys("a")
    child:wait_message(
      "claude a.txt not accepted: its agent has changed it since you saw it (look at the newer version)"
    )
    child:wait("the newer version is shown", "return vim.fn.getline(3) == 'another line 3'")
    child:wait("the cursor is back", "return vim.fn.line('.') == 3")
    tests.equal(child:lua("return states()"), { undecided = 5 })
    -- A key that was on its way is not meant for what came back under the cursor.
    child:lua("require('orchflow.review.list').moved()")
    child:keys("a")
    child:wait_message("it moved under the key; press again")
    child:wait("it has stood still", "return require('orchflow.review.list').is_still()")
    child:keys("a")
    child:wait_message("claude 1/3 accepted")
    tests.equal(child:lua("return stub.last('accept').params.hunks[1].hash"), ("1"):rep(64))
  end)

  it("goes back to the place of a hunk that has another name now", function(child)
    prepare(child, [[serve(change("claude", "a.txt", 1), change("codex", "b.txt", 2))]])
    open(child)
    child:lua([[
      stub.all[1].id, stub.all[1].hash, stub.all[1].changed = "h_renamed", ("1"):rep(64), true
    ]])
    child:keys("a")
    child:wait_message("not accepted: there is no hunk")
    child:wait(
      "the cursor is back",
      "return vim.fn.bufname() == 'orchflow://7/claude/a.txt' and vim.fn.line('.') == 3"
    )
    tests.equal(child:lua("return require('orchflow.review.buffer').hunk_under(0).id"), "h_renamed")
  end)

  it("walks undecided hunks and rivals, with counts, and through the quickfix list", function(child)
    prepare(
      child,
      [[
      local mine, theirs = change("claude", "a.txt", 3), change("codex", "a.txt", 3)
      for index, hunk in ipairs(mine) do
        hunk.rivals = { stub.rival(theirs[index].id, "codex", "a.txt", hunk.line) }
        theirs[index].rivals = { stub.rival(hunk.id, "claude", "a.txt", hunk.line) }
      end
      mine[2].state = "accepted"
      serve(mine, theirs)
    ]]
    )
    open(child)
    child:keys("]h")
    child:wait("the decided one is left out", "return vim.fn.line('.') == 15")
    child:keys("[h")
    child:wait("it is the first again", "return vim.fn.line('.') == 3")
    child:keys("]r")
    child:wait("the rival is shown", "return vim.fn.bufname() == 'orchflow://7/codex/a.txt'")
    ready(child)
    child:wait("its hunk is under the cursor", "return vim.fn.line('.') == 3")
    child:keys("]r")
    child:wait("it is the first again", "return vim.fn.bufname() == 'orchflow://7/claude/a.txt'")
    child:keys("]q")
    child:wait("the next entry is open", "return vim.fn.bufname() == 'orchflow://7/codex/a.txt'")
    child:keys("[q")
    child:wait("the entry before is open", "return vim.fn.bufname() == 'orchflow://7/claude/a.txt'")
    child:keys("1GA")
    tests.equal(child:lua("return vim.fn.mode()"), "n")
  end)

  it("leaves the keys of others alone", function(child)
    prepare(child)
    open(child)
    local mapped = child:lua([[
      local found = {}
      for _, key in ipairs({ "]c", "[c", "grn", "gra", "grr", "gc", "gcc", "do", "dp", "q", "v", "<CR>", "<Esc>", "@" }) do
        if vim.fn.maparg(key, "n", false, true).buffer == 1 then found[#found + 1] = key end
      end
      for _, key in ipairs({ "a", "i", "gc" }) do
        if vim.fn.maparg(key, "x", false, true).buffer == 1 then found[#found + 1] = "x" .. key end
      end
      return found
    ]])
    tests.equal(mapped, {})
    child:keys("g?")
    child:wait("the keys are shown", "return vim.fn.search('accept the selected lines', 'n') > 0")
    local said = table.concat(child:lines(), "\n")
    tests.contains(said, "side by side with your file")
    child:keys("q")
  end)

  it(
    "leaves registers, marks, the jumplist, the alternate file and the layout alone",
    function(child)
      prepare(child)
      vim.fn.writefile({ "mine" }, root .. "/mine.txt")
      child:cmd("edit mine.txt")
      open(child)
      child:lua([[
      vim.fn.setreg('"', "kept"); vim.fn.setreg("1", "one")
      vim.cmd("mark A")
      function all()
        return { vim.fn.getreg('"'), vim.fn.getreg("1"), #vim.fn.getjumplist()[1], vim.fn.bufname("#"),
          #vim.api.nvim_list_wins(), vim.fn.getpos("'A")[2], vim.fn.getpos("'<"), vim.fn.histnr("cmd"), vim.fn.getreg("/") }
      end
      before = all()
    ]])
      child:keys("a")
      child:wait_message("claude 1/3 accepted")
      child:keys("X")
      child:wait_message("rejected")
      child:keys("a")
      child:wait("the next file is open", "return vim.fn.bufname():find('b.txt', 1, true) ~= nil")
      tests.equal(child:lua("return all()"), child:lua("return before"))
    end
  )

  it("moves no cursor while the human types or records", { tui = true }, function(child)
    prepare(child)
    child:lua([[
      stub.answers.accept = function(params)
        return { results = { { id = params.hunks[1].id, state = "refused", code = "conflict", message = "no" } } }
      end
      local request = require("orchflow.client").request
      require("orchflow.client").request = function(method, params, callback)
        if method == "accept" then
          go = function() request(method, params, callback) end
        else
          request(method, params, callback)
        end
      end
    ]])
    open(child)
    child:keys("a")
    child:wait("it was asked for", "return go ~= nil")
    child:keys("qz")
    child:wait("a macro is recorded", "return vim.fn.reg_recording() == 'z'")
    child:lua("go()")
    child:wait_message("not accepted: no")
    tests.equal(place(child), { "a.txt", 9 })
    child:keys("q")
  end)

  it("counts a comment though the host told of its hunk while it was typed", function(child)
    prepare(child, [[serve(change("claude", "a.txt", 2), change("codex", "b.txt", 1))]])
    open(child)
    child:lua([[require("orchflow").setup({ review = { words = "line" } })]])
    child:lua([[
      vim.ui.input = function(_, done)
        local before = page().hunks[1]
        require("orchflow.review.buffer").refresh(vim.api.nvim_get_current_buf())
        vim.wait(5000, function() return page().hunks[1] ~= before end, 1)
        done("why?")
      end
    ]])
    child:keys("c")
    child:wait("it is sent", "return #calls('comment') == 1")
    tests.equal(child:lua("return page().hunks[1].comments"), 1)
    child:keys("a")
    -- The one that waits for its agent is not the next stop.
    child:wait("the next file is open", "return vim.fn.bufname():find('b.txt', 1, true) ~= nil")
  end)

  --- Reviews twenty hunks of three agents, and counts the keys. The words of a reason do not count, the keys around
  --- them do.
  local function review_twenty(child, decisions, most, lines)
    prepare(
      child,
      [[serve(change("claude", "a.txt", 8), change("codex", "b.txt", 7), change("aider", "c.txt", 5))]]
    )
    child:cmd("set lines=" .. (lines or 30))
    child:cmd("Orchflow review")
    child:wait("the quickfix window is open", [[return vim.bo.buftype == "quickfix"]])
    child:lua([[require("orchflow").setup({})]])
    local count, asked, decided = 0, 0, 0
    local function key(keys)
      count = count + #keys:gsub("<[%w-]+>", "k")
      child:keys(keys)
    end
    local function answer(text)
      child:wait(
        "a text is asked for",
        "return vim.fn.bufname():find('orchflow://prompt/', 1, true) and vim.fn.mode() == 'i'"
      )
      child:keys(text)
      key("<C-s>")
      child:wait("the review is back", "return page() ~= nil")
    end
    key("<CR>")
    for decision in decisions:gmatch("%S+") do
      ready(child)
      asked = asked + 1
      decided = decided + (tonumber(decision:match("^%d+")) or 1)
      key(decision)
      if not decision:find("a") then
        answer("too clever")
      end
      child:wait(
        "it is decided",
        "return #calls('accept') + #calls('reject') + #calls('comment') == ...",
        asked
      )
    end
    child:wait_message("2 hunks wait after a comment")
    tests.equal(child:lua("return states()"), { accepted = 15, rejected = 3, undecided = 2 })
    tests.equal(
      child:lua([[
        local open = vim.tbl_filter(function(hunk) return hunk.state == "undecided" end, stub.all)
        return vim.tbl_map(function(hunk) return hunk.comments end, open)
      ]]),
      { 1, 1 }
    )
    io.stdout:write(
      ("  %d keys for %d decisions: %.2f each\n"):format(count, decided, count / decided)
    )
    tests.equal(decided, 20)
    assert(count / decided <= most, count)
  end

  it("reviews twenty hunks of three agents with few keys", function(child)
    review_twenty(child, "a a a x a a c a a a x a a a c a x a a a", 1.3)
  end)

  it("takes several hunks of the screen with one key and a count", function(child)
    review_twenty(child, "3a x a a c a a a x 3a c a x 3a", 1.15, 80)
  end)
end
