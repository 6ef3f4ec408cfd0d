//! The two seams of a backend: [`Source`] is asked, [`Responder`] acts; and the few lines of order that all polls share.
//!
//! A backend gets at most two requests at a time from us, on both lanes together, and at most one of them is a long one: more gain
//! nothing and hurt a server in trouble, and a short question always finds a free place.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Duration, Instant, timeout_at},
};

use super::{failure::Failure, settings::Deadlines};
use crate::domain::{
    ActId, Actor, Answer, Ask, Effect, Fault, FaultClass, Lane, Moment, Outcome, Part, Person, Reading, SourceName, Text, Want,
};

/// The time of day, given from outside.
pub type Now<'a> = &'a (dyn Fn() -> DateTime<Utc> + Send + Sync);

/// What a backend can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// [`Want::Counts`], [`Want::Presence`], [`Want::History`], [`Want::Start`].
    Metrics,
    /// [`Want::Alerts`].
    Alerts,
    /// [`Want::Scrape`].
    Scrape,
    /// [`Want::Probe`].
    Probe,
    /// [`Want::Duties`].
    Duties,
    /// [`Want::Incidents`], [`Want::OnCall`].
    Incidents,
    /// [`Want::Queues`].
    Queues,
}

/// A backend that can be asked.
#[async_trait]
pub trait Source: Send + Sync + fmt::Debug {
    /// The row's name.
    fn name(&self) -> &SourceName;
    /// What it can be asked.
    fn gives(&self) -> Gives;
    /// Ask once. The caller owns interval and backoff; what is not answered within the lane's deadline is a part with a
    /// [`FaultClass::Timeout`], and the other parts stand. Never fails as a whole, and may be dropped at any time.
    async fn poll(&self, ask: &Ask, lane: Lane, now: Now<'_>) -> Reading;
    /// The acting side, for the backends that have one.
    fn responder(&self) -> Option<&dyn Responder> {
        None
    }
    /// What its credentials allow, for the backends that can tell.
    fn examiner(&self) -> Option<&dyn Examiner> {
        None
    }
    /// What happened to one of its incidents, for the backends that keep a log.
    fn chronicle(&self) -> Option<&dyn Chronicle> {
        None
    }
    /// Figures that nobody has planned for, for the backends that can be asked anything.
    fn figures(&self) -> Option<&dyn Figures> {
        None
    }
}

/// A backend that answers a query in its own language with one figure.
#[async_trait]
pub trait Figures: Send + Sync {
    /// The figure that `query` gives now; `None` if it gives none, and an error in words if that cannot be told within `limit`.
    async fn figure(&self, query: &str, limit: Duration, now: Now<'_>) -> Result<Option<f64>, Text>;
}

/// A backend that can tell what we may do there, and as whom.
#[async_trait]
pub trait Examiner: Send + Sync {
    /// Look whether those who act are known there and what the credentials allow. Changes nothing.
    async fn examine(&self, people: &[Person], now: Now<'_>) -> Vec<Finding>;
}

/// One thing found by an [`Examiner`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is as it should be.
    pub well: bool,
    /// What was found, and the next step if it is not well.
    pub text: Text,
}

/// A backend that keeps a log of each incident.
#[async_trait]
pub trait Chronicle: Send + Sync {
    /// What happened to the incident with this id of the backend, oldest first.
    async fn timeline(&self, incident: &str, now: Now<'_>) -> Result<Vec<Moment>, Fault>;
}

/// A backend that can be acted on.
#[async_trait]
pub trait Responder: Send + Sync {
    /// Carry an act out. An answer that was lost is [`Outcome::Unknown`], never a failure.
    async fn perform(&self, order: &Order) -> Outcome;
    /// Look whether an act whose answer was lost took place: `Done` if it did, `Failed` if it surely did not, `Unknown` if that
    /// cannot be told now.
    async fn read_back(&self, order: &Order) -> Outcome;
}

/// An act to carry out.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which act: written into what it leaves behind.
    pub act: ActId,
    /// In whose name.
    pub who: Actor,
    /// Their mail address, as `[[person]]` has it; `None` if nobody of that name has one.
    pub email: Option<Text>,
    /// What to do.
    pub effect: Effect,
    /// The time of day.
    pub now: DateTime<Utc>,
}

/// What came to one want.
pub(super) struct Piece {
    pub as_of: DateTime<Utc>,
    pub outcome: Result<Answer, Fault>,
    pub partial: Option<Text>,
    pub skew: Option<f64>,
}

/// One poll under way: its lane and its end.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub lane: Lane,
    pub now: Now<'a>,
    pub limit: Duration,
    pub began: DateTime<Utc>,
    start: Instant,
}

impl<'a> Turn<'a> {
    pub fn begin(lane: Lane, deadlines: Deadlines, now: Now<'a>) -> Self {
        Self { lane, now, limit: deadlines.of(lane), began: now(), start: Instant::now() }
    }
    /// The time left until the lane's deadline.
    pub fn left(&self) -> Duration {
        self.limit.saturating_sub(self.start.elapsed())
    }
    /// The pieces as a reading.
    pub fn reading(&self, source: &SourceName, wants: &[Want], pieces: Vec<Piece>) -> Reading {
        let skew_secs = pieces.iter().find_map(|p| p.skew);
        let part = |(want, p): (&Want, Piece)| Part { want: want.clone(), as_of: p.as_of, outcome: p.outcome, partial: p.partial };
        let parts = wants.iter().zip(pieces).map(part).collect();
        let took_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Reading { source: source.clone(), lane: self.lane, at: self.began, took_us, skew_secs, parts }
    }
    /// The piece for a want that this kind of backend cannot answer.
    pub fn not_ours(&self, source: &SourceName) -> Piece {
        let message = Text::clean(&format!("{source}: cannot answer this kind of question; check which source the row names"));
        let fault = Fault { class: FaultClass::Rejected, message, retry_after_secs: None };
        Piece { as_of: self.began, outcome: Err(fault), partial: None, skew: None }
    }
}

/// The places for requests under way to one backend.
#[derive(Debug)]
pub(super) struct Lanes {
    all: Semaphore,
    long: Semaphore,
}

/// A place held; dropping it frees it.
pub(super) struct Place<'a> {
    _long: Option<SemaphorePermit<'a>>,
    _any: Option<SemaphorePermit<'a>>,
}

