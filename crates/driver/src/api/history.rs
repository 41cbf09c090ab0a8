//! A conversation: what was said, how much of a model's context it takes, and how room is made.

use serde::{Deserialize, Serialize};

use super::message::{Message, Part, ToolCall, ToolResult};

/// What stands for a result that made room.
const REMOVED: &str = "[orchflow took this result out to make room; use the tool again if you need it]";

/// Results younger than so many messages stay.
const KEPT_RESULTS: usize = 6;

/// Shorter results are not worth taking out, in bytes.
const WORTH: usize = 400;

/// Bytes of a request for each token, until an answer tells.
const BYTES_PER_TOKEN: f64 = 3.5;

/// A conversation with one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The session it belongs to.
    pub session: String,
    /// What was said.
    pub messages: Vec<Message>,
    /// Bytes of a request for each token, as the last answer had it.
    bytes_per_token: f64,
}

impl History {
    /// Begins a conversation.
    pub fn new(session: String) -> History {
        History { session, messages: Vec::new(), bytes_per_token: BYTES_PER_TOKEN }
    }

    /// Adds something.
    pub fn push(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// Gives every call of the last answer a result that says why there is none, where one is missing: an answer
    /// without them is refused by every provider.
    pub fn settle(&mut self, why: &str) {
        let Some(Message::Assistant { parts, .. }) = self.messages.last() else { return };
        let results: Vec<ToolResult> = calls(parts).map(|call| result(call, why.to_owned(), true)).collect();
        if !results.is_empty() {
            self.messages.push(Message::Results { results });
        }
    }

    /// Learns from an answer how long a token is.
    pub fn learn(&mut self, request_bytes: usize, tokens: u64) {
        if tokens > 200 {
            #[allow(clippy::cast_precision_loss)]
            let ratio = request_bytes as f64 / tokens as f64;
            self.bytes_per_token = ratio.clamp(1.0, 8.0);
        }
    }

    /// Guesses how many tokens the conversation takes, `beside` bytes of other things among them.
    pub fn tokens(&self, beside: usize) -> u64 {
        let bytes: usize = self.messages.iter().map(size).sum();
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let tokens = ((bytes + beside) as f64 / self.bytes_per_token) as u64;
        tokens
    }

    /// Makes room until the conversation takes at most so many tokens: first old results go, then the oldest
    /// messages. Says what went; `None` where nothing did.
    pub fn make_room(&mut self, beside: usize, most: u64) -> Option<String> {
        let mut results = 0;
        let kept_from = self.messages.len().saturating_sub(KEPT_RESULTS);
        for place in 0..kept_from {
            if self.tokens(beside) <= most {
                break;
            }
            if let Some(Message::Results { results: old }) = self.messages.get_mut(place) {
                for result in old.iter_mut().filter(|result| result.text.len() > WORTH) {
                    REMOVED.clone_into(&mut result.text);
                    results += 1;
                }
            }
        }
        let messages = self.drop_oldest(beside, most);
        match (results, messages) {
            (0, 0) => None,
            (results, 0) => {
                Some(format!("{results} old results were taken out of the conversation to make room"))
            }
            (_, messages) => Some(format!("the {messages} oldest messages were left out to make room")),
        }
    }

    /// Leaves out turns from the beginning, whole ones; the last stays, and is said to have had others before it.
    fn drop_oldest(&mut self, beside: usize, most: u64) -> usize {
        let mut dropped = 0;
        while self.tokens(beside) > most {
            let next = self
                .messages
                .iter()
                .skip(1)
                .position(|message| matches!(message, Message::User { .. }))
                .map(|place| place + 1);
            let Some(next) = next else { break };
            self.messages.drain(..next);
            dropped += next;
        }
        // One turn alone may be too long: its middle goes, calls and results in pairs.
        while self.tokens(beside) > most && self.messages.len() > 5 {
            let is_pair = matches!(self.messages.get(1), Some(Message::Assistant { .. }))
                && matches!(self.messages.get(2), Some(Message::Results { .. }));
            if !is_pair {
                break;
            }
            self.messages.drain(1..3);
            dropped += 2;
        }
        if dropped > 0
            && let Some(Message::User { text }) = self.messages.first_mut()
        {
            const NOTE: &str = "[orchflow left out what was said before, to make room]\n\n";
            if !text.starts_with(NOTE) {
                text.insert_str(0, NOTE);
            }
        }
        dropped
    }
}

/// Gives the calls of an answer.
pub fn calls(parts: &[Part]) -> impl Iterator<Item = &ToolCall> {
    parts.iter().filter_map(|part| match part {
        Part::Call(call) => Some(call),
        _ => None,
    })
}

/// Makes the result of a call.
pub fn result(call: &ToolCall, text: String, is_error: bool) -> ToolResult {
    ToolResult { id: call.id.clone(), name: call.name.clone(), text, is_error }
}

fn size(message: &Message) -> usize {
    /// What the frame around a part takes.
    const FRAME: usize = 60;
    match message {
        Message::User { text } => text.len() + FRAME,
        Message::Results { results } => results.iter().map(|result| result.text.len() + 2 * FRAME).sum(),
        Message::Assistant { parts, .. } => parts
            .iter()
            .map(|part| {
                FRAME
                    + match part {
                        Part::Text { text, .. } => text.len(),
                        Part::Reasoning { text, carry } => {
                            carry.as_ref().map_or(text.len(), |carry| carry.to_string().len())
                        }
                        Part::Call(call) => call.arguments.to_string().len() + call.name.len() + FRAME,
                    }
            })
            .sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::message::Author;
    use crate::api::wire::Dialect;
    use serde_json::json;

    fn history(steps: usize, result_bytes: usize) -> History {
        let mut history = History::new("s".into());
        history.push(Message::User { text: "do it".into() });
        for step in 0..steps {
            let mut call = ToolCall::from_text(format!("c{step}"), "Read".into(), "{}");
            call.arguments = json!({ "file_path": "a" });
            let author = Author { dialect: Dialect::OpenaiChat, model: "m".into() };
            history.push(Message::Assistant { parts: vec![Part::Call(call.clone())], author });
            history.push(Message::Results { results: vec![result(&call, "x".repeat(result_bytes), false)] });
        }
        history
    }

    #[test]
    fn old_results_go_first_and_young_ones_stay() {
        let mut history = history(10, 4000);
        let before = history.tokens(0);
        let said = history.make_room(0, before / 2).unwrap();
        assert!(said.contains("old results"), "{said}");
        assert!(history.tokens(0) <= before / 2);
        let texts: Vec<bool> = history
            .messages
            .iter()
            .filter_map(|message| match message {
                Message::Results { results } => Some(results[0].text == REMOVED),
                _ => None,
            })
            .collect();
        assert!(texts[0] && !texts[9] && !texts[8] && !texts[7], "{texts:?}");
        assert_eq!(history.messages.len(), 21);
        assert_eq!(history.make_room(0, before), None);
    }

    #[test]
    fn then_the_oldest_turns_go_whole_and_calls_keep_their_results() {
        let mut long = history(4, 4000);
        long.messages.extend(history(4, 4000).messages);
        let most = long.tokens(0) / 3;
        assert!(long.make_room(0, most).unwrap().contains("oldest messages"));
        let Some(Message::User { text }) = long.messages.first() else { panic!() };
        assert!(text.starts_with("[orchflow left out"), "{text}");
        for pair in long.messages[1..].chunks(2) {
            assert!(matches!(pair, [Message::Assistant { .. }, Message::Results { .. }]));
        }
        let mut one = history(30, 8000);
        one.make_room(0, 12_000);
        assert!(one.tokens(0) <= 12_000, "{}", one.tokens(0));
    }

    #[test]
    fn a_call_without_a_result_gets_one() {
        let mut history = history(2, 10);
        history.settle("interrupted");
        assert_eq!(history.messages.len(), 5);
        history.messages.pop();
        history.settle("interrupted");
        let Some(Message::Results { results }) = history.messages.last() else { panic!() };
        assert!(results[0].is_error && results[0].id == "c1" && results[0].text == "interrupted");
    }
}
