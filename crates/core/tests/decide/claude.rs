//! Claude Code as it was recorded: its hooks and its program status, interleaved as they came and as they
//! might have come.

use std::path::Path;

use base64::Engine as _;
use orchflow_core::AgentKey;
use orchflow_core::effect::{EffectBody, Outcome};
use orchflow_core::event::EventBody;
use orchflow_core::report::{Report, StatedState};
use orchflow_core::state::TurnOutcome::{Done, Failed, Interrupted};
use serde_json::Value;

use crate::scene::{CLAUDE, Scene, checkpoint, launched, pasted, spec};

/// One line of a recording: when, in microseconds since its start, and what.
type Line = (i64, Report);

fn recording(name: &str, hooks_late: i64) -> Vec<Line> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/claude-2.1.329");
    let pty = std::fs::read_to_string(folder.join(format!("{name}.pty.log"))).unwrap();
    let hooks = std::fs::read_to_string(folder.join(format!("{name}.hooks.log"))).unwrap_or_default();
    let start = micros(pty.split(' ').next().unwrap());
    let told = |line: &str| micros(line.split(' ').next().unwrap()) - start;
    let mut lines: Vec<Line> = Vec::new();
    lines.extend(pty.lines().filter_map(|line| Some((told(line), from_pty(line)?))));
    lines.extend(hooks.lines().map(|line| (told(line) + hooks_late, from_hook(line))));
    lines.sort_by_key(|(at, _)| *at);
    // The exit is the runner's word, which comes after everything that reached it.
    if let Some(exit) = lines.iter().position(|(_, report)| matches!(report, Report::ProcessExited { .. })) {
        let last = lines.last().unwrap().0;
        let (_, report) = lines.remove(exit);
        lines.push((last + 1000, report));
    }
    lines
}

fn micros(seconds: &str) -> i64 {
    let (whole, part) = seconds.split_once('.').unwrap();
    let part: String = part.chars().chain("000000".chars()).take(6).collect();
    whole.parse::<i64>().unwrap() * 1_000_000 + part.parse::<i64>().unwrap()
}

fn from_pty(line: &str) -> Option<Report> {
    if let Some((_, exit)) = line.split_once(" exit ") {
        let code = exit.split(' ').nth(1)?.parse().ok();
        return Some(Report::ProcessExited { code, signal: None, leftover_ended: 0 });
    }
    let (_, fields) = line.split_once("7501;state=")?;
    let mut fields = fields.trim_end_matches('\'').split(':');
    let state = match fields.next()? {
        "idle" => StatedState::Idle,
        "working" => StatedState::Working,
        "blocked" => StatedState::Blocked,
        "done" => StatedState::Done,
        "error" => StatedState::Error,
        "clear" => StatedState::Clear,
        other => panic!("{other}"),
    };
    let (mut detail, mut category) = (None, None);
    for field in fields {
        match field.split_once('=')? {
            ("msg", text) => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
                detail = Some(String::from_utf8(bytes).unwrap());
            }
            ("kind", kind) => category = Some(kind.to_owned()),
            _ => {}
        }
    }
    Some(Report::StatusStated { state, detail, category })
}

fn from_hook(line: &str) -> Report {
    let mut parts = line.splitn(3, ' ');
    let (name, json) = (parts.nth(1).unwrap(), parts.next().unwrap());
    let input: Value = serde_json::from_str(json).unwrap();
    let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
    let id = || input["tool_use_id"].as_str().map(str::to_owned);
    let (tool, arguments) = (text("tool_name"), input["tool_input"].clone());
    match name {
        "SessionStart" => Report::SessionStarted { session_id: text("session_id"), source: text("source") },
        "SessionEnd" => Report::SessionEnded { reason: text("reason") },
        "UserPromptSubmit" => Report::PromptSubmitted { text: text("prompt") },
        "MessageDisplay" => Report::TextDisplayed {
            message_id: text("message_id"),
            index: input["index"].as_u64().unwrap(),
            last: input["final"].as_bool().unwrap(),
            text: text("delta"),
        },
        "PreToolUse" => Report::ToolRequested { tool_use_id: id(), tool, input: arguments },
        "PostToolUse" => Report::ToolFinished {
            tool_use_id: id(),
            tool,
            input: arguments,
            response: input["tool_response"].clone(),
            duration_ms: input["duration_ms"].as_u64(),
        },
        "PermissionRequest" => Report::ApprovalRequested {
            tool,
            input: arguments,
            tool_use_id: id(),
            answerable: true,
            held: false,
        },
        "Stop" => Report::TurnEnded { message: Some(text("last_assistant_message")) },
        "StopFailure" => {
            Report::TurnFailed { error: text("error"), message: Some(text("last_assistant_message")) }
        }
        "Notification" => {
            Report::NotificationShown { message: text("message"), category: text("notification_type") }
        }
        other => panic!("{other}"),
    }
}

