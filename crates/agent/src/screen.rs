//! Known dialogs on a rendered screen. A match is a guess, shown as one; nothing is answered for it.

use orchflow_core::effect::{SCREEN_EARLY, SCREEN_WORKING};

use crate::catalogue::{Entry, ShownState};

/// How many of the last rows that are not empty are looked at for what a program does.
const LAST_ROWS: usize = 4;

/// Finds a dialog of the entry on the screen, given as its rows' text: what it waits for, and the text
/// that says so. A text may be broken over rows and framed by lines.
pub fn match_dialog(entry: &Entry, rows: &[String]) -> Option<(String, String)> {
    let screen: String = rows.iter().flat_map(|row| fold(row)).collect();
    entry.dialogs.iter().find_map(|dialog| {
        let wanted: String = fold(&dialog.screen).collect();
        // An empty text stands on every screen.
        (!wanted.is_empty() && screen.contains(&wanted))
            .then(|| (dialog.waiting_for.clone(), dialog.screen.clone()))
    })
}

/// Finds a text that has to stand on the screen before the program is ready; gives that it is too early where the
/// entry names one and it does not.
pub fn match_early(entry: &Entry, rows: &[String]) -> Option<(String, String)> {
    let wanted: String = fold(entry.ready.screen.as_deref()?).collect();
    let screen: String = rows.iter().flat_map(|row| fold(row)).collect();
    (!screen.contains(&wanted)).then(|| (SCREEN_EARLY.to_owned(), wanted))
}

/// Finds what a program that is ready does by the last rows of its screen: what it waits for, or
/// [`SCREEN_WORKING`], and the row. Nothing where it is at rest.
pub fn match_state(entry: &Entry, rows: &[String]) -> Option<(String, String)> {
    let last = rows.iter().rev().filter(|row| !row.trim().is_empty()).take(LAST_ROWS);
    let found = last.flat_map(|row| entry.status.screen.iter().map(move |shown| (shown, row)));
    let (shown, row) = found.into_iter().find(|(shown, row)| shown.is(row))?;
    let what = match shown.state {
        ShownState::Working => SCREEN_WORKING.to_owned(),
        ShownState::Waiting => shown.waiting_for.clone().unwrap_or_else(|| "answer".to_owned()),
        ShownState::Idle | ShownState::Done | ShownState::Failed => return None,
    };
    Some((what, orchflow_core::describe::one_line(row)))
}

/// Leaves what a frame or a line break cannot change: neither blanks nor lines and blocks drawn.
fn fold(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .filter(|character| !character.is_whitespace() && !matches!(character, '\u{2500}'..='\u{259f}'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    fn seen(rows: &[&str]) -> Option<String> {
        let (catalogue, _) = Catalogue::load(None);
        let rows: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
        match_dialog(catalogue.get("claude").unwrap(), &rows).map(|(waiting_for, _)| waiting_for)
    }

    #[test]
    fn a_dialog_is_found_however_its_text_is_broken_and_framed() {
        for rows in [
            &["", " Quick safety check: Is this a project you created or one you trust?", ""][..],
            &["│ Quick safety check: Is this a    │", "│ project you created or one you  │", "│ trust?  │"],
            &["Quick safety check: Is this a project you cre", "ated or one you trust?"],
        ] {
            assert_eq!(seen(rows).as_deref(), Some("trust"), "{rows:?}");
        }
        assert_eq!(
            seen(&["╭─────╮", "│ Detected a custom API key in your", "environment"]).as_deref(),
            Some("api key")
        );
        assert_eq!(seen(&["  New MCP server found in this project: files"]).as_deref(), Some("mcp"));
    }

    #[test]
    fn other_screens_are_none() {
        assert_eq!(seen(&[]), None);
        assert_eq!(seen(&["❯ ", "? for shortcuts"]), None);
        assert_eq!(seen(&["Quick safety check passed"]), None);
    }
}
