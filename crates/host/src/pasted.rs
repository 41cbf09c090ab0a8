//! Prompts that a program put into a file of its own and hands on by that file's name.

use std::io::Read as _;
use std::path::Path;

use orchflow_core::report::Report;

/// Largest such file that is read, in bytes.
const LARGEST: u64 = 32 << 20;

/// What Copilot CLI makes of a paste of more than some tens of kilobytes.
const MARK: &str = "<pasted_content file=\"";

/// Puts the text back for the name of the file it stands in, where the file is one of the program's session and is
/// still there.
pub(crate) fn whole(report: Report) -> Report {
    match report {
        Report::PromptSubmitted { text } => Report::PromptSubmitted { text: read(&text).unwrap_or(text) },
        other => other,
    }
}

fn read(text: &str) -> Option<String> {
    let (before, rest) = text.split_once(MARK)?;
    let (path, rest) = rest.split_once('"')?;
    let (_, after) = rest.split_once("/>")?;
    let path = Path::new(path);
    let is_sessions = path.components().any(|part| part.as_os_str() == "session-state");
    let is_paste = path.file_name()?.to_str()?.starts_with("paste-");
    let is_meant = path.is_absolute() && is_sessions && is_paste;
    // A link may lead anywhere.
    let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
    if !(is_meant && is_file) {
        return None;
    }
    let mut content = String::new();
    std::fs::File::open(path).ok()?.take(LARGEST).read_to_string(&mut content).ok()?;
    Some(format!("{before}{content}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_paste_of_a_session_is_read() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".copilot/session-state/1/files");
        std::fs::create_dir_all(&folder).unwrap();
        let named = |path: &Path| format!("{MARK}{}\" size=\"201.1 KB\" lines=\"5\" />", path.display());
        let paste = folder.join("paste-17.txt");
        assert_eq!(read(&named(&paste)), None, "it is not there");
        std::fs::write(&paste, "one\ntwo").unwrap();
        assert_eq!(read(&named(&paste)).as_deref(), Some("one\ntwo"));
        let around = format!("see {} please", named(&paste));
        assert_eq!(read(&around).as_deref(), Some("see one\ntwo please"));
        let secret = home.path().join("paste-secret");
        std::fs::write(&secret, "secret").unwrap();
        assert_eq!(read(&named(&secret)), None, "it is no session's");
        let link = folder.join("paste-18.txt");
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        assert_eq!(read(&named(&link)), None, "it leads elsewhere");
        assert_eq!(read("fix <pasted_content file=\""), None);
    }
}
