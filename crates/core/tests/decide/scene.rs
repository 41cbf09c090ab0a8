//! A repository without a world: inputs go to `decide`, and effects wait here until a test says how they went.

use std::collections::HashSet;

use orchflow_core::command::{AgentSpec, Base, Command, ViewPlace};
use orchflow_core::decide::{Context, Decision, Input, decide};
use orchflow_core::effect::{Effect, EffectBody, EffectId, Outcome};
use orchflow_core::event::payload::{Bytes, HunkPlace, HunkRef, SeenHunk};
use orchflow_core::event::{Actor, Event, EventBody};
use orchflow_core::report::{Channel, Report, ReportEnvelope, StatedState, Writer};
use orchflow_core::state::{
    Agent, Phase, PromptState, ReadySignal, Signals, State, StatusSource, StatusState, TurnOutcome,
};
use orchflow_core::{AgentKey, EventSeq, Refusal, RunId, Timestamp};

/// Claude Code: states its status, reports by hooks.
pub const CLAUDE: Signals =
    Signals { status: StatusSource::Osc7501, hooks: true, ready: ReadySignal::Status, ready_within_s: 60 };
/// A program that states its status and has no hooks.
pub const STATING: Signals =
    Signals { status: StatusSource::Osc7501, hooks: false, ready: ReadySignal::Status, ready_within_s: 60 };
/// A program with hooks that states nothing.
pub const HOOKED: Signals = Signals {
    status: StatusSource::Output,
    hooks: true,
    ready: ReadySignal::SessionStart,
    ready_within_s: 60,
};
/// A shell: known by its output and its input line.
pub const SHELL: Signals = Signals {
    status: StatusSource::Output,
    hooks: false,
    ready: ReadySignal::BracketedPaste,
    ready_within_s: 60,
};
/// A script: known by its output, ready once it runs.
pub const SCRIPT: Signals =
    Signals { status: StatusSource::Output, hooks: false, ready: ReadySignal::Start, ready_within_s: 60 };

pub const OBJECTIVE: &str = "Make the greeting configurable";

pub fn human() -> Actor {
    Actor::Human { user: "ada".to_owned() }
}

pub fn base() -> Base {
    Base {
        label: "main@a1b2c3".to_owned(),
        commit: "c0ffee".to_owned(),
        tree: "7ee".to_owned(),
        branch: Some("main".to_owned()),
    }
}

pub fn spec(kind: &str, signals: Signals) -> AgentSpec {
    AgentSpec {
        kind: kind.to_owned(),
        name: None,
        title: kind.to_uppercase(),
        rehearsal: kind == "rehearsal",
        signals,
    }
}

pub fn key(run: u64, name: &str) -> AgentKey {
    AgentKey::new(RunId(run), name)
}

pub fn hunk(agent: &AgentKey, id: &str, hash: &str) -> HunkRef {
    HunkRef {
        id: id.to_owned(),
        hash: hash.to_owned(),
        agent: agent.clone(),
        path: Bytes::from("src/greeting.rs"),
        line: 41,
        agent_line: None,
        insertions: 3,
        deletions: 1,
        checkpoint: "feed".to_owned(),
        lines: None,
    }
}

/// Some lines of a hunk.
pub fn part(agent: &AgentKey, id: &str, hash: &str, lines: &str) -> HunkRef {
    HunkRef { lines: Some(lines.parse().unwrap()), ..hunk(agent, id, hash) }
}

/// A hunk as it was shown.
pub fn shown(agent: &AgentKey, id: &str, hash: &str, start: u32) -> SeenHunk {
    SeenHunk {
        id: id.to_owned(),
        hash: hash.to_owned(),
        agent: agent.clone(),
        path: Bytes::from("src/greeting.rs"),
        place: HunkPlace { change: "lines".to_owned(), start, lines: 2 },
    }
}

pub fn stated(state: StatedState) -> Report {
    Report::StatusStated { state, detail: None, category: None }
}

pub fn submitted(text: &str) -> Report {
    Report::PromptSubmitted { text: text.to_owned() }
}

pub fn exited(code: i32) -> Report {
    Report::ProcessExited { code: Some(code), signal: None, leftover_ended: 0 }
}

/// State, log and open effects of one repository, checked at each step.
#[derive(Default)]
pub struct Scene {
    pub state: State,
    pub events: Vec<Event>,
    /// Effects nobody said an outcome of yet, in order.
    pub open: Vec<Effect>,
    pub now: i64,
    /// Who writes, as the host would find it with each report.
    pub writers: Vec<Writer>,
    durable: HashSet<EffectId>,
    reports: u64,
}

impl Scene {
    pub fn new() -> Scene {
        Scene { now: 1_000_000, ..Scene::default() }
    }

    pub fn next_seq(&self) -> EventSeq {
        EventSeq(self.events.len() as u64 + 1)
    }

