return function(it, tests)
  --- Makes a file of lines and gives its path.
  local function file(lines, name)
    local path = vim.fs.joinpath(
      vim.uv.fs_realpath(vim.fn.fnamemodify(vim.fn.tempname(), ":h")),
      name or "f.txt"
    )
    vim.fn.writefile(lines, path)
    return path
  end

  local function serve(child, method, params)
    return child:lua(
      [[
      local result, problem = require("orchflow.client.editor").serve(...)
      return { result = result, problem = problem }
    ]],
      method,
      params
    )
  end

  local function numbered(count)
    local lines = {}
    for number = 1, count do
      lines[number] = "line " .. number
    end
    return lines
  end

  it("reads a loaded buffer, under whatever name it was opened", function(child)
    local path = file({ "a", "b" })
    local link = file({}, "link.txt")
    vim.fn.delete(link)
    assert(vim.uv.fs_symlink(path, link))
    tests.equal(serve(child, "buffer_read", { path = path }).result, { loaded = false })
    child:cmd("edit " .. link)
    child:cmd("normal! ox")
    local result = serve(child, "buffer_read", { path = path }).result
    tests.equal(result.lines, { "a", "x", "b" })
    tests.equal(result.modified, true)
    tests.equal(result.dos, false)
    tests.equal(result.eol, true)
    tests.equal(result.changedtick, child:api("nvim_buf_get_changedtick", 0))
  end)

  it("never loads a buffer to read it", function(child)
    local path = file({ "a" })
    child:lua([[vim.fn.bufadd(...)]], path)
    tests.equal(serve(child, "buffer_read", { path = path }).result, { loaded = false })
    tests.equal(
      serve(child, "buffer_read", { path = "/nowhere/at/all" }).result,
      { loaded = false }
    )
    tests.equal(child:lua([[return vim.fn.bufloaded(...)]], path), 0)
  end)

  it(
    "applies edits as one undo block, saves nothing, and keeps cursor, marks, folds and windows",
    function(child)
      local path = file(numbered(40))
      child:cmd("edit " .. path)
      child:lua([[
      vim.cmd("normal! Gomine")
      vim.cmd("20,25fold")
      vim.cmd("30mark m")
      vim.cmd("vsplit")
      vim.api.nvim_win_set_cursor(0, { 35, 3 })
      vim.cmd("wincmd p")
      vim.api.nvim_win_set_cursor(0, { 10, 2 })
      vim.cmd("enew")
    ]])
      local before = child:api("nvim_get_current_buf")
      local buffer = child:lua([[return vim.fn.bufnr(...)]], path)
      local tick = child:api("nvim_buf_get_changedtick", buffer)
      local answer = serve(child, "buffer_apply", {
        path = path,
        changedtick = tick,
        edits = {
          { start = 1, end_ = 2, lines = { "LINE 2", "new a", "new b" } },
          { start = 4, end_ = 6, lines = { "LINE 5" } },
          { start = 29, end_ = 30, lines = { "LINE 30" } },
        },
      })
      tests.equal(answer.problem, nil)
      tests.equal(answer.result.changedtick, child:api("nvim_buf_get_changedtick", buffer))
      tests.equal(child:api("nvim_get_current_buf"), before, "the focus moved")
      local lines = child:api("nvim_buf_get_lines", buffer, 0, -1, false)
      tests.equal(
        { lines[2], lines[3], lines[4], lines[7], lines[31] },
        { "LINE 2", "new a", "new b", "LINE 5", "LINE 30" }
      )
      tests.equal(vim.fn.readfile(path), numbered(40))
      local kept = child:lua(
        [[
      local buffer = ...
      local other = vim.fn.win_findbuf(buffer)[1]
      local result = { cursor = vim.api.nvim_win_get_cursor(other), mark = vim.api.nvim_buf_get_mark(buffer, "m")[1] }
      vim.api.nvim_win_call(other, function()
        result.fold = { vim.fn.foldclosed(21), vim.fn.foldclosedend(21) }
      end)
      vim.cmd.buffer(buffer)
      vim.cmd("silent undo")
      result.undone = vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
      vim.cmd("silent undo")
      result.before_mine = vim.api.nvim_buf_line_count(buffer)
      return result
    ]],
        buffer
      )
      tests.equal(kept.cursor, { 36, 3 })
      tests.equal(kept.mark, 31)
      tests.equal(kept.fold, { 21, 26 })
      tests.equal(kept.undone, vim.list_extend(numbered(40), { "mine" }))
      tests.equal(kept.before_mine, 40)
    end
  )

  it("keeps what the human does afterwards in a block of its own", function(child)
    local path = file({ "a", "b" })
    child:cmd("edit " .. path)
    local tick = child:api("nvim_buf_get_changedtick", 0)
    serve(
      child,
      "buffer_apply",
      { path = path, changedtick = tick, edits = { { start = 0, end_ = 1, lines = { "A" } } } }
    )
    child:cmd("normal! Gomine")
    child:cmd("silent undo")
    tests.equal(child:lines(), { "A", "b" })
  end)

  it("applies while the human types, and loses none of it", { tui = true }, function(child)
    local path = file({ "one", "two", "three" })
    child:cmd("edit " .. path)
    child:keys("Gohel")
    child:wait("the text is typed", [[return vim.api.nvim_get_current_line() == "hel"]])
    local tick = child:api("nvim_buf_get_changedtick", 0)
    local answer = serve(child, "buffer_apply", {
      path = path,
      changedtick = tick,
      edits = { { start = 0, end_ = 1, lines = { "ONE", "and a half" } } },
    })
    tests.equal(answer.problem, nil)
    child:keys("lo<Esc>")
    child:wait("the typing ends", [[return vim.api.nvim_get_mode().mode == "n"]])
    tests.equal(child:lines(), { "ONE", "and a half", "two", "three", "hello" })
    child:cmd("silent undo")
    tests.equal(child:lines(), { "one", "two", "three" })
  end)

  it("refuses what does not fit the buffer as it is", function(child)
    local path = file({ "a", "b" })
    local function apply(params)
      local answer =
        serve(child, "buffer_apply", vim.tbl_extend("force", { path = path, edits = {} }, params))
      return answer.problem
    end
    tests.equal(apply({ changedtick = 1 }), "not loaded")
    child:cmd("edit " .. path)
    local tick = child:api("nvim_buf_get_changedtick", 0)
    tests.equal(apply({ changedtick = tick - 1 }), "stale")
    tests.equal(
      apply({ changedtick = tick, edits = { { start = 0, end_ = 9, lines = {} } } }),
      "stale"
    )
    tests.equal(
      apply({ changedtick = tick, edits = { { start = 1, end_ = 0, lines = {} } } }),
      "stale"
    )
    tests.equal(
      apply({
        changedtick = tick,
        edits = { { start = 0, end_ = 2, lines = {} }, { start = 1, end_ = 2, lines = {} } },
      }),
      "stale"
    )
    tests.equal(apply({ changedtick = tick, edits = { { start = 0 } } }), "an edit is not whole")
    tests.equal(apply({ changedtick = tick, edits = 3 }), "no edits were given")
    child:cmd("set nomodifiable")
    tests.equal(apply({ changedtick = tick }), "the buffer is not modifiable")
    tests.equal(child:lines(), { "a", "b" })
  end)

  it("applies bytes that are not UTF-8 as they are", function(child)
    local path = file({ "a" })
    child:cmd("edit " .. path)
    local tick = child:api("nvim_buf_get_changedtick", 0)
    serve(
      child,
      "buffer_apply",
      { path = path, changedtick = tick, edits = { { start = 0, end_ = 1, lines = { "x\255y" } } } }
    )
    tests.equal(child:lines(), { "x\255y" })
  end)

  it("speaks of files in their own encoding", function(child)
    local path = file({})
    vim.fn.writefile({ "caf\233", "x" }, path)
    child:cmd("edit ++enc=latin1 " .. path)
    tests.equal(child:lines()[1], "café")
    local read = serve(child, "buffer_read", { path = path }).result
    tests.equal(read.lines, { "caf\233", "x" })
    local answer = serve(child, "buffer_apply", {
      path = path,
      changedtick = read.changedtick,
      edits = { { start = 1, end_ = 2, lines = { "na\239ve" } } },
    })
    tests.equal(answer.problem, nil)
    tests.equal(child:lines(), { "café", "naïve" })
    child:cmd("silent write")
    tests.equal(vim.fn.readfile(path), { "caf\233", "na\239ve" })
    child:cmd("silent edit ++enc=utf-8 ++bad=keep | set fileencoding=utf-8 bomb")
    tests.equal(
      serve(child, "buffer_read", { path = path }).result.lines[1]:sub(1, 3),
      "\239\187\191"
    )
    child:cmd("set fileencoding=utf-16")
    tests.contains(serve(child, "buffer_read", { path = path }).problem, "its encoding is utf-16")
  end)

  it("reads a file again only where nothing would be lost", function(child)
    local calm, busy = file({ "a" }, "calm.txt"), file({ "a" }, "busy.txt")
    child:cmd("set noautoread hidden")
    child:cmd("edit " .. calm)
    child:cmd("edit " .. busy)
    child:cmd("normal! omine")
    vim.fn.writefile({ "a", "b", "c" }, calm)
    vim.fn.writefile({ "a", "b", "c" }, busy)
    tests.equal(serve(child, "checktime", { paths = { calm, busy, "/nowhere" } }).problem, nil)
    tests.equal(child:lua([[return vim.fn.getbufline(..., 1, "$")]], calm), { "a", "b", "c" })
    tests.equal(child:lines(), { "a", "mine" })
    tests.equal(child:lua("return vim.o.autoread"), false)
    child:cmd("buffer " .. calm)
    tests.equal(
      child:lua([[return vim.api.nvim_get_option_value("autoread", { scope = "local" }) ]]),
      vim.NIL
    )
  end)

  it(
    "opens windows for agents beside each other, and leaves the focus",
    { tui = true, columns = 200 },
    function(child)
      local before = child:api("nvim_get_current_win")
      local first =
        serve(child, "open_view", { argv = { "cat" }, name = "claude", agent = "claude", run = 7 })
      local second =
        serve(child, "open_view", { argv = { "cat" }, name = "codex", agent = "codex", run = 7 })
      local again =
        serve(child, "open_view", { argv = { "cat" }, name = "codex", agent = "codex", run = 7 })
      tests.equal(again.result, second.result)
      tests.equal(child:api("nvim_get_current_win"), before)
      tests.equal(child:api("nvim_get_mode").mode, "n")
      local columns = child:lua(
        [[
      return vim.tbl_map(function(window)
        return vim.api.nvim_win_get_position(window)[2]
      end, { ... })
    ]],
        first.result.window,
        second.result.window
      )
      tests.equal(columns[1], columns[2])
      local missing = serve(
        child,
        "open_view",
        { argv = { "/nowhere/orchflow" }, name = "x", agent = "x", run = 7 }
      )
      tests.equal(missing.problem, "/nowhere/orchflow cannot be run")
      tests.equal(#child:api("nvim_list_wins"), 3)
    end
  )

  it(
    "closes an agent's window when its view ends well",
    { tui = true, columns = 200 },
    function(child)
      local opened =
        serve(child, "open_view", { argv = { "true" }, name = "claude", agent = "claude", run = 7 })
      child:wait(
        "the window is gone",
        [[return not vim.api.nvim_win_is_valid(...)]],
        opened.result.window
      )
    end
  )

  it("says when there is no room for a window", { tui = true, columns = 200 }, function(child)
    local problem
    for number = 1, 12 do
      local answer = serve(
        child,
        "open_view",
        { argv = { "cat" }, name = "a" .. number, agent = "a" .. number, run = 1 }
      )
      problem = problem or answer.problem
    end
    tests.equal(problem, "no room for another window beside the other agents")
    tests.equal(child:lua("return vim.api.nvim_win_get_width(0) >= 100"), true)
  end)

  it("shows notices of the host, and refuses what it does not know", function(child)
    serve(child, "notify", { message = "codex needs login", level = "warn" })
    tests.contains(child:messages(), "orchflow: codex needs login")
    serve(child, "notify", { message = "x", level = "loud" })
    tests.equal(serve(child, "explode", {}).problem, "this editor knows no explode")
    tests.lacks(serve(child, "buffer_read", {}).problem, ".lua:")
  end)
end
