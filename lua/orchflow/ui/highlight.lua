--- The highlight groups: each linked to a group every colour scheme has, and free to be set by the user.

local M = {}

---@class orchflow.Group
---@field name string
---@field link string
---@field description string
---@field ground_only? boolean whether only the ground of the other group is taken, so that the text keeps its colours

---@type orchflow.Group[]
M.groups = {
  { name = "OrchflowTitle", link = "Title", description = "Titles, run numbers, approval ids." },
  { name = "OrchflowAgent", link = "Identifier", description = "Names of agents." },
  { name = "OrchflowWorking", link = "DiagnosticInfo", description = "An agent that works." },
  { name = "OrchflowWaiting", link = "DiagnosticWarn", description = "What waits for the human." },
  {
    name = "OrchflowDone",
    link = "DiagnosticOk",
    description = "What is done, and hunks accepted.",
  },
  {
    name = "OrchflowFailed",
    link = "DiagnosticError",
    description = "What failed or was refused.",
  },
  { name = "OrchflowMuted", link = "Comment", description = "What is there for completeness." },
  {
    name = "OrchflowGuess",
    link = "DiagnosticHint",
    description = "A source that is only a guess.",
  },
  { name = "OrchflowAdded", link = "Added", description = "Lines an agent adds." },
  { name = "OrchflowRemoved", link = "Removed", description = "Lines an agent removes." },
  {
    name = "OrchflowAddedLine",
    link = "DiffAdd",
    ground_only = true,
    description = "The ground of a line that an agent adds.",
  },
  {
    name = "OrchflowAddedWord",
    link = "DiffText",
    ground_only = true,
    description = "What is new within such a line.",
  },
  {
    name = "OrchflowRemovedLine",
    link = "DiffDelete",
    description = "The ground of a line that is removed.",
  },
  {
    name = "OrchflowRemovedWord",
    link = "DiffText",
    description = "What is gone within such a line.",
  },
  {
    name = "OrchflowLive",
    link = "DiagnosticOk",
    description = "A timeline that follows its end.",
  },
}

--- Groups for words that stand in a float's frame: coloured as another group, on the background of floats. Neovim draws
--- such words without regard to what is under them.
---@type table<string, string>
M.framed = {
  OrchflowFloatTitle = "OrchflowTitle",
  OrchflowFloatFooter = "OrchflowMuted",
  OrchflowFloatLive = "OrchflowLive",
}

local ready = false

--- Gives what a group looks like. A ground alone lets the text on it keep its colours, where there are enough of them.
---@param group orchflow.Group
---@return table
local function style_of(group)
  local other = group.ground_only
      and vim.o.termguicolors
      and vim.api.nvim_get_hl(0, { name = group.link, link = false })
    or {}
  local style = other.bg and not other.reverse and { bg = other.bg } or { link = group.link }
  style.default = true
  return style
end

local function set()
  for _, group in ipairs(M.groups) do
    vim.api.nvim_set_hl(0, group.name, style_of(group))
  end
  local ground = vim.api.nvim_get_hl(0, { name = "FloatBorder", link = false })
  for name, like in pairs(M.framed) do
    local look = vim.api.nvim_get_hl(0, { name = like, link = false })
    look.bg = ground.reverse and ground.fg or ground.bg
    look.ctermbg, look.default = ground.ctermbg, true
    vim.api.nvim_set_hl(0, name, look --[[@as vim.api.keyset.highlight]])
  end
end

--- Sets the groups, once, and again after each change of the colour scheme.
function M.setup()
  if ready then
    return
  end
  ready = true
  set()
  vim.api.nvim_create_autocmd("ColorScheme", {
    group = vim.api.nvim_create_augroup("orchflow_highlight", { clear = true }),
    desc = "Set the highlight groups of orchflow again",
    callback = set,
  })
  vim.api.nvim_create_autocmd("OptionSet", {
    group = "orchflow_highlight",
    pattern = "termguicolors",
    desc = "Set the highlight groups of orchflow again",
    callback = set,
  })
end

return M
