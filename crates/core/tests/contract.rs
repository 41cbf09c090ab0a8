//! The JSON of each event type is a contract: what is in a log stays readable, and what reads it may rely
//! on it. A type without a snapshot under `tests/contract/` fails; so does a change of one.
//!
//! `ORCHFLOW_WRITE_CONTRACT=1` writes the files anew; what changes in them is then a matter of review.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use orchflow_core::event::payload::*;
use orchflow_core::event::{EVENT_TYPES, EventBody};
use orchflow_core::report::{Channel, Writer};
use orchflow_core::rule::{RuleScope, RuleSource, Verdict};
use orchflow_core::state::budget::BudgetScope;
use orchflow_core::state::ledger::Day;
use orchflow_core::state::{
    Confidence, PromptOrigin, ReadySignal, Signals, StatusSource, StatusState, TurnOutcome,
};
use orchflow_core::usage::{Context, LimitKind, PlanStatus, PlanStep, Usage};
use orchflow_core::{AgentKey, Code, EventSeq, RunId, Timestamp};
use serde_json::{Map, Value, json};

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn hunk() -> HunkRef {
    HunkRef {
        id: "h_9f2c41d00a1b".into(),
        hash: "5d41402abc4b2a76".into(),
        agent: AgentKey::new(RunId(7), "claude-2"),
        path: Bytes(b"caf\xe9/src/main.rs".to_vec()),
        line: 41,
        agent_line: Some(44),
        insertions: 3,
        deletions: 1,
        checkpoint: "c0ffee".into(),
        lines: Some(HunkLines { added: vec![1, 3], removed: vec![1] }),
    }
}

