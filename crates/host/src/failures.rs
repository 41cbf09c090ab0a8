//! An error of the model that a program tells only in its transcript, while it says that it is at rest.
//!
//! Such a turn would show as interrupted, or as done. The transcript is known from the hook of the prompt, or stands in the
//! agent's folder, and is read once when a turn rests whose closing hook does not come.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchflow_agent::transcript;
use orchflow_core::AgentKey;
use orchflow_core::report::{Channel, Report, ReportEnvelope, StatedState};

use crate::world::{World, blocking, lock};

/// How long the closing hook of a turn that rests is waited for; less than the core does.
const PATIENCE: Duration = Duration::from_millis(300);

/// The transcripts of turns that go on, by agent: the program's format, and where it stands.
#[derive(Debug, Default)]
pub struct Transcripts(Mutex<HashMap<AgentKey, (String, PathBuf)>>);

impl Transcripts {
    /// Learns where the transcript of a turn stands that begins.
    pub(crate) fn learn(&self, format: &str, report: &ReportEnvelope, body: &[u8]) {
        if transcript::tells_failures(format)
            && matches!(report.report, Report::PromptSubmitted { .. })
            && let Some(path) = transcript::path(format, body)
        {
            lock(&self.0).insert(report.agent.clone(), (format.to_owned(), path));
        }
    }

    /// Gives the transcript of a turn that came to rest.
    fn of_rest(&self, report: &ReportEnvelope) -> Option<(String, PathBuf)> {
        let rests = matches!(report.report, Report::StatusStated { state: StatedState::Idle, .. });
        let rests = rests && report.channel == Channel::Title;
        rests.then(|| lock(&self.0).get(&report.agent).cloned()).flatten()
    }
}

impl World {
    /// Looks whether a turn that came to rest without a closing hook failed, and reports that. Nobody waits for it.
    pub(crate) fn look_for_failure(self: &Arc<Self>, format: &str, report: &ReportEnvelope) {
        // What waits for the human, and whose last word is that it asked its model, got no answer.
        let is_unanswered = matches!(&report.report, Report::NotificationShown { category, .. }
            if category == "message_send_starting");
        let in_folder = || {
            let path = transcript::of_agent(format, &self.folders.agent(&report.agent))?;
            is_unanswered.then(|| (format.to_owned(), path))
        };
        let Some((format, path)) = self.transcripts.of_rest(report).or_else(in_folder) else { return };
        let (world, agent) = (Arc::clone(self), report.agent.clone());
        let id = format!("{}-failed", report.id);
        tokio::spawn(async move {
            let Some(turn) = world.turn_of(&agent).await else { return };
            tokio::time::sleep(PATIENCE).await;
            if world.turn_of(&agent).await != Some(turn) {
                return;
            }
            let read = move || transcript::failure(&format, &crate::used::read(&path)?);
            let Some(error) = blocking(read).await else { return };
            if world.turn_of(&agent).await != Some(turn) {
                return;
            }
            let envelope = ReportEnvelope {
                id,
                agent: agent.clone(),
                at: crate::clock::now(),
                channel: Channel::Hook,
                report: Report::TurnFailed { error, message: None },
                writers: Vec::new(),
            };
            if let Err(refusal) = world.store_report(envelope).await {
                tracing::warn!(%agent, %refusal, "that its turn failed is not recorded");
            }
        });
    }

    /// Gives the turn an agent is in, by what is known.
    async fn turn_of(&self, agent: &AgentKey) -> Option<u32> {
        let key = agent.clone();
        let look = move |state: &orchflow_core::state::State| {
            let agent = state.agents.get(&key)?;
            agent.in_turn.then_some(agent.turn)
        };
        self.engine().ask(look).await.flatten()
    }
}
