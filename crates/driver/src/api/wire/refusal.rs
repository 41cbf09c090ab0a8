//! What a provider says instead of an answer, by status code or in the middle of a stream.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::api::fault::{Fault, FaultKind};

/// The longest wait a provider is believed to mean.
const LONGEST_WAIT: Duration = Duration::from_secs(31 * 24 * 3600);

/// An HTTP answer that is no success.
#[derive(Debug, Clone, Copy, Default)]
pub struct Refusal<'a> {
    /// The status code.
    pub status: u16,
    /// Its headers of these names, where they are there: `retry-after-ms`, `retry-after`, `date`.
    pub retry_after_ms: Option<&'a str>,
    /// Seconds, or a date.
    pub retry_after: Option<&'a str>,
    /// When the server says it is.
    pub date: Option<&'a str>,
    /// The beginning of the body.
    pub body: &'a [u8],
}

/// Reads what a refusal means.
pub fn fault_of(refusal: &Refusal<'_>) -> Fault {
    let text = String::from_utf8_lossy(refusal.body);
    let body = serde_json::from_str::<Value>(&text).ok();
    let wait = wait_of_headers(refusal).or_else(|| body.as_ref().and_then(wait_of_body));
    let said = body.as_ref().and_then(Said::of).unwrap_or_else(|| Said {
        message: if text.trim().is_empty() { "(no reason given)".to_owned() } else { visible(&text) },
        words: String::new(),
    });
    described(Some(refusal.status), &said).answering_in(wait)
}

/// Reads an error that came within a stream.
pub(super) fn fault_in_stream(event: &Value) -> Fault {
    let said = Said::of(event).unwrap_or_else(|| Said { message: event.to_string(), words: String::new() });
    let status = ["/error/code", "/error/status", "/code", "/status"]
        .iter()
        .find_map(|place| event.pointer(place)?.as_u64())
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (400..600).contains(status));
    described(status, &said).answering_in(wait_of_body(event))
}

/// What the body says: its message, and the words for the kind of error there are in it.
struct Said {
    message: String,
    words: String,
}

impl Said {
    fn of(body: &Value) -> Option<Said> {
        // Gemini wraps what it would have streamed into an array.
        let body = body.get(0).unwrap_or(body);
        let error = body
            .get("error")
            .filter(|error| !error.is_null())
            .or_else(|| body.pointer("/response/error").filter(|error| !error.is_null()))
            .unwrap_or(body);
        let message = match error {
            Value::String(message) => message.as_str(),
            error => error.get("message").or_else(|| error.get("detail")).and_then(Value::as_str)?,
        };
        let mut words = String::new();
        for word in [error.get("type"), error.get("code"), error.get("status"), body.get("code")] {
            if let Some(word) = word.and_then(Value::as_str) {
                words.push_str(word);
                words.push(' ');
            }
        }
        for detail in error.get("details").and_then(Value::as_array).into_iter().flatten() {
            for word in [detail.get("reason"), detail.pointer("/violations/0/quotaId")] {
                if let Some(word) = word.and_then(Value::as_str) {
                    words.push_str(word);
                    words.push(' ');
                }
            }
        }
        Some(Said { message: message.to_owned(), words: words.to_ascii_lowercase() })
    }
}

fn described(status: Option<u16>, said: &Said) -> Fault {
    let kind = kind_of(status, said);
    let hint = match kind {
        FaultKind::KeyRefused => "check the key, and that it may use this model",
        FaultKind::NotFound => "check `api.model` and `api.base_url` in the agent's file",
        FaultKind::ContextFull => {
            "the conversation is too long for the model; send /clear to begin a new one"
        }
        FaultKind::Quota => "look at plan and billing with the provider, then send the prompt again",
        FaultKind::Rate | FaultKind::Overloaded => "send the prompt again later",
        FaultKind::Server => "the fault is the provider's; send the prompt again later",
        _ => "the request was not accepted; `api` in the agent's file says model, dialect and extra fields",
    };
    let message = match status {
        Some(status) => format!("the provider answered {status}: {}", said.message),
        None => format!("the provider broke off: {}", said.message),
    };
    Fault::new(kind, message, hint)
}

