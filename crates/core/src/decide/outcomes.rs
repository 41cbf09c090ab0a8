//! How effects went, turned into facts and further wishes.

use super::status::{Seen, may_show_dialog};
use super::{Step, delivery, reports};
use crate::effect::{Effect, EffectBody, Ended, Outcome, SCREEN_AT_REST, SCREEN_EARLY, Timer};
use crate::event::payload::{
    self, AgentFailedToStart, AgentSpawned, AiGeneratedCode, AiRequestedReview, CheckpointFailed,
    CheckpointTaken, CleanFailed, DecisionRefused, EffectLost, HostStarted, HumanRevertedChange,
    HunkAccepted, HunkRef, HunkRejected, PromptUndelivered, PromptWritten, UndoRefused, ViewNotOpened,
    ViewOpened, WorktreeCleaned, WorktreeCreated,
};
use crate::report::Channel;
use crate::state::agent::{HUNK_REJECTED, PROCESS_ENDED, TURN_ENDED};
use crate::state::{Agent, Phase, PromptOrigin, ReadySignal, StatusSource, StatusState, TurnOutcome};
use crate::{AgentKey, Code, EventSeq, Refusal, Timestamp};

/// What an agent waits for when neither it nor its screen says anything known.
const LOOK: &str = "look at the pane";

/// The most files one checkpoint tells of one by one.
const FILES_TOLD: usize = 200;

/// How long a program may show nothing known before somebody should look, in microseconds.
const SILENT_START: i64 = 5_000_000;

/// The same for one that is known to draw other things before its input line.
const SLOW_START: i64 = 20_000_000;

pub(super) fn decide(step: &mut Step<'_>, effect: &Effect, outcome: Outcome) {
    match &effect.body {
        EffectBody::CreateWorktrees { agents, place, .. } => worktrees(step, agents, place, outcome),
        EffectBody::LaunchAgent { agent, .. } => launched(step, agent, outcome),
        EffectBody::OpenViews { agents, .. } => views(step, agents, outcome),
        EffectBody::PastePrompt { agent, prompt, .. } => pasted(step, agent, *prompt, outcome),
        EffectBody::ReadScreen { agent, attempt } => screen_read(step, agent, *attempt, outcome),
        EffectBody::Wake { timer, .. } => woken(step, timer),
        EffectBody::TakeCheckpoint { agent, turn, reason, .. } => {
            checkpointed(step, agent, *turn, reason, outcome);
        }
        EffectBody::ApplyHunk { hunk, .. } => decided(step, effect.id.seq, hunk, "accept", outcome),
        EffectBody::RevertHunk { hunk, .. } => decided(step, effect.id.seq, hunk, "reject", outcome),
        EffectBody::UndoDecision { event, hunk, decision, .. } => {
            undone(step, effect.id.seq, *event, hunk, decision, outcome);
        }
        EffectBody::StopAgent { agent } => stopped(step, agent, outcome),
        EffectBody::PauseAgent { agent, pause } => super::pause::done(step, agent, *pause, outcome),
        EffectBody::LookForWriters { agent, attempt, .. } => {
            super::holding::looked(step, agent, *attempt, outcome);
        }
        EffectBody::CleanWorktree { agent, .. } => cleaned(step, agent, outcome),
        EffectBody::AnswerHook { agent, allow, .. } => {
            answered(step, effect.id.seq, agent, allow.is_some(), outcome);
        }
    }
}

/// Notes who took over, and what became of the agents meanwhile.
pub(super) fn host_started(
    step: &mut Step<'_>,
    version: String,
    pid: u32,
    living: &[AgentKey],
    gone: Vec<super::GoneAgent>,
) {
    let agents_lost = gone.iter().filter(|(_, exit)| exit.is_none()).count() as u32;
    step.emit_host(HostStarted { version, pid, runners_found: living.len() as u32, agents_lost });
    for (key, exit) in gone {
        runner_gone(step, &key, exit);
    }
    // The connections that carried answers died with the host before this one.
    let dead: Vec<(EventSeq, AgentKey)> = step
        .state
        .approvals
        .values()
        .filter(|approval| approval.answerable)
        .map(|approval| (approval.seq, approval.agent.clone()))
        .collect();
    for (seq, agent) in dead {
        let why = "the host was started anew; answer in the agent's own pane".to_owned();
        step.emit_caused(&agent, seq, payload::ApprovalWithdrawn { approval: seq, why });
    }
    for key in living {
        step.deliver(key);
    }
}

