//! A run brought back after a reboot, and agents that were started elsewhere gone on with.

use std::process::{Child, Stdio};

use orchflow_testkit::{Process, Sandbox, lives, wait_for, write};
use serde_json::{Value, json};

use crate::{WRITER, sandbox};

/// Stands for Claude Code: it keeps its arguments and what it is told, and reports by hooks and status as that does.
/// Without a terminal it stands for one that was started by hand, which says where its session is.
const CLAUDE: &str = r#"
printf '%s\n' "$*" >> "$HOME/arguments"
if ! [ -t 0 ]; then
  mkdir -p "$HOME/.claude/sessions" "$HOME/.claude/projects/x"
  : > "$HOME/.claude/projects/x/by-hand.jsonl"
  start=$(sed 's/.*) //' "/proc/$$/stat" | cut -d' ' -f20)
  printf '{"pid":%s,"sessionId":"by-hand","procStart":"%s","status":"idle"}' $$ "$start" > "$HOME/.claude/sessions/$$.json"
  while :; do sleep 1; done
fi
hook() { printf '%s' "$2" | "$ORCHFLOW_HOOK" claude "$1" >/dev/null; }
state() { printf '\033]7501;state=%s:app=claude-code\033\\' "$1"; }
stty -icanon -echo icrnl min 1
printf '\033[?2004h'
hook SessionStart '{"hook_event_name":"SessionStart","session_id":"s-1","source":"startup"}'
state idle
while IFS= read -r line; do
  text=$(printf '%s' "$line" | sed 's/.*\x1b\[200~\(.*\)\x1b\[201~.*/\1/')
  hook UserPromptSubmit "{\"hook_event_name\":\"UserPromptSubmit\",\"session_id\":\"s-1\",\"prompt\":\"$text\"}"
  state working
  printf '%s\n' "$text" >> "$HOME/told"
  hook Stop '{"hook_event_name":"Stop","session_id":"s-1","last_assistant_message":"ok"}'
  state done
done
"#;

fn lines(sandbox: &Sandbox, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(sandbox.home().join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Ends everything at once and takes away what a reboot takes away.
fn reboot(sandbox: &Sandbox) {
    sandbox.hosts().iter().for_each(Process::kill);
    wait_for("nothing lives", || {
        let left = sandbox.processes();
        left.iter().for_each(Process::kill);
        left.is_empty()
    });
    std::fs::remove_dir_all(sandbox.root().join("run/orchflow")).unwrap();
    for agent in std::fs::read_dir(sandbox.store().join("agents")).unwrap().flatten() {
        let path = agent.path().join("runner.json");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let mut runner: Value = serde_json::from_str(&text).unwrap();
        assert!(runner["boot"].is_string(), "{runner}");
        // A number and a start time that another process has by now mean nothing in another boot.
        runner["boot"] = json!("00000000-0000-4000-8000-000000000000");
        runner["pid"] = json!(std::process::id());
        write(&path, runner.to_string());
    }
}

fn row<'a>(rows: &'a Value, name: &str) -> &'a Value {
    rows.as_array().unwrap().iter().find(|row| row["agent"] == name).unwrap_or(&Value::Null)
}

#[test]
fn a_run_is_brought_back_after_a_reboot() {
    let mut sandbox = sandbox();
    sandbox.add_stand_in("claude", CLAUDE);
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "claude,writer", "begin"]).expect(0);
    let worktree = sandbox.agent("writer")["worktree"].as_str().unwrap().to_owned();
    sandbox.data_of(["pause", "--json", "claude"]);
    sandbox.orchflow(["send", "claude", "and this"]).expect(0);
    reboot(&sandbox);
    std::fs::remove_dir_all(&worktree).unwrap();

    let claude = sandbox.until("claude", "is known to be gone", |row| row["living"] == false);
    assert_eq!(claude["status"], "failed", "{claude}");
    let rows = sandbox.data_of(["resume", "--json"]);
    let (claude, writer) = (row(&rows, "claude"), row(&rows, "writer"));
    assert_eq!((&claude["state"], &claude["session"]), (&json!("running"), &json!("s-1")), "{rows}");
    assert_eq!((&writer["state"], &writer["session"]), (&json!("running"), &Value::Null), "{rows}");
    assert!(lines(&sandbox, "arguments")[1].contains("--resume s-1"), "{:?}", lines(&sandbox, "arguments"));
    assert!(!lines(&sandbox, "arguments")[1].contains("--fork-session"));

    sandbox.until("claude", "took what waited", |row| row["turn"] == 2 && row["status"] == "done");
    assert_eq!(lines(&sandbox, "told"), ["begin", "and this"], "once each");
    sandbox.until("writer", "went on", |row| row["turn"] == 2 && row["status"] == "done");
    let heard = std::fs::read_to_string(format!("{worktree}/heard-writer.txt")).unwrap();
    assert!(heard.starts_with("<begin>\n"), "what it did was made anew from its checkpoint: {heard}");
    for part in ["[orchflow] This is a new session", "begin", "1 file changed in 1 turn"] {
        assert!(heard.contains(part), "{part} in {heard}");
    }
    let origins: Vec<Value> =
        sandbox.events(&["prompt_queued"]).iter().map(|event| event["data"]["origin"].clone()).collect();
    assert!(origins.contains(&json!("resumed")), "{origins:?}");
    assert!(!sandbox.data_of(["review", "--json"]).as_array().unwrap().is_empty());
    let nobody = sandbox.orchflow(["resume"]).expect(0).stdout;
    assert!(nobody.starts_with("none of them is paused or was cut off"), "{nobody}");
    sandbox.leave_nothing();
}

