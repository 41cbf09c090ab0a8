//! Whatever stands at the other end of the host's socket, the host answers clearly and lives.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use orchflow_testkit::{Sandbox, wait_for};
use serde_json::Value;

use crate::sandbox;

fn hosted() -> (Sandbox, PathBuf, i32) {
    let sandbox = sandbox();
    let connected = sandbox.data_of(["connect", "--json"]);
    let socket = PathBuf::from(connected["socket"].as_str().unwrap());
    let pid = i32::try_from(connected["host_pid"].as_i64().unwrap()).unwrap();
    (sandbox, socket, pid)
}

/// Sends bytes, says that no more come, and gives what is answered until the host closes.
fn tell(socket: &PathBuf, bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    // The host may close before it took all of it.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the host neither answers nor closes");
    }
    answer
}

/// Encodes a request whose one parameter is given as msgpack already.
fn request(method: &str, parameter: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x94, 0x00, 0x07, 0xa0 | u8::try_from(method.len()).unwrap()];
    bytes.extend(method.as_bytes());
    bytes.push(0x91);
    bytes.extend(parameter);
    bytes
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn nonsense_on_the_socket_is_answered_and_the_host_lives() {
    let (sandbox, socket, pid) = hosted();
    let deep = vec![0x91; 100_000];
    let mut huge_array = vec![0xdd, 0xff, 0xff, 0xff, 0xff];
    huge_array.extend([0xc0; 1000]);
    let protocol: Vec<(&str, Vec<u8>)> = vec![
        ("text", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a number", vec![0x2a]),
        ("a byte that is no msgpack", vec![0xc1; 64]),
        ("deep nesting", deep),
        ("a string of 4 GB", vec![0xdb, 0xff, 0xff, 0xff, 0xff, b'x']),
        ("an array of 4 billion", huge_array),
        ("a binary of 4 GB", vec![0xc6, 0xff, 0xff, 0xff, 0xff]),
        ("a message of another kind", vec![0x94, 0x09, 0x01, 0xa1, b'x', 0x90]),
        ("a request of five parts", vec![0x95, 0x00, 0x01, 0xa1, b'x', 0x90, 0xc0]),
        ("a method that is a number", vec![0x94, 0x00, 0x01, 0x05, 0x90]),
        (
            "parameters that are a text",
            vec![0x94, 0x00, 0x01, 0xa6, b's', b't', b'a', b't', b'u', b's', 0xa1, b'x'],
        ),
        ("a call before hello", request("status", &[0x80])),
        ("hello with nothing", request("hello", &[0xc0])),
        ("hello with a text", request("hello", b"\xa5hello")),
        ("hello of another protocol", request("hello", b"\x81\xa8protocol\x63")),
        ("hello with a protocol that is a text", request("hello", b"\x81\xa8protocol\xa11")),
    ];
    for (what, bytes) in protocol {
        let answer = tell(&socket, &bytes);
        assert!(contains(&answer, "protocol"), "{what}: {:?}", String::from_utf8_lossy(&answer));
    }
    for (what, bytes) in [
        ("a report without anything", request("report", &[0x80])),
        ("a report that is a list", request("report", &[0x93, 0x01, 0x02, 0x03])),
        ("a drain without anything", request("drain", &[0x80])),
    ] {
        let answer = tell(&socket, &bytes);
        assert!(contains(&answer, "usage"), "{what}: {:?}", String::from_utf8_lossy(&answer));
    }
    // What is cut off, and notifications nobody knows, need no answer.
    let whole = request("hello", b"\x81\xa8protocol\x01");
    for length in 0..whole.len() {
        assert!(tell(&socket, &whole[..length]).is_empty());
    }
    for bytes in [
        vec![0x93, 0x02, 0xa1, b'x', 0x90],
        vec![0x93, 0x02, 0xa4, b'c', b'a', b'l', b'l', 0x91, 0xc3],
        vec![0x94, 0x01, 0x09, 0xc0, 0xc0],
    ] {
        assert!(tell(&socket, &bytes).is_empty(), "{bytes:?}");
    }
    // The same after a good greeting; whoever leaves before the answer gets none.
    for bad in [
        request("status", b"\x81\xa3run\xa1x"),
        request("log", b"\x81\xa6limits\x01"),
        request("accept", b"\x81\xa5hunks\x2a"),
        request("nothing", &[0x80]),
    ] {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(&[whole.clone(), bad].concat()).unwrap();
        let mut answer = Vec::new();
        while !contains(&answer, "usage") {
            let mut chunk = [0u8; 4096];
            let count = stream.read(&mut chunk).unwrap();
            assert_ne!(count, 0, "{:?}", String::from_utf8_lossy(&answer));
            answer.extend(&chunk[..count]);
        }
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..120)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        tell(&socket, &bytes);
    }
    let now = sandbox.data_of(["connect", "--json"]);
    assert_eq!(now["host_pid"], pid, "it is the same host");
    assert_eq!(sandbox.events(&["host_started"]).len(), 1);
    sandbox.leave_nothing();
}

