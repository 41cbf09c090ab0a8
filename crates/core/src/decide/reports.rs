//! What adapters saw, turned into facts.

use serde_json::Value;

use super::status::Seen;
use super::{Step, holding};
use crate::effect::{EffectBody, Timer};
use crate::event::EventBody;
use crate::event::payload::{
    self, AgentReported, ApprovalRejoined, ApprovalRequested, ApprovalSuperseded, ApprovalWithdrawn,
};
use crate::report::{Channel, Report, ReportEnvelope, StatedState};
use crate::state::agent::PROCESS_ENDED;
use crate::state::{Agent, Approval, ReadySignal, StatusSource, StatusState, TurnOutcome};
use crate::{AgentKey, EventSeq, Timestamp};

/// How long a turn that its program calls done may wait for its closing hook, in microseconds.
pub(super) const TURN_CLOSE: i64 = 1_500_000;

/// What settles an approval whose program states that it waits no more.
pub(super) const NOT_BLOCKED: &str = "it was answered in the agent's own pane";

pub(super) fn decide(step: &mut Step<'_>, envelope: ReportEnvelope) {
    let key = envelope.agent.clone();
    // A runner may be faster than the answer to the effect that started it.
    let Some(agent) = step.state.agents.get(&key) else { return };
    if agent.has_ended() {
        late(step, &key, envelope.report, envelope.id);
        return;
    }
    if !holding::hold(step, &envelope) {
        take(step, &key, envelope.channel, envelope.report, &envelope.id);
    }
    step.ready_after_all(&key);
    step.deliver(&key);
    step.settle(key.run);
}

/// Takes a report about a living agent, by its channel and its id.
pub(super) fn take(step: &mut Step<'_>, key: &AgentKey, channel: Channel, report: Report, id: &str) {
    match report {
        Report::ProcessStarted { .. } => {}
        Report::ProcessExited { code, signal, leftover_ended } => {
            exited(step, key, code, signal, leftover_ended, false);
        }
        Report::StatusStated { state, detail, category } => match channel {
            Channel::Title | Channel::Notification | Channel::Hook => {
                super::shown::decide(step, key, state, detail, category, channel);
            }
            _ => stated(step, key, state, detail, category.as_deref()),
        },
        Report::OutputActive | Report::OutputQuiet | Report::BracketedPaste { .. } => {
            output(step, key, &report);
        }
        Report::ScreenMatched { waiting_for, text } => {
            let seen = Seen::new(StatusState::Waiting, Channel::Screen).detail(Some(text));
            step.see(key, seen.waiting_for(waiting_for));
        }
        Report::TitleChanged { .. } | Report::BellRung => {}
        hook => hook_report(step, key, hook, id),
    }
}

/// Keeps what an ended agent's hooks still had to tell. It opens no turn and asks for nothing any more.
fn late(step: &mut Step<'_>, key: &AgentKey, report: Report, id: String) {
    match report {
        Report::ProcessStarted { .. }
        | Report::ProcessExited { .. }
        | Report::StatusStated { .. }
        | Report::TitleChanged { .. }
        | Report::BellRung
        | Report::OutputActive
        | Report::OutputQuiet
        | Report::BracketedPaste { .. }
        | Report::ScreenMatched { .. }
        | Report::ApprovalWithdrawn { .. }
        | Report::ApprovalRejoined { .. } => {}
        Report::SessionStarted { .. } | Report::SessionEnded { .. } => hook_report(step, key, report, &id),
        Report::ApprovalRequested { answerable: true, .. } => {
            content(step, key, report);
            let agent = key.clone();
            step.want(EffectBody::AnswerHook { agent, request: id, allow: None, reason: None, input: None });
        }
        told => content(step, key, told),
    }
}

