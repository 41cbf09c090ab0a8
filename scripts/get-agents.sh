#!/usr/bin/env bash
# get-agents.sh: install the real agent programs that `make test-agents` runs, beside the system's.
#
#   scripts/get-agents.sh [NAME…]     all of them without a name; --list prints the table
#
# Everything goes to .deps/agents (ORCHFLOW_DEPS moves .deps), from npm and PyPI as this machine's own clients are
# set up. $deps/agents/bin holds one link a program and a Node new enough for all of them: put it first in PATH.
# A program whose pinned version stands already is left alone; one that cannot be installed is skipped aloud.
# $deps/agents/READY is written at the end: NAME<tab>VERSION<tab>PATH, one line a program that runs.
# Exit 0 when all that were asked for run, 1 when some were skipped.
set -uo pipefail
. "$(cd "$(dirname -- "$0")" && pwd -P)/lib/common.sh"
. "$root/scripts/lib/tools.sh"

agents=$deps/agents
bin=$agents/bin

# NAME SOURCE PACKAGE VERSION PROGRAM. The versions are those the adapters were written against.
table=(
  "claude   npm  @anthropic-ai/claude-code          $CLAUDE_CODE claude"
  "codex    npm  @openai/codex                      0.169.0  codex"
  "gemini   npm  @google/gemini-cli                 0.61.0   gemini"
  "copilot  npm  @github/copilot                    1.0.102  copilot"
  "opencode npm  opencode-ai                        1.18.33  opencode"
  "qwen     npm  @qwen-code/qwen-code               0.24.4   qwen"
  "aider    pypi aider-chat                         0.86.2   aider"
  "claude-agent-acp npm @agentclientprotocol/claude-agent-acp 0.100.0 claude-agent-acp"
  "codex-acp npm @agentclientprotocol/codex-acp     2.6.0    codex-acp"
)
node_version=22.23.3
skipped=() asked=("$@")

if [[ ${1:-} == --list ]]; then
  printf '%s\n' "${table[@]}"
  exit 0
fi

wanted() {
  ((${#asked[@]} == 0)) && return 0
  local name
  for name in "${asked[@]}"; do [[ $name == "$1" ]] && return 0; done
  return 1
}

skip() {
  skipped+=("$1")
  say "skipped: $1: $2"
}

# Runs a command with no terminal and a limit: what a freshly installed program might ask must not hold us up.
quietly() { timeout 120 "$@" >>"$agents/install.log" 2>&1 </dev/null; }

# install_npm FOLDER PACKAGE VERSION: without install scripts; they run only where the program does not work without.
install_npm() {
  local folder=$agents/$1 package=$2@$3
  [[ -f $folder/.package && $(<"$folder/.package") == "$package" ]] && return 0
  say "fetching $package from npm"
  mkdir -p "$folder"
  rm -f "$folder/.package"
  timeout 900 npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error "$package" \
    >>"$agents/install.log" 2>&1 </dev/null || return 1
}

# Node 22: some of the programs want it, the system's may be older. The package's own install script fetches the build for this
# machine from npm.
get_node() {
  local version
  version=$(node --version 2>/dev/null)
  if at_least "${version#v}" 22.0.0; then
    ln -sfn "$(command -v node)" "$bin/node"
    return 0
  fi
  if [[ ! -x $agents/node/node_modules/node/bin/node ]]; then
    say "fetching node@$node_version from npm"
    mkdir -p "$agents/node"
    timeout 900 npm install --prefix "$agents/node" --no-save --no-audit --no-fund --loglevel=error "node@$node_version" \
      >>"$agents/install.log" 2>&1 </dev/null || return 1
  fi
  ln -sfn "$agents/node/node_modules/node/bin/node" "$bin/node"
  "$bin/node" --version >/dev/null 2>&1
}

runs() { PATH=$bin:$PATH DISABLE_AUTOUPDATER=1 HOME=$agents/home quietly "$1" --version; }

get_npm() { # NAME PACKAGE VERSION PROGRAM
  local folder=$agents/$1 program=$agents/$1/node_modules/.bin/$4
  install_npm "$1" "$2" "$3" || { skip "$1" "npm could not install $2@$3 ($agents/install.log)"; return; }
  if [[ $1 != *-acp ]] && ! runs "$program"; then
    (cd "$folder" && PATH=$bin:$PATH quietly npm rebuild --no-save)
    # Claude Code's script puts its native program in place.
    [[ -f $folder/node_modules/$2/install.cjs ]] && (cd "$folder/node_modules/$2" && quietly "$bin/node" install.cjs)
    runs "$program" || { skip "$1" "$2@$3 is installed and does not run ($agents/install.log)"; return; }
  fi
  [[ -e $program ]] || { skip "$1" "$2@$3 holds no program $4"; return; }
  printf '%s\n' "$2@$3" >"$folder/.package"
  ln -sfn "$program" "$bin/$4"
}

# A Python that aider's pinned dependencies have wheels for.
python_for_wheels() {
  local candidate
  for candidate in python3.12 python3.11 python3.10 python3; do
    "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1 || continue
    command -v "$candidate"
    return 0
  done
  return 1
}

get_pypi() { # NAME PACKAGE VERSION PROGRAM
  local folder=$agents/$1 python stamp=$2==$3
  if [[ ! -f $folder/.package || $(<"$folder/.package") != "$stamp" ]]; then
    python=$(python_for_wheels) || { skip "$1" "$2 needs Python 3.9 to 3.12 with venv, and none is here"; return; }
    say "fetching $stamp from PyPI"
    rm -rf "$folder"
    "$python" -m venv "$folder" >>"$agents/install.log" 2>&1 &&
      timeout 1200 "$folder/bin/pip" install --quiet --disable-pip-version-check "$stamp" >>"$agents/install.log" 2>&1 </dev/null ||
      { skip "$1" "pip could not install $stamp ($agents/install.log)"; return; }
  fi
  runs "$folder/bin/$4" || { skip "$1" "$stamp is installed and does not run ($agents/install.log)"; return; }
  printf '%s\n' "$stamp" >"$folder/.package"
  ln -sfn "$folder/bin/$4" "$bin/$4"
}

mkdir -p "$bin" "$agents/home"
: >"$agents/install.log"
rm -f "$agents/READY"
if have node && have npm; then
  get_node || say "no Node 22 could be fetched: programs that need one are skipped"
  npm_here=1
else
  say "no Node and npm here: of the agents only aider can be installed (install Node 20 or newer, then run this again)"
  npm_here=0
fi
for line in "${table[@]}"; do
  read -r name source package version program <<<"$line"
  wanted "$name" || continue
  if [[ $source == npm ]]; then
    if ((npm_here)); then get_npm "$name" "$package" "$version" "$program"; else skip "$name" "needs Node and npm"; fi
  else
    get_pypi "$name" "$package" "$version" "$program"
  fi
done

for line in "${table[@]}"; do
  read -r name source package version program <<<"$line"
  [[ -e $bin/$program ]] && printf '%s\t%s\t%s\n' "$name" "$version" "$bin/$program"
done >"$agents/READY.part"
mv "$agents/READY.part" "$agents/READY"
cat "$agents/READY"
((${#skipped[@]} == 0)) || { say "skipped: ${skipped[*]}"; exit 1; }
