//! What a tool would change, worked out from its arguments before it runs. It is the agent's word: what it really
//! changes comes from git.

use std::path::{Path, PathBuf};

use orchflow_git::FileMode;
use orchflow_git::diff::file_hunks;
use orchflow_git::files::File;
use serde_json::{Value, json};

use crate::unified::of_hunk;

/// Largest file that is compared, in bytes.
const LARGEST: u64 = 1 << 20;
/// The most lines of one proposal.
const MOST: usize = 400;

/// Works out what a use of a tool proposes: the path, and a diff against the file as it is in the worktree. `None`
/// where the arguments tell of no change.
pub fn proposed(input: &Value, worktree: Option<&Path>) -> Option<Value> {
    if let Some(patch) = patch_of(input) {
        let mut lines: Vec<&str> = patch.lines().collect();
        let left = cut(&mut lines);
        return Some(json!({ "path": null, "lines": lines, "left": left, "note": null }));
    }
    let text = |names: &[&str]| names.iter().find_map(|name| input.get(name)?.as_str());
    let path = text(&["file_path", "filePath", "notebook_path", "absolute_path", "path"])?;
    let change = Change::of(input)?;
    let place = match worktree {
        Some(root) => root.join(path),
        None => PathBuf::from(path),
    };
    let (old, mut note) = read(&place);
    let (new, is_placed) = change.apply(old.as_deref());
    if !is_placed {
        note = note.or(Some("what it replaces does not stand in the file now"));
    }
    let file = |content: String| File { content: content.into_bytes(), mode: FileMode::Regular };
    let (old, new) = match is_placed {
        true => (old.map(file), new.map(file)),
        // Then the two sides are shown by themselves.
        false => (change.removed().map(file), change.added().map(file)),
    };
    let hunks = file_hunks("proposed", path.as_bytes(), old.as_ref(), new.as_ref());
    let mut lines: Vec<String> = hunks.iter().flat_map(of_hunk).collect();
    let left = cut(&mut lines);
    Some(json!({ "path": path, "lines": lines, "left": left, "note": note }))
}

/// Shortens a list of lines and tells how many went.
fn cut<T>(lines: &mut Vec<T>) -> usize {
    let left = lines.len().saturating_sub(MOST);
    lines.truncate(MOST);
    left
}

/// Finds a whole patch among the arguments, as Codex gives it.
fn patch_of(input: &Value) -> Option<&str> {
    ["patch", "diff", "input", "command"].iter().filter_map(|name| input.get(name)?.as_str()).find(|text| {
        text.starts_with("*** Begin Patch") || text.starts_with("--- ") || text.starts_with("diff --git ")
    })
}

enum Change<'a> {
    Whole(&'a str),
    Edits(Vec<Edit<'a>>),
}

struct Edit<'a> {
    old: &'a str,
    new: &'a str,
    everywhere: bool,
}

