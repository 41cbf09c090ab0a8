//! What agents use, what that costs, budgets that halt and limits that end.

use orchflow_core::command::Command;
use orchflow_core::effect::{EffectBody, Outcome, Timer};
use orchflow_core::event::{Actor, EventBody};
use orchflow_core::policy::Policy;
use orchflow_core::price::{Price, Prices, Tokens};
use orchflow_core::report::{Report, StatedState};
use orchflow_core::state::PromptOrigin;
use orchflow_core::state::budget::BudgetScope;
use orchflow_core::state::ledger::{Cost, Day};
use orchflow_core::usage::{LimitKind, Usage};
use orchflow_core::{AgentKey, Code, RunId, Timestamp};

use crate::scene::{CLAUDE, OBJECTIVE, Scene, spec, stated, submitted};

fn scene(policy: Policy) -> Scene {
    Scene::with(policy)
}

fn priced() -> Policy {
    let price = Price { model: "m*".to_owned(), input: Some(1.0), output: Some(10.0), ..Price::default() };
    Policy { prices: Prices { dated: String::new(), price: vec![price] }, ..Policy::default() }
}

fn used(input: u64, cost_usd: Option<f64>) -> Usage {
    Usage { model: Some("m".to_owned()), input_tokens: input, cost_usd, ..Usage::default() }
}

fn total(input: u64, cost_usd: Option<f64>) -> Usage {
    Usage { is_total: true, ..used(input, cost_usd) }
}

fn report(scene: &mut Scene, agent: &AgentKey, usage: Usage) {
    scene.report(agent, Report::UsageReported { usage });
}

fn cost(scene: &Scene) -> Cost {
    scene.state.cost(&scene.policy.prices, |_, _| true)
}

#[test]
fn steps_add_up_and_counters_add_what_they_grew_by() {
    for (name, reports, tokens, known, unknown) in [
        ("steps", vec![used(10, None), used(5, None)], 15, 15_000, 0),
        ("a counter", vec![total(10, None), total(25, None), total(25, None)], 25, 25_000, 0),
        ("a counter with a figure", vec![total(10, Some(0.5)), total(25, Some(0.7))], 25, 700_000_000, 0),
        ("a counter after steps counts them once", vec![used(10, None), total(25, None)], 25, 25_000, 0),
        (
            "a figure covers the tokens before it",
            vec![used(10, None), total(25, Some(0.5))],
            25,
            500_000_000,
            0,
        ),
        (
            "a counter that fell began anew",
            vec![total(25, Some(0.5)), total(5, Some(0.1))],
            30,
            600_000_000,
            0,
        ),
        (
            "what the table does not have is not known",
            vec![Usage { model: Some("x".to_owned()), ..used(10, None) }, used(5, None)],
            15,
            5_000,
            10,
        ),
        ("nor what no model is named for", vec![Usage { model: None, ..used(10, None) }], 10, 0, 10),
        (
            "a figure that makes no sense is none",
            vec![used(10, Some(f64::NAN)), used(1, Some(-1.0))],
            11,
            11_000,
            0,
        ),
    ] {
        let mut scene = scene(priced());
        let agent = scene.in_turn(CLAUDE);
        for usage in reports {
            report(&mut scene, &agent, usage);
        }
        let sum = cost(&scene);
        assert_eq!((sum.tokens.input, sum.known, sum.unknown_tokens), (tokens, known, unknown), "{name}");
    }
}

#[test]
fn another_session_counts_anew_and_a_session_taken_up_again_goes_on() {
    for (id, expected) in [("s2", 35), ("s1", 20)] {
        let mut scene = scene(priced());
        let agent = scene.running(CLAUDE);
        let begins = |id: &str, source: &str| Report::SessionStarted {
            session_id: id.to_owned(),
            source: source.to_owned(),
        };
        scene.report(&agent, begins("s1", "startup"));
        report(&mut scene, &agent, total(15, None));
        scene.report(&agent, begins(id, "resume"));
        report(&mut scene, &agent, total(20, None));
        assert_eq!(cost(&scene).tokens.input, expected, "{id}");
    }
}

