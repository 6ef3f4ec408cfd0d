//! Each trouble has its name, and none is a panic.

use std::fs;

use burnwatch::store::{JournalError, Store, StoreError};
use rusqlite::Connection;

use super::support::{TTL, asked, at, holder, store, take};

#[test]
fn a_file_that_is_no_database_is_said_to_be_damaged() {
    for name in ["journal.db", "history.db"] {
        let (_folder, store) = store();
        let place = store.folder().to_owned();
        drop(store);
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(place.join(format!("{name}{end}")));
        }
        fs::write(place.join(name), "not a database at all, but long enough to look like one\n".repeat(100)).unwrap();
        let error = Store::open(&place).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("{name}: damaged")), "{error}");
    }
}

#[test]
fn damage_met_while_reading_is_named_too() {
    let (_folder, store) = store();
    for n in 0..50 {
        store.append(asked("a", "ana", "checkout"), Some(n)).unwrap();
    }
    let place = store.folder().to_owned();
    drop(store);
    let journal = place.join("journal.db");
    Connection::open(&journal).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut bytes = fs::read(&journal).unwrap();
    bytes[4_096..].fill(0xa5);
    fs::write(&journal, bytes).unwrap();
    let damaged = |error: StoreError| matches!(error, StoreError::Corrupt { .. });
    let errors = Store::open(&place).map(|store| (store.entries_since(0).unwrap_err(), store.verify().unwrap_err()));
    assert!(errors.map_or_else(damaged, |(read, verify)| damaged(read) && damaged(verify)));
}

#[test]
fn an_entry_that_cannot_be_understood_is_damage() {
    let (_folder, store) = store();
    let row = "INSERT INTO entry VALUES (1, '', '', 's', 1, '{\"id\":1}', '', '')";
    Connection::open(store.folder().join("journal.db")).unwrap().execute_batch(row).unwrap();
    assert!(matches!(store.entries_since(0), Err(StoreError::Corrupt { .. })));
    assert_eq!(store.verify().unwrap().chain, Err(1));
}

#[test]
fn a_later_format_is_refused_plainly() {
    for name in ["journal.db", "history.db"] {
        let (_folder, store) = store();
        Connection::open(store.folder().join(name)).unwrap().pragma_update(None, "user_version", 9).unwrap();
        for opened in [Store::open(store.folder()), Store::open_read_only(store.folder())] {
            let error = opened.unwrap_err();
            assert!(matches!(error, StoreError::Newer { found: 9, known: 1, .. }), "{error:?}");
            assert!(error.to_string().ends_with("has format 9, this version of burnwatch knows 1; use a later version"), "{error}");
        }
    }
}

#[test]
fn who_may_only_look_sees_everything_and_writes_nothing() {
    let (_folder, store) = store();
    let written = store.append(asked("a", "ana", "checkout"), None).unwrap();
    take(&store, "ana", at(0));
    let place = store.folder().to_owned();
    let guest = Store::open_read_only(&place).unwrap();
    drop(store);
    for guest in [guest, Store::open_read_only(&place).unwrap()] {
        assert_eq!(guest.entries_since(0).unwrap(), std::slice::from_ref(&written), "also when the last writer has left");
        assert!(guest.holder(at(0)).unwrap().is_some());
        assert!(matches!(guest.writable(), Err(StoreError::ReadOnly { .. })));
        assert!(matches!(guest.append(asked("b", "ben", "checkout"), None), Err(JournalError::Store(StoreError::ReadOnly { .. }))));
        assert!(matches!(guest.try_lease(&holder("ben"), at(900), TTL), Err(StoreError::ReadOnly { .. })));
        assert!(guest.verify().unwrap().good());
    }
}

#[test]
fn looking_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("store");
    assert!(matches!(Store::open_read_only(&place), Err(StoreError::Missing { .. })));
    assert!(!place.exists());
}

#[test]
fn a_lock_that_another_holds_is_said_to_be_held() {
    let (_folder, store) = store();
    let epoch = take(&store, "ana", at(0));
    let hold = |name: &str| {
        let other = Connection::open(store.folder().join(name)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    };
    let held = hold("history.db");
    assert!(matches!(store.put_episodes(epoch, &[]), Err(StoreError::Locked { .. })));
    store.append(asked("a", "ana", "checkout"), None).unwrap();
    drop(held);
    store.put_episodes(epoch, &[]).unwrap();
    let _held = hold("journal.db");
    assert!(matches!(store.append(asked("b", "ana", "checkout"), None), Err(JournalError::Store(StoreError::Locked { .. }))));
}

#[test]
fn a_file_where_the_folder_should_be_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("store");
    fs::write(&place, "").unwrap();
    let error = Store::open(&place).unwrap_err();
    assert!(matches!(error, StoreError::Other { .. }), "{error:?}");
}

#[test]
fn many_may_open_a_new_store_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("store");
    let opened: Vec<_> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..8).map(|_| s.spawn(|| Store::open(&place).map(|store| store.verify().unwrap().good()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(opened.iter().all(|store| *store == Ok(true)), "{opened:?}");
}

#[test]
fn nothing_is_written_into_files_that_are_no_longer_there() {
    let (_folder, store) = store();
    let epoch = take(&store, "ana", at(0));
    let away = store.folder().with_file_name("away");
    fs::rename(store.folder(), &away).unwrap();
    assert!(matches!(store.append(asked("a", "ana", "checkout"), None), Err(JournalError::Store(StoreError::Missing { .. }))));
    let other = Store::open(store.folder()).unwrap();
    let error = store.put_episodes(epoch, &[]).unwrap_err();
    assert!(error.to_string().contains("replaced by another file while open"), "{error}");
    assert_eq!(other.verify().unwrap().entries, 0);
    assert_eq!(Store::open(&away).unwrap().verify().unwrap().entries, 0);
}
