return function(it, tests)
  it("requires nothing until it is used", function(child)
    local loaded = child:lua([[
      return vim.tbl_filter(function(name)
        return name:find("^orchflow") ~= nil
      end, vim.tbl_keys(package.loaded))
    ]])
    tests.equal(loaded, {})
  end)

  it("defines the command and maps nothing globally", function(child)
    tests.equal(child:api("nvim_get_commands", { builtin = false }).Orchflow.nargs, "*")
    local foreign = child:lua([[
      local found = {}
      for _, mode in ipairs({ "n", "x", "o", "i", "c", "t" }) do
        for _, mapping in ipairs(vim.api.nvim_get_keymap(mode)) do
          local said = (mapping.rhs or "") .. (mapping.desc or "")
          if said:lower():find("orchflow") and not mapping.lhs:find("^<Plug>%(orchflow%-") then
            found[#found + 1] = mapping.lhs
          end
        end
      end
      return found
    ]])
    tests.equal(foreign, {})
  end)

  it("describes each <Plug> mapping, and the help has each", function(child)
    local help = table.concat(vim.fn.readfile(tests.root .. "/doc/orchflow.txt"), "\n")
    local count = 0
    for _, mapping in ipairs(child:api("nvim_get_keymap", "n")) do
      if mapping.lhs:find("^<Plug>%(orchflow%-") then
        count = count + 1
        tests.contains(mapping.desc, "orchflow: ")
        tests.contains(help, "*" .. mapping.lhs .. "*")
      end
    end
    tests.equal(count, 18)
  end)

  it("can be sourced twice", function(child)
    child:lua([[vim.cmd.source(... .. "/plugin/orchflow.lua")]], tests.root)
    tests.equal(child:messages(), "")
  end)

  it("says one thing to a Neovim that is too old", function(child)
    child:lua(
      [[
      vim.g.loaded_orchflow = nil
      vim.api.nvim_del_user_command("Orchflow")
      vim.fn.has = function() return 0 end
      vim.cmd.source(... .. "/plugin/orchflow.lua")
    ]],
      tests.root
    )
    tests.contains(child:messages(), "orchflow needs Neovim 0.10 or newer")
    tests.equal(child:api("nvim_get_commands", { builtin = false }).Orchflow, nil)
  end)

  it("links its highlight groups by default, and again after a colour scheme", function(child)
    child:cmd("highlight OrchflowAgent guifg=#123456")
    child:lua([[require("orchflow.ui.highlight").setup()]])
    tests.equal(child:api("nvim_get_hl", 0, { name = "OrchflowDone" }).link, "DiagnosticOk")
    tests.equal(child:api("nvim_get_hl", 0, { name = "OrchflowAgent" }).fg, 0x123456)
    child:cmd("highlight clear | doautocmd ColorScheme")
    tests.equal(child:api("nvim_get_hl", 0, { name = "OrchflowDone" }).link, "DiagnosticOk")
  end)

  it("describes every highlight group in the help", function(child)
    local help = table.concat(vim.fn.readfile(tests.root .. "/doc/orchflow.txt"), "\n")
    for _, group in ipairs(child:lua([[return require("orchflow.ui.highlight").groups]])) do
      tests.contains(help, ("*hl-%s*"):format(group.name))
      tests.contains(help, group.description)
      tests.contains(help, group.link)
    end
  end)

  it("has a help without double tags or missing targets", function(child)
    local directory = vim.fn.tempname()
    vim.fn.mkdir(directory, "p")
    vim.fn.writefile(
      vim.fn.readfile(tests.root .. "/doc/orchflow.txt"),
      directory .. "/orchflow.txt"
    )
    child:cmd("helptags " .. directory)
    local tags, missing = {}, {}
    for _, line in ipairs(vim.fn.readfile(directory .. "/tags")) do
      tags[line:match("^[^\t]+")] = true
    end
    for _, line in ipairs(vim.fn.readfile(directory .. "/orchflow.txt")) do
      for target in line:gmatch("|(orchflow[^|%s]*)|") do
        missing[#missing + 1] = not tags[target] and target or nil
      end
      assert(vim.fn.strdisplaywidth(line) <= 79, "too long: " .. line)
    end
    tests.equal(missing, {})
    vim.fn.delete(directory, "rf")
  end)

  it("checks its health without a repository or a binary", function(child)
    child:lua([[
      vim.env.PATH = "/usr/bin:/bin"
      require("orchflow").setup({ binary = "/nowhere/orchflow" })
    ]])
    child:cmd("checkhealth orchflow")
    local said = table.concat(child:lines(), "\n")
    tests.contains(said, "git 2.")
    tests.contains(said, "/nowhere/orchflow is not an executable file")
    tests.lacks(said, "stack traceback")
  end)

  it("finds the binary that was installed with it, or says that it is gone", function(child)
    local root = vim.fn.tempname() .. " with space"
    vim.fn.mkdir(root .. "/bin", "p")
    vim.fn.mkdir(root .. "/plugin/lua", "p")
    vim.fn.system({ "cp", "-R", tests.root .. "/lua/orchflow", root .. "/plugin/lua/orchflow" })
    vim.fn.writefile({ root .. "/bin/orchflow" }, root .. "/plugin/.orchflow-installed")
    vim.fn.writefile({ "#!/bin/sh" }, root .. "/bin/orchflow")
    local function find()
      return child:lua(
        [[
          vim.env.PATH = "/usr/bin:/bin"
          local path, failure = dofile(... .. "/plugin/lua/orchflow/client/binary.lua").find()
          return { path or failure.message, failure and failure.hint }
        ]],
        root
      )
    end
    tests.contains(find()[1], root .. "/bin/orchflow, which was installed with the plugin, is gone")
    tests.contains(find()[2], "make install")
    assert(vim.uv.fs_chmod(root .. "/bin/orchflow", 493))
    tests.equal(find()[1], root .. "/bin/orchflow")
    vim.fn.delete(root, "rf")
  end)
end
