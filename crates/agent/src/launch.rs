//! How an agent is started: its command line, its environment and the files it finds.
//!
//! Everything here is data; the caller writes the files and starts the process. Nothing of the user's
//! own settings is written: what an agent needs to know comes by arguments and environment of this
//! launch alone.

mod environment;

use std::ffi::OsString;
use std::path::PathBuf;

use orchflow_core::AgentKey;

use crate::adapter;
use crate::catalogue::{Entry, Kind};
use crate::orders::{self, Orders};

pub(crate) use environment::is_ours_to_set;

/// What is known about one launch.
#[derive(Debug, Clone)]
pub struct LaunchContext {
    /// The agent.
    pub key: AgentKey,
    /// The agent's folder, where its files of this launch go.
    pub agent_dir: PathBuf,
    /// Where it works.
    pub worktree: PathBuf,
    /// The agent's program, as [`Entry::detect`] found it; else the entry's word for it is used.
    pub program: Option<PathBuf>,
    /// The hook program.
    pub hook_program: PathBuf,
    /// Orchflow's own program, which plays rehearsals.
    pub orchflow_program: PathBuf,
    /// The environment of the front that starts the agent.
    pub front_environment: Vec<(OsString, OsString)>,
    /// The host's socket.
    pub socket: PathBuf,
    /// The agent's token.
    pub token: String,
    /// The agent's spool.
    pub spool: PathBuf,
    /// Ports kept free for this worktree.
    pub ports: Vec<u16>,
    /// Arguments after all others.
    pub extra_args: Vec<OsString>,
    /// A fresh UUID the program shall use for its session.
    pub session_id: Option<String>,
    /// The session to take up again.
    pub resume: Option<String>,
    /// Whether it goes on in a copy of that session, which another process may still have open.
    pub fork: bool,
    /// Its place in its run, from 0; tells rehearsals apart.
    pub persona: u32,
    /// Whether hooks that ask deny when nobody can be asked.
    pub policy_enforced: bool,
}

/// What to start. The environment is complete; nothing is inherited besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Files to write before, each with its mode.
    pub files: Vec<(PathBuf, Vec<u8>, u32)>,
}

/// Says why a launch cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The hook's command is written into JSON, which holds text only.
    #[error(
        "the path of the hook program, {}, is not valid UTF-8, so {agent} cannot be told to run it; install orchflow under another path",
        path.display()
    )]
    HookPath {
        /// The path.
        path: PathBuf,
        /// The agent's title.
        agent: String,
    },
    /// A file of the launch is named in text.
    #[error(
        "the path {} is not valid UTF-8, so {agent} cannot be told of it; set XDG_DATA_HOME to one that is",
        path.display()
    )]
    FilePath {
        /// The path.
        path: PathBuf,
        /// The agent's title.
        agent: String,
    },
    /// The user's own configuration of a launch cannot be added to.
    #[error("{name} in the environment is not {wanted}; correct or unset it, then start {agent} again")]
    Environment {
        /// The variable.
        name: String,
        /// The agent's title.
        agent: String,
        /// What it has to be.
        wanted: String,
    },
    /// The entry says nothing about resuming.
    #[error("{agent} cannot take up an earlier session: its catalogue entry has no `resume.args`")]
    CannotResume {
        /// The agent's title.
        agent: String,
    },
    /// The entry does not say how a session is copied.
    #[error("{agent} cannot go on in a copy of a session: its catalogue entry has no `resume.fork`")]
    CannotFork {
        /// The agent's title.
        agent: String,
    },
}

