//! The one place that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use orchflow_core::Timestamp;

/// Gives the time now.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A clock that never runs backwards: the log's order is its time's order.
#[derive(Debug, Default)]
pub struct MonotonicClock {
    last: Timestamp,
}

impl MonotonicClock {
    /// Goes on from the time of the last event.
    pub fn since(last: Timestamp) -> Self {
        MonotonicClock { last }
    }

    /// Gives the time now, or the last given time if the wall clock went back.
    pub fn tick(&mut self) -> Timestamp {
        self.last = self.last.max(now());
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_goes_back_does_not_take_the_log_along() {
        let ahead = Timestamp(now().0 + 3_600_000_000);
        let mut clock = MonotonicClock::since(ahead);
        assert_eq!(clock.tick(), ahead, "an hour behind the last event");
        assert_eq!(clock.tick(), ahead);
        assert!(MonotonicClock::default().tick() > Timestamp(0));
    }
}