/// Notes the end of an agent's process, however it is known.
pub(super) fn exited(
    step: &mut Step<'_>,
    key: &AgentKey,
    code: Option<i32>,
    signal: Option<i32>,
    leftover_ended: u32,
    lost: bool,
) {
    let Some(agent) = step.state.agents.get(key) else { return };
    if agent.has_ended() {
        return;
    }
    let open_turn = agent.in_turn.then_some(agent.turn);
    let stopped = agent.stop_requested;
    let (state, detail) = match (code, signal) {
        _ if stopped => (StatusState::Stopped, None),
        (Some(0), _) if agent.status.state == StatusState::Failed => (StatusState::Failed, None),
        (Some(0), _) => (StatusState::Exited, Some("exit 0".to_owned())),
        (Some(code), _) => (StatusState::Failed, Some(format!("exit {code}"))),
        (None, Some(signal)) => (StatusState::Failed, Some(format!("ended by signal {signal}"))),
        (None, None) => (StatusState::Failed, Some("its runner is gone without a word".to_owned())),
    };
    if let Some(turn) = open_turn {
        let outcome = match state {
            StatusState::Exited => TurnOutcome::Done,
            StatusState::Stopped => TurnOutcome::Interrupted,
            _ => TurnOutcome::Failed,
        };
        step.emit_for(key, payload::TurnEnded { turn, outcome, message: None });
    }
    step.emit_for(key, payload::AgentExited { code, signal, leftover_ended, lost });
    step.see(key, Seen::new(state, Channel::Process).detail(detail));
    supersede(step, key, None, "the agent's process ended");
    const TOO_EARLY: &str = "the agent's process ended before it took the prompt";
    // One that was cut off, as by a reboot, may be started again: what waited for it waits on.
    match step.state.agents.get(key).is_some_and(Agent::was_cut_off) {
        true => step.give_up_flying(key, TOO_EARLY),
        false => step.give_up_prompts(key, TOO_EARLY),
    }
    step.want_checkpoint(key, PROCESS_ENDED);
}

fn stated(
    step: &mut Step<'_>,
    key: &AgentKey,
    state: StatedState,
    detail: Option<String>,
    category: Option<&str>,
) {
    let source = Channel::Osc7501;
    match state {
        StatedState::Working => {
            let flying = step.in_flight(key).is_some();
            let Some(agent) = step.state.agents.get(key) else { return };
            // Where hooks carry the prompt, they start the turn; their content is worth the wait.
            if !agent.signals.hooks && (flying || !agent.in_turn) {
                step.start_turn(key, "it states that it works", None);
            }
            supersede_unblocked(step, key);
            step.see(key, Seen::new(StatusState::Working, source).detail(detail));
        }
        StatedState::Blocked => {
            let asked = step.state.approvals.values().any(|approval| &approval.agent == key);
            let Some(agent) = step.state.agents.get(key) else { return };
            // A rule answered it before the program stated that it waits.
            if !asked && detail.is_some() && agent.answered_ask == detail {
                return;
            }
            // Dialogs of the program itself come before it is ready; what it asks then belongs to its work,
            // though the hook that opens the turn may be late.
            let dialog = if asked || agent.ready { None } else { dialog_name(detail.as_deref()) };
            let what = dialog.unwrap_or(if category == Some("permission") { "approval" } else { "answer" });
            step.see(key, Seen::new(StatusState::Waiting, source).detail(detail).waiting_for(what));
        }
        StatedState::Idle => {
            supersede(step, key, None, NOT_BLOCKED);
            step.see(key, Seen::new(StatusState::Idle, source).detail(detail));
            step.end_turn(key, TurnOutcome::Interrupted, None);
            step.expect_late_hook(key);
        }
        StatedState::Done => {
            supersede(step, key, None, NOT_BLOCKED);
            step.see(key, Seen::new(StatusState::Done, source).detail(detail));
            close_turn(step, key, TurnOutcome::Done, None);
            step.expect_late_hook(key);
        }
        StatedState::Error => {
            supersede(step, key, None, NOT_BLOCKED);
            step.see(key, Seen::new(StatusState::Failed, source).detail(detail.clone()));
            close_turn(step, key, TurnOutcome::Failed, detail);
            step.expect_late_hook(key);
        }
        StatedState::Clear => {
            let Some(agent) = step.state.agents.get(key) else { return };
            // The dialog it stated is answered. Another may follow that it does not state.
            if !agent.ready && agent.status.state == StatusState::Waiting {
                step.see(key, Seen::new(StatusState::Starting, source));
            }
        }
    }
}

/// Ends a turn by the program's status, after its closing hook had the time to bring its words.
fn close_turn(step: &mut Step<'_>, key: &AgentKey, outcome: TurnOutcome, message: Option<String>) {
    let Some(agent) = step.state.agents.get(key) else { return };
    if !agent.in_turn {
        return;
    }
    if agent.signals.hooks && outcome == TurnOutcome::Done {
        let close = turn_close(agent, step.context.now);
        step.want(close);
    } else {
        step.end_turn(key, outcome, message);
    }
}

