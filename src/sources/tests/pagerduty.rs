//! A PagerDuty, as described: pages that move, haste that is refused, acts in a person's name, answers that are lost.

#[path = "../../../tests/support/pagerduty.rs"]
mod fake;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use self::fake::KEY;
use super::{
    super::{Chronicle, Credentials, Deadlines, Examiner, HttpSettings, Order, PagerDuty, PagerDutySettings, Responder, Source},
    stand_in::{Say, StandIn, patient},
};
use crate::domain::{
    ActId, Actor, Answer, Ask, Effect, Escalation, FaultClass, Lane, Outcome, PagedIncident, Part, Person, Release, Severity, Target, Text,
    Want,
};

fn settings(url: &str, deadlines: Deadlines) -> PagerDutySettings {
    let mut http = HttpSettings::new(url.parse().unwrap());
    http.credentials = Some(Credentials::Key(KEY.into()));
    let (severities, services, teams, schedules) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
    PagerDutySettings { name: "pd".into(), http, deadlines, severities, services, teams, schedules }
}
fn source(server: &fake::PagerDuty) -> PagerDuty {
    PagerDuty::new(settings(&server.url(), patient())).unwrap()
}
async fn ask(source: &PagerDuty, want: Want) -> Part {
    source.poll(&Ask { wants: vec![want] }, Lane::Short, &Utc::now).await.parts.remove(0)
}
async fn incidents(source: &PagerDuty) -> Vec<PagedIncident> {
    match ask(source, Want::Incidents).await.outcome {
        Ok(Answer::Incidents(list)) => list,
        other => panic!("{other:?}"),
    }
}
fn ids(list: &[PagedIncident]) -> Vec<&str> {
    list.iter().map(|i| i.id.as_str()).collect()
}

#[tokio::test]
async fn an_incident_becomes_one_of_ours() {
    let server = fake::PagerDuty::start();
    let id = server.account().open("checkout answers with errors");
    server.account().incident(&id)["priority"] = json!({"id": "P1", "type": "priority_reference", "summary": "SEV-1"});
    let part = ask(&source(&server), Want::Incidents).await;
    assert_eq!(part.partial, None);
    let Ok(Answer::Incidents(list)) = part.outcome else { panic!("{:?}", part.outcome) };
    let [open] = list.as_slice() else { panic!("{list:?}") };
    assert_eq!((open.title.as_str(), open.severity, open.acknowledged), ("checkout answers with errors", Severity::P1, false));
    assert_eq!(open.service.as_ref().unwrap().as_str(), "checkout");
    assert_eq!(open.labels.get("alertname").unwrap().raw(), "HighErrors");
    let links: Vec<_> = open.links.iter().map(|l| (l.name.as_str(), l.url.as_str())).collect();
    assert_eq!(links, [("PagerDuty", "https://acme.example/incidents/Q0000001"), ("alert", "https://prometheus.example/alerts")]);
    assert_eq!(open.assigned, [Text::from("Maya Kaur")]);
    server.account().acknowledge(&id, "tom@acme.example");
    let held = incidents(&source(&server)).await.remove(0);
    let holder = &held.holders[0];
    assert_eq!((held.acknowledged, holder.who.as_str(), holder.email.as_ref().unwrap().as_str()), (true, "Tom Okafor", "tom@acme.example"));
    assert!(held.until.unwrap() > Utc::now());
    server.account().resolve(&id);
    assert_eq!(incidents(&source(&server)).await, []);
}

#[tokio::test]
async fn who_is_on_call() {
    let server = fake::PagerDuty::start();
    let part = ask(&source(&server), Want::OnCall).await;
    let Ok(Answer::OnCall(entries)) = part.outcome else { panic!("{:?}", part.outcome) };
    let now: Vec<_> = entries.iter().filter(|e| e.holds_at(Utc::now())).map(|e| (e.who.as_str(), e.seat())).collect();
    assert_eq!(now, [("Maya Kaur", "primary".to_owned()), ("Tom Okafor", "secondary".to_owned())]);
    assert_eq!(entries[2].rotation().unwrap().as_str(), "web", "without a schedule the escalation names it");
    let asked = server.account().asked[0].clone();
    let value = |name: &str| asked.query.iter().find(|(n, _)| n == name).unwrap().1.parse::<DateTime<Utc>>().unwrap();
    assert_eq!(value("until") - value("since"), TimeDelta::days(14));
}

