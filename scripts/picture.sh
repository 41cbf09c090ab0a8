#!/usr/bin/env bash
# picture.sh: make doc/picture.svg and doc/recording.svg from the running program: the demo with three rehearsals in
# tmux, as a terminal shows it. Nothing is drawn by hand.
#
#   COLUMNS_WANTED=150 LINES_WANTED=42 scripts/picture.sh [FOLDER]
set -euo pipefail
. "$(cd "$(dirname -- "$0")" && pwd -P)/lib/common.sh"
. "$root/scripts/lib/demo.sh"
folder=${1:-$root/doc}
columns=${COLUMNS_WANTED:-170} lines=${LINES_WANTED:-44}
have tmux || die "tmux is missing"
have python3 || die "python3 is missing"

programs=$target/${ORCHFLOW_DEMO_PROFILE:-release}
work=$(mktemp -d /tmp/orchflow-picture.XXXXXX)
recorder=
outer() { env -u TMUX tmux -S "$work/outer" "$@"; }
end_all() {
  [[ -z $recorder ]] || kill "$recorder" 2>/dev/null || true
  outer kill-server 2>/dev/null || true
  # The demo ends what it started; where it was cut off, this does.
  demo_end
  rm -rf -- "$work"
}
trap end_all EXIT

# The demo's own tmux runs inside a pane of an outer one, whose screen is what a person sees.
outer -f /dev/null new-session -d -x "$columns" -y "$lines" \
  env -u TMUX -u TMUX_PANE TERM=screen-256color AGENTS=rehearsal,rehearsal,rehearsal \
  ORCHFLOW_DEMO_PROFILE="${ORCHFLOW_DEMO_PROFILE:-release}" "$root/scripts/demo.sh"
outer set -g status off

screen() { outer capture-pane -p -t 0; }
pause() { read -r -t "$1" <> <(:) || true; }
wait_for() { # WHAT PATTERN SECONDS
  local end=$((SECONDS + $3))
  until screen | grep -qE "$2"; do
    ((SECONDS < end)) || { screen >&2; die "waited $3 s for $1"; }
    pause 0.2
  done
}
keys() { outer send-keys -t 0 "$@"; }
say_to_neovim() { keys -l ":$1"; pause 0.6; keys Enter; }

# record: keeps each frame that differs from the one before, named by its time in milliseconds.
record() {
  local frame last=
  mkdir -p "$work/frames"
  while :; do
    frame=$(outer capture-pane -e -p -N -t 0) || return 0
    if [[ $frame != "$last" ]]; then
      printf '%s\n' "$frame" >"$work/frames/$(($(date +%s%N) / 1000000)).txt"
      last=$frame
    fi
    pause 0.1
  done
}

wait_for "Neovim and the agents" 'REHEARSAL' 900
record &
recorder=$!
# The demo's orchflow, asked from outside as a script would.
runtime=$(<"$deps/demo/runtime")
programs=$target/${ORCHFLOW_DEMO_PROFILE:-release}
pause 1.5
keys Escape Escape
say_to_neovim Orchflow
wait_for "the dashboard" 'rehearsal.*(working|done|needs)' 30
pause 2.5
keys q
say_to_neovim 'Orchflow timeline'
wait_for "the timeline" 'LIVE' 30
(
  cd "$deps/demo/greet"
  XDG_CONFIG_HOME=$deps/demo/config XDG_DATA_HOME=$deps/demo/data XDG_STATE_HOME=$deps/demo/state \
    XDG_CACHE_HOME=$deps/demo/cache XDG_RUNTIME_DIR=$runtime \
    "$programs/orchflow" wait --on-approval deny --timeout 60s >/dev/null </dev/null
) || say "the run did not settle; the picture shows it as it is"
pause 1
keys -l '?changed greet'
keys Enter
pause 1
keys Tab
pause 3
keys q
say_to_neovim 'Orchflow review'
wait_for "the review" 'h_[0-9a-f]{4}|rehearsal[^|]*\+[0-9]+' 30
pause 2
outer capture-pane -e -p -N -t 0 | python3 "$root/scripts/picture.py" --columns "$columns" --title 'make run' >"$work/picture.svg"
keys a
pause 2.5
kill "$recorder" 2>/dev/null || true
wait "$recorder" 2>/dev/null || true
recorder=
python3 "$root/scripts/picture.py" --frames "$work/frames" --columns "$columns" --title 'make run' >"$work/recording.svg"
mv -- "$work/picture.svg" "$folder/picture.svg"
mv -- "$work/recording.svg" "$folder/recording.svg"
keys Escape ':qa!' Enter
for _ in {1..100}; do
  outer has-session 2>/dev/null || break
  pause 0.2
done
say "$folder/picture.svg"
say "$folder/recording.svg"
