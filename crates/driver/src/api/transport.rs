//! Carries requests to a model server and its answers back: time limits, proxies, trying again.

mod client;
mod retry;

use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::fault::{Fault, FaultKind};
use super::key::Secret;
use super::wire::{self, Answer, Dialect, Piece, Refusal, Stream, fault_of};

pub use client::Route;
pub use retry::Patience;

/// Most of a body that is read of an answer that is none, in bytes.
const REFUSAL_LIMIT: usize = 64 << 10;

/// How long is waited for what may follow a whole answer: figures, the last mark.
const TAIL: Duration = Duration::from_secs(2);

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes of an answer, its first ones too.
    pub idle: Duration,
    /// For a whole answer.
    pub whole: Duration,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// How the server is spoken with.
    pub dialect: Dialect,
    /// The model.
    pub model: &'a str,
    /// What is sent.
    pub body: &'a Value,
    /// The key, where one is needed.
    pub key: Option<&'a Secret>,
    /// More headers.
    pub headers: &'a [(String, String)],
}

/// What happens on the way to an answer.
#[derive(Debug)]
pub enum Progress {
    /// More of the answer.
    Piece(Piece),
    /// It failed and is tried again after this time; nothing of it was shown.
    Again(Fault, Duration),
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Stopped {
    /// It failed.
    Fault(Fault),
    /// The human interrupted it.
    Cancelled,
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Stopped::Fault(fault)
    }
}

/// A way to one model server.
#[derive(Debug)]
pub struct Transport {
    client: reqwest::Client,
    base_url: String,
    limits: Limits,
    patience: Patience,
}

impl Transport {
    /// Prepares the way; connects only when something is asked.
    ///
    /// # Errors
    /// When the address or the proxy makes no sense, or no certificates are there.
    pub fn new(route: &Route, limits: Limits, patience: Patience) -> Result<Transport, Fault> {
        let (client, base_url) = client::client(route, limits)?;
        Ok(Transport { client, base_url, limits, patience })
    }

    /// Asks, and asks again where that is sensible: never once something of the answer was shown.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn ask(
        &self,
        call: &Call<'_>,
        cancel: &CancellationToken,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Answer, Stopped> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut was_shown = false;
            let once = self.once(call, progress, &mut was_shown);
            let fault = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Stopped::Cancelled),
                outcome = tokio::time::timeout(self.limits.whole, once) => match outcome {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(fault)) => fault,
                    Err(_) => {
                        was_shown = true;
                        self.too_slow("the answer was not whole", self.limits.whole, "whole_s")
                    }
                },
            };
            let fault = without_key(fault, call.key);
            let wait = match self.patience.wait(&fault, attempt, retry::random()) {
                Some(wait) if !was_shown => wait,
                _ => return Err(fault.into()),
            };
            progress(Progress::Again(fault, wait));
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Stopped::Cancelled),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn once(
        &self,
        call: &Call<'_>,
        progress: &mut (dyn FnMut(Progress) + Send),
        was_shown: &mut bool,
    ) -> Result<Answer, Fault> {
        let request = self.request(call)?;
        let sent = tokio::time::timeout(self.limits.idle, self.client.execute(request)).await;
        let mut response = match sent {
            Err(_) => {
                return Err(self.too_slow("the server did not begin to answer", self.limits.idle, "idle_s"));
            }
            Ok(outcome) => outcome.map_err(|error| client::explain(&error, &self.base_url))?,
        };
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let kind = header(&response, "content-type").unwrap_or_default().to_owned();
        if kind.contains("html") {
            let body = self.beginning(&mut response).await;
            let shown = fault_of(&Refusal { status: 200, body: &body, ..Refusal::default() }).message;
            return Err(Fault::garbled(shown));
        }
        let mut stream = Stream::new(call.dialect, &kind);
        loop {
            let patience = if stream.is_complete() { TAIL } else { self.limits.idle };
            let chunk = match tokio::time::timeout(patience, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => break,
                // What was said is whole; that its end was not tidy changes nothing.
                _ if stream.is_complete() => break,
                Ok(Err(error)) => return Err(client::explain(&error, &self.base_url)),
                Err(_) => return Err(self.too_slow("the answer stopped coming", self.limits.idle, "idle_s")),
            };
            for piece in stream.feed(&chunk)? {
                *was_shown = true;
                progress(Progress::Piece(piece));
            }
        }
        let (pieces, answer) = stream.finish()?;
        for piece in pieces {
            *was_shown = true;
            progress(Progress::Piece(piece));
        }
        Ok(answer)
    }

    fn request(&self, call: &Call<'_>) -> Result<reqwest::Request, Fault> {
        let url = format!("{}{}", self.base_url, wire::path(call.dialect, call.model));
        let body = serde_json::to_vec(call.body).unwrap_or_default();
        let mut request = self.client.post(url).header("content-type", "application/json").body(body);
        for (name, value) in wire::headers(call.dialect) {
            request = request.header(*name, *value);
        }
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        if let Some(key) = call.key {
            let (name, before) = wire::key_header(call.dialect);
            request = request.header(name, key.header(before)?);
        }
        request.build().map_err(|error| client::explain(&error, &self.base_url))
    }

    /// Reads what a server says instead of an answer.
    async fn refused(&self, mut response: reqwest::Response) -> Fault {
        let status = response.status().as_u16();
        if response.status().is_redirection() {
            let to = header(&response, "location").unwrap_or("nowhere").to_owned();
            return Fault::new(
                FaultKind::NotFound,
                format!("{} redirects to {to}", self.base_url),
                "a key is not carried elsewhere unasked: set `api.base_url` to where it leads",
            );
        }
        let body = self.beginning(&mut response).await;
        fault_of(&Refusal {
            status,
            retry_after_ms: header(&response, "retry-after-ms"),
            retry_after: header(&response, "retry-after"),
            date: header(&response, "date"),
            body: &body,
        })
    }

    async fn beginning(&self, response: &mut reqwest::Response) -> Vec<u8> {
        let mut body = Vec::new();
        while body.len() < REFUSAL_LIMIT {
            match tokio::time::timeout(self.limits.idle.min(Duration::from_secs(10)), response.chunk()).await
            {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                _ => break,
            }
        }
        body.truncate(REFUSAL_LIMIT);
        body
    }

    fn too_slow(&self, what: &str, limit: Duration, setting: &str) -> Fault {
        let seconds = limit.as_secs_f64();
        Fault::new(
            FaultKind::TimedOut,
            format!("{what} within {seconds} s ({})", self.base_url),
            format!("is the server busy? A slow one may need more: `api.{setting}` in the agent's file"),
        )
    }
}

/// Takes the key out of what a provider says: some quote the one they refuse.
fn without_key(mut fault: Fault, key: Option<&Secret>) -> Fault {
    if let Some(key) = key {
        fault.message = key.redact(fault.message);
    }
    fault
}

fn header<'a>(response: &'a reqwest::Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}
