//! Agents started again after they ended: with their session where they have one, and told what was done where not.

use orchflow_core::command::{AdoptedSession, Command, ResumeSpec, ViewPlace};
use orchflow_core::decide::{Decision, Input};
use orchflow_core::effect::{EffectBody, Outcome};
use orchflow_core::report::{Report, StatedState};
use orchflow_core::state::{Phase, PromptState};
use orchflow_core::{AgentKey, Code, Refusal};

use crate::scene::{CLAUDE, OBJECTIVE, SCRIPT, Scene, base, exited, key, spec, stated, submitted};

fn resume(
    scene: &mut Scene,
    agent: &AgentKey,
    takes_up_sessions: bool,
    fresh: bool,
) -> Result<Decision, Refusal> {
    let agents = vec![ResumeSpec { agent: agent.clone(), takes_up_sessions, fresh }];
    scene.command(Command::ResumeAgents {
        agents,
        place: ViewPlace { backend: "none".to_owned(), ..ViewPlace::default() },
    })
}

/// Its runner and the host were killed together; the host that took over found nothing.
fn cut_off(scene: &mut Scene, agent: &AgentKey) {
    scene.input(Input::RunnerGone { agent: agent.clone(), exit: None }).unwrap();
}

fn session(scene: &mut Scene, agent: &AgentKey) {
    scene.report(agent, Report::SessionStarted { session_id: "s-1".into(), source: "startup".into() });
}

fn text(words: &str) -> Report {
    Report::TextDisplayed { message_id: "m".into(), index: 0, last: true, text: words.into() }
}

fn send(scene: &mut Scene, agent: &AgentKey, text: &str) {
    scene.command(Command::SendPrompt { to: vec![agent.clone()], text: text.into() }).unwrap();
}

/// Gives the session the launch takes up, and brings the agent to where it runs again.
#[track_caller]
fn launched_with(scene: &mut Scene, agent: &AgentKey) -> Option<String> {
    scene.worktrees();
    let wanted = scene.open.iter().find_map(|effect| match &effect.body {
        EffectBody::LaunchAgent { agent: launched, resume, .. } if launched == agent => Some(resume.clone()),
        _ => None,
    });
    scene.launch(agent);
    wanted.expect("it is launched")
}

#[test]
fn one_that_was_cut_off_takes_up_its_session_and_gets_what_waited() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    session(&mut scene, &agent);
    send(&mut scene, &agent, "first");
    send(&mut scene, &agent, "second");
    cut_off(&mut scene, &agent);
    scene.checkpointed();
    assert_eq!(scene.status(&agent), "failed");
    let waiting = scene.state.prompts_of(&agent).filter(|prompt| prompt.state == PromptState::Queued);
    assert_eq!(waiting.count(), 2, "what nobody typed yet waits on");

    resume(&mut scene, &agent, true, false).unwrap();
    assert_eq!((scene.agent(&agent).phase, scene.status(&agent).as_str()), (Phase::Requested, "starting"));
    assert_eq!(scene.outcome(1), None, "the run has something to do again");
    let worktrees =
        scene.open.iter().find(|effect| matches!(effect.body, EffectBody::CreateWorktrees { .. }));
    let Some(EffectBody::CreateWorktrees { commit, .. }) = worktrees.map(|effect| &effect.body) else {
        panic!()
    };
    assert_eq!(commit, "c1", "a worktree that is gone is made from its last checkpoint");
    assert_eq!(launched_with(&mut scene, &agent).as_deref(), Some("s-1"));
    scene.report(&agent, stated(StatedState::Idle));
    assert_eq!(scene.pasted(), "first");
    scene.report(&agent, submitted("first"));
    assert_eq!(scene.agent(&agent).turn, 2, "turns are counted on");
}

