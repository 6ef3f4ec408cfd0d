//! The ledger: event counts of scraped sources, from poll to poll, and the counters they were computed from.
//!
//! Both are written in one transaction, so that a count is neither lost nor counted twice whoever polls next and however the last
//! holder ended.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use super::{
    Store, StoreError,
    error::shown,
    lease::instant,
    modes::HISTORY_FILE,
    readings::{self, damaged, exact, json},
};
use crate::domain::{DefinitionId, Group, Reading, SourceName, Text};

/// Events of one group between two instants.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// Which definition counts them.
    pub definition: DefinitionId,
    /// Of which group.
    pub group: Group,
    /// From when; kept to the microsecond.
    pub from: DateTime<Utc>,
    /// Until when, itself not inside; kept to the microsecond.
    pub to: DateTime<Utc>,
    /// Events that broke the promise.
    pub bad: f64,
    /// All events.
    pub total: f64,
    /// Whether it spans a time in which nobody looked: when in it the events happened is not known.
    pub gap: bool,
}

/// The counters of one target as they stood last.
#[derive(Clone, Debug, PartialEq)]
pub struct LastCounters {
    /// Which target: its address without credentials.
    pub target: Text,
    /// When.
    pub at: DateTime<Utc>,
    /// Series, and the value of each; kept to the last bit.
    pub series: Vec<(String, f64)>,
}

/// The numbers by which buckets name definition and group, as far as they have been needed.
#[derive(Debug, Default)]
pub(super) struct SeriesIds(HashMap<DefinitionId, HashMap<Group, i64>>);

impl Store {
    /// Write what one scrape brought: buckets, the counters as they stand now, and the reading made of them; all or none. A target that
    /// is not among `counters` keeps those it had.
    pub fn commit_scrape(
        &self,
        epoch: u64,
        source: &SourceName,
        buckets: &[Bucket],
        counters: &[LastCounters],
        reading: Option<&Reading>,
    ) -> Result<(), StoreError> {
        self.write_as_holder(epoch, |tx, series| {
            put_buckets(tx, series, buckets)?;
            counters.iter().try_for_each(|last| put_counters(tx, source, last))?;
            reading.map_or(Ok(()), |reading| readings::put(tx, reading))
        })
    }

    /// The counters of a source's targets as they stood last.
    pub fn last_counters(&self, source: &SourceName) -> Result<Vec<LastCounters>, StoreError> {
        counters_of(&self.history().db, source).map_err(|e| self.history_error(&e))
    }

    /// Show every bucket that ends after `since` to `each`, in the order of their beginning. The bucket shown is the store's own and
    /// changes from call to call; the store cannot be used inside `each`.
    pub fn buckets(&self, since: DateTime<Utc>, each: impl FnMut(&Bucket)) -> Result<(), StoreError> {
        show_buckets(&self.history().db, since.timestamp_micros(), each).map_err(|e| self.history_error(&e))
    }

    /// Lay a past into a store on which nobody has polled yet, in one transaction.
    pub fn lay_history(&self, buckets: &[Bucket]) -> Result<(), StoreError> {
        let laid = self.write_history(|tx, series| {
            if tx.prepare("SELECT 1 FROM lease WHERE epoch > 0")?.exists([])? {
                return Ok(false);
            }
            tx.execute("DELETE FROM compacted", [])?;
            put_buckets(tx, series, buckets).map(|()| true)
        })?;
        let polled = || StoreError::Other { place: shown(&self.folder().join(HISTORY_FILE)), what: "has been polled into".into() };
        laid.then_some(()).ok_or_else(polled)
    }
}

impl SeriesIds {
    /// Forget all: a transaction failed, and ids given in it are not.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    fn id_of(&mut self, tx: &Connection, bucket: &Bucket) -> rusqlite::Result<i64> {
        if let Some(id) = self.0.get(&bucket.definition).and_then(|groups| groups.get(&bucket.group)) {
            return Ok(*id);
        }
        let labels = json(&bucket.group)?;
        tx.prepare_cached("INSERT OR IGNORE INTO series (definition, labels) VALUES (?1, ?2)")?
            .execute(params![bucket.definition.as_str(), labels])?;
        let id = tx
            .prepare_cached("SELECT id FROM series WHERE definition = ?1 AND labels = ?2")?
            .query_row(params![bucket.definition.as_str(), labels], |row| row.get(0))?;
        self.0.entry(bucket.definition.clone()).or_default().insert(bucket.group.clone(), id);
        Ok(id)
    }
}