/// Prepares a launch.
///
/// # Errors
/// [`LaunchError`] when the entry cannot be started in this way.
pub fn prepare(entry: &Entry, context: &LaunchContext) -> Result<Launch, LaunchError> {
    let environment = environment::complete(entry, context);
    if entry.kind.is_driven() {
        return Ok(driven(entry, context, environment));
    }
    let mut argv: Vec<OsString> = Vec::new();
    if entry.kind == Kind::Rehearsal {
        argv.push(context.orchflow_program.clone().into());
        argv.extend(["rehearsal", "--name", &context.key.name, "--persona"].map(OsString::from));
        argv.push(context.persona.to_string().into());
        if let Some(script) = entry.script() {
            argv.extend(["--script".into(), script.into()]);
        }
    } else {
        argv.push(program(entry, context).into());
    }
    argv.extend(entry.args.iter().map(OsString::from));
    let mut launch = Launch { argv, environment, files: Vec::new() };
    if let Some(adapter) = adapter::find(entry.kind.word()) {
        (adapter.launch)(entry, context, &mut launch)?;
    }
    if let Some(session) = &context.resume {
        if entry.resume.args.is_empty() {
            return Err(LaunchError::CannotResume { agent: entry.title.clone() });
        }
        if context.fork && entry.resume.fork.is_empty() {
            return Err(LaunchError::CannotFork { agent: entry.title.clone() });
        }
        let fork: &[String] = if context.fork { &entry.resume.fork } else { &[] };
        let words = entry.resume.args.iter().chain(fork);
        launch.argv.extend(words.map(|word| word.replace("{session_id}", session).into()));
    }
    launch.argv.extend(context.extra_args.iter().cloned());
    Ok(launch)
}

fn program(entry: &Entry, context: &LaunchContext) -> PathBuf {
    context.program.clone().unwrap_or_else(|| PathBuf::from(&entry.program))
}

