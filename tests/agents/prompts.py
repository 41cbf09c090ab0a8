#!/usr/bin/env python3
"""Prompts that arrive once, or are known not to: how many did, for each program.

    tests/agents/prompts.py [NAME…]              20 prompts and more to each real program that is installed
    tests/agents/prompts.py --standin [NAME…]    1,000 to a stand-in of each: a rehearsal with its rules for prompts
    --count N                                    another number

Prompts are of all kinds: several lines, 200 kB, emoji, control characters, a leading dash or slash, a trailing
semicolon or backslash, sent while the agent starts, works, or waits in a dialog. Each carries a word of its own; what
the program took is read from what the model was asked (or from what the rehearsal wrote down). Counted are: once, once
but changed, lost and known to be, lost unknown, doubled; kept in prompts.json and doc/agents.md. The last line is `N passed, N failed, N skipped`, in programs.
`make test-agents` installs the programs. ORCHFLOW_BIN, ORCHFLOW_DEPS and ORCHFLOW_MOCK_MODEL as for run.py.
"""

import sys

sys.dont_write_bytecode = True

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import time  # noqa: E402
import unicodedata  # noqa: E402
from pathlib import Path  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(Path(__file__).resolve().parent)]

from matrix.document import COUNTS, write_prompts  # noqa: E402
from matrix.programs import PROGRAMS, Program, installed  # noqa: E402
from matrix.world import AgentWorld, Programs  # noqa: E402

AGENTS = Path(os.environ.get("ORCHFLOW_DEPS") or ROOT / ".deps") / "agents"
BUILTIN = ROOT / "crates/agent/src/catalogue/builtin"
ANSWER = "[[scenario:text say=ok]]"
OPEN, CLOSE = "\u27e6", "\u27e7"


def shapes():
    """Texts of every kind, each with `{word}` where its own word goes."""
    long_line = "a long line " * 400
    huge = "".join(f"line {number} of very many, with an é\n" for number in range(6000))[:200_000]
    return [
        ("plain", "Say ok {word}."),
        ("two lines", "Say ok {word},\nand nothing else."),
        ("many lines", "{word}\n\n\n    indented\n\ttabbed\n\nthe end"),
        ("emoji", "🙂👩‍👩‍👧 naïve 漢字 {word} 🇩🇪"),
        ("control characters", "bell \x07 escape \x1b[31m red \x1b[0m null \x00 {word} \x03\x04 end"),
        ("end of a paste", "before \x1b[201~ {word} after"),
        ("leading dash", "--help is what {word} begins with"),
        ("trailing semicolon", "run {word};"),
        ("trailing backslash", "a path {word} C:\\dir\\"),
        ("leading slash", "/src/{word} is a folder"),
        ("leading bang", "!{word} is no command"),
        ("leading hash", "# {word} is a heading"),
        ("leading at", "@{word} is nobody"),
        ("leading blanks", "   \n  {word} after blanks"),
        ("quotes", "\"{word}\" 'and' `ticks` $(id) ${HOME} %s \\n"),
        ("a long line", long_line + "{word}"),
        ("carriage returns", "one\r\ntwo {word}\r\nthree"),
        ("right to left", "שלום {word} مرحبا"),
        ("template", "{{prompt}} {word} <tag> </tag> &amp;"),
        ("combining", "e\u0301 {word} a\u0308\u0323"),
        ("200 kB", huge + "{word}"),
    ]


def visible(text):
    """What is compared: programs trim, fold white space, compose letters and drop control characters."""
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z~]", lambda match: match.group()[1:], text)
    return "".join(character for character in text if not character.isspace() and character.isprintable() or ord(character) > 127)


class Count:
    def __init__(self):
        self.sent, self.once, self.changed, self.known, self.lost, self.doubled = 0, 0, 0, 0, 0, 0
        self.notes = []

    def judge(self, kind, text, word, seen, undelivered):
        """Counts one prompt by all that was seen with its word."""
        self.sent += 1
        with_word = [one for one in seen if word in one]
        if len(with_word) > 1:
            self.doubled += 1
            self.notes.append(f"{kind}: seen {len(with_word)} times")
        elif with_word:
            exact = visible(text) in visible(with_word[0]) and not undelivered
            self.once += exact
            self.changed += not exact
            if not exact:
                how = "taken, though shown as undelivered" if undelivered else f"changed to {with_word[0][:120]!r}"
                self.notes.append(f"{kind}: {how}")
        elif undelivered:
            self.known += 1
            self.notes.append(f"{kind}: shown as undelivered: {undelivered}")
        else:
            self.lost += 1
            self.notes.append(f"{kind}: lost")

    def line(self, title):
        return (f"{title:24} {self.sent:5} sent {self.once:5} once {self.changed:3} changed {self.known:3} known lost "
                f"{self.lost:3} lost {self.doubled:3} doubled")