#[test]
fn callers_that_hang_hold_nobody_up() {
    let (sandbox, socket, _) = hosted();
    let whole = request("hello", b"\x81\xa8protocol\x01");
    // Some say nothing, some half a word, some ask and never read.
    let silent: Vec<UnixStream> = (0..60).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let mut halves: Vec<UnixStream> = (0..60).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    for stream in &mut halves {
        stream.write_all(&whole[..10]).unwrap();
    }
    let mut deaf = UnixStream::connect(&socket).unwrap();
    deaf.write_all(&whole).unwrap();
    deaf.set_nonblocking(true).unwrap();
    let ask = request("status", &[0x80]);
    for _ in 0..20_000 {
        if deaf.write_all(&ask).is_err() {
            break;
        }
    }
    sandbox.status();
    drop((silent, halves, deaf));
    sandbox.status();
    sandbox.leave_nothing();
}

#[test]
fn twenty_fronts_at_once_have_one_host() {
    let sandbox = sandbox();
    for round in 0..3 {
        let fronts: Vec<_> = (0..20).map(|_| sandbox.start(["connect", "--json"])).collect();
        let mut pids: Vec<Value> = fronts
            .into_iter()
            .map(|front| front.finish().expect(0).json()["data"]["host_pid"].clone())
            .collect();
        pids.dedup();
        assert_eq!(pids.len(), 1, "{pids:?}");
        wait_for("the others left", || sandbox.hosts().len() == 1);
        match round {
            // A crash leaves socket and lock behind, a stop neither.
            0 => sandbox.kill_host(),
            _ => drop(sandbox.orchflow(["host", "stop"]).expect(0)),
        }
    }
    assert_eq!(sandbox.events(&["host_started"]).len(), 4);
    sandbox.leave_nothing();
}

#[test]
fn what_stands_in_the_place_of_socket_and_lock_is_no_obstacle() {
    let sandbox = sandbox();
    sandbox.orchflow(["status"]).expect(0);
    let runtime = sandbox.runtime();
    sandbox.kill_host();
    assert!(runtime.join("host.sock").exists(), "a crash leaves its socket behind");
    sandbox.orchflow(["status"]).expect(0);
    sandbox.orchflow(["host", "stop"]).expect(0);
    orchflow_testkit::write(&runtime.join("host.sock"), "no socket");
    orchflow_testkit::write(&runtime.join("host.lock"), "4711 nobody");
    sandbox.orchflow(["status"]).expect(0);
    sandbox.orchflow(["host", "stop"]).expect(0);
    std::fs::remove_dir_all(&runtime).unwrap();
    sandbox.orchflow(["status"]).expect(0);
    let second = sandbox.orchflow(["host"]).expect(5);
    assert!(second.stderr.contains("another host serves this repository"), "{second:?}");
    sandbox.leave_nothing();
}

#[test]
fn a_follower_of_a_host_that_was_told_to_leave_starts_no_other_and_says_so() {
    let sandbox = sandbox();
    sandbox.orchflow(["status"]).expect(0);
    let follower = sandbox.start(["log", "--jsonl", "--follow"]);
    wait_for("it follows", || follower.printed().contains("host_started"));
    sandbox.orchflow(["host", "stop"]).expect(0);
    let ended = follower.finish();
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(
        ended.stderr.contains("told to leave") && ended.stderr.contains("run the command again"),
        "{ended:?}"
    );
    assert!(sandbox.hosts().is_empty());
}
