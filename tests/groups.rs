//! One trouble that several sources tell of: one incident, one act on it, and each source hears what it should, no more.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use burnwatch::{
    domain::{Act, Delivery, Request, Snapshot, Verb},
    engine::Clock,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use support::{
    alertmanager::Alertmanager as Fake,
    cockpit::Cockpit,
    exporter::Exporter,
    fake::{Fake as Hook, Say},
    pagerduty::{KEY, PagerDuty},
    poll,
    pty::Pty,
    server::Alertmanager,
};
use tempfile::TempDir;

/// A config with these sources beside the page of counters, in which the one who runs the tests is maya where the system can tell.
fn config(home: &Path, exporter: &Exporter, sources: &str) -> PathBuf {
    let file = exporter.config(home);
    let (page, login) = (fs::read_to_string(&file).unwrap(), support::login());
    let people = format!("[[person]]\nname = \"maya\"\nlogin = \"{login}\"\nemail = \"maya@acme.example\"\n");
    fs::write(&file, format!("{page}{people}{sources}")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

fn source(name: &str, kind: &str, url: &str, more: &str) -> String {
    format!("[[source]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"{url}\"\nevery = \"1s\"\n{more}\n")
}

/// An alert as it is sent to an Alertmanager: still firing, or over.
fn alert(name: &str, service: &str, instance: &str, over: bool) -> Value {
    let end = if over { Utc::now() - TimeDelta::seconds(1) } else { Utc::now() + TimeDelta::hours(1) };
    json!({
        "labels": {"alertname": name, "service": service, "severity": "critical", "instance": instance},
        "annotations": {"summary": format!("{name} on {service}")},
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": end.to_rfc3339(),
    })
}

/// What an Alertmanager tells of in a webhook: opens and closes the incident of that group in the account, as the integration does.
fn forward(pagerduty: &PagerDuty, request: &str) -> Say {
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    let (key, first) = (body["groupKey"].as_str().unwrap().to_owned(), &body["alerts"][0]["labels"]);
    let mut account = pagerduty.account();
    let known = account.incidents.iter().find(|i| i["incident_key"] == key.as_str() && i["status"] != "resolved");
    let known = known.map(|i| i["id"].as_str().unwrap().to_owned());
    match (body["status"].as_str(), known) {
        (Some("resolved"), Some(id)) => account.resolve(&id),
        (Some("firing"), None) => {
            let id = account.open(&format!("[FIRING:1] {}", first["alertname"].as_str().unwrap()));
            let told = |text: String, (name, value): (&String, &Value)| text + " - " + name + " = " + value.as_str().unwrap() + "\n";
            let labels = first.as_object().unwrap().iter().fold(String::new(), told);
            let incident = account.incident(&id);
            incident["incident_key"] = json!(key);
            incident["first_trigger_log_entry"]["channel"]["details"] = json!({"firing": format!("Labels:\n{labels}Annotations:\n")});
        }
        _ => {}
    }
    Say::ok("text/plain", "")
}

/// So many requests, of which all after the first thousand failed.
fn counters(total: u32) -> String {
    format!("good_total{{service=\"checkout\"}} 1000\nall_total{{service=\"checkout\"}} {total}\n")
}

fn incidents(home: &Path, config: &Path) -> Vec<Value> {
    let output = support::burnwatch(home, &["--config", config.to_str().unwrap(), "status", "--json"]).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    status["incidents"].as_array().unwrap().clone()
}

#[test]
#[ignore = "needs alertmanager"]
fn what_pagerduty_an_alertmanager_and_a_rule_of_ours_tell_is_one_incident_that_one_key_takes() {
    let (home, exporter, pagerduty) = (TempDir::new().unwrap(), Exporter::start(), Arc::new(PagerDuty::start()));
    let theirs = Arc::clone(&pagerduty);
    let hook = Hook::start(move |request| forward(&theirs, request));
    let alertmanager = Alertmanager::with(&format!(
        "route: {{receiver: hook, group_by: [alertname, service], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: '{}', send_resolved: true}}]}}]\n",
        hook.url()
    ));
    let sources = source("am", "alertmanager", &alertmanager.server.url(), "ack_for = \"4s\"")
        + &source("pd", "pagerduty", &pagerduty.url(), &format!("token = \"{KEY}\""));
    let config = config(home.path(), &exporter, &sources);
    exporter.serve(counters(1_000));
    let mut cockpit = Pty::burnwatch(home.path(), &["--as", "maya", "--config", config.to_str().unwrap()], 80, 24);
    cockpit.wait_for_text("checkout");
    exporter.serve(counters(3_000));
    alertmanager.fire(&json!([alert("HighErrors", "checkout", "web-1", false)]));
    cockpit.wait_for_text("1 page");
    let whole = |rows: &[Value]| rows.len() == 1 && rows[0]["count"] == 3;
    let rows = poll(|| Some(incidents(home.path(), &config)).filter(|rows| whole(rows)));
    let rows = rows.unwrap_or_else(|| panic!("{:#?}", incidents(home.path(), &config)));
    assert_eq!(rows[0]["sources"].as_array().unwrap().len(), 3, "{:#}", rows[0]);
    assert_eq!((&rows[0]["id"], &rows[0]["severity"]), (&json!("checkout/availability:page"), &json!("P1")));

    // From the start to the worst incident acknowledged: at most four keys.
    cockpit.wait_for("one incident for three", |s| s.contents().contains("1 open of 3") || s.contents().contains("1 of 3 alerts open"));
    cockpit.send("a");
    cockpit.wait_for_text("in pd, in your name there");
    cockpit.wait_for_text("nothing is silenced in am");
    cockpit.send("\r");
    let held = poll(|| (pagerduty.account().incidents[0]["status"] == "acknowledged").then_some(()));
    assert!(held.is_some(), "{}", cockpit.text());
    let writes = pagerduty.writes();
    assert!(writes.len() == 1 && writes[0].from() == Some("maya@acme.example"), "{writes:#?}");
    let held = poll(|| Some(incidents(home.path(), &config)).filter(|rows| rows.len() == 1 && rows[0]["status"] == "acknowledged"));
    let held = held.unwrap_or_else(|| panic!("{:#?}", incidents(home.path(), &config)));
    let by = |member: &Value| member["acknowledged"]["by"].as_str().unwrap().starts_with("maya");
    assert!(held[0]["members"].as_array().unwrap().iter().all(by), "{:#}", held[0]);
    assert_eq!(held[0]["acknowledged"]["source"], "pd", "the row tells which source took it: {:#}", held[0]);
    assert_eq!(alertmanager.silences(), Vec::<Value>::new());
    let journal = support::burnwatch(home.path(), &["--config", config.to_str().unwrap(), "audit", "list"]).output().unwrap();
    let journal = String::from_utf8(journal.stdout).unwrap();
    assert!(journal.lines().count() == 2 && journal.contains("  ack  checkout/availability:page"), "{journal}");

    // It clears where it fires: the Alertmanager, which nobody silenced, says so, and PagerDuty closes by itself.
    alertmanager.fire(&json!([alert("HighErrors", "checkout", "web-1", true)]));
    let closed = poll(|| (pagerduty.account().incidents[0]["status"] == "resolved").then_some(()));
    assert!(closed.is_some(), "{:#?}", hook.asked());
    let rest = poll(|| Some(incidents(home.path(), &config)).filter(|rows| rows.len() == 1 && rows[0]["count"] == 1));
    let rest = rest.unwrap_or_else(|| panic!("{:#?}", incidents(home.path(), &config)));
    assert_eq!(
        (&rest[0]["status"], &rest[0]["acknowledged"]["source"]),
        (&json!("acknowledged"), &Value::Null),
        "the rule of ours is held on"
    );
    cockpit.send("q");
    cockpit.wait_exit();
}

/// A cockpit in the test's own process, at a time that the test can move on.
struct Rig {
    cockpit: Cockpit,
    ahead: Arc<AtomicI64>,
}

impl Rig {
    fn start(config: &Path) -> Self {
        let ahead = Arc::<AtomicI64>::default();
        let secs = Arc::clone(&ahead);
        let clock = Clock::of(move || Utc::now() + TimeDelta::seconds(secs.load(Ordering::Relaxed)));
        Self { cockpit: Cockpit::start(config, clock), ahead }
    }
    fn ask(&self, seen: &Snapshot, id: &str, verb: Verb) {
        let incident = seen.meant(&id.into()).unwrap();
        self.cockpit.ask(Request::Act(Act { incident: incident.id.clone(), seen: incident.version, verb, by: None }));
    }
    /// Lets so much time pass, once everything that is known now has been looked at.
    fn pass(&mut self, secs: i64) {
        let polled = |s: &Snapshot| s.sources.iter().filter(|s| s.kind == "alertmanager").filter_map(|s| s.last_success).min();
        let before = polled(&self.cockpit.wait_for("a poll", |s| polled(s).is_some()));
        self.cockpit.wait_for("another poll", |s| polled(s) > before);
        self.ahead.fetch_add(secs, Ordering::Relaxed);
    }
    fn wait_until_held(&mut self, id: &str) -> Arc<Snapshot> {
        let done = |s: &Snapshot| s.meant(&id.into()).and_then(|i| i.ack.clone()).is_some_and(|ack| ack.delivery == Delivery::Done);
        self.cockpit.wait_for("its acknowledgement", done)
    }
}

fn active(alertmanager: &Alertmanager) -> Vec<Value> {
    alertmanager.silences().into_iter().filter(|s| s["status"]["state"] == "active").collect()
}

#[test]
#[ignore = "needs alertmanager"]
fn a_group_that_only_an_alertmanager_knows_is_silenced_as_one_while_it_fires() {
    let (home, exporter, alertmanager) = (TempDir::new().unwrap(), Exporter::start(), Alertmanager::start());
    let file = config(home.path(), &exporter, &source("am", "alertmanager", &alertmanager.server.url(), "ack_for = \"4s\""));
    exporter.serve("");
    let all = |over: [bool; 3]| {
        let web = ["web-1", "web-2", "web-3"].iter().zip(over).map(|(instance, over)| alert("HighErrors", "checkout", instance, over));
        json!(web.chain([alert("HighErrors", "search", "web-1", false)]).collect::<Vec<_>>())
    };
    alertmanager.fire(&all([false; 3]));
    let mut rig = Rig::start(&file);
    let seen = rig.cockpit.wait_for("two incidents", |s| s.incidents.len() == 2 && s.incidents.iter().any(|i| i.count() == 3));
    rig.ask(&seen, "checkout/HighErrors", Verb::Acknowledge { note: None });
    rig.wait_until_held("checkout/HighErrors");
    let made = active(&alertmanager);
    assert_eq!(made.len(), 1, "one on what they have in common, which covers nothing else: {made:#?}");
    let names: Vec<_> = made[0]["matchers"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["alertname", "service", "severity"]);
    let suppressed = alertmanager.alerts().iter().filter(|a| a["status"]["state"] == "suppressed").count();
    assert_eq!(suppressed, 3);

    // Held on while any of it fires.
    alertmanager.fire(&all([true, false, true]));
    let end = |s: &Value| s["endsAt"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let (id, first) = (made[0]["id"].clone(), end(&made[0]));
    let extended = poll(|| active(&alertmanager).iter().any(|s| s["id"] == id && end(s) > first + TimeDelta::seconds(4)).then_some(()));
    assert!(extended.is_some(), "{:#?}", alertmanager.silences());
    rig.cockpit.wait_for("one alert of it", |s| s.incidents.iter().any(|i| i.id.as_str().starts_with("am:") && i.ack.is_some()));

    // And gone when it clears.
    alertmanager.fire(&all([true; 3]));
    rig.cockpit.wait_for("it to be over", |s| s.incidents.len() == 1);
    rig.pass(80);
    let gone = poll(|| active(&alertmanager).is_empty().then_some(()));
    assert!(gone.is_some(), "{:#?}", alertmanager.silences());
    assert_eq!(alertmanager.silences().len(), 1, "no other was ever made");
}

/// Two clusters, in both of which the alert of service `s000` fires.
struct Clusters {
    both: [Fake; 2],
    rig: Rig,
    _home: TempDir,
}

impl Clusters {
    fn start(more: &str) -> Self {
        let (home, exporter, both) = (TempDir::new().unwrap(), Exporter::start(), [Fake::start(1), Fake::start(1)]);
        exporter.serve("");
        let sources = source("eu", "alertmanager", &both[0].url(), "ack_for = \"10m\"")
            + &source("us", "alertmanager", &both[1].url(), "ack_for = \"10m\"");
        let file = config(home.path(), &exporter, &format!("{sources}{more}"));
        let mut rig = Rig::start(&file);
        rig.cockpit.wait_for("both alerts", |s| s.incidents.iter().map(|i| i.count()).sum::<usize>() == 2);
        Self { both, rig, _home: home }
    }
    fn standing(&self) -> [usize; 2] {
        self.both.each_ref().map(|am| am.book().standing().len())
    }
}

#[test]
fn what_is_done_in_one_cluster_never_reaches_another() {
    let mut clusters = Clusters::start("");
    let seen = clusters.rig.cockpit.wait_for("one row", |s| s.incidents.len() == 1);
    // One member by its name.
    clusters.rig.ask(&seen, "us:f000", Verb::Acknowledge { note: None });
    let seen = clusters.rig.wait_until_held("us:f000");
    assert_eq!(clusters.standing(), [0, 1]);
    let row = &seen.incidents[0];
    assert!(row.ack.is_none() && row.partly_held().is_some_and(|(held, _)| held == 1), "half of it is held: {row:#?}");
    // The rest by the group's.
    clusters.rig.ask(&seen, "s000/HighErrors", Verb::Acknowledge { note: None });
    let seen = clusters.rig.wait_until_held("s000/HighErrors");
    assert_eq!(clusters.standing(), [1, 1]);
    // Given back, the newest first, and then the one before.
    clusters.rig.ask(&seen, "s000/HighErrors", Verb::Unacknowledge);
    clusters.both[0].wait_for(|book| book.standing().is_empty());
    assert_eq!(clusters.standing(), [0, 1]);
    let seen =
        clusters.rig.cockpit.wait_for("half of it", |s| s.incidents[0].ack.is_none() && s.threads.values().all(|t| t.open.is_empty()));
    clusters.rig.ask(&seen, "s000/HighErrors", Verb::Unacknowledge);
    clusters.both[1].wait_for(|book| book.standing().is_empty());
    assert_eq!(clusters.both.each_ref().map(|am| am.book().silences.len()), [1, 1]);
}

#[test]
fn one_act_on_two_clusters_lives_and_ends_in_each_by_itself() {
    let mut clusters = Clusters::start("");
    let seen = clusters.rig.cockpit.wait_for("one row", |s| s.incidents.len() == 1);
    clusters.rig.ask(&seen, "s000/HighErrors", Verb::Acknowledge { note: Some("on it".into()) });
    let seen = clusters.rig.wait_until_held("s000/HighErrors");
    assert_eq!(clusters.standing(), [1, 1]);
    let marks = clusters.both.each_ref().map(|am| am.book().standing()[0].mark().to_owned());
    let act = seen.threads[&"s000/HighErrors".into()].ack.as_ref().unwrap().act.clone().unwrap();
    assert_eq!(marks, [format!("{act}.1"), format!("{act}.2")]);
    // Somebody else takes it: both silences get their name.
    let verb = Verb::TakeOver { from: "cockpit".into(), note: None };
    clusters.rig.ask(&seen, "s000/HighErrors", verb);
    for am in &clusters.both {
        am.wait_for(|book| book.writes.len() == 2);
    }
    assert_eq!(clusters.standing(), [1, 1]);
    // It clears in one of them: what was there ends, the other is held on and extended.
    clusters.both[0].clear();
    let at_rest = |s: &Snapshot| s.threads.values().all(|t| t.open.is_empty());
    clusters.rig.cockpit.wait_for("one alert", |s| s.incidents.len() == 1 && s.incidents[0].count() == 1 && at_rest(s));
    clusters.rig.pass(80);
    clusters.both[0].wait_for(|book| book.standing().is_empty());
    clusters.rig.pass(5 * 60);
    clusters.both[1].wait_for(|book| book.writes.len() == 3);
    assert_eq!(clusters.standing(), [0, 1]);
    // Given back, nothing is left.
    let seen =
        clusters.rig.cockpit.wait_for("the extension", |s| s.threads.values().all(|t| t.open.is_empty()) && s.incidents[0].ack.is_some());
    let id = seen.incidents[0].id.to_string();
    clusters.rig.ask(&seen, &id, Verb::Unacknowledge);
    clusters.both[1].wait_for(|book| book.standing().is_empty());
    clusters.rig.cockpit.wait_for("its end", |s| s.incidents[0].ack.is_none() && s.threads.values().all(|t| t.ack.is_none()));
}

/// What one cluster refuses the other one still has, and the row says how much of it is held.
#[test]
fn what_one_place_refuses_is_said_and_the_other_is_held() {
    let mut clusters = Clusters::start("");
    let seen = clusters.rig.cockpit.wait_for("one row", |s| s.incidents.len() == 1);
    clusters.both[1].refuse(Some("403 Forbidden"));
    clusters.rig.ask(&seen, "s000/HighErrors", Verb::Acknowledge { note: None });
    let end = clusters
        .rig
        .cockpit
        .wait_for("the refusal", |s| s.toasts.iter().any(|t| t.failure) && s.threads.values().all(|t| t.open.is_empty()));
    assert_eq!(clusters.standing(), [1, 0]);
    let held: Vec<_> = end.incidents[0].parts().map(|p| p.ack.as_ref().map(|a| a.delivery)).collect();
    assert!(held.contains(&Some(Delivery::Done)) && held.contains(&Some(Delivery::Failed)), "{held:?}");
    let text = end.toasts.iter().find(|t| t.failure).unwrap().text.to_string();
    assert!(text.contains("us: ") && text.contains("403"), "{text}");
}

/// Two thousand alerts of seven causes on eight services, from a real Alertmanager: the worst on top, each row says of how many it is
/// made, columns stand straight also without colours and in ASCII, and the room of a group has more to say than its alerts.
#[test]
#[ignore = "needs alertmanager"]
fn a_storm_of_two_thousand_alerts_stays_readable() {
    let (home, exporter, alertmanager) = (TempDir::new().unwrap(), Exporter::start(), Alertmanager::start());
    let file = config(home.path(), &exporter, &source("am", "alertmanager", &alertmanager.server.url(), ""));
    exporter.serve("");
    let causes = ["DiskFull", "HighLatency", "PodCrashLooping", "NodeDown", "QueueGrows", "HighErrors", "KafkaConsumerGroupLagTooHigh"];
    let storm: Vec<_> = (0..2_000_usize)
        .map(|n| {
            let (cause, service) = (causes[n % 7], format!("service-{}", n / 7 % 8));
            let mut one = alert(cause, &service, &format!("web-{n:04}.eu-central-1.compute.internal:9100"), false);
            one["labels"]["severity"] = json!(if n % 7 < 3 { "warning" } else { "critical" });
            one["annotations"]["summary"] = json!(format!("{cause} on web-{n:04}"));
            one["startsAt"] = json!((Utc::now() - TimeDelta::minutes(5 + n as i64 * 37 % 300)).to_rfc3339());
            one
        })
        .collect();
    storm.chunks(500).for_each(|some| alertmanager.fire(&json!(some)));
    let row =
        regex::Regex::new(r"^.[●!] P1 service-\d  *(NodeDown|QueueGrows|HighErrors|KafkaCons\S*) [·.*-] 3[56] alerts .*\dh\d\dm  unacked")
            .unwrap();
    let of = regex::Regex::new(r"would hold back 3[56] of 2,000 present alerts").unwrap();
    for (size, environment) in [((80, 24), vec![]), ((120, 36), vec![("NO_COLOR", "1"), ("LC_ALL", "C")]), ((200, 50), vec![])] {
        let mut command = portable_pty::CommandBuilder::new(env!("CARGO_BIN_EXE_burnwatch"));
        command.args(["--config", file.to_str().unwrap()]);
        for (name, value) in environment {
            command.env(name, value);
        }
        let mut pty = Pty::start(home.path(), command, size.0, size.1);
        pty.wait_for_text("56 of 2,000 alerts");
        pty.send("3");
        pty.wait_for("the worst groups on top, in columns", |screen| {
            let text = screen.contents();
            let rows: Vec<_> = text.lines().skip_while(|line| !line.contains(" alerts open ")).skip(2).take(12).collect();
            let ends: std::collections::BTreeSet<_> =
                rows.iter().filter_map(|line| Some(line[..line.find("  unacked")?].chars().count())).collect();
            rows.len() == 12 && rows.iter().all(|line| row.is_match(line)) && ends.len() == 1
        });
        // Some alerts, then what happened; the others are at the end.
        pty.send("\r");
        pty.wait_for("a room that is more than a list", |screen| {
            let text = screen.contents();
            text.contains(" more, at the end of this page") && (size.1 < 30 || text.contains(" what happened "))
        });
        // What a silence would hold back is counted before it is sent, and alike alerts are told once.
        pty.send("S");
        pty.wait_for("what it would cover", |screen| {
            let text = screen.contents();
            of.is_match(&text) && text.matches(" alerts").count() == 2
        });
        pty.send("\x1b");
        pty.wait_for_text(" more, at the end of this page");
        pty.send("G");
        pty.wait_for("its last alerts", |screen| {
            let text = screen.contents();
            !text.contains(" more below") && text.matches("instance=web-").count() > 8
        });
        pty.send("q");
        pty.wait_exit();
    }
}
