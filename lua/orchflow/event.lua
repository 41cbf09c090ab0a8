--- Events as people look at them: who, how they are coloured, which file they lead to.

local text = require("orchflow.view.text")

local M = {}

--- Highlight group by the first word of a type, or the whole type where that says more.
local GROUPS = {
  approval_requested = "OrchflowWaiting",
  tool_requested = "OrchflowMuted",
  agent_status_changed = "OrchflowMuted",
  agent_failed_to_start = "OrchflowFailed",
  ai_generated_code = "OrchflowAdded",
  ai_requested_review = "OrchflowWorking",
  checkpoint_taken = "OrchflowMuted",
  decision_refused = "OrchflowFailed",
  effect_lost = "OrchflowFailed",
  hunk_accepted = "OrchflowDone",
  hunk_rejected = "OrchflowRemoved",
  hunk_commented = "OrchflowWorking",
  human_reverted_change = "OrchflowWorking",
  prompt_undelivered = "OrchflowFailed",
  run_started = "OrchflowTitle",
  run_settled = "OrchflowTitle",
  tool_failed = "OrchflowFailed",
  tool_denied = "OrchflowFailed",
  turn_ended = "OrchflowDone",
  undo_refused = "OrchflowFailed",
}

--- Gives the highlight group of an event's type.
---@param type_name string
---@return string?
function M.group(type_name)
  return GROUPS[type_name]
end

--- Signs of the groups that have no icon of an agent's state.
local SIGNS = { OrchflowAdded = "~", OrchflowRemoved = "-", OrchflowTitle = "#" }
local ICONS = {
  OrchflowWaiting = "waiting",
  OrchflowFailed = "failed",
  OrchflowDone = "done",
  OrchflowWorking = "working",
}

--- Gives the sign that stands before an event's words, so that colours are not all that tells events apart.
---@param type_name string
---@return string
function M.sign(type_name)
  if type_name == "turn_started" or type_name:find("^prompt_") and not GROUPS[type_name] then
    return require("orchflow.config").get().icons.working
  end
  local group = GROUPS[type_name]
  local icon = group and ICONS[group]
  return icon and require("orchflow.config").get().icons[icon] or group and SIGNS[group] or " "
end

---@param event orchflow.Event
---@return string? name of its agent, without the run
local function agent_name(event)
  local name = text.clean(event.agent):gsub("^%d+/", "")
  return name ~= "" and name or nil
end

--- Gives who stands behind an event: the human, the agent it is about, or the host.
---@param event orchflow.Event
---@return string
function M.who(event)
  if event.actor == "human" or event.actor == "script" then
    return "you"
  end
  return agent_name(event) or "host"
end

--- Gives the id of the hunk that an event is about.
---@param event orchflow.Event
---@return string?
function M.hunk(event)
  local data = event.data or {}
  local hunk = type(data.hunk) == "table" and data.hunk.id or data.hunk
  return type(hunk) == "string" and hunk or nil
end

--- Gives `RUN/NAME` of the agent an event is about.
---@param event orchflow.Event
---@return string?
function M.key(event)
  local name = agent_name(event)
  if not name then
    return nil
  end
  local run = event.run or (event.agent or ""):match("^(%d+)/")
  return run and ("%s/%s"):format(run, name) or name
end

--- Says what happened, with the agent where it was the human who did it; a worktree's path is left out.
---@param event orchflow.Event
---@param worktrees? string[] absolute paths
---@return string
function M.words(event, worktrees)
  local said = text.clean(event.summary)
  if said == "" then
    said = text.clean(event.type)
  end
  for _, worktree in ipairs(worktrees or {}) do
    -- Most lines have none, and thousands are drawn.
    if said:find(worktree, 1, true) then
      said = M.without_prefix(said, worktree)
    end
  end
  local name = M.who(event) == "you" and agent_name(event)
  return name and ("%s: %s"):format(name, said) or said
end

--- Leaves the path of a folder out wherever it stands before a file within it.
---@param said string
---@param folder string
---@return string
function M.without_prefix(said, folder)
  return (said:gsub(vim.pesc(folder .. "/"), ""))
end

--- Gives the repository-relative path an event is about, if it is about one that is text.
---@param event orchflow.Event
---@param worktrees? string[] absolute paths
---@return string? path
---@return integer? line
function M.place(event, worktrees)
  local data = event.data or {}
  local hunk = type(data.hunk) == "table" and data.hunk or {}
  local input = type(data.input) == "table" and data.input or {}
  local path = hunk.path or data.file or (event.paths or {})[1] or input.file_path or input.path
  if type(path) ~= "string" or path == "" then
    return nil
  end
  for _, worktree in ipairs(worktrees or {}) do
    if vim.startswith(path, worktree .. "/") then
      return path:sub(#worktree + 2), tonumber(hunk.line)
    end
  end
  return path, tonumber(hunk.line)
end

return M
