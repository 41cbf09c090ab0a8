//! An agent from its request to its end, and the run it belongs to.

use orchflow_core::command::{Command, ViewPlace};
use orchflow_core::decide::Input;
use orchflow_core::effect::{EffectBody, Ended, Outcome};
use orchflow_core::event::EventBody;
use orchflow_core::event::payload::Bytes;
use orchflow_core::report::{Report, StatedState};
use orchflow_core::state::{Phase, StatusState, TurnOutcome};
use orchflow_core::{AgentKey, Code, Refusal};
use serde_json::json;

use crate::scene::{
    CLAUDE, OBJECTIVE, SCRIPT, STATING, Scene, base, checkpoint, exited, hunk, is, key, launched, spec,
    stated, submitted,
};

fn host_started(living: &[&AgentKey], gone: Vec<orchflow_core::decide::GoneAgent>) -> Input {
    Input::HostStarted {
        version: "0.1.0".to_owned(),
        pid: 77,
        living: living.iter().map(|agent| (*agent).clone()).collect(),
        gone,
    }
}

fn is_checkpoint(body: &EffectBody) -> bool {
    matches!(body, EffectBody::TakeCheckpoint { .. })
}

#[test]
fn worktrees_come_together_and_each_failure_stands_alone() {
    let mut scene = Scene::new();
    let agents = scene.swarm(&[spec("claude", CLAUDE), spec("rehearsal", CLAUDE), spec("aider", SCRIPT)]);
    let effect = scene.take(|body| matches!(body, EffectBody::CreateWorktrees { .. }));
    scene.done(
        effect,
        Outcome::WorktreesCreated(vec![
            (agents[0].clone(), Ok((Bytes::from("/w/1"), "copy".to_owned()))),
            (agents[1].clone(), Err("the disk is full".to_owned())),
        ]),
    );
    assert_eq!(scene.agent(&agents[0]).phase, Phase::Starting);
    for failed in &agents[1..] {
        assert!(is(scene.agent(failed), Phase::FailedToStart, StatusState::Failed));
    }
    assert_eq!(scene.count("prompt_undelivered"), 2);
    assert_eq!(scene.outcome(1), None, "one agent is on its way");
}

#[test]
fn a_start_that_fails_settles_its_run() {
    for outcome in
        [Outcome::Failed(Refusal::new(Code::AgentMissing, "no claude").hint("npm i")), Outcome::Woken]
    {
        let mut scene = Scene::new();
        let agent = scene.swarm(&[spec("claude", CLAUDE)]).remove(0);
        scene.worktrees();
        let launch = scene.take(|body| matches!(body, EffectBody::LaunchAgent { .. }));
        scene.done(launch, outcome.clone());
        assert_eq!(scene.agent(&agent).phase, Phase::FailedToStart);
        assert_eq!(scene.outcome(1), Some("failed"));
        let ends_it = scene.wants(|body| matches!(body, EffectBody::StopAgent { .. }));
        assert_eq!(ends_it, outcome == Outcome::Woken, "what may run unseen is ended");
    }
}

#[test]
fn views_are_asked_for_what_stands() {
    let mut scene = Scene::new();
    let place = ViewPlace { backend: "tmux".to_owned(), ..ViewPlace::default() };
    let agents = vec![spec("claude", CLAUDE)];
    let objective = OBJECTIVE.to_owned();
    scene.command(Command::StartRun { objective, base: base(), agents, place, budget_usd: None }).unwrap();
    scene.worktrees();
    let agent = key(1, "claude");
    scene.launch(&agent);
    let views = scene.take(|body| matches!(body, EffectBody::OpenViews { .. }));
    scene.done(views.clone(), Outcome::ViewsOpened(vec![(agent.clone(), Ok(("tmux".into(), "%5".into())))]));
    scene.done(views, Outcome::ViewsOpened(vec![(agent.clone(), Ok(("tmux".into(), "%5".into())))]));
    assert_eq!(scene.agent(&agent).views, ["tmux:%5"]);
    for _ in 0..2 {
        scene.input(Input::ViewClosed { agent: agent.clone(), view: "%5".to_owned() }).unwrap();
    }
    assert_eq!(scene.count("view_closed"), 1);
    assert!(scene.agent(&agent).views.is_empty());
}

