//! Compaction: the older, the coarser.
//!
//! Buckets of a poll each become minutes, minutes become five minutes, those become hours. Only buckets that follow each other without
//! a hole are merged, and never one across a gap, so that sums stay what they were and a hole stays a hole. A bucket belongs to the
//! minute in which it begins.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, latencies, lease::instant, readings};

/// One step: buckets older than `age` are merged into cells of `cell`, both in seconds.
struct Step {
    age: i64,
    cell: i64,
}

/// The steps, finest first. The five-minute step begins beyond the longest window of a page rule (6 h), the hourly one beyond that of
/// a ticket rule (3 d).
const STEPS: [Step; 3] =
    [Step { age: 600, cell: 60 }, Step { age: 6 * 3_600 + 1_800, cell: 300 }, Step { age: 3 * 86_400 + 6 * 3_600, cell: 3_600 }];

/// Cells merged in one transaction: enough to be quick, few enough that a poll need not wait long.
const CELLS_AT_ONCE: i64 = 10;
/// How long an answer to a passing wish is of use: as long as a sparkline.
const PASSING: Duration = Duration::from_hours(6);

const SECOND: i64 = 1_000_000;

impl Store {
    /// Merge old buckets, and forget what is older than `keep`.
    pub fn compact(&self, epoch: u64, now: DateTime<Utc>, keep: Duration) -> Result<(), StoreError> {
        for step in &STEPS {
            while self.write_as_holder(epoch, |tx, _| step.advance(tx, now.timestamp_micros()))? {}
        }
        let before = |span: Duration| instant(now.timestamp_micros().saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)));
        self.write_as_holder(epoch, |tx, _| {
            forget(tx, before(keep))?;
            latencies::forget(tx, now)?;
            readings::forget(tx, before(PASSING.min(keep)), before(keep))
        })
    }
}

fn forget(tx: &Connection, before: DateTime<Utc>) -> rusqlite::Result<()> {
    let before = before.timestamp_micros();
    tx.prepare_cached("DELETE FROM bucket WHERE start < ?1 AND stop < ?1")?.execute([before])?;
    tx.prepare_cached("DELETE FROM episode WHERE ended < ?1")?.execute([before])?;
    Ok(())
}

impl Step {
    /// Merge the next few cells; false once there are none left.
    fn advance(&self, tx: &Connection, now: i64) -> rusqlite::Result<bool> {
        let cell = self.cell * SECOND;
        let due = floor(now.saturating_sub(self.age * SECOND), cell);
        let first: Option<i64> = tx
            .prepare_cached("SELECT min(start) FROM bucket WHERE start >= ?1 AND start < ?2")?
            .query_row([self.done_upto(tx, due)?, due], |row| row.get(0))?;
        let upto = first.map_or(due, |first| due.min(floor(first, cell) + CELLS_AT_ONCE * cell));
        if let Some(first) = first {
            merge(tx, floor(first, cell)..upto, cell)?;
        }
        tx.prepare_cached("INSERT OR REPLACE INTO compacted (cell, upto) VALUES (?1, ?2)")?.execute([self.cell, upto])?;
        Ok(upto < due)
    }

    /// Up to when this step was done before; from the beginning if the clock was set back since.
    fn done_upto(&self, tx: &Connection, due: i64) -> rusqlite::Result<i64> {
        let mut row = tx.prepare_cached("SELECT upto FROM compacted WHERE cell = ?1")?;
        let upto: Option<i64> = row.query_row([self.cell], |row| row.get(0)).optional()?;
        Ok(upto.filter(|upto| *upto <= due).unwrap_or(i64::MIN))
    }
}

/// The beginning of the cell in which `at` lies.
const fn floor(at: i64, cell: i64) -> i64 {
    at - at.rem_euclid(cell)
}

/// Buckets of one series that follow each other inside one cell.
#[derive(Clone, Copy)]
struct Run {
    start: i64,
    stop: i64,
    bad: f64,
    total: f64,
    merged: bool,
}

impl Run {
    fn takes(&self, next: &Run, cell: i64) -> bool {
        self.stop == next.start && floor(self.start, cell) == floor(next.start, cell)
    }
    fn take(&mut self, next: &Run) {
        self.stop = next.stop;
        self.bad += next.bad;
        self.total += next.total;
        self.merged = true;
    }
}

/// Merge the buckets that begin within `span`.
fn merge(tx: &Connection, span: std::ops::Range<i64>, cell: i64) -> rusqlite::Result<()> {
    let (mut open, mut done, mut gone) = (HashMap::<i64, Run>::new(), Vec::<(i64, Run)>::new(), Vec::<(i64, i64)>::new());
    let mut rows = tx.prepare_cached(
        "SELECT series, start, stop, bad, total FROM bucket WHERE start >= ?1 AND start < ?2 AND NOT gap ORDER BY start, series",
    )?;
    let mut rows = rows.query([span.start, span.end])?;
    while let Some(row) = rows.next()? {
        let series: i64 = row.get(0)?;
        let next = Run { start: row.get(1)?, stop: row.get(2)?, bad: row.get(3)?, total: row.get(4)?, merged: false };
        match open.get_mut(&series) {
            Some(run) if run.takes(&next, cell) => {
                run.take(&next);
                gone.push((next.start, series));
            }
            _ => done.extend(open.insert(series, next).map(|run| (series, run))),
        }
    }
    done.extend(open);
    let mut delete = tx.prepare_cached("DELETE FROM bucket WHERE start = ?1 AND series = ?2")?;
    for (start, series) in gone {
        delete.execute([start, series])?;
    }
    let mut update = tx.prepare_cached("UPDATE bucket SET stop = ?3, bad = ?4, total = ?5 WHERE start = ?1 AND series = ?2")?;
    for (series, run) in done.iter().filter(|(_, run)| run.merged) {
        update.execute(params![run.start, series, run.stop, run.bad, run.total])?;
    }
    Ok(())
}
