//! The program against a stand-in for PagerDuty: what it shows, what it does, and in whose name.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail this way, its helpers too")]

mod support;

use std::{collections::BTreeSet, fmt::Write as _, fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Output};

use serde_json::Value;
use support::{
    pagerduty::{KEY, PagerDuty},
    pty::Pty,
};
use tempfile::TempDir;

/// A home with a config for one account.
struct Home {
    folder: TempDir,
    url: String,
    more: &'static str,
}

impl Home {
    fn new(server: &PagerDuty, more: &'static str) -> Self {
        Self { folder: TempDir::new().unwrap(), url: server.url(), more }
    }
    /// The config in which the one who runs the tests is `who`: by login where the system vouches for it, by `--as` where it does not.
    fn config(&self, who: &str) -> PathBuf {
        let file = self.folder.path().join("burnwatch.toml");
        let (folder, url, more, login) = (self.folder.path().display(), &self.url, self.more, support::login());
        let mut text = format!(
            r#"
[cockpit]
name = "test"
shared_accounts = ["{login}"]
[store]
url = "sqlite:{folder}/store"
[[source]]
name = "pd"
kind = "pagerduty"
url = "{url}"
token = "{KEY}"
{more}
"#
        );
        for name in ["maya", "tom", "jon"] {
            let email = if name == "jon" { String::new() } else { format!("email = \"{name}@acme.example\"\n") };
            let login = if name == who { format!("login = \"{login}\"\n") } else { String::new() };
            write!(text, "[[person]]\nname = \"{name}\"\n{email}{login}").unwrap();
        }
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file
    }
    fn run(&self, args: &[&str]) -> Output {
        self.run_as("maya", args)
    }
    fn run_as(&self, who: &str, args: &[&str]) -> Output {
        let config = self.config(who);
        let mut all = vec!["--as", who, "--config", config.to_str().unwrap()];
        all.extend(args);
        support::burnwatch(self.folder.path(), &all).output().unwrap()
    }
    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
    }
    /// What is said of the one incident.
    fn incident(&self) -> Value {
        let status = self.json(&["status", "--json"]);
        let all = status["incidents"].as_array().unwrap().clone();
        assert_eq!(all.len(), 1, "{status:#}");
        all[0].clone()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn status_shows_incidents_and_who_is_on_call() {
    let server = PagerDuty::start();
    let id = server.account().open("checkout answers \u{1b}[2Jwith errors");
    server.account().acknowledge(&id, "tom@acme.example");
    let home = Home::new(&server, "[source.severities]\nhigh = \"P1\"");
    let status = home.json(&["status", "--json"]);
    let incident = &status["incidents"][0];
    assert_eq!(incident["id"], format!("pd:{id}"));
    assert_eq!((incident["title"].as_str(), incident["severity"].as_str()), (Some("checkout answers ␛[2Jwith errors"), Some("P1")));
    assert_eq!((incident["status"].as_str(), incident["service"].as_str()), (Some("acknowledged"), Some("checkout")));
    assert_eq!((incident["acknowledged"]["by"].as_str(), incident["labels"]["alertname"].as_str()), (Some("tom"), Some("HighErrors")));
    assert_eq!(incident["links"][0]["url"], format!("https://acme.example/incidents/{id}"));
    let turns: Vec<_> =
        status["on_call"].as_array().unwrap().iter().map(|t| (t["seat"].as_str().unwrap(), t["who"].as_str().unwrap())).collect();
    assert_eq!(turns, [("primary", "maya"), ("secondary", "tom")]);
    assert_eq!(status["sources"][0]["state"], "fresh", "{status:#}");
}

#[test]
fn ack_acts_there_in_the_name_of_who_asks_and_is_journalled() {
    let server = PagerDuty::start();
    let id = server.account().open("checkout answers with errors");
    let home = Home::new(&server, "");
    let nameless = home.run_as("jon", &["ack", &format!("pd:{id}")]);
    let said = text(&nameless.stderr);
    assert!(nameless.status.code() == Some(1) && said.contains("jon") && said.contains("`email`"), "{said}");
    let outcome = home.json(&["ack", &format!("pd:{id}"), "--note", "on it", "--json"]);
    assert_eq!(outcome["outcome"], "done", "{outcome}");
    assert_eq!(server.status(&id), "acknowledged");
    let writes = server.writes();
    assert_eq!(
        writes.iter().map(|w| (w.line(), w.from())).collect::<Vec<_>>(),
        [(format!("PUT /incidents/{id}"), Some("maya@acme.example"))]
    );
    let incident = home.incident();
    let ack = &incident["acknowledged"];
    let shown = [&ack["by"], &ack["note"], &ack["delivery"]].map(|v| v.as_str().unwrap());
    assert_eq!([shown[0].trim_end_matches(" (unverified)"), shown[1], shown[2]], ["maya", "on it", "done"], "{incident:#}");
    let second = home.run_as("tom", &["ack", &format!("pd:{id}")]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("acknowledged by maya"), "{second:?}");
    let back = home.run(&["unack", &format!("pd:{id}")]);
    assert_eq!(back.status.code(), Some(1));
    assert!(text(&back.stderr).contains("pd has no way to give an acknowledgement back"), "{back:?}");
    assert_eq!(server.writes().len(), 1);
}

#[test]
fn taking_over_puts_the_name_into_its_book_and_never_reopens() {
    let server = PagerDuty::start();
    let id = server.account().open("checkout answers with errors");
    server.account().acknowledge(&id, "tom@acme.example");
    let (home, name) = (Home::new(&server, ""), format!("pd:{id}"));
    let refused = home.run(&["ack", &name]);
    assert!(refused.status.code() == Some(1) && text(&refused.stderr).contains("acknowledged by tom"), "{refused:?}");
    let outcome = home.json(&["ack", &name, "--take-over", "--note", "mine now", "--json"]);
    assert_eq!(outcome["outcome"], "done", "{outcome}");
    let ack = home.incident()["acknowledged"].clone();
    let shown = [&ack["by"], &ack["note"], &ack["delivery"]].map(|v| v.as_str().unwrap());
    assert_eq!([shown[0].trim_end_matches(" (unverified)"), shown[1], shown[2]], ["maya", "mine now", "done"], "{ack:#}");
    assert!(server.writes().iter().all(|w| w.from() == Some("maya@acme.example")));

    let id = server.account().open("x");
    server.account().acknowledge(&id, "tom@acme.example");
    let theirs = id.clone();
    server.account().before = Some(Box::new(move |account, asked| {
        if asked.line() == format!("PUT /incidents/{theirs}") {
            account.resolve(&theirs);
        }
    }));
    let outcome = home.json(&["ack", &format!("pd:{id}"), "--take-over", "--json"]);
    assert_eq!(outcome["outcome"], "failed", "{outcome}");
    assert_eq!(server.status(&id), "resolved");
}

#[test]
fn note_escalate_snooze_and_resolve_act_there() {
    let server = PagerDuty::start();
    let id = server.account().open("x");
    let (home, name) = (Home::new(&server, ""), format!("pd:{id}"));
    for args in [
        vec!["note", &name, "rolling back"],
        vec!["escalate", &name, "--to", "tom"],
        vec!["escalate", &name, "--level", "1"],
        vec!["snooze", &name, "--for", "4h"],
        vec!["resolve", &name, "--note", "rolled back"],
    ] {
        let output = home.run(&args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    }
    assert_eq!(server.status(&id), "resolved");
    assert!(server.account().notes[&id][0]["content"].as_str().unwrap().starts_with("rolling back [bw:"));
    assert!(server.writes().iter().all(|w| w.from() == Some("maya@acme.example")));
    let lines: Vec<_> = server.writes().iter().map(|w| w.line().replace(&id, "ID")).collect();
    assert_eq!(
        lines,
        ["POST /incidents/ID/notes", "PUT /incidents/ID", "PUT /incidents/ID", "POST /incidents/ID/snooze", "PUT /incidents/ID"]
    );
    let gone = home.run(&["resolve", &name]);
    assert!(gone.status.code() != Some(0) && text(&gone.stderr).contains("no open incident"), "{gone:?}");
    assert_eq!(home.run(&["escalate", &name]).status.code(), Some(64));
}

#[test]
fn eight_hundred_incidents_and_haste_refused_are_read_whole_without_a_burst() {
    let server = PagerDuty::start();
    let all: BTreeSet<String> = (0..800).map(|n| format!("pd:{}", server.account().open(&format!("incident {n}")))).collect();
    let wait = "retry-after: 1\r\n";
    server.account().too_often = [(2, wait), (5, "ratelimit-remaining: 0\r\nratelimit-reset: 1\r\n"), (8, wait)].into();
    let status = Home::new(&server, "").json(&["status", "--json"]);
    // All of one service and cause: one row, that hides none of them.
    let rows = status["incidents"].as_array().unwrap();
    let found: BTreeSet<String> = rows[0]["members"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((rows.len(), rows[0]["count"].as_u64(), found), (1, Some(800), all));
    let source = &status["sources"][0];
    assert_eq!((source["state"].as_str(), source["partial"].as_bool()), (Some("fresh"), Some(false)), "{source:#}");
    let account = server.account();
    assert!(account.most_at_once <= 2, "{} at once", account.most_at_once);
    assert!(account.asked.len() <= 15, "{} requests", account.asked.len());
}

#[test]
fn an_ack_that_races_a_resolve_never_reopens() {
    // The program reads the list, reads the incident, and acts; it is resolved just before the second or the third of these.
    for before in ["GET", "PUT"] {
        let server = PagerDuty::start();
        let id = server.account().open("x");
        let theirs = id.clone();
        server.account().before = Some(Box::new(move |account, asked| {
            if asked.line() == format!("{before} /incidents/{theirs}") && account.incidents[0]["status"] != "resolved" {
                account.resolve(&theirs);
            }
        }));
        let home = Home::new(&server, "");
        let output = home.run(&["ack", &format!("pd:{id}"), "--json"]);
        let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((outcome["outcome"].as_str(), output.status.code()), (Some("failed"), Some(1)), "{outcome}");
        assert!(outcome["why"].as_str().unwrap().contains("Tom Okafor resolved it first"), "{outcome}");
        assert_eq!(server.status(&id), "resolved");
        assert_eq!(home.json(&["status", "--json"])["incidents"].as_array().unwrap().len(), 0);
        assert_eq!(server.status(&id), "resolved");
    }
}

/// It ended with 2, as if it could not be told.
#[test]
fn an_ack_that_another_was_faster_with_is_a_no_that_names_them() {
    let server = PagerDuty::start();
    let id = server.account().open("x");
    let theirs = id.clone();
    server.account().before = Some(Box::new(move |account, asked| {
        if asked.line() == format!("GET /incidents/{theirs}") && account.incidents[0]["status"] == "triggered" {
            account.acknowledge(&theirs, "tom@acme.example");
        }
    }));
    let home = Home::new(&server, "");
    let output = home.run(&["ack", &format!("pd:{id}")]);
    let said = text(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("Tom Okafor acknowledged it first"), "{output:?}");
    assert!(server.writes().is_empty());
}

#[test]
fn check_live_tells_who_may_act() {
    let server = PagerDuty::start();
    server.account().open("x");
    let home = Home::new(&server, "");
    let well = home.run(&["check", "--live"]);
    let said = text(&well.stdout);
    assert!(said.contains("1 open incidents, 3 turns on call") && said.contains("maya acts as maya@acme.example"), "{said}");
    assert_eq!(well.status.code(), Some(0), "{said}");
    server.account().users.remove(1);
    server.account().token_of = Some("rea@acme.example");
    let bad = home.run(&["check", "--live"]);
    let said = text(&bad.stdout);
    assert!(said.contains("problem: tom: tom@acme.example is no user"), "{said}");
    assert!(said.contains("problem: the token is that of rea@acme.example (read only user)"), "{said}");
    assert_eq!(bad.status.code(), Some(1));
    assert!(server.writes().is_empty());
    assert!(!said.contains(KEY) && !text(&bad.stderr).contains(KEY));
}

#[test]
fn mistakes_of_a_row_are_told() {
    let server = PagerDuty::start();
    let home = Home::new(&server, "region = \"eu\"\n[source.severities]\nhigh = \"P0\"");
    let said = text(&home.run(&["check"]).stdout);
    assert!(said.contains("`region` and `url` both") && said.contains("unknown high `P0`"), "{said}");
}

#[test]
fn incidents_are_listed_and_one_is_told_with_its_log_and_its_thread() {
    let server = PagerDuty::start();
    let home = Home::new(&server, "");
    assert_eq!(home.run(&["incidents"]).status.code(), Some(0));
    let id = server.account().open("checkout answers \u{1b}[2Jwith errors");
    let name = format!("pd:{id}");
    let listed = home.run(&["incidents"]);
    assert_eq!(listed.status.code(), Some(1));
    let line = text(&listed.stdout);
    assert!(line.starts_with("P2 ") && line.contains("unacked  checkout answers ␛[2Jwith errors") && line.contains(&name), "{line}");
    assert_eq!(home.json(&["incidents", "--json"])["incidents"], home.json(&["status", "--json"])["incidents"]);

    home.run(&["ack", &name, "--note", "on it"]);
    home.run(&["note", &name, "rolling back"]);
    let one = home.json(&["incidents", &name, "--json"]);
    let told: Vec<_> = one["timeline"].as_array().unwrap().iter().map(|p| (p["what"].as_str(), p["told_by"].as_str())).collect();
    let count = |what, by| told.iter().filter(|t| **t == (Some(what), Some(by))).count();
    // What our own note left there is told once.
    assert_eq!((count("fires", "pd"), count("ack", "pd"), count("note", "pd")), (1, 1, 0), "{one:#}");
    assert_eq!((count("ack", "journal"), count("note", "journal")), (1, 1), "{one:#}");
    assert_eq!((one["on_call"][0]["who"].as_str(), one["response_30d"]["acknowledge"]["of"].as_u64()), (Some("Maya Kaur"), Some(1)));
    assert!(one["first_response_s"].is_u64() && one["resolution_s"].is_null() && one["logs"][0]["error"].is_null(), "{one:#}");

    let acts = home.json(&["audit", "list", "--json"])["entries"].as_array().unwrap().len();
    assert_eq!(acts, 4, "a look is not journalled");
    let count = server.account().asked.len();
    server.account().too_often = (count + 2..count + 20).map(|n| (n, "retry-after: 60\r\n")).collect();
    let said = text(&home.run(&["incidents", &name]).stdout);
    assert!(said.contains("missing     pd") && said.contains("took it: “on it”"), "{said}");
    server.account().too_often.clear();

    let missing = home.run(&["incidents", "pd:none"]);
    assert_eq!((missing.status.code(), text(&missing.stdout).as_str()), (Some(1), ""));
}

#[test]
fn the_room_of_an_incident_tells_its_log_and_acts_from_it() {
    let server = PagerDuty::start();
    let id = server.account().open("checkout answers with errors");
    let home = Home::new(&server, "every = \"1s\"");
    let config = home.config("maya");
    let mut pty = Pty::burnwatch(home.folder.path(), &["--as", "maya", "--config", config.to_str().unwrap()], 120, 36);
    pty.wait_for_text("checkout answers with errors");
    pty.send("3\r");
    // Asked when the room was opened, and answered into the snapshot.
    pty.wait_for_text("fires    checkout answers with errors");
    pty.wait_for_text("on call     maya");
    pty.send("n");
    pty.wait_for_text("note:");
    pty.send("rolling back\r");
    pty.wait_for_text("note “rolling back” on checkout (HighErrors) in pd, in your name there, and in the journal");
    assert!(server.writes().is_empty(), "nothing is sent before a yes");
    pty.send("\r");
    pty.wait_for_text("said: “rolling back”");
    pty.send("Etom\r");
    pty.wait_for_text("hand checkout (HighErrors) to tom (tom@acme.example) in pd, in your name there: they are paged");
    pty.send("\x1b");
    pty.wait_for_text("X resolve");
    pty.send("X");
    pty.wait_for_text("it ends there for everybody");
    pty.send("\r");
    pty.wait_for_text("over: its source no longer reports it");
    let lines: Vec<_> = server.writes().iter().map(|w| w.line().replace(&id, "ID")).collect();
    assert_eq!(lines, ["POST /incidents/ID/notes", "PUT /incidents/ID"]);
    assert_eq!(server.status(&id), "resolved");
    pty.send("q");
    pty.wait_exit();
    let acts = home.json(&["audit", "list", "--json"])["entries"].clone();
    let verbs: Vec<_> = acts.as_array().unwrap().iter().filter_map(|e| e["what"]["effect"].as_str()).collect();
    assert_eq!(verbs, ["note", "resolve"]);
}

#[test]
fn a_read_only_cockpit_acts_in_no_way() {
    let server = PagerDuty::start();
    let id = server.account().open("x");
    let (home, name) = (Home::new(&server, ""), format!("pd:{id}"));
    for args in [
        vec!["ack", &name],
        vec!["note", &name, "x"],
        vec!["resolve", &name],
        vec!["snooze", &name, "--for", "1h"],
        vec!["escalate", &name, "--level", "2"],
    ] {
        let output = home.run(&[args.as_slice(), &["--read-only"]].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        assert!(text(&output.stderr).contains("read-only"), "{args:?}: {output:?}");
    }
    assert!(server.writes().is_empty());
}
