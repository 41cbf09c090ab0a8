#!/usr/bin/env bash
# get-tmux.sh: unpack a newer tmux beside the system's; see get-debian.sh.
#
#   get-tmux.sh [--suite NAME] [--want VERSION-PREFIX] [--force] DEST
set -euo pipefail
here=$(cd "$(dirname -- "$0")" && pwd -P)
exec "$here/get-debian.sh" --package tmux --program usr/bin/tmux --check "$here/lib/check-tmux.sh" "$@"
