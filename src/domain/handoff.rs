//! Handoffs: how often the pager changes hands, and whose turn it is by the calendar.
//!
//! The n-th handoff is a wall time: the first one, n steps later in the calendar. A clock change may make two of them one instant; the
//! empty turn between them is given to nobody and counts for nobody. Which turn an instant belongs to is worked out from the calendar
//! distance, not by walking from the first.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::calendar::{instant, wall};

/// From handoff to handoff, by the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// So many hours on the wall clock, at least one.
    Hours(u32),
    /// So many days, at least one; 7 for a week.
    Days(u32),
    /// So many months, at least one; a day that a month lacks is its last.
    Months(u32),
}

/// Why a text is not an [`Every`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a handoff such as \"daily\", \"weekly\", \"monthly\", \"every 12h\", \"every 3 days\" or \"every 2 weeks\"")]
pub struct BadHandoff(String);

/// The longest step, in its unit: a rotation that turns more seldom is a mistake.
const MOST: u32 = 1_000;
/// No clock has ever jumped over more than a day, so only turns of a day or less can come to nothing.
const LONGEST_GAP_HOURS: u32 = 24;
/// The years in which clocks are known to change.
const CHANGES: (i32, i32) = (1_880, 2_101);
/// No zone has ever changed its clocks forward and back again within so short a time.
const STRIDE: TimeDelta = TimeDelta::days(7);

impl FromStr for Every {
    type Err = BadHandoff;
    fn from_str(text: &str) -> Result<Self, BadHandoff> {
        let bad = || BadHandoff(text.chars().take(40).collect());
        let lower = text.trim().to_ascii_lowercase();
        match lower.as_str() {
            "daily" => return Ok(Self::Days(1)),
            "weekly" => return Ok(Self::Days(7)),
            "monthly" => return Ok(Self::Months(1)),
            _ => {}
        }
        let rest = lower.strip_prefix("every ").ok_or_else(bad)?.trim();
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = rest.strip_suffix(digits).unwrap_or_default();
        let n = if number.is_empty() { 1 } else { number.parse().map_err(|_| bad())? };
        let every = match digits.trim() {
            "h" | "hour" | "hours" => Self::Hours(n),
            "d" | "day" | "days" => Self::Days(n),
            "w" | "week" | "weeks" => Self::Days(n.saturating_mul(7)),
            "month" | "months" => Self::Months(n),
            _ => return Err(bad()),
        };
        if (1..=MOST).contains(&n) { Ok(every) } else { Err(bad()) }
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days(1) => f.write_str("daily"),
            Self::Days(7) => f.write_str("weekly"),
            Self::Months(1) => f.write_str("monthly"),
            Self::Hours(n) => write!(f, "every {n}h"),
            Self::Days(n) if n % 7 == 0 => write!(f, "every {} weeks", n / 7),
            Self::Days(n) => write!(f, "every {n} days"),
            Self::Months(n) => write!(f, "every {n} months"),
        }
    }
}

/// The turns of one layer, without end.
#[derive(Clone, Debug)]
pub struct Turns {
    zone: Tz,
    first: NaiveDateTime,
    every: Every,
    /// The steps after which no time passes, ascending.
    empty: Vec<i64>,
}

/// One turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// From 0; turns that come to nothing are not counted.
    pub number: u64,
    /// Its first instant.
    pub from: DateTime<Utc>,
    /// The first instant after it.
    pub to: DateTime<Utc>,
}

impl Turns {
    /// Turns that begin at the wall time `first` in `zone`.
    pub fn new(zone: Tz, first: NaiveDateTime, every: Every) -> Self {
        let mut turns = Self { zone, first, every, empty: Vec::new() };
        if matches!(every, Every::Hours(0..=LONGEST_GAP_HOURS) | Every::Days(0 | 1)) {
            turns.empty = turns.empty_steps();
        }
        turns
    }
    /// When the first turn begins.
    pub fn begin(&self) -> DateTime<Utc> {
        instant(self.zone, self.first)
    }
    /// The turn that `at` belongs to; `None` before the first.
    pub fn at(&self, at: DateTime<Utc>) -> Option<Turn> {
        let (step, from, to) = self.step_at(at);
        let number = u64::try_from(step).ok()?.saturating_sub(self.empty.partition_point(|e| *e < step) as u64);
        Some(Turn { number, from, to })
    }

