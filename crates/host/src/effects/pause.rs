//! Agents halted by their runner, and let go on.

use std::sync::Arc;
use std::time::Duration;

use orchflow_core::effect::Outcome;
use orchflow_core::{AgentKey, Code, Refusal};
use orchflow_mux::protocol::{Hello, PAUSE_PROTOCOL};

use super::failed;
use crate::world::World;

/// How long a runner may take to halt everything an agent started.
const LONGEST: Duration = Duration::from_secs(20);

pub(super) async fn set(world: &Arc<World>, agent: &AgentKey, pause: bool) -> Outcome {
    let (client, hello) = match world.runners.connect(agent).await {
        Ok(connected) => connected,
        Err(why) => return failed(format!("the runner of {agent} does not answer: {why}")),
    };
    if let Err(refusal) = check(agent, &hello) {
        return Outcome::Failed(refusal);
    }
    match tokio::time::timeout(LONGEST, client.pause(pause)).await {
        Ok(Ok(processes)) => Outcome::Paused { processes: u32::try_from(processes).unwrap_or(u32::MAX) },
        Ok(Err(error)) => failed(format!("the runner of {agent} could not do it: {error}")),
        Err(_) => failed(format!("the runner of {agent} did not do it within {} s", LONGEST.as_secs())),
    }
}

/// Refuses a runner that was started by an older orchflow, which knows no pause.
fn check(agent: &AgentKey, hello: &Hello) -> Result<(), Refusal> {
    if hello.protocol >= PAUSE_PROTOCOL {
        return Ok(());
    }
    let message = format!(
        "the runner of {} is too old to pause it: it speaks protocol {}, and {PAUSE_PROTOCOL} is needed",
        agent.name, hello.protocol
    );
    let hint = "agents started from now on can be paused; this one works on, or ends with orchflow stop";
    Err(Refusal::new(Code::Protocol, message).hint(hint))
}

#[cfg(test)]
mod tests {
    use orchflow_core::RunId;

    use super::*;

    #[test]
    fn an_older_runner_is_named_as_too_old() {
        let agent = AgentKey::new(RunId(1), "claude");
        let hello = |protocol| Hello { protocol, ..Hello::default() };
        assert_eq!(check(&agent, &hello(PAUSE_PROTOCOL)), Ok(()));
        let refusal = check(&agent, &hello(1)).unwrap_err();
        assert_eq!(refusal.code, Code::Protocol);
        assert!(refusal.message.contains("too old"), "{refusal}");
    }
}
