//! Requests against a server that does everything a server should not.

use std::io::Write;
use std::time::{Duration, Instant};

use super::support::{EVENTS, STOP, Server, events, hang, hello, raw, said, status};
use orchflow_driver::api::fault::{Fault, FaultKind};
use orchflow_driver::api::key::Secret;
use orchflow_driver::api::message::Part;
use orchflow_driver::api::transport::{Call, Limits, Patience, Progress, Route, Stopped, Transport};
use orchflow_driver::api::wire::{Answer, Dialect, Piece};
use orchflow_testkit::wait_for;
use serde_json::json;
use tokio_util::sync::CancellationToken;

const CANARY: &str = "canary-k3y-0123456789";

struct Asked {
    outcome: Result<Answer, Stopped>,
    pieces: Vec<Piece>,
    again: Vec<(Fault, Duration)>,
    took: Duration,
}

impl Asked {
    fn fault(self) -> Fault {
        match self.outcome {
            Err(Stopped::Fault(fault)) => {
                assert!(!fault.to_string().contains(CANARY), "{fault}");
                assert!(!fault.hint.is_empty());
                fault
            }
            other => panic!("no fault but {other:?}"),
        }
    }

    fn text(self) -> String {
        let answer = self.outcome.unwrap();
        let parts = answer.parts.into_iter().map(|part| match part {
            Part::Text { text, .. } => text,
            other => panic!("{other:?}"),
        });
        parts.collect()
    }
}

fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(2),
        idle: Duration::from_millis(400),
        whole: Duration::from_secs(20),
    }
}

