//! The conversation with a model, in words that belong to no provider.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wire::Dialect;

/// One entry of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// What the human, or orchflow on its own behalf, said.
    User {
        /// The text.
        text: String,
    },
    /// What the model answered.
    Assistant {
        /// Its parts, in order.
        parts: Vec<Part>,
        /// Who answered. What a provider wants carried back is only carried back to it.
        author: Author,
    },
    /// What became of the calls in the answer before.
    Results {
        /// One for each call, in order.
        results: Vec<ToolResult>,
    },
}

/// A dialect and a model: whose reasoning a part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The dialect it answered in.
    pub dialect: Dialect,
    /// The model that was asked.
    pub model: String,
}

/// One part of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Text for the human.
    Text {
        /// The text.
        text: String,
        /// What the provider wants back with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        carry: Option<Value>,
    },
    /// The model's reasoning, as far as it is shown; the text may be empty.
    Reasoning {
        /// What is shown of it.
        text: String,
        /// What the provider wants back in its place: a signed or sealed block.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        carry: Option<Value>,
    },
    /// A tool the model wants used.
    Call(ToolCall),
}

/// A tool the model wants used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call, or one of ours where it gives none.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments; an empty object while they cannot be read.
    pub arguments: Value,
    /// The arguments as they came, where they are no JSON object: cut, or badly written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// What the provider wants back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry: Option<Value>,
}

impl ToolCall {
    /// Reads arguments that come as text. No text at all means none.
    pub fn from_text(id: String, name: String, arguments: &str) -> ToolCall {
        let mut call =
            ToolCall { id, name, arguments: Value::Object(Default::default()), broken: None, carry: None };
        match serde_json::from_str::<Value>(arguments) {
            Ok(value @ Value::Object(_)) => call.arguments = value,
            Ok(Value::Null) => {}
            _ if arguments.trim().is_empty() => {}
            _ => call.broken = Some(arguments.to_owned()),
        }
        call
    }
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call's id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// What the model is told.
    pub text: String,
    /// Whether it failed or was not allowed.
    pub is_error: bool,
}

/// A tool as the model is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Its name.
    pub name: &'static str,
    /// What it does and how it is used.
    pub description: &'static str,
    /// Its arguments, as a JSON schema of an object.
    pub parameters: Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_are_an_object_or_known_to_be_broken() {
        let call = |text| ToolCall::from_text("c".into(), "read".into(), text);
        assert_eq!(call(r#"{"path":"a"}"#).arguments, json!({"path": "a"}));
        for nothing in ["", "  \n", "null", "{}"] {
            assert_eq!((call(nothing).arguments, call(nothing).broken), (json!({}), None), "{nothing:?}");
        }
        for broken in [r#"{"path":"a"#, "[1]", "\"x\"", "{} {}", "7"] {
            assert_eq!((call(broken).arguments, call(broken).broken), (json!({}), Some(broken.to_owned())));
        }
    }
}
