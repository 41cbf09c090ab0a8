#!/usr/bin/env python3
"""Measures orchflow: every figure as a ratio against a baseline measured in turn with it.

    run.py [--list] [--quick] [--strict] [GROUP…]

Prints a table and writes target/bench.json. --quick takes fewer rounds and smaller numbers;
--strict exits with 1 when a target is missed. Needs the release binaries and the programs of
tests/bench/probe (`make bench` builds both).
"""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import figures_agents  # noqa: E402
import figures_editor  # noqa: E402
import figures_hook  # noqa: E402
import figures_host  # noqa: E402
import figures_review  # noqa: E402
import figures_runner  # noqa: E402
import figures_store  # noqa: E402
import figures_swarm  # noqa: E402
from figure import table  # noqa: E402
from world import TARGET, NotMeasured, World, say  # noqa: E402

# In this order: cheap ones first, the million events last. What is about durability is measured on tmpfs, where
# only our own work counts, and on a disk, where a person lives.
GROUPS = {
    "swarm": (figures_swarm.measure, ("tmpfs",)),
    "status": (figures_swarm.measure_status, ("tmpfs",)),
    "hook": (figures_hook.measure, ("tmpfs", "disk")),
    "reports": (figures_hook.measure_reports, ("tmpfs", "disk")),
    "review": (figures_review.measure, ("tmpfs",)),
    "host": (figures_host.measure, ("tmpfs",)),
    "runner": (figures_runner.measure, ("tmpfs",)),
    "stalls": (figures_editor.measure_stalls, ("tmpfs",)),
    "hunks": (figures_editor.measure_hunks, ("tmpfs",)),
    "marks": (figures_editor.measure_marks, ("tmpfs",)),
    "timeline": (figures_editor.measure_timeline, ("tmpfs",)),
    "agents": (figures_agents.measure, ("tmpfs",)),
    "store": (figures_store.measure, ("tmpfs",)),
}


def machine():
    cpus = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processors": os.cpu_count(),
        "processor": cpus[0] if cpus else platform.machine(),
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
        "git": subprocess.run(["git", "--version"], capture_output=True, text=True).stdout.strip(),
        "tmux": subprocess.run(["tmux", "-V"], capture_output=True, text=True).stdout.strip(),
    }


def main(words):
    flags = {word for word in words if word.startswith("--")}
    groups = [word for word in words if not word.startswith("--")] or list(GROUPS)
    unknown = [group for group in groups if group not in GROUPS] + sorted(flags - {"--list", "--quick", "--strict"})
    if unknown or "--list" in flags:
        print(__doc__ if unknown else "\n".join(GROUPS))
        return 2 if unknown else 0
    quick = "--quick" in flags
    figures, missing, about = [], [], machine()
    begin = time.monotonic()
    size = {"files": 300, "megabytes": 3} if quick else {"files": 3000, "megabytes": 26}
    for group, place in [(group, place) for group in groups for place in GROUPS[group][1]]:
        say(f"-- {group}, {place}")
        measure, places = GROUPS[group]
        try:
            # A world for each group: none meets what another left.
            with World(**size, disk=place == "disk") as world:
                for figure in measure(world, quick):
                    if len(places) > 1:
                        figure.name += f" ({world.place})"
                    figures.append(figure)
                    say(table([figure], []).splitlines()[2])
        except (NotMeasured, AssertionError, subprocess.TimeoutExpired, OSError, KeyError, ValueError) as error:
            missing.append((group, f"{type(error).__name__}: {error}" if not isinstance(error, NotMeasured) else str(error)))
            say(f"not measured: {group}: {error}")
    print(table(figures, missing))
    print(f"\n{about['processors']} × {about['processor']}, Linux {about['kernel']}, {about['git']}, {about['tmux']}; {time.monotonic() - begin:.0f} s")
    TARGET.mkdir(exist_ok=True)
    result = {
        "schema": "orchflow.bench/1",
        "quick": quick,
        "machine": about,
        "figures": [figure.as_json() for figure in figures],
        "missing": [{"group": group, "why": why} for group, why in missing],
    }
    (TARGET / "bench.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(f"{TARGET / 'bench.json'}")
    bad = [figure for figure in figures if figure.met is False]
    return 1 if "--strict" in flags and (bad or missing) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
