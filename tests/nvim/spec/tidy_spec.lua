return function(it, tests)
  local PREPARE = [[
    package.path = ... .. "/tests/nvim/?.lua;" .. package.path
    stub = require("stub")
    status = stub.status()
    stub.answers.status = function() return vim.deepcopy(status) end
    stub.answers.log = function() return { events = {}, seq = 1 } end
    asked = {}
    function keep(method, answer)
      stub.answers[method] = function(params)
        asked[#asked + 1] = { method, params }
        return type(answer) == "function" and answer(params) or answer
      end
    end
  ]]

  local function prepare(child)
    child:lua(PREPARE, tests.root)
  end

  it("shows what the doctor found, what to do about it, and what was mended", function(child)
    prepare(child)
    child:lua([[
      keep("doctor", function(params)
        return { findings = {
          { kind = "orphan", level = "problem", what = "1/claude left 7 (sl\27[31meep)", safe = true,
            advice = "--fix ends them", mended = params.fix },
          { kind = "worktree", level = "problem", what = "/w/7-x belongs to no agent", safe = false, advice = "look into it" },
          { kind = "store", level = "ok", what = "12 events, the chain holds", safe = false, advice = "unseen" },
        } }
      end)
    ]])
    child:cmd("Orchflow doctor")
    child:wait("it is shown", [[return vim.bo.filetype:find("orchflow") and vim.fn.line("$") > 4]])
    local said = table.concat(child:lines(), "\n")
    for _, part in ipairs({
      "!  orphan      1/claude left 7",
      "--fix ends them",
      "+  store       12 events, the chain holds",
      "2 problems are to be mended",
      ":Orchflow doctor --fix mends 1 of them",
    }) do
      tests.contains(said, part)
    end
    tests.lacks(said, "unseen")
    tests.lacks(said, "\27")
    child:cmd("close")
    child:cmd("Orchflow doctor --fix")
    child:wait(
      "it is mended",
      [[return vim.fn.search("^mended  orphan", "nw") > 0 and vim.fn.search("1 problem is to be", "nw") > 0]]
    )
    tests.equal(child:lua("return asked[2][2].fix"), true)
  end)

  it("lists agents started elsewhere, and adopts the one that is chosen", function(child)
    prepare(child)
    child:lua([[
      keep("adopt", function(params)
        if params.process then
          return { run = 8, agent = "claude-2", session = "s-1", copy = true, warnings = { "process 77 goes on as well" } }
        end
        return { candidates = {
          { process = 77, agent = "claude", pane = "tmux:%3", session = "s-1", adoptable = true },
          { process = 78, agent = "codex", tty = "/dev/pts/4", adoptable = false, why_not = "Codex does not tell" },
        } }
      end)
      vim.ui.select = function(items, options, done)
        offered = vim.tbl_map(options.format_item, items)
        done(choice and items[choice])
      end
    ]])
    child:cmd("Orchflow adopt")
    child:wait("they are offered", [[return offered ~= nil]])
    tests.equal(child:lua("return offered"), {
      "claude  process 77  tmux:%3",
      "codex  process 78  /dev/pts/4  can only be looked at: Codex does not tell",
    })
    tests.equal(child:lua("return #asked"), 1)
    child:lua("choice = 1")
    child:cmd("Orchflow adopt")
    child:wait_message("claude-2 goes on in a copy of session s-1, as run 8")
    child:wait_message("process 77 goes on as well")
    tests.equal(child:lua("return asked[3][2].process"), "77")
    child:lua([[stub.answers.adopt = function() return { candidates = {} } end]])
    child:cmd("Orchflow adopt")
    child:wait_message("no agent that was started elsewhere works in this repository")
  end)

  it("starts ended agents again, and says how each goes on", function(child)
    prepare(child)
    child:lua([[
      keep("resume", function(params)
        return { agents = params.fresh and {} or {
          { agent = "claude", run = 7, state = "running", started_again = true, session = "s-1" },
          { agent = "aider", run = 7, state = "running", started_again = true },
          { agent = "codex", run = 7, state = "ended", started_again = true, message = "it is not installed" },
        } }
      end)
    ]])
    child:cmd("Orchflow resume 7")
    child:wait_message(
      "claude: running with its session, aider: running with a new session, codex: ended (it is not installed)"
    )
    local params = child:lua("return asked[1][2]")
    tests.equal({ params.agents, params.view, params.fresh }, { { "7" }, "auto", nil })
    child:cmd("Orchflow resume --fresh")
    child:wait_message("none of them is paused or was cut off")
  end)
end