fn ask_with(route: &Route, limits: Limits, cancel: &CancellationToken) -> Asked {
    let patience = Patience {
        attempts: 3,
        first: Duration::from_millis(20),
        longest: Duration::from_millis(50),
        longest_told: Duration::from_secs(2),
    };
    let transport = Transport::new(route, limits, patience).unwrap();
    let key = Secret::new(CANARY, "the test").unwrap();
    let body = json!({ "model": "m" });
    let call = Call { dialect: Dialect::OpenaiChat, model: "m", body: &body, key: Some(&key), headers: &[] };
    let (mut pieces, mut again) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    let mut progress = |progress| match progress {
        Progress::Piece(piece) => pieces.push(piece),
        Progress::Again(fault, wait) => again.push((fault, wait)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(transport.ask(&call, cancel, &mut progress));
    Asked { outcome, pieces, again, took: begun.elapsed() }
}

fn ask(url: &str) -> Asked {
    let route = Route { base_url: format!("{url}/v1"), proxy: None };
    ask_with(&route, limits(), &CancellationToken::new())
}

#[test]
fn a_request_carries_the_key_in_its_header_alone() {
    let server = Server::start(vec![hello()]);
    assert_eq!(ask(&server.url).text(), "hello");
    let [request] = server.requests().try_into().unwrap();
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains(&format!("authorization: bearer {CANARY}\r\n")), "{request}");
    assert_eq!(request.matches(CANARY).count(), 1);
}

#[test]
fn what_passes_is_tried_again_and_what_was_told_is_waited_for() {
    let server = Server::start(vec![
        status("429 Too Many Requests", "retry-after-ms: 120\r\n", r#"{"error":{"message":"slow down"}}"#),
        status("529 Overloaded", "", r#"{"error":{"type":"overloaded_error","message":"Overloaded"}}"#),
        hello(),
    ]);
    let asked = ask(&server.url);
    let kinds: Vec<FaultKind> = asked.again.iter().map(|(fault, _)| fault.kind).collect();
    assert_eq!(kinds, [FaultKind::Rate, FaultKind::Overloaded]);
    assert!(asked.again[0].1 >= Duration::from_millis(120) && asked.took >= Duration::from_millis(120));
    assert_eq!(asked.text(), "hello");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_limit_that_lasts_is_told_with_its_end_and_not_waited_for() {
    let body = r#"{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}"#;
    let server = Server::start(vec![status("429 Too Many Requests", "Retry-After: 3600\r\n", body)]);
    let fault = ask(&server.url).fault();
    assert_eq!((fault.kind, fault.answers_in), (FaultKind::Rate, Some(Duration::from_secs(3600))));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_does_not_pass_is_not_tried_again() {
    for (code, body, kind) in [
        ("401 Unauthorized", r#"{"error":{"message":"bad key"}}"#, FaultKind::KeyRefused),
        ("404 Not Found", r#"{"error":{"message":"no such model"}}"#, FaultKind::NotFound),
        ("400 Bad Request", r#"{"error":{"message":"maximum context length"}}"#, FaultKind::ContextFull),
        (
            "429 Too Many Requests",
            r#"{"error":{"message":"x","code":"insufficient_quota"}}"#,
            FaultKind::Quota,
        ),
    ] {
        let server = Server::start(vec![status(code, "", body)]);
        assert_eq!(ask(&server.url).fault().kind, kind);
        assert_eq!(server.requests().len(), 1, "{code}");
    }
}

#[test]
fn attempts_come_to_an_end() {
    let server = Server::start(vec![status("503 Service Unavailable", "", "")]);
    let asked = ask(&server.url);
    assert_eq!(asked.again.len(), 2);
    assert_eq!(asked.fault().kind, FaultKind::Overloaded);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_connection_that_breaks_before_the_answer_is_tried_again_and_after_it_began_is_not() {
    let server = Server::start(vec![raw(""), raw("HTTP/1.1 200"), hello()]);
    assert_eq!(ask(&server.url).text(), "hello");

    let server = Server::start(vec![events(&[&said("half an ")]), hello()]);
    let asked = ask(&server.url);
    assert_eq!(asked.pieces, [Piece::Text("half an ".into())]);
    assert_eq!(asked.fault().kind, FaultKind::CutShort);
    assert_eq!(server.requests().len(), 1, "nothing is shown twice");
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let server = Server::start(vec![hang("")]);
    let asked = ask(&server.url);
    assert_eq!((asked.again.len(), asked.took >= Duration::from_millis(1200)), (2, true));
    let fault = asked.fault();
    assert_eq!(fault.kind, FaultKind::TimedOut);
    assert!(fault.hint.contains("api.idle_s"), "{fault}");

    let beginning = format!("{EVENTS}data: {}\n\n", said("half"));
    let server = Server::start(vec![hang(&beginning)]);
    let route = Route { base_url: server.url.clone(), proxy: None };
    // A busy machine may take a while to bring the beginning.
    let patient = Limits { idle: Duration::from_secs(2), ..limits() };
    let fault = ask_with(&route, patient, &CancellationToken::new()).fault();
    assert!(fault.message.contains("stopped coming"), "{fault}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_server_that_only_keeps_the_connection_open_is_given_up_in_the_end() {
    let drip: super::support::Script = Box::new(|stream| {
        let _ = stream.write_all(EVENTS.as_bytes());
        while stream.write_all(b": still here\n\n").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let server = Server::start(vec![drip]);
    let route = Route { base_url: server.url.clone(), proxy: None };
    let limits = Limits { whole: Duration::from_millis(500), ..limits() };
    let fault = ask_with(&route, limits, &CancellationToken::new()).fault();
    assert!(fault.kind == FaultKind::TimedOut && fault.hint.contains("api.whole_s"), "{fault}");
}

#[test]
fn a_whole_answer_counts_also_where_the_connection_stays_open_or_breaks() {
    let body = format!("{EVENTS}data: {}\n\ndata: {STOP}\n\n", said("hello"));
    let server = Server::start(vec![hang(&body)]);
    assert_eq!(ask(&server.url).text(), "hello");
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n",
        body.len() - EVENTS.len(),
        &body[EVENTS.len()..]
    );
    let server = Server::start(vec![raw(chunked)]);
    assert_eq!(ask(&server.url).text(), "hello");
}

#[test]
fn what_is_no_answer_is_said_to_be_none() {
    let huge = format!("{EVENTS}data: {}", "x".repeat(20 << 20));
    for (script, kind, part) in [
        (
            status("200 OK", "content-type: text/html\r\n", "<html><p>Please log in</p></html>"),
            FaultKind::Garbled,
            "a web page instead of JSON",
        ),
        (
            status("200 OK", "content-type: application/json\r\n", "{\"truncated"),
            FaultKind::Garbled,
            "not JSON",
        ),
        (
            status("200 OK", "content-type: application/json\r\n", "{\"ok\":true}"),
            FaultKind::Garbled,
            "no choice in it",
        ),
        (
            status("200 OK", "content-type: text/plain\r\n", "hello there"),
            FaultKind::Garbled,
            "no event of the dialect: hello there",
        ),
        (events(&["{broken"]), FaultKind::Garbled, "not JSON"),
        (raw(huge), FaultKind::Garbled, "longer than 16 MB"),
        (
            events(&[r#"{"error":{"message":"upstream broke","code":502}}"#]),
            FaultKind::Server,
            "upstream broke",
        ),
        (raw("SSH-2.0-OpenSSH_9.2\r\n"), FaultKind::Unreachable, "could not be asked"),
        (
            raw(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(2 << 20))),
            FaultKind::Unreachable,
            "could not be asked",
        ),
        (
            raw(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            ),
            FaultKind::CutShort,
            "broke in the middle",
        ),
    ] {
        let server = Server::start(vec![script]);
        let fault = ask(&server.url).fault();
        assert!(
            fault.kind == kind && fault.message.contains(part),
            "{part:?} is not in {fault} ({:?})",
            fault.kind
        );
        assert!(fault.to_string().len() < 1500 && !fault.message.contains('\n'));
    }
}

#[test]
fn an_answer_in_one_piece_is_one_too() {
    let body = r#"{"model":"m","choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;
    let server = Server::start(vec![status("200 OK", "content-type: application/json\r\n", body)]);
    let asked = ask(&server.url);
    assert_eq!(asked.pieces, [Piece::Text("hello".into())]);
    assert_eq!(asked.text(), "hello");
}

#[test]
fn a_redirect_is_named_and_the_key_stays() {
    let elsewhere = Server::start(vec![hello()]);
    let location = format!("location: {}/v2\r\n", elsewhere.url);
    let server = Server::start(vec![status("307 Temporary Redirect", &location, "")]);
    let fault = ask(&server.url).fault();
    assert!(fault.message.contains(&elsewhere.url) && fault.hint.contains("api.base_url"), "{fault}");
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn nobody_at_the_other_end_is_said_with_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let asked = ask(&format!("http://{free}"));
    assert_eq!(asked.again.len(), 2);
    let fault = asked.fault();
    assert_eq!(fault.kind, FaultKind::Unreachable);
    assert!(fault.message.contains("refused") && fault.hint.contains("ollama serve"), "{fault}");
    let fault = ask("http://no-such-host.invalid").fault();
    assert!(fault.hint.contains("HTTPS_PROXY"), "{fault}");
}

#[test]
fn an_interruption_is_heard_at_once() {
    let beginning = format!("{EVENTS}data: {}\n\n", said("half"));
    for scripts in [
        vec![hang("")],
        vec![hang(&beginning)],
        vec![status("429 Too Many Requests", "retry-after: 2\r\n", "{}")],
    ] {
        let server = Server::start(scripts);
        let cancel = CancellationToken::new();
        let route = Route { base_url: server.url.clone(), proxy: None };
        let asked = std::thread::scope(|scope| {
            scope.spawn(|| {
                wait_for("the server is asked", || server.requests().len() == 1);
                cancel.cancel();
            });
            ask_with(&route, Limits { idle: Duration::from_secs(30), ..limits() }, &cancel)
        });
        assert!(matches!(asked.outcome, Err(Stopped::Cancelled)));
        assert_eq!(server.requests().len(), 1, "nobody asks again");
    }
}

#[test]
fn a_proxy_of_the_agents_file_is_used() {
    let proxy = Server::start(vec![hello()]);
    let route = Route { base_url: "http://models.invalid/v1".into(), proxy: Some(proxy.url.clone()) };
    assert_eq!(ask_with(&route, limits(), &CancellationToken::new()).text(), "hello");
    let [request] = proxy.requests().try_into().unwrap();
    assert!(request.starts_with("POST http://models.invalid/v1/chat/completions HTTP/1.1"), "{request}");
}
