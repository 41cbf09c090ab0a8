//! One turn: the model is asked until it has nothing left to do.

use orchflow_core::report::Report;
use orchflow_core::usage::{Context, Usage};
use tokio_util::sync::CancellationToken;

use super::speech::Speech;
use super::{Agent, limit_report};
use crate::api::fault::{Fault, FaultKind};
use crate::api::history::calls;
use crate::api::message::{Author, Message};
use crate::api::transport::{Call, Stopped};
use crate::api::wire::{self, Answer, Ask, Stop};
use crate::backend::TurnEnd;

/// How often an answer that reached its limit is gone on with.
const CONTINUATIONS: u32 = 3;

const GO_ON: &str = "Your answer reached its limit of tokens and was cut. Go on exactly where it stopped.";

/// The command that begins a new conversation.
const CLEAR: &str = "/clear";

impl Agent {
    /// Does a turn.
    pub(super) fn turn(&mut self, prompt: &str, cancel: &CancellationToken) -> TurnEnd {
        if prompt.trim() == CLEAR {
            self.history.messages.clear();
            self.save();
            self.note("a new conversation begins; what was said is forgotten, files stay as they are");
            return TurnEnd::Done;
        }
        self.history.push(Message::User { text: prompt.to_owned() });
        self.save();
        let end = self.steps(cancel);
        self.history.settle("interrupted by the human");
        self.save();
        end
    }

    fn steps(&mut self, cancel: &CancellationToken) -> TurnEnd {
        let mut cut = 0;
        for _ in 0..self.settings.api.max_steps {
            let answer = match self.ask(cancel) {
                Ok(answer) => answer,
                Err(Stopped::Cancelled) => return TurnEnd::Interrupted,
                Err(Stopped::Fault(fault)) => {
                    if let Some(report) = limit_report(&fault) {
                        self.report(report);
                    }
                    return TurnEnd::Failed { error: fault.to_string() };
                }
            };
            let is_cut = answer.stop == Stop::Length;
            let has_calls = calls(&answer.parts).next().is_some();
            let is_empty = answer.parts.is_empty();
            if !is_empty {
                let author =
                    Author { dialect: self.settings.api.dialect, model: self.settings.api.model.clone() };
                self.history.push(Message::Assistant { parts: answer.parts, author });
                self.save();
            }
            match answer.stop {
                Stop::Refused(why) => {
                    self.history.settle("not done: the answer was stopped");
                    return TurnEnd::Failed {
                        error: format!("the model did not go on: {why}; say it differently"),
                    };
                }
                _ if has_calls => {
                    if !self.use_tools(is_cut, cancel) {
                        return TurnEnd::Interrupted;
                    }
                    self.save();
                }
                Stop::Paused => {}
                Stop::Length if cut < CONTINUATIONS => {
                    cut += 1;
                    self.note("the answer reached its limit of tokens; the model is asked to go on");
                    self.history.push(Message::User { text: GO_ON.to_owned() });
                }
                Stop::Length => {
                    let error = format!(
                        "the answer reached its limit of tokens {} times; a larger `api.output_limit` in the agent's \
                         file gives it more room",
                        CONTINUATIONS + 1
                    );
                    return TurnEnd::Failed { error };
                }
                Stop::End | Stop::Tools => {
                    if is_empty {
                        self.note("the model answered nothing");
                    }
                    return TurnEnd::Done;
                }
            }
        }
        let error = format!(
            "it was asked {} times in this turn, which is the most (`api.max_steps`); send a prompt to go on",
            self.settings.api.max_steps
        );
        TurnEnd::Failed { error }
    }

