#!/usr/bin/env python3
"""Draws what a terminal shows as an SVG.

    tmux capture-pane -e -p | scripts/picture.py [--title TEXT] [--columns N] > picture.svg
    scripts/picture.py --frames FOLDER [--title TEXT] [--columns N] > recording.svg
    scripts/picture.py --self-test

With --frames each file of the folder is a capture, named by the milliseconds at which it begins; the SVG plays them
again and again. A line that does not change is drawn once. Where nothing is played, the last frame shows.

Reads text with SGR escape sequences (colours, bold, dim, italic, underline, strike, reverse) and
keeps every cell in its column, whatever font the viewer has. Other sequences are dropped.
"""

import re
import sys
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape

CELL_WIDTH, CELL_HEIGHT, FONT_SIZE, MARGIN, BAR = 8.4, 18, 14, 14, 30
FONT = "ui-monospace, 'JetBrains Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace"
FOREGROUND, BACKGROUND, FRAME = "#d8dee9", "#14161b", "#262a33"
BASE = (
    "#2b303b", "#e0707a", "#9ec07c", "#e5c07b", "#7aa2d8", "#c08fd0", "#6fb8c0", "#c8ced8",
    "#6b7486", "#f08a92", "#b5d897", "#f0d399", "#9abcf0", "#d8aae6", "#8fd3da", "#ffffff",
)
ESCAPE = re.compile(r"\x1b\[([0-9;:]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Za-z0-9]|\x1b.|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Style:
    """How a cell is drawn. Colours are `#rrggbb`, or None for the terminal's own."""

    foreground: str | None = None
    background: str | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    reverse: bool = False


def indexed(number):
    """Gives the colour of the 256-colour palette."""
    if number < 16:
        return BASE[number]
    if number < 232:
        number -= 16
        steps = (0, 95, 135, 175, 215, 255)
        return "#%02x%02x%02x" % (steps[number // 36], steps[number // 6 % 6], steps[number % 6])
    grey = 8 + 10 * (number - 232)
    return "#%02x%02x%02x" % (grey, grey, grey)


def extended(codes):
    """Takes `5;N` or `2;R;G;B` off the front of the codes and gives the colour."""
    if codes[:1] == [5] and len(codes) >= 2 and codes[1] < 256:
        colour = indexed(codes[1])
        del codes[:2]
        return colour
    if codes[:1] == [2] and len(codes) >= 4:
        colour = "#%02x%02x%02x" % tuple(min(code, 255) for code in codes[1:4])
        del codes[:4]
        return colour
    codes.clear()
    return None


SWITCHES = {
    1: {"bold": True}, 2: {"dim": True}, 3: {"italic": True}, 4: {"underline": True}, 7: {"reverse": True}, 9: {"strike": True},
    22: {"bold": False, "dim": False}, 23: {"italic": False}, 24: {"underline": False}, 27: {"reverse": False}, 29: {"strike": False},
    39: {"foreground": None}, 49: {"background": None},
}  # fmt: skip


def styled(style, parameters):
    """Applies one SGR sequence to a style."""
    codes = []
    for part in (parameters or "0").split(";"):
        pieces = part.split(":")
        # `4:3` is a kind of underline; `38:2::R:G:B` has an empty colour space.
        if pieces[0] == "4" and len(pieces) > 1:
            codes.append(24 if pieces[1] == "0" else 4)
        else:
            codes += [int(piece) for piece in pieces if piece] or [0]
    while codes:
        code = codes.pop(0)
        if code == 0:
            style = Style()
        elif code in SWITCHES:
            style = replace(style, **SWITCHES[code])
        elif code in (38, 48, 58):
            colour = extended(codes)
            if code != 58:
                style = replace(style, **{"foreground" if code == 38 else "background": colour})
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = replace(style, foreground=BASE[code - 30 if code < 90 else code - 82])
        elif 40 <= code <= 47 or 100 <= code <= 107:
            style = replace(style, background=BASE[code - 40 if code < 100 else code - 92])
    return style


def width(character):
    """Tells how many cells a character takes."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def runs(line, style):
    """Splits a line into (column, cells, text, style), and gives the style it ends with."""
    found, column, at = [], 0, 0
    while at < len(line):
        match = ESCAPE.match(line, at)
        if match:
            if match.group(2) == "m":
                style = styled(style, match.group(1))
            at = match.end()
            continue
        character, cells = line[at], width(line[at])
        at += 1
        # Wide characters stand alone, so that no font can shift what follows.
        joins = found and found[-1][3] == style and cells < 2 and found[-1][1] == len(found[-1][2])
        if cells == 0 and found:
            found[-1] = (*found[-1][:2], found[-1][2] + character, found[-1][3])
        elif joins:
            start, length, text, _ = found[-1]
            found[-1] = (start, length + cells, text + character, style)
        elif cells:
            found.append((column, cells, character, style))
        column += cells
    return found, style, column


def text_element(run, y):
    column, cells, text, style = run
    if not text.strip():
        return ""
    foreground, background = style.foreground or FOREGROUND, style.background or BACKGROUND
    colour = background if style.reverse else foreground
    marks = [f'fill="{colour}"'] if colour != FOREGROUND else []
    marks += ['font-weight="bold"'] if style.bold else []
    marks += ['font-style="italic"'] if style.italic else []
    marks += ['opacity="0.6"'] if style.dim else []
    lines = [name for name, on in (("underline", style.underline), ("line-through", style.strike)) if on]
    marks += [f'text-decoration="{" ".join(lines)}"'] if lines else []
    x = MARGIN + column * CELL_WIDTH
    joined = "".join(" " + mark for mark in marks)
    return f'<text x="{x:.1f}" y="{y}" textLength="{cells * CELL_WIDTH:.1f}"{joined}>{escape(text)}</text>'


def background_element(run, top):
    column, cells, _, style = run
    colour = (style.foreground or FOREGROUND) if style.reverse else style.background
    if not colour:
        return ""
    x = MARGIN + column * CELL_WIDTH
    return f'<rect x="{x:.1f}" y="{top}" width="{cells * CELL_WIDTH:.1f}" height="{CELL_HEIGHT}" fill="{colour}"/>'


def row_elements(line, style, number):
    """Draws one line; gives its backgrounds, its texts, the style it ends with, and how many cells it has."""
    found, style, reached = runs(line.rstrip("\r"), style)
    top = MARGIN + BAR + number * CELL_HEIGHT
    backgrounds = [element for element in (background_element(run, top) for run in found) if element]
    texts = [element for element in (text_element(run, top + CELL_HEIGHT - 5) for run in found) if element]
    return backgrounds, texts, style, reached


def document(body, title, cells, lines):
    """Puts a terminal's frame around what stands in it."""
    total_width = 2 * MARGIN + cells * CELL_WIDTH
    total_height = 2 * MARGIN + BAR + lines * CELL_HEIGHT
    label = escape(title or "a terminal", {'"': "&quot;"})
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total_width:.0f}" height="{total_height}" viewBox="0 0 {total_width:.0f} {total_height}" role="img" aria-label="{label}">',
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
        f'<path d="M0 {BAR} V8 a8 8 0 0 1 8 -8 H{total_width - 8:.0f} a8 8 0 0 1 8 8 V{BAR} Z" fill="{FRAME}"/>',
        f'<g font-family="{FONT}" font-size="{FONT_SIZE}" fill="{FOREGROUND}">',
        f'<text x="50%" y="{BAR - 10}" text-anchor="middle" fill="#8a93a5">{escape(title)}</text>',
        *body, "</g>", "</svg>", "",
    ])  # fmt: skip


