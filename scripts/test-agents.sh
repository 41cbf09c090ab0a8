#!/usr/bin/env bash
# test-agents.sh: the real agent programs driven by orchflow, offline; writes tests/agents/matrix.json and doc/agents.md.
#
#   scripts/test-agents.sh [NAME…]     rows of the matrix, see tests/agents/run.py --list; all without a name
#
# First the matrix, then how prompts arrive: twenty and more at each program, 1,000 at a stand-in of each.
#
# Installs the programs first (scripts/get-agents.sh); one that cannot be installed is skipped aloud.
set -uo pipefail
. "$(cd "$(dirname -- "$0")" && pwd -P)/lib/common.sh"
cd "$root" || exit 1
need_git_and_cargo
have python3 || die "python3 is missing: install Python 3.9 or newer, then run this again"
"$root/scripts/get-agents.sh" || say "what could be installed is tried"
cargo build --locked -p orchflow -p orchflow-hook || exit 1
export ORCHFLOW_BIN=$target/debug/orchflow ORCHFLOW_DEPS=$deps
failed=0
python3 tests/agents/run.py "$@" || failed=1
python3 tests/agents/prompts.py "$@" || failed=1
python3 tests/agents/prompts.py --standin "$@" || failed=1
exit $failed
