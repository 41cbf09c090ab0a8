//! The script that plays where none is given: small, real work in any repository.
//!
//! Three personas make the repository's greeting configurable, each in its own way: on the same line,
//! so that their hunks rival, and in files of their own, so that some stand apart.

mod greeting;
mod language;

use std::path::Path;

use super::script::{Change, Edit, Step};
use crate::terminal::plain;
use greeting::Greeting;

/// How one persona goes about it.
struct Persona {
    name: &'static str,
    variable: &'static str,
    comments: bool,
    documents: bool,
    reason: &'static str,
}

const PERSONAS: [Persona; 3] = [
    Persona {
        name: "direct",
        variable: "GREETING",
        comments: false,
        documents: false,
        reason: "One line is the whole change: easy to review, easy to take back.",
    },
    Persona {
        name: "careful",
        variable: "APP_GREETING",
        comments: true,
        documents: false,
        reason: "The variable has a prefix, so that it cannot meet another program's, and a comment says what it is for.",
    },
    Persona {
        name: "thorough",
        variable: "GREETING_TEXT",
        comments: false,
        documents: true,
        reason: "What nobody reads about nobody uses, so the variable is documented beside the change.",
    },
];

/// Gives the steps of a turn, counted from 0. They depend on the worktree, the persona and the prompt
/// alone.
pub(super) fn turn(worktree: &Path, persona: u32, turn: usize, prompt: &str) -> Vec<Step> {
    let index = persona as usize;
    let Some(persona) = PERSONAS.get(index % PERSONAS.len()) else { return Vec::new() };
    // More agents than personas: their own files keep names of their own.
    let suffix = if index < PERSONAS.len() { String::new() } else { format!("_{}", index + 1) };
    let work = Work { worktree, persona, suffix, task: one_line(prompt) };
    match turn {
        0 => work.first_turn(),
        _ => work.later_turn(turn),
    }
}

struct Work<'a> {
    worktree: &'a Path,
    persona: &'a Persona,
    suffix: String,
    task: String,
}

impl Work<'_> {
    fn first_turn(&self) -> Vec<Step> {
        let mut steps = vec![
            Step::Think(format!("The task: {}. First I look for a greeting in this repository.", self.task)),
            Step::Wait(0.5),
        ];
        match greeting::find(self.worktree) {
            Some(greeting) => self.change_greeting(&greeting, &mut steps),
            None => self.take_notes(&mut steps),
        }
        steps
    }

    fn change_greeting(&self, greeting: &Greeting, steps: &mut Vec<Step>) {
        let Persona { variable, comments, documents, reason, .. } = self.persona;
        let (path, word) = (&greeting.path, &greeting.word);
        steps.extend([
            Step::Read(path.clone()),
            Step::Wait(0.4),
            Step::Say(format!(
                "The greeting stands in {path}, line {}. I let {variable} set it and keep {word:?} where that is not set, so nothing changes for anyone who does not know of it. {reason}",
                greeting.line
            )),
            Step::Wait(0.5),
        ]);
        steps.extend(greeting.changes(variable, *comments).into_iter().map(Step::Edit));
        steps.push(Step::Wait(0.4));
        let test = self.test_path("greeting");
        let check = format!("grep -q -- {variable} {}", shell_word(path));
        let claim = format!("the greeting in {path} can be set by {variable}");
        steps.extend([self.write_test(&test, &check, &claim), Step::Run(format!("sh {test}"))]);
        if *documents {
            let text = format!(
                "\n## The greeting\n\nSet `{variable}` in the environment to be greeted in your own words, for example:\n\n    {variable}=Welcome\n"
            );
            let readme = if self.worktree.join("README.md").is_file() { "README.md" } else { "GREETING.md" };
            steps.push(Step::Edit(Edit { path: readme.to_owned(), change: Change::Append(text) }));
        }
        steps.extend([
            Step::Wait(0.4),
            Step::Say(format!("Done: {variable} sets the greeting of {path}, and {test} holds it.")),
        ]);
    }

    fn take_notes(&self, steps: &mut Vec<Step>) {
        let Persona { name, reason, .. } = self.persona;
        let notes = format!("NOTES-{name}{}.md", self.suffix.replace('_', "-"));
        let text = format!(
            "# Notes of a rehearsal ({name})\n\nTask: {}\n\nNo greeting was found here to make configurable, so nothing else was touched.\n{reason}\n",
            self.task
        );
        let test = self.test_path("notes");
        let claim = format!("{notes} says something");
        steps.extend([
            Step::Say(
                "There is no greeting here that I could change safely, so I leave notes instead of guessing."
                    .into(),
            ),
            Step::Wait(0.6),
            Step::Edit(Edit { path: notes.clone(), change: Change::Content(text) }),
            Step::Wait(0.4),
            self.write_test(&test, &format!("test -s {notes}"), &claim),
            Step::Run(format!("sh {test}")),
            Step::Wait(0.4),
            Step::Say(format!("Done: {notes} has the notes, and {test} holds them.")),
        ]);
    }

    fn later_turn(&self, turn: usize) -> Vec<Step> {
        let path = format!("NOTES-{}{}.md", self.persona.name, self.suffix.replace('_', "-"));
        let text = format!("\n- Turn {}: {}\n", turn + 1, self.task);
        vec![
            Step::Think("New guidance.".to_owned()),
            Step::Wait(0.4),
            Step::Edit(Edit { path: path.clone(), change: Change::Append(text) }),
            Step::Wait(0.3),
            Step::Say(format!(
                "I cannot weigh words, being a rehearsal; what you said stands in {path}, where a model would act on it."
            )),
        ]
    }

    fn test_path(&self, subject: &str) -> String {
        let folder = if self.worktree.join("test").is_dir() && !self.worktree.join("tests").is_dir() {
            "test"
        } else {
            "tests"
        };
        format!("{folder}/{subject}_{}{}.sh", self.persona.name, self.suffix)
    }

    fn write_test(&self, path: &str, check: &str, claim: &str) -> Step {
        let claim = shell_word(claim);
        let text = format!(
            "#!/bin/sh\n# Run from anywhere: sh {path}\ncd \"$(dirname \"$0\")/..\" || exit 1\nif {check}; then\n    printf 'ok: %s\\n' {claim}\nelse\n    printf 'not ok: %s\\n' {claim} >&2\n    exit 1\nfi\n"
        );
        Step::Edit(Edit { path: path.to_owned(), change: Change::Content(text) })
    }
}

