"""A private world for one benchmark run: repository, folders, host, tmux server, agents that log.

Everything lives below one folder on tmpfs, so that the disk's mood does not decide a figure, or on
the disk of the target folder where durability is what is measured. It is gone afterwards; only
processes of this world are ended.
"""

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROGRAMS = TARGET / "release"
DEADLINE_S = 120


def say(text):
    print(text, file=sys.stderr, flush=True)


class NotMeasured(Exception):
    """A figure that cannot be had here, with the reason."""


def until(what, condition, deadline_s=DEADLINE_S):
    """Waits for a named condition; cheap enough not to disturb what is measured."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise NotMeasured(f"waited {deadline_s} s for {what}")
        time.sleep(0.004)


def median(samples):
    return statistics.median(samples)


def percentile(samples, share):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def pss_mib(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise NotMeasured(f"no Pss for process {pid}")


def cpu_ns(pid):
    """Time on a processor in nanoseconds, of all threads, those that ended as well: the process's own clock."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def parent_of(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("PPid:"):
            return int(line.split()[1])
    raise NotMeasured(f"process {pid} has no parent")


class World:
    """Folders, environment and helpers. Use it as a context manager."""

    def __init__(self, files=3000, megabytes=26, disk=False):
        shared = Path(os.environ.get("BENCH_DIR", TARGET if disk else "/dev/shm"))
        self.place = "on tmpfs" if str(shared).startswith("/dev/shm") else "on disk"
        if not shared.is_dir():
            shared = Path(tempfile.gettempdir())
            say(f"no /dev/shm here: figures depend on the disk of {shared}")
        self.top = Path(tempfile.mkdtemp(prefix="orchflow-bench.", dir=shared))
        self.runtime = Path(tempfile.mkdtemp(prefix="of-", dir="/tmp"))
        self.repository = self.top / "repository"
        self.log = self.top / "agents.log"
        self.environments = self.top / "environments"
        self.processes = []
        self.tmux_servers = []
        self.tmux_count = 0
        for name in ("home", "config/orchflow/agents", "data", "state", "cache", "environments", "trees"):
            (self.top / name).mkdir(parents=True)
        self.environment = {
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "HOME": str(self.top / "home"),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "SHELL": "/bin/sh",
            "XDG_CONFIG_HOME": str(self.top / "config"),
            "XDG_DATA_HOME": str(self.top / "data"),
            "XDG_STATE_HOME": str(self.top / "state"),
            "XDG_CACHE_HOME": str(self.top / "cache"),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        (self.top / "home/.gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@localhost\n")
        (self.top / "config/orchflow/agents/fake.toml").write_text(self.catalogue_entry())
        self.make_repository(files, megabytes)

    def catalogue_entry(self):
        return (
            'title = "Fake agent"\nkind = "command"\n'
            f"program = {json.dumps(str(PROGRAMS / 'fake-agent'))}\n"
            f"args = {json.dumps(['--log', str(self.log), '--environment', str(self.environments)])}\n"
            '[prompt]\ngive = "paste"\n[ready]\nsignal = "bracketed-paste"\n[status]\nsource = "output"\n'
        )

    def make_repository(self, files, megabytes):
        """Writes a tree shaped like a real one: many small files, some large, text that diffs well."""
        say(f"making a repository of {files} files, {megabytes} MiB")
        numbers = random.Random(1)
        words = [f"{a}_{b}" for a in ("load", "parse", "send", "keep", "fold", "scan") for b in ("row", "tree", "path", "node", "page")]
        sizes = [numbers.lognormvariate(0, 1.1) for _ in range(files)]
        scale = megabytes * 1024 * 1024 / sum(sizes)
        for number, share in enumerate(sizes):
            path = self.repository / f"src/part{number % 40:02}/unit{number % 7}/file_{number}.rs"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines, size, wanted = [], 0, int(share * scale)
            while size < wanted:
                line = f"    let {numbers.choice(words)} = {numbers.choice(words)}({len(lines)}, {numbers.randrange(1000)});\n"
                lines.append(line)
                size += len(line)
            path.write_text("".join(lines))
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "Everything")

    # Running things

    def run(self, *words, check=True, input_text=None, environment=None, cwd=None, timeout=DEADLINE_S):
        done = subprocess.run(
            [str(word) for word in words],
            cwd=cwd or self.repository,
            env=self.environment | (environment or {}),
            input=input_text or "",
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise NotMeasured(f"{' '.join(str(word) for word in words)[:200]}: code {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
        return done

    def git(self, *words, cwd=None):
        return self.run("git", "-C", cwd or self.repository, *words, cwd=self.top).stdout

    def orchflow(self, *words, check=True, environment=None):
        """Runs a command with --json and gives its data."""
        done = self.run(PROGRAMS / "orchflow", *words, check=False, environment=environment)
        try:
            answer = json.loads(done.stdout)
        except ValueError as error:
            raise NotMeasured(f"orchflow {' '.join(map(str, words))[:80]}: {done.stderr.strip()[-500:] or done.stdout[-200:]}") from error
        if check and not answer.get("ok"):
            raise NotMeasured(f"orchflow {words[0]}: {answer.get('error')}")
        return answer

    def program(self, name):
        return PROGRAMS / name

    def probe(self, name, *words, environment=None, timeout=600):
        """Runs one of the benchmark programs and reads the JSON it prints."""
        return json.loads(self.run(PROGRAMS / name, *words, environment=environment, timeout=timeout).stdout)

    def alternate(self, rounds, *commands, input_path=None, between=None):
        """Times commands in turn; gives milliseconds for each. A command that failed fails the figure."""
        words = ["--rounds", rounds]
        if input_path:
            words += ["--input", input_path]
        if between:
            words += ["--between", between]
        words.append("--")
        for number, command in enumerate(commands):
            words += (["---"] if number else []) + list(command)
        found = self.probe("alternate", *words)
        for command, failed in zip(commands, found["failed"]):
            if failed:
                raise NotMeasured(f"{Path(str(command[0])).name} failed {failed} of {rounds} times")
        return [[nanoseconds / 1e6 for nanoseconds in samples] for samples in found["samples"]]

    # The agents' log

    def clear_log(self):
        self.log.write_text("")
        for path in self.environments.iterdir():
            path.unlink()

    def logged(self, word):
        """The log lines of one kind: (nanoseconds, agent, rest)."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        parts = [line.split(" ", 3) for line in lines if line.startswith(word + " ")]
        return [(int(part[1]), part[2], part[3] if len(part) > 3 else "") for part in parts]

    def wait_logged(self, word, count):
        # The file's size is looked at first: reading it all the time would disturb the agents.
        seen = -1

        def enough():
            nonlocal seen
            size = self.log.stat().st_size if self.log.exists() else 0
            if size == seen:
                return None
            seen = size
            lines = self.logged(word)
            return lines if len(lines) >= count else None

        return until(f"{count} × '{word}' in the agents' log", enough)

    # Host, tmux, agents

    def host_pid(self):
        return self.orchflow("connect", "--json")["data"]["host_pid"]

    def host_socket(self):
        return self.orchflow("connect", "--json")["data"]["socket"]

    def stop_host(self):
        self.orchflow("host", "stop", "--json", check=False)

    def store(self):
        found = list((self.top / "data/orchflow/repos").glob("*/events.db"))
        if not found:
            raise NotMeasured("no events.db below the data folder")
        return found[0]

    def tmux(self, name, columns=300, lines=80):
        """Starts a tmux server of this world; gives its socket and the pane that stands for the editor."""
        # Never the same name twice: a server that ends still holds its socket for a moment.
        self.tmux_count += 1
        socket = self.runtime / f"tmux-{name}-{self.tmux_count}"
        self.run("tmux", "-S", socket, "-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", lines, PROGRAMS / "pause")
        pid, pane = self.run("tmux", "-S", socket, "display-message", "-p", "#{pid} #{pane_id}").stdout.split()
        self.tmux_servers.append(socket)
        return socket, int(pid), pane

    def end_tmux(self, socket):
        self.run("tmux", "-S", socket, "kill-server", check=False)
        if socket in self.tmux_servers:
            self.tmux_servers.remove(socket)

    def swarm(self, count, objective="say hello", environment=None, view="none"):
        """Starts `count` fake agents; gives milliseconds until the last one had its prompt."""
        self.clear_log()
        begin = time.time_ns()
        self.orchflow("swarm", "--json", "--view", view, "--no-include-changes", "--agents", ",".join(["fake"] * count), objective, environment=environment)
        prompts = self.wait_logged("prompt", count)
        if len(prompts) != count:
            raise NotMeasured(f"{len(prompts)} prompts for {count} agents")
        return (max(line[0] for line in prompts) - begin) / 1e6

    def agents(self):
        return self.orchflow("status", "--json")["data"]

    def runner_pids(self):
        """The runners of the living agents: the parents of their programs."""
        return [parent_of(agent["pid"]) for agent in self.agents() if agent.get("living") and agent.get("pid")]

    def template_stands(self):
        """Whether there is a template to copy worktrees from; a single first agent starts without one."""
        return any((self.top / "data/orchflow/worktrees").glob("*/templates/*/index"))

    def worktrees(self):
        return self.git("worktree", "list", "--porcelain").count("worktree ") - 1

    def tear_down(self):
        """Ends all agents and removes their worktrees; gives milliseconds until git lists none."""
        begin = time.monotonic()
        self.orchflow("stop", "all", "--json")
        self.orchflow("clean", "--json")
        until("git to list no worktree", lambda: self.worktrees() == 0)
        return (time.monotonic() - begin) * 1000

    def in_agent(self, command, name="fake"):
        """Runs a shell command as a child of an agent, as its hooks are, and waits for it."""
        before = len(self.logged("ran"))
        self.orchflow("send", "--json", name, f"run: {command}")
        lines = self.wait_logged("ran", before + 1)
        if lines[-1][2] != "0":
            raise NotMeasured(f"in the agent: {command}: code {lines[-1][2]}")

    # The end

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for attempt in (("stop", "all", "--json"), ("host", "stop", "--json")):
            try:
                self.orchflow(*attempt, check=False)
            except (NotMeasured, subprocess.TimeoutExpired, OSError):
                pass
        for socket in list(self.tmux_servers):
            self.end_tmux(socket)
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        if os.environ.get("BENCH_KEEP"):
            say(f"kept: {self.top}")
            return
        shutil.rmtree(self.top, ignore_errors=True)
        shutil.rmtree(self.runtime, ignore_errors=True)
