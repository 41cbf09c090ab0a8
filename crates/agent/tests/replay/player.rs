//! Plays a recording to an agent in an empty repository: what is wished for is done at once, timers fire in time.

use std::path::PathBuf;

use orchflow_agent::catalogue::{Catalogue, Entry};
use orchflow_agent::{hooks, status};
use orchflow_core::command::{AgentSpec, Answer, Base, Command, ViewPlace};
use orchflow_core::decide::{Context, Input, decide};
use orchflow_core::effect::{Effect, EffectBody, Outcome};
use orchflow_core::event::payload::Bytes;
use orchflow_core::event::{Actor, Event, EventBody};
use orchflow_core::report::{Channel, Report, ReportEnvelope};
use orchflow_core::state::{State, TurnOutcome};
use orchflow_core::{AgentKey, Code, EventSeq, Refusal, Timestamp};

use crate::truth::Case;

pub fn fixture_bytes(folder: &str, name: &str) -> Option<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read(root.join(folder).join(name)).ok()
}

pub fn fixture(folder: &str, name: &str) -> Option<String> {
    fixture_bytes(folder, name).map(|bytes| String::from_utf8(bytes).unwrap())
}

/// What a replay showed.
pub struct Played {
    /// Each signal of the program: when, in seconds, and what.
    pub signals: Vec<(f64, String)>,
    /// Each status with the time it began.
    statuses: Vec<(f64, String)>,
    /// How the turns ended.
    pub turns: Vec<TurnOutcome>,
}

impl Played {
    pub fn status_at(&self, at: f64) -> &str {
        self.statuses.iter().rev().find(|(from, _)| *from <= at).map_or("starting", |(_, word)| word)
    }
}

/// One line of a recording: when, how it came, and what.
struct Line {
    at: f64,
    said: String,
    channel: Channel,
    report: Report,
}

pub fn play(catalogue: &Catalogue, case: &Case) -> Played {
    let entry = catalogue.get(case.kind).unwrap();
    let lines = recording(entry, case);
    let mut player = Player::new(entry, case);
    let mut signals = Vec::new();
    let mut answers = case.answers.iter().peekable();
    for line in lines {
        while let Some((at, allow)) = answers.next_if(|(at, _)| *at <= line.at) {
            player.pass(*at);
            player.answer(*allow);
        }
        player.pass(line.at);
        player.report(line.channel, line.report);
        signals.push((line.at, line.said));
    }
    let end = player.now + 60.0;
    player.pass(end);
    let turns = player
        .events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::TurnEnded(body) => Some(body.outcome),
            _ => None,
        })
        .collect();
    Played { signals, statuses: player.statuses, turns }
}

fn recording(entry: &Entry, case: &Case) -> Vec<Line> {
    let read = |kind: &str| fixture(case.folder, &format!("{}.{kind}.log", case.recording));
    let pty = read("pty").unwrap();
    let start: f64 = pty.split(' ').next().unwrap().parse().unwrap();
    let shown = entry.shown();
    let mut titled = None;
    let mut lines = Vec::new();
    for line in pty.lines() {
        let at = line.split(' ').next().unwrap().parse::<f64>().unwrap() - start;
        let mut push =
            |said: &str, channel, report| lines.push(Line { at, said: said.to_owned(), channel, report });
        if let Some((_, exit)) = line.split_once(" exit ") {
            // As `waitpid` gives it.
            let raw: i32 = exit.split(' ').nth(1).unwrap().parse().unwrap();
            let signal = Some(raw & 127).filter(|signal| *signal > 0);
            let code = signal.is_none().then_some(raw >> 8);
            push("exit", Channel::Process, Report::ProcessExited { code, signal, leftover_ended: 0 });
        } else if let Some(payload) = quoted(line) {
            if let Some(report) = payload.strip_prefix("7501;").and_then(status::parse) {
                push(&payload, Channel::Osc7501, report);
            } else if let Some(title) = payload.strip_prefix("0;").or_else(|| payload.strip_prefix("2;")) {
                // A spinner is no signal each time it turns; the runner sees to that.
                let report = shown.read_title(title);
                let word =
                    report.as_ref().map(|report| serde_json::to_value(report).unwrap()["state"].clone());
                if let Some(report) = report.filter(|_| titled != word) {
                    titled = word;
                    push(title.trim(), Channel::Title, report);
                }
            }
        }
    }
    for line in read("hooks").unwrap_or_default().lines() {
        let mut parts = line.splitn(3, ' ');
        let at = parts.next().unwrap().parse::<f64>().unwrap() - start;
        let (name, body) = (parts.next().unwrap(), parts.next().unwrap());
        let mut parsed = hooks::parse(entry.kind.word(), name, body.as_bytes());
        assert_eq!(parsed.note, None, "{name}: {body}");
        if !case.waits {
            parsed = parsed.unanswerable();
        }
        lines.push(Line { at, said: name.to_owned(), channel: parsed.channel, report: parsed.report });
    }
    lines.sort_by(|one, other| one.at.total_cmp(&other.at));
    // The exit is the runner's word, which comes after everything that reached it.
    if let Some(exit) = lines.iter().position(|line| line.said == "exit") {
        let mut exit = lines.remove(exit);
        exit.at = lines.last().map_or(exit.at, |last| last.at.max(exit.at) + 0.001);
        lines.push(exit);
    }
    lines
}

