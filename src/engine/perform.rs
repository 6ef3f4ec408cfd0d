//! Doing what people ask: journal, act, journal.
//!
//! The intent is in the journal before anything is done; if it cannot be written, nothing is done. The intent names the version of the
//! incident's thread that its author saw: of two people who act at once the second is refused and told who was first. An act whose
//! answer was lost is `unknown` and read back before it is tried again; what is tried again carries the same act id, so that it can be
//! found.

mod groups;
mod rotations;
mod runs;
mod upkeep;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::{
        Act, ActId, Actor, Delivery, Effect, Entry, Incident, IncidentId, MOST_PLACES, Matchers, Outcome, Plan, Release, Snapshot,
        SourceName, Target, Text, Thread, Verb, What, books, rotation_subject, shown_matchers, silence_subject, together,
    },
    sources::{Order, Source},
    store::{JournalError, Store},
};

pub use rotations::RotationRefusal;
pub use runs::{RunTrouble, look_after_runs};
pub use upkeep::{Missing, chores};

/// How often, and how long after one another, a command tries to write its intent while the lease holder is at it.
const PATIENCE: u32 = 20;
const AGAIN: Duration = Duration::from_millis(100);

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The incident is over, or was never there.
    #[error("{0} is not open any more; nothing was done")]
    NotOpen(IncidentId),
    /// Somebody was first.
    #[error("{title}: {who} was first ({verb} at {at}); nothing was done")]
    Late {
        /// Which incident.
        title: Text,
        /// Who was first.
        who: Actor,
        /// What they did.
        verb: &'static str,
        /// When, as a time of day in UTC.
        at: String,
    },
    /// It is acknowledged already.
    #[error("{title} is acknowledged by {by} already; nothing was done; take it over to have it")]
    Held {
        /// Which incident.
        title: Text,
        /// By whom.
        by: Actor,
    },
    /// It is not acknowledged.
    #[error("{0} is not acknowledged; nothing was done")]
    NotHeld(Text),
    /// Its source has no such act.
    #[error("{title}: {why}; nothing was done")]
    NotOffered {
        /// Which incident.
        title: Text,
        /// What there is instead.
        why: String,
    },
    /// The source acts in a person's name, and theirs is not known.
    #[error("{source_name} wants the mail address of who acts and {who} has none; add `email` to their [[person]]; nothing was done")]
    NoAddress {
        /// Who acts.
        who: Actor,
        /// Where.
        source_name: SourceName,
    },
    /// A silence that cannot be made.
    #[error("{0}; nothing was done")]
    BadSilence(String),
    /// There is no such silence.
    #[error("there is no silence {0} any more; nothing was done")]
    NoSilence(Text),
    /// What was asked of a rotation cannot be.
    #[error("{0}; nothing was done")]
    Rotation(RotationRefusal),
    /// What was asked of a run cannot be.
    #[error("{0}; nothing was done")]
    Run(RunTrouble),
    /// Acting is switched off.
    #[error("this cockpit is read-only; nothing was done")]
    ReadOnly,
    /// The journal could not be written.
    #[error("the journal could not be written, so nothing was done: {0}")]
    NoJournal(String),
    /// The source cannot be acted on from here.
    #[error("{0}: this source cannot be acted on; nothing was done")]
    NoResponder(String),
}

/// What acts need.
#[derive(Clone, Debug)]
pub struct Acting {
    /// The plan in force.
    pub plan: Arc<Plan>,
    /// Where acts go.
    pub sources: Vec<Arc<dyn Source>>,
    /// Where they are written down.
    pub store: Arc<Store>,
    /// Who acts unless the request says otherwise.
    pub me: Actor,
    /// This program, for starting it anew: a path that leads to the very one that runs now.
    pub program: PathBuf,
}

