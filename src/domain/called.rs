//! Pages: when somebody was called, for the account of what being on call costs.
//!
//! A page is the beginning of an incident that pages and that nothing holds back: an own rule's, an alert's, one of a service that pages
//! people. It is told by whoever sees it, so three sources may tell of one trouble: what begins within [`TOGETHER`] of a page of the same
//! rota is the same page. It falls on whoever had the pager then.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Effect, Entry, Episode, Grade, Incident, IncidentId, Page, Rota, Severity, Target, Text, Untrusted, What};

/// Beginnings within this of each other are one page.
pub const TOGETHER: TimeDelta = TimeDelta::minutes(5);

/// The beginning of something that pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Of what.
    pub incident: IncidentId,
    /// When.
    pub at: DateTime<Utc>,
    /// Whose service.
    pub service: Text,
}

impl Call {
    /// Of an open incident; `None` if it does not page, is held back, or is nobody's.
    pub fn of_incident(incident: &Incident) -> Option<Self> {
        let service = incident.service.clone().filter(|_| incident.severity.pages() && !incident.silenced && !incident.inhibited)?;
        Some(Self { incident: incident.id.clone(), at: incident.occurrence(), service })
    }
    /// Of an alert of our own; `None` for a ticket.
    pub fn of_episode(episode: &Episode, service: Text) -> Option<Self> {
        let incident = IncidentId::new(&format!("{}:page", episode.slo));
        (episode.grade == Grade::Page).then_some(Self { incident, at: episode.seen_at, service })
    }
    /// Of an alert that somebody took, by the journal; `None` for other entries, and for alerts that do not page.
    pub fn of_entry(entry: &Entry) -> Option<Self> {
        let What::Asked { effect: Effect::Acknowledge { target, occurrence, .. } } = &entry.what else { return None };
        let Some(Target::Alertmanager { labels, .. }) = target.places().into_iter().find(|t| matches!(t, Target::Alertmanager { .. }))
        else {
            return None;
        };
        let service = ["service", "app", "job"].iter().find_map(|l| labels.get(l)).map(Untrusted::text)?;
        let pages = Severity::from_label(labels.get("severity").map(Untrusted::raw)).pages();
        pages.then(|| Self { incident: entry.subject.clone(), at: *occurrence, service })
    }
}

/// When something that pages began, and whose service it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calls(BTreeMap<(IncidentId, DateTime<Utc>), Text>);

impl Calls {
    /// Whether this beginning is known already.
    pub fn knows(&self, call: &Call) -> bool {
        let key = |at| (call.incident.clone(), at);
        self.0.range(key(call.at - TOGETHER)..=key(call.at + TOGETHER)).next().is_some()
    }
    /// Remember a beginning.
    pub fn add(&mut self, call: Call) {
        self.0.insert((call.incident, call.at), call.service);
    }
    /// Forget what was before `since`.
    pub fn forget(&mut self, since: DateTime<Utc>) {
        self.0.retain(|(_, at), _| *at >= since);
    }
    /// Whether nothing is remembered from before `since`.
    pub fn is_young(&self, since: DateTime<Utc>) -> bool {
        self.0.keys().all(|(_, at)| *at >= since)
    }
    /// Who was called of `rota`, in order of time.
    pub fn pages_of(&self, rota: &Rota) -> Vec<Page> {
        let ours = self.0.iter().filter(|(_, service)| rota.serves.contains(service)).map(|((_, at), _)| *at);
        let mut times: Vec<_> = ours.collect();
        times.sort_unstable();
        times.dedup_by(|later, kept| *later - *kept < TOGETHER);
        let who = |at| rota.held(rota.first_place(), at).shift().map(|s| s.who.clone());
        times.into_iter().filter_map(|at| Some(Page { at, who: who(at)? })).collect()
    }
}