fn kind_of(status: Option<u16>, said: &Said) -> FaultKind {
    let message = said.message.to_ascii_lowercase();
    let words = said.words.as_str();
    let is_full = ["context_length_exceeded", "request_too_large"].iter().any(|word| words.contains(word))
        || [
            "prompt is too long",
            "maximum context length",
            "exceeds the maximum number of tokens",
            "exceed context limit",
            "exceeds the available context",
            "context window",
        ]
        .iter()
        .any(|known| message.contains(known));
    let is_quota = ["insufficient_quota", "billing", "perday", "quota_exceeded", "credits"]
        .iter()
        .any(|word| words.contains(word))
        || ["credit balance", "exceeded your current quota, please check your plan", "out of credits"]
            .iter()
            .any(|known| message.contains(known));
    if is_full {
        return FaultKind::ContextFull;
    }
    if is_quota && !words.contains("perminute") {
        return FaultKind::Quota;
    }
    let by_word = [
        ("overloaded", FaultKind::Overloaded),
        ("unavailable", FaultKind::Overloaded),
        ("rate_limit", FaultKind::Rate),
        ("resource_exhausted", FaultKind::Rate),
        ("authentication", FaultKind::KeyRefused),
        ("invalid_api_key", FaultKind::KeyRefused),
        ("api_key_invalid", FaultKind::KeyRefused),
        ("permission", FaultKind::KeyRefused),
        ("model_not_found", FaultKind::NotFound),
        ("not_found", FaultKind::NotFound),
        ("server_error", FaultKind::Server),
        ("api_error", FaultKind::Server),
        ("timeout_error", FaultKind::Server),
        ("invalid_request", FaultKind::Rejected),
        ("invalid_prompt", FaultKind::Rejected),
    ];
    let by_status = match status {
        Some(401 | 403 | 407) => Some(FaultKind::KeyRefused),
        Some(402) => Some(FaultKind::Quota),
        Some(404) => Some(FaultKind::NotFound),
        Some(413) => Some(FaultKind::ContextFull),
        Some(429) => Some(FaultKind::Rate),
        Some(503 | 529) => Some(FaultKind::Overloaded),
        Some(408 | 409 | 425 | 500..=599) => Some(FaultKind::Server),
        _ => None,
    };
    let named = by_word.iter().find(|(word, _)| words.contains(word)).map(|(_, kind)| *kind);
    match (status, named, by_status) {
        // A bad request that names its kind is that kind.
        (Some(400 | 422) | None, Some(kind), _) => kind,
        (_, _, Some(kind)) => kind,
        (None, None, None) => FaultKind::Server,
        _ => FaultKind::Rejected,
    }
}

fn wait_of_headers(refusal: &Refusal<'_>) -> Option<Duration> {
    if let Some(millis) = refusal.retry_after_ms.and_then(|text| text.trim().parse::<f64>().ok()) {
        return bounded(millis / 1000.0);
    }
    let text = refusal.retry_after?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return bounded(seconds);
    }
    // By the server's clock, where it told it: ours may be wrong.
    let now = refusal.date.and_then(http_date).unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(0)
    });
    #[allow(clippy::cast_precision_loss)]
    bounded(http_date(text)?.saturating_sub(now).max(0) as f64)
}

/// Finds Google's `RetryInfo`: `{"retryDelay": "34.07s"}`.
fn wait_of_body(body: &Value) -> Option<Duration> {
    let body = body.get(0).unwrap_or(body);
    body.pointer("/error/details")?.as_array()?.iter().find_map(|detail| {
        bounded(detail.get("retryDelay")?.as_str()?.strip_suffix('s')?.parse::<f64>().ok()?)
    })
}

