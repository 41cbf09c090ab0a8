//! Rules: answers given in advance, by the strictest that fits.

use orchflow_core::command::{Answer, Command};
use orchflow_core::decide::Input;
use orchflow_core::effect::EffectBody;
use orchflow_core::event::{Actor, EventBody};
use orchflow_core::report::{Report, StatedState};
use orchflow_core::rule::{NewRule, RuleScope, RuleSource, Verdict};
use orchflow_core::state::StatusState;
use orchflow_core::{AgentKey, Code, EventSeq, RunId};
use serde_json::{Value, json};

use crate::scene::{CLAUDE, HOOKED, OBJECTIVE, Scene, human, key, spec, stated, submitted};

fn request(command: &str, answerable: bool) -> Report {
    Report::ApprovalRequested {
        tool: "Bash".to_owned(),
        input: json!({"command": command}),
        tool_use_id: None,
        answerable,
        held: false,
    }
}

fn rule(verdict: Verdict, scope: RuleScope, text: &str) -> NewRule {
    NewRule { verdict, scope, matcher: text.parse().unwrap(), reason: None, source: RuleSource::Log }
}

fn always(verdict: Verdict, text: &str) -> NewRule {
    NewRule { source: RuleSource::Kept, ..rule(verdict, RuleScope::Always, text) }
}

fn read(scene: &mut Scene, rules: &[NewRule]) {
    scene.input(Input::UserRules { actor: human(), rules: rules.to_vec() }).unwrap();
}

fn answers(scene: &mut Scene) -> Vec<(Option<bool>, Option<Value>)> {
    let mut answers = Vec::new();
    while scene.wants(|body| matches!(body, EffectBody::AnswerHook { .. })) {
        let effect = scene.take(|body| matches!(body, EffectBody::AnswerHook { .. }));
        if let EffectBody::AnswerHook { allow, input, .. } = effect.body {
            answers.push((allow, input));
        }
    }
    answers
}

fn ask(scene: &mut Scene, agent: &AgentKey, command: &str) -> EventSeq {
    scene.report(agent, request(command, true));
    *scene.state.approvals.keys().next_back().unwrap()
}

#[test]
fn a_rule_answers_what_comes_in_and_says_that_it_was_it() {
    for (verdict, expected) in
        [(Verdict::Allow, Some(true)), (Verdict::Deny, Some(false)), (Verdict::Ask, None)]
    {
        let mut scene = Scene::new();
        let agent = scene.in_turn(CLAUDE);
        let scope = RuleScope::Agent { agent: agent.clone() };
        let made =
            scene.command(Command::AddRule { rule: rule(verdict, scope, "Bash: cargo test*") }).unwrap();
        scene.report(&agent, request("cargo test --all", true));
        let given: Vec<_> = answers(&mut scene).into_iter().map(|(allow, _)| allow).collect();
        assert_eq!(given, expected.map(Some).into_iter().collect::<Vec<_>>(), "{verdict:?}");
        let Some(allow) = expected else {
            assert_eq!(scene.state.approvals.len(), 1, "the human is asked");
            continue;
        };
        assert!(scene.state.approvals.is_empty());
        let answered = scene.events.iter().find(|event| event.body.event_type() == "approval_answered");
        let answered = answered.unwrap();
        assert_eq!(answered.actor, Actor::Host);
        let EventBody::ApprovalAnswered(body) = &answered.body else { unreachable!() };
        assert_eq!((body.allow, body.rule), (allow, made.reply.seq));
        assert!(body.reason.as_ref().unwrap().contains("Bash: cargo test*"), "{body:?}");
    }
}

