//! How each event changes the state. Total: it never refuses and never looks at anything else.

use super::agent::{
    Agent, Checkpoint, Confidence, Exit, LOST_PROMPTS, Limit, LostPrompt, Phase, Prompt, PromptOrigin,
    PromptState, Status, StatusState, TurnOutcome, view_name,
};
use super::budget::{Budget, Passed};
use super::review::{Approval, Operation};
use super::{AggregateKey, Run, State};
use crate::describe::tool_line;
use crate::event::{Actor, Event, EventBody};
use crate::price::nanodollars;
use crate::report::Channel;
use crate::rule::{Rule, RuleScope};
use crate::{AgentKey, EventSeq, RunId, Timestamp};

impl State {
    /// Adds one event to the sum.
    pub fn evolve(&mut self, event: &Event) {
        match &event.body {
            EventBody::RunStarted(_) | EventBody::RunSettled(_) => self.evolve_run(event),
            EventBody::PromptQueued(_)
            | EventBody::PromptExtended(_)
            | EventBody::PromptWriting(_)
            | EventBody::PromptWritten(_)
            | EventBody::PromptAccepted(_)
            | EventBody::PromptUndelivered(_) => self.evolve_prompt(event),
            EventBody::ApprovalRequested(_)
            | EventBody::ApprovalWithdrawn(_)
            | EventBody::ApprovalRejoined(_)
            | EventBody::ApprovalAnswered(_)
            | EventBody::ApprovalSuperseded(_) => self.evolve_approval(event),
            EventBody::RuleAdded(_) | EventBody::RuleRemoved(_) => self.evolve_rule(event),
            EventBody::BudgetSet(_) | EventBody::BudgetPassed(_) => self.evolve_budget(event),
            EventBody::UsageReported(body) => {
                if let Some(agent) = &event.agent {
                    self.count_usage(agent, event.at, body);
                }
            }
            EventBody::AgentSessionStarted(body) => {
                if let Some(agent) = &event.agent {
                    self.meter_session(agent, &body.session);
                }
                self.evolve_agent(event);
            }
            EventBody::AcceptRequested(_)
            | EventBody::HunkAccepted(_)
            | EventBody::RejectRequested(_)
            | EventBody::HunkRejected(_)
            | EventBody::DecisionRefused(_)
            | EventBody::UndoRequested(_)
            | EventBody::HumanRevertedChange(_)
            | EventBody::UndoRefused(_)
            | EventBody::HunksSeen(_) => self.evolve_decision(event),
            EventBody::WorktreeCleaned(_) => {
                self.evolve_agent(event);
                self.forget_operations();
                self.forget_rules(event.agent.as_ref());
            }
            _ => self.evolve_agent(event),
        }
    }

    /// Forgets decisions of agents whose worktree is gone, but for the newest.
    fn forget_operations(&mut self) {
        let beyond = self.operations.len().saturating_sub(super::KEPT_OPERATIONS);
        let is_over = |operation: &&Operation| {
            let agent = self.agents.get(&operation.hunk.agent);
            !operation.undoing && agent.is_none_or(|agent| agent.phase == Phase::Cleaned)
        };
        let oldest = self.operations.values().take(beyond);
        let over: Vec<EventSeq> = oldest.filter(is_over).map(|operation| operation.seq).collect();
        for seq in over {
            self.operations.remove(&seq);
            self.touch(AggregateKey::Operation(seq));
        }
    }

    fn evolve_run(&mut self, event: &Event) {
        let Some(number) = event.run else { return };
        match &event.body {
            EventBody::RunStarted(body) => {
                let run = Run {
                    run: number,
                    objective: body.objective.clone(),
                    base: body.base.clone(),
                    base_commit: body.base_commit.clone(),
                    base_tree: body.base_tree.clone(),
                    created_at: event.at,
                    seq: event.seq,
                    outcome: None,
                };
                self.runs.insert(number, run);
            }
            EventBody::RunSettled(body) => {
                if let Some(run) = self.runs.get_mut(&number) {
                    run.outcome = Some(body.outcome.clone());
                }
            }
            _ => {}
        }
        self.touch(AggregateKey::Run(number));
    }

