//! Views asked for after an agent was started.

use orchflow_core::AgentKey;
use orchflow_core::command::{Command, ViewPlace};
use orchflow_core::effect::{EffectBody, Outcome};

use crate::scene::{CLAUDE, Scene};

#[test]
fn a_view_is_asked_for_once_and_told_of_either_way() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let show = |agent: &AgentKey| Command::ShowAgents {
        agents: vec![agent.clone()],
        place: ViewPlace { backend: "tmux".to_owned(), ..ViewPlace::default() },
    };
    scene.command(show(&agent)).unwrap();
    assert!(scene.command(show(&agent)).unwrap().reply.already, "it is being opened");
    let effect = scene.take(|body| matches!(body, EffectBody::OpenViews { .. }));
    scene.done(effect, Outcome::ViewsOpened(vec![(agent.clone(), Err("there is no room".into()))]));
    let told = scene.agent(&agent);
    assert_eq!((told.viewing, told.view_note.as_deref()), (false, Some("there is no room")));
    scene.command(show(&agent)).unwrap();
    let effect = scene.take(|body| matches!(body, EffectBody::OpenViews { .. }));
    let opened = Ok(("tmux".to_owned(), "%3".to_owned()));
    scene.done(effect, Outcome::ViewsOpened(vec![(agent.clone(), opened)]));
    assert_eq!(scene.agent(&agent).views, ["tmux:%3"]);
    assert!(scene.command(show(&agent)).unwrap().events.is_empty(), "it has one");
}
