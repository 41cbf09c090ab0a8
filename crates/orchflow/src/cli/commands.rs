//! Each command: what it asks of the host, and what it makes of the answer.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use orchflow_core::filter::{Filter, Scope};
use orchflow_mux::attach::{AttachEnd, AttachOptions};
use serde_json::{Map, Value, json};

use super::arguments::{self, Words};
use super::envelope::{Failure, HOST, NEGATIVE, Report, USAGE};
use super::link::{Link, Successor, connect_json};
use super::{follow, interrupt, review, show, waiting};

pub(super) type Outcome = Result<Report, Failure>;

/// Runs a command that ends with a report.
pub fn run(words: &Words) -> Report {
    let result = match words.command.name {
        "swarm" => swarm(words),
        "spawn" => spawn(words),
        "send" => send(words),
        "status" => status(words),
        "log" => log(words),
        "review" => review::list(words),
        "file" => review::file(words),
        "seen" => review::seen(words),
        "accept" | "reject" => review::decide(words),
        "comment" => review::comment(words),
        "undo" | "redo" => review::undo(words),
        "approvals" => approvals(words),
        "rules" => rules(words),
        "cost" => cost(words),
        "budget" => budget(words),
        "approve" | "deny" => answer(words),
        "stop" => stop(words),
        "clean" => clean(words),
        "pause" | "resume" => pause(words),
        "focus" => focus(words),
        "show" => show_views(words),
        "why" => why(words),
        "event" => event(words),
        "agents" => simple(words, "agents", show::agents),
        "adopt" => adopt(words),
        "doctor" => super::doctor::doctor(words),
        "wait" => waiting::wait(words),
        "host" => host_stop(words),
        "connect" => connect(words),
        other => Err(Failure::new("usage", USAGE, format!("{other} is not a command of the shell"))),
    };
    result.unwrap_or_else(Report::failed)
}

pub(super) fn open(words: &Words) -> Result<(Link, Vec<String>), Failure> {
    let starts_agents =
        matches!(words.command.name, "swarm" | "spawn" | "agents" | "doctor" | "resume" | "adopt");
    let link = Link::open(&words.folder, starts_agents)?;
    let warnings = link.warning().into_iter().collect();
    Ok((link, warnings))
}

pub(super) fn rows(result: &Value, name: &str) -> Value {
    result.get(name).cloned().unwrap_or_else(|| json!([]))
}

pub(super) fn list<'a>(result: &'a Value, name: &str) -> &'a [Value] {
    result.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn warnings_of(result: &Value) -> impl Iterator<Item = String> + '_ {
    list(result, "warnings").iter().filter_map(Value::as_str).map(str::to_owned)
}

/// A command whose only result is a list of its own name.
fn simple(words: &Words, name: &str, shown: fn(&Value) -> String) -> Outcome {
    let (mut link, mut warnings) = open(words)?;
    let result = link.ask(name, Map::new())?;
    warnings.extend(warnings_of(&result));
    Ok(Report { warnings, ..Report::of(rows(&result, name), shown(&result)) })
}

/// Says where this front is, for views beside it.
fn front() -> Value {
    let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    json!({
        "tmux": get("TMUX"),
        "tmux_pane": get("TMUX_PANE"),
        "wezterm_socket": get("WEZTERM_UNIX_SOCKET"),
        "wezterm_pane": get("WEZTERM_PANE"),
        "term_program": get("TERM_PROGRAM"),
    })
}