/// Notes the end of an agent whose runner is gone: as the runner wrote it down, else as lost.
pub(super) fn runner_gone(step: &mut Step<'_>, key: &AgentKey, exit: Option<(Option<i32>, Option<i32>)>) {
    let (code, signal) = exit.unwrap_or((None, None));
    reports::exited(step, key, code, signal, 0, exit.is_none());
    step.settle(key.run);
}

fn worktrees(step: &mut Step<'_>, agents: &[AgentKey], place: &crate::command::ViewPlace, outcome: Outcome) {
    let (mut results, otherwise) = match outcome {
        Outcome::WorktreesCreated(results) => (results, "nothing is known of it".to_owned()),
        Outcome::Failed(refusal) => (Vec::new(), explain(&refusal)),
        _ => (Vec::new(), "its outcome is unknown".to_owned()),
    };
    for key in agents {
        if !results.iter().any(|(known, _)| known == key) {
            results.push((key.clone(), Err(otherwise.clone())));
        }
    }
    let mut standing = Vec::new();
    for (key, result) in results {
        let Some(agent) = step.state.agents.get(&key) else { continue };
        if agent.phase != Phase::Requested {
            continue;
        }
        let (kind, index, cause) = (agent.kind.clone(), agent.index, agent.seq);
        let (resume, fork) = (agent.resuming.clone(), agent.forking);
        match result {
            Ok((worktree, strategy)) => {
                step.emit_caused(&key, cause, WorktreeCreated { worktree: worktree.clone(), strategy });
                if step.state.agents.get(&key).is_some_and(|agent| agent.stop_requested) {
                    fail_start(step, &key, "it was stopped before it started");
                    continue;
                }
                let agent = key.clone();
                step.want(EffectBody::LaunchAgent {
                    agent,
                    catalogue_kind: kind,
                    index,
                    worktree,
                    resume,
                    fork,
                });
                standing.push(key);
            }
            Err(why) => fail_start(step, &key, &format!("its worktree could not be made: {why}")),
        }
    }
    if !standing.is_empty() && place.backend != "none" {
        step.want(EffectBody::OpenViews { agents: standing, place: place.clone() });
    }
}

fn fail_start(step: &mut Step<'_>, key: &AgentKey, message: &str) {
    step.emit_for(key, AgentFailedToStart { message: message.to_owned() });
    step.see(key, Seen::new(StatusState::Failed, Channel::Process).detail(Some(message.to_owned())));
    reports::supersede(step, key, None, "the agent did not start");
    step.give_up_prompts(key, "the agent did not start");
    step.settle(key.run);
}

pub(super) fn explain(refusal: &Refusal) -> String {
    match &refusal.hint {
        Some(hint) => format!("{}; {hint}", refusal.message),
        None => refusal.message.clone(),
    }
}

fn launched(step: &mut Step<'_>, key: &AgentKey, outcome: Outcome) {
    let Some(agent) = step.state.agents.get(key) else { return };
    if agent.phase != Phase::Starting {
        return;
    }
    match outcome {
        Outcome::Launched { pid, runner_pid, argv, environment, ports } => {
            let (cause, ready) = (agent.seq, agent.signals.ready);
            step.emit_caused(key, cause, AgentSpawned { pid, runner_pid, argv, environment, ports });
            if ready == ReadySignal::Start {
                step.see(key, Seen::new(StatusState::Idle, Channel::Process));
            }
            let timer = Timer::Readiness { agent: key.clone(), attempt: 0 };
            let at = delivery::readiness_check(step.context.now, 0);
            step.want(EffectBody::Wake { timer, at });
            let slow = step.state.agents.get(key).filter(|agent| !agent.ready);
            if let Some(wake) = slow.and_then(delivery::ready_by) {
                step.want(wake);
            }
            step.deliver(key);
        }
        Outcome::Failed(refusal) => fail_start(step, key, &explain(&refusal)),
        _ => {
            fail_start(step, key, "nobody can say whether it started; see its log");
            // If it did, it must not work on unseen.
            step.want(EffectBody::StopAgent { agent: key.clone() });
        }
    }
}

