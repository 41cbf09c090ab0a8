//! Floor of a runner: a pty, an agent in it, its prompt pasted once it asks for bracketed paste, then Enter.
//!
//!     runner-floor --folder WORKTREE --log FILE --prompt TEXT AGENT

use std::io::{Read, Write};

use orchflow_bench::{Arguments, Fault};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

const ASKS_FOR_PASTE: &[u8] = b"\x1b[?2004h";

fn main() -> Result<(), Fault> {
    let arguments = Arguments::read()?;
    let program = arguments.rest.first().ok_or("which agent?")?;
    let pair =
        native_pty_system().openpty(PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 })?;
    let mut command = CommandBuilder::new(program);
    command.args(["--log", arguments.get("log")?]);
    command.cwd(arguments.get("folder")?);
    let mut child = pair.slave.spawn_command(command)?;
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader()?;
    let mut writer = pair.master.take_writer()?;
    let mut seen = Vec::new();
    let mut buffer = [0_u8; 4096];
    let mut pasted = false;
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        if pasted {
            continue;
        }
        seen.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if seen.windows(ASKS_FOR_PASTE.len()).any(|window| window == ASKS_FOR_PASTE) {
            write!(writer, "\x1b[200~{}\x1b[201~", arguments.get("prompt")?)?;
            writer.flush()?;
            writer.write_all(b"\r")?;
            writer.flush()?;
            pasted = true;
        }
    }
    child.wait()?;
    Ok(())
}
