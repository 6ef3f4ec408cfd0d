//! What is not believed of an answer, and why: told beside the answer, in a few words for however many queues.

use std::collections::BTreeMap;

use super::wire::Item;
use crate::domain::Text;

/// Polls in a row at which counters must contradict the backlog before they are not believed: the broker writes the two down at
/// different times, a few seconds apart.
const TWICE: u8 = 2;

/// Why something was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    NoObject,
    Impossible,
    Zeros,
    Down,
    Counters,
    NoStats,
    Timestamp,
}

impl Why {
    const fn words(self) -> &'static str {
        match self {
            Self::NoObject => "no object where a queue belongs",
            Self::Impossible => "impossible counts, left out",
            Self::Zeros => "nothing ready and nothing taken of what is in it, left out",
            Self::Down => "not running, as of its last word",
            Self::Counters => "counters stand still while the backlog grows, rates not believed",
            Self::NoStats => "no message_stats, so no rates",
            Self::Timestamp => "the oldest message's timestamp is no time, age unknown",
        }
    }
}

/// What was left out, by why: the first queue, and how many.
#[derive(Debug, Default)]
pub struct Doubts(BTreeMap<Why, (Text, usize)>);

impl Doubts {
    fn of(&mut self, why: Why, name: &Text) {
        self.0.entry(why).or_insert_with(|| (name.clone(), 0)).1 += 1;
    }
    /// An item that is no object, or has no name.
    pub fn no_object(&mut self) {
        self.of(Why::NoObject, &Text::default());
    }
    /// A count that is negative, or no number.
    pub fn impossible(&mut self, name: &Text) {
        self.of(Why::Impossible, name);
    }
    /// Messages of which none is ready and none is taken.
    pub fn zeros(&mut self, name: &Text) {
        self.of(Why::Zeros, name);
    }
    /// A queue that is not running.
    pub fn down(&mut self, name: &Text) {
        self.of(Why::Down, name);
    }
    /// Counters that contradict the backlog.
    pub fn counters(&mut self, name: &Text) {
        self.of(Why::Counters, name);
    }
    /// Messages, and no statistics.
    pub fn no_stats(&mut self, name: &Text) {
        self.of(Why::NoStats, name);
    }
    /// A timestamp that is in the future, or before there were queues.
    pub fn timestamp(&mut self, name: &Text) {
        self.of(Why::Timestamp, name);
    }
    /// All in one line; `None` if nothing was left out.
    pub fn words(&self) -> Option<Text> {
        let one = |(why, (name, count)): (&Why, &(Text, usize))| {
            let short: String = name.as_str().chars().take(40).collect();
            let which = match (short.as_str(), count) {
                ("", count) => format!("{count} items"),
                (name, 1) => name.to_owned(),
                (name, count) => format!("{name} and {} more", count - 1),
            };
            format!("{which}: {}", why.words())
        };
        let all: Vec<_> = self.0.iter().map(one).collect();
        (!all.is_empty()).then(|| Text::from(all.join("; ")))
    }
}

/// How the counters of a queue stand beside its backlog.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    backlog: Option<u64>,
    counted: (Option<u64>, Option<u64>, Option<u64>),
    contradictions: u8,
}

impl Standing {
    /// How they stand now, after they stood so `before`.
    pub fn after(before: Option<&Self>, item: &Item) -> Self {
        let sample = &item.sample;
        let backlog = sample.ready.zip(sample.in_flight).map(|(ready, taken)| ready.saturating_add(taken));
        let counted = (sample.entered, sample.taken, sample.left);
        let stands = |b: &&Self| sample.entered.is_some() && b.counted == counted;
        let grew = |b: &&Self| b.backlog.zip(backlog).is_some_and(|(was, is)| is > was);
        let contradictions = match before {
            Some(b) if stands(&b) && grew(&b) => b.contradictions.saturating_add(1),
            // As before: nothing speaks for them either.
            Some(b) if stands(&b) && b.backlog == backlog => b.contradictions,
            _ => 0,
        };
        Self { backlog, counted, contradictions }
    }
    /// Whether they cannot both be true.
    pub fn contradicts(&self) -> bool {
        self.contradictions >= TWICE
    }
}
