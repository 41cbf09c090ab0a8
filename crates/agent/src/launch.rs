//! How an agent is started: its command line, its environment and the files it finds.
//!
//! Everything here is data; the caller writes the files and starts the process. Nothing of the user's
//! own settings is written: what an agent needs to know comes by arguments and environment of this
//! launch alone.

mod environment;
mod own;

use std::ffi::OsString;
use std::path::PathBuf;

use orchflow_core::AgentKey;

use crate::adapter;
use crate::catalogue::{Entry, Kind};
use crate::orders::{self, Orders};
use crate::sessions::{self, Copied};

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
    /// Whether the user trusts the main repository, by the program's own records or their word to orchflow.
    pub trusted: bool,
    /// Whether hooks that ask deny when nobody can be asked.
    pub policy_enforced: bool,
}

/// What to start. The environment is complete; nothing is inherited besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Files to write before, each with its mode.
    pub files: Vec<(PathBuf, Vec<u8>, u32)>,
    /// Links to make before, each with what it leads to.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Files to write into the worktree, each only where nothing stands in its place.
    pub worktree_files: Vec<WorktreeFile>,
}

/// A file that a program reads from its worktree and nowhere else. It never replaces one of the repository, and git is
/// told to leave it out.
#[derive(Debug, Clone)]
pub struct WorktreeFile {
    /// Where, from the worktree's top.
    pub path: &'static str,
    /// Its text.
    pub content: Vec<u8>,
    /// Tells whether a text that stands there is one of ours, of an earlier launch.
    pub is_ours: fn(&[u8]) -> bool,
}

impl PartialEq for WorktreeFile {
    fn eq(&self, other: &Self) -> bool {
        (self.path, &self.content) == (other.path, &other.content)
    }
}

impl Eq for WorktreeFile {}

/// What the human is told once a repository, because a launch does it in their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// What it is about, in a word.
    pub topic: &'static str,
    /// The sentence.
    pub message: &'static str,
}

