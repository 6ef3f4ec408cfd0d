//! Decoding what a Prometheus answers, and a reading's way into the store and back.

mod support;

use std::fmt::Write as _;

use burnwatch::{
    domain::{Lane, Part},
    sources::decode_counts,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use support::{FEW, Fleet, MANY, Mood, definition};

/// An answer over one window: both sides of `slos` groups.
fn body(slos: usize) -> String {
    let mut text = String::from("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[");
    for side in ["part", "total"] {
        for i in 0..slos {
            let comma = if side == "part" && i == 0 { "" } else { "," };
            let value = i as f64 * 1.234_567_89;
            let _ = write!(
                text,
                "{comma}{{\"metric\":{{\"burnwatch_side\":\"{side}\",\"service\":\"service-{i:05}\"}},\"value\":[1800000000.123,\"{value}\"]}}"
            );
        }
    }
    text + "]}}"
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("answers/decode");
    for slos in FEW.into_iter().chain([MANY]) {
        let (body, definition) = (body(slos), definition(0));
        group.throughput(Throughput::Bytes(body.len() as u64));
        let decode = || decode_counts(body.as_bytes(), &definition).map_or(0, |(rows, _)| rows.len());
        assert_eq!(decode(), slos);
        group.bench_function(BenchmarkId::from_parameter(slos), |b| b.iter(decode));
    }
}

/// The parts of a poll as the store keeps them: for cockpits that do not poll.
fn stored(c: &mut Criterion) {
    let mut group = c.benchmark_group("answers/stored");
    for slos in FEW.into_iter().chain([MANY]) {
        let reading = Fleet::new(slos, "prometheus").poll(Lane::Short, 0, Mood::Ordinary);
        let write = || reading.parts.iter().filter_map(|part| serde_json::to_string(part).ok()).collect::<Vec<_>>();
        let texts = write();
        group.throughput(Throughput::Bytes(texts.iter().map(|t| t.len() as u64).sum()));
        group.bench_function(BenchmarkId::new("write", slos), |b| b.iter(write));
        let read = || texts.iter().filter_map(|text| serde_json::from_str::<Part>(text).ok()).collect::<Vec<_>>();
        assert_eq!(read().len(), reading.parts.len());
        group.bench_function(BenchmarkId::new("read", slos), |b| b.iter(read));
    }
}

criterion_group! { name = benches; config = support::criterion(); targets = decode, stored }
criterion_main!(benches);
