//! Incidents: trouble that somebody should have, from whatever source.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Ack, Grade, IncidentId, Labels, QueueId, Severity, SloId, SourceName, Target, Text};

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody has it.
    Triggered,
    /// Somebody has it. Still open.
    Acknowledged,
    /// Over.
    Resolved,
}

/// One trouble, and who has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Stable while it lasts.
    pub id: IncidentId,
    /// In one line.
    pub title: Text,
    /// How urgent.
    pub severity: Severity,
    /// Whose service, if a label tells.
    pub service: Option<Text>,
    /// Where it stands.
    pub status: Status,
    /// When it began; `None` if not known.
    pub since: Option<DateTime<Utc>>,
    /// As the source has them.
    pub labels: Labels,
    /// As the source has them.
    pub annotations: Labels,
    /// Where to read on.
    pub links: Vec<Link>,
    /// Who reports it.
    pub sources: Vec<SourceName>,
    /// Silenced by something that is not an acknowledgement.
    pub silenced: bool,
    /// Held back by another alert.
    pub inhibited: bool,
    /// Who has it.
    pub ack: Option<Ack>,
    /// Whose acknowledgement lapsed, and when.
    pub lapsed: Option<(super::Actor, DateTime<Utc>)>,
    /// Version of its thread in the journal: what an act on it expects.
    pub version: u64,
    /// What it comes from.
    pub origin: Origin,
    /// Whether its source no longer answers: the incident is as it was then.
    pub stale: bool,
}

/// What an incident comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// An alert of an Alertmanager.
    Alertmanager {
        /// Which.
        source: SourceName,
        /// When this occurrence began.
        starts_at: DateTime<Utc>,
    },
    /// An incident of a PagerDuty.
    PagerDuty {
        /// Which.
        source: SourceName,
        /// Its id there.
        incident: String,
        /// When it began.
        created_at: DateTime<Utc>,
    },
    /// A burn-rate rule of ours.
    Own {
        /// Whose budget burns.
        slo: SloId,
        /// How loud.
        grade: Grade,
        /// Identifies the episode.
        seen_at: DateTime<Utc>,
    },
    /// A queue in which work waits and none gets done.
    Queue {
        /// Which.
        queue: QueueId,
        /// Identifies the episode.
        seen_at: DateTime<Utc>,
    },
}

impl Incident {
    /// Where an acknowledgement of it is kept.
    pub fn target(&self) -> Target {
        match &self.origin {
            Origin::Alertmanager { source, .. } => Target::Alertmanager { source: source.clone(), labels: self.labels.clone() },
            Origin::PagerDuty { source, incident, .. } => Target::PagerDuty { source: source.clone(), incident: incident.clone() },
            Origin::Own { .. } | Origin::Queue { .. } => Target::Journal,
        }
    }
    /// When this occurrence began, for telling it from the next one.
    pub fn occurrence(&self) -> DateTime<Utc> {
        match &self.origin {
            Origin::Alertmanager { starts_at, .. } => *starts_at,
            Origin::PagerDuty { created_at, .. } => *created_at,
            Origin::Own { seen_at, .. } | Origin::Queue { seen_at, .. } => *seen_at,
        }
    }
    /// Where it is kept by a service that pages people, which can resolve, snooze and escalate it: the source and its id there.
    pub fn paged(&self) -> Option<(&SourceName, &str)> {
        match &self.origin {
            Origin::PagerDuty { source, incident, .. } => Some((source, incident)),
            Origin::Alertmanager { .. } | Origin::Own { .. } | Origin::Queue { .. } => None,
        }
    }
    /// Whether it should be looked at first: open, not held, not held back.
    pub fn wants_somebody(&self) -> bool {
        self.status == Status::Triggered && !self.silenced && !self.inhibited
    }
}

/// A named address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// `runbook`, `dashboard`, `alert rule`.
    pub name: Text,
    /// An http or https address; others are not kept.
    pub url: Text,
}

impl Link {
    /// A link called `name` to an address from outside; `None` unless that is http or https. A login in the address is left out.
    pub fn web(name: &str, address: &str) -> Option<Self> {
        let mut url = url::Url::parse(address.trim()).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host())?;
        let _ = (url.set_username(""), url.set_password(None));
        Some(Self { name: Text::clean(name), url: Text::clean(url.as_str()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_become_links() {
        assert_eq!(Link::web("runbook", "https://wiki/run book").unwrap().url.as_str(), "https://wiki/run%20book");
        assert_eq!(Link::web("runbook", "http://maya:pw@wiki/").unwrap().url.as_str(), "http://wiki/");
        for bad in ["javascript:alert(1)", "file:///etc/passwd", "wiki/runbook", "", "http://", "ssh://host"] {
            assert_eq!(Link::web("runbook", bad), None, "{bad}");
        }
    }
}
