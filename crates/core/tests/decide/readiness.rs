//! An agent between its start and its first prompt: what it says, what its screen shows, what is made of it.

use orchflow_core::effect::{EffectBody, Outcome};
use orchflow_core::report::{Report, StatedState};

use crate::scene::{CLAUDE, HOOKED, OBJECTIVE, Scene, submitted};

#[test]
fn a_screen_is_read_only_while_nothing_better_is_known() {
    let mut scene = Scene::new();
    let agent = scene.running(CLAUDE);
    let launched = scene.now;
    scene.pass(launched + 1_300_000);
    let read = scene.take(|body| matches!(body, EffectBody::ReadScreen { .. }));
    let dialog = Some(("api key".to_owned(), "Detected a custom API key".to_owned()));
    scene.done(read, Outcome::ScreenRead(dialog));
    assert_eq!(scene.status(&agent), "waiting: api key", "within two seconds");
    assert_eq!(scene.agent(&agent).status.confidence.word(), "guess");
    scene.pass(launched + 2_000_000);
    let late = scene.take(|body| matches!(body, EffectBody::ReadScreen { .. }));
    let trust = Some("trust this folder".to_owned());
    scene.report(&agent, Report::StatusStated { state: StatedState::Blocked, detail: trust, category: None });
    scene.done(late, Outcome::ScreenRead(Some(("mcp".to_owned(), "New MCP server".to_owned()))));
    let matched = Report::ScreenMatched { waiting_for: "mcp".to_owned(), text: "New MCP server".to_owned() };
    scene.report(&agent, matched);
    assert_eq!(scene.status(&agent), "waiting: trust", "what the program states is the record");
    assert_eq!(scene.agent(&agent).status.confidence.word(), "stated");
}

#[test]
fn a_program_that_shows_nothing_known_asks_for_a_look() {
    let mut scene = Scene::new();
    let agent = scene.running(CLAUDE);
    let launched = scene.now;
    let look = |scene: &mut Scene, after: i64| {
        scene.pass(launched + after);
        while scene.wants(|body| matches!(body, EffectBody::ReadScreen { .. })) {
            let read = scene.take(|body| matches!(body, EffectBody::ReadScreen { .. }));
            scene.done(read, Outcome::ScreenRead(None));
        }
        scene.status(&agent)
    };
    assert_eq!(look(&mut scene, 4_000_000), "starting");
    assert_eq!(look(&mut scene, 9_000_000), "waiting: look at the pane");
    let changes = scene.count("agent_status_changed");
    assert_eq!(look(&mut scene, 200_000_000), "waiting: look at the pane");
    assert_eq!(scene.count("agent_status_changed"), changes, "said once");
}

#[test]
fn a_dialog_that_is_gone_is_not_shown_any_more() {
    let mut scene = Scene::new();
    let agent = scene.running(CLAUDE);
    let matched =
        Report::ScreenMatched { waiting_for: "trust".to_owned(), text: "Quick safety check".to_owned() };
    scene.report(&agent, matched);
    scene.pass(scene.now + 1_300_000);
    let read = scene.take(|body| matches!(body, EffectBody::ReadScreen { .. }));
    scene.done(read, Outcome::ScreenRead(None));
    assert_eq!(scene.status(&agent), "unknown");
}

#[test]
fn a_session_with_an_input_line_is_ready_though_it_states_nothing() {
    let mut scene = Scene::new();
    let agent = scene.running(CLAUDE);
    scene.report(&agent, Report::SessionStarted { session_id: "s".to_owned(), source: "startup".to_owned() });
    scene.report(&agent, Report::BracketedPaste { on: true });
    scene.pass(scene.now + 10_000_000);
    assert_eq!(scene.pasted(), OBJECTIVE);
}

#[test]
fn the_statuses_of_a_hooked_program_follow_its_hooks() {
    let mut scene = Scene::new();
    let agent = scene.running(HOOKED);
    scene.report(&agent, Report::SessionStarted { session_id: "s".to_owned(), source: "startup".to_owned() });
    assert_eq!(scene.status(&agent), "idle");
    scene.pasted();
    scene.report(&agent, submitted(OBJECTIVE));
    assert_eq!(scene.status(&agent), "working");
    scene.report(&agent, Report::TurnEnded { message: None });
    assert_eq!(scene.status(&agent), "done");
    scene.checkpointed();
    assert_eq!(scene.outcome(1), Some("done"));
}
