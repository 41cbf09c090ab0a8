"""How late a status was: from the signal that it follows from until `orchflow log --follow` had printed it."""


class Lateness:
    """Signals with their times: hooks as the stamped hook program was run, OSC 7501 as the runner saw it."""

    def __init__(self, program):
        self.program = program

    def of_hooks(self, stamps, events):
        """Gives the seconds of each status that a hook told of. Each stamp counts for the first status behind it."""
        signals = []
        for line in stamps.read_text().splitlines() if stamps.exists() else []:
            nanoseconds, *words = line.split()
            state = self.program.tells.get(words[-1])
            if state:
                signals.append((int(nanoseconds) / 1e9, state))
        delays = []
        changes = [event for event in events if event["data"]["source"] == "hook"]
        for at, state in signals:
            event = next((event for event in changes if event["data"]["status"] == state and 0 <= event["seen"] - at < 5), None)
            if event:
                changes.remove(event)
                delays.append(event["seen"] - at)
        return delays


def figures(delays):
    """Gives count, p50 and p99 in milliseconds."""
    if not delays:
        return None
    ordered = sorted(delays)
    at = lambda share: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)  # noqa: E731
    return {"statuses": len(ordered), "p50_ms": at(0.5), "p99_ms": at(0.99)}
