#!/usr/bin/env bash
# demo.sh: build orchflow and show it at work on a sample repository with three agents.
#
# In a terminal it opens Neovim (in tmux where there is one). Without a terminal it does the
# same headless, and prints status, timeline and review.
#
#   AGENTS=LIST   which agents (default: claude where installed, rehearsals for the rest)
set -euo pipefail
. "$(cd "$(dirname -- "$0")" && pwd -P)/lib/common.sh"
. "$root/scripts/lib/demo.sh"

: "${ORCHFLOW_DEMO_AGENTS:=${AGENTS:-}}"
need_git_and_cargo
demo_programs
interactive=0
if [[ -t 0 && -t 1 ]]; then
  interactive=1
  nvim=$(find_nvim)
fi
demo_fresh
demo_environment
demo_agents
trap demo_end EXIT
trap 'exit 130' INT TERM HUP
cd "$demo/greet"

headless() {
  local code=0 flags=(--on-approval deny --timeout 120s)
  printf '\n$ orchflow swarm --wait --agents %s %s\n' "$agents" "$objective"
  orchflow swarm --wait "${flags[@]}" --view none --agents "$agents" "$objective" </dev/null || code=$?
  case $code in
    0) ;;
    1) printf '(an agent failed; what it did is still there)\n' ;;
    3) printf '(an agent waits for a human; the others went on)\n' ;;
    4) printf '(an agent needs longer than two minutes; this demo ends here)\n' ;;
    *) die "swarm ended with code $code" ;;
  esac
  printf '\n$ orchflow status\n'
  orchflow status </dev/null
  printf '\n$ orchflow log --limit 25        (in Neovim: :Orchflow timeline)\n'
  orchflow log --limit 25 </dev/null
  printf '\n$ orchflow review\n'
  orchflow review </dev/null
  printf '\nThe same with windows: run `make run` in a terminal. The repository: %s\n' "$demo/greet"
}

if ((!interactive)); then
  headless
  exit 0
fi

# :help works without writing tags into the clone.
mkdir -p "$demo/config/nvim/doc"
cp "$root"/doc/*.txt "$demo/config/nvim/doc/"
cat >"$demo/config/nvim/init.lua" <<'LUA'
-- The demo's Neovim: nothing but orchflow.
vim.opt.runtimepath:prepend(vim.env.ORCHFLOW_DEMO_ROOT)
vim.cmd("silent! helptags " .. vim.fn.fnameescape(vim.fn.stdpath("config") .. "/doc"))
vim.o.number = true
vim.o.termguicolors = true
vim.o.updatetime = 300
vim.api.nvim_create_autocmd("VimEnter", {
  once = true,
  callback = function()
    vim.cmd("Orchflow swarm --agents " .. vim.env.ORCHFLOW_DEMO_AGENTS .. " " .. vim.env.ORCHFLOW_DEMO_OBJECTIVE)
  end,
})
LUA
export ORCHFLOW_DEMO_ROOT=$root ORCHFLOW_DEMO_AGENTS=$agents ORCHFLOW_DEMO_OBJECTIVE=$objective
say "in Neovim: :Orchflow status, :Orchflow timeline, :Orchflow review, :help orchflow; :qa ends the demo"

editor=("$nvim" greet/__init__.py)
if [[ -n ${TMUX:-} ]]; then
  "${editor[@]}"
elif have tmux; then
  cat >"$demo/tmux.conf" <<'CONF'
set -g default-terminal "screen-256color"
set -ga terminal-overrides ",*:Tc"
set -sg escape-time 10
set -g focus-events on
set -g mouse on
set -g history-limit 5000
set -g pane-border-status top
set -g pane-border-format " #[fg=#aab2c0]#{pane_title} "
set -g status-style "bg=#262a33,fg=#aab2c0"
set -g pane-border-style "fg=#4a5162"
set -g pane-active-border-style "fg=#9ec07c"
set -g status-right ""
set -g status-left " orchflow demo   C-b arrow: to another pane   :Orchflow review   :qa ends "
set -g status-left-length 90
set -g window-status-format ""
set -g window-status-current-format ""
CONF
  # A server of its own: when Neovim ends, so does all of it.
  tmux -S "$XDG_RUNTIME_DIR/tmux" -f "$demo/tmux.conf" new-session -s orchflow -n demo \
    bash -c '"$@"; tmux kill-session' _ "${editor[@]}" \; select-pane -T Neovim || true
else
  say "no tmux here: the agents' terminals open as windows of Neovim"
  "${editor[@]}"
fi
say "the demo's agents are stopped. Their work stays in $demo/greet until the next run."
