use std::sync::Arc;

use super::*;
use crate::{
    domain::{ActId, Answer, Effect, Entry, Event, Lane, Outcome, Part, Person, Reading, Severity, Verdict, Want, What},
    engine::{
        fixture::{self, at},
        fold::fold,
    },
};

fn plan() -> Plan {
    let person = |name: &str| Person {
        name: name.into(),
        login: None,
        email: Some(format!("{name}@acme.example").into()),
        time_zone: None,
        night: None,
    };
    let people = vec![person("maya"), person("tom")];
    Plan { people, ..fixture::plan(vec![fixture::source("pd", "pagerduty", 30)], Vec::new()) }
}

/// The incident, held by these in the book.
fn paged(holders: &[(&str, i64)]) -> PagedIncident {
    let holder = |(name, secs): &(&str, i64)| Holder {
        who: format!("{name} of PagerDuty").into(),
        email: Some(format!("{name}@ACME.example").into()),
        at: at(*secs),
    };
    PagedIncident {
        id: "Q1".into(),
        number: Some(4711),
        title: "checkout answers with errors".into(),
        policy: Some("web".into()),
        severity: Severity::P2,
        service: Some("checkout".into()),
        acknowledged: !holders.is_empty(),
        holders: holders.iter().map(holder).collect(),
        until: (!holders.is_empty()).then(|| at(1_800)),
        created_at: at(0),
        changed_at: Some(at(100)),
        assigned: Vec::new(),
        key: None,
        labels: Labels::default(),
        links: Vec::new(),
    }
}

fn read(before: &Snapshot, secs: i64, list: &[PagedIncident]) -> Snapshot {
    let part = Part { want: Want::Incidents, as_of: at(secs), outcome: Ok(Answer::Incidents(list.to_vec())), partial: None };
    let reading = Reading { source: "pd".into(), lane: Lane::Short, at: at(secs), took_us: 1, skew_secs: None, parts: vec![part] };
    fold(before, &plan(), Event::Read(Arc::new(reading)), at(secs))
}

fn journal(before: &Snapshot, id: u64, secs: i64, what: What) -> Snapshot {
    let entry = Entry {
        id,
        at: at(secs),
        act: ActId::new("a1"),
        subject: "pd:Q1".into(),
        title: "checkout answers with errors".into(),
        service: None,
        version: id,
        who: Actor { name: "maya".into(), verified: true },
        what,
    };
    fold(before, &plan(), Event::Journal(vec![entry]), at(secs))
}

/// Maya asks for it at second 10 and is told how it ended.
fn taken(outcome: Outcome) -> Snapshot {
    let open = read(&Snapshot::empty(&plan(), at(0)), 5, &[paged(&[])]);
    let note = Some("on it".into());
    let effect = Effect::Acknowledge { target: open.incidents[0].target(), occurrence: at(0), note, until: at(14_400), lapses: at(14_400) };
    let asked = journal(&open, 1, 10, What::Asked { effect });
    assert_eq!(asked.incidents[0].ack.as_ref().unwrap().delivery, Delivery::Pending);
    journal(&asked, 2, 11, What::Ended { outcome, legs: Vec::new() })
}

fn holder(snapshot: &Snapshot) -> Option<(String, Status, Option<DateTime<Utc>>)> {
    let incident = &snapshot.incidents[0];
    incident.ack.as_ref().map(|a| (a.by.to_string(), incident.status, a.until))
}

#[test]
fn an_open_incident_pages_and_one_taken_there_is_held_by_the_person_with_that_address() {
    let open = read(&Snapshot::empty(&plan(), at(0)), 5, &[paged(&[])]);
    assert_eq!((open.verdict, open.incidents[0].status), (Verdict::Critical, Status::Triggered));
    assert_eq!(open.incidents[0].id.as_str(), "pd:Q1");
    let held = read(&open, 35, &[paged(&[("maya", 10), ("tom", 20)])]);
    assert_eq!(holder(&held), Some(("tom".into(), Status::Acknowledged, Some(at(1_800)))));
    let nameless = PagedIncident { acknowledged: true, ..paged(&[]) };
    assert_eq!(holder(&read(&open, 35, &[nameless])).unwrap().0, "somebody");
    assert!(read(&held, 65, &[]).incidents.is_empty());
}

#[test]
fn our_acknowledgement_is_shown_at_once_kept_with_its_note_and_ends_when_the_book_says_so() {
    let done = taken(Outcome::Done { receipt: None });
    assert_eq!(holder(&done).unwrap().0, "maya");
    let read_early = read(&done, 12, &[paged(&[])]);
    assert_eq!(holder(&read_early).unwrap().0, "maya", "a list that was made before the act reached it");
    let confirmed = read(&done, 40, &[paged(&[("maya", 11)])]);
    assert_eq!(holder(&confirmed), Some(("maya".into(), Status::Acknowledged, Some(at(1_800)))));
    let ack = confirmed.incidents[0].ack.as_ref().unwrap();
    assert_eq!((ack.note.as_ref().unwrap().as_str(), ack.lapses), ("on it", None));
    let timed_out = read(&confirmed, 100, &[paged(&[])]);
    assert_eq!(holder(&timed_out), None);
    assert_eq!(timed_out.incidents[0].lapsed.as_ref().unwrap().0.name.as_str(), "maya");
    let theirs = read(&confirmed, 100, &[paged(&[("tom", 90)])]);
    assert_eq!(holder(&theirs).unwrap().0, "tom");
}

#[test]
fn an_act_that_was_refused_leaves_the_incident_to_whoever_has_it() {
    let failed = taken(Outcome::Failed { why: "no".into(), retry: false });
    assert_eq!(holder(&failed), Some(("maya".into(), Status::Triggered, Some(at(14_400)))), "shown as not delivered");
    assert_eq!(holder(&read(&failed, 40, &[paged(&[("tom", 30)])])).unwrap().0, "tom");
    let unknown = taken(Outcome::Unknown { why: "lost".into() });
    assert_eq!(unknown.incidents[0].ack.as_ref().unwrap().delivery, Delivery::Unknown);
}

#[test]
fn another_incident_is_not_held_by_an_old_acknowledgement() {
    let done = taken(Outcome::Done { receipt: None });
    let anew = PagedIncident { created_at: at(20), ..paged(&[]) };
    assert_eq!(holder(&read(&done, 25, &[anew])), None);
}
