//! An agent between its start and its first prompt: what it says, what its screen shows, what is made of it.

use orchflow_core::decide::wake;
use orchflow_core::effect::{Effect, EffectBody, EffectId, Outcome};
use orchflow_core::report::{Report, StatedState};
use orchflow_core::state::{ReadySignal, Signals};
use orchflow_core::{EventSeq, Timestamp};

use crate::scene::{CLAUDE, HOOKED, OBJECTIVE, SHELL, STATING, Scene, stated, submitted};

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
    assert_eq!(look(&mut scene, 55_000_000), "waiting: look at the pane");
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

const NOT_READY: &str = "waiting: not ready after 60 s; look at its pane";

/// One minute, in which an agent may become ready.
const WITHIN: i64 = 60_000_000;

/// What an agent is, what it does before its time is over, and what it shows then.
type Late = (Signals, &'static [fn() -> Report], &'static str);

fn trust() -> Report {
    let detail = Some("trust this folder".to_owned());
    Report::StatusStated { state: StatedState::Blocked, detail, category: None }
}

fn mcp() -> Report {
    Report::ScreenMatched { waiting_for: "mcp".to_owned(), text: "New MCP server".to_owned() }
}

#[test]
fn an_agent_that_is_not_ready_in_time_shows_it() {
    let cases: [Late; 9] = [
        (CLAUDE, &[], NOT_READY),
        (STATING, &[], NOT_READY),
        (HOOKED, &[], NOT_READY),
        (SHELL, &[], NOT_READY),
        (SHELL, &[|| Report::OutputActive], NOT_READY),
        (SHELL, &[|| Report::OutputActive, || Report::OutputQuiet], NOT_READY),
        (CLAUDE, &[trust], "waiting: trust"),
        (CLAUDE, &[mcp], "waiting: mcp"),
        (STATING, &[|| stated(StatedState::Idle)], "idle"),
    ];
    for (place, (signals, reports, shown)) in cases.into_iter().enumerate() {
        let mut scene = Scene::new();
        let agent = scene.running(signals);
        let launched = scene.now;
        for report in reports {
            scene.report(&agent, report());
        }
        scene.pass(launched + WITHIN - 1);
        let early = scene.status(&agent);
        assert_ne!(early, NOT_READY, "case {place}");
        scene.pass(launched + WITHIN);
        assert_eq!(scene.status(&agent), shown, "case {place}");
        let queued = scene.state.prompts_of(&agent).count();
        assert_eq!(queued, 1, "case {place}: its prompt stays");
        assert!(scene.state.needs_human(scene.agent(&agent)) == shown.starts_with("waiting"), "case {place}");
    }
}

#[test]
fn its_own_time_counts_from_its_start() {
    let mut scene = Scene::new();
    let agent = scene.running(Signals { ready_within_s: 3, ..STATING });
    let launched = scene.now;
    scene.pass(launched + 2_900_000);
    assert_eq!(scene.status(&agent), "starting");
    scene.pass(launched + 3_000_000);
    assert_eq!(scene.status(&agent), "waiting: not ready after 3 s; look at its pane");
}

#[test]
fn what_is_late_stays_shown_until_it_is_ready_after_all() {
    let ready: [(Signals, fn() -> Report); 5] = [
        (CLAUDE, || stated(StatedState::Idle)),
        (STATING, || stated(StatedState::Done)),
        (HOOKED, || Report::SessionStarted { session_id: "s".to_owned(), source: "startup".to_owned() }),
        (SHELL, || Report::BracketedPaste { on: true }),
        // Its sign of readiness is none of the ways its status comes.
        (Signals { ready: ReadySignal::BracketedPaste, ..CLAUDE }, || Report::BracketedPaste { on: true }),
    ];
    for (place, (signals, report)) in ready.into_iter().enumerate() {
        let mut scene = Scene::new();
        let agent = scene.running(signals);
        scene.pass(scene.now + WITHIN);
        let changes = scene.count("agent_status_changed");
        scene.report(&agent, Report::OutputActive);
        scene.report(&agent, Report::OutputQuiet);
        scene.pass(scene.now + 5 * WITHIN);
        while scene.wants(|body| matches!(body, EffectBody::ReadScreen { .. })) {
            let read = scene.take(|body| matches!(body, EffectBody::ReadScreen { .. }));
            let unknown = ("look at the pane".to_owned(), "no known dialog".to_owned());
            scene.done(read, Outcome::ScreenRead(Some(unknown)));
        }
        assert_eq!(scene.status(&agent), NOT_READY, "case {place}");
        assert_eq!(scene.count("agent_status_changed"), changes, "case {place}: said once");
        scene.report(&agent, report());
        assert_eq!(scene.pasted(), OBJECTIVE, "case {place}: its prompt goes now");
    }
}

#[test]
fn a_dialog_seen_late_is_named_and_what_comes_after_it_is_late_again() {
    let mut scene = Scene::new();
    let agent = scene.running(CLAUDE);
    scene.pass(scene.now + WITHIN);
    let read = |scene: &mut Scene, found: Option<(String, String)>| {
        scene.pass(scene.now + 31_000_000);
        let read = scene.take(|body| matches!(body, EffectBody::ReadScreen { .. }));
        scene.done(read, Outcome::ScreenRead(found));
        scene.status(&agent)
    };
    let dialog = Some(("api key".to_owned(), "Detected a custom API key".to_owned()));
    assert_eq!(read(&mut scene, dialog), "waiting: api key");
    scene.open.retain(|effect| !matches!(effect.body, EffectBody::ReadScreen { .. }));
    assert_eq!(read(&mut scene, None), NOT_READY);
}

#[test]
fn a_dialog_that_is_stated_late_is_no_matter_of_the_screen() {
    let mut scene = Scene::new();
    let agent = scene.running(CLAUDE);
    scene.pass(scene.now + WITHIN);
    scene.pass(scene.now + 31_000_000);
    let late = scene.take(|body| matches!(body, EffectBody::ReadScreen { .. }));
    scene.report(&agent, trust());
    scene.now += 10_000_000;
    scene.done(late, Outcome::ScreenRead(None));
    assert_eq!(scene.status(&agent), "waiting: trust");
}

#[test]
fn a_new_host_counts_from_the_start_of_the_agent() {
    let mut scene = Scene::new();
    let agent = scene.running(STATING);
    let launched = scene.now;
    // The host is gone for half a minute, and its timers with it.
    scene.open.clear();
    scene.now += WITHIN / 2;
    let later = wake(&scene.state, Timestamp(scene.now));
    for (index, body) in later.into_iter().enumerate() {
        scene.open.push(Effect { id: EffectId { seq: EventSeq(0), index: index as u32 }, body });
    }
    scene.pass(launched + WITHIN - 1);
    assert_ne!(scene.status(&agent), NOT_READY);
    scene.pass(launched + WITHIN);
    assert_eq!(scene.status(&agent), NOT_READY);
    // The next one says nothing twice.
    let changes = scene.count("agent_status_changed");
    scene.open.clear();
    for (index, body) in wake(&scene.state, Timestamp(scene.now)).into_iter().enumerate() {
        scene.open.push(Effect { id: EffectId { seq: EventSeq(1), index: index as u32 }, body });
    }
    scene.pass(scene.now + 1);
    assert_eq!(scene.count("agent_status_changed"), changes);
}
