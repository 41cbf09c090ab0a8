//! `kill -9` of what looks on, at random points of a swarm: tmux servers that hold its views, editors that
//! started it, and both with the host in one go.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use orchflow_testkit::{Process, Sandbox, lives, wait_for};
use rustix::process::{Pid, Signal, kill_process};

use crate::crash::{Dice, WORKER, Witness, check};
use crate::tmux::{Server, programs};
use crate::{ORCHFLOW, sandbox};

/// The agents of one swarm.
const AGENTS: &str = "worker,worker";

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victims {
    Server,
    Editor,
    All,
}

/// What starts the swarm.
#[derive(Debug, Clone)]
enum Front {
    Shell,
    /// Neovim inside tmux, so that the views are panes.
    Editor(PathBuf),
    /// Neovim that knows of no tmux, so that the views are windows of its own.
    LonelyEditor(PathBuf),
}

/// The Neovims to try, by the variables that tests are told of them.
fn editors() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in ["ORCHFLOW_NVIM_010", "ORCHFLOW_NVIM_012"] {
        match std::env::var_os(name).map(PathBuf::from).filter(|nvim| nvim.exists()) {
            Some(nvim) => found.push(nvim),
            None => println!("skipped: a killed Neovim: {name} names none"),
        }
    }
    found
}

fn plugin() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The words that start Neovim with the plugin and nothing of the user's.
fn neovim(nvim: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![nvim.into()];
    words.extend(["--clean", "-u", "NONE", "-n", "-i", "NONE", "--cmd"].map(OsString::from));
    let runtime = plugin().display().to_string().replace(['\\', ' ', ','], "?");
    words.push(format!("set noswapfile shortmess+=I runtimepath^={runtime}").into());
    words.push("--cmd".into());
    words.push(format!("let g:orchflow = {{ 'binary': '{ORCHFLOW}' }}").into());
    words.extend(["-c", "runtime plugin/orchflow.lua"].map(OsString::from));
    words
}

/// Starts the front in a terminal of its own, and the swarm from it.
fn start<'a>(sandbox: &'a Sandbox, tmux: &Path, front: &Front) -> Server<'a> {
    let (nvim, lonely) = match front {
        Front::Shell => {
            let server = Server::start(sandbox, tmux, 200);
            let line = format!("'{ORCHFLOW}' swarm --agents {AGENTS} begin");
            server.ask(&["send-keys", "-t", "%0", &line, "Enter"]);
            return server;
        }
        Front::Editor(nvim) => (nvim, false),
        Front::LonelyEditor(nvim) => (nvim, true),
    };
    let mut words: Vec<OsString> = vec!["env".into()];
    if lonely {
        words.extend(["-u", "TMUX", "-u", "TMUX_PANE"].map(OsString::from));
    }
    words.extend(neovim(nvim));
    words.push("-c".into());
    words.push(format!("Orchflow swarm --agents {AGENTS} begin").into());
    let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
    Server::running(sandbox, tmux, 200, &words)
}

fn kill(pids: &[i32]) {
    for pid in pids {
        let _ = kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL);
    }
}

/// The Neovims of the sandbox.
fn living_editors(sandbox: &Sandbox) -> Vec<i32> {
    let is_nvim = |process: &&Process| process.words.iter().any(|word| word.contains("Orchflow swarm"));
    sandbox.processes().iter().filter(is_nvim).map(|process| process.pid).collect()
}

