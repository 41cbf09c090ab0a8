//! How events change what is decided: the operations that can be undone, and what follows from them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::review::{Decision, DecisionState, Operation, SeenFile, Undone};
use super::{AggregateKey, State};
use crate::event::payload::{Bytes, HunkLines, HunkRef};
use crate::event::{Event, EventBody};
use crate::{AgentKey, EventSeq};

/// The word of an operation that took a hunk into the human's tree.
pub const ACCEPT: &str = "accept";
/// The word of an operation that took a hunk out of its agent's worktree.
pub const REJECT: &str = "reject";

impl State {
    pub(super) fn evolve_decision(&mut self, event: &Event) {
        match &event.body {
            EventBody::AcceptRequested(body) => {
                self.begin(event, &body.hunk, DecisionState::Accepting, None);
                self.set_redoing(body.redoes, true);
            }
            EventBody::RejectRequested(body) => {
                self.begin(event, &body.hunk, DecisionState::Rejecting, body.reason.clone());
                self.set_redoing(body.redoes, true);
            }
            EventBody::HunkAccepted(body) => {
                self.finish(event, &body.hunk, ACCEPT, body.kept_ref.clone());
                self.stand(&body.hunk.id, None);
            }
            EventBody::HunkRejected(body) => {
                self.finish(event, &body.hunk, REJECT, body.kept_ref.clone());
                self.stand(&body.hunk.id, body.reason.clone());
                self.await_checkpoint(&body.hunk.agent);
            }
            EventBody::DecisionRefused(body) => {
                let redoing = self.redoing(&body.hunk, &body.decision);
                self.set_redoing(redoing, false);
                self.stand(&body.hunk.id, None);
            }
            EventBody::UndoRequested(body) => self.set_undoing(body.event, true),
            EventBody::UndoRefused(body) => self.set_undoing(body.event, false),
            EventBody::HumanRevertedChange(body) => {
                let reason = self.decisions.get(&body.hunk.id).and_then(|decision| decision.reason.clone());
                let undone = Undone {
                    seq: event.seq,
                    hunk: body.hunk.clone(),
                    decision: body.decision.clone(),
                    reason: reason.filter(|_| body.decision == REJECT),
                    redoing: false,
                };
                self.undone.insert(event.seq, undone);
                self.touch(AggregateKey::Undone(event.seq));
                self.operations.remove(&body.event);
                self.touch(AggregateKey::Operation(body.event));
                self.stand(&body.hunk.id, None);
            }
            EventBody::HunksSeen(body) => {
                for hunk in &body.hunks {
                    let key = (hunk.agent.clone(), hunk.path.clone());
                    let empty = || {
                        Arc::new(SeenFile {
                            agent: hunk.agent.clone(),
                            path: hunk.path.clone(),
                            hunks: std::collections::BTreeMap::new(),
                            seq: event.seq,
                        })
                    };
                    Arc::make_mut(self.seen.entry(key.clone()).or_insert_with(empty)).add(hunk, event.seq);
                    self.touch(AggregateKey::Seen(key.0, key.1));
                }
            }
            _ => {}
        }
    }

    /// Notes a decision that is being carried out.
    fn begin(&mut self, event: &Event, hunk: &HunkRef, state: DecisionState, reason: Option<String>) {
        let before = self.standing(&hunk.id).filter(|before| before.hunk.is_same_content(hunk));
        let taken = before.map(|before| before.taken).unwrap_or_default();
        let decision = Decision { hunk: hunk.clone(), state, reason, seq: event.seq, taken };
        self.decisions.insert(hunk.id.clone(), decision);
        self.touch(AggregateKey::Decision(hunk.id.clone()));
    }

    /// Notes a decision that was carried out. A new one ends what could be made again.
    fn finish(&mut self, event: &Event, hunk: &HunkRef, decision: &str, kept_ref: Option<String>) {
        let over: Vec<EventSeq> = match self.redoing(hunk, decision) {
            Some(made_again) => vec![made_again],
            None => self.undone.keys().copied().collect(),
        };
        for seq in over {
            self.undone.remove(&seq);
            self.touch(AggregateKey::Undone(seq));
        }
        let operation = Operation {
            seq: event.seq,
            hunk: hunk.clone(),
            decision: decision.to_owned(),
            kept_ref,
            undoing: false,
        };
        self.operations.insert(event.seq, operation);
        self.touch(AggregateKey::Operation(event.seq));
    }

    /// Finds the undone decision that is being made again by this one.
    fn redoing(&self, hunk: &HunkRef, decision: &str) -> Option<EventSeq> {
        let is_it = |undone: &&Undone| undone.redoing && undone.decision == decision && undone.hunk == *hunk;
        self.undone.values().find(is_it).map(|undone| undone.seq)
    }

    fn set_redoing(&mut self, seq: Option<EventSeq>, redoing: bool) {
        if let Some(seq) = seq {
            if let Some(undone) = self.undone.get_mut(&seq) {
                undone.redoing = redoing;
            }
            self.touch(AggregateKey::Undone(seq));
        }
    }

