"""What stands before the first prompt: dialogs that are shown and never answered for the human."""

import json
import time

from .suite import say, test

HELLO = "[[scenario:text say=hello]]"
MCP = {".mcp.json": json.dumps({"mcpServers": {"files": {"command": "/bin/true", "args": []}}})}
TRUST, API_KEY = "Quick safety check", "Detected a custom API key"
SERVER, OFFER = "New MCP server found", "Make auto mode your default"
UP, DOWN, ENTER = b"\x1b[A", b"\x1b[B", b"\r"
# Within it the human is told, from the moment the dialog is there.
SOON_S = 2.0


def stands(world, waiting_for, text, after=0):
    """Waits for a dialog and for its status; gives the runner, and holds the status to its time."""
    runner = world.runner()
    # Looked at every 20 ms, so this is when it was drawn or a little later.
    drawn = world.wait_screen(runner, text)
    told = world.wait_status("waiting", waiting_for=waiting_for, after=after)
    delay = max(0.0, told["seen"] - drawn)
    spawned = world.events.all("agent_spawned")[0]
    since = f", {told['seen'] - spawned['timestamp'] / 1e6:.2f} s after the start" if not after else ""
    say(f"  waiting: {waiting_for} {delay:.2f} s after it was drawn{since}, by {told['data']['source']}")
    assert delay < SOON_S, f"told {delay} s after it was there"
    return runner


def stays(world, runner, text):
    """Nobody answers the dialog, and the prompt is kept back."""
    def marked():
        return [row for row in runner.rows() if "❯" in row]
    before = marked()
    # That nothing happens is known by waiting only.
    time.sleep(1.5)
    assert marked() == before and text in "\n".join(runner.rows()), "the dialog was touched"
    row = world.agent()
    assert row["status"] == "waiting" and row["queued"] == 1 and row["turn"] == 0, row
    assert not world.events.all("prompt_writing") and not world.model.journal()


def choose(world, runner, key, marked):
    """Moves the dialog's mark and takes the choice, as the human does."""
    world.press_until(runner, key, f"the mark at {marked!r}", lambda: runner.shows(f"❯ {marked}"))
    world.press_until(runner, ENTER, f"the answer {marked!r}", lambda: not runner.shows(f"❯ {marked}"))


def goes_on(world):
    world.wait("turn_ended", turn=1, outcome="done")
    assert world.prompts_taken() == [HELLO]


@test("an untrusted repository is `waiting: trust`, until the human trusts it", trusted=False)
def trust(world):
    world.swarm(HELLO)
    runner = stands(world, "trust", TRUST)
    stays(world, runner, TRUST)
    assert "waiting: trust" in world.run("status").stdout
    assert world.run("wait", check=False).returncode == 3
    assert "hasTrustDialogAccepted\": true" not in world.state.read_text(), "somebody trusted it"
    choose(world, runner, UP, "Yes, I trust this folder")
    goes_on(world)


@test("a repository that the human does not trust ends its agent, and the prompt is known to be undelivered",
      trusted=False)
def distrust(world):
    world.swarm(HELLO)
    runner = stands(world, "trust", TRUST)
    choose(world, runner, b"", "No, exit")
    world.wait("agent_exited")
    world.wait("prompt_undelivered")
    world.wait("run_settled", outcome="failed")
    assert not world.model.journal()


@test("an unknown key in the environment is `waiting: api key`", key_approved=False)
def api_key(world):
    world.swarm(HELLO)
    runner = stands(world, "api key", API_KEY)
    stays(world, runner, API_KEY)
    assert (world.agent()["source"], world.agent()["confidence"]) == ("screen", "guess")
    choose(world, runner, UP, "Yes")
    goes_on(world)


@test("a server of the repository's .mcp.json is `waiting: mcp`", files=MCP)
def mcp(world):
    world.swarm(HELLO)
    runner = stands(world, "mcp", SERVER)
    stays(world, runner, SERVER)
    choose(world, runner, b"", "Continue without using this MCP server")
    goes_on(world)


@test("dialogs behind one another are each named", trusted=False, key_approved=False, files=MCP)
def one_after_another(world):
    world.swarm(HELLO)
    runner = stands(world, "trust", TRUST)
    seen = world.events.last()
    choose(world, runner, UP, "Yes, I trust this folder")
    runner = stands(world, "mcp", SERVER, after=seen)
    stays(world, runner, SERVER)
    seen = world.events.last()
    choose(world, runner, b"", "Continue without using this MCP server")
    runner = stands(world, "api key", API_KEY, after=seen)
    choose(world, runner, UP, "Yes")
    goes_on(world)


@test("an offer of the program itself waits for the human as well", offered=False)
def offer(world):
    world.swarm(HELLO)
    runner = stands(world, "answer", OFFER)
    stays(world, runner, OFFER)
    choose(world, runner, DOWN, "No, keep manual mode")
    goes_on(world)
