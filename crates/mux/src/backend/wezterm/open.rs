//! Opening views: ask what stands, plan, split pane by pane, then find and watch the programs that were started.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::conversation::words;
use super::grammar::Pane;
use super::process::{self, mark};
use super::{Wezterm, WeztermError, standing};
use crate::backend::layout::{self, Layout, Side, Size, Slot, Split};
use crate::backend::watch::Hold;
use crate::backend::{BackendError, Opened, PaneId, Reason, ViewId, ViewRequest};

/// How long a new pane's program may take to be seen.
const APPEARANCE: Duration = Duration::from_secs(2);
/// How often is looked for it meanwhile.
const LOOK: Duration = Duration::from_millis(20);
/// How often those are tried again that another view's end left without a place, and how long is waited between.
const AGAIN: usize = 6;
const PAUSE: Duration = Duration::from_millis(50);

impl Wezterm {
    /// Opens a view for each request, in order, and says for each one what became of it. The focus stays.
    pub async fn open_many(&self, requests: &[ViewRequest]) -> Vec<Opened> {
        if self.options.layout == Layout::None {
            return detached(requests.len(), &Reason::NotWanted);
        }
        let _alone = self.opening.lock().await;
        let checked: Vec<Result<&ViewRequest, WeztermError>> =
            requests.iter().map(|request| check(request).map(|()| request)).collect();
        let good: Vec<&ViewRequest> = checked.iter().flatten().copied().collect();
        let mut opened = self.open_or_say(&good).await;
        // A pane whose program ended at once is none that others can be split from; it takes its room away with it,
        // though perhaps not at once.
        for attempt in 0..AGAIN {
            let lacks = |one: &Opened| was_refused(one) || (attempt > 0 && had_no_room(one));
            let again: Vec<usize> = match opened.iter().any(ended_at_once) {
                true => (0..opened.len()).filter(|index| opened.get(*index).is_some_and(lacks)).collect(),
                false => Vec::new(),
            };
            if again.is_empty() {
                break;
            }
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let requests: Vec<&ViewRequest> =
                again.iter().filter_map(|index| good.get(*index).copied()).collect();
            for (index, next) in again.into_iter().zip(self.open_or_say(&requests).await) {
                if let Some(before) = opened.get_mut(index) {
                    *before = next;
                }
            }
        }
        let mut opened = opened.into_iter();
        let pick = |checked| match checked {
            Ok(_) => opened.next().unwrap_or(Opened::Detached(Reason::NotWanted)),
            Err(error) => Opened::Detached(Reason::from(BackendError::from(error))),
        };
        checked.into_iter().map(pick).collect()
    }

    async fn open_or_say(&self, requests: &[&ViewRequest]) -> Vec<Opened> {
        match self.open_beside(requests).await {
            Ok(opened) => opened,
            Err(error) => detached(requests.len(), &Reason::from(BackendError::from(error))),
        }
    }

    async fn open_beside(&self, requests: &[&ViewRequest]) -> Result<Vec<Opened>, WeztermError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let server = self.conversation.server_pid().await?;
        if server != self.server_pid {
            let message =
                "the wezterm the editor runs in is gone, and another has taken its place".to_owned();
            let socket = self.options.place.socket.display().to_string();
            return Err(WeztermError::NoServer { socket, message });
        }
        let panes = self.conversation.list().await?;
        let pane = self.options.place.pane;
        let editor = panes.iter().find(|listed| listed.id == pane);
        let editor = editor.ok_or(WeztermError::NoEditor { pane: pane.0 })?;
        let beside: Vec<Pane> = panes.iter().filter(|pane| pane.tab == editor.tab).cloned().collect();
        if beside.iter().any(|pane| pane.zoomed) {
            return Ok(detached(requests.len(), &Reason::Zoomed));
        }
        // Views of other repositories' hosts stand beside the editor too.
        let views: Vec<&Pane> = standing(&beside, server)
            .into_iter()
            .filter(|(pane, leader)| pane.id != editor.id && process::marked(*leader).is_some())
            .map(|(pane, _)| pane)
            .collect();
        let sizes: Vec<Size> = views.iter().map(|pane| size(pane)).collect();
        let plan = layout::plan(self.options.layout, size(editor), &sizes, requests.len());