impl Acting {
    /// Decide what a request means for the incident as it is now, without doing anything. The entry stands in the thread of the incident,
    /// except for one that gives an acknowledgement of another thread back: see [`Acting::seen`].
    pub fn decide(&self, snapshot: &Snapshot, act: &Act, id: &ActId, now: DateTime<Utc>) -> Result<Entry, Refusal> {
        if self.plan.read_only {
            return Err(Refusal::ReadOnly);
        }
        if let Verb::Silence { .. } | Verb::Expire { .. } = &act.verb {
            return self.on_silences(snapshot, act, id, now);
        }
        if let Some((rotation, effect)) = rotations::decide(&self.plan, snapshot, &act.verb, now)? {
            let who = act.by.clone().unwrap_or_else(|| self.me.clone());
            return Ok(entry(id, rotation_subject(&rotation), rotation, who, What::Asked { effect }, now));
        }
        let incident = snapshot.meant(&act.incident).ok_or_else(|| Refusal::NotOpen(act.incident.clone()))?;
        let mut subject = incident.id.clone();
        let effect = match &act.verb {
            Verb::Silence { .. } | Verb::Expire { .. } => return Err(Refusal::NotOpen(act.incident.clone())),
            Verb::TakeOver { from, note } => self.take_over(snapshot, incident, from, note.clone(), now)?,
            Verb::Acknowledge { note } => self.acknowledge(snapshot, incident, note.clone(), now)?,
            Verb::Unacknowledge => {
                let (effect, kept) = groups::unacknowledge(snapshot, incident)?;
                subject = kept.unwrap_or(subject);
                effect
            }
            Verb::Note { note } => Effect::Note { target: noted(incident), note: note.clone() },
            Verb::Resolve { note } => Effect::Resolve { target: paged(incident)?, note: note.clone() },
            Verb::Snooze { span } => Effect::Snooze { target: paged(incident)?, until: now + delta(*span) },
            Verb::Escalate { to } => Effect::Escalate { target: paged(incident)?, to: to.clone() },
            Verb::Override { .. } | Verb::HandoffNote { .. } | Verb::HandoffRead { .. } | Verb::Run(_) => {
                return Err(Refusal::NotOpen(act.incident.clone()));
            }
        };
        let who = act.by.clone().unwrap_or_else(|| self.me.clone());
        for place in effect.target().places() {
            if let Some(source) = place.source()
                && self.responder(source.as_str()).is_none()
            {
                return Err(Refusal::NoResponder(source.to_string()));
            }
            if let Target::PagerDuty { source, .. } = place
                && self.email(&who).is_none()
            {
                return Err(Refusal::NoAddress { who, source_name: source.clone() });
            }
        }
        let asked = entry(id, subject, incident.title.clone(), who, What::Asked { effect }, now);
        Ok(Entry { service: incident.service.clone(), ..asked })
    }

    /// The version of its thread that the author of an entry saw: that of the incident, or of the thread that an acknowledgement stands in.
    pub fn seen(snapshot: &Snapshot, act: &Act, entry: &Entry) -> u64 {
        let other = snapshot.threads.get(&entry.subject).filter(|_| entry.subject != act.incident && moves(entry));
        other.map_or(act.seen, |thread| thread.version)
    }

    fn acknowledge(&self, snapshot: &Snapshot, incident: &Incident, note: Option<Text>, now: DateTime<Utc>) -> Result<Effect, Refusal> {
        if let Some(ack) = incident.ack.as_ref().filter(|a| a.delivery != Delivery::Failed) {
            return Err(Refusal::Held { title: incident.title.clone(), by: ack.by.clone() });
        }
        let target = if incident.members.is_empty() { incident.target() } else { groups::to_take(snapshot, &self.plan, incident, now)? };
        let (until, lapses) = self.ends(&target, now);
        Ok(Effect::Acknowledge { target, occurrence: incident.occurrence(), note, until, lapses })
    }

