//! Prompts written into an agent's pty, and its screen read for known dialogs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orchflow_core::effect::{Outcome, SCREEN_AT_REST};
use orchflow_core::state::StatusState;
use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_mux::async_client::AsyncRunnerClient;
use orchflow_mux::client::ClientError;
use orchflow_mux::protocol::Manner;

use crate::world::World;

/// How long a runner may take to write a prompt: the program may read slowly.
const PASTE: Duration = Duration::from_secs(60);

/// How long a program may go on drawing before its first prompt is written all the same.
const RESTLESS: Duration = Duration::from_secs(10);

pub(super) async fn paste(world: &Arc<World>, agent: &AgentKey, text: &str) -> Outcome {
    let client = match world.runners.connect(agent).await {
        Ok((client, _)) => client,
        Err(why) => {
            return Outcome::Failed(
                Refusal::new(Code::NotLiving, format!("the runner of {agent} does not answer: {why}"))
                    .hint("nothing was written"),
            );
        }
    };
    let name = agent.clone();
    let kind = world
        .engine()
        .ask(move |state| {
            let agent = state.agents.get(&name)?;
            // Between its turns it is not drawn anew.
            let has_begun = agent.status.state == StatusState::Idle;
            Some((agent.kind.clone(), agent.signals.hooks, has_begun))
        })
        .await
        .flatten();
    // Programs whose hooks tell of prompts are known to take pastes in brackets; without them every line
    // of the prompt would be sent by itself.
    let bracketed = kind.as_ref().is_some_and(|(_, hooks, _)| *hooks);
    let has_begun = kind.as_ref().is_some_and(|(.., has_begun)| *has_begun);
    let kinds = world.kinds();
    let entry = kind.and_then(|(kind, ..)| kinds.catalogue.get(&kind));
    if let Some(still) = entry.map(|entry| entry.ready.settle_ms).filter(|still| has_begun && *still > 0) {
        stand_still(&client, Duration::from_millis(still)).await;
    }
    let mut manner = Manner { submit: true, require_bracketed: bracketed, ..Manner::default() };
    let mut shaped = text.to_owned();
    if let Some(prompt) = entry.map(|entry| &entry.prompt) {
        shaped = prompt.shape(text);
        manner.piece = prompt.piece;
        manner.settle_ms = prompt.settle_ms;
        manner.before = prompt.clearing_keys().into_bytes();
    }
    match client.paste(shaped.as_bytes(), &manner, PASTE).await {
        Ok(pasted) => {
            Outcome::Pasted { bytes: pasted.bytes as u64, bracketed: pasted.bracketed, echoed: pasted.echoed }
        }
        Err(ClientError::Refused(refusal)) => {
            Outcome::Failed(Refusal::new(Code::NotLiving, refusal.message).hint("nothing was written"))
        }
        // The runner may have written a part before it failed, so nobody repeats it.
        Err(error) => Outcome::Unknown(format!("the runner failed while it wrote the prompt: {error}")),
    }
}

/// Waits until a program's screen stands still for a while; not for ever, since some never rest.
async fn stand_still(client: &AsyncRunnerClient, still: Duration) {
    let deadline = Instant::now() + RESTLESS;
    let mut before = None;
    while Instant::now() < deadline {
        let Ok(screen) = client.screen().await else { return };
        if before.as_ref() == Some(&screen.rows) {
            return;
        }
        before = Some(screen.rows);
        tokio::time::sleep(still).await;
    }
}

/// Programs that are merely slow have drawn something else by the third look.
const PATIENT_LOOKS: u32 = 2;

pub(super) async fn read_screen(world: &Arc<World>, agent: &AgentKey, attempt: u32) -> Outcome {
    let name = agent.clone();
    let kind = world
        .engine()
        .ask(move |state| state.agents.get(&name).map(|agent| agent.kind.clone()))
        .await
        .flatten();
    let kinds = world.kinds();
    let entry = kind.and_then(|kind| kinds.catalogue.get(&kind));
    let (Some(entry), Ok((client, _))) = (entry, world.runners.connect(agent).await) else {
        return Outcome::ScreenRead(None);
    };
    // A driver of ours shows no dialogs; it says by itself what is wrong.
    if entry.kind.is_driven() {
        return Outcome::ScreenRead(None);
    }
    match tokio::time::timeout(Duration::from_secs(2), client.screen()).await {
        Ok(Ok(screen)) => {
            if attempt >= SCREEN_AT_REST {
                return Outcome::ScreenRead(orchflow_agent::screen::match_state(entry, &screen.rows));
            }
            let known = orchflow_agent::screen::match_dialog(entry, &screen.rows)
                .or_else(|| orchflow_agent::screen::match_early(entry, &screen.rows));
            let shows = attempt >= PATIENT_LOOKS && screen.rows.iter().any(|row| !row.trim().is_empty());
            let unknown = || shows.then(|| ("look at the pane".to_owned(), "no known dialog".to_owned()));
            Outcome::ScreenRead(known.or_else(unknown))
        }
        _ => Outcome::ScreenRead(None),
    }
}
