//! The local time zone, for times that people type.

use std::sync::OnceLock;

use orchflow_core::Timestamp;
use orchflow_core::filter::Filter;
use orchflow_core::state::ledger::Day;
use tz::TimeZone;

/// Gives the local zone's seconds east of Greenwich at a second since 1970 UTC; 0 where the zone is not known.
pub fn offset(at: i64) -> i64 {
    static ZONE: OnceLock<Option<TimeZone>> = OnceLock::new();
    let zone = ZONE.get_or_init(|| match std::env::var("TZ") {
        Ok(name) if !name.is_empty() => TimeZone::from_posix_tz(&name).ok(),
        _ => TimeZone::local().ok(),
    });
    let kind = zone.as_ref().and_then(|zone| zone.find_local_time_type(at).ok());
    kind.map_or(0, |kind| i64::from(kind.ut_offset()))
}

/// Writes a time as `14:05`, with its date where that is not today's.
pub fn clock(at: Timestamp, now: Timestamp) -> String {
    let local = |at: Timestamp| {
        let second = at.0.div_euclid(1_000_000);
        Timestamp(second.saturating_add(offset(second)).saturating_mul(1_000_000))
    };
    let (at, today) = (local(at), Day::of(local(now)));
    let minute = at.0.rem_euclid(86_400_000_000) / 60_000_000;
    let clock = format!("{:02}:{:02}", minute / 60, minute % 60);
    match Day::of(at) {
        day if day == today => clock,
        day => format!("{day} {clock}"),
    }
}

/// Gives the local zone's name, such as `Europe/Berlin`, as far as it is known.
pub fn name() -> Option<String> {
    if let Ok(name) = std::env::var("TZ") {
        return Some(name.trim_start_matches(':').to_owned()).filter(|name| name.contains('/'));
    }
    let link = std::fs::read_link("/etc/localtime").ok()?;
    let text = link.to_str()?;
    text.split_once("zoneinfo/").map(|(_, name)| name.to_owned())
}

/// Takes the times out of a filter: from when on and until when, in microseconds since 1970 UTC.
pub fn take_times(filter: &mut Filter, now: Timestamp) -> (Option<i64>, Option<i64>) {
    let time = |moment: Option<orchflow_core::filter::Moment>| moment.map(|moment| moment.at(now, offset).0);
    (time(filter.since.take()), time(filter.until.take()))
}

#[cfg(test)]
mod tests {
    use orchflow_core::filter::Scope;

    use super::*;

    #[test]
    fn a_time_of_another_day_has_its_date() {
        let noon = 1_795_694_400;
        let at = |seconds: i64| Timestamp((noon - offset(noon) + seconds) * 1_000_000);
        assert_eq!(clock(at(3900), at(0)), "13:05");
        assert_eq!(clock(at(86_400), at(0)), "2026-11-27 12:00");
    }

    #[test]
    fn times_leave_a_filter_and_the_rest_stays() {
        let mut filter = Filter::parse(Scope::Events, "agent:claude since:90s until:1970-01-02").unwrap();
        let (since, until) = take_times(&mut filter, Timestamp(1_000_000_000_000));
        assert_eq!(since, Some(1_000_000_000_000 - 90_000_000));
        // At the far ends of the world it is 14 hours off.
        assert!((until.unwrap() - 86_400_000_000).abs() <= 14 * 3_600_000_000);
        assert_eq!(filter.to_string(), "agent:claude");
        assert!(offset(1_800_000_000).abs() <= 14 * 3600);
    }
}
