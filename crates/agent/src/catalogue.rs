//! Which agents there are: TOML files, built in and the user's.
//!
//! A file describes one agent. The user's files stand in one folder and replace a built-in agent of the
//! same name. A broken file is a [`Problem`] that names it; the other agents stay.

mod api;
mod driven;
mod entry;
mod own;
mod program;
mod shown;
mod template;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use orchflow_core::state::{ReadySignal, StatusSource};
use serde::Deserialize;

pub use api::{Api, ApiKey, Approve, Dialect};
pub use driven::Acp;
pub(crate) use entry::RESUME_PLACEHOLDERS;
pub use entry::{
    Approval, Dialog, Entry, Give, Kind, Presses, Prompt, Ready, RehearsalSource, Resume, SessionArgs,
    Source, StatusFrom,
};
pub use own::{HookFile, Mapping, OwnHooks, REPORTS};
pub(crate) use own::{LAUNCH_PLACEHOLDERS, OWN_FORMAT};
pub use program::{Presence, find_program, version_in};
pub use shown::{Shown, ShownPatterns, ShownState};
pub(crate) use template::fill;

const BUILT_IN: [(&str, &str); 21] = [
    ("aider", include_str!("catalogue/builtin/aider.toml")),
    ("claude", include_str!("catalogue/builtin/claude.toml")),
    ("claude-acp", include_str!("catalogue/builtin/claude-acp.toml")),
    ("claude-api", include_str!("catalogue/builtin/claude-api.toml")),
    ("codex", include_str!("catalogue/builtin/codex.toml")),
    ("codex-acp", include_str!("catalogue/builtin/codex-acp.toml")),
    ("copilot", include_str!("catalogue/builtin/copilot.toml")),
    ("copilot-acp", include_str!("catalogue/builtin/copilot-acp.toml")),
    ("gemini", include_str!("catalogue/builtin/gemini.toml")),
    ("gemini-acp", include_str!("catalogue/builtin/gemini-acp.toml")),
    ("gemini-api", include_str!("catalogue/builtin/gemini-api.toml")),
    ("gpt", include_str!("catalogue/builtin/gpt.toml")),
    ("grok", include_str!("catalogue/builtin/grok.toml")),
    ("ollama", include_str!("catalogue/builtin/ollama.toml")),
    ("opencode", include_str!("catalogue/builtin/opencode.toml")),
    ("opencode-acp", include_str!("catalogue/builtin/opencode-acp.toml")),
    ("openrouter", include_str!("catalogue/builtin/openrouter.toml")),
    ("qwen", include_str!("catalogue/builtin/qwen.toml")),
    ("qwen-acp", include_str!("catalogue/builtin/qwen-acp.toml")),
    ("rehearsal", include_str!("catalogue/builtin/rehearsal.toml")),
    ("shell", include_str!("catalogue/builtin/shell.toml")),
];

/// Largest file of the user's that is read, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// Says what is wrong with one of the user's files; the agent it describes is not in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the folder when that cannot be read.
    pub file: PathBuf,
    /// What is wrong, with the dotted path and the line where there is one, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.message)
    }
}

/// All agents that can be started, by name.
#[derive(Debug, Clone)]
pub struct Catalogue {
    entries: BTreeMap<String, Entry>,
}

impl Catalogue {
    /// Loads the built-in agents and those of the user's folder, which may be missing.
    pub fn load(user_dir: Option<&Path>) -> (Catalogue, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut entries = BTreeMap::new();
        for (stem, text) in BUILT_IN {
            match parse(stem, text, Source::BuiltIn) {
                Ok(entry) => drop(entries.insert(entry.name.clone(), entry)),
                Err(message) => problems.push(Problem { file: format!("{stem}.toml").into(), message }),
            }
        }
        let files = user_dir.map_or_else(Vec::new, |directory| user_files(directory, &mut problems));
        for file in files {
            match read_entry(&file) {
                Err(message) => problems.push(Problem { file, message }),
                Ok(entry) => match entries.get(&entry.name).map(|known| &known.source) {
                    Some(Source::File(other)) => problems.push(Problem {
                        message: format!(
                            "name: the agent {:?} is described in {} already; rename one of them",
                            entry.name,
                            other.display()
                        ),
                        file,
                    }),
                    Some(Source::BuiltIn) | None => drop(entries.insert(entry.name.clone(), entry)),
                },
            }
        }
        (Catalogue { entries }, problems)
    }

