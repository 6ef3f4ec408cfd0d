//! Acknowledging on a real Alertmanager: exactly one silence with exactly the alert's labels, extended while it is held, ended when it is
//! given back; and its heartbeat.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{collections::BTreeMap, path::Path, process::Output};

use serde_json::{Value, json};
use support::{configure, poll, pty::Pty, row, run, server::Alertmanager, status};
use tempfile::TempDir;

/// A home whose cockpit watches `alertmanager`, with more lines in the row.
fn home(alertmanager: &Alertmanager, more: &str) -> TempDir {
    let home = TempDir::new().unwrap();
    let url = alertmanager.server.url();
    configure(home.path(), &format!("[[source]]\nname = \"am\"\nkind = \"alertmanager\"\nurl = \"{url}\"\nevery = \"1s\"\n{more}\n"));
    home
}

fn alert(name: &str, service: &str) -> Value {
    json!({
        "labels": {"alertname": name, "service": service, "severity": "critical", "path": "/a \"b\" \\c.*|d", "zone": "eu-1"},
        "annotations": {"summary": format!("{name} on {service}")},
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z",
    })
}

/// The id of the open incident on this service, once the program sees it.
fn incident(home: &Path, service: &str) -> String {
    let found = poll(|| {
        let (said, _) = status(home);
        let all = said["incidents"].as_array()?.clone();
        all.into_iter().find(|i| i["service"] == service)?["id"].as_str().map(str::to_owned)
    });
    found.unwrap_or_else(|| panic!("no incident on {service}: {:#}", status(home).0))
}

fn silences(alertmanager: &Alertmanager, state: &str) -> Vec<Value> {
    alertmanager.silences().into_iter().filter(|s| s["status"]["state"] == state).collect()
}

fn suppressed(alertmanager: &Alertmanager) -> Vec<String> {
    let held = alertmanager.alerts().into_iter().filter(|a| a["status"]["state"] == "suppressed");
    held.map(|a| a["labels"]["service"].as_str().unwrap_or_default().to_owned()).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "needs alertmanager"]
