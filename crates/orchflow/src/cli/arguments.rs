//! The command line, made from the command catalogue.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};
use orchflow_core::catalogue::{Arity, COMMANDS, CommandSpec, FlagKind, Front};
use serde_json::{Map, Value};

use super::envelope::{Failure, USAGE};

/// What was asked for.
pub struct Words {
    /// The command.
    pub command: &'static CommandSpec,
    /// Where it was asked.
    pub folder: PathBuf,
    /// Arguments and flags under their wire names.
    pub values: Map<String, Value>,
}

/// Why there is nothing to run.
pub enum Stop {
    /// Help or version was shown; the exit code.
    Shown(u8),
    /// The words make no sense.
    Usage {
        /// Whether JSON was asked for.
        json: bool,
        /// The command, as far as known.
        command: String,
        /// What is wrong.
        failure: Box<Failure>,
    },
}

impl Words {
    /// Gives a text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.values.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// Gives a list.
    pub fn list(&self, name: &str) -> Vec<String> {
        let items = self.values.get(name).and_then(Value::as_array);
        items
            .map(|items| items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            .unwrap_or_default()
    }

    /// Tells whether a switch is there.
    pub fn has(&self, name: &str) -> bool {
        self.values.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Gives a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.values.get(name).and_then(Value::as_u64)
    }

    /// Gives the values as parameters of a method, without those named.
    pub fn params(&self, without: &[&str]) -> Map<String, Value> {
        self.values
            .iter()
            .filter(|(name, _)| !without.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// Makes the whole command line.
pub fn build() -> Command {
    let mut program = Command::new("orchflow")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Run many AI coding agents in one repository, and know, steer, review and undo what they do.")
        .after_help(
            "In Neovim the same commands are :Orchflow swarm, :Orchflow review and so on; :help orchflow",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(false)
        .arg(
            Arg::new("directory")
                .short('C')
                .long("directory")
                .value_name("DIR")
                .value_parser(clap::value_parser!(PathBuf))
                .help("run as if started in DIR"),
        );
    for command in COMMANDS.iter().filter(|command| command.front != Front::Editor) {
        program = program.subcommand(subcommand(command));
    }
    program
}

fn subcommand(spec: &'static CommandSpec) -> Command {
    let mut command = Command::new(spec.name).about(spec.summary).hide(spec.hidden);
    command = command.after_help(format!("Example: orchflow {}", spec.example));
    for flag in spec.flags {
        let mut arg = Arg::new(flag.name).long(flag.name).help(flag.summary);
        if let Some(short) = flag.short {
            arg = arg.short(short);
        }
        arg = match flag.kind {
            FlagKind::Switch | FlagKind::OnOff => arg.action(ArgAction::SetTrue),
            // A value that is written with signs may begin with a dash.
            _ if flag.value.starts_with('+') => {
                arg.value_name(flag.value).action(ArgAction::Set).allow_hyphen_values(true)
            }
            _ => arg.value_name(flag.value).action(ArgAction::Set),
        };
        if flag.kind == FlagKind::OnOff {
            let no: &'static str = Box::leak(format!("no-{}", flag.name).into_boxed_str());
            let help = format!("the opposite of --{}", flag.name);
            let off = Arg::new(no).long(no).action(ArgAction::SetTrue).conflicts_with(flag.name).help(help);
            command = command.arg(off);
        }
        command = command.arg(arg);
    }
    for argument in spec.arguments {
        let arg = Arg::new(argument.name).value_name(argument.name.to_uppercase()).help(argument.summary);
        let arg = match argument.arity {
            Arity::One => arg.required(argument.required),
            Arity::Optional => arg.required(false),
            Arity::Many => arg.num_args(0..).required(argument.required).allow_hyphen_values(spec.hidden),
            Arity::Text => arg.num_args(0..).required(argument.required).trailing_var_arg(true),
        };
        command = command.arg(arg);
    }
    command
}

/// Reads the command line.
///
/// # Errors
/// [`Stop`] when help was shown or the words make no sense.
pub fn read(words: impl Iterator<Item = OsString>) -> Result<Words, Stop> {
    let words: Vec<OsString> = words.collect();
    let json = words.iter().any(|word| word == "--json");
    let named = words
        .iter()
        .skip(1)
        .filter_map(|word| word.to_str())
        .find(|word| COMMANDS.iter().any(|command| command.name == *word));
    let command = named.unwrap_or("usage").to_owned();
    let usage = |message: String, hint: Option<String>| {
        let mut failure = Failure::new("usage", USAGE, message);
        failure.hint = hint;
        Stop::Usage { json, command: command.clone(), failure: Box::new(failure) }
    };
    let takes_filter = orchflow_core::catalogue::find(&command)
        .is_some_and(|spec| spec.arguments.iter().any(|argument| argument.name == "filter"));
    let shielded = words.iter().map(|word| if takes_filter { shield(word) } else { word.clone() });
    let matches = match build().try_get_matches_from(shielded) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            return Err(Stop::Shown(0));
        }
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return Err(Stop::Shown(USAGE));
        }
        Err(error) => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let hint = match orchflow_core::catalogue::find(&command) {
                Some(spec) => format!("usage: orchflow {}", spec.usage()),
                None => "orchflow help lists the commands".to_owned(),
            };
            return Err(usage(first, Some(hint)));
        }
    };
    let folder = match matches.get_one::<PathBuf>("directory") {
        Some(folder) => folder.clone(),
        None => std::env::current_dir().map_err(|error| {
            usage(
                format!("the current folder is gone: {error}"),
                Some("cd to a folder that exists".to_owned()),
            )
        })?,
    };
    let (name, inner) = matches.subcommand().ok_or_else(|| usage("name a command".to_owned(), None))?;
    let spec =
        orchflow_core::catalogue::find(name).ok_or_else(|| usage(format!("no command {name}"), None))?;
    let values = text_without_flags(spec, inner, &words)
        .and_then(|()| values(spec, inner))
        .map_err(|message| usage(message, Some(format!("usage: orchflow {}", spec.usage()))))?;
    Ok(Words { command: spec, folder, values })
}

/// Stands before a word such as `-agent:claude`, so that it is not read as a flag.
const EXCLUDES: char = '\u{1}';

/// Marks a word of a filter that leaves something out.
fn shield(word: &OsString) -> OsString {
    let excludes = word.to_str().and_then(|text| text.strip_prefix('-')?.split_once(':'));
    match excludes {
        Some((name, _)) if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            let mut marked = OsString::from(EXCLUDES.to_string());
            marked.push(word);
            marked
        }
        _ => word.clone(),
    }
}

