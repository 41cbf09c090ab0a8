--- Drafts of prompts on disk: what was being written when Neovim ended is there when the same prompt is opened again.
---
--- One file a prompt under `stdpath("state")/orchflow/drafts`, readable by the user alone, replaced as a whole.

local M = {}

---@class orchflow.Draft
---@field key string
---@field lines string[]
---@field at integer seconds since 1970
---@field sending? boolean whether it was being sent

--- Gives the folder of the drafts.
---@return string
function M.folder()
  return vim.fn.stdpath("state") .. "/orchflow/drafts"
end

--- Gives the file of a draft.
---@param key string
---@return string
function M.path(key)
  return ("%s/%s.json"):format(M.folder(), vim.fn.sha256(key):sub(1, 32))
end

--- Keeps a draft.
---@param key string
---@param lines string[]
---@param sending? boolean
---@return string? problem
function M.save(key, lines, sending)
  local folder = M.folder()
  local made = pcall(vim.fn.mkdir, folder, "p", tonumber("700", 8))
  if not made then
    return "the folder of drafts cannot be made: " .. folder
  end
  local path = M.path(key)
  local beside = ("%s.%d"):format(path, vim.uv.os_getpid())
  local file, problem = vim.uv.fs_open(beside, "w", tonumber("600", 8))
  if not file then
    return "the draft cannot be kept: " .. tostring(problem)
  end
  local ok, encoded = pcall(vim.json.encode, {
    key = key,
    lines = lines,
    at = os.time(),
    sending = sending or nil,
  })
  local written = ok and vim.uv.fs_write(file, encoded) == #encoded
  vim.uv.fs_close(file)
  if not written or not vim.uv.fs_rename(beside, path) then
    vim.uv.fs_unlink(beside)
    return "the draft cannot be kept in " .. folder
  end
  return nil
end

--- Gives a draft that was kept.
---@param key string
---@return orchflow.Draft?
function M.load(key)
  local ok, lines = pcall(vim.fn.readfile, M.path(key))
  if not ok then
    return nil
  end
  local read, draft =
    pcall(vim.json.decode, table.concat(lines, "\n"), { luanil = { object = true } })
  local whole = read and type(draft) == "table" and draft.key == key and vim.islist(draft.lines)
  return whole and draft or nil
end

--- Removes a draft.
---@param key string
function M.remove(key)
  vim.uv.fs_unlink(M.path(key))
end

--- Gives what a prompt begins with: its draft, then what it was opened with, where that is not in it yet.
---@param key string
---@param lines string[]
---@return string[] lines
---@return orchflow.Draft? restored
function M.beginning(key, lines)
  local kept = M.load(key)
  if not kept then
    return lines, nil
  end
  local whole, part = table.concat(kept.lines, "\n"), vim.trim(table.concat(lines, "\n"))
  if part == "" or whole:find(part, 1, true) then
    return kept.lines, kept
  end
  local both = vim.list_extend({}, kept.lines)
  return vim.list_extend(both, vim.list_extend({ "" }, lines)), kept
end

--- Tells the human that a draft is back, and what is doubtful about it.
---@param kept orchflow.Draft
function M.tell(kept)
  local when = os.date("%H:%M", kept.at)
  if kept.sending then
    require("orchflow.ui.message").warn(
      ("orchflow: Neovim ended at %s while this was being sent; see :Orchflow timeline type:prompt"):format(
        when
      )
    )
  else
    require("orchflow.ui.message").info(
      ("orchflow: your draft of %s is back; :q! throws it away"):format(when)
    )
  end
end

return M
