//! Figures against a real Prometheus: what we show is what the same expression gives there, a thousand SLOs cost no more questions than
//! ten, and what becomes of the figures while it is gone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use burnwatch::{
    config::{Vocabulary, load_text},
    domain::{AckPolicy, Actor, Freshness, Plan, Snapshot, State, StoreState},
    engine::{self, Clock, Running, Setup},
    sources::registry::{self, KINDS},
    store::Holder,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use support::{
    configure,
    fake::{Fake, Say},
    poll,
    pty::Pty,
    row,
    server::{Prometheus, backfill},
    status,
};
use tempfile::TempDir;

const WINDOWS: [&str; 8] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"];
const OBJECTIVE: f64 = 0.999;
const QUIET: &str = "global: {scrape_interval: 15s}\n";

fn unix(at: &Value) -> f64 {
    let at: DateTime<Utc> = at.as_str().unwrap_or_else(|| panic!("{at} is no time")).parse().unwrap();
    at.timestamp_millis() as f64 / 1e3
}

/// When the counters are sampled: from `back` seconds ago on every five minutes, in the last seven hours every minute, and on into the
/// coming half hour, so that they are never old while the test runs.
fn times(back: i64) -> impl Iterator<Item = i64> + Clone {
    let now = Utc::now().timestamp() / 60 * 60;
    let (begin, fine, end) = (now - back, now - 7 * 3_600, now + 1_800);
    (begin..end).step_by(60).filter(move |at| *at >= fine || (at - begin) % 300 == 0)
}

/// Writes one counter: its value at each time.
fn counter(out: &mut String, series: &str, times: impl Iterator<Item = i64>, value: impl Fn(i64) -> f64) {
    for at in times {
        writeln!(out, "{series} {} {at}", value(at)).unwrap();
    }
}

/// Three days of fifty services. Each has its own rates; every seventh burns since two hours ago; one died three hours ago; one has no
/// requests.
fn fifty_services(out: &mut String) {
    let times = times(3 * 86_400);
    let begin = times.clone().next().unwrap();
    let now = Utc::now().timestamp();
    for n in 0..50_i64 {
        let series = |code| format!("http_requests_total{{service=\"svc-{n:02}\",code=\"{code}\"}}");
        let times = times.clone().filter(move |at| n != 10 || *at < now - 3 * 3_600);
        let (good, bad) = ((50 + n) as f64, 0.01 + n as f64 * 0.001);
        let minutes = move |at: i64| if n == 20 { 0.0 } else { (at - begin) as f64 / 60.0 };
        let burst = move |at: i64| if n % 7 == 0 { (at - (now - 7_200)).max(0) as f64 / 60.0 } else { 0.0 };
        counter(out, &series("200"), times.clone(), |at| 5_000.0 + minutes(at) * good);
        counter(out, &series("503"), times, |at| 40.0 + minutes(at) * bad + burst(at) * good * 0.05);
    }
}

/// Half an hour of counters of two fleets: ten services and a thousand.
fn two_fleets(out: &mut String) {
    let recent = Utc::now().timestamp() - 1_800;
    for (fleet, services) in [("small", 10), ("large", 1_000)] {
        for n in 0..services {
            for (code, rate) in [("200", 1.0), ("503", 0.001)] {
                let series = format!("rpc_total{{fleet=\"{fleet}\",service=\"{fleet}-{n}\",code=\"{code}\"}}");
                counter(out, &series, times(7 * 3_600).filter(|at| *at > recent), |at| (at - recent) as f64 * rate);
            }
        }
    }
}

fn slo(metric: &str, matchers: &str) -> String {
    format!(
        "[[slo]]\nname = \"availability\"\nby = [\"service\"]\nsource = \"prom\"\nobjective = \"99.9%\"\n\
         good = '{metric}{{code!~\"5..\"{matchers}}}'\ntotal = '{metric}{{{}}}'\n",
        matchers.trim_start_matches(',')
    )
}

