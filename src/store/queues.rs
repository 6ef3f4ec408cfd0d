//! Queues as they were seen: one row a source, so that whoever starts anew goes on where another left off.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::{
    Store, StoreError,
    readings::{damaged, json},
};
use crate::domain::{QueueMemory, SourceName};

/// Younger than the other tables: a file of before gets it with the first write.
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS queues (source TEXT PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID";

impl Store {
    /// Write what is known of the queues of `source`, in place of what was.
    pub fn put_queues(&self, epoch: u64, source: &SourceName, at: DateTime<Utc>, queues: &[QueueMemory]) -> Result<(), StoreError> {
        self.write_as_holder(epoch, |tx, _| {
            tx.execute_batch(TABLE)?;
            let mut row = tx.prepare_cached("INSERT OR REPLACE INTO queues (source, at, body) VALUES (?1, ?2, ?3)")?;
            row.execute(params![source.as_str(), at.timestamp_micros(), json(&queues)?]).map(|_| ())
        })
    }

    /// What was written of queues at `since` or later, by source.
    pub fn queues(&self, since: DateTime<Utc>) -> Result<Vec<(SourceName, Vec<QueueMemory>)>, StoreError> {
        let history = self.history();
        read(&history.db, since.timestamp_micros()).map_err(|e| self.history_error(&e))
    }
}

fn read(history: &Connection, since: i64) -> rusqlite::Result<Vec<(SourceName, Vec<QueueMemory>)>> {
    let there: bool = history.query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'queues'", [], |row| row.get(0))?;
    if !there {
        return Ok(Vec::new());
    }
    let mut rows = history.prepare_cached("SELECT source, body FROM queues WHERE at >= ?1 ORDER BY source")?;
    let one = |row: &rusqlite::Row<'_>| {
        let source: String = row.get(0)?;
        Ok((SourceName::new(&source), serde_json::from_str(row.get_ref(1)?.as_str()?).map_err(|e| damaged(1, e))?))
    };
    rows.query_map([since], one)?.collect()
}
