//! Counts are neither lost nor counted twice.

use std::{collections::BTreeMap, time::Duration};

use burnwatch::{
    domain::{Episode, Grade, Group},
    store::{Bucket, LastCounters, Store, StoreError},
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::support::{all_buckets, at, bucket, store, take};

const KEEP: Duration = Duration::from_hours(92 * 24);

fn last(target: &str, secs: i64, values: &[f64]) -> LastCounters {
    let series = values.iter().enumerate().map(|(n, value)| (format!("requests_total{{n=\"{n}\"}}"), *value)).collect();
    LastCounters { target: target.into(), at: at(secs) + TimeDelta::nanoseconds(1), series }
}

#[test]
fn a_restart_finds_the_counters_where_they_were() {
    let (_folder, store) = store();
    let (epoch, source) = (take(&store, "ana", at(0)), "shop".into());
    let odd = [0.1 + 0.2, 1e15 + 0.3, f64::MIN_POSITIVE, 9_007_199_254_740_993.0];
    store.commit_scrape(epoch, &source, &[], &[last("a", 0, &[1.0]), last("b", 0, &odd)], None).unwrap();
    let after = [last("a", 5, &[2.0, 3.0]), last("b", 0, &odd)];
    store.commit_scrape(epoch, &source, &[bucket("cart", 0, 5, 1.0, 2.0)], &after[..1], None).unwrap();
    let place = store.folder().to_owned();
    drop(store);
    let store = Store::open(&place).unwrap();
    assert_eq!(store.last_counters(&source).unwrap(), after, "b was not scraped, so stands where it stood");
    assert_eq!(store.last_counters(&"other".into()).unwrap(), []);
    assert_eq!(all_buckets(&store), [bucket("cart", 0, 5, 1.0, 2.0)]);
}

#[test]
fn a_scrape_is_written_whole_or_not_at_all() {
    let (_folder, store) = store();
    let (epoch, source) = (take(&store, "ana", at(0)), "shop".into());
    let not_a_number = [bucket("new", 0, 5, 1.0, 2.0), bucket("cart", 0, 5, f64::NAN, 2.0)];
    assert!(matches!(store.commit_scrape(epoch, &source, &not_a_number, &[last("a", 5, &[1.0])], None), Err(StoreError::Other { .. })));
    assert_eq!((store.last_counters(&source).unwrap().len(), all_buckets(&store).len()), (0, 0));
    store.commit_scrape(epoch, &source, &[bucket("new", 0, 5, 1.0, 2.0)], &[], None).unwrap();
    assert_eq!(all_buckets(&store), [bucket("new", 0, 5, 1.0, 2.0)]);
}

#[test]
fn buckets_of_one_beginning_add_up() {
    let (_folder, store) = store();
    let (epoch, source) = (take(&store, "ana", at(0)), "shop".into());
    for to in [5, 4] {
        store.commit_scrape(epoch, &source, &[bucket("cart", 0, to, 1.0, 2.0)], &[], None).unwrap();
    }
    assert_eq!(all_buckets(&store), [bucket("cart", 0, 5, 2.0, 4.0)]);
}

#[test]
fn only_the_end_of_the_past_is_shown_to_who_asks_for_it() {
    let (_folder, store) = store();
    store.lay_history(&[bucket("cart", 0, 5, 1.0, 2.0), bucket("cart", 5, 10, 0.0, 3.0), bucket("pay", 10, 15, 0.0, 1.0)]).unwrap();
    let mut seen = Vec::new();
    store.buckets(at(5), |bucket| seen.push((bucket.group.clone(), bucket.total))).unwrap();
    assert_eq!(seen.iter().map(|(_, total)| *total).collect::<Vec<_>>(), [3.0, 1.0]);
    assert_ne!(seen[0].0, seen[1].0);
}

#[test]
fn no_past_is_laid_under_one_that_was_seen() {
    let (_folder, store) = store();
    take(&store, "ana", at(0));
    assert!(matches!(store.lay_history(&[bucket("cart", 0, 5, 1.0, 2.0)]), Err(StoreError::Other { .. })));
    assert_eq!(all_buckets(&store), []);
}

/// Polls of one group every 5 s over `secs` seconds that end at second 0, each with one bad event of two.
fn polls(secs: i64) -> Vec<Bucket> {
    (-secs / 5..0).map(|n| bucket("cart", n * 5, n * 5 + 5, 1.0, 2.0)).collect()
}

fn lengths(store: &Store) -> BTreeMap<i64, usize> {
    all_buckets(store).iter().fold(BTreeMap::new(), |mut lengths, bucket| {
        *lengths.entry((bucket.to - bucket.from).num_seconds()).or_default() += 1;
        lengths
    })
}

#[test]
fn the_older_the_coarser() {
    let (_folder, store) = store();
    store.lay_history(&polls(4 * 86_400)).unwrap();
    let epoch = take(&store, "ana", at(0));
    store.compact(epoch, at(0), KEEP).unwrap();
    let hours = 24 - 6;
    let fives = (3 * 24 * 60 + 6 * 60 - 390) / 5;
    let expected = BTreeMap::from([(3_600, hours), (300, fives), (60, 380), (5, 120)]);
    assert_eq!(lengths(&store), expected);
    store.compact(epoch, at(0), KEEP).unwrap();
    assert_eq!(lengths(&store), expected, "once more changes nothing");
    store.compact(epoch, at(3_600), Duration::from_hours(24)).unwrap();
    let first = all_buckets(&store).first().map(|bucket| bucket.to).unwrap();
    assert!(first >= at(3_600 - 86_400), "what is older than wanted is gone: {first}");
}

#[test]
fn a_clock_that_was_set_back_does_not_end_compaction() {
    let (_folder, store) = store();
    let epoch = take(&store, "ana", at(0));
    store.compact(epoch, at(86_400), KEEP).unwrap();
    store.commit_scrape(epoch, &"shop".into(), &polls(3_600), &[], None).unwrap();
    store.compact(epoch, at(0), KEEP).unwrap();
    assert_eq!(lengths(&store), BTreeMap::from([(60, 50), (5, 120)]));
}

/// Buckets of two groups with holes, gaps and uneven lengths: (group, pause before it, length, bad, more, gap), in milliseconds.
fn ragged() -> impl Strategy<Value = Vec<Bucket>> {
    let pause = prop_oneof![8 => Just(0_i64), 1 => 1..4_000_000_i64];
    let one = (any::<bool>(), pause, 1..90_000_i64, 0..1_000_u32, 0..1_000_u32, prop::bool::weighted(0.05));
    prop::collection::vec(one, 1..300).prop_map(|rows| {
        let mut ends = BTreeMap::from([(false, at(-4 * 86_400)), (true, at(-4 * 86_400))]);
        let mut laid = Vec::new();
        for (side, pause, length, bad, more, gap) in rows {
            let end = ends.get_mut(&side).unwrap();
            let from = *end + TimeDelta::milliseconds(pause);
            *end = from + TimeDelta::milliseconds(length);
            let (bad, total) = (f64::from(bad), f64::from(bad) + f64::from(more));
            laid.push(Bucket { from, to: *end, gap, ..bucket(if side { "cart" } else { "pay" }, 0, 0, bad, total) });
        }
        laid
    })
}

type Sums = BTreeMap<Group, (f64, f64, TimeDelta)>;

fn sums<'a>(buckets: impl Iterator<Item = &'a Bucket>) -> Sums {
    buckets.fold(Sums::new(), |mut sums, bucket| {
        let sum = sums.entry(bucket.group.clone()).or_default();
        *sum = (sum.0 + bucket.bad, sum.1 + bucket.total, sum.2 + (bucket.to - bucket.from));
        sums
    })
}