    /// Brings an input in and checks what holds after every decision.
    pub fn input(&mut self, input: Input) -> Result<Decision, Refusal> {
        let before = self.state.clone();
        let context = Context { now: Timestamp(self.now), next_seq: self.next_seq() };
        let result = decide(&mut self.state, input.clone(), &context);
        let decision = match result {
            Ok(decision) => decision,
            Err(refusal) => {
                assert!(self.state == before, "a refusal changed the state: {refusal}");
                return Err(refusal);
            }
        };
        for event in &decision.events {
            assert_eq!(event.seq, self.next_seq(), "seqs are dense");
            assert!(event.cause.is_none_or(|cause| cause < event.seq && cause.0 > 0), "{event:?}");
            self.events.push(event.clone());
        }
        for effect in decision.effects.iter().filter(|effect| effect.body.is_durable()) {
            assert!(self.durable.insert(effect.id), "an effect's id is used twice: {effect:?}");
        }
        self.open.extend(decision.effects.iter().cloned());
        self.check(&input);
        Ok(decision)
    }

    fn check(&self, after: &Input) {
        for agent in self.state.agents.values() {
            let flying = self
                .state
                .prompts_of(&agent.key)
                .filter(|prompt| prompt.state != PromptState::Queued)
                .count();
            assert!(flying <= 1, "two prompts in flight to {} after {after:?}", agent.key);
            if agent.has_ended() {
                assert!(!agent.in_turn, "{} has ended and is in a turn after {after:?}", agent.key);
                assert_eq!(self.state.prompts_of(&agent.key).count(), 0, "{} after {after:?}", agent.key);
                let waits = self.state.approvals.values().any(|approval| approval.agent == agent.key);
                assert!(!waits, "an ended agent waits for an approval after {after:?}");
            }
        }
    }

    pub fn command(&mut self, command: Command) -> Result<Decision, Refusal> {
        self.input(Input::Command { actor: human(), command })
    }

    /// Starts a run and gives its agents.
    pub fn swarm(&mut self, agents: &[AgentSpec]) -> Vec<AgentKey> {
        let command = Command::StartRun {
            objective: OBJECTIVE.to_owned(),
            base: base(),
            agents: agents.to_vec(),
            place: ViewPlace { backend: "none".to_owned(), ..ViewPlace::default() },
        };
        self.command(command).unwrap().reply.agents
    }

    /// Starts a run of one agent and brings it to where its process runs.
    pub fn running(&mut self, signals: Signals) -> AgentKey {
        let agent = self.swarm(&[spec("claude", signals)]).remove(0);
        self.worktrees();
        self.launch(&agent);
        agent
    }

    /// As [`Scene::running`], and it has stated that it is idle: the objective is being written.
    pub fn ready(&mut self, signals: Signals) -> AgentKey {
        let agent = self.running(signals);
        self.report(&agent, stated(StatedState::Idle));
        agent
    }

    /// As [`Scene::ready`], with the objective taken: it is in its first turn.
    pub fn in_turn(&mut self, signals: Signals) -> AgentKey {
        let agent = self.ready(signals);
        self.pasted();
        if signals.hooks {
            self.report(&agent, submitted(OBJECTIVE));
        }
        self.report(&agent, stated(StatedState::Working));
        assert!(self.agent(&agent).in_turn);
        agent
    }

    /// Ends the open turn well and keeps its checkpoint.
    pub fn finish_turn(&mut self, agent: &AgentKey) {
        if self.agent(agent).signals.hooks {
            self.report(agent, Report::TurnEnded { message: Some("Done.".to_owned()) });
        }
        self.report(agent, stated(StatedState::Done));
        self.checkpointed();
    }

    /// Takes the first open effect that fits.
    #[track_caller]
    pub fn take(&mut self, fits: impl Fn(&EffectBody) -> bool) -> Effect {
        let place = self.open.iter().position(|effect| fits(&effect.body));
        let Some(place) = place else { panic!("no such effect among {:#?}", self.open) };
        self.open.remove(place)
    }

    pub fn wants(&self, fits: impl Fn(&EffectBody) -> bool) -> bool {
        self.open.iter().any(|effect| fits(&effect.body))
    }

    pub fn done(&mut self, effect: Effect, outcome: Outcome) -> Decision {
        self.input(Input::EffectDone { effect, outcome }).unwrap()
    }

    /// Makes the worktrees that are asked for.
    #[track_caller]
    pub fn worktrees(&mut self) {
        let effect = self.take(|body| matches!(body, EffectBody::CreateWorktrees { .. }));
        let EffectBody::CreateWorktrees { agents, .. } = &effect.body else { unreachable!() };
        let made = agents
            .iter()
            .map(|agent| {
                let worktree = format!("/worktrees/{}", agent.file_stem());
                (agent.clone(), Ok((Bytes::from(worktree.as_str()), "git".to_owned())))
            })
            .collect();
        self.done(effect, Outcome::WorktreesCreated(made));
    }

    #[track_caller]
    pub fn launch(&mut self, key: &AgentKey) {
        let effect = self.take(|body| matches!(body, EffectBody::LaunchAgent { agent, .. } if agent == key));
        self.done(effect, launched());
    }

