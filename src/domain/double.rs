//! Double cover: two people who may both believe that a seat is theirs, or one person on two seats at once.
//!
//! Layers and overrides have an order, so somebody always holds the seat; what is found here is where that order had to decide between
//! people. An open layer under one that is limited to some hours is a rule with its exception and is not reported; two limited layers
//! were meant to share the week, so an overlap of theirs is. The shifts of a feed have no order: any two at once are reported.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Cover, Interval, Rotation, Seat, Shift, Text};

/// A time in which more people or more seats are taken than should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoubleCover {
    /// In which rotation.
    pub rotation: Text,
    /// When.
    pub during: Interval,
    /// What is doubled.
    pub what: Doubled,
}

/// What is doubled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubled {
    /// Two people on one seat. In a rotation the first of them holds it.
    People(Seat, Text, Text),
    /// One person on two seats: who is called second is the one who did not answer first.
    Seats(Text, Seat, Seat),
}

impl fmt::Display for DoubleCover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Doubled::People(seat, one, other) => write!(f, "{}: {one} and {other} are both {seat}", self.rotation)?,
            Doubled::Seats(who, one, other) => write!(f, "{}: {who} is both {one} and {other}", self.rotation)?,
        }
        let shown = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%MZ").to_string();
        write!(f, " from {} until {}", shown(self.during.from), shown(self.during.to))
    }
}

impl Rotation {
    /// All double cover in `between`, in order of time.
    pub fn double_cover(&self, between: Interval) -> Vec<DoubleCover> {
        let by_seat: Vec<_> = self.seats().map(|seat| (seat, self.shifts(seat, between))).collect();
        let mut all = on_two_seats(&by_seat, between);
        for (seat, shifts) in &by_seat {
            let pairs = self.layer_pairs(*seat, between).into_iter().flat_map(|(during, holds, yields)| {
                // Where an override decides, the layers do not.
                let turns = shifts.iter().filter(|s| s.cover == Cover::Turn && s.who == holds);
                turns.filter_map(|s| Some((s.within(during)?, s.who.clone(), yields.clone()))).collect::<Vec<_>>()
            });
            let pairs = pairs.chain(self.override_pairs(*seat, between));
            all.extend(pairs.map(|(during, one, other)| self.doubled(during, Doubled::People(*seat, one, other))));
        }
        sorted(all)
    }
    fn doubled(&self, during: Interval, what: Doubled) -> DoubleCover {
        DoubleCover { rotation: self.name().clone(), during, what }
    }
    /// Where two limited layers of `seat` are in force at once for different people; the upper one's first.
    fn layer_pairs(&self, seat: Seat, between: Interval) -> Vec<(Interval, Text, Text)> {
        let limited = self.limited_turns(seat, between);
        let mut found = Vec::new();
        for (n, lower) in limited.iter().enumerate() {
            for upper in limited.iter().skip(n + 1) {
                found.extend(meeting(upper, lower).into_iter().filter(|(_, one, other)| one != other));
            }
        }
        found
    }
    /// Where two overrides of `seat` overlap for different people; the later one's first.
    fn override_pairs(&self, seat: Seat, between: Interval) -> Vec<(Interval, Text, Text)> {
        let ours: Vec<_> = self.overrides().iter().filter(|o| o.seat == seat).collect();
        let mut found = Vec::new();
        for (n, lower) in ours.iter().enumerate() {
            for upper in ours.iter().skip(n + 1).filter(|upper| upper.who != lower.who) {
                let during = both(upper.during, lower.during).and_then(|during| both(during, between));
                found.extend(during.map(|during| (during, upper.who.clone(), lower.who.clone())));
            }
        }
        found
    }
}

/// All double cover among the shifts of a feed, in order of time.
pub fn double_cover(shifts: &[Shift], between: Interval) -> Vec<DoubleCover> {
    let mut all = Vec::new();
    let rotations: std::collections::BTreeSet<_> = shifts.iter().map(|s| &s.rotation).collect();
    for rotation in rotations {
        let of = |seat| shifts.iter().filter(|s| s.rotation == *rotation && s.seat == seat).cloned().collect::<Vec<_>>();
        let by_seat: Vec<_> = Seat::ALL.into_iter().map(|seat| (seat, of(seat))).collect();
        for (seat, shifts) in &by_seat {
            all.extend(at_once(shifts, between).into_iter().map(|(during, one, other)| DoubleCover {
                rotation: rotation.clone(),
                during,
                what: Doubled::People(*seat, one, other),
            }));
        }
        all.extend(on_two_seats(&by_seat, between));
    }
    sorted(all)
}

/// Which of `shifts`, all of one seat, lie over each other for different people.
fn at_once(shifts: &[Shift], between: Interval) -> Vec<(Interval, Text, Text)> {
    let mut found = Vec::new();
    for (n, one) in shifts.iter().enumerate() {
        for other in shifts.iter().skip(n + 1).filter(|other| other.who != one.who) {
            let during = one.within(between).and_then(|part| other.within(part));
            found.extend(during.map(|during| (during, one.who.clone(), other.who.clone())));
        }
    }
    found
}

/// Who is on two seats at once.
fn on_two_seats(by_seat: &[(Seat, Vec<Shift>)], between: Interval) -> Vec<DoubleCover> {
    let mut all = Vec::new();
    for (n, (one, first)) in by_seat.iter().enumerate() {
        for (other, second) in by_seat.iter().skip(n + 1) {
            for shift in first {
                let same = second.iter().filter(|s| s.who == shift.who);
                let during = same.filter_map(|s| s.within(shift.within(between)?));
                all.extend(during.map(|during| DoubleCover {
                    rotation: shift.rotation.clone(),
                    during,
                    what: Doubled::Seats(shift.who.clone(), *one, *other),
                }));
            }
        }
    }
    all
}

