"""Prompts of every shape: each is taken once, as it is, in its order."""

from .suite import test

HELLO = "[[scenario:text say=hello]]"

# What Claude Code makes of a tab is its own affair; everything else is as it was sent.
SHAPES = [
    "one line",
    "three\nlines\nof text",
    "an empty line\n\n\nand another\n\n",
    "\n\nlines before",
    "seven lines\n2\n3\n4\n5\n6\n7",
    "emoji 🙂👩‍👩‍👧 ünïcode 漢字 \u0301 combining",
    "-leading dash",
    "--help",
    "trailing semicolon;",
    "/slash text",
    "/etc/hosts is a file",
    "!echo not a command",
    "#not a note",
    "look at @foo.txt",
    "$HOME `id` $(id) %s \\n 'quoted' \"twice\"",
    "ends with a backslash \\",
    "   indented",
    "?",
    "key names C-c Escape Enter ; :q and so on",
    "a word " * 400,
    "withoutanyblank" * 100,
    "line of many\n" * 60,
    "control \x1b[31m \x03 \x1b[201~ bytes \x7f",
]


def plain(text):
    """The text as it may be written: without control characters, and without the blanks at its ends that keep it
    text; line ends at the end are not sent."""
    return "".join(letter for letter in text if letter in "\n\t" or letter.isprintable()).strip()


def taken(world):
    return [plain(text) for text in world.prompts_taken()]


def show(texts):
    return [text if len(text) < 200 else f"{text[:90]}…{text[-90:]} ({len(text)})" for text in texts]


@test("prompts sent while it works are queued, and each is taken once, as it is, in order")
def shapes(world):
    world.swarm("[[scenario:text say=hello delay=1000]]")
    world.wait("turn_started")
    for text in SHAPES:
        world.send(text)
    assert world.agent()["queued"] == len(SHAPES)
    world.wait("turn_ended", turn=len(SHAPES) + 1, seconds=180)
    world.wait("run_settled", outcome="done")
    expected = ["[[scenario:text say=hello delay=1000]]", *(plain(text) for text in SHAPES)]
    found = taken(world)
    assert found == expected, [(a, b) for a, b in zip(show(found), show(expected)) if a != b] or show(found)
    assert len(world.events.all("prompt_accepted")) == len(expected)
    assert not world.events.all("prompt_undelivered")
    own_turns = [event["data"] for event in world.events.all("turn_started") if event["data"]["text"] is not None]
    assert not own_turns, "a prompt of ours was taken for one of the human's"


@test("nothing but the name of a command is one, and it is known when it is done")
def command(world):
    world.swarm(HELLO)
    world.wait("turn_ended", turn=1)
    world.send("/compact")
    ended = world.wait("turn_ended", turn=2)
    assert ended["data"]["outcome"] == "done", ended
    assert [event["data"]["name"] for event in world.events.all("agent_reported")] == ["PreCompact", "PostCompact"]
    world.send("after it")
    world.wait("turn_ended", turn=3)
    assert taken(world)[-1] == "after it"
    assert not world.events.all("prompt_undelivered")


@test("a prompt of 200 kB is taken once, whole")
def large(world):
    world.swarm(HELLO)
    world.wait("turn_ended", turn=1)
    for turn, text in enumerate(("a word " * 29_000, "a line of some words\n" * 10_000), 2):
        text = f"begin {turn}\n{text}end {turn} {HELLO}"
        assert len(text) > 200_000
        world.send(text)
        ended = world.wait("turn_ended", turn=turn, seconds=90)
        assert ended["data"]["outcome"] == "done"
        found = world.prompts_taken()[-1]
        assert found.count(f"begin {turn}\n") == 1 and text in found, show([found])
        started = world.events.all("turn_started")[-1]["data"]
        assert started["prompt"] and started["text"] is None, "it was not known again"
    assert not world.events.all("prompt_undelivered")


@test("a prompt typed by the human is a turn of its own; what was only begun is not sent along, and not lost")
def draft(world):
    world.swarm(HELLO)
    world.wait("turn_ended", turn=1)
    world.wait_status("done")
    runner = world.runner()
    runner.press(b"typed by hand")
    world.wait_screen(runner, "❯ typed by hand")
    runner.press(b"\r")
    started = world.wait("turn_started", turn=2)
    assert started["data"]["text"] == "typed by hand" and started["data"]["prompt"] is None
    after = world.wait("turn_ended", turn=2)["seq"]
    world.wait_status("done", after=after)
    # In several lines, the cursor in the middle of them.
    runner.press(b"\x1b[200~only a draft\nof some\nlines\x1b[201~")
    world.wait_screen(runner, "❯ only a draft")
    runner.press(b"\x1b[A")
    world.send("sent")
    world.wait("turn_ended", turn=3)
    assert taken(world)[1:] == ["typed by hand", "sent"], taken(world)
    world.until("an empty input line", lambda: "❯" in [row.strip() for row in runner.rows()])
    runner.press(b"\x19")
    world.wait_screen(runner, "❯ only a draft")
    world.wait_screen(runner, "lines")


@test("a prompt of several lines is known again in a view of ten rows, where it counts as pasted")
def small_view(world):
    world.swarm(HELLO)
    world.wait("turn_ended", turn=1)
    runner = world.runner()
    runner.call("resize", {"columns": 80, "rows": 10})
    world.send("one\ntwo\nthree")
    started = world.wait("turn_started", turn=2)
    assert started["data"]["prompt"] and started["data"]["text"] is None, started
    world.wait("turn_ended", turn=2)
    assert "one" in taken(world)[-1] and "three" in taken(world)[-1], taken(world)
