//! Bytes to grid to bytes: the emulator's known defects, recorded programs, and paints that show the same screen.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "helpers of tests may panic"
)]

use std::fs;
use std::path::Path;

use orchflow_mux::emulator::{Cursor, Emulator, Size, Style, WeztermEmulator};
use orchflow_mux::filter::{Filter, FilterOptions, FilterSink};
use orchflow_mux::paint::{self, Frames};
use orchflow_mux::signal::Signal;
use proptest::prelude::*;

/// A filter and the grid behind it.
struct Screen {
    filter: Option<Filter>,
    emulator: WeztermEmulator,
    stream: Vec<u8>,
    repaint: bool,
}

impl Screen {
    fn new(columns: u16, rows: u16) -> Screen {
        let size = Size::new(columns, rows);
        Screen {
            filter: Some(Filter::new(FilterOptions::default(), size)),
            emulator: WeztermEmulator::new(size, 2000),
            stream: Vec::new(),
            repaint: false,
        }
    }

    fn showing(columns: u16, rows: u16, bytes: &[u8]) -> Screen {
        let mut screen = Screen::new(columns, rows);
        screen.feed(bytes);
        screen
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut filter = self.filter.take().unwrap();
        filter.feed(bytes, self);
        self.filter = Some(filter);
    }

    fn full(&mut self) -> Vec<u8> {
        paint::full(&mut self.emulator, self.filter.as_ref().unwrap().modes())
    }

    fn text(&mut self) -> String {
        self.emulator.text().join("\n")
    }

