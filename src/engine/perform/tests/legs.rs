//! Acknowledging a group: each leg ends by itself, and every one of them ends.

use super::*;
use crate::domain::{Alerts, Answer, GroupBy, GroupRule, Incident, LabelMatcher};

/// Two Alertmanagers that tell of the same trouble, and people who act on it.
struct Places {
    acting: Acting,
    eu: Arc<Fake>,
    us: Arc<Fake>,
    snapshot: Snapshot,
    _folder: tempfile::TempDir,
}

fn done(silence: &str) -> Outcome {
    Outcome::Done { receipt: Some(silence.into()) }
}

fn refused() -> Outcome {
    Outcome::Failed { why: "refused".into(), retry: false }
}

fn lost() -> Outcome {
    Outcome::Unknown { why: "cut off".into() }
}

fn unreached() -> Outcome {
    Outcome::Failed { why: "not reached".into(), retry: true }
}

impl Places {
    /// With so many alerts of one cause in each of them. A rule of the config leaves the one of `web-9` by itself.
    fn new(alerts: [&[usize]; 2]) -> Self {
        let mut plan = fixture::plan(["eu", "us"].map(|name| fixture::source(name, "alertmanager", 15)).to_vec(), Vec::new());
        let web_9 = Matchers::new(&LabelMatcher::list("pod=\"web-9\"").unwrap()).unwrap();
        plan.groups = vec![GroupRule { name: "odd".into(), matchers: web_9, by: GroupBy::Nothing }];
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("store")).unwrap());
        let fake =
            |name: &str| Arc::new(Fake { name: name.into(), answers: Mutex::default(), found: Mutex::default(), asked: Mutex::default() });
        let (eu, us) = (fake("eu"), fake("us"));
        let me = Actor { name: "maya".into(), verified: true };
        let acting = Acting { plan: Arc::new(plan), sources: vec![eu.clone(), us.clone()], store, me, program: "/proc/self/exe".into() };
        let mut snapshot = Snapshot::empty(&acting.plan, at(0));
        for (source, alerts) in ["eu", "us"].into_iter().zip(alerts) {
            let all = alerts.iter().map(|n| alert(*n)).collect();
            let part = Part {
                want: Want::Alerts,
                as_of: at(10),
                outcome: Ok(Answer::Alerts(Alerts { alerts: all, silences: Vec::new(), heartbeat: None })),
                partial: None,
            };
            let reading = Reading { source: source.into(), lane: Lane::Short, at: at(10), took_us: 1, skew_secs: None, parts: vec![part] };
            snapshot = fold(&snapshot, &acting.plan, Event::Read(Arc::new(reading)), at(10));
        }
        Self { acting, eu, us, snapshot, _folder: folder }
    }
    fn group(&self) -> &Incident {
        self.snapshot.incidents.iter().find(|incident| incident.count() > 1).unwrap()
    }
    fn catch_up(&mut self, secs: i64) {
        let newest = self.snapshot.latest.last().map_or(0, |e| e.id);
        let entries = self.acting.store.entries_since(newest).unwrap();
        self.snapshot = fold(&self.snapshot, &self.acting.plan, Event::Journal(entries), at(secs));
    }
    /// Acknowledge all of it.
    async fn take(&mut self, secs: i64) -> Entry {
        let act = Act { incident: self.group().id.clone(), seen: self.group().version, verb: Verb::Acknowledge { note: None }, by: None };
        let entry = self.acting.decide(&self.snapshot, &act, &"a1".into(), at(secs)).unwrap();
        let asked = self.acting.ask(entry, act.seen).unwrap();
        self.acting.carry_out(&asked, false, at(secs)).await.unwrap();
        self.catch_up(secs);
        asked
    }
    /// What came of the act in each place.
    fn deliveries(&self) -> Vec<Delivery> {
        let thread = &self.snapshot.threads[&self.group().id];
        thread.acks().flat_map(|ack| ack.legs.iter().map(|leg| leg.delivery)).collect()
    }
    /// Who holds the alert of one place, as its row in the room says.
    fn held_in(&self, source: &str) -> Option<Delivery> {
        let part = self.group().parts().find(|part| part.sources[0].as_str() == source).unwrap();
        part.ack.as_ref().map(|ack| ack.delivery)
    }
    /// The acts that nobody has brought to an end yet.
    fn due(&self, secs: i64) -> Vec<Entry> {
        let due = chores(&self.snapshot, &self.acting.plan, &mut Missing::default(), at(secs));
        due.into_iter().filter_map(|chore| if let Chore::Again(again) = chore { Some(*again) } else { None }).collect()
    }
}

