//! Reports as they arrive: checked, read, made durable, and answered where somebody waits.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use orchflow_agent::catalogue::Catalogue;
use orchflow_agent::hooks::{Answer, HookOutput, answer_of, is_of_a_kind, parse_of};
use orchflow_agent::limits::Here;
use orchflow_core::decide::Input;
use orchflow_core::report::{Report, ReportEnvelope, StatedState};
use orchflow_core::state::Phase;
use orchflow_core::{AgentKey, Code, Refusal, Timestamp};
use orchflow_hook::spool;
use rmpv::Value;
use tokio::sync::oneshot;

use crate::world::{World, blocking, lock};
use crate::writers::look_before;

/// How long after its start a host keeps answers for hooks that asked the one before and have yet to find it.
const REJOIN: Duration = Duration::from_secs(5);

/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Hooks that wait for an answer, by the id of their report.
#[derive(Default)]
pub struct Hooks {
    waiting: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    /// Those that are answered as soon as they come again.
    owed: Mutex<HashSet<String>>,
    /// When hooks began to look for this host.
    begun: Option<Instant>,
    tokens: Mutex<HashMap<AgentKey, String>>,
    /// One reader a spool at a time.
    draining: Mutex<HashMap<AgentKey, Arc<tokio::sync::Mutex<()>>>>,
}

impl Hooks {
    /// Remembers that a hook waits.
    fn wait(&self, request: &str) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.waiting).insert(request.to_owned(), sender);
        receiver
    }

    /// Answers the hook that waits under this id. Tells whether one did.
    pub fn answer(&self, request: &str, answer: Answer) -> bool {
        let waiting = lock(&self.waiting).remove(request);
        waiting.is_some_and(|sender| sender.send(answer).is_ok())
    }

    /// Begins with a host: hooks that asked another look for it from now on.
    pub fn new() -> Hooks {
        Hooks { begun: Some(Instant::now()), ..Hooks::default() }
    }

    fn is_owed(&self, request: &str) -> bool {
        lock(&self.owed).contains(request)
    }

    /// Answers the hook that waits under this id, also one that has yet to find this host. Tells whether one did.
    pub async fn answer_in_time(&self, request: &str, answer: Answer) -> bool {
        let is_awaited = || lock(&self.waiting).contains_key(request);
        let may_come = || self.begun.is_some_and(|begun| begun.elapsed() < REJOIN);
        if !is_awaited() && may_come() {
            lock(&self.owed).insert(request.to_owned());
            while !is_awaited() && may_come() {
                tokio::time::sleep(LOOK).await;
            }
            lock(&self.owed).remove(request);
        }
        self.answer(request, answer)
    }

    fn forget(&self, request: &str) -> bool {
        lock(&self.waiting).remove(request).is_some()
    }

    /// Learns the token of an agent that is being started.
    pub fn keep_token(&self, agent: &AgentKey, token: String) {
        lock(&self.tokens).insert(agent.clone(), token);
    }

    fn draining(&self, agent: &AgentKey) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.draining).entry(agent.clone()).or_default())
    }
}

/// A report as it stands on the wire and in the spool; see `orchflow_hook::Report`.
#[derive(Debug)]
pub struct Arrival {
    id: String,
    agent: AgentKey,
    token: String,
    at: Timestamp,
    format: String,
    name: String,
    body: Vec<u8>,
    decision: bool,
}

