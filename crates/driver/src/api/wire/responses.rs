//! OpenAI's Responses. Nothing is kept at the provider (`store` is false): reasoning comes sealed and is carried back.

use serde_json::{Value, json};

use orchflow_core::usage::Usage;

use super::refusal::fault_in_stream;
use super::{Answer, Ask, Dialect, Piece, Reader, Stop, count, is_own, json, text};
use crate::api::fault::Fault;
use crate::api::message::{Message, Part, ToolCall};

pub(super) fn request(ask: &Ask<'_>) -> Value {
    let mut input: Vec<Value> = Vec::new();
    for message in ask.messages {
        match message {
            Message::User { text } => input.push(json!({ "type": "message", "role": "user", "content": text })),
            Message::Assistant { parts, author } => {
                let is_own = is_own(author, Dialect::OpenaiResponses, ask);
                input.extend(parts.iter().filter_map(|part| item(part, is_own)));
            }
            Message::Results { results } => input.extend(results.iter().map(|result| {
                json!({ "type": "function_call_output", "call_id": result.id, "output": result.text })
            })),
        }
    }
    let mut request = json!({
        "model": ask.model,
        "instructions": ask.system,
        "input": input,
        "stream": true,
        "store": false,
    });
    if !ask.tools.is_empty() {
        request["tools"] = ask
            .tools
            .iter()
            .map(|tool| {
                json!({
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                    "strict": false,
                })
            })
            .collect();
    }
    if let Some(effort) = ask.effort {
        request["reasoning"] = json!({ "effort": effort, "summary": "auto" });
        // A model that does not reason refuses this.
        request["include"] = json!(["reasoning.encrypted_content"]);
    }
    if let Some(limit) = ask.output_limit {
        request["max_output_tokens"] = limit.into();
    }
    request
}

fn item(part: &Part, is_own: bool) -> Option<Value> {
    match part {
        Part::Text { text, carry } => {
            let mut message = json!({ "type": "message", "role": "assistant", "content": text });
            if let Some(phase) = carry.as_ref().filter(|_| is_own).and_then(|carry| carry.get("phase")) {
                message["phase"] = phase.clone();
            }
            Some(message)
        }
        Part::Reasoning { carry, .. } => carry.clone().filter(|_| is_own),
        Part::Call(call) => Some(json!({
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments.to_string(),
        })),
    }
}

/// An item of the answer, as far as it came.
struct Growing {
    place: u64,
    item: Value,
    /// What came of it in pieces: text, or arguments.
    grown: String,
    thought: String,
    /// It came whole.
    is_done: bool,
}

#[derive(Default)]
pub(super) struct Responses {
    items: Vec<Growing>,
    status: Option<String>,
    reason: Option<String>,
    usage: Usage,
}

impl Reader for Responses {
    fn event(&mut self, name: &str, data: &str, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        if self.status.is_some() || data.trim().is_empty() || data.trim() == "[DONE]" {
            return Ok(());
        }
        let event = json(data)?;
        let kind = match text(&event, "type") {
            "" => name,
            kind => kind,
        };
        let place = count(&event, "/output_index");
        match kind {
            "response.output_item.added" => self.add(place, event.get("item"), pieces),
            "response.output_item.done" => self.complete(place, event.get("item"), pieces),
            "response.output_text.delta" | "response.refusal.delta" => {
                let more = text(&event, "delta");
                self.at(place, "message").grown.push_str(more);
                pieces.push(Piece::Text(more.to_owned()));
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                let more = text(&event, "delta");
                self.at(place, "reasoning").thought.push_str(more);
                pieces.push(Piece::Reasoning(more.to_owned()));
            }
            // Parts of a summary are paragraphs.
            "response.reasoning_summary_part.added" if count(&event, "/summary_index") > 0 => {
                self.at(place, "reasoning").thought.push_str("\n\n");
                pieces.push(Piece::Reasoning("\n\n".to_owned()));
            }
            "response.function_call_arguments.delta" => {
                self.at(place, "function_call").grown.push_str(text(&event, "delta"));
            }
            "response.function_call_arguments.done" => {
                text(&event, "arguments").clone_into(&mut self.at(place, "function_call").grown);
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                let response = event.get("response").unwrap_or(&Value::Null);
                if kind == "response.failed" {
                    return Err(fault_in_stream(&event));
                }
                self.end(response, kind.trim_start_matches("response."), pieces);
            }
            "error" => return Err(fault_in_stream(&event)),
            _ => {}
        }
        Ok(())
    }

    fn whole(&mut self, body: Value, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        let status = text(&body, "status");
        if status == "failed" || body.get("error").is_some_and(|error| !error.is_null()) {
            return Err(fault_in_stream(&body));
        }
        if body.get("output").is_none() {
            return Err(Fault::garbled(format!("the answer has no output in it: {body}")));
        }
        self.end(&body, if status.is_empty() { "completed" } else { status }, pieces);
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.status.is_some()
    }

    fn answer(mut self: Box<Self>) -> Answer {
        self.items.sort_by_key(|growing| growing.place);
        let mut refused = None;
        let mut parts = Vec::new();
        for growing in self.items {
            refused = refused.or_else(|| growing.refusal());
            parts.extend(growing.part());
        }
        let has_calls = parts.iter().any(|part| matches!(part, Part::Call(_)));
        let stop = match (self.status.as_deref(), self.reason.as_deref()) {
            (Some("incomplete"), Some("content_filter")) => {
                Stop::Refused("the provider's filter stopped the answer".to_owned())
            }
            (Some("incomplete"), _) => Stop::Length,
            _ if refused.is_some() => Stop::Refused(refused.unwrap_or_default()),
            _ if has_calls => Stop::Tools,
            _ => Stop::End,
        };
        Answer { parts, stop, usage: self.usage }
    }
}

