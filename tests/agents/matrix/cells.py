"""What is tried with each program, in this order. A cell gives its figures, or says by AssertionError why not."""

import time

from claude_code.lateness import Watch
from claude_code.runner import Refused

from .by_hand import ByHand
from .lateness import Lateness, figures

HELLO = "[[scenario:text say=hello in=1234 out=56]]"
SHAPED = 'emoji 🙂 and "quotes", two\nlines; a trailing semicolon;'
EDIT = "[[scenario:edit-file path=foo.txt old=one new=TWO]]"
BEFORE = "[[scenario:text say=before]]"
STORY = "[[scenario:text say=never delay=60000]]"
FAILS = "[[scenario:error status=400]]"
# Within this a status of a structured source is shown.
SOON_S = 0.05


def since(world, event_type, after):
    return world.events.all(event_type, after=after)


def start(world):
    """It starts in a fresh worktree without a dialog, by orchflow's own launch."""
    begun = time.monotonic()
    world.swarm(HELLO)
    world.wait("agent_spawned")
    ready = world.wait("prompt_writing", seconds=90)
    assert world.user_files() == world.own_files or world.program.channel == "acp" or \
        world.program.agent in REWRITES, "it wrote into the user's own files"
    return {"ready_s": round(time.monotonic() - begun, 1), "events": ready["seq"]}


# Programs that keep their own state in a file of the user's settings.
REWRITES = {"claude", "codex", "copilot", "gemini", "opencode", "qwen"}


def prompt(world):
    """The objective and a prompt of several lines are each taken once, as they are."""
    ended(world, 0)
    after = world.events.last()
    world.send(SHAPED)
    accepted = world.wait("prompt_accepted", after=after, seconds=60)
    ended(world, after)
    lost = since(world, "prompt_undelivered", 0)
    assert not lost, f"shown as undelivered: {lost[0]['data']['reason']}"
    seen = sum(1 for text in prompts_seen(world) if squeezed(SHAPED) in squeezed(text))
    assert seen == 1, f"the model saw it {seen} times"
    return {"evidence": accepted["data"]["evidence"]}


def squeezed(text):
    return "".join(text.split())


def prompts_seen(world):
    """What the human said in the newest conversation, in whichever dialect; of those with tools where there are some."""
    bodies = [request.get("body") or {} for request in world.model.journal()]
    for body in reversed([body for body in bodies if body.get("tools")] or bodies):
        texts = list(said(body))
        if any("scenario:" in text for text in texts):
            return texts
    return []


def said(body):
    items = body.get("messages") or body.get("contents") or (body.get("input") if isinstance(body.get("input"), list) else [])
    for item in items:
        if item.get("role") != "user":
            continue
        content = item.get("content", item.get("parts"))
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            # A message of several parts is one.
            yield "\n".join(part.get("text") or "" for part in content if isinstance(part, dict))


def ended(world, after, answer=None, seconds=90):
    """Waits for the end of the turn that began behind an event, and for rest. `answer` is tried at everything asked."""
    started = world.wait("turn_started", after=after, seconds=60)
    end = time.monotonic() + seconds
    while not (over := [event for event in since(world, "turn_ended", started["seq"])
                        if event["data"]["turn"] == started["data"]["turn"]]):
        assert time.monotonic() < end, f"its turn {started['data']['turn']} did not end within {seconds} s"
        if world.program.asks_in_pane:
            world.answer_in_pane()
        elif answer:
            for approval in world.approvals():
                world.run(answer, approval["id"], check=False)
        time.sleep(0.1)
    world.at_rest()
    return over[0]


def events(world):
    """Every call of a tool that the model asked for is an event, before and after."""
    after, asked_before = world.events.last(), world.tool_calls_asked()
    world.send(EDIT)
    ended(world, after, answer="approve")
    asked = len(world.tool_calls_asked() - asked_before)
    requested, over = since(world, "tool_requested", after), [
        event for kind in ("tool_finished", "tool_failed", "tool_denied") for event in since(world, kind, after)]
    assert "TWO" in (world.worktree() / "foo.txt").read_text(), "the file was not edited"
    world.wait("checkpoint_taken", after=after, seconds=20)
    assert asked and len(requested) >= asked and len(over) >= asked, \
        f"the model asked for {asked} tools, told of {len(requested)} requests and {len(over)} ends"
    return {"asked": asked, "requested": len(requested), "ended": len(over)}


def ask(world, name):
    after = world.events.last()
    world.send(world.program.asks.format(name=name))
    world.wait("approval_requested", after=after, seconds=60)
    approval, = world.approvals()
    assert approval.get("answerable", True), "it cannot be answered from here"
    return approval, after


def approve(world):
    """What it asks for is allowed from orchflow, and done."""
    approval, after = ask(world, "made")
    # Its own word for it may come a moment after the hook that asks.
    world.until("the status `waiting`", lambda: world.agent()["status"] == "waiting", seconds=5)
    world.run("approve", approval["id"])
    ended(world, after)
    assert (world.worktree() / "made").exists(), "it did not run what was allowed"
    return {}


