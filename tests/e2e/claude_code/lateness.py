"""How late a status is shown after the program stated it."""

import threading
import time


class Watch:
    """Asks the runner for the program's last status again and again, and remembers when each was stated."""

    WORDS = {"idle": "idle", "working": "working", "blocked": "waiting", "done": "done", "error": "failed"}

    def __init__(self, runner):
        self.runner = runner
        self.stated = []
        self.going = True
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while self.going:
            status = self.runner.hello()["status"]
            if status and (not self.stated or self.stated[-1]["at_us"] != status["at_us"]):
                self.stated.append(status)
            time.sleep(0.003)

    def stop(self):
        self.going = False
        self.thread.join()

    def delays(self, events):
        """Gives, for each status that was stated, how long it took until `orchflow log -f` had printed it, in
        seconds, with its name. A status that was not told of, since it changed nothing, is left out."""
        found = []
        changes = [event for event in events if event["data"]["source"] == "osc7501"]
        for status in self.stated:
            word = self.WORDS.get(status["state"])
            event = next((event for event in changes if event["data"]["status"] == word
                          and event["data"]["detail"] == status["message"]
                          and event["timestamp"] >= status["at_us"]), None)
            if event:
                changes.remove(event)
                found.append((status["state"], event["seen"] - status["at_us"] / 1e6))
        return found