impl Arrival {
    /// Reads the map; says which field is wrong.
    ///
    /// # Errors
    /// A usage refusal that names the field.
    pub fn from_value(value: &Value) -> Result<Arrival, Refusal> {
        let field = |name: &str| -> Option<&Value> {
            value.as_map()?.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
        };
        let wrong = |name: &str| Refusal::new(Code::Usage, format!("a report without a good {name:?}"));
        let text =
            |name: &str| field(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| wrong(name));
        let body = match field("body") {
            Some(Value::Binary(bytes)) => bytes.clone(),
            Some(Value::String(text)) => text.as_bytes().to_vec(),
            _ => return Err(wrong("body")),
        };
        let id = text("id")?;
        if id.is_empty() || id.len() > 64 {
            return Err(wrong("id"));
        }
        Ok(Arrival {
            id,
            agent: text("agent")?.parse().map_err(|_| wrong("agent"))?,
            token: text("token")?,
            at: Timestamp(field("at").and_then(Value::as_i64).ok_or_else(|| wrong("at"))?),
            format: text("format")?,
            name: text("name")?,
            body,
            decision: field("decision").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    /// Tells whether its sender waits for the human.
    pub fn waits(&self) -> bool {
        self.decision
    }

    fn envelope(&self, catalogue: &Catalogue, answerable: bool) -> ReportEnvelope {
        let mut parsed = parse_of(catalogue, &self.format, &self.name, &self.body);
        if let Some(note) = &parsed.note {
            tracing::warn!(agent = %self.agent, name = self.name, note, "a hook's body is odd");
        }
        if !answerable {
            parsed = parsed.unanswerable();
        }
        ReportEnvelope {
            id: self.id.clone(),
            agent: self.agent.clone(),
            at: self.at,
            channel: parsed.channel,
            report: crate::pasted::whole(parsed.report),
            writers: Vec::new(),
        }
    }
}

impl World {
    /// Gives the token an agent proves itself with; read back from its folder after a restart.
    fn token(&self, agent: &AgentKey) -> Option<String> {
        if let Some(token) = lock(&self.hooks.tokens).get(agent) {
            return Some(token.clone());
        }
        let token = std::fs::read_to_string(self.folders.agent(agent).join("token")).ok()?;
        self.hooks.keep_token(agent, token.clone());
        Some(token)
    }

    /// Checks that a message comes from the agent it names.
    ///
    /// # Errors
    /// [`Code::NotAllowed`] when the token is not that agent's.
    pub fn check_token(&self, agent: &AgentKey, token: &str) -> Result<(), Refusal> {
        let known = self.token(agent).is_some_and(|known| {
            let (known, given) = (blake3::hash(known.as_bytes()), blake3::hash(token.as_bytes()));
            known == given
        });
        if known {
            Ok(())
        } else {
            Err(Refusal::new(Code::NotAllowed, format!("the token is not that of {agent}")))
        }
    }

    /// Stores one report. Where its sender waits for the human, waits with it: `None` says that the
    /// report is stored and nobody waits.
    ///
    /// # Errors
    /// A refusal; the sender then keeps the report in its spool.
    pub async fn take_report(self: &Arc<Self>, arrival: Arrival) -> Result<Option<HookOutput>, Refusal> {
        self.check_token(&arrival.agent, &arrival.token)?;
        let kinds = if is_of_a_kind(&arrival.format) { self.kinds() } else { self.kinds_lately() };
        let envelope = look_before(self, arrival.envelope(&kinds.catalogue, arrival.decision)).await;
        let asks = arrival.decision && matches!(envelope.report, Report::ApprovalRequested { .. });
        if !asks {
            let transcript = crate::used::transcript(&arrival.format, &envelope.report, &arrival.body);
            self.transcripts.learn(&arrival.format, &envelope, &arrival.body);
            self.look_for_failure(&arrival.format, &envelope);
            self.store_report(envelope).await?;
            if let Some(path) = transcript {
                self.read_usage(arrival.agent, &arrival.id, arrival.format, path);
            }
            return Ok(None);
        }
        self.refresh_rules(orchflow_core::event::Actor::Host).await;
        let owed = self.hooks.is_owed(&arrival.id);
        let waiting = self.hooks.wait(&arrival.id);
        let stored = self.engine().report(arrival.id.clone(), Input::Report(envelope)).await;
        let said = |opinion: &Answer| {
            answer_of(&kinds.catalogue, &arrival.format, &arrival.name, &arrival.body, opinion)
        };
        let guard = Withdraw { world: self, request: arrival.id.clone(), agent: arrival.agent.clone() };
        if stored?.reply.already && !owed && !self.is_awaited(&arrival).await {
            // What it asked is settled: the agent's own dialog shows it.
            return Ok(Some(said(&Answer::NoOpinion)));
        }
        let opinion = waiting.await.unwrap_or(Answer::NoOpinion);
        drop(guard);
        Ok(Some(said(&opinion)))
    }

    /// Stores a report nobody waits at, and before it the limit that it tells of: first why it fails, then that it does.
    ///
    /// # Errors
    /// As [`World::take_report`].
    pub(crate) async fn store_report(self: &Arc<Self>, envelope: ReportEnvelope) -> Result<(), Refusal> {
        if let Some(limit) = self.limit_in(&envelope).await {
            self.engine().report(limit.id.clone(), Input::Report(limit)).await?;
        }
        self.engine().report(envelope.id.clone(), Input::Report(envelope)).await.map(drop)
    }

    /// Takes in that a hook asks again what it asked a host that is gone. Tells whether an answer may still come.
    async fn is_awaited(&self, arrival: &Arrival) -> bool {
        let (request, at) = (arrival.id.clone(), crate::clock::now());
        let envelope = ReportEnvelope {
            id: format!("rejoined-{request}-{}", at.0),
            agent: arrival.agent.clone(),
            at,
            channel: orchflow_core::report::Channel::Hook,
            report: Report::ApprovalRejoined { request: request.clone() },
            writers: Vec::new(),
        };
        if self.engine().report(envelope.id.clone(), Input::Report(envelope)).await.is_err() {
            return false;
        }
        let pending = self.engine().look(move |state| {
            state.approvals.values().any(|approval| approval.request == request && approval.answerable)
        });
        pending.await == Some(true)
    }

    /// Reads what stands in an agent's spool and makes it durable here.
    ///
    /// # Errors
    /// A refusal; the spool is then left as it is.
    pub async fn drain_spool(self: &Arc<Self>, agent: &AgentKey) -> Result<(), Refusal> {
        let one = self.hooks.draining(agent);
        let _one = one.lock().await;
        let path = self.folders.spool(agent);
        let mut from = 0;
        loop {
            let read_path = path.clone();
            let read = blocking(move || spool::read(&read_path, from)).await;
            let records = read.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
            if records.torn {
                tracing::warn!(%agent, "the spool has a torn record; the reports before and after it are taken");
            }
            if records.records.is_empty() && records.end <= from {
                return Ok(());
            }
            let mut inputs = Vec::new();
            for (_, payload) in &records.records {
                match self.spooled(agent, payload) {
                    Ok((id, envelope)) => {
                        let envelope = look_before(self, envelope).await;
                        inputs.push((id, Input::Report(envelope)));
                    }
                    Err(why) => tracing::warn!(%agent, why, "a spooled report cannot be read"),
                }
            }
            let mut told = Vec::with_capacity(inputs.len());
            for (id, input) in inputs {
                if let Input::Report(envelope) = &input
                    && let Some(limit) = self.limit_in(envelope).await
                {
                    told.push((limit.id.clone(), Input::Report(limit)));
                }
                told.push((id, input));
            }
            self.engine().spool(told).await?;
            from = records.end;
            let cut_path = path.clone();
            let end = records.end;
            let cut = blocking(move || spool::truncate_if_consumed(&cut_path, end)).await;
            if records.complete && cut.map_err(|error| Refusal::new(Code::Internal, error.to_string()))? {
                return Ok(());
            }
        }
    }

    /// Finds in the words of a failure that a model does not answer for a while, as the agent's catalogue entry knows
    /// them; the report that says so counts once, as its own does.
    async fn limit_in(self: &Arc<Self>, envelope: &ReportEnvelope) -> Option<ReportEnvelope> {
        let words: Vec<&str> = match &envelope.report {
            Report::TurnFailed { error, message } => {
                [Some(error), message.as_ref()].into_iter().flatten().map(String::as_str).collect()
            }
            Report::StatusStated { state: StatedState::Error, detail, .. } => {
                detail.iter().map(String::as_str).collect()
            }
            _ => return None,
        };
        let agent = envelope.agent.clone();
        let kind = self
            .engine()
            .look(move |state| state.agents.get(&agent).map(|agent| agent.kind.clone()))
            .await
            .flatten()?;
        let kinds = self.kinds();
        let zone = crate::zone::name();
        let here = Here { now: envelope.at, offset: &crate::zone::offset, zone: zone.as_deref() };
        let patterns = &kinds.catalogue.get(&kind)?.limits;
        let text = words.join("\n");
        let (limit, resets_at) = orchflow_agent::limits::read(patterns, &text, &here)?;
        Some(ReportEnvelope {
            id: format!("{}-limit", envelope.id),
            agent: envelope.agent.clone(),
            at: envelope.at,
            channel: envelope.channel,
            writers: Vec::new(),
            report: Report::LimitReached { limit, message: text, resets_at },
        })
    }

    /// Reads every spool that has something in it: what was said while nobody listened.
    pub async fn drain_all(self: &Arc<Self>) {
        let agents = self
            .engine()
            .look(|state| {
                let standing = state.agents.values().filter(|agent| agent.phase != Phase::Cleaned);
                standing.map(|agent| agent.key.clone()).collect::<Vec<AgentKey>>()
            })
            .await
            .unwrap_or_default();
        for agent in agents {
            if spool::is_empty(&self.folders.spool(&agent)) {
                continue;
            }
            if let Err(refusal) = self.drain_spool(&agent).await {
                tracing::warn!(%agent, %refusal, "a spool is left as it is");
            }
        }
    }

    /// Reads the spools again whenever the store takes writes after it did not.
    pub async fn drain_after_trouble(self: Arc<Self>) {
        let mut pulse = self.engine().pulse();
        let mut troubled = false;
        while pulse.changed().await.is_ok() {
            let trouble = pulse.borrow_and_update().read_only.is_some();
            if troubled && !trouble {
                self.drain_all().await;
            }
            troubled = trouble;
        }
    }

    fn spooled(&self, agent: &AgentKey, payload: &[u8]) -> Result<(String, ReportEnvelope), String> {
        let mut rest = payload;
        let value = rmpv::decode::read_value(&mut rest).map_err(|error| error.to_string())?;
        let arrival = Arrival::from_value(&value).map_err(|refusal| refusal.message)?;
        let kinds = self.kinds();
        if &arrival.agent != agent {
            return Err(format!("it is about {}", arrival.agent));
        }
        self.check_token(agent, &arrival.token).map_err(|refusal| refusal.message)?;
        // Nobody waits behind a spooled report.
        Ok((arrival.id.clone(), arrival.envelope(&kinds.catalogue, false)))
    }
}

/// Tells the loop when a hook's connection goes before its answer came.
struct Withdraw<'a> {
    world: &'a Arc<World>,
    request: String,
    agent: AgentKey,
}

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        if !self.world.hooks.forget(&self.request) {
            return;
        }
        let report = Report::ApprovalWithdrawn { request: self.request.clone() };
        let envelope = ReportEnvelope {
            id: format!("withdrawn-{}", self.request),
            agent: self.agent.clone(),
            at: crate::clock::now(),
            channel: orchflow_core::report::Channel::Hook,
            report,
            writers: Vec::new(),
        };
        self.world.engine().tell(Input::Report(envelope));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_of_the_host_before_waits_for_its_hook_a_while() {
        let hooks = Hooks::default();
        assert!(!hooks.answer_in_time("1", Answer::NoOpinion).await, "nobody waits, and none is to come");
        let hooks = Hooks::new();
        let (delivered, answer) = tokio::join!(hooks.answer_in_time("1", Answer::NoOpinion), async {
            tokio::time::sleep(2 * LOOK).await;
            hooks.wait("1").await
        });
        assert!(delivered && matches!(answer, Ok(Answer::NoOpinion)));
        assert!(!hooks.is_owed("1"));
    }

    #[test]
    fn a_report_with_a_wrong_field_is_refused_by_its_name() {
        let report = orchflow_hook::Report {
            id: "a1",
            agent: "7/claude",
            token: "t",
            at: 5,
            format: "claude",
            name: "Stop",
            body: b"{}",
            pid: 1,
            decision: false,
            truncated: false,
        };
        let value = rmpv::decode::read_value(&mut report.encode().as_slice()).unwrap();
        assert_eq!(Arrival::from_value(&value).unwrap().agent.name, "claude");
        for name in ["id", "agent", "token", "at", "format", "name", "body"] {
            let Value::Map(fields) = value.clone() else { panic!() };
            let spoilt = fields
                .into_iter()
                .map(|(key, value)| if key.as_str() == Some(name) { (key, Value::Nil) } else { (key, value) })
                .collect();
            let error = Arrival::from_value(&Value::Map(spoilt)).unwrap_err();
            assert!(error.message.contains(name), "{name}: {error}");
        }
    }
}
