//! The rehearsal played in a real pty, with a hook program that writes down what it is told.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use orchflow_agent::rehearsal::{Options, rehearse};
use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

/// Not a test by itself: the others run this binary again, in a pty, to be the rehearsal.
#[test]
fn rehearsal_program() {
    if std::env::var_os("PLAY_REHEARSAL").is_some() {
        let script = std::env::var_os("PLAY_SCRIPT").map(PathBuf::from);
        let ended = rehearse(Options::from_surroundings("rehearsal-2".into(), 0, script).unwrap());
        std::process::exit(if ended == ExitCode::SUCCESS { 7 } else { 8 });
    }
}

const HOOK: &str = r#"#!/bin/sh
# Writes its arguments and its input as one line, at once; a permission is answered as the file says.
folder=$(dirname "$0")
body=$(cat)
printf '%s\t%s\n' "$*" "$body" >> "$folder/log"
case "$*" in
*PermissionRequest) if test -f "$folder/answer"; then cat "$folder/answer"; else exec sleep 600; fi ;;
esac
"#;

struct Stage {
    folder: tempfile::TempDir,
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    arriving: Receiver<Vec<u8>>,
    screen: String,
    seen: usize,
    // Keeps the terminal open.
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

struct Setting<'a> {
    script: Option<&'a str>,
    files: &'a [(&'a str, &'a str)],
    answer: Option<&'a str>,
    terminal_reads_status: bool,
    speed: &'a str,
    is_broken: bool,
}

impl Default for Setting<'_> {
    fn default() -> Self {
        Setting {
            script: None,
            files: &[],
            answer: None,
            terminal_reads_status: true,
            speed: "0",
            is_broken: false,
        }
    }
}

impl Stage {
    fn open(setting: &Setting<'_>) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("tree")).unwrap();
        for (name, text) in setting.files {
            let file = path("tree").join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        std::fs::write(path("hook"), HOOK).unwrap();
        std::fs::set_permissions(path("hook"), std::fs::Permissions::from_mode(0o755)).unwrap();
        if let Some(answer) = setting.answer {
            std::fs::write(path("answer"), answer).unwrap();
        }
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["--exact", "rehearsal_program", "--nocapture"]);
        command.cwd(path("tree"));
        command.env("PLAY_REHEARSAL", "1");
        command.env("ORCHFLOW_HOOK", path("hook"));
        command.env("ORCHFLOW_REHEARSAL_SPEED", setting.speed);
        if let Some(script) = setting.script {
            std::fs::write(path("script.yaml"), script).unwrap();
            command.env("PLAY_SCRIPT", path("script.yaml"));
        }
        let size = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let (sender, arriving) = channel();
        thread::spawn(move || {
            let mut buffer = [0u8; 8192];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let _master = pair.master;
        let mut stage = Stage { folder, child, writer, arriving, screen: String::new(), seen: 0, _master };
        if setting.is_broken {
            return stage;
        }
        stage.wait_for("\u{1b}]7501;?\u{1b}\\");
        if setting.terminal_reads_status {
            stage.write("\u{1b}]7501;?\u{1b}\\");
            stage.wait_for("7501;state=idle:app=rehearsal");
        } else {
            stage.wait_for("Enter sends");
            stage.hooks_until("SessionStart");
        }
        stage
    }

    fn write(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).unwrap();
    }

    fn prompt(&mut self, text: &str) {
        self.write(&format!("\u{1b}[200~{text}\u{1b}[201~"));
        self.write("\r");
    }

    /// Waits until a text shows after what was waited for before.
    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.screen[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            match self.arriving.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.screen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("{error}: {text:?} did not show after\n{}", &self.screen[self.seen..]),
            }
        }
    }

    fn hooks(&self) -> Vec<(String, Value)> {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines()
            .map(|line| {
                let (arguments, body) = line.split_once('\t').unwrap();
                let body: Value = serde_json::from_str(body).unwrap();
                assert_eq!(arguments.rsplit(' ').next(), body["hook_event_name"].as_str());
                assert_eq!(body["rehearsal"], true);
                (arguments.to_owned(), body)
            })
            .collect()
    }

    fn names(&self) -> Vec<String> {
        let name = |(arguments, _): &(String, Value)| arguments.rsplit(' ').next().unwrap().to_owned();
        self.hooks().iter().map(name).collect()
    }

    /// Waits until the newest hook is of a name; its file changes only after the program went on.
    fn hooks_until(&mut self, name: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.names().last().map(String::as_str) != Some(name) {
            assert!(Instant::now() < deadline, "{:?} does not end in {name}", self.names());
            if let Ok(bytes) = self.arriving.recv_timeout(Duration::from_millis(20)) {
                self.screen.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }

    fn body(&self, name: &str) -> Value {
        let hooks = self.hooks();
        let found = hooks.iter().rev().find(|(arguments, _)| arguments.ends_with(name));
        found.unwrap_or_else(|| panic!("no {name} in {hooks:?}")).1.clone()
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("tree").join(name)).unwrap()
    }

    fn leave(mut self) -> Vec<String> {
        self.write("/exit\r");
        self.wait_for("7501;state=clear");
        self.wait_for("\u{1b}[?2004l");
        assert_eq!(self.child.wait().unwrap().exit_code(), 7, "it returned");
        self.names()
    }
}

