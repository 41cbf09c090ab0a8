//! Msgpack written straight into bytes, for answers of many rows: JSON text becomes msgpack in one pass, without a
//! tree of values between (<https://github.com/msgpack/msgpack/blob/master/spec.md>).
//!
//! What is written reads the same as [`crate::json::from_json`] of the same JSON, in the same shortest forms.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

/// Bytes of msgpack in the making.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Packer {
    bytes: Vec<u8>,
}

impl Packer {
    /// Begins with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Packer {
        Packer { bytes: Vec::with_capacity(bytes) }
    }

    /// Gives what was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes nothing in place of a value.
    pub fn nil(&mut self) {
        self.bytes.push(0xc0);
    }

    /// Writes a truth value.
    pub fn bool(&mut self, value: bool) {
        self.bytes.push(if value { 0xc3 } else { 0xc2 });
    }

    /// Writes a number that is not negative.
    pub fn number(&mut self, value: u64) {
        match value {
            0..=0x7f => self.bytes.push(value as u8),
            0x80..=0xff => self.wide(0xcc, &(value as u8).to_be_bytes()),
            0x100..=0xffff => self.wide(0xcd, &(value as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.wide(0xce, &(value as u32).to_be_bytes()),
            _ => self.wide(0xcf, &value.to_be_bytes()),
        }
    }

    /// Writes a whole number.
    pub fn signed(&mut self, value: i64) {
        match value {
            0.. => self.number(value.unsigned_abs()),
            -32..=-1 => self.bytes.push(value as u8),
            -0x80..=-33 => self.wide(0xd0, &(value as i8).to_be_bytes()),
            -0x8000..=-0x81 => self.wide(0xd1, &(value as i16).to_be_bytes()),
            -0x8000_0000..=-0x8001 => self.wide(0xd2, &(value as i32).to_be_bytes()),
            _ => self.wide(0xd3, &value.to_be_bytes()),
        }
    }

    /// Writes a number with a fraction.
    pub fn float(&mut self, value: f64) {
        self.wide(0xcb, &value.to_be_bytes());
    }

    /// Writes a text.
    pub fn text(&mut self, value: &str) {
        let length = value.len();
        match length {
            0..=31 => self.bytes.push(0xa0 | length as u8),
            32..=0xff => self.wide(0xd9, &(length as u8).to_be_bytes()),
            0x100..=0xffff => self.wide(0xda, &(length as u16).to_be_bytes()),
            _ => self.wide(0xdb, &(length as u32).to_be_bytes()),
        }
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// Writes a text, or nothing.
    pub fn optional_text(&mut self, value: Option<&str>) {
        match value {
            Some(text) => self.text(text),
            None => self.nil(),
        }
    }

    /// Writes a number, or nothing.
    pub fn optional_number(&mut self, value: Option<u64>) {
        match value {
            Some(number) => self.number(number),
            None => self.nil(),
        }
    }

    /// Begins a list of so many values.
    pub fn list(&mut self, count: usize) {
        let at = self.open();
        self.close(at, count, 0x90, 0xdc);
    }

    /// Begins a map of so many pairs.
    pub fn map(&mut self, count: usize) {
        let at = self.open();
        self.close(at, count, 0x80, 0xde);
    }

    /// Writes a JSON value.
    pub fn json(&mut self, json: &Json) {
        match json {
            Json::Null => self.nil(),
            Json::Bool(value) => self.bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), ..) => self.signed(value),
                (None, Some(value), _) => self.number(value),
                (None, None, Some(value)) => self.float(value),
                (None, None, None) => self.nil(),
            },
            Json::String(text) => self.text(text),
            Json::Array(items) => {
                self.list(items.len());
                items.iter().for_each(|item| self.json(item));
            }
            Json::Object(entries) => {
                self.map(entries.len());
                for (key, value) in entries {
                    self.text(key);
                    self.json(value);
                }
            }
        }
    }

    /// Writes the value of a JSON text, or nothing where it is none.
    pub fn json_text(&mut self, json: &str) {
        let begin = self.bytes.len();
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let read = Pack(self).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        if read.is_err() {
            self.bytes.truncate(begin);
            self.nil();
        }
    }

    fn wide(&mut self, mark: u8, value: &[u8]) {
        self.bytes.push(mark);
        self.bytes.extend_from_slice(value);
    }

    /// Leaves room for the head of a list or map whose length is not known yet.
    fn open(&mut self) -> usize {
        self.bytes.push(0);
        self.bytes.len() - 1
    }

    /// Writes the head where [`Packer::open`] left room. Most are short; a longer head moves what follows it.
    fn close(&mut self, at: usize, count: usize, short: u8, wide: u8) {
        let mut longer: [u8; 4] = [0; 4];
        let (head, more) = match count {
            0..=15 => (short | count as u8, &longer[..0]),
            16..=0xffff => {
                longer[..2].copy_from_slice(&(count as u16).to_be_bytes());
                (wide, &longer[..2])
            }
            _ => {
                longer = (count as u32).to_be_bytes();
                (wide + 1, &longer[..])
            }
        };
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte = head;
        }
        if !more.is_empty() {
            self.bytes.splice(at + 1..at + 1, more.iter().copied());
        }
    }
}