impl Responses {
    /// Finds the item at a place, or begins one: not every server announces them.
    fn at(&mut self, place: u64, kind: &str) -> &mut Growing {
        let known = self.items.iter().position(|growing| growing.place == place);
        let at = known.unwrap_or_else(|| {
            let item = json!({ "type": kind });
            self.items.push(Growing {
                place,
                item,
                grown: String::new(),
                thought: String::new(),
                is_done: false,
            });
            self.items.len() - 1
        });
        &mut self.items[at]
    }

    fn add(&mut self, place: u64, item: Option<&Value>, pieces: &mut Vec<Piece>) {
        let Some(item) = item else { return };
        let growing = self.at(place, "");
        growing.item = item.clone();
        if text(item, "type") == "function_call" {
            text(item, "arguments").clone_into(&mut growing.grown);
            pieces.push(Piece::Call(text(item, "name").to_owned()));
        }
    }

    /// Takes an item that came whole; what was not shown of its text is shown now.
    fn complete(&mut self, place: u64, item: Option<&Value>, pieces: &mut Vec<Piece>) {
        let Some(item) = item else { return };
        let growing = self.at(place, "");
        if text(item, "type") == "function_call" && text(&growing.item, "name").is_empty() {
            pieces.push(Piece::Call(text(item, "name").to_owned()));
        }
        growing.item = item.clone();
        growing.is_done = true;
        let said = said(item);
        if growing.grown.is_empty() && !said.is_empty() {
            pieces.push(Piece::Text(said));
        }
        let thought = thought(item);
        if growing.thought.is_empty() && !thought.is_empty() {
            pieces.push(Piece::Reasoning(thought));
        }
    }

    fn end(&mut self, response: &Value, status: &str, pieces: &mut Vec<Piece>) {
        let output = response.get("output").and_then(Value::as_array);
        for (place, item) in output.into_iter().flatten().enumerate() {
            // Most servers repeat here what they sent; what they did not send, or not to its end, is taken.
            let place = place as u64;
            let known = self.items.iter().find(|growing| growing.place == place);
            if known.is_none_or(|growing| !growing.is_done) {
                self.complete(place, Some(item), pieces);
            }
        }
        self.status = Some(status.to_owned());
        self.reason =
            response.pointer("/incomplete_details/reason").and_then(Value::as_str).map(str::to_owned);
        self.usage.model = response.get("model").and_then(Value::as_str).map(str::to_owned);
        let Some(usage) = response.get("usage") else { return };
        let cached = count(usage, "/input_tokens_details/cached_tokens");
        let cache_write = count(usage, "/input_tokens_details/cache_write_tokens");
        self.usage.input_tokens = count(usage, "/input_tokens").saturating_sub(cached + cache_write);
        self.usage.cached_tokens = cached;
        self.usage.cache_write_tokens = cache_write;
        self.usage.output_tokens = count(usage, "/output_tokens");
        self.usage.reasoning_tokens = count(usage, "/output_tokens_details/reasoning_tokens");
        self.usage.cost_usd = usage.get("cost").and_then(Value::as_f64);
    }
}

fn contents<'a>(item: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let content = item.get("content").and_then(Value::as_array).into_iter().flatten();
    content.filter(move |part| text(part, "type") == kind)
}

fn said(item: &Value) -> String {
    let texts = contents(item, "output_text").map(|part| text(part, "text"));
    texts.chain(contents(item, "refusal").map(|part| text(part, "refusal"))).collect()
}

fn thought(item: &Value) -> String {
    let parts = item.get("summary").and_then(Value::as_array).into_iter().flatten();
    parts.map(|part| text(part, "text")).collect::<Vec<_>>().join("\n\n")
}

impl Growing {
    fn refusal(&self) -> Option<String> {
        contents(&self.item, "refusal").next().map(|part| text(part, "refusal").to_owned())
    }

    fn part(self) -> Option<Part> {
        match text(&self.item, "type") {
            "message" => {
                let whole = said(&self.item);
                let text = if whole.is_empty() { self.grown } else { whole };
                let phase = self.item.get("phase").filter(|phase| phase.is_string());
                let carry = phase.map(|phase| json!({ "phase": phase }));
                (!text.is_empty()).then_some(Part::Text { text, carry })
            }
            "reasoning" => {
                let whole = thought(&self.item);
                let shown = if whole.is_empty() { self.thought } else { whole };
                let is_sealed = self.item.get("encrypted_content").is_some_and(Value::is_string);
                let carry = is_sealed.then(|| {
                    let mut item = json!({ "type": "reasoning", "summary": [] });
                    for key in ["id", "summary", "encrypted_content"] {
                        if let Some(value) = self.item.get(key) {
                            item[key] = value.clone();
                        }
                    }
                    item
                });
                (carry.is_some() || !shown.is_empty()).then_some(Part::Reasoning { text: shown, carry })
            }
            "function_call" => {
                let whole = text(&self.item, "arguments");
                let arguments = if whole.is_empty() { &self.grown } else { whole };
                let id = match text(&self.item, "call_id") {
                    "" => format!("call_{}", self.place),
                    id => id.to_owned(),
                };
                Some(Part::Call(ToolCall::from_text(id, text(&self.item, "name").to_owned(), arguments)))
            }
            _ => None,
        }
    }
}
