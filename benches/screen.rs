//! From a snapshot or a key to the bytes for the terminal.

mod support;

use std::sync::Arc;

use burnwatch::{
    domain::{Event, Lane},
    engine::fold,
    tui::{Depth, Glyphs, Offscreen, Settings, Theme},
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use support::{FEW, Fleet, MANY, Mood, at};

const SIZE: (u16, u16) = (200, 50);

fn settings() -> Settings {
    Settings {
        name: "bench".into(),
        time_zone: chrono_tz::UTC,
        theme: Theme::default().at_depth(Depth::True),
        glyphs: Glyphs::Unicode,
        me: "bench".into(),
        read_only: false,
        low_bandwidth: false,
        footer_hint: None,
        ask_name: None,
        links: false,
        people: Vec::new(),
        services: std::collections::BTreeMap::new(),
        silencing: burnwatch::domain::Silencing::default(),
    }
}

fn cases() -> impl Iterator<Item = (BenchmarkId, Fleet, Mood)> {
    let ordinary = FEW.into_iter().chain([MANY]).map(|n| (BenchmarkId::from_parameter(n), Fleet::new(n, "prometheus"), Mood::Ordinary));
    ordinary.chain([(BenchmarkId::new("outage", MANY), Fleet::new(MANY, "prometheus"), Mood::Outage)])
}

/// A new snapshot is taken in; nothing is drawn yet.
fn take(c: &mut Criterion) {
    let mut group = c.benchmark_group("screen/take");
    for (name, fleet, mood) in cases() {
        let before = Arc::new(fleet.snapshot(mood));
        let after = Arc::new(fold(&before, &fleet.plan, Event::Read(fleet.poll(Lane::Short, 15, mood)), at(15)));
        let mut screen = Offscreen::new(settings(), before.clone(), SIZE, at(0));
        screen.type_keys(b"jjj", at(0));
        group.bench_function(name, |b| {
            b.iter(|| {
                screen.take(after.clone(), at(15));
                screen.take(before.clone(), at(15));
            });
        });
    }
}

/// A key is pressed and its frame drawn.
fn key_and_draw(c: &mut Criterion) {
    let mut group = c.benchmark_group("screen/key and draw");
    for (name, fleet, mood) in cases() {
        let mut screen = Offscreen::new(settings(), Arc::new(fleet.snapshot(mood)), SIZE, at(0));
        let mut keys = [b"j", b"k"].into_iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| {
                screen.type_keys(keys.next().map_or(b"", |key| key.as_slice()), at(5));
                screen.draw(at(5))
            });
        });
    }
}

/// A filter is typed, letter by letter.
fn filter(c: &mut Criterion) {
    let mut group = c.benchmark_group("screen/filter");
    for (name, fleet, mood) in cases() {
        let mut screen = Offscreen::new(settings(), Arc::new(fleet.snapshot(mood)), SIZE, at(0));
        group.bench_function(name, |b| b.iter(|| screen.type_keys(b"/-042\x1b[27u", at(5))));
    }
}

criterion_group! { name = benches; config = support::criterion(); targets = take, key_and_draw, filter }
criterion_main!(benches);
