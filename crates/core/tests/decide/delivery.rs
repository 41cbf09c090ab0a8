//! Prompts: each is delivered, or known not to be.

use orchflow_core::command::Command;
use orchflow_core::decide::{Input, wake};
use orchflow_core::effect::{EffectBody, Outcome, Timer};
use orchflow_core::event::{Actor, EventBody};
use orchflow_core::report::{Report, StatedState};
use orchflow_core::state::{PromptState, TurnOutcome};
use orchflow_core::{AgentKey, Code, Refusal, Timestamp};

use crate::scene::{
    CLAUDE, HOOKED, OBJECTIVE, SCRIPT, SHELL, STATING, Scene, exited, hunk, key, pasted, spec, stated,
    submitted,
};

fn is_paste(body: &EffectBody) -> bool {
    matches!(body, EffectBody::PastePrompt { .. })
}

fn send(scene: &mut Scene, agent: &AgentKey, text: &str) {
    let to = vec![agent.clone()];
    scene.command(Command::SendPrompt { to, text: text.to_owned() }).unwrap();
}

fn undelivered(scene: &Scene) -> Vec<String> {
    let reason = |event: &orchflow_core::event::Event| match &event.body {
        EventBody::PromptUndelivered(body) => Some(body.reason.clone()),
        _ => None,
    };
    scene.events.iter().filter_map(reason).collect()
}

#[test]
fn the_objective_waits_until_the_agent_is_ready() {
    let mut scene = Scene::new();
    let agent = scene.swarm(&[spec("claude", CLAUDE)]).remove(0);
    assert!(!scene.wants(is_paste), "its worktree is being made");
    scene.worktrees();
    assert!(!scene.wants(is_paste), "its process is being started");
    scene.launch(&agent);
    assert!(!scene.wants(is_paste), "it has not said that it is ready");
    scene.report(&agent, stated(StatedState::Idle));
    assert_eq!(scene.pasted(), OBJECTIVE);
    scene.report(&agent, submitted(OBJECTIVE));
    let accepted = ["prompt_accepted", "turn_started", "ai_started_task"];
    assert_eq!(&scene.types_since(scene.events.len() - 3), &accepted);
    assert!(scene.state.prompts.is_empty());
}

#[test]
fn each_ready_signal_opens_the_way() {
    let session = || Report::SessionStarted { session_id: "s".to_owned(), source: "startup".to_owned() };
    let cases: [(&str, _, Vec<Report>); 5] = [
        ("status", CLAUDE, vec![session(), stated(StatedState::Idle)]),
        ("session", HOOKED, vec![session()]),
        (
            "session after a stated dialog",
            HOOKED,
            vec![stated(StatedState::Blocked), session(), stated(StatedState::Idle)],
        ),
        ("input line", SHELL, vec![Report::OutputActive, Report::BracketedPaste { on: true }]),
        ("start", SCRIPT, vec![]),
    ];
    for (name, signals, reports) in cases {
        let mut scene = Scene::new();
        let agent = scene.running(signals);
        let count = reports.len();
        for (place, report) in reports.into_iter().enumerate() {
            assert!(!scene.wants(is_paste), "{name}: too early, {place} of {count}");
            scene.report(&agent, report);
        }
        assert!(scene.wants(is_paste), "{name}: {:#?}", scene.agent(&agent));
    }
}

#[test]
fn a_prompt_for_a_working_agent_waits_for_the_end_of_its_turn_and_its_checkpoint() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    send(&mut scene, &agent, "Also the empty name");
    assert!(!scene.wants(is_paste), "it works");
    scene.report(&agent, Report::TurnEnded { message: Some("Done.".to_owned()) });
    assert!(!scene.wants(is_paste), "its checkpoint is being taken");
    scene.checkpointed();
    assert!(!scene.wants(is_paste), "it still states that it works");
    scene.report(&agent, stated(StatedState::Done));
    assert_eq!(scene.pasted(), "Also the empty name");
}

#[test]
fn a_prompt_for_an_agent_in_a_dialog_waits() {
    let mut scene = Scene::new();
    let agent = scene.running(CLAUDE);
    let trust = Some("trust this folder".to_owned());
    scene.report(&agent, Report::StatusStated { state: StatedState::Blocked, detail: trust, category: None });
    assert_eq!(scene.status(&agent), "waiting: trust");
    send(&mut scene, &agent, "Hurry");
    assert!(!scene.wants(is_paste));
    scene.report(&agent, stated(StatedState::Clear));
    assert!(!scene.wants(is_paste));
    scene.report(&agent, stated(StatedState::Idle));
    assert_eq!(scene.pasted(), OBJECTIVE, "the oldest first");
}

