//! Silences on a real Alertmanager, by command: made and ended, counted before they are sent, named when they hold back nothing or are
//! there twice; and an acknowledgement that changes its owner.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{path::Path, process::Output};

use serde_json::{Value, json};
use support::{configure, http, poll, pty::Pty, row, run, server::Alertmanager, status};
use tempfile::TempDir;

/// A home whose cockpit watches these Alertmanagers.
fn home(all: &[(&str, &Alertmanager)]) -> TempDir {
    let home = TempDir::new().unwrap();
    let row = |(name, am): &(&str, &Alertmanager)| {
        format!("[[source]]\nname = \"{name}\"\nkind = \"alertmanager\"\nurl = \"{}\"\nevery = \"1s\"\n", am.server.url())
    };
    configure(home.path(), &all.iter().map(row).collect::<String>());
    home
}

fn alert(name: &str, service: &str) -> Value {
    json!({
        "labels": {"alertname": name, "service": service, "severity": "critical", "path": "/a \"b\" \\c.*|d"},
        "annotations": {"summary": format!("{name} on {service}")},
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z",
    })
}

fn three(alertmanager: &Alertmanager) {
    alertmanager.fire(&json!([alert("Slow", "checkout"), alert("Slow", "checkout-eu"), alert("Slow", "search")]));
}

fn incident(home: &Path, service: &str) -> String {
    let found = poll(|| {
        let all = status(home).0["incidents"].as_array()?.clone();
        all.into_iter().find(|i| i["service"] == service)?["id"].as_str().map(str::to_owned)
    });
    found.unwrap_or_else(|| panic!("no incident on {service}: {:#}", status(home).0))
}

fn suppressed(alertmanager: &Alertmanager) -> Vec<String> {
    let held = alertmanager.alerts().into_iter().filter(|a| a["status"]["state"] == "suppressed");
    let mut services: Vec<_> = held.map(|a| a["labels"]["service"].as_str().unwrap_or_default().to_owned()).collect();
    services.sort();
    services
}

fn active(alertmanager: &Alertmanager) -> Vec<Value> {
    alertmanager.silences().into_iter().filter(|s| s["status"]["state"] == "active").collect()
}

