#!/usr/bin/env python3
"""The real agent programs through orchflow, offline: what works with which, as a matrix.

    tests/agents/run.py [NAME…]      runs all that are installed, or those named, and writes doc/agents.md
    tests/agents/run.py --list       lists the programs and whether they are installed
    tests/agents/run.py --check      says whether doc/agents.md is what the last run found; runs nothing
    tests/agents/run.py --document   writes doc/agents.md from the last run

`make test-agents` installs the programs first (scripts/get-agents.sh). ORCHFLOW_BIN names orchflow
(target/debug/orchflow), ORCHFLOW_DEPS where the programs are (.deps). Rows of programs that were not run stay as
they are. Needs Python 3.9, git and Node.js 18. The last line is `N passed, N failed, N skipped`, counted in cells.
"""

import sys

sys.dont_write_bytecode = True

import datetime  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from pathlib import Path  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(Path(__file__).resolve().parent)]

from matrix import cells, document  # noqa: E402
from matrix.programs import PROGRAMS, installed  # noqa: E402
from matrix.world import AgentWorld, Programs  # noqa: E402

AGENTS = Path(os.environ.get("ORCHFLOW_DEPS") or ROOT / ".deps") / "agents"


def say(text):
    print(text, flush=True)


def run_program(programs, program):
    """Runs the cells of one program; a cell that leaves it unusable is followed by a fresh start."""
    row = {"name": program.name, "title": program.title, "version": program.version, "channel": program.channel,
           "cells": {}, "lateness": {}, "left": 0}
    remaining = list(cells.CELLS)
    for name, why in program.lacks.items():
        row["cells"][name] = {"verdict": "not offered", "why": why}
    remaining = [cell for cell in remaining if cell[0] not in program.lacks]
    worlds = 0
    while remaining and worlds < 4:
        worlds += 1
        with AgentWorld(programs, program) as world:
            remaining = run_cells(world, program, row, remaining, fresh=worlds > 1)
        row["left"] += len(world.left)
    for name, _ in remaining:
        row["cells"][name] = {"verdict": "no", "why": "it could not be brought so far"}
    if row["left"]:
        row["cells"]["exit"] = {"verdict": "no", "why": f"{row['left']} processes outlived orchflow"}
    return row


def run_cells(world, program, row, remaining, fresh):
    if program.agent not in world.agents():
        raise SystemExit(f"orchflow knows no agent {program.agent}")
    watch = None
    if fresh:
        try:
            cells.start(world)
            world.at_rest(90)
        except AssertionError as error:
            say(f"  fresh start: {error}")
            return []
    while remaining:
        name, cell = remaining[0]
        remaining = remaining[1:]
        if name == "exit":
            if watch:
                watch.stop()
            row["lateness"].update(cells.late(world, watch))
        begun = time.monotonic()
        try:
            figures = cell(world)
            row["cells"][name] = {"verdict": "yes", **({"figures": figures} if figures else {})}
        except Exception as error:
            why = " ".join(str(error).split())[:200] or type(error).__name__
            if not isinstance(error, AssertionError):
                say(traceback.format_exc())
            row["cells"][name] = {"verdict": "no", "why": why}
            say(world.describe())
        verdict = row["cells"][name]
        say(f"{program.name:15} {name:8} {verdict['verdict']:12} {time.monotonic() - begun:5.1f} s  "
            f"{verdict.get('why') or json.dumps(verdict.get('figures', {}))}")
        if name == "start" and verdict["verdict"] == "yes":
            watch = cells.watched(world)
        if verdict["verdict"] == "no" and name not in ("cost", "exit", "resume", "adopt") and not rests(world):
            break
    if watch and watch.going:
        watch.stop()
    return remaining


def rests(world):
    try:
        world.at_rest(20)
        return True
    except AssertionError:
        return False


def keep(rows):
    """Writes down what is known so far: a run of all programs is long, and may be broken off."""
    about = f"{os.cpu_count()} processors, Linux {os.uname().release.split('-')[0]}, load {os.getloadavg()[0]:.1f}"
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    order = [program.name for program in PROGRAMS]
    kept = sorted(rows.values(), key=lambda row: order.index(row["name"]) if row["name"] in order else len(order))
    document.write({"schema": "orchflow.agents/1", "date": date, "machine": about, "programs": kept})


def main(words):
    if words == ["--check"]:
        drift = document.drift()
        say(drift or "doc/agents.md is what the last run found")
        return 1 if drift else 0
    if words == ["--document"]:
        document.write(json.loads(document.RESULT.read_text()))
        return 0
    ready = AGENTS / "READY"
    if not ready.exists():
        say(f"skipped: agents: {ready} is not there; scripts/get-agents.sh installs the programs")
        return 77
    found = installed(ready)
    for program in PROGRAMS:
        program.version = found.get(program.installed, ("", None))[0]
    if words == ["--list"]:
        for program in PROGRAMS:
            say(f"{program.name:15} {program.version or 'not installed'}")
        return 0
    orchflow = Path(os.environ.get("ORCHFLOW_BIN") or ROOT / "target/debug/orchflow").absolute()
    model = Path(os.environ.get("ORCHFLOW_MOCK_MODEL") or ROOT / "tests/support/mock-model/mock_llm.mjs").absolute()
    if not orchflow.exists():
        say(f"skipped: agents: {orchflow} is not there; build it: cargo build -p orchflow -p orchflow-hook")
        return 77
    programs = Programs(orchflow, model, AGENTS / "bin")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    rows = {}
    if document.RESULT.exists():
        rows = {row["name"]: row for row in json.loads(document.RESULT.read_text())["programs"]}
    for program in PROGRAMS:
        if words and program.name not in words:
            continue
        if not program.version:
            say(f"skipped: {program.name}: it is not installed")
            counts["skipped"] += 1
            continue
        try:
            rows[program.name] = row = run_program(programs, program)
        except SystemExit as missing:
            say(f"skipped: {program.name}: {missing}")
            counts["skipped"] += 1
            continue
        keep(rows)
        for cell in row["cells"].values():
            counts[{"yes": "passed", "no": "failed", "not offered": "skipped"}[cell["verdict"]]] += 1
    say(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
