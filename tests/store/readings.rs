//! What the holder saw, all others see.

use burnwatch::{
    domain::{Answer, DefinitionId, EventCounts, Fault, FaultClass, GroupCounts, Lane, Part, Reading, Want, Window},
    store::Store,
};
use chrono::TimeDelta;

use super::support::{at, group, store, take};

fn counts(window: Window) -> Want {
    Want::Counts { definition: DefinitionId::new("availability"), window }
}

fn good(want: Want, secs: i64, total: f64) -> Part {
    let counts = EventCounts::new(1.0, total);
    let answer = Answer::Counts(vec![GroupCounts { group: group("cart"), counts, covered: Some(0.5), partial: false }]);
    Part { want, as_of: at(secs), outcome: Ok(answer), partial: Some("one store is down".into()) }
}

fn bad(want: Want, secs: i64) -> Part {
    let fault = Fault { class: FaultClass::Timeout, message: "prom: no answer".into(), retry_after_secs: None };
    Part { want, as_of: at(secs), outcome: Err(fault), partial: None }
}

fn reading(lane: Lane, secs: i64, parts: Vec<Part>) -> Reading {
    let at = at(secs) + TimeDelta::nanoseconds(42);
    Reading { source: "prom".into(), lane, at, took_us: 1_500, skew_secs: Some(0.25), parts }
}

fn put(store: &Store, epoch: u64, readings: &[Reading]) {
    for reading in readings {
        store.put_reading(epoch, reading).unwrap();
    }
}

#[test]
fn a_follower_sees_each_poll_as_it_was() {
    let (_folder, store) = store();
    let epoch = take(&store, "ana", at(0));
    let (five, hour) = (counts(Window::minutes(5)), counts(Window::hours(1)));
    let first = reading(Lane::Short, 0, vec![good(five.clone(), 0, 10.0), good(hour.clone(), 0, 100.0)]);
    let second = reading(Lane::Short, 10, vec![bad(five.clone(), 10), good(hour.clone(), 10, 101.0)]);
    put(&store, epoch, std::slice::from_ref(&first));
    let other = Store::open(store.folder()).unwrap();
    let (seq, seen) = other.readings_since(0).unwrap();
    assert_eq!(seen, [first]);
    assert_eq!(other.readings_since(seq).unwrap(), (seq, Vec::new()));
    put(&store, epoch, std::slice::from_ref(&second));
    assert_eq!(other.readings_since(seq).unwrap(), (seq + 1, vec![second]));
}

#[test]
fn figures_come_back_to_the_last_bit() {
    let (_folder, store) = store();
    let epoch = take(&store, "ana", at(0));
    let thirds = (1..400).map(|n| good(counts(Window::minutes(n)), 0, 1e6 * f64::from(n) / 3.0 + 1.0 / f64::from(n)));
    let first = reading(Lane::Short, 0, thirds.collect());
    put(&store, epoch, std::slice::from_ref(&first));
    assert_eq!(Store::open(store.folder()).unwrap().readings_since(0).unwrap().1, [first]);
}

#[test]
fn who_starts_late_gets_the_newest_good_answer_to_every_wish() {
    let (_folder, store) = store();
    let epoch = take(&store, "ana", at(0));
    let (five, hour, month) = (counts(Window::minutes(5)), counts(Window::hours(1)), counts(Window::days(30)));
    put(
        &store,
        epoch,
        &[
            reading(Lane::Long, 0, vec![good(month.clone(), 0, 1e6)]),
            reading(Lane::Short, 0, vec![good(five.clone(), 0, 10.0), good(hour.clone(), 0, 100.0)]),
            reading(Lane::Short, 10, vec![good(five.clone(), 10, 11.0), bad(hour.clone(), 10)]),
            reading(Lane::Short, 20, vec![good(five.clone(), 20, 12.0), bad(hour.clone(), 20)]),
        ],
    );
    let expected = [
        reading(Lane::Long, 0, vec![good(month, 0, 1e6)]),
        reading(Lane::Short, 0, vec![good(hour.clone(), 0, 100.0)]),
        reading(Lane::Short, 20, vec![good(five.clone(), 20, 12.0), bad(hour.clone(), 20)]),
    ];
    assert_eq!(store.readings_since(0).unwrap().1, expected);
    let mended = reading(Lane::Short, 30, vec![good(five, 30, 13.0), good(hour, 30, 103.0)]);
    put(&store, epoch, std::slice::from_ref(&mended));
    assert_eq!(store.readings_since(0).unwrap().1, [expected[0].clone(), mended], "a fault that is over is forgotten");
}

#[test]
fn the_last_poll_is_known_even_if_it_brought_nothing() {
    let (_folder, store) = store();
    let epoch = take(&store, "ana", at(0));
    let polls = [0, 10, 20].map(|secs| reading(Lane::Short, secs, Vec::new()));
    put(&store, epoch, &polls);
    assert_eq!(store.readings_since(0).unwrap().1, polls[2..]);
}

#[test]
fn passing_wishes_are_forgotten_and_the_last_good_answer_is_not() {
    let (_folder, store) = store();
    let epoch = take(&store, "ana", at(0));
    let past = |from| Want::History {
        definition: DefinitionId::new("availability"),
        groups: Vec::new(),
        window: Window::minutes(5),
        from: at(from),
        to: at(from + 600),
        step: Window::minutes(5),
    };
    let none = |want| Part { want, as_of: at(0), outcome: Ok(Answer::History(Vec::new())), partial: None };
    let month = reading(Lane::Long, 0, vec![good(counts(Window::days(30)), 0, 1e6)]);
    put(&store, epoch, &[month.clone(), reading(Lane::Long, 1, vec![none(past(0))]), reading(Lane::Long, 2, vec![none(past(60))])]);
    let kept = store.readings_since(0).unwrap().1;
    assert_eq!(kept, [month.clone(), reading(Lane::Long, 2, vec![none(past(60))])], "the past is asked for again and again: one is kept");
    let day = std::time::Duration::from_hours(24);
    store.compact(epoch, at(7 * 3_600), day).unwrap();
    assert_eq!(store.readings_since(0).unwrap().1, [month, reading(Lane::Long, 2, Vec::new())]);
    store.compact(epoch, at(2 * 86_400), day).unwrap();
    assert_eq!(store.readings_since(0).unwrap().1, [reading(Lane::Long, 2, Vec::new())], "the last poll stays");
}