#[test]
fn a_prompt_that_was_being_written_is_shown_as_undelivered_and_not_repeated() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    session(&mut scene, &agent);
    scene.finish_turn(&agent);
    send(&mut scene, &agent, "half typed");
    scene.pasted();
    cut_off(&mut scene, &agent);
    assert_eq!(scene.agent(&agent).lost_prompts[0].text, "half typed");
    scene.checkpointed();
    resume(&mut scene, &agent, true, false).unwrap();
    launched_with(&mut scene, &agent);
    scene.report(&agent, stated(StatedState::Idle));
    assert!(!scene.wants(|body| matches!(body, EffectBody::PastePrompt { .. })));
    assert_eq!(scene.agent(&agent).undelivered, 1);
}

#[test]
fn one_without_a_session_to_take_up_is_told_what_was_done_before_anything_else() {
    for (can, fresh) in [(false, false), (true, true)] {
        let mut scene = Scene::new();
        let agent = scene.in_turn(CLAUDE);
        session(&mut scene, &agent);
        scene.report(&agent, text("I renamed it."));
        send(&mut scene, &agent, "and this");
        cut_off(&mut scene, &agent);
        scene.checkpointed();
        resume(&mut scene, &agent, can, fresh).unwrap();
        assert_eq!(launched_with(&mut scene, &agent), None);
        scene.report(&agent, stated(StatedState::Idle));
        let told = scene.pasted();
        for part in [
            "[orchflow] This is a new session",
            OBJECTIVE,
            "> I renamed it.",
            "What was done stands in this worktree",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        scene.report(&agent, submitted(&told));
        scene.finish_turn(&agent);
        assert_eq!(scene.pasted(), "and this");
    }
}

#[test]
fn one_that_never_began_gets_its_objective_and_no_session() {
    let mut scene = Scene::new();
    let agent = scene.ready(CLAUDE);
    session(&mut scene, &agent);
    // The objective was being written.
    cut_off(&mut scene, &agent);
    scene.checkpointed();
    resume(&mut scene, &agent, true, false).unwrap();
    assert_eq!(
        launched_with(&mut scene, &agent),
        None,
        "the program keeps no session in which nothing was said"
    );
    scene.report(&agent, stated(StatedState::Idle));
    assert_eq!(scene.pasted(), OBJECTIVE);
}

#[test]
fn one_that_the_human_stopped_goes_on_as_well_and_its_prompts_were_given_up() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(SCRIPT);
    send(&mut scene, &agent, "later");
    scene.command(Command::StopAgents { agents: vec![agent.clone()] }).unwrap();
    scene.report(&agent, exited(0));
    assert!(!scene.agent(&agent).was_cut_off());
    assert_eq!(scene.state.prompts_of(&agent).count(), 0);
    scene.checkpointed();
    resume(&mut scene, &agent, false, false).unwrap();
    launched_with(&mut scene, &agent);
    let again = scene.agent(&agent);
    assert!(again.is_living() && !again.stop_requested && again.exit.is_none());
}

#[test]
fn who_cannot_go_on_is_refused_with_what_to_do() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    assert!(resume(&mut scene, &agent, true, false).unwrap().reply.already, "it runs");
    cut_off(&mut scene, &agent);
    let refusal = resume(&mut scene, &agent, true, false).unwrap_err();
    assert!(refusal.message.contains("just being kept"), "{refusal}");
    scene.checkpointed();
    resume(&mut scene, &agent, true, false).unwrap();
    let refusal = resume(&mut scene, &agent, true, false).unwrap_err();
    assert!(refusal.message.contains("still being started"), "{refusal}");
    assert_eq!(resume(&mut scene, &key(9, "x"), true, false).unwrap_err().code, Code::UnknownAgent);
    // A worktree that cannot be made leaves it ended, as at a first start.
    let effect = scene.take(|body| matches!(body, EffectBody::CreateWorktrees { .. }));
    scene.done(effect, Outcome::WorktreesCreated(vec![(agent.clone(), Err("no room".into()))]));
    assert_eq!(scene.agent(&agent).phase, Phase::FailedToStart);
    assert!(scene.agent(&agent).worktree.is_some());
    resume(&mut scene, &agent, true, false).unwrap();
}

