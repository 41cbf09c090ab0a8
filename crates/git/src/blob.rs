//! Contents of many objects from one git process.

use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout};

use crate::{GitError, ObjectId, Repository};

/// Reads objects by id from one `git cat-file --batch`, which ends with the reader.
#[derive(Debug)]
pub struct BlobReader {
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
    limit: u64,
}

/// What was found under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blob {
    /// Its bytes.
    Content(Vec<u8>),
    /// It is over the reader's limit and was skipped; this is its size in bytes.
    TooLarge(u64),
}

impl BlobReader {
    /// Starts the process.
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn open(repository: &Repository) -> Result<Self, GitError> {
        let mut child = repository.git().args(["cat-file", "--batch"]).spawn(true, false)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unreadable("pipes"));
        };
        let (input, output) = (BufWriter::new(input), BufReader::with_capacity(1 << 16, output));
        Ok(BlobReader { child, input: Some(input), output, limit: u64::MAX })
    }

    /// Skips the contents of objects over a size in bytes.
    #[must_use]
    pub fn with_limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Reads one object whole.
    ///
    /// # Errors
    /// [`GitError::NoObject`] when there is none; [`GitError::Io`] or [`GitError::Unreadable`] when the process
    /// failed, after which the reader is of no more use.
    pub fn read(&mut self, id: &ObjectId) -> Result<Vec<u8>, GitError> {
        let limit = std::mem::replace(&mut self.limit, u64::MAX);
        let mut found = None;
        let result = self.read_all(&[id], |_, blob| found = Some(blob));
        self.limit = limit;
        result?;
        match found {
            Some(Blob::Content(content)) => Ok(content),
            _ => Err(unreadable("a content")),
        }
    }

    /// Reads objects in the given order, handing each to `take` with its place in the list.
    ///
    /// # Errors
    /// As [`BlobReader::read`]; objects that are there are handed over even when one is missing.
    pub fn read_all(&mut self, ids: &[&ObjectId], mut take: impl FnMut(usize, Blob)) -> Result<(), GitError> {
        let Some(mut input) = self.input.take() else {
            return Err(unreadable("an open reader"));
        };
        let (child, output, limit) = (&mut self.child, &mut self.output, self.limit);
        let (mut missing, mut broken) = (None, None);
        // Asking must not wait for reading, else both pipes fill up and neither side moves.
        let asked = std::thread::scope(|scope| {
            let asking = scope.spawn(move || -> io::Result<_> {
                for id in ids {
                    writeln!(input, "{id}")?;
                }
                input.flush()?;
                Ok(input)
            });
            for (place, id) in ids.iter().enumerate() {
                match read_answer(output, id, limit) {
                    Ok(blob) => take(place, blob),
                    // A missing object has its answer read: the reader stays usable once all are in step.
                    Err(error @ GitError::NoObject { .. }) => missing = Some(error),
                    Err(error) => {
                        // Whoever still asks is woken by the pipe breaking.
                        let _ = child.kill();
                        broken = Some(error);
                        break;
                    }
                }
            }
            asking.join()
        });
        match (broken, asked) {
            (Some(error), _) => return Err(error),
            (None, Ok(Ok(input))) => self.input = Some(input),
            (None, _) => return Err(unreadable("an open pipe")),
        }
        missing.map_or(Ok(()), Err)
    }
}

impl Drop for BlobReader {
    fn drop(&mut self) {
        // Closing its input ends the process; one that is stuck in the middle of an answer is killed.
        self.input = None;
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Reads `<id> <type> <size>`, the content and a line end; or `<id> missing`.
fn read_answer(output: &mut BufReader<ChildStdout>, id: &ObjectId, limit: u64) -> Result<Blob, GitError> {
    let mut header = Vec::with_capacity(64);
    output.read_until(b'\n', &mut header).map_err(broken)?;
    let text = header.trim_ascii_end();
    if text.ends_with(b" missing") {
        return Err(GitError::NoObject { object: id.to_string() });
    }
    let size = text.rsplit(|byte| *byte == b' ').next().and_then(|digits| std::str::from_utf8(digits).ok());
    let Some(size) = size.and_then(|digits| digits.parse::<u64>().ok()) else {
        return Err(unreadable("expected `<id> <type> <size>`"));
    };
    let blob = if size > limit {
        io::copy(&mut output.take(size), &mut io::sink()).map_err(broken)?;
        Blob::TooLarge(size)
    } else {
        let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        output.take(size).read_to_end(&mut content).map_err(broken)?;
        Blob::Content(content)
    };
    let mut end = [0];
    output.read_exact(&mut end).map_err(broken)?;
    Ok(blob)
}

fn broken(source: io::Error) -> GitError {
    GitError::io("read from", Path::new("git cat-file"), source)
}

fn unreadable(detail: &'static str) -> GitError {
    GitError::Unreadable { command: "cat-file --batch", detail }
}