fn source(prometheus: &Prometheus, more: &str) -> String {
    format!("[[source]]\nname = \"prom\"\nkind = \"prometheus\"\nurl = \"{}\"\n{more}\n\n", prometheus.server.url())
}

fn close(ours: &Value, theirs: f64, what: &str) {
    let ours = ours.as_f64().unwrap_or_else(|| panic!("{what}: we have {ours}, Prometheus {theirs}"));
    assert!((ours - theirs).abs() <= 1e-9 * ours.abs().max(theirs.abs()), "{what}: we have {ours}, Prometheus {theirs}");
}

/// Every figure of `said` is what Prometheus answers to the same question for the same instant.
fn same_as_prometheus(prometheus: &Prometheus, said: &Value) -> usize {
    let mut theirs: BTreeMap<(&str, String), BTreeMap<String, f64>> = BTreeMap::new();
    let mut compared = 0;
    for slo in said["slos"].as_array().unwrap() {
        let service = slo["service"].as_str().unwrap();
        if !["ok", "warning", "critical"].contains(&slo["state"].as_str().unwrap()) {
            continue;
        }
        for window in WINDOWS {
            let as_of = &slo["burn_as_of"][window];
            let values = theirs.entry((window, as_of.to_string())).or_insert_with(|| {
                let side = |matchers| format!("sum by (service) (increase(http_requests_total{matchers}[{window}]))");
                let ratio = format!("(1 - {} / {}) / (1 - {OBJECTIVE})", side("{code!~\"5..\"}"), side(""));
                prometheus.values(&ratio, unix(as_of), "service")
            });
            close(&slo["burn"][window], values[service], &format!("{service} burn over {window}"));
            compared += 1;
            if window == "30d" {
                close(&json!(1.0 - slo["budget_left"].as_f64().unwrap()), values[service], &format!("{service} budget used"));
                let covered = slo["covered"].as_f64().unwrap();
                assert!((covered - 0.1).abs() < 0.006, "{service}: three days of thirty are not {covered}");
            }
        }
    }
    compared
}

/// What a status of one definition over a fleet asks.
fn questions_for(prometheus: &Prometheus, fleet: &str, services: usize) -> u64 {
    let home = TempDir::new().unwrap();
    configure(home.path(), &(source(prometheus, "") + &slo("rpc_total", &format!(",fleet=\"{fleet}\""))));
    let before = prometheus.questions();
    let (said, _) = status(home.path());
    assert_eq!(said["slos"].as_array().unwrap().len(), services);
    assert!(said["slos"].as_array().unwrap().iter().all(|slo| slo["burn"]["30m"].is_number()));
    prometheus.questions() - before
}

/// A burn as the screen writes it.
fn burn(value: &Value) -> String {
    let value = value.as_f64().unwrap();
    if value < 99.95 { format!("{value:.1}×") } else { format!("{value:.0}×") }
}

/// The screen shows of its worst SLO what `status` says of it: both read the same snapshot.
fn same_on_screen(home: &Path) {
    let mut cockpit = Pty::burnwatch(home, &[], 160, 50);
    cockpit.wait_for_text("svc-");
    let same = poll(|| {
        let (said, _) = status(home);
        let worst = said["slos"].as_array()?.iter().find(|slo| slo["state"] == "critical")?.clone();
        let text = cockpit.text();
        let line = text.lines().find(|l| l.contains(worst["service"].as_str().unwrap()) && l.contains("99.9%"))?;
        ["5m", "1h", "6h", "3d"].iter().all(|w| line.contains(&burn(&worst["burn"][w]))).then_some(())
    });
    assert!(same.is_some(), "{:#}\n{}", status(home).0["slos"][0], cockpit.text());
    cockpit.send("q");
    assert!(cockpit.wait_exit().success());
}

