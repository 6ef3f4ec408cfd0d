//! Queues: what one poll saw of each, and what is known of it by now.
//!
//! Waiting is only what could be worked on now. What is scheduled, delayed or waits to be tried again is not late, and counts apart.
//! What a system cannot tell is `None`, never 0. What follows from successive polls (rates, ages, stalls) is worked out in [`trail`] and
//! [`verdict`], the same on every cockpit that sees the same polls.

mod gauges;
mod rule;
mod trail;
mod verdict;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use gauges::{GaugeTable, Measure, QueueGauges};
pub use rule::{BadPattern, QueuePattern, QueueRule, UNLESS_TOLD};
pub use trail::{QueueCell, QueueMark, QueueTrail};
pub use verdict::{Age, QueueVerdict, Stall};
use verdict::{age, judge, state};

use super::{Labels, QueueId, SourceName, Text};

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
    /// Whether somebody is known to be at work on what was taken, by signs of life. `None` if the system gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_work: Option<bool>,
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
    /// Jobs that were ever handed to a worker: a counter of the system. It may begin anew at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<u64>,
    /// Jobs that were ever finished, well or badly: a counter of the system. It may begin anew at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// Whether it was paused by somebody: nothing is to be taken from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Whether what is in it was given up, so that nobody is expected to take from it: a dead-letter queue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dead_letters: bool,
    /// Whether `oldest_at` is good to about a second only: it was worked out from a gauge of an age.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub coarse: bool,
    /// When the system looked, where that is not when it was asked: seen twice, it is one and the same sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled_at: Option<DateTime<Utc>>,
}

impl QueueSample {
    /// Whether work waits that could be done now. `None` if the system does not tell.
    pub fn waits(&self) -> Option<bool> {
        self.ready.map(|n| n > 0).or_else(|| self.oldest_at.map(|_| true))
    }
    /// Whether jobs are being worked on now, as far as that can be known: by signs of life, else because some were taken and those who
    /// take them are there.
    pub fn is_at_work(&self) -> bool {
        let taken = || self.in_flight.is_some_and(|n| n > 0) && self.consumers.is_some_and(|n| n > 0);
        self.at_work.unwrap_or_else(taken)
    }
    /// The sample with what the rule of its queue knows: where nobody is expected to take from it, what is in it was given up.
    fn expected(mut self, rule: Option<&QueueRule>) -> Self {
        self.dead_letters |= rule.is_some_and(|rule| !rule.workers);
        if self.dead_letters {
            self.failed = self.failed.or(self.ready);
        }
        self
    }
}

/// How a queue stands; what is worse is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueState {
    /// Seen lately; what waits is taken soon enough.
    Ok,
    /// The system does not tell enough.
    Unknown,
    /// Its source no longer answers: it is as it was then.
    Stale,
    /// What waits is not taken soon enough.
    Backlog,
    /// Work waits and none of it gets done.
    Stalled,
}

impl QueueState {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Stale => "stale",
            Self::Backlog => "backlog",
            Self::Stalled => "stalled",
        }
    }
}

/// The name of the alert that a stalled queue is, by which runbooks ask for it.
pub const STALLED: &str = "QueueStalled";

/// One queue and all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueRow {
    /// `rabbit/orders`.
    pub id: QueueId,
    /// Where it is.
    pub source: SourceName,
    /// Whose it is, if a row of the config says so.
    pub service: Option<Text>,
    /// As it was seen last.
    pub now: QueueSample,
    /// When that was.
    pub as_of: DateTime<Utc>,
    /// What was seen before.
    pub trail: Arc<QueueTrail>,
    /// The longest that work should wait here.
    pub limit: TimeDelta,
    /// What follows from all this.
    pub verdict: QueueVerdict,
    /// How it stands.
    pub state: QueueState,
}

