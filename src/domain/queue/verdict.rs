//! What follows from what was seen of a queue: whether it stalls, piles up, and when it will be empty.
//!
//! - **Stalled**: work waits and nobody takes from the queue, at two polls one after the other; or work waits and gets older and none of
//!   it is finished, for longer than the usual pace of this queue explains. At its usual rate λ no job is finished for a time t with
//!   probability e^(−λt) (a Poisson process); from λt = 3 on, 5 %, it is a stall. Without a pace known it takes three polls, unless jobs
//!   are being worked on: a long one explains that nothing else is taken, for twice as long as it took at most lately, and where that was
//!   not seen for as long as work may wait. An empty queue is never stalled. What stalled goes on to until it is *seen* to move, so a
//!   restart of the broker does not end it.
//! - **Backlog**: the oldest job has waited longer than it should; or one that comes now would, for at the present rate it takes
//!   ready ÷ `rate_out` until its turn (Little's law).
//! - **Drain time**: ready ÷ (`rate_out` − `rate_in`), only while more leaves than comes.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{QueueMark, QueueSample, QueueState, QueueTrail};

/// Jobs that should have been finished by now before their absence is a stall: e⁻³ = 5 %.
const MISSED: f64 = 3.0;

/// How long work has waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// So long.
    pub span: TimeDelta,
    /// Whether it may be more: the system does not tell, but nothing has been taken for so long.
    pub at_least: bool,
}

/// Why a queue is stalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stall {
    /// It was paused, and work waits.
    Paused,
    /// Work waits and nobody takes from it.
    NoConsumers,
    /// Work gets older and none is finished.
    Standing,
}

impl Stall {
    /// The words for it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::NoConsumers => "no consumers",
            Self::Standing => "nothing finishes",
        }
    }
}

/// What follows from what was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QueueVerdict {
    /// Jobs a second that come in; `None` if not known.
    pub rate_in: Option<f64>,
    /// Jobs a second that are finished; `None` if not known.
    pub rate_out: Option<f64>,
    /// Seconds until nothing waits; `None` if nothing waits, if it does not get less, or if that is not known.
    pub drain_secs: Option<f64>,
    /// Why it is stalled, if it is.
    pub stall: Option<Stall>,
    /// Since when, if that was seen.
    pub stalled_since: Option<DateTime<Utc>>,
    /// Backpressure: work waits, and more of it comes in than is finished.
    pub filling: bool,
    /// Whether a job that comes now will wait longer than it should.
    pub late: bool,
    /// How many were given up over the last five minutes.
    pub failed_grew: u64,
}

/// How long the job that has waited longest had waited at `at`. A job cannot come into being in the future: a clock that is ahead counts
/// as now.
pub fn age(sample: &QueueSample, trail: &QueueTrail, at: DateTime<Utc>) -> Option<Age> {
    if sample.dead_letters || sample.waits() != Some(true) {
        return None;
    }
    let told = sample.oldest_at.map(|oldest| Age { span: (at - oldest).max(TimeDelta::zero()), at_least: false });
    // First in, first out: what was first when nothing was taken any more is the first still.
    let bound = trail.untaken_since.map(|since| Age { span: at - since, at_least: true });
    told.or(bound.filter(|age| age.span > TimeDelta::zero()))
}

