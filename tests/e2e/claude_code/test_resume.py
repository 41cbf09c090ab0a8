"""Sessions that are taken up: after a reboot, and from a Claude Code that was started by hand."""

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess

from .suite import test
from .test_life import HELLO, alive, wait_output

REMEMBERED = "[[scenario:text say=remembered]]"


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def reboot(world):
    """Kills everything at once and takes away what a reboot takes away; the model server is the network."""
    world.events.stop()
    files = list((world.home / ".local/share/orchflow/repos").glob("*/agents/*/runner.json"))
    runners = [json.loads(path.read_text())["pid"] for path in files]
    host = world.ask("connect")["data"]["host_pid"]
    for pid in [host, *runners]:
        kill(pid)
    world.until("the end of all", lambda: not [kill(pid) for pid in world.processes()])
    world.until("the runners' end", lambda: not any(alive(pid) for pid in [host, *runners]))
    shutil.rmtree(world.runtime / "orchflow")
    for path in files:
        runner = json.loads(path.read_text())
        runner["boot"] = "00000000-0000-4000-8000-000000000000"
        path.write_text(json.dumps(runner))


def adoptable(world):
    found, = world.ask("adopt")["data"]
    return found if found["adoptable"] else None


@test("after a reboot its session is taken up: it knows what was said, and gets what waited")
def after_a_reboot(world):
    world.swarm(HELLO)
    world.wait("turn_ended", turn=1)
    world.wait_status("done")
    session = world.events.all("agent_session_started")[-1]["data"]["session"]
    world.run("pause", "claude")
    world.send(REMEMBERED)
    reboot(world)
    shutil.rmtree(next((world.home / ".local/share/orchflow/worktrees").glob("*/1-claude")))
    world.follow()
    world.wait("agent_exited", lost=True)
    row, = world.ask("resume")["data"]
    assert (row["state"], row["session"]) == ("running", session), row
    ended = world.wait("turn_ended", turn=2)
    assert ended["data"]["message"] == "remembered", ended
    # What was said before the reboot stands in the conversation that the model saw.
    taken = world.prompts_taken()
    assert (taken[0], taken[-1]) == (HELLO, REMEMBERED), taken
    assert world.events.all("agent_session_started")[-1]["data"]["session"] == session
    assert (world.worktree() / "foo.txt").read_text() == "one\nkeep\n"


@test("one that was started by hand is gone on with in a copy of its session, and is left alone itself")
def started_by_hand(world):
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
        world.until("its turn", lambda: own.exists() and own.read_text().count('"Stop"') == 1)
        # Its Stop hook may be done before it has put its session into its file, without which nothing can go on.
        found = world.until("a session that can be gone on with", lambda: adoptable(world))
        assert (found["process"], found["agent"]) == (program.pid, "claude"), found
        kept = next((world.home / ".claude/projects").glob(f"*/{found['session']}.jsonl"))
        done, = world.ask("adopt", str(program.pid))["data"]
        assert done["copy"], done
        world.wait("agent_adopted", session=found["session"], process=program.pid)
        world.wait_status("idle")
        world.send(REMEMBERED)
        ended = world.wait("turn_ended", turn=1)
        assert ended["data"]["message"] == "remembered", ended
        taken = world.prompts_taken()
        assert (taken[0], taken[-1]) == (HELLO, REMEMBERED), taken
        sessions = {event["data"]["session"] for event in world.events.all("agent_session_started")}
        assert found["session"] not in sessions, "it has a session of its own"
        assert program.poll() is None and alive(program.pid)
        # The process writes more of its own behind it; nothing of what its copy heard.
        assert b"remembered" not in kept.read_bytes(), "the session that is open elsewhere is not written"
    finally:
        program.kill()
        program.wait()
        os.close(terminal)