/// Plays a recording to an agent whose objective is the recording's first prompt. What is asked for is done
/// at once, timers fire in time, and the screen shows what it is said to show.
fn play(name: &str, hooks_late: i64, dialog: Option<(&str, &str)>) -> (Scene, AgentKey, Vec<String>) {
    let lines = recording(name, hooks_late);
    let objective = lines.iter().find_map(|(_, report)| match report {
        Report::PromptSubmitted { text } => Some(text.clone()),
        _ => None,
    });
    let mut scene = Scene::new();
    let command = orchflow_core::command::Command::StartRun {
        objective: objective.unwrap_or_else(|| "anything".to_owned()),
        base: crate::scene::base(),
        agents: vec![spec("claude", CLAUDE)],
        place: orchflow_core::command::ViewPlace { backend: "none".to_owned(), ..Default::default() },
        budget_usd: None,
    };
    let agent = scene.command(command).unwrap().reply.agents.remove(0);
    scene.worktrees();
    carry_out(&mut scene, dialog);
    let start = scene.now;
    let mut statuses = vec![scene.status(&agent)];
    let mut note = |scene: &Scene| {
        let status = scene.status(&agent);
        if statuses.last() != Some(&status) {
            statuses.push(status);
        }
    };
    for (at, report) in lines {
        // Timers fall due one by one, and what they ask for is done in between.
        while let Some(due) = next_timer(&scene).filter(|due| *due <= start + at) {
            scene.pass(due);
            carry_out(&mut scene, dialog);
            note(&scene);
        }
        scene.pass(start + at);
        scene.report(&agent, report);
        carry_out(&mut scene, dialog);
        note(&scene);
    }
    scene.pass(scene.now + 60_000_000);
    carry_out(&mut scene, dialog);
    (scene, agent, statuses)
}

fn next_timer(scene: &Scene) -> Option<i64> {
    let at = |effect: &orchflow_core::effect::Effect| match effect.body {
        EffectBody::Wake { at, .. } => Some(at.0),
        _ => None,
    };
    scene.open.iter().filter_map(at).min()
}

fn carry_out(scene: &mut Scene, dialog: Option<(&str, &str)>) {
    while scene.wants(|body| !matches!(body, EffectBody::Wake { .. })) {
        let effect = scene.take(|body| !matches!(body, EffectBody::Wake { .. }));
        let outcome = match &effect.body {
            EffectBody::LaunchAgent { .. } => launched(),
            EffectBody::PastePrompt { .. } => pasted(),
            EffectBody::TakeCheckpoint { turn, .. } => checkpoint(&format!("c{turn}")),
            EffectBody::ReadScreen { .. } => {
                Outcome::ScreenRead(dialog.map(|(what, text)| (what.to_owned(), text.to_owned())))
            }
            EffectBody::AnswerHook { .. } => Outcome::Answered { delivered: true },
            other => panic!("{other:?}"),
        };
        scene.done(effect, outcome);
    }
}

/// Hooks come by a process of their own each, so they may be late; the facts must not depend on it.
const LATE: [i64; 7] = [-20_000, 0, 8_000, 20_000, 40_000, 70_000, 90_000];

