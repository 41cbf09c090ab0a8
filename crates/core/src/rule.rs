//! Rules: answers the human gave in advance, by tool and argument.
//!
//! A rule names a tool and may name a pattern for the argument that tells most: `Bash: cargo test*`. Of all rules that
//! fit a request the strictest decides. A rule looks at what an agent says it will do; it is no sandbox.

mod argument;
mod glob;
mod suggest;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AgentKey, EventSeq, RunId, Timestamp};

pub use argument::{Argument, ArgumentKind};
pub use suggest::suggest;

/// Longest text of a rule, in bytes.
pub const LONGEST: usize = 4096;

/// What a rule says. The order is that of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may be done.
    Allow,
    /// The human is asked, whatever laxer rules say.
    Ask,
    /// It may not be done.
    Deny,
}

impl Verdict {
    /// Gives the word shown to people and scripts.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Ask => "ask",
            Verdict::Deny => "deny",
        }
    }
}

/// Whom a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case")]
pub enum RuleScope {
    /// One agent, as long as its worktree stands.
    Agent {
        /// Which one.
        agent: AgentKey,
    },
    /// The agents of one run.
    Run {
        /// Which one.
        run: RunId,
    },
    /// Every agent of the user's, in every repository.
    Always,
}

impl RuleScope {
    /// Tells whether it holds for an agent.
    pub fn holds_for(&self, key: &AgentKey) -> bool {
        match self {
            RuleScope::Agent { agent } => agent == key,
            RuleScope::Run { run } => key.run == *run,
            RuleScope::Always => true,
        }
    }
}

impl fmt::Display for RuleScope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleScope::Agent { agent } => write!(out, "agent {agent}"),
            RuleScope::Run { run } => write!(out, "run {run}"),
            RuleScope::Always => out.write_str("always"),
        }
    }
}

/// Where a rule that always holds is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleSource {
    /// In the log alone.
    Log,
    /// In the file of rules that orchflow keeps for the user.
    Kept,
    /// In the user's own configuration, which only the user writes.
    Config,
}

/// What a rule fits: `TOOL`, or `TOOL: PATTERN`.
///
/// `*` stands for anything; `\*` is a star. In a rule that allows, it does not stand for what makes one command several
/// or sends its output elsewhere, nor for a hidden file or a way out of the worktree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Matcher {
    /// The tool's name; `*` may stand in it where the rule allows nothing.
    pub tool: String,
    /// The pattern of its argument; `None` fits every argument.
    pub argument: Option<String>,
}

/// Says why a text is no matcher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMatcher {
    /// No tool is named.
    #[error("it names no tool; write TOOL or TOOL: PATTERN, such as Bash: cargo test*")]
    NoTool,
    /// The pattern is empty.
    #[error("nothing stands behind the colon; write a pattern, such as Bash: cargo test*, or the tool alone")]
    NoPattern,
    /// It is too long.
    #[error("it is longer than {LONGEST} bytes; put a * for the part that varies")]
    TooLong,
    /// It has a NUL or the like in the tool's name.
    #[error("a tool's name has no control characters and no blanks around it")]
    Tool,
    /// It would allow tools nobody named.
    #[error("a rule that allows names one tool; {0:?} may stand for several")]
    WideTool(String),
}

impl FromStr for Matcher {
    type Err = BadMatcher;

    fn from_str(text: &str) -> Result<Self, BadMatcher> {
        if text.len() > LONGEST {
            return Err(BadMatcher::TooLong);
        }
        // Names of tools may have colons; the pattern begins behind the first that a blank follows.
        let (tool, argument) = match text.split_once(": ") {
            Some((tool, argument)) => (tool, Some(argument)),
            None => (text.strip_suffix(':').unwrap_or(text), text.ends_with(':').then_some("")),
        };
        let tool = tool.trim();
        if tool.is_empty() {
            return Err(BadMatcher::NoTool);
        }
        if tool.chars().any(char::is_control) {
            return Err(BadMatcher::Tool);
        }
        let argument = argument.map(|argument| argument.trim().to_owned());
        if argument.as_ref().is_some_and(String::is_empty) {
            return Err(BadMatcher::NoPattern);
        }
        Ok(Matcher { tool: tool.to_owned(), argument })
    }
}

