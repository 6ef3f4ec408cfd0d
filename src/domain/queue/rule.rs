//! What is expected of queues: the `[[queue]]` rows of the config.

use std::{fmt, str::FromStr};

use chrono::TimeDelta;

use super::QueueSample;
use crate::domain::{DefinitionId, SourceName, Text};

/// The longest that work should wait where no row says otherwise.
pub const UNLESS_TOLD: TimeDelta = TimeDelta::minutes(5);

/// What is expected of the queues of a name.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueRule {
    /// Which queues, by their names.
    pub queues: QueuePattern,
    /// In which source; `None` for any.
    pub source: Option<SourceName>,
    /// Whose they are.
    pub service: Option<Text>,
    /// The longest that work should wait there.
    pub max_age: Option<TimeDelta>,
    /// Whether somebody is expected to take from them: not so of dead-letter queues and archives, which never stall.
    pub workers: bool,
    /// The SLO that is promised of their ages, if one is.
    pub promise: Option<DefinitionId>,
}

impl QueueRule {
    /// Whether it speaks of this queue of `source`.
    pub fn is_for(&self, source: &SourceName, sample: &QueueSample) -> bool {
        self.source.as_ref().is_none_or(|own| own == source) && self.queues.fits(sample.name.as_str())
    }
}

/// A queue's name, in which `*` stands for any characters, also none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueuePattern(String);

/// Why a text names no queues.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a queue has a name, such as \"orders\" or \"shop/*\"")]
pub struct BadPattern;

impl FromStr for QueuePattern {
    type Err = BadPattern;
    fn from_str(text: &str) -> Result<Self, BadPattern> {
        if text.trim().is_empty() { Err(BadPattern) } else { Ok(Self(Text::clean(text).as_str().to_owned())) }
    }
}

impl fmt::Display for QueuePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl QueuePattern {
    /// Whether `name` is one of these. Takes no longer than the product of the two lengths.
    pub fn fits(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let mut parts = parts.peekable();
        let mut open = false;
        while let Some(part) = parts.next() {
            open = true;
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        open || rest.is_empty()
    }
    /// Whether it names one queue only.
    pub fn is_plain(&self) -> bool {
        !self.0.contains('*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fits) in [
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("orders", "shop/orders", false),
            ("*", "", true),
            ("*", "shop/orders", true),
            ("shop/*", "shop/orders", true),
            ("shop/*", "shop", false),
            ("*.dlq", "orders.dlq", true),
            ("*.dlq", "orders.dlq.old", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("**x", "x", true),
            ("é*", "été", true),
        ] {
            assert_eq!(pattern.parse::<QueuePattern>().unwrap().fits(name), fits, "{pattern} {name}");
        }
        assert_eq!("  ".parse::<QueuePattern>(), Err(BadPattern));
    }
}
