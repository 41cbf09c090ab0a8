//! The command catalogue: one table from which the command line, `:Orchflow`, the wire and the
//! reference part of `:help` are made.

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

const fn arg(name: &'static str, arity: Arity, required: bool, summary: &'static str) -> Argument {
    Argument { name, arity, required, summary }
}

const fn switch(name: &'static str, summary: &'static str) -> Flag {
    Flag { name, short: None, kind: FlagKind::Switch, value: "", summary }
}

const fn flag(name: &'static str, kind: FlagKind, value: &'static str, summary: &'static str) -> Flag {
    Flag { name, short: None, kind, value, summary }
}

const JSON: Flag = switch("json", "print one JSON object instead of text");
const DRY_RUN: Flag = switch("dry-run", "say what would happen and change nothing");
const RUN: Flag = flag("run", FlagKind::Number, "N", "the run; the newest when absent");
const TIMEOUT: Flag =
    flag("timeout", FlagKind::Duration, "TIME", "with --wait: give up after this (90s, 10m); agents go on");
const WAIT: Flag = switch("wait", "wait until the run has nothing left to do");
const ON_APPROVAL: Flag = flag(
    "on-approval",
    FlagKind::Text,
    "stop|wait|deny",
    "with --wait: what to do when an agent needs a permission (stop)",
);
const VIEW: Flag = flag("view", FlagKind::Text, "auto|tmux|nvim|none", "where the agents are shown (auto)");
const INCLUDE_CHANGES: Flag =
    flag("include-changes", FlagKind::OnOff, "", "let uncommitted work go along, as a snapshot, or leave it");
const AGENT_NAMES: Argument = arg("agents", Arity::Many, true, "agents by name, or all");
const FILTER: Argument = arg(
    "filter",
    Arity::Many,
    false,
    "agent:NAME file:GLOB type:TYPE is:STATE turn:-1 run:N since:10m and words",
);
const HUNKS: Argument =
    arg("hunks", Arity::Many, false, "hunk ids or their beginnings; - reads them from standard input");
const LINES: Flag =
    flag("lines", FlagKind::Text, "+N-M,-N", "only these added (+) and removed (-) lines of the one hunk");
const HASH: Flag = flag("hash", FlagKind::Text, "HEX", "refuse unless the one hunk has this content hash");

