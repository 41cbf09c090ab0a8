//! Programs whose window title says what they do: with hooks, without, and with a dialog before all of it.

use orchflow_core::AgentKey;
use orchflow_core::effect::{EffectBody, Outcome};
use orchflow_core::event::EventBody;
use orchflow_core::report::{Channel, Report, StatedState};
use orchflow_core::state::TurnOutcome::{Done, Interrupted};
use orchflow_core::state::{Confidence, ReadySignal, Signals, StatusSource};
use serde_json::json;

use crate::scene::{OBJECTIVE, Scene, stated, submitted};

/// As Gemini: its title shows three states, hooks report, a session that begins says that it is ready.
const TITLED: Signals = Signals {
    status: StatusSource::Title,
    hooks: true,
    ready: ReadySignal::SessionStart,
    ready_within_s: 60,
};

/// A user's own program: nothing but a title.
const ALONE: Signals =
    Signals { status: StatusSource::Title, hooks: false, ready: ReadySignal::Status, ready_within_s: 60 };

/// As qwen: its session begins behind an open dialog.
const LOOKED_AT: Signals =
    Signals { status: StatusSource::Title, hooks: true, ready: ReadySignal::Screen, ready_within_s: 60 };

fn title(scene: &mut Scene, agent: &AgentKey, state: StatedState) {
    scene.report_by(agent, Channel::Title, stated(state));
}

fn begun(scene: &mut Scene, agent: &AgentKey) {
    scene.report(agent, Report::SessionStarted { session_id: "s".into(), source: "startup".into() });
}

/// Brings a program with hooks into its first turn.
fn working(scene: &mut Scene) -> AgentKey {
    let agent = scene.running(TITLED);
    begun(scene, &agent);
    scene.pasted();
    scene.report(&agent, submitted(OBJECTIVE));
    title(scene, &agent, StatedState::Working);
    agent
}

#[test]
fn a_title_is_not_believed_before_the_program_is_ready() {
    let mut scene = Scene::new();
    let agent = scene.running(TITLED);
    title(&mut scene, &agent, StatedState::Idle);
    assert_eq!(scene.status(&agent), "starting", "a dialog may stand under that title");
    assert!(!scene.wants(|body| matches!(body, EffectBody::PastePrompt { .. })));
    begun(&mut scene, &agent);
    assert_eq!(scene.status(&agent), "idle");
    title(&mut scene, &agent, StatedState::Working);
    assert_eq!(scene.status(&agent), "working");
    assert_eq!(scene.agent(&agent).status.source, Channel::Title);
    assert_eq!(scene.agent(&agent).status.confidence, Confidence::Reported);
}

#[test]
fn an_esc_that_no_hook_tells_of_is_seen_in_the_title() {
    let mut scene = Scene::new();
    let agent = working(&mut scene);
    title(&mut scene, &agent, StatedState::Idle);
    assert_eq!(scene.status(&agent), "idle");
    assert!(scene.agent(&agent).in_turn, "its closing hook may be on its way");
    // A hook of the tool that ran meanwhile does not make it work again.
    let (tool, input, response) = ("sh".to_owned(), json!({}), json!(null));
    let late = Report::ToolFinished { tool_use_id: None, tool, input, response, duration_ms: None };
    scene.report(&agent, late);
    assert_eq!(scene.status(&agent), "idle");
    scene.pass(scene.now + 1_600_000);
    assert_eq!(scene.turns(&agent), [Interrupted]);
}

#[test]
fn a_turn_is_done_whichever_of_title_and_hook_is_first() {
    for hook_first in [true, false] {
        let mut scene = Scene::new();
        let agent = working(&mut scene);
        let ended = Report::TurnEnded { message: Some("Done.".into()) };
        if hook_first {
            scene.report(&agent, ended);
            title(&mut scene, &agent, StatedState::Idle);
        } else {
            title(&mut scene, &agent, StatedState::Idle);
            scene.report(&agent, ended);
        }
        assert_eq!(scene.status(&agent), "done", "{hook_first}");
        scene.pass(scene.now + 5_000_000);
        assert_eq!(scene.turns(&agent), [Done], "{hook_first}");
    }
}

