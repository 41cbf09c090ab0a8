#!/usr/bin/env python3
"""The real Claude Code through orchflow, offline: against a model server on loopback, in homes of its own.

    tests/e2e/claude.py [PART-OF-A-NAME…]      runs the tests whose names have one of the parts, or all
    tests/e2e/claude.py --list                 lists them

ORCHFLOW_BIN names the program (target/debug/orchflow), ORCHFLOW_CLAUDE Claude Code (else PATH, else .deps/claude).
ORCHFLOW_E2E_JOBS says how many tests run side by side (as many as there are processors, at most 4).
Needs Python 3.9, git and Node.js 18, and nothing besides. The last line is `N passed, N failed, N skipped`;
exit 0 when none failed, 77 when nothing could run.
"""

import sys

sys.dont_write_bytecode = True

from claude_code import suite, test_life, test_permissions, test_prompts, test_resume, test_start, test_work  # noqa: E402,F401
from claude_code.world import Programs  # noqa: E402

VERSION = "2.1.329"


def main(words):
    if words == ["--list"]:
        for name, what, _, _ in suite.TESTS:
            print(f"{name:18} {what}")
        return 0
    programs = Programs()
    missing = programs.missing()
    if missing:
        suite.say(f"skipped: claude: {missing}")
        suite.say(f"0 passed, 0 failed, {len(suite.TESTS)} skipped")
        return 77
    version = programs.claude_version()
    note = "" if version.startswith(VERSION) else f"; these tests were made with {VERSION}, dialogs may read differently"
    suite.say(f"{programs.claude}: {version}{note}")
    counts = suite.run(programs, words)
    suite.say(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
