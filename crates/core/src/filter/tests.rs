//! The grammar as a table, and what holds for any text.

use proptest::prelude::*;

use super::*;
use crate::{RunId, Timestamp};

fn events(text: &str) -> Filter {
    Filter::parse(Scope::Events, text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"))
}

fn hunks(text: &str) -> Filter {
    Filter::parse(Scope::Hunks, text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"))
}

fn refused(scope: Scope, text: &str) -> String {
    let refusal = Filter::parse(scope, text).expect_err(text);
    assert_eq!(refusal.code, crate::Code::Usage);
    format!("{}; {}", refusal.message, refusal.hint.unwrap_or_default())
}

#[test]
fn filters_are_shown_in_one_form() {
    let table = [
        ("", ""),
        ("  \t ", ""),
        ("ai:claude", "agent:claude"),
        ("agent:claude agent:codex,7/aider*", "agent:claude,codex,7/aider*"),
        ("path:src/** -file:src/gen/**", "file:src/** -file:src/gen/**"),
        (r#"file:"a b/**",c"#, r#"file:"a b/**",c"#),
        (r#"file:a" "b"#, r#"file:"a b""#),
        (r#"file:"say \"hi\" \\ \n""#, r#"file:"say \"hi\" \\ \\n""#),
        ("TYPE:Edit type:tool_failed -type:status", "type:edit,tool_failed -type:status"),
        ("is:human,host is:failed -is:agent", "is:human,host is:failed -is:agent"),
        ("turn:-1,2 -turn:3 run:7", "turn:-1,2 -turn:3 run:7"),
        ("since:600s until:14:02", "since:10m until:14:02"),
        ("since:2026-11-25 until:2026-11-25T14:02:05", "since:2026-11-25T00:00 until:2026-11-25T14:02:05"),
        ("load config -parse", "load config -parse"),
        (r#""a:b" "two words" -"x y""#, r#""a:b" "two words" -"x y""#),
        ("14:02 a/b:3", r#""14:02" "a/b:3""#),
        ("- -- & word", "word"),
        ("last text type:turn", "type:turn last text"),
    ];
    for (typed, shown) in table {
        assert_eq!(events(typed).to_string(), shown, "{typed}");
    }
}

#[test]
fn refusals_say_what_was_perhaps_meant() {
    let table = [
        (Scope::Events, "agnet:claude", "there is no filter agnet:; did you mean agent:?"),
        (Scope::Events, "std::env", "as text it is \"std::env\", in quotes"),
        (Scope::Events, "type:turn_startd", "did you mean turn_started?"),
        (Scope::Events, "type:tol", "did you mean tool?"),
        (Scope::Events, "type:zzz", "there are: edit, tool, prompt"),
        (
            Scope::Hunks,
            "type:edit",
            "there is no type of hunk \"edit\"; there are: add, delete, change, binary",
        ),
        (Scope::Hunks, "is:unsen", "did you mean is:unseen?"),
        (Scope::Events, "is:unseen", "is:unseen means nothing for events"),
        (Scope::Hunks, "since:10m", "since:10m means nothing for hunks; there are: agent: file: type:"),
        (Scope::Agents, "turn:1", "turn:1 means nothing for agents"),
        (Scope::Events, "turn:0", "turn:0 is no turn"),
        (Scope::Events, "turn:+1", "turn:+1 is no turn"),
        (Scope::Events, "run:x", "run:x is no run"),
        (Scope::Events, "since:soon", "\"soon\" is no time; times look like since:90s"),
        (Scope::Events, "until:25:00", "is no time"),
        (Scope::Events, "since:2026-02-29", "is no time"),
        (Scope::Events, "since:1m,2m", "more than one time"),
        (Scope::Events, "since:1m since:2m", "since stands twice"),
        (Scope::Events, "-since:1m", "cannot be left out; until: is the other side"),
        (Scope::Events, "agent:", "says nothing after the colon"),
        (Scope::Events, "agent:a,,b", "a comma too much"),
        (Scope::Events, "agent:a/b", "cannot be an agent"),
        (Scope::Events, "agent:-x", "cannot be an agent"),
        (Scope::Events, "file:\"a b", "is not closed"),
    ];
    for (scope, typed, part) in table {
        let said = refused(scope, typed);
        assert!(said.contains(part), "{typed}: {said}");
    }
}

#[test]
fn files_are_matched_by_folders() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("src/main.rs", &["src/main.rs"], &["src/main.rs2", "a/src/main.rs"]),
        ("src", &["src", "src/a", "src/a/b"], &["src2/a", "a/src"]),
        ("src/", &["src/a"], &["srca"]),
        ("./src", &["src/a"], &[]),
        (".", &["a", "b/c"], &[]),
        ("*.rs", &["a.rs"], &["a/b.rs", "a.rsx"]),
        ("**/*.rs", &["a.rs", "a/b.rs", "a/b/c.rs"], &["a.rsx"]),
        ("src/**", &["src/a", "src/a/b"], &["src", "srca/b"]),
        ("src/**/x.rs", &["src/x.rs", "src/a/x.rs", "src/a/b/x.rs"], &["src/ax.rs", "x.rs"]),
        ("src/*/x.rs", &["src/a/x.rs"], &["src/x.rs", "src/a/b/x.rs"]),
        ("a?c", &["abc", "aäc"], &["ac", "a/c", "abbc"]),
        ("a**c", &["ac", "a/b/c", "abc"], &["ab"]),
        ("**", &["a", "a/b"], &[]),
        ("[a]*", &["[a]b"], &["ab"]),
    ];
    for (pattern, fits, not) in table {
        let pattern = FilePattern(pattern.as_bytes().to_vec());
        for path in *fits {
            assert!(pattern.fits(path.as_bytes()), "{pattern:?} {path}");
            assert!(path.as_bytes().starts_with(pattern.prefix()), "{pattern:?} {path}");
        }
        for path in *not {
            assert!(!pattern.fits(path.as_bytes()), "{pattern:?} {path}");
        }
    }
    assert!(FilePattern(b"a?b".to_vec()).fits(b"a\xffb"), "a byte that is no text is one character");
}

#[test]
fn each_part_admits_what_it_says() {
    let claude = AgentKey::new(RunId(7), "claude-2");
    assert!(hunks("agent:claude*").admits_agent(&claude));
    assert!(hunks("agent:7/claude-2").admits_agent(&claude));
    assert!(!hunks("agent:claude").admits_agent(&claude));
    assert!(!hunks("agent:8/*").admits_agent(&claude));
    assert!(!hunks("agent:* -agent:claude-2").admits_agent(&claude));
    assert!(hunks("turn:-1").admits_turn(Some(4), 4));
    assert!(hunks("turn:-2").admits_turn(Some(3), 4));
    assert!(!hunks("turn:2").admits_turn(Some(3), 4));
    assert!(!hunks("turn:2").admits_turn(None, 4));
    assert!(hunks("-turn:2").admits_turn(None, 4));
    assert!(hunks("run:-1").admits_run(7, 7));
    assert!(!hunks("-run:7").admits_run(7, 7));
    let both = |is| matches!(is, Is::Unseen | Is::Rival);
    assert!(hunks("is:unseen is:rival").admits_is(both));
    assert!(hunks("is:accepted,rival").admits_is(both));
    assert!(!hunks("is:unseen is:accepted").admits_is(both));
    assert!(!hunks("is:unseen -is:rival").admits_is(both));
    assert!(hunks("Load CONFIG").admits_text("load_config"));
    assert!(!hunks("load -config").admits_text("load_config"));
    assert!(hunks("type:add").admits_type(|word| word == "add"));
    assert!(!hunks("-type:binary").admits_type(|word| word == "binary" || word == "add"));
}

#[test]
fn groups_of_types_become_types() {
    let types = |text: &str| events(text).event_types().unwrap();
    assert_eq!(events("").event_types(), None);
    assert_eq!(types("type:turn_ended").types, ["turn_ended"]);
    let edit = types("type:edit");
    assert_eq!(
        edit.types,
        ["tool_requested", "tool_finished", "tool_failed", "tool_denied", "ai_generated_code"]
    );
    assert_eq!(edit.only_edits, ["tool_requested", "tool_finished", "tool_failed", "tool_denied"]);
    let other = types("type:tool -type:edit");
    assert_eq!(other.no_edits, ["tool_requested", "tool_finished", "tool_failed", "tool_denied"]);
    assert!(types("-type:tool").types.contains(&"turn_ended"));
    assert!(types("type:decision").types.contains(&"undo_requested"));
    assert_eq!(types("type:usage").types, ["usage_reported", "budget_set", "budget_passed", "limit_reached"]);
}

#[test]
fn times_are_read_in_the_local_zone() {
    let now = Timestamp(1_795_600_000_000_000); // 2026-11-25T09:46:40 UTC
    let at = |text: &str, offset: i64| Moment::parse(text).unwrap().at(now, |_| offset).0 / 1_000_000;
    assert_eq!(at("90s", 0), 1_795_600_000 - 90);
    assert_eq!(at("2026-11-25T09:46:40", 0), 1_795_600_000);
    assert_eq!(at("2026-11-25T10:46:40", 3600), 1_795_600_000);
    assert_eq!(at("09:46:40", 0), 1_795_600_000);
    assert_eq!(at("09:46:41", 0), 1_795_600_001 - 86_400, "a time that is still to come was yesterday");
    assert_eq!(at("10:46", 3600), 1_795_600_000 - 40);
    assert_eq!(at("1970-01-01", 0), 0);
    assert_eq!(at("99999999999999d", 0), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_stumble(text in "\\PC*|[-a-z:\",\\\\ */.0-9]*") {
        for scope in [Scope::Events, Scope::Hunks, Scope::Agents] {
            if let Ok(filter) = Filter::parse(scope, &text) {
                let shown = filter.to_string();
                prop_assert_eq!(Filter::parse(scope, &shown), Ok(filter), "{}", shown);
            }
        }
    }

    #[test]
    fn words_of_the_grammar_come_back_as_they_went(words in prop::collection::vec(word(), 0..8)) {
        if let Ok(filter) = Filter::parse(Scope::Events, &words.join(" ")) {
            let shown = filter.to_string();
            prop_assert_eq!(Filter::parse(Scope::Events, &shown), Ok(filter), "{}", shown);
        }
    }

    #[test]
    fn a_pattern_says_the_same_as_its_letters(pattern in "[ab/*?]{0,8}", path in "[ab/]{0,8}") {
        let pattern = FilePattern(pattern.into_bytes());
        if pattern.fits(path.as_bytes()) {
            prop_assert!(path.as_bytes().starts_with(pattern.prefix()));
        }
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?(agent|ai):([0-9]/)?[a-c*]{1,3}(,[a-c]{1,2})?",
        "-?(file|path):(\"[a-c ,/*\\\\]{1,6}\"|[a-c/*?]{1,6})",
        "-?type:(edit|tool|turn_ended|status)",
        "-?is:(human|host|failed)(,agent)?",
        "-?(turn|run):-?[1-9][0-9]?",
        "(since|until):([0-9]{1,3}[smhd]|1[0-9]:[0-5][0-9]|2026-11-2[0-9])",
        "-?[a-zäß]{1,5}",
        "-?\"[a-z: \\\\-]{0,6}\"",
    ]
}
