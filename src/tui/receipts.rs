//! What became of the acts that were asked for here: told once, in the words of the person who asked.
//!
//! The answer to an act is its end in the journal, which comes with a snapshot; there is no other way back.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{state::Taking, widgets::figures::When};
use crate::domain::{ActId, Effect, Entry, Escalation, IncidentId, Outcome, Release, Snapshot, What};

#[derive(Debug)]
struct Awaited {
    incident: IncidentId,
    taking: Taking,
    act: Option<Sent>,
}

/// An act that is in the journal.
#[derive(Debug)]
struct Sent {
    act: ActId,
    until: Option<DateTime<Utc>>,
    /// `in the journal`, `in pd`.
    place: String,
}

/// Acts without an answer yet, and how far the journal has been read.
#[derive(Debug)]
pub struct Receipts {
    awaited: Vec<Awaited>,
    seen: u64,
}

impl Receipts {
    /// Nothing is awaited; what `snapshot` holds is old.
    pub fn beginning_with(snapshot: &Snapshot) -> Self {
        Self { awaited: Vec::new(), seen: newest(snapshot) }
    }

    /// An act has been asked for.
    pub fn expect(&mut self, incident: IncidentId, taking: Taking) {
        self.awaited.retain(|a| a.incident != incident);
        self.awaited.push(Awaited { incident, taking, act: None });
    }

    /// What `snapshot` says of the acts asked for: whether it is a failure, and the sentence.
    pub fn read(&mut self, snapshot: &Snapshot, zone: Tz, now: DateTime<Utc>) -> Vec<(bool, String)> {
        let seen = self.seen;
        self.seen = newest(snapshot).max(seen);
        let new: Vec<_> = snapshot.latest.iter().filter(|e| e.id > seen).collect();
        new.into_iter().filter_map(|entry| self.told(entry, zone, now)).collect()
    }

    fn told(&mut self, entry: &Entry, zone: Tz, now: DateTime<Utc>) -> Option<(bool, String)> {
        match &entry.what {
            What::Asked { effect } => {
                let mine = self.awaited.iter_mut().find(|a| a.act.is_none() && a.incident == entry.subject && a.is(effect))?;
                let until = if let Effect::Acknowledge { until, .. } = effect { Some(*until) } else { None };
                let place = effect.target().source().map_or_else(|| "in the journal".to_owned(), |source| format!("in {source}"));
                mine.act = Some(Sent { act: entry.act.clone(), until, place });
                None
            }
            What::Ended { outcome } => {
                let place = self.awaited.iter().position(|a| a.act.as_ref().is_some_and(|sent| sent.act == entry.act))?;
                let awaited = self.awaited.get(place)?;
                let sent = awaited.act.as_ref()?;
                let until = sent.until.map(|at| When { at, now, zone, seconds: false });
                let words = sentence(&awaited.taking, entry, outcome, until, &sent.place);
                if !matches!(outcome, Outcome::Failed { retry: true, .. } | Outcome::Unknown { .. }) {
                    self.awaited.remove(place);
                }
                Some((!matches!(outcome, Outcome::Done { .. }), words))
            }
        }
    }
}

impl Awaited {
    fn is(&self, effect: &Effect) -> bool {
        match self.taking {
            Taking::Take => matches!(effect, Effect::Acknowledge { .. }),
            Taking::GiveBack => matches!(effect, Effect::Release { why: Release::Unacknowledged, .. }),
            Taking::Resolve => matches!(effect, Effect::Resolve { .. }),
            Taking::Note => matches!(effect, Effect::Note { .. }),
            Taking::Snooze(_) => matches!(effect, Effect::Snooze { .. }),
            Taking::Escalate(_) => matches!(effect, Effect::Escalate { .. }),
        }
    }
}

fn newest(snapshot: &Snapshot) -> u64 {
    snapshot.latest.iter().map(|e| e.id).max().unwrap_or_default()
}

fn sentence(taking: &Taking, entry: &Entry, outcome: &Outcome, until: Option<When>, place: &str) -> String {
    let title = &entry.title;
    let verb = taking.verb();
    match (outcome, taking) {
        (Outcome::Done { receipt: Some(id) }, Taking::Take) => {
            let until = until.map(|w| format!(" until {w}")).unwrap_or_default();
            format!("acknowledged · silence {}{until}", short(id))
        }
        (Outcome::Done { receipt: None }, Taking::Take) => format!("acknowledged · {title}, {place}"),
        (Outcome::Done { .. }, Taking::GiveBack) => format!("given back · {title}"),
        (Outcome::Done { .. }, Taking::Resolve) => format!("resolved · {title}, {place}"),
        (Outcome::Done { .. }, Taking::Note) => format!("noted · {title}, {place}"),
        (Outcome::Done { .. }, Taking::Snooze(span)) => format!("snoozed for {span} · {title}, {place}"),
        (Outcome::Done { .. }, Taking::Escalate(Escalation::Level(level))) => format!("escalated to level {level} · {title}, {place}"),
        (Outcome::Done { .. }, Taking::Escalate(Escalation::Person { name, .. })) => format!("handed to {name} · {title}, {place}"),
        (Outcome::Failed { why, retry: true }, _) => format!("{verb} {title}: not delivered, {why}; it is tried again"),
        (Outcome::Failed { why, retry: false }, _) => format!("{verb} {title}: failed, {why}"),
        (Outcome::Unknown { why }, _) => format!("{verb} {title}: no answer, {why}; it is looked up before anything is repeated"),
    }
}

/// The beginning of a silence's id: enough to find it.
pub(super) fn short(id: &str) -> String {
    crate::domain::clean(id).chars().take(4).collect()
}