def draw(text, title="", columns=0):
    """Draws a capture as an SVG document."""
    lines = text.rstrip("\n").split("\n")
    style, backgrounds, texts, widest = Style(), [], [], columns
    for number, line in enumerate(lines):
        behind, before, style, reached = row_elements(line, style, number)
        widest = max(widest, reached)
        backgrounds += behind
        texts += before
    body = ['<g shape-rendering="crispEdges">', *backgrounds, "</g>", '<g style="white-space:pre" xml:space="preserve">', *texts, "</g>"]
    return document(body, title, widest, len(lines))


def spans(contents, times, end):
    """Joins frames in which a line is the same: (drawing, begins, ends), in milliseconds."""
    found = []
    for content, begin, until in zip(contents, times, [*times[1:], end]):
        if found and found[-1][0] == content:
            found[-1] = (content, found[-1][1], until)
        else:
            found.append((content, begin, until))
    return found


def animate(frames, title="", columns=0, rest_ms=2500):
    """Draws captures, (milliseconds, text) in order of time, as an SVG that plays them."""
    first = frames[0][0]
    times = [begin - first for begin, _ in frames]
    end = times[-1] + rest_ms
    lines = max(text.rstrip("\n").count("\n") + 1 for _, text in frames)
    drawn, widest = [], columns
    for _, text in frames:
        style, rows = Style(), []
        for number, line in enumerate(text.rstrip("\n").split("\n")):
            behind, before, style, reached = row_elements(line, style, number)
            widest = max(widest, reached)
            rows.append("".join(behind + before))
        drawn.append(rows + [""] * (lines - len(rows)))
    body = [
        f'<rect width="0" height="0"><animate id="play" attributeName="x" from="0" to="0" begin="0s;play.end" dur="{end / 1000:.2f}s"/></rect>',
        '<g style="white-space:pre" xml:space="preserve">',
    ]
    for number in range(lines):
        for content, begin, until in spans([rows[number] for rows in drawn], times, end):
            if not content:
                continue
            if begin == 0 and until == end:
                body.append(f"<g>{content}</g>")
                continue
            # What stands at the end shows where nothing is played.
            at_rest = "visible" if until == end else "hidden"
            shown = f'<set attributeName="visibility" to="visible" begin="play.begin+{begin / 1000:.2f}s" dur="{(until - begin) / 1000:.2f}s"/>'
            if until == end:
                shown = f'<set attributeName="visibility" to="hidden" begin="play.begin" dur="{begin / 1000:.2f}s"/>'
            body.append(f'<g visibility="{at_rest}">{shown}{content}</g>')
    return document([*body, "</g>"], title, widest, lines)