#[test]
#[ignore = "needs prometheus, promtool"]
fn figures_are_those_of_prometheus_and_a_thousand_slos_ask_no_more_than_ten() {
    let data = TempDir::new().unwrap();
    let mut text = String::from("# TYPE http_requests counter\n");
    fifty_services(&mut text);
    text.push_str("# TYPE rpc counter\n");
    two_fleets(&mut text);
    backfill(data.path(), &text);
    let prometheus = Prometheus::start(data.path(), QUIET);

    let home = TempDir::new().unwrap();
    configure(home.path(), &(source(&prometheus, "") + &slo("http_requests_total", "")));
    let (said, code) = status(home.path());
    assert_eq!(said["slos"].as_array().unwrap().len(), 50);
    assert_eq!(same_as_prometheus(&prometheus, &said), 48 * WINDOWS.len());
    let burning = row(&said, "slos", "service", "svc-07");
    assert_eq!((&burning["state"], &burning["alerts"][0]["severity"]), (&json!("critical"), &json!("page")), "{burning:#}");
    assert_eq!((&said["verdict"], code), (&json!("critical"), Some(1)));
    for (service, state) in [("svc-10", "no_data"), ("svc-20", "no_traffic")] {
        let absent = row(&said, "slos", "service", service);
        assert_eq!((&absent["state"], &absent["budget_left"]), (&json!(state), &Value::Null), "{absent:#}");
        assert!(absent["burn"].as_object().unwrap().values().all(Value::is_null), "{absent:#}");
    }
    same_on_screen(home.path());

    let (ten, thousand) = (questions_for(&prometheus, "small", 10), questions_for(&prometheus, "large", 1_000));
    assert_eq!((ten, thousand), (9, 9), "one for each window, one for presence");
}

/// An engine on this configuration, without a store.
fn engine(toml: &str) -> Running {
    let words = Vocabulary { kinds: &KINDS, themes: &[] };
    let loaded = load_text(Path::new("test.toml"), toml, &words, registry::read).unwrap();
    let config = &loaded.config;
    let plan = Plan {
        groups: Vec::new(),
        name: config.cockpit.name.clone(),
        time_zone: config.cockpit.time_zone,
        sources: loaded.sources.iter().map(|r| r.plan.clone()).collect(),
        definitions: config.definitions.clone(),
        services: config.services.clone(),
        people: Vec::new(),
        rotations: Vec::new(),
        feeds: Vec::new(),
        runbooks: std::sync::Arc::default(),
        queues: Vec::new(),
        gauges: Vec::new(),
        ack: AckPolicy { max: config.cockpit.ack_max },
        read_only: false,
    };
    let sources = loaded.sources.iter().map(|row| row.source(&config.definitions, &config.gauges).unwrap()).collect();
    let me = Actor { name: "maya".into(), verified: true };
    let holder = Holder { id: "test".into(), name: "test".into(), pid: std::process::id() };
    let state = StoreState::default();
    let setup = Setup {
        plan: Arc::new(plan),
        sources,
        store: None,
        state: state.clone(),
        me,
        holder,
        clock: Clock::system(),
        program: env!("CARGO_BIN_EXE_burnwatch").into(),
        librarian: engine::Librarian::of(Default::default),
    };
    engine::start(setup, || (None, state)).unwrap()
}

/// Waits for a snapshot as wished.
fn wait(running: &Running, what: &str, wished: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let found = poll(|| Some(Arc::clone(&running.snapshots.borrow())).filter(|s| wished(s)));
    found.unwrap_or_else(|| {
        let last = running.snapshots.borrow();
        let slos: Vec<_> = last.slos.iter().map(|r| (&r.id, r.state, r.presence_as_of, r.last_sample)).collect();
        let sources: Vec<_> = last.sources.iter().map(|s| (&s.name, s.state, &s.fault)).collect();
        panic!("waited for {what} and have at {}: {slos:#?} {sources:#?}", last.at)
    })
}

fn state(snapshot: &Snapshot, id: &str) -> Option<State> {
    snapshot.slos.iter().find(|r| r.id.as_str() == id).map(|r| r.state)
}

