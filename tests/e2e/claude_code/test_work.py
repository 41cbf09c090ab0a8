"""Turns: an edit from the prompt to the human's own file, an error, interruptions, a subagent."""

from .lateness import Watch
from .suite import say, test

EDIT = "[[scenario:edit-file path=foo.txt old=one new=two]]"
STORY = '[[scenario:text say="a long story that is told piece by piece, so that one can break in" chunk_delay=500]]'
SILENT = "[[scenario:text say=never delay=60000]]"


def order(world, *types):
    """Gives the first event of each type, in the order of the log."""
    firsts = {}
    for event in world.events.all(*types):
        firsts.setdefault(event["type"], event)
    return [event["type"] for event in sorted(firsts.values(), key=lambda event: event["seq"])]


@test("an edit becomes events, a hunk, and the human's own file", mode="acceptEdits")
def edit(world):
    world.swarm(EDIT)
    world.wait("run_settled", outcome="done")
    assert order(world, "agent_spawned", "agent_session_started", "prompt_written", "prompt_accepted", "tool_requested",
                 "tool_finished", "turn_ended", "checkpoint_taken", "ai_requested_review") == [
        "agent_spawned", "agent_session_started", "prompt_written", "prompt_accepted", "tool_requested",
        "tool_finished", "turn_ended", "checkpoint_taken", "ai_requested_review"]
    asked = [(event["data"]["tool"], event["paths"]) for event in world.events.all("tool_requested")]
    done = [(event["data"]["tool"], event["paths"]) for event in world.events.all("tool_finished")]
    assert asked == done == [("Read", ["foo.txt"]), ("Edit", ["foo.txt"])], (asked, done)
    texts = [event["data"]["text"] for event in world.events.all("text_displayed")]
    assert texts[:2] == ["I will read now.", "I will edit now."], texts
    ended = world.events.all("turn_ended")[0]
    assert ended["data"] == {"turn": 1, "outcome": "done", "message": "Done: the mock model played its scenario."}
    accepted = world.events.all("prompt_accepted")[0]
    assert accepted["data"]["evidence"] == "its prompt hook"
    assert world.prompts_taken() == [EDIT]

    hunk, = world.ask("review")["data"]
    assert (hunk["path"], hunk["agent"]) == ("foo.txt", "claude"), hunk
    world.run("accept", hunk["id"])
    assert (world.repository / "foo.txt").read_text() == "two\nkeep\n"
    world.run("undo")
    assert (world.repository / "foo.txt").read_text() == "one\nkeep\n"


@test("the session's id is known", mode="acceptEdits")
def session(world):
    world.swarm("[[scenario:text]]")
    world.wait("turn_ended")
    started = world.events.all("agent_session_started")[0]["data"]
    argv = world.events.all("agent_spawned")[0]["data"]["argv"]
    assert argv[argv.index("--session-id") + 1] == started["session"] == world.agent()["session"]
    assert started["source"] == "startup"
    transcripts = list((world.home / ".claude/projects").glob(f"*/{started['session']}.jsonl"))
    assert len(transcripts) == 1, transcripts


@test("an error of the model is a failed turn, and the next prompt works")
def failure(world):
    world.swarm("[[scenario:error status=400]]")
    settled = world.wait("run_settled")
    assert settled["data"]["outcome"] == "failed"
    row = world.agent()
    assert (row["status"], row["source"], row["detail"]) == ("failed", "osc7501", "API Error: 400 mock error 400"), row
    ended, = world.events.all("turn_ended")
    assert (ended["data"]["outcome"], ended["data"]["message"]) == ("failed", "API Error: 400 mock error 400")
    assert world.run("wait", check=False).returncode == 1
    world.send("[[scenario:text say=better]]")
    world.wait("turn_ended", turn=2, outcome="done")
    world.wait("run_settled", outcome="done", after=settled["seq"])


@test("Esc in an answer ends the turn, and the queued prompt follows by itself")
def esc_streaming(world):
    world.swarm(STORY)
    world.wait_status("working")
    runner = world.runner()
    world.until("words of the answer", lambda: any("tokens" in row for row in runner.rows()))
    world.send("the next one [[scenario:text say=next]]")
    queued = world.wait("prompt_queued", origin="message")
    runner.press(b"\x1b")
    ended = world.wait("turn_ended", turn=1)
    assert ended["data"]["outcome"] == "interrupted", ended
    idle = world.wait_status("idle", after=queued["seq"])
    assert idle["data"]["source"] == "osc7501" and ended["seq"] > idle["seq"]
    world.wait("turn_ended", turn=2, outcome="done")
    assert world.prompts_taken() == [STORY, "the next one [[scenario:text say=next]]"], world.prompts_taken()


