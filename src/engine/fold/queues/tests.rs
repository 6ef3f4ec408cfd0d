//! Queues as a cockpit sees them: stalls become incidents, silence becomes stale, a restart forgets nothing.

use super::*;
use crate::{
    domain::{Answer, Event, Fault, FaultClass, Lane, Part, QueueId, Reading, Want},
    engine::{
        fixture::{at, plan, source},
        fold,
    },
};

fn queue(name: &str, ready: u64, consumers: u64) -> QueueSample {
    QueueSample { name: name.into(), ready: Some(ready), consumers: Some(consumers), left: Some(7), ..QueueSample::default() }
}

fn reading(secs: i64, outcome: Result<Vec<QueueSample>, FaultClass>) -> Event {
    let fault = |class| Fault { class, message: "rabbit: gone".into(), retry_after_secs: None };
    let part = Part { want: Want::Queues, as_of: at(secs), outcome: outcome.map(Answer::Queues).map_err(fault), partial: None };
    let reading = Reading { source: "rabbit".into(), lane: Lane::Short, at: at(secs), took_us: 1, skew_secs: None, parts: vec![part] };
    Event::Read(Arc::new(reading))
}

fn watched() -> Plan {
    plan(vec![source("rabbit", "rabbitmq", 15)], Vec::new())
}

fn run(plan: &Plan, events: impl IntoIterator<Item = (i64, Event)>) -> Snapshot {
    events.into_iter().fold(Snapshot::empty(plan, at(0)), |snapshot, (secs, event)| fold(&snapshot, plan, event, at(secs)))
}

fn polls(of: impl IntoIterator<Item = Vec<QueueSample>>) -> Vec<(i64, Event)> {
    of.into_iter().enumerate().map(|(n, queues)| (n as i64 * 15, reading(n as i64 * 15, Ok(queues)))).collect()
}

fn stalled() -> Vec<(i64, Event)> {
    polls([vec![queue("orders", 0, 1)], vec![queue("orders", 9, 0)], vec![queue("orders", 9, 0)], vec![queue("orders", 9, 0)]])
}

#[test]
fn a_stalled_queue_is_an_incident_that_ends_when_it_moves_and_comes_again() {
    let plan = watched();
    let snapshot = run(&plan, stalled());
    let incident = snapshot.incidents.first().unwrap();
    assert_eq!((incident.title.as_str(), incident.severity, incident.since), ("orders: queue stalled", Severity::P2, Some(at(15))));
    assert_eq!((incident.id.as_str(), snapshot.verdict), ("queue:rabbit/orders:page", Verdict::Critical));
    let first = incident.occurrence();
    let moving = QueueSample { left: Some(12), ..queue("orders", 4, 1) };
    let snapshot = fold(&snapshot, &plan, reading(60, Ok(vec![moving.clone()])), at(60));
    assert!(snapshot.incidents.is_empty());
    let again = [75, 90]
        .into_iter()
        .fold(snapshot, |s, secs| fold(&s, &plan, reading(secs, Ok(vec![QueueSample { consumers: Some(0), ..moving.clone() }])), at(secs)));
    let incident = again.incidents.first().unwrap();
    assert!(incident.occurrence() > first, "another occurrence, so that an old acknowledgement does not hold it");
}

#[test]
fn a_source_that_fails_leaves_its_queues_as_they_were_and_stale() {
    let plan = watched();
    let failed = [60, 75, 90].map(|secs| (secs, reading(secs, Err(FaultClass::Unreachable))));
    let snapshot = run(&plan, stalled().into_iter().chain(failed));
    let row = snapshot.queue(&QueueId::new("rabbit/orders")).unwrap();
    assert_eq!((row.state, row.now.ready, row.verdict.stall), (QueueState::Stale, Some(9), Some(crate::domain::Stall::NoConsumers)));
    assert!(snapshot.incidents.first().is_some_and(|i| i.stale), "{:?}", snapshot.incidents);
    // Back, with its counters begun anew.
    let back = QueueSample { left: None, ..queue("orders", 9, 0) };
    let snapshot = fold(&snapshot, &plan, reading(105, Ok(vec![back])), at(105));
    let row = snapshot.queue(&QueueId::new("rabbit/orders")).unwrap();
    assert_eq!((row.state, row.verdict.rate_out), (QueueState::Stalled, None));
    assert_eq!(snapshot.incidents.first().map(|i| i.since), Some(Some(at(15))));
}

#[test]
fn a_queue_that_is_left_out_stays_for_two_intervals() {
    let plan = watched();
    let there = |snapshot: &Snapshot| snapshot.queues.len();
    let snapshot = run(&plan, stalled());
    let snapshot = fold(&snapshot, &plan, reading(60, Ok(Vec::new())), at(60));
    assert_eq!((there(&snapshot), snapshot.incidents.len()), (1, 1));
    let snapshot = fold(&snapshot, &plan, reading(90, Ok(Vec::new())), at(90));
    assert_eq!((there(&snapshot), snapshot.incidents.len()), (0, 0));
}

#[test]
fn who_starts_anew_goes_on_where_the_store_remembers() {
    let plan = watched();
    let before = run(&plan, stalled());
    let memories = before.queues.iter().map(|row| row.memory()).collect();
    let mut again = Snapshot::empty(&plan, at(50));
    again.episodes.clone_from(&before.episodes);
    let again = fold(&again, &plan, Event::Queues("rabbit".into(), memories), at(50));
    assert_eq!(again.queues, before.queues);
    assert_eq!(again.incidents, before.incidents);
    // What was read before that is no news, and a memory that is older than what is known neither.
    let again = fold(&again, &plan, reading(30, Ok(vec![queue("orders", 1, 1)])), at(51));
    assert_eq!(again.queues, before.queues);
    let older = run(&plan, stalled().into_iter().take(2)).queues.iter().map(|row| row.memory()).collect();
    assert_eq!(fold(&again, &plan, Event::Queues("rabbit".into(), older), at(52)).queues, before.queues);
}

#[test]
fn the_worst_is_first_and_a_backlog_is_a_warning() {
    let plan = watched();
    let orders = QueueSample { oldest_at: Some(at(-900)), ..queue("orders", 3, 2) };
    let snapshot = run(&plan, polls([vec![queue("idle", 0, 1), orders, queue("mail", 2, 0)]]));
    let names: Vec<_> = snapshot.queues.iter().map(|row| (row.name().as_str(), row.state)).collect();
    assert_eq!(names, [("orders", QueueState::Backlog), ("mail", QueueState::Unknown), ("idle", QueueState::Ok)]);
    assert_eq!(snapshot.verdict, Verdict::Warning);
    assert!(!snapshot.queues.iter().any(|row| row.is_quiet() != (row.name().as_str() == "idle")));
}

#[test]
fn a_clock_that_was_set_back_begins_anew() {
    let plan = watched();
    let snapshot = run(&plan, stalled());
    let snapshot = fold(&snapshot, &plan, Event::Tick, at(-600));
    assert!(snapshot.queues.is_empty());
    let snapshot = fold(&snapshot, &plan, reading(-590, Ok(vec![queue("orders", 0, 0)])), at(-590));
    assert_eq!(snapshot.queues.first().map(|row| row.state), Some(QueueState::Ok));
}