#[test]
fn a_view_that_cannot_open_is_told() {
    let mut scene = Scene::new();
    let place = ViewPlace { backend: "tmux".to_owned(), ..ViewPlace::default() };
    let agents = vec![spec("claude", CLAUDE)];
    let objective = OBJECTIVE.to_owned();
    scene.command(Command::StartRun { objective, base: base(), agents, place, budget_usd: None }).unwrap();
    scene.worktrees();
    let agent = key(1, "claude");
    let views = scene.take(|body| matches!(body, EffectBody::OpenViews { .. }));
    for (outcome, note) in [
        (
            Outcome::Failed(Refusal::new(Code::Internal, "no tmux server").hint("start one")),
            "no tmux server; start one",
        ),
        (Outcome::Unknown("who knows".to_owned()), "who knows"),
        (Outcome::ViewsOpened(Vec::new()), "nothing is known of its view"),
        (
            Outcome::ViewsOpened(vec![(agent.clone(), Err("the window is zoomed".into()))]),
            "the window is zoomed",
        ),
    ] {
        scene.done(views.clone(), outcome);
        assert_eq!(scene.agent(&agent).view_note.as_deref(), Some(note));
    }
    assert_eq!(scene.count("view_not_opened"), 4);
    scene.done(views.clone(), Outcome::ViewsOpened(vec![(agent.clone(), Ok(("tmux".into(), "%5".into())))]));
    assert_eq!(scene.agent(&agent).view_note, None, "it is shown now");
}

#[test]
fn an_agent_that_ended_has_no_view_to_tell_of() {
    let mut scene = Scene::new();
    let place = ViewPlace { backend: "tmux".to_owned(), ..ViewPlace::default() };
    let agents = vec![spec("claude", CLAUDE)];
    let objective = OBJECTIVE.to_owned();
    scene.command(Command::StartRun { objective, base: base(), agents, place, budget_usd: None }).unwrap();
    scene.worktrees();
    let agent = key(1, "claude");
    scene.launch(&agent);
    let views = scene.take(|body| matches!(body, EffectBody::OpenViews { .. }));
    let narrow = || Outcome::ViewsOpened(vec![(agent.clone(), Err("too narrow".into()))]);
    scene.done(views.clone(), narrow());
    assert!(scene.agent(&agent).view_note.is_some());
    scene.report(&agent, exited(0));
    assert_eq!(scene.agent(&agent).view_note, None);
    scene.done(views, narrow());
    assert_eq!(scene.agent(&agent).view_note, None);
    assert_eq!(scene.count("view_not_opened"), 1);
}

#[test]
fn an_exit_names_its_reason() {
    let by_signal = Report::ProcessExited { code: None, signal: Some(9), leftover_ended: 2 };
    for (report, status, turn) in [
        (exited(0), "exited", TurnOutcome::Done),
        (exited(3), "failed", TurnOutcome::Failed),
        (by_signal, "failed", TurnOutcome::Failed),
    ] {
        let mut scene = Scene::new();
        let agent = scene.in_turn(CLAUDE);
        scene.report(&agent, report.clone());
        assert_eq!(scene.status(&agent), status, "{report:?}");
        assert_eq!(scene.turns(&agent), [turn]);
        assert_eq!(scene.outcome(1), None, "its last state is being kept");
        scene.checkpointed();
        let outcome = if status == "exited" { "done" } else { "failed" };
        assert_eq!(scene.outcome(1), Some(outcome), "{report:?}");
    }
}

