//! Pages and searches, each compared with going through all events by hand.

use std::collections::BTreeSet;

use orchflow_core::RunId;
use orchflow_core::event::payload::RunStarted;
use orchflow_core::event::{Actor, Event, EventBody};
use orchflow_core::filter::{FilePattern, Filter, Is, Scope};
use orchflow_store::{EventFilter, EventRow, Page, Reader};
use serde_json::Value;

use crate::support::{Draw, Place, batch, event, fill, varied};

const EVENTS: u64 = 600;

/// A store of varied events whose search index has reached `indexed` of them.
fn varied_store(indexed: u64) -> (Place, Vec<Event>) {
    let place = Place::new();
    let mut draw = Draw(7);
    let mut events: Vec<Event> = (1..=EVENTS).map(|seq| varied(seq, &mut draw)).collect();
    for run in [1, 2, 4] {
        let begun = &mut events[run * 120 - 3];
        begun.run = Some(RunId(run as u64));
        begun.body = RunStarted {
            objective: "line".into(),
            base: "main".into(),
            base_commit: "c".into(),
            base_tree: "t".into(),
            branch: None,
        }
        .into();
    }
    let mut writer = place.writer();
    for events in events.chunks(50) {
        writer.commit(&batch(events.to_vec())).unwrap();
    }
    if indexed > 0 {
        assert_eq!(writer.index_text(indexed).unwrap(), indexed < EVENTS);
    }
    (place, events)
}

/// The words of an event, found the slow way.
fn words_of(event: &Event) -> BTreeSet<String> {
    fn add(value: &Value, words: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => words.extend(split(text)),
            Value::Number(number) => words.extend(split(&number.to_string())),
            Value::Array(items) => items.iter().for_each(|item| add(item, words)),
            Value::Object(fields) => fields.values().for_each(|item| add(item, words)),
            Value::Null | Value::Bool(_) => {}
        }
    }
    let mut words: BTreeSet<String> = split(event.body.event_type()).into_iter().collect();
    words.extend(event.agent.iter().flat_map(|agent| split(&agent.name)));
    add(&event.body.to_json().unwrap(), &mut words);
    words
}

fn split(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || ('\u{300}'..='\u{36f}').contains(&c);
    let words = text.split(|c| !is_word(c)).filter(|word| !word.is_empty());
    words.map(|word| word.chars().flat_map(char::to_lowercase).collect()).collect()
}

fn fits(event: &Event, filter: &EventFilter) -> bool {
    let agent = event.agent.as_ref().map(|agent| agent.name.clone());
    filter.agent.is_none() || agent == filter.agent
}

/// Says the slow way whether an event is what a filter of the grammar asks for.
fn fits_more(event: &Event, events: &[Event], more: &Filter) -> bool {
    let agents = match &event.agent {
        Some(agent) => more.admits_agent(agent),
        None => more.agents.include.is_empty(),
    };
    let files = {
        let touches = |patterns: &[FilePattern]| {
            event.paths.iter().any(|path| patterns.iter().any(|one| one.fits(path)))
        };
        (more.files.include.is_empty() || touches(&more.files.include)) && !touches(&more.files.exclude)
    };
    let body = event.body.to_json().unwrap();
    let edits = body["tool"] == "Edit";
    let types = more.event_types().is_none_or(|choice| {
        let has = |list: &[&str]| list.contains(&event.body.event_type());
        has(&choice.types) && (edits || !has(&choice.only_edits)) && !(edits && has(&choice.no_edits))
    });
    let is = more.admits_is(|is| match is {
        Is::Human => matches!(event.actor, Actor::Human { .. }),
        Is::Agent => matches!(event.actor, Actor::Agent { .. }),
        Is::FailedEvent => event.body.event_type() == "tool_failed",
        _ => false,
    });
    let newest_run = events
        .iter()
        .filter(|event| event.body.event_type() == "run_started")
        .filter_map(|event| event.run)
        .max();
    let runs = match event.run {
        Some(run) => more.admits_run(run.0, newest_run.map_or(0, |run| run.0)),
        None => more.runs.include.is_empty(),
    };
    let turns = more.turns.is_empty() || {
        let turn_of = |other: &Event| match &other.body {
            EventBody::TurnStarted(body) if other.agent.is_some() && other.agent == event.agent => {
                Some(body.turn)
            }
            _ => None,
        };
        let newest = events.iter().filter_map(turn_of).max().unwrap_or(0);
        let turn = events[..event.seq.0 as usize].iter().filter_map(turn_of).max();
        more.admits_turn(turn, newest)
    };
    let text = more.text.is_empty() || {
        let words = words_of(event);
        let has = |text: &String| split(text).iter().all(|word| words.contains(word));
        more.text.include.iter().all(has) && !more.text.exclude.iter().any(has)
    };
    agents && files && types && is && runs && turns && text
}

