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
    /// When the target's certificate ends; `None` without one, or where it could not be read.
    pub certificate_ends: Option<DateTime<Utc>>,
}
