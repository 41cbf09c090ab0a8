//! Whether an agent's program is there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Whether an agent can be started here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is part of orchflow.
    BuiltIn,
    /// Its program was found.
    Installed {
        /// Where.
        path: PathBuf,
    },
    /// Its program was not found.
    Missing {
        /// What is missing and how to get it.
        hint: String,
    },
}

/// Finds a program as a shell would: by its path if it has a slash, else in `path`. Relative folders
/// of `path` are passed over, since what they mean depends on where one stands.
pub fn find_program(name: &str, path: &OsStr) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|program| is_program(program));
    }
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

/// Finds a version in what a program printed: the first word that is digits and dots, a leading `v`
/// taken off (`2.1.329 (Claude Code)` gives `2.1.329`).
pub fn version_in(output: &str) -> Option<String> {
    output
        .split(|character: char| character.is_whitespace() || matches!(character, '(' | ')' | ',' | '"'))
        .map(|word| word.strip_prefix('v').unwrap_or(word))
        .find(|word| {
            word.contains('.')
                && word.len() <= 40
                && word.starts_with(|first: char| first.is_ascii_digit())
                && word
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || ".-+".contains(character))
        })
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_program_is_an_executable_file_in_an_absolute_folder_of_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("with space");
        std::fs::create_dir(&folder).unwrap();
        let (program, plain) = (folder.join("agent"), folder.join("plain"));
        for file in [&program, &plain] {
            std::fs::write(file, "#!/bin/sh\n").unwrap();
        }
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::create_dir(folder.join("directory")).unwrap();
        let path = std::env::join_paths([Path::new("."), Path::new("/nonexistent"), &folder]).unwrap();
        assert_eq!(find_program("agent", &path), Some(program.clone()));
        assert_eq!(find_program(program.to_str().unwrap(), OsStr::new("")), Some(program));
        for missing in ["plain", "directory", "absent", "./agent", ""] {
            assert_eq!(find_program(missing, &path), None, "{missing}");
        }
    }

    #[test]
    fn versions_are_found_in_what_programs_print() {
        for (output, version) in [
            ("2.1.329 (Claude Code)\n", Some("2.1.329")),
            ("aider 0.86.2", Some("0.86.2")),
            ("codex-cli 0.169.0-alpha.1", Some("0.169.0-alpha.1")),
            ("tool v1.2", Some("1.2")),
            ("\"1.0.102\"", Some("1.0.102")),
            ("no version here. Really", None),
            ("1.\u{1b}[31m", None),
        ] {
            assert_eq!(version_in(output).as_deref(), version, "{output}");
        }
    }
}
