//! Some lines of a hunk, taken and turned down; hunks that contend; and what an accept would come to.

use orchflow_git::FileMode;
use orchflow_git::apply::{Applied, Reason, accept, apply_to_file, take_out};
use orchflow_git::files::File;
use orchflow_git::hunk::{Change, Hunk};
use orchflow_git::part::Part;
use orchflow_git::rivals::rivals;
use orchflow_git::standing::{Forecast, Standing};
use proptest::prelude::*;

use crate::apply::{changed, file, hunks, text, text_hunks};

/// The only hunk between two texts.
fn hunk(before: &str, after: &str) -> Hunk {
    let mut hunks = text_hunks(before.as_bytes(), after.as_bytes());
    assert_eq!(hunks.len(), 1, "{hunks:?}");
    hunks.remove(0)
}

/// What a file is after a change that may have been made already.
fn after(applied: Applied, ours: &[u8]) -> Vec<u8> {
    if applied == Applied::Already { ours.to_vec() } else { changed(applied) }
}

/// Base, the agent's text, added lines, removed lines, what comes of it.
type Row = (&'static str, &'static str, &'static [u32], &'static [u32], &'static str);

#[test]
fn some_lines_are_taken_and_the_rest_stays() {
    let table: &[Row] = &[
        // Only added lines.
        ("1\n2\n", "1\na\nb\nc\n2\n", &[1], &[], "1\na\n2\n"),
        ("1\n2\n", "1\na\nb\nc\n2\n", &[1, 3], &[], "1\na\nc\n2\n"),
        ("1\n2\n", "1\na\nb\nc\n2\n", &[2, 3], &[], "1\nb\nc\n2\n"),
        // Only removed lines.
        ("1\na\nb\nc\n2\n", "1\n2\n", &[], &[1], "1\nb\nc\n2\n"),
        ("1\na\nb\nc\n2\n", "1\n2\n", &[], &[2], "1\na\nc\n2\n"),
        ("1\na\nb\nc\n2\n", "1\n2\n", &[], &[3], "1\na\nb\n2\n"),
        // Pairs: each new line in the place of its old one.
        (
            "let a = 1;\nlet b = 2;\nlet c = 3;\n",
            "let a = 10;\nlet b = 20;\nlet c = 30;\n",
            &[1],
            &[1],
            "let a = 10;\nlet b = 2;\nlet c = 3;\n",
        ),
        (
            "let a = 1;\nlet b = 2;\nlet c = 3;\n",
            "let a = 10;\nlet b = 20;\nlet c = 30;\n",
            &[2],
            &[2],
            "let a = 1;\nlet b = 20;\nlet c = 3;\n",
        ),
        (
            "let a = 1;\nlet b = 2;\nlet c = 3;\n",
            "let a = 10;\nlet b = 20;\nlet c = 30;\n",
            &[3],
            &[3],
            "let a = 1;\nlet b = 2;\nlet c = 30;\n",
        ),
        (
            "let a = 1;\nlet b = 2;\n",
            "// why\nlet a = 10;\nlet b = 20;\n",
            &[2],
            &[1],
            "let a = 10;\nlet b = 2;\n",
        ),
        (
            "let a = 1;\nlet b = 2;\n",
            "// why\nlet a = 10;\nlet b = 20;\n",
            &[1],
            &[],
            "// why\nlet a = 1;\nlet b = 2;\n",
        ),
        (
            "let a = 1;\nlet b = 2;\n",
            "let a = 10;\n// why\nlet b = 20;\n",
            &[2, 3],
            &[2],
            "let a = 1;\n// why\nlet b = 20;\n",
        ),
        // One side of a pair alone.
        ("0\nx\n1\n", "0\ny\n1\n", &[1], &[], "0\nx\ny\n1\n"),
        ("0\nx\n1\n", "0\ny\n1\n", &[], &[1], "0\n1\n"),
        // At the end of a file that has no line end.
        ("1\nx", "1\nx\ny", &[2], &[], "1\nx\ny"),
        ("1\nx", "1\nx\ny", &[1], &[1], "1\nx\n"),
        ("1\n2\n3", "1\n", &[], &[2], "1\n2\n"),
        ("1\n2\n3", "1\n", &[], &[1], "1\n3"),
        ("1\n", "1\na\nb", &[1], &[], "1\na\n"),
        ("1\n", "1\na\nb", &[2], &[], "1\nb"),
        // Line ends of another kind.
        ("1\r\n2\r\n", "1\r\na\r\nb\r\n2\r\n", &[2], &[], "1\r\nb\r\n2\r\n"),
        ("1\r\nold x\r\n2\r\n", "1\r\nold y\r\nnew\r\n2\r\n", &[1], &[1], "1\r\nold y\r\n2\r\n"),
        ("1\r\nx", "1\r\nx\r\ny", &[2], &[], "1\r\nx\r\ny"),
    ];
    for (before, after, added, removed, wanted) in table {
        let hunk = hunk(before, after);
        let part = Part { added, removed };
        let one = hunk.part(part).unwrap();
        let base = file(before.as_bytes());
        let got = changed(accept(Some(&base), &[], &one, Some(&base)));
        assert_eq!(String::from_utf8_lossy(&got), *wanted, "+{added:?} -{removed:?} of {hunk}");
        // The rest completes it, and is not asked for the lines that are in.
        let all = hunk.part(all(&hunk).as_part()).unwrap();
        assert_eq!(all.added, hunk.added);
        let whole = accept(Some(&base), &[&one], &hunk, Some(&file(&got)));
        assert_eq!(String::from_utf8_lossy(&self::after(whole, &got)), *after, "{hunk}");
        // Taken out of the agent's file, the other lines stay.
        let theirs = file(after.as_bytes());
        let inverse = hunk.part_inverse(part).unwrap();
        let left = self::after(take_out(Some(&theirs), &inverse, Some(&theirs)), after.as_bytes());
        let rest = all_but(&hunk, added, removed);
        let expected = accept(Some(&base), &[], &hunk.part(rest.as_part()).unwrap(), Some(&base));
        let expected = self::after(expected, before.as_bytes());
        assert_eq!(String::from_utf8_lossy(&left), String::from_utf8_lossy(&expected), "{hunk}");
    }
}

/// Line numbers that own themselves.
struct Numbers {
    added: Vec<u32>,
    removed: Vec<u32>,
}

impl Numbers {
    fn as_part(&self) -> Part<'_> {
        Part { added: &self.added, removed: &self.removed }
    }
}

