//! Celery, and whatever else speaks through kombu: a plain list for each queue and step of priority.
//!
//! An empty list has no key, so queues are found by the bindings of their exchanges. A message holds no time at which it was sent: how
//! long work has been waiting cannot be told. What workers have taken lies in one hash for all queues, tasks with an ETA among them; it
//! is put down to a queue only if there is but one. Layout: kombu 5.7, `kombu/transport/redis.py`.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    failure::Failure,
    redis::{Answers, Ask, Batch, Discovery, Layout, Link, MOST, Seen, key, literally, shown},
};
use crate::domain::{QueueSample, Text};

/// What kombu puts between the parts of a binding, and between a queue and a priority.
const SEPARATOR: &[u8] = b"\x06\x16";
/// What the keys of bindings begin with.
const BINDING: &[u8] = b"_kombu.binding.";
/// The name of the row for what belongs to no queue.
const TAKEN: &str = "(taken, or with an ETA)";

/// Celery's queues.
#[derive(Debug)]
pub struct Celery {
    prefix: Vec<u8>,
    /// The ends of the lists of one queue.
    steps: Vec<Vec<u8>>,
    queues: Vec<Vec<u8>>,
    discovery: Discovery,
}

impl Celery {
    /// Those of `queues`, or all that are found; in keys that begin with `prefix`, with lists for these steps of priority.
    pub fn new(prefix: &str, steps: Vec<u8>, queues: Vec<Vec<u8>>) -> Self {
        let step = |n: u8| if n == 0 { Vec::new() } else { key(&[SEPARATOR, n.to_string().as_bytes()]) };
        let steps: BTreeSet<_> = steps.into_iter().chain([0]).collect();
        let pattern = key(&[&literally(prefix.as_bytes()), BINDING, b"*"]);
        let prefix = prefix.as_bytes().to_vec();
        Self { prefix, steps: steps.into_iter().map(step).collect(), queues, discovery: Discovery::new(pattern) }
    }

    /// The queues that are bound to an exchange.
    async fn bound(&self, link: &mut Link<'_>, at: DateTime<Utc>, seen: &mut Seen) -> Result<Vec<Vec<u8>>, Failure> {
        let keys = self.discovery.step(link, at, &mut seen.notes).await?;
        let exchange = |key: &Vec<u8>| key.strip_prefix(&*self.prefix)?.strip_prefix(BINDING).filter(|name| !is_internal(name)).map(drop);
        let mut batch = Batch::default();
        keys.iter().filter(|key| exchange(key).is_some()).for_each(|key| batch.ask(Ask::SMembers, &[key]));
        let bindings = link.all(&batch).await?;
        let queues: BTreeSet<_> = bindings.iter().flat_map(|set| set.texts().0).filter_map(|binding| queue_of(&binding)).collect();
        if queues.len() > MOST {
            seen.notes.add(format!("only {MOST} of {} queues are looked at; name those that matter in `queues`", queues.len()));
        }
        Ok(queues.into_iter().take(MOST).collect())
    }
}

/// Whether an exchange is for the workers' own talk: remote control and events.
fn is_internal(exchange: &[u8]) -> bool {
    exchange == b"celeryev" || exchange.ends_with(b".pidbox")
}

/// The queue of a binding: routing key, pattern, queue.
fn queue_of(binding: &[u8]) -> Option<Vec<u8>> {
    let at = binding.windows(SEPARATOR.len()).rposition(|part| part == SEPARATOR)?;
    binding.get(at + SEPARATOR.len()..).filter(|name| !name.is_empty()).map(<[u8]>::to_vec)
}

#[async_trait]
impl Layout for Celery {
    async fn look(&self, link: &mut Link<'_>, at: DateTime<Utc>) -> Result<Seen, Failure> {
        let mut seen = Seen::default();
        let names = if self.queues.is_empty() { self.bound(link, at, &mut seen).await? } else { self.queues.clone() };
        let mut batch = Batch::default();
        for name in &names {
            for step in &self.steps {
                batch.ask(Ask::LLen, &[&key(&[&self.prefix, name, step])]);
            }
        }
        batch.ask(Ask::HLen, &[&key(&[&self.prefix, b"unacked"])]);
        batch.ask(Ask::Time, &[]);
        let mut answers = Answers::new(link.all(&batch).await?);
        for name in &names {
            let depths: Vec<_> = self.steps.iter().map(|_| answers.count()).collect();
            let ready = depths.into_iter().try_fold(0_u64, |sum, depth| Some(sum.saturating_add(depth?)));
            seen.queues.push(QueueSample { name: shown(name), ready, ..QueueSample::default() });
        }
        let taken = answers.count();
        seen.skew = answers.skew(at);
        answers.note(&mut seen.notes);
        match seen.queues.as_mut_slice() {
            [] => seen.notes.add("no queue is known there yet; check the database number and `prefix`, or name the queues in `queues`"),
            [only] => only.in_flight = taken,
            _ => seen.queues.push(QueueSample { name: Text::from(TAKEN), ready: Some(0), in_flight: taken, ..QueueSample::default() }),
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_names_its_queue_last() {
        assert_eq!(queue_of(b"emails\x06\x16\x06\x16emails"), Some(b"emails".to_vec()));
        assert_eq!(queue_of(b"task.#\x06\x16^task\\..*?$\x06\x16work"), Some(b"work".to_vec()));
        for odd in [&b""[..], b"emails", b"a\x06\x16\x06\x16", b"\x06"] {
            assert_eq!(queue_of(odd), None, "{}", odd.escape_ascii());
        }
    }

    #[test]
    fn each_step_of_priority_has_a_list() {
        let celery = Celery::new("app:", vec![3, 6, 9, 0, 3], Vec::new());
        assert_eq!(celery.steps, [b"".to_vec(), b"\x06\x163".to_vec(), b"\x06\x166".to_vec(), b"\x06\x169".to_vec()]);
        assert!(
            is_internal(b"celery.pidbox") && is_internal(b"reply.celery.pidbox") && is_internal(b"celeryev") && !is_internal(b"celery")
        );
    }
}
