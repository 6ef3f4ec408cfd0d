//! Rotas: who is on call as it stands now, whoever keeps the book.
//!
//! A `[[rotation]]` of the config, with the overrides of the journal, can be asked about any time. What a calendar or a service that
//! pages people has told is known for some time only, and outside of that nothing is known: not that nobody is on call. A [`Rota`] is
//! the same for both, so that screen and commands ask one thing.

use std::{fmt, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    ActId, Actor, Calls, DoubleCover, Fairness, GapInCover, IncidentId, Interval, Override, Person, Rotation, Seat, Shift, Snapshot,
    SourceName, Text, Told, double_cover, fairness,
};

/// A place in a rota: a seat, or a level of an escalation from the third on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A seat.
    Seat(Seat),
    /// Who is called when all before did not answer; from 3.
    Level(u32),
}

impl Place {
    /// Who has the pager.
    pub const PRIMARY: Self = Self::Seat(Seat::Primary);
    /// The place that a level of an escalation is, from 1.
    pub const fn of_level(level: u32) -> Self {
        match level {
            0 | 1 => Self::Seat(Seat::Primary),
            2 => Self::Seat(Seat::Secondary),
            n => Self::Level(n),
        }
    }
    /// The seat that comes nearest: who is called third is called when others did not answer.
    pub const fn seat(self) -> Seat {
        match self {
            Self::Seat(seat) => seat,
            Self::Level(_) => Seat::Secondary,
        }
    }
}

/// `primary`, `secondary`, `mentor`, `level 3`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seat(seat) => f.pad(seat.word()),
            Self::Level(level) => f.pad(&format!("level {level}")),
        }
    }
}

/// Who holds a place at some time.
#[derive(Clone, Debug, PartialEq)]
pub enum Held {
    /// Somebody; several at once where a source says so.
    By(Vec<Shift>),
    /// Nobody.
    Nobody(GapInCover),
    /// That was not told.
    Unknown,
}

impl Held {
    /// The first who holds it, if anybody.
    pub fn shift(&self) -> Option<&Shift> {
        match self {
            Self::By(shifts) => shifts.first(),
            Self::Nobody(_) | Self::Unknown => None,
        }
    }
}

/// When a place changes hands, and to whom; `None` for nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// When.
    pub at: DateTime<Utc>,
    /// To whom.
    pub who: Option<Text>,
}

/// From what a rota is read.
#[derive(Clone, Debug)]
pub enum Book {
    /// A `[[rotation]]` of the config, with the overrides of the journal.
    Own(Arc<Rotation>),
    /// What sources have told.
    Told(Told),
}

/// A rota as it stands.
#[derive(Clone, Debug)]
pub struct Rota {
    /// What it is called; unique among the rotas of a snapshot.
    pub name: Text,
    /// In which zone its calendar runs.
    pub zone: Tz,
    /// From what it is read.
    pub book: Book,
    /// Whether a source that tells it has not answered lately.
    pub stale: bool,
    /// The services that it has the pager for.
    pub serves: Vec<Text>,
    /// How its places are held, the one with the pager first.
    pub seats: Vec<SeatRow>,
    /// The times from now on, as far as is looked ahead, in which nobody has the pager.
    pub gaps: Vec<GapInCover>,
    /// Double cover in the same time.
    pub double: Vec<DoubleCover>,
    /// What it has cost whom over the last thirty days; `None` where the past is not told.
    pub fairness: Option<Arc<Fairness>>,
    /// Those that the config knows, for their zones and nights.
    pub people: Arc<Vec<Person>>,
    /// What the outgoing leave to the incoming, the newest handoff last.
    pub notes: Vec<HandoffNote>,
}

/// One place of a rota.
#[derive(Clone, Debug, PartialEq)]
pub struct SeatRow {
    /// Which.
    pub place: Place,
    /// Who holds it.
    pub now: Held,
    /// When it changes hands next; `None` if that is not known or never.
    pub next: Option<Handoff>,
    /// Its shifts in the days around now.
    pub shifts: Vec<Shift>,
}

/// What the outgoing leaves to the incoming of one handoff: what is open, what was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoffNote {
    /// Of which handoff.
    pub at: DateTime<Utc>,
    /// What.
    pub note: Text,
    /// By whom.
    pub by: Actor,
    /// When it was written.
    pub written: DateTime<Utc>,
    /// Who has read it, and when.
    pub read: Option<(Actor, DateTime<Utc>)>,
}

impl HandoffNote {
    /// How long after its handoff a note that nobody has read is still shown.
    const KEPT: TimeDelta = TimeDelta::days(7);

