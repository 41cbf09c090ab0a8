//! Google's generateContent.

use serde_json::{Map, Value, json};

use orchflow_core::usage::Usage;

use super::refusal::fault_in_stream;
use super::{Answer, Ask, Dialect, Piece, Reader, Stop, count, is_own, json, object, text};
use crate::api::fault::Fault;
use crate::api::message::{Message, Part, ToolCall, ToolResult};

/// What Google wants back with the part it came with.
const SIGNATURE: &str = "thoughtSignature";

pub(super) fn request(ask: &Ask<'_>) -> Value {
    let mut contents: Vec<Value> = Vec::new();
    // Older models give calls no ids and do not take any.
    let mut named: Vec<&str> = Vec::new();
    for message in ask.messages {
        let (role, parts) = match message {
            Message::User { text } => ("user", vec![json!({ "text": text })]),
            Message::Assistant { parts, author } => {
                let is_own = is_own(author, Dialect::Gemini, ask);
                named.extend(parts.iter().filter_map(|part| match part {
                    Part::Call(call) if is_own && gives_id(call) => Some(call.id.as_str()),
                    _ => None,
                }));
                ("model", parts.iter().filter_map(|part| answered(part, is_own)).collect())
            }
            Message::Results { results } => {
                ("user", results.iter().map(|result| result_part(result, &named)).collect())
            }
        };
        if parts.is_empty() {
            continue;
        }
        let last = contents.last_mut().filter(|last| text(last, "role") == role);
        match last.and_then(|last| last["parts"].as_array_mut()) {
            Some(known) => known.extend(parts),
            None => contents.push(json!({ "role": role, "parts": parts })),
        }
    }
    let mut request = json!({
        "systemInstruction": { "parts": [{ "text": ask.system }] },
        "contents": contents,
    });
    if !ask.tools.is_empty() {
        let declared: Vec<Value> = ask
            .tools
            .iter()
            .map(|tool| {
                json!({
                    "name": tool.name,
                    "description": tool.description,
                    "parametersJsonSchema": tool.parameters,
                })
            })
            .collect();
        request["tools"] = json!([{ "functionDeclarations": declared }]);
    }
    let mut config = Map::new();
    if let Some(limit) = ask.output_limit {
        config.insert("maxOutputTokens".into(), limit.into());
    }
    if let Some(effort) = ask.effort {
        config.insert("thinkingConfig".into(), json!({ "includeThoughts": true, "thinkingLevel": effort }));
    }
    if !config.is_empty() {
        request["generationConfig"] = Value::Object(config);
    }
    request
}

fn gives_id(call: &ToolCall) -> bool {
    call.carry.as_ref().is_some_and(|carry| carry.get("id").is_some())
}

fn answered(part: &Part, is_own: bool) -> Option<Value> {
    let (mut written, carry) = match part {
        Part::Text { text, carry } => (json!({ "text": text }), carry),
        Part::Reasoning { .. } => return None,
        Part::Call(call) => {
            let mut function = json!({ "name": call.name, "args": object(&call.arguments) });
            if is_own && gives_id(call) {
                function["id"] = call.id.clone().into();
            }
            (json!({ "functionCall": function }), &call.carry)
        }
    };
    let signature = carry.as_ref().filter(|_| is_own).and_then(|carry| carry.get(SIGNATURE));
    match signature {
        Some(signature) => written[SIGNATURE] = signature.clone(),
        None if text(&written, "text").is_empty() && written.get("functionCall").is_none() => return None,
        None => {}
    }
    Some(written)
}

fn result_part(result: &ToolResult, named: &[&str]) -> Value {
    let key = if result.is_error { "error" } else { "output" };
    let mut response = json!({ "name": result.name, "response": { key: result.text } });
    if named.contains(&result.id.as_str()) {
        response["id"] = result.id.clone().into();
    }
    json!({ "functionResponse": response })
}

#[derive(Default)]
pub(super) struct Gemini {
    parts: Vec<Part>,
    calls: usize,
    finish: Option<String>,
    explanation: Option<String>,
    usage: Usage,
}

impl Reader for Gemini {
    fn event(&mut self, _name: &str, data: &str, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        if data.trim().is_empty() || data.trim() == "[DONE]" {
            return Ok(());
        }
        self.chunk(&json(data)?, pieces)
    }

