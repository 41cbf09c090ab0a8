"""How late a status was: from the signal that it follows from until `orchflow log --follow` had printed it."""


# A turn that was broken off ends too, and shows as idle.
ALSO = {"done": ("done", "idle")}


class Lateness:
    """Signals with their times: hooks as the stamped hook program was run, OSC 7501 as the runner saw it."""

    def __init__(self, program):
        self.program = program

    def of_hooks(self, stamps, events):
        """Gives the seconds of each status that a hook told of, and how many signals were told in vain: a status belongs to
        the newest signal before it, where that says the same, and a signal without one must have its status shown before
        the next: it was so already, or another source told of it."""
        signals = []
        for line in stamps.read_text().splitlines() if stamps.exists() else []:
            nanoseconds, *words = line.split()
            state = self.program.tells.get(words[-1])
            if state:
                signals.append((int(nanoseconds) / 1e9, state))
        delays = {}
        for event in events:
            if event["data"]["source"] != "hook":
                continue
            before = [place for place, (at, _) in enumerate(signals) if at <= event["seen"]]
            if before and signals[before[-1]][1] == event["data"]["status"]:
                delays.setdefault(before[-1], event["seen"] - signals[before[-1]][0])
        missed = 0
        for place, (at, state) in enumerate(signals):
            until = signals[place + 1][0] if place + 1 < len(signals) else at + 5
            before = [event["data"]["status"] for event in events if event["seen"] <= at]
            since = [event["data"]["status"] for event in events if at < event["seen"] <= until]
            missed += place not in delays and not set(before[-1:] + since) & set(ALSO.get(state, (state,)))
        return list(delays.values()), missed


def figures(delays, missed=0):
    """Gives count, p50 and p99 in milliseconds, and how many were missed."""
    if not delays:
        return None
    ordered = sorted(delays)
    at = lambda share: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)  # noqa: E731
    return {"statuses": len(ordered), "missed": missed, "p50_ms": at(0.5), "p99_ms": at(0.99)}
