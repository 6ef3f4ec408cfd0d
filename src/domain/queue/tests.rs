//! Queues polled every fifteen seconds, and what is said of them.

use super::*;

fn at(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + secs, 0).unwrap()
}

fn orders() -> QueueSample {
    QueueSample { name: "orders".into(), ready: Some(0), in_flight: Some(0), consumers: Some(2), ..QueueSample::default() }
}

/// The row after these samples, one every fifteen seconds.
fn after(samples: impl IntoIterator<Item = QueueSample>, rules: &[Arc<QueueRule>]) -> QueueRow {
    let step = |row: Option<QueueRow>, (n, sample): (usize, QueueSample)| {
        QueueRow::seen(row.as_ref(), &"rabbit".into(), &sample, at(n as i64 * 15), rules)
    };
    samples.into_iter().enumerate().fold(None, step).unwrap()
}

fn counted(ready: u64, entered: u64, left: u64) -> QueueSample {
    QueueSample { ready: Some(ready), entered: Some(entered), taken: Some(left), left: Some(left), ..orders() }
}

#[test]
fn rates_are_of_the_last_minute_and_do_not_jump_over_a_restart() {
    // Ten in, eight out a second; then the broker begins anew, with nothing counted for one poll.
    let steady = (0..8).map(|n| counted(100 + n * 30, n * 150, n * 120));
    let row = after(steady.clone(), &[]);
    assert_eq!((row.verdict.rate_in, row.verdict.rate_out), (Some(10.0), Some(8.0)));
    let none = QueueSample { ready: Some(310), ..orders() };
    let again = (0..4).map(|n| counted(310 + n * 30, n * 150, n * 120));
    for upto in 0..=4 {
        let row = after(steady.clone().chain([none.clone()]).chain(again.clone().take(upto)), &[]);
        for (rate, expected) in [(row.verdict.rate_in, 10.0), (row.verdict.rate_out, 8.0)] {
            assert!(rate.is_none() || rate == Some(expected), "{upto}: {rate:?}");
        }
        assert_eq!(row.verdict.stall, None);
    }
    // Without the pause the counter only falls.
    let row = after(steady.chain(again), &[]);
    assert_eq!((row.verdict.rate_in, row.verdict.rate_out), (Some(10.0), Some(8.0)));
}

#[test]
fn drain_time_is_known_only_while_it_drains() {
    let row = after((0..4).map(|n| counted(1_000 - n * 75, n * 75, n * 150)), &[]);
    assert_eq!(row.verdict.drain_secs, Some(775.0 / 5.0));
    assert!(!row.verdict.filling);
    let row = after((0..4).map(|n| counted(1_000 + n * 75, n * 150, n * 75)), &[]);
    assert_eq!((row.verdict.drain_secs, row.verdict.filling), (None, true));
    let row = after((0..4).map(|_| QueueSample { ready: Some(9), ..orders() }), &[]);
    assert_eq!((row.verdict.rate_in, row.verdict.rate_out, row.verdict.drain_secs), (None, None, None));
}

#[test]
fn a_stopped_worker_is_a_stall_within_two_polls() {
    let busy = || (0..6).map(|n| counted(3, n * 150, n * 150));
    let stopped = |n: u64| QueueSample { consumers: Some(0), ..counted(3 + n * 150, 750 + n * 150, 750) };
    let row = after(busy().chain([stopped(1)]), &[]);
    assert_eq!((row.state, row.verdict.stall), (QueueState::Stalled, Some(Stall::NoConsumers)));
    // It still got something done before it stopped: then the next poll tells.
    let last = QueueSample { consumers: Some(0), ..counted(50, 900, 800) };
    let row = after(busy().chain([last.clone()]), &[]);
    assert_eq!(row.verdict.stall, None);
    let next = QueueSample { consumers: Some(0), ..counted(200, 1_050, 800) };
    let row = after(busy().chain([last, next]), &[]);
    assert_eq!((row.verdict.stall, row.verdict.stalled_since), (Some(Stall::NoConsumers), Some(at(90))));
    // It hangs, and still says that it is there.
    let row = after(busy().chain([counted(153, 900, 750)]), &[]);
    assert_eq!((row.state, row.verdict.stall), (QueueState::Stalled, Some(Stall::Standing)));
    assert_eq!(row.verdict.stalled_since, Some(at(75)));
}

