//! The one loop: what is promised waits for its commit, and a commit that fails changes nothing.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use orchflow_core::command::{AgentSpec, Base, Command, ViewPlace};
use orchflow_core::decide::Input;
use orchflow_core::effect::{Effect, EffectBody, Outcome};
use orchflow_core::event::Actor;
use orchflow_core::report::{Channel, Report, ReportEnvelope};
use orchflow_core::state::{ReadySignal, Signals, StatusSource};
use orchflow_core::{AgentKey, Code, RunId, Timestamp};
use orchflow_host::Engine;
use orchflow_host::engine::World;
use orchflow_store::{EventFilter, Page, Reader, Writer};

struct Recorder(Sender<Effect>);

impl World for Recorder {
    fn carry_out(&mut self, effect: Effect) {
        let _ = self.0.send(effect);
    }
}

fn start(path: &Path) -> (Engine, Receiver<Effect>, std::thread::JoinHandle<()>) {
    let (writer, loaded) = Writer::open(path).unwrap();
    let (sender, effects) = channel();
    let (engine, thread) = Engine::start(writer, loaded, Box::new(Recorder(sender)), Default::default());
    (engine, effects, thread)
}

fn swarm() -> Input {
    let signals = Signals {
        status: StatusSource::Osc7501,
        hooks: true,
        ready: ReadySignal::Status,
        ready_within_s: 60,
    };
    let agent = AgentSpec {
        kind: "fake".to_owned(),
        name: None,
        title: "Fake".to_owned(),
        rehearsal: false,
        signals,
    };
    let base =
        Base { label: "main@0".to_owned(), commit: "0".repeat(40), tree: "1".repeat(40), branch: None };
    let command = Command::StartRun {
        objective: "try".to_owned(),
        base,
        agents: vec![agent],
        place: ViewPlace { backend: "none".to_owned(), ..ViewPlace::default() },
        budget_usd: None,
    };
    Input::Command { actor: Actor::Human { user: "me".to_owned() }, command }
}

fn rows(path: &Path) -> Vec<(u64, String)> {
    let rows = Reader::open(path).unwrap().page(&EventFilter::default(), Page::After(0), 1000).unwrap();
    rows.into_iter().map(|row| (row.seq, row.event_type)).collect()
}

#[tokio::test]
async fn an_answer_and_an_effect_come_only_after_their_events_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let (engine, effects, thread) = start(&path);
    let committed = engine.submit(swarm()).await.unwrap();
    assert_eq!(committed.reply.run, Some(RunId(1)));
    assert_eq!(rows(&path).last().unwrap().0, committed.seq.0);
    let effect = effects.recv().unwrap();
    assert!(matches!(effect.body, EffectBody::CreateWorktrees { .. }));
    assert_eq!(engine.ask(|state| state.runs.len()).await, Some(1));
    engine.stop().await;
    thread.join().unwrap();

    // A later host finds the state, and the effect that was not done.
    let (writer, loaded) = Writer::open(&path).unwrap();
    assert_eq!(loaded.state.runs.len(), 1);
    assert_eq!(loaded.outbox.len(), 1);
    assert_eq!(loaded.outbox.first().unwrap().id, effect.id);
    drop(writer);
}

#[tokio::test]
async fn a_report_counts_once_whichever_way_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let (engine, _effects, thread) = start(&path);
    engine.submit(swarm()).await.unwrap();
    let agent = AgentKey::new(RunId(1), "fake");
    let said = |id: &str| {
        let report = Report::NotificationShown { message: "hello".to_owned(), category: "x".to_owned() };
        let envelope = ReportEnvelope {
            id: id.to_owned(),
            agent: agent.clone(),
            at: Timestamp(5),
            channel: Channel::Hook,
            report,
            writers: Vec::new(),
        };
        Input::Report(envelope)
    };
    let (one, two) =
        tokio::join!(engine.report("a".to_owned(), said("a")), engine.report("a".to_owned(), said("a")),);
    one.unwrap();
    two.unwrap();
    engine.spool(vec![("b".to_owned(), said("b"))]).await.unwrap();
    let shown =
        |rows: Vec<(u64, String)>| rows.iter().filter(|(_, kind)| kind == "notification_shown").count();
    assert_eq!(shown(rows(&path)), 2);
    assert!(Reader::open(&path).unwrap().has_report(&AgentKey::new(RunId(1), "fake"), "b").unwrap());
    engine.stop().await;
    thread.join().unwrap();
}

