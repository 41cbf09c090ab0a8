//! Fake agents, as files of the user's catalogue.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::{Sandbox, write};

/// The rest of a program that [`Sandbox::add_acp`] adds. It takes a cancellation as the end of its turn.
const ACP: &str = r#"
say() { printf '%s\n' "$1"; }
update() { say "{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{\"sessionId\":\"s-1\",\"update\":$1}}"; }
ends() { say "{\"jsonrpc\":\"2.0\",\"id\":$prompt,\"result\":{\"stopReason\":\"$1\"}}"; }
hear() { IFS= read -r line || exit 0; printf '%s\n' "$line" >> "$heard"; }
ask() {
  say "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"session/request_permission\",\"params\":{\"sessionId\":\"s-1\",\"toolCall\":$1,\"options\":[{\"optionId\":\"o-1\",\"name\":\"Yes\",\"kind\":\"allow_once\"},{\"optionId\":\"o-2\",\"name\":\"No\",\"kind\":\"reject_once\"}]}}"
  hear
}
while hear; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case $line in
    *'"method":"initialize"'*)
      say "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"protocolVersion\":1,\"agentInfo\":{\"name\":\"fake\",\"version\":\"1.0\"}}}" ;;
    *'"method":"session/new"'*) say "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"sessionId\":\"s-1\"}}" ;;
    *'"method":"session/prompt"'*) prompt=$id; turn ;;
    *'"method":"session/cancel"'*) ends cancelled ;;
  esac
done
"#;

impl Sandbox {
    /// Adds a rehearsal that plays `script` (YAML: turns of steps).
    pub fn add_rehearsal(&self, name: &str, script: &str) {
        write(&self.agents().join(format!("{name}.yaml")), script);
        let entry = format!(
            "kind = \"rehearsal\"\n[rehearsal]\nscript = \"{name}.yaml\"\n[ready]\nsignal = \"status\"\n\
             [status]\nsource = \"osc7501\"\n"
        );
        write(&self.agents().join(format!("{name}.toml")), entry);
    }

    /// Adds a program written in POSIX shell; `ready` is the catalogue's word for how it shows readiness.
    ///
    /// # Panics
    /// When its file cannot be made.
    pub fn add_program(&self, name: &str, ready: &str, script: &str) -> PathBuf {
        let path = self.root().join("bin").join(name);
        write(&path, format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let entry = format!(
            "program = '{}'\n[ready]\nsignal = \"{ready}\"\n[status]\nsource = \"output\"\n",
            path.display()
        );
        write(&self.agents().join(format!("{name}.toml")), entry);
        path
    }

    /// Puts a program in POSIX shell where the built-in entry of this name looks for the real one.
    ///
    /// # Panics
    /// When its file cannot be made.
    pub fn add_stand_in(&mut self, name: &str, script: &str) {
        let path = self.add_program(name, "output", script);
        std::fs::remove_file(self.agents().join(format!("{name}.toml"))).unwrap();
        let mut found = path.parent().unwrap().as_os_str().to_owned();
        found.push(":");
        found.push(std::env::var_os("PATH").unwrap_or_default());
        self.set("PATH", Some(found));
    }

    /// Adds an agent of the Agent Client Protocol, a program in POSIX shell. At each prompt it runs the function
    /// `turn` of `script`; `say` writes a message, `update` one about the session, `ask` asks for a permission and
    /// waits for its answer, which is then in `$line`, `ends` ends the turn. What it is sent stands in
    /// `$HOME/heard-NAME`.
    ///
    /// # Panics
    /// When its file cannot be made.
    pub fn add_acp(&self, name: &str, script: &str) {
        let path = self.root().join("bin").join(name);
        write(&path, format!("#!/bin/sh\nheard=$HOME/heard-{name}\n{script}\n{ACP}"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let entry = format!("kind = \"acp\"\ntitle = \"Fake ACP\"\nprogram = '{}'\n", path.display());
        write(&self.agents().join(format!("{name}.toml")), entry);
    }

    /// Adds an agent that takes pastes and keeps every byte it reads; [`Sandbox::heard`] gives them.
    pub fn add_listener(&self, name: &str) {
        let script = "stty raw -echo\nprintf '\\033[?2004hlistening\\r\\n'\n\
                      exec tee -a \"$HOME/heard-$(printf %s \"$ORCHFLOW_AGENT\" | tr / -)\"";
        self.add_program(name, "bracketed-paste", script);
    }

    /// Gives every byte a listener has read, by its full name (`1/listener`).
    pub fn heard(&self, agent: &str) -> Vec<u8> {
        let path = self.home().join(format!("heard-{}", agent.replace('/', "-")));
        std::fs::read(path).unwrap_or_default()
    }

    fn agents(&self) -> PathBuf {
        self.config().join("agents")
    }
}