fn bounded(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| *wait <= LONGEST_WAIT)
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7) into seconds since 1970.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.strip_suffix(" GMT")?.split([' ', ':']);
    let number = |words: &mut dyn Iterator<Item = &str>| words.next()?.parse::<i64>().ok();
    let day = number(&mut words)?;
    let name = words.next()?;
    let month = i64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()? + 1;
    let year = number(&mut words).filter(|year| (1970..=9999).contains(year))?;
    let (hour, minute, second) = (number(&mut words)?, number(&mut words)?, number(&mut words)?);
    // Days since 1970 by the civil calendar, counted in years that begin in March.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Takes the marks of HTML out of a text that no machine wrote for machines.
fn visible(text: &str) -> String {
    if !text.trim_start().starts_with('<') {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('<') {
        out.push_str(before);
        out.push(' ');
        rest = behind.split_once('>').map_or("", |(_, behind)| behind);
    }
    out.push_str(rest);
    let shown = out.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("a web page instead of JSON (is there a proxy or a login in between?): {shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(status: u16, body: &str) -> Fault {
        fault_of(&Refusal {
            status,
            retry_after_ms: None,
            retry_after: None,
            date: None,
            body: body.as_bytes(),
        })
    }

    #[test]
    fn each_providers_words_are_understood() {
        use FaultKind::*;
        for (status, body, kind) in [
            (
                401,
                r#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}"#,
                KeyRefused,
            ),
            (
                429,
                r#"{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}"#,
                Rate,
            ),
            (
                429,
                r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
                Quota,
            ),
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 128000 tokens","code":"context_length_exceeded"}}"#,
                ContextFull,
            ),
            (
                404,
                r#"{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}"#,
                NotFound,
            ),
            (
                529,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                Overloaded,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
                ContextFull,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API"}}"#,
                Quota,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages: at least one"}}"#,
                Rejected,
            ),
            (
                400,
                r#"[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]"#,
                KeyRefused,
            ),
            (
                429,
                r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]}]}}"#,
                Quota,
            ),
            (
                429,
                r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"RequestsPerMinute"}]}]}}"#,
                Rate,
            ),
            (
                503,
                r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#,
                Overloaded,
            ),
            (404, r#"{"error":"model \"x\" not found, try pulling it first"}"#, NotFound),
            (402, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#, Quota),
            (400, r#"{"code":"Client specified an invalid argument","error":"Incorrect model"}"#, Rejected),
            (500, "", Server),
            (502, "<html><body><h1>Bad Gateway</h1></body></html>", Server),
            (418, "short and stout", Rejected),
        ] {
            let fault = fault(status, body);
            assert_eq!(fault.kind, kind, "{body} gave {fault}");
            assert!(fault.message.contains(&status.to_string()) && !fault.hint.is_empty());
        }
        let page = fault(502, "<html><body><h1>Bad\u{7} Gateway</h1></body></html>").message;
        assert!(page.contains("a web page instead of JSON") && page.ends_with("Bad Gateway"), "{page}");
    }

    #[test]
    fn the_wait_is_the_one_that_was_told_and_none_else() {
        let refused = |retry_after_ms, retry_after, date, body: &str| {
            fault_of(&Refusal { status: 429, retry_after_ms, retry_after, date, body: body.as_bytes() })
                .answers_in
        };
        assert_eq!(refused(None, None, None, "{}"), None);
        assert_eq!(refused(None, Some(" 7 "), None, "{}"), Some(Duration::from_secs(7)));
        assert_eq!(refused(Some("1500"), Some("7"), None, "{}"), Some(Duration::from_millis(1500)));
        assert_eq!(
            refused(None, Some("Sun, 06 Nov 1994 08:50:07 GMT"), Some("Sun, 06 Nov 1994 08:49:37 GMT"), "{}"),
            Some(Duration::from_secs(30))
        );
        for nonsense in ["-1", "soon", "1e99", "NaN", "Sun, 06 Foo 1994 08:50:07 GMT", "9999999999999"] {
            assert_eq!(refused(None, Some(nonsense), None, "{}"), None, "{nonsense}");
        }
        let google = r#"[{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}]"#;
        assert_eq!(refused(None, None, None, google), Some(Duration::from_millis(34_500)));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
        ] {
            assert_eq!(http_date(text), Some(seconds));
        }
    }
}
