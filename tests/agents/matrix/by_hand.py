"""A program that the human starts by hand, in a tmux of their own beside orchflow."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

MARK = "STARTED_BY_HAND"


class ByHand:
    """Use it as a context manager: the program in the main repository, with its user's settings."""

    def __init__(self, world):
        self.world, self.tmux = world, ["tmux", "-S", str(world.runtime / "by-hand"), "-f", "/dev/null"]
        program = world.program
        words = [f"{name}={value}" for name, value in {**world.environment(), MARK: "1"}.items()]
        self.command = ["env", "-i", *words, shutil.which(program.agent, path=world.environment()["PATH"]), *program.arguments]

    def __enter__(self):
        subprocess.run([*self.tmux, "new-session", "-d", "-x", "110", "-y", "40", "-c", str(self.world.repository),
                        *self.command], check=True)
        return self

    def screen(self):
        return subprocess.run([*self.tmux, "capture-pane", "-p"], capture_output=True, text=True).stdout

    def say(self, text, seconds=90):
        """Types a prompt once the program has come to rest: what is typed before it listens may be lost."""
        end = time.monotonic() + seconds
        before = None
        while (shown := self.screen().strip()) != before or shown.count("\n") < 4:
            assert time.monotonic() < end, f"the program that was started by hand does not come to rest:\n{shown}"
            before = shown
            time.sleep(3)
        while not any(text in str(request.get("body")) for request in self.world.model.journal()):
            assert time.monotonic() < end, f"the program that was started by hand takes no prompt:\n{self.screen()}"
            if text not in self.screen():
                subprocess.run([*self.tmux, "send-keys", "-l", text])
                time.sleep(1)
            if text in self.screen():
                subprocess.run([*self.tmux, "send-keys", "Enter"])
            time.sleep(3)

    def __exit__(self, *_):
        subprocess.run([*self.tmux, "kill-server"], stderr=subprocess.DEVNULL)
        # Some leave a server of theirs behind.
        for pid in self.world.processes():
            try:
                if f"{MARK}=1".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
