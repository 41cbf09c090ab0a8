//! An answer read from the bytes of a body.

use super::frames::{Frames, Framing};
use super::{Answer, Dialect, Piece, Reader, json, reader};
use crate::api::fault::Fault;

/// The longest answer that came in one piece, in bytes.
const WHOLE_LIMIT: usize = 32 << 20;

enum Body {
    Frames(Frames),
    /// A server that does not stream, though asked to.
    Whole(Vec<u8>),
}

/// Reads one answer as its bytes come, cut anywhere.
pub struct Stream {
    body: Body,
    reader: Box<dyn Reader>,
    /// The first bytes, to be shown where nothing came of them.
    head: Vec<u8>,
    has_events: bool,
}

/// Most bytes shown of a body that holds no event.
const HEAD: usize = 300;

impl Stream {
    /// Begins to read an answer of this content type.
    pub fn new(dialect: Dialect, content_type: &str) -> Stream {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let body = match (kind, dialect) {
            // Ollama's own lines may come as plain JSON; a whole answer is one such line.
            (_, Dialect::Ollama) => Body::Frames(Frames::new(Framing::Lines)),
            ("application/json", _) => Body::Whole(Vec::new()),
            _ => Body::Frames(Frames::new(Framing::Events)),
        };
        Stream { body, reader: reader(dialect), head: Vec::new(), has_events: false }
    }

    /// Takes bytes in and gives what can be shown of them.
    ///
    /// # Errors
    /// When the provider reports an error in the middle of its answer, or what it sends is not the dialect's.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, Fault> {
        let mut pieces = Vec::new();
        match &mut self.body {
            Body::Whole(body) if body.len() + bytes.len() > WHOLE_LIMIT => {
                return Err(Fault::garbled(format!(
                    "the answer is longer than {} MB, so it was not read on",
                    WHOLE_LIMIT >> 20
                )));
            }
            Body::Whole(body) => body.extend_from_slice(bytes),
            Body::Frames(frames) => {
                let room = HEAD.saturating_sub(self.head.len()).min(bytes.len());
                self.head.extend_from_slice(bytes.get(..room).unwrap_or_default());
                for frame in frames.feed(bytes)? {
                    self.has_events = true;
                    self.reader.event(&frame.name, &frame.data, &mut pieces)?;
                }
            }
        }
        Ok(pieces)
    }

    /// Tells whether the answer came to its end; a connection may stay open behind it.
    pub fn is_complete(&self) -> bool {
        self.reader.is_complete()
    }

    /// Says that nothing follows; gives what could not be shown before, and the answer.
    ///
    /// # Errors
    /// When the body ended before the answer did.
    pub fn finish(mut self) -> Result<(Vec<Piece>, Answer), Fault> {
        let mut pieces = Vec::new();
        match self.body {
            Body::Whole(body) => {
                if body.is_empty() {
                    return Err(Fault::cut_short("the connection ended before the answer"));
                }
                let body = json(&String::from_utf8_lossy(&body))?;
                self.reader.whole(body, &mut pieces)?;
            }
            Body::Frames(mut frames) => {
                if let Some(frame) = frames.finish() {
                    self.has_events = true;
                    self.reader.event(&frame.name, &frame.data, &mut pieces)?;
                }
            }
        }
        if !self.has_events && !self.head.is_empty() {
            let head = String::from_utf8_lossy(&self.head).into_owned();
            return Err(Fault::garbled(format!("the answer holds no event of the dialect: {head}")));
        }
        if !self.reader.is_complete() {
            return Err(Fault::cut_short("the connection ended in the middle of the answer"));
        }
        Ok((pieces, self.reader.answer()))
    }
}
