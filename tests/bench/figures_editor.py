"""Inside Neovim: stalls of its main loop, the timeline on a long log, the list of hunks, start and memory."""

import json
import os
import shlex
import shutil
import statistics
from pathlib import Path

from figure import Figure
from figures_hook import BODY
from figures_review import EDIT
from world import PROGRAMS, ROOT, NotMeasured, median, percentile, say, until

DRIVER = Path(__file__).resolve().parent / "editor.lua"


def nvim():
    """The Neovim that is measured."""
    found = os.environ.get("ORCHFLOW_BENCH_NVIM") or shutil.which("nvim")
    if not found:
        raise NotMeasured("no Neovim on PATH and none named by ORCHFLOW_BENCH_NVIM")
    return found


class Editor:
    """A Neovim in a terminal of its own that plays one scenario of editor.lua."""

    def __init__(self, world, scenario, columns=200, lines=50, plugin=True, **environment):
        self.world = world
        self.out = world.top / f"editor-{scenario}-{os.urandom(4).hex()}.json"
        self.socket, _, _ = world.tmux("editor", columns, lines)
        words = [nvim(), "--clean", "-n", "-i", "NONE"]
        if plugin:
            words += ["--cmd", f"set runtimepath^={ROOT}"]
        words += ["-S", DRIVER]
        values = {"BENCH_OUT": self.out, "BENCH_SCENARIO": scenario, **environment}
        sets = [word for name, value in values.items() for word in ("-e", f"{name}={value}")]
        world.run("tmux", "-S", self.socket, "new-window", *sets, shlex.join(str(word) for word in words))

    def wait_ready(self):
        ready = Path(f"{self.out}.ready")
        until("the editor to be ready", lambda: ready.exists() or self.out.exists())

    def result(self, deadline_s=240):
        until("the editor's result", self.out.exists, deadline_s)
        self.world.end_tmux(self.socket)
        found = json.loads(self.out.read_text())
        if "error" in found:
            raise NotMeasured(f"in the editor: {found['error'].splitlines()[0]}")
        return found


def stalls(found):
    """The longest stall, and how the rest was, in words."""
    gaps, work = found["gaps"], found["work"]
    over = sum(gap > 8 for gap in gaps)
    return max(gaps), f"of our own work at most {max(work):.1f} ms; p99 {percentile(gaps, 0.99):.1f} ms, {over} of {len(gaps):,} turns over 8 ms"


