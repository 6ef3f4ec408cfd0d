//! Reading the text format of a `/metrics` endpoint.

mod support;

use std::fmt::Write as _;

use burnwatch::sources::parse_exposition;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use support::FEW;

/// The body of an endpoint on which `slos` SLOs are counted: six series each, and their help.
fn body(slos: usize) -> String {
    let mut text = String::new();
    for i in 0..slos {
        let _ = writeln!(text, "# HELP http_requests_{i:04}_total Requests by code.\n# TYPE http_requests_{i:04}_total counter");
        for code in ["200", "204", "304", "404", "500", "503"] {
            let _ = writeln!(text, "http_requests_{i:04}_total{{service=\"service-{i:05}\",method=\"get\",code=\"{code}\"}} {}.5", i * 137);
        }
    }
    text
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("exposition");
    for slos in FEW {
        let body = body(slos);
        group.throughput(Throughput::Bytes(body.len() as u64));
        let read = || parse_exposition(body.as_bytes()).flatten().map(|s| s.labels().count()).sum::<usize>();
        assert_eq!(read(), slos * 18);
        group.bench_function(BenchmarkId::from_parameter(slos), |b| b.iter(read));
    }
}

criterion_group! { name = benches; config = support::criterion(); targets = parse }
criterion_main!(benches);
