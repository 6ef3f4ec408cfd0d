//! Wall clocks: which instant a time of day means, also on the days on which clocks change.
//!
//! A calendar day is not 24 hours and an hour of the day may come twice or never, so nothing here divides hours: a wall time is moved
//! in the calendar first and turned into an instant last. Of a time that comes twice the first is meant; one that never comes stands
//! for the moment at which clocks jump over it. So the instants of ascending wall times never descend.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

/// The instant at which clocks in `zone` show `wall` for the first time; if they jump over it, the instant of the jump.
pub fn instant(zone: Tz, wall: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(one) => one.to_utc(),
        LocalResult::Ambiguous(one, other) => one.min(other).to_utc(),
        // Not every gap has an end that is known; then the offset of about that time will do.
        LocalResult::None => GapInfo::new(&wall, &zone).and_then(|gap| gap.end).map_or_else(|| by_offset(zone, wall), |end| end.to_utc()),
    }
}

fn by_offset(zone: Tz, wall: NaiveDateTime) -> DateTime<Utc> {
    let offset = zone.offset_from_utc_datetime(&wall).fix();
    wall.checked_sub_offset(offset).unwrap_or(wall).and_utc()
}

/// What clocks in `zone` show at `at`.
pub fn wall(zone: Tz, at: DateTime<Utc>) -> NaiveDateTime {
    let utc = at.naive_utc();
    utc.checked_add_offset(zone.offset_from_utc_datetime(&utc).fix()).unwrap_or(utc)
}

/// The first instant of a calendar day in `zone`.
pub fn midnight(zone: Tz, day: NaiveDate) -> DateTime<Utc> {
    instant(zone, day.and_time(chrono::NaiveTime::MIN))
}

/// A day from 1900 to 2099, such as `2026-12-24`; `None` for anything else.
pub fn read_day(text: &str) -> Option<NaiveDate> {
    let year = text.split('-').next().filter(|y| y.len() == 4 && (y.starts_with("19") || y.starts_with("20")));
    year.and_then(|_| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())
}

/// A wall time in `zone` such as `2026-12-24 18:00`, or one with its offset such as `2026-12-24T18:00:00+01:00`; `None` for anything
/// else.
pub fn read_moment(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    let (day, time) = text.split_once([' ', 'T'])?;
    match super::read_time(time) {
        Some(time) => Some(instant(zone, NaiveDateTime::new(read_day(day)?, time))),
        None => text.parse().ok().filter(|_| read_day(day).is_some()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }
    fn on(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    #[test]
    fn every_time_of_day_is_an_instant() {
        for (zone, told, meant) in [
            ("Europe/Berlin", "2026-01-05 09:00", "2026-01-05T08:00:00Z"),
            ("Europe/Berlin", "2026-07-05 09:00", "2026-07-05T07:00:00Z"),
            // Clocks jump from 2 to 3.
            ("Europe/Berlin", "2026-03-29 01:59", "2026-03-29T00:59:00Z"),
            ("Europe/Berlin", "2026-03-29 02:00", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-03-29 02:30", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-03-29 03:00", "2026-03-29T01:00:00Z"),
            // 2 to 3 comes twice.
            ("Europe/Berlin", "2026-10-25 02:00", "2026-10-25T00:00:00Z"),
            ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25T00:30:00Z"),
            ("Europe/Berlin", "2026-10-25 03:00", "2026-10-25T02:00:00Z"),
            // Half an hour, in the south.
            ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03T15:30:00Z"),
            ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04T14:45:00Z"),
            // Midnight itself is jumped over, and a whole day.
            ("Africa/Cairo", "2026-04-24 00:00", "2026-04-23T22:00:00Z"),
            ("Pacific/Apia", "2011-12-30 09:00", "2011-12-30T10:00:00Z"),
            ("Asia/Kolkata", "2026-03-29 02:30", "2026-03-28T21:00:00Z"),
        ] {
            assert_eq!(instant(zone.parse().unwrap(), on(told)), at(meant), "{zone} {told}");
        }
    }

    #[test]
    fn the_ends_of_time_are_no_panic() {
        for zone in ["Pacific/Kiritimati", "America/New_York"] {
            let zone = zone.parse().unwrap();
            for end in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
                instant(zone, wall(zone, end));
            }
            instant(zone, NaiveDateTime::MIN);
            instant(zone, NaiveDateTime::MAX);
        }
    }

    proptest! {
        #[test]
        fn later_on_the_wall_is_never_earlier_in_truth(secs in 0_i64..2_000_000_000, more in 0_i64..200_000, zone in 0..4_usize) {
            let zone: Tz = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"][zone].parse().unwrap();
            let first = DateTime::from_timestamp(secs, 0).unwrap().naive_utc();
            let second = first + chrono::TimeDelta::seconds(more);
            prop_assert!(instant(zone, first) <= instant(zone, second));
        }

        #[test]
        fn a_time_that_comes_once_comes_back(secs in 0_i64..2_000_000_000, zone in 0..4_usize) {
            let zone: Tz = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"][zone].parse().unwrap();
            let moment = DateTime::from_timestamp(secs, 0).unwrap();
            let back = instant(zone, wall(zone, moment));
            // The second time of an hour that comes twice is shown as the first.
            prop_assert!(back == moment || back < moment && wall(zone, back) == wall(zone, moment));
        }
    }
}
