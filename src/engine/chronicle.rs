//! Looking one incident up: its thread of the journal, its sources' own logs, and how its service was responded to.
//!
//! It is asked for when somebody opens an incident, is never journalled, and holds up nothing: the journal is read on a thread for such
//! work, and a source that keeps a log answers within its own deadline or is said not to have.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Setup;
use crate::{
    domain::{Chronicle, Entry, Fault, FaultClass, Incident, IncidentId, LOOKS_BACK, Log, Response, SourceName, Text, response},
    store::Store,
};

/// Entries of the journal that are gone through for the means: those of thirty busy days.
const MOST_ENTRIES: u32 = 50_000;
/// Threads that are read of a group, and logs that are asked for.
const MOST_THREADS: usize = 200;
const MOST_LOGS: usize = 5;

/// What can be told of `incident` beyond what polls bring.
pub async fn look_up(setup: &Setup, incident: &Incident) -> Chronicle {
    let now = setup.clock.now();
    let ((entries, response), logs) = tokio::join!(journal(setup, incident, now), logs(setup, incident));
    Chronicle { as_of: now, entries, logs, response }
}

/// The incident's thread, and how its service was responded to. Empty without a journal: that it cannot be read is said elsewhere.
async fn journal(setup: &Setup, incident: &Incident, now: DateTime<Utc>) -> (Vec<Entry>, Option<Response>) {
    let Some(store) = setup.store.clone() else { return (Vec::new(), None) };
    let (subjects, service) = (incident.names().take(MOST_THREADS).cloned().collect::<Vec<_>>(), incident.service.clone());
    let read = tokio::task::spawn_blocking(move || (threads(&store, &subjects), service.and_then(|s| means(&store, &s, now))));
    read.await.unwrap_or_default()
}

/// The entries on any of these, in the order of the journal.
fn threads(store: &Arc<Store>, subjects: &[IncidentId]) -> Vec<Entry> {
    let mut entries: Vec<_> = subjects.iter().flat_map(|subject| store.thread(subject).unwrap_or_default()).collect();
    entries.sort_by_key(|entry| entry.id);
    entries.dedup_by_key(|entry| entry.id);
    entries
}

fn means(store: &Arc<Store>, service: &Text, now: DateTime<Utc>) -> Option<Response> {
    let since = now - LOOKS_BACK;
    store.written_since(since, MOST_ENTRIES).ok().map(|entries| response(&entries, service, since))
}

/// What each source that keeps a log of it tells.
async fn logs(setup: &Setup, incident: &Incident) -> Vec<Log> {
    let asked = incident.all_paged().take(MOST_LOGS).map(|(source, id)| log(setup, source, id));
    futures::future::join_all(asked).await
}

async fn log(setup: &Setup, source: &SourceName, id: &str) -> Log {
    let chronicle = setup.sources.iter().find(|s| s.name() == source).and_then(|s| s.chronicle());
    let clock = setup.clock.clone();
    let told = match chronicle {
        Some(chronicle) => chronicle.timeline(id, &move || clock.now()).await,
        None => Err(without(source)),
    };
    match told {
        Ok(moments) => Log { source: source.clone(), as_of: Some(setup.clock.now()), moments, fault: None },
        Err(fault) => Log { source: source.clone(), as_of: None, moments: Vec::new(), fault: Some(fault) },
    }
}

fn without(source: &SourceName) -> Fault {
    let message = Text::from(format!("{source}: keeps no log of its incidents"));
    Fault { class: FaultClass::Rejected, message, retry_after_secs: None }
}
