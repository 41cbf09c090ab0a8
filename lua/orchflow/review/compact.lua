--- Compact lists of hunks: what those of a file have in common is said once, each is a row of values, and only what is
--- not as usual is said by name. Thousands of hunks are read in a third of the time that way. Pure.

local M = {}

---@class orchflow.CompactFile
---@field agent string
---@field run integer
---@field key string `RUN/NAME`
---@field path string
---@field path_b64? string
---@field user_path string
---@field words? string
---@field rows any[][] values in the order of the answer's columns, then perhaps a map of what is not as usual

---@class orchflow.CompactHunks
---@field columns string[]
---@field usual table<string, any>
---@field files orchflow.CompactFile[]

--- Gives the hunks of an answer, whether it is a compact one or not.
---@param answer table
---@return orchflow.Hunk[]
function M.hunks(answer)
  if not answer.files then
    return answer.hunks or {}
  end
  local at, usual, hunks = {}, answer.usual or {}, {}
  for place, name in ipairs(answer.columns) do
    at[name] = place
  end
  local beyond, count = #answer.columns + 1, 0
  for _, file in ipairs(answer.files) do
    for _, row in ipairs(file.rows) do
      -- Written out: a table that is made whole costs a fraction of one that grows.
      local hunk = {
        agent = file.agent,
        run = file.run,
        key = file.key,
        path = file.path,
        path_b64 = file.path_b64,
        user_path = file.user_path,
        words = file.words,
        id = row[at.id],
        hash = row[at.hash],
        line = row[at.line],
        old_start = row[at.old_start],
        old_lines = row[at.old_lines],
        new_start = row[at.new_start],
        new_lines = row[at.new_lines],
        insertions = row[at.insertions],
        deletions = row[at.deletions],
        heading = row[at.heading],
        change = usual.change,
        state = usual.state,
        forecast = usual.forecast,
        comments = usual.comments,
      }
      for name, value in pairs(row[beyond] or {}) do
        hunk[name] = value
      end
      count = count + 1
      hunks[count] = hunk
    end
  end
  return hunks
end

return M
