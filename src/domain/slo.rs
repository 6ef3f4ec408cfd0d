//! Service level objectives: what is promised, how events are counted, what is left of the budget.
//!
//! Sources: Google, *The Site Reliability Workbook*, chapters 2 and 5.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{BurnRate, Window};

/// The promised share of good events, strictly between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Objective(f64);

/// Why a figure is not an [`Objective`].
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum BadObjective {
    /// 0, 1, NaN or outside: 100 % leaves no budget, 0 % promises nothing.
    #[error("an objective lies strictly between 0 % and 100 %, this is {0}")]
    OutOfRange(f64),
    /// Neither `99.9%`, `99.9` nor `0.999`.
    #[error("`{0}` is not an objective such as \"99.9%\" or 0.999")]
    Unreadable(String),
}

impl Objective {
    /// An objective of `ratio`, in (0, 1).
    pub fn new(ratio: f64) -> Result<Self, BadObjective> {
        if ratio > 0.0 && ratio < 1.0 { Ok(Self(ratio)) } else { Err(BadObjective::OutOfRange(ratio)) }
    }
    /// The promised share of good events, in (0, 1).
    pub const fn ratio(self) -> f64 {
        self.0
    }
    /// The error budget: the share of events that may be bad, in (0, 1).
    ///
    /// Computed from the decimal the objective was written as, so that 99.9 % leaves exactly the double nearest to 0.001.
    pub fn budget(self) -> f64 {
        const DECIMALS: f64 = 1e12;
        let raw = 1.0 - self.0;
        // Two whole numbers below 2^53: their quotient is the double nearest to the decimal.
        let written = (raw * DECIMALS).round() / DECIMALS;
        if written > 0.0 { written } else { raw }
    }
}

impl TryFrom<f64> for Objective {
    type Error = BadObjective;
    fn try_from(ratio: f64) -> Result<Self, BadObjective> {
        Self::new(ratio)
    }
}
impl From<Objective> for f64 {
    fn from(objective: Objective) -> Self {
        objective.0
    }
}
impl FromStr for Objective {
    type Err = BadObjective;
    /// `99.9%` and `99.9` are percent, `0.999` is a ratio; from 1 to 100 without a sign is percent, 1 itself is refused.
    fn from_str(text: &str) -> Result<Self, BadObjective> {
        let unreadable = || BadObjective::Unreadable(text.chars().take(40).collect());
        let (number, percent) = match text.trim().strip_suffix('%') {
            Some(number) => (number.trim(), true),
            None => (text.trim(), false),
        };
        let value: f64 = number.parse().map_err(|_| unreadable())?;
        Self::new(if percent || value > 1.0 { shift_two(number).unwrap_or(value / 100.0) } else { value })
    }
}
/// `number` ÷ 100, decimally: 99.9 becomes the double nearest to 0.999.
fn shift_two(number: &str) -> Option<f64> {
    format!("{number}e-2").parse().ok()
}
impl fmt::Display for Objective {
    /// In percent, at least one decimal: `99.9%`, `99.95%`, `99.0%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.6}", self.0 * 100.0);
        let text = text.trim_end_matches('0');
        let text = if text.ends_with('.') { format!("{text}0") } else { text.to_owned() };
        f.pad(&format!("{text}%"))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);
        impl $name {
            /// Make an id of `text`; it is cleaned like all text from outside.
            pub fn new(text: &str) -> Self {
                Self(Arc::from(&*super::text::clean(text)))
            }
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

id! {
    /// One SLO of one group: `checkout/availability`, with `source/` in front where two would collide.
    SloId
}
id! {
    /// One `[[slo]]` row, which may fan out to many SLOs.
    DefinitionId
}
id! {
    /// One `[[source]]` row.
    SourceName
}
id! {
    /// One incident, stable while it lasts: `am:9f86d081884c7d65`, `checkout/availability:page`.
    IncidentId
}
id! {
    /// One queue of one source: `rabbit/shop/orders`.
    QueueId
}
id! {
    /// One act: unique, made before the act begins, written into whatever the act leaves behind.
    ActId
}
id! {
    /// One runbook: its file's name without `.md`, with its folder in front where two would collide.
    RunbookId
}
id! {
    /// One step of a runbook, unique in it.
    StepName
}

/// The label values of one row of a fan-out, in the order of the definition's `by`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Group(pub Vec<super::Untrusted>);

/// Events counted over some window. Counts are real numbers: Prometheus extrapolates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventCounts {
    /// Events that broke the promise, ≥ 0.
    pub bad: f64,
    /// All valid events, ≥ 0.
    pub total: f64,
}

