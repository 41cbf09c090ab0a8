//! What the tools of a rehearsal do to files.

use std::path::Path;

use serde_json::{Value, json};

use super::script::{Change, Edit, within};

/// Largest file a rehearsal reads or changes, in bytes.
const FILE_LIMIT: u64 = 8 << 20;

/// One use of a tool: its name and arguments as Claude Code gives them.
pub(super) struct Use {
    pub(super) tool: &'static str,
    pub(super) input: Value,
    /// What to show for it.
    pub(super) summary: String,
}

/// Describes the reading of a file.
pub(super) fn read_use(worktree: &Path, path: &str) -> Use {
    let file = worktree.join(path);
    Use {
        tool: "Read",
        input: json!({ "file_path": file.to_string_lossy() }),
        summary: format!("Read({path})"),
    }
}

/// Reads a file; gives the tool's response, or why not.
pub(super) fn read(worktree: &Path, path: &str) -> Result<Value, String> {
    let file = within(worktree, path)?;
    let content = load(&file)?;
    let lines = content.lines().count();
    Ok(json!({
        "type": "text",
        "file": {
            "filePath": file.to_string_lossy(),
            "content": content,
            "numLines": lines,
            "startLine": 1,
            "totalLines": lines,
        },
    }))
}

/// Describes a change of a file.
pub(super) fn edit_use(worktree: &Path, edit: &Edit) -> Use {
    let file = worktree.join(&edit.path);
    let file = file.to_string_lossy();
    let path = &edit.path;
    match &edit.change {
        Change::Replace { old, new } => Use {
            tool: "Edit",
            input: json!({ "file_path": file, "old_string": old, "new_string": new, "replace_all": false }),
            summary: format!("Edit({path})"),
        },
        Change::Append(text) => Use {
            tool: "Edit",
            input: json!({ "file_path": file, "old_string": "", "new_string": text, "replace_all": false }),
            summary: format!("Edit({path})"),
        },
        Change::Content(content) => Use {
            tool: "Write",
            input: json!({ "file_path": file, "content": content }),
            summary: format!("Write({path})"),
        },
    }
}

/// Changes a file; gives the tool's response, or why not.
pub(super) fn edit(worktree: &Path, edit: &Edit) -> Result<Value, String> {
    let file = within(worktree, &edit.path)?;
    let before = match load(&file) {
        Ok(text) => Some(text),
        Err(error) if file.exists() => return Err(error),
        Err(_) => None,
    };
    let (old, new, after) = match &edit.change {
        Change::Replace { old, new } => {
            let before = before.as_deref().ok_or_else(|| "File does not exist.".to_owned())?;
            if !before.contains(old.as_str()) {
                return Err(format!("String to replace not found in file.\nString: {old}"));
            }
            (old.as_str(), new.as_str(), before.replacen(old, new, 1))
        }
        Change::Append(text) => ("", text.as_str(), before.clone().unwrap_or_default() + text),
        Change::Content(content) => ("", content.as_str(), content.clone()),
    };
    store(&file, &after)?;
    let path = file.to_string_lossy();
    Ok(match &edit.change {
        Change::Content(_) => json!({
            "type": if before.is_some() { "update" } else { "create" },
            "filePath": path,
            "content": new,
        }),
        Change::Replace { .. } | Change::Append(_) => json!({
            "filePath": path,
            "oldString": old,
            "newString": new,
            "originalFile": before,
            "userModified": false,
            "replaceAll": false,
        }),
    })
}

fn load(file: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(file).map_err(|error| format!("File cannot be read: {error}"))?;
    if !metadata.is_file() || metadata.len() > FILE_LIMIT {
        return Err(format!("This is no regular file of at most {FILE_LIMIT} bytes."));
    }
    std::fs::read_to_string(file).map_err(|error| format!("File cannot be read: {error}"))
}

fn store(file: &Path, text: &str) -> Result<(), String> {
    let folder = file.parent().unwrap_or(file);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(file, text))
        .map_err(|error| format!("File cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_changed_in_each_way_and_mistakes_change_nothing() {
        let tree = tempfile::tempdir().unwrap();
        let tree = tree.path();
        let change = |path: &str, change: Change| edit(tree, &Edit { path: path.into(), change });
        let text = |path: &str| std::fs::read_to_string(tree.join(path)).unwrap();

        change("deep/new.txt", Change::Content("one\none\n".into())).unwrap();
        change("deep/new.txt", Change::Replace { old: "one".into(), new: "two".into() }).unwrap();
        change("deep/new.txt", Change::Append("three\n".into())).unwrap();
        assert_eq!(text("deep/new.txt"), "two\none\nthree\n");
        change("appended.txt", Change::Append("x".into())).unwrap();
        assert_eq!(text("appended.txt"), "x");

        let replace = || Change::Replace { old: "absent".into(), new: "y".into() };
        assert!(change("deep/new.txt", replace()).unwrap_err().contains("not found in file"));
        assert!(change("missing.txt", replace()).unwrap_err().contains("does not exist"));
        assert!(
            change("../out.txt", Change::Content("x".into())).unwrap_err().contains("inside the worktree")
        );
        std::fs::write(tree.join("binary"), b"\xff\xfe").unwrap();
        assert!(change("binary", Change::Append("x".into())).is_err());
        assert_eq!(std::fs::read(tree.join("binary")).unwrap(), b"\xff\xfe");
        assert_eq!(text("deep/new.txt"), "two\none\nthree\n");
    }
}
