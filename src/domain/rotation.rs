//! Rotations: who has the pager, from layers of turns with overrides above them.
//!
//! A seat is held by the newest override in force; else by the topmost layer of that seat whose hours are open; else by nobody, which
//! is a [`GapInCover`]. Any instant is looked up by itself: the calendar distance gives the turn, a binary search the override, and
//! nothing is walked from the beginning of time.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{Cover, Every, GapInCover, Hours, Interval, Seat, Shift, Text, handoff::Turns, hours::open_at};

/// How many pieces of a shift or a gap are joined, each way. Only a layer that cuts another one of the same person at every turn of
/// years has more.
const JOINED: usize = 1_000;
/// How many pieces of time are looked at for the next handoff.
const AHEAD: usize = 10_000;

/// Turns of some people on one seat.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Which seat.
    pub seat: Seat,
    /// Who, in the order of their turns; a name may stand there more than once.
    pub participants: Vec<Text>,
    /// How often it changes hands.
    pub every: Every,
    /// When the first turn begins, on the wall clock of the rotation's zone. Nobody has a turn before.
    pub first: NaiveDateTime,
    /// In which hours of the week it is in force; none for always.
    pub only: Vec<Hours>,
}

/// Somebody takes a seat over for some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Who.
    pub who: Text,
    /// Which seat.
    pub seat: Seat,
    /// From when to when.
    pub during: Interval,
}

/// Why a rotation cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRotation {
    /// A layer without people.
    #[error("{0}: a layer has no participants; name at least one")]
    NoParticipants(Text),
    /// An override that ends before it begins.
    #[error("{0}: an override of {1} ends before it begins; swap its times")]
    Backwards(Text, Text),
}

/// Who is on call, when.
#[derive(Clone, Debug)]
pub struct Rotation {
    name: Text,
    zone: Tz,
    layers: Vec<Running>,
    overrides: Vec<Override>,
    /// The overrides in force by seat, in order and without overlap: places in `overrides`.
    in_force: Vec<(Seat, Vec<(Interval, usize)>)>,
}

/// A layer with its turns.
#[derive(Clone, Debug)]
struct Running {
    layer: Layer,
    turns: Turns,
    /// Whether all turns are one person's, so that none of them ends.
    alone: bool,
}

/// The state of a seat, and the time around an instant in which it is so.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    held: Option<(&'a Text, Cover)>,
    span: Interval,
}

