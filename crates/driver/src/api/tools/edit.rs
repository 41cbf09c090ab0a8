//! Changing files: edits that must match exactly, and whole files.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::look;
use super::place::Place;
use super::text;

/// Larger files are not written or edited, in bytes.
const LIMIT: usize = 8 << 20;

/// A change that was checked and can be made.
#[derive(Debug)]
pub(super) struct Change {
    file: PathBuf,
    content: String,
    said: String,
}

impl Change {
    /// Makes the change, the whole file at once; the model is told what was done.
    pub(super) fn apply(self) -> Result<String, String> {
        write_whole(&self.file, self.content.as_bytes())
            .map_err(|error| format!("{} cannot be written: {error}", self.file.display()))?;
        Ok(self.said)
    }
}

/// Checks an edit.
pub(super) fn plan_edit(place: &Place, input: &Value) -> Result<Change, String> {
    let path = text(input, "file_path")?;
    let (old, new) = (text(input, "old_string")?, text(input, "new_string")?);
    let is_all = matches!(input.get("replace_all"), Some(Value::Bool(true)));
    if old.is_empty() {
        return Err("old_string is empty; use Write for a new file, or name the text to replace".to_owned());
    }
    if old == new {
        return Err("old_string and new_string are the same, so nothing would change".to_owned());
    }
    let (file, _, size) = look::open(place, path)?;
    if size > LIMIT as u64 {
        return Err(format!("{path}: it has {size} bytes, which is too large to edit; use Run"));
    }
    let bytes = std::fs::read(&file).map_err(|error| format!("{path}: {error}"))?;
    let content = String::from_utf8(bytes)
        .map_err(|_| format!("{path}: it is not valid UTF-8, so it is not edited; use Run"))?;
    // A model writes LF; a file with CRLF keeps its own.
    let (old, new) = if !content.contains(old) && content.contains("\r\n") && !old.contains('\r') {
        (old.replace('\n', "\r\n"), new.replace('\n', "\r\n"))
    } else {
        (old.to_owned(), new.to_owned())
    };
    let places: Vec<usize> = content.match_indices(&old).map(|(at, _)| line_of(&content, at)).collect();
    match places.as_slice() {
        [] => return Err(format!("{path}: {}", not_found(&content, &old))),
        [_] => {}
        _ if is_all => {}
        several => {
            let lines: Vec<String> = several.iter().take(10).map(ToString::to_string).collect();
            return Err(format!(
                "{path}: old_string stands there {} times (lines {}); add lines around it until it is there once, \
                 or set replace_all",
                several.len(),
                lines.join(", ")
            ));
        }
    }
    let changed = content.replace(&old, &new);
    if changed.len() > LIMIT {
        return Err(format!("{path}: it would become larger than {} MB", LIMIT >> 20));
    }
    let line = places.first().copied().unwrap_or(1);
    let said = if places.len() == 1 {
        format!("{} was edited at line {line}.", place.shown(&file))
    } else {
        format!("{} was edited in {} places.", place.shown(&file), places.len())
    };
    Ok(Change { file, content: changed, said })
}

/// Checks a whole file.
pub(super) fn plan_write(place: &Place, input: &Value) -> Result<Change, String> {
    let path = text(input, "file_path")?;
    let content = text(input, "content")?;
    if content.len() > LIMIT {
        return Err(format!("{path}: a file of more than {} MB is not written", LIMIT >> 20));
    }
    let file = place.target(path)?;
    let before = std::fs::metadata(&file).ok();
    match &before {
        Some(metadata) if metadata.is_dir() => return Err(format!("{path}: this is a folder")),
        Some(metadata) if !metadata.is_file() => return Err(format!("{path}: this is no regular file")),
        _ => {}
    }
    let word = if before.is_some() { "was written anew" } else { "was made" };
    let said = format!("{} {word}, {} lines.", place.shown(&file), content.lines().count());
    Ok(Change { file, content: content.to_owned(), said })
}

/// Writes beside the file and puts it in its place, so that nobody sees half of it; its mode stays.
fn write_whole(file: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.orchflow-{}", std::process::id()));
    let mode = std::fs::metadata(file).ok().map(|metadata| metadata.permissions().mode() & 0o7777);
    let written = std::fs::File::create(&beside).and_then(|mut out| {
        out.write_all(content)?;
        match mode {
            Some(mode) => out.set_permissions(Permissions::from_mode(mode)),
            None => Ok(()),
        }
    });
    let placed = written.and_then(|()| std::fs::rename(&beside, file));
    if placed.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    placed
}

fn line_of(content: &str, at: usize) -> usize {
    1 + content.get(..at).unwrap_or_default().matches('\n').count()
}

/// Says what to do about a text that is not there: mostly only its blanks are wrong.
fn not_found(content: &str, old: &str) -> String {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<&str> = content.lines().collect();
    let wanted: Vec<String> = old.lines().map(squeezed).filter(|line| !line.is_empty()).collect();
    if let Some(first) = wanted.first() {
        let height = old.lines().count().max(1);
        let alike = (0..lines.len()).find(|&at| {
            let found = lines.get(at..(at + height).min(lines.len())).unwrap_or_default();
            let found: Vec<String> =
                found.iter().map(|line| squeezed(line)).filter(|line| !line.is_empty()).collect();
            found == wanted
        });
        if let Some(at) = alike {
            let stands = lines.get(at..(at + height).min(lines.len())).unwrap_or_default().join("\n");
            return format!(
                "old_string is not there exactly; with other blanks it stands at line {}:\n{stands}\nGive these \
                 lines exactly.",
                at + 1
            );
        }
        if let Some(at) = lines.iter().position(|line| squeezed(line) == *first) {
            return format!(
                "old_string is not there; its first line stands at line {}, but what follows differs. Read the \
                 file from offset={} and give the text exactly.",
                at + 1,
                at + 1
            );
        }
    }
    "old_string is not there. Read the file and give the text exactly, with its blanks and line breaks."
        .to_owned()
}
