//! Recorded sessions of the real programs, replayed through parsing and deciding: was the status right after each
//! signal the program emitted?
//!
//! A signal counts as right when the status shown within 50 ms of it is what the program was doing by then. What the
//! program itself tells late, while it tells something else first, is counted apart.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod player;
mod truth;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use orchflow_agent::catalogue::Catalogue;
use orchflow_agent::hooks;
use orchflow_core::report::Report;
use orchflow_core::state::TurnOutcome;

use player::{Played, fixture, play};
use truth::{CASES, Case};

/// Within so many seconds of a signal the status has to be right.
const GRACE: f64 = 0.05;

#[derive(Default)]
struct Score {
    recordings: usize,
    signals: usize,
    right: usize,
    late: usize,
    wrong: Vec<String>,
}

fn score(case: &Case, played: &Played, score: &mut Score) {
    score.recordings += 1;
    for (at, signal) in &played.signals {
        score.signals += 1;
        let shown = played.status_at(at + GRACE);
        let was = [truth_at(case, *at), truth_at(case, at + GRACE)];
        if was.contains(&shown) {
            score.right += 1;
        } else if case.late.iter().any(|(from, to)| (*from..*to).contains(at)) {
            score.late += 1;
        } else {
            let place = format!("{}/{} at {at:.3} s", case.folder, case.recording);
            score.wrong.push(format!("{place}: after {signal} it showed {shown:?}, it was {:?}", was[0]));
        }
    }
}

fn truth_at(case: &Case, at: f64) -> &'static str {
    case.truth.iter().rev().find(|(from, _)| *from <= at).map_or("starting", |(_, word)| word)
}

#[test]
fn the_status_is_right_after_every_recorded_signal() {
    let (catalogue, problems) = Catalogue::load(None);
    assert_eq!(problems, []);
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    for case in CASES {
        let played = play(&catalogue, case);
        let turns: Vec<TurnOutcome> = played.turns.clone();
        assert_eq!(turns, case.turns, "the turns of {}/{}", case.folder, case.recording);
        score(case, &played, scores.entry(case.folder).or_default());
    }
    let mut table = String::from("program            recordings  signals  right  late  accuracy\n");
    let mut wrong = Vec::new();
    for (program, score) in &mut scores {
        let counted = score.signals - score.late;
        let accuracy = 100.0 * score.right as f64 / counted.max(1) as f64;
        writeln!(
            table,
            "{program:<18} {:>10} {:>8} {:>6} {:>5} {accuracy:>8.1}%",
            score.recordings, score.signals, score.right, score.late
        )
        .unwrap();
        wrong.append(&mut score.wrong);
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{table}\n{}", wrong.join("\n"));
}

#[test]
fn every_recorded_hook_is_read() {
    for (format, folder, expected) in [
        (
            "codex",
            "codex-0.169.0",
            &[
                "approval_requested",
                "prompt_submitted",
                "session_ended",
                "session_started",
                "tool_finished",
                "tool_requested",
                "turn_ended",
            ][..],
        ),
        (
            "gemini",
            "gemini-0.61.0",
            &[
                "approval_requested",
                "prompt_submitted",
                "session_ended",
                "session_started",
                "tool_finished",
                "tool_requested",
                "turn_ended",
            ],
        ),
        (
            "qwen",
            "qwen-0.24.4",
            &[
                "notification_shown",
                "other",
                "prompt_submitted",
                "session_started",
                "tool_finished",
                "tool_requested",
                "turn_ended",
            ],
        ),
    ] {
        let mut kinds = BTreeMap::new();
        for line in fixture(folder, "hooks.jsonl").unwrap().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let body = line["body"].to_string();
            let parsed = hooks::parse(format, line["name"].as_str().unwrap(), body.as_bytes());
            assert_eq!(parsed.note, None, "{folder}: {body}");
            assert_eq!(parsed.session_id.as_deref(), line["body"]["session_id"].as_str());
            assert_eq!(parsed, hooks::parse(format, "", body.as_bytes()), "the body names its hook");
            if let Report::Other { payload, .. } = &parsed.report {
                assert_eq!(payload["prompt"], "", "only what says nothing has no better word: {payload}");
            }
            let kind = serde_json::to_value(&parsed.report).unwrap()["kind"].as_str().unwrap().to_owned();
            *kinds.entry(kind).or_insert(0) += 1;
        }
        let seen: Vec<&str> = kinds.keys().map(String::as_str).collect();
        assert_eq!(seen, expected, "{folder}: {kinds:?}");
    }
}

#[test]
fn titles_in_what_the_programs_drew_mean_what_they_did() {
    let (catalogue, _) = Catalogue::load(None);
    for (kind, folder, expected) in [
        ("codex", "codex-0.169.0", &["blocked"][..]),
        ("gemini", "gemini-0.61.0", &["idle", "working", "blocked", "working", "idle"]),
        ("qwen", "qwen-0.24.4", &["idle", "working", "blocked"]),
    ] {
        let shown = catalogue.get(kind).unwrap().shown();
        let bytes = player::fixture_bytes(folder, "tui.bytes").unwrap();
        let mut seen: Vec<String> = Vec::new();
        for title in player::titles(&bytes) {
            let Some(Report::StatusStated { state, .. }) = shown.read_title(&title) else { continue };
            let word = format!("{state:?}").to_lowercase();
            if seen.last() != Some(&word) {
                seen.push(word);
            }
        }
        assert_eq!(seen, expected, "{folder}");
    }
}
