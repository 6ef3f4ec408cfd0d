//! More than two hundred hostile strings as title, label, name and note: on the screen (the bytes that reach a terminal, and what that
//! terminal then shows), in text and JSON, in the journal's list and in error messages they do no harm, and columns stay straight.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use burnwatch::{
    domain::{
        AckPolicy, Actor, Alerts, Answer, Chronicle, Effect, Entry, Event, FiringAlert, GroupBy, GroupRule, Labels, Lane, Link, Log,
        Matchers, Moment, Origin, Outcome, PagedIncident, Part, Person, Plan, Reading, Severity, Snapshot, SourcePlan, Target, Text,
        Untrusted, Want, What,
    },
    engine::fold,
    store::Store,
    tui::{Depth, Glyphs, Offscreen, Settings, Theme},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use support::{
    fake::{Fake, Say, path},
    hostile::{harm, strings},
    pagerduty::{KEY, PagerDuty},
};
use tempfile::TempDir;

fn at(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + secs, 0).unwrap()
}

fn plan() -> Plan {
    let secs = std::time::Duration::from_secs;
    let source = SourcePlan {
        name: "pd".into(),
        kind: "pagerduty",
        every: secs(30),
        timeout: secs(20),
        timeout_long: secs(60),
        ack_for: secs(900),
        ack_silences: false,
        severities: BTreeMap::new(),
        heartbeat: false,
        scrape_interval: secs(60),
        insecure: false,
    };
    Plan {
        groups: Vec::new(),
        name: "test".into(),
        time_zone: chrono_tz::UTC,
        sources: vec![source],
        definitions: Vec::new(),
        services: BTreeMap::new(),
        people: Vec::new(),
        rotations: Vec::new(),
        feeds: Vec::new(),
        runbooks: std::sync::Arc::default(),
        queues: Vec::new(),
        gauges: Vec::new(),
        ack: AckPolicy { max: secs(14_400) },
        read_only: false,
    }
}

/// One incident in which `text` stands wherever somebody else can write.
fn snapshot(text: &str) -> Snapshot {
    let clean = || Text::clean(text);
    let labels: Labels = [(text, text), ("alertname", text)].into_iter().collect();
    let paged = PagedIncident {
        id: "Q1".into(),
        number: Some(4711),
        title: clean(),
        severity: Severity::P1,
        service: Some(clean()),
        acknowledged: false,
        holders: Vec::new(),
        until: None,
        created_at: at(-600),
        changed_at: None,
        assigned: vec![clean()],
        policy: Some(clean()),
        key: None,
        labels,
        links: Link::web(text, &format!("https://acme.example/{text}")).into_iter().collect(),
    };
    let part = Part { want: Want::Incidents, as_of: at(0), outcome: Ok(Answer::Incidents(vec![paged])), partial: None };
    let reading = Reading { source: "pd".into(), lane: Lane::Short, at: at(0), took_us: 1, skew_secs: None, parts: vec![part] };
    let read = fold(&Snapshot::empty(&plan(), at(0)), &plan(), Event::Read(Arc::new(reading)), at(0));
    let said = fold(&read, &plan(), Event::Journal(vec![entry(text, 1)]), at(0));
    let moment = Moment { at: at(-60), what: clean(), who: Some(clean()), text: clean() };
    let log = Log { source: "pd".into(), as_of: Some(at(0)), moments: vec![moment], fault: None };
    let chronicle = Chronicle { as_of: at(0), entries: Vec::new(), logs: vec![log], response: None };
    fold(&said, &plan(), Event::Chronicle("pd:Q1".into(), Box::new(chronicle)), at(0))
}

