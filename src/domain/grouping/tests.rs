use std::time::Duration;

use super::*;
use crate::domain::{AckPolicy, LabelMatcher, SourceName, Target};

fn at(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + secs, 0).unwrap()
}

fn plan(groups: Vec<GroupRule>) -> Plan {
    Plan {
        name: "test".into(),
        time_zone: chrono_tz::UTC,
        sources: Vec::new(),
        definitions: Vec::new(),
        services: std::collections::BTreeMap::new(),
        people: Vec::new(),
        rotations: Vec::new(),
        feeds: Vec::new(),
        runbooks: Arc::default(),
        queues: Vec::new(),
        gauges: Vec::new(),
        groups,
        ack: AckPolicy { max: Duration::from_hours(4) },
        read_only: false,
    }
}

fn incident(id: &str, origin: Origin, severity: Severity, labels: &[(&str, &str)]) -> Incident {
    let labels: Labels = labels.iter().copied().collect();
    let source: SourceName = id.split(':').next().unwrap_or_default().into();
    Incident {
        id: id.into(),
        title: id.into(),
        severity,
        service: crate::domain::service_of_labels(&labels),
        status: Status::Triggered,
        since: Some(at(0)),
        labels,
        annotations: Labels::default(),
        links: Vec::new(),
        sources: vec![source],
        silenced: false,
        inhibited: false,
        ack: None,
        lapsed: None,
        version: 0,
        origin,
        stale: false,
        members: Vec::new(),
        keys: Vec::new(),
    }
}

fn alert(id: &str, name: &str, service: &str, severity: Severity) -> Incident {
    let source: SourceName = id.split(':').next().unwrap_or_default().into();
    incident(id, Origin::Alertmanager { source, starts_at: at(0) }, severity, &[("alertname", name), ("service", service)])
}

fn page(id: &str, key: Option<&str>, labels: &[(&str, &str)]) -> Incident {
    let origin = Origin::PagerDuty { source: "pd".into(), incident: id.to_owned(), created_at: at(10), key: key.map(Text::from) };
    incident(&format!("pd:{id}"), origin, Severity::P2, labels)
}

fn own(slo: &str, grade: Grade) -> Incident {
    let service = slo.split('/').next().unwrap_or_default();
    let id = format!("{slo}:{}", grade.word());
    let origin = Origin::Own { slo: slo.into(), grade, seen_at: at(20) };
    incident(&id, origin, Severity::of(grade), &[("service", service)])
}

/// Each row by its id, and the ids of what it is made of.
fn rows(flat: Vec<Incident>, groups: Vec<GroupRule>) -> Vec<(String, Vec<String>)> {
    let row = |i: Arc<Incident>| {
        let mut parts: Vec<_> = i.members.iter().map(|m| m.id.to_string()).collect();
        parts.sort();
        (i.id.to_string(), parts)
    };
    let mut all: Vec<_> = grouped(flat, &plan(groups), |_| 0).into_iter().map(row).collect();
    all.sort();
    all
}

fn row(id: &str, parts: &[&str]) -> (String, Vec<String>) {
    (id.to_owned(), parts.iter().map(|p| (*p).to_owned()).collect())
}

#[test]
fn one_service_and_cause_is_one_row_whoever_tells_it() {
    let flat = vec![
        alert("eu:1", "HighErrors", "checkout", Severity::P3),
        alert("us:1", "HighErrors", "checkout", Severity::P3),
        alert("eu:2", "HighErrors", "search", Severity::P3),
        alert("eu:3", "DiskFull", "checkout", Severity::P3),
        page("Q1", None, &[("alertname", "DiskFull"), ("service", "checkout")]),
        page("Q2", None, &[("service", "checkout")]),
        page("Q3", None, &[]),
    ];
    let expected = [
        row("checkout/HighErrors", &["eu:1", "us:1"]),
        row("eu:2", &[]),
        row("pd:Q1", &["eu:3", "pd:Q1"]),
        row("pd:Q2", &[]),
        row("pd:Q3", &[]),
    ];
    assert_eq!(rows(flat, Vec::new()), expected);
}

#[test]
fn a_burning_service_takes_in_what_pages_for_it_and_no_tickets() {
    let flat = || {
        vec![
            alert("am:1", "HighErrors", "checkout", Severity::P1),
            alert("am:2", "DiskFull", "checkout", Severity::P3),
            alert("am:3", "HighErrors", "search", Severity::P1),
            page("Q2", None, &[("service", "checkout")]),
        ]
    };
    let burning = flat().into_iter().chain([own("checkout/availability", Grade::Page), own("search/latency", Grade::Ticket)]).collect();
    let expected = [
        row("am:2", &[]),
        row("am:3", &[]),
        row("checkout/availability:page", &["am:1", "checkout/availability:page", "pd:Q2"]),
        row("search/latency:ticket", &[]),
    ];
    assert_eq!(rows(burning, Vec::new()), expected);
    let mut silenced = flat();
    silenced[0].silenced = true;
    silenced.push(own("checkout/availability", Grade::Page));
    assert!(rows(silenced, Vec::new()).contains(&row("am:1", &[])), "what is held back calls nobody");
}

