//! Readings: what the holder saw, for those who do not poll.
//!
//! Of every wish the newest answer is kept and, if the newest failed, the newest good one beside it: someone who starts late gets all
//! that is known, however long ago the 30-day question was asked. A poll is kept as long as one of its parts is, and the last poll of
//! each lane always.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params, types::Type};

use super::{Store, StoreError};
use crate::domain::{Lane, Part, Reading, SourceName, Want};

impl Store {
    /// Write what one poll saw.
    pub fn put_reading(&self, epoch: u64, reading: &Reading) -> Result<(), StoreError> {
        self.write_as_holder(epoch, |tx, _| put(tx, reading))
    }

    /// What was written after `seq`, poll by poll, oldest first, and the number to ask with next time. From 0: the newest there is to
    /// every wish.
    pub fn readings_since(&self, seq: u64) -> Result<(u64, Vec<Reading>), StoreError> {
        since(&self.history().db, seq.cast_signed()).map_err(|e| self.history_error(&e))
    }
}

/// Write what one poll saw, inside a transaction.
pub(super) fn put(tx: &Connection, reading: &Reading) -> rusqlite::Result<()> {
    let source = reading.source.as_str();
    let lane = lane_word(reading.lane);
    tx.prepare_cached("INSERT INTO poll (source, lane, at, took_us, skew_secs) VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
        source,
        lane,
        reading.at.to_rfc3339(),
        reading.took_us.cast_signed(),
        reading.skew_secs
    ])?;
    let seq = tx.last_insert_rowid();
    let mut row =
        tx.prepare_cached("INSERT OR REPLACE INTO part (source, want, good, passing, seq, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let mut recovered = tx.prepare_cached("DELETE FROM part WHERE source = ?1 AND want = ?2 AND good = 0")?;
    for part in &reading.parts {
        let (key, body, good) = (key_of(&part.want)?, json(part)?, part.outcome.is_ok());
        row.execute(params![source, key, good, passing(&part.want), seq, body])?;
        if good {
            recovered.execute(params![source, key])?;
        }
    }
    forget_polls(tx, source, lane)
}

/// Forget polls of which nothing is left, except the last.
fn forget_polls(tx: &Connection, source: &str, lane: &str) -> rusqlite::Result<()> {
    let mut rows = tx.prepare_cached(
        "DELETE FROM poll WHERE source = ?1 AND lane = ?2
           AND seq < (SELECT max(seq) FROM poll WHERE source = ?1 AND lane = ?2)
           AND NOT EXISTS (SELECT 1 FROM part WHERE part.seq = poll.seq)",
    )?;
    rows.execute(params![source, lane]).map(|_| ())
}

/// Forget answers to passing wishes older than `passing_before`, and all older than `before`, both in instants as they are kept.
pub(super) fn forget(tx: &Connection, passing_before: DateTime<Utc>, before: DateTime<Utc>) -> rusqlite::Result<()> {
    let mut rows = tx.prepare_cached(
        "DELETE FROM part WHERE seq IN (SELECT seq FROM poll WHERE julianday(at) < julianday(?1))
           AND (passing OR seq IN (SELECT seq FROM poll WHERE julianday(at) < julianday(?2)))",
    )?;
    rows.execute(params![passing_before.to_rfc3339(), before.to_rfc3339()])?;
    let mut lanes = tx.prepare_cached("SELECT DISTINCT source, lane FROM poll")?;
    let lanes: Vec<(String, String)> = lanes.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    lanes.iter().try_for_each(|(source, lane)| forget_polls(tx, source, lane))
}

fn since(history: &Connection, seq: i64) -> rusqlite::Result<(u64, Vec<Reading>)> {
    let mut rows = history.prepare_cached(
        "SELECT poll.seq, poll.source, lane, at, took_us, skew_secs, body
         FROM poll LEFT JOIN part ON part.seq = poll.seq WHERE poll.seq > ?1 ORDER BY poll.seq, part.id",
    )?;
    let mut rows = rows.query([seq])?;
    let (mut last, mut readings) = (seq, Vec::<Reading>::new());
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        if seq != last {
            readings.push(poll_of(row)?);
            last = seq;
        }
        if let (Some(reading), Some(body)) = (readings.last_mut(), row.get_ref(6)?.as_str_or_null()?) {
            reading.parts.push(serde_json::from_str::<Part>(body).map_err(|e| damaged(6, e))?);
        }
    }
    Ok((last.cast_unsigned(), readings))
}

/// The poll in a row, without its parts.
fn poll_of(row: &Row<'_>) -> rusqlite::Result<Reading> {
    let source: String = row.get(1)?;
    let lane = if row.get_ref(2)?.as_str()? == lane_word(Lane::Long) { Lane::Long } else { Lane::Short };
    let took_us = row.get::<_, i64>(4)?.cast_unsigned();
    Ok(Reading { source: SourceName::new(&source), lane, at: exact(row, 3)?, took_us, skew_secs: row.get(5)?, parts: Vec::new() })
}

/// The instant in a column of text, to the nanosecond.
pub(super) fn exact(row: &Row<'_>, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(row.get_ref(column)?.as_str()?).map_err(|e| damaged(column, e))?;
    Ok(at.to_utc())
}

/// The error of a column whose text does not mean what it should.
pub(super) fn damaged(column: usize, why: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(why))
}

/// A value as JSON.
pub(super) fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

/// What makes two wishes the same: for the sparkline's past and for calendars not the stretch of time, which differs each time it is
/// asked.
fn key_of(want: &Want) -> rusqlite::Result<String> {
    match want {
        Want::History { definition, groups, window, step, .. } => json(&("history", definition, groups, window, step)),
        Want::Duties { .. } => json(&"duties"),
        other => json(other),
    }
}

/// Whether the answer to a wish is of use only for a while after it was asked.
const fn passing(want: &Want) -> bool {
    matches!(want, Want::History { .. } | Want::Start { .. })
}

const fn lane_word(lane: Lane) -> &'static str {
    match lane {
        Lane::Short => "short",
        Lane::Long => "long",
    }
}
