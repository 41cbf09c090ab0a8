#!/usr/bin/env bash
# test.sh: everything that is tested, with what it needs fetched first.
#
#   scripts/test.sh [FAMILY…]     families: see the calls at the end of this file
#
# Nothing stops at the first failure; the last lines are one summary. Exit 0 when all
# that ran passed and something ran in every family that could, else 1.
# A test that cannot run here says "skipped: NAME: REASON" and is counted.
set -uo pipefail
. "$(cd "$(dirname -- "$0")" && pwd -P)/lib/common.sh"
. "$root/scripts/lib/tools.sh"
cd "$root" || exit 1

only=("$@")
logs=$target/test-logs
mkdir -p "$logs" "$deps"
# Nothing of the terminal, editor or agent this was started from may reach a test.
for name in $(compgen -e); do
  case $name in
    TMUX | TMUX_PANE | WEZTERM_* | TERM_PROGRAM | NVIM | NVIM_* | VIM | VIMRUNTIME | GIT_* | ORCHFLOW_SOCKET | ORCHFLOW_AGENT | ORCHFLOW_TOKEN | ORCHFLOW_SPOOL) unset "$name" ;;
  esac
done
export LC_ALL=C.UTF-8 CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}

families=() failures=0 started=$SECONDS
passed=0 failed=0 skipped=0 said=()

