//! Prompts on their way: queued, written, accepted, or known not to have arrived.

use super::Step;
use crate::effect::{EffectBody, Timer};
use crate::event::payload::{
    AiStartedTask, PromptAccepted, PromptExtended, PromptQueued, PromptUndelivered, PromptWriting,
    TurnStarted,
};
use crate::report::Channel;
use crate::state::{Agent, PromptOrigin, PromptState, ReadySignal, StatusState};
use crate::{AgentKey, Timestamp};

/// How long a written prompt may stay without evidence, in microseconds.
const ACCEPTANCE: i64 = 20_000_000;

/// How long a prompt hook may be late behind the work that it is about, in microseconds.
const LATE_HOOK: i64 = 2_000_000;

/// Wants a look at a written prompt once it had the time to be taken.
pub(super) fn acceptance(agent: &AgentKey, prompt: u64, now: Timestamp) -> EffectBody {
    let timer = Timer::Acceptance { agent: agent.clone(), prompt };
    EffectBody::Wake { timer, at: accepted_by(now) }
}

/// Gives the time by which a prompt is to be taken that was written at another.
pub(super) fn accepted_by(written: Timestamp) -> Timestamp {
    Timestamp(written.0 + ACCEPTANCE)
}

/// Gives the time of the n-th look at a screen that shows no ready signal.
pub(super) fn readiness_check(now: Timestamp, attempt: u32) -> Timestamp {
    // Fresh programs state a dialog within half a second; one that says nothing is looked at in time
    // for "waiting" to be shown within two, then ever less often.
    let after = match attempt {
        0 => 1_200_000,
        1 => 700_000,
        2 => 1_500_000,
        3 => 5_000_000,
        _ => 30_000_000,
    };
    Timestamp(now.0 + after)
}

/// Wants to be woken when an agent should be ready, counted from when its process was started.
pub(super) fn ready_by(agent: &Agent) -> Option<EffectBody> {
    let timer = Timer::ReadyBy { agent: agent.key.clone() };
    agent.ready_by().map(|at| EffectBody::Wake { timer, at })
}

/// How long after a program began to read keys its screen is looked at, each time counted from the one before, in
/// microseconds. What reads keys before a program is ready is a dialog.
const GLANCES: [i64; 4] = [200_000, 300_000, 500_000, 1_000_000];

/// A look behind all of [`GLANCES`].
pub(super) const LAST_GLANCE: u32 = GLANCES.len() as u32;

