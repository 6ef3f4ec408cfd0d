//! An Alertmanager, as recorded from 0.25: what it says, and the life of a silence there.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    super::{Alertmanager, AlertmanagerSettings, Order, Responder, Source},
    fixture, line,
    stand_in::{Say, StandIn, deadlines, http, patient, sunday},
};
use crate::domain::{
    ActId, Actor, Alerts, Answer, Ask, Effect, FaultClass, LabelMatcher, Labels, Lane, Op, Outcome, Part, Release, Target, Text, Want,
    shown_matchers,
};

const ID: &str = "fc90a352-6bd0-4cac-8efc-91593226add4";

fn source(server: &StandIn) -> Alertmanager {
    with_heartbeat(server, None)
}
fn with_heartbeat(server: &StandIn, heartbeat: Option<&str>) -> Alertmanager {
    let heartbeat = heartbeat.map(str::to_owned);
    Alertmanager::new(AlertmanagerSettings {
        name: "am".into(),
        http: http(&server.url),
        deadlines: patient(),
        peers: Vec::new(),
        heartbeat,
    })
    .unwrap()
}
async fn says(alerts: impl AsRef<[u8]>, silences: impl AsRef<[u8]>) -> StandIn {
    let (alerts, silences) = (alerts.as_ref().to_vec(), silences.as_ref().to_vec());
    StandIn::new(move |request| Say::json(if line(request).contains("/alerts") { &alerts } else { &silences })).await
}
async fn poll(source: &Alertmanager) -> Part {
    source.poll(&Ask { wants: vec![Want::Alerts] }, Lane::Short, &sunday).await.parts.remove(0)
}
fn alerts(part: Part) -> Alerts {
    match part.outcome {
        Ok(Answer::Alerts(alerts)) => alerts,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn alerts_and_silences_as_recorded() {
    let server = says(fixture("alertmanager-0.25/alerts.json"), fixture("alertmanager-0.25/silences.json")).await;
    let found = alerts(poll(&with_heartbeat(&server, Some("alertname=\"Watchdog\", severity=~\"no.*\""))).await);
    assert_eq!(found.heartbeat, Some(true));
    let services: Vec<_> = found.alerts.iter().map(|a| a.labels.get("service").unwrap().raw().to_owned()).collect();
    assert_eq!(services, ["search", "checkout"], "the heartbeat is no alert");
    let checkout = &found.alerts[1];
    assert_eq!(checkout.fingerprint.as_str(), "d3cd4c01dada6eea");
    assert_eq!(checkout.generator.as_ref().unwrap().url.as_str(), "http://prom/graph?g0.expr=a");
    assert_eq!(checkout.silenced_by.len(), 2);
    let held: Vec<_> = found.silences.iter().map(|s| (s.id.as_str(), s.active, s.comment.as_str())).collect();
    assert_eq!(held[0], (ID, true, "ACK! maya [bw:a1]"));
    assert_eq!(held.len(), 2, "the expired one is left out");
    let asked = server.asked();
    assert!(asked.iter().any(|r| line(r) == "GET /api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed=true"), "{asked:?}");
}

#[tokio::test]
async fn a_heartbeat_that_is_missing_is_said_and_one_that_is_silenced_still_beats() {
    let quiet = says("[]", "null").await;
    assert_eq!(alerts(poll(&with_heartbeat(&quiet, Some("alertname=\"Watchdog\""))).await).heartbeat, Some(false));
    assert_eq!(alerts(poll(&source(&quiet)).await).heartbeat, None);
    let silenced = json!([{"labels": {"alertname": "Watchdog"}, "status": {"state": "suppressed", "silencedBy": ["x"]}}]);
    let server = says(silenced.to_string(), "[]").await;
    let found = alerts(poll(&with_heartbeat(&server, Some("alertname=\"Watchdog\""))).await);
    assert_eq!((found.heartbeat, found.alerts.len()), (Some(true), 0));
    for bad in ["", "Watchdog", "alertname=Watchdog"] {
        let settings = AlertmanagerSettings {
            name: "am".into(),
            http: http(&quiet.url),
            deadlines: patient(),
            peers: Vec::new(),
            heartbeat: Some(bad.into()),
        };
        assert_eq!(Alertmanager::new(settings).unwrap_err().key, "heartbeat", "{bad}");
    }
}

#[tokio::test]
async fn what_servers_leave_out_is_absent_and_no_error() {
    let odd = json!([
        {},
        {"labels": null, "annotations": null, "status": null, "startsAt": "never", "endsAt": null},
        {"labels": {"alertname": "a"}, "status": {"state": "muted", "silencedBy": null, "inhibitedBy": ["b"], "mutedBy": ["c"]},
         "startsAt": "2026-11-22T10:00:00.123456789+01:00", "generatorURL": "javascript:alert(1)", "new": [1]},
    ]);
    let silences = json!([
        {"id": "s1", "comment": "[bw:1]"},
        {"id": "s2", "comment": "[bw:2]", "endsAt": "2026-11-22T09:00:00Z"},
        {"id": "s3", "comment": "[bw:3]", "startsAt": "2026-11-22T09:30:00Z", "endsAt": "2026-11-22T10:00:00Z", "matchers": null},
        {"id": "s4", "comment": "holds back the third", "status": {"state": "active"},
         "matchers": [{"name": "alertname", "value": "a|b", "isRegex": true}, {"name": "zone", "value": "eu", "isRegex": false, "isEqual": false}]},
    ]);
    let server = says(odd.to_string(), silences.to_string()).await;
    let found = alerts(poll(&source(&server)).await);
    assert_eq!(found.alerts.len(), 3);
    assert_eq!((found.alerts[0].starts_at, found.alerts[0].fingerprint.as_str().len()), (sunday(), 16));
    let last = &found.alerts[2];
    let started: DateTime<Utc> = "2026-11-22T09:00:00.123456789Z".parse().unwrap();
    assert_eq!((last.starts_at, last.generator.is_none(), last.inhibited_by.len()), (started, true, 1));
    let kept: Vec<_> = found.silences.iter().map(|s| (s.id.as_str(), s.active)).collect();
    assert_eq!(kept, [("s1", true), ("s3", false), ("s4", true)]);
    let last = &found.silences[2];
    assert_eq!(shown_matchers(&last.matchers), "{alertname=~\"a|b\", zone!=\"eu\"}", "no `isEqual` means equality");
    assert_eq!(found.silences.iter().map(|s| s.covers).collect::<Vec<_>>(), [Some(0), None, Some(1)]);
}

#[tokio::test]
async fn what_a_silence_holds_back_is_counted_with_the_heartbeat_among_it() {
    let alerts = json!([
        {"labels": {"alertname": "Watchdog"}, "status": {"state": "suppressed", "silencedBy": ["s1"]}},
        {"labels": {"alertname": "Slow"}, "status": {"state": "active", "silencedBy": []}},
    ]);
    let silences = json!([silence("s1", "active", "quiet", "2026-11-22T09:20:00Z")]);
    let server = says(alerts.to_string(), silences.to_string()).await;
    let found = self::alerts(poll(&with_heartbeat(&server, Some("alertname=\"Watchdog\""))).await);
    assert_eq!((found.alerts.len(), found.silences[0].covers), (1, Some(1)), "it is no orphan");
}

#[tokio::test]
async fn alerts_without_their_silences_are_no_answer() {
    let server =
        StandIn::new(|request| if line(request).contains("/alerts") { Say::json("[]") } else { Say::answer("502 Bad Gateway", "", "") })
            .await;
    assert_eq!(poll(&source(&server)).await.outcome.unwrap_err().class, FaultClass::Rejected);
    let server = says("{}", "[]").await;
    assert_eq!(poll(&source(&server)).await.outcome.unwrap_err().class, FaultClass::Malformed);
}

fn target() -> Target {
    let labels: Labels = [("alertname", "HighErrors"), ("service", "check\"out"), ("empty", "")].into_iter().collect();
    Target::Alertmanager { source: "am".into(), labels }
}
fn order(effect: Effect) -> Order {
    Order { act: ActId::new("a7"), who: Actor { name: Text::clean("maya"), verified: true }, email: None, effect, now: sunday() }
}
fn acknowledge(target: Target) -> Order {
    let note = Some(Text::clean("looking into it"));
    let (until, lapses) = (sunday() + TimeDelta::minutes(15), sunday() + TimeDelta::hours(4));
    order(Effect::Acknowledge { target, occurrence: sunday(), note, until, lapses })
}
fn extend() -> Order {
    let (starts, until) = (sunday() - TimeDelta::minutes(8), sunday() + TimeDelta::minutes(15));
    let (silence, comment) = (ID.to_owned(), "ACK! maya [bw:a1]".to_owned());
    order(Effect::Extend { target: target(), silence, starts, until, ack: ActId::new("a1"), comment, by: Text::clean("maya") })
}
fn release(silence: Option<&str>) -> Order {
    order(Effect::Release { target: target(), silence: silence.map(str::to_owned), ack: ActId::new("a1"), why: Release::Unacknowledged })
}
fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}
fn made(id: &str) -> Say {
    Say::json(format!("{{\"silenceID\":\"{id}\"}}\n"))
}
fn done(id: &str) -> Outcome {
    Outcome::Done { receipt: Some(id.to_owned()) }
}
fn silence(id: &str, state: &str, comment: &str, ends: &str) -> Value {
    json!({"id": id, "status": {"state": state}, "comment": comment, "endsAt": ends, "startsAt": "2026-11-22T09:00:00Z"})
}
/// The outcome as a letter: done, failed for good, failed but try again, unknown.
fn letter(outcome: &Outcome) -> char {
    match outcome {
        Outcome::Done { .. } => 'd',
        Outcome::Failed { retry: false, .. } => 'f',
        Outcome::Failed { retry: true, .. } => 'r',
        Outcome::Unknown { .. } => 'u',
    }
}

#[tokio::test]
async fn an_acknowledgement_is_one_silence_on_exactly_the_alerts_labels() {
    let server = StandIn::saying(made(ID)).await;
    assert_eq!(source(&server).perform(&acknowledge(target())).await, done(ID));
    let asked = server.asked();
    assert_eq!((asked.len(), line(&asked[0])), (1, "POST /api/v2/silences"));
    let equal = |name: &str, value: &str| json!({"name": name, "value": value, "isRegex": false, "isEqual": true});
    assert_eq!(
        body(&asked[0]),
        json!({
            "matchers": [equal("alertname", "HighErrors"), equal("service", "check\"out")],
            "startsAt": "2026-11-22T09:10:00.250Z", "endsAt": "2026-11-22T09:25:00.250Z",
            "createdBy": "maya", "comment": "ACK! maya looking into it [bw:a7]",
        })
    );
}

#[tokio::test]
async fn an_extension_keeps_id_and_the_start_that_the_server_gave_it_and_takes_the_id_that_comes_back() {
    let there = silence(ID, "active", "ACK! maya [bw:a1]", "2026-11-22T09:15:00Z").to_string();
    let server = StandIn::new(move |request| if request.starts_with("GET") { Say::json(&there) } else { made("other-id") }).await;
    assert_eq!(source(&server).perform(&extend()).await, done("other-id"));
    let asked = server.asked();
    assert_eq!(asked.iter().map(|r| line(r)).collect::<Vec<_>>(), [&format!("GET /api/v2/silence/{ID}"), "POST /api/v2/silences"]);
    let sent = body(&asked[1]);
    let picked = ["id", "startsAt", "endsAt", "comment"].map(|k| sent[k].as_str().unwrap());
    assert_eq!(picked, [ID, "2026-11-22T09:00:00.000Z", "2026-11-22T09:25:00.250Z", "ACK! maya [bw:a1]"]);
}

#[tokio::test]
async fn a_silence_that_somebody_ended_is_not_made_again() {
    let expired = silence(ID, "expired", "ACK! maya [bw:a1]", "2026-11-22T09:05:00Z").to_string();
    for say in [Say::json(expired), Say::answer("404 Not Found", "", "")] {
        let server = StandIn::saying(say).await;
        let outcome = source(&server).perform(&extend()).await;
        assert!(
            matches!(&outcome, Outcome::Failed { why, retry: false } if why.as_str().contains("ended there by somebody")),
            "{outcome:?}"
        );
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_release_ends_the_silence_and_one_that_is_gone_is_as_good() {
    let recorded = fixture("alertmanager-0.25/unknown-silence.json");
    let gone = Say::answer("500 Internal Server Error", "content-type: application/json\r\n", recorded);
    for say in [Say::answer("200 OK", "", ""), gone, Say::answer("404 Not Found", "", ""), Say::answer("410 Gone", "", "")] {
        let server = StandIn::saying(say).await;
        assert_eq!(source(&server).perform(&release(Some(ID))).await, Outcome::Done { receipt: None });
        assert_eq!(line(&server.asked()[0]), format!("DELETE /api/v2/silence/{ID}"));
    }
}

#[tokio::test]
async fn a_release_without_an_id_ends_whatever_the_acknowledgement_left() {
    let all = json!([
        silence("mine", "active", "ACK! maya [bw:a1]", "2026-11-22T09:20:00Z"),
        silence("old", "expired", "ACK! maya [bw:a1]", "2026-11-22T09:00:00Z"),
        silence("theirs", "active", "ACK! jo [bw:a11]", "2026-11-22T09:20:00Z"),
    ]);
    let server =
        StandIn::new(move |request| if request.starts_with("GET") { Say::json(all.to_string()) } else { Say::answer("200 OK", "", "") })
            .await;
    assert_eq!(source(&server).perform(&release(None)).await, Outcome::Done { receipt: None });
    let deleted: Vec<_> = server.asked().iter().map(|r| line(r).to_owned()).filter(|l| l.starts_with("DELETE")).collect();
    assert_eq!(deleted, ["DELETE /api/v2/silence/mine"]);
}

#[tokio::test]
async fn what_is_known_of_a_write_depends_on_how_far_it_came() {
    let refused = fixture("alertmanager-0.25/refused-past.json");
    let cases = [
        (Say::answer("400 Bad Request", "", &refused), 'f'),
        (Say::answer("401 Unauthorized", "", ""), 'f'),
        (Say::answer("302 Found", "location: http://login.example/\r\n", ""), 'f'),
        (Say::answer("429 Too Many Requests", "", ""), 'r'),
        (Say::answer("503 Service Unavailable", "", ""), 'r'),
        (Say::answer("500 Internal Server Error", "", ""), 'u'),
        (Say::answer("502 Bad Gateway", "", ""), 'u'),
        (Say::answer("200 OK", "content-type: text/html\r\n", "<html>"), 'u'),
        (Say::json("{}"), 'u'),
        (Say::HangUp, 'u'),
    ];
    for (say, expected) in cases {
        let server = StandIn::saying(say.clone()).await;
        let outcome = source(&server).perform(&acknowledge(target())).await;
        assert_eq!((letter(&outcome), server.asked().len()), (expected, 1), "{say:?} {outcome:?}");
    }
    let hung = StandIn::saying(Say::Nothing).await;
    let settings =
        AlertmanagerSettings { name: "am".into(), http: http(&hung.url), deadlines: deadlines(), peers: Vec::new(), heartbeat: None };
    assert_eq!(letter(&Alertmanager::new(settings).unwrap().perform(&acknowledge(target())).await), 'u');
    let url = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
    };
    let settings = AlertmanagerSettings { name: "am".into(), http: http(&url), deadlines: patient(), peers: Vec::new(), heartbeat: None };
    let away = Alertmanager::new(settings).unwrap();
    for order in [acknowledge(target()), extend(), release(Some(ID)), release(None)] {
        assert_eq!(letter(&away.perform(&order).await), 'r', "nothing was sent: {:?}", order.effect);
        assert_eq!(letter(&away.read_back(&order).await), 'u');
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_for() {
    let at = |silences: Value| async move { StandIn::saying(Say::json(silences.to_string())).await };
    let (soon, late) = ("2026-11-22T09:15:00.000Z", "2026-11-22T09:25:00.000Z");
    let ours =
        |state: &str, ends: &str| json!([silence("x", "active", "ACK! jo [bw:a9]", late), silence(ID, state, "ACK! maya [bw:a7]", ends)]);
    let acked = |state: &str| json!([silence(ID, state, "ACK! maya [bw:a1]", late)]);
    let ack = acknowledge(target());
    let cases = [
        (&ack, ours("active", late), 'd'),
        (&ack, ours("pending", late), 'd'),
        (&ack, ours("expired", soon), 'd'),
        (&ack, json!([silence("x", "active", "ACK! jo [bw:a9]", late)]), 'r'),
        (&ack, json!(null), 'r'),
        (&extend(), acked("active"), 'd'),
        (&extend(), json!([silence(ID, "active", "", soon)]), 'r'),
        (&extend(), acked("expired"), 'f'),
        (&release(Some(ID)), acked("expired"), 'd'),
        (&release(Some(ID)), acked("active"), 'r'),
        (&release(None), acked("active"), 'r'),
        (&release(None), json!([]), 'd'),
    ];
    for (order, silences, expected) in cases {
        let server = at(silences.clone()).await;
        let outcome = source(&server).read_back(order).await;
        assert_eq!(letter(&outcome), expected, "{:?} {silences} {outcome:?}", order.effect);
        assert!(server.asked().iter().all(|r| r.starts_with("GET")), "looking changes nothing");
    }
    let server = at(ours("active", late)).await;
    assert_eq!(source(&server).read_back(&ack).await, done(ID));
}

#[tokio::test]
async fn an_act_that_belongs_elsewhere_is_refused_without_a_request() {
    let server = StandIn::saying(made(ID)).await;
    let elsewhere = Target::Alertmanager { source: "am-other".into(), labels: [("a", "b")].into_iter().collect() };
    let nothing = Target::Alertmanager { source: "am".into(), labels: [("a", "")].into_iter().collect() };
    for target in [elsewhere, nothing, Target::Journal] {
        let order = acknowledge(target);
        assert_eq!(letter(&source(&server).perform(&order).await), 'f');
        assert_eq!(letter(&source(&server).read_back(&order).await), 'f');
    }
    assert!(server.asked().is_empty());
}

/// A silence as the server tells it, on exactly the labels of the target, made by jon.
fn jons(state: &str, more: &[(&str, &str)]) -> Value {
    let equal = |(name, value): &(&str, &str)| json!({"name": name, "value": value, "isRegex": false, "isEqual": true});
    let matchers: Vec<_> = [("service", "check\"out"), ("alertname", "HighErrors")].iter().chain(more).map(equal).collect();
    let mut there = silence(ID, state, "ACK! jon on it [bw:a1]", "2026-11-22T09:20:00Z");
    there["createdBy"] = json!("jon");
    there["matchers"] = json!(matchers);
    there
}
fn take_over(from: &str) -> Order {
    let (until, lapses) = (sunday() + TimeDelta::minutes(15), sunday() + TimeDelta::hours(4));
    let (from, silence) = (Actor { name: Text::clean(from), verified: true }, Some(ID.to_owned()));
    order(Effect::TakeOver { target: target(), occurrence: sunday(), note: None, until, lapses, from, silence })
}
async fn answering(there: Value) -> StandIn {
    StandIn::new(move |request| if request.starts_with("GET") { Say::json(there.to_string()) } else { made(ID) }).await
}

#[tokio::test]
async fn a_silence_that_is_taken_over_keeps_its_id_and_changes_its_name() {
    let server = answering(jons("active", &[])).await;
    assert_eq!(source(&server).perform(&take_over("jon")).await, done(ID));
    let sent = body(&server.asked()[1]);
    assert_eq!(
        ["id", "startsAt", "createdBy", "comment"].map(|k| sent[k].as_str().unwrap()),
        [ID, "2026-11-22T09:00:00.000Z", "maya", "ACK! maya [bw:a7]"]
    );
    assert_eq!(sent["matchers"], jons("active", &[])["matchers"], "as they are there, for its id to stay");
}

#[tokio::test]
async fn a_silence_that_holds_back_more_than_the_alert_stays_beside_ours() {
    let mut wider = jons("active", &[]);
    wider["matchers"].as_array_mut().unwrap().pop();
    let server = answering(wider).await;
    assert_eq!(source(&server).perform(&take_over("jon")).await, done(ID));
    let sent = body(&server.asked()[1]);
    assert_eq!((sent.get("id"), sent["matchers"].as_array().unwrap().len()), (None, 2));
}

#[tokio::test]
async fn what_somebody_else_took_or_ended_meanwhile_is_not_taken_over() {
    for (there, said) in [(jons("active", &[]), "jon took it first"), (jons("expired", &[]), "ended there by somebody")] {
        let server = answering(there).await;
        let outcome = source(&server).perform(&take_over("ines")).await;
        assert!(matches!(&outcome, Outcome::Failed { why, retry: false } if why.as_str().contains(said)), "{outcome:?}");
        assert_eq!(server.asked().len(), 1, "nothing was sent");
    }
}

fn on_silences(effect: impl FnOnce(Target) -> Effect) -> Order {
    order(effect(Target::Silences { source: "am".into() }))
}
fn silencing(minutes: i64) -> Order {
    let matchers = vec![LabelMatcher::new("service", Op::Match, "check.*"), LabelMatcher::new("zone", Op::NotEqual, "eu")];
    let (until, comment) = (sunday() + TimeDelta::minutes(minutes), Text::clean("known canary"));
    on_silences(|target| Effect::Silence { target, matchers, until, comment })
}
fn expiring() -> Order {
    on_silences(|target| Effect::Expire { target, silence: ID.to_owned(), matchers: Vec::new() })
}

#[tokio::test]
async fn a_silence_asks_for_its_matchers_and_says_who_and_why() {
    let server = StandIn::saying(made(ID)).await;
    assert_eq!(source(&server).perform(&silencing(120)).await, done(ID));
    assert_eq!(
        body(&server.asked()[0]),
        json!({
            "matchers": [
                {"name": "service", "value": "check.*", "isRegex": true, "isEqual": true},
                {"name": "zone", "value": "eu", "isRegex": false, "isEqual": false},
            ],
            "startsAt": "2026-11-22T09:10:00.250Z", "endsAt": "2026-11-22T11:10:00.250Z",
            "createdBy": "maya", "comment": "known canary [bw:a7]",
        })
    );
    let late = source(&server).perform(&silencing(-1)).await;
    assert_eq!((letter(&late), server.asked().len()), ('f', 1), "one that would be over is not made");
    let elsewhere =
        on_silences(|_| Effect::Expire { target: Target::Silences { source: "am-2".into() }, silence: ID.into(), matchers: vec![] });
    assert_eq!((letter(&source(&server).perform(&elsewhere).await), server.asked().len()), ('f', 1), "nor one that is meant for another");
}

#[tokio::test]
async fn a_silence_ends_once_and_one_that_is_gone_is_as_good() {
    for say in [Say::answer("200 OK", "", ""), Say::answer("404 Not Found", "", "")] {
        let server = StandIn::saying(say).await;
        assert_eq!(source(&server).perform(&expiring()).await, Outcome::Done { receipt: None });
        assert_eq!(line(&server.asked()[0]), format!("DELETE /api/v2/silence/{ID}"));
    }
}

#[tokio::test]
async fn lost_answers_about_silences_are_looked_for() {
    let late = "2026-11-22T11:10:00Z";
    let cases = [
        (silencing(120), json!([silence(ID, "active", "known canary [bw:a7]", late)]), 'd'),
        (silencing(120), json!([silence(ID, "active", "known canary", late)]), 'r'),
        (take_over("jon"), json!([silence(ID, "active", "ACK! maya [bw:a7]", late)]), 'd'),
        (take_over("jon"), json!([silence(ID, "active", "ACK! jon [bw:a1]", late)]), 'r'),
        (expiring(), json!([silence(ID, "active", "x", late)]), 'r'),
        (expiring(), json!([silence(ID, "expired", "x", late)]), 'd'),
        (expiring(), json!([]), 'd'),
    ];
    for (order, silences, expected) in cases {
        let server = StandIn::saying(Say::json(silences.to_string())).await;
        let outcome = source(&server).read_back(&order).await;
        assert_eq!(letter(&outcome), expected, "{:?} {silences} {outcome:?}", order.effect);
        assert!(server.asked().iter().all(|r| r.starts_with("GET")), "looking changes nothing");
    }
}

/// A source of a cluster of these members.
fn cluster(first: &url::Url, peers: &[&url::Url]) -> Alertmanager {
    let peers = peers.iter().map(|url| (*url).clone()).collect();
    Alertmanager::new(AlertmanagerSettings { name: "am".into(), http: http(first), deadlines: patient(), peers, heartbeat: None }).unwrap()
}

#[tokio::test]
async fn an_alert_that_several_members_of_a_cluster_tell_counts_once() {
    let (both, silences) = (fixture("alertmanager-0.25/alerts.json"), fixture("alertmanager-0.25/silences.json"));
    let (one, other) = (says(&both, &silences).await, says(&both, &silences).await);
    let nobody: url::Url = "http://127.0.0.1:9".parse().unwrap();
    let alone = alerts(poll(&source(&one)).await);
    let part = poll(&cluster(&one.url, &[&other.url])).await;
    assert_eq!(part.partial, None);
    let found = alerts(part);
    assert_eq!((found.alerts.len(), found.silences.len()), (alone.alerts.len(), alone.silences.len()));
    // One that tells nothing is said; what the other tells stands.
    let part = poll(&cluster(&one.url, &[&nobody])).await;
    let partial = part.partial.clone().unwrap();
    assert!(partial.as_str().starts_with("am: 1 of 2 peers told nothing: "), "{partial}");
    assert_eq!(alerts(part).alerts.len(), alone.alerts.len());
    // None that does is a failure.
    assert!(poll(&cluster(&nobody, &[&nobody])).await.outcome.is_err());
}
