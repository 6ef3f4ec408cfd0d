//! The journal: what was asked, by whom, and how it ended.
//!
//! An entry's row holds the entry as JSON and, beside it, what is looked up. Each row's hash covers the hash before it and the JSON;
//! [`Store::verify`] goes through them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::{
    JournalError, Store, StoreError,
    error::shown,
    head::{self, end_of},
    modes::JOURNAL_FILE,
    readings::{damaged, json},
};
use crate::domain::{Effect, Entry, IncidentId, Outcome, What};

impl Store {
    /// Write `entry` at the end of the journal and of its subject's thread; on the disk when this returns. Gives it back with its id
    /// and version.
    ///
    /// `expects` is the version of the thread that was decided on: if the thread has moved on, nothing is written and the error is
    /// [`JournalError::Conflict`]. That burnwatch itself extended a silence meanwhile, and was done with it, changes nothing of what was
    /// decided and is no conflict, unless the entry is such an extension too. `None` writes whatever the thread says (the end of an act).
    pub fn append(&self, entry: Entry, expects: Option<u64>) -> Result<Entry, JournalError> {
        self.writable()?;
        let mut journal = self.journal();
        let done = append(&mut journal, entry, expects).map_err(|e| self.journal_error(&e))?;
        let entry = match done {
            Appended::Done(entry) => entry,
            Appended::Conflict(first) => return Err(JournalError::Conflict { first }),
            Appended::OtherJournal => return Err(self.other_journal().into()),
        };
        head::advance(self.folder(), &journal);
        drop(journal);
        self.ring_journal();
        Ok(*entry)
    }

    /// All entries after `after_id`, in order; 0 for all there are.
    pub fn entries_since(&self, after_id: u64) -> Result<Vec<Entry>, StoreError> {
        self.entries("SELECT id, body FROM entry WHERE id > ?1 ORDER BY id", after_id)
    }

    /// The newest `limit` entries, in order.
    pub fn recent(&self, limit: u32) -> Result<Vec<Entry>, StoreError> {
        let newest = "SELECT id, body FROM (SELECT id, body FROM entry ORDER BY id DESC LIMIT ?1) ORDER BY id";
        self.entries(newest, u64::from(limit))
    }

    /// Every entry on `subject`, in order.
    pub fn thread(&self, subject: &IncidentId) -> Result<Vec<Entry>, StoreError> {
        let journal = self.journal();
        let mut entries = after(&journal, subject, 0).map_err(|e| self.journal_error(&e))?;
        entries.reverse();
        Ok(entries)
    }

    /// The newest `limit` entries that were written at `from` or later, in order.
    pub fn written_since(&self, from: DateTime<Utc>, limit: u32) -> Result<Vec<Entry>, StoreError> {
        let mut entries = self.recent(limit)?;
        entries.retain(|e| e.at >= from);
        Ok(entries)
    }

    /// The entries before `before_id` on all subjects that begin with `prefix`, in order.
    pub fn threads_before(&self, prefix: &str, before_id: u64) -> Result<Vec<Entry>, StoreError> {
        let journal = self.journal();
        let sql = "SELECT id, body FROM entry WHERE subject >= ?1 AND subject < ?2 AND id < ?3 ORDER BY id";
        let read = || -> rusqlite::Result<Vec<Entry>> {
            let mut rows = journal.prepare_cached(sql)?;
            // Text is compared by its bytes, and this is no byte of UTF-8 that could follow.
            rows.query_map(params![prefix, format!("{prefix}\u{10ffff}"), before_id.cast_signed()], entry_of)?.collect()
        };
        read().map_err(|e| self.journal_error(&e))
    }

    /// The highest number among the subjects that are `prefix` and a number; 0 if there is none.
    pub fn highest(&self, prefix: &str) -> Result<u64, StoreError> {
        let journal = self.journal();
        let sql = "SELECT coalesce(max(CAST(substr(subject, ?3) AS INTEGER)), 0) FROM entry WHERE subject >= ?1 AND subject < ?2";
        let read = || -> rusqlite::Result<i64> {
            let first = i64::try_from(prefix.len() + 1).unwrap_or(i64::MAX);
            journal.prepare_cached(sql)?.query_row(params![prefix, format!("{prefix}\u{10ffff}"), first], |row| row.get(0))
        };
        read().map(i64::cast_unsigned).map_err(|e| self.journal_error(&e))
    }

