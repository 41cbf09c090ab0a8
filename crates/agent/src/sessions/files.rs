//! Files of other programs, read with care: of bearable size, and whole lines only.

use std::path::Path;

/// Largest file of a session that is read, in bytes.
const LIMIT: u64 = 64 << 20;

/// Reads a file as text; nothing where there is none of bearable size.
pub(super) fn read(path: &Path) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    let is_bearable = metadata.is_file() && metadata.len() <= LIMIT;
    is_bearable.then(|| std::fs::read_to_string(path).ok()).flatten()
}

/// Reads the lines of a file that are whole: the program may be writing the last one.
pub(super) fn read_lines(path: &Path) -> Option<String> {
    let mut text = read(path)?;
    text.truncate(text.rfind('\n')? + 1);
    Some(text)
}

/// Gives the files that lie in `depth` folders below one.
pub(super) fn below(folder: &Path, depth: usize) -> Vec<std::path::PathBuf> {
    let mut found = vec![folder.to_path_buf()];
    for _ in 0..depth {
        found = found
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .collect();
    }
    found
}

/// Puts another value in the place of one, where it is the whole text of a key of JSON.
pub(super) fn with_value(json: &str, key: &str, old: &str, new: &str) -> String {
    let pair = |value: &str| format!("\"{key}\":{}", serde_json::Value::from(value));
    json.replace(&pair(old), &pair(new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_left_out_and_so_is_what_is_too_large_to_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/c");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "one\ntwo\nha").unwrap();
        assert_eq!(read_lines(&file).unwrap(), "one\ntwo\n");
        assert_eq!(below(folder.path(), 3), [file]);
        assert_eq!(read_lines(folder.path()), None);
        std::fs::write(folder.path().join("half"), "ha").unwrap();
        assert_eq!(read_lines(&folder.path().join("half")), None);
    }

    #[test]
    fn only_the_key_is_given_another_value() {
        let line = r#"{"cwd":"/a \"b\"","said":"\"cwd\":\"/a\"","at":{"cwd":"/a \"b\"/c"}}"#;
        let changed = with_value(line, "cwd", "/a \"b\"", "/w");
        assert_eq!(changed, r#"{"cwd":"/w","said":"\"cwd\":\"/a\"","at":{"cwd":"/a \"b\"/c"}}"#);
    }
}