#[test]
fn a_queue_that_is_always_slow_is_not_stalled_between_two_jobs() {
    // A job a minute: a minute without one is nothing, three are something.
    let slow = || (0..40).map(|n| counted(5 + n, n * 2, n / 4));
    assert_eq!(after(slow(), &[]).verdict.stall, None);
    let hung = |polls: u64| slow().chain((0..polls).map(|n| counted(45 + n, 80 + n, 9)));
    assert_eq!(after(hung(6), &[]).verdict.stall, None);
    assert_eq!(after(hung(14), &[]).verdict.stall, Some(Stall::Standing));
}

#[test]
fn an_empty_queue_is_never_stalled() {
    let idle = QueueSample { consumers: Some(0), paused: true, ..counted(0, 100, 100) };
    let row = after((0..10).map(|_| idle.clone()), &[]);
    assert_eq!((row.state, row.verdict.stall, row.age(at(200))), (QueueState::Ok, None, None));
    let unknown = QueueSample { ready: None, ..idle };
    assert_eq!(after((0..10).map(|_| unknown.clone()), &[]).state, QueueState::Unknown);
}

#[test]
fn a_stall_lasts_until_something_is_seen_to_move() {
    let stalled = QueueSample { consumers: Some(0), ..counted(9, 100, 91) };
    // The broker restarts: nothing is counted, for a while nobody tells of consumers either.
    let blind = QueueSample { consumers: None, ..QueueSample { ready: Some(9), ..orders() } };
    let restarted = || [stalled.clone(), stalled.clone(), blind.clone(), blind.clone()].into_iter();
    let row = after(restarted(), &[]);
    assert_eq!((row.state, row.verdict.stall), (QueueState::Stalled, Some(Stall::NoConsumers)));
    // At first not even what waits is told: the figures are unknown, the stall is not over.
    let dark = QueueSample { ready: None, ..blind.clone() };
    let row = after(restarted().chain([dark.clone()]), &[]);
    assert_eq!((row.state, row.verdict.stall), (QueueState::Unknown, Some(Stall::NoConsumers)));
    let row = after(restarted().chain([dark, blind.clone()]), &[]);
    assert_eq!((row.state, row.verdict.stall), (QueueState::Stalled, Some(Stall::NoConsumers)));
    // Counted anew: whether anything got done meanwhile nobody knows.
    let row = after(restarted().chain([counted(9, 0, 0)]), &[]);
    assert_eq!(row.state, QueueState::Stalled);
    let row = after(restarted().chain([counted(9, 0, 0), counted(7, 0, 2)]), &[]);
    assert_eq!((row.state, row.verdict.stall), (QueueState::Ok, None));
}

#[test]
fn ages_are_told_or_bounded_or_unknown_and_never_zero_for_want_of_knowing() {
    let told = QueueSample { oldest_at: Some(at(-100)), ..counted(4, 4, 0) };
    let age = after([told.clone()], &[]).age(at(0)).unwrap();
    assert_eq!((age.span, age.at_least), (TimeDelta::seconds(100), false));
    // Nobody tells, but nothing has been taken for a minute.
    let row = after((0..5).map(|n| counted(4 + n, 10 + n, 6)), &[]);
    let age = row.age(row.as_of).unwrap();
    assert_eq!((age.span, age.at_least), (TimeDelta::minutes(1), true));
    // Counted anew: that is not known any more.
    let row = after((0..5).map(|n| counted(4, 10, 6 - n)), &[]);
    assert_eq!(row.age(row.as_of), None);
    // A clock that is ahead.
    let ahead = QueueSample { oldest_at: Some(at(500)), ..told };
    assert_eq!(after([ahead], &[]).age(at(0)).unwrap().span, TimeDelta::zero());
}

