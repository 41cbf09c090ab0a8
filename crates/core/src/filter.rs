//! The filter grammar that is the same everywhere: `agent:claude file:src/** type:edit is:unseen turn:-1 text`.
//!
//! Words with spaces between. `name:value` narrows, `-name:value` leaves out, everything else is text. A value
//! with commas is any of them; a value or a part of one may stand in double quotes. The same name again widens
//! (`agent:claude agent:codex` is either), except `is`, which narrows (`is:unseen is:rival` is both).
//!
//! [`Filter::parse`] reads it for one [`Scope`] and refuses what has no meaning there; [`Filter`] shows itself
//! in the same grammar. What a filter admits is asked part by part, as each caller knows other parts.

mod kinds;
mod moment;
mod pattern;
mod read;
mod show;

#[cfg(test)]
mod tests;

use crate::{AgentKey, Refusal};

pub use kinds::{Is, TypeChoice, event_groups};
pub use moment::{Civil, Moment};
pub use pattern::{AgentPattern, FilePattern};
pub use read::nearest;

/// What is filtered; not every name means something for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Events of the log.
    Events,
    /// Hunks of a review.
    Hunks,
    /// Agents.
    Agents,
}

/// What must be and what must not be. Nothing to be included includes everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides<T> {
    /// Any one of these.
    pub include: Vec<T>,
    /// None of these.
    pub exclude: Vec<T>,
}

impl<T> Default for Sides<T> {
    fn default() -> Self {
        Sides { include: Vec::new(), exclude: Vec::new() }
    }
}

impl<T> Sides<T> {
    /// Tells whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Tells whether something for which `fits` answers passes.
    pub fn admits(&self, mut fits: impl FnMut(&T) -> bool) -> bool {
        (self.include.is_empty() || self.include.iter().any(&mut fits)) && !self.exclude.iter().any(fits)
    }
}

/// A filter, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Agents, by name.
    pub agents: Sides<AgentPattern>,
    /// Files.
    pub files: Sides<FilePattern>,
    /// Types and groups of types, by word; see [`Filter::event_types`] and [`Filter::admits_type`].
    pub types: Sides<String>,
    /// What it is: each inner list is any of, and all lists must be met.
    pub is: Sides<Vec<Is>>,
    /// Turns; negative ones count from the agent's newest, which is -1.
    pub turns: Sides<i64>,
    /// Runs; negative ones count from the newest, which is -1.
    pub runs: Sides<i64>,
    /// From when on.
    pub since: Option<Moment>,
    /// Until when.
    pub until: Option<Moment>,
    /// Words, as they were typed. All of them must occur, none of the excluded may.
    pub text: Sides<String>,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// A usage refusal that names the word, says what is wrong with it and what was perhaps meant.
    pub fn parse(scope: Scope, text: &str) -> Result<Filter, Refusal> {
        read::read(scope, text)
    }

    /// Tells whether it admits everything.
    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// Tells whether an agent passes, by its name.
    pub fn admits_agent(&self, agent: &AgentKey) -> bool {
        self.agents.admits(|pattern| pattern.fits(agent))
    }

    /// Tells whether a file passes.
    pub fn admits_file(&self, path: &[u8]) -> bool {
        self.files.admits(|pattern| pattern.fits(path))
    }

    /// Tells whether something of a turn passes, where `newest` is the newest turn of its agent. Without a
    /// turn, only what asks for none passes.
    pub fn admits_turn(&self, turn: Option<u32>, newest: u32) -> bool {
        let Some(turn) = turn else { return self.turns.include.is_empty() };
        self.turns.admits(|wanted| absolute(*wanted, i64::from(newest)) == i64::from(turn))
    }

    /// Tells whether something of a run passes.
    pub fn admits_run(&self, run: u64, newest: u64) -> bool {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.runs.admits(|wanted| absolute(*wanted, signed(newest)) == signed(run))
    }

    /// Tells whether a hunk's type passes: `add`, `delete`, `change` or `binary`. A new binary file is both.
    pub fn admits_type(&self, mut fits: impl FnMut(&str) -> bool) -> bool {
        self.types.admits(|word| fits(word))
    }

    /// Tells whether something passes that is what `fits` says.
    pub fn admits_is(&self, mut fits: impl FnMut(Is) -> bool) -> bool {
        self.is.include.iter().all(|any| any.iter().any(|is| fits(*is)))
            && !self.is.exclude.iter().flatten().any(|is| fits(*is))
    }

    /// Tells whether a text passes, upper or lower case alike.
    pub fn admits_text(&self, text: &str) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let text = text.to_lowercase();
        let occurs = |word: &String| text.contains(&word.to_lowercase());
        self.text.include.iter().all(occurs) && !self.text.exclude.iter().any(occurs)
    }

    /// Gives the event types that pass; `None` where none are asked for.
    pub fn event_types(&self) -> Option<TypeChoice> {
        (!self.types.is_empty()).then(|| kinds::choose(&self.types))
    }
}

/// Turns a number that may count from the newest into one that counts from the first.
pub fn absolute(number: i64, newest: i64) -> i64 {
    if number < 0 { newest.saturating_add(1).saturating_add(number) } else { number }
}