fn round(victims: Victims, tmux: &Path, front: &Front, seed: u64, crashes: u64) {
    let sandbox = sandbox();
    let mut dice = Dice::new(seed);
    println!("{victims:?} of {front:?} in {}", tmux.display());
    sandbox.add_rehearsal("worker", WORKER);
    let mut witness = Witness::new(&sandbox);
    let mut prompts = BTreeSet::new();
    for crash in 0..crashes {
        let runs = witness.count("run_started");
        let server = start(&sandbox, tmux, front);
        let server_pid = server.pid();
        // One crash hits views that stand, most of the others a swarm that has begun, some its beginning.
        if crash == 0 {
            wait_for("a view stands", || witness.count("view_opened") > 0);
        } else if dice.roll(4) != 0 {
            wait_for("the swarm begins", || witness.count("run_started") > runs);
        }
        witness.wait_for_events(dice.roll(60) as usize);
        std::thread::sleep(std::time::Duration::from_micros(dice.roll(3000)));
        let mut pids = Vec::new();
        if victims != Victims::Server {
            pids.extend(living_editors(&sandbox));
        }
        if victims != Victims::Editor {
            pids.push(server_pid);
        }
        if victims == Victims::All {
            pids.extend(sandbox.hosts().iter().map(|host| host.pid));
        }
        kill(&pids);
        wait_for("the killed are gone", || pids.iter().all(|pid| !lives(*pid)));
        // Whoever comes next finds a host that answers, and can speak to the agents.
        if let Some(row) = sandbox.status().iter().rfind(|row| row["living"] == true) {
            let name = row["agent"].as_str().unwrap().to_owned();
            let text = format!("prompt {crash}");
            let sent = sandbox.orchflow(["send", "--json", row["key"].as_str().unwrap(), &text]);
            assert_eq!(sent.code, 0, "an agent that lives is told: {sent:?}");
            prompts.insert((name, text));
        }
        drop(server);
        wait_for("nothing is counted as shown where nothing shows it", || {
            sandbox.status().iter().all(|row| row["pane"].is_null())
        });
    }
    if sandbox.status().is_empty() {
        // Each crash came before anything was asked for.
        sandbox.orchflow(["swarm", "--json", "--agents", "worker", "begin"]).expect(0);
    }
    let runs: BTreeSet<u64> = sandbox
        .data_of(["status", "--all", "--json"])
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["run"].as_u64().unwrap())
        .collect();
    for run in runs {
        let waited = sandbox.orchflow(["wait", "--json", "--timeout", "40s", "--run", &run.to_string()]);
        // A prompt that was being written when its host died is known not to have arrived; that is a negative result.
        let lost = sandbox.status().iter().any(|row| row["undelivered"] != 0);
        let expected = if lost && victims == Victims::All { 0..=1 } else { 0..=0 };
        assert!(
            expected.contains(&waited.code),
            "the run comes to rest: {waited:?}\n{:#?}",
            sandbox.status()
        );
    }
    check(&sandbox, &mut witness, &prompts, false);
    stand(&sandbox);
    let views = sandbox.events(&["view_opened"]).len();
    let refused = sandbox.events(&["view_not_opened"]);
    let reasons: BTreeSet<&str> =
        refused.iter().filter_map(|event| event["data"]["reason"].as_str()).collect();
    println!("{views} views opened, {} refused: {reasons:#?}", refused.len());
    if let Front::Editor(nvim) | Front::LonelyEditor(nvim) = front {
        next_editor(&sandbox, nvim);
    }
    drop(witness);
    sandbox.leave_nothing();
    assert_eq!(sandbox.repository.git(["status", "--porcelain"]), "");
}

/// Every agent worked to the end of what it was told; its worktree and its last checkpoint stand.
fn stand(sandbox: &Sandbox) {
    for row in sandbox.status() {
        assert_eq!(row["living"], true, "{row}");
        if row["undelivered"] != 0 && row["turn"] == 0 {
            continue;
        }
        assert!(row["status"] == "done" || row["undelivered"] != 0, "{row}");
        let worktree = Path::new(row["worktree"].as_str().unwrap());
        let name = row["agent"].as_str().unwrap();
        let work = std::fs::read_to_string(worktree.join(format!("work-{name}.txt"))).unwrap();
        let turns = row["turn"].as_u64().unwrap() as usize;
        assert_eq!(work, "one\ntwo\n".repeat(turns), "{row}");
        let kept = format!("refs/orchflow/agents/{}:work-{name}.txt", row["key"].as_str().unwrap());
        assert_eq!(sandbox.repository.git(["show", &kept]), work, "its checkpoint holds its work");
    }
}

/// A Neovim that starts after it all sees the agents.
fn next_editor(sandbox: &Sandbox, nvim: &Path) {
    let words = neovim(nvim);
    let mut command = sandbox.command(&words[0]);
    command.args(&words[1..]).args(["--headless", "-c", "Orchflow status", "-c", "qa!"]);
    let said = sandbox.run(command).expect(0).stdout;
    for row in sandbox.status() {
        assert!(said.contains(row["agent"].as_str().unwrap()), "{said}");
    }
}

#[test]
fn a_swarm_survives_tmux_servers_that_are_killed() {
    for (number, tmux) in programs().iter().enumerate() {
        round(Victims::Server, tmux, &Front::Shell, 0x5eed_2001 + number as u64, 4);
    }
}

#[test]
fn a_swarm_survives_the_neovim_in_tmux_that_started_it() {
    for (number, nvim) in editors().into_iter().enumerate() {
        for tmux in programs().iter().take(1) {
            round(Victims::Editor, tmux, &Front::Editor(nvim.clone()), 0x5eed_3001 + number as u64, 3);
        }
    }
}

#[test]
fn a_swarm_survives_the_neovim_without_tmux_that_started_it() {
    for (number, nvim) in editors().into_iter().enumerate() {
        for tmux in programs().iter().take(1) {
            round(Victims::Editor, tmux, &Front::LonelyEditor(nvim.clone()), 0x5eed_4001 + number as u64, 3);
        }
    }
}

#[test]
fn a_swarm_survives_host_neovim_and_tmux_killed_at_once() {
    for (number, nvim) in editors().into_iter().enumerate() {
        for tmux in programs().iter().rev().take(1) {
            let seed = 0x5eed_5001 + number as u64;
            round(Victims::All, tmux, &Front::Editor(nvim.clone()), seed, 3);
        }
    }
}
