//! Whether the user trusts a repository, by the records of an agent's own program.
//!
//! The records are read and never written. Where the user trusts the main repository, an agent in a worktree of it may
//! be started as trusted, for that launch alone; a parent folder of the worktrees is never trusted for them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::catalogue::{Entry, Kind};

/// Largest file of records that is read, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The environment the agent will get: it says where records stand.
    pub environment: &'a [(OsString, OsString)],
    /// The main repository's folder.
    pub repository: &'a Path,
    /// The agent's worktree.
    pub worktree: &'a Path,
}

impl Query<'_> {
    /// Gives a variable that names a path.
    pub(crate) fn variable(&self, name: &str) -> Option<PathBuf> {
        variable(self.environment, name)
    }
}

/// Gives a variable of an environment that names an absolute path.
pub(crate) fn variable(environment: &[(OsString, OsString)], name: &str) -> Option<PathBuf> {
    let found = environment.iter().rev().find(|(known, _)| known == name);
    found.map(|(_, value)| PathBuf::from(value)).filter(|path| path.is_absolute())
}

/// Tells whether the program of an entry has it on record that the user trusts the main repository. Of programs that
/// look after that themselves nothing is known, nor needed.
pub fn is_on_record(entry: &Entry, query: &Query<'_>) -> bool {
    let Kind::Program(name) = entry.kind else { return false };
    let trusts = crate::adapter::find(name).and_then(|adapter| adapter.trusts);
    trusts.is_some_and(|trusts| trusts(query))
}

/// The list of folders that Gemini CLI and Qwen Code keep: a path and what was said of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules(BTreeMap<String, String>);

impl Rules {
    /// Reads a list; a broken or missing one says nothing.
    pub(crate) fn read(file: &Path) -> Option<Rules> {
        let metadata = std::fs::metadata(file).ok()?;
        if !metadata.is_file() || metadata.len() > FILE_LIMIT {
            return None;
        }
        Rules::parse(&std::fs::read(file).ok()?)
    }

    fn parse(text: &[u8]) -> Option<Rules> {
        serde_json::from_slice(text).ok().map(Rules)
    }

    /// Tells whether the main repository is trusted, and the worktree not distrusted.
    pub(crate) fn trust(&self, query: &Query<'_>) -> bool {
        self.says(query.repository) == Some(true) && self.says(query.worktree) != Some(false)
    }

    /// Gives what the rule of the longest path says that covers a folder.
    fn says(&self, folder: &Path) -> Option<bool> {
        let rules = self.0.iter().filter_map(|(path, word)| {
            let path = Path::new(path);
            let (covers, trusted) = match word.as_str() {
                "TRUST_FOLDER" => (path, true),
                "TRUST_PARENT" => (path.parent()?, true),
                "DO_NOT_TRUST" => (path, false),
                _ => return None,
            };
            (covers.is_absolute() && folder.starts_with(covers))
                .then(|| (covers.components().count(), !trusted, trusted))
        });
        // Of two about one folder the stricter counts.
        rules.max().map(|(.., trusted)| trusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(rules: &str) -> bool {
        let environment = Vec::new();
        let query = Query {
            environment: &environment,
            repository: Path::new("/src/repo"),
            worktree: Path::new("/data/worktrees/a"),
        };
        Rules::parse(rules.as_bytes()).is_some_and(|rules| rules.trust(&query))
    }

    #[test]
    fn only_the_main_repository_counts_and_the_nearest_rule_wins() {
        for (rules, expected) in [
            ("{}", false),
            (r#"{"/src/repo":"TRUST_FOLDER"}"#, true),
            (r#"{"/src":"TRUST_FOLDER"}"#, true),
            (r#"{"/src/other":"TRUST_PARENT"}"#, true),
            (r#"{"/src":"TRUST_PARENT"}"#, true),
            (r#"{"/src/repository":"TRUST_FOLDER"}"#, false),
            (r#"{"/data/worktrees":"TRUST_FOLDER"}"#, false),
            (r#"{"/src":"TRUST_FOLDER","/src/repo":"DO_NOT_TRUST"}"#, false),
            (r#"{"/src/repo":"TRUST_FOLDER","/data/worktrees/a":"DO_NOT_TRUST"}"#, false),
            (r#"{"/src/repo":"DO_NOT_TRUST","/src/repo/":"TRUST_FOLDER"}"#, false),
            (r#"{"/src/repo":"LATER_WORD"}"#, false),
            (r#"{"repo":"TRUST_FOLDER"}"#, false),
            (r#"["/src/repo"]"#, false),
            ("not json", false),
        ] {
            assert_eq!(trusts(rules), expected, "{rules}");
        }
    }

    #[test]
    fn records_stand_where_the_agents_environment_says() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("home");
        std::fs::create_dir_all(home.join(".gemini")).unwrap();
        let list = home.join(".gemini/trustedFolders.json");
        std::fs::write(&list, r#"{"/src/repo":"TRUST_FOLDER"}"#).unwrap();
        let (catalogue, _) = crate::catalogue::Catalogue::load(None);
        let asks = |name: &str, environment: &[(OsString, OsString)]| {
            let query = Query {
                environment,
                repository: Path::new("/src/repo"),
                worktree: Path::new("/data/worktrees/a"),
            };
            is_on_record(catalogue.get(name).unwrap(), &query)
        };
        let at_home = [("HOME".into(), home.clone().into())];
        assert!(asks("gemini", &at_home));
        assert!(!asks("qwen", &at_home) && !asks("claude", &at_home) && !asks("shell", &at_home));
        let elsewhere =
            [at_home[0].clone(), ("GEMINI_CLI_TRUSTED_FOLDERS_PATH".into(), "/nonexistent".into())];
        assert!(!asks("gemini", &elsewhere));
        assert!(!asks("gemini", &[]));
        std::fs::write(&list, "{").unwrap();
        assert!(!asks("gemini", &at_home));
    }
}
