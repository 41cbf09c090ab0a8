//! Opening views: ask what stands, plan, split in one sequence, then mark and watch what was opened.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use super::conversation::{Command, Outcome};
use super::pane::{self, AGENT_OPTION, IDENTITY_FORMAT, OWNER_OPTION, Pane};
use super::{Place, Tmux, set_title, words};
use crate::backend::layout::{self, Layout, MOST_VIEWS, Side, Size, Slot, Split};
use crate::backend::watch::Hold;
use crate::backend::{BackendError, Opened, PaneId, Reason, ViewId, ViewRequest};

/// The private server's session.
const SESSION: &str = "orchflow";
/// The size of the private session until someone attaches to it, in columns and rows.
const PRIVATE_SIZE: (&str, &str) = ("200", "50");

impl Tmux {
    /// Opens a view for each request, in order, and says for each one what became of it. The focus stays.
    pub async fn open_many(&self, requests: &[ViewRequest]) -> Vec<Opened> {
        if self.options.layout == Layout::None {
            return requests.iter().map(|_| Opened::Detached(Reason::NotWanted)).collect();
        }
        let _alone = self.opening.lock().await;
        let checked: Vec<Result<&ViewRequest, BackendError>> =
            requests.iter().map(|request| check(request).map(|()| request)).collect();
        let good: Vec<&ViewRequest> = checked.iter().flatten().copied().collect();
        let mut opened = match self.place(&good).await {
            Ok(opened) => opened,
            Err(error) => detached(good.len(), &Reason::from(error)),
        }
        .into_iter();
        let pick = |checked| match checked {
            Ok(_) => opened.next().unwrap_or(Opened::Detached(Reason::NotWanted)),
            Err(error) => Opened::Detached(Reason::from(error)),
        };
        checked.into_iter().map(pick).collect()
    }

    async fn place(&self, requests: &[&ViewRequest]) -> Result<Vec<Opened>, BackendError> {
        match &self.options.place {
            _ if requests.is_empty() => Ok(Vec::new()),
            Place::Beside { server_pid, pane, .. } => self.open_beside(*server_pid, *pane, requests).await,
            Place::Private { windows, .. } => self.open_private(*windows, requests).await,
        }
    }

    async fn open_beside(
        &self,
        server_pid: u32,
        editor: PaneId,
        requests: &[&ViewRequest],
    ) -> Result<Vec<Opened>, BackendError> {
        let panes = pane::read(&self.conversation.ask(&pane::around(editor)).await?)?;
        let Some(editor) =
            panes.iter().find(|pane| pane.id.pane == editor && pane.id.server_pid == server_pid)
        else {
            let message =
                String::from("the server the editor runs in is gone, and another has taken its place");
            return Err(BackendError::NoServer { socket: self.conversation.socket().to_string(), message });
        };
        if editor.zoomed {
            return Ok(detached(requests.len(), &Reason::Zoomed));
        }
        let views: Vec<&Pane> =
            panes.iter().filter(|pane| pane.owner.is_some() && pane.id != editor.id).collect();
        let sizes: Vec<Size> = views.iter().map(|pane| size(pane)).collect();
        let plan = layout::plan(self.options.layout, size(editor), &sizes, requests.len());
        let commands = splits(&panes, editor, &views, &plan.splits, requests);

        let mut opened = self.opened(&commands, requests, None).await?;
        let rest = requests.len() - opened.len();
        opened.extend(detached(rest, &(plan.rest)(size(editor))));
        Ok(opened)
    }