    fn set_undoing(&mut self, seq: EventSeq, undoing: bool) {
        if let Some(operation) = self.operations.get_mut(&seq) {
            operation.undoing = undoing;
        }
        self.touch(AggregateKey::Operation(seq));
    }

    /// Puts a hunk's decision to what its operations say.
    fn stand(&mut self, hunk: &str, reason: Option<String>) {
        match self.standing(hunk) {
            Some(decision) => self.decisions.insert(hunk.to_owned(), Decision { reason, ..decision }),
            None => self.decisions.remove(hunk),
        };
        self.touch(AggregateKey::Decision(hunk.to_owned()));
    }

    /// Tells what a hunk's operations come to; the newest says for which content of it.
    fn standing(&self, hunk: &str) -> Option<Decision> {
        let of_hunk = || self.operations.values().filter(|operation| operation.hunk.id == hunk);
        let newest = of_hunk().next_back()?;
        let mut taken = HunkLines::default();
        let mut is_whole = false;
        let accepts = of_hunk()
            .filter(|operation| operation.decision == ACCEPT && operation.hunk.is_same_content(&newest.hunk));
        for operation in accepts {
            match &operation.hunk.lines {
                Some(lines) => taken = taken.with(lines),
                None => is_whole = true,
            }
        }
        let state = if newest.decision == REJECT && newest.hunk.lines.is_none() {
            DecisionState::Rejected
        } else if is_whole || taken.covers(&newest.hunk.all_lines()) {
            DecisionState::Accepted
        } else {
            DecisionState::Partly
        };
        let taken = if state == DecisionState::Partly { taken } else { HunkLines::default() };
        Some(Decision { hunk: newest.hunk.clone(), state, reason: None, seq: newest.seq, taken })
    }

    /// Gives the lines of a hunk that were taken out of its agent's worktree one part at a time, since the
    /// agent's newest checkpoint: what stands in a later one was made again.
    pub fn rejected_lines(&self, hunk: &HunkRef) -> HunkLines {
        let newest = self.agents.get(&hunk.agent).and_then(|agent| agent.checkpoint.as_ref());
        let newest = newest.map_or(EventSeq(0), |checkpoint| checkpoint.seq);
        self.operations
            .range(newest..)
            .filter(|(_, operation)| operation.decision == REJECT && operation.hunk.is_same_content(hunk))
            .filter_map(|(_, operation)| operation.hunk.lines.as_ref())
            .fold(HunkLines::default(), |all, lines| all.with(lines))
    }

    /// Gives what stands in the human's tree of one file of one agent, in the order it was taken: each content
    /// once, with the lines taken of it.
    pub fn accepted_of(&self, agent: &AgentKey, path: &[u8]) -> Vec<HunkRef> {
        let mut accepted = Vec::new();
        for operation in self.operations.values() {
            let hunk = &operation.hunk;
            if operation.decision == ACCEPT && hunk.agent == *agent && hunk.path.0 == path {
                add_accepted(&mut accepted, hunk);
            }
        }
        accepted
    }

    /// Gives the same as [`State::accepted_of`] for many files at once.
    pub fn accepted_of_files(
        &self,
        files: HashSet<(AgentKey, Bytes)>,
    ) -> HashMap<(AgentKey, Bytes), Vec<HunkRef>> {
        let mut accepted: HashMap<(AgentKey, Bytes), Vec<HunkRef>> =
            files.into_iter().map(|file| (file, Vec::new())).collect();
        if accepted.is_empty() {
            return accepted;
        }
        for operation in self.operations.values().filter(|operation| operation.decision == ACCEPT) {
            let hunk = &operation.hunk;
            if let Some(accepted) = accepted.get_mut(&(hunk.agent.clone(), hunk.path.clone())) {
                add_accepted(accepted, hunk);
            }
        }
        accepted
    }

    /// Forgets what is of no more use once an agent's worktree is gone.
    pub(super) fn forget_review(&mut self, agent: &AgentKey) {
        let seen: Vec<_> = self.seen.keys().filter(|(of, _)| of == agent).cloned().collect();
        for key in seen {
            self.seen.remove(&key);
            self.touch(AggregateKey::Seen(key.0, key.1));
        }
        let gone = |undone: &&Undone| undone.hunk.agent == *agent && undone.decision == REJECT;
        let gone: Vec<EventSeq> = self.undone.values().filter(gone).map(|undone| undone.seq).collect();
        for seq in gone {
            self.undone.remove(&seq);
            self.touch(AggregateKey::Undone(seq));
        }
    }
}

/// Adds what was taken to what was taken before; of one content the lines are put together.
fn add_accepted(accepted: &mut Vec<HunkRef>, hunk: &HunkRef) {
    let mut hunk = hunk.clone();
    if let Some(place) = accepted.iter().position(|before| before.is_same_content(&hunk)) {
        let before = accepted.remove(place);
        hunk.lines = before.lines.zip(hunk.lines).map(|(before, lines)| before.with(&lines));
    }
    if hunk.lines.as_ref().is_some_and(|lines| lines.covers(&hunk.all_lines())) {
        hunk.lines = None;
    }
    accepted.push(hunk);
}
