//! What the user's configuration says of decisions. It comes in with each input; what follows from it stands in events.

use crate::price::{Nanodollars, Prices};

/// How often an agent is told to go on after limits, where nothing else is said.
pub const RESUMPTIONS: u32 = 3;

/// The user's word on money and limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// What tokens cost where agents do not say it.
    pub prices: Prices,
    /// How much a run may cost.
    pub run_budget: Option<Nanodollars>,
    /// How much a day may cost.
    pub day_budget: Option<Nanodollars>,
    /// How often in a row an agent is told to go on after a limit whose end it told; 0 for never.
    pub resumptions: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { prices: Prices::default(), run_budget: None, day_budget: None, resumptions: RESUMPTIONS }
    }
}