#[test]
fn an_approval_answered_in_the_pane_is_settled_by_the_title() {
    for title_first in [true, false] {
        let mut scene = Scene::new();
        let agent = working(&mut scene);
        let (tool, input) = ("shell".to_owned(), json!({"command": "touch x"}));
        let asked = Report::ApprovalRequested { tool, input, tool_use_id: None, answerable: false };
        if title_first {
            title(&mut scene, &agent, StatedState::Blocked);
            scene.report(&agent, asked);
        } else {
            scene.report(&agent, asked);
            title(&mut scene, &agent, StatedState::Blocked);
        }
        assert_eq!(scene.status(&agent), "waiting: approval", "{title_first}");
        let detail = scene.agent(&agent).status.detail.clone();
        assert!(detail.is_some_and(|detail| detail.contains("touch x")), "{title_first}");
        title(&mut scene, &agent, StatedState::Working);
        assert_eq!(scene.status(&agent), "working", "{title_first}");
        assert!(scene.state.approvals.is_empty(), "{title_first}");
        assert_eq!(scene.count("approval_superseded"), 1);
    }
}

#[test]
fn a_title_alone_starts_and_ends_turns() {
    let mut scene = Scene::new();
    let agent = scene.running(ALONE);
    title(&mut scene, &agent, StatedState::Idle);
    assert_eq!(scene.status(&agent), "idle");
    scene.pasted();
    title(&mut scene, &agent, StatedState::Working);
    let accepted = scene.events.iter().find_map(|event| match &event.body {
        EventBody::PromptAccepted(body) => Some(body.evidence.clone()),
        _ => None,
    });
    assert_eq!(accepted.as_deref(), Some("it shows that it works"));
    title(&mut scene, &agent, StatedState::Idle);
    assert_eq!(scene.turns(&agent), [Done]);
}

#[test]
fn a_title_never_overrides_what_is_stated() {
    let mut scene = Scene::new();
    let agent = scene.running(ALONE);
    scene.report(&agent, stated(StatedState::Idle));
    scene.report(&agent, stated(StatedState::Working));
    title(&mut scene, &agent, StatedState::Idle);
    scene.report_by(&agent, Channel::Notification, stated(StatedState::Done));
    assert_eq!((scene.status(&agent).as_str(), scene.agent(&agent).turn), ("working", 1));
}

#[test]
fn a_notification_says_what_the_title_does_not() {
    let mut scene = Scene::new();
    let agent = working(&mut scene);
    let asks = Report::StatusStated {
        state: StatedState::Blocked,
        detail: Some("wants to edit a file".into()),
        category: Some("approval".into()),
    };
    scene.report_by(&agent, Channel::Notification, asks);
    assert_eq!(scene.status(&agent), "waiting: approval");
    assert_eq!(scene.agent(&agent).status.source.word(), "notification");
}

#[test]
fn a_session_that_begins_behind_a_dialog_makes_nothing_ready() {
    let mut scene = Scene::new();
    let agent = scene.running(LOOKED_AT);
    begun(&mut scene, &agent);
    scene.report(&agent, Report::BracketedPaste { on: true });
    let trust = || Outcome::ScreenRead(Some(("trust".into(), "Do you trust this folder?".into())));
    look(&mut scene, 30, trust);
    assert_eq!(scene.status(&agent), "waiting: trust");
    assert!(!scene.wants(|body| matches!(body, EffectBody::PastePrompt { .. })));
    // Answered: it is seen within a second, though nothing tells of it.
    look(&mut scene, 2, || Outcome::ScreenRead(None));
    assert_eq!(scene.status(&agent), "idle");
    assert_eq!(scene.agent(&agent).status.confidence, Confidence::Guess);
    assert!(scene.wants(|body| matches!(body, EffectBody::PastePrompt { .. })));
}

#[test]
fn a_clear_screen_is_looked_at_twice() {
    let mut scene = Scene::new();
    let agent = scene.running(LOOKED_AT);
    begun(&mut scene, &agent);
    scene.pass(scene.now + 250_000);
    let effect = scene.take(|body| matches!(body, EffectBody::ReadScreen { .. }));
    scene.done(effect, Outcome::ScreenRead(None));
    assert_eq!(scene.status(&agent), "starting", "its dialog may not be drawn yet");
    look(&mut scene, 1, || Outcome::ScreenRead(None));
    assert_eq!(scene.status(&agent), "idle");
}

/// Lets seconds pass, the screen showing one thing.
fn look(scene: &mut Scene, seconds: i64, shows: impl Fn() -> Outcome) {
    for _ in 0..seconds * 10 {
        scene.pass(scene.now + 100_000);
        while scene.wants(|body| matches!(body, EffectBody::ReadScreen { .. })) {
            let effect = scene.take(|body| matches!(body, EffectBody::ReadScreen { .. }));
            scene.done(effect, shows());
        }
    }
}
