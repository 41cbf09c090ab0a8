//! Hunks: taken, turned down, and back again.

use orchflow_core::command::Command;
use orchflow_core::effect::{EffectBody, Outcome};
use orchflow_core::event::EventBody;
use orchflow_core::event::payload::HunkRef;
use orchflow_core::state::{DecisionState, KEPT_OPERATIONS};
use orchflow_core::{AgentKey, Code, EventSeq, Refusal};

use crate::scene::{CLAUDE, Scene, exited, hunk, part, shown};

fn accept(hunk: &HunkRef) -> Command {
    Command::AcceptHunk { hunk: hunk.clone() }
}

fn reject(hunk: &HunkRef, reason: Option<&str>) -> Command {
    Command::RejectHunk { hunk: hunk.clone(), reason: reason.map(str::to_owned) }
}

fn applied() -> Outcome {
    Outcome::Decided { applied_to: "file".to_owned(), already: false, kept_ref: Some("refs/kept".to_owned()) }
}

fn is_decision(body: &EffectBody) -> bool {
    matches!(
        body,
        EffectBody::ApplyHunk { .. } | EffectBody::RevertHunk { .. } | EffectBody::UndoDecision { .. }
    )
}

fn carry_out(scene: &mut Scene, outcome: Outcome) {
    let effect = scene.take(is_decision);
    scene.done(effect, outcome);
}

fn state_of(scene: &Scene, id: &str) -> Option<(DecisionState, String)> {
    scene.state.decisions.get(id).map(|decision| (decision.state, decision.hunk.hash.clone()))
}

/// An agent that finished a turn and waits.
fn reviewed() -> (Scene, AgentKey) {
    let mut scene = Scene::new();
    let agent = scene.in_turn(CLAUDE);
    scene.finish_turn(&agent);
    (scene, agent)
}

#[test]
fn a_decision_becomes_fact_when_it_is_carried_out() {
    let (mut scene, agent) = reviewed();
    let hunk = hunk(&agent, "h_1", "aa");
    let asked = scene.command(accept(&hunk)).unwrap().reply.seq.unwrap();
    assert_eq!(state_of(&scene, "h_1"), Some((DecisionState::Accepting, "aa".to_owned())));
    carry_out(&mut scene, applied());
    assert_eq!(state_of(&scene, "h_1"), Some((DecisionState::Accepted, "aa".to_owned())));
    let accepted = scene.events.last().unwrap();
    assert_eq!((accepted.body.event_type(), accepted.cause), ("hunk_accepted", Some(asked)));
    assert_eq!(accepted.paths, [b"src/greeting.rs".to_vec()]);
}

#[test]
fn the_same_decision_twice_is_one() {
    for is_accept in [true, false] {
        let (mut scene, agent) = reviewed();
        let hunk = hunk(&agent, "h_1", "aa");
        let command = || if is_accept { accept(&hunk) } else { reject(&hunk, None) };
        let first = scene.command(command()).unwrap().reply;
        let again = scene.command(command()).unwrap();
        assert_eq!((again.events.len(), again.effects.len()), (0, 0));
        assert_eq!((again.reply.seq, again.reply.already), (first.seq, false), "wait for the same outcome");
        carry_out(&mut scene, applied());
        let again = scene.command(command()).unwrap();
        assert_eq!((again.events.len(), again.reply.already), (0, true));
    }
}

#[test]
fn the_opposite_decision_needs_an_undo_first() {
    let (mut scene, agent) = reviewed();
    let hunk = hunk(&agent, "h_1", "aa");
    scene.command(accept(&hunk)).unwrap();
    assert_eq!(scene.command(reject(&hunk, None)).unwrap_err().code, Code::Conflict);
    carry_out(&mut scene, applied());
    let refusal = scene.command(reject(&hunk, None)).unwrap_err();
    assert_eq!(refusal.code, Code::Conflict);
    assert!(refusal.hint.unwrap().contains("undo"));
    scene.command(Command::Undo).unwrap();
    carry_out(&mut scene, Outcome::Undone);
    scene.command(reject(&hunk, None)).unwrap();
}