#[test]
fn an_exit_is_noted_once() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.report(&agent, exited(0));
    scene.report(&agent, exited(1));
    assert_eq!(scene.count("agent_exited"), 1);
    assert_eq!(scene.status(&agent), "exited");
}

#[test]
fn what_comes_after_the_end_is_kept_and_changes_nothing() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.report(&agent, exited(0));
    scene.checkpointed();
    let ended = scene.agent(&agent).clone();
    let tool = Report::ToolRequested { tool_use_id: None, tool: "Bash".to_owned(), input: json!({}) };
    let kept = [
        (submitted("again"), "agent_reported"),
        (Report::TurnEnded { message: Some("bye".to_owned()) }, "agent_reported"),
        (Report::TurnFailed { error: "x".to_owned(), message: None }, "agent_reported"),
        (tool, "tool_requested"),
        (Report::SessionEnded { reason: "other".to_owned() }, "agent_session_ended"),
    ];
    for (report, event_type) in kept {
        scene.report(&agent, report);
        assert_eq!(scene.events.last().unwrap().body.event_type(), event_type);
    }
    let place = scene.events.len();
    for state in [StatedState::Working, StatedState::Idle, StatedState::Done, StatedState::Blocked] {
        scene.report(&agent, stated(state));
    }
    scene.report(&agent, Report::BracketedPaste { on: true });
    scene.report(&agent, Report::OutputActive);
    assert_eq!(scene.types_since(place), Vec::<&str>::new());
    assert_eq!(scene.agent(&agent), &ended);
}

#[test]
fn a_runner_may_be_faster_than_the_answer_to_its_start() {
    let mut scene = Scene::new();
    let agent = scene.swarm(&[spec("claude", STATING)]).remove(0);
    scene.worktrees();
    scene.report(&agent, Report::ProcessStarted { pid: 1 });
    scene.report(&agent, stated(StatedState::Idle));
    assert!(!scene.wants(|body| matches!(body, EffectBody::PastePrompt { .. })), "it is not known to run");
    scene.launch(&agent);
    assert_eq!(scene.pasted(), OBJECTIVE);
}

#[test]
fn an_exit_before_the_answer_to_its_start_is_the_end() {
    let mut scene = Scene::new();
    let agent = scene.swarm(&[spec("claude", CLAUDE)]).remove(0);
    scene.worktrees();
    scene.report(&agent, exited(127));
    let launch = scene.take(|body| matches!(body, EffectBody::LaunchAgent { .. }));
    scene.done(launch, launched());
    assert!(is(scene.agent(&agent), Phase::Exited, StatusState::Failed));
    assert_eq!(scene.count("agent_spawned"), 0);
}

#[test]
fn a_worktree_that_comes_twice_raises_nobody_from_the_dead() {
    let mut scene = Scene::new();
    let agent = scene.swarm(&[spec("claude", CLAUDE)]).remove(0);
    let effect = scene.take(|body| matches!(body, EffectBody::CreateWorktrees { .. }));
    let made = Outcome::WorktreesCreated(vec![(agent.clone(), Ok((Bytes::from("/w"), "git".to_owned())))]);
    scene.done(effect.clone(), made.clone());
    scene.launch(&agent);
    scene.report(&agent, exited(0));
    scene.done(effect, made);
    assert_eq!(scene.agent(&agent).phase, Phase::Exited);
    assert_eq!(scene.count("worktree_created"), 1);
}

