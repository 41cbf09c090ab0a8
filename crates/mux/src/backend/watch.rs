//! Notices that views close, from the kernel: the program of each view and the server are watched as
//! processes.
//!
//! A view stands as long as its program runs, wherever the user moves its pane, and the kernel tells at
//! once when that ends, whatever the terminal program and its version, without a connection to its server and
//! without asking it again and again.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::backend::{BackendError, ViewEvent, ViewId, ViewInfo};

/// Watches views and tells of each one's end once.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Mutex<Watched>>,
    events: Mutex<Option<UnboundedReceiver<ViewEvent>>>,
    /// Ends the watching tasks together with this.
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Watched {
    views: HashSet<ViewId>,
    servers: HashSet<u32>,
    sender: UnboundedSender<ViewEvent>,
}

impl Default for Watch {
    /// Watches nothing yet.
    fn default() -> Self {
        let (sender, receiver) = unbounded_channel();
        let watched = Watched { views: HashSet::new(), servers: HashSet::new(), sender };
        Watch {
            shared: Arc::new(Mutex::new(watched)),
            events: Mutex::new(Some(receiver)),
            tasks: Mutex::new(JoinSet::new()),
        }
    }
}

impl Watch {
    /// Hands over the channel of events; the first caller gets it.
    pub fn events(&self) -> Option<UnboundedReceiver<ViewEvent>> {
        held(&self.events).take()
    }

    /// Says whether a view is watched.
    pub fn has(&self, view: &ViewId) -> bool {
        held(&self.shared).views.contains(view)
    }

    /// Begins to watch those views that `stands` knows; one that is watched already stays so.
    ///
    /// The server must have been asked what stands after the processes were taken hold of.
    pub fn begin(&self, holds: Vec<Hold>, stands: impl Fn(&ViewId) -> bool) {
        for Hold { view, processes } in holds {
            if !stands(&view) {
                continue;
            }
            match processes {
                Ok((program, server)) => self.begin_one(view, program, server),
                Err(error) => tracing::warn!(%view, %error, "the end of a view will not be noticed"),
            }
        }
    }

    /// Lists views by asking their server, and watches all of them from now on.
    ///
    /// # Errors
    ///
    /// What kept the server from answering.
    pub async fn all_of<Listing>(&self, list: impl Fn() -> Listing) -> Result<Vec<ViewInfo>, BackendError>
    where
        Listing: Future<Output = Result<Vec<ViewInfo>, BackendError>>,
    {
        let views = list().await?;
        let unwatched = views.iter().map(|view| view.id).filter(|view| !self.has(view));
        let holds: Vec<Hold> = unwatched.map(Hold::take).collect();
        if holds.is_empty() {
            return Ok(views);
        }
        // What still stands after its processes were taken hold of is what was taken hold of.
        let views = list().await?;
        self.begin(holds, |view| views.iter().any(|standing| standing.id == *view));
        Ok(views)
    }

    fn begin_one(&self, view: ViewId, program: Process, server: Process) {
        let (new_view, new_server) = {
            let mut watched = held(&self.shared);
            (watched.views.insert(view), watched.servers.insert(view.server_pid))
        };
        let mut tasks = held(&self.tasks);
        while tasks.try_join_next().is_some() {}
        if new_view {
            let shared = Arc::clone(&self.shared);
            tasks.spawn(async move {
                if ended(&program, view.pane_pid).await {
                    let mut watched = held(&shared);
                    if watched.views.remove(&view) {
                        watched.tell(ViewEvent::ViewClosed(view));
                    }
                }
            });
        }
        if new_server {
            let shared = Arc::clone(&self.shared);
            tasks.spawn(async move {
                if ended(&server, view.server_pid).await {
                    held(&shared).server_gone(view.server_pid);
                }
            });
        }
    }
}

/// A process that is held: its number cannot come to mean another one.
type Process = AsyncFd<OwnedFd>;

/// The processes of one view, the program's and the server's.
#[derive(Debug)]
pub struct Hold {
    view: ViewId,
    processes: io::Result<(Process, Process)>,
}

impl Hold {
    /// Takes hold of a view's processes as they are now.
    ///
    /// The view may have ended just before, and its number be another process's: only a server that is
    /// asked afterwards, and still has the view, makes sure. Where the processes are not seen from here, or
    /// the kernel (before Linux 5.3) cannot hold them, the view is not watched, and the log says so.
    pub fn take(view: ViewId) -> Self {
        let both = || Ok((process(view.pane_pid)?, process(view.server_pid)?));
        Hold { view, processes: both() }
    }
}

impl Watched {
    fn server_gone(&mut self, server_pid: u32) {
        self.servers.remove(&server_pid);
        let views: Vec<ViewId> = self.views.extract_if(|view| view.server_pid == server_pid).collect();
        self.tell(ViewEvent::ServerGone { server_pid, views });
    }

    fn tell(&self, event: ViewEvent) {
        // Nobody listens any more once the host has dropped its end.
        let _ = self.sender.send(event);
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe; an `OwnedFd` in an `AsyncFd` is neither closed nor replaced"
)]
fn process(pid: u32) -> io::Result<Process> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    AsyncFd::with_interest(pidfd_open(pid, PidfdFlags::empty())?, Interest::READABLE)
}

async fn ended(process: &Process, pid: u32) -> bool {
    match process.readable().await {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(pid, %error, "a view's process can no longer be watched");
            false
        }
    }
}

/// Nothing panics while these are locked, and what they hold is whole at every step.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;
    use crate::backend::PaneId;

    fn sleeper() -> Child {
        Command::new("sleep").arg("1000").spawn().unwrap()
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn each_view_is_told_of_once() {
        let (server, first, second) = (sleeper(), sleeper(), sleeper());
        let view = |number, program: &Child| ViewId {
            server_pid: server.id(),
            pane: PaneId(number),
            pane_pid: program.id(),
        };
        let (one, two) = (view(1, &first), view(2, &second));
        let watch = Watch::default();
        let mut events = watch.events().unwrap();
        assert!(watch.events().is_none());
        for view in [one, one, two] {
            watch.begin(vec![Hold::take(view)], |_| true);
        }
        let gone = view(3, &first);
        watch.begin(vec![Hold::take(gone)], |_| false);
        assert!(watch.has(&one) && !watch.has(&gone));
        end(first);
        assert_eq!(events.recv().await, Some(ViewEvent::ViewClosed(one)));
        assert!(Hold::take(one).processes.is_err());
        let server_pid = server.id();
        end(server);
        assert_eq!(events.recv().await, Some(ViewEvent::ServerGone { server_pid, views: vec![two] }));
        end(second);
        drop(watch);
        assert_eq!(events.recv().await, None);
    }

    #[tokio::test]
    async fn numbers_that_are_no_process_are_refused() {
        for pid in [0, u32::MAX, i32::MAX as u32] {
            let view = ViewId { server_pid: 1, pane: PaneId(1), pane_pid: pid };
            assert!(Hold::take(view).processes.is_err());
        }
    }
}
