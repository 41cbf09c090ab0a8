//! One agent of the catalogue.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use orchflow_core::id::is_agent_name;
use orchflow_core::state::{ReadySignal, Signals, StatusSource};
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::driven::Acp;
use super::own::OwnHooks;
use super::program::{Presence, find_program};
use super::shown::{Shown, ShownPatterns};
use super::template;
use crate::limits::LimitPattern;

/// Longest wait for readiness that can be asked for, in seconds.
const LONGEST_TIMEOUT_S: u64 = 3600;

/// Longest wait of a hook for the human that can be asked for, in seconds.
const LONGEST_WAIT_S: u32 = 3600;

/// Longest pause between a paste and Enter that can be asked for, in milliseconds.
const LONGEST_SETTLE_MS: u64 = 5000;

/// Most kinds of keys that empty an input line.
const MOST_KINDS: usize = 8;

/// Longest of them, in bytes.
const LONGEST_KEYS: usize = 64;

/// The most often one is pressed.
const MOST_PRESSES: u16 = 1000;

/// How an agent is spoken with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// A program that speaks the Agent Client Protocol on its standard input and output, run by a driver of ours.
    Acp,
    /// A model behind an HTTP interface, run by a driver of ours.
    Api,
    /// Any program in a terminal.
    #[default]
    Command,
    /// The built-in rehearsal: plays a script, has no model.
    Rehearsal,
    /// A program with an adapter of that name: `claude`, `codex`, …
    Program(&'static str),
}

impl Kind {
    /// Gives the word used in files and messages.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Acp => "acp",
            Kind::Api => "api",
            Kind::Command => "command",
            Kind::Rehearsal => "rehearsal",
            Kind::Program(name) => name,
        }
    }

    /// Tells whether it has no terminal of its own, so that a driver of ours stands in for it.
    pub fn is_driven(self) -> bool {
        matches!(self, Kind::Acp | Kind::Api)
    }

    /// Finds the kind of a word.
    pub fn of_word(word: &str) -> Option<Kind> {
        match word {
            "acp" => Some(Kind::Acp),
            "api" => Some(Kind::Api),
            "command" => Some(Kind::Command),
            "rehearsal" => Some(Kind::Rehearsal),
            name => crate::adapter::find(name).map(|adapter| Kind::Program(adapter.name)),
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let word = String::deserialize(deserializer)?;
        Kind::of_word(&word).ok_or_else(|| {
            let mut known: Vec<&str> = crate::adapter::names().collect();
            known.extend(["acp", "api", "command", "rehearsal"]);
            serde::de::Error::custom(format!("unknown kind `{word}`, expected one of {}", known.join(", ")))
        })
    }
}

/// Where an entry was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Source {
    /// It comes with orchflow.
    #[default]
    BuiltIn,
    /// The user's file.
    File(PathBuf),
}

/// How a prompt is written into the terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Give {
    /// As one paste, then Enter.
    #[default]
    Paste,
    /// As one line, its line breaks turned into spaces, then Enter: for programs that read lines.
    StdinLine,
}

/// How prompts are given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prompt {
    /// The way.
    pub give: Give,
    /// Most characters of one paste, for programs that take a longer one, or one of several lines, for something
    /// other than the human's own words. By default a prompt is one paste.
    pub piece: Option<usize>,
    /// Milliseconds between a paste and Enter, for programs that take an Enter close behind a paste as part of it.
    pub settle_ms: u64,
    /// What empties the input line before a prompt, so that it is not sent together with what stood there. It
    /// does nothing to an empty one.
    pub clear: Vec<Presses>,
    /// Characters that make a command of what begins with them; a blank goes before them, or the guard.
    pub not_first: String,
    /// What goes before them where a blank is not enough, since the program takes it away and runs the command.
    pub guard: Option<char>,
    /// Characters that change what Enter does behind them; a blank goes between.
    pub not_last: String,
}

/// Keys, pressed again and again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presses {
    /// The keys, as a terminal sends them.
    pub keys: String,
    /// How often they are pressed.
    pub times: u16,
}

impl Prompt {
    /// Gives the keys that empty the input line.
    pub fn clearing_keys(&self) -> String {
        self.clear.iter().map(|presses| presses.keys.repeat(presses.times.into())).collect()
    }

    /// Brings a prompt into the form that is written.
    pub fn shape(&self, prompt: &str) -> String {
        let mut text = self.give.shape(prompt);
        if text.starts_with(|first| self.not_first.contains(first)) {
            text.insert(0, self.guard.unwrap_or(' '));
        }
        // Line ends at the end are not written.
        let end = text.trim_end_matches(['\r', '\n']).len();
        if text.get(..end).is_some_and(|text| text.ends_with(|last| self.not_last.contains(last))) {
            text.insert(end, ' ');
        }
        text
    }
}

