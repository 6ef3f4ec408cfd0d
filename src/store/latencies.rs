//! How long the answers of probes took, minute by minute and target by target.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Store, StoreError,
    lease::instant,
    readings::{damaged, json},
};
use crate::domain::{Labels, Latencies, Minute, SourceName};

/// Younger than the other tables: a file of before gets them with the first write.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS probed (id INTEGER PRIMARY KEY, source TEXT NOT NULL, labels TEXT NOT NULL, UNIQUE (source, labels)) STRICT;
CREATE TABLE IF NOT EXISTS latency (
  target INTEGER NOT NULL,
  minute INTEGER NOT NULL,
  times BLOB NOT NULL,
  PRIMARY KEY (target, minute)
) STRICT, WITHOUT ROWID;
";

/// How long they are kept: as long as a budget usually is, and a day.
const KEEP: TimeDelta = TimeDelta::days(31);

const MINUTE: i64 = 60_000_000;

impl Store {
    /// Add what one poll of `source` saw at `at`: the labels of a target, and in how many microseconds it answered.
    pub fn add_latencies<'a>(
        &self,
        epoch: u64,
        source: &SourceName,
        at: DateTime<Utc>,
        answers: impl Iterator<Item = (&'a Labels, u64)>,
    ) -> Result<(), StoreError> {
        let minute = at.timestamp_micros().div_euclid(MINUTE) * MINUTE;
        self.write_as_holder(epoch, |tx, _| {
            tx.execute_batch(TABLES)?;
            let mut by_target: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            for (labels, micros) in answers {
                by_target.entry(json(labels)?).or_default().push(micros);
            }
            for (labels, all) in by_target {
                let target = target_of(tx, source, &labels)?;
                let before: Option<Vec<u8>> = tx
                    .prepare_cached("SELECT times FROM latency WHERE target = ?1 AND minute = ?2")?
                    .query_row([target, minute], |row| row.get(0))
                    .optional()?;
                let mut times = before.map(|bytes| Latencies::decode(&bytes)).unwrap_or_default();
                for micros in all {
                    times.record(micros);
                }
                tx.prepare_cached("INSERT OR REPLACE INTO latency (target, minute, times) VALUES (?1, ?2, ?3)")?.execute(params![
                    target,
                    minute,
                    times.encode()
                ])?;
            }
            Ok(())
        })
    }

    /// The minutes since `since` of those targets of `source` of whose labels `which` holds, the newest first.
    pub fn latencies(&self, source: &SourceName, since: DateTime<Utc>, which: impl Fn(&Labels) -> bool) -> Result<Vec<Minute>, StoreError> {
        let history = self.history();
        minutes(&history.db, source, since.timestamp_micros(), which).map_err(|e| self.history_error(&e))
    }
}

fn target_of(tx: &Connection, source: &SourceName, labels: &str) -> rusqlite::Result<i64> {
    let key = params![source.as_str(), labels];
    tx.prepare_cached("INSERT OR IGNORE INTO probed (source, labels) VALUES (?1, ?2)")?.execute(key)?;
    tx.prepare_cached("SELECT id FROM probed WHERE source = ?1 AND labels = ?2")?.query_row(key, |row| row.get(0))
}

fn is_there(history: &Connection) -> rusqlite::Result<bool> {
    history.query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'latency'", [], |row| row.get(0))
}

fn minutes(history: &Connection, source: &SourceName, since: i64, which: impl Fn(&Labels) -> bool) -> rusqlite::Result<Vec<Minute>> {
    if !is_there(history)? {
        return Ok(Vec::new());
    }
    let mut targets = history.prepare_cached("SELECT id, labels FROM probed WHERE source = ?1")?;
    let target = |row: &rusqlite::Row<'_>| {
        let labels: Labels = serde_json::from_str(row.get_ref(1)?.as_str()?).map_err(|e| damaged(1, e))?;
        Ok((row.get::<_, i64>(0)?, labels))
    };
    let targets: Vec<_> = targets.query_map([source.as_str()], target)?.collect::<rusqlite::Result<_>>()?;
    let (mut rows, mut found) =
        (history.prepare_cached("SELECT minute, times FROM latency WHERE target = ?1 AND minute > ?2")?, Vec::new());
    for (id, _) in targets.iter().filter(|(_, labels)| which(labels)) {
        for row in rows.query_map([*id, since], |row| Ok((instant(row.get(0)?), row.get(1)?)))? {
            found.push(row?);
        }
    }
    found.sort_by_key(|(minute, _)| std::cmp::Reverse(*minute));
    Ok(found)
}

/// Forget what is old enough, and targets of which nothing is left.
pub(super) fn forget(tx: &Connection, now: DateTime<Utc>) -> rusqlite::Result<()> {
    if !is_there(tx)? {
        return Ok(());
    }
    let before = (now - KEEP).timestamp_micros();
    tx.prepare_cached("DELETE FROM latency WHERE target IN (SELECT id FROM probed) AND minute < ?1")?.execute([before])?;
    tx.prepare_cached("DELETE FROM probed WHERE NOT EXISTS (SELECT 1 FROM latency WHERE target = probed.id)")?.execute([])?;
    Ok(())
}