#[tokio::test]
async fn a_spool_read_after_its_agent_was_cleaned_counts_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let (engine, effects, thread) = start(&path);
    engine.submit(swarm()).await.unwrap();
    let agent = AgentKey::new(RunId(1), "fake");
    let said = || {
        let report = Report::NotificationShown { message: "hello".to_owned(), category: "x".to_owned() };
        let (id, at, channel) = ("a".to_owned(), Timestamp(5), Channel::Hook);
        Input::Report(ReportEnvelope { id, agent: agent.clone(), at, channel, report, writers: Vec::new() })
    };
    engine.report("a".to_owned(), said()).await.unwrap();
    let effect = effects.recv().unwrap();
    let outcome = Outcome::WorktreesCreated(vec![(agent.clone(), Err("no room".to_owned()))]);
    engine.submit(Input::EffectDone { effect, outcome }).await.unwrap();
    let actor = Actor::Human { user: "me".to_owned() };
    let command = Command::Clean { agent: agent.clone() };
    engine.submit(Input::Command { actor, command }).await.unwrap();
    let effect = effects.recv().unwrap();
    let outcome = Outcome::Cleaned { kept_ref: "refs/orchflow/agents/1/fake".to_owned(), commit: None };
    engine.submit(Input::EffectDone { effect, outcome }).await.unwrap();
    // The ids are forgotten once the writer has time for it.
    let reader = Reader::open(&path).unwrap();
    while reader.has_report(&agent, "a").unwrap() {
        tokio::task::yield_now().await;
    }
    engine.spool(vec![("a".to_owned(), said())]).await.unwrap();
    let shown = rows(&path).iter().filter(|(_, kind)| kind == "notification_shown").count();
    assert_eq!(shown, 1);
    engine.stop().await;
    thread.join().unwrap();
}

#[tokio::test]
async fn a_commit_that_fails_is_refused_and_leaves_the_state_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let (engine, effects, thread) = start(&path);
    engine.submit(swarm()).await.unwrap();
    let made = effects.recv().unwrap();
    let before = rows(&path);

    // Somebody else holds the file's write lock for longer than the writer waits.
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refusal = engine.submit(swarm()).await.unwrap_err();
    assert_eq!(refusal.code, Code::ReadOnly);
    assert!(refusal.hint.is_some());
    assert!(engine.pulse().borrow().read_only.is_some());
    assert_eq!(engine.ask(|state| state.runs.len()).await, Some(1), "the working copy was thrown away");
    // The world changed all the same; its outcome must not be lost with the commit.
    let agent = AgentKey::new(RunId(1), "fake");
    let outcome = Outcome::WorktreesCreated(vec![(agent.clone(), Ok(("/w".into(), "git".to_owned())))]);
    engine.tell(Input::EffectDone { effect: made.clone(), outcome });
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);

    let committed = engine.submit(swarm()).await;
    let committed = match committed {
        Ok(committed) => committed,
        // The outcome's own commit may still have met the lock; the next one has not.
        Err(_) => engine.submit(swarm()).await.unwrap(),
    };
    assert_eq!(committed.reply.run, Some(RunId(2)));
    assert!(engine.pulse().borrow().read_only.is_none());
    let worktree =
        engine.ask(move |state| state.agents.get(&agent).and_then(|agent| agent.worktree.clone())).await;
    assert_eq!(worktree.flatten(), Some("/w".into()));
    let after = rows(&path);
    assert_eq!(after.get(..before.len()), Some(before.as_slice()));
    assert_eq!(after.last().unwrap().0, after.len() as u64, "seqs stay dense");
    engine.stop().await;
    thread.join().unwrap();
    assert!(orchflow_store::verify::verify(&path).unwrap().broken.is_none());
}
