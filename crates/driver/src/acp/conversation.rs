//! The client's side of the protocol, as a pure state machine: messages in, messages and happenings out.

mod opening;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orchflow_agent::orders::Orders;
use orchflow_core::report::Report;
use serde_json::{Value, json};

use super::failing::Failing;
use super::files::{self, FileError};
use super::tools::Tools;
use super::updates;
use super::usage::TurnUsage;
use crate::backend::{Happening, TurnEnd, Verdict};
use crate::bounded::{self, bounded};

/// The version spoken.
const PROTOCOL: u64 = 1;

/// So many messages that make no sense are passed over in a session.
const NONSENSE_LIMIT: u32 = 1000;

/// So many of them are kept as reports in a turn.
pub(super) const NONSENSE_KEPT: u32 = 20;

/// What the conversation wants done.
#[derive(Debug)]
pub enum Output {
    /// A message is to be sent.
    Send(Value),
    /// Something happened.
    Tell(Happening),
    /// A permission is asked for; the verdict comes back under this number.
    Ask(u64, Asked),
    /// It is over, for this reason: a sentence whose subject is the program.
    Fail(String),
}

/// A permission asked for.
#[derive(Debug)]
pub struct Asked {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub input: Value,
    /// The agent's id of the call.
    pub tool_use_id: Option<String>,
    /// What it wants, in a line.
    pub summary: String,
    /// Whether it offers to be allowed from now on.
    pub can_always: bool,
}

/// What an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Initialize,
    Session { loads: bool, resumes: bool },
    Mode,
    Prompt,
}

/// A permission that is open: whose request, which options.
struct Permission {
    id: Value,
    options: Vec<Value>,
    call: Option<String>,
}

/// One conversation with an ACP program.
pub struct Conversation {
    pub(super) worktree: PathBuf,
    orders: Orders,
    sent: u64,
    waiting: BTreeMap<u64, Waits>,
    pub(super) session: String,
    is_ready: bool,
    /// Set while an old session is told again.
    pub(super) is_replaying: bool,
    about: String,
    can_load: bool,
    can_resume: bool,
    login: String,
    prompt: Option<u64>,
    is_cancelled: bool,
    permissions: BTreeMap<u64, Permission>,
    asked: u64,
    pub(super) tools: Tools,
    pub(super) usage: TurnUsage,
    pub(super) failing: Failing,
    nonsense: u32,
    pub(super) odd_in_turn: u32,
}

impl Conversation {
    /// Prepares a conversation about a worktree.
    pub fn new(orders: &Orders, worktree: &Path) -> Conversation {
        Conversation {
            worktree: worktree.to_owned(),
            orders: orders.clone(),
            sent: 0,
            waiting: BTreeMap::new(),
            session: String::new(),
            is_ready: false,
            is_replaying: false,
            about: String::new(),
            can_load: false,
            can_resume: false,
            login: String::new(),
            prompt: None,
            is_cancelled: false,
            permissions: BTreeMap::new(),
            asked: 0,
            tools: Tools::default(),
            usage: TurnUsage::new(orders.acp.counts_session),
            failing: Failing::new(&orders.acp.failure),
            nonsense: 0,
            odd_in_turn: 0,
        }
    }

    /// Begins: says who we are.
    pub fn open(&mut self) -> Vec<Output> {
        let files = self.orders.acp.files;
        let params = json!({
            "protocolVersion": PROTOCOL,
            // No terminal: the programs run commands themselves, in the group that ends with them.
            "clientCapabilities": {
                "fs": { "readTextFile": files, "writeTextFile": files },
                "terminal": false,
            },
            "clientInfo": { "name": "orchflow", "title": "orchflow", "version": env!("CARGO_PKG_VERSION") },
        });
        vec![self.request(Waits::Initialize, "initialize", params)]
    }

    /// Tells whether its session is not open yet.
    pub fn is_opening(&self) -> bool {
        !self.is_ready
    }