#[test]
fn where_nothing_is_counted_the_oldest_job_tells() {
    let oldest = |secs: i64| QueueSample { oldest_at: Some(at(secs)), ready: Some(5), consumers: None, ..orders() };
    // The same job is first at each poll: without knowing the pace it takes three.
    assert_eq!(after([oldest(-9), oldest(-9)], &[]).verdict.stall, None);
    assert_eq!(after([oldest(-9), oldest(-9), oldest(-9)], &[]).verdict.stall, Some(Stall::Standing));
    assert_eq!(after([oldest(-9), oldest(-8), oldest(-7)], &[]).verdict.stall, None);
    // A gauge in whole seconds, read a little later each time.
    let gauge = |ms: i64| QueueSample { coarse: true, oldest_at: Some(at(-9) + TimeDelta::milliseconds(ms)), ..oldest(0) };
    assert_eq!(after([gauge(0), gauge(900), gauge(200)], &[]).verdict.stall, Some(Stall::Standing));
    assert_eq!(after([gauge(0), gauge(4_900), gauge(9_200)], &[]).verdict.stall, None);
    // Neither: unknown, however much waits (Celery on Redis).
    let depth = |n: u64| QueueSample { ready: Some(n), consumers: None, in_flight: None, ..orders() };
    let row = after([depth(5), depth(50), depth(500), depth(5_000)], &[]);
    assert_eq!((row.state, row.verdict.stall, row.verdict.filling), (QueueState::Unknown, None, true));
}

#[test]
fn a_long_job_is_no_stall_while_somebody_is_at_work_on_it() {
    // Nothing is counted; one worker is there and one job with it, the same job is first at each poll. Work may wait for 5 minutes.
    let busy = |secs: i64| QueueSample { oldest_at: Some(at(secs)), ready: Some(5), in_flight: Some(1), consumers: Some(1), ..orders() };
    let stall = |samples: Vec<QueueSample>| after(samples, &[]).verdict.stall;
    assert_eq!(stall(vec![busy(-9); 20]), None);
    assert_eq!(stall(vec![busy(-9); 21]), Some(Stall::Standing));
    // Long waiting is a backlog all the same.
    assert_eq!(after(vec![busy(-300); 4], &[]).state, QueueState::Backlog);
    // Of what was taken nobody says that it is still worked on, or signs of life end.
    let entered = |n: u64| QueueSample { entered: Some(n), ..busy(-9) };
    let silent = QueueSample { consumers: None, ..busy(-9) };
    assert_eq!(stall(vec![silent.clone(); 3]), Some(Stall::Standing));
    let alive = |at_work| QueueSample { at_work: Some(at_work), ..silent.clone() };
    assert_eq!(stall(vec![alive(true); 20]), None);
    assert_eq!(stall(vec![alive(true), alive(true), alive(false)]), Some(Stall::Standing));
    assert_eq!(stall(vec![QueueSample { in_flight: Some(0), ..busy(-9) }; 3]), Some(Stall::Standing));
    // It leaves: nobody is there at two polls.
    let gone = QueueSample { consumers: Some(0), ..busy(-9) };
    assert_eq!(stall(vec![busy(-9), busy(-9), gone.clone(), gone]), Some(Stall::NoConsumers));
    // Something was taken at each poll until then: two without are a stall, whatever was taken last.
    let brisk = || (0..6).map(|n| busy(n * 15 - 9));
    let then = |polls: usize| brisk().chain(vec![busy(66); polls]).collect();
    assert_eq!((stall(then(1)), stall(then(2))), (None, Some(Stall::Standing)));
    // Once a minute something was: a minute and a half without is nothing, two are a stall.
    let slow = || (0..16).map(|n| busy(n / 4 * 60 - 9));
    assert_eq!(stall(slow().chain(vec![busy(171); 4]).collect()), None);
    assert_eq!(stall(slow().chain(vec![busy(171); 5]).collect()), Some(Stall::Standing));
    // Nothing waited, and what came in was taken at once.
    let empty = (0..6).map(|n| QueueSample { ready: Some(0), oldest_at: None, ..entered(n * 5) });
    assert_eq!(stall(empty.clone().chain(vec![entered(40); 3]).collect()), Some(Stall::Standing));
    let idle = empty.map(|sample| QueueSample { entered: Some(1), in_flight: Some(0), ..sample });
    assert_eq!(stall(idle.chain(vec![entered(40); 3]).collect()), None);
}