    fn lines(&mut self) -> Vec<String> {
        let mut lines = self.emulator.text();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    fn cursor(&mut self) -> (u16, u16) {
        let cursor = self.emulator.cursor();
        (cursor.column, cursor.row)
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        let size = Size::new(columns, rows);
        self.emulator.resize(size);
        self.filter.as_mut().unwrap().resize(size);
    }
}

impl FilterSink for Screen {
    fn display(&mut self, bytes: &[u8]) {
        self.emulator.feed(bytes);
        self.stream.extend_from_slice(bytes);
    }
    fn emulate(&mut self, bytes: &[u8]) {
        self.emulator.feed(bytes);
    }
    fn relay(&mut self, bytes: &[u8]) {
        self.stream.extend_from_slice(bytes);
    }
    fn repaint(&mut self) {
        self.repaint = true;
    }
    fn answer(&mut self, _bytes: &[u8]) {}
    fn cursor(&mut self) -> Cursor {
        self.emulator.cursor()
    }
    fn pen(&mut self) -> Style {
        self.emulator.pen()
    }
    fn signal(&mut self, _signal: Signal) {}
}

#[test]
fn narrowing_with_the_cursor_on_an_empty_row_loses_no_line() {
    let mut screen = Screen::showing(100, 30, b"hello\r\n");
    screen.resize(59, 30);
    assert_eq!(screen.cursor(), (0, 1));
    screen.feed(b"next");
    assert_eq!(screen.lines(), ["hello", "next"]);

    // Behind blank lines, and back again.
    let mut screen = Screen::showing(100, 30, b"hello\r\n\r\n\r\n");
    screen.resize(59, 30);
    screen.resize(100, 30);
    assert_eq!(screen.cursor(), (0, 3));

    // Under a program on the alternate screen.
    let mut screen = Screen::showing(100, 30, b"hello\r\n\x1b[?1049h\x1b[Hfull screen");
    screen.resize(59, 30);
    screen.feed(b"\x1b[?1049lnext");
    assert_eq!(screen.lines(), ["hello", "next"]);

    // In column 0 of a row that has text.
    let mut screen = Screen::showing(100, 30, b"one\r\ntwo\r");
    screen.resize(59, 30);
    screen.feed(b"T");
    assert_eq!(screen.lines(), ["one", "Two"]);
}

#[test]
fn narrowing_to_the_width_of_the_text_before_the_cursor_loses_nothing() {
    let mut screen = Screen::showing(20, 5, b"0123456789");
    screen.resize(10, 5);
    screen.feed(b"x");
    assert_eq!(screen.lines(), ["0123456789", "x"]);
}

#[test]
fn long_lines_wrap_anew_and_come_back() {
    let line = "abcdefghij".repeat(15);
    let mut screen = Screen::showing(100, 30, format!("{line}\r\n{line}\r\n").as_bytes());
    let before = screen.text();
    screen.resize(50, 30);
    assert_eq!(screen.lines().len(), 6);
    screen.resize(100, 30);
    assert_eq!(screen.text(), before);
}

#[test]
fn a_wide_character_does_not_stay_in_the_last_column() {
    for text in ["123456789漢x", "漢字漢字1漢x", "12345678👩\u{200d}👩\u{200d}👧漢x"] {
        let mut screen = Screen::showing(10, 5, text.as_bytes());
        let lines = screen.lines();
        assert_eq!(lines[1].chars().last(), Some('x'), "{text}: {lines:?}");
        assert_eq!(lines[1], "漢x", "{text}: {lines:?}");
        assert_eq!(screen.cursor(), (3, 1));
        // It is still one logical line.
        screen.resize(20, 5);
        assert_eq!(screen.lines().len(), 1, "{text}: {:?}", screen.lines());
    }
    // Where the line is full already, the character wraps by itself.
    let mut screen = Screen::showing(10, 5, "1234567890漢x".as_bytes());
    assert_eq!(screen.lines(), ["1234567890", "漢x"]);
    // Without automatic wrapping there is no room for it.
    let mut screen = Screen::showing(10, 5, "\x1b[?7l123456789漢".as_bytes());
    assert_eq!(screen.lines(), ["123456789"]);
    // At the bottom it scrolls.
    let mut screen = Screen::showing(10, 2, "a\r\n123456789漢x".as_bytes());
    assert_eq!(screen.lines(), ["123456789", "漢x"]);
    assert_eq!(screen.emulator.scrollback(10), ["a"]);
}

#[test]
fn a_column_beyond_the_screen_is_the_last_one() {
    for sequence in ["\x1b[107G", "\x1b[1;500H", "\x1b[1;11f", "\x1b[9999`"] {
        let mut screen = Screen::showing(10, 5, format!("{sequence}(x").as_bytes());
        assert_eq!(screen.lines(), ["         (", "x"], "{sequence:?}");
    }
}

#[test]
fn a_cursor_at_the_start_of_a_wrapped_row_stays_with_its_text() {
    let mut screen = Screen::showing(10, 5, b"0123456789abcde\r");
    screen.resize(20, 5);
    screen.feed(b"A");
    assert_eq!(screen.lines(), ["0123456789Abcde"]);
}

#[test]
fn lines_are_read_also_after_the_ring_has_wrapped() {
    let mut screen = Screen::new(40, 10);
    for number in 0..6000 {
        screen.feed(format!("{number}\r\n").as_bytes());
        if number % 97 == 0 {
            assert_eq!(screen.emulator.text().len(), 10);
        }
    }
    assert_eq!(screen.lines().last().unwrap(), "5999");
    let history = screen.emulator.scrollback(usize::MAX);
    assert_eq!(history.len(), 2000);
    assert_eq!(history.last().unwrap(), "5990");
}

#[test]
fn a_character_and_its_combining_mark_stay_together() {
    let text = "e\u{301} 1\u{fe0f}\u{20e3} 👩\u{200d}💻 ❤\u{fe0f}";
    let mut whole = Screen::showing(40, 5, text.as_bytes());
    let mut single = Screen::new(40, 5);
    for byte in text.as_bytes().chunks(1) {
        single.feed(byte);
    }
    assert_eq!(single.text(), whole.text());
    assert!(whole.text().contains("e\u{301}"));
}

#[test]
fn sizes_have_bounds() {
    assert_eq!(Size::new(0, 0), Size { columns: 2, rows: 1 });
    assert_eq!(Size::new(u16::MAX, u16::MAX), Size { columns: 1000, rows: 500 });
    let mut screen = Screen::showing(2, 1, "漢字abc\r\n\x1b[10;10H漢x".as_bytes());
    for step in 0..300u16 {
        screen.resize(step * 7 % 120, step * 5 % 50);
        screen.feed("wide 漢字 text\r\n\x1b[5;5H".as_bytes());
        screen.cursor();
    }
}

fn recordings() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tui");
    let mut found: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bytes"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    found.sort();
    assert!(found.len() >= 10, "the recordings are there");
    found
}

#[test]
fn recorded_programs_look_the_same_however_their_bytes_are_cut() {
    for (name, bytes) in recordings() {
        let mut whole = Screen::showing(100, 30, &bytes);
        let expected = whole.text();
        for step in [1, 7, 4095] {
            let mut cut = Screen::new(100, 30);
            for piece in bytes.chunks(step) {
                cut.feed(piece);
            }
            assert_eq!(cut.text(), expected, "{name} in pieces of {step}");
            assert_eq!(cut.stream, whole.stream, "{name} in pieces of {step}");
        }
    }
}

