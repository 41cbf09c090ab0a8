//! Programs that misbehave, each a shell script, and what becomes of the agent.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use orchflow_agent::catalogue::Acp;
use orchflow_core::report::Report;

use super::AcpBackend;
use super::recordings::orders;
use crate::backend::{Backend as _, Happening, Outlet, TurnEnd, Verdict};
use crate::gate::Gate;
use crate::session::Event;

/// A program that opens a session and then runs `$turn` at each prompt.
const OPENS: &str = r#"
say() { printf '%s\n' "$1"; }
update() { say "{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{\"sessionId\":\"s\",\"update\":$1}}"; }
ends() { say "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"stopReason\":\"$1\"}}"; }
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case $line in
    *'"method":"initialize"'*)
      say "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"protocolVersion\":1,\"agentInfo\":{\"name\":\"fake\",\"version\":\"1.0\"}}}" ;;
    *'"method":"session/new"'*) say "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"sessionId\":\"s\"}}" ;;
    *'"method":"session/prompt"'*) turn ;;
    *'"method":"session/cancel"'*) cancelled ;;
    *) answered ;;
  esac
done
"#;

struct Scene {
    backend: AcpBackend,
    events: Receiver<Event>,
    gate: Gate,
    folder: tempfile::TempDir,
}

impl Scene {
    /// Starts a program of these lines.
    fn run(script: &str) -> Scene {
        Scene::run_within(script, Duration::from_secs(30))
    }

    fn run_within(script: &str, patience: Duration) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("agent");
        std::fs::write(&program, format!("#!/bin/sh\n{script}")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut orders = orders(Acp::default());
        orders.program = program;
        let mut backend = AcpBackend::new(&orders, folder.path());
        backend.patience = patience;
        let (sender, events) = channel();
        let gate = Gate::default();
        backend.start(Outlet(gate.entrance(sender)));
        Scene { backend, events, gate, folder }
    }

    /// Starts a program that opens a session, and gives it a prompt.
    fn turn(turn: &str) -> Scene {
        let script = format!("cancelled() {{ :; }}\nanswered() {{ :; }}\n{turn}\n{OPENS}");
        let mut scene = Scene::run(&script);
        scene.until(|happening| matches!(happening, Happening::Ready { .. }));
        scene.backend.prompt("go");
        scene
    }

    /// Waits for a happening; gives it with all before it.
    fn until(&self, is_it: impl Fn(&Happening) -> bool) -> Vec<Happening> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).unwrap_or_else(|_| panic!("only {seen:?}"));
            self.gate.took_one();
            if let Event::Backend(happening) = event {
                seen.push(happening);
                if seen.last().is_some_and(&is_it) {
                    return seen;
                }
            }
        }
    }

    /// Waits for its end and gives the reason.
    fn gone(&self) -> String {
        let seen = self.until(|happening| matches!(happening, Happening::Gone(_)));
        let Some(Happening::Gone(Some(why))) = seen.into_iter().last() else { panic!() };
        why
    }

    /// Waits for the turn's end; gives what came before it too.
    fn turn_end(&self) -> (TurnEnd, Vec<Happening>) {
        let mut seen = self.until(|happening| matches!(happening, Happening::TurnEnded(_)));
        let Some(Happening::TurnEnded(end)) = seen.pop() else { panic!() };
        (end, seen)
    }
}

#[test]
fn a_program_that_is_not_there_or_ends_says_so() {
    let mut absent = orders(Acp::default());
    absent.program = PathBuf::from("/nonexistent/agent");
    let mut backend = AcpBackend::new(&absent, &std::env::temp_dir());
    let (sender, events) = channel();
    backend.start(Outlet(Gate::default().entrance(sender)));
    let Ok(Event::Backend(Happening::Gone(Some(why)))) = events.recv_timeout(Duration::from_secs(20)) else {
        panic!()
    };
    assert!(why.contains("/nonexistent/agent cannot be started"), "{why}");

    let why = Scene::run("echo 'no such option --acp' >&2; exit 2").gone();
    assert!(why.contains("ended with exit code 2") && why.contains("no such option --acp"), "{why}");
    let why = Scene::turn("turn() { printf 'out of\\033[31m memory\\n' >&2; exit 3; }").gone();
    assert!(why.contains("ended with exit code 3") && why.contains("out of[31m memory"), "{why}");
    let why = Scene::turn("turn() { kill -9 $$; }").gone();
    assert!(why.contains("signal 9"), "{why}");
}

