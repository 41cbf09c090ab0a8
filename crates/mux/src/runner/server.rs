//! The conversation with one caller of the socket.

use std::rc::Rc;
use std::time::Duration;

use orchflow_wire::{FrameReader, Limits, Message};
use rmpv::Value;
use rustix::process::{getpid, getuid};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::spawn_local;

use super::child;
use super::connection::Connection;
use super::input::{clean_prompt, wrap_prompt};
use super::lifecycle::Runner;
use crate::emulator::{Emulator as _, Size};
use crate::leftover;
use crate::protocol::{Fields, Hello, INPUT_LIMIT, OLDEST_PROTOCOL, PROTOCOL, Pasted, Refusal, ViewOpened};

/// Longest pause before Enter, in milliseconds.
const LONGEST_SETTLE_MS: u64 = 5000;

/// How long a program may take to show the last byte of a prompt before Enter is pressed regardless.
const ECHO: Duration = Duration::from_millis(300);

/// Most callers at once.
const CALLERS: usize = 256;

/// Takes callers until the runner leaves.
pub(super) async fn accept(runner: Rc<Runner>, listener: UnixListener) {
    let mut next_id = 0;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: others must leave first.
                tracing::warn!("cannot take a caller: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if runner.callers.borrow().len() >= CALLERS || !is_welcome(&stream) {
            continue;
        }
        next_id += 1;
        let connection = Rc::new(Connection::new(next_id, stream));
        runner.callers.borrow_mut().insert(next_id, Rc::clone(&connection));
        spawn_local(converse(Rc::clone(&runner), connection));
    }
}

/// Callers are the same user, and not the program itself: it shall not press its own keys.
fn is_welcome(stream: &UnixStream) -> bool {
    let Ok(peer) = stream.peer_cred() else { return false };
    let own = getpid().as_raw_nonzero().get();
    let inside = peer.pid().is_some_and(|pid| pid != own && leftover::descends(pid, own));
    peer.uid() == getuid().as_raw() && !inside
}

async fn converse(runner: Rc<Runner>, connection: Rc<Connection>) {
    tokio::select! {
        () = listen(&runner, &connection) => {}
        () = connection.drain(|| {
            if runner.core.borrow_mut().emptied(connection.id) {
                runner.frame.notify_one();
            }
        }) => {}
    }
    connection.close();
    runner.callers.borrow_mut().remove(&connection.id);
    let next_size = runner.core.borrow_mut().views.remove(connection.id);
    if let Some(size) = next_size {
        runner.resize(size);
    }
}

/// Reads calls until the caller leaves or breaks the rules.
async fn listen(runner: &Rc<Runner>, connection: &Rc<Connection>) {
    let mut frames = FrameReader::new(Limits { bytes: INPUT_LIMIT + 4096, depth: 8 });
    let mut chunk = vec![0u8; 16 * 1024];
    loop {
        if connection.stream.readable().await.is_err() {
            return;
        }
        match connection.stream.try_read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => frames.push(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        }
        loop {
            let message = match frames.next_frame() {
                Ok(Some(frame)) => Message::decode(&frame),
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!("a caller is cut off: {error}");
                    return;
                }
            };
            match message {
                Ok(Message::Request { id, method, params }) => {
                    answer(runner, connection, id, &method, params);
                }
                Ok(Message::Notification { method, params }) => {
                    let _ = call(runner, connection, &method, &argument(params));
                }
                Ok(Message::Response { .. }) => {}
                Err(error) => {
                    tracing::debug!("a caller is cut off: {error}");
                    return;
                }
            }
        }
    }
}

fn argument(params: Vec<Value>) -> Value {
    params.into_iter().next().unwrap_or(Value::Nil)
}

/// Answers a call, at once or, for those that take time, later and out of order.
fn answer(runner: &Rc<Runner>, connection: &Rc<Connection>, id: u64, method: &str, params: Vec<Value>) {
    let params = argument(params);
    match method {
        "paste" | "stop" | "pause" | "resume" => {
            let (runner, connection, method) = (Rc::clone(runner), Rc::clone(connection), method.to_owned());
            spawn_local(async move {
                let result = match method.as_str() {
                    "paste" => paste(&runner, &params).await,
                    "stop" => stop(&runner, &params).await,
                    "pause" => pause(&runner).await,
                    _ => Ok(Value::from(runner.resume().await as u64)),
                };
                connection.send(&response(id, result));
            });
        }
        _ => connection.send(&response(id, call(runner, connection, method, &params))),
    }
}

