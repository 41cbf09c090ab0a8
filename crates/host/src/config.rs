//! The user's configuration: `~/.config/orchflow/config.toml`.

use std::path::{Path, PathBuf};

use orchflow_core::policy::Policy;
use orchflow_core::price::{Prices, nanodollars};
use serde::Deserialize;

/// Says why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is there and cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It is not what it should be; the message names the key and the line.
    #[error("{path} is wrong: {message}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
}

/// The configuration. Every key has a default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Agents a swarm starts when none are named.
    pub agents: Vec<String>,
    /// `[worktrees]`
    pub worktrees: Worktrees,
    /// `[host]`
    pub host: HostConfig,
    /// `[tmux]`
    pub tmux: Tmux,
    /// `[budget]`
    pub budget: BudgetConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[notify]`
    pub notify: NotifyConfig,
    /// `[wezterm]`
    pub wezterm: Wezterm,
    /// `[trust]`
    pub trust: Trust,
}

/// `[budget]`: what may be spent before agents are halted and the human is asked, in US dollars.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetConfig {
    /// By one run.
    pub per_run: Option<f64>,
    /// On one day of Greenwich.
    pub per_day: Option<f64>,
}

/// `[limits]`: models that do not answer for a while.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// How often in a row an agent is told to go on once a limit is over whose end it told; 0 for never.
    pub resumptions: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        LimitsConfig { resumptions: orchflow_core::policy::RESUMPTIONS }
    }
}

/// `[notify]`: how the human is told when an agent begins to need them, beside the editor.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyConfig {
    /// A program and its arguments, run once for each need; no shell reads them.
    pub command: Vec<String>,
}

/// `[worktrees]`: how agents' worktrees are made.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worktrees {
    /// Where they go; the data folder when absent.
    pub folder: Option<PathBuf>,
    /// A command run by `sh -c` in each new worktree before its agent starts.
    pub setup: Option<String>,
    /// How long the command may take, in seconds.
    pub setup_timeout_s: u64,
    /// The first port given to agents.
    pub first_port: u16,
    /// Ports each agent gets.
    pub ports: u16,
    /// Whether worktrees may be overlay mounts where the system permits them.
    pub overlay: bool,
}

impl Default for Worktrees {
    fn default() -> Self {
        Worktrees {
            folder: None,
            setup: None,
            setup_timeout_s: 600,
            first_port: 41_000,
            ports: 10,
            overlay: false,
        }
    }
}

/// `[host]`: the host process.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostConfig {
    /// It leaves after so many seconds without a living agent and without anybody attached.
    pub idle_exit_s: u64,
}

impl Default for HostConfig {
    fn default() -> Self {
        HostConfig { idle_exit_s: 900 }
    }
}

/// `[trust]`: what the user says once, so that no agent's program need ask it in each worktree.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// Main folders of repositories whose agents may be started as trusted in their worktrees.
    pub repositories: Vec<PathBuf>,
}

/// `[tmux]`: views in tmux.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tmux {
    /// `user`: panes beside the editor; `private`: a server of orchflow's own.
    pub server: TmuxServer,
    /// How the panes are laid out.
    pub layout: PaneLayout,
}

impl Default for Tmux {
    fn default() -> Self {
        Tmux { server: TmuxServer::User, layout: PaneLayout::Tiled }
    }
}

/// `[wezterm]`: views in wezterm.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wezterm {
    /// How the panes are laid out.
    pub layout: PaneLayout,
}

impl Default for Wezterm {
    fn default() -> Self {
        Wezterm { layout: PaneLayout::Tiled }
    }
}

/// Which tmux server shows the agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TmuxServer {
    /// The one the front runs in.
    User,
    /// One of orchflow's own.
    Private,
}

/// How agents' panes are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaneLayout {
    /// A grid of up to four.
    Tiled,
    /// One column of up to four.
    Stacked,
    /// No panes.
    None,
}

impl Config {
    /// Reads the configuration; a file that is not there is an empty one.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, the key with its dotted path and the line.
    pub fn load(folder: &Path) -> Result<Config, ConfigError> {
        let path = folder.join("config.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Config::default()),
            Err(source) => return Err(ConfigError::Read { path, source }),
        };
        Config::parse(&text).map_err(|message| ConfigError::Wrong { path, message })
    }

    fn parse(text: &str) -> Result<Config, String> {
        let table: toml::Table = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        if let Some(unknown) = first_unknown(&table) {
            return Err(format!(
                "there is no key {unknown}; the keys are listed in :help orchflow-config-file"
            ));
        }
        let config: Config = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        for (key, usd) in
            [("budget.per_run", config.budget.per_run), ("budget.per_day", config.budget.per_day)]
        {
            if usd.is_some_and(|usd| nanodollars(usd).is_none()) {
                return Err(format!("{key}: it is a sum of US dollars, such as 5.0"));
            }
        }
        if config.notify.command.first().is_some_and(|program| program.trim().is_empty()) {
            return Err("notify.command: its first word is the program to run".to_owned());
        }
        Ok(config)
    }

    /// Gives what it says of decisions, with the prices of a table.
    pub fn policy(&self, prices: Prices) -> Policy {
        Policy {
            prices,
            run_budget: self.budget.per_run.and_then(nanodollars),
            day_budget: self.budget.per_day.and_then(nanodollars),
            resumptions: self.limits.resumptions,
        }
    }
}

/// The keys there are, by dotted path; `:help orchflow-config-file` lists them.
pub const KEYS: &[&str] = &[
    "agents",
    "worktrees.folder",
    "worktrees.setup",
    "worktrees.setup_timeout_s",
    "worktrees.first_port",
    "worktrees.ports",
    "worktrees.overlay",
    "host.idle_exit_s",
    "tmux.server",
    "tmux.layout",
    "budget.per_run",
    "budget.per_day",
    "limits.resumptions",
    "notify.command",
    "wezterm.layout",
    "trust.repositories",
];

fn first_unknown(table: &toml::Table) -> Option<String> {
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) if KEYS.iter().any(|key| key.starts_with(&format!("{name}."))) => {
                let dotted = inner.keys().map(|key| format!("{name}.{key}"));
                if let Some(unknown) = dotted.into_iter().find(|key| !KEYS.contains(&key.as_str())) {
                    return Some(unknown);
                }
            }
            _ if !KEYS.contains(&name.as_str())
                && !KEYS.iter().any(|key| key.starts_with(&format!("{name}."))) =>
            {
                return Some(name.clone());
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named_with_its_dotted_path() {
        assert!(Config::parse("[worktrees]\nsetpu = 'x'").unwrap_err().contains("worktrees.setpu"));
        assert!(Config::parse("agnets = []").unwrap_err().contains("agnets"));
        assert!(Config::parse("[tmux]\nserver = 'mine'").unwrap_err().contains("mine"));
        assert!(Config::parse("tmux = 3").is_err());
        assert!(Config::parse("[budget]\nper_run = -1").unwrap_err().contains("budget.per_run"));
        assert!(Config::parse("[notify]\ncommand = ['']").unwrap_err().contains("notify.command"));
        assert!(Config::parse("[wezterm]\nserver = 'private'").unwrap_err().contains("wezterm.server"));
    }

    #[test]
    fn every_key_can_be_set() {
        let config = Config::parse(
            "agents = ['claude']\n[worktrees]\nfolder = '/w'\nsetup = 'make deps'\nsetup_timeout_s = 5\n\
             first_port = 5000\nports = 2\noverlay = true\n[host]\nidle_exit_s = 1\n[tmux]\n\
             server = 'private'\nlayout = 'stacked'\n[budget]\nper_run = 5\nper_day = 20.5\n[limits]\n\
             resumptions = 0\n[notify]\ncommand = ['notify-send', '{title}']\n[wezterm]\nlayout = 'none'\n[trust]\nrepositories = ['/src/repo']",
        )
        .unwrap();
        assert_eq!(config.trust.repositories, [Path::new("/src/repo")]);
        assert_eq!(config.worktrees.folder.as_deref(), Some(Path::new("/w")));
        assert_eq!(config.tmux.layout, PaneLayout::Stacked);
        let policy = config.policy(Prices::default());
        assert_eq!((policy.run_budget, policy.resumptions), (Some(5_000_000_000), 0));
        assert_eq!(config.wezterm.layout, PaneLayout::None);
    }
}