#[test]
fn the_key_of_a_page_is_looked_for_among_what_fires() {
    let mut told = alert("am:2", "DiskFull", "cart", Severity::P3);
    told.annotations = [("dedup_key", "cart-disk")].into_iter().collect();
    let flat = vec![
        alert("am:f00d", "HighErrors", "checkout", Severity::P3),
        told,
        page("Q1", Some("f00d"), &[]),
        page("Q2", Some("cart-disk"), &[]),
        page("Q3", Some("other"), &[]),
    ];
    assert_eq!(rows(flat, Vec::new()), [row("pd:Q1", &["am:f00d", "pd:Q1"]), row("pd:Q2", &["am:2", "pd:Q2"]), row("pd:Q3", &[])]);
}

#[test]
fn rules_of_the_config_come_first_and_nothing_is_joined_to_what_they_made() {
    let rule = |name: &str, matchers: &str, by| GroupRule {
        name: name.into(),
        matchers: Matchers::new(&LabelMatcher::list(matchers).unwrap()).unwrap(),
        by,
    };
    let rules = vec![
        rule("disks", "alertname=\"DiskFull\"", GroupBy::Labels(Vec::new())),
        rule("batch", "service=\"batch\"", GroupBy::Nothing),
        rule("by-source", "source=~\"us|eu\"", GroupBy::Labels(vec!["source".into(), "alertname".into()])),
    ];
    let flat = vec![
        alert("am:1", "DiskFull", "cart", Severity::P1),
        alert("am:2", "DiskFull", "checkout", Severity::P1),
        alert("am:3", "Late", "batch", Severity::P1),
        alert("am:4", "Late", "batch", Severity::P1),
        alert("us:5", "Slow", "cart", Severity::P1),
        alert("us:6", "Slow", "search", Severity::P1),
        alert("eu:7", "Slow", "search", Severity::P1),
        own("checkout/availability", Grade::Page),
    ];
    let expected = [
        row("am:3", &[]),
        row("am:4", &[]),
        row("by-source:us/Slow", &["us:5", "us:6"]),
        row("checkout/availability:page", &[]),
        row("disks:all", &["am:1", "am:2"]),
        row("eu:7", &[]),
    ];
    assert_eq!(rows(flat, rules), expected);
}

#[test]
fn a_group_hides_nothing() {
    let mut flat: Vec<_> = (0..4).map(|n| alert(&format!("am:{n}"), "HighErrors", "checkout", Severity::P3)).collect();
    flat[2].severity = Severity::P1;
    flat[2].silenced = true;
    flat[3].severity = Severity::P2;
    flat[3].since = Some(at(-60));
    let whole = |flat: Vec<Incident>| Incident::clone(&grouped(flat, &plan(Vec::new()), |_| 0)[0]);
    let group = whole(flat.clone());
    assert_eq!((group.count(), group.severity, group.since), (4, Severity::P2, Some(at(-60))), "the worst that nothing holds back");
    assert!(!group.silenced && group.title.as_str() == "checkout: HighErrors" && group.members[0].id.as_str() == "am:3");
    let held = |i: &mut Incident| {
        i.status = Status::Acknowledged;
        i.ack = Some(ack(i.target(), 5));
    };
    flat.iter_mut().take(2).for_each(held);
    let group = whole(flat.clone());
    assert_eq!((group.status, group.ack.is_some(), group.partly_held().map(|(n, _)| n)), (Status::Triggered, false, Some(2)));
    held(&mut flat[3]);
    assert_eq!(whole(flat.clone()).status, Status::Acknowledged, "what is silenced wants nobody");
    for incident in &mut flat {
        incident.inhibited = true;
    }
    assert!(whole(flat).is_held_back());
}

fn ack(target: Target, secs: i64) -> Ack {
    Ack {
        act: None,
        by: crate::domain::Actor { name: "maya".into(), verified: true },
        at: at(secs),
        until: None,
        lapses: None,
        note: None,
        delivery: Delivery::Done,
        why: None,
        silence: None,
        occurrence: None,
        target,
        legs: Vec::new(),
        subject: None,
    }
}

/// What began after somebody stood in the book is not theirs by it.
#[test]
fn the_book_holds_what_had_begun() {
    let mut paged = page("Q1", None, &[("alertname", "HighErrors"), ("service", "checkout")]);
    paged.status = Status::Acknowledged;
    paged.ack = Some(ack(paged.target(), 30));
    let mut late = alert("am:2", "HighErrors", "checkout", Severity::P1);
    late.origin = Origin::Alertmanager { source: "am".into(), starts_at: at(40) };
    let early = alert("am:1", "HighErrors", "checkout", Severity::P1);
    let held = |flat: Vec<Incident>| grouped(flat, &plan(Vec::new()), |_| 0)[0].status;
    assert_eq!(held(vec![paged.clone(), early.clone()]), Status::Acknowledged);
    assert_eq!(held(vec![paged, early, late]), Status::Triggered);
}

#[test]
fn names_from_outside_make_no_other_groups_key() {
    assert_ne!(key_of("", &["a/b", "c"]), key_of("", &["a", "b/c"]));
    let long = "x".repeat(10_000);
    let (one, other) = (key_of("", &[&long, "1"]), key_of("", &[&long, "2"]));
    assert!(one != other && one.as_str().chars().count() < 120);
    let hostile = key_of("", &["\u{1b}[2J\u{202e}", "x"]);
    assert!(!hostile.as_str().chars().any(|c| c.is_control() || c == '\u{202e}'));
}