fn said(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `silence list --json` says.
fn held(home: &Path) -> Vec<Value> {
    let output = run(home, &["silence", "list", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    said(&output)["holds"].as_array().unwrap().clone()
}

/// Made by another tool.
fn by_hand(alertmanager: &Alertmanager, comment: &str, matchers: &Value) -> String {
    let silence = json!({
        "matchers": matchers, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2098-01-01T00:00:00Z", "createdBy": "jon", "comment": comment,
    });
    let answer = http::post(alertmanager.server.port, "/api/v2/silences", "application/json", &silence.to_string()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["silenceID"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs alertmanager"]
fn a_silence_is_counted_before_it_is_sent_made_once_and_expired() {
    let alertmanager = Alertmanager::start();
    three(&alertmanager);
    let home = home(&[("am", &alertmanager)]);
    incident(home.path(), "search");
    let wish = ["--matcher", "service=~\"check.*\"", "--matcher", "alertname!=\"Fast\"", "--for", "2h", "--comment", "known canary"];
    let dry = run(home.path(), &[&["silence"], &wish[..], &["--dry-run", "--json"]].concat());
    assert_eq!((dry.status.code(), alertmanager.silences().len()), (Some(0), 0), "{dry:?}");
    let covers = &said(&dry)["covers"];
    assert_eq!((&covers["alerts"], &covers["of"]), (&json!(2), &json!(3)), "{covers:#}");

    let made = run(home.path(), &[&["--as", "maya", "silence"], &wish[..], &["--json"]].concat());
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let there = alertmanager.silences();
    assert_eq!((there.len(), &said(&made)["receipt"]), (1, &there[0]["id"]));
    assert!(there[0]["comment"].as_str().unwrap().starts_with("known canary [bw:"), "{there:#?}");
    let negated = there[0]["matchers"].as_array().unwrap().iter().find(|m| m["name"] == "alertname").unwrap();
    assert_eq!((&negated["isEqual"], &negated["isRegex"], &negated["value"]), (&json!(false), &json!(false), &json!("Fast")));
    assert_eq!(suppressed(&alertmanager), ["checkout", "checkout-eu"], "as was counted");

    let rows = held(home.path());
    assert_eq!(rows.len(), 1);
    let told = ["kind", "state", "why"].map(|k| rows[0][k].as_str().unwrap());
    assert_eq!((told, &rows[0]["covers"]), (["silence", "holds", "known canary"], &json!(2)), "{rows:#?}");
    let id = rows[0]["id"].as_str().unwrap();
    let expired = run(home.path(), &["silence", "expire", id.get(..8).unwrap()]);
    assert_eq!((expired.status.code(), active(&alertmanager).len()), (Some(0), 0), "{expired:?}");
    assert_eq!(suppressed(&alertmanager), Vec::<String>::new());
    let gone = run(home.path(), &["silence", "expire", id]);
    assert_eq!((gone.status.code(), text(&gone.stderr).contains("no silence is called")), (Some(1), true), "{gone:?}");

    let journal = run(home.path(), &["audit", "list"]);
    let verbs: Vec<_> = text(&journal.stdout).lines().map(|l| l.split("  ").nth(2).unwrap().to_owned()).collect();
    assert_eq!(verbs, ["silence", "done", "expire", "done"], "intent and end of each");
}

#[test]
#[ignore = "needs alertmanager"]
fn a_silence_of_an_incident_asks_for_exactly_its_labels() {
    let alertmanager = Alertmanager::start();
    three(&alertmanager);
    let home = home(&[("am", &alertmanager)]);
    let id = incident(home.path(), "checkout");
    let made = run(home.path(), &["silence", &id, "--for", "1h", "--comment", "being rolled back"]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    assert!(text(&made.stdout).contains("holds back 1 of 3 alerts"), "{made:?}");
    assert_eq!(suppressed(&alertmanager), ["checkout"]);
    let (now, _) = status(home.path());
    let incident = row(&now, "incidents", "id", &id);
    assert_eq!((&incident["silenced"], &incident["status"], &incident["acknowledged"]), (&json!(true), &json!("triggered"), &Value::Null));
}

#[test]
#[ignore = "needs alertmanager"]
fn what_cannot_be_silenced_is_told_and_nothing_is_sent() {
    let (alertmanager, other) = (Alertmanager::start(), Alertmanager::start());
    three(&alertmanager);
    let home = home(&[("am", &alertmanager), ("am-2", &other)]);
    let id = incident(home.path(), "checkout");
    let rest = ["--for", "1h", "--comment", "x"];
    let cases: [(&[&str], i32, &str); 8] = [
        (&["--source", "am", "--matcher", "service=~\".*\""], 64, "would hold back everything"),
        (&["--source", "am", "--matcher", "service=~\"(\""], 64, "not a regular expression"),
        (&["--source", "am", "--matcher", "service"], 64, "stands one of"),
        (&["--matcher", "service=\"checkout\""], 64, "say with --source which"),
        (&["--source", "pd", "--matcher", "service=\"checkout\""], 64, "no Alertmanager named"),
        (&["nowhere"], 1, "no open incident"),
        (&[&id, "--matcher", "a=\"b\""], 64, "cannot be used with"),
        (&[], 64, "required"),
    ];
    for (args, code, words) in cases {
        let output = run(home.path(), &[&["silence"], args, &rest[..]].concat());
        assert_eq!((output.status.code(), text(&output.stderr).contains(words)), (Some(code), true), "{args:?} {output:?}");
    }
    let lacking = run(home.path(), &["silence", &id, "--for", "1h"]);
    assert_eq!((lacking.status.code(), text(&lacking.stderr).contains("--comment")), (Some(64), true), "a silence says why: {lacking:?}");
    let read_only = run(home.path(), &["--read-only", "silence", &id, "--for", "1h", "--comment", "x"]);
    assert_eq!(read_only.status.code(), Some(1), "{read_only:?}");
    assert!(alertmanager.silences().is_empty() && other.silences().is_empty());
    // Made in one, it does not reach the other.
    three(&other);
    let made = run(home.path(), &["silence", "--source", "am-2", "--matcher", "service=\"checkout\"", "--for", "1h", "--comment", "x"]);
    assert_eq!((made.status.code(), alertmanager.silences().len(), active(&other).len()), (Some(0), 0, 1), "{made:?}");
}

#[test]
#[ignore = "needs alertmanager"]
fn orphans_and_duplicates_are_named_and_what_ends_first_stands_first() {
    let alertmanager = Alertmanager::start();
    three(&alertmanager);
    let home = home(&[("am", &alertmanager)]);
    let matchers = json!([{"name": "service", "value": "search", "isRegex": false, "isEqual": true}]);
    let long = by_hand(&alertmanager, "until somebody looks", &matchers);
    let silence = |service: &str, span: &str| {
        let matcher = format!("service=\"{service}\"");
        let output = run(home.path(), &["silence", "--matcher", &matcher, "--for", span, "--comment", "x", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        said(&output)["receipt"].as_str().unwrap().to_owned()
    };
    let (twice, nothing) = (silence("search", "1h"), silence("nothing", "2h"));
    let rows = held(home.path());
    let order: Vec<_> = rows.iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(order, [twice.as_str(), &nothing, &long]);
    let states: Vec<_> = rows.iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!((states[0], &rows[0]["duplicate_of"]), ("duplicate", &json!(long)), "{rows:#?}");
    assert_eq!((&rows[1]["covers"], states[1], states[2]), (&json!(0), "orphaned", "holds"));
    // The alert goes: now the long one holds back nothing either.
    let mut over = alert("Slow", "search");
    over["endsAt"] = json!("2026-01-02T00:00:00Z");
    alertmanager.fire(&json!([over]));
    let orphan = poll(|| held(home.path()).into_iter().find(|r| r["id"] == long.as_str() && r["state"] == "orphaned"));
    assert!(orphan.is_some(), "{:#?}", held(home.path()));
    assert!(text(&run(home.path(), &["silence", "list"]).stdout).contains("duplicate"));
}

#[test]
#[ignore = "needs alertmanager"]
fn taking_over_is_asked_for_and_the_silence_changes_its_name_and_keeps_its_id() {
    let alertmanager = Alertmanager::start();
    three(&alertmanager);
    let home = home(&[("am", &alertmanager)]);
    let id = incident(home.path(), "checkout");
    assert_eq!(run(home.path(), &["--as", "maya", "ack", &id, "--note", "looking"]).status.code(), Some(0));
    let before = active(&alertmanager);
    let refused = run(home.path(), &["--as", "jon", "ack", &id]);
    assert_eq!((refused.status.code(), text(&refused.stderr).contains("take it over")), (Some(1), true), "{refused:?}");
    let taken = run(home.path(), &["--as", "jon", "ack", &id, "--take-over", "--note", "mine now", "--json"]);
    assert_eq!((taken.status.code(), &said(&taken)["receipt"]), (Some(0), &before[0]["id"]), "{taken:?}");
    let after = active(&alertmanager);
    assert_eq!((after.len(), &after[0]["id"], &after[0]["matchers"]), (1, &before[0]["id"], &before[0]["matchers"]));
    let comment = after[0]["comment"].as_str().unwrap();
    assert!(comment.starts_with("ACK! ") && comment.contains("mine now [bw:") && !comment.contains("looking"), "{comment}");
    let (now, _) = status(home.path());
    let held = &row(&now, "incidents", "id", &id)["acknowledged"];
    assert_eq!((&held["note"], &held["delivery"], &held["silence"]), (&json!("mine now"), &json!("done"), &after[0]["id"]), "{held:#}");
    assert_eq!(run(home.path(), &["unack", &id]).status.code(), Some(0));
    assert_eq!(active(&alertmanager), Vec::<Value>::new());
    let simply = run(home.path(), &["ack", &id, "--take-over"]);
    assert_eq!((simply.status.code(), active(&alertmanager).len()), (Some(0), 1), "nobody had it: it is simply taken");
}

#[test]
#[ignore = "needs alertmanager"]
fn an_acknowledgement_of_another_tool_is_taken_over_and_what_holds_more_stays() {
    let alertmanager = Alertmanager::start();
    three(&alertmanager);
    let home = home(&[("am", &alertmanager)]);
    let both = json!([{"name": "service", "value": "checkout.*", "isRegex": true, "isEqual": true}]);
    let theirs = by_hand(&alertmanager, "ACK! This alert was acknowledged using karma", &both);
    let id = incident(home.path(), "checkout");
    assert_eq!(row(&status(home.path()).0, "incidents", "id", &id)["acknowledged"]["by"], "jon");
    let taken = run(home.path(), &["ack", &id, "--take-over"]);
    assert_eq!(taken.status.code(), Some(0), "{taken:?}");
    assert_eq!(active(&alertmanager).len(), 2, "the other alert that it holds stays acknowledged");
    assert!(active(&alertmanager).iter().any(|s| s["id"] == theirs.as_str() && s["createdBy"] == "jon"));
    let (now, _) = status(home.path());
    let mine = &row(&now, "incidents", "id", &id)["acknowledged"];
    assert!(mine["by"] != "jon" && mine["silence"] != theirs.as_str(), "{mine:#}");
    let other = incident(home.path(), "checkout-eu");
    assert_eq!(row(&now, "incidents", "id", &other)["acknowledged"]["by"], "jon");
}

#[test]
#[ignore = "needs alertmanager"]
fn the_cockpit_writes_a_silence_shows_it_on_the_board_and_ends_it_there() {
    let alertmanager = Alertmanager::start();
    alertmanager.fire(&json!([alert("Slow", "checkout")]));
    let home = home(&[("am", &alertmanager)]);
    let mut cockpit = Pty::burnwatch(home.path(), &["--as", "maya"], 80, 24);
    cockpit.wait_for_text("Slow on checkout");
    cockpit.send("3S");
    cockpit.wait_for_text("would hold back 1 of 1 present alerts");
    // Without the path, which nobody can type twice; and it says why.
    cockpit.send("j ");
    cockpit.wait_for_text("3 of 4 matchers");
    cockpit.send("S");
    cockpit.wait_for_text("because:");
    cockpit.send("known canary\rS");
    cockpit.wait_for_text("enter do it");
    assert!(alertmanager.silences().is_empty(), "nothing before the yes");
    cockpit.send("\r");
    let made = poll(|| active(&alertmanager).pop());
    assert!(made.is_some_and(|s| s["matchers"].as_array().unwrap().len() == 3), "{}", cockpit.text());
    cockpit.send("b");
    cockpit.wait_for_text("1 held");
    cockpit.send("x");
    cockpit.wait_for_text("expire silence");
    cockpit.send("\r");
    let ended = poll(|| active(&alertmanager).is_empty().then_some(()));
    assert!(ended.is_some(), "{}", cockpit.text());
    cockpit.send("q");
    assert!(cockpit.wait_exit().success());
}
