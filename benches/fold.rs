//! From a reading to the next snapshot.

mod support;

use burnwatch::{
    domain::{Event, Lane},
    engine::fold,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use support::{FEW, Fleet, MANY, Mood, at};

/// One poll of the short lane: presence and five windows of every SLO.
fn poll(c: &mut Criterion) {
    let mut group = c.benchmark_group("fold/poll");
    let mut one = |name: BenchmarkId, fleet: &Fleet, mood| {
        let (before, reading) = (fleet.snapshot(mood), fleet.poll(Lane::Short, 15, mood));
        group.bench_function(name, |b| b.iter(|| fold(&before, &fleet.plan, Event::Read(reading.clone()), at(15))));
    };
    for slos in FEW.into_iter().chain([MANY]) {
        one(BenchmarkId::from_parameter(slos), &Fleet::new(slos, "prometheus"), Mood::Ordinary);
    }
    one(BenchmarkId::new("outage", MANY), &Fleet::new(MANY, "prometheus"), Mood::Outage);
    one(BenchmarkId::new("of 1000 definitions", MANY), &Fleet::of(MANY, 1_000, "prometheus"), Mood::Ordinary);
}

/// Time passes and nothing else happens.
fn tick(c: &mut Criterion) {
    let mut group = c.benchmark_group("fold/tick");
    let mut one = |name: BenchmarkId, slos, mood| {
        let fleet = Fleet::new(slos, "prometheus");
        let before = fleet.snapshot(mood);
        group.bench_function(name, |b| b.iter(|| fold(&before, &fleet.plan, Event::Tick, at(5))));
    };
    for slos in FEW.into_iter().chain([MANY]) {
        one(BenchmarkId::from_parameter(slos), slos, Mood::Ordinary);
    }
    one(BenchmarkId::new("outage", MANY), MANY, Mood::Outage);
}

criterion_group! { name = benches; config = support::criterion(); targets = poll, tick }
criterion_main!(benches);
