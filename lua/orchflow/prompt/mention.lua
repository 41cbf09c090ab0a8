--- Completion in a prompt: `@claude` an agent, `@src/main.rs` a file, `@src/main.rs:10-14` lines of it.

local M = {}

local MOST = 200

---@type { root: string, paths: string[] }?
local listed

--- Lists the repository's files in the background, for the completion that follows.
function M.prepare()
  local root = require("orchflow.client").root()
  local argv = {
    "git",
    "--no-optional-locks",
    "ls-files",
    "-z",
    "--cached",
    "--others",
    "--exclude-standard",
  }
  pcall(vim.system, argv, { cwd = root, timeout = 10000 }, function(result)
    if result.code == 0 then
      local paths = vim.split(result.stdout or "", "\0", { plain = true, trimempty = true })
      listed = { root = root, paths = paths }
    end
  end)
end

---@param lead string
---@return string[]
local function files(lead)
  local root = require("orchflow.client").root()
  if not listed or listed.root ~= root then
    return vim.fn.getcompletion(lead, "file")
  end
  -- The beginning of the path, then that of the file's name, then what stands anywhere in it.
  local first, named, others = {}, {}, {}
  local wanted = lead:lower()
  for _, path in ipairs(listed.paths) do
    local whole = path:lower()
    if vim.startswith(whole, wanted) then
      first[#first + 1] = path
    elseif whole:find("/" .. wanted, 1, true) then
      named[#named + 1] = path
    elseif whole:find(wanted, 1, true) then
      others[#others + 1] = path
    end
    if #first >= MOST then
      break
    end
  end
  return vim.list_extend(vim.list_extend(first, named), others)
end

--- Gives ranges of a file's lines that may be meant: those selected last, those of its undecided hunks, the cursor's.
---@param path string
---@return { range: string, why: string }[]
local function ranges(path)
  local root = require("orchflow.client").root()
  local buffer = require("orchflow.client.editor").loaded_buffer(vim.fs.joinpath(root, path))
  local found, seen = {}, {}
  local function add(first, last, why)
    local range = first == last and tostring(first) or ("%d-%d"):format(first, last)
    if first > 0 and not seen[range] then
      seen[range] = true
      found[#found + 1] = { range = range, why = why }
    end
  end
  if buffer then
    local first = vim.api.nvim_buf_get_mark(buffer, "<")[1]
    local last = vim.api.nvim_buf_get_mark(buffer, ">")[1]
    if first > 0 then
      add(first, math.max(first, last), "selected last")
    end
    local info = vim.fn.getbufinfo(buffer)[1]
    add(info and info.lnum or 0, info and info.lnum or 0, "cursor")
  end
  for _, hunk in ipairs(require("orchflow.review.list").hunks()) do
    if hunk.path == path and hunk.state == "undecided" then
      local first = math.max(1, hunk.line or 1)
      add(first, first + math.max(hunk.old_lines or 1, 1) - 1, "hunk of " .. hunk.agent)
    end
  end
  return found
end

--- Gives what may stand for a mention.
---@param base string begins with `@`
---@return table[] items as |complete-items| are
function M.candidates(base)
  local lead, items = base:sub(2), {}
  local path, begun = lead:match("^(.+):([%d%-]*)$")
  if path then
    for _, each in ipairs(ranges(path)) do
      if vim.startswith(each.range, begun) then
        items[#items + 1] = { word = ("@%s:%s"):format(path, each.range), menu = each.why }
      end
    end
    return items
  end
  for _, agent in ipairs(require("orchflow.state").agents(require("orchflow.client").store())) do
    if vim.startswith(agent.agent, lead) then
      items[#items + 1] = { word = "@" .. agent.agent, menu = "agent, run " .. agent.run, dup = 0 }
    end
  end
  for _, file in ipairs(files(lead)) do
    items[#items + 1] = { word = "@" .. file, menu = "file" }
    if #items >= MOST then
      break
    end
  end
  return items
end

--- Completes as 'completefunc' and 'omnifunc' do.
---@param find_start integer|string
---@param base string
---@return integer|table[]
function M.complete(find_start, base)
  if tonumber(find_start) == 1 then
    local before = vim.api.nvim_get_current_line():sub(1, vim.api.nvim_win_get_cursor(0)[2])
    local at = before:find("@[^%s@]*$")
    -- -3: no completion here, and the mode is left without a message.
    return at and at - 1 or -3
  end
  return M.candidates(base)
end

return M
