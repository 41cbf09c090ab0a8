"""The log at size: bulk writing, pages and search at a million events while 800 a second arrive."""

import json
import shlex
import subprocess

from figure import Figure
from figures_hook import prepare
from world import PROGRAMS, NotMeasured, median, percentile, say


def measure(world, quick):
    events = 50_000 if quick else 1_000_000
    body = prepare(world)
    store = world.store()
    # Filled while no host owns the file; the agent works on meanwhile, as it would.
    world.stop_host()
    say(f"filling the store with {events:,} events")
    filled = world.probe("fill", "--store", store, "--raw", world.top / "raw.db", "--events", events, timeout=1200)
    yield Figure(
        "bulk: chained and indexed", "events/s", filled["ours_per_second"], filled["raw_per_second"],
        "raw rusqlite inserts into the same table and indexes, without chain and paths", "least", 40_000,
        note=f"in batches of 1,000; full-text search follows later, at {filled['text_per_second']:,.0f} events/s",
    )
    socket = world.host_socket()
    out = world.top / "writer.json"
    seconds = 10 if quick else 40
    writer = [PROGRAMS / "reporters", "--count", 1, "--rate", 800, "--seconds", seconds, "--body", body]
    command = shlex.join(str(word) for word in writer) + f" > {shlex.quote(str(out))}"
    world.orchflow("send", "--json", "fake", f"run: {command}")
    found = world.probe("timeline", "--socket", socket, "--store", store, "--draws", 40 if quick else 200)
    world.wait_logged("ran", 2)
    written = json.loads(out.read_text())
    rate = written["sent"] / written["seconds"]
    if rate < 700:
        raise NotMeasured(f"only {rate:.0f} events/s were written meanwhile")
    for name, samples in found.items():
        if samples["answered"] < samples["rows"] * 0.98:
            raise NotMeasured(f"{name}: the host gave {samples['answered']} rows, the raw query {samples['rows']}")
        ours, raw = [value / 1e6 for value in samples["host"]], [value / 1e6 for value in samples["raw"]]
        yield Figure(
            f"timeline at {events:,} events: {name}", "ms", median(ours), median(raw), "the raw query on the same file", "ratio", 3,
            note=f"p99 {percentile(ours, 0.99):.2f} ms; {rate:.0f} events/s written meanwhile, {written['lost']} spooled",
        )
    size = subprocess.run(["du", "-m", store], capture_output=True, text=True).stdout.split()[0]
    say(f"the store has {size} MiB")
