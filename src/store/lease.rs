//! The lease: who of the cockpits on this store polls.
//!
//! One row names the holder, when it was renewed and for how long it holds. Whoever finds it free or expired takes it, and its epoch
//! goes up by one. Every write to the history names the epoch it was begun under and is dropped if that has passed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::{Store, StoreError};
use crate::domain::Text;

/// A cockpit, as the others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Unique among all cockpits there ever were.
    pub id: String,
    /// What people read: `who@host pid 123`.
    pub name: Text,
    /// Its process.
    pub pid: u32,
}

/// Who polls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// We do, under this epoch.
    Ours {
        /// Goes up with every change of hand.
        epoch: u64,
    },
    /// Somebody else does.
    Theirs {
        /// Who.
        name: Text,
        /// When they last said so.
        renewed_at: DateTime<Utc>,
        /// For how long that holds.
        ttl: Duration,
        /// Their process, if it is on this host.
        pid: u32,
    },
}

/// The lease's row.
struct Held {
    epoch: i64,
    holder: Option<String>,
    name: String,
    pid: u32,
    renewed_at: i64,
    ttl: i64,
}

impl Store {
    /// Take the lease if it is free, expired or ours; otherwise tell whose it is. Ours is renewed, under the epoch it has.
    ///
    /// It counts as expired `ttl` after it was renewed, and also if that lies further ahead of `now` than its `ttl`: then the clock was
    /// set back. Someone who may only look gets [`StoreError::ReadOnly`] where others would take it.
    pub fn try_lease(&self, me: &Holder, now: DateTime<Utc>, ttl: Duration) -> Result<Lease, StoreError> {
        let held = read(&self.history().db).map_err(|e| self.history_error(&e))?;
        if !held.open_to(me, now) {
            return Ok(held.theirs());
        }
        self.write_history(|tx, _| {
            let held = read(tx)?;
            if !held.open_to(me, now) {
                return Ok(held.theirs());
            }
            let epoch = if held.is(me) { held.epoch } else { held.epoch + 1 };
            let mut row = tx.prepare_cached("UPDATE lease SET epoch = ?1, holder = ?2, name = ?3, pid = ?4, renewed_at = ?5, ttl = ?6")?;
            row.execute(params![epoch, me.id, me.name.as_str(), me.pid, now.timestamp_micros(), micros(ttl)])?;
            Ok(Lease::Ours { epoch: epoch.cast_unsigned() })
        })
    }

    /// Hold on to the lease; [`StoreError::LateHolder`] if it changed hands.
    pub fn renew(&self, me: &Holder, epoch: u64, now: DateTime<Utc>) -> Result<(), StoreError> {
        let renewed = self.write_history(|tx, _| {
            let mut row = tx.prepare_cached("UPDATE lease SET renewed_at = ?3 WHERE holder = ?1 AND epoch = ?2")?;
            row.execute(params![me.id, epoch.cast_signed(), now.timestamp_micros()])
        })?;
        if renewed == 1 { Ok(()) } else { Err(self.late()) }
    }

    /// Give the lease back, so that another cockpit need not wait for it to expire. Does nothing if it changed hands.
    pub fn release(&self, me: &Holder, epoch: u64) -> Result<(), StoreError> {
        self.write_history(|tx, _| {
            let mut row = tx.prepare_cached("UPDATE lease SET holder = NULL WHERE holder = ?1 AND epoch = ?2")?;
            row.execute(params![me.id, epoch.cast_signed()]).map(|_| ())
        })
    }

    /// Who holds the lease at `now`; `None` if nobody does.
    pub fn holder(&self, now: DateTime<Utc>) -> Result<Option<Lease>, StoreError> {
        let held = read(&self.history().db).map_err(|e| self.history_error(&e))?;
        Ok((held.holder.is_some() && !held.expired(now)).then(|| held.theirs()))
    }
}

/// Whether `epoch` is the lease's, and somebody holds it.
pub(super) fn check_epoch(history: &Connection, epoch: u64) -> rusqlite::Result<bool> {
    let mut row = history.prepare_cached("SELECT 1 FROM lease WHERE epoch = ?1 AND holder IS NOT NULL")?;
    row.exists([epoch.cast_signed()])
}

fn read(history: &Connection) -> rusqlite::Result<Held> {
    let mut row = history.prepare_cached("SELECT epoch, holder, name, pid, renewed_at, ttl FROM lease")?;
    row.query_row([], |row| {
        let (epoch, holder, name) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Held { epoch, holder, name, pid: row.get(3)?, renewed_at: row.get(4)?, ttl: row.get(5)? })
    })
}

impl Held {
    fn is(&self, me: &Holder) -> bool {
        self.holder.as_deref() == Some(&me.id)
    }
    fn expired(&self, now: DateTime<Utc>) -> bool {
        let age = now.timestamp_micros().saturating_sub(self.renewed_at);
        age > self.ttl || age < self.ttl.saturating_neg()
    }
    fn open_to(&self, me: &Holder, now: DateTime<Utc>) -> bool {
        self.holder.is_none() || self.is(me) || self.expired(now)
    }
    fn theirs(&self) -> Lease {
        Lease::Theirs {
            name: Text::clean(&self.name),
            renewed_at: instant(self.renewed_at),
            ttl: Duration::from_micros(self.ttl.max(0).cast_unsigned()),
            pid: self.pid,
        }
    }
}

/// A span as it is kept.
fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// The instant of so many microseconds since 1970; the earliest there is if there is no such.
pub(super) fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MIN_UTC)
}