#[test]
fn the_built_in_script_does_real_work_and_tells_it_as_claude_would() {
    let files = [("greet.sh", "#!/bin/sh\necho \"Hello, $1\"\n")];
    let mut stage = Stage::open(&Setting { files: &files, ..Setting::default() });
    assert!(stage.screen.contains("\u{1b}[?2004h"));
    assert!(stage.screen.contains("REHEARSAL – no model"));
    stage.prompt("Make the greeting configurable\nand cover it with a test");
    stage.wait_for("state=working:app=rehearsal");
    stage.wait_for("state=done:app=rehearsal");
    assert_eq!(
        stage.names(),
        [
            "SessionStart",
            "UserPromptSubmit",
            "PreToolUse",
            "PostToolUse",
            "MessageDisplay",
            "PreToolUse",
            "PostToolUse",
            "PreToolUse",
            "PostToolUse",
            "PreToolUse",
            "PostToolUse",
            "MessageDisplay",
            "Stop"
        ]
    );
    assert_eq!(
        stage.body("UserPromptSubmit")["prompt"],
        "Make the greeting configurable\nand cover it with a test"
    );
    assert_eq!(stage.file("greet.sh"), "#!/bin/sh\necho \"${GREETING:-Hello}, $1\"\n");
    assert!(stage.file("tests/greeting_direct.sh").contains("GREETING"));
    let ran = stage.body("PostToolUse");
    assert_eq!(ran["tool_name"], "Bash");
    assert_eq!(ran["tool_response"]["stdout"], "ok: the greeting in greet.sh can be set by GREETING\n");
    stage.prompt("Say welcome instead");
    stage.wait_for("state=done:app=rehearsal");
    assert!(stage.file("NOTES-direct.md").contains("- Turn 2: Say welcome instead"));
    let all = stage.hooks();
    for (_, body) in &all {
        orchflow_agent::hooks::parse("claude", "", body.to_string().as_bytes());
    }
    assert_eq!(stage.leave().last().map(String::as_str), Some("SessionEnd"));
}

#[test]
fn every_step_of_a_script_shows_and_is_reported() {
    let script = r#"
- - think: about {objective}
  - say: I am {name}, persona {index}
  - read: a.txt
  - read: missing.txt
  - edit: {path: a.txt, old: one, new: two}
  - run: 'printf %s {prompt} > prompt.txt; echo "{prompt}" > /dev/null; exit 3'
  - subagent: {name: reviewer, say: fine}
  - flood: {lines_per_second: 500, seconds: 2}
- - say: turn {prompt}
  - fail: out of ideas
"#;
    let files = [("a.txt", "one\n")];
    let mut stage = Stage::open(&Setting { script: Some(script), files: &files, ..Setting::default() });
    stage.prompt("it's $(touch pwned) {name}");
    stage.wait_for("✻ about it's $(touch pwned) {name}");
    stage.wait_for("● I am rehearsal-2, persona 0");
    stage.wait_for("flood       999");
    stage.wait_for("state=done");
    assert_eq!(stage.file("a.txt"), "two\n");
    assert_eq!(stage.file("prompt.txt"), "it's $(touch pwned) {name}");
    assert!(!stage.folder.path().join("tree/pwned").exists());
    let names = stage.names();
    let expected = [
        "UserPromptSubmit",
        "MessageDisplay",
        "PreToolUse",
        "PostToolUse",
        "PreToolUse",
        "PostToolUseFailure",
        "PreToolUse",
        "PostToolUse",
        "PreToolUse",
        "PostToolUseFailure",
        "SubagentStart",
        "SubagentStop",
        "Stop",
    ];
    assert_eq!(names[1..], expected);
    assert_eq!(stage.body("PostToolUseFailure")["error"], "Exit code 3\n");
    assert_eq!(stage.body("Stop")["last_assistant_message"], "I am rehearsal-2, persona 0");
    for _ in 0..2 {
        stage.prompt("again");
        stage.wait_for("● turn again");
        stage.wait_for("state=error:app=rehearsal:msg=b3V0IG9mIGlkZWFz");
        assert_eq!(stage.body("StopFailure")["last_assistant_message"], "out of ideas");
    }
    stage.leave();
}

const ASKING: &str = r"
- - ask:
      tool: Bash
      input: {command: touch allowed}
      then: [{say: thanks}]
      otherwise: [{say: pity}]
";

