//! BullMQ: a handful of keys for each queue, and a hash for each job.
//!
//! Queues are found by their `meta` key. A job waits in the list `wait`, in `paused` (before version 6, while its queue is paused), or,
//! if it has a priority, in the set `prioritized`; old lists may hold a marker that begins with `0:` and is no job. Jobs enter a list on
//! the left, or on the right if the last is to be first, so that the oldest is looked for at both ends; in the set the next one and the
//! last one are looked at. That may miss an older job in the middle: the age shown is never more than the true one. A job that had been
//! delayed is ready since its delay was over, one that was tried before at the earliest since it was last begun.
//! A job is worked on while its `lock` is there, which its worker renews and which ends half a minute after the worker did.
//! Layout: BullMQ 6.7, `src/scripts`.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{
    failure::Failure,
    redis::{Answers, Ask, Batch, Discovery, Layout, Link, Reply, Seen, key, literally, moment_ms, shown},
};
use crate::domain::QueueSample;

/// The last of the jobs in work whose locks are looked at: the newest stand first.
const LOCKS: &[u8] = b"7";

/// BullMQ's queues.
#[derive(Debug)]
pub struct BullMq {
    prefix: Vec<u8>,
    queues: Vec<Vec<u8>>,
    discovery: Discovery,
}

/// What a queue's keys say.
#[derive(Debug, Default)]
struct Found {
    sample: QueueSample,
    /// Jobs among which the oldest that waits may be.
    eldest: Vec<Vec<u8>>,
    /// Some of those that are worked on: whoever is at work renews their locks.
    active: Vec<Vec<u8>>,
}

/// Of a job's options nothing but its delay.
#[derive(Default, Deserialize)]
struct Options {
    #[serde(default)]
    delay: Option<f64>,
}

impl BullMq {
    /// Those of `queues`, or all that are found; in keys that begin with `prefix` and a colon.
    pub fn new(prefix: &str, queues: Vec<Vec<u8>>) -> Self {
        let pattern = key(&[&literally(prefix.as_bytes()), b":*:meta"]);
        Self { prefix: format!("{prefix}:").into_bytes(), queues, discovery: Discovery::new(pattern) }
    }
    fn key(&self, queue: &[u8], end: &[u8]) -> Vec<u8> {
        key(&[&self.prefix, queue, b":", end])
    }
    fn ask(&self, batch: &mut Batch, queue: &[u8]) {
        let key = |end: &str| self.key(queue, end.as_bytes());
        for list in ["wait", "paused"] {
            let list = key(list);
            batch.ask(Ask::LLen, &[&list]);
            batch.ask(Ask::LRange, &[&list, b"0", b"1"]);
            batch.ask(Ask::LRange, &[&list, b"-2", b"-1"]);
        }
        let prioritized = key("prioritized");
        batch.ask(Ask::ZCard, &[&prioritized]);
        batch.ask(Ask::ZRange, &[&prioritized, b"0", b"0"]);
        batch.ask(Ask::ZRange, &[&prioritized, b"-1", b"-1"]);
        batch.ask(Ask::LLen, &[&key("active")]);
        batch.ask(Ask::LRange, &[&key("active"), b"0", LOCKS]);
        batch.ask(Ask::ZCard, &[&key("delayed")]);
        batch.ask(Ask::ZCard, &[&key("failed")]);
        batch.ask(Ask::HGet, &[&key("meta"), b"paused"]);
        batch.ask(Ask::Get, &[&key("id")]);
        batch.ask(Ask::HGet, &[&key("metrics:completed"), b"count"]);
        batch.ask(Ask::HGet, &[&key("metrics:failed"), b"count"]);
    }
}

