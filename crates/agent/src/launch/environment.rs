//! The environment an agent is started in.

use std::ffi::{OsStr, OsString};

use super::LaunchContext;
use crate::catalogue::Entry;

/// Variables that lead back to the front (an agent could drive the editor or the multiplexer through
/// them), that bend git away from the worktree, or that describe a terminal other than the runner's.
const REMOVED: [&str; 22] = [
    "VIM",
    "VIMRUNTIME",
    "VIMINIT",
    "MYVIMRC",
    "STY",
    "WINDOWID",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "TERMINFO",
    "TERMCAP",
    "LC_TERMINAL",
    "LC_TERMINAL_VERSION",
    "VTE_VERSION",
    "COLUMNS",
    "LINES",
    "PWD",
    "OLDPWD",
    // What Claude Code sets for its own children: an agent started from inside one is not its child.
    "CLAUDECODE",
    "CLAUDE_PID",
    "CLAUDE_EFFORT",
    "CLAUDE_PROJECT_DIR",
    "CLAUDE_CODE_ENTRYPOINT",
];

/// The same by their beginnings.
const REMOVED_PREFIXES: [&str; 16] = [
    "NVIM",
    "TMUX",
    "WEZTERM_",
    "GIT_",
    "ORCHFLOW_",
    "ZELLIJ",
    "KITTY_",
    "ALACRITTY_",
    "GHOSTTY_",
    "KONSOLE_",
    "ITERM_",
    "CLAUDE_CODE_CHILD_",
    "CLAUDE_CODE_MESSAGING_",
    "CLAUDE_CODE_SESSION_",
    "CLAUDE_CODE_SSE_",
    "PARENT_NVIM",
];

/// Puts the whole environment together: the front's, cleaned; the entry's; orchflow's own.
pub(super) fn complete(entry: &Entry, context: &LaunchContext) -> Vec<(OsString, OsString)> {
    let mut environment: Vec<(OsString, OsString)> = Vec::new();
    let mut set =
        |name: OsString, value: OsString| match environment.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => environment.push((name, value)),
        };
    let is_unset = |name: &OsStr| entry.unset.iter().any(|unset| name == unset.as_str());
    for (name, value) in &context.front_environment {
        if !is_removed(name) && !is_unset(name) {
            set(name.clone(), value.clone());
        }
    }
    set("TERM".into(), "xterm-256color".into());
    set("COLORTERM".into(), "truecolor".into());
    set("PWD".into(), context.worktree.clone().into());
    for (name, value) in &entry.environment {
        set(name.into(), value.into());
    }
    set("ORCHFLOW_AGENT".into(), context.key.to_string().into());
    set("ORCHFLOW_TOKEN".into(), (&context.token).into());
    set("ORCHFLOW_SOCKET".into(), context.socket.clone().into());
    set("ORCHFLOW_SPOOL".into(), context.spool.clone().into());
    set("ORCHFLOW_HOOK".into(), context.hook_program.clone().into());
    if context.policy_enforced {
        set("ORCHFLOW_POLICY".into(), "enforced".into());
    }
    for (index, port) in context.ports.iter().enumerate() {
        let name = if index == 0 { "ORCHFLOW_PORT".to_owned() } else { format!("ORCHFLOW_PORT_{index}") };
        set(name.into(), port.to_string().into());
    }
    environment
}

/// Tells whether a variable is one of ours that the user may set.
pub(crate) fn is_ours_to_set(name: &[u8]) -> bool {
    name.starts_with(b"ORCHFLOW_REHEARSAL_") || name == b"ORCHFLOW_HOOK_DEBUG"
}

fn is_removed(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    if is_ours_to_set(bytes) {
        return false;
    }
    REMOVED.iter().any(|removed| removed.as_bytes() == bytes)
        || REMOVED_PREFIXES.iter().any(|prefix| bytes.starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_back_to_the_front_or_bends_git_is_taken_out() {
        for name in [
            "NVIM",
            "NVIM_LISTEN_ADDRESS",
            "NVIM_LOG_FILE",
            "VIM",
            "VIMRUNTIME",
            "TMUX",
            "TMUX_PANE",
            "TMUX_TMPDIR",
            "WEZTERM_PANE",
            "GIT_DIR",
            "GIT_INDEX_FILE",
            "GIT_WORK_TREE",
            "ORCHFLOW_TOKEN",
            "ORCHFLOW_PORT_3",
            "CLAUDECODE",
            "CLAUDE_CODE_SESSION_ID",
            "TERM_PROGRAM",
        ] {
            assert!(is_removed(OsStr::new(name)), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "GITHUB_TOKEN",
            "ANTHROPIC_API_KEY",
            "IS_SANDBOX",
            "EDITOR",
            "LANG",
            "CLAUDE_CONFIG_DIR",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            "VIRTUAL_ENV",
            "ORCHFLOW_REHEARSAL_SPEED",
            "ORCHFLOW_HOOK_DEBUG",
        ] {
            assert!(!is_removed(OsStr::new(name)), "{name}");
        }
    }
}
