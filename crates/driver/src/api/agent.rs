//! The loop that makes an agent of a model: prompt in, model asked, tools used, until it has nothing left to do.

mod settings;
mod speech;
#[cfg(test)]
mod tests;
mod turn;
mod using;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use orchflow_core::{Timestamp, report::Report};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::briefing::briefing;
use super::fault::{Fault, one_line};
use super::history::History;
use super::key::{self, Found};
use super::message::ToolSpec;
use super::store::Store;
use super::tools::{self, Toolbox};
use super::transport::{Limits, Patience, Route, Transport};
use crate::backend::{Backend, Happening, Outlet};

pub use settings::Settings;

/// How long a turn that was interrupted may take to end when the agent leaves.
const FAREWELL: Duration = Duration::from_secs(3);

/// What an earlier run of the agent left undone.
const CUT_OFF: &str = "the agent was ended before this came to its end; whether it was done is not known, look before you repeat it";

/// A model as an agent.
#[derive(Debug)]
pub struct ApiBackend {
    settings: Settings,
    prompts: Option<Sender<(String, CancellationToken)>>,
    worker: Option<JoinHandle<()>>,
    turn: CancellationToken,
}

impl ApiBackend {
    /// Prepares an agent; nothing is asked before it is started.
    pub fn new(settings: Settings) -> ApiBackend {
        ApiBackend { settings, prompts: None, worker: None, turn: CancellationToken::new() }
    }
}

impl Backend for ApiBackend {
    fn start(&mut self, outlet: Outlet) {
        let (prompts, arriving) = channel();
        let settings = self.settings.clone();
        self.prompts = Some(prompts);
        self.worker = Some(thread::spawn(move || work(settings, outlet, &arriving)));
    }

    fn prompt(&mut self, text: &str) {
        self.turn = CancellationToken::new();
        if let Some(prompts) = &self.prompts {
            let _ = prompts.send((text.to_owned(), self.turn.clone()));
        }
    }

    fn cancel(&mut self) {
        self.turn.cancel();
    }

    fn close(&mut self) {
        self.turn.cancel();
        self.prompts = None;
        let deadline = Instant::now() + FAREWELL;
        while self.worker.as_ref().is_some_and(|worker| !worker.is_finished()) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn work(settings: Settings, outlet: Outlet, prompts: &Receiver<(String, CancellationToken)>) {
    let title = settings.title.clone();
    match Agent::open(settings, outlet.clone()) {
        Err(fault) => outlet.tell(Happening::Gone(Some(format!("{title}: {fault}")))),
        Ok(mut agent) => {
            for (prompt, cancel) in prompts {
                let end = agent.turn(&prompt, &cancel);
                outlet.tell(Happening::TurnEnded(end));
            }
        }
    }
}

/// An agent at work.
struct Agent {
    settings: Settings,
    outlet: Outlet,
    runtime: Runtime,
    transport: Transport,
    key: Option<Found>,
    toolbox: Toolbox,
    specs: Vec<ToolSpec>,
    system: String,
    history: History,
    store: Store,
    /// Counts the messages of this process, to tell them and their calls apart.
    messages: u64,
    /// Whether the human was told that the conversation cannot be kept.
    warned: bool,
}

impl Agent {
    fn open(settings: Settings, outlet: Outlet) -> Result<Agent, Fault> {
        let api = &settings.api;
        let key = key::find(&api.key, &|name| std::env::var(name).ok())?;
        if key.is_some() {
            // What it runs is the same user: the environment this process was started with is closed to it.
            let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        }
        let route = Route { base_url: settings.base_url(), proxy: api.proxy.clone() };
        let limits = Limits {
            connect: Duration::from_secs(api.connect_s),
            idle: Duration::from_secs(api.idle_s),
            whole: Duration::from_secs(api.whole_s),
        };
        let patience = Patience { attempts: api.attempts, ..Patience::default() };
        let transport = Transport::new(&route, limits, patience)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| settings::broken(format!("no requests can be made: {error}")))?;
        let run_limit = Duration::from_secs(api.run_s);
        let secret = key.as_ref().map(|found| found.secret.clone());
        let hidden = settings.hidden();
        let toolbox = Toolbox::new(&settings.worktree, api.approve, run_limit, secret, hidden)
            .map_err(settings::broken)?;
        let system = briefing(&settings.title, toolbox.root(), &api.system);
        let store = Store::new(&settings.folder);
        let (history, trouble) = settings.history(&store);
        let agent = Agent {
            specs: tools::specs(run_limit),
            outlet,
            runtime,
            transport,
            key,
            toolbox,
            system,
            store,
            messages: 0,
            warned: false,
            history,
            settings,
        };
        if let Some(trouble) = &trouble {
            agent.note(&format!("{trouble}; it begins a new conversation"));
        }
        let resumed = agent.settings.resume.is_some() && trouble.is_none();
        let place =
            agent.key.as_ref().map_or_else(|| "no key".to_owned(), |key| format!("key from {}", key.place));
        let about =
            format!("{}: {} at {}, {place}", agent.settings.title, agent.settings.api.model, route.base_url);
        let session = agent.history.session.clone();
        agent.outlet.tell(Happening::Ready { session, resumed, about });
        Ok(agent)
    }

    fn note(&self, text: &str) {
        self.outlet.tell(Happening::Note(text.to_owned()));
    }

    fn report(&self, report: Report) {
        self.outlet.tell(Happening::Report(report));
    }

    /// Keeps the conversation; the human is told once where that fails, since the work goes on.
    fn save(&mut self) {
        if let Err(error) = self.store.save(&self.history)
            && !self.warned
        {
            self.warned = true;
            self.note(&format!(
                "the conversation cannot be kept ({error}); after a crash it cannot be taken up"
            ));
        }
    }
}

/// Tells of a limit that was reached, with the time it ends where the provider told one.
fn limit_report(fault: &Fault) -> Option<Report> {
    let limit = fault.kind.limit()?;
    let resets_at = fault.answers_in.and_then(|wait| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Timestamp(i64::try_from((now + wait).as_micros()).ok()?))
    });
    Some(Report::LimitReached { limit, message: one_line(&fault.message), resets_at })
}