#[test]
fn a_total_of_all_models_adds_what_none_of_them_told() {
    let mut scene = scene(priced());
    let agent = scene.in_turn(CLAUDE);
    report(&mut scene, &agent, used(10, None));
    report(&mut scene, &agent, Usage { model: None, ..total(30, None) });
    report(&mut scene, &agent, total(12, None));
    let sum = cost(&scene);
    assert_eq!((sum.tokens.input, sum.unknown_tokens), (32, 20));
}

#[test]
fn use_is_kept_by_turn_day_and_model() {
    let mut scene = scene(priced());
    let agent = scene.in_turn(CLAUDE);
    report(&mut scene, &agent, used(1, None));
    scene.finish_turn(&agent);
    scene.now += 86_400_000_000;
    scene.command(Command::SendPrompt { to: vec![agent.clone()], text: "more".to_owned() }).unwrap();
    scene.pasted();
    scene.report(&agent, submitted("more"));
    report(&mut scene, &agent, used(2, None));
    report(&mut scene, &agent, Usage { model: Some("n".to_owned()), ..used(4, None) });
    let lines: Vec<(u32, i64, Option<&str>, u64)> = scene
        .state
        .used()
        .map(|(turn, line)| (turn.turn, line.day.0, line.model.as_deref(), line.tokens.input))
        .collect();
    assert_eq!(lines, [(1, 0, Some("m"), 1), (2, 1, Some("m"), 2), (2, 1, Some("n"), 4)]);
    let prices = &scene.policy.prices;
    assert_eq!(scene.state.cost_of_day(Day(1), prices).tokens, Tokens { input: 6, ..Tokens::default() });
    assert_eq!(scene.state.cost_of_run(RunId(9), prices), Cost::default());
}

fn halts(scene: &Scene) -> usize {
    scene
        .open
        .iter()
        .filter(|effect| matches!(effect.body, EffectBody::PauseAgent { pause: true, .. }))
        .count()
}

fn carry_out_pauses(scene: &mut Scene) {
    while scene.wants(|body| matches!(body, EffectBody::PauseAgent { .. })) {
        let effect = scene.take(|body| matches!(body, EffectBody::PauseAgent { .. }));
        scene.done(effect, Outcome::Paused { processes: 1 });
    }
}

fn two(scene: &mut Scene) -> Vec<AgentKey> {
    let agents = scene.swarm(&[spec("claude", CLAUDE), spec("codex", CLAUDE)]);
    scene.worktrees();
    for agent in &agents {
        scene.launch(agent);
        scene.report(agent, stated(StatedState::Idle));
        scene.pasted();
        scene.report(agent, submitted(OBJECTIVE));
    }
    agents
}

#[test]
fn a_budget_that_is_used_up_halts_the_run_and_asks_once() {
    let mut scene = scene(Policy { run_budget: Some(1_000_000_000), ..priced() });
    let agents = two(&mut scene);
    let other = scene.in_turn(CLAUDE);
    report(&mut scene, &agents[0], used(1, Some(0.6)));
    assert_eq!(halts(&scene), 0);
    report(&mut scene, &agents[1], used(1, Some(0.4)));
    assert_eq!((halts(&scene), scene.count("budget_passed")), (2, 1));
    let asked = scene.events.iter().find(|event| event.body.event_type() == "pause_requested").unwrap();
    assert_eq!(asked.actor, Actor::Host);
    carry_out_pauses(&mut scene);
    assert!(agents.iter().all(|agent| scene.agent(agent).paused.is_some()));
    assert!(scene.agent(&other).paused.is_none(), "another run goes on");
    let needs = scene.state.needs(scene.state.agents.values(), |_| 0);
    let told: Vec<String> =
        needs.iter().map(|need| format!("{}: {}", need.kind.word(), need.about.clone().unwrap())).collect();
    assert_eq!(told, ["budget: run 1 used $1.00 of $1.00"]);
    report(&mut scene, &agents[0], used(1, Some(0.1)));
    assert_eq!((halts(&scene), scene.count("budget_passed")), (0, 1), "nobody is asked twice");
}