#[test]
fn a_permission_is_answered_through_the_hook() {
    let allow =
        r#"{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"allow"}}}"#;
    let mut stage = Stage::open(&Setting { script: Some(ASKING), answer: Some(allow), ..Setting::default() });
    stage.prompt("go");
    stage.wait_for("state=blocked:app=rehearsal:kind=permission:msg=");
    stage.wait_for("Allow it?");
    stage.wait_for("state=working");
    stage.wait_for("● thanks");
    stage.wait_for("state=done");
    assert_eq!(stage.file("allowed"), "");
    let asked =
        stage.hooks().into_iter().find(|(arguments, _)| arguments.ends_with("PermissionRequest")).unwrap();
    assert_eq!(asked.0, "--wait 590 claude PermissionRequest");
    assert_eq!(asked.1["tool_input"]["command"], "touch allowed");
    assert_eq!(
        stage.names()[2..],
        ["PreToolUse", "PermissionRequest", "PostToolUse", "MessageDisplay", "Stop"]
    );
    stage.leave();
}

#[test]
fn a_permission_is_answered_in_the_pane_while_the_hook_waits() {
    for (key, closing, made) in [("y", "● thanks", true), ("n", "● pity", false)] {
        let mut stage = Stage::open(&Setting { script: Some(ASKING), ..Setting::default() });
        stage.prompt("go");
        stage.wait_for("Allow it?");
        stage.hooks_until("PermissionRequest");
        // What was meant as a prompt answers nothing.
        stage.prompt("yes, y");
        stage.write(key);
        stage.wait_for(closing);
        stage.wait_for("state=done");
        assert_eq!(stage.folder.path().join("tree/allowed").exists(), made);
        let names = stage.names();
        assert_eq!(names.contains(&"PermissionDenied".to_owned()), !made, "{names:?}");
        // The prompt that came meanwhile is played now.
        stage.wait_for("❯ yes, y");
        stage.wait_for("Allow it?");
        stage.write("\u{1b}");
        stage.wait_for("state=idle");
        stage.leave();
    }
}

#[test]
fn no_opinion_leaves_the_question_to_the_pane() {
    let mut stage = Stage::open(&Setting { script: Some(ASKING), answer: Some(""), ..Setting::default() });
    stage.prompt("go");
    stage.wait_for("Allow it?");
    stage.hooks_until("PermissionRequest");
    stage.write("y");
    stage.wait_for("● thanks");
    stage.wait_for("state=done");
    stage.leave();
}

#[test]
fn escape_interrupts_a_turn_without_a_hook_and_the_next_prompt_is_played() {
    let script = "- - say: begun\n  - run: sleep 600\n- - wait: 600\n- - say: finished\n";
    let mut stage = Stage::open(&Setting { script: Some(script), speed: "1", ..Setting::default() });
    for marker in ["● begun", "esc to interrupt"] {
        stage.prompt("go");
        stage.wait_for("state=working");
        stage.wait_for(marker);
        stage.wait_for("esc to interrupt");
        stage.write("\u{1b}");
        stage.wait_for("state=idle");
        stage.wait_for("Interrupted");
    }
    assert!(!stage.names().contains(&"Stop".to_owned()));
    // Prompts given while it works wait for their turn.
    stage.prompt("three");
    stage.prompt("four");
    stage.wait_for("❯ three");
    stage.wait_for("state=done");
    stage.wait_for("❯ four");
    stage.wait_for("state=done");
    stage.leave();
}

#[test]
fn a_terminal_that_reads_no_status_gets_none() {
    let script = "- - say: hi\n";
    let setting = Setting { script: Some(script), terminal_reads_status: false, ..Setting::default() };
    let mut stage = Stage::open(&setting);
    stage.prompt("go");
    stage.wait_for("● hi");
    stage.hooks_until("Stop");
    assert!(!stage.screen.contains("state="));
    stage.write("\u{3}");
    stage.wait_for("press Ctrl-C again");
    stage.write("\u{3}");
    stage.wait_for("\u{1b}[?2004l");
    assert_eq!(stage.child.wait().unwrap().exit_code(), 7);
    assert_eq!(stage.body("SessionEnd")["reason"], "prompt_input_exit");
    assert!(!stage.screen.contains("state="));
}

#[test]
fn a_large_paste_is_one_prompt() {
    let mut stage = Stage::open(&Setting { script: Some("- - say: took it\n"), ..Setting::default() });
    let text = "0123456789abcde\n".repeat(12_800);
    stage.prompt(&text);
    stage.wait_for("● took it");
    stage.wait_for("state=done");
    assert_eq!(stage.body("UserPromptSubmit")["prompt"].as_str().unwrap().len(), text.trim().len());
    stage.leave();
}

#[test]
fn a_broken_script_is_named_with_its_line_and_nothing_is_played() {
    let script = Some("- - say: hi\n  - sya: ho\n");
    let mut stage = Stage::open(&Setting { script, is_broken: true, ..Setting::default() });
    stage.wait_for("script.yaml is wrong in line 2: ");
    assert_eq!(stage.child.wait().unwrap().exit_code(), 8);
    assert!(stage.names().is_empty());
}
