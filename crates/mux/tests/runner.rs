//! A runner and its program, through real ptys.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "helpers of tests may panic"
)]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use orchflow_mux::client::{ClientError, RunnerClient};
use orchflow_mux::protocol::Manner;
use support::{CALL, TestRunner, lives, read_pid, wait_for};

#[test]
fn runner_process() {
    support::become_runner();
}

/// Puts the terminal into raw mode without echo, says `ready`, and saves `count` bytes of input.
fn receiver(count: usize, bracketed: bool) -> String {
    let bracket = if bracketed { "\\033[?2004h" } else { "" };
    format!("stty raw -echo; printf '{bracket}ready'; head -c {count} > got; printf done; sleep 60")
}

fn manner(submit: bool, require_bracketed: bool) -> Manner {
    Manner { submit, require_bracketed, ..Manner::default() }
}

#[test]
fn a_program_prints_and_exits_and_its_last_screen_stays() {
    let runner = TestRunner::shell("echo hello; exit 3");
    let exit = runner.exit();
    assert_eq!(exit["code"], 3);
    assert_eq!(exit["signal"], serde_json::Value::Null);
    runner.wait_for_screen("hello");
    let hello = runner.client().hello().unwrap();
    assert_eq!(hello.exited.unwrap().code, Some(3));
    let signals = runner.signals();
    let order: Vec<usize> = ["Started", "OutputActive", "Exited { code: Some(3)"]
        .iter()
        .map(|signal| signals.find(signal).unwrap_or_else(|| panic!("no {signal} in {signals}")))
        .collect();
    assert!(order.is_sorted(), "{signals}");
    let refused = runner.client().paste(b"too late", &manner(true, false), CALL);
    assert!(matches!(refused, Err(ClientError::Refused(refusal)) if refusal.code == "exited"));
    runner.client().close().unwrap();
    wait_for("the socket is gone", || !runner.socket().exists());
}

#[test]
fn a_program_that_exits_at_once_is_recorded() {
    let runner = TestRunner::start_unchecked(&["/bin/true"]);
    assert_eq!(runner.exit()["code"], 0);
    runner.wait_for_signal("Exited { code: Some(0)");
}

#[test]
fn a_missing_program_is_named() {
    let runner = TestRunner::start_unchecked(&["no-such-program-here"]);
    let exit = runner.exit();
    assert_eq!(exit["code"], 127);
    assert!(exit["error"].as_str().unwrap().contains("no-such-program-here"), "{exit}");
}

#[test]
fn the_runner_tells_who_it_is() {
    let runner = TestRunner::start(&["/bin/cat"]);
    let file: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(runner.path("runner.json")).unwrap()).unwrap();
    let hello = runner.client().hello().unwrap();
    assert_eq!(file["pid"], hello.pid);
    assert_eq!(file["child_pid"], hello.child_pid);
    assert!(file["started"].as_u64().unwrap() > 0);
    // The program leads a session of its own, apart from the runner's.
    let stat = fs::read_to_string(format!("/proc/{}/stat", hello.child_pid)).unwrap();
    let session: i32 = stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap().parse().unwrap();
    assert_eq!(session, hello.child_pid);
}

#[test]
fn a_prompt_goes_in_brackets_where_they_are_asked_for() {
    let text = "first line\nsecond\tline \x1b[201~ \x03 ünïcode";
    let clean = "first line\nsecond\tline [201~  ünïcode";
    let expected = format!("\x1b[200~{clean}\x1b[201~\r");
    let runner = TestRunner::shell(&receiver(expected.len(), true));
    runner.wait_for_signal("BracketedPaste(true)");
    let pasted = runner.client().paste(text.as_bytes(), &manner(true, true), CALL).unwrap();
    assert!(pasted.bracketed && pasted.submitted && !pasted.echoed, "{pasted:?}");
    assert_eq!(pasted.bytes, clean.len());
    runner.wait_for_screen("done");
    assert_eq!(fs::read_to_string(runner.path("got")).unwrap(), expected);
}

