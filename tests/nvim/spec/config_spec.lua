return function(it, tests)
  it("gives the defaults without setup", function(child)
    tests.equal(child:lua([[return require("orchflow.config").get().icons.waiting]]), "!")
    tests.equal(child:lua([[return require("orchflow.config").problems()]]), {})
  end)

  it("reads vim.g.orchflow on first use", function(child)
    child:lua([[vim.g.orchflow = { timeline = { page = 50 } }]])
    tests.equal(child:lua([[return require("orchflow.config").get().timeline.page]]), 50)
  end)

  it("names an unknown key with its path, and takes the rest", function(child)
    local ok, problems, height = unpack(child:lua([[
      local ok, problems = require("orchflow").setup({ review = { heigth = 3, height = 5 }, bogus = 1 })
      return { ok, problems, require("orchflow.config").get().review.height }
    ]]))
    tests.equal(ok, false)
    tests.equal(problems, {
      "unknown option bogus; see :help orchflow-config",
      "unknown option review.heigth; did you mean review.height?",
    })
    tests.equal(height, 5)
    child:wait_message("orchflow: unknown option bogus; see :help orchflow-config | unknown option")
    -- One line, said when the editor stands: several while it starts would end in a prompt for Enter.
    tests.equal(
      child:lua([[
      vim.cmd("messages clear")
      require("orchflow.config").tell({ "one", "two" })
      return vim.api.nvim_exec2("messages", { output = true }).output
    ]]),
      ""
    )
    child:wait_message("orchflow: one | two")
  end)

  it("says what each kind of option wants", function(child)
    local function problem(options)
      return child:lua([[return require("orchflow.config").set(...)[1] ]], options)
    end
    tests.equal(problem({ binary = 3 }), "option binary wants a string, got 3")
    tests.equal(
      problem({ agents = { "claude", 3 } }),
      'option agents wants a list of strings, got { "claude", 3 }'
    )
    tests.equal(
      problem({ view = "screen" }),
      'option view wants one of auto, tmux, wezterm, nvim, none, got "screen"'
    )
    tests.equal(
      problem({ float = { width = 7 } }),
      "option float.width wants a number from 0.2 to 1, got 7"
    )
    tests.equal(
      problem({ review = { page = 1.5 } }),
      "option review.page wants a whole number from 10 to 10000, got 1.5"
    )
    tests.equal(
      problem({ keys = { accept = true } }),
      'option keys.accept wants a key such as "a", or false, got true'
    )
    tests.equal(problem({ keys = 7 }), "option keys wants a string or a table, got 7")
    tests.equal(problem({ float = "x" }), 'option float wants a table, got "x"')
    tests.equal(
      problem({ icons = "nerdy" }),
      'option icons.style wants one of plain, nerd, got "nerdy"'
    )
  end)

  it("takes a string for keys and icons, and a table as well", function(child)
    local function options(given)
      return child:lua(
        [[
        require("orchflow").setup(...)
        local options = require("orchflow.config").get()
        return { options.keys.prefix, options.keys.accept, options.icons.done, options.icons.working }
      ]],
        given
      )
    end
    tests.equal(options({}), { false, "a", "+", ">" })
    tests.equal(options({ keys = "<leader>o" }), { "<leader>o", "a", "+", ">" })
    tests.equal(options({ keys = { prefix = "gO", accept = "A" } }), { "gO", "A", "+", ">" })
    tests.equal(options({ icons = "plain" }), { false, "a", "+", ">" })
    tests.equal(options({ icons = "nerd" }), { false, "a", "\u{f00c}", "\u{f04b}" })
    tests.equal(
      options({ icons = { style = "nerd", done = "OK" } }),
      { false, "a", "OK", "\u{f04b}" }
    )
    tests.equal(options({ icons = { done = "OK" } }), { false, "a", "OK", ">" })
  end)

  it("survives a setup with something that is no table", function(child)
    tests.equal(
      child:lua([[return select(2, require("orchflow").setup("x"))]]),
      { 'setup() wants a table of options, got "x"' }
    )
    tests.equal(child:lua([[return require("orchflow.config").get().view]]), "auto")
  end)

  it("has a description and a fitting default for every option", function(child)
    local problems = child:lua([[
      local problems = {}
      local function look(group, path)
        local listed = vim.deepcopy(group.order)
        table.sort(listed)
        local fields = vim.tbl_keys(group.fields)
        table.sort(fields)
        if not vim.deep_equal(listed, fields) then
          problems[#problems + 1] = path .. " lists other options than it has"
        end
        for name, option in pairs(group.fields) do
          if (option.description or "") == "" then
            problems[#problems + 1] = path .. name .. " has no description"
          end
          if option.kind == "group" then
            look(option, path .. name .. ".")
          end
        end
      end
      local schema = require("orchflow.config.schema")
      look(schema, "")
      local config = require("orchflow.config")
      vim.list_extend(problems, config.set(config.defaults()))
      return problems
    ]])
    tests.equal(problems, {})
  end)

  it("is documented as it is", function(child)
    local drift = child:lua(
      [[
      local file = assert(io.open(... .. "/doc/orchflow.txt"))
      local text = file:read("*a")
      file:close()
      return require("orchflow.config.doc").renew(text) ~= text
    ]],
      tests.root
    )
    tests.equal(drift, false, "run: nvim -l lua/orchflow/config/doc.lua")
  end)
end
