use std::time::Duration;

use super::super::fold;
use super::*;
use crate::domain::{
    AckPolicy, ActId, Answer, Duty, Event, Grade, Held, IncidentId, Lane, Layer, Outcome, Override, Part, Reading, Seat, Service, SloId,
    SourcePlan, Want, rotation_subject,
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn layer(seat: Seat, who: &[&str], every: &str, first: &str) -> Layer {
    let first = chrono::NaiveDateTime::parse_from_str(first, "%Y-%m-%d %H:%M").unwrap();
    Layer { seat, participants: who.iter().map(|w| Text::from(*w)).collect(), every: every.parse().unwrap(), first, only: Vec::new() }
}

fn person(name: &str) -> Person {
    let email = Some(Text::from(format!("{name}@acme.example")));
    Person { name: name.into(), login: None, email, time_zone: Some(Tz::Europe__Berlin), night: None }
}

fn source(name: &str, kind: &'static str) -> SourcePlan {
    let secs = Duration::from_secs;
    SourcePlan {
        name: name.into(),
        kind,
        every: secs(300),
        timeout: secs(5),
        timeout_long: secs(60),
        ack_for: secs(900),
        ack_silences: false,
        severities: std::collections::BTreeMap::new(),
        heartbeat: false,
        scrape_interval: secs(60),
        insecure: false,
    }
}

fn plan() -> Plan {
    let layers = vec![
        layer(Seat::Primary, &["maya", "jon"], "daily", "2026-03-01 18:00"),
        layer(Seat::Secondary, &["jon", "maya"], "daily", "2026-03-01 18:00"),
    ];
    let payments = Rotation::new("payments".into(), Tz::Europe__Berlin, layers, Vec::new()).unwrap();
    let service = |name: &str, rotation: &str| Service {
        name: name.into(),
        owner: None,
        tier: None,
        rotation: Some(rotation.into()),
        aliases: Vec::new(),
    };
    Plan {
        groups: Vec::new(),
        name: "test".into(),
        time_zone: Tz::Europe__Berlin,
        sources: vec![source("rota", "ical"), source("pd", "pagerduty")],
        definitions: Vec::new(),
        services: [service("checkout", "payments"), service("search", "search")].into_iter().map(|s| (s.name.clone(), s)).collect(),
        people: vec![person("maya"), person("jon"), person("ana")],
        rotations: vec![Arc::new(payments)],
        queues: Vec::new(),
        gauges: Vec::new(),
        feeds: vec![Feed { source: "rota".into(), rotation: "search".into(), seat: Seat::Primary }],
        runbooks: std::sync::Arc::default(),
        ack: AckPolicy { max: Duration::from_hours(4) },
        read_only: false,
    }
}

fn tick(before: &Snapshot, plan: &Plan, now: &str) -> Snapshot {
    fold(before, plan, Event::Tick, at(now))
}

fn pager(snapshot: &Snapshot, rota: &str) -> (String, String) {
    let row = snapshot.rota(&rota.into()).unwrap().pager().unwrap();
    let now = match &row.now {
        Held::By(shifts) => shifts.iter().map(|s| s.who.to_string()).collect::<Vec<_>>().join("+"),
        Held::Nobody(_) => "nobody".to_owned(),
        Held::Unknown => "unknown".to_owned(),
    };
    let who = |who: &Option<Text>| who.as_ref().map_or("nobody".to_owned(), ToString::to_string);
    (now, row.next.as_ref().map_or_else(String::new, |n| format!("{} {}", n.at.format("%dT%H:%M"), who(&n.who))))
}

fn told(source: &str, lane: Lane, want: Want, answer: Answer, now: &str) -> Event {
    let now = at(now);
    let part = Part { want, as_of: now, outcome: Ok(answer), partial: None };
    Event::Read(Arc::new(Reading { source: source.into(), lane, at: now, took_us: 1, skew_secs: None, parts: vec![part] }))
}

fn journal(before: &Snapshot, plan: &Plan, id: u64, effect: Effect, now: &str) -> Snapshot {
    let (Effect::Override { rotation, .. } | Effect::HandoffNote { rotation, .. } | Effect::HandoffRead { rotation, .. }) = &effect else {
        panic!("an effect on a rotation")
    };
    let (act, subject, title) = (ActId::new(&format!("a{id}")), rotation_subject(rotation), rotation.clone());
    let who = Actor { name: "ana".into(), verified: true };
    let entry = |id, what| Entry {
        id,
        at: at(now),
        act: act.clone(),
        subject: subject.clone(),
        title: title.clone(),
        version: id,
        service: None,
        who: who.clone(),
        what,
    };
    let both =
        vec![entry(id, What::Asked { effect }), entry(id + 1, What::Ended { outcome: Outcome::Done { receipt: None }, legs: Vec::new() })];
    fold(before, plan, Event::Journal(both), at(now))
}

#[test]
fn handoffs_follow_the_wall_clock_when_clocks_change() {
    let plan = plan();
    let mut snapshot = Snapshot::empty(&plan, at("2026-03-28T12:00:00Z"));
    // Berlin jumps from 2 to 3 on the 29th: 18:00 is 17:00 in UTC before, 16:00 after.
    for (now, who, next) in [
        ("2026-03-28T12:00:00Z", "maya", "28T17:00 jon"),
        ("2026-03-28T16:59:59Z", "maya", "28T17:00 jon"),
        ("2026-03-28T17:00:00Z", "jon", "29T16:00 maya"),
        ("2026-03-29T15:59:59Z", "jon", "29T16:00 maya"),
        ("2026-03-29T16:00:00Z", "maya", "30T16:00 jon"),
    ] {
        snapshot = tick(&snapshot, &plan, now);
        assert_eq!(pager(&snapshot, "payments"), (who.to_owned(), next.to_owned()), "{now}");
    }
}

#[test]
fn between_handoffs_nothing_is_worked_out_anew() {
    let plan = plan();
    let first = tick(&Snapshot::empty(&plan, at("2026-03-28T12:00:00Z")), &plan, "2026-03-28T12:00:00Z");
    let second = tick(&first, &plan, "2026-03-28T12:09:59Z");
    assert!(Arc::ptr_eq(&first.rotas[0], &second.rotas[0]));
    let third = tick(&second, &plan, "2026-03-28T12:10:00Z");
    assert!(!Arc::ptr_eq(&second.rotas[0], &third.rotas[0]), "the account goes on");
    let back = tick(&third, &plan, "2026-03-27T12:00:00Z");
    assert_eq!(pager(&back, "payments").0, "jon", "a clock that was set back");
}

#[test]
fn an_override_counts_from_the_journal_at_once_and_the_later_one_wins() {
    let plan = plan();
    let before = tick(&Snapshot::empty(&plan, at("2026-03-28T12:00:00Z")), &plan, "2026-03-28T12:00:00Z");
    let over = |who: &str, from, to| Effect::Override {
        rotation: "payments".into(),
        over: Override { who: who.into(), seat: Seat::Primary, during: Interval { from: at(from), to: at(to) } },
        note: None,
    };
    let after = journal(&before, &plan, 1, over("ana", "2026-03-28T12:00:00Z", "2026-03-28T20:00:00Z"), "2026-03-28T12:00:10Z");
    assert_eq!(pager(&after, "payments"), ("ana".into(), "28T20:00 jon".into()));
    let later = journal(&after, &plan, 3, over("jon", "2026-03-28T13:00:00Z", "2026-03-28T14:00:00Z"), "2026-03-28T12:00:20Z");
    assert_eq!(pager(&later, "payments"), ("ana".into(), "28T13:00 jon".into()));
    assert_eq!(later.rotas[0].double.len(), 2, "two overrides at once, and jon on two seats: {:?}", later.rotas[0].double);
    let again = fold(&later, &plan, Event::Journal(later.latest.iter().map(|e| Entry::clone(e)).collect()), at("2026-03-28T12:00:30Z"));
    assert_eq!(again.rotation_logs[&Text::from("payments")].overrides.len(), 2, "the same entries once more change nothing");
}

#[test]
fn a_calendar_is_unknown_until_it_tells_and_beyond_what_it_told() {
    let plan = plan();
    let before = tick(&Snapshot::empty(&plan, at("2026-03-28T12:00:00Z")), &plan, "2026-03-28T12:00:00Z");
    assert_eq!(pager(&before, "search"), ("unknown".into(), String::new()));
    assert!(before.rota(&"search".into()).unwrap().stale);
    let during = |from, to| Interval { from: at(from), to: at(to) };
    let duty =
        |title: &str, span| Duty { rotation: "search".into(), seat: Seat::Primary, title: title.into(), emails: Vec::new(), during: span };
    let between = during("2026-02-26T12:00:00Z", "2026-04-11T12:00:00Z");
    let duties = vec![
        duty("Maya on call", during("2026-03-28T08:00:00Z", "2026-03-28T18:00:00Z")),
        duty("jon", during("2026-03-28T17:00:00Z", "2026-03-29T08:00:00Z")),
    ];
    let reading = told("rota", Lane::Short, Want::Duties { between }, Answer::Duties(duties), "2026-03-28T12:01:00Z");
    let after = fold(&before, &plan, reading, at("2026-03-28T12:01:00Z"));
    assert_eq!(pager(&after, "search"), ("maya".into(), "28T18:00 jon".into()));
    let rota = after.rota(&"search".into()).unwrap();
    assert!(!rota.stale);
    assert_eq!(rota.double.len(), 1, "two hold it from 17 to 18");
    assert_eq!(rota.gaps.iter().map(|g| g.from.unwrap()).collect::<Vec<_>>(), [at("2026-03-29T08:00:00Z")]);
    assert_eq!(pager(&tick(&after, &plan, "2026-03-29T09:00:00Z"), "search").0, "nobody");
    let late = tick(&after, &plan, "2026-04-12T09:00:00Z");
    assert_eq!(pager(&late, "search").0, "unknown");
    assert!(late.rota(&"search".into()).unwrap().stale, "it has not answered for two weeks");
}

#[test]
fn paging_services_tell_rotas_too_and_names_never_collide() {
    let plan = plan();
    let before = tick(&Snapshot::empty(&plan, at("2026-03-28T12:00:00Z")), &plan, "2026-03-28T12:00:00Z");
    let entry = |who: &str, schedule: &str, level| OnCallEntry {
        who: who.into(),
        email: Some(Text::from(format!("{}@acme.example", who.to_lowercase()))),
        level,
        schedule: Some(schedule.into()),
        policy: Some("web".into()),
        from: Some(at("2026-03-27T12:00:00Z")),
        until: Some(at("2026-03-30T12:00:00Z")),
    };
    let entries = vec![entry("MAYA", "payments", 1), entry("Zoe", "web", 1), entry("ana", "web", 3)];
    let reading = told("pd", Lane::Long, Want::OnCall, Answer::OnCall(entries), "2026-03-28T12:01:00Z");
    let after = fold(&before, &plan, reading, at("2026-03-28T12:01:00Z"));
    assert_eq!(after.rotas.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["payments", "search", "payments (pd)", "web"]);
    assert_eq!(pager(&after, "payments (pd)"), ("maya".into(), "30T12:00 nobody".into()));
    assert_eq!(pager(&after, "web").0, "Zoe");
    let web = after.rota(&"web".into()).unwrap();
    assert_eq!(web.seats.iter().map(|s| s.place.to_string()).collect::<Vec<_>>(), ["primary", "level 3"]);
    assert!(web.fairness.is_none(), "its past is not told");
}

#[test]
fn a_note_is_left_for_a_handoff_and_read() {
    let plan = plan();
    let before = tick(&Snapshot::empty(&plan, at("2026-03-28T12:00:00Z")), &plan, "2026-03-28T12:00:00Z");
    let (rotation, handoff) = (Text::from("payments"), at("2026-03-28T17:00:00Z"));
    let note = |words: &str| Effect::HandoffNote { rotation: rotation.clone(), handoff, note: words.into() };
    let after = journal(&before, &plan, 1, note("canary is at 10 %"), "2026-03-28T12:01:00Z");
    let after = journal(&after, &plan, 3, note("canary is at 20 %"), "2026-03-28T12:02:00Z");
    let waiting = |s: &Snapshot| s.rotas[0].waiting_notes(s.at).map(|n| n.note.to_string()).collect::<Vec<_>>();
    assert_eq!(waiting(&after), ["canary is at 20 %"]);
    let read = Effect::HandoffRead { rotation: rotation.clone(), handoff };
    let after = journal(&after, &plan, 5, read, "2026-03-28T17:03:00Z");
    assert!(waiting(&after).is_empty());
    assert_eq!(after.rotas[0].notes[0].read.as_ref().unwrap().0.name.as_str(), "ana");
}

#[test]
fn pages_fall_on_whoever_had_the_pager_and_one_trouble_is_one_page() {
    let plan = plan();
    let now = "2026-03-28T12:00:00Z";
    let episode =
        |slo: &str, seen: &str, grade| Episode { slo: SloId::new(slo), grade, seen_at: at(seen), since: None, ended_at: Some(at(now)) };
    let episodes = vec![
        episode("checkout/availability", "2026-03-27T20:00:00Z", Grade::Page),
        episode("checkout/latency", "2026-03-27T20:03:00Z", Grade::Page),
        episode("checkout/availability", "2026-03-25T02:00:00Z", Grade::Page),
        episode("checkout/errors", "2026-03-26T10:00:00Z", Grade::Ticket),
        episode("prom/checkout/errors", "2026-03-25T12:00:00Z", Grade::Page),
        episode("search/availability", "2026-03-26T10:00:00Z", Grade::Page),
    ];
    let before = Snapshot::empty(&plan, at(now));
    let after = fold(&before, &plan, Event::Episodes(episodes), at(now));
    let account = after.rotas[0].fairness.as_ref().unwrap();
    let of = |who: &str| account.people.iter().find(|b| b.who.as_str() == who).map(|b| (b.pages, b.night_pages)).unwrap();
    // The 25th at 2 and at 12 is jon's turn, the 27th at 20 maya's; 2 o'clock is night in Berlin, 21 o'clock is not yet.
    assert_eq!((of("maya"), of("jon")), ((1, 0), (2, 1)));
    assert_eq!(account.people.iter().map(|b| b.pages).sum::<u32>(), 3);
    assert!(account.people.iter().all(|b| b.who.as_str() != "ana"), "who has no turns is not in the mean");
    assert_eq!(after.rota_of(&"checkout".into()).unwrap().name.as_str(), "payments");
    assert!(after.rota_of(&"cart".into()).is_none());
    assert_eq!(IncidentId::new("rotation:payments"), rotation_subject(&"payments".into()));
}
