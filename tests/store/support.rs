//! What the stories share: things to write, and other processes.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use burnwatch::{
    domain::{Actor, DefinitionId, Effect, Entry, Group, Target, Untrusted, What},
    store::{Bucket, Holder, Lease, Store},
};
use chrono::{DateTime, TimeDelta, Utc};

pub const TTL: Duration = Duration::from_secs(20);

/// Noon of an ordinary day, and so many seconds.
pub fn at(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_770_000_000 - 1_770_000_000 % 86_400 + 43_200, 0).unwrap() + TimeDelta::seconds(secs)
}

pub fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    (folder, store)
}

pub fn holder(name: &str) -> Holder {
    Holder { id: format!("{name}-1"), name: name.into(), pid: 7 }
}

/// Take the lease and give its epoch.
pub fn take(store: &Store, name: &str, now: DateTime<Utc>) -> u64 {
    match store.try_lease(&holder(name), now, TTL).unwrap() {
        Lease::Ours { epoch } => epoch,
        theirs @ Lease::Theirs { .. } => panic!("{theirs:?}"),
    }
}

/// Somebody takes the incident `subject`.
pub fn asked(act: &str, who: &str, subject: &str) -> Entry {
    let effect =
        Effect::Acknowledge { target: Target::Journal, occurrence: at(0), note: Some("on it".into()), until: at(900), lapses: at(14_400) };
    Entry {
        id: 0,
        at: at(0) + TimeDelta::nanoseconds(123_456_789),
        act: act.into(),
        subject: subject.into(),
        title: "checkout burns".into(),
        service: None,
        version: 0,
        who: Actor { name: who.into(), verified: true },
        what: What::Asked { effect },
    }
}

pub fn group(name: &str) -> Group {
    Group(vec![Untrusted::new(name)])
}

/// Events of the group `name` from second `from` to second `to`.
pub fn bucket(name: &str, from: i64, to: i64, bad: f64, total: f64) -> Bucket {
    Bucket { definition: DefinitionId::new("availability"), group: group(name), from: at(from), to: at(to), bad, total, gap: false }
}

pub fn all_buckets(store: &Store) -> Vec<Bucket> {
    let mut buckets = Vec::new();
    store.buckets(DateTime::<Utc>::MIN_UTC, |bucket| buckets.push(bucket.clone())).unwrap();
    buckets
}

const CHILD: &str = "BURNWATCH_STORE_STORY";

/// In a child process the folder that the parent named; elsewhere `None`, and the story is over.
pub fn in_child() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// This program again, to run the one story `name` in a process of its own.
pub fn child(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    command.env(CHILD, OsString::from(folder)).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}
