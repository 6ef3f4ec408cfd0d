use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::{
    domain::{Actor, Effect, FiringAlert, IncidentId, Outcome, Rule, Silence, Status, Target, Untrusted, What, Window, workbook},
    engine::fixture,
};

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn at(secs: f64) -> DateTime<Utc> {
    start() + TimeDelta::microseconds((secs * 1e6).round() as i64)
}

fn plan(period: Window, every: u64) -> Plan {
    let heard = |name, kind| SourcePlan { heartbeat: true, ..fixture::source(name, kind, every) };
    fixture::plan(vec![heard("prom", "prometheus"), heard("am", "alertmanager")], vec![fixture::availability("prom", period)])
}

fn group(name: &str) -> Group {
    Group(vec![Untrusted::new(name)])
}

/// A reading in which each window of the first definition holds what `count` says of it.
fn reading(plan: &Plan, now: DateTime<Utc>, names: &[&str], count: &dyn Fn(Window) -> Option<EventCounts>) -> Reading {
    let definition = &plan.definitions[0];
    let id = definition.id.clone();
    let rows = |w: Window| {
        names.iter().map(|n| GroupCounts { group: group(n), counts: count(w), covered: Some(1.0), partial: false }).collect::<Vec<_>>()
    };
    let part = |want, answer| Part { want, as_of: now, outcome: Ok(answer), partial: None };
    let windows = definition.windows();
    let mut parts: Vec<_> =
        windows.iter().map(|w| part(Want::Counts { definition: id.clone(), window: *w }, Answer::Counts(rows(*w)))).collect();
    let present = names.iter().map(|n| (group(n), now)).collect();
    parts.push(part(Want::Presence { definition: id }, Answer::Presence(present)));
    Reading { source: "prom".into(), lane: Lane::Short, at: now, took_us: 1_000, skew_secs: None, parts }
}

fn take(snapshot: &Snapshot, plan: &Plan, reading: Reading) -> Snapshot {
    let now = reading.at;
    fold(snapshot, plan, Event::Read(Arc::new(reading)), now)
}

/// Share of a window that ends at `now` in which everything failed, the outage being [0, end).
fn outage(now: f64, window: Window, end: f64) -> EventCounts {
    let from = now - window.secs_f64();
    let bad = (now.min(end) - from.max(0.0)).max(0.0);
    EventCounts { bad, total: window.secs_f64() }
}

/// Fold a total outage from 0 to `end`, in steps, with only `rule` in force; when it was first seen to fire, and not to.
fn detect(rule: Rule, period: Window, end: f64, step: f64) -> (f64, f64) {
    let mut plan = plan(period, 1);
    let mut definition = Definition::clone(&plan.definitions[0]);
    definition.rules = vec![rule];
    plan.definitions = vec![Arc::new(definition)];
    let mut snapshot = Snapshot::empty(&plan, start());
    let (mut fired, mut cleared) = (f64::NAN, f64::NAN);
    let mut looked = |t: f64| {
        snapshot = take(&snapshot, &plan, reading(&plan, at(t), &["checkout"], &|w| Some(outage(t, w, end))));
        let firing = snapshot.episodes.values().any(|e| e.ended_at.is_none());
        if firing && fired.is_nan() {
            fired = t;
        }
        if !firing && !fired.is_nan() && cleared.is_nan() {
            cleared = t;
        }
    };
    // Coarse where nothing can happen, in single steps around the two moments.
    let around = |t: f64| (-5..=5).map(move |i| ((t / step).floor() + f64::from(i)) * step).filter(|t| *t >= 0.0);
    looked(-step);
    let threshold = rule.factor * 0.001;
    let (detects, clears) = (threshold * rule.long.secs_f64(), end + rule.short.secs_f64() * (1.0 - threshold));
    around(detects).chain(around(end)).chain(around(clears)).for_each(&mut looked);
    (fired, cleared)
}

