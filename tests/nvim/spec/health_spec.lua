return function(it, tests)
  --- Makes a folder of programs, each a shell script.
  local function programs(scripts)
    local folder = vim.fn.tempname()
    vim.fn.mkdir(folder, "p")
    for name, body in pairs(scripts) do
      local path = folder .. "/" .. name
      vim.fn.writefile(vim.split("#!/bin/sh\n" .. body, "\n"), path)
      vim.fn.setfperm(path, "rwxr-xr-x")
    end
    return folder
  end

  local function check(child, folder, options)
    local root = vim.fn.tempname()
    vim.fn.mkdir(root .. "/.git", "p")
    child:lua(
      [[
      local folder, root, options = ...
      vim.env.PATH, vim.env.TMUX = folder, nil
      vim.cmd.cd(root)
      options.binary = vim.fn.executable(folder .. "/orchflow") == 1 and folder .. "/orchflow" or nil
      -- What may have been built in the plugin's own folder is not part of the test.
      require("orchflow.client.binary").places = function() return {} end
      require("orchflow").setup(options)
      vim.cmd("checkhealth orchflow")
    ]],
      folder,
      root,
      options or vim.empty_dict()
    )
    child:wait("the report is there", [[return vim.fn.search("orchflow: host", "nw") > 0]])
    return table.concat(child:lines(), "\n")
  end

  local CONNECT = [[
case "$1" in
  --version) echo "orchflow 0.1.0" ;;
  connect) echo '{"ok":true,"data":{"socket":"/run/x.sock","version":"0.0.9","repository":"/r","host_pid":7}}' ;;
  agents) echo '{"ok":true,"data":[{"name":"claude","title":"Claude Code","installed":true,"version":"2.1"},{"name":"codex","title":"Codex","installed":false,"hint":"npm i codex"}],"warnings":["x.toml: unknown key"]}' ;;
esac]]

  it("names what is there, with versions, and what is each for", function(child)
    local folder = programs({
      orchflow = CONNECT,
      ["orchflow-hook"] = "echo orchflow-hook 0.1.0",
      git = "echo git version 2.43.0",
      tmux = "echo tmux 3.4",
      wezterm = "echo wezterm 20240203-110809-5046fc22",
      cargo = "echo cargo 1.80.0",
    })
    local said = check(child, folder)
    for _, part in ipairs({
      "orchflow 0.1.0 (for host, runners of agents, command line): " .. folder .. "/orchflow",
      "orchflow-hook 0.1.0 (for what agents call",
      "git 2.43.0 (for worktrees, checkpoints, hunks): " .. folder .. "/git",
      "tmux 3.4 (for panes of agents beside the editor",
      "wezterm 20240203-110809-5046fc22 (panes of agents beside the editor, where it runs inside wezterm",
      "every option is understood",
      "the host of /r runs, version 0.0.9 (process 7), and the plugin is 0.1.0",
      "orchflow host stop",
      "Claude Code (claude) 2.1",
      "Codex (codex) is not installed: npm i codex",
      "x.toml: unknown key",
    }) do
      tests.contains(said, part)
    end
    tests.lacks(said, "stack traceback")
  end)

  it("says how to get what is missing or too old", function(child)
    local folder = programs({ git = "echo git version 2.30.1", tmux = "echo broken >&2; exit 3" })
    local said = check(child, folder, { veiw = "nvim" })
    tests.contains(said, "git 2.30.1 is older than 2.38.0 (for worktrees, checkpoints, hunks)")
    tests.contains(said, "install git 2.38 or newer")
    tests.contains(said, "tmux does not run: broken")
    tests.contains(said, "orchflow-hook 0.1.0 is not found")
    tests.contains(
      said,
      "cargo is not found, and not needed (only to build the binaries from source)"
    )
    tests.contains(said, "unknown option veiw; did you mean view?")
    tests.contains(said, "orchflow 0.1.0 is not found")
    tests.lacks(said, "stack traceback")
  end)

  it("says how the wezterm around the editor is", function(child)
    local function said(script)
      local folder = programs({ wezterm = script })
      child:lua([[vim.env.WEZTERM_UNIX_SOCKET, vim.env.WEZTERM_PANE = "/run/gui-sock-7", "3"]])
      child:lua([[vim.api.nvim_list_uis = function() return { { rgb = true } } end]])
      local report = check(child, folder)
      child:cmd("bwipeout!")
      return report
    end
    tests.contains(
      said([[echo '[{"pane_id":3,"tty_name":"/dev/pts/1"},{"pane_id":4,"tty_name":null}]']]),
      "inside wezterm, which answers: agents are shown in its panes (2 now)"
    )
    local old = said([[echo '[{"pane_id":3}]']])
    tests.contains(old, "inside a wezterm that does not name the terminals of its panes")
    tests.contains(old, "upgrade wezterm, or set view to nvim")
    local dead = said([[echo 'failed to connect: Connection refused' >&2; exit 1]])
    tests.contains(
      dead,
      "inside wezterm, which does not answer: failed to connect: Connection refused"
    )
    tests.lacks(dead, "stack traceback")
  end)

  it("survives a program that prints nonsense, and a host that fails", function(child)
    local folder = programs({
      orchflow = [[
case "$1" in
  --version) echo "orchflow 0.1.0" ;;
  *) echo '{"ok":false,"error":{"message":"the store is not readable","hint":"look at it"}}'; exit 5 ;;
esac]],
      git = "echo no number here",
    })
    local said = check(child, folder)
    tests.contains(said, "git does not say its version: no number here")
    tests.contains(said, "the store is not readable")
    tests.contains(said, "look at it")
    tests.lacks(said, "stack traceback")
  end)

  it("judges each dependency by data", function(child)
    local found = child:lua([[
      local health = require("orchflow.health")
      local names = {}
      for _, each in ipairs(health.dependencies()) do
        assert(each.purpose ~= "" and each.how ~= "" and vim.version.range(each.range), each.name)
        names[#names + 1] = each.name
      end
      local function version(printed) return tostring(health.version_in(printed)) end
      return { names, version("tmux 3.2a"), version("tmux next-3.5"), version("NVIM v0.12.0-dev-1\nBuild"),
        version("wezterm 20240203-110809-5046fc22"), tostring(health.version_in("none")) }
    ]])
    tests.equal(
      found[1],
      { "Neovim", "orchflow", "orchflow-hook", "git", "tmux", "wezterm", "cargo" }
    )
    tests.equal({ found[2], found[3], found[4], found[6] }, { "3.2.0", "3.5.0", "0.12.0", "nil" })
  end)
end
