--- The options, as data: defaults, validation and the documentation all come from this table.

---@class orchflow.Option
---@field kind "string"|"boolean"|"integer"|"number"|"strings"|"choice"|"key"|"group"
---@field default? any
---@field description? string
---@field values? string[] what a choice may be
---@field least? number
---@field most? number
---@field fields? table<string, orchflow.Option> the options of a group
---@field order? string[] the order of a group's options in the documentation
---@field bare? string the option of a group that a bare string sets

--- Makes an option that is a key of a buffer-local mapping; `false` leaves the key alone.
---@param default string|false
---@param description string
---@return orchflow.Option
local function key(default, description)
  return { kind = "key", default = default, description = description }
end

--- Makes an option that turns one kind of notification on or off.
---@param description string
---@return orchflow.Option
local function told(description)
  return { kind = "boolean", default = true, description = description }
end

---@param description string
---@param order string[]
---@param fields table<string, orchflow.Option>
---@param bare? string the option that a bare string sets
---@return orchflow.Option
local function group(description, order, fields, bare)
  return { kind = "group", description = description, order = order, fields = fields, bare = bare }
end

---@type orchflow.Option
return group("", {
  "binary",
  "agents",
  "include_changes",
  "view",
  "review",
  "timeline",
  "float",
  "attach",
  "picker",
  "notify",
  "icons",
  "keys",
}, {
  binary = {
    kind = "string",
    default = "",
    description = "Path of the orchflow binary. Empty: looked for on PATH, where make install put it, in the plugin's "
      .. "target/release and target/debug, then in stdpath('data')/orchflow/bin.",
  },
  agents = {
    kind = "strings",
    default = {},
    description = "Agents that `:Orchflow swarm` starts when `--agents` is not given; a kind may stand more than once.",
  },
  include_changes = {
    kind = "choice",
    values = { "ask", "yes", "no" },
    default = "ask",
    description = "Whether uncommitted changes go along into the worktrees of a swarm.",
  },
  view = {
    kind = "choice",
    values = { "auto", "tmux", "nvim", "none" },
    default = "auto",
    description = "Where agents are shown: auto takes tmux panes inside tmux, else windows of Neovim.",
  },
  review = group(
    "The list of hunks, and the files they are in.",
    { "height", "page", "winbar", "words" },
    {
      height = {
        kind = "integer",
        least = 1,
        most = 200,
        default = 12,
        description = "Most lines of the quickfix window that `:Orchflow review` opens.",
      },
      page = {
        kind = "integer",
        least = 10,
        most = 10000,
        default = 500,
        description = "Hunks asked for at a time; the first page is shown while the next ones come.",
      },
      winbar = {
        kind = "boolean",
        default = true,
        description = "Whether a review buffer has a line above it with agent, file, hunk, turn and time.",
      },
      words = {
        kind = "choice",
        values = { "prompt", "line" },
        default = "prompt",
        description = "Where the keys of a review buffer ask for a reason or a comment: in a markdown prompt buffer, "
          .. "or in one line.",
      },
    }
  ),
  timeline = group("The timeline.", { "place", "page", "keep" }, {
    place = {
      kind = "choice",
      values = { "float", "split", "tab" },
      default = "float",
      description = "Where it opens.",
    },
    page = {
      kind = "integer",
      least = 10,
      most = 1000,
      default = 100,
      description = "Events asked for at a time, ahead of where you scroll to.",
    },
    keep = {
      kind = "integer",
      least = 500,
      most = 100000,
      default = 2000,
      description = "Lines kept in an open timeline; what is farthest from the cursor leaves it first, and is "
        .. "asked for again when you come near.",
    },
  }),
  float = group("Floating windows.", { "width", "height", "border" }, {
    width = {
      kind = "number",
      least = 0.2,
      most = 1,
      default = 0.9,
      description = "Most width of a float, as a share of the editor's; 80 columns are never too many.",
    },
    height = {
      kind = "number",
      least = 0.2,
      most = 1,
      default = 0.8,
      description = "Most height of a float, as a share of the editor's.",
    },
    border = {
      kind = "choice",
      values = { "none", "single", "double", "rounded", "solid", "shadow" },
      default = "single",
      description = "Border of a float, as |nvim_open_win()| names it.",
    },
  }),
  attach = group("Windows that show an agent.", { "where", "split", "size", "winbar" }, {
    where = {
      kind = "choice",
      values = { "split", "tab", "float", "pane" },
      default = "split",
      description = "Where `:Orchflow attach` shows an agent: a split, a tab page, a float, or its tmux pane.",
    },
    split = {
      kind = "choice",
      values = { "right", "left", "below", "above" },
      default = "right",
      description = "Side of the editor that such a window takes.",
    },
    size = {
      kind = "number",
      least = 0.1,
      most = 0.9,
      default = 0.45,
      description = "Size of the window, as a share of the editor's width or height. At a side it never leaves "
        .. "the editor less than 100 columns; where that cannot be, a window asked for opens below.",
    },
    winbar = {
      kind = "boolean",
      default = true,
      description = "Whether such a window has a winbar with the agent's state.",
    },
  }),
  picker = {
    kind = "choice",
    values = { "auto", "select", "telescope", "fzf-lua" },
    default = "auto",
    description = "What shows `:Orchflow pick`. auto takes `vim.ui.select` where a plugin has made it its own, else "
      .. "telescope.nvim or fzf-lua where one is installed.",
  },
  notify = group(
    "What you are told of, wherever you are in the editor; once for each change.",
    { "approval", "question", "failed", "undelivered", "finished" },
    {
      approval = told("An agent asks for a permission."),
      question = told("An agent waits for you in its terminal."),
      failed = told("An agent failed."),
      undelivered = told("A prompt did not arrive."),
      finished = told("An agent is done, and has hunks you have not seen."),
    }
  ),
  icons = group(
    'What marks an agent\'s state; any short text. `icons = "nerd"` is short for `icons = { style = "nerd" }`.',
    {
      "style",
      "waiting",
      "unknown",
      "working",
      "starting",
      "idle",
      "paused",
      "done",
      "failed",
      "stopped",
      "exited",
    },
    {
      style = {
        kind = "choice",
        values = { "plain", "nerd" },
        default = "plain",
        description = "Where the marks that are not given come from: plain ones are ASCII, nerd ones want a Nerd Font "
          .. "(https://www.nerdfonts.com) in the terminal.",
      },
      waiting = { kind = "string", default = "!", description = "It waits for the human." },
      unknown = { kind = "string", default = "?", description = "Nobody can say." },
      working = { kind = "string", default = ">", description = "It works." },
      starting = { kind = "string", default = ".", description = "It starts." },
      idle = { kind = "string", default = "-", description = "It has nothing to do." },
      paused = { kind = "string", default = "=", description = "It was halted where it stood." },
      done = { kind = "string", default = "+", description = "Its turn is done." },
      failed = { kind = "string", default = "x", description = "Its turn failed." },
      stopped = { kind = "string", default = "#", description = "It was stopped." },
      exited = { kind = "string", default = "#", description = "Its program ended." },
    },
    "style"
  ),
  keys = group(
    "Buffer-local keys; `false` leaves a key alone. Global ones are there only where `prefix` asks for them; "
      .. '`keys = "<leader>o"` is short for `keys = { prefix = "<leader>o" }`.',
    {
      "prefix",
      "send",
      "accept",
      "reject",
      "reject_silently",
      "comment",
      "accept_file",
      "reject_file",
      "accept_lines",
      "reject_lines",
      "comment_lines",
      "undo",
      "redo",
      "again",
      "show",
      "next",
      "previous",
      "next_rival",
      "previous_rival",
      "why",
      "inline",
      "side_by_side",
      "side_by_side_base",
      "agents_file",
      "my_file",
      "reload",
      "help",
    },
    {
      prefix = key(
        false,
        "Prefix of global mappings, see |orchflow-prefix|. Without it there are none."
      ),
      send = key("<C-s>", "Send the prompt (prompt buffer, in Normal and Insert mode)."),
      accept = key("a", "Accept the hunk (quickfix window, review buffer)."),
      reject = key("x", "Reject the hunk with a reason (quickfix window, review buffer)."),
      reject_silently = key("X", "Reject the hunk without a reason (review buffer)."),
      comment = key("c", "Comment on the hunk (quickfix window, review buffer)."),
      accept_file = key("ga", "Accept all undecided hunks of the file (review buffer)."),
      reject_file = key("gx", "Reject all undecided hunks of the file (review buffer)."),
      accept_lines = key("A", "Accept the selected lines (review buffer, visual mode)."),
      reject_lines = key("X", "Reject the selected lines (review buffer, visual mode)."),
      comment_lines = key("C", "Comment on the selected lines (review buffer, visual mode)."),
      undo = key("u", "Undo the last decision (quickfix window, review buffer)."),
      redo = key("<C-r>", "Make again what was undone (review buffer)."),
      again = key(".", "Decide like the last time, with the same reason (review buffer)."),
      show = key("=", "Show the entry's hunk in a review buffer (quickfix window)."),
      next = key("]h", "Go to the next undecided hunk (review buffer)."),
      previous = key("[h", "Go to the undecided hunk before (review buffer)."),
      next_rival = key("]r", "Go to the next rival of the hunk (review buffer)."),
      previous_rival = key("[r", "Go to the rival before (review buffer)."),
      why = key("K", "Show why the hunk is as it is (review buffer)."),
      inline = key("=", "Show removed lines, only added ones, or no marks (review buffer)."),
      side_by_side = key("dv", "Compare with your own file side by side (review buffer)."),
      side_by_side_base = key("dV", "Compare with what the agent began from (review buffer)."),
      agents_file = key("i", "Open the agent's own file in its worktree (review buffer)."),
      my_file = key("o", "Open your own file at the place (review buffer)."),
      reload = key("R", "Load the newer version of the file (review buffer)."),
      help = key("g?", "Show the keys of the buffer."),
    },
    "prefix"
  ),
})