/// Refuses a flag of the command that stands behind free text, where it would silently become a part of it.
fn text_without_flags(spec: &CommandSpec, matches: &ArgMatches, words: &[OsString]) -> Result<(), String> {
    let ended = words.iter().any(|word| word == "--");
    let Some(text) = spec.arguments.iter().find(|argument| argument.arity == Arity::Text && !ended) else {
        return Ok(());
    };
    let is_flag = |word: &str| {
        word.strip_prefix("--").is_some_and(|rest| {
            let name = rest.split_once('=').map_or(rest, |(name, _)| name);
            let positive = name.strip_prefix("no-");
            spec.flags.iter().any(|flag| {
                flag.name == name || (flag.kind == FlagKind::OnOff && positive == Some(flag.name))
            })
        })
    };
    let mut given = matches.get_many::<String>(text.name).into_iter().flatten();
    match given.find(|word| is_flag(word)) {
        None => Ok(()),
        Some(word) => {
            let flag = word.split('=').next().unwrap_or(word);
            Err(format!(
                "{flag} stands behind the text; write flags before it, or -- before a text that has it"
            ))
        }
    }
}

fn values(spec: &CommandSpec, matches: &ArgMatches) -> Result<Map<String, Value>, String> {
    let mut values = Map::new();
    for flag in spec.flags {
        let name = flag.name.replace('-', "_");
        let text = || matches.get_one::<String>(flag.name).cloned();
        let value = match flag.kind {
            FlagKind::Switch => matches.get_flag(flag.name).then_some(Value::Bool(true)),
            FlagKind::OnOff => {
                let off = format!("no-{}", flag.name);
                match (matches.get_flag(flag.name), matches.get_flag(&off)) {
                    (true, _) => Some(Value::Bool(true)),
                    (_, true) => Some(Value::Bool(false)),
                    _ => None,
                }
            }
            FlagKind::Text => text().map(Value::String),
            FlagKind::Number => {
                let number = |text: String| {
                    text.parse::<u64>()
                        .map(Value::from)
                        .map_err(|_| format!("--{}: {text:?} is not a whole number", flag.name))
                };
                text().map(number).transpose()?
            }
            FlagKind::List => text().map(|text| {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Value::Array(parts.map(Value::from).collect())
            }),
            FlagKind::Duration => {
                let seconds = |text: String| {
                    seconds(&text)
                        .map(Value::from)
                        .ok_or_else(|| format!("--{}: {text:?} is no time; 90s, 10m, 2h or 3d is", flag.name))
                };
                text().map(seconds).transpose()?
            }
        };
        if let Some(value) = value {
            values.insert(name, value);
        }
    }
    for argument in spec.arguments {
        let given: Vec<String> = matches
            .get_many::<String>(argument.name)
            .map(|words| words.map(|word| word.trim_start_matches(EXCLUDES).to_owned()).collect())
            .unwrap_or_default();
        if given.is_empty() {
            continue;
        }
        let value = match argument.arity {
            Arity::One | Arity::Optional | Arity::Text => Value::String(given.join(" ")),
            Arity::Many => Value::Array(given.into_iter().map(Value::String).collect()),
        };
        values.insert(argument.name.to_owned(), value);
    }
    Ok(values)
}

