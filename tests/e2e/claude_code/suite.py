"""Tests by name: run one after the other, each in a world of its own, counted, failures explained."""

import sys
import time
import traceback

from .world import World

TESTS = []


def test(what, **options):
    """Makes a test of a function of a world; `options` are the world's."""
    def add(function):
        TESTS.append((function.__name__, what, options, function))
        return function
    return add


class Skipped(Exception):
    """Says why a test cannot be run here."""


def say(text):
    print(text, flush=True)


def run(programs, wanted):
    """Runs the tests whose names contain one of `wanted`, or all. Gives how many passed, failed, were skipped."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, what, options, function in TESTS:
        if wanted and not any(part in name for part in wanted):
            continue
        begun = time.monotonic()
        verdict, why = attempt(programs, options, function)
        counts[verdict] += 1
        say(f"{verdict}: {what} ({name}, {time.monotonic() - begun:.1f} s){': ' + why if why else ''}")
    return counts


def attempt(programs, options, function):
    world = None
    try:
        world = World(programs, **options)
        with world:
            try:
                function(world)
            except Skipped:
                raise
            except Exception:
                say(world.describe())
                raise
        assert not world.left, f"processes {world.left} outlived their agent and host"
    except Skipped as reason:
        return "skipped", str(reason)
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        return "failed", str(error)
    return "passed", ""
