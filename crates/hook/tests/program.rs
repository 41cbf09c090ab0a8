//! The hook program against hosts of every kind.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use orchflow_hook::{Delivery, Reporter, ReporterOptions, spool};
use rmpv::Value;

const PATIENCE: Duration = Duration::from_secs(20);

struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        Scene { directory: tempfile::tempdir().unwrap() }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("host.sock")
    }

    fn spool(&self) -> PathBuf {
        self.directory.path().join("spool")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchflow-hook"));
        command
            .args(arguments)
            .env_clear()
            .env("ORCHFLOW_SOCKET", self.socket())
            .env("ORCHFLOW_AGENT", "7/claude")
            .env("ORCHFLOW_TOKEN", "ab12")
            .env("ORCHFLOW_SPOOL", self.spool())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn spooled(&self) -> Vec<Value> {
        let records = spool::read(&self.spool(), 0).unwrap();
        assert!(!records.torn);
        records
            .records
            .iter()
            .map(|(_, payload)| rmpv::decode::read_value(&mut payload.as_slice()).unwrap())
            .collect()
    }
}

fn feed(mut command: Command, input: &[u8]) -> Child {
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child
}

fn run(command: Command, input: &[u8]) -> (Output, Duration) {
    let begun = Instant::now();
    let output = feed(command, input).wait_with_output().unwrap();
    (output, begun.elapsed())
}

fn silent(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

fn get<'a>(map: &'a Value, key: &str) -> &'a Value {
    map.as_map().unwrap().iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value).unwrap()
}

/// A host whose conversation is a function of the connection; requests it decoded come out of the channel.
fn host(socket: &Path, talk: impl Fn(UnixStream, &Sender<Value>) + Send + 'static) -> Receiver<Value> {
    let listener = UnixListener::bind(socket).unwrap();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            talk(stream.unwrap(), &sender);
        }
    });
    receiver
}

fn answer_all(mut stream: UnixStream, sender: &Sender<Value>, result: &Value) {
    while let Ok(request) = rmpv::decode::read_value(&mut stream) {
        let id = request[1].clone();
        let _ = sender.send(request);
        let response = Value::Array(vec![Value::from(1), id, Value::Nil, result.clone()]);
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &response).unwrap();
        // In two pieces, since a socket may cut anywhere.
        let (head, tail) = bytes.split_at(bytes.len() / 2);
        let _ = stream.write_all(head).and_then(|()| stream.write_all(tail));
    }
}

fn decision(output: &str, exit: i64) -> Value {
    Value::Map(vec![
        (Value::from("output"), Value::Binary(output.as_bytes().to_vec())),
        (Value::from("exit"), Value::from(exit)),
    ])
}

#[test]
fn a_report_reaches_the_host_whole_and_is_not_spooled() {
    let scene = Scene::new();
    let requests = host(&scene.socket(), |stream, sender| answer_all(stream, sender, &Value::Nil));
    let (output, _) = run(scene.command(&["claude", "Stop"]), b"{\"x\":\"\xff\"}");
    silent(&output);
    let request = requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request[0], Value::from(0));
    assert_eq!(request[2].as_str(), Some("report"));
    let report = &request[3][0];
    assert_eq!(get(report, "agent").as_str(), Some("7/claude"));
    assert_eq!(get(report, "token").as_str(), Some("ab12"));
    assert_eq!(get(report, "format").as_str(), Some("claude"));
    assert_eq!(get(report, "name").as_str(), Some("Stop"));
    assert_eq!(get(report, "body"), &Value::Binary(b"{\"x\":\"\xff\"}".to_vec()));
    assert_eq!(get(report, "pid").as_u64(), Some(u64::from(std::process::id())));
    assert_eq!(get(report, "decision").as_bool(), Some(false));
    assert_eq!(get(report, "truncated").as_bool(), Some(false));
    assert_eq!(get(report, "id").as_str().unwrap().len(), 32);
    assert!(spool::is_empty(&scene.spool()));
}