fn views(step: &mut Step<'_>, agents: &[AgentKey], outcome: Outcome) {
    let (results, otherwise) = match outcome {
        Outcome::ViewsOpened(results) => (results, "nothing is known of its view".to_owned()),
        Outcome::Failed(refusal) => (Vec::new(), explain(&refusal)),
        Outcome::Unknown(why) => (Vec::new(), why),
        _ => (Vec::new(), "what became of its view is unknown".to_owned()),
    };
    for key in agents {
        let told = results.iter().find(|(known, _)| known == key).map(|(_, result)| result.clone());
        let Some(agent) = step.state.agents.get(key) else { continue };
        let (cause, ended) = (agent.seq, agent.has_ended());
        match told.unwrap_or_else(|| Err(otherwise.clone())) {
            Ok((backend, view)) => {
                step.emit_caused(key, cause, ViewOpened { backend, view });
            }
            // What has ended meanwhile has nothing to show.
            Err(_) if ended => {}
            Err(reason) => {
                step.emit_caused(key, cause, ViewNotOpened { reason });
            }
        }
    }
}

fn pasted(step: &mut Step<'_>, key: &AgentKey, prompt: u64, outcome: Outcome) {
    // The program may have been faster than the runner's answer: then it is accepted already.
    let is_open = step.state.prompts.contains_key(&prompt);
    match outcome {
        Outcome::Pasted { bytes, bracketed, echoed } => {
            step.emit_for(key, PromptWritten { prompt, bytes, bracketed, echoed });
            if !is_open {
                return;
            }
            let Some(agent) = step.state.agents.get(key) else { return };
            let shows = matches!(agent.signals.status, StatusSource::Output | StatusSource::Screen);
            let tells = agent.signals.hooks || !shows || agent.stated;
            if tells {
                step.await_acceptance(key, prompt);
            } else {
                let evidence =
                    if echoed { "it printed after the prompt" } else { "written; it tells nothing" };
                step.start_turn(key, evidence, None);
            }
        }
        Outcome::Failed(refusal) if is_open => {
            step.emit_for(key, PromptUndelivered { prompt, reason: explain(&refusal) });
        }
        Outcome::Unknown(why) if is_open => {
            step.emit_for(key, PromptUndelivered { prompt, reason: why });
        }
        _ => {}
    }
    step.settle(key.run);
}

fn screen_read(step: &mut Step<'_>, key: &AgentKey, attempt: u32, outcome: Outcome) {
    let Outcome::ScreenRead(found) = outcome else { return };
    let Some(agent) = step.state.agents.get(key) else { return };
    if let Some(turn) = attempt.checked_sub(SCREEN_AT_REST) {
        super::screen::rests(step, key, turn, found);
        return;
    }
    if agent.ready || !agent.is_living() {
        return;
    }
    let status = &agent.status;
    let begun = agent.resumed_at.map_or(status.since, |at| at.max(status.since));
    let silent_for = step.context.now.0.saturating_sub(begun.0);
    // That it is late says more than that nobody knows its screen.
    let is_overdue = agent.is_overdue(step.context.now);
    let is_early = found.as_ref().is_some_and(|(waiting_for, _)| waiting_for == SCREEN_EARLY);
    if is_early && !is_overdue && silent_for < SLOW_START {
        return;
    }
    let found = found.filter(|_| !is_early);
    let found = found.filter(|(waiting_for, _)| !is_overdue || waiting_for != LOOK);
    // A dialog may be drawn a moment after the program began to read keys, so the first look is not enough.
    let reads = agent.bracketed_paste || agent.session.is_some();
    let is_clear = !is_early && found.as_ref().is_none_or(|(waiting_for, _)| waiting_for == LOOK);
    if agent.signals.ready == ReadySignal::Screen && reads && is_clear {
        if attempt > 0 {
            step.see(key, Seen::new(StatusState::Idle, Channel::Screen));
            step.deliver(key);
        }
        return;
    }
    match found {
        Some((waiting_for, text)) => {
            let seen = Seen::new(StatusState::Waiting, Channel::Screen).detail(Some(text));
            step.see(key, seen.waiting_for(waiting_for));
        }
        None if is_overdue && (status.source == Channel::Screen || silent_for >= SILENT_START) => {
            step.show_overdue(key);
        }
        None if status.state == StatusState::Starting && silent_for >= SILENT_START => {
            let seen = Seen::new(StatusState::Waiting, Channel::Screen);
            step.see(key, seen.waiting_for(LOOK));
        }
        // The dialog is gone from the screen, and nothing says yet what came after it.
        None if status.source == Channel::Screen && status.waiting_for.as_deref() != Some(LOOK) => {
            step.see(key, Seen::new(StatusState::Unknown, Channel::Screen));
        }
        None => {}
    }
}

