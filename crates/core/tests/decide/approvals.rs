//! Permissions an agent waits for: answered here, answered in its pane, or gone.

use orchflow_core::command::{Answer, Command};
use orchflow_core::decide::Input;
use orchflow_core::effect::{EffectBody, Outcome};
use orchflow_core::event::{Actor, EventBody};
use orchflow_core::report::{Report, StatedState};
use orchflow_core::state::StatusState;
use orchflow_core::{AgentKey, Code, EventSeq};
use serde_json::json;

use crate::scene::{CLAUDE, HOOKED, OBJECTIVE, Scene, exited, human, stated, submitted};

fn ask(scene: &mut Scene, agent: &AgentKey, command: &str) -> EventSeq {
    scene.report(agent, request(command));
    *scene.state.approvals.keys().next_back().unwrap()
}

fn request(command: &str) -> Report {
    Report::ApprovalRequested {
        tool: "Bash".to_owned(),
        input: json!({"command": command}),
        tool_use_id: None,
        answerable: true,
        held: false,
    }
}

fn blocked(command: &str) -> Report {
    Report::StatusStated {
        state: StatedState::Blocked,
        detail: Some(format!("approve Bash: {command}")),
        category: Some("permission".to_owned()),
    }
}

fn finished(tool: &str, id: Option<&str>, command: &str) -> Report {
    Report::ToolFinished {
        tool_use_id: id.map(str::to_owned),
        tool: tool.to_owned(),
        input: json!({"command": command}),
        response: json!({}),
        duration_ms: None,
    }
}

fn answer(approval: EventSeq, allow: bool) -> Command {
    Command::AnswerApproval { approval, answer: Answer { allow, ..Answer::default() } }
}

fn hook_answers(scene: &mut Scene) -> Vec<Option<bool>> {
    let mut answers = Vec::new();
    while scene.wants(|body| matches!(body, EffectBody::AnswerHook { .. })) {
        let effect = scene.take(|body| matches!(body, EffectBody::AnswerHook { .. }));
        if let EffectBody::AnswerHook { allow, .. } = effect.body {
            answers.push(allow);
        }
    }
    answers
}

fn whys(scene: &Scene) -> Vec<String> {
    let why = |event: &orchflow_core::event::Event| match &event.body {
        EventBody::ApprovalSuperseded(body) => Some(body.why.clone()),
        _ => None,
    };
    scene.events.iter().filter_map(why).collect()
}

#[test]
fn an_answer_goes_back_to_the_hook_that_asked() {
    for allow in [true, false] {
        let mut scene = Scene::new();
        let agent = scene.in_turn(CLAUDE);
        let approval = ask(&mut scene, &agent, "touch zz");
        assert!(scene.state.needs_human(scene.agent(&agent)));
        scene.command(answer(approval, allow)).unwrap();
        assert_eq!(hook_answers(&mut scene), [Some(allow)]);
        assert!(scene.state.approvals.is_empty());
        let late = scene.command(answer(approval, !allow)).unwrap_err();
        assert_eq!(late.code, Code::Superseded, "a second answer comes too late");
    }
}

#[test]
fn an_approval_nobody_asked_for_is_unknown() {
    let mut scene = Scene::new();
    scene.in_turn(CLAUDE);
    let future = scene.next_seq();
    assert_eq!(scene.command(answer(future, true)).unwrap_err().code, Code::UnknownApproval);
}

#[test]
fn a_key_in_the_pane_supersedes_and_a_late_answer_is_refused() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let approval = ask(&mut scene, &agent, "touch zz");
    scene.report(&agent, blocked("touch zz"));
    assert_eq!(scene.status(&agent), "waiting: approval");
    scene.report(&agent, stated(StatedState::Working));
    assert_eq!(whys(&scene), ["it was answered in the agent's own pane"]);
    assert_eq!(hook_answers(&mut scene), [None], "the hook gets no opinion");
    assert_eq!(scene.command(answer(approval, true)).unwrap_err().code, Code::Superseded);
    let superseded = scene.events.iter().find(|event| event.body.event_type() == "approval_superseded");
    assert_eq!(superseded.unwrap().actor, Actor::Host);
}

#[test]
fn a_working_that_was_stated_before_the_dialog_supersedes_nothing() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    ask(&mut scene, &agent, "touch zz");
    let running = Some("Running touch zz".to_owned());
    scene.report(
        &agent,
        Report::StatusStated { state: StatedState::Working, detail: running, category: None },
    );
    assert_eq!(scene.state.approvals.len(), 1);
}

#[test]
fn a_status_that_comes_before_its_hook_counts_for_it() {
    for after in [StatedState::Working, StatedState::Idle, StatedState::Error] {
        let mut scene = Scene::new();
        let agent = scene.in_turn(CLAUDE);
        scene.report(&agent, blocked("touch zz"));
        ask(&mut scene, &agent, "touch zz");
        scene.report(&agent, stated(after));
        assert_eq!(scene.state.approvals.len(), 0, "{after:?}");
    }
}

