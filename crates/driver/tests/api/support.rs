//! A model server that misbehaves as it is told: one script for each connection, the last one for all further.

#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub type Script = Box<dyn Fn(&mut TcpStream) + Send + Sync>;

pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(scripts: Vec<Script>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let scripts = Arc::new(scripts);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (scripts, seen) = (Arc::clone(&scripts), Arc::clone(&seen));
                let Ok(mut stream) = stream else { return };
                thread::spawn(move || {
                    let request = read_request(&mut stream);
                    seen.lock().unwrap().push(request);
                    scripts[number.min(scripts.len() - 1)](&mut stream);
                    let _ = stream.flush();
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Server { url, requests }
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0u8; 64 << 10];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(length @ 1..) => bytes.extend_from_slice(&buffer[..length]),
            _ => return text,
        }
    }
}

pub fn raw(bytes: impl Into<Vec<u8>>) -> Script {
    let bytes = bytes.into();
    Box::new(move |stream| drop(stream.write_all(&bytes)))
}

pub fn status(status: &str, headers: &str, body: &str) -> Script {
    raw(format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
}

pub const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

pub fn events(events: &[&str]) -> Script {
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    raw(format!("{EVENTS}{body}"))
}

/// Sends the beginning, then nothing for ever.
pub fn hang(beginning: &str) -> Script {
    let beginning = beginning.to_owned();
    Box::new(move |stream| {
        let _ = stream.write_all(beginning.as_bytes());
        let _ = stream.flush();
        thread::sleep(Duration::from_secs(60));
    })
}

/// A chunk of Chat Completions that says something.
pub fn said(text: &str) -> String {
    format!(
        r#"{{"model":"m","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}]}}"#
    )
}

/// The end of a Chat Completions answer.
pub const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// An answer that says "hello".
pub fn hello() -> Script {
    events(&[&said("hello"), STOP, "[DONE]"])
}