/// Wants a look at a turn that its program calls done while its closing hook is missing.
pub(super) fn turn_close(agent: &Agent, now: Timestamp) -> EffectBody {
    let timer = Timer::TurnClose { agent: agent.key.clone(), turn: agent.turn };
    EffectBody::Wake { timer, at: Timestamp(now.0 + TURN_CLOSE) }
}

/// Tells whether an agent's turn is open only because its closing hook is missing, or because its prompt hook came
/// when the program was at rest again already.
pub(super) fn awaits_closing_hook(agent: &Agent) -> bool {
    let is_at_rest = matches!(agent.status.state, StatusState::Done | StatusState::Idle);
    let tells = agent.stated || agent.status.source == Channel::Title;
    agent.in_turn && tells && agent.signals.hooks && is_at_rest
}

/// Names the dialog a program waits in before it is ready, by the words it states.
fn dialog_name(detail: Option<&str>) -> Option<&'static str> {
    let words = detail.unwrap_or_default().to_lowercase();
    ["trust", "api key", "mcp"].into_iter().find(|name| words.contains(name))
}

fn output(step: &mut Step<'_>, key: &AgentKey, report: &Report) {
    let Some(agent) = step.state.agents.get(key) else { return };
    let looks = agent.signals.status == StatusSource::Screen && !agent.stated;
    let by_output =
        agent.signals.status == StatusSource::Output && !agent.stated || looks && !agent.signals.hooks;
    let in_turn = agent.in_turn;
    // A shell hides its input line while a command runs, however silent that is.
    let is_hidden = agent.signals.ready == ReadySignal::BracketedPaste && !agent.bracketed_paste;
    match report {
        Report::BracketedPaste { on } => {
            let on = *on;
            if agent.bracketed_paste != on {
                step.emit_for(key, payload::InputModeChanged { bracketed_paste: on });
            }
            if on && by_output && !in_turn {
                step.see(key, Seen::new(StatusState::Idle, Channel::Output));
            }
            if on {
                step.await_dialog(key, 0);
            }
        }
        Report::OutputActive if by_output => {
            step.see(key, Seen::new(StatusState::Working, Channel::Output));
        }
        // A halted program prints nothing; it is looked at again when it goes on.
        Report::OutputQuiet if agent.is_halted() => {}
        Report::OutputQuiet if looks && in_turn => super::screen::look(step, key),
        Report::OutputQuiet if by_output && !is_hidden => {
            step.see(key, Seen::new(StatusState::Idle, Channel::Output));
            if in_turn {
                step.end_turn(key, TurnOutcome::Done, None);
            }
        }
        _ => {}
    }
}

fn hook_report(step: &mut Step<'_>, key: &AgentKey, report: Report, id: &str) {
    let source = Channel::Hook;
    let in_turn = step.state.agents.get(key).is_some_and(|agent| agent.in_turn);
    match report {
        Report::SessionStarted { session_id, source: how } => {
            step.emit_for(key, payload::AgentSessionStarted { session: session_id, source: how });
            let ready = step
                .state
                .agents
                .get(key)
                .is_some_and(|agent| agent.signals.ready == ReadySignal::SessionStart && !in_turn);
            if ready {
                step.see(key, Seen::new(StatusState::Idle, source));
            }
            let looks =
                step.state.agents.get(key).is_some_and(|agent| agent.signals.ready == ReadySignal::Screen);
            if looks {
                step.await_dialog(key, 0);
            }
        }
        Report::SessionEnded { reason } => {
            step.emit_for(key, payload::AgentSessionEnded { reason });
        }
        Report::PromptSubmitted { text } => {
            if !in_turn {
                supersede(step, key, None, "another turn began");
            }
            step.start_turn(key, "its prompt hook", Some(text));
            step.see(key, Seen::new(StatusState::Working, source));
            // The program states its work at the same time, unless that is over already.
            if let Some(agent) = step.state.agents.get(key).filter(|agent| awaits_closing_hook(agent)) {
                let close = turn_close(agent, step.context.now);
                step.want(close);
            }
        }
        Report::TurnEnded { message } => {
            supersede(step, key, None, "the turn ended");
            step.see(key, Seen::new(StatusState::Done, source));
            if in_turn {
                step.end_turn(key, TurnOutcome::Done, message);
            } else if message.is_some() {
                // The program's status closed the turn before its hook came; its words are kept.
                content(step, key, Report::TurnEnded { message });
            }
        }
        Report::TurnFailed { error, message } => {
            supersede(step, key, None, "the turn failed");
            step.see(key, Seen::new(StatusState::Failed, source).detail(Some(error.clone())));
            if in_turn {
                step.end_turn(key, TurnOutcome::Failed, message.or(Some(error)));
            } else {
                content(step, key, Report::TurnFailed { error, message });
            }
        }
        Report::UsageReported { .. } => {
            content(step, key, report);
            super::budget::check(step, key);
        }
        Report::LimitReached { limit, message, resets_at } => {
            super::limits::reached(step, key, limit, message, resets_at);
        }
        Report::ApprovalRequested { tool, input, tool_use_id, answerable, held } => {
            approval(step, key, id, tool, input, tool_use_id, answerable, held && answerable);
        }
        Report::ApprovalWithdrawn { request } => {
            let waiting = step.state.approvals.values().find(|approval| {
                approval.request == request && &approval.agent == key && approval.answerable
            });
            if let Some(seq) = waiting.map(|approval| approval.seq) {
                let why = "the program no longer waits for this connection".to_owned();
                step.emit_caused(key, seq, ApprovalWithdrawn { approval: seq, why });
            }
        }
        Report::ApprovalRejoined { request } => {
            let waiting = step.state.approvals.values().find(|approval| {
                approval.request == request && &approval.agent == key && !approval.answerable
            });
            if let Some(seq) = waiting.map(|approval| approval.seq) {
                step.emit_caused(key, seq, ApprovalRejoined { approval: seq });
                super::rules::answer_by_rule(step, seq);
            }
        }
        report => content(step, key, report),
    }
}

