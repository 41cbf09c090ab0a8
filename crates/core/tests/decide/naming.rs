//! What agents and runs are called.

use orchflow_core::command::{Command, ViewPlace};
use orchflow_core::effect::{EffectBody, Outcome};
use orchflow_core::event::Actor;
use orchflow_core::state::Phase;
use orchflow_core::{AgentKey, Code};

use crate::scene::{CLAUDE, SCRIPT, Scene, base, exited, key, spec};

fn names(agents: &[AgentKey]) -> Vec<String> {
    agents.iter().map(ToString::to_string).collect()
}

#[test]
fn agents_of_one_kind_are_numbered_from_the_second_on() {
    let mut scene = Scene::new();
    let kinds = ["claude", "rehearsal", "rehearsal", "rehearsal"].map(|kind| spec(kind, CLAUDE));
    let agents = scene.swarm(&kinds);
    assert_eq!(names(&agents), ["1/claude", "1/rehearsal", "1/rehearsal-2", "1/rehearsal-3"]);
}

#[test]
fn a_name_is_taken_while_its_worktree_stands() {
    let mut scene = Scene::new();
    let first = scene.running(SCRIPT);
    assert_eq!(names(&scene.swarm(&[spec("claude", SCRIPT)])), ["2/claude-2"]);
    scene.report(&first, exited(0));
    assert_eq!(
        names(&scene.swarm(&[spec("claude", SCRIPT)])),
        ["3/claude-3"],
        "it ended, its worktree stands"
    );
}

#[test]
fn a_cleaned_name_is_free_in_another_run_and_not_in_the_same() {
    let mut scene = Scene::new();
    let first = scene.running(SCRIPT);
    scene.report(&first, exited(0));
    scene.command(Command::Clean { agent: first.clone() }).unwrap();
    let clean = scene.take(|body| matches!(body, EffectBody::CleanWorktree { .. }));
    scene
        .done(clean, Outcome::Cleaned { kept_ref: "refs/orchflow/agents/1/claude".to_owned(), commit: None });
    assert_eq!(scene.agent(&first).phase, Phase::Cleaned);
    let spawned = scene
        .command(Command::SpawnAgent {
            run: first.run,
            base: base(),
            agent: spec("claude", SCRIPT),
            prompt: None,
            place: ViewPlace::default(),
        })
        .unwrap();
    assert_eq!(names(&spawned.reply.agents), ["1/claude-2"], "a full name is unique for ever");
    assert_eq!(names(&scene.swarm(&[spec("claude", SCRIPT)])), ["2/claude"]);
}

#[test]
fn a_long_name_gives_way_to_its_number() {
    let mut scene = Scene::new();
    let long = "x".repeat(40);
    let mut named = spec("claude", CLAUDE);
    named.name = Some(long.clone());
    let agents = scene.swarm(&vec![named; 12]);
    for agent in &agents {
        assert_eq!(agent.to_string().parse::<AgentKey>().as_ref(), Ok(agent), "a stored name is readable");
    }
    assert_eq!(agents[1].name, format!("{}-2", "x".repeat(38)));
    assert_eq!(agents[11].name, format!("{}-12", "x".repeat(37)));
}

#[test]
fn a_chosen_name_must_be_one() {
    for bad in ["", "a b", "-x", "a/b", "../x", "é", &"x".repeat(41)] {
        let mut scene = Scene::new();
        let mut named = spec("claude", CLAUDE);
        named.name = Some((*bad).to_owned());
        let refusal = start(&mut scene, vec![spec("rehearsal", CLAUDE), named], "do it").unwrap_err();
        assert_eq!(refusal.code, Code::Usage, "{bad:?}");
        assert!(scene.events.is_empty());
    }
}

#[test]
fn a_swarm_needs_an_objective_and_agents_within_reason() {
    let mut scene = Scene::new();
    let one = spec("claude", CLAUDE);
    assert_eq!(start(&mut scene, vec![one.clone()], " \n").unwrap_err().code, Code::Usage);
    assert_eq!(start(&mut scene, Vec::new(), "do it").unwrap_err().code, Code::Usage);
    assert_eq!(start(&mut scene, vec![one.clone(); 257], "do it").unwrap_err().code, Code::Usage);
    assert_eq!(start(&mut scene, vec![one; 256], "do it").unwrap().reply.agents.len(), 256);
}

#[test]
fn a_short_name_finds_the_newest_that_stands() {
    let mut scene = Scene::new();
    let first = scene.running(SCRIPT);
    scene.report(&first, exited(0));
    scene.command(Command::Clean { agent: first.clone() }).unwrap();
    let clean = scene.take(|body| matches!(body, EffectBody::CleanWorktree { .. }));
    scene.done(clean, Outcome::Cleaned { kept_ref: "r".to_owned(), commit: None });
    let found = |scene: &Scene, name: &str| scene.state.find_agent(name).map(|agent| agent.key.clone());
    assert_eq!(found(&scene, "claude"), Some(key(1, "claude")), "the cleaned one, as there is no other");
    scene.swarm(&[spec("claude", SCRIPT)]);
    assert_eq!(found(&scene, "claude"), Some(key(2, "claude")));
    assert_eq!(found(&scene, "1/claude"), Some(key(1, "claude")));
    assert_eq!(found(&scene, "nobody"), None);
}

#[test]
fn agents_decide_nothing() {
    let mut scene = Scene::new();
    let agent = scene.running(CLAUDE);
    let commands = [
        Command::Undo,
        Command::SendPrompt { to: vec![agent.clone()], text: "x".to_owned() },
        Command::StopAgents { agents: vec![agent.clone()] },
        Command::Clean { agent: agent.clone() },
        Command::AnswerApproval {
            approval: orchflow_core::EventSeq(1),
            answer: orchflow_core::command::Answer { allow: true, ..Default::default() },
        },
    ];
    for command in commands {
        let actor = Actor::Agent { agent: agent.clone() };
        let input = orchflow_core::decide::Input::Command { actor, command: command.clone() };
        assert_eq!(scene.input(input).unwrap_err().code, Code::NotAllowed, "{command:?}");
    }
}

fn start(
    scene: &mut Scene,
    agents: Vec<orchflow_core::command::AgentSpec>,
    objective: &str,
) -> Result<orchflow_core::decide::Decision, orchflow_core::Refusal> {
    let place = ViewPlace::default();
    scene.command(Command::StartRun {
        objective: objective.to_owned(),
        base: base(),
        agents,
        place,
        budget_usd: None,
    })
}
