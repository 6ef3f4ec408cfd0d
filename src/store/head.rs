//! The journal's head: how many entries there are and the hash of the last, in a file of its own.
//!
//! A hash chain shows an entry that was changed and not one that was cut off the end. So the head is kept apart. It is written after
//! each commit by whoever holds the folder's lock, who writes what the journal says then, so that it never goes back; a crash between
//! the two leaves it one behind, which the next entry mends. A head that does not fit the journal is left as it is: it is evidence.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rusqlite::{Connection, OptionalExtension};

use super::{
    StoreError,
    error::{from_io, from_sql, shown},
    modes::{HEAD_FILE, JOURNAL_FILE, file_mode, own_like},
    open::lock,
};

/// The hash before the first entry.
pub(super) const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How long the journal is, and the hash of its last entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) entries: u64,
    pub(super) hash: String,
}

/// The end of the journal as it stands.
pub(super) fn end_of(journal: &Connection) -> rusqlite::Result<Mark> {
    let mut last = journal.prepare_cached("SELECT id, hash FROM entry ORDER BY id DESC LIMIT 1")?;
    let mark = last.query_row([], |row| Ok(Mark { entries: row.get::<_, i64>(0)?.cast_unsigned(), hash: row.get(1)? }));
    Ok(mark.optional()?.unwrap_or_else(|| Mark { entries: 0, hash: NO_HASH.to_owned() }))
}

/// Whether `mark` lies on the journal's chain.
pub(super) fn fits(journal: &Connection, mark: &Mark) -> rusqlite::Result<bool> {
    if mark.entries == 0 {
        return Ok(mark.hash == NO_HASH);
    }
    let mut row = journal.prepare_cached("SELECT hash FROM entry WHERE id = ?1")?;
    let hash: Option<String> = row.query_row([mark.entries.cast_signed()], |row| row.get(0)).optional()?;
    Ok(hash.is_some_and(|hash| hash == mark.hash))
}

/// The head as it was written; `None` if there is none, or not a readable one.
pub(super) fn read(folder: &Path) -> Result<Option<Mark>, StoreError> {
    let file = folder.join(HEAD_FILE);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => return Ok(None),
        Err(e) => return Err(from_io(&file, &e)),
    };
    let mark = text.trim_end().split_once(' ').and_then(|(n, hash)| Some(Mark { entries: n.parse().ok()?, hash: hash.to_owned() }));
    Ok(mark)
}

/// Write the head of a journal that is empty and has none. The caller holds the folder's lock.
pub(super) fn begin(folder: &Path, journal: &Connection) -> Result<(), StoreError> {
    let end = end_of(journal).map_err(|e| from_sql(&folder.join(JOURNAL_FILE), &e))?;
    if end.entries > 0 || folder.join(HEAD_FILE).exists() {
        return Ok(());
    }
    write(folder, &end).map_err(|e| from_io(&folder.join(HEAD_FILE), &e))
}

/// Move the head to the journal's end. What stands in the way is logged and no error: the entry itself is safe.
pub(super) fn advance(folder: &Path, journal: &Connection) {
    let done = lock(folder).and_then(|_alone| {
        let sql = |e: rusqlite::Error| from_sql(&folder.join(JOURNAL_FILE), &e);
        match read(folder)? {
            Some(mark) if fits(journal, &mark).map_err(sql)? => {
                write(folder, &end_of(journal).map_err(sql)?).map_err(|e| from_io(&folder.join(HEAD_FILE), &e))
            }
            _ => {
                let what = "does not fit the journal, so stays as it is; run `burnwatch audit verify`".into();
                Err(StoreError::Other { place: shown(&folder.join(HEAD_FILE)), what })
            }
        }
    });
    if let Err(error) = done {
        tracing::warn!(%error, "the journal's head was not moved");
    }
}

/// Replace the head in one step.
fn write(folder: &Path, mark: &Mark) -> io::Result<()> {
    let (file, new) = (folder.join(HEAD_FILE), folder.join("journal.head.new"));
    match fs::remove_file(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mode = file_mode(fs::metadata(folder)?.mode());
    let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    out.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    own_like(&out, folder);
    writeln!(out, "{} {}", mark.entries, mark.hash)?;
    out.sync_all()?;
    fs::rename(&new, &file)?;
    File::open(folder)?.sync_all()
}
