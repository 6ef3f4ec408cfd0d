//! What became of the acts that were asked for here: told once, in the words of the person who asked.
//!
//! The answer to an act is its end in the journal, which comes with a snapshot; there is no other way back.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{state::Taking, widgets::figures::When};
use crate::domain::{ActId, Effect, Entry, Escalation, IncidentId, Outcome, Release, Snapshot, What};

/// What kind of act is awaited.
#[derive(Clone, Debug)]
pub enum Kind {
    /// On an incident.
    Incident(Taking),
    /// To make a silence.
    Silence,
    /// To end one.
    Expire,
}

impl From<Taking> for Kind {
    fn from(taking: Taking) -> Self {
        Self::Incident(taking)
    }
}

impl Kind {
    /// What is asked and what was done: `acknowledge`, `acknowledged`.
    fn words(&self) -> (&'static str, String) {
        let done = match self {
            Self::Incident(Taking::Take) => "acknowledged",
            Self::Incident(Taking::TakeOver) => "taken over",
            Self::Incident(Taking::GiveBack) => "given back",
            Self::Incident(Taking::Resolve) => "resolved",
            Self::Incident(Taking::Note) => "noted",
            Self::Incident(Taking::Snooze(span)) => return ("snooze", format!("snoozed for {span}")),
            Self::Incident(Taking::Escalate(Escalation::Level(level))) => return ("escalate", format!("escalated to level {level}")),
            Self::Incident(Taking::Escalate(Escalation::Person { name, .. })) => return ("escalate", format!("handed to {name}")),
            Self::Silence => "silenced",
            Self::Expire => "expired",
        };
        let verb = match self {
            Self::Incident(taking) => taking.verb(),
            Self::Silence => "silence",
            Self::Expire => "expire",
        };
        (verb, done.to_owned())
    }
}

/// What became of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// On what it was.
    pub subject: IncidentId,
    /// Whether it was done.
    pub done: bool,
    /// The sentence.
    pub text: String,
}

#[derive(Debug)]
struct Awaited {
    subject: IncidentId,
    kind: Kind,
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
    pub fn expect(&mut self, subject: IncidentId, kind: Kind) {
        self.awaited.retain(|a| a.subject != subject);
        self.awaited.push(Awaited { subject, kind, act: None });
    }

    /// What `snapshot` says of the acts asked for.
    pub fn read(&mut self, snapshot: &Snapshot, zone: Tz, now: DateTime<Utc>) -> Vec<Told> {
        let seen = self.seen;
        self.seen = newest(snapshot).max(seen);
        let new: Vec<_> = snapshot.latest.iter().filter(|e| e.id > seen).collect();
        new.into_iter().filter_map(|entry| self.told(entry, zone, now)).collect()
    }

    fn told(&mut self, entry: &Entry, zone: Tz, now: DateTime<Utc>) -> Option<Told> {
        match &entry.what {
            What::Asked { effect } => {
                let mine = self.awaited.iter_mut().find(|a| a.act.is_none() && a.subject == entry.subject && a.is(effect))?;
                let until = match effect {
                    Effect::Acknowledge { until, .. } | Effect::TakeOver { until, .. } | Effect::Silence { until, .. } => Some(*until),
                    _ => None,
                };
                let place = effect.target().source().map_or_else(|| "in the journal".to_owned(), |source| format!("in {source}"));
                mine.act = Some(Sent { act: entry.act.clone(), until, place });
                None
            }
            What::Ended { outcome, .. } => {
                let place = self.awaited.iter().position(|a| a.act.as_ref().is_some_and(|sent| sent.act == entry.act))?;
                let awaited = self.awaited.get(place)?;
                let sent = awaited.act.as_ref()?;
                let until = sent.until.map(|at| When { at, now, zone, seconds: false });
                let words = sentence(&awaited.kind, entry, outcome, until, &sent.place);
                if !matches!(outcome, Outcome::Failed { retry: true, .. } | Outcome::Unknown { .. }) {
                    self.awaited.remove(place);
                }
                Some(Told { subject: entry.subject.clone(), done: matches!(outcome, Outcome::Done { .. }), text: words })
            }
            What::Run { .. } | What::Drilled { .. } => None,
        }
    }
}

impl Awaited {
    fn is(&self, effect: &Effect) -> bool {
        match &self.kind {
            Kind::Incident(Taking::Take) => matches!(effect, Effect::Acknowledge { .. }),
            // Where nobody had it any more it was simply taken.
            Kind::Incident(Taking::TakeOver) => matches!(effect, Effect::TakeOver { .. } | Effect::Acknowledge { .. }),
            Kind::Incident(Taking::GiveBack) => matches!(effect, Effect::Release { why: Release::Unacknowledged, .. }),
            Kind::Incident(Taking::Resolve) => matches!(effect, Effect::Resolve { .. }),
            Kind::Incident(Taking::Note) => matches!(effect, Effect::Note { .. }),
            Kind::Incident(Taking::Snooze(_)) => matches!(effect, Effect::Snooze { .. }),
            Kind::Incident(Taking::Escalate(_)) => matches!(effect, Effect::Escalate { .. }),
            Kind::Silence => matches!(effect, Effect::Silence { .. }),
            Kind::Expire => matches!(effect, Effect::Expire { .. }),
        }
    }
}

fn newest(snapshot: &Snapshot) -> u64 {
    snapshot.latest.iter().map(|e| e.id).max().unwrap_or_default()
}

fn sentence(kind: &Kind, entry: &Entry, outcome: &Outcome, until: Option<When>, place: &str) -> String {
    let title = &entry.title;
    let (verb, done) = kind.words();
    match (outcome, kind) {
        (Outcome::Done { receipt: Some(id) }, Kind::Incident(Taking::Take | Taking::TakeOver) | Kind::Silence) => {
            let until = until.map(|w| format!(" until {w}")).unwrap_or_default();
            format!("{done} · silence {}{until}", short(id))
        }
        (Outcome::Done { .. }, Kind::Incident(Taking::GiveBack) | Kind::Silence | Kind::Expire) => format!("{done} · {title}"),
        (Outcome::Done { .. }, Kind::Incident(_)) => format!("{done} · {title}, {place}"),
        (Outcome::Failed { why, retry: true }, _) => format!("{verb} {title}: not delivered, {why}; it is tried again"),
        (Outcome::Failed { why, retry: false }, _) => format!("{verb} {title}: failed, {why}"),
        (Outcome::Unknown { why }, _) => format!("{verb} {title}: no answer, {why}; it is looked up before anything is repeated"),
    }
}

/// The beginning of a silence's id: enough to find it.
pub(super) fn short(id: &str) -> String {
    crate::domain::clean(id).chars().take(4).collect()
}