#[test]
fn other_content_of_the_same_hunk_is_another_decision() {
    let (mut scene, agent) = reviewed();
    scene.command(accept(&hunk(&agent, "h_1", "aa"))).unwrap();
    carry_out(&mut scene, applied());
    let newer = hunk(&agent, "h_1", "bb");
    let reply = scene.command(accept(&newer)).unwrap().reply;
    assert!(!reply.already);
    carry_out(&mut scene, Outcome::Failed(Refusal::new(Code::Conflict, "it does not apply")));
    let standing = state_of(&scene, "h_1");
    assert_eq!(
        standing,
        Some((DecisionState::Accepted, "aa".to_owned())),
        "what was taken before still stands"
    );
    scene.command(accept(&newer)).unwrap();
    carry_out(&mut scene, applied());
    assert_eq!(state_of(&scene, "h_1"), Some((DecisionState::Accepted, "bb".to_owned())));
    scene.command(Command::Undo).unwrap();
    carry_out(&mut scene, Outcome::Undone);
    assert_eq!(state_of(&scene, "h_1"), Some((DecisionState::Accepted, "aa".to_owned())));
    scene.command(Command::Undo).unwrap();
    carry_out(&mut scene, Outcome::Undone);
    assert_eq!(state_of(&scene, "h_1"), None);
}

#[test]
fn what_could_not_be_done_is_refused_and_open_again() {
    for (outcome, code) in [
        (Outcome::Failed(Refusal::new(Code::Conflict, "it overlaps")), Code::Conflict),
        (Outcome::Unknown("the editor is gone".to_owned()), Code::Unknown),
        (Outcome::Woken, Code::Unknown),
    ] {
        let (mut scene, agent) = reviewed();
        scene.command(accept(&hunk(&agent, "h_1", "aa"))).unwrap();
        carry_out(&mut scene, outcome);
        assert_eq!(state_of(&scene, "h_1"), None);
        let EventBody::DecisionRefused(refused) = &scene.events.last().unwrap().body else { panic!() };
        assert_eq!(refused.code, code);
        assert_eq!(scene.command(Command::Undo).unwrap_err().code, Code::NothingToUndo);
    }
}

#[test]
fn a_rejection_is_told_to_a_living_agent_with_its_reason() {
    let (mut scene, agent) = reviewed();
    scene.command(reject(&hunk(&agent, "h_1", "aa"), Some("too clever"))).unwrap();
    carry_out(&mut scene, applied());
    assert!(scene.wants(|body| matches!(body, EffectBody::TakeCheckpoint { .. })));
    assert!(
        !scene.wants(|body| matches!(body, EffectBody::PastePrompt { .. })),
        "its worktree is kept first"
    );
    scene.checkpointed();
    let told = scene.pasted();
    assert!(told.contains("src/greeting.rs:41") && told.ends_with("Reason: too clever"), "{told}");
}

#[test]
fn a_rejection_without_a_reason_or_a_listener_is_told_to_nobody() {
    let (mut scene, agent) = reviewed();
    scene.command(reject(&hunk(&agent, "h_1", "aa"), None)).unwrap();
    carry_out(&mut scene, applied());
    scene.report(&agent, exited(0));
    scene.command(reject(&hunk(&agent, "h_2", "bb"), Some("why"))).unwrap();
    carry_out(&mut scene, applied());
    assert!(!scene.wants(|body| matches!(body, EffectBody::PastePrompt { .. })));
}

#[test]
fn a_rejection_is_not_the_agents_work() {
    let (mut scene, agent) = reviewed();
    let generated = scene.count("ai_generated_code");
    scene.command(reject(&hunk(&agent, "h_1", "aa"), None)).unwrap();
    carry_out(&mut scene, applied());
    scene.checkpointed();
    assert_eq!(scene.count("ai_generated_code"), generated);
    assert_eq!(scene.events.last().unwrap().body.event_type(), "checkpoint_taken");
}

#[test]
fn undo_goes_back_step_by_step() {
    let (mut scene, agent) = reviewed();
    for id in ["h_1", "h_2"] {
        scene.command(accept(&hunk(&agent, id, "aa"))).unwrap();
        carry_out(&mut scene, applied());
    }
    scene.command(Command::Undo).unwrap();
    assert_eq!(scene.command(Command::Undo).unwrap_err().code, Code::Conflict, "one at a time");
    carry_out(&mut scene, Outcome::Failed(Refusal::new(Code::Conflict, "the file changed since")));
    assert_eq!(scene.events.last().unwrap().body.event_type(), "undo_refused");
    for id in ["h_2", "h_1"] {
        scene.command(Command::Undo).unwrap();
        carry_out(&mut scene, Outcome::Undone);
        let EventBody::HumanRevertedChange(reverted) = &scene.events.last().unwrap().body else { panic!() };
        assert_eq!(reverted.hunk.id, id);
        assert_eq!(state_of(&scene, id), None);
    }
    assert_eq!(scene.command(Command::Undo).unwrap_err().code, Code::NothingToUndo);
}