#[test]
fn a_raised_budget_lets_go_on_and_a_resume_alone_does_not() {
    let mut scene = scene(Policy { run_budget: Some(1_000_000_000), ..priced() });
    let agents = two(&mut scene);
    report(&mut scene, &agents[0], used(1, Some(2.0)));
    carry_out_pauses(&mut scene);
    let resume = Command::PauseAgents { agents: agents.clone(), pause: false };
    let refusal = scene.command(resume).unwrap_err();
    assert_eq!(refusal.code, Code::NotAllowed);
    assert!(refusal.message.contains("$2.00 of $1.00"), "{}", refusal.message);
    assert!(refusal.hint.unwrap().contains("orchflow budget --run 1 4"));
    let scope = BudgetScope::Run(RunId(1));
    scene.command(Command::SetBudget { scope, usd: Some(1.5) }).unwrap();
    assert!(scene.agent(&agents[0]).paused.is_some(), "it is still too low");
    let raised = scene.command(Command::SetBudget { scope, usd: Some(3.0) }).unwrap();
    assert_eq!(raised.reply.agents.len(), 2);
    carry_out_pauses(&mut scene);
    assert!(
        agents
            .iter()
            .all(|agent| scene.agent(agent).paused.is_none() && scene.agent(agent).budget_hold.is_none())
    );
    report(&mut scene, &agents[0], used(1, Some(1.0)));
    assert_eq!(scene.count("budget_passed"), 2, "the higher one is used up as well");
    scene.command(Command::SetBudget { scope, usd: None }).unwrap();
    carry_out_pauses(&mut scene);
    report(&mut scene, &agents[0], used(1, Some(99.0)));
    assert_eq!(halts(&scene), 0, "a lifted one halts nobody");
}

#[test]
fn a_days_budget_halts_every_run_and_ends_with_the_day() {
    let mut scene = scene(Policy { day_budget: Some(1_000_000_000), ..priced() });
    let (one, other) = (scene.in_turn(CLAUDE), scene.in_turn(CLAUDE));
    report(&mut scene, &one, used(1, Some(1.5)));
    carry_out_pauses(&mut scene);
    assert!(scene.agent(&one).paused.is_some() && scene.agent(&other).paused.is_some());
    let resume = |agent: &AgentKey| Command::PauseAgents { agents: vec![agent.clone()], pause: false };
    assert_eq!(scene.command(resume(&one)).unwrap_err().code, Code::NotAllowed);
    scene.now += 86_400_000_000;
    scene.command(resume(&one)).unwrap();
    carry_out_pauses(&mut scene);
    assert!(scene.agent(&one).paused.is_none());
    report(&mut scene, &one, used(1, Some(0.5)));
    assert_eq!(halts(&scene), 0, "yesterday's use is yesterday's");
}

#[test]
fn a_run_may_be_started_with_a_budget_and_nonsense_is_refused() {
    let mut scene = scene(priced());
    let start = |budget_usd| Command::StartRun {
        objective: OBJECTIVE.to_owned(),
        base: crate::scene::base(),
        agents: vec![spec("claude", CLAUDE)],
        place: orchflow_core::command::ViewPlace { backend: "none".to_owned(), ..Default::default() },
        budget_usd,
    };
    for bad in [f64::NAN, -1.0, f64::INFINITY] {
        assert_eq!(scene.command(start(Some(bad))).unwrap_err().code, Code::Usage);
    }
    scene.command(start(Some(0.5))).unwrap();
    assert_eq!(scene.state.budget_of(BudgetScope::Run(RunId(1)), Some(9)), Some(500_000_000));
    let unknown = Command::SetBudget { scope: BudgetScope::Run(RunId(9)), usd: Some(1.0) };
    assert_eq!(scene.command(unknown).unwrap_err().code, Code::UnknownRun);
}

fn limit(scene: &mut Scene, agent: &AgentKey, after: Option<i64>) {
    let resets_at = after.map(|after| Timestamp(scene.now + after));
    let message = "usage limit reached".to_owned();
    scene.report(agent, Report::LimitReached { limit: LimitKind::Quota, message, resets_at });
}

fn wake(scene: &mut Scene) {
    let effect = scene.take(|body| matches!(body, EffectBody::Wake { timer: Timer::Resumption { .. }, .. }));
    let EffectBody::Wake { at, .. } = effect.body else { unreachable!() };
    scene.now = scene.now.max(at.0);
    scene.done(effect, Outcome::Woken);
}

fn fail(scene: &mut Scene, agent: &AgentKey) {
    scene.report(agent, Report::TurnFailed { error: "limit".to_owned(), message: None });
    scene.report(agent, stated(StatedState::Error));
    scene.checkpointed();
}

