-- Marks of a review buffer with very many hunks: drawn in slices, and never late on the screen.
return function(it, tests)
  local COUNT = 600

  --- Opens a file of many hunks, and counts the hunks that are drawn in each turn of the main loop.
  local function open(child, count)
    local root = vim.fn.tempname()
    vim.fn.mkdir(root .. "/.git", "p")
    child:lua(
      [[
      local plugin, root, count = ...
      vim.cmd.cd(root)
      package.path = plugin .. "/tests/nvim/?.lua;" .. package.path
      stub = require("stub")
      local base, lines = {}, {}
      for number = 1, count * 5 do
        base[number] = "line " .. number
        lines[number] = number % 5 == 2 and "changed " .. number or base[number]
      end
      stub.serve(stub.changes({ agent = "claude", path = "many.txt" }, base, lines))
      local inline = require("orchflow.view.inline")
      local marks_of, prepare = inline.marks_of, assert(vim.uv.new_prepare())
      turns, drawn = { 0 }, 0
      inline.marks_of = function(...)
        turns[#turns] = turns[#turns] + 1
        drawn = drawn + 1
        return marks_of(...)
      end
      prepare:start(function()
        if turns[#turns] > 0 then
          turns[#turns + 1] = 0
        end
      end)
      page = function()
        return require("orchflow.review.buffer").page(vim.api.nvim_get_current_buf())
      end
      -- What the marks say now: how many removed lines, signs of each kind, words at line ends.
      look = function(first, last)
        local namespace = vim.api.nvim_create_namespace("orchflow_inline")
        local found = { removed = 0, open = 0, decided = 0 }
        for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, { first, 0 }, { last, -1 }, { details = true })) do
          local details = mark[4]
          found.removed = found.removed + #(details.virt_lines or {})
          if details.sign_text then
            local kind = details.sign_hl_group == "OrchflowMuted" and "decided" or "open"
            found[kind] = found[kind] + 1
          end
        end
        return { found.removed, found.open, found.decided }
      end
    ]],
      tests.root,
      vim.uv.fs_realpath(root),
      count
    )
    child:cmd("edit orchflow://7/claude/many.txt")
    child:wait(
      "the file is shown",
      "local page = page() return page ~= nil and page.state == 'ready'"
    )
  end

  local function wait_drawn(child)
    child:wait("all is drawn", "return next(page().stale) == nil")
  end

  it("draws many hunks some a turn, what is on the screen first", { tui = true }, function(child)
    open(child, COUNT)
    wait_drawn(child)
    tests.equal(child:lua("return look(0, -1)"), { COUNT, COUNT, 0 })
    local turns = child:lua("return turns")
    local most = child:lua("return require('orchflow.review.marks').MOST") + 40
    assert(math.max(unpack(turns)) <= most, vim.inspect(turns))
    tests.equal(child:lua("return drawn"), COUNT, "none is drawn twice")
  end)

  it("draws what is jumped to before it comes onto the screen", { tui = true }, function(child)
    open(child, COUNT)
    -- No turn passes in between: nothing draws the rest.
    local found = child:lua([[
      require("orchflow.review.marks").draw(0, page())
      local before = look(5 * 500, 5 * 520 - 1)
      vim.api.nvim_win_set_cursor(0, { 5 * 510, 0 })
      vim.api.nvim_exec_autocmds("WinScrolled", {})
      local top, bottom = vim.fn.line("w0"), vim.fn.line("w$")
      local first, last = math.ceil(top / 5), math.floor(bottom / 5) - 1
      return { before, look(5 * first, 5 * last - 1), last - first }
    ]])
    tests.equal(found[1], { 0, 0, 0 }, "far from the cursor nothing is there yet")
    tests.equal(found[2], { found[3], found[3], 0 }, "on the screen everything is")
    -- Going to a hunk wants its removed lines, as they take room.
    local there = child:lua([[
      require("orchflow.review.marks").draw(0, page())
      require("orchflow.review.buffer").go(0, page().hunks[300])
      return look(5 * 299, 5 * 300 - 1)
    ]])
    tests.equal(there, { 1, 1, 0 })
    wait_drawn(child)
    tests.equal(child:lua("return look(0, -1)"), { COUNT, COUNT, 0 })
  end)

  it("shows what is decided while the rest is still being drawn", { tui = true }, function(child)
    open(child, COUNT)
    child:lua([[
      local buffer = require("orchflow.review.buffer")
      require("orchflow.review.marks").draw(0, page())
      turns = { 0 }
      local decided = {}
      for index = 1, #page().hunks, 2 do
        decided[page().hunks[index].id] = "accepted"
      end
      buffer.decide(decided)
    ]])
    tests.equal(child:lua("return look(0, 4)"), { 1, 0, 1 }, "at once on the screen")
    wait_drawn(child)
    tests.equal(child:lua("return look(0, -1)"), { COUNT, COUNT / 2, COUNT / 2 })
    local turns = child:lua("return turns")
    local most = child:lua("return require('orchflow.review.marks').MOST") + 40
    assert(math.max(unpack(turns)) <= most, vim.inspect(turns))
  end)

  it("gives up drawing for a buffer that goes", function(child)
    open(child, COUNT)
    child:lua("require('orchflow.review.marks').draw(0, page()) vim.cmd('bwipeout!')")
    child:wait("turns have passed", "return vim.wait(50, function() end) == false")
    tests.equal(child:messages():find("defect"), nil)
  end)

  it("counts nothing as shown whose removed lines are not there yet", function(child)
    open(child, COUNT)
    local shown = child:lua([[
      local marks, seen = require("orchflow.review.marks"), require("orchflow.review.seen")
      marks.draw(0, page())
      local hunk = page().hunks[550]
      local cut = vim.deepcopy(page().marks)
      page().marks[hunk.id] = nil
      vim.api.nvim_win_set_cursor(0, { hunk.new_start, 0 })
      vim.cmd("normal! zz")
      local before = seen.is_shown(hunk)
      page().marks = cut
      marks.show_lines(0, hunk.new_start, hunk.new_start)
      return { before, seen.is_shown(hunk) }
    ]])
    tests.equal(shown, { false, true })
  end)
end
