//! Names of git objects and the modes of files.

use std::fmt;
use std::str::FromStr;

use crate::GitError;

/// Names a git object by its full id in lower-case hexadecimal (40 digits, or 64 in a SHA-256 repository).
///
/// Being checked when made, it can stand on a command line without being taken for an option.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(String);

impl ObjectId {
    /// Reads an id from what git printed; surrounding white space is ignored.
    ///
    /// # Errors
    /// [`GitError::NotAnObjectId`] when it is not a full id.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GitError> {
        let text = bytes.trim_ascii();
        if matches!(text.len(), 40 | 64)
            && text.iter().all(u8::is_ascii_hexdigit)
            && let Ok(text) = std::str::from_utf8(text)
        {
            return Ok(ObjectId(text.to_ascii_lowercase()));
        }
        Err(GitError::NotAnObjectId { text: String::from_utf8_lossy(bytes).chars().take(80).collect() })
    }

    /// Gives git's "no object".
    pub(crate) fn null() -> Self {
        ObjectId("0".repeat(40))
    }

    /// Gives the full id in hexadecimal.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the first seven digits, for showing.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }

    /// Says whether this is git's "no object" (all zeros).
    pub fn is_null(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'0')
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for ObjectId {
    type Err = GitError;

    fn from_str(text: &str) -> Result<Self, GitError> {
        ObjectId::from_bytes(text.as_bytes())
    }
}

/// Says what kind of file a path holds, as git records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileMode {
    /// A file.
    Regular,
    /// A file that can be run.
    Executable,
    /// A symbolic link; its content is the target.
    Symlink,
    /// Another repository's commit (a submodule, or a nested repository).
    Commit,
}

impl FileMode {
    /// Reads a mode from git's six octal digits. Modes of very old repositories count as the nearest of today.
    pub fn from_octal(digits: &[u8]) -> Option<Self> {
        let value = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()?;
        FileMode::from_bits(value)
    }

    /// Reads a mode from its numeric form.
    pub(crate) fn from_bits(value: u32) -> Option<Self> {
        match value & 0o170_000 {
            0o100_000 if value & 0o100 != 0 => Some(FileMode::Executable),
            0o100_000 => Some(FileMode::Regular),
            0o120_000 => Some(FileMode::Symlink),
            0o160_000 => Some(FileMode::Commit),
            _ => None,
        }
    }

    /// Gives git's six octal digits.
    pub fn octal(self) -> &'static str {
        match self {
            FileMode::Regular => "100644",
            FileMode::Executable => "100755",
            FileMode::Symlink => "120000",
            FileMode::Commit => "160000",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_ids_are_taken() {
        let id: ObjectId = "A1B2C3D4E5F60718293a4b5c6d7e8f9001020304\n".parse().unwrap();
        assert_eq!(id.as_str(), "a1b2c3d4e5f60718293a4b5c6d7e8f9001020304");
        assert_eq!(id.short(), "a1b2c3d");
        for wrong in ["", "--exec=x", "HEAD", "a1b2c3", "g1b2c3d4e5f60718293a4b5c6d7e8f9001020304"] {
            assert!(wrong.parse::<ObjectId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn modes_round_trip() {
        for mode in [FileMode::Regular, FileMode::Executable, FileMode::Symlink, FileMode::Commit] {
            assert_eq!(FileMode::from_octal(mode.octal().as_bytes()), Some(mode));
        }
        assert_eq!(FileMode::from_octal(b"100664"), Some(FileMode::Regular));
        assert_eq!(FileMode::from_octal(b"000000"), None);
        assert_eq!(FileMode::from_octal(b"\xff"), None);
    }
}
