//! A front of the host, for measuring what it answers.

use std::path::Path;
use std::time::Duration;

use orchflow_wire::blocking::Client;
use rmpv::Value;

use crate::Fault;

/// A connection that said hello.
#[derive(Debug)]
pub struct Front {
    client: Client,
}

impl Front {
    /// Connects to a host as a script's command line does.
    ///
    /// # Errors
    /// When nobody listens or the host refuses.
    pub fn connect(socket: &Path) -> Result<Self, Fault> {
        let mut front = Self { client: Client::connect(socket)? };
        let folder = std::env::current_dir()?;
        front.ask(
            "hello",
            map([
                ("protocol", Value::from(1)),
                ("client", Value::from("cli")),
                ("version", Value::from(env!("CARGO_PKG_VERSION"))),
                ("pid", Value::from(std::process::id())),
                ("cwd", Value::from(folder.to_string_lossy().as_ref())),
                ("interactive", Value::from(false)),
                ("env", Value::Map(Vec::new())),
            ]),
        )?;
        Ok(front)
    }

    /// Asks for a method and waits.
    ///
    /// # Errors
    /// What the host answers, in words.
    pub fn ask(&mut self, method: &str, parameters: Value) -> Result<Value, Fault> {
        Ok(self.client.request(method, vec![parameters], Some(Duration::from_secs(30)))?)
    }
}

/// Makes a msgpack map with text keys.
pub fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
}