fn all(hunk: &Hunk) -> Numbers {
    all_but(hunk, &[], &[])
}

fn all_but(hunk: &Hunk, added: &[u32], removed: &[u32]) -> Numbers {
    let rest = |count: u32, without: &[u32]| (1..=count).filter(|line| !without.contains(line)).collect();
    Numbers { added: rest(hunk.new_lines, added), removed: rest(hunk.old_lines, removed) }
}

#[test]
fn whole_files_have_lines_too() {
    let text = file(b"a\nb\nc\n");
    let added = hunks(None, Some(&text)).remove(0);
    let one = added.part(Part { added: &[1, 3], removed: &[] }).unwrap();
    assert_eq!(changed(accept(None, &[], &one, None)), b"a\nc\n");
    assert_eq!(changed(accept(None, &[&one], &added, Some(&file(b"a\nc\nmine\n")))), b"a\nb\nc\nmine\n");
    let out = added.part_inverse(Part { added: &[2], removed: &[] }).unwrap();
    assert_eq!(changed(take_out(Some(&text), &out, Some(&text))), b"a\nc\n");
    let gone = added.part_inverse(Part { added: &[1, 2, 3], removed: &[] }).unwrap();
    assert_eq!(take_out(Some(&text), &gone, Some(&text)), Applied::Changed(None));

    let deleted = hunks(Some(&text), None).remove(0);
    let one = deleted.part(Part { added: &[], removed: &[2] }).unwrap();
    assert_eq!(changed(accept(Some(&text), &[], &one, Some(&text))), b"a\nc\n");
    let rest = accept(Some(&text), &[&one], &deleted, Some(&file(b"a\nc\n")));
    assert_eq!(rest, Applied::Changed(None));
    let back = deleted.part_inverse(Part { added: &[], removed: &[1] }).unwrap();
    assert_eq!(changed(take_out(None, &back, None)), b"a\n");

    let binary = hunks(Some(&file(b"\0a\n")), Some(&file(b"\0b\n"))).remove(0);
    assert_eq!(binary.change, Change::Binary);
    let run = File { mode: FileMode::Executable, content: b"a\n".to_vec() };
    let mode = hunks(Some(&file(b"a\n")), Some(&run)).remove(0);
    for whole in [binary, mode] {
        let part = Part { added: &[1], removed: &[] };
        assert_eq!(whole.part(part), Err(Reason::Whole));
        assert_eq!(whole.part_inverse(part), Err(Reason::Whole));
    }
}

