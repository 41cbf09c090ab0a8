//! Decisions on hunks: asked for once, carried out as effects, undone and made again.

use super::Step;
use super::commands::require_living;
use crate::effect::EffectBody;
use crate::event::payload::{
    AcceptRequested, HunkCommented, HunkLines, HunkRef, HunksSeen, RejectRequested, SeenHunk, UndoRequested,
};
use crate::state::decisions::{ACCEPT, REJECT};
use crate::state::{Decision, DecisionState, Operation, Phase, PromptOrigin};
use crate::{Code, EventSeq, Refusal};

/// Puts the lines a decision is about in order; all of them are the whole hunk.
fn settle_lines(hunk: &mut HunkRef) -> Result<(), Refusal> {
    let Some(lines) = hunk.lines.take() else { return Ok(()) };
    let (lines, all) = (lines.in_order(), hunk.all_lines());
    if lines.is_empty() || !all.covers(&lines) {
        let message = format!(
            "hunk {} has {} added and {} removed lines; name some of them",
            hunk.id, hunk.insertions, hunk.deletions
        );
        return Err(Refusal::new(Code::Usage, message)
            .hint("+1-3,-2 means the added lines 1 to 3 and the second removed one"));
    }
    hunk.lines = Some(lines).filter(|lines| *lines != all);
    Ok(())
}

/// Tells whether a hunk, as its caller saw it, is decided as wanted or about to be, and fills in the reply
/// then. A decision on other content of the same hunk does not count.
fn is_decided(step: &mut Step<'_>, hunk: &HunkRef, decision: &str) -> Result<bool, Refusal> {
    use DecisionState::{Accepted, Accepting, Partly, Rejected, Rejecting};
    let newest = step.state.agents.get(&hunk.agent).and_then(|agent| agent.checkpoint.as_ref());
    let newest = newest.map(|checkpoint| checkpoint.seq);
    // A hunk that stands in a checkpoint after its rejection was made again by its agent.
    let is_made_again = |decision: &&Decision| {
        decision.state == Rejected && newest.is_some_and(|newest| newest > decision.seq)
    };
    let known = step.state.decisions.get(&hunk.id).filter(|known| known.hunk.is_same_content(hunk));
    let Some(known) = known.filter(|known| !is_made_again(known)).cloned() else {
        return Ok(false);
    };
    let accepts = decision == ACCEPT;
    let conflict = |why: String, hint: &str| Err(Refusal::new(Code::Conflict, why).hint(hint));
    match known.state {
        Accepted if accepts => step.decision.reply.already = true,
        Rejected if !accepts => step.decision.reply.already = true,
        // Whoever asks again waits for the same outcome.
        Accepting if accepts && known.hunk.lines == hunk.lines => step.decision.reply.seq = Some(known.seq),
        Rejecting if !accepts && known.hunk.lines == hunk.lines => step.decision.reply.seq = Some(known.seq),
        Partly => {
            let (taken, out) = (known.taken, step.state.rejected_lines(hunk));
            let (same, other) = if accepts { (taken, out) } else { (out, taken) };
            let wanted = match &hunk.lines {
                Some(lines) => lines.clone(),
                None if accepts => hunk.all_lines(),
                // What is taken stays with both; the rest goes.
                None => hunk.all_lines().without(&other),
            };
            if same.covers(&wanted) {
                step.decision.reply.already = true;
            } else if other.meets(&wanted) {
                let word = if accepts { "rejected" } else { "accepted" };
                return conflict(
                    format!("some of these lines of hunk {} are {word} already", hunk.id),
                    "list the hunks again, or take the decision back with orchflow undo",
                );
            } else {
                return Ok(false);
            }
        }
        state => {
            return conflict(
                format!("hunk {} is {} already", hunk.id, state.word()),
                "orchflow undo takes the last decision back",
            );
        }
    }
    Ok(true)
}

pub(super) fn accept(step: &mut Step<'_>, mut hunk: HunkRef) -> Result<(), Refusal> {
    settle_lines(&mut hunk)?;
    if is_decided(step, &hunk, ACCEPT)? {
        return Ok(());
    }
    ask_accept(step, hunk, None)
}

fn ask_accept(step: &mut Step<'_>, hunk: HunkRef, redoes: Option<EventSeq>) -> Result<(), Refusal> {
    let base_tree = base_tree(step, &hunk)?;
    let before = step.state.accepted_of(&hunk.agent, &hunk.path.0);
    let agent = hunk.agent.clone();
    let body = AcceptRequested { hunk: hunk.clone(), redoes };
    let seq = step.emit_with_paths(&agent, vec![hunk.path.0.clone()], body);
    step.want(EffectBody::ApplyHunk { hunk, base_tree, before });
    step.decision.reply.seq = Some(seq);
    Ok(())
}

fn base_tree(step: &Step<'_>, hunk: &HunkRef) -> Result<String, Refusal> {
    step.state
        .agents
        .get(&hunk.agent)
        .map(|agent| agent.base_tree.clone())
        .ok_or_else(|| Refusal::new(Code::UnknownAgent, format!("there is no agent {}", hunk.agent)))
}

pub(super) fn reject(step: &mut Step<'_>, mut hunk: HunkRef, reason: Option<String>) -> Result<(), Refusal> {
    settle_lines(&mut hunk)?;
    if is_decided(step, &hunk, REJECT)? {
        return Ok(());
    }
    let partly =
        |known: &&Decision| known.state == DecisionState::Partly && known.hunk.is_same_content(&hunk);
    let taken = step.state.decisions.get(&hunk.id).filter(partly).map(|known| known.taken.clone());
    if hunk.lines.is_none() {
        // Lines in the human's tree stay the agent's too; the rest of the hunk goes.
        let taken = taken.filter(|taken| !taken.is_empty());
        hunk.lines = taken.map(|taken: HunkLines| hunk.all_lines().without(&taken));
    }
    ask_reject(step, hunk, reason, None)
}

