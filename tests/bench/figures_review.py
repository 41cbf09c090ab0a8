"""Hunks: computed, and on the way to whoever reviews."""

import json
import time

from figure import Figure
from world import PROGRAMS, median, until

# One-line changes, a few in each of many files, far enough apart to be hunks of their own.
EDIT = r"""
import os, pathlib, sys
left = int(sys.argv[1])
for path in sorted(pathlib.Path("src").rglob("*.rs")):
    if left == 0:
        break
    lines = path.read_text().splitlines(keepends=True)
    for at in range(4, len(lines) - 4, 12):
        if left == 0:
            break
        lines[at] = lines[at].replace("let ", "let mut ")
        left -= 1
    path.write_text("".join(lines))
sys.exit(left)
"""


def measure(world, quick):
    wanted = 500 if quick else 5000
    script = world.top / "edit.py"
    script.write_text(EDIT)
    world.swarm(1)
    world.in_agent(f"python3 '{script}' {wanted}")
    world.orchflow("send", "--json", "fake", "leave")
    began = time.monotonic()

    def counted():
        agents = world.agents()
        return agents and agents[0]["undecided"] >= wanted

    until(f"{wanted} hunks to wait for a decision", counted, 60)
    listed = (time.monotonic() - began) * 1000
    page = world.orchflow("review", "--limit", "100", "--json")["data"]
    agent = world.agents()[0]
    checkpoint = page[0]["checkpoint"]
    base = world.git("rev-parse", "HEAD").strip()
    found = world.probe("hunks", "--repository", world.repository, "--base", base, "--commit", checkpoint, "--rounds", 5 if quick else 15)
    ours, floor = ([value / 1e6 for value in found[name]] for name in ("ours", "floor"))
    yield Figure(
        f"hunks of {agent['undecided']:,} changes computed", "ms", median(ours), median(floor),
        "git diff-tree --raw + imara-diff over contents already in memory", "ratio", 2,
        note=f"{found['hunks']} hunks in {found['files']} files; from the agent's exit to listed: {listed:.0f} ms",
        samples={"ours": ours, "baseline": floor},
    )
    taken = world.alternate(
        20 if quick else 60, (PROGRAMS / "orchflow", "review", "--limit", "100", "--json"), (PROGRAMS / "nothing",),
    )
    yield Figure(
        f"orchflow review --json, first page of {wanted:,}", "ms", median(taken[0]), median(taken[1]), "starting a static process", "most", 15,
        note=f"warm; {len(json.dumps(page)) // 1024} KiB of hunks",
    )
