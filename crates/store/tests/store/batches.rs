//! What one commit holds, and what a start finds.

use orchflow_core::command::{AgentSpec, Base, Command, ViewPlace};
use orchflow_core::decide::{Context, Input, decide};
use orchflow_core::effect::{Effect, EffectId};
use orchflow_core::event::Actor;
use orchflow_core::report::{Channel, Report, ReportEnvelope, StatedState};
use orchflow_core::state::{ReadySignal, Signals, State, StatusSource};
use orchflow_core::{AgentKey, EventSeq, Timestamp};
use orchflow_store::{Batch, StoreError, Writer};

use crate::support::{Place, batch, claude, event, fill};

/// A host in small: decides on a state and commits what that brings.
struct Host {
    writer: Writer,
    state: State,
    next_seq: EventSeq,
}

impl Host {
    fn take(&mut self, input: Input, reports_seen: Vec<(AgentKey, String)>) -> Vec<Effect> {
        let context = Context { now: Timestamp(self.next_seq.0 as i64 * 1000), next_seq: self.next_seq };
        let decision = decide(&mut self.state, input, &context).unwrap();
        self.next_seq = EventSeq(self.next_seq.0 + decision.events.len() as u64);
        let aggregates = self
            .state
            .take_touched()
            .into_iter()
            .map(|key| {
                let (kind, name) = key.columns();
                (kind, name, self.state.aggregate_text(&key).unwrap())
            })
            .collect();
        let durable: Vec<Effect> =
            decision.effects.into_iter().filter(|effect| effect.body.is_durable()).collect();
        let outbox_add = durable.clone();
        let batch =
            Batch { events: decision.events, aggregates, outbox_add, reports_seen, ..Batch::default() };
        self.writer.commit(&batch).unwrap();
        durable
    }
}

fn swarm() -> Input {
    let signals = Signals {
        status: StatusSource::Osc7501,
        hooks: true,
        ready: ReadySignal::Status,
        ready_within_s: 60,
    };
    let agent = |kind: &str| AgentSpec {
        kind: kind.into(),
        name: None,
        title: kind.into(),
        rehearsal: false,
        signals,
    };
    let base = Base { label: "main".into(), commit: "c".into(), tree: "t".into(), branch: None };
    let command = Command::StartRun {
        objective: "do it\nwith \"quotes\"".into(),
        base,
        agents: vec![agent("claude"), agent("rehearsal")],
        place: ViewPlace::default(),
    };
    Input::Command { actor: Actor::Human { user: "ada".into() }, command }
}

#[test]
fn a_start_finds_what_the_last_host_committed() {
    let place = Place::new();
    let (writer, loaded) = place.open();
    assert_eq!((loaded.next_seq, loaded.last_at), (EventSeq(1), Timestamp(0)));
    assert!(loaded.outbox.is_empty());
    let mut host = Host { writer, state: loaded.state, next_seq: loaded.next_seq };
    let wanted = host.take(swarm(), Vec::new());
    let agent = host.state.agents.keys().next().unwrap().clone();
    for state in [StatedState::Idle, StatedState::Working] {
        let report = Report::StatusStated { state, detail: None, category: None };
        let envelope = ReportEnvelope {
            id: format!("{state:?}"),
            agent: agent.clone(),
            at: Timestamp(0),
            channel: Channel::Osc7501,
            report,
            writers: Vec::new(),
        };
        host.take(Input::Report(envelope.clone()), vec![(envelope.agent, envelope.id)]);
    }
    let Host { writer, state, next_seq } = host;
    let (again, from) = writer.reload_state().unwrap();
    assert!(again == state && from == next_seq, "a failed commit is undone by loading again");
    drop(writer);
    let (_, loaded) = place.open();
    assert!(loaded.state == state, "the state is what it was");
    assert_eq!(loaded.next_seq, next_seq);
    let kept: Vec<Effect> = loaded.outbox.into_iter().map(|row| row.effect.unwrap()).collect();
    assert_eq!(kept, wanted);
    // The log alone gives the same state.
    let mut replayed = State::default();
    let reader = place.reader();
    for seq in 1..next_seq.0 {
        let row = reader.event(seq).unwrap().unwrap();
        let agent = row.agent.as_ref().map(|name| format!("{}/{name}", row.run.unwrap()).parse().unwrap());
        replayed.evolve(&orchflow_core::event::Event {
            seq: EventSeq(seq),
            at: Timestamp(row.timestamp),
            actor: Actor::Host,
            agent,
            run: row.run.map(orchflow_core::RunId),
            cause: row.cause.map(EventSeq),
            paths: row.paths.clone(),
            body: row.body().unwrap(),
        });
    }
    assert!(replayed == state, "the state is the sum of the stored log");
    assert!(reader.has_report(&claude(), "Idle").unwrap() && !reader.has_report(&claude(), "Done").unwrap());
}

