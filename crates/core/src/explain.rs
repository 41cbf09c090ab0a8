//! Says in sentences how an agent is, and why.

use crate::Timestamp;
use crate::describe::{line_of, tool_line};
use crate::report::Channel;
use crate::state::{Agent, Confidence, Phase, PromptState, State, StatusState};

/// The most characters of a quoted text.
const QUOTED: usize = 100;

/// Says how an agent is, what that rests on, what it waits for, and what waits for it.
pub fn agent_lines(state: &State, agent: &Agent, now: Timestamp) -> Vec<String> {
    let name = &agent.key.name;
    let status = &agent.status;
    let mut lines = Vec::new();
    if let Some(since) = agent.paused {
        lines.push(format!(
            "{name} is paused, since {} ago; orchflow resume {name} lets it go on",
            age(now, since)
        ));
    }
    let was = if agent.paused.is_some() { "was" } else { "is" };
    let mut head = format!("{name} {was} {}", status.state.word());
    if let Some(what) = &status.waiting_for {
        head.push_str(&format!(" for: {}", line_of(what, QUOTED)));
    }
    head.push_str(&format!(", since {} ago", age(now, status.since)));
    if let Some(detail) = &status.detail {
        head.push_str(&format!(" ({})", line_of(detail, QUOTED)));
    }
    lines.push(head);
    lines.push(format!("known from {}", source(status.source, status.confidence)));
    if status.state == StatusState::Unknown {
        lines.push(format!("nobody can say what it does; look at it: orchflow attach {name}"));
    }
    for approval in state.approvals.values().filter(|approval| approval.agent == agent.key) {
        let what = tool_line(&approval.tool, &approval.input);
        let how = if approval.answerable {
            format!("orchflow approve a_{0}, or deny a_{0}", approval.seq.0)
        } else {
            format!("answer in its pane: orchflow attach {name}")
        };
        lines.push(format!("it asks to {what} (a_{}), {} ago; {how}", approval.seq.0, age(now, approval.at)));
        if let Some(reason) = &approval.reason {
            lines.push(format!("it said before: \"{}\"", line_of(reason, QUOTED)));
        }
    }
    if agent.in_turn {
        lines.push(format!("it is in turn {}", agent.turn));
    }
    if let Some(text) = &agent.last_text {
        lines.push(format!("its last words: \"{}\"", line_of(text, QUOTED)));
    }
    lines.extend(prompt_lines(state, agent, now));
    if agent.checkpointing {
        lines.push("its work is being kept as a checkpoint".to_owned());
    }
    if let Some(checkpoint) = &agent.checkpoint {
        lines.push(format!(
            "its work of turn {}: +{} -{} in {} files, {} hunks undecided",
            checkpoint.turn,
            checkpoint.insertions,
            checkpoint.deletions,
            checkpoint.files,
            state.undecided(agent)
        ));
    }
    lines.extend(exit_line(agent));
    lines
}

fn prompt_lines(state: &State, agent: &Agent, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    for lost in &agent.lost_prompts {
        let text = line_of(&lost.text, QUOTED);
        lines.push(format!("a prompt did not arrive, {} ago: \"{text}\"", age(now, lost.at)));
    }
    for prompt in state.prompts_of(&agent.key) {
        let (text, age) = (line_of(&prompt.text, QUOTED), age(now, prompt.queued_at));
        let how = match prompt.state {
            PromptState::Queued => match agent.holds_prompts() {
                Some(why) => format!("a prompt waits, because {why}"),
                None => "a prompt waits behind the one before it".to_owned(),
            },
            PromptState::Writing => "a prompt is being written".to_owned(),
            PromptState::Written => "a prompt is written, and nothing says yet that it was taken".to_owned(),
        };
        lines.push(format!("{how} ({age}): \"{text}\""));
    }
    lines
}

fn exit_line(agent: &Agent) -> Option<String> {
    match (&agent.exit, agent.phase) {
        (_, Phase::Requested) => Some("its worktree is being made".to_owned()),
        (_, Phase::Starting) => Some("its process is being started".to_owned()),
        (_, Phase::FailedToStart) => Some("it never ran".to_owned()),
        (Some(exit), _) if exit.lost => Some("its runner is gone without a word".to_owned()),
        (Some(exit), _) => Some(match (exit.code, exit.signal) {
            (Some(code), _) => format!("its process exited with {code}"),
            (None, Some(signal)) => format!("its process was ended by signal {signal}"),
            (None, None) => "its process ended".to_owned(),
        }),
        (None, _) => None,
    }
}

fn source(channel: Channel, confidence: Confidence) -> String {
    let from = match channel {
        Channel::Osc7501 => "the program's own status (OSC 7501)",
        Channel::Hook => "a hook the program ran",
        Channel::Title => "its window title",
        Channel::Notification => "a notification in its terminal",
        Channel::Osc => "a signal of its terminal",
        Channel::Process => "its process",
        Channel::Output => "whether it prints",
        Channel::Screen => "text on its screen",
    };
    match confidence {
        Confidence::Guess => format!("{from}: a guess"),
        Confidence::Stated | Confidence::Reported => from.to_owned(),
    }
}

/// Writes how long ago something was: `0:41`, `2:03:20`.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.0.saturating_sub(then.0).max(0) / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}