#[test]
fn five_turns_end_as_they_did() {
    for late in LATE {
        let (scene, agent, statuses) = play("clP", late, None);
        let turns = scene.turns(&agent);
        assert_eq!(turns, [Done, Interrupted, Failed, Interrupted, Interrupted], "hooks {late} µs late");
        assert!(scene.state.approvals.is_empty() && scene.state.prompts.is_empty(), "hooks {late} µs late");
        assert_eq!(
            (scene.count("approval_requested"), scene.count("approval_superseded")),
            (2, 2),
            "one approved by a key, one left by Esc; hooks {late} µs late"
        );
        assert_eq!((scene.count("prompt_accepted"), scene.count("prompt_undelivered")), (1, 0));
        let expected = [
            "starting",
            "idle",
            "working",
            "waiting: approval",
            "working",
            "done",
            "working",
            "idle",
            "working",
            "failed",
            "working",
            "waiting: approval",
            "idle",
            "working",
            "idle",
            "exited",
        ];
        assert_eq!(statuses, expected, "hooks {late} µs late");
        assert_eq!(scene.outcome(1), Some("done"));
    }
}

#[test]
fn an_esc_that_no_hook_tells_of_ends_the_turn() {
    let (scene, agent, _) = play("clP", 0, None);
    let ended = |event: &&orchflow_core::event::Event| event.body.event_type() == "turn_ended";
    let second = scene.events.iter().filter(ended).nth(1).unwrap();
    let EventBody::TurnEnded(turn) = &second.body else { unreachable!() };
    assert_eq!((turn.turn, turn.outcome, turn.message.as_deref()), (2, Interrupted, None));
    let kept: Vec<u32> = scene
        .events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::CheckpointTaken(body) => Some(body.turn),
            _ => None,
        })
        .collect();
    assert_eq!(kept, [1, 2, 3, 4, 5, 5], "each turn's end is kept, and the process's");
    assert_eq!(scene.agent(&agent).turn, 5);
}

#[test]
fn the_words_of_a_turn_come_from_its_hook_whichever_is_first() {
    for late in LATE {
        let (scene, _, _) = play("clP", late, None);
        let messages: Vec<Option<String>> = scene
            .events
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::TurnEnded(body) => Some(body.message.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(
            messages[0].as_deref(),
            Some("Done: the mock model played its scenario."),
            "{late} µs late"
        );
        assert_eq!(messages[2].as_deref(), Some("API Error: 400 mock error 400"), "{late} µs late");
    }
}

#[test]
fn a_done_without_its_hook_ends_the_turn_after_a_moment() {
    let (mut scene, agent) = (Scene::new(), AgentKey::new(orchflow_core::RunId(1), "claude"));
    scene.in_turn(CLAUDE);
    scene.report(&agent, crate::scene::stated(StatedState::Done));
    assert!(scene.agent(&agent).in_turn, "its closing words may be on their way");
    let done = scene.now;
    scene.pass(done + 1_400_000);
    assert!(scene.agent(&agent).in_turn);
    scene.pass(done + 1_600_000);
    assert_eq!(scene.turns(&agent), [Done]);
    // The hook comes after all: its words are kept, and no other turn is touched.
    scene.report(&agent, Report::TurnEnded { message: Some("late words".to_owned()) });
    let EventBody::AgentReported(kept) = &scene.events.last().unwrap().body else { panic!() };
    assert_eq!(kept.payload["message"], "late words");
}

#[test]
fn a_clock_armed_for_a_turn_does_not_end_one_that_goes_on() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.report(&agent, crate::scene::stated(StatedState::Done));
    scene.report(&agent, crate::scene::stated(StatedState::Working));
    scene.pass(scene.now + 2_000_000);
    assert!(scene.agent(&agent).in_turn);
}

