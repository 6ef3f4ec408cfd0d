//! Sidekiq: a set of queues, a list each, processes that say they live.
//!
//! Scheduled, retried and dead jobs of all queues lie in three sets that tell no queue apart without reading every job, and what was
//! processed is one counter for all: they are a row of their own and never put down to one queue. The time at which a job was enqueued
//! stands in the job, as seconds with a fraction before Sidekiq 8.0 and as milliseconds since; a job longer than is kept is passed over,
//! and asked for again only after a while. Layout: Sidekiq 8.1, `lib/sidekiq/api.rs`.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::{
    failure::Failure,
    redis::{Answers, Ask, Batch, Layout, Link, MOST, Notes, Reply, Seen, key, moment, moment_ms, shown},
};
use crate::domain::{QueueSample, Text};

/// The name of the row for what belongs to no queue.
const REST: &str = "(scheduled, retried, dead)";
/// A process that gave no sign for so long is gone, as Sidekiq itself sees it.
const GONE: TimeDelta = TimeDelta::seconds(60);
/// A process says every ten seconds that it lives; of one that was silent for longer it is not known that it goes on with its jobs.
const SILENT: TimeDelta = TimeDelta::seconds(25);
/// How long a queue whose first job is long is not asked for it again.
const HEAVY: TimeDelta = TimeDelta::minutes(5);
/// From this number on a time is in milliseconds: as seconds it is the year 5138, as milliseconds it is 1973.
const MILLISECONDS: f64 = 1e11;

/// Sidekiq's queues.
#[derive(Debug)]
pub struct Sidekiq {
    prefix: Vec<u8>,
    queues: Vec<Vec<u8>>,
    /// What is known of the first jobs of queues that hold some.
    weights: Mutex<HashMap<Vec<u8>, Weight>>,
}

/// What a process says of itself.
#[derive(Debug, PartialEq)]
struct Process {
    queues: Vec<Vec<u8>>,
    busy: Option<u64>,
    /// When it last said that it lives.
    beat: DateTime<Utc>,
    /// Whether it takes no new jobs.
    quiet: bool,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    queues: Vec<String>,
}

/// Of a job nothing but its times.
#[derive(Deserialize)]
struct Times {
    enqueued_at: Option<f64>,
    created_at: Option<f64>,
}

impl Sidekiq {
    /// Those of `queues`, or all that Sidekiq lists; in keys that begin with `prefix` and a colon.
    pub fn new(prefix: &str, queues: Vec<Vec<u8>>) -> Self {
        let prefix = if prefix.is_empty() { Vec::new() } else { format!("{prefix}:").into_bytes() };
        Self { prefix, queues, weights: Mutex::default() }
    }
    fn key(&self, parts: &[&[u8]]) -> Vec<u8> {
        key(&[&self.prefix, &parts.concat()])
    }

    /// The names of the queues, or those that the config names.
    fn names(&self, listed: &Reply, notes: &mut Notes) -> Vec<Vec<u8>> {
        if !self.queues.is_empty() {
            return self.queues.clone();
        }
        let (mut names, odd) = listed.texts();
        names.sort();
        if odd > 0 {
            notes.add(format!("{odd} queues left out: their names are too long"));
        }
        if names.len() > MOST {
            notes.add(format!("only {MOST} of {} queues are looked at; name those that matter in `queues`", names.len()));
        }
        names.truncate(MOST);
        names
    }