    fn evolve_prompt(&mut self, event: &Event) {
        let id = match &event.body {
            EventBody::PromptQueued(body) => {
                let Some(agent) = event.agent.clone() else { return };
                self.reopen(agent.run);
                let prompt = Prompt {
                    id: body.prompt,
                    agent,
                    text: body.text.clone(),
                    origin: body.origin,
                    state: PromptState::Queued,
                    queued_at: event.at,
                    worked: false,
                };
                self.prompts.insert(body.prompt, prompt);
                self.count_resumption(event.agent.as_ref(), body.origin);
                body.prompt
            }
            EventBody::PromptExtended(body) => {
                if let Some(prompt) = self.prompts.get_mut(&body.prompt) {
                    prompt.text.push_str("\n\n");
                    prompt.text.push_str(&body.text);
                }
                body.prompt
            }
            EventBody::PromptWriting(body) => {
                self.set_prompt(body.prompt, PromptState::Writing);
                body.prompt
            }
            EventBody::PromptWritten(body) => {
                self.set_prompt(body.prompt, PromptState::Written);
                body.prompt
            }
            EventBody::PromptAccepted(body) => {
                self.prompts.remove(&body.prompt);
                body.prompt
            }
            EventBody::PromptUndelivered(body) => {
                let prompt = self.prompts.remove(&body.prompt);
                if let Some(agent) = event.agent.as_ref().and_then(|key| self.agents.get_mut(key)) {
                    agent.undelivered += 1;
                    let text = prompt.map(|prompt| short(&prompt.text)).unwrap_or_default();
                    agent.lost_prompts.push(LostPrompt { prompt: body.prompt, text, at: event.at });
                    let too_many = agent.lost_prompts.len().saturating_sub(LOST_PROMPTS);
                    agent.lost_prompts.drain(..too_many);
                    let key = agent.key.clone();
                    self.touch(AggregateKey::Agent(key));
                }
                body.prompt
            }
            _ => return,
        };
        self.touch(AggregateKey::Prompt(id));
    }

    /// Counts how often in a row an agent was told to go on; whoever speaks to it begins the count anew.
    fn count_resumption(&mut self, key: Option<&AgentKey>, origin: PromptOrigin) {
        let Some(agent) = key.and_then(|key| self.agents.get_mut(key)) else { return };
        match origin {
            PromptOrigin::Resumption => {
                agent.resumptions += 1;
                agent.limit = None;
            }
            _ => agent.resumptions = 0,
        }
        let key = agent.key.clone();
        self.touch(AggregateKey::Agent(key));
    }

    fn evolve_budget(&mut self, event: &Event) {
        let scope = match &event.body {
            EventBody::BudgetSet(body) => body.scope,
            EventBody::BudgetPassed(body) => body.scope,
            _ => return,
        };
        let fresh = || Budget { scope, set: None, lifted: false, passed: None };
        let budget = self.budgets.entry(scope).or_insert_with(fresh);
        match &event.body {
            EventBody::BudgetSet(body) => {
                budget.set = body.limit_usd.and_then(nanodollars);
                budget.lifted = body.limit_usd.is_none();
                budget.passed = None;
            }
            EventBody::BudgetPassed(body) => {
                let (limit, spent) = (nanodollars(body.limit_usd), nanodollars(body.spent_usd));
                let (limit, spent) = (limit.unwrap_or_default(), spent.unwrap_or_default());
                budget.passed = Some(Passed { seq: event.seq, at: event.at, limit, spent });
            }
            _ => {}
        }
        self.touch(AggregateKey::Budget(scope));
    }

    /// Notes that a run has something to do again.
    fn reopen(&mut self, number: RunId) {
        if let Some(run) = self.runs.get_mut(&number)
            && run.outcome.take().is_some()
        {
            self.touch(AggregateKey::Run(number));
        }
    }

    fn set_prompt(&mut self, id: u64, state: PromptState) {
        if let Some(prompt) = self.prompts.get_mut(&id) {
            prompt.state = state;
        }
    }