def say(text):
    print(text, flush=True)


def said(body):
    """What the human said in one request, in whichever dialect: a text for each message."""
    items = body.get("messages") or body.get("contents")
    items = items or (body.get("input") if isinstance(body.get("input"), list) else [])
    for item in items:
        if item.get("role") != "user":
            continue
        content = item.get("content", item.get("parts"))
        parts = [content] if isinstance(content, str) else [part.get("text") or "" for part in content or [] if isinstance(part, dict)]
        # Parts of one message are one; a program may wrap what was pasted in marks of its own.
        yield "\n".join(parts)


def whole(text):
    """Puts a paste back that the program handed over as the name of a file."""
    def content(match):
        try:
            return Path(match.group(1)).read_text()
        except OSError:
            return match.group()
    return re.sub(r'<pasted_content file="([^"]+)"[^>]*/>', content, text)


def newest_with(world, word):
    """Gives the texts of the human in the newest request in which one has the word. Those with tools are the
    conversation; others are the program's own, about a title and the like."""
    bodies = [request.get("body") or {} for request in reversed(world.model.journal())]
    for body in [body for body in bodies if body.get("tools")] or bodies:
        texts = [whole(text) for text in said(body)]
        if any(word in text for text in texts):
            return texts
    return []


def undelivered(world, prompt):
    for event in world.events.all("prompt_undelivered"):
        if event["data"]["prompt"] == prompt:
            return event["data"]["reason"]
    return None


def send(world, text):
    """Sends a prompt; gives its number."""
    answer = world.ask("send", world.name, stdin=text)
    return answer["data"][0]["id"]


def to_real(programs, program, count):
    """Sends prompts of all kinds in all situations to a real program."""
    counted = Count()
    with AgentWorld(programs, program, stamped=False) as world:
        world.swarm(f"{ANSWER} w0000 begins")
        # While it starts: it waits in the queue.
        pending = [("while it starts", f"Say ok w0001. {ANSWER}", "w0001")]
        numbers = {"w0001": send(world, pending[0][1])}
        settle(world, counted, pending, numbers)
        number = 2
        kinds = shapes()
        while number < count + 2:
            kind, shape = kinds[(number - 2) % len(kinds)]
            if kind == "200 kB" and number > len(kinds) + 2:
                number += 1
                continue
            word = f"w{number:04}"
            text = shape.replace("{word}", f"{word} {ANSWER}")
            numbers[word] = send(world, text)
            settle(world, counted, [(kind, text, word)], numbers)
            number += 1
        # While it works, two at once.
        after = world.events.last()
        world.send("[[scenario:text say=slow delay=4000]] wslow")
        world.wait("turn_started", after=after, seconds=60)
        pending = [("while it works", f"Say ok w90{n}0 {ANSWER}", f"w90{n}0") for n in (1, 2)]
        for _, text, word in pending:
            numbers[word] = send(world, text)
        settle(world, counted, pending, numbers)
        # While a dialog is open.
        if "approve" not in program.lacks:
            after = world.events.last()
            world.send(program.asks.format(name="asked") + " wask")
            world.wait("approval_requested", after=after, seconds=60)
            pending = [("while a dialog is open", f"Say ok w9100 {ANSWER}", "w9100")]
            numbers["w9100"] = send(world, pending[0][1])
            time.sleep(1)
            assert not world.events.all("prompt_writing", after=numbers["w9100"]), "it was written into the dialog"
            for approval in world.approvals():
                world.run("approve", approval["id"])
            settle(world, counted, pending, numbers)
    return counted


def fate(world, prompt):
    """Says whether it is known what became of a prompt: the turn with it is over, or it was not delivered."""
    if undelivered(world, prompt):
        return True
    accepted = [event for event in world.events.all("prompt_accepted") if event["data"]["prompt"] == prompt]
    return bool(accepted and world.events.all("turn_ended", after=accepted[0]["seq"]))


def settle(world, counted, pending, numbers):
    """Waits until what became of some prompts is known, and the program rests; counts them."""
    for _, _, word in pending:
        world.until(f"what became of {word}", lambda word=word: fate(world, numbers[word]), seconds=120)
    world.at_rest(120)
    for kind, text, word in pending:
        seen = newest_with(world, word)
        counted.judge(kind, text, word, seen, undelivered(world, numbers[word]))


