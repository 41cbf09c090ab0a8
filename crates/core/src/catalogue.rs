//! The command catalogue: one table from which the command line, `:Orchflow`, the wire and the
//! reference part of `:help` are made.

mod commands;

pub use commands::COMMANDS;

/// How often an argument may stand, and how it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one word.
    One,
    /// One word or none.
    Optional,
    /// Any number of words.
    Many,
    /// The rest of the line, as it stands.
    Text,
}

/// A positional argument.
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    /// Its name, also on the wire.
    pub name: &'static str,
    /// How often it may stand.
    pub arity: Arity,
    /// Whether it must stand.
    pub required: bool,
    /// What it is, in a few words.
    pub summary: &'static str,
}

/// How a flag's value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagKind {
    /// There or not.
    Switch,
    /// `--name` or `--no-name`, or neither.
    OnOff,
    /// A word.
    Text,
    /// A whole number.
    Number,
    /// Words with commas between.
    List,
    /// A time span such as `90s`, `10m`, `2h`, `3d`; seconds on the wire.
    Duration,
}

/// A flag.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Its name without dashes; on the wire `-` becomes `_`.
    pub name: &'static str,
    /// One-letter form.
    pub short: Option<char>,
    /// How its value is read.
    pub kind: FlagKind,
    /// What stands for the value in help.
    pub value: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
}

/// Who may call a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// Only people and their scripts.
    Human,
    /// Agents as well: it only reads.
    Everyone,
}

/// Where a command exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// On the command line and in the editor.
    Both,
    /// Only on the command line.
    Shell,
    /// Only in the editor.
    Editor,
}

/// One command.
#[derive(Debug, Clone, Copy)]
pub struct CommandSpec {
    /// Its name, also the method on the wire.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Positional arguments, in order.
    pub arguments: &'static [Argument],
    /// Flags.
    pub flags: &'static [Flag],
    /// A line that works.
    pub example: &'static str,
    /// Who may call it.
    pub callers: Callers,
    /// Where it exists.
    pub front: Front,
    /// Whether it is part of the machinery rather than for people; not shown in help.
    pub hidden: bool,
}

impl CommandSpec {
    /// Writes the usage line without the program's name: `swarm [--agents LIST] TEXT…`.
    pub fn usage(&self) -> String {
        let mut line = self.name.to_owned();
        for flag in self.flags {
            line.push_str(&match flag.kind {
                FlagKind::Switch => format!(" [--{}]", flag.name),
                FlagKind::OnOff => format!(" [--[no-]{}]", flag.name),
                _ => format!(" [--{} {}]", flag.name, flag.value),
            });
        }
        for argument in self.arguments {
            let name = argument.name.to_uppercase();
            let shown = match argument.arity {
                Arity::One | Arity::Optional => name,
                Arity::Many | Arity::Text => format!("{name}..."),
            };
            line.push_str(&if argument.required { format!(" {shown}") } else { format!(" [{shown}]") });
        }
        line
    }
}

/// Finds a command by name.
pub fn find(name: &str) -> Option<&'static CommandSpec> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// Writes the table as the Lua module the editor plugin completes and checks its verbs by.
pub fn to_lua() -> String {
    let mut out = String::from(
        "-- Generated from the command catalogue by `orchflow catalogue lua`. Do not edit.\nreturn {\n",
    );
    for command in COMMANDS.iter().filter(|command| command.front != Front::Shell) {
        out.push_str(&format!(
            "  {{\n    name = {:?},\n    summary = {:?},\n    usage = {:?},\n    example = {:?},\n",
            command.name,
            command.summary,
            command.usage(),
            command.example
        ));
        out.push_str("    arguments = {\n");
        for argument in command.arguments {
            let arity = match argument.arity {
                Arity::One => "one",
                Arity::Optional => "optional",
                Arity::Many => "many",
                Arity::Text => "text",
            };
            out.push_str(&format!(
                "      {{ name = {:?}, arity = {arity:?}, required = {}, summary = {:?} }},\n",
                argument.name, argument.required, argument.summary
            ));
        }
        out.push_str("    },\n    flags = {\n");
        for flag in command.flags {
            let kind = match flag.kind {
                FlagKind::Switch => "switch",
                FlagKind::OnOff => "onoff",
                FlagKind::Text => "text",
                FlagKind::Number => "number",
                FlagKind::List => "list",
                FlagKind::Duration => "duration",
            };
            out.push_str(&format!(
                "      {{ name = {:?}, kind = {kind:?}, value = {:?}, summary = {:?} }},\n",
                flag.name, flag.value, flag.summary
            ));
        }
        out.push_str("    },\n  },\n");
    }
    out.push_str("}\n");
    out
}

