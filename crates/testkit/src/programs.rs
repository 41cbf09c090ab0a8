//! Programs under test that cargo does not build by itself for a package's tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

/// Makes sure that a fresh `orchflow-hook` stands beside `orchflow`, where the program looks for it.
///
/// A package's tests bring only the package's own programs. The hook program is another package, so it is
/// built here when it is missing or older than its sources; `cargo build -p orchflow-hook` beforehand
/// saves the time.
///
/// # Panics
/// When it cannot be built.
pub fn build_hook(orchflow: &Path) -> PathBuf {
    let folder = orchflow.parent().unwrap();
    let hook = folder.join("orchflow-hook");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("hook");
    if is_fresh(&hook, &sources) {
        return hook;
    }
    // Many tests find out at once; one builds, the others wait for it.
    let lock = File::create(folder.join("orchflow-hook.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    if !is_fresh(&hook, &sources) {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--package", "orchflow-hook", "--manifest-path"]);
        cargo.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"));
        // `target/PROFILE/orchflow` names both the target folder and the profile.
        cargo.arg("--target-dir").arg(folder.parent().unwrap());
        if folder.file_name().is_some_and(|profile| profile == "release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "orchflow-hook cannot be built");
        // Cargo leaves a program alone whose sources were merely touched.
        File::options().write(true).open(&hook).unwrap().set_modified(SystemTime::now()).unwrap();
    }
    hook
}

fn is_fresh(program: &Path, sources: &Path) -> bool {
    let Ok(built) = fs::metadata(program).and_then(|metadata| metadata.modified()) else { return false };
    newest(sources).is_some_and(|newest| newest <= built)
}

fn newest(path: &Path) -> Option<SystemTime> {
    let metadata = fs::metadata(path).ok()?;
    if metadata.is_file() {
        return metadata.modified().ok();
    }
    fs::read_dir(path).ok()?.flatten().filter_map(|entry| newest(&entry.path())).max()
}