def measure_stalls(world, quick):
    """Eight agents print 10,000 lines a second between them, and hooks report 800 events a second."""
    seconds = 6 if quick else 20
    rounds = 1 if quick else 3
    rate = 10_000 // 8
    world.swarm(8)
    names = [agent["agent"] for agent in world.agents()]
    body = world.top / "body.json"
    body.write_text(json.dumps(BODY))
    writer = [PROGRAMS / "reporters", "--count", 1, "--rate", 800, "--seconds", seconds + 2, "--body", body]
    report = shlex.join(str(word) for word in writer) + f" > {shlex.quote(str(world.top / 'writer.json'))}"

    def load():
        """Lets the agents print, and one of them report as well."""
        world.clear_log()
        for name in names[1:]:
            world.orchflow("send", "--json", name, f"flood: {10_000 // 7} {seconds + 2}")
        world.orchflow("send", "--json", names[0], f"run: {report}")
        world.wait_logged("prompt", 8)

    best = {"empty": [], "timeline": []}
    for _ in range(rounds):
        # Both at once, so that the machine is as busy for the one as for the other.
        editors = {name: Editor(world, name, plugin=name != "empty", BENCH_SECONDS=seconds) for name in best}
        for editor in editors.values():
            editor.wait_ready()
        load()
        for name, editor in editors.items():
            best[name].append(editor.result())
        world.wait_logged("ran", 1)
        world.wait_logged("printed", 7)
    fresh = statistics.mean(found["lines"] for found in best["timeline"])
    if fresh < 100:
        raise NotMeasured(f"only {fresh:.0f} events came into the timeline")
    ours, words = stalls(min(best["timeline"], key=lambda found: max(found["gaps"])))
    floor, floor_words = stalls(min(best["empty"], key=lambda found: max(found["gaps"])))
    yield Figure(
        "editor: longest stall, 8 agents print 10,000 lines/s, timeline open", "ms", ours, floor, "an empty Neovim beside it, at the same time",
        "most", 8, note=f"{words}; empty: {floor_words}; 800 events/s reported meanwhile; best of {rounds}",
    )
    kib = max(found["kib"] for found in best["timeline"])
    yield Figure("editor: Lua memory with the timeline open", "MiB", kib / 1024, None, "", "most", 20)

    editors = {name: Editor(world, name, plugin=name != "empty", BENCH_SECONDS=seconds) for name in ("empty", "closed")}
    for editor in editors.values():
        editor.wait_ready()
    load()
    found = {name: editor.result() for name, editor in editors.items()}
    world.wait_logged("ran", 1)
    world.wait_logged("printed", 7)
    ours, words = stalls(found["closed"])
    floor, floor_words = stalls(found["empty"])
    yield Figure(
        "editor: longest stall, the same with nothing of ours open", "ms", ours, floor, "an empty Neovim beside it, at the same time",
        "most", 8, note=f"{words}; empty: {floor_words}; {found['closed']['lines']:,} events were pushed",
    )

    agents = [[str(PROGRAMS / "orchflow"), "attach", name] for name in names]
    flood = [str(PROGRAMS / "fake-agent"), "--log", str(world.top / "plain.log"), "--prompt", f"flood: {rate} {seconds + 4}"]
    found = {}
    editor = Editor(world, "terminals", columns=240, lines=70, BENCH_SECONDS=seconds, BENCH_COMMANDS=json.dumps(agents), BENCH_TIMELINE=1)
    editor.wait_ready()
    world.clear_log()
    world.orchflow("send", "--json", "all", f"flood: {rate} {seconds + 2}")
    found["ours"] = editor.result()
    world.wait_logged("printed", 8)
    editor = Editor(world, "terminals", columns=240, lines=70, plugin=False, BENCH_SECONDS=seconds, BENCH_COMMANDS=json.dumps([flood] * 8))
    found["plain"] = editor.result()
    ours, words = stalls(found["ours"])
    floor, floor_words = stalls(found["plain"])
    yield Figure(
        "editor: longest stall, the same in 8 terminal windows", "ms", ours, floor, "the same program in 8 :terminal windows, without orchflow",
        "most", 8, note=f"{words}; plain: {floor_words}",
    )


def measure_hunks(world, quick):
    wanted = 500 if quick else 5000
    script = world.top / "edit.py"
    script.write_text(EDIT)
    world.swarm(1)
    world.in_agent(f"python3 '{script}' {wanted}")
    world.orchflow("send", "--json", "fake", "leave")
    until(f"{wanted} hunks to wait for a decision", lambda: world.agents() and world.agents()[0]["undecided"] >= wanted, 60)
    found = Editor(world, "review", BENCH_COUNT=wanted).result()
    first, whole, plain = (median(found[name]) for name in ("firsts", "wholes", "plain"))
    yield Figure(f"editor: first of {wanted:,} hunks listed", "ms", first, plain, "setqflist() of the same entries, at once", "most", 15)
    yield Figure(
        f"editor: list of {wanted:,} hunks filled, warm", "ms", whole, plain, "setqflist() of the same entries, at once", "most", 60,
        note="gitsigns' setqflist() took 854 ms for as many", samples={"ours": found["wholes"], "baseline": found["plain"]},
    )
    longest, words = stalls(found)
    yield Figure(
        "editor: longest stall while the list fills", "ms", longest, max(found["plain_gaps"]), "setqflist() of the same entries, at once", "most", 8, note=words,
    )
    yield Figure(f"editor: Lua memory of {wanted:,} hunks", "MiB", found["kib"] / 1024, None, "", "most", 40)
    yield Figure(
        f"editor: window of the list of {wanted:,} hunks opens", "ms", median(found["copens"]), median(found["plain_copens"]),
        "the same list with lines that Neovim writes", "most", 20, samples={"ours": found["copens"], "baseline": found["plain_copens"]},
    )


