-- Defines :Orchflow, the <Plug> mappings and the orchflow:// buffers. Requires nothing until one of them is used.

if vim.g.loaded_orchflow then
  return
end
vim.g.loaded_orchflow = true

if vim.fn.has("nvim-0.10") == 0 then
  local message = "orchflow needs Neovim 0.10 or newer; this is older, so :Orchflow is not there. "
    .. "See https://neovim.io for a newer one."
  vim.notify(message, vim.log.levels.WARN)
  return
end

vim.api.nvim_create_user_command("Orchflow", function(options)
  require("orchflow.command").run(options)
end, {
  nargs = "*",
  bang = true,
  range = true,
  desc = "Orchestrate coding agents; see :help orchflow",
  complete = function(lead, line, position)
    return require("orchflow.command").complete(lead, line, position)
  end,
})

vim.api.nvim_create_autocmd("BufReadCmd", {
  group = vim.api.nvim_create_augroup("orchflow_buffers", { clear = true }),
  pattern = "orchflow://*",
  desc = "Show what an agent changed in a file",
  callback = function(event)
    if event.match:find("^orchflow://prompt/") then
      require("orchflow.prompt").read(event.buf)
    else
      require("orchflow.review.buffer").read(event.buf)
    end
  end,
})

--- Maps <Plug>(orchflow-NAME) to `:Orchflow COMMAND`; in visual mode the command gets the range of lines.
---@param name string
---@param command string
---@param description string
---@param visual? boolean
local function plug(name, command, description, visual)
  local left = ("<Plug>(orchflow-%s)"):format(name)
  vim.keymap.set("n", left, vim.trim("<Cmd>Orchflow " .. command) .. "<CR>", { desc = description })
  if visual then
    vim.keymap.set("x", left, (":Orchflow %s<CR>"):format(command), {
      desc = description,
      silent = true,
    })
  end
end

plug("dashboard", "", "orchflow: every agent, live, with keys to steer it")
plug("swarm", "swarm", "orchflow: start several agents on one objective", true)
plug("status", "status", "orchflow: who works, who waits, who is done")
plug("timeline", "timeline", "orchflow: what happens")
plug("review", "review", "orchflow: hunks to decide in quickfix")
plug("accept", "accept", "orchflow: accept the hunk here", true)
plug("reject", "reject", "orchflow: reject the hunk here, with a reason", true)
plug("reject-silently", "reject!", "orchflow: reject the hunk here, without a reason", true)
plug("comment", "comment", "orchflow: comment on the hunk here", true)
plug("undo", "undo", "orchflow: undo the last decision")
plug("approvals", "approvals", "orchflow: what agents ask permission for")
plug("send", "send", "orchflow: say something to an agent", true)
plug("attention", "next", "orchflow: go to what needs you most")
plug("pick-agents", "pick agents", "orchflow: pick an agent")
plug("pick-events", "pick events", "orchflow: pick an event")
plug("pick-hunks", "pick hunks", "orchflow: pick a hunk")

vim.keymap.set("n", "<Plug>(orchflow-next)", function()
  require("orchflow.review").move(1)
end, { desc = "orchflow: go to the next undecided hunk" })
vim.keymap.set("n", "<Plug>(orchflow-previous)", function()
  require("orchflow.review").move(-1)
end, { desc = "orchflow: go to the undecided hunk before" })

-- Global mappings are there only for who asked for them.
local options = vim.g.orchflow
if type(options) == "table" and options.keys then
  require("orchflow.keys").apply()
end

vim.api.nvim_create_autocmd("SessionLoadPost", {
  group = vim.api.nvim_create_augroup("orchflow_session", { clear = true }),
  desc = "Read again, or leave out, what a session brought back of orchflow",
  callback = function()
    require("orchflow.session").mend()
  end,
})