#[test]
fn a_truncated_or_endless_message_ends_it() {
    let why = Scene::turn("turn() { printf '{\"jsonrpc\":\"2.0\",\"meth'; exec >&-; sleep 100; }").gone();
    assert!(why.contains("closed its output in the middle of a message"), "{why}");
    let why = Scene::turn("turn() { head -c 40000000 /dev/zero | tr '\\0' x; sleep 100; }").gone();
    assert!(why.contains("more than 32 MiB"), "{why}");
    let why = Scene::run_within("sleep 100", Duration::from_millis(300)).gone();
    assert!(why.contains("did not answer \"initialize\"") && why.contains("Agent Client Protocol"), "{why}");
}

#[test]
fn a_message_too_deep_fails_the_turn_and_the_next_one_works() {
    let deep = "[".repeat(500);
    let mut scene = Scene::turn(&format!(
        "turns=0\nturn() {{ turns=$((turns+1)); if [ $turns = 1 ]; then say '{{\"jsonrpc\":\"2.0\",\"x\":{deep}'; else ends end_turn; fi; }}"
    ));
    let (end, _) = scene.turn_end();
    assert!(matches!(&end, TurnEnd::Failed { error } if error.contains("cannot be read")), "{end:?}");
    scene.backend.prompt("again");
    assert_eq!(scene.turn_end().0, TurnEnd::Done);
}

#[test]
fn what_makes_no_sense_is_passed_over_and_kept() {
    let scene = Scene::turn(
        r#"turn() {
  echo 'Loading plugins...'
  say '[1,2]'; say '"text"'; say '{}'; say '{"jsonrpc":"2.0"}'; say '{"jsonrpc":"2.0","id":99,"result":{}}'
  update '{"sessionUpdate":"agent_message_chunk","content":"wrong"}'
  update '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":7}}'
  update '{"sessionUpdate":"tool_call","toolCallId":7}'
  update '{"sessionUpdate":"plan","entries":"none"}'
  update '{"sessionUpdate":"plan","entries":[{"content":"a","status":"dreaming"},7]}'
  update '{"sessionUpdate":"from the future","x":1}'
  update 'null'
  update '{"sessionUpdate":"tool_call_update","toolCallId":"t","status":"completed","rawInput":[1],"content":[{"type":"diff","path":"/x","newText":9},7],"locations":"x"}'
  i=0; while [ $i -lt 200 ]; do echo noise; i=$((i+1)); done
  update '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"still here"}}'
  ends end_turn
}"#,
    );
    let (end, seen) = scene.turn_end();
    assert_eq!(end, TurnEnd::Done);
    let odd = seen.iter().filter(|h| matches!(h, Happening::Report(Report::Other { .. }))).count();
    assert!(odd >= 5, "{seen:?}");
    let notes = seen.iter().filter(|h| matches!(h, Happening::Note(_))).count();
    assert!((5..=20).contains(&notes), "noise is noted, and a flood of it is not: {notes}");
    assert!(seen.iter().any(|h| matches!(h, Happening::Words { text, .. } if text == "still here")));
    assert!(seen.iter().any(|h| matches!(h, Happening::Report(Report::ToolFinished { .. }))));
}

