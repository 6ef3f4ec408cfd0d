//! Alerts: labels, severity, and the episodes of our own burn-rate rules.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Grade, QueueId, SloId, Text, Untrusted};

/// Label names and values as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<Untrusted, Untrusted>);

impl Labels {
    /// The raw value of `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<&Untrusted> {
        self.0.get(&Untrusted::new(name))
    }
    /// Pairs that may be shown, by name.
    pub fn shown(&self) -> impl Iterator<Item = (Text, Text)> + '_ {
        self.0.iter().map(|(name, value)| (name.text(), value.text()))
    }
}

impl<N: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(n, v)| (Untrusted::new(n), Untrusted::new(v))).collect())
    }
}

/// How urgent an incident is; P1 is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Customers are hurt now.
    P1,
    /// Customers will be hurt soon.
    P2,
    /// Needs work in hours.
    P3,
    /// Needs work some day.
    P4,
    /// Information.
    P5,
}

impl Severity {
    /// The mark's text: `P1` … `P5`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4 => "P4",
            Self::P5 => "P5",
        }
    }
    /// The severity that a `severity` label usually means; unknown words and no label mean P3.
    pub fn from_label(value: Option<&str>) -> Self {
        match value.unwrap_or_default().to_ascii_lowercase().as_str() {
            "page" | "critical" | "emergency" | "disaster" | "p1" | "sev1" => Self::P1,
            "error" | "high" | "major" | "p2" | "sev2" => Self::P2,
            "low" | "minor" | "p4" | "sev4" => Self::P4,
            "info" | "information" | "none" | "debug" | "p5" | "sev5" => Self::P5,
            _ => Self::P3,
        }
    }
    /// The severity of an alert of our own.
    pub const fn of(grade: Grade) -> Self {
        match grade {
            Grade::Page => Self::P1,
            Grade::Ticket => Self::P3,
        }
    }
    /// Whether it pages (P1, P2).
    pub fn pages(self) -> bool {
        self <= Self::P2
    }
}

/// One stretch in which a rule of ours fired for an SLO: what makes `since` the same on every cockpit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// Whose budget burns.
    pub slo: SloId,
    /// How loud.
    pub grade: Grade,
    /// When a cockpit first saw it; identifies the episode together with SLO and grade.
    pub seen_at: DateTime<Utc>,
    /// When it began; `None` while that is not known (it was firing when first looked at).
    pub since: Option<DateTime<Utc>>,
    /// When it ended; `None` while it fires.
    pub ended_at: Option<DateTime<Utc>>,
}

impl Episode {
    /// The queue that is stalled, if it is one of those.
    pub fn queue(&self) -> Option<&str> {
        self.slo.as_str().strip_prefix(QueueId::EPISODE)
    }
    /// How it began, in a line.
    pub fn began(&self) -> String {
        self.queue().map_or_else(|| format!("{}: budget burning", self.slo), |queue| format!("{queue}: queue stalled"))
    }
    /// How it ended, in a line.
    pub fn over(&self) -> String {
        self.queue()
            .map_or_else(|| format!("{}: {} rule cleared", self.slo, self.grade.word()), |queue| format!("{queue}: queue moves again"))
    }
}

impl QueueId {
    const EPISODE: &str = "queue:";
    /// Under which name its stalls are episodes.
    pub fn episode(&self) -> SloId {
        SloId::new(&format!("{}{self}", Self::EPISODE))
    }
}
