//! Spans of time: how long a [`Window`] is, and which stretch of time an [`Interval`] covers.

use std::{fmt, str::FromStr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A positive whole number of seconds, written as Prometheus writes durations: `5m`, `1h30m`, `30d`, `4w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window(u32);

/// Why a text is not a [`Window`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a duration such as 90s, 5m, 1h30m or 30d")]
pub struct BadWindow(String);

const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl Window {
    /// A window of `secs` seconds; `None` for 0 and for more than about 136 years.
    pub fn from_secs(secs: u64) -> Option<Self> {
        u32::try_from(secs).ok().filter(|s| *s > 0).map(Self)
    }
    /// A window of `n` minutes (at least one).
    pub const fn minutes(n: u32) -> Self {
        Self(if n == 0 { 60 } else { n.saturating_mul(60) })
    }
    /// A window of `n` hours (at least one).
    pub const fn hours(n: u32) -> Self {
        Self::minutes(if n == 0 { 60 } else { n.saturating_mul(60) })
    }
    /// A window of `n` days (at least one).
    pub const fn days(n: u32) -> Self {
        Self::hours(if n == 0 { 24 } else { n.saturating_mul(24) })
    }
    /// Length in seconds.
    pub const fn secs(self) -> u32 {
        self.0
    }
    /// Length in seconds, for arithmetic.
    pub fn secs_f64(self) -> f64 {
        f64::from(self.0)
    }
    /// Length as a calendar-free time difference.
    pub fn delta(self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.0))
    }
    /// Length as a `Duration`.
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }
    /// The interval of this length that ends at `end`.
    pub fn until(self, end: DateTime<Utc>) -> Interval {
        Interval { from: end - self.delta(), to: end }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::from(self.0);
        for (unit, size) in UNITS.into_iter().skip(1) {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

impl FromStr for Window {
    type Err = BadWindow;
    fn from_str(text: &str) -> Result<Self, BadWindow> {
        let bad = || BadWindow(text.chars().take(40).collect());
        let (mut rest, mut secs, mut floor) = (text.trim(), 0_u64, u64::MAX);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let (number, tail) = rest.split_at(digits);
            let (unit, size) = UNITS.into_iter().find(|(u, _)| tail.starts_with(u)).ok_or_else(bad)?;
            if size >= floor {
                return Err(bad());
            }
            floor = size;
            let n: u64 = number.parse().map_err(|_| bad())?;
            secs = n.checked_mul(size).and_then(|s| secs.checked_add(s)).ok_or_else(bad)?;
            rest = tail.get(unit.len()..).unwrap_or_default();
        }
        Self::from_secs(secs).ok_or_else(bad)
    }
}

impl TryFrom<String> for Window {
    type Error = BadWindow;
    fn try_from(text: String) -> Result<Self, BadWindow> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

/// A half-open stretch of time: `from` belongs to it, `to` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// First instant inside.
    pub from: DateTime<Utc>,
    /// First instant after.
    pub to: DateTime<Utc>,
}

impl Interval {
    /// Length in seconds; 0 for an interval that ends before it begins.
    pub fn secs(&self) -> f64 {
        ((self.to - self.from).as_seconds_f64()).max(0.0)
    }
    /// Whether `at` lies inside.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && at < self.to
    }
    /// Seconds that this interval shares with `other`.
    pub fn overlap_secs(&self, other: &Interval) -> f64 {
        Interval { from: self.from.max(other.from), to: self.to.min(other.to) }.secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_read_and_print_as_prometheus_does() {
        for (text, secs, print) in
            [("5m", 300, "5m"), ("1h30m", 5400, "1h30m"), ("4w", 2_419_200, "28d"), ("90s", 90, "1m30s"), ("30d", 2_592_000, "30d")]
        {
            let window: Window = text.parse().unwrap();
            assert_eq!((window.secs(), window.to_string().as_str()), (secs, print));
        }
        for bad in ["", "5", "m", "0s", "5x", "1m1h", "5m ago", "-5m", "99999999999w"] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
    }
}