#[test]
fn part_of_a_hunk_goes_into_an_edited_file() {
    let base = file(b"0\n1\n2\n3\n4\n5\n");
    let hunk = hunk("0\n1\n2\n3\n4\n5\n", "0\n1\n2\na\nb\n3\n4\n5\n");
    let one = hunk.part(Part { added: &[2], removed: &[] }).unwrap();
    let mine = file(b"zero\n1\n2\n3\n4\nFIVE\n");
    let taken = changed(accept(Some(&base), &[], &one, Some(&mine)));
    assert_eq!(taken, b"zero\n1\n2\nb\n3\n4\nFIVE\n");
    assert_eq!(accept(Some(&base), &[], &one, Some(&file(&taken))), Applied::Already);
    // What was edited since in the lines taken stays a contradiction, elsewhere it does not.
    let edited = file(b"zero\n1\n2\nb\n3!\n4\nFIVE\n");
    let whole = changed(accept(Some(&base), &[&one], &hunk, Some(&edited)));
    assert_eq!(whole, b"zero\n1\n2\na\nb\n3!\n4\nFIVE\n");
}

fn lists(base: &str, versions: &[&str]) -> Vec<Vec<Hunk>> {
    versions.iter().map(|version| text_hunks(base.as_bytes(), version.as_bytes())).collect()
}

#[test]
fn rivals_want_the_same_lines() {
    let find = |base: &str, versions: &[&str]| {
        let lists = lists(base, versions);
        rivals(&lists.iter().map(Vec::as_slice).collect::<Vec<_>>())
    };
    let base = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    assert_eq!(find(base, &["1\nb\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\n6\n7\nh\n9\n"]), []);
    assert_eq!(
        find(base, &["1\nb\n3\n4\n5\n6\n7\nh\n9\n", "1\n2\n3\n4\n5\n6\n7\nH\n9\n"]),
        [((0, 1), (1, 0))]
    );
    // A line changed beside a changed line merges; two put in at one place do not.
    assert_eq!(find(base, &["1\nb\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\nc\n4\n5\n6\n7\n8\n9\n"]), []);
    assert_eq!(
        find(base, &["1\nx\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\ny\n2\n3\n4\n5\n6\n7\n8\n9\n"]),
        [((0, 0), (1, 0))]
    );
    // One that takes many lines meets all that take some of them.
    let many = find(base, &["1\n9\n", "1\nb\n3\n4\n5\nf\n7\n8\n9\n", "1\nB\n3\n4\n5\n6\n7\n8\n9\n"]);
    assert_eq!(many, [((0, 0), (1, 0)), ((0, 0), (1, 1)), ((0, 0), (2, 0)), ((1, 0), (2, 0))]);
}