#[test]
fn a_cleaned_agent_is_not_started_again() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    send(&mut scene, &agent, "later");
    cut_off(&mut scene, &agent);
    scene.checkpointed();
    scene.command(Command::Clean { agent: agent.clone() }).unwrap();
    assert_eq!(scene.state.prompts_of(&agent).count(), 0, "what waited is given up with its worktree");
    let effect = scene.take(|body| matches!(body, EffectBody::CleanWorktree { .. }));
    let kept_ref = "refs/orchflow/agents/1/claude".to_owned();
    scene.done(effect, Outcome::Cleaned { kept_ref: kept_ref.clone(), commit: None });
    let refusal = resume(&mut scene, &agent, true, false).unwrap_err();
    assert!(refusal.message.contains("was removed"), "{refusal}");
    assert!(refusal.hint.unwrap().contains(&kept_ref));
}

#[test]
fn several_are_started_again_in_one_breath_and_a_paused_one_goes_on() {
    let mut scene = Scene::new();
    let agents = scene.swarm(&[spec("claude", CLAUDE), spec("claude", CLAUDE)]);
    scene.worktrees();
    for agent in &agents {
        scene.launch(agent);
        scene.report(agent, stated(StatedState::Idle));
    }
    scene.command(Command::PauseAgents { agents: vec![agents[1].clone()], pause: true }).unwrap();
    let effect = scene.take(|body| matches!(body, EffectBody::PauseAgent { .. }));
    scene.done(effect, Outcome::Paused { processes: 1 });
    cut_off(&mut scene, &agents[0]);
    scene.checkpointed();
    let specs =
        agents.iter().map(|agent| ResumeSpec { agent: agent.clone(), takes_up_sessions: true, fresh: false });
    // Named twice, it is started once.
    let specs: Vec<ResumeSpec> = specs.clone().chain(specs).collect();
    let decision =
        scene.command(Command::ResumeAgents { agents: specs, place: ViewPlace::default() }).unwrap();
    assert_eq!(
        decision.events.iter().filter(|event| event.body.event_type() == "agent_restart_requested").count(),
        1
    );
    assert!(scene.wants(|body| matches!(body, EffectBody::PauseAgent { pause: false, .. })));
}

#[test]
fn what_was_adopted_is_gone_on_with_until_something_was_said() {
    let mut scene = Scene::new();
    let session = AdoptedSession { id: "theirs".into(), copy: true, process: Some(7), folder: None };
    let place = ViewPlace { backend: "none".to_owned(), ..ViewPlace::default() };
    let agent = spec("claude", CLAUDE);
    scene.command(Command::AdoptSession { base: base(), agent, session, place }).unwrap();
    let agent = key(1, "claude");
    let copied = |scene: &mut Scene| {
        scene.worktrees();
        let launch = scene.take(|body| matches!(body, EffectBody::LaunchAgent { .. }));
        let EffectBody::LaunchAgent { resume, fork, .. } = launch.body.clone() else { unreachable!() };
        (launch, resume, fork)
    };
    let (launch, resumed, fork) = copied(&mut scene);
    assert_eq!((resumed.as_deref(), fork), (Some("theirs"), true));
    scene.done(launch, Outcome::Failed(Refusal::new(Code::Config, "there is no such session")));
    assert_eq!(scene.agent(&agent).phase, Phase::FailedToStart);

    resume(&mut scene, &agent, true, false).unwrap();
    assert_eq!(scene.state.prompts_of(&agent).count(), 0, "nothing is said in the human's name");
    let (launch, resumed, fork) = copied(&mut scene);
    assert_eq!((resumed.as_deref(), fork), (Some("theirs"), true), "a copy is still to be made");
    scene.done(launch, Outcome::Failed(Refusal::new(Code::Config, "again")));

    resume(&mut scene, &agent, true, false).unwrap();
    let (launch, resumed, fork) = copied(&mut scene);
    assert_eq!((resumed.as_deref(), fork), (Some("theirs"), true), "as often as it takes");
    scene.done(launch, Outcome::Failed(Refusal::new(Code::Config, "again")));

    resume(&mut scene, &agent, true, true).unwrap();
    let (_, resumed, fork) = copied(&mut scene);
    assert_eq!((resumed, fork), (None, false), "a new one was asked for");
}
