//! What happened, newest first: the journal's entries and the episodes of our own rules, merged by time.

use chrono::{DateTime, Utc};

use super::theme::Role;
use crate::domain::{Effect, Entry, Episode, Escalation, Grade, Incident, IncidentId, Origin, Outcome, Release, Snapshot, What};

/// One line of what happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// When.
    pub at: DateTime<Utc>,
    /// What, in one word.
    pub word: &'static str,
    /// How loud the word is.
    pub role: Role,
    /// Who and to what.
    pub text: String,
}

/// The newest `most` things that happened. Only those are put into words, however many there were.
pub fn latest(snapshot: &Snapshot, most: usize) -> Vec<Happening> {
    enum Thing<'a> {
        Told(Happening),
        Began(&'a Episode),
        Ended(&'a Episode),
    }
    let entries = snapshot.latest.iter().filter_map(|e| of_entry(e)).map(|h| (h.at, Thing::Told(h)));
    let episodes = snapshot.episodes.values().flat_map(|e| {
        let ended = e.ended_at.map(|at| (at, Thing::Ended(e)));
        std::iter::once((began_at(e), Thing::Began(e))).chain(ended)
    });
    let mut all: Vec<_> = entries.chain(episodes).collect();
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    all.truncate(most);
    let words = |(at, thing)| match thing {
        Thing::Told(happening) => happening,
        Thing::Began(episode) => began(episode),
        Thing::Ended(episode) => ended(episode, at),
    };
    all.into_iter().map(words).collect()
}

/// What happened to one incident.
pub fn of_incident(snapshot: &Snapshot, incident: &Incident, most: usize) -> Vec<Happening> {
    let of = |id: &IncidentId| *id == incident.id;
    let entries = snapshot.latest.iter().filter(|e| of(&e.subject)).filter_map(|e| of_entry(e));
    let episode = match &incident.origin {
        Origin::Own { slo, grade, .. } => snapshot.episodes.get(&(slo.clone(), *grade)),
        Origin::Alertmanager { .. } | Origin::PagerDuty { .. } => None,
    };
    let mut all: Vec<_> = entries.chain(episode.into_iter().flat_map(of_episode)).collect();
    if let Origin::Alertmanager { source, starts_at } | Origin::PagerDuty { source, created_at: starts_at, .. } = &incident.origin {
        all.push(Happening { at: *starts_at, word: "fires", role: loud(incident.severity.pages()), text: format!("reported by {source}") });
    }
    sorted(all, most)
}

fn sorted(mut all: Vec<Happening>, most: usize) -> Vec<Happening> {
    all.sort_by_key(|h| std::cmp::Reverse(h.at));
    all.truncate(most);
    all
}

const fn loud(page: bool) -> Role {
    if page { Role::Critical } else { Role::Warning }
}

fn of_episode(episode: &Episode) -> impl Iterator<Item = Happening> + use<> {
    std::iter::once(began(episode)).chain(episode.ended_at.map(|at| ended(episode, at)))
}

fn began_at(episode: &Episode) -> DateTime<Utc> {
    episode.since.unwrap_or(episode.seen_at)
}

fn began(episode: &Episode) -> Happening {
    let role = loud(episode.grade == Grade::Page);
    Happening { at: began_at(episode), word: episode.grade.word(), role, text: format!("{}: budget burning", episode.slo) }
}

fn ended(episode: &Episode, at: DateTime<Utc>) -> Happening {
    Happening { at, word: "over", role: Role::Ok, text: format!("{}: {} rule cleared", episode.slo, episode.grade.word()) }
}

/// An entry as a line; extensions and good ends say nothing new.
fn of_entry(entry: &Entry) -> Option<Happening> {
    let (who, title) = (&entry.who, &entry.title);
    let (word, role, text) = match &entry.what {
        What::Asked { effect: Effect::Acknowledge { note: None, .. } } => ("ack", Role::Text, format!("{who:#} took {title}")),
        What::Asked { effect: Effect::Acknowledge { note: Some(note), .. } } => {
            ("ack", Role::Text, format!("{who:#} took {title}: “{note}”"))
        }
        What::Asked { effect: Effect::Release { why: Release::Unacknowledged, .. } } => {
            ("unack", Role::Text, format!("{who:#} gave back {title}"))
        }
        What::Asked { effect: Effect::Release { why: Release::Cleared, .. } } => ("clear", Role::Ok, title.to_string()),
        What::Asked { effect: Effect::Resolve { .. } } => ("resolve", Role::Text, format!("{who} resolved {title}")),
        What::Asked { effect: Effect::Note { note, .. } } => ("note", Role::Text, format!("{who} on {title}: “{note}”")),
        What::Asked { effect: Effect::Snooze { .. } } => ("snooze", Role::Text, format!("{who} snoozed {title}")),
        What::Asked { effect: Effect::Escalate { to: Escalation::Level(level), .. } } => {
            ("escalate", Role::Text, format!("{who} escalated {title} to level {level}"))
        }
        What::Asked { effect: Effect::Escalate { to: Escalation::Person { name, .. }, .. } } => {
            ("escalate", Role::Text, format!("{who} handed {title} to {name}"))
        }
        What::Asked { effect: Effect::Override { over, .. } } => {
            ("cover", Role::Text, format!("{who:#}: {} is {} of {title}", over.who, over.seat))
        }
        What::Asked { effect: Effect::HandoffNote { note, .. } } => ("handoff", Role::Text, format!("{who:#} on {title}: “{note}”")),
        What::Asked { effect: Effect::HandoffRead { .. } } => ("read", Role::Text, format!("{who:#} read the note of {title}")),
        What::Ended { outcome: Outcome::Failed { why, .. } } => ("failed", Role::Critical, format!("{title}: {why}")),
        What::Ended { outcome: Outcome::Unknown { why } } => ("unknown", Role::Unknown, format!("{title}: {why}")),
        What::Asked { effect: Effect::Extend { .. } } | What::Ended { outcome: Outcome::Done { .. } } => return None,
    };
    Some(Happening { at: entry.at, word, role, text })
}