impl Launch {
    /// Sets a variable of the environment, in place of one of that name.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.into(), value.into()));
    }
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
    /// A template of the entry cannot be filled.
    #[error("{agent} cannot be started: {message}")]
    Template {
        /// The agent's title.
        agent: String,
        /// What is wrong in which place.
        message: String,
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
    /// The program keeps no session of this id, or one that cannot be read.
    #[error(
        "{agent} has no session {session} to copy in the home that this launch has; start orchflow with the HOME of the program that has it, or set its own variable for it, such as COPILOT_HOME, in the agent's `environment`"
    )]
    SessionMissing {
        /// The agent's title.
        agent: String,
        /// The session.
        session: String,
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
    // By what it was before an adapter changed it: that is where earlier sessions are.
    let given = if context.fork { environment.clone() } else { Vec::new() };
    let mut launch = Launch { argv, environment, ..Launch::default() };
    if let Some(adapter) = adapter::find(entry.kind.word()) {
        (adapter.launch)(entry, context, &mut launch)?;
    }
    if let Some(hooks) = &entry.hooks {
        own::launch(entry, hooks, context, &mut launch)?;
    }
    if let Some(session) = &context.resume {
        if entry.resume.args.is_empty() {
            return Err(LaunchError::CannotResume { agent: entry.title.clone() });
        }
        if context.fork && entry.resume.fork.is_empty() {
            return Err(LaunchError::CannotFork { agent: entry.title.clone() });
        }
        let mut taken = Copied { id: session.clone(), file: None };
        if let Some(copy) = sessions::copy_of(entry.kind).filter(|_| context.fork) {
            let missing =
                || LaunchError::SessionMissing { agent: entry.title.clone(), session: session.clone() };
            let variable = |name: &str| crate::trust::variable(&given, name);
            taken = copy(context, &variable, session, &mut launch).ok_or_else(missing)?;
        }
        let args = if context.fork { &entry.resume.fork } else { &entry.resume.args };
        own::resume_args(entry, args, &taken, context, &mut launch)?;
    } else if let Some(session) = &context.session_id {
        own::session_args(entry, &entry.session.args, session, &mut launch)?;
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
    let files = vec![(file, orders.to_bytes(), 0o600)];
    Launch { argv, environment, files, ..Launch::default() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use orchflow_core::RunId;
    use serde_json::Value;

    pub(crate) fn context() -> LaunchContext {
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
            trusted: false,
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
    fn a_session_is_gone_on_with_in_the_worktree() {
        let taken = |name: &str, fork| {
            let context = LaunchContext { resume: Some("s-1".into()), fork, ..context() };
            let launch = launch(name, &context);
            let all = words(&launch).join(" ");
            all.strip_suffix(" --verbose").unwrap().to_owned()
        };
        assert!(
            taken("codex", false).ends_with("resume -C /trees/7-claude-2 s-1"),
            "{}",
            taken("codex", false)
        );
        assert!(taken("codex", true).ends_with("fork -C /trees/7-claude-2 s-1"));
        assert!(taken("codex", true).contains(" --no-daemon "));
        let (catalogue, _) = Catalogue::load(None);
        for (name, why) in [("gemini", "has no session s-1"), ("opencode", "resume.fork")] {
            let context = LaunchContext { resume: Some("s-1".into()), fork: true, ..context() };
            let error = prepare(catalogue.get(name).unwrap(), &context).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn gemini_gets_a_home_where_the_repository_has_settings_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let (home, worktree) = (root.path().join("home"), root.path().join("tree"));
        for folder in [home.join(".gemini"), worktree.join(".gemini")] {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("settings.json"), "{}").unwrap();
        }
        let mut context = LaunchContext {
            worktree: worktree.clone(),
            front_environment: vec![("HOME".into(), home.clone().into())],
            ..context()
        };
        let own = launch("gemini", &context);
        assert_eq!(own.worktree_files, [], "theirs is left alone");
        let variable =
            |name: &str| own.environment.iter().find(|(known, _)| known == name).unwrap().1.clone();
        assert_eq!(variable("GEMINI_CLI_HOME"), "/data/agents/7-claude-2/gemini-home");
        assert_eq!(variable("GEMINI_CLI_TRUSTED_FOLDERS_PATH"), home.join(".gemini/trustedFolders.json"));
        let at = PathBuf::from("/data/agents/7-claude-2/gemini-home/.gemini/settings.json");
        assert!(own.links.contains(&(at, home.join(".gemini/settings.json"))), "{:?}", own.links);
        assert!(json_of(&own, "hooks/hooks.json")["hooks"]["BeforeTool"].is_array());
        assert_eq!(json_of(&own, "orchflow/gemini-extension.json")["name"], "orchflow");

        let chats = home.join(".gemini/tmp/x/chats");
        std::fs::create_dir_all(&chats).unwrap();
        let chat = chats.join("session-1-0fdb5d41.json");
        std::fs::write(&chat, "{\"sessionId\":\"0fdb5d41-2422\"}\n").unwrap();
        let copied = LaunchContext { resume: Some("0fdb5d41-2422".into()), fork: true, ..context.clone() };
        let copied = launch("gemini", &copied);
        assert!(words(&copied).contains(&chat.to_str().unwrap()), "found in the user's: {:?}", copied.argv);

        std::fs::remove_file(worktree.join(".gemini/settings.json")).unwrap();
        let theirs = launch("gemini", &context);
        assert_eq!((theirs.links.len(), theirs.worktree_files.len()), (0, 1));
        std::fs::write(worktree.join(".gemini/settings.json"), &theirs.worktree_files[0].content).unwrap();
        assert_eq!(launch("gemini", &context).worktree_files.len(), 1, "ours, of an earlier launch");
        context.front_environment.clear();
        std::fs::write(worktree.join(".gemini/settings.json"), "{}").unwrap();
        assert_eq!(launch("gemini", &context).links, [], "without a home there is nothing to link");
    }

    #[test]
    fn an_agent_of_ones_own_gets_its_hooks_by_templates() {
        let directory = tempfile::tempdir().unwrap();
        let text = r##"
program = "mine"
args = ["--plain", "{not a placeholder}"]
[session]
args = ["--session", "{session_id}"]
[resume]
args = ["--resume={session_id}"]
[hooks]
args = ["--config", "{agent_dir}/conf/hooks.json"]
environment = { MINE_HOME = "{agent_dir}", MINE_ROOT = "{worktree}" }
[[hooks.file]]
path = "conf/hooks.json"
text = """{"onAsk":{"run":"{hook|sh|json} --wait 590 {format} ask"}}"""
[[hooks.file]]
path = "run.sh"
text = "#!/bin/sh\nexec {hook|sh} {format} \"$1\"\n"
executable = true
[[hooks.report]]
hook = "ask"
report = "approval_requested"
fields = { tool = "/tool" }
"##;
        std::fs::write(directory.path().join("mine.toml"), text).unwrap();
        let (catalogue, problems) = Catalogue::load(Some(directory.path()));
        assert_eq!(problems, []);
        let mut context = context();
        context.session_id = Some("1111".into());
        let entry = catalogue.get("mine").unwrap();
        let launch = prepare(entry, &context).unwrap();
        assert_eq!(
            words(&launch),
            [
                "/usr/bin/claude",
                "--plain",
                "{not a placeholder}",
                "--config",
                "/data/agents/7-claude-2/files/conf/hooks.json",
                "--session",
                "1111",
                "--verbose",
            ]
        );
        let [(path, bytes, mode), (script, program, execute)] = launch.files.as_slice() else { panic!() };
        assert_eq!((path.to_str(), *mode), (Some("/data/agents/7-claude-2/files/conf/hooks.json"), 0o600));
        let json: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(json["onAsk"]["run"], r"'/opt/it'\''s here/orchflow-hook' --wait 590 kind:mine ask");
        assert_eq!((script.file_name().unwrap().to_str(), *execute), (Some("run.sh"), 0o700));
        let program = String::from_utf8_lossy(program);
        assert!(program.contains(r"exec '/opt/it'\''s here/orchflow-hook' kind:mine"), "{program}");
        let home = ("MINE_HOME".into(), "/data/agents/7-claude-2/files".into());
        assert!(launch.environment.contains(&home));
        context.resume = Some("2222".into());
        assert!(words(&prepare(entry, &context).unwrap()).contains(&"--resume=2222"));
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
