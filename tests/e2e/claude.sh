#!/usr/bin/env bash
# The real Claude Code through orchflow; see claude.py. Exit 77 says that it cannot run here.
set -euo pipefail
if ! command -v python3 >/dev/null; then
  echo "skipped: claude: no python3 here; install Python 3.9 or newer"
  exit 77
fi
exec python3 "$(dirname -- "$0")/claude.py" "$@"
