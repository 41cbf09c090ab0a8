//! An agent runs as the user, and is still not taken for the human.

use std::path::PathBuf;

use orchflow_testkit::{Sandbox, wait_for};
use serde_json::Value;

use crate::sandbox;

/// A program that runs each line of `$HOME/orders` as orchflow's words in three ways, and keeps what came of it.
fn add_insider(sandbox: &Sandbox) {
    let program = sandbox.program().display();
    let clean = "env -i PATH=\"$PATH\" HOME=\"$HOME\" XDG_DATA_HOME=\"$XDG_DATA_HOME\" \
                 XDG_CONFIG_HOME=\"$XDG_CONFIG_HOME\" XDG_RUNTIME_DIR=\"$XDG_RUNTIME_DIR\"";
    let script = format!(
        "echo ready\n\
         until [ -e \"$HOME/orders\" ]; do sleep 0.02; done\n\
         number=0\n\
         while read -r order; do\n\
           number=$((number + 1))\n\
           \"{program}\" $order </dev/null >\"$HOME/plain-$number\" 2>&1; echo $? >\"$HOME/plain-$number.code\"\n\
           {clean} \"{program}\" $order </dev/null >\"$HOME/bare-$number\" 2>&1; echo $? >\"$HOME/bare-$number.code\"\n\
           {clean} setsid --fork sh -c '\"$0\" \"$@\" </dev/null >\"'\"$HOME/daemon-$number\"'\" 2>&1; \
              echo $? >\"'\"$HOME/daemon-$number.code\"'\"' \"{program}\" $order\n\
         done <\"$HOME/orders\"\n\
         echo over >\"$HOME/over\"\n\
         cat >/dev/null"
    );
    sandbox.add_program("insider", "output", &script);
}

fn result(sandbox: &Sandbox, way: &str, number: usize) -> (i32, Value) {
    let path = |suffix: &str| -> PathBuf { sandbox.home().join(format!("{way}-{number}{suffix}")) };
    wait_for(&format!("{way} {number} ended"), || {
        std::fs::read_to_string(path(".code")).is_ok_and(|text| text.ends_with('\n'))
    });
    let code = std::fs::read_to_string(path(".code")).unwrap().trim().parse().unwrap();
    let text = std::fs::read_to_string(path("")).unwrap();
    (code, serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or(Value::String(text)))
}

#[test]
fn an_agent_may_look_and_may_not_decide() {
    let sandbox = sandbox();
    add_insider(&sandbox);
    sandbox.add_rehearsal(
        "asker",
        "- - edit: {path: a.txt, content: \"a\\n\"}\n- - ask: {tool: Bash, input: {command: 'true'}}\n",
    );
    sandbox.orchflow(["swarm", "--json", "--agents", "asker", "do it"]).expect(0);
    sandbox.orchflow(["wait", "--json"]).expect(0);
    sandbox.orchflow(["send", "asker", "and ask"]).expect(0);
    sandbox.until("asker", "asks", |row| row["approvals"] == 1);
    let approval = sandbox.data_of(["approvals", "--json"])[0]["id"].as_str().unwrap().to_owned();
    let hunk = sandbox.data_of(["review", "--json"])[0]["id"].as_str().unwrap().to_owned();
    sandbox.orchflow(["spawn", "--json", "insider"]).expect(0);
    let refused = [
        format!("approve --json {approval}"),
        format!("deny --json {approval}"),
        format!("approve --json --for always {approval}"),
        format!("approve --json --edit {{}} {approval}"),
        "budget --json 5".to_owned(),
        "rules --json".to_owned(),
        "rules --json allow --always Bash".to_owned(),
        "rules --json remove r_1".to_owned(),
        format!("accept --json {hunk}"),
        format!("accept --json --dry-run {hunk}"),
        format!("reject --json {hunk}"),
        format!("comment --json {hunk} fine"),
        "undo --json".to_owned(),
        "send --json all hello".to_owned(),
        "stop --json all".to_owned(),
        "clean --json".to_owned(),
        "spawn --json asker".to_owned(),
        "swarm --json --agents asker more".to_owned(),
        "host stop --json".to_owned(),
        "wait --json --on-approval deny".to_owned(),
    ];
    let orders = format!("{}\nstatus --json\n", refused.join("\n"));
    orchflow_testkit::write(&sandbox.home().join("orders.new"), orders);
    std::fs::rename(sandbox.home().join("orders.new"), sandbox.home().join("orders")).unwrap();
    wait_for("the insider tried everything", || sandbox.home().join("over").exists());
    for way in ["plain", "bare", "daemon"] {
        for (index, order) in refused.iter().enumerate() {
            let (code, object) = result(&sandbox, way, index + 1);
            assert_eq!(
                (code, &object["error"]["code"]),
                (1, &Value::from("not_allowed")),
                "{way}: {order}: {object}"
            );
        }
        let (code, object) = result(&sandbox, way, refused.len() + 1);
        assert_eq!(code, 0, "{way}: an agent may look: {object}");
    }
    assert_eq!(sandbox.data_of(["approvals", "--json"])[0]["id"], *approval, "nobody answered");
    assert!(!sandbox.repository.path.join("a.txt").exists());
    assert_eq!(sandbox.status().len(), 2);
    sandbox.leave_nothing();
}

