//! Words by which programs tell that their model does not answer for a while, and until when.
//!
//! They stand in the catalogue as data. Only a time that is told is read; one in a zone that is not known here is none.

use orchflow_core::Timestamp;
use orchflow_core::usage::LimitKind;
use serde::Deserialize;

/// Longest text that is looked through, in bytes.
const LONGEST: usize = 16 << 10;
/// Longest time that is believed, in seconds.
const FARTHEST: i64 = 400 * 86_400;

/// One such text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitPattern {
    /// What it tells.
    pub kind: LimitKind,
    /// The text, in whatever case. `*` stands for anything. A time stands for what tells it: `{epoch}` seconds since
    /// 1970, `{clock}` `2:50pm` or `14:50`, `{date}` `2026-11-26T14:50:00Z`, `{span}` `20s`, `1h 5m` or seconds.
    pub text: String,
}

/// Where the clock of texts goes.
pub struct Here<'a> {
    /// The time now.
    pub now: Timestamp,
    /// Gives the local zone's seconds east of Greenwich at a second since 1970.
    pub offset: &'a dyn Fn(i64) -> i64,
    /// Names of the local zone, such as `Europe/Berlin`, as far as known.
    pub zone: Option<&'a str>,
}

impl LimitPattern {
    /// Says what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut words = 0;
        for piece in pieces(&self.text) {
            match piece {
                Piece::Words(text) => words += text.trim().len(),
                Piece::Time(name) if kind_of(name).is_none() => {
                    return Err(format!(
                        "limit.text: there is no {{{name}}}; {{epoch}}, {{clock}}, {{date}} and {{span}} are"
                    ));
                }
                Piece::Time(_) | Piece::Anything => {}
            }
        }
        if words < 4 {
            return Err("limit.text: it would fit anything; write the words that stand there".to_owned());
        }
        Ok(())
    }
}

