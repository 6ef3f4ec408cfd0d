//! People and their pager on a screen: who has it and when it changes hands, what the outgoing tells the incoming, and the way from the
//! start to *I have it* with few keys.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use support::{
    pagerduty::{KEY, PagerDuty},
    pty::Pty,
};
use tempfile::TempDir;

/// Two people by turns, one of them without anybody for three hours a day, and one on two seats at once.
const ROTATIONS: &str = r#"
[[rotation]]
name = "payments"
participants = ["jon", "maya"]
handoff = "weekly"
at = "18:00"
start = "2026-01-01"
[[rotation]]
name = "data"
participants = ["tom"]
handoff = "daily"
at = "00:00"
start = "2026-01-01"
only = ["00:00-12:00", "15:00-24:00"]
[[rotation]]
name = "always"
participants = ["tom"]
handoff = "weekly"
at = "00:00"
start = "2026-01-01"
[[rotation.layers]]
seat = "secondary"
participants = ["tom"]
[[source]]
name = "nowhere"
kind = "prometheus"
url = "http://127.0.0.1:9"
"#;

struct Home(TempDir);

impl Home {
    fn new(more: &str) -> Self {
        let home = Self(TempDir::new().unwrap());
        let (folder, login) = (home.0.path().display(), support::login());
        let people = ["maya", "tom", "jon"].map(|name| {
            let login = if name == "maya" { format!("login = \"{login}\"\n") } else { String::new() };
            format!("[[person]]\nname = \"{name}\"\nemail = \"{name}@acme.example\"\ntime_zone = \"Asia/Kolkata\"\n{login}")
        });
        let text = format!(
            "[cockpit]\nname = \"test\"\nshared_accounts = [\"{login}\"]\ntime_zone = \"Europe/Berlin\"\n[store]\nurl = \"sqlite:{folder}/store\"\n{}{more}",
            people.concat()
        );
        fs::write(home.file(), text).unwrap();
        fs::set_permissions(home.file(), fs::Permissions::from_mode(0o600)).unwrap();
        home
    }
    fn file(&self) -> PathBuf {
        self.0.path().join("burnwatch.toml")
    }
    fn cockpit(&self, who: &str, (columns, rows): (u16, u16)) -> Pty {
        Pty::burnwatch(self.0.path(), &["--as", who, "--config", self.file().to_str().unwrap()], columns, rows)
    }
    fn run(&self, who: &str, args: &[&str]) {
        let mut all = vec!["--as", who, "--config"];
        let file = self.file();
        all.push(file.to_str().unwrap());
        all.extend(args);
        let output = support::burnwatch(self.0.path(), &all).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
    }
}

/// The lane of a rotation.
fn lane<'a>(text: &'a str, rotation: &str) -> &'a str {
    text.lines().find(|line| line.trim_start_matches(['▌', ' ']).starts_with(rotation) && line.contains('━')).unwrap_or_default()
}

#[test]
fn the_week_stands_as_lanes_with_now_the_next_handoff_and_what_is_wrong() {
    let home = Home::new(ROTATIONS);
    let next = regex::Regex::new(r"payments   now (jon|maya) until \S+.* \((\d+d)?(\d+h)?(\d\dm|\d+m)?\), then (jon|maya)").unwrap();
    for (columns, rows) in [(120, 36), (80, 24)] {
        let mut pty = home.cockpit("maya", (columns, rows));
        pty.wait_for_text("5 On-call");
        pty.send("5");
        pty.wait_for("lanes with their days", |screen| {
            let text = screen.contents();
            let (head, body) = (text.lines().find(|l| l.contains("━━ week ")).unwrap_or_default(), lane(&text, "payments"));
            let whole = text.contains("▲ now ") && text.contains("fairness of 30 days");
            whole && ["Mon", "Thu", "Sun"].iter().all(|day| head.contains(day)) && body.contains("jon") && body.contains("maya")
        });
        let text = pty.text();
        // Now stands under the line that goes through every lane.
        let now = text.lines().find(|l| l.contains("▲ now ")).unwrap();
        let at = now.chars().position(|c| c == '▲').unwrap();
        for rotation in ["payments", "data", "always"] {
            // A name that begins just there stands on it.
            assert!(lane(&text, rotation).chars().nth(at).is_some_and(|c| c == '┃' || c.is_alphabetic()), "{text}");
        }
        assert!(next.is_match(&text), "{text}");
        assert!(text.contains("! data: nobody ") && text.contains("× always: tom is both primary and secondary "), "{text}");
        pty.send("q");
        pty.wait_exit();
    }
}

#[test]
fn an_override_of_a_command_is_on_the_screen_at_once() {
    let home = Home::new(ROTATIONS);
    let mut pty = home.cockpit("maya", (120, 36));
    pty.wait_for_text("5 On-call");
    pty.send("5");
    pty.wait_for("the lane of data", |screen| lane(&screen.contents(), "data").contains("tom"));
    assert!(!lane(&pty.text(), "always").contains("jon"));
    home.run("maya", &["oncall", "override", "add", "--rotation", "always", "--who", "jon", "--from", "now", "--to", "+13d"]);
    pty.wait_for("who took it", |screen| lane(&screen.contents(), "always").contains("jon"));
}

#[test]
fn what_the_outgoing_writes_the_incoming_reads_on_top_until_it_is_read() {
    let home = Home::new(ROTATIONS);
    let mut outgoing = home.cockpit("jon", (80, 24));
    let mut incoming = home.cockpit("maya", (80, 24));
    for pty in [&mut outgoing, &mut incoming] {
        pty.wait_for_text("5 On-call");
        pty.send("5");
        pty.wait_for_text("payments   now ");
    }
    outgoing.send("n");
    outgoing.wait_for_text("note for ");
    outgoing.send("canary is at 10 %, acme was promised a call\r");
    for pty in [&outgoing, &incoming] {
        pty.wait_for("the note on top", |screen| {
            let text = screen.contents();
            let said = text.find("canary is at 10 %, acme was promised a call");
            said.is_some_and(|at| at < text.find("payments   now ").unwrap_or(0)) && text.contains("▸ jon")
        });
    }
    incoming.send("a");
    incoming.wait_for_text("is read: write that down");
    incoming.send("\r");
    for pty in [&outgoing, &incoming] {
        pty.wait_for("no note any more", |screen| !screen.contents().contains("acme was promised a call"));
    }
}

/// From the start to the acknowledged worst incident on the smallest screen, with the keys that it names: no more than four.
#[test]
fn the_worst_incident_is_acknowledged_with_four_keys() {
    let server = PagerDuty::start();
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
    let source =
        format!("[[source]]\nname = \"pd\"\nkind = \"pagerduty\"\nurl = \"{}\"\ntoken = \"{KEY}\"\nevery = \"1s\"\n", server.url());
    let home = Home::new(&source);
    let mut pty = home.cockpit("maya", (80, 24));
    pty.wait_for_text("checkout answers with errors");
    // The answer on top names the key.
    pty.wait_for_text("a acknowledge");
    let mut keys = 0;
    for (key, shown) in [("a", "enter"), ("\r", "ack maya")] {
        keys += 1;
        pty.send(key);
        pty.wait_for_text(shown);
    }
    assert!(keys <= 4);
    assert_eq!(server.status(&worst), "acknowledged");
    let write = server.writes().into_iter().next().unwrap();
    assert_eq!(write.from(), Some("maya@acme.example"));
    assert_eq!(server.writes().len(), 1, "one act and no other");
}
