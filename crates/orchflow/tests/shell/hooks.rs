//! What agents report arrives once and in order, whatever the host is doing.

use orchflow_testkit::{Sandbox, Signal, wait_for};
use serde_json::Value;

use crate::sandbox;

/// An agent that reports texts with numbers, so many as each line of `$HOME/orders` says; `$HOME/over-N` says
/// that it came so far.
const REPORTER: &str = r#"echo ready
number=0
line=0
touch "$HOME/orders"
while :; do
  orders=$(wc -l <"$HOME/orders")
  if [ "$orders" -le "$line" ]; then sleep 0.02; continue; fi
  line=$((line + 1))
  count=$(sed -n "${line}p" "$HOME/orders")
  while [ "$count" -gt 0 ]; do
    count=$((count - 1))
    number=$((number + 1))
    printf '{"hook_event_name":"MessageDisplay","turn_id":"t","message_id":"m%s","index":0,"final":true,"delta":"report %s."}' "$number" "$number" |
      "$ORCHFLOW_HOOK" claude MessageDisplay >>"$HOME/hook-said" 2>&1
    echo $? >>"$HOME/hook-codes"
  done
  echo over >"$HOME/over-$line"
done"#;

struct Reporting {
    sandbox: Sandbox,
    orders: usize,
    told: usize,
}

impl Reporting {
    fn start() -> Reporting {
        let sandbox = sandbox();
        Reporting::start_in(sandbox)
    }

    fn start_in(sandbox: Sandbox) -> Reporting {
        sandbox.add_program("reporter", "output", REPORTER);
        sandbox.orchflow(["swarm", "--json", "--agents", "reporter", "do it"]).expect(0);
        wait_for("the reporter is ready", || sandbox.home().join("orders").exists());
        sandbox.until("reporter", "runs", |row| row["living"] == true);
        Reporting { sandbox, orders: 0, told: 0 }
    }

    fn report(&mut self, count: usize) {
        use std::io::Write as _;
        let mut orders =
            std::fs::File::options().append(true).open(self.sandbox.home().join("orders")).unwrap();
        writeln!(orders, "{count}").unwrap();
        self.orders += 1;
        self.told += count;
    }

    fn wait_until_reported(&self) {
        let over = self.sandbox.home().join(format!("over-{}", self.orders));
        wait_for("the reports were made", || over.exists());
    }

    fn spooled(&self) -> u64 {
        std::fs::metadata(self.sandbox.store().join("agents/1-reporter/spool")).map_or(0, |spool| spool.len())
    }

    /// Waits until every report is in the log and checks that each is there once and in order.
    fn check(&self) {
        let shown = || -> Vec<String> {
            let events = self.sandbox.events(&["text_displayed"]);
            events.iter().map(|event| event["data"]["text"].as_str().unwrap().to_owned()).collect()
        };
        wait_for("every report arrived", || shown().len() >= self.told);
        let expected: Vec<String> = (1..=self.told).map(|number| format!("report {number}.")).collect();
        assert_eq!(shown(), expected);
    }

    fn check_hooks(&self) {
        let codes = std::fs::read_to_string(self.sandbox.home().join("hook-codes")).unwrap();
        assert!(codes.lines().all(|code| code == "0"), "an agent never suffers from its hooks: {codes}");
        assert_eq!(std::fs::read_to_string(self.sandbox.home().join("hook-said")).unwrap(), "");
    }
}

#[test]
fn while_the_host_is_down_reports_wait_in_the_spool() {
    let mut reporting = Reporting::start();
    reporting.report(5);
    reporting.wait_until_reported();
    reporting.check();
    assert_eq!(reporting.spooled(), 0, "with a host nothing is spooled");
    for round in 0..3 {
        match round {
            0 => drop(reporting.sandbox.orchflow(["host", "stop"]).expect(0)),
            _ => reporting.sandbox.kill_host(),
        }
        let before = reporting.spooled();
        reporting.report(12);
        reporting.wait_until_reported();
        assert!(reporting.spooled() > before, "the spool grows");
        // The next host takes them at its start; what comes meanwhile goes behind them.
        reporting.sandbox.orchflow(["status"]).expect(0);
        reporting.report(12);
        reporting.wait_until_reported();
        reporting.check();
        wait_for("the spool is empty again", || reporting.spooled() == 0);
    }
    reporting.check_hooks();
    let verified = reporting.sandbox.orchflow(["log", "verify", "--json"]).expect(0).json();
    assert_eq!(verified["data"][0]["intact"], true);
    reporting.sandbox.leave_nothing();
}

