//! OpenAI's Chat Completions, and the many servers that speak it: xAI, OpenRouter, vLLM, llama.cpp, Ollama.

use serde_json::{Map, Value, json};

use orchflow_core::usage::Usage;

use super::refusal::fault_in_stream;
use super::{Answer, Ask, Dialect, Piece, Reader, Stop, count, functions, is_own, json, text};
use crate::api::fault::Fault;
use crate::api::message::{Message, Part, ToolCall};

/// The fields in which servers of this dialect show reasoning.
const REASONING: [&str; 2] = ["reasoning_content", "reasoning"];

/// OpenRouter's sealed reasoning.
const DETAILS: &str = "reasoning_details";

pub(super) fn request(ask: &Ask<'_>) -> Value {
    let mut messages = vec![json!({ "role": "system", "content": ask.system })];
    for message in ask.messages {
        match message {
            Message::User { text } => messages.push(json!({ "role": "user", "content": text })),
            Message::Assistant { parts, author } => {
                messages.push(assistant(parts, is_own(author, Dialect::OpenaiChat, ask)));
            }
            Message::Results { results } => {
                messages.extend(results.iter().map(
                    |result| json!({ "role": "tool", "tool_call_id": result.id, "content": result.text }),
                ))
            }
        }
    }
    let mut request = json!({
        "model": ask.model,
        "messages": messages,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    if !ask.tools.is_empty() {
        request["tools"] = functions(ask);
    }
    if let Some(effort) = ask.effort {
        request["reasoning_effort"] = effort.into();
    }
    if let Some(limit) = ask.output_limit {
        request["max_completion_tokens"] = limit.into();
    }
    request
}

fn assistant(parts: &[Part], is_own: bool) -> Value {
    let mut said = String::new();
    let mut calls = Vec::new();
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    for part in parts {
        match part {
            Part::Text { text, .. } => said.push_str(text),
            Part::Call(call) => calls.push(json!({
                "id": call.id,
                "type": "function",
                "function": { "name": call.name, "arguments": call.arguments.to_string() },
            })),
            Part::Reasoning { carry: Some(Value::Object(fields)), .. } if is_own => {
                message.extend(fields.clone());
            }
            Part::Reasoning { .. } => {}
        }
    }
    let content = if said.is_empty() && !calls.is_empty() { Value::Null } else { said.into() };
    message.insert("content".into(), content);
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    Value::Object(message)
}

/// A call whose arguments come in pieces.
#[derive(Default)]
struct Growing {
    index: u64,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Default)]
pub(super) struct Chat {
    said: String,
    refusal: String,
    reasoning: String,
    reasoning_field: Option<&'static str>,
    details: Vec<Value>,
    calls: Vec<Growing>,
    finish: Option<String>,
    is_done: bool,
    usage: Usage,
}

impl Reader for Chat {
    fn event(&mut self, _name: &str, data: &str, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        if self.is_done || data.trim().is_empty() {
            return Ok(());
        }
        if data.trim() == "[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        self.chunk(&json(data)?, "delta", pieces)
    }

    fn whole(&mut self, body: Value, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        self.chunk(&body, "message", pieces)?;
        if self.finish.is_none() {
            return Err(Fault::garbled(format!("the answer has no choice in it: {body}")));
        }
        self.is_done = true;
        Ok(())
    }

    fn is_complete(&self) -> bool {
        // Not every server of this dialect sends the last mark.
        self.is_done || self.finish.is_some()
    }

    fn answer(self: Box<Self>) -> Answer {
        let mut parts = Vec::new();
        if !self.reasoning.is_empty() || !self.details.is_empty() {
            let mut carry = Map::new();
            if !self.details.is_empty() {
                carry.insert(DETAILS.into(), self.details.into());
            } else if let Some(field) = self.reasoning_field {
                carry.insert(field.into(), self.reasoning.clone().into());
            }
            parts.push(Part::Reasoning { text: self.reasoning, carry: Some(Value::Object(carry)) });
        }
        if !self.said.is_empty() {
            parts.push(Part::Text { text: self.said, carry: None });
        }
        let is_cut = self.finish.as_deref() == Some("length");
        let has_calls = !self.calls.is_empty();
        for (place, call) in self.calls.into_iter().enumerate() {
            let id = if call.id.is_empty() { format!("call_{place}") } else { call.id };
            parts.push(Part::Call(ToolCall::from_text(id, call.name, &call.arguments)));
        }
        let stop = match self.finish.as_deref() {
            Some("content_filter") => Stop::Refused("the provider's filter stopped the answer".to_owned()),
            _ if !self.refusal.is_empty() => Stop::Refused(self.refusal),
            _ if is_cut => Stop::Length,
            _ if has_calls => Stop::Tools,
            _ => Stop::End,
        };
        Answer { parts, stop, usage: self.usage }
    }
}

impl Chat {
    fn chunk(&mut self, chunk: &Value, key: &str, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        if chunk.get("error").is_some_and(|error| !error.is_null()) {
            return Err(fault_in_stream(chunk));
        }
        if let Some(model) = chunk.get("model").and_then(Value::as_str) {
            self.usage.model = Some(model.to_owned());
        }
        if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
            self.count(usage);
        }
        let Some(choice) = chunk.pointer("/choices/0") else { return Ok(()) };
        if let Some(delta) = choice.get(key) {
            self.delta(delta, pieces);
        }
        if let Some(finish) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish = Some(finish.to_owned());
        }
        Ok(())
    }

    fn delta(&mut self, delta: &Value, pieces: &mut Vec<Piece>) {
        for field in REASONING {
            let thought = text(delta, field);
            // Some servers say it twice, under both names.
            if !thought.is_empty() && self.reasoning_field.is_none_or(|known| known == field) {
                self.reasoning_field = Some(field);
                self.reasoning.push_str(thought);
                pieces.push(Piece::Reasoning(thought.to_owned()));
            }
        }
        for detail in delta.get(DETAILS).and_then(Value::as_array).into_iter().flatten() {
            self.detail(detail);
        }
        let said = text(delta, "content");
        if !said.is_empty() {
            self.said.push_str(said);
            pieces.push(Piece::Text(said.to_owned()));
        }
        let refused = text(delta, "refusal");
        if !refused.is_empty() {
            self.refusal.push_str(refused);
            pieces.push(Piece::Text(refused.to_owned()));
        }
        for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.call(call, pieces);
        }
    }

    /// Puts sealed reasoning together: pieces of one block follow one another and have its index and type.
    fn detail(&mut self, detail: &Value) {
        let is_more = self.details.last().is_some_and(|last| {
            last.get("index") == detail.get("index") && last.get("type") == detail.get("type")
        });
        let last = self.details.last_mut().and_then(Value::as_object_mut);
        match (is_more, last, detail.as_object()) {
            (true, Some(last), Some(detail)) => {
                for (key, value) in detail {
                    match (key.as_str(), last.get_mut(key), value) {
                        ("text" | "summary" | "data", Some(Value::String(known)), Value::String(more)) => {
                            known.push_str(more);
                        }
                        (_, _, Value::Null) => {}
                        _ => drop(last.insert(key.clone(), value.clone())),
                    }
                }
            }
            _ => self.details.push(detail.clone()),
        }
    }

    fn call(&mut self, call: &Value, pieces: &mut Vec<Piece>) {
        let id = text(call, "id");
        let place = self.place(call.get("index").and_then(Value::as_u64), id);
        let function = call.get("function").unwrap_or(&Value::Null);
        let name = text(function, "name");
        let Some(growing) = self.calls.get_mut(place) else { return };
        if growing.id.is_empty() {
            id.clone_into(&mut growing.id);
        }
        if growing.name.is_empty() && !name.is_empty() {
            name.clone_into(&mut growing.name);
            pieces.push(Piece::Call(name.to_owned()));
        }
        match function.get("arguments") {
            Some(Value::String(more)) => growing.arguments.push_str(more),
            Some(whole @ Value::Object(_)) => growing.arguments = whole.to_string(),
            _ => {}
        }
    }

    /// Finds the call a piece belongs to. Servers that give every call the same index, or none, are told by its id.
    fn place(&mut self, index: Option<u64>, id: &str) -> usize {
        let known = self.calls.iter().rposition(|call| {
            let is_index = index.is_none_or(|index| call.index == index);
            is_index && (id.is_empty() || call.id.is_empty() || call.id == id)
        });
        known.unwrap_or_else(|| {
            let index = index.unwrap_or(self.calls.len() as u64);
            self.calls.push(Growing { index, ..Growing::default() });
            self.calls.len() - 1
        })
    }

    fn count(&mut self, usage: &Value) {
        let (prompt, written) = (count(usage, "/prompt_tokens"), count(usage, "/completion_tokens"));
        let cached = count(usage, "/prompt_tokens_details/cached_tokens");
        let cache_write = count(usage, "/prompt_tokens_details/cache_write_tokens");
        let reasoning = count(usage, "/completion_tokens_details/reasoning_tokens");
        // xAI counts reasoning beside what was written, the others within it.
        let is_beside = reasoning > 0 && count(usage, "/total_tokens") == prompt + written + reasoning;
        self.usage.input_tokens = prompt.saturating_sub(cached + cache_write);
        self.usage.cached_tokens = cached;
        self.usage.cache_write_tokens = cache_write;
        self.usage.output_tokens = if is_beside { written + reasoning } else { written };
        self.usage.reasoning_tokens = reasoning;
        // OpenRouter tells what it took.
        self.usage.cost_usd = usage.get("cost").and_then(Value::as_f64);
    }
}
