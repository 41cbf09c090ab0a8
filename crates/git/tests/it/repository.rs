use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use orchflow_git::{GitError, Program, Repository, forecast};

use crate::support::{Sandbox, name, user_state};

#[test]
fn a_repository_is_found_from_anywhere_inside() {
    let sandbox = Sandbox::new();
    let program = sandbox.program();
    let inside = Repository::discover_with(program.clone(), &sandbox.root.join("source")).unwrap();
    assert_eq!(inside.worktree(), sandbox.root);
    assert_eq!(inside.common_directory(), sandbox.root.join(".git"));
    assert_eq!(inside.name(), "project");

    let linked = sandbox.folder.path().join("linked");
    sandbox.git(["worktree", "add", "--quiet", linked.to_str().unwrap()]);
    let from_linked = Repository::discover_with(program, &linked).unwrap();
    assert_eq!(from_linked.worktree(), fs::canonicalize(&linked).unwrap());
    assert_eq!(from_linked.key(), inside.key());
    assert_eq!(inside.key().len(), 16);
    assert_eq!(from_linked.head().unwrap().label(), format!("linked@{}", sandbox.head().short()));
}

#[test]
fn paths_with_line_ends_are_understood() {
    let sandbox = Sandbox::unborn();
    let odd = sandbox.folder.path().join("a\nb \u{fffd}").join(name(b"c\xff\n"));
    fs::create_dir_all(&odd).unwrap();
    sandbox.git_in(&odd, ["init", "--quiet"]);
    let repository = Repository::discover_with(sandbox.program(), &odd).unwrap();
    assert_eq!(repository.worktree(), fs::canonicalize(&odd).unwrap());
}

#[test]
fn what_is_no_worktree_is_refused_with_a_way_on() {
    let sandbox = Sandbox::new();
    let discover = |path: &std::path::Path| Repository::discover_with(sandbox.program(), path).unwrap_err();

    let outside = discover(sandbox.folder.path());
    assert!(matches!(outside, GitError::NotARepository { .. }), "{outside:?}");
    assert!(outside.to_string().contains("git init"));

    let bare = sandbox.folder.path().join("bare.git");
    sandbox.git(["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    let error = discover(&bare);
    assert!(matches!(error, GitError::Bare { .. }), "{error:?}");
    assert!(error.to_string().contains("git worktree add"));

    let inside = discover(&sandbox.root.join(".git"));
    assert!(matches!(inside, GitError::InsideGitDirectory { .. }), "{inside:?}");

    let nowhere = discover(&sandbox.folder.path().join("nowhere"));
    assert!(matches!(nowhere, GitError::Io { .. }), "{nowhere:?}");
}

#[test]
fn an_unborn_head_is_told_apart() {
    let sandbox = Sandbox::unborn();
    let error = sandbox.repository().head().unwrap_err();
    assert!(matches!(error, GitError::NoCommits { .. }), "{error:?}");
    assert!(error.to_string().contains("git commit"));
}

#[test]
fn a_missing_or_old_git_is_refused() {
    let sandbox = Sandbox::new();
    let missing = Repository::discover_with(Program::at("git-of-nobody"), &sandbox.root).unwrap_err();
    assert!(matches!(missing, GitError::Missing { .. }), "{missing:?}");

    // A git on PATH that says it is old.
    let folder = sandbox.folder.path().join("bin");
    fs::create_dir(&folder).unwrap();
    let old = folder.join("git");
    fs::write(&old, "#!/bin/sh\necho git version 2.37.4\n").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let program = Program::default().with_variable("PATH", &folder);
    let error = Repository::discover_with(program, &sandbox.root).unwrap_err();
    assert!(matches!(&error, GitError::TooOld { found } if found == "2.37.4"), "{error:?}");
    assert!(error.to_string().contains("2.38"), "{error}");

    fs::write(&old, "#!/bin/sh\necho git version 2.50.1.windows.1\n").unwrap();
    assert_eq!(Program::at(&old).check_version().unwrap(), "2.50.1.windows.1");
    fs::write(&old, "#!/bin/sh\necho something else\n").unwrap();
    assert!(matches!(Program::at(&old).check_version(), Err(GitError::Unreadable { .. })));
}

#[test]
fn the_head_has_a_label() {
    let sandbox = Sandbox::new();
    let head = sandbox.repository().head().unwrap();
    assert_eq!(head.commit, sandbox.head());
    assert_eq!(head.label(), format!("main@{}", head.commit.short()));
    sandbox.git(["checkout", "--quiet", "--detach"]);
    let head = sandbox.repository().head().unwrap();
    assert_eq!(head.branch, None);
    assert_eq!(head.label(), format!("detached@{}", head.commit.short()));
}

#[test]
fn uncommitted_work_is_counted_and_kept_without_a_trace() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    assert_eq!(repository.uncommitted().unwrap().total(), 0);

    sandbox.write("readme.txt", "one\nTWO\nthree\n");
    sandbox.write("staged.txt", "staged\n");
    sandbox.git(["add", "staged.txt"]);
    sandbox.write("staged.txt", "staged, then changed\n");
    fs::remove_file(sandbox.root.join("source/main.c")).unwrap();
    sandbox.write("new folder/new\nfile", "new\n");
    sandbox.write("build/ignored", "no\n");
    let count = repository.uncommitted().unwrap();
    assert_eq!((count.changed, count.untracked), (3, 1));

    let before = user_state(&sandbox);
    let name = "refs/orchflow/runs/1/base";
    let commit = repository.snapshot_uncommitted(name, "base, with\nuncommitted work").unwrap();
    assert_eq!(user_state(&sandbox), before);
    assert_eq!(repository.read_ref(name).unwrap().as_ref(), Some(&commit));
    assert_eq!(
        sandbox.git(["log", "-1", "--format=%an <%ae> %P", commit.as_str()]).trim(),
        format!("orchflow <orchflow@localhost> {}", sandbox.head())
    );

    let names = sandbox.git(["ls-tree", "-r", "-z", "--name-only", commit.as_str()]);
    assert_eq!(names, ".gitignore\0new folder/new\nfile\0readme.txt\0staged.txt\0");
    let staged = repository.file(&commit, b"staged.txt").unwrap().unwrap();
    assert_eq!(staged.content, b"staged, then changed\n");
}

#[test]
fn a_change_in_the_moment_the_index_was_written_is_not_missed() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    for round in 0..20 {
        // The same size, and most likely the same second as the index.
        sandbox.write("readme.txt", format!("{round:04}\n"));
        sandbox.git(["add", "readme.txt"]);
        let text = format!("{:04}\n", round + 5000);
        sandbox.write("readme.txt", &text);
        let commit = repository.snapshot_uncommitted("refs/orchflow/test", "racy").unwrap();
        let kept = repository.file(&commit, b"readme.txt").unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&kept.content), text);
    }
}

