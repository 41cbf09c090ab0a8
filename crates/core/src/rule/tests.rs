use serde_json::json;

use super::*;

const WORKTREE: &[u8] = b"/w/7-claude";

fn matcher(text: &str) -> Matcher {
    text.parse().unwrap()
}

fn command(text: &str) -> Value {
    json!({ "command": text })
}

#[test]
fn a_matcher_reads_as_it_is_written() {
    for text in ["Bash", "Bash: cargo test*", "mcp__github__create: x", "Edit: src/*.rs", "a:b: c"] {
        assert_eq!(matcher(text).to_string(), text);
    }
    assert_eq!(matcher(" Bash :  ls ").to_string(), "Bash: ls");
    for (text, error) in [
        ("", BadMatcher::NoTool),
        (": x", BadMatcher::NoTool),
        ("Bash: ", BadMatcher::NoPattern),
        ("Bash:", BadMatcher::NoPattern),
        ("Ba\u{1b}sh", BadMatcher::Tool),
    ] {
        assert_eq!(text.parse::<Matcher>(), Err(error), "{text:?}");
    }
    assert_eq!("x".repeat(LONGEST + 1).parse::<Matcher>(), Err(BadMatcher::TooLong));
    assert!(matcher("mcp__*").check(Verdict::Deny).is_ok());
    let wide = matcher("mcp__*").check(Verdict::Allow).unwrap_err();
    assert!(wide.to_string().contains("mcp__*"), "{wide}");
}

#[test]
fn a_rule_that_allows_a_command_allows_no_second_one() {
    let rule = matcher("Bash: cargo test*");
    for (text, expected) in [
        ("cargo test", true),
        ("cargo test --all -- name", true),
        ("  cargo test ", true),
        ("cargo test; rm -rf /", false),
        ("cargo test && git push", false),
        ("cargo test | tee x", false),
        ("cargo test > /etc/passwd", false),
        ("cargo test $(id)", false),
        ("cargo test `id`", false),
        ("cargo test\nid", false),
        ("cargo build", false),
        ("x; cargo test", false),
    ] {
        assert_eq!(rule.fits(Verdict::Allow, "Bash", &command(text), WORKTREE), expected, "{text:?}");
        let all = matcher("Bash").fits(Verdict::Allow, "Bash", &command(text), WORKTREE);
        assert_eq!(all, expected || text == "cargo build", "the tool alone: {text:?}");
    }
    assert!(!rule.fits(Verdict::Allow, "Shell", &command("cargo test"), WORKTREE));
    assert!(!rule.fits(Verdict::Allow, "Bash", &json!({ "other": 1 }), WORKTREE), "nothing there to fit");
    let spelt = matcher("Bash: make && make test");
    assert!(spelt.fits(Verdict::Allow, "Bash", &command("make && make test"), WORKTREE));
    assert!(matcher("Bash: ls *").fits(Verdict::Allow, "Bash", &command("ls"), WORKTREE));
    assert!(!matcher("Bash: ls *").fits(Verdict::Allow, "Bash", &command("lsof"), WORKTREE));
}

#[test]
fn no_rule_allows_what_asks_for_more_than_the_tool_may() {
    let rule = matcher("Bash: ls*");
    for (name, value, expected) in [
        ("timeout", json!(5), true),
        ("dangerouslyDisableSandbox", json!(true), false),
        ("dangerouslyDisableSandbox", json!(false), true),
        ("sandbox_permissions", json!("require_escalated"), false),
        ("sandbox_permissions", json!("use_default"), true),
        ("with_escalated_permissions", json!(true), false),
    ] {
        let input = json!({ "command": "ls", name: value });
        assert_eq!(rule.fits(Verdict::Allow, "Bash", &input, WORKTREE), expected, "{input}");
        assert!(rule.fits(Verdict::Deny, "Bash", &input, WORKTREE));
    }
}

#[test]
fn a_rule_that_denies_catches_the_command_wherever_it_stands() {
    let rule = matcher("Bash: git push*");
    for (text, expected) in [
        ("git push origin main", true),
        ("cd x && git push", true),
        ("(git push)", true),
        ("true; GIT_DIR=x git push -f", true),
        ("sudo env A=b git push", true),
        ("echo `git push`", true),
        ("git pull", false),
        ("echo git push", false),
    ] {
        for verdict in [Verdict::Deny, Verdict::Ask] {
            assert_eq!(rule.fits(verdict, "Bash", &command(text), WORKTREE), expected, "{text}");
        }
    }
    assert!(matcher("mcp__*").fits(Verdict::Deny, "mcp__mail__send", &json!({}), WORKTREE));
    assert!(matcher("*: *.env").fits(Verdict::Ask, "Read", &json!({ "path": ".env" }), WORKTREE));
}

