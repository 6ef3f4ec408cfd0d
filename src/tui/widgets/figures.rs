//! How figures are written, the same on every screen.
//!
//! Each is a small value with a `Display`, so that a cell is written without allocating. None of them ever shows an absence as a
//! zero: what is not known is `—`.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::domain::Window;

/// A burn rate: `18.2×`, no decimals from 100 on, `10k×` from 10,000 on, `—` if there is none.
#[derive(Clone, Copy, Debug)]
pub struct Burn(pub Option<f64>);

impl fmt::Display for Burn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.filter(|v| v.is_finite()) {
            None => f.write_str("—"),
            Some(v) if v < 99.95 => write!(f, "{v:.1}×"),
            Some(v) if v < 9_999.5 => write!(f, "{v:.0}×"),
            Some(v) => write!(f, "{:.0}k×", v / 1e3),
        }
    }
}

/// A share as percent with a true minus: `34.2%`, `−12.4%`; from 1,000 on `−2.5k%`.
#[derive(Clone, Copy, Debug)]
pub struct Percent(pub f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0 * 100.0;
        if !value.is_finite() {
            return f.write_str("—");
        }
        if value < 0.0 {
            f.write_str("−")?;
        }
        match value.abs() {
            v if v < 999.95 => write!(f, "{v:.1}%"),
            v if v < 99_950.0 => write!(f, "{:.1}k%", v / 1e3),
            v => write!(f, "{:.0}k%", v / 1e3),
        }
    }
}

/// A count: `12,431`; from 100,000 `124k`, from a million `1.2M`, from a billion `1.2G`.
#[derive(Clone, Copy, Debug)]
pub struct Count(pub f64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_finite() {
            return f.write_str("—");
        }
        if self.0 < 0.0 {
            f.write_str("−")?;
        }
        match self.0.abs() {
            v if v < 999.5 => write!(f, "{v:.0}"),
            v if v < 99_999.5 => {
                let whole = v.round() as u64;
                write!(f, "{},{:03}", whole / 1_000, whole % 1_000)
            }
            v if v < 999_500.0 => write!(f, "{:.0}k", v / 1e3),
            v if v < 999.95e6 => write!(f, "{:.1}M", v / 1e6),
            v => write!(f, "{:.1}G", v / 1e9),
        }
    }
}

/// A rate: `120/s`, `4.2/s`, and what is slower than one in ten seconds by the minute or the hour: `3/min`, `2/h`. Nothing is `0/s`.
#[derive(Clone, Copy, Debug)]
pub struct Rate(pub f64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            v if !v.is_finite() => f.write_str("—"),
            v if v <= 0.0 => f.write_str("0/s"),
            v if v >= 9.95 => write!(f, "{}/s", Count(v)),
            v if v >= 0.1 => write!(f, "{v:.1}/s"),
            v if v * 60.0 >= 0.95 => write!(f, "{:.0}/min", v * 60.0),
            v if v * 3_600.0 >= 0.95 => write!(f, "{:.0}/h", v * 3_600.0),
            _ => f.write_str("<1/h"),
        }
    }
}

/// How long ago, or how long: two units at most, `4s` `12m` `3h12m` `2d04h` `41d`. Never negative.
#[derive(Clone, Copy, Debug)]
pub struct Age {
    secs: i64,
    coarse: bool,
}

impl Age {
    /// An age in seconds.
    pub fn secs(secs: f64) -> Self {
        Self { secs: secs.clamp(0.0, 1e15) as i64, coarse: false }
    }
    /// From `then` to `now`.
    pub fn between(then: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self { secs: (now - then).num_seconds().max(0), coarse: false }
    }
    /// In steps, for lines where every byte counts: `<1m`, minutes, hours, days.
    #[must_use]
    pub const fn in_steps(mut self, coarse: bool) -> Self {
        self.coarse = coarse;
        self
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.secs;
        let [minutes, hours, days] = [60, 3_600, 86_400].map(|unit| secs / unit);
        match (self.coarse, secs) {
            (true, ..60) => f.write_str("<1m"),
            (false, ..60) => write!(f, "{secs}s"),
            (true, 600..3_600) => write!(f, "{}m", minutes / 5 * 5),
            (_, ..3_600) => write!(f, "{minutes}m"),
            (true, ..86_400) => write!(f, "{hours}h"),
            (false, ..86_400) => write!(f, "{hours}h{:02}m", minutes % 60),
            (false, ..864_000) => write!(f, "{days}d{:02}h", hours % 24),
            _ => write!(f, "{days}d"),
        }
    }
}

