use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use orchflow_git::worktrees::{
    Created, Options, Removed, Strategy, Why, Worktree, WorktreeRequest, create, list, prepare, remove, trash,
};
use orchflow_git::{GitError, Repository};

use crate::support::{Sandbox, name, user_state, write};

fn all(results: Vec<Result<Created, GitError>>) -> Vec<Created> {
    results.into_iter().map(Result::unwrap).collect()
}

/// Asks git itself whether a worktree is what a checkout of its commit would be.
fn assert_clean(sandbox: &Sandbox, path: &Path) {
    let status = sandbox.git_in(path, ["status", "--porcelain", "--untracked-files=all", "--ignored"]);
    assert_eq!(status, "", "{}", path.display());
    sandbox.git_in(path, ["fsck", "--no-dangling", "--no-progress"]);
}

fn trash_of(sandbox: &Sandbox) -> PathBuf {
    sandbox.folder.path().join("cache/trash")
}

#[test]
fn several_worktrees_are_copied_and_independent() {
    let sandbox = Sandbox::new();
    sandbox.write("tool.sh", "#!/bin/sh\n");
    fs::set_permissions(sandbox.root.join("tool.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("readme.txt", sandbox.root.join("link")).unwrap();
    symlink("no\nwhere \u{e9}", sandbox.root.join("broken link")).unwrap();
    for odd in [&b"with space"[..], b"line\nend", b"\xff\xfe broken", b"deep/er/\xf0/file", b"empty"] {
        sandbox.write(name(odd), if odd == b"empty" { &b""[..] } else { odd });
    }
    sandbox.write("large", vec![b'l'; 3 << 20]);
    sandbox.commit("odd files");
    let before = user_state(&sandbox);

    let repository = sandbox.repository();
    let requests = sandbox.requests(&["1-claude", "1-claude-2", "1-with space"]);
    let created = all(create(&repository, &requests, &sandbox.options()));
    for (one, request) in created.iter().zip(&requests) {
        assert_eq!(one.strategy, Strategy::Copy);
        assert!(one.warnings.is_empty(), "{:?}", one.warnings);
        assert!(one.worktree.is_ready());
        let path = one.worktree.path();
        assert_eq!(path, request.path);
        assert_clean(&sandbox, path);
        assert_eq!(fs::read_link(path.join("link")).unwrap(), Path::new("readme.txt"));
        assert_eq!(fs::metadata(path.join("tool.sh")).unwrap().mode() & 0o777, 0o755);
        assert_eq!(fs::read(path.join("large")).unwrap().len(), 3 << 20);
        assert_eq!(sandbox.git_in(path, ["rev-parse", "HEAD"]).trim(), request.commit.as_str());
        assert_eq!(sandbox.git_in(path, ["rev-parse", "--abbrev-ref", "HEAD"]).trim(), "HEAD");
    }
    let listed = list(&repository).unwrap();
    assert_eq!(listed.len(), 4);
    assert!(listed[0].main && !listed[0].ours && listed[0].branch.as_deref() == Some("refs/heads/main"));
    assert!(listed[1..].iter().all(|one| one.ours && !one.main && one.branch.is_none() && !one.prunable));

    // An edit in one is seen there and nowhere else, also one of the same size right after.
    write(created[0].worktree.path(), "readme.txt", "ONE\ntwo\nthree\n");
    let status = sandbox.git_in(created[0].worktree.path(), ["status", "--porcelain"]);
    assert_eq!(status, " M readme.txt\n");
    assert_clean(&sandbox, created[1].worktree.path());
    sandbox.git_in(created[0].worktree.path(), ["commit", "--quiet", "-am", "by the agent"]);
    assert_clean(&sandbox, created[0].worktree.path());
    assert_eq!(user_state(&sandbox), before);
}

#[test]
fn the_index_of_a_copy_is_exact() {
    let sandbox = Sandbox::new();
    let created = all(create(&sandbox.repository(), &sandbox.requests(&["a", "b"]), &sandbox.options()));
    let path = created[0].worktree.path();
    // Had git to read a file again, it would write the index to note that it did.
    let index = created[0].worktree.git_directory().join("index");
    let before = fs::read(&index).unwrap();
    sandbox.git_in(path, ["status"]);
    assert_eq!(fs::read(&index).unwrap(), before);
    let debug = sandbox.git_in(path, ["ls-files", "--debug", "readme.txt"]);
    let inode = fs::metadata(path.join("readme.txt")).unwrap().ino() as u32;
    assert!(debug.contains(&format!("ino: {inode}")), "{debug}");
}

#[test]
fn a_single_one_is_gits_own_until_there_is_a_template() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let options = sandbox.options();
    let first = all(create(&repository, &sandbox.requests(&["a"]), &options));
    assert_eq!(first[0].strategy, Strategy::Plain(Why::Single));
    assert_clean(&sandbox, first[0].worktree.path());
    assert!(prepare(&repository, &sandbox.head(), &options).unwrap());
    let second = all(create(&repository, &sandbox.requests(&["b"]), &options));
    assert_eq!(second[0].strategy, Strategy::Copy);
    assert_clean(&sandbox, second[0].worktree.path());
    let plain = Options { plain: true, ..options };
    let third = all(create(&repository, &sandbox.requests(&["c"]), &plain));
    assert_eq!(third[0].strategy, Strategy::Plain(Why::Wanted));
}

#[test]
fn line_ends_attributes_and_filters_are_gits_own() {
    let sandbox = Sandbox::new();
    sandbox.write(".gitattributes", "*.txt text\n*.bin binary\n*.up filter=upper\nident.c ident\n");
    sandbox.write("crlf.txt", "one\ntwo\n");
    sandbox.write("raw.bin", b"\0\r\n\n");
    sandbox.write("x.up", "quiet\n");
    sandbox.write("ident.c", "$Id$\n");
    sandbox.commit("attributes");
    sandbox.git(["config", "core.autocrlf", "true"]);
    sandbox.git(["config", "filter.upper.smudge", "tr a-z A-Z"]);
    sandbox.git(["config", "filter.upper.clean", "tr A-Z a-z"]);
    let repository = sandbox.repository();
    let created = all(create(&repository, &sandbox.requests(&["a", "b"]), &sandbox.options()));
    let plain = Options { plain: true, ..sandbox.options() };
    let reference = all(create(&repository, &sandbox.requests(&["reference"]), &plain));
    for one in &created {
        let status = sandbox.git_in(one.worktree.path(), ["status", "--porcelain"]);
        assert_eq!(one.strategy, Strategy::Copy, "{status}");
        for file in ["crlf.txt", "raw.bin", "x.up", "ident.c", "readme.txt", "source/main.c"] {
            let expected = fs::read(reference[0].worktree.path().join(file)).unwrap();
            assert_eq!(fs::read(one.worktree.path().join(file)).unwrap(), expected, "{file}");
        }
        assert_clean(&sandbox, one.worktree.path());
    }
    assert_eq!(fs::read(created[0].worktree.path().join("x.up")).unwrap(), b"QUIET\r\n");
    assert_eq!(fs::read(created[0].worktree.path().join("crlf.txt")).unwrap(), b"one\r\ntwo\r\n");

    // Another configuration is another template.
    sandbox.git(["config", "core.autocrlf", "false"]);
    let other = all(create(&repository, &sandbox.requests(&["c", "d"]), &sandbox.options()));
    assert_eq!(fs::read(other[0].worktree.path().join("crlf.txt")).unwrap(), b"one\ntwo\n");
    assert_clean(&sandbox, other[0].worktree.path());
}

#[test]
fn what_a_copy_cannot_give_is_left_to_git() {
    let sandbox = Sandbox::new();
    let library = sandbox.folder.path().join("library");
    fs::create_dir(&library).unwrap();
    sandbox.git_in(&library, ["init", "--quiet"]);
    sandbox.git_in(
        &library,
        ["-c", "user.name=a", "-c", "user.email=b", "commit", "--quiet", "--allow-empty", "-m", "x"],
    );
    sandbox.git(["submodule", "--quiet", "add", library.to_str().unwrap(), "library"]);
    sandbox.commit("submodule");
    let repository = sandbox.repository();
    let created = all(create(&repository, &sandbox.requests(&["a", "b"]), &sandbox.options()));
    assert!(created.iter().all(|one| one.strategy == Strategy::Plain(Why::Submodules)), "{created:?}");
    assert!(created[0].worktree.path().join("readme.txt").exists());

    let sandbox = Sandbox::new();
    sandbox.git(["sparse-checkout", "set", "source"]);
    let created = all(create(&sandbox.repository(), &sandbox.requests(&["a", "b"]), &sandbox.options()));
    assert!(created.iter().all(|one| one.strategy == Strategy::Plain(Why::Sparse)), "{created:?}");

    let sandbox = Sandbox::new();
    sandbox.write(".gitattributes", "*.txt filter=broken\n");
    sandbox.commit("broken filter");
    sandbox.git(["config", "filter.broken.smudge", "false"]);
    sandbox.git(["config", "filter.broken.required", "true"]);
    let results = create(&sandbox.repository(), &sandbox.requests(&["a", "b"]), &sandbox.options());
    for result in results {
        assert!(matches!(result, Err(GitError::Failed { .. })), "{result:?}");
    }
    assert_eq!(list(&sandbox.repository()).unwrap().len(), 1);
}

#[test]
fn a_template_that_was_changed_is_not_used() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let options = Options { verify: false, ..sandbox.options() };
    all(create(&repository, &sandbox.requests(&["a", "b"]), &options));
    let templates = fs::read_dir(&options.templates).unwrap().flatten();
    let template = templates.map(|entry| entry.path()).find(|path| path.join("tree").exists()).unwrap();
    fs::write(template.join("tree/readme.txt"), "somebody was here\n").unwrap();
    let created = all(create(&repository, &sandbox.requests(&["c", "d"]), &options));
    for one in &created {
        assert_eq!(one.strategy, Strategy::Plain(Why::Mismatch));
        assert_clean(&sandbox, one.worktree.path());
    }
    let created = all(create(&repository, &sandbox.requests(&["e", "f"]), &options));
    assert_eq!(created[0].strategy, Strategy::Copy);
    assert_clean(&sandbox, created[0].worktree.path());

    // Files that are gone, or one too many, in template or target.
    fs::remove_file(template.join("tree/source/main.c")).unwrap();
    let created = all(create(&repository, &sandbox.requests(&["g", "h"]), &options));
    assert_eq!(created[0].strategy, Strategy::Plain(Why::Mismatch));
    assert_clean(&sandbox, created[0].worktree.path());
}