#[test]
fn an_agent_does_not_start_the_host_of_its_own_repository() {
    let sandbox = sandbox();
    add_insider(&sandbox);
    sandbox.orchflow(["swarm", "--json", "--agents", "insider", "do it"]).expect(0);
    sandbox.until("insider", "is ready", |row| row["living"] == true && row["status"] != "starting");
    sandbox.kill_host();
    orchflow_testkit::write(&sandbox.home().join("orders.new"), "status --json\n");
    std::fs::rename(sandbox.home().join("orders.new"), sandbox.home().join("orders")).unwrap();
    for way in ["plain", "bare", "daemon"] {
        let (code, object) = result(&sandbox, way, 1);
        assert_eq!((code, &object["error"]["code"]), (1, &Value::from("not_allowed")), "{way}: {object}");
        let message = object["error"]["message"].as_str().unwrap();
        assert!(message.contains("1/insider") && message.contains("your own shell"), "{message}");
    }
    assert!(sandbox.hosts().is_empty());
    assert_eq!(sandbox.agent("insider")["living"], true, "a host of the human's finds it");
    sandbox.leave_nothing();
}

#[test]
fn who_asked_stands_in_the_log() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("r", crate::WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "r", "do it"]).expect(0);
    let begun = &sandbox.events(&["run_started"])[0];
    assert_eq!(
        (&begun["actor"], &begun["user"]),
        (&Value::from("script"), &Value::from("tester")),
        "{begun}"
    );
    let turn = &sandbox.events(&["turn_started"])[0];
    assert_eq!(turn["actor"], "agent", "{turn}");
    sandbox.leave_nothing();
}

#[test]
fn nothing_of_the_front_leads_an_agent_back_to_it() {
    let mut sandbox = sandbox();
    for name in ["NVIM", "TMUX", "TMUX_PANE", "WEZTERM_PANE", "GIT_AUTHOR_NAME", "CLAUDECODE"] {
        sandbox.set(name, Some("front"));
    }
    sandbox.set("MY_OWN", Some("stays"));
    sandbox.add_program(
        "env",
        "output",
        "env >\"$HOME/env.new\"; mv \"$HOME/env.new\" \"$HOME/env\"; echo ready; cat >/dev/null",
    );
    sandbox.orchflow(["swarm", "--json", "--view", "none", "--agents", "env", "do it"]).expect(0);
    wait_for("it wrote its environment down", || sandbox.home().join("env").exists());
    let text = std::fs::read_to_string(sandbox.home().join("env")).unwrap();
    assert!(!text.contains("=front"), "{text}");
    assert!(text.contains("MY_OWN=stays\n") && text.contains("ORCHFLOW_AGENT=1/env\n"), "{text}");
    let spawned = &sandbox.events(&["agent_spawned"])[0];
    let names = serde_json::to_string(&spawned["data"]["environment"]).unwrap();
    assert!(names.contains("MY_OWN") && !spawned.to_string().contains("stays"), "only names are recorded");
    let token = text.lines().find_map(|line| line.strip_prefix("ORCHFLOW_TOKEN=")).unwrap();
    let log = sandbox.orchflow(["log", "--json", "--limit", "10000", "--after", "0"]).expect(0);
    assert!(!log.stdout.contains(token), "a token is nobody's to read");
    sandbox.leave_nothing();
}
