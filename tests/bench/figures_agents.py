"""Real agent programs: what of their work becomes events, what orchflow costs them, and what eight of them cost it.

Needs what scripts/get-agents.sh installs; offline, against the model server of tests/support. Their own time is not ours:
only what orchflow adds is compared with a target.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from figure import Figure
from world import PROGRAMS, ROOT, NotMeasured, cpu_ns, say

sys.path[:0] = [str(ROOT / "tests/agents"), str(ROOT / "tests/e2e")]

from matrix.programs import PROGRAMS as KNOWN  # noqa: E402
from matrix.programs import Program, installed  # noqa: E402
from matrix.world import AgentWorld, Programs  # noqa: E402

AGENTS = Path(os.environ.get("ORCHFLOW_DEPS") or ROOT / ".deps") / "agents"
TOOLS = 10
# How long all of them may take to be at work, in seconds.
START = 150
MANY = 8


def found():
    """The terminal programs that report tools and are installed here."""
    ready = AGENTS / "READY"
    if not ready.exists():
        raise NotMeasured(f"{ready} is not there; scripts/get-agents.sh installs the programs")
    here = installed(ready)
    return [program for program in KNOWN
            if program.channel == "terminal" and program.installed in here and "events" not in program.lacks]


def all_of(programs):
    """One row whose world has the settings of all programs."""
    def merged(what, *words):
        return {name: value for program in programs for name, value in getattr(program, what)(*words).items()}
    return Program(programs[0].name, "all", "", environment=lambda port, home: merged("environment", port, home),
                   files=lambda port, repository: merged("files", port, repository), arguments=programs[0].arguments)


def world_of(program):
    where = Programs(PROGRAMS / "orchflow", ROOT / "tests/support/mock-model/mock_llm.mjs", AGENTS / "bin")
    return AgentWorld(where, program, stamped=False)


def measure(_, quick):
    programs = found()
    if not programs:
        raise NotMeasured("none of the programs is installed")
    yield captured(programs)
    claude = next((program for program in programs if program.name == "claude"), None)
    if claude:
        yield overhead(claude, 3 if quick else 10)
    yield many(programs, 10 if quick else 30)


def captured(programs):
    """Every call of a tool that the model asked for against the events that tell of it."""
    asked = told = 0
    parts = []
    for program in programs:
        try:
            with world_of(program) as world:
                if program.name not in world.agents():
                    continue
                world.swarm(f"[[scenario:reads n={TOOLS}]]")
                world.wait("turn_ended", seconds=120)
                world.at_rest()
                calls, events = len(world.tool_calls_asked()), len(world.events.all("tool_requested"))
        except AssertionError as error:
            say(f"not measured: events of {program.name}: {error}")
            parts.append(f"{program.name} not measured")
            continue
        asked, told = asked + calls, told + min(calls, events)
        parts.append(f"{program.name} {events} of {calls}")
    if not asked:
        raise NotMeasured("no model asked for a tool")
    return Figure("agents: tools asked for that became events", "%", 100 * told / asked, None, "", "least", 100, note=", ".join(parts))


def overhead(claude, rounds):
    """What a tool takes longer with orchflow's hooks than without: whole runs of the program in turn, by tool. What hooks
    that do nothing cost is the program's own, and is said beside it."""
    with world_of(claude) as world:
        world.swarm("[[scenario:text say=hello]]")
        world.wait("turn_ended", seconds=90)
        agent = world.agent()
        settings = next((world.home / ".local/share/orchflow").glob("repos/*/agents/1-claude/settings.json"))
        ours = {name: value for name, value in environment_of(agent["pid"]).items() if name.startswith("ORCHFLOW_")}
        command = [str(AGENTS / "bin/claude"), "-p", f"[[scenario:reads n={TOOLS}]]"]
        idle = world.top / "idle-hooks.json"
        idle.write_text(json.dumps(doing_nothing(json.loads(settings.read_text()))))
        kinds = (("without", [], {}), ("idle", ["--settings", str(idle)], ours), ("with", ["--settings", str(settings)], ours))
        samples = {name: [] for name, _, _ in kinds}
        for _ in range(rounds + 1):
            for name, words, more in kinds:
                begun = time.monotonic()
                done = subprocess.run([*command, *words], cwd=agent["worktree"], env={**world.environment(), **more},
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
                if done.returncode != 0:
                    raise NotMeasured(f"claude -p {name} hooks: {(done.stderr or done.stdout).strip()[-300:]}")
                samples[name].append(1000 * (time.monotonic() - begun))
        # The first of each fills caches.
        taken = {name: statistics.median(values[1:]) / TOOLS for name, values in samples.items()}
    return Figure("agents: one tool of Claude Code", "ms", taken["with"], taken["without"], "the same without orchflow's hooks", "over", 5,
                  note=f"with hooks that do nothing (`true`) in their place {taken['idle']:.1f} ms: so much is the program's own",
                  samples={name: [value / TOOLS for value in values[1:]] for name, values in samples.items()})


def doing_nothing(settings):
    """Gives the same settings with hooks that do nothing."""
    if isinstance(settings, dict):
        return {key: "true" if key == "command" else doing_nothing(value) for key, value in settings.items()}
    return [doing_nothing(value) for value in settings] if isinstance(settings, list) else settings


def environment_of(pid):
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(word.decode().split("=", 1) for word in words if b"=" in word)


def many(programs, seconds):
    """The host's share of a processor while eight real agents use tools, one a second each."""
    with world_of(all_of(programs)) as world:
        known = world.agents()
        usable = [program.name for program in programs if program.name in known and not program.arguments] or [programs[0].name]
        names = [usable[number % len(usable)] for number in range(MANY)]
        world.run("swarm", "--agents", ",".join(names), f"[[scenario:reads n={seconds + START} delay=1000]]")
        begun = time.monotonic()
        while sum(1 for row in world.ask("status")["data"] if row["status"] == "working") < MANY:
            if time.monotonic() - begun > START:
                are = ", ".join(f"{row['agent']} {row['status']} ({row['waiting_for']})" for row in world.ask("status")["data"])
                raise NotMeasured(f"not all were at work within {START} s: {are}")
            time.sleep(0.5)
        host = json.loads(world.run("connect", "--json").stdout)["data"]["host_pid"]
        events, before, begun = world.events.last(), cpu_ns(host), time.monotonic()
        time.sleep(seconds)
        taken, span = cpu_ns(host) - before, (time.monotonic() - begun) * 1e9
        told = world.events.last() - events
    return Figure(f"agents: host's CPU, {MANY} real agents at work", "%", 100 * taken / span, None, "", "most", 2,
                  note=f"of one processor; {', '.join(names)}; {told} events in {seconds} s")
