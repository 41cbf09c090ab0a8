//! Patterns with stars.

/// Tells whether a pattern fits a whole text. `may_take` is asked of each character that a star would stand for: its
/// place in the text, and the text.
pub(super) fn fits(pattern: &str, text: &str, may_take: impl Fn(usize, &[char]) -> bool) -> bool {
    let pattern = read(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut place) = (0, 0);
    // Where the last star stands, and how far it reached.
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(place), text.get(at)) {
            (Some(Piece::Star), _) => {
                star = Some((place, at));
                place += 1;
            }
            (Some(Piece::Is(wanted)), Some(found)) if wanted == found => {
                at += 1;
                place += 1;
            }
            (None, None) => return true,
            _ => match star {
                Some((after, reached)) if reached < text.len() && may_take(reached, &text) => {
                    star = Some((after, reached + 1));
                    at = reached + 1;
                    place = after + 1;
                }
                _ => return false,
            },
        }
    }
}

/// Writes a text as the pattern that fits it alone.
pub(super) fn exactly(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_read_otherwise = c == '*' || (c == '\\' && matches!(chars.peek(), Some('*' | '\\')));
        if is_read_otherwise {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

enum Piece {
    Star,
    Is(char),
}

fn read(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::Star,
            '\\' if matches!(chars.peek(), Some('*' | '\\')) => Piece::Is(chars.next().unwrap_or('\\')),
            c => Piece::Is(c),
        });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("cargo test*", "cargo test", true),
            ("cargo test*", "cargo test --all", true),
            ("cargo test*", "cargo tes", false),
            ("*", "", true),
            ("a*b*c", "a--b--b--c", true),
            ("a*b*c", "a--c--b", false),
            ("*.rs", "src/a.rs", true),
            (r"echo \*", "echo *", true),
            (r"echo \*", "echo x", false),
            (r"a\b", r"a\b", true),
            (r"a\\*", r"a\anything", true),
            ("é*", "épée", true),
        ] {
            assert_eq!(fits(pattern, text, |_, _| true), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_star_takes_only_what_it_may() {
        let no_semicolon = |at: usize, text: &[char]| text[at] != ';';
        assert!(fits("a*", "ab c", no_semicolon));
        assert!(!fits("a*", "ab; c", no_semicolon));
        assert!(fits("a*; c", "ab; c", no_semicolon), "what the pattern spells is not the star's");
    }

    #[test]
    fn what_is_written_exactly_fits_itself_alone() {
        for text in ["rm -rf *", r"a\*b", r"a\\b", r"\", "x"] {
            let pattern = exactly(text);
            assert!(fits(&pattern, text, |_, _| true), "{text} {pattern}");
            assert!(!fits(&pattern, &format!("{text}y"), |_, _| true), "{text} {pattern}");
        }
    }

    #[test]
    fn a_long_text_with_many_stars_is_quick() {
        let text = "a".repeat(20_000);
        assert!(!fits(&format!("{}b", "a*".repeat(20)), &text, |_, _| true));
    }
}
