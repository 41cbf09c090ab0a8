--- What the host may ask of the editor: the text of a buffer, an edit of it, a window for an agent, a message.
---
--- Nothing here saves a file, loads a buffer, reloads a modified one, or takes the focus.

local encoding = require("orchflow.client.encoding")

local M = {}

--- Gives the real path of a file, also of one that does not exist yet in a folder that does.
---@param path string
---@return string?
local function real_path(path)
  local real = vim.uv.fs_realpath(path)
  if real then
    return real
  end
  local folder = vim.uv.fs_realpath(vim.fs.dirname(path))
  return folder and vim.fs.joinpath(folder, vim.fs.basename(path)) or nil
end

--- Finds the loaded buffer of a file, whatever name it was opened by.
---@param path string absolute
---@return integer?
function M.loaded_buffer(path)
  local wanted = real_path(path)
  if not wanted then
    return nil
  end
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].buftype == "" then
      local name = vim.api.nvim_buf_get_name(buffer)
      if name ~= "" and (name == wanted or real_path(name) == wanted) then
        return buffer
      end
    end
  end
  return nil
end

---@class orchflow.Edit
---@field start integer 0-based first line
---@field end_ integer exclusive
---@field lines string[]

--- Replaces lines so that marks on lines that only change stay where they are.
---@param buffer integer
---@param edit orchflow.Edit
local function apply_one(buffer, edit)
  local old = vim.api.nvim_buf_get_lines(buffer, edit.start, edit.end_, true)
  local shared = math.min(#old, #edit.lines)
  if #old ~= #edit.lines then
    vim.api.nvim_buf_set_lines(
      buffer,
      edit.start + shared,
      edit.end_,
      true,
      vim.list_slice(edit.lines, shared + 1)
    )
  end
  for index = 1, shared do
    if old[index] ~= edit.lines[index] then
      -- The API's own functions drop the marks of a line they replace (Neovim 0.10); in Vim script's strings a
      -- NUL is written as a line feed.
      local line = edit.lines[index]:gsub("%z", "\n")
      vim.fn.setbufline(buffer, edit.start + index, line)
    end
  end
end

--- Notes where each window of a buffer stands, in marks that move with the text.
---@param buffer integer
---@param namespace integer
---@return table[] places
local function note_windows(buffer, namespace)
  local places = {}
  local function mark(line, column)
    return vim.api.nvim_buf_set_extmark(buffer, namespace, line, column, { strict = false })
  end
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    local view = vim.api.nvim_win_call(window, vim.fn.winsaveview)
    places[#places + 1] = {
      window = window,
      view = view,
      cursor = mark(view.lnum - 1, 0),
      top = mark(view.topline - 1, 0),
    }
  end
  return places
end

---@param buffer integer
---@param namespace integer
---@param places table[]
local function restore_windows(buffer, namespace, places)
  for _, place in ipairs(places) do
    local cursor = vim.api.nvim_buf_get_extmark_by_id(buffer, namespace, place.cursor, {})
    local top = vim.api.nvim_buf_get_extmark_by_id(buffer, namespace, place.top, {})
    if cursor[1] and top[1] and vim.api.nvim_win_is_valid(place.window) then
      place.view.lnum = cursor[1] + 1
      place.view.topline = top[1] + 1
      vim.api.nvim_win_call(place.window, function()
        vim.fn.winrestview(place.view)
      end)
    end
  end
  vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
end

--- Ends the undo block of a buffer, so that what follows is undone by itself.
--- While somebody types in it the block stays open: closing it there would tear their insertion apart.
---@param buffer integer
local function break_undo(buffer)
  local typing = vim.api.nvim_get_current_buf() == buffer
    and vim.api.nvim_get_mode().mode:match("^[iR]")
  if not typing then
    vim.api.nvim_buf_call(buffer, function()
      vim.cmd("let &g:undolevels = &g:undolevels")
    end)
  end
end

--- Says what is wrong with a list of edits, if anything.
---@param edits any
---@param line_count integer
---@return string?
local function problem_of(edits, line_count)
  if type(edits) ~= "table" then
    return "no edits were given"
  end
  local last_end = 0
  for _, edit in ipairs(edits) do
    local first, last = tonumber(edit.start), tonumber(edit.end_)
    if not first or not last or type(edit.lines) ~= "table" then
      return "an edit is not whole"
    elseif first < last_end or last < first or last > line_count then
      return "stale"
    end
    last_end = last
  end
  return nil
end

---@type table<string, fun(params: table): table?, string?>
local calls = {}

function calls.buffer_read(params)
  local buffer = M.loaded_buffer(params.path)
  if not buffer then
    return { loaded = false }
  end
  local lines, problem = encoding.to_file(buffer, vim.api.nvim_buf_get_lines(buffer, 0, -1, false))
  if not lines then
    return nil, problem
  end
  return {
    loaded = true,
    lines = lines,
    changedtick = vim.api.nvim_buf_get_changedtick(buffer),
    modified = vim.bo[buffer].modified,
    eol = vim.bo[buffer].eol,
    dos = vim.bo[buffer].fileformat == "dos",
    modifiable = vim.bo[buffer].modifiable and not vim.bo[buffer].readonly,
  }
end

function calls.buffer_apply(params)
  local buffer = M.loaded_buffer(params.path)
  if not buffer then
    return nil, "not loaded"
  elseif vim.api.nvim_buf_get_changedtick(buffer) ~= params.changedtick then
    return nil, "stale"
  elseif not vim.bo[buffer].modifiable then
    return nil, "the buffer is not modifiable"
  end
  local edits = vim.deepcopy(params.edits)
  if type(edits) == "table" then
    table.sort(edits, function(left, right)
      return (tonumber(left.start) or 0) < (tonumber(right.start) or 0)
    end)
  end
  local problem = problem_of(edits, vim.api.nvim_buf_line_count(buffer))
  for _, edit in ipairs(problem and {} or edits) do
    edit.lines, problem = encoding.from_file(buffer, edit.lines, edit.start == 0)
    if problem then
      break
    end
  end
  if problem then
    return nil, problem
  end
  local namespace = vim.api.nvim_create_namespace("orchflow_apply")
  local places = note_windows(buffer, namespace)
  break_undo(buffer)
  for index = #edits, 1, -1 do
    apply_one(buffer, edits[index])
  end
  break_undo(buffer)
  restore_windows(buffer, namespace, places)
  return { changedtick = vim.api.nvim_buf_get_changedtick(buffer) }
end

function calls.open_view(params)
  if require("orchflow.mode").is_script() then
    return nil, "this Neovim has no screen"
  end
  local window, problem = require("orchflow.ui.terminal").open({
    argv = params.argv,
    -- By run and name, as `attach` and the dashboard know it: else they would open a second window on it.
    name = params.run and params.agent and ("%s/%s"):format(params.run, params.agent)
      or params.name
      or params.agent,
    focus = false,
  })
  return window and { window = window }, problem
end

function calls.notify(params)
  local message = require("orchflow.ui.message")
  local say = message[params.level] or message.info
  local line = tostring(params.message)
  say(line:find("^orchflow") and line or "orchflow: " .. line)
  return {}
end

--- Reads the current buffer again if its file has changed, without a question: with 'autoread' an unmodified buffer
--- is simply read.
local function read_again()
  local before = vim.api.nvim_get_option_value("autoread", { scope = "local" })
  vim.cmd("setlocal autoread")
  pcall(vim.cmd, "silent! checktime %")
  vim.cmd(
    before == nil and "set autoread<" or before and "setlocal autoread" or "setlocal noautoread"
  )
end

function calls.checktime(params)
  for _, path in ipairs(params.paths or {}) do
    local buffer = M.loaded_buffer(path)
    if buffer and not vim.bo[buffer].modified then
      vim.api.nvim_buf_call(buffer, read_again)
    end
  end
  return {}
end

--- Does what the host asks.
---@param method string
---@param params table
---@return table? result
---@return string? problem why not; nil when it was done
function M.serve(method, params)
  local call = calls[method]
  if not call then
    return nil, ("this editor knows no %s"):format(tostring(method))
  end
  local ok, result, problem = pcall(call, params)
  if not ok then
    return nil, (tostring(result):match("[^\n]+"):gsub("^.-%.lua:%d+: ", ""))
  end
  return result, problem
end

return M
