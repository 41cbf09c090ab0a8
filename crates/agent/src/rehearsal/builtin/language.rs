//! How a few languages take a text from the environment.

use super::greeting::Literal;

/// A language whose strings a rehearsal can change without breaking the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Shell,
    Python,
    JavaScript,
    Ruby,
    Lua,
    Rust,
}

impl Language {
    /// Tells a file's language by its name.
    pub(super) fn of(path: &str) -> Option<Language> {
        let (_, extension) = path.rsplit_once('.')?;
        Some(match extension {
            "sh" | "bash" => Language::Shell,
            "py" => Language::Python,
            "js" | "mjs" | "cjs" | "ts" => Language::JavaScript,
            "rb" => Language::Ruby,
            "lua" => Language::Lua,
            "rs" => Language::Rust,
            _ => return None,
        })
    }

    /// Gives what begins a comment.
    pub(super) fn comment(self) -> &'static str {
        match self {
            Language::Shell | Language::Python | Language::Ruby => "#",
            Language::JavaScript | Language::Rust => "//",
            Language::Lua => "--",
        }
    }

    /// Gives the quotes of strings that can be changed.
    pub(super) fn quotes(self) -> &'static [char] {
        match self {
            Language::Shell | Language::Rust => &['"'],
            Language::JavaScript => &['"', '\'', '`'],
            Language::Python | Language::Ruby | Language::Lua => &['"', '\''],
        }
    }

    /// Tells whether strings of a line may be changed at all.
    pub(super) fn may_change(self, line: &str) -> bool {
        let code = line.trim_start();
        let excluded: &[&str] = match self {
            Language::Shell => &["alias ", "source ", "case ", "'"],
            Language::Python => {
                &["\"\"\"", "'''", ">>>", "import ", "assert", "b\"", "b'", "r\"", "r'", "match ", "case "]
            }
            Language::JavaScript => {
                &["import ", "require(", " from ", "<", "case ", "type ", "export type", "expect("]
            }
            Language::Ruby => &["require", "assert", "when ", "it ", "describe "],
            Language::Lua => &["require", "assert", "[["],
            Language::Rust => {
                &["assert", "#[", "r\"", "b\"", "c\"", "=>", "concat!", "include", "extern", "r#\"", "panic!"]
            }
        };
        !code.starts_with(self.comment())
            && !code.starts_with('*')
            && !excluded.iter().any(|word| code.contains(word))
    }
}

/// Rewrites a line so that the variable sets the word, or the whole string where the language cannot
/// put a value inside it. `None` where neither is safe.
pub(super) fn configurable(
    language: Language,
    line: &str,
    literal: &Literal,
    variable: &str,
) -> Option<String> {
    let before = line.get(..literal.range.start)?;
    let string = line.get(literal.range.clone())?;
    let after = line.get(literal.range.end..)?;
    let word = line.get(literal.word.clone())?;
    let whole = |expression: String| Some(format!("{before}{expression}{after}"));
    let inside = |value: String| {
        Some(format!("{}{value}{}", line.get(..literal.word.start)?, line.get(literal.word.end..)?))
    };
    match language {
        Language::Shell => inside(format!("${{{variable}:-{word}}}")),
        Language::Python if before.ends_with(['f', 'F']) => {
            let quote = if literal.quote == '"' { '\'' } else { '"' };
            inside(format!("{{os.environ.get({quote}{variable}{quote}, {quote}{word}{quote})}}"))
        }
        Language::Python => whole(format!("os.environ.get(\"{variable}\", {string})")),
        Language::JavaScript if literal.quote == '`' => {
            inside(format!("${{process.env.{variable} ?? \"{word}\"}}"))
        }
        // A string that is a key or a directive cannot become an expression.
        Language::JavaScript if after.trim_start().starts_with(':') || before.trim().is_empty() => None,
        Language::JavaScript => whole(format!("(process.env.{variable} ?? {string})")),
        Language::Ruby if literal.quote == '"' => inside(format!("#{{ENV.fetch('{variable}', '{word}')}}")),
        Language::Ruby => whole(format!("ENV.fetch(\"{variable}\", {string})")),
        Language::Lua => whole(format!("(os.getenv(\"{variable}\") or {string})")),
        Language::Rust => rust(line, literal, variable),
    }
}

/// A string of a formatting macro becomes one with a named argument; any other a constant expression,
/// which may stand wherever a `&str` may.
fn rust(line: &str, literal: &Literal, variable: &str) -> Option<String> {
    const MACROS: [&str; 6] = ["println!(", "eprintln!(", "print!(", "format!(", "writeln!(", "write!("];
    let before = line.get(..literal.range.start)?;
    let string = line.get(literal.range.clone())?;
    let after = line.get(literal.range.end..)?;
    let word = line.get(literal.word.clone())?;
    let Some(name) = MACROS.iter().find(|name| before.contains(**name)) else {
        return Some(format!(
            "{before}match option_env!(\"{variable}\") {{ Some(text) => text, None => {string} }}{after}"
        ));
    };
    let (_, arguments) = before.rsplit_once(name)?;
    let is_format_string = if name.starts_with("write") {
        arguments.matches(',').count() == 1 && arguments.trim_end().ends_with(',')
    } else {
        arguments.trim().is_empty()
    };
    if !is_format_string || string.contains("{greeting") {
        return None;
    }
    let end = closing(after)?;
    let (rest, close) = after.split_at_checked(end)?;
    let comma = if rest.trim_end().ends_with(',') { " " } else { ", " };
    let format_string = format!(
        "{}{{greeting}}{}",
        line.get(literal.range.start..literal.word.start)?,
        line.get(literal.word.end..literal.range.end)?
    );
    let value = format!("std::env::var(\"{variable}\").unwrap_or_else(|_| \"{word}\".to_owned())");
    Some(format!("{before}{format_string}{rest}{comma}greeting = {value}{close}"))
}

