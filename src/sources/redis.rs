//! Job queues that live in a Redis: what Sidekiq, BullMQ, Celery and RQ have in common.
//!
//! A [`Layout`] knows where a library keeps what; it asks through a [`Link`], many questions in one round trip, with commands that only
//! read. The wire is in `resp`, the connection in `link`, getting one in `dial`, refusals in `refusal`, finding queues that no list names
//! in `discovery`. Jobs themselves are never read but for the time at which one became ready.

mod answers;
mod dial;
mod discovery;
mod link;
mod refusal;
mod resp;

use std::{collections::HashSet, fmt};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::{sync::Mutex, time::Instant};

pub(super) use self::{
    answers::{Answers, Notes},
    discovery::{Discovery, literally},
    link::{Ask, Batch, Link},
    resp::Reply,
};
use self::{
    dial::Dialer,
    link::{Connection, Server, within},
};
use super::{
    bullmq::BullMq,
    celery::Celery,
    failure::Failure,
    rq::Rq,
    settings::{BadSettings, Deadlines, QueueSystem, RedisSettings},
    sidekiq::Sidekiq,
    source::{Gives, Now, Piece, Source, Turn},
};
use crate::domain::{self, Answer, Lane, QueueSample, Reading, SourceName, Text, Want};

/// How many queues of one Redis are looked at.
pub(super) const MOST: usize = 2_000;

/// Where a library keeps its queues.
#[async_trait]
pub(super) trait Layout: Send + Sync + fmt::Debug {
    /// Look at all of its queues.
    async fn look(&self, link: &mut Link<'_>, at: DateTime<Utc>) -> Result<Seen, Failure>;
}

/// What a look brought.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The queues.
    pub queues: Vec<QueueSample>,
    /// What could not be seen, and why.
    pub notes: Notes,
    /// How far the server's clock is ahead, in seconds.
    pub skew: Option<f64>,
}

/// The queues of one library in one Redis.
pub struct JobQueues {
    name: SourceName,
    server: Server,
    deadlines: Deadlines,
    layout: Box<dyn Layout>,
    /// The connection of the poll before.
    connection: Mutex<Option<Connection>>,
}

impl fmt::Debug for JobQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobQueues").field("name", &self.name).field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl JobQueues {
    /// The queues that the settings name. Fails if a certificate cannot be used.
    pub fn new(settings: RedisSettings) -> Result<Self, BadSettings> {
        let server = Server::new(&settings, Dialer::new(&settings)?);
        let queues = settings.queues.into_iter().map(String::into_bytes).collect();
        let layout: Box<dyn Layout> = match settings.system {
            QueueSystem::Sidekiq { prefix } => Box::new(Sidekiq::new(&prefix, queues)),
            QueueSystem::BullMq { prefix } => Box::new(BullMq::new(&prefix, queues)),
            QueueSystem::Celery { prefix, priority_steps } => Box::new(Celery::new(&prefix, priority_steps, queues)),
            QueueSystem::Rq { prefix } => Box::new(Rq::new(&prefix, queues)),
        };
        Ok(Self { name: settings.name, server, deadlines: settings.deadlines, layout, connection: Mutex::new(None) })
    }

    async fn look(&self, turn: &Turn<'_>) -> Result<Seen, Failure> {
        let limit = turn.left();
        let work = async {
            let mut kept = self.connection.lock().await;
            let mut link = self.server.link(kept.take(), Instant::now() + limit / 2);
            let seen = self.layout.look(&mut link, turn.began).await;
            if seen.is_ok() {
                *kept = link.end();
            }
            seen
        };
        within(limit, &self.server, work).await
    }
}

#[async_trait]
impl Source for JobQueues {
    fn name(&self) -> &SourceName {
        &self.name
    }
    fn gives(&self) -> Gives {
        Gives::Queues
    }
    async fn poll(&self, ask: &domain::Ask, lane: Lane, now: Now<'_>) -> Reading {
        let turn = Turn::begin(lane, self.deadlines, now);
        let mut pieces = Vec::with_capacity(ask.wants.len());
        for want in &ask.wants {
            pieces.push(match want {
                Want::Queues => match self.look(&turn).await {
                    Ok(seen) => {
                        let queues = unique(seen.queues);
                        Piece { as_of: turn.began, outcome: Ok(Answer::Queues(queues)), partial: seen.notes.text(), skew: seen.skew }
                    }
                    Err(failure) => Piece { as_of: turn.began, outcome: Err(failure.fault()), partial: None, skew: None },
                },
                _ => turn.not_ours(&self.name),
            });
        }
        turn.reading(&self.name, &ask.wants, pieces)
    }
}

/// Names that look the same once they are cleaned are told apart by a number.
fn unique(mut queues: Vec<QueueSample>) -> Vec<QueueSample> {
    let mut seen: HashSet<Text> = HashSet::new();
    for queue in &mut queues {
        let mut n = 2_u32;
        let plain = queue.name.clone();
        while !seen.insert(queue.name.clone()) {
            queue.name = Text::clean(&format!("{plain} ({n})"));
            n = n.saturating_add(1);
        }
    }
    queues
}

/// A queue's name as it may be shown.
pub(super) fn shown(name: &[u8]) -> Text {
    Text::clean(&String::from_utf8_lossy(name))
}

/// A key made of parts.
pub(super) fn key(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A time that a library wrote, in seconds since 1970; `None` for one that no job can have: long past or still to come.
pub(super) fn moment(secs: f64, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let time = if secs.is_finite() { DateTime::from_timestamp_millis((secs * 1e3).round() as i64) } else { None };
    time.filter(|t| *t > at - TimeDelta::days(3_650) && *t < at + TimeDelta::days(1)).map(|t| t.min(at))
}

/// The same of a time in milliseconds.
pub(super) fn moment_ms(ms: f64, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    moment(ms / 1e3, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_look_alike_keep_names_of_their_own() {
        let named = |name: &[u8]| QueueSample { name: shown(name), ..QueueSample::default() };
        let names: Vec<_> = unique(vec![named(b"a\x1b"), named("a\u{241b}".as_bytes()), named(b"\xff"), named(b"b")])
            .into_iter()
            .map(|q| q.name.to_string())
            .collect();
        assert_eq!(names, ["a\u{241b}", "a\u{241b} (2)", "\u{fffd}", "b"]);
    }

    #[test]
    fn a_time_that_no_job_can_have_is_none() {
        let at: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
        let now = at.timestamp() as f64;
        assert_eq!(moment(now - 90.0, at), Some(at - TimeDelta::seconds(90)));
        assert_eq!(moment(now + 5.0, at), Some(at), "a clock that is ahead");
        assert_eq!(moment_ms(now * 1e3 - 250.0, at), Some(at - TimeDelta::milliseconds(250)));
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e30, now * 1e3, now + 1e6] {
            assert_eq!(moment(wrong, at), None, "{wrong}");
        }
    }
}