#[test]
fn with_no_host_reports_are_spooled_in_order() {
    let scene = Scene::new();
    for body in ["one", "two", ""] {
        let (output, _) = run(scene.command(&["claude", "Stop"]), body.as_bytes());
        silent(&output);
    }
    let bodies: Vec<_> =
        scene.spooled().iter().map(|report| get(report, "body").as_slice().unwrap().to_vec()).collect();
    assert_eq!(bodies, [&b"one"[..], b"two", b""]);
}

#[test]
fn a_stale_socket_is_no_host() {
    let scene = Scene::new();
    drop(UnixListener::bind(scene.socket()).unwrap());
    let (output, _) = run(scene.command(&["claude", "Stop"]), b"x");
    silent(&output);
    assert_eq!(scene.spooled().len(), 1);
}

#[test]
fn a_host_that_never_answers_costs_a_second() {
    let scene = Scene::new();
    let requests = host(&scene.socket(), |mut stream, sender| {
        let _ = sender.send(rmpv::decode::read_value(&mut stream).unwrap());
        let _ = stream.read(&mut [0]);
    });
    let (output, took) = run(scene.command(&["claude", "Stop"]), b"x");
    silent(&output);
    assert!((Duration::from_millis(950)..Duration::from_secs(4)).contains(&took), "{took:?}");
    let sent = requests.recv_timeout(PATIENCE).unwrap();
    let kept = scene.spooled();
    assert_eq!(kept.len(), 1);
    assert_eq!(get(&kept[0], "id"), get(&sent[3][0], "id"), "so that the host counts it once");
}

#[test]
fn a_host_that_closes_or_talks_garbage_or_refuses_is_not_believed() {
    let refusal = [0x94, 0x01, 0x01, 0xa2, b'n', b'o', 0xc0];
    for reply in [&b""[..], b"\xc1", b"HTTP/1.1 400 Bad Request\r\n", &[0x91; 64], &refusal] {
        let scene = Scene::new();
        let reply = reply.to_vec();
        let _requests = host(&scene.socket(), move |mut stream, _| {
            let _ = rmpv::decode::read_value(&mut stream);
            let _ = stream.write_all(&reply);
        });
        let (output, took) = run(scene.command(&["claude", "Stop"]), b"x");
        silent(&output);
        assert!(took < Duration::from_secs(4), "{took:?}");
        assert_eq!(scene.spooled().len(), 1);
    }
}

#[test]
fn while_the_spool_holds_something_new_reports_queue_behind_it_and_the_host_is_told() {
    let scene = Scene::new();
    run(scene.command(&["claude", "One"]), b"1");
    let requests = host(&scene.socket(), |stream, sender| answer_all(stream, sender, &Value::Nil));
    silent(&run(scene.command(&["claude", "Two"]), b"2").0);
    let request = requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request[2].as_str(), Some("drain"));
    assert_eq!(get(&request[3][0], "agent").as_str(), Some("7/claude"));
    assert_eq!(get(&request[3][0], "token").as_str(), Some("ab12"));
    assert_eq!(scene.spooled().len(), 2);
}

#[test]
fn a_full_disk_is_said_and_the_agent_goes_on() {
    let scene = Scene::new();
    let mut command = scene.command(&["claude", "Stop"]);
    command.env("ORCHFLOW_SPOOL", "/dev/full");
    let (output, _) = run(command, b"x");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/dev/full"));
}

#[test]
fn ten_megabytes_pass() {
    let scene = Scene::new();
    let requests = host(&scene.socket(), |stream, sender| answer_all(stream, sender, &Value::Nil));
    let body = vec![b'z'; 10 << 20];
    silent(&run(scene.command(&["claude", "Stop"]), &body).0);
    let request = requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!(get(&request[3][0], "body").as_slice().unwrap().len(), body.len());
}

#[test]
fn what_is_over_the_limit_is_cut_and_says_so_and_its_writer_never_meets_a_closed_pipe() {
    let scene = Scene::new();
    silent(&run(scene.command(&["claude", "Stop"]), &vec![b'z'; (32 << 20) + (1 << 20)]).0);
    let kept = scene.spooled();
    assert_eq!(get(&kept[0], "body").as_slice().unwrap().len(), 32 << 20);
    assert_eq!(get(&kept[0], "truncated").as_bool(), Some(true));
}

