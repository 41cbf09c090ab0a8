#!/usr/bin/env bash
# get-nvim.sh: unpack a newer Neovim beside the system's; see get-debian.sh.
#
#   get-nvim.sh [--suite NAME] [--want VERSION-PREFIX] [--force] DEST
set -euo pipefail
here=$(cd "$(dirname -- "$0")" && pwd -P)
exec "$here/get-debian.sh" --package neovim --program usr/bin/nvim --check "$here/lib/check-nvim.sh" "$@"