#[allow(clippy::too_many_arguments, reason = "the fields of one report")]
fn approval(
    step: &mut Step<'_>,
    key: &AgentKey,
    request: &str,
    tool: String,
    input: Value,
    tool_use_id: Option<String>,
    answerable: bool,
    held: bool,
) {
    let reason = step.state.agents.get(key).and_then(|agent| agent.last_text.clone());
    let detail = format!("approve {}", crate::describe::tool_line(&tool, &input));
    let paths = paths_of(step, key, &input);
    let request = request.to_owned();
    let body = ApprovalRequested { request, tool, input, tool_use_id, answerable, reason };
    step.emit_with_paths(key, paths, body);
    let asked = step.last_seq().unwrap_or_default();
    if super::rules::answer_by_rule(step, asked) {
        return;
    }
    let seen = Seen::new(StatusState::Waiting, Channel::Hook).detail(Some(detail));
    step.see(key, seen.waiting_for("approval").held(held));
}

/// Reports that carry content and change nothing but the record.
fn content(step: &mut Step<'_>, key: &AgentKey, report: Report) {
    let (body, input): (EventBody, Option<Value>) = match report {
        Report::ToolRequested { tool_use_id, tool, input } => {
            let reason = step.state.agents.get(key).and_then(|agent| agent.last_text.clone());
            (payload::ToolRequested { tool, tool_use_id, input: input.clone(), reason }.into(), Some(input))
        }
        Report::ToolFinished { tool_use_id, tool, input, response, duration_ms } => {
            supersede(step, key, Some(Call::new(&tool, &tool_use_id, &input)), "the tool ran");
            step.see(key, Seen::new(StatusState::Working, Channel::Hook));
            let paths_from = input.clone();
            (
                payload::ToolFinished { tool, tool_use_id, input, response, duration_ms }.into(),
                Some(paths_from),
            )
        }
        Report::ToolFailed { tool_use_id, tool, input, error, interrupted } => {
            supersede(step, key, Some(Call::new(&tool, &tool_use_id, &input)), "the tool failed");
            (payload::ToolFailed { tool, tool_use_id, error, interrupted }.into(), Some(input))
        }
        Report::ToolDenied { tool_use_id, tool, input, reason } => {
            supersede(step, key, Some(Call::new(&tool, &tool_use_id, &input)), "the tool was denied");
            (payload::ToolDenied { tool, tool_use_id, reason }.into(), Some(input))
        }
        Report::TextDisplayed { text, last, .. } => (payload::TextDisplayed { text, last }.into(), None),
        Report::NotificationShown { message, category } => {
            (payload::NotificationShown { message, category }.into(), None)
        }
        Report::UsageReported { usage } => {
            let turn = step.state.agents.get(key).map_or(0, |agent| agent.turn);
            (payload::UsageReported { usage, turn }.into(), None)
        }
        Report::LimitReached { limit, message, resets_at } => {
            (payload::LimitReached { limit, message, resets_at, resumes: false }.into(), None)
        }
        Report::PlanUpdated { steps } => (payload::PlanUpdated { steps }.into(), None),
        Report::SubagentStarted { subagent, category } => {
            (payload::SubagentStarted { subagent, category }.into(), None)
        }
        Report::SubagentStopped { subagent, message } => {
            (payload::SubagentStopped { subagent, message }.into(), None)
        }
        Report::Other { name, payload } => (AgentReported { name, payload }.into(), None),
        other => {
            let payload = serde_json::to_value(&other).unwrap_or(Value::Null);
            (AgentReported { name: "report".to_owned(), payload }.into(), None)
        }
    };
    let paths = input.map(|input| paths_of(step, key, &input)).unwrap_or_default();
    // A tool's request, its permission and its end are a chain within the turn.
    let cause = step.state.agents.get(key).map(|agent| agent.turn_seq.unwrap_or(agent.seq));
    step.push(Some(key.clone()), Some(key.run), cause, paths, body);
}

