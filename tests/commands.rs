//! The commands as a shell sees them: what they print where, and with what they end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail this way, its helpers too")]

mod support;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use burnwatch::{
    domain::{Actor, Effect, Entry, Outcome, Target, What},
    fleet::{Fleet, Scenario},
    store::Store,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tempfile::TempDir;

/// What a command said and how it ended.
struct Said {
    out: String,
    talk: String,
    code: i32,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }
}

fn run(home: &TempDir, args: &[&str]) -> Said {
    let output = support::burnwatch(home.path(), args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { out: text(output.stdout), talk: text(output.stderr), code: output.status.code().unwrap() }
}

/// A home whose configuration is `text`.
fn home(text: &str) -> TempDir {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("config/burnwatch");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("burnwatch.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    home
}

/// A home whose only source is the practice fleet without a fault.
fn quiet_fleet() -> (tokio::runtime::Runtime, Fleet, TempDir) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fleet = runtime.block_on(Fleet::start(Scenario::quiet(), Arc::new(Utc::now))).unwrap();
    let place = TempDir::new().unwrap();
    let store = place.path().join("store");
    let home = home(&fleet.config(&store.display().to_string(), None));
    (runtime, fleet, home)
}

#[test]
fn an_id_that_nobody_has_is_a_no_only_while_every_source_answers() {
    let (runtime, fleet, home) = quiet_fleet();
    let no = run(&home, &["ack", "nobody/has"]);
    assert_eq!((no.code, no.out.as_str()), (1, ""));
    assert_eq!(no.talk, "burnwatch: no open incident is called `nobody/has`; `burnwatch incidents` lists them\n");
    drop((fleet, runtime));
    let untold = run(&home, &["ack", "nobody/has", "--json"]);
    assert_eq!((untold.code, untold.json()["outcome"].as_str()), (2, Some("refused")));
    assert!(untold.json()["why"].as_str().unwrap().contains("but shop is"), "{}", untold.out);
}

/// A Prometheus of which no row wants anything was said to have answered, though nobody had asked it.
#[test]
fn what_was_not_asked_has_not_answered() {
    let home = home("[[source]]\nname = \"prom\"\nkind = \"prometheus\"\nurl = \"http://127.0.0.1:9\"\n");
    let said = run(&home, &["check", "--live"]);
    assert!(
        said.code == 1 && said.out.contains("prom         was asked nothing: no [[slo]] and no [[queue]] row needs it"),
        "{}",
        said.out
    );
}

#[test]
fn status_is_the_same_in_both_shapes_and_tells_the_verdict_by_its_end() {
    let (_runtime, _fleet, home) = quiet_fleet();
    // A first look at counters has nothing to compare them with.
    assert_eq!(run(&home, &["status"]).code, 2);
    let (text, json) = (run(&home, &["status"]), run(&home, &["status", "--json"]));
    let shape = json.json();
    assert_eq!(shape["version"], 1);
    assert_eq!(text.code, json.code);
    assert_eq!(text.out.split_whitespace().next(), shape["verdict"].as_str());
    let ids: Vec<_> = shape["slos"].as_array().unwrap().iter().map(|slo| slo["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 10, "six services, two that tell their latency, two queues");
    assert!(ids.iter().all(|id| text.out.contains(id)), "{}", text.out);
    assert!(shape["sources"][0]["state"] == "fresh" && text.talk.is_empty(), "{}", text.talk);
}

#[test]
fn wrong_words_are_wrong_usage_and_a_closed_pipe_is_none() {
    let home = home("");
    assert_eq!(run(&home, &["akc"]).code, 64);
    assert_eq!(run(&home, &["--help"]).code, 0);
    let (_runtime, _fleet, home) = quiet_fleet();
    let ends = [(); 2].map(|()| run(&home, &["status"]).code);
    let mut child = support::burnwatch(home.path(), &["status", "--json"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!((ends, child.wait().unwrap().code()), ([2, 0], Some(0)));
}

#[test]
fn check_tells_every_mistake_and_how_many_there_are() {
    let home = home("[cockpit]\ntime_zone = \"Europe/Belrin\"\nread_olny = true\n");
    let said = run(&home, &["check"]);
    assert_eq!((said.code, said.talk.as_str()), (1, ""));
    assert!(said.out.contains("burnwatch.toml:2:13") && said.out.contains("burnwatch.toml:3:1"), "{}", said.out);
    assert!(said.out.ends_with("\n\n3 mistakes\n"), "{}", said.out);
    let status = run(&home, &["status"]);
    assert_eq!((status.code, status.out.as_str()), (2, ""));
    assert!(status.talk.ends_with("\n\nburnwatch: 3 mistakes\n"), "{}", status.talk);
}

fn at(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_770_000_000, 0).unwrap() + TimeDelta::seconds(secs)
}

fn entry(what: What) -> Entry {
    let who = Actor { name: "maya".into(), verified: true };
    let (subject, title) = ("checkout/availability:page".into(), "checkout: availability 82.2×".into());
    Entry { id: 0, at: at(0), act: "act-1".into(), subject, title, service: None, version: 0, who, what }
}

fn journal() -> (TempDir, PathBuf) {
    let home = home("");
    let folder = home.path().join("store");
    let store = Store::open(&folder).unwrap();
    let effect =
        Effect::Acknowledge { target: Target::Journal, occurrence: at(0), note: Some("on it".into()), until: at(900), lapses: at(9_000) };
    store.append(entry(What::Asked { effect }), None).unwrap();
    store.append(entry(What::Ended { outcome: Outcome::Done { receipt: None }, legs: Vec::new() }), None).unwrap();
    (home, folder)
}

#[test]
fn the_journal_is_listed_and_a_changed_entry_shows() {
    let (home, folder) = journal();
    let store = ["--store", folder.to_str().unwrap()];
    let listed = run(&home, &[&["audit", "list"], store.as_slice()].concat());
    assert_eq!(
        listed.out,
        "2026-02-02T02:40:00Z  maya  ack  checkout/availability:page  checkout: availability 82.2×  “on it”\n\
         2026-02-02T02:40:00Z  maya  done  checkout/availability:page  checkout: availability 82.2×\n"
    );
    let newest = run(&home, &[&["audit", "list", "--last", "1", "--json"], store.as_slice()].concat());
    assert_eq!(newest.json()["entries"][0]["what"]["outcome"], "done");
    let whole = run(&home, &[&["audit", "verify"], store.as_slice()].concat());
    assert_eq!((whole.code, whole.out.lines().next()), (0, Some("entries  2")));

    let journal = rusqlite::Connection::open(folder.join("journal.db")).unwrap();
    let triggers: Vec<String> = journal
        .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for trigger in triggers {
        journal.execute(&format!("DROP TRIGGER {trigger}"), []).unwrap();
    }
    journal.execute("UPDATE entry SET body = replace(body, 'maya', 'jon')", []).unwrap();
    drop(journal);
    let changed = run(&home, &[&["audit", "verify", "--json"], store.as_slice()].concat());
    assert_eq!((changed.code, changed.json()["chain"]["first_bad"].as_u64()), (1, Some(1)));
}