fn one_line(text: &str) -> String {
    let line: String = plain(text).split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::tools;
    use std::process::Command;

    /// Plays the edits and commands of a turn; every command must succeed.
    fn play(worktree: &Path, persona: u32, turn_index: usize, prompt: &str) {
        for step in turn(worktree, persona, turn_index, prompt) {
            match step {
                Step::Edit(edit) => drop(tools::edit(worktree, &edit).unwrap()),
                Step::Read(path) => drop(tools::read(worktree, &path).unwrap()),
                Step::Run(command) => {
                    let output =
                        Command::new("sh").arg("-c").arg(command).current_dir(worktree).output().unwrap();
                    assert!(output.status.success(), "{output:?}");
                }
                _ => {}
            }
        }
    }

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let file = tree.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        tree
    }

    #[test]
    fn three_personas_rival_on_a_line_and_stand_apart_in_files() {
        let files = [("bin/greet.sh", "#!/bin/sh\necho \"Hello, $1\"\n"), ("README.md", "# It\n")];
        let mut lines = Vec::new();
        for persona in 0..3 {
            let tree = tree(&files);
            play(tree.path(), persona, 0, "Make it configurable");
            let text = std::fs::read_to_string(tree.path().join("bin/greet.sh")).unwrap();
            lines.push(text.lines().last().unwrap().to_owned());
            let output = Command::new("sh")
                .arg("bin/greet.sh")
                .arg("you")
                .env(PERSONAS[persona as usize].variable, "Salut")
                .current_dir(tree.path())
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "Salut, you\n");
            let test = format!("tests/greeting_{}.sh", PERSONAS[persona as usize].name);
            assert!(tree.path().join(test).is_file());
            play(tree.path(), persona, 1, "use another name\nplease");
        }
        assert_eq!(
            lines,
            [
                "echo \"${GREETING:-Hello}, $1\"",
                "echo \"${APP_GREETING:-Hello}, $1\"",
                "echo \"${GREETING_TEXT:-Hello}, $1\""
            ]
        );
    }

    #[test]
    fn a_repository_without_a_greeting_gets_notes() {
        let tree = tree(&[("main.c", "int main(void) { return 0; }\n")]);
        play(tree.path(), 1, 0, "Do it; $(touch pwned) 'quoted'\nsecond line");
        let notes = std::fs::read_to_string(tree.path().join("NOTES-careful.md")).unwrap();
        assert!(notes.contains("Task: Do it; $(touch pwned) 'quoted' second line"));
        assert!(!tree.path().join("pwned").exists());
    }

    #[test]
    fn agents_beyond_the_third_keep_files_of_their_own() {
        let tree = tree(&[("a.py", "print('hello')\n")]);
        play(tree.path(), 1, 0, "x");
        play(tree.path(), 4, 0, "x");
        for file in ["tests/greeting_careful.sh", "tests/greeting_careful_5.sh"] {
            assert!(tree.path().join(file).is_file(), "{file}");
        }
    }

    #[test]
    fn the_same_tree_gives_the_same_steps() {
        let tree =
            tree(&[("b.py", "print('hello')\n"), ("a.py", "x = 'hello'\n"), ("hello.py", "y = 'hello'\n")]);
        assert_eq!(turn(tree.path(), 0, 0, "x"), turn(tree.path(), 0, 0, "x"));
        assert!(turn(tree.path(), 0, 0, "x").contains(&Step::Read("hello.py".into())));
    }
}