#[test]
fn what_a_rule_answered_is_no_need_of_the_humans_for_a_moment() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene
        .command(Command::AddRule {
            rule: rule(Verdict::Allow, RuleScope::Run { run: agent.run }, "Bash: ls*"),
        })
        .unwrap();
    let blocked = |what: &str| Report::StatusStated {
        state: StatedState::Blocked,
        detail: Some(format!("approve Bash: {what}")),
        category: Some("permission".to_owned()),
    };
    scene.report(&agent, request("ls", true));
    scene.report(&agent, blocked("ls"));
    assert_eq!(scene.agent(&agent).status.state, StatusState::Working, "the answer is on its way");
    scene.report(&agent, blocked("rm x"));
    assert_eq!(scene.agent(&agent).status.state, StatusState::Waiting, "another one is not");
    scene.report(&agent, stated(StatedState::Working));
    scene.report(
        &agent,
        Report::ToolFinished {
            tool_use_id: None,
            tool: "Bash".to_owned(),
            input: json!({"command": "ls"}),
            response: json!({}),
            duration_ms: None,
        },
    );
    scene.report(&agent, blocked("ls"));
    assert_eq!(scene.agent(&agent).status.state, StatusState::Waiting, "it asks again");
}

#[test]
fn an_answer_may_make_a_rule_that_answers_the_others_too() {
    let mut scene = Scene::new();
    let agents = scene.swarm(&[spec("claude", HOOKED), spec("claude", HOOKED)]);
    scene.worktrees();
    for agent in &agents {
        scene.launch(agent);
        scene.report(
            agent,
            Report::SessionStarted { session_id: "s".to_owned(), source: "startup".to_owned() },
        );
        scene.pasted();
        scene.report(agent, submitted(OBJECTIVE));
    }
    let first = ask(&mut scene, &agents[0], "cargo test");
    let other = ask(&mut scene, &agents[1], "cargo test -q");
    let stays = ask(&mut scene, &agents[1], "cargo publish");
    let made = rule(Verdict::Allow, RuleScope::Run { run: agents[0].run }, "Bash: cargo test*");
    let answer = Answer { allow: true, rule: Some(made), ..Answer::default() };
    scene.command(Command::AnswerApproval { approval: first, answer }).unwrap();
    assert_eq!(scene.state.approvals.keys().copied().collect::<Vec<_>>(), [stays]);
    assert_eq!(answers(&mut scene).len(), 2);
    let by_rule = |seq| {
        scene.events.iter().find_map(|event| match &event.body {
            EventBody::ApprovalAnswered(body) if body.approval == seq => Some(body.rule.is_some()),
            _ => None,
        })
    };
    assert_eq!((by_rule(first), by_rule(other)), (Some(false), Some(true)));
}

#[test]
fn a_denial_anywhere_outweighs_what_is_allowed() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    read(&mut scene, &[always(Verdict::Deny, "Bash: git push*")]);
    let all = rule(Verdict::Allow, RuleScope::Agent { agent: agent.clone() }, "Bash: git *");
    scene.command(Command::AddRule { rule: all }).unwrap();
    scene.report(&agent, request("git push", true));
    scene.report(&agent, request("git log", true));
    let given: Vec<_> = answers(&mut scene).into_iter().map(|(allow, _)| allow).collect();
    assert_eq!(given, [Some(false), Some(true)]);
}

#[test]
fn no_rule_answers_where_no_answer_arrives() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    read(&mut scene, &[always(Verdict::Allow, "Bash: ls*"), always(Verdict::Deny, "Bash: rm*")]);
    for command in ["ls", "rm x"] {
        scene.report(&agent, request(command, false));
    }
    assert_eq!(scene.state.approvals.len(), 2);
    assert!(answers(&mut scene).is_empty());
}

#[test]
fn what_the_users_files_say_holds_and_what_they_say_no_more_does_not() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let (ls, rm) = (always(Verdict::Allow, "Bash: ls*"), always(Verdict::Deny, "Bash: rm*"));
    ask(&mut scene, &agent, "ls -l");
    read(&mut scene, &[ls.clone(), rm.clone(), ls.clone()]);
    assert!(scene.state.approvals.is_empty(), "what waits is answered by it");
    let events = scene.events.len();
    read(&mut scene, &[rm.clone(), ls]);
    assert_eq!(scene.events.len(), events, "nothing changed");
    read(&mut scene, std::slice::from_ref(&rm));
    assert_eq!((scene.count("rule_added"), scene.count("rule_removed")), (2, 1));
    // A file is no way to make what a command may not.
    read(
        &mut scene,
        &[rm.clone(), always(Verdict::Allow, "*"), rule(Verdict::Allow, RuleScope::Always, "Bash")],
    );
    assert_eq!(scene.state.rules.len(), 1);
    let seq = *scene.state.rules.keys().next().unwrap();
    let refusal = scene.command(Command::RemoveRule { rule: seq }).unwrap_err();
    assert_eq!(refusal.code, Code::NotAllowed, "the file would bring it back");
}

