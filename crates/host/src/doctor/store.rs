//! How the store is.

use std::ffi::OsString;
use std::path::Path;

use orchflow_store::WAL_LIMIT;

use super::Finding;
use crate::paths::RepositoryFolders;

const MB: u64 = 1024 * 1024;

pub(super) fn look(folders: &RepositoryFolders, read_only: Option<String>) -> Vec<Finding> {
    let path = folders.store();
    let mut findings = Vec::new();
    if let Some(why) = read_only {
        findings.push(
            Finding::problem("store", format!("the store takes no writes: {why}"))
                .advice("agents work on; free space, and the host goes on by itself"),
        );
    }
    if !path.exists() {
        findings.push(Finding::note("store", "there is no log yet"));
        return findings;
    }
    match orchflow_store::verify::verify(&path) {
        Ok(verdict) => findings.push(match verdict.broken {
            None => {
                Finding::ok("store", format!("{} events, the chain holds; {}", verdict.checked, sizes(&path)))
            }
            Some((seq, why)) => {
                Finding::problem("store", format!("the log was changed: at event {seq} {why}")).advice(
                    format!("the log is {}; move it away and put an older copy in its place", path.display()),
                )
            }
        }),
        Err(error) => {
            findings.push(Finding::problem("store", error.to_string()).advice(format!(
                "the log is {}; keep it, and look at what holds or damaged it",
                path.display()
            )))
        }
    }
    let length = size(&wal(&path));
    if length > WAL_LIMIT {
        let what = format!(
            "the write-ahead log is {} MB long: somebody reads the store without an end",
            length / MB
        );
        findings.push(
            Finding::problem("store", what)
                .advice("orchflow status names the process; end it, and the log is folded into the store"),
        );
    }
    findings
}

fn sizes(path: &Path) -> String {
    format!("{} MB, and {} MB in its write-ahead log", size(path) / MB, size(&wal(path)) / MB)
}

fn wal(path: &Path) -> std::path::PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