/// Writes the reference part of `:help orchflow`.
pub fn to_help() -> String {
    let mut out = String::new();
    for command in COMMANDS.iter().filter(|command| !command.hidden) {
        let tag = format!("*:Orchflow-{}*", command.name);
        let place = match command.front {
            Front::Both => "",
            Front::Shell => " (shell only)",
            Front::Editor => " (editor only)",
        };
        out.push_str(&format!("{tag:>78}\n"));
        out.push_str(&wrap(&format!("{}{place}", command.usage()), "", "        "));
        out.push_str(&wrap(&format!("{}.", capitalized(command.summary)), "    ", "    "));
        for argument in command.arguments {
            let head = format!("    {:<18}", argument.name.to_uppercase());
            out.push_str(&wrap(argument.summary, &head, &" ".repeat(22)));
        }
        for flag in command.flags {
            let name = match flag.kind {
                FlagKind::OnOff => format!("--[no-]{}", flag.name),
                FlagKind::Switch => format!("--{}", flag.name),
                _ => format!("--{} {}", flag.name, flag.value),
            };
            let head = format!("    {name:<18}");
            let head = if head.len() > 22 { format!("{head}\n{}", " ".repeat(22)) } else { head };
            out.push_str(&wrap(flag.summary, &head, &" ".repeat(22)));
        }
        let program = if command.front == Front::Shell { "orchflow " } else { ":Orchflow " };
        out.push_str(&wrap(&format!("Example: `{program}{}`", command.example), "    ", "        "));
        out.push('\n');
    }
    out
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Folds a text at 78 columns. `first` begins the first line, `rest` every other.
fn wrap(text: &str, first: &str, rest: &str) -> String {
    let mut out = String::new();
    let mut line = first.to_owned();
    let mut fresh = true;
    for word in text.split(' ') {
        let width = line.rsplit('\n').next().map_or(0, |last| last.chars().count());
        if !fresh && width + 1 + word.chars().count() > 78 {
            out.push_str(line.trim_end());
            out.push('\n');
            line = rest.to_owned();
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_whole_and_unique() {
        for (index, command) in COMMANDS.iter().enumerate() {
            assert!(
                COMMANDS.iter().skip(index + 1).all(|other| other.name != command.name),
                "{}",
                command.name
            );
            assert!(command.example.starts_with(command.name), "{}", command.name);
            assert!(!command.summary.ends_with('.') && command.summary.len() <= 90, "{}", command.name);
            let mut rest = false;
            for argument in command.arguments {
                assert!(!rest, "{}: nothing can stand after {}", command.name, argument.name);
                rest = matches!(argument.arity, Arity::Many | Arity::Text);
            }
        }
    }

    #[test]
    fn help_stays_within_the_screen() {
        for line in to_help().lines() {
            assert!(line.chars().count() <= 78, "{line}");
        }
    }

    #[test]
    fn usage_reads_like_a_command_line() {
        assert_eq!(find("undo").unwrap().usage(), "undo [--json]");
        assert_eq!(
            find("approve").unwrap().usage(),
            "approve [--for once|agent|run|always] [--rule RULE] [--edit JSON] [--json] ID..."
        );
    }
}