/// The share of a period that was really seen: `3d of 30d`, under a day in hours and minutes.
#[derive(Clone, Copy, Debug)]
pub struct Covered(pub f64, pub Window);

impl fmt::Display for Covered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0 * self.1.secs_f64();
        match secs {
            ..86_400.0 => write!(f, "{} of {}", Age::secs(secs), self.1),
            _ => write!(f, "{:.0}d of {}", secs / 86_400.0, self.1),
        }
    }
}

/// A span to be read exactly: under an hour with its seconds, `14m47s`, else as an age.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub f64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.clamp(0.0, 1e15) as i64;
        if (60..3_600).contains(&secs) { write!(f, "{}m{:02}s", secs / 60, secs % 60) } else { Age::secs(self.0).fmt(f) }
    }
}

/// A time of day: `14:20` within 24 hours, `Mon 09:00` within a week, else `12 Nov`.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// The time.
    pub at: DateTime<Utc>,
    /// Seen from when.
    pub now: DateTime<Utc>,
    /// In which zone.
    pub zone: Tz,
    /// Whether a time within 24 hours has its seconds.
    pub seconds: bool,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.at.with_timezone(&self.zone);
        let apart = (self.now - self.at).abs();
        if apart < TimeDelta::hours(24) {
            local.format(if self.seconds { "%H:%M:%S" } else { "%H:%M" }).fmt(f)
        } else if apart < TimeDelta::days(7) {
            local.format("%a %H:%M").fmt(f)
        } else {
            local.format("%d %b").fmt(f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_the_screen_book_says() {
        for (value, text) in [
            (Some(18.2), "18.2×"),
            (Some(99.94), "99.9×"),
            (Some(99.96), "100×"),
            (None, "—"),
            (Some(f64::NAN), "—"),
            (Some(2.5e4), "25k×"),
        ] {
            assert_eq!(Burn(value).to_string(), text);
        }
        for (value, text) in [(0.342, "34.2%"), (-0.124, "−12.4%"), (1.0, "100.0%"), (-25.0, "−2.5k%"), (-2500.0, "−250k%")] {
            assert_eq!(Percent(value).to_string(), text);
        }
        for (value, text) in
            [(0.0, "0"), (999.7, "1,000"), (12_431.0, "12,431"), (99_999.9, "100k"), (124_000.0, "124k"), (1.24e6, "1.2M"), (-12.0, "−12")]
        {
            assert_eq!(Count(value).to_string(), text);
        }
    }

    #[test]
    fn rates_are_by_the_second_the_minute_or_the_hour() {
        for (value, text) in [
            (12_431.0, "12,431/s"),
            (120.0, "120/s"),
            (9.94, "9.9/s"),
            (0.1, "0.1/s"),
            (0.05, "3/min"),
            (0.001, "4/h"),
            (0.000_1, "<1/h"),
            (0.0, "0/s"),
            (f64::NAN, "—"),
        ] {
            assert_eq!(Rate(value).to_string(), text);
        }
    }

    #[test]
    fn ages_have_two_units_at_most() {
        for (secs, text, coarse) in [
            (-3, "0s", "<1m"),
            (4, "4s", "<1m"),
            (779, "12m", "10m"),
            (11_520, "3h12m", "3h"),
            (187_200, "2d04h", "2d"),
            (3_542_400, "41d", "41d"),
        ] {
            let age = Age::secs(f64::from(secs));
            assert_eq!((age.to_string().as_str(), age.in_steps(true).to_string().as_str()), (text, coarse));
        }
        assert_eq!(
            (Span(887.9).to_string(), Span(4.0).to_string(), Span(7_300.0).to_string()),
            ("14m47s".into(), "4s".into(), "2h01m".into())
        );
    }

    #[test]
    fn times_say_the_day_when_it_is_another() {
        let now: DateTime<Utc> = "2026-11-19T13:32:08Z".parse().unwrap();
        let when = |back: i64| When { at: now - TimeDelta::hours(back), now, zone: chrono_tz::Europe::Berlin, seconds: false }.to_string();
        assert_eq!((when(0), when(23), when(48), when(300)), ("14:32".into(), "15:32".into(), "Tue 14:32".into(), "07 Nov".into()));
    }
}