fn woken(step: &mut Step<'_>, timer: &Timer) {
    let (Timer::Readiness { agent, .. }
    | Timer::ReadyBy { agent }
    | Timer::Glance { agent, .. }
    | Timer::Acceptance { agent, .. }
    | Timer::Writers { agent, .. }
    | Timer::TurnClose { agent, .. }) = timer;
    // A halted agent can be late for nothing; its timers are armed again when it goes on.
    if step.state.agents.get(agent).is_some_and(crate::state::Agent::is_halted) {
        return;
    }
    match timer {
        Timer::Readiness { agent: key, attempt } => {
            let Some(agent) = step.state.agents.get(key) else { return };
            if !agent.is_living() || agent.ready {
                return;
            }
            // A program that reported its session and takes pastes is ready, though it states nothing.
            let takes_pastes = agent.session.is_some() && agent.bracketed_paste && !agent.in_turn;
            if *attempt >= 2 && takes_pastes && !agent.stated {
                step.see(key, Seen::new(StatusState::Idle, Channel::Hook));
                step.deliver(key);
                return;
            }
            if may_show_dialog(agent) {
                step.want(EffectBody::ReadScreen { agent: key.clone(), attempt: *attempt });
            }
            let attempt = attempt.saturating_add(1);
            let timer = Timer::Readiness { agent: key.clone(), attempt };
            let at = delivery::readiness_check(step.context.now, attempt);
            step.want(EffectBody::Wake { timer, at });
        }
        Timer::ReadyBy { agent: key } => {
            let is_overdue = |agent: &&Agent| agent.is_overdue(step.context.now);
            // A dialog that is known stays shown: it is why the program is late.
            let names_its_dialog = |agent: &Agent| {
                let what = agent.status.waiting_for.as_deref();
                agent.status.state == StatusState::Waiting && what.is_some_and(|what| what != LOOK)
            };
            let agent = step.state.agents.get(key).filter(is_overdue);
            if agent.is_some_and(|agent| !names_its_dialog(agent)) {
                step.show_overdue(key);
            }
        }
        Timer::Glance { agent: key, attempt } => {
            if step.state.agents.get(key).is_some_and(may_show_dialog) {
                step.want(EffectBody::ReadScreen { agent: key.clone(), attempt: (*attempt).min(1) });
                step.await_dialog(key, attempt.saturating_add(1));
            }
        }
        Timer::Writers { agent: key, attempt } => super::holding::woken(step, key, *attempt),
        Timer::Acceptance { agent: key, prompt } => {
            let Some(worked) = step.state.prompts.get(prompt).map(|prompt| prompt.worked) else { return };
            let Some(agent) = step.state.agents.get(key) else { return };
            let (state, resumed) = (agent.status.state, agent.resumed_at);
            let is_early = resumed.is_some_and(|at| step.context.now < delivery::accepted_by(at));
            if !worked && is_early {
                // It was armed before the agent was halted; another was armed since.
                return;
            }
            if worked {
                // Nothing is written into a working program, so it began after the prompt.
                step.start_turn(key, "it states that it works, though its prompt hook did not come", None);
                match state {
                    StatusState::Idle => step.end_turn(key, TurnOutcome::Interrupted, None),
                    StatusState::Done => step.end_turn(key, TurnOutcome::Done, None),
                    StatusState::Failed => step.end_turn(key, TurnOutcome::Failed, None),
                    _ => {}
                }
            } else {
                let reason = "it was written, and the program never said that it took it; look at its pane \
                              before you send it again";
                step.emit_for(key, PromptUndelivered { prompt: *prompt, reason: reason.to_owned() });
                step.deliver(key);
                step.settle(key.run);
            }
        }
        Timer::TurnClose { agent: key, turn } => {
            let agent = step.state.agents.get(key).filter(|agent| agent.turn == *turn);
            let status = agent.filter(|agent| reports::awaits_closing_hook(agent)).map(|agent| &agent.status);
            // At rest for a shorter while, it armed a clock of its own.
            let rested = |since: Timestamp| step.context.now.0.saturating_sub(since.0) >= reports::TURN_CLOSE;
            let status = status.filter(|status| rested(status.since));
            match status.map(|status| status.state) {
                Some(StatusState::Done) => step.end_turn(key, TurnOutcome::Done, None),
                Some(StatusState::Idle) => step.end_turn(key, TurnOutcome::Interrupted, None),
                _ => {}
            }
        }
    }
}