#[test]
fn the_screens_of_recorded_programs_say_what_they_said() {
    let recordings = recordings();
    let text = |name: &str| {
        let (_, bytes) = recordings.iter().find(|(found, _)| found == name).unwrap();
        // Programs leave their screen at the end: the last look before that counts.
        let mut screen = Screen::new(100, 30);
        let mut seen = String::new();
        for piece in bytes.chunks(512) {
            screen.feed(piece);
            seen.push_str(&screen.text());
        }
        seen
    };
    assert!(text("claude1").contains("Claude Code"));
    assert!(text("codex").contains("OpenAI Codex"));
    assert!(text("gemini").contains("Gemini"));
    assert!(text("qwen").contains("Qwen"));
}

/// Shows `paint` in a terminal that already shows something else.
fn shown(columns: u16, rows: u16, paints: &[Vec<u8>]) -> Screen {
    let mut view = Screen::showing(columns, rows, b"\x1b[31mold\r\nremains\x1b[5;9H\x1b[2;3r\x1b(0");
    for paint in paints {
        view.feed(paint);
    }
    view
}

fn rows(screen: &mut Screen) -> Vec<orchflow_mux::emulator::Row> {
    let columns = screen.emulator.size().columns;
    screen.emulator.rows(columns)
}

#[test]
fn a_full_paint_shows_the_same_screen_with_the_same_modes() {
    let modes =
        "\x1b[?2004h\x1b[?1000h\x1b[?1006h\x1b[?1h\x1b=\x1b[4 q\x1b[5;20r\x1b[?25l\x1b[12;7H\x1b[1;32m";
    for (name, mut bytes) in recordings() {
        bytes.extend_from_slice(modes.as_bytes());
        let mut screen = Screen::showing(100, 30, &bytes);
        let paint = screen.full();
        let mut view = shown(100, 30, &[paint]);
        assert_eq!(view.text(), screen.text(), "{name}");
        assert_eq!(rows(&mut view), rows(&mut screen), "{name}: colours");
        assert_eq!(view.cursor(), screen.cursor(), "{name}");
        assert_eq!(view.emulator.pen(), screen.emulator.pen(), "{name}");
        let (theirs, ours) = (screen.filter.as_ref().unwrap(), view.filter.as_ref().unwrap());
        for mode in [1, 6, 7, 25, 1000, 1002, 1006, 2004, 2026] {
            assert_eq!(ours.modes().is_set(mode), theirs.modes().is_set(mode), "{name}: mode {mode}");
        }
        // The stream goes on behind the paint as if nothing had happened.
        let more = "more\r\nand\x1b[20;1H\nscrolled\x1b[3;3Hx".as_bytes();
        screen.feed(more);
        view.feed(more);
        assert_eq!(rows(&mut view), rows(&mut screen), "{name}: behind the paint");
    }
}

#[test]
fn frames_add_up_to_the_same_screen() {
    for (name, bytes) in recordings() {
        let mut screen = Screen::new(100, 30);
        let mut frames = Frames::default();
        let mut view = shown(100, 30, &[]);
        for piece in bytes.chunks(3001) {
            screen.feed(piece);
            let modes = screen.filter.as_ref().unwrap().modes().clone();
            let frame = frames.next(&mut screen.emulator, &modes, Size::new(100, 30));
            view.feed(&frame);
            assert_eq!(rows(&mut view), rows(&mut screen), "{name}");
            assert_eq!(view.cursor(), screen.cursor(), "{name}");
            // Nothing changed: nothing is sent.
            assert!(frames.next(&mut screen.emulator, &modes, Size::new(100, 30)).is_empty(), "{name}");
        }
    }
}

#[test]
fn a_smaller_view_shows_the_part_with_the_cursor() {
    let mut screen = Screen::new(100, 30);
    for number in 1..=30 {
        screen.feed(format!("\x1b[{number};1Hline {number} {}", "x".repeat(80)).as_bytes());
    }
    let modes = screen.filter.as_ref().unwrap().modes().clone();
    let mut frames = Frames::default();
    let mut view = Screen::new(40, 10);
    view.feed(&frames.next(&mut screen.emulator, &modes, Size::new(40, 10)));
    let lines = view.lines();
    assert_eq!(lines.len(), 10);
    assert!(lines[0].starts_with("line 21 xxx") && lines[0].len() == 40, "{lines:?}");
    // A larger one leaves the rest blank.
    let mut frames = Frames::default();
    let mut view = Screen::new(150, 40);
    view.feed(&frames.next(&mut screen.emulator, &modes, Size::new(150, 40)));
    assert_eq!(view.lines(), screen.lines());
}

