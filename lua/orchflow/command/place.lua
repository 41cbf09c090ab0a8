--- Where a command is given: what of the editor's surroundings and options goes along with it.

local text = require("orchflow.view.text")

local M = {}

--- Says where this editor stands, so that panes open beside it.
---@return table
function M.front()
  return { tmux = vim.env.TMUX, tmux_pane = vim.env.TMUX_PANE }
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
  -- A script has no window to show an agent in, but it may run in tmux.
  local windowless = invocation.is_script and not vim.env.TMUX
  return invocation.flags.view or windowless and "none" or require("orchflow.config").get().view
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