    /// When the first job of each of these queues was enqueued.
    async fn heads(&self, link: &mut Link<'_>, names: &[Vec<u8>], at: DateTime<Utc>, notes: &mut Notes) -> Result<Vec<Head>, Failure> {
        let mut weights = self.weights.lock().unwrap_or_else(PoisonError::into_inner).clone();
        weights.retain(|name, weight| names.contains(name) && weight.holds(at));
        let light: Vec<_> = names.iter().filter(|name| weights.get(*name) == Some(&Weight::Light)).collect();
        let unknown: Vec<_> = names.iter().filter(|name| !weights.contains_key(*name)).collect();
        // Of those that nothing is known of a few at first: should all their jobs be huge, the server would have to lay all of them out
        // for us at once.
        let (first, rest) = unknown.split_at(unknown.len().min(8));
        let (second, third) = rest.split_at(rest.len().min(64));
        let mut replies = HashMap::new();
        for part in [&light, first, second, third] {
            let mut batch = Batch::default();
            for name in part {
                batch.ask(Ask::LIndex, &[&self.key(&[b"queue:", name]), b"-1"]);
            }
            let got = link.as_many_as_may(&batch).await?;
            replies.extend(part.iter().copied().zip(got));
        }
        let head = |name| match replies.get(name) {
            Some(Reply::Bytes(job)) => enqueued_at(job, at).map_or(Head::Odd, Head::At),
            Some(Reply::Nil) => Head::Gone,
            Some(Reply::Long(_)) => Head::Heavy,
            Some(_) => Head::Odd,
            None if weights.contains_key(name) => Head::Heavy,
            None => Head::Unread,
        };
        let heads: Vec<_> = names.iter().map(head).collect();
        for (name, reply) in replies {
            weights.insert(name.clone(), if matches!(reply, Reply::Long(_)) { Weight::Heavy(at) } else { Weight::Light });
        }
        *self.weights.lock().unwrap_or_else(PoisonError::into_inner) = weights;
        note(&heads, names, notes);
        Ok(heads)
    }
}

/// How long the first job of a queue was when it was last asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// Short enough to be kept.
    Light,
    /// Too long, as seen then.
    Heavy(DateTime<Utc>),
}

impl Weight {
    /// Whether that is still believed.
    fn holds(self, at: DateTime<Utc>) -> bool {
        match self {
            Self::Light => true,
            Self::Heavy(seen) => at - seen < HEAVY && at >= seen,
        }
    }
}

/// What is known of the first job of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// When it was enqueued.
    At(DateTime<Utc>),
    /// There is none any more.
    Gone,
    /// It is too long to be read.
    Heavy,
    /// It holds no time.
    Odd,
    /// Others before it took all that may be read.
    Unread,
}

/// Note the ages that cannot be told.
fn note(heads: &[Head], names: &[Vec<u8>], notes: &mut Notes) {
    for (kind, why) in [
        (Head::Heavy, "the job at its head is too long to be read"),
        (Head::Odd, "the job at its head holds no time"),
        (Head::Unread, "jobs that are too long stood before it; it is read in one of the next polls"),
    ] {
        let those: Vec<_> = names.iter().zip(heads).filter(|(_, head)| **head == kind).map(|(name, _)| shown(name)).collect();
        if let Some(first) = those.first() {
            let more = if those.len() > 1 { format!(" and {} more", those.len() - 1) } else { String::new() };
            notes.add(format!("age of {first}{more} not known: {why}"));
        }
    }
}