#[test]
fn a_prompt_goes_in_pieces_behind_the_keys_that_empty_the_input_line() {
    let expected = "\x15\x15\x1b[200~one\n\x1b[201~\x1b[200~two \x1b[201~\x1b[200~three\x1b[201~\r";
    let runner = TestRunner::shell(&receiver(expected.len(), true));
    runner.wait_for_signal("BracketedPaste(true)");
    let manner = Manner { piece: Some(5), before: b"\x15\x15".to_vec(), ..manner(true, true) };
    let pasted = runner.client().paste(b"one\ntwo three", &manner, CALL).unwrap();
    assert_eq!(pasted.bytes, 13);
    runner.wait_for_screen("done");
    assert_eq!(fs::read_to_string(runner.path("got")).unwrap(), expected);
}

#[test]
fn a_prompt_before_brackets_is_plain_or_refused() {
    let runner = TestRunner::shell(&receiver(4, false));
    runner.wait_for_screen("ready");
    let refused = runner.client().paste(b"a\nb\n", &manner(true, true), CALL);
    assert!(matches!(refused, Err(ClientError::Refused(refusal)) if refusal.code == "not_bracketed"));
    let pasted = runner.client().paste(b"a\nb\n", &manner(true, false), CALL).unwrap();
    assert!(!pasted.bracketed);
    runner.wait_for_screen("done");
    assert_eq!(fs::read(runner.path("got")).unwrap(), b"a\rb\r");
}

#[test]
fn a_large_prompt_is_exact_while_the_program_echoes_all_of_it() {
    let text: String = (0..20_000).map(|line| format!("line {line:05}\n")).collect();
    assert!(text.len() > 200_000);
    let count = text.len() + 12;
    let script = format!(
        "stty raw echo; printf '\\033[?2004hready'; head -c {count} > got; printf '\\r\\ndone'; sleep 60"
    );
    let runner = TestRunner::shell(&script);
    runner.wait_for_screen("ready");
    let pasted = runner.client().paste(text.as_bytes(), &manner(false, true), CALL).unwrap();
    assert!(pasted.echoed);
    runner.wait_for_screen("done");
    let got = fs::read_to_string(runner.path("got")).unwrap();
    assert_eq!(got, format!("\x1b[200~{text}\x1b[201~"));
}

#[test]
fn prompts_of_many_callers_are_not_mixed() {
    let prompts: Vec<String> = (0..8u8).map(|n| char::from(b'a' + n).to_string().repeat(20_000)).collect();
    let total: usize = prompts.iter().map(|prompt| prompt.len() + 12 + 1).sum();
    let runner = TestRunner::shell(&receiver(total, true));
    runner.wait_for_signal("BracketedPaste(true)");
    std::thread::scope(|scope| {
        for prompt in &prompts {
            scope.spawn(|| {
                runner
                    .client()
                    .paste(prompt.as_bytes(), &manner(true, true), Duration::from_secs(30))
                    .unwrap()
            });
        }
    });
    runner.wait_for_screen("done");
    let got = fs::read_to_string(runner.path("got")).unwrap();
    let mut seen: Vec<&str> = got
        .split_terminator('\r')
        .map(|piece| piece.strip_prefix("\x1b[200~").unwrap().strip_suffix("\x1b[201~").unwrap())
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, prompts);
}

#[test]
fn the_status_is_kept_and_told() {
    let message = "YXBwcm92ZSBCYXNo";
    let runner = TestRunner::shell(&format!(
        "stty raw -echo; printf '\\033]7501;?\\033\\\\\\033[c'; head -c 19 > got; \
         printf '\\033]7501;state=blocked:app=x:kind=permission:msg={message}\\033\\\\'; sleep 60"
    ));
    runner.wait_for_signal("Status");
    // The answer to the status query comes before that to the attributes.
    assert_eq!(fs::read(runner.path("got")).unwrap(), b"\x1b]7501;?\x1b\\\x1b[?62;22c");
    let status = runner.client().hello().unwrap().status.unwrap();
    assert_eq!(status.state, "blocked");
    assert_eq!(status.message.as_deref(), Some("approve Bash"));
    assert_eq!(status.kind.as_deref(), Some("permission"));
}