#[test]
fn the_trust_dialog_is_known_and_the_prompt_waits_for_its_end() {
    let (scene, agent, statuses) = play("clQ", 0, None);
    assert_eq!(statuses, ["starting", "waiting: trust", "starting", "idle", "exited"]);
    let at = |event_type: &str| {
        scene.events.iter().find(|event| event.body.event_type() == event_type).map(|event| event.at.0)
    };
    let waiting = scene.events.iter().find(|event| match &event.body {
        EventBody::AgentStatusChanged(body) => body.waiting_for.is_some(),
        _ => false,
    });
    let waiting = waiting.unwrap().at.0 - at("agent_spawned").unwrap();
    assert!(waiting < 2_000_000, "{waiting} µs");
    assert!(at("prompt_written").unwrap() - at("agent_spawned").unwrap() > 6_000_000);
    assert_eq!(scene.agent(&agent).session.as_deref(), Some("7418d501-a66d-4b47-8160-8149f2cdd9c8"));
}

#[test]
fn dialogs_it_states_nothing_of_are_read_from_the_screen() {
    let api_key = Some(("api key", "Detected a custom API key in your environment"));
    let (_, _, statuses) = play("clR", 0, api_key);
    assert_eq!(statuses, ["starting", "waiting: api key", "idle", "exited"]);
    let mcp = Some(("mcp", "New MCP server found in this project: NAME"));
    let (scene, agent, statuses) = play("clX", 0, mcp);
    assert_eq!(statuses, ["starting", "waiting: mcp", "exited"]);
    assert_eq!(scene.agent(&agent).undelivered, 1, "the prompt never left");
    assert_eq!(scene.outcome(1), Some("failed"));
}

#[test]
fn a_dialog_behind_the_one_it_stated_is_read_from_the_screen() {
    let mut scene = Scene::new();
    let agent = scene.running(CLAUDE);
    let trust = Report::StatusStated {
        state: StatedState::Blocked,
        detail: Some("trust this folder".to_owned()),
        category: Some("permission".to_owned()),
    };
    let show = |scene: &mut Scene, within: i64, dialog: Option<(&str, &str)>| {
        scene.pass(scene.now + within);
        carry_out(scene, dialog);
    };
    let mcp = Some(("mcp", "New MCP server found in this project"));
    scene.report(&agent, trust);
    show(&mut scene, 30_000_000, mcp);
    assert_eq!(scene.status(&agent), "waiting: trust", "what it states is believed");
    scene.report(&agent, crate::scene::stated(StatedState::Clear));
    assert_eq!(scene.status(&agent), "starting");
    scene.report(&agent, Report::BracketedPaste { on: true });
    show(&mut scene, 250_000, None);
    assert_eq!(scene.status(&agent), "starting", "it draws its dialog yet");
    show(&mut scene, 1_750_000, mcp);
    assert_eq!(scene.status(&agent), "waiting: mcp");
    scene.report(&agent, crate::scene::stated(StatedState::Idle));
    assert_eq!(scene.status(&agent), "idle");
    scene.report(&agent, Report::BracketedPaste { on: true });
    show(&mut scene, 40_000_000, mcp);
    assert_eq!(scene.status(&agent), "idle", "the screen of a ready program is not read");
}

#[test]
fn one_that_leaves_at_once_is_accounted_for() {
    let (scene, _, statuses) = play("clS", 0, None);
    assert_eq!(statuses, ["starting", "exited"]);
    assert_eq!((scene.count("prompt_undelivered"), scene.outcome(1)), (1, Some("failed")));
}

#[test]
fn one_turn_is_done_and_stays_done() {
    for late in LATE {
        let (scene, agent, statuses) = play("clW", late, None);
        assert_eq!(statuses, ["starting", "idle", "working", "done", "exited"], "hooks {late} µs late");
        assert_eq!(scene.turns(&agent), [Done]);
        assert_eq!(scene.count("notification_shown"), 1);
    }
}

#[test]
fn a_quiet_start_leaves_the_objective_with_it() {
    let (scene, _, statuses) = play("clZ", 0, None);
    assert_eq!(statuses, ["starting", "idle", "exited"]);
    assert_eq!(scene.count("prompt_written"), 1);
    assert_eq!(scene.count("prompt_undelivered"), 1, "it ended before it took the prompt");
}