#[test]
fn an_event_comes_back_with_all_it_had() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut second = event(2, "héllo \u{0} \n \"x\"");
    second.paths = vec![b"z".to_vec(), b"caf\xe9".to_vec(), b"z".to_vec()];
    second.actor = Actor::Script { user: "ada".into() };
    let mut third = event(3, "");
    (third.agent, third.run, third.cause, third.paths) = (None, None, None, Vec::new());
    third.actor = Actor::Host;
    writer.commit(&batch(vec![event(1, "one"), second.clone(), third])).unwrap();
    let row = place.reader().event(2).unwrap().unwrap();
    assert_eq!((row.seq, row.timestamp, row.event_type.as_str()), (2, second.at.0, "text_displayed"));
    assert_eq!(
        (row.actor.as_str(), row.agent.as_deref(), row.user.as_deref()),
        ("script", Some("claude"), Some("ada"))
    );
    assert_eq!((row.run, row.cause), (Some(1), Some(1)));
    assert_eq!(row.paths, [b"caf\xe9".to_vec(), b"z".to_vec()], "each once, in order");
    assert_eq!(row.body().unwrap(), second.body);
    let id = uuid::Uuid::parse_str(&row.id).unwrap();
    assert_eq!(id.get_version_num(), 7);
    let millis = id.get_timestamp().map(|at| at.to_unix().0 * 1000 + u64::from(at.to_unix().1) / 1_000_000);
    assert_eq!(millis, Some(second.at.0 as u64 / 1000));
    let row = place.reader().event(3).unwrap().unwrap();
    assert_eq!((row.agent, row.user, row.run, row.cause, row.paths), (None, None, None, None, Vec::new()));
    assert_eq!(place.reader().event(4).unwrap(), None);
    assert_eq!(place.reader().event(u64::MAX).unwrap(), None);
    assert_eq!(place.reader().last_seq().unwrap(), 3);
}