/// Reads `90`, `90s`, `10m`, `2h`, `3d` as seconds.
fn seconds(text: &str) -> Option<u64> {
    let (digits, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(digits) => (digits, text.get(digits.len()..)?),
        None => (text, "s"),
    };
    let factor = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 1,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_words(line: &[&str]) -> Result<Words, Stop> {
        read(std::iter::once("orchflow").chain(line.iter().copied()).map(OsString::from))
    }

    #[test]
    fn the_command_line_is_sound() {
        build().debug_assert();
    }

    #[test]
    fn every_example_of_the_catalogue_is_understood() {
        for command in COMMANDS.iter().filter(|command| command.front != Front::Editor) {
            let words: Vec<&str> = command.example.split(' ').collect();
            assert!(read_words(&words).is_ok(), "{}", command.example);
        }
    }

    #[test]
    fn the_rest_of_the_line_is_the_objective() {
        let Ok(words) = read_words(&["swarm", "--agents", "a,b", "make", "it", "--fast", "-x", "100%"])
        else {
            panic!()
        };
        assert_eq!(words.text("objective").unwrap(), "make it --fast -x 100%");
        assert_eq!(words.list("agents"), ["a", "b"]);
    }

    #[test]
    fn a_flag_behind_free_text_is_refused_rather_than_said() {
        for line in [
            ["swarm", "fix", "it", "--agents", "claude"],
            ["swarm", "fix", "it", "please", "--agents=claude"],
            ["rules", "deny", "Bash: rm*", "--reason", "never"],
            ["send", "claude", "fix", "it", "--json"],
        ] {
            let Err(Stop::Usage { failure, .. }) = read_words(&line) else { panic!("{line:?}") };
            assert!(failure.message.contains("stands behind the text"), "{}", failure.message);
        }
        let Ok(words) = read_words(&["swarm", "--json", "--", "what", "does", "--agents", "do"]) else {
            panic!()
        };
        assert_eq!(words.text("objective").unwrap(), "what does --agents do");
        let Ok(words) = read_words(&["swarm", "what does --agents do"]) else { panic!() };
        assert_eq!(words.text("objective").unwrap(), "what does --agents do");
    }

    #[test]
    fn flags_may_stand_behind_words_of_a_filter() {
        let Ok(words) = read_words(&["log", "verify", "--json"]) else { panic!() };
        assert!(words.has("json") && words.list("filter") == ["verify"]);
        let Ok(words) = read_words(&["review", "-file:a", "is:unseen", "--json", "--limit", "3"]) else {
            panic!()
        };
        assert!(words.has("json") && words.list("filter") == ["-file:a", "is:unseen"]);
        let Ok(words) = read_words(&["accept", "h_1", "--lines", "-2,+1", "--json"]) else { panic!() };
        assert_eq!((words.text("lines").as_deref(), words.has("json")), (Some("-2,+1"), true));
    }

    #[test]
    fn times_are_read_in_their_units() {
        assert_eq!(seconds("90"), Some(90));
        assert_eq!(seconds("10m"), Some(600));
        assert_eq!(seconds("2d"), Some(172_800));
        assert_eq!(seconds("x"), None);
        assert_eq!(seconds("99999999999999999999d"), None);
    }

    #[test]
    fn wrong_words_are_named() {
        let Err(Stop::Usage { failure, .. }) = read_words(&["log", "--limit", "many"]) else { panic!() };
        assert!(failure.message.contains("--limit"), "{}", failure.message);
        let Err(Stop::Usage { failure, .. }) = read_words(&["status", "--jsn"]) else { panic!() };
        assert!(failure.message.contains("--jsn"), "{}", failure.message);
        let Err(Stop::Usage { failure, .. }) = read_words(&["log", "--jsn"]) else { panic!() };
        assert!(failure.message.contains("--jsn"), "{}", failure.message);
    }

    #[test]
    fn filters_stand_between_flags() {
        let line = ["log", "-type:status", "agent:claude", "-f", "--json", "-agent:codex", "text"];
        let Ok(words) = read_words(&line) else { panic!() };
        assert_eq!(words.list("filter"), ["-type:status", "agent:claude", "-agent:codex", "text"]);
        assert!(words.has("follow") && words.has("json"));
    }
}
