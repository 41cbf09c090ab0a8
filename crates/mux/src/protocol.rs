//! What a runner's socket speaks: msgpack-RPC, one map of named arguments a call.
//!
//! | method | arguments | answer |
//! |---|---|---|
//! | `hello` | `protocol`, `role` (`host` or `view`) | [`Hello`] |
//! | `paste` | `text` (bytes), the fields of [`Manner`] | [`Pasted`], once it is done |
//! | `input` | `bytes` | nil |
//! | `interrupt` | `key` (`escape` or `ctrl-c`) | nil |
//! | `resize` | `columns`, `rows` | nil |
//! | `signal` | `name` (`TERM`, `INT`, …) | nil |
//! | `stop` | `grace_ms` | [`Exit`] |
//! | `pause`, `resume` (protocol 2) | | the number of processes halted, or let go on |
//! | `screen` | | [`Screen`] |
//! | `scrollback` | `lines` | array of rows, oldest first |
//! | `close` | | nil; the runner leaves once the program is gone |
//! | `view` | `columns`, `rows`, `drive`, `frames` | [`ViewOpened`], then notifications |
//! | `view_input` (notification too) | `bytes` | nil |
//! | `view_resize` (notification too) | `columns`, `rows` | nil |
//!
//! A view gets the notifications `output` and `frame` (bytes for its terminal), `driving` (a boolean, when it changes: whether this view sets
//! the size), `bell` (only with `frame`, for `output` holds it) and `exited` ([`Exit`]).
//!
//! Within one protocol number arguments and keys are only added. A runner lives longer than the host that
//! started it, so a host speaks to runners of [`OLDEST_PROTOCOL`] and newer.

use rmpv::Value;

/// The protocol this crate's runner speaks.
pub const PROTOCOL: u64 = 2;

/// The oldest protocol this crate's clients speak to.
pub const OLDEST_PROTOCOL: u64 = 1;

/// The first protocol that knows `pause` and `resume`.
pub const PAUSE_PROTOCOL: u64 = 2;

/// Largest number of bytes a call may carry as input or prompt.
pub const INPUT_LIMIT: usize = 8 << 20;

/// Tells about a runner and its program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// The protocol the runner speaks.
    pub protocol: u64,
    /// Process id of the runner.
    pub pid: i32,
    /// Process id of the program, its process group and its session.
    pub child_pid: i32,
    /// Width of the screen.
    pub columns: u16,
    /// Height of the screen.
    pub rows: u16,
    /// The window title.
    pub title: String,
    /// Whether the program takes pastes in brackets now.
    pub bracketed_paste: bool,
    /// Whether anything was printed yet.
    pub printed: bool,
    /// Whether the program and all it started are halted.
    pub paused: bool,
    /// The last status the program stated (OSC 7501).
    pub status: Option<Status>,
    /// How the program ended, once it has.
    pub exited: Option<Exit>,
}

/// A status the program stated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The state in the program's own word.
    pub state: String,
    /// The name the program gave.
    pub app: Option<String>,
    /// What it is blocked on.
    pub kind: Option<String>,
    /// Its text for the human.
    pub message: Option<String>,
    /// When, in microseconds since the epoch.
    pub at_us: u64,
}

/// Says how a prompt is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manner {
    /// Whether Enter goes behind it.
    pub submit: bool,
    /// Whether nothing is written unless the program takes pastes in brackets.
    pub require_bracketed: bool,
    /// Most characters of one paste, for programs that take a long one, or one of several lines, for something
    /// other than typed text; `None` writes it as one.
    pub piece: Option<usize>,
    /// Keys that are written before it, in the same go.
    pub before: Vec<u8>,
    /// Milliseconds that pass between it and Enter, for programs that take an Enter close behind a paste as part of it.
    pub settle_ms: u64,
}

/// Tells how a prompt was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pasted {
    /// Bytes of text written, after control characters were taken out and without brackets.
    pub bytes: usize,
    /// Whether it went in brackets.
    pub bracketed: bool,
    /// Whether the program printed anything after the last byte was written.
    pub echoed: bool,
    /// Whether Enter was written behind it.
    pub submitted: bool,
}

