//! Opening a store, and the two connections that stay open.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf, absolute},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, config::DbConfig};
use rustix::fs::{AtFlags, CWD, FlockOperation, Timespec, Timestamps, UTIME_NOW};

use super::{
    StoreError,
    error::{from_io, from_sql, shown},
    head,
    lease::check_epoch,
    ledger::SeriesIds,
    modes::{FILES, HISTORY_FILE, JOURNAL_FILE, file_mode, make_file, make_folder, may_write, refuse_open_to_all},
    place::check_local,
    schema::{self, HISTORY, JOURNAL, Schema},
};

/// How long to wait for another process's lock before saying so.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait between two tries for the folder's lock.
const PAUSE: Duration = Duration::from_millis(2);
/// Prepared statements kept for each file.
const STATEMENTS: usize = 64;
/// Bytes to which a write-ahead log is cut once it has been copied back.
const LOG_LIMIT: i64 = 8 << 20;

/// An open store.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    journal_file: PathBuf,
    history_file: PathBuf,
    files: [FileId; 2],
    journal: Mutex<Connection>,
    history: Mutex<History>,
    barred: Option<StoreError>,
}

/// Which file a path named when it was opened: device and inode.
type FileId = (u64, u64);

/// The history's connection, and what is remembered along with it.
#[derive(Debug)]
pub(super) struct History {
    pub(super) db: Connection,
    pub(super) series: SeriesIds,
}

impl Store {
    /// Open the store at `folder`; make it, private to us, if it is absent.
    ///
    /// Someone who may only read it gets a store for looking: [`Store::writable`] tells why every write will fail.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let folder = absolute(folder).map_err(|e| from_io(folder, &e))?;
        check_local(&folder)?;
        make_folder(&folder)?;
        refuse_open_to_all(&folder)?;
        match barred(&folder) {
            None => Self::open_to_write(folder),
            Some(why) => Self::connect(folder, Some(why)),
        }
    }

    /// Open the store at `folder` for looking only; nothing is made, [`StoreError::Missing`] if there is none.
    pub fn open_read_only(folder: &Path) -> Result<Self, StoreError> {
        let folder = absolute(folder).map_err(|e| from_io(folder, &e))?;
        check_local(&folder)?;
        refuse_open_to_all(&folder)?;
        let why = StoreError::ReadOnly { place: shown(&folder), why: "opened for looking only".into() };
        Self::connect(folder, Some(why))
    }

    fn open_to_write(folder: PathBuf) -> Result<Self, StoreError> {
        let _alone = lock(&folder)?;
        let mode = file_mode(fs::metadata(&folder).map_err(|e| from_io(&folder, &e))?.mode());
        for name in [JOURNAL_FILE, HISTORY_FILE] {
            make_file(&folder.join(name), mode)?;
        }
        let store = Self::connect(folder, None)?;
        schema::lay(&mut store.journal(), &store.journal_file, &JOURNAL)?;
        schema::lay(&mut store.history().db, &store.history_file, &HISTORY)?;
        head::begin(&store.folder, &store.journal())?;
        Ok(store)
    }

    fn connect(folder: PathBuf, barred: Option<StoreError>) -> Result<Self, StoreError> {
        let (journal_file, history_file) = (folder.join(JOURNAL_FILE), folder.join(HISTORY_FILE));
        let files = [file_id(&journal_file)?, file_id(&history_file)?];
        let journal = connect(&journal_file, &JOURNAL, "FULL", barred.is_none())?;
        let history = connect(&history_file, &HISTORY, "NORMAL", barred.is_none())?;
        let history = History { db: history, series: SeriesIds::default() };
        Ok(Self { folder, journal_file, history_file, files, journal: Mutex::new(journal), history: Mutex::new(history), barred })
    }

    /// The folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether this store can be written; the error says why not.
    ///
    /// A store whose files were removed or replaced since it was opened cannot: what is written to them nobody would ever read.
    pub fn writable(&self) -> Result<(), StoreError> {
        if let Some(why) = &self.barred {
            return Err(why.clone());
        }
        for (file, was) in [&self.journal_file, &self.history_file].into_iter().zip(self.files) {
            if file_id(file)? != was {
                return Err(StoreError::Missing { place: shown(file), why: "replaced by another file while open".into() });
            }
        }
        Ok(())
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Connection> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an error of the journal means.
    pub(super) fn journal_error(&self, error: &rusqlite::Error) -> StoreError {
        from_sql(&self.journal_file, error)
    }

    /// What an error of the history means.
    pub(super) fn history_error(&self, error: &rusqlite::Error) -> StoreError {
        from_sql(&self.history_file, error)
    }

    /// The late holder's error.
    pub(super) fn late(&self) -> StoreError {
        StoreError::LateHolder { place: shown(&self.history_file) }
    }

    /// Write to the history in one transaction, if `epoch` is still that of the lease.
    pub(super) fn write_as_holder<T>(
        &self,
        epoch: u64,
        work: impl FnOnce(&Transaction<'_>, &mut SeriesIds) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.write_history(|tx, series| if check_epoch(tx, epoch)? { work(tx, series).map(Some) } else { Ok(None) })?
            .ok_or_else(|| self.late())
    }

    /// Write to the history in one transaction.
    pub(super) fn write_history<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &mut SeriesIds) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.writable()?;
        let mut guard = self.history();
        let History { db, series } = &mut *guard;
        let done = db.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|tx| {
            let done = work(&tx, series)?;
            tx.commit().map(|()| done)
        });
        if done.is_err() {
            series.forget();
        }
        drop(guard);
        let done = done.map_err(|e| self.history_error(&e))?;
        ring(&self.history_file);
        Ok(done)
    }

    /// Tell those who watch that the journal has grown.
    pub(super) fn ring_journal(&self) {
        ring(&self.journal_file);
    }
}

