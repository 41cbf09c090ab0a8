//! Operating system commands: what they tell, what they ask, what of them a view may see.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Filter, FilterSink};
use crate::signal::{MarkKind, ProgressState, Signal};

/// Longest text in a signal, in characters.
const TEXT_LIMIT: usize = 4096;

/// Longest title, in characters.
const TITLE_LIMIT: usize = 256;

/// Longest target of a hyperlink, in bytes, as other terminals have it.
const LINK_LIMIT: usize = 2083;

impl Filter {
    /// Takes one command; `bell` tells that BEL ended it.
    pub(super) fn osc(&mut self, body: &[u8], bell: bool, sink: &mut dyn FilterSink) {
        let cut = body.iter().position(|byte| *byte == b';').unwrap_or(body.len());
        let (number, rest) = body.split_at(cut);
        let rest = rest.get(1..).unwrap_or_default();
        let end: &[u8] = if bell { b"\x07" } else { b"\x1b\\" };
        match number {
            b"0" | b"2" => self.set_title(rest, sink),
            b"8" => self.link(rest),
            b"4" => self.answer_palette(rest, end, sink),
            b"10" | b"11" | b"12" => self.answer_dynamic_colors(number, rest, end, sink),
            b"7501" => self.program_status(rest, sink),
            b"9" => notification_or_progress(rest, sink),
            b"99" => notification_of_kitty(rest, sink),
            b"777" => notification_of_urxvt(rest, sink),
            b"133" => mark(rest, sink),
            b"7" => working_directory(rest, sink),
            b"52" if self.options.allow_clipboard => self.clipboard(rest, sink),
            _ => {}
        }
    }

    fn set_title(&mut self, text: &[u8], sink: &mut dyn FilterSink) {
        let title = clean(text, TITLE_LIMIT);
        if title == self.title {
            return;
        }
        self.title.clone_from(&title);
        self.flush(sink);
        sink.relay(format!("\x1b]2;{title}\x1b\\").as_bytes());
        sink.signal(Signal::Title(title));
    }

    /// A hyperlink is text with a target; the target is kept to printable ASCII, as its standard says.
    fn link(&mut self, rest: &[u8]) {
        let Some(cut) = rest.iter().position(|byte| *byte == b';') else { return };
        let target = rest.get(cut + 1..).unwrap_or_default();
        let fit = target.len() <= LINK_LIMIT && target.iter().all(|byte| (0x21..0x7f).contains(byte));
        self.out.extend_from_slice(b"\x1b]8;;");
        if fit {
            self.out.extend_from_slice(target);
        }
        self.out.extend_from_slice(b"\x1b\\");
    }

    /// OSC 10 and its followers take several colours: `10;?;?` asks for text and background.
    fn answer_dynamic_colors(&mut self, number: &[u8], rest: &[u8], end: &[u8], sink: &mut dyn FilterSink) {
        let colors = [
            ("10", self.options.foreground),
            ("11", self.options.background),
            ("12", self.options.foreground),
        ];
        let asked = colors.into_iter().skip_while(|(name, _)| name.as_bytes() != number);
        for ((name, color), value) in asked.zip(rest.split(|byte| *byte == b';')) {
            if value == b"?" {
                self.answer_color(name, color, end, sink);
            }
        }
    }

    /// OSC 7501: `state=working:app=name:kind=permission:msg=BASE64`, or `?` to ask whether anybody listens.
    fn program_status(&mut self, rest: &[u8], sink: &mut dyn FilterSink) {
        if rest == b"?" {
            sink.answer(b"\x1b]7501;?\x1b\\");
            return;
        }
        let (mut state, mut app, mut kind, mut message) = (None, None, None, None);
        for pair in rest.split(|byte| *byte == b':') {
            let Some(cut) = pair.iter().position(|byte| *byte == b'=') else { continue };
            let (key, value) = pair.split_at(cut);
            let value = value.get(1..).unwrap_or_default();
            match key {
                b"state" => state = Some(clean(value, 32)).filter(|state| !state.is_empty()),
                b"app" => app = Some(clean(value, 64)),
                b"kind" => kind = Some(clean(value, 64)),
                b"msg" => message = STANDARD.decode(value).ok().map(|text| clean(&text, TEXT_LIMIT)),
                _ => {}
            }
        }
        if let Some(state) = state {
            self.flush(sink);
            sink.signal(Signal::Status { state, app, kind, message });
        }
    }