def self_test():
    from xml.dom.minidom import parseString

    red = Style(foreground=BASE[1])
    assert styled(Style(), "31") == red and styled(red, "") == Style() and styled(red, "0;31") == red
    assert styled(Style(), "38;5;196").foreground == "#ff0000" and styled(Style(), "48;2;1;2;3").background == "#010203"
    assert styled(Style(), "38:2::1:2:3").foreground == "#010203" and styled(Style(), "4:3").underline
    assert styled(Style(), "38") == Style() and styled(Style(), "1;38;9;9") == Style(bold=True)
    assert indexed(255) == "#eeeeee" and indexed(97) == "#875faf" and styled(Style(), "97").foreground == BASE[15]
    found, _, reached = runs("a\x1b[1mb\u4e16c\x1b]0;t\x07\x1b(Bd", Style())
    assert [run[:3] for run in found] == [(0, 1, "a"), (1, 1, "b"), (2, 2, "\u4e16"), (4, 2, "cd")] and reached == 6
    hostile = draw('<b>&"\x1b[7m x \x00\x07 \x1b[999999m\n\x1b]52;c;AAAA\x07e\u0301', title='a"<&')
    assert "52;c" not in hostile and "\x00" not in hostile
    parseString(hostile)
    assert spans(["a", "a", "b"], [0, 5, 9], 20) == [("a", 0, 9), ("b", 9, 20)]
    moving = animate([(100, "same\none"), (600, "same\n\x1b[31mtwo"), (900, "same\n\x1b[31mtwo")])
    assert moving.count(">same<") == moving.count(">two<") == 1 and 'begin="play.begin+0.00s" dur="0.50s"' in moving
    parseString(moving)
    print("picture: the self-test passed")


def main(words):
    if words == ["--self-test"]:
        self_test()
        return 0
    options = dict(zip(words[::2], words[1::2]))
    if len(words) % 2 or not set(options) <= {"--title", "--columns", "--frames"}:
        print(__doc__, file=sys.stderr)
        return 2
    if "--frames" in options:
        files = sorted(Path(options["--frames"]).iterdir(), key=lambda path: int(path.stem))
        frames = [(int(path.stem), path.read_bytes().decode("utf-8", "replace")) for path in files]
        sys.stdout.write(animate(frames, options.get("--title", ""), int(options.get("--columns", 0))))
        return 0
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    sys.stdout.write(draw(text, options.get("--title", ""), int(options.get("--columns", 0))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
