//! The shop's counters as Prometheus text exposition, version 0.0.4.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::{Counter, Latency, PoolStanding, Standing, View, latency::BOUNDS};

/// The media type of [`exposition`]'s text.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One service's `/metrics` page: when it was started, and all that is to be seen of it.
pub(super) fn exposition(service: &str, started_at: DateTime<Utc>, view: &View<'_>) -> String {
    let mut out = String::with_capacity(2_048);
    family(&mut out, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.");
    let started = started_at.timestamp_millis() as f64 / 1_000.0;
    line(&mut out, format_args!("process_start_time_seconds{{service=\"{service}\"}} {started:.3}"));
    family(&mut out, "http_requests_total", "counter", "Requests answered since the start.");
    for Counter { version, code, count } in view.counters {
        line(&mut out, format_args!("http_requests_total{{service=\"{service}\",code=\"{code}\",version=\"{version}\"}} {count}"));
    }
    view.latency.into_iter().for_each(|latency| histogram(&mut out, service, latency));
    view.queue.into_iter().for_each(|(name, standing)| queue(&mut out, service, name, standing));
    view.pool.into_iter().for_each(|standing| pool(&mut out, service, standing));
    out
}

fn histogram(out: &mut String, service: &str, latency: &Latency) {
    let name = "http_request_duration_seconds";
    family(out, name, "histogram", "How long answers took.");
    let mut below = 0;
    for (count, bound) in latency.counts.iter().zip(BOUNDS.map(|(_, written)| written).into_iter().chain(["+Inf"])) {
        below += count;
        line(out, format_args!("{name}_bucket{{service=\"{service}\",le=\"{bound}\"}} {below}"));
    }
    line(out, format_args!("{name}_sum{{service=\"{service}\"}} {:.3}", latency.sum_ms / 1_000.0));
    line(out, format_args!("{name}_count{{service=\"{service}\"}} {below}"));
}

fn queue(out: &mut String, service: &str, name: &str, standing: &Standing) {
    let mut one = |metric: &str, kind: &str, help: &str, value: u64| {
        family(out, metric, kind, help);
        line(out, format_args!("{metric}{{service=\"{service}\",queue=\"{name}\"}} {value}"));
    };
    one("queue_depth", "gauge", "Jobs that wait.", standing.depth);
    one("queue_oldest_age_seconds", "gauge", "How long the oldest job has waited.", standing.oldest_secs);
    one("queue_consumers", "gauge", "Workers that take jobs.", standing.workers.into());
    one("queue_enqueued_total", "counter", "Jobs that came in since the start.", standing.entered);
    one("queue_processed_total", "counter", "Jobs that were worked on since the start.", standing.begun);
    family(out, "queue_jobs_total", "counter", "Jobs that began within 30 s of coming in, and jobs that did not.");
    for (late, count) in [("false", standing.in_time), ("true", standing.late)] {
        line(out, format_args!("queue_jobs_total{{service=\"{service}\",queue=\"{name}\",late=\"{late}\"}} {count}"));
    }
}

fn pool(out: &mut String, service: &str, standing: PoolStanding) {
    let PoolStanding { size, in_use, waiting } = standing;
    for (metric, help, value) in [
        ("pool_connections_max", "Connections that there are.", size),
        ("pool_connections_in_use", "Connections that are held.", in_use),
        ("pool_requests_waiting", "Requests that wait for a connection.", waiting),
    ] {
        family(out, metric, "gauge", help);
        line(out, format_args!("{metric}{{service=\"{service}\"}} {value}"));
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    line(out, format_args!("# HELP {name} {help}"));
    line(out, format_args!("# TYPE {name} {kind}"));
}

/// Writing to a `String` cannot fail.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::Selector, fleet::Scenario};

    #[test]
    fn the_page_reads_as_prometheus_writes_it() {
        let counters = [("v41", "200", 123), ("v42", "500", 0)];
        let counters = counters.map(|(version, code, count)| Counter { version: version.into(), code, count });
        let latency = Latency { counts: [7, 0, 2, 1, 0, 1], sum_ms: 4_250.0 };
        let standing = Standing { depth: 12, oldest_secs: 31, workers: 8, entered: 50, begun: 38, in_time: 37, late: 2 };
        let pool = PoolStanding { size: 20, in_use: 20, waiting: 34 };
        let view = View { counters: &counters, latency: Some(&latency), queue: Some(("orders", &standing)), pool: Some(pool) };
        let page = exposition("checkout", "2026-03-01T00:00:00.250Z".parse().unwrap(), &view);
        let expected = "\
# TYPE process_start_time_seconds gauge
process_start_time_seconds{service=\"checkout\"} 1772323200.250
# TYPE http_requests_total counter
http_requests_total{service=\"checkout\",code=\"200\",version=\"v41\"} 123
http_requests_total{service=\"checkout\",code=\"500\",version=\"v42\"} 0
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{service=\"checkout\",le=\"0.05\"} 7
http_request_duration_seconds_bucket{service=\"checkout\",le=\"0.1\"} 7
http_request_duration_seconds_bucket{service=\"checkout\",le=\"0.3\"} 9
http_request_duration_seconds_bucket{service=\"checkout\",le=\"1\"} 10
http_request_duration_seconds_bucket{service=\"checkout\",le=\"2.5\"} 10
http_request_duration_seconds_bucket{service=\"checkout\",le=\"+Inf\"} 11
http_request_duration_seconds_sum{service=\"checkout\"} 4.250
http_request_duration_seconds_count{service=\"checkout\"} 11
# TYPE queue_depth gauge
queue_depth{service=\"checkout\",queue=\"orders\"} 12
# TYPE queue_oldest_age_seconds gauge
queue_oldest_age_seconds{service=\"checkout\",queue=\"orders\"} 31
# TYPE queue_consumers gauge
queue_consumers{service=\"checkout\",queue=\"orders\"} 8
# TYPE queue_enqueued_total counter
queue_enqueued_total{service=\"checkout\",queue=\"orders\"} 50
# TYPE queue_processed_total counter
queue_processed_total{service=\"checkout\",queue=\"orders\"} 38
# TYPE queue_jobs_total counter
queue_jobs_total{service=\"checkout\",queue=\"orders\",late=\"false\"} 37
queue_jobs_total{service=\"checkout\",queue=\"orders\",late=\"true\"} 2
# TYPE pool_connections_max gauge
pool_connections_max{service=\"checkout\"} 20
# TYPE pool_connections_in_use gauge
pool_connections_in_use{service=\"checkout\"} 20
# TYPE pool_requests_waiting gauge
pool_requests_waiting{service=\"checkout\"} 34
";
        let told = page.split_inclusive('\n').filter(|l| !l.starts_with("# HELP ")).collect::<String>();
        assert_eq!(told, expected);
        assert_eq!(page.matches("# HELP ").count(), page.matches("# TYPE ").count());
    }

    #[test]
    fn no_name_needs_escaping() {
        let scenario = Scenario::quiet();
        let words = scenario.services.iter().flat_map(|s| [Some(s.name), Some(s.version), s.queue.map(|q| q.name)]).flatten();
        for word in words {
            assert!(format!("m{{x=\"{word}\"}}").parse::<Selector>().is_ok());
            assert!(word.chars().all(|c| c.is_ascii_alphanumeric()));
        }
    }
}
