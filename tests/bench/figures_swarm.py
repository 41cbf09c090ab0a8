"""From the command to the last agent's first prompt; status; teardown."""

import os
import signal
import subprocess
import time

from figure import Figure
from world import PROGRAMS, median, until

OBJECTIVE = "Make the greeting configurable and cover it with a test"

# What a person would write: one agent after the other, the prompt as an argument.
SHELL_START = r"""
set -e
socket=$1 count=$2 trees=$3 agent=$4 log=$5 prompt=$6
for ((i = 0; i < count; i++)); do
  git worktree add -q --detach "$trees/tree-$i"
  tmux -S "$socket" new-window -d -n "agent-$i" -c "$trees/tree-$i" "$agent" --log "$log" --prompt "$prompt"
done
"""
SHELL_END = r"""
set -e
socket=$1 count=$2 trees=$3
for ((i = 0; i < count; i++)); do
  tmux -S "$socket" kill-window -t "agent-$i"
  git worktree remove --force "$trees/tree-$i"
done
git worktree list >/dev/null
"""


def shell(world, count):
    """Gives milliseconds of start and of teardown."""
    world.clear_log()
    socket, _, _ = world.tmux("shell")
    trees = world.top / "trees"
    begin = time.time_ns()
    world.run("bash", "-c", SHELL_START, "_", socket, count, trees, PROGRAMS / "fake-agent", world.log, OBJECTIVE, timeout=300)
    prompts = world.wait_logged("prompt", count)
    start = (max(line[0] for line in prompts) - begin) / 1e6
    begin = time.monotonic()
    world.run("bash", "-c", SHELL_END, "_", socket, count, trees)
    until("git to list no worktree", lambda: world.worktrees() == 0)
    end = (time.monotonic() - begin) * 1000
    world.end_tmux(socket)
    return start, end


class Floor:
    """The floor's template: a worktree that git checked out, with its index."""

    def __init__(self, world):
        self.world = world
        self.template = world.top / "template"
        world.git("worktree", "add", "-q", "--detach", self.template)
        world.git("status", cwd=self.template)
        index = world.repository / ".git/worktrees/template/index"
        self.index = world.top / "template-index"
        self.index.write_bytes(index.read_bytes())
        # The floor and the shell count worktrees; the template is a plain folder from here on.
        (self.template / ".git").unlink()
        world.git("worktree", "prune")

    def start(self, count):
        world = self.world
        world.clear_log()
        socket, _, pane = world.tmux("floor")
        begin = time.time_ns()
        process = subprocess.Popen(
            [
                PROGRAMS / "swarm-floor", "--repository", world.repository, "--template", self.template, "--index", self.index,
                "--folder", world.top / "trees", "--count", str(count), "--log", world.log, "--prompt", OBJECTIVE,
                "--runner", PROGRAMS / "runner-floor", "--agent", PROGRAMS / "fake-agent",
                "--tmux", socket, "--pane", pane, "--view", PROGRAMS / "pause",
            ],
            cwd=world.repository, env=world.environment, stdin=subprocess.DEVNULL, start_new_session=True,
        )
        world.processes.append(process)
        prompts = world.wait_logged("prompt", count)
        took = (max(line[0] for line in prompts) - begin) / 1e6
        process.wait()
        # Its runners share its process group; their agents go with their ptys.
        os.killpg(process.pid, signal.SIGTERM)
        world.processes.remove(process)
        world.end_tmux(socket)
        for number in range(count):
            world.git("worktree", "remove", "--force", world.top / f"trees/tree-{number}")
        return took


def ours(world, count):
    """Starts and tears down one swarm beside a pane; gives milliseconds of both."""
    socket, pid, pane = world.tmux("ours")
    front = {"TMUX": f"{socket},{pid},0", "TMUX_PANE": pane}
    start = world.swarm(count, OBJECTIVE, environment=front, view="tmux")
    end = world.tear_down()
    world.end_tmux(socket)
    return start, end


def measure(world, quick):
    floor = Floor(world)
    world.host_pid()
    cold, _ = ours(world, 1)
    yield Figure("swarm of 1, the very first (no template yet)", "ms", cold, note="one sample; git itself checks it out")
    # The floor copies from a template that stands; ours is made some seconds after a first agent has started.
    until("a template stands", world.template_stands)
    for count in (1, 3, 8, 32):
        rounds = 2 if quick else (3 if count == 32 else 5)
        samples = {"floor": [], "ours": [], "shell": [], "ours_end": [], "shell_end": []}
        for _ in range(rounds):
            samples["floor"].append(floor.start(count))
            start, end = ours(world, count)
            samples["ours"].append(start)
            samples["ours_end"].append(end)
            start, end = shell(world, count)
            samples["shell"].append(start)
            samples["shell_end"].append(end)
        middle = {name: median(values) for name, values in samples.items()}
        yield Figure(
            f"swarm of {count}: {count} of {count} prompts received", "ms", middle["ours"], middle["floor"],
            "worktree add --no-checkout + read-once write-N copy + runner, pty, exec, ready, paste + panes",
            "ratio", 1.3, samples=samples,
        )
        yield Figure(
            f"swarm of {count} against a shell in sequence", "ms", middle["ours"], middle["shell"], "git worktree add; tmux new-window, one by one",
            "gain", 4.5 if count == 32 else None,
        )
        if count in (8, 32):
            yield Figure(
                f"teardown of {count}, checkpoints included", "ms", middle["ours_end"], middle["shell_end"],
                "tmux kill-window; git worktree remove, one by one", "ratio", 1.0 if count == 32 else None,
            )


def measure_status(world, quick):
    rounds = 30 if quick else 100
    medians = {}
    for count in (1, 8, 32):
        world.swarm(count, OBJECTIVE)
        taken = world.alternate(rounds, (PROGRAMS / "orchflow", "status", "--json"), (PROGRAMS / "nothing",))
        medians[count] = median(taken[0])
        yield Figure(
            f"orchflow status --json, {count} agents", "ms", median(taken[0]), median(taken[1]), "starting a static process that does nothing",
            "over", 5, note=f"p99 {sorted(taken[0])[-max(1, rounds // 100)]:.1f} ms",
        )
        world.tear_down()
    yield Figure("status, 32 agents against 1", "ms", medians[32], medians[1], "status with one agent", "ratio", 1.5)