impl Give {
    /// Brings a prompt into the form that is written.
    pub fn shape(self, prompt: &str) -> String {
        match self {
            Give::Paste => prompt.to_owned(),
            Give::StdinLine => {
                let lines = prompt.lines().map(str::trim).filter(|line| !line.is_empty());
                lines.collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// When the first prompt may be given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ready {
    /// What shows it.
    pub signal: ReadySignal,
    /// After so many seconds without it, counted from its start, the human is told.
    pub timeout_s: u64,
    /// A text that stands on its screen once it is ready, for `signal = "screen"`; none where no known dialog is
    /// enough.
    pub screen: Option<String>,
    /// For so many milliseconds its screen has to stand still before the first prompt, for programs that still draw,
    /// and lose what is typed, when they say that they are ready.
    pub settle_ms: u64,
}

impl Default for Ready {
    fn default() -> Self {
        Ready { signal: ReadySignal::Output, timeout_s: 60, screen: None, settle_ms: 0 }
    }
}

/// Where its status comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusFrom {
    /// The source of record.
    pub source: StatusSource,
    /// What its window title says, by patterns; the first that fits counts.
    pub title: Vec<Shown>,
    /// The same for its notifications (OSC 9, 99 and 777).
    pub notification: Vec<Shown>,
    /// For `source = "screen"`: what stands in one of the last rows of its screen while it works or asks. Where it
    /// prints no more and none of it stands there, it is at rest.
    pub screen: Vec<Shown>,
}

impl Default for StatusFrom {
    fn default() -> Self {
        StatusFrom {
            source: StatusSource::Output,
            title: Vec::new(),
            notification: Vec::new(),
            screen: Vec::new(),
        }
    }
}

/// What stands for something in the arguments of [`Resume`]; the last in those of a copy only.
pub(crate) const RESUME_PLACEHOLDERS: [&str; 3] = ["session_id", "worktree", "session_file"];

/// How an earlier session is taken up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resume {
    /// Arguments to add; `{session_id}` stands for the session, `{worktree}` for where the agent works.
    pub args: Vec<String>,
    /// Arguments to add in their place to go on in a copy of the session, which another process may still have open;
    /// `{session_file}` stands for the file that holds it, for programs that take it up from there.
    pub fork: Vec<String>,
    /// Whether it would go on in the folder where the session was begun, and not where it is started.
    pub bound: bool,
}

/// How a new session is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionArgs {
    /// Arguments to add; `{session_id}` stands for a fresh UUID.
    pub args: Vec<String>,
}

/// How the human is asked for permissions, where hooks of the program ask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approval {
    /// For so many seconds the answer may come from outside; of programs that show no dialog meanwhile, their own
    /// shows after that. 0 leaves the asking to the program.
    pub wait_s: u32,
}

impl Default for Approval {
    fn default() -> Self {
        Approval { wait_s: 590 }
    }
}

/// A question the program shows on its screen before its first prompt.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialog {
    /// What it waits for, as shown: `trust`, `api key`, `mcp`.
    pub waiting_for: String,
    /// A text that stands on the screen only then.
    pub screen: String,
}

/// What a rehearsal plays.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RehearsalSource {
    /// The script; a relative path counts from the folder of the entry's file.
    pub script: PathBuf,
}

/// One agent that can be started.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name, the file's stem by default.
    #[serde(default)]
    pub name: String,
    /// Its name for people, its name by default.
    #[serde(default)]
    pub title: String,
    /// How it is spoken with.
    #[serde(default)]
    pub kind: Kind,
    /// The program, found in `PATH` unless it has a slash. Empty for a rehearsal.
    #[serde(default)]
    pub program: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment variables to add.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Environment variables to take out.
    #[serde(default)]
    pub unset: Vec<String>,
    /// How to get the program: a command or a sentence.
    pub install: Option<String>,
    /// Arguments that make it print its version; none if it cannot.
    #[serde(default)]
    pub version_args: Vec<String>,
    /// How prompts are given.
    #[serde(default)]
    pub prompt: Prompt,
    /// When the first may be given.
    #[serde(default)]
    pub ready: Ready,
    /// Where its status comes from.
    #[serde(default)]
    pub status: StatusFrom,
    /// How a new session is named.
    #[serde(default)]
    pub session: SessionArgs,
    /// How a session is taken up again.
    #[serde(default)]
    pub resume: Resume,
    /// How a program without an adapter is made to report its actions.
    pub hooks: Option<OwnHooks>,
    /// How the human is asked for permissions.
    #[serde(default)]
    pub approval: Approval,
    /// Its known dialogs.
    #[serde(default, rename = "dialog")]
    pub dialogs: Vec<Dialog>,
    /// Words by which it tells that its model does not answer for a while.
    #[serde(default, rename = "limit")]
    pub limits: Vec<LimitPattern>,
    /// What holds for an agent of the Agent Client Protocol.
    pub acp: Option<Acp>,
    /// The model, for an agent that is one behind an HTTP interface.
    pub api: Option<Api>,
    /// What it plays, for a rehearsal; the built-in script by default.
    pub rehearsal: Option<RehearsalSource>,
    /// Where the entry was read.
    #[serde(skip)]
    pub source: Source,
}

