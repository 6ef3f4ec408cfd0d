//! What can go wrong with a store, by what can be done about it.

use std::{io, path::Path};

use rusqlite::ErrorCode;

use crate::domain::{Entry, Text};

/// Why the store did not do what was asked. Watching goes on without it; acting does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// We may look and not write.
    #[error("{place}: {why}; ask its owner for write access, or name another place with --store")]
    ReadOnly {
        /// The folder or file.
        place: Text,
        /// What is not writable.
        why: Text,
    },
    /// No room on the disk, or none in our quota.
    #[error("{place}: the disk is full; make room there, or name another place with --store")]
    Full {
        /// The folder or file.
        place: Text,
    },
    /// Another process held the lock for longer than we wait.
    #[error("{place}: locked by another process for over 2 s; try again, or see who holds it with fuser")]
    Locked {
        /// The folder or file.
        place: Text,
    },
    /// Not a database, or a damaged one.
    #[error("{place}: damaged ({what}); move it away and keep it, or name another place with --store")]
    Corrupt {
        /// The folder or file.
        place: Text,
        /// What was found.
        what: Text,
    },
    /// On a network file system, where a write-ahead log would be corrupted.
    #[error("{place}: lies on a network file system ({kind}), which corrupts such files; name a local folder with --store")]
    NotLocal {
        /// The folder.
        place: Text,
        /// Which file system.
        kind: Text,
    },
    /// Anyone may write there, so nothing there can be trusted.
    #[error("{place}: {what}; take the right away with chmod, or run `burnwatch store init`")]
    WrongModes {
        /// The folder or file.
        place: Text,
        /// What is wrong.
        what: Text,
    },
    /// It is not there, and we may not make it.
    #[error("{place}: no store there ({why}); make one with `burnwatch store init`, or name another place with --store")]
    Missing {
        /// The folder.
        place: Text,
        /// What stood in the way.
        why: Text,
    },
    /// Another cockpit took the lease: what was to be written is late, and was not written.
    #[error("{place}: another cockpit polls by now; this write came late and was dropped")]
    LateHolder {
        /// The file.
        place: Text,
    },
    /// Written by a later version of burnwatch.
    #[error("{place}: has format {found}, this version of burnwatch knows {known}; use a later version")]
    Newer {
        /// The file.
        place: Text,
        /// The format it has.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// Anything else.
    #[error("{place}: {what}; name another place with --store if it stays so")]
    Other {
        /// The folder or file.
        place: Text,
        /// What happened.
        what: Text,
    },
}

/// Why an entry was not written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum JournalError {
    /// Somebody acted on the same subject since the version that was decided on. Nothing was written.
    #[error("{}: {} was first; look again before you act", .first.title, .first.who)]
    Conflict {
        /// Who was first, and with what: the newest `Asked` since then, or, if there is none, the newest entry.
        first: Box<Entry>,
    },
    /// The store failed. Nothing was written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A path as text for the screen.
pub(super) fn shown(path: &Path) -> Text {
    Text::clean(&path.to_string_lossy())
}

/// What an error of the operating system about `path` means.
pub(super) fn from_io(path: &Path, error: &io::Error) -> StoreError {
    let place = shown(path);
    match error.kind() {
        io::ErrorKind::PermissionDenied => StoreError::ReadOnly { place, why: "permission denied".into() },
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { place, why: "on a read-only file system".into() },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { place },
        io::ErrorKind::NotFound => StoreError::Missing { place, why: "not found".into() },
        _ => StoreError::Other { place, what: error.to_string().into() },
    }
}

/// `SQLITE_IOERR_SHMSIZE`: no room for the shared index of the write-ahead log.
const NO_ROOM_FOR_INDEX: i32 = 4874;

/// What an error of the database at `path` means.
pub(super) fn from_sql(path: &Path, error: &rusqlite::Error) -> StoreError {
    use rusqlite::Error as E;
    let place = shown(path);
    match error {
        E::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::ReadOnly { place, why: "not writable by us".into() },
            ErrorCode::DiskFull => StoreError::Full { place },
            ErrorCode::SystemIoFailure if failure.extended_code == NO_ROOM_FOR_INDEX => StoreError::Full { place },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => StoreError::Locked { place },
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt { place, what: error.to_string().into() },
            _ => StoreError::Other { place, what: error.to_string().into() },
        },
        E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..) | E::InvalidColumnType(..) | E::Utf8Error(..) => {
            StoreError::Corrupt { place, what: error.to_string().into() }
        }
        _ => StoreError::Other { place, what: error.to_string().into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_has_its_name() {
        let sql = |code: i32| from_sql(Path::new("/s/journal.db"), &rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        assert!(matches!(sql(rusqlite::ffi::SQLITE_FULL), StoreError::Full { .. }));
        assert!(matches!(sql(NO_ROOM_FOR_INDEX), StoreError::Full { .. }));
        assert!(matches!(sql(rusqlite::ffi::SQLITE_READONLY), StoreError::ReadOnly { .. }));
        assert!(matches!(sql(rusqlite::ffi::SQLITE_BUSY_SNAPSHOT), StoreError::Locked { .. }));
        assert!(matches!(sql(rusqlite::ffi::SQLITE_CORRUPT), StoreError::Corrupt { .. }));
        assert!(matches!(sql(rusqlite::ffi::SQLITE_IOERR), StoreError::Other { .. }));
        let io = |kind: io::ErrorKind| from_io(Path::new("/s"), &kind.into());
        assert!(matches!(io(io::ErrorKind::StorageFull), StoreError::Full { .. }));
        assert!(matches!(io(io::ErrorKind::ReadOnlyFilesystem), StoreError::ReadOnly { .. }));
        let message = io(io::ErrorKind::PermissionDenied).to_string();
        assert_eq!(message, "/s: permission denied; ask its owner for write access, or name another place with --store");
    }
}