/// Reads the text of `OSC b'…'` as Python wrote it.
fn quoted(line: &str) -> Option<String> {
    let (_, text) = line.split_once("OSC b")?;
    let text = text.get(1..text.len() - 1)?;
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\\' => match rest.next()? {
                'x' => {
                    let hex: String = rest.by_ref().take(2).collect();
                    bytes.push(u8::from_str_radix(&hex, 16).ok()?);
                }
                other => bytes.push(u8::try_from(other).ok()?),
            },
            letter => bytes.extend_from_slice(letter.to_string().as_bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Finds the window titles in what a program wrote to its terminal.
pub fn titles(bytes: &[u8]) -> Vec<String> {
    let mut titles = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\x1b]") {
        rest = &rest[at + 2..];
        let end = rest.iter().position(|byte| matches!(byte, 0x07 | 0x1b)).unwrap_or(rest.len());
        let text = String::from_utf8_lossy(&rest[..end]);
        titles.extend(text.strip_prefix("0;").or_else(|| text.strip_prefix("2;")).map(str::to_owned));
    }
    titles
}

struct Player<'a> {
    case: &'a Case,
    state: State,
    events: Vec<Event>,
    open: Vec<Effect>,
    /// In seconds since the recording began.
    now: f64,
    agent: AgentKey,
    statuses: Vec<(f64, String)>,
    reports: usize,
}

/// The recording's beginning, in microseconds since the epoch.
const START: i64 = 1_000_000;

