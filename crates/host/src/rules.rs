//! The rules that always hold: those the user wrote, and those orchflow keeps for the user.
//!
//! `rules.toml` in the configuration folder is the user's and only read. Its namesake in the data folder is ours: what
//! the human allowed "always" from a request goes there. No file of a repository is asked.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use orchflow_core::decide::Input;
use orchflow_core::event::Actor;
use orchflow_core::rule::{Matcher, NewRule, RuleScope, RuleSource, Verdict};
use orchflow_core::{Code, Refusal};
use serde::{Deserialize, Serialize};

use crate::paths::UserFolders;
use crate::world::{World, blocking, lock};

/// Largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

const HEADER: &str = "# Rules made with `orchflow approve --for always`. orchflow writes this file; your own go into\n\
                      # rules.toml of your configuration folder.\n\n";

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    #[serde(default)]
    rule: Vec<Entry>,
}

/// One rule of a file: exactly one of the verdicts stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allow: Option<Matcher>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ask: Option<Matcher>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deny: Option<Matcher>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Entry {
    fn new(rule: &NewRule) -> Entry {
        let matcher = Some(rule.matcher.clone());
        let mut entry = Entry { reason: rule.reason.clone(), ..Entry::default() };
        match rule.verdict {
            Verdict::Allow => entry.allow = matcher,
            Verdict::Ask => entry.ask = matcher,
            Verdict::Deny => entry.deny = matcher,
        }
        entry
    }

    fn rule(self, source: RuleSource) -> Result<NewRule, String> {
        let (verdict, matcher) = match (self.allow, self.ask, self.deny) {
            (Some(matcher), None, None) => (Verdict::Allow, matcher),
            (None, Some(matcher), None) => (Verdict::Ask, matcher),
            (None, None, Some(matcher)) => (Verdict::Deny, matcher),
            _ => return Err("a [[rule]] has exactly one of allow, ask and deny".to_owned()),
        };
        matcher.check(verdict).map_err(|bad| bad.to_string())?;
        Ok(NewRule { verdict, scope: RuleScope::Always, matcher, reason: self.reason, source })
    }
}

/// A file as it was when it was read: when it was changed, its length in bytes.
type Stamp = Option<(SystemTime, u64)>;

/// The two files.
#[derive(Debug)]
pub struct UserRules {
    config: PathBuf,
    kept: PathBuf,
    last: Mutex<Option<[Stamp; 2]>>,
    problem: Mutex<Option<String>>,
    /// One reader at a time, so that an older reading does not come in last.
    reading: tokio::sync::Mutex<()>,
}

impl UserRules {
    /// Names the files.
    pub fn new(folders: &UserFolders) -> UserRules {
        UserRules {
            config: folders.config.join("rules.toml"),
            kept: folders.data.join("rules.toml"),
            last: Mutex::default(),
            problem: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Says what is wrong with a file, if something is: the rules that held before hold on.
    pub fn problem(&self) -> Option<String> {
        lock(&self.problem).clone()
    }

    /// Gives the user's own file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    fn stamps(&self) -> [Stamp; 2] {
        [&self.config, &self.kept].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }

    fn read(&self) -> Result<Vec<NewRule>, String> {
        let mut rules = read(&self.config, RuleSource::Config)?;
        rules.extend(read(&self.kept, RuleSource::Kept)?);
        Ok(rules)
    }

    /// Puts a rule into our file, or takes it out. It is so already where nothing changes.
    fn change(&self, rule: &NewRule, is_wanted: bool) -> Result<(), String> {
        use rustix::fs::{FlockOperation, flock};
        let path = &self.kept;
        let fail = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(fail)?;
        // Hosts of other repositories write it too.
        let guard = path.with_extension("lock");
        let guard = File::options().create(true).write(true).truncate(false).open(guard).map_err(fail)?;
        flock(&guard, FlockOperation::LockExclusive).map_err(|errno| fail(errno.into()))?;
        let mut entries: Vec<Entry> = read(path, RuleSource::Kept)?.iter().map(Entry::new).collect();
        let entry = Entry::new(rule);
        if entries.contains(&entry) == is_wanted {
            return Ok(());
        }
        if is_wanted {
            entries.push(entry);
        } else {
            entries.retain(|kept| kept != &entry);
        }
        let text = toml::to_string(&Rules { rule: entries }).map_err(|error| error.to_string())?;
        let fresh = path.with_extension("toml.new");
        let mut file = File::create(&fresh).map_err(fail)?;
        file.write_all(format!("{HEADER}{text}").as_bytes()).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        std::fs::rename(&fresh, path).map_err(fail)
    }
}

fn read(path: &Path, source: RuleSource) -> Result<Vec<NewRule>, String> {
    let wrong = |why: String| format!("{} is wrong: {}", path.display(), why.trim());
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > LARGEST => {
            return Err(wrong("it is larger than a megabyte".to_owned()));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(error.to_string())),
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let rules: Rules = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    rules.rule.into_iter().map(|entry| entry.rule(source).map_err(wrong)).collect()
}

impl World {
    /// Takes over the rules that always hold, if the user's files changed since they were read.
    pub async fn refresh_rules(self: &Arc<Self>, actor: Actor) {
        let _one = self.rules.reading.lock().await;
        let stamps = self.rules.stamps();
        if *lock(&self.rules.last) == Some(stamps) {
            return;
        }
        let world = Arc::clone(self);
        let problem = match blocking(move || world.rules.read()).await {
            Ok(rules) => match self.engine().submit(Input::UserRules { actor, rules }).await {
                Ok(_) => None,
                // Nothing is kept now; they are read again at the next occasion.
                Err(refusal) => {
                    tracing::warn!(%refusal, "the user's rules were not taken over");
                    return;
                }
            },
            // What a broken file denied stays denied.
            Err(problem) => Some(problem),
        };
        if let Some(problem) = &problem {
            tracing::warn!(problem, "the rules that held before hold on");
        }
        *lock(&self.rules.problem) = problem;
        *lock(&self.rules.last) = Some(stamps);
    }

