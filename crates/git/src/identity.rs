//! What hunks are told apart by: names, and hashes of contents.

use std::fmt;
use std::str::FromStr;

/// Names a hunk: the same for the same change by the same agent to the same file, wherever in the file it has moved.
///
/// It is made from the scope, the path, the lines removed and added, and the hunk's place among equals. Lines that are
/// only put in or only taken out count in a fixed rotation, since where such a run begins is often open (a new
/// function between others may begin with its own brace or with that of the one before) and may turn out otherwise
/// when something around it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HunkId([u8; 6]);

impl HunkId {
    /// Takes the beginning of a digest.
    pub(crate) fn beginning_of(digest: &[u8; 32]) -> HunkId {
        let mut short = [0; 6];
        short.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
        HunkId(short)
    }
}

/// Says that a text is no hunk's whole id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hunk's id")]
pub struct NotAHunkId;

impl FromStr for HunkId {
    type Err = NotAHunkId;

    /// Reads a whole id, as it is written.
    fn from_str(text: &str) -> Result<Self, NotAHunkId> {
        let digits = text.strip_prefix("h_").ok_or(NotAHunkId)?.as_bytes();
        let mut bytes = [0; 6];
        if digits.len() != bytes.len() * 2 {
            return Err(NotAHunkId);
        }
        let value = |digit: &u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(NotAHunkId),
        };
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                *byte = *byte << 4 | value(digit)?;
            }
        }
        Ok(HunkId(bytes))
    }
}

impl fmt::Display for HunkId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("h_")?;
        write_hex(formatter, &self.0)
    }
}

/// Stands for everything a human saw of a hunk: its kind, path, lines and modes. A decision that carries it
/// cannot hit anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub(crate) [u8; 32]);

impl ContentHash {
    /// Gives the bytes of the BLAKE3 hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(formatter, &self.0)
    }
}

/// Writes bytes as hexadecimal digits, at most 32 of them; lists of thousands of hunks are full of these.
fn write_hex(formatter: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value & 15)).copied().unwrap_or(b'0');
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(*byte)]);
    }
    let written = text.get(..bytes.len() * 2).unwrap_or(&text);
    formatter.write_str(std::str::from_utf8(written).map_err(|_| fmt::Error)?)
}

/// Hashes parts, each with its length, so that no two lists of parts run into each other. It keeps its memory, since
/// a comparison makes thousands of them.
#[derive(Debug, Default)]
pub(crate) struct Digest(Vec<u8>);

impl Digest {
    /// Hashes a list of parts.
    pub(crate) fn of(&mut self, parts: &[&[u8]]) -> [u8; 32] {
        self.0.clear();
        for part in parts {
            self.0.extend_from_slice(&(part.len() as u64).to_le_bytes());
            self.0.extend_from_slice(part);
        }
        // In one go: for inputs as short as most hunks, feeding a hasher part by part costs more than hashing.
        *blake3::hash(&self.0).as_bytes()
    }
}

/// Gives the lines in the one of their rotations that sorts first, found in linear time by the two-pointer comparison
/// of candidate starts.
pub(crate) fn rotated(lines: &[u8]) -> Vec<u8> {
    let all: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').collect();
    let count = all.len();
    let at = |start: usize, step: usize| all.get((start + step) % count.max(1));
    let (mut best, mut other, mut same) = (0, 1, 0);
    while best < count && other < count && same < count {
        match at(best, same).cmp(&at(other, same)) {
            std::cmp::Ordering::Equal => {
                same += 1;
                continue;
            }
            std::cmp::Ordering::Greater => best += same + 1,
            std::cmp::Ordering::Less => other += same + 1,
        }
        if best == other {
            other += 1;
        }
        same = 0;
    }
    let start = best.min(other);
    all.iter().cycle().skip(start).take(count).copied().collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rotation_has_one_form() {
        let all: [&[u8]; 6] = [b"b\n", b"a\n", b"a\n", b"c\n", b"a\n", b"b\n"];
        let expected = rotated(&all.concat());
        assert_eq!(expected, b"a\na\nc\na\nb\nb\n");
        for start in 0..all.len() {
            let (back, front) = all.split_at(start);
            assert_eq!(rotated(&[front, back].concat().concat()), expected);
        }
        assert_eq!(rotated(b""), b"");
        assert_eq!(rotated(b"one"), b"one");
        assert_eq!(rotated(b"x\nx\n"), b"x\nx\n");
    }

    #[test]
    fn an_id_is_read_as_it_is_written_and_nothing_else_is() {
        let id = HunkId([0, 0x1f, 0x9c, 0xff, 0x0a, 0xb0]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in [
            "",
            "h_",
            "h_001f9cff0ab",
            "h_001f9cff0ab00",
            "h_001F9CFF0AB0",
            "x_001f9cff0ab0",
            "h_001f9cff0ab+",
        ] {
            assert_eq!(wrong.parse::<HunkId>(), Err(NotAHunkId), "{wrong}");
        }
    }
}
