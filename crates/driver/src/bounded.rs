//! Values of any origin, cut to what a report may hold.

use serde_json::Value;

/// Longest string kept, in bytes.
const STRING_LIMIT: usize = 64 << 10;

/// Most bytes of strings, and most items, kept of one value.
const TOTAL_LIMIT: usize = 512 << 10;

/// Deepest nesting kept.
const DEPTH_LIMIT: usize = 32;

/// Cuts a value: long strings, deep nesting, and what is over the total are left out, and it says so.
pub fn bounded(value: &Value) -> Value {
    let mut room = TOTAL_LIMIT;
    cut(value, DEPTH_LIMIT, &mut room)
}

/// Cuts a text at a character boundary and says how much is missing.
pub fn text(text: &str) -> String {
    cut_text(text, STRING_LIMIT)
}

fn cut_text(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let (kept, rest) = text.split_at(text.floor_char_boundary(limit));
    format!("{kept}\n[{} more bytes were cut by orchflow]", rest.len())
}

fn cut(value: &Value, depth: usize, room: &mut usize) -> Value {
    let left_out = || Value::String("[left out by orchflow: too much]".to_owned());
    if *room == 0 {
        return left_out();
    }
    match value {
        Value::String(text) => {
            let kept = cut_text(text, STRING_LIMIT.min(*room));
            *room = room.saturating_sub(kept.len() + 8);
            Value::String(kept)
        }
        Value::Array(_) | Value::Object(_) if depth == 0 => {
            Value::String("[left out by orchflow: too deep]".to_owned())
        }
        Value::Array(items) => {
            let mut kept = Vec::new();
            for item in items {
                if *room == 0 {
                    kept.push(left_out());
                    break;
                }
                kept.push(cut(item, depth - 1, room));
            }
            Value::Array(kept)
        }
        Value::Object(fields) => {
            let mut kept = serde_json::Map::new();
            for (key, item) in fields {
                if *room == 0 {
                    kept.insert("…".to_owned(), left_out());
                    break;
                }
                let key = cut_text(key, 1 << 10);
                *room = room.saturating_sub(key.len());
                kept.insert(key, cut(item, depth - 1, room));
            }
            Value::Object(kept)
        }
        value => {
            *room = room.saturating_sub(8);
            value.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_small_stays_as_it_is() {
        let value = json!({"a": [1, "two", null, {"b": true}], "c": 1.5});
        assert_eq!(bounded(&value), value);
    }

    #[test]
    fn what_is_large_or_deep_is_cut_and_says_so() {
        let long = "é".repeat(STRING_LIMIT);
        let cut = bounded(&json!({ "text": long }));
        assert!(cut["text"].as_str().unwrap().ends_with("more bytes were cut by orchflow]"));
        let many = bounded(&Value::Array(vec![json!("x".repeat(1000)); 10_000]));
        assert!(many.to_string().len() < 2 * TOTAL_LIMIT, "{}", many.to_string().len());
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!([deep]);
        }
        let text = bounded(&deep).to_string();
        assert!(text.contains("too deep") && text.len() < 200, "{text}");
        let numbers = bounded(&Value::Array(vec![json!(7); 1_000_000]));
        assert!(numbers.as_array().unwrap().len() < 100_000);
    }
}
