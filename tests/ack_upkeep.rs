//! What burnwatch does of itself to the silences that it keeps, when something comes between.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use burnwatch::{
    domain::{Act, Delivery, Request, Snapshot, Verb},
    engine::Clock,
};
use chrono::{TimeDelta, Utc};
use support::{
    alertmanager::{Alertmanager, Held},
    cockpit::Cockpit,
    configure,
};
use tempfile::TempDir;

/// A cockpit on an Alertmanager, at a time that a test can move on.
struct Rig {
    alertmanager: Alertmanager,
    cockpit: Cockpit,
    ahead: Arc<AtomicI64>,
    _home: TempDir,
}

impl Rig {
    /// An alert fires, and somebody has acknowledged it for ten minutes.
    fn acknowledged() -> Self {
        let (home, alertmanager) = (TempDir::new().unwrap(), Alertmanager::start(1));
        let (url, store) = (alertmanager.url(), home.path().join("store"));
        let row = format!("[[source]]\nname = \"am\"\nkind = \"alertmanager\"\nurl = \"{url}\"\nevery = \"1s\"\nack_for = \"10m\"\n");
        configure(home.path(), &format!("[store]\nurl = \"sqlite:{}\"\n{row}", store.display()));
        let ahead = Arc::<AtomicI64>::default();
        let secs = Arc::clone(&ahead);
        let clock = Clock::of(move || Utc::now() + TimeDelta::seconds(secs.load(Ordering::Relaxed)));
        let cockpit = Cockpit::start(&home.path().join("config/burnwatch/burnwatch.toml"), clock);
        let mut rig = Self { alertmanager, cockpit, ahead, _home: home };
        let seen = rig.cockpit.wait_for("the alert", |s| s.incidents.len() == 1);
        rig.ask(&seen, Verb::Acknowledge { note: None });
        rig.cockpit.wait_for("its acknowledgement", |s| delivery(s) == Some(Delivery::Done) && s.incidents[0].ack.is_some());
        rig
    }
    fn ask(&self, seen: &Snapshot, verb: Verb) {
        let incident = &seen.incidents[0];
        self.cockpit.ask(Request::Act(Act { incident: incident.id.clone(), seen: incident.version, verb, by: None }));
    }
    fn pass(&self, secs: i64) {
        self.ahead.fetch_add(secs, Ordering::Relaxed);
    }
    /// How often each write was sent.
    fn sent(&self, method: &str) -> usize {
        self.alertmanager.book().writes.iter().filter(|(m, _)| *m == method).count()
    }
}

/// How far the acknowledgement has come that the journal knows of.
fn delivery(snapshot: &Snapshot) -> Option<Delivery> {
    snapshot.threads.values().next()?.ack.as_ref().map(|ack| ack.delivery)
}

/// Given back between the look of an extension and its post, an alert was held by a new silence of which nobody knew.
#[test]
fn given_back_while_it_is_extended_an_alert_is_held_by_nothing() {
    let mut rig = Rig::acknowledged();
    rig.alertmanager.hold(Some(Held::Before));
    rig.pass(6 * 60);
    rig.alertmanager.wait_until_held(1);
    let seen = rig.cockpit.wait_for("the extension", |s| s.threads.values().any(|t| t.open.len() == 1));
    rig.ask(&seen, Verb::Unacknowledge);
    rig.alertmanager.wait_for(|book| book.writes.iter().any(|(method, _)| *method == "DELETE"));
    rig.cockpit.wait_for("it to be given back", |s| delivery(s).is_none());
    rig.alertmanager.hold(None);
    rig.alertmanager.let_go();
    rig.alertmanager.wait_for(|book| book.silences.len() == 2);
    rig.alertmanager.wait_for(|book| book.standing().is_empty());
    let end = rig.cockpit.wait_for("everything to have ended", |s| {
        s.threads.values().all(|t| t.open.is_empty() && t.stray.is_none()) && s.incidents.iter().all(|i| i.ack.is_none())
    });
    assert_eq!((end.incidents.len(), rig.sent("POST"), rig.sent("DELETE")), (1, 2, 2));
}

/// What an Alertmanager refuses was sent again as fast as it answered.
#[test]
fn what_is_refused_is_not_sent_again_and_again() {
    let mut rig = Rig::acknowledged();
    rig.alertmanager.refuse(Some("403 Forbidden"));
    rig.pass(6 * 60);
    rig.alertmanager.wait_for(|book| book.writes.len() >= 2);
    // Three more polls, each of which is an occasion.
    for _ in 0..3 {
        let polled = rig.cockpit.wait_for("a poll", |s| s.sources[0].last_success.is_some()).sources[0].last_success;
        rig.cockpit.wait_for("another poll", |s| s.sources[0].last_success > polled);
    }
    assert_eq!(rig.sent("POST"), 2, "one acknowledgement, one extension");
    rig.alertmanager.refuse(None);
    rig.pass(2 * 60 + 5);
    rig.alertmanager.wait_for(|book| book.writes.len() == 3);
    assert_eq!(rig.alertmanager.book().standing().len(), 1);
}

/// An acknowledgement whose silence somebody else has ended was extended in vain until it would have lapsed.
#[test]
fn a_silence_that_somebody_ended_is_not_extended() {
    let mut rig = Rig::acknowledged();
    let id = rig.alertmanager.book().silences[0].id.clone();
    rig.alertmanager.end(&id);
    rig.pass(6 * 60);
    rig.cockpit.wait_for("the alert to be nobody's", |s| s.incidents.iter().all(|i| i.ack.is_none() && i.lapsed.is_some()));
    let entries = rig.cockpit.wait_for("it all", |_| true).latest.len();
    for _ in 0..3 {
        let polled = rig.cockpit.wait_for("a poll", |_| true).sources[0].last_success;
        rig.cockpit.wait_for("another poll", |s| s.sources[0].last_success > polled);
    }
    let end = rig.cockpit.wait_for("it all", |_| true);
    assert!(end.latest.len() <= entries.max(4), "{:#?}", end.latest);
    assert_eq!(rig.sent("POST"), 1);
}