impl Step<'_> {
    /// Wants an agent's worktree kept as a commit.
    pub(super) fn want_checkpoint(&mut self, key: &AgentKey, reason: &str) {
        let Some(agent) = self.state.agents.get(key) else { return };
        let Some(worktree) = agent.worktree.clone() else { return };
        let before = agent.checkpoint.as_ref();
        let body = EffectBody::TakeCheckpoint {
            agent: key.clone(),
            worktree,
            parent: before.map(|checkpoint| checkpoint.commit.clone()),
            before_tree: before.map_or_else(|| agent.base_tree.clone(), |checkpoint| checkpoint.tree.clone()),
            base_tree: agent.base_tree.clone(),
            turn: agent.turn,
            reason: reason.to_owned(),
        };
        self.want(body);
    }
}

fn checkpointed(step: &mut Step<'_>, key: &AgentKey, turn: u32, reason: &str, outcome: Outcome) {
    let Some(agent) = step.state.agents.get(key) else { return };
    let cause = agent.turn_seq.unwrap_or(agent.seq);
    // What a rejection or its undoing changed is the human's doing, not the agent's.
    let is_agents_work = matches!(reason, TURN_ENDED | PROCESS_ENDED) || agent.in_turn;
    let message = agent.last_text.clone();
    match outcome {
        Outcome::Checkpointed {
            commit,
            tree,
            kept_ref,
            unchanged,
            files,
            insertions,
            deletions,
            hunks,
            changed,
        } => {
            let taken = CheckpointTaken {
                commit: commit.clone(),
                tree,
                kept_ref,
                turn,
                reason: reason.to_owned(),
                unchanged,
                files,
                insertions,
                deletions,
                hunks,
            };
            let paths = changed.iter().take(FILES_TOLD).map(|file| file.path.0.clone()).collect();
            let seq = step.push(Some(key.clone()), Some(key.run), Some(cause), paths, taken.into());
            let changed = if is_agents_work { changed } else { Vec::new() };
            for file in changed.iter().take(FILES_TOLD) {
                let body = AiGeneratedCode {
                    file: file.path.clone(),
                    diff: format!("+{} -{}", file.insertions, file.deletions),
                    explanation: message.clone(),
                    checkpoint: commit.clone(),
                };
                let paths = vec![file.path.0.clone()];
                step.push(Some(key.clone()), Some(key.run), Some(seq), paths, body.into());
            }
            if !changed.is_empty() && hunks > 0 {
                step.emit_caused(key, seq, AiRequestedReview { changes: hunks, confidence: None, message });
            }
        }
        other => {
            let message = match other {
                Outcome::Failed(refusal) => explain(&refusal),
                _ => "its outcome is unknown".to_owned(),
            };
            let reason = reason.to_owned();
            step.emit_for(key, CheckpointFailed { message, turn, reason });
        }
    }
    step.deliver(key);
    step.settle(key.run);
}

