//! Runs of runbooks, folded from the journal.

use std::sync::Arc;

use crate::domain::{Entry, LastRun, Run, RunId, Snapshot, What};

/// Runs that are over and kept for the screen.
const KEPT: usize = 200;

/// What an entry changes about runs.
pub fn entry(next: &mut Snapshot, entry: &Entry) {
    let (What::Run { .. }, Some(id)) = (&entry.what, RunId::of_subject(&entry.subject)) else { return };
    if let Some(run) = next.runs.get_mut(&id) {
        Arc::make_mut(run).take(entry);
        last_run(next, id);
    } else if let Some(run) = Run::begin(entry) {
        next.runs.insert(id, Arc::new(run));
        forget(next);
    }
}

/// What the run tells of when its runbook was last run.
fn last_run(next: &mut Snapshot, id: RunId) {
    let Some((book, told)) = next.runs.get(&id).and_then(|run| Some((run.runbook.clone(), LastRun::of(run)?))) else { return };
    if next.last_runs.get(&book).is_none_or(|known| told.replaces(known)) {
        next.last_runs.insert(book, Arc::new(told));
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
