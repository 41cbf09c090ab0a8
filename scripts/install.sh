#!/usr/bin/env bash
# install.sh: put the programs, the Neovim plugin and the shell completions in place.
#
#   PREFIX=~/.local DESTDIR= scripts/install.sh [--remove]
#
# $DESTDIR stands in front of every path, for packagers. The plugin goes where Neovim finds
# it without a plugin manager: below $XDG_DATA_HOME for a prefix in the home folder, else
# below PREFIX/share.
set -euo pipefail
. "$(cd "$(dirname -- "$0")" && pwd -P)/lib/common.sh"
cd "$root"

remove=0
case ${1:-} in
  '') ;;
  --remove) remove=1 ;;
  *) sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
esac

prefix=${PREFIX:-$HOME/.local}
[[ $prefix == '~'* ]] && prefix=$HOME${prefix#'~'}
[[ $prefix == /* ]] || die "PREFIX must be an absolute path, not '$prefix'"
stage=${DESTDIR:-}

share=$prefix/share
[[ $prefix == "$HOME/.local" ]] && share=${XDG_DATA_HOME:-$prefix/share}
bin=$stage$prefix/bin
plugin=$stage$share/nvim/site/pack/orchflow/start/orchflow
completions=(
  "bash $stage$share/bash-completion/completions/orchflow"
  "zsh $stage$share/zsh/site-functions/_orchflow"
  "fish $stage$share/fish/vendor_completions.d/orchflow.fish"
)

if ((remove)); then
  rm -f -- "$bin/orchflow" "$bin/orchflow-hook"
  for entry in "${completions[@]}"; do rm -f -- "${entry#* }"; done
  # Only what we put there: our own folder, known by its marker.
  [[ -f $plugin/.orchflow-installed ]] && rm -rf -- "$plugin"
  say "removed from $stage$prefix"
  exit 0
fi

if [[ ! -x $target/release/orchflow || ! -x $target/release/orchflow-hook ]]; then
  need_git_and_cargo
  build_release
fi
if [[ -e $plugin && ! -f $plugin/.orchflow-installed ]]; then
  die "$plugin exists and was not put there by this script: move it away first"
fi

install -d -- "$bin"
# A running host or agent keeps its own copy: the new file takes the name, not the place.
for program in orchflow orchflow-hook; do
  install -m 755 -- "$target/release/$program" "$bin/.$program.new"
  mv -f -- "$bin/.$program.new" "$bin/$program"
done

rm -rf -- "$plugin"
install -d -- "$plugin"
cp -R -- plugin lua doc "$plugin/"
rm -f -- "$plugin/doc/tags"
# By this the plugin finds its programs where PATH does not lead to them.
printf '%s\n' "$prefix/bin/orchflow" >"$plugin/.orchflow-installed"
if nvim=$(command -v nvim); then
  DOC=$plugin/doc "$nvim" --clean --headless -c 'execute "helptags" fnameescape($DOC)' -c qa 2>/dev/null || true
fi

for entry in "${completions[@]}"; do
  install -d -- "$(dirname -- "${entry#* }")"
  "$target/release/orchflow" completions "${entry%% *}" >"${entry#* }" </dev/null
done

say "installed: $bin/orchflow, $bin/orchflow-hook, $plugin"
[[ -n $stage ]] && exit 0
case :$PATH: in
  *:"$prefix/bin":*) ;;
  *) say "note: $prefix/bin is not on your PATH: the plugin finds it all the same, your shell does not" ;;
esac
case :${XDG_DATA_HOME:-$HOME/.local/share}:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}: in
  *:"$share":* | *:"$share/":*) ;;
  *) say "note: Neovim does not look below $share; put this into your init.lua:  vim.opt.packpath:prepend([[$share/nvim/site]])" ;;
esac
have nvim && at_least "$(nvim_version nvim)" 0.10 || say "note: Neovim 0.10 or newer is needed for the plugin"
say "try it: cd into a git repository, nvim, :checkhealth orchflow"