# Every fourth line of the longest file.
EDIT_ONE = r"""
import pathlib, sys
path = max(pathlib.Path("src").rglob("*.rs"), key=lambda each: each.stat().st_size)
lines = path.read_text().splitlines(keepends=True)
for at in range(1, min(len(lines), 4 * int(sys.argv[1])), 4):
    lines[at] = lines[at].replace("let ", "let ref ").replace("mut ref ", "ref ")
path.write_text("".join(lines))
pathlib.Path(sys.argv[2]).write_text(str(path))
"""


def measure_marks(world, quick):
    """A file with very many hunks is opened."""
    wanted = 100 if quick else 1000
    script, named = world.top / "edit-one.py", world.top / "edited"
    script.write_text(EDIT_ONE)
    world.swarm(1)
    world.in_agent(f"python3 '{script}' {wanted} '{named}'")
    world.orchflow("send", "--json", "fake", "leave")
    path = named.read_text()
    count = wanted * 9 // 10

    def has_hunks():
        return len(world.orchflow("review", "--json", "--file", path)["data"]) >= count

    until(f"{count} hunks in {path}", has_hunks, 60)
    found = Editor(world, "marks", BENCH_COUNT=count, BENCH_PATH=path).result()
    longest, words = stalls(found)
    yield Figure(
        f"editor: longest stall while a file of {wanted:,} hunks opens", "ms", longest, max(found["plain_gaps"]), "the file itself, by :edit", "most", 8,
        note=f"{words}; all marks are there after {median(found['drawn']):.0f} ms",
    )


def measure_timeline(world, quick):
    events = 50_000 if quick else 1_000_000
    world.swarm(1)
    world.orchflow("stop", "all", "--json")
    store = world.store()
    world.stop_host()
    say(f"filling the store with {events:,} events")
    world.probe("fill", "--store", store, "--raw", world.top / "raw.db", "--events", events, timeout=1200)
    world.host_pid()
    found = Editor(world, "open", BENCH_COUNT=10 if quick else 30).result()
    yield Figure(
        f"editor: timeline opens on {events:,} events", "ms", median(found["opens"]), median(found["plain"]), "a float with the same lines, already there",
        "most", 20, note=f"p99 {percentile(found['opens'], 0.99):.1f} ms; the command itself returns after {median(found['firsts']):.1f} ms",
        samples={"ours": found["opens"], "baseline": found["plain"]},
    )
    yield Figure(
        "editor: timeline, one page up", "ms", percentile(found["scrolls"], 0.99), percentile(found["plain_scrolls"], 0.99), "a plain buffer of the same lines",
        "most", 8, note=f"p99 of {len(found['scrolls'])}; median {median(found['scrolls']):.2f} ms; {found['waits']} waited for the host; "
        f"at most {found['most_lines']:,} lines were held",
    )
    longest, words = stalls(found)
    yield Figure("editor: longest stall while pages turn", "ms", longest, None, "", "most", 8, note=words)
    yield Figure("editor: Lua memory after turning pages", "MiB", found["kib"] / 1024, None, "", "most", 20)
    yield start(world, quick)


def start(world, quick):
    """What plugin/ costs at the start of every Neovim."""
    empty = world.top / "empty/plugin/empty.lua"
    empty.parent.mkdir(parents=True)
    empty.write_text("-- nothing\n")
    times = {"ours": [], "empty": []}
    for _ in range(10 if quick else 40):
        for name, path in (("ours", ROOT / "plugin/orchflow.lua"), ("empty", empty)):
            log = world.top / "startup.log"
            log.unlink(missing_ok=True)
            world.run(nvim(), "--clean", "-n", "--headless", "--startuptime", log, "--cmd", f"set runtimepath^={path.parent.parent}", "-c", "qa!")
            lines = [line for line in log.read_text().splitlines() if str(path) in line]
            if not lines:
                raise NotMeasured(f"{path} was not read at the start")
            # "clock self+sourced self: sourcing FILE"
            times[name].append(float(lines[0].split()[1]))
    return Figure(
        "editor: plugin/ at start", "ms", median(times["ours"]), median(times["empty"]), "an empty file", "most", 1, samples=times,
    )