impl Entry {
    /// Tells how much the program says about itself.
    pub fn signals(&self) -> Signals {
        Signals {
            status: self.status.source,
            hooks: match self.kind {
                Kind::Command => self.hooks.is_some(),
                Kind::Acp | Kind::Api | Kind::Rehearsal => true,
                Kind::Program(name) => crate::adapter::find(name).is_some_and(|adapter| adapter.hooks),
            },
            ready: self.ready.signal,
            ready_within_s: u32::try_from(self.ready.timeout_s).unwrap_or(u32::MAX),
        }
    }

    /// Gives the patterns of its title and its notifications, for the runner that sees them.
    pub fn shown(&self) -> ShownPatterns {
        ShownPatterns { title: self.status.title.clone(), notification: self.status.notification.clone() }
    }

    /// Gives what the human is told once, because each launch does it in their name.
    pub fn notice(&self) -> Option<crate::launch::Notice> {
        let Kind::Program(name) = self.kind else { return None };
        crate::adapter::find(name)?.notice
    }

    /// Tells whether no model stands behind it.
    pub fn is_rehearsal(&self) -> bool {
        self.kind == Kind::Rehearsal
    }

    /// Looks for the program in a `PATH`.
    pub fn detect(&self, path: &OsStr) -> Presence {
        if matches!(self.kind, Kind::Api | Kind::Rehearsal) {
            return Presence::BuiltIn;
        }
        match find_program(&self.program, path) {
            Some(path) => Presence::Installed { path },
            None => Presence::Missing { hint: self.missing_hint() },
        }
    }

    /// Finds the script of a rehearsal; `None` means the built-in one.
    pub fn script(&self) -> Option<PathBuf> {
        let script = &self.rehearsal.as_ref()?.script;
        let folder = match &self.source {
            Source::File(file) => file.parent().unwrap_or(Path::new("")),
            Source::BuiltIn => Path::new(""),
        };
        Some(folder.join(script))
    }

    fn missing_hint(&self) -> String {
        let place = if self.program.contains('/') { "" } else { " in PATH" };
        let program = &self.program;
        match &self.install {
            Some(install) => format!("there is no program {program:?}{place}; to get it: {install}"),
            None => {
                format!("there is no program {program:?}{place}; install it or correct `program` in its file")
            }
        }
    }

