//! What a step is meant to change, and how that is told: the signal that is watched after it.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::domain::{SloId, Text, Window};

/// What should be true some time after a step: `burn checkout/availability < 1 within 10m`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectWish {
    /// What is watched.
    pub signal: Signal,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what: a burn rate, a share in \[0, 1\], seconds of age, jobs, or 1 for *up* and 0 for *down*.
    pub threshold: f64,
    /// Within how much time after the step's end.
    pub within: Duration,
}

/// What can be watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signal", rename_all = "snake_case")]
pub enum Signal {
    /// `burn checkout/availability`: the burn rate of an SLO over its shortest window.
    Burn {
        /// Which SLO.
        slo: SloId,
    },
    /// `errors checkout/availability`: the share of bad events of an SLO over its shortest window, in \[0, 1\].
    Errors {
        /// Which SLO.
        slo: SloId,
    },
    /// `age rabbit/orders`: how long the oldest waiting job of a queue has waited, in seconds.
    QueueAge {
        /// Which queue.
        queue: Text,
    },
    /// `depth rabbit/orders`: how many jobs wait in a queue.
    QueueDepth {
        /// Which queue.
        queue: Text,
    },
    /// `probe shop-front`: whether a probe of this name succeeds, 1 or 0.
    Probe {
        /// Which probe.
        probe: Text,
    },
}

impl Signal {
    /// The word in front: `burn`, `errors`, `age`, `depth`, `probe`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Burn { .. } => "burn",
            Self::Errors { .. } => "errors",
            Self::QueueAge { .. } => "age",
            Self::QueueDepth { .. } => "depth",
            Self::Probe { .. } => "probe",
        }
    }
    /// What is watched: an SLO's id, a queue's, a probe's name.
    pub fn subject(&self) -> &str {
        match self {
            Self::Burn { slo } | Self::Errors { slo } => slo.as_str(),
            Self::QueueAge { queue } | Self::QueueDepth { queue } => queue.as_str(),
            Self::Probe { probe } => probe.as_str(),
        }
    }
    /// The SLO, if it is one.
    pub const fn slo(&self) -> Option<&SloId> {
        match self {
            Self::Burn { slo } | Self::Errors { slo } => Some(slo),
            Self::QueueAge { .. } | Self::QueueDepth { .. } | Self::Probe { .. } => None,
        }
    }
    /// A value of it as people read it: `18.2×`, `0.4%`, `10m`, `12431`, `up`.
    pub fn shown(&self, value: f64) -> String {
        match self {
            _ if !value.is_finite() => "—".to_owned(),
            Self::Burn { .. } if value < 100.0 => format!("{value:.1}×"),
            Self::Burn { .. } => format!("{value:.0}×"),
            Self::Errors { .. } => format!("{:.1}%", value * 100.0),
            Self::QueueAge { .. } => Window::from_secs(value.max(0.0) as u64).map_or_else(|| "0s".to_owned(), |w| w.to_string()),
            Self::QueueDepth { .. } => format!("{value:.0}"),
            Self::Probe { .. } => if value >= 1.0 { "up" } else { "down" }.to_owned(),
        }
    }
}

/// As it is written, `within` left out: `burn checkout/availability`.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.word(), self.subject())
    }
}

/// How a figure is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `<`
    #[serde(rename = "<")]
    Less,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `>`
    #[serde(rename = ">")]
    More,
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
    /// `=`
    #[serde(rename = "=")]
    Equal,
}

impl Comparison {
    /// All of them, the longer signs first.
    pub const ALL: [(Self, &'static str); 5] =
        [(Self::AtMost, "<="), (Self::AtLeast, ">="), (Self::Less, "<"), (Self::More, ">"), (Self::Equal, "=")];
    /// As it is written.
    pub fn sign(self) -> &'static str {
        Self::ALL.iter().find(|(c, _)| *c == self).map_or("=", |(_, sign)| sign)
    }
    /// Whether it holds; what is no number compares with nothing.
    pub fn holds(self, value: f64, with: f64) -> bool {
        match self {
            Self::Less => value < with,
            Self::AtMost => value <= with,
            Self::More => value > with,
            Self::AtLeast => value >= with,
            #[expect(clippy::float_cmp, reason = "`=` in a runbook means just that: a count, an exit code, up or down")]
            Self::Equal => value == with,
        }
    }
}

/// As a person reads it: `burn checkout/availability < 1.0× within 10m`.
impl fmt::Display for EffectWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = Window::from_secs(self.within.as_secs()).map_or_else(|| "0s".to_owned(), |w| w.to_string());
        write!(f, "{} {} {} within {within}", self.signal, self.comparison.sign(), self.signal.shown(self.threshold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_reads_as_it_was_meant() {
        let signal = Signal::Burn { slo: "checkout/availability".into() };
        let wish = EffectWish { signal, comparison: Comparison::Less, threshold: 1.0, within: Duration::from_mins(10) };
        assert_eq!(wish.to_string(), "burn checkout/availability < 1.0× within 10m");
        let age = Signal::QueueAge { queue: "rabbit/orders".into() };
        assert_eq!((age.shown(600.0), age.shown(0.0), age.shown(f64::NAN)), ("10m".to_owned(), "0s".to_owned(), "—".to_owned()));
        let written = serde_json::to_string(&wish).unwrap();
        assert_eq!(serde_json::from_str::<EffectWish>(&written).unwrap(), wish);
    }

    #[test]
    fn what_is_no_number_compares_with_nothing() {
        for (comparison, _) in Comparison::ALL {
            assert!(!comparison.holds(f64::NAN, 1.0), "{comparison:?}");
        }
        assert!(Comparison::AtMost.holds(1.0, 1.0) && !Comparison::Less.holds(1.0, 1.0) && Comparison::Equal.holds(0.0, 0.0));
    }
}