    /// When the silence of an acknowledgement made now ends unless it is extended, and when it lapses.
    fn ends(&self, target: &Target, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let lapses = now + delta(self.plan.ack.max);
        let until = match target {
            Target::Alertmanager { source, .. } => {
                let ack_for = self.plan.source(source).map_or(self.plan.ack.max, |s| s.ack_for);
                lapses.min(now + delta(ack_for))
            }
            Target::Group { legs } => legs.iter().filter_map(|leg| leg.until).min().unwrap_or(lapses),
            Target::PagerDuty { .. } | Target::Silences { .. } | Target::Journal => lapses,
        };
        (until, lapses)
    }

    /// Take it from exactly who had it when that was decided. If nobody has it any more there is nobody to take it from.
    fn take_over(
        &self,
        snapshot: &Snapshot,
        incident: &Incident,
        from: &Text,
        note: Option<Text>,
        now: DateTime<Utc>,
    ) -> Result<Effect, Refusal> {
        let Some(ack) = incident.ack.as_ref().filter(|a| a.delivery != Delivery::Failed) else {
            return self.acknowledge(snapshot, incident, note, now);
        };
        let title = incident.title.clone();
        if ack.by.name != *from {
            return Err(Refusal::Held { title, by: ack.by.clone() });
        }
        if ack.delivery != Delivery::Done {
            let why = format!("the acknowledgement of {} is still on its way; try again when it has arrived", ack.by);
            return Err(Refusal::NotOffered { title, why });
        }
        let target = match incident.members.as_slice() {
            [] if ack.act.is_some() => ack.target.clone(),
            [] => incident.target(),
            _ => groups::to_take_over(&self.plan, incident, now),
        };
        let (until, lapses) = self.ends(&target, now);
        let (from, silence) = (ack.by.clone(), ack.silence.clone());
        Ok(Effect::TakeOver { target, occurrence: incident.occurrence(), note, until, lapses, from, silence })
    }

    /// A silence of a person's own, or the end of one: no incident's business.
    fn on_silences(&self, snapshot: &Snapshot, act: &Act, id: &ActId, now: DateTime<Utc>) -> Result<Entry, Refusal> {
        let (source, effect, matchers) = match &act.verb {
            Verb::Silence { source, matchers, span, comment } => {
                let ready = Matchers::new(matchers).map_err(Refusal::BadSilence)?;
                if let Some(wide) = ready.too_wide() {
                    return Err(Refusal::BadSilence(wide.to_owned()));
                }
                if comment.is_empty() || span.is_zero() {
                    return Err(Refusal::BadSilence("a silence needs a length and a comment that says why".to_owned()));
                }
                let (target, until) = (Target::Silences { source: source.clone() }, now + delta(*span));
                (source, Effect::Silence { target, matchers: matchers.clone(), until, comment: comment.clone() }, matchers.clone())
            }
            Verb::Expire { source, silence } => {
                let alerts = snapshot.alerts.get(source).into_iter().flat_map(|a| &a.silences);
                let found = alerts.into_iter().find(|s| s.id == *silence).ok_or_else(|| Refusal::NoSilence(Text::clean(silence)))?;
                let target = Target::Silences { source: source.clone() };
                let matchers = found.matchers.clone();
                (source, Effect::Expire { target, silence: silence.clone(), matchers: matchers.clone() }, matchers)
            }
            _ => return Err(Refusal::NotOpen(act.incident.clone())),
        };
        if self.plan.source(source).is_none_or(|s| s.kind != "alertmanager") || self.responder(source.as_str()).is_none() {
            return Err(Refusal::NoResponder(source.to_string()));
        }
        let who = act.by.clone().unwrap_or_else(|| self.me.clone());
        let title = Text::clean(&shown_matchers(&matchers));
        Ok(entry(id, silence_subject(source, &matchers), title, who, What::Asked { effect }, now))
    }

    /// The mail address of who acts.
    fn email(&self, who: &Actor) -> Option<Text> {
        self.plan.people.iter().find(|p| p.name == who.name).and_then(|p| p.email.clone())
    }

