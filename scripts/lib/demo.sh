# shellcheck shell=bash
# The demo's own world: a sample repository and private folders, so that it neither needs
# nor touches anything of the user's but the agents' logins. Sourced after common.sh.

demo=$deps/demo
objective='Make the greeting configurable and cover it with a test'

# The programs to show: release, or debug for the tests.
demo_programs() {
  local profile=${ORCHFLOW_DEMO_PROFILE:-release}
  programs=$target/$profile
  if [[ $profile == release ]]; then
    say "building orchflow (release): some minutes the first time"
    build_release || die "the build failed; its message stands above"
  fi
  [[ -x $programs/orchflow ]] || die "$programs/orchflow is missing: make build"
}

demo_environment() {
  export XDG_CONFIG_HOME=$demo/config XDG_DATA_HOME=$demo/data XDG_STATE_HOME=$demo/state XDG_CACHE_HOME=$demo/cache
  XDG_RUNTIME_DIR=$(<"$demo/runtime")
  export XDG_RUNTIME_DIR PATH="$programs:$PATH"
  local name
  for name in $(compgen -e); do
    case $name in GIT_* | NVIM | NVIM_* | VIM | VIMRUNTIME | ORCHFLOW_SOCKET | ORCHFLOW_AGENT | ORCHFLOW_TOKEN | ORCHFLOW_SPOOL) unset "$name" ;; esac
  done
}

# Ends agents and host of the demo: those of its own folders, no others.
demo_stop() {
  [[ -s $demo/runtime && -d $demo/greet/.git ]] || return 0
  (
    demo_environment
    cd "$demo/greet" || exit 0
    # Either may have nothing left to end.
    timeout 20 orchflow stop all </dev/null >/dev/null 2>&1
    timeout 20 orchflow host stop </dev/null >/dev/null 2>&1
  ) || true
}

# The end of a demo: its sockets go, its repository stays to be looked at.
demo_end() {
  demo_stop
  if [[ -s $demo/runtime ]]; then rm -rf -- "$(<"$demo/runtime")"; fi
  rm -f -- "$demo/runtime" "$demo/pid"
}

# Clears what an earlier demo left and makes a fresh world.
demo_fresh() {
  local other
  if [[ -s $demo/pid ]] && other=$(<"$demo/pid") && [[ $other != "$$" ]] && kill -0 "$other" 2>/dev/null &&
    [[ $(tr '\0' ' ' <"/proc/$other/cmdline" 2>/dev/null) == *"${0##*/}"* ]]; then
    die "another demo runs already (process $other)"
  fi
  demo_end
  # The worktrees' folders are removed with the rest; nothing outside the demo knows them.
  rm -rf -- "$demo"
  mkdir -p "$demo"/{config/nvim,data,state,cache}
  printf '%s\n' $$ >"$demo/pid"
  # A socket's path may have 107 bytes, and this clone may lie deep.
  mktemp -d /tmp/orchflow-demo.XXXXXX >"$demo/runtime"
  "$root/scripts/sample.sh" "$demo/greet"
}

# Which agents: the installed ones first, rehearsals for the rest of three.
demo_agents() {
  local kinds=()
  if [[ -n ${ORCHFLOW_DEMO_AGENTS:-} ]]; then
    agents=$ORCHFLOW_DEMO_AGENTS
    return
  fi
  have claude && kinds+=(claude)
  if ((${#kinds[@]})); then
    say "found: ${kinds[*]}. It works with your own login and account; AGENTS=rehearsal,rehearsal,rehearsal make run keeps it out."
  else
    say "no agent program found (claude): rehearsals play all three parts, offline and without a model."
  fi
  while ((${#kinds[@]} < 3)); do kinds+=(rehearsal); done
  agents=$(IFS=,; printf '%s' "${kinds[*]}")
}