    /// Whether it is still to be read.
    pub fn waits(&self, now: DateTime<Utc>) -> bool {
        self.read.is_none() && now < self.at + Self::KEPT
    }
}

/// An override that somebody made while the program ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeOverride {
    /// The act.
    pub act: ActId,
    /// By whom.
    pub by: Actor,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub over: Override,
    /// Why.
    pub note: Option<Text>,
}

/// What the journal says of one rotation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RotationLog {
    /// Overrides, the strongest last.
    pub overrides: Vec<MadeOverride>,
    /// Notes by handoff, in order of time.
    pub notes: Vec<HandoffNote>,
}

/// Under which subject the journal keeps what is done to a rotation.
pub fn rotation_subject(name: &Text) -> IncidentId {
    IncidentId::new(&format!("{ROTATION_PREFIX}{name}"))
}

/// How all subjects that are rotations begin.
pub const ROTATION_PREFIX: &str = "rotation:";

/// How far back and ahead of now shifts are kept: what a screen shows.
const SHOWN: (TimeDelta, TimeDelta) = (TimeDelta::days(9), TimeDelta::days(15));
/// How far ahead gaps and double cover are looked for.
const AHEAD: TimeDelta = TimeDelta::days(14);
/// How far back the account of what it cost goes.
const ACCOUNT: TimeDelta = TimeDelta::days(30);

impl Rota {
    /// A rota of which nothing is worked out yet.
    pub fn new(name: Text, zone: Tz, book: Book) -> Self {
        Self {
            name,
            zone,
            book,
            stale: false,
            serves: Vec::new(),
            seats: Vec::new(),
            gaps: Vec::new(),
            double: Vec::new(),
            fairness: None,
            people: Arc::default(),
            notes: Vec::new(),
        }
    }
    /// The same as it stands at `now`, with what it has cost by `calls`.
    #[must_use]
    pub fn standing(mut self, calls: &Calls, now: DateTime<Utc>) -> Self {
        let shown = Interval { from: now - SHOWN.0, to: now + SHOWN.1 };
        let seat =
            |place| SeatRow { place, now: self.held(place, now), next: self.next_handoff(place, now), shifts: self.shifts(place, shown) };
        self.seats = self.places().into_iter().map(seat).collect();
        let ahead = Interval { from: now, to: now + AHEAD };
        (self.gaps, self.double) = (self.gaps(ahead), self.double_cover(ahead));
        self.fairness = self.account(calls, Interval { from: now - ACCOUNT, to: now }).map(Arc::new);
        self
    }
    /// What it has cost whom over `span`; `None` where a source tells no past.
    fn account(&self, calls: &Calls, span: Interval) -> Option<Fairness> {
        if !self.knows(span.from + TimeDelta::days(1)) {
            return None;
        }
        let shifts = self.shifts(self.first_place(), span);
        let people: Vec<_> = self.people.iter().filter(|p| self.takes_turns(&p.name)).cloned().collect();
        Some(fairness(&shifts, &calls.pages_of(self), &people, self.zone, span))
    }
    /// Whether somebody has turns with the pager, whether or not one of them was lately.
    fn takes_turns(&self, who: &Text) -> bool {
        match &self.book {
            Book::Own(rotation) => rotation.layers().any(|l| l.seat == Seat::Primary && l.participants.contains(who)),
            Book::Told(told) => told.shifts.get(&self.first_place()).into_iter().flatten().any(|s| s.who == *who),
        }
    }