/// What is written down of a queue, so that a restart of burnwatch forgets nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueMemory {
    /// As it was seen last.
    pub now: QueueSample,
    /// When that was.
    pub as_of: DateTime<Utc>,
    /// What was seen before.
    pub trail: Arc<QueueTrail>,
    /// Whether it was stalled.
    pub stall: Option<Stall>,
}

/// The first rule that speaks of a queue.
fn rule_of<'a>(rules: &'a [Arc<QueueRule>], source: &SourceName, sample: &QueueSample) -> Option<&'a QueueRule> {
    rules.iter().find(|rule| rule.is_for(source, sample)).map(Arc::as_ref)
}

impl QueueRow {
    /// A queue of `source` as it is remembered, judged by the first of `rules` that speaks of it.
    pub fn remembered(source: &SourceName, memory: QueueMemory, rules: &[Arc<QueueRule>]) -> Self {
        let rule = rule_of(rules, source, &memory.now);
        let now = memory.now.expected(rule);
        let limit = rule.and_then(|rule| rule.max_age).unwrap_or(UNLESS_TOLD);
        let verdict = judge(&now, &memory.trail, limit, memory.stall);
        let state = state(&now, &memory.trail, &verdict, limit);
        let id = QueueId::new(&format!("{source}/{}", now.name));
        let service = rule.and_then(|rule| rule.service.clone());
        Self { id, source: source.clone(), service, now, as_of: memory.as_of, trail: memory.trail, limit, verdict, state }
    }
    /// The queue after one more poll; `None` if the sample is not newer than what was known `before`.
    pub fn seen(
        before: Option<&Self>,
        source: &SourceName,
        sample: &QueueSample,
        asked: DateTime<Utc>,
        rules: &[Arc<QueueRule>],
    ) -> Option<Self> {
        let as_of = sample.sampled_at.map_or(asked, |at| at.min(asked));
        if before.is_some_and(|row| row.as_of >= as_of) {
            return None;
        }
        let now = sample.clone().expected(rule_of(rules, source, sample));
        let mut trail = before.map(|row| Arc::clone(&row.trail)).unwrap_or_default();
        Arc::make_mut(&mut trail).push(QueueMark::of(&now, as_of));
        let stall = before.and_then(|row| row.verdict.stall);
        Some(Self::remembered(source, QueueMemory { now, as_of, trail, stall }, rules))
    }
    /// What an incident of it can be known by: `queue`, `source`, and `service` if it is known.
    pub fn labels(&self) -> Labels {
        let own = [("queue", self.name().as_str()), ("source", self.source.as_str())];
        own.into_iter().chain(self.service.as_ref().map(|s| ("service", s.as_str()))).collect()
    }
    /// What is to be written down of it.
    pub fn memory(&self) -> QueueMemory {
        QueueMemory { now: self.now.clone(), as_of: self.as_of, trail: Arc::clone(&self.trail), stall: self.verdict.stall }
    }
    /// Its name within its source.
    pub fn name(&self) -> &Text {
        &self.now.name
    }
    /// How long the work that has waited longest had waited at `at`; `None` if none waits or the system cannot tell.
    pub fn age(&self, at: DateTime<Utc>) -> Option<Age> {
        age(&self.now, &self.trail, at)
    }
    /// Whether there is nothing to look at: nothing waits, nothing is wrong, nothing has been given up lately.
    pub fn is_quiet(&self) -> bool {
        let idle = self.now.dead_letters || self.now.waits() == Some(false);
        self.state == QueueState::Ok && idle && self.verdict.failed_grew == 0 && !self.now.paused
    }
}

/// Worst first: by state, then what has waited longest, then what waits most.
pub fn worst_first(a: &QueueRow, b: &QueueRow) -> std::cmp::Ordering {
    let weight = |row: &QueueRow| {
        let oldest = row.age(row.as_of).map_or(0, |age| age.span.num_seconds());
        (row.state, oldest, row.now.ready.unwrap_or(0), row.verdict.failed_grew)
    };
    weight(b).cmp(&weight(a)).then_with(|| a.id.cmp(&b.id))
}

#[cfg(test)]
mod tests;