/// Finds the parenthesis that closes the one the text stands in.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut in_string = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' => in_string = !in_string,
            _ if in_string => {}
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Gives what a file needs before: old text and new.
pub(super) fn preparation(language: Language, lines: &[&str]) -> Option<(String, String)> {
    if language != Language::Python || lines.iter().any(|line| matches!(line.trim_end(), "import os")) {
        return None;
    }
    let is_import = |line: &&&str| {
        line.starts_with("import ") || (line.starts_with("from ") && !line.contains("__future__"))
    };
    if let Some(first) = lines.iter().find(is_import) {
        let end = if first.ends_with('\r') { "\r\n" } else { "\n" };
        return Some(((*first).to_owned(), format!("import os{end}{first}")));
    }
    // No import yet: after the comments and the documentation that begin the file.
    let mut quoted = false;
    let first = lines.iter().find(|line| {
        let marks = line.matches("\"\"\"").count() + line.matches("'''").count();
        let was_quoted = quoted;
        quoted ^= marks % 2 == 1;
        let is_documentation = was_quoted || marks > 0;
        !is_documentation && !line.starts_with('#') && !line.contains("__future__") && !line.trim().is_empty()
    })?;
    Some(((*first).to_owned(), format!("import os\n\n{first}")))
}

#[cfg(test)]
mod tests {
    use crate::rehearsal::tools;
    use std::path::Path;

    /// Makes the greeting of a one-file repository configurable and gives the file back.
    fn changed(file: &str, text: &str) -> Option<String> {
        let tree = tempfile::tempdir().unwrap();
        let path = tree.path().join(file);
        std::fs::write(&path, text).unwrap();
        let greeting = super::super::greeting::find(tree.path())?;
        for edit in greeting.changes("GREETING", false) {
            tools::edit(tree.path(), &edit).unwrap();
        }
        Some(std::fs::read_to_string(Path::new(&path)).unwrap())
    }

    #[test]
    fn each_language_reads_the_variable_its_own_way() {
        for (file, before, after) in [
            ("a.sh", "echo \"Hello, $1\"\n", "echo \"${GREETING:-Hello}, $1\"\n"),
            ("a.py", "print('hello')\n", "import os\n\nprint(os.environ.get(\"GREETING\", 'hello'))\n"),
            (
                "a.py",
                "#!/usr/bin/env python3\n\"\"\"Says hello.\"\"\"\nimport sys\n\nprint(f\"Hello, {sys.argv[1]}\")\n",
                "#!/usr/bin/env python3\n\"\"\"Says hello.\"\"\"\nimport os\nimport sys\n\nprint(f\"{os.environ.get('GREETING', 'Hello')}, {sys.argv[1]}\")\n",
            ),
            (
                "a.js",
                "console.log(`Hello, ${name}`);\n",
                "console.log(`${process.env.GREETING ?? \"Hello\"}, ${name}`);\n",
            ),
            ("a.ts", "const g = 'hello';\n", "const g = (process.env.GREETING ?? 'hello');\n"),
            ("a.rb", "puts \"Hello, #{name}\"\n", "puts \"#{ENV.fetch('GREETING', 'Hello')}, #{name}\"\n"),
            ("a.lua", "print('hello')\n", "print((os.getenv(\"GREETING\") or 'hello'))\n"),
            (
                "a.rs",
                "    println!(\"Hello, {}!\", name());\n",
                "    println!(\"{greeting}, {}!\", name(), greeting = std::env::var(\"GREETING\").unwrap_or_else(|_| \"Hello\".to_owned()));\n",
            ),
            (
                "a.rs",
                "const GREETING: &str = \"Hello\";",
                "const GREETING: &str = match option_env!(\"GREETING\") { Some(text) => text, None => \"Hello\" };",
            ),
            (
                "a.py",
                "import os\r\nprint(\"hello\")\r\n",
                "import os\r\nprint(os.environ.get(\"GREETING\", \"hello\"))\r\n",
            ),
        ] {
            assert_eq!(changed(file, before).as_deref(), Some(after), "{before}");
        }
    }

    #[test]
    fn what_cannot_be_changed_safely_is_left_alone() {
        for (file, text) in [
            ("a.md", "\"Hello\"\n"),
            ("a.py", "# \"hello\"\n"),
            ("a.py", "\"\"\"Say 'hello'.\"\"\"\n"),
            ("a.rs", "// \"Hello\"\nassert_eq!(greet(), \"Hello\");\n"),
            ("a.rs", "println!(\"{}\", \"Hello\");\n"),
            ("a.rs", "println!(\n    \"x\");\n"),
            ("a.js", "import hello from 'hello';\n"),
            ("a.js", "const x = { 'hello': 1 };\n"),
            ("a.sh", "echo 'hello'\n"),
            ("a.sh", "echo \"hello\n"),
        ] {
            assert_eq!(changed(file, text), None, "{text}");
        }
    }
}
