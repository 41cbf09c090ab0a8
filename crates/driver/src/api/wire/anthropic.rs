//! Anthropic's Messages.

use serde_json::{Map, Value, json};

use orchflow_core::usage::Usage;

use super::refusal::fault_in_stream;
use super::{Answer, Ask, Dialect, Piece, Reader, Stop, count, is_own, json, object, text};
use crate::api::fault::Fault;
use crate::api::message::{Message, Part, ToolCall};

/// The most tokens of one answer where nobody says; the interface wants a figure.
const OUTPUT_LIMIT: u32 = 16_384;

pub(super) fn request(ask: &Ask<'_>) -> Value {
    let mut messages: Vec<Value> = Vec::new();
    for message in ask.messages {
        let (role, content) = match message {
            Message::User { text } => ("user", vec![json!({ "type": "text", "text": text })]),
            Message::Assistant { parts, author } => {
                ("assistant", assistant(parts, is_own(author, Dialect::Anthropic, ask)))
            }
            Message::Results { results } => {
                let block = |result: &crate::api::message::ToolResult| {
                    json!({
                        "type": "tool_result",
                        "tool_use_id": result.id,
                        "content": result.text,
                        "is_error": result.is_error,
                    })
                };
                ("user", results.iter().map(block).collect())
            }
        };
        if content.is_empty() {
            continue;
        }
        // One side does not speak twice in a row.
        let last = messages.last_mut().filter(|last| text(last, "role") == role);
        match last.and_then(|last| last["content"].as_array_mut()) {
            Some(known) => known.extend(content),
            None => messages.push(json!({ "role": role, "content": content })),
        }
    }
    // Two marks: what never changes, and the conversation up to here, are read from the cache next time.
    let cached = json!({ "type": "ephemeral" });
    let last = messages.last_mut().and_then(|last| last["content"].as_array_mut()?.last_mut());
    if let Some(block) = last.and_then(Value::as_object_mut)
        && block.get("type").and_then(Value::as_str).is_some_and(|kind| !kind.contains("thinking"))
    {
        block.insert("cache_control".into(), cached.clone());
    }
    let mut request = json!({
        "model": ask.model,
        "max_tokens": ask.output_limit.unwrap_or(OUTPUT_LIMIT),
        "system": [{ "type": "text", "text": ask.system, "cache_control": cached }],
        "messages": messages,
        "stream": true,
    });
    if !ask.tools.is_empty() {
        request["tools"] = ask
            .tools
            .iter()
            .map(|tool| {
                json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters })
            })
            .collect();
    }
    if let Some(effort) = ask.effort {
        request["thinking"] = json!({ "type": "adaptive" });
        request["output_config"] = json!({ "effort": effort });
    }
    request
}

fn assistant(parts: &[Part], is_own: bool) -> Vec<Value> {
    parts
        .iter()
        .filter_map(|part| match part {
            // An empty text is refused.
            Part::Text { text, .. } if text.trim().is_empty() => None,
            Part::Text { text, .. } => Some(json!({ "type": "text", "text": text })),
            Part::Reasoning { carry, .. } => carry.clone().filter(|_| is_own),
            Part::Call(call) => Some(json!({
                "type": "tool_use",
                "id": call.id,
                "name": call.name,
                "input": object(&call.arguments),
            })),
        })
        .collect()
}

/// A block whose content comes in pieces.
struct Growing {
    index: u64,
    block: Map<String, Value>,
    arguments: String,
}

#[derive(Default)]
pub(super) struct Anthropic {
    blocks: Vec<Growing>,
    stop: Option<String>,
    explanation: Option<String>,
    is_done: bool,
    usage: Usage,
}

impl Reader for Anthropic {
    fn event(&mut self, name: &str, data: &str, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        if self.is_done || data.trim().is_empty() {
            return Ok(());
        }
        let event = json(data)?;
        let kind = match text(&event, "type") {
            "" => name,
            kind => kind,
        };
        let index = count(&event, "/index");
        match kind {
            "message_start" => self.begin(event.get("message").unwrap_or(&Value::Null)),
            "content_block_start" => {
                self.block(index, event.get("content_block").unwrap_or(&Value::Null), pieces);
            }
            "content_block_delta" => {
                self.delta(index, event.get("delta").unwrap_or(&Value::Null), pieces);
            }
            "message_delta" => {
                self.end(event.get("delta").unwrap_or(&Value::Null));
                self.count(event.get("usage").unwrap_or(&Value::Null));
            }
            "message_stop" => self.is_done = true,
            "error" => return Err(fault_in_stream(&event)),
            // `ping`, `content_block_stop`, and what comes in years to come.
            _ => {}
        }
        Ok(())
    }

    fn whole(&mut self, body: Value, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        if text(&body, "type") == "error" {
            return Err(fault_in_stream(&body));
        }
        let Some(content) = body.get("content").and_then(Value::as_array) else {
            return Err(Fault::garbled(format!("the answer has no content in it: {body}")));
        };
        self.begin(&body);
        for (index, block) in content.iter().enumerate() {
            self.block(index as u64, block, pieces);
        }
        self.end(&body);
        self.is_done = true;
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.is_done
    }

