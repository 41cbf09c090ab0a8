//! Exchanges with real tmux servers, and with programs that only look like one.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::server::{Server, programs, signal};
use orchflow_mux::backend::BackendError;
use orchflow_mux::backend::tmux::conversation::{Command, Conversation, Outcome, Socket};
use rustix::process::Signal;

fn with(server: &Server, limit: Duration) -> Conversation {
    Conversation::new(server.program.clone(), Socket::Path(server.socket.clone()), limit)
}

fn say(text: &str) -> Command {
    Command::new("display-message").args(["-p", text])
}

#[tokio::test]
async fn a_hundred_commands_get_their_own_replies() {
    for program in programs() {
        let server = Server::start(&program, 200, 50);
        let talk = with(&server, Duration::from_secs(10));
        let commands: Vec<Command> = (0..100)
            .map(|number| match number % 10 {
                7 => Command::new("kill-pane").args(["-t", &format!("%{}", 1000 + number)]),
                8 => Command::new("set-option").args(["-g", "@silent", "x"]),
                _ => say(&format!("{number} {}", "x".repeat(number * 10))),
            })
            .collect();
        let outcomes = talk.each(&commands).await.unwrap();
        assert_eq!(outcomes.len(), 100);
        for (number, outcome) in outcomes.into_iter().enumerate() {
            let expected = match number % 10 {
                7 => Outcome::Refused(format!("can't find pane: %{}", 1000 + number)),
                8 => Outcome::Done(Vec::new()),
                _ => Outcome::Done(vec![format!("{number} {}", "x".repeat(number * 10))]),
            };
            assert_eq!(outcome, expected, "command {number}");
        }
    }
}

#[tokio::test]
async fn a_sequence_stops_at_its_first_error() {
    for program in programs() {
        let server = Server::start(&program, 200, 50);
        let talk = with(&server, Duration::from_secs(10));
        let commands = [say("a"), Command::new("kill-pane").args(["-t", "%99"]), say("b")];
        let expected = [
            Outcome::Done(vec!["a".into()]),
            Outcome::Refused("can't find pane: %99".into()),
            Outcome::Skipped,
        ];
        assert_eq!(talk.until_error(&commands).await.unwrap(), expected);
        let error = talk.ask(&Command::new("no-such-command")).await.unwrap_err();
        assert_eq!(error.to_string(), "tmux refused no-such-command: unknown command: no-such-command");
        let late = [say("a"), Command::new("no-such-command"), say("b")];
        let outcomes = talk.each(&late).await.unwrap();
        assert!(
            matches!(&outcomes[1], Outcome::Refused(message) if message.contains("unknown command")),
            "{outcomes:?}"
        );
    }
}

#[tokio::test]
async fn no_server_is_started_by_asking() {
    for program in programs() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("none");
        let talk = Conversation::new(program, Socket::Path(socket.clone()), Duration::from_secs(10));
        let error = talk.ask(&say("a")).await.unwrap_err();
        let BackendError::NoServer { message, .. } = &error else { panic!("{error}") };
        assert!(!message.is_empty());
        assert!(!socket.exists());
    }
}

#[tokio::test]
async fn a_stopped_server_is_not_waited_for_for_ever() {
    for program in programs() {
        let server = Server::start(&program, 200, 50);
        assert!(signal(server.pid, Signal::STOP));
        let error = with(&server, Duration::from_millis(200)).ask(&say("a")).await.unwrap_err();
        assert!(signal(server.pid, Signal::CONT));
        assert!(matches!(error, BackendError::Unanswered { .. }), "{error}");
        let reply = with(&server, Duration::from_secs(10)).ask(&say("b")).await.unwrap();
        assert_eq!(reply, ["b"]);
    }
}

#[tokio::test]
async fn a_server_of_another_version_is_named_as_a_reason() {
    let programs = programs();
    let [system, newer] = programs.as_slice() else { return };
    for (one, other) in [(system, newer), (newer, system)] {
        let server = Server::start(one, 200, 50);
        let limit = Duration::from_millis(500);
        let talk = Conversation::new(other.clone(), Socket::Path(server.socket.clone()), limit);
        // Versions that understand each other are as good.
        if let Err(error) = talk.ask(&say("a")).await {
            assert!(error.to_string().contains("another version"), "{error}");
        }
        let reply = with(&server, Duration::from_secs(10)).ask(&say("b")).await.unwrap();
        assert_eq!(reply, ["b"], "the server has taken no harm");
    }
}

/// Writes a program that stands in for tmux.
fn stand_in(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("tmux");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn to(program: PathBuf) -> Conversation {
    Conversation::new(program, Socket::Name("orchflow-stand-in".into()), Duration::from_secs(10))
}

#[tokio::test]
async fn an_old_tmux_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = to(stand_in(folder.path(), "echo tmux 2.9a")).check_version().await.unwrap_err();
    assert!(error.to_string().starts_with("tmux is \"tmux 2.9a\", and 3.2 or newer is needed"), "{error}");
    let error = to(folder.path().join("absent")).check_version().await.unwrap_err();
    assert!(matches!(error, BackendError::ProgramMissing { .. }), "{error}");
}

#[tokio::test]
async fn a_program_that_talks_nonsense_is_no_server() {
    let folder = tempfile::tempdir().unwrap();
    for script in [
        "head -c 3000000 /dev/urandom",
        "printf '%%begin 1 1 0\\n%%end 1 1 0\\n%%exit\\n'",
        "printf '%%begin 1 1 0\\nnever ends'",
        "exec >&- ; echo gone >&2 ; exit 1",
        "head -c 100000 /dev/zero >&2",
    ] {
        let error = to(stand_in(folder.path(), script)).ask(&say("a")).await.unwrap_err();
        let BackendError::NoServer { message, .. } = &error else { panic!("{script}: {error}") };
        assert!(message.len() < 20_000, "{script}");
    }
}
