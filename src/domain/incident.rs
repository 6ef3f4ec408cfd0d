//! Incidents: trouble that somebody should have, from whatever source.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Ack, Delivery, Grade, IncidentId, Labels, QueueId, Severity, SloId, SourceName, Target, Text};

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
    /// What it is made of where that is several things, what wants somebody most first; none if it is but one.
    pub members: Vec<Arc<Incident>>,
    /// The keys by which its members were grouped: with the ids of these, names that it goes by.
    pub keys: Vec<IncidentId>,
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
        /// The key by which its sender groups events; `None` if there is none.
        key: Option<Text>,
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
    /// Each thing that it is made of, by itself.
    pub fn parts(&self) -> impl Iterator<Item = &Self> {
        let itself = self.members.is_empty().then_some(self);
        itself.into_iter().chain(self.members.iter().map(Arc::as_ref))
    }
    /// Of how many things it is made.
    pub fn count(&self) -> usize {
        self.members.len().max(1)
    }
    /// Whether it goes by this id: its own, that of one of its members, or a key by which they were grouped.
    pub fn is_called(&self, id: &IncidentId) -> bool {
        self.id == *id || self.keys.contains(id) || self.members.iter().any(|m| m.id == *id)
    }
    /// Every id that it goes by, its own first.
    pub fn names(&self) -> impl Iterator<Item = &IncidentId> {
        std::iter::once(&self.id).chain(&self.keys).chain(self.members.iter().map(|m| &m.id))
    }
    /// How many of its parts are held by somebody, the first of those who do; `None` if it is one thing, or nobody holds any.
    pub fn partly_held(&self) -> Option<(usize, &Ack)> {
        let mut held = self.members.iter().filter_map(|m| m.ack.as_ref()).filter(|ack| ack.delivery != Delivery::Failed);
        let first = held.next()?;
        Some((held.count() + 1, first))
    }
    /// Where an acknowledgement of it is kept; of several things, of the first.
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
    /// Where it is kept by a service that pages people, which can resolve, snooze and escalate it: the source and its id there, the first
    /// of several.
    pub fn paged(&self) -> Option<(&SourceName, &str)> {
        self.all_paged().next()
    }
    /// Every place in which a service that pages people keeps it.
    pub fn all_paged(&self) -> impl Iterator<Item = (&SourceName, &str)> {
        self.parts().filter_map(|part| match &part.origin {
            Origin::PagerDuty { source, incident, .. } => Some((source, incident.as_str())),
            Origin::Alertmanager { .. } | Origin::Own { .. } | Origin::Queue { .. } => None,
        })
    }
    /// Whether this SLO of ours is what it is, or part of it.
    pub fn burns(&self, id: &SloId) -> bool {
        self.parts().any(|part| matches!(&part.origin, Origin::Own { slo, .. } if slo == id))
    }
    /// Whether it is, or one of its parts is, the stall of this queue.
    pub fn is_of_queue(&self, id: &QueueId) -> bool {
        self.parts().any(|part| matches!(&part.origin, Origin::Queue { queue, .. } if queue == id))
    }
    /// Whether a rule of ours is what it is, or part of it.
    pub fn is_own(&self) -> bool {
        self.parts().any(|part| matches!(part.origin, Origin::Own { .. }))
    }
    /// Whether something keeps it from calling anybody.
    pub const fn is_held_back(&self) -> bool {
        self.silenced || self.inhibited
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
