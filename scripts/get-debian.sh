#!/usr/bin/env bash
# get-debian.sh: unpack a program of some Debian release into a folder of its own,
# next to (never over) the system's packages.
#
#   get-debian.sh --package NAME --program PATH [--program PATH…] [--suite NAME]
#                 [--want VERSION-PREFIX] [--check FILE] [--unpatched] [--force] DEST
#
#   --package  the Debian package, for instance neovim
#   --program  a binary inside it, for instance usr/bin/nvim; it is linked into DEST/bin
#   --suite    Debian suite to take it from (default: forky)
#   --want     refuse any candidate whose version does not begin with this, e.g. 0.12
#   --check    a shell script that must succeed with DEST as its argument
#   --unpatched  leave the binaries alone and start them by a script through the loader (for
#              binaries that do not survive patching, and do not look for themselves)
#   --force    replace an existing DEST made by this script
#
# Nothing outside DEST and one temporary folder is written: apt gets a private
# state, cache, status file and source list, and dpkg-deb only unpacks. No root is
# needed. The archive's address comes from this machine's own apt sources, and apt
# verifies the signed release file and every package's checksum as usual.
set -euo pipefail

die() { printf 'get-debian: %s\n' "$*" >&2; exit 1; }

package='' suite=forky want='' check='' force=0 unpatched=0 dest='' programs=()
while (($#)); do
  case $1 in
    --package) package=${2:?--package needs a value}; shift 2 ;;
    --program) programs+=("${2:?--program needs a value}"); shift 2 ;;
    --suite) suite=${2:?--suite needs a value}; shift 2 ;;
    --want) want=${2:?--want needs a value}; shift 2 ;;
    --check) check=${2:?--check needs a value}; shift 2 ;;
    --unpatched) unpatched=1; shift ;;
    --force) force=1; shift ;;
    -h | --help) sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    -*) die "unknown option $1" ;;
    *) [[ -z $dest ]] || die "one DEST only"; dest=$1; shift ;;
  esac
