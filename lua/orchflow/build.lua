--- `:Orchflow build`: builds the programs in the plugin's folder, with the output in a buffer as it comes.

local message = require("orchflow.ui.message")
local scratch = require("orchflow.ui.scratch")

local M = {}

local running ---@type vim.SystemObj?

--- What a build needs: program, and how to get it.
M.needs = {
  { program = "make", how = "install make, for instance by your system's package manager" },
  {
    program = "cargo",
    how = "install Rust: https://rustup.rs (make takes the version from there)",
  },
  { program = "git", how = "install git 2.38 or newer" },
}

--- Gives what is missing for a build.
---@return { program: string, how: string }[]
function M.missing()
  local missing = {}
  for _, need in ipairs(M.needs) do
    if vim.fn.executable(need.program) == 0 then
      missing[#missing + 1] = need
    end
  end
  return missing
end

---@param buffer integer
---@param lines string[]
---@param unfinished string? what stands on the last line so far
local function append(buffer, lines, unfinished)
  if not vim.api.nvim_buf_is_valid(buffer) then
    return
  end
  local last = vim.api.nvim_buf_line_count(buffer)
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(
    buffer,
    last - 1,
    last,
    false,
    vim.list_extend(lines, { unfinished or "" })
  )
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].modified = false
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    -- Whoever scrolled up reads there; whoever stands at the end follows.
    if vim.api.nvim_win_get_cursor(window)[1] >= last then
      vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(buffer), 0 })
    end
  end
end

--- Makes a reader of output that puts whole lines into a buffer.
---@param buffer integer
---@return fun(_: any, data?: string)
local function reader(buffer)
  local begun = ""
  return function(_, data)
    if not data then
      return
    end
    vim.schedule(function()
      local lines = vim.split(begun .. data, "\n", { plain = true })
      begun = table.remove(lines) or ""
      lines = vim.tbl_map(require("orchflow.view.text").clean, lines)
      append(buffer, lines, require("orchflow.view.text").clean(begun))
    end)
  end
end

--- Starts the build; nothing waits for it.
---@param done? fun(code: integer)
function M.start(done)
  local root = require("orchflow.client.binary").plugin_root()
  if running then
    message.info("orchflow: a build is running; its output is in the buffer orchflow://build")
    return
  end
  local missing = M.missing()[1]
  if missing then
    message.failure({
      code = "usage",
      message = ("%s is not found, and the build needs it"):format(missing.program),
      hint = missing.how,
    }, "orchflow: build")
    return
  end
  local page = require("orchflow.view.text").page()
  page:add({ { "make build, in " .. root, "OrchflowMuted" } })
  page:add({ "" })
  local buffer = scratch.open("build", page)
  local window = vim.fn.win_findbuf(buffer)[1]
  vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(buffer), 0 })
  local function ended(result)
    running = nil
    if result.code == 0 then
      message.info(
        "orchflow: built; the next :Orchflow uses it (`orchflow host stop` ends an older host)"
      )
    else
      message.failure({
        code = "build",
        message = ("the build ended with code %d"):format(result.code),
        hint = "the buffer orchflow://build has its output",
      }, "orchflow: build")
    end
    if done then
      done(result.code)
    end
  end
  local read = reader(buffer)
  local ok, process = pcall(
    vim.system,
    { "make", "build" },
    { cwd = root, stdout = read, stderr = read, env = { CARGO_TERM_COLOR = "never" } },
    vim.schedule_wrap(ended)
  )
  if ok then
    running = process
  else
    ended({ code = 127 })
  end
end

return M