/// The arguments of tools that name a file.
const PATHS: [&str; 4] = ["file_path", "path", "filePath", "notebook_path"];

/// Gives the repository-relative paths a tool's arguments name.
fn paths_of(step: &Step<'_>, key: &AgentKey, input: &Value) -> Vec<Vec<u8>> {
    let worktree = step.state.agents.get(key).and_then(|agent| agent.worktree.as_ref());
    let root = worktree.map_or(&[][..], |root| root.0.as_slice());
    let mut paths: Vec<Vec<u8>> = PATHS
        .iter()
        .filter_map(|name| input.get(name)?.as_str())
        .map(|path| {
            let path = path.as_bytes();
            match path.strip_prefix(root) {
                Some([b'/', rest @ ..]) if !root.is_empty() => rest,
                Some([]) => &[],
                _ => path.strip_prefix(b"./").unwrap_or(path),
            }
        })
        .filter(|path| !path.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    paths.dedup();
    paths
}

/// One use of a tool, as far as a report names it.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    tool: &'a str,
    id: Option<&'a str>,
    input: &'a Value,
}

/// Tells whether the arguments of a call are those that were asked for: not every program asks with all of them, or by
/// the same names. What is about the same file is the same.
fn holds(input: &Value, asked: &Value) -> bool {
    match (input, asked) {
        (Value::Object(input), Value::Object(asked)) if !asked.is_empty() => {
            let path = |of: &serde_json::Map<String, Value>| {
                PATHS.iter().find_map(|name| of.get(*name)?.as_str().map(str::to_owned))
            };
            let same_file = path(asked).is_some_and(|asked| path(input) == Some(asked));
            same_file || asked.iter().all(|(name, value)| input.get(name) == Some(value))
        }
        _ => input == asked,
    }
}

impl<'a> Call<'a> {
    fn new(tool: &'a str, id: &'a Option<String>, input: &'a Value) -> Self {
        Call { tool, id: id.as_deref(), input }
    }

    /// Tells whether an approval was asked for this call. Not every program names the call when it asks;
    /// then the same tool with the same arguments is it.
    fn is_asked_by(self, approval: &Approval) -> bool {
        match (self.id, approval.tool_use_id.as_deref()) {
            (Some(ended), Some(asked)) => ended == asked,
            _ => self.tool == approval.tool && holds(self.input, &approval.input),
        }
    }
}

/// Settles approvals that were settled elsewhere; `call` narrows it to those of one call.
pub(super) fn supersede(step: &mut Step<'_>, key: &AgentKey, call: Option<Call<'_>>, why: &str) {
    let settled: Vec<(EventSeq, String, bool)> = step
        .state
        .approvals
        .values()
        .filter(|approval| &approval.agent == key)
        .filter(|approval| call.is_none_or(|call| call.is_asked_by(approval)))
        .map(|approval| (approval.seq, approval.request.clone(), approval.answerable))
        .collect();
    for (seq, request, answerable) in settled {
        step.emit_caused(key, seq, ApprovalSuperseded { approval: seq, why: why.to_owned() });
        if answerable {
            let agent = key.clone();
            step.want(EffectBody::AnswerHook { agent, request, allow: None, reason: None, input: None });
        }
    }
}

/// Settles approvals the program stated it was blocked on and is no more: somebody answered in its pane.
pub(super) fn supersede_unblocked(step: &mut Step<'_>, key: &AgentKey) {
    let seen = step.state.approvals.values().any(|approval| &approval.agent == key && approval.seen_blocked);
    if seen {
        supersede(step, key, None, NOT_BLOCKED);
    }
}
