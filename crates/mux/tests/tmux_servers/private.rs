//! Views in a private tmux server.

use std::path::{Path, PathBuf};

use crate::server::{end, next, program, programs, reasons, request, tmux, views};
use orchflow_mux::backend::layout::Layout;
use orchflow_mux::backend::tmux::conversation::Socket;
use orchflow_mux::backend::tmux::{Place, Tmux, TmuxOptions};
use orchflow_mux::backend::{ViewEvent, ViewId};

/// A private server that is ended when this is dropped, if it has not ended by itself.
struct Private {
    program: PathBuf,
    folder: tempfile::TempDir,
    options: TmuxOptions,
    pid: Option<u32>,
}

impl Private {
    fn new(program: &Path, windows: bool, layout: Layout) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = Socket::Path(folder.path().join("socket"));
        let mut options = TmuxOptions::new(Place::Private { socket, windows }, "tests");
        options.program = program.to_owned();
        options.layout = layout;
        Private { program: program.to_owned(), folder, options, pid: None }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    async fn backend(&self) -> Tmux {
        Tmux::new(self.options.clone()).await.unwrap()
    }

    fn run(&self, words: &[&str]) -> String {
        let output = tmux(&self.program, &self.socket()).args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }

    fn keep_in_mind(&mut self, views: &[ViewId]) {
        self.pid = views.first().map(|view| view.server_pid);
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            end(&self.program, &self.socket(), pid);
        }
    }
}

#[tokio::test]
async fn views_are_windows_and_the_server_ends_with_the_last() {
    for program in programs() {
        let mut private = Private::new(&program, true, Layout::Tiled);
        let backend = private.backend().await;
        assert_eq!(backend.list().await.unwrap(), [], "nothing is started by asking");
        assert!(!private.socket().exists());

        let opened = views(&backend.open_many(&[request("a"), request("b"), request("c")]).await);
        private.keep_in_mind(&opened);
        let windows = private.run(&["list-windows", "-a", "-F", "#{session_name}:#{window_name}"]);
        assert_eq!(windows, "orchflow:title of a\norchflow:title of b\norchflow:title of c");
        let listed: Vec<_> = backend.list().await.unwrap().into_iter().map(|view| view.agent).collect();
        assert_eq!(listed, ["a", "b", "c"]);
        assert_eq!(views(&backend.open_many(&[request("d")]).await).len(), 1);
        backend.focus(&opened[1]).await.unwrap();
        assert_eq!(
            private.run(&["display-message", "-p", "-t", "orchflow", "#{pane_id}"]),
            opened[1].pane.to_string()
        );

        let later = private.backend().await;
        let mut events = later.events().unwrap();
        let listed = later.list().await.unwrap();
        for view in &listed {
            later.close(&view.id).await.unwrap();
        }
        let mut told = 0;
        loop {
            match next("an event", events.recv()).await {
                ViewEvent::ViewClosed(_) => told += 1,
                ViewEvent::ServerGone { views, .. } => {
                    told += views.len();
                    break;
                }
            }
        }
        assert_eq!(told, 4);
        assert_eq!(later.list().await.unwrap(), []);
    }
}

#[tokio::test]
async fn panes_share_windows_four_by_four() {
    for (program, layout) in programs()
        .into_iter()
        .flat_map(|program| [(program.clone(), Layout::Tiled), (program, Layout::Stacked)])
    {
        let mut private = Private::new(&program, false, layout);
        let backend = private.backend().await;
        let requests: Vec<_> = (0..6).map(|number| request(&format!("agent-{number}"))).collect();
        let opened = views(&backend.open_many(&requests).await);
        private.keep_in_mind(&opened);
        let counts = private.run(&["list-windows", "-a", "-F", "#{window_panes}"]);
        assert_eq!(counts, "4\n2");
        let sizes = private.run(&["list-panes", "-t", "orchflow:0", "-F", "#{pane_width}x#{pane_height}"]);
        let first = if layout == Layout::Tiled { "100x" } else { "200x" };
        assert!(sizes.starts_with(first) || sizes.starts_with("99x"), "{sizes}");
        let listed: Vec<_> = backend.list().await.unwrap().into_iter().map(|view| view.agent).collect();
        assert_eq!(listed.len(), 6);
    }
}

#[tokio::test]
async fn the_only_view_may_end_at_once() {
    for tmux in programs() {
        let private = Private::new(&tmux, true, Layout::Tiled);
        let backend = private.backend().await;
        let mut events = backend.events().unwrap();
        let opened = backend.open_many(&[program("a", &["/nowhere/at/all", "x"])]).await;
        match opened[0].view() {
            Some(_) => drop(next("an event", events.recv()).await),
            None => assert!(reasons(&opened)[0].contains("ended at once"), "{opened:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_started_does_not_know_of_a_tmux_around_it() {
    for tmux in programs() {
        let mut private = Private::new(&tmux, true, Layout::Tiled);
        let record = private.folder.path().join("environment");
        let script = format!("env >'{0}.part'; mv '{0}.part' '{0}'; exec sleep 1000", record.display());
        let opened = views(&private.backend().await.open_many(&[program("a", &["sh", "-c", &script])]).await);
        private.keep_in_mind(&opened);
        crate::server::until("the environment is written", || record.exists()).await;
        let environment = std::fs::read_to_string(record).unwrap();
        let inner: Vec<_> = environment.lines().filter(|line| line.starts_with("TMUX=")).collect();
        assert_eq!(inner.len(), 1);
        assert!(inner[0].contains(&*private.socket().to_string_lossy()), "{inner:?}");
    }
}