#[test]
fn the_hook_runs_as_git_would_run_it() {
    let sandbox = Sandbox::new();
    let hook = sandbox.root.join(".git/hooks/post-checkout");
    let script = "#!/bin/sh\nset -e\nprintf '%s %s %s\\n' \"$@\" > hook.secret\nenv | grep -E '^GIT_(DIR|WORK_TREE|INDEX_FILE|COMMON_DIR)=' >> hook.secret || true\npwd >> hook.secret\n";
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, script).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let repository = sandbox.repository();
    let created = all(create(&repository, &sandbox.requests(&["a", "b"]), &sandbox.options()));
    // Git's own way, for comparison.
    let reference = fs::canonicalize(sandbox.folder.path()).unwrap().join("reference");
    sandbox.git(["worktree", "add", "--quiet", "--detach", reference.to_str().unwrap()]);
    let expected = fs::read_to_string(reference.join("hook.secret")).unwrap();
    for one in &created {
        assert!(one.warnings.is_empty(), "{:?}", one.warnings);
        let path = one.worktree.path();
        let found = fs::read_to_string(path.join("hook.secret")).unwrap();
        let expected = expected.replace(reference.to_str().unwrap(), path.to_str().unwrap());
        assert_eq!(found, expected);
    }
    fs::write(&hook, "exit 3\n").unwrap();
    let created = all(create(&repository, &sandbox.requests(&["c", "d"]), &sandbox.options()));
    assert!(created[0].warnings[0].contains("post-checkout"), "{:?}", created[0].warnings);
    let quiet = Options { hook: false, ..sandbox.options() };
    let created = all(create(&repository, &sandbox.requests(&["e", "f"]), &quiet));
    assert!(created[0].warnings.is_empty());
}

