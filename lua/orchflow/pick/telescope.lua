--- Pickers in telescope.nvim: `:Telescope orchflow hunks`, and `:Orchflow pick` where telescope is what there is.

local decide = require("orchflow.pick.decide")
local pick = require("orchflow.pick")
local preview = require("orchflow.pick.preview")
local steady = require("orchflow.ui.steady")

local M = {}

--- Gives a part of telescope.
---@param name string
---@return any
local function part(name)
  return require("telescope." .. name)
end

---@param buffer integer of telescope's prompt
---@return table[] items those that are marked, else the one under the cursor
local function chosen(buffer)
  local state = part("actions.state")
  local picker = state.get_current_picker(buffer)
  local entries = picker:get_multi_selection()
  if #entries == 0 then
    entries = { state.get_selected_entry() }
  end
  return vim.tbl_map(function(entry)
    return entry.value
  end, entries)
end

---@param what orchflow.Picked
---@return table previewer
local function previewer(what)
  return part("previewers").new_buffer_previewer({
    title = pick.pickers[what].prompt,
    get_buffer_by_name = function(_, entry)
      return tostring(entry.value.id or entry.value.seq or entry.value.key)
    end,
    define_preview = function(self, entry)
      -- Lines are as long as what agents write.
      vim.wo[self.state.winid].wrap = true
      preview.fill(self.state.bufnr, what, entry.value)
    end,
  })
end

--- Shows items.
---@param what orchflow.Picked
---@param items table[]
---@param filter orchflow.Filter
---@param respond fun(failure?: orchflow.Failure, picked?: table)
---@param options? table of telescope
function M.show(what, items, filter, respond, options)
  local actions, config = part("actions"), part("config").values
  local picker = pick.pickers[what]
  options = options or {}
  part("pickers")
    .new(options, {
      prompt_title = picker.prompt,
      finder = part("finders").new_table({
        results = items,
        entry_maker = function(item)
          local line = picker.format(item)
          return { value = item, display = line, ordinal = line }
        end,
      }),
      sorter = config.generic_sorter(options),
      previewer = previewer(what),
      attach_mappings = function(buffer, map)
        actions.select_default:replace(function()
          local entry = part("actions.state").get_selected_entry()
          actions.close(buffer)
          if entry then
            steady.by_hand(picker.act, entry.value, items, filter)
          end
          respond(nil, entry and entry.value)
        end)
        if what == "hunks" then
          map({ "i", "n" }, "<C-y>", function()
            local taken = decide.accept(chosen(buffer))
            part("actions.state").get_current_picker(buffer):delete_selection(function(entry)
              return vim.tbl_contains(taken, entry.value)
            end)
          end, { desc = "orchflow: accept" })
          map({ "i", "n" }, "<C-x>", function()
            local hunks = chosen(buffer)
            actions.close(buffer)
            decide.reject(hunks)
          end, { desc = "orchflow: reject, with a reason" })
        end
        return true
      end,
    })
    :find()
end

--- Gives the functions of the extension, one for each picker; `filter` among their options narrows it.
---@return table<string, fun(options?: table)>
function M.exports()
  local exports = {}
  for what in pairs(pick.pickers) do
    exports[what] = function(options)
      pick.open_words(what, (options or {}).filter, function(...)
        M.show(what, ...)
      end, options)
    end
  end
  exports.orchflow = exports.agents
  return exports
end

return M