fn swarm(words: &Words) -> Outcome {
    waiting::check_policy(words)?;
    let awaited = words.has("wait").then(|| interrupt::heed(words.command.name, words.has("json")));
    let (mut link, mut warnings) = open(words)?;
    let mut params = words.params(&["json", "wait", "timeout", "on_approval"]);
    params.insert("front".to_owned(), front());
    let begun = Instant::now();
    let result = link.ask("swarm", params).map_err(|failure| match failure.is_host_gone() {
        true => failure.hint("orchflow status says whether the run began; if not, run the command again"),
        false => failure,
    })?;
    warnings.extend(warnings_of(&result));
    let run = result.get("run").cloned().unwrap_or(Value::Null);
    let names: Vec<&str> = list(&result, "agents")
        .iter()
        .filter_map(|agent| agent.get("agent").and_then(Value::as_str))
        .collect();
    let base = result.get("base").and_then(Value::as_str).unwrap_or_default();
    let begin = format!("run {run}: {}\nbase: {base}\n", names.join(", "));
    let Some(awaited) = awaited else {
        let text = format!("{begin}orchflow status says how they are; orchflow log -f follows them\n");
        return Ok(Report { run, warnings, ..Report::of(rows(&result, "agents"), text) });
    };
    awaited.set(&run);
    let mut err = std::io::stderr();
    let _ = err.write_all(begin.as_bytes());
    let mut report = waiting::wait_for(&mut link, words, run, begun);
    report.warnings.splice(0..0, warnings);
    Ok(report)
}

fn spawn(words: &Words) -> Outcome {
    let (mut link, mut warnings) = open(words)?;
    let mut params = words.params(&["json"]);
    params.insert("front".to_owned(), front());
    let result = link.ask("spawn", params)?;
    warnings.extend(warnings_of(&result));
    let run = result.get("run").cloned().unwrap_or(Value::Null);
    let name = result.get("agent").and_then(Value::as_str).unwrap_or_default();
    let text = format!("{name} joins run {run}\n");
    Ok(Report { run: run.clone(), warnings, ..Report::of(json!([{ "agent": name, "run": run }]), text) })
}

fn adopt(words: &Words) -> Outcome {
    let (mut link, mut warnings) = open(words)?;
    let mut params = words.params(&["json"]);
    params.insert("front".to_owned(), front());
    let result = link.ask("adopt", params)?;
    warnings.extend(warnings_of(&result));
    if result.get("candidates").is_some() {
        return Ok(Report { warnings, ..Report::of(rows(&result, "candidates"), show::candidates(&result)) });
    }
    let part = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let what = match result.get("copy").and_then(Value::as_bool) {
        Some(true) => "a copy of session",
        _ => "session",
    };
    let run = result.get("run").cloned().unwrap_or(Value::Null);
    let text = format!("{} goes on in {what} {}, as run {run}\n", part("agent"), part("session"));
    Ok(Report { run, warnings, ..Report::of(json!([result]), text) })
}

fn send(words: &Words) -> Outcome {
    let mut params = words.params(&["json"]);
    if words.text("text").is_none() {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::new("usage", USAGE, format!("the prompt cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Failure::new("usage", USAGE, format!("the prompt is no UTF-8 text: byte {at} is none of it"))
                .hint("convert it to UTF-8, for example: iconv -f latin1 -t utf-8 prompt.txt | orchflow send NAME")
        })?;
        params.insert("text".to_owned(), Value::from(text.trim_end_matches('\n')));
    }
    let (mut link, warnings) = open(words)?;
    let result = link.ask("send", params)?;
    let names: Vec<&str> = list(&result, "prompts")
        .iter()
        .filter_map(|prompt| prompt.get("agent").and_then(Value::as_str))
        .collect();
    let text = format!("sent to {}\n", names.join(", "));
    Ok(Report { warnings, ..Report::of(rows(&result, "prompts"), text) })
}

fn status(words: &Words) -> Outcome {
    let (mut link, mut warnings) = open(words)?;
    let result = link.ask("status", words.params(&["json"]))?;
    warnings.extend(warnings_of(&result));
    // As text it stands below the agents.
    if let Some(why) = result.get("read_only").and_then(Value::as_str).filter(|_| words.has("json")) {
        warnings.push(format!("the store takes no writes: {why}"));
    }
    let run = list(&result, "runs").last().and_then(|run| run.get("run")).cloned().unwrap_or(Value::Null);
    let seq = result.get("seq").cloned().unwrap_or(Value::Null);
    Ok(Report { run, seq, warnings, ..Report::of(rows(&result, "agents"), show::status(&result)) })
}