#[test]
fn only_own_refs_are_written() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let head = sandbox.head();
    for name in
        ["refs/heads/main", "HEAD", "refs/orchflow", "refs/orchflow/../heads/main", "refs/orchflow/a b"]
    {
        assert!(matches!(repository.update_ref(name, &head), Err(GitError::RefRefused { .. })), "{name}");
        assert!(repository.delete_refs(name).is_err(), "{name}");
    }
    repository.update_ref("refs/orchflow/runs/7/a", &head).unwrap();
    repository.update_ref("refs/orchflow/runs/7/b/c", &head).unwrap();
    repository.update_ref("refs/orchflow/runs/77/a", &head).unwrap();
    assert_eq!(repository.refs("refs/orchflow/runs/7").unwrap().len(), 2);
    assert_eq!(repository.delete_refs("refs/orchflow/runs/7").unwrap(), 2);
    assert_eq!(repository.delete_refs("refs/orchflow/runs/7").unwrap(), 0);
    assert_eq!(repository.refs("refs/orchflow/").unwrap().len(), 1);
    assert_eq!(repository.read_ref("refs/orchflow/runs/7/a").unwrap(), None);
    assert_eq!(sandbox.git(["branch", "--list"]).trim(), "* main");
}

#[test]
fn files_are_read_by_odd_paths() {
    let sandbox = Sandbox::new();
    let odd: &[&[u8]] = &[b"a b", b"line\nend", b"\xff\xfe", b"*", b":(top)x", b"-x", b"\"q\\"];
    for path in odd {
        sandbox.write(name(path), [b"content of ", *path].concat());
    }
    let commit = sandbox.commit("odd");
    let repository = sandbox.repository();
    for path in odd {
        let file = repository.file(&commit, path).unwrap().unwrap();
        assert_eq!(file.content, [b"content of ", *path].concat());
    }
    assert_eq!(repository.file(&commit, b"nothing").unwrap(), None);
    assert_eq!(repository.entry(&commit, b"source").unwrap(), None);
    let unknown = "0123456789012345678901234567890123456789".parse().unwrap();
    assert!(matches!(repository.read_blob(&unknown), Err(GitError::NoObject { .. })));
    assert!(matches!(repository.commit_of("--help"), Err(GitError::NoObject { .. })));
    assert_eq!(repository.commit_of("main").unwrap(), commit);
}

