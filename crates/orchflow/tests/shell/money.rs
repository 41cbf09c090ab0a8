//! What agents cost, budgets that pause them, limits that end, and the human told of it by a command.

use orchflow_testkit::{Sandbox, wait_for};
use serde_json::{Value, json};

use crate::sandbox;

/// An agent that hands each line of `$HOME/orders` on as a report, and works a little meanwhile.
const TELLER: &str = r#"echo ready
line=0
touch "$HOME/orders"
while :; do
  orders=$(wc -l <"$HOME/orders")
  if [ "$orders" -le "$line" ]; then sleep 0.02; continue; fi
  line=$((line + 1))
  sed -n "${line}p" "$HOME/orders" | "$ORCHFLOW_HOOK" report told
done"#;

struct Telling {
    sandbox: Sandbox,
}

impl Telling {
    fn start(sandbox: Sandbox, words: &[&str]) -> Telling {
        sandbox.add_program("teller", "output", TELLER);
        let mut swarm = vec!["swarm", "--json", "--view", "none", "--agents", "teller"];
        swarm.extend(words);
        swarm.push("do it");
        sandbox.orchflow(&swarm).expect(0);
        // A turn that begins later would show that its model answers.
        sandbox.until("teller", "is in its turn", |row| row["living"] == true && row["turn"] == 1);
        wait_for("the teller is ready", || sandbox.home().join("orders").exists());
        Telling { sandbox }
    }

    fn tell(&self, report: &Value) {
        use std::io::Write as _;
        let path = self.sandbox.home().join("orders");
        let mut orders = std::fs::File::options().append(true).open(path).unwrap();
        writeln!(orders, "{}", json!({ "channel": "hook", "report": report })).unwrap();
    }

    fn used(&self, model: &str, input: u64, cost: Option<f64>) {
        let usage = json!({ "model": model, "input_tokens": input, "output_tokens": 10, "cost_usd": cost });
        self.tell(&json!({ "kind": "usage_reported", "usage": usage }));
    }
}

#[test]
fn what_was_used_is_told_with_what_is_not_known_of_it() {
    let sandbox = sandbox();
    let file = sandbox.config().join("prices.toml");
    orchflow_testkit::write(
        &file,
        "dated = '2026-11-01'\n[[price]]\nmodel = 'own-*'\ninput = 2.0\noutput = 0.0\n",
    );
    let telling = Telling::start(sandbox, &[]);
    let sandbox = &telling.sandbox;
    assert_eq!(sandbox.agent("teller")["cost"], Value::Null);
    telling.used("told", 100, Some(0.25));
    telling.used("own-1", 1_000_000, None);
    telling.used("nobody-knows", 500, None);
    let row = sandbox.until("teller", "told all", |row| row["usage"]["unknown_tokens"] == 510);
    assert_eq!((&row["cost"], &row["usage"]["complete"]), (&json!(2.25), &json!(false)));
    assert_eq!(row["usage"]["priced_usd"], 2.0);
    let by_model = sandbox.data_of(["cost", "--json", "model"]);
    let models: Vec<(&Value, &Value)> =
        by_model.as_array().unwrap().iter().map(|row| (&row["model"], &row["usd"])).collect();
    assert_eq!(
        models,
        [
            (&json!("nobody-knows"), &Value::Null),
            (&json!("own-1"), &json!(2.0)),
            (&json!("told"), &json!(0.25)),
            (&Value::Null, &json!(2.25))
        ]
    );
    let shown = sandbox.orchflow(["cost"]).expect(0).stdout;
    assert!(shown.contains("~2.25+?") && shown.contains("prices of 2026-11-01"), "{shown}");
    for by in ["agent", "turn", "run", "day"] {
        assert_eq!(sandbox.data_of(["cost", "--json", by]).as_array().unwrap().len(), 2, "{by}");
    }
    assert_eq!(sandbox.orchflow(["cost", "--json", "colour"]).error_code(), "usage");
    // What was counted is still so for the next host.
    sandbox.kill_host();
    assert_eq!(sandbox.data_of(["cost", "--json"])[0]["usd"], 2.25);
    sandbox.leave_nothing();
}

#[test]
fn a_budget_pauses_asks_and_goes_on_when_it_is_raised() {
    let telling = Telling::start(sandbox(), &["--budget", "1.50"]);
    let sandbox = &telling.sandbox;
    telling.used("m", 1, Some(1.0));
    telling.used("m", 1, Some(0.5));
    sandbox.until("teller", "is paused", |row| row["status"] == "paused" && row["budget_holds"] == "run 1");
    let status = sandbox.orchflow(["status", "--json"]).expect(0).json();
    assert_eq!(status["data"][0]["living"], true, "it was not ended");
    let refused = sandbox.orchflow(["resume", "--json", "teller"]).expect(1);
    assert_eq!(refused.error_code(), "not_allowed");
    assert!(refused.json()["error"]["hint"].as_str().unwrap().contains("orchflow budget --run 1"));
    let budgets = sandbox.data_of(["budget", "--json"]);
    assert_eq!((&budgets[0]["passed"], &budgets[0]["paused"]), (&json!(true), &json!(["teller"])));
    sandbox.orchflow(["budget", "10"]).expect(0);
    sandbox.until("teller", "goes on", |row| row["status"] != "paused" && row["budget_holds"].is_null());
    for bad in [vec!["budget", "--json", "much"], vec!["budget", "--json", "--day", "--run", "1", "5"]] {
        assert_eq!(sandbox.orchflow(&bad).error_code(), "usage", "{bad:?}");
    }
    let bad = ["swarm", "--json", "--agents", "teller", "--budget", "much", "do it"];
    assert_eq!(sandbox.orchflow(bad).error_code(), "usage");
    sandbox.leave_nothing();
}