/// Prepares an agent without a terminal of its own: its driver, with its orders in a file.
fn driven(entry: &Entry, context: &LaunchContext, environment: Vec<(OsString, OsString)>) -> Launch {
    let more = context.extra_args.iter().map(|word| word.to_string_lossy().into_owned());
    let orders = Orders {
        kind: entry.kind,
        name: context.key.name.clone(),
        title: entry.title.clone(),
        program: program(entry, context),
        args: entry.args.iter().cloned().chain(more).collect(),
        resume: context.resume.clone(),
        acp: entry.acp.clone().unwrap_or_default(),
        api: entry.api.clone(),
    };
    let file = context.agent_dir.join(orders::FILE);
    let argv = vec![context.orchflow_program.clone().into(), "drive".into(), file.clone().into()];
    Launch { argv, environment, files: vec![(file, orders.to_bytes(), 0o600)] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use orchflow_core::RunId;
    use serde_json::Value;

    fn context() -> LaunchContext {
        LaunchContext {
            key: AgentKey::new(RunId(7), "claude-2"),
            agent_dir: "/data/agents/7-claude-2".into(),
            worktree: "/trees/7-claude-2".into(),
            program: Some("/usr/bin/claude".into()),
            hook_program: "/opt/it's here/orchflow-hook".into(),
            orchflow_program: "/opt/orchflow".into(),
            front_environment: Vec::new(),
            socket: "/run/host.sock".into(),
            token: "ab12".into(),
            spool: "/data/agents/7-claude-2/spool".into(),
            ports: vec![41_000, 41_001],
            extra_args: vec!["--verbose".into()],
            session_id: None,
            resume: None,
            fork: false,
            persona: 2,
            policy_enforced: false,
        }
    }

    fn launch(name: &str, context: &LaunchContext) -> Launch {
        let (catalogue, _) = Catalogue::load(None);
        prepare(catalogue.get(name).unwrap(), context).unwrap()
    }

    fn words(launch: &Launch) -> Vec<&str> {
        launch.argv.iter().map(|word| word.to_str().unwrap()).collect()
    }

    #[test]
    fn claude_gets_its_hooks_by_a_settings_file_of_this_launch() {
        let launch = launch("claude", &context());
        let settings = "/data/agents/7-claude-2/settings.json";
        assert_eq!(words(&launch), ["/usr/bin/claude", "--settings", settings, "--verbose"]);
        let [(path, bytes, mode)] = launch.files.as_slice() else { panic!() };
        assert_eq!((path.to_str(), *mode), (Some(settings), 0o600));
        let json: Value = serde_json::from_slice(bytes).unwrap();
        let hooks = json["hooks"].as_object().unwrap();
        assert_eq!(hooks.len(), 17);
        assert_eq!(
            hooks["Stop"],
            serde_json::json!([{"hooks": [{
                "type": "command",
                "command": r"'/opt/it'\''s here/orchflow-hook' claude Stop",
                "timeout": 10,
            }]}])
        );
        assert_eq!(
            hooks["PermissionRequest"][0]["hooks"][0],
            serde_json::json!({
                "type": "command",
                "command": r"'/opt/it'\''s here/orchflow-hook' --wait 590 claude PermissionRequest",
                "timeout": 600,
            })
        );
    }

    #[test]
    fn a_shell_reads_the_hook_command_as_the_path_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let hook = directory.path().join("it's \"a\" $HOME `x` \\ path");
        std::fs::write(&hook, "#!/bin/sh\nprintf '%s|' \"$@\"\n").unwrap();
        std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let launch = launch("claude", &LaunchContext { hook_program: hook, ..context() });
        let settings: Value = serde_json::from_slice(&launch.files[0].1).unwrap();
        let command = settings["hooks"]["Stop"][0]["hooks"][0]["command"].as_str().unwrap().to_owned();
        let output = std::process::Command::new("sh").arg("-c").arg(command).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "claude|Stop|", "{output:?}");
    }

    #[test]
    fn sessions_are_named_or_taken_up_but_not_both() {
        let mut context = context();
        context.session_id = Some("11111111-2222-3333-4444-555555555555".into());
        assert!(words(&launch("claude", &context)).contains(&"--session-id"));
        context.resume = Some("99999999-2222-3333-4444-555555555555".into());
        let resumed = launch("claude", &context);
        let words = words(&resumed);
        assert!(!words.contains(&"--session-id"));
        assert!(words.windows(2).any(|pair| pair == ["--resume", "99999999-2222-3333-4444-555555555555"]));

        context.fork = true;
        let forked = launch("claude", &context);
        let text = forked.argv.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ");
        assert!(text.contains("--resume 99999999-2222-3333-4444-555555555555 --fork-session"), "{text}");

        let (catalogue, _) = Catalogue::load(None);
        let error = prepare(catalogue.get("shell").unwrap(), &context).unwrap_err();
        assert!(error.to_string().contains("resume.args"));
    }

    #[test]
    fn a_rehearsal_is_orchflow_itself() {
        let launch = launch("rehearsal", &context());
        assert_eq!(
            words(&launch),
            ["/opt/orchflow", "rehearsal", "--name", "claude-2", "--persona", "2", "--verbose"]
        );
        assert!(
            launch.environment.contains(&("ORCHFLOW_HOOK".into(), "/opt/it's here/orchflow-hook".into()))
        );
    }

    fn json_of(launch: &Launch, name: &str) -> Value {
        let file = launch.files.iter().find(|(path, ..)| path.ends_with(name)).unwrap();
        serde_json::from_slice(&file.1).unwrap()
    }

    #[test]
    fn copilot_gets_its_hooks_by_a_plugin_of_this_launch() {
        let launch = launch("copilot", &context());
        let plugin = "/data/agents/7-claude-2/copilot-plugin";
        assert_eq!(words(&launch), ["/usr/bin/claude", "--plugin-dir", plugin, "--verbose"]);
        assert_eq!(json_of(&launch, "copilot-plugin/plugin.json")["hooks"], "hooks/hooks.json");
        let hooks = json_of(&launch, "copilot-plugin/hooks/hooks.json");
        assert_eq!(hooks["version"], 1);
        assert_eq!(
            hooks["hooks"]["permissionRequest"],
            serde_json::json!([{
                "type": "command",
                "bash": r"'/opt/it'\''s here/orchflow-hook' --wait 590 copilot permissionRequest",
                "timeoutSec": 600,
            }])
        );
        assert_eq!(hooks["hooks"].as_object().unwrap().len(), 12);
        let resumed =
            LaunchContext { resume: Some("s-1".into()), session_id: Some("s-2".into()), ..context() };
        let resumed = super::tests::launch("copilot", &resumed);
        assert!(words(&resumed).contains(&"--resume=s-1") && !words(&resumed).contains(&"--session-id"));
    }

    #[test]
    fn opencode_gets_a_plugin_beside_those_of_the_user() {
        let config = |launch: &Launch| -> Value {
            let found = launch.environment.iter().filter(|(name, _)| name == "OPENCODE_CONFIG_CONTENT");
            let [(_, text)] = found.collect::<Vec<_>>()[..] else { panic!("not once") };
            serde_json::from_str(text.to_str().unwrap()).unwrap()
        };
        let ours = "file:///data/agents/7%20%C3%A9/opencode-plugin.js";
        let mut context = LaunchContext { agent_dir: "/data/agents/7 é".into(), ..context() };
        let plain = launch("opencode", &context);
        assert_eq!(config(&plain), serde_json::json!({ "plugin": [ours] }));
        assert!(plain.files[0].1.starts_with(b"// Tells orchflow"));
        context.front_environment =
            vec![("OPENCODE_CONFIG_CONTENT".into(), r#"{"model":"x/y","plugin":["mine"]}"#.into())];
        let merged = config(&launch("opencode", &context));
        assert_eq!(merged, serde_json::json!({ "model": "x/y", "plugin": ["mine", ours] }));
        for broken in ["{ // no\n}", "[]", "", r#"{"plugin":"mine"}"#] {
            context.front_environment = vec![("OPENCODE_CONFIG_CONTENT".into(), broken.into())];
            let (catalogue, _) = Catalogue::load(None);
            let error = prepare(catalogue.get("opencode").unwrap(), &context).unwrap_err().to_string();
            assert!(error.contains("OPENCODE_CONFIG_CONTENT") && error.contains("unset it"), "{error}");
        }
    }

    #[test]
    fn aider_keeps_its_histories_out_of_the_worktree_and_hands_over_its_log() {
        let launch = launch("aider", &context());
        let words = words(&launch);
        let after = |option: &str| words[words.iter().position(|word| *word == option).unwrap() + 1];
        assert_eq!(after("--chat-history-file"), "/data/agents/7-claude-2/aider-chat.md");
        let command = after("--notifications-command");
        assert!(
            command.starts_with("tail -n 1 '/data/agents/7-claude-2/aider-events.jsonl' | "),
            "{command}"
        );
        assert!(command.ends_with("/orchflow-hook' aider notified") && words.contains(&"--notifications"));
    }

    #[test]
    fn a_hook_path_that_is_no_text_is_refused_with_the_way_out() {
        use std::os::unix::ffi::OsStringExt;
        let mut context = context();
        context.hook_program = OsString::from_vec(b"/opt/\xff/hook".to_vec()).into();
        let (catalogue, _) = Catalogue::load(None);
        let error = prepare(catalogue.get("claude").unwrap(), &context).unwrap_err().to_string();
        assert!(error.contains("not valid UTF-8") && error.contains("install orchflow"), "{error}");
        assert!(prepare(catalogue.get("rehearsal").unwrap(), &context).is_ok());
    }

    #[test]
    fn an_agent_without_a_terminal_is_run_by_its_driver() {
        let mut context = context();
        context.program = Some("/usr/bin/gemini".into());
        context.resume = Some("s-1".into());
        let launched = launch("gemini-acp", &context);
        assert_eq!(launched.argv, ["/opt/orchflow", "drive", "/data/agents/7-claude-2/drive.json"]);
        let (file, text, mode) = &launched.files[0];
        assert_eq!((file.to_str().unwrap(), *mode), ("/data/agents/7-claude-2/drive.json", 0o600));
        let orders: Orders = serde_json::from_slice(text).unwrap();
        assert_eq!(orders.kind, Kind::Acp);
        assert_eq!(orders.program, PathBuf::from("/usr/bin/gemini"));
        assert_eq!(orders.args, ["--acp", "--verbose"]);
        assert_eq!(orders.resume.as_deref(), Some("s-1"));
        assert!(!orders.acp.files, "new files cannot be made by it otherwise");
    }

    #[test]
    fn what_an_entry_takes_out_of_the_environment_is_gone() {
        let mut context = context();
        context.front_environment = vec![("IS_SANDBOX".into(), "yes".into()), ("HOME".into(), "/h".into())];
        let has =
            |name: &str| launch(name, &context).environment.iter().any(|(name, _)| name == "IS_SANDBOX");
        assert!(!has("claude-acp"));
        assert!(has("opencode-acp"));
    }
}