#[test]
fn a_flood_on_standard_error_or_a_closed_input_holds_nothing_up() {
    let scene = Scene::turn("turn() { head -c 20000000 /dev/zero | tr '\\0' e >&2; ends end_turn; }");
    assert_eq!(scene.turn_end().0, TurnEnd::Done);
    // It reads no more: what is written to it waits, we do not.
    let mut deaf = Scene::turn("turn() { exec <&-; sleep 100; }");
    let begun = Instant::now();
    for _ in 0..100 {
        deaf.backend.prompt(&"x".repeat(100_000));
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    deaf.backend.close();
}

#[test]
fn a_program_that_stays_after_its_input_closed_is_ended_with_its_children() {
    let mut scene = Scene::turn(
        "turn() { trap '' TERM; sleep 300 & echo $! > child; echo $$ > own; ends end_turn; while :; do sleep 1; done; }",
    );
    scene.turn_end();
    let begun = Instant::now();
    scene.backend.close();
    assert!(begun.elapsed() < Duration::from_secs(10));
    for name in ["own", "child"] {
        let pid = std::fs::read_to_string(scene.folder.path().join(name)).unwrap();
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        let gone = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            let state =
                std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        });
        assert!(gone, "{name} is ended");
    }
}

#[test]
fn a_turn_is_cancelled_with_its_questions() {
    let mut scene = Scene::run(&format!(
        r#"turn() {{ prompt=$id
  say '{{"jsonrpc":"2.0","id":0,"method":"session/request_permission","params":{{"sessionId":"s","toolCall":{{"toolCallId":"t","title":"Write x","kind":"edit","rawInput":{{"command":"rm x"}}}},"options":[{{"optionId":"q7","name":"Yes","kind":"allow_once"}},{{"optionId":"q8","name":"No","kind":"reject_once"}}]}}}}'
}}
cancelled() {{ was_cancelled=1; }}
answered() {{ echo "$line" >> answers; id=$prompt; if [ -n "$was_cancelled" ]; then ends cancelled; else ends end_turn; fi; }}
{OPENS}"#
    ));
    scene.until(|happening| matches!(happening, Happening::Ready { .. }));
    for (verdict, cancels, expected) in [
        (Verdict::Allow { always: false, updated_input: None }, false, r#""optionId":"q7""#),
        (Verdict::Deny { reason: "no".into() }, false, r#""optionId":"q8""#),
        (Verdict::Cancelled, true, r#""outcome":"cancelled""#),
    ] {
        scene.backend.prompt("go");
        let mut seen = scene.until(|happening| matches!(happening, Happening::Question(_)));
        assert!(
            seen.iter().any(|h| matches!(h, Happening::Report(Report::ToolRequested { .. }))),
            "{seen:?}"
        );
        let Some(Happening::Question(question)) = seen.pop() else { panic!() };
        assert_eq!(question.summary, "edit: rm x");
        if cancels {
            scene.backend.cancel();
        }
        (question.reply)(verdict);
        let (end, seen) = scene.turn_end();
        assert_eq!(end, if cancels { TurnEnd::Interrupted } else { TurnEnd::Done });
        assert!(
            seen.iter().any(|h| matches!(
                h,
                Happening::Report(Report::ToolFailed { .. } | Report::ToolDenied { .. })
            )),
            "what was requested and never ran is ended: {seen:?}"
        );
        let answers = std::fs::read_to_string(scene.folder.path().join("answers")).unwrap();
        assert!(answers.lines().last().unwrap().contains(expected), "{answers}");
    }
}

#[test]
fn sessions_that_cannot_be_opened_say_why() {
    let answer = |result: &str| {
        format!(
            "IFS= read -r line; printf '%s\\n' '{{\"jsonrpc\":\"2.0\",\"id\":1,{result}}}'; IFS= read -r line; \
             printf '%s\\n' '{{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{{\"code\":-32000,\"message\":\"Authentication \
             required\",\"data\":{{\"details\":\"no key\"}}}}}}'; cat > /dev/null"
        )
    };
    for (result, expected) in [
        (r#""result":{"protocolVersion":2}"#, "speaks version 2 of the protocol"),
        (r#""result":{}"#, "speaks version none"),
        (r#""error":{"code":-32603,"message":"broken"}"#, "refuses initialize: broken"),
        (
            r#""result":{"protocolVersion":1,"authMethods":[{"id":"l","name":"Log in","description":"Run `x login`"}]}"#,
            "refuses a session: Authentication required: no key; it offers to log in: Log in (Run `x login`)",
        ),
    ] {
        let why = Scene::run(&answer(result)).gone();
        assert!(why.contains(expected), "{why}");
    }
}
