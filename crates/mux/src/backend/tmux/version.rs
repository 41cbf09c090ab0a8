//! Which tmux this is, and whether it is new enough.

use crate::backend::BackendError;

/// The oldest tmux that is used: 3.2 brought `-N`, without which asking for a server would start one.
const OLDEST: (u32, u32) = (3, 2);

/// Checks what `tmux -V` printed. Builds without a number (`master`, OpenBSD's own) count as new.
///
/// # Errors
///
/// [`BackendError::TooOld`] with what was found.
pub fn check(printed: &str) -> Result<(), BackendError> {
    let found = printed.trim();
    let version = found.strip_prefix("tmux").unwrap_or(found).trim();
    if version.starts_with("openbsd-") || version == "master" {
        return Ok(());
    }
    let numbers = version.strip_prefix("next-").unwrap_or(version);
    match major_minor(numbers) {
        Some(number) if number >= OLDEST => Ok(()),
        _ => Err(BackendError::TooOld { found: found.to_owned() }),
    }
}

fn major_minor(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, rest.get(..end)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        for good in [
            "tmux 3.2",
            "tmux 3.3a\n",
            "tmux 3.10",
            "tmux next-3.5",
            "tmux 4.0-rc",
            "tmux master",
            "tmux openbsd-7.4",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in
            ["tmux 3.1c", "tmux 2.9", "tmux 1.8", "screen 4", "", "tmux", "tmux .", "tmux 99999999999.1"]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
        let message = check("tmux 3.1c\n").unwrap_err().to_string();
        assert_eq!(
            message,
            "tmux is \"tmux 3.1c\", and 3.2 or newer is needed; upgrade tmux, or choose the layout `none`"
        );
    }
}