#[test]
fn a_stop_ends_what_lives_and_a_stopped_run_has_not_failed() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let to = vec![agent.clone()];
    scene.command(Command::SendPrompt { to, text: "one more thing".to_owned() }).unwrap();
    let stop = || Command::StopAgents { agents: vec![agent.clone()] };
    assert!(!scene.command(stop()).unwrap().reply.already);
    scene.report(&agent, Report::ProcessExited { code: None, signal: Some(15), leftover_ended: 0 });
    assert_eq!(scene.status(&agent), "stopped");
    assert_eq!(scene.turns(&agent), [TurnOutcome::Interrupted]);
    let effect = scene.take(|body| matches!(body, EffectBody::StopAgent { .. }));
    scene.done(effect, Outcome::Stopped(Ended::default()));
    assert_eq!(scene.count("agent_exited"), 1);
    scene.checkpointed();
    assert_eq!(scene.outcome(1), Some("done"));
    assert!(scene.command(stop()).unwrap().reply.already);
    let nobody = Command::StopAgents { agents: vec![key(9, "nobody")] };
    assert_eq!(scene.command(nobody).unwrap_err().code, Code::UnknownAgent);
}

#[test]
fn a_stop_whose_exit_report_is_late_is_the_end_as_well() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.command(Command::StopAgents { agents: vec![agent.clone()] }).unwrap();
    let effect = scene.take(|body| matches!(body, EffectBody::StopAgent { .. }));
    scene.done(effect, Outcome::Stopped(Ended { code: None, signal: Some(9), leftover_ended: 2 }));
    assert!(is(scene.agent(&agent), Phase::Exited, StatusState::Stopped));
    let exit = scene.events.iter().find_map(|event| match &event.body {
        EventBody::AgentExited(exit) => Some((exit.signal, exit.leftover_ended)),
        _ => None,
    });
    assert_eq!(exit, Some((Some(9), 2)));
}

#[test]
fn a_stop_nobody_knows_the_end_of_is_no_exit() {
    for outcome in
        [Outcome::Unknown("?".to_owned()), Outcome::Failed(Refusal::new(Code::Internal, "no permission"))]
    {
        let mut scene = Scene::new();
        let agent = scene.in_turn(CLAUDE);
        scene.command(Command::StopAgents { agents: vec![agent.clone()] }).unwrap();
        let effect = scene.take(|body| matches!(body, EffectBody::StopAgent { .. }));
        scene.done(effect, outcome);
        assert!(scene.agent(&agent).is_living());
        assert_eq!(scene.count("effect_lost"), 1);
        scene.command(Command::StopAgents { agents: vec![agent.clone()] }).unwrap();
        assert!(scene.wants(|body| matches!(body, EffectBody::StopAgent { .. })), "it may be asked again");
    }
}

#[test]
fn a_stop_before_the_start_prevents_it() {
    let mut scene = Scene::new();
    let agent = scene.swarm(&[spec("claude", CLAUDE)]).remove(0);
    scene.command(Command::StopAgents { agents: vec![agent.clone()] }).unwrap();
    let effect = scene.take(|body| matches!(body, EffectBody::StopAgent { .. }));
    scene.done(effect, Outcome::Stopped(Ended::default()));
    scene.worktrees();
    assert!(!scene.wants(|body| matches!(body, EffectBody::LaunchAgent { .. })));
    assert_eq!(scene.agent(&agent).phase, Phase::FailedToStart);
    assert_eq!(scene.outcome(1), Some("done"), "the human wanted it so");
}

#[test]
fn a_living_agent_is_not_cleaned() {
    let mut scene = Scene::new();
    let agent = scene.running(CLAUDE);
    let clean = || Command::Clean { agent: agent.clone() };
    let refusal = scene.command(clean()).unwrap_err();
    assert_eq!(refusal.code, Code::StillLiving);
    assert!(refusal.hint.unwrap().contains("orchflow stop claude"));
    scene.report(&agent, exited(0));
    scene.command(clean()).unwrap();
    assert_eq!(scene.command(clean()).unwrap().effects.len(), 0, "once is enough");
    let effect = scene.take(|body| matches!(body, EffectBody::CleanWorktree { .. }));
    scene.done(effect.clone(), Outcome::Failed(Refusal::new(Code::Internal, "busy")));
    assert_eq!(scene.events.last().unwrap().body.event_type(), "clean_failed");
    scene.command(clean()).unwrap();
    let effect = scene.take(|body| matches!(body, EffectBody::CleanWorktree { .. }));
    let cleaned = || Outcome::Cleaned { kept_ref: "refs/kept".to_owned(), commit: Some("c".to_owned()) };
    scene.done(effect.clone(), cleaned());
    scene.done(effect, cleaned());
    assert_eq!(scene.count("worktree_cleaned"), 1);
    assert!(scene.command(clean()).unwrap().reply.already);
    let nobody = Command::Clean { agent: key(9, "nobody") };
    assert_eq!(scene.command(nobody).unwrap_err().code, Code::UnknownAgent);
}

