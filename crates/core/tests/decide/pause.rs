//! Agents halted where they stand: nothing they cannot do then counts against them.

use orchflow_core::command::Command;
use orchflow_core::decide::{Decision, wake};
use orchflow_core::effect::{EffectBody, Outcome};
use orchflow_core::report::{Report, StatedState};
use orchflow_core::state::PromptState;
use orchflow_core::{AgentKey, Code, Refusal, Timestamp};

use crate::scene::{CLAUDE, OBJECTIVE, SCRIPT, Scene, exited, key, spec, stated, submitted};

fn ask(scene: &mut Scene, agent: &AgentKey, pause: bool) -> Result<Decision, Refusal> {
    scene.command(Command::PauseAgents { agents: vec![agent.clone()], pause })
}

#[track_caller]
fn carry_out(scene: &mut Scene) {
    let effect = scene.take(|body| matches!(body, EffectBody::PauseAgent { .. }));
    scene.done(effect, Outcome::Paused { processes: 2 });
}

#[track_caller]
fn set(scene: &mut Scene, agent: &AgentKey, pause: bool) {
    ask(scene, agent, pause).unwrap();
    carry_out(scene);
    assert_eq!(scene.agent(agent).paused.is_some(), pause);
}

fn send(scene: &mut Scene, agent: &AgentKey) {
    scene.command(Command::SendPrompt { to: vec![agent.clone()], text: "more".into() }).unwrap();
}

fn pastes(scene: &Scene) -> bool {
    scene.wants(|body| matches!(body, EffectBody::PastePrompt { .. }))
}

#[test]
fn an_agent_is_paused_once_its_processes_stand_still() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    ask(&mut scene, &agent, true).unwrap();
    assert_eq!(scene.agent(&agent).word(), "working", "it is asked for, and not done yet");
    scene.now += 5;
    carry_out(&mut scene);
    assert_eq!(scene.agent(&agent).word(), "paused");
    assert_eq!(scene.agent(&agent).since(), Timestamp(scene.now));
    assert!(ask(&mut scene, &agent, true).unwrap().reply.already, "it is so");
    set(&mut scene, &agent, false);
    assert_eq!(scene.agent(&agent).word(), "working", "it is in the same turn");
    let last = scene.events.len() - 4;
    let types = ["pause_requested", "agent_paused", "resume_requested", "agent_resumed"];
    assert_eq!(&scene.types_since(last), &types);
    assert!(ask(&mut scene, &agent, false).unwrap().events.is_empty());
}

#[test]
fn prompts_wait_while_it_is_paused() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.finish_turn(&agent);
    ask(&mut scene, &agent, true).unwrap();
    send(&mut scene, &agent);
    assert!(!pastes(&scene), "it is about to be halted");
    carry_out(&mut scene);
    assert_eq!(scene.agent(&agent).holds_prompts(), Some("it is paused"));
    set(&mut scene, &agent, false);
    assert_eq!(scene.pasted(), "more");
}

#[test]
fn a_written_prompt_gets_its_whole_time_again() {
    let mut scene = Scene::new();
    let agent = scene.ready(CLAUDE);
    assert_eq!(scene.pasted(), OBJECTIVE);
    let begun = scene.now;
    scene.pass(begun + 15_000_000);
    set(&mut scene, &agent, true);
    scene.pass(begun + 18_000_000);
    set(&mut scene, &agent, false);
    scene.pass(begun + 30_000_000);
    assert_eq!(scene.count("prompt_undelivered"), 0, "its first clock ran out while it had stood still");
    set(&mut scene, &agent, true);
    scene.pass(begun + 400_000_000);
    assert_eq!(scene.count("prompt_undelivered"), 0, "it stands still");
    set(&mut scene, &agent, false);
    scene.report(&agent, submitted(OBJECTIVE));
    assert!(scene.agent(&agent).in_turn);
    let prompts = scene.state.prompts_of(&agent).filter(|prompt| prompt.state != PromptState::Queued);
    assert_eq!(prompts.count(), 0);
}

#[test]
fn a_prompt_nobody_takes_is_undelivered_all_the_same() {
    let mut scene = Scene::new();
    let agent = scene.ready(CLAUDE);
    scene.pasted();
    set(&mut scene, &agent, true);
    set(&mut scene, &agent, false);
    scene.pass(scene.now + 21_000_000);
    assert_eq!(scene.count("prompt_undelivered"), 1);
}

#[test]
fn silence_of_a_halted_program_ends_no_turn() {
    let mut scene = Scene::new();
    let agent = scene.swarm(&[spec("script", SCRIPT)]).remove(0);
    scene.worktrees();
    scene.launch(&agent);
    scene.pasted();
    scene.report(&agent, Report::OutputActive);
    assert!(scene.agent(&agent).in_turn);
    ask(&mut scene, &agent, true).unwrap();
    scene.report(&agent, Report::OutputQuiet);
    carry_out(&mut scene);
    scene.report(&agent, Report::OutputQuiet);
    assert!(scene.agent(&agent).in_turn, "it did not fall silent, it was halted");
    set(&mut scene, &agent, false);
    scene.report(&agent, Report::OutputQuiet);
    assert!(!scene.agent(&agent).in_turn);
}

#[test]
fn a_turn_that_waits_for_its_closing_hook_waits_on() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.report(&agent, stated(StatedState::Done));
    set(&mut scene, &agent, true);
    scene.pass(scene.now + 60_000_000);
    assert!(scene.agent(&agent).in_turn);
    set(&mut scene, &agent, false);
    scene.pass(scene.now + 2_000_000);
    assert!(!scene.agent(&agent).in_turn);
}

#[test]
fn what_cannot_be_done_is_told_and_asked_for_again() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    ask(&mut scene, &agent, true).unwrap();
    let effect = scene.take(|body| matches!(body, EffectBody::PauseAgent { .. }));
    scene.done(effect, Outcome::Failed(Refusal::new(Code::Protocol, "its runner is too old for it")));
    assert!(!scene.agent(&agent).is_halted() && scene.agent(&agent).pausing.is_none());
    assert_eq!(scene.types_since(scene.events.len() - 1), ["pause_failed"]);
    set(&mut scene, &agent, true);
}

#[test]
fn done_again_after_a_crash_it_is_told_once() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    ask(&mut scene, &agent, true).unwrap();
    let effect = scene.take(|body| matches!(body, EffectBody::PauseAgent { .. }));
    scene.done(effect.clone(), Outcome::Paused { processes: 2 });
    scene.done(effect, Outcome::Paused { processes: 0 });
    assert_eq!(scene.count("agent_paused"), 1);
    assert!(wake(&scene.state, Timestamp(scene.now)).is_empty(), "a new host does not hurry it either");
}

#[test]
fn an_end_ends_the_pause_too() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    set(&mut scene, &agent, true);
    scene.command(Command::StopAgents { agents: vec![agent.clone()] }).unwrap();
    scene.report(&agent, exited(0));
    assert_eq!(scene.agent(&agent).word(), "stopped");
    let refusal = ask(&mut scene, &agent, false).unwrap_err();
    assert_eq!(refusal.code, Code::NotLiving);
    assert_eq!(ask(&mut scene, &key(9, "nobody"), true).unwrap_err().code, Code::UnknownAgent);
    let starting = scene.swarm(&[spec("claude", CLAUDE)]).remove(0);
    assert_eq!(ask(&mut scene, &starting, true).unwrap_err().code, Code::NotLiving);
}
