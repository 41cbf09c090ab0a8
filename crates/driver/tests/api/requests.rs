//! Requests in each dialect, held against the providers' own descriptions.

use std::path::Path;

use orchflow_driver::api::message::{Author, Message, Part, ToolCall, ToolResult};
use orchflow_driver::api::tools;
use orchflow_driver::api::wire::{self, Answer, Ask, Dialect, Stream};
use serde_json::{Map, Value, json};

const SYSTEM: &str = "Be brief.";

fn conversation(dialect: Dialect, model: &str) -> Vec<Message> {
    let author = Author { dialect, model: model.to_owned() };
    let mut call = ToolCall::from_text("call_0123456789".into(), "Read".into(), r#"{"file_path":"a.rs"}"#);
    let broken = ToolCall::from_text("call_9876543210".into(), "Write".into(), r#"{"file_path":"a"#);
    call.carry = Some(match dialect {
        Dialect::Gemini => json!({ "thoughtSignature": "sig-call", "id": true }),
        _ => Value::Null,
    });
    let reasoning = match dialect {
        Dialect::Anthropic => json!({ "type": "thinking", "thinking": "Hm.", "signature": "sig-thought" }),
        Dialect::OpenaiResponses => json!({
            "type": "reasoning", "id": "rs_1", "encrypted_content": "sealed",
            "summary": [{ "type": "summary_text", "text": "Hm." }],
        }),
        _ => json!({ "reasoning_content": "Hm." }),
    };
    let result = |call: &ToolCall, text: &str, is_error| ToolResult {
        id: call.id.clone(),
        name: call.name.clone(),
        text: text.to_owned(),
        is_error,
    };
    vec![
        Message::User { text: "Look at a.rs \u{1f388}".into() },
        Message::Assistant {
            parts: vec![
                Part::Reasoning { text: "Hm.".into(), carry: Some(reasoning) },
                Part::Text { text: "I look.".into(), carry: Some(json!({ "phase": "commentary" })) },
                Part::Call(call.clone()),
                Part::Call(broken.clone()),
            ],
            author: author.clone(),
        },
        Message::Results { results: vec![result(&call, "fn a() {}", false), result(&broken, "cut", true)] },
        Message::Assistant { parts: vec![Part::Text { text: "Seen.".into(), carry: None }], author },
        Message::User { text: "Go on".into() },
    ]
}

fn request(dialect: Dialect, model: &str, messages: &[Message], effort: Option<&str>) -> Value {
    let specs = tools::specs(std::time::Duration::from_secs(120));
    wire::request(
        dialect,
        &Ask {
            model,
            system: SYSTEM,
            messages,
            tools: &specs,
            effort,
            output_limit: Some(4096),
            context: Some(32_768),
            extra: &Map::new(),
        },
    )
}

fn errors(schema: &str, root: &str, request: &Value) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/schemas").join(schema);
    let mut schema: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    schema["$ref"] = json!(format!("#/$defs/{root}"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(request).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn requests_are_as_the_providers_describe_them() {
    for (dialect, schema, root) in [
        (Dialect::OpenaiChat, "openai-3.52.0.json", "RootChatCompletionCreateParams"),
        (Dialect::OpenaiResponses, "openai-3.52.0.json", "RootResponseCreateParams"),
        (Dialect::Anthropic, "anthropic-2.11.0.json", "RootMessageCreateParamsStreaming"),
    ] {
        for effort in [None, Some("medium")] {
            let own = request(dialect, "m", &conversation(dialect, "m"), effort);
            assert_eq!(errors(schema, root, &own), [""; 0], "{dialect:?} {own}");
            let other = request(dialect, "m", &conversation(Dialect::Gemini, "other"), effort);
            assert_eq!(errors(schema, root, &other), [""; 0], "{dialect:?} {other}");
        }
        let mut wrong = request(dialect, "m", &conversation(dialect, "m"), None);
        wrong["model"] = json!(7);
        assert!(!errors(schema, root, &wrong).is_empty(), "the description tells right from wrong");
    }
}

#[test]
fn what_a_provider_wants_back_goes_back_to_it_and_to_nobody_else() {
    for (dialect, marks) in [
        (Dialect::Anthropic, vec!["sig-thought"]),
        (Dialect::OpenaiResponses, vec!["sealed", "commentary"]),
        (Dialect::Gemini, vec!["sig-call"]),
        (Dialect::OpenaiChat, vec!["reasoning_content"]),
    ] {
        let own = request(dialect, "m", &conversation(dialect, "m"), None).to_string();
        let other_model = request(dialect, "n", &conversation(dialect, "m"), None).to_string();
        for mark in marks {
            assert!(own.contains(mark), "{dialect:?} carries {mark}");
            assert!(!other_model.contains(mark), "{dialect:?} carries {mark} to another model");
        }
    }
}

#[test]
fn an_answer_goes_back_as_it_came() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/recordings");
    let read = |dialect, name: &str| -> Answer {
        let mut stream = Stream::new(dialect, "text/event-stream");
        stream.feed(&std::fs::read(recordings.join(name)).unwrap()).unwrap();
        stream.finish().unwrap().1
    };
    let back = |dialect, answer: Answer| {
        let author = Author { dialect, model: "m".into() };
        let messages =
            [Message::User { text: "x".into() }, Message::Assistant { parts: answer.parts, author }];
        request(dialect, "m", &messages, None)
    };
    let answer = read(Dialect::Anthropic, "anthropic/redacted_thinking_tool_stream/response_000.txt");
    let sent = back(Dialect::Anthropic, answer);
    assert_eq!(
        sent["messages"][1]["content"],
        json!([
            { "type": "thinking", "thinking": "First block.", "signature": "sig-first" },
            { "type": "redacted_thinking", "data": "redacted-fixture-blob" },
            { "type": "thinking", "thinking": "Third block.", "signature": "sig-third" },
            {
                "type": "tool_use", "id": "tool_fixture_redacted_001", "name": "get_weather",
                "input": { "city": "Cairo", "country": "Egypt", "unit": "C" },
                "cache_control": { "type": "ephemeral" },
            },
        ])
    );
    let answer = read(Dialect::Anthropic, "anthropic/thinking_signature_variants_stream/response_000.txt");
    let sent = back(Dialect::Anthropic, answer);
    assert_eq!(sent["messages"][1]["content"][1]["signature"], "opaque-prefix-complete");
    assert_eq!(sent["messages"][1]["content"][1]["thinking"], "Second block.");

    let answer = read(Dialect::Gemini, "gemini/multi_turn_thought_signatures/response_000.txt");
    let sent = back(Dialect::Gemini, answer);
    let call = &sent["contents"][1]["parts"][1];
    assert!(call["thoughtSignature"].as_str().unwrap().starts_with("Eq4KCqsKAWkUfRMo8"));
    assert_eq!(call["functionCall"]["id"], "call_267014");

    let answer = read(Dialect::Gemini, "gemini/multi_turn_thought_signatures/response_002.txt");
    let sent = back(Dialect::Gemini, answer);
    let parts = sent["contents"][1]["parts"].as_array().unwrap();
    assert_eq!((parts.len(), &parts[1]["text"]), (2, &json!("")));
    assert!(parts[1]["thoughtSignature"].is_string() && parts[0].get("thoughtSignature").is_none());

    let answer = read(Dialect::OpenaiResponses, "openai_resp/multi_tool_ordering/response_000.txt");
    let sent = back(Dialect::OpenaiResponses, answer);
    let kinds: Vec<&str> =
        sent["input"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "reasoning", "function_call", "function_call", "function_call"]);
    assert!(sent["input"][1]["encrypted_content"].is_string());
}

#[test]
fn fields_of_the_users_own_replace_ours_and_join_our_objects() {
    let extra = json!({ "temperature": 0, "stream_options": { "x": 1 }, "model": "other" });
    let request = wire::request(
        Dialect::OpenaiChat,
        &Ask {
            model: "m",
            system: SYSTEM,
            messages: &[],
            tools: &[],
            effort: None,
            output_limit: None,
            context: None,
            extra: extra.as_object().unwrap(),
        },
    );
    assert_eq!(request["model"], "other");
    assert_eq!(request["stream_options"], json!({ "include_usage": true, "x": 1 }));
    assert!(request.get("tools").is_none() && request.get("max_completion_tokens").is_none());
}

#[test]
fn addresses_and_headers_are_those_of_the_dialect() {
    assert_eq!(
        wire::path(Dialect::Gemini, "models/gemini-x"),
        "/models/gemini-x:streamGenerateContent?alt=sse"
    );
    assert_eq!(wire::path(Dialect::OpenaiResponses, "m"), "/responses");
    assert_eq!(wire::key_header(Dialect::Anthropic), ("x-api-key", ""));
    assert_eq!(wire::key_header(Dialect::OpenaiChat), ("authorization", "Bearer "));
}