fn alert(n: usize) -> FiringAlert {
    FiringAlert {
        fingerprint: Text::from(format!("f{n}")),
        labels: [("alertname", "HighErrors".to_owned()), ("service", "checkout".to_owned()), ("pod", format!("web-{n}"))]
            .into_iter()
            .collect(),
        annotations: Labels::default(),
        starts_at: at(5),
        generator: None,
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
    }
}

fn asked(fake: &Fake) -> Vec<&'static str> {
    fake.asked.lock().unwrap().clone()
}

#[tokio::test]
async fn each_leg_ends_done_failed_or_unknown_by_itself() {
    use Delivery::{Done, Failed, Pending, Unknown};
    for (eu, us, told, whole, again) in [
        (done("s1"), done("s2"), [Done, Done], Some(Done), false),
        (done("s1"), refused(), [Done, Failed], None, false),
        (refused(), done("s2"), [Failed, Done], None, false),
        (refused(), refused(), [Failed, Failed], None, false),
        (done("s1"), lost(), [Done, Unknown], Some(Unknown), true),
        (lost(), refused(), [Unknown, Failed], None, true),
        (unreached(), done("s2"), [Pending, Done], Some(Pending), true),
    ] {
        let case = format!("{eu:?} and {us:?}");
        let mut places = Places::new([&[1], &[1]]);
        places.eu.answers.lock().unwrap().push(eu);
        places.us.answers.lock().unwrap().push(us);
        places.take(20).await;
        assert_eq!(places.deliveries(), told, "{case}");
        assert_eq!([places.held_in("eu"), places.held_in("us")], told.map(Some), "{case}");
        assert_eq!((asked(&places.eu), asked(&places.us)), (vec!["ack"], vec!["ack"]), "{case}: one refusal stops no other leg");
        let held = places.group().ack.as_ref().map(|ack| ack.delivery).filter(|delivery| *delivery != Failed);
        assert_eq!(held, whole, "{case}");
        assert_eq!(places.due(60).len(), usize::from(again), "{case}: what is certain is not tried again");
        let ends: Vec<_> = places.acting.store.recent(9).unwrap().into_iter().filter(|e| matches!(e.what, What::Ended { .. })).collect();
        assert!(matches!(&ends[..], [Entry { what: What::Ended { legs, .. }, .. }] if legs.len() == 2), "{case}: {ends:?}");
    }
}

#[tokio::test]
async fn a_lost_leg_is_looked_for_and_none_is_done_twice() {
    for (found, then) in [(Some(done("s7")), vec!["ack", "look"]), (None, vec!["ack", "look", "ack"])] {
        let mut places = Places::new([&[1], &[1]]);
        places.us.answers.lock().unwrap().push(lost());
        let first = places.take(20).await;
        *places.eu.found.lock().unwrap() = Some(done("s1"));
        places.us.found.lock().unwrap().clone_from(&found);
        let due = places.due(60);
        assert!(matches!(&due[..], [again] if again.act == first.act), "{due:?}");
        places.acting.carry_out(&due[0], true, at(60)).await.unwrap();
        places.catch_up(60);
        assert_eq!(places.deliveries(), [Delivery::Done; 2], "{found:?}");
        assert_eq!((asked(&places.eu), asked(&places.us)), (vec!["ack", "look"], then), "{found:?}");
        assert_eq!(places.group().status, Status::Acknowledged);
        assert!(places.due(600).is_empty(), "that is its end");
    }
}

#[tokio::test]
async fn a_place_that_gave_no_answer_is_not_waited_for_with_every_leg() {
    // What all three have in common another one has too, so that each is silenced by itself.
    let mut places = Places::new([&[1, 2, 3, 9], &[1]]);
    places.eu.answers.lock().unwrap().push(lost());
    places.take(20).await;
    assert_eq!((asked(&places.eu), asked(&places.us)), (vec!["ack"], vec!["ack"]));
    let told = places.deliveries();
    let many = |wished: Delivery| told.iter().filter(|delivery| **delivery == wished).count();
    assert_eq!((many(Delivery::Done), many(Delivery::Unknown), many(Delivery::Pending), told.len()), (1, 1, 2, 4), "{told:?}");
    assert_eq!(places.due(60).len(), 1, "what was not sent is, once it answers");
}