#[test]
fn an_undone_rejection_is_kept_as_a_checkpoint() {
    let (mut scene, agent) = reviewed();
    scene.command(reject(&hunk(&agent, "h_1", "aa"), None)).unwrap();
    carry_out(&mut scene, applied());
    scene.checkpointed();
    scene.command(Command::Undo).unwrap();
    carry_out(&mut scene, Outcome::Undone);
    assert!(scene.wants(|body| matches!(body, EffectBody::TakeCheckpoint { .. })));
}

#[test]
fn a_rejection_whose_worktree_is_gone_does_not_bar_the_way_to_older_decisions() {
    let (mut scene, agent) = reviewed();
    scene.command(accept(&hunk(&agent, "h_1", "aa"))).unwrap();
    carry_out(&mut scene, applied());
    scene.command(reject(&hunk(&agent, "h_2", "bb"), None)).unwrap();
    carry_out(&mut scene, applied());
    scene.report(&agent, exited(0));
    scene.command(Command::Clean { agent: agent.clone() }).unwrap();
    let clean = scene.take(|body| matches!(body, EffectBody::CleanWorktree { .. }));
    scene.done(clean, Outcome::Cleaned { kept_ref: "r".to_owned(), commit: None });
    scene.command(Command::Undo).unwrap();
    let undo = scene.take(is_decision);
    assert!(matches!(&undo.body, EffectBody::UndoDecision { hunk, .. } if hunk.id == "h_1"));
    scene.done(undo, Outcome::Undone);
    assert_eq!(scene.command(Command::Undo).unwrap_err().code, Code::NotLiving);
    let rejected = reject(&hunk(&agent, "h_3", "cc"), None);
    assert_eq!(scene.command(rejected).unwrap_err().code, Code::NotLiving);
}

#[test]
fn a_comment_needs_a_text_and_a_listener() {
    let (mut scene, agent) = reviewed();
    let comment =
        |text: &str| Command::CommentHunk { hunk: hunk(&agent, "h_1", "aa"), text: text.to_owned() };
    assert_eq!(scene.command(comment(" ")).unwrap_err().code, Code::Usage);
    scene.command(comment("why not a constant?")).unwrap();
    assert!(scene.pasted().contains("why not a constant?"));
    scene.report(&agent, exited(0));
    assert_eq!(scene.command(comment("x")).unwrap_err().code, Code::NotLiving);
}

/// Accepts a hunk of its own number.
fn accept_one(scene: &mut Scene, agent: &AgentKey, number: usize) {
    let hunk = hunk(agent, &format!("h_{number}"), "aa");
    scene.command(accept(&hunk)).unwrap();
    let kept_ref = Some(format!("refs/kept/{number}"));
    carry_out(scene, Outcome::Decided { applied_to: "file".to_owned(), already: false, kept_ref });
}

#[test]
fn old_decisions_are_forgotten_with_their_agents_worktree_and_no_others() {
    let (mut scene, gone) = reviewed();
    let stays = scene.in_turn(CLAUDE);
    scene.finish_turn(&stays);
    accept_one(&mut scene, &stays, 0);
    for number in 1..=KEPT_OPERATIONS {
        accept_one(&mut scene, &gone, number);
    }
    let opened =
        |scene: &Scene, number: usize| scene.state.needs_kept(EventSeq(0), &format!("refs/kept/{number}"));
    assert_eq!(scene.state.operations.len(), KEPT_OPERATIONS + 1);
    scene.report(&gone, exited(0));
    scene.checkpointed();
    assert!((0..=KEPT_OPERATIONS).all(|number| opened(&scene, number)), "its worktree stands");
    accept_one(&mut scene, &gone, KEPT_OPERATIONS + 1);
    scene.command(Command::Clean { agent: gone.clone() }).unwrap();
    let clean = scene.take(|body| matches!(body, EffectBody::CleanWorktree { .. }));
    scene.done(clean, Outcome::Cleaned { kept_ref: "refs/kept".to_owned(), commit: None });
    // The two oldest are beyond the newest thousand, and one of these is of an agent that stands.
    assert!(opened(&scene, 0), "its agent's worktree stands");
    assert!(!opened(&scene, 1));
    assert!((2..=KEPT_OPERATIONS + 1).all(|number| opened(&scene, number)), "the newest stay");
    // Undo has what it needs to the last.
    for number in (2..=KEPT_OPERATIONS + 1).rev().chain([0]) {
        scene.command(Command::Undo).unwrap();
        let undo = scene.take(is_decision);
        let EffectBody::UndoDecision { kept_ref, .. } = &undo.body else { panic!("{undo:?}") };
        assert_eq!(kept_ref, &format!("refs/kept/{number}"));
        scene.done(undo, Outcome::Undone);
        assert!(!opened(&scene, number), "what was undone is needed no more");
    }
    assert_eq!(scene.command(Command::Undo).unwrap_err().code, Code::NothingToUndo);
}