@test("Esc before the first word puts the prompt back, and the next one goes without it")
def esc_silent(world):
    world.swarm(f"of several\nlines\n{SILENT}")
    world.wait_status("working")
    runner = world.runner()
    world.until("the request", lambda: world.model.journal())
    runner.press(b"\x1b")
    world.wait("turn_ended", turn=1, outcome="interrupted")
    world.wait_screen(runner, "❯ of several")
    world.send("the right one [[scenario:text say=right]]")
    started = world.wait("turn_started", turn=2)
    assert started["data"]["prompt"] and started["data"]["text"] is None, started
    world.wait("turn_ended", turn=2, outcome="done")
    assert world.prompts_taken() == ["the right one [[scenario:text say=right]]"], world.prompts_taken()


@test("Esc at the very beginning, where it ends the prompt's own hook, is an interrupted turn as well")
def esc_at_once(world):
    world.swarm("[[scenario:text]]")
    world.wait("turn_ended", turn=1)
    runner = world.runner()
    for turn in (2, 4, 6):
        after = world.events.last()
        world.send(f"{turn} {SILENT}")
        world.wait_status("working", after=after)
        runner.press(b"\x1b")
        world.wait("turn_ended", turn=turn, outcome="interrupted")
        world.send(f"{turn} went on [[scenario:text say=on]]")
        world.wait("turn_ended", turn=turn + 1, outcome="done")
    # What the model had seen of an interrupted prompt stays in its memory, alone.
    others = [text for text in world.prompts_taken()[1:] if SILENT not in text]
    assert others == [f"{turn} went on [[scenario:text say=on]]" for turn in (2, 4, 6)], world.prompts_taken()
    assert not world.events.all("prompt_undelivered")


@test("Esc while a tool runs ends the turn")
def esc_tool(world):
    world.swarm('[[scenario:shell cmd="tail -f /dev/null"]]')
    world.wait("approval_requested")
    world.run("approve", world.approvals()[0]["id"])
    runner = world.runner()
    world.wait_screen(runner, "Running")
    world.until("the command", lambda: any(b"/dev/null" in command(pid) for pid in world.processes()))
    runner.press(b"\x1b")
    ended = world.wait("turn_ended")
    assert ended["data"]["outcome"] == "interrupted"
    assert world.agent()["status"] == "idle"
    world.wait("run_settled", outcome="done")


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


@test("a subagent is told of, and the next prompt waits until the program is done with it")
def subagent(world):
    world.swarm('[[scenario:subagent prompt="[[scenario:text delay=1500 say=found]]"]]')
    world.wait("turn_started")
    world.send("afterwards [[scenario:text say=after]]")
    begun = world.wait("subagent_started")
    ended = world.wait("subagent_stopped")
    assert begun["data"]["subagent"] == ended["data"]["subagent"]
    assert ended["data"]["message"] == "found"
    world.wait("run_settled", outcome="done", after=ended["seq"])
    written = world.events.all("prompt_written")[-1]
    assert written["seq"] > ended["seq"], "it was written into a working program"
    assert world.prompts_taken()[-1] == "afterwards [[scenario:text say=after]]"
    assert not world.events.all("prompt_undelivered")


@test("a status is shown within a moment of the program's own word", mode="acceptEdits")
def promptness(world):
    watch = None
    world.swarm(EDIT)
    runner = world.runner()
    try:
        watch = Watch(world.runner())
        world.wait("turn_ended", turn=1)
        for turn, text in enumerate(("[[scenario:error status=400]]", "[[scenario:text say=a]]", STORY), 2):
            after = world.events.last()
            world.send(text)
            if text is STORY:
                world.wait_status("working", after=after)
                runner.press(b"\x1b")
            world.wait("turn_ended", turn=turn)
        world.wait_status("idle", after=after)
    finally:
        if watch:
            watch.stop()
    delays = watch.delays(world.events.all("agent_status_changed"))
    assert len(delays) >= 8, delays
    ordered = sorted(delay for _, delay in delays)
    say(f"  status shown after it was stated: median {ordered[len(ordered) // 2] * 1000:.0f} ms, "
        f"most {ordered[-1] * 1000:.0f} ms ({len(delays)} statuses)")
    assert ordered[-1] < 2, delays