impl Lanes {
    pub fn new() -> Self {
        Self { all: Semaphore::new(2), long: Semaphore::new(1) }
    }
    /// Wait for a place, first come first served, until the poll's deadline.
    pub async fn enter(&self, source: &SourceName, turn: &Turn<'_>) -> Result<Place<'_>, Failure> {
        let wait = async {
            let long = if turn.lane == Lane::Long { self.long.acquire().await.ok() } else { None };
            Place { _long: long, _any: self.all.acquire().await.ok() }
        };
        let late = || {
            Failure::unsent(
                source,
                FaultClass::Timeout,
                &format!("the questions before this one took all of {:.1} s; look at the server's load", turn.limit.as_secs_f64()),
            )
        };
        timeout_at(turn.start + turn.limit, wait).await.map_err(|_| late())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_long_question_never_takes_the_last_place() {
        let (lanes, source) = (Lanes::new(), SourceName::new("prom"));
        let deadlines = Deadlines { short: Duration::from_secs(5), long: Duration::from_mins(1) };
        let turn = |lane| Turn::begin(lane, deadlines, &DateTime::<Utc>::default);
        let _long = lanes.enter(&source, &turn(Lane::Long)).await.unwrap();
        let second = turn(Lane::Long);
        let late = lanes.enter(&source, &second).await.err().unwrap();
        assert_eq!(late.fault().class, FaultClass::Timeout);
        let _short = lanes.enter(&source, &turn(Lane::Short)).await.unwrap();
        assert!(lanes.enter(&source, &turn(Lane::Short)).await.is_err());
    }
}
