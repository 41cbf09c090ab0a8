//! Floor of starting N agents: metadata by `git worktree add --no-checkout`, files read once and written N times,
//! panes in one tmux call, N runners that start an agent and paste its prompt. No events, no durability, no host.
//!
//!     swarm-floor --repository R --template T --index T'S-INDEX --folder INTO --count N --log FILE --prompt TEXT
//!                 --runner RUNNER-FLOOR --agent FAKE-AGENT [--tmux SOCKET --pane %0 --view PAUSE]
//!
//! Ends when every runner was started; the agents' log says when each prompt arrived.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use orchflow_bench::{Arguments, Fault};

/// Does the jobs on every processor.
fn in_parallel<T: Sync>(jobs: &[T], work: impl Fn(&T) -> Result<(), Fault> + Sync) -> Result<(), Fault> {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        let handles: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        work(job)?;
                    }
                    Ok(())
                })
            })
            .collect();
        handles.into_iter().try_for_each(|handle| handle.join().map_err(|_| "a worker panicked")?)
    })
}

/// Lists files below a folder, relative, and makes the folders in every target.
fn walk(top: &Path, below: &Path, targets: &[PathBuf], files: &mut Vec<PathBuf>) -> Result<(), Fault> {
    for entry in fs::read_dir(top.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            for target in targets {
                fs::create_dir(target.join(&path))?;
            }
            walk(top, &path, targets, files)?;
        } else if entry.file_name() != ".git" {
            files.push(path);
        }
    }
    Ok(())
}

fn main() -> Result<(), Fault> {
    let arguments = Arguments::read()?;
    let repository = arguments.get("repository")?;
    let template = Path::new(arguments.get("template")?);
    let count = arguments.number("count")?;
    let folder = Path::new(arguments.get("folder")?);
    let targets: Vec<PathBuf> = (0..count).map(|number| folder.join(format!("tree-{number}"))).collect();

    in_parallel(&targets, |target| {
        let status = Command::new("git")
            .args(["-C", repository, "worktree", "add", "-q", "--no-checkout", "--detach"])
            .arg(target)
            .stderr(Stdio::null())
            .status()?;
        if status.success() { Ok(()) } else { Err(format!("git worktree add: {status}").into()) }
    })?;

    let mut files = Vec::new();
    walk(template, Path::new(""), &targets, &mut files)?;
    in_parallel(&files, |file| {
        let source = template.join(file);
        let content = fs::read(&source)?;
        let mode = fs::metadata(&source)?.permissions().mode();
        for target in &targets {
            let path = target.join(file);
            fs::write(&path, &content)?;
            if mode & 0o100 != 0 {
                fs::set_permissions(&path, Permissions::from_mode(mode))?;
            }
        }
        Ok(())
    })?;
    let index = fs::read(arguments.get("index")?)?;
    for target in &targets {
        let metadata = fs::read_to_string(target.join(".git"))?;
        let metadata = metadata.trim().strip_prefix("gitdir: ").ok_or("no gitdir in .git")?.to_owned();
        fs::write(Path::new(&metadata).join("index"), &index)?;
    }

    for target in &targets {
        Command::new(arguments.get("runner")?)
            .args(["--log", arguments.get("log")?, "--prompt", arguments.get("prompt")?])
            .arg("--folder")
            .arg(target)
            .arg(arguments.get("agent")?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
    }
    if let Some(socket) = arguments.find("tmux") {
        let mut tmux = Command::new("tmux");
        tmux.args(["-S", socket]);
        for number in 0..count.min(4) {
            if number > 0 {
                tmux.arg(";");
            }
            tmux.args([
                "split-window",
                "-d",
                "-h",
                "-l",
                "10",
                "-t",
                arguments.get("pane")?,
                arguments.get("view")?,
            ]);
        }
        tmux.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    }
    Ok(())
}
