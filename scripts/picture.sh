#!/usr/bin/env bash
# picture.sh: make doc/picture.svg from the running program: the demo with three rehearsals in
# tmux, its review open, as a terminal shows it. Nothing is drawn by hand.
#
#   COLUMNS_WANTED=150 LINES_WANTED=42 scripts/picture.sh [OUTPUT]
set -euo pipefail
. "$(cd "$(dirname -- "$0")" && pwd -P)/lib/common.sh"
output=${1:-$root/doc/picture.svg}
columns=${COLUMNS_WANTED:-170} lines=${LINES_WANTED:-44}
have tmux || die "tmux is missing"
have python3 || die "python3 is missing"

work=$(mktemp -d /tmp/orchflow-picture.XXXXXX)
outer() { env -u TMUX tmux -S "$work/outer" "$@"; }
trap 'outer kill-server 2>/dev/null || true; rm -rf -- "$work"' EXIT

# The demo's own tmux runs inside a pane of an outer one, whose screen is what a person sees.
outer -f /dev/null new-session -d -x "$columns" -y "$lines" \
  env -u TMUX -u TMUX_PANE TERM=screen-256color AGENTS=rehearsal,rehearsal,rehearsal \
  ORCHFLOW_DEMO_PROFILE="${ORCHFLOW_DEMO_PROFILE:-release}" "$root/scripts/demo.sh"
outer set -g status off

screen() { outer capture-pane -p -t 0; }
wait_for() { # WHAT PATTERN SECONDS
  local end=$((SECONDS + $3))
  until screen | grep -qE "$2"; do
    ((SECONDS < end)) || { screen >&2; die "waited $3 s for $1"; }
    read -r -t 0.2 <> <(:) || true
  done
}
keys() { outer send-keys -t 0 "$@"; }

wait_for "Neovim and the agents" 'REHEARSAL' 900
# The demo's orchflow, asked from outside as a script would.
runtime=$(<"$deps/demo/runtime")
programs=$target/${ORCHFLOW_DEMO_PROFILE:-release}
(
  cd "$deps/demo/greet"
  XDG_CONFIG_HOME=$deps/demo/config XDG_DATA_HOME=$deps/demo/data XDG_STATE_HOME=$deps/demo/state \
    XDG_CACHE_HOME=$deps/demo/cache XDG_RUNTIME_DIR=$runtime \
    "$programs/orchflow" wait --on-approval deny --timeout 60s >/dev/null </dev/null
) || say "the run did not settle; the picture shows it as it is"
keys Escape Escape ':Orchflow review' Enter
wait_for "the review" 'h_[0-9a-f]{4}|rehearsal[^|]*\+[0-9]+' 30
outer capture-pane -e -p -N -t 0 | python3 "$root/scripts/picture.py" --columns "$columns" --title 'make run' >"$work/picture.svg"
mv -- "$work/picture.svg" "$output"
keys Escape ':qa!' Enter
say "$output"
