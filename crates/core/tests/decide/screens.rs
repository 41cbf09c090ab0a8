//! Programs that do not tell of every end of a turn, and those that tell of an interruption by a hook.

use orchflow_core::AgentKey;
use orchflow_core::effect::{EffectBody, Outcome, SCREEN_EARLY, SCREEN_WORKING};
use orchflow_core::report::{Channel, Report, StatedState};
use orchflow_core::state::TurnOutcome::{Done, Interrupted};
use orchflow_core::state::{Confidence, ReadySignal, Signals, StatusSource};
use serde_json::json;

use crate::scene::{OBJECTIVE, Scene, stated, submitted};

/// As Copilot: hooks, but none for an Esc; its input line is seen on its screen.
const HOOKED: Signals =
    Signals { status: StatusSource::Screen, hooks: true, ready: ReadySignal::Screen, ready_within_s: 60 };

/// As aider: nothing but its screen.
const ALONE: Signals = Signals {
    status: StatusSource::Screen,
    hooks: false,
    ready: ReadySignal::BracketedPaste,
    ready_within_s: 60,
};

/// As opencode: its plugin tells of everything.
const TELLING: Signals =
    Signals { status: StatusSource::Hooks, hooks: true, ready: ReadySignal::Screen, ready_within_s: 60 };

fn quiet(scene: &mut Scene, agent: &AgentKey) {
    scene.report_by(agent, Channel::Output, Report::OutputQuiet);
}

fn looked(scene: &mut Scene, found: Option<&str>) {
    let read = scene.take(|body| matches!(body, EffectBody::ReadScreen { .. }));
    let found = found.map(|what| (what.to_owned(), "a row".to_owned()));
    scene.done(read, Outcome::ScreenRead(found));
}

fn looks(scene: &Scene) -> bool {
    scene.wants(|body| matches!(body, EffectBody::ReadScreen { .. }))
}

/// Brings a program that is seen to be ready into its first turn.
fn working(scene: &mut Scene, signals: Signals) -> AgentKey {
    let agent = scene.running(signals);
    scene.report_by(&agent, Channel::Osc, Report::BracketedPaste { on: true });
    for found in [Some(SCREEN_EARLY), Some(SCREEN_EARLY), None] {
        scene.pass(scene.now + 500_000);
        assert_eq!(scene.status(&agent), "starting");
        looked(scene, found);
    }
    assert_eq!(scene.status(&agent), "idle");
    scene.pasted();
    scene.report(&agent, submitted(OBJECTIVE));
    // A look for its readiness that comes late is not one whether it is at rest.
    while looks(scene) {
        looked(scene, None);
    }
    assert_eq!(scene.status(&agent), "working");
    agent
}

fn asked(scene: &mut Scene, agent: &AgentKey, input: serde_json::Value) {
    let tool = "edit".to_owned();
    scene.report(agent, Report::ApprovalRequested { tool, input, tool_use_id: None, answerable: true });
}

#[test]
fn at_rest_on_its_screen_is_an_interruption_where_hooks_tell_of_ends() {
    let mut scene = Scene::new();
    let agent = working(&mut scene, HOOKED);
    quiet(&mut scene, &agent);
    looked(&mut scene, Some(SCREEN_WORKING));
    assert_eq!(scene.status(&agent), "working", "silent work is work");
    quiet(&mut scene, &agent);
    looked(&mut scene, None);
    assert_eq!(scene.status(&agent), "idle");
    assert_eq!(scene.agent(&agent).status.confidence, Confidence::Guess);
    assert_eq!(scene.turns(&agent), [Interrupted]);
    quiet(&mut scene, &agent);
    assert!(!looks(&scene), "outside of a turn there is nothing to look for");
}

#[test]
fn a_look_that_comes_late_says_nothing_of_the_next_turn() {
    let mut scene = Scene::new();
    let agent = working(&mut scene, HOOKED);
    quiet(&mut scene, &agent);
    let read = scene.take(|body| matches!(body, EffectBody::ReadScreen { .. }));
    scene.report(&agent, Report::TurnEnded { message: None });
    scene.report(&agent, submitted("more"));
    scene.done(read, Outcome::ScreenRead(None));
    assert_eq!(scene.status(&agent), "working");
    assert_eq!(scene.turns(&agent), [Done]);
}

