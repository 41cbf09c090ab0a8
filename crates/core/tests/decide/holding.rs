//! "Done" while something of the agent still writes: it waits.

use orchflow_core::command::Command;
use orchflow_core::decide::wake;
use orchflow_core::effect::{EffectBody, Outcome, Timer};
use orchflow_core::report::{Report, StatedState, Writer};
use orchflow_core::state::{StatusState, TurnOutcome};
use orchflow_core::{AgentKey, Code, Refusal, Timestamp};

use crate::scene::{CLAUDE, HOOKED, SCRIPT, STATING, Scene, exited, stated, submitted};

fn make(file: &str) -> Writer {
    Writer { pid: 77, command: "make".to_owned(), path: file.into() }
}

fn ended() -> Report {
    Report::TurnEnded { message: Some("Built it.".to_owned()) }
}

/// Lets the next look come, and says what it finds.
#[track_caller]
fn look(scene: &mut Scene, outcome: Outcome) {
    let now = scene.now;
    scene.pass(now + 4_000_000);
    let effect = scene.take(|body| matches!(body, EffectBody::LookForWriters { .. }));
    scene.done(effect, outcome);
}

fn is_held(scene: &Scene, agent: &AgentKey) -> bool {
    !scene.agent(agent).held.is_empty()
}

fn outcomes(scene: &Scene) -> Vec<TurnOutcome> {
    let ended = scene.events.iter().filter_map(|event| match &event.body {
        orchflow_core::event::EventBody::TurnEnded(body) => Some(body.outcome),
        _ => None,
    });
    ended.collect()
}

#[test]
fn done_waits_until_nothing_is_written() {
    for (signals, says) in [
        (CLAUDE, vec![stated(StatedState::Done), ended()]),
        (CLAUDE, vec![ended(), stated(StatedState::Done)]),
        (STATING, vec![stated(StatedState::Done)]),
    ] {
        let mut scene = Scene::new();
        let agent = scene.in_turn(signals);
        scene.writers = vec![make("build.log"), make("out/a")];
        for report in says {
            scene.report(&agent, report);
        }
        let status = &scene.agent(&agent).status;
        assert_eq!(status.state, StatusState::Working);
        assert_eq!(status.detail.as_deref(), Some("make still writes build.log and 1 more"));
        assert!(scene.agent(&agent).in_turn);
        assert!(!scene.wants(|body| matches!(body, EffectBody::TakeCheckpoint { .. })));

        look(&mut scene, Outcome::Writers(vec![make("out/a")]));
        let detail = scene.agent(&agent).status.detail.clone();
        assert_eq!(detail.as_deref(), Some("make still writes out/a"));
        look(&mut scene, Outcome::Writers(Vec::new()));
        assert_eq!(scene.agent(&agent).status.state, StatusState::Done);
        assert!(!scene.agent(&agent).in_turn && !is_held(&scene, &agent));
        assert_eq!(outcomes(&scene), [TurnOutcome::Done]);
        scene.checkpointed();
        assert!(scene.state.runs.values().all(|run| run.outcome.as_deref() == Some("done")));
    }
}

#[test]
fn its_closing_words_are_kept_meanwhile() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(HOOKED);
    scene.writers = vec![make("build.log")];
    scene.report(&agent, ended());
    assert_eq!(scene.agent(&agent).status.state, StatusState::Working);
    look(&mut scene, Outcome::Writers(Vec::new()));
    assert_eq!(scene.agent(&agent).last_text.as_deref(), Some("Built it."));
}

#[test]
fn the_looks_become_rare_and_a_new_host_goes_on_with_them() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(STATING);
    scene.writers = vec![make("build.log")];
    scene.report(&agent, stated(StatedState::Done));
    let mut spans = Vec::new();
    for _ in 0..7 {
        let timer = scene.take(|body| matches!(body, EffectBody::Wake { timer: Timer::Writers { .. }, .. }));
        let EffectBody::Wake { at, .. } = timer.body else { unreachable!() };
        spans.push((at.0 - scene.now) / 1000);
        scene.done(timer, Outcome::Woken);
        let effect = scene.take(|body| matches!(body, EffectBody::LookForWriters { .. }));
        scene.done(effect, Outcome::Writers(vec![make("build.log")]));
    }
    assert_eq!(spans, [200, 400, 800, 1600, 3200, 3200, 3200]);
    let armed = wake(&scene.state, Timestamp(scene.now));
    assert!(armed.iter().any(|body| matches!(body, EffectBody::Wake { timer: Timer::Writers { .. }, .. })));
}

#[test]
fn what_comes_after_ends_the_wait() {
    let cases: [(&str, Report, StatusState); 4] = [
        ("the human speaks in the pane", submitted("and more"), StatusState::Working),
        ("it ends", exited(0), StatusState::Exited),
        ("it is blocked", stated(StatedState::Blocked), StatusState::Waiting),
        ("it fails", stated(StatedState::Error), StatusState::Failed),
    ];
    for (what, report, state) in cases {
        let mut scene = Scene::new();
        let agent = scene.in_turn(HOOKED);
        scene.writers = vec![make("build.log")];
        scene.report(&agent, ended());
        assert!(is_held(&scene, &agent), "{what}");
        scene.writers.clear();
        scene.report(&agent, report);
        assert!(!is_held(&scene, &agent), "{what}");
        assert_eq!(scene.agent(&agent).status.state, state, "{what}");
        assert_eq!(outcomes(&scene)[0], TurnOutcome::Done, "{what}");
    }
}

#[test]
fn a_prompt_does_not_wait_for_a_log_that_never_ends() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.writers = vec![make("server.log")];
    scene.report(&agent, stated(StatedState::Done));
    scene.report(&agent, ended());
    scene.command(Command::SendPrompt { to: vec![agent.clone()], text: "stop it".into() }).unwrap();
    assert!(!is_held(&scene, &agent));
    scene.checkpointed();
    assert!(scene.wants(|body| matches!(body, EffectBody::PastePrompt { .. })));
}

#[test]
fn output_that_goes_on_was_no_end() {
    let mut scene = Scene::new();
    let agent = scene.running(SCRIPT);
    scene.pasted();
    assert!(scene.agent(&agent).in_turn);
    scene.writers = vec![make("build.log")];
    scene.report(&agent, Report::OutputQuiet);
    assert!(is_held(&scene, &agent));
    scene.report(&agent, Report::OutputActive);
    assert!(!is_held(&scene, &agent) && scene.agent(&agent).in_turn, "its turn goes on");
    scene.writers.clear();
    scene.report(&agent, Report::OutputQuiet);
    assert!(!scene.agent(&agent).in_turn);
}

#[test]
fn where_nobody_can_look_nothing_is_held() {
    for outcome in [Outcome::Unknown("x".into()), Outcome::Failed(Refusal::new(Code::Internal, "x"))] {
        let mut scene = Scene::new();
        let agent = scene.in_turn(STATING);
        scene.writers = vec![make("build.log")];
        scene.report(&agent, stated(StatedState::Done));
        look(&mut scene, outcome);
        assert_eq!(scene.agent(&agent).status.state, StatusState::Done);
    }
}

#[test]
fn a_failure_and_an_agent_at_rest_are_not_held() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(STATING);
    scene.writers = vec![make("build.log")];
    scene.report(&agent, stated(StatedState::Error));
    assert_eq!(scene.agent(&agent).status.state, StatusState::Failed);
    scene.report(&agent, stated(StatedState::Done));
    assert!(!is_held(&scene, &agent), "it is in no turn");
}
