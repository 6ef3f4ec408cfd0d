//! Look-ups in a rotation: `cargo bench --bench rotation`.
//!
//! Each goes through 1,024 instants spread over 20 years, so that neither the branch predictor nor a cache knows the answer; the figure
//! is for one look-up.

#![allow(missing_docs, clippy::unwrap_used, reason = "made by a macro; a bench may fail this way")]

use std::hint::black_box;

use burnwatch::domain::{Interval, Layer, Override, Rotation, Seat, Text};
use chrono::{DateTime, TimeDelta, Utc};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn begin() -> DateTime<Utc> {
    "2026-01-05T08:00:00Z".parse().unwrap()
}

fn layer(every: &str, only: &[&str]) -> Layer {
    Layer {
        seat: Seat::Primary,
        participants: ["maya", "jon", "ana", "sam", "lena"].map(Text::from).to_vec(),
        every: every.parse().unwrap(),
        first: begin().naive_utc(),
        only: only.iter().map(|h| h.parse().unwrap()).collect(),
    }
}

fn rotation(layers: Vec<Layer>, overrides: i64) -> Rotation {
    let over = |n: i64| {
        let from = begin() + TimeDelta::hours(n * 31);
        Override { who: Text::from("ines"), seat: Seat::Primary, during: Interval { from, to: from + TimeDelta::hours(9) } }
    };
    Rotation::new(Text::from("payments"), "Europe/Berlin".parse().unwrap(), layers, (0..overrides).map(over).collect()).unwrap()
}

/// Instants in no order: steps of a prime through 20 years.
fn instants() -> impl Iterator<Item = DateTime<Utc>> + Clone {
    (0..1_024_i64).map(|n| begin() + TimeDelta::seconds(n * 7_919 * 65_537 % (20 * 31_557_600)))
}

fn look_ups(criterion: &mut Criterion) {
    let office = ["mon-fri 09:00-18:00"];
    let cases = [
        ("weekly", rotation(vec![layer("weekly", &[])], 0)),
        ("every hour", rotation(vec![layer("every 1h", &[])], 0)),
        ("monthly", rotation(vec![layer("monthly", &[])], 0)),
        (
            "3 layers, hours, 1000 overrides",
            rotation(vec![layer("weekly", &[]), layer("daily", &office), layer("monthly", &["sat,sun"])], 1_000),
        ),
    ];
    let mut group = criterion.benchmark_group("rotation");
    for (name, rotation) in &cases {
        let mut all = instants().cycle();
        let mut next = move || all.next().unwrap();
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("who_at/{name}"), |b| {
            b.iter_batched(&mut next, |at| black_box(rotation.who_at(Seat::Primary, at)), BatchSize::SmallInput);
        });
        group.bench_function(format!("on_call_at/{name}"), |b| {
            b.iter_batched(&mut next, |at| black_box(rotation.on_call_at(at).ok()), BatchSize::SmallInput);
        });
        group.bench_function(format!("next_handoff/{name}"), |b| {
            b.iter_batched(&mut next, |at| black_box(rotation.next_handoff(at)), BatchSize::SmallInput);
        });
        group.bench_function(format!("two weeks of shifts/{name}"), |b| {
            let fortnight = |at| Interval { from: at, to: at + TimeDelta::weeks(2) };
            b.iter_batched(&mut next, |at| black_box(rotation.shifts(Seat::Primary, fortnight(at))), BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, look_ups);
criterion_main!(benches);
