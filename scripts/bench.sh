#!/usr/bin/env bash
# bench.sh: build what the benchmarks need and run them; see tests/bench/run.py.
#
#   scripts/bench.sh [--quick] [--strict] [GROUP…]
set -euo pipefail
. "$(cd "$(dirname -- "$0")" && pwd -P)/lib/common.sh"
cd "$root"
need_git_and_cargo
have python3 || die "python3 is missing: the benchmarks' driver needs it"
apt_install tmux tmux || die "tmux is missing: it is the baseline of some figures"
ORCHFLOW_BENCH_NVIM=$(find_nvim)
export ORCHFLOW_BENCH_NVIM
build_release
# The probe is no member of the workspace; the workspace's lock file and target folder serve it too.
cp Cargo.lock tests/bench/probe/Cargo.lock
(
  cd tests/bench/probe
  cargo build --release --target-dir "$target" --bins
  # What stands for a hook is as static as the hook itself.
  for program in nothing hook-send hook-append; do
    cargo rustc --release --target-dir "$target" --bin "$program" -- -C target-feature=+crt-static
  done
)
exec python3 tests/bench/run.py "$@"