    fn responder(&self, source: &str) -> Option<&Arc<dyn Source>> {
        self.sources.iter().find(|s| s.name().as_str() == source && s.responder().is_some())
    }

    /// Write the intent down. `seen` is the version of the thread that its author saw.
    pub fn ask(&self, entry: Entry, seen: u64) -> Result<Entry, Refusal> {
        let verb = entry.what.verb();
        tracing::info!(act = %entry.act, subject = %entry.subject, who = %entry.who, seen, verb, "asks");
        self.store.append(entry, Some(seen)).map_err(|error| match error {
            JournalError::Conflict { first } => Refusal::Late {
                title: first.title.clone(),
                who: first.who.clone(),
                verb: first.what.verb(),
                at: first.at.format("%H:%M:%S UTC").to_string(),
            },
            JournalError::Store(error) => Refusal::NoJournal(error.to_string()),
        })
    }

    /// As [`Acting::ask`]; where the lease holder is just extending the silence, wait for the end of that, which takes no longer than a
    /// request.
    pub async fn ask_patiently(&self, entry: Entry, seen: u64) -> Result<Entry, Refusal> {
        for _ in 0..PATIENCE {
            match self.ask(entry.clone(), seen) {
                Err(Refusal::Late { who, .. }) if who == itself() => tokio::time::sleep(AGAIN).await,
                other => return other,
            }
        }
        self.ask(entry, seen)
    }

    /// Carry out an intent that is in the journal, and write down how it ended.
    pub async fn carry_out(&self, asked: &Entry, look_first: bool, now: DateTime<Utc>) -> Option<Entry> {
        let What::Asked { effect } = &asked.what else { return None };
        let (outcome, legs) = self.outcome(asked, effect, look_first, now).await;
        tracing::info!(act = %asked.act, subject = %asked.subject, ?outcome, legs = legs.len(), "ended");
        let what = What::Ended { outcome, legs };
        let ended = entry(&asked.act, asked.subject.clone(), asked.title.clone(), asked.who.clone(), what, now);
        self.store.append(ended, None).ok()
    }

    async fn outcome(&self, asked: &Entry, effect: &Effect, look_first: bool, now: DateTime<Utc>) -> (Outcome, Vec<Outcome>) {
        let Target::Group { legs } = effect.target() else { return (self.in_one(asked, effect, look_first, now).await, Vec::new()) };
        let mut ended: Vec<Outcome> = Vec::with_capacity(legs.len());
        for (number, leg) in legs.iter().enumerate() {
            let asked = Entry { act: asked.act.leg(number), ..asked.clone() };
            // A source that gave no answer is not waited for once more with every leg.
            let silent =
                legs.iter().zip(&ended).find(|(other, outcome)| other.target.source() == leg.target.source() && is_silent(outcome));
            let outcome = match silent {
                Some((_, Outcome::Unknown { why } | Outcome::Failed { why, .. })) => Outcome::Failed { why: why.clone(), retry: true },
                _ => self.in_one(&asked, &effect.on(leg), look_first, now).await,
            };
            ended.push(outcome);
        }
        (together(&ended), ended)
    }

    /// Do it in the one place that it is for.
    async fn in_one(&self, asked: &Entry, effect: &Effect, look_first: bool, now: DateTime<Utc>) -> Outcome {
        let Some(source) = effect.target().source() else { return Outcome::Done { receipt: None } };
        let Some(responder) = self.responder(source.as_str()).and_then(|s| s.responder()) else {
            return Outcome::Failed { why: Text::from(format!("{source}: this source cannot be acted on")), retry: false };
        };
        let order = Order { act: asked.act.clone(), who: asked.who.clone(), email: self.email(&asked.who), effect: effect.clone(), now };
        if look_first {
            let found = responder.read_back(&order).await;
            if !matches!(found, Outcome::Failed { retry: true, .. }) {
                return found;
            }
        }
        responder.perform(&order).await
    }
}