    /// Notes whether a program's work may be that of the prompt it was handed.
    fn set_worked(&mut self, agent: &AgentKey, worked: bool) {
        let flying = self.prompts.values_mut().find(|prompt| {
            &prompt.agent == agent && prompt.state != PromptState::Queued && prompt.worked != worked
        });
        if let Some(prompt) = flying {
            prompt.worked = worked;
            let id = prompt.id;
            self.touch(AggregateKey::Prompt(id));
        }
    }

    fn evolve_approval(&mut self, event: &Event) {
        let seq = match &event.body {
            EventBody::ApprovalRequested(body) => {
                let Some(agent) = event.agent.clone() else { return };
                // The program's status comes another way than its hooks, and may come first.
                let asks = ask_of(&body.tool, &body.input);
                let seen_blocked = self.agents.get(&agent).is_some_and(|agent| {
                    let status = &agent.status;
                    let is_meant = match status.source {
                        Channel::Osc7501 => status.detail.as_ref() == Some(&asks),
                        Channel::Title => true,
                        _ => false,
                    };
                    status.state == StatusState::Waiting && is_meant
                });
                let approval = Approval {
                    seq: event.seq,
                    agent,
                    request: body.request.clone(),
                    tool: body.tool.clone(),
                    input: body.input.clone(),
                    tool_use_id: body.tool_use_id.clone(),
                    answerable: body.answerable,
                    seen_blocked,
                    at: event.at,
                    reason: body.reason.clone(),
                };
                self.approvals.insert(event.seq, approval);
                event.seq
            }
            EventBody::ApprovalWithdrawn(body) => {
                if let Some(approval) = self.approvals.get_mut(&body.approval) {
                    approval.answerable = false;
                }
                body.approval
            }
            EventBody::ApprovalRejoined(body) => {
                if let Some(approval) = self.approvals.get_mut(&body.approval) {
                    approval.answerable = true;
                }
                body.approval
            }
            EventBody::ApprovalAnswered(body) => {
                if let Some(answered) = self.approvals.remove(&body.approval) {
                    self.set_blocked(&answered.agent, false);
                    if body.rule.is_some()
                        && let Some(agent) = self.agents.get_mut(&answered.agent)
                    {
                        agent.answered_ask = Some(ask_of(&answered.tool, &answered.input));
                        self.touched.insert(AggregateKey::Agent(answered.agent));
                    }
                }
                body.approval
            }
            EventBody::ApprovalSuperseded(body) => {
                self.approvals.remove(&body.approval);
                body.approval
            }
            _ => return,
        };
        self.touch(AggregateKey::Approval(seq));
    }

    fn evolve_rule(&mut self, event: &Event) {
        let seq = match &event.body {
            EventBody::RuleAdded(body) => {
                let rule = Rule {
                    seq: event.seq,
                    verdict: body.verdict,
                    scope: body.scope.clone(),
                    matcher: body.matcher.clone(),
                    reason: body.reason.clone(),
                    source: body.source,
                    at: event.at,
                };
                self.rules.insert(event.seq, rule);
                event.seq
            }
            EventBody::RuleRemoved(body) => {
                self.rules.remove(&body.rule);
                body.rule
            }
            _ => return,
        };
        self.touch(AggregateKey::Rule(seq));
    }

    /// Forgets the rules of an agent whose worktree is gone.
    fn forget_rules(&mut self, gone: Option<&AgentKey>) {
        let is_its = |rule: &&Rule| matches!(&rule.scope, RuleScope::Agent { agent } if Some(agent) == gone);
        let over: Vec<EventSeq> = self.rules.values().filter(is_its).map(|rule| rule.seq).collect();
        for seq in over {
            self.rules.remove(&seq);
            self.touch(AggregateKey::Rule(seq));
        }
    }

    /// Notes whether a program stated that it is blocked on its approvals. Once one of them is answered
    /// from here, its going on says nothing of the others.
    fn set_blocked(&mut self, agent: &AgentKey, is_blocked: bool) {
        let mut changed = Vec::new();
        for approval in self.approvals.values_mut() {
            if &approval.agent == agent && approval.seen_blocked != is_blocked {
                approval.seen_blocked = is_blocked;
                changed.push(AggregateKey::Approval(approval.seq));
            }
        }
        self.touched.extend(changed);
    }