#[test]
fn a_run_settles_when_its_last_agent_does() {
    let mut scene = Scene::new();
    let agents = scene.swarm(&[spec("claude", CLAUDE), spec("rehearsal", CLAUDE)]);
    scene.worktrees();
    for agent in &agents {
        scene.launch(agent);
        scene.report(agent, stated(StatedState::Idle));
        scene.pasted();
        scene.report(agent, submitted(OBJECTIVE));
        scene.report(agent, stated(StatedState::Working));
    }
    scene.finish_turn(&agents[0]);
    assert_eq!(scene.outcome(1), None);
    scene.report(&agents[1], Report::TurnFailed { error: "unknown".to_owned(), message: None });
    scene.report(&agents[1], stated(StatedState::Error));
    assert_eq!(scene.outcome(1), None, "its checkpoint is being taken");
    scene.checkpointed();
    assert_eq!(scene.outcome(1), Some("failed"));
    assert_eq!(scene.count("run_settled"), 1);
    // Another prompt opens it again.
    scene.command(Command::SendPrompt { to: vec![agents[1].clone()], text: "again".to_owned() }).unwrap();
    assert_eq!(scene.outcome(1), None);
    scene.pasted();
    scene.report(&agents[1], submitted("again"));
    scene.report(&agents[1], stated(StatedState::Working));
    scene.finish_turn(&agents[1]);
    assert_eq!(scene.outcome(1), Some("done"));
}

#[test]
fn an_exit_settles_only_after_its_own_checkpoint() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.report(&agent, Report::TurnEnded { message: None });
    scene.report(&agent, exited(0));
    let turn_end = scene.take(is_checkpoint);
    let process_end = scene.take(is_checkpoint);
    scene.done(turn_end, checkpoint("c1"));
    assert_eq!(scene.outcome(1), None, "what came between the two is not kept yet");
    scene.done(process_end, Outcome::Failed(Refusal::new(Code::Internal, "no space")));
    assert_eq!(scene.outcome(1), Some("done"));
}

#[test]
fn the_checkpoint_of_a_rejection_does_not_stand_for_that_of_the_turn() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.command(Command::RejectHunk { hunk: hunk(&agent, "h_1", "aa"), reason: None }).unwrap();
    let revert = scene.take(|body| matches!(body, EffectBody::RevertHunk { .. }));
    scene.done(revert, Outcome::Decided { applied_to: "file".to_owned(), already: false, kept_ref: None });
    scene.report(&agent, Report::TurnEnded { message: None });
    scene.report(&agent, stated(StatedState::Done));
    scene.checkpointed();
    assert!(scene.agent(&agent).checkpointing);
    assert_eq!(scene.outcome(1), None);
    scene.checkpointed();
    assert_eq!(scene.outcome(1), Some("done"));
}

#[test]
fn a_script_settles_by_its_exit() {
    let mut scene = Scene::new();
    let agent = scene.running(SCRIPT);
    scene.pasted();
    scene.report(&agent, Report::OutputActive);
    scene.report(&agent, Report::OutputQuiet);
    scene.checkpointed();
    assert_eq!(scene.outcome(1), None, "it may be silent in the middle of its work");
    scene.report(&agent, exited(0));
    scene.checkpointed();
    assert_eq!(scene.outcome(1), Some("done"));
}