fn log(words: &Words) -> Outcome {
    if words.list("filter") == ["verify"] {
        return verify(words, "verify");
    }
    let mut params = words.params(&["json", "jsonl", "follow", "filter"]);
    add_filter(words, &mut params)?;
    let (mut link, warnings) = open(words)?;
    let seq = |result: &Value| result.get("seq").cloned().unwrap_or(Value::Null);
    let result = match words.has("follow") {
        true => link.ask_through(&words.folder, "log", &params, None, Successor::Awaited)?,
        false => link.ask("log", params.clone())?,
    };
    let mut events = list(&result, "events").to_vec();
    if words.number("after").is_none() {
        events.reverse();
    }
    if !words.has("follow") {
        let next = result.get("next").cloned().unwrap_or(Value::Null);
        if words.has("jsonl") {
            let text = events.iter().map(|event| format!("{event}\n")).collect();
            return Ok(Report { warnings, ..Report::of(Value::Null, text) });
        }
        let text = show::events(&events);
        return Ok(Report { seq: seq(&result), next, warnings, ..Report::of(Value::Array(events), text) });
    }
    follow::follow(&mut link, words, params, &result, events)
}

/// Adds the words of a filter, read here: what is wrong with them needs no host, and their times are those of
/// this front's time zone.
fn add_filter(words: &Words, params: &mut Map<String, Value>) -> Result<(), Failure> {
    let text = words.list("filter").join(" ");
    let mut filter = Filter::parse(Scope::Events, &text)?;
    let now = orchflow_host::clock::now();
    let (since, until) = orchflow_host::zone::take_times(&mut filter, now);
    for (name, time) in [("since_at", since), ("until_at", until)] {
        params.extend(time.map(|time| (name.to_owned(), Value::from(time))));
    }
    params.insert("filter".to_owned(), Value::from(filter.to_string()));
    Ok(())
}

/// Checks the whole log in this process: a host does not start on a log that was changed.
fn verify(words: &Words, action: &str) -> Outcome {
    if action != "verify" {
        return Err(Failure::new("usage", USAGE, format!("log: {action:?} is not `verify`"))
            .hint("usage: orchflow log [verify]"));
    }
    let store = super::link::store_of(&words.folder)?;
    if !store.exists() {
        return Ok(Report::of(json!([]), "there is no log yet\n".to_owned()));
    }
    let verdict = orchflow_store::verify::verify(&store)
        .map_err(|error| Failure::new("internal", HOST, error.to_string()))?;
    let broken = verdict.broken.as_ref().map(|(seq, why)| json!({ "seq": seq, "why": why }));
    let data = json!([{ "checked": verdict.checked, "intact": broken.is_none(), "broken": broken }]);
    let report = Report::of(data, format!("{} events, the chain holds\n", verdict.checked));
    Ok(match &verdict.broken {
        None => report,
        Some((seq, why)) => {
            let failure =
                Failure::new("chain_broken", NEGATIVE, format!("the log was changed: at event {seq} {why}"));
            let place = store.display();
            let failure =
                failure.hint(format!("the log is {place}; move it away and put an older copy in its place"));
            Report { text: String::new(), failure: Some(failure), ..report }
        }
    })
}

fn answer(words: &Words) -> Outcome {
    let (mut link, warnings) = open(words)?;
    let result = link.ask(words.command.name, words.params(&["json"]))?;
    let rows = match result.get("answers") {
        Some(answers) => answers.clone(),
        None => json!([result]),
    };
    let answers = rows.as_array().map_or(&[][..], Vec::as_slice);
    let text = answers.iter().map(show::answer).collect();
    let refused = answers.iter().find(|row| row.get("state").and_then(Value::as_str) == Some("refused"));
    let failure = refused.map(|row| {
        let part = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut failure = Failure::new("refused", NEGATIVE, format!("{}: {}", part("id"), part("message")));
        failure.hint = Some(part("hint")).filter(|hint| !hint.is_empty());
        failure
    });
    Ok(Report { failure, warnings, ..Report::of(rows, text) })
}

