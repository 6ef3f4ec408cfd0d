//! A commit elsewhere is seen at once, and what is then read is what was committed.

use std::{fs, thread};

use burnwatch::store::{ChangeWatch, Changed, Store, changes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::support::{asked, at, store, take};

/// Wait for a change; an hour is for ever.
fn wait(watch: &ChangeWatch) -> Changed {
    let for_ever = Timespec { tv_sec: 3_600, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&for_ever)), Ok(1));
    watch.drain().unwrap()
}

#[test]
fn each_commit_wakes_those_who_watch_and_can_be_read_then() {
    let (_folder, store) = store();
    let watch = changes(store.folder()).unwrap();
    let writer = Store::open(store.folder()).unwrap();
    let (go, turn) = std::sync::mpsc::channel();
    let writer = thread::spawn(move || {
        for n in turn {
            writer.append(asked("a", "ana", "checkout"), Some(n)).unwrap();
        }
    });
    for n in 0..50 {
        go.send(n).unwrap();
        let mut seen = Changed::default();
        while !seen.journal {
            seen = wait(&watch);
        }
        assert_eq!(store.entries_since(n).unwrap().len(), 1);
    }
    drop(go);
    writer.join().unwrap();
}

#[test]
fn the_two_files_are_told_apart_and_nothing_else_counts() {
    let (_folder, store) = store();
    let watch = changes(store.folder()).unwrap();
    assert_eq!(watch.drain().unwrap(), Changed::default());
    take(&store, "ana", at(0));
    assert_eq!(wait(&watch), Changed { history: true, ..Changed::default() });
    store.append(asked("a", "ana", "checkout"), None).unwrap();
    assert_eq!(wait(&watch), Changed { journal: true, ..Changed::default() });
    fs::write(store.folder().join("notes"), "").unwrap();
    assert_eq!(wait(&watch), Changed::default());
}

#[test]
fn a_log_that_is_cut_or_made_anew_changes_nothing_for_those_who_watch() {
    let (_folder, store) = store();
    let place = store.folder().to_owned();
    let watch = changes(&place).unwrap();
    drop(store);
    let other = rusqlite::Connection::open(place.join("journal.db")).unwrap();
    other.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(other);
    assert!(!place.join("journal.db-wal").exists());
    watch.drain().unwrap();
    Store::open(&place).unwrap().append(asked("a", "ana", "checkout"), None).unwrap();
    assert!(wait(&watch).journal);
}

#[test]
fn a_folder_that_goes_away_is_noticed() {
    let (_folder, store) = store();
    let watch = changes(store.folder()).unwrap();
    fs::remove_dir_all(store.folder()).unwrap();
    let mut seen = wait(&watch);
    while !seen.gone {
        seen = wait(&watch);
    }
}
