//! Contents of many objects.

use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout};

use crate::loose::Loose;
use crate::{GitError, ObjectId, Repository};

/// Reads objects by id: loose ones in this process, all others from one `git cat-file --batch`, which is started once
/// it is needed and ends with the reader.
#[derive(Debug)]
pub struct BlobReader {
    repository: Repository,
    loose: Option<Loose>,
    git: Option<CatFile>,
    limit: u64,
}

/// The git process.
#[derive(Debug)]
struct CatFile {
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
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
    /// Makes a reader of a repository's objects.
    pub fn open(repository: &Repository) -> Self {
        let loose = Loose::open(repository);
        BlobReader { repository: repository.clone(), loose, git: None, limit: u64::MAX }
    }

    /// Starts the git process now where it is likely to be needed, so that it is there by then.
    ///
    /// # Errors
    /// When git cannot be started.
    pub(crate) fn warm(&mut self) -> Result<(), GitError> {
        let packs = self.repository.common_directory().join("objects/pack");
        if self.loose.is_none() || std::fs::read_dir(packs).is_ok_and(|mut packs| packs.next().is_some()) {
            self.git()?;
        }
        Ok(())
    }

    fn git(&mut self) -> Result<&mut CatFile, GitError> {
        match &mut self.git {
            Some(git) => Ok(git),
            none => Ok(none.insert(CatFile::start(&self.repository)?)),
        }
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
        let limit = self.limit;
        let mut done = 0;
        if let Some(loose) = &mut self.loose {
            for id in ids {
                let Some(blob) = loose.read(id, limit) else { break };
                take(done, blob);
                done += 1;
            }
        }
        if done == ids.len() {
            return Ok(());
        }
        // Git is asked for all others at once.
        let is_loose = |id: &ObjectId| self.loose.as_ref().is_some_and(|loose| loose.has(id));
        let rest = ids.iter().copied().enumerate().skip(done);
        let asked: Vec<(usize, &ObjectId)> =
            rest.filter(|(place, id)| *place == done || !is_loose(id)).collect();
        self.git()?;
        let (loose, Some(git)) = (&mut self.loose, &mut self.git) else {
            return Err(unreadable("an open reader"));
        };
        let mut odd = Odd { repository: &self.repository, git: None, result: Ok(()) };
        // The loose ones before a place, and those behind the last.
        let mut between = |from: usize, until: usize, take: &mut dyn FnMut(usize, Blob)| {
            for (place, id) in ids.iter().enumerate().take(until).skip(from) {
                let blob = loose.as_mut().and_then(|loose| loose.read(id, limit));
                if let Some(blob) = blob.or_else(|| odd.read(id, limit)) {
                    take(place, blob);
                }
            }
        };
        let mut places = asked.iter().map(|(place, _)| *place);
        let asked: Vec<&ObjectId> = asked.iter().map(|(_, id)| *id).collect();
        let read = git.read_all(&asked, limit, |blob| {
            let place = places.next().unwrap_or(done);
            between(done, place, &mut take);
            done = place + 1;
            if let Some(blob) = blob {
                take(place, blob);
            }
        });
        between(done, ids.len(), &mut take);
        read.and(odd.result)
    }
}

/// Objects that were loose and are no more, since git packed them meanwhile, or that only git can read.
struct Odd<'a> {
    repository: &'a Repository,
    git: Option<CatFile>,
    result: Result<(), GitError>,
}

impl Odd<'_> {
    fn read(&mut self, id: &ObjectId, limit: u64) -> Option<Blob> {
        let mut found = None;
        let read = match self.git.take() {
            Some(git) => Ok(git),
            None => CatFile::start(self.repository),
        };
        let read = read.and_then(|mut git| {
            git.read_all(&[id], limit, |blob| found = blob)?;
            self.git = Some(git);
            Ok(())
        });
        if read.is_err() {
            self.result = read;
        }
        found
    }
}

impl CatFile {
    fn start(repository: &Repository) -> Result<Self, GitError> {
        let mut child = repository.git().args(["cat-file", "--batch"]).spawn(true, false)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unreadable("pipes"));
        };
        let (input, output) = (BufWriter::new(input), BufReader::with_capacity(1 << 16, output));
        Ok(CatFile { child, input: Some(input), output })
    }

    /// Reads objects in the given order, handing each to `take`; nothing for one that is missing.
    fn read_all(
        &mut self,
        ids: &[&ObjectId],
        limit: u64,
        mut take: impl FnMut(Option<Blob>),
    ) -> Result<(), GitError> {
        if ids.is_empty() {
            return Ok(());
        }
        let Some(mut input) = self.input.take() else {
            return Err(unreadable("an open reader"));
        };
        let (child, output) = (&mut self.child, &mut self.output);
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
            for id in ids {
                match read_answer(output, id, limit) {
                    Ok(blob) => take(Some(blob)),
                    // A missing object has its answer read: the reader stays usable once all are in step.
                    Err(error @ GitError::NoObject { .. }) => {
                        missing = Some(error);
                        take(None);
                    }
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

impl Drop for CatFile {
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