/// A group in which `text` stands wherever somebody else can write: two alerts of one Alertmanager and a silence, held together by a
/// rule of the name of `text`, and what PagerDuty made of them.
fn group(text: &str) -> Snapshot {
    let clean = || Text::clean(text);
    let rule = GroupRule { name: clean(), matchers: Matchers::new(&[]).unwrap(), by: GroupBy::Labels(vec!["team".to_owned()]) };
    let mut plan = plan();
    let am = SourcePlan { name: "am".into(), kind: "alertmanager", ..plan.sources[0].clone() };
    plan.sources.push(am);
    plan.groups = vec![rule];
    let alert = |n: usize| FiringAlert {
        fingerprint: Text::from(format!("f{n}")),
        labels: [("alertname", text), ("service", text), ("team", text), ("pod", &format!("{n}{text}"))].into_iter().collect(),
        annotations: [("summary", text), (text, text)].into_iter().collect(),
        starts_at: at(-600),
        generator: Link::web(text, &format!("https://acme.example/{text}")),
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
    };
    let alerts = Alerts { alerts: vec![alert(1), alert(2)], silences: Vec::new(), heartbeat: None };
    let part = Part { want: Want::Alerts, as_of: at(0), outcome: Ok(Answer::Alerts(alerts)), partial: None };
    let reading = Reading { source: "am".into(), lane: Lane::Short, at: at(0), took_us: 1, skew_secs: None, parts: vec![part] };
    let read = fold(&Snapshot::empty(&plan, at(0)), &plan, Event::Read(Arc::new(reading)), at(0));
    assert!(matches!(read.incidents.as_slice(), [one] if one.members.len() == 2), "{text:?}: {:?}", read.incidents);
    let note = Entry { subject: read.incidents[0].id.clone(), ..entry(text, 1) };
    fold(&read, &plan, Event::Journal(vec![note]), at(0))
}

/// A note with these words by a person of this name.
fn entry(text: &str, id: u64) -> Entry {
    let effect = Effect::Note { target: Target::Journal, note: Text::clean(text) };
    Entry {
        id,
        at: at(-30),
        act: "a1".into(),
        subject: "pd:Q1".into(),
        title: Text::clean(text),
        service: Some(Text::clean(text)),
        version: id,
        who: Actor { name: Text::clean(text), verified: true },
        what: What::Asked { effect },
    }
}

fn settings() -> Settings {
    let person = Person { name: "maya".into(), login: None, email: None, time_zone: None, night: None };
    Settings {
        name: "test".into(),
        me: "maya".into(),
        time_zone: chrono_tz::UTC,
        theme: Theme::default().at_depth(Depth::True),
        glyphs: Glyphs::Unicode,
        read_only: false,
        low_bandwidth: false,
        footer_hint: None,
        ask_name: None,
        links: true,
        people: vec![person],
        services: BTreeMap::new(),
        silencing: burnwatch::domain::Silencing::default(),
    }
}

/// The sequences that burnwatch itself writes.
static OWN: LazyLock<regex::Regex> = LazyLock::new(|| {
    let own = [r"\x1b\[[0-9;]*[mHCJ]", r"\x1b\]8;id=[0-9a-f]+;https?://[\x21-\x7e]+\x1b\\", r"\x1b\]8;;\x1b\\"];
    regex::Regex::new(&own.join("|")).unwrap()
});

/// What is left of the bytes of frames without them.
fn without_own_sequences(bytes: &[u8]) -> String {
    OWN.replace_all(std::str::from_utf8(bytes).unwrap(), "").into_owned()
}

/// Where on a terminal of this size the marks of every incident stand, on the overview, in the list, in the room, at a prompt.
fn straight_marks(told: Snapshot, text: &str, (w, h): (u16, u16)) -> Vec<(usize, u16, &'static str)> {
    let mut screen = Offscreen::new(settings(), Arc::new(told), (w, h), at(0));
    let mut terminal = vt100::Parser::new(h, w, 0);
    let mut marks = Vec::new();
    for (step, keys) in ["", "3", "\r", "X", "\x1b[27uGG"].iter().enumerate() {
        screen.type_keys(keys.as_bytes(), at(0));
        let bytes = screen.draw(at(0));
        let left = without_own_sequences(&bytes);
        assert_eq!(harm(&left), None, "{text:?} at step {step}: {left:?}");
        terminal.process(&bytes);
        for y in 0..h {
            // One character a cell: what is more than one counts as something else, and a cell never written to as a blank.
            let cells: Vec<_> = (0..w).filter_map(|x| terminal.screen().cell(y, x)).map(vt100::Cell::contents).collect();
            assert!(cells.iter().all(|c| harm(c).is_none() && c.chars().count() <= 4), "{text:?}: {cells:?}");
            let row: Vec<u8> = cells.iter().map(|c| if c.is_empty() { b' ' } else { c.as_bytes()[0] }).collect();
            // Above the panes a sentence names the worst incident; it has no columns.
            for word in ["unacked", "10m", "since 07:50", "07:59:30", "07:59:00"].into_iter().filter(|_| y >= 4) {
                let found = row.windows(word.len()).position(|cells| cells == word.as_bytes());
                marks.extend(found.map(|x| (step, u16::try_from(x).unwrap(), word)));
            }
        }
    }
    marks
}