    fn entries(&self, sql: &str, parameter: u64) -> Result<Vec<Entry>, StoreError> {
        let journal = self.journal();
        let read = || -> rusqlite::Result<Vec<Entry>> {
            let mut rows = journal.prepare_cached(sql)?;
            rows.query_map([parameter.cast_signed()], entry_of)?.collect()
        };
        read().map_err(|e| self.journal_error(&e))
    }

    fn other_journal(&self) -> StoreError {
        let what = "has fewer entries than what was decided on: it is another journal now; look again before you act".into();
        StoreError::Other { place: shown(&self.folder().join(JOURNAL_FILE)), what }
    }
}

/// What came of an append.
enum Appended {
    Done(Box<Entry>),
    Conflict(Box<Entry>),
    /// The thread is shorter than what was decided on.
    OtherJournal,
}

fn append(journal: &mut Connection, mut entry: Entry, expects: Option<u64>) -> rusqlite::Result<Appended> {
    let tx = journal.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = version_of(&tx, &entry.subject)?;
    if let Some(expected) = expects.filter(|expected| *expected != version)
        && !is_only_extended(&tx, &entry, expected)?
    {
        let first = first_after(&tx, &entry.subject, expected)?;
        return Ok(first.map_or(Appended::OtherJournal, |first| Appended::Conflict(Box::new(first))));
    }
    let end = end_of(&tx)?;
    entry.id = end.entries + 1;
    entry.version = version + 1;
    let body = json(&entry)?;
    let hash = hash_of(&end.hash, &body);
    let mut row =
        tx.prepare_cached("INSERT INTO entry (id, at, act, subject, version, body, prev, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    let (id, version) = (entry.id.cast_signed(), entry.version.cast_signed());
    row.execute(params![id, entry.at.to_rfc3339(), entry.act.as_str(), entry.subject.as_str(), version, body, end.hash, hash])?;
    drop(row);
    tx.commit()?;
    Ok(Appended::Done(Box::new(entry)))
}

/// The hash of an entry: SHA-256 of the hash before it, a line feed, and its JSON; in lower-case hexadecimal.
pub(super) fn hash_of(prev: &str, body: &str) -> String {
    use std::fmt::Write;
    let digest = Sha256::new().chain_update(prev).chain_update("\n").chain_update(body).finalize();
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The version of a thread, 0 if nothing was written on it yet.
fn version_of(journal: &Connection, subject: &IncidentId) -> rusqlite::Result<u64> {
    let mut newest = journal.prepare_cached("SELECT coalesce(max(version), 0) FROM entry WHERE subject = ?1")?;
    newest.query_row([subject.as_str()], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

/// Whether all that happened on the entry's thread after `version` are extensions, and none of the thread is still under way.
fn is_only_extended(journal: &Connection, entry: &Entry, version: u64) -> rusqlite::Result<bool> {
    let is_extension = |what: &What| matches!(what, What::Asked { effect: Effect::Extend { .. } });
    let thread = after(journal, &entry.subject, 0)?;
    let asked: BTreeSet<_> = thread.iter().filter(|e| is_extension(&e.what)).map(|e| &e.act).collect();
    let done = |e: &&Entry| matches!(&e.what, What::Ended { outcome: Outcome::Done { .. }, .. }) && asked.contains(&e.act);
    let done: BTreeSet<_> = thread.iter().filter(done).map(|e| &e.act).collect();
    let mut later = thread.iter().filter(|e| e.version > version).peekable();
    Ok(later.peek().is_some() && !is_extension(&entry.what) && asked == done && later.all(|e| asked.contains(&e.act)))
}

/// The entries of a thread after `version`, newest first.
fn after(journal: &Connection, subject: &IncidentId, version: u64) -> rusqlite::Result<Vec<Entry>> {
    let mut rows = journal.prepare_cached("SELECT id, body FROM entry WHERE subject = ?1 AND version > ?2 ORDER BY version DESC")?;
    rows.query_map(params![subject.as_str(), version.cast_signed()], entry_of)?.collect()
}

/// Who came first after `version`: the newest deed of the thread, or, if there is none, its newest entry.
fn first_after(journal: &Connection, subject: &IncidentId, version: u64) -> rusqlite::Result<Option<Entry>> {
    let newest_first = after(journal, subject, version)?;
    let deed = newest_first.iter().find(|entry| entry.what.is_a_deed());
    Ok(deed.or_else(|| newest_first.first()).cloned())
}

/// The entry in a row of id and body.
fn entry_of(row: &Row<'_>) -> rusqlite::Result<Entry> {
    serde_json::from_str(row.get_ref(1)?.as_str()?).map_err(|e| damaged(1, e))
}
