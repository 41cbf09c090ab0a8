//! Times in a filter: how long ago, a time of the day, or a date.

use std::fmt;

use crate::Timestamp;

/// A time as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So many seconds before now.
    Ago(u64),
    /// The last time the clock showed this: seconds since midnight.
    Clock(u32),
    /// A date with its time.
    Date(Civil),
}

/// A date and a time of the calendar, in no time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// The year, from 1970.
    pub year: u16,
    /// The month, from 1.
    pub month: u8,
    /// The day, from 1.
    pub day: u8,
    /// Seconds since midnight.
    pub second: u32,
}

const DAY: i64 = 86_400;

impl Moment {
    /// Reads `90s`, `10m`, `2h`, `3d`, `14:02`, `14:02:30`, `2026-11-25` or `2026-11-25T14:02`.
    pub fn parse(text: &str) -> Option<Moment> {
        if let Some((date, time)) = text.split_once(['T', 't']) {
            return Some(Moment::Date(Civil { second: clock(time)?, ..date_of(date)? }));
        }
        if text.contains('-') {
            return date_of(text).map(Moment::Date);
        }
        if text.contains(':') {
            return clock(text).map(Moment::Clock);
        }
        let unit = text.chars().last()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        number(text.strip_suffix(unit)?)?.checked_mul(seconds).map(Moment::Ago)
    }

    /// Gives the time it means. `offset` gives the local time zone's seconds east of Greenwich at a second
    /// since 1970 UTC.
    pub fn at(self, now: Timestamp, offset: impl Fn(i64) -> i64) -> Timestamp {
        let now_second = now.0.div_euclid(1_000_000);
        let from_local = |local: i64| {
            let guess = local.saturating_sub(offset(local));
            local.saturating_sub(offset(guess))
        };
        let seconds = match self {
            Moment::Ago(seconds) => {
                let back = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
                return Timestamp(now.0.saturating_sub(back).max(0));
            }
            Moment::Clock(second) => {
                let today = now_second.saturating_add(offset(now_second)).div_euclid(DAY).saturating_mul(DAY);
                let at = from_local(today.saturating_add(i64::from(second)));
                if at <= now_second { at } else { from_local(today.saturating_add(i64::from(second)) - DAY) }
            }
            Moment::Date(civil) => from_local(civil.seconds()),
        };
        Timestamp(seconds.saturating_mul(1_000_000))
    }
}

impl Civil {
    /// Counts the seconds since 1970 where this is Greenwich's time (days from civil, as in the public
    /// description by Howard Hinnant).
    fn seconds(self) -> i64 {
        let shifted = if self.month <= 2 { i64::from(self.year) - 1 } else { i64::from(self.year) };
        let (era, year) = (shifted.div_euclid(400), shifted.rem_euclid(400));
        let month = (i64::from(self.month) + 9) % 12;
        let day = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let days = era * 146_097 + year * 365 + year / 4 - year / 100 + day - 719_468;
        days * DAY + i64::from(self.second)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Ago(seconds) => {
                let units = [(86_400, 'd'), (3600, 'h'), (60, 'm')];
                let unit = units.into_iter().find(|(unit, _)| *seconds > 0 && seconds % unit == 0);
                let (unit, letter) = unit.unwrap_or((1, 's'));
                write!(f, "{}{letter}", seconds / unit)
            }
            Moment::Clock(second) => write_clock(f, *second),
            Moment::Date(civil) => {
                write!(f, "{:04}-{:02}-{:02}T", civil.year, civil.month, civil.day)?;
                write_clock(f, civil.second)
            }
        }
    }
}

fn write_clock(f: &mut fmt::Formatter<'_>, second: u32) -> fmt::Result {
    write!(f, "{:02}:{:02}", second / 3600, second / 60 % 60)?;
    match second % 60 {
        0 => Ok(()),
        rest => write!(f, ":{rest:02}"),
    }
}

/// Reads digits alone; `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn below(text: &str, bound: u64) -> Option<u32> {
    let value = number(text).filter(|value| *value < bound && text.len() <= 2)?;
    u32::try_from(value).ok()
}

fn clock(text: &str) -> Option<u32> {
    let mut parts = text.split(':');
    let (hour, minute) = (below(parts.next()?, 24)?, below(parts.next()?, 60)?);
    let second = parts.next().map_or(Some(0), |part| below(part, 60))?;
    parts.next().is_none().then_some(hour * 3600 + minute * 60 + second)
}

fn date_of(text: &str) -> Option<Civil> {
    let mut parts = text.split('-');
    let year = parts.next().filter(|part| part.len() == 4).and_then(number)?;
    let (month, day) = (below(parts.next()?, 13)?, below(parts.next()?, 32)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return None,
    };
    let is_day = parts.next().is_none() && year >= 1970 && (1..=days).contains(&day);
    let civil = Civil {
        year: u16::try_from(year).ok()?,
        month: u8::try_from(month).ok()?,
        day: u8::try_from(day).ok()?,
        second: 0,
    };
    is_day.then_some(civil)
}