#[test]
fn only_changed_rows_are_painted() {
    let mut screen = Screen::showing(100, 30, &b"a row of text\r\n".repeat(29));
    let modes = screen.filter.as_ref().unwrap().modes().clone();
    let mut frames = Frames::default();
    let first = frames.next(&mut screen.emulator, &modes, Size::new(100, 30));
    screen.feed(b"\x1b[7;1Hchanged");
    let second = frames.next(&mut screen.emulator, &modes, Size::new(100, 30));
    let second = String::from_utf8(second).unwrap();
    assert!(second.contains("changed") && second.len() < first.len() / 4, "{second:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_survives_a_paint(
        lines in proptest::collection::vec("([ -~é漢✳👩]|e\u{301}|👩\u{200d}💻){0,40}", 1..12),
        columns in 4u16..60,
        rows_count in 1u16..12,
        narrower in 4u16..60,
    ) {
        let mut screen = Screen::showing(columns, rows_count, lines.join("\r\n").as_bytes());
        screen.resize(narrower, rows_count);
        let paint = screen.full();
        let mut view = Screen::new(narrower, rows_count);
        view.feed(&paint);
        prop_assert_eq!(view.text(), screen.text());
    }

    #[test]
    fn no_output_and_no_size_break_the_screen(
        pieces in proptest::collection::vec(
            (proptest::sample::select(SEQUENCES), 0u16..70, 0u16..30, "[ -~é漢✳👩\u{301}\u{200d}]{0,12}"),
            1..60,
        ),
    ) {
        let mut screen = Screen::new(40, 12);
        for (sequence, first, second, text) in pieces {
            if sequence == "resize" {
                screen.resize(first, second);
            } else {
                let sequence = sequence.replace('1', &first.to_string()).replace('2', &second.to_string());
                screen.feed(sequence.as_bytes());
            }
            screen.feed(text.as_bytes());
            let (column, row) = screen.cursor();
            let size = screen.emulator.size();
            prop_assert!(column < size.columns && row < size.rows);
            prop_assert_eq!(screen.emulator.text().len(), usize::from(size.rows));
            screen.full();
        }
        // A screen that failed would have started anew and told so; a mark at its end shows it still works.
        screen.resize(40, 12);
        screen.feed(b"\x1bc\x1b[Hmark");
        prop_assert_eq!(screen.lines(), ["mark"]);
    }
}

/// Sequences with 1 and 2 in place of any numbers.
const SEQUENCES: &[&str] = &[
    "\x1b[1;2H",
    "\x1b[1A",
    "\x1b[1B",
    "\x1b[1C",
    "\x1b[1D",
    "\x1b[1G",
    "\x1b[1d",
    "\x1b[1;2r",
    "\x1b[r",
    "\x1b[1S",
    "\x1b[1T",
    "\x1b[1L",
    "\x1b[1M",
    "\x1b[1P",
    "\x1b[1@",
    "\x1b[1X",
    "\x1b[1b",
    "\x1b[J",
    "\x1b[1J",
    "\x1b[3J",
    "\x1b[K",
    "\x1b[1K",
    "\x1b[1I",
    "\x1b[1Z",
    "\x1bM",
    "\x1bD",
    "\x1bE",
    "\x1bH",
    "\x1b7",
    "\x1b8",
    "\x1b[?1049h",
    "\x1b[?1049l",
    "\x1b[?47h",
    "\x1b[?47l",
    "\x1b[?1048h",
    "\x1b[?1048l",
    "\x1b[?6h",
    "\x1b[?6l",
    "\x1b[?7l",
    "\x1b[?7h",
    "\x1b[4h",
    "\x1b[4l",
    "\x1b[20h",
    "\x1b(0",
    "\x1b(B",
    "\x1b#8",
    "\x1b[!p",
    "\x1bc",
    "\x1b[1;2m",
    "\r\n",
    "\t",
    "\x08",
    "\x0b",
    "\x0e",
    "\x0f",
    "resize",
    "resize",
    "resize",
];