/// Whether what is asked may be of another thread than that of the incident it was asked of.
fn moves(entry: &Entry) -> bool {
    matches!(entry.what, What::Asked { effect: Effect::Release { .. } })
}

/// Whether a source did not answer, or could not be reached.
fn is_silent(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown { .. } | Outcome::Failed { retry: true, .. })
}

/// Where an act goes that only a service that pages people has.
fn paged(incident: &Incident) -> Result<Target, Refusal> {
    let refuse = |why| Refusal::NotOffered { title: incident.title.clone(), why };
    let why = "it ends when its alert clears, and it is not kept where it could be resolved, snoozed or escalated";
    let target = books(incident).ok_or_else(|| refuse(why.to_owned()))?;
    let several = target.places().len();
    if several > MOST_PLACES {
        return Err(refuse(format!("it is {several} incidents there, and {MOST_PLACES} at most are acted on at once; name one of them")));
    }
    Ok(target)
}

/// Where a note goes: to the incident's own book if it has one, else into the journal alone.
fn noted(incident: &Incident) -> Target {
    books(incident).filter(|target| target.places().len() <= MOST_PLACES).unwrap_or(Target::Journal)
}

fn release(ack: &crate::domain::Ack, why: Release) -> Effect {
    let none = || ActId::new("elsewhere");
    Effect::Release { target: ack.target.clone(), silence: ack.silence.clone(), ack: ack.act.clone().unwrap_or_else(none), why }
}

fn entry(act: &ActId, subject: IncidentId, title: Text, who: Actor, what: What, at: DateTime<Utc>) -> Entry {
    Entry { id: 0, at, act: act.clone(), subject, title, service: None, version: 0, who, what }
}

fn delta(d: Duration) -> TimeDelta {
    TimeDelta::from_std(d).unwrap_or(TimeDelta::MAX)
}

/// Burnwatch itself, when it extends or releases what a person asked for.
pub fn itself() -> Actor {
    Actor { name: Text::from("burnwatch"), verified: true }
}

/// How long an act may be without an end before somebody else looks after it.
const ABANDONED: TimeDelta = TimeDelta::seconds(90);
/// How long between two tries of the same act.
const RETRY: TimeDelta = TimeDelta::seconds(15);

/// Something the lease holder does of itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Chore {
    /// A new act.
    New {
        /// On what.
        subject: IncidentId,
        /// What people call it.
        title: Text,
        /// The version of the thread it was decided on.
        seen: u64,
        /// What to do.
        effect: Effect,
    },
    /// An act that was asked for and has no good end.
    Again(Box<Entry>),
}

/// The acts on a subject that have been without a good end for so long that somebody else looks after them.
pub fn abandoned<'a>(subject: &'a IncidentId, thread: &'a Thread, now: DateTime<Utc>) -> impl Iterator<Item = Chore> + 'a {
    thread.open.iter().filter_map(move |(act, open)| {
        let wait = if open.outcome.is_some() { RETRY } else { ABANDONED };
        let what = What::Asked { effect: open.effect.clone() };
        let asked = Entry { at: open.at, ..entry(act, subject.clone(), open.title.clone(), open.who.clone(), what, now) };
        (now - open.at > wait).then(|| Chore::Again(Box::new(asked)))
    })
}

/// A new act id: time and randomness, short enough for a comment.
pub fn act_id(now: DateTime<Utc>, random: u64) -> ActId {
    ActId::new(&format!("{:x}{:08x}", now.timestamp_millis(), random & 0xffff_ffff))
}

impl fmt::Display for Chore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New { title, effect, .. } => write!(f, "{} {title}", effect.verb()),
            Self::Again(entry) => write!(f, "look after {}", entry.title),
        }
    }
}

#[cfg(test)]
mod tests;
