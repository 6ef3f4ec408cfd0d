//! Where an act on an incident goes: to each source that keeps a book of its own, and else to silences and the journal.
//!
//! Where a service that pages people knows of it, it is acknowledged there, rules of ours in the journal along with it, and nothing is
//! silenced: an Alertmanager sends no *resolved* of what is silenced, and what was paged would stay open. What no such service knows is
//! silenced where it fires: in each Alertmanager by one silence on what its alerts have in common, if that covers nothing else that is
//! there, else by one for each.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Delivery, FiringAlert, Incident, IncidentId, LabelMatcher, Labels, Leg, Origin, Plan, Seen, Snapshot, SourceName, Target, common,
};

/// How acknowledgements are kept in each Alertmanager.
#[derive(Clone, Debug, Default)]
pub struct Silencing(Vec<(SourceName, Keeping)>);

/// How acknowledgements are kept in one Alertmanager.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    /// How long a silence lasts before it must be extended.
    pub ack_for: Duration,
    /// Whether alerts are silenced also where a service that pages people knows of them.
    pub ack_silences: bool,
    /// Whether a heartbeat alert is expected there.
    pub heartbeat: bool,
}

impl FromIterator<(SourceName, Keeping)> for Silencing {
    fn from_iter<I: IntoIterator<Item = (SourceName, Keeping)>>(sources: I) -> Self {
        Self(sources.into_iter().collect())
    }
}

impl Silencing {
    /// As a plan has it.
    pub fn of(plan: &Plan) -> Self {
        let keeping =
            |s: &super::SourcePlan| Keeping { ack_for: s.ack_for.min(plan.ack.max), ack_silences: s.ack_silences, heartbeat: s.heartbeat };
        plan.sources.iter().map(|s| (s.name.clone(), keeping(s))).collect()
    }
    /// How they are kept there; `None` if there is no such source.
    pub fn keeping(&self, source: &SourceName) -> Option<Keeping> {
        self.0.iter().find(|(name, _)| name == source).map(|(_, keeping)| *keeping)
    }
}

/// The most places in which one act is done: incidents of services that page people, and alerts that are silenced one by one.
pub const MOST_PLACES: usize = 20;

/// The legs of an acknowledgement of what nobody holds yet in an incident, when it would be made at `now`; or why there can be none.
pub fn legs_to_take(snapshot: &Snapshot, silencing: &Silencing, incident: &Incident, now: DateTime<Utc>) -> Result<Vec<Leg>, String> {
    let free: Vec<_> = incident.parts().filter(|part| is_free(part)).collect();
    let paged = incident.paged().is_some();
    let mut legs: Vec<Leg> = Vec::new();
    let mut written = Vec::new();
    let mut alerts: Vec<(&SourceName, Vec<&Incident>)> = Vec::new();
    let books = free.iter().any(|part| part.paged().is_some());
    for part in &free {
        match &part.origin {
            Origin::PagerDuty { .. } => legs.push(Leg::new(part.target(), vec![seen(part)])),
            Origin::Alertmanager { source, .. } if !paged || silencing.keeping(source).is_some_and(|s| s.ack_silences) => {
                match alerts.iter_mut().find(|(there, _)| *there == source) {
                    Some((_, all)) => all.push(part),
                    None => alerts.push((source, vec![part])),
                }
            }
            // It follows the book, from the moment that somebody stands in it; one that came later is written down.
            Origin::Alertmanager { .. } if books => {}
            Origin::Alertmanager { .. } | Origin::Own { .. } | Origin::Queue { .. } => written.push(seen(part)),
        }
    }
    if legs.len() > MOST_PLACES {
        let several = legs.len();
        return Err(format!("it is {several} incidents there, and {MOST_PLACES} at most are acted on at once; name one of them"));
    }
    if !written.is_empty() {
        legs.push(Leg::new(Target::Journal, written));
    }
    let mut single = 0;
    for (source, parts) in alerts {
        let silences = silences(snapshot, silencing, source, &parts);
        single += if silences.len() > 1 { silences.len() } else { 0 };
        let until = silencing.keeping(source).and_then(|s| TimeDelta::from_std(s.ack_for).ok()).map(|span| now + span);
        legs.extend(silences.into_iter().map(|leg| Leg { until, ..leg }));
    }
    if single > MOST_PLACES {
        let why = format!(
            "its {single} alerts have nothing in common that no other alert there has, and {MOST_PLACES} at most are silenced one by \
             one; silence them by their labels"
        );
        return Err(why);
    }
    Ok(legs)
}

/// Whether nobody holds it, and nothing holds it back.
fn is_free(part: &Incident) -> bool {
    !part.is_held_back() && part.ack.as_ref().is_none_or(|ack| ack.delivery == Delivery::Failed)
}

fn seen(part: &Incident) -> Seen {
    Seen { id: part.id.clone(), at: part.occurrence() }
}

/// The silences that would hold these alerts of one Alertmanager, and nothing else of it.
fn silences(snapshot: &Snapshot, silencing: &Silencing, source: &SourceName, parts: &[&Incident]) -> Vec<Leg> {
    let target = |labels: Labels| Target::Alertmanager { source: source.clone(), labels };
    if let [_, _, ..] = parts {
        let shared = common(parts.iter().map(|part| &part.labels));
        if covers_only(snapshot, silencing, source, &shared, parts) {
            return vec![Leg::new(target(shared), Vec::new())];
        }
    }
    parts.iter().map(|part| Leg::new(target(part.labels.clone()), vec![seen(part)])).collect()
}

/// Whether a silence on these labels would hold back nothing that is there but these. The heartbeat is not among what is known to be
/// there; it differs from what fires at least in its name.
fn covers_only(snapshot: &Snapshot, silencing: &Silencing, source: &SourceName, labels: &Labels, parts: &[&Incident]) -> bool {
    let named = labels.get("alertname").is_some_and(|name| !name.raw().is_empty());
    let beats = silencing.keeping(source).is_none_or(|s| s.heartbeat);
    let Some(there) = snapshot.alerts.get(source).filter(|_| named || !beats) else { return false };
    if LabelMatcher::exactly(labels).is_empty() {
        return false;
    }
    let meant: HashSet<&IncidentId> = parts.iter().map(|part| &part.id).collect();
    let covered = there.alerts.iter().filter(|alert| LabelMatcher::all_in(labels, &alert.labels));
    let id = |alert: &FiringAlert| IncidentId::new(&format!("{source}:{}", alert.fingerprint));
    // What is silenced already is held back anyway.
    covered.filter(|alert| alert.silenced_by.is_empty()).all(|alert| meant.contains(&id(alert)))
}

/// Where something that only the book of a service that pages people has is done: in each that knows of the incident.
pub fn books(incident: &Incident) -> Option<Target> {
    let kept = |(source, id): (&SourceName, &str)| Target::PagerDuty { source: source.clone(), incident: id.to_owned() };
    let mut all: Vec<_> = incident.all_paged().map(kept).collect();
    match all.len() {
        0 | 1 => all.pop(),
        _ => Some(Target::Group { legs: all.into_iter().map(|target| Leg::new(target, Vec::new())).collect() }),
    }
}
