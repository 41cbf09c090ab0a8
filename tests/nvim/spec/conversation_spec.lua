return function(it, tests)
  local function open(child)
    child:lua(
      [[
      package.path = ... .. "/tests/nvim/?.lua;" .. package.path
      stub = require("stub")
      talk = require("talk")
      require("orchflow").setup({})
      talk.serve(stub, 1000)
    ]],
      tests.root
    )
    child:cmd("Orchflow talk claude")
    child:wait("it is filled", [[return vim.fn.search("^  waits: and then", "nw") > 0]])
  end

  local function line_of(child, part)
    return child:lua([[return vim.fn.search(..., "nw")]], "\\V" .. part)
  end

  it("tells prompts, words, tools with their changes, and answers in order", function(child)
    open(child)
    local lines = child:lua([[return vim.api.nvim_buf_get_lines(0, 0, -1, false)]])
    local text = table.concat(lines, "\n")
    local at = 1
    for _, part in ipairs({
      "> turn 1",
      "Make the greeting configurable",
      "and cover it with a test",
      "I will read it first, then change it.",
      "It is one file.",
      "Read: src/config.rs",
      "Edit: src/config.rs  +1 -1",
      '-let greeting = "hello";',
      '+let greeting = env::var("GREETING")?;',
      "asks: Edit: src/config.rs  allowed: fine",
      "Bash: cargo test  failed",
      "exit code 1",
      "turn 1 done",
      "> turn 2",
      "run it again",
      "<CR> answers",
      "waits: and then  (1 line more)",
    }) do
      local from, to = text:find(part, at, true)
      tests.equal(from ~= nil, true, ("%s is missing behind byte %d of\n%s"):format(part, at, text))
      at = to
    end
    tests.equal(child:lua([[return vim.bo.modifiable]]), false)
    tests.contains(child:lua([[return vim.api.nvim_buf_get_name(0)]]), "orchflow://talk/7/claude")
  end)

  it("folds turns, and what tools did is closed at first", function(child)
    open(child)
    local edit = line_of(child, "Edit: src/config.rs  +1")
    tests.equal(child:lua([[return vim.fn.foldclosed(...)]], edit), edit)
    tests.equal(child:lua([[return vim.fn.foldclosedend(...)]], edit) > edit, true)
    local turn = line_of(child, "> turn 1")
    tests.equal(child:lua([[return vim.fn.foldclosed(...)]], turn), -1)
    child:lua([[vim.api.nvim_win_set_cursor(0, { ..., 0 })]], edit)
    child:keys("za")
    tests.equal(child:lua([[return vim.fn.foldclosed(...)]], edit), -1)
    child:lua([[vim.api.nvim_win_set_cursor(0, { ..., 0 })]], turn)
    child:keys("zc")
    tests.equal(child:lua([[return vim.fn.foldclosedend(...)]], turn) > edit, true)
  end)

  it("follows at its end, and leaves a cursor that was moved where it is", function(child)
    open(child)
    child:keys("G")
    child:lua([[talk.push("text_displayed", "says", { text = "I am on it.", last = true })]])
    child:wait("it says so", [[return vim.fn.search("I am on it", "nw") > 0]])
    tests.equal(child:lua([[return vim.fn.line(".") == vim.fn.line("$")]]), true)
    child:keys("gg")
    child:lua(
      [[talk.push("tool_finished", "Bash: cargo test", { tool_use_id = "t4", response = { output = "ok" } })]]
    )
    child:wait("the tool has ended", [[return vim.fn.search("* Bash: cargo test$", "nw") > 0]])
    tests.equal(child:lua([[return vim.fn.line(".")]]), 1)
    child:lua([[
      local steps = { { text = "run it", status = "completed" }, { text = "more" } }
      talk.push("plan_updated", "plan", { steps = steps })
    ]])
    child:wait("the plan is at the top", [[return vim.fn.getline(1) == "plan  1/2"]])
    tests.equal(child:lua([[return vim.fn.getline(2)]]), "  [x] run it")
    -- What stands below has moved, and is still changed where it stands.
    child:lua(
      [[talk.push("approval_answered", "denied", { approval = 19, allow = false, reason = "not now" })]]
    )
    child:wait("the answer is there", [[return vim.fn.search("denied: not now", "nw") > 0]])
    tests.equal(
      #child:lua(
        [[return vim.tbl_filter(function(line) return line:find("turn 2", 1, true) ~= nil end,
      vim.api.nvim_buf_get_lines(0, 0, -1, false))]]
      ),
      1
    )
  end)

  it("takes the human to the prompt, to approvals and to turns", function(child)
    open(child)
    child:keys("gg]]")
    tests.contains(child:lua([[return vim.fn.getline(".")]]), "turn 1")
    child:keys("]]")
    tests.contains(child:lua([[return vim.fn.getline(".")]]), "turn 2")
    child:keys("[[")
    tests.contains(child:lua([[return vim.fn.getline(".")]]), "turn 1")
    child:keys("i")
    child:wait("a prompt is open", [[return vim.b.orchflow_prompt == "send 7/claude"]])
    child:keys("<Esc>:q!<CR>")
    child:wait(
      "the conversation is back",
      [[return vim.api.nvim_buf_get_name(0):find("talk/7/claude", 1, true) ~= nil]]
    )
    child:lua([[stub.answers.approvals = function() return { approvals = {} } end]])
    child:lua([[vim.api.nvim_win_set_cursor(0, { ..., 0 })]], line_of(child, "<CR> answers"))
    child:keys("<CR>")
    child:wait("approvals are asked for", [[return stub.last("approvals") ~= nil]])
  end)

  it("shows hostile words as harmless lines", function(child)
    open(child)
    child:lua(
      [[talk.push("text_displayed", "says", { text = "a\27[31mb\7\226\128\174c\r\nnext", last = true })]]
    )
    child:wait("it is there", [[return vim.fn.search("next", "nw") > 0]])
    local text =
      table.concat(child:lua([[return vim.api.nvim_buf_get_lines(0, 0, -1, false)]]), "\n")
    tests.equal(text:find("[%z\1-\9\11-\31]"), nil, text)
    tests.lacks(text, "\226\128\174")
  end)

  it("draws a long conversation in slices, and says that there is more before it", function(child)
    open(child)
    child:keys("q")
    child:lua([[
      for number = 3, 900 do
        local last = #talk.told
        talk.told[last + 1] = { seq = last + 1, timestamp = 1e15, type = "turn_started", agent = "claude", run = 7,
          summary = "turn", data = { turn = number, text = "ask " .. number } }
        talk.told[last + 2] = { seq = last + 2, timestamp = 1e15, type = "text_displayed", agent = "claude", run = 7,
          summary = "says", data = { text = ("word "):rep(200) .. number, last = true } }
      end
      local serve = stub.answers.log
      stub.answers.log = function(params)
        local answer = serve(params)
        answer.next = not params.after and 1 or nil
        return answer
      end
    ]])
    child:cmd("Orchflow talk claude")
    child:wait("it is whole", [[return vim.fn.search("turn 900", "nw") > 0]])
    tests.equal(child:lua([[return vim.fn.line(".") == vim.fn.line("$")]]), true)
    tests.contains(
      child:lua([[return vim.fn.getline(1)]]),
      "what was before stands in the timeline"
    )
  end)

  it("is let go of with its buffer, and an unknown agent is named", function(child)
    open(child)
    child:keys("q")
    child:wait("it is closed", [[return #vim.api.nvim_list_wins() == 1]])
    child:lua([[talk.push("text_displayed", "says", { text = "nobody looks", last = true })]])
    child:cmd("Orchflow talk nobody")
    child:wait(
      "it says so",
      [[return vim.fn.execute("messages"):find("there is no agent nobody", 1, true) ~= nil]]
    )
  end)
end
