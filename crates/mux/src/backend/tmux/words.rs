//! How text of any content passes through tmux and comes back as it was.
//!
//! Three layers would read something into it: the list of arguments (a trailing `;` ends a command),
//! formats (`#{…}` is replaced, `#(…)` runs a shell) and the option that keeps the agent's label (read back
//! in a line of fields). No argument of ours is ever parsed as a command line, and none reaches a shell.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::backend::BackendError;

/// The longest title that is set, in characters.
const TITLE_LIMIT: usize = 200;

/// Writes one argument so that tmux takes it whole: a `;` at its end would end the command.
///
/// # Errors
///
/// [`BackendError::BadArgument`] if it holds a NUL byte, which no argument can.
pub fn argument(word: &OsStr) -> Result<OsString, BackendError> {
    let bytes = word.as_bytes();
    if bytes.contains(&0) {
        return Err(BackendError::BadArgument { what: "an argument", why: "it holds a NUL byte" });
    }
    match bytes.strip_suffix(b";") {
        Some(before) => Ok(OsString::from_vec([before, br"\;"].concat())),
        None => Ok(word.to_owned()),
    }
}

/// Writes text so that it stays the same where tmux expands formats: in a directory, a title, a window's
/// name.
///
/// `##` stands for `#`, but not before `[`, where every `#` stands for itself.
pub fn literal(text: &OsStr) -> OsString {
    let bytes = text.as_bytes();
    let mut escaped = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(start) = rest.iter().position(|byte| *byte == b'#') {
        let (before, from_hash) = rest.split_at(start);
        let count = from_hash.iter().take_while(|byte| **byte == b'#').count();
        let (hashes, after) = from_hash.split_at(count);
        escaped.extend_from_slice(before);
        escaped.extend_from_slice(hashes);
        if after.first() != Some(&b'[') {
            escaped.extend_from_slice(hashes);
        }
        rest = after;
    }
    escaped.extend_from_slice(rest);
    OsString::from_vec(escaped)
}

/// Makes a title that can be shown: control characters become spaces, and it has an end.
pub fn title(text: &str) -> String {
    text.chars().take(TITLE_LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Writes a label as one field without spaces; [`unlabel`] reads it back.
pub fn label(text: &str) -> String {
    let mut field = String::with_capacity(text.len() + 1);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_./".contains(&byte) {
            field.push(char::from(byte));
        } else {
            field.push_str(&format!("={byte:02x}"));
        }
    }
    field
}

/// Reads what [`label`] wrote; nothing if it was not written by it.
pub fn unlabel(field: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(word: &str) -> OsString {
        argument(OsStr::new(word)).unwrap()
    }

    #[test]
    fn only_a_trailing_semicolon_is_marked() {
        for (word, expected) in [
            ("", ""),
            ("a", "a"),
            (";", r"\;"),
            ("a;", r"a\;"),
            (r"a\;", r"a\\;"),
            (";;", r";\;"),
            ("a;b", "a;b"),
            ("it's \"$HOME\" #{pid} \n -t", "it's \"$HOME\" #{pid} \n -t"),
        ] {
            assert_eq!(written(word), OsStr::new(expected), "{word:?}");
        }
        assert!(argument(OsStr::from_bytes(b"a\0b")).is_err());
        let bytes = OsStr::from_bytes(b"\xff\xfe;");
        assert_eq!(argument(bytes).unwrap().as_bytes(), b"\xff\xfe\\;");
    }

    #[test]
    fn formats_are_taken_out() {
        for (text, expected) in [
            ("", ""),
            ("#", "##"),
            ("a#b", "a##b"),
            ("#{pane_id}#(rm x)", "##{pane_id}##(rm x)"),
            ("##", "####"),
            ("#[fg=red]", "#[fg=red]"),
            ("##[y", "##[y"),
            ("[#", "[##"),
        ] {
            assert_eq!(literal(OsStr::new(text)), OsStr::new(expected), "{text:?}");
        }
    }

    #[test]
    fn titles_are_shown_in_one_line() {
        assert_eq!(title("a\nb\x1b[31m\u{9b}c"), "a b [31m c");
        assert_eq!(title(&"x".repeat(1000)).len(), TITLE_LIMIT);
    }

    proptest! {
        #[test]
        fn a_label_comes_back_as_it_was(text in any::<String>()) {
            let field = label(&text);
            prop_assert!(field.bytes().all(|byte| byte.is_ascii_graphic() && !b"#%;'\"$\\ ".contains(&byte)));
            prop_assert_eq!(unlabel(&field), Some(text));
        }

        #[test]
        fn a_field_of_someone_else_does_no_harm(field in any::<String>()) {
            let _ = unlabel(&field);
        }
    }
}
