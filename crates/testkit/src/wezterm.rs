//! A wezterm of a test's own: its mux server and its `cli`, as they were measured (snapshot 20250223-…-4ff581a8).
//!
//! The server is a process apart (the test program, run once more), listens at a socket, and runs the panes' programs
//! on terminals of their own. The `cli` is a script that hands its words over and prints what comes back. Halting the
//! server's process makes a wezterm that hangs, killing it one that is gone.
//!
//! What is as in the real one: what `list` has and lacks (no process, no exit status); the number that `split-pane`
//! and `spawn` print, also for a program that is not there; a new pane is the active one; a pane whose program ends
//! vanishes; unknown panes are refused with exit code 1.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::processes::Process;
use crate::wait::wait_for;

/// The variable that makes a test program the server; its value is the server's folder.
const FOLDER: &str = "FAKE_WEZTERM";

/// What the script does: it gives its words to the server as a file, and waits for the answer at a pipe.
const SCRIPT: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then echo "wezterm 20250223-110809-4ff581a8"; exit 0; fi
d="$WEZTERM_UNIX_SOCKET.d"
if ! kill -0 "$(cat "$d/pid" 2>/dev/null)" 2>/dev/null; then
  echo "00:00:00.000  ERROR  wezterm > failed to connect to Socket(\"$WEZTERM_UNIX_SOCKET\"): Connection refused; terminating" >&2
  exit 1
fi
q=$(mktemp -d "$d/q.XXXXXX") || exit 1
mkfifo "$q/reply"
printf '%s\0' "$@" >"$q/words"
echo "$q" >"$d/control"
{ read -r code; if [ "$code" = 0 ]; then cat; else cat >&2; fi; } <"$q/reply"
rm -rf "$q"
exit "$code"
"#;

/// Becomes the server where the process was started as one, and does not come back then. A test program that uses
/// [`FakeWezterm`] has a test of its own that calls this.
///
/// # Panics
/// When the system does not let it serve.
pub fn become_wezterm() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    Server::start(PathBuf::from(folder)).serve();
}

/// A running wezterm; it ends when dropped.
#[derive(Debug)]
pub struct FakeWezterm {
    folder: PathBuf,
    process: Child,
}

