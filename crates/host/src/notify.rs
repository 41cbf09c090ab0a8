//! The user's own command, run when an agent begins to need the human: once for each need.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use orchflow_core::describe::line_of;
use orchflow_core::state::{Need, NeedKind};

use crate::world::World;

/// How long one run of the command may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a change is left to settle: a program's status that it waits comes shortly before its hook says for what,
/// and both are one need.
const SETTLE: Duration = Duration::from_millis(400);
/// The most characters of what a need is about.
const WIDTH: usize = 200;

/// Gives what makes a need the same need later on.
fn identity(need: &Need) -> String {
    match need.kind {
        // How much of it was not seen yet changes while it is read.
        NeedKind::Finished => format!("finished {}", need.agent),
        kind => format!("{} {} {}", kind.word(), need.agent, need.about.as_deref().unwrap_or_default()),
    }
}

/// Says in a few words what a need is.
fn words(need: &Need) -> String {
    let about = line_of(need.about.as_deref().unwrap_or_default(), WIDTH);
    match need.kind {
        NeedKind::Approval => format!("asks for a permission ({about})"),
        NeedKind::Question if about.is_empty() => "waits for you".to_owned(),
        NeedKind::Question => format!("waits for you: {about}"),
        NeedKind::Budget => format!("is paused: {about}"),
        NeedKind::Limit => format!("got no answer from its model: {about}"),
        NeedKind::Failed if about.is_empty() => "failed".to_owned(),
        NeedKind::Failed => format!("failed: {about}"),
        NeedKind::Undelivered => "did not get a prompt".to_owned(),
        NeedKind::Finished => format!("is done, {about}"),
    }
}

/// Puts a need into the words of the command. Each stays one word, whatever stands in it.
fn filled(command: &[String], need: &Need, repository: &str) -> Vec<String> {
    let body = format!("{} {}", need.agent.name, words(need));
    let values = [
        ("{title}", format!("orchflow: {repository}")),
        ("{body}", body),
        ("{agent}", need.agent.name.clone()),
        ("{run}", need.agent.run.to_string()),
        ("{kind}", need.kind.word().to_owned()),
        ("{about}", line_of(need.about.as_deref().unwrap_or_default(), WIDTH)),
        ("{repository}", repository.to_owned()),
    ];
    command
        .iter()
        .map(|word| {
            let mut out = String::with_capacity(word.len());
            let mut rest = word.as_str();
            // Read once from left to right: what is put in is never read again.
            while let Some(place) = rest.find('{') {
                let (before, at) = rest.split_at(place);
                out.push_str(before);
                match values.iter().find(|(name, _)| at.starts_with(name)) {
                    Some((name, value)) => {
                        out.push_str(value);
                        rest = at.get(name.len()..).unwrap_or_default();
                    }
                    None => {
                        out.push('{');
                        rest = at.get(1..).unwrap_or_default();
                    }
                }
            }
            out.push_str(rest);
            // A program ends a word at a NUL, so there is none.
            out.replace('\0', "")
        })
        .collect()
}

impl World {
    /// Runs the user's command for each need that comes up from now on. What stands already was told before.
    pub(crate) async fn notify_of_needs(self: Arc<Self>) {
        let command = self.config.notify.command.clone();
        if command.is_empty() {
            return;
        }
        let repository = self
            .repository
            .worktree()
            .file_name()
            .map(|name| line_of(&name.to_string_lossy(), WIDTH))
            .unwrap_or_default();
        let mut pulse = self.engine().pulse();
        let mut known: Option<BTreeSet<String>> = None;
        loop {
            pulse.borrow_and_update();
            let world = Arc::clone(&self);
            let needs = self
                .engine()
                .ask(move |state| {
                    state.needs(state.agents.values(), |agent| world.review.unseen(state, agent))
                })
                .await;
            if let Some(needs) = needs {
                let standing: BTreeSet<String> = needs.iter().map(identity).collect();
                let fresh =
                    |need: &&Need| known.as_ref().is_some_and(|known| !known.contains(&identity(need)));
                let told: Vec<Vec<String>> =
                    needs.iter().filter(fresh).map(|need| filled(&command, need, &repository)).collect();
                known = Some(standing);
                for words in told {
                    run(&words).await;
                }
            } else if !self.engine().is_open() {
                return;
            }
            if pulse.changed().await.is_err() {
                return;
            }
            tokio::time::sleep(SETTLE).await;
        }
    }
}

/// Runs one command to its end, or ends it.
async fn run(words: &[String]) {
    let Some((program, arguments)) = words.split_first() else { return };
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            tracing::warn!(program, %error, "the command of notify.command cannot be run");
            return;
        }
    };
    match tokio::time::timeout(PATIENCE, child.wait()).await {
        Ok(Ok(status)) if status.success() => {}
        Ok(outcome) => tracing::warn!(program, ?outcome, "the command of notify.command did not end well"),
        Err(_) => {
            let _ = child.kill().await;
            tracing::warn!(program, "the command of notify.command took too long and was ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use orchflow_core::{AgentKey, RunId, Timestamp};

    use super::*;

    fn need(kind: NeedKind, about: &str) -> Need {
        let agent = AgentKey::new(RunId(7), "claude");
        Need { kind, agent, since: Timestamp(0), about: Some(about.to_owned()) }
    }

    #[test]
    fn what_is_put_in_is_one_word_and_is_not_read_again() {
        let command = ["n", "-t", "{title}", "{kind}:{run}/{agent}", "{about}", "{nothing} {", "{{body}"];
        let command = command.map(str::to_owned);
        let evil = need(NeedKind::Question, "$(id); {agent} `x`\n\u{1b}[2J\0 'q'");
        let words = filled(&command, &evil, "repo");
        assert_eq!(words.len(), command.len());
        assert_eq!(&words[2..4], ["orchflow: repo", "question:7/claude"]);
        assert_eq!(words[4], "$(id); {agent} `x` [2J 'q'");
        assert_eq!((words[5].as_str(), words[6].starts_with("{claude waits for you")), ("{nothing} {", true));
    }

    #[test]
    fn a_need_is_told_once_however_much_of_it_is_left() {
        let finished = |about: &str| identity(&need(NeedKind::Finished, about));
        assert_eq!(finished("3 hunks"), finished("1 hunks"));
        let approval = |about: &str| identity(&need(NeedKind::Approval, about));
        assert_ne!(approval("a_1"), approval("a_2"));
    }
}
