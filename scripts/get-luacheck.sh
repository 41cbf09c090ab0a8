#!/usr/bin/env bash
# get-luacheck.sh: unpack the Lua linter beside the system's packages; see get-debian.sh.
# Debian's luacheck is a Lua script, so it also gets a Lua and a start script.
#
#   get-luacheck.sh [--suite NAME] [--force] DEST
set -euo pipefail
here=$(cd "$(dirname -- "$0")" && pwd -P)
dest=${!#}
"$here/get-debian.sh" --package lua-check --program usr/bin/lua5.1 --suite trixie "$@"
cat >"$dest/bin/luacheck" <<'SH'
#!/bin/sh
top=$(cd "$(dirname -- "$0")/../root/usr" && pwd -P)
LUA_PATH="$top/share/lua/5.1/?.lua;$top/share/lua/5.1/?/init.lua"
LUA_CPATH=$(printf '%s/?.so;' "$top"/lib/*/lua/5.1)
export LUA_PATH LUA_CPATH
exec "$top/bin/lua5.1" "$top/bin/luacheck" "$@"
SH
chmod +x "$dest/bin/luacheck"
"$dest/bin/luacheck" --version >/dev/null
