//! Accepts connections until the host is told to leave, or nobody needs it any more.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use orchflow_host::{Host, World};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::spawn_local;

use super::connection;

/// What connections share about the host's life.
#[derive(Default)]
pub struct Presence {
    /// Somebody asked the host to leave.
    pub leave: Notify,
    /// How many are connected.
    connected: Cell<usize>,
    changed: Notify,
    next_number: Cell<u64>,
}

impl Presence {
    /// Counts a connection in, until the guard goes. Gives the connection's number.
    fn enter(self: &Rc<Self>) -> (Entered, u64) {
        self.connected.set(self.connected.get() + 1);
        self.next_number.set(self.next_number.get() + 1);
        self.changed.notify_one();
        (Entered(Rc::clone(self)), self.next_number.get())
    }
}

struct Entered(Rc<Presence>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.connected.set(self.0.connected.get().saturating_sub(1));
        self.0.changed.notify_one();
    }
}

/// Serves the socket. Gives the reason for which the host leaves.
///
/// # Errors
/// When the system's signals cannot be waited for.
pub async fn serve(host: &Host, listener: UnixListener) -> std::io::Result<String> {
    let presence = Rc::new(Presence::default());
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let idle = idle(Arc::clone(&host.world), Rc::clone(&presence));
    tokio::pin!(idle);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (world, shared) = (Arc::clone(&host.world), Rc::clone(&presence));
                    spawn_local(async move {
                        let (entered, number) = shared.enter();
                        connection::serve(world, Rc::clone(&shared), stream, number).await;
                        drop(entered);
                    });
                }
                // Out of file descriptors, mostly: those that are open must be served and closed first.
                Err(error) => {
                    tracing::error!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            _ = terminate.recv() => return Ok("asked by SIGTERM".to_owned()),
            _ = interrupt.recv() => return Ok("interrupted".to_owned()),
            // The host belongs to no terminal; one that closes means nothing to it.
            _ = hangup.recv() => {}
            () = presence.leave.notified() => return Ok("asked by a front".to_owned()),
            () = &mut idle => return Ok("nobody needed it".to_owned()),
        }
    }
}

/// Ends once nobody was connected and no agent lived for the configured time.
async fn idle(world: Arc<World>, presence: Rc<Presence>) {
    let patience = Duration::from_secs(world.config.host.idle_exit_s.max(1));
    loop {
        if presence.connected.get() > 0 {
            presence.changed.notified().await;
            continue;
        }
        let quiet = tokio::time::timeout(patience, presence.changed.notified()).await.is_err();
        if !quiet || presence.connected.get() > 0 {
            continue;
        }
        let living = world.engine().ask(|state| state.agents.values().any(|agent| agent.is_living())).await;
        if living == Some(false) {
            return;
        }
    }
}