#[tokio::test]
async fn eight_hundred_incidents_over_many_pages_and_429s_come_whole_and_one_page_at_a_time() {
    let server = fake::PagerDuty::start();
    let all: Vec<_> = (0..800).map(|n| server.account().open(&format!("incident {n}"))).collect();
    server.account().too_often =
        [(3, "retry-after: 1\r\n"), (4, "ratelimit-limit: 960\r\nratelimit-remaining: 0\r\nratelimit-reset: 1\r\n")].into();
    let source = source(&server);
    assert_eq!(ids(&incidents(&source).await), all);
    let account = server.account();
    assert_eq!(account.most_at_once, 1, "no burst");
    let offsets: Vec<_> = account.asked.iter().map(|a| a.query.iter().find(|(n, _)| n == "offset").unwrap().1.clone()).collect();
    assert_eq!(offsets, ["0", "99", "198", "198", "198", "297", "396", "495", "594", "693", "792"]);
}

#[tokio::test]
async fn a_list_that_moves_while_it_is_read_loses_nothing() {
    for (at_request, leave) in [(2, 0..3), (2, 0..99), (2, 50..150), (3, 0..200), (2, 0..299)] {
        let server = fake::PagerDuty::start();
        let all: Vec<_> = (0..300).map(|n| server.account().open(&format!("incident {n}"))).collect();
        let gone: BTreeSet<String> = all[leave.clone()].iter().cloned().collect();
        let leaving = gone.clone();
        server.account().before = Some(Box::new(move |account, _| {
            if account.asked.len() == at_request {
                for id in &leaving {
                    account.resolve(id);
                }
                account.open("a new one");
            }
        }));
        let found = incidents(&source(&server)).await;
        let found: BTreeSet<&str> = found.iter().map(|i| i.id.as_str()).collect();
        let missing: Vec<_> = all.iter().filter(|id| !gone.contains(*id) && !found.contains(id.as_str())).collect();
        assert!(missing.is_empty(), "{leave:?}: {missing:?}");
        assert!(server.account().asked.len() < 12);
    }
}

#[tokio::test]
async fn pages_that_never_end_are_not_believed() {
    let same = json!({"incidents": [{"id": "A"}, {"id": "B"}], "more": true}).to_string();
    let server = StandIn::saying(Say::json(same)).await;
    let source = PagerDuty::new(settings(server.url.as_str(), patient())).unwrap();
    let fault = ask(&source, Want::Incidents).await.outcome.unwrap_err();
    assert_eq!(fault.class, FaultClass::Malformed, "{}", fault.message);
    assert!(server.asked().len() < 12);
    let empty = StandIn::saying(Say::json(json!({"incidents": [], "more": true}).to_string())).await;
    let source = PagerDuty::new(settings(empty.url.as_str(), patient())).unwrap();
    assert_eq!(ask(&source, Want::Incidents).await.outcome.unwrap_err().class, FaultClass::Malformed);
}

#[tokio::test]
async fn a_long_pause_is_left_to_the_next_poll_and_holds_back_everything_else() {
    let server = fake::PagerDuty::start();
    server.account().too_often = [(1, "retry-after: 90\r\n")].into();
    let source = source(&server);
    for _ in 0..2 {
        let fault = ask(&source, Want::Incidents).await.outcome.unwrap_err();
        assert_eq!(fault.class, FaultClass::RateLimited);
        assert!(fault.retry_after_secs.is_some_and(|s| (89..=91).contains(&s)), "{fault:?}");
    }
    assert_eq!(server.account().asked.len(), 1, "nothing is asked while the allowance is used up");
}