fn gaps(buckets: &[Bucket]) -> Vec<&Bucket> {
    let mut gaps: Vec<_> = buckets.iter().filter(|bucket| bucket.gap).collect();
    gaps.sort_by_key(|bucket| (bucket.from, bucket.group.clone()));
    gaps
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]
    #[test]
    fn compaction_keeps_every_event_every_hole_and_every_gap(laid in ragged(), steps in prop::collection::vec(0..200_000_i64, 1..4)) {
        let (_folder, store) = store();
        store.lay_history(&laid).unwrap();
        let epoch = take(&store, "ana", at(0));
        let mut now = at(-4 * 86_400);
        for step in steps {
            now += TimeDelta::seconds(step);
            store.compact(epoch, now, KEEP).unwrap();
        }
        let after = all_buckets(&store);
        prop_assert_eq!(sums(after.iter()), sums(laid.iter()));
        prop_assert_eq!(gaps(&after), gaps(&laid));
        let begins = |buckets: &[Bucket], at: DateTime<Utc>, group: &Group| buckets.iter().any(|b| b.from == at && b.group == *group);
        for bucket in &after {
            prop_assert!(begins(&laid, bucket.from, &bucket.group), "begins where one began");
            prop_assert!(bucket.to - bucket.from <= TimeDelta::seconds(3_600 + 90), "stays within its hour");
        }
    }
}

#[test]
fn episodes_are_the_same_for_all() {
    let (_folder, store) = store();
    let epoch = take(&store, "ana", at(0));
    let seen_at = at(0) + TimeDelta::nanoseconds(987_654_321);
    let open = |slo: &str, grade| Episode { slo: slo.into(), grade, seen_at, since: None, ended_at: None };
    let (page, ticket) = (open("cart/availability", Grade::Page), open("cart/availability", Grade::Ticket));
    store.put_episodes(epoch, &[page.clone(), ticket.clone()]).unwrap();
    let over = Episode { ended_at: Some(at(60)), since: Some(at(-5)), ..page };
    store.put_episodes(epoch, std::slice::from_ref(&over)).unwrap();
    let other = Store::open(store.folder()).unwrap();
    assert_eq!(other.episodes(at(60)).unwrap(), [over, ticket.clone()]);
    assert_eq!(other.episodes(at(61)).unwrap(), [ticket]);
}
