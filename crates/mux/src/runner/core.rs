//! The screen of one program with everything that changes together with it.

use std::time::Instant;

use super::pace::Pacer;
use super::views::{Picture, Views};
use crate::emulator::{Cursor, Emulator, Size, Style, WeztermEmulator};
use crate::filter::{Filter, FilterSink};
use crate::protocol::{Exit, Screen, Status};
use crate::signal::{Signal, now_us};

/// Answers to the program kept from one piece of output. Bytes.
const ANSWER_LIMIT: usize = 64 * 1024;

/// The state of a runner's terminal.
pub(super) struct Core {
    pub(super) filter: Filter,
    pub(super) emulator: WeztermEmulator,
    pub(super) views: Views,
    pub(super) signals: Pacer,
    pub(super) status: Option<Status>,
    pub(super) exit: Option<Exit>,
    /// Grows with every piece of output.
    pub(super) pieces: u64,
    /// The last output, while the program counts as active.
    pub(super) active: Option<Instant>,
}

/// What has to be done behind one piece of output.
#[derive(Debug, Default)]
pub(super) struct AfterOutput {
    /// To be written to the program.
    pub(super) answers: Vec<u8>,
    /// A frame is to be painted later.
    pub(super) frame_later: bool,
    /// The program was quiet until now.
    pub(super) became_active: bool,
}

impl Core {
    /// Takes one piece of the program's output.
    pub(super) fn output(&mut self, bytes: &[u8]) -> AfterOutput {
        let now = Instant::now();
        self.pieces += 1;
        let became_active = self.active.replace(now).is_none();
        if became_active {
            self.signals.emit(Signal::OutputActive);
        }
        let mut sink = OutputSink {
            emulator: &mut self.emulator,
            signals: &mut self.signals,
            status: &mut self.status,
            stream: Vec::new(),
            repaint: false,
            bell: false,
            answers: Vec::new(),
        };
        self.filter.feed(bytes, &mut sink);
        let OutputSink { stream, repaint, bell, answers, .. } = sink;
        let mut picture = Picture { emulator: &mut self.emulator, modes: self.filter.modes() };
        let frame_later = self.views.output(stream, repaint, bell, &mut picture, now);
        AfterOutput { answers, frame_later, became_active }
    }

    /// Gives the screen another size. Returns whether it changed.
    pub(super) fn resize(&mut self, size: Size) -> bool {
        let changed = size != self.emulator.size();
        if changed {
            self.emulator.resize(size);
            self.filter.resize(size);
        }
        let mut picture = Picture { emulator: &mut self.emulator, modes: self.filter.modes() };
        self.views.settle(&mut picture, changed);
        changed
    }

    /// Paints the frames that are due. Returns when the next one is.
    pub(super) fn paint_due(&mut self) -> Option<Instant> {
        let mut picture = Picture { emulator: &mut self.emulator, modes: self.filter.modes() };
        self.views.paint_due(&mut picture, Instant::now())
    }

    /// A caller has read all that waited for it. Returns whether a frame is to be painted.
    pub(super) fn emptied(&mut self, id: u64) -> bool {
        let mut picture = Picture { emulator: &mut self.emulator, modes: self.filter.modes() };
        self.views.emptied(id, &mut picture)
    }

    /// Reads the screen as text.
    pub(super) fn screen(&mut self) -> Screen {
        let cursor = self.emulator.cursor();
        Screen {
            rows: self.emulator.text(),
            cursor_row: cursor.row,
            cursor_column: cursor.column,
            title: self.filter.title().to_owned(),
            alternate: self.filter.modes().alternate(),
        }
    }
}

/// Sorts what the filter lets through in one piece of output.
struct OutputSink<'a> {
    emulator: &'a mut WeztermEmulator,
    signals: &'a mut Pacer,
    status: &'a mut Option<Status>,
    stream: Vec<u8>,
    repaint: bool,
    bell: bool,
    answers: Vec<u8>,
}

impl OutputSink<'_> {
    /// Behind a switch of screens nothing is streamed: a paint of everything follows.
    fn stream(&mut self, bytes: &[u8]) {
        if !self.repaint {
            self.stream.extend_from_slice(bytes);
        }
    }
}

impl FilterSink for OutputSink<'_> {
    fn display(&mut self, bytes: &[u8]) {
        self.emulator.feed(bytes);
        self.stream(bytes);
    }

    fn emulate(&mut self, bytes: &[u8]) {
        self.emulator.feed(bytes);
    }

    fn relay(&mut self, bytes: &[u8]) {
        self.stream(bytes);
    }

    fn repaint(&mut self) {
        self.repaint = true;
        self.stream.clear();
    }

    fn answer(&mut self, bytes: &[u8]) {
        if self.answers.len() + bytes.len() <= ANSWER_LIMIT {
            self.answers.extend_from_slice(bytes);
        }
    }

    fn cursor(&mut self) -> Cursor {
        self.emulator.cursor()
    }

    fn pen(&mut self) -> Style {
        self.emulator.pen()
    }

    fn signal(&mut self, signal: Signal) {
        match &signal {
            Signal::Bell if std::mem::replace(&mut self.bell, true) => return,
            Signal::Status { state, app, kind, message } => {
                *self.status = Some(Status {
                    state: state.clone(),
                    app: app.clone(),
                    kind: kind.clone(),
                    message: message.clone(),
                    at_us: now_us(),
                });
            }
            _ => {}
        }
        self.signals.emit(signal);
    }
}
