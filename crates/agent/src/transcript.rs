//! What a session used, from the transcript that its program keeps of it.
//!
//! Hooks tell where the transcript stands, not what was used. It is read once a turn; figures count from the session's
//! beginning, so a turn whose report was lost costs nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orchflow_core::Timestamp;
use orchflow_core::report::Report;
use orchflow_core::usage::{Context, LimitKind, Usage};
use serde_json::Value;

/// Largest transcript that is read, in bytes.
pub const LIMIT: u64 = 64 << 20;

/// Gives the transcript that the body of a hook names, where its program's are known here.
pub fn path(format: &str, body: &[u8]) -> Option<PathBuf> {
    reader(format)?;
    let body: Value = serde_json::from_slice(body).ok()?;
    let named = body.get("transcript_path").or_else(|| body.get("transcriptPath"))?;
    let path = PathBuf::from(named.as_str()?);
    path.is_absolute().then_some(path)
}

/// Reads a transcript: what was used, and a limit that was reached, where it says so.
pub fn read(format: &str, text: &[u8]) -> Vec<Report> {
    let Some(reader) = reader(format) else { return Vec::new() };
    let mut session = Session::default();
    for line in text.split(|byte| *byte == b'\n') {
        // A line may be half written yet.
        if let Ok(line) = serde_json::from_slice::<Value>(line) {
            reader(&line, &mut session);
        }
    }
    session.reports()
}

/// Gives the transcript of which only the newest turn's failure is of use, where one stands in an agent's own folder.
pub fn of_agent(format: &str, folder: &Path) -> Option<PathBuf> {
    (format == "aider").then(|| folder.join(crate::adapter::AIDER_CHAT))
}

/// Tells whether hooks of a format name a transcript that is the only place where an error of the model stands.
pub fn tells_failures(format: &str) -> bool {
    format == "gemini"
}

/// Gives the error that ended the newest turn, where a transcript ends in one.
pub fn failure(format: &str, text: &[u8]) -> Option<String> {
    match format {
        "aider" => aider_failure(text),
        "gemini" => gemini_failure(text),
        _ => None,
    }
}

/// Prompts stand behind `####`, what aider itself says behind `>`, with errors by the name of their class.
fn aider_failure(text: &[u8]) -> Option<String> {
    let mut error = None;
    for line in text.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        if line.starts_with("#### ") {
            error = None;
        } else if let Some(said) = line.strip_prefix("> litellm.").filter(|said| said.contains("Error: ")) {
            error = Some(crate::hooks::cut_text(said.trim_end()));
        }
    }
    error
}

fn gemini_failure(text: &[u8]) -> Option<String> {
    let mut error = None;
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Value>(line) else { continue };
        match line.get("type").and_then(Value::as_str) {
            Some("error") => {
                let said = line.get("content").and_then(Value::as_str).unwrap_or("an error of its model");
                error = Some(crate::hooks::cut_text(said));
            }
            Some("user" | "gemini") => error = None,
            _ => {}
        }
    }
    error
}

type Reader = fn(&Value, &mut Session);

fn reader(format: &str) -> Option<Reader> {
    match format {
        "claude" => Some(claude),
        "codex" => Some(codex),
        "copilot" => Some(copilot),
        "gemini" => Some(gemini),
        "qwen" => Some(qwen),
        _ => None,
    }
}

/// What was found so far.
#[derive(Default)]
struct Session {
    model: Option<String>,
    /// By answer of the model: several lines may be about one.
    answers: BTreeMap<String, Usage>,
    /// As the program adds it up itself.
    total: Option<Usage>,
    limit: Option<Report>,
}

impl Session {
    fn reports(self) -> Vec<Report> {
        let mut usage = self.total.unwrap_or_default();
        for answer in self.answers.values() {
            usage.input_tokens = usage.input_tokens.saturating_add(answer.input_tokens);
            usage.cached_tokens = usage.cached_tokens.saturating_add(answer.cached_tokens);
            usage.cache_write_tokens = usage.cache_write_tokens.saturating_add(answer.cache_write_tokens);
            usage.output_tokens = usage.output_tokens.saturating_add(answer.output_tokens);
            usage.reasoning_tokens = usage.reasoning_tokens.saturating_add(answer.reasoning_tokens);
        }
        usage.model = self.model;
        usage.is_total = true;
        let used = usage.input_tokens + usage.cached_tokens + usage.cache_write_tokens + usage.output_tokens;
        let told = (used > 0).then_some(Report::UsageReported { usage });
        told.into_iter().chain(self.limit).collect()
    }
}

fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| text.len() <= 200).map(str::to_owned)
}

/// `{"type":"assistant","message":{"id","model","usage":{…}}}`, a line for each piece of an answer.
fn claude(line: &Value, session: &mut Session) {
    let (Some(id), Some(usage)) = (text(line, "/message/id"), line.pointer("/message/usage")) else { return };
    // What the program itself writes in a model's place has a name in angle brackets.
    let model = text(line, "/message/model").filter(|model| !model.starts_with('<'));
    session.model = model.or(session.model.take());
    let answer = Usage {
        input_tokens: count(usage, "/input_tokens"),
        cached_tokens: count(usage, "/cache_read_input_tokens"),
        cache_write_tokens: count(usage, "/cache_creation_input_tokens"),
        output_tokens: count(usage, "/output_tokens"),
        ..Usage::default()
    };
    session.answers.insert(id, answer);
}

/// `{"type":"event_msg","payload":{"type":"token_count","info":{…},"rate_limits":{…}}}`.
fn codex(line: &Value, session: &mut Session) {
    if text(line, "/type").as_deref() == Some("turn_context") {
        session.model = text(line, "/payload/model").or(session.model.take());
    }
    if text(line, "/payload/type").as_deref() != Some("token_count") {
        return;
    }
    if let Some(total) = line.pointer("/payload/info/total_token_usage") {
        let cached = count(total, "/cached_input_tokens");
        let size = count(line, "/payload/info/model_context_window");
        let used = count(line, "/payload/info/last_token_usage/total_tokens");
        session.total = Some(Usage {
            input_tokens: count(total, "/input_tokens").saturating_sub(cached),
            cached_tokens: cached,
            cache_write_tokens: count(total, "/cache_write_input_tokens"),
            output_tokens: count(total, "/output_tokens"),
            reasoning_tokens: count(total, "/reasoning_output_tokens"),
            context: (size > 0).then_some(Context { used, size }),
            ..Usage::default()
        });
    }
    session.limit = text(line, "/payload/rate_limits/rate_limit_reached_type").map(|reached| {
        let full = ["primary", "secondary"].into_iter().filter_map(|name| {
            let window = line.pointer(&format!("/payload/rate_limits/{name}"))?;
            let is_full = window.get("used_percent").and_then(Value::as_f64)? >= 100.0;
            is_full.then(|| count(window, "/resets_at")).filter(|at| *at > 0)
        });
        // The later of two, for both have to be over.
        let resets_at =
            full.max().and_then(|at| Some(Timestamp(i64::try_from(at).ok()?.checked_mul(1_000_000)?)));
        let message = reached.replace('_', " ");
        Report::LimitReached { limit: LimitKind::Quota, message, resets_at }
    });
}

/// `{"type":"session.usage_record","id","data":{"usage":{…}}}`, one for each answer. Its `cost` counts requests of a plan,
/// not money.
fn copilot(line: &Value, session: &mut Session) {
    let (Some(id), Some(usage)) = (text(line, "/id"), line.pointer("/data/usage")) else { return };
    if text(line, "/type").as_deref() != Some("session.usage_record") {
        return;
    }
    session.model = text(usage, "/model").or(session.model.take());
    let (cached, written) = (count(usage, "/cacheReadTokens"), count(usage, "/cacheWriteTokens"));
    let answer = Usage {
        input_tokens: count(usage, "/inputTokens").saturating_sub(cached.saturating_add(written)),
        cached_tokens: cached,
        cache_write_tokens: written,
        output_tokens: count(usage, "/outputTokens"),
        ..Usage::default()
    };
    session.answers.insert(id, answer);
}

