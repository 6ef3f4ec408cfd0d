//! The journal keeps what was written, in one order, for all.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    sync::Barrier,
    thread,
};

use burnwatch::{
    domain::{Effect, Entry, Labels, Outcome, Release, Target, What},
    store::{Head, JournalError, Store},
};
use rusqlite::Connection;

use super::support::{asked, at, child, in_child, store};

const INCIDENT: &str = "checkout/availability:page";

fn ended(act: &str, outcome: Outcome) -> Entry {
    Entry { what: What::Ended { outcome, legs: Vec::new() }, ..asked(act, "ana", INCIDENT) }
}

#[test]
fn of_two_who_act_at_once_one_is_first_and_the_other_is_told() {
    let (_folder, store) = store();
    let start = Barrier::new(2);
    let race = |who: &'static str| {
        let mine = Store::open(store.folder()).unwrap();
        let start = &start;
        move || {
            let mut outcomes = Vec::new();
            for version in 0..200 {
                start.wait();
                outcomes.push(mine.append(asked(&format!("{who}{version}"), who, INCIDENT), Some(version)));
            }
            outcomes
        }
    };
    let (ana, ben) = (race("ana"), race("ben"));
    let (ana, ben) = thread::scope(|s| {
        let (ana, ben) = (s.spawn(ana), s.spawn(ben));
        (ana.join().unwrap(), ben.join().unwrap())
    });
    for (version, outcomes) in (1..).zip(ana.into_iter().zip(ben)) {
        let ((Ok(won), Err(JournalError::Conflict { first })) | (Err(JournalError::Conflict { first }), Ok(won))) = outcomes else {
            panic!("{outcomes:?}");
        };
        assert_eq!((won.version, &won), (version, &*first));
    }
    assert_eq!(store.entries_since(0).unwrap().len(), 200);
    assert!(store.verify().unwrap().good());
}

#[test]
fn two_processes_never_write_the_same_version() {
    let (_folder, store) = store();
    let mut racers = [1, 2].map(|_| child("journal::a_process_that_races", store.folder()).spawn().unwrap());
    assert!(racers.iter_mut().all(|racer| racer.wait().unwrap().success()));
    let versions: Vec<u64> = store.entries_since(0).unwrap().iter().map(|entry| entry.version).collect();
    assert_eq!(versions, (1..=100).collect::<Vec<_>>());
    assert!(store.verify().unwrap().good());
}

#[test]
fn a_process_that_races() {
    let Some(folder) = in_child() else { return };
    let (store, who) = (Store::open(&folder).unwrap(), std::process::id().to_string());
    let mut version = 0;
    while version < 100 {
        version = match store.append(asked(&format!("{who}-{version}"), &who, INCIDENT), Some(version)) {
            Ok(entry) => entry.version,
            Err(JournalError::Conflict { first }) if first.who.name.as_str() != who => first.version,
            other => panic!("{other:?}"),
        };
    }
}

#[test]
fn entries_come_back_as_they_were_written() {
    let (_folder, store) = store();
    let labels: Labels = [("job", "a\u{1b}[2J\"\n"), ("zone", "eu")].into_iter().collect();
    let target = Target::Alertmanager { source: "am".into(), labels };
    let effects = [
        Effect::Extend {
            target: target.clone(),
            silence: "s1".into(),
            starts: at(1),
            until: at(2),
            ack: "a".into(),
            comment: "ACK! ana".into(),
            by: "ana".into(),
        },
        Effect::Release { target, silence: None, ack: "a".into(), why: Release::Cleared },
    ];
    let outcomes = [
        Outcome::Done { receipt: Some("s1".into()) },
        Outcome::Failed { why: "refused".into(), retry: true },
        Outcome::Unknown { why: "no answer".into() },
    ];
    let mut written = vec![store.append(asked("a", "ana", INCIDENT), Some(0)).unwrap()];
    for effect in effects {
        let entry = Entry { what: What::Asked { effect }, ..asked("b", "ben", "am:1") };
        written.push(store.append(entry, None).unwrap());
    }
    written.extend(outcomes.map(|outcome| store.append(ended("a", outcome), None).unwrap()));
    let places: Vec<_> = written.iter().map(|entry| (entry.id, entry.version)).collect();
    assert_eq!(places, [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 4)]);
    assert_eq!(store.entries_since(0).unwrap(), written);
    assert_eq!(store.entries_since(4).unwrap(), written[4..]);
    assert_eq!(store.recent(2).unwrap(), written[4..]);
    assert!(store.verify().unwrap().good());
}

#[test]
fn whoever_comes_late_is_told_of_the_act_and_not_of_its_end() {
    let (_folder, store) = store();
    let first = store.append(asked("a", "ana", INCIDENT), Some(0)).unwrap();
    store.append(ended("a", Outcome::Done { receipt: None }), None).unwrap();
    let late = store.append(asked("b", "ben", INCIDENT), Some(0)).unwrap_err();
    assert_eq!(late, JournalError::Conflict { first: Box::new(first) });
    assert_eq!(late.to_string(), "checkout burns: ana was first; look again before you act");
    let other = store.append(asked("b", "ben", "another"), Some(3)).unwrap_err();
    assert!(other.to_string().contains("another journal"), "{other}");
    assert_eq!(store.entries_since(0).unwrap().len(), 2);
}

/// Change the journal behind the store's back.
fn tamper(folder: &Path, sql: &str) -> rusqlite::Result<()> {
    Connection::open(folder.join("journal.db")).unwrap().execute_batch(sql)
}