#[test]
fn a_rule_goes_with_its_agent_or_by_hand() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let own = rule(Verdict::Allow, RuleScope::Agent { agent: agent.clone() }, "Bash: ls*");
    let runs = rule(Verdict::Allow, RuleScope::Run { run: agent.run }, "Bash: ls*");
    let made = scene.command(Command::AddRule { rule: own.clone() }).unwrap();
    assert!(scene.command(Command::AddRule { rule: own }).unwrap().reply.already);
    let second = scene.command(Command::AddRule { rule: runs }).unwrap();
    scene.command(Command::RemoveRule { rule: second.reply.seq.unwrap() }).unwrap();
    let again = scene.command(Command::RemoveRule { rule: second.reply.seq.unwrap() }).unwrap_err();
    assert_eq!(again.code, Code::UnknownRule);
    assert!(scene.state.rules.contains_key(&made.reply.seq.unwrap()));
    scene.report(&agent, crate::scene::exited(0));
    scene.checkpointed();
    scene.command(Command::Clean { agent: agent.clone() }).unwrap();
    let effect = scene.take(|body| matches!(body, EffectBody::CleanWorktree { .. }));
    let kept_ref = "refs/kept".to_owned();
    scene.done(effect, orchflow_core::effect::Outcome::Cleaned { kept_ref, commit: None });
    assert!(scene.state.rules.is_empty());
}

#[test]
fn a_rule_that_makes_no_sense_is_refused_and_nothing_is_answered() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let approval = ask(&mut scene, &agent, "ls");
    for (rule, code) in [
        (rule(Verdict::Allow, RuleScope::Run { run: agent.run }, "mcp__*"), Code::Usage),
        (rule(Verdict::Allow, RuleScope::Run { run: RunId(99) }, "Bash"), Code::UnknownRun),
        (rule(Verdict::Deny, RuleScope::Agent { agent: key(9, "x") }, "Bash"), Code::UnknownAgent),
        (rule(Verdict::Deny, RuleScope::Always, "Bash"), Code::Internal),
    ] {
        assert_eq!(scene.command(Command::AddRule { rule: rule.clone() }).unwrap_err().code, code);
        let answer = Answer { allow: true, rule: Some(rule), ..Answer::default() };
        let refusal = scene.command(Command::AnswerApproval { approval, answer }).unwrap_err();
        assert_eq!(refusal.code, code);
    }
    assert!(answers(&mut scene).is_empty());
}

#[test]
fn other_arguments_go_with_the_answer() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    for (allow, input, expected) in [
        (true, json!({"command": "ls -l"}), Ok(Some(json!({"command": "ls -l"})))),
        (true, json!({"command": "ls"}), Ok(None)),
        (true, json!("ls"), Err(Code::Usage)),
        (false, json!({"command": "ls -l"}), Err(Code::Usage)),
    ] {
        let approval = ask(&mut scene, &agent, "ls");
        let answer = Answer { allow, input: Some(input), ..Answer::default() };
        let result = scene.command(Command::AnswerApproval { approval, answer });
        let given = result.map(|_| answers(&mut scene).remove(0).1).map_err(|refusal| refusal.code);
        assert_eq!(given, expected);
    }
}

#[test]
fn agents_make_no_rules() {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    let actor = Actor::Agent { agent: agent.clone() };
    let rule = rule(Verdict::Allow, RuleScope::Agent { agent }, "Bash");
    for command in [Command::AddRule { rule }, Command::RemoveRule { rule: EventSeq(1) }] {
        let refusal = scene.input(Input::Command { actor: actor.clone(), command }).unwrap_err();
        assert_eq!(refusal.code, Code::NotAllowed);
    }
}
