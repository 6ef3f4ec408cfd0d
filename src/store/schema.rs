//! The tables of both files, and their formats' numbers.
//!
//! Instants are kept in microseconds since 1970, UTC, unless they identify something: those are text, exact.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{
    StoreError,
    error::{from_sql, shown},
};

/// One file's tables and the number of their format, kept in `PRAGMA user_version`.
pub(super) struct Schema {
    number: i64,
    tables: &'static str,
}

/// The journal. The triggers let a row be added at the end of the journal and of its subject's thread, and nothing else: not even
/// `INSERT OR REPLACE` gets past the third.
pub(super) const JOURNAL: Schema = Schema {
    number: 1,
    tables: "
CREATE TABLE entry (
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  act TEXT NOT NULL,
  subject TEXT NOT NULL,
  version INTEGER NOT NULL,
  body TEXT NOT NULL,
  prev TEXT NOT NULL,
  hash TEXT NOT NULL,
  UNIQUE (subject, version)
) STRICT;
CREATE TRIGGER entry_stays BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER entry_is_kept BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER entry_goes_last BEFORE INSERT ON entry
WHEN NEW.id <> (SELECT coalesce(max(id), 0) + 1 FROM entry)
  OR NEW.version <> (SELECT coalesce(max(version), 0) + 1 FROM entry WHERE subject = NEW.subject)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
",
};

/// The history.
///
/// Buckets lie in the order of their beginning, so that a poll's buckets, however many groups there are, fall on the same few pages.
/// The names of a target's series are apart from their values, because only the values change from poll to poll.
pub(super) const HISTORY: Schema = Schema {
    number: 1,
    tables: "
CREATE TABLE lease (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  epoch INTEGER NOT NULL,
  holder TEXT,
  name TEXT NOT NULL,
  pid INTEGER NOT NULL,
  renewed_at INTEGER NOT NULL,
  ttl INTEGER NOT NULL
) STRICT;
INSERT INTO lease VALUES (1, 0, NULL, '', 0, 0, 0);
CREATE TABLE poll (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  source TEXT NOT NULL,
  lane TEXT NOT NULL,
  at TEXT NOT NULL,
  took_us INTEGER NOT NULL,
  skew_secs REAL
) STRICT;
CREATE INDEX poll_of ON poll (source, lane);
CREATE TABLE part (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  want TEXT NOT NULL,
  good INTEGER NOT NULL,
  passing INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (source, want, good)
) STRICT;
CREATE INDEX part_of ON part (seq);
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  definition TEXT NOT NULL,
  labels TEXT NOT NULL,
  UNIQUE (definition, labels)
) STRICT;
CREATE TABLE bucket (
  start INTEGER NOT NULL,
  series INTEGER NOT NULL,
  stop INTEGER NOT NULL,
  bad REAL NOT NULL,
  total REAL NOT NULL,
  gap INTEGER NOT NULL,
  PRIMARY KEY (start, series)
) STRICT, WITHOUT ROWID;
CREATE TABLE compacted (cell INTEGER PRIMARY KEY, upto INTEGER NOT NULL) STRICT;
CREATE TABLE counter_names (
  source TEXT NOT NULL,
  target TEXT NOT NULL,
  digest BLOB NOT NULL,
  names TEXT NOT NULL,
  PRIMARY KEY (source, target)
) STRICT;
CREATE TABLE counter_values (
  source TEXT NOT NULL,
  target TEXT NOT NULL,
  at TEXT NOT NULL,
  digest BLOB NOT NULL,
  vals BLOB NOT NULL,
  PRIMARY KEY (source, target)
) STRICT;
CREATE TABLE episode (
  slo TEXT NOT NULL,
  grade TEXT NOT NULL,
  seen_at TEXT NOT NULL,
  ended INTEGER,
  body TEXT NOT NULL,
  PRIMARY KEY (slo, grade, seen_at)
) STRICT;
",
};

/// Make the tables of an empty file; refuse a file of a later format.
pub(super) fn lay(db: &mut Connection, file: &Path, schema: &Schema) -> Result<(), StoreError> {
    let sql = |e: rusqlite::Error| from_sql(file, &e);
    if format_of(db, file, schema)? == schema.number {
        return Ok(());
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
    if format_of(&tx, file, schema)? == 0 {
        tx.execute_batch(schema.tables).map_err(sql)?;
        tx.pragma_update(None, "user_version", schema.number).map_err(sql)?;
    }
    tx.commit().map_err(sql)
}

/// The format of a file, 0 for an empty one; an error if it is later than ours.
pub(super) fn format_of(db: &Connection, file: &Path, schema: &Schema) -> Result<i64, StoreError> {
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|e| from_sql(file, &e))?;
    if found > schema.number {
        return Err(StoreError::Newer { place: shown(file), found, known: schema.number });
    }
    Ok(found)
}
