//! RQ: a set of queues, a list each, registries as sorted sets, and a hash for each job.
//!
//! A registry's entries carry the second at which they expire, and RQ throws the expired ones out before it counts; so they are not
//! counted here either. A job enters its list on the right, or on the left if it is to be first, so that the oldest is looked for at both ends. A
//! worker that died leaves its name behind, but not its hash. What a job does is pickled and never read. Layout: RQ 3.0 and 2.x.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, Utc};

use super::{
    failure::Failure,
    redis::{Answers, Ask, Batch, Layout, Link, MOST, Reply, Seen, key, moment_ms, shown},
};
use crate::domain::QueueSample;

/// RQ's queues.
#[derive(Debug)]
pub struct Rq {
    prefix: Vec<u8>,
    queues: Vec<Vec<u8>>,
}

/// What a queue's keys say.
struct Found {
    sample: QueueSample,
    /// Jobs among which the oldest that waits may be.
    eldest: Vec<Vec<u8>>,
}

impl Rq {
    /// Those of `queues`, or all that RQ lists; in keys that begin with `prefix` and a colon.
    pub fn new(prefix: &str, queues: Vec<Vec<u8>>) -> Self {
        Self { prefix: format!("{prefix}:").into_bytes(), queues }
    }
    fn key(&self, parts: &[&[u8]]) -> Vec<u8> {
        key(&[&self.prefix, &parts.concat()])
    }

    /// The names of the queues; RQ lists their keys.
    fn names(&self, listed: &Reply, seen: &mut Seen) -> Vec<Vec<u8>> {
        if !self.queues.is_empty() {
            return self.queues.clone();
        }
        let (keys, odd) = listed.texts();
        let begin = self.key(&[b"queue:"]);
        let mut names: Vec<_> = keys.iter().filter_map(|key| key.strip_prefix(&*begin)).map(<[u8]>::to_vec).collect();
        let odd = odd + keys.len().saturating_sub(names.len());
        if odd > 0 {
            seen.notes.add(format!("{odd} queues left out: their names are too long, or no names of RQ's"));
        }
        if names.len() > MOST {
            seen.notes.add(format!("only {MOST} of {} queues are looked at; name those that matter in `queues`", names.len()));
        }
        names.sort();
        names.truncate(MOST);
        names
    }

    fn ask(&self, batch: &mut Batch, name: &[u8], now: &[u8]) {
        let list = self.key(&[b"queue:", name]);
        batch.ask(Ask::LLen, &[&list]);
        batch.ask(Ask::LIndex, &[&list, b"0"]);
        batch.ask(Ask::LIndex, &[&list, b"-1"]);
        for registry in ["wip:", "failed:"] {
            let registry = self.key(&[registry.as_bytes(), name]);
            batch.ask(Ask::ZCard, &[&registry]);
            batch.ask(Ask::ZCount, &[&registry, b"0", now]);
        }
        batch.ask(Ask::ZCard, &[&self.key(&[b"scheduled:", name])]);
    }
}

impl Found {
    fn read(name: &[u8], answers: &mut Answers) -> Self {
        let ready = answers.count();
        let mut eldest: Vec<_> = [answers.next(), answers.next()].iter().filter_map(|r| r.bytes().map(<[u8]>::to_vec)).collect();
        eldest.dedup();
        let (in_flight, failed, delayed) = (registry(answers), registry(answers), answers.count());
        let sample = QueueSample { name: shown(name), ready, in_flight, delayed, failed, ..QueueSample::default() };
        Self { sample, eldest }
    }
}

/// How many entries of a registry have not expired. What never expires has no time or a negative one.
fn registry(answers: &mut Answers) -> Option<u64> {
    let (all, expired) = (answers.count(), answers.count());
    Some(all?.saturating_sub(expired?))
}

/// The queues that a live worker takes from; `None` if it is gone, or has been told to take nothing.
fn serves(reply: &Reply) -> Option<Vec<Vec<u8>>> {
    let [queues, state] = reply.list() else { return None };
    let queues = queues.bytes().filter(|_| state.bytes() != Some(b"suspended"))?;
    Some(queues.split(|b| *b == b',').map(<[u8]>::to_vec).collect())
}

/// When a job became ready, from `enqueued_at` and `created_at`.
fn enqueued_at(reply: &Reply, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let [enqueued, created] = reply.list() else { return None };
    let text = enqueued.bytes().filter(|t| !t.is_empty()).or(created.bytes())?;
    let text = std::str::from_utf8(text).ok()?;
    let zoned = DateTime::parse_from_rfc3339(text).map(|t| t.to_utc());
    let time = zoned.or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|t| t.and_utc())).ok()?;
    moment_ms(time.timestamp_millis() as f64, at)
}

