#!/usr/bin/env bash
# sample.sh: make the small git repository that the demo works in.
#
#   scripts/sample.sh FOLDER      (must not exist)
set -euo pipefail
folder=${1:?usage: sample.sh FOLDER}
[[ ! -e $folder ]] || { printf 'sample.sh: %s exists\n' "$folder" >&2; exit 1; }
for name in $(compgen -e); do [[ $name == GIT_* ]] && unset "$name"; done
# Dates, names and settings are fixed, so that the sample is the same everywhere.
export GIT_AUTHOR_NAME='Ada Sample' GIT_AUTHOR_EMAIL=ada@example.org
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1

mkdir -p "$folder"
cd "$folder"
git init -q -b main
git config user.name "$GIT_AUTHOR_NAME"
git config user.email "$GIT_AUTHOR_EMAIL"

commit() { # DAY MESSAGE
  export GIT_AUTHOR_DATE="2026-03-0$1T09:00:00Z" GIT_COMMITTER_DATE="2026-03-0$1T09:00:00Z"
  git add -A
  git -c commit.gpgsign=false commit -q -m "$2"
}

cat >README.md <<'TEXT'
# greet

Says hello, politely.

    $ python3 -m greet Ada
    Hello, Ada!
TEXT
mkdir greet
cat >greet/__init__.py <<'TEXT'
"""Greets people by name."""


def greeting(name: str) -> str:
    """Returns the greeting for one person."""
    return f"Hello, {name}!"
TEXT
cat >greet/__main__.py <<'TEXT'
"""Greets everyone named on the command line."""

import sys

from greet import greeting


def main(names: list[str]) -> int:
    if not names:
        print("usage: python3 -m greet NAME...", file=sys.stderr)
        return 2
    for name in names:
        print(greeting(name))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
TEXT
commit 1 'greet: say hello to everyone named on the command line'

cat >greet/farewell.py <<'TEXT'
"""Says goodbye."""


def farewell(name: str) -> str:
    """Returns the farewell for one person."""
    return f"Goodbye, {name}."
TEXT
mkdir tests
cat >tests/test_farewell.py <<'TEXT'
import unittest

from greet.farewell import farewell


class FarewellTest(unittest.TestCase):
    def test_names_the_person(self):
        self.assertEqual(farewell("Ada"), "Goodbye, Ada.")


if __name__ == "__main__":
    unittest.main()
TEXT
commit 2 'farewell: say goodbye too, with a test'

printf '__pycache__/\n*.pyc\n' >.gitignore
commit 3 'Ignore what Python leaves behind'
