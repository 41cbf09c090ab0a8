"""A world for one program: as that of the tests of Claude Code, with this program in the agent's place."""

import json
import os
import shutil
import stat
import tempfile
from pathlib import Path

from claude_code.events import Events
from claude_code.runner import Runner
from claude_code.world import Model, World

STAMP = """#!/bin/sh
printf '%s %s\\n' "$(date +%s%N)" "$*" >>'{stamps}'
exec '{hook}' "$@"
"""


class Programs:
    """Orchflow, the model server and Node, and where the agents' programs are."""

    def __init__(self, orchflow, model, bin_folder):
        self.orchflow, self.model, self.bin = Path(orchflow), Path(model), Path(bin_folder)
        self.node = shutil.which("node") or str(self.bin / "node")


class AgentWorld(World):
    """Use it as a context manager. `name` is the agent's, in orchflow and in its runner's socket."""

    def __init__(self, programs, program, stamped=True):
        self.programs, self.program, self.name = programs, program, program.agent
        self.top = Path(tempfile.mkdtemp(prefix="orchflow-agent."))
        # The path of a socket may have 107 bytes only.
        self.runtime = Path(tempfile.mkdtemp(prefix="of-"))
        self.home, self.repository = self.top / "home", self.top / "a-repository"
        self.log, self.stamps = self.top / "model.jsonl", self.top / "hooks.stamps"
        self.events = self.model = None
        self.runners, self.left, self.answered = [], [], None
        for folder in (self.home, self.top / "bin", self.repository):
            folder.mkdir(parents=True)
        self.orchflow = self.stamped_orchflow() if stamped else self.programs.orchflow
        self.make_repository(program.repository)

    def stamped_orchflow(self):
        """Puts orchflow into a folder with a hook program that writes down when it was run."""
        program, hook = self.top / "bin/orchflow", self.top / "bin/orchflow-hook"
        try:
            os.link(self.programs.orchflow, program)
        except OSError:
            shutil.copy2(self.programs.orchflow, program)
        real = self.programs.orchflow.with_name("orchflow-hook")
        hook.write_text(STAMP.format(stamps=self.stamps, hook=real))
        hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
        return program

    def environment(self):
        port = self.model.port if self.model else 0
        return {
            "PATH": f"{self.top}/bin:{self.programs.bin}:{Path(self.programs.node).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "SHELL": "/bin/sh",
            "GIT_CONFIG_NOSYSTEM": "1",
            **self.program.environment(port, self.home),
        }

    def __enter__(self):
        try:
            self.model = Model(self.programs, self.log)
            for name, text in self.program.files(self.model.port, self.repository).items():
                path = self.home / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            self.own_files = self.user_files()
            if self.program.arguments or self.program.settings:
                folder = self.home / ".config/orchflow/agents"
                folder.mkdir(parents=True, exist_ok=True)
                kind = self.program.agent
                known = "acp" if self.program.channel == "acp" else kind
                words = json.dumps([*self.program.arguments])
                (folder / f"{kind}.toml").write_text(f'name = "{kind}"\nkind = "{known}"\nprogram = "{kind}"\n'
                                                    + (f"args = {words}\n" if self.program.arguments else "")
                                                    + self.program.settings)
            self.follow()
        except BaseException:
            self.close()
            raise
        return self

    def user_files(self):
        """The user's own files of the program, as they are."""
        names = self.program.files(self.model.port, self.repository)
        return {name: (self.home / name).read_bytes() for name in names}

    def follow(self):
        self.events = Events([str(self.orchflow)], self.environment(), self.repository)

    # ------------------------------------------------------------ orchflow

    def run(self, *words, **options):
        programs = self.programs
        # The parent's method runs `programs.orchflow`; ours stands in another folder.
        self.programs = Programs(self.orchflow, programs.model, programs.bin)
        try:
            return super().run(*words, **options)
        finally:
            self.programs = programs

    def agents(self):
        """The names of the catalogue."""
        return [row.get("name") for row in self.ask("agents")["data"]]

    def swarm(self, objective):
        self.run("swarm", "--agents", self.name, objective)

    def send(self, text):
        self.run("send", self.name, stdin=text)

    def agent(self):
        return self.ask("status")["data"][-1]

    def runner(self):
        folder = self.runtime / "orchflow"
        path = self.until("the runner's socket", lambda: max(
            folder.glob(f"*/r/*-{self.name}.sock"), key=lambda path: path.stat().st_mtime, default=None))

        def connect():
            try:
                return Runner(path)
            except (ConnectionRefusedError, FileNotFoundError):
                return None

        runner = self.until("the runner to listen", connect)
        self.runners.append(runner)
        return runner

    def describe(self):
        """Says where things stand, with the screen of the newest process."""
        if self.runners:
            try:
                self.runner()
            except AssertionError:
                pass
        return super().describe()

    def answer_in_pane(self):
        """Says yes to a question in the pane, once, as the human does where orchflow cannot."""
        row = self.agent()
        if row["status"] == "waiting" and self.answered != row["since"]:
            self.answered = row["since"]
            self.runner().press(self.program.asks_in_pane[1])

    # ------------------------------------------------------------ what was asked and told

    def at_rest(self, seconds=60):
        """Waits until the agent can take a prompt; a question in its pane is answered by the human where it has no
        other way."""
        def rests():
            row = self.agent()
            if self.program.asks_in_pane:
                self.answer_in_pane()
            return row["status"] in ("idle", "done", "failed") and not row["queued"] and row
        return self.until("the agent at rest", rests, seconds)

    def tool_calls_asked(self):
        """The calls of tools that the model asked for in the newest conversation, as far as their results came back: their
        ids, or their number in order where the dialect has none."""
        asked = set()
        for request in self.model.journal():
            body = request.get("body") or {}
            for call in calls_in(body):
                asked.add(call)
        return asked


def calls_in(body):
    """Finds calls of tools in a request of whichever dialect."""
    for message in body.get("messages") or []:
        for call in message.get("tool_calls") or []:
            yield call["id"]
        content = message.get("content")
        for part in content if isinstance(content, list) else []:
            if part.get("type") == "tool_use":
                yield part["id"]
    items = body.get("input")
    for item in items if isinstance(items, list) else []:
        if item.get("type") in ("function_call", "custom_tool_call"):
            yield item["call_id"]
    for number, content in enumerate(body.get("contents") or []):
        for at, part in enumerate(content.get("parts") or []):
            if "functionCall" in part:
                yield (number, at, part["functionCall"].get("name"))
