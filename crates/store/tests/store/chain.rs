//! Every change of a log that is not the writer's own shows.

use orchflow_store::verify::{Verdict, verify};
use orchflow_store::{StoreError, Writer};

use crate::support::{Place, fill};

const EVENTS: u64 = 40;

/// A sealed store whose writer is closed.
fn sealed() -> Place {
    let place = Place::new();
    let mut writer = place.writer();
    fill(&mut writer, 1, EVENTS);
    writer.seal().unwrap();
    place
}

/// The same, but with nothing sealed: what a crash leaves.
fn unsealed() -> Place {
    let place = Place::new();
    fill(&mut place.writer(), 1, EVENTS);
    place
}

fn broken_at(place: &Place) -> Option<u64> {
    verify(&place.file()).unwrap().broken.map(|(seq, _)| seq)
}

#[test]
fn an_untouched_log_holds() {
    for place in [sealed(), unsealed()] {
        assert_eq!(verify(&place.file()).unwrap(), Verdict { checked: EVENTS, broken: None });
        drop(place.writer());
    }
    let empty = Place::new();
    drop(empty.writer());
    assert_eq!(verify(&empty.file()).unwrap(), Verdict { checked: 0, broken: None });
}

#[test]
fn a_change_of_any_column_shows_where_it_is() {
    let original = sealed();
    let columns: Vec<String> = {
        let sql = original.sql();
        let mut select = sql.prepare("SELECT name FROM pragma_table_info('development_events')").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert!(columns.len() >= 15);
    for column in columns {
        // The seal is not what shows it.
        for unseal in [false, true] {
            let place = original.copy();
            let sql = place.sql();
            if unseal {
                sql.execute("DELETE FROM meta WHERE name LIKE 'sealed%'", []).unwrap();
            }
            let changed: &str = match column.as_str() {
                "seq" => "1000",
                "timestamp" | "event_version" | "parent_seq" => "coalesce({column}, 0) + 1",
                "payload_salt" | "payload_hash" | "chain_hash" => "randomblob(32)",
                "event_data" => "replace(event_data, 'event', 'Event')",
                _ => "coalesce({column}, '') || 'x'",
            };
            let changed = changed.replace("{column}", &column);
            let count = sql
                .execute(&format!("UPDATE development_events SET {column} = {changed} WHERE seq = 17"), [])
                .unwrap();
            assert_eq!(count, 1);
            let expected = if column == "seq" { 18 } else { 17 };
            assert_eq!(broken_at(&place), Some(expected), "{column}");
            for nothing in ["ai_id", "user_id", "session_id", "parent_event_id", "parent_seq"] {
                if column == nothing {
                    let sql_null = format!("UPDATE development_events SET {column} = NULL WHERE seq = 17");
                    sql.execute(&sql_null, []).unwrap();
                    let expected = if column == "user_id" { None } else { Some(17) };
                    assert_eq!(broken_at(&place), expected, "{column} taken away");
                }
            }
        }
    }
}

#[test]
fn rows_that_go_come_or_move_show() {
    let cases: [(&str, u64); 8] = [
        ("DELETE FROM development_events WHERE seq = 17", 18),
        ("DELETE FROM development_events WHERE seq = 1", 2),
        ("DELETE FROM development_events WHERE seq > 37", 38),
        ("DELETE FROM development_events", 1),
        ("DELETE FROM development_events WHERE seq BETWEEN 10 AND 20", 21),
        (
            "UPDATE development_events SET seq = -5 WHERE seq = 17;
             UPDATE development_events SET seq = 17 WHERE seq = 23;
             UPDATE development_events SET seq = 23 WHERE seq = -5",
            17,
        ),
        (
            "INSERT INTO development_events SELECT 41, id, timestamp, event_type, event_version, actor, ai_id, user_id,
                session_id, event_data, parent_event_id, parent_seq, payload_salt, payload_hash, chain_hash
             FROM development_events WHERE seq = 40",
            41,
        ),
        (
            "INSERT INTO development_events SELECT -3, id, timestamp, event_type, event_version, actor, ai_id, user_id,
                session_id, event_data, parent_event_id, parent_seq, payload_salt, payload_hash, chain_hash
             FROM development_events WHERE seq = 40",
            3,
        ),
    ];
    let original = sealed();
    for (change, seq) in cases {
        let place = original.copy();
        place.sql().execute_batch(change).unwrap();
        assert_eq!(broken_at(&place), Some(seq), "{change}");
    }
}

#[test]
fn paths_that_go_come_or_change_show() {
    let cases: [(&str, u64); 6] = [
        ("DELETE FROM event_paths WHERE seq = 17", 17),
        ("UPDATE event_paths SET path = x'61' WHERE seq = 17", 17),
        ("INSERT INTO event_paths (path, seq) VALUES (x'61', 17)", 17),
        ("UPDATE event_paths SET seq = 18 WHERE seq = 17", 17),
        ("INSERT INTO event_paths (path, seq) VALUES (x'61', 99)", 99),
        ("INSERT INTO event_paths (path, seq) VALUES (x'61', -1)", 1),
    ];
    let original = sealed();
    for (change, seq) in cases {
        let place = original.copy();
        place.sql().execute_batch(change).unwrap();
        assert_eq!(broken_at(&place), Some(seq), "{change}");
    }
}

#[test]
fn a_purged_payload_leaves_the_chain_whole() {
    let place = sealed();
    let sql = place.sql();
    sql.execute("UPDATE development_events SET event_data = '' WHERE seq IN (17, 40)", []).unwrap();
    assert_eq!(broken_at(&place), None);
    sql.execute("UPDATE development_events SET payload_salt = x'' WHERE seq = 17", []).unwrap();
    sql.execute("DELETE FROM event_paths WHERE seq = 17", []).unwrap();
    assert_eq!(broken_at(&place), None, "what could tell of it may go as well");
    drop(place.writer());
    sql.execute("UPDATE development_events SET event_data = '{}' WHERE seq = 17", []).unwrap();
    assert_eq!(broken_at(&place), Some(17), "nothing else can stand in its place");
}

#[test]
fn a_log_written_anew_is_not_the_one_that_was_sealed() {
    let (ours, other) = (sealed(), Place::new());
    {
        let mut writer = other.writer();
        let events = (1..=EVENTS).map(|seq| crate::support::event(seq, "another story")).collect();
        writer.commit(&crate::support::batch(events)).unwrap();
        writer.seal().unwrap();
    }
    let sql = ours.sql();
    sql.execute("ATTACH ?1 AS other", [other.file().to_str().unwrap()]).unwrap();
    sql.execute_batch(
        "DELETE FROM development_events;
         INSERT INTO development_events SELECT * FROM other.development_events;",
    )
    .unwrap();
    let verdict = verify(&ours.file()).unwrap();
    let (seq, why) = verdict.broken.unwrap();
    assert_eq!(seq, EVENTS, "each row fits the one before, and the last one is not the sealed one: {why}");
}

#[test]
fn a_start_does_not_build_on_a_broken_chain() {
    let cases = [
        "UPDATE development_events SET actor = 'human' WHERE seq = 40",
        "DELETE FROM development_events WHERE seq = 40",
        "UPDATE meta SET value = '41' WHERE name = 'sealed_seq'",
        "UPDATE meta SET value = '39' WHERE name = 'sealed_seq'",
        "UPDATE meta SET value = 'x' WHERE name = 'sealed_seq'",
        "DELETE FROM meta WHERE name = 'sealed_hash'",
    ];
    for change in cases {
        let place = sealed();
        let is_row = change.contains("actor");
        place.sql().execute_batch(change).unwrap();
        match Writer::open(&place.file()) {
            Err(StoreError::Damaged(_)) => {}
            // What is sealed is verified in the background, not at the start.
            Ok(_) if is_row => assert_eq!(broken_at(&place), Some(40)),
            other => panic!("{change}: {other:?}"),
        }
    }
    for change in [
        "UPDATE development_events SET actor = 'human' WHERE seq = 3",
        "DELETE FROM development_events WHERE seq = 3",
        "UPDATE event_paths SET path = x'61' WHERE seq = 3",
    ] {
        let place = unsealed();
        place.sql().execute_batch(change).unwrap();
        let error = Writer::open(&place.file()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged(_)), "{change}: {error}");
    }
}

#[test]
fn a_long_log_is_sealed_on_its_way() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut first = 1;
    while first <= 10_500 {
        let events = (first..first + 500).map(|seq| crate::support::event(seq, "x")).collect();
        writer.commit(&crate::support::batch(events)).unwrap();
        first += 500;
    }
    let sealed: String = place
        .sql()
        .query_row("SELECT value FROM meta WHERE name = 'sealed_seq'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sealed, "10000");
    drop(writer);
    assert_eq!(place.open().1.next_seq.0, 10_501);
    assert_eq!(broken_at(&place), None);
}
