//! Which acknowledgement of the journal holds what: its own thread's, or that of a group of which it was a part when somebody took it.
//!
//! An acknowledgement holds what it was made for, whatever group that is in now: groups may grow, shrink and change their names.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{Ack, FiringAlert, Incident, IncidentId, Origin, Plan, Snapshot, SourceName, Target, Text, Thread};

/// How long after its end an acknowledgement is still of interest: as long as it may be said that it lapsed.
const REMEMBERED: TimeDelta = TimeDelta::days(2);

/// An acknowledgement that holds something, and when it was delivered.
pub type Held = (Ack, Option<DateTime<Utc>>);

/// A leg of an acknowledgement.
#[derive(Clone, Copy)]
struct Piece<'a> {
    thread: &'a Thread,
    ack: &'a Ack,
    leg: usize,
}

impl Piece<'_> {
    fn held(&self) -> Option<Held> {
        let newest = self.thread.ack.as_ref().is_some_and(|newest| newest.act == self.ack.act);
        let delivered = if newest { self.thread.delivered_at } else { None };
        Some((self.ack.of_leg(self.leg)?, delivered))
    }
}

/// The acknowledgements of groups, by what they hold.
#[derive(Default)]
pub struct Covers<'a> {
    by_id: HashMap<&'a IncidentId, Vec<(DateTime<Utc>, Piece<'a>)>>,
    by_labels: Vec<(&'a SourceName, Piece<'a>)>,
}

impl<'a> Covers<'a> {
    /// Those that the journal knows.
    pub fn new(snapshot: &'a Snapshot, now: DateTime<Utc>) -> Self {
        let mut covers = Self::default();
        let lately = |ack: &&Ack| ack.lapses.is_none_or(|lapses| now - lapses < REMEMBERED);
        for (thread, ack) in snapshot.threads.values().flat_map(|t| t.acks().map(move |ack| (t, ack))).filter(|(_, ack)| lately(ack)) {
            for (leg, state) in ack.legs.iter().enumerate().filter(|(_, state)| !state.over) {
                let piece = Piece { thread, ack, leg };
                for seen in &state.leg.members {
                    covers.by_id.entry(&seen.id).or_default().push((seen.at, piece));
                }
                if let (Target::Alertmanager { source, .. }, true) = (&state.leg.target, state.leg.members.is_empty()) {
                    covers.by_labels.push((source, piece));
                }
            }
        }
        covers
    }

    /// What holds this occurrence of an incident, the newest first.
    pub fn of(&self, id: &IncidentId, thread: Option<&Thread>, began: DateTime<Utc>) -> impl Iterator<Item = Held> + use<> {
        let pieces = self.by_id.get(id).into_iter().flatten().filter(|(at, _)| *at == began);
        newest_first(own(thread, began), pieces.filter_map(|(_, piece)| piece.held()))
    }

    /// What holds this occurrence of an alert, the newest first.
    pub fn of_alert(
        &self,
        id: &IncidentId,
        thread: Option<&Thread>,
        source: &SourceName,
        alert: &FiringAlert,
    ) -> impl Iterator<Item = Held> + use<> {
        let began = alert.starts_at;
        let exact = self.by_id.get(id).into_iter().flatten().filter(|(at, _)| *at == began).map(|(_, piece)| piece);
        // What began after it is held only where its silence holds it in truth.
        let holds = |piece: &&Piece<'_>| {
            let Some(state) = piece.ack.legs.get(piece.leg) else { return false };
            let silenced = state.silence.as_ref().is_some_and(|silence| alert.silenced_by.contains(silence));
            state.leg.is_for(source, id, &alert.labels, began) && (silenced || began <= piece.ack.at)
        };
        let shared = self.by_labels.iter().filter(|(there, _)| *there == source).map(|(_, piece)| piece).filter(holds);
        newest_first(own(thread, began), exact.chain(shared).filter_map(Piece::held))
    }
}

/// The acknowledgements of a thread that are of its subject alone, for this occurrence.
fn own(thread: Option<&Thread>, began: DateTime<Utc>) -> Vec<Held> {
    let acks = thread.into_iter().flat_map(|t| t.acks().map(move |ack| (t, ack)));
    let of_it = acks.filter(|(_, ack)| ack.legs.is_empty() && ack.occurrence == Some(began));
    of_it.map(|(t, ack)| (ack.clone(), t.delivered_at)).collect()
}

fn newest_first(mut held: Vec<Held>, more: impl Iterator<Item = Held>) -> std::vec::IntoIter<Held> {
    held.extend(more);
    held.sort_by_key(|(ack, _)| std::cmp::Reverse(ack.at));
    held.into_iter()
}

/// What others call our services.
pub struct Aliases<'a>(HashMap<&'a Text, &'a Text>);

impl<'a> Aliases<'a> {
    /// Those of a plan.
    pub fn new(plan: &'a Plan) -> Self {
        Self(plan.services.values().flat_map(|s| s.aliases.iter().map(|alias| (alias, &s.name))).collect())
    }
    /// Call services as we do. What is paged is about the service that its alert names, if it does.
    pub fn resolve(&self, flat: &mut [Incident]) {
        for incident in flat {
            if let (Origin::PagerDuty { .. }, Some(label)) = (&incident.origin, incident.labels.get("service")) {
                incident.service = Some(label.text()).filter(|label| !label.is_empty()).or_else(|| incident.service.take());
            }
            if let Some(name) = incident.service.as_ref().and_then(|service| self.0.get(service)) {
                incident.service = Some((*name).clone());
            }
        }
    }
}
