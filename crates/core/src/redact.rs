//! Takes secrets out of what is about to be stored.
//!
//! Well-known token shapes are found by their prefixes; a private key block goes whole. What looks like
//! a secret is replaced by its prefix and `[redacted]`, so a reader still sees what kind it was.

use serde_json::Value;

/// Prefixes of tokens and the least number of token characters that follow.
const TOKENS: &[(&str, usize)] = &[
    ("sk-ant-", 16),
    ("sk-proj-", 16),
    ("sk-or-", 16),
    ("sk-", 20),
    ("xai-", 20),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("ghu_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("npm_", 30),
    ("pypi-", 30),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("ghr_", 20),
    ("gsk_", 20),
    ("hf_", 30),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("eyJhbGciOi", 20),
];

const KEY_BEGIN: &str = "-----BEGIN ";
const KEY_END: &str = "PRIVATE KEY-----";
/// The longest name of a key's kind between the two: `ENCRYPTED `, `OPENSSH `.
const KEY_KIND: usize = 24;

/// Names whose value is a secret whatever it looks like, also as the end of a longer name.
const SECRET_NAMES: &[&str] = &[
    "api_key",
    "apikey",
    "password",
    "passwd",
    "secret",
    "token",
    "accesstoken",
    "authorization",
    "private_key",
];

/// Takes secrets out of a text; `None` when there are none.
pub fn redact_text(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut kept = 0;
    while let Some((start, secret)) = next_secret(text, kept) {
        out.push_str(text.get(kept..start).unwrap_or_default());
        out.push_str(secret.prefix);
        out.push_str("[redacted]");
        kept = start + secret.len;
    }
    if kept == 0 {
        return None;
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    Some(out)
}

/// Tells cheaply whether a JSON text may hold a secret. Most texts hold none, and need not be taken
/// apart; a wrong "yes" costs only time.
pub fn may_hold_secret(json: &str) -> bool {
    next_secret(json, 0).is_some() || has_secret_name(json)
}

struct Secret {
    prefix: &'static str,
    len: usize,
}

/// Finds the first secret at or after a place.
fn next_secret(text: &str, from: usize) -> Option<(usize, Secret)> {
    let bytes = text.as_bytes();
    let mut at = from;
    while let (Some(&first), Some(&second)) = (bytes.get(at), bytes.get(at + 1)) {
        if begins_a_secret(first, second)
            && let Some(secret) = secret_at(text, at)
        {
            return Some((at, secret));
        }
        at += 1;
    }
    None
}

/// Tells whether two bytes are the first of a known prefix; nearly all are not.
fn begins_a_secret(first: u8, second: u8) -> bool {
    match first {
        b's' | b'r' => second == b'k',
        b'x' => matches!(second, b'a' | b'o'),
        b'g' => matches!(second, b'h' | b'i' | b'l' | b's'),
        b'n' => second == b'p',
        b'p' | b'e' => second == b'y',
        b'h' => second == b'f',
        b'A' => matches!(second, b'K' | b'I' | b'S'),
        b'-' => second == b'-',
        _ => false,
    }
}

fn secret_at(text: &str, start: usize) -> Option<Secret> {
    let here = text.get(start..)?;
    if let Some(rest) = here.strip_prefix(KEY_BEGIN) {
        let kind = rest.find(KEY_END).filter(|kind| *kind <= KEY_KIND)?;
        let body = KEY_BEGIN.len() + kind + KEY_END.len();
        let len = here
            .get(body..)
            .and_then(|rest| rest.find(KEY_END))
            .map_or(here.len(), |end| body + end + KEY_END.len());
        return Some(Secret { prefix: KEY_BEGIN, len });
    }
    let before = start.checked_sub(1).and_then(|before| text.as_bytes().get(before));
    if before.is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    TOKENS.iter().find_map(|(prefix, least)| {
        let rest = here.strip_prefix(prefix)?;
        let len =
            rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
        (len >= *least).then_some(Secret { prefix, len: prefix.len() + len })
    })
}

/// Tells whether a JSON text has a string under a name that announces a secret.
fn has_secret_name(json: &str) -> bool {
    const BETWEEN: &str = "\":\"";
    json.match_indices(BETWEEN).any(|(at, _)| {
        let before = json.get(..at).unwrap_or_default();
        let name = before.rfind('"').and_then(|quote| before.get(quote + 1..)).unwrap_or(before);
        is_secret_name(name)
    })
}

/// Takes secrets out of every string of a JSON value, in place. Names that announce a secret lose
/// their value whatever it looks like.
pub fn redact(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(clean) = redact_text(text) {
                *text = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(entries) => {
            for (name, value) in entries.iter_mut() {
                if is_secret_name(name) && value.is_string() {
                    *value = Value::String("[redacted]".to_owned());
                } else {
                    redact(value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_secret_name(name: &str) -> bool {
    SECRET_NAMES.iter().any(|known| {
        let Some(before) = name.len().checked_sub(known.len()) else { return false };
        let end = name.as_bytes().get(before..).unwrap_or_default();
        let is_known = end
            .iter()
            .zip(known.bytes())
            .all(|(&have, want)| have.to_ascii_lowercase() == want || (have == b'-' && want == b'_'));
        let is_word = before.checked_sub(1).and_then(|place| name.as_bytes().get(place));
        is_known && is_word.is_none_or(|before| matches!(before, b'_' | b'-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Joins a token's prefix and body, so that no scanner takes this file for a leak.
    fn token(prefix: &str) -> String {
        format!("{prefix}{}", "a1B2_".repeat(8))
    }

    #[test]
    fn tokens_go_and_their_kind_stays() {
        let text = format!("use {} now, {} too", token("sk-ant-"), token("ghp_"));
        assert_eq!(redact_text(&text).unwrap(), "use sk-ant-[redacted] now, ghp_[redacted] too");
        assert_eq!(redact_text("task-force disk-usage sk-short AKIA pypi-x"), None);
        for (prefix, _) in TOKENS {
            let text = format!("({})", token(prefix));
            assert_eq!(redact_text(&text).unwrap(), format!("({prefix}[redacted])"), "{prefix}");
            assert_eq!(redact_text(&format!("x{}", token(prefix))), None, "within a word: {prefix}");
        }
    }

    #[test]
    fn a_private_key_goes_whole() {
        let text = "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nxyz\n-----END RSA PRIVATE KEY-----\nb";
        assert_eq!(redact_text(text).unwrap(), "a\n-----BEGIN [redacted]\nb");
    }

    #[test]
    fn names_that_announce_a_secret_lose_their_value() {
        let mut value = serde_json::json!({"env": {"OPENAI_API_KEY": "x", "keyboard": "qwerty"}});
        redact(&mut value);
        assert_eq!(value, serde_json::json!({"env": {"OPENAI_API_KEY": "[redacted]", "keyboard": "qwerty"}}));
    }

    #[test]
    fn a_private_key_goes_also_where_its_line_ends_are_written_out() {
        let text = r#"{"k": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"} and more"#;
        assert_eq!(redact_text(text).unwrap(), r#"{"k": "-----BEGIN [redacted]\n"} and more"#);
        assert_eq!(redact_text("-----BEGIN CERTIFICATE-----\nMIIE"), None);
        assert_eq!(redact_text("-----BEGIN EC PRIVATE KEY-----\ncut here").unwrap(), "-----BEGIN [redacted]");
    }

    #[test]
    fn the_quick_look_never_misses_what_the_thorough_one_finds() {
        let values = [
            serde_json::json!({"a": format!("use {}", token("sk-ant-"))}),
            serde_json::json!({"a": [{"X-Api-Key": "x"}]}),
            serde_json::json!({"GITHUB_TOKEN": "é"}),
            serde_json::json!(["-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"]),
            serde_json::json!({"a\"b": {"password": "p"}}),
            serde_json::json!({"tokens": "7", "secretary": "x", "monkey": "y", "count": 7, "password": 7}),
        ];
        for value in values {
            let mut clean = value.clone();
            redact(&mut clean);
            assert!(may_hold_secret(&value.to_string()) || clean == value, "{value}");
        }
        assert!(!may_hold_secret(r#"{"tokens":"7","secretary":"x","text":"task-force disk-usage"}"#));
    }

    #[test]
    fn text_that_is_not_ascii_is_walked_safely() {
        assert_eq!(redact_text("é-sk-ü sk-ÄÖ 🎈-"), None);
    }
}
