//! What people do to rotations: overrides, and the notes from the outgoing to the incoming. The journal alone keeps them.

use chrono::{DateTime, Utc};

use super::Refusal;
use crate::domain::{Book, Effect, Override, Plan, Rota, Snapshot, SourceName, Text, Verb};

/// Why something cannot be done to a rotation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationRefusal {
    /// Nobody knows it.
    #[error("there is no rotation named `{name}`; there are {}", or_none(known))]
    NoRotation {
        /// What was asked for.
        name: Text,
        /// Those that there are.
        known: Vec<Text>,
    },
    /// It is kept elsewhere.
    #[error("{name} is kept in {source_name}; change it there")]
    KeptElsewhere {
        /// Which.
        name: Text,
        /// Where.
        source_name: SourceName,
    },
    /// Nobody of that name.
    #[error("there is no [[person]] named `{name}`; there are {}", or_none(known))]
    NoPerson {
        /// What was asked for.
        name: Text,
        /// Those that there are.
        known: Vec<Text>,
    },
    /// An override that ends before it begins.
    #[error("an override of {0} ends before it begins; swap its times")]
    Backwards(Text),
    /// An override of a time that has passed.
    #[error("an override of {0} would be over already; who was on call does not change afterwards")]
    Past(Text),
    /// A note without words.
    #[error("a handoff note of {0} without words; say what is open and what was promised")]
    NoWords(Text),
    /// No handoff there.
    #[error("{0} has no handoff then; look at `burnwatch oncall`")]
    NoHandoff(Text),
    /// No note there.
    #[error("{0} has no note that waits to be read")]
    NoNote(Text),
}

fn or_none(names: &[Text]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.iter().map(Text::as_str).collect::<Vec<_>>().join(", ") }
}

/// What a verb on a rotation means: which one, and the effect; `None` for a verb on an incident.
pub(super) fn decide(plan: &Plan, snapshot: &Snapshot, verb: &Verb, now: DateTime<Utc>) -> Result<Option<(Text, Effect)>, Refusal> {
    let effect = match verb {
        Verb::Override { rotation, over, note } => overriding(plan, snapshot, rotation, over, note.clone(), now),
        Verb::HandoffNote { rotation, handoff, note } => noting(snapshot, rotation, *handoff, note, now),
        Verb::HandoffRead { rotation, handoff } => reading(snapshot, rotation, *handoff),
        _ => return Ok(None),
    };
    effect.map(Some).map_err(Refusal::Rotation)
}

fn rota<'a>(snapshot: &'a Snapshot, name: &Text) -> Result<&'a Rota, RotationRefusal> {
    let known = || snapshot.rotas.iter().map(|r| r.name.clone()).collect();
    snapshot.rota(name).map(|r| &**r).ok_or_else(|| RotationRefusal::NoRotation { name: name.clone(), known: known() })
}

fn overriding(
    plan: &Plan,
    snapshot: &Snapshot,
    rotation: &Text,
    over: &Override,
    note: Option<Text>,
    now: DateTime<Utc>,
) -> Result<(Text, Effect), RotationRefusal> {
    if let Book::Told(told) = &rota(snapshot, rotation)?.book {
        let source_name = told.sources.first().cloned().unwrap_or_else(|| SourceName::new("a source"));
        return Err(RotationRefusal::KeptElsewhere { name: rotation.clone(), source_name });
    }
    if !plan.people.iter().any(|p| p.name == over.who) {
        let known = plan.people.iter().map(|p| p.name.clone()).collect();
        return Err(RotationRefusal::NoPerson { name: over.who.clone(), known });
    }
    if over.during.from >= over.during.to {
        return Err(RotationRefusal::Backwards(over.who.clone()));
    }
    if over.during.to <= now {
        return Err(RotationRefusal::Past(over.who.clone()));
    }
    // What has passed stays as it was: the journal does not rewrite who was on call.
    let mut over = over.clone();
    over.during.from = over.during.from.max(now);
    Ok((rotation.clone(), Effect::Override { rotation: rotation.clone(), over, note }))
}

fn noting(
    snapshot: &Snapshot,
    rotation: &Text,
    handoff: DateTime<Utc>,
    note: &Text,
    now: DateTime<Utc>,
) -> Result<(Text, Effect), RotationRefusal> {
    let rota = rota(snapshot, rotation)?;
    if note.as_str().trim().is_empty() {
        return Err(RotationRefusal::NoWords(rotation.clone()));
    }
    let meant = [rota.handoff_to_note(now), rota.pager().and_then(|p| p.next.clone())];
    if !meant.iter().flatten().any(|h| h.at == handoff) {
        return Err(RotationRefusal::NoHandoff(rotation.clone()));
    }
    Ok((rotation.clone(), Effect::HandoffNote { rotation: rotation.clone(), handoff, note: note.clone() }))
}

fn reading(snapshot: &Snapshot, rotation: &Text, handoff: DateTime<Utc>) -> Result<(Text, Effect), RotationRefusal> {
    let rota = rota(snapshot, rotation)?;
    if !rota.notes.iter().any(|n| n.at == handoff && n.read.is_none()) {
        return Err(RotationRefusal::NoNote(rotation.clone()));
    }
    Ok((rotation.clone(), Effect::HandoffRead { rotation: rotation.clone(), handoff }))
}
