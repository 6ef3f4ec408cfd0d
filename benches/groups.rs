//! A storm of alerts: what it costs to make incidents of them, and to let time pass while they fire.

mod support;

use std::sync::Arc;

use burnwatch::{
    domain::{Alerts, Answer, Event, FiringAlert, Labels, Lane, Part, Reading, Snapshot, Want},
    engine::fold,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use support::{Fleet, at};

/// Alerts of six causes on eight services, each on an instance of its own.
fn storm(alerts: usize) -> Arc<Reading> {
    let causes = ["NodeDown", "DiskFull", "HighErrors", "HighLatency", "PodCrashLooping", "CertExpiring"];
    let alert = |i: usize| {
        let labels: Labels = [
            ("alertname", causes[i % causes.len()].to_owned()),
            ("service", format!("service-{}", i % 8)),
            ("severity", if i.is_multiple_of(3) { "page" } else { "warning" }.to_owned()),
            ("instance", format!("web-{i:04}")),
            ("cluster", "prod-7".to_owned()),
            ("region", if i.is_multiple_of(2) { "eu" } else { "us" }.to_owned()),
        ]
        .into_iter()
        .collect();
        FiringAlert {
            fingerprint: format!("{i:016x}").as_str().into(),
            labels,
            annotations: [("summary", format!("something is wrong on web-{i:04}"))].into_iter().collect(),
            starts_at: at(-(i as i64)),
            generator: None,
            silenced_by: Vec::new(),
            inhibited_by: Vec::new(),
        }
    };
    let answer = Answer::Alerts(Alerts { alerts: (0..alerts).map(alert).collect(), silences: Vec::new(), heartbeat: None });
    let part = Part { want: Want::Alerts, as_of: at(0), outcome: Ok(answer), partial: None };
    Arc::new(Reading { source: "prom".into(), lane: Lane::Short, at: at(0), took_us: 40_000, skew_secs: None, parts: vec![part] })
}

fn storms(c: &mut Criterion) {
    let fleet = Fleet::new(10, "alertmanager");
    let empty = Snapshot::empty(&fleet.plan, at(0));
    for alerts in [20, 200, 2_000] {
        let reading = storm(alerts);
        let after = fold(&empty, &fleet.plan, Event::Read(reading.clone()), at(0));
        let mut group = c.benchmark_group("groups");
        group.bench_function(BenchmarkId::new("read", alerts), |b| {
            b.iter(|| fold(&empty, &fleet.plan, Event::Read(reading.clone()), at(0)));
        });
        group.bench_function(BenchmarkId::new("tick", alerts), |b| b.iter(|| fold(&after, &fleet.plan, Event::Tick, at(1))));
    }
}

criterion_group! { name = benches; config = support::criterion(); targets = storms }
criterion_main!(benches);
