//! The on-call screen as somebody with the pager meets it: who has it and until when, what is wrong with the coming days, what was left to
//! whoever comes next; and what changes under their eyes when somebody else acts in a shell. And the way from the start to *I have it*.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::{America::New_York, Asia::Tokyo, Tz};
use regex::Regex;
use support::{
    exporter::Exporter,
    pagerduty::{KEY, PagerDuty},
    pty::Pty,
};
use tempfile::TempDir;

/// Three rotas, all in UTC: one that changes hands three hours from now, with a second seat; one that leaves two hours of tomorrow's
/// evening to nobody; one that puts both its seats on one person. Nobody ever answers on the page that it watches.
fn rotas(home: &Path, backend: &Exporter, now: DateTime<Utc>) {
    let (file, handoff) = (backend.config(home), now + TimeDelta::hours(3));
    let start = (now - TimeDelta::days(60)).date_naive();
    let people = [("maya", "Asia/Tokyo"), ("jon", "America/New_York"), ("ana", "UTC")];
    let people = people.map(|(name, zone)| format!("[[person]]\nname = \"{name}\"\ntime_zone = \"{zone}\"\n")).concat();
    // It is maya's turn from 21 hours ago: an even number of days lies between the first turn and that one.
    let turn = (handoff - TimeDelta::days(1)).date_naive().signed_duration_since(start).num_days();
    let order = if turn % 2 == 0 { "\"maya\", \"jon\"" } else { "\"jon\", \"maya\"" };
    let rota = |name: &str, rest: String| format!("[[rotation]]\nname = \"{name}\"\ntime_zone = \"UTC\"\nstart = \"{start}\"\n{rest}\n");
    let (at, tomorrow) = (handoff.format("%H:%M"), now + TimeDelta::days(1));
    let others = (1..7).map(|n| format!("\"{}\"", (tomorrow + TimeDelta::days(n)).format("%a").to_string().to_lowercase()));
    let others = others.collect::<Vec<_>>().join(", ");
    let day = tomorrow.format("%a").to_string().to_lowercase();
    let text = std::fs::read_to_string(&file).unwrap().replace("name = \"test\"", "name = \"test\"\ntime_zone = \"UTC\"")
        + &people
        + &rota(
            "payments",
            format!(
                "participants = [{order}]\nhandoff = \"daily\"\nat = \"{at}\"\n[[rotation.layers]]\nseat = \"secondary\"\nparticipants = [\"jon\"]"
            ),
        )
        + &rota(
            "data",
            format!(
                "participants = [\"ana\"]\nhandoff = \"daily\"\nat = \"00:00\"\nonly = [\"{day} 00:00-20:00\", \"{day} 22:00-24:00\", {others}]"
            ),
        )
        + &rota(
            "search",
            "participants = [\"ana\"]\nhandoff = \"weekly\"\nat = \"00:00\"\n[[rotation.layers]]\nseat = \"secondary\"\nparticipants = [\"ana\"]"
                .to_owned(),
        );
    support::configure(home, &text);
}

fn cockpit(home: &Path, who: &str, (columns, rows): (u16, u16)) -> Pty {
    let mut pty = Pty::burnwatch(home, &["--as", who], columns, rows);
    pty.wait_for_text("5 On-call");
    pty.send("5");
    pty
}

/// The line that begins so, behind the mark of the cursor.
fn line<'a>(text: &'a str, begin: &str) -> Option<&'a str> {
    text.lines().find(|line| line.trim_start_matches(['▌', ' ']).starts_with(begin))
}

/// The column of the first `mark` in a line.
fn column(line: &str, mark: char) -> Option<usize> {
    line.chars().position(|c| c == mark)
}

/// What clocks show there, at some moment of the last minute.
fn shows_time_of(text: &str, zone: Tz) -> bool {
    let now = Utc::now().with_timezone(&zone);
    [now, now - TimeDelta::minutes(1)].iter().any(|at| text.contains(&at.format("%a %H:%M").to_string()))
}