fn an_acknowledgement_is_one_silence_on_exactly_one_alert_until_it_is_given_back() {
    let alertmanager = Alertmanager::start();
    let (checkout, search) = (alert("Slow", "checkout"), alert("Slow", "search"));
    alertmanager.fire(&json!([checkout, search, alert("Slow", "checkout-eu")]));
    let home = home(&alertmanager, "ack_for = \"10m\"");
    let id = incident(home.path(), "checkout");

    let output = run(home.path(), &["--as", "maya", "ack", &id, "--note", "looking at it", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let made = alertmanager.silences();
    assert_eq!(made.len(), 1, "{made:#?}");
    assert_eq!((&told["outcome"], &told["receipt"]), (&json!("done"), &made[0]["id"]));
    let comment = made[0]["comment"].as_str().unwrap();
    let act = comment.strip_prefix("ACK! ").and_then(|c| c.strip_suffix(']')).and_then(|c| c.rsplit_once(" [bw:"));
    assert!(act.is_some_and(|(words, act)| words.contains("looking at it") && !act.is_empty()), "{comment}");
    let matchers = made[0]["matchers"].as_array().unwrap();
    let exact = matchers.iter().all(|m| m["isRegex"] == false && m["isEqual"] == true);
    let labels: BTreeMap<_, _> = matchers.iter().map(|m| (m["name"].as_str().unwrap().to_owned(), m["value"].clone())).collect();
    assert!(exact && matchers.len() == labels.len(), "{matchers:#?}");
    assert_eq!(json!(labels), checkout["labels"]);
    assert_eq!(suppressed(&alertmanager), ["checkout"]);

    let (said, _) = status(home.path());
    let held = row(&said, "incidents", "id", &id);
    assert_eq!((&held["status"], &held["acknowledged"]["delivery"]), (&json!("acknowledged"), &json!("done")), "{held:#}");
    let owner = held["acknowledged"]["by"].as_str().unwrap().to_owned();
    let again = run(home.path(), &["--as", "jon", "ack", &id]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(stderr(&again).contains(&owner), "{} does not name {owner}", stderr(&again));
    assert_eq!(alertmanager.silences().len(), 1);
    // A home that knows nothing of it reads it off the silence.
    let elsewhere = self::home(&alertmanager, "");
    let again = run(elsewhere.path(), &["--as", "jon", "ack", &id]);
    assert_eq!((again.status.code(), stderr(&again).contains("is acknowledged by ")), (Some(1), true), "{again:?}");
    assert_eq!(alertmanager.silences().len(), 1);

    assert_eq!(run(home.path(), &["unack", &id]).status.code(), Some(0));
    let expired = silences(&alertmanager, "expired");
    assert_eq!((expired.len(), alertmanager.silences().len()), (1, 1));
    assert_eq!(suppressed(&alertmanager), Vec::<String>::new());
    let (said, _) = status(home.path());
    assert_eq!(row(&said, "incidents", "id", &id)["status"], "triggered");
    let nothing = run(home.path(), &["unack", &id]);
    assert_eq!((nothing.status.code(), stderr(&nothing).contains("not acknowledged")), (Some(1), true), "{nothing:?}");

    assert_eq!(run(home.path(), &["ack", &id]).status.code(), Some(0), "it can be taken again");
    assert_eq!((silences(&alertmanager, "active").len(), alertmanager.silences().len()), (1, 2));
}

#[test]
#[ignore = "needs alertmanager"]
fn a_cockpit_extends_the_silence_while_it_is_held_and_not_after() {
    let alertmanager = Alertmanager::start();
    alertmanager.fire(&json!([alert("Slow", "checkout")]));
    // A heartbeat that is not heard makes the source a failing one; what it lists is held all the same.
    let home = home(&alertmanager, "ack_for = \"4s\"\nheartbeat = 'alertname=\"Watchdog\"'");
    let mut cockpit = Pty::burnwatch(home.path(), &[], 120, 36);
    cockpit.wait_for_text("Slow on checkout");
    let id = incident(home.path(), "checkout");
    assert_eq!(run(home.path(), &["ack", &id]).status.code(), Some(0));
    let first = alertmanager.silences();
    assert_eq!(first.len(), 1);
    let end = |s: &Value| s["endsAt"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let mut ends = vec![end(&first[0])];
    // Three times over: without an extension it would be gone after the first.
    let held = poll(|| {
        let active = silences(&alertmanager, "active");
        assert!(active.len() <= 1, "{active:#?}");
        let now = end(active.first()?);
        if *ends.last().unwrap() < now {
            ends.push(now);
        }
        (ends.len() > 3).then_some(())
    });
    assert!(held.is_some(), "extended to {ends:?} only: {:#?}\n{}", alertmanager.silences(), cockpit.text());
    assert_eq!(alertmanager.silences().len(), 1, "an extension makes no other: {:#?}", alertmanager.silences());
    assert_eq!(alertmanager.silences()[0]["id"], first[0]["id"]);
    assert_eq!(alertmanager.silences()[0]["comment"], first[0]["comment"]);

    assert_eq!(run(home.path(), &["unack", &id]).status.code(), Some(0));
    assert_eq!(silences(&alertmanager, "active"), Vec::<Value>::new());
    cockpit.wait_for_text("unacked");
    cockpit.send("q");
    assert!(cockpit.wait_exit().success());
    assert_eq!(alertmanager.silences().len(), 1);
    assert_eq!(silences(&alertmanager, "active"), Vec::<Value>::new());
}

#[test]
#[ignore = "needs alertmanager"]
fn an_acknowledgement_that_could_not_be_delivered_says_so_and_is_delivered_once() {
    let mut alertmanager = Alertmanager::start();
    let alerts = json!([alert("Slow", "checkout")]);
    alertmanager.fire(&alerts);
    let home = home(&alertmanager, "");
    let id = incident(home.path(), "checkout");
    alertmanager.server.kill();
    let output = run(home.path(), &["ack", &id]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let (said, _) = status(home.path());
    let held = row(&said, "incidents", "id", &id);
    assert_eq!((&held["stale"], &held["acknowledged"]["delivery"]), (&json!(true), &json!("pending")), "{held:#}");
    assert!(held["acknowledged"]["why"].as_str().unwrap().contains("no connection"), "{held:#}");
    let text = String::from_utf8(run(home.path(), &["status"]).stdout).unwrap();
    assert!(text.contains("not delivered"), "{text}");

    alertmanager.server.start_again();
    alertmanager.fire(&alerts);
    let mut cockpit = Pty::burnwatch(home.path(), &[], 120, 36);
    let delivered = poll(|| (silences(&alertmanager, "active").len() == 1).then_some(()));
    assert!(delivered.is_some(), "{:#?}\n{}", alertmanager.silences(), cockpit.text());
    let done = poll(|| Some(()).filter(|()| row(&status(home.path()).0, "incidents", "id", &id)["acknowledged"]["delivery"] == "done"));
    assert!(done.is_some(), "{:#}", status(home.path()).0);
    assert_eq!(alertmanager.silences().len(), 1);
    cockpit.send("q");
    cockpit.wait_exit();
}

#[test]
#[ignore = "needs alertmanager"]
fn a_heartbeat_must_be_heard_and_is_no_incident() {
    let alertmanager = Alertmanager::start();
    let home = home(&alertmanager, "heartbeat = 'alertname=\"Watchdog\"'");
    let (said, code) = status(home.path());
    assert_eq!((&said["verdict"], code), (&json!("unknown"), Some(2)));
    assert_eq!(row(&said, "sources", "name", "am")["error"]["class"], "heartbeat");

    alertmanager.fire(&json!([{"labels": {"alertname": "Watchdog", "severity": "critical"}}]));
    let heard = poll(|| Some(status(home.path())).filter(|(said, _)| said["verdict"] == "ok"));
    let (said, code) = heard.unwrap_or_else(|| panic!("{:#}", status(home.path()).0));
    assert_eq!((&said["incidents"], code), (&json!([]), Some(0)));
    assert_eq!(row(&said, "sources", "name", "am")["error"], Value::Null);

    alertmanager.fire(&json!([alert("Slow", "checkout")]));
    incident(home.path(), "checkout");
    let (said, code) = status(home.path());
    assert_eq!((said["incidents"].as_array().unwrap().len(), &said["verdict"], code), (1, &json!("critical"), Some(1)));
}

/// Two members of one cluster tell of the same alert, and each lists the same silences; one of them may go.
#[test]
#[ignore = "needs alertmanager"]
fn the_members_of_a_cluster_are_one_source_and_one_of_them_is_enough() {
    let [mut first, second] = Alertmanager::cluster();
    for member in [&first, &second] {
        member.fire(&json!([alert("Slow", "checkout")]));
    }
    let home = home(&first, &format!("peers = [\"{}\"]", second.server.url()));
    let id = incident(home.path(), "checkout");
    let rows = || status(home.path()).0["incidents"].as_array().unwrap().clone();
    let one = rows();
    assert!(one.len() == 1 && one[0]["count"] == 1, "{one:#?}");
    let acked = run(home.path(), &["--as", "maya", "ack", &id]);
    assert_eq!(acked.status.code(), Some(0), "{acked:?}");
    // They tell each other: one silence, in both.
    let listed = poll(|| Some(second.silences()).filter(|made| made.len() == 1));
    let listed = listed.unwrap_or_else(|| panic!("{:#?} and {:#?}", first.silences(), second.silences()));
    assert_eq!((listed[0]["id"].clone(), first.silences().len()), (first.silences()[0]["id"].clone(), 1));
    let held = rows();
    assert!(held.len() == 1 && held[0]["count"] == 1 && held[0]["status"] == "acknowledged", "{held:#?}");
    let board = run(home.path(), &["silence", "list", "--json"]);
    let board: Value = serde_json::from_slice(&board.stdout).unwrap();
    assert_eq!(board["holds"].as_array().map(Vec::len), Some(1), "{board:#}");
    // Without the first the second tells of it, which is said, and takes what is done.
    first.server.kill();
    let (said, _) = status(home.path());
    assert_eq!(row(&said, "incidents", "id", &id)["status"], "acknowledged");
    assert_eq!(row(&said, "sources", "name", "am")["partial"], true, "{:#}", said["sources"]);
    let back = run(home.path(), &["--as", "maya", "unack", &id]);
    assert_eq!(back.status.code(), Some(0), "{back:?}");
    assert_eq!((silences(&second, "expired").len(), second.silences().len()), (1, 1));
    assert_eq!(row(&status(home.path()).0, "incidents", "id", &id)["status"], "triggered");
}
