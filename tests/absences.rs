//! What is not there: an exporter that died, a service without requests, a heartbeat that is not heard. Each has its own name, and none
//! is ever ok, nothing or all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use burnwatch::engine::Clock;
use chrono::TimeDelta;
use serde_json::{Value, json};
use support::{
    cockpit::Cockpit,
    configure,
    fake::{Fake, Say},
    poll, row, run,
    shop::Shop,
    status,
};
use tempfile::TempDir;

const SLO: &str = "[[slo]]\nname = \"availability\"\nby = [\"service\"]\nobjective = \"99%\"\n\
                   good = 'http_requests_total{code!~\"5..\"}'\ntotal = 'http_requests_total'\n";

fn unix_now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// The line of `burnwatch status` that begins with this SLO's id.
fn line(home: &Path, id: &str) -> String {
    let output = run(home, &["status"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let found = text.lines().find(|line| line.trim_start().starts_with(id));
    found.unwrap_or_else(|| panic!("no line of {id} in:\n{text}")).to_owned()
}

/// No figure of this SLO is known, and none is shown as nothing or all.
fn assert_absent(home: &Path, said: &Value, id: &str, state: &str) {
    let slo = row(said, "slos", "id", id);
    assert_eq!(slo["state"], state, "{slo:#}");
    assert_eq!((&slo["budget_left"], &slo["exhausted_in_s"]), (&Value::Null, &Value::Null), "{slo:#}");
    assert!(slo["burn"].as_object().unwrap().values().all(Value::is_null), "{slo:#}");
    let line = line(home, id);
    assert!(line.contains(&state.replace('_', " ")), "{line}");
    assert!(!line.contains('%') && !line.contains('×') && !line.contains(" ok "), "{line}");
}

/// Pages of several exporters, by the name of the service: good and bad requests so far; `None` once it died.
#[derive(Clone, Default)]
struct Exporters(Arc<Mutex<Counters>>);

type Counters = BTreeMap<&'static str, Option<(u32, u32)>>;

impl Exporters {
    fn set(&self, service: &'static str, counters: Option<(u32, u32)>) {
        self.0.lock().unwrap().insert(service, counters);
    }
    fn say(&self, path: &str) -> Say {
        let all = self.0.lock().unwrap();
        let found = all.iter().find(|(service, _)| path.contains(&format!("/{service}/"))).and_then(|(service, c)| Some((service, (*c)?)));
        let Some((service, (good, bad))) = found else { return Say::Answer("503 Service Unavailable", String::new(), Vec::new()) };
        let line = |code, value| format!("http_requests_total{{service=\"{service}\",code=\"{code}\"}} {value}\n");
        Say::page(line(200, good) + &line(500, bad))
    }
}

#[test]
fn a_scraped_service_that_died_or_idles_is_never_well() {
    let exporters = Exporters::default();
    let server = Fake::start({
        let exporters = exporters.clone();
        move |request| exporters.say(request)
    });
    let source = |name: &str, services: &[&str]| {
        let targets = services.iter().map(|s| format!("{{ url = \"{}/{s}/metrics\" }}", server.url())).collect::<Vec<_>>().join(", ");
        format!("[[source]]\nname = \"{name}\"\nkind = \"scrape\"\ntargets = [{targets}]\nevery = \"1s\"\ntimeout = \"1s\"\n\n")
    };
    let home = TempDir::new().unwrap();
    let lone = SLO.replace("[\"service\"]", "[\"service\"]\nsource = \"lone\"").replace("availability", "lone");
    let slo = SLO.replace("[\"service\"]", "[\"service\"]\nsource = \"shop\"");
    configure(home.path(), &(source("shop", &["alive", "idle", "died"]) + &source("lone", &["alone"]) + &slo + &lone));
    for (service, counters) in [("alive", (1_000, 10)), ("idle", (5_000, 50)), ("died", (1_000, 10)), ("alone", (1_000, 10))] {
        exporters.set(service, Some(counters));
    }
    status(home.path());
    for service in ["alive", "died", "alone"] {
        exporters.set(service, Some((1_995, 15)));
    }
    let (said, _) = status(home.path());
    for id in ["alive/availability", "died/availability", "alone/lone"] {
        let slo = row(&said, "slos", "id", id);
        assert_eq!(slo["state"], "ok", "{slo:#}");
        assert_eq!(slo["counts"]["5m"], json!({"bad": 5.0, "total": 1_000.0}), "{slo:#}");
    }
    assert_absent(home.path(), &said, "idle/availability", "no_traffic");
    assert_eq!(said["verdict"], "ok", "no traffic alone leaves ok");

    exporters.set("died", None);
    exporters.set("alone", None);
    let (said, code) = status(home.path());
    assert_absent(home.path(), &said, "died/availability", "no_data");
    assert_eq!((&said["verdict"], code), (&json!("unknown"), Some(2)));
    let shop = row(&said, "sources", "name", "shop");
    assert_eq!((&shop["state"], &shop["partial"]), (&json!("fresh"), &json!(true)), "{shop:#}");
    assert_eq!(row(&said, "slos", "id", "alive/availability")["state"], "ok");

    // Where the source itself gives no answer, the last figures stay for two intervals and the deadline, and then are stale.
    let stale = poll(|| Some(status(home.path()).0).filter(|said| row(said, "slos", "id", "alone/lone")["state"] == "stale"));
    let said = stale.expect("never stale");
    assert_eq!(row(&said, "sources", "name", "lone")["state"], "failing");
    let line = line(home.path(), "alone/lone");
    assert!(line.contains("stale") && line.contains(" old") && !line.contains("100.0%") && !line.contains(" 0.0%"), "{line}");

    exporters.set("alone", Some((2_000, 15)));
    assert_eq!(row(&status(home.path()).0, "slos", "id", "alone/lone")["state"], "ok", "it comes back by itself");
}

/// What a Prometheus says of four services: one is well, one has no requests, one had its last sample long ago, and one is gone but for
/// its past.
fn prometheus(request: &str) -> Say {
    let now = unix_now();
    let series = |service: &str, side: &str, value: f64| json!({"metric": {"service": service, "burnwatch_side": side}, "value": [now, value.to_string()]});
    let result: Vec<Value> = if request.contains("timestamp") {
        [("well", now - 5.0), ("idle", now - 5.0), ("old", now - 290.0)].map(|(service, at)| series(service, "", at)).into()
    } else {
        let counts = [("well", 998.0, 1_000.0), ("idle", 0.0, 0.0), ("old", 998.0, 1_000.0), ("gone", 1_000.0, 1_000.0)];
        let covered = |service| series(service, "covered", 240.0);
        counts.iter().flat_map(|(s, part, total)| [series(s, "part", *part), series(s, "total", *total), covered(s)]).collect()
    };
    Say::json(json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string())
}

#[test]
fn a_service_in_prometheus_without_samples_or_requests_is_never_well() {
    let server = Fake::start(prometheus);
    let home = TempDir::new().unwrap();
    configure(home.path(), &format!("[[source]]\nname = \"prom\"\nkind = \"prometheus\"\nurl = \"{}\"\n\n{SLO}", server.url()));
    let (said, code) = status(home.path());
    assert_eq!(row(&said, "slos", "id", "well/availability")["state"], "ok");
    assert_absent(home.path(), &said, "idle/availability", "no_traffic");
    assert_absent(home.path(), &said, "gone/availability", "no_data");
    assert_eq!(row(&said, "slos", "id", "old/availability")["state"], "stale");
    assert!(line(home.path(), "old/availability").contains("stale"));
    assert_eq!((&said["verdict"], code), (&json!("unknown"), Some(2)));
}

#[test]
fn a_heartbeat_that_is_not_heard_makes_the_verdict_unknown_and_is_never_an_incident() {
    let beats = Arc::new(AtomicBool::new(true));
    let server = Fake::start({
        let beats = beats.clone();
        move |request| {
            let beat = json!([{"labels": {"alertname": "Watchdog", "severity": "critical"}, "fingerprint": "1", "startsAt": "2026-01-01T00:00:00Z"}]);
            let heard = beats.load(Ordering::Relaxed) && request.contains("/alerts");
            Say::json(if heard { beat.to_string() } else { "[]".to_owned() })
        }
    });
    let home = TempDir::new().unwrap();
    let heartbeat = "heartbeat = 'alertname=\"Watchdog\"'";
    configure(home.path(), &format!("[[source]]\nname = \"am\"\nkind = \"alertmanager\"\nurl = \"{}\"\n{heartbeat}\n", server.url()));
    let look = || {
        let (said, code) = status(home.path());
        assert_eq!(said["incidents"], json!([]));
        let source = row(&said, "sources", "name", "am");
        (said["verdict"].clone(), code, source["state"].clone(), source["error"]["class"].clone())
    };
    assert_eq!(look(), (json!("ok"), Some(0), json!("fresh"), Value::Null));
    beats.store(false, Ordering::Relaxed);
    assert_eq!(look(), (json!("unknown"), Some(2), json!("failing"), json!("heartbeat")));
    let text = String::from_utf8(run(home.path(), &["status"]).stdout).unwrap();
    assert!(text.starts_with("unknown ") && text.contains("heartbeat"), "{text}");
    beats.store(true, Ordering::Relaxed);
    assert_eq!(look(), (json!("ok"), Some(0), json!("fresh"), Value::Null));
}

#[test]
fn an_alert_that_burned_before_anyone_looked_is_as_old_as_the_store_tells() {
    let home = TempDir::new().unwrap();
    let shop = Shop::unseen(home.path());
    let mut cockpit = Cockpit::start(&shop.config, Clock::system());
    let told = cockpit.wait_for("a page with an age", |s| s.incidents.iter().any(|i| i.severity.pages() && i.since.is_some()));
    let since = told.incidents[0].since.unwrap();
    let ago = shop.fleet.started_at() - since;
    assert!(TimeDelta::minutes(10) < ago && ago <= TimeDelta::minutes(20), "{ago}");
}
