"""Permissions: answered from the shell, in the pane, or not at all."""

from .suite import test

TOUCH = '[[scenario:shell cmd="touch made"]]'
QUESTION = "Do you want to proceed?"


def ask(world):
    """Brings the agent to its question; gives the approval as the shell lists it."""
    world.swarm(TOUCH)
    asked = world.wait("approval_requested")
    world.wait_status("waiting")
    approval, = world.approvals()
    assert approval["id"] == f"a_{asked['seq']}" and approval["answerable"]
    assert (approval["agent"], approval["tool"], approval["input"]) == ("claude", "Bash", {"command": "touch made"})
    return approval["id"]


@test("a permission asked for is a status, and the one thing that waits")
def waiting(world):
    ask(world)
    row = world.agent()
    assert (row["status"], row["waiting_for"], row["source"]) == ("waiting", "approval", "osc7501"), row
    assert row["detail"] == "approve Bash: touch made" and row["approvals"] == 1, row
    shown = world.run("status").stdout
    assert "waiting: approval" in shown, shown
    listed = world.run("approvals").stdout
    assert "touch made" in listed and "orchflow approve a_" in listed, listed
    done = world.run("wait", check=False)
    assert done.returncode == 3, "a human is needed"
    world.wait_screen(world.runner(), QUESTION)
    assert not (world.worktree() / "made").exists()


@test("approved from the shell, the tool runs")
def approve(world):
    approval = ask(world)
    world.run("approve", approval)
    world.wait("run_settled", outcome="done")
    answered, = world.events.all("approval_answered")
    assert answered["data"]["allow"] and answered["cause"] == int(approval[2:])
    assert (world.worktree() / "made").exists()
    assert world.approvals() == []
    again = world.run("approve", approval, check=False)
    assert again.returncode != 0 and "waits no more" in again.stderr, again
    assert not world.events.all("effect_lost")


@test("denied from the shell, the tool does not run and the model reads why")
def deny(world):
    approval = ask(world)
    world.run("deny", approval, "not", "today;", "use", "git")
    world.wait("run_settled", outcome="done")
    assert not (world.worktree() / "made").exists()
    result, = world.tool_results()
    assert "not today; use git" in result, result
    answered, = world.events.all("approval_answered")
    assert answered["data"]["reason"] == "not today; use git"


@test("answered in the pane, the approval is superseded")
def pane(world):
    approval = ask(world)
    runner = world.runner()
    world.wait_screen(runner, QUESTION)
    world.press_until(runner, b"1", "the dialog's end", lambda: not runner.shows(QUESTION))
    superseded = world.wait("approval_superseded")
    assert superseded["data"]["approval"] == int(approval[2:])
    world.wait("run_settled", outcome="done")
    assert (world.worktree() / "made").exists()
    late = world.run("deny", approval, "too", "late", check=False)
    assert late.returncode != 0 and "waits no more" in late.stderr, late
    assert not world.events.all("effect_lost")


@test("refused in the pane by Esc, the approval is superseded and the turn interrupted")
def pane_esc(world):
    ask(world)
    runner = world.runner()
    world.wait_screen(runner, QUESTION)
    world.press_until(runner, b"\x1b", "the dialog's end", lambda: not runner.shows(QUESTION))
    world.wait("approval_superseded")
    ended = world.wait("turn_ended")
    assert ended["data"]["outcome"] == "interrupted"
    assert world.agent()["status"] == "idle"
    assert not (world.worktree() / "made").exists()


@test("an agent cannot answer for its human")
def itself(world):
    approval = f'"{world.programs.orchflow}" approve $(cat id) >out 2>&1; echo $? >>out'
    world.swarm('[[scenario:shell cmd="' + approval.replace('"', '\\"') + '"]]')
    asked = world.wait("approval_requested")
    (world.worktree() / "id").write_text(f"a_{asked['seq']}")
    world.run("approve", f"a_{asked['seq']}")
    world.wait("run_settled")
    out = (world.worktree() / "out").read_text()
    assert "may not" in out and not out.endswith("\n0\n"), out


@test("approved with other arguments, those are what the tool gets")
def edited(world):
    approval = ask(world)
    world.run("approve", approval, "--edit", '{"command": "touch other"}')
    world.wait("run_settled", outcome="done")
    assert (world.worktree() / "other").exists() and not (world.worktree() / "made").exists()
    answered, = world.events.all("approval_answered")
    assert answered["data"]["input"] == {"command": "touch other"}, answered


@test("what a rule allows is asked of nobody, and nothing waits meanwhile")
def rule(world):
    world.swarm("Say hello.")
    world.wait("run_settled")
    world.run("rules", "allow", "--run", "1", "Bash: touch ma*")
    world.run("rules", "deny", "--run", "1", "--reason", "I push", "Bash: git push*")
    world.run("send", "claude", TOUCH)
    answered = world.wait("approval_answered")
    assert answered["data"]["allow"] and answered["data"]["rule"], answered
    world.wait("turn_ended", turn=2)
    assert (world.worktree() / "made").exists()
    world.run("send", "claude", '[[scenario:shell cmd="git push origin main"]]')
    denied = world.wait("approval_answered", allow=False)
    assert "I push" in denied["data"]["reason"], denied
    world.wait("turn_ended", turn=3)
    assert any("I push" in result for result in world.tool_results())
    # What it states may outrun its hook by a moment, in microseconds; the answer to that follows at once.
    answers = [event["timestamp"] for event in world.events.all("approval_answered")]
    waited = [event for event in world.events.all("agent_status_changed")
              if event["data"]["status"] == "waiting" and event["data"]["waiting_for"] == "approval"
              and not any(0 <= answer - event["timestamp"] < 300_000 for answer in answers)]
    assert not waited, waited
