//! Writing a filter in its own grammar.

use std::fmt;

use super::{AgentPattern, Filter, Sides};

impl fmt::Display for AgentPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.run {
            Some(run) => write!(f, "{run}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        list(&mut words, "agent", &self.agents, |agent| agent.to_string());
        list(&mut words, "file", &self.files, |file| String::from_utf8_lossy(&file.0).into_owned());
        list(&mut words, "type", &self.types, Clone::clone);
        for (dash, groups) in [("", &self.is.include), ("-", &self.is.exclude)] {
            words.extend(groups.iter().map(|any| {
                let any: Vec<&str> = any.iter().map(|is| is.word()).collect();
                format!("{dash}is:{}", any.join(","))
            }));
        }
        list(&mut words, "turn", &self.turns, i64::to_string);
        list(&mut words, "run", &self.runs, i64::to_string);
        words.extend(self.since.map(|since| format!("since:{since}")));
        words.extend(self.until.map(|until| format!("until:{until}")));
        words.extend(self.text.include.iter().map(|word| text(word)));
        words.extend(self.text.exclude.iter().map(|word| format!("-{}", text(word))));
        f.write_str(&words.join(" "))
    }
}

fn list<T>(words: &mut Vec<String>, name: &str, sides: &Sides<T>, show: impl Fn(&T) -> String) {
    for (dash, values) in [("", &sides.include), ("-", &sides.exclude)] {
        if !values.is_empty() {
            let values: Vec<String> = values.iter().map(|value| quoted_if_needed(&show(value))).collect();
            words.push(format!("{dash}{name}:{}", values.join(",")));
        }
    }
}

fn quoted_if_needed(value: &str) -> String {
    let needs = value.contains(|c: char| c.is_whitespace() || matches!(c, ',' | '"' | '\\'));
    if needs { quoted(value) } else { value.to_owned() }
}

/// Writes a word of text so that it is read as nothing else.
fn text(word: &str) -> String {
    let needs =
        word.starts_with('-') || word.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\\' | ':'));
    if needs { quoted(word) } else { word.to_owned() }
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
