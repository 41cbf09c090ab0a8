//! What we write, held to the protocol's own JSON Schema.

use std::path::Path;

use orchflow_agent::catalogue::Acp;
use serde_json::{Value, json};

use super::conversation::{Conversation, Output};
use super::recordings::{names, orders, play};
use crate::backend::Verdict;

fn schema() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contracts/acp.schema.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// Tells what is wrong with a value by a definition of the schema: as much of JSON Schema as that one uses.
fn wrong(schema: &Value, rule: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(name) = rule["$ref"].as_str() {
        let definition = &schema["$defs"][name.trim_start_matches("#/$defs/")];
        assert!(definition.is_object(), "{name}");
        return wrong(schema, definition, value, at);
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    let kinds: Vec<&str> = match &rule["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind)) {
        return Some(format!("{at} is no {kinds:?}"));
    }
    if rule.get("const").is_some_and(|wanted| wanted != value) {
        return Some(format!("{at} is not {}", rule["const"]));
    }
    if rule["enum"].as_array().is_some_and(|wanted| !wanted.contains(value)) {
        return Some(format!("{at} is none of {}", rule["enum"]));
    }
    let all = rule["allOf"].as_array().into_iter().flatten();
    if let Some(why) = all.filter_map(|rule| wrong(schema, rule, value, at)).next() {
        return Some(why);
    }
    for ways in [&rule["anyOf"], &rule["oneOf"]].into_iter().filter_map(Value::as_array) {
        let failures: Vec<String> = ways.iter().filter_map(|rule| wrong(schema, rule, value, at)).collect();
        if failures.len() == ways.len() {
            return Some(format!("{at}: {}", failures.join(" / ")));
        }
    }
    if let Some(fields) = value.as_object() {
        for name in rule["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                return Some(format!("{at} lacks {name}"));
            }
        }
        for (name, field) in fields {
            if let Some(rule) = rule["properties"].get(name)
                && let Some(why) = wrong(schema, rule, field, &format!("{at}.{name}"))
            {
                return Some(why);
            }
        }
    }
    let items = value.as_array().filter(|_| rule["items"].is_object()).into_iter().flatten();
    items.enumerate().find_map(|(index, item)| wrong(schema, &rule["items"], item, &format!("{at}[{index}]")))
}

/// Checks a message by the definition its method, or what it answers, belongs to.
fn check(schema: &Value, message: &Value) {
    assert_eq!(message["jsonrpc"], "2.0", "{message}");
    let (definition, part) = match message["method"].as_str() {
        Some("initialize") => ("InitializeRequest", "params"),
        Some("session/new") => ("NewSessionRequest", "params"),
        Some("session/load") => ("LoadSessionRequest", "params"),
        Some("session/resume") => ("ResumeSessionRequest", "params"),
        Some("session/prompt") => ("PromptRequest", "params"),
        Some("session/cancel") => ("CancelNotification", "params"),
        Some("session/set_mode") => ("SetSessionModeRequest", "params"),
        Some("session/set_config_option") => ("SetSessionConfigOptionRequest", "params"),
        Some(other) => panic!("{other} is sent and not checked"),
        None if message["error"].is_object() => ("Error", "error"),
        None if message["result"]["outcome"].is_object() => ("RequestPermissionResponse", "result"),
        None if message["result"]["content"].is_string() => ("ReadTextFileResponse", "result"),
        None => ("WriteTextFileResponse", "result"),
    };
    let rule = json!({ "$ref": format!("#/$defs/{definition}") });
    assert_eq!(wrong(schema, &rule, &message[part], part), None, "{message}");
}

#[test]
fn what_is_written_to_every_recorded_program_fits_the_schema() {
    let schema = schema();
    for name in names() {
        for message in &play(&name).sent {
            check(&schema, message);
        }
    }
}

#[test]
fn every_message_fits_the_schema() {
    let schema = schema();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x").to_string_lossy().into_owned();
    let initialized = json!({ "jsonrpc": "2.0", "id": 1, "result": {
        "protocolVersion": 1, "agentCapabilities": { "loadSession": true },
    } });
    let mut sent = Vec::new();
    for (acp, resume, opened) in [
        (
            Acp { mode: Some("plan".into()), ..Acp::default() },
            None,
            json!({
                "sessionId": "s", "modes": { "currentModeId": "a", "availableModes": [{ "id": "plan", "name": "Plan" }] },
            }),
        ),
        (
            Acp { mode: Some("Agent".into()), ..Acp::default() },
            None,
            json!({ "sessionId": "s", "configOptions": [
            { "id": "mode", "category": "mode", "options": [{ "value": "u#agent", "name": "Agent" }] },
        ] }),
        ),
        (Acp::default(), Some("old".to_owned()), json!({})),
    ] {
        let mut orders = orders(acp);
        orders.resume = resume;
        let mut conversation = Conversation::new(&orders, folder.path());
        let permission = json!({ "jsonrpc": "2.0", "id": "p", "method": "session/request_permission", "params": {
            "sessionId": "s", "toolCall": { "toolCallId": "t" },
            "options": [{ "optionId": "no", "name": "No", "kind": "reject_once" }],
        } });
        let write = json!({ "jsonrpc": "2.0", "id": 7, "method": "fs/write_text_file",
            "params": { "sessionId": "s", "path": file, "content": "x" } });
        let read = json!({ "jsonrpc": "2.0", "id": 8, "method": "fs/read_text_file",
            "params": { "sessionId": "s", "path": file } });
        let mut outputs = conversation.open();
        let hear = |conversation: &mut Conversation, message: &Value| {
            conversation.hear(message.to_string().as_bytes())
        };
        outputs.extend(hear(&mut conversation, &initialized));
        outputs.extend(hear(&mut conversation, &json!({ "jsonrpc": "2.0", "id": 2, "result": opened })));
        outputs.extend(hear(&mut conversation, &json!({ "jsonrpc": "2.0", "id": 3, "result": {} })));
        assert!(!conversation.is_opening());
        outputs.extend(conversation.prompt("do it"));
        for message in
            [&permission, &permission, &write, &read, &json!({ "jsonrpc": "2.0", "id": 9, "method": "x/y" })]
        {
            outputs.extend(hear(&mut conversation, message));
        }
        outputs.extend(conversation.answer(1, &Verdict::Deny { reason: "no".into() }));
        outputs.extend(conversation.answer(2, &Verdict::Cancelled));
        outputs.extend(conversation.cancel());
        sent.extend(outputs.into_iter().filter_map(|output| match output {
            Output::Send(message) => Some(message),
            _ => None,
        }));
    }
    for message in &sent {
        check(&schema, message);
    }
    let methods: Vec<&str> = sent.iter().filter_map(|message| message["method"].as_str()).collect();
    for method in ["session/set_mode", "session/set_config_option", "session/load", "session/cancel"] {
        assert!(methods.contains(&method), "{method}");
    }
    let chosen: Vec<&Value> = sent.iter().map(|message| &message["result"]["outcome"]["optionId"]).collect();
    assert!(chosen.contains(&&json!("no")));
}