    /// A worktree that was changed from outside is kept before its agent goes on.
    pub(super) fn await_checkpoint(&mut self, agent: &crate::AgentKey) {
        if let Some(agent) = self.agents.get_mut(agent) {
            // Checkpoints are taken in order: one that is waited for already ends the waiting.
            if !agent.checkpointing {
                agent.checkpointing = agent.worktree.is_some();
                agent.checkpoints_rejection = agent.checkpointing;
            }
            let key = agent.key.clone();
            self.touch(AggregateKey::Agent(key));
        }
    }

    fn evolve_agent(&mut self, event: &Event) {
        let Some(key) = event.agent.clone() else { return };
        if let EventBody::AgentRequested(body) = &event.body {
            let agent = Agent {
                key: key.clone(),
                kind: body.kind.clone(),
                title: body.title.clone(),
                rehearsal: body.rehearsal,
                index: body.index,
                signals: body.signals,
                seq: event.seq,
                base: body.base.clone(),
                base_commit: body.base_commit.clone(),
                base_tree: body.base_tree.clone(),
                phase: Phase::Requested,
                status: starting(event.at),
                stated: false,
                ready: false,
                bracketed_paste: false,
                turn: 0,
                in_turn: false,
                held: Vec::new(),
                writers: Vec::new(),
                turn_seq: None,
                last_text: None,
                session: None,
                worktree: None,
                pid: None,
                spawned_at: None,
                ports: Vec::new(),
                checkpoint: None,
                checkpointing: false,
                checkpoints_rejection: false,
                stop_requested: false,
                exit: None,
                views: Vec::new(),
                viewing: false,
                view_note: None,
                undelivered: 0,
                lost_prompts: Vec::new(),
                paused: None,
                pausing: None,
                resumed_at: None,
                answered_ask: None,
                limit: None,
                resumptions: 0,
                budget_hold: None,
                restarted: None,
                resuming: None,
                forking: false,
                cleaning: false,
                kept_ref: None,
            };
            self.agents.insert(key.clone(), agent);
        } else if let Some(agent) = self.agents.get_mut(&key) {
            apply_to_agent(agent, event);
            match &event.body {
                EventBody::TurnStarted(_) => {
                    self.reopen(key.run);
                    self.set_worked(&key, false);
                }
                EventBody::AgentRestartRequested(_) => self.reopen(key.run),
                EventBody::AgentStatusChanged(body)
                    if body.source.is_own_word() && body.status == StatusState::Working =>
                {
                    let is_for_it = !agent.in_turn;
                    if is_for_it {
                        self.set_worked(&key, true);
                    }
                }
                EventBody::AgentStatusChanged(body)
                    if body.source.is_own_word() && body.status == StatusState::Waiting =>
                {
                    self.set_blocked(&key, true);
                }
                EventBody::WorktreeCleaned(_) => self.forget_review(&key),
                _ => {}
            }
        }
        self.touch(AggregateKey::Agent(key));
    }
}

fn starting(at: Timestamp) -> Status {
    Status {
        state: StatusState::Starting,
        detail: None,
        waiting_for: None,
        source: Channel::Process,
        confidence: Confidence::Reported,
        since: at,
    }
}

/// Brings an agent that has ended back to where one stands that was just asked for; what it did stays.
fn restart(agent: &mut Agent, session: Option<String>, event: &Event) {
    agent.phase = Phase::Requested;
    agent.status = starting(event.at);
    (agent.stated, agent.ready, agent.bracketed_paste) = (false, false, false);
    (agent.in_turn, agent.stop_requested, agent.checkpointing) = (false, false, false);
    (agent.exit, agent.pid, agent.spawned_at) = (None, None, None);
    (agent.paused, agent.pausing, agent.resumed_at) = (None, None, None);
    (agent.viewing, agent.view_note) = (false, None);
    // Of what was adopted a copy is still to be made.
    let forking = agent.forking && agent.turn == 0 && session == agent.resuming;
    (agent.restarted, agent.resuming, agent.forking) = (Some(event.seq), session, forking);
}