impl EventCounts {
    /// Counts with `bad` held within 0 and `total`; `None` if either is negative beyond rounding, infinite or NaN.
    pub fn new(bad: f64, total: f64) -> Option<Self> {
        (bad.is_finite() && total.is_finite() && total >= 0.0).then(|| Self { bad: bad.clamp(0.0, total), total })
    }
    /// Share of bad events, in \[0, 1\]; `None` without traffic.
    pub fn error_ratio(&self) -> Option<f64> {
        (self.total > 0.0).then(|| self.bad / self.total)
    }
    /// Rate of budget use; `None` without traffic.
    pub fn burn_rate(&self, objective: Objective) -> Option<BurnRate> {
        self.error_ratio().map(|ratio| super::burn_rate(ratio, objective))
    }
}

impl std::ops::Add for EventCounts {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { bad: self.bad + other.bad, total: self.total + other.total }
    }
}

/// Share of the error budget left over the period: `1 − bad ÷ ((1 − objective) · total)`; negative once overspent, `None` if nothing was
/// counted.
pub fn error_budget_remaining(counts: &EventCounts, objective: Objective) -> Option<f64> {
    counts.error_ratio().map(|ratio| 1.0 - ratio / objective.budget())
}

/// Bad events that may still happen at the period's present traffic; negative once overspent.
pub fn events_left(counts: &EventCounts, objective: Objective) -> f64 {
    objective.budget() * counts.total - counts.bad
}

/// Seconds of total outage that the rest of the budget would bear, at the period's mean traffic; `None` once overspent.
pub fn outage_left_secs(remaining: f64, objective: Objective, period: Window) -> Option<f64> {
    (remaining > 0.0).then(|| remaining * objective.budget() * period.secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read_as_written_and_bad_ones_refused() {
        for (text, ratio, shown) in [
            ("99.9%", 0.999, "99.9%"),
            ("99.95", 0.9995, "99.95%"),
            ("0.999", 0.999, "99.9%"),
            ("99 %", 0.99, "99.0%"),
            ("99.999%", 0.99999, "99.999%"),
        ] {
            let objective: Objective = text.parse().unwrap();
            assert_eq!((objective.ratio(), objective.to_string().as_str()), (ratio, shown));
        }
        for bad in ["1", "100%", "0", "0%", "NaN", "inf", "-3", "many", "101%", ""] {
            assert!(bad.parse::<Objective>().is_err(), "{bad}");
        }
        let budget = |text: &str| text.parse::<Objective>().unwrap().budget().to_bits();
        assert_eq!([budget("99.9%"), budget("99.99%")], [0.001_f64.to_bits(), 0.0001_f64.to_bits()]);
        for n in 1..100_000_u32 {
            let left = 100_000 - n;
            assert_eq!(budget(&format!("{}.{:03}%", n / 1_000, n % 1_000)), format!("{left}e-5").parse::<f64>().unwrap().to_bits());
        }
    }

    #[test]
    fn a_budget_of_nothing_counted_is_unknown() {
        let objective = Objective::new(0.999).unwrap();
        assert_eq!(error_budget_remaining(&EventCounts::default(), objective), None);
        let half = EventCounts { bad: 5.0, total: 10_000.0 };
        assert!((error_budget_remaining(&half, objective).unwrap() - 0.5).abs() < 1e-12);
        assert!((events_left(&half, objective) - 5.0).abs() < 1e-9);
        assert_eq!(EventCounts::new(f64::NAN, 1.0), None);
        assert_eq!(EventCounts::new(-1e-9, 1.0), Some(EventCounts { bad: 0.0, total: 1.0 }));
    }
}
