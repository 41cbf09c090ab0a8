"""A private world for one test: home, folders, repository, model server, host and agents.

Nothing of the machine's own configuration reaches it and nothing of it stays; only processes of this
world are ended, known by its home folder in their environment.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from .events import Events
from .runner import Refused, Runner

ROOT = Path(__file__).resolve().parents[3]
# Slow machines are waited for; what must be quick is measured apart.
PATIENCE_S = 40
KEY = "sk-test"


class Programs:
    """The programs a world is made of, as found or as the environment names them."""

    def __init__(self):
        self.orchflow = Path(os.environ.get("ORCHFLOW_BIN") or ROOT / "target/debug/orchflow").absolute()
        self.model = Path(os.environ.get("ORCHFLOW_MOCK_MODEL")
                          or ROOT / "tests/support/mock-model/mock_llm.mjs").absolute()
        self.node = shutil.which("node")
        named = os.environ.get("ORCHFLOW_CLAUDE")
        fetched = ROOT / ".deps/claude/node_modules/.bin/claude"
        self.claude = named or shutil.which("claude") or (str(fetched) if fetched.exists() else None)
        self.claude = self.claude and str(Path(self.claude).absolute())

    def missing(self):
        """Says what is missing and how to get it; None when all is here."""
        if not self.orchflow.exists():
            return f"{self.orchflow} is not there; build it: cargo build -p orchflow -p orchflow-hook"
        if not self.claude or not os.access(self.claude, os.X_OK):
            return ("no Claude Code here; npm install --prefix .deps/claude @anthropic-ai/claude-code@2.1.329"
                    " gets it, or name it in ORCHFLOW_CLAUDE")
        if not self.node:
            return "no node here, which the model server needs; install Node.js 18 or newer"
        return None

    def claude_version(self):
        output = subprocess.run([self.claude, "--version"], capture_output=True, text=True, timeout=60)
        return output.stdout.strip()


class World:
    """Use it as a context manager. `state` and `settings` are the user's own files of Claude Code."""

    def __init__(self, programs, *, trusted=True, key_approved=True, mode="manual", offered=True, files=None):
        self.programs = programs
        self.top = Path(tempfile.mkdtemp(prefix="orchflow-claude."))
        # The path of a socket may have 107 bytes only.
        self.runtime = Path(tempfile.mkdtemp(prefix="of-"))
        self.home, self.repository = self.top / "home", self.top / "a repository"
        self.state, self.settings = self.home / ".claude.json", self.home / ".claude/settings.json"
        self.log = self.top / "model.jsonl"
        self.events = self.model = None
        self.runners = []
        # Processes that outlived everything that ends them; there should be none.
        self.left = []
        for folder in (self.home / ".claude", self.top / "bin", self.repository):
            folder.mkdir(parents=True)
        os.symlink(programs.claude, self.top / "bin/claude")
        self.write_user_files(trusted, key_approved, mode, offered)
        self.make_repository(files or {})

    def write_user_files(self, trusted, key_approved, mode, offered):
        # Version 2.1.329 offers its automatic mode once to those who do not use it.
        state = {"hasCompletedOnboarding": True, "theme": "dark", "hasSeenAutoDefaultNudge": offered}
        if key_approved:
            state["customApiKeyResponses"] = {"approved": [KEY], "rejected": []}
        if trusted:
            state["projects"] = {str(self.repository): {"hasTrustDialogAccepted": True}}
        self.state.write_text(json.dumps(state, indent=2))
        # A hook of the user's own has to go on working beside ours.
        mark = [{"hooks": [{"type": "command", "command": f"cat >>'{self.top}/own-hook.jsonl'"}]}]
        # Without a mode of the user's, Claude Code of this version asks a model instead of the human.
        settings = {"hooks": {"Stop": mark}, "permissions": {"defaultMode": mode}}
        self.settings.write_text(json.dumps(settings, indent=2))
        self.own_settings = self.settings.read_bytes()

    def make_repository(self, files):
        for name, text in {"foo.txt": "one\nkeep\n", **files}.items():
            path = self.repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self.home / ".gitconfig").write_text("[user]\n\tname = Test\n\temail = test@localhost\n")
        for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "first"]):
            subprocess.run(["git", *words], cwd=self.repository, env=self.environment(), check=True)

    def environment(self):
        """The front's whole environment; nothing of the caller's reaches an agent."""
        return {
            "PATH": f"{self.top}/bin:{Path(self.programs.node).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "SHELL": "/bin/sh",
            "GIT_CONFIG_NOSYSTEM": "1",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{self.model.port}" if self.model else "",
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }

    def __enter__(self):
        try:
            self.model = Model(self.programs, self.log)
            self.follow()
        except BaseException:
            self.close()
            raise
        return self

    def follow(self):
        """Follows the log from its beginning, with a host that is started where none runs."""
        self.events = Events([str(self.programs.orchflow)], self.environment(), self.repository)

    def __exit__(self, *_):
        self.close()

    def close(self):
        for runner in self.runners:
            runner.close()
        self.run("stop", "all", check=False)
        if self.events:
            self.events.stop()
        self.run("host", "stop", check=False)
        if self.model:
            self.model.stop()
        end = time.monotonic() + 5
        while self.processes() and time.monotonic() < end:
            time.sleep(0.05)
        self.left = self.processes()
        for pid in self.left:
            os.kill(pid, signal.SIGKILL)
        for folder in (self.top, self.runtime):
            shutil.rmtree(folder, ignore_errors=True)

    def processes(self):
        """Finds what carries this world's home in its environment."""
        mark = f"HOME={self.home}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found

    # ------------------------------------------------------------ orchflow

    def run(self, *words, stdin=None, check=True):
        """Runs a command of orchflow; gives its finished process. A failure is one of the test unless `check` is off."""
        done = subprocess.run([str(self.programs.orchflow), *words], cwd=self.repository, env=self.environment(),
                              input=stdin, capture_output=True, text=True, timeout=120,
                              **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))
        if check and done.returncode != 0:
            raise AssertionError(f"orchflow {' '.join(words)[:200]} gave {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def ask(self, *words, **options):
        """Runs a command of orchflow with --json; gives what it prints."""
        return json.loads(self.run(words[0], "--json", *words[1:], **options).stdout)

    def agent(self):
        """Gives the one agent's row of `orchflow status`."""
        return self.ask("status")["data"][0]

    def swarm(self, objective):
        self.run("swarm", "--agents", "claude", objective)

    def send(self, text):
        """Sends a prompt by standard input, so that it may be of any size."""
        self.run("send", "claude", stdin=text)

    def approvals(self):
        return self.ask("approvals")["data"]

    # ------------------------------------------------------------ waiting

    def wait(self, event_type, seconds=PATIENCE_S, after=0, **data):
        """Waits for an event of a type behind another, with these values in its data."""
        def wanted(event):
            return (event["seq"] > after and event["type"] == event_type
                    and all(event["data"].get(name) == value for name, value in data.items()))
        what = f"{event_type} {data or ''} after event {after}"
        return self.events.wait(what, wanted, seconds)

    def wait_status(self, status, **more):
        return self.wait("agent_status_changed", status=status, **more)

    def until(self, what, condition, seconds=PATIENCE_S):
        """Waits for a named condition that no event tells of."""
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s for {what}")
            time.sleep(0.02)

    # ------------------------------------------------------------ terminal and model

    def runner(self):
        """Connects to the agent's runner, once there is one."""
        folder = self.runtime / "orchflow"
        path = self.until("the runner's socket", lambda: next(folder.glob("*/r/1-claude.sock"), None))

        def connect():
            # Its socket is there a moment before it listens.
            try:
                return Runner(path)
            except ConnectionRefusedError:
                return None

        runner = self.until("the runner to listen", connect)
        self.runners.append(runner)
        return runner

    def wait_screen(self, runner, text):
        """Waits for a text on the agent's screen; gives when it was there first, as far as seen."""
        self.until(f"{text!r} on the screen", lambda: runner.shows(text))
        return time.time()

    def press_until(self, runner, keys, what, condition):
        """Presses keys for what they bring. A dialog that was just drawn takes none yet, so the screen has to stand
        still before, and they are pressed again when nothing comes of them."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, f"waited {PATIENCE_S} s for {what} by {keys}"
            rows, since = None, 0
            while runner.rows() != rows or time.monotonic() < since + 0.4:
                if runner.rows() != rows:
                    rows, since = runner.rows(), time.monotonic()
                time.sleep(0.02)
            if condition() or not runner.press(keys):
                return
            again = time.monotonic() + 3
            while time.monotonic() < again and not condition():
                time.sleep(0.02)

    def worktree(self):
        return Path(self.agent()["worktree"])

    def conversation(self):
        """Gives the messages of the newest conversation that the model saw, each as its role and its parts."""
        newest = [request["body"] for request in self.model.journal() if request.get("kind") == "anthropic"
                  and request["body"].get("tools")][-1:]
        for message in (newest[0]["messages"] if newest else []):
            content = message["content"]
            yield message["role"], [{"type": "text", "text": content}] if isinstance(content, str) else content

    def prompts_taken(self):
        """Gives what the human said in it, oldest first, without what Claude Code says in the human's place."""
        texts = [part["text"] for role, parts in self.conversation() if role == "user"
                 for part in parts if part["type"] == "text"]
        return [text for text in texts if not text.startswith(("<system-reminder>", "[Request interrupted"))]

    def tool_results(self):
        """Gives what tools returned in it, oldest first, as text."""
        return [json.dumps(part["content"]) for role, parts in self.conversation() if role == "user"
                for part in parts if part["type"] == "tool_result"]

    def describe(self):
        """Says where things stand, for a failure's report."""
        lines = [f"{event['timestamp'] % 10**9 / 10**6:10.3f} {event['type']}: {event['summary'][:150]}"
                 for event in (self.events.all()[-25:] if self.events else [])]
        for runner in self.runners[-1:]:
            try:
                lines += ["screen:", *(f"  | {row}" for row in runner.rows() if row.strip())]
            except (OSError, Refused) as error:
                lines.append(f"no screen: {error}")
        return "\n".join(lines)


class Model:
    """The scripted model server."""

    def __init__(self, programs, log):
        self.process = subprocess.Popen([programs.node, programs.model, "--port", "0", "--log", log],
                                        stdout=subprocess.PIPE, text=True, env={"PATH": "/usr/bin:/bin"})
        # LISTENING http://127.0.0.1:PORT
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def journal(self):
        """Gives the last requests, oldest first."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/__mock/requests", timeout=30) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
