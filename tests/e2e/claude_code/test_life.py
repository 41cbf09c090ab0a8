"""An agent's end and its host's, and what belongs to the user."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

from .suite import test

HELLO = "[[scenario:text say=hello]]"
DAEMONS = ("(setsid tail -f /dev/null >/dev/null 2>&1 & echo $! >one); "
           "(nohup env -i tail -f /dev/null >/dev/null 2>&1 & echo $! >two); tail -f /dev/null")


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@test("stop ends the agent and everything that it left behind")
def stop(world):
    world.swarm(f'[[scenario:shell cmd="{DAEMONS}"]]')
    world.wait("approval_requested")
    world.run("approve", world.approvals()[0]["id"])
    files = [world.worktree() / name for name in ("one", "two")]
    world.until("two daemons", lambda: all(path.exists() and path.read_text().strip() for path in files))
    daemons = [int(path.read_text()) for path in files]
    agent = world.agent()["pid"]
    assert all(alive(pid) for pid in (*daemons, agent))
    begun = time.monotonic()
    world.run("stop", "claude")
    assert time.monotonic() - begun < 10
    world.until("the ends of all", lambda: not any(alive(pid) for pid in (*daemons, agent)), seconds=5)
    exited, = world.events.all("agent_exited")
    # Claude Code ends some of its own children itself.
    assert exited["data"]["leftover_ended"] >= 1 and not exited["data"]["lost"], exited
    ended, = world.events.all("turn_ended")
    assert ended["data"]["outcome"] == "interrupted"
    row = world.agent()
    assert (row["status"], row["living"], row["approvals"]) == ("stopped", False, 0), row
    world.wait("run_settled", outcome="done")


@test("left by its human, it has exited, and its last words are kept")
def exits(world):
    world.swarm(HELLO)
    world.wait("turn_ended")
    world.wait_status("done")
    runner = world.runner()
    runner.press(b"\x03")
    world.wait_screen(runner, "Press Ctrl-C again to exit")
    runner.press(b"\x03")
    exited = world.wait("agent_exited")
    assert exited["data"]["code"] == 0
    ended = world.wait("agent_session_ended")
    assert ended["data"]["reason"] == "prompt_input_exit"
    assert world.agent()["status"] == "exited"
    assert any("claude --resume" in row for row in runner.rows()), runner.rows()


@test("a host that is killed is missed by nobody: what the agent told meanwhile is kept, and it works on")
def host_killed(world):
    world.swarm('[[scenario:text say="told while nobody listened" delay=1500]]')
    world.wait_status("working")
    host = world.ask("connect")["data"]["host_pid"]
    # Whoever follows the log starts the next host.
    world.events.stop()
    os.kill(host, signal.SIGKILL)
    world.until("the host's end", lambda: not alive(host))
    folder = world.home / ".local/share/orchflow/repos"

    def spooled():
        return b"".join(path.read_bytes() for path in folder.glob("*/agents/1-claude/spool"))

    world.until("the spooled end of the turn", lambda: b"told while nobody listened" in spooled())
    assert world.agent()["living"]
    world.follow()
    ended = world.wait("turn_ended", turn=1)
    assert (ended["data"]["outcome"], ended["data"]["message"]) == ("done", "told while nobody listened")
    world.wait_status("done")
    world.send("on [[scenario:text say=on]]")
    world.wait("turn_ended", turn=2, outcome="done")
    assert world.prompts_taken()[1:] == ["on [[scenario:text say=on]]"]


@test("the user's settings stay as they are, and Claude Code's own state is written by itself alone")
def own_files(world):
    # What it writes without us, in the same home, at its first start and at a later one.
    without_us = set()
    for count in (1, 2):
        before = json.loads(world.state.read_text())
        alone(world, count)
        without_us |= changed(before, json.loads(world.state.read_text()))
    assert without_us, "it wrote nothing, so this compares nothing"
    before = json.loads(world.state.read_text())
    world.swarm(HELLO)
    world.wait("turn_ended")
    world.run("stop", "claude")
    with_us = changed(before, json.loads(world.state.read_text()))
    assert with_us <= without_us, f"only with orchflow: {with_us - without_us}"
    assert "orchflow-hook" not in world.state.read_text()
    assert world.settings.read_bytes() == world.own_settings
    assert {path.name for path in (world.home / ".claude").glob("settings*")} == {"settings.json"}
    # Both its hook and ours were run.
    own = [json.loads(line) for line in (world.top / "own-hook.jsonl").read_text().splitlines()]
    assert [hook["hook_event_name"] for hook in own] == ["Stop"] * 3
    folders = {".claude", ".claude.json", ".gitconfig", ".local", ".cache"}
    assert {path.name for path in world.home.iterdir()} <= folders, list(world.home.iterdir())
    status = subprocess.run(["git", "status", "--porcelain", "--ignored"], cwd=world.repository,
                            env=world.environment(), capture_output=True, text=True, check=True)
    assert status.stdout == "", status.stdout
    assert world.ask("review")["data"] == []


def changed(before, after):
    """Gives the names of what differs in Claude Code's state; those of a project without its folder. Its tips are
    left out: which of them it shows is its own throw of the dice."""
    differs = {name for name in {*before, *after} if before.get(name) != after.get(name) and not name.startswith("tip")}
    for folder in {*before.get("projects", {}), *after.get("projects", {})}:
        old, new = (state.get("projects", {}).get(folder, {}) for state in (before, after))
        differs |= {f"projects.*.{name}" for name in {*old, *new} if old.get(name) != new.get(name)}
    return differs


def alone(world, count):
    """The `count`-th turn of Claude Code in a pty of ours, in the human's own repository."""
    terminal, other_side = pty.openpty()
    program = subprocess.Popen([world.top / "bin/claude"], cwd=world.repository, env=world.environment(),
                               stdin=other_side, stdout=other_side, stderr=other_side, start_new_session=True)
    os.close(other_side)
    try:
        wait_output(terminal, b"manual mode")
        os.write(terminal, b"[[scenario:text say=hello]]")
        wait_output(terminal, b"say=hello")
        os.write(terminal, b"\r")
        own = world.top / "own-hook.jsonl"
        world.until("its turn", lambda: own.exists() and own.read_text().count('"Stop"') == count)
        leave(terminal)
        program.wait(30)
    finally:
        program.kill()
        program.wait()
        os.close(terminal)


def leave(terminal, seconds=30):
    """Presses Ctrl-C until the program leaves: the first only says how, and only after the turn."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.write(terminal, b"\x03")
            while select.select([terminal], [], [], 0.3)[0]:
                if not os.read(terminal, 65536):
                    return
        except OSError:
            return
    raise AssertionError(f"waited {seconds} s for its end")


def wait_output(terminal, wanted, seconds=30):
    """Reads until something was printed."""
    end = time.monotonic() + seconds
    seen = b""
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        seen += os.read(terminal, 65536)
        # Words are placed by moves of the cursor, so blanks may be missing.
        if re.search(wanted.replace(b" ", b"[^a-z]*"), seen):
            return
    raise AssertionError(f"waited {seconds} s for {wanted} of it alone")
