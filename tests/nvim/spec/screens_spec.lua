local reference = require("reference")

-- 2026-11-25 14:03:00 UTC.
local CLOCK = 1795615380

--- What happens in the log of these screens, up to the newest.
local LOG = [[
  local at = (... - 120) * 1000000
  local function say(seconds, type, agent, summary, fields)
    return vim.tbl_extend("force", { timestamp = at + seconds * 1000000, type = type, agent = agent, run = 7, summary = summary,
      data = {}, paths = {} }, fields or {})
  end
  local human = { actor = "human", user = "me" }
  local told = {
    say(0, "host_started", nil, "host 0.1.0 started"),
    say(1, "run_started", nil, 'run started from main@a1b2c3d: "Make the greeting configurable"', { actor = "human", data = { objective = "Make the greeting configurable" } }),
    say(1, "agent_requested", "claude", "asked for Claude Code from main@a1b2c3d", human),
    say(1, "agent_requested", "codex", "asked for Codex from main@a1b2c3d", human),
    say(2, "worktree_created", "claude", "worktree 7-claude"),
    say(3, "agent_spawned", "claude", "process 4711 started"),
    say(4, "prompt_written", "claude", 'prompt written: "Make the greeting configurable"'),
    say(5, "turn_started", "claude", "turn 1 started", { data = { turn = 1 } }),
    say(9, "tool_requested", "claude", "Edit: src/config.rs", { paths = { "src/config.rs" } }),
    say(10, "tool_finished", "claude", "Edit: src/config.rs, 0.4 s", { paths = { "src/config.rs" } }),
    say(12, "agent_failed_to_start", "codex", "did not start: codex: command not found"),
    say(30, "text_displayed", "claude", '"env wins, so that tests can override it"'),
    say(41, "approval_requested", "claude", "asks: Bash: npm install left-pad"),
    say(52, "turn_ended", "claude", "turn 1 ended, 47 s", { data = { turn = 1 } }),
    say(52, "checkpoint_taken", "claude", "checkpoint of turn 1: 2 files, 3 hunks"),
    say(53, "ai_generated_code", "claude", "wrote src/config.rs, +12 -3", { paths = { "src/config.rs" } }),
    say(53, "ai_requested_review", "claude", "asks for a review of 3 hunks"),
    say(70, "hunk_accepted", "claude", "accepted src/config.rs:41", { actor = "human", data = { hunk = { id = "h_1", path = "src/config.rs", line = 41 } } }),
    say(75, "hunk_rejected", "claude", 'rejected tests/greet.rs:1: "test the error as well"', human),
    say(80, "prompt_queued", "claude", 'prompt queued: "cover it with a test"', human),
    say(81, "turn_started", "claude", "turn 2 started", { data = { turn = 2 } }),
    say(99, "tool_failed", "claude", "Bash failed: cargo test: 1 test failed"),
  }
  function told_event(seq, fields)
    local last = #told
    local each = vim.deepcopy(told[math.max(1, seq - 1200000 + last)] or told[1])
    each.seq = seq
    return vim.tbl_extend("force", each, fields or {})
  end
  -- The newest of a million: what came before is not asked for on these screens.
  stub.last = 1200000
  stub.answers.log = function(params)
    local events = {}
    for seq = 1200000, 1200000 - #told + 1, -1 do
      local each = told_event(seq)
      if seq < (params.before or math.huge) and (not params.agent or each.agent == params.agent) then
        events[#events + 1] = each
      end
    end
    return { events = events, seq = 1200000 }
  end
]]

return function(it, tests)
  local version = vim.version()
  local known = version.minor == 10 or version.minor == 12

  --- Holds one view in all its ways.
  ---@param view string
  ---@param show fun(child: orchflow.Child, way: table)
  local function screen(view, show)
    for _, way in ipairs(reference.ways) do
      local name = ("%s, %d columns, %s, %s"):format(
        view,
        way.columns,
        way.background,
        way.icons and "icons" or "plain"
      )
      it(name, { screen = true, child = known and nil }, function(child)
        if not known then
          tests.skip("there are reference screens for Neovim 0.10 and 0.12")
        end
        reference.check(child, tests, view, way, CLOCK, show)
      end)
    end
  end

  local function title_says(child, part)
    child:wait(
      ("the title says %q"):format(part),
      [[
      local parts = vim.tbl_map(function(chunk) return chunk[1] end, vim.api.nvim_win_get_config(0).title or {})
      return table.concat(parts):find(..., 1, true)
    ]],
      part
    )
  end

  screen("timeline", function(child)
    child:lua(LOG, CLOCK)
    child:cmd("Orchflow timeline")
    child:wait("it is filled", [[return vim.fn.getline("."):find("Bash failed") ~= nil]])
    title_says(child, "LIVE")
  end)

  screen("timeline-expanded", function(child)
    child:lua(LOG, CLOCK)
    child:lua([[
      stub.serve_telling(function(seq, fields)
        return told_event(1200000 - 22 + (seq > 1200000 - 22 and seq - 1200000 + 22 or seq), fields)
      end)
    ]])
    child:cmd("Orchflow timeline agent:claude")
    child:wait("it is filled", [[return vim.fn.getline("."):find("Bash failed") ~= nil]])
    child:cmd([[call search("wrote src/config.rs", "bw")]])
    child:keys("<Tab>")
    child:wait("it is expanded", [[return vim.fn.search("GREETING", "n") > 0]])
    title_says(child, " of 1.2M")
  end)

  screen("why", function(child)
    child:lua(LOG, CLOCK)
    child:lua(
      [[
      local clock = ...
      stub.answers.why = function()
        return {
          about = { kind = "agent", id = "7/claude", title = "7/claude" },
          lines = { "claude works on turn 2 since 0:39.", 'It was asked: "cover it with a test".' },
          chain = { told_event(1199999), told_event(1199998), told_event(1199980) },
          evidence = {
            { at = (clock - 21) * 1000000, channel = "osc7501", says = "working: cargo test", seq = 1200000, confidence = "stated" },
            { at = (clock - 39) * 1000000, channel = "hook", says = "UserPromptSubmit", seq = 1199999, confidence = "reported" },
            { at = (clock - 44) * 1000000, channel = "screen", says = "a spinner in the last line", confidence = "guess" },
          },
        }
      end
    ]],
      CLOCK
    )
    child:cmd("Orchflow why claude")
    child:wait("it says why", [[return vim.fn.search("It follows from", "n") > 0]])
  end)
end
