//! Queues: what one poll saw of each.
//!
//! Waiting is only what could be worked on now. What is scheduled, delayed or waits to be tried again is not late, and counts apart.
//! What a system cannot tell is `None`, never 0.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Text;

/// What one poll saw of one queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueSample {
    /// Its name, unique within its source; with a virtual host or a group in front where the system has them (`shop/orders`).
    pub name: Text,
    /// Jobs that wait and could be worked on now. `None` if the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<u64>,
    /// Jobs that are being worked on: taken, not yet finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u64>,
    /// Jobs that are not due yet: scheduled, delayed, or to be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delayed: Option<u64>,
    /// Jobs that were given up: failed, dead, in a dead-letter queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// When the job that has waited longest became ready. `None` if none waits, or if the system cannot tell: `ready` says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_at: Option<DateTime<Utc>>,
    /// Workers that take from it. `None` if the system does not tell; 0 means that nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumers: Option<u64>,
    /// Jobs that ever came in, a counter of the system. It may begin anew at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered: Option<u64>,
    /// Jobs that were ever finished, well or badly: a counter of the system. It may begin anew at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// Whether it was paused by somebody: nothing is to be taken from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// What one poll saw of all queues of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct QueuePoll {
    /// As of when.
    pub as_of: DateTime<Utc>,
    /// The queues, in the order of the answer.
    pub queues: Vec<QueueSample>,
}
