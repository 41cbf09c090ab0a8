//! What a rehearsal plays: a list of turns in YAML, each a list of steps.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

/// Largest script, in bytes.
const SCRIPT_LIMIT: u64 = 4 << 20;

/// Longest wait or flood, in seconds.
const LONGEST_S: f64 = 3600.0;

/// A script: the steps of each turn. Prompts after the last turn play the last turn again.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Script {
    turns: Vec<Vec<Step>>,
}

/// One thing a rehearsal does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "StepKeys")]
pub enum Step {
    /// Says something.
    Say(String),
    /// Thinks aloud on the screen; nothing is reported.
    Think(String),
    /// Reads a file of the worktree.
    Read(String),
    /// Changes a file of the worktree.
    Edit(Edit),
    /// Runs a shell command in the worktree.
    Run(String),
    /// Asks for a permission.
    Ask(Ask),
    /// Waits so many seconds.
    Wait(f64),
    /// Ends the turn in an error.
    Fail(String),
    /// Prints many lines.
    Flood(Flood),
    /// Has a subagent say something.
    Subagent(Subagent),
}

/// A change of one file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "EditKeys")]
pub struct Edit {
    /// The file, relative to the worktree.
    pub path: String,
    /// What is done to it.
    pub change: Change,
}

/// What is done to a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The first occurrence of a text becomes another.
    Replace {
        /// The text.
        old: String,
        /// The other.
        new: String,
    },
    /// A text goes to its end.
    Append(String),
    /// It is written anew.
    Content(String),
}

/// A permission asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The tool: `Bash`, `Edit` and `Write` are used when allowed, others are only named.
    pub tool: String,
    /// The tool's arguments, as the real agent would give them.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// Played when it is allowed, after the tool.
    #[serde(default)]
    pub then: Vec<Step>,
    /// Played when it is denied.
    #[serde(default)]
    pub otherwise: Vec<Step>,
}

/// Lines printed at a steady rate.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "FloodKeys")]
pub struct Flood {
    /// How many a second.
    pub lines_per_second: f64,
    /// For how long.
    pub seconds: f64,
}

/// A subagent that says one thing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subagent {
    /// Its type.
    pub name: String,
    /// What it says in the end.
    pub say: String,
}

/// Says why there is no script to play.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("the script {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no script.
    #[error("the script {} is wrong{}: {message}", path.display(), at(*line))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!(" in line {line}")).unwrap_or_default()
}

impl Script {
    /// Reads a script file.
    ///
    /// # Errors
    /// [`ScriptError`] names the file, and the line where something is wrong.
    pub fn read(path: &Path) -> Result<Script, ScriptError> {
        let unreadable = |source| ScriptError::Unreadable { path: path.to_owned(), source };
        let length = std::fs::metadata(path).map_err(unreadable)?.len();
        if length > SCRIPT_LIMIT {
            return Err(ScriptError::Wrong {
                path: path.to_owned(),
                line: None,
                message: format!("it has {length} bytes; {SCRIPT_LIMIT} are the most"),
            });
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Script::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Script, ScriptError> {
        let wrong = |line, message| ScriptError::Wrong { path: path.to_owned(), line, message };
        let script: Script = serde_norway::from_str(text).map_err(|error| {
            let line = error.location().map(|location| location.line());
            wrong(line, error.to_string())
        })?;
        if script.turns.is_empty() {
            return Err(wrong(
                None,
                "it has no turns; write a list of turns, each a list of steps".to_owned(),
            ));
        }
        Ok(script)
    }

    /// Gives the steps of a turn, counted from 0.
    pub fn turn(&self, index: usize) -> &[Step] {
        self.turns.get(index).or(self.turns.last()).map_or(&[], Vec::as_slice)
    }
}

/// Joins a path of a script to the worktree.
///
/// # Errors
/// A message when the path leads out of it.
pub fn within(worktree: &Path, path: &str) -> Result<PathBuf, String> {
    let relative = Path::new(path);
    let stays = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if path.is_empty() || !stays {
        return Err(format!("{path:?} is not a path inside the worktree"));
    }
    Ok(worktree.join(relative))
}

/// A step as it is written: a map of one key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepKeys {
    say: Option<String>,
    think: Option<String>,
    read: Option<String>,
    edit: Option<Edit>,
    run: Option<String>,
    ask: Option<Ask>,
    wait: Option<f64>,
    fail: Option<String>,
    flood: Option<Flood>,
    subagent: Option<Subagent>,
}

impl TryFrom<StepKeys> for Step {
    type Error = String;

