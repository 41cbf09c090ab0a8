//! Ids of reports are forgotten once none of them can come again, and not before.

use orchflow_core::AgentKey;
use orchflow_core::command::{AgentSpec, Base, Command, ViewPlace};
use orchflow_core::decide::{Context, Input, decide};
use orchflow_core::event::payload::WorktreeCleaned;
use orchflow_core::event::{Actor, Event};
use orchflow_core::state::{ReadySignal, Signals, State, StatusSource};
use orchflow_core::{EventSeq, RunId, Timestamp};
use orchflow_store::{Batch, Writer};

use crate::support::Place;

fn key(name: &str) -> AgentKey {
    AgentKey::new(RunId(1), name)
}

/// Decides a run of two agents.
fn two_agents(state: &mut State) -> Vec<Event> {
    let signals =
        Signals { status: StatusSource::Output, hooks: true, ready: ReadySignal::Start, ready_within_s: 60 };
    let agent = |kind: &str| AgentSpec {
        kind: kind.into(),
        name: None,
        title: kind.into(),
        rehearsal: false,
        signals,
    };
    let command = Command::StartRun {
        objective: "do it".into(),
        base: Base { label: "main".into(), commit: "c".into(), tree: "t".into(), branch: None },
        agents: vec![agent("gone"), agent("stays")],
        place: ViewPlace::default(),
        budget_usd: None,
    };
    let context = Context { now: Timestamp(1), next_seq: EventSeq(1), policy: Default::default() };
    let input = Input::Command { actor: Actor::Human { user: "ada".into() }, command };
    decide(state, input, &context).unwrap().events
}

/// Makes the event that an agent's worktree is gone.
fn cleaned(seq: u64, name: &str) -> Event {
    Event {
        seq: EventSeq(seq),
        at: Timestamp(seq as i64),
        actor: Actor::Host,
        agent: Some(key(name)),
        run: Some(RunId(1)),
        cause: None,
        paths: Vec::new(),
        body: WorktreeCleaned { kept_ref: "refs/orchflow/agents/1/gone".into(), commit: None }.into(),
    }
}

/// Commits events with the aggregates they changed.
fn commit(writer: &mut Writer, state: &mut State, events: Vec<Event>) {
    let aggregates = state
        .take_touched()
        .into_iter()
        .map(|key| {
            let (kind, name) = key.columns();
            (kind, name, state.aggregate_text(&key).unwrap())
        })
        .collect();
    writer.commit(&Batch { events, aggregates, ..Batch::default() }).unwrap();
}

fn count(place: &Place, agent: &str) -> i64 {
    let select = "SELECT count(*) FROM reports_seen WHERE agent = ?1";
    place.sql().query_row(select, [agent], |row| row.get(0)).unwrap()
}

#[test]
fn reports_of_a_cleaned_agent_are_forgotten_and_those_of_others_are_not() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut state = State::default();
    let events = two_agents(&mut state);
    let next = events.len() as u64 + 1;
    commit(&mut writer, &mut state, events);
    let reports_seen = (0..250)
        .flat_map(|number| [key("gone"), key("stays")].map(|agent| (agent, format!("r{number}"))))
        .collect();
    writer.commit(&Batch { reports_seen, ..Batch::default() }).unwrap();
    assert!(!writer.forget_reports(100).unwrap());
    assert_eq!((count(&place, "1/gone"), count(&place, "1/stays")), (250, 250), "they may come again");

    let event = cleaned(next, "gone");
    state.evolve(&event);
    commit(&mut writer, &mut state, vec![event]);
    assert!(writer.forget_reports(100).unwrap(), "in small steps");
    assert_eq!(count(&place, "1/gone"), 150);
    // A host that ends in the middle leaves the rest to the next.
    drop(writer);
    let mut writer = place.writer();
    while writer.forget_reports(100).unwrap() {}
    assert_eq!((count(&place, "1/gone"), count(&place, "1/stays")), (0, 250));
    let reader = place.reader();
    assert!(reader.has_report(&key("stays"), "r7").unwrap());
    assert!(!reader.has_report(&key("gone"), "r7").unwrap());
}

#[test]
fn reports_of_an_older_file_are_known_until_no_agent_of_it_stands() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut state = State::default();
    let events = two_agents(&mut state);
    let next = events.len() as u64 + 1;
    commit(&mut writer, &mut state, events);
    // As the migration leaves them.
    place.sql().execute("INSERT INTO reports_seen (agent, id) VALUES ('', 'old')", []).unwrap();
    let reopened = |writer: Writer| {
        drop(writer);
        let mut writer = place.writer();
        while writer.forget_reports(10).unwrap() {}
        writer
    };
    let mut writer = {
        let event = cleaned(next, "gone");
        state.evolve(&event);
        commit(&mut writer, &mut state, vec![event]);
        reopened(writer)
    };
    assert!(place.reader().has_report(&key("stays"), "old").unwrap());
    let event = cleaned(next + 1, "stays");
    state.evolve(&event);
    commit(&mut writer, &mut state, vec![event]);
    let writer = reopened(writer);
    assert_eq!(count(&place, ""), 0);
    drop(writer);
}
