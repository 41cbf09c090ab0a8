//! What needs the human: by urgency, then by age.

use orchflow_core::AgentKey;
use orchflow_core::command::Command;
use orchflow_core::effect::Outcome;
use orchflow_core::report::{Report, StatedState};
use orchflow_core::state::{Agent, Need};
use orchflow_core::{Code, Refusal};
use serde_json::json;

use crate::scene::{CLAUDE, OBJECTIVE, STATING, Scene, exited, spec, stated, submitted};

fn needs_with(scene: &Scene, unseen: impl Fn(&Agent) -> u64) -> Vec<String> {
    let show =
        |need: Need| format!("{} {} {}", need.kind.word(), need.agent.name, need.about.unwrap_or_default());
    scene.state.needs(scene.state.agents.values(), unseen).into_iter().map(show).collect()
}

fn needs(scene: &Scene) -> Vec<String> {
    needs_with(scene, |agent| scene.state.undecided(agent))
}

fn asks(scene: &mut Scene, agent: &AgentKey, command: &str) -> String {
    let input = json!({ "command": command });
    let tool = "Bash".to_owned();
    scene.report(
        agent,
        Report::ApprovalRequested { tool, input, tool_use_id: None, answerable: true, held: false },
    );
    let newest = scene.state.approvals.keys().last().unwrap();
    format!("a_{}", newest.0)
}

#[test]
fn an_agent_that_works_needs_nobody() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    assert_eq!(needs(&scene), [""; 0]);
    let ask = asks(&mut scene, &agent, "touch a");
    assert_eq!(needs(&scene), [format!("approval claude {ask}")], "its waiting is the permission's");
}

#[test]
fn what_an_agent_leaves_to_see_is_a_need_until_it_is_seen() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.report(&agent, Report::TurnEnded { message: None });
    scene.report(&agent, stated(StatedState::Done));
    assert_eq!(needs(&scene), [""; 0], "its work is not kept yet");
    scene.checkpointed();
    assert_eq!(needs(&scene), ["finished claude 2 hunks"]);
    assert_eq!(needs_with(&scene, |_| 0), [""; 0]);
    scene.command(Command::SendPrompt { to: vec![agent.clone()], text: "more".into() }).unwrap();
    scene.pasted();
    scene.report(&agent, submitted("more"));
    assert_eq!(needs(&scene), [""; 0], "it goes on");
}

#[test]
fn the_most_urgent_comes_first_and_of_one_kind_the_oldest() {
    let mut scene = Scene::new();
    let kinds = ["failed", "lost", "asks", "waits", "done", "waits-too"].map(|name| spec(name, STATING));
    let agents = scene.swarm(&kinds);
    let [failed, lost, asking, waits, done, too] = agents.as_slice() else { panic!() };
    scene.worktrees();
    for agent in &agents {
        scene.launch(agent);
        scene.now += 1;
        scene.report(agent, stated(StatedState::Idle));
        scene.now += 1;
        if agent == lost {
            let effect =
                scene.take(|body| matches!(body, orchflow_core::effect::EffectBody::PastePrompt { .. }));
            scene.done(effect, Outcome::Failed(Refusal::new(Code::NotLiving, "no input line")));
            continue;
        }
        assert_eq!(scene.pasted(), OBJECTIVE);
        scene.report(agent, stated(StatedState::Working));
    }
    scene.report(done, stated(StatedState::Done));
    scene.checkpointed();
    for agent in [too, waits] {
        scene.now += 1;
        scene.report(agent, stated(StatedState::Blocked));
    }
    scene.report(failed, exited(3));
    let ask = asks(&mut scene, asking, "touch a");
    let number = scene.agent(lost).lost_prompts.first().unwrap().prompt;
    assert_eq!(
        needs(&scene),
        [
            format!("approval asks {ask}"),
            "question waits-too answer".into(),
            "question waits answer".into(),
            "failed failed exit 3".into(),
            format!("undelivered lost {number}"),
            "finished done 2 hunks".into(),
        ]
    );
}

#[test]
fn a_prompt_that_did_not_arrive_is_forgotten_with_the_next_turn() {
    let mut scene = Scene::new();
    let agent = scene.ready(STATING);
    let effect = scene.take(|body| matches!(body, orchflow_core::effect::EffectBody::PastePrompt { .. }));
    scene.done(effect, Outcome::Unknown("nobody knows".into()));
    let lost = &scene.agent(&agent).lost_prompts;
    assert_eq!(lost.iter().map(|lost| lost.text.as_str()).collect::<Vec<_>>(), [OBJECTIVE]);
    scene.report(&agent, stated(StatedState::Working));
    assert!(scene.agent(&agent).lost_prompts.is_empty() && scene.agent(&agent).undelivered == 0);
}
