//! What happened, newest first: the journal's entries and the episodes of our own rules, merged by time.

use chrono::{DateTime, Utc};

use super::theme::Role;
use crate::domain::{
    Effect, Entry, Episode, Escalation, Grade, How, Incident, Outcome, Passage, Release, RunEvent, Snapshot, What, timeline,
};

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
    let line = |p: Passage| Happening { at: p.at, word: p.what, role: role(p.what), text: p.sentence() };
    timeline(snapshot, incident).into_iter().take(most).map(line).collect()
}

/// How loud the word of something that happened is.
pub fn role(what: &str) -> Role {
    match what {
        "page" | "failed" => Role::Critical,
        "ticket" | "fires" => Role::Warning,
        "over" | "clear" => Role::Ok,
        "unknown" => Role::Unknown,
        "log" | "assign" => Role::Muted,
        _ => Role::Text,
    }
}

const fn loud(page: bool) -> Role {
    if page { Role::Critical } else { Role::Warning }
}

fn began_at(episode: &Episode) -> DateTime<Utc> {
    episode.since.unwrap_or(episode.seen_at)
}

fn began(episode: &Episode) -> Happening {
    let role = loud(episode.grade == Grade::Page);
    Happening { at: began_at(episode), word: episode.grade.word(), role, text: episode.began() }
}

fn ended(episode: &Episode, at: DateTime<Utc>) -> Happening {
    Happening { at, word: "over", role: Role::Ok, text: episode.over() }
}

/// An entry as a line; extensions and good ends say nothing new.
fn of_entry(entry: &Entry) -> Option<Happening> {
    let (who, title) = (&entry.who, &entry.title);
    let (word, role, text) = match &entry.what {
        What::Asked { effect: Effect::Acknowledge { note: None, .. } } => ("ack", Role::Text, format!("{who:#} took {title}")),
        What::Asked { effect: Effect::Acknowledge { note: Some(note), .. } } => {
            ("ack", Role::Text, format!("{who:#} took {title}: “{note}”"))
        }
        What::Asked { effect: Effect::TakeOver { from, note, .. } } => {
            let note = note.as_ref().map_or_else(String::new, |n| format!(": “{n}”"));
            ("takeover", Role::Text, format!("{who:#} took {title} over from {from:#}{note}"))
        }
        What::Asked { effect: Effect::Silence { comment, .. } } => {
            ("silence", Role::Text, format!("{who:#} silenced {title}: “{comment}”"))
        }
        What::Asked { effect: Effect::Expire { .. } } => ("expire", Role::Text, format!("{who:#} ended the silence {title}")),
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
        What::Ended { outcome: Outcome::Failed { why, .. }, .. } => ("failed", Role::Critical, format!("{title}: {why}")),
        What::Ended { outcome: Outcome::Unknown { why }, .. } => ("unknown", Role::Unknown, format!("{title}: {why}")),
        What::Drilled { drill } => ("drill", Role::Text, format!("{who:#} rehearsed {title}: {}", drill.ended.word())),
        What::Run { event: RunEvent::Begun(_) } => ("run", Role::Text, format!("{who:#} began {title}")),
        What::Run { event: RunEvent::Started(started) } => ("step", Role::Text, format!("{who:#} runs `{}` of {title}", started.step)),
        What::Run { event: RunEvent::Ended { end, .. } } => {
            let role = match end.how {
                How::Ok => Role::Ok,
                How::Unknown => Role::Unknown,
                How::Failed | How::TimedOut | How::Cancelled | How::NotRun => Role::Critical,
            };
            ("step", role, format!("{title}: {end}"))
        }
        What::Run { event: RunEvent::Judged { judgement, .. } } => ("effect", Role::Text, format!("{title}: {judgement}")),
        What::Run { event: RunEvent::Ticked { step, .. } } => ("tick", Role::Text, format!("{who:#} did `{step}` of {title}")),
        What::Run { event: RunEvent::Skipped { step, reason } } => {
            ("skip", Role::Text, format!("{who:#} skipped `{step}` of {title}: “{reason}”"))
        }
        What::Run { event: RunEvent::CancelAsked { .. } } => ("cancel", Role::Text, format!("{who:#} ends a step of {title}")),
        What::Run { event: RunEvent::Aborted { reason } } => ("abort", Role::Warning, format!("{who:#} ended {title}: “{reason}”")),
        What::Run { event: RunEvent::Up { .. } }
        | What::Asked { effect: Effect::Extend { .. } }
        | What::Ended { outcome: Outcome::Done { .. }, .. } => return None,
    };
    Some(Happening { at: entry.at, word, role, text })
}
