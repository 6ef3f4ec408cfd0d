//! Doing what people ask: journal, act, journal.
//!
//! The intent is in the journal before anything is done; if it cannot be written, nothing is done. The intent names the version of the
//! incident's thread that its author saw: of two people who act at once the second is refused and told who was first. An act whose
//! answer was lost is `unknown` and read back before it is tried again; what is tried again carries the same act id, so that it can be
//! found.

mod rotations;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::{
        Act, ActId, Actor, Delivery, Effect, Entry, Incident, IncidentId, Matchers, Outcome, Plan, Release, Snapshot, SourceName, Target,
        Text, Thread, Verb, What, rotation_subject, shown_matchers, silence_subject,
    },
    sources::{Order, Source},
    store::{JournalError, Store},
};

pub use rotations::RotationRefusal;

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
}

impl Acting {
    /// Decide what a request means for the incident as it is now, without doing anything.
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
        let incident = snapshot.incident(&act.incident).ok_or_else(|| Refusal::NotOpen(act.incident.clone()))?;
        let effect = match &act.verb {
            Verb::Silence { .. } | Verb::Expire { .. } => return Err(Refusal::NotOpen(act.incident.clone())),
            Verb::TakeOver { from, note } => self.take_over(incident, from, note.clone(), now)?,
            Verb::Acknowledge { note } => self.acknowledge(incident, note.clone(), now)?,
            Verb::Unacknowledge => unacknowledge(incident)?,
            Verb::Note { note } => Effect::Note { target: noted(incident), note: note.clone() },
            Verb::Resolve { note } => Effect::Resolve { target: paged(incident)?, note: note.clone() },
            Verb::Snooze { span } => Effect::Snooze { target: paged(incident)?, until: now + delta(*span) },
            Verb::Escalate { to } => Effect::Escalate { target: paged(incident)?, to: to.clone() },
            Verb::Override { .. } | Verb::HandoffNote { .. } | Verb::HandoffRead { .. } | Verb::Run(_) => {
                return Err(Refusal::NotOpen(act.incident.clone()));
            }
        };
        if let Some(source) = effect.target().source()
            && self.responder(source.as_str()).is_none()
        {
            return Err(Refusal::NoResponder(source.to_string()));
        }
        let who = act.by.clone().unwrap_or_else(|| self.me.clone());
        if let Target::PagerDuty { source, .. } = effect.target()
            && self.email(&who).is_none()
        {
            return Err(Refusal::NoAddress { who, source_name: source.clone() });
        }
        let asked = entry(id, incident.id.clone(), incident.title.clone(), who, What::Asked { effect }, now);
        Ok(Entry { service: incident.service.clone(), ..asked })
    }

    fn acknowledge(&self, incident: &Incident, note: Option<Text>, now: DateTime<Utc>) -> Result<Effect, Refusal> {
        if let Some(ack) = incident.ack.as_ref().filter(|a| a.delivery != Delivery::Failed) {
            return Err(Refusal::Held { title: incident.title.clone(), by: ack.by.clone() });
        }
        let target = incident.target();
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
            Target::PagerDuty { .. } | Target::Silences { .. } | Target::Journal => lapses,
        };
        (until, lapses)
    }

    /// Take it from exactly who had it when that was decided. If nobody has it any more there is nobody to take it from.
    fn take_over(&self, incident: &Incident, from: &Text, note: Option<Text>, now: DateTime<Utc>) -> Result<Effect, Refusal> {
        let Some(ack) = incident.ack.as_ref().filter(|a| a.delivery != Delivery::Failed) else {
            return self.acknowledge(incident, note, now);
        };
        let title = incident.title.clone();
        if ack.by.name != *from {
            return Err(Refusal::Held { title, by: ack.by.clone() });
        }
        if ack.delivery != Delivery::Done {
            let why = format!("the acknowledgement of {} is still on its way; try again when it has arrived", ack.by);
            return Err(Refusal::NotOffered { title, why });
        }
        let target = if ack.act.is_some() { ack.target.clone() } else { incident.target() };
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
        let outcome = self.outcome(asked, effect, look_first, now).await;
        tracing::info!(act = %asked.act, subject = %asked.subject, ?outcome, "ended");
        let ended = entry(&asked.act, asked.subject.clone(), asked.title.clone(), asked.who.clone(), What::Ended { outcome }, now);
        self.store.append(ended, None).ok()
    }

    async fn outcome(&self, asked: &Entry, effect: &Effect, look_first: bool, now: DateTime<Utc>) -> Outcome {
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

fn unacknowledge(incident: &Incident) -> Result<Effect, Refusal> {
    let ack = incident.ack.as_ref().ok_or_else(|| Refusal::NotHeld(incident.title.clone()))?;
    if let Target::PagerDuty { source, .. } = &ack.target {
        let why = format!("{source} has no way to give an acknowledgement back; escalate it or hand it to somebody");
        return Err(Refusal::NotOffered { title: incident.title.clone(), why });
    }
    Ok(release(ack, Release::Unacknowledged))
}

/// Where an act goes that only a service that pages people has.
fn paged(incident: &Incident) -> Result<Target, Refusal> {
    match incident.target() {
        target @ Target::PagerDuty { .. } => Ok(target),
        Target::Alertmanager { .. } | Target::Silences { .. } | Target::Journal => {
            let why = "it ends when its alert clears, and it is not kept where it could be resolved, snoozed or escalated".to_owned();
            Err(Refusal::NotOffered { title: incident.title.clone(), why })
        }
    }
}

/// Where a note goes: to the incident's own book if it has one, else into the journal alone.
fn noted(incident: &Incident) -> Target {
    match incident.target() {
        target @ Target::PagerDuty { .. } => target,
        Target::Alertmanager { .. } | Target::Silences { .. } | Target::Journal => Target::Journal,
    }
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

/// How long an alert must be missing before its acknowledgement is released: an Alertmanager that was restarted knows nothing until
/// Prometheus has sent everything again, which takes a minute.
const GONE_FOR: TimeDelta = TimeDelta::seconds(75);
/// How long an act may be without an end before somebody else looks after it.
const ABANDONED: TimeDelta = TimeDelta::seconds(90);
/// How long between two tries of the same act.
const RETRY: TimeDelta = TimeDelta::seconds(15);

/// Since when acknowledged alerts have been missing.
#[derive(Clone, Debug, Default)]
pub struct Missing(HashMap<IncidentId, DateTime<Utc>>);

/// What the lease holder has to do of itself: extend, release, look after acts that nobody ended.
pub fn chores(snapshot: &Snapshot, plan: &Plan, missing: &mut Missing, now: DateTime<Utc>) -> Vec<Chore> {
    let mut chores = Vec::new();
    missing.0.retain(|id, _| snapshot.incident(id).is_none());
    for (subject, thread) in &snapshot.threads {
        chores.extend(abandoned(subject, thread, now));
        // An act on this subject is under way: wait for its end.
        if !thread.open.is_empty() {
            continue;
        }
        if let Some(effect) = upkeep(snapshot, plan, missing, subject, thread, now) {
            let of_it = snapshot.latest.iter().rev().find(|e| e.subject == *subject);
            let title = of_it.map_or_else(|| Text::from(subject.as_str()), |e| e.title.clone());
            chores.push(Chore::New { subject: subject.clone(), title, seen: thread.version, effect });
        }
    }
    chores
}

/// What is due on a thread on which nothing is under way.
fn upkeep(
    snapshot: &Snapshot,
    plan: &Plan,
    missing: &mut Missing,
    subject: &IncidentId,
    thread: &Thread,
    now: DateTime<Utc>,
) -> Option<Effect> {
    if let Some((ack, target)) = thread.stray.clone() {
        return Some(Effect::Release { target, silence: None, ack, why: Release::Cleared });
    }
    let ack = thread.ack.as_ref().filter(|a| a.delivery == Delivery::Done)?;
    match snapshot.incident(subject).filter(|i| Some(i.occurrence()) == ack.occurrence) {
        // One whose silence somebody else has ended is nobody's.
        Some(incident) if incident.ack.as_ref().is_some_and(|shown| shown.act == ack.act) => extension(ack, incident, plan, now),
        Some(_) => None,
        None => gone(snapshot, subject, ack, missing, now).then(|| release(ack, Release::Cleared)),
    }
}

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

/// Move the silence's end at half of its life, never beyond where the acknowledgement lapses.
fn extension(ack: &crate::domain::Ack, incident: &Incident, plan: &Plan, now: DateTime<Utc>) -> Option<Effect> {
    let Target::Alertmanager { source, .. } = &ack.target else { return None };
    let (lapses, until, silence, act) = (ack.lapses?, ack.until?, ack.silence.clone()?, ack.act.clone()?);
    let ack_for = delta(plan.source(source)?.ack_for);
    let end = lapses.min(now + ack_for);
    let due = until - now < ack_for / 2 && now < until && end > until;
    let comment = crate::domain::ack_comment(&ack.by.name, ack.note.as_ref(), &act);
    (due && !incident.stale).then(|| Effect::Extend {
        target: ack.target.clone(),
        silence,
        starts: ack.at,
        until: end,
        ack: act,
        comment,
        by: ack.by.name.clone(),
    })
}

/// Whether an acknowledged alert has been over for long enough, by answers that can tell.
fn gone(snapshot: &Snapshot, subject: &IncidentId, ack: &crate::domain::Ack, missing: &mut Missing, now: DateTime<Utc>) -> bool {
    match &ack.target {
        Target::Journal => snapshot.incident(subject).is_none_or(|i| Some(i.occurrence()) != ack.occurrence) && !snapshot.slos.is_empty(),
        Target::Alertmanager { source, .. } | Target::PagerDuty { source, .. } | Target::Silences { source } => {
            let answering = snapshot.source(source).is_some_and(|s| s.state == crate::domain::Freshness::Fresh);
            if !answering {
                missing.0.remove(subject);
                return false;
            }
            now - *missing.0.entry(subject.clone()).or_insert(now) >= GONE_FOR
        }
    }
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
