--- Every verb of `:Orchflow`, gathered from the files that hold them by theme.

---@type table<string, orchflow.Verb>
local verbs = {}

for _, theme in ipairs({
  "swarm",
  "run",
  "review",
  "watch",
  "approvals",
  "cost",
  "window",
  "tell",
  "fit",
  "doctor",
  "adopt",
}) do
  for name, verb in pairs(require("orchflow.command." .. theme)) do
    verbs[name] = verb
  end
end

return verbs