    fn try_from(keys: StepKeys) -> Result<Step, String> {
        let StepKeys { say, think, read, edit, run, ask, wait, fail, flood, subagent } = keys;
        let wait = wait.map(|seconds| bounded("wait", seconds).map(Step::Wait)).transpose()?;
        let steps = [
            say.map(Step::Say),
            think.map(Step::Think),
            read.map(Step::Read),
            edit.map(Step::Edit),
            run.map(Step::Run),
            ask.map(Step::Ask),
            wait,
            fail.map(Step::Fail),
            flood.map(Step::Flood),
            subagent.map(Step::Subagent),
        ];
        let mut steps = steps.into_iter().flatten();
        match (steps.next(), steps.next()) {
            (Some(step), None) => Ok(step),
            _ => {
                Err("a step has exactly one of say, think, read, edit, run, ask, wait, fail, flood, subagent"
                    .into())
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditKeys {
    path: String,
    old: Option<String>,
    new: Option<String>,
    append: Option<String>,
    content: Option<String>,
}

impl TryFrom<EditKeys> for Edit {
    type Error = String;

    fn try_from(keys: EditKeys) -> Result<Edit, String> {
        let change = match (keys.old, keys.new, keys.append, keys.content) {
            (Some(old), Some(new), None, None) if !old.is_empty() => Change::Replace { old, new },
            (None, None, Some(text), None) => Change::Append(text),
            (None, None, None, Some(text)) => Change::Content(text),
            _ => return Err("an edit has either old (not empty) and new, or append, or content".into()),
        };
        Ok(Edit { path: keys.path, change })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FloodKeys {
    lines_per_second: f64,
    seconds: f64,
}

impl TryFrom<FloodKeys> for Flood {
    type Error = String;

    fn try_from(keys: FloodKeys) -> Result<Flood, String> {
        if !(1.0..=1e6).contains(&keys.lines_per_second) {
            return Err("flood.lines_per_second is between 1 and 1000000".into());
        }
        Ok(Flood {
            lines_per_second: keys.lines_per_second,
            seconds: bounded("flood.seconds", keys.seconds)?,
        })
    }
}

fn bounded(what: &str, seconds: f64) -> Result<f64, String> {
    if (0.0..=LONGEST_S).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(format!("{what} is between 0 and {LONGEST_S} seconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script, String> {
        Script::parse(Path::new("play.yaml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_step_is_read() {
        let script = parse(
            r#"
- - say: Hello, I am {name}
  - think: hmm
  - read: src/main.rs
  - edit: {path: a.txt, old: one, new: two}
  - edit: {path: a.txt, append: "more\n"}
  - edit: {path: b.txt, content: ""}
  - run: make test
  - ask:
      tool: Bash
      input: {command: touch x}
      then: [{say: thanks}]
      otherwise: [{say: pity}]
  - wait: 0.5
  - flood: {lines_per_second: 100, seconds: 2}
  - subagent: {name: reviewer, say: fine}
- - fail: out of ideas
"#,
        )
        .unwrap();
        assert_eq!(script.turn(0).len(), 11);
        assert_eq!(script.turn(1), [Step::Fail("out of ideas".into())]);
        assert_eq!(script.turn(7), script.turn(1), "the last turn repeats");
        let Step::Ask(ask) = &script.turn(0)[7] else { panic!() };
        assert_eq!(ask.otherwise, [Step::Say("pity".into())]);
    }

    #[test]
    fn a_mistake_is_named_with_file_and_line() {
        for (text, line, what) in [
            ("- - say: x\n  - sya: y\n", 2, "unknown field `sya`"),
            ("- - say: x\n    think: y\n", 1, "exactly one of"),
            ("- - edit: {path: a, old: x}\n", 1, "either old"),
            ("- - say: x\n- - edit: {path: a, old: x, new: y, mode: z}\n", 2, "unknown field `mode`"),
            ("- - wait: -1\n", 1, "between 0 and"),
            ("- - wait: .nan\n", 1, "between 0 and"),
            ("- - flood: {lines_per_second: 0, seconds: 1}\n", 1, "lines_per_second"),
            ("- say: x\n", 1, "invalid type"),
            ("- - say: 'x\n", 1, ""),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.starts_with("the script play.yaml is wrong"), "{message}");
            assert!(message.contains(what), "{text:?} gave {message}");
            if !what.is_empty() {
                assert!(message.contains(&format!("line {line}")), "{text:?} gave {message}");
            }
        }
        assert!(parse("[]").unwrap_err().contains("no turns"));
        assert!(
            Script::read(Path::new("/nonexistent.yaml"))
                .unwrap_err()
                .to_string()
                .contains("/nonexistent.yaml")
        );
    }

    #[test]
    fn paths_stay_inside() {
        let root = Path::new("/tree");
        assert_eq!(within(root, "a/b.txt"), Ok("/tree/a/b.txt".into()));
        for bad in ["", "/etc/passwd", "../x", "a/../../x"] {
            assert!(within(root, bad).is_err(), "{bad}");
        }
    }
}
