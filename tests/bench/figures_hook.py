"""The hook on the path of every action, and many reporters at once."""

import json
import shlex
import subprocess

from figure import Figure
from world import PROGRAMS, NotMeasured, median, percentile

# What Claude Code sends after an edit, in shape and size.
BODY = {
    "session_id": "0b9a8a8e-2f52-4f54-9f6e-5d1f2b6f3c11",
    "transcript_path": "/home/user/.claude/projects/repository/0b9a8a8e.jsonl",
    "cwd": "/home/user/repository",
    "permission_mode": "default",
    "hook_event_name": "PostToolUse",
    "tool_name": "Edit",
    "tool_input": {"file_path": "/home/user/repository/src/lib.rs", "old_string": "let greeting = \"hello\";", "new_string": "let greeting = env::var(\"GREETING\")?;"},
    "tool_response": {"filePath": "/home/user/repository/src/lib.rs", "structuredPatch": [{"oldStart": 12, "oldLines": 7, "newStart": 12, "newLines": 7, "lines": [" fn main() {", "-    let greeting = \"hello\";", "+    let greeting = env::var(\"GREETING\")?;"]}]},
    "tool_use_id": "toolu_01HxkQmR9bT4yV7cW2nE5dZs",
}


def prepare(world):
    """One agent, its hook's input, and one stored row to copy."""
    world.swarm(1)
    body = world.top / "body.json"
    body.write_text(json.dumps(BODY))
    hook = shlex.join([str(PROGRAMS / "orchflow-hook"), "claude", "PostToolUse"])
    world.in_agent(f"{hook} < {shlex.quote(str(body))}")
    stored = world.orchflow("log", "--type", "tool_finished", "--json")["data"]
    if not stored:
        raise NotMeasured("a PostToolUse hook made no tool_finished event")
    return body


def alternate_in_agent(world, body, rounds, *commands):
    """Times commands in turn as children of the agent, in its environment."""
    out = world.top / "samples.json"
    words = [PROGRAMS / "alternate", "--rounds", rounds, "--input", body, "--"]
    for number, command in enumerate(commands):
        words += (["---"] if number else []) + list(command)
    world.in_agent(shlex.join(str(word) for word in words) + f" > {shlex.quote(str(out))}")
    found = json.loads(out.read_text())
    if any(found["failed"]):
        raise NotMeasured(f"failed: {found['failed']} of {rounds}")
    return [[nanoseconds / 1e6 for nanoseconds in samples] for samples in found["samples"]]


def measure(world, quick):
    rounds = 60 if quick else 300
    body = prepare(world)
    hook = (PROGRAMS / "orchflow-hook", "claude", "PostToolUse")
    socket = world.runtime / "floor.sock"
    floor = subprocess.Popen(
        [PROGRAMS / "commit-server", "--socket", socket, "--source", world.store(), "--target", world.top / "floor.db", "--type", "tool_finished"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )
    world.processes.append(floor)
    if floor.stdout.readline().strip() != b"ready":
        raise NotMeasured("the floor's server did not start")
    before = last_seq(world)
    ours, theirs = alternate_in_agent(world, body, rounds, hook, (PROGRAMS / "hook-send", socket))
    stored = last_seq(world) - before
    if stored < rounds:
        raise NotMeasured(f"{stored} events for {rounds} hooks")
    yield Figure(
        "orchflow hook, durable, host up", "ms", median(ours), median(theirs), "static process + socket round trip + one commit of that row",
        "ratio", 1.3, note=f"p99 {percentile(ours, 0.99):.2f} ms; every one stored", samples={"ours": ours, "baseline": theirs},
    )
    floor.stdin.close()
    floor.wait()
    world.processes.remove(floor)

    down = ("env", f"ORCHFLOW_SOCKET={world.runtime / 'nobody.sock'}", f"ORCHFLOW_SPOOL={world.top / 'spool'}")
    ours, theirs = alternate_in_agent(world, body, rounds, (*down, *hook), ("env", "A=1", "B=1", PROGRAMS / "hook-append", world.top / "appended"))
    yield Figure(
        "orchflow hook, spooled, host down", "ms", median(ours), median(theirs), "static process + append + fdatasync",
        "ratio", 1.3, note=f"p99 {percentile(ours, 0.99):.2f} ms", samples={"ours": ours, "baseline": theirs},
    )


def last_seq(world):
    return world.orchflow("log", "--limit", "1", "--json")["seq"]


def measure_reports(world, quick):
    rounds = 100 if quick else 500
    body = prepare(world)
    out = world.top / "reporters.json"
    words = [PROGRAMS / "reporters", "--count", 32, "--rounds", rounds, "--body", body, "--source", world.store(), "--target", world.top / "raw.db"]
    world.in_agent(shlex.join(str(word) for word in words) + f" > {shlex.quote(str(out))}")
    found = json.loads(out.read_text())
    if found["lost"]:
        raise NotMeasured(f"{found['lost']} reports were not stored at once")
    ours, raw = percentile(found["host"], 0.99) / 1e6, percentile(found["raw"], 0.99) / 1e6
    yield Figure(
        "report acknowledged, 32 reporters, p99", "ms", ours, raw, "raw rusqlite commit of 32 such rows, p99", "ratio", 2.5,
        note=f"median {median(found['host']) / 1e6:.2f} ms against {median(found['raw']) / 1e6:.2f} ms",
    )