    fn answer(self: Box<Self>) -> Answer {
        let parts: Vec<Part> = self.blocks.into_iter().filter_map(Growing::part).collect();
        let has_calls = parts.iter().any(|part| matches!(part, Part::Call(_)));
        let stop = match self.stop.as_deref() {
            Some("refusal") => Stop::Refused(
                self.explanation.unwrap_or_else(|| "the model would not go on with this".to_owned()),
            ),
            Some("max_tokens" | "model_context_window_exceeded") => Stop::Length,
            Some("pause_turn") => Stop::Paused,
            _ if has_calls => Stop::Tools,
            _ => Stop::End,
        };
        Answer { parts, stop, usage: self.usage }
    }
}

impl Anthropic {
    fn begin(&mut self, message: &Value) {
        self.usage.model = message.get("model").and_then(Value::as_str).map(str::to_owned);
        self.count(message.get("usage").unwrap_or(&Value::Null));
    }

    fn end(&mut self, delta: &Value) {
        if let Some(stop) = delta.get("stop_reason").and_then(Value::as_str) {
            self.stop = Some(stop.to_owned());
        }
        let explanation = delta.pointer("/stop_details/explanation").and_then(Value::as_str);
        self.explanation = explanation.map(str::to_owned).or(self.explanation.take());
    }

    /// Takes what there is: the figures count from the beginning of the answer, and not each event has all.
    fn count(&mut self, usage: &Value) {
        for (field, place) in [
            ("input_tokens", &mut self.usage.input_tokens),
            ("cache_read_input_tokens", &mut self.usage.cached_tokens),
            ("cache_creation_input_tokens", &mut self.usage.cache_write_tokens),
            ("output_tokens", &mut self.usage.output_tokens),
        ] {
            if let Some(figure) = usage.get(field).and_then(Value::as_u64) {
                *place = figure;
            }
        }
        let thought = usage.pointer("/output_tokens_details/thinking_tokens").and_then(Value::as_u64);
        self.usage.reasoning_tokens = thought.unwrap_or(self.usage.reasoning_tokens);
    }

    fn block(&mut self, index: u64, block: &Value, pieces: &mut Vec<Piece>) {
        let Some(block) = block.as_object().cloned() else { return };
        let known = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let piece = match known("type").as_str() {
            "text" => Some(Piece::Text(known("text"))),
            "thinking" => Some(Piece::Reasoning(known("thinking"))),
            "tool_use" => Some(Piece::Call(known("name"))),
            _ => None,
        };
        pieces.extend(
            piece.filter(
                |piece| !matches!(piece, Piece::Text(text) | Piece::Reasoning(text) if text.is_empty()),
            ),
        );
        self.blocks.push(Growing { index, block, arguments: String::new() });
    }

    fn delta(&mut self, index: u64, delta: &Value, pieces: &mut Vec<Piece>) {
        let Some(growing) = self.blocks.iter_mut().rfind(|known| known.index == index) else { return };
        match text(delta, "type") {
            "text_delta" => {
                let more = text(delta, "text");
                growing.grow("text", more);
                pieces.push(Piece::Text(more.to_owned()));
            }
            "thinking_delta" => {
                let more = text(delta, "thinking");
                growing.grow("thinking", more);
                pieces.push(Piece::Reasoning(more.to_owned()));
            }
            "signature_delta" => growing.grow("signature", text(delta, "signature")),
            "input_json_delta" => growing.arguments.push_str(text(delta, "partial_json")),
            _ => {}
        }
    }
}

impl Growing {
    fn grow(&mut self, field: &str, more: &str) {
        match self.block.get_mut(field) {
            Some(Value::String(known)) => known.push_str(more),
            _ => drop(self.block.insert(field.to_owned(), more.into())),
        }
    }

    fn part(self) -> Option<Part> {
        let known = |key: &str| self.block.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match known("type").as_str() {
            "text" => Some(Part::Text { text: known("text"), carry: None }),
            "thinking" => Some(Part::Reasoning {
                text: known("thinking"),
                // One without a signature would be refused.
                carry: (!known("signature").is_empty()).then(|| {
                    let (thinking, signature) = (known("thinking"), known("signature"));
                    json!({ "type": "thinking", "thinking": thinking, "signature": signature })
                }),
            }),
            "redacted_thinking" => {
                let carry = json!({ "type": "redacted_thinking", "data": known("data") });
                Some(Part::Reasoning { text: String::new(), carry: Some(carry) })
            }
            "tool_use" => {
                let input =
                    self.block.get("input").filter(|input| input.as_object().is_some_and(|o| !o.is_empty()));
                let arguments = match input {
                    Some(input) if self.arguments.is_empty() => input.to_string(),
                    _ => self.arguments.clone(),
                };
                Some(Part::Call(ToolCall::from_text(known("id"), known("name"), &arguments)))
            }
            _ => None,
        }
    }
}
