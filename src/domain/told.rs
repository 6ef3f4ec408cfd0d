//! What others tell of a rota: calendars and services that page people. It is known for some time only.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Cover, GapInCover, Handoff, Held, Interval, OnCallEntry, Person, Place, Shift, SourceName, Text, person_of};

/// What sources have told of one rota.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Which sources.
    pub sources: Vec<SourceName>,
    /// For which time; `None` until they answer.
    pub known: Option<Interval>,
    /// Shifts by place, in order of time.
    pub shifts: BTreeMap<Place, Vec<Shift>>,
}

impl Told {
    /// The shifts of `place` that touch `between`.
    pub(super) fn shifts(&self, place: Place, between: Interval) -> impl Iterator<Item = &Shift> {
        self.shifts.get(&place).into_iter().flatten().filter(move |s| s.within(between).is_some())
    }
    /// The part of `span` that is known.
    pub(super) fn known_of(&self, span: Interval) -> Option<Interval> {
        let known = self.known?;
        let part = Interval { from: known.from.max(span.from), to: known.to.min(span.to) };
        (part.from < part.to).then_some(part)
    }
    /// Who holds `place` at `at`; `rota` is what to call it.
    pub(super) fn held(&self, rota: &Text, place: Place, at: DateTime<Utc>) -> Held {
        let Some(known) = self.known.filter(|known| known.contains(at)) else { return Held::Unknown };
        let all = || self.shifts.get(&place).into_iter().flatten();
        let now: Vec<_> = all().filter(|s| s.contains(at)).cloned().collect();
        if !now.is_empty() {
            return Held::By(now);
        }
        let from = all().filter_map(|s| s.to).filter(|to| *to <= at).max().unwrap_or(known.from);
        let to = all().map(|s| s.from).filter(|from| *from > at).min().unwrap_or(known.to);
        Held::Nobody(GapInCover { rotation: rota.clone(), seat: place.seat(), from: Some(from), to: Some(to) })
    }
    /// When `place` changes hands next after `after`; `None` if that is not known or never.
    pub(super) fn next_handoff(&self, place: Place, after: DateTime<Utc>) -> Option<Handoff> {
        let who = |at| self.shifts.get(&place).into_iter().flatten().find(|s| s.contains(at)).map(|s| s.who.clone());
        let now = who(after);
        let edges = self.shifts.get(&place).into_iter().flatten().flat_map(|s| [Some(s.from), s.to]).flatten();
        let mut edges: Vec<_> = edges.filter(|at| *at > after && self.known.is_some_and(|known| *at < known.to)).collect();
        edges.sort_unstable();
        edges.into_iter().find(|at| who(*at) != now).map(|at| Handoff { at, who: who(at) })
    }
}

/// What an escalation's turns say of each rota that they are of, by the rota's name: who is resolved through `people` by mail address, and
/// of the levels on which the same turn stands the first counts.
pub fn rotas_of(source: &SourceName, entries: &[OnCallEntry], known: Interval, people: &[Person]) -> BTreeMap<Text, Told> {
    let mut found: BTreeMap<Text, Told> = BTreeMap::new();
    let mut sorted: Vec<_> = entries.iter().filter_map(|e| Some((e.rotation()?, e))).collect();
    sorted.sort_by_key(|(_, e)| (e.level, e.from));
    for (name, entry) in sorted {
        let told =
            found.entry(name.clone()).or_insert_with(|| Told { sources: vec![source.clone()], known: Some(known), ..Told::default() });
        let place = Place::of_level(entry.level);
        let shift = Shift {
            rotation: name.clone(),
            seat: place.seat(),
            who: entry.resolved(people),
            cover: Cover::Turn,
            from: entry.from.unwrap_or(DateTime::<Utc>::MIN_UTC),
            to: entry.until,
        };
        let same = |s: &Shift| (&s.who, s.from, s.to) == (&shift.who, shift.from, shift.to);
        if !told.shifts.values().flatten().any(same) {
            told.shifts.entry(place).or_default().push(shift);
        }
    }
    for shifts in found.values_mut().flat_map(|told| told.shifts.values_mut()) {
        shifts.sort_by(|a, b| (a.from, &a.who).cmp(&(b.from, &b.who)));
    }
    found
}

impl OnCallEntry {
    /// Who it is: the [`Person`] with this mail address, else as the backend calls them.
    pub fn resolved(&self, people: &[Person]) -> Text {
        self.email.as_ref().and_then(|email| person_of(people, email)).map_or_else(|| self.who.clone(), |p| p.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Book, Handoff, Rota};

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + hour * 3_600, 0).unwrap()
    }
    fn entry(who: &str, level: u32, schedule: Option<&str>, from: Option<i64>, until: Option<i64>) -> OnCallEntry {
        OnCallEntry {
            who: who.into(),
            email: Some(Text::from(format!("{who}@acme.example"))),
            level,
            schedule: schedule.map(Text::from),
            policy: Some("web".into()),
            from: from.map(at),
            until: until.map(at),
        }
    }
    fn rota(told: Told) -> Rota {
        Rota::new("week".into(), chrono_tz::UTC, Book::Told(told))
    }

    #[test]
    fn turns_of_an_escalation_are_rows_and_the_first_of_their_levels_counts() {
        let maya = Person { name: "maya".into(), login: None, email: Some("MK@acme.example".into()), time_zone: None, night: None };
        let entries = [
            entry("mk", 2, Some("week"), Some(0), Some(10)),
            entry("mk", 1, Some("week"), Some(0), Some(10)),
            entry("tom", 1, Some("week"), Some(12), Some(20)),
            entry("boss", 3, None, None, None),
        ];
        let known = Interval { from: at(1), to: at(30) };
        let found = rotas_of(&"pd".into(), &entries, known, std::slice::from_ref(&maya));
        assert_eq!(found.keys().map(Text::as_str).collect::<Vec<_>>(), ["web", "week"]);
        let week = rota(found[&Text::from("week")].clone());
        assert_eq!(week.places(), [Place::PRIMARY]);
        let who = |hour| week.held(Place::PRIMARY, at(hour)).shift().map(|s| s.who.to_string());
        assert_eq!((who(5), who(15)), (Some("maya".into()), Some("tom".into())));
        assert_eq!(week.held(Place::PRIMARY, at(40)), Held::Unknown);
        assert_eq!(week.held(Place::PRIMARY, at(0)), Held::Unknown, "what was before it answered is not known");
        let Held::Nobody(gap) = week.held(Place::PRIMARY, at(11)) else { panic!("somebody") };
        assert_eq!((gap.from, gap.to), (Some(at(10)), Some(at(12))));
        let gaps = week.gaps(Interval { from: at(0), to: at(50) });
        assert_eq!(gaps.iter().map(|g| (g.from.unwrap(), g.to.unwrap())).collect::<Vec<_>>(), [(at(10), at(12)), (at(20), at(30))]);
        assert_eq!(week.next_handoff(Place::PRIMARY, at(5)), Some(Handoff { at: at(10), who: None }));
        assert_eq!(week.next_handoff(Place::PRIMARY, at(10)), Some(Handoff { at: at(12), who: Some("tom".into()) }));
        let web = rota(found[&Text::from("web")].clone());
        assert_eq!((web.places(), Place::Level(3).to_string().as_str()), (vec![Place::Level(3)], "level 3"));
        assert!(web.held(Place::Level(3), at(2)).shift().is_some_and(|s| s.to.is_none()));
    }
}
