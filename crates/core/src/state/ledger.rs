//! What agents used: the sum of their reports, by turn, day, model and session.
//!
//! Reports come as steps or as counters that run from the beginning of a program's session. A counter adds what it is
//! beyond what was counted of the session already; one that fell began anew. Money is what agents say themselves; tokens
//! without a figure are kept apart, to be priced by a table when somebody looks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AggregateKey, State};
use crate::event::payload::UsageReported;
use crate::price::{Nanodollars, Prices, Tokens, nanodollars};
use crate::usage::Context;
use crate::{AgentKey, RunId, Timestamp};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// A day of Greenwich, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i64);

impl Day {
    /// Gives the day of a time.
    pub fn of(at: Timestamp) -> Day {
        Day(at.0.div_euclid(DAY))
    }
}

impl std::fmt::Display for Day {
    /// Writes `2026-11-26` (civil from days, as in the public description by Howard Hinnant).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let days = self.0.saturating_add(719_468);
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// What was used in one turn of one model on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageLine {
    /// The day.
    pub day: Day,
    /// The model, where it was told.
    pub model: Option<String>,
    /// Which of the agent's sessions, from 0.
    pub session: u32,
    /// All tokens.
    pub tokens: Tokens,
    /// What the agent says it cost, as far as it says so.
    pub told: Nanodollars,
    /// Those of the tokens that no such figure covers.
    pub untold: Tokens,
}

/// What was used in one turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnUsage {
    /// The agent.
    pub agent: AgentKey,
    /// The turn, 0 before the first.
    pub turn: u32,
    /// Its parts.
    pub lines: Vec<UsageLine>,
}

/// How far the counters of an agent's session ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// The agent.
    pub agent: AgentKey,
    /// How many sessions came before this one.
    #[serde(default)]
    pub session: u32,
    /// The program's id of the session.
    #[serde(default)]
    pub id: Option<String>,
    /// What was counted of this session, by model; what names none is under an empty name.
    #[serde(default)]
    pub counted: BTreeMap<String, Counted>,
    /// The newest total by model.
    #[serde(default)]
    pub totals: BTreeMap<String, Tokens>,
    /// How full the model's context is.
    #[serde(default)]
    pub context: Option<Context>,
}

/// Tokens, and what was said that they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Tokens.
    pub tokens: Tokens,
    /// Their cost, as far as told.
    #[serde(default)]
    pub told: Nanodollars,
}

impl Meter {
    fn new(agent: AgentKey) -> Meter {
        Meter {
            agent,
            session: 0,
            id: None,
            counted: BTreeMap::new(),
            totals: BTreeMap::new(),
            context: None,
        }
    }

    /// Begins another session: its counters run from nothing.
    fn begin_anew(&mut self) {
        if !self.counted.is_empty() || !self.totals.is_empty() {
            self.session += 1;
            self.counted.clear();
            self.totals.clear();
        }
    }

    /// Gives what is counted of a model; of all of them where no model is named.
    fn so_far(&self, model: &str) -> Counted {
        let one = self.counted.get(model).copied().unwrap_or_default();
        if !model.is_empty() {
            return one;
        }
        self.counted.values().fold(Counted::default(), |sum, one| Counted {
            tokens: sum.tokens.plus(one.tokens),
            told: sum.told.saturating_add(one.told),
        })
    }
}

/// A sum of money that may not be all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// What is known: told by agents, or priced by the table.
    pub known: Nanodollars,
    /// What of it comes from the table.
    pub priced: Nanodollars,
    /// Tokens of which nobody knows what they cost.
    pub unknown_tokens: u64,
    /// All tokens.
    pub tokens: Tokens,
}

impl Cost {
    /// Tells whether anything was used.
    pub fn is_nothing(&self) -> bool {
        self.known == 0 && self.tokens == Tokens::default()
    }

    /// Adds what a line cost.
    pub fn add(&mut self, line: &UsageLine, prices: &Prices) {
        self.tokens = self.tokens.plus(line.tokens);
        self.known = self.known.saturating_add(line.told);
        match prices.cost(line.model.as_deref(), line.untold) {
            Some(cost) => {
                self.known = self.known.saturating_add(cost);
                self.priced = self.priced.saturating_add(cost);
            }
            None => self.unknown_tokens = self.unknown_tokens.saturating_add(line.untold.total()),
        }
    }
}

impl State {
    /// Gives everything that was used, by agent and turn.
    pub fn used(&self) -> impl Iterator<Item = (&TurnUsage, &UsageLine)> {
        self.usage.values().flat_map(|turn| turn.lines.iter().map(move |line| (turn, line)))
    }

    /// Sums up what passes.
    pub fn cost(&self, prices: &Prices, passes: impl Fn(&AgentKey, &UsageLine) -> bool) -> Cost {
        let mut cost = Cost::default();
        for (turn, line) in self.used() {
            if passes(&turn.agent, line) {
                cost.add(line, prices);
            }
        }
        cost
    }

