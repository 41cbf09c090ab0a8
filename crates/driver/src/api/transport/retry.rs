//! Whether and when a request that failed is tried again.

use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::api::fault::Fault;

/// How often, and how long at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts in all.
    pub attempts: u32,
    /// The wait after the first failure; it doubles with each.
    pub first: Duration,
    /// The longest wait of our own.
    pub longest: Duration,
    /// The longest wait a server may ask for; one that asks for more is not tried again.
    pub longest_told: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            attempts: 6,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
            longest_told: Duration::from_secs(120),
        }
    }
}

impl Patience {
    /// Gives the wait before the next attempt, `None` to give up. `random` is between 0 and 1.
    pub fn wait(&self, fault: &Fault, attempt: u32, random: f64) -> Option<Duration> {
        if attempt >= self.attempts || !fault.kind.passes() {
            return None;
        }
        let doubled = self.first.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1)));
        // Agents that failed together do not come back together.
        let own = doubled.min(self.longest).mul_f64(0.5 + random / 2.0);
        match fault.answers_in {
            Some(told) if told > self.longest_told => None,
            Some(told) => Some(told + own.min(Duration::from_secs(1)).mul_f64(random)),
            None => Some(own),
        }
    }
}

/// Draws a number between 0 and 1.
pub(super) fn random() -> f64 {
    let mut bytes = [0u8; 4];
    let _ = getrandom(&mut bytes, GetRandomFlags::empty());
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fault::FaultKind;

    fn fault(kind: FaultKind, told: Option<u64>) -> Fault {
        Fault::new(kind, "x", "y").answering_in(told.map(Duration::from_secs))
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_spread() {
        let patience = Patience::default();
        let overloaded = fault(FaultKind::Overloaded, None);
        let waits: Vec<_> = (1..=6).map(|attempt| patience.wait(&overloaded, attempt, 1.0)).collect();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(waits, [seconds(1), seconds(2), seconds(4), seconds(8), seconds(16), None]);
        assert_eq!(patience.wait(&overloaded, 1, 0.0), Some(Duration::from_millis(500)));
        let long = Patience { attempts: 50, ..patience };
        assert_eq!(long.wait(&overloaded, 40, 1.0), seconds(30));
    }

    #[test]
    fn what_was_told_is_kept_to_and_what_is_too_long_is_not_waited_for() {
        let patience = Patience::default();
        let told = patience.wait(&fault(FaultKind::Rate, Some(7)), 1, 0.5).unwrap();
        assert!((7.0..8.0).contains(&told.as_secs_f64()), "{told:?}");
        assert_eq!(patience.wait(&fault(FaultKind::Rate, Some(3600)), 1, 0.5), None);
        for kind in [FaultKind::Quota, FaultKind::KeyRefused, FaultKind::Rejected, FaultKind::Garbled] {
            assert_eq!(patience.wait(&fault(kind, None), 1, 0.5), None);
        }
        assert!((0.0..=1.0).contains(&random()));
    }
}