#[test]
fn a_daemon_left_behind_is_ended_and_an_exempt_one_is_not() {
    let script = "(setsid sh -c 'echo $$ > daemon; exec sleep 300' >/dev/null 2>&1 &) ; \
                  (ORCHFLOW_TEST_EXEMPT=1 setsid sh -c 'echo $$ > exempt; exec sleep 300' >/dev/null 2>&1 &) ; \
                  while [ ! -s daemon ] || [ ! -s exempt ]; do :; done; exit 0";
    let runner = TestRunner::shell(script);
    let exit = runner.exit();
    assert_eq!(exit["leftover_ended"], 1);
    let (daemon, exempt) = (read_pid(&runner.path("daemon")), read_pid(&runner.path("exempt")));
    assert!(!lives(daemon));
    assert!(lives(exempt));
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(exempt).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
}

#[test]
fn a_daemon_that_ignores_everything_and_hides_its_environment_is_killed() {
    let script = "(env -i setsid sh -c 'trap \"\" TERM HUP INT; echo $$ > daemon; while :; do sleep 300; done' \
                  >/dev/null 2>&1 &) ; while [ ! -s daemon ]; do :; done; exit 0";
    let runner = TestRunner::shell(script);
    assert!(runner.exit()["leftover_ended"].as_u64().unwrap() >= 1);
    assert!(!lives(read_pid(&runner.path("daemon"))));
}

#[test]
fn stop_asks_first_and_then_insists() {
    let polite = TestRunner::shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done");
    polite.wait_for_screen("ready");
    assert_eq!(polite.client().stop(Duration::from_secs(5)).unwrap().code, Some(7));

    let deaf = TestRunner::shell("trap '' TERM HUP INT; echo ready; while :; do sleep 300; done");
    deaf.wait_for_screen("ready");
    let exit = deaf.client().stop(Duration::from_millis(200)).unwrap();
    assert_eq!((exit.code, exit.signal), (None, Some(9)));
}

#[test]
fn a_stopped_program_is_ended_too() {
    let runner = TestRunner::shell("echo ready; kill -STOP $$; sleep 300");
    runner.wait_for_screen("ready");
    let exit = runner.client().stop(Duration::from_millis(500)).unwrap();
    assert_eq!(exit.signal, Some(15));
}

