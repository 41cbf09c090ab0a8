--- The entries of our quickfix list: their lines as Neovim shows them, and what stands behind each.

local name_of = require("orchflow.review.name")
local quickfix = require("orchflow.view.quickfix")
local view = require("orchflow.view.hunk")

local M = {}

--- Gives the cells there are for a line of the list.
---@return integer
local function width_of_lines()
  local window = vim.fn.getqflist({ winid = 0 }).winid
  local info = window ~= 0 and vim.fn.getwininfo(window)[1]
  if info and info.width then
    return info.width - info.textoff
  end
  -- The window that will be opened takes its line numbers and columns of signs from this one.
  return vim.o.columns - vim.fn.getwininfo(vim.api.nvim_get_current_win())[1].textoff
end

--- Writes an entry's line and keeps it.
---@param list orchflow.HunkList
---@param index integer
---@return string line
---@return string entry
local function write_line(list, index)
  local hunk = list.hunks[index]
  list.layout = list.layout or quickfix.layout(list.hunks, width_of_lines())
  local rivalry = view.rivalry(hunk, list.places, list.hunks)
  local line, entry = quickfix.line(hunk, list.layout, rivalry)
  list.lines[index] = line
  return line, entry
end

--- Gives the line of an entry, written anew where it is not known.
---@param list orchflow.HunkList
---@param index integer
---@return string
function M.line(list, index)
  return list.lines[index] or (write_line(list, index))
end

--- Makes the entries of a list from a place on.
---@param list orchflow.HunkList
---@param first integer
---@return table[]
function M.items(list, first)
  local items, count = {}, 0
  local buffer, key, path ---@type integer, string?, string?
  for place = first, #list.hunks do
    local hunk = list.hunks[place]
    -- Those of a file mostly stand together.
    if hunk.key ~= key or (hunk.path_b64 or hunk.path) ~= path then
      key, path = hunk.key, hunk.path_b64 or hunk.path
      local file = key .. "\0" .. path
      buffer = list.buffers[file] or vim.fn.bufadd(name_of.of(hunk))
      list.buffers[file] = buffer
    end
    local _, entry = write_line(list, place)
    count = count + 1
    items[count] = {
      bufnr = buffer,
      lnum = view.line(hunk),
      type = view.type(hunk),
      text = entry,
      user_data = { id = hunk.id, hash = hunk.hash, agent = hunk.key },
    }
  end
  return items
end

--- Gives the title of a list: what it was asked for.
---@param list orchflow.HunkList
---@return string
function M.title(list)
  local words = { "orchflow review" }
  for _, name in ipairs({ "run", "agent", "path" }) do
    if list.query[name] then
      words[#words + 1] = ("%s:%s"):format(name, list.query[name])
    end
  end
  local filter = list.query.filter
  vim.list_extend(words, type(filter) == "table" and filter or { filter })
  return table.concat(words, "  ")
end

return M
