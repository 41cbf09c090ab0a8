//! Permissions answered from the shell: once, by rules, with other arguments; and what is known of them afterwards.

use orchflow_testkit::{Sandbox, eventually};
use serde_json::{Value, json};

use crate::sandbox;

/// A rehearsal that asks three times.
const ASKER: &str = "- - ask: {tool: Bash, input: {command: 'touch one'}}\n  \
                     - ask: {tool: Bash, input: {command: 'touch two'}}\n  \
                     - ask: {tool: Edit, input: {file_path: a.txt, old_string: hello, new_string: bye}}\n";

/// Waits until an agent asks for something else than before.
fn asked(sandbox: &Sandbox, agent: &str, before: &str) -> Value {
    eventually("the agent asks", || {
        let approvals = sandbox.data_of(["approvals", "--json"]);
        let found =
            approvals.as_array().unwrap().iter().find(|row| row["agent"] == agent && row["id"] != before);
        found.cloned()
    })
}

fn id(approval: &Value) -> &str {
    approval["id"].as_str().unwrap()
}

#[test]
fn what_is_always_allowed_holds_for_the_next_agent_and_is_kept_with_the_user() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("asker", ASKER);
    sandbox.orchflow(["swarm", "--json", "--agents", "asker", "do it"]).expect(0);
    let first = asked(&sandbox, "asker", "");
    assert_eq!((&first["rule"], &first["editable"]), (&json!("Bash: touch one*"), &json!(true)));
    let answer = sandbox.orchflow(["approve", "--json", "--for", "always", id(&first)]).expect(0).json();
    assert_eq!(answer["data"][0]["rule"], "allow Bash: touch one*");
    let kept = std::fs::read_to_string(sandbox.data().join("rules.toml")).unwrap();
    assert!(kept.contains("allow = \"Bash: touch one*\""), "{kept}");
    let second = asked(&sandbox, "asker", id(&first));
    let worktree = sandbox.agent("asker")["worktree"].as_str().unwrap().to_owned();
    // Other arguments go with the answer; the file they name is there afterwards.
    sandbox.orchflow(["approve", id(&second), "--edit", "{\"command\": \"touch three\"}"]).expect(0);
    let third = asked(&sandbox, "asker", id(&second));
    assert!(std::path::Path::new(&worktree).join("three").exists());
    assert!(!std::path::Path::new(&worktree).join("two").exists());
    let shown = sandbox.orchflow(["approvals"]).expect(0).stdout;
    assert!(shown.contains("wants Edit: a.txt") && shown.contains("proposed"), "{shown}");
    sandbox.orchflow(["deny", id(&third), "--reason", "keep it"]).expect(0);
    sandbox.orchflow(["swarm", "--json", "--agents", "asker", "do it"]).expect(0);
    let next = asked(&sandbox, "asker-2", "");
    assert_eq!(next["summary"], "Bash: touch two", "the first was answered by the rule");
    let past = sandbox.data_of(["approvals", "--json", "--all", "agent:asker-2"]);
    let by: Vec<_> = past.as_array().unwrap().iter().map(|row| (&row["state"], &row["summary"])).collect();
    assert_eq!(
        by,
        [(&json!("pending"), &json!("Bash: touch two")), (&json!("allowed"), &json!("Bash: touch one"))]
    );
    assert!(past[1]["by"].as_str().unwrap().starts_with("r_"), "{past}");
    let denied = sandbox.data_of(["approvals", "--json", "agent:asker", "Edit"]);
    assert_eq!((&denied[0]["state"], &denied[0]["answer"]), (&json!("denied"), &json!("keep it")));
    sandbox.leave_nothing();
}

#[test]
fn the_users_own_file_denies_and_only_its_owner_changes_it() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("asker", ASKER);
    let file = sandbox.config().join("rules.toml");
    orchflow_testkit::write(&file, "[[rule]]\ndeny = 'Bash: touch*'\nreason = 'not here'\n");
    sandbox.orchflow(["swarm", "--json", "--agents", "asker", "do it"]).expect(0);
    let third = asked(&sandbox, "asker", "");
    assert_eq!(third["tool"], "Edit", "both commands were denied");
    let rules = sandbox.data_of(["rules", "--json"]);
    assert_eq!((&rules[0]["source"], &rules[0]["verdict"]), (&json!("config"), &json!("deny")));
    let rule = rules[0]["id"].as_str().unwrap();
    let refused = sandbox.orchflow(["rules", "--json", "remove", rule]).expect(1);
    assert_eq!(refused.error_code(), "not_allowed");
    // A broken file changes nothing of what held.
    orchflow_testkit::write(&file, "[[rule]]\ndenny = 'Bash'\n");
    let broken = sandbox.orchflow(["rules", "--json"]).expect(0).json();
    assert_eq!(broken["data"].as_array().unwrap().len(), 1);
    assert!(broken["warnings"][0].as_str().unwrap().contains("denny"), "{broken}");
    orchflow_testkit::write(&file, "");
    assert_eq!(sandbox.data_of(["rules", "--json"]), json!([]));
    sandbox.leave_nothing();
}

#[test]
fn rules_are_made_listed_and_taken_back_and_nonsense_is_refused() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("asker", ASKER);
    sandbox.orchflow(["swarm", "--json", "--agents", "asker,asker", "do it"]).expect(0);
    let (one, two) = (asked(&sandbox, "asker", ""), asked(&sandbox, "asker-2", ""));
    // One rule for the run answers what both wait for.
    let both = sandbox.orchflow(["approve", "--json", "--for", "run", id(&one), id(&two)]).expect(0).json();
    let states: Vec<&Value> = both["data"].as_array().unwrap().iter().map(|row| &row["state"]).collect();
    assert_eq!(states, ["allowed", "allowed"], "{both}");
    let made = sandbox.data_of(["rules", "--json", "deny", "--agent", "asker", "WebFetch"]);
    let rules = sandbox.data_of(["rules", "--json"]);
    let told: Vec<(&str, &str)> = rules
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["rule"].as_str().unwrap(), rule["scope"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("Bash: touch one*", "run 1"), ("WebFetch", "agent 1/asker")]);
    sandbox.orchflow(["rules", "remove", made[0]["id"].as_str().unwrap()]).expect(0);
    assert_eq!(sandbox.data_of(["rules", "--json"]).as_array().unwrap().len(), 1);
    let next = asked(&sandbox, "asker", id(&one));
    for (words, code) in [
        (vec!["rules", "--json", "remove", "r_x"], "unknown_rule"),
        (vec!["rules", "--json", "remove", "r_99999"], "unknown_rule"),
        (vec!["rules", "--json", "allow", "Bash"], "usage"),
        (vec!["rules", "--json", "allow", "--always", "mcp__*"], "usage"),
        (vec!["rules", "--json", "allow", "--always", "Bash:"], "usage"),
        (vec!["rules", "--json", "make", "Bash"], "usage"),
        (vec!["approve", "--json", id(&next), "--rule", "Bash"], "usage"),
        (vec!["approve", "--json", id(&next), "--for", "ever"], "usage"),
        (vec!["approve", "--json", id(&next), "--edit", "{"], "usage"),
        (vec!["approve", "--json", id(&next), "--edit", "7"], "usage"),
    ] {
        assert_eq!(sandbox.orchflow(&words).error_code(), code, "{words:?}");
    }
    assert_eq!(asked(&sandbox, "asker", id(&one))["id"], next["id"], "nothing was answered by any of it");
    sandbox.leave_nothing();
}