fn decided(step: &mut Step<'_>, asked: EventSeq, hunk: &HunkRef, decision: &str, outcome: Outcome) {
    let key = hunk.agent.clone();
    let reason = step.state.decisions.get(&hunk.id).and_then(|decision| decision.reason.clone());
    let paths = vec![hunk.path.0.clone()];
    let body = match outcome {
        Outcome::Decided { applied_to, already, kept_ref } if decision == "accept" => {
            HunkAccepted { hunk: hunk.clone(), applied_to, already, kept_ref }.into()
        }
        Outcome::Decided { kept_ref, .. } => {
            HunkRejected { hunk: hunk.clone(), reason: reason.clone(), kept_ref }.into()
        }
        Outcome::Failed(refusal) => DecisionRefused {
            hunk: hunk.clone(),
            decision: decision.to_owned(),
            code: refusal.code,
            message: explain(&refusal),
        }
        .into(),
        other => DecisionRefused {
            hunk: hunk.clone(),
            decision: decision.to_owned(),
            code: Code::Unknown,
            message: match other {
                Outcome::Unknown(message) => message,
                _ => "its outcome is unknown".to_owned(),
            },
        }
        .into(),
    };
    let rejected = matches!(body, crate::event::EventBody::HunkRejected(_));
    step.push(Some(key.clone()), Some(key.run), Some(asked), paths, body);
    if !rejected {
        return;
    }
    step.want_checkpoint(&key, HUNK_REJECTED);
    let tell = reason.filter(|_| step.state.agents.get(&key).is_some_and(|agent| agent.is_living()));
    if let Some(reason) = tell {
        let place = format!("{}:{}", hunk.path.lossy(), hunk.told_line());
        let change = if hunk.lines.is_some() { "some lines of your change" } else { "your change" };
        let text =
            format!("I took {change} in {place} out again (no longer in your worktree). Reason: {reason}");
        step.queue(&key, &text, PromptOrigin::Review);
        step.deliver(&key);
    }
}

fn undone(
    step: &mut Step<'_>,
    asked: EventSeq,
    event: EventSeq,
    hunk: &HunkRef,
    decision: &str,
    outcome: Outcome,
) {
    let key = hunk.agent.clone();
    let paths = vec![hunk.path.0.clone()];
    let body = match outcome {
        Outcome::Undone => HumanRevertedChange {
            event,
            reason: "undo".to_owned(),
            hunk: hunk.clone(),
            decision: decision.to_owned(),
        }
        .into(),
        Outcome::Failed(refusal) => UndoRefused { event, message: explain(&refusal) }.into(),
        _ => UndoRefused { event, message: "its outcome is unknown".to_owned() }.into(),
    };
    let reverted = matches!(body, crate::event::EventBody::HumanRevertedChange(_));
    step.push(Some(key.clone()), Some(key.run), Some(asked), paths, body);
    if reverted && decision == "reject" {
        step.want_checkpoint(&key, "rejection undone");
    }
}

fn stopped(step: &mut Step<'_>, key: &AgentKey, outcome: Outcome) {
    let Some(agent) = step.state.agents.get(key) else { return };
    match outcome {
        // The runner's own report of the exit may still be on its way; it finds the work done.
        Outcome::Stopped(Ended { code, signal, leftover_ended }) if agent.phase == Phase::Running => {
            reports::exited(step, key, code, signal, leftover_ended, false);
        }
        Outcome::Stopped(_) => {}
        Outcome::Failed(refusal) => lost(step, key, "stop agent", explain(&refusal)),
        Outcome::Unknown(why) => lost(step, key, "stop agent", why),
        _ => lost(step, key, "stop agent", "its outcome is unknown".to_owned()),
    }
    step.settle(key.run);
}

fn lost(step: &mut Step<'_>, key: &AgentKey, effect: &str, message: String) {
    step.emit_for(key, EffectLost { effect: effect.to_owned(), message });
}

/// Tells when a human's answer to an approval reached nobody.
fn answered(step: &mut Step<'_>, asked: EventSeq, key: &AgentKey, is_answer: bool, outcome: Outcome) {
    let arrived = matches!(outcome, Outcome::Answered { delivered: true });
    let living = step.state.agents.get(key).is_some_and(|agent| agent.is_living());
    if arrived || !is_answer || !living {
        return;
    }
    let message = "the program no longer waited for the answer; look at its pane".to_owned();
    step.emit_caused(key, asked, EffectLost { effect: "answer hook".to_owned(), message });
}

fn cleaned(step: &mut Step<'_>, key: &AgentKey, outcome: Outcome) {
    // Asked for twice, it is done once.
    if step.state.agents.get(key).is_none_or(|agent| agent.phase == Phase::Cleaned) {
        return;
    }
    match outcome {
        Outcome::Cleaned { kept_ref, commit } => {
            step.emit_for(key, WorktreeCleaned { kept_ref, commit });
        }
        Outcome::Failed(refusal) => {
            step.emit_for(key, CleanFailed { message: explain(&refusal) });
        }
        _ => {
            step.emit_for(key, CleanFailed { message: "its outcome is unknown".to_owned() });
        }
    }
}