    /// Checks what the types cannot say.
    pub(super) fn check(&self) -> Result<(), String> {
        if !is_agent_name(&self.name) {
            return Err(format!(
                "name: {:?} cannot be an agent's name; use at most 40 letters, digits, `-` and `_`, beginning with a letter or digit",
                self.name
            ));
        }
        let has_nul = |text: &String| text.contains('\0');
        let has_program = !matches!(self.kind, Kind::Api | Kind::Rehearsal);
        if has_program && self.program.trim().is_empty() {
            return Err("program: say which program to start".to_owned());
        }
        let args =
            self.args.iter().chain(&self.resume.args).chain(&self.resume.fork).chain(&self.session.args);
        let hooks = self.hooks.as_ref();
        if has_nul(&self.program) || args.chain(hooks.iter().flat_map(|hooks| &hooks.args)).any(has_nul) {
            return Err("program and args cannot contain a NUL character".to_owned());
        }
        check_environment("environment", &self.environment)?;
        if let Some(hooks) = hooks {
            check_environment("hooks.environment", &hooks.environment)?;
        }
        if !(1..=LONGEST_TIMEOUT_S).contains(&self.ready.timeout_s) {
            return Err(format!("ready.timeout_s: give seconds between 1 and {LONGEST_TIMEOUT_S}"));
        }
        for name in &self.unset {
            if name.is_empty() || name.contains(['=', '\0']) || name.starts_with("ORCHFLOW_") {
                return Err(format!("unset: {name:?} cannot be taken out of the environment"));
            }
        }
        match (&self.api, self.kind) {
            (Some(_), Kind::Api) if !self.args.is_empty() => {
                return Err("args: a model takes none; api.model and api.extra say what is asked".to_owned());
            }
            (Some(api), Kind::Api) => api.check()?,
            (Some(_), _) => return Err("api: only an agent of kind = \"api\" is a model".to_owned()),
            (None, Kind::Api) => {
                return Err("api: say which model it is (base_url, dialect, model, key)".to_owned());
            }
            (None, _) => {}
        }
        if self.acp.is_some() && self.kind != Kind::Acp {
            return Err("acp: only an agent of kind = \"acp\" speaks that protocol".to_owned());
        }
        if self.rehearsal.is_some() && self.kind != Kind::Rehearsal {
            return Err("rehearsal: only an agent of kind = \"rehearsal\" plays a script".to_owned());
        }
        for (name, given) in [("prompt", self.prompt.settle_ms), ("ready", self.ready.settle_ms)] {
            if given > LONGEST_SETTLE_MS {
                return Err(format!("{name}.settle_ms: give at most {LONGEST_SETTLE_MS} milliseconds"));
            }
        }
        if self.prompt.piece == Some(0) {
            return Err("prompt.piece: a paste has at least one character".to_owned());
        }
        let is_long = |presses: &Presses| presses.keys.len() > LONGEST_KEYS || presses.times > MOST_PRESSES;
        if self.prompt.clear.len() > MOST_KINDS || self.prompt.clear.iter().any(is_long) {
            return Err(format!(
                "prompt.clear: give at most {MOST_KINDS} kinds of keys, each of {LONGEST_KEYS} bytes and {MOST_PRESSES} times"
            ));
        }
        for limit in &self.limits {
            limit.check()?;
        }
        self.shown().check()?;
        if self.approval.wait_s > LONGEST_WAIT_S {
            return Err(format!("approval.wait_s: give at most {LONGEST_WAIT_S} seconds"));
        }
        let names_session = |text: &String| text.contains("{session_id}") || text.contains("{session_file}");
        if !self.resume.fork.is_empty() && !self.resume.fork.iter().any(names_session) {
            return Err(
                "resume.fork: it stands in place of resume.args, so it names the session: {session_id} or \
                        {session_file}"
                    .to_owned(),
            );
        }
        let templates: [(&str, &[String], &[&str]); 3] = [
            ("session.args", &self.session.args, &["session_id"]),
            ("resume.args", &self.resume.args, &RESUME_PLACEHOLDERS[..2]),
            ("resume.fork", &self.resume.fork, &RESUME_PLACEHOLDERS),
        ];
        for (place, args, known) in templates {
            for (index, text) in args.iter().enumerate() {
                template::check(text, known).map_err(|why| format!("{place}[{index}]: {why}"))?;
            }
        }
        if let Some(hooks) = &self.hooks {
            if self.kind != Kind::Command {
                let kind = self.kind.word();
                return Err(format!(
                    "hooks: an agent of kind = \"{kind}\" has its hooks already; kind = \"command\" takes templates"
                ));
            }
            hooks.check()?;
        }
        super::shown::check("screen", &self.status.screen)?;
        if self.status.source == StatusSource::Screen && self.status.screen.is_empty() {
            return Err(
                "status.screen: with source = \"screen\", say what stands there while it works".to_owned()
            );
        }
        if self.ready.screen.as_ref().is_some_and(|text| text.trim().is_empty()) {
            return Err(
                "ready.screen: it is empty; say what stands on the screen once it is ready".to_owned()
            );
        }
        if self.status.source == StatusSource::Title && self.status.title.is_empty() {
            return Err("status.title: with source = \"title\", say what the titles mean".to_owned());
        }
        for dialog in &self.dialogs {
            for (field, text) in [("waiting_for", &dialog.waiting_for), ("screen", &dialog.screen)] {
                if text.trim().is_empty() {
                    return Err(format!(
                        "dialog.{field}: it is empty; say what stands on the screen and what it asks for"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn check_environment(place: &str, environment: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(format!("{place}.{name:?}: this cannot be an environment variable"));
        }
        if name.starts_with("ORCHFLOW_") && !crate::launch::is_ours_to_set(name.as_bytes()) {
            return Err(format!("{place}.{name}: orchflow sets its own variables; choose another name"));
        }
    }
    Ok(())
}