impl<'a> Player<'a> {
    fn new(entry: &Entry, case: &'a Case) -> Player<'a> {
        let spec = AgentSpec {
            kind: entry.name.clone(),
            name: None,
            title: entry.title.clone(),
            rehearsal: false,
            signals: entry.signals(),
        };
        let base = Base {
            label: "main@a1b2c3".to_owned(),
            commit: "c0ffee".to_owned(),
            tree: "7ee".to_owned(),
            branch: Some("main".to_owned()),
        };
        let place = ViewPlace { backend: "none".to_owned(), ..ViewPlace::default() };
        let objective = "anything".to_owned();
        let command = Command::StartRun { objective, base, agents: vec![spec], place, budget_usd: None };
        let mut player = Player {
            case,
            state: State::default(),
            events: Vec::new(),
            open: Vec::new(),
            now: 0.0,
            agent: AgentKey::new(orchflow_core::RunId(1), "x"),
            statuses: Vec::new(),
            reports: 0,
        };
        let actor = Actor::Human { user: "ada".to_owned() };
        let agents = player.input(Input::Command { actor, command });
        player.agent = agents.into_iter().next().unwrap();
        player.carry_out();
        player
    }

    fn input(&mut self, input: Input) -> Vec<AgentKey> {
        let now = Timestamp(START + (self.now * 1e6) as i64);
        let policy = std::sync::Arc::default();
        let context = Context { now, next_seq: EventSeq(self.events.len() as u64 + 1), policy };
        let decision = decide(&mut self.state, input, &context).unwrap();
        self.events.extend(decision.events);
        self.open.extend(decision.effects);
        let word = self.state.agents.get(&self.agent).map(|agent| match &agent.status.waiting_for {
            Some(what) => format!("{}: {what}", agent.word()),
            None => agent.word().to_owned(),
        });
        if let Some(word) = word.filter(|word| self.statuses.last().map(|(_, last)| last) != Some(word)) {
            self.statuses.push((self.now, word));
        }
        decision.reply.agents
    }

    fn report(&mut self, channel: Channel, report: Report) {
        self.reports += 1;
        let envelope = ReportEnvelope {
            id: format!("report-{}", self.reports),
            agent: self.agent.clone(),
            at: Timestamp(0),
            channel,
            report,
            writers: Vec::new(),
        };
        self.input(Input::Report(envelope));
        self.carry_out();
    }

    fn answer(&mut self, allow: bool) {
        let approval = *self.state.approvals.keys().next_back().unwrap();
        let actor = Actor::Human { user: "ada".to_owned() };
        let answer = Answer { allow, reason: None, input: None, rule: None };
        self.input(Input::Command { actor, command: Command::AnswerApproval { approval, answer } });
        self.carry_out();
    }

    /// Lets time pass; timers fire one by one in between.
    fn pass(&mut self, until: f64) {
        loop {
            let due = self.open.iter().enumerate().filter_map(|(place, effect)| match effect.body {
                EffectBody::Wake { at, .. } => Some((at.0, place)),
                _ => None,
            });
            let Some((at, place)) = due.min().filter(|(at, _)| *at <= START + (until * 1e6) as i64) else {
                break;
            };
            self.now = self.now.max((at - START) as f64 / 1e6);
            let effect = self.open.remove(place);
            self.input(Input::EffectDone { effect, outcome: Outcome::Woken });
            self.carry_out();
        }
        self.now = until;
    }

    fn carry_out(&mut self) {
        let is_work = |effect: &Effect| !matches!(effect.body, EffectBody::Wake { .. });
        while let Some(place) = self.open.iter().position(is_work) {
            let effect = self.open.remove(place);
            let outcome = match &effect.body {
                EffectBody::CreateWorktrees { agents, .. } => {
                    let made = |agent: &AgentKey| (agent.clone(), Ok((Bytes::from("/w"), "git".to_owned())));
                    Outcome::WorktreesCreated(agents.iter().map(made).collect())
                }
                EffectBody::LaunchAgent { .. } => Outcome::Launched {
                    pid: 2,
                    runner_pid: 1,
                    argv: Vec::new(),
                    environment: Vec::new(),
                    ports: Vec::new(),
                    notices: Vec::new(),
                },
                // The prompts of a recording were typed by hand; its agent gets none of its own.
                EffectBody::PastePrompt { .. } => {
                    Outcome::Failed(Refusal::new(Code::NotLiving, "typed by hand"))
                }
                EffectBody::ReadScreen { .. } => {
                    let shows =
                        self.case.dialogs.iter().find(|(from, to, ..)| (*from..*to).contains(&self.now));
                    Outcome::ScreenRead(shows.map(|(_, _, what)| ((*what).to_owned(), "its text".to_owned())))
                }
                EffectBody::TakeCheckpoint { turn, .. } => Outcome::Checkpointed {
                    commit: format!("c{turn}"),
                    tree: format!("t{turn}"),
                    kept_ref: "refs/orchflow/agents/1/x".to_owned(),
                    unchanged: false,
                    files: 1,
                    insertions: 1,
                    deletions: 0,
                    hunks: 1,
                    changed: Vec::new(),
                },
                EffectBody::LookForWriters { .. } => Outcome::Writers(Vec::new()),
                EffectBody::AnswerHook { .. } => Outcome::Answered { delivered: true },
                other => panic!("{other:?}"),
            };
            self.input(Input::EffectDone { effect, outcome });
        }
    }
}
