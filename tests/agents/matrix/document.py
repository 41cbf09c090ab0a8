"""doc/agents.md, made from the result of a run."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RESULT, PROMPTS = ROOT / "tests/agents/matrix.json", ROOT / "tests/agents/prompts.json"
DOCUMENT = ROOT / "doc/agents.md"
CELLS = ["start", "prompt", "events", "status", "approve", "deny", "resume", "cost", "exit", "adopt"]
MEANS = {
    "start": "starts in a fresh worktree, by settings of that launch alone",
    "prompt": "a prompt of several lines, with emoji and quotes, is taken once, as it is, and orchflow knows it",
    "events": "every tool that the model asked for is an event, before and after it ran",
    "status": "working, interrupted in its pane, and an error of the model are each shown",
    "approve": "a permission is given from orchflow (`:Orchflow approvals`, `orchflow approve`)",
    "deny": "a permission is denied from orchflow, with the reason",
    "resume": "its session is taken up again with all that was said",
    "cost": "its tokens are told",
    "adopt": "one that was started by hand, without orchflow, is gone on with in a copy of its session (`orchflow adopt`)",
    "exit": "`orchflow stop` ends it, and nothing that it started is left",
}


COUNTS = ["sent", "once", "changed", "known", "lost", "doubled"]


def write(result):
    RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    DOCUMENT.write_text(text(result))


def write_prompts(rows):
    """Keeps how prompts arrived, in rows of some programs; those of others stay."""
    known = prompts()
    for row in rows:
        known = [one for one in known if (one["name"], one["kind"]) != (row["name"], row["kind"])] + [row]
    PROMPTS.write_text(json.dumps(sorted(known, key=lambda row: (row["kind"], row["name"])), indent=1) + "\n")
    if RESULT.exists():
        DOCUMENT.write_text(text(json.loads(RESULT.read_text())))


def prompts():
    return json.loads(PROMPTS.read_text()) if PROMPTS.exists() else []


def drift():
    """Says how the document differs from the result; None where it does not."""
    if not RESULT.exists():
        return f"{RESULT.name} is missing: make test-agents writes it"
    if not DOCUMENT.exists() or DOCUMENT.read_text() != text(json.loads(RESULT.read_text())):
        return "doc/agents.md is not what tests/agents/matrix.json says: python3 tests/agents/run.py --document writes it"
    return None


def text(result):
    lines = [
        "# Agents that orchflow drives",
        "",
        "Made by `make test-agents` from a run against the real programs; do not edit. Each was driven by orchflow itself,",
        "offline, against a scripted model server, with a private home and dummy keys: what needs a login was not tried.",
        "",
        f"Run on {result['date']}, {result['machine']}.",
        "",
        "| program | version | channel | " + " | ".join(CELLS) + " |",
        "|---|---|---|" + "---|" * len(CELLS),
    ]
    notes = []
    for row in result["programs"]:
        cells = [cell_text(row, name, notes) for name in CELLS]
        lines.append(f"| {row['title']} | {row['version']} | {row['channel']} | " + " | ".join(cells) + " |")
    lines += ["", "`yes`: seen working. `no`: it did not, for the reason below. `-`: the program offers no way to it.", ""]
    lines += [f"- **{name}**: {MEANS[name]}" for name in CELLS]
    if notes:
        lines += ["", "## What does not work, and why", "", *notes]
    late = [(row["title"], source, value) for row in result["programs"] for source, value in (row.get("lateness") or {}).items()]
    if late:
        lines += [
            "", "## How late a status was", "",
            "From the signal (the hook program being run, or OSC 7501 as it left the program) until `orchflow log --follow`",
            "had printed the status that follows from it, on the machine above, whatever else ran there.", "",
            "| program | signal | statuses | p50 | p99 | missed |", "|---|---|---|---|---|---|",
            *(f"| {title} | {source} | {value['statuses']} | {value['p50_ms']} ms | {value['p99_ms']} ms | {value.get('missed', 0)} |"
              for title, source, value in late),
        ]
    rows = prompts()
    if rows:
        lines += [
            "", "## How prompts arrived", "",
            "Prompts of all kinds: several lines, 200 kB, emoji, control characters, a leading dash or slash, a trailing",
            "semicolon; sent while the program starts, works, or waits in a dialog. `real` is the program itself, `stand-in` a",
            "rehearsal with the program's rules for prompts. Counted by what the model was asked: once as sent, once but changed,",
            "lost and shown so, lost, doubled.", "",
            "| program | | sent | once | changed | known lost | lost | doubled |", "|---|---|---|---|---|---|---|---|",
            *(f"| {row['title']} {row['version']} | {row['kind']} | " + " | ".join(str(row[name]) for name in COUNTS) + " |"
              for row in rows),
        ]
        notes = [f"- {row['title']}, {row['kind']}: {note}" for row in rows for note in row["notes"]]
        lines += ["", *notes] if notes else []
    return "\n".join(lines) + "\n"


def cell_text(row, name, notes):
    cell = row["cells"].get(name)
    if cell is None:
        return "not tried"
    if cell["verdict"] == "yes":
        return "yes"
    notes.append(f"- {row['title']}, {name}: {cell['why']}")
    return "-" if cell["verdict"] == "not offered" else "no"