impl TryFrom<String> for Matcher {
    type Error = BadMatcher;

    fn try_from(text: String) -> Result<Self, BadMatcher> {
        text.parse()
    }
}

impl From<Matcher> for String {
    fn from(matcher: Matcher) -> String {
        matcher.to_string()
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.argument {
            Some(argument) => write!(out, "{}: {argument}", self.tool),
            None => out.write_str(&self.tool),
        }
    }
}

impl Matcher {
    /// Refuses a matcher that a verdict must not have.
    ///
    /// # Errors
    /// [`BadMatcher::WideTool`] where several tools would be allowed.
    pub fn check(&self, verdict: Verdict) -> Result<(), BadMatcher> {
        match verdict == Verdict::Allow && self.tool.contains('*') {
            true => Err(BadMatcher::WideTool(self.tool.clone())),
            false => Ok(()),
        }
    }

    /// Tells whether a rule with this matcher and verdict bears on a use of a tool. `worktree` is the agent's.
    pub fn fits(&self, verdict: Verdict, tool: &str, input: &Value, worktree: &[u8]) -> bool {
        let argument = Argument::of(input, worktree);
        if verdict == Verdict::Allow {
            return self.tool == tool
                && !argument::is_elevated(input)
                && argument.is_none_or(|argument| argument.is_allowed_by(self.argument.as_deref()))
                // A pattern that was asked for needs something to fit.
                && (self.argument.is_none() || Argument::of(input, worktree).is_some());
        }
        if !glob::fits(&self.tool, tool, |_, _| true) {
            return false;
        }
        match (&self.argument, argument) {
            (None, _) => true,
            (Some(pattern), Some(argument)) => argument.is_caught_by(pattern),
            (Some(_), None) => false,
        }
    }
}

/// A rule as somebody wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRule {
    /// What it says.
    pub verdict: Verdict,
    /// Whom it is for.
    pub scope: RuleScope,
    /// What it fits.
    pub matcher: Matcher,
    /// Why; an agent that is denied something by it is told.
    pub reason: Option<String>,
    /// Where it is kept.
    pub source: RuleSource,
}

/// A rule that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its number: the event that made it.
    pub seq: EventSeq,
    /// What it says.
    pub verdict: Verdict,
    /// Whom it is for.
    pub scope: RuleScope,
    /// What it fits.
    pub matcher: Matcher,
    /// Why.
    pub reason: Option<String>,
    /// Where it is kept.
    pub source: RuleSource,
    /// Since when.
    pub at: Timestamp,
}

impl Rule {
    /// Tells whether it is the rule somebody wants.
    pub fn is(&self, wanted: &NewRule) -> bool {
        self.verdict == wanted.verdict
            && self.scope == wanted.scope
            && self.matcher == wanted.matcher
            && self.reason == wanted.reason
            && self.source == wanted.source
    }
}

/// Finds the rule that decides about a use of a tool: the strictest that fits, among equals the oldest.
pub fn judge<'a>(
    rules: impl IntoIterator<Item = &'a Rule>,
    agent: &AgentKey,
    tool: &str,
    input: &Value,
    worktree: &[u8],
) -> Option<&'a Rule> {
    rules
        .into_iter()
        .filter(|rule| rule.scope.holds_for(agent))
        .filter(|rule| rule.matcher.fits(rule.verdict, tool, input, worktree))
        .max_by_key(|rule| (rule.verdict, std::cmp::Reverse(rule.seq)))
}

/// Tells whether a pattern with stars fits a name.
pub(crate) fn fits_name(pattern: &str, name: &str) -> bool {
    glob::fits(pattern, name, |_, _| true)
}

#[cfg(test)]
mod tests;