#[test]
fn what_a_decision_on_its_way_keeps_is_needed() {
    let (mut scene, agent) = reviewed();
    let asked = scene.command(accept(&hunk(&agent, "h_1", "aa"))).unwrap().reply.seq.unwrap();
    let effect = scene.take(is_decision);
    assert_eq!(effect.id.seq, asked, "the ref is named by it");
    assert!(scene.state.needs_kept(asked, "refs/kept"));
    let refused = Refusal::new(Code::Conflict, "it does not fit");
    scene.done(effect, Outcome::Failed(refused));
    assert!(!scene.state.needs_kept(asked, "refs/kept"));
}

#[test]
fn a_hunk_can_be_taken_line_by_line() {
    let (mut scene, agent) = reviewed();
    let take = |scene: &mut Scene, lines: &str| {
        let decision = scene.command(accept(&part(&agent, "h_1", "aa", lines))).unwrap();
        if !decision.reply.already {
            carry_out(scene, applied());
        }
        decision.reply.already
    };
    assert!(!take(&mut scene, "+2,-1"));
    let decision = scene.state.decisions["h_1"].clone();
    assert_eq!((decision.state, decision.state.word()), (DecisionState::Partly, "undecided"));
    assert_eq!(decision.taken, "+2,-1".parse().unwrap());
    assert!(take(&mut scene, "+2"), "those lines are taken");
    assert!(!take(&mut scene, "+1-2"), "one of those is not");
    let before = scene.state.accepted_of(&agent, b"src/greeting.rs");
    assert_eq!((before.len(), before[0].lines.clone()), (1, Some("+1-2,-1".parse().unwrap())));
    assert!(!take(&mut scene, "+3"));
    assert_eq!(state_of(&scene, "h_1").unwrap().0, DecisionState::Accepted, "nothing is left");
    assert!(take(&mut scene, "+3"));
    assert!(scene.command(accept(&hunk(&agent, "h_1", "aa"))).unwrap().reply.already);
    assert_eq!(scene.state.accepted_of(&agent, b"src/greeting.rs")[0].lines, None);
    // Taken back one part after the other.
    for left in ["+1-2,-1", "+2,-1"] {
        scene.command(Command::Undo).unwrap();
        carry_out(&mut scene, Outcome::Undone);
        assert_eq!(scene.state.decisions["h_1"].taken, left.parse().unwrap());
    }
    scene.command(Command::Undo).unwrap();
    carry_out(&mut scene, Outcome::Undone);
    assert_eq!(state_of(&scene, "h_1"), None);
}

#[test]
fn the_rest_of_a_hunk_can_be_taken_or_turned_down() {
    let (mut scene, agent) = reviewed();
    for id in ["h_1", "h_2"] {
        scene.command(accept(&part(&agent, id, "aa", "+1"))).unwrap();
        carry_out(&mut scene, applied());
    }
    scene.command(accept(&hunk(&agent, "h_1", "aa"))).unwrap();
    let effect = scene.take(is_decision);
    let EffectBody::ApplyHunk { hunk: asked, before, .. } = &effect.body else { panic!() };
    let known: Vec<_> = before.iter().map(|hunk| (hunk.id.as_str(), hunk.lines.clone())).collect();
    let first = Some("+1".parse().unwrap());
    assert_eq!((asked.lines.clone(), known), (None, vec![("h_1", first.clone()), ("h_2", first)]));
    scene.done(effect, applied());
    assert_eq!(state_of(&scene, "h_1").unwrap().0, DecisionState::Accepted);

    let contrary = scene.command(reject(&part(&agent, "h_2", "aa", "+1-2"), None)).unwrap_err();
    assert_eq!(contrary.code, Code::Conflict, "one of them is in the human's tree");
    scene.command(reject(&hunk(&agent, "h_2", "aa"), None)).unwrap();
    let effect = scene.take(is_decision);
    let EffectBody::RevertHunk { hunk: asked, .. } = &effect.body else { panic!() };
    assert_eq!(asked.lines, Some("+2-3,-1".parse().unwrap()), "what was taken stays");
    scene.done(effect, applied());
    assert!(scene.command(reject(&hunk(&agent, "h_2", "aa"), None)).unwrap().reply.already);
}