fn freshness(snapshot: &Snapshot, name: &str) -> Option<Freshness> {
    snapshot.source(&name.into()).map(|s| s.state)
}

/// An Alertmanager with one alert, and a page whose counters grow with each look.
fn others() -> Fake {
    let looks = AtomicU32::new(1);
    Fake::start(move |request| {
        if request.contains("/alerts") {
            return Say::json(r#"[{"labels":{"alertname":"Slow"},"fingerprint":"1","startsAt":"2026-01-01T00:00:00Z"}]"#);
        }
        if request.contains("/api/v2/") {
            return Say::json("[]");
        }
        let looks = looks.fetch_add(1, Ordering::Relaxed);
        Say::page(format!("hits_total{{code=\"200\"}} {}\nhits_total{{code=\"500\"}} 0\n", looks * 100))
    })
}

#[test]
#[ignore = "needs prometheus, promtool"]
fn a_prometheus_that_dies_turns_its_own_figures_stale_in_time_and_they_come_back_by_themselves() {
    let (data, others) = (TempDir::new().unwrap(), others());
    let mut text = String::from("# TYPE rpc counter\n");
    two_fleets(&mut text);
    backfill(data.path(), &text);
    let mut prometheus = Prometheus::start(data.path(), QUIET);
    let other = |kind: &str, page: &str| {
        format!("[[source]]\nname = \"{kind}\"\nkind = \"{kind}\"\nurl = \"{}{page}\"\nevery = \"1s\"\n\n", others.url())
    };
    let hits = "[[slo]]\nname = \"hits\"\nservice = \"shop\"\nsource = \"scrape\"\nobjective = \"99%\"\n\
                good = 'hits_total{code!~\"5..\"}'\ntotal = 'hits_total'\n\n";
    let config = source(&prometheus, "every = \"2s\"\ntimeout = \"1s\"")
        + &other("alertmanager", "")
        + &other("scrape", "/metrics")
        + hits
        + &slo("rpc_total", ",fleet=\"small\"");
    let running = engine(&config);
    let ours = "small-3/availability";
    let well = |s: &Snapshot| {
        let states = [state(s, ours), state(s, "shop/hits")].map(|s| s.is_some_and(|s| s != State::Unknown && s != State::Stale));
        states == [true, true] && s.sources.iter().all(|s| s.state == Freshness::Fresh)
    };
    let before = wait(&running, "figures of all", well);
    let unchanged = |s: &Snapshot| {
        let alerts = |s: &Snapshot| s.incidents.iter().map(|i| (i.id.clone(), i.stale, i.status)).collect::<Vec<_>>();
        assert_eq!(state(s, "shop/hits"), state(&before, "shop/hits"));
        assert_eq!(["alertmanager", "scrape"].map(|name| freshness(s, name)), [Some(Freshness::Fresh); 2]);
        assert_eq!(alerts(s), alerts(&before));
    };

    prometheus.server.kill();
    let killed = Utc::now();
    let stale = wait(&running, "stale figures", |s| {
        unchanged(s);
        state(s, ours) == Some(State::Stale)
    });
    // Two intervals and the deadline; the rest is for a busy machine.
    let limit = TimeDelta::seconds(2 + 2 + 1);
    assert!(stale.at - killed <= limit + TimeDelta::milliseconds(400), "stale {} after the end", stale.at - killed);
    assert_eq!(freshness(&stale, "prom"), Some(Freshness::Failing));
    assert!(stale.slos.iter().filter(|r| r.definition.source.as_str() == "prom").all(|r| r.state == State::Stale));
    let figures = |s: &Snapshot| s.slos.iter().find(|r| r.id.as_str() == ours).map(|r| r.figures.len());
    assert_eq!(figures(&stale), Some(WINDOWS.len()), "the last good figures stay");

    prometheus.server.start_again();
    let back = wait(&running, "figures again", |s| {
        unchanged(s);
        well(s)
    });
    assert_eq!(state(&back, ours), state(&before, ours));
    running.stop();
}
