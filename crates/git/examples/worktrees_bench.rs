//! Measures worktrees made here against git alone, in turn, and prints milliseconds (medians) and ratios.
//!
//! `cargo run --release -p orchflow-git --example worktrees_bench -- REPOSITORY SCRATCH [ROUNDS]`, where SCRATCH is a
//! folder on the file system to be measured (tmpfs for comparable figures) that does not exist yet.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use orchflow_git::blob::BlobReader;
use orchflow_git::files::File;
use orchflow_git::worktrees::{Options, WorktreeRequest, create, prepare, remove, trash};
use orchflow_git::{Repository, checkpoint, diff};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(source), Some(scratch)) = (arguments.next(), arguments.next()) else {
        return Err("usage: worktrees_bench REPOSITORY SCRATCH [ROUNDS]".into());
    };
    let rounds = arguments.next().and_then(|text| text.to_str()?.parse().ok()).unwrap_or(3);
    let scratch = PathBuf::from(scratch);
    std::fs::create_dir(&scratch)?;
    let clone = scratch.join("repository");
    let cloned =
        Command::new("git").args(["clone", "--quiet", "--local"]).arg(&source).arg(&clone).status()?;
    if !cloned.success() {
        return Err("the repository cannot be cloned".into());
    }
    let result = measure(&clone, &scratch, rounds);
    std::fs::remove_dir_all(&scratch)?;
    result
}

fn measure(clone: &Path, scratch: &Path, rounds: usize) -> Result<(), Box<dyn Error>> {
    let repository = Repository::discover(clone)?;
    let head = repository.head()?;
    let options = Options::in_folder(&scratch.join("cache"));
    let (_, cold) = timed(|| prepare(&repository, &head.commit, &options));
    println!("template, once: {} ms", milliseconds(cold));
    println!(
        "{:>4} {:>12} {:>9} {:>6} {:>14} {:>14} {:>9}",
        "N", "git in turn", "create", "x", "git status, 1st", "checkpoints", "remove"
    );
    for count in [1, 3, 8, 32] {
        let mut plain = Vec::new();
        let mut fast = Vec::new();
        let mut first_status = Vec::new();
        let mut checkpoints = Vec::new();
        let mut removal = Vec::new();
        for round in 0..rounds {
            let folder = scratch.join(format!("git-{count}-{round}"));
            let paths: Vec<PathBuf> = (0..count).map(|number| folder.join(number.to_string())).collect();
            let (done, time) = timed(|| {
                paths.iter().try_for_each(|path| {
                    git(
                        clone,
                        &[
                            "worktree".as_ref(),
                            "add".as_ref(),
                            "--quiet".as_ref(),
                            "--detach".as_ref(),
                            path.as_os_str(),
                        ],
                    )
                })
            });
            done?;
            plain.push(time);
            for path in &paths {
                git(clone, &["worktree".as_ref(), "remove".as_ref(), "--force".as_ref(), path.as_os_str()])?;
            }

            let folder = scratch.join(format!("own-{count}-{round}"));
            let request = |number: usize| WorktreeRequest {
                path: folder.join(number.to_string()),
                commit: head.commit.clone(),
            };
            let requests: Vec<WorktreeRequest> = (0..count).map(request).collect();
            let (created, time) = timed(|| create(&repository, &requests, &options));
            fast.push(time);
            let mut worktrees = Vec::new();
            for one in created {
                worktrees.push(one?.worktree);
            }
            let (done, time) = timed(|| {
                worktrees.iter().take(1).try_for_each(|worktree| {
                    git(worktree.path(), &["status".as_ref(), "--porcelain".as_ref()])
                })
            });
            done?;
            first_status.push(time);
            let (done, time) = timed(|| {
                worktrees.iter().enumerate().try_for_each(|(number, worktree)| {
                    let name = format!("refs/orchflow/bench/{number}");
                    checkpoint::take(&repository, worktree, Some(&head.commit), &name, "bench").map(drop)
                })
            });
            done?;
            checkpoints.push(time);
            let paths: Vec<PathBuf> = worktrees.iter().map(|worktree| worktree.path().to_owned()).collect();
            let (removed, time) = timed(|| remove(&repository, &paths, &options.trash));
            removal.push(time);
            for one in removed {
                one?;
            }
            trash::empty(&options.trash)?;
        }
        let (plain, fast) = (median(plain), median(fast));
        println!(
            "{count:>4} {:>12} {:>9} {:>6.2} {:>14} {:>14} {:>9}",
            milliseconds(plain),
            milliseconds(fast),
            plain.as_secs_f64() / fast.as_secs_f64(),
            milliseconds(median(first_status)),
            milliseconds(median(checkpoints)),
            milliseconds(median(removal)),
        );
    }
    hunks(&repository, scratch, rounds)
}

