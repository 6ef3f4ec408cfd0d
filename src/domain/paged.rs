//! Incidents of a service that pages people and keeps its own book of who has what.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Labels, Link, Person, Severity, Text};

/// An open incident there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagedIncident {
    /// Its id there, as it is sent back.
    pub id: String,
    /// The number by which people speak of it there; `None` if it was not told.
    #[serde(default)]
    pub number: Option<u64>,
    /// In one line.
    pub title: Text,
    /// How urgent, by the mapping of its source.
    pub severity: Severity,
    /// Whose service.
    pub service: Option<Text>,
    /// Whether somebody has it, by that book.
    pub acknowledged: bool,
    /// Who took it, in the order of the book.
    pub holders: Vec<Holder>,
    /// When it goes back to nobody of itself; `None` if it does not.
    pub until: Option<DateTime<Utc>>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When its status changed last; `None` if that was not told.
    pub changed_at: Option<DateTime<Utc>>,
    /// Whom it is assigned to.
    pub assigned: Vec<Text>,
    /// The escalation that it follows; `None` if that was not told.
    #[serde(default)]
    pub policy: Option<Text>,
    /// The key by which its sender groups events; `None` if there is none.
    pub key: Option<Text>,
    /// What its first alert told of itself.
    pub labels: Labels,
    /// Where to read on.
    pub links: Vec<Link>,
}

/// Somebody who took an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// As they are called there.
    pub who: Text,
    /// Their mail address there; `None` if it was not told.
    pub email: Option<Text>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Something that happened to an incident, as its backend tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: DateTime<Utc>,
    /// In a word: `trigger`, `notify`, `acknowledge`, `escalate`, `annotate`, `resolve`.
    pub what: Text,
    /// Who did it: a person, a service, an integration.
    pub who: Option<Text>,
    /// In one line.
    pub text: Text,
}

/// The person with this mail address.
pub fn person_of<'a>(people: &'a [Person], email: &Text) -> Option<&'a Person> {
    people.iter().find(|p| p.email.as_ref().is_some_and(|e| e.as_str().eq_ignore_ascii_case(email.as_str())))
}