impl FakeWezterm {
    /// Starts one in `folder` with a single pane, 0, of a size in columns and rows, in which `editor` runs. `test` is
    /// the test that calls [`become_wezterm`]; `environment` is all that programs in panes get.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(
        folder: &Path,
        test: &str,
        size: (u16, u16),
        editor: &[&str],
        environment: &[(OsString, OsString)],
    ) -> FakeWezterm {
        let data = folder.join("sock.d");
        fs::create_dir_all(&data).unwrap();
        fs::create_dir_all(folder.join("bin")).unwrap();
        let script = folder.join("bin/wezterm");
        fs::write(&script, SCRIPT).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Command::new("mkfifo").arg(data.join("control")).status().unwrap().success());
        let (columns, rows) = size;
        let text = |word: &OsString| word.to_string_lossy().into_owned();
        let environment: BTreeMap<String, String> =
            environment.iter().map(|(name, value)| (text(name), text(value))).collect();
        let setup = json!({ "columns": columns, "rows": rows, "editor": editor, "environment": environment });
        fs::write(data.join("setup"), setup.to_string()).unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wezterm = FakeWezterm { folder: folder.to_owned(), process };
        wait_for("the fake wezterm serves", || data.join("pid").exists());
        wezterm
    }

    /// Gives the `wezterm` program.
    pub fn program(&self) -> PathBuf {
        self.folder.join("bin/wezterm")
    }

    /// Gives its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("sock")
    }

    /// Gives the process that listens at the socket.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Makes its `list` that of a version which names no terminals, and its `split-pane` one without `--cells`.
    ///
    /// # Panics
    /// When the system does not let it.
    pub fn grow_old(&self) {
        fs::write(self.folder.join("sock.d/old"), "").unwrap();
    }

    /// Ends its process, or halts it, or lets it go on.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id()).unwrap_or(0);
        Process { pid, words: Vec::new() }.signal(signal);
    }

    /// Runs its `cli` and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> String {
        let mut cli = Command::new(self.program());
        cli.env("WEZTERM_UNIX_SOCKET", self.socket()).args(["-n", "cli", "--no-auto-start"]).args(words);
        let output = cli.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Lists its panes as the `cli` does.
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn panes(&self) -> Vec<Value> {
        serde_json::from_str(&self.ask(&["list", "--format", "json"])).unwrap()
    }

    /// Gives the number of the active pane.
    #[track_caller]
    pub fn active(&self) -> u64 {
        let panes = self.panes();
        let active = panes.iter().find(|pane| pane["is_active"] == true);
        active.and_then(|pane| pane["pane_id"].as_u64()).unwrap_or(u64::MAX)
    }

    /// Gives what a pane's program has printed so far.
    pub fn printed(&self, pane: u64) -> String {
        let bytes = fs::read(self.folder.join(format!("sock.d/screen-{pane}"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Gives the commands the `cli` was given so far, each as one line.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("sock.d/calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for FakeWezterm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Pane {
    tab: u64,
    columns: u16,
    rows: u16,
    left: u16,
    top: u16,
    title: String,
    tty: Option<PathBuf>,
    active: bool,
    zoomed: bool,
    _master: Option<Box<dyn MasterPty + Send>>,
    child: Option<u32>,
}

enum Event {
    Asked(PathBuf),
    Ended(u64),
}

struct Server {
    folder: PathBuf,
    panes: BTreeMap<u64, Pane>,
    next: u64,
    environment: BTreeMap<String, String>,
    sender: Sender<Event>,
    events: Receiver<Event>,
    _listener: UnixListener,
}

impl Server {
    fn start(folder: PathBuf) -> Server {
        let data = folder.join("sock.d");
        let setup: Value = serde_json::from_slice(&fs::read(data.join("setup")).unwrap()).unwrap();
        let environment: BTreeMap<String, String> =
            serde_json::from_value(setup["environment"].clone()).unwrap();
        let listener = UnixListener::bind(folder.join("sock")).unwrap();
        let accepting = listener.try_clone().unwrap();
        // The script does not speak through it; who connects wants to know whose it is.
        std::thread::spawn(move || accepting.incoming().for_each(drop));
        let (sender, events) = channel();
        let mut server = Server {
            folder,
            panes: BTreeMap::new(),
            next: 0,
            environment,
            sender,
            events,
            _listener: listener,
        };
        let size = |name: &str| u16::try_from(setup[name].as_u64().unwrap()).unwrap();
        let editor: Vec<OsString> =
            setup["editor"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().into()).collect();
        server.open(0, (size("columns"), size("rows")), (0, 0), Path::new("/"), &editor);
        server
    }

    fn serve(mut self) -> ! {
        let data = self.folder.join("sock.d");
        let sender = self.sender.clone();
        let control = data.join("control");
        std::thread::spawn(move || {
            // Open for writing as well, so that it never ends.
            let pipe = fs::File::options().read(true).write(true).open(control).unwrap();
            for line in BufReader::new(pipe).lines() {
                let _ = sender.send(Event::Asked(PathBuf::from(line.unwrap())));
            }
        });
        fs::write(data.join("pid.new"), std::process::id().to_string()).unwrap();
        fs::rename(data.join("pid.new"), data.join("pid")).unwrap();
        loop {
            match self.events.recv().unwrap() {
                Event::Ended(pane) => self.vanish(pane),
                Event::Asked(question) => {
                    let words = fs::read(question.join("words")).unwrap();
                    let words: Vec<OsString> = words
                        .split(|byte| *byte == 0)
                        .map(|word| OsString::from_vec(word.to_vec()))
                        .collect();
                    let words = words.get(..words.len().saturating_sub(1)).unwrap_or_default();
                    let (code, text) = match self.answer(words) {
                        Ok(text) => (0, text),
                        Err(complaint) => (1, complaint),
                    };
                    if let Ok(mut reply) = fs::File::options().write(true).open(question.join("reply")) {
                        let _ = write!(reply, "{code}\n{text}");
                    }
                }
            }
        }
    }

    fn answer(&mut self, words: &[OsString]) -> Result<String, String> {
        let text: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let mut calls =
            fs::File::options().create(true).append(true).open(self.folder.join("sock.d/calls")).unwrap();
        let _ = writeln!(calls, "{}", text.join(" ").replace('\n', " "));
        let at = text.iter().position(|word| word == "cli").ok_or("error: unrecognized subcommand")? + 1;
        let rest = text.get(at..).unwrap_or_default();
        let skipped = rest.iter().take_while(|word| word.starts_with("--")).count();
        let command = rest.get(skipped).cloned().unwrap_or_default();
        let arguments = words.get(at + skipped + 1..).unwrap_or_default();
        let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
        let (options, program) = arguments.split_at(end);
        let program: Vec<OsString> = program.iter().skip(1).cloned().collect();
        let value = |name: &str| {
            let at = options.iter().position(|word| word == name)?;
            options.get(at + 1).map(|word| word.to_string_lossy().into_owned())
        };
        let has = |name: &str| options.iter().any(|word| word == name);
        let pane = || -> Result<u64, String> {
            let named = value("--pane-id").ok_or("--pane-id was not specified")?;
            let number: u64 = named.parse().map_err(|_| format!("error: invalid value '{named}'"))?;
            self.panes.contains_key(&number).then_some(number).ok_or(format!("no such pane {number}"))
        };
        let cwd = PathBuf::from(value("--cwd").unwrap_or_else(|| "/".to_owned()));
        match command.as_str() {
            "list" => Ok(self.list()),
            "activate-pane" => {
                let pane = pane()?;
                self.activate(pane);
                Ok(String::new())
            }
            "zoom-pane" => {
                let pane = pane()?;
                let zoomed = !has("--unzoom");
                self.panes.entry(pane).and_modify(|pane| pane.zoomed = zoomed);
                Ok(String::new())
            }
            "kill-pane" => {
                let pane = pane()?;
                self.vanish(pane);
                Ok(String::new())
            }
            "set-tab-title" | "set-window-title" => pane().map(|_| String::new()),
            "split-pane" if self.folder.join("sock.d/old").exists() && has("--cells") => {
                Err("error: unexpected argument '--cells' found\n\nUsage: wezterm cli split-pane".to_owned())
            }
            "split-pane" => {
                let from = pane()?;
                let cells = value("--cells").and_then(|cells| cells.parse::<u16>().ok());
                let (tab, size, place) = self.cut(from, has("--right"), cells)?;
                Ok(format!("{}\n", self.open(tab, size, place, &cwd, &program)))
            }
            "spawn" => {
                if !has("--new-window") && value("--window-id").is_none() {
                    pane()?;
                }
                let tab = self.panes.values().map(|pane| pane.tab).max().unwrap_or(0) + 1;
                Ok(format!("{}\n", self.open(tab, (80, 24), (0, 0), &cwd, &program)))
            }
            other => Err(format!("error: unrecognized subcommand '{other}'")),
        }
    }

    fn list(&self) -> String {
        let is_old = self.folder.join("sock.d/old").exists();
        let row = |(id, pane): (&u64, &Pane)| {
            let mut row = json!({
                "window_id": 0, "tab_id": pane.tab, "pane_id": id, "workspace": "default",
                "size": { "rows": pane.rows, "cols": pane.columns, "pixel_width": 0, "pixel_height": 0, "dpi": 0 },
                "title": pane.title, "cwd": "file:///", "cursor_x": 0, "cursor_y": 0, "cursor_shape": "Default",
                "cursor_visibility": "Visible", "left_col": pane.left, "top_row": pane.top, "tab_title": "",
                "window_title": "", "is_active": pane.active, "is_zoomed": pane.zoomed,
            });
            if let Some(fields) = row.as_object_mut().filter(|_| !is_old) {
                fields.insert("tty_name".to_owned(), json!(pane.tty));
            }
            row
        };
        Value::Array(self.panes.iter().map(row).collect()).to_string()
    }

    /// Takes room from a pane. Gives the tab, size and place of the new one.
    #[allow(clippy::type_complexity, reason = "said in its name")]
    fn cut(
        &mut self,
        from: u64,
        right: bool,
        cells: Option<u16>,
    ) -> Result<(u64, (u16, u16), (u16, u16)), String> {
        let pane = self.panes.get_mut(&from).ok_or(format!("no such pane {from}"))?;
        let whole = if right { pane.columns } else { pane.rows };
        let cells = cells.unwrap_or(whole.saturating_sub(1) / 2);
        let left = whole.checked_sub(cells + 1).filter(|left| *left > 0 && cells > 0);
        let left = left.ok_or_else(|| "No space for split!".to_owned())?;
        if right {
            pane.columns = left;
            Ok((pane.tab, (cells, pane.rows), (pane.left + left + 1, pane.top)))
        } else {
            pane.rows = left;
            Ok((pane.tab, (pane.columns, cells), (pane.left, pane.top + left + 1)))
        }
    }

    fn open(&mut self, tab: u64, size: (u16, u16), place: (u16, u16), cwd: &Path, argv: &[OsString]) -> u64 {
        let id = self.next;
        self.next += 1;
        let pty = native_pty_system()
            .openpty(PtySize { rows: size.1, cols: size.0, pixel_width: 0, pixel_height: 0 })
            .unwrap();
        let program = argv.first().cloned().unwrap_or_else(|| "sh".into());
        let mut command = CommandBuilder::new(&program);
        command.args(argv.iter().skip(1));
        command.cwd(cwd);
        command.env_clear();
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command.env("WEZTERM_PANE", id.to_string());
        command.env("WEZTERM_UNIX_SOCKET", self.folder.join("sock"));
        command.env("TERM", "xterm-256color");
        command.env("TERM_PROGRAM", "WezTerm");
        let mut pane = Pane {
            tab,
            columns: size.0,
            rows: size.1,
            left: place.0,
            top: place.1,
            title: Path::new(&program).file_name().unwrap_or(OsStr::new("")).to_string_lossy().into_owned(),
            tty: pty.master.tty_name(),
            active: true,
            zoomed: false,
            _master: None,
            child: None,
        };
        let screen = self.folder.join(format!("sock.d/screen-{id}"));
        match pty.slave.spawn_command(command) {
            Ok(mut child) => {
                pane.child = child.process_id();
                let mut output = pty.master.try_clone_reader().unwrap();
                let sender = self.sender.clone();
                std::thread::spawn(move || {
                    let mut file = fs::File::create(screen).unwrap();
                    let mut piece = [0u8; 4096];
                    while let Ok(count) = output.read(&mut piece) {
                        let Some(bytes) = piece.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
                        let _ = file.write_all(bytes);
                    }
                });
                std::thread::spawn(move || {
                    let _ = child.wait();
                    let _ = sender.send(Event::Ended(id));
                });
            }
            Err(error) => fs::write(screen, error.to_string()).unwrap(),
        }
        drop(pty.slave);
        pane._master = Some(pty.master);
        self.panes.insert(id, pane);
        self.activate(id);
        id
    }

    fn activate(&mut self, id: u64) {
        let Some(tab) = self.panes.get(&id).map(|pane| pane.tab) else { return };
        for (other, pane) in self.panes.iter_mut().filter(|(_, pane)| pane.tab == tab) {
            pane.active = *other == id;
        }
    }

    fn vanish(&mut self, id: u64) {
        let Some(pane) = self.panes.remove(&id) else { return };
        if let Some(pid) = pane.child.and_then(|pid| i32::try_from(pid).ok()) {
            Process { pid, words: Vec::new() }.signal(Signal::HUP);
        }
        self.give_room_back(&pane);
        let last =
            self.panes.iter().filter(|(_, other)| other.tab == pane.tab).map(|(id, _)| *id).next_back();
        if let Some(last) = last.filter(|_| pane.active) {
            self.activate(last);
        }
    }

    /// The pane beside one that is gone gets its cells and the line between them, as in the real program.
    fn give_room_back(&mut self, gone: &Pane) {
        for pane in self.panes.values_mut().filter(|pane| pane.tab == gone.tab) {
            let beside = pane.top == gone.top && pane.rows == gone.rows;
            let above = pane.left == gone.left && pane.columns == gone.columns;
            if beside && pane.left + pane.columns + 1 == gone.left {
                pane.columns += gone.columns + 1;
            } else if beside && gone.left + gone.columns + 1 == pane.left {
                (pane.left, pane.columns) = (gone.left, pane.columns + gone.columns + 1);
            } else if above && pane.top + pane.rows + 1 == gone.top {
                pane.rows += gone.rows + 1;
            } else if above && gone.top + gone.rows + 1 == pane.top {
                (pane.top, pane.rows) = (gone.top, pane.rows + gone.rows + 1);
            } else {
                continue;
            }
            return;
        }
    }
}
