//! Bytes from outside, made fit for a message: no control character reaches a terminal.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Gives a path as text, with control characters and what is not UTF-8 escaped.
pub(crate) fn path(path: &Path) -> String {
    bytes(path.as_os_str().as_bytes())
}

/// Gives bytes as one line of text, with control characters and what is not UTF-8 escaped.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_hostile(character) {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Gives what a program printed as text of at most a few lines.
pub(crate) fn output(output: &[u8]) -> String {
    const LONGEST: usize = 2_000;
    let kept = output.get(..LONGEST).unwrap_or(output);
    let mut text = kept.split(|byte| *byte == b'\n').map(bytes).collect::<Vec<_>>().join("\n");
    text.truncate(text.trim_end().len());
    if kept.len() < output.len() {
        text.push('…');
    }
    text
}

/// Says whether a character can steer a terminal or hide text (controls, bidirectional overrides).
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_broken_text_are_escaped() {
        assert_eq!(bytes(b"a\x1b[31m\xff\n"), "a\\u{1b}[31m\\xff\\n");
        assert_eq!(bytes("h\u{e9}llo \u{202e}x".as_bytes()), "h\u{e9}llo \\u{202e}x");
    }

    #[test]
    fn long_output_is_cut() {
        let text = output(&vec![b'x'; 10_000]);
        assert!(text.len() < 2_100 && text.ends_with('…'));
        assert_eq!(output(b"one\ntwo\n\n"), "one\ntwo");
    }
}