    /// Finds an agent by its name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Goes through all agents, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }
}

fn user_files(directory: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let listing = match std::fs::read_dir(directory) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            let message = format!("the folder of your agents cannot be read: {error}");
            problems.push(Problem { file: directory.to_owned(), message });
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = listing
        .filter_map(|item| item.ok().map(|item| item.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

fn read_entry(file: &Path) -> Result<Entry, String> {
    let unreadable = |error: std::io::Error| format!("the file cannot be read: {error}");
    let metadata = std::fs::metadata(file).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > FILE_LIMIT {
        return Err(format!("this is no regular file of at most {FILE_LIMIT} bytes, so it was not read"));
    }
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    parse(&stem, &text, Source::File(file.to_owned()))
}

fn parse(stem: &str, text: &str, source: Source) -> Result<Entry, String> {
    let wrong = |error: &toml::de::Error| explain(text, error);
    let mut given: toml::Table = toml::from_str(text).map_err(|error| wrong(&error))?;
    let alone = toml::from_str::<Entry>(text);
    let base = matches!(source, Source::File(_)).then(|| base(stem, &given)).flatten();
    let mut entry = match base {
        None => alone.map_err(|error| wrong(&error))?,
        Some(base) => {
            given = merged(without_what_goes_with_another_server(base, &given), given);
            Entry::deserialize(given.clone()).map_err(|error| match alone.as_ref().err() {
                // The same is wrong in the file itself, where it has its line.
                Some(same) if same.message() == error.message() => wrong(same),
                _ => {
                    let place = dotted_path(&error).map(|path| format!("{path}: ")).unwrap_or_default();
                    format!("{place}{}", error.message().trim_end())
                }
            })?
        }
    };
    entry.source = source;
    let says_source = given.get("status").is_some_and(|status| status.get("source").is_some());
    if entry.kind == Kind::Rehearsal || entry.kind.is_driven() {
        // They state their status; a file that only names a script, a program or a model means that too.
        if !given.contains_key("ready") {
            entry.ready.signal = ReadySignal::Status;
        }
        if !given.contains_key("status") {
            entry.status.source = StatusSource::Osc7501;
        }
    } else if !says_source && entry.status.source == StatusSource::Output && !entry.status.title.is_empty() {
        entry.status.source = StatusSource::Title;
    }
    if entry.name.is_empty() {
        stem.clone_into(&mut entry.name);
    }
    if entry.title.is_empty() {
        entry.title.clone_from(&entry.name);
    }
    entry.check()?;
    Ok(entry)
}

/// Gives the built-in agent that holds for what a file of the user's does not say: that of its name, unless it says
/// another kind; else the program that its kind is named after, without that one's names.
fn base(stem: &str, given: &toml::Table) -> Option<toml::Table> {
    let built_in = |name: &str| -> Option<toml::Table> {
        let (_, text) = BUILT_IN.iter().find(|(stem, _)| *stem == name)?;
        toml::from_str(text).ok()
    };
    let name = given.get("name").and_then(toml::Value::as_str).unwrap_or(stem);
    let kind = given.get("kind");
    let of_name = built_in(name).filter(|known| kind.is_none() || known.get("kind") == kind);
    if of_name.is_some() {
        return of_name;
    }
    let Ok(Kind::Program(program)) = Kind::deserialize(kind?.clone()) else { return None };
    let mut known = built_in(program)?;
    known.retain(|key, _| key != "name" && key != "title");
    Some(known)
}

/// Takes out of a base what belongs to its server, where a file names another: the key of one is not for the other.
fn without_what_goes_with_another_server(mut base: toml::Table, given: &toml::Table) -> toml::Table {
    let names = |key: &str| given.get("api").is_some_and(|api| api.get(key).is_some());
    if let Some(toml::Value::Table(api)) = base.get_mut("api") {
        if names("base_url") {
            api.remove("base_url_env");
        }
        if names("base_url") || names("key") {
            api.remove("key");
        }
    }
    base
}

/// Puts what is given over a base: key by key within tables; a list stands for the whole of one.
fn merged(mut base: toml::Table, given: toml::Table) -> toml::Table {
    for (key, value) in given {
        let value = match (base.remove(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(value)) => {
                toml::Value::Table(merged(known, value))
            }
            (_, value) => value,
        };
        base.insert(key, value);
    }
    base
}

/// Tells where a file is wrong: `prompt.giv (line 7): unknown field …`.
fn explain(text: &str, error: &toml::de::Error) -> String {
    let line =
        error.span().and_then(|span| text.get(..span.start)).map(|before| 1 + before.matches('\n').count());
    // Only a value that was parsed before knows the dotted path to what is wrong in it.
    let path = toml::from_str::<toml::Table>(text)
        .ok()
        .and_then(|table| Entry::deserialize(table).err())
        .and_then(|error| dotted_path(&error));
    let place = match (path, line) {
        (Some(path), Some(line)) => format!("{path} (line {line}): "),
        (Some(path), None) => format!("{path}: "),
        (None, Some(line)) => format!("line {line}: "),
        (None, None) => String::new(),
    };
    format!("{place}{}", error.message().trim_end())
}

fn dotted_path(error: &toml::de::Error) -> Option<String> {
    let parent = error
        .to_string()
        .lines()
        .find_map(|line| Some(line.strip_prefix("in `")?.strip_suffix('`')?.to_owned()));
    // The message names the unknown key itself; the path leads to its table only.
    let unknown = error.message().strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    match (parent, unknown) {
        (Some(parent), Some(unknown)) if !parent.ends_with(unknown) => Some(format!("{parent}.{unknown}")),
        (Some(path), _) => Some(path),
        (None, unknown) => unknown.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchflow_core::state::{ReadySignal, StatusSource};

    fn parse_user(text: &str) -> Result<Entry, String> {
        parse("mine", text, Source::File("/agents/mine.toml".into()))
    }

    #[test]
    fn a_rehearsal_of_ones_own_needs_no_more_than_its_script() {
        let entry = parse_user("kind = \"rehearsal\"\n[rehearsal]\nscript = \"a.yaml\"").unwrap();
        assert_eq!(entry.signals().ready, ReadySignal::Status);
        assert_eq!(entry.signals().status, StatusSource::Osc7501);
        let plain = parse_user("program = \"sh\"").unwrap();
        assert_eq!(plain.signals().status, StatusSource::Output);
    }

    #[test]
    fn what_a_file_named_like_a_built_in_agent_does_not_say_is_as_it_is_there() {
        let named = |stem: &str, text: &str| parse(stem, text, Source::File("/agents/x.toml".into()));
        let known = |name: &str| Catalogue::load(None).0.get(name).unwrap().clone();
        let grok = named("grok", "[api]\nmodel = 'grok-9'").unwrap();
        let (api, was) = (grok.api.unwrap(), known("grok").api.unwrap());
        assert_eq!((api.model.as_str(), &api.base_url, &api.key), ("grok-9", &was.base_url, &was.key));
        let elsewhere = "[api]\nbase_url = 'https://proxy.example/v1'\n";
        let error = named("grok", elsewhere).unwrap_err();
        assert!(error.starts_with("api.key: "), "the key is another's: {error}");
        let api = named("grok", &format!("{elsewhere}key = {{ required = false }}")).unwrap().api.unwrap();
        assert_eq!((api.base_url_env, api.key.env.len(), api.model), (None, 0, was.model.clone()));
        let own = named("grok", "[api]\nkey = { command = 'pass grok' }").unwrap().api.unwrap();
        assert_eq!((own.key.env.len(), own.base_url), (0, was.base_url.clone()));
        let error = named("grok", "[api]\nmodel = 'm'\n[ready]\ntimout_s = 3").unwrap_err();
        assert!(error.contains("ready.timout_s"), "{error}");
        let claude = named("claude", "args = ['--model', 'opus']\n[ready]\ntimeout_s = 7").unwrap();
        let was = known("claude");
        assert_eq!((claude.args.len(), claude.ready.timeout_s), (2, 7));
        assert_eq!(
            (claude.ready.signal, &claude.dialogs, &claude.resume),
            (was.ready.signal, &was.dialogs, &was.resume)
        );
        assert_eq!((claude.title.as_str(), claude.kind), (was.title.as_str(), was.kind));
        let codex = named("x", "name = 'codex-acp'\nkind = 'acp'\n[acp]\nmode = 'read-only'").unwrap();
        assert_eq!((codex.program.as_str(), codex.title.as_str()), ("codex-acp", "Codex (ACP)"));
        // One of another kind shares no more than the name.
        let shell = named("claude", "kind = 'command'\nprogram = 'my-claude'").unwrap();
        assert_eq!((shell.title.as_str(), shell.dialogs.len()), ("claude", 0));
        assert!(named("claude", "[resume]\nfork = ['--fork']").unwrap_err().contains("names the session"));
        let mine = named("mine", "kind = 'claude'\n[resume]\nfork = []").unwrap();
        assert_eq!((mine.title.as_str(), mine.resume.args.len(), mine.resume.fork.len()), ("mine", 2, 0));
        assert!(named("claude", "[resume]\nforks = []").unwrap_err().contains("resume.forks"));
    }

    #[test]
    fn an_acp_program_of_ones_own_needs_no_more_than_its_name() {
        let entry = parse_user("kind = \"acp\"\nprogram = \"my-agent\"\nargs = [\"--acp\"]").unwrap();
        assert_eq!(entry.kind, Kind::Acp);
        assert_eq!(entry.signals().ready, ReadySignal::Status);
        assert_eq!(entry.signals().status, StatusSource::Osc7501);
        assert!(entry.signals().hooks);
    }

    #[test]
    fn every_built_in_agent_is_sound() {
        let (catalogue, problems) = Catalogue::load(None);
        assert_eq!(problems, []);
        let names: Vec<_> = catalogue.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "aider",
                "claude",
                "claude-acp",
                "claude-api",
                "codex",
                "codex-acp",
                "copilot",
                "copilot-acp",
                "gemini",
                "gemini-acp",
                "gemini-api",
                "gpt",
                "grok",
                "ollama",
                "opencode",
                "opencode-acp",
                "openrouter",
                "qwen",
                "qwen-acp",
                "rehearsal",
                "shell",
            ]
        );
        for driven in catalogue.iter().filter(|entry| entry.kind.is_driven()) {
            let signals = driven.signals();
            assert_eq!(signals.status, StatusSource::Osc7501, "{}", driven.name);
            assert!(signals.hooks && signals.ready == ReadySignal::Status, "{}", driven.name);
            let is_program = driven.kind == Kind::Acp;
            assert_eq!(driven.install.is_some(), is_program, "{} says how to get it", driven.name);
            assert_eq!(driven.api.is_some(), !is_program, "{}", driven.name);
        }
        let claude = catalogue.get("claude").unwrap();
        assert_eq!(claude.kind, Kind::Program("claude"));
        assert_eq!(claude.signals().status, StatusSource::Osc7501);
        assert!(claude.signals().hooks);
        assert_eq!(claude.dialogs.len(), 3);
        assert_eq!(catalogue.get("aider").unwrap().signals().ready, ReadySignal::BracketedPaste);
    }

    #[test]
    fn the_smallest_file_is_a_program() {
        let entry = parse_user("program = \"my-agent\"").unwrap();
        assert_eq!((entry.name.as_str(), entry.title.as_str(), entry.kind), ("mine", "mine", Kind::Command));
        assert_eq!(entry.prompt.give, Give::Paste);
        assert_eq!(entry.ready.signal, ReadySignal::Output);
        assert_eq!(entry.status.source, StatusSource::Output);
    }

    const MODEL: &str =
        "kind = 'api'\n[api]\nbase_url = 'https://x.example/v1'\ndialect = 'openai-chat'\nmodel = 'm'";

    #[test]
    fn a_mistake_is_named_with_its_dotted_path_and_line() {
        for (text, expected) in [
            ("program = 'x'\nprogramm = 'y'", "programm (line 2): unknown field `programm`"),
            ("program = 'x'\n[prompt]\ngiv = 'paste'", "prompt.giv (line 3): unknown field `giv`"),
            ("program = 'x'\nready = { signl = 'x' }", "ready.signl (line 2): unknown field `signl`"),
            ("program = 'x'\n[ready]\nsignal = 'smoke'", "ready.signal (line 3): unknown variant `smoke`"),
            ("program = 'x'\n[ready]\ntimeout_s = 'long'", "ready.timeout_s (line 3): invalid type"),
            ("program = 'x'\n[[dialog]]\nscreen = 'x'\nwaiting = 'y'", "waiting (line 4): unknown field"),
            ("program = 'x'\nargs = [", "line 2: "),
            (
                "program = 'x'\nkind = 'clade'",
                "kind (line 2): unknown kind `clade`, expected one of aider, claude",
            ),
            ("program = 'x'\n[status]\nsource = 'title'", "status.title: "),
            ("program = 'x'\n[[status.title]]\npattern = ''\nstate = 'idle'", "status.title[0].pattern: "),
            (
                "program = 'x'\n[[status.title]]\npattern = 'x'\nstate = 'lazy'",
                "(line 4): unknown variant `lazy`",
            ),
            ("program = 'x'\n[[status.title]]\npatern = 'x'", "(line 3): unknown field `patern`"),
            (
                "program = 'x'\n[[status.notification]]\npattern = 'x'\nstate = 'idle'\nwaiting_for = 'y'",
                "status.notification[0].waiting_for: ",
            ),
            ("kind = 'command'", "program: "),
            ("name = 'a b'\nprogram = 'x'", "name: "),
            ("program = ''", "program: "),
            ("program = 'x'\n[environment]\nORCHFLOW_TOKEN = '1'", "environment.ORCHFLOW_TOKEN: "),
            ("program = 'x'\n[environment]\n'A=B' = '1'", "environment.\"A=B\": "),
            ("program = 'x'\n[ready]\ntimeout_s = 0", "ready.timeout_s: "),
            ("program = 'x'\nunset = ['ORCHFLOW_TOKEN']", "unset: "),
            ("kind = 'acp'", "program: "),
            ("kind = 'acp'\nprogram = 'x'\n[acp]\nmod = 'plan'", "acp.mod (line 4): unknown field `mod`"),
            ("program = 'x'\n[acp]\nmode = 'plan'", "acp: only an agent of kind"),
            ("kind = 'api'", "api: say which model"),
            (format!("{MODEL}\nmodle = 'x'").as_str(), "api.modle (line 6): unknown field `modle`"),
            (
                format!("{MODEL}\nkey = {{ required = false }}\ncontext = 7").as_str(),
                "api.context: give a number between 4096",
            ),
            (MODEL.replace("https", "gopher").as_str(), "api.base_url: "),
            (MODEL, "api.key: say where the key comes from"),
            (
                format!("{MODEL}\nheaders = {{ Authorization = 'x' }}\nkey = {{ env = ['K'] }}").as_str(),
                "keys do not stand in files",
            ),
            (format!("{MODEL}\nkey = {{ env = ['ORCHFLOW_TOKEN'] }}").as_str(), "cannot be the name"),
            (format!("{MODEL}\nkey = {{ value = 'sk-1' }}").as_str(), "unknown field `value`"),
            ("program = 'x'\n[prompt]\npiece = 0", "prompt.piece: "),
            ("program = 'x'\n[prompt]\nsettle_ms = 6000", "prompt.settle_ms: "),
            ("program = 'x'\n[prompt]\nclear = [{ keys = 'x', times = 2000 }]", "prompt.clear: "),
            ("program = 'x'\n[rehearsal]\nscript = 'x.yaml'", "rehearsal: "),
            ("program = 'x'\n[[dialog]]\nwaiting_for = 'x'\nscreen = '   '", "dialog.screen: "),
        ] {
            let message = parse_user(text).unwrap_err();
            assert!(
                message.contains(expected),
                "{text:?} gave {message:?}, which should contain {expected:?}"
            );
        }
    }

    #[test]
    fn mistakes_in_hooks_are_named_too() {
        let mapped = "program = 'x'\n[[hooks.report]]\nhook = 'h'\nreport = 'tool_requested'\n";
        for (text, expected) in [
            ("[hooks]", "hooks.report: say what its hooks mean, or name a known hooks.format"),
            ("[hooks]\nformat = 'smoke'", "hooks.format: \"smoke\" is not known; there are: aider"),
            (
                "[hooks]\nformat = 'claude'\nargs = ['{agent_dri}/x']",
                "hooks.args[0]: there is no placeholder {agent_dri}",
            ),
            (
                "[hooks]\nformat = 'claude'\nenvironment = { A = '{hook|shell}' }",
                "hooks.environment.A: there is no filter |shell",
            ),
            (
                "[hooks]\nformat = 'claude'\n[[hooks.file]]\npath = '../x'\ntext = ''",
                "hooks.file[0].path: \"../x\" is no path below",
            ),
            (
                "[hooks]\nformat = 'claude'\n[[hooks.file]]\npath = '/etc/x'\ntext = ''",
                "hooks.file[0].path: ",
            ),
            ("[hooks]\nformat = 'claude'\n[[hooks.file]]\npath = ''\ntext = ''", "hooks.file[0].path: "),
            (
                "[hooks]\nformat = 'claude'\n[[hooks.file]]\npath = 'a'\ntext = '{hok}'",
                "hooks.file[0].text: there is no placeholder {hok}, only {hook}",
            ),
            ("[hooks]\nformat = 'claude'\nfiles = []", "hooks.files (line 4): unknown field `files`"),
            (
                "[hooks]\nformat = 'claude'\n[[hooks.report]]\nhook = 'h'\nreport = 'turn_ended'",
                "hooks.format: [[hooks.report]] says what the hooks mean already",
            ),
            (
                "[[hooks.report]]\nhook = 'h'\nreport = 'tool_dreamt'",
                "hooks.report[0].report: \"tool_dreamt\" is not",
            ),
            ("[[hooks.report]]\nhook = 'a b'\nreport = 'turn_ended'", "hooks.report[0].hook: "),
            (
                "[[hooks.report]]\nhook = 'h'\nreport = 'turn_ended'\nfields = { text = '/x' }",
                "hooks.report[0].fields.text: turn_ended has no such field; it has: message",
            ),
            (
                "[[hooks.report]]\nhook = 'h'\nreport = 'turn_ended'\nallow = 'x'",
                "hooks.report[0].allow: only an approval_requested is answered",
            ),
            (
                "[[hooks.report]]\nhook = 'h'\nreport = 'approval_requested'\nfields = { tool = '/t' }\ndeny = '{why}'",
                "hooks.report[0].deny: there is no placeholder {why}, only {reason}",
            ),
            (
                "[hooks]\nname = 'event'\n[[hooks.report]]\nhook = 'h'\nreport = 'turn_ended'",
                "hooks.name: a JSON pointer",
            ),
            (
                "[[hooks.report]]\nhook = 'h'\nreport = 'turn_ended'\nwhen = { x = 'y' }",
                "hooks.report[0].when.\"x\": a JSON pointer",
            ),
            ("[approval]\nwait_s = 90000", "approval.wait_s: give at most 3600"),
            ("[session]\nargs = ['{sesion_id}']", "session.args[0]: there is no placeholder {sesion_id}"),
            ("[resume]\nargs = ['{id}']", "resume.args[0]: there is no placeholder {id}"),
        ] {
            let message = parse_user(&format!("program = 'x'\n{text}")).unwrap_err();
            assert!(
                message.contains(expected),
                "{text:?} gave {message:?}, which should contain {expected:?}"
            );
        }
        let missing = parse_user(mapped).unwrap_err();
        assert!(
            missing.contains("hooks.report[0].fields.tool: tool_requested cannot do without it"),
            "{missing}"
        );
        let twice = parse_user("kind = 'claude'\n[hooks]\nformat = 'claude'").unwrap_err();
        assert!(twice.starts_with("hooks: an agent of kind = \"claude\" has its hooks"), "{twice}");
        assert!(parse_user(&format!("{mapped}fields = {{ tool = '/t' }}")).unwrap().signals().hooks);
    }

    #[test]
    fn a_broken_file_is_a_warning_and_the_others_work() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("good.toml", "program = 'good'");
        write("broken.toml", "program = ");
        write("twin.toml", "name = 'good'\nprogram = 'x'");
        write(
            "claude.toml",
            "title = 'My Claude'\nkind = 'claude'\nprogram = 'claude'\nargs = ['--model', 'x']",
        );
        write("notes.txt", "not an agent");
        std::fs::create_dir(directory.path().join("folder.toml")).unwrap();
        std::fs::write(directory.path().join("binary.toml"), b"\xff\xfe").unwrap();
        let (catalogue, problems) = Catalogue::load(Some(directory.path()));
        assert!(catalogue.get("good").is_some());
        let mine = catalogue.get("claude").unwrap();
        assert_eq!((mine.title.as_str(), mine.args.len()), ("My Claude", 2));
        assert_eq!((mine.dialogs.len(), mine.prompt.piece), (3, Some(700)), "the rest is Claude Code's");
        assert_eq!(mine.signals().status, StatusSource::Osc7501);
        assert!(catalogue.get("rehearsal").is_some());
        let named: Vec<_> =
            problems.iter().map(|problem| problem.file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(named, ["binary.toml", "broken.toml", "folder.toml", "twin.toml"]);
    }

    #[test]
    fn a_program_that_reads_lines_gets_one() {
        assert_eq!(Give::StdinLine.shape("one\r\n\n  two\n"), "one two");
        assert_eq!(Give::Paste.shape("one\ntwo"), "one\ntwo");
    }

    #[test]
    fn what_would_be_a_command_stays_text() {
        let (catalogue, _) = Catalogue::load(None);
        let claude = &catalogue.get("claude").unwrap().prompt;
        for (prompt, written) in [
            ("/slash text", " /slash text"),
            ("!ls", " !ls"),
            ("a /path", "a /path"),
            ("ends with \\", "ends with \\ "),
            ("ends with \\\n\n", "ends with \\ \n\n"),
            ("- a\n- b", "- a\n- b"),
            ("", ""),
        ] {
            assert_eq!(claude.shape(prompt), written);
        }
        assert!(claude.clearing_keys().ends_with("\u{1b}[117;5u") && !claude.clearing_keys().contains('\r'));
        let aider = &catalogue.get("aider").unwrap().prompt;
        assert_eq!((aider.shape("add x").as_str(), aider.clearing_keys().as_str()), ("add x", ""));
        for name in ["aider", "copilot", "opencode-acp"] {
            let prompt = &catalogue.get(name).unwrap().prompt;
            assert_eq!(prompt.shape("/src is a folder"), "\u{200b}/src is a folder", "{name}");
        }
        for name in ["aider", "copilot"] {
            assert_eq!(catalogue.get(name).unwrap().prompt.shape("!ls"), "\u{200b}!ls", "{name}");
        }
    }

    #[test]
    fn no_folder_is_no_problem() {
        let (_, problems) = Catalogue::load(Some(Path::new("/nonexistent/agents")));
        assert_eq!(problems, []);
    }
}