#[test]
fn a_decision_is_printed_and_its_exit_code_kept() {
    let scene = Scene::new();
    let requests =
        host(&scene.socket(), |stream, sender| answer_all(stream, sender, &decision("{\"ok\":1}", 2)));
    let (output, _) = run(scene.command(&["--wait", "30", "claude", "PermissionRequest"]), b"{}");
    assert_eq!(output.stdout, b"{\"ok\":1}");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(get(&requests.recv_timeout(PATIENCE).unwrap()[3][0], "decision").as_bool(), Some(true));
    assert!(spool::is_empty(&scene.spool()));
}

#[test]
fn a_decision_after_older_reports_has_the_host_drain_them_first() {
    let scene = Scene::new();
    run(scene.command(&["claude", "PreToolUse"]), b"older");
    let requests = host(&scene.socket(), |stream, sender| answer_all(stream, sender, &decision("", 0)));
    silent(&run(scene.command(&["--wait", "30", "claude", "PermissionRequest"]), b"{}").0);
    let methods: Vec<_> =
        (0..2).map(|_| requests.recv_timeout(PATIENCE).unwrap()[2].as_str().unwrap().to_owned()).collect();
    assert_eq!(methods, ["drain", "report"]);
}

#[test]
fn with_no_host_a_decision_is_left_to_the_agent_or_denied_by_policy() {
    let scene = Scene::new();
    silent(&run(scene.command(&["--wait", "30", "claude", "PermissionRequest"]), b"{}").0);
    assert_eq!(scene.spooled().len(), 1);
    assert_eq!(get(&scene.spooled()[0], "decision").as_bool(), Some(false), "nobody waits any more");

    let mut command = scene.command(&["--wait", "30", "claude", "PermissionRequest"]);
    command.env("ORCHFLOW_POLICY", "enforced");
    let (output, _) = run(command, b"{}");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with(
            r#"{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"deny""#
        ),
        "{text}"
    );

    let mut command = scene.command(&["--wait", "30", "other", "ask"]);
    command.env("ORCHFLOW_POLICY", "enforced");
    let (output, _) = run(command, b"{}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_decision_that_does_not_come_in_time_is_no_opinion() {
    let scene = Scene::new();
    let _requests = host(&scene.socket(), |mut stream, _| {
        let _ = rmpv::decode::read_value(&mut stream);
        let _ = stream.read(&mut [0]);
    });
    let (output, took) = run(scene.command(&["--wait", "1", "claude", "PermissionRequest"]), b"{}");
    silent(&output);
    assert!(took >= Duration::from_millis(950));
    assert_eq!(scene.spooled().len(), 1);
}

/// A host that dies over the first decision it is asked for; the next one, a moment later, answers.
fn two_hosts(scene: &Scene) -> Receiver<Value> {
    let (socket, listener) = (scene.socket(), UnixListener::bind(scene.socket()).unwrap());
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = sender.send(rmpv::decode::read_value(&mut stream).unwrap());
        std::fs::remove_file(&socket).unwrap();
        drop((stream, listener));
        // Long enough that it is looked for in vain.
        thread::sleep(Duration::from_millis(300));
        for stream in UnixListener::bind(&socket).unwrap().incoming() {
            answer_all(stream.unwrap(), &sender, &decision("yes", 0));
        }
    });
    receiver
}

#[test]
fn a_decision_is_waited_for_beyond_the_end_of_a_host() {
    for format in ["claude", "codex"] {
        let scene = Scene::new();
        let requests = two_hosts(&scene);
        let (output, _) = run(scene.command(&["--wait", "60", format, "PermissionRequest"]), b"{}");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"yes"[..]));
        let ids: Vec<_> = (0..2)
            .map(|_| get(&requests.recv_timeout(PATIENCE).unwrap()[3][0], "id").as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids[0], ids[1], "it is asked for as the same");
        assert!(spool::is_empty(&scene.spool()));
    }
}

#[test]
fn without_another_host_the_wait_ends_in_time_and_the_report_is_kept() {
    let scene = Scene::new();
    let _requests = host(&scene.socket(), |mut stream, _| {
        let _ = rmpv::decode::read_value(&mut stream);
    });
    silent(&run(scene.command(&["--wait", "1", "claude", "PermissionRequest"]), b"{}").0);
    assert_eq!(get(&scene.spooled()[0], "decision").as_bool(), Some(false));
}