#[test]
fn sigterm_to_the_runner_ends_everything() {
    let mut runner = TestRunner::shell("echo ready; sleep 300");
    runner.wait_for_screen("ready");
    let pid = rustix::process::Pid::from_raw(runner.process.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    wait_for("the runner leaves", || matches!(runner.process.try_wait(), Ok(Some(_))));
    assert_eq!(runner.exit()["signal"], 15);
    assert!(!runner.socket().exists());
}

#[test]
fn the_program_may_not_press_its_own_keys() {
    // The program tries to speak to its runner's socket; the runner hangs up without a word.
    let runner = TestRunner::shell(
        "python3 - <<'END'\nimport socket\ns=socket.socket(socket.AF_UNIX)\ns.connect('r/1-test.sock')\n\
         s.sendall(b'\\x94\\x00\\x01\\xa6screen\\x91\\x80')\nprint('closed' if s.recv(1) == b'' else 'answered')\nEND\n\
         sleep 60",
    );
    wait_for("the program's try", || {
        let rows = runner.client().screen().unwrap().rows.join("\n");
        assert!(!rows.contains("answered"));
        rows.contains("closed") || rows.contains("Error") || rows.contains("not found")
    });
}

#[test]
fn quiet_and_active_are_told_apart() {
    let runner = TestRunner::shell("echo one; head -c 1 >/dev/null; echo two; sleep 60");
    runner.wait_for_signal("OutputQuiet");
    assert_eq!(runner.signals().matches("OutputActive").count(), 1);
    runner.client().input(b"x\n").unwrap();
    wait_for("activity again", || runner.signals().matches("OutputActive").count() == 2);
}

#[test]
fn scrollback_is_bounded_and_in_order() {
    let runner = TestRunner::shell("seq 1 5000; echo done; sleep 60");
    runner.wait_for_screen("done");
    let rows = runner.client().scrollback(usize::MAX).unwrap();
    assert_eq!(rows.len(), 2000);
    let numbers: Vec<u32> = rows.iter().map(|row| row.parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(runner.client().scrollback(3).unwrap(), rows[1997..]);
}

#[test]
fn a_size_of_zero_and_a_storm_of_sizes_do_no_harm() {
    let runner = TestRunner::shell("seq 1 3000; while :; do sleep 0.2; stty size; done");
    let mut client = runner.client();
    client.resize(0, 0).unwrap();
    client.resize(u16::MAX, u16::MAX).unwrap();
    for step in 0..200u16 {
        client.resize(20 + step % 150, 5 + step % 60).unwrap();
    }
    client.resize(90, 33).unwrap();
    runner.wait_for_screen("33 90");
    let hello = client.hello().unwrap();
    assert_eq!((hello.columns, hello.rows), (90, 33));
}

#[test]
fn a_second_runner_on_the_same_socket_refuses_to_start() {
    let runner = TestRunner::start(&["/bin/cat"]);
    let options = orchflow_mux::runner::RunnerOptions::new(
        runner.socket(),
        vec!["/bin/true".into()],
        runner.folder.path().to_owned(),
    );
    // Refused before anything of this process is changed for good, save the session.
    let result =
        std::thread::spawn(|| orchflow_mux::runner::run(options, Box::new(orchflow_mux::signal::NoSignals)));
    let error = result.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("already listens"), "{error}");
    assert!(RunnerClient::connect(&runner.socket(), CALL).is_ok());
}

#[test]
fn calls_that_make_no_sense_are_refused_with_a_reason() {
    use orchflow_mux::protocol::Refusal;
    use orchflow_wire::blocking::{Client, RequestError};
    use rmpv::Value;

    let runner = TestRunner::start(&["/bin/cat"]);
    let mut client = Client::connect(&runner.socket()).unwrap();
    for (method, params, reason) in [
        ("dance", vec![], "has no \"dance\""),
        ("paste", vec![], "lacks text"),
        ("paste", vec![Value::from(3)], "lacks text"),
        ("resize", vec![Value::Map(vec![("columns".into(), Value::from(-1))])], "lacks columns"),
        ("signal", vec![Value::Map(vec![("name".into(), "BOGUS".into())])], "no signal"),
        ("hello", vec![Value::Map(vec![("protocol".into(), Value::from(0))])], "protocols 1 to 2"),
        ("interrupt", vec![Value::Map(vec![("key".into(), "x".into())])], "escape or ctrl-c"),
    ] {
        match client.request(method, params, Some(CALL)) {
            Err(RequestError::Refused(value)) => {
                let message = Refusal::from_value(&value).message;
                assert!(message.contains(reason), "{message} should say {reason}");
            }
            other => panic!("{method}: {other:?}"),
        }
    }
    // Garbage closes that connection and no other.
    use std::io::{Read as _, Write as _};
    let mut raw = std::os::unix::net::UnixStream::connect(runner.socket()).unwrap();
    raw.write_all(&[0xc1; 64]).unwrap();
    assert_eq!(raw.read(&mut [0; 8]).unwrap_or(0), 0);
    let mut huge = std::os::unix::net::UnixStream::connect(runner.socket()).unwrap();
    huge.write_all(&[0xdd, 0xff, 0xff, 0xff, 0xff]).unwrap();
    assert_eq!(huge.read(&mut [0; 8]).unwrap_or(0), 0);
    assert!(runner.client().hello().is_ok());
}

#[test]
fn a_flood_neither_stops_the_program_nor_fills_the_memory() {
    let runner =
        TestRunner::shell("head -c 20000000 /dev/zero | tr '\\0' 'x'; echo; echo finished; sleep 60");
    let started = Instant::now();
    runner.wait_for_screen("finished");
    let pid = runner.client().hello().unwrap().pid;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap()
        .trim()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    eprintln!("20 MB in {:?}, resident {resident} kB", started.elapsed());
    assert!(resident < 64 * 1024, "{resident} kB");
}

/// Tells whether a process stands still: halted, or a shell that waits in the kernel for a halted child.
fn is_halted(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().unwrap().trim_start().starts_with(['T', 'D']))
}