#[test]
fn where_jobs_are_counted_and_none_was_finished_yet_long_ones_are_no_stall() {
    let first = |n: u64| QueueSample { in_flight: Some(5), ..counted(10 + n, 15 + n, 0) };
    assert_eq!(after((0..20).map(first), &[]).verdict.stall, None);
    assert_eq!(after((0..21).map(first), &[]).verdict.stall, Some(Stall::Standing));
    assert_eq!(after((0..3).map(|n| QueueSample { in_flight: Some(0), ..first(n) }), &[]).verdict.stall, Some(Stall::Standing));
}

#[test]
fn backlog_is_what_waits_too_long_or_will() {
    let rule = |max_age: i64| {
        let queues = "orders".parse().unwrap();
        let max_age = Some(TimeDelta::seconds(max_age));
        [Arc::new(QueueRule { queues, source: None, service: Some("shop".into()), max_age, workers: true, promise: None })]
    };
    let old = |n: u64| QueueSample { oldest_at: Some(at(n as i64 * 15 - 100)), ..counted(4, n * 15, n * 15) };
    let row = after((0..5).map(old), &rule(90));
    assert_eq!((row.state, row.service.as_ref().map(Text::as_str)), (QueueState::Backlog, Some("shop")));
    assert_eq!(after((0..5).map(old), &rule(110)).state, QueueState::Ok);
    // Nobody tells ages: 1,000 that wait at two a second are eight minutes.
    let many = |n: u64| counted(1_000, n * 30, n * 30);
    assert_eq!(after((0..5).map(many), &[]).state, QueueState::Backlog);
    assert_eq!(after((0..5).map(many), &rule(600)).state, QueueState::Ok);
    // Another source's row does not speak of it.
    let mut other = rule(90).map(|r| QueueRule::clone(&r));
    other[0].source = Some("else".into());
    assert_eq!(after((0..5).map(old), &other.map(Arc::new)).state, QueueState::Ok);
}

#[test]
fn what_nobody_is_expected_to_take_from_counts_as_failed() {
    let queues = "*".parse().unwrap();
    let rule = [Arc::new(QueueRule { queues, source: None, service: None, max_age: None, workers: false, promise: None })];
    let letters = |n: u64| QueueSample { consumers: Some(0), ..counted(n, n, 0) };
    let row = after([letters(3), letters(3), letters(3)], &rule);
    assert_eq!((row.state, row.now.failed, row.is_quiet()), (QueueState::Ok, Some(3), true));
    let row = after([letters(3), letters(3), letters(5)], &rule);
    assert_eq!((row.state, row.is_quiet()), (QueueState::Ok, false));
    assert_eq!(row.verdict.failed_grew, 2);
}

#[test]
fn an_hour_is_kept_and_no_more() {
    let row = after((0..600).map(|n| counted(n, n * 15, n * 15)), &[]);
    assert_eq!(row.trail.cells.len(), QueueTrail::KEEP);
    assert!(row.trail.marks.len() <= 22, "{}", row.trail.marks.len());
    assert_eq!(row.trail.cells.last().unwrap().depth, Some(599));
    // It is remembered word by word, and judged the same.
    let text = serde_json::to_string(&row.memory()).unwrap();
    let again = QueueRow::remembered(&"rabbit".into(), serde_json::from_str(&text).unwrap(), &[]);
    assert_eq!(again, row);
    // The same sample again is none, and neither is an older one.
    assert_eq!(QueueRow::seen(Some(&row), &"rabbit".into(), &counted(1, 1, 1), row.as_of, &[]), None);
    let sampled = QueueSample { sampled_at: Some(row.as_of), ..counted(1, 1, 1) };
    assert_eq!(QueueRow::seen(Some(&row), &"rabbit".into(), &sampled, row.as_of + TimeDelta::seconds(15), &[]), None);
    // Two hours of silence leave no line that was never seen.
    let late = QueueRow::seen(Some(&row), &"rabbit".into(), &counted(1, 0, 0), row.as_of + TimeDelta::hours(2), &[]).unwrap();
    assert_eq!(late.trail.cells.len(), 1);
    assert_eq!((late.verdict.rate_in, late.verdict.stall), (None, None));
}