/// Tells how the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exit {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// How many processes it left behind that were ended.
    pub leftover_ended: usize,
}

/// Shows the screen as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Screen {
    /// The rows without trailing blanks, top first.
    pub rows: Vec<String>,
    /// Row of the cursor, from zero.
    pub cursor_row: u16,
    /// Column of the cursor, from zero.
    pub cursor_column: u16,
    /// The window title.
    pub title: String,
    /// Whether it is the alternate screen.
    pub alternate: bool,
}

/// Answers a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ViewOpened {
    /// Width of the screen.
    pub columns: u16,
    /// Height of the screen.
    pub rows: u16,
    /// Whether this view sets the size.
    pub driving: bool,
}

/// Says why a runner refused a call; on the wire a map of `code` and `message`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// A word for programs: `unknown_method`, `bad_argument`, `protocol`, `exited`, `not_bracketed`, `busy`, `failed`.
    pub code: String,
    /// A sentence for the human.
    pub message: String,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(code: &str, message: impl Into<String>) -> Refusal {
        Refusal { code: code.to_owned(), message: message.into() }
    }

    /// Writes it for the wire.
    pub fn to_value(&self) -> Value {
        map([("code", Value::from(self.code.as_str())), ("message", Value::from(self.message.as_str()))])
    }

    /// Reads it from the wire; whatever the peer sent becomes readable.
    pub fn from_value(value: &Value) -> Refusal {
        let fields = Fields(value);
        match (fields.text("code"), fields.text("message")) {
            (Some(code), Some(message)) => Refusal { code, message },
            _ => Refusal::new("failed", value.to_string()),
        }
    }
}

/// Builds a map with text keys.
pub fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
}

/// Reads named fields of a map; a missing field and one of the wrong type are both `None`.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(pub &'a Value);

impl<'a> Fields<'a> {
    /// Finds a field.
    pub fn get(self, key: &str) -> Option<&'a Value> {
        self.0.as_map()?.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// Reads a text.
    pub fn text(self, key: &str) -> Option<String> {
        self.get(key)?.as_str().map(str::to_owned)
    }

