//! Hours of the week: when a layer of a rotation is in force at all.
//!
//! A stretch begins and ends at wall times of the rotation's zone, and both follow the rule of [`super::calendar`], so stretches that
//! share an edge meet on every day, also when clocks change: `08:00-20:00` and `20:00-08:00` leave no gap and never overlap.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Timelike, Utc, Weekday};
use chrono_tz::Tz;

use super::{
    Interval,
    calendar::{instant, wall},
};

/// A stretch of some days of the week, such as `mon-fri 09:00-18:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The days on which it begins, a bit each from Monday.
    days: u8,
    from: NaiveTime,
    /// On the next day unless later than `from`.
    to: NaiveTime,
}

/// Why a text is not [`Hours`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a stretch of the week such as \"mon-fri 09:00-18:00\", \"sat,sun\" or \"22:00-06:00\"")]
pub struct BadHours(String);

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const EVERY_DAY: u8 = 0b111_1111;
/// How many days a stretch may lie away from the next of its kind: a week, and one more where a clock change swallows one.
const REACH: u64 = 15;

impl Hours {
    /// From `from` to `to` on `days`; to the next day if `to` is not later.
    pub fn new(days: &[Weekday], from: NaiveTime, to: NaiveTime) -> Self {
        let days = days.iter().fold(0, |all, day| all | 1 << day.num_days_from_monday());
        Self { days, from, to }
    }
    /// The stretch that begins on `day` in `zone`; `None` on other days, and where a clock change leaves nothing of it.
    fn on(&self, zone: Tz, day: NaiveDate) -> Option<Interval> {
        if self.days & (1 << day.weekday().num_days_from_monday()) == 0 {
            return None;
        }
        let end = if self.to > self.from { day } else { day.succ_opt()? };
        let open = Interval { from: instant(zone, day.and_time(self.from)), to: instant(zone, end.and_time(self.to)) };
        (open.from < open.to).then_some(open)
    }
}

/// Whether some of `all` stretches are open at `at`, and the time around it in which that does not change (at least; two stretches that
/// meet are told apart).
pub(super) fn open_at(all: &[Hours], zone: Tz, at: DateTime<Utc>) -> (bool, Interval) {
    let today = wall(zone, at).date();
    let on = |day: Option<NaiveDate>| day.into_iter().flat_map(|day| all.iter().filter_map(move |h| h.on(zone, day)));
    let near = [2, 1].into_iter().flat_map(|n| on(today.checked_sub_days(Days::new(n)))).chain(on(Some(today)));
    let open = near.chain(on(today.succ_opt())).filter(|i| i.contains(at));
    if let Some(open) = open.reduce(|a, b| Interval { from: a.from.min(b.from), to: a.to.max(b.to) }) {
        return (true, open);
    }
    // A stretch of the day before may end later than a short one of the day.
    let ends = |n| on(today.checked_sub_days(Days::new(n))).chain(on(today.checked_sub_days(Days::new(n + 1)))).map(|i| i.to);
    let before = (0..REACH).find_map(|n| ends(n).filter(|to| *to <= at).max());
    let after = (0..REACH).find_map(|n| on(today.checked_add_days(Days::new(n))).map(|i| i.from).filter(|from| *from > at).min());
    (false, Interval { from: before.unwrap_or(DateTime::<Utc>::MIN_UTC), to: after.unwrap_or(DateTime::<Utc>::MAX_UTC) })
}

impl FromStr for Hours {
    type Err = BadHours;
    fn from_str(text: &str) -> Result<Self, BadHours> {
        let bad = || BadHours(text.chars().take(40).collect());
        let lower = text.trim().to_ascii_lowercase();
        let (days, times) = match lower.split_once(char::is_whitespace) {
            Some((days, times)) => (days, times.trim()),
            None if lower.contains(':') => ("", lower.as_str()),
            None => (lower.as_str(), ""),
        };
        if days.is_empty() && times.is_empty() {
            return Err(bad());
        }
        let days = if days.is_empty() { EVERY_DAY } else { read_days(days).ok_or_else(bad)? };
        let (from, to) = if times.is_empty() { (NaiveTime::MIN, NaiveTime::MIN) } else { read_times(times).ok_or_else(bad)? };
        Ok(Self { days, from, to })
    }
}

/// `mon-fri`, `sat,sun`, `fri-mon`.
fn read_days(text: &str) -> Option<u8> {
    let day = |name: &str| NAMES.iter().position(|n| *n == name);
    text.split(',').try_fold(0, |all, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let length = (last + 7 - first) % 7;
        Some((0..=length).fold(all, |all, n| all | 1 << ((first + n) % 7)))
    })
}

/// `09:00-18:00`; `24:00` is the end of the day.
fn read_times(text: &str) -> Option<(NaiveTime, NaiveTime)> {
    let (from, to) = text.split_once('-')?;
    let to = if to.trim() == "24:00" { NaiveTime::MIN } else { read_time(to)? };
    Some((read_time(from)?, to))
}