def rules(name):
    """Gives the program's own rules for prompts, as they stand in the catalogue."""
    text = (BUILTIN / f"{name}.toml").read_text()
    found = re.search(r"^\[prompt\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S)
    return found.group(0) if found else ""


def to_standin(programs, name, count):
    """Sends prompts of all kinds to a rehearsal that takes them as the program does, and writes each down."""
    counted = Count()
    program = Program(name, f"{name} (stand-in)", name)
    with AgentWorld(programs, program, stamped=False) as world:
        folder = world.home / ".config/orchflow/agents"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.toml").write_text(f'kind = "rehearsal"\n[rehearsal]\nscript = "{name}.yaml"\n{rules(name)}')
        (folder / f"{name}.yaml").write_text(f"- - edit: {{path: heard.txt, append: \"{OPEN}{{prompt}}{CLOSE}\"}}\n")
        # A file that git ignores is in no checkpoint: what grows for ever is not to be compared again and again.
        (world.repository / ".git/info/exclude").write_text("heard.txt\n")
        kinds = shapes()
        texts, numbers = [], {}
        world.swarm("w0000 begins")
        for number in range(1, count + 1):
            kind, shape = kinds[number % len(kinds)]
            # Ten of the huge ones are enough.
            if kind == "200 kB" and number > 10 * len(kinds):
                kind, shape = kinds[0]
            word = f"w{number:04}"
            text = shape.replace("{word}", word)
            texts.append((kind, text, word))
            numbers[word] = send(world, text)
            while number % 8 == 0 and world.agent()["queued"] > 8:
                time.sleep(0.05)
        world.until("all are taken", lambda: not world.agent()["queued"] and world.agent()["status"] == "done", seconds=600)
        # One that is being written is no longer queued.
        world.until("what became of the last", lambda: fate(world, numbers[texts[-1][2]]), seconds=120)
        heard = (world.worktree() / "heard.txt").read_text()
        seen = [part.split(CLOSE)[0] for part in heard.split(OPEN)[1:]]
        reasons = {event["data"]["prompt"]: event["data"]["reason"] for event in world.events.all("prompt_undelivered")}
        by_word = {}
        for one in seen:
            for word in set(re.findall(r"w\d{4}", one)):
                by_word.setdefault(word, []).append(one)
        for kind, text, word in texts:
            counted.judge(kind, text, word, by_word.get(word, []), reasons.get(numbers[word]))
    return counted


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--standin", action="store_true")
    parser.add_argument("--count", type=int)
    given = parser.parse_args()
    orchflow = Path(os.environ.get("ORCHFLOW_BIN") or ROOT / "target/debug/orchflow").absolute()
    model = Path(os.environ.get("ORCHFLOW_MOCK_MODEL") or ROOT / "tests/support/mock-model/mock_llm.mjs").absolute()
    if not orchflow.exists():
        say(f"skipped: prompts: {orchflow} is not there; build it: cargo build -p orchflow -p orchflow-hook")
        return 77
    os.environ["ORCHFLOW_REHEARSAL_SPEED"] = "0"
    ready = AGENTS / "READY"
    found = installed(ready) if ready.exists() else {}
    programs = Programs(orchflow, model, AGENTS / "bin")
    kind = "stand-in" if given.standin else "real"
    passed = failed = skipped = 0
    for program in PROGRAMS:
        # A second row of an agent has the same prompts.
        if program.name not in given.names if given.names else program.agent != program.name:
            continue
        if given.standin and program.channel != "terminal":
            continue
        if not given.standin and program.installed not in found:
            say(f"skipped: {program.name}: it is not installed")
            skipped += 1
            continue
        begun = time.monotonic()
        try:
            counted = (to_standin(programs, program.agent, given.count or 1000) if given.standin
                       else to_real(programs, program, given.count or 21))
        except AssertionError as error:
            say(f"{program.title}: {error}")
            failed += 1
            continue
        say(f"{counted.line(program.title)}   {time.monotonic() - begun:.0f} s")
        for note in counted.notes[:12]:
            say(f"  {note}")
        row = {"name": program.name, "title": program.title, "kind": kind,
               "version": found.get(program.installed, ("",))[0], **{name: getattr(counted, name) for name in COUNTS},
               "notes": counted.notes[:12]}
        write_prompts([row])
        good = not counted.lost and not counted.doubled and not counted.known and not counted.changed
        passed, failed = passed + good, failed + (not good)
    say(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
