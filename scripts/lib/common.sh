# shellcheck shell=bash
# Common ground of the scripts: where things are, how they speak, how they find tools.
# Sourced, never run. Messages go to standard error; standard output is data.

root=$(cd "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
# What the scripts fetch lives here, never in the system.
deps=${ORCHFLOW_DEPS:-$root/.deps}
target=${CARGO_TARGET_DIR:-$root/target}
[[ $target == /* ]] || target=$root/$target

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# at_least FOUND WANTED: compares dotted versions.
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# Runs a command as root, or fails: as it stands when we are root, by sudo when that
# asks for no password.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif have sudo && sudo -n true 2>/dev/null; then
    sudo -n -- "$@"
  else
    return 1
  fi
}

# apt_install PROGRAM PACKAGE…: installs Debian packages when a program is missing and we
# may. Succeeds when the program is there in the end.
apt_install() {
  have "$1" && return 0
  have apt-get || return 1
  say "installing ${*:2} with apt-get"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update >&2 || return 1
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -y --no-install-recommends install "${@:2}" >&2 </dev/null || return 1
  hash -r
  have "$1"
}

# The version of a Neovim, such as 0.10.4; empty when it does not run.
nvim_version() {
  "$1" --version 2>/dev/null | sed -n '1s/^NVIM v\([0-9.]*\).*/\1/p'
}

# Prints a Neovim of at least 0.10, fetching one when there is none.
find_nvim() {
  local candidate
  for candidate in "${NVIM_PROGRAM:-}" nvim "$deps/nvim/bin/nvim" "$deps/nvim-0.12/bin/nvim" "$deps/nvim-0.10/bin/nvim"; do
    [[ -n $candidate ]] && have "$candidate" || continue
    if at_least "$(nvim_version "$candidate")" 0.10; then
      command -v "$candidate"
      return 0
    fi
  done
  say "no Neovim 0.10 or newer here: fetching one into $deps/nvim (nothing is installed in the system)"
  # Testing has the newest; stable does not move. Either will do.
  "$root/scripts/get-nvim.sh" --suite forky "$deps/nvim" >&2 ||
    "$root/scripts/get-nvim.sh" --suite trixie --want 0.10 "$deps/nvim" >&2 ||
    die "a Neovim 0.10 or newer is needed and could not be fetched; install one (https://github.com/neovim/neovim/releases) and run this again, or set NVIM_PROGRAM"
  printf '%s\n' "$deps/nvim/bin/nvim"
}

# Ends with a clear message where the tools that nothing works without are missing.
need_git_and_cargo() {
  have cargo || die "cargo is missing: install Rust 1.95 or newer from https://rustup.rs, then run this again"
  apt_install git git || die "git is missing: install git 2.38 or newer, then run this again"
  at_least "$(git --version | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1)" 2.38 ||
    die "$(git --version) is too old: git 2.38 or newer is needed"
  apt_install cc gcc libc6-dev || die "a C compiler is missing (SQLite is built from source): install gcc or clang, then run this again"
}

# build_release: builds both programs. The hook runs at every action of every agent, so it
# is linked statically where the C library allows: that saves the dynamic loader's time.
build_release() {
  (
    cd "$root" || exit 1
    cargo build --release --locked -p orchflow --bin orchflow || exit 1
    if [[ $(uname -s) == Linux ]] &&
      cargo rustc --release --locked -p orchflow-hook --bin orchflow-hook -- -C target-feature=+crt-static 2>"$target/static-hook.log"; then
      :
    else
      say "the hook cannot be linked statically here ($target/static-hook.log): building it dynamically, it works the same, a little slower"
      cargo build --release --locked -p orchflow-hook --bin orchflow-hook || exit 1
    fi
  )
}
