//! A small screen: lines that scroll, and a few that stay below them.

use std::io::{self, Write};

/// Draws on a terminal in raw mode.
#[derive(Debug)]
pub struct Display<W: Write> {
    out: W,
    footer_rows: usize,
}

impl<W: Write> Display<W> {
    /// Draws on `out`.
    pub fn new(out: W) -> Self {
        Display { out, footer_rows: 0 }
    }

    /// Sends a control sequence as it is.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn control(&mut self, sequence: &str) -> io::Result<()> {
        self.out.write_all(sequence.as_bytes())?;
        self.out.flush()
    }

    /// Prints lines above the footer and draws the footer anew, in one piece. `lines` may hold our own
    /// colours; the footer's rows are cut to `columns`, so that its height is known.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, lines: &[String], footer: &[String], columns: usize) -> io::Result<()> {
        let mut text = String::from("\r");
        if self.footer_rows > 1 {
            text.push_str(&format!("\u{1b}[{}A", self.footer_rows - 1));
        }
        text.push_str("\u{1b}[J");
        for line in lines {
            text.push_str(line);
            text.push_str("\r\n");
        }
        for (index, row) in footer.iter().enumerate() {
            if index > 0 {
                text.push_str("\r\n");
            }
            text.push_str(&fit(row, columns));
        }
        self.footer_rows = footer.len();
        self.control(&text)
    }
}

/// Makes a text of any origin harmless on a screen: one line, no control characters.
pub fn plain(text: &str) -> String {
    text.chars()
        .filter_map(|character| match character {
            '\t' | '\n' | '\r' => Some(' '),
            character if character.is_control() => None,
            // Marks that turn the direction of what follows.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
            character => Some(character),
        })
        .collect()
}

/// Cuts a plain text to a number of columns, with a sign that something is missing.
pub fn fit(text: &str, columns: usize) -> String {
    let width: usize = text.chars().map(width).sum();
    if width < columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(2);
    let mut out = String::new();
    for character in text.chars() {
        match room.checked_sub(self::width(character)) {
            Some(left) => room = left,
            None => break,
        }
        out.push(character);
    }
    out.push('…');
    out
}

/// Breaks a plain text between words, so that each line has at most so many columns.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut room = columns.max(1);
    for word in text.split(' ') {
        let length: usize = word.chars().map(width).sum();
        if !line.is_empty() && length >= room {
            lines.push(std::mem::take(&mut line));
            room = columns.max(1);
        } else if !line.is_empty() {
            line.push(' ');
            room -= 1;
        }
        line.push_str(word);
        room = room.saturating_sub(length);
    }
    lines.push(line);
    lines
}

/// Gives the columns of a character; where in doubt, more.
fn width(character: char) -> usize {
    match character {
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f000}'.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_footer_is_taken_back_before_lines_are_printed_above_it() {
        let mut out = Vec::new();
        let mut display = Display::new(&mut out);
        display.draw(&["one".into()], &["status".into(), "> ".into()], 80).unwrap();
        display.draw(&["two".into()], &["status".into(), "> ".into()], 80).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\r\u{1b}[Jone\r\nstatus\r\n> \r\u{1b}[1A\u{1b}[Jtwo\r\nstatus\r\n> "
        );
    }

    #[test]
    fn hostile_text_becomes_one_harmless_line() {
        assert_eq!(plain("a\u{1b}]52;c;x\u{7}\nb\u{9b}31m\u{202e}c"), "a]52;c;x b31mc");
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one two", 80), ["one two"]);
        assert_eq!(wrap("incomprehensible x", 4), ["incomprehensible", "x"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("a b", 0), ["a", "b"]);
    }

    #[test]
    fn rows_are_cut_to_their_columns() {
        assert_eq!(fit("short", 80), "short");
        assert_eq!(fit("abcdefgh", 6), "abcd…");
        assert_eq!(fit("漢字漢字", 6), "漢字…");
        assert_eq!(fit("x", 0), "…");
    }
}
