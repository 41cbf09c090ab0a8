//! Hunks written as a unified diff, for reading.

use orchflow_git::Lines;
use orchflow_git::diff::FileChange;
use orchflow_git::hunk::{Change, Hunk};

/// The most lines of one diff; the rest is counted.
const MOST: usize = 2_000;

/// Writes the hunks of some files. Files are named where there are several.
pub fn unified(changes: &[FileChange]) -> Vec<String> {
    let mut lines = Vec::new();
    for change in changes {
        if changes.len() > 1 {
            let path = String::from_utf8_lossy(&change.path);
            let side = |letter: char, is_there: bool| {
                if is_there { format!("{letter}/{path}") } else { "/dev/null".to_owned() }
            };
            lines.push(format!("--- {}", side('a', change.old.is_some())));
            lines.push(format!("+++ {}", side('b', change.new.is_some())));
        }
        for hunk in &change.hunks {
            add(&mut lines, hunk);
        }
        if lines.len() > MOST {
            break;
        }
    }
    let left = lines.len().saturating_sub(MOST);
    if left > 0 {
        lines.truncate(MOST);
        lines.push(format!("\\ {left} more lines or files"));
    }
    lines
}

/// Writes one hunk.
pub fn of_hunk(hunk: &Hunk) -> Vec<String> {
    let mut lines = Vec::new();
    add(&mut lines, hunk);
    lines.truncate(MOST);
    lines
}

fn add(lines: &mut Vec<String>, hunk: &Hunk) {
    let (above, below) = (count(&hunk.before), count(&hunk.after));
    let range = |start: u32, own: u32| {
        // Where a side has no lines of its own, its start is the line before.
        let first = if own == 0 { start.saturating_add(1) } else { start };
        let all = own + above + below;
        let first = first.saturating_sub(above);
        format!("{},{all}", if all == 0 { first.saturating_sub(1) } else { first })
    };
    let heading = String::from_utf8_lossy(&hunk.heading);
    let head = format!(
        "@@ -{} +{} @@ {}",
        range(hunk.old_start, hunk.old_lines),
        range(hunk.new_start, hunk.new_lines),
        heading.trim_end()
    );
    lines.push(head.trim_end().to_owned());
    match hunk.change {
        Change::Mode => {
            let mode =
                |mode: Option<orchflow_git::FileMode>| mode.map_or("none", orchflow_git::FileMode::octal);
            lines.push(format!("\\ mode {} becomes {}", mode(hunk.old_mode), mode(hunk.new_mode)));
        }
        _ if hunk.binary => lines.push("\\ a side is not text".to_owned()),
        Change::Commit => lines.push("\\ another repository, at another commit".to_owned()),
        Change::TooLarge => lines.push("\\ too large to be shown".to_owned()),
        _ => {
            for (sign, side) in
                [(' ', &hunk.before), ('-', &hunk.removed), ('+', &hunk.added), (' ', &hunk.after)]
            {
                for line in side.iter().take(MOST) {
                    let line = line.strip_suffix(b"\n").unwrap_or(line);
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    lines.push(format!("{sign}{}", String::from_utf8_lossy(line)));
                }
            }
        }
    }
}

fn count(lines: &Lines) -> u32 {
    u32::try_from(lines.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use orchflow_git::FileMode;
    use orchflow_git::diff::file_hunks;
    use orchflow_git::files::File;

    use super::*;

    fn file(text: &str) -> File {
        File { content: text.as_bytes().to_vec(), mode: FileMode::Regular }
    }

    fn change(path: &str, old: Option<&str>, new: Option<&str>) -> FileChange {
        let (old, new) = (old.map(file), new.map(file));
        let hunks = file_hunks("1/a", path.as_bytes(), old.as_ref(), new.as_ref());
        let entry = |file: Option<&File>| {
            let id = orchflow_git::ObjectId::from_bytes(&[b'0'; 40]).unwrap();
            file.map(|file| orchflow_git::diff::Entry { mode: file.mode, id: id.clone() })
        };
        FileChange { path: path.into(), old: entry(old.as_ref()), new: entry(new.as_ref()), hunks }
    }

    #[test]
    fn it_reads_as_git_writes_it() {
        let lines = unified(&[change("a.txt", Some("1\n2\n3\n4\n5\n6\n"), Some("1\n2\n3\nfour\n5\n6\n"))]);
        assert_eq!(lines, ["@@ -1,6 +1,6 @@", " 1", " 2", " 3", "-4", "+four", " 5", " 6"]);
        let lines = unified(&[change("a.txt", Some("1\n2\n"), Some("1\n2\n3\n"))]);
        assert_eq!(lines, ["@@ -1,2 +1,3 @@", " 1", " 2", "+3"]);
    }

    #[test]
    fn several_files_are_named() {
        let lines = unified(&[change("new", None, Some("a\n")), change("old", Some("b\n"), None)]);
        assert_eq!(
            lines,
            [
                "--- /dev/null",
                "+++ b/new",
                "@@ -0,0 +1,1 @@",
                "+a",
                "--- a/old",
                "+++ /dev/null",
                "@@ -1,1 +0,0 @@",
                "-b"
            ]
        );
    }

    #[test]
    fn a_long_diff_says_what_it_leaves_out() {
        let many: String = (0..5000).map(|line| format!("{line}\n")).collect();
        let lines = unified(&[change("a", None, Some(&many)), change("b", None, Some("x\n"))]);
        assert_eq!(lines.len(), MOST + 1);
        assert!(lines.last().unwrap().starts_with("\\ "));
    }
}
