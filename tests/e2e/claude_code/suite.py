"""Tests by name: each in a world of its own, some side by side, counted, failures explained."""

import os
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from .world import World

TESTS = []
# Claude Code at rest costs memory, not time; more of them than processors disturb each other's clocks.
JOBS = int(os.environ.get("ORCHFLOW_E2E_JOBS") or min(4, os.cpu_count() or 1))
lines = threading.local()


def test(what, **options):
    """Makes a test of a function of a world; `options` are the world's."""
    def add(function):
        TESTS.append((function.__name__, what, options, function))
        return function
    return add


def say(text):
    """Says something beside the verdict: with those of this test, or at once where none runs."""
    if getattr(lines, "of_test", None) is None:
        print(text, flush=True)
    else:
        lines.of_test.append(text)


def run(programs, wanted):
    """Runs the tests whose names contain one of `wanted`, or all. Gives how many passed, failed, were skipped."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    chosen = [entry for entry in TESTS if not wanted or any(part in entry[0] for part in wanted)]
    with ThreadPoolExecutor(JOBS) as pool:
        for verdict, told in pool.map(lambda entry: attempt(programs, *entry), chosen):
            counts[verdict] += 1
            print("\n".join(told), flush=True)
    return counts


def attempt(programs, name, what, options, function):
    """Runs one test. Gives its verdict and what it has to say."""
    begun = time.monotonic()
    told = lines.of_test = []
    verdict, why = "passed", ""
    try:
        world = World(programs, **options)
        with world:
            try:
                function(world)
            except Exception:
                say(world.describe())
                raise
        assert not world.left, f"processes {world.left} outlived their agent and host"
    except Exception as error:
        say(traceback.format_exc())
        verdict, why = "failed", f": {error}"
    finally:
        lines.of_test = None
    return verdict, [f"{verdict}: {what} ({name}, {time.monotonic() - begun:.1f} s){why}", *told]