    /// The last step that begins at or before `at`, its beginning and its end; negative before the first.
    fn step_at(&self, at: DateTime<Utc>) -> (i64, DateTime<Utc>, DateTime<Utc>) {
        let mut step = self.steps_between(wall(self.zone, at));
        let (mut from, mut to) = (self.edge(step), self.edge(step.saturating_add(1)));
        // The wall is ahead or behind by a clock change at most: a day of hours.
        for _ in 0..=LONGEST_GAP_HOURS {
            if from <= at {
                break;
            }
            step -= 1;
            (from, to) = (self.edge(step), from);
        }
        for _ in 0..=LONGEST_GAP_HOURS {
            if to > at {
                break;
            }
            step += 1;
            (from, to) = (to, self.edge(step.saturating_add(1)));
        }
        (step, from, to)
    }
    /// Whole steps from the first handoff to `to` on the wall.
    fn steps_between(&self, to: NaiveDateTime) -> i64 {
        let apart = to.signed_duration_since(self.first);
        match self.every {
            Every::Hours(n) => floor(apart.num_seconds(), 3_600 * i64::from(n.max(1))),
            Every::Days(n) => floor(to.date().signed_duration_since(self.first.date()).num_days(), i64::from(n.max(1))),
            Every::Months(n) => floor(month_count(to.date()) - month_count(self.first.date()), i64::from(n.max(1))),
        }
    }
    /// When step `n` begins; the end of time if it lies beyond.
    fn edge(&self, n: i64) -> DateTime<Utc> {
        let beyond = if n < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        self.wall_of(n).map_or(beyond, |wall| instant(self.zone, wall))
    }
    fn wall_of(&self, n: i64) -> Option<NaiveDateTime> {
        let by = |size: u32| n.checked_mul(i64::from(size.max(1)));
        match self.every {
            Every::Hours(h) => self.first.checked_add_signed(TimeDelta::try_hours(by(h)?)?),
            Every::Days(d) => self.first.checked_add_signed(TimeDelta::try_days(by(d)?)?),
            Every::Months(m) => {
                let months = by(m)?;
                let by = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
                if months < 0 { self.first.checked_sub_months(by) } else { self.first.checked_add_months(by) }
            }
        }
    }

