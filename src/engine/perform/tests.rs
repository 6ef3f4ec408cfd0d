mod legs;

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::{
    domain::{Ask, Event, FiringAlert, Labels, Lane, Part, Reading, Silence, SourceName, Status, Want},
    engine::{
        fixture::{self, at},
        fold,
    },
    sources::{Gives, Responder},
};

/// An Alertmanager that does as it is told and remembers what it was asked.
#[derive(Debug)]
struct Fake {
    name: SourceName,
    answers: Mutex<Vec<Outcome>>,
    found: Mutex<Option<Outcome>>,
    asked: Mutex<Vec<&'static str>>,
}

#[async_trait]
impl Source for Fake {
    fn name(&self) -> &SourceName {
        &self.name
    }
    fn gives(&self) -> Gives {
        Gives::Alerts
    }
    async fn poll(&self, _: &Ask, lane: Lane, now: &(dyn Fn() -> DateTime<Utc> + Send + Sync)) -> Reading {
        Reading { source: self.name.clone(), lane, at: now(), took_us: 1, skew_secs: None, parts: Vec::new() }
    }
    fn responder(&self) -> Option<&dyn Responder> {
        Some(self)
    }
}

#[async_trait]
impl Responder for Fake {
    async fn perform(&self, order: &Order) -> Outcome {
        self.asked.lock().unwrap().push(order.effect.verb());
        self.answers.lock().unwrap().pop().unwrap_or(Outcome::Done { receipt: Some("s1".into()) })
    }
    async fn read_back(&self, _: &Order) -> Outcome {
        self.asked.lock().unwrap().push("look");
        self.found.lock().unwrap().clone().unwrap_or(Outcome::Failed { why: "absent".into(), retry: true })
    }
}

struct Rig {
    acting: Acting,
    am: Arc<Fake>,
    snapshot: Snapshot,
    _folder: tempfile::TempDir,
}

fn rig() -> Rig {
    let plan = fixture::plan(vec![fixture::source("am", "alertmanager", 15)], Vec::new());
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&folder.path().join("store")).unwrap());
    let am = Arc::new(Fake { name: "am".into(), answers: Mutex::default(), found: Mutex::default(), asked: Mutex::default() });
    let me = Actor { name: "maya".into(), verified: true };
    let acting = Acting { plan: Arc::new(plan), sources: vec![am.clone()], store, me, program: "/proc/self/exe".into() };
    let snapshot = poll(&acting.plan, &Snapshot::empty(&acting.plan, at(0)), 10, true, None);
    Rig { acting, am, snapshot, _folder: folder }
}

/// Fold what the Alertmanager says at `secs`: whether the alert fires, and which silence holds it.
fn poll(plan: &Plan, before: &Snapshot, secs: i64, fires: bool, silence: Option<(&str, i64)>) -> Snapshot {
    let alert = FiringAlert {
        fingerprint: "f1".into(),
        labels: [("alertname", "HighErrors"), ("severity", "page")].into_iter().collect(),
        annotations: Labels::default(),
        starts_at: at(5),
        generator: None,
        silenced_by: silence.iter().map(|(id, _)| (*id).to_owned()).collect(),
        inhibited_by: Vec::new(),
    };
    let silences = silence.iter().map(|(id, ends)| Silence {
        id: (*id).to_owned(),
        starts_at: at(10),
        ends_at: at(*ends),
        created_by: "maya".into(),
        comment: "ACK! maya".into(),
        active: true,
        matchers: Vec::new(),
        covers: None,
    });
    let alerts =
        crate::domain::Alerts { alerts: if fires { vec![alert] } else { Vec::new() }, silences: silences.collect(), heartbeat: None };
    let part = Part { want: Want::Alerts, as_of: at(secs), outcome: Ok(crate::domain::Answer::Alerts(alerts)), partial: None };
    let reading = Reading { source: "am".into(), lane: Lane::Short, at: at(secs), took_us: 1, skew_secs: None, parts: vec![part] };
    fold(before, plan, Event::Read(Arc::new(reading)), at(secs))
}

