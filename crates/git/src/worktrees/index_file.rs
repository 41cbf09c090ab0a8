//! Git's index file, as far as is needed to give a copied worktree one that is exact from the start.
//!
//! Git notes in its index what `stat` said of each file, and reads again every file of which that is no longer true:
//! in a copied worktree, all of them. Here the notes are rewritten for the new files, in place. The form is that of
//! `gitformat-index`, versions 2 and 3, as git writes it for the template.

use sha1::{Digest as _, Sha1};

use super::copy::FileStat;
use crate::FileMode;

const HEADER: usize = 12;
/// The stat fields before an entry's object id.
const STAT: usize = 40;
/// Length of a SHA-1, of an object id and of the closing checksum.
const HASH: usize = 20;

/// An index, and where its entries are.
#[derive(Debug)]
pub(crate) struct IndexFile {
    bytes: Vec<u8>,
    entries: Vec<IndexEntry>,
}

/// One file of an index.
#[derive(Debug)]
pub(crate) struct IndexEntry {
    pub(crate) path: Vec<u8>,
    pub(crate) mode: FileMode,
    /// Size, and modification time in seconds and nanoseconds.
    pub(super) stat: (u32, u32, u32),
    offset: usize,
}

impl IndexFile {
    /// Reads an index of SHA-1 ids; `None` when it has another form, or entries that are not plain files.
    pub(crate) fn parse(bytes: Vec<u8>) -> Option<Self> {
        if bytes.get(..4)? != b"DIRC" || !matches!(number(&bytes, 4)?, 2 | 3) {
            return None;
        }
        let count = number(&bytes, 8)? as usize;
        let end = bytes.len().checked_sub(HASH)?;
        let mut entries = Vec::with_capacity(count.min(end / (STAT + HASH)));
        let mut offset = HEADER;
        for _ in 0..count {
            let flags_at = offset + STAT + HASH;
            let flags = u16::from_be_bytes([*bytes.get(flags_at)?, *bytes.get(flags_at + 1)?]);
            // Bit 14 tells of further flags (skip-worktree, intent-to-add); bits 12 and 13 of a conflict.
            let extended = flags & 0x4000 != 0;
            if flags & 0x3000 != 0 || (extended && number_16(&bytes, flags_at + 2)? != 0) {
                return None;
            }
            let name_at = flags_at + if extended { 4 } else { 2 };
            let rest = bytes.get(name_at..end)?;
            let length = rest.iter().position(|byte| *byte == 0)?;
            entries.push(IndexEntry {
                path: rest.get(..length)?.to_vec(),
                mode: FileMode::from_bits(number(&bytes, offset + 24)?)?,
                stat: (
                    number(&bytes, offset + 36)?,
                    number(&bytes, offset + 8)?,
                    number(&bytes, offset + 12)?,
                ),
                offset,
            });
            // Entries are padded with one to eight NUL bytes to a multiple of eight.
            let used = name_at - offset + length;
            offset += (used + 8) & !7;
        }
        Some(IndexFile { bytes, entries })
    }

    /// Gives the index as git wrote it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// Gives the index as it has to be for files of which `stat` says this; `None` unless every file is told of.
    pub(super) fn rewritten(&self, stats: &[FileStat]) -> Option<Vec<u8>> {
        if stats.len() != self.entries.len() {
            return None;
        }
        let mut bytes = self.bytes.clone();
        for stat in stats {
            let offset = self.entries.get(stat.file)?.offset;
            let values = [
                (0, stat.changed.0),
                (4, stat.changed.1),
                (8, stat.modified.0),
                (12, stat.modified.1),
                (16, stat.device),
                (20, stat.inode),
                (28, stat.user),
                (32, stat.group),
            ];
            for (field, value) in values {
                let place = bytes.get_mut(offset + field..offset + field + 4)?;
                place.copy_from_slice(&value.to_be_bytes());
            }
        }
        let end = bytes.len().checked_sub(HASH)?;
        let (content, checksum) = bytes.split_at_mut(end);
        // All zeros means that checksums are switched off (`index.skipHash`).
        if checksum.iter().any(|byte| *byte != 0) {
            checksum.copy_from_slice(&Sha1::digest(content));
        }
        Some(bytes)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn number_16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_index_is_refused() {
        for bytes in [&b""[..], b"DIRC", b"DIRC\0\0\0\x02\xff\xff\xff\xff", &[0; 64]] {
            assert!(IndexFile::parse(bytes.to_vec()).is_none());
        }
        let mut huge = b"DIRC\0\0\0\x02\xff\xff\xff\xff".to_vec();
        huge.resize(4096, 1);
        assert!(IndexFile::parse(huge).is_none());
    }
}
