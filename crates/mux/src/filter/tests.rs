//! Sequences whole, split and hostile.

use proptest::prelude::*;

use super::*;
use crate::emulator::{Emulator, WeztermEmulator};
use crate::signal::{MarkKind, ProgressState};

/// Keeps everything the filter lets through.
struct Record {
    emulator: WeztermEmulator,
    view: Vec<u8>,
    answers: Vec<u8>,
    signals: Vec<Signal>,
    repaints: usize,
}

impl FilterSink for Record {
    fn display(&mut self, bytes: &[u8]) {
        self.emulator.feed(bytes);
        self.view.extend_from_slice(bytes);
    }

    fn emulate(&mut self, bytes: &[u8]) {
        self.emulator.feed(bytes);
    }

    fn relay(&mut self, bytes: &[u8]) {
        self.view.extend_from_slice(bytes);
    }

    fn repaint(&mut self) {
        self.repaints += 1;
    }

    fn answer(&mut self, bytes: &[u8]) {
        self.answers.extend_from_slice(bytes);
    }

    fn cursor(&mut self) -> Cursor {
        self.emulator.cursor()
    }

    fn pen(&mut self) -> Style {
        self.emulator.pen()
    }

    fn signal(&mut self, signal: Signal) {
        self.signals.push(signal);
    }
}

const SIZE: (u16, u16) = (100, 30);

fn size() -> Size {
    Size::new(SIZE.0, SIZE.1)
}

/// Feeds the pieces to a fresh filter.
fn feed<'a>(options: FilterOptions, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Filter, Record) {
    let mut filter = Filter::new(options, size());
    let mut record = Record {
        emulator: WeztermEmulator::new(size(), 100),
        view: Vec::new(),
        answers: Vec::new(),
        signals: Vec::new(),
        repaints: 0,
    };
    for piece in pieces {
        filter.feed(piece, &mut record);
    }
    (filter, record)
}