#[test]
fn included_files_come_along() {
    let sandbox = Sandbox::new();
    sandbox.write(".worktreeinclude", "*.secret\n!no.secret\n/build/cache\n");
    sandbox.commit("include");
    sandbox.write("key.secret", "key");
    sandbox.write("source/in\nner.secret", "inner");
    sandbox.write("no.secret", "no");
    sandbox.write("build/cache/deep/file", "cached");
    sandbox.write("build/other", "no");
    sandbox.write("untracked.txt", "not ignored, so not brought along");
    symlink("key.secret", sandbox.root.join("build/cache/link")).unwrap();
    let created = all(create(&sandbox.repository(), &sandbox.requests(&["a", "b"]), &sandbox.options()));
    for one in &created {
        assert_eq!(one.included, 4, "{:?}", one.warnings);
        let path = one.worktree.path();
        assert_eq!(fs::read(path.join("key.secret")).unwrap(), b"key");
        assert_eq!(fs::read(path.join("source/in\nner.secret")).unwrap(), b"inner");
        assert_eq!(fs::read(path.join("build/cache/deep/file")).unwrap(), b"cached");
        assert_eq!(fs::read_link(path.join("build/cache/link")).unwrap(), Path::new("key.secret"));
        for absent in ["no.secret", "build/other", "untracked.txt"] {
            assert!(!path.join(absent).exists(), "{absent}");
        }
    }
}