    /// Runs the commands that open the views of the first requests (the first of them perhaps open
    /// already), and gives what became of each.
    async fn opened(
        &self,
        commands: &[Command],
        requests: &[&ViewRequest],
        already: Option<ViewId>,
    ) -> Result<Vec<Opened>, BackendError> {
        let outcomes = match commands {
            [] => Vec::new(),
            commands => self.conversation.until_error(commands).await?,
        };
        let mut results: Vec<Result<ViewId, Arc<BackendError>>> = already.into_iter().map(Ok).collect();
        let mut failure: Option<Arc<BackendError>> = None;
        for (outcome, command) in outcomes.into_iter().zip(commands) {
            let identity = match (outcome, &failure) {
                // What was not run has the reason of what stopped it.
                (Outcome::Skipped, Some(failure)) => Err(Arc::clone(failure)),
                (outcome, _) => outcome
                    .output(command)
                    .and_then(|lines| pane::identity(command, &lines))
                    .map_err(Arc::new),
            };
            if let Err(error) = &identity {
                failure.get_or_insert_with(|| Arc::clone(error));
            }
            results.push(identity);
        }
        let views: Vec<(ViewId, &ViewRequest)> = results
            .iter()
            .zip(requests)
            .filter_map(|(result, request)| Some((*result.as_ref().ok()?, *request)))
            .collect();
        let standing = self.settle(&views).await?;
        Ok(results
            .into_iter()
            .map(|result| match result {
                Ok(view) if standing.contains(&view) => Opened::View(view),
                Ok(_) => Opened::Detached(Reason::from(BackendError::EndedAtOnce)),
                Err(error) => Opened::Detached(Reason::Failed(error)),
            })
            .collect())
    }

