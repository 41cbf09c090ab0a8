--- Finds the orchflow binary, and says in one line how to get it where there is none.

local M = {}

--- Gives the plugin's own root, where it may have been built.
---@return string
function M.plugin_root()
  local source = debug.getinfo(1, "S").source:sub(2)
  return vim.fs.dirname(vim.fs.dirname(vim.fs.dirname(vim.fs.dirname(vim.fs.normalize(source)))))
end

--- Gives the binary that was installed together with this plugin, as `make install` noted it down.
---@return string? path
local function installed()
  local file = io.open(M.plugin_root() .. "/.orchflow-installed")
  local path = file and file:read("*l")
  if file then
    file:close()
  end
  return path and path ~= "" and path or nil
end

--- Lists the places looked at, best first, besides PATH.
---@return string[]
function M.places()
  local root = M.plugin_root()
  return {
    installed() or root .. "/target/release/orchflow",
    root .. "/target/debug/orchflow",
    vim.fn.stdpath("data") .. "/orchflow/bin/orchflow",
  }
end

---@class orchflow.Failure
---@field code string stable word for scripts
---@field message string what happened
---@field hint? string what to do next
---@field exit? integer exit code for scripts, where the code alone does not tell

--- Finds the binary: the option `binary`, then PATH, then what was installed with the plugin or built in it,
--- then the data directory.
---@return string? path
---@return orchflow.Failure? failure
function M.find()
  local wanted = require("orchflow.config").get().binary
  if wanted ~= "" then
    local path = vim.fn.exepath(vim.fn.expand(wanted))
    if path ~= "" then
      return path
    end
    return nil,
      {
        code = "no_binary",
        message = ("option binary: %s is not an executable file"):format(wanted),
        hint = "correct the option, or leave it out to have the binary looked for",
      }
  end
  local on_path = vim.fn.exepath("orchflow")
  if on_path ~= "" then
    return on_path
  end
  for _, place in ipairs(M.places()) do
    if vim.fn.executable(place) == 1 then
      return place
    end
  end
  local path = installed()
  if path then
    return nil,
      {
        code = "no_binary",
        message = ("%s, which was installed with the plugin, is gone"):format(path),
        hint = "run make install again where orchflow was built",
      }
  end
  return nil,
    {
      code = "no_binary",
      message = "the orchflow binary is not built",
      hint = ("run: cargo build --release --manifest-path %s"):format(
        vim.fn.shellescape(M.plugin_root() .. "/Cargo.toml")
      ),
    }
end

return M