#[test]
fn nothing_is_included_through_a_link() {
    let sandbox = Sandbox::new();
    let outside = sandbox.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, sandbox.root.join("cache")).unwrap();
    sandbox.write(".worktreeinclude", "*.secret\n");
    sandbox.commit("a link");
    fs::remove_file(sandbox.root.join("cache")).unwrap();
    sandbox.write("cache/key.secret", "key");
    let created = all(create(&sandbox.repository(), &sandbox.requests(&["a", "b"]), &sandbox.options()));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!((created[0].included, created[0].warnings.len()), (0, 1), "{:?}", created[0].warnings);
}

#[test]
fn the_main_worktree_and_those_of_others_are_never_removed() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let theirs = fs::canonicalize(sandbox.folder.path()).unwrap().join("theirs");
    sandbox.git(["worktree", "add", "--quiet", theirs.to_str().unwrap()]);
    let locked = fs::canonicalize(sandbox.folder.path()).unwrap().join("locked");
    sandbox.git(["worktree", "add", "--quiet", "--lock", "--reason", "mine", locked.to_str().unwrap()]);
    let link = sandbox.folder.path().join("a link");
    symlink(&sandbox.root, &link).unwrap();
    let stranger = sandbox.folder.path().join("stranger");
    fs::create_dir(&stranger).unwrap();
    let main = [sandbox.root.clone(), link, sandbox.root.join("source/.."), sandbox.folder.path().to_owned()];
    for path in main.iter().cloned().chain([sandbox.root.join(".git"), PathBuf::from("/")]) {
        let result = remove(&repository, std::slice::from_ref(&path), &trash_of(&sandbox)).remove(0);
        assert!(matches!(result, Err(GitError::MainWorktree { .. })), "{}: {result:?}", path.display());
    }
    for path in [theirs.clone(), locked.clone(), stranger.clone(), sandbox.root.join("source")] {
        let result = remove(&repository, std::slice::from_ref(&path), &trash_of(&sandbox)).remove(0);
        assert!(matches!(result, Err(GitError::NotOurs { .. })), "{}: {result:?}", path.display());
        assert!(path.exists());
    }
    // Seen from a linked worktree, that one and the main one are the user's own.
    let from_theirs = Repository::discover_with(sandbox.program(), &theirs).unwrap();
    for path in [&theirs, &sandbox.root] {
        let result = remove(&from_theirs, std::slice::from_ref(path), &trash_of(&sandbox)).remove(0);
        assert!(matches!(result, Err(GitError::MainWorktree { .. })), "{result:?}");
    }
    assert!(matches!(Worktree::open(&repository, &sandbox.root), Err(GitError::MainWorktree { .. })));
}

