//! What a host that took over does first: it hears what was said meanwhile, finds the runners that live, and asks again
//! for what was not done.
//!
//! While the store takes no writes nothing of that can be recorded, so nothing is concluded and nothing carried out;
//! it is done as soon as somebody's write goes through.

use std::collections::HashSet;
use std::sync::Arc;

use orchflow_core::decide::{Input, wake};
use orchflow_core::effect::{Effect, EffectBody, EffectId, Outcome};
use orchflow_core::{AgentKey, Code, EventSeq};
use orchflow_store::OutboxRow;

use crate::effects::Executor;
use crate::world::World;

pub(crate) struct Recovery {
    world: Arc<World>,
    executor: Executor,
    outbox: Vec<OutboxRow>,
    version: String,
    /// Agents whose runner is looked after already.
    watched: HashSet<AgentKey>,
}

impl Recovery {
    pub(crate) fn new(
        world: Arc<World>,
        executor: Executor,
        outbox: Vec<OutboxRow>,
        version: String,
    ) -> Recovery {
        Recovery { world, executor, outbox, version, watched: HashSet::new() }
    }

    /// Takes over now; where the store takes no writes, once it does.
    pub(crate) async fn begin(mut self) {
        let mut pulse = self.world.engine().pulse();
        if self.take_over().await {
            return;
        }
        tracing::warn!("the store takes no writes; what was left undone is done once it does");
        tokio::spawn(async move {
            while pulse.changed().await.is_ok() {
                let is_read_only = pulse.borrow_and_update().read_only.is_some();
                if !is_read_only && self.take_over().await {
                    return;
                }
            }
        });
    }

    /// Gives whether it could be recorded.
    async fn take_over(&mut self) -> bool {
        let world = Arc::clone(&self.world);
        // What agents said while no host listened comes before what we conclude from their silence.
        world.drain_all().await;
        let running = world.engine().look(|state| {
            let running = state.agents.values().filter(|agent| agent.is_living());
            running.map(|agent| agent.key.clone()).collect::<Vec<AgentKey>>()
        });
        let Some(should_run) = running.await else { return false };
        let (living, gone) = world.runners.find(should_run).await;
        for agent in living.iter().filter(|agent| self.watched.insert((*agent).clone())) {
            world.watch_runner(agent);
        }
        let lost: Vec<AgentKey> =
            gone.iter().filter(|(_, exit)| exit.is_none()).map(|(agent, _)| agent.clone()).collect();
        let (version, pid) = (self.version.clone(), std::process::id());
        let started = Input::HostStarted { version, pid, living: living.clone(), gone };
        match world.engine().submit(started).await {
            Ok(_) => {}
            Err(refusal) if refusal.code == Code::ReadOnly => return false,
            Err(refusal) => tracing::error!(%refusal, "the start could not be recorded"),
        }
        for agent in lost {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.end_leftover(&agent).await });
        }
        self.ask_again().await;
        for agent in living {
            world.restate(&agent).await;
        }
        let shared = Arc::clone(&world);
        tokio::spawn(async move { crate::effects::views::find_again(&shared).await });
        crate::effects::empty_trash(&world);
        crate::effects::forget_later(&world, None);
        true
    }

    /// Asks again for what the host before did not do, and sets its clocks.
    async fn ask_again(&mut self) {
        let engine = self.world.engine();
        for row in std::mem::take(&mut self.outbox) {
            match row.effect {
                Ok(effect) if is_repeatable(&effect.body) => self.executor.start(effect),
                Ok(effect) => {
                    let why = "the host ended while it was being written; look at the agent's pane before you \
                               send it again";
                    let outcome = Outcome::Unknown(why.to_owned());
                    engine.tell(Input::EffectDone { effect, outcome });
                }
                Err(error) => {
                    tracing::error!(seq = row.id.seq.0, error, "an effect cannot be read; it is left")
                }
            }
        }
        let wakes = engine.ask(|state| wake(state, crate::clock::now())).await.unwrap_or_default();
        for (index, body) in wakes.into_iter().enumerate() {
            self.executor.start(Effect { id: EffectId { seq: EventSeq(0), index: index as u32 }, body });
        }
    }
}

/// Keystrokes are never repeated; everything else finds out by itself what was done.
fn is_repeatable(body: &EffectBody) -> bool {
    !matches!(body, EffectBody::PastePrompt { .. })
}

impl World {
    /// Asks a living agent's runner for what may have been missed while no host ran.
    async fn restate(self: &Arc<Self>, agent: &AgentKey) {
        let Ok((_, hello)) = self.runners.connect(agent).await else { return };
        let Some(status) = &hello.status else { return };
        let report = orchflow_agent::status::stated(
            status.app.as_deref().unwrap_or_default(),
            &status.state,
            status.kind.as_deref(),
            status.message.as_deref(),
        );
        let at = orchflow_core::Timestamp(i64::try_from(status.at_us).unwrap_or(0));
        let envelope = orchflow_core::report::ReportEnvelope {
            id: format!("restated-{agent}-{}", status.at_us),
            agent: agent.clone(),
            at,
            channel: orchflow_core::report::Channel::Osc7501,
            report,
            writers: Vec::new(),
        };
        let envelope = crate::writers::look_before(self, envelope).await;
        let _ = self.engine().report(envelope.id.clone(), Input::Report(envelope)).await;
    }
}