#[test]
fn an_agent_goes_on_once_its_limit_is_over_and_only_so_often() {
    let mut scene = scene(Policy { resumptions: 2, ..priced() });
    let agent = scene.in_turn(CLAUDE);
    for round in 1..=3 {
        limit(&mut scene, &agent, Some(60_000_000));
        fail(&mut scene, &agent);
        assert_eq!(scene.agent(&agent).word(), "waiting");
        let needs = scene.state.needs(scene.state.agents.values(), |_| 0);
        if round == 3 {
            assert_eq!(needs.iter().map(|need| need.kind.word()).collect::<Vec<_>>(), ["limit"]);
            assert!(
                !scene.wants(|body| matches!(body, EffectBody::Wake { timer: Timer::Resumption { .. }, .. }))
            );
            break;
        }
        assert!(needs.is_empty(), "it goes on by itself: {needs:?}");
        assert!(scene.state.runs.values().all(|run| run.outcome.is_none()), "the run is not over");
        wake(&mut scene);
        let queued = scene.events.iter().rev().find_map(|event| match &event.body {
            EventBody::PromptQueued(body) => Some((body.origin, body.text.clone())),
            _ => None,
        });
        assert_eq!(queued, Some((PromptOrigin::Resumption, "continue".to_owned())));
        scene.pasted();
        scene.report(&agent, submitted("continue"));
        scene.report(&agent, stated(StatedState::Working));
        assert_eq!(scene.agent(&agent).word(), "working");
    }
    assert!(scene.state.runs.values().all(|run| run.outcome.as_deref() == Some("failed")));
    scene.command(Command::SendPrompt { to: vec![agent.clone()], text: "go".to_owned() }).unwrap();
    assert_eq!(scene.agent(&agent).resumptions, 0, "the human spoke");
}

#[test]
fn nothing_is_waited_for_that_nobody_told() {
    let mut scene = scene(priced());
    let agent = scene.in_turn(CLAUDE);
    limit(&mut scene, &agent, None);
    fail(&mut scene, &agent);
    assert!(!scene.wants(|body| matches!(body, EffectBody::Wake { timer: Timer::Resumption { .. }, .. })));
    let needs = scene.state.needs(scene.state.agents.values(), |_| 0);
    assert_eq!(needs[0].about.as_deref(), Some("usage limit reached"));
    let mut off = self::scene(Policy { resumptions: 0, ..priced() });
    let agent = off.in_turn(CLAUDE);
    limit(&mut off, &agent, Some(1));
    assert!(!off.wants(|body| matches!(body, EffectBody::Wake { timer: Timer::Resumption { .. }, .. })));
}

#[test]
fn an_agent_that_tries_again_by_itself_is_told_nothing() {
    for progress in [
        Report::TextDisplayed { message_id: "m".to_owned(), index: 0, last: true, text: "on".to_owned() },
        Report::ToolRequested { tool_use_id: None, tool: "Read".to_owned(), input: serde_json::json!({}) },
    ] {
        let mut scene = scene(priced());
        let agent = scene.in_turn(CLAUDE);
        limit(&mut scene, &agent, Some(60_000_000));
        assert_eq!(scene.agent(&agent).word(), "waiting");
        scene.report(&agent, progress);
        assert_eq!(scene.agent(&agent).word(), "working");
        let before = scene.count("prompt_queued");
        wake(&mut scene);
        assert_eq!(scene.count("prompt_queued"), before);
    }
    let mut scene = scene(priced());
    let agent = scene.in_turn(CLAUDE);
    limit(&mut scene, &agent, Some(60_000_000));
    let before = scene.count("prompt_queued");
    wake(&mut scene);
    assert_eq!(scene.count("prompt_queued"), before, "its turn is still open");
}

#[test]
fn a_new_host_waits_for_the_same_end() {
    let mut scene = scene(priced());
    let agent = scene.in_turn(CLAUDE);
    limit(&mut scene, &agent, Some(60_000_000));
    fail(&mut scene, &agent);
    let armed = orchflow_core::decide::wake(&scene.state, Timestamp(scene.now));
    let resumes =
        |body: &&EffectBody| matches!(body, EffectBody::Wake { timer: Timer::Resumption { .. }, .. });
    assert_eq!(armed.iter().filter(resumes).count(), 1);
}