    /// Sums up what an agent used.
    pub fn cost_of_agent(&self, agent: &AgentKey, prices: &Prices) -> Cost {
        let mut cost = Cost::default();
        let turns = self.usage.range((agent.clone(), 0)..=(agent.clone(), u32::MAX));
        for line in turns.flat_map(|(_, turn)| &turn.lines) {
            cost.add(line, prices);
        }
        cost
    }

    /// Sums up what a run used.
    pub fn cost_of_run(&self, run: RunId, prices: &Prices) -> Cost {
        self.cost(prices, |agent, _| agent.run == run)
    }

    /// Sums up what a day saw used.
    pub fn cost_of_day(&self, day: Day, prices: &Prices) -> Cost {
        self.cost(prices, |_, line| line.day == day)
    }

    /// Notes that an agent's program opened a session; only another one begins to count anew.
    pub(super) fn meter_session(&mut self, agent: &AgentKey, id: &str) {
        let Some(meter) = self.meters.get_mut(agent) else {
            let mut meter = Meter::new(agent.clone());
            meter.id = Some(id.to_owned());
            self.meters.insert(agent.clone(), meter);
            self.touch(AggregateKey::Meter(agent.clone()));
            return;
        };
        if meter.id.as_deref() != Some(id) {
            if meter.id.is_some() {
                meter.begin_anew();
            }
            meter.id = Some(id.to_owned());
            self.touch(AggregateKey::Meter(agent.clone()));
        }
    }

    /// Adds a report.
    pub(super) fn count_usage(&mut self, agent: &AgentKey, at: Timestamp, body: &UsageReported) {
        let usage = &body.usage;
        let model = usage.model.clone().unwrap_or_default();
        let (tokens, told) = (Tokens::of(usage), usage.cost_usd.and_then(nanodollars));
        let meter = self.meters.entry(agent.clone()).or_insert_with(|| Meter::new(agent.clone()));
        meter.context = usage.context.or(meter.context);
        let (more, more_told) = if usage.is_total {
            let fell = meter.totals.get(&model).is_some_and(|last| last.total() > tokens.total());
            if fell {
                meter.begin_anew();
            }
            let so_far = meter.so_far(&model);
            meter.totals.insert(model.clone(), tokens);
            (tokens.minus(so_far.tokens), told.map(|told| told.saturating_sub(so_far.told)))
        } else {
            (tokens, told)
        };
        let session = meter.session;
        let counted = meter.counted.entry(model).or_default();
        counted.tokens = counted.tokens.plus(more);
        counted.told = counted.told.saturating_add(more_told.unwrap_or(0));
        self.touch(AggregateKey::Meter(agent.clone()));
        // A total with a figure covers everything of its session before it.
        if usage.is_total && told.is_some() {
            self.cover(agent, session, usage.model.as_deref());
        }
        let nothing = more == Tokens::default() && more_told.unwrap_or(0) == 0;
        if nothing {
            return;
        }
        let key = (agent.clone(), body.turn);
        let turn = self.usage.entry(key).or_insert_with(|| TurnUsage {
            agent: agent.clone(),
            turn: body.turn,
            lines: Vec::new(),
        });
        let day = Day::of(at);
        let place = turn
            .lines
            .iter()
            .position(|line| line.day == day && line.model == usage.model && line.session == session);
        let line = match place.and_then(|place| turn.lines.get_mut(place)) {
            Some(line) => line,
            None => {
                turn.lines.push(UsageLine {
                    day,
                    model: usage.model.clone(),
                    session,
                    tokens: Tokens::default(),
                    told: 0,
                    untold: Tokens::default(),
                });
                let Some(line) = turn.lines.last_mut() else { return };
                line
            }
        };
        line.tokens = line.tokens.plus(more);
        match more_told {
            Some(told) => line.told = line.told.saturating_add(told),
            None => line.untold = line.untold.plus(more),
        }
        self.touch(AggregateKey::Usage(agent.clone(), body.turn));
    }

    /// Notes that a figure covers what had none: of one model, or of all where none is named.
    fn cover(&mut self, agent: &AgentKey, session: u32, model: Option<&str>) {
        let mut covered = Vec::new();
        let turns = self.usage.range_mut((agent.clone(), 0)..=(agent.clone(), u32::MAX));
        for (key, turn) in turns {
            for line in &mut turn.lines {
                let is_meant = line.session == session && (model.is_none() || line.model.as_deref() == model);
                if is_meant && line.untold != Tokens::default() {
                    line.untold = Tokens::default();
                    covered.push(key.clone());
                }
            }
        }
        for (agent, turn) in covered {
            self.touch(AggregateKey::Usage(agent, turn));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_dates() {
        for (micros, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_400_000_000, "2000-02-29"),
            (1_795_651_200_000_000, "2026-11-26"),
        ] {
            assert_eq!(Day::of(Timestamp(micros)).to_string(), expected);
        }
    }
}
