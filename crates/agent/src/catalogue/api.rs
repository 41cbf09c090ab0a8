//! What an agent's file says about a model behind an HTTP interface.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How a model is spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// OpenAI's Chat Completions, which many servers speak.
    OpenaiChat,
    /// OpenAI's Responses.
    OpenaiResponses,
    /// Anthropic's Messages.
    Anthropic,
    /// Google's generateContent.
    Gemini,
    /// Ollama's own, which can say how long a context is wanted.
    Ollama,
}

/// Which of its tools ask the human first. Reading within its worktree never does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approve {
    /// Running commands; files of its worktree are edited unasked, since every edit is reviewed.
    #[default]
    Run,
    /// Running commands and every edit.
    All,
    /// Nothing. A command can do what you can do.
    None,
}

/// Where its key comes from. The first that gives one is it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKey {
    /// Environment variables, of whoever starts the agent.
    pub env: Vec<String>,
    /// A command for `sh` that prints it.
    pub command: String,
    /// The account it is kept under in the system's keyring, of the service `orchflow`.
    pub keyring: Option<String>,
    /// Whether it cannot work without.
    pub required: bool,
}

impl Default for ApiKey {
    fn default() -> Self {
        ApiKey { env: Vec::new(), command: String::new(), keyring: None, required: true }
    }
}

/// A model behind an HTTP interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// The address the dialect's paths are put behind, `https://api.openai.com/v1`.
    pub base_url: String,
    /// An environment variable that says another.
    #[serde(default)]
    pub base_url_env: Option<String>,
    /// How it is spoken with.
    pub dialect: Dialect,
    /// The model, in the provider's words.
    pub model: String,
    /// Where the key comes from.
    #[serde(default)]
    pub key: ApiKey,
    /// How hard it is to think, in the provider's words: `low`, `medium`, `high`. By default the provider decides.
    #[serde(default)]
    pub effort: Option<String>,
    /// How many tokens it can read; older results of tools make room before that.
    #[serde(default = "context")]
    pub context: u32,
    /// The most tokens of one answer. By default the provider decides.
    #[serde(default)]
    pub output_limit: Option<u32>,
    /// Which of its tools ask first.
    #[serde(default)]
    pub approve: Approve,
    /// The most times the model is asked in one turn.
    #[serde(default = "steps")]
    pub max_steps: u32,
    /// Something more to tell the model before everything else.
    #[serde(default)]
    pub system: String,
    /// More headers. No keys: these stand in a file.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// More fields of each request, in the provider's words; they replace ours of the same name.
    #[serde(default)]
    pub extra: Map<String, Value>,
    /// A proxy's address, or `none`. By default the environment says it.
    #[serde(default)]
    pub proxy: Option<String>,
    /// How long a connection may take, in seconds.
    #[serde(default = "connect_s")]
    pub connect_s: u64,
    /// How long the next bytes of an answer may take, in seconds.
    #[serde(default = "idle_s")]
    pub idle_s: u64,
    /// How long a whole answer may take, in seconds.
    #[serde(default = "whole_s")]
    pub whole_s: u64,
    /// How often a request is tried that fails for a reason that passes.
    #[serde(default = "attempts")]
    pub attempts: u32,
    /// How long a command it runs may take, in seconds.
    #[serde(default = "run_s")]
    pub run_s: u64,
}

fn context() -> u32 {
    128_000
}
fn steps() -> u32 {
    100
}
fn connect_s() -> u64 {
    15
}
fn idle_s() -> u64 {
    300
}
fn whole_s() -> u64 {
    1800
}
fn attempts() -> u32 {
    6
}
fn run_s() -> u64 {
    120
}

impl Api {
    /// Checks what the types cannot say.
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.base_url.starts_with("https://") && !self.base_url.starts_with("http://") {
            return Err(format!(
                "api.base_url: {:?} is no address of a server; one is https://api.example.com/v1",
                self.base_url
            ));
        }
        if self.model.trim().is_empty() || self.model.contains(char::is_control) {
            return Err("api.model: say which model to ask, in the provider's words".to_owned());
        }
        for name in self.key.env.iter().chain(&self.base_url_env) {
            if name.is_empty() || name.contains(['=', '\0']) || name.starts_with("ORCHFLOW_") {
                return Err(format!(
                    "api: {name:?} cannot be the name of the environment variable meant here"
                ));
            }
        }
        for name in self.headers.keys() {
            let lower = name.to_ascii_lowercase();
            if ["authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie"].contains(&lower.as_str())
            {
                return Err(format!(
                    "api.headers.{name}: keys do not stand in files; say in api.key where it is"
                ));
            }
        }
        for (name, value, least, most) in [
            ("context", u64::from(self.context), 4096, 100_000_000),
            ("output_limit", u64::from(self.output_limit.unwrap_or(1024)), 256, 10_000_000),
            ("max_steps", u64::from(self.max_steps), 1, 100_000),
            ("connect_s", self.connect_s, 1, 600),
            ("idle_s", self.idle_s, 1, 86_400),
            ("whole_s", self.whole_s, 1, 86_400),
            ("attempts", u64::from(self.attempts), 1, 100),
            ("run_s", self.run_s, 1, 86_400),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!("api.{name}: give a number between {least} and {most}"));
            }
        }
        if self.key.required
            && self.key.env.is_empty()
            && self.key.command.is_empty()
            && self.key.keyring.is_none()
        {
            return Err(
                "api.key: say where the key comes from (env, command or keyring), or that none is needed \
                        (required = false)"
                    .to_owned(),
            );
        }
        Ok(())
    }
}