    /// Reads bytes, given as binary or as text.
    pub fn bytes(self, key: &str) -> Option<&'a [u8]> {
        match self.get(key)? {
            Value::Binary(bytes) => Some(bytes),
            Value::String(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// Reads a boolean.
    pub fn flag(self, key: &str) -> Option<bool> {
        self.get(key)?.as_bool()
    }

    /// Reads a number that fits.
    pub fn number<T: TryFrom<i64>>(self, key: &str) -> Option<T> {
        T::try_from(self.get(key)?.as_i64()?).ok()
    }
}

fn optional_text(value: &Option<String>) -> Value {
    value.as_deref().map_or(Value::Nil, Value::from)
}

fn optional_number(value: Option<i32>) -> Value {
    value.map_or(Value::Nil, Value::from)
}

impl Hello {
    /// Writes it for the wire.
    pub fn to_value(&self) -> Value {
        map([
            ("protocol", self.protocol.into()),
            ("pid", self.pid.into()),
            ("child_pid", self.child_pid.into()),
            ("columns", self.columns.into()),
            ("rows", self.rows.into()),
            ("title", self.title.as_str().into()),
            ("bracketed_paste", self.bracketed_paste.into()),
            ("printed", self.printed.into()),
            ("paused", self.paused.into()),
            ("status", self.status.as_ref().map_or(Value::Nil, Status::to_value)),
            ("exited", self.exited.as_ref().map_or(Value::Nil, Exit::to_value)),
        ])
    }

    /// Reads it from the wire; `None` when the peer is no runner.
    pub fn from_value(value: &Value) -> Option<Hello> {
        let fields = Fields(value);
        Some(Hello {
            protocol: fields.number::<u64>("protocol")?,
            pid: fields.number("pid")?,
            child_pid: fields.number("child_pid")?,
            columns: fields.number("columns")?,
            rows: fields.number("rows")?,
            title: fields.text("title").unwrap_or_default(),
            bracketed_paste: fields.flag("bracketed_paste").unwrap_or_default(),
            printed: fields.flag("printed").unwrap_or_default(),
            paused: fields.flag("paused").unwrap_or_default(),
            status: fields.get("status").and_then(Status::from_value),
            exited: fields.get("exited").and_then(Exit::from_value),
        })
    }
}

impl Status {
    /// Writes it for the wire.
    pub fn to_value(&self) -> Value {
        map([
            ("state", self.state.as_str().into()),
            ("app", optional_text(&self.app)),
            ("kind", optional_text(&self.kind)),
            ("message", optional_text(&self.message)),
            ("at_us", self.at_us.into()),
        ])
    }

    /// Reads it from the wire.
    pub fn from_value(value: &Value) -> Option<Status> {
        let fields = Fields(value);
        Some(Status {
            state: fields.text("state")?,
            app: fields.text("app"),
            kind: fields.text("kind"),
            message: fields.text("message"),
            at_us: fields.number("at_us").unwrap_or_default(),
        })
    }
}

impl Pasted {
    /// Writes it for the wire.
    pub fn to_value(&self) -> Value {
        map([
            ("bytes", (self.bytes as u64).into()),
            ("bracketed", self.bracketed.into()),
            ("echoed", self.echoed.into()),
            ("submitted", self.submitted.into()),
        ])
    }

    /// Reads it from the wire.
    pub fn from_value(value: &Value) -> Option<Pasted> {
        let fields = Fields(value);
        Some(Pasted {
            bytes: fields.number("bytes")?,
            bracketed: fields.flag("bracketed")?,
            echoed: fields.flag("echoed")?,
            submitted: fields.flag("submitted")?,
        })
    }
}

impl Exit {
    /// Writes it for the wire.
    pub fn to_value(&self) -> Value {
        map([
            ("code", optional_number(self.code)),
            ("signal", optional_number(self.signal)),
            ("leftover_ended", (self.leftover_ended as u64).into()),
        ])
    }

    /// Reads it from the wire.
    pub fn from_value(value: &Value) -> Option<Exit> {
        let fields = Fields(value);
        value.as_map()?;
        Some(Exit {
            code: fields.number("code"),
            signal: fields.number("signal"),
            leftover_ended: fields.number("leftover_ended").unwrap_or_default(),
        })
    }
}

impl Screen {
    /// Writes it for the wire.
    pub fn to_value(&self) -> Value {
        map([
            ("rows", Value::Array(self.rows.iter().map(|row| row.as_str().into()).collect())),
            ("cursor_row", self.cursor_row.into()),
            ("cursor_column", self.cursor_column.into()),
            ("title", self.title.as_str().into()),
            ("alternate", self.alternate.into()),
        ])
    }

    /// Reads it from the wire.
    pub fn from_value(value: &Value) -> Option<Screen> {
        let fields = Fields(value);
        Some(Screen {
            rows: texts(fields.get("rows")?)?,
            cursor_row: fields.number("cursor_row")?,
            cursor_column: fields.number("cursor_column")?,
            title: fields.text("title").unwrap_or_default(),
            alternate: fields.flag("alternate").unwrap_or_default(),
        })
    }
}

impl ViewOpened {
    /// Writes it for the wire.
    pub fn to_value(&self) -> Value {
        map([("columns", self.columns.into()), ("rows", self.rows.into()), ("driving", self.driving.into())])
    }

    /// Reads it from the wire.
    pub fn from_value(value: &Value) -> Option<ViewOpened> {
        let fields = Fields(value);
        Some(ViewOpened {
            columns: fields.number("columns")?,
            rows: fields.number("rows")?,
            driving: fields.flag("driving")?,
        })
    }
}

/// Reads an array of texts.
pub fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}