/// Everything that the screen owes, at whatever size, with lanes of so many days.
fn tells_all(screen: &vt100::Screen, days: usize) -> bool {
    let text = screen.contents();
    let day = Regex::new(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d+\b").unwrap();
    let Some(rule) = text.lines().find(|line| line.contains("━━ week")) else { return false };
    let until = Regex::new(r"payments +now maya until .*\(2h5\dm\), then jon").unwrap();
    let (Some(lane), Some(now)) = (line(&text, "payments  primary"), text.lines().find(|l| l.contains("▲ now "))) else { return false };
    let second = text.lines().skip_while(|l| !l.contains("payments  primary")).nth(1).unwrap_or_default();
    let fairness = text.lines().skip_while(|l| !l.contains("payments, fairness")).skip(2).take(2).collect::<Vec<_>>().join("\n");
    until.is_match(&text)
        && day.find_iter(rule).count() == days
        && column(lane, '┃').is_some_and(|at| Some(at) == column(second, '┃') && Some(at) == column(now, '▲'))
        && lane.contains('│')
        && second.trim_start().starts_with("second")
        && line(&text, "data").is_some_and(|lane| lane.contains('!'))
        && line(&text, "search").is_some_and(|lane| lane.contains('×'))
        && Regex::new(r"! data: nobody \w{3} \d+ 20:00–22:00 \(2h00m\)").unwrap().is_match(&text)
        && text.contains("× search: ana is both primary and secondary ")
        && shows_time_of(&fairness, Tokyo)
        && shows_time_of(&fairness, New_York)
}

#[test]
fn lanes_gaps_double_cover_and_local_times_stand_there_at_every_usual_size() {
    let (home, backend) = (TempDir::new().unwrap(), Exporter::start());
    rotas(home.path(), &backend, Utc::now());
    let mut pty = cockpit(home.path(), "maya", (120, 36));
    for (size, days) in [((120, 36), 7), ((80, 24), 7), ((200, 50), 14)] {
        pty.resize(size.0, size.1);
        pty.wait_for(&format!("all of it at {size:?}"), |screen| tells_all(screen, days));
    }
}

#[test]
fn an_override_made_in_a_shell_is_drawn_counts_down_and_hands_over_with_a_note() {
    let (home, backend) = (TempDir::new().unwrap(), Exporter::start());
    rotas(home.path(), &backend, Utc::now());
    let mut maya = cockpit(home.path(), "maya", (120, 36));
    let mut jon = cockpit(home.path(), "jon", (80, 24));
    for pty in [&maya, &jon] {
        pty.wait_for("whose it is", |s| line(&s.contents(), "payments").is_some_and(|line| line.contains("now maya until")));
    }
    let add = ["oncall", "override", "add", "--rotation", "payments", "--who", "jon", "--from", "+20s", "--to", "+70h"];
    let made = support::run(home.path(), &[&["--as", "ana"], &add[..]].concat());
    assert!(made.status.success(), "{made:?}");
    // Both see it, with what is wrong with it: he is the second too.
    for pty in [&maya, &jon] {
        pty.wait_for_text("payments: jon is both primary and secondary ");
        pty.wait_for_text("jon, override");
    }
    // The handoff counts down by the second.
    let wait = Regex::new(r"now maya until .* \((\d+)s\), then jon").unwrap();
    let mut seen = Vec::new();
    maya.wait_for("three seconds that pass", |screen| {
        let left = wait.captures(&screen.contents()).map(|found| found[1].parse::<u64>().unwrap());
        seen.extend(left.filter(|left| seen.last() != Some(left)));
        seen.len() >= 3
    });
    assert!(seen.is_sorted_by(|one, next| one > next) && seen[0] <= 20, "{seen:?}");
    // She leaves a note to him; he has it on top, and says that it was read.
    maya.send("n");
    maya.wait_for_text("enter leave it");
    maya.send("canary at 10 %; finance was promised a figure by noon\r");
    for pty in [&maya, &jon] {
        pty.wait_for_text(" for jon, payments ");
        pty.wait_for_text("finance was promised a figure by noon");
    }
    assert!(jon.text().lines().position(|l| l.contains(" for jon, payments ")) < jon.text().lines().position(|l| l.contains("━━ week")));
    for pty in [&maya, &jon] {
        pty.wait_for("the handoff", |s| line(&s.contents(), "payments").is_some_and(|line| line.contains("now jon until")));
    }
    assert!(jon.text().contains("finance was promised"), "it waits for him: {}", jon.text());
    jon.send("a");
    jon.wait_for_text("enter");
    jon.send("\r");
    for pty in [&maya, &jon] {
        pty.wait_for("the note to be gone", |s| !s.contents().contains("finance was promised"));
    }
    let journal = String::from_utf8(support::run(home.path(), &["audit", "list"]).stdout).unwrap();
    let told = |what: &str, who: &str| journal.lines().any(|l| l.contains(what) && l.contains(who) && l.contains("rotation:payments"));
    assert!(told("override", "ana") && told("handoff", "maya") && told("read", "jon"), "{journal}");
    for mut pty in [maya, jon] {
        pty.send("q");
        assert!(pty.wait_exit().success());
    }
}

/// Keys that somebody presses who knows only what stands on the screen.
struct Keys {
    pty: Pty,
    pressed: usize,
}

impl Keys {
    /// Waits until the screen says what the key does, and presses it.
    fn press(&mut self, key: &str, says: &str) {
        self.pty.wait_for_text(says);
        self.pty.send(key);
        self.pressed += key.chars().count();
    }
}

/// From the start to the acknowledged worst incident on the smallest screen: no more than four keys, each of which the screen names.
#[test]
fn the_worst_incident_is_acknowledged_with_four_keys() {
    let (home, server) = (TempDir::new().unwrap(), PagerDuty::start());
    let worst = {
        let mut account = server.account();
        let [mails, worst, disk] = ["mails are slow", "checkout answers with errors", "disk fills up"].map(|title| account.open(title));
        for id in [mails, disk] {
            account.incident(&id)["urgency"] = "low".into();
            account.incident(&id)["priority"] = serde_json::Value::Null;
            account.incident(&id)["service"]["summary"] = id.as_str().into();
            account.incident(&id)["first_trigger_log_entry"]["channel"]["details"] = serde_json::json!({});
        }
        worst
    };
    let login = support::login();
    let source =
        format!("[[source]]\nname = \"pd\"\nkind = \"pagerduty\"\nurl = \"{}\"\ntoken = \"{KEY}\"\nevery = \"1s\"\n", server.url());
    let person = "[[person]]\nname = \"maya\"\nemail = \"maya@acme.example\"\n";
    let store = home.path().join("store");
    let cockpit = format!("[cockpit]\nname = \"test\"\nshared_accounts = [\"{login}\"]\n[store]\nurl = \"sqlite:{}\"\n", store.display());
    support::configure(home.path(), &format!("{cockpit}{person}{source}"));
    let mut keys = Keys { pty: Pty::burnwatch(home.path(), &["--as", "maya"], 80, 24), pressed: 0 };
    keys.press("a", "a acknowledge");
    keys.press("\r", "enter do it");
    // It says so, and PagerDuty has it: this one and no other, in her name, once.
    let has_it = |line: &str| line.contains("checkout answers with errors") && line.contains("ack maya");
    keys.pty.wait_for("that she has it", |screen| screen.contents().lines().any(has_it));
    assert!(keys.pressed <= 4, "{}", keys.pressed);
    assert_eq!(server.status(&worst), "acknowledged");
    let writes = server.writes();
    assert!(writes.len() == 1 && writes[0].from() == Some("maya@acme.example"), "{writes:#?}");
}
