//! Looking without changing: list, read, search.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ignore::WalkBuilder;
use ignore::overrides::OverrideBuilder;
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::place::Place;
use super::{OUTPUT_LIMIT, number, optional, text};

/// Most files of one list.
const MOST_FILES: usize = 1000;

/// Most lines of one stretch, and most characters of one line.
const MOST_LINES: u64 = 2000;
const LINE_LIMIT: usize = 2000;

/// Most lines found, and most characters shown of each.
const MOST_FOUND: usize = 200;
const FOUND_LIMIT: usize = 300;

/// Larger files are not searched, in bytes.
const SEARCH_LIMIT: u64 = 4 << 20;

/// How long is searched.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much of a file tells whether it is text.
const SNIFF: usize = 8 << 10;

pub(super) fn list(place: &Place, input: &Value, cancel: &CancellationToken) -> Result<String, String> {
    let folder = place.existing(optional(input, "path")?.unwrap_or("."))?;
    let mut out = String::new();
    for (count, file) in files(place, &folder, optional(input, "glob")?)?.enumerate() {
        if cancel.is_cancelled() {
            return Err("interrupted".to_owned());
        }
        if count == MOST_FILES || out.len() > OUTPUT_LIMIT {
            out.push_str(&format!("[more than {count} files; name a folder or a glob to see the others]\n"));
            break;
        }
        out.push_str(&place.shown(&file));
        out.push('\n');
    }
    if out.is_empty() {
        out.push_str("no files\n");
    }
    Ok(out)
}

/// Walks over files in a steady order, without those git ignores and git's own.
fn files(
    place: &Place,
    folder: &Path,
    glob: Option<&str>,
) -> Result<impl Iterator<Item = PathBuf> + use<>, String> {
    let mut walk = WalkBuilder::new(folder);
    walk.hidden(false).require_git(false).follow_links(false).sort_by_file_name(std::cmp::Ord::cmp);
    walk.filter_entry(|entry| !entry.file_name().eq_ignore_ascii_case(".git"));
    if let Some(glob) = glob {
        let mut overrides = OverrideBuilder::new(place.root());
        let wrong = |error: ignore::Error| format!("glob: {error}");
        walk.overrides(overrides.add(glob).map_err(wrong)?.build().map_err(wrong)?);
    }
    Ok(walk
        .build()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(ignore::DirEntry::into_path))
}

/// Opens a regular file that holds text, and gives its size.
pub(super) fn open(place: &Place, path: &str) -> Result<(PathBuf, File, u64), String> {
    let real = place.existing(path)?;
    let metadata = std::fs::metadata(&real).map_err(|error| format!("{path}: {error}"))?;
    if metadata.is_dir() {
        return Err(format!("{path}: this is a folder; use List to see what is in it"));
    }
    // Opening a pipe would wait for somebody at its other end.
    if !metadata.is_file() {
        return Err(format!("{path}: this is no regular file"));
    }
    let mut file = File::open(&real).map_err(|error| format!("{path}: {error}"))?;
    let mut head = Vec::new();
    file.by_ref().take(SNIFF as u64).read_to_end(&mut head).map_err(|error| format!("{path}: {error}"))?;
    if head.contains(&0) {
        return Err(format!(
            "{path}: this is a binary file of {} bytes, so it cannot be read as text",
            metadata.len()
        ));
    }
    std::io::Seek::rewind(&mut file).map_err(|error| format!("{path}: {error}"))?;
    Ok((real, file, metadata.len()))
}