fn wish(rig: &Rig, verb: Verb) -> Act {
    let incident = &rig.snapshot.incidents[0];
    Act { incident: incident.id.clone(), seen: incident.version, verb, by: None }
}

/// Fold the whole journal.
fn catch_up(rig: &mut Rig, secs: i64) {
    let newest = rig.snapshot.latest.last().map_or(0, |e| e.id);
    let entries = rig.acting.store.entries_since(newest).unwrap();
    rig.snapshot = fold(&rig.snapshot, &rig.acting.plan, Event::Journal(entries), at(secs));
}

async fn acknowledge(rig: &mut Rig, secs: i64) -> Entry {
    let entry = rig.acting.decide(&rig.snapshot, &wish(rig, Verb::Acknowledge { note: None }), &"a1".into(), at(secs)).unwrap();
    let asked = rig.acting.ask(entry, rig.snapshot.incidents[0].version).unwrap();
    rig.acting.carry_out(&asked, false, at(secs)).await.unwrap();
    catch_up(rig, secs);
    asked
}

#[tokio::test]
async fn the_intent_is_written_before_and_the_end_after() {
    let mut rig = rig();
    let entry = rig.acting.decide(&rig.snapshot, &wish(&rig, Verb::Acknowledge { note: None }), &"a1".into(), at(20)).unwrap();
    let asked = rig.acting.ask(entry, 0).unwrap();
    catch_up(&mut rig, 20);
    assert!(rig.am.asked.lock().unwrap().is_empty());
    assert_eq!(rig.snapshot.incidents[0].ack.as_ref().map(|a| a.delivery), Some(Delivery::Pending));
    rig.acting.carry_out(&asked, false, at(20)).await.unwrap();
    catch_up(&mut rig, 20);
    assert_eq!(*rig.am.asked.lock().unwrap(), ["ack"]);
    let ack = rig.snapshot.incidents[0].ack.clone().unwrap();
    assert_eq!((ack.delivery, ack.silence.as_deref()), (Delivery::Done, Some("s1")));
    assert_eq!(rig.snapshot.incidents[0].status, Status::Acknowledged);
}

#[tokio::test]
async fn the_second_of_two_is_told_who_was_first() {
    let rig = rig();
    let decide = |act: &str| rig.acting.decide(&rig.snapshot, &wish(&rig, Verb::Acknowledge { note: None }), &act.into(), at(20)).unwrap();
    let (first, mut second) = (decide("a1"), decide("a2"));
    second.who = Actor { name: "jon".into(), verified: true };
    rig.acting.ask(first, 0).unwrap();
    let refusal = rig.acting.ask(second, 0).unwrap_err().to_string();
    assert_eq!(refusal, "HighErrors: maya was first (ack at 08:00:20 UTC); nothing was done");
}

