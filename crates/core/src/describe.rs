//! Events and tools in one line, as people read them in the timeline.

mod stored;

use serde_json::Value;

use crate::event::{Event, EventBody};
use crate::state::TurnOutcome;
use crate::usage::{PlanStatus, PlanStep, Usage};

pub use stored::stored_summary;

/// The arguments of tools that tell most, the most telling first.
const TELLING: [&str; 8] =
    ["command", "file_path", "path", "pattern", "url", "query", "description", "prompt"];

/// Longest line given, in characters.
const WIDTH: usize = 160;

/// Says what happened in one line without control characters.
pub fn summary(event: &Event) -> String {
    one_line(&text(event))
}

/// Says what a tool is to do: its name and its most telling argument.
pub fn tool_line(tool: &str, input: &Value) -> String {
    let telling = TELLING.iter().find_map(|name| input.get(name)?.as_str());
    one_line(&match telling {
        Some(argument) => format!("{tool}: {argument}"),
        None => tool.to_owned(),
    })
}

/// Folds white space and drops control characters, so that the text cannot steer a terminal.
pub fn one_line(text: &str) -> String {
    line_of(text, WIDTH)
}

/// As [`one_line`], at most `width` characters long.
pub fn line_of(text: &str, width: usize) -> String {
    let mut line = String::new();
    let mut count = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if count > 0 {
            line.push(' ');
            count += 1;
        }
        for c in word.chars().filter(|c| !turns_text(*c)) {
            if count >= width {
                line.push('…');
                return line;
            }
            line.push(c);
            count += 1;
        }
    }
    line
}

/// Tells whether a character turns the direction of what follows, so that a line reads other than it is.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", one_line(text))
}

