--- `:Orchflow enter AGENT`: a tab page in the agent's worktree, to run and debug that version.
---
--- When the tab page closes, what it brought goes with it: unmodified buffers of the worktree, and the language servers
--- that were started for it. Modified buffers and running terminals are kept, and named. No other tab page is touched.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")

local M = {}

---@class orchflow.Entered
---@field key string
---@field worktree string real path
---@field tab integer
---@field origin integer the tab page it was opened from
---@field before table<integer, true> buffers of the worktree that were there before

---@type table<integer, orchflow.Entered> by tab page
local entered = {}
--- The tab page that is being left in this moment: where it closes, the human goes back to where they came from.
local leaving ---@type integer?

---@param path string
---@param folder string
---@return boolean
local function is_within(path, folder)
  return path == folder or vim.startswith(path, folder .. "/")
end

--- Gives the path that a buffer is about: its file, or the folder its terminal was started in.
---@param buffer integer
---@return string
local function place_of(buffer)
  local name = vim.api.nvim_buf_get_name(buffer)
  local folder = name:match("^term://(.-)//%d+:")
  if folder then
    local whole = vim.fs.normalize(vim.fn.fnamemodify(folder, ":p"))
    return (whole:gsub("/$", ""))
  end
  local real = vim.uv.fs_realpath(name)
  return real or name
end

---@param worktree string
---@return integer[]
local function buffers_of(worktree)
  return vim.tbl_filter(function(buffer)
    local name = vim.api.nvim_buf_get_name(buffer)
    return name ~= "" and is_within(place_of(buffer), worktree)
  end, vim.api.nvim_list_bufs())
end

---@param buffer integer
---@return boolean
local function is_running(buffer)
  local job = vim.bo[buffer].buftype == "terminal" and vim.b[buffer].terminal_job_id
  return job and vim.fn.jobwait({ job }, 0)[1] == -1 or false
end

--- Ends the language servers that were started for a worktree and serve nothing outside it.
---@param worktree string
local function stop_servers(worktree)
  -- Asking for `vim.lsp` loads it; where nobody did, no server runs.
  if not package.loaded["vim.lsp"] then
    return
  end
  for _, server in ipairs(vim.lsp.get_clients()) do
    local root = server.root_dir or server.config.root_dir
    if type(root) == "string" and is_within(vim.uv.fs_realpath(root) or root, worktree) then
      if vim.fn.has("nvim-0.11") == 1 then
        server:stop()
      else
        -- Before 0.11 it was no method.
        local stop = server.stop --[[@as fun()]]
        stop()
      end
    end
  end
end