impl Rotation {
    /// A rotation. Of two layers of a seat the later one in `layers` is above the other; of two overrides too.
    pub fn new(name: Text, zone: Tz, layers: Vec<Layer>, overrides: Vec<Override>) -> Result<Self, BadRotation> {
        if layers.iter().any(|l| l.participants.is_empty()) {
            return Err(BadRotation::NoParticipants(name));
        }
        let running = |layer: Layer| {
            let alone = layer.participants.iter().all(|p| layer.participants.first() == Some(p));
            Running { turns: Turns::new(zone, layer.first, layer.every), alone, layer }
        };
        let layers = layers.into_iter().map(running).collect();
        Self { name, zone, layers, overrides: Vec::new(), in_force: Vec::new() }.with(overrides)
    }
    /// The same rotation with more overrides, above those that it has.
    pub fn with(mut self, overrides: impl IntoIterator<Item = Override>) -> Result<Self, BadRotation> {
        self.overrides.extend(overrides);
        if let Some(bad) = self.overrides.iter().find(|o| o.during.from >= o.during.to) {
            return Err(BadRotation::Backwards(self.name, bad.who.clone()));
        }
        self.in_force = Seat::ALL.into_iter().map(|seat| (seat, in_force(&self.overrides, seat))).collect();
        Ok(self)
    }
    /// What it is called.
    pub fn name(&self) -> &Text {
        &self.name
    }
    /// In which zone its calendar runs.
    pub fn zone(&self) -> Tz {
        self.zone
    }
    /// Its layers, the topmost last.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = &Layer> {
        self.layers.iter().map(|r| &r.layer)
    }
    /// Its overrides, the strongest last.
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }
    /// The seats that it fills at some time; the one with the pager always, and first.
    pub fn seats(&self) -> impl Iterator<Item = Seat> {
        let filled = |seat| self.layers().any(|l| l.seat == seat) || self.overrides.iter().any(|o| o.seat == seat);
        Seat::ALL.into_iter().filter(move |seat| *seat == Seat::Primary || filled(*seat))
    }

    /// Who has the pager at `at`, from when to when.
    pub fn on_call_at(&self, at: DateTime<Utc>) -> Result<Shift, GapInCover> {
        self.seat_at(Seat::Primary, at)
    }
    /// Who holds `seat` at `at`, from when to when.
    pub fn seat_at(&self, seat: Seat, at: DateTime<Utc>) -> Result<Shift, GapInCover> {
        let piece = self.whole(seat, at);
        let Interval { from, to } = piece.span;
        let ends = (to < DateTime::<Utc>::MAX_UTC).then_some(to);
        let rotation = self.name.clone();
        match piece.held {
            Some((who, cover)) => Ok(Shift { rotation, seat, who: who.clone(), cover, from, to: ends }),
            None => Err(GapInCover { rotation, seat, from: (from > DateTime::<Utc>::MIN_UTC).then_some(from), to: ends }),
        }
    }
    /// Only who holds `seat` at `at`, not for how long: the quickest question. `None` if nobody does.
    pub fn who_at(&self, seat: Seat, at: DateTime<Utc>) -> Option<&Text> {
        self.piece(seat, at).held.map(|(who, _)| who)
    }
    /// When the pager next goes to somebody else, or to nobody, or from nobody to somebody; `None` if it never does.
    pub fn next_handoff(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_handoff_of(Seat::Primary, after)
    }
    /// As [`Rotation::next_handoff`], for any seat.
    pub fn next_handoff_of(&self, seat: Seat, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let now = self.piece(seat, after);
        let who = |piece: &Piece<'_>| piece.held.map(|(who, _)| who.clone());
        let held = who(&now);
        let mut at = now.span.to;
        for _ in 0..AHEAD {
            if at == DateTime::<Utc>::MAX_UTC {
                return None;
            }
            let next = self.piece(seat, at);
            if who(&next) != held {
                return Some(at);
            }
            at = next.span.to;
        }
        None
    }
    /// The shifts of `seat` that touch `between`, in order. The first may begin before it, the last end after it.
    pub fn shifts(&self, seat: Seat, between: Interval) -> Vec<Shift> {
        self.stretches(seat, between).filter_map(Result::ok).collect()
    }
    /// The times of `between` in which nobody holds `seat`, in order. The first may begin before it, the last end after it.
    pub fn gaps(&self, seat: Seat, between: Interval) -> Vec<GapInCover> {
        self.stretches(seat, between).filter_map(Result::err).collect()
    }

    /// The turns of each layer of `seat` that is limited to some hours, within `between`, whatever lies above it.
    pub(super) fn limited_turns(&self, seat: Seat, between: Interval) -> Vec<Vec<(Interval, Text)>> {
        let limited = self.layers.iter().filter(|r| r.layer.seat == seat && !r.layer.only.is_empty());
        limited.map(|running| running.turns_within(self.zone, between)).collect()
    }

    /// Shifts and gaps of `seat` that touch `between`, in order and without a hole.
    fn stretches(&self, seat: Seat, between: Interval) -> impl Iterator<Item = Result<Shift, GapInCover>> {
        let mut at = Some(between.from);
        std::iter::from_fn(move || {
            let stretch = self.seat_at(seat, at.filter(|at| *at < between.to)?);
            at = stretch.as_ref().map_or_else(|gap| gap.to, |shift| shift.to);
            Some(stretch)
        })
    }
    /// The state of `seat` at `at`, for as long as it lasts.
    fn whole(&self, seat: Seat, at: DateTime<Utc>) -> Piece<'_> {
        let mut whole = self.piece(seat, at);
        for _ in 0..JOINED {
            let next = Some(whole.span.to).filter(|to| *to < DateTime::<Utc>::MAX_UTC).map(|to| self.piece(seat, to));
            match next.filter(|next| next.held == whole.held) {
                Some(next) => whole.span.to = next.span.to,
                None => break,
            }
        }
        for _ in 0..JOINED {
            let before = Some(whole.span.from).filter(|from| *from > DateTime::<Utc>::MIN_UTC);
            let before = before.map(|from| self.piece(seat, from - TimeDelta::nanoseconds(1)));
            match before.filter(|before| before.held == whole.held) {
                Some(before) => whole.span.from = before.span.from,
                None => break,
            }
        }
        whole
    }
    /// The state of `seat` at `at`, for some time around it.
    fn piece(&self, seat: Seat, at: DateTime<Utc>) -> Piece<'_> {
        let mut whole = self.overridden(seat, at);
        for running in self.layers.iter().rev().filter(|r| r.layer.seat == seat) {
            if whole.held.is_some() {
                break;
            }
            whole = running.at(self.zone, at).beneath(whole.span);
        }
        whole
    }
    /// The override of `seat` at `at`, or the time around it without any.
    fn overridden(&self, seat: Seat, at: DateTime<Utc>) -> Piece<'_> {
        let empty = [].as_slice();
        let all = self.in_force.iter().find(|(s, _)| *s == seat).map_or(empty, |(_, all)| all);
        let next = all.partition_point(|(during, _)| during.from <= at);
        let before = next.checked_sub(1).and_then(|n| all.get(n));
        if let Some((during, n)) = before.filter(|(during, _)| at < during.to) {
            return Piece { held: self.overrides.get(*n).map(|o| (&o.who, Cover::Override)), span: *during };
        }
        let from = before.map_or(DateTime::<Utc>::MIN_UTC, |(during, _)| during.to);
        let to = all.get(next).map_or(DateTime::<Utc>::MAX_UTC, |(during, _)| during.from);
        Piece { held: None, span: Interval { from, to } }
    }
}

