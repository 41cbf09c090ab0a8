//! Hunks between two commits, as orchflow computes them, against git's file list plus the bare line diff, in turn.
//!
//!     hunks --repository R --base COMMIT --commit COMMIT --rounds N
//!
//! The floor lists the files by `git diff-tree --raw` and diffs contents that are in memory already: no reading of
//! blobs, no identities, no context. Prints {"ours": [ns…], "floor": [ns…], "hunks": n, "files": n}.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use imara_diff::{Algorithm, Diff, InternedInput};
use orchflow_bench::{Arguments, Fault};
use orchflow_git::{Repository, diff};

fn nanoseconds(begin: Instant) -> Result<u64, Fault> {
    Ok(u64::try_from(begin.elapsed().as_nanos())?)
}

fn main() -> Result<(), Fault> {
    let arguments = Arguments::read()?;
    let folder = Path::new(arguments.get("repository")?);
    let repository = Repository::discover(folder)?;
    let base = repository.commit_of(arguments.get("base")?)?;
    let commit = repository.commit_of(arguments.get("commit")?)?;

    let mut contents = Vec::new();
    for change in diff::files(&repository, &base, &commit)? {
        let (Some(old), Some(new)) = (&change.old, &change.new) else { continue };
        contents.push((repository.read_blob(&old.id)?, repository.read_blob(&new.id)?));
    }
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    let (mut found, mut bare) = (0, 0);
    for round in 0..=arguments.number("rounds")? {
        let begin = Instant::now();
        let changes = diff::changes(&repository, "1/fake", &base, &commit)?;
        let took = nanoseconds(begin)?;
        found = changes.iter().map(|change| change.hunks.len()).sum();
        drop(changes);

        let begin = Instant::now();
        let list = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(["diff-tree", "-r", "-z", "--raw", "--no-renames", base.as_str(), commit.as_str()])
            .output()?;
        bare = 0;
        for (old, new) in &contents {
            let input = InternedInput::new(old.as_slice(), new.as_slice());
            bare += Diff::compute(Algorithm::Histogram, &input).hunks().count();
        }
        let least = nanoseconds(begin)?;
        if !list.status.success() {
            return Err("git diff-tree failed".into());
        }
        // The first round warms up.
        if round > 0 {
            ours.push(took);
            floor.push(least);
        }
    }
    if found != bare {
        return Err(format!("{found} hunks, but the bare diff has {bare}").into());
    }
    println!(
        "{}",
        serde_json::json!({ "ours": ours, "floor": floor, "hunks": found, "files": contents.len() })
    );
    Ok(())
}