    /// Asks the model once; a conversation that is too long is made shorter and asked about once more.
    fn ask(&mut self, cancel: &CancellationToken) -> Result<Answer, Stopped> {
        let api = &self.settings.api;
        let reserved = api.output_limit.unwrap_or(16_384).min(api.context / 4);
        let room = u64::from(api.context.saturating_sub(reserved)) * 9 / 10;
        self.make_room(room);
        match self.ask_once(cancel) {
            Err(Stopped::Fault(fault)) if fault.kind == FaultKind::ContextFull => {
                let beside = self.beside();
                let half = self.history.tokens(beside) / 2;
                if self.make_room(half) { self.ask_once(cancel) } else { Err(fault.into()) }
            }
            outcome => outcome,
        }
    }

    /// Bytes of a request beside the conversation.
    fn beside(&self) -> usize {
        let tools: usize = self
            .specs
            .iter()
            .map(|spec| spec.description.len() + spec.parameters.to_string().len() + 60)
            .sum();
        self.system.len() + tools
    }

    fn make_room(&mut self, most: u64) -> bool {
        let said = self.history.make_room(self.beside(), most);
        if let Some(said) = &said {
            self.note(said);
        }
        said.is_some()
    }

    fn ask_once(&mut self, cancel: &CancellationToken) -> Result<Answer, Stopped> {
        let api = &self.settings.api;
        let body = wire::request(
            api.dialect,
            &Ask {
                model: &api.model,
                system: &self.system,
                messages: &self.history.messages,
                tools: &self.specs,
                effort: api.effort.as_deref(),
                output_limit: api.output_limit,
                context: Some(api.context),
                extra: &api.extra,
            },
        );
        let headers: Vec<(String, String)> =
            api.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let call = Call {
            dialect: api.dialect,
            model: &api.model,
            body: &body,
            key: self.key.as_ref().map(|found| &found.secret),
            headers: &headers,
        };
        self.messages += 1;
        let mut speech = Speech::new(&self.outlet, self.message_id());
        let outcome =
            self.runtime.block_on(self.transport.ask(&call, cancel, &mut |progress| speech.take(progress)));
        speech.end_thought();
        match outcome {
            Ok(answer) => {
                let usage = self.used(answer.usage.clone());
                // A server that tells no figures has used unknown ones, not none.
                if let Some(context) = usage.context {
                    let read = context.used.saturating_sub(usage.output_tokens);
                    self.history.learn(body.to_string().len(), read);
                    self.report(Report::UsageReported { usage });
                }
                Ok(answer)
            }
            Err(Stopped::Fault(fault)) => Err(Stopped::Fault(self.named(fault))),
            Err(Stopped::Cancelled) => Err(Stopped::Cancelled),
        }
    }

    /// Names a message of this process.
    pub(super) fn message_id(&self) -> String {
        format!("{}-{}", self.history.session, self.messages)
    }

    fn used(&self, mut usage: Usage) -> Usage {
        let api = &self.settings.api;
        usage.model.get_or_insert_with(|| api.model.clone());
        let used = usage.input_tokens + usage.cached_tokens + usage.cache_write_tokens + usage.output_tokens;
        usage.context = (used > 0).then_some(Context { used, size: u64::from(api.context) });
        usage
    }

    /// Says where a key that was refused came from.
    fn named(&self, mut fault: Fault) -> Fault {
        if fault.kind == FaultKind::KeyRefused {
            fault.hint = match &self.key {
                Some(found) => format!(
                    "the key came from {}; check it, and that it may use {}",
                    found.place, self.settings.api.model
                ),
                None => "no key was sent; say in `api.key` of the agent's file where it is".to_owned(),
            };
        }
        fault
    }

    /// Uses all tools of the last answer, in order. Tells whether the turn goes on.
    fn use_tools(&mut self, is_cut: bool, cancel: &CancellationToken) -> bool {
        let Some(Message::Assistant { parts, .. }) = self.history.messages.last() else { return true };
        let wanted: Vec<_> = calls(parts).cloned().collect();
        let mut results = Vec::new();
        for call in &wanted {
            results.push(self.use_tool(call, is_cut, cancel));
        }
        self.history.push(Message::Results { results });
        !cancel.is_cancelled()
    }
}
