//! The words of an event, as search knows them: the same for the index and for what it has not reached yet.

/// Writes the words of an event with spaces between: its type, its agent, and the strings and numbers of
/// its payload. Names of fields are left out, as every event of a type has the same.
pub(crate) fn searchable(event_type: &str, agent: Option<&str>, data: &str) -> String {
    let mut words = Words::with_capacity(data.len());
    words.add(event_type);
    if let Some(agent) = agent {
        words.add(agent);
    }
    add_values(&mut words, data);
    words.text
}

/// Gives the words of a query.
pub(crate) fn words(query: &str) -> Vec<String> {
    let mut words = Words::with_capacity(query.len());
    words.add(query);
    words.text.split_whitespace().map(str::to_owned).collect()
}

/// Lower-case words, each with a space behind it.
struct Words {
    text: String,
}

impl Words {
    fn with_capacity(capacity: usize) -> Words {
        Words { text: String::with_capacity(capacity) }
    }

    fn add(&mut self, text: &str) {
        for c in text.chars() {
            self.push(c);
        }
        self.end();
    }

    fn push(&mut self, c: char) {
        if c.is_ascii() {
            if c.is_ascii_alphanumeric() || c == '_' {
                self.text.push(c.to_ascii_lowercase());
            } else {
                self.end();
            }
        } else if c.is_alphanumeric() || is_combining(c) {
            self.text.extend(c.to_lowercase());
        } else {
            self.end();
        }
    }

    fn end(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
    }
}

/// Tells whether a character is an accent of the letter before it.
fn is_combining(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Adds the strings and numbers of a JSON text that are not names of fields.
fn add_values(words: &mut Words, json: &str) {
    let mut chars = json.chars();
    while let Some(c) = chars.next() {
        if c != '"' {
            // Numbers; what else stands outside of strings has no words but true, false and null.
            words.push(if c.is_ascii_digit() { c } else { ' ' });
            continue;
        }
        words.end();
        let begin = words.text.len();
        add_string(words, &mut chars);
        words.end();
        if chars.as_str().trim_start().starts_with(':') {
            words.text.truncate(begin);
        }
    }
    words.end();
}

/// Adds the inside of a JSON string, up to and with its closing quote.
fn add_string(words: &mut Words, chars: &mut std::str::Chars<'_>) {
    while let Some(c) = chars.next() {
        match c {
            '"' => return,
            '\\' => match chars.next() {
                Some('u') => {
                    let digits = chars.as_str().get(..4).unwrap_or_default();
                    let c = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                    words.push(c.unwrap_or(' '));
                    chars.by_ref().take(digits.len()).for_each(drop);
                }
                // Line ends, tabs, quotes and slashes: none is part of a word.
                _ => words.end(),
            },
            c => words.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: &str) -> String {
        searchable("tool_finished", Some("claude-2"), data)
    }

    #[test]
    fn values_are_words_and_names_are_not() {
        let data = r#"{"tool":"Bash","input":{"command":"touch a.rs"},"code":17,"ok":true,"none":null}"#;
        assert_eq!(of(data), "tool_finished claude 2 bash touch a rs 17 ");
        assert_eq!(of(r#"{"a" : "b", "c":["d","e"]}"#), "tool_finished claude 2 b d e ");
    }

    #[test]
    fn a_word_after_a_line_end_is_itself() {
        let data = serde_json::json!({"text": "first\nsecond\tthird\\fourth\"fifth\u{7}sixth"}).to_string();
        assert_eq!(of(&data), "tool_finished claude 2 first second third fourth fifth sixth ");
        assert_eq!(of(r#"{"text":"caf\u00e9 \ud83c\udf88x"}"#), "tool_finished claude 2 café x ");
    }

    #[test]
    fn letters_of_any_script_are_folded_one_by_one() {
        assert_eq!(words("ÉCOLE Straße ΟΔΟΣ e\u{301}t\u{e9}"), ["école", "straße", "οδοσ", "e\u{301}té"]);
        assert_eq!(words("a_b-c 'x\" AND (y*"), ["a_b", "c", "x", "and", "y"]);
        assert_eq!(words("!!! 🎈 \0"), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_json_is_walked_safely() {
        for odd in
            ["", "\"", "\"\\", "\"\\u", "\"\\u12", "\"\\uZZZZ\"", "{\"a\":\"b", "é\"é\":", "\"\\u00é\""]
        {
            let _ = of(odd);
        }
    }
}
