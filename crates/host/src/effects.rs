//! Effect runners: what should happen in the world, carried out; how it went comes back in at the door.
//!
//! Effects with one key run in order, different keys side by side.

mod checkpoints;
mod decisions;
mod launch;
mod operations;
mod pause;
mod prompts;
pub mod views;
mod worktree_files;
mod worktrees;

pub use decisions::preview;
pub use launch::{RunnerLaunch, RunnerReady};
pub(crate) use operations::forget_later;
pub use worktrees::empty_trash;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use orchflow_core::decide::Input;
use orchflow_core::effect::{Effect, EffectBody, EffectKey, Outcome};
use orchflow_core::{Code, Refusal};
use tokio::runtime::Handle;

use crate::world::{World, lock};
use crate::{clock, engine};

/// Carries effects out on the host's runtime.
#[derive(Clone)]
pub struct Executor {
    world: Arc<World>,
    runtime: Handle,
    queues: Arc<Mutex<HashMap<EffectKey, VecDeque<Effect>>>>,
}

impl Executor {
    /// Makes an executor for a world.
    pub fn new(world: Arc<World>, runtime: Handle) -> Executor {
        Executor { world, runtime, queues: Arc::default() }
    }

    /// Queues an effect behind those of its key.
    pub fn start(&self, effect: Effect) {
        let key = effect.body.key();
        if key == EffectKey::Timer {
            let world = Arc::clone(&self.world);
            self.runtime.spawn(async move { finish(&world, effect).await });
            return;
        }
        let mut queues = lock(&self.queues);
        if let Some(queue) = queues.get_mut(&key) {
            queue.push_back(effect);
            return;
        }
        queues.insert(key.clone(), VecDeque::new());
        drop(queues);
        let (world, queues) = (Arc::clone(&self.world), Arc::clone(&self.queues));
        self.runtime.spawn(async move {
            let mut next = Some(effect);
            while let Some(effect) = next {
                finish(&world, effect).await;
                let mut queues = lock(&queues);
                next = queues.get_mut(&key).and_then(VecDeque::pop_front);
                if next.is_none() {
                    queues.remove(&key);
                }
            }
        });
    }
}

impl engine::World for Executor {
    fn carry_out(&mut self, effect: Effect) {
        self.start(effect);
    }
}

async fn finish(world: &Arc<World>, effect: Effect) {
    let (shared, wanted) = (Arc::clone(world), effect.clone());
    // In a task of its own: a panic must end neither the queue of its key nor the outcome's way back.
    let outcome = match tokio::spawn(async move { carry_out(&shared, &wanted).await }).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(effect = effect.body.name(), %error, "an effect broke down");
            Outcome::Unknown(format!("{} broke down inside; see the host's log", effect.body.name()))
        }
    };
    if let Outcome::Failed(refusal) = &outcome {
        tracing::info!(effect = effect.body.name(), %refusal, "an effect failed");
    }
    let opened = match &effect.body {
        EffectBody::OpenViews { agents, .. } => Some(agents.clone()),
        _ => None,
    };
    world.engine().tell(Input::EffectDone { effect, outcome });
    if let Some(agents) = opened {
        views::tell_gone(world, Some(&agents)).await;
    }
}

async fn carry_out(world: &Arc<World>, effect: &Effect) -> Outcome {
    match &effect.body {
        EffectBody::CreateWorktrees { agents, commit, .. } => worktrees::create(world, agents, commit).await,
        EffectBody::LaunchAgent { agent, catalogue_kind, index, worktree, resume, fork } => {
            let session = resume.clone().map(|session| (session, *fork));
            launch::launch(world, agent, catalogue_kind, *index, worktree, session).await
        }
        EffectBody::OpenViews { agents, place } => views::open(world, agents, place).await,
        EffectBody::PastePrompt { agent, text, .. } => prompts::paste(world, agent, text).await,
        EffectBody::ReadScreen { agent, attempt } => prompts::read_screen(world, agent, *attempt).await,
        EffectBody::Wake { at, .. } => {
            let micros = (at.0 - clock::now().0).max(0).unsigned_abs();
            tokio::time::sleep(std::time::Duration::from_micros(micros)).await;
            Outcome::Woken
        }
        EffectBody::TakeCheckpoint { agent, worktree, parent, before_tree, base_tree, turn, reason } => {
            let (before, base) = (before_tree.clone(), base_tree.clone());
            let trees = checkpoints::Trees { before, base, turn: *turn };
            checkpoints::take(world, agent, worktree, parent.clone(), trees, reason).await
        }
        EffectBody::ApplyHunk { hunk, base_tree, before } => {
            decisions::accept(world, effect.id, hunk, base_tree, before).await
        }
        EffectBody::RevertHunk { hunk, base_tree, worktree } => {
            decisions::reject(world, effect.id, hunk, base_tree, worktree).await
        }
        EffectBody::UndoDecision { hunk, decision, kept_ref, worktree, .. } => {
            decisions::undo(world, hunk, decision, kept_ref, worktree).await
        }
        EffectBody::StopAgent { agent } => launch::stop(world, agent).await,
        EffectBody::PauseAgent { agent, pause } => pause::set(world, agent, *pause).await,
        EffectBody::LookForWriters { agent, worktree, pid, .. } => {
            Outcome::Writers(crate::writers::look(world, agent, worktree, *pid).await)
        }
        EffectBody::CleanWorktree { agent, worktree, parent } => {
            worktrees::clean(world, agent, worktree, parent.clone()).await
        }
        EffectBody::AnswerHook { request, allow, reason, input, .. } => {
            let answer = match allow {
                Some(true) => orchflow_agent::hooks::Answer::Allow { updated_input: input.clone() },
                Some(false) => orchflow_agent::hooks::Answer::Deny {
                    reason: reason.clone().unwrap_or_else(|| "the human said no".to_owned()),
                },
                None => orchflow_agent::hooks::Answer::NoOpinion,
            };
            Outcome::Answered { delivered: world.hooks.answer_in_time(request, answer).await }
        }
    }
}

fn failed(message: impl Into<String>) -> Outcome {
    Outcome::Failed(Refusal::new(Code::Internal, message))
}
