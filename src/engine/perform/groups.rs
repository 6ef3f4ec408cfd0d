//! Deciding on groups: one act, with a leg in each place that it concerns.

use chrono::{DateTime, Utc};

use super::{Refusal, delta};
use crate::domain::{
    Ack, ActId, Effect, Incident, IncidentId, Leg, Origin, Plan, Release, Seen, Silencing, Snapshot, Target, Thread, legs_to_take,
};

/// Where a group is acknowledged; the one place, if it is but one.
pub fn to_take(snapshot: &Snapshot, plan: &Plan, incident: &Incident, now: DateTime<Utc>) -> Result<Target, Refusal> {
    let refuse = |why| Refusal::NotOffered { title: incident.title.clone(), why };
    let legs = legs_to_take(snapshot, &Silencing::of(plan), incident, now).map_err(refuse)?;
    if legs.is_empty() {
        return Err(refuse("everything in it is held already, or held back".to_owned()));
    }
    Ok(Target::Group { legs })
}

/// Where somebody's acknowledgement of a group is taken over: wherever its parts are held.
pub fn to_take_over(plan: &Plan, incident: &Incident, now: DateTime<Utc>) -> Target {
    let mut legs: Vec<Leg> = Vec::new();
    let mut written: Vec<Seen> = Vec::new();
    for part in incident.parts() {
        let Some(ack) = &part.ack else { continue };
        let seen = Seen { id: part.id.clone(), at: part.occurrence() };
        match (&ack.target, &part.origin) {
            (Target::Alertmanager { source, labels }, Origin::Alertmanager { .. }) => {
                let until = plan.source(source).map(|s| now + delta(s.ack_for.min(plan.ack.max)));
                // Of a silence that holds several there is one leg, and what it holds is told by its labels.
                let known = legs.iter_mut().find(|leg| leg.silence.is_some() && leg.silence == ack.silence && leg.target == ack.target);
                if let Some(leg) = known {
                    leg.members.clear();
                } else {
                    let members = if *labels == part.labels { vec![seen] } else { Vec::new() };
                    legs.push(Leg { until, silence: ack.silence.clone(), ..Leg::new(ack.target.clone(), members) });
                }
            }
            (Target::PagerDuty { .. }, Origin::PagerDuty { .. }) => legs.push(Leg::new(ack.target.clone(), vec![seen])),
            // It follows the book.
            (Target::PagerDuty { .. }, Origin::Alertmanager { .. }) => {}
            _ => written.push(seen),
        }
    }
    if !written.is_empty() {
        legs.push(Leg::new(Target::Journal, written));
    }
    Target::Group { legs }
}

/// How an acknowledgement is given back, and whose thread of the journal that concerns. Of several that hold parts of a group the newest.
pub fn unacknowledge(snapshot: &Snapshot, incident: &Incident) -> Result<(Effect, Option<IncidentId>), Refusal> {
    let held = || incident.parts().filter_map(|part| part.ack.as_ref());
    let own = incident.ack.as_ref().filter(|_| incident.members.is_empty());
    let newest = own.or_else(|| held().max_by_key(|ack| ack.at)).ok_or_else(|| Refusal::NotHeld(incident.title.clone()))?;
    if let Some(source) = held().find_map(|ack| if let Target::PagerDuty { source, .. } = &ack.target { Some(source) } else { None }) {
        let why = format!("{source} has no way to give an acknowledgement back; escalate it or hand it to somebody");
        return Err(Refusal::NotOffered { title: incident.title.clone(), why });
    }
    let whole = newest.subject.as_ref().and_then(|subject| snapshot.threads.get(subject)).and_then(|thread| whole(thread, newest));
    Ok(match whole {
        Some(whole) => (release_all(whole), newest.subject.clone()),
        None if incident.members.is_empty() => (super::release(newest, Release::Unacknowledged), newest.subject.clone()),
        None => (super::release(newest, Release::Unacknowledged), None),
    })
}

/// The acknowledgement of a group that `part` is a leg of.
fn whole<'a>(thread: &'a Thread, part: &Ack) -> Option<&'a Ack> {
    let act = part.act.as_ref()?.whole().0;
    thread.acks().find(|ack| ack.act.as_ref() == Some(&act)).filter(|ack| !ack.legs.is_empty())
}

/// The end of every leg of an acknowledgement that has not ended.
fn release_all(ack: &Ack) -> Effect {
    let act = ack.act.clone().unwrap_or_else(|| ActId::new("elsewhere"));
    let states = ack.legs.iter().enumerate().filter(|(_, state)| !state.over);
    let legs = states.map(|(number, state)| Leg {
        silence: state.silence.clone(),
        ends: Some(act.leg(number)),
        ..Leg::new(state.leg.target.clone(), Vec::new())
    });
    Effect::Release { target: Target::Group { legs: legs.collect() }, silence: None, ack: act, why: Release::Unacknowledged }
}
