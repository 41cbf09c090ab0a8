use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use orchflow_git::checkpoint::{Checkpoint, ignored_since, take};
use orchflow_git::worktrees::{Worktree, create};
use orchflow_git::{GitError, ObjectId, Repository};

use crate::support::{Sandbox, name, user_state, write};

const REF: &str = "refs/orchflow/runs/1/claude";

struct Agent {
    sandbox: Sandbox,
    repository: Repository,
    worktree: Worktree,
    base: ObjectId,
}

impl Agent {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let repository = sandbox.repository();
        let created = create(&repository, &sandbox.requests(&["a", "b"]), &sandbox.options()).remove(0);
        let base = sandbox.head();
        Agent { worktree: created.unwrap().worktree, repository, base, sandbox }
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        write(self.worktree.path(), path, content);
    }

    fn take(&self, parent: &ObjectId) -> Checkpoint {
        take(&self.repository, &self.worktree, Some(parent), REF, "turn 1").unwrap()
    }

    fn names(&self, commit: &ObjectId) -> String {
        self.sandbox.git(["ls-tree", "-r", "-z", "--name-only", commit.as_str()]).replace('\0', "|")
    }

    fn git(&self, arguments: &[&str]) -> String {
        self.sandbox.git_in(self.worktree.path(), arguments)
    }
}

#[test]
fn checkpoints_are_chained_and_touch_nothing_of_the_agents() {
    let agent = Agent::new();
    let nothing = agent.take(&agent.base);
    assert!(nothing.unchanged);
    assert_eq!(nothing.commit, agent.base);
    assert_eq!(nothing.head.as_ref(), Some(&agent.base));
    assert_eq!(agent.repository.read_ref(REF).unwrap(), Some(agent.base.clone()));

    agent.write("readme.txt", "one\n2\nthree\n");
    agent.write("new/file", "new\n");
    agent.write("key.secret", "ignored");
    agent.write("staged", "staged\n");
    agent.git(&["add", "staged"]);
    fs::remove_file(agent.worktree.path().join("source/main.c")).unwrap();
    let index = fs::read(agent.worktree.git_directory().join("index")).unwrap();
    let user = user_state(&agent.sandbox);
    let first = agent.take(&agent.base);
    assert!(
        !first.unchanged && first.warnings.is_empty() && first.nested_repositories.is_empty(),
        "{first:?}"
    );
    assert_eq!(agent.names(&first.commit), ".gitignore|new/file|readme.txt|staged|");
    assert_eq!(fs::read(agent.worktree.git_directory().join("index")).unwrap(), index);
    assert_eq!(user_state(&agent.sandbox), user);
    assert_eq!(
        agent.git(&["log", "-1", "--format=%P|%an|%ce|%s", first.commit.as_str()]).trim(),
        format!("{}|orchflow|orchflow@localhost|turn 1", agent.base)
    );

    assert!(agent.take(&first.commit).unchanged);
    agent.write("new/file", "NEW\n");
    let second = agent.take(&first.commit);
    assert!(!second.unchanged);
    assert_eq!(agent.repository.file(&second.commit, b"new/file").unwrap().unwrap().content, b"NEW\n");
    assert_eq!(
        agent.git(&["rev-list", "--count", &format!("{}..{}", agent.base, second.commit)]).trim(),
        "2"
    );
    // Back to what it was: a commit again, for the tree differs from the one before.
    agent.write("new/file", "new\n");
    let third = agent.take(&second.commit);
    assert_eq!(third.tree, first.tree);
    assert!(!third.unchanged);
    let leftovers = fs::read_dir(agent.worktree.git_directory()).unwrap().flatten();
    let leftovers =
        leftovers.filter(|entry| entry.file_name().to_string_lossy().starts_with("orchflow-index-"));
    assert_eq!(leftovers.map(|entry| entry.file_name()).collect::<Vec<_>>(), ["orchflow-index-source"]);
}

