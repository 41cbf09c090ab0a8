return function(it, tests)
  --- Starts a child in a repository with one.txt, its requests answered by tests/nvim/stub.lua.
  local root
  local function prepare(child)
    root = vim.fn.tempname()
    vim.fn.mkdir(root .. "/.git", "p")
    root = vim.uv.fs_realpath(root)
    vim.fn.writefile({ "one", "two", "three", "four", "five" }, root .. "/one.txt")
    child:lua(
      [[
      local plugin, root = ...
      vim.cmd.cd(root)
      package.path = plugin .. "/tests/nvim/?.lua;" .. package.path
      stub = require("stub")
      stub.serve(stub.hunks())
    ]],
      tests.root,
      root
    )
  end

  local function quickfix(child)
    return child:lua([[
      local list = vim.fn.getqflist({ all = 0 })
      return { id = list.id, idx = list.idx, title = list.title, context = list.context, count = #list.items }
    ]])
  end

  local function open(child, arguments)
    child:cmd("Orchflow review " .. (arguments or ""))
    child:wait("the quickfix window is open", [[return vim.bo.buftype == "quickfix"]])
  end

  it("fills a quickfix list with the hunks and opens it", function(child)
    prepare(child)
    open(child)
    local list = quickfix(child)
    tests.equal({ list.count, list.idx, list.context }, { 4, 1, { orchflow = true } })
    tests.equal(list.title, "orchflow review")
    tests.equal(child:lines()[1], "one.txt|2 I|   claude +1 -1 fn load   rival 1/2")
    local items = child:lua([[
      return vim.tbl_map(function(item)
        return { vim.api.nvim_buf_get_name(item.bufnr), item.lnum, item.user_data.id, #item.user_data.hash }
      end, vim.fn.getqflist())
    ]])
    tests.equal(items[1], { "orchflow://7/claude/one.txt", 2, "h_aa01", 64 })
    tests.equal(items[4], { "orchflow://7/claude/zzz.txt", 1, "h_aa04", 64 })
  end)

  it("asks for one agent or one file", function(child)
    prepare(child)
    open(child, "--agent claude --run 7 --file one.txt")
    local params = child:lua("return stub.asked[1].params")
    tests.equal({ params.agent, params.run, params.path }, { "claude", 7, "one.txt" })
    tests.contains(quickfix(child).title, "agent:claude")
  end)

  it("says when there is nothing to decide", function(child)
    prepare(child)
    child:lua("stub.serve({})")
    child:cmd("Orchflow review")
    child:wait_message("no undecided hunks")
  end)

  it("shows many hunks a page at a time", function(child)
    prepare(child)
    child:lua([[
      require("orchflow").setup({ review = { page = 10 } })
      local hunks = {}
      for number = 1, 25 do
        hunks[number] = stub.hunk({ id = ("h_%04x"):format(number), agent = "claude", path = "one.txt", line = 1 })
      end
      stub.answers.review = function(params)
        local first = tonumber(params.after or 0)
        local last = math.min(first + params.limit, 25)
        return { hunks = vim.list_slice(hunks, first + 1, last), next = last < 25 and tostring(last) or nil }
      end
    ]])
    open(child)
    child:wait("all pages are there", "return #vim.fn.getqflist() == 25")
    tests.equal(
      child:lua([[
      return #vim.tbl_filter(function(asked) return asked.params.limit == 10 end, stub.asked)
    ]]),
      3
    )
  end)

  it(
    "asks for few hunks first, and for their lines only to compare unsaved changes",
    function(child)
      prepare(child)
      child:cmd("edit one.txt")
      open(child)
      local first = child:lua("return stub.asked[1].params")
      tests.equal({ first.limit, first.brief }, { 100, true })
      child:lua([[
      vim.fn.setbufline("one.txt", 1, "unsaved")
      stub.asked = {}
    ]])
      child:cmd("Orchflow review")
      child:wait("it is asked again", "return #stub.asked > 0")
      tests.equal(child:lua("return stub.asked[1].params.brief == nil"), true)
    end
  )

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

  it("shows an entry before a key accepts it", function(child)
    prepare(child)
    open(child)
    child:keys("a")
    child:wait_message("here it is; the key again accepts it")
    child:wait(
      "the review buffer is filled",
      "return #vim.fn.getbufline('orchflow://7/claude/one.txt', 1, '$') > 3"
    )
    tests.equal(child:lua("return vim.bo.buftype"), "quickfix")
    child:keys("a")
    child:wait_message("claude 1/3 accepted")
    child:wait(
      "the next entry is shown",
      "return vim.fn.bufwinid('orchflow://7/codex/one.txt') > 0"
    )
    child:keys("a")
    child:wait_message("codex accepted")
  end)

  it("accepts with a key, says so in one line, and goes on", function(child)
    prepare(child)
    open(child)
    look(child)
    child:keys("a")
    local said = child:wait_message("claude 1/3 accepted → one.txt (u undoes)")
    tests.lacks(said, "Error")
    tests.contains(child:lines()[1], "+ claude")
    tests.equal(child:api("nvim_win_get_cursor", 0)[1], 2)
    tests.equal(quickfix(child).idx, 2)
    local params = child:lua("return stub.last('accept').params")
    tests.equal(params.hunks, { { id = "h_aa01", hash = ("0"):rep(64) } })
  end)

  it("rejects with the reason that was asked for, and not at all without an answer", function(child)
    prepare(child)
    open(child)
    child:keys("x")
    child:wait("it is asked", "return vim.b.orchflow_prompt ~= nil")
    tests.contains(child:lua("return vim.wo.winbar"), "reject: why, for claude one.txt:2")
    child:keys("too clever<C-s>")
    child:wait_message("claude 1/3 rejected: one.txt")
    tests.equal(child:lua("return stub.last('reject').params.reason"), "too clever")
    child:wait("the list is back", [[return vim.bo.buftype == "quickfix"]])
    child:keys("x")
    child:wait("it is asked", "return vim.b.orchflow_prompt ~= nil")
    child:keys("<Esc>ZQ")
    child:wait("the list is back", [[return vim.bo.buftype == "quickfix"]])
    tests.equal(
      child:lua([[
      return #vim.tbl_filter(function(each) return each.method == "reject" end, stub.asked)
    ]]),
      1
    )
  end)

  it("rejects without a reason on a bang, comments, and undoes", function(child)
    prepare(child)
    open(child)
    child:cmd("Orchflow! reject")
    child:wait_message("rejected: one.txt")
    child:keys("c")
    child:wait("it is asked", "return vim.b.orchflow_prompt ~= nil")
    child:keys("why?<C-s>")
    child:wait_message("comment sent to claude")
    child:wait("the list is back", [[return vim.bo.buftype == "quickfix"]])
    child:keys("u")
    child:wait_message("accept undone")
    child:wait("the list says so", [[return vim.fn.getline(1):find("|   claude", 1, true)]])
  end)

  it("decides a range of lines", function(child)
    prepare(child)
    open(child)
    child:cmd("2,3Orchflow accept")
    child:wait_message("2 hunks accepted → one.txt")
    tests.equal(
      child:lua([[
      return vim.tbl_map(function(hunk) return hunk.id end, stub.last('accept').params.hunks)
    ]]),
      { "h_bb02", "h_aa03" }
    )
  end)

  it("says what was refused and why", function(child)
    prepare(child)
    open(child)
    child:lua([[
      stub.answers.accept = function(params)
        return { results = { { id = params.hunks[1].id, state = "refused", code = "conflict",
          message = "your file has other lines there", hint = "merge by hand" } } }
      end
    ]])
    look(child)
    child:keys("a")
    child:wait_message(
      "claude one.txt not accepted: your file has other lines there (merge by hand)"
    )
    tests.contains(child:lines()[1], "|   claude")
  end)

  it("has its keys only while the list is its own", function(child)
    prepare(child)
    open(child)
    local function keys()
      return child:lua([[
        local found = {}
        for _, mapping in ipairs(vim.api.nvim_buf_get_keymap(0, "n")) do
          found[#found + 1] = mapping.lhs
        end
        table.sort(found)
        return found
      ]])
    end
    tests.equal(keys(), { "=", "a", "c", "u", "x" })
    child:lua([[vim.fn.setqflist({ { filename = "one.txt", lnum = 1, text = "mine" } })]])
    child:wait("the keys are gone", "return #vim.api.nvim_buf_get_keymap(0, 'n') == 0")
    child:cmd("colder")
    child:wait("the keys are back", "return #vim.api.nvim_buf_get_keymap(0, 'n') == 5")
    child:cmd("cclose")
    tests.equal(
      child:lua([[
      vim.fn.setloclist(0, { { filename = "one.txt", lnum = 1, text = "mine" } })
      vim.cmd("lopen")
      return #vim.api.nvim_buf_get_keymap(0, "n")
    ]]),
      0
    )
  end)

  it("leaves keys alone that are switched off", function(child)
    prepare(child)
    child:lua([[require("orchflow").setup({ keys = { accept = "<C-a>", undo = false } })]])
    open(child)
    tests.equal(child:lua([[return vim.fn.maparg("a", "n") .. vim.fn.maparg("u", "n")]]), "")
    look(child)
    child:keys("<C-a>")
    child:wait_message("accepted")
  end)

  it("never touches a list of the user's, and updates its own behind it", function(child)
    prepare(child)
    open(child)
    child:lua([[
      vim.cmd("3cc")
      vim.fn.setqflist({}, " ", { title = "mine", items = {
        { filename = "one.txt", lnum = 1, text = "a" }, { filename = "one.txt", lnum = 4, text = "b" } }, idx = 2 })
      stub.all[1].state = "accepted"
      require("orchflow.review.list").refresh()
    ]])
    child:wait(
      "our list is updated",
      [[
      return #vim.fn.getqflist({ id = vim.fn.getqflist({ nr = 1, id = 0 }).id, items = 0 }).items == 3
    ]]
    )
    local mine = quickfix(child)
    tests.equal({ mine.title, mine.idx, mine.count }, { "mine", 2, 2 })
    child:cmd("colder")
    local ours = quickfix(child)
    tests.equal({ ours.title, ours.idx }, { "orchflow review", 2 })
    tests.equal(child:lua([[return vim.fn.getqflist()[2].user_data.id]]), "h_aa03")
  end)

  it("keeps the place of entry and cursor when hunks come and go", function(child)
    prepare(child)
    open(child)
    child:lua([[
      vim.api.nvim_win_set_cursor(0, { 3, 0 })
      local hunks = stub.hunks()
      table.remove(hunks, 1)
      table.insert(hunks, 1, stub.hunk({ id = "h_cc05", agent = "codex", path = "aaa.txt" }))
      stub.all = hunks
      require("orchflow.review.list").refresh()
    ]])
    child:wait("the list is updated", [[return vim.fn.getqflist()[4].user_data.id == "h_cc05"]])
    tests.equal(child:lua([[return vim.fn.getqflist()[vim.fn.line(".")].user_data.id]]), "h_aa03")
  end)

  it("takes no key for a hunk that has just come under the cursor by itself", function(child)
    prepare(child)
    open(child)
    look(child)
    child:lua([[
      require("orchflow.review.list").still_ms = 60000
      table.remove(stub.all, 1)
      require("orchflow.review.list").refresh()
    ]])
    child:wait("the list is updated", [[return vim.fn.getqflist()[1].user_data.id == "h_bb02"]])
    child:keys("a")
    child:wait_message("it moved under the key; press again")
    child:keys("x")
    tests.equal(child:lua("return { stub.last('accept'), stub.last('reject') }"), {})
  end)

  it("updates after an event of another front", function(child)
    prepare(child)
    open(child)
    child:lua([[
      stub.all[1].state = "accepted"
      require("orchflow.client").receive({ { kind = "events", cursor = 9, events = {
        { seq = 9, type = "hunk_accepted", agent = "claude", run = 7, summary = "", data = {} } } } })
    ]])
    child:wait("the list is updated", "return #vim.fn.getqflist() == 3")
  end)

  it("does nothing when its list is gone", function(child)
    prepare(child)
    open(child)
    child:cmd("cclose")
    child:lua([[
      vim.fn.setqflist({}, "f")
      require("orchflow.review.list").refresh()
      require("orchflow.review.list").decide({ h_aa01 = "accepted" })
    ]])
    tests.equal(child:lua("return #vim.fn.getqflist()"), 0)
    child:cmd("Orchflow accept")
    child:wait_message("no hunks are listed")
  end)

  it("means the hunk under the cursor in the human's own file", function(child)
    prepare(child)
    open(child)
    child:cmd("cclose | edit one.txt | 5")
    child:cmd("Orchflow accept")
    child:wait_message("accepted → one.txt")
    tests.equal(child:lua("return stub.last('accept').params.hunks[1].id"), "h_aa03")
  end)

  it("asks for a name where rivals meet and none is current", function(child)
    prepare(child)
    open(child)
    child:cmd("3cc | cclose | edit one.txt | 2")
    child:cmd("Orchflow accept")
    local said = child:wait_message("2 hunks are here: claude h_aa01, codex h_bb02")
    tests.contains(said, "name one")
    child:cmd("2cc")
    child:wait("it is loaded", "return vim.fn.line('.') == 2")
    child:cmd("Orchflow accept")
    child:wait("it is asked", [[return stub.last("accept") ~= nil]])
    tests.equal(child:lua("return stub.last('accept').params.hunks[1].id"), "h_bb02")
  end)

  it("accepts nothing in a file that is still being loaded", function(child)
    prepare(child)
    child:lua([[stub.answers.file = nil; local request = require("orchflow.client").request
      require("orchflow.client").request = function(method, ...)
        if method ~= "file" then request(method, ...) end
      end]])
    open(child)
    child:cmd("1cc | Orchflow accept")
    child:wait_message("the file is still being loaded")
    child:keys("a")
    child:wait_message("orchflow: the file is still being loaded")
    tests.equal(child:lua("return stub.last('accept')"), vim.NIL)
  end)

  it("loads what the cursor comes to, with all that belongs to it", { tui = true }, function(child)
    prepare(child)
    open(child)
    child:keys("j")
    child:wait(
      "the entry's file is loaded",
      "return #vim.fn.getbufline('orchflow://7/codex/one.txt', 1, '$') > 1"
    )
    child:keys("<CR>")
    child:wait("it has its keys", "return vim.fn.maparg('a', 'n', false, true).buffer == 1")
    tests.equal(child:lua("return { vim.bo.buftype, vim.bo.modifiable, vim.fn.line('.') }"), {
      "nofile",
      false,
      2,
    })
  end)

  it("fills a buffer that was loaded without autocommands", function(child)
    prepare(child)
    open(child)
    child:lua([[
      vim.cmd("noautocmd call bufload('orchflow://7/codex/one.txt')")
      require("orchflow.review.buffer").preview(require("orchflow.review.list").hunks()[2])
    ]])
    child:wait(
      "it is filled",
      "return #vim.fn.getbufline('orchflow://7/codex/one.txt', 1, '$') > 1"
    )
  end)

  it("keeps the lines of entries when their files are loaded, and loaded anew", function(child)
    prepare(child)
    open(child)
    child:keys("<CR>")
    child:wait(
      "it is loaded",
      "return vim.fn.bufname() == 'orchflow://7/claude/one.txt' and vim.fn.line('.') == 2"
    )
    child:keys("R")
    child:wait_message("this is the newest version")
    tests.equal(
      child:lua([[return vim.tbl_map(function(item) return item.lnum end, vim.fn.getqflist())]]),
      { 2, 2, 5, 1 }
    )
  end)

  it("is walked by :cdo, filtered by :Cfilter and left by :colder like any list", function(child)
    prepare(child)
    open(child)
    child:lua([[
      vim.cmd("cclose | set hidden")
      walked = {}
      function note() walked[#walked + 1] = vim.fn.bufname() .. ":" .. vim.fn.getqflist({ idx = 0 }).idx end
    ]])
    child:cmd("silent cdo lua note()")
    tests.equal(child:lua("return walked"), {
      "orchflow://7/claude/one.txt:1",
      "orchflow://7/codex/one.txt:2",
      "orchflow://7/claude/one.txt:3",
      "orchflow://7/claude/zzz.txt:4",
    })
    child:cmd("packadd cfilter")
    child:cmd("Cfilter /codex/")
    child:cmd("copen")
    local filtered = quickfix(child)
    tests.equal(filtered.count, 1)
    tests.equal(child:lua("return vim.fn.getqflist()[1].user_data.id"), "h_bb02")
    -- The filtered list is the user's: it has none of our keys, and nothing is written into it.
    tests.equal(child:lua("return #vim.api.nvim_buf_get_keymap(0, 'n')"), 0)
    child:lua("require('orchflow.review.list').refresh()")
    child:wait("our list is up to date", "return #stub.asked > 1")
    tests.equal(quickfix(child).count, 1)
    child:cmd("colder")
    tests.equal(quickfix(child).count, 4)
    child:wait("the keys are back", "return #vim.api.nvim_buf_get_keymap(0, 'n') == 5")
    tests.contains(child:lines()[1], "one.txt|2 I|")
  end)

  it("hands its filter to the host and names the list by it", function(child)
    prepare(child)
    open(child, "agent:claude file:src/** is:unseen words")
    tests.equal(
      child:lua("return stub.asked[1].params.filter"),
      "agent:claude file:src/** is:unseen words"
    )
    tests.equal(quickfix(child).title, "orchflow review  agent:claude file:src/** is:unseen words")
  end)

  it("fills a long list in parts, between which keys are served", { tui = true }, function(child)
    prepare(child)
    child:lua([[
      local hunks = {}
      for number = 1, 2000 do
        hunks[number] = stub.hunk({
          id = ("h_%04x"):format(number), agent = "claude", path = "one.txt", line = number })
      end
      stub.answers.review = function(params)
        return { hunks = params.path and {} or hunks }
      end
      local set = vim.fn.setqflist
      sizes = {}
      vim.fn.setqflist = function(items, action, what)
        sizes[#sizes + 1] = what and what.items and #what.items or nil
        return set(items, action, what)
      end
      served = {}
      vim.keymap.set("n", "<F5>", function() served[#served + 1] = #vim.fn.getqflist() end)
    ]])
    child:cmd("Orchflow review")
    child:keys(("<F5>"):rep(3))
    child:wait("all entries are there", "return #vim.fn.getqflist() == 2000")
    child:wait("the keys were served", "return #served == 3")
    local sizes = child:lua("return sizes")
    assert(#sizes >= 6, vim.inspect(sizes))
    assert(math.max(unpack(sizes)) <= 250, vim.inspect(sizes))
    local served = child:lua("return served")
    assert(served[1] < 2000, vim.inspect(served))
    tests.equal(child:lua("return vim.fn.getqflist({ idx = 0 }).idx"), 1)
  end)

  it(
    "keeps a long list where it stands: what is gone says so, what is new joins the end",
    function(child)
      prepare(child)
      child:lua([[
      local hunks = {}
      for number = 1, 300 do
        hunks[number] = stub.hunk({ id = ("h_%04x"):format(number), agent = "claude", path = "one.txt",
          line = number, old_start = number, new_start = number })
      end
      stub.serve(hunks)
    ]])
      open(child)
      child:wait("all are there", "return #vim.fn.getqflist() == 300")
      child:lua([[
      vim.cmd("150cc | copen")
      items = vim.fn.getqflist()
      table.remove(stub.all, 10)
      stub.all[10].hash = ("1"):rep(64)
      table.insert(stub.all, 1, stub.hunk({ id = "h_new", agent = "codex", path = "aaa.txt" }))
      require("orchflow.review.list").refresh()
    ]])
      child:wait("the new one has joined", "return #vim.fn.getqflist() == 301")
      tests.equal(quickfix(child).idx, 150)
      local lines = child:lines()
      tests.contains(lines[10], "taken back by its agent")
      tests.contains(lines[11], "~ claude")
      tests.contains(lines[301], "aaa.txt|1 I|")
      tests.equal(child:lua("return vim.bo.modifiable"), false)
    end
  )

  it("accepts nothing in a file it did not lead to", function(child)
    prepare(child)
    open(child)
    child:cmd("cclose | enew")
    child:cmd("Orchflow accept")
    child:wait_message("no undecided hunk is here")
  end)

  it("takes hunks by the beginning of their id, with the hash that was listed", function(child)
    prepare(child)
    open(child)
    child:cmd("cclose | enew")
    child:cmd("Orchflow accept h_bb")
    child:wait_message("codex accepted → one.txt")
    tests.equal(
      child:lua("return stub.last('accept').params.hunks"),
      { { id = "h_bb02", hash = ("0"):rep(64) } }
    )
    child:cmd("Orchflow accept h_aa")
    child:wait_message("h_aa fits several hunks: claude h_aa01, claude h_aa03, claude h_aa04")
  end)

  it("shows a hunk in a review buffer, and leaves the focus", function(child)
    prepare(child)
    open(child)
    child:lua("vim.api.nvim_win_set_cursor(0, { 3, 0 })")
    look(child)
    tests.equal(child:lua("return vim.bo.buftype"), "quickfix")
    child:cmd("wincmd k")
    tests.equal(child:lua([[return { vim.fn.bufname(), vim.fn.line("."), vim.fn.getline(".") }]]), {
      "orchflow://7/claude/one.txt",
      5,
      "new",
    })
  end)

  it("goes through undecided hunks with the <Plug> mappings", function(child)
    prepare(child)
    open(child)
    child:lua([[vim.keymap.set("n", "]o", "<Plug>(orchflow-next)"); vim.cmd("cclose")]])
    child:keys("]o")
    child:wait("the second entry is current", "return vim.fn.getqflist({ idx = 0 }).idx == 2")
    child:wait(
      "it is loaded",
      "return vim.fn.bufname() == 'orchflow://7/codex/one.txt' and vim.fn.line('.') == 2"
    )
    child:keys("]o")
    child:wait("the third entry is current", "return vim.fn.getqflist({ idx = 0 }).idx == 3")
    child:wait(
      "it is loaded",
      "return vim.fn.bufname() == 'orchflow://7/claude/one.txt' and vim.fn.line('.') == 5"
    )
  end)
end
