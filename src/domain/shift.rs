//! Shifts: who holds which seat of a rotation from when to when, and the times at which nobody does.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Interval, Text};

/// A place in a rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seat {
    /// Has the pager.
    #[default]
    Primary,
    /// Is called when the first does not answer.
    Secondary,
    /// Rides along: to teach, or to learn.
    Mentor,
}

impl Seat {
    /// All seats, the one with the pager first.
    pub const ALL: [Self; 3] = [Self::Primary, Self::Secondary, Self::Mentor];
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Mentor => "mentor",
        }
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Why somebody holds a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cover {
    /// It is their turn.
    Turn,
    /// They took it over.
    Override,
}

/// One person on one seat for a stretch of time that is as long as it can be: before and after it somebody else holds the seat, or
/// nobody, or the same person for the other reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// Of which rotation.
    pub rotation: Text,
    /// Which seat.
    pub seat: Seat,
    /// Who.
    pub who: Text,
    /// Why.
    pub cover: Cover,
    /// Its first instant.
    pub from: DateTime<Utc>,
    /// The first instant after it; `None` if it has no end.
    pub to: Option<DateTime<Utc>>,
}

impl Shift {
    /// The part of it that lies in `span`; `None` if there is none.
    pub fn within(&self, span: Interval) -> Option<Interval> {
        let part = Interval { from: self.from.max(span.from), to: self.to.map_or(span.to, |to| to.min(span.to)) };
        (part.from < part.to).then_some(part)
    }
    /// Whether it is on at `at`.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}

/// A time in which nobody holds a seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct GapInCover {
    /// Of which rotation.
    pub rotation: Text,
    /// Which seat.
    pub seat: Seat,
    /// Its first instant; `None` if nobody ever held the seat before.
    pub from: Option<DateTime<Utc>>,
    /// The first instant after it; `None` if nobody ever will.
    pub to: Option<DateTime<Utc>>,
}

impl fmt::Display for GapInCover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: nobody is {}", self.rotation, self.seat)?;
        if let Some(from) = self.from {
            write!(f, " from {}", from.format("%Y-%m-%dT%H:%MZ"))?;
        }
        match self.to {
            Some(to) => write!(f, " until {}", to.format("%Y-%m-%dT%H:%MZ"))?,
            None => f.write_str(" from then on")?,
        }
        f.write_str("; add a layer or an override")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_says_whose_seat_is_empty_and_what_to_do() {
        let at = |text: &str| Some(text.parse().unwrap());
        let gap = |from, to| GapInCover { rotation: Text::from("data"), seat: Seat::Primary, from, to };
        for (gap, said) in [
            (
                gap(at("2026-11-27T17:00:00Z"), at("2026-11-27T20:00:00Z")),
                "data: nobody is primary from 2026-11-27T17:00Z until 2026-11-27T20:00Z; add a layer or an override",
            ),
            (gap(None, at("2026-11-27T20:00:00Z")), "data: nobody is primary until 2026-11-27T20:00Z; add a layer or an override"),
            (
                gap(at("2026-11-27T17:00:00Z"), None),
                "data: nobody is primary from 2026-11-27T17:00Z from then on; add a layer or an override",
            ),
        ] {
            assert_eq!(gap.to_string(), said);
        }
    }
}