#[test]
fn a_total_outage_is_detected_and_cleared_when_the_workbook_says() {
    let month = Window::days(30);
    let expected = [(51.84, 295.68), (129.6, 1_789.2), (259.2, 7_178.4), (259.2, 21_578.4)];
    for (rule, (detects, clears)) in workbook(month).into_iter().zip(expected) {
        let (end, step) = (rule.long.secs_f64(), 1.0);
        let (fired, cleared) = detect(rule, month, end, step);
        assert!(fired > detects && fired - detects <= step, "{rule:?} fired after {fired}");
        assert!(cleared - end >= clears - 1e-9 && cleared - end - clears <= step, "{rule:?} cleared after {}", cleared - end);
    }
    assert!((workbook(Window::days(28))[0].factor - 13.44).abs() < 1e-12);
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where answers that may be absent stand")]
fn quiet(window: Window) -> Option<EventCounts> {
    Some(EventCounts { bad: 0.0, total: window.secs_f64() })
}

#[test]
fn a_clock_set_back_takes_figures_with_it() {
    let plan = plan(Window::days(30), 15);
    let fresh = take(&Snapshot::empty(&plan, start()), &plan, reading(&plan, at(3_600.0), &["checkout"], &quiet));
    let states = [3_600.0, 3_596.0, 3_590.0, 0.0].map(|t| fold(&fresh, &plan, Event::Tick, at(t)).slos[0].state);
    assert_eq!(states, [State::Ok, State::Ok, State::Unknown, State::Unknown]);
    let read_anew = take(&fold(&fresh, &plan, Event::Tick, at(0.0)), &plan, reading(&plan, at(1.0), &["checkout"], &quiet));
    assert_eq!(read_anew.slos[0].state, State::Ok);
}

#[test]
fn absences_are_told_apart_and_none_is_ever_ok() {
    let plan = plan(Window::days(30), 15);
    let empty = Snapshot::empty(&plan, start());
    let ok = take(&empty, &plan, reading(&plan, at(0.0), &["checkout"], &quiet));
    assert_eq!((ok.slos[0].state, ok.slos[0].budget_left()), (State::Ok, Some(1.0)));

    let idle = take(&ok, &plan, reading(&plan, at(15.0), &["checkout"], &|_| Some(EventCounts::default())));
    assert_eq!((idle.slos[0].state, idle.slos[0].budget_left()), (State::NoTraffic, None));

    // A window tells no more than was seen of it.
    let mut young = reading(&plan, at(15.0), &["checkout"], &|_| Some(EventCounts::default()));
    let share = 60.0 / Window::days(30).secs_f64();
    for answer in young.parts.iter_mut().filter_map(|p| p.outcome.as_mut().ok()) {
        if let Answer::Counts(rows) = answer {
            rows.iter_mut().filter(|r| r.covered.is_some()).for_each(|r| r.covered = Some(share));
        }
    }
    let young = take(&empty, &plan, young);
    assert_eq!(young.slos[0].covered, Some(share));
    assert!((young.slos[0].absent_since.unwrap() - (at(15.0) - TimeDelta::seconds(60))).abs() <= TimeDelta::seconds(1));

    let gone = take(&ok, &plan, reading(&plan, at(15.0), &[], &quiet));
    assert_eq!((gone.slos[0].state, gone.slos[0].budget_left()), (State::NoData, None));
    assert_eq!(gone.slos[0].absent_since, Some(at(0.0)));
    assert_eq!(gone.verdict, Verdict::Unknown);

    let blind = take(&ok, &plan, reading(&plan, at(15.0), &["checkout"], &|_| None));
    assert_eq!(blind.slos[0].state, State::Unknown);

    let fresh = fold(&ok, &plan, Event::Tick, at(35.0));
    let stale = fold(&ok, &plan, Event::Tick, at(35.1));
    assert_eq!((fresh.slos[0].state, stale.slos[0].state), (State::Ok, State::Stale));
    assert_eq!(stale.sources[0].state, Freshness::Stale);
    assert_eq!(stale.slos[0].now(), ok.slos[0].now(), "the last good figures stay");
}

#[test]
fn an_old_sample_is_stale_though_the_server_answers() {
    let plan = plan(Window::days(30), 15);
    let mut frozen = reading(&plan, at(300.0), &["checkout"], &quiet);
    for part in &mut frozen.parts {
        if let Ok(Answer::Presence(rows)) = &mut part.outcome {
            rows[0].1 = at(100.0);
        }
    }
    let snapshot = take(&Snapshot::empty(&plan, start()), &plan, frozen);
    assert_eq!(snapshot.slos[0].state, State::Stale);
}

#[test]
fn a_fault_keeps_the_figures_and_the_firing_alert() {
    let plan = plan(Window::days(30), 15);
    let burning = |w: Window| Some(outage(120.0, w, 1e9));
    let quiet = take(&Snapshot::empty(&plan, start()), &plan, reading(&plan, at(0.0), &["checkout"], &quiet));
    let burning = take(&quiet, &plan, reading(&plan, at(120.0), &["checkout"], &burning));
    assert_eq!((burning.verdict, burning.incidents.len()), (Verdict::Critical, 1));
    assert_eq!(burning.incidents[0].since, Some(at(120.0)));
    let fault = Fault { class: FaultClass::Unreachable, message: "prom: gone".into(), retry_after_secs: None };
    let want = Want::Presence { definition: "availability".into() };
    let parts = vec![Part { want, as_of: at(135.0), outcome: Err(fault), partial: None }];
    let lost = Reading { parts, ..reading(&plan, at(135.0), &[], &|_| None) };
    let failing = take(&burning, &plan, lost);
    assert_eq!(failing.sources[0].state, Freshness::Failing);
    assert_eq!(failing.slos[0].figures, burning.slos[0].figures);
    let much_later = fold(&failing, &plan, Event::Tick, at(4_000.0));
    assert_eq!(much_later.slos[0].state, State::Stale);
    assert_eq!(much_later.incidents.len(), 1, "an alert does not end because nobody can look");
    assert!(much_later.incidents[0].stale);
}

#[test]
fn an_alert_that_burned_before_anyone_looked_began_at_an_unknown_time() {
    let plan = plan(Window::days(30), 15);
    let burning = |w: Window| Some(outage(600.0, w, 1e9));
    let snapshot = take(&Snapshot::empty(&plan, start()), &plan, reading(&plan, at(600.0), &["checkout"], &burning));
    assert_eq!(snapshot.incidents[0].since, None);
    let part = Part {
        want: Want::Start { definition: "availability".into(), group: group("checkout"), grade: Grade::Page },
        as_of: at(610.0),
        outcome: Ok(Answer::Start(Some(at(52.0)))),
        partial: None,
    };
    let told = Reading { parts: vec![part], lane: Lane::Long, ..reading(&plan, at(610.0), &[], &|_| None) };
    let snapshot = take(&snapshot, &plan, told);
    assert_eq!(snapshot.incidents[0].since, Some(at(52.0)));
}

fn alert(fingerprint: &str, starts: f64, silenced_by: &[&str]) -> FiringAlert {
    FiringAlert {
        fingerprint: fingerprint.into(),
        labels: [("alertname", "HighErrors"), ("service", "cart"), ("severity", "page")].into_iter().collect(),
        annotations: crate::domain::Labels::default(),
        starts_at: at(starts),
        generator: None,
        silenced_by: silenced_by.iter().map(ToString::to_string).collect(),
        inhibited_by: Vec::new(),
    }
}

fn silence(id: &str, comment: &str) -> Silence {
    Silence {
        id: id.into(),
        starts_at: at(0.0),
        ends_at: at(900.0),
        created_by: "jon".into(),
        comment: comment.into(),
        active: true,
        matchers: Vec::new(),
        covers: None,
    }
}

fn alerts(now: f64, alerts: Vec<FiringAlert>, silences: Vec<Silence>, heartbeat: Option<bool>) -> Reading {
    let answer = Answer::Alerts(Alerts { alerts, silences, heartbeat });
    let part = Part { want: Want::Alerts, as_of: at(now), outcome: Ok(answer), partial: None };
    Reading { source: "am".into(), lane: Lane::Short, at: at(now), took_us: 500, skew_secs: None, parts: vec![part] }
}

#[test]
fn a_missing_heartbeat_makes_the_verdict_unknown() {
    let plan = plan(Window::days(30), 15);
    let ok = take(&Snapshot::empty(&plan, start()), &plan, reading(&plan, at(0.0), &["checkout"], &quiet));
    let beating = take(&ok, &plan, alerts(1.0, vec![], vec![], Some(true)));
    assert_eq!(beating.verdict, Verdict::Ok);
    let silent = take(&ok, &plan, alerts(1.0, vec![], vec![], Some(false)));
    assert_eq!(silent.verdict, Verdict::Unknown);
    assert_eq!(silent.sources[1].fault.as_ref().map(|f| f.class), Some(FaultClass::Heartbeat));
}

#[test]
fn an_acknowledgement_is_told_from_a_silence_and_ends_with_its_occurrence() {
    let plan = plan(Window::days(30), 15);
    let empty = Snapshot::empty(&plan, start());
    let muted = take(&empty, &plan, alerts(10.0, vec![alert("f1", 5.0, &["s1"])], vec![silence("s1", "planned work")], None));
    assert!(muted.incidents[0].silenced && muted.incidents[0].ack.is_none());
    let karma = take(&empty, &plan, alerts(10.0, vec![alert("f1", 5.0, &["s1"])], vec![silence("s1", "ACK! on it")], None));
    let theirs = &karma.incidents[0];
    assert_eq!((theirs.status, theirs.silenced), (Status::Acknowledged, false));
    assert_eq!(theirs.ack.as_ref().and_then(|a| a.note.clone()), Some("on it".into()));

    let firing = take(&empty, &plan, alerts(10.0, vec![alert("f1", 5.0, &[])], vec![], None));
    let subject: IncidentId = "am:f1".into();
    let who = Actor { name: "maya".into(), verified: true };
    let effect = Effect::Acknowledge {
        target: firing.incidents[0].target(),
        occurrence: at(5.0),
        note: None,
        until: at(910.0),
        lapses: at(14_400.0),
    };
    let entry = |id, what| Entry {
        id,
        at: at(10.0),
        act: "a1".into(),
        subject: subject.clone(),
        title: "HighErrors".into(),
        service: None,
        version: id,
        who: who.clone(),
        what,
    };
    let asked = fold(&firing, &plan, Event::Journal(vec![entry(1, What::Asked { effect })]), at(10.0));
    assert_eq!(asked.incidents[0].ack.as_ref().map(|a| a.delivery), Some(crate::domain::Delivery::Pending));
    let done = What::Ended { outcome: Outcome::Done { receipt: Some("s9".into()) }, legs: Vec::new() };
    let held = fold(&asked, &plan, Event::Journal(vec![entry(2, done)]), at(11.0));
    assert_eq!(held.incidents[0].status, Status::Acknowledged);
    assert!(matches!(held.incidents[0].ack.as_ref().unwrap().target, Target::Alertmanager { .. }));

    let again = take(&held, &plan, alerts(60.0, vec![alert("f1", 55.0, &[])], vec![], None));
    assert_eq!(again.incidents[0].status, Status::Triggered, "another occurrence is not acknowledged");
    let expired_elsewhere = take(&held, &plan, alerts(60.0, vec![alert("f1", 5.0, &[])], vec![], None));
    assert_eq!(expired_elsewhere.incidents[0].status, Status::Triggered, "its silence is gone");
    let lapsed = fold(&held, &plan, Event::Tick, at(911.0));
    assert_eq!((lapsed.incidents[0].status, lapsed.incidents[0].lapsed.is_some()), (Status::Triggered, true));
}

#[test]
fn order_changes_only_with_severity() {
    let plan = plan(Window::days(30), 15);
    let names = ["cart", "checkout"];
    let left = |bad: [f64; 2]| {
        move |reading: &mut Reading| {
            for part in &mut reading.parts {
                if let Ok(Answer::Counts(rows)) = &mut part.outcome {
                    rows.iter_mut().zip(bad).for_each(|(row, bad)| row.counts = Some(EventCounts { bad, total: 1e6 }));
                }
            }
        }
    };
    let mut first = reading(&plan, at(0.0), &names, &quiet);
    left([100.0, 200.0])(&mut first);
    let a = take(&Snapshot::empty(&plan, start()), &plan, first);
    let ids = |s: &Snapshot| s.slos.iter().map(|r| r.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&a), ["checkout/availability", "cart/availability"], "least budget first");
    let mut second = reading(&plan, at(15.0), &names, &quiet);
    left([300.0, 200.0])(&mut second);
    let b = take(&a, &plan, second);
    assert_eq!(ids(&b), ids(&a), "figures alone move nothing");
}