    /// Keeps a rule that always holds with the user, or takes one back, and takes it over.
    ///
    /// # Errors
    /// [`Code::Config`] when the file cannot be written or is wrong.
    pub async fn keep_rule(
        self: &Arc<Self>,
        actor: Actor,
        rule: NewRule,
        is_wanted: bool,
    ) -> Result<(), Refusal> {
        let world = Arc::clone(self);
        blocking(move || world.rules.change(&rule, is_wanted)).await.map_err(|why| {
            Refusal::new(Code::Config, why).hint("mend or remove the file, then make the rule again")
        })?;
        self.refresh_rules(actor).await;
        match self.rules.problem() {
            Some(problem) => Err(Refusal::new(Code::Config, problem)
                .hint("the rule is kept and holds once that file is mended")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(root: &Path) -> UserRules {
        let folder = |name: &str| root.join(name);
        for name in ["config", "data"] {
            std::fs::create_dir_all(folder(name)).unwrap();
        }
        let (runtime, data, config) = (folder("run"), folder("data"), folder("config"));
        UserRules::new(&UserFolders { runtime, data, config })
    }

    fn rule(verdict: Verdict, text: &str) -> NewRule {
        NewRule {
            verdict,
            scope: RuleScope::Always,
            matcher: text.parse().unwrap(),
            reason: None,
            source: RuleSource::Kept,
        }
    }

    #[test]
    fn what_is_kept_is_read_back_and_what_is_taken_back_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let rules = rules(root.path());
        assert_eq!(rules.read().unwrap(), []);
        let odd = rule(Verdict::Deny, "Bash: echo \"\\*\" 'x' = [[rule]] # *");
        let wanted = [rule(Verdict::Allow, "Bash: cargo test*"), odd];
        for rule in &wanted {
            rules.change(rule, true).unwrap();
            rules.change(rule, true).unwrap();
        }
        assert_eq!(rules.read().unwrap(), wanted);
        rules.change(&wanted[0], false).unwrap();
        assert_eq!(rules.read().unwrap(), wanted[1..]);
        assert!(std::fs::read_to_string(&rules.kept).unwrap().starts_with("# Rules made with"));
    }

    #[test]
    fn the_users_own_file_is_read_and_its_faults_are_named() {
        let root = tempfile::tempdir().unwrap();
        let rules = rules(root.path());
        std::fs::write(
            &rules.config,
            "[[rule]]\ndeny = 'Bash: git push*'\nreason = 'I push'\n[[rule]]\nask = 'WebFetch'\n",
        )
        .unwrap();
        let read = rules.read().unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].source, read[0].reason.as_deref()), (RuleSource::Config, Some("I push")));
        for (text, named) in [
            ("[[rule]]\nalow = 'Bash'", "alow"),
            ("[[rule]]\nallow = 'Bash'\ndeny = 'Bash'", "exactly one"),
            ("[[rule]]\nreason = 'x'", "exactly one"),
            ("[[rule]]\nallow = ''", "names no tool"),
            ("[[rule]]\nallow = 'mcp__*'", "mcp__*"),
            ("[[rule", "rules.toml"),
        ] {
            std::fs::write(&rules.config, text).unwrap();
            let problem = rules.read().unwrap_err();
            assert!(problem.contains(named) && problem.contains("rules.toml"), "{problem}");
        }
    }
}
