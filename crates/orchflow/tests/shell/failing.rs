//! Turns that an error of the model ended, of programs that tell it in their transcript only.

use orchflow_testkit::Sandbox;
use serde_json::Value;

use crate::sandbox;

/// What both stand-ins begin with: `hook NAME BODY`, and a prompt a line in `text`.
const COMMON: &str = r#"
stty -icanon -echo icrnl min 1
hook() { printf '%s' "$2" | "$ORCHFLOW_HOOK" "$kind" "$1" >/dev/null; }
heard() { IFS= read -r line && text=$(printf '%s' "$line" | sed 's/.*\x1b\[200~\(.*\)\x1b\[201~.*/\1/'); }
"#;

/// Stands for Gemini CLI: an error stands in its transcript, and no hook tells of the turn's end.
const GEMINI: &str = r#"
kind=gemini chat=$HOME/chat.jsonl
about="\"session_id\":\"s-1\",\"transcript_path\":\"$chat\""
title() { printf '\033]0;%s\007' "$1"; }
printf '\033[?2004h'
hook SessionStart "{\"hook_event_name\":\"SessionStart\",$about,\"source\":\"startup\"}"
title '◇ Ready'
while heard; do
  printf '{"type":"user"}\n' >> "$chat"
  hook BeforeAgent "{\"hook_event_name\":\"BeforeAgent\",$about,\"prompt\":\"$text\"}"
  title '✦ Working'
  case $text in fail*) printf '{"type":"error","content":"[API Error: 400 no such model]"}\n' >> "$chat";; esac
  title '◇ Ready'
done
"#;

/// Stands for aider: it tells its log's last line whenever it waits for the human.
const AIDER: &str = r#"
kind=aider
while [ "$1" != --chat-history-file ]; do shift; done
chat=$2
printf '\033[?2004h> '
while heard; do
  printf '#### %s  \n' "$text" >> "$chat"
  echo thinking
  case $text in fail*) printf '> litellm.BadRequestError: no such model  \n' >> "$chat";; esac
  printf '> '
  hook notified '{"event":"message_send_starting","properties":{}}'
done
"#;

/// Gives how each turn ended, and what was said of it.
fn ends(sandbox: &Sandbox) -> Vec<(Value, Value)> {
    let ended = sandbox.events(&["turn_ended"]);
    ended.iter().map(|event| (event["data"]["outcome"].clone(), event["data"]["message"].clone())).collect()
}

#[test]
fn an_error_in_the_transcript_of_gemini_fails_the_turn_and_an_interruption_does_not() {
    let mut sandbox = sandbox();
    sandbox.add_stand_in("gemini", &format!("{COMMON}{GEMINI}"));
    sandbox.orchflow(["swarm", "--json", "--agents", "gemini", "fail please"]).expect(0);
    sandbox.until("gemini", "failed", |row| row["status"] == "failed");
    sandbox.orchflow(["send", "gemini", "stop in the midst"]).expect(0);
    sandbox.until("gemini", "is interrupted", |row| row["turn"] == 2 && row["status"] == "idle");
    orchflow_testkit::wait_for("both turns ended", || ends(&sandbox).len() == 2);
    let ends = ends(&sandbox);
    assert_eq!(ends[0], ("failed".into(), "[API Error: 400 no such model]".into()));
    assert_eq!(ends[1].0, "interrupted");
    sandbox.orchflow(["stop", "gemini"]).expect(0);
    sandbox.leave_nothing();
}

#[test]
fn an_error_in_the_chat_of_aider_fails_the_turn() {
    let mut sandbox = sandbox();
    sandbox.add_stand_in("aider", &format!("{COMMON}{AIDER}"));
    sandbox.orchflow(["swarm", "--json", "--agents", "aider", "fail please"]).expect(0);
    sandbox.until("aider", "failed", |row| row["status"] == "failed");
    sandbox.orchflow(["send", "aider", "now do"]).expect(0);
    sandbox.until("aider", "is done", |row| row["turn"] == 2 && row["status"] != "working");
    orchflow_testkit::wait_for("both turns ended", || ends(&sandbox).len() == 2);
    let ends = ends(&sandbox);
    assert_eq!(ends[0], ("failed".into(), "BadRequestError: no such model".into()));
    assert_ne!(ends[1].0, "failed", "the error is of the turn before");
    sandbox.orchflow(["stop", "aider"]).expect(0);
    sandbox.leave_nothing();
}