#[test]
fn an_answer_from_here_says_nothing_of_the_next_approval() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let first = ask(&mut scene, &agent, "touch zz");
    scene.report(&agent, blocked("touch zz"));
    let second = ask(&mut scene, &agent, "touch yy");
    scene.command(answer(first, true)).unwrap();
    scene.report(&agent, stated(StatedState::Working));
    assert!(scene.state.approvals.contains_key(&second), "our own answer made it go on");
    scene.report(&agent, blocked("touch yy"));
    scene.report(&agent, stated(StatedState::Working));
    assert!(scene.state.approvals.is_empty());
}

#[test]
fn only_the_tool_that_was_asked_for_settles_an_approval_by_its_end() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    ask(&mut scene, &agent, "touch zz");
    scene.report(&agent, finished("Read", Some("toolu_1"), "touch zz"));
    scene.report(&agent, finished("Bash", Some("toolu_2"), "ls"));
    assert_eq!(scene.state.approvals.len(), 1, "another tool ran beside it");
    scene.report(&agent, finished("Bash", Some("toolu_3"), "touch zz"));
    assert_eq!(whys(&scene), ["the tool ran"]);
}

#[test]
fn an_approval_that_names_its_call_is_known_by_it() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.report(
        &agent,
        Report::ApprovalRequested {
            tool: "Bash".to_owned(),
            input: json!({"command": "ls"}),
            tool_use_id: Some("toolu_1".to_owned()),
            answerable: true,
            held: false,
        },
    );
    scene.report(&agent, finished("Bash", Some("toolu_2"), "ls"));
    assert_eq!(scene.state.approvals.len(), 1);
    scene.report(
        &agent,
        Report::ToolDenied {
            tool_use_id: Some("toolu_1".to_owned()),
            tool: "Bash".to_owned(),
            input: json!({"command": "ls -l"}),
            reason: "no".to_owned(),
        },
    );
    assert_eq!(whys(&scene), ["the tool was denied"]);
}

#[test]
fn the_end_of_the_turn_or_of_the_process_settles_what_waits() {
    let ends = [
        Report::TurnEnded { message: None },
        Report::TurnFailed { error: "unknown".to_owned(), message: None },
        exited(0),
        stated(StatedState::Idle),
        stated(StatedState::Done),
        stated(StatedState::Error),
    ];
    for end in ends {
        let mut scene = Scene::new();
        let agent = scene.in_turn(CLAUDE);
        ask(&mut scene, &agent, "touch zz");
        scene.report(&agent, end.clone());
        assert!(scene.state.approvals.is_empty(), "{end:?}");
        assert_eq!(hook_answers(&mut scene), [None], "{end:?}");
    }
}

#[test]
fn what_another_turn_left_is_settled_when_the_next_begins() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.finish_turn(&agent);
    ask(&mut scene, &agent, "came late");
    scene.report(&agent, submitted("go on"));
    assert_eq!(whys(&scene), ["another turn began"]);
}

#[test]
fn a_withdrawn_approval_can_be_answered_in_the_pane_only() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let approval = ask(&mut scene, &agent, "touch zz");
    let request = scene.last_report();
    scene.report(&agent, Report::ApprovalWithdrawn { request: request.clone() });
    scene.report(&agent, Report::ApprovalWithdrawn { request });
    assert_eq!(scene.count("approval_withdrawn"), 1);
    let refusal = scene.command(answer(approval, true)).unwrap_err();
    assert_eq!(refusal.code, Code::NotAllowed);
    assert!(refusal.hint.unwrap().contains("orchflow attach claude"));
    assert!(scene.state.needs_human(scene.agent(&agent)), "it still waits");
    scene.report(&agent, finished("Bash", None, "touch zz"));
    assert!(scene.state.approvals.is_empty());
}

#[test]
fn an_approval_whose_program_waits_again_is_answered_once() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let approval = ask(&mut scene, &agent, "touch zz");
    let request = scene.last_report();
    let rejoined = || Report::ApprovalRejoined { request: request.clone() };
    scene.report(&agent, rejoined());
    assert_eq!(scene.count("approval_rejoined"), 0, "its connection stands");
    scene.report(&agent, Report::ApprovalWithdrawn { request: request.clone() });
    let other = scene.in_turn(CLAUDE);
    scene.report(&other, rejoined());
    assert!(scene.state.approvals.values().all(|approval| !approval.answerable), "it is not the other's");
    scene.report(&agent, rejoined());
    assert_eq!(scene.count("approval_rejoined"), 1);
    scene.command(answer(approval, true)).unwrap();
    scene.report(&agent, rejoined());
    assert_eq!((scene.count("approval_rejoined"), scene.state.approvals.len()), (1, 0));
}

