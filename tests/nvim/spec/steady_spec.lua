return function(it, tests)
  --- Ways in which hands are busy: keys that begin, what the mode is then, keys that end.
  local BUSY = {
    { name = "typing", begin = "ihello", mode = "i", finish = "<Esc>" },
    { name = "replacing", begin = "Rx", mode = "R", finish = "<Esc>" },
    { name = "on the command line", begin = ":echo 1", mode = "c", finish = "<C-c>" },
    { name = "searching", begin = "/hel", mode = "c", finish = "<C-c>" },
    { name = "with an operator pending", begin = "d", mode = "no", finish = "<Esc>" },
    { name = "selecting", begin = "v", mode = "v", finish = "<Esc>" },
    { name = "recording a macro", begin = "qa", mode = "n", finish = "q" },
  }

  it("waits for busy hands, and then does what waited", { tui = true }, function(child)
    child:lua([[steady = require("orchflow.ui.steady")]])
    for _, busy in ipairs(BUSY) do
      child:lua("done = nil")
      child:keys(busy.begin)
      child:wait(
        "the editor is " .. busy.name,
        [[
        local mode, recording = ...
        return vim.api.nvim_get_mode().mode == mode and (not recording or vim.fn.reg_recording() == "a")
      ]],
        busy.mode,
        busy.begin == "qa"
      )
      child:lua([[
        ran = steady.when_safe("test", function() done = "first" end)
        steady.when_safe("test", function() done = "last" end)
      ]])
      tests.equal(child:lua("return { ran, done }"), { false }, busy.name)
      child:keys(busy.finish)
      child:wait("it is done after " .. busy.name, [[return done == "last"]])
    end
    tests.equal(child:lua([[return steady.when_safe("test", function() done = "now" end)]]), true)
    tests.equal(child:lua("return done"), "now")
  end)

  it("does at once what was asked for by hand, in any mode", { tui = true }, function(child)
    child:lua([[
      steady = require("orchflow.ui.steady")
      vim.keymap.set("i", "<F2>", function()
        steady.by_hand(function()
          ran = steady.when_safe("test", function() mode = vim.api.nvim_get_mode().mode end)
        end)
      end)
    ]])
    child:keys("i<F2>")
    child:wait("it ran", "return ran ~= nil")
    tests.equal(child:lua("return { ran, mode }"), { true, "i" })
    tests.equal(
      child:lua([[return { pcall(steady.by_hand, error, "boom"), steady.is_by_hand() }]]),
      { false, false },
      "a failure leaves no hand behind"
    )
  end)

  it(
    "opens no window for the host while somebody types",
    { tui = true, columns = 200 },
    function(child)
      child:lua([[editor = require("orchflow.client.editor")]])
      child:keys("ihello")
      child:wait("it is typed", [[return vim.fn.getline(1) == "hello" ]])
      child:lua(
        [[answer = { editor.serve("open_view", { argv = { "sleep", "60" }, name = "7/claude" }) }]]
      )
      tests.equal(child:lua("return { #vim.api.nvim_list_wins(), #answer }"), { 1, 0 })
      child:keys("<Esc>")
      child:wait("the window is there", "return #vim.api.nvim_list_wins() == 2")
      tests.equal(child:lua([[return { vim.fn.winnr(), vim.fn.getline(1) }]]), { 1, "hello" })
    end
  )

  it("leaves a float alone while somebody searches in it", { tui = true }, function(child)
    child:lua([[
      text = require("orchflow.view.text")
      function page(...)
        local page = text.page()
        for _, name in ipairs({ ... }) do
          page:add({ name }, { key = name })
        end
        return page
      end
      decided = {}
      float = require("orchflow.ui.float").open({ name = "test", title = "Test", keys = {
        { key = "y", description = "yes", decides = true, action = function(row) decided[#decided + 1] = row.key end },
      } })
      float:show(page("one", "two", "three"))
    ]])
    child:keys("/two")
    child:wait("it is typed", [[return vim.fn.getcmdline() == "two"]])
    child:lua([[float:show(page("zero", "one", "two", "three"))]])
    tests.equal(child:lines(), { "one", "two", "three" })
    child:keys("<CR>")
    child:wait("it is shown", [[return vim.fn.line("$") == 4]])
    tests.equal(child:lua([[return vim.fn.getline(".")]]), "two")
  end)

  it(
    "takes no decision right after the list moved under the cursor",
    { tui = true },
    function(child)
      child:lua([[
      text = require("orchflow.view.text")
      function page(...)
        local page = text.page()
        for _, name in ipairs({ ... }) do
          page:add({ name }, { key = name })
        end
        return page
      end
      steady = require("orchflow.ui.steady")
      steady.still_ms = 1e9
      decided = {}
      float = require("orchflow.ui.float").open({ name = "test", title = "Test", keys = {
        { key = "y", description = "yes", decides = true, action = function(row) decided[#decided + 1] = row.key end },
      } })
      float:show(page("one", "two"))
    ]])
      child:keys("y")
      child:wait("a list at rest takes it", "return #decided == 1")
      child:lua([[float:show(page("one", "two", "three"))]])
      child:keys("y")
      child:wait("what stands as it stood takes it", "return #decided == 2")
      child:lua([[float:show(page("new", "other"))]])
      child:keys("y")
      child:wait_message("orchflow: it moved under the key; press again")
      tests.equal(child:lua("return decided"), { "one", "one" })
      child:lua("steady.still_ms = 0")
      child:keys("y")
      child:wait("after a moment it is taken", "return #decided == 3")
      tests.equal(child:lua("return { decided[3], still_ms }"), { "new" })
    end
  )

  it("guards for 300 ms", function(child)
    tests.equal(child:lua([[return require("orchflow.ui.steady").still_ms]]), 300)
  end)

  for _, height in ipairs({ 0, 1 }) do
    it(
      ("asks for no Enter, whatever is said, with cmdheight=%d"):format(height),
      { tui = true, columns = 80 },
      function(child)
        child:lua("vim.o.cmdheight = ...", height)
        for _, count in ipairs({ 1, 10, 13, 14, 15, 16, 60, 600 }) do
          child:lua(
            [[
            local message = require("orchflow.ui.message")
            message.info(("words "):rep(...))
            message.warn("and\nanother\none")
            message.failure({ message = ("words "):rep(...), hint = ":Orchflow status" }, "orchflow: test")
          ]],
            count
          )
          tests.equal(child:api("nvim_get_mode"), { mode = "n", blocking = false })
        end
        -- The window of what did not fit is nobody's to enter.
        tests.equal(child:lua("return vim.fn.winnr()"), 1)
        child:keys("ix")
        child:wait("typing goes on", [[return vim.fn.getline(1) == "x"]])
      end
    )
  end

  it("says nothing over a command line, but after it", { tui = true }, function(child)
    child:keys(":echo 'typed")
    child:wait("it is typed", [[return vim.fn.getcmdline() == "echo 'typed"]])
    child:lua([[
      require("orchflow.ui.message").info("first")
      require("orchflow.ui.message").info("second")
    ]])
    tests.lacks(child:messages(), "first")
    child:keys("<C-c>")
    tests.contains(child:wait_message("second"), "first")
  end)

  it("opens no window for a long message while somebody types", { tui = true }, function(child)
    child:keys("i")
    child:wait("Insert mode", [[return vim.api.nvim_get_mode().mode == "i"]])
    child:lua([[require("orchflow.ui.message").warn(("words "):rep(60))]])
    tests.equal(child:lua("return #vim.api.nvim_list_wins()"), 1)
    child:keys("<Esc>")
    child:wait("the window is there", "return #vim.api.nvim_list_wins() == 2")
  end)
end