impl Step<'_> {
    /// Wants the n-th look at the screen of a program that is not ready and just began to read keys.
    pub(super) fn await_dialog(&mut self, key: &AgentKey, attempt: u32) {
        let Some(agent) = self.state.agents.get(key).filter(|agent| super::status::may_show_dialog(agent))
        else {
            return;
        };
        // Where nothing but its screen says that it is ready, and while a dialog stands there, it is looked at until
        // that is over.
        let shows_dialog =
            agent.status.source == Channel::Screen && agent.status.state == StatusState::Waiting;
        let last = GLANCES.last().filter(|_| agent.signals.ready == ReadySignal::Screen || shows_dialog);
        let after = GLANCES.get(attempt as usize).or(last);
        if let Some(after) = after {
            let timer = Timer::Glance { agent: key.clone(), attempt };
            self.want(EffectBody::Wake { timer, at: Timestamp(self.context.now.0 + after) });
        }
    }

    /// Queues a prompt, or lets review notes join a waiting one. Gives the prompt's number.
    pub(super) fn queue(&mut self, agent: &AgentKey, text: &str, origin: PromptOrigin) -> u64 {
        let joinable = (origin == PromptOrigin::Review)
            .then(|| {
                self.state
                    .prompts_of(agent)
                    .find(|prompt| prompt.origin == origin && prompt.state == PromptState::Queued)
                    .map(|prompt| prompt.id)
            })
            .flatten();
        if let Some(prompt) = joinable {
            self.emit_for(agent, PromptExtended { prompt, text: text.to_owned() });
            return prompt;
        }
        let prompt = self.next_seq().0;
        self.emit_for(agent, PromptQueued { prompt, text: text.to_owned(), origin });
        prompt
    }

    /// Writes the oldest waiting prompt if the agent can take one now.
    pub(super) fn deliver(&mut self, key: &AgentKey) {
        // Somebody has something to say: that a file is still written is no reason to wait.
        if self.state.prompts_of(key).any(|prompt| prompt.state == PromptState::Queued) {
            super::holding::release(self, key);
        }
        let Some(agent) = self.state.agents.get(key) else { return };
        let waits = agent.holds_prompts().is_some();
        if waits || self.state.prompts_of(key).any(|prompt| prompt.state != PromptState::Queued) {
            return;
        }
        // What a new session has to know comes before what waited for it.
        let next = self
            .state
            .prompts_of(key)
            .min_by_key(|prompt| (prompt.origin != PromptOrigin::Resumed, prompt.id));
        let Some((prompt, text)) = next.map(|prompt| (prompt.id, prompt.text.clone())) else { return };
        self.emit_for(key, PromptWriting { prompt });
        self.want(EffectBody::PastePrompt { agent: key.clone(), prompt, text });
    }

    /// Arms the clock after which a written prompt without evidence is shown as undelivered.
    pub(super) fn await_acceptance(&mut self, agent: &AgentKey, prompt: u64) {
        self.want(acceptance(agent, prompt, self.context.now));
    }

    /// Wants a look at a prompt whose program stated that it worked and is at rest again, if nothing told of the
    /// prompt: its hook is ended by an Esc, and commands of the program itself have none.
    pub(super) fn expect_late_hook(&mut self, agent: &AgentKey) {
        let flying = self.state.prompts_of(agent).find(|prompt| prompt.worked).map(|prompt| prompt.id);
        if let Some(prompt) = flying {
            let timer = Timer::Acceptance { agent: agent.clone(), prompt };
            self.want(EffectBody::Wake { timer, at: Timestamp(self.context.now.0 + LATE_HOOK) });
        }
    }

    /// Gives the prompt that was handed over and not accepted yet.
    pub(super) fn in_flight(&self, agent: &AgentKey) -> Option<(u64, String, PromptOrigin)> {
        self.state
            .prompts_of(agent)
            .find(|prompt| prompt.state != PromptState::Queued)
            .map(|prompt| (prompt.id, prompt.text.clone(), prompt.origin))
    }

    /// Notes that a turn began. `seen` is the prompt as the program took it, where it says so.
    pub(super) fn start_turn(&mut self, key: &AgentKey, evidence: &str, seen: Option<String>) {
        let taken = |text: &str| seen.as_ref().map_or(Taken::Whole, |seen| how_taken(text, seen));
        let flying = self.in_flight(key).map(|(prompt, text, origin)| (taken(&text), prompt, text, origin));
        let flying = flying.filter(|(taken, ..)| *taken != Taken::Not);
        let accepted = flying.as_ref().map(|(_, prompt, ..)| *prompt);
        let is_whole = flying.as_ref().is_some_and(|(taken, ..)| *taken == Taken::Whole);
        if let Some(prompt) = accepted {
            self.emit_for(key, PromptAccepted { prompt, evidence: evidence.to_owned() });
        }
        let Some(agent) = self.state.agents.get(key) else { return };
        if agent.in_turn {
            // Programs let the human type into a running turn; it stays the same turn.
            return;
        }
        let (turn, first) = (agent.turn + 1, agent.turn == 0);
        let text = if is_whole { None } else { seen };
        self.emit_for(key, TurnStarted { turn, prompt: accepted, evidence: evidence.to_owned(), text });
        let objective = flying.filter(|(.., origin)| first && *origin == PromptOrigin::Objective);
        if let Some((_, _, task, _)) = objective {
            let reasoning = match self.state.agents_of(key.run).len() {
                1 => "the human named this agent for the objective".to_owned(),
                count => format!("one of {count} agents the human set on the same objective"),
            };
            self.emit_for(key, AiStartedTask { task, reasoning, estimated_complexity: None });
        }
    }

    /// Gives up the prompts of an agent that were handed to it and not taken; those that waited wait on.
    pub(super) fn give_up_flying(&mut self, agent: &AgentKey, reason: &str) {
        if let Some((prompt, ..)) = self.in_flight(agent) {
            self.emit_for(agent, PromptUndelivered { prompt, reason: reason.to_owned() });
        }
    }

    /// Gives up every open prompt of an agent, with one reason.
    pub(super) fn give_up_prompts(&mut self, agent: &AgentKey, reason: &str) {
        let open: Vec<u64> = self.state.prompts_of(agent).map(|prompt| prompt.id).collect();
        for prompt in open {
            self.emit_for(agent, PromptUndelivered { prompt, reason: reason.to_owned() });
        }
    }
}

/// What became of a prompt of ours in what a program says it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// It is what the program took.
    Whole,
    /// It came behind something that stood in the input line before.
    Behind,
    /// The program took something else.
    Not,
}

/// Compares a prompt with what the program says it took: programs trim, fold white space and drop
/// control characters, and a space without a width may guard its beginning, so only the visible characters count.
///
/// Claude Code puts an interrupted prompt back into its input line, where the next one joins it.
fn how_taken(ours: &str, seen: &str) -> Taken {
    let visible = |text: &str| -> Vec<char> {
        text.chars().filter(|c| !c.is_whitespace() && !c.is_control() && *c != '\u{200b}').collect()
    };
    let (ours, seen) = (visible(ours), visible(seen));
    // A payload may have been cut on its way here.
    let is_cut = seen.len() > 1000 && ours.starts_with(seen.get(..1000).unwrap_or(&seen));
    if ours == seen || is_cut {
        Taken::Whole
    } else if !ours.is_empty() && seen.ends_with(&ours) {
        Taken::Behind
    } else {
        Taken::Not
    }
}

#[cfg(test)]
mod tests {
    use super::{Taken, how_taken};

    #[test]
    fn a_prompt_is_known_again_by_its_visible_characters() {
        assert_eq!(how_taken("fix  it\n\n", "fix it"), Taken::Whole);
        assert_eq!(how_taken("a\u{1b}[31mb", "a[31mb"), Taken::Whole);
        assert_eq!(how_taken("fix it", "the one before fix it"), Taken::Behind);
        assert_eq!(how_taken("fix it", "fix that"), Taken::Not);
        assert_eq!(how_taken("fix it and more", "fix it"), Taken::Not);
        assert_eq!(how_taken("\u{1b}", "anything"), Taken::Not);
        assert_eq!(how_taken("!fix it", "\u{200b}!fix it"), Taken::Whole);
    }

    #[test]
    fn a_prompt_whose_report_was_cut_is_known_by_its_beginning() {
        let long = "word ".repeat(1000);
        assert_eq!(how_taken(&long, &format!("{}…[cut]", &long[..4000])), Taken::Whole);
        assert_eq!(how_taken(&long, &format!("x{}", &long[..4000])), Taken::Not);
    }
}