    /// Marks, names and watches new views; gives those that stand.
    async fn settle(&self, views: &[(ViewId, &ViewRequest)]) -> Result<Vec<ViewId>, BackendError> {
        if views.is_empty() {
            return Ok(Vec::new());
        }
        let holds: Vec<Hold> = views.iter().map(|(view, _)| Hold::take(*view)).collect();
        let mut commands: Vec<Command> =
            views.iter().flat_map(|(view, request)| self.marks(view.pane, request)).collect();
        commands.push(pane::everywhere());
        // A view whose program has left refuses its marks; the list at the end says which ones stand.
        let panes = match self.conversation.each(&commands).await {
            Ok(mut outcomes) => {
                let list = outcomes.pop().unwrap_or(Outcome::Skipped);
                pane::read(&list.output(&pane::everywhere())?)?
            }
            // The server ends with its last program.
            Err(BackendError::NoServer { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };

        let stands = |view: &ViewId| panes.iter().any(|pane| pane.id == *view && !pane.dead);
        self.watch.begin(holds, stands);
        // With `remain-on-exit` on, a program that left before the mark above leaves its pane behind.
        let is_ours = |pane: &&Pane| views.iter().any(|(view, _)| pane.id.pane == view.pane);
        let left: Vec<Command> = panes
            .iter()
            .filter(|pane| pane.dead)
            .filter(is_ours)
            .map(|pane| Command::new("kill-pane").args(["-t", &pane.id.pane.to_string()]))
            .collect();
        if !left.is_empty() {
            self.conversation.each(&left).await?;
        }
        Ok(views.iter().map(|(view, _)| *view).filter(stands).collect())
    }

    fn marks(&self, pane: PaneId, request: &ViewRequest) -> [Command; 4] {
        let option = |name: &str, value: &str| {
            Command::new("set-option").args(["-p", "-t", &pane.to_string(), name, value])
        };
        [
            option("remain-on-exit", "off"),
            option(OWNER_OPTION, &words::label(&self.options.owner)),
            option(AGENT_OPTION, &words::label(&request.agent)),
            set_title(pane, &request.title),
        ]
    }

    async fn open_private(
        &self,
        windows: bool,
        requests: &[&ViewRequest],
    ) -> Result<Vec<Opened>, BackendError> {
        let each = if windows { 1 } else { MOST_VIEWS };
        let mut opened = Vec::with_capacity(requests.len());
        for together in requests.chunks(each) {
            let Some((first, others)) = together.split_first() else { continue };
            let view = match self.open_window(first).await {
                Ok(view) => view,
                Err(error) => {
                    opened.extend(detached(together.len(), &Reason::from(error)));
                    continue;
                }
            };
            let target = view.pane.to_string();
            let arrangement = match self.options.layout {
                Layout::Stacked => "even-vertical",
                Layout::Tiled | Layout::None => "tiled",
            };
            let mut commands = Vec::new();
            for request in others {
                let split = Command::new("split-window").args(["-d", "-t", &target]);
                commands.push(with_program(split, request));
            }
            let arrange = Command::new("select-layout").args(["-t", &target, arrangement]);
            opened.extend(self.opened(&commands, together, Some(view)).await?);
            if !commands.is_empty() {
                // Fails only if all of them have left already, and then there is nothing to arrange.
                self.conversation.each(&[arrange]).await?;
            }
        }
        Ok(opened)
    }

    /// Opens a window in the private session; makes the session, and the server, where there is none.
    async fn open_window(&self, request: &ViewRequest) -> Result<ViewId, BackendError> {
        let name = words::literal(OsStr::new(&words::title(&request.title)));
        let session = format!("={SESSION}");
        let has_session = Command::new("has-session").args(["-t", &session]);
        let (command, lines) = match self.conversation.ask(&has_session).await {
            Ok(_) => {
                let target = format!("{session}:");
                let window = Command::new("new-window").args(["-d", "-t", &target, "-n"]).arg(name);
                let command = with_program(window, request);
                let lines = self.conversation.ask(&command).await?;
                (command, lines)
            }
            Err(BackendError::Refused { .. } | BackendError::NoServer { .. }) => {
                let (columns, rows) = PRIVATE_SIZE;
                let window = Command::new("new-session")
                    .args(["-d", "-s", SESSION, "-x", columns, "-y", rows, "-n"])
                    .arg(name);
                let command = with_program(window, request);
                let lines = self.conversation.start(&command).await?;
                (command, lines)
            }
            Err(error) => return Err(error),
        };
        pane::identity(&command, &lines)
    }
}

fn detached(count: usize, reason: &Reason) -> Vec<Opened> {
    (0..count).map(|_| Opened::Detached(reason.clone())).collect()
}

fn size(pane: &Pane) -> Size {
    Size { width: pane.width, height: pane.height }
}

/// A pane in the order of its window, which a plan's splits change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seat {
    Known(PaneId),
    New(usize),
}

/// Writes the splits as commands. A pane that an earlier split opens has no known id yet, but a known
/// place: tmux puts a new pane right after the one it was split from.
fn splits(
    panes: &[Pane],
    editor: &Pane,
    views: &[&Pane],
    splits: &[Split],
    requests: &[&ViewRequest],
) -> Vec<Command> {
    let first_index = panes.first().map_or(0, |pane| pane.index as usize);
    let mut seats: Vec<Seat> = panes.iter().map(|pane| Seat::Known(pane.id.pane)).collect();
    let mut commands = Vec::with_capacity(splits.len());
    for split in splits {
        let from = match split.from {
            Slot::Editor => Some(Seat::Known(editor.id.pane)),
            Slot::Standing(index) => views.get(index).map(|pane| Seat::Known(pane.id.pane)),
            Slot::New(view) => Some(Seat::New(view)),
        };
        let place = from.and_then(|from| Some((from, seats.iter().position(|seat| *seat == from)?)));
        let (Some((from, position)), Some(request)) = (place, requests.get(split.view)) else { break };
        seats.insert(position + 1, Seat::New(split.view));
        let target = match from {
            Seat::Known(pane) => pane.to_string(),
            Seat::New(_) => format!("{}.{}", editor.window, first_index + position),
        };
        let side = match split.side {
            Side::Right => "-h",
            Side::Below => "-v",
        };
        let command = Command::new("split-window");
        let command = command.args(["-d", side, "-l", &split.cells.to_string(), "-t", &target]);
        commands.push(with_program(command, request));
    }
    commands
}

/// Checks that a request can be given to tmux as it is.
fn check(request: &ViewRequest) -> Result<(), BackendError> {
    let bad = |why| Err(BackendError::BadArgument { what: "a view's program", why });
    match request.argv.as_slice() {
        [] => return bad("it is empty"),
        [program] if program.as_bytes().contains(&b'=') || program.as_bytes().starts_with(b"-") => {
            return bad("a program without arguments must not begin with `-` or hold a `=`");
        }
        _ => {}
    }
    with_program(Command::new("split-window"), request).check()
}

/// Adds what all commands that open a pane have in common.
fn with_program(command: Command, request: &ViewRequest) -> Command {
    let command = command
        .args(["-P", "-F", IDENTITY_FORMAT, "-c"])
        .arg(words::literal(request.cwd.as_os_str()))
        .arg("--");
    // tmux gives a single word to a shell, several to the system.
    let command = if request.argv.len() == 1 { command.arg("env") } else { command };
    command.args(&request.argv)
}