/// Add buckets. One that begins where another of its group already does is added to that one: no event is lost, whatever the clock did.
fn put_buckets(tx: &Connection, series: &mut SeriesIds, buckets: &[Bucket]) -> rusqlite::Result<()> {
    let mut row = tx.prepare_cached(
        "INSERT INTO bucket (start, series, stop, bad, total, gap) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET stop = max(stop, excluded.stop), bad = bad + excluded.bad, total = total + excluded.total,
           gap = max(gap, excluded.gap)",
    )?;
    for bucket in buckets {
        let id = series.id_of(tx, bucket)?;
        let (start, stop) = (bucket.from.timestamp_micros(), bucket.to.timestamp_micros());
        row.execute(params![start, id, stop, bucket.bad, bucket.total, bucket.gap])?;
    }
    Ok(())
}

fn show_buckets(history: &Connection, since: i64, mut each: impl FnMut(&Bucket)) -> rusqlite::Result<()> {
    let mut known = series_of(history)?;
    let mut rows =
        history.prepare_cached("SELECT series, start, stop, bad, total, gap FROM bucket WHERE stop > ?1 ORDER BY start, series")?;
    let mut rows = rows.query([since])?;
    while let Some(row) = rows.next()? {
        let Some(bucket) = known.get_mut(&row.get(0)?) else { continue };
        bucket.from = instant(row.get(1)?);
        bucket.to = instant(row.get(2)?);
        (bucket.bad, bucket.total, bucket.gap) = (row.get(3)?, row.get(4)?, row.get(5)?);
        each(bucket);
    }
    Ok(())
}

/// An empty bucket of each definition and group, by number.
fn series_of(history: &Connection) -> rusqlite::Result<HashMap<i64, Bucket>> {
    let mut rows = history.prepare_cached("SELECT id, definition, labels FROM series")?;
    let known = rows.query_map([], |row| {
        let definition = DefinitionId::new(row.get_ref(1)?.as_str()?);
        let group = serde_json::from_str(row.get_ref(2)?.as_str()?).map_err(|e| damaged(2, e))?;
        let (from, to) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MIN_UTC);
        Ok((row.get(0)?, Bucket { definition, group, from, to, bad: 0.0, total: 0.0, gap: false }))
    })?;
    known.collect()
}

/// Write a target's counters. The names are long and stay the same, so they are written only when they change.
fn put_counters(tx: &Connection, source: &SourceName, last: &LastCounters) -> rusqlite::Result<()> {
    let names = json(&last.series.iter().map(|(name, _)| name).collect::<Vec<_>>())?;
    let values: Vec<u8> = last.series.iter().flat_map(|(_, value)| value.to_le_bytes()).collect();
    let digest = Sha256::digest(&names);
    let digest: &[u8] = &digest;
    tx.prepare_cached(
        "INSERT INTO counter_names (source, target, digest, names) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET digest = excluded.digest, names = excluded.names WHERE digest <> excluded.digest",
    )?
    .execute(params![source.as_str(), last.target.as_str(), digest, names])?;
    tx.prepare_cached("INSERT OR REPLACE INTO counter_values (source, target, at, digest, vals) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![source.as_str(), last.target.as_str(), last.at.to_rfc3339(), digest, values])
        .map(|_| ())
}

fn counters_of(history: &Connection, source: &SourceName) -> rusqlite::Result<Vec<LastCounters>> {
    let mut rows = history.prepare_cached(
        "SELECT target, at, names, vals FROM counter_values JOIN counter_names USING (source, target, digest) WHERE source = ?1
         ORDER BY target",
    )?;
    let counters = rows.query_map([source.as_str()], |row| {
        let names: Vec<String> = serde_json::from_str(row.get_ref(2)?.as_str()?).map_err(|e| damaged(2, e))?;
        let values = row.get_ref(3)?.as_blob()?.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
        let target = Text::clean(row.get_ref(0)?.as_str()?);
        Ok(LastCounters { target, at: exact(row, 1)?, series: names.into_iter().zip(values).collect() })
    })?;
    counters.collect()
}
