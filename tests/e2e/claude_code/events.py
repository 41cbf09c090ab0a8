"""The log of a world as it grows: waited on, and asked afterwards."""

import json
import subprocess
import threading
import time


class Events:
    """Follows `orchflow log --follow`; each event also says when it was shown (`seen`, seconds)."""

    def __init__(self, command, environment, folder):
        self.known = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [*command, "log", "--follow", "--jsonl", "--after", "0"], env=environment, cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            event["seen"] = time.time()
            with self.changed:
                self.known.append(event)
                self.changed.notify_all()

    def wait(self, what, wanted, seconds):
        """Waits for the first event that `wanted` says yes to."""
        end = time.monotonic() + seconds
        at = 0
        with self.changed:
            while True:
                for event in self.known[at:]:
                    if wanted(event):
                        return event
                at = len(self.known)
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"waited {seconds} s for {what}")
                self.changed.wait(left)

    def all(self, *types, after=0):
        """Gives the events of these types behind event `after`, or all of any type."""
        with self.changed:
            return [event for event in self.known
                    if event["seq"] > after and (not types or event["type"] in types)]

    def last(self):
        """Gives the number of the newest event seen."""
        with self.changed:
            return self.known[-1]["seq"] if self.known else 0

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()