#[test]
fn nothing_that_was_written_can_be_changed_or_removed() {
    let (_folder, store) = store();
    store.append(asked("a", "ana", INCIDENT), Some(0)).unwrap();
    for sql in [
        "UPDATE entry SET body = '{}'",
        "DELETE FROM entry",
        "INSERT OR REPLACE INTO entry SELECT * FROM entry",
        "INSERT OR REPLACE INTO entry SELECT 2, at, act, subject, version, body, prev, hash FROM entry",
        "INSERT INTO entry SELECT 3, at, act, 'other', 1, body, prev, hash FROM entry",
    ] {
        let refused = tamper(store.folder(), sql).unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{sql}: {refused}");
    }
    assert!(store.verify().unwrap().good());
}

/// A store of five entries with its triggers removed.
fn open_to_forgers() -> (tempfile::TempDir, Store) {
    let (folder, store) = store();
    for n in 0..5 {
        store.append(asked(&format!("a{n}"), "ana", INCIDENT), Some(n)).unwrap();
    }
    let sql = "DROP TRIGGER entry_stays; DROP TRIGGER entry_is_kept; DROP TRIGGER entry_goes_last";
    tamper(store.folder(), sql).unwrap();
    assert!(store.verify().unwrap().good());
    (folder, store)
}

#[test]
fn an_edited_entry_is_found() {
    for edit in [
        "UPDATE entry SET body = replace(body, 'on it', 'not me') WHERE id = 3",
        "UPDATE entry SET act = 'x' WHERE id = 3",
        "UPDATE entry SET at = '2020-01-01T00:00:00+00:00' WHERE id = 3",
        "DELETE FROM entry WHERE id = 3",
    ] {
        let (_folder, store) = open_to_forgers();
        tamper(store.folder(), edit).unwrap();
        assert_eq!(store.verify().unwrap().chain, Err(3), "{edit}");
    }
}

#[test]
fn a_cut_tail_is_found_and_stays_found() {
    let (_folder, store) = open_to_forgers();
    tamper(store.folder(), "DELETE FROM entry WHERE id > 3").unwrap();
    let found = store.verify().unwrap();
    assert_eq!((found.entries, found.chain, found.head), (3, Ok(()), Head::Cut(5)));
    for version in 3..6 {
        store.append(asked("b", "ben", INCIDENT), Some(version)).unwrap();
    }
    let found = store.verify().unwrap();
    assert_eq!((found.chain, found.head), (Ok(()), Head::Differs(5)));
}

#[test]
fn a_journal_put_in_place_of_another_is_found() {
    let (_folder, store) = store();
    store.append(asked("a", "ana", INCIDENT), Some(0)).unwrap();
    let place = store.folder().to_owned();
    drop(store);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        std::fs::remove_file(place.join(name)).unwrap();
    }
    let store = Store::open(&place).unwrap();
    assert_eq!(store.verify().unwrap().head, Head::Cut(1));
    std::fs::remove_file(place.join("journal.head")).unwrap();
    assert_eq!(store.verify().unwrap().head, Head::Missing);
}

#[test]
fn what_was_confirmed_before_a_kill_is_there_after_it() {
    let (_folder, store) = store();
    let mut writer = child("journal::a_process_that_is_killed", store.folder()).spawn().unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines().map(Result::unwrap);
    let confirmed: u64 = lines.filter_map(|line| line.strip_prefix("wrote ")?.parse().ok()).find(|n| *n >= 25).unwrap();
    writer.kill().unwrap();
    writer.wait().unwrap();
    let found = store.verify().unwrap();
    assert!(found.good() && found.entries >= confirmed, "{found:?}");
    let next = store.append(asked("z", "zoe", INCIDENT), Some(found.entries)).unwrap();
    assert_eq!(next.id, found.entries + 1);
    assert!(store.verify().unwrap().good());
}

#[test]
fn a_process_that_is_killed() {
    let Some(folder) = in_child() else { return };
    let store = Store::open(&folder).unwrap();
    println!();
    loop {
        let written = store.append(asked("a", "ana", INCIDENT), None).unwrap();
        println!("wrote {}", written.id);
    }
}

#[test]
fn an_extension_meanwhile_refuses_nobody_once_it_is_done() {
    let (_folder, store) = store();
    store.append(asked("a", "ana", INCIDENT), Some(0)).unwrap();
    store.append(ended("a", Outcome::Done { receipt: Some("s".into()) }), None).unwrap();
    let effect = Effect::Extend {
        target: Target::Journal,
        silence: "s".into(),
        starts: at(0),
        until: at(900),
        ack: "a".into(),
        comment: "ACK! ana [bw:a]".into(),
        by: "ana".into(),
    };
    let extend = |act: &str| Entry { what: What::Asked { effect: effect.clone() }, ..asked(act, "burnwatch", INCIDENT) };
    store.append(extend("e"), Some(2)).unwrap();
    let unack = || asked("b", "ben", INCIDENT);
    let under_way = store.append(unack(), Some(2)).unwrap_err();
    assert!(matches!(under_way, JournalError::Conflict { first } if first.who.name.as_str() == "burnwatch"));
    store.append(ended("e", Outcome::Done { receipt: Some("s".into()) }), None).unwrap();
    assert!(matches!(store.append(extend("f"), Some(2)), Err(JournalError::Conflict { .. })), "an extension is decided on what is");
    assert_eq!(store.append(unack(), Some(2)).unwrap().version, 5);
    assert!(matches!(store.append(unack(), Some(2)), Err(JournalError::Conflict { .. })), "of two people one is still late");
}
