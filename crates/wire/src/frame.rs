//! An incremental reader of msgpack values: bytes in, whole frames out.
//!
//! The reader walks the headers of a value (<https://github.com/msgpack/msgpack/blob/master/spec.md>)
//! and remembers where it stopped, so every byte is looked at once however it arrives, and a claim of
//! an impossible length is refused before anything is allocated for it.

/// Bounds what one frame may cost the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame, in bytes.
    pub bytes: usize,
    /// Deepest nesting of arrays and maps.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 16 << 20, depth: 64 }
    }
}

/// Says why a byte stream is not acceptable msgpack. The connection cannot go on after one of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The frame claims or reached more bytes than the limit.
    #[error("a message of {claimed} bytes is over the limit of {limit}")]
    TooLong {
        /// The bytes announced so far.
        claimed: u64,
        /// The limit in force.
        limit: usize,
    },
    /// Arrays and maps are nested deeper than the limit.
    #[error("a message is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit in force.
        limit: usize,
    },
    /// The byte 0xc1, which the format never uses.
    #[error("byte 0xc1 at offset {offset} of a message is not msgpack")]
    Reserved {
        /// Offset in the frame.
        offset: usize,
    },
}

/// Cuts a byte stream into whole msgpack values.
#[derive(Debug, Default)]
pub struct FrameReader {
    limits: Limits,
    buffer: Vec<u8>,
    /// Offset of the next header that was not looked at yet.
    scanned: usize,
    /// Values still missing at each open level, outermost first.
    missing: Vec<u64>,
    started: bool,
}

impl FrameReader {
    /// Makes a reader with the given limits.
    pub fn new(limits: Limits) -> Self {
        FrameReader { limits, ..FrameReader::default() }
    }

    /// Appends bytes as they were read from the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Tells how many bytes wait for the rest of their frame.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Takes the next whole frame, or `None` while one is incomplete.
    ///
    /// # Errors
    /// A [`FrameError`] when the stream cannot be msgpack within the limits.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        if !self.started {
            if self.buffer.is_empty() {
                return Ok(None);
            }
            self.started = true;
            self.missing.push(1);
        }
        while let Some(top) = self.missing.last_mut() {
            if *top == 0 {
                self.missing.pop();
                continue;
            }
            let Some(header) = read_header(self.buffer.get(self.scanned..).unwrap_or_default())
                .ok_or(FrameError::Reserved { offset: self.scanned })?
            else {
                return Ok(None);
            };
            let end = self.scanned as u64 + header.size as u64 + header.payload;
            // Every element costs at least a byte, so the count bounds the frame as well.
            let claimed = end.saturating_add(header.elements);
            if claimed > self.limits.bytes as u64 {
                return Err(FrameError::TooLong { claimed, limit: self.limits.bytes });
            }
            if (self.buffer.len() as u64) < end {
                return Ok(None);
            }
            *top -= 1;
            self.scanned = end as usize;
            if header.elements > 0 {
                // The first level is our own "one value" counter.
                if self.missing.len() > self.limits.depth {
                    return Err(FrameError::TooDeep { limit: self.limits.depth });
                }
                self.missing.push(header.elements);
            }
        }
        let rest = self.buffer.split_off(self.scanned);
        let frame = std::mem::replace(&mut self.buffer, rest);
        self.scanned = 0;
        self.started = false;
        Ok(Some(frame))
    }
}

struct Header {
    /// Bytes of the header itself.
    size: usize,
    /// Bytes that follow it and belong to this value.
    payload: u64,
    /// Values that follow it and belong to this value.
    elements: u64,
}