#[test]
fn removed_worktrees_are_forgotten_and_deleted_later() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let requests = sandbox.requests(&["a", "b", "c"]);
    let created = all(create(&repository, &requests, &sandbox.options()));
    // What resists a plain deletion.
    let stubborn = created[0].worktree.path().join("cache");
    write(&stubborn, "module/file", "x");
    fs::set_permissions(stubborn.join("module"), fs::Permissions::from_mode(0o555)).unwrap();
    // The user's own worktree on a disk that is away is none of our business.
    let away = sandbox.folder.path().join("away");
    sandbox.git(["worktree", "add", "--quiet", away.to_str().unwrap()]);
    fs::rename(&away, sandbox.folder.path().join("unplugged")).unwrap();

    let paths: Vec<PathBuf> = requests.iter().map(|request| request.path.clone()).collect();
    fs::remove_dir_all(&paths[2]).unwrap();
    let removed: Vec<Removed> =
        remove(&repository, &paths, &trash_of(&sandbox)).into_iter().map(Result::unwrap).collect();
    assert_eq!(removed, [Removed::Discarded, Removed::Discarded, Removed::AlreadyGone]);
    assert!(paths.iter().all(|path| !path.exists()));
    let listed = list(&repository).unwrap();
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed[1].prunable);

    let again = remove(&repository, &paths, &trash_of(&sandbox));
    assert!(again.into_iter().all(|result| result.unwrap() == Removed::AlreadyGone));
    assert_eq!(trash::empty(&trash_of(&sandbox)).unwrap(), 2);
    assert_eq!(fs::read_dir(trash_of(&sandbox)).unwrap().count(), 0);
    assert_eq!(trash::empty(&trash_of(&sandbox)).unwrap(), 0);
    assert_eq!(trash::empty(Path::new("/nowhere/at/all")).unwrap(), 0);
    // The place can be used again.
    assert_eq!(all(create(&repository, &requests, &sandbox.options())).len(), 3);
}

#[test]
fn an_agent_that_removed_its_git_file_is_removed_nevertheless() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let created = all(create(&repository, &sandbox.requests(&["a", "b"]), &sandbox.options()));
    let path = created[0].worktree.path().to_owned();
    sandbox.git_in(&path, ["worktree", "unlock", "."]);
    fs::remove_file(path.join(".git")).unwrap();
    sandbox.git_in(&path, ["init", "--quiet"]);
    let worktree = Worktree::open(&repository, &path).unwrap();
    assert_eq!(worktree, created[0].worktree);
    remove(&repository, &[path], &trash_of(&sandbox)).remove(0).unwrap();
    assert_eq!(list(&repository).unwrap().len(), 2);
}

#[test]
fn creation_can_be_asked_for_again() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let requests = sandbox.requests(&["a", "b", "c"]);
    let created = all(create(&repository, &requests, &sandbox.options()));
    write(created[0].worktree.path(), "work", "of the agent");
    // The second was not completed, of the third only the record is left.
    fs::remove_file(created[1].worktree.git_directory().join("orchflow-ready")).unwrap();
    fs::remove_dir_all(created[2].worktree.path()).unwrap();
    let again = all(create(&repository, &requests, &sandbox.options()));
    let strategies: Vec<Strategy> = again.iter().map(|one| one.strategy).collect();
    assert_eq!(strategies, [Strategy::Found, Strategy::Copy, Strategy::Copy]);
    assert!(created[0].worktree.path().join("work").exists());
    assert_clean(&sandbox, again[1].worktree.path());
    assert_clean(&sandbox, again[2].worktree.path());
}

#[test]
fn what_cannot_be_made_leaves_the_others_alone() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let mut requests = sandbox.requests(&["a", "taken", "b"]);
    write(&requests[1].path, "file", "somebody's");
    requests.push(WorktreeRequest { path: sandbox.root.clone(), commit: sandbox.head() });
    let unknown = "0123456789012345678901234567890123456789".parse().unwrap();
    requests.push(WorktreeRequest { path: requests[0].path.with_file_name("unknown"), commit: unknown });
    let results = create(&repository, &requests, &sandbox.options());
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    assert!(matches!(&results[1], Err(GitError::Failed { stderr, .. }) if stderr.contains("already exists")));
    assert!(matches!(results[3], Err(GitError::MainWorktree { .. })));
    assert!(results[4].is_err());
    assert_eq!(fs::read(requests[1].path.join("file")).unwrap(), b"somebody's");
    assert_eq!(list(&repository).unwrap().len(), 3);
    assert_clean(&sandbox, &requests[0].path);
}

