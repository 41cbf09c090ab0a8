//! As much msgpack (<https://github.com/msgpack/msgpack/blob/master/spec.md>) as a request and its
//! answer need.

/// Deepest nesting accepted in an answer.
const DEPTH_LIMIT: u32 = 16;

/// Writes values one after the other.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Writer { bytes: Vec::with_capacity(bytes) }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Opens an array of `length` values, which the caller writes next.
    pub(crate) fn array(&mut self, length: u8) {
        debug_assert!(length < 16, "only short arrays are written");
        self.bytes.push(0x90 | length);
    }

    /// Opens a map of `length` pairs, which the caller writes next.
    pub(crate) fn map(&mut self, length: u8) {
        debug_assert!(length < 16, "only short maps are written");
        self.bytes.push(0x80 | length);
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.bytes.push(if value { 0xc3 } else { 0xc2 });
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        match u8::try_from(value) {
            Ok(small @ 0..0x80) => self.bytes.push(small),
            _ => {
                self.bytes.push(0xcf);
                self.bytes.extend_from_slice(&value.to_be_bytes());
            }
        }
    }

    pub(crate) fn text(&mut self, value: &str) {
        match u8::try_from(value.len()) {
            Ok(short @ 0..32) => self.bytes.push(0xa0 | short),
            Ok(short) => self.bytes.extend_from_slice(&[0xd9, short]),
            Err(_) => self.long(0xdb, value.len()),
        }
        self.bytes.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn binary(&mut self, value: &[u8]) {
        match u8::try_from(value.len()) {
            Ok(short) => self.bytes.extend_from_slice(&[0xc4, short]),
            Err(_) => self.long(0xc6, value.len()),
        }
        self.bytes.extend_from_slice(value);
    }

    fn long(&mut self, marker: u8, length: usize) {
        debug_assert!(u32::try_from(length).is_ok(), "callers limit what they write");
        self.bytes.push(marker);
        self.bytes.extend_from_slice(&(length as u32).to_be_bytes());
    }
}

/// A value of an answer. What a hook has no use for keeps its place only.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Nil,
    Boolean,
    Integer(i64),
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Other,
}

impl Value {
    /// Finds what a map holds under a text key.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        let Value::Map(pairs) = self else { return None };
        pairs
            .iter()
            .find(|(name, _)| matches!(name, Value::Bytes(name) if name == key.as_bytes()))
            .map(|(_, value)| value)
    }
}

/// Says why bytes are no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// They may become one when more arrive.
    Incomplete,
    /// They never will.
    Garbage,
}

