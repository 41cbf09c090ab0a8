--- Pickers in fzf-lua: `:Orchflow pick` where that is what there is, and `:FzfLua orchflow_hunks` after `register()`.

local decide = require("orchflow.pick.decide")
local pick = require("orchflow.pick")
local preview = require("orchflow.pick.preview")
local steady = require("orchflow.ui.steady")

local M = {}

---@return any
local function fzf()
  ---@diagnostic disable-next-line: unresolved-require
  return require("fzf-lua")
end

--- What stands between an item's number, which is not shown, and its line.
local GAP = "\t"

---@param items table[]
---@param entry? string
---@return table? item
local function item_of(items, entry)
  return entry and items[tonumber(entry:match("^%d+")) or 0]
end

---@param what orchflow.Picked
---@param items table[]
---@return table previewer a class, as fzf-lua takes it
local function previewer(what, items)
  ---@diagnostic disable-next-line: unresolved-require
  local class = require("fzf-lua.previewer.builtin").base:extend()

  function class:new(given, options, window)
    self.super.new(self, given, options, window)
    setmetatable(self, class)
    return self
  end

  function class:populate_preview_buf(entry)
    local item = item_of(items, entry)
    if not item then
      return
    end
    local buffer = self:get_tmp_buffer()
    preview.fill(buffer, what, item)
    self:set_preview_buf(buffer)
    self.win:update_preview_scrollbar()
  end

  --- Lines are as long as what agents write.
  function class:gen_winopts()
    return vim.tbl_extend("force", self.winopts, { wrap = true, number = false })
  end

  return class
end

--- Shows items.
---@param what orchflow.Picked
---@param items table[]
---@param filter orchflow.Filter
---@param respond fun(failure?: orchflow.Failure, picked?: table)
---@param options? table of fzf-lua
function M.show(what, items, filter, respond, options)
  local picker = pick.pickers[what]
  local gone = {} ---@type table<table, true>
  local function selected_items(selected)
    return vim.tbl_map(function(entry)
      return item_of(items, entry)
    end, selected)
  end
  local actions = {
    ["enter"] = function(selected)
      local item = item_of(items, selected[1])
      if item then
        steady.by_hand(picker.act, item, items, filter)
      end
      respond(nil, item)
    end,
  }
  if what == "hunks" then
    actions["ctrl-y"] = {
      fn = function(selected)
        for _, hunk in ipairs(decide.accept(selected_items(selected))) do
          gone[hunk] = true
        end
      end,
      reload = true,
      header = "accept",
    }
    actions["ctrl-x"] = {
      fn = function(selected)
        decide.reject(selected_items(selected))
      end,
      header = "reject",
    }
  end
  local function contents(take)
    for number, item in ipairs(items) do
      if not gone[item] then
        take(number .. GAP .. picker.format(item):gsub(GAP, " "))
      end
    end
    take()
  end
  local own = {
    prompt = picker.prompt .. "> ",
    previewer = {
      _ctor = function()
        return previewer(what, items)
      end,
    },
    actions = actions,
    fzf_opts = {
      ["--delimiter"] = GAP,
      ["--with-nth"] = "2..",
      ["--multi"] = what == "hunks",
      ["--no-sort"] = what == "events" or nil,
    },
  }
  fzf().fzf_exec(contents, vim.tbl_deep_extend("force", own, options or {}))
end

--- Makes `:FzfLua orchflow_agents`, `orchflow_events`, `orchflow_hunks` and `orchflow_approvals`, each with a `filter`.
function M.register()
  for what in pairs(pick.pickers) do
    fzf().register_extension("orchflow_" .. what, function(options)
      pick.open_words(what, (options or {}).filter, function(...)
        M.show(what, ...)
      end, options)
    end, {}, true)
  end
end

return M