/// Changes one agent by an event about it.
fn apply_to_agent(agent: &mut Agent, event: &Event) {
    match &event.body {
        EventBody::WorktreeCreated(body) => {
            agent.worktree = Some(body.worktree.clone());
            agent.phase = Phase::Starting;
        }
        EventBody::AgentSpawned(body) => {
            agent.phase = Phase::Running;
            agent.pid = Some(body.pid);
            agent.spawned_at = Some(event.at);
            agent.ports = body.ports.clone();
        }
        EventBody::AgentFailedToStart(_) => {
            agent.phase = Phase::FailedToStart;
            agent.ready = false;
            agent.in_turn = false;
            agent.checkpointing = false;
            agent.view_note = None;
        }
        EventBody::AgentStatusChanged(body) => {
            agent.stated |= body.source == Channel::Osc7501;
            agent.ready |= agent.signals.is_ready_after(body.status, body.source);
            let since = if agent.status.state == body.status && agent.status.waiting_for == body.waiting_for {
                agent.status.since
            } else {
                event.at
            };
            agent.status = Status {
                state: body.status,
                detail: body.detail.clone(),
                waiting_for: body.waiting_for.clone(),
                source: body.source,
                confidence: body.confidence,
                since,
            };
        }
        EventBody::ToolFinished(_) | EventBody::ToolFailed(_) | EventBody::ToolDenied(_) => {
            agent.answered_ask = None;
            agent.limit = None;
        }
        EventBody::EffectLost(_) => agent.answered_ask = None,
        EventBody::ToolRequested(_) => agent.limit = None,
        EventBody::LimitReached(body) => {
            agent.limit = Some(Limit {
                seq: event.seq,
                kind: body.limit,
                message: short(&body.message),
                at: event.at,
                resets_at: body.resets_at,
                resumes: body.resumes,
            });
        }
        EventBody::StopRequested(_) => agent.stop_requested = true,
        EventBody::PauseRequested(_) => {
            agent.pausing = Some(true);
            // The host halts only whom a budget holds.
            agent.budget_hold = event.cause.filter(|_| event.actor == Actor::Host);
        }
        EventBody::ResumeRequested(_) => {
            agent.pausing = Some(false);
            agent.budget_hold = None;
        }
        EventBody::AgentPaused(_) => {
            agent.paused = agent.paused.or(Some(event.at));
            agent.pausing = agent.pausing.filter(|pause| !pause);
        }
        EventBody::AgentResumed(_) => {
            agent.paused = None;
            agent.resumed_at = Some(event.at);
            agent.pausing = agent.pausing.filter(|pause| *pause);
        }
        EventBody::PauseFailed(body) => {
            agent.pausing = agent.pausing.filter(|pause| *pause != body.pause);
        }
        EventBody::AgentAdopted(body) => {
            (agent.resuming, agent.forking) = (Some(body.session.clone()), body.copy);
        }
        EventBody::AgentRestartRequested(body) => restart(agent, body.session.clone(), event),
        EventBody::AgentExited(body) => {
            agent.phase = Phase::Exited;
            agent.exit = Some(Exit { code: body.code, signal: body.signal, lost: body.lost });
            agent.ready = false;
            agent.in_turn = false;
            agent.held.clear();
            agent.writers.clear();
            agent.pid = None;
            (agent.paused, agent.pausing) = (None, None);
            (agent.limit, agent.budget_hold) = (None, None);
            agent.views.clear();
            agent.viewing = false;
            agent.view_note = None;
            agent.await_checkpoint();
        }
        EventBody::AgentSessionStarted(body) => agent.session = Some(body.session.clone()),
        EventBody::ViewOpened(body) => {
            let view = format!("{}:{}", body.backend, body.view);
            if !agent.views.contains(&view) {
                agent.views.push(view);
            }
            agent.view_note = None;
            agent.viewing = false;
        }
        EventBody::ViewClosed(body) => agent.views.retain(|view| view_name(view) != body.view),
        EventBody::ViewRequested(_) => agent.viewing = true,
        EventBody::ViewNotOpened(body) => {
            agent.view_note = Some(body.reason.clone());
            agent.viewing = false;
        }
        EventBody::TurnStarted(body) => {
            agent.turn = body.turn;
            agent.in_turn = true;
            agent.turn_seq = Some(event.seq);
            agent.last_text = None;
            agent.answered_ask = None;
            agent.limit = None;
            agent.undelivered = 0;
            agent.lost_prompts.clear();
        }
        EventBody::TurnEnded(body) => {
            agent.in_turn = false;
            agent.await_checkpoint();
            if body.outcome == TurnOutcome::Done {
                agent.limit = None;
                agent.resumptions = 0;
            }
            if let Some(message) = &body.message {
                agent.last_text = Some(short(message));
            }
        }
        EventBody::TurnHeld(body) => {
            if !body.report.is_null() {
                agent.held.push(body.report.clone());
            }
            agent.writers = body.writers.clone();
        }
        EventBody::TurnReleased(_) => {
            agent.held.clear();
            agent.writers.clear();
        }
        EventBody::TextDisplayed(body) => {
            agent.last_text = Some(short(&body.text));
            // A program shows its error after the turn as well.
            if agent.in_turn {
                agent.limit = None;
            }
        }
        EventBody::CheckpointTaken(body) => {
            agent.checkpointing &= !agent.is_last_checkpoint(body.turn, &body.reason);
            agent.checkpoint = Some(Checkpoint {
                commit: body.commit.clone(),
                tree: body.tree.clone(),
                kept_ref: body.kept_ref.clone(),
                seq: event.seq,
                turn: body.turn,
                files: body.files,
                insertions: body.insertions,
                deletions: body.deletions,
                hunks: body.hunks,
            });
        }
        EventBody::CheckpointFailed(body) => {
            agent.checkpointing &= !agent.is_last_checkpoint(body.turn, &body.reason);
        }
        EventBody::CleanRequested(_) => agent.cleaning = true,
        EventBody::CleanFailed(_) => agent.cleaning = false,
        EventBody::WorktreeCleaned(body) => {
            agent.phase = Phase::Cleaned;
            agent.cleaning = false;
            agent.checkpointing = false;
            agent.worktree = None;
            agent.kept_ref = Some(body.kept_ref.clone());
        }
        EventBody::InputModeChanged(body) => {
            agent.bracketed_paste = body.bracketed_paste;
            agent.ready |=
                body.bracketed_paste && agent.signals.ready == super::agent::ReadySignal::BracketedPaste;
        }
        _ => {}
    }
}