#[async_trait]
impl Layout for Rq {
    async fn look(&self, link: &mut Link<'_>, at: DateTime<Utc>) -> Result<Seen, Failure> {
        let mut seen = Seen::default();
        let mut batch = Batch::default();
        batch.ask(Ask::SMembers, &[&self.key(&[b"queues"])]);
        batch.ask(Ask::SMembers, &[&self.key(&[b"workers"])]);
        batch.ask(Ask::Exists, &[&self.key(&[b"suspended"])]);
        batch.ask(Ask::Time, &[]);
        let replies = link.all(&batch).await?;
        if self.queues.is_empty() {
            link.list(&replies)?;
        }
        let mut answers = Answers::new(replies);
        let (listed, workers) = (answers.next(), answers.next());
        let (known, paused) = (matches!(workers, Reply::List(_)), answers.count() == Some(1));
        seen.skew = answers.skew(at);
        answers.note(&mut seen.notes);
        let names = self.names(&listed, &mut seen);
        let mut workers = workers.texts().0;
        workers.truncate(MOST);

        let mut batch = Batch::default();
        let now = at.timestamp().to_string();
        for name in &names {
            self.ask(&mut batch, name, now.as_bytes());
        }
        for worker in &workers {
            batch.ask(Ask::HMGet, &[worker, b"queues", b"state"]);
        }
        let mut answers = Answers::new(link.all(&batch).await?);
        let found: Vec<_> = names.iter().map(|name| Found::read(name, &mut answers)).collect();
        let served: Vec<_> = workers.iter().filter_map(|_| serves(&answers.next())).collect();
        answers.note(&mut seen.notes);

        let mut batch = Batch::default();
        let jobs = || found.iter().flat_map(|found| &found.eldest);
        jobs().for_each(|id| batch.ask(Ask::HMGet, &[&self.key(&[b"job:", id]), b"enqueued_at", b"created_at"]));
        let replies = link.as_many_as_may(&batch).await?;
        let times: HashMap<_, _> = jobs().zip(replies).filter_map(|(id, reply)| Some((id.clone(), enqueued_at(&reply, at)?))).collect();
        let mut blind = 0_usize;
        for (name, found) in names.iter().zip(found) {
            let oldest_at = found.eldest.iter().filter_map(|id| times.get(id)).min().copied();
            blind += usize::from(oldest_at.is_none() && !found.eldest.is_empty());
            let consumers = known.then(|| served.iter().filter(|queues| queues.contains(name)).count() as u64);
            seen.queues.push(QueueSample { oldest_at, consumers, paused, ..found.sample });
        }
        if blind > 0 {
            seen.notes.add(format!("age of {blind} queues not known: the jobs at their ends are gone or hold no time"));
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn times_are_read_as_rq_writes_them() {
        let at: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
        let text = |t: &str| Reply::Bytes(t.as_bytes().to_vec());
        let read = |enqueued: Reply, created: &str| enqueued_at(&Reply::List(vec![enqueued, text(created)]), at);
        let expected = Some(at - TimeDelta::seconds(65));
        for time in ["2026-01-02T03:03:00Z", "2026-01-02T03:03:00.000000Z", "2026-01-02T04:03:00+01:00", "2026-01-02T03:03:00.0"] {
            assert_eq!(read(text(time), "2020-01-01T00:00:00Z"), expected, "{time}");
            assert_eq!(read(Reply::Nil, time), expected, "{time}");
            assert_eq!(read(text(""), time), expected, "{time}");
        }
        for time in ["", "yesterday", "2026-13-01T00:00:00Z", "\u{1b}[2J", "9999-01-01T00:00:00Z"] {
            assert_eq!(read(Reply::Nil, time), None, "{time}");
        }
        assert_eq!(enqueued_at(&Reply::Nil, at), None);
        assert_eq!(enqueued_at(&Reply::List(vec![Reply::Nil, Reply::Nil]), at), None);
    }

    #[test]
    fn a_worker_that_left_no_hash_serves_nothing() {
        let text = |t: &str| Reply::Bytes(t.as_bytes().to_vec());
        let serving = |queues: Reply, state: &str| serves(&Reply::List(vec![queues, text(state)]));
        assert_eq!(serving(text("high,low"), "idle"), Some(vec![b"high".to_vec(), b"low".to_vec()]));
        assert_eq!(serving(text("high"), "suspended"), None);
        assert_eq!(serving(Reply::Nil, "idle"), None);
    }
}