/// Measures the hunks of 5,000 changed lines against git's own list of them.
fn hunks(repository: &Repository, scratch: &Path, rounds: usize) -> Result<(), Box<dyn Error>> {
    let head = repository.head()?;
    let options = Options::in_folder(&scratch.join("cache"));
    let request = WorktreeRequest { path: scratch.join("changed"), commit: head.commit.clone() };
    let worktree = create(repository, &[request], &options).remove(0)?.worktree;
    let listed = Command::new("git").current_dir(worktree.path()).args(["ls-files", "-z"]).output()?.stdout;
    let mut left = 5_000;
    for name in listed.split(|byte| *byte == 0).filter(|name| name.ends_with(b".rs")) {
        let path = worktree.path().join(std::str::from_utf8(name)?);
        let text = std::fs::read_to_string(&path)?;
        let mut changed = String::with_capacity(text.len());
        for (number, line) in text.split_inclusive('\n').enumerate() {
            if number % 20 == 10 && left > 0 {
                left -= 1;
                changed.push_str("// changed ");
            }
            changed.push_str(line);
        }
        std::fs::write(&path, changed)?;
        if left == 0 {
            break;
        }
    }
    let taken =
        checkpoint::take(repository, &worktree, Some(&head.commit), "refs/orchflow/bench/changed", "bench")?;
    // The floor: git's list, and the bare comparison of contents that are in memory already.
    let mut blobs = BlobReader::open(repository);
    let mut contents = Vec::new();
    for change in diff::files(repository, &head.tree, &taken.tree)? {
        if let (Some(old), Some(new)) = (change.old, change.new) {
            let file = |mode, content| File { mode, content };
            contents.push((file(old.mode, blobs.read(&old.id)?), file(new.mode, blobs.read(&new.id)?)));
        }
    }
    let (mut gits, mut list, mut own) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bare, mut made) = (Vec::new(), Vec::new());
    let mut count = 0;
    for _ in 0..rounds.max(9) {
        let words = ["diff", "-U0", head.tree.as_str(), taken.tree.as_str()];
        let (output, time) = timed(|| Command::new("git").current_dir(worktree.path()).args(words).output());
        output?;
        gits.push(time);
        let (found, time) = timed(|| diff::files(repository, &head.tree, &taken.tree));
        found?;
        list.push(time);
        let (_, time) = timed(|| {
            for (old, new) in &contents {
                let input = imara_diff::InternedInput::new(&old.content[..], &new.content[..]);
                let mut diff = imara_diff::Diff::compute(imara_diff::Algorithm::Histogram, &input);
                diff.postprocess_lines(&input);
                std::hint::black_box(diff.hunks().count());
            }
        });
        bare.push(time);
        let (_, time) = timed(|| {
            for (old, new) in &contents {
                std::hint::black_box(diff::file_hunks("bench", b"path", Some(old), Some(new)));
            }
        });
        made.push(time);
        let (found, time) = timed(|| diff::changes(repository, "bench", &head.tree, &taken.tree));
        count = found?.iter().map(|change| change.hunks.len()).sum();
        own.push(time);
    }
    println!(
        "{count} hunks: {} ms; git's list of files {} ms, comparing alone {} ms, making hunks of it {} ms; git diff -U0 {} ms",
        milliseconds(median(own)),
        milliseconds(median(list)),
        milliseconds(median(bare)),
        milliseconds(median(made)),
        milliseconds(median(gits))
    );
    Ok(())
}

fn git(directory: &Path, words: &[&std::ffi::OsStr]) -> Result<(), Box<dyn Error>> {
    let output = Command::new("git").current_dir(directory).args(words).output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}
