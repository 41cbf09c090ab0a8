"""The runner: how late a line is in a view, and its memory."""

import json
import subprocess

from figure import Figure
from world import PROGRAMS, NotMeasured, median, percentile, pss_mib


def through_runner(world, count):
    """Looks at the agent as a view does while it prints lines that say when; gives nanoseconds."""
    sockets = list(world.runtime.glob("**/r/*.sock"))
    if len(sockets) != 1:
        raise NotMeasured(f"{len(sockets)} runner sockets for one agent")
    view = subprocess.Popen([PROGRAMS / "latency", "--runner", sockets[0], "--count", str(count)], stdout=subprocess.PIPE, start_new_session=True)
    world.processes.append(view)
    if view.stdout.readline().strip() != b"ready":
        raise NotMeasured("the view was not let in")
    world.orchflow("send", "--json", "fake", f"ticks: {count}")
    samples = json.loads(view.stdout.readline())["samples"]
    view.wait()
    world.processes.remove(view)
    return samples


def measure(world, quick):
    count = 100 if quick else 400
    world.swarm(1)
    samples = {"runner": [], "direct": [], "relay": [], "round_trip": []}
    for _ in range(2 if quick else 4):
        samples["direct"] += world.probe("latency", "--direct", PROGRAMS / "fake-agent", "--count", count)["samples"]
        samples["relay"] += world.probe("latency", "--relay", PROGRAMS / "fake-agent", "--count", count)["samples"]
        samples["round_trip"] += world.probe("latency", "--round-trip", count)["samples"]
        samples["runner"] += through_runner(world, count)
    middle = {name: median(values) / 1000 for name, values in samples.items()}
    yield Figure(
        "runner: a line from child to view", "µs", middle["runner"], middle["direct"] + 1.5 * middle["round_trip"],
        "direct pty + 1.5 socket round trips", "ratio", 1.0,
        note=f"direct {middle['direct']:.0f} µs, behind a bare relay {middle['relay']:.0f} µs, round trip {middle['round_trip']:.0f} µs; p99 {percentile(samples['runner'], 0.99) / 1000:.0f} µs",
    )
    printed = len(world.logged("printed"))
    world.orchflow("send", "--json", "fake", "lines: 2000")
    world.wait_logged("printed", printed + 1)
    yield Figure(
        "runner: memory (PSS) after 2,000 full lines", "MiB", pss_mib(world.runner_pids()[0]), None, "", "most", 8,
        note="pages it shares with the host and other runners count in part",
    )
