//! What probes saw: certificates that end, and whether anything can be known at all.

use std::sync::Arc;

use crate::domain::{FaultClass, Probed, Quantiles, SloId, SloRow, Snapshot, SourceName, Verdict, Window};

/// Remember what was seen last.
pub fn probed(next: &mut Snapshot, source: &SourceName, checks: &[Probed]) {
    next.probes.insert(source.clone(), Arc::new(checks.to_vec()));
}

/// Looked up for as many SLOs at most.
const LOOKED_UP: usize = 64;

/// What was looked up of an SLO's answers; of too many only the newest is kept.
pub fn latencies(next: &mut Snapshot, id: SloId, found: Vec<(Window, Quantiles)>) {
    if next.latencies.len() >= LOOKED_UP && !next.latencies.contains_key(&id) {
        next.latencies.clear();
    }
    next.latencies.insert(id, Arc::new(found));
}

/// Sources that are cut off themselves: nothing is known of what they should see.
pub fn offline(snapshot: &Snapshot) -> Vec<SourceName> {
    let cut = snapshot.sources.iter().filter(|s| s.fault.as_ref().is_some_and(|f| f.class == FaultClass::Offline));
    cut.map(|s| s.name.clone()).collect()
}

/// Whether nothing is known of an SLO because its source is offline.
pub fn is_cut_off(row: &SloRow, offline: &[SourceName]) -> bool {
    row.definition.sli.is_tallied() && offline.contains(&row.definition.source)
}

/// A certificate that ends soon is work for office hours.
pub fn verdict(snapshot: &Snapshot) -> Option<Verdict> {
    snapshot.certificate_warnings().next().map(|_| Verdict::Warning)
}

#[cfg(test)]
mod tests;