impl<'a> Change<'a> {
    fn of(input: &'a Value) -> Option<Change<'a>> {
        let edits = input.get("edits").and_then(Value::as_array);
        if let Some(edits) = edits {
            let edits: Vec<Edit<'a>> = edits.iter().filter_map(Edit::of).collect();
            return (!edits.is_empty()).then_some(Change::Edits(edits));
        }
        if let Some(edit) = Edit::of(input) {
            return Some(Change::Edits(vec![edit]));
        }
        let text = ["content", "new_source", "file_text"].iter().find_map(|name| input.get(name)?.as_str());
        text.map(Change::Whole)
    }

    /// Gives the text after the change, and whether everything it replaces was found.
    fn apply(&self, old: Option<&str>) -> (Option<String>, bool) {
        match self {
            Change::Whole(text) => (Some((*text).to_owned()), true),
            Change::Edits(edits) => {
                let mut text = old.unwrap_or_default().to_owned();
                for edit in edits {
                    match edit.old {
                        "" if text.is_empty() => edit.new.clone_into(&mut text),
                        "" => return (None, false),
                        old if !text.contains(old) => return (None, false),
                        old if edit.everywhere => text = text.replace(old, edit.new),
                        old => text = text.replacen(old, edit.new, 1),
                    }
                }
                (Some(text), true)
            }
        }
    }

    fn removed(&self) -> Option<String> {
        self.side(|edit| edit.old)
    }

    fn added(&self) -> Option<String> {
        self.side(|edit| edit.new)
    }

    fn side(&self, of: impl Fn(&Edit<'a>) -> &'a str) -> Option<String> {
        match self {
            Change::Whole(text) => Some((*text).to_owned()),
            Change::Edits(edits) => Some(edits.iter().map(of).collect::<Vec<_>>().join("\n")),
        }
    }
}

impl<'a> Edit<'a> {
    fn of(input: &'a Value) -> Option<Edit<'a>> {
        let text = |names: &[&str]| names.iter().find_map(|name| input.get(name)?.as_str());
        let old = text(&["old_string", "oldString", "old_str", "oldText"]);
        let new = text(&["new_string", "newString", "new_str", "newText"]);
        let everywhere =
            ["replace_all", "replaceAll"].iter().any(|name| input.get(name) == Some(&Value::Bool(true)));
        (old.is_some() || new.is_some()).then(|| Edit {
            old: old.unwrap_or_default(),
            new: new.unwrap_or_default(),
            everywhere,
        })
    }
}

/// Reads a file as it is, or says why it is not compared.
fn read(path: &Path) -> (Option<String>, Option<&'static str>) {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (None, None),
        Ok(metadata) if !metadata.is_file() => (None, Some("it is no plain file")),
        Ok(metadata) if metadata.len() > LARGEST => (None, Some("the file is too large to compare")),
        Ok(_) => match std::fs::read_to_string(path) {
            Ok(text) => (Some(text), None),
            Err(_) => (None, Some("the file cannot be read as text")),
        },
        Err(_) => (None, Some("the file cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &Value, root: &Path) -> (Vec<String>, Option<String>) {
        let found = proposed(input, Some(root)).unwrap();
        let lines = found["lines"].as_array().unwrap();
        let lines = lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect();
        (lines, found["note"].as_str().map(str::to_owned))
    }

    #[test]
    fn an_edit_is_a_diff_against_the_file_in_the_worktree() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.txt"), "1\n2\n3\n4\n5\n6\n7\n").unwrap();
        let edit = json!({"file_path": "a.txt", "old_string": "4", "new_string": "four\nand"});
        assert_eq!(
            lines(&edit, root.path()),
            (
                ["@@ -1,7 +1,8 @@", " 1", " 2", " 3", "-4", "+four", "+and", " 5", " 6", " 7"]
                    .map(str::to_owned)
                    .to_vec(),
                None
            )
        );
        let several = json!({"path": root.path().join("a.txt"), "edits": [
            {"old_string": "1\n", "new_string": ""}, {"oldText": "7", "newText": "8"}]});
        let (several, _) = lines(&several, root.path());
        assert!(several.contains(&"-1".to_owned()) && several.contains(&"+8".to_owned()), "{several:?}");
    }

    #[test]
    fn a_new_file_a_patch_and_what_does_not_fit() {
        let root = tempfile::tempdir().unwrap();
        let (new, note) = lines(&json!({"file_path": "new", "content": "a\nb\n"}), root.path());
        assert_eq!((new[1..].to_vec(), note), (vec!["+a".to_owned(), "+b".to_owned()], None));
        std::fs::write(root.path().join("a.txt"), "x\n").unwrap();
        let (stale, note) =
            lines(&json!({"file_path": "a.txt", "old_string": "gone", "new_string": "y"}), root.path());
        assert!(stale.contains(&"-gone".to_owned()) && note.unwrap().contains("does not stand"), "{stale:?}");
        let patch = json!({"command": "*** Begin Patch\n*** Update File: a\n-x\n+y\n*** End Patch"});
        assert_eq!(lines(&patch, root.path()).0[2], "-x");
        for nothing in [json!({"command": "ls"}), json!({"file_path": "a.txt"}), json!(7), Value::Null] {
            assert_eq!(proposed(&nothing, Some(root.path())), None, "{nothing}");
        }
        std::fs::write(root.path().join("b"), b"\xff\xfe").unwrap();
        let (_, note) = lines(&json!({"file_path": "b", "content": "x"}), root.path());
        assert!(note.unwrap().contains("text"));
    }

    #[test]
    fn a_huge_proposal_is_cut_and_says_so() {
        let root = tempfile::tempdir().unwrap();
        let content: String = (0..5000).map(|line| format!("{line}\n")).collect();
        let found = proposed(&json!({"file_path": "new", "content": content}), Some(root.path())).unwrap();
        assert_eq!(found["lines"].as_array().unwrap().len(), MOST);
        assert!(found["left"].as_u64().unwrap() > 0);
    }
}
