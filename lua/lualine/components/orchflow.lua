--- The lualine component `orchflow`: how many agents work, need you, failed, are done with hunks you have not seen.
---
--- `colored = false` leaves the colours out.

---@diagnostic disable-next-line: unresolved-require
local component = require("lualine.component"):extend()

function component:init(options)
  component.super.init(self, options)
  if self.options.colored == nil then
    self.options.colored = true
  end
end

function component:update_status()
  local colored = self.options.colored
  return require("orchflow.statusline").get({
    highlight = colored,
    after = colored and self:get_default_hl() or nil,
  })
end

return component