#[test]
fn a_host_that_stands_still_holds_no_agent_up() {
    let mut reporting = Reporting::start();
    let host = reporting.sandbox.hosts().swap_remove(0);
    host.signal(Signal::STOP);
    reporting.report(3);
    reporting.wait_until_reported();
    assert!(reporting.spooled() > 0, "what the host does not take is kept");
    host.signal(Signal::CONT);
    reporting.report(2);
    reporting.wait_until_reported();
    reporting.check();
    wait_for("the spool is empty again", || reporting.spooled() == 0);
    reporting.check_hooks();
    reporting.sandbox.leave_nothing();
}

#[test]
fn a_torn_spool_costs_only_what_was_torn() {
    let mut reporting = Reporting::start();
    reporting.sandbox.kill_host();
    reporting.report(4);
    reporting.wait_until_reported();
    let spool = reporting.sandbox.store().join("agents/1-reporter/spool");
    let mut bytes = std::fs::read(&spool).unwrap();
    // A writer that died in the middle of a record, and one that wrote nonsense.
    let cut = bytes.clone();
    bytes.extend(&cut[..cut.len() / 8]);
    bytes.extend(b"OFSP\x08\x00\x00\x00\x00\x00\x00\x00notagood");
    std::fs::write(&spool, bytes).unwrap();
    reporting.report(3);
    reporting.wait_until_reported();
    reporting.sandbox.orchflow(["status"]).expect(0);
    reporting.check();
    wait_for("the spool is empty again", || reporting.spooled() == 0);
    reporting.sandbox.leave_nothing();
}

#[test]
fn reports_of_somebody_else_are_not_taken() {
    let reporting = Reporting::start();
    let sandbox = &reporting.sandbox;
    let socket = sandbox.runtime().join("host.sock");
    let hook = sandbox.program().with_file_name("orchflow-hook");
    let spool = sandbox.root().join("forged");
    for (agent, token) in [("1/reporter", "0000"), ("1/nobody", ""), ("9/reporter", "x")] {
        let mut command = sandbox.command(&hook);
        command.args(["claude", "MessageDisplay"]);
        command.env("ORCHFLOW_SOCKET", &socket).env("ORCHFLOW_AGENT", agent);
        command.env("ORCHFLOW_TOKEN", token).env("ORCHFLOW_SPOOL", &spool);
        sandbox.run(command).expect(0);
    }
    assert!(sandbox.events(&["text_displayed"]).is_empty());
    assert!(sandbox.events(&["agent_reported"]).is_empty());
    reporting.sandbox.leave_nothing();
}

#[test]
fn a_full_disk_stops_no_agent_and_is_told_with_what_to_free() {
    let sandbox = sandbox();
    let data = sandbox.root().join("data");
    if !sandbox.mount(&data, "size=6m,mode=700") {
        println!("skipped: a full disk: no small file system can be mounted here");
        return;
    }
    let mut reporting = Reporting::start_in(sandbox);
    reporting.report(2);
    reporting.wait_until_reported();
    reporting.check();
    let ballast = data.join("ballast");
    fill(&ballast);
    reporting.report(30);
    reporting.wait_until_reported();
    let refused = reporting.sandbox.orchflow(["send", "--json", "reporter", &"x".repeat(100_000)]);
    let object = refused.json();
    assert_eq!((refused.code, refused.error_code().as_str()), (5, "read_only"), "{}", object["error"]);
    let told = format!("{} {}", object["error"]["message"], object["error"]["hint"]);
    assert!(told.contains("full") && told.contains("free"), "{told}");
    let row: Value = reporting.sandbox.agent("reporter");
    assert_eq!(row["living"], true, "agents live on, and looking still works");
    let text = reporting.sandbox.orchflow(["status"]).expect(0).stdout;
    assert!(text.contains("takes no writes"), "{text}");
    std::fs::remove_file(&ballast).unwrap();
    reporting.sandbox.orchflow(["send", "--json", "reporter", "hello"]).expect(0);
    let verified = reporting.sandbox.orchflow(["log", "verify", "--json"]).expect(0).json();
    assert_eq!(verified["data"][0]["intact"], true);
    let codes = std::fs::read_to_string(reporting.sandbox.home().join("hook-codes")).unwrap();
    assert!(codes.lines().all(|code| code == "0"), "{codes}");
    reporting.sandbox.leave_nothing();
}

/// Fills a file system to its last byte.
fn fill(file: &std::path::Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(file).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0u8; size]).is_ok() {}
    }
}