#[tokio::test]
async fn what_the_door_refuses() {
    let server = fake::PagerDuty::start();
    let mut wrong = settings(&server.url(), patient());
    wrong.http.credentials = Some(Credentials::Key("not-the-key-at-all".into()));
    let fault = ask(&PagerDuty::new(wrong).unwrap(), Want::Incidents).await.outcome.unwrap_err();
    assert_eq!(fault.class, FaultClass::Unauthorized);
    assert!(!fault.message.as_str().contains("not-the-key"), "{}", fault.message);
}

fn target(id: &str) -> Target {
    Target::PagerDuty { source: "pd".into(), incident: id.to_owned() }
}
fn order(effect: Effect) -> Order {
    let who = Actor { name: Text::from("maya"), verified: true };
    Order { act: ActId::new("a7"), who, email: Some(Text::from("maya@acme.example")), effect, now: Utc::now() }
}
fn acknowledge(id: &str) -> Order {
    let until = Utc::now() + TimeDelta::hours(4);
    order(Effect::Acknowledge { target: target(id), occurrence: Utc::now(), note: None, until, lapses: until })
}
fn why(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { receipt } => format!("done {receipt:?}"),
        Outcome::Failed { why, retry } => format!("failed{} {why}", if *retry { ", again:" } else { ":" }),
        Outcome::Unknown { why } => format!("unknown: {why}"),
    }
}

#[tokio::test]
async fn an_acknowledgement_is_sent_in_the_persons_name_and_twice_does_no_harm() {
    let server = fake::PagerDuty::start();
    let id = server.account().open("x");
    let source = source(&server);
    for _ in 0..2 {
        assert_eq!(source.perform(&acknowledge(&id)).await, Outcome::Done { receipt: None });
    }
    let writes = server.writes();
    assert_eq!(writes.len(), 1, "the second found that it is done");
    assert_eq!((writes[0].line(), writes[0].from()), (format!("PUT /incidents/{id}"), Some("maya@acme.example")));
    assert_eq!(writes[0].body, json!({"incident": {"type": "incident_reference", "status": "acknowledged"}}));
}

#[tokio::test]
async fn an_acknowledgement_that_races_a_resolve_never_reopens() {
    // Resolved before the look, between look and act, and between act and its refusal.
    for resolved_at in [1, 2] {
        let server = fake::PagerDuty::start();
        let id = server.account().open("x");
        let theirs = id.clone();
        server.account().before = Some(Box::new(move |account, _| {
            if account.asked.len() == resolved_at {
                account.resolve(&theirs);
            }
        }));
        let outcome = source(&server).perform(&acknowledge(&id)).await;
        assert_eq!(why(&outcome), "failed: pd: Tom Okafor resolved it first; it stays resolved");
        assert_eq!(server.status(&id), "resolved");
        assert_eq!(source(&server).read_back(&acknowledge(&id)).await, outcome);
    }
}

#[tokio::test]
async fn two_hundred_races_with_a_resolve_all_end_resolved() {
    let server = std::sync::Arc::new(fake::PagerDuty::start());
    let source = source(&server);
    let mut took = std::time::Duration::ZERO;
    for n in 0..200_u32 {
        let id = server.account().open("x");
        let (theirs, name, wait) = (server.clone(), id.clone(), took * (n % 20) / 16);
        let began = std::time::Instant::now();
        let resolve = std::thread::spawn(move || {
            while began.elapsed() < wait {
                std::hint::spin_loop();
            }
            theirs.account().resolve(&name);
        });
        let outcome = source.perform(&acknowledge(&id)).await;
        took = took.max(began.elapsed()).min(std::time::Duration::from_millis(20));
        resolve.join().unwrap();
        assert!(matches!(outcome, Outcome::Done { .. } | Outcome::Failed { retry: false, .. }), "{}", why(&outcome));
        assert_eq!(server.status(&id), "resolved");
    }
}

