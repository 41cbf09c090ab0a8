"""The host: start, memory, processor."""

import time

from figure import Figure
from world import PROGRAMS, cpu_ns, median, pss_mib


def load(pids, seconds):
    """Percent of one processor that processes took over some seconds."""
    before = {pid: cpu_ns(pid) for pid in pids}
    begin = time.monotonic()
    time.sleep(seconds)
    span = (time.monotonic() - begin) * 1e9
    return sum(cpu_ns(pid) - taken for pid, taken in before.items()) / span * 100


def tmux_load(world, seconds, rate):
    """What tmux's own server takes for eight panes that print."""
    socket, pid, _ = world.tmux("noise")
    world.clear_log()
    for number in range(8):
        world.run(
            "tmux", "-S", socket, "new-window", "-d", "-n", f"agent-{number}", PROGRAMS / "fake-agent",
            "--log", world.log, "--prompt", f"flood: {rate} {seconds + 4}",
        )
    world.wait_logged("prompt", 8)
    time.sleep(1)
    taken = load([pid], seconds)
    world.end_tmux(socket)
    return taken


def measure(world, quick):
    seconds = 4 if quick else 10
    ours, nothing = world.alternate(
        10 if quick else 25, (PROGRAMS / "orchflow", "connect", "--json"), (PROGRAMS / "nothing",),
        between=f"{PROGRAMS / 'orchflow'} host stop",
    )
    yield Figure("host: start to first answer", "ms", median(ours), median(nothing), "starting a static process", "most", 20)
    host = world.host_pid()
    yield Figure("host: idle memory (PSS)", "MiB", pss_mib(host), None, "", "most", 20)

    world.swarm(8)
    pids = [host, *world.runner_pids()]
    # What starting eight agents left to do is over once nothing happens any more.
    time.sleep(3)
    quiet = load(pids, seconds)
    yield Figure("CPU, 8 quiet agents, host and runners", "%", round(quiet, 3), None, "", "most", 0.05, note="0.0 % as printed with one digit")
    samples = {"ours": [], "tmux": []}
    for _ in range(1 if quick else 3):
        samples["tmux"].append(tmux_load(world, seconds, 100))
        world.clear_log()
        world.orchflow("send", "--json", "all", f"flood: 100 {seconds + 4}")
        world.wait_logged("prompt", 8)
        time.sleep(1)
        samples["ours"].append(load(pids, seconds))
        world.wait_logged("printed", 8)
    yield Figure(
        "CPU, 8 agents printing 100 lines/s each", "%", median(samples["ours"]), median(samples["tmux"]), "the tmux server with the same eight in panes",
        "ratio", 2, samples=samples,
    )
    yield Figure("host: memory with 8 agents (PSS)", "MiB", pss_mib(host), None, "", "most", None)