    /// Who holds `place` at `at`.
    pub fn held(&self, place: Place, at: DateTime<Utc>) -> Held {
        match (&self.book, place) {
            (Book::Own(rotation), Place::Seat(seat)) => match rotation.seat_at(seat, at) {
                Ok(shift) => Held::By(vec![shift]),
                Err(gap) => Held::Nobody(gap),
            },
            (Book::Own(_), Place::Level(_)) => Held::Unknown,
            (Book::Told(told), place) => told.held(&self.name, place, at),
        }
    }
    /// When `place` changes hands next after `after`; `None` if that is not known or never.
    pub fn next_handoff(&self, place: Place, after: DateTime<Utc>) -> Option<Handoff> {
        match (&self.book, place) {
            (Book::Own(rotation), Place::Seat(seat)) => {
                let at = rotation.next_handoff_of(seat, after)?;
                Some(Handoff { at, who: rotation.who_at(seat, at).cloned() })
            }
            (Book::Own(_), Place::Level(_)) => None,
            (Book::Told(told), place) => told.next_handoff(place, after),
        }
    }
    /// The shifts of `place` that touch `between`, in order; of what is not known, none.
    pub fn shifts(&self, place: Place, between: Interval) -> Vec<Shift> {
        match (&self.book, place) {
            (Book::Own(rotation), Place::Seat(seat)) => rotation.shifts(seat, between),
            (Book::Own(_), Place::Level(_)) => Vec::new(),
            (Book::Told(told), place) => told.shifts(place, between).cloned().collect(),
        }
    }
    /// The times of `between` in which nobody has the pager, as far as that is known.
    pub fn gaps(&self, between: Interval) -> Vec<GapInCover> {
        let place = self.first_place();
        match &self.book {
            Book::Own(rotation) => rotation.gaps(place.seat(), between),
            Book::Told(told) => {
                let Some(known) = told.known_of(between) else { return Vec::new() };
                let shifts: Vec<_> = told.shifts(place, known).cloned().collect();
                super::gaps_of(&shifts, &self.name, place.seat(), known)
            }
        }
    }
    /// Double cover in `between`, as far as that is known.
    pub fn double_cover(&self, between: Interval) -> Vec<DoubleCover> {
        match &self.book {
            Book::Own(rotation) => rotation.double_cover(between),
            Book::Told(told) => {
                let Some(known) = told.known_of(between) else { return Vec::new() };
                // Somebody at the third level beside the second is no mistake of anybody's.
                let seats = told.shifts.iter().filter(|(place, _)| matches!(place, Place::Seat(_)));
                double_cover(&seats.flat_map(|(_, shifts)| shifts.clone()).collect::<Vec<_>>(), known)
            }
        }
    }
    /// Whether who is on call at `at` is known at all.
    pub fn knows(&self, at: DateTime<Utc>) -> bool {
        match &self.book {
            Book::Own(_) => true,
            Book::Told(told) => told.known.is_some_and(|known| known.contains(at)),
        }
    }
    /// Its places, the one with the pager first.
    pub fn places(&self) -> Vec<Place> {
        match &self.book {
            Book::Own(rotation) => rotation.seats().map(Place::Seat).collect(),
            Book::Told(told) if told.shifts.is_empty() => vec![Place::PRIMARY],
            Book::Told(told) => told.shifts.keys().copied().collect(),
        }
    }
    /// The place that has the pager: who is called first.
    pub fn first_place(&self) -> Place {
        match &self.book {
            Book::Own(_) => Place::PRIMARY,
            Book::Told(told) => told.shifts.keys().next().copied().unwrap_or(Place::PRIMARY),
        }
    }
    /// The sources that tell it; none for a rotation of the config.
    pub fn sources(&self) -> &[SourceName] {
        match &self.book {
            Book::Own(_) => &[],
            Book::Told(told) => &told.sources,
        }
    }
    /// How the place with the pager is held.
    pub fn pager(&self) -> Option<&SeatRow> {
        self.seats.first()
    }
    /// Where somebody lives, if the config says.
    pub fn zone_of(&self, who: &Text) -> Option<Tz> {
        self.people.iter().find(|p| p.name == *who).and_then(|p| p.time_zone)
    }
    /// The notes that are still to be read, the newest handoff last.
    pub fn waiting_notes(&self, now: DateTime<Utc>) -> impl Iterator<Item = &HandoffNote> {
        self.notes.iter().filter(move |n| n.waits(now))
    }
    /// The handoff that a note written at `now` is for: the next one, or one that was less than two hours ago.
    pub fn handoff_to_note(&self, now: DateTime<Utc>) -> Option<Handoff> {
        let pager = self.pager()?;
        let just = pager.now.shift().filter(|s| s.from <= now && now - s.from < TimeDelta::hours(2));
        let next = || pager.next.clone();
        just.map(|s| Handoff { at: s.from, who: Some(s.who.clone()) }).or_else(next)
    }
}

impl Snapshot {
    /// The rota that has the pager for a service; `None` if none is known to.
    pub fn rota_of(&self, service: &Text) -> Option<&Arc<Rota>> {
        self.rotas.iter().find(|r| r.serves.contains(service))
    }
    /// The rota of this name.
    pub fn rota(&self, name: &Text) -> Option<&Arc<Rota>> {
        self.rotas.iter().find(|r| r.name == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_waits_until_it_is_read_or_a_week_has_passed() {
        let at = |hour: i64| DateTime::from_timestamp(1_800_000_000 + hour * 3_600, 0).unwrap();
        let by = Actor { name: "maya".into(), verified: true };
        let note = HandoffNote { at: at(0), note: "x".into(), by: by.clone(), written: at(-1), read: None };
        assert!(note.waits(at(-1)) && note.waits(at(100)) && !note.waits(at(168)));
        assert!(!HandoffNote { read: Some((by, at(0))), ..note }.waits(at(1)));
    }
}
