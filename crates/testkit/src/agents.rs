//! Fake agents, as files of the user's catalogue.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::{Sandbox, write};

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