#[test]
fn paths_count_from_the_worktree_and_lead_nowhere_else() {
    let edit = |path: &str| json!({ "file_path": path, "old_string": "a", "new_string": "b" });
    for (pattern, path, expected) in [
        ("Edit: src/*", "/w/7-claude/src/a/b.rs", true),
        ("Edit: src/*", "src/a.rs", true),
        ("Edit: *", "/w/7-claude/a.rs", true),
        ("Edit: *", "/etc/passwd", false),
        ("Edit: *", "/w/7-claude-2/a.rs", false),
        ("Edit: *", "../main/a.rs", false),
        ("Edit: src/*", "src/../../x", false),
        ("Edit: *", ".git/hooks/pre-commit", false),
        ("Edit: *", "a/.claude/settings.json", false),
        ("Edit: .github/*", ".github/x.yml", true),
        ("Edit: /etc/motd", "/etc/motd", true),
        ("Edit", "src/a.rs", true),
        ("Edit", "/etc/passwd", false),
    ] {
        let fits = matcher(pattern).fits(Verdict::Allow, "Edit", &edit(path), WORKTREE);
        assert_eq!(fits, expected, "{pattern} {path}");
    }
    assert!(matcher("Edit: *.lock").fits(Verdict::Deny, "Edit", &edit("/w/7-claude/Cargo.lock"), WORKTREE));
    assert!(matcher("Edit: /etc/*").fits(Verdict::Deny, "Edit", &edit("/etc/passwd"), WORKTREE));
}

#[test]
fn a_command_in_words_is_read_as_its_shell_would() {
    let rule = matcher("shell: cargo test*");
    for (words, expected) in [
        (json!(["bash", "-lc", "cargo test -q"]), true),
        (json!(["/bin/sh", "-c", "cargo test; id"]), false),
        (json!(["cargo", "test", "-q"]), true),
        (json!(["cargo", "test", "; id"]), false),
        (json!([1, 2]), false),
    ] {
        let input = json!({ "command": words });
        assert_eq!(rule.fits(Verdict::Allow, "shell", &input, WORKTREE), expected, "{input}");
    }
}

#[test]
fn the_strictest_rule_decides_and_among_equals_the_oldest() {
    let rule = |seq: u64, verdict, scope, text: &str| Rule {
        seq: EventSeq(seq),
        verdict,
        scope,
        matcher: matcher(text),
        reason: None,
        source: RuleSource::Log,
        at: Timestamp(0),
    };
    let claude = AgentKey::new(RunId(7), "claude");
    let rules = [
        rule(1, Verdict::Allow, RuleScope::Always, "Bash"),
        rule(2, Verdict::Ask, RuleScope::Run { run: RunId(7) }, "Bash: git *"),
        rule(3, Verdict::Deny, RuleScope::Agent { agent: claude.clone() }, "Bash: git push*"),
        rule(4, Verdict::Allow, RuleScope::Agent { agent: claude.clone() }, "Bash: git push*"),
    ];
    for (agent, text, expected) in [
        (&claude, "ls", Some(1)),
        (&claude, "git log", Some(2)),
        (&claude, "git push", Some(3)),
        (&AgentKey::new(RunId(7), "codex"), "git push", Some(2)),
        (&AgentKey::new(RunId(8), "codex"), "git push", Some(1)),
        (&AgentKey::new(RunId(8), "codex"), "a; b", None),
    ] {
        let found = judge(&rules, agent, "Bash", &command(text), WORKTREE);
        assert_eq!(found.map(|rule| rule.seq.0), expected, "{agent} {text}");
    }
}

#[test]
fn what_is_offered_is_narrow_and_fits() {
    for (tool, input, expected) in [
        ("Bash", command("cargo test --all"), "Bash: cargo test*"),
        ("Bash", command("npm run build -- -x"), "Bash: npm run build*"),
        ("Bash", command("ls -la"), "Bash: ls *"),
        ("Bash", command("rm -rf *"), r"Bash: rm -rf \*"),
        ("Bash", command("python3 -c 'x'"), "Bash: python3 -c 'x'"),
        ("Bash", command("a && b"), "Bash: a && b"),
        ("Bash", command("A=1 make"), "Bash: A=1 make"),
        ("Edit", json!({ "file_path": "/w/7-claude/src/a.rs" }), "Edit: *"),
        ("Edit", json!({ "file_path": "/etc/motd" }), "Edit: /etc/motd"),
        ("Edit", json!({ "file_path": ".env" }), "Edit: .env"),
        ("WebFetch", json!({ "url": "https://docs.rs/a/b?c" }), "WebFetch: https://docs.rs/*"),
        ("mcp__x__y", json!({ "deep": { "a": 1 } }), "mcp__x__y"),
    ] {
        let offered = suggest(tool, &input, WORKTREE);
        assert_eq!(offered.to_string(), expected, "{input}");
        assert!(offered.fits(Verdict::Allow, tool, &input, WORKTREE), "{offered} {input}");
    }
}
