--- The arguments of a tool that an agent asks to use, as JSON to be changed: `:w` allows it with them.

local message = require("orchflow.ui.message")
local text = require("orchflow.view.text")

local M = {}

--- Writes a value as JSON over several lines, keys in order.
---@param value any
---@param indent string
---@param out string[] lines; the last is being written
local function write(value, indent, out)
  local function add(piece)
    out[#out] = out[#out] .. piece
  end
  if type(value) ~= "table" then
    add(require("orchflow.json").encode(value))
    return
  elseif next(value) == nil then
    -- On the wire an empty list cannot be told from an empty object.
    add("{}")
    return
  end
  local is_list = vim.islist(value)
  local keys = is_list and {} or vim.tbl_keys(value)
  table.sort(keys)
  local count = is_list and #value or #keys
  add(is_list and "[" or "{")
  for place = 1, count do
    out[#out + 1] = indent .. "  "
    local key = is_list and place or keys[place]
    if not is_list then
      add(require("orchflow.json").encode(key) .. ": ")
    end
    write(value[key], indent .. "  ", out)
    add(place < count and "," or "")
  end
  out[#out + 1] = indent .. (is_list and "]" or "}")
end

--- Gives arguments as lines of JSON.
---@param value table<string, any>
---@return string[]
function M.lines(value)
  local out = { "" }
  write(value, "", out)
  return out
end

--- Opens the arguments of an approval in a split.
---@param approval orchflow.Approval
---@param allow fun(arguments: string, done: fun()) called with the JSON when it is written
---@return integer buffer
function M.open(approval, allow)
  local name = ("orchflow://approval/%s/arguments"):format(text.clean(approval.id))
  local buffer = vim.fn.bufnr("^" .. name .. "$")
  if buffer == -1 then
    buffer = vim.api.nvim_create_buf(false, false)
    vim.api.nvim_buf_set_name(buffer, name)
    vim.bo[buffer].buftype = "acwrite"
    vim.bo[buffer].bufhidden = "wipe"
    vim.bo[buffer].swapfile = false
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, M.lines(approval.input or {}))
    vim.bo[buffer].modified = false
  end
  vim.api.nvim_create_autocmd("BufWriteCmd", {
    buffer = buffer,
    group = vim.api.nvim_create_augroup("orchflow_arguments_" .. buffer, { clear = true }),
    desc = "Allow the tool with these arguments",
    callback = function()
      local written = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")
      local ok, arguments = pcall(vim.json.decode, written)
      if not ok or type(arguments) ~= "table" or vim.islist(arguments) and #arguments > 0 then
        local why = ok and "it is no object" or text.clean(arguments)
        message.error("orchflow: arguments are a JSON object: " .. why)
        return
      end
      allow(written, function()
        if vim.api.nvim_buf_is_valid(buffer) then
          vim.bo[buffer].modified = false
          vim.api.nvim_buf_delete(buffer, { force = true })
        end
      end)
    end,
  })
  if #vim.fn.win_findbuf(buffer) == 0 then
    vim.cmd("botright split")
    vim.api.nvim_win_set_buf(0, buffer)
    local height = vim.api.nvim_buf_line_count(buffer)
    vim.api.nvim_win_set_height(0, math.min(math.max(height, 3), math.floor(vim.o.lines / 2)))
  end
  message.info(("orchflow: :w allows %s with these arguments"):format(text.clean(approval.id)))
  return buffer
end

return M
