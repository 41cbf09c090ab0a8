//! What a model's use amounts to, and the plan an agent states for it.

use serde::{Deserialize, Serialize};

/// Tokens and cost, as an agent's own channel or a model's answer tells them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// The model, as its provider names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Tokens read by the model that came from no cache.
    pub input_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cached_tokens: u64,
    /// Tokens written into the provider's cache.
    pub cache_write_tokens: u64,
    /// Tokens the model wrote, those of its reasoning among them.
    pub output_tokens: u64,
    /// Tokens of its reasoning, as far as they are told apart.
    pub reasoning_tokens: u64,
    /// What it cost in US dollars, where the agent says so itself. Unknown stays unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Whether the figures count from the beginning of the program's session, rather than from the last report.
    pub is_total: bool,
    /// Tokens of context in use after it, and how many there are, where the agent tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// How full a model's context is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Tokens in use.
    pub used: u64,
    /// Tokens there are.
    pub size: u64,
}

/// One step of an agent's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// What it is about.
    pub text: String,
    /// How far it is.
    #[serde(default)]
    pub status: PlanStatus,
}

/// How far a step of a plan is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    /// Not begun.
    #[default]
    Pending,
    /// Under way.
    InProgress,
    /// Done.
    Completed,
}

/// Why a model does not answer for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Too many requests or tokens at a time.
    Rate,
    /// What was bought or granted is used up.
    Quota,
    /// The provider has no room.
    Overloaded,
}

impl LimitKind {
    /// Gives the words shown to people.
    pub fn word(self) -> &'static str {
        match self {
            LimitKind::Rate => "rate limit",
            LimitKind::Quota => "quota used up",
            LimitKind::Overloaded => "the provider is overloaded",
        }
    }
}