/// Why we may not write, if so.
fn barred(folder: &Path) -> Option<StoreError> {
    let files = FILES.map(|name| folder.join(name));
    let mut paths = std::iter::once(folder).chain(files.iter().map(PathBuf::as_path));
    let path = paths.find(|path| path.exists() && !may_write(path))?;
    Some(StoreError::ReadOnly { place: shown(path), why: "not writable by us".into() })
}

fn file_id(file: &Path) -> Result<FileId, StoreError> {
    let meta = fs::metadata(file).map_err(|e| from_io(file, &e))?;
    Ok((meta.dev(), meta.ino()))
}

/// Open one file. Its write-ahead log stays when the last writer leaves, so that someone without write right can still read it.
fn connect(file: &Path, schema: &Schema, synchronous: &str, write: bool) -> Result<Connection, StoreError> {
    let sql = |e: rusqlite::Error| from_sql(file, &e);
    let access = if write { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let db = Connection::open_with_flags(file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(sql)?;
    db.busy_timeout(PATIENCE).map_err(sql)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(sql)?;
    if schema::format_of(&db, file, schema)? == 0 && !write {
        return Err(StoreError::Missing { place: shown(file), why: "empty".into() });
    }
    if write {
        let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(sql)?;
        if mode != "wal" {
            return Err(StoreError::Other { place: shown(file), what: "its file system has no shared memory".into() });
        }
        db.pragma_update(None, "synchronous", synchronous).map_err(sql)?;
        db.pragma_update(None, "journal_size_limit", LOG_LIMIT).map_err(sql)?;
    }
    Ok(db)
}

/// Touch `file` after a commit, which watchers see. The commit itself they may see too early: the log is written before its index.
fn ring(file: &Path) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    if let Err(e) = rustix::fs::utimensat(CWD, file, &times, AtFlags::empty()) {
        tracing::warn!(file = %shown(file), error = %e, "other cockpits may see this commit late");
    }
}

/// Hold the store's folder alone until the returned file is dropped.
pub(super) fn lock(folder: &Path) -> Result<File, StoreError> {
    let file = File::open(folder).map_err(|e| from_io(folder, &e))?;
    for _ in 0..PATIENCE.as_micros() / PAUSE.as_micros() {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => thread::sleep(PAUSE),
            Err(e) => return Err(from_io(folder, &e.into())),
        }
    }
    Err(StoreError::Locked { place: shown(folder) })
}