#[test]
fn what_the_agent_commits_or_forces_is_kept_too() {
    let agent = Agent::new();
    agent.write("readme.txt", "committed\n");
    agent.write("forced.secret", "ignored, but committed\n");
    agent.git(&["add", "--force", "readme.txt", "forced.secret"]);
    agent.git(&["commit", "--quiet", "-m", "by the agent"]);
    let first = agent.take(&agent.base);
    assert_ne!(first.head.as_ref(), Some(&agent.base));
    assert_eq!(agent.names(&first.commit), ".gitignore|forced.secret|readme.txt|source/main.c|");
    // After a checkpoint of ours, too.
    agent.write("more.secret", "more\n");
    agent.git(&["add", "--force", "more.secret"]);
    let second = agent.take(&first.commit);
    assert_eq!(agent.names(&second.commit), ".gitignore|forced.secret|more.secret|readme.txt|source/main.c|");

    // An unborn head of the agent's, or no head at all, is no obstacle.
    agent.git(&["checkout", "--quiet", "--orphan", "fresh"]);
    let third = agent.take(&second.commit);
    assert_eq!(third.head, None);
    assert!(third.unchanged);
}

#[test]
fn odd_files_are_kept() {
    let agent = Agent::new();
    let root = agent.worktree.path();
    let odd: &[&[u8]] = &[b"with space", b"line\nend", b"\xff\xfe", b"-dash", b"*", b":!x", b"deep/\x01/e"];
    for path in odd {
        write(root, name(path), path);
    }
    write(root, "run me", "#!/bin/sh\n");
    fs::set_permissions(root.join("run me"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    fs::remove_file(root.join("readme.txt")).unwrap();
    write(root, "readme.txt/now/a/folder", "x");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let checkpoint = agent.take(&agent.base);
    for path in odd {
        let file = agent.repository.file(&checkpoint.commit, path).unwrap().unwrap();
        assert_eq!(file.content, *path);
    }
    let listing = agent.sandbox.git(["ls-tree", "-r", checkpoint.commit.as_str()]);
    assert!(listing.contains("100755 blob") && listing.contains("120000 blob"), "{listing}");
    assert!(listing.contains("readme.txt/now/a/folder"), "{listing}");
}

#[test]
fn messages_are_taken_as_they_are() {
    let agent = Agent::new();
    for (number, message) in
        ["", "--help", "-F/etc/passwd", "a\0b\x1b[31m", "'$(touch x)'\n\n# comment"].iter().enumerate()
    {
        agent.write("file", number.to_string());
        let checkpoint = take(&agent.repository, &agent.worktree, Some(&agent.base), REF, message).unwrap();
        let body = agent.sandbox.git(["log", "-1", "--format=%B", checkpoint.commit.as_str()]);
        assert_eq!(body.trim_end(), message.replace('\0', "\u{fffd}").trim_end());
    }
}

#[test]
fn line_ends_follow_gits_rules_and_refuse_nothing() {
    let agent = Agent::new();
    agent.git(&["config", "core.autocrlf", "true"]);
    agent.git(&["config", "core.safecrlf", "true"]);
    agent.write("mixed.txt", "one\r\ntwo\nthree\r\n");
    agent.write("readme.txt", "one\r\ntwo\r\nthree\r\n");
    let checkpoint = agent.take(&agent.base);
    assert!(checkpoint.warnings.is_empty(), "{:?}", checkpoint.warnings);
    let file = agent.repository.file(&checkpoint.commit, b"mixed.txt").unwrap().unwrap();
    assert_eq!(file.content, b"one\ntwo\nthree\n");
    let changed = agent.sandbox.git([
        "diff-tree",
        "-r",
        "--name-only",
        agent.base.as_str(),
        checkpoint.commit.as_str(),
    ]);
    assert_eq!(changed, "mixed.txt\n");
}

#[test]
fn nested_repositories_are_told_of() {
    let agent = Agent::new();
    for nested in ["with commit", "without"] {
        fs::create_dir_all(agent.worktree.path().join(nested)).unwrap();
        let path = agent.worktree.path().join(nested);
        agent.sandbox.git_in(&path, ["init", "--quiet"]);
        write(&path, "file", "inner");
        if nested == "with commit" {
            let who = ["-c", "user.name=a", "-c", "user.email=b"];
            agent.sandbox.git_in(&path, who.iter().chain(&["commit", "--quiet", "--allow-empty", "-m", "x"]));
        }
    }
    agent.write("own", "file");
    let checkpoint = agent.take(&agent.base);
    let mut nested = checkpoint.nested_repositories.clone();
    nested.sort();
    assert_eq!(nested, [b"with commit".to_vec(), b"without".to_vec()]);
    assert!(checkpoint.warnings.is_empty(), "{:?}", checkpoint.warnings);
    assert!(agent.names(&checkpoint.commit).contains("own|"));
    assert_eq!(agent.take(&checkpoint.commit).nested_repositories.len(), 2);
}

#[test]
fn a_damaged_index_or_git_file_is_no_obstacle() {
    let agent = Agent::new();
    agent.write("file", "one");
    let first = agent.take(&agent.base);
    fs::write(agent.worktree.git_directory().join("index"), "garbage, not an index").unwrap();
    agent.write("file", "two");
    let second = agent.take(&first.commit);
    fs::write(agent.worktree.git_directory().join("orchflow-index"), "DIRC and garbage").unwrap();
    agent.write("file", "three");
    let third = agent.take(&second.commit);
    assert_eq!(agent.repository.file(&third.commit, b"file").unwrap().unwrap().content, b"three");
    fs::remove_file(agent.worktree.git_directory().join("orchflow-index")).unwrap();
    fs::remove_file(agent.worktree.git_directory().join("index")).unwrap();
    fs::remove_file(agent.worktree.path().join(".git")).unwrap();
    agent.git(&["init", "--quiet"]);
    agent.write("file", "four");
    let fourth = agent.take(&third.commit);
    assert_eq!(agent.names(&fourth.commit), agent.names(&first.commit));
    assert_eq!(agent.repository.read_ref(REF).unwrap(), Some(fourth.commit));
}

#[test]
fn hooks_signatures_and_other_refs_stay_out_of_it() {
    let agent = Agent::new();
    for hook in ["reference-transaction", "post-index-change", "pre-commit", "post-commit"] {
        let path = agent.sandbox.root.join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "#!/bin/sh\ntouch \"$(git rev-parse --git-common-dir)/hook-ran\"\nexit 1\n")
            .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let config = |key: &str, value: &str| {
        let path = agent.sandbox.root.join(".git/config");
        let mut text = fs::read_to_string(&path).unwrap();
        let (section, name) = key.split_once('.').unwrap();
        text.push_str(&format!("[{section}]\n\t{name} = {value}\n"));
        fs::write(path, text).unwrap();
    };
    config("commit.gpgSign", "true");
    config("core.fsmonitor", "/bin/false");
    config("core.splitIndex", "true");
    config("index.version", "4");
    agent.write("file", "one");
    let checkpoint = agent.take(&agent.base);
    assert!(!checkpoint.unchanged);
    assert!(!agent.sandbox.root.join(".git/hook-ran").exists());
    let wrong = take(&agent.repository, &agent.worktree, None, "refs/heads/main", "x");
    assert!(matches!(wrong, Err(GitError::RefRefused { .. })));
    let unknown = "0123456789012345678901234567890123456789".parse().unwrap();
    let wrong = take(&agent.repository, &agent.worktree, Some(&unknown), REF, "x");
    assert!(matches!(wrong, Err(GitError::NoObject { .. })), "{wrong:?}");
    assert_eq!(agent.repository.read_ref(REF).unwrap(), Some(checkpoint.commit));
}

#[test]
fn files_that_move_while_git_reads_are_no_obstacle() {
    let agent = Agent::new();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0u32;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                round += 1;
                let path = format!("flicker/{}", round % 50);
                agent.write(&path, vec![b'x'; (round % 4096) as usize]);
                let _ = fs::remove_file(agent.worktree.path().join(format!("flicker/{}", (round + 25) % 50)));
            }
        });
        let mut parent = agent.base.clone();
        let results: Vec<_> = (0..10)
            .map(|_| {
                let result = take(&agent.repository, &agent.worktree, Some(&parent), REF, "busy");
                if let Ok(checkpoint) = &result {
                    parent = checkpoint.commit.clone();
                }
                result
            })
            .collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let taken = results.iter().filter(|result| result.is_ok()).count();
        assert!(taken >= 5, "{results:?}");
        println!("{taken} of 10 taken");
    });
    // Once it is quiet nothing is missed.
    let last = take(&agent.repository, &agent.worktree, Some(&agent.base), REF, "quiet").unwrap();
    assert!(last.warnings.is_empty(), "{:?}", last.warnings);
    let mut names: Vec<String> = fs::read_dir(agent.worktree.path().join("flicker"))
        .unwrap()
        .map(|entry| format!("flicker/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    names.sort();
    let listed = agent.sandbox.git(["ls-tree", "-r", "--name-only", last.commit.as_str(), "flicker/"]);
    assert_eq!(listed.lines().collect::<Vec<_>>(), names);
    for name in &names {
        let kept = agent.repository.file(&last.commit, name.as_bytes()).unwrap().unwrap().content;
        assert_eq!(kept, fs::read(agent.worktree.path().join(name)).unwrap());
    }
}

#[test]
fn changed_ignored_files_are_told_of() {
    let agent = Agent::new();
    agent.write("old.secret", "old");
    agent.write("build/old", "old");
    let past = SystemTime::now() - Duration::from_secs(100);
    for file in ["old.secret", "build/old"] {
        fs::File::options()
            .write(true)
            .open(agent.worktree.path().join(file))
            .unwrap()
            .set_modified(past)
            .unwrap();
    }
    let setup = SystemTime::now() - Duration::from_secs(50);
    let nothing = ignored_since(&agent.repository, &agent.worktree, setup).unwrap();
    assert!(nothing.paths.is_empty() && !nothing.incomplete, "{nothing:?}");
    agent.write("line\nend.secret", "new");
    agent.write("build/deep/new", "new");
    let found = ignored_since(&agent.repository, &agent.worktree, setup).unwrap();
    assert_eq!(found.paths, [b"build".to_vec(), b"line\nend.secret".to_vec()]);
}

#[test]
fn where_nothing_changed_git_is_asked_once() {
    let agent = Agent::new();
    agent.write("new", "new\n");
    // A file as young as the index has to be read again each time.
    let file = fs::File::options().write(true).open(agent.worktree.path().join("new")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    let first = agent.take(&agent.base);
    let calls = agent.sandbox.folder.path().join("calls");
    let counting = agent.sandbox.folder.path().join("counting-git");
    fs::write(&counting, format!("#!/bin/sh\necho x >>'{}'\nexec git \"$@\"\n", calls.display())).unwrap();
    fs::set_permissions(&counting, fs::Permissions::from_mode(0o755)).unwrap();
    let program = orchflow_git::Program::at(&counting)
        .with_variable("HOME", agent.sandbox.folder.path().join("home"))
        .with_variable("GIT_CONFIG_NOSYSTEM", "1");
    let repository = Repository::discover_with(program, &agent.sandbox.root).unwrap();
    let count = |parent: &ObjectId| {
        let _ = fs::remove_file(&calls);
        let taken = take(&repository, &agent.worktree, Some(parent), REF, "again").unwrap();
        (taken, fs::read_to_string(&calls).unwrap().lines().count())
    };
    let (again, calls) = count(&first.commit);
    assert_eq!((again.unchanged, again.commit, again.tree), (true, first.commit.clone(), first.tree.clone()));
    assert_eq!(again.head, Some(agent.base.clone()));
    assert_eq!(calls, 1);

    // A ref that somebody took away is made again.
    agent.sandbox.git(["update-ref", "-d", REF]);
    assert!(count(&first.commit).0.unchanged);
    assert_eq!(repository.read_ref(REF).unwrap(), Some(first.commit.clone()));

    agent.write("new", "changed\n");
    assert!(!count(&first.commit).0.unchanged);
}

#[test]
fn a_note_older_than_the_index_is_not_believed() {
    let agent = Agent::new();
    agent.write("new", "one\n");
    let first = agent.take(&agent.base);
    let note = agent.worktree.git_directory().join("orchflow-index-source");
    let old = fs::read(&note).unwrap();
    agent.write("new", "two\n");
    let second = agent.take(&first.commit);
    // The host died after the index was put in place and before its note was.
    fs::write(&note, old).unwrap();
    let third = agent.take(&first.commit);
    assert_eq!(third.tree, second.tree);
    assert!(!third.unchanged);
}