#[test]
fn nobody_withdraws_anothers_approval() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    ask(&mut scene, &agent, "touch zz");
    let request = scene.last_report();
    let other = scene.in_turn(CLAUDE);
    scene.report(&other, Report::ApprovalWithdrawn { request });
    assert!(scene.state.approvals.values().all(|approval| approval.answerable));
}

#[test]
fn a_new_host_has_lost_the_connections_that_carried_answers() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let approval = ask(&mut scene, &agent, "touch zz");
    let started = Input::HostStarted {
        version: "0.1.0".to_owned(),
        pid: 1,
        living: vec![agent.clone()],
        gone: Vec::new(),
    };
    scene.input(started).unwrap();
    assert_eq!(scene.count("approval_withdrawn"), 1);
    assert_eq!(scene.command(answer(approval, true)).unwrap_err().code, Code::NotAllowed);
}

#[test]
fn an_answer_that_reached_nobody_is_told() {
    for (outcome, told) in [
        (Outcome::Answered { delivered: true }, 0),
        (Outcome::Answered { delivered: false }, 1),
        (Outcome::Unknown("gone".to_owned()), 1),
    ] {
        let mut scene = Scene::new();
        let agent = scene.in_turn(CLAUDE);
        let approval = ask(&mut scene, &agent, "touch zz");
        scene.command(answer(approval, true)).unwrap();
        let effect = scene.take(|body| matches!(body, EffectBody::AnswerHook { .. }));
        scene.done(effect, outcome.clone());
        assert_eq!(scene.count("effect_lost"), told, "{outcome:?}");
    }
}

#[test]
fn a_program_that_states_nothing_works_on_after_the_answer() {
    let mut scene = Scene::new();
    let agent = scene.running(HOOKED);
    scene.report(&agent, Report::SessionStarted { session_id: "s".to_owned(), source: "startup".to_owned() });
    scene.pasted();
    scene.report(&agent, submitted(OBJECTIVE));
    let first = ask(&mut scene, &agent, "one");
    let second = ask(&mut scene, &agent, "two");
    scene.command(answer(first, true)).unwrap();
    assert_eq!(scene.agent(&agent).status.state, StatusState::Waiting, "the other one waits");
    scene.command(answer(second, false)).unwrap();
    assert_eq!(scene.agent(&agent).status.state, StatusState::Working);
}

#[test]
fn agents_answer_nothing() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let approval = ask(&mut scene, &agent, "touch zz");
    for (actor, code) in [
        (Actor::Agent { agent: agent.clone() }, Some(Code::NotAllowed)),
        (Actor::Script { user: "ada".to_owned() }, None),
        (human(), Some(Code::Superseded)),
    ] {
        let result = scene.input(Input::Command { actor: actor.clone(), command: answer(approval, true) });
        assert_eq!(result.err().map(|refusal| refusal.code), code, "{actor:?}");
    }
}

#[test]
fn an_ended_agent_asks_for_nothing_and_its_hook_is_let_go() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.report(&agent, exited(0));
    scene.report(&agent, request("touch zz"));
    assert!(scene.state.approvals.is_empty());
    assert_eq!(hook_answers(&mut scene), [None]);
    assert_eq!(scene.events.last().unwrap().body.event_type(), "agent_reported", "it is on record");
}

/// Codex and Qwen: while the hook that asks runs, they show no dialog and state that they work.
fn held(command: &str) -> Report {
    Report::ApprovalRequested {
        tool: "Bash".to_owned(),
        input: json!({"command": command}),
        tool_use_id: None,
        answerable: true,
        held: true,
    }
}

#[test]
fn a_program_that_its_hook_keeps_waiting_is_shown_as_waiting() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.report(&agent, held("ls"));
    assert_eq!(scene.status(&agent), "waiting: approval", "though it states that it works");
    let asked = *scene.state.approvals.keys().next_back().unwrap();
    scene.command(answer(asked, true)).unwrap();
    assert_eq!(hook_answers(&mut scene), [Some(true)]);
    assert_eq!(scene.status(&agent), "working", "nothing else would say so");
    scene.report(&agent, stated(StatedState::Done));
    assert_eq!(scene.status(&agent), "done");
}

#[test]
fn what_it_states_after_its_hook_counts_again() {
    for (state, expected) in [
        (blocked("ls"), "waiting: approval"),
        (stated(StatedState::Idle), "idle"),
        (stated(StatedState::Working), "working"),
    ] {
        let mut scene = Scene::new();
        let agent = scene.in_turn(CLAUDE);
        scene.report(&agent, held("ls"));
        scene.report(&agent, state);
        assert_eq!(scene.status(&agent), expected);
        assert_eq!(scene.agent(&agent).status.source.word(), "osc7501");
    }
}