        let results = self.split(editor, &views, &plan.splits, requests).await;
        let opened: Vec<PaneId> = results.iter().filter_map(|result| result.as_ref().ok().copied()).collect();
        self.give_focus_back(&beside, &opened).await;
        let found = self.settle(&opened).await?;
        let mut outcomes: Vec<Opened> = results
            .into_iter()
            .map(|result| match result {
                Ok(pane) => match found.iter().find(|(known, _)| *known == pane) {
                    Some((_, Ok(view))) => Opened::View(*view),
                    Some((_, Err(reason))) => Opened::Detached(reason.clone()),
                    None => Opened::Detached(Reason::from(BackendError::EndedAtOnce)),
                },
                Err(reason) => Opened::Detached(reason),
            })
            .collect();
        let rest = requests.len() - outcomes.len();
        outcomes.extend(detached(rest, &(plan.rest)(size(editor))));
        Ok(outcomes)
    }

    /// Does the splits of a plan one after the other, as far as they can be done.
    async fn split(
        &self,
        editor: &Pane,
        views: &[&Pane],
        splits: &[Split],
        requests: &[&ViewRequest],
    ) -> Vec<Result<PaneId, Reason>> {
        // A plan opens the views in another order than it was asked for them.
        let mut results: Vec<Option<Result<PaneId, Reason>>> = vec![None; splits.len()];
        let mut failure: Option<Reason> = None;
        for split in splits {
            let opened = |view: usize| results.get(view)?.as_ref()?.as_ref().ok().copied();
            let from = match split.from {
                Slot::Editor => Some(editor.id),
                Slot::Standing(index) => views.get(index).map(|pane| pane.id),
                Slot::New(view) => opened(view),
            };
            let result = match (&failure, from, requests.get(split.view)) {
                (None, Some(from), Some(request)) => {
                    let words = self.split_words(from, split, request);
                    let pane = self.conversation.opens("split-pane", &words).await;
                    pane.map_err(|error| Reason::Failed(Arc::new(error.into())))
                }
                (Some(reason), _, _) => Err(reason.clone()),
                _ => break,
            };
            if let Err(reason) = &result {
                failure.get_or_insert_with(|| reason.clone());
            }
            if let Some(slot) = results.get_mut(split.view) {
                *slot = Some(result);
            }
        }
        results.into_iter().flatten().collect()
    }

    fn split_words(&self, from: PaneId, split: &Split, request: &ViewRequest) -> Vec<OsString> {
        let side = match split.side {
            Side::Right => "--right",
            Side::Below => "--bottom",
        };
        let (from, cells) = (from.0.to_string(), split.cells.to_string());
        let mut all = words(["--pane-id", &from, side, "--cells", &cells, "--cwd"]);
        all.push(request.cwd.clone().into());
        all.extend(words(["--", "env"]));
        all.push(mark(&self.options.owner, &request.agent));
        all.extend(request.argv.iter().cloned());
        all
    }

    /// Finds and watches the programs of new panes; those that are not there any more are left out.
    async fn settle(&self, panes: &[PaneId]) -> Result<Vec<(PaneId, Result<ViewId, Reason>)>, WeztermError> {
        if panes.is_empty() {
            return Ok(Vec::new());
        }
        let deadline = Instant::now() + APPEARANCE;
        // A new pane's program may be on its way still; one whose pane is gone has ended.
        let (listed, views) = loop {
            let listed = self.conversation.list().await?;
            let views = self.new_views(&listed, panes);
            let missing = panes.iter().any(|pane| {
                listed.iter().any(|known| known.id == *pane) && !views.iter().any(|view| view.pane == *pane)
            });
            if !missing || Instant::now() >= deadline {
                break (listed, views);
            }
            tokio::time::sleep(LOOK).await;
        };
        let holds: Vec<Hold> = views.iter().map(|view| Hold::take(*view)).collect();
        let still = self.new_views(&self.conversation.list().await?, panes);
        self.watch.begin(holds, |view| still.contains(view));
        let mut found: Vec<(PaneId, Result<ViewId, Reason>)> =
            still.iter().filter(|view| views.contains(view)).map(|view| (view.pane, Ok(*view))).collect();
        // Held open after its program's end, or without a program that is seen: nobody could close it later.
        for pane in panes.iter().filter(|pane| !views.iter().any(|view| view.pane == **pane)) {
            if listed.iter().any(|known| known.id == *pane) {
                let has_terminal = listed.iter().any(|known| known.id == *pane && known.tty.is_some());
                let ended = has_terminal && !self.is_led(&listed, *pane);
                let error =
                    if ended { BackendError::EndedAtOnce } else { BackendError::from(WeztermError::Unseen) };
                let _ = self.at_pane("kill-pane", *pane).await;
                found.push((*pane, Err(Reason::from(error))));
            }
        }
        Ok(found)
    }

    fn new_views(&self, listed: &[Pane], panes: &[PaneId]) -> Vec<ViewId> {
        let is_ours =
            |leader: u32| process::marked(leader).is_some_and(|(owner, _)| owner == self.options.owner);
        standing(listed, self.server_pid)
            .into_iter()
            .filter(|(pane, leader)| panes.contains(&pane.id) && is_ours(*leader))
            .map(|(pane, leader)| ViewId { server_pid: self.server_pid, pane: pane.id, pane_pid: leader })
            .collect()
    }

    fn is_led(&self, listed: &[Pane], pane: PaneId) -> bool {
        standing(listed, self.server_pid).iter().any(|(known, _)| known.id == pane)
    }

    /// A split makes the new pane the active one; the pane that was active before becomes so again, unless the user
    /// went elsewhere meanwhile.
    async fn give_focus_back(&self, before: &[Pane], opened: &[PaneId]) {
        let Some(active) = before.iter().find(|pane| pane.active) else { return };
        let Ok(now) = self.conversation.list().await else { return };
        let taken = now.iter().any(|pane| pane.tab == active.tab && pane.active && opened.contains(&pane.id));
        if taken && let Err(error) = self.at_pane("activate-pane", active.id).await {
            tracing::warn!(%error, "the focus stays with a new pane");
        }
    }
}

