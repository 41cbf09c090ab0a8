//! Hunks brought in and taken out, by example and by property.

use orchflow_git::apply::{
    Applied, LineEdit, Reason, accept, apply_hunks, apply_to_file, line_edits, reject,
};
use orchflow_git::conversion::Conversion;
use orchflow_git::files::{self, File};
use orchflow_git::hunk::{Change, Hunk};
use orchflow_git::merge::{Merge, merge3};
use orchflow_git::{FileMode, ObjectId, Repository, diff};
use proptest::prelude::*;

use crate::support::Sandbox;

/// Makes hunks as a comparison of two stored files would, without a repository.
pub fn hunks(before: Option<&File>, after: Option<&File>) -> Vec<Hunk> {
    diff::file_hunks("7/claude", b"file", before, after)
}

pub fn text_hunks(before: &[u8], after: &[u8]) -> Vec<Hunk> {
    hunks(Some(&file(before)), Some(&file(after)))
}

pub fn file(content: &[u8]) -> File {
    File { mode: FileMode::Regular, content: content.to_vec() }
}

pub fn changed(applied: Applied) -> Vec<u8> {
    match applied {
        Applied::Changed(Some(file)) => file.content,
        other => panic!("{other:?}"),
    }
}

fn clean(merge: Merge) -> String {
    match merge {
        Merge::Clean(text) => String::from_utf8(text).unwrap(),
        Merge::Conflict(regions) => panic!("{regions:?}"),
    }
}

fn conflicts(base: &str, ours: &str, theirs: &str) -> usize {
    match merge3(base.as_bytes(), ours.as_bytes(), theirs.as_bytes()) {
        Merge::Clean(text) => panic!("{}", String::from_utf8_lossy(&text)),
        Merge::Conflict(regions) => regions.len(),
    }
}

#[test]
fn changes_of_both_sides_are_taken() {
    let merged = merge3(b"1\n2\n3\n4\n5\n", b"0\n1\n2\n3\n4\n5\n", b"1\n2\n3\n4\nfive\nsix\n");
    assert_eq!(clean(merged), "0\n1\n2\n3\n4\nfive\nsix\n");
    // The same change on both sides.
    let merged = merge3(b"1\n2\n3\n4\n", b"1\nx\n3\n4\n", b"1\nx\n3\n4\n5\n");
    assert_eq!(clean(merged), "1\nx\n3\n4\n5\n");
    assert_eq!(clean(merge3(b"1\n2\n3\n", b"1\n3\n", b"1\n3\n")), "1\n3\n");
}

#[test]
fn touching_changes_are_clean_where_the_order_is_certain() {
    // A changed line beside a changed line.
    assert_eq!(clean(merge3(b"1\n2\n3\n4\n", b"1\nb\n3\n4\n", b"1\n2\nc\n4\n")), "1\nb\nc\n4\n");
    // A line put in beside one that is changed or goes.
    assert_eq!(clean(merge3(b"1\n2\n3\n", b"1\nb\n3\n", b"1\n2\nnew\n3\n")), "1\nb\nnew\n3\n");
    assert_eq!(clean(merge3(b"1\n2\n3\n", b"1\n3\n", b"1\n2\nnew\n3\n")), "1\nnew\n3\n");
    assert_eq!(clean(merge3(b"1\n2\n3\n", b"1\nnew\n2\n3\n", b"1\nb\n3\n")), "1\nnew\nb\n3\n");
    // Two put in at one place: which comes first is anybody's guess.
    assert_eq!(conflicts("1\n2\n", "1\na\n2\n", "1\nb\n2\n"), 1);
    // Both grow at the border.
    assert_eq!(conflicts("1\n2\n3\n", "1\nb\nc\n3\n", "1\n2\nnew\n3\n"), 1);
    // The same lines, differently.
    assert_eq!(
        conflicts(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
            "x\n2\n3\n4\n5\n6\n7\n8\nx\n",
            "y\n2\n3\n4\n5\n6\n7\n8\ny\n"
        ),
        2
    );
    let Merge::Conflict(regions) = merge3(b"1\n2\n3\n", b"0\n1\nx\n3\n", b"1\ny\n3\n") else { panic!() };
    assert_eq!(
        (regions[0].base.clone(), regions[0].ours.clone(), regions[0].theirs.clone()),
        (1..2, 2..3, 1..2)
    );
}