#[test]
fn a_checkpoint_tells_what_git_saw() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let place = scene.events.len();
    scene.finish_turn(&agent);
    let types = scene.types_since(place);
    assert!(types.ends_with(&[
        "checkpoint_taken",
        "ai_generated_code",
        "ai_requested_review",
        "run_settled"
    ]));
    let kept = scene.agent(&agent).checkpoint.clone().unwrap();
    assert_eq!((kept.commit.as_str(), kept.turn, kept.hunks), ("c1", 1, 2));
    let EventBody::AiGeneratedCode(code) = &scene.events[scene.events.len() - 3].body else { panic!() };
    assert_eq!(code.explanation.as_deref(), Some("Done."));
}

#[test]
fn a_new_host_finds_the_living_and_tells_of_the_gone() {
    let mut scene = Scene::new();
    let living = scene.ready(CLAUDE);
    let with_word = scene.in_turn(CLAUDE);
    let without = scene.in_turn(CLAUDE);
    let gone = vec![(with_word.clone(), Some((Some(0), None))), (without.clone(), None)];
    scene.input(host_started(&[&living], gone)).unwrap();
    let EventBody::HostStarted(started) =
        &scene.events.iter().find(|event| event.body.event_type() == "host_started").unwrap().body
    else {
        unreachable!()
    };
    assert_eq!((started.runners_found, started.agents_lost), (1, 1));
    assert!(scene.agent(&living).is_living());
    assert!(is(scene.agent(&with_word), Phase::Exited, StatusState::Exited));
    assert!(is(scene.agent(&without), Phase::Exited, StatusState::Failed));
    assert!(scene.agent(&without).exit.as_ref().unwrap().lost);
    // A second start finds nothing new.
    let place = scene.events.len();
    scene.input(host_started(&[&living], vec![(without, None)])).unwrap();
    assert_eq!(scene.types_since(place), ["host_started"]);
}

#[test]
fn a_new_host_delivers_what_waited() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(STATING);
    scene.command(Command::SendPrompt { to: vec![agent.clone()], text: "next".to_owned() }).unwrap();
    scene.report(&agent, stated(StatedState::Done));
    // The checkpoint was taken and its outcome committed; the host died before it could decide more.
    scene.checkpointed();
    let writing = scene.take(|body| matches!(body, EffectBody::PastePrompt { .. }));
    scene.done(writing, Outcome::Unknown("the host ended".to_owned()));
    scene.command(Command::SendPrompt { to: vec![agent.clone()], text: "after".to_owned() }).unwrap();
    assert_eq!(scene.pasted(), "after");
}

#[test]
fn paths_are_told_as_the_repository_knows_them() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let root = String::from_utf8(scene.agent(&agent).worktree.clone().unwrap().0).unwrap();
    let cases = [
        (json!({"file_path": format!("{root}/src/a.rs")}), vec!["src/a.rs"]),
        (json!({"path": "./src/a.rs"}), vec!["src/a.rs"]),
        (json!({"path": root}), vec![]),
        (json!({"file_path": format!("{root}-2/src/a.rs")}), vec!["/worktrees/1-claude-2/src/a.rs"]),
        (json!({"notebook_path": "n.ipynb", "path": "n.ipynb"}), vec!["n.ipynb"]),
        (json!({"path": 7}), vec![]),
        (json!("text"), vec![]),
    ];
    for (input, paths) in cases {
        scene.report(&agent, Report::ToolRequested { tool_use_id: None, tool: "Read".to_owned(), input });
        let told: Vec<String> = scene
            .events
            .last()
            .unwrap()
            .paths
            .iter()
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .collect();
        assert_eq!(told, paths);
    }
}

#[test]
fn a_report_about_nobody_is_no_event() {
    let mut scene = Scene::new();
    scene.report(&key(3, "nobody"), stated(StatedState::Idle));
    assert!(scene.events.is_empty());
}
