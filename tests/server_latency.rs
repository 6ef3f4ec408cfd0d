//! One latency SLO on a real Prometheus, on a real `VictoriaMetrics` and straight from the page: the same counts, and those that the same
//! expression gives when it is asked there by hand. All of it is collected by `watch --headless`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{
    burnwatch, configure,
    exporter::Exporter,
    poll, run,
    server::{Prometheus, Victoria, value_at},
    status,
};
use tempfile::TempDir;

/// A histogram of `quick`, `slow` and `late` answers, whose bounds are written as one likes.
fn page(quick: u32, slow: u32, late: u32) -> String {
    let (some, all) = (quick + slow, quick + slow + late);
    format!(
        "# TYPE d_seconds histogram\n\
         d_seconds_bucket{{service=\"shop\",le=\"0.1\"}} {quick}\n\
         d_seconds_bucket{{service=\"shop\",le=\"3e-1\"}} {some}\n\
         d_seconds_bucket{{service=\"shop\",le=\"+Inf\"}} {all}\n\
         d_seconds_sum{{service=\"shop\"}} {all}\n\
         d_seconds_count{{service=\"shop\"}} {all}\n"
    )
}

fn config(store: &Path, page: &str, prometheus: u16, victoria: u16, under: &str) -> String {
    let source = |name: &str, kind: &str, url: &str| {
        format!(
            "[[source]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"{url}\"\nevery = \"1s\"\n\
             [[slo]]\nname = \"latency-{name}\"\nsource = \"{name}\"\nby = [\"service\"]\nobjective = \"90%\"\n\
             histogram = 'd_seconds'\nunder = {under}\n"
        )
    };
    format!("[store]\nurl = \"sqlite:{}\"\n", store.display())
        + &source("prom", "prometheus", &format!("http://127.0.0.1:{prometheus}"))
        + &source("vm", "prometheus", &format!("http://127.0.0.1:{victoria}"))
        + &source("page", "scrape", &format!("{page}/metrics"))
}

fn slo<'a>(said: &'a Value, source: &str) -> Option<&'a Value> {
    said["slos"].as_array()?.iter().find(|slo| slo["source"] == source)
}

fn counts(said: &Value, source: &str) -> Option<(f64, f64)> {
    let counts = &slo(said, source)?["counts"]["5m"];
    Some((counts["bad"].as_f64()?, counts["total"].as_f64()?))
}

struct Collector(Child);

impl Collector {
    fn start(home: &Path) -> Self {
        let mut command = burnwatch(home, &["watch", "--headless"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }
    /// End it as a service manager does; what it said, and its exit code.
    fn end(mut self) -> (String, Option<i32>) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        let mut said = String::new();
        std::io::Read::read_to_string(self.0.stderr.as_mut().unwrap(), &mut said).unwrap();
        (said, self.0.wait().unwrap().code())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs prometheus, victoria-metrics"]
fn one_latency_slo_counts_the_same_wherever_it_is_counted() {
    let (home, data) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let exporter = Exporter::start();
    exporter.serve(page(1_000, 2_000, 4_000));
    let target = exporter.url().trim_start_matches("http://").to_owned();
    let jobs = format!("scrape_configs:\n- job_name: page\n  scrape_interval: 1s\n  static_configs: [{{targets: ['{target}']}}]\n");
    let (prometheus, victoria) = (Prometheus::start(data.path(), &jobs), Victoria::start(&jobs));
    let began = Instant::now();
    let (prom, vm) = (prometheus.server.port, victoria.server.port);
    let home = home.path();
    configure(home, &config(&home.join("store"), &exporter.url(), prom, vm, "\"300ms\""));
    let collector = Collector::start(home);

    let seen = |what: &str, wished: &dyn Fn(&Value) -> bool| {
        let mut last = Value::Null;
        poll(|| {
            last = status(home).0;
            wished(&last).then(|| last.clone())
        })
        .unwrap_or_else(|| panic!("waited for {what} and have {last:#}"))
    };
    let all =
        |said: &Value, wished: &dyn Fn((f64, f64)) -> bool| ["prom", "vm", "page"].iter().all(|s| counts(said, s).is_some_and(wished));
    seen("all three to know it", &|said| all(said, &|_| true));
    // Sixty answers that are quick enough, forty that are not.
    exporter.serve(page(1_010, 2_050, 4_040));
    let said = seen("all three to have counted", &|said| all(said, &|(_, total)| total > 99.0));

    assert_eq!((counts(&said, "page"), counts(&said, "vm")), (Some((40.0, 100.0)), Some((40.0, 100.0))));
    let (bad, total) = counts(&said, "prom").unwrap();
    // Prometheus stretches what it saw by up to an interval and a half at the ends; the share stays what it is.
    let stretch = 1.0 + 3.0 / (began.elapsed().as_secs_f64() - 2.0).max(1.0);
    assert!((bad / total - 0.4).abs() < 1e-9 && (100.0..=100.0 * stretch).contains(&total), "{bad} of {total}");
    for (source, port) in [("prom", prom), ("vm", vm)] {
        let at: DateTime<Utc> = slo(&said, source).unwrap()["burn_as_of"]["5m"].as_str().unwrap().parse().unwrap();
        let by_hand = |expression: &str| value_at(port, expression, at.timestamp_millis() as f64 / 1e3).unwrap();
        let quick = by_hand("sum by (service) (increase(d_seconds_bucket{le=\"3e-1\"}[5m]))");
        let every = by_hand("sum by (service) (increase(d_seconds_count[5m]))");
        let (bad, total) = counts(&said, source).unwrap();
        assert!(
            (total - every).abs() < 1e-9 && (bad - (every - quick)).abs() < 1e-9,
            "{source}: {bad} of {total}, by hand {quick} of {every}"
        );
        // What VictoriaMetrics keeps back for half a minute unless it is asked not to.
        assert!(Utc::now() - at < chrono::TimeDelta::seconds(25), "{source}: {at}");
    }
    assert!(said["sources"].as_array().unwrap().iter().all(|s| s["state"] == "fresh"), "{said:#}");

    let (log, code) = collector.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("this collector polls") && log.contains("the lease is given back"), "{log}");

    // A bound that is not there is answered with those that are, by each of them.
    configure(home, &config(&home.join("other"), &exporter.url(), prom, vm, "0.25"));
    let output = run(home, &["check", "--live"]);
    let text = String::from_utf8_lossy(&output.stdout);
    for source in ["prom", "vm", "page"] {
        let line = format!("problem: latency-{source}: d_seconds has no bucket up to 0.25; there are 0.1, 0.3");
        assert!(text.contains(&line), "{source}: {text}");
    }
    assert_eq!(output.status.code(), Some(1));
    let said = status(home).0;
    for source in ["prom", "vm"] {
        assert_eq!(slo(&said, source).unwrap()["state"], "unknown", "{said:#}");
    }
    assert!(Duration::from_mins(2) > began.elapsed());
}
