//! Keeps a program that repeats itself without end from flooding whoever listens to its signals.
//!
//! Of states (title, status, modes) the last one always arrives; of events (bell, notification) those over the
//! budget are dropped.

use std::time::{Duration, Instant};

use crate::signal::{Signal, SignalSink, now_us};

/// Signals of one kind let through in a window.
const BUDGET: u32 = 20;

const WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Kind {
    sent: u32,
    /// The newest state that was held back, and when it was seen.
    held: Option<(Signal, u64)>,
}

/// Passes signals on within a budget.
pub(super) struct Pacer {
    sink: Box<dyn SignalSink>,
    window: Option<Instant>,
    kinds: [Kind; 8],
}

impl Pacer {
    pub(super) fn new(sink: Box<dyn SignalSink>) -> Pacer {
        Pacer { sink, window: None, kinds: Default::default() }
    }

    /// Passes a signal on, holds it back or drops it.
    pub(super) fn emit(&mut self, signal: Signal) {
        let at_us = now_us();
        self.turn_window();
        let Some((index, is_state)) = kind(&signal) else { return self.sink.emit(signal, at_us) };
        let Some(kind) = self.kinds.get_mut(index) else { return };
        if kind.sent < BUDGET {
            kind.sent += 1;
            self.sink.emit(signal, at_us);
        } else if is_state {
            kind.held = Some((signal, at_us));
        }
    }

    /// Sends the states that were held back, now that the program is quiet.
    pub(super) fn settle(&mut self) {
        self.window = None;
        self.turn_window();
    }

    fn turn_window(&mut self) {
        let now = Instant::now();
        if self.window.is_some_and(|start| now.duration_since(start) < WINDOW) {
            return;
        }
        self.window = Some(now);
        let mut held: Vec<(Signal, u64)> = Vec::new();
        for kind in &mut self.kinds {
            kind.sent = 0;
            held.extend(kind.held.take());
        }
        held.sort_by_key(|(_, at_us)| *at_us);
        for (signal, at_us) in held {
            self.sink.emit(signal, at_us);
        }
    }
}

/// Gives a signal's kind and whether it is a state; `None` for what happens once.
fn kind(signal: &Signal) -> Option<(usize, bool)> {
    match signal {
        Signal::Title(_) => Some((0, true)),
        Signal::Status { .. } => Some((1, true)),
        Signal::Progress { .. } => Some((2, true)),
        Signal::WorkingDirectory(_) => Some((3, true)),
        Signal::BracketedPaste(_) => Some((4, true)),
        Signal::AlternateScreen(_) => Some((5, true)),
        Signal::Bell => Some((6, false)),
        Signal::Notification { .. } | Signal::Mark { .. } => Some((7, false)),
        Signal::Started { .. } | Signal::OutputActive | Signal::OutputQuiet | Signal::Exited { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_last_state_arrives_and_events_over_the_budget_do_not() {
        let (sender, receiver) = mpsc::channel();
        let mut pacer = Pacer::new(Box::new(move |signal: Signal, _at: u64| sender.send(signal).unwrap()));
        for number in 0..1000 {
            pacer.emit(Signal::Title(number.to_string()));
            pacer.emit(Signal::Bell);
        }
        pacer.settle();
        let seen: Vec<Signal> = receiver.try_iter().collect();
        assert_eq!(seen.last(), Some(&Signal::Title("999".into())));
        assert!(seen.len() <= 3 * BUDGET as usize + 1, "{}", seen.len());
    }
}
