//! What a turn used, read from its program's transcript once the turn is over.

use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orchflow_agent::transcript;
use orchflow_core::AgentKey;
use orchflow_core::decide::Input;
use orchflow_core::report::{Channel, Report, ReportEnvelope};

use crate::world::{World, blocking};

/// Gives the transcript of a session whose turn this report ends, where its hook names one.
pub(crate) fn transcript(format: &str, report: &Report, body: &[u8]) -> Option<PathBuf> {
    let ends =
        matches!(report, Report::TurnEnded { .. } | Report::TurnFailed { .. } | Report::SessionEnded { .. });
    if ends { transcript::path(format, body) } else { None }
}

impl World {
    /// Reads a transcript and reports what it tells, under ids that follow from that of the hook's report. Nobody
    /// waits for it.
    pub(crate) fn read_usage(self: &Arc<Self>, agent: AgentKey, id: &str, format: String, path: PathBuf) {
        let (world, id) = (Arc::clone(self), id.to_owned());
        tokio::spawn(async move {
            let told = blocking(move || read(&path).map(|text| transcript::read(&format, &text))).await;
            for (place, report) in told.unwrap_or_default().into_iter().enumerate() {
                let id = format!("used-{place}-{id}");
                let envelope = ReportEnvelope {
                    id: id.clone(),
                    agent: agent.clone(),
                    at: crate::clock::now(),
                    channel: Channel::Hook,
                    report,
                    writers: Vec::new(),
                };
                if let Err(refusal) = world.engine().report(id, Input::Report(envelope)).await {
                    tracing::warn!(%agent, %refusal, "what it used is not recorded");
                }
            }
        });
    }
}

/// Reads a transcript; nothing where it is no regular file of a bearable size.
pub(crate) fn read(path: &Path) -> Option<Vec<u8>> {
    // An agent names the path: a pipe must not keep the thread.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).ok()?;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(nonblocking).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > transcript::LIMIT {
        return None;
    }
    let mut text = Vec::new();
    file.take(transcript::LIMIT).read_to_end(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.jsonl");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(read(&file).as_deref(), Some(&b"x"[..]));
        assert_eq!(read(folder.path()), None);
        assert_eq!(read(Path::new("/dev/zero")), None);
        assert_eq!(read(&folder.path().join("absent")), None);
    }
}