#[tokio::test]
async fn no_journal_no_act() {
    let rig = rig();
    std::fs::remove_dir_all(rig.acting.store.folder()).unwrap();
    let entry = rig.acting.decide(&rig.snapshot, &wish(&rig, Verb::Acknowledge { note: None }), &"a1".into(), at(20)).unwrap();
    assert!(matches!(rig.acting.ask(entry, 0), Err(Refusal::NoJournal(_))));
    assert!(rig.am.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_looked_for_and_never_sent_twice() {
    let mut rig = rig();
    rig.am.answers.lock().unwrap().push(Outcome::Unknown { why: "cut off".into() });
    let asked = acknowledge(&mut rig, 20).await;
    assert_eq!(rig.snapshot.incidents[0].ack.as_ref().map(|a| a.delivery), Some(Delivery::Unknown));
    *rig.am.found.lock().unwrap() = Some(Outcome::Done { receipt: Some("s7".into()) });
    let chores = chores(&rig.snapshot, &rig.acting.plan, &mut Missing::default(), at(40));
    assert!(matches!(chores.as_slice(), [Chore::Again(again)] if again.act == asked.act));
    rig.acting.carry_out(&asked, true, at(40)).await.unwrap();
    catch_up(&mut rig, 40);
    assert_eq!(*rig.am.asked.lock().unwrap(), ["ack", "look"]);
    let ack = rig.snapshot.incidents[0].ack.clone().unwrap();
    assert_eq!((ack.delivery, ack.silence.as_deref()), (Delivery::Done, Some("s7")));
}

#[tokio::test]
async fn a_read_only_cockpit_and_a_cleared_incident_refuse() {
    let mut rig = rig();
    let act = wish(&rig, Verb::Acknowledge { note: None });
    let cleared = poll(&rig.acting.plan, &rig.snapshot, 30, false, None);
    assert!(matches!(rig.acting.decide(&cleared, &act, &"a1".into(), at(30)), Err(Refusal::NotOpen(_))));
    Arc::make_mut(&mut rig.acting.plan).read_only = true;
    assert!(matches!(rig.acting.decide(&rig.snapshot, &act, &"a1".into(), at(30)), Err(Refusal::ReadOnly)));
    assert!(matches!(groups::unacknowledge(&rig.snapshot, &rig.snapshot.incidents[0]), Err(Refusal::NotHeld(_))));
}

#[tokio::test]
async fn an_acknowledgement_is_extended_at_half_life_and_released_when_the_alert_clears() {
    let mut rig = rig();
    acknowledge(&mut rig, 20).await;
    let plan = Arc::clone(&rig.acting.plan);
    let mut missing = Missing::default();
    let mut due = |snapshot: &Snapshot, secs| {
        let chores = chores(snapshot, &plan, &mut missing, at(secs));
        chores.into_iter().map(|c| if let Chore::New { effect, .. } = c { effect.verb() } else { "again" }).collect::<Vec<_>>()
    };
    rig.snapshot = poll(&rig.acting.plan, &rig.snapshot, 400, true, Some(("s1", 920)));
    assert_eq!(due(&rig.snapshot, 400), [""; 0]);
    rig.snapshot = poll(&rig.acting.plan, &rig.snapshot, 475, true, Some(("s1", 920)));
    assert_eq!(due(&rig.snapshot, 475), ["extend"]);
    let lapsing = poll(&rig.acting.plan, &rig.snapshot, 14_300, true, Some(("s1", 14_420)));
    assert_eq!(due(&lapsing, 14_300), [""; 0], "not beyond where it lapses");
    let gone = poll(&rig.acting.plan, &rig.snapshot, 500, false, Some(("s1", 920)));
    assert_eq!(due(&gone, 500), [""; 0], "a restarted Alertmanager knows nothing for a while");
    let gone = poll(&rig.acting.plan, &gone, 575, false, Some(("s1", 920)));
    assert_eq!(due(&gone, 575), ["clear"]);
}

async fn carried_out(rig: &mut Rig, by: &str, act: &str, verb: Verb, secs: i64) -> Result<Entry, Refusal> {
    let mut wish = wish(rig, verb);
    wish.by = Some(Actor { name: by.into(), verified: true });
    let entry = rig.acting.decide(&rig.snapshot, &wish, &act.into(), at(secs))?;
    let asked = rig.acting.ask(entry, wish.seen)?;
    rig.acting.carry_out(&asked, false, at(secs)).await.unwrap();
    catch_up(rig, secs);
    Ok(asked)
}

fn holder(rig: &Rig) -> (String, Option<String>, DateTime<Utc>) {
    let ack = rig.snapshot.incidents[0].ack.clone().unwrap();
    (ack.by.name.to_string(), ack.act.map(|a| a.to_string()), ack.at)
}

#[tokio::test]
async fn a_take_over_changes_the_owner_when_it_is_done_and_not_before() {
    let mut rig = rig();
    acknowledge(&mut rig, 20).await;
    rig.am.answers.lock().unwrap().push(Outcome::Unknown { why: "cut off".into() });
    let over = || Verb::TakeOver { from: "maya".into(), note: Some("mine".into()) };
    let asked = carried_out(&mut rig, "jon", "a2", over(), 100).await.unwrap();
    assert_eq!(holder(&rig).0, "maya", "nobody knows yet whether it arrived");
    *rig.am.found.lock().unwrap() = Some(Outcome::Done { receipt: Some("s1".into()) });
    rig.acting.carry_out(&asked, true, at(140)).await.unwrap();
    catch_up(&mut rig, 140);
    assert_eq!(holder(&rig), ("jon".into(), Some("a2".into()), at(100)));
    assert_eq!(*rig.am.asked.lock().unwrap(), ["ack", "takeover", "look"]);
    // What is extended from now on is extended in the new name.
    let plan = Arc::clone(&rig.acting.plan);
    rig.snapshot = poll(&plan, &rig.snapshot, 600, true, Some(("s1", 1_000)));
    let due = chores(&rig.snapshot, &plan, &mut Missing::default(), at(600));
    assert!(
        matches!(&due[..], [Chore::New { effect: Effect::Extend { by, comment, .. }, .. }] if by.as_str() == "jon" && comment == "ACK! jon mine [bw:a2]"),
        "{due:?}"
    );
}

#[tokio::test]
async fn it_is_taken_only_from_whom_it_was_seen_with() {
    let mut rig = rig();
    acknowledge(&mut rig, 20).await;
    let stale = wish(&rig, Verb::TakeOver { from: "maya".into(), note: None });
    carried_out(&mut rig, "jon", "a2", Verb::TakeOver { from: "maya".into(), note: None }, 30).await.unwrap();
    let other = rig.acting.decide(&rig.snapshot, &stale, &"a3".into(), at(40)).unwrap_err().to_string();
    assert!(other.starts_with("HighErrors is acknowledged by jon already"), "{other}");
    // And of two who take it over in the same moment the journal refuses the second.
    let wish = wish(&rig, Verb::TakeOver { from: "jon".into(), note: None });
    let entry = |act: &str| rig.acting.decide(&rig.snapshot, &wish, &act.into(), at(50)).unwrap();
    let (first, second) = (entry("a4"), entry("a5"));
    rig.acting.ask(first, wish.seen).unwrap();
    assert!(matches!(rig.acting.ask(second, wish.seen), Err(Refusal::Late { verb: "takeover", .. })));
}

#[tokio::test]
async fn a_refused_take_over_leaves_the_owner() {
    let mut rig = rig();
    acknowledge(&mut rig, 20).await;
    rig.am.answers.lock().unwrap().push(Outcome::Failed { why: "am: refused".into(), retry: false });
    carried_out(&mut rig, "jon", "a2", Verb::TakeOver { from: "maya".into(), note: None }, 30).await.unwrap();
    assert_eq!(holder(&rig).0, "maya");
    assert!(rig.snapshot.threads.values().all(|t| t.open.is_empty()), "it is over");
}

fn silencing(rig: &Rig, matchers: &str) -> Act {
    let matchers = crate::domain::LabelMatcher::list(matchers).unwrap();
    let subject = silence_subject(&"am".into(), &matchers);
    let seen = rig.snapshot.threads.get(&subject).map_or(0, |t| t.version);
    let verb = Verb::Silence { source: "am".into(), matchers, span: Duration::from_hours(2), comment: "known".into() };
    Act { incident: subject, seen, verb, by: None }
}

#[tokio::test]
async fn a_silence_is_journalled_under_what_it_asks_for_and_made_once() {
    let mut rig = rig();
    let act = silencing(&rig, "alertname=\"HighErrors\", zone!=\"eu\"");
    let decide = |id: &str| rig.acting.decide(&rig.snapshot, &act, &id.into(), at(20)).unwrap();
    let (first, second) = (decide("a1"), decide("a2"));
    let asked = rig.acting.ask(first, act.seen).unwrap();
    assert!(matches!(rig.acting.ask(second, act.seen), Err(Refusal::Late { verb: "silence", .. })), "two made the same at once");
    rig.acting.carry_out(&asked, false, at(20)).await.unwrap();
    catch_up(&mut rig, 20);
    assert_eq!(*rig.am.asked.lock().unwrap(), ["silence"]);
    assert_eq!(asked.title.as_str(), "{alertname=\"HighErrors\", zone!=\"eu\"}");
    let [asked, ended] = rig.snapshot.latest.as_slice() else { panic!("{:?}", rig.snapshot.latest) };
    assert!(
        matches!(&asked.what, What::Asked { effect: Effect::Silence { until, comment, .. } } if *until == at(7_220) && comment.as_str() == "known")
    );
    assert!(matches!(&ended.what, What::Ended { outcome: Outcome::Done { receipt: Some(id) }, .. } if id == "s1"));
}

#[tokio::test]
async fn silences_that_cannot_be_are_refused_before_anything_is_written() {
    let mut rig = rig();
    let decide = |rig: &Rig, act: &Act| rig.acting.decide(&rig.snapshot, act, &"a1".into(), at(20));
    for everything in ["alertname=~\".*\"", "alertname=\"\""] {
        assert!(matches!(decide(&rig, &silencing(&rig, everything)), Err(Refusal::BadSilence(_))), "{everything}");
    }
    let matchers = || crate::domain::LabelMatcher::list("a=\"b\"").unwrap();
    let silence = |source: &str, hours, comment: &str| {
        let (span, comment) = (Duration::from_hours(hours), comment.into());
        let verb = Verb::Silence { source: source.into(), matchers: matchers(), span, comment };
        decide(&rig, &Act { verb, ..silencing(&rig, "a=\"b\"") })
    };
    assert!(matches!(silence("am", 2, ""), Err(Refusal::BadSilence(_))));
    assert!(matches!(silence("am", 0, "known"), Err(Refusal::BadSilence(_))));
    assert!(matches!(silence("am-2", 2, "known"), Err(Refusal::NoResponder(_))));
    assert!(silence("am", 2, "known").is_ok());
    let verb = Verb::Expire { source: "am".into(), silence: "none".into() };
    assert!(matches!(decide(&rig, &Act { verb, ..silencing(&rig, "a=\"b\"") }), Err(Refusal::NoSilence(_))));
    let act = silencing(&rig, "a=\"b\"");
    Arc::make_mut(&mut rig.acting.plan).read_only = true;
    assert!(matches!(decide(&rig, &act), Err(Refusal::ReadOnly)));
    assert!(rig.am.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_silence_whose_answer_was_lost_is_looked_for_and_not_made_twice() {
    let mut rig = rig();
    rig.am.answers.lock().unwrap().push(Outcome::Unknown { why: "cut off".into() });
    let act = silencing(&rig, "a=\"b\"");
    let entry = rig.acting.decide(&rig.snapshot, &act, &"a1".into(), at(20)).unwrap();
    let asked = rig.acting.ask(entry, act.seen).unwrap();
    rig.acting.carry_out(&asked, false, at(20)).await.unwrap();
    catch_up(&mut rig, 20);
    *rig.am.found.lock().unwrap() = Some(Outcome::Done { receipt: Some("s7".into()) });
    let due = chores(&rig.snapshot, &rig.acting.plan, &mut Missing::default(), at(40));
    let [Chore::Again(again)] = due.as_slice() else { panic!("{due:?}") };
    rig.acting.carry_out(again, true, at(40)).await.unwrap();
    catch_up(&mut rig, 40);
    assert_eq!(*rig.am.asked.lock().unwrap(), ["silence", "look"]);
    assert!(chores(&rig.snapshot, &rig.acting.plan, &mut Missing::default(), at(60)).is_empty(), "that is its end");
}
