//! The five answers: what is burning worst, since when, who has it, what to do next. (What it costs is not known yet.)
//!
//! Read off a snapshot; which row is worst was decided by the engine's order, not here.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::{Grade, Incident, QueueRow, SloRow, Snapshot, State, Status, Text};

/// The worst thing now.
#[derive(Clone, Debug)]
pub enum Worst {
    /// An SLO whose budget burns.
    Slo(Arc<SloRow>),
    /// An incident that no SLO of ours shows.
    Incident(Arc<Incident>),
}

/// Everything the band says about the worst thing.
#[derive(Clone, Debug)]
pub struct Answers {
    /// What.
    pub worst: Worst,
    /// Whether it pages.
    pub pages: bool,
    /// Since when; `None` if that is not known.
    pub since: Option<DateTime<Utc>>,
    /// The incident to act on; `None` if there is none, as for a budget that is merely overspent.
    pub incident: Option<Arc<Incident>>,
}

impl Answers {
    /// Whose service the worst thing is about, if that is known.
    pub fn service(&self) -> Option<Text> {
        match &self.worst {
            Worst::Slo(row) => Some(row.service.clone()),
            Worst::Incident(incident) => incident.service.clone(),
        }
    }
}

/// The worst thing of `snapshot`; `None` if nothing burns and nobody is asked for.
pub fn answers(snapshot: &Snapshot) -> Option<Answers> {
    let slo = snapshot.slos.iter().find(|row| matches!(row.state, State::Critical | State::Warning));
    let incident = snapshot.incidents.iter().find(|i| open(i) && !i.silenced && !i.inhibited);
    match (slo, incident) {
        (Some(row), _) if row.state == State::Critical => Some(of_slo(snapshot, row)),
        (_, Some(incident)) if incident.severity.pages() => Some(of_incident(incident)),
        (Some(row), _) => Some(of_slo(snapshot, row)),
        (None, Some(incident)) => Some(of_incident(incident)),
        (None, None) => None,
    }
}

fn of_slo(snapshot: &Snapshot, row: &Arc<SloRow>) -> Answers {
    let incident = incident_of(snapshot, row);
    let grade = row.firing();
    let episode = grade.and_then(|g| snapshot.episodes.get(&(row.id.clone(), g)));
    let since = episode.filter(|e| e.ended_at.is_none()).and_then(|e| e.since);
    let of_own = incident.as_ref().filter(|i| is_own(i, row)).and_then(|i| i.since);
    Answers { worst: Worst::Slo(row.clone()), pages: grade == Some(Grade::Page), since: since.or(of_own), incident }
}

fn of_incident(incident: &Arc<Incident>) -> Answers {
    Answers {
        worst: Worst::Incident(incident.clone()),
        pages: incident.severity.pages(),
        since: incident.since,
        incident: Some(incident.clone()),
    }
}

fn open(incident: &Incident) -> bool {
    incident.status != Status::Resolved
}

fn is_own(incident: &Incident, row: &SloRow) -> bool {
    incident.burns(&row.id)
}

/// The incident an act on this row means: its own open one, else the worst of the same service; `None` if there is neither.
pub fn incident_of(snapshot: &Snapshot, row: &SloRow) -> Option<Arc<Incident>> {
    let own = snapshot.incidents.iter().find(|i| open(i) && is_own(i, row));
    let of_service = |i: &&Arc<Incident>| open(i) && i.service.as_ref() == Some(&row.service) && !i.is_own();
    own.or_else(|| snapshot.incidents.iter().find(of_service)).cloned()
}

/// The open incident of a queue: that of its stall, else that of what is promised of its age.
pub fn of_queue<'a>(snapshot: &'a Snapshot, row: &QueueRow) -> Option<&'a Arc<Incident>> {
    let stalled = snapshot.incidents.iter().find(|i| i.is_of_queue(&row.id));
    let burning = || {
        let slo = snapshot.promise_of(row)?;
        snapshot.incidents.iter().find(|i| open(i) && is_own(i, slo))
    };
    stalled.or_else(burning)
}

/// Open incidents that page and those that do not, those held back by a silence or another alert left out.
pub fn open_counts(snapshot: &Snapshot) -> (usize, usize) {
    let open = snapshot.incidents.iter().filter(|i| open(i) && !i.silenced && !i.inhibited);
    open.fold((0, 0), |(pages, tickets), i| if i.severity.pages() { (pages + 1, tickets) } else { (pages, tickets + 1) })
}