#[tokio::test]
async fn who_was_second_is_told_who_was_first() {
    let server = fake::PagerDuty::start();
    let id = server.account().open("x");
    server.account().acknowledge(&id, "tom@acme.example");
    let outcome = source(&server).perform(&acknowledge(&id)).await;
    assert_eq!(why(&outcome), "failed: pd: Tom Okafor acknowledged it first; ask them, or escalate it");
    assert!(server.writes().is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_unknown_until_it_is_read_back() {
    type Make = fn(Target, DateTime<Utc>, Escalation) -> Effect;
    let (until, to) = (Utc::now() + TimeDelta::hours(1), Escalation::Person { name: "tom".into(), email: "tom@acme.example".into() });
    let effects: [Make; 5] = [
        |target, until, _| Effect::Acknowledge { target, occurrence: until, note: None, until, lapses: until },
        |target, _, _| Effect::Resolve { target, note: Some("rolled back".into()) },
        |target, _, _| Effect::Note { target, note: "looking".into() },
        |target, until, _| Effect::Snooze { target, until },
        |target, _, to| Effect::Escalate { target, to },
    ];
    for effect in effects {
        for lose_request in [false, true] {
            let server = fake::PagerDuty::start();
            let id = server.account().open("x");
            if lose_request {
                server.account().lose_requests = 1;
            } else {
                server.account().lose_answers = 1;
            }
            let (source, order) = (source(&server), order(effect(target(&id), until, to.clone())));
            let verb = order.effect.verb();
            let lost = source.perform(&order).await;
            assert!(matches!(lost, Outcome::Unknown { .. }), "{verb}: {}", why(&lost));
            let found = source.read_back(&order).await;
            let expected = if lose_request { "failed, again:" } else { "done" };
            assert!(why(&found).starts_with(expected), "{verb}: {}", why(&found));
        }
    }
}

#[tokio::test]
async fn resolve_note_snooze_and_escalate() {
    let server = fake::PagerDuty::start();
    let (id, source) = (server.account().open("x"), source(&server));
    let do_it = |effect| {
        let (source, order) = (&source, order(effect));
        async move { source.perform(&order).await }
    };
    let noted = do_it(Effect::Note { target: target(&id), note: "looking".into() }).await;
    assert_eq!(noted, Outcome::Done { receipt: Some(format!("N{id}0")) });
    assert_eq!(server.account().notes[&id][0]["content"], "looking [bw:a7]");
    let until = Utc::now() + TimeDelta::hours(1);
    assert_eq!(do_it(Effect::Snooze { target: target(&id), until }).await, Outcome::Done { receipt: None });
    let too_long = do_it(Effect::Snooze { target: target(&id), until: until + TimeDelta::days(8) }).await;
    assert_eq!(why(&too_long), "failed: pd: snoozes for at least a second and at most 7 days; choose another time");
    let escalate = |to| Effect::Escalate { target: target(&id), to };
    assert_eq!(do_it(escalate(Escalation::Level(2))).await, Outcome::Done { receipt: None });
    assert_eq!(server.account().incident(&id)["assignments"][0]["assignee"]["id"], "U0000TOM");
    let person = |email: &str| Escalation::Person { name: "someone".into(), email: email.into() };
    assert_eq!(do_it(escalate(person("MAYA@acme.example"))).await, Outcome::Done { receipt: None });
    assert_eq!(server.account().incident(&id)["assignments"][0]["assignee"]["id"], "U000MAYA");
    let nobody = do_it(escalate(person("ghost@acme.example"))).await;
    assert_eq!(why(&nobody), "failed: pd: ghost@acme.example (someone) is no user there; check the `email` of [[person]]");
    for _ in 0..2 {
        assert_eq!(do_it(Effect::Resolve { target: target(&id), note: None }).await, Outcome::Done { receipt: None });
    }
    assert_eq!(server.status(&id), "resolved");
    for effect in [Effect::Snooze { target: target(&id), until }, escalate(Escalation::Level(1))] {
        assert!(why(&do_it(effect).await).ends_with("resolved it first; it stays resolved"));
    }
}

#[tokio::test]
async fn who_is_nobody_there_and_what_is_not_offered_is_refused_plainly() {
    let server = fake::PagerDuty::start();
    let (id, source) = (server.account().open("x"), source(&server));
    let nameless = Order { email: None, ..acknowledge(&id) };
    let refused = why(&source.perform(&nameless).await);
    assert_eq!(refused, "failed: pd: wants the mail address of who acts; add `email` to the [[person]] maya");
    let stranger = Order { email: Some("ghost@acme.example".into()), ..acknowledge(&id) };
    let refused = why(&source.perform(&stranger).await);
    assert!(refused.contains("Requester User Not Found") && refused.contains("[[person]]"), "{refused}");
    let release = |why| order(Effect::Release { target: target(&id), silence: None, ack: ActId::new("a1"), why });
    let before = server.account().asked.len();
    let refused = why(&source.perform(&release(Release::Unacknowledged)).await);
    assert_eq!(refused, "failed: pd: has no way to give an acknowledgement back; escalate or reassign it");
    assert_eq!(source.perform(&release(Release::Cleared)).await, Outcome::Done { receipt: None });
    let elsewhere = Effect::Note { target: Target::Journal, note: "x".into() };
    assert!(why(&source.perform(&order(elsewhere)).await).contains("belongs elsewhere"));
    assert_eq!(server.account().asked.len(), before, "none of these asked anything");
    assert!(why(&source.perform(&acknowledge("Q9999999")).await).starts_with("failed"));
}

#[tokio::test]
async fn an_act_refused_for_haste_waits_a_moment() {
    let server = fake::PagerDuty::start();
    let id = server.account().open("x");
    server.account().too_often = [(2, "retry-after: 1\r\n")].into();
    assert_eq!(source(&server).perform(&acknowledge(&id)).await, Outcome::Done { receipt: None });
    server.account().too_often = [(4, "retry-after: 60\r\n")].into();
    let refused = why(&source(&server).perform(&acknowledge(&id)).await);
    assert!(refused.starts_with("failed, again:"), "{refused}");
}

#[tokio::test]
async fn the_log_of_an_incident_is_its_timeline() {
    let server = fake::PagerDuty::start();
    let (id, source) = (server.account().open("it began"), source(&server));
    source.perform(&acknowledge(&id)).await;
    source.perform(&order(Effect::Resolve { target: target(&id), note: Some("rolled back".into()) })).await;
    let timeline = source.timeline(&id, &Utc::now).await.unwrap();
    let what: BTreeSet<_> = timeline.iter().map(|m| (m.what.as_str(), m.who.as_ref().unwrap().as_str(), m.text.as_str())).collect();
    let expected =
        [("trigger", "checkout", "it began"), ("acknowledge", "Maya Kaur", "Acknowledged."), ("resolve", "Maya Kaur", "rolled back")];
    assert_eq!(what, expected.into());
    assert_eq!(source.timeline("nowhere", &Utc::now).await.unwrap_err().class, FaultClass::Rejected);
}

#[tokio::test]
async fn an_examination_tells_whose_token_it_is_and_who_may_act() {
    let person = |name: &str, email: Option<&str>| Person {
        name: name.into(),
        login: None,
        email: email.map(Text::from),
        time_zone: None,
        night: None,
    };
    let people = [person("maya", Some("maya@acme.example")), person("ghost", Some("ghost@acme.example")), person("jon", None)];
    let server = fake::PagerDuty::start();
    let source = source(&server);
    let say = |found: Vec<super::super::Finding>| found.into_iter().map(|f| (f.well, f.text.to_string())).collect::<Vec<_>>();
    let found = say(source.examine(&people, &Utc::now).await);
    let expected = [
        (true, "the token is a key of the account: it reads; whether it may act is not told before it does"),
        (true, "the account's plan has 2 abilities; urgencies"),
        (true, "maya acts as maya@acme.example (user)"),
        (false, "ghost: ghost@acme.example is no user of this account; acts in that name are refused"),
    ];
    assert_eq!(found, expected.map(|(well, text)| (well, text.to_owned())));
    server.account().token_of = Some("rea@acme.example");
    let found = say(source.examine(&[], &Utc::now).await);
    assert_eq!(found[0], (false, "the token is that of rea@acme.example (read only user): it may only read".to_owned()));
    assert!(!found[2].0 && found[2].1.contains("nobody can act"), "{found:?}");
    assert!(server.writes().is_empty());
}