    /// OSC 52, where the user allows it: the clipboard may be set, never read.
    fn clipboard(&mut self, rest: &[u8], sink: &mut dyn FilterSink) {
        let Some(cut) = rest.iter().position(|byte| *byte == b';') else { return };
        let text = rest.get(cut + 1..).unwrap_or_default();
        if STANDARD.decode(text).is_ok() {
            self.flush(sink);
            let mut command = b"\x1b]52;c;".to_vec();
            command.extend_from_slice(text);
            command.extend_from_slice(b"\x1b\\");
            sink.relay(&command);
        }
    }
}

fn notification_or_progress(rest: &[u8], sink: &mut dyn FilterSink) {
    let mut parts = rest.split(|byte| *byte == b';');
    if parts.next() == Some(b"4") {
        let state = match parts.next() {
            Some(b"1") => ProgressState::Normal,
            Some(b"2") => ProgressState::Error,
            Some(b"3") => ProgressState::Indeterminate,
            Some(b"4") => ProgressState::Paused,
            _ => ProgressState::None,
        };
        let percent = parts
            .next()
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u32>().ok())
            .map(|percent| percent.min(100) as u8);
        sink.signal(Signal::Progress { state, percent });
    } else {
        notify(None, rest, sink);
    }
}

/// `99;metadata;payload`. Pieces of one notification arrive as notifications of their own.
fn notification_of_kitty(rest: &[u8], sink: &mut dyn FilterSink) {
    let Some(cut) = rest.iter().position(|byte| *byte == b';') else { return };
    let (metadata, payload) = rest.split_at(cut);
    let payload = payload.get(1..).unwrap_or_default();
    let value = |key: &[u8]| {
        metadata.split(|byte| *byte == b':').find_map(|pair| pair.strip_prefix(key)?.strip_prefix(b"="))
    };
    let decoded;
    let text = if value(b"e") == Some(b"1") {
        decoded = STANDARD.decode(payload).unwrap_or_default();
        decoded.as_slice()
    } else {
        payload
    };
    match value(b"p") {
        None | Some(b"title" | b"body") => notify(None, text, sink),
        _ => {}
    }
}

fn notification_of_urxvt(rest: &[u8], sink: &mut dyn FilterSink) {
    let mut parts = rest.splitn(3, |byte| *byte == b';');
    if parts.next() == Some(b"notify") {
        let title = parts.next().map(|title| clean(title, TITLE_LIMIT));
        notify(title, parts.next().unwrap_or_default(), sink);
    }
}

fn notify(title: Option<String>, body: &[u8], sink: &mut dyn FilterSink) {
    let body = clean(body, TEXT_LIMIT);
    if !body.is_empty() || title.as_ref().is_some_and(|title| !title.is_empty()) {
        sink.signal(Signal::Notification { title, body });
    }
}

fn mark(rest: &[u8], sink: &mut dyn FilterSink) {
    let mut parts = rest.split(|byte| *byte == b';');
    let kind = match parts.next() {
        Some(b"A") => MarkKind::PromptStart,
        Some(b"B") => MarkKind::InputStart,
        Some(b"C") => MarkKind::OutputStart,
        Some(b"D") => MarkKind::CommandEnd,
        _ => return,
    };
    let exit_code = match kind {
        MarkKind::CommandEnd => parts.next().and_then(|code| std::str::from_utf8(code).ok()?.parse().ok()),
        _ => None,
    };
    sink.signal(Signal::Mark { kind, exit_code });
}

/// `file://host/path`, percent-encoded.
fn working_directory(rest: &[u8], sink: &mut dyn FilterSink) {
    let Some(address) = rest.strip_prefix(b"file://") else { return };
    let Some(slash) = address.iter().position(|byte| *byte == b'/') else { return };
    let encoded = address.get(slash..).unwrap_or_default();
    let mut path = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            path.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte.unwrap_or(b'x')).to_digit(16);
        let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else { return };
        path.push((high * 16 + low) as u8);
    }
    if path.len() <= TEXT_LIMIT && !path.contains(&0) {
        sink.signal(Signal::WorkingDirectory(PathBuf::from(OsString::from_vec(path))));
    }
}

/// Makes a text of a program harmless: valid UTF-8, no controls, bounded.
pub(crate) fn clean(bytes: &[u8], limit: usize) -> String {
    // At most four bytes a character: the rest need not even be decoded.
    let bytes = bytes.get(..limit.saturating_mul(4)).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).chars().filter(|letter| !letter.is_control()).take(limit).collect()
}
