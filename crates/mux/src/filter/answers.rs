//! What the terminal answers. It claims only what every view can show.

use super::escape::{first, parameters};
use super::{Filter, FilterSink};
use crate::paint;

/// VT220 with colour, as most emulators say.
const PRIMARY_ATTRIBUTES: &[u8] = b"\x1b[?62;22c";

/// Capabilities told to XTGETTCAP: name and value.
const CAPABILITIES: &[(&str, &str)] = &[
    ("TN", "xterm-256color"),
    ("name", "xterm-256color"),
    ("Co", "256"),
    ("colors", "256"),
    ("RGB", "8/8/8"),
];

impl Filter {
    pub(super) fn answer_attributes(&mut self, sink: &mut dyn FilterSink) {
        sink.answer(PRIMARY_ATTRIBUTES);
    }

    pub(super) fn answer_more_attributes(&mut self, prefix: u8, sink: &mut dyn FilterSink) {
        sink.answer(if prefix == b'>' { b"\x1b[>1;100;0c" } else { b"\x1bP!|00000000\x1b\\" });
    }

    pub(super) fn answer_status(&mut self, prefix: Option<u8>, numbers: &[u8], sink: &mut dyn FilterSink) {
        match (prefix, first(numbers)) {
            (None, 5) => sink.answer(b"\x1b[0n"),
            (_, 6) => {
                self.flush(sink);
                let cursor = sink.cursor();
                let origin = if self.modes.is_set(6) { self.modes.margin_top(self.size) } else { 0 };
                let (row, column) = (cursor.row.saturating_sub(origin) + 1, cursor.column + 1);
                let (mark, page) = if prefix.is_some() { ("?", ";1") } else { ("", "") };
                sink.answer(format!("\x1b[{mark}{row};{column}{page}R").as_bytes());
            }
            _ => {}
        }
    }

    pub(super) fn answer_mode(&mut self, prefix: Option<u8>, numbers: &[u8], sink: &mut dyn FilterSink) {
        let mode = first(numbers) as u16;
        let (mark, state) = match prefix {
            Some(_) => ("?", self.modes.report(mode)),
            None => ("", self.modes.report_ansi(mode)),
        };
        sink.answer(format!("\x1b[{mark}{mode};{state}$y").as_bytes());
    }

    pub(super) fn answer_version(&mut self, sink: &mut dyn FilterSink) {
        sink.answer(concat!("\x1bP>|orchflow ", env!("CARGO_PKG_VERSION"), "\x1b\\").as_bytes());
    }

    /// Reports about the window. Those that would change it, and the pixel sizes, stay without an answer.
    pub(super) fn answer_window(&mut self, numbers: &[u8], sink: &mut dyn FilterSink) {
        let size = self.size;
        match first(numbers) {
            11 => sink.answer(b"\x1b[1t"),
            13 => sink.answer(b"\x1b[3;0;0t"),
            18 => sink.answer(format!("\x1b[8;{};{}t", size.rows, size.columns).as_bytes()),
            19 => sink.answer(format!("\x1b[9;{};{}t", size.rows, size.columns).as_bytes()),
            // A title could be made to hold anything, so it is never sent back as input.
            20 => sink.answer(b"\x1b]L\x1b\\"),
            21 => sink.answer(b"\x1b]l\x1b\\"),
            _ => {}
        }
    }

    /// Answers a colour query: OSC 4, 10, 11 and 12. `end` closes the answer as it closed the query.
    pub(super) fn answer_color(
        &mut self,
        name: &str,
        color: (u8, u8, u8),
        end: &[u8],
        sink: &mut dyn FilterSink,
    ) {
        let (red, green, blue) = color;
        let mut answer =
            format!("\x1b]{name};rgb:{red:02x}{red:02x}/{green:02x}{green:02x}/{blue:02x}{blue:02x}")
                .into_bytes();
        answer.extend_from_slice(end);
        sink.answer(&answer);
    }

    /// A device control string: two kinds are queries, all others are dropped.
    pub(super) fn dcs(&mut self, body: &[u8], sink: &mut dyn FilterSink) {
        if let Some(names) = body.strip_prefix(b"+q") {
            for name in names.split(|byte| *byte == b';').take(16) {
                self.answer_capability(name, sink);
            }
        } else if let Some(setting) = body.strip_prefix(b"$q") {
            self.answer_setting(setting, sink);
        }
    }

    fn answer_capability(&mut self, hexadecimal: &[u8], sink: &mut dyn FilterSink) {
        if hexadecimal.len() > 64 || !hexadecimal.iter().all(u8::is_ascii_hexdigit) {
            sink.answer(b"\x1bP0+r\x1b\\");
            return;
        }
        let asked = String::from_utf8_lossy(hexadecimal).to_ascii_uppercase();
        let known = CAPABILITIES.iter().find(|(name, _)| hex(name) == asked);
        let answer = match known {
            Some((_, value)) => format!("\x1bP1+r{asked}={}\x1b\\", hex(value)),
            None => format!("\x1bP0+r{asked}\x1b\\"),
        };
        sink.answer(answer.as_bytes());
    }

    fn answer_setting(&mut self, setting: &[u8], sink: &mut dyn FilterSink) {
        let answer = match setting {
            b"m" => {
                self.flush(sink);
                format!("\x1bP1$r{}m\x1b\\", paint::sgr_parameters(&sink.pen()))
            }
            b" q" => format!("\x1bP1$r{} q\x1b\\", self.modes.cursor_style()),
            b"r" => {
                let (top, bottom) = self.modes.margins().unwrap_or((1, self.size.rows));
                format!("\x1bP1$r{top};{bottom}r\x1b\\")
            }
            _ => "\x1bP0$r\x1b\\".to_owned(),
        };
        sink.answer(answer.as_bytes());
    }

    /// Answers each `index;?` pair of OSC 4.
    pub(super) fn answer_palette(&mut self, pairs: &[u8], end: &[u8], sink: &mut dyn FilterSink) {
        let mut parts = pairs.split(|byte| *byte == b';');
        for _ in 0..256 {
            let (Some(index), Some(value)) = (parts.next(), parts.next()) else { break };
            let index = parameters(index).next().unwrap_or(0);
            if let (b"?", Ok(index)) = (value, u8::try_from(index)) {
                self.answer_color(&format!("4;{index}"), palette(index), end, sink);
            }
        }
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}

/// The palette xterm starts with.
fn palette(index: u8) -> (u8, u8, u8) {
    const BASE: [(u8, u8, u8); 16] = [
        (0x00, 0x00, 0x00),
        (0xcd, 0x00, 0x00),
        (0x00, 0xcd, 0x00),
        (0xcd, 0xcd, 0x00),
        (0x00, 0x00, 0xee),
        (0xcd, 0x00, 0xcd),
        (0x00, 0xcd, 0xcd),
        (0xe5, 0xe5, 0xe5),
        (0x7f, 0x7f, 0x7f),
        (0xff, 0x00, 0x00),
        (0x00, 0xff, 0x00),
        (0xff, 0xff, 0x00),
        (0x5c, 0x5c, 0xff),
        (0xff, 0x00, 0xff),
        (0x00, 0xff, 0xff),
        (0xff, 0xff, 0xff),
    ];
    let step = |level: u8| if level == 0 { 0 } else { 55 + level * 40 };
    match index {
        0..=15 => BASE.get(usize::from(index)).copied().unwrap_or_default(),
        16..=231 => {
            let cube = index - 16;
            (step(cube / 36), step(cube / 6 % 6), step(cube % 6))
        }
        232..=255 => {
            let level = 8 + (index - 232) * 10;
            (level, level, level)
        }
    }
}