#[test]
fn never_two_are_in_flight_and_they_keep_their_order() {
    let mut scene = Scene::new();
    let agent = scene.ready(CLAUDE);
    send(&mut scene, &agent, "second");
    send(&mut scene, &agent, "third");
    for text in [OBJECTIVE, "second", "third"] {
        assert_eq!(scene.pasted(), text);
        assert!(!scene.wants(is_paste), "{text} was not taken yet");
        scene.report(&agent, stated(StatedState::Working));
        scene.report(&agent, submitted(text));
        scene.finish_turn(&agent);
    }
    assert!(undelivered(&scene).is_empty());
    assert_eq!(scene.outcome(1), Some("done"));
}

#[test]
fn review_notes_join_a_waiting_prompt() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let comment = |scene: &mut Scene, text: &str| {
        let command = Command::CommentHunk { hunk: hunk(&agent, "h_1", "aa"), text: text.to_owned() };
        scene.command(command).unwrap().reply.prompts
    };
    let first = comment(&mut scene, "one");
    send(&mut scene, &agent, "a message stands alone");
    assert_eq!(comment(&mut scene, "two"), first, "the same prompt");
    scene.finish_turn(&agent);
    let text = scene.pasted();
    assert_eq!(
        text,
        "Comment on your change in src/greeting.rs:41:\none\n\nComment on your change in src/greeting.rs:41:\ntwo"
    );
    let third = comment(&mut scene, "three");
    assert_ne!(third, first, "one that is being written is not changed any more");
}

#[test]
fn a_prompt_named_twice_is_sent_once() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let to = vec![agent.clone(), agent.clone()];
    let reply = scene.command(Command::SendPrompt { to, text: "x".to_owned() }).unwrap().reply;
    assert_eq!((reply.agents.len(), reply.prompts.len()), (1, 1));
}

#[test]
fn what_cannot_be_sent_is_refused_whole() {
    let mut scene = Scene::new();
    let agents = scene.swarm(&[spec("claude", CLAUDE), spec("rehearsal", CLAUDE)]);
    scene.worktrees();
    scene.launch(&agents[0]);
    scene.launch(&agents[1]);
    scene.report(&agents[1], exited(0));
    let mut refused = |to: Vec<AgentKey>, text: &str| {
        scene.command(Command::SendPrompt { to, text: text.to_owned() }).unwrap_err().code
    };
    assert_eq!(refused(vec![agents[0].clone()], " \n"), Code::Usage);
    assert_eq!(refused(Vec::new(), "x"), Code::Usage);
    assert_eq!(refused(vec![agents[0].clone(), key(9, "nobody")], "x"), Code::UnknownAgent);
    assert_eq!(refused(agents, "x"), Code::NotLiving);
}

#[test]
fn what_an_exit_leaves_is_known_to_be_undelivered() {
    let mut scene = Scene::new();
    let agent = scene.ready(CLAUDE);
    send(&mut scene, &agent, "second");
    scene.report(&agent, exited(1));
    assert_eq!(undelivered(&scene).len(), 2, "the one in flight and the one that waited");
    let effect = scene.take(is_paste);
    scene.done(effect, Outcome::Failed(Refusal::new(Code::NotLiving, "its runner is gone")));
    assert_eq!(undelivered(&scene).len(), 2, "each once");
    scene.checkpointed();
    assert_eq!(scene.outcome(1), Some("failed"));
}

#[test]
fn a_written_prompt_without_evidence_is_undelivered_after_a_while() {
    let mut scene = Scene::new();
    let agent = scene.ready(CLAUDE);
    scene.pasted();
    let written = scene.now;
    scene.pass(written + 19_000_000);
    assert!(undelivered(&scene).is_empty());
    scene.pass(written + 20_000_000);
    assert_eq!(undelivered(&scene).len(), 1);
    assert_eq!(scene.outcome(1), Some("failed"), "nothing is left to wait for");
    let pane = scene.agent(&agent).clone();
    assert_eq!((pane.undelivered, pane.turn), (1, 0));
    // The human looks at the pane and presses Enter.
    scene.report(&agent, submitted(OBJECTIVE));
    assert_eq!((scene.outcome(1), scene.agent(&agent).undelivered), (None, 0), "the run goes on");
    scene.report(&agent, stated(StatedState::Working));
    scene.finish_turn(&agent);
    assert_eq!(scene.outcome(1), Some("done"));
}

