-- Pickers: which program shows them, what stands beside an entry, and deciding from within one. The programs are
-- played by fakes that record what they are given.
return function(it, tests)
  local function prepare(child)
    local root = vim.fn.tempname()
    vim.fn.mkdir(root .. "/.git", "p")
    child:lua(
      [[
      local plugin, root = ...
      vim.cmd.cd(root)
      package.path = plugin .. "/tests/nvim/?.lua;" .. package.path
      stub = require("stub")
      stub.serve(stub.changes({ agent = "claude", path = "a.txt", heading = "fn load(", words = "it had to be" },
        { "one", "two", "three", "four", "five" }, { "one", "2", "three", "four", "5", "six" }))
      preview = require("orchflow.pick.preview")
      lines_of = function(buffer) return vim.api.nvim_buf_get_lines(buffer, 0, -1, false) end
    ]],
      tests.root,
      vim.uv.fs_realpath(root)
    )
  end

  --- Plays telescope: keeps what the picker is made of.
  local TELESCOPE = [[
    shown, mapped, deleted = {}, {}, {}
    local select_default = { replace = function(_, fn) enter = fn end }
    local state = {
      get_selected_entry = function() return entries[selected] end,
      get_current_picker = function() return {
        get_multi_selection = function() return {} end,
        delete_selection = function(_, gone)
          for _, entry in ipairs(entries) do
            if gone(entry) then deleted[#deleted + 1] = entry.value.id end
          end
        end,
      } end,
    }
    local modules = {
      ["telescope"] = { register_extension = function(extension) return extension end },
      ["telescope.actions"] = { select_default = select_default, close = function() closed = true end },
      ["telescope.actions.state"] = state,
      ["telescope.config"] = { values = { generic_sorter = function() return "sorter" end } },
      ["telescope.finders"] = { new_table = function(given)
        entries, selected = vim.tbl_map(given.entry_maker, given.results), 1
        return given
      end },
      ["telescope.previewers"] = { new_buffer_previewer = function(given) previewer = given return given end },
      ["telescope.pickers"] = { new = function(options, given)
        shown[#shown + 1] = given.prompt_title
        given.attach_mappings(1, function(_, key, action) mapped[key] = action end)
        return { find = function() opened = options end }
      end },
    }
    for name, module in pairs(modules) do
      package.loaded[name] = module
    end
  ]]

  --- Plays fzf-lua.
  local FZF = [[
    registered = {}
    local class = {}
    class.__index = class
    function class:extend() return setmetatable({ super = self }, { __index = self }) end
    function class.new() end
    package.loaded["fzf-lua.previewer.builtin"] = { base = class }
    package.loaded["fzf-lua"] = {
      register_extension = function(name, fn) registered[name] = fn end,
      fzf_exec = function(contents, options)
        given, list = options, function()
          local lines = {}
          contents(function(line) lines[#lines + 1] = line end)
          return lines
        end
      end,
    }
  ]]

  it(
    "takes vim.ui.select where a plugin made it its own, else telescope or fzf-lua",
    function(child)
      prepare(child)
      child:lua(TELESCOPE)
      child:lua(FZF)
      child:cmd("Orchflow pick hunks")
      child:wait("telescope shows it", "return opened ~= nil")
      tests.equal(child:lua("return shown"), { "Hunk" })
      child:lua([[package.loaded["telescope"] = nil]])
      child:cmd("Orchflow pick hunks")
      child:wait("fzf-lua shows it", "return given ~= nil")
      child:lua([[
      given = nil
      vim.ui.select = function(items, options) chosen_from = { #items, options.kind, options } end
    ]])
      child:cmd("Orchflow pick hunks")
      child:wait("what the human chose shows it", "return chosen_from ~= nil")
      tests.equal(
        child:lua("return { chosen_from[1], chosen_from[2], given }"),
        { 2, "orchflow_hunk" }
      )
      -- What shows previews is given one.
      local lines = child:lua([[
      local hunk = stub.all[1]
      return lines_of(chosen_from[3].preview_item(hunk).buf)
    ]])
      tests.contains(table.concat(lines, "\n"), "-two\n+2\n")
      child:lua([[require("orchflow").setup({ picker = "telescope" })]])
      child:cmd("Orchflow pick hunks")
      child:wait_message("telescope is not there")
    end
  )

  it("falls back to vim.ui.select where a picker fails", function(child)
    prepare(child)
    child:lua(TELESCOPE)
    child:lua([[
      package.loaded["telescope.pickers"].new = function() error("no field 'hl'") end
      require("orchflow").setup({ picker = "telescope" })
      vim.ui.select = function(items) chosen_from = #items end
    ]])
    child:cmd("Orchflow pick hunks")
    child:wait("it is asked all the same", "return chosen_from == 2")
    child:wait_message("the picker failed")
    tests.lacks(child:messages(), "defect")
  end)

  it("shows a hunk as a diff, with what is to be known of it behind", function(child)
    prepare(child)
    local page = child:lua([[
      local hunk = vim.deepcopy(stub.all[1])
      hunk.line, hunk.rivals, hunk.added[1] = 7, { stub.rival("h_x", "codex", "a.txt", 2, true) }, "2\27[31m"
      local page = preview.hunk(hunk)
      return { page.lines, vim.tbl_map(function(each) return each.group end, page.highlights) }
    ]])
    tests.equal(page[1], {
      "claude  a.txt:2 (yours: 7)  +1 -1",
      "load",
      " one",
      "-two",
      "+2 [31m",
      " three",
      "",
      "rivals: codex (the same)",
      'claude: "it had to be"',
    })
    for _, group in ipairs({ "OrchflowRemovedLine", "OrchflowAddedLine", "OrchflowAgent" }) do
      assert(vim.tbl_contains(page[2], group), group)
    end
  end)

  it("asks the host for what stands beside agents and events", function(child)
    prepare(child)
    child:lua([[
      stub.answers.why = function(params)
        return { about = { kind = "agent", id = params.about }, lines = { params.about .. " works" } }
      end
      stub.answers.event = function() return nil, { code = "usage", message = "there is no event 9" } end
      agent = preview.buffer("agents", { key = "7/claude" })
      event = preview.buffer("events", { seq = 9 })
      gone = preview.buffer("agents", { key = "7/codex" })
      vim.api.nvim_buf_delete(gone, { force = true })
    ]])
    child:wait("both are filled", "return lines_of(agent)[1] ~= '' and lines_of(event)[1] ~= ''")
    tests.equal(child:lua("return lines_of(agent)"), { "7/claude works" })
    tests.equal(child:lua("return lines_of(event)"), { "there is no event 9" })
    tests.lacks(child:messages(), "defect")
  end)

  it(
    "accepts in telescope what its preview has shown, and nothing else",
    { tui = true },
    function(child)
      prepare(child)
      child:lua(TELESCOPE)
      child:lua([[
      exports = dofile(vim.api.nvim_get_runtime_file("lua/telescope/_extensions/orchflow.lua", false)[1]).exports
      exports.hunks({ filter = "is:undecided" })
    ]])
      child:wait("it is shown", "return opened ~= nil")
      tests.equal(child:lua("return stub.last('review').params.filter"), "is:undecided")
      child:lua([[mapped["<C-y>"]()]])
      child:wait_message("1 hunk was not wholly on the screen")
      tests.equal(child:lua("return { deleted, stub.last('accept') }"), { {} })
      -- One line of it below the window's edge is not enough; scrolled there, it is.
      child:lua([[
      vim.cmd("botright 4split | enew")
      window = vim.api.nvim_get_current_win()
      previewer.define_preview({ state = { bufnr = vim.api.nvim_get_current_buf(), winid = window } }, entries[1])
      vim.cmd("redraw")
      mapped["<C-y>"]()
    ]])
      tests.equal(child:lua("return { deleted, stub.last('accept') }"), { {} })
      child:lua([[
      vim.fn.win_execute(window, "normal! Gzb")
      vim.cmd("redraw")
      mapped["<C-y>"]()
    ]])
      child:wait("it is accepted", "return stub.last('accept') ~= nil")
      local asked = child:lua("return stub.last('accept').params.hunks")
      tests.equal({ #asked, #asked[1].hash }, { 1, 64 })
      tests.equal(child:lua("return deleted"), { asked[1].id })
    end
  )

  it("opens, and rejects with a reason, from telescope", function(child)
    prepare(child)
    child:lua(TELESCOPE)
    child:lua([[
      require("orchflow").setup({ review = { words = "line" } })
      vim.ui.input = function(options, done) prompt = options.prompt done("too clever") end
    ]])
    child:cmd("Orchflow pick hunks")
    child:wait("it is shown", "return opened ~= nil")
    child:lua([[mapped["<C-x>"]()]])
    child:wait("it is rejected", "return stub.last('reject') ~= nil")
    tests.equal(
      child:lua("return { closed, prompt, stub.last('reject').params.reason }"),
      { true, "Reject claude because (empty: no reason): ", "too clever" }
    )
    child:lua("selected = 2 enter()")
    child:wait(
      "it is opened",
      [[return vim.api.nvim_buf_get_name(0) == "orchflow://7/claude/a.txt"]]
    )
    tests.equal(child:lua("return vim.fn.getqflist({ idx = 0, size = 0 })"), { idx = 2, size = 2 })
  end)

  it("lists, opens and decides in fzf-lua", function(child)
    prepare(child)
    child:lua(FZF)
    child:lua([[
      require("orchflow.pick.fzf").register()
      registered.orchflow_hunks({ filter = "agent:claude", winopts = { height = 0.5 } })
    ]])
    child:wait("it is shown", "return given ~= nil")
    local lines = child:lua("return list()")
    tests.equal(#lines, 2)
    tests.equal(lines[1], "1\t  a.txt:2  claude  +1 -1  load")
    tests.equal(
      child:lua("return { given.fzf_opts['--with-nth'], given.winopts.height }"),
      { "2..", 0.5 }
    )
    child:lua([[
      local lines = list()
      given.actions["ctrl-y"].fn({ lines[1] })
    ]])
    child:wait_message("1 hunk was not wholly on the screen")
    tests.equal(#child:lua("return list()"), 2)
    child:lua([[
      require("orchflow.review.seen").note(stub.all[1])
      given.actions["ctrl-y"].fn({ list()[1] })
    ]])
    child:wait("it is accepted", "return stub.last('accept') ~= nil")
    tests.equal(child:lua("return list()"), { lines[2] })
    child:lua("given.actions.enter({ list()[1] })")
    child:wait(
      "it is opened",
      [[return vim.api.nvim_buf_get_name(0) == "orchflow://7/claude/a.txt"]]
    )
    -- Where nothing is picked, nothing happens.
    child:lua("given.actions.enter({})")
  end)

  it("picks an approval, and opens it", function(child)
    prepare(child)
    child:lua(FZF)
    child:lua([[
      stub.answers.approvals = function()
        return { approvals = {
          { id = "a_31", run = 7, agent = "claude", tool = "Bash", summary = "touch zz", input = { command = "touch zz" } },
          { id = "a_32", run = 7, agent = "codex", tool = "Write", summary = "src/a.rs", input = {} },
        } }
      end
    ]])
    child:cmd("Orchflow pick approvals agent:claude")
    child:wait("it is shown", "return given ~= nil")
    tests.equal(child:lua("return list()"), { "1\t7/claude        Bash  touch zz" })
    local lines = child:lua([[
      return lines_of(preview.buffer("approvals", { id = "a_31", run = 7, agent = "claude", tool = "Bash",
        input = { command = "touch zz" } }))
    ]])
    tests.contains(table.concat(lines, "\n"), "touch zz")
    child:lua("given.actions.enter({ list()[1] })")
    child:wait(
      "the approval is opened",
      "return vim.bo.filetype == 'orchflow' or vim.api.nvim_win_get_config(0).relative ~= ''"
    )
    child:cmd("Orchflow pick approvals agent:nobody")
    child:wait_message("nobody asks for permission")
    child:cmd("Orchflow pick hunk")
    child:wait_message("did you mean hunks?")
  end)

  it("says what is wrong with the filter of another program's command", function(child)
    prepare(child)
    child:lua(FZF)
    child:lua([[
      require("orchflow.pick.fzf").register()
      registered.orchflow_agents({ filter = "fil:x" })
    ]])
    child:wait_message("pick agents: no filter fil:")
  end)
end