#[test]
fn screens_stay_harmless_and_straight() {
    let all = strings();
    assert!(all.len() >= 200, "{}", all.len());
    for size in [(80, 24), (120, 36), (200, 50)] {
        let straight = straight_marks(snapshot("checkout"), "checkout", size);
        assert!(straight.iter().any(|(step, _, word)| *step == 2 && *word == "unacked") && straight.len() > 8, "{straight:?}");
        // The widest screen has five times the cells of the smallest, and nothing of its own to cut: every third will do.
        for text in all.iter().step_by(if size.0 == 200 { 3 } else { 1 }) {
            let marks = straight_marks(snapshot(text), text, size);
            let lost: Vec<_> = straight.iter().filter(|m| (1..=2).contains(&m.0) && !marks.contains(m)).collect();
            assert!(lost.is_empty(), "{text:?} at {size:?}: {lost:?} in {marks:?}");
        }
    }
}

/// The same of a group: its row, the list of its parts in its room, the prompt that would act on all of them.
#[test]
fn groups_stay_harmless_and_straight() {
    for size in [(80, 24), (120, 36)] {
        let straight = straight_marks(group("checkout"), "checkout", size);
        assert!(straight.iter().any(|(step, _, word)| *step == 1 && *word == "unacked"), "{straight:?}");
        for text in strings() {
            let told = group(&text);
            let marks = straight_marks(told, &text, size);
            let lost: Vec<_> = straight.iter().filter(|m| m.0 == 1 && !marks.contains(m)).collect();
            assert!(lost.is_empty(), "{text:?} at {size:?}: {lost:?} in {marks:?}");
        }
    }
}

#[test]
fn typed_and_pasted_text_is_cleaned_before_it_is_shown_or_sent() {
    for text in strings().iter().filter(|t| !t.contains("\x1b[201~")) {
        let mut screen = Offscreen::new(settings(), Arc::new(snapshot("checkout")), (80, 24), at(0));
        screen.type_keys(b"3\rn", at(0));
        screen.type_keys(format!("\x1b[200~{text}\x1b[201~").as_bytes(), at(0));
        let left = without_own_sequences(&screen.draw(at(0)));
        assert_eq!(harm(&left), None, "{text:?}: {left:?}");
    }
}

fn config(home: &TempDir, server: &PagerDuty) -> String {
    let (folder, url) = (home.path().display(), server.url());
    support::configure(
        home.path(),
        &format!(
            "[cockpit]\nname = \"test\"\n[store]\nurl = \"sqlite:{folder}/store\"\n[[source]]\nname = \"pd\"\nkind = \"pagerduty\"\nurl = \"{url}\"\ntoken = \"{KEY}\"\n"
        ),
    );
    home.path().join("store").display().to_string()
}

