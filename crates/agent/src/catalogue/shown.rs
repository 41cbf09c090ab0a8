//! What a program shows in its window title and its notifications, read by patterns of its entry.

use orchflow_core::report::{Report, StatedState};
use serde::{Deserialize, Serialize};

/// Longest pattern, in characters.
const LONGEST_PATTERN: usize = 200;

/// A state that a title or a notification can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownState {
    /// Ready for a prompt.
    Idle,
    /// In a turn.
    Working,
    /// Waits for the human.
    Waiting,
    /// A turn ended well.
    Done,
    /// A turn ended in an error.
    Failed,
}

/// What a text means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The whole text, blanks at its ends taken off: `*` stands for any characters, `?` for one.
    pub pattern: String,
    /// The state it means.
    pub state: ShownState,
    /// What is waited for; `approval` by default.
    #[serde(default)]
    pub waiting_for: Option<String>,
}

/// The patterns of one program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShownPatterns {
    /// For its window title.
    pub title: Vec<Shown>,
    /// For its notifications, each `title: text` where it has a title.
    pub notification: Vec<Shown>,
}

impl ShownPatterns {
    /// Reads a window title; nothing where no pattern fits.
    pub fn read_title(&self, title: &str) -> Option<Report> {
        read(&self.title, title)
    }

    /// Reads a notification.
    pub fn read_notification(&self, text: &str) -> Option<Report> {
        read(&self.notification, text)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check("title", &self.title)?;
        check("notification", &self.notification)
    }
}

/// Checks the patterns of `status.PLACE`.
pub(super) fn check(place: &str, patterns: &[Shown]) -> Result<(), String> {
    for (index, shown) in patterns.iter().enumerate() {
        let path = format!("status.{place}[{index}]");
        if shown.pattern.trim().is_empty() || shown.pattern.chars().count() > LONGEST_PATTERN {
            return Err(format!("{path}.pattern: give between 1 and {LONGEST_PATTERN} characters"));
        }
        if shown.waiting_for.is_some() && shown.state != ShownState::Waiting {
            return Err(format!("{path}.waiting_for: only state = \"waiting\" waits for something"));
        }
    }
    Ok(())
}

impl Shown {
    /// Tells whether a whole text is meant, the blanks at its ends taken off.
    pub(crate) fn is(&self, text: &str) -> bool {
        fits(self.pattern.trim(), text.trim())
    }
}

fn read(patterns: &[Shown], text: &str) -> Option<Report> {
    let text = text.trim();
    let shown = patterns.iter().find(|shown| fits(&shown.pattern, text))?;
    let (state, says) = match shown.state {
        ShownState::Idle => (StatedState::Idle, false),
        ShownState::Working => (StatedState::Working, false),
        ShownState::Waiting => (StatedState::Blocked, true),
        ShownState::Done => (StatedState::Done, false),
        ShownState::Failed => (StatedState::Error, true),
    };
    let category = (state == StatedState::Blocked)
        .then(|| shown.waiting_for.as_deref().unwrap_or("approval").to_owned());
    Some(Report::StatusStated { state, detail: says.then(|| text.to_owned()), category })
}

/// Tells whether a whole text fits a pattern. Takes time in proportion to the product of their lengths at most.
fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut from) = (0, 0);
    // The last star, and where the text goes on behind what it stood for.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || text.get(from) == Some(wanted) => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((place, stood)) = star else { return false };
                star = Some((place, stood + 1));
                at = place + 1;
                from = stood + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_whole_text() {
        for (pattern, text, expected) in [
            ("Ready", "Ready", true),
            ("Ready", "Ready (x)", false),
            ("*Ready*", "◇  Ready (dir)", true),
            ("? *", "⠹ dir", true),
            ("? *", "dir", false),
            ("[ ? ] Action Required*", "[ ! ] Action Required | dir", true),
            ("*", "", true),
            ("**a*b", "xxaxxb", true),
            ("a*a", "a", false),
            ("?", "é", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
        // A pattern of many stars is no trap.
        assert!(!fits(&format!("{}b", "*a".repeat(90)), &"a".repeat(4000)));
    }

    #[test]
    fn the_first_pattern_that_fits_counts() {
        let shown = |pattern: &str, state, waiting_for: Option<&str>| Shown {
            pattern: pattern.into(),
            state,
            waiting_for: waiting_for.map(str::to_owned),
        };
        let patterns = ShownPatterns {
            title: vec![
                shown("*Action Required*", ShownState::Waiting, None),
                shown("*Trust*", ShownState::Waiting, Some("trust")),
                shown("*Required*", ShownState::Working, None),
            ],
            notification: vec![shown("*complete*", ShownState::Done, None)],
        };
        let expected = Report::StatusStated {
            state: StatedState::Blocked,
            detail: Some("✋  Action Required (x)".into()),
            category: Some("approval".into()),
        };
        assert_eq!(patterns.read_title("✋  Action Required (x)     "), Some(expected));
        assert!(matches!(
            patterns.read_title("Trust?"),
            Some(Report::StatusStated { category: Some(what), .. }) if what == "trust"
        ));
        assert!(matches!(
            patterns.read_title("Required"),
            Some(Report::StatusStated { state: StatedState::Working, detail: None, category: None })
        ));
        assert_eq!(patterns.read_title("hello"), None);
        assert_eq!(patterns.read_notification("Action Required"), None);
        assert!(patterns.read_notification("Gemini: session complete").is_some());
    }
}
