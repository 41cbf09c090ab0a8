//! What can go wrong between an agent and its model, and what the human can do about it.

use std::fmt;
use std::time::Duration;

use orchflow_core::usage::LimitKind;

/// Longest text of a provider that is shown, in bytes.
const SHOWN: usize = 600;

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// There is no key, or none that can be sent.
    NoKey,
    /// The provider does not accept the key, or the key does not allow this.
    KeyRefused,
    /// The provider knows neither the address nor the model.
    NotFound,
    /// The provider does not understand the request, or will not have it.
    Rejected,
    /// The conversation is longer than the model can read.
    ContextFull,
    /// Too many requests or tokens at a time.
    Rate,
    /// What was bought or granted is used up.
    Quota,
    /// The provider has no room.
    Overloaded,
    /// The provider broke.
    Server,
    /// No connection came about.
    Unreachable,
    /// Nothing came for too long.
    TimedOut,
    /// What came is not what the dialect says.
    Garbled,
    /// The answer stopped before its end.
    CutShort,
}

impl FaultKind {
    /// Gives the word that events and logs use for it.
    pub fn word(self) -> &'static str {
        match self {
            FaultKind::NoKey => "no_key",
            FaultKind::KeyRefused => "key_refused",
            FaultKind::NotFound => "not_found",
            FaultKind::Rejected => "rejected",
            FaultKind::ContextFull => "context_full",
            FaultKind::Rate => "rate_limit",
            FaultKind::Quota => "quota",
            FaultKind::Overloaded => "overloaded",
            FaultKind::Server => "server_error",
            FaultKind::Unreachable => "unreachable",
            FaultKind::TimedOut => "timed_out",
            FaultKind::Garbled => "garbled",
            FaultKind::CutShort => "cut_short",
        }
    }

    /// Tells whether the same request may well succeed a little later.
    pub fn passes(self) -> bool {
        use FaultKind::{CutShort, Overloaded, Rate, Server, TimedOut, Unreachable};
        matches!(self, Rate | Overloaded | Server | Unreachable | TimedOut | CutShort)
    }

    /// Gives the limit that was reached, where it is one.
    pub fn limit(self) -> Option<LimitKind> {
        match self {
            FaultKind::Rate => Some(LimitKind::Rate),
            FaultKind::Quota => Some(LimitKind::Quota),
            FaultKind::Overloaded => Some(LimitKind::Overloaded),
            _ => None,
        }
    }
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The kind of trouble.
    pub kind: FaultKind,
    /// What happened, in one line.
    pub message: String,
    /// What to do next.
    pub hint: String,
    /// After how long the provider says it will answer again, counted from when it said so.
    pub answers_in: Option<Duration>,
}

impl Fault {
    /// Describes a trouble; the provider's words in it are cut and made one line.
    pub fn new(kind: FaultKind, message: impl Into<String>, hint: impl Into<String>) -> Fault {
        Fault { kind, message: one_line(&message.into()), hint: hint.into(), answers_in: None }
    }

    /// Adds when the provider says it will answer again.
    pub fn answering_in(mut self, wait: Option<Duration>) -> Fault {
        self.answers_in = wait;
        self
    }

    /// Describes an answer that is not what the dialect says.
    pub fn garbled(message: impl Into<String>) -> Fault {
        Fault::new(
            FaultKind::Garbled,
            message,
            "check that `api.base_url` and `api.dialect` of the agent's file belong to one another",
        )
    }

    /// Describes an answer that stopped before its end.
    pub fn cut_short(message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::CutShort, message, "send the prompt again; what was done so far is kept")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.hint)
    }
}

impl std::error::Error for Fault {}

/// Makes one harmless line of a provider's words, cut where they are long.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() > SHOWN {
            let room = SHOWN.saturating_sub(line.len());
            line.push(' ');
            line.push_str(word.get(..word.floor_char_boundary(room)).unwrap_or_default());
            line.push('…');
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line.retain(|character| !character.is_control());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_become_one_bounded_line() {
        assert_eq!(one_line(" a\n b\u{1b}[31m\t c "), "a b[31m c");
        let long = one_line(&"é".repeat(5000));
        assert!(long.ends_with('…') && long.len() < SHOWN + 8, "{}", long.len());
    }

    #[test]
    fn only_what_passes_by_itself_is_worth_another_try() {
        assert!(FaultKind::Rate.passes() && FaultKind::Unreachable.passes() && FaultKind::Server.passes());
        assert!(
            !FaultKind::Quota.passes() && !FaultKind::KeyRefused.passes() && !FaultKind::Rejected.passes()
        );
    }
}