def deny(world):
    """What it asks for is denied from orchflow with a reason, which the model reads, and not done."""
    approval, after = ask(world, "unmade")
    reason = "not today; use git"
    world.run("deny", approval["id"], reason)
    ended(world, after)
    assert not (world.worktree() / "unmade").exists(), "it ran what was denied"
    told = any(reason in str(request.get("body")) for request in world.model.journal()[-6:])
    return {"reason_reached_model": told}


def status(world):
    """Working, done, interrupted in the pane, and failed are each shown."""
    after = world.events.last()
    world.send(STORY)
    world.wait("agent_status_changed", after=after, status="working", seconds=60)
    interrupt(world, after)
    after = world.events.last()
    world.send(FAILS)
    outcome = ended(world, after)["data"]["outcome"]
    assert outcome == "failed", f"an error of the model ended the turn as {outcome}"
    return {"error": outcome}


def interrupt(world, after):
    # That it works for a moment before it is broken into is known by waiting only.
    time.sleep(2)
    runner = world.runner()
    end = time.monotonic() + 40
    while not since(world, "turn_ended", after):
        assert time.monotonic() < end, "interrupted in its pane, it is still shown as working"
        for keys in world.program.interrupt:
            runner.press(keys)
            time.sleep(0.3)
        time.sleep(4)
    world.at_rest()


def cost(world):
    """Tokens as the model server gave them are told."""
    used = since(world, "usage_reported", 0)
    assert used, "no usage was told"
    tokens = [(event["data"]["usage"]["input_tokens"], event["data"]["usage"]["output_tokens"]) for event in used]
    given = any(pair == (1234, 56) for pair in tokens)
    adds_up = any(event["data"]["usage"].get("is_total") for event in used)
    assert given or adds_up or world.program.estimates, f"told {tokens[:5]}, given 1234 and 56"
    dollars = [event["data"]["usage"].get("cost_usd") for event in used]
    return {"reports": len(used), "dollars": any(value is not None for value in dollars)}


def stop(world):
    """Stopped, it ends within ten seconds and leaves no process behind."""
    begun = time.monotonic()
    world.run("stop", world.name)
    world.wait("agent_exited", seconds=20)
    took = time.monotonic() - begun
    kept = {"orchflow"}
    left = [name for name in (command(pid) for pid in world.processes()) if name and name not in kept]
    assert not left, f"left behind: {', '.join(left)}"
    assert took < 10, f"it took {took:.1f} s"
    return {"seconds": round(took, 1)}


def command(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return None


def resume(world):
    """Its session is taken up again, with what was said in it."""
    session = world.agent().get("session")
    assert session, "its session id is not known"
    done = world.run("resume", world.name, check=False)
    assert done.returncode == 0, (done.stderr or done.stdout).strip().splitlines()[0]
    world.wait("agent_spawned", after=world.events.all("agent_exited")[-1]["seq"], seconds=60)
    world.at_rest(90)
    after = world.events.last()
    world.send("[[scenario:text say=again]] after it")
    world.wait("turn_ended", after=after, seconds=90)
    texts = prompts_seen(world)
    assert any("say=hello" in text for text in texts), "the conversation before is gone"
    return {}


def adopt(world):
    """What the human started elsewhere is gone on with in a copy of its session, in a worktree."""
    world.run("stop", world.name)
    with ByHand(world) as by_hand:
        by_hand.say(BEFORE)
        found = world.until("a session that can be gone on with", lambda: next(
            (row for row in world.ask("adopt")["data"] if row["adoptable"]), None), seconds=30)
        done, = world.ask("adopt", str(found["process"]))["data"]
        assert done["copy"], done
        world.name = done["agent"]
        world.at_rest(90)
        after = world.events.last()
        world.send(world.program.asks.format(name="gone-on"))
        ended(world, after, answer="approve")
        texts = prompts_seen(world)
        assert any(BEFORE in text for text in texts), "the conversation before is gone"
        assert not (world.repository / "gone-on").exists(), "it works in the user's own folder"
        assert (world.worktree() / "gone-on").exists(), "it did not work in its worktree"
        return {"stated": found["stated"]}


CELLS = [("start", start), ("prompt", prompt), ("events", events), ("approve", approve), ("deny", deny),
         ("status", status), ("cost", cost), ("exit", stop), ("resume", resume), ("adopt", adopt)]


def late(world, watch):
    """Gives the figures of how late its statuses were, by source."""
    changes = world.events.all("agent_status_changed")
    found = {"hook": figures(*Lateness(world.program).of_hooks(world.stamps, changes))}
    if watch:
        found["osc7501"] = figures([seconds for _, seconds in watch.delays(changes)])
    return {source: value for source, value in found.items() if value}


def watched(world):
    """Watches the program's own status sequence, where it has a terminal."""
    if world.program.channel != "terminal":
        return None
    try:
        runner = world.runner()
        # Its own connection: the watch has a thread of its own.
        world.runners.remove(runner)
        return Watch(runner)
    except (AssertionError, OSError, Refused):
        return None