    fn whole(&mut self, body: Value, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        match body {
            Value::Array(chunks) => {
                for chunk in chunks {
                    self.chunk(&chunk, pieces)?;
                }
            }
            body => self.chunk(&body, pieces)?,
        }
        if self.finish.is_none() {
            return Err(Fault::garbled("the answer has no candidate in it that came to its end"));
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.finish.is_some()
    }

    fn answer(self: Box<Self>) -> Answer {
        let has_calls = self.calls > 0;
        let stop = match self.finish.as_deref() {
            Some("MAX_TOKENS") => Stop::Length,
            Some("STOP" | "FINISH_REASON_UNSPECIFIED") | None if has_calls => Stop::Tools,
            Some("STOP" | "FINISH_REASON_UNSPECIFIED") | None => Stop::End,
            Some(reason) => {
                let explained = self.explanation.unwrap_or_else(|| format!("the provider says {reason}"));
                Stop::Refused(explained)
            }
        };
        Answer { parts: self.parts, stop, usage: self.usage }
    }
}

impl Gemini {
    fn chunk(&mut self, chunk: &Value, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        if chunk.get("error").is_some() {
            return Err(fault_in_stream(chunk));
        }
        if let Some(model) = chunk.get("modelVersion").and_then(Value::as_str) {
            self.usage.model = Some(model.to_owned());
        }
        if let Some(usage) = chunk.get("usageMetadata") {
            self.count(usage);
        }
        if let Some(reason) = chunk.pointer("/promptFeedback/blockReason").and_then(Value::as_str) {
            self.finish = Some(reason.to_owned());
            self.explanation = Some(format!("the provider's filter blocked the prompt ({reason})"));
        }
        let Some(candidate) = chunk.pointer("/candidates/0") else { return Ok(()) };
        let parts = candidate.pointer("/content/parts").and_then(Value::as_array);
        for part in parts.into_iter().flatten() {
            self.part(part, pieces);
        }
        if let Some(finish) = candidate.get("finishReason").and_then(Value::as_str) {
            self.finish = Some(finish.to_owned());
            let said = candidate.get("finishMessage").and_then(Value::as_str);
            self.explanation = said.map(str::to_owned).or(self.explanation.take());
        }
        Ok(())
    }

    fn part(&mut self, part: &Value, pieces: &mut Vec<Piece>) {
        let mut carry = Map::new();
        if let Some(signature) = part.get(SIGNATURE) {
            carry.insert(SIGNATURE.into(), signature.clone());
        }
        if let Some(function) = part.get("functionCall") {
            self.calls += 1;
            let mut id = text(function, "id").to_owned();
            if id.is_empty() {
                // Unique within the conversation is enough: results stand right behind their calls.
                id = format!("call_{}_{}", text(function, "name"), self.calls);
            } else {
                carry.insert("id".into(), true.into());
            }
            let name = text(function, "name").to_owned();
            pieces.push(Piece::Call(name.clone()));
            let arguments = function.get("args").map(Value::to_string).unwrap_or_default();
            let mut call = ToolCall::from_text(id, name, &arguments);
            call.carry = (!carry.is_empty()).then_some(Value::Object(carry));
            self.parts.push(Part::Call(call));
            return;
        }
        let Some(said) = part.get("text").and_then(Value::as_str) else { return };
        if part.get("thought").and_then(Value::as_bool) == Some(true) {
            if !said.is_empty() {
                pieces.push(Piece::Reasoning(said.to_owned()));
            }
            match self.parts.last_mut() {
                Some(Part::Reasoning { text, .. }) => text.push_str(said),
                _ => self.parts.push(Part::Reasoning { text: said.to_owned(), carry: None }),
            }
            return;
        }
        if !said.is_empty() {
            pieces.push(Piece::Text(said.to_owned()));
        }
        // A signature belongs to the part it came with; pieces without one are one text.
        match self.parts.last_mut() {
            Some(Part::Text { text, carry: None }) if carry.is_empty() => text.push_str(said),
            _ if said.is_empty() && carry.is_empty() => {}
            _ => {
                let carry = (!carry.is_empty()).then_some(Value::Object(carry));
                self.parts.push(Part::Text { text: said.to_owned(), carry });
            }
        }
    }

    fn count(&mut self, usage: &Value) {
        let cached = count(usage, "/cachedContentTokenCount");
        let thought = count(usage, "/thoughtsTokenCount");
        let read = count(usage, "/promptTokenCount") + count(usage, "/toolUsePromptTokenCount");
        self.usage.input_tokens = read.saturating_sub(cached);
        self.usage.cached_tokens = cached;
        self.usage.output_tokens = count(usage, "/candidatesTokenCount") + thought;
        self.usage.reasoning_tokens = thought;
    }
}
