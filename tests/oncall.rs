//! Who is on call, as a shell asks it: rotations of the configuration, overrides of the journal, calendars.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail this way, its helpers too")]

mod support;

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

/// Two people by turns in Berlin, days and one evening without anybody, and one who is always there.
const ROTATIONS: &str = r#"
[cockpit]
name = "test"
time_zone = "Europe/Berlin"
[[person]]
name = "maya"
[[person]]
name = "jon"
[[person]]
name = "ana"
[[rotation]]
name = "payments"
participants = ["jon", "maya"]
handoff = "weekly"
at = "18:00"
start = "2026-01-01"
[[rotation.layers]]
seat = "secondary"
participants = ["maya", "jon"]
[[rotation]]
name = "data"
time_zone = "America/New_York"
participants = ["ana"]
handoff = "daily"
at = "00:00"
start = "2026-01-01"
only = ["mon-thu", "fri 00:00-12:00", "fri 15:00-24:00", "sat,sun"]
[[rotation]]
name = "always"
participants = ["maya"]
handoff = "daily"
at = "00:00"
start = "2026-01-01"
[[service]]
name = "checkout"
rotation = "payments"
"#;

/// An address at which nobody listens, so that nothing is ever read: who is on call does not wait for it.
const NOWHERE: &str = "[[source]]\nname = \"prom\"\nkind = \"prometheus\"\nurl = \"http://127.0.0.1:9\"\n";

struct Home(TempDir);

struct Said {
    out: String,
    talk: String,
    code: i32,
}

impl Home {
    fn new(text: &str) -> Self {
        let home = Self(TempDir::new().unwrap());
        let store = home.0.path().join("store");
        support::configure(home.0.path(), &format!("{text}\n[store]\nurl = \"sqlite:{}\"\n", store.display()));
        home
    }
    /// With a calendar for the rotation `search`.
    fn with_feed(calendar: &str) -> Self {
        let home = Self(TempDir::new().unwrap());
        home.calendar(calendar);
        let source = "[[source]]\nname = \"rota\"\nkind = \"ical\"\nfile = \"rota.ics\"\nrotation = \"search\"\n";
        let store = home.0.path().join("store");
        support::configure(home.0.path(), &format!("{ROTATIONS}{source}\n[store]\nurl = \"sqlite:{}\"\n", store.display()));
        home
    }
    fn calendar(&self, text: &str) {
        let folder = self.0.path().join("config/burnwatch");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("rota.ics"), text).unwrap();
    }
    fn run(&self, args: &[&str]) -> Said {
        let output = support::run(self.0.path(), &[&["--as", "maya"], args].concat());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { out: text(output.stdout), talk: text(output.stderr), code: output.status.code().unwrap() }
    }
    fn json(&self, args: &[&str]) -> Value {
        let said = self.run(args);
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {} {}", said.out, said.talk))
    }
}

fn rotations() -> Home {
    Home::new(&format!("{ROTATIONS}{NOWHERE}"))
}

#[test]
fn the_pager_changes_hands_on_the_wall_clock_also_when_clocks_change() {
    let home = rotations();
    let at = |at: &str| home.run(&["oncall", "--rotation", "payments", "--at", at]);
    // Thursdays at 18:00: CET until the 29th of March, CEST from then on.
    let before = at("2026-03-26 17:59");
    assert_eq!(
        before.out,
        "payments  primary    maya  until Thu 2026-03-26 18:00 +01:00 (1m), then jon\n\
         payments  secondary  jon   until Thu 2026-03-26 18:00 +01:00 (1m), then maya\n"
    );
    assert_eq!((before.code, before.talk.as_str()), (0, ""));
    let after = at("2026-03-26T17:00:00Z");
    assert!(after.out.starts_with("payments  primary    jon   until Thu 2026-04-02 18:00 +02:00 (6d23h), then maya\n"), "{}", after.out);
    let week = home.json(&["oncall", "--rotation", "payments", "--at", "2026-03-26 12:00", "--until", "2026-04-03 12:00", "--json"]);
    let told: Vec<_> = week["on_call"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|s| s["seat"] == "primary")
        .map(|s| (s["who"].as_str().unwrap(), s["from"].as_str().unwrap()))
        .collect();
    let expected = [("maya", "2026-03-19T17:00:00.000Z"), ("jon", "2026-03-26T17:00:00.000Z"), ("maya", "2026-04-02T16:00:00.000Z")];
    assert_eq!(told, expected);
    assert_eq!((week["version"].as_u64(), week["until"].as_str()), (Some(1), Some("2026-04-03T10:00:00.000Z")));
}

