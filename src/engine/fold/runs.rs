//! Runs of runbooks, folded from the journal.

use std::sync::Arc;

use crate::domain::{Entry, Run, RunId, Snapshot, What};

/// Runs that are over and kept for the screen.
const KEPT: usize = 200;

/// What an entry changes about runs.
pub fn entry(next: &mut Snapshot, entry: &Entry) {
    let (What::Run { .. }, Some(id)) = (&entry.what, RunId::of_subject(&entry.subject)) else { return };
    if let Some(run) = next.runs.get_mut(&id) {
        Arc::make_mut(run).take(entry);
    } else if let Some(run) = Run::begin(entry) {
        next.runs.insert(id, Arc::new(run));
        forget(next);
    }
}

/// Of those that are over only the newest are kept.
fn forget(next: &mut Snapshot) {
    if next.runs.len() <= KEPT {
        return;
    }
    let over: Vec<RunId> = next.runs.values().filter(|r| r.state().is_over()).map(|r| r.id).collect();
    for id in over.iter().take(next.runs.len() - KEPT) {
        next.runs.remove(id);
    }
}
