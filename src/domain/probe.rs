//! One check of a probe: what a user would have seen from outside.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Fault, Labels, Text};

/// One check of one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// Which target: its address without credentials.
    pub target: Text,
    /// Its labels, by which SLOs fan out.
    pub labels: Labels,
    /// When it began.
    pub at: DateTime<Utc>,
    /// How long it took in microseconds, or why it failed.
    pub outcome: Result<u64, Fault>,
    /// How long each phase took.
    pub phases: Phases,
    /// The target's certificate; `None` without one, or where none was shown.
    pub certificate: Option<Certificate>,
}

/// How long each phase of a check took, in microseconds; `None` for one that did not take place or came to no end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// From a name to addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve: Option<u64>,
    /// To a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<u64>,
    /// To a trusted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<u64>,
    /// From the request to the first of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<u64>,
}

/// Until when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// When it ends.
    pub ends: DateTime<Utc>,
    /// From when that is worth a warning.
    pub warn_from: DateTime<Utc>,
}

impl Certificate {
    /// Whole days until it ends at `now`; negative once it has ended.
    pub fn days_left(&self, now: DateTime<Utc>) -> i64 {
        (self.ends - now).num_seconds().div_euclid(86_400)
    }
    /// Whether its end is near enough, or past, for a warning.
    pub fn ends_soon(&self, now: DateTime<Utc>) -> bool {
        now >= self.warn_from
    }
}

impl Probed {
    /// `the certificate of shop.example ends in 9 days`, if that is worth a warning.
    pub fn warning(&self, now: DateTime<Utc>) -> Option<Text> {
        let certificate = self.certificate.filter(|c| c.ends_soon(now))?;
        let when = match certificate.days_left(now) {
            ..0 => "has ended".to_owned(),
            0 => "ends today".to_owned(),
            1 => "ends in 1 day".to_owned(),
            days => format!("ends in {days} days"),
        };
        Some(Text::from(format!("the certificate of {} {when}", self.target)))
    }
}
