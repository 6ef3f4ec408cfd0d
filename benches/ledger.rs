//! Counts over windows out of the buckets of scraped sources.

mod support;

use burnwatch::{
    domain::{Answer, Counter, Lane, Part, Reading, Scraped, Want},
    engine::{Ledger, counted},
    store::Bucket,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use support::{FEW, Fleet, at};

/// A month of one group's buckets as the store merges them: minutes within six hours, five minutes within three days, hours beyond.
fn month() -> impl Iterator<Item = (i64, i64)> {
    const HOUR: i64 = 3_600;
    let stretch = |from: i64, to: i64, step: i64| (from..to).step_by(step as usize).map(move |start| (start, start + step));
    stretch(-720 * HOUR, -72 * HOUR, HOUR).chain(stretch(-72 * HOUR, -6 * HOUR, 300)).chain(stretch(-6 * HOUR, 0, 60))
}

fn full(fleet: &Fleet) -> Ledger {
    let series = || fleet.plan.definitions.iter().flat_map(|d| fleet.groups.iter().map(move |group| (d, group)));
    let buckets = month().flat_map(|(from, to)| {
        series().map(move |(d, group)| Bucket {
            definition: d.id.clone(),
            group: group.clone(),
            from: at(from),
            to: at(to),
            bad: 0.1,
            total: (to - from) as f64,
            gap: false,
        })
    });
    Ledger::load(|take| buckets.for_each(|bucket| take(&bucket)), Vec::new())
}

fn scraped(fleet: &Fleet, secs: i64) -> Reading {
    let series = |(i, (d, group)): (usize, (_, _))| {
        let definition: &burnwatch::domain::Definition = d;
        [true, false].map(|bad| Counter {
            definition: definition.id.clone(),
            group: burnwatch::domain::Group::clone(group),
            series: format!("http_requests_total{{bad=\"{bad}\",i=\"{i}\"}}"),
            value: secs as f64,
            in_total: true,
            in_part: bad,
        })
    };
    let all = fleet.plan.definitions.iter().flat_map(|d| fleet.groups.iter().map(move |group| (&**d, group)));
    let samples = Ok(all.enumerate().flat_map(series).collect());
    let scraped = Scraped { target: "shop:9100".into(), at: at(secs), samples };
    let part = Part { want: Want::Scrape, as_of: at(secs), outcome: Ok(Answer::Scraped(vec![scraped])), partial: None };
    Reading { source: "prom".into(), lane: Lane::Short, at: at(secs), took_us: 1_000, skew_secs: None, parts: vec![part] }
}

/// One scrape: what grew, and the counts over all windows, as every half minute.
fn scrape(c: &mut Criterion) {
    let mut group = c.benchmark_group("ledger/scrape");
    for slos in FEW {
        let fleet = Fleet::new(slos, "scrape");
        let mut ledger = full(&fleet);
        let mut now = 0;
        group.bench_function(BenchmarkId::from_parameter(slos), |b| {
            b.iter(|| {
                now += 15;
                let raw = scraped(&fleet, now);
                let Some(Ok(Answer::Scraped(targets))) = raw.parts.first().map(|p| &p.outcome) else { unreachable!() };
                let growth = ledger.grow(&fleet.plan, &fleet.plan.sources[0], targets);
                counted(&ledger, &fleet.plan, &raw, &growth, &|_, _| true)
            });
        });
    }
}

criterion_group! { name = benches; config = support::criterion(); targets = scrape }
criterion_main!(benches);