/// What follows, of a queue in which work should not wait longer than `limit`; `was` tells whether it was stalled before this poll.
pub fn judge(sample: &QueueSample, trail: &QueueTrail, limit: TimeDelta, was: Option<Stall>) -> QueueVerdict {
    let (rate_in, rate_out) = trail.rates();
    let failed_grew = trail.failed_grew();
    let Some(last) = trail.marks.last() else { return QueueVerdict::default() };
    if sample.dead_letters || sample.waits() != Some(true) {
        // Not told whether anything waits: what stalled has not been seen to move.
        let stall = was.filter(|_| !sample.dead_letters && sample.waits().is_none());
        let stalled_since = stall.and(since(trail));
        return QueueVerdict { rate_in, rate_out, stall, stalled_since, failed_grew, ..QueueVerdict::default() };
    }
    let stall = stall(sample, trail, last, limit, was);
    let before = trail.marks.iter().rev().nth(1);
    // Fuller than before, if the system does not count what comes in and out.
    let fuller = || before.is_some_and(|b| last.ready.zip(b.ready).is_some_and(|(is, was)| is > was));
    let filling = rate_in.zip(rate_out).map_or_else(fuller, |(come, go)| come > go * 1.05 && come > 0.0);
    let pace = rate_out.filter(|rate| *rate > 0.0).or_else(|| trail.usual(last.at));
    let turn = sample.ready.zip(pace.filter(|rate| *rate > 0.0)).map(|(ready, rate)| ready as f64 / rate);
    QueueVerdict {
        rate_in,
        rate_out,
        drain_secs: sample.ready.and_then(|ready| drain(ready, rate_in?, rate_out?)),
        stall,
        stalled_since: stall.and(since(trail)),
        filling,
        late: turn.is_some_and(|secs| secs > limit.num_seconds() as f64),
        failed_grew,
    }
}

/// Since when nothing has moved, if it was seen to stop.
fn since(trail: &QueueTrail) -> Option<DateTime<Utc>> {
    trail.standing_since.filter(|_| trail.seen_to_stop)
}

fn stall(sample: &QueueSample, trail: &QueueTrail, last: &QueueMark, limit: TimeDelta, was: Option<Stall>) -> Option<Stall> {
    let mut marks = trail.marks.iter().rev().skip(1);
    let Some(before) = marks.next() else {
        // One poll tells no movement; what was known of it before it was lost sight of is not known to be over.
        return was;
    };
    let moved = before.moved(last);
    if moved == Some(true) {
        return None;
    }
    let waited = before.waits == Some(true);
    if waited && sample.paused {
        return Some(Stall::Paused);
    }
    if waited && sample.consumers == Some(0) && (moved == Some(false) || before.consumers == Some(0)) {
        return Some(Stall::NoConsumers);
    }
    if moved == Some(false) && before.aged(last) && overdue(sample, trail, last.at, limit) {
        return Some(Stall::Standing);
    }
    was
}

/// Whether jobs have been missing at `at` for longer than the usual pace explains, or those that are worked on.
fn overdue(sample: &QueueSample, trail: &QueueTrail, at: DateTime<Utc>, limit: TimeDelta) -> bool {
    let Some(since) = trail.standing_since else { return false };
    if let Some(rate) = trail.usual(since).filter(|rate| *rate > 0.0) {
        return (at - since).num_milliseconds() as f64 / 1_000.0 * rate >= MISSED;
    }
    let explained = || trail.longest_wait(since).map_or(limit, |longest| limit.min(longest * 2));
    let polls = trail.marks.iter().filter(|m| m.at >= since).count();
    polls >= 3 && (!sample.is_at_work() || at - since >= explained())
}

fn drain(ready: u64, come: f64, go: f64) -> Option<f64> {
    let net = go - come;
    (ready > 0 && net > 0.0).then(|| ready as f64 / net).filter(|secs| secs.is_finite())
}

/// How a queue stands that was seen lately.
pub fn state(sample: &QueueSample, trail: &QueueTrail, verdict: &QueueVerdict, limit: TimeDelta) -> QueueState {
    let Some(last) = trail.marks.last() else { return QueueState::Unknown };
    let Some(waits) = sample.waits() else { return QueueState::Unknown };
    if verdict.stall.is_some() {
        return QueueState::Stalled;
    }
    if sample.dead_letters {
        return QueueState::Ok;
    }
    let old = age(sample, trail, last.at);
    if waits && (verdict.late || old.is_some_and(|age| age.span > limit)) {
        return QueueState::Backlog;
    }
    // Without an age: that work moves, and that what comes now does not wait too long, is all that can be said.
    let moves = || verdict.rate_out.is_some_and(|rate| rate > 0.0);
    if !waits || old.is_some_and(|age| !age.at_least) || moves() { QueueState::Ok } else { QueueState::Unknown }
}