/// Every command.
pub const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "swarm",
        summary: "start a run: several agents on one objective, each in a worktree of its own",
        arguments: &[arg("objective", Arity::Text, true, "what should be done, in your words")],
        flags: &[
            flag(
                "agents",
                FlagKind::List,
                "LIST",
                "kinds of agents, with commas (config, else what is installed)",
            ),
            INCLUDE_CHANGES,
            VIEW,
            WAIT,
            TIMEOUT,
            ON_APPROVAL,
            JSON,
        ],
        example: "swarm --agents claude,rehearsal,rehearsal Make the greeting configurable and cover it with a test",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "spawn",
        summary: "add an agent to a run",
        arguments: &[
            arg("agent", Arity::One, true, "the kind of agent"),
            arg("prompt", Arity::Text, false, "its first prompt; the run's objective when absent"),
        ],
        flags: &[RUN, flag("name", FlagKind::Text, "NAME", "what to call it"), INCLUDE_CHANGES, VIEW, JSON],
        example: "spawn claude Review the other agents' tests",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "send",
        summary: "send a prompt to one agent, to several (with commas), or to all",
        arguments: &[
            arg("to", Arity::One, true, "agents with commas, or all"),
            arg("text", Arity::Text, false, "the prompt; read from standard input when absent"),
        ],
        flags: &[RUN, JSON],
        example: "send claude Also handle an empty name",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "attach",
        summary: "show an agent in this terminal, or in a window of the editor",
        arguments: &[arg("agent", Arity::One, true, "the agent")],
        flags: &[
            switch("follow", "look on: send no keys and leave the agent's size alone"),
            flag("in", FlagKind::Text, "split|tab|float|pane", "in the editor: where it is shown (split)"),
        ],
        example: "attach claude",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "status",
        summary: "say who works, who waits and who is done",
        arguments: &[],
        flags: &[RUN, switch("all", "agents of earlier runs too"), JSON],
        example: "status",
        callers: Callers::Everyone,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "log",
        summary: "show what happened; with `verify`, check the whole log for changes",
        arguments: &[FILTER],
        flags: &[
            Flag {
                name: "follow",
                short: Some('f'),
                kind: FlagKind::Switch,
                value: "",
                summary: "go on as things happen",
            },
            flag("agent", FlagKind::Text, "NAME", "only this agent"),
            RUN,
            flag("type", FlagKind::List, "LIST", "only these event types"),
            flag("file", FlagKind::Text, "PATH", "only what touches this file"),
            flag("text", FlagKind::Text, "WORDS", "only what contains these words"),
            flag("since", FlagKind::Duration, "TIME", "only the last 90s, 10m, 2h, 3d"),
            flag("limit", FlagKind::Number, "N", "at most so many (100)"),
            flag("before", FlagKind::Number, "SEQ", "only events before this one"),
            flag("after", FlagKind::Number, "SEQ", "only events after this one"),
            JSON,
            switch("jsonl", "print one JSON object per line and event"),
        ],
        example: "log -f --agent claude",
        callers: Callers::Everyone,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "timeline",
        summary: "open the timeline: what happened, live at its end",
        arguments: &[FILTER],
        flags: &[],
        example: "timeline agent:claude type:edit since:10m",
        callers: Callers::Human,
        front: Front::Editor,
        hidden: false,
    },
    CommandSpec {
        name: "review",
        summary: "list the hunks that wait for a decision",
        arguments: &[FILTER],
        flags: &[
            RUN,
            flag("agent", FlagKind::Text, "NAME", "only this agent"),
            flag("file", FlagKind::Text, "PATH", "only this file"),
            switch("all", "decided hunks too"),
            flag("limit", FlagKind::Number, "N", "at most so many"),
            flag("after", FlagKind::Text, "CURSOR", "go on where `next` of an earlier page says"),
            JSON,
        ],
        example: "review --agent claude",
        callers: Callers::Everyone,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "accept",
        summary: "take hunks into your own tree",
        arguments: &[HUNKS],
        flags: &[HASH, LINES, DRY_RUN, JSON],
        example: "accept h_9f2c",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "reject",
        summary: "take hunks out of their agent's worktree, and tell it why",
        arguments: &[HUNKS],
        flags: &[
            HASH,
            LINES,
            flag("reason", FlagKind::Text, "TEXT", "why; the agent is told"),
            DRY_RUN,
            JSON,
        ],
        example: "reject h_9f2c --reason 'keep the old name'",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "comment",
        summary: "say something about a hunk to its agent",
        arguments: &[
            arg("hunk", Arity::One, true, "the hunk"),
            arg("text", Arity::Text, true, "the comment"),
        ],
        flags: &[HASH, JSON],
        example: "comment h_9f2c use the existing helper",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "undo",
        summary: "take the last decision back",
        arguments: &[],
        flags: &[JSON],
        example: "undo",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "redo",
        summary: "make the decision again that was undone last",
        arguments: &[],
        flags: &[JSON],
        example: "redo",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "approvals",
        summary: "list the permissions agents wait for",
        arguments: &[],
        flags: &[JSON],
        example: "approvals",
        callers: Callers::Everyone,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "approve",
        summary: "allow what an agent asks for, once",
        arguments: &[arg("id", Arity::One, true, "the approval, such as a_41")],
        flags: &[JSON],
        example: "approve a_41",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "deny",
        summary: "deny what an agent asks for, and tell it why",
        arguments: &[
            arg("id", Arity::One, true, "the approval, such as a_41"),
            arg("reason", Arity::Text, false, "why"),
        ],
        flags: &[JSON],
        example: "deny a_41 no new dependencies",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "stop",
        summary: "end agents; their work stays for review",
        arguments: &[AGENT_NAMES],
        flags: &[RUN, JSON],
        example: "stop all",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "pause",
        summary: "halt agents where they stand; prompts wait meanwhile",
        arguments: &[AGENT_NAMES],
        flags: &[RUN, JSON],
        example: "pause claude",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "resume",
        summary: "let paused agents go on",
        arguments: &[AGENT_NAMES],
        flags: &[RUN, JSON],
        example: "resume claude",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "why",
        summary: "say why something is as it is: an agent's status, an event, a hunk, an approval",
        arguments: &[arg(
            "about",
            Arity::Optional,
            false,
            "an agent, an event's number, a hunk or an approval",
        )],
        flags: &[JSON],
        example: "why claude",
        callers: Callers::Everyone,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "event",
        summary: "show one event whole: what it led from, what it led to, its diff",
        arguments: &[arg("seq", Arity::One, true, "the event's number")],
        flags: &[JSON],
        example: "event 214",
        callers: Callers::Everyone,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "file",
        summary: "print a file as it stands in an agent's checkpoint",
        arguments: &[
            arg("agent", Arity::One, true, "the agent"),
            arg("path", Arity::One, true, "the file, from the repository's top"),
        ],
        flags: &[
            RUN,
            flag("checkpoint", FlagKind::Text, "COMMIT", "a checkpoint of the agent (the newest)"),
            JSON,
        ],
        example: "file claude src/main.rs",
        callers: Callers::Everyone,
        front: Front::Shell,
        hidden: false,
    },
    CommandSpec {
        name: "seen",
        summary: "note that the human was shown these hunks as they are",
        arguments: &[HUNKS],
        flags: &[JSON],
        example: "seen h_9f2c",
        callers: Callers::Human,
        front: Front::Shell,
        hidden: true,
    },
    CommandSpec {
        name: "focus",
        summary: "go to the pane that shows an agent",
        arguments: &[arg("agent", Arity::One, true, "the agent")],
        flags: &[JSON],
        example: "focus claude",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "show",
        summary: "open panes for agents that run detached",
        arguments: &[AGENT_NAMES],
        flags: &[RUN, VIEW, JSON],
        example: "show all",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "dashboard",
        summary: "open the dashboard: every agent, live, with keys to steer it",
        arguments: &[],
        flags: &[RUN],
        example: "dashboard",
        callers: Callers::Human,
        front: Front::Editor,
        hidden: false,
    },
    CommandSpec {
        name: "next",
        summary: "go to what needs you most: a permission, a failure, finished work",
        arguments: &[arg("count", Arity::Optional, false, "how many to skip")],
        flags: &[],
        example: "next",
        callers: Callers::Human,
        front: Front::Editor,
        hidden: false,
    },
    CommandSpec {
        name: "enter",
        summary: "open a tab in an agent's worktree, to run and debug that version",
        arguments: &[arg("agent", Arity::One, true, "the agent")],
        flags: &[],
        example: "enter claude",
        callers: Callers::Human,
        front: Front::Editor,
        hidden: false,
    },
    CommandSpec {
        name: "view",
        summary: "switch the layout: agents only, editor and agents, or activity; again goes back",
        arguments: &[arg("layout", Arity::One, true, "terminal, split or dashboard")],
        flags: &[],
        example: "view dashboard",
        callers: Callers::Human,
        front: Front::Editor,
        hidden: false,
    },
    CommandSpec {
        name: "pick",
        summary: "pick an agent, an event or a hunk with vim.ui.select",
        arguments: &[arg("what", Arity::One, true, "agents, events or hunks"), FILTER],
        flags: &[],
        example: "pick hunks agent:claude",
        callers: Callers::Human,
        front: Front::Editor,
        hidden: false,
    },
    CommandSpec {
        name: "build",
        summary: "build the programs in the plugin's folder, as a plugin manager does after an update",
        arguments: &[],
        flags: &[],
        example: "build",
        callers: Callers::Human,
        front: Front::Editor,
        hidden: false,
    },
    CommandSpec {
        name: "clean",
        summary: "remove the worktrees of ended agents; their last state is kept under a ref",
        arguments: &[arg("agents", Arity::Many, false, "agents by name; every ended one when absent")],
        flags: &[RUN, DRY_RUN, JSON],
        example: "clean",
        callers: Callers::Human,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "agents",
        summary: "list the kinds of agents, where they are installed and how to get them",
        arguments: &[],
        flags: &[JSON],
        example: "agents",
        callers: Callers::Everyone,
        front: Front::Both,
        hidden: false,
    },
    CommandSpec {
        name: "wait",
        summary: "wait until a run has nothing left to do",
        arguments: &[],
        flags: &[RUN, TIMEOUT, ON_APPROVAL, JSON],
        example: "wait --timeout 10m",
        callers: Callers::Everyone,
        front: Front::Shell,
        hidden: false,
    },
    CommandSpec {
        name: "host",
        summary: "run the host of this repository in the foreground, or `stop` the one that runs",
        arguments: &[arg("action", Arity::Optional, false, "stop")],
        flags: &[JSON],
        example: "host stop",
        callers: Callers::Human,
        front: Front::Shell,
        hidden: false,
    },
    CommandSpec {
        name: "connect",
        summary: "make sure the host runs and say where it listens",
        arguments: &[],
        flags: &[JSON],
        example: "connect --json",
        callers: Callers::Human,
        front: Front::Shell,
        hidden: false,
    },
    CommandSpec {
        name: "completions",
        summary: "print the completion script of a shell",
        arguments: &[arg("shell", Arity::One, true, "bash, zsh, fish or elvish")],
        flags: &[],
        example: "completions bash",
        callers: Callers::Everyone,
        front: Front::Shell,
        hidden: false,
    },
    CommandSpec {
        name: "catalogue",
        summary: "print what is made from this table: lua or help",
        arguments: &[arg("format", Arity::One, true, "lua or help")],
        flags: &[],
        example: "catalogue lua",
        callers: Callers::Everyone,
        front: Front::Shell,
        hidden: true,
    },
    CommandSpec {
        name: "rehearsal",
        summary: "play the built-in offline agent in this terminal: a script, no model",
        arguments: &[],
        flags: &[
            flag("script", FlagKind::Text, "FILE", "the script to play, in YAML"),
            flag("name", FlagKind::Text, "NAME", "what it calls itself"),
            flag("persona", FlagKind::Number, "N", "which of the built-in scripts"),
        ],
        example: "rehearsal --persona 1",
        callers: Callers::Human,
        front: Front::Shell,
        hidden: false,
    },
    CommandSpec {
        name: "runner",
        summary: "hold an agent's terminal; started by the host",
        arguments: &[],
        flags: &[],
        example: "runner",
        callers: Callers::Human,
        front: Front::Shell,
        hidden: true,
    },
    CommandSpec {
        name: "hook",
        summary: "hand an agent's hook over to the host; called by agents",
        arguments: &[arg("words", Arity::Many, false, "what orchflow-hook takes")],
        flags: &[],
        example: "hook claude Stop",
        callers: Callers::Everyone,
        front: Front::Shell,
        hidden: true,
    },
];

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
        assert_eq!(find("approve").unwrap().usage(), "approve [--json] ID");
    }
}
