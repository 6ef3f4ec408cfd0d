//! The replies to a batch, taken one after the other as they were asked, and notes on those that cannot be used.

use std::vec;

use chrono::{DateTime, Utc};

use super::resp::Reply;
use crate::{domain::Text, sources::failure::shorten};

/// How many notes are said.
const NOTES: usize = 4;

/// The replies to a batch.
#[derive(Debug)]
pub struct Answers {
    replies: vec::IntoIter<Reply>,
    refused: usize,
    first: Option<String>,
}

impl Answers {
    /// Those that came.
    pub fn new(replies: Vec<Reply>) -> Self {
        Self { replies: replies.into_iter(), refused: 0, first: None }
    }
    /// The next; nothing, if it was refused or there is none.
    pub fn next(&mut self) -> Reply {
        match self.replies.next() {
            Some(Reply::Refused(said)) => {
                self.refused += 1;
                self.first.get_or_insert(said);
                Reply::Nil
            }
            other => other.unwrap_or(Reply::Nil),
        }
    }
    /// The next, which counts something.
    pub fn count(&mut self) -> Option<u64> {
        self.next().count()
    }
    /// The next, which nobody misses if it is refused.
    pub fn if_told(&mut self) -> Reply {
        self.replies.next().filter(|r| !matches!(r, Reply::Refused(_))).unwrap_or(Reply::Nil)
    }
    /// The next, to `TIME`: how far the server's clock is ahead of `at`, in seconds.
    pub fn skew(&mut self, at: DateTime<Utc>) -> Option<f64> {
        let reply = self.if_told();
        let [secs, us] = reply.list() else { return None };
        Some(secs.number()? + us.number()? / 1e6 - at.timestamp_micros() as f64 / 1e6)
    }
    /// Note what was refused.
    pub fn note(self, notes: &mut Notes) {
        if let Some(first) = self.first {
            notes.add(format!("{} figures left out, refused by the server: {}", self.refused, shorten(&first)));
        }
    }
}

/// What could not be seen, and why.
#[derive(Debug, Default)]
pub struct Notes(Vec<String>);

impl Notes {
    /// One more.
    pub fn add(&mut self, note: impl Into<String>) {
        self.0.push(note.into());
    }
    /// All in one line; `None` if all was seen.
    pub fn text(self) -> Option<Text> {
        let all: Vec<_> = self.0.into_iter().take(NOTES).collect();
        (!all.is_empty()).then(|| Text::clean(&all.join("; ")))
    }
}
