//! The line of an event as it is stored, with as little reading as a timeline of a million events allows: of the
//! frequent types only the fields that are shown are read.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{TELLING, line_of, one_line, summary};
use crate::event::{Actor, Event, EventBody};
use crate::{EventSeq, Timestamp};

/// Says what a stored event tells in one line, as [`summary`] does for one that is whole.
pub fn stored_summary(seq: u64, event_type: &str, data: &str) -> String {
    quick(seq, event_type, data).unwrap_or_else(|| match EventBody::from_text(event_type, data) {
        Ok(body) => summary(&Event {
            seq: EventSeq(seq),
            at: Timestamp(0),
            actor: Actor::Host,
            agent: None,
            run: None,
            cause: None,
            paths: Vec::new(),
            body,
        }),
        Err(_) => one_line(&format!("{event_type} {data}")),
    })
}

#[derive(Deserialize)]
struct Words<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Use<'a> {
    #[serde(borrow)]
    tool: Cow<'a, str>,
    #[serde(borrow, default)]
    input: Telling<'a>,
}

/// Writes the line of the types whose payloads are long; `None` for all others.
fn quick(seq: u64, event_type: &str, data: &str) -> Option<String> {
    let (head, tail) = match event_type {
        "text_displayed" => {
            let words: Words<'_> = serde_json::from_str(data).ok()?;
            return Some(one_line(&words.text));
        }
        "tool_requested" => ("wants ", String::new()),
        "tool_finished" => ("did ", String::new()),
        "approval_requested" => ("asks to ", format!(" (a_{seq})")),
        _ => return None,
    };
    let used: Use<'_> = serde_json::from_str(data).ok()?;
    let mut line = String::with_capacity(256);
    line.push_str(head);
    line.push_str(&match &used.input.0 {
        Some((_, argument)) => line_of(&format!("{}: {argument}", used.tool), super::WIDTH),
        None => one_line(&used.tool),
    });
    line.push_str(&tail);
    Some(one_line(&line))
}

/// The most telling of a tool's arguments, with its rank among the names.
#[derive(Default)]
struct Telling<'a>(Option<(usize, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Telling<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Arguments)
    }
}

struct Arguments;

impl<'de> Visitor<'de> for Arguments {
    type Value = Telling<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tool's arguments")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut found: Option<(usize, Cow<'de, str>)> = None;
        while let Some(Rank(rank)) = entries.next_key()? {
            let better = rank.filter(|rank| found.as_ref().is_none_or(|(known, _)| rank <= known));
            let Some(rank) = better else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            if let Text(Some(text)) = entries.next_value()? {
                found = Some((rank, text));
            }
        }
        Ok(Telling(found))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Telling(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Telling(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Telling(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Telling(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Telling(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Telling(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Telling(None))
    }
}

/// The place of a name among the telling ones.
struct Rank(Option<usize>);

impl<'de> Deserialize<'de> for Rank {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Rank;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Rank, E> {
                Ok(Rank(TELLING.iter().position(|known| *known == name)))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// A text; any other value is passed over.
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyText)
    }
}

struct AnyText;

impl<'de> Visitor<'de> for AnyText {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn slow(seq: u64, event_type: &str, data: &str) -> Option<String> {
        let body = EventBody::from_text(event_type, data).ok()?;
        Some(summary(&Event {
            seq: EventSeq(seq),
            at: Timestamp(0),
            actor: Actor::Host,
            agent: None,
            run: None,
            cause: None,
            paths: Vec::new(),
            body,
        }))
    }

    fn check(event_type: &str, data: &Value) {
        let text = data.to_string();
        assert_eq!(
            Some(stored_summary(41, event_type, &text)),
            slow(41, event_type, &text),
            "{event_type} {text}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_shown_as_it_stands() {
        assert_eq!(stored_summary(1, "of_tomorrow", "{\"a\":1}"), "of_tomorrow {\"a\":1}");
        assert_eq!(stored_summary(1, "text_displayed", "{}"), "text_displayed {}");
        assert_eq!(stored_summary(1, "run_settled", "{\"outcome\":\"done\"}"), "run done");
    }

    proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_quick_line_is_the_line_of_the_whole_event(
            tool in "[A-Za-z\n ]{0,10}|\\PC{150,170}",
            names in prop::collection::vec(0..11usize, 0..4),
            values in prop::collection::vec(any_value(), 4),
            text in "\\PC{0,30}|[a-z\n\t\u{1b}\u{202e}]{0,200}",
        ) {
            const NAMES: [&str; 11] = ["command", "file_path", "path", "pattern", "url", "query", "description",
                "prompt", "other", "com\"mand", ""];
            let input: Value = if names.is_empty() {
                values[0].clone()
            } else {
                names.iter().zip(&values).map(|(name, value)| (NAMES[*name].to_owned(), value.clone())).collect()
            };
            check("tool_requested", &json!({"tool": tool, "tool_use_id": null, "input": input, "reason": text}));
            check("tool_finished", &json!({"tool": tool, "tool_use_id": "x", "input": input, "response": values, "duration_ms": 3}));
            check("approval_requested", &json!({"request": "r", "tool": tool, "input": input, "tool_use_id": null, "answerable": true, "reason": null}));
            check("text_displayed", &json!({"text": text, "last": true}));
            check("notification_shown", &json!({"message": text}));
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            "\\PC{0,20}|[a-z\n \u{7}\"\\\\]{0,220}".prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(json!(null)),
            Just(json!([1, "a", {"command": "no"}])),
            Just(json!({"command": "inner"})),
            Just(json!(1.5)),
        ]
    }
}
