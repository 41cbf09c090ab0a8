return function(it, tests)
  local PREPARE = [[
    package.path = ... .. "/tests/nvim/?.lua;" .. package.path
    stub = require("stub")
    client = require("orchflow.client")
    cost = require("orchflow.view.cost")
  ]]

  it("says of a sum how far it is known", function(child)
    child:lua(PREPARE, tests.root)
    local cases = {
      { { usd = 1.5, complete = true }, "1.50" },
      { { usd = 0.0164, complete = true }, "0.0164" },
      { { usd = 1.5, complete = true, priced_usd = 0.5 }, "~1.50" },
      { { usd = 1.5, complete = false }, "1.50+?" },
      { { complete = false }, "?" },
      { { complete = true }, "-" },
      { { usd = 0, complete = true }, "0.00" },
    }
    for _, case in ipairs(cases) do
      tests.equal(child:lua("return cost.sum(...)", case[1]), case[2])
    end
    tests.equal(
      child:lua([[return { cost.of_agent({ turn = 0 }), cost.of_agent({ turn = 2 }),
        cost.of_agent({ turn = 2, usage = { usd = 2, complete = true } }) }]]),
      { "-", "?", "2.00" }
    )
  end)

  it("draws what was used, the sum, and the budgets", function(child)
    child:lua(PREPARE, tests.root)
    local lines = child:lua([[
      local function row(key)
        return { key = key, usd = 1, priced_usd = 0.1, complete = false, unknown_tokens = 1500,
          input_tokens = 12345, cached_tokens = 2000000, output_tokens = 7 }
      end
      return cost.page({
        cost = { row("7/claude"), row("7/co\27dex") },
        total = vim.tbl_extend("force", row("x"), { usd = 2 }),
        prices = "2026-11-26",
        budgets = { { scope = "run 7", limit_usd = 2, usd = 2, complete = true, passed = true, paused = { "claude" } } },
      }).lines
    ]])
    tests.equal(lines, {
      "               usd  input  cached  output",
      " 7/claude  ~1.00+?  12.3k    2.0M       7",
      " 7/co dex  ~1.00+?  12.3k    2.0M       7",
      " total     ~2.00+?  12.3k    2.0M       7",
      " ~ by the table of prices of 2026-11-26",
      " +? nobody knows what 1.5k of these tokens cost",
      " budget of run 7: 2.00 of 2.00; claude paused",
    })
    tests.contains(child:lua("return cost.page({}).lines")[1], "no agent told")
  end)

  it("opens what was used, and sets a budget", function(child)
    child:lua(PREPARE, tests.root)
    child:lua([[
      require("orchflow.ui.steady").still_ms = 0
      stub.answers.cost = function(params)
        asked = params
        return { cost = { { day = "2026-11-26", usd = 3, complete = true } }, total = {}, budgets = {} }
      end
      stub.answers.budget = function(params)
        asked = params
        return { budgets = { { scope = "run 7", limit_usd = 10, usd = 3, complete = true } }, resumed = { "claude" } }
      end
    ]])
    child:cmd("Orchflow cost day")
    child:wait("it is drawn", [[return vim.fn.search("2026-11-26", "nw") > 0]])
    tests.equal(child:lua("return asked.by"), "day")
    child:cmd("Orchflow budget --run 7 10")
    child:wait_message("budget of run 7: 3.00 of 10.00; claude go on")
    tests.equal(child:lua("return { asked.run, asked.usd }"), { 7, "10" })
  end)

  it("shows cost, limits, budgets and load on the dashboard", function(child)
    child:lua(PREPARE, tests.root)
    local lines = child:lua([[
      local function agent(fields)
        return stub.agent(vim.tbl_extend("force", { living = true, turn = 1 }, fields))
      end
      local status = {
        runs = { { run = 7, objective = "x", base = "main", state = "running", agents = {}, cost = 1.25,
          cost_complete = false, budget = 5 } },
        agents = {
          agent({ agent = "claude", status = "waiting", waiting_for = "rate limit until 14:05", detail = "it failed",
            limit = { kind = "rate", message = "slow down\27", resumes = true }, cpu_percent = 12.4, pss_bytes = 345e6,
            usage = { usd = 1.25, complete = true, priced_usd = 1 } }),
          agent({ agent = "codex", status = "paused", paused = true, budget_holds = "run 7" }),
        },
      }
      return require("orchflow.view.status").page(status, {
        now = 0, icons = require("orchflow.config").get().icons, room = 160 }).lines
    ]])
    local all = table.concat(lines, "\n")
    for _, part in ipairs({
      'run 7  "x"  base main  $1.25+? of 5.00',
      "waiting: rate limit until 14:05",
      "~1.25",
      "12% 345M",
      "slow down ; it is told to go on then",
      "a budget halted it: run 7; :Orchflow budget raises it",
    }) do
      tests.contains(all, part)
    end
  end)

  it("keeps what was measured over a status that does not say it", function(child)
    child:lua(PREPARE, tests.root)
    tests.equal(
      child:lua([[
      local state = require("orchflow.state")
      local store = state.new()
      local function status(more)
        return { agents = { vim.tbl_extend("force", { key = "7/claude", living = true }, more) } }
      end
      state.take_status(store, status({ cpu_percent = 3, rss_bytes = 5 }))
      state.take_status(store, status({}))
      local kept = store.status.agents[1].cpu_percent
      state.take_status(store, status({ living = false }))
      return { kept, store.status.agents[1].cpu_percent == nil }
    ]]),
      { 3, true }
    )
  end)

  it("shows the cost in the statusline where that is wanted", function(child)
    child:lua(PREPARE, tests.root)
    tests.equal(
      child:lua([[
      local status = { agents = {}, runs = { { run = 1, cost = 9 }, { run = 2, cost = 0.5, cost_complete = true } } }
      local write = require("orchflow.statusline").write
      return { write(status, "connected", {}, { cost = true }), write(status, "connected", {}, {}) }
    ]]),
      { "orchflow $0.50", "" }
    )
  end)
end
