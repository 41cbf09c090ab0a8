//! Terminals: the runner that owns a pty, the views that show it, the backends that place views.
//!
//! Nothing in this crate knows what an agent is. A program runs in a pty that a [`runner`] process
//! holds; whoever wants to see or steer it speaks to the runner's socket. The way of a byte:
//!
//! ```text
//! program ─▶ pty ─▶ filter ─┬▶ emulator ─▶ frames ───▶ views that follow, lag or live in an editor
//!              ▲            ├▶ safe bytes ───────────▶ the view that drives
//!              │            ├▶ signals ──────────────▶ the SignalSink
//!              └─ answers ──┘
//! ```
//!
//! - [`filter`]: cuts the program's output into whole sequences, answers its queries, drops what reaches past the pane;
//! - [`emulator`]: the grid behind a small trait; [`paint`]: grid to bytes;
//! - [`signal`]: what a terminal program tells besides its picture;
//! - [`runner`]: the process that owns pty, process group and socket; [`protocol`]: what its socket speaks;
//! - [`client`], [`async_client`]: typed callers of that socket; [`attach`]: a view in a terminal;
//! - [`leftover`]: finds and ends processes by their marker; [`writers`]: finds those that write;
//! - [`backend`]: places views beside an editor.

pub mod async_client;
pub mod attach;
pub mod backend;
pub mod client;
pub mod emulator;
pub mod filter;
pub mod leftover;
pub mod paint;
pub mod protocol;
pub mod runner;
pub mod signal;
pub mod writers;
