//! A front of the host, for measuring what it answers.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use orchflow_wire::{FrameReader, Message};
use rmpv::Value;

use crate::Fault;

/// A connection that said hello.
#[derive(Debug)]
pub struct Front {
    stream: UnixStream,
    reader: FrameReader,
    next_id: u64,
}

impl Front {
    /// Connects to a host as a script's command line does.
    ///
    /// # Errors
    /// When nobody listens or the host refuses.
    pub fn connect(socket: &Path) -> Result<Self, Fault> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut front = Self { stream, reader: FrameReader::default(), next_id: 1 };
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

    /// Asks for a method and waits. Gives the answer, and how long it took until all its bytes were here: what a
    /// front makes of them is its own affair.
    ///
    /// # Errors
    /// What the host answers, in words.
    pub fn ask(&mut self, method: &str, parameters: Value) -> Result<(Value, Duration), Fault> {
        let id = self.next_id;
        self.next_id += 1;
        let request = Message::Request { id, method: method.to_owned(), params: vec![parameters] }.encode();
        let begin = Instant::now();
        self.stream.write_all(&request)?;
        let mut chunk = vec![0_u8; 256 * 1024];
        loop {
            let Some(frame) = self.reader.next_frame()? else {
                let count = self.stream.read(&mut chunk)?;
                if count == 0 {
                    return Err("the host closed the connection".into());
                }
                self.reader.push(chunk.get(..count).unwrap_or_default());
                continue;
            };
            let took = begin.elapsed();
            match Message::decode(&frame)? {
                Message::Response { id: answered, error, result } if answered == id => {
                    return if error == Value::Nil {
                        Ok((result, took))
                    } else {
                        Err(error.to_string().into())
                    };
                }
                _ => {}
            }
        }
    }
}

/// Makes a msgpack map with text keys.
pub fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
}
