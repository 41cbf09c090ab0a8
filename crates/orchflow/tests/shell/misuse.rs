//! What the user got wrong is named, with what to do next, and costs nothing else.

use orchflow_testkit::{Sandbox, write};
use serde_json::Value;

use crate::{WRITER, sandbox};

fn failure(sandbox: &Sandbox, words: &[&str], code: i32) -> (String, String, String) {
    let outcome = sandbox.orchflow(words).expect(code);
    let object = outcome.json();
    let part = |name: &str| object["error"][name].as_str().unwrap_or_default().to_owned();
    (part("code"), part("message"), part("hint"))
}

#[test]
fn an_unknown_key_of_the_configuration_is_named_with_its_dotted_path() {
    let sandbox = sandbox();
    let config = sandbox.config().join("config.toml");
    for (text, key) in [
        ("[worktrees]\nsetpu = 'make'\n", "worktrees.setpu"),
        ("agnets = ['claude']\n", "agnets"),
        ("[tmux]\nserver = 'mine'\n", "mine"),
        ("[host]\nidle_exit_s = 'long'\n", "idle_exit_s"),
        ("[host\n", "line 1"),
    ] {
        write(&config, text);
        let (code, message, _) = failure(&sandbox, &["status", "--json"], 2);
        assert_eq!(code, "config", "{message}");
        assert!(message.contains(key) && message.contains("config.toml"), "{message}");
        assert!(sandbox.hosts().is_empty());
    }
    write(&config, "[worktrees]\nports = 0\n");
    sandbox.orchflow(["status"]).expect(0);
    sandbox.leave_nothing();
}

#[test]
fn a_wrong_file_of_an_agent_is_named_and_the_others_work() {
    let sandbox = sandbox();
    sandbox.add_rehearsal("writer", WRITER);
    write(&sandbox.config().join("agents/broken.toml"), "program = 'x'\n[ready]\nsignl = 'output'\n");
    let listed = sandbox.orchflow(["agents", "--json"]).expect(0).json();
    let warning = listed["warnings"][0].as_str().unwrap();
    assert!(warning.contains("broken.toml") && warning.contains("ready.signl"), "{warning}");
    let names: Vec<&Value> = listed["data"].as_array().unwrap().iter().map(|agent| &agent["name"]).collect();
    assert!(
        names.contains(&&Value::from("writer")) && names.contains(&&Value::from("rehearsal")),
        "{names:?}"
    );
    let (code, _, hint) = failure(&sandbox, &["swarm", "--json", "--agents", "broken", "do it"], 2);
    assert_eq!(code, "unknown_kind");
    assert!(hint.contains("ready.signl"), "the file says why it is unknown: {hint}");
    let (_, message, hint) = failure(&sandbox, &["swarm", "--json", "--agents", "nobody", "do it"], 2);
    assert!(message.contains("nobody") && hint.contains("writer"), "{message} {hint}");
    // The host reads the files again: nobody has to restart it.
    sandbox.add_rehearsal("late", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "late,writer", "do it"]).expect(0);
    sandbox.leave_nothing();
}

#[test]
fn an_agent_that_is_not_installed_is_named_with_how_to_get_it() {
    let mut sandbox = sandbox();
    // Whatever is installed here: a PATH with git and a shell alone.
    let bin = sandbox.root().join("few");
    std::fs::create_dir(&bin).unwrap();
    for program in ["git", "sh"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|folder| folder.join(program))
            .find(|path| path.exists())
            .unwrap();
        std::os::unix::fs::symlink(std::fs::canonicalize(found).unwrap(), bin.join(program)).unwrap();
    }
    sandbox.set("PATH", Some(bin));
    let (code, message, hint) = failure(&sandbox, &["swarm", "--json", "--agents", "claude", "do it"], 2);
    assert_eq!(code, "agent_missing");
    assert!(
        message.contains("Claude Code") && hint.contains("npm install -g @anthropic-ai/claude-code"),
        "{message} {hint}"
    );
    assert!(sandbox.events(&["run_started"]).is_empty());
    let listed = sandbox.data_of(["agents", "--json"]);
    let claude = listed.as_array().unwrap().iter().find(|agent| agent["name"] == "claude").unwrap();
    assert_eq!((&claude["installed"], &claude["path"]), (&Value::from(false), &Value::Null));
    assert!(claude["hint"].as_str().unwrap().contains("npm install"), "{claude}");
    // With nobody named and nobody installed, rehearsals play, and it is said.
    let played = sandbox.orchflow(["swarm", "--wait", "--json", "do it"]).expect(0).json();
    assert_eq!(played["data"].as_array().unwrap().len(), 3);
    assert!(played["warnings"][0].as_str().unwrap().contains("rehearsals"), "{played}");
    sandbox.leave_nothing();
}

#[test]
fn a_program_that_cannot_be_run_is_a_failed_start() {
    let sandbox = sandbox();
    let broken = sandbox.add_program("broken", "output", "");
    write(&broken, "#!/no/such/interpreter\n");
    sandbox.add_rehearsal("writer", WRITER);
    let outcome =
        sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "broken,writer", "do it"]).expect(1);
    assert_eq!(outcome.error_code(), "agent_failed");
    let row = sandbox.agent("broken");
    assert_eq!(row["status"], "failed", "{row}");
    assert!(row["detail"].as_str().unwrap().contains("broken"), "{row}");
    assert_eq!(sandbox.agent("writer")["status"], "done");
    sandbox.orchflow(["stop", "--json", "all"]).expect(0);
    assert_eq!(sandbox.data_of(["clean", "--json", "all"]).as_array().unwrap().len(), 2);
    sandbox.leave_nothing();
}

#[test]
fn a_setup_that_fails_is_told_and_starts_nothing() {
    let sandbox = sandbox();
    write(
        &sandbox.config().join("config.toml"),
        "[worktrees]\nsetup = 'test \"$ORCHFLOW_PORT\" -gt 1024 && echo made > made.txt; echo no such dependency >&2; exit 3'\n",
    );
    sandbox.add_rehearsal("writer", WRITER);
    sandbox.orchflow(["swarm", "--wait", "--json", "--agents", "writer", "do it"]).expect(1);
    let row = sandbox.agent("writer");
    assert!(row["detail"].as_str().unwrap().contains("no such dependency"), "{row}");
    let worktree = std::path::PathBuf::from(row["worktree"].as_str().unwrap());
    assert!(worktree.join("made.txt").exists(), "it ran in the worktree, with its ports");
    sandbox.leave_nothing();
}