/// Feeds the bytes whole and cut at each place, checks that it makes no difference, and returns what came of it.
fn filtered(bytes: &[u8]) -> Record {
    let (_, whole) = feed(FilterOptions::default(), [bytes]);
    for cut in 1..bytes.len() {
        let (front, back) = bytes.split_at(cut);
        let (_, split) = feed(FilterOptions::default(), [front, back]);
        assert_eq!(show(&split.view), show(&whole.view), "cut at {cut}");
        assert_eq!(show(&split.answers), show(&whole.answers), "cut at {cut}");
        assert_eq!(split.signals, whole.signals, "cut at {cut}");
    }
    let (_, single) = feed(FilterOptions::default(), bytes.chunks(1));
    assert_eq!(show(&single.view), show(&whole.view), "byte by byte");
    assert_eq!(single.signals, whole.signals, "byte by byte");
    whole
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[track_caller]
fn assert_view(input: &[u8], view: &[u8]) {
    assert_eq!(show(&filtered(input).view), show(view), "of {}", show(input));
}

#[track_caller]
fn assert_answer(query: &[u8], answer: &[u8]) {
    let record = filtered(query);
    assert_eq!(show(&record.answers), show(answer), "to {}", show(query));
    assert_eq!(show(&record.view), "", "{} must not reach a view", show(query));
}

#[track_caller]
fn assert_signals(input: &[u8], signals: &[Signal]) {
    let record = filtered(input);
    assert_eq!(record.signals, signals, "of {}", show(input));
}

#[test]
fn text_and_drawing_pass_as_they_are() {
    for input in [
        &b"plain text\r\nnext\tline\x08\x0b\x0c"[..],
        "wide 漢字 emoji 👩‍👩‍👧 accents é e\u{301}".as_bytes(),
        b"\x1b[1;31mred\x1b[0m\x1b[38;2;1;2;3m\x1b[4:3m\x1b[58:2::1:2:3m",
        b"\x1b[H\x1b[2J\x1b[K\x1b[10;20H\x1b[3A\x1b[5@\x1b[2P\x1b[1L\x1b[2M\x1b[4X\x1b[3S\x1b[2T\x1b[6G\x1b[7d\x1b[3g",
        b"\x1b7\x1b8\x1bD\x1bM\x1bE\x1bH\x1b=\x1b>\x1b(0\x1b(B\x1b)0\x0e\x0f\x1b#8",
        b"\x1b[?25l\x1b[?25h\x1b[?1000h\x1b[?1006h\x1b[?2026h\x1b[?2026l\x1b[?1h\x1b[4h\x1b[4l",
        b"\x1b[2 q\x1b[!p\x1b[s\x1b[u\x1b[3;20r",
    ] {
        assert_view(input, input);
    }
}

#[test]
fn queries_are_answered_and_never_shown() {
    assert_answer(b"\x1b[c", b"\x1b[?62;22c");
    assert_answer(b"\x1b[0c", b"\x1b[?62;22c");
    assert_answer(b"\x1bZ", b"\x1b[?62;22c");
    assert_answer(b"\x1b[>c", b"\x1b[>1;100;0c");
    assert_answer(b"\x1b[=c", b"\x1bP!|00000000\x1b\\");
    assert_answer(b"\x1b[5n", b"\x1b[0n");
    assert_answer(b"\x1b[6n", b"\x1b[1;1R");
    assert_answer(b"\x1b[?6n", b"\x1b[?1;1;1R");
    assert_answer(b"\x1b[?2004$p", b"\x1b[?2004;2$y");
    assert_answer(b"\x1b[?25$p", b"\x1b[?25;1$y");
    assert_answer(b"\x1b[?69$p", b"\x1b[?69;0$y");
    assert_answer(b"\x1b[?9001$p", b"\x1b[?9001;0$y");
    assert_answer(b"\x1b[4$p", b"\x1b[4;2$y");
    assert_answer(b"\x1b[>0q", concat!("\x1bP>|orchflow ", env!("CARGO_PKG_VERSION"), "\x1b\\").as_bytes());
    assert_answer(
        b"\x1bP+q544E;436F;4243\x1b\\",
        b"\x1bP1+r544E=787465726D2D323536636F6C6F72\x1b\\\x1bP1+r436F=323536\x1b\\\x1bP0+r4243\x1b\\",
    );
    assert_answer(b"\x1bP+qzz\x1b\\", b"\x1bP0+r\x1b\\");
    assert_answer(b"\x1bP$qr\x1b\\", b"\x1bP1$r1;30r\x1b\\");
    assert_answer(b"\x1bP$q q\x1b\\", b"\x1bP1$r0 q\x1b\\");
    assert_answer(b"\x1bP$qm\x1b\\", b"\x1bP1$r0m\x1b\\");
    assert_answer(b"\x1bP$q\"p\x1b\\", b"\x1bP0$r\x1b\\");
    assert_answer(b"\x1b]10;?\x1b\\", b"\x1b]10;rgb:d0d0/d0d0/d0d0\x1b\\");
    assert_answer(b"\x1b]11;?\x07", b"\x1b]11;rgb:1212/1212/1212\x07");
    assert_answer(b"\x1b]10;?;?\x07", b"\x1b]10;rgb:d0d0/d0d0/d0d0\x07\x1b]11;rgb:1212/1212/1212\x07");
    assert_answer(
        b"\x1b]4;1;?;231;?\x07",
        b"\x1b]4;1;rgb:cdcd/0000/0000\x07\x1b]4;231;rgb:ffff/ffff/ffff\x07",
    );
    assert_answer(b"\x1b[18t", b"\x1b[8;30;100t");
    assert_answer(b"\x1b[21t", b"\x1b]l\x1b\\");
    assert_answer(b"\x1b]7501;?\x1b\\\x1b[c", b"\x1b]7501;?\x1b\\\x1b[?62;22c");
    // Consumed, but not claimed.
    assert_answer(b"\x1b[?u\x1b[14t\x1b[16t\x1b[?996n\x05\x1b[x", b"");
}

#[test]
fn the_cursor_is_told_where_it_is_at_that_point_of_the_stream() {
    let record = filtered("ab漢\x1b[6n\r\nx\x1b[6n\x1b[31;1mz\x1bP$qm\x1b\\".as_bytes());
    assert_eq!(show(&record.answers), show(b"\x1b[1;5R\x1b[2;2R\x1bP1$r0;1;31m\x1b\\"));
    // With origin mode the answer counts from the region's top.
    let record = filtered(b"\x1b[5;10r\x1b[?6h\x1b[2;3H\x1b[6n");
    assert_eq!(show(&record.answers), show(b"\x1b[2;3R"));
}

#[test]
fn what_reaches_past_the_pane_is_dropped() {
    for hostile in [
        &b"\x1b]52;c;aGVsbG8=\x07"[..],
        b"\x1b]52;c;?\x1b\\",
        b"\x1bPtmux;\x1b\x1b]52;c;aGVsbG8=\x07\x1b\\",
        b"\x1bPtmux;\x1b\x1b[31m\x1b\x1b\\\x1b\\",
        b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\",
        b"\x1b^private\x1b\\",
        b"\x1bXstring\x1b\\",
        b"\x1bktitle\x1b\\",
        b"\x1bP0;1q#0;2;0;0;0#0~~@@vv\x1b\\",
        b"\xc2\x9d52;c;aGVsbG8=\xc2\x9c",
        b"\xc2\x90+p\xc2\x9c",
        b"\xc2\x9fGi=1\xc2\x9c",
        b"\x1b]1337;SetUserVar=a=Yg==\x07",
        b"\x1b]4;1;red\x07\x1b]10;#ffffff\x07\x1b]104\x07\x1b]22;hand\x07",
        b"\x1b[5i\x1b[4i\x1b[?5i",
        b"\x1b[8;10;10t\x1b[3;0;0t\x1b[22;0t\x1b[23;0t\x1b[2t\x1b[9;1t",
        b"\x1b[>1u\x1b[<u\x1b[=1;1u\x1b[>4;2m\x1b[>4m\x1b[?4m",
        b"\x1b[2h\x1b[?3h\x1b[?69h\x1b[?2031h\x1b[?2048h\x1b[?9001h\x1b[?1337h",
        b"\x1b[1;1;1;1;1;1*y\x1b[1$w\x1b[?1s\x1b[?1r",
        b"\x1b[1;2;3;4;5T",
        b"\x1b%G\x1b F\x1b#3\x1bn\x1bo\x1bl\x1bm\x1b6",
        b"\x00\x01\x02\x03\x04\x06\x10\x11\x13\x14\x15\x16\x17\x19\x1c\x1d\x1e\x1f\x7f",
    ] {
        let record = filtered(hostile);
        assert_eq!(show(&record.view), "", "{}", show(hostile));
        assert_eq!(record.signals, [], "{}", show(hostile));
        // The text behind it is shown: nothing is left open.
        assert_view(&[hostile, b"after"].concat(), b"after");
    }
}

#[test]
fn the_history_behind_a_view_is_not_erased() {
    let record = filtered(b"\x1b[3Jx\x1b[2J");
    assert_eq!(show(&record.view), show(b"x\x1b[2J"));
}

#[test]
fn the_clipboard_can_be_set_but_not_read_where_it_is_allowed() {
    let options = FilterOptions { allow_clipboard: true, ..FilterOptions::default() };
    let (_, record) = feed(options, [&b"\x1b]52;c;aGVsbG8=\x07\x1b]52;c;?\x07\x1b]52;c;!\x07"[..]]);
    assert_eq!(show(&record.view), show(b"\x1b]52;c;aGVsbG8=\x1b\\"));
    assert_eq!(show(&record.answers), "");
}

#[test]
fn eight_bit_controls_are_their_seven_bit_twins() {
    assert_view("a\u{9b}31mb\u{85}c\u{84}".as_bytes(), b"a\x1b[31mb\x1bEc\x1bD");
    assert_answer("\u{9b}c".as_bytes(), b"\x1b[?62;22c");
    // Raw, they are not UTF-8, and nothing acts on them.
    assert_view(b"a\x9b31m", "a\u{fffd}31m".as_bytes());
}

#[test]
fn numbers_are_brought_into_bounds() {
    assert_view(b"\x1b[99999999999b\x1b[;5H\x1b[007m\x1b[4:99999m", b"\x1b[9999b\x1b[;5H\x1b[7m\x1b[4:9999m");
    let record = filtered(b"x\x1b[4294967295b");
    assert_eq!(show(&record.view), show(b"x\x1b[9999b"));
}

#[test]
fn what_is_not_utf8_is_replaced_and_eats_nothing() {
    assert_view(b"a\xffb\xc3\r\n\xe2\x82c\xf0\x9f\x98", "a\u{fffd}b\u{fffd}\r\n\u{fffd}c".as_bytes());
    let record = filtered(b"caf\xe9\r\nnext");
    let mut emulator = record.emulator;
    assert_eq!(emulator.text()[..2], ["caf\u{fffd}", "next"]);
    // Overlong, surrogates and beyond.
    assert_view(
        b"\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80",
        "\u{fffd}\u{fffd}|\u{fffd}\u{fffd}\u{fffd}|\u{fffd}\u{fffd}\u{fffd}\u{fffd}".as_bytes(),
    );
}

#[test]
fn a_broken_sequence_costs_only_itself() {
    assert_view(b"\x1b[31\x1b[32mx", b"\x1b[32mx");
    assert_view(b"\x1b[31\x18x\x1b]0;t\x1ay", b"xy");
    assert_view(b"\x1b]0;abc\x1b[31mx", b"\x1b[31mx");
    assert_view(b"\x1bP+q\x1b[31mx", b"\x1b[31mx");
    // A control inside a sequence acts at once, as on every terminal.
    assert_view(b"\x1b[3\r1mx", b"\r\x1b[31mx");
    assert_view("\x1b[3é".as_bytes(), "é".as_bytes());
    let long = [b"\x1b[".as_slice(), &b"1;".repeat(500), b"mx"].concat();
    assert_view(&long, b"x");
}

#[test]
fn an_endless_string_is_bounded_and_swallowed() {
    for start in [&b"\x1b]0;"[..], b"\x1bP", b"\x1b_", b"\x1b]8;;", b"\x1b]52;c;"] {
        let mut filter = Filter::new(FilterOptions::default(), size());
        let (_, mut record) = feed(FilterOptions::default(), []);
        filter.feed(start, &mut record);
        for _ in 0..64 {
            filter.feed(&[b'A'; 64 * 1024], &mut record);
        }
        assert!(filter.sequence.capacity() <= 2 * STRING_LIMIT);
        filter.feed(b"\x1b\\after", &mut record);
        assert_eq!(show(&record.view), "after");
        assert_eq!(record.signals, []);
    }
}

#[test]
fn the_title_is_cleaned_and_told_once() {
    let record = filtered(b"\x1b]0;one \xe2\x9c\xb3 \x01\x9bx\x07\x1b]2;one \xe2\x9c\xb3 \x9bx\x1b\\");
    let title = "one ✳ \u{fffd}x";
    assert_eq!(record.signals, [Signal::Title(title.into())]);
    assert_eq!(show(&record.view), show(format!("\x1b]2;{title}\x1b\\").as_bytes()));
}

#[test]
fn a_program_states_its_status() {
    assert_signals(
        b"\x1b]7501;state=blocked:app=claude-code:kind=permission:msg=YXBwcm92ZSBCYXNoOiB0b3VjaCB6eg==\x1b\\",
        &[Signal::Status {
            state: "blocked".into(),
            app: Some("claude-code".into()),
            kind: Some("permission".into()),
            message: Some("approve Bash: touch zz".into()),
        }],
    );
    assert_signals(
        b"\x1b]7501;state=idle:app=codex\x07\x1b]7501;nonsense\x07\x1b]7501;state=\x07",
        &[Signal::Status { state: "idle".into(), app: Some("codex".into()), kind: None, message: None }],
    );
    // A message that would steer the terminal it is shown in.
    let hostile = "G1syShtdMDtwd25lZAc=";
    let record = filtered(format!("\x1b]7501;state=error:msg={hostile}\x07").as_bytes());
    assert_eq!(
        record.signals,
        [Signal::Status {
            state: "error".into(),
            app: None,
            kind: None,
            message: Some("[2J]0;pwned".into())
        }]
    );
}

#[test]
fn notifications_marks_progress_and_folder_are_told() {
    let notification = |title: Option<&str>, body: &str| Signal::Notification {
        title: title.map(str::to_owned),
        body: body.to_owned(),
    };
    assert_signals(b"\x1b]9;Codex wants to edit\x07", &[notification(None, "Codex wants to edit")]);
    assert_signals(b"\x1b]777;notify;Gemini;needs; you\x07", &[notification(Some("Gemini"), "needs; you")]);
    assert_signals(b"\x1b]99;i=1:d=0;Hello\x1b\\\x1b]99;i=1:p=?;\x1b\\", &[notification(None, "Hello")]);
    assert_signals(b"\x1b]99;e=1;SGk=\x1b\\", &[notification(None, "Hi")]);
    let progress = |state, percent| Signal::Progress { state, percent };
    assert_signals(
        b"\x1b]9;4;1;50\x07\x1b]9;4;2;250\x07\x1b]9;4;3\x07\x1b]9;4;0\x07",
        &[
            progress(ProgressState::Normal, Some(50)),
            progress(ProgressState::Error, Some(100)),
            progress(ProgressState::Indeterminate, None),
            progress(ProgressState::None, None),
        ],
    );
    let mark = |kind, exit_code| Signal::Mark { kind, exit_code };
    assert_signals(
        b"\x1b]133;A\x07\x1b]133;B\x07\x1b]133;C;cmdline=x\x07\x1b]133;D;42\x07\x1b]133;Z\x07",
        &[
            mark(MarkKind::PromptStart, None),
            mark(MarkKind::InputStart, None),
            mark(MarkKind::OutputStart, None),
            mark(MarkKind::CommandEnd, Some(42)),
        ],
    );
    assert_signals(
        b"\x1b]7;file://host/tmp/a%20b%C3%A9\x1b\\\x1b]7;http://x/y\x07\x1b]7;file://h/%zz\x07",
        &[Signal::WorkingDirectory("/tmp/a bé".into())],
    );
    assert_signals(b"\x07\x1b]0;t\x07", &[Signal::Bell, Signal::Title("t".into())]);
}

#[test]
fn modes_are_remembered_and_told() {
    let (filter, record) = feed(
        FilterOptions::default(),
        [&b"\x1b[?2004h\x1b[?2004h\x1b[?1000;1006h\x1b[?1049h\x1b[?2004l"[..]],
    );
    assert!(filter.modes().is_set(1006) && filter.modes().alternate() && !filter.modes().bracketed_paste());
    assert_eq!(
        record.signals,
        [Signal::BracketedPaste(true), Signal::AlternateScreen(true), Signal::BracketedPaste(false)]
    );
    // The screen is switched in the emulator alone; views are painted.
    assert_eq!(record.repaints, 1);
    assert!(!show(&record.view).contains("1049"));
}

#[test]
fn a_full_reset_does_not_reset_the_view() {
    let (filter, record) = feed(FilterOptions::default(), [&b"text\x1b[?2004h\x1b[?1049h\x1bcnew"[..]]);
    let mut emulator = record.emulator;
    assert_eq!(emulator.text()[0], "new");
    assert!(!emulator.is_alternate());
    assert_eq!(*filter.modes(), Modes::default());
    assert!(!show(&record.view).contains("\\x1bc"));
    assert_eq!(record.signals.last(), Some(&Signal::AlternateScreen(false)));
}

#[test]
fn a_hyperlink_keeps_to_printable_ascii() {
    assert_view(
        b"\x1b]8;id=1;https://example.org/a\x07x\x1b]8;;\x07",
        b"\x1b]8;;https://example.org/a\x1b\\x\x1b]8;;\x1b\\",
    );
    assert_view("\x1b]8;;https://é\x07x".as_bytes(), b"\x1b]8;;\x1b\\x");
}

/// Finds what a view must never see: any sequence outside of the ones that are shown.
fn hostile_part(view: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(view) {
        Ok(text) => text,
        Err(error) => return Some(error.to_string()),
    };
    let mut rest = text.char_indices();
    while let Some((at, letter)) = rest.next() {
        if ('\u{80}'..='\u{9f}').contains(&letter) {
            return Some(format!("a C1 control at {at}"));
        }
        if letter != '\x1b' {
            continue;
        }
        match rest.next().map(|(_, letter)| letter) {
            Some('[' | '7' | '8' | 'D' | 'E' | 'H' | 'M' | '=' | '>' | '(' | ')' | '#') => {}
            Some(']') => {
                let command = text.get(at + 2..).unwrap_or_default();
                if !command.starts_with("2;") && !command.starts_with("8;;") {
                    return Some(format!("OSC {}", command.get(..8).unwrap_or(command).escape_debug()));
                }
            }
            Some('\\') => {}
            other => return Some(format!("ESC {other:?}")),
        }
    }
    None
}

/// Bytes that look like a terminal's: pieces of sequences in any order.
fn terminal_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..6),
        ".{0,4}".prop_map(String::into_bytes),
        proptest::sample::select(vec![
            &b"\x1b"[..],
            b"\x1b[",
            b"\x1b]",
            b"\x1bP",
            b"\x1b_",
            b"\x1b\\",
            b"\x07",
            b"\x9b",
            b"\xc2\x9b",
            b"\xc2\x9d",
            b"\xc2\x9c",
            b"\x1b]52;c;AAAA\x07",
            b"\x1bPtmux;\x1b\x1b]52;c;QQ==\x07\x1b\\",
            b"\x1b[6n",
            b"?1049h",
            b"\x1b[?1049l",
            b"31m",
            b"0;title",
            b"\x18",
            b"\xe6\xbc",
            b"\xa2",
            b"\x1b[?2026h",
            b"\x1bc",
            b"\x1b[3J",
            b"8;;http://x",
            b"c",
            b"\x1b[5;3r",
            "👩‍👩‍👧".as_bytes(),
        ])
        .prop_map(<[u8]>::to_vec),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_reach_a_view_that_should_not(bytes in terminal_bytes(), step in 1usize..9) {
        let (_, whole) = feed(FilterOptions::default(), [bytes.as_slice()]);
        prop_assert_eq!(hostile_part(&whole.view), None);
        let (_, split) = feed(FilterOptions::default(), bytes.chunks(step));
        prop_assert_eq!(show(&split.view), show(&whole.view));
        prop_assert_eq!(show(&split.answers), show(&whole.answers));
        prop_assert_eq!(split.signals, whole.signals);
        let (mut split, mut whole) = (split.emulator, whole.emulator);
        prop_assert_eq!(split.text(), whole.text());
    }
}