/// Counts on in a file, in a session of its own, in a child of the program, and in the program itself.
const FAMILY: &str = "setsid sh -c 'echo $$ > own; while :; do echo x >> ticks-own; sleep 0.02; done' </dev/null >/dev/null 2>&1 &\n\
     sh -c 'echo $$ > child; while :; do echo x >> ticks-child; sleep 0.02; done' &\n\
     echo $$ > program; trap 'echo ended > ended; exit 4' TERM\n\
     while :; do echo x >> ticks-program; sleep 0.02; done";

#[test]
fn a_pause_halts_the_whole_family_and_a_resume_lets_it_go_on() {
    let runner = TestRunner::shell(FAMILY);
    let names = ["own", "child", "program"];
    let pids = names.map(|name| read_pid(&runner.path(name)));
    let ticks = |name: &str| fs::metadata(runner.path(&format!("ticks-{name}"))).map_or(0, |file| file.len());
    wait_for("all of them count", || names.iter().all(|name| ticks(name) > 2));
    let mut client = runner.client();
    assert!(client.pause(true).unwrap() >= 3);
    assert!(pids.iter().all(|pid| is_halted(*pid)), "when it is answered all of them stand still");
    assert!(client.hello().unwrap().paused);
    let stood = names.map(ticks);
    assert!(client.pause(true).unwrap() >= 3, "asked again it is so");
    assert_eq!(names.map(ticks), stood);
    assert!(client.pause(false).unwrap() >= 3);
    assert!(!client.hello().unwrap().paused);
    wait_for("all of them count on", || names.iter().zip(stood).all(|(name, stood)| ticks(name) > stood));
    assert_eq!(client.pause(false).unwrap(), 0, "nothing stands still");
}

#[test]
fn a_paused_program_is_stopped_like_any_other() {
    let runner = TestRunner::shell(FAMILY);
    let pids = ["own", "child", "program"].map(|name| read_pid(&runner.path(name)));
    let mut client = runner.client();
    client.pause(true).unwrap();
    let exit = client.stop(Duration::from_secs(4)).unwrap();
    assert_eq!(exit.code, Some(4), "it had the time to end by itself");
    assert!(runner.path("ended").exists());
    assert!(pids.iter().all(|pid| !lives(*pid)));
}

#[test]
fn what_halted_by_itself_is_left_as_it_is() {
    let script = "sh -c 'echo $$ > job; kill -STOP $$; sleep 60' &\n echo $$ > program; sleep 60";
    let runner = TestRunner::shell(script);
    let (job, program) = (read_pid(&runner.path("job")), read_pid(&runner.path("program")));
    wait_for("the job halted", || is_halted(job));
    let mut client = runner.client();
    client.pause(true).unwrap();
    assert!(is_halted(program));
    client.pause(false).unwrap();
    assert!(!is_halted(program) && is_halted(job));
}

#[test]
fn silence_is_told_once_a_program_goes_on() {
    let runner = TestRunner::shell("echo hello; read line; echo again; sleep 60");
    runner.wait_for_screen("hello");
    runner.wait_for_signal("OutputActive");
    let mut client = runner.client();
    client.pause(true).unwrap();
    client.input(b"x\n").unwrap();
    client.pause(false).unwrap();
    runner.wait_for_screen("again");
    runner.wait_for_signal("OutputQuiet");
}

#[test]
fn an_ended_program_is_not_paused() {
    let runner = TestRunner::shell("exit 0");
    runner.exit();
    let refused = runner.client().pause(true);
    assert!(matches!(refused, Err(ClientError::Refused(refusal)) if refusal.code == "exited"));
}
