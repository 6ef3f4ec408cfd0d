//! The real servers of the tests themselves: they start, keep what they were given, can hang and die, and come back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod support;

use std::{fmt::Write, time::SystemTime};

use serde_json::json;
use support::{
    http,
    server::{Alertmanager, Prometheus, backfill},
};
use tempfile::TempDir;

fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
#[ignore = "needs prometheus, promtool"]
fn a_prometheus_answers_from_what_was_filled_in() {
    let data = TempDir::new().unwrap();
    let end = unix_now() / 60 * 60 - 3600;
    let mut text = String::from("# TYPE http_requests counter\n");
    for minute in 0..=120 {
        writeln!(text, "http_requests_total{{service=\"checkout\"}} {} {}", minute * 600, end - (120 - minute) * 60).unwrap();
    }
    backfill(data.path(), &text);
    let mut prometheus = Prometheus::start(data.path(), "global: {scrape_interval: 15s}\n");
    let at = end as f64;
    assert_eq!(prometheus.value("http_requests_total", at), Some(72_000.0));
    assert_eq!(prometheus.value("rate(http_requests_total[1h])", at), Some(10.0));
    assert_eq!(prometheus.value("absent_metric", at), None);

    prometheus.server.kill();
    assert!(http::get(prometheus.server.port, "/-/ready").is_err());
    prometheus.server.start_again();
    assert_eq!(prometheus.value("http_requests_total", at), Some(72_000.0));
}

#[test]
#[ignore = "needs alertmanager"]
fn an_alertmanager_keeps_alerts_and_silences() {
    let alertmanager = Alertmanager::start();
    assert_eq!(alertmanager.silences(), Vec::<serde_json::Value>::new());
    alertmanager.fire(&json!([{"labels": {"alertname": "Slow", "service": "checkout"}, "annotations": {"summary": "slow"}}]));
    let alerts = support::poll(|| Some(alertmanager.alerts()).filter(|alerts| !alerts.is_empty())).unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["labels"], json!({"alertname": "Slow", "service": "checkout"}));
}