fn response(id: u64, result: Result<Value, Refusal>) -> Message {
    match result {
        Ok(result) => Message::Response { id, error: Value::Nil, result },
        Err(refusal) => Message::Response { id, error: refusal.to_value(), result: Value::Nil },
    }
}

/// The calls that are done at once.
fn call(
    runner: &Rc<Runner>,
    connection: &Rc<Connection>,
    method: &str,
    params: &Value,
) -> Result<Value, Refusal> {
    let fields = Fields(params);
    match method {
        "hello" => hello(runner, fields),
        "input" | "view_input" => {
            let bytes = fields.bytes("bytes").ok_or_else(|| missing("bytes"))?;
            write_keys(runner, bytes)
        }
        "interrupt" => match fields.text("key").as_deref() {
            Some("escape") => write_keys(runner, b"\x1b"),
            Some("ctrl-c") => write_keys(runner, b"\x03"),
            _ => Err(missing("key (escape or ctrl-c)")),
        },
        "resize" => {
            runner.resize(size(fields)?);
            Ok(Value::Nil)
        }
        "signal" => {
            let name = fields.text("name").ok_or_else(|| missing("name"))?;
            let signal = child::signal_by_name(&name).ok_or_else(|| {
                Refusal::new("bad_argument", format!("there is no signal {name:?} to send"))
            })?;
            runner.signal_program(signal);
            Ok(Value::Nil)
        }
        "screen" => Ok(runner.core.borrow_mut().screen().to_value()),
        "scrollback" => {
            let lines = fields.number::<usize>("lines").unwrap_or(usize::MAX);
            let rows = runner.core.borrow_mut().emulator.scrollback(lines);
            Ok(Value::Array(rows.into_iter().map(Value::from).collect()))
        }
        "close" => {
            runner.close.notify_one();
            Ok(Value::Nil)
        }
        "view" => open_view(runner, connection, fields),
        "view_resize" => {
            let wanted = size(fields)?;
            let screen = {
                let core = &mut *runner.core.borrow_mut();
                let screen = core.emulator.size();
                core.views.resize(connection.id, wanted, screen)
            };
            runner.resize(screen);
            Ok(Value::Nil)
        }
        _ => {
            Err(Refusal::new("unknown_method", format!("a runner of protocol {PROTOCOL} has no {method:?}")))
        }
    }
}

fn missing(what: &str) -> Refusal {
    Refusal::new("bad_argument", format!("the call lacks {what}, or it has the wrong type"))
}

fn size(fields: Fields<'_>) -> Result<Size, Refusal> {
    let columns = fields.number::<u16>("columns").ok_or_else(|| missing("columns"))?;
    let rows = fields.number::<u16>("rows").ok_or_else(|| missing("rows"))?;
    Ok(Size::new(columns, rows))
}

fn hello(runner: &Runner, fields: Fields<'_>) -> Result<Value, Refusal> {
    let theirs = fields.number::<u64>("protocol").ok_or_else(|| missing("protocol"))?;
    if theirs < OLDEST_PROTOCOL {
        return Err(Refusal::new(
            "protocol",
            format!(
                "this runner speaks protocols {OLDEST_PROTOCOL} to {PROTOCOL}, the caller {theirs}: update the caller"
            ),
        ));
    }
    let core = runner.core.borrow();
    let size = core.emulator.size();
    let hello = Hello {
        protocol: theirs.min(PROTOCOL),
        pid: getpid().as_raw_nonzero().get(),
        child_pid: runner.program,
        columns: size.columns,
        rows: size.rows,
        title: core.filter.title().to_owned(),
        bracketed_paste: core.filter.modes().bracketed_paste(),
        printed: core.pieces > 0,
        paused: !runner.halted.borrow().is_empty(),
        status: core.status.clone(),
        exited: core.exit,
    };
    Ok(hello.to_value())
}

fn write_keys(runner: &Runner, bytes: &[u8]) -> Result<Value, Refusal> {
    if runner.core.borrow().exit.is_some() {
        return Err(exited());
    }
    if runner.input.push(bytes) {
        Ok(Value::Nil)
    } else {
        Err(Refusal::new("busy", "the program does not read its input; nothing more is kept for it"))
    }
}