#[test]
fn an_asker_that_leaves_between_two_hosts_ends_the_wait() {
    let scene = Scene::new();
    let requests = host(&scene.socket(), |mut stream, sender| {
        let _ = sender.send(rmpv::decode::read_value(&mut stream).unwrap());
    });
    let mut child = feed(scene.command(&["--wait", "600", "claude", "PermissionRequest"]), b"{}");
    requests.recv_timeout(PATIENCE).unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(scene.spooled().len(), 1);
}

#[test]
fn an_asker_that_leaves_ends_the_wait_and_the_host_sees_it() {
    let scene = Scene::new();
    let requests = host(&scene.socket(), |mut stream, sender| {
        let _ = sender.send(rmpv::decode::read_value(&mut stream).unwrap());
        let ended = matches!(stream.read(&mut [0]), Ok(0));
        let _ = sender.send(Value::from(ended));
    });
    let mut child = feed(scene.command(&["--wait", "600", "claude", "PermissionRequest"]), b"{}");
    requests.recv_timeout(PATIENCE).unwrap();
    drop(child.stdout.take());
    assert_eq!(requests.recv_timeout(PATIENCE), Ok(Value::from(true)));
    assert!(child.wait().unwrap().success());

    let mut child = feed(scene.command(&["--wait", "600", "claude", "PermissionRequest"]), b"{}");
    // The spool is not empty now, so the host is asked to drain it first; this one says nothing to that.
    requests.recv_timeout(PATIENCE).unwrap();
    child.kill().unwrap();
    assert_eq!(requests.recv_timeout(PATIENCE), Ok(Value::from(true)));
    child.wait().unwrap();
}

#[test]
fn wrong_use_never_looks_like_a_refusal() {
    for arguments in
        [&[][..], &["--wait"], &["--wait", "soon", "claude"], &["--unknown", "claude"], &["a", "b", "c"]]
    {
        let scene = Scene::new();
        let (output, _) = run(scene.command(arguments), b"");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stdout.is_empty());
        assert!(String::from_utf8_lossy(&output.stderr).contains("FORMAT"));
    }
    let scene = Scene::new();
    let mut command = scene.command(&["claude", "Stop"]);
    command.env_remove("ORCHFLOW_SOCKET");
    silent(&run(command, b"x").0);
    let mut command = scene.command(&["claude", "Stop"]);
    command.env_remove("ORCHFLOW_SOCKET").env("ORCHFLOW_HOOK_DEBUG", "1");
    assert!(String::from_utf8_lossy(&run(command, b"x").0.stderr).contains("ORCHFLOW_SOCKET"));
}

#[test]
fn a_reporter_keeps_its_connection_and_survives_a_restart_of_the_host() {
    let scene = Scene::new();
    let options = ReporterOptions {
        socket: scene.socket(),
        agent: "7/claude".into(),
        token: "ab12".into(),
        spool: scene.spool(),
    };
    let mut reporter = Reporter::new(options);
    assert!(matches!(reporter.deliver("report", "", b"before"), Delivery::Spooled));
    assert!(!reporter.nudge());

    let spool_path = scene.spool();
    let requests = host(&scene.socket(), move |mut stream, sender| {
        // Each connection answers two requests, then ends as if the host were restarted.
        for _ in 0..2 {
            let Ok(request) = rmpv::decode::read_value(&mut stream) else { return };
            if request[2].as_str() == Some("drain") {
                let end = spool::read(&spool_path, 0).unwrap().end;
                assert!(spool::truncate_if_consumed(&spool_path, end).unwrap());
            }
            let id = request[1].as_u64().unwrap();
            stream.write_all(&[0x94, 1, id as u8, 0xc0, 0xc0]).unwrap();
            let _ = sender.send(request);
        }
    });
    assert!(reporter.nudge());
    for _ in 0..5 {
        assert!(matches!(reporter.deliver("report", "", b"after"), Delivery::Durable));
    }
    assert_eq!(requests.iter().take(6).filter(|request| request[2].as_str() == Some("report")).count(), 5);
    assert!(spool::is_empty(&scene.spool()));
}