    /// Every step that begins and ends at one instant: they lie where clocks jump forward by a step at least.
    fn empty_steps(&self) -> Vec<i64> {
        let year = |y| NaiveDate::from_ymd_opt(y, 1, 1).unwrap_or_default().and_time(chrono::NaiveTime::MIN);
        let step = match self.every {
            Every::Hours(n) => i64::from(n) * 3_600,
            Every::Days(n) | Every::Months(n) => i64::from(n) * 86_400,
        };
        let (mut found, mut at) = (Vec::new(), self.first.max(year(CHANGES.0)) - STRIDE);
        while at < year(CHANGES.1) {
            let next = at + STRIDE;
            if self.ahead(next) - self.ahead(at) >= step {
                let jump = self.jump_between(at, next);
                let (from, to) = (jump + TimeDelta::seconds(self.ahead(at)), jump + TimeDelta::seconds(self.ahead(next)));
                let jumped = self.steps_between(from).max(0)..=self.steps_between(to);
                found.extend(jumped.filter(|n| self.edge(*n) == self.edge(n + 1)));
            }
            at = next;
        }
        found
    }
    /// Seconds that clocks are ahead of UTC.
    fn ahead(&self, utc: NaiveDateTime) -> i64 {
        i64::from(self.zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
    }
    /// When, in UTC, clocks change between two times of which the earlier is before the change.
    fn jump_between(&self, mut before: NaiveDateTime, mut after: NaiveDateTime) -> NaiveDateTime {
        while after - before > TimeDelta::seconds(1) {
            let middle = before + (after - before) / 2;
            if self.ahead(middle) == self.ahead(before) {
                before = middle;
            } else {
                after = middle;
            }
        }
        after
    }
}

fn floor(a: i64, b: i64) -> i64 {
    a.div_euclid(b.max(1))
}

fn month_count(day: NaiveDate) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month0())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }
    fn turns(zone: &str, first: &str, every: &str) -> Turns {
        Turns::new(zone.parse().unwrap(), on(first), every.parse().unwrap())
    }
    /// The beginnings of the turns from `from` on, on the wall, and the number of the first.
    fn walls(turns: &Turns, from: &str, n: usize) -> (u64, Vec<String>) {
        let mut at = instant(turns.zone, on(from));
        let number = turns.at(at).unwrap().number;
        let step = |_| {
            let turn = turns.at(at).unwrap();
            at = turn.to;
            wall(turns.zone, turn.from).format("%m-%d %H:%M").to_string()
        };
        (number, (0..n).map(step).collect())
    }

    #[test]
    fn words_and_what_they_mean() {
        for (text, every, print) in [
            ("daily", Every::Days(1), "daily"),
            ("Weekly", Every::Days(7), "weekly"),
            ("monthly", Every::Months(1), "monthly"),
            ("every 12h", Every::Hours(12), "every 12h"),
            ("every 8 hours", Every::Hours(8), "every 8h"),
            ("every 2 weeks", Every::Days(14), "every 2 weeks"),
            ("every week", Every::Days(7), "weekly"),
            ("every 3d", Every::Days(3), "every 3 days"),
            ("every 3 months", Every::Months(3), "every 3 months"),
        ] {
            let read: Every = text.parse().unwrap();
            assert_eq!((read, read.to_string().as_str()), (every, print), "{text}");
        }
        for bad in [
            "",
            "every",
            "every 0h",
            "every -1 days",
            "12h",
            "every 12",
            "every 1001 days",
            "every 99999999999h",
            "hourly",
            "every 2 years",
        ] {
            assert!(bad.parse::<Every>().is_err(), "{bad}");
        }
    }

    #[test]
    fn months_on_the_31st_turn_on_the_last_day() {
        let monthly = turns("Europe/Berlin", "2026-01-31 09:00", "monthly");
        let expected = ["01-31 09:00", "02-28 09:00", "03-31 09:00", "04-30 09:00", "05-31 09:00"].map(str::to_owned);
        assert_eq!(walls(&monthly, "2026-02-03 00:00", 5), (0, expected.to_vec()));
        assert_eq!(walls(&monthly, "2028-02-29 12:00", 1), (25, vec!["02-29 09:00".to_owned()]));
    }

    #[test]
    fn a_handoff_in_the_missing_hour_is_at_its_end_and_one_in_the_doubled_hour_the_first() {
        let daily = turns("Europe/Berlin", "2026-01-01 02:30", "daily");
        let turn = |at: &str| daily.at(at.parse().unwrap()).unwrap();
        assert_eq!(
            turn("2026-03-29T01:00:00Z"),
            Turn { number: 87, from: "2026-03-29T01:00:00Z".parse().unwrap(), to: "2026-03-30T00:30:00Z".parse().unwrap() }
        );
        assert_eq!(turn("2026-03-29T00:59:59Z").number, 86);
        assert_eq!(turn("2026-10-25T00:29:59Z").number, 296);
        assert_eq!(turn("2026-10-25T00:30:00Z").number, 297);
        assert_eq!(turn("2026-10-25T01:30:00Z").number, 297);
    }

    #[test]
    fn an_empty_turn_is_nobodys() {
        let hourly = turns("Europe/Berlin", "2026-03-29 00:00", "every 1h");
        let numbers: Vec<_> =
            (0..4).map(|h| hourly.at(instant(hourly.zone, on("2026-03-29 00:00")) + TimeDelta::hours(h)).unwrap().number).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        // 02:00 to 03:00 on the wall was empty; a year later another one.
        assert_eq!(hourly.empty.get(..2), Some(&[2, 364 * 24 + 2][..]));
        // The day that Samoa left out.
        let daily = turns("Pacific/Apia", "2011-12-28 00:00", "daily");
        let expected = ["12-28 00:00", "12-29 00:00", "12-31 00:00", "01-01 00:00"].map(str::to_owned);
        assert_eq!(walls(&daily, "2011-12-28 00:00", 4), (0, expected.to_vec()));
        assert_eq!(walls(&daily, "2012-01-01 00:00", 1).0, 3);
    }

    #[test]
    fn hours_are_counted_on_the_wall() {
        let half = turns("America/New_York", "2026-03-07 08:00", "every 12h");
        let expected = ["03-07 08:00", "03-07 20:00", "03-08 08:00", "03-08 20:00"].map(str::to_owned);
        assert_eq!(walls(&half, "2026-03-07 08:00", 4).1, expected);
        let night = half.at("2026-03-08T01:00:00Z".parse().unwrap()).unwrap();
        assert_eq!((night.to - night.from).num_hours(), 11);
    }

    #[test]
    fn there_are_no_turns_before_the_first_and_none_panic_at_the_ends_of_time() {
        for every in ["every 1h", "daily", "weekly", "monthly", "every 1000 months"] {
            let turns = turns("Australia/Lord_Howe", "2026-01-31 09:00", every);
            assert_eq!(turns.at(turns.begin() - TimeDelta::seconds(1)), None);
            assert_eq!(turns.at(turns.begin()).unwrap().number, 0);
            assert_eq!(turns.at(DateTime::<Utc>::MIN_UTC), None);
            let last = turns.at(DateTime::<Utc>::MAX_UTC - TimeDelta::days(1)).unwrap();
            assert!(last.from < last.to);
            turns.at(DateTime::<Utc>::MAX_UTC);
        }
    }
}
