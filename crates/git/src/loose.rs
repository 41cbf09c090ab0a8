//! Loose objects read in this process: what was written since the last repack, such as an agent's checkpoints. A git
//! process for them would take longer to start than they take to be read.
//!
//! Whatever is not there, or odd in any way, is left to git.

use std::os::fd::OwnedFd;

use flate2::{Decompress, FlushDecompress, Status};
use rustix::fs::{CWD, Mode, OFlags};

use crate::blob::Blob;
use crate::{ObjectId, Repository};

/// What is read of a file at once; most objects are smaller.
const CHUNK: usize = 32 << 10;
/// The longest header of an object: its type, its size and a NUL.
const LONGEST_HEADER: usize = 40;

/// Reads loose objects of one repository.
pub(crate) struct Loose {
    objects: OwnedFd,
    inflate: Decompress,
    packed: Vec<u8>,
}

impl std::fmt::Debug for Loose {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Loose").field("objects", &self.objects).finish_non_exhaustive()
    }
}

impl Loose {
    /// Opens the folder of objects. `None` where only git can say what an id stands for.
    pub(crate) fn open(repository: &Repository) -> Option<Loose> {
        let common = repository.common_directory();
        if common.join("refs/replace").exists() {
            return None;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let objects = rustix::fs::openat(CWD, common.join("objects"), flags, Mode::empty()).ok()?;
        Some(Loose { objects, inflate: Decompress::new(true), packed: vec![0; CHUNK] })
    }

    /// Says whether an object is loose.
    pub(crate) fn has(&self, id: &ObjectId) -> bool {
        let access = rustix::fs::Access::READ_OK;
        rustix::fs::accessat(&self.objects, place(id).as_str(), access, rustix::fs::AtFlags::empty()).is_ok()
    }

    /// Reads an object, unless it is not loose or larger than `limit`.
    pub(crate) fn read(&mut self, id: &ObjectId, limit: u64) -> Option<Blob> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.objects, place(id).as_str(), flags, Mode::empty()).ok()?;
        self.inflate.reset(true);
        let mut content = Vec::new();
        let mut header = None;
        loop {
            let count = rustix::io::read(&file, self.packed.as_mut_slice()).ok()?;
            let mut packed = self.packed.get(..count).filter(|packed| !packed.is_empty())?;
            while !packed.is_empty() {
                if header.is_none() {
                    // A guess that fits most texts; the header then tells how much it is.
                    content.reserve(packed.len().saturating_mul(4).max(LONGEST_HEADER));
                }
                let before = (self.inflate.total_in(), content.len());
                let status = self.inflate.decompress_vec(packed, &mut content, FlushDecompress::None).ok()?;
                let taken = usize::try_from(self.inflate.total_in() - before.0).ok()?;
                packed = packed.get(taken..)?;
                if header.is_none() {
                    let (length, size) = read_header(&content)?;
                    if size > limit {
                        return None;
                    }
                    let size = usize::try_from(size).ok()?;
                    content.reserve_exact((length + size + 1).saturating_sub(content.len()));
                    header = Some((length, size));
                }
                let (length, size) = header?;
                if status == Status::StreamEnd {
                    content.drain(..length);
                    return (content.len() == size).then_some(Blob::Content(content));
                }
                if before == (self.inflate.total_in(), content.len()) {
                    return None;
                }
            }
        }
    }
}

/// Gives where an object stands below the folder of objects.
fn place(id: &ObjectId) -> String {
    let (folder, name) = id.as_str().split_at(2);
    let mut place = String::with_capacity(id.as_str().len() + 1);
    place.push_str(folder);
    place.push('/');
    place.push_str(name);
    place
}

/// Reads `<type> <size>\0` and gives its length and the size.
fn read_header(content: &[u8]) -> Option<(usize, u64)> {
    let end = memchr::memchr(0, content.get(..LONGEST_HEADER).unwrap_or(content))?;
    let text = std::str::from_utf8(content.get(..end)?).ok()?;
    let (_kind, size) = text.split_once(' ')?;
    Some((end + 1, size.parse().ok()?))
}
