//! Answers of real model servers, replayed with their bytes cut everywhere.

use std::path::{Path, PathBuf};

use orchflow_driver::api::fault::FaultKind;
use orchflow_driver::api::message::Part;
use orchflow_driver::api::wire::{Answer, Dialect, Piece, Stop, Stream};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/recordings")
}

struct Recording {
    name: String,
    dialect: Dialect,
    body: Vec<u8>,
}

fn recordings() -> Vec<Recording> {
    let mut found = Vec::new();
    for (folder_name, dialect) in [
        ("anthropic", Dialect::Anthropic),
        ("gemini", Dialect::Gemini),
        ("ollama", Dialect::Ollama),
        ("openai", Dialect::OpenaiChat),
        ("openai_resp", Dialect::OpenaiResponses),
    ] {
        for scene in std::fs::read_dir(folder().join(folder_name)).unwrap() {
            for file in std::fs::read_dir(scene.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let name = path.strip_prefix(folder()).unwrap().with_extension("");
                let name = name.to_str().unwrap().replace("response_", "");
                found.push(Recording { name, dialect, body: std::fs::read(&path).unwrap() });
            }
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(found.len(), 43);
    found
}

impl Recording {
    fn content_type(&self) -> &'static str {
        if self.body.starts_with(b"{") { "application/json; charset=utf-8" } else { "text/event-stream" }
    }

    fn stream(&self) -> Stream {
        Stream::new(self.dialect, self.content_type())
    }

    fn read<'a>(
        &'a self,
        cuts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(Vec<Piece>, Answer), FaultKind> {
        let mut stream = self.stream();
        let mut pieces = Vec::new();
        for bytes in cuts {
            pieces.extend(stream.feed(bytes).map_err(|fault| fault.kind)?);
        }
        let (last, answer) = stream.finish().map_err(|fault| fault.kind)?;
        pieces.extend(last);
        Ok((pieces, answer))
    }
}

fn shown(answer: &Answer) -> Value {
    let mut out = json!({});
    let mut add = |key: &str, value: Value| {
        let list = out.as_object_mut().unwrap().entry(key).or_insert(json!([]));
        list.as_array_mut().unwrap().push(value);
    };
    for part in &answer.parts {
        match part {
            Part::Text { text, .. } => {
                let head: String = text.chars().take(24).collect();
                add("text", json!(format!("{head} {}", text.len())));
            }
            Part::Reasoning { text, .. } => add("thought", json!(text.len())),
            Part::Call(call) => {
                let arguments = call.broken.as_ref().map_or(call.arguments.clone(), |broken| json!(broken));
                add("call", json!([call.id, call.name, arguments]));
            }
        }
        if let Part::Text { carry: Some(carry), .. } | Part::Reasoning { carry: Some(carry), .. } = part {
            let keys: Vec<&String> = carry.as_object().unwrap().keys().collect();
            add("carry", json!(keys));
        }
        if let Part::Call(call) = part
            && let Some(carry) = &call.carry
        {
            let keys: Vec<&String> = carry.as_object().unwrap().keys().collect();
            add("carry", json!(keys));
        }
    }
    let usage = &answer.usage;
    add("usage", json!(usage.model));
    for figure in [
        usage.input_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    ] {
        add("usage", json!(figure));
    }
    add("stop", json!(format!("{:?}", answer.stop)));
    out
}

#[test]
fn every_recording_is_read_as_it_was_meant() {
    let mut read = String::new();
    for recording in recordings() {
        let line = match recording.read([recording.body.as_slice()]) {
            Ok((_, answer)) => shown(&answer).to_string(),
            Err(kind) => kind.word().to_owned(),
        };
        read.push_str(&format!("{} {line}\n", recording.name));
    }
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/expected.txt");
    if std::env::var_os("ORCHFLOW_UPDATE").is_some() {
        std::fs::write(&expected, &read).unwrap();
    }
    let expected = std::fs::read_to_string(expected).unwrap();
    for (line, wanted) in read.lines().zip(expected.lines()) {
        assert_eq!(line, wanted);
    }
    assert_eq!(read.len(), expected.len());
}

#[test]
fn an_answer_is_the_same_wherever_its_bytes_are_cut() {
    for recording in recordings() {
        let body = recording.body.as_slice();
        let whole = recording.read([body]);
        assert_eq!(recording.read(body.chunks(1)), whole, "{} byte by byte", recording.name);
        assert_eq!(recording.read(body.chunks(7)), whole, "{} in sevens", recording.name);
        // Each kind of place: in a line end, in a field's name, in an escape, in a character, in a number.
        let step = (body.len() / 250).max(1);
        let is_special = |at: usize| {
            !body[at].is_ascii()
                || matches!(body[at], b'\n' | b'\r' | b'\\') && at.is_multiple_of(step.min(40))
        };
        for at in (0..body.len()).filter(|at| at.is_multiple_of(step) || is_special(*at)).take(300) {
            let (head, tail) = body.split_at(at);
            assert_eq!(recording.read([head, tail]), whole, "{} cut at {at}", recording.name);
        }
    }
}

#[test]
fn what_was_shown_piece_by_piece_is_what_the_answer_holds() {
    for recording in recordings() {
        let Ok((pieces, answer)) = recording.read(recording.body.chunks(11)) else { continue };
        let (mut text, mut thought) = (String::new(), String::new());
        for piece in &pieces {
            match piece {
                Piece::Text(more) => text.push_str(more),
                Piece::Reasoning(more) => thought.push_str(more),
                Piece::Call(_) => {}
            }
        }
        let (mut said, mut reasoned, mut calls) = (String::new(), String::new(), 0);
        for part in &answer.parts {
            match part {
                Part::Text { text, .. } => said.push_str(text),
                Part::Reasoning { text, .. } => reasoned.push_str(text),
                Part::Call(_) => calls += 1,
            }
        }
        assert_eq!((text, thought), (said, reasoned), "{}", recording.name);
        assert_eq!(pieces.iter().filter(|piece| matches!(piece, Piece::Call(_))).count(), calls);
    }
}

#[test]
fn a_body_that_ends_too_early_is_never_taken_for_an_answer() {
    for recording in recordings() {
        let body = recording.body.as_slice();
        let Ok((_, whole)) = recording.read([body]) else { continue };
        let step = (body.len() / 200).max(1);
        for at in (0..body.len()).step_by(step) {
            if let Ok((_, answer)) = recording.read([&body[..at]]) {
                // Complete in everything that counts; what may be missing is a last mark, or the figures behind it.
                assert_eq!(answer.parts, whole.parts, "{} ended at {at}", recording.name);
                assert_eq!(answer.stop, whole.stop, "{} ended at {at}", recording.name);
            }
        }
    }
}

#[test]
fn calls_of_an_answer_that_was_cut_are_known_to_be_broken() {
    let cut: Vec<_> = recordings()
        .into_iter()
        .filter(|recording| {
            recording.name.contains("max_tokens_tool") || recording.name.contains("incomplete_tool")
        })
        .collect();
    assert_eq!(cut.len(), 2);
    for recording in cut {
        let (_, answer) = recording.read([recording.body.as_slice()]).unwrap();
        assert_eq!(answer.stop, Stop::Length, "{}", recording.name);
        let Some(Part::Call(call)) = answer.parts.last() else { panic!("{answer:?}") };
        assert_eq!(call.broken.as_deref(), Some("{\"summary\":\"The American Rev"));
        assert_eq!(call.arguments, json!({}));
    }
}
