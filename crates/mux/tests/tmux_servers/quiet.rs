//! What the user's tmux must not notice of a backend.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use crate::server::{Server, next, programs, request, until, views};
use orchflow_mux::backend::ViewEvent;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// A user's terminal, attached to the server.
struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    shown: Arc<Mutex<Vec<u8>>>,
    _pty: Box<dyn MasterPty + Send>,
}

impl Terminal {
    fn attach(server: &Server, columns: u16, rows: u16) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(&server.program);
        command.args(["-u", "-S"]);
        command.arg(&server.socket);
        command.args(["attach-session", "-t", "work"]);
        for name in ["TMUX", "TMUX_PANE", "TMUX_TMPDIR"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        let child = pty.slave.spawn_command(command).unwrap();
        let keys = pty.master.take_writer().unwrap();
        let mut reader = pty.master.try_clone_reader().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&shown);
        // Ends with the terminal.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Terminal { child, keys, shown, _pty: pty.master }
    }

    fn type_keys(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
        self.keys.flush().unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_editor_is_still_told_of_its_focus() {
    for program in programs() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("focus");
        // Stands in for an editor that asks to be told of the focus, and writes down what it is told.
        let editor = format!("printf '\\033[?1004h'; stty raw -echo; exec cat >'{}'", log.display());
        let server = Server::start_with(&program, 200, 50, &["sh", "-c", &editor]);
        server.run(["set-option", "-g", "focus-events", "on"]);
        let mut terminal = Terminal::attach(&server, 200, 51);
        let told = |end: &str| std::fs::read_to_string(&log).is_ok_and(|text| text.ends_with(end));
        until("the editor has the focus", || told("\x1b[I")).await;

        let backend = server.backend().await;
        views(&backend.open_many(&[request("a"), request("b")]).await);
        terminal.type_keys(b"\x1b[O");
        until("the editor knows that it lost the focus", || told("\x1b[O")).await;
        backend.list().await.unwrap();
        assert!(told("\x1b[O"), "asking does not give the focus back");
        terminal.type_keys(b"\x1b[I");
        until("the editor knows that it has the focus again", || told("\x1b[I")).await;
        assert!(!terminal.shown.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn windows_keep_their_size_and_sessions_their_clients() {
    for program in programs() {
        let server = Server::start(&program, 200, 50);
        server.run(["set-option", "-g", "window-size", "smallest"]);
        server.run(["set-option", "-g", "status", "off"]);
        let _terminal = Terminal::attach(&server, 210, 60);
        until("the user's terminal sets the size", || server.ask(server.editor, "#{window_width}") == "210")
            .await;
        let backend = server.backend().await;
        let opened = views(&backend.open_many(&[request("a"), request("b")]).await);
        backend.focus(&opened[0]).await.unwrap();
        let state = server.ask(server.editor, "#{window_width}x#{window_height} #{session_attached}");
        assert_eq!(state, "210x60 1");
    }
}

#[tokio::test]
async fn a_session_that_ends_with_its_last_client_does() {
    for program in programs() {
        let server = Server::start(&program, 200, 50);
        let terminal = Terminal::attach(&server, 200, 51);
        until("the user is attached", || server.ask(server.editor, "#{session_attached}") == "1").await;
        server.run(["set-option", "-g", "destroy-unattached", "on"]);
        let backend = server.backend().await;
        let mut events = backend.events().unwrap();
        let mut left = views(&backend.open_many(&[request("a"), request("b")]).await);
        drop(terminal);
        while !left.is_empty() {
            match next("an event", events.recv()).await {
                ViewEvent::ViewClosed(closed) => left.retain(|view| *view != closed),
                ViewEvent::ServerGone { views, .. } => left.retain(|view| !views.contains(view)),
            }
        }
    }
}
