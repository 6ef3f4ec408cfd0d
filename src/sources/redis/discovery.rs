//! Finding queues that no list of the library names, by walking over the names of all keys a few steps at a time.
//!
//! `SCAN` never holds the server up, but a whole walk over a million keys is hundreds of round trips. So the first walk goes on for half
//! of each poll's time until it is done; after that a walk begins every five minutes and goes two steps a poll. What the last whole walk
//! found stays known until the next one is done.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    MOST,
    answers::Notes,
    link::{Ask, Batch, Link},
    resp::Reply,
};
use crate::sources::failure::Failure;

/// How many keys a step looks at: a few milliseconds of the server's time.
const KEYS: &[u8] = b"2000";
/// Steps of one poll once the queues are known.
const STEPS: usize = 2;
/// Steps of one poll before that, if its time allows.
const FIRST_STEPS: usize = 500;
/// From the end of a walk to the next.
const REST: TimeDelta = TimeDelta::minutes(5);

/// A walk that goes on from poll to poll.
#[derive(Debug)]
pub struct Discovery {
    pattern: Vec<u8>,
    walk: Mutex<Walk>,
}

#[derive(Clone, Debug, Default)]
struct Walk {
    /// Where it goes on; `None` between two walks.
    cursor: Option<Vec<u8>>,
    /// What this walk found.
    found: BTreeSet<Vec<u8>>,
    /// What the last whole walk found; `None` before its end.
    known: Option<BTreeSet<Vec<u8>>>,
    /// When that one ended.
    ended: Option<DateTime<Utc>>,
}

impl Discovery {
    /// A walk that finds keys of `pattern`, in which `*` stands for anything.
    pub fn new(pattern: Vec<u8>) -> Self {
        Self { pattern, walk: Mutex::default() }
    }

    /// Go on, and say which keys are known by now.
    pub async fn step(&self, link: &mut Link<'_>, at: DateTime<Utc>, notes: &mut Notes) -> Result<BTreeSet<Vec<u8>>, Failure> {
        let mut walk = self.walk.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let steps = if walk.known.is_some() { STEPS } else { FIRST_STEPS };
        if walk.is_due(at) {
            for _ in 0..steps {
                let done = self.once(link, &mut walk, at).await?;
                if done || link.half_gone() {
                    break;
                }
            }
            self.walk.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&walk);
        }
        if walk.known.is_none() {
            notes.add(format!(
                "still looking for queues among all keys: {} found so far; name them in `queues` to spare that",
                walk.found.len()
            ));
        }
        let all: BTreeSet<_> = walk.known.into_iter().flatten().chain(walk.found).collect();
        if all.len() > MOST {
            notes.add(format!("only {MOST} of {} queues are looked at; name those that matter in `queues`", all.len()));
        }
        Ok(all.into_iter().take(MOST).collect())
    }

    /// One step; whether the walk is done.
    async fn once(&self, link: &mut Link<'_>, walk: &mut Walk, at: DateTime<Utc>) -> Result<bool, Failure> {
        let cursor = walk.cursor.clone().unwrap_or_else(|| b"0".to_vec());
        let mut batch = Batch::default();
        batch.ask(Ask::Scan, &[&cursor, b"MATCH", &self.pattern, b"COUNT", KEYS]);
        let reply = link.need(&batch).await?;
        let [Reply::List(parts)] = reply.as_slice() else { return Err(link.odd("answers SCAN with no list; check `url`")) };
        let [Reply::Bytes(next), keys @ Reply::List(_)] = parts.as_slice() else {
            return Err(link.odd("answers SCAN with another list than a place and keys; check `url`"));
        };
        walk.found.extend(keys.texts().0);
        if next == b"0" {
            walk.known = Some(std::mem::take(&mut walk.found));
            walk.ended = Some(at);
            walk.cursor = None;
        } else {
            walk.cursor = Some(next.clone());
        }
        Ok(walk.cursor.is_none())
    }
}

impl Walk {
    /// Whether there is something to do: a walk under way, or the last one long ago.
    fn is_due(&self, at: DateTime<Utc>) -> bool {
        self.cursor.is_some() || self.ended.is_none_or(|ended| at - ended >= REST || at < ended)
    }
}

/// A text as a pattern that matches nothing but itself.
pub fn literally(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if b"*?[]^\\".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_matched_as_it_is() {
        assert_eq!(literally(b"{bull}"), b"{bull}");
        assert_eq!(literally(b"a*[b]?\\"), b"a\\*\\[b\\]\\?\\\\");
    }

    #[test]
    fn a_walk_rests_between_two_and_never_stops_midway() {
        let at: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
        let walk = |cursor: Option<&[u8]>, ended| Walk { cursor: cursor.map(<[u8]>::to_vec), ended, ..Walk::default() };
        assert!(walk(None, None).is_due(at));
        assert!(!walk(None, Some(at - TimeDelta::minutes(4))).is_due(at));
        assert!(walk(None, Some(at - TimeDelta::minutes(5))).is_due(at));
        assert!(walk(Some(b"17"), Some(at)).is_due(at));
        assert!(walk(None, Some(at + TimeDelta::hours(1))).is_due(at), "a clock that was set back");
    }
}
