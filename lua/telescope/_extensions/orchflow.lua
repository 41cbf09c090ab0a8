-- `:Telescope orchflow agents`, `events`, `hunks` and `approvals`, once telescope has loaded the extension `orchflow`.
---@diagnostic disable-next-line: undefined-field
return require("telescope").register_extension({
  exports = require("orchflow.pick.telescope").exports(),
})