---@param place orchflow.Entered
local function clean_up(place)
  local kept = {}
  for _, buffer in ipairs(buffers_of(place.worktree)) do
    local is_ours = not place.before[buffer] and #vim.fn.win_findbuf(buffer) == 0
    if
      is_ours and (vim.bo[buffer].modified and vim.bo[buffer].buftype == "" or is_running(buffer))
    then
      kept[#kept + 1] = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(buffer), ":t")
    elseif is_ours then
      pcall(vim.api.nvim_buf_delete, buffer, { force = true })
    end
  end
  if #kept == 0 then
    stop_servers(place.worktree)
  else
    message.warn(
      ("orchflow: kept of %s, for it is not saved or still runs: %s; :ls shows it"):format(
        text.clean(place.key),
        table.concat(vim.tbl_map(text.clean, kept), ", ")
      )
    )
  end
end

local function on_closed()
  local left = leaving
  -- The command that closes a tab page has not ended yet, and on 0.10 its handle still counts.
  vim.schedule(function()
    for tab, place in pairs(entered) do
      if not vim.api.nvim_tabpage_is_valid(tab) then
        entered[tab] = nil
        if left == tab and vim.api.nvim_tabpage_is_valid(place.origin) then
          vim.api.nvim_set_current_tabpage(place.origin)
        end
        clean_up(place)
      end
    end
  end)
end

--- Labels the windows of an entered tab page, so that nobody takes the agent's files for their own.
local function label()
  local place = entered[vim.api.nvim_get_current_tabpage()]
  if not place then
    return
  end
  local window = vim.api.nvim_get_current_win()
  if vim.api.nvim_win_get_config(window).relative ~= "" then
    return
  end
  local name = text.clean(place.key):gsub("%%", "%%%%")
  local bar = ("%%#OrchflowWaiting# %s %%#OrchflowMuted# its worktree, not your tree %%="):format(
    name
  ) .. "%#OrchflowMuted#:tabclose leaves %*"
  if vim.wo[window].winbar ~= bar then
    vim.api.nvim_set_option_value("winbar", bar, { scope = "local", win = window })
  end
end

local watching = false

local function watch()
  if watching then
    return
  end
  watching = true
  local group = vim.api.nvim_create_augroup("orchflow_enter", { clear = true })
  vim.api.nvim_create_autocmd("TabClosed", {
    group = group,
    desc = "Leave nothing of an agent's worktree behind",
    callback = on_closed,
  })
  vim.api.nvim_create_autocmd("TabLeave", {
    group = group,
    desc = "Remember which tab page is left",
    callback = function()
      local tab = vim.api.nvim_get_current_tabpage()
      leaving = tab
      vim.schedule(function()
        if leaving == tab then
          leaving = nil
        end
      end)
    end,
  })
  vim.api.nvim_create_autocmd({ "WinEnter", "BufWinEnter", "TermOpen" }, {
    group = group,
    desc = "Say whose worktree a window shows",
    callback = label,
  })
end

--- Gives the file of the worktree that is the human's current one, and where they are in it.
---@param worktree string
---@param root string
---@return string? path
---@return integer[]? cursor
local function counterpart(worktree, root)
  local page = package.loaded["orchflow.review.buffer"]
    and require("orchflow.review.buffer").page(vim.api.nvim_get_current_buf())
  if page then
    -- A review buffer shows a file of some agent by its path in the repository.
    local path = vim.uv.fs_realpath(worktree .. "/" .. page.path)
    return path, path and vim.api.nvim_win_get_cursor(0)
  end
  local name = vim.api.nvim_buf_get_name(0)
  local real = name ~= "" and vim.bo.buftype == "" and vim.uv.fs_realpath(name) or nil
  local real_root = vim.uv.fs_realpath(root) or root
  if real and is_within(real, real_root) then
    local path = worktree .. real:sub(#real_root + 1)
    if vim.uv.fs_stat(path) then
      return path, vim.api.nvim_win_get_cursor(0)
    end
  end
  return nil, nil
end

---@param agent orchflow.Agent
local function enter(agent)
  local worktree = vim.uv.fs_realpath(agent.worktree)
  if not worktree then
    message.error(
      ("orchflow: enter: the worktree of %s is gone: %s (it was cleaned or removed)"):format(
        text.clean(agent.key),
        text.clean(agent.worktree)
      )
    )
    return
  end
  for tab, place in pairs(entered) do
    if place.worktree == worktree and vim.api.nvim_tabpage_is_valid(tab) then
      vim.api.nvim_set_current_tabpage(tab)
      return
    end
  end
  watch()
  local root = client.root()
  local path, cursor = counterpart(worktree, root)
  local before = {}
  for _, buffer in ipairs(buffers_of(worktree)) do
    before[buffer] = true
  end
  local origin = vim.api.nvim_get_current_tabpage()
  vim.cmd("tabnew")
  local empty = vim.api.nvim_get_current_buf()
  vim.bo[empty].bufhidden = "wipe"
  vim.bo[empty].buflisted = false
  local tab = vim.api.nvim_get_current_tabpage()
  entered[tab] =
    { key = agent.key, worktree = worktree, tab = tab, origin = origin, before = before }
  -- Requests from here go to the host of the human's repository, not to one of the worktree.
  vim.api.nvim_tabpage_set_var(tab, "orchflow_root", root)
  vim.api.nvim_tabpage_set_var(tab, "orchflow_agent", agent.key)
  vim.cmd("tcd " .. vim.fn.fnameescape(worktree))
  if path then
    vim.cmd("edit " .. vim.fn.fnameescape(path))
    local last = vim.api.nvim_buf_line_count(0)
    vim.api.nvim_win_set_cursor(0, { math.min(cursor[1], last), cursor[2] })
  end
  label()
  message.info(("in the worktree of %s; :tabclose leaves"):format(text.clean(agent.key)))
end

--- Opens a tab page in the worktree of an agent, or goes to the one that is.
---@param name string `NAME` or `RUN/NAME`
function M.open(name)
  client.request("status", { all = true }, function(failure, status)
    local agent = status and require("orchflow.state").agent({ status = status, events = {} }, name)
    if failure then
      message.failure(failure, "orchflow: enter")
    elseif not agent then
      message.failure({
        code = "unknown_agent",
        message = ("there is no agent %s"):format(text.clean(name)),
        hint = ":Orchflow status lists them",
      }, "orchflow: enter")
    elseif not agent.worktree then
      message.failure({
        code = "no_worktree",
        message = ("%s has no worktree"):format(text.clean(agent.key)),
        hint = "it is made when the agent starts, and removed by :Orchflow clean",
      }, "orchflow: enter")
    else
      require("orchflow.ui.steady").when_safe("enter", function()
        enter(agent)
      end)
    end
  end)
end

return M