#[test]
fn a_limit_shows_until_when_it_was_told_and_never_a_time_that_was_not() {
    let telling = Telling::start(sandbox(), &[]);
    let sandbox = &telling.sandbox;
    // Noon of a day far off, which no zone puts on today.
    let at = 4_102_488_000_000_000_i64;
    telling
        .tell(&json!({ "kind": "limit_reached", "limit": "quota", "message": "used up", "resets_at": at }));
    let row = sandbox.until("teller", "waits", |row| row["limit"]["kind"] == "quota");
    assert_eq!((&row["status"], &row["limit"]["resumes"]), (&json!("waiting"), &json!(true)));
    assert!(row["waiting_for"].as_str().unwrap().starts_with("quota used up until 2100-01-01"), "{row}");
    telling.tell(
        &json!({ "kind": "limit_reached", "limit": "rate", "message": "slow down", "resets_at": null }),
    );
    let row = sandbox.until("teller", "waits for another", |row| row["limit"]["kind"] == "rate");
    assert_eq!((&row["waiting_for"], &row["limit"]["resumes"]), (&json!("rate limit"), &json!(false)));
    sandbox.leave_nothing();
}

#[test]
fn the_words_of_a_failure_tell_a_limit_where_the_catalogue_knows_them() {
    let sandbox = sandbox();
    sandbox.add_program("teller", "output", TELLER);
    let entry = sandbox.config().join("agents/teller.toml");
    let text = std::fs::read_to_string(&entry).unwrap();
    let telling = Telling::start(sandbox, &[]);
    let sandbox = &telling.sandbox;
    orchflow_testkit::write(
        &entry,
        format!("{text}\n[[limit]]\nkind = 'quota'\ntext = 'limit reached|{{epoch}}'\n"),
    );
    let failed = "usage limit reached|4102488000";
    telling.tell(&json!({ "kind": "turn_failed", "error": "unknown", "message": failed }));
    let row = sandbox.until("teller", "waits", |row| row["limit"]["kind"] == "quota");
    assert_eq!(row["limit"]["resets_at"], Value::Null, "a time that far off is not believed");
    assert_eq!(sandbox.events(&["limit_reached"]).len(), 1);
    sandbox.leave_nothing();
}

#[test]
fn the_users_command_is_run_once_for_each_need_and_reads_no_shell() {
    let sandbox = sandbox();
    let told = sandbox.root().join("told");
    let program = sandbox.root().join("bin/tell-me");
    let script = format!(
        "#!/bin/sh\nfor word in \"$@\"; do printf '<%s>' \"$word\"; done >>'{0}'\necho >>'{0}'\n",
        told.display()
    );
    orchflow_testkit::write(&program, script);
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let config = format!("[notify]\ncommand = ['{}', '{{kind}}', '{{body}}', '$(id)']\n", program.display());
    orchflow_testkit::write(&sandbox.config().join("config.toml"), config);
    sandbox.add_rehearsal("asker", "- - ask: {tool: Bash, input: {command: 'true'}}\n");
    sandbox.orchflow(["swarm", "--json", "--agents", "asker", "do it"]).expect(0);
    let lines = || std::fs::read_to_string(&told).unwrap_or_default();
    wait_for("the command was run", || lines().lines().count() == 1);
    let approval = sandbox.data_of(["approvals", "--json"])[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(lines(), format!("<approval><asker asks for a permission ({approval})><$(id)>\n"));
    sandbox.orchflow(["approve", &approval]).expect(0);
    sandbox.orchflow(["wait", "--json"]).expect(0);
    assert_eq!(lines().lines().filter(|line| line.starts_with("<approval>")).count(), 1, "{}", lines());
    sandbox.leave_nothing();
}

#[test]
fn what_agents_take_of_the_machine_is_told_to_who_asks() {
    let telling = Telling::start(sandbox(), &[]);
    let row = telling.sandbox.agent("teller");
    assert!(row["rss_bytes"].as_u64().unwrap() > 100_000, "{row}");
    assert!(row["cpu_percent"].as_f64().unwrap() >= 0.0 && row["processes"].as_u64().unwrap() >= 1, "{row}");
    telling.sandbox.orchflow(["stop", "teller"]).expect(0);
    assert!(telling.sandbox.agent("teller")["rss_bytes"].is_null());
    telling.sandbox.leave_nothing();
}
