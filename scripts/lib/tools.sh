# shellcheck shell=bash
# What the tests need beyond Rust, fetched into .deps. Sourced after common.sh.
# Every function prints where its tool is, or fails with a reason on standard error.

# Versions that the tests were written against.
STYLUA=2.5.2
EMMYLUA=0.25.1
CLAUDE_CODE=2.1.329

# fetch_nvim 0.10|0.12
fetch_nvim() {
  local want=$1 suite=forky
  [[ $want == 0.10 ]] && suite=trixie
  "$root/scripts/get-nvim.sh" --suite "$suite" --want "$want" "$deps/nvim-$want" >&2 || return 1
  printf '%s\n' "$deps/nvim-$want/bin/nvim"
}

fetch_tmux() {
  "$root/scripts/get-tmux.sh" --suite forky "$deps/tmux-new" >&2 || return 1
  printf '%s\n' "$deps/tmux-new/bin/tmux"
}

fetch_luacheck() {
  if have luacheck; then command -v luacheck && return 0; fi
  "$root/scripts/get-luacheck.sh" "$deps/luacheck" >&2 || return 1
  printf '%s\n' "$deps/luacheck/bin/luacheck"
}

fetch_shellcheck() {
  if have shellcheck; then command -v shellcheck && return 0; fi
  "$root/scripts/get-debian.sh" --suite trixie --package shellcheck --program usr/bin/shellcheck --unpatched "$deps/shellcheck" >&2 || return 1
  printf '%s\n' "$deps/shellcheck/bin/shellcheck"
}

# npm_fetch FOLDER PACKAGE@VERSION: installs an npm package without running scripts.
npm_fetch() {
  local folder=$deps/$1 package=$2 stamp
  have node && have npm || { say "no Node and npm here for $package"; return 1; }
  stamp=$folder/.package
  if [[ ! -f $stamp || $(<"$stamp") != "$package" ]]; then
    say "fetching $package from npm"
    mkdir -p "$folder"
    npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error "$package" >&2 </dev/null || return 1
    printf '%s\n' "$package" >"$stamp"
  fi
  printf '%s\n' "$folder"
}

# cargo_fetch PROGRAM PACKAGE VERSION: builds a tool from crates.io, once.
cargo_fetch() {
  if have "$1"; then command -v "$1" && return 0; fi
  if [[ ! -x $deps/cargo/bin/$1 ]]; then
    say "building $2 $3 from crates.io: some minutes, once"
    env -u CARGO_TARGET_DIR cargo install --quiet --locked --root "$deps/cargo" "$2@$3" >&2 </dev/null || return 1
  fi
  printf '%s\n' "$deps/cargo/bin/$1"
}

# Formats (or with --check checks) Lua: the stylua program where there is one, else its
# WebAssembly build under Node, else stylua built from source.
lua_format() {
  local folder program
  if have stylua; then
    stylua "$@"
  elif folder=$(npm_fetch stylua "@johnnymorganz/stylua@$STYLUA"); then
    node "$root/scripts/lib/lua-format.mjs" "$folder" "$@"
  elif program=$(cargo_fetch stylua stylua "$STYLUA"); then
    "$program" "$@"
  else
    return 1
  fi
}

fetch_emmylua() { cargo_fetch emmylua_check emmylua_check "$EMMYLUA"; }

# The real Claude Code, for tests against the model server of tests/support; it never
# reaches the network there.
fetch_claude() {
  local folder program
  folder=$(npm_fetch claude "@anthropic-ai/claude-code@$CLAUDE_CODE") || return 1
  program=$folder/node_modules/.bin/claude
  DISABLE_AUTOUPDATER=1 "$program" --version >/dev/null 2>&1 </dev/null || {
    # The package puts its native program in place by an install script, which npm was told not to run.
    (cd "$folder/node_modules/@anthropic-ai/claude-code" && node install.cjs) >&2 </dev/null || return 1
  }
  printf '%s\n' "$program"
}

# The Lua that is ours, for formatters and linters.
lua_paths() { (cd "$root" && for path in plugin lua tests/nvim; do [[ -e $path ]] && printf '%s\n' "$path"; done); }