#[test]
fn who_is_named_goes_on_whatever_ended_it_and_who_cannot_says_why() {
    let mut sandbox = sandbox();
    sandbox.add_stand_in("claude", CLAUDE);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "claude", "begin"]).expect(0);
    sandbox.orchflow(["stop", "claude"]).expect(0);
    assert_eq!(sandbox.data_of(["resume", "--json", "1"]), json!([]), "it was stopped on purpose");
    let rows = sandbox.data_of(["resume", "--json", "claude"]);
    assert_eq!(row(&rows, "claude")["session"], "s-1", "{rows}");
    sandbox.orchflow(["send", "claude", "more"]).expect(0);
    sandbox.until("claude", "is told", |row| row["turn"] == 2 && row["status"] == "done");
    let again = sandbox.data_of(["resume", "--json", "claude"]);
    assert_eq!(row(&again, "claude")["state"], "running", "it runs; nothing is started twice: {again}");
    assert_eq!(sandbox.runners().len(), 1);

    sandbox.orchflow(["stop", "claude"]).expect(0);
    let program = sandbox.root().join("bin/claude");
    std::fs::rename(&program, sandbox.root().join("bin/elsewhere")).unwrap();
    sandbox.set("PATH", Some("/usr/bin:/bin"));
    let failed = sandbox.orchflow(["resume", "claude"]).expect(1);
    assert!(failed.stderr.contains("Claude Code is not installed"), "{}", failed.stderr);
    assert_eq!(sandbox.agent("claude")["status"], "failed");
    sandbox.orchflow(["resume", "nobody"]).expect(2);
    sandbox.orchflow(["resume", "99"]).expect(2);
    sandbox.orchflow(["clean", "claude"]).expect(0);
    let cleaned = sandbox.orchflow(["resume", "claude"]).expect(1);
    assert!(
        cleaned.stderr.contains("was removed") && cleaned.stderr.contains("kept as refs/"),
        "{}",
        cleaned.stderr
    );
    sandbox.leave_nothing();
}

/// A process somebody started by hand; it ends with the test.
struct ByHand(Child);

impl Drop for ByHand {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_agent_that_was_started_by_hand_is_listed_and_gone_on_with_in_a_copy() {
    let mut sandbox = sandbox();
    sandbox.add_stand_in("claude", CLAUDE);
    let none = sandbox.orchflow(["adopt"]).expect(0).stdout;
    assert!(none.starts_with("no agent that was started elsewhere"), "{none}");
    let mut by_hand = sandbox.command(sandbox.root().join("bin/claude"));
    by_hand.env("TMUX_PANE", "%3").stdin(Stdio::null()).stdout(Stdio::null());
    let by_hand = ByHand(by_hand.spawn().unwrap());
    let pid = by_hand.0.id();
    let mut found = Value::Null;
    wait_for("it is listed with its session", || {
        found = sandbox.data_of(["adopt", "--json"]);
        found[0]["session"] == "by-hand"
    });
    let told = &found[0];
    assert_eq!(
        (&told["process"], &told["pane"], &told["adoptable"]),
        (&json!(pid), &json!("tmux:%3"), &json!(true))
    );
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");

    let adopted = sandbox.orchflow(["adopt", "--json", &pid.to_string()]).expect(0);
    assert_eq!(adopted.json()["data"][0]["copy"], true);
    assert!(adopted.json()["warnings"].to_string().contains(&format!("process {pid} goes on as well")));
    sandbox.until("claude", "is there", |row| row["living"] == true && row["status"] == "idle");
    let arguments = lines(&sandbox, "arguments").pop().unwrap();
    assert!(arguments.ends_with("--resume by-hand --fork-session"), "{arguments}");
    assert!(lives(i32::try_from(pid).unwrap()), "its own process is left alone");
    assert_eq!(sandbox.data_of(["adopt", "--json"]).as_array().unwrap().len(), 1, "ours is no candidate");
    let twice = sandbox.orchflow(["adopt", &pid.to_string()]).expect(1);
    assert!(twice.stderr.contains("goes on in that session already"), "{}", twice.stderr);
    sandbox.orchflow(["send", "claude", "hello"]).expect(0);
    sandbox.until("claude", "is told", |row| row["turn"] == 1 && row["status"] == "done");
    assert_eq!(lines(&sandbox, "told"), ["hello"]);
    sandbox.orchflow(["wait", "--json"]).expect(0);

    for (words, code) in [
        (vec!["adopt", "1"], 2),
        (vec!["adopt", "abc"], 2),
        (vec!["adopt", "--session", "by-hand", &pid.to_string()], 2),
        (vec!["adopt", "--session=--evil", "--agent", "claude"], 2),
        (vec!["adopt", "--session", "s-9"], 2),
        (vec!["adopt", "--session", "s-9", "--agent", "nobody"], 2),
        (vec!["adopt", "--session", "s-9", "--agent", "rehearsal"], 1),
        (vec!["adopt", "--session", "s-9", "--agent", "opencode"], 1),
    ] {
        sandbox.orchflow(words).expect(code);
    }
    // Of a session that is not told, only the pane is known.
    std::fs::remove_file(sandbox.home().join(format!(".claude/sessions/{pid}.json"))).unwrap();
    let listed = sandbox.orchflow(["adopt"]).expect(0).stdout;
    assert!(listed.contains("can only be looked at") && listed.contains("tmux:%3"), "{listed}");
    let refused = sandbox.orchflow(["adopt", &pid.to_string()]).expect(1);
    assert!(refused.stderr.contains("it can only be looked at, in its pane tmux:%3"), "{}", refused.stderr);
    drop(by_hand);
    sandbox.leave_nothing();
}