/// Reads a text by the first pattern that fits: what it tells, and until when, where it says so.
pub fn read(
    patterns: &[LimitPattern],
    text: &str,
    here: &Here<'_>,
) -> Option<(LimitKind, Option<Timestamp>)> {
    let text: String = text.chars().take(LONGEST).collect::<String>().to_lowercase();
    patterns.iter().find_map(|pattern| {
        let found = fit(&pieces(&pattern.text), &text, here)?;
        let far = here.now.0.saturating_add(FARTHEST * 1_000_000);
        let at = found.filter(|at| (here.now.0 - 86_400_000_000..far).contains(&at.0));
        Some((pattern.kind, at))
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Piece<'a> {
    Words(&'a str),
    Anything,
    Time(&'a str),
}

#[derive(Clone, Copy)]
enum TimeKind {
    Epoch,
    Clock,
    Date,
    Span,
}

fn kind_of(name: &str) -> Option<TimeKind> {
    Some(match name {
        "epoch" => TimeKind::Epoch,
        "clock" => TimeKind::Clock,
        "date" => TimeKind::Date,
        "span" => TimeKind::Span,
        _ => return None,
    })
}

fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(place) = rest.find(['*', '{']) {
        let (words, special) = rest.split_at(place);
        if !words.is_empty() {
            pieces.push(Piece::Words(words));
        }
        if let Some(after) = special.strip_prefix('*') {
            pieces.push(Piece::Anything);
            rest = after;
        } else if let Some((name, after)) = special.get(1..).and_then(|inside| inside.split_once('}')) {
            pieces.push(Piece::Time(name));
            rest = after;
        } else {
            pieces.push(Piece::Words(special));
            rest = "";
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Words(rest));
    }
    pieces
}

/// Finds a pattern anywhere in a text. The outer option says whether it fits, the inner one the time it tells.
fn fit(pattern: &[Piece<'_>], text: &str, here: &Here<'_>) -> Option<Option<Timestamp>> {
    let mut rest = text;
    let mut time = None;
    // The words of a pattern follow each other at once, unless something may stand between.
    let mut is_free = true;
    for piece in pattern {
        match piece {
            Piece::Anything => is_free = true,
            Piece::Words(words) => {
                let words = words.to_lowercase();
                let at = rest.find(&words).filter(|at| is_free || *at == 0)?;
                rest = rest.get(at + words.len()..)?;
                is_free = false;
            }
            Piece::Time(name) => {
                let (found, after) = read_time(kind_of(name)?, rest.trim_start(), here)?;
                time = found;
                rest = after;
                is_free = false;
            }
        }
    }
    Some(time)
}

/// Reads a time at the beginning of a text. A clock in a zone that is not known gives none.
fn read_time<'a>(kind: TimeKind, text: &'a str, here: &Here<'_>) -> Option<(Option<Timestamp>, &'a str)> {
    let now = here.now.0 / 1_000_000;
    match kind {
        TimeKind::Epoch => {
            let (digits, rest) = split_while(text, |c| c.is_ascii_digit());
            let seconds: i64 = digits.parse().ok()?;
            // Some tell milliseconds.
            let seconds = if seconds > 100_000_000_000 { seconds / 1000 } else { seconds };
            Some((Some(at(seconds)), rest))
        }
        TimeKind::Span => {
            let (seconds, rest) = span(text)?;
            Some((Some(Timestamp(here.now.0.saturating_add((seconds * 1e6) as i64))), rest))
        }
        TimeKind::Date => {
            let (word, rest) =
                split_while(text, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '+' | '.'));
            Some((Some(at(date(word)?)), rest))
        }
        TimeKind::Clock => {
            let (second, rest) = clock(text)?;
            let (zone, rest) = zone(rest, here.zone);
            let offset = match zone {
                Zone::Greenwich => 0,
                Zone::Local => (here.offset)(now),
                Zone::Another => return Some((None, rest)),
            };
            let today = (now + offset).div_euclid(86_400) * 86_400;
            let then = today + second - offset;
            // A time of day that is past is tomorrow's.
            let then = if then + 60 < now { then + 86_400 } else { then };
            Some((Some(at(then)), rest))
        }
    }
}

/// The zone of a clock.
enum Zone {
    Local,
    Greenwich,
    Another,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds.saturating_mul(1_000_000))
}

fn split_while(text: &str, is_in: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c: char| !is_in(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// Reads ` (europe/berlin)` behind a clock; without it the local zone is meant.
fn zone<'a>(text: &'a str, local: Option<&str>) -> (Zone, &'a str) {
    let inside = text.trim_start().strip_prefix('(').and_then(|inside| inside.split_once(')'));
    let Some((name, rest)) = inside else { return (Zone::Local, text) };
    let zone = match name.trim() {
        "utc" | "gmt" | "etc/utc" => Zone::Greenwich,
        name if local.is_some_and(|local| local.eq_ignore_ascii_case(name)) => Zone::Local,
        _ => Zone::Another,
    };
    (zone, rest)
}

/// Reads `2:50pm`, `3pm` or `14:50` as seconds of a day.
fn clock(text: &str) -> Option<(i64, &str)> {
    let (hour, mut rest) = split_while(text, |c| c.is_ascii_digit());
    let mut hour: i64 = hour.parse().ok().filter(|hour| (0..24).contains(hour))?;
    let mut minute = None;
    if let Some(after) = rest.strip_prefix(':') {
        let (digits, after) = split_while(after, |c| c.is_ascii_digit());
        minute = Some(digits.parse::<i64>().ok().filter(|minute| digits.len() == 2 && *minute < 60)?);
        rest = after;
    }
    let trimmed = rest.trim_start();
    let half = ["am", "pm"].into_iter().find(|half| trimmed.starts_with(half));
    if let Some(half) = half {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if half == "pm" { 12 } else { 0 };
        rest = trimmed.get(2..)?;
    } else if minute.is_none() {
        return None;
    }
    Some((hour * 3600 + minute.unwrap_or(0) * 60, rest))
}

/// Reads `20s`, `1h5m`, `2 days 3 hours`, `7m12.5s`, `350ms` or plain seconds.
fn span(text: &str) -> Option<(f64, &str)> {
    let mut sum = 0.0;
    let mut rest = text;
    let mut parts = 0;
    loop {
        let (digits, after) = split_while(rest.trim_start(), |c| c.is_ascii_digit() || c == '.');
        let Ok(value) = digits.trim_end_matches('.').parse::<f64>() else { break };
        let (word, end) = split_while(after.trim_start(), |c| c.is_ascii_alphabetic());
        let unit = match word {
            "ms" => 0.001,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            _ if parts == 0 => {
                return Some((value, after));
            }
            _ => break,
        };
        sum += value * unit;
        parts += 1;
        rest = end.trim_start_matches(',');
        let joined = rest.trim_start().strip_prefix("and ");
        rest = joined.unwrap_or(rest);
    }
    (parts > 0).then_some((sum, rest))
}

/// Reads `2026-11-26t14:50:00z`, with an offset or without, as seconds since 1970.
fn date(word: &str) -> Option<i64> {
    let (day, time) = word.split_once('t')?;
    let mut parts = day.split('-');
    let mut next = |least: i64, most: i64| -> Option<i64> {
        parts.next()?.parse().ok().filter(|number| (least..=most).contains(number))
    };
    let (year, month, day) = (next(1970, 9999)?, next(1, 12)?, next(1, 31)?);
    let (time, offset) = if let Some(time) = time.strip_suffix('z') {
        (time, 0)
    } else if let Some(place) = time.rfind(['+', '-']) {
        let (time, offset) = time.split_at(place);
        let (hours, minutes) = offset.get(1..)?.split_once(':')?;
        let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
        (time, if offset.starts_with('-') { -seconds } else { seconds })
    } else {
        return None;
    };
    let mut parts = time.split(':').map(|part| part.split('.').next().unwrap_or(part).parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0));
    // Days from civil, as in the public description by Howard Hinnant.
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let days = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + days - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-26 12:00 UTC.
    const NOON: i64 = 1_795_694_400;

    fn patterns(agent: &str) -> Vec<LimitPattern> {
        let entry = crate::catalogue::Catalogue::load(None).0;
        entry.get(agent).unwrap().limits.clone()
    }

    fn seconds(agent: &str, text: &str, zone: Option<&str>) -> Option<(LimitKind, Option<i64>)> {
        let here = Here { now: at(NOON), offset: &|_| 3600, zone };
        let (kind, at) = read(&patterns(agent), text, &here)?;
        Some((kind, at.map(|at| at.0 / 1_000_000 - NOON)))
    }

    #[test]
    fn claudes_words_are_known_with_the_time_they_tell() {
        let berlin = Some("Europe/Berlin");
        for (text, expected) in [
            (
                "You've hit your session limit · resets 2:50pm (Europe/Berlin)",
                Some((LimitKind::Quota, Some(6600))),
            ),
            ("You've hit your session limit ∙ resets 3pm", Some((LimitKind::Quota, Some(7200)))),
            ("You've hit your weekly limit · resets 11:30am (UTC)", Some((LimitKind::Quota, Some(84_600)))),
            ("You've hit your session limit · resets 3pm (America/New_York)", Some((LimitKind::Quota, None))),
            ("Claude AI usage limit reached|1795698000", Some((LimitKind::Quota, Some(3600)))),
            ("You've hit your monthly spend limit. See Usage in Settings", Some((LimitKind::Quota, None))),
            ("Usage limit reached", Some((LimitKind::Quota, None))),
            (
                "API Error: 429 {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"x\"}}",
                Some((LimitKind::Rate, None)),
            ),
            ("API Error: Repeated 529 Overloaded errors", Some((LimitKind::Overloaded, None))),
            ("API Error: 500 {\"type\":\"overloaded_error\"}", Some((LimitKind::Overloaded, None))),
            ("Server is temporarily limiting requests (not your usage limit)", Some((LimitKind::Rate, None))),
            ("API Error: 400 mock error 400", None),
            ("the rate of limits is unlimited", None),
            ("", None),
        ] {
            assert_eq!(seconds("claude", text, berlin), expected, "{text}");
        }
    }

    #[test]
    fn the_words_of_other_programs_are_known() {
        for (agent, text, expected) in [
            (
                "codex",
                "You've hit your usage limit. Upgrade to Pro or try again at 3:05 PM.",
                Some((LimitKind::Quota, Some(7500))),
            ),
            (
                "codex",
                "You've hit your usage limit. Try again at Nov 29th, 2026 3:05 PM.",
                Some((LimitKind::Quota, None)),
            ),
            (
                "codex",
                "You've hit your usage limit. Try again in 2 days 3 hours.",
                Some((LimitKind::Quota, Some(2 * 86_400 + 3 * 3600))),
            ),
            (
                "codex",
                "Rate limit reached for gpt-5 on tokens per min. Please try again in 11.054s.",
                Some((LimitKind::Rate, Some(11))),
            ),
            (
                "codex",
                "exceeded retry limit, last status: 429 Too Many Requests",
                Some((LimitKind::Rate, None)),
            ),
            (
                "codex",
                "Selected model is at capacity. Please try a different model.",
                Some((LimitKind::Overloaded, None)),
            ),
            ("gemini", "You have exhausted your daily quota on this model.", Some((LimitKind::Quota, None))),
            (
                "gemini",
                "[API Error: Quota exceeded for metric: x. Please retry in 34.07s. (Status: RESOURCE_EXHAUSTED)]",
                Some((LimitKind::Rate, Some(34))),
            ),
            ("gemini", "[API Error: The model is overloaded.]", Some((LimitKind::Overloaded, None))),
            ("codex", "unexpected status 400 Bad Request", None),
        ] {
            assert_eq!(seconds(agent, text, None), expected, "{text}");
        }
    }

    #[test]
    fn times_are_read_in_their_forms_and_nothing_is_made_up() {
        let pattern = |text: &str| [LimitPattern { kind: LimitKind::Rate, text: text.to_owned() }];
        let here = Here { now: at(NOON), offset: &|_| 0, zone: None };
        for (form, text, expected) in [
            ("again in {span}", "Please try again in 20s.", Some(Some(20))),
            ("again in {span}", "try again in 1h 5m", Some(Some(3900))),
            (
                "again in {span}",
                "try again in 2 days 3 hours and 4 minutes.",
                Some(Some(2 * 86_400 + 3 * 3600 + 240)),
            ),
            ("again in {span}", "try again in 7m12.5s", Some(Some(432))),
            ("again in {span}", "try again in 30", Some(Some(30))),
            ("again in {span}", "try again in a moment", None),
            ("until {date}", "until 2026-11-26T13:00:00Z", Some(Some(3600))),
            ("until {date}", "until 2026-11-26T14:00:00+01:00", Some(Some(3600))),
            ("until {date}", "until tomorrow", None),
            ("resets {clock}", "resets 25:00", None),
            ("resets {clock}", "resets 13pm", None),
            ("resets {clock}", "resets 12am", Some(Some(12 * 3600))),
            ("reached|{epoch}", "reached|1795698000000", Some(Some(3600))),
            ("reached|{epoch}", "reached|99999999999", Some(None)),
        ] {
            let found = read(&pattern(form), text, &here);
            assert_eq!(found.map(|(_, at)| at.map(|at| at.0 / 1_000_000 - NOON)), expected, "{text}");
        }
    }

    #[test]
    fn a_pattern_that_fits_everything_is_refused() {
        let check = |text: &str| LimitPattern { kind: LimitKind::Rate, text: text.to_owned() }.check();
        assert!(check("*").is_err() && check("{epoch}").is_err() && check("abc *").is_err());
        assert!(check("limit {when}").unwrap_err().contains("{when}"));
        assert!(check("limit *resets {clock}").is_ok());
    }
}