#[test]
fn a_prompt_behind_an_undelivered_one_does_not_wait_for_ever() {
    let mut scene = Scene::new();
    let agent = scene.ready(CLAUDE);
    scene.pasted();
    send(&mut scene, &agent, "the next");
    assert!(!scene.wants(is_paste));
    scene.pass(scene.now + 21_000_000);
    assert_eq!(undelivered(&scene).len(), 1);
    assert_eq!(scene.pasted(), "the next");
}

#[test]
fn a_program_that_states_its_work_took_the_prompt_though_its_hook_is_missing() {
    let mut scene = Scene::new();
    let agent = scene.ready(CLAUDE);
    scene.pasted();
    scene.report(&agent, stated(StatedState::Working));
    assert!(!scene.agent(&agent).in_turn, "the hook with its content is worth the wait");
    scene.pass(scene.now + 20_000_000);
    assert!(undelivered(&scene).is_empty());
    assert!(scene.agent(&agent).in_turn);
    scene.report(&agent, stated(StatedState::Done));
    scene.pass(scene.now + 2_000_000);
    scene.checkpointed();
    assert_eq!(scene.outcome(1), Some("done"));
}

#[test]
fn work_that_ended_without_a_prompt_hook_was_the_prompts() {
    for (rest, outcome) in [
        (StatedState::Idle, TurnOutcome::Interrupted),
        (StatedState::Done, TurnOutcome::Done),
        (StatedState::Error, TurnOutcome::Failed),
    ] {
        let mut scene = Scene::new();
        let agent = scene.ready(CLAUDE);
        scene.pasted();
        scene.report(&agent, stated(StatedState::Working));
        scene.report(&agent, stated(rest));
        scene.pass(scene.now + 1_900_000);
        assert_eq!(scene.count("prompt_accepted"), 0, "its hook may be on its way");
        scene.pass(scene.now + 200_000);
        assert_eq!((scene.count("prompt_accepted"), scene.turns(&agent)), (1, vec![outcome]));
        scene.checkpointed();
        send(&mut scene, &agent, "the next");
        assert_eq!(scene.pasted(), "the next");
        assert!(undelivered(&scene).is_empty());
    }
}

#[test]
fn a_prompt_hook_behind_the_end_of_its_work_leaves_no_open_turn() {
    for rest in [StatedState::Idle, StatedState::Done] {
        let mut scene = Scene::new();
        let agent = scene.ready(CLAUDE);
        scene.pasted();
        scene.report(&agent, stated(StatedState::Working));
        scene.report(&agent, stated(rest));
        scene.report(&agent, submitted(OBJECTIVE));
        assert!(scene.agent(&agent).in_turn);
        scene.pass(scene.now + 3_000_000);
        assert_eq!(scene.turns(&agent).len(), 1);
        assert_eq!(scene.count("prompt_accepted"), 1);
        assert!(!scene.agent(&agent).in_turn);
    }
}

#[test]
fn work_on_the_humans_own_prompt_is_not_that_of_ours() {
    let mut scene = Scene::new();
    let agent = scene.ready(CLAUDE);
    scene.pasted();
    scene.report(&agent, stated(StatedState::Working));
    scene.report(&agent, submitted("typed by hand"));
    scene.finish_turn(&agent);
    scene.pass(scene.now + 30_000_000);
    assert_eq!((scene.count("prompt_accepted"), undelivered(&scene).len()), (0, 1));
}

#[test]
fn a_prompt_that_could_not_be_written_is_undelivered_at_once() {
    for outcome in [
        Outcome::Failed(Refusal::new(Code::NotLiving, "no runner").hint("look at its log")),
        Outcome::Unknown("the host ended while it was being written".to_owned()),
    ] {
        let mut scene = Scene::new();
        scene.ready(CLAUDE);
        let effect = scene.take(is_paste);
        scene.done(effect, outcome);
        assert_eq!(undelivered(&scene).len(), 1);
        assert!(!scene.wants(is_paste), "keystrokes are never repeated");
    }
}

#[test]
fn a_program_faster_than_its_runner_has_accepted_already() {
    let mut scene = Scene::new();
    let agent = scene.ready(CLAUDE);
    let effect = scene.take(is_paste);
    scene.report(&agent, submitted(OBJECTIVE));
    scene.done(effect, pasted());
    assert_eq!(scene.count("prompt_accepted"), 1);
    assert_eq!(scene.count("prompt_written"), 1);
    scene.pass(scene.now + 60_000_000);
    assert!(undelivered(&scene).is_empty());
}

