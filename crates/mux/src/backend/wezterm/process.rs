//! The program in a pane, found by its terminal.
//!
//! wezterm names a pane's terminal and not its process. The program it started leads the session of that terminal,
//! and a view's program carries a mark in its environment: whose view it is, and of which agent.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::linux::fs::MetadataExt as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileTypeExt as _;

/// The variable that marks a view's program.
pub const MARK: &str = "ORCHFLOW_VIEW";

/// Gives the word that, before a command, marks it for `env`.
pub fn mark(owner: &str, agent: &str) -> OsString {
    let mut word = format!("{MARK}={owner}:").into_bytes();
    word.extend_from_slice(agent.as_bytes());
    OsString::from_vec(word)
}

/// The processes that lead sessions, by terminal, as they were when this was made.
#[derive(Debug)]
pub struct Leaders {
    by_terminal: HashMap<(u32, u32), u32>,
}

impl Leaders {
    /// Looks at all processes there are.
    pub fn now() -> Leaders {
        let mut by_terminal = HashMap::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            if let Some(terminal) = led_terminal(pid) {
                by_terminal.insert(terminal, pid);
            }
        }
        Leaders { by_terminal }
    }

    /// Gives the process that leads the session of a terminal device.
    pub fn of(&self, tty: &str) -> Option<u32> {
        let metadata =
            std::fs::metadata(tty).ok().filter(|metadata| metadata.file_type().is_char_device())?;
        let device = metadata.st_rdev();
        self.by_terminal.get(&(rustix::fs::major(device), rustix::fs::minor(device))).copied()
    }
}

/// Gives the terminal of a process that leads a session.
fn led_terminal(pid: u32) -> Option<(u32, u32)> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    // After the name: state, parent, group, session, terminal.
    let is_dead = matches!(fields.next()?, "Z" | "X");
    let session: u32 = fields.nth(2)?.parse().ok()?;
    let terminal: i32 = fields.next()?.parse().ok()?;
    if is_dead || session != pid || terminal == 0 {
        return None;
    }
    let bits = terminal.cast_unsigned();
    Some(((bits >> 8) & 0xfff, (bits & 0xff) | ((bits >> 12) & 0xfff00)))
}

/// Reads whose view a process is, and of which agent; nothing for one that is no view.
pub fn marked(pid: u32) -> Option<(String, String)> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let prefix = [MARK.as_bytes(), b"="].concat();
    let value =
        environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(prefix.as_slice()))?;
    let (owner, agent) = std::str::from_utf8(value).ok()?.split_once(':')?;
    Some((owner.to_owned(), agent.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_terminals_have_leaders() {
        let leaders = Leaders::now();
        for wrong in ["", "/dev/null", "/dev/pts", "/etc/hostname", "/dev/pts/no such"] {
            assert_eq!(leaders.of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_mark_is_read_from_the_environment_alone() {
        let mut child = std::process::Command::new("env")
            .arg(mark("key", "1/claude"))
            .args(["sleep", "1000"])
            .spawn()
            .unwrap();
        let begun = std::time::Instant::now();
        while marked(child.id()).is_none() && begun.elapsed().as_secs() < 10 {
            std::thread::yield_now();
        }
        assert_eq!(marked(child.id()), Some(("key".to_owned(), "1/claude".to_owned())));
        assert_eq!(marked(std::process::id()), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
