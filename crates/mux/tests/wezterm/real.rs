//! A real wezterm's headless mux server, where there is one.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use orchflow_mux::backend::wezterm::{Place, Wezterm, WeztermOptions};
use orchflow_mux::backend::{PaneId, ViewEvent};
use orchflow_testkit::eventually;
use tokio::time::timeout;

use crate::{DEADLINE, reasons, request, views};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts one of our own, whose window is as large as the test needs.
fn start(folder: &Path) -> Option<Server> {
    let configuration = format!(
        "return {{ initial_cols = 200, initial_rows = 50, default_prog = {{ 'sleep', '1000' }}, \
         unix_domains = {{ {{ name = 'unix', socket_path = '{}/sock' }} }} }}",
        folder.display()
    );
    std::fs::write(folder.join("wz.lua"), configuration).unwrap();
    let mut server = Command::new("wezterm-mux-server");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WEZTERM_") {
            server.env_remove(name);
        }
    }
    server.env("HOME", folder).env("XDG_RUNTIME_DIR", folder).arg("--config-file").arg(folder.join("wz.lua"));
    server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    server.spawn().ok().map(Server)
}

#[tokio::test]
async fn views_open_and_close_in_a_real_wezterm() {
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !has("wezterm") || !has("wezterm-mux-server") {
        println!("SKIPPED: a real wezterm: wezterm and wezterm-mux-server are not both on the PATH");
        return;
    }
    let folder = tempfile::Builder::new().prefix("wez").tempdir().unwrap();
    let Some(_server) = start(folder.path()) else {
        println!("SKIPPED: a real wezterm: its mux server does not start");
        return;
    };
    let socket = folder.path().join("sock");
    eventually("the mux server listens", || std::os::unix::net::UnixStream::connect(&socket).ok());
    let options = WeztermOptions::new(Place { socket, pane: PaneId(0) }, "key");
    let backend = Wezterm::new(options).await.unwrap();
    let mut events = backend.events().unwrap();
    let requests: Vec<_> =
        ["1/a", "1/b"].map(|agent| request(agent, &["sleep", "1000"], folder.path())).into();
    let opened = backend.open_many(&requests).await;
    if views(&opened).is_empty() && reasons(&opened).iter().all(|why| why.contains("columns wide")) {
        println!("SKIPPED: a real wezterm: its window is narrower than was asked for");
        return;
    }
    let opened = views(&opened);
    assert_eq!(opened.len(), 2);
    assert_eq!(backend.list().await.unwrap().len(), 2);
    backend.focus(&opened[0]).await.unwrap();
    backend.close(&opened[0]).await.unwrap();
    assert_eq!(timeout(DEADLINE, events.recv()).await.unwrap(), Some(ViewEvent::ViewClosed(opened[0])));
}