/// What a command printed, on both ways, is harmless but for the ends of its lines.
fn run(home: &TempDir, args: &[&str]) -> String {
    let output = support::run(home.path(), args);
    for bytes in [&output.stdout, &output.stderr] {
        let said = std::str::from_utf8(bytes).unwrap();
        if let Some(line) = said.lines().find(|line| harm(line).is_some()) {
            panic!("{args:?}: {line:?}");
        }
    }
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_a_source_tells_is_harmless_in_text_and_in_json() {
    let server = PagerDuty::start();
    for text in strings() {
        let id = server.account().open(&text);
        let mut account = server.account();
        let incident = account.incident(&id);
        incident["service"]["summary"] = Value::from(text.as_str());
        incident["html_url"] = Value::from(format!("https://acme.example/{text}"));
        incident["first_trigger_log_entry"]["channel"]["details"] = serde_json::json!({text.as_str(): text.as_str()});
        account.log.get_mut(&id).unwrap()[0]["agent"]["summary"] = Value::from(text.as_str());
    }
    let home = TempDir::new().unwrap();
    config(&home, &server);
    let count = strings().len();
    for command in ["status", "incidents"] {
        let said: Value = serde_json::from_str(&run(&home, &[command, "--json"])).unwrap();
        assert_eq!(said["incidents"].as_array().unwrap().len(), count);
    }
    run(&home, &["status"]);
    let lines = run(&home, &["incidents"]);
    assert_eq!(lines.lines().count(), count, "one line each");
    let first = |line: &str| line.split("unacked  ").next().map(str::len);
    assert!(lines.lines().all(|l| first(l) == first(lines.lines().next().unwrap())), "columns in the list");
    for n in [1, 60, 120, 180, 240] {
        let id = format!("pd:Q{n:07}");
        run(&home, &["incidents", &id]);
        serde_json::from_str::<Value>(&run(&home, &["incidents", &id, "--json"])).unwrap();
    }
}

/// As a string of TOML; what it may not hold as it is, is escaped, and nothing else.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// A server that tells of two alerts for each of the strings, which stands wherever somebody else can write.
fn alerts_of(all: &[String]) -> Fake {
    let alert = |(n, text): (usize, &String)| {
        [1, 2].map(|member| {
            serde_json::json!({
                "labels": {"alertname": text, "service": text, "batch": n.to_string(), "pod": format!("{member}{text}"), text.as_str(): text},
                "annotations": {"summary": text, "runbook_url": format!("https://acme.example/{text}")},
                "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "generatorURL": text,
                "fingerprint": format!("f{n:03}-{member}"), "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
            })
        })
    };
    let alerts = Value::from(all.iter().enumerate().flat_map(alert).collect::<Vec<_>>()).to_string();
    Fake::start(move |request| if path(request).ends_with("/alerts") { Say::json(alerts.clone()) } else { Say::json("[]") })
}

/// Groups of alerts, rules whose names somebody made up, and a member of the cluster that answers with anything but alerts.
#[test]
fn groups_rules_and_members_of_a_cluster_are_harmless_in_text_and_in_json() {
    let all = strings();
    let (server, nonsense) = (alerts_of(&all), all.join("\n"));
    let member = Fake::start(move |_| Say::Answer("500 Internal Server Error", String::new(), nonsense.clone().into_bytes()));
    let rule = |(n, text): (usize, &String)| format!("[[group]]\nname = {}\nmatch = 'batch=\"{n}\"'\nby = [\"service\"]\n", quoted(text));
    let home = TempDir::new().unwrap();
    let config = |rules: &str, peers: &str| {
        let (folder, url) = (home.path().display(), server.url());
        let source = format!("[[source]]\nname = \"am\"\nkind = \"alertmanager\"\nurl = \"{url}\"\npeers = [{peers}]\n");
        support::configure(home.path(), &format!("[cockpit]\nname = \"t\"\n[store]\nurl = \"sqlite:{folder}/store\"\n{source}{rules}"));
    };
    // All of them as names of rules and as addresses: most are mistakes, and each is told at its line.
    let rules: Vec<String> = all.iter().enumerate().map(rule).collect();
    config(&rules.concat(), &all.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "));
    run(&home, &["check"]);
    // And then those that are names, with a member that is none.
    let named = |text: &String| !text.is_empty() && !text.contains('/') && text.trim() == text && text.chars().count() <= 100;
    let shown = |text: &&String| named(text) && Text::clean(text).as_str() == text.as_str();
    let rules: Vec<_> = all.iter().enumerate().filter(|(_, text)| shown(text)).map(rule).collect();
    assert!(rules.len() > 20, "{}", rules.len());
    config(&rules.concat(), &quoted(&member.url()));
    assert_eq!(run(&home, &["check"]).lines().filter(|line| line.starts_with("error")).count(), 0);
    let said: Value = serde_json::from_str(&run(&home, &["status", "--json"])).unwrap();
    let rows = said["incidents"].as_array().unwrap();
    let alerts: u64 = rows.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(usize::try_from(alerts).unwrap(), 2 * all.len());
    assert_eq!(said["sources"][0]["partial"], true, "{}", said["sources"]);
    let of_rules: Vec<_> = rows.iter().filter(|row| row["id"].as_str().unwrap().contains(':') && row["count"] == 2).collect();
    assert!(of_rules.len() >= rules.len(), "{} of {}", of_rules.len(), rules.len());
    run(&home, &["status"]);
    let lines = run(&home, &["incidents"]);
    assert_eq!(lines.lines().count(), rows.len(), "one line each");
    let first = |line: &str| line.split("unacked  ").next().map(str::len);
    assert!(lines.lines().all(|l| first(l) == first(lines.lines().next().unwrap())), "columns in the list");
    for row in of_rules.iter().step_by(9) {
        let id = row["id"].as_str().unwrap();
        run(&home, &["incidents", "--", id]);
        serde_json::from_str::<Value>(&run(&home, &["incidents", "--json", "--", id])).unwrap();
    }
}

#[test]
fn what_stands_in_the_journal_is_harmless_in_its_lists() {
    let server = PagerDuty::start();
    let home = TempDir::new().unwrap();
    let folder = config(&home, &server);
    let store = Store::open(std::path::Path::new(&folder)).unwrap();
    for (n, text) in strings().iter().enumerate() {
        let labels = Labels([(Untrusted::new(text.as_str()), Untrusted::new(text.as_str()))].into());
        let target = Target::Alertmanager { source: "am".into(), labels };
        let effect = Effect::Acknowledge { target, occurrence: at(0), note: Some(Text::clean(text)), until: at(1), lapses: at(2) };
        let act = format!("a{n}");
        let asked = Entry { act: act.as_str().into(), what: What::Asked { effect }, ..entry(text, 0) };
        let receipt = Some(text.clone());
        let done = Entry { what: What::Ended { outcome: Outcome::Done { receipt }, legs: Vec::new() }, ..asked.clone() };
        let why = Text::clean(text);
        let failed = Entry { what: What::Ended { outcome: Outcome::Failed { why, retry: false }, legs: Vec::new() }, ..asked.clone() };
        for entry in [asked, if n % 2 == 0 { done } else { failed }] {
            store.append(entry, None).unwrap();
        }
    }
    let count = strings().len() * 2;
    let listed = run(&home, &["audit", "list", "--last", "9999"]);
    assert_eq!(listed.lines().count(), count, "one line each");
    let json: Value = serde_json::from_str(&run(&home, &["audit", "list", "--last", "9999", "--json"])).unwrap();
    let entries = json["entries"].as_array().unwrap();
    assert_eq!(entries.len(), count);
    // JSON escapes what it may not show, and so tells it exactly.
    let labels = entries.iter().filter_map(|e| e["what"]["target"]["labels"].as_object());
    assert!(labels.zip(strings()).all(|(labels, text)| labels.contains_key(&text)));
    assert_eq!(run(&home, &["audit", "verify"]).lines().count(), 3);
}

#[test]
fn what_is_said_of_words_nobody_knows_is_harmless() {
    let server = PagerDuty::start();
    let home = TempDir::new().unwrap();
    config(&home, &server);
    // A word cannot hold a NUL; many at once, for a process takes its time.
    let words: Vec<String> = strings().iter().map(|s| s.replace('\0', "").chars().take(200).collect()).collect();
    for some in words.chunks(12) {
        let word = some.join(" ");
        run(&home, &["ack", "--", &word]);
        run(&home, &["incidents", "--json", "--", &word]);
        run(&home, &[word.as_str()]);
    }
}

#[test]
fn an_origin_is_only_ever_sent_back_as_it_came() {
    // The screen shows cleaned text; what is sent to the source is what came from it.
    let snapshot = snapshot("a\u{1b}b");
    let incident = &snapshot.incidents[0];
    assert!(matches!(&incident.origin, Origin::PagerDuty { incident, .. } if incident == "Q1"));
    assert_eq!(incident.labels.get("alertname").unwrap().raw(), "a\u{1b}b");
    assert_eq!(incident.since.unwrap() + TimeDelta::minutes(10), at(0));
}

#[test]
fn a_link_is_one_where_the_terminal_knows_them_and_leads_to_a_cleaned_address() {
    let bytes = |links, path: &str| {
        let settings = Settings { links, ..settings() };
        let mut screen = Offscreen::new(settings, Arc::new(snapshot(path)), (120, 36), at(0));
        screen.type_keys(b"3\r", at(0));
        String::from_utf8(screen.draw(at(0))).unwrap()
    };
    let drawn = bytes(true, "run\u{1b}]8;;x\u{7}book");
    let address = "https://acme.example/run%1B]8;;x%07book";
    let (_, link) = drawn.split_once("\x1b]8;id=").unwrap();
    let (link, _) = link.split_once("\x1b]8;;\x1b\\").unwrap();
    let (head, shown) = link.split_once("\x1b\\").unwrap();
    assert!(head.ends_with(&format!(";{address}")) && shown.ends_with(&format!("m{address}")), "{link:?}");
    assert!(!bytes(false, "runbook").contains("\x1b]8;"));
}
