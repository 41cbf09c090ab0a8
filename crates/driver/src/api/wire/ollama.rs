//! Ollama's own dialect: a line of JSON for each piece. Unlike its OpenAI dialect it can be told how long a context
//! is wanted; without that, long conversations lose their beginning in silence.

use serde_json::{Value, json};

use orchflow_core::usage::Usage;

use super::refusal::fault_in_stream;
use super::{Answer, Ask, Piece, Reader, Stop, count, functions, json, object, text};
use crate::api::fault::Fault;
use crate::api::message::{Message, Part, ToolCall};

pub(super) fn request(ask: &Ask<'_>) -> Value {
    let mut messages = vec![json!({ "role": "system", "content": ask.system })];
    for message in ask.messages {
        match message {
            Message::User { text } => messages.push(json!({ "role": "user", "content": text })),
            Message::Assistant { parts, .. } => messages.push(assistant(parts)),
            Message::Results { results } => {
                messages.extend(results.iter().map(
                    |result| json!({ "role": "tool", "tool_name": result.name, "content": result.text }),
                ))
            }
        }
    }
    let mut request = json!({ "model": ask.model, "messages": messages, "stream": true });
    if !ask.tools.is_empty() {
        request["tools"] = functions(ask);
    }
    let mut options = json!({});
    if let Some(context) = ask.context {
        options["num_ctx"] = context.into();
    }
    if let Some(limit) = ask.output_limit {
        options["num_predict"] = limit.into();
    }
    if options.as_object().is_some_and(|options| !options.is_empty()) {
        request["options"] = options;
    }
    match ask.effort {
        Some("true") => request["think"] = true.into(),
        Some("false") => request["think"] = false.into(),
        Some(effort) => request["think"] = effort.into(),
        None => {}
    }
    request
}

fn assistant(parts: &[Part]) -> Value {
    let (mut said, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text { text, .. } => said.push_str(text),
            Part::Reasoning { text, .. } => thought.push_str(text),
            Part::Call(call) => {
                let function = json!({ "name": call.name, "arguments": object(&call.arguments) });
                calls.push(json!({ "function": function }));
            }
        }
    }
    let mut message = json!({ "role": "assistant", "content": said });
    if !thought.is_empty() {
        message["thinking"] = thought.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    message
}

#[derive(Default)]
pub(super) struct Ollama {
    said: String,
    thought: String,
    calls: Vec<ToolCall>,
    reason: Option<String>,
    usage: Usage,
}

impl Reader for Ollama {
    fn event(&mut self, _name: &str, data: &str, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        if self.reason.is_some() || data.trim().is_empty() {
            return Ok(());
        }
        self.whole(json(data)?, pieces)
    }

    fn whole(&mut self, body: Value, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        if body.get("error").is_some() {
            return Err(fault_in_stream(&body));
        }
        let Some(message) = body.get("message") else {
            return Err(Fault::garbled(format!("the answer has no message in it: {body}")));
        };
        let thought = text(message, "thinking");
        if !thought.is_empty() {
            self.thought.push_str(thought);
            pieces.push(Piece::Reasoning(thought.to_owned()));
        }
        let said = text(message, "content");
        if !said.is_empty() {
            self.said.push_str(said);
            pieces.push(Piece::Text(said.to_owned()));
        }
        for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let function = call.get("function").unwrap_or(&Value::Null);
            let name = text(function, "name").to_owned();
            pieces.push(Piece::Call(name.clone()));
            let id = match text(call, "id") {
                "" => format!("call_{}", self.calls.len()),
                id => id.to_owned(),
            };
            let arguments = match function.get("arguments") {
                Some(Value::String(text)) => text.clone(),
                Some(arguments) => arguments.to_string(),
                None => String::new(),
            };
            self.calls.push(ToolCall::from_text(id, name, &arguments));
        }
        if body.get("done").and_then(Value::as_bool) == Some(true) {
            self.end(&body);
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.reason.is_some()
    }

    fn answer(self: Box<Self>) -> Answer {
        let mut parts = Vec::new();
        if !self.thought.is_empty() {
            parts.push(Part::Reasoning { text: self.thought, carry: None });
        }
        if !self.said.is_empty() {
            parts.push(Part::Text { text: self.said, carry: None });
        }
        let has_calls = !self.calls.is_empty();
        parts.extend(self.calls.into_iter().map(Part::Call));
        let stop = match self.reason.as_deref() {
            Some("length") => Stop::Length,
            _ if has_calls => Stop::Tools,
            _ => Stop::End,
        };
        Answer { parts, stop, usage: self.usage }
    }
}

impl Ollama {
    fn end(&mut self, body: &Value) {
        let reason = text(body, "done_reason");
        self.reason = Some(if reason.is_empty() { "stop" } else { reason }.to_owned());
        self.usage.model = body.get("model").and_then(Value::as_str).map(str::to_owned);
        let cached = count(body, "/prompt_eval_cached_count");
        self.usage.input_tokens = count(body, "/prompt_eval_count").saturating_sub(cached);
        self.usage.cached_tokens = cached;
        self.usage.output_tokens = count(body, "/eval_count");
    }
}