/// The superuser's way; elsewhere there is nothing to be tested but that it falls back.
#[test]
fn an_overlay_is_used_where_it_is_permitted() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    let options = Options { overlay: true, ..sandbox.options() };
    let requests = sandbox.requests(&["a", "b"]);
    let created = all(create(&repository, &requests, &options));
    if created[0].strategy != Strategy::Overlay {
        println!("skipped: this process may not mount an overlay");
        assert_eq!(created[0].strategy, Strategy::Copy);
        assert_clean(&sandbox, created[0].worktree.path());
        return;
    }
    let path = created[0].worktree.path().to_owned();
    assert_clean(&sandbox, &path);
    write(&path, "readme.txt", "ONE\ntwo\nthree\n");
    assert_eq!(sandbox.git_in(&path, ["status", "--porcelain"]), " M readme.txt\n");
    assert_clean(&sandbox, created[1].worktree.path());
    let checkpoint = |name: &str| {
        let worktree = Worktree::open(&repository, &path).unwrap();
        orchflow_git::checkpoint::take(&repository, &worktree, Some(&sandbox.head()), name, "x").unwrap()
    };
    let first = checkpoint("refs/orchflow/a/1");
    // As after a reboot: the mount is gone, and nothing may take that for a deletion.
    rustix::mount::unmount(&path, rustix::mount::UnmountFlags::empty()).unwrap();
    assert!(!path.join("readme.txt").exists());
    assert_eq!(checkpoint("refs/orchflow/a/2").tree, first.tree);
    assert_eq!(all(create(&repository, &requests, &options))[0].strategy, Strategy::Found);

    let paths: Vec<PathBuf> = requests.iter().map(|request| request.path.clone()).collect();
    for result in remove(&repository, &paths, &trash_of(&sandbox)) {
        assert_eq!(result.unwrap(), Removed::Discarded);
    }
    trash::empty(&trash_of(&sandbox)).unwrap();
    let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    let created = all(create(&repository, &requests, &sandbox.options()));
    assert_eq!(created[0].strategy, Strategy::Copy);
    assert_clean(&sandbox, &path);
}

/// Needs a folder on btrfs, named in the environment, and the `btrfs` program.
#[test]
fn a_btrfs_snapshot_is_used_where_there_is_btrfs() {
    let Some(folder) = std::env::var_os("ORCHFLOW_TEST_BTRFS") else {
        println!("skipped: ORCHFLOW_TEST_BTRFS names no folder on btrfs");
        return;
    };
    let sandbox = Sandbox::new();
    let folder = tempfile::tempdir_in(folder).unwrap();
    let repository = sandbox.repository();
    let options = Options { verify: true, ..Options::in_folder(&folder.path().join("cache")) };
    let request = |name: &str| WorktreeRequest { path: folder.path().join(name), commit: sandbox.head() };
    let requests = [request("a"), request("b")];
    let created = all(create(&repository, &requests, &options));
    for one in &created {
        assert_eq!(one.strategy, Strategy::Snapshot);
        assert_clean(&sandbox, one.worktree.path());
    }
    write(created[0].worktree.path(), "readme.txt", "ONE\ntwo\nthree\n");
    assert_eq!(sandbox.git_in(created[0].worktree.path(), ["status", "--porcelain"]), " M readme.txt\n");
    assert_clean(&sandbox, created[1].worktree.path());
    let paths: Vec<PathBuf> = requests.iter().map(|request| request.path.clone()).collect();
    for result in remove(&repository, &paths, &options.trash) {
        assert_eq!(result.unwrap(), Removed::Discarded);
    }
    assert_eq!(trash::empty(&options.trash).unwrap(), 2);
    assert_eq!(list(&repository).unwrap().len(), 1);
}

#[test]
fn a_record_that_was_made_too_early_is_taken_back() {
    let sandbox = Sandbox::new();
    let repository = sandbox.repository();
    // With a template standing, git makes the records while it is looked for.
    all(create(&repository, &sandbox.requests(&["a", "b"]), &sandbox.options()));
    sandbox.git(["config", "hook.mine.command", "true"]);
    let created = all(create(&repository, &sandbox.requests(&["c", "d"]), &sandbox.options()));
    for made in &created {
        assert_eq!(made.strategy, Strategy::Plain(Why::ConfiguredHooks));
        assert!(made.worktree.is_ready() && made.worktree.path().join("readme.txt").is_file());
        assert_eq!(sandbox.git_in(made.worktree.path(), ["status", "--porcelain"]), "");
    }
    assert_eq!(sandbox.git(["worktree", "list", "--porcelain"]).matches("worktree ").count(), 5);
    let records = fs::read_dir(sandbox.root.join(".git/worktrees")).unwrap().count();
    assert_eq!(records, 4, "no record is left over");
}
