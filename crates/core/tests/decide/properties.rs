//! What holds after any sequence of inputs, sensible or not.

use std::collections::BTreeMap;

use orchflow_core::command::{Answer, Command, ViewPlace};
use orchflow_core::decide::{Input, wake};
use orchflow_core::effect::{Effect, Ended, Outcome};
use orchflow_core::event::payload::Bytes;
use orchflow_core::event::{Actor, EventBody};
use orchflow_core::policy::Policy;
use orchflow_core::price::{Price, Prices};
use orchflow_core::report::{Report, StatedState, Writer};
use orchflow_core::rule::{NewRule, Rule, RuleScope, RuleSource, Verdict};
use orchflow_core::state::budget::BudgetScope;
use orchflow_core::state::ledger::Day;
use orchflow_core::state::{Agent, Prompt, PromptState, State};
use orchflow_core::usage::{LimitKind, Usage};
use orchflow_core::{AgentKey, Code, EventSeq, Refusal, RunId, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use crate::scene::{
    CLAUDE, HOOKED, OBJECTIVE, SCRIPT, SHELL, STATING, Scene, base, checkpoint, hunk, key, launched, part,
    pasted, shown, spec,
};

/// One step; what it points at is picked from what there is when its turn comes.
#[derive(Debug, Clone)]
enum Step {
    Swarm(Vec<u8>),
    Spawn(u8, bool),
    Send(Index, u8),
    Stop(Index),
    Pause(Index, bool),
    Show(Index),
    Accept(Index, u8, u8),
    Reject(Index, u8, u8, bool),
    Comment(Index, u8),
    AcceptPart(Index, u8, u8),
    RejectPart(Index, u8, u8),
    See(Index, u8, u8),
    Undo,
    Redo,
    Clean(Index),
    Answer(Index, bool),
    AddRule(Index, bool, u8),
    RemoveRule(Index),
    UserRules(Vec<u8>),
    Budget(Index, u8),
    ByAgent(Index),
    Report(Index, u8, u8),
    Done(Index, u8),
    DoneAgain(Index, u8),
    HostStarted(u8),
    RunnerGone(Index, bool),
    ViewClosed(Index),
    Pass(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    prop_oneof![
        1 => prop::collection::vec(0..5u8, 0..4).prop_map(Step::Swarm),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(kind, own)| Step::Spawn(kind, own)),
        3 => (index(), any::<u8>()).prop_map(|(to, text)| Step::Send(to, text)),
        1 => index().prop_map(Step::Stop),
        3 => (index(), any::<bool>()).prop_map(|(agent, pause)| Step::Pause(agent, pause)),
        1 => index().prop_map(Step::Show),
        3 => (index(), 0..3u8, 0..2u8).prop_map(|(agent, id, hash)| Step::Accept(agent, id, hash)),
        3 => (index(), 0..3u8, 0..2u8, any::<bool>())
            .prop_map(|(agent, id, hash, why)| Step::Reject(agent, id, hash, why)),
        1 => (index(), 0..3u8).prop_map(|(agent, id)| Step::Comment(agent, id)),
        2 => (index(), 0..3u8, 0..4u8).prop_map(|(agent, id, lines)| Step::AcceptPart(agent, id, lines)),
        2 => (index(), 0..3u8, 0..4u8).prop_map(|(agent, id, lines)| Step::RejectPart(agent, id, lines)),
        2 => (index(), 0..3u8, 0..3u8).prop_map(|(agent, id, hash)| Step::See(agent, id, hash)),
        2 => Just(Step::Undo),
        2 => Just(Step::Redo),
        1 => index().prop_map(Step::Clean),
        2 => (index(), any::<bool>()).prop_map(|(which, allow)| Step::Answer(which, allow)),
        1 => (index(), any::<bool>(), any::<u8>()).prop_map(|(agent, allow, what)| Step::AddRule(agent, allow, what)),
        1 => index().prop_map(Step::RemoveRule),
        1 => prop::collection::vec(any::<u8>(), 0..4).prop_map(Step::UserRules),
        1 => (index(), any::<u8>()).prop_map(|(agent, what)| Step::Budget(agent, what)),
        1 => index().prop_map(Step::ByAgent),
        20 => (index(), any::<u8>(), any::<u8>()).prop_map(|(agent, kind, more)| Step::Report(agent, kind, more)),
        20 => (index(), 0..12u8).prop_map(|(which, how)| Step::Done(which, how)),
        1 => (index(), 0..12u8).prop_map(|(which, how)| Step::DoneAgain(which, how)),
        1 => any::<u8>().prop_map(Step::HostStarted),
        1 => (index(), any::<bool>()).prop_map(|(agent, wrote)| Step::RunnerGone(agent, wrote)),
        1 => index().prop_map(Step::ViewClosed),
        3 => (0..40_000_000u32).prop_map(Step::Pass),
    ]
}

/// Lines of a hunk of three added and one removed; the last are all of them.
const PARTS: [&str; 4] = ["+1", "+2-3", "-1", "+1-3,-1"];

/// A scene with everything a host keeps beside it: replayed, and stored as aggregates.
#[derive(Default)]
struct Kept {
    scene: Scene,
    replayed: State,
    stored: BTreeMap<(&'static str, String), String>,
    finished: Vec<Effect>,
    seen: usize,
}

impl Kept {
    fn new() -> Kept {
        let price = |model: &str| Price { model: model.to_owned(), input: Some(3.0), ..Price::default() };
        let prices = Prices { dated: String::new(), price: vec![price("a"), price("b*")] };
        let policy =
            Policy { prices, run_budget: Some(40_000_000), day_budget: Some(90_000_000), resumptions: 2 };
        Kept { scene: Scene::with(policy), ..Kept::default() }
    }

    fn agent(&self, index: &Index) -> AgentKey {
        let agents: Vec<&AgentKey> = self.scene.state.agents.keys().collect();
        // One in some names nobody.
        match agents.get(index.index(agents.len() + 1)) {
            Some(agent) => (*agent).clone(),
            None => key(99, "nobody"),
        }
    }

    fn input(&mut self, input: Input) {
        // Refusals are fine; the scene checks that they change nothing.
        let _ = self.scene.input(input);
        self.keep_up();
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command { actor: crate::scene::human(), command });
    }

    /// Replays the new events as the log holds them, and stores what they touched.
    fn keep_up(&mut self) {
        for event in self.scene.events.iter().skip(self.seen) {
            let text = event.body.to_text().unwrap();
            assert_eq!(event.body.to_json().unwrap().to_string(), text);
            let mut event = event.clone();
            event.body = EventBody::from_text(event.body.event_type(), &text).unwrap();
            self.replayed.evolve(&event);
        }
        self.seen = self.scene.events.len();
        assert!(self.replayed == self.scene.state, "the state is not what its log says");
        for key in self.scene.state.take_touched() {
            let (kind, name) = key.columns();
            match self.scene.state.aggregate_text(&key).unwrap() {
                Some(text) => self.stored.insert((kind, name), text),
                None => self.stored.remove(&(kind, name)),
            };
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Swarm(kinds) => {
                let all = [CLAUDE, STATING, HOOKED, SHELL, SCRIPT];
                let agents =
                    kinds.iter().map(|kind| spec("agent", all[usize::from(*kind) % all.len()])).collect();
                let place = ViewPlace { backend: "tmux".to_owned(), ..ViewPlace::default() };
                let objective = OBJECTIVE.to_owned();
                self.command(Command::StartRun { objective, base: base(), agents, place, budget_usd: None });
            }
            Step::Spawn(run, own) => {
                let prompt = own.then(|| "its own".to_owned());
                let (run, agent) = (RunId(u64::from(run % 4)), spec("agent", CLAUDE));
                let place = ViewPlace::default();
                self.command(Command::SpawnAgent { run, base: base(), agent, prompt, place });
            }
            Step::Send(to, text) => {
                let to = vec![self.agent(&to)];
                self.command(Command::SendPrompt { to, text: format!("prompt {}", text % 3) });
            }
            Step::Stop(agent) => {
                let agents = vec![self.agent(&agent)];
                self.command(Command::StopAgents { agents });
            }
            Step::Show(agent) => {
                let agents = vec![self.agent(&agent)];
                let place = ViewPlace { backend: "tmux".to_owned(), ..ViewPlace::default() };
                self.command(Command::ShowAgents { agents, place });
            }
            Step::Pause(agent, pause) => {
                let agents = vec![self.agent(&agent)];
                self.command(Command::PauseAgents { agents, pause });
            }
            Step::Accept(agent, id, hash) => {
                let hunk = hunk(&self.agent(&agent), &format!("h_{id}"), &format!("{hash}"));
                self.command(Command::AcceptHunk { hunk });
            }
            Step::Reject(agent, id, hash, why) => {
                let hunk = hunk(&self.agent(&agent), &format!("h_{id}"), &format!("{hash}"));
                self.command(Command::RejectHunk { hunk, reason: why.then(|| "why".to_owned()) });
            }
            Step::Comment(agent, id) => {
                let hunk = hunk(&self.agent(&agent), &format!("h_{id}"), "0");
                self.command(Command::CommentHunk { hunk, text: "note".to_owned() });
            }
            Step::AcceptPart(agent, id, lines) => {
                let hunk = part(&self.agent(&agent), &format!("h_{id}"), "0", PARTS[usize::from(lines)]);
                self.command(Command::AcceptHunk { hunk });
            }
            Step::RejectPart(agent, id, lines) => {
                let hunk = part(&self.agent(&agent), &format!("h_{id}"), "0", PARTS[usize::from(lines)]);
                self.command(Command::RejectHunk { hunk, reason: None });
            }
            Step::See(agent, id, hash) => {
                let agent = self.agent(&agent);
                let hunk = shown(&agent, &format!("h_{id}"), &format!("{hash}"), u32::from(id) * 3);
                self.command(Command::NoteSeen { hunks: vec![hunk] });
            }
            Step::Undo => self.command(Command::Undo),
            Step::Redo => self.command(Command::Redo),
            Step::Clean(agent) => {
                let agent = self.agent(&agent);
                self.command(Command::Clean { agent });
            }
            Step::Answer(which, allow) => {
                let waiting: Vec<EventSeq> = self.scene.state.approvals.keys().copied().collect();
                let place = which.index(waiting.len() + 1);
                let approval = waiting.get(place).copied().unwrap_or(EventSeq(3));
                let input = (place % 3 == 1).then(|| json!({"command": "other"}));
                let rule = (place % 2 == 1).then(|| rule(allow, &self.agent(&which), place as u8));
                let answer = Answer { allow, reason: None, input, rule };
                self.command(Command::AnswerApproval { approval, answer });
            }
            Step::AddRule(agent, allow, what) => {
                let rule = rule(allow, &self.agent(&agent), what);
                self.command(Command::AddRule { rule });
            }
            Step::RemoveRule(which) => {
                let rules: Vec<EventSeq> = self.scene.state.rules.keys().copied().collect();
                let rule = rules.get(which.index(rules.len() + 1)).copied().unwrap_or(EventSeq(2));
                self.command(Command::RemoveRule { rule });
            }
            Step::UserRules(wanted) => {
                let always = |what: &u8| NewRule {
                    scope: RuleScope::Always,
                    source: RuleSource::Kept,
                    ..rule(what % 2 == 0, &key(1, "agent"), *what)
                };
                let rules: Vec<NewRule> = wanted.iter().map(always).collect();
                self.input(Input::UserRules { actor: Actor::Host, rules });
                let kept = |rule: &&Rule| rule.source != RuleSource::Log;
                let standing = self.scene.state.rules.values().filter(kept).count();
                assert!(standing <= wanted.len(), "what the file says no more holds no more");
            }
            Step::Budget(agent, what) => {
                let scope = match what % 3 {
                    0 => BudgetScope::Day(Day::of(Timestamp(self.scene.now))),
                    _ => BudgetScope::Run(self.agent(&agent).run),
                };
                let usd = (what % 5 != 0).then(|| f64::from(what) / 1000.0);
                self.command(Command::SetBudget { scope, usd });
            }
            Step::ByAgent(agent) => {
                let agent = self.agent(&agent);
                self.input(Input::Command { actor: Actor::Agent { agent }, command: Command::Undo });
            }
            Step::Report(agent, kind, more) => {
                let agent = self.agent(&agent);
                let report = self.report(&agent, kind, more);
                self.scene.writers = writers(more);
                self.scene.report(&agent, report);
                self.keep_up();
            }
            Step::Done(which, how) if !self.scene.open.is_empty() => {
                let place = which.index(self.scene.open.len());
                let effect = self.scene.open.remove(place);
                let outcome = outcome(&effect, how);
                self.finished.push(effect.clone());
                self.input(Input::EffectDone { effect, outcome });
            }
            Step::DoneAgain(which, how) if !self.finished.is_empty() => {
                let effect = self.finished[which.index(self.finished.len())].clone();
                let outcome = outcome(&effect, how);
                self.input(Input::EffectDone { effect, outcome });
            }
            Step::Done(..) | Step::DoneAgain(..) => {}
            Step::HostStarted(pick) => {
                let (mut living, mut gone) = (Vec::new(), Vec::new());
                for (place, agent) in self.scene.state.agents.keys().enumerate() {
                    match (usize::from(pick) + place) % 4 {
                        0 => gone.push((agent.clone(), None)),
                        1 => gone.push((agent.clone(), Some((Some(0), None)))),
                        _ => living.push(agent.clone()),
                    }
                }
                self.input(Input::HostStarted { version: "0.1.0".to_owned(), pid: 1, living, gone });
                // What a new host arms comes on top of what an old one may have left.
                let timers = wake(&self.scene.state, Timestamp(self.scene.now));
                let id = orchflow_core::effect::EffectId { seq: EventSeq(0), index: 0 };
                self.scene.open.extend(timers.into_iter().map(|body| Effect { id, body }));
            }
            Step::RunnerGone(agent, wrote) => {
                let agent = self.agent(&agent);
                self.input(Input::RunnerGone { agent, exit: wrote.then_some((Some(0), None)) });
            }
            Step::ViewClosed(agent) => {
                let agent = self.agent(&agent);
                self.input(Input::ViewClosed { agent, view: "%1".to_owned() });
            }
            Step::Pass(span) => {
                let until = self.scene.now + i64::from(span);
                self.scene.pass(until);
                self.keep_up();
            }
        }
    }

    fn report(&self, agent: &AgentKey, kind: u8, more: u8) -> Report {
        let text = |text: &str| text.to_owned();
        let tool_use_id = (more % 2 == 0).then(|| format!("toolu_{}", more % 5));
        let (tool, input) = (text("Bash"), json!({"command": format!("touch {}", more % 3)}));
        let flying = self.scene.state.prompts_of(agent).next().map(|prompt| prompt.text.clone());
        match kind % 25 {
            22 | 23 => Report::UsageReported { usage: usage(kind, more) },
            24 => Report::LimitReached {
                limit: [LimitKind::Rate, LimitKind::Quota, LimitKind::Overloaded][usize::from(more) % 3],
                message: text("try later"),
                resets_at: (more % 4 != 0).then(|| Timestamp(self.scene.now + i64::from(more) * 500_000)),
            },
            0 => Report::ProcessStarted { pid: 1 },
            1 if more < 60 => Report::ProcessExited {
                code: (more % 3 != 0).then_some(i32::from(more % 2)),
                signal: (more % 3 == 0).then_some(9),
                leftover_ended: 0,
            },
            1 | 2 => Report::SessionStarted { session_id: format!("s{}", more % 2), source: text("startup") },
            3 => Report::SessionEnded { reason: text("other") },
            4 | 5 => Report::PromptSubmitted {
                text: flying.filter(|_| more % 4 != 0).unwrap_or_else(|| text("typed by hand")),
            },
            6 => Report::TurnEnded { message: (more % 2 == 0).then(|| text("done")) },
            7 => Report::TurnFailed { error: text("unknown"), message: None },
            8 => Report::ToolRequested { tool_use_id, tool, input },
            9 => Report::ToolFinished { tool_use_id, tool, input, response: json!(null), duration_ms: None },
            10 => Report::ToolFailed { tool_use_id, tool, input, error: text("exit 1"), interrupted: false },
            11 => Report::ToolDenied { tool_use_id, tool, input, reason: text("no") },
            12 => Report::TextDisplayed { message_id: text("m"), index: 0, last: true, text: text("é🎈") },
            13 => Report::ApprovalRequested {
                tool,
                input,
                tool_use_id,
                answerable: more % 5 != 0,
                held: more % 3 == 0,
            },
            14 => {
                let first = self.scene.state.approvals.values().next();
                let request = first.map_or_else(|| text("none"), |approval| approval.request.clone());
                match more % 3 {
                    0 => Report::ApprovalRejoined { request },
                    _ => Report::ApprovalWithdrawn { request },
                }
            }
            15 => Report::OutputActive,
            16 => Report::OutputQuiet,
            17 => Report::BracketedPaste { on: more % 3 != 0 },
            18 => Report::ScreenMatched { waiting_for: text("trust"), text: text("Trust?") },
            19 => Report::Other { name: text("PreCompact"), payload: json!({"a": 1}) },
            _ => {
                let state = [
                    StatedState::Idle,
                    StatedState::Working,
                    StatedState::Blocked,
                    StatedState::Done,
                    StatedState::Error,
                    StatedState::Clear,
                    StatedState::Idle,
                ][usize::from(more) % 7];
                let detail = (more % 3 == 0).then(|| format!("approve Bash: touch {}", more % 3));
                Report::StatusStated { state, detail, category: (more % 2 == 0).then(|| text("permission")) }
            }
        }
    }

    fn check_stored(&self) {
        let mut loaded = State::default();
        for ((kind, key), text) in &self.stored {
            loaded.load_aggregate(kind, key, text).unwrap();
        }
        assert!(loaded == self.scene.state, "the aggregates are not the state");
    }
}

/// Figures with and without a model and a cost, as steps and as counters.
fn usage(kind: u8, more: u8) -> Usage {
    Usage {
        model: [None, Some("a"), Some("b1"), Some("unknown")][usize::from(more) % 4].map(str::to_owned),
        input_tokens: u64::from(more) * 13,
        cached_tokens: u64::from(more % 7),
        output_tokens: u64::from(kind),
        cost_usd: (more % 3 == 0).then_some(f64::from(more) * 0.000_7),
        is_total: kind % 2 == 0,
        ..Usage::default()
    }
}

/// A rule for an agent or its run, about what reports of these tests ask for.
fn rule(allow: bool, agent: &AgentKey, what: u8) -> NewRule {
    let verdict = match (allow, what % 3) {
        (true, _) => Verdict::Allow,
        (false, 0) => Verdict::Ask,
        (false, _) => Verdict::Deny,
    };
    let scope = match what % 2 {
        0 => RuleScope::Agent { agent: agent.clone() },
        _ => RuleScope::Run { run: agent.run },
    };
    let matcher = ["Bash: touch*", "Bash", "Bash: touch 1", "Edit"][usize::from(what) % 4].parse().unwrap();
    NewRule { verdict, scope, matcher, reason: None, source: RuleSource::Log }
}

/// Gives who writes: mostly nobody.
fn writers(how: u8) -> Vec<Writer> {
    let writer = Writer { pid: 7, command: "make".to_owned(), path: "build.log".into() };
    if how % 6 == 0 { vec![writer] } else { Vec::new() }
}

/// Gives an effect's outcome: mostly one of its own kind, at times any other.
fn outcome(effect: &Effect, how: u8) -> Outcome {
    use orchflow_core::effect::EffectBody as Body;
    let failed = Outcome::Failed(Refusal::new(Code::Conflict, "no").hint("try again"));
    match (how, &effect.body) {
        (0, _) => failed,
        (1, _) => Outcome::Unknown("who knows".to_owned()),
        (2, _) => Outcome::Woken,
        (_, Body::CreateWorktrees { agents, .. }) => Outcome::WorktreesCreated(
            agents
                .iter()
                .enumerate()
                .filter(|(place, _)| how != 3 || place % 2 == 0)
                .map(|(place, agent)| {
                    let path = Bytes(format!("/w/{agent}").into_bytes());
                    let is_bad = how == 4 && place == 0;
                    let result =
                        if is_bad { Err("no space".to_owned()) } else { Ok((path, "git".to_owned())) };
                    (agent.clone(), result)
                })
                .collect(),
        ),
        (_, Body::LaunchAgent { .. }) => launched(),
        (_, Body::OpenViews { agents, .. }) => {
            let result = |place: usize| {
                if how == 3 && place % 2 == 0 {
                    Err("no room".to_owned())
                } else {
                    Ok(("tmux".to_owned(), "%1".to_owned()))
                }
            };
            Outcome::ViewsOpened(
                agents.iter().enumerate().map(|(place, agent)| (agent.clone(), result(place))).collect(),
            )
        }
        (_, Body::PastePrompt { .. }) => pasted(),
        (_, Body::ReadScreen { .. }) => {
            Outcome::ScreenRead((how % 2 == 0).then(|| ("mcp".to_owned(), "New MCP server".to_owned())))
        }
        (_, Body::Wake { .. }) => Outcome::Woken,
        (_, Body::TakeCheckpoint { .. }) => checkpoint("c1"),
        (_, Body::ApplyHunk { .. } | Body::RevertHunk { .. }) => Outcome::Decided {
            applied_to: "file".to_owned(),
            already: how == 5,
            kept_ref: (how != 5).then(|| "refs/kept".to_owned()),
        },
        (_, Body::UndoDecision { .. }) => Outcome::Undone,
        (_, Body::PauseAgent { .. }) => Outcome::Paused { processes: u32::from(how) },
        (_, Body::StopAgent { .. }) => Outcome::Stopped(Ended::default()),
        (_, Body::CleanWorktree { .. }) => Outcome::Cleaned { kept_ref: "r".to_owned(), commit: None },
        (_, Body::LookForWriters { .. }) => Outcome::Writers(writers(how)),
        (_, Body::AnswerHook { .. }) => Outcome::Answered { delivered: how % 2 == 0 },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// The scene checks each step; here the log is replayed and the aggregates are loaded beside it.
    #[test]
    fn the_state_is_the_sum_of_its_log(
        first in prop::collection::vec(0..5u8, 1..4),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut kept = Kept::new();
        kept.take(Step::Swarm(first));
        for (place, step) in steps.into_iter().enumerate() {
            kept.take(step);
            if place % 16 == 0 {
                kept.check_stored();
            }
        }
        kept.check_stored();
        let mut again = State::default();
        for event in &kept.scene.events {
            again.evolve(event);
        }
        prop_assert!(again == kept.scene.state);
    }

    /// When everything that is asked for is done and every agent ends, every run settles.
    #[test]
    fn nothing_is_left_open_when_all_agents_end(
        first in prop::collection::vec(0..5u8, 1..4),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut kept = Kept::new();
        kept.take(Step::Swarm(first));
        for step in steps {
            kept.take(step);
        }
        for _ in 0..6 {
            for agent in kept.scene.state.agents.keys().cloned().collect::<Vec<_>>() {
                kept.scene.report(&agent, Report::ProcessExited { code: Some(0), signal: None, leftover_ended: 0 });
                kept.keep_up();
            }
            let open = std::mem::take(&mut kept.scene.open);
            for effect in open {
                let outcome = outcome(&effect, 11);
                kept.input(Input::EffectDone { effect, outcome });
            }
        }
        let state = &kept.scene.state;
        // What waited for an agent that was cut off waits until that is started again.
        let waits = |prompt: &Prompt| {
            let was_cut_off = state.agents.get(&prompt.agent).is_some_and(Agent::was_cut_off);
            was_cut_off && prompt.state == PromptState::Queued
        };
        prop_assert!(state.prompts.values().all(waits) && state.approvals.is_empty());
        for run in state.runs.values() {
            prop_assert!(run.outcome.is_some(), "run {} is open: {:#?}", run.run, state.agents_of(run.run));
        }
    }
}