    /// Gives the method whose answer is waited for while it opens.
    pub fn waits_for(&self) -> &'static str {
        match self.waiting.values().next() {
            Some(Waits::Session { resumes: true, .. }) => "session/resume",
            Some(Waits::Session { loads: true, .. }) => "session/load",
            Some(Waits::Session { .. }) => "session/new",
            Some(Waits::Mode) => "session/set_mode",
            Some(Waits::Prompt) => "session/prompt",
            Some(Waits::Initialize) | None => "initialize",
        }
    }

    /// Begins a turn.
    pub fn prompt(&mut self, text: &str) -> Vec<Output> {
        self.tools = Tools::default();
        self.failing.begin();
        self.odd_in_turn = 0;
        self.is_cancelled = false;
        let params = json!({ "sessionId": self.session, "prompt": [{ "type": "text", "text": text }] });
        let request = self.request(Waits::Prompt, "session/prompt", params);
        self.prompt = Some(self.sent);
        vec![request]
    }

    /// Asks for the turn's end.
    pub fn cancel(&mut self) -> Vec<Output> {
        if self.prompt.is_none() {
            return Vec::new();
        }
        self.is_cancelled = true;
        let cancel = json!({
            "jsonrpc": "2.0",
            "method": "session/cancel",
            "params": { "sessionId": self.session },
        });
        vec![Output::Send(cancel)]
    }

    /// Answers a permission, by the kind of the option: their ids are each agent's own.
    pub fn answer(&mut self, question: u64, verdict: &Verdict) -> Vec<Output> {
        let Some(permission) = self.permissions.remove(&question) else { return Vec::new() };
        let kinds: &[&str] = match verdict {
            Verdict::Allow { always: true, .. } => &["allow_always", "allow_once"],
            Verdict::Allow { .. } => &["allow_once"],
            Verdict::Deny { .. } => &["reject_once", "reject_always"],
            Verdict::Cancelled => &[],
        };
        if let (Verdict::Deny { reason }, Some(call)) = (verdict, &permission.call) {
            self.tools.deny(call, reason);
        }
        let option = kinds.iter().find_map(|kind| {
            permission.options.iter().find(|option| option["kind"] == **kind)?.get("optionId").cloned()
        });
        let mut outputs = Vec::new();
        // Where it offers nothing of that kind, it is not allowed, and the human is told.
        if option.is_none() && matches!(verdict, Verdict::Allow { .. }) {
            let note = "the agent offers no way to allow it once; it was not allowed".to_owned();
            outputs.push(Output::Tell(Happening::Note(note)));
        }
        let outcome = match option {
            Some(option) => json!({ "outcome": "selected", "optionId": option }),
            None => json!({ "outcome": "cancelled" }),
        };
        outputs.push(respond(&permission.id, json!({ "outcome": outcome })));
        outputs
    }

    /// Takes a line the program wrote.
    pub fn hear(&mut self, line: &[u8]) -> Vec<Output> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Vec::new();
        }
        let message: Value = match serde_json::from_slice(line) {
            Ok(message) => message,
            // Some programs print into the protocol.
            Err(_) if line.first() != Some(&b'{') => return self.nonsense(&String::from_utf8_lossy(line)),
            Err(error) => return self.unreadable(&error),
        };
        if !message.is_object() || message.get("jsonrpc").is_none_or(|version| version != "2.0") {
            return self.nonsense(&bounded(&message).to_string());
        }
        match (message.get("method").and_then(Value::as_str), message.get("id")) {
            (Some(method), Some(id)) if !id.is_null() => self.asked(method, id, &message["params"]),
            (Some(method), _) => self.notified(method, &message["params"]),
            (None, Some(id)) => match id.as_u64().and_then(|id| Some((id, self.waiting.remove(&id)?))) {
                Some((id, waits)) => self.answered(id, waits, &message),
                None => self.nonsense("an answer to nothing that was asked"),
            },
            (None, None) => self.nonsense("a message that is none"),
        }
    }

    /// Handles what the program asks.
    fn asked(&mut self, method: &str, id: &Value, params: &Value) -> Vec<Output> {
        let text = |name: &str| params.get(name).and_then(Value::as_str);
        match method {
            "session/request_permission" => self.permission(id, params),
            "fs/read_text_file" if self.orders.acp.files => {
                let number = |name: &str| params.get(name).and_then(Value::as_u64);
                let Some(path) = text("path") else { return vec![refuse(id, -32602, "path is missing")] };
                match files::read(&self.worktree, path, number("line"), number("limit")) {
                    Ok(content) => vec![respond(id, json!({ "content": content }))],
                    Err(error) => vec![refuse_file(id, &error)],
                }
            }
            "fs/write_text_file" if self.orders.acp.files => {
                let (Some(path), Some(content)) = (text("path"), text("content")) else {
                    return vec![refuse(id, -32602, "path or content is missing")];
                };
                match files::write(&self.worktree, path, content) {
                    Ok(()) => vec![respond(id, json!({}))],
                    Err(error) => vec![refuse_file(id, &error)],
                }
            }
            // Private requests of the program's own editor, and what we did not offer.
            _ => vec![refuse(id, -32601, "orchflow does not offer this method")],
        }
    }

    fn permission(&mut self, id: &Value, params: &Value) -> Vec<Output> {
        let options = params.get("options").and_then(Value::as_array).cloned().unwrap_or_default();
        let call = &params["toolCall"];
        if options.is_empty() || !call.is_object() {
            return vec![refuse(id, -32602, "toolCall and options are needed")];
        }
        let mut outputs = self.tools.update(call);
        let call_id = call.get("toolCallId").and_then(Value::as_str).map(str::to_owned);
        let (tool, input, summary) = self.tools.asked(call);
        // The request says what is asked for; whatever was told of the call before, it is told by now.
        outputs.extend(call_id.as_deref().and_then(|call| self.tools.tell_requested(call)));
        self.asked += 1;
        let can_always = options.iter().any(|option| option["kind"] == "allow_always");
        self.permissions.insert(self.asked, Permission { id: id.clone(), options, call: call_id.clone() });
        outputs
            .push(Output::Ask(self.asked, Asked { tool, input, tool_use_id: call_id, summary, can_always }));
        outputs
    }

    fn notified(&mut self, method: &str, params: &Value) -> Vec<Output> {
        if method != "session/update" {
            // Notifications of programs' own are for their own editors.
            return Vec::new();
        }
        updates::read(self, &params["update"])
    }

    fn answered(&mut self, id: u64, waits: Waits, message: &Value) -> Vec<Output> {
        let result = match (message.get("result"), message.get("error")) {
            (Some(result), None) => Ok(result),
            (_, Some(error)) => Err(error_text(error)),
            (None, None) => Err("the answer has neither a result nor an error".to_owned()),
        };
        match (waits, result) {
            (Waits::Initialize, Ok(result)) => self.initialized(result),
            (Waits::Session { .. }, Ok(result)) => self.session_opened(result),
            (Waits::Mode, Ok(_)) => vec![self.ready()],
            (Waits::Prompt, Ok(result)) if self.prompt == Some(id) => self.turn_ended(result),
            (Waits::Prompt, Err(error)) if self.prompt == Some(id) => {
                let end = if self.is_cancelled { TurnEnd::Interrupted } else { TurnEnd::Failed { error } };
                self.end_turn(end)
            }
            (Waits::Prompt, _) => Vec::new(),
            (Waits::Mode, Err(error)) => {
                vec![Output::Fail(format!("cannot be put into the mode that was asked for: {error}"))]
            }
            (_, Err(error)) => {
                let method = if waits == Waits::Initialize { "initialize" } else { "a session" };
                vec![Output::Fail(format!("refuses {method}: {error}{}", self.login))]
            }
        }
    }

    fn turn_ended(&mut self, result: &Value) -> Vec<Output> {
        let failed = |error: &str| TurnEnd::Failed { error: error.to_owned() };
        let end = match result.get("stopReason").and_then(Value::as_str) {
            Some("end_turn") => match self.failing.error() {
                Some(error) => TurnEnd::Failed { error },
                None => TurnEnd::Done,
            },
            Some("cancelled") => TurnEnd::Interrupted,
            Some("max_tokens") => failed("it reached the most tokens of a turn; tell it to go on"),
            Some("max_turn_requests") => failed("it reached the most requests of a turn; tell it to go on"),
            Some("refusal") => failed("it refuses to go on with this prompt; it has forgotten it"),
            Some(other) => failed(&format!("it stopped for an unknown reason: {other}")),
            None => failed("it ended the turn without a reason"),
        };
        self.usage.read_answer(result);
        self.end_turn(end)
    }

    fn end_turn(&mut self, end: TurnEnd) -> Vec<Output> {
        self.prompt = None;
        self.permissions.clear();
        let mut outputs = self.tools.end(end == TurnEnd::Interrupted);
        outputs.extend(
            self.usage.take().map(|usage| Output::Tell(Happening::Report(Report::UsageReported { usage }))),
        );
        outputs.push(Output::Tell(Happening::TurnEnded(end)));
        outputs
    }

    /// Passes over what is no message. Nothing is lost by it but to the one who looks.
    pub(super) fn nonsense(&mut self, what: &str) -> Vec<Output> {
        self.nonsense += 1;
        self.odd_in_turn += 1;
        if self.nonsense > NONSENSE_LIMIT {
            return vec![Output::Fail(
                "writes what is no message of the protocol, again and again".to_owned(),
            )];
        }
        if self.odd_in_turn > NONSENSE_KEPT {
            return Vec::new();
        }
        let what = orchflow_core::describe::one_line(what);
        vec![Output::Tell(Happening::Note(format!("no message of the protocol: {what}")))]
    }

    /// Ends the turn at a message that cannot be read: it may have been the one that ends it.
    fn unreadable(&mut self, error: &serde_json::Error) -> Vec<Output> {
        let error = format!("a message of it cannot be read: {error}");
        if self.prompt.is_some() {
            let mut outputs = self.cancel();
            outputs.extend(self.end_turn(TurnEnd::Failed { error }));
            return outputs;
        }
        if self.is_opening() { vec![Output::Fail(error)] } else { self.nonsense(&error) }
    }

    fn request(&mut self, waits: Waits, method: &str, params: Value) -> Output {
        self.sent += 1;
        self.waiting.insert(self.sent, waits);
        Output::Send(json!({ "jsonrpc": "2.0", "id": self.sent, "method": method, "params": params }))
    }
}

fn respond(id: &Value, result: Value) -> Output {
    Output::Send(json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

fn refuse(id: &Value, code: i64, message: &str) -> Output {
    Output::Send(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }))
}

fn refuse_file(id: &Value, error: &FileError) -> Output {
    match error {
        FileError::Missing(message) => refuse(id, -32002, message),
        FileError::Refused(message) => refuse(id, -32602, message),
    }
}

/// Reads an error, with what it has of details.
fn error_text(error: &Value) -> String {
    let message = error.get("message").and_then(Value::as_str).unwrap_or("an error without words");
    let data = &error["data"];
    let details = ["details", "message", "error"].iter().find_map(|name| data.get(*name)?.as_str());
    let details = details.or(data.as_str()).filter(|details| *details != message);
    let text = match details {
        Some(details) => format!("{message}: {details}"),
        None => message.to_owned(),
    };
    bounded::text(&text)
}
