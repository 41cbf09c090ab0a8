//! Text with placeholders: `{hook}`, `{hook|sh}`, `{agent_dir|json}`.
//!
//! Only a lower-case word in braces, with its filters, is a placeholder; every other brace stands for itself, so
//! JSON and programs need no care. `{{word}}` stands for the text `{word}`.

/// One piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Placeholder { name: &'a str, filters: &'a str },
}

/// Puts values in. `value` gives that of a name.
///
/// # Errors
/// A sentence that names a placeholder or a filter that is not known.
pub(crate) fn fill(
    text: &str,
    known: &[&str],
    value: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Placeholder { name, filters } => {
                let Some(value) = value(name).filter(|_| known.contains(&name)) else {
                    return Err(unknown(name, known));
                };
                filled.push_str(&filtered(value, filters)?);
            }
        }
    }
    Ok(filled)
}

/// Checks that every placeholder and filter of a text is known.
///
/// # Errors
/// As [`fill`].
pub(crate) fn check(text: &str, known: &[&str]) -> Result<(), String> {
    fill(text, known, |_| Some(String::new())).map(drop)
}

fn unknown(name: &str, known: &[&str]) -> String {
    let known: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
    format!(
        "there is no placeholder {{{name}}}, only {}; {{{{{name}}}}} stands for the text itself",
        known.join(", ")
    )
}

fn filtered(mut value: String, filters: &str) -> Result<String, String> {
    for filter in filters.split('|').filter(|filter| !filter.is_empty()) {
        value = match filter {
            "sh" => crate::adapter::quote(&value),
            "json" => {
                let quoted = serde_json::Value::String(value).to_string();
                quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned()
            }
            other => return Err(format!("there is no filter |{other}, only |sh and |json")),
        };
    }
    Ok(value)
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut begun, mut at) = (0, 0);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('{')) {
        let open = at + found;
        let rest = text.get(open..).unwrap_or_default();
        if let Some(length) = rest.strip_prefix('{').and_then(placeholder) {
            // `{{word}}`: the outer braces go.
            let inner_end = open + 1 + length;
            if text.get(inner_end..).is_some_and(|rest| rest.starts_with('}')) {
                pieces.push(Piece::Text(text.get(begun..open).unwrap_or_default()));
                pieces.push(Piece::Text(text.get(open + 1..inner_end).unwrap_or_default()));
                (begun, at) = (inner_end + 1, inner_end + 1);
                continue;
            }
        }
        match placeholder(rest) {
            Some(length) => {
                pieces.push(Piece::Text(text.get(begun..open).unwrap_or_default()));
                let inside = rest.get(1..length - 1).unwrap_or_default();
                let (name, filters) = inside.split_once('|').unwrap_or((inside, ""));
                pieces.push(Piece::Placeholder { name, filters });
                (begun, at) = (open + length, open + length);
            }
            None => at = open + 1,
        }
    }
    pieces.push(Piece::Text(text.get(begun..).unwrap_or_default()));
    pieces
}

/// Gives the length of the placeholder a text begins with.
fn placeholder(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('{')?;
    let end = inside.find('}')?;
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    inside.get(..end)?.split('|').all(is_word).then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 2] = ["hook", "agent_dir"];

    fn filled(text: &str) -> Result<String, String> {
        fill(text, &KNOWN, |name| match name {
            "hook" => Some("/it's \"here\"/hook".to_owned()),
            "agent_dir" => Some("/a".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn braces_of_json_and_programs_stand_for_themselves() {
        for (text, expected) in [
            ("", ""),
            ("{agent_dir}/x", "/a/x"),
            ("{\"a\":{\"b\":\"{agent_dir}\"}}", "{\"a\":{\"b\":\"/a\"}}"),
            ("{ agent_dir } {} {1} {A} { {", "{ agent_dir } {} {1} {A} { {"),
            ("({{client}}) => {agent_dir}", "({client}) => /a"),
            ("{{{agent_dir}}}", "{{agent_dir}}"),
            ("{{é}}", "{{é}}"),
            ("{\"command\":\"{hook|sh|json} x\"}", "{\"command\":\"'/it'\\\\''s \\\"here\\\"/hook' x\"}"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        let error = filled("x {hok} y").unwrap_err();
        assert!(error.contains("{hok}") && error.contains("{hook}, {agent_dir}"), "{error}");
        assert!(error.contains("{{hok}}"), "{error}");
        assert!(filled("{hook|shell}").unwrap_err().contains("|shell"));
        assert!(check("{hook|json}", &KNOWN).is_ok() && check("{session_id}", &KNOWN).is_err());
    }
}