#[test]
fn a_gap_is_a_no_and_named_and_one_that_is_ahead_is_only_named() {
    let home = rotations();
    // Fridays from 12 to 15 in New York: 17 to 20 in Berlin while both are on the same season's time.
    let during = home.run(&["oncall", "--rotation", "data", "--at", "2026-02-06 18:00"]);
    assert_eq!(
        during.out,
        "data  primary  nobody  until Fri 2026-02-06 21:00 +01:00 (3h00m), then ana\n\
         gap: data: nobody is primary from Fri 2026-02-06 18:00 +01:00 until Fri 2026-02-06 21:00 +01:00\n\
         gap: data: nobody is primary from Fri 2026-02-13 18:00 +01:00 until Fri 2026-02-13 21:00 +01:00\n"
    );
    assert_eq!(during.code, 1);
    let before = home.run(&["oncall", "--rotation", "data", "--at", "2026-02-06 17:59"]);
    assert_eq!((before.code, before.out.lines().count()), (0, 3), "{}", before.out);
    // Clocks change in America two weeks before they do in Europe.
    let json = home.json(&["oncall", "--rotation", "data", "--at", "2026-03-13 00:00", "--until", "2026-03-14 00:00", "--json"]);
    assert_eq!(json["gaps"][0]["from"], "2026-03-13T16:00:00.000Z");
    assert_eq!(home.run(&["oncall", "--at", "2026-02-06 18:00"]).code, 1, "of all rotations one is enough");
}

#[test]
fn an_override_is_journalled_and_holds_in_every_command() {
    let home = rotations();
    let add = ["oncall", "override", "add", "--rotation", "always", "--who", "ana", "--from", "+1h", "--to", "+3h", "--note", "dentist"];
    let made = home.run(&add);
    assert_eq!(made.code, 0, "{}", made.talk);
    assert!(made.out.starts_with("ana is primary of always from "), "{}", made.out);
    let who = |at: &str| home.json(&["oncall", "--rotation", "always", "--at", at, "--json"])["on_call"][0].clone();
    assert_eq!(
        (who("+30m")["who"].as_str(), who("+2h")["who"].as_str(), who("+4h")["who"].as_str()),
        (Some("maya"), Some("ana"), Some("maya"))
    );
    assert_eq!(who("+2h")["cover"], "override");
    let listed = home.json(&["oncall", "override", "list", "--json"]);
    let over = &listed["overrides"][0];
    assert_eq!(
        (over["who"].as_str(), over["seat"].as_str(), over["made"]["note"].as_str()),
        (Some("ana"), Some("primary"), Some("dentist"))
    );
    let entries = home.json(&["audit", "list", "--json"])["entries"].as_array().unwrap().clone();
    let told: Vec<_> = entries.iter().map(|e| (e["subject"].as_str().unwrap(), e["what"]["what"].as_str().unwrap())).collect();
    assert_eq!(told, [("rotation:always", "asked"), ("rotation:always", "ended")]);
    let words = home.run(&["audit", "list"]).out;
    assert!(words.contains("maya (unverified)  override  rotation:always  always  ana is primary from "), "in words too: {words}");
    let status = home.json(&["status", "--json"]);
    let always = support::row(&status, "on_call", "rotation", "always");
    assert_eq!((always["who"].as_str(), always["next"]["who"].as_str()), (Some("maya"), Some("ana")));
}

#[test]
fn what_cannot_be_is_refused_with_the_reason_and_leaves_no_trace() {
    let home = Home::with_feed("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n");
    let add = |rotation: &str, who: &str, from: &str, to: &str| {
        home.run(&["oncall", "override", "add", "--rotation", rotation, "--who", who, "--from", from, "--to", to])
    };
    for (said, code, why) in [
        (add("alway", "ana", "+1h", "+2h"), 64, "there is no rotation named `alway`; there are payments, data, always, search"),
        (add("always", "anna", "+1h", "+2h"), 64, "there is no [[person]] named `anna`; there are maya, jon, ana"),
        (add("always", "ana", "+2h", "+1h"), 1, "an override of ana ends before it begins"),
        (add("always", "ana", "2026-01-05 09:00", "2026-01-05 10:00"), 1, "would be over already"),
        (add("always", "ana", "tomorrow", "+2h"), 64, "`tomorrow` is not a time; write \"2026-12-24 18:00\""),
        (add("search", "ana", "+1h", "+2h"), 1, "search is kept in rota; change it there"),
        (home.run(&["oncall", "--rotation", "alway"]), 64, "there is no rotation `alway`"),
        (home.run(&["oncall", "--at", "+2h", "--until", "+1h"]), 64, "--until is not after --at"),
        (home.run(&["oncall", "override", "add", "--rotation", "always"]), 64, "--who"),
    ] {
        assert!(said.code == code && said.talk.contains(why) && said.out.is_empty(), "{}: {} {}", said.code, said.out, said.talk);
    }
    let read_only =
        home.run(&["--read-only", "oncall", "override", "add", "--rotation", "always", "--who", "ana", "--from", "+1h", "--to", "+2h"]);
    assert!(read_only.code == 1 && read_only.talk.contains("read-only"), "{}", read_only.talk);
    assert_eq!(home.json(&["audit", "list", "--json"])["entries"].as_array().unwrap().len(), 0);
}

