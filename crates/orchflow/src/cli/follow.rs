//! `log --follow`: every event once, in order, through one host after the other.

use std::io::Write as _;

use serde_json::{Map, Value};

use super::arguments::Words;
use super::commands::{Outcome, list};
use super::envelope::Report;
use super::link::{Link, Successor};
use super::show;

/// Shows events as they come, from a first page on, until nobody reads them any more.
pub(super) fn follow(
    link: &mut Link,
    words: &Words,
    mut params: Map<String, Value>,
    first: &Value,
    mut events: Vec<Value>,
) -> Outcome {
    let jsonl = words.has("jsonl") || words.has("json");
    let from_the_oldest = words.number("after").is_some() && words.number("before").is_none();
    let mut cursor = place_after(first, &events, 0, from_the_oldest);
    let mut out = std::io::stdout();
    leave_with_the_reader();
    params.remove("before");
    loop {
        for event in &events {
            let line = if jsonl { format!("{event}\n") } else { show::event(event) };
            if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
                // The reader of our pipe left; that is its way to stop us.
                return Ok(Report::default());
            }
        }
        params.insert("after".to_owned(), Value::from(cursor));
        let mut wait = Map::new();
        wait.insert("after".to_owned(), Value::from(cursor));
        // Nothing of a page is shown before all of it is here, so the next host is asked for the same.
        link.ask_through(&words.folder, "await_events", &wait, None, Successor::Awaited)?;
        let page = link.ask_through(&words.folder, "log", &params, None, Successor::Awaited)?;
        events = list(&page, "events").to_vec();
        cursor = place_after(&page, &events, cursor, true);
    }
}

/// Gives the place up to which everything wanted is on a page or before it.
///
/// A page may hold events that are newer than the place the host names with it. One from the oldest on that has more
/// behind it ends where its last event stands.
fn place_after(page: &Value, events: &[Value], cursor: u64, from_the_oldest: bool) -> u64 {
    let last = events.iter().filter_map(|event| event.get("seq").and_then(Value::as_u64)).max();
    let has_more = page.get("next").is_some_and(|next| !next.is_null());
    if from_the_oldest && has_more {
        return last.unwrap_or(cursor);
    }
    let seq = page.get("seq").and_then(Value::as_u64).unwrap_or(cursor);
    seq.max(last.unwrap_or(0)).max(cursor)
}

/// Ends the process once nobody reads its standard output any more, also while nothing happens.
fn leave_with_the_reader() {
    use rustix::event::{PollFd, PollFlags, poll};
    std::thread::spawn(|| {
        let stdout = std::io::stdout();
        loop {
            let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
            match poll(&mut watched, None) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => std::process::exit(0),
                Err(_) => return,
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn following_goes_on_where_a_page_ended() {
        let events = |seqs: &[u64]| seqs.iter().map(|seq| json!({ "seq": seq })).collect::<Vec<_>>();
        let cases = [
            (json!({"seq": 9, "next": null}), events(&[7, 8]), true, 9, "nothing else is wanted up to there"),
            (json!({"seq": 9, "next": null}), events(&[9, 10]), true, 10, "one came while the page was read"),
            (json!({"seq": 900, "next": 3}), events(&[2, 3]), true, 3, "there is more behind it"),
            (
                json!({"seq": 900, "next": 898}),
                events(&[898, 901]),
                false,
                901,
                "what is older was not asked for",
            ),
            (json!({"seq": 4, "next": null}), events(&[]), true, 6, "a host never goes back"),
        ];
        for (page, events, from_the_oldest, expected, why) in cases {
            assert_eq!(place_after(&page, &events, 6, from_the_oldest), expected, "{why}");
        }
    }
}