done
[[ -n $dest && -n $package && ${#programs[@]} -gt 0 ]] ||
  die "usage: get-debian.sh --package NAME --program PATH [--suite NAME] [--want PREFIX] [--force] DEST"
for tool in apt-get apt-cache apt-config dpkg dpkg-deb; do
  command -v "$tool" >/dev/null || die "$tool is not here; this way needs a Debian-like machine"
done

mkdir -p "$(dirname -- "$dest")"
dest=$(cd "$(dirname -- "$dest")" && pwd -P)/$(basename -- "$dest")
# The loader's path is written into the binaries, so a folder that moved is made again.
recorded() { sed -n "s/^$1=//p" "$dest/.get-debian"; }
if [[ -e $dest ]]; then
  [[ -f $dest/.get-debian ]] || die "$dest exists and was not made by this script"
  if ((!force)) && [[ $(recorded suite) == "$suite" && $(recorded package) == "$package" && $(recorded path) == "$dest" &&
    $(recorded version) == "$want"* && -x $dest/bin/$(basename -- "${programs[0]}") ]]; then
    printf '%s: already there (%s %s)\n' "$dest" "$package" "$(recorded version)"
    exit 0
  fi
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/get-debian.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
arch=$(dpkg --print-architecture)

# The archive this machine's own release comes from, as apt itself reads its sources
# (one-line and deb822 alike): the first that carries "main" for a suite with no pocket
# (-updates, -security, -backports).
uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
  awk '$3 == "main" && $2 !~ /-|\// { print $1; exit }')
[[ -n $uri ]] || die "apt has no plain Debian suite among its sources"

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed=''
[[ -r $keyring ]] && signed=" signed-by=$keyring"

mkdir -p "$work"/{state/lists/partial,cache/archives/partial,log}
: >"$work/status" # empty: every dependency is fetched, the C library included
printf 'deb [arch=%s%s] %s %s main\n' "$arch" "$signed" "$uri" "$suite" >"$work/sources.list"

# The machine's own network settings (proxies, mirrors' checks) stay in force; its hooks,
# which would touch the system's caches, do not.
umask 077
apt-config dump | grep -E '^Acquire::' | grep -vE '^Acquire::IndexTargets|^Acquire::Languages' >"$work/apt.conf" || true
cat >>"$work/apt.conf" <<CONF
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$work/state";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Dir::Log "$work/log";
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::Retries "3";
CONF
umask 022
export APT_CONFIG=$work/apt.conf

apt-get -qq update || die "could not read $suite from this machine's Debian archive"
version=$(apt-cache policy "$package" | awk '$1 == "Candidate:" { print $2 }')
[[ -n $version && $version != '(none)' ]] || die "$suite has no $package for $arch"
[[ -z $want || $version == "$want"* ]] || die "$suite has $package $version, not $want"

# Fetched in two steps: what the program runs with goes into DEST; patchelf and what it
# needs beyond that is used once, from the temporary folder.
archives=$work/cache/archives
fetch() { apt-get -qq -y --download-only install "$1" >/dev/null || die "could not fetch $1 from $suite"; }
fetch "$package"
mapfile -t debs < <(cd "$archives" && printf '%s\n' *.deb)
fetch patchelf
mapfile -t all < <(cd "$archives" && printf '%s\n' *.deb)

# Releases before the merged /usr ship /lib and the like: links made first land both
# layouts in one place.
unpack() { # ROOT DEB...
  local into=$1 folder deb
  shift
  for folder in bin sbin lib lib64; do
    mkdir -p "$into/usr/$folder"
    [[ -L $into/$folder ]] || ln -s "usr/$folder" "$into/$folder"
  done
  for deb; do
    dpkg-deb --fsys-tarfile "$archives/$deb" |
      tar -x -C "$into" --keep-directory-symlink --no-same-owner
  done
}

new=$dest.new.$$
trap 'rm -rf -- "$work" "$new"' EXIT
mkdir -p "$new/bin"
unpack "$new/root" "${debs[@]}"
unpack "$work/tools" "${all[@]}"
rm -rf "$new"/root/usr/share/{doc,man,lintian,bug}

triplet=$(basename -- "$(dirname -- "$(find "$new/root/usr/lib" -name 'libc.so.6' | head -n 1)")")
loader=$(find "$new/root/usr/lib/$triplet" "$new/root/usr/lib64" -name 'ld-linux*.so.*' | head -n 1)
[[ -n $loader ]] || die "no dynamic loader among the packages"
tools_lib=$work/tools/usr/lib/$triplet

# The binary itself is told its loader and its libraries, so no environment variable is
# needed and none reaches the programs it starts; and since the kernel runs the program,
# not ld.so, it finds itself (Neovim's runtime and v:progpath hang on that). DT_RPATH, not
# DT_RUNPATH: it also covers libraries' own dependencies.
for program in "${programs[@]}"; do
  binary=$new/root/$program
  [[ -f $binary ]] || die "$package has no $program"
  if ((unpatched)); then
    start=$new/bin/$(basename -- "$program")
    cat >"$start" <<'SH'
#!/bin/sh
top=$(cd "$(dirname -- "$0")/../root" && pwd -P)
SH
    printf 'exec "$top/%s" --library-path "$top/usr/lib/%s" "$top/%s" "$@"\n' \
      "${loader#"$new/root/"}" "$triplet" "$program" >>"$start"
    chmod +x "$start"
    continue
  fi
  "${tools_lib%/usr/lib/*}/usr/lib/${loader#"$new/root/usr/lib/"}" --library-path "$tools_lib" \
    "$work/tools/usr/bin/patchelf" \
    --set-interpreter "$dest/${loader#"$new/"}" \
    --force-rpath --set-rpath "\$ORIGIN/../lib/$triplet" "$binary"
  ln -s "../root/$program" "$new/bin/$(basename -- "$program")"
done
printf 'package=%s\nsuite=%s\nversion=%s\narch=%s\npath=%s\n' "$package" "$suite" "$version" "$arch" "$dest" >"$new/.get-debian"
printf '%s\n' "${debs[@]}" >"$new/packages.txt"

if [[ -e $dest ]]; then mv -- "$dest" "$work/old"; fi
mv -- "$new" "$dest"
if [[ -n $check ]] && ! bash "$check" "$dest" >"$work/check.log" 2>&1; then
  mv -- "$dest" "$work/broken"
  die "the unpacked $package fails: $(cat "$work/check.log")"
fi
printf '%s: %s %s from %s\n' "$dest" "$package" "$version" "$suite"