#[test]
fn line_ends_are_bytes_like_any_other() {
    assert_eq!(
        clean(merge3(b"1\r\n2\r\n3\r\n", b"1\r\n2\r\n3\r\n4\r\n", b"0\r\n1\r\n2\r\n3\r\n")),
        "0\r\n1\r\n2\r\n3\r\n4\r\n"
    );
    assert_eq!(clean(merge3(b"1\n2\n3", b"0\n1\n2\n3", b"1\n2\n3\n4")), "0\n1\n2\n3\n4");
    assert_eq!(clean(merge3(b"1\n2\n3\n", b"1\n2\n3", b"0\n1\n2\n3\n")), "0\n1\n2\n3");
    // One takes the last line end away, the other goes on after it: no line may be glued to another.
    assert_eq!(conflicts("1\n2\n", "1\n2", "1\n2\n3\n"), 1);
    assert_eq!(conflicts("", "a", "b"), 1);
    assert_eq!(clean(merge3(b"", b"", b"b")), "b");
}

#[test]
fn a_hunk_goes_into_an_edited_file() {
    let base = file(b"1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    let theirs = file(b"1\ntwo\n3\n4\n5\n6\n7\neight\n9\n");
    let hunks = hunks(Some(&base), Some(&theirs));
    assert_eq!(hunks.len(), 2);
    let ours = file(b"0\n1\n2\n3\n4\nFIVE\n6\n7\n8\n9\n");
    let first = changed(accept(Some(&base), &[], &hunks[0], Some(&ours)));
    assert_eq!(first, b"0\n1\ntwo\n3\n4\nFIVE\n6\n7\n8\n9\n");
    let both = changed(accept(Some(&base), &[&hunks[0]], &hunks[1], Some(&file(&first))));
    assert_eq!(both, b"0\n1\ntwo\n3\n4\nFIVE\n6\n7\neight\n9\n");
    assert_eq!(accept(Some(&base), &[&hunks[0]], &hunks[1], Some(&file(&both))), Applied::Already);
    assert_eq!(accept(Some(&base), &[], &hunks[1], Some(&file(&both))), Applied::Already);

    let contrary = file(b"1\n2\n3\n4\n5\n6\n7\nOCHO\n9\n");
    let refused = accept(Some(&base), &[], &hunks[1], Some(&contrary));
    let Applied::Conflict(reason @ Reason::SameLines(_)) = refused else { panic!("{refused:?}") };
    assert!(reason.to_string().contains("line 8"), "{reason}");
    assert_eq!(accept(Some(&base), &[], &hunks[0], None), Applied::Conflict(Reason::FileMissing));
    let stale = accept(Some(&file(b"other\n")), &[], &hunks[0], Some(&ours));
    assert_eq!(stale, Applied::Conflict(Reason::NotOfThisFile));
}

#[test]
fn a_later_version_takes_the_place_of_an_accepted_hunk() {
    let base = file(b"1\n2\n3\n4\n5\n");
    let first = text_hunks(&base.content, b"1\n2\nfirst try\n3\n4\n5\n");
    let second = text_hunks(&base.content, b"1\n2\nsecond try\n3\n4\n5\n");
    let ours = changed(accept(Some(&base), &[], &first[0], Some(&base)));
    let ours = changed(accept(Some(&base), &[&first[0]], &second[0], Some(&file(&ours))));
    assert_eq!(ours, b"1\n2\nsecond try\n3\n4\n5\n");
    // Of another agent it is not a later version, but a contradiction.
    let refused = accept(Some(&base), &[], &first[0], Some(&file(&ours)));
    assert!(matches!(refused, Applied::Conflict(Reason::SameLines(_))));
}

#[test]
fn a_hunk_is_taken_out_of_an_edited_file() {
    let base = b"1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    let checkpoint = b"1\ntwo\n3\n4\n5\nnew\n6\n7\n9\n";
    let hunks = text_hunks(base, checkpoint);
    assert_eq!(hunks.len(), 3);
    let current = file(b"0\n1\ntwo\n3\n4\n5\nnew\n6\n7\n9\n10\n");
    let without = changed(reject(Some(&file(checkpoint)), &hunks[1], Some(&current)));
    assert_eq!(without, b"0\n1\ntwo\n3\n4\n5\n6\n7\n9\n10\n");
    assert_eq!(reject(Some(&file(checkpoint)), &hunks[1], Some(&file(&without))), Applied::Already);
    let back = changed(reject(Some(&file(checkpoint)), &hunks[2], Some(&current)));
    assert_eq!(back, b"0\n1\ntwo\n3\n4\n5\nnew\n6\n7\n8\n9\n10\n");
    let edited = file(b"1\nTWO!\n3\n4\n5\nnew\n6\n7\n9\n");
    assert!(matches!(reject(Some(&file(checkpoint)), &hunks[0], Some(&edited)), Applied::Conflict(_)));
}

#[test]
fn whole_files_are_decided_on_whole() {
    let old = file(b"old\n");
    let run = File { mode: FileMode::Executable, content: b"old\n".to_vec() };
    let link = File { mode: FileMode::Symlink, content: b"target".to_vec() };
    let binary = file(b"\0one");
    let other_binary = file(b"\0two");
    let states = [None, Some(&old), Some(&run), Some(&link), Some(&binary), Some(&other_binary)];
    for before in states {
        for after in states.into_iter().filter(|after| *after != before) {
            let hunks = hunks(before, after);
            let all: Vec<&Hunk> = hunks.iter().collect();
            assert_eq!(apply_to_file(before, &all).unwrap().as_ref(), after);
            let inverse: Vec<Hunk> = hunks.iter().rev().map(Hunk::inverse).collect();
            let inverse: Vec<&Hunk> = inverse.iter().collect();
            assert_eq!(apply_to_file(after, &inverse).unwrap().as_ref(), before);
            // One after the other through `accept`, then out again through `reject`.
            let mut ours = before.cloned();
            for (number, hunk) in hunks.iter().enumerate() {
                match accept(before, &all[..number], hunk, ours.as_ref()) {
                    Applied::Changed(file) => ours = file,
                    other => panic!("{before:?} to {after:?}: {other:?}"),
                }
                assert_eq!(accept(before, &all[..number], hunk, ours.as_ref()), Applied::Already);
            }
            assert_eq!(ours.as_ref(), after);
            if let [only] = hunks.as_slice() {
                assert_eq!(reject(after, only, after), Applied::Changed(before.cloned()));
            }
        }
    }
    let added = hunks(None, Some(&old)).remove(0);
    assert_eq!(accept(None, &[], &added, Some(&file(b"mine\n"))), Applied::Conflict(Reason::FileExists));
    assert_eq!(accept(None, &[], &added, Some(&old)), Applied::Already);
    let deleted = hunks(Some(&old), None).remove(0);
    assert_eq!(deleted.change, Change::Deleted);
    assert_eq!(
        accept(Some(&old), &[], &deleted, Some(&file(b"mine\n"))),
        Applied::Conflict(Reason::FileChanged)
    );
    assert_eq!(accept(Some(&old), &[], &deleted, None), Applied::Already);
    let mode = hunks(Some(&old), Some(&run)).remove(0);
    assert_eq!(mode.change, Change::Mode);
    let mine = File { mode: FileMode::Executable, content: b"mine\n".to_vec() };
    assert_eq!(accept(Some(&old), &[], &mode, Some(&file(b"mine\n"))), Applied::Changed(Some(mine)));
    let swap = hunks(Some(&binary), Some(&other_binary)).remove(0);
    assert_eq!(
        accept(Some(&binary), &[], &swap, Some(&file(b"\0xyz"))),
        Applied::Conflict(Reason::BinaryChanged)
    );
    // An added file that the agent changed later.
    let second = hunks(None, Some(&file(b"old\nmore\n"))).remove(0);
    let edited = accept(None, &[&added], &second, Some(&file(b"top\nold\n")));
    assert_eq!(changed(edited), b"top\nold\nmore\n");
}

#[test]
fn working_files_keep_their_line_ends() {
    let sandbox = Sandbox::new();
    sandbox.write(".gitattributes", "*.txt text\n");
    sandbox.write("dos.txt", "1\n2\n3\n4\n5\n");
    let base = sandbox.commit("base");
    sandbox.write("dos.txt", "1\ntwo\n3\n4\n5\nsix\n");
    let agent = sandbox.commit("by the agent");
    sandbox.git(["reset", "--quiet", "--hard", base.as_str()]);
    sandbox.git(["config", "core.autocrlf", "true"]);
    let repository = sandbox.repository();
    let hunks = diff::changes(&repository, "a", &base, &agent).unwrap().remove(0).hunks;
    let stored_base = repository.file(&base, b"dos.txt").unwrap();

    let take = |working: &[u8]| {
        sandbox.write("dos.txt", working);
        let conversion = Conversion::in_repository(&repository, b"dos.txt");
        let mut ours = files::read(&sandbox.root, b"dos.txt").unwrap().unwrap();
        for hunk in &hunks {
            let stored = conversion.to_stored(&ours).unwrap();
            let Applied::Changed(Some(file)) = accept(stored_base.as_ref(), &[], hunk, Some(&stored)) else {
                panic!()
            };
            ours = conversion.to_working(&file, Some(&ours)).unwrap();
        }
        String::from_utf8(ours.content).unwrap()
    };
    assert_eq!(take(b"1\r\n2\r\n3\r\n4\r\n5\r\n"), "1\r\ntwo\r\n3\r\n4\r\n5\r\nsix\r\n");
    // Lines that the hunk does not touch keep their ends, whatever the rules say.
    assert_eq!(take(b"1\r\n2\n3\n4\r\n5\r\n"), "1\r\ntwo\r\n3\n4\r\n5\r\nsix\r\n");
}

#[test]
fn edits_for_a_buffer_are_few() {
    let edits = line_edits(b"1\n2\n3\n4\n", b"0\n1\n2\nthree\n4");
    let edit = |start, end, lines: &[&str]| LineEdit {
        start,
        end,
        lines: lines.iter().map(|line| line.as_bytes().to_vec()).collect(),
    };
    assert_eq!(edits, [edit(2, 3, &["three"]), edit(0, 0, &["0"])]);
    assert_eq!(line_edits(b"a\n", b"a"), []);
    assert_eq!(line_edits(b"", b"a\n\nb"), [edit(0, 0, &["a", "", "b"])]);
    assert_eq!(line_edits(b"a\nb\n", b""), [edit(0, 2, &[])]);
}

/// Texts with few different lines, so that lines repeat, move and meet.
pub fn text() -> impl Strategy<Value = Vec<u8>> {
    let lines: &[&[u8]] = &[b"a\n", b"b\n", b"c\n", b"  d\n", b"\n", b"\t{\n", b"}\r\n", b"\xff\n"];
    let line = prop::sample::select(lines);
    (prop::collection::vec(line, 0..24), any::<bool>()).prop_map(|(lines, ended)| {
        let mut text = lines.concat();
        if !ended && text.last() == Some(&b'\n') {
            text.pop();
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_accepting_is_one_application(
        base in text(), theirs in text(), seed in any::<u64>(), chosen in any::<u32>(),
    ) {
        let (base, theirs) = (file(&base), file(&theirs));
        let hunks = hunks(Some(&base), Some(&theirs));
        let mut order: Vec<&Hunk> =
            hunks.iter().enumerate().filter(|(at, _)| chosen >> (at % 32) & 1 == 1).map(|(_, hunk)| hunk).collect();
        let mut state = seed;
        for at in (1..order.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            order.swap(at, (state >> 33) as usize % (at + 1));
        }
        let at_once = apply_to_file(Some(&base), &order).unwrap();
        let mut ours = Some(base.clone());
        for (number, hunk) in order.iter().enumerate() {
            match accept(Some(&base), &order[..number], hunk, ours.as_ref()) {
                Applied::Changed(file) => ours = file,
                Applied::Already => {}
                Applied::Conflict(reason) => prop_assert!(false, "{reason:?}"),
            }
        }
        prop_assert_eq!(&ours, &at_once);
        if order.len() == hunks.len() {
            prop_assert_eq!(ours, Some(theirs));
        }
    }

    #[test]
    fn applying_and_taking_back_is_nothing(base in text(), theirs in text()) {
        let hunks = text_hunks(&base, &theirs);
        let all: Vec<&Hunk> = hunks.iter().collect();
        let applied = apply_hunks(&base, &all).unwrap();
        prop_assert_eq!(&applied, &theirs);
        let inverse: Vec<Hunk> = hunks.iter().map(Hunk::inverse).collect();
        let inverse: Vec<&Hunk> = inverse.iter().collect();
        prop_assert_eq!(apply_hunks(&applied, &inverse).unwrap(), base.clone());
        // Each alone: in through `accept`, out through `reject`.
        for hunk in &hunks {
            let with = apply_hunks(&base, &[hunk]).unwrap();
            let mut current = file(&with);
            for seen in text_hunks(&base, &with) {
                match reject(Some(&file(&with)), &seen, Some(&current)) {
                    Applied::Changed(Some(file)) => current = file,
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            prop_assert_eq!(&current.content, &base);
        }
        for hunk in &hunks {
            match reject(Some(&file(&theirs)), hunk, Some(&file(&theirs))) {
                Applied::Changed(Some(without)) => prop_assert!(without.content != theirs),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn merging_keeps_its_laws(base in text(), ours in text(), theirs in text()) {
        prop_assert_eq!(merge3(&base, &base, &theirs), Merge::Clean(theirs.clone()));
        prop_assert_eq!(merge3(&base, &ours, &base), Merge::Clean(ours.clone()));
        prop_assert_eq!(merge3(&base, &ours, &ours), Merge::Clean(ours.clone()));
        let one = merge3(&base, &ours, &theirs);
        let other = merge3(&base, &theirs, &ours);
        match (one, other) {
            (Merge::Clean(one), Merge::Clean(other)) => prop_assert_eq!(one, other),
            (Merge::Conflict(one), Merge::Conflict(other)) => {
                let swapped: Vec<_> = other.into_iter().map(|region| (region.base, region.theirs, region.ours)).collect();
                let one: Vec<_> = one.into_iter().map(|region| (region.base, region.ours, region.theirs)).collect();
                prop_assert_eq!(one, swapped);
            }
            (one, other) => prop_assert!(false, "{one:?} {other:?}"),
        }
    }

    #[test]
    fn a_clean_merge_holds_every_line_put_in(base in text(), ours in text(), theirs in text()) {
        if let Merge::Clean(merged) = merge3(&base, &ours, &theirs) {
            let count = |text: &[u8], line: &[u8]| text.split(|byte| *byte == b'\n').filter(|one| *one == line).count();
            for line in merged.split(|byte| *byte == b'\n') {
                let somewhere = [&base, &ours, &theirs].iter().any(|text| count(text, line) > 0);
                prop_assert!(somewhere, "{:?} came out of nothing", line);
            }
        }
    }

    #[test]
    fn names_hold_when_lines_are_put_in_above(base in text(), theirs in text(), above in 1usize..5) {
        // Lines that occur nowhere else, on top of both sides: every hunk moves down.
        let more: Vec<u8> = (0..above).flat_map(|line| format!("unique {line}\n").into_bytes()).collect();
        let before = text_hunks(&base, &theirs);
        let after = text_hunks(&[&more[..], &base].concat(), &[&more[..], &theirs].concat());
        let names = |hunks: &[Hunk]| hunks.iter().map(|hunk| hunk.id).collect::<Vec<_>>();
        prop_assert_eq!(names(&before), names(&after));
    }

    #[test]
    fn random_bytes_do_no_harm(base in any::<Vec<u8>>(), ours in any::<Vec<u8>>(), theirs in any::<Vec<u8>>()) {
        let merged = merge3(&base, &ours, &theirs);
        prop_assert_eq!(matches!(merged, Merge::Clean(_)), matches!(merge3(&base, &theirs, &ours), Merge::Clean(_)));
        for hunk in hunks(Some(&file(&base)), Some(&file(&theirs))) {
            let _ = accept(Some(&file(&base)), &[], &hunk, Some(&file(&ours)));
            let _ = accept(Some(&file(&ours)), &[], &hunk, Some(&file(&ours)));
            let _ = reject(Some(&file(&theirs)), &hunk, Some(&file(&ours)));
            let _ = apply_hunks(&ours, &[&hunk]);
        }
    }

    #[test]
    fn edits_turn_one_buffer_into_the_other(before in text(), after in text()) {
        let lines = |text: &[u8]| -> Vec<Vec<u8>> {
            let lines = text.split_inclusive(|byte| *byte == b'\n');
            lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec()).collect()
        };
        let mut buffer = lines(&before);
        for edit in line_edits(&before, &after) {
            buffer.splice(edit.start..edit.end, edit.lines);
        }
        prop_assert_eq!(buffer, lines(&after));
    }
}

/// Compares what accepting all hunks gives with what git itself has, over a real history.
#[test]
fn a_real_history_is_followed_hunk_by_hunk() {
    let sandbox = Sandbox::new();
    let repository: Repository = sandbox.repository();
    let mut commits: Vec<ObjectId> = vec![sandbox.head()];
    let mut text: Vec<String> = (0..80).map(|line| format!("line {line}\n")).collect();
    for round in 0..12usize {
        let at = (round * 37) % text.len();
        match round % 4 {
            0 => text[at] = format!("changed in {round}\n"),
            1 => drop(text.remove(at)),
            2 => text.insert(at, format!("new in {round}\n")),
            _ => text.swap(at, (at + 9) % 70),
        }
        sandbox.write("source/text", text.concat());
        sandbox.write(format!("source/{round}"), format!("{round}\n"));
        commits.push(sandbox.commit("round"));
    }
    for pair in commits.windows(2) {
        for change in diff::changes(&repository, "a", &pair[0], &pair[1]).unwrap() {
            let before = repository.file(&pair[0], &change.path).unwrap();
            let after = repository.file(&pair[1], &change.path).unwrap();
            let all: Vec<&Hunk> = change.hunks.iter().collect();
            assert_eq!(apply_to_file(before.as_ref(), &all).unwrap(), after);
        }
    }
}