/// A message with `{"id","model","tokens":{"input","output","cached","thoughts"}}`, by itself or among others.
fn gemini(line: &Value, session: &mut Session) {
    match line {
        Value::Array(items) => items.iter().for_each(|item| gemini(item, session)),
        Value::Object(map) => {
            if let (Some(id), Some(tokens)) =
                (text(line, "/id"), map.get("tokens").filter(|it| it.is_object()))
            {
                session.model = text(line, "/model").or(session.model.take());
                let (cached, thoughts) = (count(tokens, "/cached"), count(tokens, "/thoughts"));
                let answer = Usage {
                    input_tokens: count(tokens, "/input").saturating_sub(cached),
                    cached_tokens: cached,
                    output_tokens: count(tokens, "/output").saturating_add(thoughts),
                    reasoning_tokens: thoughts,
                    ..Usage::default()
                };
                session.answers.insert(id, answer);
            } else {
                ["$set", "messages"]
                    .iter()
                    .filter_map(|key| map.get(*key))
                    .for_each(|item| gemini(item, session));
            }
        }
        _ => {}
    }
}

/// `{"uuid","model","usageMetadata":{…}}`.
fn qwen(line: &Value, session: &mut Session) {
    let (Some(id), Some(usage)) = (text(line, "/uuid"), line.get("usageMetadata")) else { return };
    session.model = text(line, "/model").or(session.model.take());
    let cached = count(usage, "/cachedContentTokenCount");
    let answer = Usage {
        input_tokens: count(usage, "/promptTokenCount").saturating_sub(cached),
        cached_tokens: cached,
        output_tokens: count(usage, "/candidatesTokenCount"),
        reasoning_tokens: count(usage, "/thoughtsTokenCount"),
        ..Usage::default()
    };
    session.answers.insert(id, answer);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(format: &str, text: &str) -> Usage {
        let mut reports = read(format, text.as_bytes());
        let Report::UsageReported { usage } = reports.remove(0) else { panic!("{reports:?}") };
        assert!(usage.is_total);
        usage
    }

    #[test]
    fn an_answer_counts_once_however_many_lines_are_about_it() {
        let line = |id: &str, output: u64| {
            format!(
                r#"{{"type":"assistant","message":{{"id":"{id}","model":"opus","usage":{{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":2,"output_tokens":{output}}}}}}}"#
            )
        };
        let text = format!("{}\n{}\n{}\n{{\"half", line("a", 1), line("a", 7), line("b", 3));
        let usage = usage("claude", &text);
        assert_eq!((usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens), (20, 10, 4));
        assert_eq!((usage.output_tokens, usage.model.as_deref()), (10, Some("opus")));
    }

    #[test]
    fn codex_adds_up_itself_and_tells_of_limits() {
        let text = r#"{"type":"turn_context","payload":{"model":"gpt-5.5"}}
{"type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":9,"output_tokens":1}}}}
{"type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":1200,"cached_input_tokens":200,"output_tokens":34,"reasoning_output_tokens":4},"last_token_usage":{"total_tokens":700},"model_context_window":258400},"rate_limits":{"primary":{"used_percent":100.0,"resets_at":1795660000},"secondary":{"used_percent":20.0,"resets_at":1799999999},"rate_limit_reached_type":"rate_limit_reached"}}}"#;
        let told = read("codex", text.as_bytes());
        let usage = usage("codex", text);
        assert_eq!((usage.input_tokens, usage.cached_tokens, usage.output_tokens), (1000, 200, 34));
        assert_eq!(usage.context, Some(Context { used: 700, size: 258_400 }));
        assert_eq!(usage.model.as_deref(), Some("gpt-5.5"));
        let expected = Report::LimitReached {
            limit: LimitKind::Quota,
            message: "rate limit reached".into(),
            resets_at: Some(Timestamp(1_795_660_000_000_000)),
        };
        assert_eq!(told[1], expected);
    }

    #[test]
    fn gemini_and_qwen_tell_by_answer() {
        let text = r#"{"sessionId":"s","kind":"main"}
{"$set":{"messages":[{"id":"m1","type":"gemini","model":"flash","tokens":{"input":1200,"output":34,"cached":200,"thoughts":6,"tool":0}}]}}
{"id":"m1","type":"gemini","model":"flash","tokens":{"input":1200,"output":34,"cached":200,"thoughts":6}}
{"id":"m2","type":"gemini","model":"pro","tokens":{"input":10,"output":1}}"#;
        let told = usage("gemini", text);
        assert_eq!((told.input_tokens, told.cached_tokens), (1010, 200));
        assert_eq!((told.output_tokens, told.reasoning_tokens, told.model.as_deref()), (41, 6, Some("pro")));
        let text = r#"{"uuid":"a","model":"m","usageMetadata":{"promptTokenCount":1200,"candidatesTokenCount":34,"thoughtsTokenCount":2,"cachedContentTokenCount":100}}"#;
        let told = usage("qwen", text);
        assert_eq!((told.input_tokens, told.cached_tokens, told.output_tokens), (1100, 100, 34));
    }

    #[test]
    fn copilot_counts_what_was_cached_among_its_input() {
        let record = |id: &str, input: u64, cached: u64| {
            format!(
                r#"{{"type":"session.usage_record","data":{{"usage":{{"model":"gpt-5","inputTokens":{input},"outputTokens":30,"cacheReadTokens":{cached},"cacheWriteTokens":0,"cost":1.0}}}},"id":"{id}"}}"#
            )
        };
        let shutdown = r#"{"type":"session.shutdown","data":{"usage":{"inputTokens":9}},"id":"c"}"#;
        let text = format!(
            "{}\n{}\n{}\n{shutdown}\n",
            record("a", 1200, 200),
            record("a", 1200, 200),
            record("b", 10, 0)
        );
        let told = usage("copilot", &text);
        assert_eq!((told.input_tokens, told.cached_tokens, told.output_tokens), (1010, 200, 60));
        assert_eq!((told.model.as_deref(), told.cost_usd), (Some("gpt-5"), None));
        assert_eq!(
            path("copilot", br#"{"transcriptPath":"/a/events.jsonl"}"#),
            Some("/a/events.jsonl".into())
        );
    }

    #[test]
    fn an_error_counts_while_nothing_came_after_it() {
        let (user, error) =
            (r#"{"id":"u","type":"user"}"#, r#"{"type":"error","content":"[API Error: 400]"}"#);
        let info = r#"{"type":"info","content":"This request failed."}"#;
        let of = |lines: &[&str]| failure("gemini", lines.join("\n").as_bytes());
        assert_eq!(
            of(&[user, error, info, r#"{"$set":{}}"#, "{\"half"]).as_deref(),
            Some("[API Error: 400]")
        );
        assert_eq!(of(&[user, error, info, user]), None, "of the turn before");
        assert_eq!(of(&[user, error, r#"{"type":"gemini"}"#]), None, "it went on");
        assert_eq!(of(&[user]), None);
        assert_eq!(failure("claude", error.as_bytes()), None);

        let chat = "#### fail  \n> litellm.BadRequestError: mock error 400  \n";
        assert_eq!(failure("aider", chat.as_bytes()).as_deref(), Some("BadRequestError: mock error 400"));
        let after = format!("{chat}#### again  \n> ^C again to exit  \n> litellm.x is no error\n");
        assert_eq!(failure("aider", after.as_bytes()), None);
    }

    #[test]
    fn what_is_no_transcript_tells_nothing() {
        for format in ["claude", "codex", "copilot", "gemini", "qwen", "other"] {
            for text in [&b""[..], b"\xff\xfe\n[1]\n{}\n7", b"{\"message\":{\"id\":3,\"usage\":[]}}"] {
                assert_eq!(read(format, text), [], "{format}");
            }
        }
        assert_eq!(path("codex", br#"{"transcript_path":"/a/b"}"#), Some("/a/b".into()));
        assert_eq!(path("codex", br#"{"transcript_path":"b"}"#), None);
        assert_eq!(path("codex", br#"{"transcript_path":null}"#), None);
        assert_eq!(path("other", br#"{"transcript_path":"/a"}"#), None);
    }
}