#[test]
fn a_calendar_tells_and_one_that_cannot_be_read_is_no_answer() {
    let home = Home::with_feed("<html>please log in</html>");
    let untold = home.run(&["oncall", "--rotation", "search"]);
    assert_eq!(untold.code, 2, "{}", untold.out);
    assert!(untold.out.contains("search  primary  ?") && untold.out.contains("not known: search: rota is failing"), "{}", untold.out);
    let calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n\
        DTSTART;VALUE=DATE:20260101\r\nDTEND;VALUE=DATE:20260102\r\nRRULE:FREQ=DAILY\r\nSUMMARY:On call: Maya\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    home.calendar(calendar);
    let told = home.run(&["oncall", "--rotation", "search"]);
    assert!(told.code == 0 && told.out.starts_with("search  primary  maya  until"), "{} {}", told.out, told.talk);
    let far = home.run(&["oncall", "--rotation", "search", "--at", "+30d"]);
    assert!(far.code == 2 && far.out.contains("tells a shorter time than was asked for"), "{}", far.out);
}

#[test]
fn a_note_waits_for_the_incoming() {
    let home = rotations();
    let refused = home.run(&["oncall", "note", "--rotation", "always", "x"]);
    assert!(refused.code == 1 && refused.talk.contains("always has no handoff then"), "{}", refused.talk);
    assert_eq!(home.run(&["oncall", "read", "--rotation", "payments"]).code, 1);
    let left = home.run(&["oncall", "note", "--rotation", "payments", "canary at 10 %\u{1b}[2J"]);
    assert!(left.code == 0 && left.out.starts_with("note left for "), "{} {}", left.out, left.talk);
    let read = home.run(&["oncall", "read", "--rotation", "payments"]);
    assert_eq!((read.code, read.out.as_str()), (0, "maya (unverified): canary at 10 %␛[2J\n"), "{}", read.talk);
    assert_eq!(home.run(&["oncall", "read", "--rotation", "payments"]).code, 1, "once is enough");
}

#[test]
fn check_warns_of_gaps_and_double_cover_of_the_next_ninety_days() {
    let home = rotations();
    let said = home.run(&["check"]);
    assert_eq!(said.code, 0, "a warning is no mistake: {}", said.out);
    let warnings: Vec<_> = said.out.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(warnings.len(), 4, "{}", said.out);
    assert!(warnings[..3].iter().all(|w| w.starts_with("warning: data: nobody is primary from ")), "{}", said.out);
    // Twelve or thirteen Fridays.
    let rest = warnings[3];
    assert!(rest.starts_with("warning: data: 9 more gaps in 90 days") || rest.starts_with("warning: data: 10 more gaps"), "{rest}");
    for _ in 0..2 {
        let add = ["oncall", "override", "add", "--rotation", "always", "--from", "+1h", "--to", "+2h", "--who"];
        for who in ["ana", "jon"] {
            assert_eq!(home.run(&[add.as_slice(), &[who]].concat()).code, 0);
        }
    }
    let said = home.run(&["check"]);
    assert!(said.out.contains("warning: always: jon and ana are both primary from "), "{}", said.out);
}

/// Whoever looked found an override only among the newest entries of the journal: one that was made before a busy night was forgotten.
#[test]
fn an_override_stands_however_much_was_written_since() {
    let home = rotations();
    let add = ["oncall", "override", "add", "--rotation", "always", "--who", "ana", "--from", "+1h", "--to", "+3h"];
    assert_eq!(home.run(&add).code, 0);
    let store = burnwatch::store::Store::open(&home.0.path().join("store")).unwrap();
    let made = store.recent(1).unwrap().remove(0);
    // More than are read at the start.
    for n in 0..5_010 {
        let effect = burnwatch::domain::Effect::Note { target: burnwatch::domain::Target::Journal, note: "busy".into() };
        let what = burnwatch::domain::What::Asked { effect };
        let act = format!("a{n}").as_str().into();
        store.append(burnwatch::domain::Entry { act, subject: "checkout".into(), what, ..made.clone() }, None).unwrap();
    }
    let who = home.json(&["oncall", "--rotation", "always", "--at", "+2h", "--json"]);
    assert!(who.to_string().contains("\"cover\":\"override\""), "{who:#}");
}
