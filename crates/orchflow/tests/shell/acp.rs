//! Agents of the Agent Client Protocol: driven in a runner's terminal like every other, from the shell.

use serde_json::json;

use crate::sandbox;

/// One tool after a permission, then words.
const ASKS: &str = r#"turn() {
  update '{"sessionUpdate":"plan","entries":[{"content":"write it","priority":"high","status":"in_progress"}]}'
  update '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"I will "}}'
  update '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"write."}}'
  update '{"sessionUpdate":"tool_call","toolCallId":"t1","title":"Write made.txt","name":"Write","kind":"edit","status":"pending","rawInput":{}}'
  ask '{"toolCallId":"t1","title":"Write made.txt","kind":"edit","rawInput":{"file_path":"'"$PWD"'/made.txt","content":"made\\n"}}'
  case $line in
    *o-1*) echo made > made.txt; status=completed ;;
    *) status=failed ;;
  esac
  update '{"sessionUpdate":"tool_call_update","toolCallId":"t1","status":"'$status'"}'
  update '{"sessionUpdate":"usage_update","used":12,"size":100,"cost":{"amount":0.25,"currency":"USD"}}'
  update '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"That is all."}}'
  ends end_turn
}"#;

#[test]
fn an_acp_agent_works_asks_and_is_reviewed_like_every_other() {
    let sandbox = sandbox();
    sandbox.add_acp("fake", ASKS);
    sandbox.orchflow(["swarm", "--json", "--agents", "fake", "make it\nin two lines"]).expect(0);
    // Its status comes another way than what it asks.
    let row = sandbox.until("fake", "waits for an approval", |row| {
        row["waiting_for"] == "approval" && row["approvals"] == 1
    });
    assert_eq!(row["status"], "waiting", "{row}");
    let approvals = sandbox.data_of(["approvals", "--json"]);
    assert_eq!((&approvals[0]["tool"], &approvals[0]["answerable"]), (&json!("Write"), &json!(true)));
    let id = approvals[0]["id"].as_str().unwrap();
    sandbox.orchflow(["approve", "--json", id]).expect(0);
    let row = sandbox.until("fake", "is done", |row| row["status"] == "done");
    assert_eq!(row["source"], "osc7501", "{row}");
    let hunks = sandbox.until("fake", "has hunks", |row| row["undecided"] == 1);
    assert_eq!(hunks["insertions"], 1);

    let types =
        ["agent_session_started", "prompt_accepted", "plan_updated", "tool_requested", "tool_finished"];
    for name in
        types.into_iter().chain(["text_displayed", "usage_reported", "turn_ended", "approval_answered"])
    {
        assert!(!sandbox.events(&[name]).is_empty(), "{name}");
    }
    let ended = &sandbox.events(&["turn_ended"])[0]["data"];
    assert_eq!((&ended["outcome"], &ended["message"]), (&json!("done"), &json!("That is all.")));
    assert_eq!(sandbox.events(&["usage_reported"])[0]["data"]["usage"]["cost_usd"], 0.25);
    assert_eq!(sandbox.events(&["agent_session_started"])[0]["data"]["session"], "s-1");
    let heard = String::from_utf8(sandbox.heard("fake")).unwrap();
    assert!(heard.contains(r#""text":"make it\nin two lines""#), "{heard}");

    // A second turn is denied.
    sandbox.orchflow(["send", "fake", "again"]).expect(0);
    sandbox.until("fake", "asks again", |row| row["waiting_for"] == "approval");
    let approvals = sandbox.data_of(["approvals", "--json"]);
    let id = approvals[0]["id"].as_str().unwrap();
    sandbox.orchflow(["deny", "--json", id, "not again"]).expect(0);
    let denied = sandbox.until_event("tool_denied", "the tool is denied", |event| event["agent"] == "fake");
    assert_eq!(denied["data"]["reason"], "not again");
    sandbox.until("fake", "is done again", |row| row["status"] == "done" && row["turn"] == 2);
    sandbox.leave_nothing();
}

#[test]
fn an_acp_agent_outlives_its_host_and_what_it_said_meanwhile_is_kept() {
    let sandbox = sandbox();
    let waits = "turn() {\n  update '{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{\"type\":\"text\",\
                 \"text\":\"first\"}}'\n  while [ ! -e \"$HOME/go\" ]; do sleep 0.05; done\n  \
                 update '{\"sessionUpdate\":\"tool_call\",\"toolCallId\":\"t\",\"title\":\"look\",\"kind\":\"read\",\
                 \"status\":\"completed\"}'\n  ends end_turn\n}";
    sandbox.add_acp("fake", waits);
    sandbox.orchflow(["swarm", "--json", "--agents", "fake", "go"]).expect(0);
    sandbox.until_event("text_displayed", "it speaks", |event| event["data"]["text"] == "first");
    sandbox.kill_host();
    std::fs::write(sandbox.home().join("go"), "").unwrap();
    let row = sandbox.until("fake", "is done", |row| row["status"] == "done");
    assert_eq!(row["turn"], 1, "{row}");
    assert_eq!(sandbox.events(&["tool_finished"]).len(), 1);
    assert_eq!(sandbox.events(&["turn_ended"]).len(), 1);
    sandbox.leave_nothing();
}

#[test]
fn an_acp_program_that_dies_in_its_turn_fails_it_and_says_why() {
    let sandbox = sandbox();
    sandbox.add_acp("fake", "turn() { echo 'it broke' >&2; exit 7; }");
    sandbox.orchflow(["swarm", "--json", "--agents", "fake", "go"]).expect(0);
    let ended =
        sandbox.until_event("turn_ended", "the turn failed", |event| event["data"]["outcome"] == "failed");
    let said = ended["data"]["message"].as_str().unwrap();
    assert!(said.contains("ended with exit code 7") && said.contains("it broke"), "{said}");
    sandbox.until("fake", "failed", |row| row["status"] == "failed" && row["living"] == false);
    sandbox.leave_nothing();
}

#[test]
fn a_missing_acp_program_is_named_with_the_way_to_get_it() {
    let sandbox = sandbox();
    let refused = sandbox.orchflow(["swarm", "--json", "--agents", "codex-acp", "go"]).expect(2).json();
    let error = &refused["error"];
    assert_eq!(error["code"], "agent_missing", "{error}");
    assert!(
        error["hint"].as_str().unwrap().contains("npm install -g @agentclientprotocol/codex-acp"),
        "{error}"
    );
}