/// One of the two lists: how many jobs it holds, and those at its ends.
fn list(answers: &mut Answers) -> (Option<u64>, Vec<Vec<u8>>) {
    let (len, left, right) = (answers.count(), answers.next(), answers.next());
    let is_marker = |id: &&Vec<u8>| id.starts_with(b"0:");
    let (left, right) = (left.texts().0, right.texts().0);
    // In a list of one both ends are the same element.
    let ends = [left.first(), right.last().filter(|_| len.is_some_and(|n| n > 1))];
    let markers = ends.into_iter().flatten().filter(is_marker).count() as u64;
    let job = |mut ids: Box<dyn Iterator<Item = &Vec<u8>> + '_>| ids.find(|id| !is_marker(id)).cloned();
    let eldest = [job(Box::new(left.iter())), job(Box::new(right.iter().rev()))];
    let len = len.map(|n| n.saturating_sub(markers));
    (len, eldest.into_iter().flatten().collect())
}

impl Found {
    fn read(queue: &[u8], answers: &mut Answers) -> Self {
        let ((wait, mut eldest), (paused, more)) = (list(answers), list(answers));
        eldest.extend(more);
        let prioritized = answers.count();
        eldest.extend([answers.next(), answers.next()].iter().flat_map(|reply| reply.texts().0));
        eldest.sort();
        eldest.dedup();
        let (in_flight, active) = (answers.count(), answers.next().texts().0);
        let (delayed, failed) = (answers.count(), answers.count());
        let is_paused = answers.next() != Reply::Nil;
        let entered = answers.next().count();
        // Counted only if a worker was told to; then both are there once there was one of each.
        let (completed, given_up) = (answers.next().count(), answers.next().count());
        let sample = QueueSample {
            name: shown(queue),
            ready: wait.zip(paused).zip(prioritized).map(|((wait, paused), first)| wait.saturating_add(paused).saturating_add(first)),
            in_flight,
            delayed,
            failed,
            entered,
            left: completed.map(|n| n.saturating_add(given_up.unwrap_or(0))).or(given_up),
            paused: is_paused,
            ..QueueSample::default()
        };
        Self { sample, eldest, active }
    }
}

/// When a job became ready, from `timestamp`, `processedOn` and `opts`.
fn ready_at(reply: &Reply, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let [created, begun, options] = reply.list() else { return None };
    let options: Options = match options {
        Reply::Bytes(json) => serde_json::from_slice(json).ok()?,
        Reply::Nil => Options::default(),
        _ => return None,
    };
    let due = created.number()? + options.delay.filter(|ms| ms.is_finite() && *ms > 0.0).unwrap_or(0.0);
    // Delayed by hand for longer than it was in the end: it waits, so it is ready.
    let due = if moment_ms(due, at).is_some() { due } else { created.number()? };
    moment_ms(due.max(begun.number().unwrap_or(0.0)), at)
}