/// One of each type, with every optional field set.
fn samples() -> Vec<EventBody> {
    let prompt = 12;
    let tool = || "Bash".to_owned();
    let tool_use_id = some("toolu_01");
    let input = json!({"command": "touch zz", "timeout": 5});
    let approval = EventSeq(31);
    vec![
        HostStarted { version: "0.1.0".into(), pid: 4242, runners_found: 3, agents_lost: 1 }.into(),
        HostStopped { reason: "nobody is attached".into() }.into(),
        RunStarted {
            objective: "Make the greeting configurable".into(),
            base: "main@a1b2c3 + 3 uncommitted".into(),
            base_commit: "a1b2c3".into(),
            base_tree: "7ee".into(),
            branch: some("main"),
        }
        .into(),
        RunSettled { outcome: "done".into() }.into(),
        AgentRequested {
            kind: "claude".into(),
            title: "Claude Code".into(),
            rehearsal: true,
            index: 1,
            base_commit: "a1b2c3".into(),
            base_tree: "7ee".into(),
            base: "main@a1b2c3".into(),
            signals: Signals {
                status: StatusSource::Osc7501,
                hooks: true,
                ready: ReadySignal::BracketedPaste,
                ready_within_s: 60,
            },
        }
        .into(),
        WorktreeCreated { worktree: Bytes(b"/data/\xff/7-claude".to_vec()), strategy: "copy".into() }.into(),
        AgentSpawned {
            pid: 4243,
            runner_pid: 4242,
            argv: vec!["claude".into(), "--settings".into()],
            environment: vec!["PATH".into()],
            ports: vec![4100, 4101],
        }
        .into(),
        AgentFailedToStart { message: "claude is not installed; npm install it".into() }.into(),
        AgentStatusChanged {
            status: StatusState::Waiting,
            detail: some("approve Bash: touch zz"),
            waiting_for: some("approval"),
            source: Channel::Osc7501,
            confidence: Confidence::Stated,
        }
        .into(),
        StopRequested {}.into(),
        PauseRequested {}.into(),
        ResumeRequested {}.into(),
        AgentPaused { processes: 3 }.into(),
        AgentResumed { processes: 3 }.into(),
        PauseFailed { pause: true, message: "its runner is too old for it".into() }.into(),
        AgentAdopted {
            session: "10846561".into(),
            copy: true,
            process: Some(77),
            folder: Some(Bytes::from("/src/repo")),
        }
        .into(),
        AgentRestartRequested { session: some("10846561"), fresh: false }.into(),
        AgentExited { code: Some(1), signal: Some(9), leftover_ended: 2, lost: true }.into(),
        AgentSessionStarted { session: "10846561".into(), source: "startup".into() }.into(),
        AgentSessionEnded { reason: "prompt_input_exit".into() }.into(),
        InputModeChanged { bracketed_paste: true }.into(),
        ViewRequested { backend: "tmux".into() }.into(),
        ViewOpened { backend: "tmux".into(), view: "%5".into() }.into(),
        ViewClosed { view: "%5".into() }.into(),
        ViewNotOpened { reason: "the window is zoomed".into() }.into(),
        PromptQueued { prompt, text: "fix it".into(), origin: PromptOrigin::Review }.into(),
        PromptExtended { prompt, text: "and that".into() }.into(),
        PromptWriting { prompt }.into(),
        PromptWritten { prompt, bytes: 6, bracketed: true, echoed: true }.into(),
        PromptAccepted { prompt, evidence: "its prompt hook".into() }.into(),
        PromptUndelivered { prompt, reason: "the agent's process ended".into() }.into(),
        AiStartedTask {
            task: "Make the greeting configurable".into(),
            reasoning: "the human named this agent".into(),
            estimated_complexity: some("small"),
        }
        .into(),
        TurnStarted {
            turn: 2,
            prompt: Some(prompt),
            evidence: "its prompt hook".into(),
            text: some("typed"),
        }
        .into(),
        TurnEnded { turn: 2, outcome: TurnOutcome::Interrupted, message: some("Done.") }.into(),
        TurnHeld {
            writers: vec![Writer { pid: 77, command: "make".into(), path: "build.log".into() }],
            report: json!({"channel": "hook", "report": {"kind": "turn_ended", "message": "Done."}}),
        }
        .into(),
        TurnReleased {}.into(),
        ToolRequested {
            tool: tool(),
            tool_use_id: tool_use_id.clone(),
            input: input.clone(),
            reason: some("I will look."),
        }
        .into(),
        ToolFinished {
            tool: tool(),
            tool_use_id: tool_use_id.clone(),
            input: input.clone(),
            response: json!({"stdout": "", "code": 0}),
            duration_ms: Some(17),
        }
        .into(),
        ToolFailed {
            tool: tool(),
            tool_use_id: tool_use_id.clone(),
            error: "Exit code 1".into(),
            interrupted: true,
        }
        .into(),
        ToolDenied { tool: tool(), tool_use_id: tool_use_id.clone(), reason: "not here".into() }.into(),
        TextDisplayed { text: "I will look. 🎈".into(), last: true }.into(),
        NotificationShown { message: "Claude needs you".into(), category: "permission_prompt".into() }.into(),
        UsageReported {
            usage: Usage {
                model: some("claude-opus-5-5"),
                input_tokens: 1200,
                cached_tokens: 300,
                cache_write_tokens: 100,
                output_tokens: 52,
                reasoning_tokens: 12,
                cost_usd: Some(0.25),
                is_total: true,
                context: Some(Context { used: 1652, size: 200_000 }),
            },
            turn: 2,
        }
        .into(),
        BudgetSet { scope: BudgetScope::Run(RunId(7)), limit_usd: Some(5.5) }.into(),
        BudgetPassed {
            scope: BudgetScope::Day(Day(20_783)),
            limit_usd: 5.5,
            spent_usd: 5.75,
            unknown_tokens: 1200,
        }
        .into(),
        LimitReached {
            limit: LimitKind::Rate,
            message: "too many requests".into(),
            resets_at: Some(Timestamp(1_763_640_000_000_000)),
            resumes: true,
        }
        .into(),
        PlanUpdated {
            steps: vec![PlanStep { text: "read the code".into(), status: PlanStatus::InProgress }],
        }
        .into(),
        SubagentStarted { subagent: "a1".into(), category: "general-purpose".into() }.into(),
        SubagentStopped { subagent: "a1".into(), message: some("found it") }.into(),
        ApprovalRequested {
            request: "9c1f".into(),
            tool: tool(),
            input,
            tool_use_id,
            answerable: true,
            reason: some("I will look."),
        }
        .into(),
        ApprovalWithdrawn { approval, why: "the host was started anew".into() }.into(),
        ApprovalRejoined { approval }.into(),
        ApprovalAnswered {
            approval,
            allow: true,
            reason: some("fine"),
            rule: Some(EventSeq(12)),
            input: Some(json!({"command": "touch yy"})),
        }
        .into(),
        ApprovalSuperseded { approval, why: "the tool ran".into() }.into(),
        RuleAdded {
            verdict: Verdict::Allow,
            scope: RuleScope::Agent { agent: AgentKey::new(RunId(7), "claude") },
            matcher: "Bash: cargo test*".parse().unwrap(),
            reason: some("they only test"),
            source: RuleSource::Kept,
        }
        .into(),
        RuleRemoved { rule: EventSeq(12), why: "the human took it back".into() }.into(),
        CheckpointTaken {
            commit: "c0ffee".into(),
            tree: "7ee".into(),
            kept_ref: "refs/orchflow/agents/7/claude".into(),
            turn: 2,
            reason: "turn ended".into(),
            unchanged: true,
            files: 2,
            insertions: 64,
            deletions: 9,
            hunks: 5,
        }
        .into(),
        CheckpointFailed { message: "the disk is full".into(), turn: 2, reason: "turn ended".into() }.into(),
        AiGeneratedCode {
            file: "src/main.rs".into(),
            diff: "+3 -1".into(),
            explanation: some("Done."),
            checkpoint: "c0ffee".into(),
        }
        .into(),
        AiRequestedReview { changes: 5, confidence: Some(0.5), message: some("Done.") }.into(),
        AcceptRequested { hunk: hunk(), redoes: Some(EventSeq(42)) }.into(),
        HunkAccepted { hunk: hunk(), applied_to: "buffer".into(), already: true, kept_ref: some("refs/k") }
            .into(),
        RejectRequested { hunk: hunk(), redoes: Some(EventSeq(42)), reason: some("too clever") }.into(),
        HunkRejected { hunk: hunk(), reason: some("too clever"), kept_ref: some("refs/k") }.into(),
        DecisionRefused {
            hunk: hunk(),
            decision: "accept".into(),
            code: Code::HashMismatch,
            message: "it changed".into(),
        }
        .into(),
        HunksSeen {
            hunks: vec![SeenHunk {
                id: "h_9f2c41d00a1b".into(),
                hash: "5d41402abc4b2a76".into(),
                agent: AgentKey::new(RunId(7), "claude-2"),
                path: Bytes(b"caf\xe9/src/main.rs".to_vec()),
                place: HunkPlace { change: "lines".into(), start: 41, lines: 1 },
            }],
        }
        .into(),
        HunkCommented { hunk: hunk(), text: "why?".into() }.into(),
        UndoRequested { event: EventSeq(40) }.into(),
        HumanRevertedChange {
            event: EventSeq(40),
            reason: "undo".into(),
            hunk: hunk(),
            decision: "accept".into(),
        }
        .into(),
        UndoRefused { event: EventSeq(40), message: "the file changed since".into() }.into(),
        HumanProvidedGuidance { text: "use a constant".into(), context: vec![EventSeq(3), EventSeq(5)] }
            .into(),
        CleanRequested {}.into(),
        WorktreeCleaned { kept_ref: "refs/orchflow/agents/7/claude".into(), commit: some("c0ffee") }.into(),
        CleanFailed { message: "busy".into() }.into(),
        EffectLost { effect: "stop agent".into(), message: "no answer".into() }.into(),
        AgentReported { name: "PreCompact".into(), payload: json!({"trigger": "auto"}) }.into(),
    ]
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/contract")
}

