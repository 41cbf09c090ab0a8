//! Views in wezterm: a fake one that behaves as the real one was measured, and a real one where it is on the `PATH`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may panic")]

mod real;
mod troubles;
mod views;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use orchflow_mux::backend::layout::Layout;
use orchflow_mux::backend::wezterm::{Place, Wezterm, WeztermError, WeztermOptions};
use orchflow_mux::backend::{Opened, PaneId, ViewId, ViewRequest};
use orchflow_testkit::{FakeWezterm, become_wezterm};

/// Waits no longer for anything than a failing test may.
const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn wezterm_process() {
    become_wezterm();
}

/// A fake wezterm whose editor's pane has a size in columns and rows.
struct Scene {
    wezterm: FakeWezterm,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(columns: u16, rows: u16) -> Scene {
        let folder = tempfile::Builder::new().prefix("wez views ").tempdir().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let wezterm = FakeWezterm::start(
            folder.path(),
            "wezterm_process",
            (columns, rows),
            &["sleep", "1000"],
            &[(OsString::from("PATH"), path)],
        );
        Scene { wezterm, folder }
    }

    fn options(&self, owner: &str) -> WeztermOptions {
        let place = Place { socket: self.wezterm.socket(), pane: PaneId(0) };
        let mut options = WeztermOptions::new(place, owner);
        options.program = self.wezterm.program();
        options
    }

    async fn backend(&self, owner: &str) -> Wezterm {
        self.with(self.options(owner)).await.unwrap()
    }

    async fn with(&self, options: WeztermOptions) -> Result<Wezterm, WeztermError> {
        Wezterm::new(options).await
    }

    fn request(&self, agent: &str) -> ViewRequest {
        request(agent, &["sleep", "1000"], self.folder.path())
    }
}

fn request(agent: &str, argv: &[&str], cwd: &Path) -> ViewRequest {
    ViewRequest {
        agent: agent.to_owned(),
        title: agent.to_owned(),
        argv: argv.iter().map(OsString::from).collect(),
        cwd: cwd.to_owned(),
    }
}

fn views(opened: &[Opened]) -> Vec<ViewId> {
    opened.iter().filter_map(Opened::view).collect()
}

fn reasons(opened: &[Opened]) -> Vec<String> {
    let reason = |opened: &Opened| match opened {
        Opened::View(_) => None,
        Opened::Detached(reason) => Some(reason.to_string()),
    };
    opened.iter().filter_map(reason).collect()
}

fn stacked(mut options: WeztermOptions) -> WeztermOptions {
    options.layout = Layout::Stacked;
    options
}