/// Writes whatever a deserializer gives.
struct Pack<'a>(&'a mut Packer);

impl<'de> DeserializeSeed<'de> for Pack<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pack<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.nil();
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.bool(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.number(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.signed(value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.float(value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.0.text(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let at = self.0.open();
        let mut count = 0;
        while items.next_element_seed(Pack(self.0))?.is_some() {
            count += 1;
        }
        self.0.close(at, count, 0x90, 0xdc);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let at = self.0.open();
        let mut count = 0;
        while entries.next_key_seed(Pack(self.0))?.is_some() {
            entries.next_value_seed(Pack(self.0))?;
            count += 1;
        }
        if u32::try_from(count).is_err() {
            return Err(A::Error::custom("too many entries"));
        }
        self.0.close(at, count, 0x80, 0xde);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::from_json;
    use crate::message::encode_value;

    fn check(json: &Json) {
        let text = json.to_string();
        // Reading may move the last digit of a fraction; what is compared is what was read.
        let json: &Json = &serde_json::from_str(&text).unwrap();
        let expected = encode_value(&from_json(json));
        let mut packer = Packer::default();
        packer.json_text(&text);
        assert_eq!(packer.into_bytes(), expected, "{json}");
        let mut packer = Packer::default();
        packer.json(json);
        assert_eq!(packer.into_bytes(), expected, "{json}");
    }

    #[test]
    fn every_form_is_the_shortest() {
        for number in [0i64, 127, 128, 255, 256, 65_535, 65_536, 1 << 32, i64::MAX] {
            check(&Json::from(number));
            check(&Json::from(-number));
            check(&Json::from(-number - 1));
        }
        check(&Json::from(u64::MAX));
        check(&Json::from(i64::MIN));
        for length in [0usize, 15, 16, 31, 32, 255, 256, 65_535, 65_536, 70_000] {
            check(&Json::from("é".repeat(length)));
            check(&Json::from(vec![1; length]));
            let object: serde_json::Map<String, Json> =
                (0..length).map(|number| (number.to_string(), Json::Null)).collect();
            check(&Json::Object(object));
        }
    }

    #[test]
    fn what_is_no_json_is_nothing() {
        for text in ["", "{\"a\":[1,", "1 2", "nul"] {
            let mut packer = Packer::default();
            packer.json_text(text);
            assert_eq!(packer.into_bytes(), [0xc0], "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_json_is_packed_as_its_tree(json in any_json()) {
            check(&json);
        }
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            (-1.0e9..1.0e9).prop_map(|number: f64| Json::from(number)),
            "\\PC{0,40}|[\"\\\\\n\u{1}]{0,8}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 64, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Json::from),
                prop::collection::vec(("[a-z\"]{0,4}", inner), 0..20)
                    .prop_map(|entries| Json::Object(entries.into_iter().collect())),
            ]
        })
    }
}