#[test]
fn an_accept_is_foretold() {
    let base = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    let hunks = text_hunks(base.as_bytes(), b"1\nb\n3\n4\n5\nf\n7\n8\n9\nten\n");
    let foretell = |mine: Option<&str>| -> Vec<&str> {
        let mine = mine.map(|mine| file(mine.as_bytes()));
        let standing = Standing::new(Some(file(base.as_bytes())), mine);
        hunks.iter().map(|hunk| standing.forecast(hunk, &[]).word()).collect()
    };
    assert_eq!(foretell(Some(base)), ["clean", "clean", "clean"]);
    assert_eq!(foretell(Some("0\n1\n2\n3\n4\n5\nF\n7\n8\n9\n")), ["clean", "conflict", "clean"]);
    assert_eq!(foretell(Some("1\nb\n3\n4\n5\nf\n7\n8\n9\n")), ["applied", "applied", "clean"]);
    assert_eq!(foretell(Some("1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9\r\n")), ["clean", "clean", "clean"]);
    assert_eq!(foretell(None), ["conflict", "conflict", "conflict"]);
    let standing = Standing::new(Some(file(base.as_bytes())), Some(file(b"x\ny\n1\n2\n4\n")));
    let lines: Vec<u32> = [1, 2, 4].iter().map(|line| standing.line(*line)).collect();
    assert_eq!(lines, [3, 4, 5]);
    assert_eq!(Standing::new(None, None).line(0), 1);
    let new = hunks_of_new(b"a\n");
    assert_eq!(Standing::new(None, None).forecast(&new, &[]), Forecast::Clean);
    assert_eq!(Standing::new(None, Some(file(b"a\n"))).forecast(&new, &[]), Forecast::Applied);
    assert_eq!(Standing::new(None, Some(file(b"b\n"))).forecast(&new, &[]), Forecast::Conflict);
}

fn hunks_of_new(content: &[u8]) -> Hunk {
    hunks(None, Some(&file(content))).remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is taken first, the rest makes the whole of it.
    #[test]
    fn parts_add_up(base in text(), theirs in text(), chosen in any::<u64>()) {
        let base_file = file(&base);
        for hunk in text_hunks(&base, &theirs) {
            let pick = |count: u32, shift: u32| -> Vec<u32> {
                (1..=count).filter(|line| chosen >> ((line + shift) % 64) & 1 == 1).collect()
            };
            let (added, removed) = (pick(hunk.new_lines, 0), pick(hunk.old_lines, 31));
            let one = hunk.part(Part { added: &added, removed: &removed }).unwrap();
            let ours = apply_to_file(Some(&base_file), &[&one]).unwrap();
            let alone = apply_to_file(Some(&base_file), &[&hunk]).unwrap();
            let whole = match accept(Some(&base_file), &[&one], &hunk, ours.as_ref()) {
                Applied::Changed(file) => file,
                Applied::Already => ours,
                Applied::Conflict(reason) => return Err(TestCaseError::fail(format!("{reason:?}"))),
            };
            prop_assert_eq!(whole, alone);
            // What is taken out leaves what the other lines make.
            let out = hunk.part_inverse(Part { added: &added, removed: &removed }).unwrap();
            let left = apply_to_file(Some(&file(&theirs)), &[&out]).unwrap();
            let rest = all_but(&hunk, &added, &removed);
            let rest = hunk.part(rest.as_part()).unwrap();
            let others = text_hunks(&base, &theirs);
            let mut others: Vec<&Hunk> = others.iter().filter(|other| other.id != hunk.id).collect();
            others.push(&rest);
            prop_assert_eq!(left, apply_to_file(Some(&base_file), &others).unwrap());
        }
    }

    /// The sweep finds what comparing every two finds.
    #[test]
    fn all_rivals_are_found(base in text(), versions in prop::collection::vec(text(), 2..4)) {
        let lists: Vec<Vec<Hunk>> = versions.iter().map(|version| text_hunks(&base, version)).collect();
        let found = rivals(&lists.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut expected = Vec::new();
        for (one, ones) in lists.iter().enumerate() {
            for (two, twos) in lists.iter().enumerate().skip(one + 1) {
                for (first, a) in ones.iter().enumerate() {
                    for (second, b) in twos.iter().enumerate() {
                        let span = |hunk: &Hunk| {
                            let start = if hunk.old_lines == 0 { hunk.old_start } else { hunk.old_start - 1 };
                            (start, start + hunk.old_lines, hunk.new_lines > hunk.old_lines)
                        };
                        let ((start, end, grows), (other_start, other_end, other_grows)) = (span(a), span(b));
                        let overlap = start < other_end && other_start < end;
                        let border = (start == other_end || other_start == end) && grows && other_grows;
                        if overlap || border {
                            expected.push(((one, first), (two, second)));
                        }
                    }
                }
            }
        }
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}