#[async_trait]
impl Layout for BullMq {
    async fn look(&self, link: &mut Link<'_>, at: DateTime<Utc>) -> Result<Seen, Failure> {
        let mut seen = Seen::default();
        let names = if self.queues.is_empty() {
            let keys = self.discovery.step(link, at, &mut seen.notes).await?;
            let name = |key: &Vec<u8>| Some(key.strip_prefix(&*self.prefix)?.strip_suffix(b":meta")?.to_vec());
            keys.iter().filter_map(name).collect()
        } else {
            self.queues.clone()
        };
        let mut batch = Batch::default();
        for name in &names {
            self.ask(&mut batch, name);
        }
        batch.ask(Ask::Time, &[]);
        let mut answers = Answers::new(link.all(&batch).await?);
        let found: Vec<_> = names.iter().map(|name| Found::read(name, &mut answers)).collect();
        seen.skew = answers.skew(at);
        answers.note(&mut seen.notes);

        let mut batch = Batch::default();
        let jobs = || names.iter().zip(&found).flat_map(|(name, found)| found.eldest.iter().map(move |id| (name, id)));
        jobs().for_each(|(name, id)| batch.ask(Ask::HMGet, &[&self.key(name, id), b"timestamp", b"processedOn", b"opts"]));
        let held = || names.iter().zip(&found).filter(|(_, found)| !found.active.is_empty());
        for (name, found) in held() {
            let locks: Vec<_> = found.active.iter().map(|id| self.key(name, &[id.as_slice(), b":lock"].concat())).collect();
            batch.ask(Ask::Exists, &locks.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
        let mut replies = link.as_many_as_may(&batch).await?.into_iter();
        let times: HashMap<_, _> = jobs().zip(&mut replies).filter_map(|(job, reply)| Some((job, ready_at(&reply, at)?))).collect();
        let oldest = |name, found: &Found| found.eldest.iter().filter_map(|id| times.get(&(name, id))).min().copied();
        let oldest: Vec<_> = names.iter().zip(&found).map(|(name, found)| oldest(name, found)).collect();
        let blind = found.iter().zip(&oldest).filter(|(found, oldest)| !found.eldest.is_empty() && oldest.is_none()).count();
        if blind > 0 {
            seen.notes.add(format!("age of {blind} queues not known: the jobs at their ends are gone or hold no time"));
        }
        let locks: HashMap<_, _> =
            held().map(|(name, _)| name).zip(replies).filter_map(|(name, held)| Some((name, held.count()? > 0))).collect();
        let at_work: Vec<_> = names.iter().map(|name| locks.get(name).copied()).collect();
        let samples = found.into_iter().zip(oldest).zip(at_work);
        seen.queues = samples.map(|((found, oldest_at), at_work)| QueueSample { at_work, oldest_at, ..found.sample }).collect();
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(t: &str) -> Reply {
        Reply::Bytes(t.as_bytes().to_vec())
    }

    fn ids(all: &[&str]) -> Reply {
        Reply::List(all.iter().map(|id| text(id)).collect())
    }

    #[test]
    fn markers_are_no_jobs() {
        let one = |len, left: &[&str], right: &[&str]| list(&mut Answers::new(vec![Reply::Int(len), ids(left), ids(right)]));
        let some = |n, jobs: &[&str]| (Some(n), jobs.iter().map(|id| id.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(one(0, &[], &[]), some(0, &[]));
        assert_eq!(one(1, &["0:0"], &["0:0"]), some(0, &[]));
        assert_eq!(one(1, &["7"], &["7"]), some(1, &["7", "7"]));
        assert_eq!(one(3, &["9", "8"], &["8", "0:0"]), some(2, &["9", "8"]));
        assert_eq!(one(3, &["0:0", "8"], &["8", "7"]), some(2, &["8", "7"]));
        assert_eq!(one(2, &["0:0", "0:1690"], &["0:0", "0:1690"]), some(0, &[]));
        assert_eq!(list(&mut Answers::new(vec![Reply::Refused("WRONGTYPE".into()), Reply::Nil, Reply::Nil])), (None, Vec::new()));
    }

    #[test]
    fn a_job_is_ready_since_it_was_due() {
        let at: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
        let ago = |secs: i64| (at.timestamp_millis() - secs * 1_000).to_string();
        let since = |created: i64, begun: Option<i64>, opts: Reply| {
            let begun = begun.map_or(Reply::Nil, |secs| text(&ago(secs)));
            ready_at(&Reply::List(vec![text(&ago(created)), begun, opts]), at).map(|t| (at - t).num_seconds())
        };
        assert_eq!(since(90, None, text("{}")), Some(90));
        assert_eq!(since(90, None, Reply::Nil), Some(90));
        assert_eq!(since(3_700, None, text(r#"{"attempts":3,"delay":3600000}"#)), Some(100));
        assert_eq!(since(3_700, Some(40), text(r#"{"delay":3600000}"#)), Some(40), "tried before");
        assert_eq!(since(60, None, text(r#"{"delay":31536000000}"#)), Some(60), "promoted by hand");
        for opts in [text("{"), text("7"), Reply::Long(1 << 30)] {
            assert_eq!(since(90, None, opts), None);
        }
        assert_eq!(ready_at(&Reply::Nil, at), None);
        assert_eq!(ready_at(&Reply::List(vec![Reply::Nil, Reply::Nil, Reply::Nil]), at), None, "the job is gone");
        assert_eq!(ready_at(&Reply::List(vec![text("NaN"), Reply::Nil, Reply::Nil]), at), None);
    }
}