#[test]
fn a_program_without_signals_has_taken_what_was_written() {
    let mut scene = Scene::new();
    let agent = scene.running(SCRIPT);
    scene.pasted();
    assert!(scene.agent(&agent).in_turn);
    let EventBody::PromptAccepted(accepted) =
        &scene.events.iter().find(|event| event.body.event_type() == "prompt_accepted").unwrap().body
    else {
        unreachable!()
    };
    assert_eq!(accepted.evidence, "it printed after the prompt");
}

#[test]
fn a_shell_takes_a_prompt_only_at_its_input_line() {
    let mut scene = Scene::new();
    let agent = scene.running(SHELL);
    scene.report(&agent, Report::BracketedPaste { on: true });
    scene.pasted();
    scene.report(&agent, Report::BracketedPaste { on: false });
    scene.report(&agent, Report::OutputActive);
    send(&mut scene, &agent, "make test");
    scene.report(&agent, Report::OutputQuiet);
    assert!(scene.agent(&agent).in_turn, "a silent command is not the end of it");
    assert!(!scene.wants(is_paste));
    scene.report(&agent, Report::OutputActive);
    scene.report(&agent, Report::BracketedPaste { on: true });
    scene.report(&agent, Report::OutputQuiet);
    scene.checkpointed();
    assert_eq!(scene.pasted(), "make test");
}

#[test]
fn a_prompt_behind_leftover_text_is_accepted_and_the_turn_tells_of_it() {
    let mut scene = Scene::new();
    let agent = scene.ready(CLAUDE);
    scene.pasted();
    scene.report(&agent, submitted(&format!("what stood there before{OBJECTIVE}")));
    let EventBody::TurnStarted(turn) =
        &scene.events.iter().find(|event| event.body.event_type() == "turn_started").unwrap().body
    else {
        unreachable!()
    };
    assert!(turn.prompt.is_some());
    assert_eq!(turn.text.as_deref(), Some("what stood there beforeMake the greeting configurable"));
}

#[test]
fn what_the_human_types_is_a_turn_of_its_own_and_leaves_ours_open() {
    let mut scene = Scene::new();
    let agent = scene.ready(CLAUDE);
    scene.pasted();
    scene.report(&agent, submitted("something typed"));
    assert_eq!(scene.count("prompt_accepted"), 0);
    assert!(scene.agent(&agent).in_turn);
    assert_eq!(scene.state.prompts.len(), 1);
    // Ours goes in while the turn runs: the same turn.
    scene.report(&agent, submitted(OBJECTIVE));
    assert_eq!((scene.count("prompt_accepted"), scene.count("turn_started")), (1, 1));
}

#[test]
fn a_stopped_agent_gets_nothing_more() {
    let mut scene = Scene::new();
    let agent = scene.running(STATING);
    scene.command(Command::StopAgents { agents: vec![agent.clone()] }).unwrap();
    scene.report(&agent, stated(StatedState::Idle));
    assert!(!scene.wants(is_paste));
}

#[test]
fn a_new_host_arms_the_clocks_of_the_one_before() {
    let mut scene = Scene::new();
    let silent = scene.running(CLAUDE);
    let waiting = scene.ready(CLAUDE);
    scene.pasted();
    let done = scene.in_turn(CLAUDE);
    scene.report(&done, stated(StatedState::Done));
    let now = Timestamp(scene.now);
    let timers: Vec<Timer> = wake(&scene.state, now)
        .into_iter()
        .map(|effect| match effect {
            EffectBody::Wake { timer, at } if at > now => timer,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(timers.len(), 4, "{timers:?}");
    assert!(timers.contains(&Timer::ReadyBy { agent: silent.clone() }));
    assert!(timers.contains(&Timer::Readiness { agent: silent, attempt: 0 }));
    assert!(timers.contains(&Timer::TurnClose { agent: done, turn: 1 }));
    let prompt = scene.state.prompts.values().find(|prompt| prompt.state == PromptState::Written).unwrap().id;
    assert!(timers.contains(&Timer::Acceptance { agent: waiting, prompt }));
}

#[test]
fn the_hosts_own_doings_are_not_the_agents() {
    let mut scene = Scene::new();
    scene.ready(CLAUDE);
    let writing = scene.events.iter().find(|event| event.body.event_type() == "prompt_writing").unwrap();
    assert_eq!(writing.actor, Actor::Host);
    let status = scene.events.iter().find(|event| event.body.event_type() == "agent_status_changed").unwrap();
    assert_eq!(status.actor.word(), "agent");
}

#[test]
fn a_host_that_leaves_says_so() {
    let mut scene = Scene::new();
    scene.input(Input::HostStopping { reason: "nobody is attached".to_owned() }).unwrap();
    assert_eq!(scene.types_since(0), ["host_stopped"]);
}
