--- Where a command is given: what of the editor's surroundings and options goes along with it.

local text = require("orchflow.view.text")

local M = {}

--- Says where this editor stands, so that panes open beside it.
---@return table
function M.front()
  return {
    tmux = vim.env.TMUX,
    tmux_pane = vim.env.TMUX_PANE,
    wezterm_socket = vim.env.WEZTERM_UNIX_SOCKET,
    wezterm_pane = vim.env.WEZTERM_PANE,
    term_program = vim.env.TERM_PROGRAM,
  }
end

--- Names the terminal program this editor runs in whose panes can show agents: the innermost, as the host has it.
---@return "tmux"|"wezterm"|nil
function M.multiplexer()
  local env = vim.env
  local in_wezterm = env.WEZTERM_UNIX_SOCKET ~= nil and env.WEZTERM_PANE ~= nil
  if env.TMUX and not (in_wezterm and env.TERM_PROGRAM == "WezTerm") then
    return "tmux"
  end
  return in_wezterm and "wezterm" or nil
end

--- Says whether uncommitted changes go along, where that is known beforehand.
---@param flag boolean? of the command
---@return boolean?
function M.include_changes(flag)
  if flag ~= nil then
    return flag
  end
  local by_option = { yes = true, no = false }
  return by_option[require("orchflow.config").get().include_changes]
end

--- Says where agents are to be shown.
---@param invocation orchflow.Invocation
---@return string
function M.view(invocation)
  -- A script has no window to show an agent in, but it may run beside panes.
  local windowless = invocation.is_script and not M.multiplexer()
  return invocation.flags.view or windowless and "none" or require("orchflow.config").get().view
end

--- Gives the lines of a command's range as a prompt quotes them, with an empty line behind to go on writing.
---@param invocation orchflow.Invocation
---@return string[]? lines nil where the command has no range
function M.quoted(invocation)
  local range = invocation.range
  if not range then
    return nil
  end
  local lines =
    require("orchflow.prompt.quote").lines(vim.api.nvim_get_current_buf(), range.first, range.last)
  return vim.list_extend(lines, { "", "" })
end

--- Puts quoted lines behind a text that was given with the command.
---@param invocation orchflow.Invocation
---@param argument string
---@param quoted? string[]
function M.add_quote(invocation, argument, quoted)
  if quoted then
    invocation.arguments[argument] =
      vim.trim(invocation.arguments[argument] .. "\n\n" .. table.concat(quoted, "\n"))
    invocation.range = nil
  end
end

--- Names agents, with commas between.
---@param agents any[]
---@return string
function M.names(agents)
  return table.concat(
    vim.tbl_map(function(agent)
      return text.clean(type(agent) == "table" and agent.agent or agent)
    end, agents or {}),
    ", "
  )
end

return M