pub(super) fn read(place: &Place, input: &Value) -> Result<String, String> {
    let path = text(input, "file_path")?;
    let first = number(input, "offset")?.unwrap_or(1).max(1);
    let most = number(input, "limit")?.unwrap_or(MOST_LINES).clamp(1, MOST_LINES);
    let (_, file, size) = open(place, path)?;
    if size == 0 {
        return Ok("[the file is empty]\n".to_owned());
    }
    let mut reader = BufReader::new(file);
    let (mut out, mut line, mut at, mut replaced) = (String::new(), Vec::new(), 0, false);
    loop {
        line.clear();
        if read_line(&mut reader, &mut line).map_err(|error| format!("{path}: {error}"))? == 0 {
            break;
        }
        at += 1;
        if at < first {
            continue;
        }
        if at - first >= most || out.len() > OUTPUT_LIMIT {
            out.push_str(&format!("[the file goes on; read on with offset={at}]\n"));
            at -= 1;
            break;
        }
        let shown = String::from_utf8_lossy(&line);
        replaced |= shown.contains('\u{fffd}');
        out.push_str(&shown);
    }
    if at < first {
        return Err(format!("{path}: it has {at} lines; there is no line {first}"));
    }
    if !out.ends_with('\n') {
        out.push_str("\n[no line break at the end of the file]\n");
    }
    if replaced {
        out.push_str("[some of it is not UTF-8 and is shown as \u{fffd}; it cannot be replaced by Edit]\n");
    }
    Ok(out)
}

/// Reads a line with its end; of one that is far too long only the beginning is kept.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<u64> {
    let limit = LINE_LIMIT * 4;
    let mut taken = reader.by_ref().take(limit as u64).read_until(b'\n', line)? as u64;
    if line.len() < limit || line.ends_with(b"\n") {
        return Ok(taken);
    }
    let mut rest = 0u64;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        rest += length as u64;
        reader.consume(length);
        if end.is_some() {
            break;
        }
    }
    taken += rest;
    line.extend_from_slice(format!("[{rest} more bytes of this line]\n").as_bytes());
    Ok(taken)
}

pub(super) fn search(place: &Place, input: &Value, cancel: &CancellationToken) -> Result<String, String> {
    let pattern = text(input, "pattern")?;
    let regex = RegexBuilder::new(pattern).size_limit(4 << 20).build().map_err(|error| {
        format!("pattern: {error}\nWrite a backslash before signs that are meant as they are: ( ) [ ] {{ }} . * + ?")
    })?;
    let start = place.existing(optional(input, "path")?.unwrap_or("."))?;
    let deadline = Instant::now() + PATIENCE;
    let mut out = String::new();
    let mut found = 0;
    for file in files(place, &start, optional(input, "glob")?)? {
        if cancel.is_cancelled() {
            return Err("interrupted".to_owned());
        }
        if Instant::now() > deadline {
            out.push_str("[this took too long; search a folder or a glob]\n");
            return Ok(out);
        }
        if !search_file(place, &file, &regex, &mut out, &mut found) {
            out.push_str(&format!(
                "[more than {found} lines match; make the pattern or the place narrower]\n"
            ));
            return Ok(out);
        }
    }
    if found == 0 {
        out.push_str("nothing matches\n");
    }
    Ok(out)
}

/// Searches a file; tells whether there is room for more.
fn search_file(place: &Place, file: &Path, regex: &Regex, out: &mut String, found: &mut usize) -> bool {
    let is_small = std::fs::metadata(file).is_ok_and(|metadata| metadata.len() <= SEARCH_LIMIT);
    let Some(bytes) = is_small.then(|| std::fs::read(file).ok()).flatten() else { return true };
    if bytes.get(..bytes.len().min(SNIFF)).unwrap_or_default().contains(&0) {
        return true;
    }
    let text = String::from_utf8_lossy(&bytes);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| regex.is_match(line)) {
        if *found == MOST_FOUND || out.len() > OUTPUT_LIMIT {
            return false;
        }
        *found += 1;
        let shown = line.get(..line.floor_char_boundary(FOUND_LIMIT)).unwrap_or_default();
        let more = if shown.len() < line.len() { "…" } else { "" };
        out.push_str(&format!("{}:{}:{shown}{more}\n", place.shown(file), number + 1));
    }
    true
}