/// Gives the words in which a program states that it waits for a permission.
fn ask_of(tool: &str, input: &serde_json::Value) -> String {
    format!("approve {}", tool_line(tool, input))
}

/// Keeps the last words short: they are shown beside things, the log has them whole.
fn short(text: &str) -> String {
    let end = text.char_indices().nth(400).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text).to_owned()
}

impl super::agent::Signals {
    /// Tells whether a status makes an agent of this kind ready for prompts.
    fn is_ready_after(self, status: StatusState, source: Channel) -> bool {
        use super::agent::ReadySignal;
        match self.ready {
            ReadySignal::Status => {
                matches!(status, StatusState::Idle | StatusState::Done | StatusState::Failed)
                    && matches!(source, Channel::Osc7501 | Channel::Title | Channel::Hook)
            }
            ReadySignal::SessionStart => {
                // Where a dialog came before the session, the program states its readiness first.
                status == StatusState::Idle && matches!(source, Channel::Hook | Channel::Osc7501)
            }
            ReadySignal::Output => matches!(source, Channel::Output),
            ReadySignal::Start => matches!(status, StatusState::Working | StatusState::Idle),
            ReadySignal::Screen => status == StatusState::Idle && source == Channel::Screen,
            ReadySignal::BracketedPaste => false,
        }
    }
}