#[async_trait]
impl Layout for Sidekiq {
    async fn look(&self, link: &mut Link<'_>, at: DateTime<Utc>) -> Result<Seen, Failure> {
        let mut seen = Seen::default();
        let mut batch = Batch::default();
        for name in ["queues", "processes", "paused"] {
            batch.ask(Ask::SMembers, &[&self.key(&[name.as_bytes()])]);
        }
        for name in ["schedule", "retry", "dead"] {
            batch.ask(Ask::ZCard, &[&self.key(&[name.as_bytes()])]);
        }
        batch.ask(Ask::Time, &[]);
        let replies = link.all(&batch).await?;
        if self.queues.is_empty() {
            link.list(&replies)?;
        }
        let mut answers = Answers::new(replies);
        let [listed, processes, paused] = [answers.next(), answers.next(), answers.next()];
        let [schedule, retry, dead] = [answers.count(), answers.count(), answers.count()];
        seen.skew = answers.skew(at);
        let known = matches!(processes, Reply::List(_));
        answers.note(&mut seen.notes);
        let names = self.names(&listed, &mut seen.notes);
        let (mut processes, paused) = (processes.texts().0, paused.texts().0);
        processes.truncate(MOST);

        let mut batch = Batch::default();
        for name in &names {
            batch.ask(Ask::LLen, &[&self.key(&[b"queue:", name])]);
        }
        let fields: [&[u8]; 4] = [b"info", b"beat", b"quiet", b"busy"];
        for id in &processes {
            batch.ask(Ask::HMGet, &[&[&*self.key(&[id])], &fields[..]].concat());
        }
        let mut answers = Answers::new(link.all(&batch).await?);
        let depths: Vec<_> = names.iter().map(|_| answers.count()).collect();
        let workers: Vec<_> = processes.iter().filter_map(|_| Process::read(&answers.next(), at)).collect();
        answers.note(&mut seen.notes);

        let waiting: Vec<_> = names.iter().zip(&depths).filter(|(_, depth)| depth.is_some_and(|n| n > 0)).map(|(n, _)| n.clone()).collect();
        let heads = self.heads(link, &waiting, at, &mut seen.notes).await?;
        let heads: HashMap<_, _> = waiting.iter().zip(heads).collect();
        for (name, ready) in names.iter().zip(depths) {
            let head = heads.get(name).copied();
            seen.queues.push(QueueSample {
                name: shown(name),
                ready: if head == Some(Head::Gone) { Some(0) } else { ready },
                oldest_at: head.and_then(|head| if let Head::At(time) = head { Some(time) } else { None }),
                consumers: known.then(|| workers.iter().filter(|p| !p.quiet && p.queues.contains(name)).count() as u64),
                at_work: known.then(|| workers.iter().any(|p| p.works_for(name, at))),
                in_flight: if known { in_flight(&workers, name) } else { None },
                paused: paused.contains(name),
                ..QueueSample::default()
            });
        }
        let delayed = schedule.zip(retry).map(|(schedule, retry)| schedule.saturating_add(retry));
        seen.queues.push(QueueSample { name: Text::from(REST), ready: Some(0), delayed, failed: dead, ..QueueSample::default() });
        Ok(seen)
    }
}

impl Process {
    /// From `info`, `beat`, `quiet` and `busy`; `None` if it is gone.
    fn read(reply: &Reply, at: DateTime<Utc>) -> Option<Self> {
        let [info, beat, quiet, busy] = reply.list() else { return None };
        let beat = moment(beat.number()?, at)?;
        if at - beat > GONE {
            return None;
        }
        let info: Info = serde_json::from_slice(info.bytes()?).ok()?;
        let queues = info.queues.into_iter().map(String::into_bytes).collect();
        Some(Self { queues, beat, busy: busy.count(), quiet: quiet.bytes() == Some(b"true") })
    }
}

impl Process {
    /// Whether it takes from a queue and is at work, on whichever of its queues that may be.
    fn works_for(&self, name: &Vec<u8>, at: DateTime<Utc>) -> bool {
        let busy = self.busy.is_some_and(|n| n > 0) && at - self.beat <= SILENT;
        busy && !self.quiet && self.queues.contains(name)
    }
}

/// Jobs of a queue that are worked on, which only processes that serve nothing else can tell.
fn in_flight(workers: &[Process], name: &Vec<u8>) -> Option<u64> {
    let mut sum = 0_u64;
    for process in workers.iter().filter(|p| p.queues.contains(name)) {
        match process.busy? {
            0 => {}
            busy if process.queues.len() == 1 => sum = sum.saturating_add(busy),
            _ => return None,
        }
    }
    Some(sum)
}

