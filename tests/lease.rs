//! Several cockpits on one store: one polls, and whoever it is and however it ends, no event is lost or counted twice.
//!
//! The fleet stands in the test's own process and its clock is held by the test: it stands still until the first poll is in the store,
//! and again at the end until the last one is. What the store has counted between must then be what the fleet has counted, exactly.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use burnwatch::{
    fleet::{Clock, Scenario, Shop as Truth},
    store::{Bucket, Lease},
};
use chrono::{DateTime, Utc};
use rustix::process::Signal;
use support::{poll, poll_within, pty::Pty, shop::Shop};
use tempfile::TempDir;

/// Polls are five seconds apart. How long the store may be without a poll after its holder is gone.
const TWO_INTERVALS: Duration = Duration::from_secs(10);
const SERVICES: [&str; 6] = ["gateway", "checkout", "payments", "catalog", "search", "cart"];

/// A clock that a test can hold.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<Option<DateTime<Utc>>>>);

impl Held {
    fn clock(&self) -> Clock {
        let held = self.clone();
        Arc::new(move || held.0.lock().unwrap().unwrap_or_else(Utc::now))
    }
    fn hold(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap().insert(Utc::now())
    }
    fn let_go(&self) {
        *self.0.lock().unwrap() = None;
    }
}

/// The process that holds the lease, as any cockpit on the store sees it.
fn holder(shop: &Shop) -> Option<u32> {
    match shop.read().holder(Utc::now()).unwrap()? {
        Lease::Theirs { pid, .. } => Some(pid),
        Lease::Ours { .. } => None,
    }
}

fn number(pty: &Pty) -> u32 {
    pty.pid().as_raw_nonzero().get().unsigned_abs()
}

/// When the youngest bucket ends: the last poll that was written.
fn last_poll(shop: &Shop) -> Option<DateTime<Utc>> {
    shop.buckets("checkout").last().map(|b| b.to)
}

/// Bad events and all events that the store has counted.
fn counted(buckets: &[Bucket]) -> (f64, f64) {
    buckets.iter().fold((0.0, 0.0), |(bad, total), b| (bad + b.bad, total + b.total))
}

#[test]
fn the_lease_changes_hands_and_no_event_is_lost_or_counted_twice() {
    let (home, held) = (TempDir::new().unwrap(), Held::default());
    held.hold();
    let mut scenario = Scenario::bad_canary();
    scenario.faults.iter_mut().for_each(|fault| fault.from_secs = 5);
    let shop = Shop::open(home.path(), scenario.clone(), held.clock(), "5s");
    let mut cockpits: Vec<Pty> = (0..3)
        .map(|_| {
            let pty = Pty::burnwatch(home.path(), &["--config", shop.config.to_str().unwrap()], 120, 36);
            pty.wait_for_text("q quit");
            pty
        })
        .collect();
    poll(|| (shop.read().last_counters(&"shop".into()).unwrap().len() == SERVICES.len()).then_some(())).expect("a first poll");
    held.let_go();
    poll(|| last_poll(&shop)).expect("a second poll");

    // Killed: another polls within two intervals.
    let first = holder(&shop).expect("somebody polls");
    let mut dead = cockpits.remove(cockpits.iter().position(|c| number(c) == first).unwrap());
    let before = last_poll(&shop);
    let killed = Instant::now();
    dead.signal(Signal::KILL);
    dead.wait_exit();
    poll_within(TWO_INTERVALS, || (last_poll(&shop) > before).then_some(())).expect("another cockpit polls within two intervals");
    eprintln!("polled again {:.1} s after the holder was killed", killed.elapsed().as_secs_f64());
    let second = holder(&shop).unwrap();
    assert_ne!(second, first);

    // Stopped, replaced, resumed: it has become a follower, and nothing is its own.
    let sleeper = cockpits.remove(cockpits.iter().position(|c| number(c) == second).unwrap());
    let (mut sleeper, third) = (sleeper, number(&cockpits[0]));
    sleeper.signal(Signal::STOP);
    sleeper.wait_until_stopped();
    poll(|| (holder(&shop) == Some(third)).then_some(())).expect("the third takes over");
    let before = last_poll(&shop);
    sleeper.signal(Signal::CONT);
    let pid = format!(" pid {third}");
    let follows = |screen: &vt100::Screen| screen.contents().lines().any(|l| l.contains("polled by") && l.trim_end().ends_with(&pid));
    sleeper.wait_for("whom it follows", follows);
    poll(|| (last_poll(&shop) > before).then_some(())).expect("the third goes on");
    assert_eq!(holder(&shop), Some(third));

    // The fleet stands still: after one more poll of every service the store must know all that it served.
    let end = held.hold();
    let stopped = Utc::now();
    poll(|| SERVICES.iter().all(|s| shop.buckets(s).last().is_some_and(|b| b.from > stopped)).then_some(())).expect("a last poll");
    // Each bucket of a service came of one request for its page, and the first poll made none. Beyond these the fleet was asked
    // nothing, but for what the killed one and the resumed one could not write.
    let polls = shop.buckets("checkout").len() + 1;
    let unwritten = shop.fleet.requests() - (polls * SERVICES.len()) as u64;
    assert!(unwritten <= 2 * SERVICES.len() as u64, "followers asked the fleet: {unwritten} requests too many");

    // Nobody is left, so the command polls once more itself and sums all windows.
    for mut cockpit in [sleeper, cockpits.remove(0)] {
        cockpit.send("q");
        assert!(cockpit.wait_exit().success());
    }
    let output = support::burnwatch(home.path(), &["status", "--json", "--config", shop.config.to_str().unwrap()]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut truth = Truth::new(&scenario, shop.fleet.started_at());
    for service in SERVICES {
        let counters = truth.counters_at(service, end).unwrap();
        let sum = |bad: bool| counters.iter().filter(|c| !bad || c.code == "500").map(|c| c.count as f64).sum::<f64>();
        let buckets = shop.buckets(service);
        assert_eq!(counted(&buckets), (sum(true), sum(false)), "{service}");
        assert!(buckets.windows(2).all(|b| b[0].to == b[1].from), "{service}: one poll after the other, never two at a time");
        let slo = status["slos"].as_array().unwrap().iter().find(|slo| slo["id"] == format!("{service}/availability")).unwrap();
        let period = &slo["counts"]["30d"];
        assert_eq!((period["bad"].as_f64(), period["total"].as_f64()), (Some(sum(true)), Some(sum(false))), "{service}");
        let left = 1.0 - sum(true) / sum(false) / (1.0 - slo["objective"].as_f64().unwrap());
        assert!((slo["budget_left"].as_f64().unwrap() - left).abs() < 1e-9 * left.abs(), "{service}: {slo:#}");
    }
}
