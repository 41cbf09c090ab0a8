#!/usr/bin/env bash
# Runs the plugin's tests in a Neovim: tests/nvim/run.sh NVIM [SPEC...]
# With ORCHFLOW_BIN (the path of the orchflow binary) the tests against the real host run as well.
set -euo pipefail

if [ "$#" -lt 1 ]; then
  echo "usage: tests/nvim/run.sh NVIM [SPEC...]" >&2
  exit 2
fi
nvim=$(command -v -- "$1") || {
  echo "tests/nvim/run.sh: $1 is not an executable Neovim" >&2
  exit 2
}
shift
here=$(cd -- "$(dirname -- "$0")" && pwd)

# A home of their own for all of it: nothing of the user's is read, and nothing is left behind.
home=$(mktemp -d "${TMPDIR:-/tmp}/orchflow-nvim.XXXXXX")
trap 'rm -rf -- "$home"' EXIT
mkdir -p "$home/runtime" "$home/config" "$home/data" "$home/state" "$home/cache"
chmod 700 "$home/runtime"
unset VIMRUNTIME VIM NVIM NVIM_LISTEN_ADDRESS MYVIMRC TMUX TMUX_PANE WEZTERM_PANE WEZTERM_UNIX_SOCKET TERM_PROGRAM
export HOME="$home" XDG_RUNTIME_DIR="$home/runtime" XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data"
export XDG_STATE_HOME="$home/state" XDG_CACHE_HOME="$home/cache" NVIM_LOG_FILE="$home/nvim.log"
export TZ=UTC LC_ALL=C.UTF-8

"$nvim" --clean -u NONE -l "$here/runner.lua" "$nvim" "$@"