/// When a job became ready.
fn enqueued_at(job: &[u8], at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let times: Times = serde_json::from_slice(job).ok()?;
    let time = times.enqueued_at.or(times.created_at)?;
    if time.abs() >= MILLISECONDS { moment_ms(time, at) } else { moment(time, at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> DateTime<Utc> {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    #[test]
    fn both_formats_of_a_time_are_one_time() {
        let secs = at().timestamp() as f64 - 90.25;
        let ms = (secs * 1e3) as i64;
        let expected = Some(at() - TimeDelta::milliseconds(90_250));
        for job in [
            format!("{{\"class\":\"Mail\",\"args\":[{{\"enqueued_at\":1}}],\"created_at\":1.5,\"enqueued_at\":{secs}}}"),
            format!("{{\"class\":\"Mail\",\"created_at\":1500,\"enqueued_at\":{ms}}}"),
            format!("{{\"created_at\":{ms}}}"),
            format!("{{\"enqueued_at\":null,\"created_at\":{secs}}}"),
        ] {
            assert_eq!(enqueued_at(job.as_bytes(), at()), expected, "{job}");
        }
        for job in ["", "{", "[]", "{}", "{\"enqueued_at\":\"now\"}", "{\"enqueued_at\":1e300}", "{\"enqueued_at\":0}", "\u{fffd}"] {
            assert_eq!(enqueued_at(job.as_bytes(), at()), None, "{job}");
        }
        let deep = format!("{{\"args\":{}", "[".repeat(100_000));
        assert_eq!(enqueued_at(deep.as_bytes(), at()), None);
    }

    fn process(info: &str, beat_age: f64, quiet: &str, busy: &str) -> Option<Process> {
        let text = |t: &str| Reply::Bytes(t.as_bytes().to_vec());
        let beat = at().timestamp() as f64 - beat_age;
        Process::read(&Reply::List(vec![text(info), text(&beat.to_string()), text(quiet), text(busy)]), at())
    }

    #[test]
    fn a_process_lives_by_its_beat_and_quiet_ones_take_nothing() {
        let info = r#"{"hostname":"app-1","queues":["mail","low"]}"#;
        let queues = vec![b"mail".to_vec(), b"low".to_vec()];
        let beat = at() - TimeDelta::seconds(5);
        assert_eq!(process(info, 5.0, "false", "3"), Some(Process { queues: queues.clone(), busy: Some(3), beat, quiet: false }));
        assert_eq!(process(info, 5.0, "true", "3"), Some(Process { queues, busy: Some(3), beat, quiet: true }));
        assert_eq!(process(info, 61.0, "false", "3"), None);
        assert_eq!(process("not json", 5.0, "false", "3"), None);
        assert_eq!(Process::read(&Reply::Nil, at()), None);
        assert_eq!(Process::read(&Reply::List(vec![Reply::Nil; 4]), at()), None);
    }

    #[test]
    fn work_in_progress_is_told_only_where_it_can_be_told_apart() {
        let named = |queues: &[&str]| queues.iter().map(|q| q.as_bytes().to_vec()).collect();
        let serves = |queues: &[&str], busy| Process { queues: named(queues), busy, beat: at(), quiet: false };
        let mail = b"mail".to_vec();
        assert_eq!(in_flight(&[serves(&["mail"], Some(2)), serves(&["mail"], Some(3)), serves(&["low"], Some(9))], &mail), Some(5));
        assert_eq!(in_flight(&[serves(&["mail"], Some(2)), serves(&["mail", "low"], Some(0))], &mail), Some(2));
        assert_eq!(in_flight(&[serves(&["mail", "low"], Some(1))], &mail), None);
        assert_eq!(in_flight(&[serves(&["mail"], None)], &mail), None);
        assert_eq!(in_flight(&[], &mail), Some(0));
    }

    #[test]
    fn a_process_is_at_work_for_each_of_its_queues_while_it_says_that_it_lives() {
        let info = r#"{"queues":["mail","low"]}"#;
        let works = |beat_age, quiet, busy, name: &str| process(info, beat_age, quiet, busy).unwrap().works_for(&name.into(), at());
        assert!(works(5.0, "false", "3", "mail") && works(5.0, "false", "3", "low"));
        assert!(!works(5.0, "false", "0", "mail") && !works(30.0, "false", "3", "mail"));
        assert!(!works(5.0, "true", "3", "mail") && !works(5.0, "false", "3", "other"));
    }
}
