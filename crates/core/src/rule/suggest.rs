//! The rule that is offered with a request: narrow enough to be meant.

use serde_json::Value;

use super::argument::{Argument, ArgumentKind, is_elevated, is_plain};
use super::{Matcher, glob};

/// Programs that do whatever their arguments say: nothing stands for those.
const ANYTHING: &[&str] = &[
    "sh", "bash", "zsh", "dash", "fish", "python", "python3", "node", "deno", "bun", "perl", "ruby", "php",
    "sudo", "doas", "su", "env", "xargs", "eval", "exec", "ssh", "scp", "rsync", "nohup", "time", "find",
    "rm", "mv", "dd", "chmod", "chown", "kill", "curl", "wget", "source", ".", "awk", "sed", "tee", "npx",
];

/// Words after which the word that matters follows.
const LEADING: &[&str] = &["run", "exec"];

/// Offers the matcher of a rule for a use of a tool. `worktree` is the agent's.
pub fn suggest(tool: &str, input: &Value, worktree: &[u8]) -> Matcher {
    let argument = Argument::of(input, worktree).map(|argument| match argument.kind {
        _ if is_elevated(input) => glob::exactly(&argument.text),
        ArgumentKind::Command => of_command(argument.text.trim()),
        ArgumentKind::Path => of_path(&argument.text),
        ArgumentKind::Text => of_text(&argument.text),
    });
    Matcher { tool: tool.to_owned(), argument }
}

fn of_command(command: &str) -> String {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or(program);
    let is_simple = command.chars().all(is_plain) && !program.contains('=') && !program.contains('*');
    if program.is_empty() || !is_simple || ANYTHING.contains(&name) {
        return glob::exactly(command);
    }
    let is_word = |word: &&str| {
        !word.starts_with('-')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':'))
    };
    let mut kept = vec![program];
    for word in words.take_while(is_word) {
        kept.push(word);
        if !LEADING.contains(&word) {
            break;
        }
    }
    match kept.as_slice() {
        [program] => format!("{program} *"),
        words => format!("{}*", words.join(" ")),
    }
}

/// What an agent writes in its own worktree is reviewed in any case.
fn of_path(path: &str) -> String {
    let is_plain_name = path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    if is_plain_name { "*".to_owned() } else { glob::exactly(path) }
}

fn of_text(text: &str) -> String {
    let host = text.split_once("://").and_then(|(scheme, rest)| {
        let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
        Some(format!("{scheme}://{host}/"))
    });
    match host {
        Some(host) if text.starts_with(&host) => format!("{}*", glob::exactly(&host)),
        _ => glob::exactly(text),
    }
}
