//! Incidents of services that page people. Their book says who has what; the journal adds the words and acts of ours.

use chrono::{DateTime, TimeDelta, Utc};

use super::covers::Covers;
use crate::domain::{
    Ack, Actor, Delivery, Freshness, Holder, Incident, IncidentId, Labels, Origin, PagedIncident, Plan, Snapshot, SourceName, Status,
    Target, Thread, person_of,
};

/// How long after an acknowledgement was delivered a list may still show the incident without it.
const GRACE: TimeDelta = TimeDelta::seconds(30);

/// Every open incident of every such source.
pub fn incidents(snapshot: &Snapshot, plan: &Plan, covers: &Covers<'_>, now: DateTime<Utc>) -> Vec<Incident> {
    let all = snapshot.paged.iter().flat_map(|(source, list)| list.iter().map(move |paged| (source, paged)));
    all.map(|(source, paged)| incident(snapshot, plan, source, covers, paged, now)).collect()
}

fn incident(
    snapshot: &Snapshot,
    plan: &Plan,
    source: &SourceName,
    covers: &Covers<'_>,
    paged: &PagedIncident,
    now: DateTime<Utc>,
) -> Incident {
    let id = IncidentId::new(&format!("{source}:{}", paged.id));
    let thread = snapshot.threads.get(&id);
    let read = snapshot.source(source).and_then(|s| s.last_success);
    let (ours, delivered) = covers.of(&id, thread, paged.created_at).next().unzip();
    let (ours, delivered) = (ours.as_ref(), delivered.flatten());
    let old = |ack: &Ack| read.is_some_and(|at| at >= delivered.unwrap_or(ack.at) + GRACE);
    let ack = standing(plan, source, paged, ours, old);
    Incident {
        title: paged.title.clone(),
        severity: paged.severity,
        service: paged.service.clone(),
        status: if ack.as_ref().is_some_and(|a| a.delivery != Delivery::Failed) { Status::Acknowledged } else { Status::Triggered },
        since: Some(paged.created_at),
        labels: paged.labels.clone(),
        annotations: Labels::default(),
        links: paged.links.clone(),
        sources: vec![source.clone()],
        silenced: false,
        inhibited: false,
        lapsed: if ack.is_none() { ours.map(|ack| (ack.by.clone(), paged.changed_at.unwrap_or(now))) } else { None },
        ack,
        version: thread.map_or(0, |t: &Thread| t.version),
        origin: Origin::PagerDuty {
            source: source.clone(),
            incident: paged.id.clone(),
            created_at: paged.created_at,
            key: paged.key.clone(),
        },
        members: Vec::new(),
        keys: Vec::new(),
        stale: snapshot.source(source).is_none_or(|s| s.state != Freshness::Fresh),
        id,
    }
}

/// Who has it: what the book says, with the words of our own act where it is ours; an act of ours on its
/// way, or too young for the list; else nobody.
fn standing(plan: &Plan, source: &SourceName, paged: &PagedIncident, ours: Option<&Ack>, old: impl Fn(&Ack) -> bool) -> Option<Ack> {
    let newest = paged.holders.iter().max_by_key(|h| h.at);
    match (ours, newest.filter(|_| paged.acknowledged)) {
        (Some(ack), _) if matches!(ack.delivery, Delivery::Pending | Delivery::Unknown) => Some(ack.clone()),
        (Some(ack), Some(_)) if ack.delivery == Delivery::Done && paged.holders.iter().any(|h| is(plan, h, &ack.by)) => {
            Some(Ack { until: paged.until, lapses: None, ..ack.clone() })
        }
        (_, Some(holder)) => Some(theirs(plan, source, paged, holder)),
        (_, None) if paged.acknowledged => Some(theirs(plan, source, paged, &nobody_named(paged))),
        (Some(ack), None) if ack.delivery == Delivery::Failed => Some(ack.clone()),
        // The list may be older than the act.
        (Some(ack), None) => (!old(ack)).then(|| ack.clone()),
        (None, None) => None,
    }
}

/// Whether a holder in the book is this actor of ours.
fn is(plan: &Plan, holder: &Holder, actor: &Actor) -> bool {
    match &holder.email {
        Some(email) => person_of(&plan.people, email).is_some_and(|p| p.name == actor.name),
        None => holder.who == actor.name,
    }
}

fn theirs(plan: &Plan, source: &SourceName, paged: &PagedIncident, holder: &Holder) -> Ack {
    let person = holder.email.as_ref().and_then(|email| person_of(&plan.people, email));
    Ack {
        act: None,
        by: Actor { name: person.map_or_else(|| holder.who.clone(), |p| p.name.clone()), verified: true },
        at: holder.at,
        until: paged.until,
        lapses: None,
        note: None,
        delivery: Delivery::Done,
        why: None,
        silence: None,
        occurrence: Some(paged.created_at),
        target: Target::PagerDuty { source: source.clone(), incident: paged.id.clone() },
        legs: Vec::new(),
        subject: None,
    }
}

/// Acknowledged, and the book does not say by whom: an integration, or a user who is gone.
fn nobody_named(paged: &PagedIncident) -> Holder {
    Holder { who: "somebody".into(), email: None, at: paged.changed_at.unwrap_or(paged.created_at) }
}

#[cfg(test)]
mod tests;