#[test]
fn a_repository_of_another_user_is_refused() {
    let sandbox = Sandbox::new();
    if std::os::unix::fs::chown(&sandbox.root, Some(12_345), None).is_err() {
        println!("skipped: only the superuser can give a folder away");
        return;
    }
    let error = Repository::discover_with(sandbox.program(), &sandbox.root).unwrap_err();
    assert!(matches!(&error, GitError::UnsafeOwnership { path } if *path == sandbox.root), "{error:?}");
    assert!(error.to_string().contains("safe.directory"), "{error}");
}

#[test]
fn conflicts_are_foreseen_without_a_trace() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let base = sandbox.head();
    sandbox.write("readme.txt", "one\nours\nthree\n");
    sandbox.write("line\nend", "ours\n");
    let ours = sandbox.commit("ours");
    sandbox.git(["checkout", "--quiet", "--detach", base.as_str()]);
    sandbox.write("readme.txt", "one\ntheirs\nthree\n");
    sandbox.write("line\nend", "theirs\n");
    let theirs = sandbox.commit("theirs");
    sandbox.git(["checkout", "--quiet", "--detach", base.as_str()]);
    sandbox.write("other", "other\n");
    let other = sandbox.commit("other");
    let before = user_state(&sandbox);
    let found = forecast::conflicts(&repository, &ours, &theirs).unwrap();
    assert_eq!(found, [b"line\nend".to_vec(), b"readme.txt".to_vec()]);
    assert!(forecast::conflicts(&repository, &ours, &other).unwrap().is_empty());
    assert_eq!(user_state(&sandbox), before);
    let unknown = "0123456789012345678901234567890123456789".parse().unwrap();
    assert!(forecast::conflicts(&repository, &ours, &unknown).is_err());
}

#[test]
fn a_head_that_moves_is_seen_at_once() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let first = repository.head().unwrap();
    assert_eq!(repository.head().unwrap(), first, "asked again, whether or not git is");
    sandbox.write("more", "more\n");
    let second = sandbox.commit("second");
    assert_eq!(repository.head().unwrap().commit, second);
    assert_ne!(repository.head().unwrap().tree, first.tree);
    sandbox.git(["reset", "--quiet", "--hard", first.commit.as_str()]);
    assert_eq!(repository.head().unwrap(), first);
    sandbox.git(["pack-refs", "--all"]);
    assert_eq!(repository.head().unwrap(), first);
    sandbox.git(["switch", "--quiet", "--create", "topic/one"]);
    assert_eq!(repository.head().unwrap().branch.as_deref(), Some("topic/one"));
    sandbox.git(["switch", "--quiet", "--detach"]);
    assert_eq!((repository.head().unwrap().branch, repository.head().unwrap().commit), (None, first.commit));
}

#[test]
fn ignored_files_are_told_from_others_whatever_their_names() {
    let sandbox = Sandbox::new();
    sandbox.write(".gitignore", "*.log\n/out/\n");
    sandbox.write("kept.log", "");
    sandbox.git(["add", "--force", "kept.log", ".gitignore"]);
    sandbox.git(["commit", "--quiet", "--message", "ignore"]);
    for path in ["a.log", "*.log", "out/deep/x", "source/own.txt"] {
        sandbox.write(path, "");
    }
    sandbox.write(name(b"\xff \n.log"), "");
    let paths: Vec<Vec<u8>> =
        [&b"*.log"[..], b"out/deep/x", b"source/own.txt", b"kept.log", b"\xff \n.log", b"gone.log"]
            .iter()
            .map(|path| path.to_vec())
            .collect();
    let mut found = sandbox.repository().ignored(&sandbox.root, &paths).unwrap();
    found.sort();
    assert_eq!(found, [&b"*.log"[..], b"out/deep/x", b"\xff \n.log"]);
    assert!(sandbox.repository().ignored(&sandbox.root, &[]).unwrap().is_empty());
}