fn approvals(words: &Words) -> Outcome {
    let mut params = words.params(&["json", "filter"]);
    if !words.list("filter").is_empty() {
        add_filter(words, &mut params)?;
    }
    let (mut link, mut warnings) = open(words)?;
    let result = link.ask("approvals", params)?;
    warnings.extend(result.get("rules_problem").and_then(Value::as_str).map(str::to_owned));
    let next = result.get("next").cloned().unwrap_or(Value::Null);
    Ok(Report { next, warnings, ..Report::of(rows(&result, "approvals"), show::approvals(&result)) })
}

fn cost(words: &Words) -> Outcome {
    let (mut link, warnings) = open(words)?;
    let result = link.ask("cost", words.params(&["json"]))?;
    let run = result.get("run").cloned().unwrap_or(Value::Null);
    let total = result.get("total").cloned().unwrap_or(Value::Null);
    let mut data = list(&result, "cost").to_vec();
    // The last row is the sum of the others.
    if let Value::Object(mut total) = total {
        total.insert("total".to_owned(), Value::Bool(true));
        data.push(Value::Object(total));
    }
    Ok(Report { run, warnings, ..Report::of(Value::Array(data), show::cost(&result)) })
}

fn budget(words: &Words) -> Outcome {
    let (mut link, warnings) = open(words)?;
    let result = link.ask("budget", words.params(&["json"]))?;
    Ok(Report { warnings, ..Report::of(rows(&result, "budgets"), show::budgets(&result)) })
}

fn rules(words: &Words) -> Outcome {
    let (mut link, mut warnings) = open(words)?;
    let result = link.ask("rules", words.params(&["json"]))?;
    warnings.extend(warnings_of(&result));
    Ok(Report { warnings, ..Report::of(rows(&result, "rules"), show::rules(&result)) })
}

fn stop(words: &Words) -> Outcome {
    let (mut link, warnings) = open(words)?;
    let result = link.ask("stop", words.params(&["json"]))?;
    let names: Vec<&str> = list(&result, "stopped").iter().filter_map(Value::as_str).collect();
    let text = match names.as_slice() {
        [] => "none of them ran\n".to_owned(),
        names => format!("stopped {}\n", names.join(", ")),
    };
    Ok(Report { warnings, ..Report::of(rows(&result, "stopped"), text) })
}

/// Says how an agent that was started again goes on.
fn how_it_goes_on(row: &Value) -> String {
    if row.get("started_again").and_then(Value::as_bool) != Some(true) {
        return String::new();
    }
    let number = |name: &str| row.get(name).and_then(Value::as_u64).unwrap_or(0);
    let mut text = match row.get("session").and_then(Value::as_str) {
        Some(session) => format!(", with its session {session}"),
        None => ", with a new session".to_owned(),
    };
    match number("queued") {
        0 => {}
        1 => text.push_str(", 1 prompt waits"),
        queued => text.push_str(&format!(", {queued} prompts wait")),
    }
    if number("undelivered") > 0 {
        text.push_str(&format!(", {} did not arrive (orchflow status says which)", number("undelivered")));
    }
    text
}

fn pause(words: &Words) -> Outcome {
    let (mut link, mut warnings) = open(words)?;
    let is_resume = words.command.name == "resume";
    let mut params = words.params(&["json"]);
    if is_resume {
        params.insert("front".to_owned(), front());
    }
    let result = link.ask_within(words.command.name, params, None)?;
    warnings.extend(warnings_of(&result));
    let rows_told = list(&result, "agents");
    let part = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut text = String::new();
    for row in rows_told {
        let why = part(row, "message");
        let tail = if why.is_empty() { how_it_goes_on(row) } else { format!(": {why}") };
        text.push_str(&format!("{} {}{tail}\n", part(row, "agent"), part(row, "state")));
    }
    if text.is_empty() {
        text.push_str(if is_resume {
            "none of them is paused or was cut off; one that finished or was stopped goes on when it is named\n"
        } else {
            "none of them runs\n"
        });
    }
    let refused = rows_told.iter().find(|row| row.get("message").is_some());
    let failure = refused.map(|row| {
        let message = format!("{}: {}", part(row, "agent"), part(row, "message"));
        Failure::new("refused", NEGATIVE, message)
    });
    Ok(Report { failure, warnings, ..Report::of(rows(&result, "agents"), text) })
}