/// Reads one header. Outer `None`: not msgpack. Inner `None`: more bytes are needed.
fn read_header(bytes: &[u8]) -> Option<Option<Header>> {
    let Some(&tag) = bytes.first() else { return Some(None) };
    let plain = |payload: u64| Header { size: 1, payload, elements: 0 };
    let sized = |width: usize, extra: u64| {
        number(bytes, width).map(|n| Header { size: 1 + width, payload: n + extra, elements: 0 })
    };
    let counted = |width: usize, each: u64| {
        number(bytes, width).map(|n| Header { size: 1 + width, payload: 0, elements: n * each })
    };
    Some(match tag {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => Some(plain(0)),
        0x80..=0x8f => Some(Header { size: 1, payload: 0, elements: u64::from(tag & 0x0f) * 2 }),
        0x90..=0x9f => Some(Header { size: 1, payload: 0, elements: u64::from(tag & 0x0f) }),
        0xa0..=0xbf => Some(plain(u64::from(tag & 0x1f))),
        0xc1 => return None,
        0xc4 | 0xd9 => sized(1, 0),
        0xc5 | 0xda => sized(2, 0),
        0xc6 | 0xdb => sized(4, 0),
        0xc7 => sized(1, 1),
        0xc8 => sized(2, 1),
        0xc9 => sized(4, 1),
        0xca | 0xce | 0xd2 => Some(plain(4)),
        0xcb | 0xcf | 0xd3 => Some(plain(8)),
        0xcc | 0xd0 => Some(plain(1)),
        0xcd | 0xd1 => Some(plain(2)),
        0xd4 => Some(plain(2)),
        0xd5 => Some(plain(3)),
        0xd6 => Some(plain(5)),
        0xd7 => Some(plain(9)),
        0xd8 => Some(plain(17)),
        0xdc => counted(2, 1),
        0xdd => counted(4, 1),
        0xde => counted(2, 2),
        0xdf => counted(4, 2),
    })
}

fn number(bytes: &[u8], width: usize) -> Option<u64> {
    let digits = bytes.get(1..1 + width)?;
    Some(digits.iter().fold(0u64, |n, &byte| (n << 8) | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rmpv::Value;

    fn encode(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        rmpv::encode::write_value(&mut out, value).unwrap();
        out
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
            proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::Binary),
            (any::<i8>(), proptest::collection::vec(any::<u8>(), 0..20)).prop_map(|(t, b)| Value::Ext(t, b)),
        ];
        leaf.prop_recursive(5, 60, 20, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::Array),
                proptest::collection::vec((inner.clone(), inner), 0..20).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn whole_values_come_out_however_the_bytes_arrive(
            values in proptest::collection::vec(any_value(), 1..5),
            step in 1usize..50,
        ) {
            let encoded: Vec<Vec<u8>> = values.iter().map(encode).collect();
            let mut reader = FrameReader::default();
            let mut frames = Vec::new();
            for chunk in encoded.concat().chunks(step) {
                reader.push(chunk);
                while let Some(frame) = reader.next_frame().unwrap() {
                    frames.push(frame);
                }
            }
            prop_assert_eq!(frames, encoded);
            prop_assert_eq!(reader.pending(), 0);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut reader = FrameReader::new(Limits { bytes: 100, depth: 4 });
            reader.push(&bytes);
            while let Ok(Some(_)) = reader.next_frame() {}
        }
    }

    #[test]
    fn a_claimed_length_is_refused_before_the_bytes_come() {
        for header in [
            &[0xc6, 0xff, 0xff, 0xff, 0xff][..],
            &[0xdd, 0xff, 0xff, 0xff, 0xff][..],
            &[0xdf, 0xff, 0xff, 0xff, 0xff][..],
            &[0x92, 0xdb, 0x7f, 0, 0, 0][..],
        ] {
            let mut reader = FrameReader::default();
            reader.push(header);
            assert!(matches!(reader.next_frame(), Err(FrameError::TooLong { .. })), "{header:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let mut reader = FrameReader::default();
        reader.push(&[0x91; 65]);
        assert_eq!(reader.next_frame(), Err(FrameError::TooDeep { limit: 64 }));
        let mut reader = FrameReader::default();
        reader.push(&[0x91; 64]);
        reader.push(&[0xc0]);
        assert_eq!(reader.next_frame().unwrap().unwrap().len(), 65);
    }

    #[test]
    fn the_unused_byte_is_named() {
        let mut reader = FrameReader::default();
        reader.push(&[0x92, 0x01, 0xc1]);
        assert_eq!(reader.next_frame(), Err(FrameError::Reserved { offset: 2 }));
    }
}