    /// Writes the prompt that is being asked for, and gives its text.
    #[track_caller]
    pub fn pasted(&mut self) -> String {
        let effect = self.take(|body| matches!(body, EffectBody::PastePrompt { .. }));
        let EffectBody::PastePrompt { text, .. } = &effect.body else { unreachable!() };
        let text = text.clone();
        self.done(effect, pasted());
        text
    }

    #[track_caller]
    pub fn checkpointed(&mut self) {
        let effect = self.take(|body| matches!(body, EffectBody::TakeCheckpoint { .. }));
        self.done(effect, checkpoint("c1"));
    }

    pub fn report(&mut self, agent: &AgentKey, report: Report) -> Decision {
        let channel = match &report {
            Report::StatusStated { .. } => Channel::Osc7501,
            Report::ProcessStarted { .. } | Report::ProcessExited { .. } => Channel::Process,
            Report::OutputActive | Report::OutputQuiet | Report::BracketedPaste { .. } => Channel::Output,
            Report::ScreenMatched { .. } => Channel::Screen,
            Report::TitleChanged { .. } | Report::BellRung => Channel::Osc,
            _ => Channel::Hook,
        };
        self.report_by(agent, channel, report)
    }

    /// Brings a report in that came by a certain channel.
    pub fn report_by(&mut self, agent: &AgentKey, channel: Channel, report: Report) -> Decision {
        self.reports += 1;
        let id = format!("report-{}", self.reports);
        let at = Timestamp(self.now);
        self.input(Input::Report(ReportEnvelope {
            id,
            agent: agent.clone(),
            at,
            channel,
            report,
            writers: self.writers.clone(),
        }))
        .unwrap()
    }

    /// Gives the id of the report that was brought in last.
    pub fn last_report(&self) -> String {
        format!("report-{}", self.reports)
    }

    /// Lets time pass and fires the timers that fall due, in their order.
    pub fn pass(&mut self, until: i64) {
        loop {
            let due = self
                .open
                .iter()
                .enumerate()
                .filter_map(|(place, effect)| match effect.body {
                    EffectBody::Wake { at, .. } if at.0 <= until => Some((at.0, place)),
                    _ => None,
                })
                .min();
            let Some((at, place)) = due else { break };
            self.now = self.now.max(at);
            let effect = self.open.remove(place);
            self.done(effect, Outcome::Woken);
        }
        self.now = self.now.max(until);
    }

    #[track_caller]
    pub fn agent(&self, key: &AgentKey) -> &Agent {
        self.state.agents.get(key).unwrap()
    }

    /// Gives an agent's status as `state`, or `state: what it waits for`.
    #[track_caller]
    pub fn status(&self, key: &AgentKey) -> String {
        let status = &self.agent(key).status;
        match &status.waiting_for {
            Some(what) => format!("{}: {what}", status.state.word()),
            None => status.state.word().to_owned(),
        }
    }

    /// Gives the types of the events from a place on.
    pub fn types_since(&self, place: usize) -> Vec<&'static str> {
        self.events.iter().skip(place).map(|event| event.body.event_type()).collect()
    }

    pub fn count(&self, event_type: &str) -> usize {
        self.events.iter().filter(|event| event.body.event_type() == event_type).count()
    }

    /// Gives how each turn of an agent ended.
    pub fn turns(&self, key: &AgentKey) -> Vec<TurnOutcome> {
        self.events
            .iter()
            .filter(|event| event.agent.as_ref() == Some(key))
            .filter_map(|event| match &event.body {
                EventBody::TurnEnded(body) => Some(body.outcome),
                _ => None,
            })
            .collect()
    }

    pub fn outcome(&self, run: u64) -> Option<&str> {
        self.state.runs.get(&RunId(run)).and_then(|run| run.outcome.as_deref())
    }
}

pub fn launched() -> Outcome {
    Outcome::Launched {
        pid: 4242,
        runner_pid: 4241,
        argv: vec![Bytes::from("claude")],
        environment: vec!["PATH".to_owned()],
        ports: vec![4100, 4101],
    }
}

pub fn pasted() -> Outcome {
    Outcome::Pasted { bytes: 30, bracketed: true, echoed: true }
}

pub fn checkpoint(commit: &str) -> Outcome {
    Outcome::Checkpointed {
        commit: commit.to_owned(),
        tree: format!("tree-{commit}"),
        kept_ref: "refs/orchflow/agents/1/claude".to_owned(),
        unchanged: false,
        files: 1,
        insertions: 3,
        deletions: 1,
        hunks: 2,
        changed: vec![orchflow_core::effect::ChangedFile {
            path: Bytes::from("src/greeting.rs"),
            insertions: 3,
            deletions: 1,
        }],
    }
}

/// Tells whether an agent's process runs and its status is a given one.
pub fn is(agent: &Agent, phase: Phase, status: StatusState) -> bool {
    agent.phase == phase && agent.status.state == status
}
