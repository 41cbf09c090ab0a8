return function(it, tests)
  local function run(child, code, ...)
    return child:lua(
      [[
      local code, plugin = ...
      package.path = plugin .. "/tests/nvim/?.lua;" .. package.path
      stub = require("stub")
      inline, words = require("orchflow.view.inline"), require("orchflow.view.words")
      return assert(loadstring(code))(select(3, ...))
    ]],
      code,
      tests.root,
      ...
    )
  end

  it("finds the words that changed within a line", function(child)
    local spans = run(
      child,
      [[
      local old, new = '    let greeting = "hello";', '    let greeting = env::var("GREETING")?;'
      local old_spans, new_spans, shared = words.compare(old, new)
      local function cut(line, spans)
        return vim.tbl_map(function(span) return line:sub(span.first + 1, span.last) end, spans)
      end
      return { cut(old, old_spans), cut(new, new_spans), shared > 0.4 }
    ]]
    )
    tests.equal(spans[1], { "hello" })
    tests.equal(spans[2], { 'env::var("GREETING")?' })
    tests.equal(spans[3], true)
  end)

  it("pairs lines with what they became, in order, and leaves strangers alone", function(child)
    local found = run(
      child,
      [[
      local function short(pairs)
        return vim.tbl_map(function(pair) return { pair.removed, pair.added } end, pairs)
      end
      return {
        short(words.pairs({ "alpha one two", "beta three four" }, { "new first line", "alpha one 2", "beta three 4" })),
        short(words.pairs({ "let a = 1;" }, { "// wholly different words" })),
        short(words.pairs({ "    return nil" }, { "    return nil, \"no such file: \" .. path" })),
        short(words.pairs({ "}" }, { "call(several, words) }" })),
        short(words.pairs({ "" }, { "" })),
        short(words.pairs({ ("x "):rep(2000) }, { ("y "):rep(2000) })),
      }
    ]]
    )
    tests.equal(found, { { { 1, 2 }, { 2, 3 } }, {}, { { 1, 1 } }, {}, {}, {} })
  end)

  it("keeps letters of more than one byte whole", function(child)
    tests.equal(
      run(
        child,
        [[
        local old_spans, new_spans = words.compare("say grün now", "say grau now")
        return { old_spans[1], new_spans[1] }
      ]]
      ),
      { { first = 4, last = 9 }, { first = 4, last = 8 } }
    )
  end)

  local CHANGE = [[
    local base = { "fn load() {", "    let greeting = \"hello\";", "}" }
    local lines = { "fn load() {", "    let greeting = \"world\";", "    call();", "}" }
    local hunks = stub.changes({ agent = "claude", path = "a.rs", words = "env wins" }, base, lines)
    local options = { mode = "inline", width = 60, gutter = 6 }
  ]]

  it("shows removed lines above, words within, and the agent's words below", function(child)
    local marks = run(child, CHANGE .. [[
      hunks[1].rivals = { stub.rival("h_1", "codex", "a.rs", 2), stub.rival("h_2", "aider", "a.rs", 2, true) }
      hunks[1].forecast = "conflict"
      return inline.marks(hunks, lines, options)
    ]])
    local by = {} ---@type table<string, any>
    for _, mark in ipairs(marks) do
      local options = mark.options
      local kind = options.virt_lines and "virtual"
        or options.sign_text and "sign"
        or options.hl_group
      by[kind] = by[kind] or {}
      table.insert(by[kind], mark)
    end
    tests.equal(#by.OrchflowAddedLine, 1)
    tests.equal({ by.OrchflowAddedLine[1].line, by.OrchflowAddedLine[1].options.end_row }, { 1, 3 })
    tests.equal(
      { by.sign[1].line, by.sign[1].options.end_row, by.sign[1].options.sign_text },
      { 1, 2, "+" }
    )
    local word = by.OrchflowAddedWord[1]
    tests.equal({ word.line, word.column, word.options.end_col }, { 1, 20, 25 })
    local above, below = by.virtual[1], by.virtual[2]
    tests.equal({ above.line, above.options.virt_lines_above }, { 1, true })
    tests.equal(above.options.virt_lines[1][1], { "    - ", "OrchflowRemoved" })
    tests.equal(vim.list_slice(above.options.virt_lines[1], 2, 4), {
      { '    let greeting = "', "OrchflowRemovedLine" },
      { "hello", "OrchflowRemovedWord" },
      { '";', "OrchflowRemovedLine" },
    })
    tests.equal(below.line, 2)
    local said = ""
    for _, chunk in ipairs(below.options.virt_lines[1]) do
      said = said .. chunk[1]
    end
    tests.contains(said, "    | conflicts with your file   rivals: codex, aider (the same) …")
    assert(vim.fn.strdisplaywidth(said) <= 66, said)
  end)

  it("dims what is decided and says how", function(child)
    local result = run(child, CHANGE .. [[
      hunks[1].state = "accepted"
      local marks = inline.marks(hunks, lines, options)
      local groups, standing = {}, nil
      for _, mark in ipairs(marks) do
        local group = mark.options.hl_group
        if group then groups[group] = true end
        standing = standing or mark.options.virt_text
      end
      return { vim.tbl_keys(groups), standing }
    ]])
    tests.equal(result, { { "OrchflowMuted" }, { { "  accepted", "OrchflowDone" } } })
  end)

  it("says below a hunk how it stands where its line has no room", function(child)
    local said = run(child, CHANGE .. [[
      hunks[1].state, options.width = "rejected", 28
      local said = {}
      for _, mark in ipairs(inline.marks(hunks, lines, options)) do
        if mark.options.virt_text then said[#said + 1] = "end" end
        for _, line in ipairs(mark.options.virt_lines or {}) do
          local whole = ""
          for _, chunk in ipairs(line) do whole = whole .. chunk[1] end
          said[#said + 1] = whole
        end
      end
      return said
    ]])
    tests.equal(said[#said], '    | rejected   claude: "env win…')
    tests.lacks(table.concat(said, " "), "end ")
  end)

  it("dims only the lines of a part that was taken", function(child)
    local muted = run(child, CHANGE .. [[
      hunks[1].partly = { added = { 2 }, removed = {} }
      local muted = {}
      for _, mark in ipairs(inline.marks(hunks, lines, options)) do
        if mark.options.hl_group == "OrchflowMuted" then muted[#muted + 1] = mark.line end
      end
      return muted
    ]])
    tests.equal(muted, { 2 })
  end)

  it("shows less where less is wanted", function(child)
    local counts = run(child, CHANGE .. [[
      return vim.tbl_map(function(mode)
        options.mode = mode
        local marks = inline.marks(hunks, lines, options)
        return { #marks, #vim.tbl_filter(function(mark) return mark.options.virt_lines ~= nil end, marks) }
      end, inline.modes)
    ]])
    tests.equal(counts[1][2], 2)
    tests.equal(counts[2][2], 0)
    assert(counts[2][1] > 0)
    tests.equal(counts[3], { 0, 0 })
  end)

  it("places lines that are only gone, at the top, in the middle and at the end", function(child)
    local places = run(
      child,
      [[
      local base, found = { "a", "b", "c", "d" }, {}
      for _, lines in ipairs({ { "b", "c", "d" }, { "a", "c", "d" }, { "a", "b", "c" } }) do
        local hunk = stub.changes({ agent = "x", path = "f" }, base, lines)[1]
        local marks = inline.marks({ hunk }, lines, { mode = "inline", width = 20, gutter = 2 })
        found[#found + 1] = { (inline.place(hunk, #lines)), marks[1].line, marks[1].options.virt_lines_above == true }
      end
      return found
    ]]
    )
    tests.equal(places, { { 1, 0, true }, { 1, 0, false }, { 3, 2, false } })
  end)

  it("shows tabs, control characters and wide letters of removed lines harmlessly", function(child)
    local chunks = run(
      child,
      [[
      local hunk = stub.changes({ agent = "x", path = "f" }, { "\ta\27[31m日", "k" }, { "k" })[1]
      local marks = inline.marks({ hunk }, { "k" }, { mode = "inline", width = 20, gutter = 2 })
      return marks[1].options.virt_lines[1]
    ]]
    )
    tests.equal(chunks[2][1], "        a [31m日")
    tests.equal(#chunks[3][1], 20 - 16)
  end)

  it("draws a deleted file as what stood in it", function(child)
    local result = run(
      child,
      [[
      local base = { "a", "b" }
      local hunk = stub.changes({ agent = "x", path = "f", change = "deleted" }, base, {})[1]
      local marks = inline.marks({ hunk }, base, { mode = "inline", width = 20, gutter = 2, deleted = true })
      return { #marks, marks[1].options.hl_group, marks[2].options.sign_text, { inline.place(hunk, 2, true) } }
    ]]
    )
    tests.equal(result, { 2, "OrchflowRemovedLine", "-", { 1, 2 } })
  end)

  it("takes removed lines along with the lines they became", function(child)
    local parts = run(
      child,
      [[
      local base = { "k", "alpha one", "beta two", "gone", "k2" }
      local lines = { "k", "alpha 1", "extra", "beta 2", "k2" }
      local hunk = stub.changes({ agent = "x", path = "f" }, base, lines)[1]
      return {
        inline.part(hunk, 2, 2, #lines), inline.part(hunk, 3, 3, #lines), inline.part(hunk, 4, 5, #lines),
        inline.part(hunk, 1, 5, #lines) == nil,
      }
    ]]
    )
    tests.equal(parts[1], { added = { 1 }, removed = { 1 } })
    tests.equal(parts[2], { added = { 2 }, removed = {} })
    tests.equal(parts[3], { added = { 3 }, removed = { 2, 3 } })
    tests.equal(parts[4], true)
  end)
end