fn detached(count: usize, reason: &Reason) -> Vec<Opened> {
    (0..count).map(|_| Opened::Detached(reason.clone())).collect()
}

fn failure(opened: &Opened) -> Option<&BackendError> {
    match opened {
        Opened::Detached(Reason::Failed(error)) => Some(error),
        Opened::Detached(_) | Opened::View(_) => None,
    }
}

fn ended_at_once(opened: &Opened) -> bool {
    matches!(failure(opened), Some(BackendError::EndedAtOnce))
}

fn had_no_room(opened: &Opened) -> bool {
    matches!(opened, Opened::Detached(Reason::TooNarrow { .. }))
}

fn was_refused(opened: &Opened) -> bool {
    matches!(failure(opened), Some(BackendError::Wezterm(WeztermError::Refused { .. })))
}

fn size(pane: &Pane) -> Size {
    Size { width: pane.columns, height: pane.rows }
}

/// Checks that a request can be given to wezterm, and through `env`, as it is.
fn check(request: &ViewRequest) -> Result<(), WeztermError> {
    let bad = |why| Err(WeztermError::BadArgument { what: "a view's program", why });
    let Some(program) = request.argv.first() else { return bad("it is empty") };
    if program.as_bytes().contains(&b'=') || program.as_bytes().starts_with(b"-") {
        return bad("its name must not begin with `-` or hold a `=`");
    }
    let mut all = request.argv.iter().map(|word| word.as_bytes()).chain([request.cwd.as_os_str().as_bytes()]);
    if all.any(|word| word.contains(&0)) || request.agent.as_bytes().contains(&0) {
        return bad("it holds a NUL byte");
    }
    Ok(())
}