fn expected(events: &[Event], filter: &EventFilter, page: Page, limit: usize) -> Vec<u64> {
    let words = filter.text.as_deref().map(split);
    let mut found: Vec<u64> = events
        .iter()
        .filter(|event| fits(event, filter))
        .filter(|event| filter.run.is_none_or(|run| event.run.map(|run| run.0) == Some(run)))
        .filter(|event| {
            filter.types.is_empty() || filter.types.iter().any(|name| name == event.body.event_type())
        })
        .filter(|event| fits_more(event, events, &filter.more))
        .filter(|event| filter.path.as_ref().is_none_or(|path| event.paths.contains(path)))
        .filter(|event| filter.since.is_none_or(|since| event.at.0 >= since))
        .filter(|event| filter.until.is_none_or(|until| event.at.0 <= until))
        .filter(|event| {
            let blank = filter.text.as_deref().is_none_or(|text| text.trim().is_empty());
            let words = words.as_deref().unwrap_or_default();
            blank || (!words.is_empty() && words.iter().all(|word| words_of(event).contains(word)))
        })
        .map(|event| event.seq.0)
        .filter(|seq| match page {
            Page::Before(before) => before.is_none_or(|before| *seq < before),
            Page::After(after) => *seq > after,
        })
        .collect();
    if matches!(page, Page::Before(_)) {
        found.reverse();
    }
    found.truncate(limit);
    found
}

fn check(reader: &Reader, events: &[Event], filter: &EventFilter, page: Page, limit: usize) -> Vec<EventRow> {
    let rows =
        reader.page(filter, page, limit).unwrap_or_else(|error| panic!("{filter:?} {page:?}: {error}"));
    let seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, expected(events, filter, page, limit), "{filter:?} {page:?} {limit}");
    for row in &rows {
        let event = &events[row.seq as usize - 1];
        let paths: BTreeSet<&Vec<u8>> = event.paths.iter().collect();
        assert!(row.paths.iter().eq(paths), "{:?} of {}", row.paths, row.seq);
        assert_eq!(row.body().unwrap(), event.body);
    }
    rows
}

fn draw_filter(draw: &mut Draw) -> EventFilter {
    let types = ["text_displayed", "turn_ended", "notification_shown", "tool_finished", "host_started"];
    let texts =
        ["line", "CAFÉ", "second line", "quoted slash", "4", "claude", "tool_finished straße", "xylophone"];
    let mut filter = EventFilter::default();
    if draw.below(3) == 0 {
        filter.agent = Some((*draw.of(&["claude", "rehearsal", "rehearsal-2", "nobody"])).to_owned());
    }
    if draw.below(3) == 0 {
        filter.run = Some(1 + draw.below(6));
    }
    for _ in 0..draw.below(3) * draw.below(3) {
        filter.types.push((*draw.of(&types)).to_owned());
    }
    if draw.below(3) == 0 {
        filter.path =
            Some(draw.of(&[&b"src/a.rs"[..], b"caf\xe9.rs", b"with space/and\nline", b"none"]).to_vec());
    }
    if draw.below(3) == 0 {
        filter.since = Some(999_000 + draw.below(4_000) as i64);
    }
    if draw.below(3) == 0 {
        filter.until = Some(999_000 + draw.below(4_000) as i64);
    }
    if draw.below(2) == 0 {
        filter.more = draw_more(draw);
    }
    if draw.below(2) == 0 {
        filter.text = Some((*draw.of(&texts)).to_owned());
    }
    filter
}

/// Draws words of the grammar, each part now and then.
fn draw_more(draw: &mut Draw) -> Filter {
    let parts: [&[&str]; 7] = [
        &["agent:claude", "agent:rehearsal*", "-agent:*-2", "agent:2/*,3/claude", "agent:*", "agent:nobody*"],
        &["file:src", "file:**", "file:src/*.rs", "-file:src/b.rs", "file:with*/**,src/a.rs", "file:*.rs"],
        &[
            "type:edit",
            "type:tool -type:edit",
            "type:turn,tool_failed",
            "-type:tool",
            "-type:edit",
            "type:usage",
        ],
        &["is:human", "is:failed", "-is:human", "is:agent,human is:failed", "-is:failed"],
        &["turn:-1", "turn:-2,-3", "-turn:-1", "turn:17", "agent:claude turn:-1"],
        &["run:-1", "run:1,3", "-run:2", "run:4", "run:-9"],
        &["line -quoted", "-line", "-\"kebab-case\"", "4", "café"],
    ];
    let words: Vec<&str> = {
        let mut words = Vec::new();
        for part in parts {
            if draw.below(3) == 0 {
                words.push(*draw.of(part));
            }
        }
        words
    };
    Filter::parse(Scope::Events, &words.join(" ")).unwrap()
}

