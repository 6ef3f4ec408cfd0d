//! Who is on call, as a backend tells it: one stretch of one person at one place of an escalation.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Held, Incident, Place, Rota, Seat, Service, Shift, Snapshot, SourceName, Text};

/// One person's stretch on call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnCallEntry {
    /// Who, as the backend calls them.
    pub who: Text,
    /// Their mail address there; `None` if it was not told.
    pub email: Option<Text>,
    /// Place in the escalation, from 1: who is called first.
    pub level: u32,
    /// The schedule that put them there; `None` if they stand in the escalation by name.
    pub schedule: Option<Text>,
    /// The escalation they serve; `None` if it was not told.
    pub policy: Option<Text>,
    /// From when; `None` if always.
    pub from: Option<DateTime<Utc>>,
    /// Until when; `None` if for ever.
    pub until: Option<DateTime<Utc>>,
}

impl OnCallEntry {
    /// How far ahead backends are asked.
    pub const AHEAD: TimeDelta = TimeDelta::days(14);

    /// Whether it holds at `at`.
    pub fn holds_at(&self, at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
    /// What it is a turn of: the schedule, else the escalation.
    pub fn rotation(&self) -> Option<&Text> {
        self.schedule.as_ref().or(self.policy.as_ref())
    }
    /// The seat that its level is: `primary`, `secondary`, `level 3`.
    pub fn seat(&self) -> String {
        match self.level {
            0 | 1 => "primary".to_owned(),
            2 => "secondary".to_owned(),
            n => format!("level {n}"),
        }
    }
}

/// Whose turn it is for an incident at `at`, first those who are called first: by the escalation that the incident follows where it is
/// paged, else by the `rotation` of its service, a rota of the config where no paging service tells it. Empty if neither is known, or
/// nobody has it.
pub fn on_call_for(snapshot: &Snapshot, incident: &Incident, service: Option<&Service>, at: DateTime<Utc>) -> Vec<OnCallEntry> {
    let paged = incident.paged().and_then(|(source, id)| {
        let kept = snapshot.paged.get(source)?.iter().find(|p| p.id == id)?;
        Some((source, kept.policy.as_ref()?))
    });
    let rotation = service.and_then(|s| s.rotation.as_ref());
    let all = snapshot.on_call.iter().flat_map(|(source, entries)| entries.iter().map(move |e| (source, e)));
    let serves = |source: &SourceName, entry: &OnCallEntry| match (paged, rotation) {
        (Some((of, policy)), _) => source == of && entry.policy.as_ref() == Some(policy),
        (None, Some(name)) => entry.schedule.as_ref() == Some(name) || entry.policy.as_ref() == Some(name),
        (None, None) => false,
    };
    let mut found: Vec<_> = all.filter(|(source, e)| e.holds_at(at) && serves(source, e)).map(|(_, e)| e.clone()).collect();
    if found.is_empty()
        && let Some(rota) = rotation.and_then(|name| snapshot.rota(name))
    {
        found = of_rota(rota, at);
    }
    found.sort_by_key(|e| e.level);
    found
}

/// Who holds the places of a rota, as turns.
fn of_rota(rota: &Rota, at: DateTime<Utc>) -> Vec<OnCallEntry> {
    let level = |place: Place| match place {
        Place::Seat(Seat::Primary) => Some(1),
        Place::Seat(Seat::Secondary) => Some(2),
        // A mentor rides along, and is called by nobody.
        Place::Seat(Seat::Mentor) => None,
        Place::Level(level) => Some(level),
    };
    let turn = |level: u32, shift: Shift| OnCallEntry {
        who: shift.who,
        email: None,
        level,
        schedule: Some(rota.name.clone()),
        policy: None,
        from: Some(shift.from),
        until: shift.to,
    };
    let levels = rota.places().into_iter().filter_map(|place| Some((level(place)?, place)));
    let held = levels.filter_map(|(level, place)| match rota.held(place, at) {
        Held::By(shifts) => Some(shifts.into_iter().map(move |shift| turn(level, shift))),
        Held::Nobody(_) | Held::Unknown => None,
    });
    held.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_without_ends_always_holds() {
        let at = |secs| DateTime::from_timestamp(secs, 0).unwrap();
        let always =
            OnCallEntry { who: "maya".into(), email: None, level: 1, schedule: None, policy: Some("web".into()), from: None, until: None };
        assert!(always.holds_at(at(0)) && always.seat() == "primary" && always.rotation().unwrap().as_str() == "web");
        let turn = OnCallEntry { from: Some(at(10)), until: Some(at(20)), level: 3, schedule: Some("week".into()), ..always };
        assert_eq!([9, 10, 19, 20].map(|s| turn.holds_at(at(s))), [false, true, true, false]);
        assert_eq!((turn.seat().as_str(), turn.rotation().unwrap().as_str()), ("level 3", "week"));
    }
}