#[test]
fn lines_a_hunk_does_not_have_are_refused() {
    let (mut scene, agent) = reviewed();
    for lines in ["+4", "-2"] {
        let refusal = scene.command(accept(&part(&agent, "h_1", "aa", lines))).unwrap_err();
        assert_eq!(refusal.code, Code::Usage);
    }
    let mut none = hunk(&agent, "h_1", "aa");
    none.lines = Some(orchflow_core::event::payload::HunkLines::default());
    assert_eq!(scene.command(accept(&none)).unwrap_err().code, Code::Usage);
    scene.command(accept(&part(&agent, "h_1", "aa", "+1-3,-1"))).unwrap();
    let effect = scene.take(is_decision);
    assert!(
        matches!(&effect.body, EffectBody::ApplyHunk { hunk, .. } if hunk.lines.is_none()),
        "all of them"
    );
}

#[test]
fn redo_makes_again_what_was_undone_until_a_new_decision() {
    let (mut scene, agent) = reviewed();
    assert_eq!(scene.command(Command::Redo).unwrap_err().code, Code::NothingToRedo);
    scene.command(accept(&hunk(&agent, "h_1", "aa"))).unwrap();
    carry_out(&mut scene, applied());
    scene.command(reject(&hunk(&agent, "h_2", "bb"), Some("too clever"))).unwrap();
    carry_out(&mut scene, applied());
    scene.checkpointed();
    scene.pasted();
    for _ in 0..2 {
        scene.command(Command::Undo).unwrap();
        carry_out(&mut scene, Outcome::Undone);
    }
    assert_eq!((state_of(&scene, "h_1"), state_of(&scene, "h_2")), (None, None));
    // The one undone last comes first; a refusal keeps it.
    let asked = scene.command(Command::Redo).unwrap().reply.seq.unwrap();
    assert_eq!(scene.command(Command::Redo).unwrap_err().code, Code::Conflict, "one at a time");
    carry_out(&mut scene, Outcome::Failed(Refusal::new(Code::Conflict, "it overlaps")));
    scene.command(Command::Redo).unwrap();
    carry_out(&mut scene, applied());
    let accepted = scene.events.last().unwrap();
    assert_eq!(accepted.body.event_type(), "hunk_accepted");
    assert!(accepted.cause.unwrap() > asked);
    assert_eq!(state_of(&scene, "h_1").unwrap().0, DecisionState::Accepted);
    scene.command(Command::Redo).unwrap();
    carry_out(&mut scene, applied());
    let again = scene.state.decisions["h_2"].clone();
    assert_eq!((again.state, again.reason.as_deref()), (DecisionState::Rejected, Some("too clever")));
    assert_eq!(scene.command(Command::Redo).unwrap_err().code, Code::NothingToRedo);
    // What was made again can be undone again; a new decision ends it.
    scene.command(Command::Undo).unwrap();
    carry_out(&mut scene, Outcome::Undone);
    scene.command(accept(&hunk(&agent, "h_3", "cc"))).unwrap();
    carry_out(&mut scene, applied());
    assert_eq!(scene.command(Command::Redo).unwrap_err().code, Code::NothingToRedo);
}

#[test]
fn what_was_shown_is_kept_until_its_place_shows_something_else() {
    let (mut scene, agent) = reviewed();
    let see = |scene: &mut Scene, hunks: Vec<_>| scene.command(Command::NoteSeen { hunks }).unwrap();
    let (first, second) = (shown(&agent, "h_1", "aa", 4), shown(&agent, "h_2", "bb", 20));
    assert_eq!(see(&mut scene, vec![first.clone(), second.clone()]).events.len(), 1);
    assert_eq!(scene.events.last().unwrap().agent.as_ref(), Some(&agent));
    let again = see(&mut scene, vec![first.clone(), second.clone()]);
    assert_eq!((again.events.len(), again.reply.already), (0, true));
    let newer = shown(&agent, "h_9", "cc", 5);
    let seen = |scene: &Scene| scene.state.seen[&(agent.clone(), newer.path.clone())].clone();
    assert!(
        seen(&scene).has("h_1", "aa") && !seen(&scene).has("h_9", "cc") && seen(&scene).has_at(&newer.place)
    );
    see(&mut scene, vec![newer.clone()]);
    assert!(seen(&scene).has("h_9", "cc") && !seen(&scene).has("h_1", "aa") && seen(&scene).has("h_2", "bb"));
    scene.report(&agent, exited(0));
    scene.command(Command::Clean { agent: agent.clone() }).unwrap();
    let clean = scene.take(|body| matches!(body, EffectBody::CleanWorktree { .. }));
    scene.done(clean, Outcome::Cleaned { kept_ref: "r".to_owned(), commit: None });
    assert!(scene.state.seen.is_empty());
    assert!(see(&mut scene, vec![newer]).reply.already, "there is nothing left to review");
}