fn text(event: &Event) -> String {
    let with = |head: String, tail: Option<&String>| match tail {
        Some(tail) if !tail.trim().is_empty() => format!("{head}: {tail}"),
        _ => head,
    };
    match &event.body {
        EventBody::HostStarted(body) => match body.agents_lost {
            0 => format!("host {} started", body.version),
            lost => format!("host {} started; {lost} agents are gone without a word", body.version),
        },
        EventBody::HostStopped(body) => format!("host stopped: {}", body.reason),
        EventBody::RunStarted(body) => format!("run started from {}: {}", body.base, quoted(&body.objective)),
        EventBody::RunSettled(body) => format!("run {}", body.outcome),
        EventBody::AgentRequested(body) => format!("asked for {} from {}", body.title, body.base),
        EventBody::WorktreeCreated(body) => format!("worktree {}", body.worktree.lossy()),
        EventBody::AgentSpawned(body) => format!("process {} started", body.pid),
        EventBody::AgentFailedToStart(body) => format!("did not start: {}", body.message),
        EventBody::AgentStatusChanged(body) => {
            let word = body.status.word();
            let head = match &body.waiting_for {
                Some(what) => format!("{word}: {what}"),
                None => word.to_owned(),
            };
            match &body.detail {
                Some(detail) => format!("{head} ({detail})"),
                None => head,
            }
        }
        EventBody::StopRequested(_) => "stop asked for".to_owned(),
        EventBody::PauseRequested(_) => "pause asked for".to_owned(),
        EventBody::ResumeRequested(_) => "resume asked for".to_owned(),
        EventBody::AgentPaused(body) => format!("paused, {} processes", body.processes),
        EventBody::AgentResumed(_) => "goes on".to_owned(),
        EventBody::PauseFailed(body) => {
            format!("not {}: {}", if body.pause { "paused" } else { "resumed" }, body.message)
        }
        EventBody::AgentAdopted(body) => {
            let what = if body.copy { "a copy of the session" } else { "the session" };
            match body.process {
                Some(pid) => format!("adopted: goes on in {what} {} of process {pid}", body.session),
                None => format!("adopted: goes on in {what} {}", body.session),
            }
        }
        EventBody::AgentRestartRequested(body) => match &body.session {
            Some(session) => format!("started again with its session {session}"),
            None => "started again with a new session".to_owned(),
        },
        EventBody::AgentExited(body) => {
            let how = match (body.code, body.signal) {
                (Some(code), _) => format!("exited {code}"),
                (None, Some(signal)) => format!("ended by signal {signal}"),
                (None, None) if body.lost => "is gone without a word".to_owned(),
                (None, None) => "ended".to_owned(),
            };
            match body.leftover_ended {
                0 => how,
                count => format!("{how}; {count} processes it left were ended"),
            }
        }
        EventBody::AgentSessionStarted(body) => format!("session {} ({})", body.session, body.source),
        EventBody::AgentSessionEnded(body) => format!("session ended: {}", body.reason),
        EventBody::InputModeChanged(body) => {
            format!("bracketed paste {}", if body.bracketed_paste { "on" } else { "off" })
        }
        EventBody::ViewRequested(body) => format!("a view in {} asked for", body.backend),
        EventBody::ViewOpened(body) => format!("shown in {} {}", body.backend, body.view),
        EventBody::ViewClosed(body) => format!("view {} closed", body.view),
        EventBody::ViewNotOpened(body) => format!("detached: {}", body.reason),
        EventBody::PromptQueued(body) => format!("prompt queued: {}", quoted(&body.text)),
        EventBody::PromptExtended(body) => format!("prompt extended: {}", quoted(&body.text)),
        EventBody::PromptWriting(_) => "prompt being written".to_owned(),
        EventBody::PromptWritten(body) => {
            let how = if body.bracketed { ", bracketed" } else { "" };
            format!("prompt written ({} bytes{how})", body.bytes)
        }
        EventBody::PromptAccepted(body) => format!("prompt accepted by {}", body.evidence),
        EventBody::PromptUndelivered(body) => format!("prompt undelivered: {}", body.reason),
        EventBody::AiStartedTask(body) => format!("started on {}", quoted(&body.task)),
        EventBody::TurnStarted(body) => with(format!("turn {} started", body.turn), body.text.as_ref()),
        EventBody::TurnEnded(body) => {
            let how = match body.outcome {
                TurnOutcome::Done => "done",
                TurnOutcome::Failed => "failed",
                TurnOutcome::Interrupted => "interrupted",
            };
            with(format!("turn {} {how}", body.turn), body.message.as_ref())
        }
        EventBody::TurnHeld(body) => match body.writers.first() {
            Some(writer) => format!("not over yet: {} writes {}", writer.command, writer.path.lossy()),
            None => "not over yet".to_owned(),
        },
        EventBody::TurnReleased(_) => "nothing writes any more".to_owned(),
        EventBody::ToolRequested(body) => format!("wants {}", tool_line(&body.tool, &body.input)),
        EventBody::ToolFinished(body) => format!("did {}", tool_line(&body.tool, &body.input)),
        EventBody::ToolFailed(body) => format!("{} failed: {}", body.tool, body.error),
        EventBody::ToolDenied(body) => format!("{} denied: {}", body.tool, body.reason),
        EventBody::TextDisplayed(body) => body.text.clone(),
        EventBody::NotificationShown(body) => format!("notifies: {}", body.message),
        EventBody::UsageReported(body) => usage(&body.usage),
        EventBody::BudgetSet(body) => match body.limit_usd {
            Some(usd) => format!("budget of {} is ${usd:.2}", body.scope),
            None => format!("budget of {} lifted", body.scope),
        },
        EventBody::BudgetPassed(body) => {
            let unknown = if body.unknown_tokens > 0 { ", and more of unknown cost" } else { "" };
            format!("{} used ${:.2} of ${:.2}{unknown}", body.scope, body.spent_usd, body.limit_usd)
        }
        EventBody::LimitReached(body) => with(body.limit.word().to_owned(), Some(&body.message)),
        EventBody::PlanUpdated(body) => plan(&body.steps),
        EventBody::SubagentStarted(body) => format!("subagent {} started", body.category),
        EventBody::SubagentStopped(body) => with("subagent ended".to_owned(), body.message.as_ref()),
        EventBody::ApprovalRequested(body) => {
            format!("asks to {} (a_{})", tool_line(&body.tool, &body.input), event.seq.0)
        }
        EventBody::ApprovalWithdrawn(body) => {
            format!("a_{} cannot be answered here: {}", body.approval.0, body.why)
        }
        EventBody::ApprovalRejoined(body) => format!("a_{} can be answered here again", body.approval.0),
        EventBody::ApprovalAnswered(body) => {
            let word = if body.allow { "allowed" } else { "denied" };
            let by = body.rule.map(|rule| format!(" by rule r_{}", rule.0)).unwrap_or_default();
            let changed = if body.input.is_some() { " with other arguments" } else { "" };
            with(format!("a_{} {word}{by}{changed}", body.approval.0), body.reason.as_ref())
        }
        EventBody::RuleAdded(body) => {
            let (word, scope) = (body.verdict.word(), &body.scope);
            format!("rule r_{}: {word} {} ({scope})", event.seq.0, body.matcher)
        }
        EventBody::RuleRemoved(body) => with(format!("rule r_{} removed", body.rule.0), Some(&body.why)),
        EventBody::ApprovalSuperseded(body) => format!("a_{} superseded: {}", body.approval.0, body.why),
        EventBody::CheckpointTaken(body) => {
            format!(
                "checkpoint +{} -{} in {} files ({})",
                body.insertions, body.deletions, body.files, body.reason
            )
        }
        EventBody::CheckpointFailed(body) => format!("no checkpoint: {}", body.message),
        EventBody::AiGeneratedCode(body) => format!("changed {} {}", body.file.lossy(), body.diff),
        EventBody::AiRequestedReview(body) => format!("{} hunks to review", body.changes),
        EventBody::AcceptRequested(body) => format!("accept {}", place(&body.hunk)),
        EventBody::HunkAccepted(body) => format!("accepted {}", place(&body.hunk)),
        EventBody::RejectRequested(body) => {
            with(format!("reject {}", place(&body.hunk)), body.reason.as_ref())
        }
        EventBody::HunkRejected(body) => {
            with(format!("rejected {}", place(&body.hunk)), body.reason.as_ref())
        }
        EventBody::DecisionRefused(body) => {
            format!("{} of {} refused: {}", body.decision, place(&body.hunk), body.message)
        }
        EventBody::HunksSeen(body) => match body.hunks.len() {
            1 => "saw a hunk".to_owned(),
            count => format!("saw {count} hunks"),
        },
        EventBody::HunkCommented(body) => format!("comment on {}: {}", place(&body.hunk), body.text),
        EventBody::UndoRequested(_) => "undo".to_owned(),
        EventBody::HumanRevertedChange(body) => format!("{} of {} undone", body.decision, place(&body.hunk)),
        EventBody::UndoRefused(body) => format!("undo refused: {}", body.message),
        EventBody::HumanProvidedGuidance(body) => format!("says {}", quoted(&body.text)),
        EventBody::CleanRequested(_) => "clean asked for".to_owned(),
        EventBody::WorktreeCleaned(body) => format!("worktree removed, kept as {}", body.kept_ref),
        EventBody::CleanFailed(body) => format!("worktree not removed: {}", body.message),
        EventBody::EffectLost(body) => format!("{}: {}", body.effect, body.message),
        EventBody::AgentReported(body) => format!("reports {}", body.name),
    }
}