fn focus(words: &Words) -> Outcome {
    let (mut link, warnings) = open(words)?;
    let result = link.ask("focus", words.params(&["json"]))?;
    let part = |name: &str| result.get(name).and_then(Value::as_str).map(str::to_owned);
    let failure = part("note").map(|note| Failure::new("not_shown", NEGATIVE, note));
    let text = part("focused").map_or(String::new(), |view| format!("{view} is in front\n"));
    Ok(Report { failure, warnings, ..Report::of(json!([result]), text) })
}

fn show_views(words: &Words) -> Outcome {
    let (mut link, warnings) = open(words)?;
    let mut params = words.params(&["json"]);
    params.insert("front".to_owned(), front());
    let result = link.ask_within("show", params, None)?;
    let part = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut text = String::new();
    for row in list(&result, "agents") {
        text.push_str(&match row.get("pane").and_then(Value::as_str) {
            Some(pane) => format!("{} is shown in {pane}\n", part(row, "agent")),
            None => format!("{} is shown nowhere: {}\n", part(row, "agent"), part(row, "note")),
        });
    }
    if text.is_empty() {
        text.push_str("none of them runs\n");
    }
    Ok(Report { warnings, ..Report::of(rows(&result, "agents"), text) })
}

fn why(words: &Words) -> Outcome {
    let (mut link, warnings) = open(words)?;
    let result = link.ask("why", words.params(&["json"]))?;
    Ok(Report { warnings, ..Report::of(json!([result]), show::why(&result)) })
}

fn event(words: &Words) -> Outcome {
    let (mut link, warnings) = open(words)?;
    let result = link.ask("event", words.params(&["json"]))?;
    Ok(Report { warnings, ..Report::of(json!([result]), show::whole_event(&result)) })
}

fn clean(words: &Words) -> Outcome {
    let (mut link, warnings) = open(words)?;
    let result = link.ask_within("clean", words.params(&["json"]), None)?;
    let mut text = String::new();
    let part = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let dry = words.has("dry_run");
    for row in list(&result, "cleaned") {
        if dry {
            text.push_str(&format!("{} would be removed\n", part(row, "agent")));
        } else {
            let undecided = match row.get("undecided").and_then(Value::as_u64).unwrap_or(0) {
                0 => String::new(),
                count => format!(", with {count} undecided hunks"),
            };
            text.push_str(&format!(
                "{} removed; kept as {}{undecided}\n",
                part(row, "agent"),
                part(row, "kept")
            ));
        }
    }
    let skipped = list(&result, "skipped");
    for row in skipped {
        text.push_str(&format!("{} left: {}\n", part(row, "agent"), part(row, "why")));
    }
    if text.is_empty() {
        text.push_str("nothing to clean\n");
    }
    let failure = skipped.first().map(|row| {
        let mut failure =
            Failure::new("skipped", NEGATIVE, format!("{}: {}", part(row, "agent"), part(row, "why")));
        failure.hint = row.get("hint").and_then(Value::as_str).map(str::to_owned);
        failure
    });
    Ok(Report { failure, warnings, ..Report::of(rows(&result, "cleaned"), text) })
}