/// A time of day such as `09:00`; `None` for anything else.
pub fn read_time(text: &str) -> Option<NaiveTime> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |part: &str| part.parse::<u32>().ok().filter(|_| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()));
    NaiveTime::from_hms_opt(number(hour)?, number(minute)?, 0)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begins = |n: &usize| self.days & (1 << n) != 0;
        if self.days != EVERY_DAY {
            let names: Vec<_> = (0..7).filter(begins).filter_map(|n| NAMES.get(n).copied()).collect();
            f.write_str(&names.join(","))?;
        }
        if self.from == self.to && self.from.num_seconds_from_midnight() == 0 {
            return if self.days == EVERY_DAY { f.write_str("00:00-24:00") } else { Ok(()) };
        }
        let space = if self.days == EVERY_DAY { "" } else { " " };
        write!(f, "{space}{}-{}", self.from.format("%H:%M"), self.to.format("%H:%M"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }
    fn open(texts: &[&str], zone: &str, moment: &str) -> (bool, String, String) {
        let all: Vec<Hours> = texts.iter().map(|t| t.parse().unwrap()).collect();
        let zone: Tz = zone.parse().unwrap();
        let (open, span) = open_at(&all, zone, at(moment));
        let shown = |t| wall(zone, t).format("%m-%d %H:%M").to_string();
        (open, shown(span.from), shown(span.to))
    }

    #[test]
    fn stretches_are_read_and_printed() {
        for (text, print) in [
            ("mon-fri 09:00-18:00", "mon,tue,wed,thu,fri 09:00-18:00"),
            ("Sat,Sun", "sat,sun"),
            ("22:00-06:00", "22:00-06:00"),
            ("fri-mon 18:00-09:00", "mon,fri,sat,sun 18:00-09:00"),
            ("mon-sun", "00:00-24:00"),
            ("wed 00:00-24:00", "wed"),
        ] {
            let hours: Hours = text.parse().unwrap();
            assert_eq!(hours.to_string(), print);
            assert_eq!(hours.to_string().parse::<Hours>().unwrap(), hours);
        }
        assert_eq!(
            "mon,tue 09:00-17:00".parse(),
            Ok(Hours::new(&[Weekday::Mon, Weekday::Tue], read_time("09:00").unwrap(), read_time("17:00").unwrap()))
        );
        for bad in
            ["", " ", "mon-fry", "9-17", "mon 9:00-17:00", "mon 09:00", "25:00-26:00", "24:00-06:00", "mon-fri 09:00-18:00 x", "mon,"]
        {
            assert!(bad.parse::<Hours>().is_err(), "{bad}");
        }
    }

    #[test]
    fn inside_and_outside() {
        let owned = |open, from: &str, to: &str| (open, from.to_owned(), to.to_owned());
        let office = ["mon-fri 09:00-18:00"];
        assert_eq!(open(&office, "Europe/Berlin", "2026-11-20T12:00:00Z"), owned(true, "11-20 09:00", "11-20 18:00"));
        assert_eq!(open(&office, "Europe/Berlin", "2026-11-20T17:00:00Z"), owned(false, "11-20 18:00", "11-23 09:00"));
        assert_eq!(open(&office, "Europe/Berlin", "2026-11-21T12:00:00Z"), owned(false, "11-20 18:00", "11-23 09:00"));
        assert_eq!(open(&["22:00-06:00"], "Asia/Kolkata", "2026-11-20T20:00:00Z"), owned(true, "11-20 22:00", "11-21 06:00"));
        assert_eq!(open(&["sun 02:10-02:20"], "Europe/Berlin", "2026-03-29T12:00:00Z"), owned(false, "03-22 02:20", "04-05 02:10"));
        assert_eq!(
            open(&["00:00-06:00", "22:00-12:00"], "Asia/Kolkata", "2026-11-24T08:00:00Z"),
            owned(false, "11-24 12:00", "11-24 22:00")
        );
        assert_eq!(open(&["tue 09:00-09:00"], "Asia/Kolkata", "2026-11-24T20:00:00Z"), owned(true, "11-24 09:00", "11-25 09:00"));
    }

    #[test]
    fn stretches_that_share_an_edge_meet_when_clocks_change() {
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
            let zone: Tz = zone.parse().unwrap();
            let (early, late): (Hours, Hours) = ("02:15-14:15".parse().unwrap(), "14:15-02:15".parse().unwrap());
            for day in NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().iter_days().take(400) {
                let (first, second) = (early.on(zone, day).unwrap(), late.on(zone, day).unwrap());
                assert_eq!(first.to, second.from);
                assert_eq!(second.to, early.on(zone, day.succ_opt().unwrap()).unwrap().from);
            }
        }
    }

    #[test]
    fn the_ends_of_time_are_no_panic() {
        let all: [Hours; 2] = ["mon-fri 09:00-18:00".parse().unwrap(), "22:00-06:00".parse().unwrap()];
        for end in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            open_at(&all, "Pacific/Kiritimati".parse().unwrap(), end);
        }
    }
}
