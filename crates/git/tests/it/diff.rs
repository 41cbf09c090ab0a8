use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use orchflow_git::diff::{FileChange, changes, files};
use orchflow_git::hunk::{Change, Hunk};
use orchflow_git::{FileMode, ObjectId};

use crate::support::{Sandbox, name};

fn compare(sandbox: &Sandbox, old: &ObjectId, new: &ObjectId) -> Vec<FileChange> {
    changes(&sandbox.repository(), "7/claude", old, new).unwrap()
}

fn numbered(lines: std::ops::RangeInclusive<u32>) -> String {
    lines.map(|line| format!("line {line}\n")).collect()
}

#[test]
fn hunks_are_those_of_git() {
    let sandbox = Sandbox::new();
    let text = numbered(1..=40);
    sandbox.write("text", &text);
    let old = sandbox.commit("old");
    let new_text = text
        .replace("line 1\n", "")
        .replace("line 10\n", "line ten\nand more\n")
        .replace("line 20\n", "line 20\ninserted\n")
        .replace("line 40\n", "line 40");
    sandbox.write("text", new_text);
    let new = sandbox.commit("new");
    let changes = compare(&sandbox, &old, &new);
    assert_eq!(changes.len(), 1);
    let ours: Vec<String> = changes[0]
        .hunks
        .iter()
        .map(|hunk| {
            let side =
                |start, lines| if lines == 1 { format!("{start}") } else { format!("{start},{lines}") };
            format!(
                "@@ -{} +{} @@",
                side(hunk.old_start, hunk.old_lines),
                side(hunk.new_start, hunk.new_lines)
            )
        })
        .collect();
    let gits = sandbox.git(["diff", "-U0", "--histogram", old.as_str(), new.as_str()]);
    let gits: Vec<&str> = gits.lines().filter(|line| line.starts_with("@@")).collect();
    let gits: Vec<String> =
        gits.iter().map(|line| line.split(" @@").next().unwrap().to_owned() + " @@").collect();
    assert_eq!(ours, gits);
    assert_eq!((changes[0].insertions(), changes[0].deletions()), (4, 3));

    let hunk = &changes[0].hunks[1];
    assert_eq!(hunk.removed.as_bytes(), b"line 10\n");
    assert_eq!(hunk.added.iter().collect::<Vec<_>>(), [&b"line ten\n"[..], b"and more\n"]);
    assert_eq!(hunk.before.as_bytes(), b"line 7\nline 8\nline 9\n");
    assert_eq!(hunk.after.as_bytes(), b"line 11\nline 12\nline 13\n");
    assert!(hunk.id.to_string().starts_with("h_") && hunk.id.to_string().len() == 14);
    assert_eq!(hunk.hash.to_string().len(), 64);
}

