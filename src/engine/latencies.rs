//! How long answers took: into the store with each poll of a probe, and out of it for whoever looks at an SLO.

use chrono::{DateTime, Utc};

use crate::{
    domain::{Answer, Definition, Group, Labels, Probed, Quantiles, Reading, Sli, SloRow, Window, quantiles},
    store::{Store, StoreError},
};

/// Keep how long the answers of a reading took. Does nothing for one that is of no probe.
pub fn keep(store: &Store, epoch: u64, reading: &Reading) -> Result<(), StoreError> {
    for part in &reading.parts {
        let Ok(Answer::Probed(checks)) = &part.outcome else { continue };
        let answers = checks.iter().filter_map(|c: &Probed| Some((&c.labels, *c.outcome.as_ref().ok()?)));
        store.add_latencies(epoch, &reading.source, part.as_of, answers)?;
    }
    Ok(())
}

/// Whether an SLO has latencies of its own in the store.
pub fn has(row: &SloRow) -> bool {
    matches!(row.definition.sli, Sli::Probe(_))
}

/// Quantiles of what was checked for an SLO, over each of its windows. Reads much: not for a thread that must not wait.
pub fn look_up(store: &Store, definition: &Definition, group: &Group, now: DateTime<Utc>) -> Result<Vec<(Window, Quantiles)>, StoreError> {
    let windows = definition.windows();
    let longest = windows.last().copied().unwrap_or(definition.period);
    let ours = |labels: &Labels| {
        definition.by.iter().zip(&group.0).all(|(name, value)| labels.get(name).map_or("", |found| found.raw()) == value.raw())
    };
    let minutes = store.latencies(&definition.source, now - longest.delta() - chrono::TimeDelta::minutes(1), ours)?;
    Ok(quantiles(&minutes, &windows, now))
}