fn host_stop(words: &Words) -> Outcome {
    if words.text("action").as_deref() != Some("stop") {
        return Err(
            Failure::new("usage", USAGE, "host takes no word but stop").hint("usage: orchflow host [stop]")
        );
    }
    let Some(mut link) = Link::running(&words.folder)? else {
        return Ok(Report::of(json!([{ "stopped": false }]), "no host runs here\n".to_owned()));
    };
    let leaving = link.host.clone();
    link.ask("host_stop", Map::new())?;
    drop(link);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !leaving.has_left() {
        if Instant::now() > deadline {
            return Err(Failure::new("internal", HOST, "the host did not leave within 10 s"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(Report::of(json!([{ "stopped": true }]), "the host left; agents work on\n".to_owned()))
}

fn connect(words: &Words) -> Outcome {
    let (link, warnings) = open(words)?;
    let data = connect_json(&link);
    let text = format!("{}\n", data.get("socket").and_then(Value::as_str).unwrap_or_default());
    Ok(Report { warnings, ..Report::of(data, text) })
}

/// Shows an agent in this terminal.
pub fn attach(words: &Words) -> ExitCode {
    let shown = || -> Result<ExitCode, Failure> {
        let name = words.text("agent").unwrap_or_default();
        let mut link = Link::open(&words.folder, false)?;
        let mut params = Map::new();
        params.insert("agent".to_owned(), Value::from(name.clone()));
        let result = link.ask("attach", params)?;
        let socket = PathBuf::from(result.get("socket").and_then(Value::as_str).unwrap_or_default());
        let short = result.get("agent").and_then(Value::as_str).unwrap_or(&name).to_owned();
        drop(link);
        wait_for_socket(&socket);
        let mut options = AttachOptions::new(short.clone());
        options.follow = words.has("follow");
        let end = orchflow_mux::attach::attach(&socket, &options)
            .map_err(|error| Failure::new("not_living", NEGATIVE, error.to_string()))?;
        let _ = writeln!(std::io::stdout(), "{}", end.describe(&short));
        Ok(match end {
            AttachEnd::RunnerGone => ExitCode::from(NEGATIVE),
            _ => ExitCode::SUCCESS,
        })
    };
    shown().unwrap_or_else(|failure| super::finish("attach", false, Report::failed(failure)))
}

/// A view may be opened a moment before its agent's runner listens.
fn wait_for_socket(socket: &std::path::Path) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !socket.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// Plays the offline agent in this terminal.
pub fn rehearsal(words: &Words) -> ExitCode {
    use orchflow_agent::rehearsal::{Options, rehearse};
    let name = words.text("name").unwrap_or_else(|| "rehearsal".to_owned());
    let persona = u32::try_from(words.number("persona").unwrap_or(0)).unwrap_or(0);
    match Options::from_surroundings(name, persona, words.text("script").map(PathBuf::from)) {
        Ok(options) => rehearse(options),
        Err(error) => {
            let failure = Failure::new("internal", HOST, format!("the rehearsal cannot begin: {error}"));
            super::finish("rehearsal", false, Report::failed(failure))
        }
    }
}

/// Prints a shell's completion script.
pub fn completions(words: &Words) -> ExitCode {
    let shell = words.text("shell").unwrap_or_default();
    let Ok(shell) = shell.parse::<clap_complete::Shell>() else {
        let failure = Failure::new("usage", USAGE, format!("there are no completions for {shell}"))
            .hint("bash, zsh, fish and elvish are known");
        return super::finish("completions", false, Report::failed(failure));
    };
    clap_complete::generate(shell, &mut arguments::build(), "orchflow", &mut std::io::stdout());
    ExitCode::SUCCESS
}

/// Prints what is made from the command catalogue.
pub fn catalogue(words: &Words) -> ExitCode {
    let text = match words.text("format").as_deref() {
        Some("lua") => orchflow_core::catalogue::to_lua(),
        Some("help") => orchflow_core::catalogue::to_help(),
        _ => {
            let failure = Failure::new("usage", USAGE, "catalogue takes lua or help");
            return super::finish("catalogue", false, Report::failed(failure));
        }
    };
    super::finish("catalogue", false, Report::of(Value::Null, text))
}
