//! The shop's counters as Prometheus text exposition, version 0.0.4.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::Counter;

/// The media type of [`exposition`]'s text.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One service's `/metrics` page: when it was started, and its counters.
pub(super) fn exposition(service: &str, started_at: DateTime<Utc>, counters: &[Counter]) -> String {
    let mut out = String::with_capacity(1_024);
    family(&mut out, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.");
    let started = started_at.timestamp_millis() as f64 / 1_000.0;
    line(&mut out, format_args!("process_start_time_seconds{{service=\"{service}\"}} {started:.3}"));
    family(&mut out, "http_requests_total", "counter", "Requests answered since the start.");
    for Counter { version, code, count } in counters {
        line(&mut out, format_args!("http_requests_total{{service=\"{service}\",code=\"{code}\",version=\"{version}\"}} {count}"));
    }
    out
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
        let counters = [("v41", "200", 123), ("v42", "500", 0)].map(|(version, code, count)| Counter { version, code, count });
        let page = exposition("checkout", "2026-03-01T00:00:00.250Z".parse().unwrap(), &counters);
        assert_eq!(
            page,
            "# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.\n\
             # TYPE process_start_time_seconds gauge\n\
             process_start_time_seconds{service=\"checkout\"} 1772323200.250\n\
             # HELP http_requests_total Requests answered since the start.\n\
             # TYPE http_requests_total counter\n\
             http_requests_total{service=\"checkout\",code=\"200\",version=\"v41\"} 123\n\
             http_requests_total{service=\"checkout\",code=\"500\",version=\"v42\"} 0\n"
        );
    }

    #[test]
    fn no_name_needs_escaping() {
        let scenario = Scenario::bad_canary();
        let words = scenario.services.iter().flat_map(|s| [s.name, s.version]).chain(scenario.faults.iter().map(|f| f.version));
        for word in words {
            assert!(format!("m{{x=\"{word}\"}}").parse::<Selector>().is_ok());
            assert!(word.chars().all(|c| c.is_ascii_alphanumeric()));
        }
    }
}
