--- Going to an agent: to the pane that shows it, or to a window of Neovim that is opened for it.

local client = require("orchflow.client")
local message = require("orchflow.ui.message")
local terminal = require("orchflow.ui.terminal")
local text = require("orchflow.view.text")

local M = {}

---@class orchflow.AttachOptions
---@field where? "split"|"tab"|"float"|"pane"
---@field follow? boolean look on: send no keys and leave the agent's size alone
---@field window? integer a window to fill, without entering it
---@field quiet? boolean whether the window is not entered, and finds no place where the editor would get too narrow
---@field done? fun(window?: integer, problem?: string)

---@param failure orchflow.Failure
---@param done? fun(window?: integer, problem?: string)
local function give_up(failure, done)
  if done then
    done(nil, message.sentence(failure))
  else
    message.failure(failure, "orchflow: attach")
  end
end

---@param agent string
local function in_a_pane(agent)
  local place = require("orchflow.command.place")
  local multiplexer = place.multiplexer()
  if not multiplexer then
    give_up({
      code = "usage",
      message = "this Neovim does not run inside tmux or wezterm, so there is no pane to show an agent in",
      hint = ":Orchflow attach --in split, tab or float",
    })
    return
  end
  local params = { agents = { agent }, view = multiplexer, front = place.front() }
  client.request("show", params, function(failure, result)
    local shown = result and (result.agents or {})[1] or {}
    if failure then
      give_up(failure)
    elseif not shown.pane then
      local why = text.clean(shown.note)
      give_up({
        code = "no_room",
        message = ("%s has no pane: %s"):format(
          text.clean(agent),
          why ~= "" and why or "unknown why"
        ),
        hint = ":Orchflow attach --in split, tab or float",
      })
    else
      M.focus_pane(agent, function() end)
    end
  end)
end

--- Shows an agent in a window of Neovim, or in a pane of tmux or wezterm.
---@param agent string `NAME` or `RUN/NAME`
---@param options? orchflow.AttachOptions
function M.attach(agent, options)
  options = options or {}
  local where = options.where or require("orchflow.config").get().attach.where
  if where == "pane" and not options.window then
    in_a_pane(agent)
    return
  end
  client.request("attach", { agent = agent }, function(failure, result)
    if failure then
      give_up(failure, options.done)
      return
    end
    local argv = vim.list_slice(result.argv, 1)
    if options.follow then
      argv[#argv + 1] = "--follow"
    end
    local window, problem = terminal.open({
      argv = argv,
      name = result.run and ("%s/%s"):format(result.run, result.agent) or agent,
      focus = not options.follow and not options.window and not options.quiet,
      where = where,
      window = options.window,
    })
    if options.done then
      options.done(window, problem)
    elseif problem then
      message.error("orchflow: attach: " .. problem)
    end
  end)
end

--- Brings the pane of an agent to the front, if it has one.
---@param agent string
---@param otherwise fun(failure?: orchflow.Failure) called where no pane was found
function M.focus_pane(agent, otherwise)
  client.request("focus", { agent = agent }, function(failure, result)
    if not (result and result.focused) then
      otherwise(failure)
    end
  end)
end

--- Goes to an agent, wherever it is shown; where it is not, a window is opened.
---@param agent orchflow.Agent|orchflow.Need
function M.go(agent)
  local window = terminal.window_of(agent.key, true)
  if window then
    vim.api.nvim_set_current_win(window)
    vim.cmd.startinsert()
    return
  elseif agent.living == false then
    local name = text.clean(agent.key)
    local hint = ":Orchflow review agent:%s shows its work, :Orchflow timeline agent:%s what it did"
    message.info(("%s does not run any more; " .. hint):format(name, name, name))
    return
  end
  M.focus_pane(agent.key, function()
    -- Where it was to be in a pane, there is none; a window of Neovim always can be.
    local where = require("orchflow.config").get().attach.where
    M.attach(agent.key, { where = where == "pane" and "split" or where })
  end)
end

return M