#[test]
fn the_parent_is_named_by_its_id_however_long_ago_it_was() {
    let place = Place::new();
    let mut writer = place.writer();
    fill(&mut writer, 1, 1200);
    let mut late = event(1201, "late");
    late.cause = Some(EventSeq(7));
    let mut sibling = event(1202, "sibling");
    sibling.cause = Some(EventSeq(1201));
    writer.commit(&batch(vec![late, sibling])).unwrap();
    drop(writer);
    // A new host knows none of them by heart.
    let mut writer = place.writer();
    let mut next = event(1203, "next");
    next.cause = Some(EventSeq(1202));
    writer.commit(&batch(vec![next])).unwrap();
    let strangers: i64 = place
        .sql()
        .query_row(
            "SELECT count(*) FROM development_events e LEFT JOIN development_events p ON p.seq = e.parent_seq
             WHERE e.parent_event_id IS NOT p.id",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(strangers, 0);
    let distinct: i64 = place
        .sql()
        .query_row("SELECT count(DISTINCT id) FROM development_events", [], |row| row.get(0))
        .unwrap();
    assert_eq!(distinct, 1203);
}

#[test]
fn places_without_gaps_are_a_must() {
    let place = Place::new();
    let mut writer = place.writer();
    fill(&mut writer, 1, 3);
    for wrong in [vec![event(5, "x")], vec![event(3, "x")], vec![event(4, "x"), event(6, "x")]] {
        let error = writer.commit(&batch(wrong)).unwrap_err();
        assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    }
    assert_eq!(place.reader().last_seq().unwrap(), 3);
    fill(&mut writer, 4, 1);
    assert_eq!(orchflow_store::verify::verify(&place.file()).unwrap().broken, None);
}

#[test]
fn an_effect_stays_until_it_is_done() {
    let place = Place::new();
    let mut writer = place.writer();
    let effect = |seq: u64, index: u32| Effect {
        id: EffectId { seq: EventSeq(seq), index },
        body: orchflow_core::effect::EffectBody::StopAgent { agent: "1/claude".parse().unwrap() },
    };
    let commit = |writer: &mut Writer, add: Vec<Effect>, done: Vec<EffectId>| {
        writer.commit(&Batch { outbox_add: add, outbox_done: done, ..Batch::default() }).unwrap();
    };
    commit(&mut writer, vec![effect(2, 1), effect(1, 0), effect(2, 0)], Vec::new());
    commit(&mut writer, vec![effect(3, 0)], vec![effect(2, 0).id, effect(3, 0).id, effect(9, 9).id]);
    drop(writer);
    place
        .sql()
        .execute("INSERT INTO outbox (seq, part, data) VALUES (7, 0, '{\"kind\":\"dream\"}')", [])
        .unwrap();
    let (_, loaded) = place.open();
    let ids: Vec<(u64, u32, bool)> =
        loaded.outbox.iter().map(|row| (row.id.seq.0, row.id.index, row.effect.is_ok())).collect();
    assert_eq!(
        ids,
        [(1, 0, true), (2, 1, true), (7, 0, false)],
        "one that cannot be read is told, not dropped"
    );
}

#[test]
fn reports_count_once() {
    let place = Place::new();
    let mut writer = place.writer();
    let commit = |writer: &mut Writer, reports: &[&str]| {
        let reports_seen = reports.iter().map(|id| (claude(), (*id).to_owned())).collect();
        writer.commit(&Batch { reports_seen, ..Batch::default() }).unwrap();
    };
    commit(&mut writer, &["a", "b", "a"]);
    commit(&mut writer, &["b", "é'\""]);
    let reader = place.reader();
    for (id, known) in [("a", true), ("b", true), ("é'\"", true), ("c", false), ("", false)] {
        assert_eq!(reader.has_report(&claude(), id).unwrap(), known, "{id}");
    }
}

#[test]
fn an_empty_batch_is_nothing() {
    let place = Place::new();
    let mut writer = place.writer();
    assert!(Batch::default().is_empty());
    assert!(!batch(vec![event(1, "x")]).is_empty());
    writer.commit(&Batch::default()).unwrap();
    assert_eq!(place.reader().last_seq().unwrap(), 0);
}

#[test]
fn an_aggregate_that_cannot_be_read_stops_the_start() {
    let place = Place::new();
    drop(place.writer());
    place.sql().execute("INSERT INTO aggregates VALUES ('agent', '1/claude', '{')", []).unwrap();
    let error = orchflow_store::Writer::open(&place.file()).unwrap_err();
    assert!(matches!(&error, StoreError::Damaged(why) if why.contains("1/claude")), "{error}");
    // A kind of a newer version is left alone.
    place.sql().execute("UPDATE aggregates SET kind = 'dream'", []).unwrap();
    drop(place.writer());
}

#[test]
fn time_goes_on_where_it_stopped() {
    let place = Place::new();
    let mut writer = place.writer();
    fill(&mut writer, 1, 25);
    let last_at = Timestamp(1_000_025);
    drop(writer);
    assert_eq!(place.open().1.last_at, last_at);
    place.writer().seal().unwrap();
    assert_eq!(place.open().1.last_at, last_at, "also when there is nothing to verify");
}

#[test]
fn secrets_are_out_before_anything_is_hashed_or_written() {
    let place = Place::new();
    let mut writer = place.writer();
    let secret = format!("sk-ant-{}", "a1B2".repeat(8));
    let tool = orchflow_core::event::payload::ToolRequested {
        tool: "Bash".into(),
        tool_use_id: None,
        input: serde_json::json!({"command": format!("export KEY={secret}"), "password": "hunter2"}),
        reason: Some("nothing secret".into()),
    };
    let mut with_tool = event(2, "");
    with_tool.body = tool.into();
    writer.commit(&batch(vec![event(1, &format!("use {secret} now")), with_tool])).unwrap();
    let reader = place.reader();
    assert_eq!(reader.event(1).unwrap().unwrap().data, r#"{"text":"use sk-ant-[redacted] now","last":true}"#);
    let data = reader.event(2).unwrap().unwrap().data;
    assert!(data.contains("KEY=sk-ant-[redacted]") && data.contains("nothing secret"), "{data}");
    assert!(!data.contains("hunter2"), "{data}");
    assert_eq!(orchflow_store::verify::verify(&place.file()).unwrap().broken, None);
    drop((writer, reader));
    for entry in std::fs::read_dir(place.file().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let is_there = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!is_there(secret.as_bytes()) && !is_there(b"hunter2"), "a secret reached the disk");
    }
}

#[test]
fn what_people_say_is_theirs_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let mut writer = place.writer();
    fill(&mut writer, 1, 1);
    for entry in std::fs::read_dir(place.file().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}