impl Running {
    /// Whose turn it is at `at`, if the layer is in force then.
    fn at(&self, zone: Tz, at: DateTime<Utc>) -> Piece<'_> {
        let Some(turn) = self.turns.at(at) else {
            return Piece { held: None, span: Interval { from: DateTime::<Utc>::MIN_UTC, to: self.turns.begin() } };
        };
        let own = if self.alone {
            Interval { from: self.turns.begin(), to: DateTime::<Utc>::MAX_UTC }
        } else {
            Interval { from: turn.from, to: turn.to }
        };
        let place = turn.number.checked_rem(self.layer.participants.len() as u64).and_then(|n| usize::try_from(n).ok());
        let who = place.and_then(|n| self.layer.participants.get(n));
        let turn = Piece { held: who.map(|who| (who, Cover::Turn)), span: own };
        if self.layer.only.is_empty() {
            return turn;
        }
        match open_at(&self.layer.only, zone, at) {
            (true, open) => turn.beneath(open),
            (false, span) => Piece { held: None, span: Interval { from: span.from.max(self.turns.begin()), to: span.to } },
        }
    }
    /// Its turns in `between`, whatever lies above it.
    fn turns_within(&self, zone: Tz, between: Interval) -> Vec<(Interval, Text)> {
        let (mut at, mut found) = (between.from, Vec::new());
        while at < between.to {
            let piece = self.at(zone, at);
            found.extend(piece.held.map(|(who, _)| (piece.beneath(between).span, who.clone())));
            at = piece.span.to;
        }
        found
    }
}

impl Piece<'_> {
    /// This state, as far as it is also in `span`.
    fn beneath(self, span: Interval) -> Self {
        Self { held: self.held, span: Interval { from: self.span.from.max(span.from), to: self.span.to.min(span.to) } }
    }
}

/// The stretches of time in which each override of `seat` is in force: the later one of those that overlap.
fn in_force(overrides: &[Override], seat: Seat) -> Vec<(Interval, usize)> {
    let ours: Vec<_> = overrides.iter().enumerate().filter(|(_, o)| o.seat == seat).collect();
    let mut edges: Vec<_> = ours.iter().flat_map(|(_, o)| [o.during.from, o.during.to]).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut all: Vec<(Interval, usize)> = Vec::new();
    for (from, to) in edges.iter().zip(edges.iter().skip(1)) {
        let Some((n, _)) = ours.iter().rev().find(|(_, o)| o.during.contains(*from)) else { continue };
        match all.last_mut().filter(|(during, last)| during.to == *from && last == n) {
            Some((during, _)) => during.to = *to,
            None => all.push((Interval { from: *from, to: *to }, *n)),
        }
    }
    all
}

#[cfg(test)]
mod tests;
