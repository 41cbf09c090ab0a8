//! The dialects models are spoken with: requests written, streamed answers read.
//!
//! Everything is pure: a request is a JSON value, an answer is read from bytes as they come, cut anywhere. Each
//! dialect is one file. What a provider wants carried back (signed reasoning, thought signatures) is kept beside the
//! part it belongs to and goes back to that provider and model alone.

mod anthropic;
mod chat;
mod frames;
mod gemini;
mod ollama;
mod refusal;
mod responses;
mod stream;

use serde_json::{Map, Value};

use orchflow_core::usage::Usage;

use super::fault::Fault;
use super::message::{Message, Part, ToolSpec};

pub use orchflow_agent::catalogue::Dialect;
pub use refusal::{Refusal, fault_of};
pub use stream::Stream;

/// What a model is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The model, in the provider's words.
    pub model: &'a str,
    /// What it is told before everything else.
    pub system: &'a str,
    /// The conversation so far; it ends with something to answer.
    pub messages: &'a [Message],
    /// What it can use.
    pub tools: &'a [ToolSpec],
    /// How hard it is to think, in the provider's words: `low`, `medium`, `high`. By default the provider decides.
    pub effort: Option<&'a str>,
    /// The most tokens it may write in one answer.
    pub output_limit: Option<u32>,
    /// How many tokens of context are wanted, where that can be said.
    pub context: Option<u32>,
    /// More fields of the request, in the provider's words; they replace ours of the same name.
    pub extra: &'a Map<String, Value>,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It is whole.
    End,
    /// The model waits for its tools.
    Tools,
    /// It reached the most tokens it may write.
    Length,
    /// The model, or the provider's filter, would not go on.
    Refused(String),
    /// The provider interrupted a long turn; asking again goes on with it.
    Paused,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub stop: Stop,
    /// What it used.
    pub usage: Usage,
}

/// Something that can be shown while the answer is still being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More text.
    Text(String),
    /// More of the reasoning.
    Reasoning(String),
    /// A call of this tool began.
    Call(String),
}

/// Reads one answer from its events.
trait Reader: Send {
    /// Takes an event of the stream: its name (often empty) and its data.
    fn event(&mut self, name: &str, data: &str, pieces: &mut Vec<Piece>) -> Result<(), Fault>;

    /// Takes an answer that came in one piece, from a server that does not stream.
    fn whole(&mut self, body: Value, pieces: &mut Vec<Piece>) -> Result<(), Fault>;

    /// Tells whether the answer came to its end.
    fn is_complete(&self) -> bool;

    /// Gives the answer.
    fn answer(self: Box<Self>) -> Answer;
}

/// Gives the path that is asked, below the base address.
pub fn path(dialect: Dialect, model: &str) -> String {
    match dialect {
        Dialect::OpenaiChat => "/chat/completions".to_owned(),
        Dialect::OpenaiResponses => "/responses".to_owned(),
        Dialect::Anthropic => "/messages".to_owned(),
        Dialect::Gemini => {
            let model = model.strip_prefix("models/").unwrap_or(model);
            format!("/models/{model}:streamGenerateContent?alt=sse")
        }
        Dialect::Ollama => "/chat".to_owned(),
    }
}

/// Gives the header the key goes in and what stands before it.
pub fn key_header(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::Anthropic => ("x-api-key", ""),
        Dialect::Gemini => ("x-goog-api-key", ""),
        Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::Ollama => ("authorization", "Bearer "),
    }
}

/// Gives headers that every request has.
pub fn headers(dialect: Dialect) -> &'static [(&'static str, &'static str)] {
    match dialect {
        Dialect::Anthropic => &[("anthropic-version", "2023-06-01")],
        _ => &[],
    }
}

/// Writes a request for a streamed answer.
pub fn request(dialect: Dialect, ask: &Ask<'_>) -> Value {
    let mut request = match dialect {
        Dialect::OpenaiChat => chat::request(ask),
        Dialect::OpenaiResponses => responses::request(ask),
        Dialect::Anthropic => anthropic::request(ask),
        Dialect::Gemini => gemini::request(ask),
        Dialect::Ollama => ollama::request(ask),
    };
    if let Some(request) = request.as_object_mut() {
        merge(request, ask.extra);
    }
    request
}

fn reader(dialect: Dialect) -> Box<dyn Reader> {
    match dialect {
        Dialect::OpenaiChat => Box::<chat::Chat>::default(),
        Dialect::OpenaiResponses => Box::<responses::Responses>::default(),
        Dialect::Anthropic => Box::<anthropic::Anthropic>::default(),
        Dialect::Gemini => Box::<gemini::Gemini>::default(),
        Dialect::Ollama => Box::<ollama::Ollama>::default(),
    }
}

/// Puts the fields of one object over another's, objects within them likewise.
fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

/// Writes the tools as functions, the way of OpenAI that Ollama follows.
fn functions(ask: &Ask<'_>) -> Value {
    let function = |tool: &ToolSpec| {
        let (name, description) = (tool.name, tool.description);
        let function =
            serde_json::json!({ "name": name, "description": description, "parameters": tool.parameters });
        serde_json::json!({ "type": "function", "function": function })
    };
    ask.tools.iter().map(function).collect()
}

/// Reads the data of an event as JSON.
fn json(data: &str) -> Result<Value, Fault> {
    serde_json::from_str(data)
        .map_err(|error| Fault::garbled(format!("an event of the answer is not JSON ({error}): {data}")))
}

/// Gives a text field; empty where there is none.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Gives a number field; 0 where there is none.
fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// Tells whether what a part carries may go back to this dialect and model.
fn is_own(author: &super::message::Author, dialect: Dialect, ask: &Ask<'_>) -> bool {
    author.dialect == dialect && author.model == ask.model
}

/// Puts an argument's text into the object that some dialects want; what is broken becomes nothing.
fn object(arguments: &Value) -> Value {
    if arguments.is_object() { arguments.clone() } else { Value::Object(Map::new()) }
}
