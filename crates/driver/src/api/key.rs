//! Where an agent's key comes from: the environment, a command, the system's keyring. Never a file of the repository.

use std::fmt;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use orchflow_agent::catalogue::ApiKey;
use reqwest::header::HeaderValue;

use super::fault::{Fault, FaultKind, one_line};

/// How long a command may take: it may ask the human for a passphrase.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest key, in bytes.
const LIMIT: usize = 16 << 10;

/// What stands for a key where it was taken out.
const REDACTED: &str = "[key redacted]";

/// The shortest key that is looked for in texts; a shorter one would take harmless words out.
const SHORTEST: usize = 8;

/// A key. It shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Takes a key as it was given; blanks around it are not part of it.
    ///
    /// # Errors
    /// When it cannot be a key. The message does not show it.
    pub fn new(text: &str, from: &str) -> Result<Secret, Fault> {
        let text = text.trim();
        let why = if text.is_empty() {
            "is empty"
        } else if text.len() > LIMIT {
            "is far too long for a key"
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            "holds blanks, line breaks or signs that no key has"
        } else {
            return Ok(Secret(text.to_owned()));
        };
        Err(Fault::new(FaultKind::NoKey, format!("what {from} gave as a key {why}"), "give the key alone"))
    }

    /// Writes the header that carries it.
    ///
    /// # Errors
    /// When it cannot stand in a header.
    pub fn header(&self, before: &str) -> Result<HeaderValue, Fault> {
        let mut value = HeaderValue::from_str(&format!("{before}{}", self.0)).map_err(|_| {
            Fault::new(FaultKind::NoKey, "the key cannot be sent in a header", "give the key alone")
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Takes the key out of a text.
    pub fn redact(&self, text: String) -> String {
        if self.0.len() >= SHORTEST && text.contains(&self.0) {
            text.replace(&self.0, REDACTED)
        } else {
            text
        }
    }

    /// Tells whether a value holds the key.
    pub fn is_in(&self, value: &str) -> bool {
        self.0.len() >= SHORTEST && value.contains(&self.0)
    }
}

/// A key and where it was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The key.
    pub secret: Secret,
    /// Where, in words for people.
    pub place: String,
}

/// Looks for a key: in the environment, by the command, in the keyring, in this order.
///
/// `Ok(None)` where none is found and none is needed.
///
/// # Errors
/// When one is needed, with the ways to give it; or when what gives it fails.
pub fn find(source: &ApiKey, environment: &dyn Fn(&str) -> Option<String>) -> Result<Option<Found>, Fault> {
    for name in &source.env {
        if let Some(value) = environment(name).filter(|value| !value.trim().is_empty()) {
            let place = format!("the variable {name}");
            return Ok(Some(Found { secret: Secret::new(&value, &place)?, place }));
        }
    }
    if !source.command.is_empty() {
        let place = "the command `api.key.command`".to_owned();
        return Ok(Some(Found { secret: Secret::new(&run(&source.command)?, &place)?, place }));
    }
    if let Some(account) = &source.keyring
        && let Some(key) = from_keyring(account)
    {
        let place = format!("the keyring (service orchflow, account {account})");
        return Ok(Some(Found { secret: Secret::new(&key, &place)?, place }));
    }
    if source.required { Err(missing(source)) } else { Ok(None) }
}

fn missing(source: &ApiKey) -> Fault {
    let mut ways = Vec::new();
    if !source.env.is_empty() {
        ways.push(format!("set {} where you start the agents", source.env.join(" or ")));
    }
    ways.push("name a command that prints it as `api.key.command` in the agent's file".to_owned());
    if let Some(account) = &source.keyring {
        ways.push(if cfg!(target_os = "macos") {
            format!("keep it in the keychain: security add-generic-password -s orchflow -a {account} -w")
        } else {
            format!(
                "keep it in the keyring: secret-tool store --label=orchflow service orchflow account {account}"
            )
        });
    }
    let named = source.env.first().map_or_else(String::new, |name| format!(" ({name} is not set)"));
    Fault::new(FaultKind::NoKey, format!("there is no key{named}"), ways.join(", or "))
}

fn run(command: &str) -> Result<String, Fault> {
    let fault = |why: String| {
        let hint = "try `api.key.command` in a shell: it must print the key and end with 0";
        Fault::new(FaultKind::NoKey, format!("the command for the key {why}"), hint)
    };
    match output(Command::new("sh").arg("-c").arg(command)) {
        Err(error) => Err(fault(error)),
        Ok(Printed { code: Some(0), stdout, .. }) => Ok(stdout),
        // Its errors are shown; what it printed may be the key and is not.
        Ok(Printed { code, stderr, .. }) => {
            let said =
                if stderr.trim().is_empty() { String::new() } else { format!(": {}", one_line(&stderr)) };
            Err(fault(match code {
                Some(code) => format!("ended with {code}{said}"),
                None => format!("was ended by a signal{said}"),
            }))
        }
    }
}

/// Asks the system's keyring by its own program; one that is not there or knows nothing gives nothing.
fn from_keyring(account: &str) -> Option<String> {
    let mut command = if cfg!(target_os = "macos") {
        let mut command = Command::new("security");
        command.args(["find-generic-password", "-w", "-s", "orchflow", "-a", account]);
        command
    } else {
        let mut command = Command::new("secret-tool");
        command.args(["lookup", "service", "orchflow", "account", account]);
        command
    };
    let printed = output(&mut command).ok()?;
    (printed.code == Some(0) && !printed.stdout.trim().is_empty()).then_some(printed.stdout)
}

struct Printed {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs a command to its end, in a process group of its own that is ended when it takes too long.
fn output(command: &mut Command) -> Result<Printed, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let (done, ended) = channel();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::spawn(move || {
        let errors = thread::spawn(move || read(stderr));
        let stdout = read(stdout);
        let stderr = errors.join().unwrap_or_default();
        let code = child.wait().ok().and_then(|status| status.code());
        let _ = done.send(Printed { code, stdout, stderr });
    });
    ended.recv_timeout(PATIENCE).map_err(|_| {
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        format!("took longer than {} s", PATIENCE.as_secs())
    })
}

fn read(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let _ = pipe.take(LIMIT as u64 * 2).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-k3y-0123456789";

    fn source(env: &[&str], command: &str, required: bool) -> ApiKey {
        ApiKey {
            env: env.iter().map(|&name| name.to_owned()).collect(),
            command: command.to_owned(),
            keyring: None,
            required,
        }
    }

    fn found(source: &ApiKey, set: &[(&str, &str)]) -> Result<Option<Found>, Fault> {
        find(source, &|name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_comes_first_then_the_command() {
        let both = source(&["A_KEY", "B_KEY"], &format!("echo {CANARY}"), true);
        let key = found(&both, &[("A_KEY", " "), ("B_KEY", " from-the-b-key\n")]).unwrap().unwrap();
        assert_eq!((key.secret.0.as_str(), key.place.as_str()), ("from-the-b-key", "the variable B_KEY"));
        assert_eq!(found(&both, &[]).unwrap().unwrap().secret.0, CANARY);
        assert!(found(&source(&["A_KEY"], "", false), &[]).unwrap().is_none());
    }

    #[test]
    fn a_missing_key_names_its_variable_and_the_ways_to_give_it() {
        let mut wanted = source(&["OPENAI_API_KEY"], "", true);
        wanted.keyring = Some("orchflow-test-account-that-is-not-there".into());
        let fault = found(&wanted, &[]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::NoKey);
        let text = fault.to_string();
        for part in ["OPENAI_API_KEY is not set", "set OPENAI_API_KEY", "api.key.command", "keyring"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_command_that_fails_is_told_without_what_it_printed() {
        let failing = source(&[], &format!("echo {CANARY}; echo locked >&2; exit 3"), true);
        let text = found(&failing, &[]).unwrap_err().to_string();
        assert!(text.contains("ended with 3: locked") && !text.contains(CANARY), "{text}");
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_unseen() {
        for (text, part) in
            [("", "is empty"), ("two words", "blanks"), ("é", "blanks"), ("a\u{1b}[0m", "blanks")]
        {
            let fault = Secret::new(text, "the variable X").unwrap_err().to_string();
            assert!(fault.contains(part) && (text.is_empty() || !fault.contains(text)), "{fault}");
        }
        assert!(Secret::new(&"x".repeat(LIMIT + 1), "x").unwrap_err().to_string().contains("too long"));
    }

    #[test]
    fn a_key_shows_itself_nowhere() {
        let key = Secret::new(CANARY, "x").unwrap();
        let header = key.header("Bearer ").unwrap();
        assert!(!format!("{key:?}{header:?}").contains(CANARY));
        assert_eq!(key.redact(format!("a{CANARY}b")), "a[key redacted]b");
        assert_eq!(Secret::new("short", "x").unwrap().redact("a short text".into()), "a short text");
    }
}