#[test]
fn every_kind_of_change_is_told() {
    let sandbox = Sandbox::new();
    sandbox.write("deleted", "a\nb\n");
    sandbox.write("binary", b"\0one");
    sandbox.write("mode", "same\n");
    sandbox.write("mode and text", "one\n");
    sandbox.write("becomes link", "text\n");
    symlink("old target", sandbox.root.join("link")).unwrap();
    let old = sandbox.commit("old");
    fs::remove_file(sandbox.root.join("deleted")).unwrap();
    sandbox.write("added", "x\ny");
    sandbox.write("added binary", b"\0\n\n");
    sandbox.write("empty", "");
    sandbox.write("binary", b"\0two");
    for path in ["mode", "mode and text"] {
        fs::set_permissions(sandbox.root.join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    sandbox.write("mode and text", "two\n");
    for (link, target) in [("becomes link", "target"), ("link", "new target")] {
        fs::remove_file(sandbox.root.join(link)).unwrap();
        symlink(target, sandbox.root.join(link)).unwrap();
    }
    sandbox.write(name(b"\xff\n"), "odd\n");
    let new = sandbox.commit("new");
    let changes = compare(&sandbox, &old, &new);
    let told: Vec<(String, Vec<Change>)> = changes
        .iter()
        .map(|change| {
            let path = change.path.escape_ascii().to_string();
            (path, change.hunks.iter().map(|hunk| hunk.change).collect())
        })
        .collect();
    let expected = [
        ("added", vec![Change::Added]),
        ("added binary", vec![Change::Added]),
        ("becomes link", vec![Change::Replaced]),
        ("binary", vec![Change::Binary]),
        ("deleted", vec![Change::Deleted]),
        ("empty", vec![Change::Added]),
        ("link", vec![Change::Lines]),
        ("mode", vec![Change::Mode]),
        ("mode and text", vec![Change::Lines, Change::Mode]),
        ("\\xff\\n", vec![Change::Added]),
    ];
    assert_eq!(told, expected.map(|(path, kinds)| (path.to_owned(), kinds)));

    let hunks: Vec<&Hunk> = changes.iter().flat_map(|change| &change.hunks).collect();
    let ids: HashSet<_> = hunks.iter().map(|hunk| hunk.id).collect();
    assert_eq!(ids.len(), hunks.len());
    let added = &changes[0].hunks[0];
    assert_eq!((added.old_start, added.old_lines, added.new_start, added.new_lines), (0, 0, 1, 2));
    assert_eq!((added.old_mode, added.new_mode), (None, Some(FileMode::Regular)));
    assert_eq!(added.added.as_bytes(), b"x\ny");
    let binary = &changes[1].hunks[0];
    assert!(binary.binary && binary.insertions() == 0 && binary.added.as_bytes() == b"\0\n\n");
    assert_eq!(compare(&sandbox, &new, &new), []);
    assert_eq!(files(&sandbox.repository(), &old, &new).unwrap().len(), 10);
}

#[test]
fn identity_survives_what_happens_around() {
    let sandbox = Sandbox::new();
    let text = numbered(1..=60);
    sandbox.write("text", &text);
    let base = sandbox.commit("base");
    let turn = text.replace("line 30\n", "line thirty\n").replace("line 50\n", "");
    sandbox.write("text", &turn);
    let first = sandbox.commit("first turn");
    sandbox.write("text", format!("new at the top\nand more\n{}", turn.replace("line 10\n", "line ten\n")));
    let second = sandbox.commit("second turn");
    let one = compare(&sandbox, &base, &first).remove(0).hunks;
    let two = compare(&sandbox, &base, &second).remove(0).hunks;
    assert_eq!((one.len(), two.len()), (2, 4));
    assert_eq!((one[0].id, one[1].id), (two[2].id, two[3].id));
    assert_eq!((one[0].hash, one[1].hash), (two[2].hash, two[3].hash));
    assert_ne!(one[0].new_start, two[2].new_start);

    // Another agent's same hunk has another name; what is seen is the same.
    let other = changes(&sandbox.repository(), "7/codex", &base, &first).unwrap().remove(0).hunks;
    assert_ne!(other[0].id, one[0].id);
    assert_eq!(other[0].hash, one[0].hash);

    // Equal hunks of a file are told apart.
    sandbox.write("equal", numbered(1..=20).replace("line 5\n", "x\n").replace("line 15\n", "x\n"));
    let old = sandbox.commit("old");
    sandbox.write("equal", numbered(1..=20).replace("line 5\n", "y\n").replace("line 15\n", "y\n"));
    let new = sandbox.commit("new");
    let equal = compare(&sandbox, &old, &new).remove(0).hunks;
    assert_eq!(equal.len(), 2);
    assert_ne!(equal[0].id, equal[1].id);
    assert_eq!(equal[0].hash, equal[1].hash);
}

#[test]
fn headings_name_the_function() {
    let sandbox = Sandbox::new();
    let body: String = (0..10).map(|line| format!("\tcall({line});\n")).collect();
    let text = format!("#include <x>\nint first(void)\n{{\n{body}}}\n\nint second(void)\n{{\n{body}}}\n");
    sandbox.write("code.c", &text);
    let old = sandbox.commit("old");
    sandbox.write("code.c", text.replace("call(5)", "changed(5)"));
    let new = sandbox.commit("new");
    let hunks = compare(&sandbox, &old, &new).remove(0).hunks;
    let headings: Vec<&[u8]> = hunks.iter().map(|hunk| &hunk.heading[..]).collect();
    assert_eq!(headings, [&b"int first(void)"[..], b"int second(void)"]);
}

#[test]
fn many_files_are_compared_at_once() {
    let sandbox = Sandbox::new();
    for number in 0..200 {
        sandbox.write(format!("many/{number}"), numbered(1..=30));
    }
    let old = sandbox.commit("old");
    for number in 0..200 {
        let text = numbered(1..=30).replace("line 7\n", &format!("line {number}!\n"));
        sandbox.write(format!("many/{number}"), text.replace("line 20\n", ""));
    }
    let new = sandbox.commit("new");
    let changes = compare(&sandbox, &old, &new);
    assert_eq!(changes.len(), 200);
    for change in &changes {
        assert_eq!(change.hunks.len(), 2);
        assert!(change.hunks.iter().all(|hunk| hunk.path == change.path));
        let number = String::from_utf8_lossy(&change.path).trim_start_matches("many/").to_owned();
        assert_eq!(change.hunks[0].added.as_bytes(), format!("line {number}!\n").as_bytes());
    }
    let unknown: ObjectId = "0123456789012345678901234567890123456789".parse().unwrap();
    assert!(orchflow_git::diff::changes(&sandbox.repository(), "", &old, &unknown).is_err());
}

#[test]
fn other_repositories_and_huge_files_are_named_not_read() {
    let sandbox = Sandbox::new();
    let old = sandbox.head();
    let nested = sandbox.root.join("nested");
    fs::create_dir(&nested).unwrap();
    sandbox.git_in(&nested, ["init", "--quiet"]);
    sandbox.git_in(
        &nested,
        ["-c", "user.name=a", "-c", "user.email=b", "commit", "--quiet", "--allow-empty", "-m", "x"],
    );
    let huge = usize::try_from(orchflow_git::diff::LARGEST_TEXT).unwrap() + 1;
    sandbox.write("huge", vec![b'\n'; huge]);
    let new = sandbox.commit("new");
    let changes = compare(&sandbox, &old, &new);
    let kinds: Vec<Change> =
        changes.iter().flat_map(|change| &change.hunks).map(|hunk| hunk.change).collect();
    assert_eq!(kinds, [Change::TooLarge, Change::Commit]);
    assert!(changes[1].hunks[0].added.as_bytes().starts_with(b"commit "));
}
