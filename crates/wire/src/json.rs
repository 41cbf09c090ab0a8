//! The mapping between wire values and JSON.
//!
//! Binary and strings that are not UTF-8 become `{"b64": "…"}`, so bytes stay bytes; extension values
//! become null, since no peer of orchflow sends them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmpv::Value;
use serde_json::Value as Json;

/// Turns a wire value into JSON.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Nil | Value::Ext(..) => Json::Null,
        Value::Boolean(flag) => Json::Bool(*flag),
        Value::Integer(number) => {
            number.as_i64().map(Json::from).or_else(|| number.as_u64().map(Json::from)).unwrap_or(Json::Null)
        }
        Value::F32(number) => Json::from(f64::from(*number)),
        Value::F64(number) => Json::from(*number),
        Value::String(text) => match text.as_str() {
            Some(text) => Json::from(text),
            None => bytes_to_json(text.as_bytes()),
        },
        Value::Binary(bytes) => bytes_to_json(bytes),
        Value::Array(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| {
                    let key = match key {
                        Value::String(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
                        other => other.to_string(),
                    };
                    (key, to_json(value))
                })
                .collect(),
        ),
    }
}

/// Turns JSON into a wire value. `{"b64": …}` objects stay maps: only the reader knows what it expects.
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => number
            .as_i64()
            .map(Value::from)
            .or_else(|| number.as_u64().map(Value::from))
            .or_else(|| number.as_f64().map(Value::from))
            .unwrap_or(Value::Nil),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::Array(items.iter().map(from_json).collect()),
        Json::Object(entries) => Value::Map(
            entries.iter().map(|(key, value)| (Value::from(key.as_str()), from_json(value))).collect(),
        ),
    }
}

/// Writes bytes as text where they are UTF-8, else as `{"b64": …}`.
pub fn bytes_to_json(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => Json::from(text),
        Err(_) => serde_json::json!({ "b64": STANDARD.encode(bytes) }),
    }
}

/// Reads bytes back from what [`bytes_to_json`] wrote.
pub fn bytes_from_json(json: &Json) -> Option<Vec<u8>> {
    match json {
        Json::String(text) => Some(text.as_bytes().to_vec()),
        Json::Object(entries) => STANDARD.decode(entries.get("b64")?.as_str()?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_text_survive() {
        for bytes in [&b"src/caf\xe9.rs"[..], b"plain", b""] {
            assert_eq!(bytes_from_json(&bytes_to_json(bytes)).unwrap(), bytes);
        }
    }

    #[test]
    fn json_survives_the_round_trip() {
        let json = serde_json::json!({"a": [1, -2, 3.5, null, true, "x"], "b": {"c": u64::MAX}});
        assert_eq!(to_json(&from_json(&json)), json);
    }
}