fn ask_reject(
    step: &mut Step<'_>,
    hunk: HunkRef,
    reason: Option<String>,
    redoes: Option<EventSeq>,
) -> Result<(), Refusal> {
    let base_tree = base_tree(step, &hunk)?;
    let agent = hunk.agent.clone();
    let Some(worktree) = step.state.agents.get(&agent).and_then(|agent| agent.worktree.clone()) else {
        return Err(Refusal::new(Code::NotLiving, format!("the worktree of {} is gone", agent.name))
            .hint("leave the hunk undecided; it is in nobody's tree"));
    };
    let path = hunk.path.0.clone();
    let body = RejectRequested { hunk: hunk.clone(), redoes, reason };
    let seq = step.emit_with_paths(&agent, vec![path], body);
    step.want(EffectBody::RevertHunk { hunk, base_tree, worktree });
    step.decision.reply.seq = Some(seq);
    Ok(())
}

/// Notes what the human was shown; what is known already makes no event.
pub(super) fn see(step: &mut Step<'_>, mut hunks: Vec<SeenHunk>) {
    hunks.retain(|hunk| {
        let stands = step.state.agents.get(&hunk.agent).is_some_and(|agent| agent.phase != Phase::Cleaned);
        let seen = step.state.seen.get(&(hunk.agent.clone(), hunk.path.clone()));
        stands && !seen.is_some_and(|seen| seen.has(&hunk.id, &hunk.hash))
    });
    let Some(first) = hunks.first().map(|hunk| hunk.agent.clone()) else {
        step.decision.reply.already = true;
        return;
    };
    let one_agent = hunks.iter().all(|hunk| hunk.agent == first);
    let one_run = hunks.iter().all(|hunk| hunk.agent.run == first.run);
    let mut paths: Vec<Vec<u8>> = hunks.iter().map(|hunk| hunk.path.0.clone()).collect();
    paths.sort_unstable();
    paths.dedup();
    let run = one_run.then_some(first.run);
    step.push(one_agent.then_some(first), run, None, paths, HunksSeen { hunks }.into());
}

pub(super) fn comment(step: &mut Step<'_>, hunk: HunkRef, text: String) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::new(Code::Usage, "a comment needs a text"));
    }
    let agent = hunk.agent.clone();
    require_living(step, std::slice::from_ref(&agent))?;
    let place = format!("{}:{}", hunk.path.lossy(), hunk.told_line());
    let prompt_text = format!("Comment on your change in {place}:\n{text}");
    let path = hunk.path.0.clone();
    step.emit_with_paths(&agent, vec![path], HunkCommented { hunk, text });
    let prompt = step.queue(&agent, &prompt_text, PromptOrigin::Review);
    step.deliver(&agent);
    step.decision.reply.prompts.push((prompt, agent));
    Ok(())
}

pub(super) fn undo(step: &mut Step<'_>) -> Result<(), Refusal> {
    let worktree_of = |operation: &Operation| {
        step.state.agents.get(&operation.hunk.agent).and_then(|agent| agent.worktree.clone())
    };
    // A rejection whose worktree is gone has nowhere to go back to; it must not bar the way to the others.
    let last = step
        .state
        .operations
        .values()
        .rev()
        .find(|operation| operation.decision != REJECT || worktree_of(operation).is_some());
    let Some(operation) = last.cloned() else {
        return Err(match step.state.operations.values().next_back() {
            Some(operation) => {
                let name = &operation.hunk.agent.name;
                let message = format!("the worktree of {name} is gone, so its rejected hunk cannot go back");
                Refusal::new(Code::NotLiving, message)
            }
            None => Refusal::new(Code::NothingToUndo, "there is no decision to undo"),
        });
    };
    if operation.undoing {
        return Err(Refusal::new(Code::Conflict, "the last decision is being undone already"));
    }
    let agent = operation.hunk.agent.clone();
    let worktree = worktree_of(&operation).unwrap_or_default();
    let seq = step.emit_caused(&agent, operation.seq, UndoRequested { event: operation.seq });
    step.want(EffectBody::UndoDecision {
        event: operation.seq,
        hunk: operation.hunk,
        decision: operation.decision,
        kept_ref: operation.kept_ref.unwrap_or_default(),
        worktree,
    });
    step.decision.reply.seq = Some(seq);
    Ok(())
}

pub(super) fn redo(step: &mut Step<'_>) -> Result<(), Refusal> {
    let Some(undone) = step.state.undone.values().next_back().cloned() else {
        return Err(Refusal::new(Code::NothingToRedo, "there is no undone decision to make again")
            .hint("a new decision ends what could be made again"));
    };
    let known = step.state.decisions.get(&undone.hunk.id).map(|known| known.state);
    if undone.redoing || matches!(known, Some(DecisionState::Accepting | DecisionState::Rejecting)) {
        return Err(Refusal::new(Code::Conflict, "a decision on this hunk is being carried out")
            .hint("wait for its end and try again"));
    }
    if undone.decision == ACCEPT {
        ask_accept(step, undone.hunk, Some(undone.seq))
    } else {
        ask_reject(step, undone.hunk, undone.reason, Some(undone.seq))
    }
}