#[test]
fn any_filter_on_any_page_finds_what_is_there_however_far_the_index_is() {
    for indexed in [0, 1, 317, EVENTS] {
        let (place, events) = varied_store(indexed);
        let reader = place.reader();
        let mut draw = Draw(11 + indexed);
        for _ in 0..400 {
            let filter = draw_filter(&mut draw);
            let page = match draw.below(3) {
                0 => Page::Before(None),
                1 => Page::Before(Some(draw.below(EVENTS + 20))),
                _ => Page::After(draw.below(EVENTS + 20)),
            };
            let limit = *draw.of(&[0, 1, 3, 50, 100, 1000]);
            check(&reader, &events, &filter, page, limit);
        }
    }
}

#[test]
fn pages_follow_each_other_without_gap_or_overlap() {
    let (place, events) = varied_store(400);
    let reader = place.reader();
    for text in [None, Some("line".to_owned())] {
        let filter = EventFilter { text, ..EventFilter::default() };
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let rows = check(&reader, &events, &filter, Page::Before(before), 37);
            let Some(last) = rows.last() else { break };
            before = Some(last.seq);
            seen.extend(rows.iter().map(|row| row.seq));
        }
        let all = expected(&events, &filter, Page::Before(None), usize::MAX);
        assert_eq!(seen, all);
        let (mut after, mut back) = (0, Vec::new());
        loop {
            let rows = check(&reader, &events, &filter, Page::After(after), 41);
            let Some(last) = rows.last() else { break };
            after = last.seq;
            back.extend(rows.iter().map(|row| row.seq));
        }
        back.reverse();
        assert_eq!(back, all);
    }
}

#[test]
fn bounds_at_the_edges_of_numbers_are_bounds() {
    let (place, events) = varied_store(300);
    let reader = place.reader();
    let text = Some("line".to_owned());
    for text in [None, text] {
        for page in
            [Page::Before(Some(u64::MAX)), Page::Before(Some(0)), Page::After(u64::MAX), Page::After(0)]
        {
            let filter = EventFilter { text: text.clone(), ..EventFilter::default() };
            check(&reader, &events, &filter, page, usize::MAX);
        }
        for (since, until) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, 0), (i64::MAX, i64::MAX)] {
            let (since, until) = (Some(since), Some(until));
            let filter = EventFilter { text: text.clone(), since, until, ..EventFilter::default() };
            check(&reader, &events, &filter, Page::Before(None), 10);
        }
    }
    let run = Some(u64::MAX);
    check(&reader, &events, &EventFilter { run, ..EventFilter::default() }, Page::Before(None), 10);
}

#[test]
fn hostile_queries_are_words_or_nothing() {
    for indexed in [0, 300, EVENTS] {
        let (place, events) = varied_store(indexed);
        let reader = place.reader();
        let queries = [
            "\"",
            "'",
            "*",
            "line*",
            "\"line",
            "line\"",
            "NEAR(first second)",
            "line OR xylophone",
            "body:line",
            "body : line",
            "-line",
            "^line",
            "line NOT second",
            "AND",
            "OR",
            "NOT",
            "(",
            ")",
            "{a b}:c",
            "a + b",
            "line AND",
            "; DROP TABLE development_events; --",
            "\0",
            "line\0second",
            "line\nsecond",
            "🎈",
            "%",
            "_",
            "\\",
            "caf\u{e9}",
            "cafe\u{301}",
            "e\u{301}te\u{301}",
            "ΟΔΟΣ",
            "οδος",
            "STRASSE",
            "straße",
            "١٧",
            "  line  ",
            "17",
            "4.5",
            "0x1f",
            "rs",
            "file.rs",
            "kebab-case",
            "snake_case",
            "snake",
            "nsecond",
            "text",
            "message",
            "\u{202e}line",
            "true",
            "null",
        ];
        for query in queries {
            let filter = EventFilter { text: Some(query.to_owned()), ..EventFilter::default() };
            check(&reader, &events, &filter, Page::Before(None), 1000);
            check(&reader, &events, &filter, Page::After(0), 1000);
            let filter = EventFilter { agent: Some("claude".to_owned()), ..filter };
            check(&reader, &events, &filter, Page::Before(None), 1000);
        }
        for huge in ["word ".repeat(5000), "x".repeat(1_000_000), "\"".repeat(10_000), "a b ".repeat(600)] {
            let filter = EventFilter { text: Some(huge), ..EventFilter::default() };
            reader.page(&filter, Page::Before(None), 10).unwrap();
        }
    }
}