fn both(a: Interval, b: Interval) -> Option<Interval> {
    Some(Interval { from: a.from.max(b.from), to: a.to.min(b.to) }).filter(|i| i.from < i.to)
}

/// Where two sequences, each in order and without overlap, are on at once.
fn meeting(one: &[(Interval, Text)], other: &[(Interval, Text)]) -> Vec<(Interval, Text, Text)> {
    let mut found = Vec::new();
    for (during, who) in one {
        let first = other.partition_point(|(b, _)| b.to <= during.from);
        let near = other.iter().skip(first).take_while(|(b, _)| b.from < during.to);
        found.extend(near.filter_map(|(b, other)| Some((both(*during, *b)?, who.clone(), other.clone()))));
    }
    found
}

fn sorted(mut all: Vec<DoubleCover>) -> Vec<DoubleCover> {
    all.sort_by_key(|d| (d.during.from, d.during.to));
    all
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::{
        super::{Every, Layer, Override},
        *,
    };

    fn span(from: &str, to: &str) -> Interval {
        Interval { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }
    fn layer(seat: Seat, people: &[&str], only: &[&str]) -> Layer {
        let first = "2026-01-05T09:00:00".parse().unwrap();
        let participants = people.iter().map(|p| Text::from(*p)).collect();
        Layer { seat, participants, every: Every::Days(7), first, only: only.iter().map(|h| h.parse().unwrap()).collect() }
    }
    fn over(who: &str, during: Interval) -> Override {
        Override { who: Text::from(who), seat: Seat::Primary, during }
    }
    fn rotation(layers: Vec<Layer>, overrides: Vec<Override>) -> Rotation {
        Rotation::new(Text::from("payments"), Tz::UTC, layers, overrides).unwrap()
    }
    fn said(rotation: &Rotation, during: Interval) -> Vec<String> {
        rotation.double_cover(during).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rule_and_its_exception_are_no_double_cover() {
        let layers = vec![layer(Seat::Primary, &["maya", "jon"], &[]), layer(Seat::Primary, &["ana"], &["mon-fri 09:00-18:00"])];
        assert_eq!(said(&rotation(layers, vec![]), span("2026-01-05T09:00:00Z", "2026-02-05T09:00:00Z")), [""; 0]);
    }

    #[test]
    fn layers_that_share_the_week_are_watched_for_overlap() {
        let layers = || vec![layer(Seat::Primary, &["maya"], &["tue 09:00-18:00"]), layer(Seat::Primary, &["ana"], &["tue 17:00-09:00"])];
        let week = span("2026-01-05T09:00:00Z", "2026-01-12T09:00:00Z");
        assert_eq!(
            said(&rotation(layers(), vec![]), week),
            ["payments: ana and maya are both primary from 2026-01-06T17:00Z until 2026-01-06T18:00Z"]
        );
        let jon = over("jon", span("2026-01-06T12:00:00Z", "2026-01-06T20:00:00Z"));
        assert_eq!(said(&rotation(layers(), vec![jon]), week), [""; 0]);
        let jon = over("jon", span("2026-01-06T17:20:00Z", "2026-01-06T17:40:00Z"));
        assert_eq!(
            said(&rotation(layers(), vec![jon]), week),
            [
                "payments: ana and maya are both primary from 2026-01-06T17:00Z until 2026-01-06T17:20Z",
                "payments: ana and maya are both primary from 2026-01-06T17:40Z until 2026-01-06T18:00Z",
            ]
        );
    }

    #[test]
    fn overrides_over_overrides_and_people_on_two_seats_are_named() {
        let layers = vec![layer(Seat::Primary, &["maya", "jon"], &[]), layer(Seat::Secondary, &["jon", "maya"], &[])];
        let overrides = vec![
            over("jon", span("2026-01-06T10:00:00Z", "2026-01-06T14:00:00Z")),
            over("ana", span("2026-01-06T12:00:00Z", "2026-01-06T16:00:00Z")),
        ];
        assert_eq!(
            said(&rotation(layers, overrides), span("2026-01-05T09:00:00Z", "2026-01-19T09:00:00Z")),
            [
                "payments: jon is both primary and secondary from 2026-01-06T10:00Z until 2026-01-06T12:00Z",
                "payments: ana and jon are both primary from 2026-01-06T12:00Z until 2026-01-06T14:00Z",
            ]
        );
    }

    #[test]
    fn any_two_shifts_of_a_feed_at_once_are_named() {
        let shift = |who: &str, seat, during: Interval| Shift {
            rotation: Text::from("data"),
            seat,
            who: Text::from(who),
            cover: Cover::Turn,
            from: during.from,
            to: Some(during.to),
        };
        let shifts = [
            shift("sam", Seat::Primary, span("2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z")),
            shift("lena", Seat::Primary, span("2026-01-05T20:00:00Z", "2026-01-07T00:00:00Z")),
            shift("lena", Seat::Mentor, span("2026-01-06T12:00:00Z", "2026-01-06T13:00:00Z")),
        ];
        let found = double_cover(&shifts, span("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"));
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "data: sam and lena are both primary from 2026-01-05T20:00Z until 2026-01-06T00:00Z",
                "data: lena is both primary and mentor from 2026-01-06T12:00Z until 2026-01-06T13:00Z",
            ]
        );
    }
}