#[test]
fn a_question_on_its_screen_is_shown_and_what_a_hook_said_of_one_stays() {
    let mut scene = Scene::new();
    let agent = working(&mut scene, HOOKED);
    quiet(&mut scene, &agent);
    looked(&mut scene, Some("answer"));
    assert_eq!(scene.status(&agent), "waiting: answer");
    scene.report(&agent, Report::TurnEnded { message: None });
    scene.checkpointed();
    scene.report(&agent, submitted("more"));
    asked(&mut scene, &agent, json!({"file_path": "/w/a"}));
    quiet(&mut scene, &agent);
    looked(&mut scene, Some("answer"));
    assert_eq!(scene.status(&agent), "waiting: approval");
    // Esc on the program's own dialog, which no hook tells of.
    quiet(&mut scene, &agent);
    looked(&mut scene, None);
    assert_eq!(scene.status(&agent), "idle");
    assert_eq!(scene.count("approval_superseded"), 1);
}

#[test]
fn a_tool_that_ran_settles_what_was_asked_with_other_words() {
    for (asked_with, ran_with) in [
        (json!({"command": "ls"}), json!({"command": "ls", "description": "list"})),
        (json!({"file_path": "/w/a", "diff": "x"}), json!({"path": "/w/a", "old_str": "x", "new_str": "y"})),
    ] {
        let mut scene = Scene::new();
        let agent = working(&mut scene, HOOKED);
        asked(&mut scene, &agent, asked_with);
        let ran = |input| Report::ToolFinished {
            tool_use_id: None,
            tool: "edit".into(),
            input,
            response: json!(null),
            duration_ms: None,
        };
        scene.report(&agent, ran(json!({"path": "/w/b", "command": "rm"})));
        assert_eq!(scene.count("approval_superseded"), 0);
        scene.report(&agent, ran(ran_with));
        assert_eq!(scene.count("approval_superseded"), 1);
    }
}

#[test]
fn without_hooks_the_screen_tells_questions_from_ends() {
    let mut scene = Scene::new();
    let agent = scene.running(ALONE);
    scene.report_by(&agent, Channel::Osc, Report::BracketedPaste { on: true });
    scene.pasted();
    assert!(scene.agent(&agent).in_turn);
    scene.report_by(&agent, Channel::Output, Report::OutputActive);
    assert_eq!(scene.status(&agent), "working");
    quiet(&mut scene, &agent);
    looked(&mut scene, Some("answer"));
    assert_eq!(scene.status(&agent), "waiting: answer");
    assert!(scene.agent(&agent).in_turn);
    scene.report_by(&agent, Channel::Output, Report::OutputActive);
    assert_eq!(scene.status(&agent), "working");
    quiet(&mut scene, &agent);
    looked(&mut scene, None);
    assert_eq!(scene.status(&agent), "idle");
    assert_eq!(scene.turns(&agent), [Done]);
}

#[test]
fn a_plugin_says_that_it_was_interrupted_and_that_it_waits_no_more() {
    let mut scene = Scene::new();
    let agent = working(&mut scene, TELLING);
    asked(&mut scene, &agent, json!({"command": "ls"}));
    assert_eq!(scene.status(&agent), "waiting: approval");
    scene.report_by(&agent, Channel::Hook, stated(StatedState::Working));
    assert_eq!(scene.status(&agent), "working");
    assert_eq!(scene.count("approval_superseded"), 1);
    quiet(&mut scene, &agent);
    assert!(!looks(&scene), "what tells of everything is not looked at");
    scene.report_by(&agent, Channel::Hook, stated(StatedState::Idle));
    assert_eq!(scene.status(&agent), "idle");
    assert_eq!(scene.turns(&agent), [Interrupted]);
}