wanted() {
  ((${#only[@]} == 0)) && return 0
  local name
  for name in "${only[@]}"; do [[ $name == "$1" ]] && return 0; done
  return 1
}

begin() {
  passed=0 failed=0 skipped=0 began=$SECONDS
  say "" "== $1"
}

finish() {
  families+=("$(printf '%-12s %5d passed, %d failed, %d skipped  %4d s' "$1" "$passed" "$failed" "$skipped" $((SECONDS - began)))")
  ((failures += failed))
  say "== $1: $passed passed, $failed failed, $skipped skipped"
}

skip() { # NAME REASON
  ((skipped += 1))
  said+=("skipped: $1: $2")
  say "skipped: $1: $2"
}

# check NAME COMMAND…: one thing that passes or fails as a whole.
check() {
  local name=$1
  shift
  if "$@" </dev/null 2>&1 | tee "$logs/$name.log" >&2; then
    ((passed += 1))
  else
    ((failed += 1))
    say "FAILED: $name ($*)"
  fi
}

# Counts the lines by which tests say that they skipped themselves.
count_skips() {
  local line
  while IFS= read -r line; do
    ((skipped += 1))
    said+=("$line")
  done < <(grep -aoiE '(^|>)[[:space:]]*skip(ped)?:? [^<]*' "$1" | sed 's/^>*[[:space:]]*//' | sort -u)
}

# The last "N WORD" in a log.
number_of() { grep -aoE "[0-9]+ $1" "$2" | tail -n 1 | grep -oE '^[0-9]+' || printf '0\n'; }

family_lint() {
  check format cargo fmt --all --check
  check format-bench cargo fmt --manifest-path tests/bench/probe/Cargo.toml --check
  check clippy cargo clippy --workspace --all-targets --locked -- -D warnings
  RUSTDOCFLAGS='-D warnings' check rustdoc cargo doc --workspace --no-deps --locked
}

family_shell() {
  local program file
  mapfile -t files < <(printf '%s\n' .ci/run; find scripts tests -name '*.sh' -type f)
  for file in "${files[@]}"; do check "syntax-${file//\//-}" bash -n "$file"; done
  if program=$(fetch_shellcheck); then
    check shellcheck "$program" --severity=warning --shell=bash --exclude=SC1091,SC2034,SC2154 "${files[@]}"
  else
    skip shellcheck "not here and not fetched"
  fi
  if have python3; then
    check picture python3 scripts/picture.py --self-test
    check agents-document python3 tests/agents/run.py --check
    PYTHONDONTWRITEBYTECODE=1 check bench-driver python3 tests/bench/run.py --list
  else
    skip picture "no python3 here"
    skip bench-driver "no python3 here"
  fi
}

family_rust() {
  local log=$logs/rust.log junit=$target/nextest/default/junit.xml
  check build cargo build --locked -p orchflow -p orchflow-hook
  if cargo nextest --version >/dev/null 2>&1; then
    rm -f "$junit"
    cargo nextest run --workspace --locked --config-file scripts/lib/nextest.toml </dev/null 2>&1 | tee "$log" >&2
    local status=$? bad tally
    tally=$(grep -aE '^ +Summary ' "$log" | tail -n 1)
    tallied() { grep -oE "[0-9]+ ($1)" <<<"$tally" | awk '{ n += $1 } END { print n + 0 }'; }
    bad=$(tallied 'failed|timed out')
    ((passed += $(tallied passed), skipped += $(tallied skipped)))
    ((status != 0 && bad == 0)) && bad=1
    ((failed += bad))
    [[ -f $junit ]] && count_skips "$junit"
  else
    say "cargo-nextest is not here: cargo test does it, a little slower"
    cargo test --workspace --locked --all-targets --no-fail-fast -- --show-output </dev/null 2>&1 | tee "$log" >&2
    local status=$? counts
    counts=$(awk '/^test result:/ { p += $4; f += $6; i += $8 } END { print p + 0, f + 0, i + 0 }' "$log")
    read -r p f i <<<"$counts"
    ((status != 0 && f == 0)) && f=1
    ((passed += p, failed += f, skipped += i))
    count_skips "$log"
  fi
  check doctests cargo test --workspace --locked --doc --quiet
}

family_lua() {
  local program paths
  mapfile -t paths < <(lua_paths)
  if have stylua || (have node && have npm) || have cargo; then
    check lua-format lua_format --check "${paths[@]}"
  fi
  if program=$(fetch_luacheck); then
    check luacheck "$program" --no-color "${paths[@]}"
  else
    skip luacheck "not here and not fetched"
  fi
  if program=$(fetch_emmylua); then
    check lua-types lua_types "$program"
  else
    skip lua-types "emmylua_check is not here and could not be built"
  fi
}

# The type checker wants to see Neovim's own Lua. scripts/lib/emmyrc.json switches off what it cannot infer
# through Neovim's annotations (nil after a check by length, callable tables); everything else is an error:
# unknown fields, modules and globals, wrong numbers of parameters and results.
lua_types() {
  local nvim runtime
  nvim=${ORCHFLOW_NVIM_012:-$(find_nvim)} || return 1
  runtime=$("$nvim" --clean --headless +'lua io.stdout:write(vim.env.VIMRUNTIME)' +qa) || return 1
  VIMRUNTIME=$runtime "$1" --severity warn --warnings-as-errors --config .luarc.json,scripts/lib/emmyrc.json .
}

# family_nvim 0.10|0.12
family_nvim() {
  local program log=$logs/nvim-$1.log status
  if [[ ! -x tests/nvim/run.sh ]]; then
    skip "nvim $1" "tests/nvim/run.sh is missing"
    return
  fi
  if ! program=$(fetch_nvim "$1"); then
    skip "nvim $1" "not fetched"
    return
  fi
  ORCHFLOW_BIN=$target/debug/orchflow tests/nvim/run.sh "$program" </dev/null 2>&1 | tee "$log" >&2
  status=$?
  ((passed += $(number_of passed "$log")))
  local bad
  bad=$(number_of failed "$log")
  ((status != 0 && bad == 0)) && bad=1
  ((failed += bad))
  count_skips "$log"
}

# Each script of tests/e2e is one test. Exit 77 says that it cannot run here; its last line why.
family_e2e() {
  local script name log
  for script in tests/e2e/*.sh; do
    [[ -f $script ]] || continue
    name=$(basename -- "$script" .sh)
    log=$logs/e2e-$name.log
    say "-- $script"
    ORCHFLOW_BIN=$target/debug/orchflow timeout 600 bash "$script" </dev/null 2>&1 | tee "$log" >&2
    case ${PIPESTATUS[0]} in
      0)
        ((passed += 1))
        count_skips "$log"
        ;;
      77)
        local why
        why=$(tail -n 1 "$log")
        skip "$name" "${why#"skipped: $name: "}"
        ;;
      *)
        ((failed += 1))
        say "FAILED: $script ($log)"
        ;;
    esac
  done
}

# The demo without a terminal: what `make run` does in a script or a container.
family_demo() {
  if ORCHFLOW_DEMO_AGENTS=rehearsal,rehearsal,rehearsal ORCHFLOW_DEMO_PROFILE=debug \
    check demo-headless bash scripts/demo.sh; then :; fi
}

need_git_and_cargo
apt_install tmux tmux || say "no tmux here, and it may not be installed: one is fetched instead"

# Fetching waits for the network and building for the processor: side by side.
{
  if wanted rust || wanted nvim-0.10 || wanted e2e; then fetch_nvim 0.10; fi
  if wanted rust || wanted nvim-0.12 || wanted e2e || wanted lua; then fetch_nvim 0.12; fi
  if wanted rust || wanted e2e; then
    fetch_tmux
    fetch_claude
  fi
  if wanted lua; then fetch_luacheck; fi
  if wanted shell; then fetch_shellcheck; fi
} >"$logs/fetch.log" 2>&1 </dev/null &
fetching=$!
trap 'kill "$fetching" 2>/dev/null' EXIT

run_family() { # NAME FUNCTION ARGUMENT…
  local name=$1
  shift
  wanted "$name" || return 0
  begin "$name"
  "$@"
  finish "$name"
}

run_family lint family_lint
wait "$fetching"
trap - EXIT
cat "$logs/fetch.log" >&2
[[ -x $deps/nvim-0.10/bin/nvim ]] && export ORCHFLOW_NVIM_010=$deps/nvim-0.10/bin/nvim
[[ -x $deps/nvim-0.12/bin/nvim ]] && export ORCHFLOW_NVIM_012=$deps/nvim-0.12/bin/nvim
[[ -x $deps/tmux-new/bin/tmux ]] && export ORCHFLOW_TMUX_NEW=$deps/tmux-new/bin/tmux
[[ -x $deps/claude/node_modules/.bin/claude ]] && export ORCHFLOW_CLAUDE=$deps/claude/node_modules/.bin/claude
if ! have tmux; then
  if [[ -x $deps/tmux-new/bin/tmux ]]; then
    export PATH=$PATH:$deps/tmux-new/bin
  else
    say "no tmux here: what needs it is skipped aloud"
  fi
fi
export ORCHFLOW_MOCK_MODEL=$root/tests/support/mock-model/mock_llm.mjs

run_family rust family_rust
run_family lua family_lua
run_family nvim-0.10 family_nvim 0.10
run_family nvim-0.12 family_nvim 0.12
run_family e2e family_e2e
run_family demo family_demo
run_family shell family_shell

say ""
((${#said[@]})) && printf '%s\n' "${said[@]}"
printf '\n%s\n' "Summary ($((SECONDS - started)) s)"
printf '  %s\n' "${families[@]}"
if ((failures)); then
  printf '%s failed. Logs: %s\n' "$failures" "$logs"
  exit 1
fi
printf 'All passed.\n'