fn exited() -> Refusal {
    Refusal::new("exited", "the program has ended")
}

fn open_view(runner: &Rc<Runner>, connection: &Rc<Connection>, fields: Fields<'_>) -> Result<Value, Refusal> {
    let wanted = size(fields)?;
    let drive = fields.flag("drive").unwrap_or(true);
    let frames_only = fields.flag("frames").unwrap_or(false);
    let screen = {
        let core = &mut *runner.core.borrow_mut();
        let screen = core.emulator.size();
        core.views.open(connection, wanted, drive, frames_only, screen)
    };
    runner.resize(screen);
    runner.frame.notify_one();
    let core = runner.core.borrow();
    if let Some(exit) = core.exit {
        connection.notify("exited", vec![exit.to_value()]);
    }
    let size = core.emulator.size();
    let driving = core.views.is_driver(connection.id);
    Ok(ViewOpened { columns: size.columns, rows: size.rows, driving }.to_value())
}

/// Writes a prompt into the program's input, whole and unmixed, and says what was seen of it.
async fn paste(runner: &Rc<Runner>, params: &Value) -> Result<Value, Refusal> {
    let fields = Fields(params);
    let submit = fields.flag("submit").unwrap_or(false);
    let text = clean_prompt(fields.bytes("text").ok_or_else(|| missing("text"))?);
    // A line end at the end would be an Enter too many.
    let text = if submit { text.trim_end_matches('\n') } else { &text };
    let piece = fields.number::<usize>("piece");
    let _turn = runner.pasting.lock().await;
    let bracketed = {
        let core = runner.core.borrow();
        if core.exit.is_some() {
            return Err(exited());
        }
        core.filter.modes().bracketed_paste()
    };
    if !bracketed && fields.flag("require_bracketed").unwrap_or(false) {
        return Err(Refusal::new(
            "not_bracketed",
            "the program does not take pastes in brackets (yet); nothing was written",
        ));
    }
    let mut bytes = fields.bytes("before").unwrap_or_default().to_vec();
    bytes.extend(wrap_prompt(text, bracketed, piece));
    let mark = written(runner, bytes).await?;
    let echoed = tokio::time::timeout(ECHO, printed_since(runner, mark)).await.is_ok();
    if submit {
        let settle = fields.number::<u64>("settle_ms").unwrap_or(0).min(LONGEST_SETTLE_MS);
        tokio::time::sleep(Duration::from_millis(settle)).await;
        written(runner, b"\r".to_vec()).await?;
    }
    Ok(Pasted { bytes: text.len(), bracketed, echoed, submitted: submit }.to_value())
}

/// Writes bytes. Returns how many pieces of output there were when the last of them was written.
async fn written(runner: &Runner, bytes: Vec<u8>) -> Result<u64, Refusal> {
    let mut exit = runner.exit.subscribe();
    let done = runner.input.push_whole(bytes);
    tokio::select! {
        result = done => result.map_err(|_| exited()),
        _ = exit.wait_for(Option::is_some) => Err(exited()),
    }
}

/// Waits for output behind the `mark`-th piece.
async fn printed_since(runner: &Runner, mark: u64) {
    loop {
        let printed = runner.printed.notified();
        if runner.core.borrow().pieces > mark {
            return;
        }
        printed.await;
    }
}

async fn pause(runner: &Runner) -> Result<Value, Refusal> {
    if runner.core.borrow().exit.is_some() {
        return Err(exited());
    }
    Ok(Value::from(runner.pause().await as u64))
}

async fn stop(runner: &Rc<Runner>, params: &Value) -> Result<Value, Refusal> {
    let grace = Fields(params).number::<u64>("grace_ms").map_or(runner.options.grace, Duration::from_millis);
    let exit = runner.stop(grace).await;
    exit.map(|exit| exit.to_value()).ok_or_else(|| Refusal::new("failed", "the program's end was not seen"))
}

impl Runner {
    /// Gives screen and pty another size.
    pub(super) fn resize(&self, size: Size) {
        if self.core.borrow_mut().resize(size) {
            self.pty.resize(size);
        }
        self.frame.notify_one();
    }
}
