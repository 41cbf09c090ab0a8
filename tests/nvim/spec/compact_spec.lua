-- Compact lists of hunks: read as whole ones, and done without where the host does not know them.
return function(it, tests)
  it("reads what is common, what is usual and what is not", function(child)
    local hunks = child:lua([[
      return require("orchflow.review.compact").hunks({
        columns = { "id", "hash", "line", "old_start", "old_lines", "new_start", "new_lines", "insertions", "deletions",
          "heading" },
        usual = { change = "lines", state = "undecided", forecast = "clean", comments = 0 },
        files = {
          { agent = "claude", run = 7, key = "7/claude", path = "a.txt", user_path = "/r/a.txt", words = "so it is",
            rows = {
              { "h_1", "aa", 3, 3, 1, 4, 2, 2, 1, "fn one" },
              { "h_2", "bb", 9, 9, 0, 11, 1, 1, 0, "", { forecast = "conflict", seen = true, comments = 2 } },
            } },
          { agent = "codex", run = 7, key = "7/codex", path = "b.txt", user_path = "/r/b.txt", rows = {
              { "h_3", "cc", 1, 0, 0, 1, 1, 1, 0, "", { change = "added" } },
            } },
        },
      })
    ]])
    tests.equal(#hunks, 3)
    tests.equal(hunks[1], {
      agent = "claude",
      run = 7,
      key = "7/claude",
      path = "a.txt",
      user_path = "/r/a.txt",
      words = "so it is",
      id = "h_1",
      hash = "aa",
      line = 3,
      old_start = 3,
      old_lines = 1,
      new_start = 4,
      new_lines = 2,
      insertions = 2,
      deletions = 1,
      heading = "fn one",
      change = "lines",
      state = "undecided",
      forecast = "clean",
      comments = 0,
    })
    tests.equal({ hunks[2].forecast, hunks[2].seen, hunks[2].comments }, { "conflict", true, 2 })
    tests.equal({ hunks[3].change, hunks[3].key, hunks[3].words }, { "added", "7/codex", nil })
  end)

  it("takes an answer that is not compact as it is", function(child)
    tests.equal(
      child:lua([[
      local compact = require("orchflow.review.compact")
      return { compact.hunks({ hunks = { { id = "h_1" } } }), compact.hunks({}) }
    ]]),
      { { { id = "h_1" } }, {} }
    )
  end)

  it("asks a host that was started by an older version the way it knows", function(child)
    child:lua(
      [[
      package.path = (...) .. "/tests/nvim/?.lua;" .. package.path
      stub = require("stub")
      stub.answers.review = function(params)
        if params.compact then
          return nil, { code = "usage", message = "review: unknown field `compact`" }
        end
        return { hunks = { stub.hunk({ id = "h_1", agent = "claude", path = "a.txt" }) } }
      end
      require("orchflow.review.feed").fetch({}, function(found) hunks = found end, error)
    ]],
      tests.root
    )
    child:wait("they are there", "return hunks ~= nil")
    tests.equal(child:lua("return { #hunks, #stub.asked }"), { 1, 2 })
    -- What is wrong for every host is said.
    child:lua([[
      stub.answers.review = function() return nil, { code = "usage", message = "no such word" } end
      require("orchflow.review.feed").fetch({}, error, function(failure) said = failure.message end)
    ]])
    child:wait("it is said", "return said == 'no such word'")
  end)
end
