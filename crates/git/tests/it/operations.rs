use orchflow_git::files::File;
use orchflow_git::operations::{Kept, keep, read_kept};
use orchflow_git::{FileMode, GitError};

use crate::support::{Sandbox, user_state};

fn kept(path: &[u8], mode: FileMode, content: &[u8]) -> Kept {
    Kept { path: path.to_vec(), file: Some(File { mode, content: content.to_vec() }) }
}

#[test]
fn what_was_there_comes_back_byte_for_byte() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let before = user_state(&sandbox);
    let entries = vec![
        kept(b"readme.txt", FileMode::Regular, b"one\r\ntwo"),
        kept(b"a \"quoted\" \\ na\nme", FileMode::Executable, b"\0\xff\n\n"),
        kept(b"\xff\xfe/\x01", FileMode::Symlink, b"../target"),
        Kept { path: b"absent".to_vec(), file: None },
        kept(b"empty", FileMode::Regular, b""),
        // A file and, later, a folder of the same name.
        kept(b"same", FileMode::Regular, b"file"),
        kept(b"same/below", FileMode::Regular, b"below"),
        kept(b"script", FileMode::Regular, b"done\ncommit refs/heads/main\ndata 3\nabc\n"),
    ];
    let commit = keep(&repository, "refs/orchflow/operations/12", &entries).unwrap();
    assert_eq!(read_kept(&repository, &commit).unwrap(), entries);
    assert_eq!(repository.read_ref("refs/orchflow/operations/12").unwrap(), Some(commit.clone()));
    assert_eq!(user_state(&sandbox), before);
    assert_eq!(sandbox.git(["show", &format!("{commit}:files/readme.txt")]), "one\r\ntwo");

    // Kept again under the same name, and with nothing at all.
    let second = keep(&repository, "refs/orchflow/operations/12", &entries[..1]).unwrap();
    assert_eq!(read_kept(&repository, &second).unwrap(), entries[..1]);
    let nothing = keep(&repository, "refs/orchflow/operations/13", &[]).unwrap();
    assert_eq!(read_kept(&repository, &nothing).unwrap(), []);
}

#[test]
fn wrong_names_are_refused() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let entry = [kept(b"x", FileMode::Regular, b"")];
    assert!(matches!(keep(&repository, "refs/heads/main", &entry), Err(GitError::RefRefused { .. })));
    let newline = "refs/orchflow/x\ncommit refs/heads/main";
    assert!(matches!(keep(&repository, newline, &entry), Err(GitError::RefRefused { .. })));
    for path in [&b"../x"[..], b".git/config", b"/x", b""] {
        let entry = [kept(path, FileMode::Regular, b"")];
        assert!(matches!(keep(&repository, "refs/orchflow/x", &entry), Err(GitError::PathRefused { .. })));
    }
    assert!(read_kept(&repository, &sandbox.head()).is_err());
}

#[test]
fn only_the_named_refs_go_and_none_that_moved() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    for number in 1..=3 {
        keep(&repository, &format!("refs/orchflow/operations/{number}"), &[]).unwrap();
    }
    let refs = repository.refs("refs/orchflow/operations/").unwrap();
    repository.delete_these_refs(&refs[..1]).unwrap();
    assert_eq!(repository.refs("refs/orchflow/operations/").unwrap(), refs[1..]);
    // One of two was written again meanwhile: then both stay.
    let entry = [kept(b"x", FileMode::Regular, b"again")];
    keep(&repository, &refs[2].0, &entry).unwrap();
    assert!(repository.delete_these_refs(&refs[1..]).is_err());
    assert_eq!(repository.refs("refs/orchflow/operations/").unwrap().len(), 2);
    let branch = ("refs/heads/main".to_owned(), sandbox.head());
    assert!(matches!(repository.delete_these_refs(&[branch]), Err(GitError::RefRefused { .. })));
    repository.delete_these_refs(&[]).unwrap();
}