/// Reads one value and the number of bytes it took.
pub(crate) fn read(bytes: &[u8]) -> Result<(Value, usize), Unreadable> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    Ok((value, bytes.len() - reader.rest.len()))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Unreadable::Incomplete)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self, width: usize) -> Result<u64, Unreadable> {
        Ok(self.take(width)?.iter().fold(0, |number, &byte| (number << 8) | u64::from(byte)))
    }

    fn length(&mut self, width: usize) -> Result<usize, Unreadable> {
        usize::try_from(self.number(width)?).map_err(|_| Unreadable::Garbage)
    }

    fn value(&mut self, depth: u32) -> Result<Value, Unreadable> {
        if depth > DEPTH_LIMIT {
            return Err(Unreadable::Garbage);
        }
        let marker = self.number(1)? as u8;
        Ok(match marker {
            0x00..=0x7f => Value::Integer(i64::from(marker)),
            0xe0..=0xff => Value::Integer(i64::from(marker as i8)),
            0x80..=0x8f => self.map(usize::from(marker & 15), depth)?,
            0x90..=0x9f => self.array(usize::from(marker & 15), depth)?,
            0xa0..=0xbf => self.bytes(usize::from(marker & 31))?,
            0xc0 => Value::Nil,
            0xc1 => return Err(Unreadable::Garbage),
            0xc2 | 0xc3 => Value::Boolean,
            0xc4..=0xc6 => {
                let length = self.length(1 << (marker - 0xc4))?;
                self.bytes(length)?
            }
            0xc7..=0xc9 => {
                let length = self.length(1 << (marker - 0xc7))?;
                self.skip(length.checked_add(1).ok_or(Unreadable::Garbage)?)?
            }
            0xca => self.skip(4)?,
            0xcb => self.skip(8)?,
            0xcc..=0xcf => self.number(1 << (marker - 0xcc))?.try_into().map_or(Value::Other, Value::Integer),
            0xd0 => Value::Integer(i64::from(self.number(1)? as i8)),
            0xd1 => Value::Integer(i64::from(self.number(2)? as i16)),
            0xd2 => Value::Integer(i64::from(self.number(4)? as i32)),
            0xd3 => Value::Integer(self.number(8)? as i64),
            0xd4..=0xd8 => self.skip(1 + (1 << (marker - 0xd4)))?,
            0xd9..=0xdb => {
                let length = self.length(1 << (marker - 0xd9))?;
                self.bytes(length)?
            }
            0xdc | 0xdd => {
                let length = self.length(2 << (marker - 0xdc))?;
                self.array(length, depth)?
            }
            0xde | 0xdf => {
                let length = self.length(2 << (marker - 0xde))?;
                self.map(length, depth)?
            }
        })
    }

    fn bytes(&mut self, length: usize) -> Result<Value, Unreadable> {
        Ok(Value::Bytes(self.take(length)?.to_vec()))
    }

    fn skip(&mut self, length: usize) -> Result<Value, Unreadable> {
        self.take(length)?;
        Ok(Value::Other)
    }

    // Collections grow as their values arrive: a claimed length reserves nothing.
    fn array(&mut self, length: usize, depth: u32) -> Result<Value, Unreadable> {
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(self.value(depth + 1)?);
        }
        Ok(Value::Array(items))
    }

    fn map(&mut self, length: usize, depth: u32) -> Result<Value, Unreadable> {
        let mut pairs = Vec::new();
        for _ in 0..length {
            pairs.push((self.value(depth + 1)?, self.value(depth + 1)?));
        }
        Ok(Value::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = Writer::default();
        writer.array(8);
        writer.unsigned(7);
        writer.unsigned(1 << 40);
        writer.text("short");
        writer.text(&"x".repeat(200));
        writer.text(&"y".repeat(300));
        writer.binary(b"\xff\0");
        writer.binary(&[9; 70_000]);
        writer.map(1);
        writer.text("ok");
        writer.boolean(true);
        let bytes = writer.into_bytes();
        let (value, used) = read(&bytes).unwrap();
        assert_eq!(used, bytes.len());
        let Value::Array(items) = &value else { panic!("{value:?}") };
        assert_eq!(items[0], Value::Integer(7));
        assert_eq!(items[1], Value::Integer(1 << 40));
        assert_eq!(items[2], Value::Bytes(b"short".to_vec()));
        assert_eq!(items[4], Value::Bytes("y".repeat(300).into_bytes()));
        assert_eq!(items[5], Value::Bytes(b"\xff\0".to_vec()));
        assert_eq!(items[7].get("ok"), Some(&Value::Boolean));
    }

    #[test]
    fn every_cut_of_a_message_is_incomplete_and_never_garbage() {
        let whole = [0x94, 0x01, 0x02, 0xc0, 0x82, 0xa2, b'o', b'k', 0xc3, 0xa1, b'n', 0xcd, 0x01, 0x00];
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), Err(Unreadable::Incomplete), "{cut}");
        }
        let (value, used) = read(&whole).unwrap();
        assert_eq!(used, whole.len());
        let Value::Array(items) = value else { panic!() };
        assert_eq!(items[3].get("n"), Some(&Value::Integer(256)));
    }

    #[test]
    fn integers_of_every_width_keep_their_sign() {
        for (bytes, expected) in [
            (&[0xff][..], -1),
            (&[0xd0, 0x80], -128),
            (&[0xd1, 0xff, 0x00], -256),
            (&[0xd2, 0xff, 0xff, 0xff, 0xfe], -2),
            (&[0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfd], -3),
            (&[0xcc, 0xff], 255),
        ] {
            assert_eq!(read(bytes), Ok((Value::Integer(expected), bytes.len())));
        }
    }

    #[test]
    fn the_unused_marker_and_endless_nesting_are_garbage() {
        assert_eq!(read(&[0xc1]), Err(Unreadable::Garbage));
        assert_eq!(read(&[0x91; 100]), Err(Unreadable::Garbage));
    }
}
