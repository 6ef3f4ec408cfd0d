//! What is counted: how an SLO tells its good events from the bad ones.

use std::time::Duration;

use chrono::TimeDelta;

use super::{HistogramLatency, Selector, Window};

/// What is counted.
#[derive(Clone, Debug)]
pub enum Sli {
    /// Counters that selectors tell apart.
    Ratio(Ratio),
    /// Answers that came in time, by the buckets of a histogram.
    Latency(HistogramLatency),
    /// Questions in the source's own language.
    Queries(Queries),
    /// The checks of a probe, which counts them itself.
    Probe(ProbeEvents),
    /// Looks at queues, each an event.
    Queue(QueueEvents),
}

/// Counters of all events, and of those that are told apart.
#[derive(Clone, Debug)]
pub struct Ratio {
    /// Which events are told apart.
    pub part: Side,
    /// Their selector.
    pub selector: Selector,
    /// The selector of all events.
    pub total: Selector,
    /// Whether a side that is missing while the other is there means zero of it: always so if both are one metric, else only if the
    /// row says `missing = "zero"`.
    pub missing_is_zero: bool,
}

/// What stands in a query for the window that is asked for.
pub const WINDOW: &str = "$window";

/// What selectors cannot say: two queries, each of which gives one number for each group over a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queries {
    /// What the first tells.
    pub told: Counted,
    /// The first.
    pub part: String,
    /// All events.
    pub total: String,
    /// Whether a group that the first leaves out has none of those events; else it is not known.
    pub missing_is_zero: bool,
}

/// What a query tells of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// How many were good.
    Good,
    /// How many were bad.
    Bad,
    /// Which share was bad.
    BadShare,
}

impl Queries {
    /// A query over `window`.
    pub fn over(query: &str, window: Window) -> String {
        query.replace(WINDOW, &window.to_string())
    }
}

/// Which checks of a probe are events, and which of those are bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeEvents {
    /// `None`: each check is an event, bad if it failed. Else each check that succeeded is one, bad if it took longer than this.
    pub under: Option<Duration>,
}

/// A look at a queue is an event, bad if its oldest job has waited for longer than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueEvents {
    /// The longest that work should wait.
    pub max_age: TimeDelta,
}

/// Which side of the events a selector counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `good = …`
    Good,
    /// `bad = …`
    Bad,
}

impl Sli {
    /// The counters to be read, where there are such.
    pub const fn ratio(&self) -> Option<&Ratio> {
        match self {
            Self::Ratio(ratio) => Some(ratio),
            Self::Latency(latency) => Some(&latency.ratio),
            Self::Queries(_) | Self::Probe(_) | Self::Queue(_) => None,
        }
    }
    /// Whether the source brings events that it counted itself, one by one, which the cockpit keeps; else it has counters, or counts over
    /// windows.
    pub const fn is_tallied(&self) -> bool {
        match self {
            Self::Ratio(_) | Self::Latency(_) | Self::Queries(_) => false,
            Self::Probe(_) | Self::Queue(_) => true,
        }
    }
}