#[test]
fn hostile_filters_match_nothing_and_break_nothing() {
    let (place, events) = varied_store(EVENTS);
    let reader = place.reader();
    for odd in ["' OR 1=1 --", "\"", "\0", "", "claude\" OR \"rehearsal", "%", "🎈"] {
        for text in [None, Some("line".to_owned())] {
            let odd = odd.to_owned();
            let filters = [
                EventFilter { agent: Some(odd.clone()), text: text.clone(), ..EventFilter::default() },
                EventFilter { types: vec![odd.clone()], text: text.clone(), ..EventFilter::default() },
                EventFilter {
                    types: vec![odd.clone(), odd.clone()],
                    text: text.clone(),
                    ..EventFilter::default()
                },
                EventFilter { path: Some(odd.into_bytes()), text, ..EventFilter::default() },
            ];
            for filter in filters {
                check(&reader, &events, &filter, Page::Before(None), 100);
            }
        }
    }
    let types = (0..300).map(|number| format!("type_{number}")).collect();
    check(&reader, &events, &EventFilter { types, ..EventFilter::default() }, Page::Before(None), 100);
}

#[test]
fn search_goes_on_while_the_index_follows() {
    let place = Place::new();
    let mut writer = place.writer();
    fill(&mut writer, 1, 500);
    let filter = EventFilter { text: Some("event".to_owned()), ..EventFilter::default() };
    let all: Vec<u64> = (1..=500).rev().collect();
    std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let reader = place.reader();
            // Ends once it has seen every step of the index, or plenty of them.
            for _ in 0..400 {
                let rows = reader.page(&filter, Page::Before(None), 1000).unwrap();
                let seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
                assert_eq!(seqs, all, "each event once, whichever way it was found");
            }
        });
        while !looker.is_finished() {
            if !writer.index_text(3).unwrap() {
                break;
            }
        }
        looker.join().unwrap();
    });
}

#[test]
fn an_index_that_is_up_to_date_has_nothing_to_do() {
    let place = Place::new();
    let mut writer = place.writer();
    assert!(!writer.index_text(10).unwrap());
    fill(&mut writer, 1, 25);
    assert!(writer.index_text(10).unwrap());
    assert!(writer.index_text(10).unwrap());
    assert!(!writer.index_text(10).unwrap());
    assert!(!writer.index_text(10).unwrap());
    drop(writer);
    let mut writer = place.writer();
    assert!(!writer.index_text(u64::MAX).unwrap(), "a new host goes on where the last one stopped");
    writer.commit(&batch(vec![event(26, "one more")])).unwrap();
    assert!(!writer.index_text(u64::MAX).unwrap());
}

#[test]
fn what_led_to_an_event_and_what_it_led_to_are_found() {
    let (place, events) = varied_store(0);
    let reader = place.reader();
    for seq in [1, 2, 77, EVENTS, EVENTS + 1] {
        let mut expected = Vec::new();
        let mut next = events.get(seq as usize - 1).and_then(|event| event.cause);
        while let Some(cause) = next {
            expected.push(cause.0);
            next = events[cause.0 as usize - 1].cause;
        }
        let seqs = |rows: Vec<EventRow>| rows.iter().map(|row| row.seq).collect::<Vec<_>>();
        assert_eq!(seqs(reader.causes(seq, 1000).unwrap()), expected);
        expected.truncate(3);
        assert_eq!(seqs(reader.causes(seq, 3).unwrap()), expected);
        let follows = events.iter().filter(|event| event.cause.is_some_and(|cause| cause.0 == seq));
        let mut expected: Vec<u64> = follows.map(|event| event.seq.0).collect();
        assert_eq!(seqs(reader.effects(seq, 100).unwrap()), expected);
        expected.truncate(1);
        assert_eq!(seqs(reader.effects(seq, 1).unwrap()), expected);
    }
}

#[test]
fn many_files_of_one_pattern_are_found_as_well() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut events: Vec<Event> = (1..=EVENTS).map(|seq| event(seq, "line")).collect();
    for event in &mut events {
        let seq = event.seq.0;
        event.paths = vec![format!("src/part{}/file{}.rs", seq % 7, seq % 293).into_bytes()];
        if seq % 5 == 0 {
            event.paths = vec![b"README.md".to_vec()];
        }
    }
    writer.commit(&batch(events.clone())).unwrap();
    let reader = place.reader();
    for words in
        ["file:src/**", "file:src/**/*1.rs", "file:src/part3", "-file:src/part3/*2.rs", "file:src/** line"]
    {
        let filter =
            EventFilter { more: Filter::parse(Scope::Events, words).unwrap(), ..EventFilter::default() };
        for page in [Page::Before(None), Page::Before(Some(300)), Page::After(0), Page::After(450)] {
            assert!(!check(&reader, &events, &filter, page, 40).is_empty(), "{words}");
        }
    }
}