/// Compares a file of the contract with what the code does now, or writes it.
fn hold(name: &str, value: &Value) {
    let path = folder().join(name);
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    if std::env::var_os("ORCHFLOW_WRITE_CONTRACT").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text, kept, "the contract {name} is broken");
}

#[test]
fn every_type_has_a_sample_and_every_snapshot_a_type() {
    let sampled: Vec<&str> = samples().iter().map(EventBody::event_type).collect();
    assert_eq!(sampled, EVENT_TYPES, "one sample a type, in the order of the vocabulary");
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != REQUIRED)
        .collect();
    let types: BTreeSet<String> = EVENT_TYPES.iter().map(|name| format!("{name}.json")).collect();
    if std::env::var_os("ORCHFLOW_WRITE_CONTRACT").is_none() {
        assert_eq!(files, types);
    }
}

#[test]
fn the_json_of_each_type_is_kept() {
    for body in samples() {
        hold(&format!("{}.json", body.event_type()), &body.to_json().unwrap());
    }
}

#[test]
fn a_payload_comes_back_as_it_went() {
    for body in samples() {
        let text = body.to_text().unwrap();
        assert_eq!(body.to_json().unwrap().to_string(), text, "both ways of writing are one");
        assert_eq!(EventBody::from_text(body.event_type(), &text).unwrap(), body);
    }
}