fn usage(usage: &Usage) -> String {
    let read = usage.input_tokens + usage.cached_tokens + usage.cache_write_tokens;
    let total = if usage.is_total { " so far" } else { "" };
    let cost = usage.cost_usd.map(|cost| format!(", ${cost:.4}")).unwrap_or_default();
    format!("used {read} tokens in, {} out{cost}{total}", usage.output_tokens)
}

fn plan(steps: &[PlanStep]) -> String {
    let done = steps.iter().filter(|step| step.status == PlanStatus::Completed).count();
    let current = steps.iter().find(|step| step.status == PlanStatus::InProgress);
    let now = current.map(|step| format!(", now {}", step.text)).unwrap_or_default();
    format!("plan: {done} of {} done{now}", steps.len())
}

fn place(hunk: &crate::event::payload::HunkRef) -> String {
    let (added, removed) = match &hunk.lines {
        Some(lines) => (lines.added.len() as u32, lines.removed.len() as u32),
        None => (hunk.insertions, hunk.deletions),
    };
    let some = if hunk.lines.is_some() { "some lines, " } else { "" };
    format!("{}:{} ({some}+{added} -{removed})", hunk.path.lossy(), hunk.told_line())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_steer_a_terminal() {
        assert_eq!(one_line("a\u{1b}]0;x\u{7}b\r\n\tc"), "a ]0;x b c");
        assert_eq!(one_line("rm \u{202e}txt.exe\u{2066}"), "rm txt.exe");
        assert_eq!(one_line(&"x".repeat(500)).chars().count(), WIDTH + 1);
    }

    #[test]
    fn a_tool_is_named_with_its_telling_argument() {
        assert_eq!(tool_line("Bash", &serde_json::json!({"command": "touch zz"})), "Bash: touch zz");
        assert_eq!(tool_line("Odd", &Value::Null), "Odd");
    }
}
