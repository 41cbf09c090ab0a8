//! What is made from the command catalogue is what stands in the repository.
//!
//! `ORCHFLOW_UPDATE=1 cargo test -p orchflow --test generated` writes it anew.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn catalogue(format: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_orchflow")).args(["catalogue", format]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn hold(path: &Path, stands: &str, wanted: &str) {
    if stands == wanted {
        return;
    }
    if std::env::var_os("ORCHFLOW_UPDATE").is_some() {
        std::fs::write(path, wanted).unwrap();
        return;
    }
    let line = stands.lines().zip(wanted.lines()).position(|(a, b)| a != b).map_or(0, |line| line + 1);
    panic!(
        "{} differs from the command catalogue from line {line} on; run \
         ORCHFLOW_UPDATE=1 cargo test -p orchflow --test generated",
        path.display()
    );
}

#[test]
fn the_plugins_catalogue_is_that_of_the_binary() {
    let path = root().join("lua/orchflow/catalogue.lua");
    let stands = std::fs::read_to_string(&path).unwrap();
    hold(&path, &stands, &catalogue("lua"));
}

#[test]
fn the_reference_part_of_the_help_is_that_of_the_binary() {
    let path = root().join("doc/orchflow.txt");
    let stands = std::fs::read_to_string(&path).unwrap();
    let begin = format!("{:>78}\n\n", "*orchflow-commands-begin*");
    let end = format!("{:>78}\n", "*orchflow-commands-end*");
    let from =
        stands.find(begin.trim()).map(|at| stands[..at].rfind('\n').map_or(0, |line| line + 1)).unwrap();
    let to = stands.find(end.trim()).map(|at| at + end.trim().len() + 1).unwrap();
    let wanted = format!("{}{begin}{}{end}{}", &stands[..from], catalogue("help"), &stands[to..]);
    hold(&path, &stands, &wanted);
}

#[test]
fn every_key_of_the_configuration_file_is_in_the_help() {
    let help = std::fs::read_to_string(root().join("doc/orchflow.txt")).unwrap();
    for key in orchflow_host::config::KEYS {
        assert!(
            help.contains(&format!("{key} ")) || help.contains(&format!("{key}\n")),
            "{key} is not in :help orchflow"
        );
    }
}