/// Names the fields a row must have; everything else may be missing from an older one.
const REQUIRED: &str = "required-fields.json";

#[test]
fn a_row_without_the_newer_fields_is_readable() {
    let mut required: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for body in samples() {
        let Value::Object(fields) = body.to_json().unwrap() else { panic!("{body:?}") };
        let is_needed = |name: &&String| {
            let mut rest = fields.clone();
            rest.remove(*name);
            EventBody::from_text(body.event_type(), &Value::Object(rest).to_string()).is_err()
        };
        let needed: Vec<String> = fields.keys().filter(is_needed).cloned().collect();
        let least: Map<String, Value> = fields
            .iter()
            .filter(|(name, _)| needed.contains(name))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        let read = EventBody::from_text(body.event_type(), &Value::Object(least).to_string());
        assert!(read.is_ok(), "{}: {read:?}", body.event_type());
        required.insert(body.event_type(), needed);
    }
    // A field may leave this list. One that joins it makes rows unreadable that were written before it.
    hold(REQUIRED, &serde_json::to_value(required).unwrap());
}

#[test]
fn a_row_of_a_newer_version_is_readable_as_far_as_it_is_known() {
    for body in samples() {
        let Value::Object(mut fields) = body.to_json().unwrap() else { panic!("{body:?}") };
        fields.insert("field_of_a_newer_version".to_owned(), json!({"a": [1, 2]}));
        let text = Value::Object(fields).to_string();
        assert_eq!(EventBody::from_text(body.event_type(), &text).unwrap(), body);
    }
}

#[test]
fn what_is_no_event_is_named() {
    let unknown = EventBody::from_text("agent_dreamt", "{}").unwrap_err();
    assert!(unknown.to_string().contains("agent_dreamt"), "{unknown}");
    for broken in ["", "null", "[]", "{\"prompt\":\"x\"}", "{\"prompt\":-1}"] {
        assert!(EventBody::from_text("prompt_writing", broken).is_err(), "{broken}");
    }
}

#[test]
fn bytes_that_are_no_text_survive() {
    for bytes in [&b""[..], b"a", b"\xff", b"\xff\xfe", b"a/\xe9/\x00", b"caf\xc3\xa9"] {
        let json = serde_json::to_string(&Bytes(bytes.to_vec())).unwrap();
        assert_eq!(json.starts_with('"'), std::str::from_utf8(bytes).is_ok(), "{json}");
        assert_eq!(serde_json::from_str::<Bytes>(&json).unwrap().0, bytes);
    }
    for wrong in ["{\"b64\":\"A\"}", "{\"b64\":\"####\"}", "{\"b64\":7}", "7"] {
        assert!(serde_json::from_str::<Bytes>(wrong).is_err(), "{wrong}");
    }
}
